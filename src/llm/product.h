/* Products of a language model's matrices, as they lie in its file, with activations.
 *
 *     out[token][row] = sum over columns of weight[row][column] * x[token][column]
 *
 * Weights stay in GGUF's blocks, mapped: they are unpacked while they are multiplied, and memory
 * holds them once.  Activations are prepared once for all matrices that share them.
 *
 * A token's result has the same bits alone and among others, whatever the number of threads, and
 * whichever products run in the same job: the order of its sum depends on the columns alone. */
#ifndef BL_LLM_PRODUCT_H
#define BL_LLM_PRODUCT_H

#include "llm/quant.h"
#include "nn/isa.h"
#include "nn/pool.h"

/* A matrix [rows][columns], or rows of one; columns are a multiple of the type's block. */
typedef struct {
    const bl_quant_type *type;
    const uint8_t       *data; /* borrowed, of any alignment */
    size_t               rows, columns;
} bl_weights;

static inline size_t bl_weights_row_size(const bl_weights *w) /* bytes */
{
    return w->columns / w->type->len * w->type->size;
}

/* Rows first..first + rows - 1 of w: of a fused matrix, of one expert. */
static inline bl_weights bl_weights_rows(const bl_weights *w, size_t first, size_t rows)
{
    return (bl_weights){ w->type, w->data + first * bl_weights_row_size(w), rows, w->columns };
}

/* How products are computed on one instruction set. */
typedef struct bl_product_kernels bl_product_kernels;

/* The kernels of `isa`, or the best of those before it where a build lacks it. */
const bl_product_kernels *bl_product_kernels_for(bl_isa isa);

/* The same for few tokens, where reading weights is what takes time.  Their sums may have other
 * bits: which of the two is taken depends on what tokens are for, never on how many there are. */
const bl_product_kernels *bl_product_decode_kernels_for(bl_isa isa);

/* Whether there are products for the type. */
bool bl_product_knows(const bl_quant_type *type);

/* What a type wants of activations, as a bit.  An input that several matrices share is prepared
 * for all their bits together. */
unsigned bl_product_form(const bl_product_kernels *k, const bl_quant_type *type);

/* Prepared activations, in the caller's memory. */
typedef struct {
    unsigned    forms;
    size_t      tokens, columns;
    const void *data;
} bl_product_input;

/* Bytes for so many tokens at most; 0 when they are more than memory could hold. */
size_t bl_product_input_size(const bl_product_kernels *k, unsigned forms, size_t tokens,
                             size_t columns);

/* Prepares x.
 *
 * x       [tokens][columns] f32, rows x_row apart; read before this returns
 * memory  bl_product_input_size() bytes, aligned to 64
 * out     borrows memory */
void bl_product_prepare(const bl_product_kernels *k, unsigned forms, const float *x, size_t x_row,
                        size_t tokens, size_t columns, void *memory, bl_product_input *out,
                        bl_pool *pool);

typedef struct {
    bl_weights              w;
    const bl_product_input *in;      /* of w.columns columns, prepared for w's form */
    float                  *out;     /* [tokens][w.rows] f32, rows out_row apart */
    size_t                  out_row; /* at least w.rows */
    const float            *bias;    /* [w.rows] added to each token, or NULL */
    bool                    add;     /* to what out holds */
} bl_product;

/* Bytes that bl_product_run() needs for products of at most so many tokens and columns. */
size_t bl_product_scratch_size(const bl_product_kernels *k, size_t tokens, size_t columns,
                               int threads);

/* Computes `count` products in one job.  Outputs do not overlap each other.
 *
 * scratch  bl_product_scratch_size() bytes for the pool's threads, aligned to 64 */
void bl_product_run(const bl_product_kernels *k, const bl_product *products, size_t count,
                    void *scratch, bl_pool *pool);

#endif
