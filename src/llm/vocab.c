/* Reads the vocabulary out of the metadata. */
#include "llm/vocab.h"

#include "base/limits.h"

static blind_code wrong(blind_error *err, const char *text)
{
    return blind_fail(err, BLIND_INPUT, "llm.vocab", "%s", text);
}

static blind_code read_scores(bl_gguf *g, bl_vocab *v, blind_error *err)
{
    const bl_gguf_value *scores = bl_gguf_find(g, "tokenizer.ggml.scores");
    v->score = bl_arena_array(&g->arena, v->len, sizeof *v->score);
    if (!v->score)
        return blind_fail(err, BLIND_MEMORY, "llm.vocab", "out of memory");
    if (!scores)
        return BLIND_OK;
    if (scores->kind != BL_GGUF_ARRAY || scores->item != BL_GGUF_F32 || scores->len != v->len)
        return wrong(err, "the scores are not one number for each token");
    memcpy(v->score, scores->bytes.data, v->len * sizeof *v->score);
    for (size_t i = 0; i < v->len; i++)
        if (v->score[i] != v->score[i])
            return wrong(err, "a score that is no number");
    return BLIND_OK;
}

static blind_code read_kinds(bl_gguf *g, bl_vocab *v, blind_error *err)
{
    const bl_gguf_value *kinds = bl_gguf_find(g, "tokenizer.ggml.token_type");
    v->kind = bl_arena_array(&g->arena, v->len, sizeof *v->kind);
    if (!v->kind)
        return blind_fail(err, BLIND_MEMORY, "llm.vocab", "out of memory");
    memset(v->kind, BL_TOKEN_NORMAL, v->len);
    if (!kinds)
        return BLIND_OK;
    if (kinds->kind != BL_GGUF_ARRAY || kinds->len != v->len)
        return wrong(err, "the types are not one for each token");
    for (size_t i = 0; i < v->len; i++) {
        uint64_t kind;
        if (!bl_gguf_uint_at(kinds, i, &kind) || kind > BL_TOKEN_BYTE)
            return wrong(err, "a token of an unknown type");
        v->kind[i] = kind == 0 ? BL_TOKEN_NORMAL : (uint8_t)kind;
    }
    return BLIND_OK;
}

/* A number that a file gives for a special token; one past the vocabulary is refused, -1 as an
 * unsigned number means none. */
static blind_code read_special(const bl_gguf *g, const bl_vocab *v, const char *key, int32_t *id,
                               blind_error *err)
{
    uint64_t given = bl_gguf_uint(g, key, UINT64_MAX);
    if (given == UINT64_MAX || given == UINT32_MAX)
        given = *id >= 0 && (size_t)*id < v->len ? (uint64_t)*id : UINT64_MAX;
    else if (given >= v->len)
        return blind_fail(err, BLIND_INPUT, "llm.vocab", "%s is %llu of %zu tokens", key,
                          (unsigned long long)given, v->len);
    *id = given == UINT64_MAX ? BL_NO_TOKEN : (int32_t)given;
    return BLIND_OK;
}

static blind_code read_specials(const bl_gguf *g, bl_vocab *v, blind_error *err)
{
    const struct {
        const char *key;
        int32_t    *id;
    } all[] = {
        { "tokenizer.ggml.bos_token_id", &v->bos },
        { "tokenizer.ggml.eos_token_id", &v->eos },
        { "tokenizer.ggml.unknown_token_id", &v->unknown },
        { "tokenizer.ggml.seperator_token_id", &v->separator }, /* as written in files */
        { "tokenizer.ggml.padding_token_id", &v->padding },
        { "tokenizer.ggml.mask_token_id", &v->mask },
    };
    for (size_t i = 0; i < BL_LEN(all); i++)
        BL_TRY(read_special(g, v, all[i].key, all[i].id, err));
    v->add_bos = bl_gguf_flag(g, "tokenizer.ggml.add_bos_token", v->add_bos);
    v->add_eos = bl_gguf_flag(g, "tokenizer.ggml.add_eos_token", v->add_eos);
    v->add_space = bl_gguf_flag(g, "tokenizer.ggml.add_space_prefix", v->add_space);
    return BLIND_OK;
}

/* Tokens that only templates and fill-in-the-middle write.  Many files call some of them normal or
 * the user's own; a text that merely mentions one must not become it. */
static const char *const ends[] = { "<|eot_id|>",
                                    "<|im_end|>",
                                    "<|end|>",
                                    "<end_of_turn>",
                                    "<|endoftext|>",
                                    "<|end_of_text|>",
                                    "<|eom_id|>",
                                    "<EOT>",
                                    "_<EOT>",
                                    "[EOT]",
                                    "<end_of_utterance>",
                                    "</s>",
                                    "<｜end▁of▁sentence｜>" };
static const char *const middles[] = {
    "<|fim_prefix|>", "<fim-prefix>",  "<fim_prefix>", "<PRE>",          "<|fim_suffix|>",
    "<fim-suffix>",   "<fim_suffix>",  "<SUF>",        "<|fim_middle|>", "<fim-middle>",
    "<fim_middle>",   "<MID>",         "<|fim_pad|>",  "<fim-pad>",      "<fim_pad>",
    "<PAD>",          "<|repo_name|>", "<|file_sep|>", "<|fim_repo|>",   "<|fim_sep|>",
    "<reponame>",     "<REPO>",
};

static void add_end(bl_vocab *v, int32_t id)
{
    for (size_t i = 0; i < v->n_ends; i++)
        if (v->ends[i] == id)
            return;
    if (id != BL_NO_TOKEN && v->n_ends < BL_MAX_ENDS)
        v->ends[v->n_ends++] = id;
}

static void find_control(bl_vocab *v)
{
    add_end(v, v->eos);
    for (size_t i = 0; i < BL_LEN(ends); i++) {
        int32_t id = bl_vocab_find(v, bl_span_str(ends[i]));
        if (id != BL_NO_TOKEN)
            v->kind[id] = BL_TOKEN_CONTROL;
        add_end(v, id);
    }
    for (size_t i = 0; i < BL_LEN(middles); i++) {
        int32_t id = bl_vocab_find(v, bl_span_str(middles[i]));
        if (id != BL_NO_TOKEN)
            v->kind[id] = BL_TOKEN_CONTROL;
    }
}

blind_code bl_vocab_read(bl_gguf *g, bl_vocab *out, blind_error *err)
{
    BL_TRY(
        bl_gguf_texts(g, "tokenizer.ggml.tokens", BL_MAX_VOCABULARY, &out->text, &out->len, err));
    if (out->len == 0)
        return wrong(err, "no tokens");
    BL_TRY(read_scores(g, out, err));
    BL_TRY(read_kinds(g, out, err));
    BL_TRY(read_specials(g, out, err));
    BL_TRY(bl_texts_index(out->text, out->len, &g->arena, &out->ids, err));
    find_control(out);
    return BLIND_OK;
}
