/* wordpiece: a text to the token ids that BERT's family reads, I64 [length], with the attention
 * mask and the token types beside it.
 *
 * Source: Devlin et al. 2018, arXiv:1810.04805, and the BasicTokenizer and WordpieceTokenizer that
 * came with it: control characters go, white space splits, ideographs and punctuation stand alone;
 * uncased models see lower case without accents; then the longest known piece first. */
#include "base/reader.h"
#include "base/utf8.h"
#include "pipeline/step.h"

#include <stdlib.h>
#include <utf8proc.h>

enum { MAX_WORD = 100, MAX_LENGTH = 1 << 20 }; /* characters of a word; tokens */

typedef struct {
    blind_span text;
    int64_t    id;
} piece;

typedef struct {
    piece  *sorted; /* by their bytes */
    size_t  len;
    bool    lower, pad;
    int64_t length;
    int64_t unknown, first, last, padding; /* [UNK] [CLS] [SEP] [PAD] */
} wordpiece;

static int by_text(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    int          order = memcmp(x->text.data, y->text.data, BL_MIN(x->text.size, y->text.size));
    return order ? order : x->text.size < y->text.size ? -1 : x->text.size > y->text.size;
}

static int64_t find(const wordpiece *p, blind_span text)
{
    piece        key = { .text = text };
    const piece *found = bsearch(&key, p->sorted, p->len, sizeof key, by_text);
    return found ? found->id : -1;
}

static blind_code find_special(const bl_step_build *b, const wordpiece *p, const char *text,
                               int64_t *out)
{
    *out = find(p, bl_span_str(text));
    return *out >= 0 ? BLIND_OK : bl_step_fail(b, "vocabulary", "no line is '%s'", text);
}

static blind_code prepare(const bl_step_build *b, void **params)
{
    wordpiece  *p;
    blind_span *line;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_lines(b, "vocabulary", &line, &p->len));
    BL_TRY(bl_step_bool(b, "lower", true, &p->lower));
    BL_TRY(bl_step_bool(b, "pad", false, &p->pad));
    BL_TRY(bl_step_int(b, "length", 512, 2, MAX_LENGTH, &p->length));
    if (p->len > BL_MAX_VOCABULARY)
        return bl_step_fail(b, "vocabulary", "more than %u lines", BL_MAX_VOCABULARY);
    p->sorted = bl_arena_array(b->arena, p->len, sizeof *p->sorted);
    if (!p->sorted)
        return blind_fail(b->err, BLIND_MEMORY, "pipeline.step", "no memory for a vocabulary");
    for (size_t i = 0; i < p->len; i++)
        p->sorted[i] = (piece){ line[i], (int64_t)i };
    qsort(p->sorted, p->len, sizeof *p->sorted, by_text);
    BL_TRY(find_special(b, p, "[UNK]", &p->unknown));
    BL_TRY(find_special(b, p, "[CLS]", &p->first));
    BL_TRY(find_special(b, p, "[SEP]", &p->last));
    BL_TRY(find_special(b, p, "[PAD]", &p->padding));
    *params = p;
    return BLIND_OK;
}

/* Words.  ------------------------------------------------------------------------------------ */

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
           utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ZS;
}

static bool is_dropped(uint32_t c)
{
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
    return c == 0 || c == 0xfffd || kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF;
}

static bool is_ideograph(uint32_t c)
{
    static const uint32_t ranges[][2] = { { 0x4e00, 0x9fff },   { 0x3400, 0x4dbf },
                                          { 0x20000, 0x2a6df }, { 0x2a700, 0x2b73f },
                                          { 0x2b740, 0x2b81f }, { 0x2b820, 0x2ceaf },
                                          { 0xf900, 0xfaff },   { 0x2f800, 0x2fa1f } };
    for (size_t i = 0; i < BL_LEN(ranges); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

static bool is_punctuation(uint32_t c)
{
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
    if (c < 128)
        return c > 32 && c < 127 && !((c | 32) >= 'a' && (c | 32) <= 'z') &&
               !(c >= '0' && c <= '9');
    return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
}

/* The tokens so far and the word that grows. */
typedef struct {
    const wordpiece *p;
    int64_t         *ids;
    int64_t          len;  /* with the first, without the last */
    bl_buf           word; /* UTF-8 */
    size_t           characters;
} tokens;

static void put(tokens *t, int64_t id)
{
    if (t->len < t->p->length - 1) /* the rest is cut off */
        t->ids[t->len++] = id;
}

/* The longest known piece at the start of `rest`, marked ## inside a word; 0 bytes: none. */
static size_t longest(const wordpiece *p, blind_span rest, bool inside, int64_t *id)
{
    uint8_t text[2 + 4 * MAX_WORD] = "##";
    size_t  mark = inside ? 2 : 0;
    memcpy(text + mark, rest.data, rest.size);
    for (size_t size = rest.size; size > 0; size--) {
        bool whole = size == rest.size || (rest.data[size] & 0xc0) != 0x80;
        *id = whole ? find(p, bl_span(text, mark + size)) : -1;
        if (*id >= 0)
            return size;
    }
    return 0;
}

static void end_word(tokens *t)
{
    int64_t    ids[4 * MAX_WORD];
    size_t     len = 0;
    blind_span rest = bl_buf_span(&t->word);
    bool       known = t->characters <= MAX_WORD;
    while (known && rest.size > 0) {
        size_t size = longest(t->p, rest, len > 0, &ids[len]);
        known = size > 0;
        len++;
        rest = bl_span(rest.data + size, rest.size - size);
    }
    for (size_t i = 0; i < len && known; i++)
        put(t, ids[i]);
    if (!known)
        put(t, t->p->unknown);
    bl_buf_clear(&t->word);
    t->characters = 0;
}

static void add_character(tokens *t, uint32_t c)
{
    uint8_t bytes[4];
    bool    alone = is_punctuation(c) || is_ideograph(c);
    if ((alone || is_space(c)) && t->characters)
        end_word(t);
    if (is_space(c))
        return;
    if (t->characters <= MAX_WORD) /* a longer word is unknown whatever follows */
        bl_buf_add(&t->word, bl_span(bytes, bl_utf8_put(c, bytes)));
    t->characters++;
    if (alone)
        end_word(t);
}

/* One character of the text: several where it decomposes, none where it is dropped. */
static void take_character(tokens *t, uint32_t c)
{
    utf8proc_int32_t parts[16];
    int              last_class = 0;
    if (is_dropped(c) && !is_space(c))
        return;
    if (!t->p->lower || is_space(c)) {
        add_character(t, c);
        return;
    }
    utf8proc_ssize_t n = utf8proc_decompose_char(utf8proc_tolower((utf8proc_int32_t)c), parts,
                                                 BL_LEN(parts), UTF8PROC_DECOMPOSE, &last_class);
    for (utf8proc_ssize_t i = 0; i < n && i < (utf8proc_ssize_t)BL_LEN(parts); i++)
        if (utf8proc_category(parts[i]) != UTF8PROC_CATEGORY_MN)
            add_character(t, (uint32_t)parts[i]);
}

/* Outputs.  ---------------------------------------------------------------------------------- */

static blind_code read_text(const bl_step_run *r, blind_span *out)
{
    BL_TRY(bl_step_want(r, "wordpiece", BLIND_STRING, -1));
    bl_reader reader = { .rest = bl_span(r->t.data, r->t.size) };
    if (bl_step_len(&r->t) != 1 || bl_read_u32le(&reader) != reader.rest.size || reader.failed)
        return blind_fail(r->err, BLIND_INPUT, "pipeline.text", "expected one text");
    *out = reader.rest;
    return bl_utf8_valid(*out)
               ? BLIND_OK
               : blind_fail(r->err, BLIND_INPUT, "pipeline.text", "a text that is not UTF-8");
}

static blind_code give(const wordpiece *p, bl_step_run *r, const int64_t *ids, int64_t used)
{
    blind_tensor *mask = &r->more[0], *types = &r->more[1];
    int64_t       len = p->pad ? p->length : used;
    BL_TRY(bl_step_tensor(r, BLIND_I64, 1, &len, &r->t));
    BL_TRY(bl_step_tensor(r, BLIND_I64, 1, &len, mask));
    BL_TRY(bl_step_tensor(r, BLIND_I64, 1, &len, types));
    mask->name = "mask";
    types->name = "types";
    r->more_len = 2;
    for (int64_t i = 0; i < len; i++) {
        ((int64_t *)r->t.data)[i] = i < used ? ids[i] : p->padding;
        ((int64_t *)mask->data)[i] = i < used;
    }
    return BLIND_OK;
}

static blind_code run(const void *params, bl_step_run *r)
{
    const wordpiece *p = params;
    blind_span       text;
    BL_TRY(read_text(r, &text));
    tokens t = { .p = p, .ids = bl_arena_array(r->arena, (size_t)p->length, sizeof *t.ids) };
    if (!t.ids)
        return blind_fail(r->err, BLIND_LIMIT, "pipeline.memory", "no memory for tokens");
    t.word.secret = true;
    put(&t, p->first);
    while (text.size) {
        uint32_t c = 0;
        size_t   size = bl_utf8_next(text, &c);
        take_character(&t, c);
        text = bl_span(text.data + size, text.size - size);
    }
    if (t.characters)
        end_word(&t);
    bl_auto_buf word = t.word;
    BL_TRY(bl_buf_check(&word, "pipeline.memory", r->err));
    t.ids[t.len++] = p->last;
    return give(p, r, t.ids, t.len);
}

const bl_step_row bl_text_steps[] = {
    { "wordpiece",
      { "vocabulary", "lower", "length", "pad" },
      BLIND_STRING,
      1,
      BLIND_I64,
      prepare,
      run },
    { .name = NULL },
};
