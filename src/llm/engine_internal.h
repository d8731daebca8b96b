/* What the engine and its sequences know of each other. */
#ifndef BL_LLM_ENGINE_INTERNAL_H
#define BL_LLM_ENGINE_INTERNAL_H

#include "base/limits.h"
#include "llm/engine.h"
#include "llm/forward.h"

struct bl_llm_engine {
    bl_llm_model    model;
    bl_kv          *kv;
    bl_llm_forward *forward;
    size_t          max_context, max_rows;
    bool            forget;

    /* The pass under way, [max_rows] each. */
    bl_llm_run       *runs;
    bl_llm_sequence **owners; /* of the runs */
    uint32_t         *wanted; /* rows whose logits are asked for */
    float           **outs;   /* where they go */
    float            *seen;   /* [vocabulary], for request.see */
    float            *state;  /* [width] */

    uint64_t decode_ns; /* of a step that only decodes, on average */
    double   row_ns;    /* that a token of a prompt adds to it */
    uint64_t numbers;   /* of sequences so far */
    uint64_t gathered;  /* sequences up to this number begin together; 0: nobody waits for others */
    bl_arena arena;
};

struct bl_llm_sequence {
    bl_llm_engine *engine;
    uint64_t       number;  /* in the order they came, from 1 */
    bl_llm_request request; /* its prompt is no longer there */
    int32_t       *ids;     /* [prompt + more] */
    size_t         prompt;  /* tokens of it */
    size_t         len;     /* tokens that are known */
    size_t         done;    /* tokens that have gone through */
    size_t         cached;  /* tokens in pages that were taken over */
    size_t         first;   /* position of the first row of logits */
    float         *logits;  /* [together][vocabulary] */
    double        *pooled;  /* [width], or NULL */
    float         *embedding;
    size_t         n_pages;
    uint32_t      *numbers;            /* [n_pages] of the pages */
    uint8_t      **pages;              /* where they are */
    uint8_t (*names)[BL_KV_NAME_SIZE]; /* of the whole pages of the prompt */
    size_t   n_names;
    bl_arena arena; /* of all this; secret */
};

/* Pages of so many tokens. */
static inline size_t bl_llm_pages(size_t tokens)
{
    return tokens / BL_KV_PAGE + (tokens % BL_KV_PAGE > 0);
}

/* Before tokens of a prompt go through: takes over pages that others have made meanwhile. */
void bl_llm_sequence_take_over(bl_llm_sequence *s);
/* Rows row..row + len - 1 of the pass were the sequence's next tokens: what is to be kept of their
 * states. */
void bl_llm_sequence_take(bl_llm_sequence *s, size_t row, size_t len, bl_pool *pool);
/* So many more have gone through. */
void bl_llm_sequence_advance(bl_llm_sequence *s, size_t len);

#endif
