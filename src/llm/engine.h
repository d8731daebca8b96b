/* A language model at work: sequences of tokens, and steps that take many of them on together.
 *
 *     new --> reading its prompt --> ready --> append --> decoding --> ready --> ... --> free
 *                  (bl_llm_step)                          (bl_llm_step)
 *
 * A sequence is a prompt and what was appended to it.  The keys and values of its tokens lie in
 * pages, and all pages that it may come to need are reserved when it is made: a sequence that was
 * taken in is never put out again.  Whole pages of prompts stay after their sequence, for prompts
 * that begin alike and bring the same salt; they are given up, longest unused first, when pages are
 * wanted.
 *
 * The same answer whatever else runs: the logits of a sequence have the same bits alone or among
 * others, however its prompt was cut into steps, with pages taken over or computed, and on any
 * number of threads.  Prompts and appended tokens go through kernels of their own, so a text read
 * as a prompt and the same text appended token by token differ in the last bits; only what was read
 * as a prompt is taken over.
 *
 * An engine and its sequences belong to one thread at a time. */
#ifndef BL_LLM_ENGINE_H
#define BL_LLM_ENGINE_H

#include "llm/kv.h"
#include "llm/model.h"
#include "nn/isa.h"
#include "nn/pool.h"

#define BL_LLM_SALT_SIZE 32

typedef struct bl_llm_engine   bl_llm_engine;
typedef struct bl_llm_sequence bl_llm_sequence;

typedef struct {
    bl_isa     isa;         /* of the kernels: bl_isa_best() */
    int        threads;     /* of the largest pool that steps will bring; 0: 1 */
    bl_kv_type kv_type;     /* of keys and values */
    size_t     kv_memory;   /* bytes of pages at most; 0: what one sequence of max_context takes */
    size_t     max_context; /* tokens of one sequence; 0, or more than the model's: the model's */
    size_t     max_rows;    /* tokens that go through the layers together at most; 0: 512 */
    bool       forget;      /* keep no pages for later prompts */
} bl_llm_engine_options;

/* Reads what the model is and allocates what steps need; the weights stay where they are.
 *
 * g       borrowed until bl_llm_engine_close(), and so is its file
 * Errors  those of bl_llm_model_open(); LIMIT (kv_memory holds no page), MEMORY */
BLIND_MUST_USE blind_code bl_llm_engine_open(bl_gguf *g, const bl_llm_engine_options *options,
                                             bl_llm_engine **out, blind_error *err);
/* No sequence may be left.  Wipes what sequences left behind.  NULL is nothing. */
void bl_llm_engine_close(bl_llm_engine *engine);

const bl_llm_model *bl_llm_engine_model(const bl_llm_engine *engine);
size_t bl_llm_engine_max_context(const bl_llm_engine *engine); /* tokens of one sequence */
size_t bl_llm_engine_size(const bl_llm_engine *engine);        /* bytes beside the file */
/* Pages of BL_KV_PAGE tokens: all, those of sequences, those kept for later prompts. */
bl_kv_counts bl_llm_engine_pages(const bl_llm_engine *engine);

/* Wipes up to `most` bytes that ended sequences left; true while there is more.  Memory is wiped
 * before others get it in any case; calling this when idle has it done sooner. */
bool bl_llm_engine_wipe(bl_llm_engine *engine, size_t most);

/* Sequences.  -------------------------------------------------------------------------------- */

/* How the states of a prompt's tokens, after the last norm, become one vector. */
typedef enum {
    BL_POOLING_NONE,
    BL_POOLING_MEAN,
    BL_POOLING_LAST,
    BL_POOLING_FIRST
} bl_pooling_kind;

typedef struct {
    const int32_t *prompt; /* [len], copied; 1 <= len */
    size_t         len;
    size_t         more; /* tokens that may be appended in all */
    size_t  together;    /* that one append may bring, for drafts; 0: 1, at most BL_MAX_LLM_DRAFT */
    uint8_t salt[BL_LLM_SALT_SIZE]; /* of the principal: pages pass between equal salts only */
    bl_pooling_kind pooling; /* for embeddings: the prompt is read whole, and nothing taken over */
    /* Called inside steps with the logits [vocabulary] after each token of the prompt, in order,
     * for those who want them all: nothing is taken over then.  NULL: only those after the last
     * stay. */
    void (*see)(void *arg, size_t position, const float *logits);
    void *see_arg;
} bl_llm_request;

/* Takes a sequence in, with pages for all of its len + more tokens.
 *
 * out     owned by the caller, bl_llm_sequence_free(); NULL on failure
 * Errors  AGAIN (no free pages now: try when a sequence has ended), LIMIT (never: longer than the
 *         context or all pages, more drafts than allowed), INPUT (a token that is none, no token),
 *         MEMORY */
BLIND_MUST_USE blind_code bl_llm_sequence_new(bl_llm_engine *engine, const bl_llm_request *request,
                                              bl_llm_sequence **out, blind_error *err);
/* At any time between steps.  NULL is nothing. */
void bl_llm_sequence_free(bl_llm_sequence *sequence);

/* True when every token has gone through the layers: logits are there, and tokens may be appended.
 */
bool bl_llm_sequence_ready(const bl_llm_sequence *sequence);

/* Tokens to decode by the next steps; the logits after each of them will be there.  The sequence
 * must be ready.
 *
 * len     1, or up to request.together: a token and drafts of those that may follow
 * Errors  LIMIT (more than request.more in all, or request.together at once), INPUT (not a token,
 * or a sequence that is not ready) */
BLIND_MUST_USE blind_code bl_llm_sequence_append(bl_llm_sequence *sequence, const int32_t *ids,
                                                 size_t len, blind_error *err);
/* Takes back what was appended last, down to `len` tokens in all, the prompt included: drafts that
 * were not accepted.  The sequence must be ready and stays so; logits that are asked for afterwards
 * count from the same first appended token.  More tokens than there are, or fewer than the
 * prompt's, is an error of the caller. */
void bl_llm_sequence_rewind(bl_llm_sequence *sequence, size_t len);

/* The logits [vocabulary] after the i-th of the tokens appended last, or after the prompt (i = 0);
 * borrowed until the next append.  NULL when the sequence is not ready, or there is no such token.
 */
const float *bl_llm_sequence_logits(const bl_llm_sequence *sequence, size_t i);

/* The pooled states [width] of a request with pooling, not normalised; NULL until it is ready. */
const float *bl_llm_sequence_embedding(const bl_llm_sequence *sequence);

typedef struct {
    size_t prompt;   /* tokens */
    size_t cached;   /* of them, in pages that were taken over */
    size_t read;     /* of the prompt, cached ones included, that have gone through */
    size_t appended; /* tokens, without what was rewound */
} bl_llm_counts;

bl_llm_counts  bl_llm_sequence_counts(const bl_llm_sequence *sequence);
const int32_t *bl_llm_sequence_ids(const bl_llm_sequence *sequence, size_t *len); /* borrowed */

/* Steps.  ------------------------------------------------------------------------------------ */

/* Takes sequences on: first each that has appended tokens, by all of them; then prompts, in the
 * order given, by as many tokens as fit the time, but some.  Where nobody decodes, prompts get
 * max_rows tokens, and who is first to have read its own waits for those that are there then, up to
 * a bound, before it decodes.  Those that are ready are left alone.  Nothing is allocated.
 *
 * budget_ns  for prompts while others decode; 0: three quarters of what decoding takes, so that no
 *            stream is slowed to half
 * pool       of no more threads than the options said; may be NULL */
void bl_llm_step(bl_llm_engine *engine, bl_llm_sequence *const *sequences, size_t len,
                 uint64_t budget_ns, bl_pool *pool);

#endif
