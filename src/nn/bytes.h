/* Products of 8-bit integers: matrices and convolutions, their sums exact in 32 bits.
 *
 *     sum[i][j] = sum over k of (a[i][k] - a_zero) * (b[k][j] - b_zero[j])
 *
 * modulo 2^32, whatever the instruction set, and then scaled to floats, requantised to bytes, or
 * stored as it is.  b is packed once, its zero points folded into sums of its columns.
 *
 * A convolution is the same product: its image is copied with pads into rows of pixels whose
 * channels are adjacent, so that what one row of a kernel sees of a pixel is one segment of bytes,
 * and neighbouring pixels lie a constant step apart, from one image row to the next as well.  No
 * byte of the image is stored twice.  Places that straddle the right edge are computed and dropped.
 *
 * Source: ONNX operators MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv. */
#ifndef BL_NN_BYTES_H
#define BL_NN_BYTES_H

#include "nn/kernels.h"

/* How bytes are multiplied on one instruction set. */
typedef struct bl_bytes bl_bytes;

/* The fastest for a table's instruction set. */
const bl_bytes *bl_bytes_for(bl_isa isa);
/* Those that this processor runs, in turn from 0, scalar first; NULL at the end. */
const bl_bytes *bl_bytes_at(size_t i);
const char     *bl_bytes_name(const bl_bytes *k); /* "vnni" */

typedef enum {
    BL_BYTES_SUMS,   /* int32_t: the sums            */
    BL_BYTES_FLOATS, /* float: act(scaled + shift + add) */
    BL_BYTES_BYTES,  /* uint8_t or int8_t, as `low` says */
} bl_bytes_to;

/* What becomes of sums.  scaled = (sum + bias[j]) * (times * scale[j]).
 *
 * BYTES are cut(round(scaled + shift) + zero, low, high), ties to even.  With `add`, bytes of the
 * output's shape, that is a middle value, which is added to them and cut again:
 *     t = (it - zero) * mid_scale + (add - add_zero) * add_scale
 *     out = cut(round(t) + end_zero, end_low, end_high) */
typedef struct {
    bl_bytes_to    to;
    float          times;
    const float   *scale;     /* per column; or NULL: 1 */
    bool           one_scale; /* a single one for all columns */
    const int32_t *bias;      /* per column; or NULL */
    const float   *shift;     /* per column; or NULL */
    int32_t        zero, low, high;
    const void    *add; /* FLOATS: floats; BYTES: bytes; or NULL */
    bool           add_signed;
    int32_t        add_zero, end_zero, end_low, end_high;
    float          mid_scale, add_scale;
    bl_unary       act; /* of FLOATS; a, b its parameters */
    float          a, b;
} bl_bytes_finish;

/* out[rows][n] of a[rows][k], both dense. */
typedef struct {
    size_t           rows;
    const void      *a;
    bool             a_signed;
    int32_t          a_zero;
    const bl_packed *b;
    size_t           k, n;
    void            *out;
    bl_bytes_finish  finish;
    void            *scratch; /* bl_bytes_gemm_scratch() bytes, aligned to 64 */
} bl_bytes_gemm;

/* Elements b[k * row_stride + j * col_stride].  zero: per column, or NULL: 0. */
BLIND_MUST_USE blind_code bl_bytes_gemm_pack(const bl_bytes *k, const void *b, bool is_signed,
                                             const int32_t *zero, size_t len, size_t n,
                                             size_t row_stride, size_t col_stride, bl_packed **out,
                                             blind_error *err);
/* False when the size overflows. */
bool bl_bytes_gemm_scratch(const bl_bytes *k, size_t rows, size_t len, size_t n, size_t *size);
void bl_bytes_gemm_run(const bl_bytes *k, const bl_kernels *rest, const bl_bytes_gemm *g,
                       bl_pool *pool);

/* out[batch][channels_out][out...], or channels last on either side:
 * [batch][out...][channels_out]. */
typedef struct {
    bl_window        window;
    const void      *x;
    bool             x_signed, x_last, out_last;
    int32_t          x_zero;
    const bl_packed *w;
    void            *out;
    bl_bytes_finish  finish;  /* add lies as out does */
    void            *scratch; /* bl_bytes_conv_scratch() bytes, aligned to 64 */
} bl_bytes_conv;

/* w  [channels_out, channels_in / groups, kernel...], zero per output channel, or NULL: 0 */
BLIND_MUST_USE blind_code bl_bytes_conv_pack(const bl_bytes *k, const bl_window *window,
                                             const void *w, bool is_signed, const int32_t *zero,
                                             bl_packed **out, blind_error *err);
bool bl_bytes_conv_scratch(const bl_bytes *k, const bl_window *window, size_t *size);
void bl_bytes_conv_run(const bl_bytes *k, const bl_kernels *rest, const bl_bytes_conv *c,
                       bl_pool *pool);

/* Between floats and bytes.  ------------------------------------------------------------------ */

/* out = cut(round(x / scale) + zero, low, high), ties to even; NaN gives low.  low < 0: int8_t. */
void bl_bytes_quantize(const bl_bytes *k, void *out, const float *x, size_t len, float scale,
                       int32_t zero, int32_t low, int32_t high, bl_pool *pool);
/* out = (x - zero) * scale */
void bl_bytes_dequantize(const bl_bytes *k, float *out, const void *x, bool is_signed, size_t len,
                         float scale, int32_t zero, bl_pool *pool);
/* The least and the largest number and 0; NaN is neither. */
void bl_bytes_range(const bl_bytes *k, const float *x, size_t len, float *low, float *high,
                    bl_pool *pool);

#endif
