/* GGUF files: what is read, and what is refused. */
#include "llm/gguf.h"
#include "tests/llm/make_gguf.h"
#include "tests/test.h"

static void make_small(gguf_made *m)
{
    static const char *const words[] = { "a", "bc", "" };
    static const float       scores[] = { 1, -2.5f };
    *m = GGUF_MADE;
    gguf_text(m, "general.architecture", "llama");
    gguf_u32(m, "llama.block_count", 2);
    gguf_flag(m, "flag", true);
    gguf_texts(m, "words", words, BL_LEN(words));
    gguf_floats(m, "scores", scores, BL_LEN(scores));
    gguf_tensor(m, "second", 8, (const uint64_t[]){ 64, 3 }, 2);
    gguf_tensor(m, "first", 0, (const uint64_t[]){ 5 }, 1);
}

TEST(all_of_a_small_file_is_read)
{
    gguf_made   m;
    bl_gguf     g;
    blind_error err;
    blind_span *words;
    size_t      len;
    double      number;
    bl_auto_buf file = BL_BUF_EMPTY;
    make_small(&m);
    gguf_write(&m, &file);
    CHECK_CODE(BLIND_OK, bl_gguf_read(bl_buf_span(&file), &g, &err), "a small file");
    CHECK(g.version == 3 && g.alignment == 32 && g.n_values == 5 && g.n_tensors == 2);
    CHECK(g.parameters == 64 * 3 + 5 && g.weights == 3 * 2 * 34 + 20);
    CHECK(bl_span_equal(bl_gguf_text(&g, "general.architecture"), BL_LITERAL("llama")));
    CHECK(bl_gguf_uint(&g, "llama.block_count", 7) == 2 && bl_gguf_uint(&g, "other", 7) == 7);
    CHECK(bl_gguf_flag(&g, "flag", false) && !bl_gguf_flag(&g, "words", false));
    CHECK(bl_gguf_number_at(bl_gguf_find(&g, "scores"), 1, &number) && number == -2.5);
    CHECK(!bl_gguf_number_at(bl_gguf_find(&g, "scores"), 2, &number));
    CHECK_CODE(BLIND_OK, bl_gguf_texts(&g, "words", 3, &words, &len, &err), "texts");
    CHECK(len == 3 && bl_span_equal(words[1], BL_LITERAL("bc")) && words[2].size == 0);
    CHECK_CODE(BLIND_LIMIT, bl_gguf_texts(&g, "words", 2, &words, &len, &err), "too many texts");
    CHECK_CODE(BLIND_INPUT, bl_gguf_texts(&g, "scores", 9, &words, &len, &err), "no texts");
    const bl_gguf_tensor *t = bl_gguf_tensor_of(&g, "second");
    CHECK(t && t->rank == 2 && t->shape[0] == 64 && t->shape[1] == 3 && t->shape[2] == 1);
    CHECK(strcmp(t->type->name, "Q8_0") == 0 && t->bytes.size == 204);
    CHECK(bl_gguf_tensor_of(&g, "first")->bytes.data == t->bytes.data + 224);
    CHECK(!bl_gguf_tensor_of(&g, "third"));
    bl_gguf_done(&g);
    gguf_done(&m);
}

TEST(every_prefix_is_refused)
{
    gguf_made   m;
    bl_gguf     g;
    bl_auto_buf file = BL_BUF_EMPTY;
    make_small(&m);
    gguf_write(&m, &file);
    size_t whole = file.size - 12; /* the last weights, without what pads them */
    for (size_t size = 0; size < whole; size++) {
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, file.data, size);
        CHECK_CODE(BLIND_INPUT, bl_gguf_read(bl_span(exact, size), &g, NULL), "a prefix");
        CHECK(!g.values && !g.tensors);
        free(exact);
    }
    CHECK_CODE(BLIND_OK, bl_gguf_read(bl_span(file.data, whole), &g, NULL), "without padding");
    bl_gguf_done(&g);
    gguf_done(&m);
}

static void twice_key(gguf_made *m)
{
    gguf_u32(m, "flag", 1);
}
static void twice_tensor(gguf_made *m)
{
    gguf_tensor(m, "first", 0, (const uint64_t[]){ 1 }, 1);
}
static void broken_row(gguf_made *m)
{
    gguf_tensor(m, "third", 8, (const uint64_t[]){ 33, 32 }, 2);
}
static void empty_row(gguf_made *m)
{
    gguf_tensor(m, "third", 0, (const uint64_t[]){ 0 }, 1);
}
static void vast(gguf_made *m)
{
    bl_buf_add_le(&m->tensors, 1, 8);
    bl_buf_add_str(&m->tensors, "v");
    bl_buf_add_le(&m->tensors, 2, 4);
    bl_buf_add_le(&m->tensors, 1ull << 40, 8);
    bl_buf_add_le(&m->tensors, 1ull << 40, 8);
    bl_buf_add_le(&m->tensors, 0, 4);
    bl_buf_add_le(&m->tensors, 0, 8);
    m->n_tensors++;
}
static void odd_place(gguf_made *m)
{
    bl_buf_add_u8(&m->weights, 0);
    gguf_tensor(m, "third", 0, (const uint64_t[]){ 1 }, 1);
}
static void unknown_type(gguf_made *m)
{
    gguf_tensor(m, "third", 99, (const uint64_t[]){ 1 }, 1);
}
static void five_axes(gguf_made *m)
{
    gguf_tensor(m, "third", 0, (const uint64_t[]){ 1, 1, 1, 1, 1 }, 5);
}
static void old(gguf_made *m)
{
    m->version = 1;
}
static void big_endian(gguf_made *m)
{
    m->version = 3u << 24;
}
static void odd_alignment(gguf_made *m)
{
    gguf_u32(m, "general.alignment", 24);
}
static void many_values(gguf_made *m)
{
    m->n_values = 1ull << 60;
}
static void nested(gguf_made *m)
{
    bl_buf_add_le(&m->values, 1, 8);
    bl_buf_add_str(&m->values, "n");
    bl_buf_add_le(&m->values, BL_GGUF_ARRAY, 4);
    bl_buf_add_le(&m->values, BL_GGUF_ARRAY, 4);
    bl_buf_add_le(&m->values, 0, 8);
    m->n_values++;
}

TEST(what_is_wrong_is_refused)
{
    static const struct {
        const char *name;
        void (*damage)(gguf_made *m);
        blind_code want;
    } cases[] = {
        { "a key twice", twice_key, BLIND_INPUT },
        { "a tensor twice", twice_tensor, BLIND_INPUT },
        { "a row of one block and a bit", broken_row, BLIND_INPUT },
        { "no elements", empty_row, BLIND_INPUT },
        { "more elements than numbers", vast, BLIND_INPUT },
        { "a place between the others", odd_place, BLIND_INPUT },
        { "a type from the future", unknown_type, BLIND_UNSUPPORTED },
        { "five axes", five_axes, BLIND_INPUT },
        { "version 1", old, BLIND_UNSUPPORTED },
        { "the other byte order", big_endian, BLIND_UNSUPPORTED },
        { "an alignment of 24", odd_alignment, BLIND_INPUT },
        { "very many values", many_values, BLIND_LIMIT },
        { "an array of arrays", nested, BLIND_UNSUPPORTED },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        gguf_made   m;
        bl_gguf     g;
        bl_auto_buf file = BL_BUF_EMPTY;
        make_small(&m);
        cases[i].damage(&m);
        gguf_write(&m, &file);
        CHECK_CODE(cases[i].want, bl_gguf_read(bl_buf_span(&file), &g, NULL), cases[i].name);
        gguf_done(&m);
    }
}

TESTS(RUN(all_of_a_small_file_is_read), RUN(every_prefix_is_refused), RUN(what_is_wrong_is_refused))
