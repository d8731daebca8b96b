/* The engine when memory fails. */
#include "llm/engine.h"
#include "tests/alloc.h"
#include "tests/llm/make_model.h"

static bl_buf file;

static blind_code ask(bl_llm_engine *e)
{
    static const int32_t prompt[70] = { 1, 2, 3 };
    bl_llm_request       r = { .prompt = prompt, .len = 70, .more = 1, .pooling = BL_POOLING_MEAN };
    bl_llm_sequence     *s;
    BL_TRY(bl_llm_sequence_new(e, &r, &s, NULL));
    while (!bl_llm_sequence_ready(s))
        bl_llm_step(e, &s, 1, 0, NULL);
    bl_llm_sequence_free(s);
    return BLIND_OK;
}

static blind_code run(void)
{
    bl_llm_engine_options options = { .isa = bl_isa_best(), .max_context = 128, .max_rows = 16 };
    bl_gguf               g;
    bl_llm_engine        *e;
    BL_TRY(bl_gguf_read(bl_buf_span(&file), &g, NULL));
    blind_code code = bl_llm_engine_open(&g, &options, &e, NULL);
    if (code == BLIND_OK)
        code = ask(e);
    bl_llm_engine_close(e);
    bl_gguf_done(&g);
    return code;
}

TEST(an_engine_survives_want_of_memory)
{
    model_made m = model_of("gemma3");
    model_write(&m, &file);
    fail_each_allocation(run, "engine");
    bl_buf_done(&file);
}

TESTS(RUN(an_engine_survives_want_of_memory))
