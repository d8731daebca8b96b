/* Identities of quoting enclaves: the wrapper's scanner, then the object that it found; the input
 * as the object itself. */
#include "attest/intel/signed_json.h"
#include "attest/intel/tcb_info.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_span     text = { data, size };
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    bl_signed_json found;
    bl_qe_identity qe;
    if (bl_signed_json_find(text, "enclaveIdentity", &found, NULL) != BLIND_OK)
        found.body = text;
    if (bl_qe_identity_parse(found.body, &arena, &qe, NULL) != BLIND_OK) {
        if (qe.levels.len)
            abort();
        return 0;
    }
    if (qe.levels.len == 0 || qe.levels.len > BL_MAX_TCB_LEVELS || qe.issue_s >= qe.next_s)
        abort();
    for (size_t i = 1; i < qe.levels.len; i++)
        if (qe.levels.items[i].isv_svn >= qe.levels.items[i - 1].isv_svn)
            abort();
    return 0;
}
