/* SentencePiece with scores: blanks become U+2581, the neighbours whose union is the token with the
 * best score are joined first, and a character that is no token is written as bytes.
 *
 * Source: Kudo and Richardson 2018, arXiv:1808.06226, sections 3.1 and 3.2. */
#include "base/hex.h"
#include "llm/tokenizer_kinds.h"

#include <stdio.h>

static const blind_span blank = { (const uint8_t *)"\xe2\x96\x81", 3 };

static blind_code open_spm(bl_tokenizer *t, bl_gguf *g, blind_error *err)
{
    BL_TRY(bl_tokenizer_vocabulary(t, g,
                                   (bl_vocab){ .bos = 1,
                                               .eos = 2,
                                               .unknown = 0,
                                               .separator = BL_NO_TOKEN,
                                               .padding = BL_NO_TOKEN,
                                               .mask = BL_NO_TOKEN,
                                               .add_bos = true,
                                               .add_space = true },
                                   err));
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t raw = (uint8_t)byte;
        char    name[8];
        snprintf(name, sizeof name, "<0x%02X>", byte);
        t->bytes[byte] = bl_vocab_find(&t->vocab, bl_span_str(name));
        if (t->bytes[byte] == BL_NO_TOKEN)
            t->bytes[byte] = bl_vocab_find(&t->vocab, bl_span(&raw, 1));
    }
    return BLIND_OK;
}

/* Text to tokens.  --------------------------------------------------------------------------- */

/* Numbers that order as floats do, the greatest first. */
static uint32_t descending(float score)
{
    float    plain = score + 0.0F; /* no negative zero */
    uint32_t bits;
    memcpy(&bits, &plain, sizeof bits);
    bits = bits >> 31 ? ~bits : bits | 1u << 31;
    return BL_MIN(~bits, UINT32_MAX - 1);
}

static uint32_t rank(const void *arg, blind_span left, blind_span right)
{
    const bl_vocab *v = arg;
    int32_t         id = bl_vocab_find(v, bl_span(left.data, left.size + right.size));
    return id == BL_NO_TOKEN ? UINT32_MAX : descending(v->score[id]);
}

static blind_code add_symbol(void *arg, blind_span symbol)
{
    bl_encoding *e = arg;
    int32_t      id = bl_vocab_find(&e->t->vocab, symbol);
    if (id != BL_NO_TOKEN) {
        bl_tokens_add(e->out, id);
        return BLIND_OK;
    }
    for (size_t i = 0; i < symbol.size; i++) {
        id = e->t->bytes[symbol.data[i]];
        if (id == BL_NO_TOKEN)
            id = e->t->vocab.unknown;
        if (id != BL_NO_TOKEN)
            bl_tokens_add(e->out, id);
    }
    return BLIND_OK;
}

static blind_code encode(bl_encoding *e, blind_span text, bool first)
{
    bl_buf_clear(&e->piece);
    if (first && e->t->vocab.add_space)
        bl_buf_add(&e->piece, blank);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == ' ')
            bl_buf_add(&e->piece, blank);
        else
            bl_buf_add_u8(&e->piece, text.data[i]);
    }
    BL_TRY(bl_buf_check(&e->piece, "llm.tokenizer", e->err));
    return bl_merge_run(&e->merge, bl_buf_span(&e->piece), rank, &e->t->vocab, add_symbol, e,
                        e->err);
}

/* Tokens to text.  --------------------------------------------------------------------------- */

static void text_of(const bl_tokenizer *t, int32_t id, bl_buf *out)
{
    blind_span text = t->vocab.text[id];
    uint8_t    byte;
    if (t->vocab.kind[id] == BL_TOKEN_BYTE && text.size == 6) {
        if (bl_hex_decode(bl_span(text.data + 3, 2), &byte, 1))
            bl_buf_add_u8(out, byte);
        return;
    }
    while (text.size) {
        bool   is_blank = text.size >= blank.size && memcmp(text.data, blank.data, blank.size) == 0;
        size_t size = is_blank ? blank.size : 1;
        bl_buf_add(out, is_blank ? BL_LITERAL(" ") : bl_span(text.data, 1));
        text = bl_span(text.data + size, text.size - size);
    }
}

const bl_tokenizer_kind bl_tokenizer_spm = { "llama", open_spm, encode, text_of };
