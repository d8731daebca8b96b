/* The engine against the reference, and against itself: the same bits whatever else runs. */
#include "base/limits.h"
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

static void check_family(const char *family, bl_isa isa, bl_kv_type type, double most)
{
    model_made            m = model_of(family);
    bl_llm_engine_options options = {
        .isa = isa, .kv_type = type, .max_rows = 48, .max_context = 128
    };
    opened o;
    open_model(&o, &m, &options);
    bl_llm_sequence *s = start(&o, o.ids, 70, 3);
    check_near(&o, settle(&o, s), 70, most, family);
    for (size_t n = 70; n < 73; n++) {
        append(s, o.ids + n, 1);
        settle(&o, s);
    }
    check_near(&o, bl_llm_sequence_logits(s, 0), 73, most, family);
    bl_llm_sequence_free(s);
    close_model(&o);
}

/* Every family reads a prompt longer than its window and a page, and decodes on. */
TEST(families_say_what_the_reference_says)
{
    for (size_t i = 0; model_families[i]; i++)
        for (size_t k = 0; k < BL_LEN(isas); k++)
            if (bl_isa_usable(isas[k]))
                check_family(model_families[i], isas[k], BL_KV_F32, 2e-4);
}

TEST(keys_and_values_are_rounded_as_their_type_says)
{
    for (size_t k = 0; k < BL_LEN(isas); k++) {
        if (!bl_isa_usable(isas[k]))
            continue;
        check_family("llama", isas[k], BL_KV_F16, 5e-3);
        check_family("gemma2", isas[k], BL_KV_F16, 5e-3);
        check_family("llama", isas[k], BL_KV_Q8_0, 4e-2);
        check_family("gemma2", isas[k], BL_KV_Q8_0, 4e-2);
    }
}

/* The same bits.  ---------------------------------------------------------------------------- */

enum { PROMPT = 150, MORE = 6, OTHERS = 63 };

/* The logits after the prompt and after each of MORE tokens. */
typedef struct {
    float *logits; /* [MORE + 1][vocabulary] */
} trace;

typedef struct {
    bl_isa     isa;
    bl_kv_type type;
    size_t     rows, others;
    int        threads;
    bool       forget, warm; /* the cache: none, or another had the same prompt before */
    size_t     together;     /* tokens appended at once */
} setting;

/* Others come and go, each at its own point. */
static void crowd(const opened *o, bl_llm_sequence **s, size_t len, size_t round)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] && (round + i) % 5 == 4) {
            bl_llm_sequence_free(s[i]);
            s[i] = NULL;
        }
        if (!s[i])
            s[i] = start(o, o->ids + (i * 3 + round) % 90, 1 + (i * 11 + round) % 40, 3);
        else if (bl_llm_sequence_ready(s[i]) && bl_llm_sequence_counts(s[i]).appended < 3)
            append(s[i], o->ids + i, 1);
    }
}

static void settle_among(const opened *o, bl_llm_sequence **s, size_t len)
{
    for (size_t round = 0; !bl_llm_sequence_ready(s[len - 1]); round++) {
        bl_llm_sequence *turned[OTHERS + 1]; /* whose turn it is comes first */
        crowd(o, s, len - 1, round);
        for (size_t i = 0; i < len; i++)
            turned[i] = s[(i + len - 1 - round % 3) % len];
        bl_llm_step(o->engine, turned, len, 1, o->pool);
    }
}

static void follow(const opened *o, bl_llm_sequence **s, size_t len, size_t together, float *to)
{
    size_t vocabulary = o->vocabulary;
    settle_among(o, s, len);
    memcpy(to, bl_llm_sequence_logits(s[len - 1], 0), vocabulary * sizeof *to);
    for (size_t n = 0; n < MORE; n += together) {
        append(s[len - 1], o->ids + PROMPT + n, together);
        settle_among(o, s, len);
        for (size_t i = 0; i < together; i++)
            memcpy(to + (n + i + 1) * vocabulary, bl_llm_sequence_logits(s[len - 1], i),
                   vocabulary * sizeof *to);
    }
}

static trace traced(const model_made *m, const setting *is)
{
    bl_llm_engine_options options = { .isa = is->isa,
                                      .kv_type = is->type,
                                      .threads = is->threads,
                                      .max_rows = is->rows,
                                      .forget = is->forget,
                                      .kv_memory = 16 << 20 };
    bl_llm_sequence      *s[OTHERS + 1] = { NULL };
    opened                o;
    open_model(&o, m, &options);
    trace t = { calloc((MORE + 1) * o.vocabulary, sizeof *t.logits) };
    assert_non_null(t.logits);
    if (is->warm) {
        bl_llm_sequence *before = start(&o, o.ids, PROMPT - 10, 0);
        settle(&o, before);
        bl_llm_sequence_free(before);
    }
    s[is->others] = start(&o, o.ids, PROMPT, MORE);
    CHECK(bl_llm_sequence_counts(s[is->others]).cached == (is->warm ? 128 : 0));
    follow(&o, s, is->others + 1, is->together, t.logits);
    for (size_t i = 0; i <= is->others; i++)
        bl_llm_sequence_free(s[i]);
    close_model(&o);
    return t;
}

static void check_settings(const char *family, bl_isa isa, bl_kv_type type)
{
    const setting alone = { isa, type, 512, 0, 1, true, false, 1 };
    const setting others[] = {
        { isa, type, 16, 0, 1, true, false, 1 },  { isa, type, 33, 7, 1, false, false, 1 },
        { isa, type, 48, 63, 1, true, false, 1 }, { isa, type, 512, 0, 1, false, true, 1 },
        { isa, type, 100, 7, 2, false, true, 3 },
    };
    model_made m = model_of(family);
    trace      want = traced(&m, &alone);
    for (size_t i = 0; i < BL_LEN(others); i++) {
        trace got = traced(&m, &others[i]);
        if (memcmp(got.logits, want.logits, (MORE + 1) * m.vocabulary * sizeof(float)) != 0)
            fail_msg("%s on %s, setting %zu: other bits", family, bl_isa_name(isa), i);
        free(got.logits);
    }
    free(want.logits);
}

TEST(a_sequence_has_the_same_bits_whatever_else_runs)
{
    for (size_t k = 0; k < BL_LEN(isas); k++)
        if (bl_isa_usable(isas[k]))
            check_settings("llama", isas[k], BL_KV_F16);
    check_settings("gemma3", bl_isa_best(), BL_KV_Q8_0);
    check_settings("mixtral", bl_isa_best(), BL_KV_F32);
}

/* Pages.  ------------------------------------------------------------------------------------ */

static bl_llm_engine_options few_pages(const model_made *m, size_t pages)
{
    bl_kv_layout l;
    CHECK_CODE(BLIND_OK,
               bl_kv_layout_of(BL_KV_F16, m->layers, m->kv_heads, m->head_width, &l, NULL),
               "layout");
    return (bl_llm_engine_options){ .isa = bl_isa_best(), .kv_memory = pages * l.page };
}

static blind_code try_new(const opened *o, size_t len, size_t more, uint8_t salt,
                          bl_llm_sequence **s)
{
    bl_llm_request r = { .prompt = o->ids, .len = len, .more = more, .salt = { salt } };
    return bl_llm_sequence_new(o->engine, &r, s, NULL);
}

/* Whoever has read its prompt first waits for a prompt that was there then, and for no later one.
 */
TEST(who_come_together_begin_together)
{
    model_made            m = model_of("llama");
    bl_llm_engine_options options = {
        .isa = bl_isa_best(), .max_rows = 16, .max_context = 128, .kv_memory = 1 << 20
    };
    opened o;
    open_model(&o, &m, &options);
    bl_llm_sequence *s[3] = { start(&o, o.ids, 10, 8), start(&o, o.ids + 20, 60, 8), NULL };
    bl_llm_step(o.engine, s, 2, 0, o.pool);
    CHECK(bl_llm_sequence_ready(s[0]) && !bl_llm_sequence_ready(s[1]));
    append(s[0], o.ids, 1);
    for (int steps = 0; !bl_llm_sequence_ready(s[1]); steps++) {
        CHECK(steps < 5 && !bl_llm_sequence_ready(s[0]));
        bl_llm_step(o.engine, s, 2, 0, o.pool);
    }
    append(s[1], o.ids, 1);
    bl_llm_step(o.engine, s, 2, 0, o.pool);
    CHECK(bl_llm_sequence_ready(s[0]) && bl_llm_sequence_ready(s[1]));

    s[2] = start(&o, o.ids + 7, 100, 1);
    for (int steps = 0; steps < 3; steps++) {
        append(s[0], o.ids, 1);
        bl_llm_step(o.engine, s, 3, 1, o.pool);
        CHECK(bl_llm_sequence_ready(s[0]));
    }
    CHECK(!bl_llm_sequence_ready(s[2]));
    for (int i = 0; i < 3; i++)
        bl_llm_sequence_free(s[i]);
    close_model(&o);
}

TEST(whoever_is_taken_in_has_all_its_pages)
{
    model_made            m = model_of("llama");
    bl_llm_engine_options options = few_pages(&m, 4);
    bl_llm_sequence      *a, *b, *c;
    opened                o;
    open_model(&o, &m, &options);
    CHECK_CODE(BLIND_LIMIT, try_new(&o, 200, 57, 0, &a), "more than all pages");
    CHECK_CODE(BLIND_OK, try_new(&o, 100, 92, 0, &a), "three pages");
    CHECK_CODE(BLIND_AGAIN, try_new(&o, 65, 0, 0, &b), "two pages");
    CHECK(b == NULL && bl_llm_engine_pages(o.engine).used == 3);
    CHECK_CODE(BLIND_OK, try_new(&o, 64, 0, 0, &b), "one page");
    bl_llm_sequence_free(a);
    CHECK_CODE(BLIND_OK, try_new(&o, 65, 0, 0, &c), "two pages, later");
    bl_llm_sequence_free(b);
    bl_llm_sequence_free(c);
    while (bl_llm_engine_wipe(o.engine, 1))
        continue;
    CHECK(bl_llm_engine_pages(o.engine).kept == 0);
    close_model(&o);
}

static size_t cached_of(const opened *o, size_t len, uint8_t salt)
{
    bl_llm_sequence *s;
    CHECK_CODE(BLIND_OK, try_new(o, len, 0, salt, &s), "cached");
    size_t cached = bl_llm_sequence_counts(s).cached;
    settle(o, s);
    bl_llm_sequence_free(s);
    return cached;
}

TEST(prompts_take_over_pages_of_their_own_principal)
{
    model_made            m = model_of("llama");
    bl_llm_engine_options options = few_pages(&m, 8);
    opened                o;
    open_model(&o, &m, &options);
    CHECK(cached_of(&o, 130, 1) == 0);
    CHECK(bl_llm_engine_pages(o.engine).kept == 2);
    CHECK(cached_of(&o, 130, 2) == 0);   /* another's */
    CHECK(cached_of(&o, 130, 1) == 128); /* two whole pages */
    CHECK(cached_of(&o, 128, 1) == 64);  /* the last token is read in any case */
    CHECK(cached_of(&o, 63, 1) == 0);
    o.ids[70]++; /* a token of the second page */
    CHECK(cached_of(&o, 130, 1) == 64);
    CHECK(cached_of(&o, 300, 3) == 0); /* five pages: the longest unused go, those of 2 */
    o.ids[70]--;
    CHECK(cached_of(&o, 130, 2) == 0);
    close_model(&o);
}

/* Two that come together: the second waits for nobody, and reads what the first has not. */
TEST(pages_are_taken_over_as_soon_as_they_are_made)
{
    model_made            m = model_of("llama");
    bl_llm_engine_options options = few_pages(&m, 8);
    bl_llm_sequence      *s[2];
    opened                o;
    options.max_rows = 64;
    open_model(&o, &m, &options);
    CHECK_CODE(BLIND_OK, try_new(&o, 150, 0, 0, &s[0]), "first");
    CHECK_CODE(BLIND_OK, try_new(&o, 150, 0, 0, &s[1]), "second");
    while (!bl_llm_sequence_ready(s[0]) || !bl_llm_sequence_ready(s[1]))
        bl_llm_step(o.engine, s, 2, 0, o.pool);
    CHECK(bl_llm_sequence_counts(s[0]).cached == 0);
    CHECK(bl_llm_sequence_counts(s[1]).cached == 128);
    CHECK(memcmp(bl_llm_sequence_logits(s[0], 0), bl_llm_sequence_logits(s[1], 0),
                 o.vocabulary * sizeof(float)) == 0);
    bl_llm_sequence_free(s[0]);
    bl_llm_sequence_free(s[1]);
    close_model(&o);
}

/* Asking.  ----------------------------------------------------------------------------------- */

TEST(drafts_that_are_taken_back_leave_no_trace)
{
    model_made            m = model_of("qwen3");
    bl_llm_engine_options options = { .isa = bl_isa_best() };
    opened                o;
    open_model(&o, &m, &options);
    bl_llm_sequence *s = start(&o, o.ids, 62, 9), *plain = start(&o, o.ids, 62, 9);
    settle(&o, s);
    settle(&o, plain);
    append(s, (const int32_t[]){ o.ids[62], 3, 4, 5 }, 4); /* across the end of a page */
    settle(&o, s);
    CHECK(bl_llm_sequence_logits(s, 3) && !bl_llm_sequence_logits(s, 4));
    bl_llm_sequence_rewind(s, 63);
    CHECK(bl_llm_sequence_ready(s) && bl_llm_sequence_counts(s).appended == 1);
    CHECK(bl_llm_sequence_logits(s, 0) && !bl_llm_sequence_logits(s, 1));
    for (size_t n = 62; n < 66; n++) {
        append(plain, o.ids + n, 1);
        settle(&o, plain);
        if (n > 62) {
            append(s, o.ids + n, 1);
            settle(&o, s);
        }
        CHECK(memcmp(bl_llm_sequence_logits(s, 0), bl_llm_sequence_logits(plain, 0),
                     o.vocabulary * sizeof(float)) == 0);
    }
    bl_llm_sequence_free(s);
    bl_llm_sequence_free(plain);
    close_model(&o);
}

TEST(what_cannot_be_is_refused)
{
    model_made            m = model_of("llama");
    bl_llm_engine_options options = { .isa = bl_isa_best(), .max_context = 100 };
    bl_llm_sequence      *s;
    opened                o;
    open_model(&o, &m, &options);
    const int32_t  wrong[] = { 1, (int32_t)m.vocabulary }, negative[] = { -1 };
    bl_llm_request r = { .prompt = wrong, .len = 2 };
    CHECK_CODE(BLIND_INPUT, bl_llm_sequence_new(o.engine, &r, &s, NULL), "no token");
    r = (bl_llm_request){ .prompt = negative, .len = 1 };
    CHECK_CODE(BLIND_INPUT, bl_llm_sequence_new(o.engine, &r, &s, NULL), "a negative token");
    r.len = 0;
    CHECK_CODE(BLIND_INPUT, bl_llm_sequence_new(o.engine, &r, &s, NULL), "an empty prompt");
    CHECK_CODE(BLIND_LIMIT, try_new(&o, 90, 11, 0, &s), "more than the context");
    CHECK_CODE(BLIND_LIMIT, try_new(&o, 90, SIZE_MAX, 0, &s), "more than numbers hold");
    r = (bl_llm_request){ .prompt = o.ids, .len = 1, .together = BL_MAX_LLM_DRAFT + 1 };
    CHECK_CODE(BLIND_LIMIT, bl_llm_sequence_new(o.engine, &r, &s, NULL), "too many drafts");
    s = start(&o, o.ids, 10, 5);
    CHECK(!bl_llm_sequence_logits(s, 0));
    CHECK_CODE(BLIND_INPUT, bl_llm_sequence_append(s, o.ids, 1, NULL), "before it is ready");
    settle(&o, s);
    CHECK_CODE(BLIND_INPUT, bl_llm_sequence_append(s, wrong + 1, 1, NULL), "no token appended");
    CHECK_CODE(BLIND_INPUT, bl_llm_sequence_append(s, o.ids, 0, NULL), "nothing");
    CHECK_CODE(BLIND_LIMIT, bl_llm_sequence_append(s, o.ids, 5, NULL), "more than together");
    append(s, o.ids, 4);
    settle(&o, s);
    CHECK_CODE(BLIND_LIMIT, bl_llm_sequence_append(s, o.ids, 2, NULL), "more than was said");
    bl_llm_sequence_free(s);
    close_model(&o);
}

typedef struct {
    size_t len;
    float  last[64];
} seen;

static void see(void *arg, size_t position, const float *logits)
{
    seen *to = arg;
    CHECK(position == to->len++);
    memcpy(to->last, logits, 50 * sizeof *logits);
}

TEST(every_token_of_a_prompt_can_be_seen)
{
    model_made            m = model_of("gemma2");
    bl_llm_engine_options options = { .isa = bl_isa_best(), .max_rows = 32 };
    seen                  to = { 0 };
    bl_llm_sequence      *s;
    opened                o;
    open_model(&o, &m, &options);
    CHECK(m.vocabulary == 50);
    bl_llm_request r = { .prompt = o.ids, .len = 70, .see = see, .see_arg = &to };
    CHECK_CODE(BLIND_OK, bl_llm_sequence_new(o.engine, &r, &s, NULL), "new");
    settle(&o, s);
    CHECK(to.len == 70);
    CHECK(memcmp(to.last, bl_llm_sequence_logits(s, 0), sizeof(float) * 50) == 0);
    bl_llm_sequence_free(s);
    close_model(&o);
}

static void embed(const opened *o, const int32_t *ids, size_t len, bl_pooling_kind kind, float *out)
{
    bl_llm_sequence *s;
    bl_llm_request   r = { .prompt = ids, .len = len, .pooling = kind };
    CHECK_CODE(BLIND_OK, bl_llm_sequence_new(o->engine, &r, &s, NULL), "embed");
    CHECK(!bl_llm_sequence_embedding(s));
    settle(o, s);
    memcpy(out, bl_llm_sequence_embedding(s), 64 * sizeof *out);
    bl_llm_sequence_free(s);
}

TEST(states_are_pooled)
{
    model_made            m = model_of("qwen3");
    bl_llm_engine_options options = { .isa = bl_isa_best(), .max_rows = 16 };
    float                 mean[64], first[64], last[64], sum[64] = { 0 };
    opened                o;
    open_model(&o, &m, &options);
    CHECK(m.width == 64);
    embed(&o, o.ids, 20, BL_POOLING_MEAN, mean);
    for (size_t len = 1; len <= 20; len++) { /* a state depends on what came before it alone */
        embed(&o, o.ids, len, BL_POOLING_LAST, last);
        for (size_t i = 0; i < 64; i++)
            sum[i] += last[i] / 20;
    }
    CHECK(distance(sum, mean, 64) < 1e-6);
    embed(&o, o.ids, 20, BL_POOLING_FIRST, first);
    embed(&o, o.ids, 1, BL_POOLING_LAST, last);
    CHECK(memcmp(first, last, sizeof first) == 0);
    close_model(&o);
}

TESTS(RUN(families_say_what_the_reference_says),
      RUN(keys_and_values_are_rounded_as_their_type_says),
      RUN(a_sequence_has_the_same_bits_whatever_else_runs), RUN(who_come_together_begin_together),
      RUN(whoever_is_taken_in_has_all_its_pages),
      RUN(prompts_take_over_pages_of_their_own_principal),
      RUN(pages_are_taken_over_as_soon_as_they_are_made),
      RUN(drafts_that_are_taken_back_leave_no_trace), RUN(what_cannot_be_is_refused),
      RUN(every_token_of_a_prompt_can_be_seen), RUN(states_are_pooled))
