/* What the files of the forward pass share. */
#ifndef BL_LLM_FORWARD_INTERNAL_H
#define BL_LLM_FORWARD_INTERNAL_H

#include "base/limits.h"
#include "llm/forward.h"
#include "llm/layer.h"
#include "llm/product.h"

/* Matrices as products take them; gains and biases as floats, NULL where there are none. */
typedef struct {
    bl_weights   q, k, v, out, gate, up, down;
    bl_weights   router, gate_experts, up_experts, down_experts; /* rows of all experts */
    const float *attn_norm, *q_bias, *k_bias, *v_bias, *q_norm, *k_norm, *out_bias, *post_attn_norm;
    const float *ffn_norm, *post_ffn_norm;
    bool         local;
} bl_forward_layer;

/* A part of the rows of a pass: tokens of one run, for attention. */
typedef struct {
    uint32_t run, row; /* row: of the pass */
    uint32_t skip;     /* tokens of the run before it */
    uint32_t len;
} bl_forward_tile;

struct bl_llm_forward {
    const bl_llm_model       *m;
    const bl_llm_shape       *s;
    bl_kv_layout              layout;
    const bl_layer_kernels   *k;
    const bl_product_kernels *products, *decoding; /* of prompts, of what is decoded */
    size_t                    max_rows;
    int                       threads;
    bl_forward_layer         *layers;
    bl_weights                embedding, head;
    const float              *out_norm;
    float                     token_scale;
    double                   *turns_by[2]; /* [rotated / 2]: of all layers, of local ones */
    float                     turn_factor[2];

    /* The pass. */
    const bl_llm_run *runs;
    size_t            n_runs, rows, decoded; /* decoded: of the rows, the first */
    bl_forward_tile  *tiles;                 /* [max_rows] */
    size_t            tile;                  /* tokens of a prompt in one, at most */
    size_t            n_tiles;
    size_t            reach; /* positions up to the last token of any run */
    bl_pool          *pool;

    /* [max_rows][...] */
    float *x, *normed, *q, *key, *value, *mixed, *gate, *up, *out;
    float *turns[2];  /* [max_rows][2][rotated / 2] */
    float *logits;    /* [BL_FORWARD_LOGITS][vocabulary] */
    void  *prepared;  /* input of products */
    void  *scratch;   /* of products */
    char  *attention; /* scratch of each thread */
    size_t attention_size;

    /* Experts. */
    float    *routes;   /* [max_rows][experts] */
    uint32_t *chosen;   /* [max_rows][experts_used] */
    float    *shares;   /* the same */
    float    *gathered; /* [max_rows][width] */
    uint32_t *members;  /* rows of one expert */

    bl_arena arena;  /* of what the model is */
    char    *memory; /* of all that passes take: what prompts became */
    size_t   memory_size;
};

#define BL_FORWARD_LOGITS 16

/* Prepares rows of x and multiplies them by up to three matrices: `to` are written, or added to.
 * The first `decoded` of the rows are taken by the kernels of decoding. */
typedef struct {
    const bl_weights *w;
    float            *to;
    size_t            to_row;
    const float      *bias;
    bool              add;
} bl_forward_factor;

void bl_forward_multiply(bl_llm_forward *f, const float *x, size_t x_row, size_t rows,
                         size_t decoded, const bl_forward_factor *factors, size_t len);

/* gate[i] = act(gate[i]) * up[i], of so many rows. */
void bl_forward_activate(bl_llm_forward *f, size_t rows);

/* out [rows][width] = what the experts say of x. */
void bl_forward_experts(bl_llm_forward *f, const bl_forward_layer *l, const float *x);

#define BL_FORWARD_WORTH 32768 /* numbers that are worth waking others for */

/* Calls task for every i < count, each of which takes about so many numbers. */
static inline void bl_forward_each(const bl_llm_forward *f, bl_task *task, void *arg, size_t count,
                                   size_t numbers)
{
    bl_pool_run(count * numbers < BL_FORWARD_WORTH ? NULL : f->pool, task, arg, count);
}

#endif
