/* Recorded cases that are no evidence of a TEE: boot logs, launch digests, endorsement
 * certificates.
 */
#include "attest/event_log.h"
#include "attest/tpm/tpm.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "conformance/case.h"

#include <stdlib.h>

static const json_t *file_of(const json_t *one, const char *name)
{
    return json_object_get(json_object_get(one, "files"), name);
}

/* ---- boot logs ---- */

static bool register_is(const uint8_t *value, size_t size, const char *hex)
{
    uint8_t want[64];
    return hex && strlen(hex) == 2 * size && bl_hex_decode(bl_span_str(hex), want, size) &&
           memcmp(want, value, size) == 0;
}

/* Every register that is listed, against what the log replays to. */
static bool registers_match(const json_t *listed, uint8_t regs[BL_REGISTERS][BL_HASH_MAX],
                            size_t size, blind_case_judgement *out)
{
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)(uintptr_t)listed, key, value)
    {
        char         *end;
        unsigned long reg = strtoul(key, &end, 10);
        if (*end || reg >= BL_REGISTERS ||
            !register_is(regs[reg], size, json_string_value(value))) {
            bl_judged_case(out, BLIND_CASE_REJECT, "the log does not replay to PCR %.8s", key);
            return false;
        }
    }
    return true;
}

static const struct {
    const char *file;
    bl_hash     bank;
} banks[] = { { "pcrs_sha1", BL_BANK_SHA1 },
              { "pcrs_sha256", BL_SHA256 },
              { "pcrs_sha384", BL_SHA384 } };

static blind_code judge_bank(const char *dir, const json_t *file, const bl_event_log *log,
                             bl_hash bank, blind_case_judgement *out, blind_error *err)
{
    uint8_t       regs[BL_REGISTERS][BL_HASH_MAX];
    bl_auto_buf   text = BL_BUF_EMPTY;
    bl_auto_json *listed = NULL;
    blind_error   why;
    BL_TRY(bl_case_read(dir, file, &text, err));
    BL_TRY(bl_json_parse(bl_buf_span(&text), BL_MAX_CASE_FILE, &listed, err));
    const json_t *pcrs = json_object_get(listed, "pcrs");
    if (bl_event_log_replay(log, bank, regs, NULL, &why) != BLIND_OK)
        bl_judged_case(out, BLIND_CASE_REJECT, "%s", why.message);
    else
        (void)registers_match(pcrs ? pcrs : listed, regs, bl_hash_size(bank), out);
    return BLIND_OK;
}

static blind_code judge_event_log(const char *dir, const json_t *one, blind_case_judgement *out,
                                  blind_error *err)
{
    bl_auto_buf   raw = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_event_log  log;
    blind_error   why;
    size_t        compared = 0;
    BL_TRY(bl_case_read(dir, file_of(one, "evidence"), &raw, err));
    if (bl_event_log_parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log, &why) != BLIND_OK) {
        bl_judged_case(out, BLIND_CASE_REJECT, "%s", why.message);
        return BLIND_OK;
    }
    bl_judged_case(out, BLIND_CASE_ACCEPT, "%zu events replay to the registers listed", log.len);
    for (size_t i = 0; i < BL_LEN(banks) && out->verdict == BLIND_CASE_ACCEPT; i++)
        if (file_of(one, banks[i].file)) {
            compared++;
            BL_TRY(judge_bank(dir, file_of(one, banks[i].file), &log, banks[i].bank, out, err));
        }
    if (compared == 0)
        bl_judged_case(out, BLIND_CASE_REJECT, "no registers to compare with");
    return BLIND_OK;
}

/* ---- certificates of endorsement and attestation keys ---- */

static blind_code judge_tpm_certificate(const char *dir, const json_t *one,
                                        blind_case_judgement *out, blind_error *err)
{
    static const bl_verify_rules none;
    bl_auto_buf                  cert = BL_BUF_EMPTY, chain = BL_BUF_EMPTY;
    bl_tpm_cert                  found;
    blind_error                  why;
    bl_tpm_cert_input            in = { .roots = &bl_tpm_roots, .rules = &none };
    const char                  *at = json_string_value(json_object_get(one, "verify_at"));
    BL_TRY(bl_case_read(dir, file_of(one, "evidence"), &cert, err));
    BL_TRY(bl_case_read(dir, file_of(one, "chain"), &chain, err));
    in.cert = bl_buf_span(&cert);
    in.chain = bl_buf_span(&chain);
    if (!at || !bl_clock_parse(at, &in.now_s))
        return blind_fail(err, BLIND_INPUT, "conformance.case", "a certificate without a time");
    in.role = BL_TPM_EK_CERT;
    if (bl_tpm_cert_verify(&in, (blind_span){ 0 }, &found, NULL) != BLIND_OK)
        in.role = BL_TPM_AK_CERT;
    if (bl_tpm_cert_verify(&in, (blind_span){ 0 }, &found, &why) == BLIND_OK)
        bl_judged_case(out, BLIND_CASE_ACCEPT, "under %s", found.anchor);
    else
        bl_judged_case(out, BLIND_CASE_REJECT, "%s", why.message);
    return BLIND_OK;
}

/* ---- all of them ---- */

static const struct {
    const char *what;
    blind_code (*judge)(const char *dir, const json_t *one, blind_case_judgement *out,
                        blind_error *err);
} kinds[] = {
    { "event_log", judge_event_log },
    { "ek_or_ak_cert", judge_tpm_certificate },
    { "snp_launch_digest", bl_case_judge_launch },
    { "tdx_rtmr_replay", bl_case_judge_rtmrs },
};

blind_code bl_case_judge_other(const char *dir, const json_t *one, const char *what,
                               blind_case_judgement *out, blind_error *err)
{
    for (size_t i = 0; i < BL_LEN(kinds); i++)
        if (strcmp(what, kinds[i].what) == 0)
            return kinds[i].judge(dir, one, out, err);
    bl_judged_case(out, BLIND_CASE_UNSUPPORTED, "no judging of '%.32s' in this build", what);
    return BLIND_OK;
}
