/* What kernels are asked for: shapes, strides and epilogues of one call.
 *
 * All tensors are f32 unless a comment says otherwise.  Strides count elements.  Shapes are checked
 * once, when the graph is planned: a kernel never fails and never allocates.  Every dimension may
 * be zero.  An output overlaps no input, except where a comment allows out == x exactly. */
#ifndef BL_NN_OPS_H
#define BL_NN_OPS_H

#include "base/base.h"

#define BL_MAX_RANK 8 /* after merging axes that are adjacent in memory */

/* name, meaning; a and b are the two parameters that come with the operator. */
#define BL_UNARIES(X)                                                                              \
    X(NONE)       /* x                                             */                              \
    X(RELU)       /* max(x, 0)                                     */                              \
    X(CLIP)       /* min(max(x, a), b)                             */                              \
    X(LEAKY_RELU) /* x < 0 ? a * x : x                             */                              \
    X(SIGMOID)    /* 1 / (1 + exp(-x))                             */                              \
    X(TANH)                                                                                        \
    X(GELU_ERF)     /* x / 2 * (1 + erf(x / sqrt(2)))                */                            \
    X(GELU_TANH)    /* x / 2 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */                      \
    X(SILU)         /* x * sigmoid(a * x); plain SiLU has a = 1      */                            \
    X(HARD_SIGMOID) /* min(max(a * x + b, 0), 1)                     */                            \
    X(HARD_SWISH)   /* x * min(max(x / 6 + 0.5, 0), 1)               */                            \
    X(ELU)          /* x < 0 ? a * (exp(x) - 1) : x                  */                            \
    X(SOFTPLUS)     /* log(1 + exp(x))                               */                            \
    X(AFFINE)       /* a * x + b                                     */                            \
    X(EXP)                                                                                         \
    X(ERF)                                                                                         \
    X(LOG)                                                                                         \
    X(SQRT)                                                                                        \
    X(RECIPROCAL)                                                                                  \
    X(ABS)                                                                                         \
    X(NEG)                                                                                         \
    X(FLOOR)                                                                                       \
    X(CEIL)                                                                                        \
    X(ROUND) /* half to even */                                                                    \
    X(SIGN)                                                                                        \
    X(SCALED_TANH)      /* a * tanh(b * x)  */                                                     \
    X(SOFTSIGN)         /* x / (1 + |x|)    */                                                     \
    X(THRESHOLDED_RELU) /* x > a ? x : 0    */                                                     \
    X(SIN)                                                                                         \
    X(COS)

#define X(name) BL_UNARY_##name,
typedef enum { BL_UNARIES(X) BL_UNARY_COUNT } bl_unary;
#undef X

/* NaN: MAX and MIN give NaN when either is NaN, as ONNX and numpy do. */
#define BL_BINARIES(X) X(ADD) X(SUB) X(MUL) X(DIV) X(MAX) X(MIN) X(POW)

#define X(name) BL_BINARY_##name,
typedef enum { BL_BINARIES(X) BL_BINARY_COUNT } bl_binary;
#undef X

#define BL_REDUCTIONS(X) X(SUM) X(MEAN) X(MAX) X(MIN) X(PROD) X(SUM_SQUARE) X(SUM_ABS)

#define X(name) BL_REDUCE_##name,
typedef enum { BL_REDUCTIONS(X) BL_REDUCE_COUNT } bl_reduction;
#undef X

/* What is done to a product before it is stored:
 *     out = act(product + bias + add) * mul
 * Zeroed means nothing.  add and mul have the shape and strides of out and may be out itself. */
typedef struct {
    const float *bias; /* per column of a matrix, per channel of a convolution; or NULL */
    const float *add;  /* or NULL */
    const float *mul;  /* or NULL */
    bl_unary     act;
    float        a, b; /* of act */
} bl_epilogue;

/* Who is told of bytes, of a file for example, before they are read. */
typedef struct {
    void (*next)(void *arg, blind_span part);
    void *arg;
} bl_reading;

/* A matrix to pack, at any address: element (i, j) is float i * row_stride + j * col_stride. */
typedef struct {
    const void       *data;
    size_t            k, n; /* rows, columns */
    size_t            row_stride, col_stride;
    const bl_reading *reading; /* told of it piece by piece; or NULL */
} bl_matrix;

/* A matrix of small numbers to pack: element (i, j) is (q - zero) * scale, with the scale and the
 * zero point of its block of rows. */
typedef struct {
    const void *q;     /* number i * row_stride + j * col_stride; two of 4 bits lie in a byte, the
                          first in its lower half */
    size_t       bits; /* 4 or 8 */
    bool         is_signed;
    bool         apart; /* each of 4 bits in the lower half of a byte of its own */
    size_t       k, n;  /* rows, at least 1; columns */
    size_t       row_stride, col_stride;
    size_t       block; /* rows that share a scale: a multiple of 8 */
    const float *scale; /* number i / block * scale_row + j * scale_col */
    const float *zero;  /* in the same order; or NULL: 0, or the middle of what is not signed */
    size_t       scale_row, scale_col;
} bl_nbits_matrix;

/* Filters to pack, [channels_out, channels_in / groups, kernel...] dense, at any address: those of
 * each output channel times its gain, rounded once. */
typedef struct {
    const void       *w;
    const double     *gain;    /* or NULL: 1 */
    const bl_reading *reading; /* told of it piece by piece; or NULL */
} bl_filters;

/* Weights in the order their kernels read them.  Made for one kernel table, immutable, shared by
 * any number of threads.  bl_packed_free(). */
typedef struct bl_packed bl_packed;

/* out[m][n] = epilogue(sum over k of a[m][k] * b[k][n]), b packed. */
typedef struct {
    size_t           rows; /* m; k and n are the packed matrix's */
    const float     *a;
    size_t           a_stride; /* from row to row, >= k */
    const bl_packed *b;
    float           *out;
    size_t           out_stride; /* from row to row, >= n; also of add and mul */
    bl_epilogue      epilogue;
    void            *scratch; /* gemm_scratch() bytes, aligned to 64 */
} bl_gemm;

/* out[z][m][n] = alpha * sum over k of a[z][m][k] * b[z][k][n], nothing packed; z runs over up to
 * BL_MATMUL_BATCH axes.  Any stride may be 0 (broadcast); transposes are strides. */
#define BL_MATMUL_BATCH 6
typedef struct {
    size_t m, n, k;
    int    batch_rank; /* 0..BL_MATMUL_BATCH */
    size_t batch[BL_MATMUL_BATCH];
    float  alpha;

    const float *a;
    size_t       a_row, a_col, a_batch[BL_MATMUL_BATCH];
    const float *b;
    size_t       b_row, b_col, b_batch[BL_MATMUL_BATCH];
    float       *out;
    size_t       out_row, out_batch[BL_MATMUL_BATCH]; /* columns are adjacent */
    void        *scratch;                             /* matmul_scratch() bytes, aligned to 64 */
} bl_matmul;

/* Scaled dot-product attention, for each batch b and head h:
 *     out = softmax(scale * q k^T + mask) v
 * or softmax(choice == chosen ? scale * q k^T : otherwise) v,
 * over rows q[.., q_len, head_size], k, v[.., k_len, ..].  The strides take [b, s, h, d] as well as
 * [b, h, s, d], so that no transpose is needed; the last axis of q, k, v, out is adjacent, of mask
 * too unless mask_col is 0.  A row whose scores are all -inf gives NaN, as softmax does. */
typedef struct {
    size_t         batch, heads, q_len, k_len, head_size, value_size;
    float          scale;
    const float   *q, *k, *v;
    size_t         q_batch, q_head, q_row;
    size_t         k_batch, k_head, k_row;
    size_t         v_batch, v_head, v_row;
    const float   *mask;   /* added to the scaled scores; or NULL */
    const uint8_t *choice; /* zero or not, in the strides of a mask; or NULL */
    bool           chosen;
    float          otherwise;
    size_t         mask_batch, mask_head, mask_row, mask_col;
    float         *out;
    size_t         out_batch, out_head, out_row;
    void          *scratch; /* attention_scratch() bytes, aligned to 64 */
} bl_attention;

/* Windows over up to three spatial axes, aligned right: an image has in = { 1, h, w }, a signal
 * { 1, 1, w }, and the unused axes have kernel, stride, dilation 1 and pads 0.  x is
 * [batch, channels_in, in...], out is [batch, channels_out, out...], both NC[D[H]]W. */
typedef struct {
    size_t batch, channels_in, channels_out;
    size_t groups; /* divides both channel counts; pools: ignored */
    size_t in[3], out[3];
    size_t kernel[3], stride[3], dilation[3];
    size_t pad[3]; /* before the first element; what lies after it follows from out */
} bl_window;

/* Elements of out for in, kernel, stride, dilation and both pads; 0 when the window does not fit.
 */
size_t bl_window_out(size_t in, size_t kernel, size_t stride, size_t dilation, size_t pad_before,
                     size_t pad_after, bool ceil_mode);

/* out[z][o] = epilogue(sum over i, window of w[o][i][window] * x[z][i][...]) with zero padding. */
typedef struct {
    bl_window        window;
    const float     *x;
    size_t           x_batch_stride; /* elements; 0: dense */
    const bl_packed *w;
    float           *out;
    size_t           out_batch_stride; /* elements; 0: dense; also of add and mul */
    bl_epilogue      epilogue;
    void            *scratch; /* conv_scratch() bytes, aligned to 64 */
} bl_conv;

/* Three convolutions in a row, of which only the last one's output is stored: one of 1x1, or none;
 * one filter of at most BL_CHAIN_ROWS rows per channel; one of 1x1.  bl_chain_can() tells. */
#define BL_CHAIN_ROWS 7
typedef struct {
    bl_window        window[3];
    bl_epilogue      epilogue[3]; /* add and mul of the last one alone */
    const float     *x;           /* of the first one, or of the filters where there is none */
    const bl_packed *w[3];        /* of chain_pack; w[0] NULL: no first one */
    float           *out;
    void            *scratch; /* chain_scratch() bytes, aligned to 64 */
} bl_chain;

bool bl_chain_can(const bl_window *first, const bl_window *filter, const bl_window *last);

/* Pooling over windows: elements outside x take no part in a maximum.  An average divides by the
 * elements inside x, or with count_pad by those inside x and its pads (pad_after is needed then:
 * with ceil_mode the last window may reach beyond even the pads, and that part never counts). */
typedef struct {
    bl_window    window; /* channels_in == channels_out */
    const float *x;
    float       *out;
    bool         count_pad;
    size_t       pad_after[3];
} bl_pooling;

/* out = op(a, b), out dense of `shape`; a stride of 0 broadcasts. */
typedef struct {
    bl_binary    op;
    int          rank; /* 0..BL_MAX_RANK */
    size_t       shape[BL_MAX_RANK];
    const float *a;
    size_t       a_stride[BL_MAX_RANK];
    const float *b;
    size_t       b_stride[BL_MAX_RANK];
    float       *out; /* may be a or b where that one is dense of the same shape */
    bl_unary     act; /* applied last; act_a and act_b are its parameters */
    float        act_a, act_b;
} bl_elementwise;

/* Copies any regular view into a dense tensor: transpose, slice, expand, flip. */
typedef struct {
    size_t      element_size;        /* bytes: any; 1, 2, 4, 8 are fast */
    int         rank;                /* 0..BL_MAX_RANK */
    size_t      shape[BL_MAX_RANK];  /* of out */
    ptrdiff_t   stride[BL_MAX_RANK]; /* of x per axis of out, in elements; 0 repeats, < 0 flips */
    const void *x;                   /* element at index 0, 0, ... */
    void       *out;
} bl_copy;

#endif
