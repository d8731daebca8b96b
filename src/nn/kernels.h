/* The kernel table: how each operation is done on one instruction set.
 *
 * A table is a value that a plan holds, never a global, so that instruction sets are tested against
 * each other in one process.  Scalar C is the specification; the others replace what they do better
 * (kernels_avx2.c, kernels_avx512.c) and agree with it within the bounds stated here and held by
 * tests/nn.  For equal input and instruction set the results are equal bit by bit, whatever the
 * number of threads.
 *
 * Nothing here fails or allocates but the pack functions.  pool may be NULL everywhere: one thread.
 * Functions split their own work; call them from one thread at a time per pool. */
#ifndef BL_NN_KERNELS_H
#define BL_NN_KERNELS_H

#include "nn/isa.h"
#include "nn/ops.h"
#include "nn/pool.h"
#include "nn/recurrent.h"

typedef struct bl_kernels bl_kernels;
struct bl_kernels {
    bl_isa       isa;
    bl_precision precision;

    /* Products.  ------------------------------------------------------------------------------ */

    /* Packs b, which is not needed afterwards: row-major weights have strides { n, 1 }, transposed
     * ones { 1, k }.  Errors  MEMORY, LIMIT (a size that overflows) */
    blind_code (*gemm_pack)(const bl_matrix *b, bl_packed **out, blind_error *err);
    /* The same for small numbers, which stay as small: few rows read them as they are, of many a
     * part of the matrix is made floats at a time. */
    blind_code (*gemm_pack_nbits)(const bl_nbits_matrix *b, bl_pool *pool, bl_packed **out,
                                  blind_error *err);
    size_t (*gemm_scratch)(const bl_packed *b, size_t rows, int threads); /* bytes, may be 0 */
    /* Sums of k products: relative to sum |a||b| within 2e-7 * sqrt(k), at most 1e-5. */
    void (*gemm)(const bl_gemm *g, bl_pool *pool);

    size_t (*matmul_scratch)(const bl_matmul *m, int threads);
    void (*matmul)(const bl_matmul *m, bl_pool *pool);

    size_t (*attention_scratch)(const bl_attention *a, int threads);
    void (*attention)(const bl_attention *a, bl_pool *pool);

    /* Packs w, [channels_out, channels_in / groups, kernel...] dense.  The window's batch and
     * spatial sizes only choose the layout that is fastest for them: the result runs any. Errors
     * MEMORY, LIMIT */
    blind_code (*conv_pack)(const bl_window *window, const float *w, bl_packed **out,
                            blind_error *err);
    /* The same where a window's filters are packed as they lie; *out is NULL where they are not,
     * and conv_pack is to be asked.  NULL: never. */
    blind_code (*conv_pack_filters)(const bl_window *window, const bl_filters *w, bl_pool *pool,
                                    bl_packed **out, blind_error *err);
    size_t (*conv_scratch)(const bl_window *window, const bl_packed *w, int threads);
    void (*conv)(const bl_conv *c, bl_pool *pool);

    /* Convolutions in a row, as if one ran after the other; NULL where it is no gain.  Errors
     * MEMORY, LIMIT */
    blind_code (*chain_pack)(const bl_window *window, const float *w, bl_packed **out,
                             blind_error *err);
    size_t (*chain_scratch)(const bl_chain *c, int threads);
    void (*chain)(const bl_chain *c, bl_pool *pool);

    /* Recurrent layers (nn/recurrent.h).  Packs r, [gates * hidden][hidden] in ONNX's order.
     * Errors  MEMORY, LIMIT */
    blind_code (*recurrent_pack)(bl_cell cell, size_t hidden, const float *r, bl_packed **out,
                                 blind_error *err);
    size_t (*recurrent_scratch)(const bl_recurrent *r, int threads);
    void (*recurrent)(const bl_recurrent *r, bl_pool *pool);

    /* Windows without weights.  -----------------------------------------------------------------
     */

    void (*max_pool)(const bl_pooling *p, bl_pool *pool);
    void (*avg_pool)(const bl_pooling *p, bl_pool *pool);

    /* Rows.  out may be x. ----------------------------------------------------------------------
     */

    /* out[r] = exp(x[r] - max) / sum, or with `log` its logarithm; x, out [rows, width].
     * Within 8 ulp of scalar for a width up to 1,024, 1e-6 relative beyond; below 1.7e-38 zero will
     * do. */
    void (*softmax)(float *out, const float *x, size_t rows, size_t width, bool log, bl_pool *pool);
    /* The same along an inner axis: x, out [outer, width, inner]. */
    void (*softmax_axis)(float *out, const float *x, size_t outer, size_t width, size_t inner,
                         bool log, bl_pool *pool);
    /* out[r][i] = (x[r][i] - mean) / sqrt(variance + eps) * gain[i] + bias[i]; bias may be NULL.
     * Source: Ba et al. 2016, arXiv:1607.06450. */
    void (*layer_norm)(float *out, const float *x, const float *gain, const float *bias,
                       size_t rows, size_t width, float eps, bl_pool *pool);
    /* out[z][c][i] = act(x[z][c][i] * scale[c] + shift[c]); x, out [batch, channels, inner].
     * act_a and act_b are act's parameters. */
    void (*scale_shift)(float *out, const float *x, const float *scale, const float *shift,
                        size_t batch, size_t channels, size_t inner, bl_unary act, float act_a,
                        float act_b, bl_pool *pool);

    /* Elements.  out may be x.  -----------------------------------------------------------------
     */

    /* Bounds against scalar (which uses libm): exact for RELU, CLIP, LEAKY_RELU, HARD_*, AFFINE (up
     * to one fused rounding), SQRT, RECIPROCAL, ABS, NEG, FLOOR, CEIL, ROUND, SIGN; 4 ulp for EXP,
     * ERF, TANH, SIGMOID, LOG, ELU, SOFTPLUS; for SILU and GELU_* 4 ulp or 1e-6 absolute.  NaN
     * gives NaN.  math.inc has the bounds against double precision. */
    void (*unary)(bl_unary op, float *out, const float *x, size_t len, float a, float b,
                  bl_pool *pool);
    /* out = tanh(a) * sigmoid(b), the gate of a WaveNet; out may be a or b. */
    void (*gate)(float *out, const float *a, const float *b, size_t len, bl_pool *pool);
    void (*binary)(const bl_elementwise *e, bl_pool *pool);

    /* Reductions and copies.  -------------------------------------------------------------------
     */

    /* out[o][i] = op over j of x[o][j][i]; x [outer, axis, inner].  An empty axis gives 0 (SUM,
     * SUM_*), 1 (PROD), NaN (MEAN), -inf (MAX), +inf (MIN). */
    void (*reduce)(bl_reduction op, float *out, const float *x, size_t outer, size_t axis,
                   size_t inner, bl_pool *pool);
    void (*copy)(const bl_copy *c, bl_pool *pool);
    /* out[i] = table[indices[i]], rows of row_size bytes; the caller has checked every index. */
    void (*gather_rows)(void *out, const void *table, size_t row_size, const int64_t *indices,
                        size_t count, bl_pool *pool);
};

/* The table of an instruction set, valid for ever.  NULL when this processor does not run it. */
const bl_kernels *bl_kernels_for(bl_isa isa, bl_precision precision);

size_t bl_packed_size(const bl_packed *packed); /* bytes it holds */
size_t bl_packed_k(const bl_packed *packed);    /* of gemm_pack: rows of b */
size_t bl_packed_n(const bl_packed *packed);    /* of gemm_pack: columns of b */
void   bl_packed_free(bl_packed *packed);       /* NULL is nothing */

#endif
