/* One answer on its way: logits come in, tokens are chosen, text goes out.
 *
 *     bl_generation_new(tokenizer, &options, prompt, len, &g, err);
 *     while (bl_generation_finish(g) == BL_FINISH_NONE) {
 *         n = bl_generation_draft(g, drafts, max);      (none without lookup)
 *         ... the model is run on the last token and on the drafts ...
 *         for (i = 0; i <= n && bl_generation_finish(g) == BL_FINISH_NONE; i++) {
 *             bl_generation_take(g, logits of the i-th, &token, err);
 *             if (i == n || token != drafts[i])
 *                 break;           (the drafts from i on are dropped from the sequence)
 *         }
 *         bl_generation_text(g, out);
 *     }
 *
 * Drafts change nothing of an answer: each token is chosen from the logits after those before it,
 * and a draft only tells in advance which logits these will be.
 *
 * Not for two threads at once.  All that the answer says is wiped when it is freed. */
#ifndef BL_LLM_GENERATION_H
#define BL_LLM_GENERATION_H

#include "base/limits.h"
#include "llm/grammar.h"
#include "llm/sampler.h"
#include "llm/token_tree.h"
#include "llm/tokenizer.h"

typedef struct bl_generation bl_generation;

typedef struct {
    bl_sampling       sampling;
    size_t            max_tokens; /* of the answer */
    const blind_span *stops;      /* [n_stops] texts that end the answer; copied */
    size_t            n_stops;
    bool              wants_logprobs;
    size_t            logprobs;   /* likeliest tokens told with each, at most BL_MAX_LOGPROBS */
    size_t            lookup;     /* tokens guessed ahead at most, at most BL_MAX_DRAFTS; 0: none */
    bool              special;    /* control tokens are written, too */
    bool              ignore_end; /* tokens that end an answer do not */
    /* What the answer is held to, or NULL; with it the tokenizer's tree.  Borrowed until
     * bl_generation_free().  The answer stops where nothing can follow. */
    const bl_grammar    *grammar;
    const bl_token_tree *tree;
} bl_generation_options;

#define BL_GENERATION_PLAIN                                                                        \
    ((bl_generation_options){ .sampling = BL_SAMPLING_PLAIN, .max_tokens = SIZE_MAX })

typedef enum {
    BL_FINISH_NONE,
    BL_FINISH_STOP,   /* the model ended it, or a stop text came */
    BL_FINISH_LENGTH, /* max_tokens */
} bl_finish;

/* What is told with a token. */
typedef struct {
    int32_t           id;
    float             logprob; /* 0 unless wanted */
    const bl_logprob *top;     /* [options.logprobs], the likeliest first; borrowed until the next
                                  token is taken; BL_NO_LOGPROB where there is none */
} bl_generated;

/* t       borrowed until bl_generation_free()
 * prompt  [len], copied: penalties and lookup read it
 * Errors  INPUT, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_generation_new(const bl_tokenizer          *t,
                                            const bl_generation_options *options,
                                            const int32_t *prompt, size_t len, bl_generation **out,
                                            blind_error *err);
void                      bl_generation_free(bl_generation *g);

/* Chooses the next token, unless the generation is finished (BL_FINISH_NONE is asked first).
 *
 * logits  [tokens of the vocabulary] at least, borrowed; what is past them is never chosen
 * Errors  INPUT (logits that are not numbers), UNSUPPORTED (no token may come), LIMIT, MEMORY; the
 *         generation is of no more use then */
BLIND_MUST_USE blind_code bl_generation_take(bl_generation *g, const float *logits, int32_t *token,
                                             blind_error *err);

/* Guesses at the tokens that follow; returns how many, at most `max` and options.lookup. */
size_t bl_generation_draft(bl_generation *g, int32_t *out, size_t max);

bl_finish bl_generation_finish(const bl_generation *g);
/* Ends the answer as if it were at its length: what is held back goes out. */
void bl_generation_end(bl_generation *g);

/* Appends the text that may go out and has not yet: well-formed UTF-8, whole characters, no part of
 * a stop text. */
void bl_generation_text(bl_generation *g, bl_buf *out);

/* Tokens taken, those that end the answer among them. */
size_t bl_generation_len(const bl_generation *g);
/* Of these, how many from the first on have all their text out, or as much of it as will ever be:
 * their logprobs go out with it. */
size_t bl_generation_settled(bl_generation *g);
/* The i-th token taken. */
bl_generated bl_generation_at(const bl_generation *g, size_t i);
/* Drafts proposed, and of them taken: for metrics. */
void bl_generation_drafts(const bl_generation *g, size_t *proposed, size_t *taken);

#endif
