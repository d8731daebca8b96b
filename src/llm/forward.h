/* Tokens through the layers of a model: runs of neighbouring tokens, of several sequences at once.
 *
 * What comes out for a token depends on its sequence alone, not on the runs it came in. */
#ifndef BL_LLM_FORWARD_H
#define BL_LLM_FORWARD_H

#include "llm/kv.h"
#include "llm/model.h"
#include "nn/isa.h"
#include "nn/pool.h"

/* Tokens of one sequence, whose keys and values are written into its pages. */
typedef struct {
    const int32_t  *ids;      /* [len] */
    uint8_t *const *pages;    /* of the sequence from its first token on, enough for these */
    size_t          position; /* of ids[0]; all before it have gone through */
    size_t          len;
    bool            prompt; /* by the kernels of prompts, or by those of decoding */
} bl_llm_run;

typedef struct bl_llm_forward bl_llm_forward;

/* m       borrowed until bl_llm_forward_free()
 * rows    tokens that go through together at most
 * threads of the largest pool
 * Errors  UNSUPPORTED (no kernels for a type of weights), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_llm_forward_new(const bl_llm_model *m, const bl_kv_layout *layout,
                                             bl_isa isa, size_t rows, int threads,
                                             bl_llm_forward **out, blind_error *err);
void                      bl_llm_forward_free(bl_llm_forward *f);       /* wiped; NULL is nothing */
size_t                    bl_llm_forward_size(const bl_llm_forward *f); /* bytes */

/* Puts the runs, together at most `rows` tokens and those of decoding first, through all layers.
 * Their states stay until the next, row after row. */
void bl_llm_forward_run(bl_llm_forward *f, const bl_llm_run *runs, size_t len, bl_pool *pool);

/* out [width] = the state of a row after the last norm. */
void bl_llm_forward_state(bl_llm_forward *f, size_t row, float *out);

/* outs[i] [vocabulary] = the logits after row rows[i], for i < len; rows ascend. */
void bl_llm_forward_logits(bl_llm_forward *f, const uint32_t *rows, float *const *outs, size_t len,
                           bl_pool *pool);

#endif
