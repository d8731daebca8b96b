/* Language models: which are taken, and what they say. */
#include "base/file.h"
#include "base/npy.h"
#include "llm/reference.h"
#include "tests/llm/make_gguf.h"
#include "tests/test.h"

#include <jansson.h>
#include <math.h>

enum { WIDTH = 4, INNER = 6, TOKENS = 3 };

static void add_part(gguf_made *m, const char *name, uint64_t columns, uint64_t rows)
{
    gguf_tensor(m, name, 0, (const uint64_t[]){ columns, rows }, rows > 1 ? 2 : 1);
}

static void set_floats(gguf_made *m, size_t at, const float *values, size_t len)
{
    memcpy(m->weights.data + at, values, len * sizeof *values);
}

/* One layer whose matrices are zeros: what goes in comes out. */
static void make_numbers(gguf_made *m)
{
    *m = GGUF_MADE;
    gguf_text(m, "general.architecture", "llama");
    gguf_u32(m, "llama.block_count", 1);
    gguf_u32(m, "llama.embedding_length", WIDTH);
    gguf_u32(m, "llama.context_length", 8);
    gguf_u32(m, "llama.attention.head_count", 2);
    gguf_u32(m, "llama.attention.head_count_kv", 1);
    gguf_u32(m, "llama.feed_forward_length", INNER);
}

static void make_layer(gguf_made *m, const char *without)
{
    static const struct {
        const char *name;
        uint64_t    columns, rows;
    } parts[] = {
        { "blk.0.attn_norm.weight", WIDTH, 1 },    { "blk.0.attn_q.weight", WIDTH, 4 },
        { "blk.0.attn_k.weight", WIDTH, 2 },       { "blk.0.attn_v.weight", WIDTH, 2 },
        { "blk.0.attn_output.weight", 4, WIDTH },  { "blk.0.ffn_norm.weight", WIDTH, 1 },
        { "blk.0.ffn_gate.weight", WIDTH, INNER }, { "blk.0.ffn_up.weight", WIDTH, INNER },
        { "blk.0.ffn_down.weight", INNER, WIDTH },
    };
    for (size_t i = 0; i < BL_LEN(parts); i++)
        if (strcmp(parts[i].name, without) != 0)
            add_part(m, parts[i].name, parts[i].columns, parts[i].rows);
}

static void make_ends(gguf_made *m)
{
    static const float embedding[TOKENS * WIDTH] = { 3, 4, 0, 0, 0, 0, 5, 0, 1, 1, 1, 1 };
    static const float gains[WIDTH] = { 1, 2, 1, 1 };
    size_t             at = m->weights.size;
    add_part(m, "token_embd.weight", WIDTH, TOKENS);
    set_floats(m, at, embedding, TOKENS * WIDTH);
    at = m->weights.size;
    add_part(m, "output_norm.weight", WIDTH, 1);
    set_floats(m, at, gains, WIDTH);
}

typedef struct {
    bl_buf       file;
    bl_gguf      gguf;
    bl_llm_model model;
} opened;

static void open_made(opened *o, gguf_made *m, blind_code want, const char *name)
{
    blind_error err = { .code = BLIND_OK };
    *o = (opened){ .file = BL_BUF_EMPTY };
    gguf_write(m, &o->file);
    gguf_done(m);
    CHECK_CODE(BLIND_OK, bl_gguf_read(bl_buf_span(&o->file), &o->gguf, &err), err.message);
    CHECK_CODE(want, bl_llm_model_open(&o->gguf, &o->model, &err), name);
}

static void opened_done(opened *o)
{
    bl_llm_model_done(&o->model);
    bl_gguf_done(&o->gguf);
    bl_buf_done(&o->file);
}

TEST(layers_of_zeros_pass_the_token_through)
{
    gguf_made m;
    opened    o;
    float     logits[TOKENS];
    make_numbers(&m);
    make_layer(&m, "");
    make_ends(&m);
    open_made(&o, &m, BLIND_OK, "a small model");
    CHECK(o.model.shape.head_width == 2 && o.model.out == o.model.embedding);
    CHECK_CODE(BLIND_OK, bl_llm_reference(&o.model, (const int32_t[]){ 2, 0 }, 2, logits, NULL),
               "two tokens");
    /* 3 4 0 0, of root mean square 2.5, times the gains: 1.2 3.2 0 0 */
    CHECK(fabsf(logits[0] - 16.4F) < 1e-4F && fabsf(logits[1]) < 1e-4F);
    CHECK(fabsf(logits[2] - 4.4F) < 1e-4F);
    CHECK_CODE(BLIND_INPUT, bl_llm_reference(&o.model, (const int32_t[]){ 3 }, 1, logits, NULL),
               "no token");
    CHECK_CODE(BLIND_INPUT, bl_llm_reference(&o.model, (const int32_t[]){ -1 }, 1, logits, NULL),
               "a negative token");
    CHECK_CODE(BLIND_INPUT, bl_llm_reference(&o.model, NULL, 0, logits, NULL), "nothing");
    CHECK_CODE(BLIND_INPUT, bl_llm_reference(&o.model, (const int32_t[9]){ 0 }, 9, logits, NULL),
               "too many");
    opened_done(&o);
}

TEST(every_tensor_is_needed)
{
    static const char *const names[] = { "attn_norm", "attn_q",      "attn_k",
                                         "attn_v",    "attn_output", "ffn_norm",
                                         "ffn_gate",  "ffn_up",      "ffn_down" };
    for (size_t i = 0; i < BL_LEN(names); i++) {
        gguf_made m;
        opened    o;
        char      name[64];
        snprintf(name, sizeof name, "blk.0.%s.weight", names[i]);
        make_numbers(&m);
        make_layer(&m, name);
        make_ends(&m);
        open_made(&o, &m, BLIND_INPUT, name);
        opened_done(&o);
    }
}

TEST(numbers_that_do_not_go_together_are_refused)
{
    static const struct {
        const char *key;
        uint32_t    value;
        blind_code  want;
    } cases[] = {
        { "llama.attention.key_length", 3, BLIND_INPUT },
        { "llama.attention.key_length", 4, BLIND_INPUT },
        { "llama.rope.dimension_count", 4, BLIND_INPUT },
        { "llama.rope.dimension_count", 2, BLIND_OK },
        { "llama.expert_count", 2000, BLIND_INPUT },
        { "llama.expert_count", 2, BLIND_INPUT },
        { "llama.attention.value_length", 1, BLIND_INPUT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        gguf_made m;
        opened    o;
        make_numbers(&m);
        gguf_u32(&m, cases[i].key, cases[i].value);
        make_layer(&m, "");
        make_ends(&m);
        open_made(&o, &m, cases[i].want, cases[i].key);
        opened_done(&o);
    }
}

TEST(other_architectures_are_named_and_refused)
{
    gguf_made m = GGUF_MADE;
    opened    o;
    gguf_text(&m, "general.architecture", "mamba");
    open_made(&o, &m, BLIND_UNSUPPORTED, "mamba");
    opened_done(&o);
}

/* Recorded.  --------------------------------------------------------------------------------- */

typedef struct {
    const char  *name;
    json_t      *cases;
    bl_buf       file;
    bl_arena     arena;
    blind_tensor logits; /* [case, 3, vocabulary]; the last of three is exact */
} recorded;

static bool make_model(const recorded *r, const char *dir, char *path, size_t size)
{
    char        command[8192], shape[64], type[64];
    const char *how = json_string_value(json_object_get(r->cases, "model"));
    int         seed;
    if (sscanf(how, "make_gguf.py %63s %63s --seed %d", shape, type, &seed) != 3)
        fail_msg("%s is made by: %s", r->name, how);
    snprintf(path, size, "%s/llm-%s.gguf", getenv("BLIND_BUILD_DIR"), r->name);
    snprintf(command, sizeof command,
             "python3 -c 'import numpy' 2>/dev/null && python3 '%s/../models/make_gguf.py' %s %s "
             "'%s' --seed %d >/dev/null",
             dir, shape, type, path, seed);
    return system(command) == 0;
}

static void check_case(const recorded *r, const bl_llm_model *m, size_t i, float *got)
{
    const json_t *ids =
        json_object_get(json_array_get(json_object_get(r->cases, "cases"), i), "ids");
    size_t       len = json_array_size(ids), vocabulary = m->shape.vocabulary;
    int32_t     *tokens = calloc(len, sizeof *tokens);
    const float *want = (const float *)r->logits.data + (3 * i + 2) * vocabulary;
    double       wrong = 0, mean = 0, spread = 0;
    assert_non_null(tokens);
    for (size_t k = 0; k < len; k++)
        tokens[k] = (int32_t)json_integer_value(json_array_get(ids, k));
    CHECK_CODE(BLIND_OK, bl_llm_reference(m, tokens, len, got, NULL), r->name);
    for (size_t k = 0; k < vocabulary; k++)
        mean += (double)want[k] / (double)vocabulary;
    for (size_t k = 0; k < vocabulary; k++) {
        wrong += pow((double)got[k] - (double)want[k], 2);
        spread += pow((double)want[k] - mean, 2);
    }
    if (!(sqrt(wrong / spread) < 1e-5))
        fail_msg("%s, case %zu: %g of the spread", r->name, i, sqrt(wrong / spread));
    free(tokens);
}

static bool check_recorded(const char *dir, const char *name)
{
    char         path[4096];
    recorded     r = { .name = name };
    bl_mapping   file;
    bl_gguf      g;
    bl_llm_model m;
    json_error_t error;
    blind_error  err;
    snprintf(path, sizeof path, "%s/llm/%s.json", dir, name);
    r.cases = json_load_file(path, 0, &error);
    assert_non_null(r.cases);
    snprintf(path, sizeof path, "%s/llm/%s.npy", dir, name);
    CHECK_CODE(BLIND_OK, bl_file_read(path, 1 << 28, &r.file, &err), err.message);
    CHECK_CODE(BLIND_OK, bl_npy_read(bl_buf_span(&r.file), &r.arena, &r.logits, &err), err.message);
    bool made = make_model(&r, dir, path, sizeof path);
    if (made) {
        CHECK_CODE(BLIND_OK, bl_file_map(path, &file, &err), err.message);
        CHECK_CODE(BLIND_OK, bl_gguf_read(file.bytes, &g, &err), err.message);
        CHECK_CODE(BLIND_OK, bl_llm_model_open(&g, &m, &err), err.message);
        CHECK((size_t)r.logits.shape[2] == m.shape.vocabulary);
        float *got = calloc(m.shape.vocabulary, sizeof *got);
        assert_non_null(got);
        check_case(&r, &m, 0, got);
        free(got);
        bl_llm_model_done(&m);
        bl_gguf_done(&g);
        bl_file_unmap(&file);
        remove(path);
    }
    bl_arena_done(&r.arena);
    bl_buf_done(&r.file);
    json_decref(r.cases);
    return made;
}

TEST(families_say_what_was_recorded)
{
    static const char *const names[] = { "tiny-llama-q4_k_m", "tiny-llama3-q6_k", "tiny-qwen2-q8_0",
                                         "tiny-qwen3-f32",    "tiny-gemma-bf16",  "tiny-gemma3-f32",
                                         "tiny-spm-q4_0" };
    const char              *dir = test_vectors();
    for (size_t i = 0; dir && i < BL_LEN(names); i++)
        if (!check_recorded(dir, names[i])) {
            print_message("skipped: no python3 with numpy\n");
            return;
        }
}

TESTS(RUN(layers_of_zeros_pass_the_token_through), RUN(every_tensor_is_needed),
      RUN(numbers_that_do_not_go_together_are_refused),
      RUN(other_architectures_are_named_and_refused), RUN(families_say_what_was_recorded))
