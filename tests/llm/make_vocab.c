#include "tests/llm/make_vocab.h"

#include "tests/test.h"

static void add_word(char *to, size_t size, const char *word)
{
    size_t at = 0;
    for (const char *c = word; *c && at + 4 < size; c++)
        at += (size_t)snprintf(to + at, size - at, "%.*s", *c == ' ' ? 3 : 1,
                               *c == ' ' ? "\xe2\x96\x81" : c);
}

void vocab_make(vocab_made *v, const char *const *words, size_t len)
{
    size_t n = VOCAB_WORDS + len;
    char(*names)[512] = calloc(n, sizeof *names);
    const char **texts = calloc(n, sizeof *texts);
    float       *scores = calloc(n, sizeof *scores);
    int32_t     *kinds = calloc(n, sizeof *kinds);
    CHECK(names && texts && scores && kinds);
    static const char *const special[] = { "<unk>", "<s>", "</s>" };
    for (size_t i = 0; i < n; i++) {
        kinds[i] = i < 1             ? BL_TOKEN_UNKNOWN
                   : i < 3           ? BL_TOKEN_CONTROL
                   : i < VOCAB_WORDS ? BL_TOKEN_BYTE
                                     : BL_TOKEN_NORMAL;
        if (i < VOCAB_BYTES)
            snprintf(names[i], sizeof names[i], "%s", special[i]);
        else if (i < VOCAB_WORDS)
            snprintf(names[i], sizeof names[i], "<0x%02X>", (unsigned)(i - VOCAB_BYTES));
        else
            add_word(names[i], sizeof names[i], words[i - VOCAB_WORDS]);
        texts[i] = names[i];
    }
    gguf_made m = GGUF_MADE;
    gguf_text(&m, "tokenizer.ggml.model", "llama");
    gguf_texts(&m, "tokenizer.ggml.tokens", texts, n);
    gguf_floats(&m, "tokenizer.ggml.scores", scores, n);
    gguf_ints(&m, "tokenizer.ggml.token_type", kinds, n);
    gguf_u32(&m, "tokenizer.ggml.eos_token_id", VOCAB_END);
    *v = (vocab_made){ .len = n };
    gguf_write(&m, &v->file);
    gguf_done(&m);
    blind_error err = { .code = BLIND_OK };
    CHECK_CODE(BLIND_OK, bl_gguf_read(bl_buf_span(&v->file), &v->gguf, &err), err.message);
    CHECK_CODE(BLIND_OK, bl_tokenizer_open(&v->gguf, &v->t, &err), err.message);
    free(names);
    free((void *)texts);
    free(scores);
    free(kinds);
}

void vocab_done(vocab_made *v)
{
    bl_tokenizer_close(v->t);
    bl_gguf_done(&v->gguf);
    bl_buf_done(&v->file);
}
