/* Tokenizers of every kind on a text: vocabularies that have all bytes give every text back, and
 * special tokens appear only where they are parsed. */
#include "base/utf8.h"
#include "llm/tokenizer.h"
#include "tests/llm/make_gguf.c" /* one source file makes a target */

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 300, CONTROL = 3, BYTE = 6 };

typedef struct {
    bl_buf        file;
    bl_gguf       gguf;
    bl_tokenizer *t;
} vocabulary;

static void open_made(vocabulary *v, gguf_made *m)
{
    gguf_write(m, &v->file);
    gguf_done(m);
    if (bl_gguf_read(bl_buf_span(&v->file), &v->gguf, NULL) != BLIND_OK ||
        bl_tokenizer_open(&v->gguf, &v->t, NULL) != BLIND_OK)
        abort();
}

/* All bytes, as byte-level BPE writes them, some merges of them, and two special tokens. */
static void make_bpe(vocabulary *v, const char *pre)
{
    static char        names[256][4];
    static const char *words[MOST];
    int32_t            kinds[MOST];
    size_t             len = 0;
    const char *const  merges[] = { "a b", "ab c", "\xc4\xa0 a", "e r", "1 2", "b c" };
    const char *const  joined[] = {
         "ab", "abc", "\304\240a", "er", "12", "bc", "<|im_end|>", "<s>"
    };
    uint32_t spare = 0x100;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool seen = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
        names[byte][bl_utf8_put(seen ? byte : spare++, (uint8_t *)names[byte])] = '\0';
        words[len++] = names[byte];
    }
    for (size_t i = 0; i < BL_LEN(joined); i++)
        words[len++] = joined[i];
    for (size_t i = 0; i < len; i++)
        kinds[i] = words[i][0] == '<' && words[i][1] ? CONTROL : 1;
    gguf_made m = GGUF_MADE;
    gguf_text(&m, "tokenizer.ggml.model", "gpt2");
    gguf_text(&m, "tokenizer.ggml.pre", pre);
    gguf_texts(&m, "tokenizer.ggml.tokens", words, len);
    gguf_ints(&m, "tokenizer.ggml.token_type", kinds, len);
    gguf_texts(&m, "tokenizer.ggml.merges", merges, BL_LEN(merges));
    open_made(v, &m);
}

static void make_spm(vocabulary *v)
{
    static char        names[256][8];
    static const char *words[MOST] = { "<unk>", "<s>", "</s>" };
    int32_t            kinds[MOST] = { 2, CONTROL, CONTROL };
    float              scores[MOST] = { 0 };
    const char *const  joined[] = { "\xe2\x96\x81", "a", "b", "ab", "\342\226\201ab", "abab" };
    size_t             len = 3;
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(names[byte], sizeof names[byte], "<0x%02X>", byte);
        kinds[len] = BYTE;
        words[len++] = names[byte];
    }
    for (size_t i = 0; i < BL_LEN(joined); i++) {
        kinds[len] = 1;
        scores[len] = -(float)i;
        words[len++] = joined[i];
    }
    gguf_made m = GGUF_MADE;
    gguf_text(&m, "tokenizer.ggml.model", "llama");
    gguf_texts(&m, "tokenizer.ggml.tokens", words, len);
    gguf_ints(&m, "tokenizer.ggml.token_type", kinds, len);
    gguf_floats(&m, "tokenizer.ggml.scores", scores, len);
    open_made(v, &m);
}

static void check(const bl_tokenizer *t, blind_span text)
{
    bl_auto_tokens tokens = BL_TOKENS_EMPTY, parsed = BL_TOKENS_EMPTY;
    bl_auto_buf    back = BL_BUF_EMPTY;
    if (bl_tokenize(t, text, (bl_tokenize_options){ false, false }, &tokens, NULL) != BLIND_OK ||
        bl_tokenize(t, text, (bl_tokenize_options){ true, true }, &parsed, NULL) != BLIND_OK)
        abort();
    for (size_t i = 0; i < bl_tokens_len(&tokens); i++)
        if (bl_tokenizer_vocab(t)->kind[bl_tokens_ids(&tokens)[i]] == CONTROL)
            abort();
    bl_detokenize(t, bl_tokens_ids(&tokens), bl_tokens_len(&tokens), true, &back);
    bool blanks = text.size && memmem(text.data, text.size, "\xe2\x96\x81", 3);
    if (!blanks && bl_utf8_valid(text) && !bl_span_equal(text, bl_buf_span(&back)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const families[] = { "gpt-2",       "llama-bpe",    "qwen2",
                                            "smollm",      "falcon",       "tekken",
                                            "gpt-4o",      "deepseek-llm", "deepseek-coder",
                                            "deepseek-v3", "default" };
    static vocabulary        all[BL_LEN(families) + 1];
    if (!all[0].t) {
        for (size_t i = 0; i < BL_LEN(families); i++)
            make_bpe(&all[i], families[i]);
        make_spm(&all[BL_LEN(families)]);
    }
    if (size > 0)
        check(all[data[0] % BL_LEN(all)].t, bl_span(data + 1, size - 1));
    return 0;
}
