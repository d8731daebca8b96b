/* Azure's confidential machines.  Their TPM is a program of the paravisor, which runs inside the
 * hardware's protection; the hardware's report signs a hash of the attestation key. */
#include "attest/tpm/internal.h"
#include "base/base64.h"
#include "base/json.h"

static const char STAGE[] = "tpm.hcl";
static const char SOURCE[] =
    "Microsoft, guest attestation for confidential VMs; formats/evidence.md";

enum { MAX_CLAIMS = 65536, REQUEST = 2, HASH_SHA256 = 1, RUNTIME_HEAD = 20 };

static bool is_zero(blind_span bytes)
{
    uint8_t any = 0;
    for (size_t i = 0; i < bytes.size; i++)
        any |= bytes.data[i];
    return any == 0;
}

blind_code bl_hcl_parse(blind_span raw, bl_hcl_report *out, blind_error *err)
{
    bl_reader  r = { .rest = raw };
    blind_span magic = bl_read_bytes(&r, 4);
    uint32_t   version = bl_read_u32le(&r);
    uint32_t   size = bl_read_u32le(&r), request = bl_read_u32le(&r);
    blind_span reserved = bl_read_bytes(&r, 16);
    *out = (bl_hcl_report){ .hardware = bl_read_bytes(&r, BL_HCL_HARDWARE) };
    uint32_t data_size = bl_read_u32le(&r), data_version = bl_read_u32le(&r);
    out->kind = bl_read_u32le(&r);
    uint32_t hash = bl_read_u32le(&r), claims = bl_read_u32le(&r);
    r.failed |= claims > MAX_CLAIMS || data_size != (uint64_t)claims + RUNTIME_HEAD ||
                size != 32u + BL_HCL_HARDWARE + (uint64_t)data_size;
    out->claims = bl_read_bytes(&r, claims);
    if (!r.failed && bl_span_equal(magic, BL_LITERAL("HCLA")) && version >= 1 && version <= 2 &&
        request == REQUEST && data_version == 1 && hash == HASH_SHA256 && claims > 0 &&
        (out->kind == BL_HCL_SNP || out->kind == BL_HCL_TDX) && is_zero(reserved) &&
        is_zero(r.rest))
        return BLIND_OK;
    *out = (bl_hcl_report){ 0 };
    return blind_fail(err, BLIND_FORMAT, STAGE, "%zu bytes that are no HCL report", raw.size);
}

/* ---- the key among the claims ---- */

/* The JSON Web Key of this id.  Source: RFC 7517, section 5. */
static const json_t *find_key(const json_t *keys, const char *id)
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);
        const char   *kid = json_string_value(json_object_get(key, "kid"));
        if (kid && strcmp(kid, id) == 0)
            return key;
    }
    return NULL;
}

static blind_code check_key(const bl_tpm_session *s, const json_t *claims, blind_error *err)
{
    const json_t *key = find_key(json_object_get(claims, "keys"), "HCLAkPub");
    const char   *type = json_string_value(json_object_get(key, "kty"));
    const char   *e = json_string_value(json_object_get(key, "e"));
    const char   *n = json_string_value(json_object_get(key, "n"));
    bl_auto_buf   modulus = BL_BUF_EMPTY;
    uint8_t       spki[BL_TPM_SPKI];
    if (!type || strcmp(type, "RSA") != 0 || !e || strcmp(e, "AQAB") != 0 || !n ||
        bl_base64_decode(bl_span_str(n), BL_BASE64_URL, &modulus, NULL) != BLIND_OK ||
        modulus.size < 256 || modulus.size > 512 || !(modulus.data[0] & 0x80))
        return blind_fail(err, BLIND_CHAIN, STAGE, "no RSA key 'HCLAkPub' in the runtime claims");
    const bl_tpm_public ak = { .type = BL_TPM_RSA, .x = bl_buf_span(&modulus) };
    if (bl_span_equal(s->spki, bl_span(spki, bl_tpm_public_spki(&ak, spki))))
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "the runtime claims name another attestation key");
}

static blind_code check_claims(const bl_tpm_session *s, const bl_hcl_report *hcl, blind_error *err)
{
    bl_auto_json *claims = NULL;
    blind_span    beside = bl_parts_get(&s->parts, "runtime_data");
    if (beside.size && !bl_span_equal(beside, hcl->claims))
        return blind_fail(err, BLIND_CHAIN, STAGE, "runtime_data is not what the HCL report holds");
    if (bl_json_parse(hcl->claims, MAX_CLAIMS, &claims, err) != BLIND_OK)
        return blind_fail(err, BLIND_CHAIN, STAGE, "the runtime claims are no JSON");
    return check_key(s, claims, err);
}

/* ---- the hardware ---- */

/* What the hardware signed: SNP's report lies in the HCL report, a TD's quote beside it. */
static blind_code hardware_evidence(const bl_tpm_session *s, const bl_hcl_report *hcl,
                                    const char **tee, blind_span *out, blind_error *err)
{
    bool        snp = hcl->kind == BL_HCL_SNP;
    const char *part = snp ? "snp_report" : "td_quote";
    blind_span  given = bl_parts_get(&s->parts, part);
    *tee = snp ? "snp" : "tdx";
    *out = snp ? hcl->hardware : given;
    if (snp && given.size && !bl_span_equal(given, *out))
        return blind_fail(err, BLIND_CHAIN, STAGE, "snp_report is not what the HCL report holds");
    if (out->size)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "no TD quote");
}

/* Whoever runs in the machine can have a report of its own privilege level with what report data it
 * likes; only the paravisor's are of level 0.  Source: AMD 56860, table 23 (0x30). */
static blind_code check_level(const bl_hcl_report *hcl, blind_error *err)
{
    bl_reader r = { .rest = hcl->hardware };
    bl_skip(&r, 0x30);
    uint32_t vmpl = bl_read_u32le(&r);
    if (hcl->kind != BL_HCL_SNP || vmpl == 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "a report of VMPL %u, not the paravisor's", vmpl);
}

/* Where report data stands, in both forms that it comes in here.  Source: AMD 56860, table 23
 * (0x50); Intel TDX DCAP quote, TD report body (header of 48 bytes, 520). */
static blind_code check_hash(const bl_hcl_report *hcl, blind_span evidence, blind_error *err)
{
    size_t  at = hcl->kind == BL_HCL_SNP ? 0x50 : 48 + 520;
    uint8_t digest[64] = { 0 };
    if (evidence.size < at + 64 || bl_sha256(hcl->claims, digest) != BLIND_OK)
        return blind_fail(err, BLIND_CHAIN, STAGE, "a hardware report of %zu bytes", evidence.size);
    if (memcmp(evidence.data + at, digest, sizeof digest) == 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE,
                      "the hardware's report data is not the hash of the runtime claims");
}

/* The inner TEE's own verifier, under the policy's rules but its pins, which are of TPM keys. */
static blind_code verify_inner(const bl_tpm_session *s, const char *name, blind_span evidence,
                               bl_claims *inner, blind_error *err)
{
    const bl_tee *tee = bl_tee_find(bl_span_str(name));
    if (!tee)
        return blind_fail(err, BLIND_EVIDENCE, STAGE, "this build cannot verify TEE '%s'", name);
    bl_verify_rules rules = *s->in->rules;
    bl_verify_input in = *s->in;
    rules.keys_len = rules.authorities_len = 0;
    in.evidence = evidence;
    in.parts = &s->parts;
    in.roots = tee->roots;
    in.rules = &rules;
    return tee->verify(&in, inner, err);
}

/* The memory, its debugging and the machine's firmware are the hardware's to speak of; whom one
 * trusts is no longer the host but the paravisor, which the hardware measured. */
static void take_claims(const bl_claims *inner, bl_claims *out)
{
    out->memory_encrypted = inner->memory_encrypted;
    out->not_debuggable = inner->not_debuggable;
    out->smt_off = inner->smt_off;
    out->migration_off = inner->migration_off;
    out->tcb_current = inner->tcb_current;
    out->tcb_found = inner->tcb_found;
    out->advisories = inner->advisories;
    out->hardware_id = inner->hardware_id;
    out->trusts_host = inner->trusts_host;
    out->trusts_hypervisor = inner->trusts_hypervisor;
    out->trusts_firmware = true;
}

static void judge_hardware(const bl_tpm_session *s, const char *tee, blind_span evidence,
                           bool vouched, bl_claims *out)
{
    static const char expected[] = "the hardware's own report, with its endorsements";
    blind_error       why = { 0 };
    bl_claims        *inner = bl_arena_alloc(s->in->arena, sizeof *inner);
    out->failed |= !inner;
    if (!inner)
        return;
    blind_code code = verify_inner(s, tee, evidence, inner, &why);
    out->failed |= code == BLIND_MEMORY;
    if (code == BLIND_OK) {
        bl_find(out, "hardware", true, BLIND_CHAIN, expected, tee, SOURCE);
        take_claims(inner, out);
    } else if (vouched) {
        bl_find_beside(out, "hardware", BLIND_UNKNOWN, code, expected,
                       bl_arena_printf(s->in->arena, "%s", why.message), SOURCE);
    } else {
        (void)bl_find_step(out, s->in->arena, "hardware", code, &why, expected, SOURCE);
    }
}

void bl_tpm_judge_hcl(const bl_tpm_session *s, bool vouched, bl_claims *out)
{
    blind_error   why = { 0 };
    bl_hcl_report hcl;
    const char   *tee = "";
    blind_span    evidence = { 0 };
    blind_code    code = bl_hcl_parse(bl_parts_get(&s->parts, "hcl_report"), &hcl, &why);
    if (code == BLIND_OK)
        code = check_claims(s, &hcl, &why);
    if (code == BLIND_OK)
        code = hardware_evidence(s, &hcl, &tee, &evidence, &why);
    if (code == BLIND_OK)
        code = check_level(&hcl, &why);
    if (code == BLIND_OK)
        code = check_hash(&hcl, evidence, &why);
    if (bl_find_step(out, s->in->arena, "runtime claims", code, &why,
                     "an attestation key whose hash the hardware's report data holds",
                     SOURCE) == BLIND_OK)
        judge_hardware(s, tee, evidence, vouched, out);
}
