/* Any bytes replay or are refused; what replays is what its own events, appended, replay to. */
#include "attest/runtime_log.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(blind_span raw, const bl_log_replay *replay)
{
    bl_runtime_log log;
    bl_auto_buf    bytes = BL_BUF_EMPTY;
    bl_log_state   state;
    if (bl_runtime_log_init(&log, NULL) != BLIND_OK)
        return;
    for (size_t i = 0; i < replay->len; i++)
        if (bl_runtime_log_append(&log, &replay->events[i], NULL, NULL) != BLIND_OK)
            abort();
    if (bl_runtime_log_snapshot(&log, &state, &bytes, NULL) != BLIND_OK ||
        !bl_span_equal(raw, bl_buf_span(&bytes)) || state.len != replay->state.len ||
        memcmp(state.head, replay->state.head, sizeof state.head) != 0)
        abort();
    bl_runtime_log_done(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_auto_arena       arena = BL_ARENA_EMPTY;
    bl_log_replay       replay;
    const bl_log_model *models;
    size_t              len;
    blind_span          raw = { data, size };
    if (bl_runtime_log_replay(raw, &arena, &replay, NULL) != BLIND_OK)
        return 0;
    if (bl_log_models(&replay, &arena, &models, &len, NULL) == BLIND_OK && len > replay.len)
        abort();
    if (size <= BL_MAX_LOG_SIZE) /* what an attester would write */
        check_same(raw, &replay);
    return 0;
}
