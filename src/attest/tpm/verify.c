/* Who vouches for the attestation key, and what follows from it. */
#include "attest/tpm/credential.h"
#include "attest/tpm/internal.h"
#include "base/hex.h"

static const char SOURCE[] = "TPM 2.0 part 1, section 9.5 (trusted reporting)";

static bool is_pinned(const bl_tpm_session *s)
{
    const bl_verify_rules *rules = s->in->rules;
    for (size_t i = 0; i < rules->keys_len; i++)
        if (memcmp(s->spki_sha256, rules->keys[i], 32) == 0)
            return true;
    return false;
}

static const char *key_text(const bl_tpm_session *s)
{
    char hex[65];
    bl_hex_encode(bl_span(s->spki_sha256, 32), hex);
    return bl_arena_printf(s->in->arena, "key %.16s...", hex);
}

/* The public area says what the key may sign.  Where only the key itself is given, whoever vouches
 * for it vouches for that too. */
static void judge_attributes(const bl_tpm_session *s, bl_claims *out)
{
    static const char expected[] = "restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin; "
                                   "not decrypt";
    static const char source[] = "TPM 2.0 part 2, section 8.3; part 1, section 31.3";
    blind_error       why = { 0 };
    if (s->ak.type)
        (void)bl_find_step(out, s->in->arena, "ak attributes", bl_tpm_check_ak(&s->ak, &why), &why,
                           expected, source);
    else
        bl_find_beside(out, "ak attributes", BLIND_UNKNOWN, BLIND_EVIDENCE, expected,
                       "no public area", source);
}

static void claim_kind(const bl_tpm_cert *cert, bl_claims *out)
{
    out->tpm_kind = cert->kind;
    if (cert->kind == BL_TPM_NONE)
        return;
    bl_claim_flag(out, "discrete", cert->kind == BL_TPM_DISCRETE);
    bl_claim_flag(out, "firmware", cert->kind == BL_TPM_FIRMWARE);
    bl_claim_flag(out, "virtual", cert->kind == BL_TPM_VIRTUAL);
}

static void judge_certificate(const bl_tpm_session *s, bl_claims *out)
{
    static const char       expected[] = "an attestation key that a trusted authority certifies";
    blind_error             why = { 0 };
    bl_tpm_cert             cert;
    const bl_tpm_cert_input in = { .role = BL_TPM_AK_CERT,
                                   .cert = bl_parts_get(&s->parts, "ak_cert"),
                                   .chain = bl_parts_get(&s->parts, "ak_chain"),
                                   .roots = s->in->roots,
                                   .rules = s->in->rules,
                                   .now_s = s->in->now_s,
                                   .cache = s->in->cache };
    blind_code              code = bl_tpm_cert_verify(&in, s->spki, &cert, &why);
    out->failed |= code == BLIND_MEMORY;
    if (code != BLIND_OK) {
        (void)bl_find_step(out, s->in->arena, "ak", code, &why, expected, SOURCE);
        return;
    }
    bl_find(out, "ak", true, BLIND_CHAIN, expected,
            bl_arena_printf(s->in->arena, "%s, certified under %s", key_text(s), cert.anchor),
            SOURCE);
    claim_kind(&cert, out);
}

/* The caller's record of this very key, by its name; a record that cannot be read names nobody. */
static bool find_enrolment(const bl_tpm_session *s, bl_tpm_enrolment *out)
{
    uint8_t name[BL_TPM_NAME];
    size_t  size;
    if (!s->ak.type || bl_tpm_public_name(&s->ak, name, &size, NULL) != BLIND_OK)
        return false;
    for (size_t i = 0; i < s->in->rules->enrolments_len; i++)
        if (bl_tpm_enrolment_parse(s->in->rules->enrolments[i], out, NULL) == BLIND_OK &&
            bl_span_equal(out->ak_name, bl_span(name, size)))
            return true;
    return false;
}

/* A key that answered the caller's challenge to an endorsement key, whose certificate is judged
 * anew.  Source: TPM 2.0 part 1, section 24. */
static void judge_enrolment(const bl_tpm_session *s, const bl_tpm_enrolment *enrolment,
                            bl_claims *out)
{
    static const char       expected[] = "an attestation key of the TPM that its maker certifies";
    static const char       source[] = "TPM 2.0 part 1, section 24; TCG EK Credential Profile 2.5";
    blind_error             why = { 0 };
    bl_tpm_public           ek;
    bl_tpm_cert             cert;
    const bl_tpm_cert_input anchors = {
        .roots = s->in->roots, .rules = s->in->rules, .now_s = s->in->now_s, .cache = s->in->cache
    };
    blind_code code = bl_tpm_check_endorsement(enrolment, &anchors, &ek, &cert, &why);
    out->failed |= code == BLIND_MEMORY;
    if (code != BLIND_OK) {
        (void)bl_find_step(out, s->in->arena, "ak", code, &why, expected, source);
        return;
    }
    bl_find(out, "ak", true, BLIND_CHAIN, expected,
            bl_arena_printf(s->in->arena, "%s, enrolled %lld s ago; its TPM is certified under %s",
                            key_text(s), (long long)(s->in->now_s - enrolment->time_s),
                            cert.anchor),
            source);
    claim_kind(&cert, out);
    char *id = bl_arena_copy(s->in->arena, bl_span(cert.spki_sha256, 32));
    out->failed |= !id;
    out->hardware_id = bl_span(id, id ? 32 : 0);
}

/* Whether somebody beside the machine's own hardware vouches for the key. */
static bool judge_voucher(const bl_tpm_session *s, bool has_hcl, bl_claims *out)
{
    if (is_pinned(s)) {
        bl_find(out, "ak", true, BLIND_CHAIN, "an attestation key that the policy pins",
                key_text(s), "policy: keys");
        return true;
    }
    bl_tpm_enrolment enrolment;
    if (find_enrolment(s, &enrolment)) {
        judge_enrolment(s, &enrolment, out);
        return true;
    }
    if (bl_parts_get(&s->parts, "ak_cert").size) {
        judge_certificate(s, out);
        return true;
    }
    if (!has_hcl)
        bl_find(out, "ak", false, BLIND_CHAIN,
                "an attestation key that is certified, enrolled or pinned",
                bl_arena_printf(s->in->arena, "%s, for which nobody vouches", key_text(s)), SOURCE);
    return false;
}

static void judge_ak(const bl_tpm_session *s, bl_claims *out)
{
    bool has_hcl = bl_parts_get(&s->parts, "hcl_report").size > 0;
    judge_attributes(s, out);
    bool vouched = judge_voucher(s, has_hcl, out);
    if (has_hcl)
        bl_tpm_judge_hcl(s, vouched, out);
}

static void judge_kind(const bl_tpm_session *s, bl_claims *out)
{
    (void)s;
    bl_find_beside(out, "tpm kind", out->tpm_kind ? BLIND_PROVEN : BLIND_UNKNOWN, BLIND_ISOLATION,
                   "discrete, firmware or virtual", bl_tpm_kind_name(out->tpm_kind),
                   "TCG EK Credential Profile 2.5, section 3.1.2");
}

blind_code bl_tpm_verify(const bl_verify_input *in, bl_claims *out, blind_error *err)
{
    bl_auto_tpm_session s;
    out->tee = "tpm";
    BL_TRY(bl_tpm_session_read(in, &s, err));
    bl_tpm_claim_quote(&s, out);
    judge_ak(&s, out);
    bl_tpm_judge_quote(&s, out);
    bl_tpm_judge_event_log(&s, out);
    judge_kind(&s, out);
    return bl_findings_code(out, err);
}
