/* Tokenizers: small vocabularies whose answers can be worked out by hand, and recorded ones. */
#include "base/file.h"
#include "llm/tokenizer.h"
#include "tests/llm/make_gguf.h"
#include "tests/test.h"

#include <jansson.h>
#include <unistd.h>

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER = 4, BYTE = 6 };

typedef struct {
    bl_buf        file;
    bl_gguf       gguf;
    bl_tokenizer *t;
} made;

static void make(made *out, gguf_made *m, blind_code want)
{
    blind_error err = { .code = BLIND_OK };
    *out = (made){ .t = NULL };
    gguf_write(m, &out->file);
    gguf_done(m);
    CHECK_CODE(BLIND_OK, bl_gguf_read(bl_buf_span(&out->file), &out->gguf, &err), err.message);
    CHECK_CODE(want, bl_tokenizer_open(&out->gguf, &out->t, &err), err.message);
}

static void made_done(made *m)
{
    bl_tokenizer_close(m->t);
    bl_gguf_done(&m->gguf);
    bl_buf_done(&m->file);
}

static void expect_ids(const bl_tokenizer *t, const char *text, bl_tokenize_options options,
                       const char *want)
{
    bl_auto_tokens tokens = BL_TOKENS_EMPTY;
    bl_auto_buf    got = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_OK, bl_tokenize(t, bl_span_str(text), options, &tokens, NULL), text);
    for (size_t i = 0; i < bl_tokens_len(&tokens); i++)
        bl_buf_printf(&got, "%s%d", i ? " " : "", bl_tokens_ids(&tokens)[i]);
    assert_string_equal(want, bl_buf_cstr(&got));
}

static void expect_text(const bl_tokenizer *t, const int32_t *ids, size_t len, bool special,
                        const char *want)
{
    bl_auto_buf got = BL_BUF_EMPTY;
    bl_detokenize(t, ids, len, special, &got);
    assert_string_equal(want, bl_buf_cstr(&got));
}

static const bl_tokenize_options plain = { false, false }, parse = { false, true },
                                 all = { true, true };

/* By hand.  ---------------------------------------------------------------------------------- */

/* "\xc4\xa0" is how a blank is written. */
static void make_bpe(gguf_made *m, const char *pre)
{
    static const char *const words[] = {
        "a",  "b",         "c",       "\xc4\xa0", "ab",       "abc",
        "bc", "\304\240a", "<|end|>", "<|end|>x", "\xc3\x83", "1",
    };
    static const int32_t     kinds[] = { 1, 1, 1, 1, 1, 1, 1, 1, CONTROL, USER, 1, 1 };
    static const char *const merges[] = { "b c", "a b", "\xc4\xa0 a", "ab c" };
    *m = GGUF_MADE;
    gguf_text(m, "tokenizer.ggml.model", "gpt2");
    gguf_text(m, "tokenizer.ggml.pre", pre);
    gguf_texts(m, "tokenizer.ggml.tokens", words, BL_LEN(words));
    gguf_ints(m, "tokenizer.ggml.token_type", kinds, BL_LEN(kinds));
    gguf_texts(m, "tokenizer.ggml.merges", merges, BL_LEN(merges));
    gguf_u32(m, "tokenizer.ggml.bos_token_id", 8);
}

TEST(byte_pairs_are_joined_in_the_order_of_the_list)
{
    gguf_made m;
    made      f;
    make_bpe(&m, "gpt-2");
    make(&f, &m, BLIND_OK);
    expect_ids(f.t, "", plain, "");
    expect_ids(f.t, "ab", plain, "4");
    expect_ids(f.t, "abc", plain, "0 6"); /* b c before a b: a bc is no pair of the list */
    expect_ids(f.t, "abab", plain, "4 4");
    expect_ids(f.t, "a abc", plain, "0 7 6");
    expect_ids(f.t, "a<|end|>b", parse, "0 8 1");
    expect_ids(f.t, "a<|end|>xb", parse, "0 9 1"); /* the longer one first */
    expect_ids(f.t, "a<|end|>xb", plain, "0 9 1"); /* the user's own always */
    expect_ids(f.t, "\xc3", plain, "");            /* U+FFFD, of which no byte is a token */
    expect_ids(f.t, "\xc3\xbf", plain, "10");      /* its second byte is none */
    expect_ids(f.t, "a", all, "0");
    expect_text(f.t, (const int32_t[]){ 0, 7, 6, 8, -1, 99 }, 6, true, "a abc<|end|>");
    expect_text(f.t, (const int32_t[]){ 0, 7, 6, 8 }, 4, false, "a abc");
    made_done(&f);
}

TEST(families_join_whole_pieces_first_or_put_bos_in_front)
{
    gguf_made m;
    made      f;
    make_bpe(&m, "llama-bpe");
    make(&f, &m, BLIND_OK);
    expect_ids(f.t, "abc", plain, "5");
    expect_ids(f.t, "abcab", all, "8 0 6 4");
    made_done(&f);
    make_bpe(&m, "from-the-future");
    make(&f, &m, BLIND_UNSUPPORTED);
    made_done(&f);
}

static void make_spm(gguf_made *m)
{
    static const char *const words[] = { "<unk>",  "<s>",    "</s>",   "\xe2\x96\x81",
                                         "a",      "b",      "ab",     "\342\226\201a",
                                         "<0x63>", "<0xC3>", "<0xA9>", "aba" };
    static const float       scores[] = { 0, 0, 0, -1, -2, -3, -4, -5, 0, 0, 0, -4.5f };
    static const int32_t     kinds[] = {
            UNKNOWN, CONTROL, CONTROL, 1, 1, 1, 1, 1, BYTE, BYTE, BYTE, 1
    };
    *m = GGUF_MADE;
    gguf_text(m, "tokenizer.ggml.model", "llama");
    gguf_texts(m, "tokenizer.ggml.tokens", words, BL_LEN(words));
    gguf_floats(m, "tokenizer.ggml.scores", scores, BL_LEN(scores));
    gguf_ints(m, "tokenizer.ggml.token_type", kinds, BL_LEN(kinds));
}

TEST(the_union_with_the_best_score_is_joined_first)
{
    gguf_made m;
    made      f;
    make_spm(&m);
    make(&f, &m, BLIND_OK);
    expect_ids(f.t, "", all, "1");
    expect_ids(f.t, "ab", all, "1 3 6");
    expect_ids(f.t, "aa", plain, "7 4");
    expect_ids(f.t, "baba", plain, "3 5 11"); /* b, aba */
    expect_ids(f.t, "c\xc3\xa9z", plain, "3 8 9 10 0");
    expect_ids(f.t, "a</s>a", parse, "7 2 7");   /* a blank again behind a special token */
    expect_ids(f.t, "</s>", plain, "3 0 0 0 0"); /* four characters without a token */
    expect_text(f.t, (const int32_t[]){ 1, 7, 7, 9, 10 }, 5, false, "a a\xc3\xa9");
    made_done(&f);
}

TEST(words_are_cut_into_their_longest_parts)
{
    static const char *const words[] = { "[UNK]", "[CLS]", "[SEP]",         "\342\226\201play",
                                         "ing",   "i",     "\xe2\x96\x81,", "\342\226\201cafe" };
    static const int32_t     kinds[] = { CONTROL, CONTROL, CONTROL, 1, 1, 1, 1, 1 };
    gguf_made                m = GGUF_MADE;
    made                     f;
    gguf_text(&m, "tokenizer.ggml.model", "bert");
    gguf_texts(&m, "tokenizer.ggml.tokens", words, BL_LEN(words));
    gguf_ints(&m, "tokenizer.ggml.token_type", kinds, BL_LEN(kinds));
    gguf_u32(&m, "tokenizer.ggml.bos_token_id", 1);
    gguf_u32(&m, "tokenizer.ggml.seperator_token_id", 2);
    gguf_u32(&m, "tokenizer.ggml.unknown_token_id", 0);
    make(&f, &m, BLIND_OK);
    expect_ids(f.t, "PLAYING, caf\xc3\xa9", all, "1 3 4 6 7 2");
    expect_ids(f.t, "playix play", plain, "0 3");
    expect_ids(f.t, " \n", all, "1 2");
    expect_text(f.t, (const int32_t[]){ 1, 3, 4, 6, 2 }, 5, false, " playing ,");
    made_done(&f);
}

static void no_tokens(gguf_made *m)
{
    gguf_texts(m, "tokenizer.ggml.tokens", NULL, 0);
}
static void few_scores(gguf_made *m)
{
    static const char *const words[] = { "a", "b" };
    gguf_texts(m, "tokenizer.ggml.tokens", words, 2);
    gguf_floats(m, "tokenizer.ggml.scores", (const float[]){ 1 }, 1);
}
static void no_number(gguf_made *m)
{
    static const char *const words[] = { "a" };
    gguf_texts(m, "tokenizer.ggml.tokens", words, 1);
    gguf_floats(m, "tokenizer.ggml.scores", (const float[]){ __builtin_nanf("") }, 1);
}
static void odd_kind(gguf_made *m)
{
    static const char *const words[] = { "a" };
    gguf_texts(m, "tokenizer.ggml.tokens", words, 1);
    gguf_ints(m, "tokenizer.ggml.token_type", (const int32_t[]){ 7 }, 1);
}
static void far_bos(gguf_made *m)
{
    static const char *const words[] = { "a" };
    gguf_texts(m, "tokenizer.ggml.tokens", words, 1);
    gguf_u32(m, "tokenizer.ggml.bos_token_id", 1);
}

TEST(vocabularies_that_contradict_themselves_are_refused)
{
    void (*const damages[])(gguf_made *) = { no_tokens, few_scores, no_number, odd_kind, far_bos };
    for (size_t i = 0; i < BL_LEN(damages); i++) {
        gguf_made m = GGUF_MADE;
        made      f;
        gguf_text(&m, "tokenizer.ggml.model", "llama");
        damages[i](&m);
        make(&f, &m, BLIND_INPUT);
        made_done(&f);
    }
}

/* Hostile.  ---------------------------------------------------------------------------------- */

TEST(ten_megabytes_without_a_blank_end)
{
    enum { SIZE = 10 << 20 };
    gguf_made m;
    made      f;
    char     *text = malloc(SIZE + 1);
    assert_non_null(text);
    for (int i = 0; i < SIZE; i++)
        text[i] = "abcab<"[i % 6];
    text[SIZE] = '\0';
    for (int kind = 0; kind < 2; kind++) {
        bl_auto_tokens tokens = BL_TOKENS_EMPTY;
        if (kind == 0)
            make_bpe(&m, "llama-bpe");
        else
            make_spm(&m);
        make(&f, &m, BLIND_OK);
        CHECK_CODE(BLIND_OK, bl_tokenize(f.t, bl_span(text, SIZE), all, &tokens, NULL), "10 MB");
        CHECK(bl_tokens_len(&tokens) > SIZE / 6);
        made_done(&f);
    }
    free(text);
}

/* Recorded.  --------------------------------------------------------------------------------- */

static void check_case(const bl_tokenizer *t, const json_t *c, const char *key,
                       bl_tokenize_options options, const char *file, size_t number)
{
    const json_t  *text = json_object_get(c, "text"), *want = json_object_get(c, key);
    bl_auto_tokens got = BL_TOKENS_EMPTY;
    blind_span     bytes = bl_span(json_string_value(text), json_string_length(text));
    CHECK_CODE(BLIND_OK, bl_tokenize(t, bytes, options, &got, NULL), file);
    bool same = bl_tokens_len(&got) == json_array_size(want);
    for (size_t i = 0; same && i < json_array_size(want); i++)
        same = bl_tokens_ids(&got)[i] == json_integer_value(json_array_get(want, i));
    if (!same)
        fail_msg("%s, case %zu, %s: '%.60s'", file, number, key, json_string_value(text));
}

/* What was read must come back, but for the character that stands for blanks. */
static void check_back(const bl_tokenizer *t, const json_t *c, const char *file, size_t number)
{
    const json_t  *text = json_object_get(c, "text");
    bl_auto_tokens ids = BL_TOKENS_EMPTY;
    bl_auto_buf    back = BL_BUF_EMPTY;
    blind_span     bytes = bl_span(json_string_value(text), json_string_length(text));
    if (strstr(json_string_value(text), "\xe2\x96\x81"))
        return;
    CHECK_CODE(BLIND_OK, bl_tokenize(t, bytes, plain, &ids, NULL), file);
    bl_detokenize(t, bl_tokens_ids(&ids), bl_tokens_len(&ids), true, &back);
    if (!bl_span_equal(bytes, bl_buf_span(&back)))
        fail_msg("%s, case %zu: '%.60s' came back as '%.60s'", file, number,
                 json_string_value(text), bl_buf_cstr(&back));
}

static void check_file(const char *dir, const char *name, const char *model, bool back)
{
    char         path[4096];
    bl_mapping   file;
    bl_gguf      g;
    json_error_t error;
    blind_error  err;
    made         f = { .t = NULL };
    snprintf(path, sizeof path, "%s/tokenizer/%s", dir, name);
    json_t *cases = json_load_file(path, JSON_ALLOW_NUL, &error);
    assert_non_null(cases);
    CHECK_CODE(BLIND_OK, bl_file_map(model, &file, &err), err.message);
    CHECK_CODE(BLIND_OK, bl_gguf_read(file.bytes, &g, &err), err.message);
    CHECK_CODE(BLIND_OK, bl_tokenizer_open(&g, &f.t, &err), err.message);
    size_t        i;
    const json_t *c;
    json_array_foreach(json_object_get(cases, "cases"), i, c)
    {
        check_case(f.t, c, "ids", parse, name, i);
        check_case(f.t, c, "ids_with_special", all, name, i);
        check_case(f.t, c, "ids_no_parse", plain, name, i);
        if (back)
            check_back(f.t, c, name, i);
    }
    CHECK(i > 0);
    bl_tokenizer_close(f.t);
    bl_gguf_done(&g);
    bl_file_unmap(&file);
    json_decref(cases);
}

TEST(published_vocabularies_give_the_recorded_tokens)
{
    static const struct {
        const char *name;
        bool        back;
    } all_files[] = {
        { "gpt-2", true }, { "starcoder", true },      { "falcon", true },
        { "mpt", true },   { "deepseek-coder", true }, { "deepseek-llm", true },
        { "phi-3", true }, { "llama-spm", true },      { "bert-bge", false },
    };
    const char *dir = test_vectors();
    for (size_t i = 0; dir && i < BL_LEN(all_files); i++) {
        char name[64], model[4096];
        snprintf(name, sizeof name, "real-%s.json", all_files[i].name);
        snprintf(model, sizeof model, "%s/tokenizer/ggml-vocab-%s.gguf", dir, all_files[i].name);
        check_file(dir, name, model, all_files[i].back);
    }
}

/* The vocabularies that a script beside the vectors makes. */
TEST(made_vocabularies_give_the_recorded_tokens)
{
    static const char *const all_names[] = { "gpt-2", "llama-bpe", "qwen2", "smollm", "spm" };
    const char              *dir = test_vectors();
    for (size_t i = 0; dir && i < BL_LEN(all_names); i++) {
        char command[8192], name[64], model[4096];
        snprintf(name, sizeof name, "vocab-%s.json", all_names[i]);
        snprintf(model, sizeof model, "%s/vocab-%s.gguf", getenv("BLIND_BUILD_DIR"), all_names[i]);
        snprintf(command, sizeof command,
                 "python3 -c 'import numpy' 2>/dev/null && python3 '%s/../models/make_gguf.py' "
                 "vocab '%s' '%s' >/dev/null",
                 dir, all_names[i], model);
        if (access(model, R_OK) != 0 && system(command) != 0) {
            print_message("skipped: no python3 with numpy\n");
            return;
        }
        check_file(dir, name, model, true);
    }
}

TESTS(RUN(byte_pairs_are_joined_in_the_order_of_the_list),
      RUN(families_join_whole_pieces_first_or_put_bos_in_front),
      RUN(the_union_with_the_best_score_is_joined_first),
      RUN(words_are_cut_into_their_longest_parts),
      RUN(vocabularies_that_contradict_themselves_are_refused),
      RUN(ten_megabytes_without_a_blank_end), RUN(published_vocabularies_give_the_recorded_tokens),
      RUN(made_vocabularies_give_the_recorded_tokens))
