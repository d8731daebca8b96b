/* Chooses the kind, cuts special tokens out, and hands the rest to the kind. */
#include "llm/tokenizer.h"

#include "base/utf8.h"
#include "llm/tokenizer_kinds.h"

#include <stdlib.h>

static const bl_tokenizer_kind *const kinds[] = { &bl_tokenizer_bpe, &bl_tokenizer_spm,
                                                  &bl_tokenizer_bert };

blind_code bl_tokenizer_vocabulary(bl_tokenizer *t, bl_gguf *g, bl_vocab preset, blind_error *err)
{
    t->vocab = preset;
    BL_TRY(bl_vocab_read(g, &t->vocab, err));
    return bl_specials_find(&t->vocab, g, &t->specials, err);
}

static blind_code find_kind(const bl_gguf *g, bl_tokenizer *t, blind_error *err)
{
    blind_span name = bl_gguf_text(g, "tokenizer.ggml.model");
    for (size_t i = 0; i < BL_LEN(kinds); i++)
        if (bl_span_equal(name, bl_span_str(kinds[i]->name)))
            t->kind = kinds[i];
    if (!t->kind)
        return blind_fail(err, BLIND_UNSUPPORTED, "llm.tokenizer",
                          "tokenizers of kind '%.*s' are not supported", (int)BL_MIN(name.size, 80),
                          (const char *)name.data);
    return BLIND_OK;
}

blind_code bl_tokenizer_open(bl_gguf *g, bl_tokenizer **out, blind_error *err)
{
    *out = NULL;
    bl_tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return blind_fail(err, BLIND_MEMORY, "llm.tokenizer", "out of memory");
    blind_code code = find_kind(g, t, err);
    if (code == BLIND_OK)
        code = t->kind->open(t, g, err);
    if (code != BLIND_OK) {
        bl_tokenizer_close(t);
        return code;
    }
    *out = t;
    return BLIND_OK;
}

void bl_tokenizer_close(bl_tokenizer *t)
{
    if (t)
        bl_pretoken_close(t->pretoken);
    free(t);
}

const bl_vocab *bl_tokenizer_vocab(const bl_tokenizer *t)
{
    return &t->vocab;
}

/* Text to tokens.  --------------------------------------------------------------------------- */

/* Well-formed: the text, or a copy in `room` with U+FFFD for each byte that is not. */
static blind_code well_formed(blind_span text, bl_buf *room, blind_span *out, blind_error *err)
{
    static const char replacement[] = "\xef\xbf\xbd";
    *out = text;
    if (bl_utf8_valid(text))
        return BLIND_OK;
    for (size_t at = 0, size; at < text.size; at += size) {
        uint32_t c;
        size = bl_utf8_next(bl_span(text.data + at, text.size - at), &c);
        bl_buf_add(room, size ? bl_span(text.data + at, size) : bl_span(replacement, 3));
        size = BL_MAX(size, 1u);
    }
    *out = bl_buf_span(room);
    return bl_buf_check(room, "llm.tokenizer", err);
}

typedef struct {
    bl_encoding e;
    bool        first;
} stretches;

static blind_code encode_stretch(void *arg, int32_t id, blind_span text)
{
    stretches *s = arg;
    if (id == BL_NO_TOKEN) {
        BL_TRY(s->e.t->kind->encode(&s->e, text, s->first));
        s->first = false;
    } else {
        bl_tokens_add(s->e.out, id);
        s->first = true;
    }
    return bl_buf_check(&s->e.out->bytes, "llm.tokenizer", s->e.err);
}

blind_code bl_tokenize(const bl_tokenizer *t, blind_span text, bl_tokenize_options options,
                       bl_tokens *out, blind_error *err)
{
    stretches       s = { .e = { t, out, BL_MERGE_EMPTY, { .secret = true }, err }, .first = true };
    const bl_vocab *v = &t->vocab;
    bl_auto_buf     room = { .secret = true };
    blind_span      read;
    BL_TRY(well_formed(text, &room, &read, err));
    if (options.add_special && v->add_bos && v->bos != BL_NO_TOKEN)
        bl_tokens_add(out, v->bos);
    blind_code code =
        bl_specials_cut(&t->specials, v, read, options.parse_special, encode_stretch, &s, err);
    if (code == BLIND_OK && options.add_special && v->add_eos && v->eos != BL_NO_TOKEN)
        bl_tokens_add(out, v->eos);
    bl_merge_done(&s.e.merge);
    bl_buf_done(&s.e.piece);
    return code != BLIND_OK ? code : bl_buf_check(&out->bytes, "llm.tokenizer", err);
}

/* Tokens to text.  --------------------------------------------------------------------------- */

void bl_token_text(const bl_tokenizer *t, int32_t id, bool special, bl_buf *out)
{
    const bl_vocab *v = &t->vocab;
    if (id < 0 || (size_t)id >= v->len)
        return;
    switch (v->kind[id]) {
    case BL_TOKEN_CONTROL:
    case BL_TOKEN_UNKNOWN:
        if (special)
            bl_buf_add(out, v->text[id]);
        break;
    case BL_TOKEN_USER:
        bl_buf_add(out, v->text[id]);
        break;
    default:
        t->kind->text_of(t, id, out);
    }
}

void bl_detokenize(const bl_tokenizer *t, const int32_t *ids, size_t len, bool special, bl_buf *out)
{
    bool first = true; /* a blank was put in front of what follows */
    for (size_t i = 0; i < len; i++) {
        bl_auto_buf one = { .secret = true };
        bl_token_text(t, ids[i], special, &one);
        bool known = ids[i] >= 0 && (size_t)ids[i] < t->vocab.len;
        bool normal = known && t->vocab.kind[ids[i]] != BL_TOKEN_CONTROL;
        if (first && normal && t->vocab.add_space && one.size && one.data[0] == ' ')
            bl_buf_consume(&one, 1);
        first = first && !normal;
        bl_buf_add(out, bl_buf_span(&one));
        if (one.failed)
            out->failed = true;
    }
}
