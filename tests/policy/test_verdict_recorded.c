/* Verdicts over recorded evidence read as recorded, one accepted and two refused for each TEE.
 *
 * BLIND_GOLDEN=write rewrites tests/policy/golden/recorded/CASE.txt, for a change that is meant. */
#include "tests/test.h"

#include "tests/attest/cases.h"

static void compare(const char *id, const char *text)
{
    char path[256], want[32768];
    bool write = getenv("BLIND_GOLDEN") && strcmp(getenv("BLIND_GOLDEN"), "write") == 0;
    snprintf(path, sizeof path, "tests/policy/golden/recorded/%s.txt", id);
    FILE *f = fopen(path, write ? "w+b" : "rb");
    if (!f)
        fail_msg("no file '%s'", path);
    if (write)
        fputs(text, f);
    rewind(f);
    size_t n = fread(want, 1, sizeof want - 1, f);
    want[n] = 0;
    fclose(f);
    assert_string_equal(want, text);
}

static const char *const ids[] = {
    "nitro-dstack-2025-right-pcrs",
    "nitro-dstack-2025-flip-sig",
    "nitro-dstack-debug-2025",
    "nvidia-hopper",
    "nvidia-hopper-flip-sig",
    "nvidia-hopper-wrong-nonce",
    "snp-openanolis-turin-v5",
    "snp-trustee-milan-v3-vlek-vmpl0",
    "snp-virtee-milan-v2-forged-root",
    "tpm-gce-cos-85-nonce9009-sha256",
    "tpm-gce-cos-85-nonce9009-sha256-log-dropped",
    "tpm-safeboot-t490-flip-sig",
};

TEST(recorded_evidence_reads_as_recorded)
{
    case_list list;
    if (!cases_open(&list))
        return;
    for (size_t i = 0; i < BL_LEN(ids); i++) {
        recorded      c;
        blind_result *result;
        cases_find(&list, ids[i], &c);
        blind_code code = case_appraise(&c, NULL, &result, NULL);
        CHECK((code == BLIND_OK) == c.accept);
        compare(ids[i], blind_result_text(result));
        blind_result_free(result);
        case_done(&c);
    }
    cases_close(&list);
}

TESTS(RUN(recorded_evidence_reads_as_recorded))
