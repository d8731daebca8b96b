/* GGUF: an accepted file's spans lie within it, its tables are in order, and what its tokenizer
 * makes of a text are tokens of its vocabulary. */
#include "llm/gguf.h"
#include "llm/reference.h"
#include "llm/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(blind_span outer, blind_span inner)
{
    if (inner.size && (inner.data < outer.data || inner.size > outer.size ||
                       (size_t)(inner.data - outer.data) > outer.size - inner.size))
        abort();
}

static void check_tables(blind_span file, const bl_gguf *g)
{
    double   number;
    uint64_t whole;
    for (size_t i = 0; i < g->n_values; i++) {
        const bl_gguf_value *v = &g->values[i];
        check_within(file, v->key);
        check_within(file, v->bytes);
        (void)bl_gguf_uint_at(v, v->len - 1, &whole);
        (void)bl_gguf_number_at(v, v->len - 1, &number);
    }
    for (size_t i = 0; i < g->n_tensors; i++) {
        char name[256];
        check_within(file, g->tensors[i].name);
        check_within(file, g->tensors[i].bytes);
        if (g->tensors[i].name.size >= sizeof name)
            continue;
        memcpy(name, g->tensors[i].name.data, g->tensors[i].name.size);
        name[g->tensors[i].name.size] = '\0';
        if (bl_gguf_tensor_of(g, name) != &g->tensors[i])
            abort();
    }
}

static void check_tokens(const bl_tokenizer *t, const char *text)
{
    bl_auto_tokens tokens = BL_TOKENS_EMPTY;
    bl_auto_buf    back = BL_BUF_EMPTY;
    if (bl_tokenize(t, bl_span_str(text), (bl_tokenize_options){ true, true }, &tokens, NULL) !=
        BLIND_OK)
        return;
    for (size_t i = 0; i < bl_tokens_len(&tokens); i++)
        if (bl_tokens_ids(&tokens)[i] < 0 ||
            (size_t)bl_tokens_ids(&tokens)[i] >= bl_tokenizer_vocab(t)->len)
            abort();
    bl_detokenize(t, bl_tokens_ids(&tokens), bl_tokens_len(&tokens), true, &back);
}

static void run_model(bl_gguf *g)
{
    enum { MOST = 1 << 14 };
    bl_llm_model  m;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    if (bl_llm_model_open(g, &m, NULL) != BLIND_OK)
        return;
    float *logits = bl_arena_array(&arena, m.shape.vocabulary, sizeof *logits);
    if (!logits)
        abort();
    bool small = g->parameters < MOST && m.shape.layers * m.shape.experts < MOST &&
                 m.shape.context >= 3 && m.shape.vocabulary >= 2;
    if (small && bl_llm_reference(&m, (const int32_t[]){ 0, 1, 0 }, 3, logits, NULL) != BLIND_OK)
        abort();
    bl_llm_model_done(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_gguf       g;
    bl_tokenizer *t;
    if (bl_gguf_read(bl_span(data, size), &g, NULL) != BLIND_OK) {
        if (g.values || g.tensors || g.arena.first)
            abort();
        return 0;
    }
    check_tables(bl_span(data, size), &g);
    if (bl_tokenizer_open(&g, &t, NULL) == BLIND_OK)
        check_tokens(t, "abc ab<|end|></s> c\xc3\xa9 123 \xff");
    bl_tokenizer_close(t);
    run_model(&g);
    bl_gguf_done(&g);
    return 0;
}
