/* Sound: a WAV file through the steps that read it. */
#include "pipeline/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t any_rate = 0; /* the parameters of decode_audio */
    bl_auto_arena        arena = { .max = 64u << 20 };
    bl_step_run          r = { .arena = &arena };
    uint8_t             *copy = bl_arena_alloc(&arena, size + 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    r.t = (blind_tensor){ .dtype = BLIND_U8, .rank = 1, .shape = { (int64_t)size }, .data = copy };
    r.t.size = size;
    if (bl_audio_steps[0].run(&any_rate, &r) == BLIND_OK)
        (void)bl_audio_steps[2].run(NULL, &r);
    return 0;
}
