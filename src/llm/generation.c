/* Sampler, stop texts and lookup, put together. */
#include "llm/generation.h"

#include "llm/lookup.h"
#include "llm/matcher.h"
#include "llm/stops.h"

#include <stdlib.h>

/* What is kept of a token. */
typedef struct {
    int32_t  id;
    float    logprob;
    uint64_t begin, end; /* of its text, in bytes since the answer's first */
} taken;

struct bl_generation {
    const bl_tokenizer   *t;
    bl_generation_options options; /* its borrowed lists are not used after bl_generation_new() */
    size_t                vocabulary;
    bl_sampler           *sampler;
    bl_matcher           *matcher; /* NULL without a grammar */
    bl_stops              stops;
    bl_tokens             all; /* prompt and answer */
    bl_buf                taken;
    bl_buf                tops; /* bl_logprob[n][options.logprobs], where wanted */
    bl_buf                text; /* may go out */
    bl_buf                room; /* the text of one token */
    uint64_t              written;
    size_t                n, settled;
    bl_finish             finish;
    /* Lookup. */
    int32_t drafts[BL_MAX_DRAFTS];
    size_t  n_drafts, at, trust, proposed, accepted;
};

static blind_code remember_prompt(bl_generation *g, const int32_t *prompt, size_t len,
                                  blind_error *err)
{
    bl_buf_add(&g->all.bytes, bl_span(prompt, len * sizeof *prompt));
    for (size_t i = 0; i < len; i++)
        bl_sampler_saw(g->sampler, prompt[i], false);
    return bl_buf_check(&g->all.bytes, "llm.generation", err);
}

static blind_code check(const bl_generation_options *o, blind_error *err)
{
    if (o->grammar && !o->tree)
        return blind_fail(err, BLIND_INPUT, "llm.generation", "a grammar without a tree of tokens");
    if (o->logprobs > BL_MAX_LOGPROBS)
        return blind_fail(err, BLIND_LIMIT, "llm.generation", "%zu likeliest tokens, at most %d",
                          o->logprobs, BL_MAX_LOGPROBS);
    return BLIND_OK;
}

blind_code bl_generation_new(const bl_tokenizer *t, const bl_generation_options *options,
                             const int32_t *prompt, size_t len, bl_generation **out,
                             blind_error *err)
{
    *out = NULL;
    BL_TRY(check(options, err));
    bl_generation *g = calloc(1, sizeof *g);
    if (!g)
        return blind_fail(err, BLIND_MEMORY, "llm.generation", "out of memory");
    g->t = t;
    g->options = *options;
    g->vocabulary = bl_tokenizer_vocab(t)->len;
    g->all = BL_TOKENS_EMPTY;
    g->taken.secret = g->tops.secret = g->text.secret = g->room.secret = true;
    g->trust = 4;
    g->finish = options->max_tokens == 0 ? BL_FINISH_LENGTH : BL_FINISH_NONE;
    blind_code code = bl_sampler_new(g->vocabulary, &options->sampling, &g->sampler, err);
    if (code == BLIND_OK)
        code = bl_stops_init(&g->stops, options->stops, options->n_stops, err);
    if (code == BLIND_OK && options->grammar)
        code = bl_matcher_new(options->grammar, options->tree, &g->matcher, err);
    if (code == BLIND_OK)
        code = remember_prompt(g, prompt, len, err);
    if (code != BLIND_OK) {
        bl_generation_free(g);
        return code;
    }
    *out = g;
    return BLIND_OK;
}

void bl_generation_free(bl_generation *g)
{
    if (!g)
        return;
    bl_sampler_free(g->sampler);
    bl_matcher_free(g->matcher);
    bl_stops_done(&g->stops);
    bl_tokens_done(&g->all);
    bl_buf_done(&g->taken);
    bl_buf_done(&g->tops);
    bl_buf_done(&g->text);
    bl_buf_done(&g->room);
    bl_wipe(g, sizeof *g);
    free(g);
}

/* Taking.  ----------------------------------------------------------------------------------- */

static bool is_end(const bl_generation *g, int32_t id)
{
    const bl_vocab *v = bl_tokenizer_vocab(g->t);
    for (size_t i = 0; i < v->n_ends; i++)
        if (v->ends[i] == id)
            return true;
    return false;
}

/* Whether the drafts foretold this token; they are trusted as far as they were right. */
static void judge_drafts(bl_generation *g, int32_t id)
{
    if (g->at == g->n_drafts)
        return;
    if (g->drafts[g->at] != id) {
        g->trust = g->at + 1;
        g->at = g->n_drafts = 0;
        return;
    }
    g->accepted++;
    if (++g->at == g->n_drafts)
        g->trust = BL_MIN(2 * g->trust, (size_t)BL_MAX_DRAFTS);
}

static void tell(bl_generation *g, const float *logits, taken *one)
{
    bl_logprob top[BL_MAX_LOGPROBS];
    size_t     n = g->options.logprobs;
    if (!g->options.wants_logprobs)
        return;
    one->logprob = bl_logprobs(logits, g->vocabulary, one->id, top, n);
    bl_buf_add(&g->tops, bl_span(top, n * sizeof *top));
    bl_wipe(top, sizeof top);
}

static void finish(bl_generation *g, bl_finish why)
{
    g->finish = why;
    bl_stops_finish(&g->stops, &g->text);
}

/* Text of the token goes to where stop texts are looked for. */
static void write_text(bl_generation *g, int32_t id)
{
    bl_buf_clear(&g->room);
    bl_token_text(g->t, id, g->options.special, &g->room);
    if (g->room.failed)
        g->text.failed = true;
    g->written += g->room.size;
    if (bl_stops_add(&g->stops, bl_buf_span(&g->room), &g->text))
        finish(g, BL_FINISH_STOP);
}

/* The token, and past it in the grammar. */
static blind_code choose(bl_generation *g, const float *logits, int32_t *token, blind_error *err)
{
    const uint32_t *mask = NULL;
    if (g->matcher)
        BL_TRY(bl_matcher_mask(g->matcher, &mask, err));
    BL_TRY(bl_sampler_pick(g->sampler, logits, mask, g->n, token, err));
    if (g->matcher && !is_end(g, *token))
        BL_TRY(bl_matcher_take(g->matcher, *token, err));
    return BLIND_OK;
}

blind_code bl_generation_take(bl_generation *g, const float *logits, int32_t *token,
                              blind_error *err)
{
    *token = BL_NO_TOKEN;
    if (g->finish != BL_FINISH_NONE)
        return blind_fail(err, BLIND_INPUT, "llm.generation", "the answer is finished");
    BL_TRY(choose(g, logits, token, err));
    taken one = { .id = *token, .begin = g->written };
    judge_drafts(g, *token);
    tell(g, logits, &one);
    g->n++;
    bl_sampler_saw(g->sampler, *token, true);
    bl_tokens_add(&g->all, *token);
    if (is_end(g, *token) && (g->matcher || !g->options.ignore_end))
        finish(g, BL_FINISH_STOP);
    else
        write_text(g, *token);
    one.end = g->written;
    bl_buf_add(&g->taken, bl_span(&one, sizeof one));
    if (g->finish == BL_FINISH_NONE && g->matcher && bl_matcher_ended(g->matcher))
        finish(g, BL_FINISH_STOP);
    if (g->finish == BL_FINISH_NONE && g->n >= g->options.max_tokens)
        finish(g, BL_FINISH_LENGTH);
    BL_TRY(bl_buf_check(&g->all.bytes, "llm.generation", err));
    BL_TRY(bl_buf_check(&g->taken, "llm.generation", err));
    BL_TRY(bl_buf_check(&g->tops, "llm.generation", err));
    return bl_buf_check(&g->text, "llm.generation", err);
}

/* Guessing.  --------------------------------------------------------------------------------- */

size_t bl_generation_draft(bl_generation *g, int32_t *out, size_t max)
{
    g->at = g->n_drafts = 0;
    if (g->finish != BL_FINISH_NONE)
        return 0;
    size_t left = g->options.max_tokens - g->n - 1; /* the last token needs no logits after it */
    size_t most = BL_MIN(BL_MIN(max, left), BL_MIN(g->options.lookup, g->trust));
    most = BL_MIN(most, (size_t)BL_MAX_DRAFTS);
    size_t n =
        most ? bl_lookup(bl_tokens_ids(&g->all), bl_tokens_len(&g->all), g->drafts, most) : 0;
    while (g->n_drafts < n && !is_end(g, g->drafts[g->n_drafts]))
        g->n_drafts++;
    for (size_t i = 0; i < g->n_drafts; i++)
        out[i] = g->drafts[i];
    g->proposed += g->n_drafts;
    return g->n_drafts;
}

void bl_generation_drafts(const bl_generation *g, size_t *proposed, size_t *accepted)
{
    *proposed = g->proposed;
    *accepted = g->accepted;
}

/* What came of it.  -------------------------------------------------------------------------- */

bl_finish bl_generation_finish(const bl_generation *g)
{
    return g->finish;
}

void bl_generation_end(bl_generation *g)
{
    if (g->finish == BL_FINISH_NONE)
        finish(g, BL_FINISH_LENGTH);
}

void bl_generation_text(bl_generation *g, bl_buf *out)
{
    bl_buf_add(out, bl_buf_span(&g->text));
    bl_buf_clear(&g->text);
}

size_t bl_generation_len(const bl_generation *g)
{
    return g->n;
}

static const taken *taken_at(const bl_generation *g, size_t i)
{
    return (const taken *)(const void *)g->taken.data + i;
}

/* A token that a stop text cut counts for what is left of it. */
static bool is_settled(const bl_generation *g, const taken *one)
{
    return one->end <= g->stops.passed
               ? g->finish == BL_FINISH_NONE || one->end > one->begin
               : g->finish != BL_FINISH_NONE && one->begin < g->stops.passed;
}

size_t bl_generation_settled(bl_generation *g)
{
    while (g->settled < g->n && is_settled(g, taken_at(g, g->settled)))
        g->settled++;
    return g->settled;
}

bl_generated bl_generation_at(const bl_generation *g, size_t i)
{
    const taken      *one = taken_at(g, i);
    const bl_logprob *tops = (const bl_logprob *)(const void *)g->tops.data;
    return (bl_generated){ .id = one->id,
                           .logprob = one->logprob,
                           .top = tops ? tops + i * g->options.logprobs : NULL };
}
