/* TCB info: the wrapper's scanner, then the object that it found; the input as the object itself.
 * What parses is judged for a platform, whose standing must be explained. */
#include "attest/intel/signed_json.h"
#include "attest/intel/tcb.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char   advisory[] = "INTEL-SA-00615";
static const char  *advisories[] = { advisory, advisory };
static bl_isv_level qe_levels[] = {
    { .isv_svn = 4 },
    { .isv_svn = 3, .status = BL_TCB_OUT_OF_DATE, .advisories = { advisories, 2 } },
    { .isv_svn = 2, .status = BL_TCB_REVOKED },
};

static void judge(const bl_tcb_info *info, const bl_tcb_subject *subject, bl_arena *arena)
{
    bl_qe_identity  qe = { .levels = { qe_levels, BL_LEN(qe_levels) } };
    bl_tcb_standing standing;
    bool            failed = false;
    bl_tcb_judge(info, &qe, subject, &standing);
    const char *text = bl_tcb_explain(info, &qe, subject, &standing, arena);
    const char *list = bl_tcb_advisories(&standing, arena, &failed);
    if (!text || failed || strlen(bl_tcb_status_name(standing.status)) > strlen(text))
        abort();
    if (standing.level && standing.platform == BL_TCB_NOT_SUPPORTED)
        abort();
    if (list && standing.status == BL_TCB_UP_TO_DATE && standing.platform != BL_TCB_UP_TO_DATE)
        abort();
}

/* Platforms from the newest to one that no level fits, and each version of the quoting enclave. */
static void judge_all(const bl_tcb_info *info, bl_arena *arena)
{
    static const uint8_t  svn[][16] = { { 6, 1, 3 }, { 4, 1, 3 }, { 5, 0, 3 }, { 0, 2, 0 } };
    static const uint16_t components[] = { 255, 3, 2, 0 };
    for (size_t i = 0; i < BL_LEN(components); i++) {
        bl_pck         pck = { .pce_svn = components[i] > 2 ? 13 : 5 };
        bl_tcb_subject subject = { .pck = &pck, .qe_svn = (uint16_t)(4 - i) };
        memset(pck.components, components[i], sizeof pck.components);
        judge(info, &subject, arena);
        for (size_t k = 0; info->tdx && k < BL_LEN(svn); k++) {
            subject.tee_tcb_svn = bl_span(svn[k], 16);
            subject.tee_tcb_svn_2 = bl_span(svn[0], i == 3 ? 0 : 16);
            subject.qe_svn = k == 1 ? 4 : subject.qe_svn;
            judge(info, &subject, arena);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_span     text = { data, size };
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    bl_signed_json found = { .body = text };
    bl_tcb_info    info;
    if (bl_signed_json_find(text, "tcbInfo", &found, NULL) != BLIND_OK) {
        if (found.body.size)
            abort();
        found.body = text;
    }
    if (found.body.size && (found.body.data < data || found.body.size > size))
        abort();
    if (bl_tcb_info_parse(found.body, &arena, &info, NULL) == BLIND_OK) {
        if (info.levels_len == 0 || info.levels_len > BL_MAX_TCB_LEVELS ||
            info.issue_s >= info.next_s || (info.version == 2 && info.tdx))
            abort();
        judge_all(&info, &arena);
    } else if (info.levels || info.modules) {
        abort();
    }
    return 0;
}
