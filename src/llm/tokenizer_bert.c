/* WordPiece: words in lower case without accents, then the longest known piece first; a word of
 * which any part is unknown is one unknown token.  In GGUF a token that begins a word begins with
 * U+2581.
 *
 * Source: Devlin et al. 2018, arXiv:1810.04805, section 3, and the tokenizers that came with it. */
#include "base/utf8.h"
#include "llm/tokenizer_kinds.h"

#include <utf8proc.h>

static const blind_span mark = { (const uint8_t *)"\xe2\x96\x81", 3 };

static blind_code open_bert(bl_tokenizer *t, bl_gguf *g, blind_error *err)
{
    BL_TRY(bl_tokenizer_vocabulary(t, g,
                                   (bl_vocab){ .bos = 101,
                                               .eos = BL_NO_TOKEN,
                                               .unknown = 100,
                                               .separator = 102,
                                               .padding = 0,
                                               .mask = 103,
                                               .add_bos = true },
                                   err));
    t->vocab.add_eos = t->vocab.separator != BL_NO_TOKEN; /* [SEP] stands where others have EOS */
    t->vocab.eos = t->vocab.separator;
    for (size_t i = 0; i < t->vocab.len; i++)
        t->longest = BL_MAX(t->longest, t->vocab.text[i].size);
    return BLIND_OK;
}

/* Words.  ------------------------------------------------------------------------------------ */

static bool is_space(uint32_t c)
{
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
    return (c >= '\t' && c <= '\r') || c == 0x85 || kind == UTF8PROC_CATEGORY_ZS ||
           kind == UTF8PROC_CATEGORY_ZL || kind == UTF8PROC_CATEGORY_ZP;
}

static bool is_dropped(uint32_t c)
{
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
    return c == 0 || c == 0xfffd || kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF ||
           kind == UTF8PROC_CATEGORY_CO || kind == UTF8PROC_CATEGORY_CS ||
           kind == UTF8PROC_CATEGORY_MN; /* accents */
}

static bool is_ideograph(uint32_t c)
{
    static const uint32_t ranges[][2] = { { 0x4e00, 0x9fff },   { 0x3400, 0x4dbf },
                                          { 0x20000, 0x2a6df }, { 0x2a700, 0x2b73f },
                                          { 0x2b740, 0x2b81f }, { 0x2b920, 0x2ceaf },
                                          { 0xf900, 0xfaff },   { 0x2f800, 0x2fa1f } };
    for (size_t i = 0; i < BL_LEN(ranges); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

/* Of Unicode, and those symbols of ASCII that Unicode calls otherwise. */
static bool stands_alone(uint32_t c)
{
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
    bool                punctuation = kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
    bool                symbol = kind >= UTF8PROC_CATEGORY_SM && kind <= UTF8PROC_CATEGORY_SO;
    return punctuation || (c < 128 && symbol) || is_ideograph(c);
}

/* Its first character when taken apart: without its accents. */
static uint32_t without_accents(uint32_t c)
{
    utf8proc_int32_t parts[32];
    int              last = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c, parts, 32, UTF8PROC_DECOMPOSE, &last);
    return n > 0 ? (uint32_t)parts[0] : c;
}

/* e->piece is the mark and a word. */
static blind_code end_word(bl_encoding *e)
{
    blind_span   rest = bl_buf_span(&e->piece);
    size_t       before = e->out->bytes.size;
    const size_t longest = e->t->longest;
    BL_TRY(bl_buf_check(&e->piece, "llm.tokenizer", e->err));
    while (rest.size > (rest.data == e->piece.data ? mark.size : 0)) {
        int32_t id = BL_NO_TOKEN;
        size_t  size = BL_MIN(rest.size, longest);
        for (; size > 0 && id == BL_NO_TOKEN; size -= id == BL_NO_TOKEN)
            id = bl_vocab_find(&e->t->vocab, bl_span(rest.data, size));
        if (id == BL_NO_TOKEN) { /* the word is unknown */
            e->out->bytes.size = before;
            if (e->t->vocab.unknown != BL_NO_TOKEN)
                bl_tokens_add(e->out, e->t->vocab.unknown);
            break;
        }
        bl_tokens_add(e->out, id);
        rest = bl_span(rest.data + size, rest.size - size);
    }
    bl_buf_clear(&e->piece);
    bl_buf_add(&e->piece, mark);
    return BLIND_OK;
}

static blind_code add_character(bl_encoding *e, uint32_t c)
{
    uint8_t utf8[4];
    bool    alone = stands_alone(c);
    if (is_space(c) || alone)
        BL_TRY(end_word(e));
    if (is_space(c) || is_dropped(c))
        return BLIND_OK;
    c = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    bl_buf_add(&e->piece, bl_span(utf8, bl_utf8_put(c, utf8)));
    return alone ? end_word(e) : BLIND_OK;
}

static blind_code encode(bl_encoding *e, blind_span text, bool first)
{
    (void)first;
    bl_buf_clear(&e->piece);
    bl_buf_add(&e->piece, mark);
    for (size_t at = 0, size; at < text.size; at += size) {
        uint32_t c = 0xfffd;
        size = BL_MAX(bl_utf8_next(bl_span(text.data + at, text.size - at), &c), 1u);
        BL_TRY(add_character(e, without_accents(c)));
    }
    return end_word(e);
}

/* Tokens to text.  --------------------------------------------------------------------------- */

static void text_of(const bl_tokenizer *t, int32_t id, bl_buf *out)
{
    blind_span text = t->vocab.text[id];
    bool       begins = text.size >= mark.size && memcmp(text.data, mark.data, mark.size) == 0;
    if (begins) {
        bl_buf_add(out, BL_LITERAL(" "));
        text = bl_span(text.data + mark.size, text.size - mark.size);
    }
    bl_buf_add(out, text);
}

const bl_tokenizer_kind bl_tokenizer_bert = { "bert", open_bert, encode, text_of };
