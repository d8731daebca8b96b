/* The engine against the reference, and against itself: the same bits whatever else runs. */
#include "llm/engine.h"
#include "llm/reference.h"
#include "tests/llm/make_model.h"
#include "tests/test.h"

#include <math.h>

enum { MOST = 300 };

typedef struct {
    bl_buf         file;
    bl_gguf        gguf;
    bl_llm_engine *engine;
    bl_pool       *pool;
    size_t         vocabulary;
    int32_t        ids[MOST]; /* some tokens */
} opened;

static void open_model(opened *o, const model_made *m, const bl_llm_engine_options *options)
{
    blind_error err = { .code = BLIND_OK };
    *o = (opened){ .vocabulary = m->vocabulary };
    model_write(m, &o->file);
    CHECK_CODE(BLIND_OK, bl_gguf_read(bl_buf_span(&o->file), &o->gguf, &err), err.message);
    CHECK_CODE(BLIND_OK, bl_llm_engine_open(&o->gguf, options, &o->engine, &err), err.message);
    CHECK_CODE(BLIND_OK, bl_pool_new(BL_MAX(options->threads, 1), &o->pool, &err), err.message);
    for (size_t i = 0; i < MOST; i++)
        o->ids[i] = (int32_t)((i * i * 7 + i * 3 + 1) % m->vocabulary);
}

static void close_model(opened *o)
{
    CHECK(bl_llm_engine_pages(o->engine).used == 0);
    bl_llm_engine_close(o->engine);
    bl_pool_free(o->pool);
    bl_gguf_done(&o->gguf);
    bl_buf_done(&o->file);
}

static bl_llm_sequence *start(const opened *o, const int32_t *ids, size_t len, size_t more)
{
    bl_llm_sequence *s;
    blind_error      err = { .code = BLIND_OK };
    bl_llm_request   r = { .prompt = ids, .len = len, .more = more, .together = 4 };
    CHECK_CODE(BLIND_OK, bl_llm_sequence_new(o->engine, &r, &s, &err), err.message);
    return s;
}

static const float *settle(const opened *o, bl_llm_sequence *s)
{
    while (!bl_llm_sequence_ready(s))
        bl_llm_step(o->engine, &s, 1, 0, o->pool);
    return bl_llm_sequence_logits(s, 0);
}

static void append(bl_llm_sequence *s, const int32_t *ids, size_t len)
{
    CHECK_CODE(BLIND_OK, bl_llm_sequence_append(s, ids, len, NULL), "append");
}

/* Root mean square of the difference, in deviations of what is wanted. */
static double distance(const float *got, const float *want, size_t len)
{
    double wrong = 0, mean = 0, spread = 0;
    for (size_t i = 0; i < len; i++)
        mean += (double)want[i] / (double)len;
    for (size_t i = 0; i < len; i++) {
        wrong += pow((double)got[i] - (double)want[i], 2);
        spread += pow((double)want[i] - mean, 2);
    }
    return sqrt(wrong / spread);
}

static void check_near(const opened *o, const float *got, size_t len, double most, const char *name)
{
    float *want = calloc(o->vocabulary, sizeof *want);
    assert_non_null(want);
    CHECK_CODE(BLIND_OK, bl_llm_reference(bl_llm_engine_model(o->engine), o->ids, len, want, NULL),
               name);
    double found = distance(got, want, o->vocabulary);
    if (!(found <= most))
        fail_msg("%s after %zu tokens: %g, at most %g", name, len, found, most);
    free(want);
}

/* Against the reference.  -------------------------------------------------------------------- */

static const bl_isa isas[] = { BL_ISA_SCALAR, BL_ISA_AVX2, BL_ISA_AVX512, BL_ISA_AMX };

/* Every family reads a prompt longer than its window and a page, and decodes on. */
TEST(families_say_what_the_reference_says)
{
    static const struct {
        bl_kv_type type;
        double     most;
    } kinds[] = { { BL_KV_F32, 2e-5 }, { BL_KV_F16, 5e-3 }, { BL_KV_Q8_0, 4e-2 } };
    for (size_t i = 0; model_families[i]; i++)
        for (size_t k = 0; k < BL_LEN(kinds) * BL_LEN(isas); k++) {
            bl_isa     isa = isas[k / BL_LEN(kinds)];
            model_made m = model_of(model_families[i]);
            opened     o;
            if (!bl_isa_usable(isa))
                continue;
            open_model(&o, &m,
                       &(bl_llm_engine_options){ .isa = isa,
                                                 .threads = 2,
                                                 .kv_type = kinds[k % BL_LEN(kinds)].type,
                                                 .max_rows = 48 });
            bl_llm_sequence *s = start(&o, o.ids, 70, 3);
            check_near(&o, settle(&o, s), 70, kinds[k % BL_LEN(kinds)].most, m.family);
            for (size_t n = 70; n < 73; n++)
                append(s, o.ids + n, 1), settle(&o, s);
            check_near(&o, bl_llm_sequence_logits(s, 0), 73, kinds[k % BL_LEN(kinds)].most,
                       m.family);
            bl_llm_sequence_free(s);
            close_model(&o);
        }
}

TESTS(RUN(families_say_what_the_reference_says))
