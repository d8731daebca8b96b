/* Byte-level byte-pair encoding.
 *
 * Each byte is written as a character of its own, so that a vocabulary of texts covers all bytes;
 * the pieces of a text are then built from single bytes by the file's list of merges, the first of
 * the list before all others.
 *
 * Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2.
 */
#include "base/limits.h"
#include "base/utf8.h"
#include "llm/tokenizer_kinds.h"

/* Bytes that cannot be seen as characters. */
static const uint8_t gaps[][2] = { { 0, 32 }, { 127, 160 }, { 173, 173 } };

/* The character of a byte: itself where it can be seen, else one of those from U+0100 on in turn.
 */
static uint32_t character_of(uint8_t byte)
{
    uint32_t next = 0x100;
    for (size_t i = 0; i < BL_LEN(gaps); i++) {
        if (byte < gaps[i][0])
            break;
        if (byte <= gaps[i][1])
            return next + byte - gaps[i][0];
        next += 1u + gaps[i][1] - gaps[i][0];
    }
    return byte;
}

/* The byte of a character, or -1. */
static int byte_of(uint32_t character)
{
    uint32_t next = 0x100;
    if (character < 0x100)
        return character_of((uint8_t)character) == character ? (int)character : -1;
    for (size_t i = 0; i < BL_LEN(gaps); i++) {
        uint32_t len = 1u + gaps[i][1] - gaps[i][0];
        if (character < next + len)
            return (int)(gaps[i][0] + character - next);
        next += len;
    }
    return -1;
}

static blind_code open_bpe(bl_tokenizer *t, bl_gguf *g, blind_error *err)
{
    blind_span *merges;
    size_t      len;
    BL_TRY(bl_pretoken_open(bl_gguf_text(g, "tokenizer.ggml.pre"), &t->pretoken, &t->habits, err));
    BL_TRY(bl_tokenizer_vocabulary(t, g,
                                   (bl_vocab){ .bos = 11,
                                               .eos = 11,
                                               .unknown = BL_NO_TOKEN,
                                               .separator = BL_NO_TOKEN,
                                               .padding = BL_NO_TOKEN,
                                               .mask = BL_NO_TOKEN,
                                               .add_bos = t->habits.add_bos },
                                   err));
    BL_TRY(bl_gguf_texts(g, "tokenizer.ggml.merges", BL_MAX_VOCABULARY, &merges, &len, err));
    return bl_texts_index(merges, len, &g->arena, &t->merges, err);
}

/* Text to tokens.  --------------------------------------------------------------------------- */

static uint32_t rank(const void *arg, blind_span left, blind_span right)
{
    return (uint32_t)bl_texts_find_pair(arg, left, right); /* none: UINT32_MAX */
}

/* What no merge made a token is written byte by byte. */
static blind_code add_symbol(void *arg, blind_span symbol)
{
    bl_encoding    *e = arg;
    const bl_vocab *v = &e->t->vocab;
    int32_t         id = bl_vocab_find(v, symbol);
    if (id != BL_NO_TOKEN) {
        bl_tokens_add(e->out, id);
        return BLIND_OK;
    }
    for (size_t at = 0, size; at < symbol.size; at += size) {
        uint32_t c;
        size = BL_MAX(bl_utf8_next(bl_span(symbol.data + at, symbol.size - at), &c), 1u);
        id = bl_vocab_find(v, bl_span(symbol.data + at, size));
        if (id == BL_NO_TOKEN)
            id = v->unknown;
        if (id != BL_NO_TOKEN)
            bl_tokens_add(e->out, id);
    }
    return BLIND_OK;
}

static blind_code add_piece(void *arg, blind_span piece)
{
    bl_encoding *e = arg;
    bl_buf_clear(&e->piece);
    for (size_t i = 0; i < piece.size; i++) {
        uint8_t utf8[4];
        size_t  size = bl_utf8_put(character_of(piece.data[i]), utf8);
        bl_buf_add(&e->piece, bl_span(utf8, size));
    }
    BL_TRY(bl_buf_check(&e->piece, "llm.tokenizer", e->err));
    int32_t whole =
        e->t->habits.whole ? bl_vocab_find(&e->t->vocab, bl_buf_span(&e->piece)) : BL_NO_TOKEN;
    if (whole != BL_NO_TOKEN) {
        bl_tokens_add(e->out, whole);
        return BLIND_OK;
    }
    return bl_merge_run(&e->merge, bl_buf_span(&e->piece), rank, &e->t->merges, add_symbol, e,
                        e->err);
}

static blind_code encode(bl_encoding *e, blind_span text, bool first)
{
    (void)first;
    return bl_pretoken_split(e->t->pretoken, text, add_piece, e, e->err);
}

/* Tokens to text.  --------------------------------------------------------------------------- */

static void text_of(const bl_tokenizer *t, int32_t id, bl_buf *out)
{
    blind_span text = t->vocab.text[id];
    for (size_t at = 0, size; at < text.size; at += size) {
        uint32_t c = 0;
        size = bl_utf8_next(bl_span(text.data + at, text.size - at), &c);
        int byte = size ? byte_of(c) : -1;
        size = BL_MAX(size, 1u);
        if (byte >= 0)
            bl_buf_add_u8(out, (uint8_t)byte);
        else /* no byte's character: as it is */
            bl_buf_add(out, bl_span(text.data + at, size));
    }
}

const bl_tokenizer_kind bl_tokenizer_bpe = { "gpt2", open_bpe, encode, text_of };
