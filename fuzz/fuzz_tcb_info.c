/* TCB info: the wrapper's scanner, then the object that it found; the input as the object itself.
 * What parses is judged for a platform, whose standing must be explained. */
#include "attest/intel/signed_json.h"
#include "attest/intel/tcb.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const bl_tcb_info *info, bl_arena *arena)
{
    static const uint8_t svn[16] = { 5, 1, 3 };
    static bl_isv_level  level = { .isv_svn = 3 };
    bl_qe_identity       qe = { .levels = { &level, 1 } };
    bl_pck               pck = { .components = { 3, 3, 2, 2, 4, 1, 0, 5 }, .pce_svn = 11 };
    bl_tcb_subject       subject = { .pck = &pck, .qe_svn = 4 };
    bl_tcb_standing      standing;
    bool                 failed = false;
    if (info->tdx)
        subject.tee_tcb_svn = subject.tee_tcb_svn_2 = bl_span(svn, sizeof svn);
    bl_tcb_judge(info, &qe, &subject, &standing);
    const char *text = bl_tcb_explain(info, &qe, &subject, &standing, arena);
    (void)bl_tcb_advisories(&standing, arena, &failed);
    if (!text || failed || (standing.level && standing.platform == BL_TCB_NOT_SUPPORTED))
        abort();
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
        judge(&info, &arena);
    } else if (info.levels || info.modules) {
        abort();
    }
    return 0;
}
