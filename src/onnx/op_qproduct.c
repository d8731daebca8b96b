/* Products and convolutions of 8-bit integers: MatMulInteger, QLinearMatMul, ConvInteger,
 * QLinearConv.
 *
 * Sums are exact in 32 bits: product() and plane() are where faster kernels go.
 * Source: ONNX operators of these names. */
#include "onnx/heavy.h"
#include "onnx/number.h"
#include "onnx/window.h"

#include <math.h>

static bool is_byte(const bl_tensor *t)
{
    return t->dtype == BLIND_U8 || t->dtype == BLIND_I8;
}

static int32_t byte_at(const void *data, bool is_signed, size_t i)
{
    return is_signed ? ((const int8_t *)data)[i] : ((const uint8_t *)data)[i];
}

/* Sums wrap around, as those of the operators' type do. */
static int32_t add(int32_t sum, int32_t more)
{
    return (int32_t)((uint32_t)sum + (uint32_t)more);
}

/* A number of a tensor of one number or of one for each row or column; 0 where it is left out. */
static double number_at(const bl_tensor *t, size_t i)
{
    double v = 0;
    if (t)
        bl_tensor_number(t, t->len == 1 ? 0 : i, &v);
    return v;
}

/* Stores sum * multiplier + zero, rounded to even and cut. */
static void requantize(bl_tensor *out, size_t at, int32_t sum, float multiplier, double zero)
{
    bl_tensor_set_number(out, at, nearbyint((double)((float)sum * multiplier)) + zero);
}

/* Products.  --------------------------------------------------------------------------------- */

/* Which inputs hold what; -1: left out.  The quantized form has scales and writes bytes. */
typedef struct {
    int a, b, a_scale, a_zero, b_scale, b_zero, y_scale, y_zero;
} roles;

static const roles integer_roles = { 0, 1, -1, 2, -1, 3, -1, -1 };
static const roles linear_roles = { 0, 3, 1, 2, 4, 5, 6, 7 };

typedef struct {
    const roles *in;
    bl_matmul    m;
} product_params;

static const bl_tensor *role_in(const bl_build *b, const bl_node *n, int i)
{
    return i < 0 ? NULL : bl_in(b, n, i);
}

static const bl_tensor *role_arg(const bl_exec *x, const bl_node *n, int i)
{
    return i < 0 ? NULL : bl_arg(x, n, i);
}

static bool fits(const bl_tensor *t, size_t lines)
{
    return !t || t->len == 1 || t->len == lines;
}

blind_code bl_op_qproduct_infer(bl_build *b, bl_node *n)
{
    const roles     *r = n->n_in > 4 ? &linear_roles : &integer_roles;
    const bl_tensor *x = bl_in(b, n, r->a), *y = bl_in(b, n, r->b);
    blind_dtype      type = r->y_zero < 0 ? BLIND_I32 : bl_in(b, n, r->y_zero)->dtype;
    int64_t          dim[BL_ONNX_RANK];
    int              rank;
    product_params  *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->in = r;
    if (!is_byte(x) || !is_byte(y) || bl_is_float(type))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of types %s and %s",
                          blind_dtype_name(x->dtype), blind_dtype_name(y->dtype));
    if (!bl_product_of(x, y, &p->m, dim, &rank))
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not multiply");
    const int row[] = { r->a_scale, r->a_zero, r->y_scale, r->y_zero };
    const int column[] = { r->b_scale, r->b_zero };
    for (size_t i = 0; i < BL_LEN(row); i++)
        if (!fits(role_in(b, n, row[i]), p->m.m))
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d is not one number a row", row[i]);
    for (size_t i = 0; i < BL_LEN(column); i++)
        if (!fits(role_in(b, n, column[i]), p->m.n))
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d is not one number a column",
                              column[i]);
    n->scratch = 2 * p->m.n * sizeof(int32_t);
    return bl_set_out(b, n, 0, type, rank, dim);
}

/* One row of a product: sum[j] = sum over k of (a[k] - a_zero) * (b[k][j] - b_zero[j]). */
static void product(const bl_matmul *m, const void *a, bool a_signed, int32_t a_zero, const void *b,
                    bool b_signed, const int32_t *b_zero, int32_t *sum)
{
    memset(sum, 0, m->n * sizeof *sum);
    for (size_t k = 0; k < m->k; k++) {
        int32_t        v = byte_at(a, a_signed, k * m->a_col) - a_zero;
        const int8_t  *i8 = (const int8_t *)b + k * m->b_row;
        const uint8_t *u8 = (const uint8_t *)b + k * m->b_row;
        for (size_t j = 0; j < m->n && b_signed; j++)
            sum[j] = add(sum[j], v * (i8[j] - b_zero[j]));
        for (size_t j = 0; j < m->n && !b_signed; j++)
            sum[j] = add(sum[j], v * (u8[j] - b_zero[j]));
    }
}

/* Offsets of the z-th matrix of both operands. */
static void batch_offsets(const bl_matmul *m, size_t z, size_t *a, size_t *b)
{
    *a = *b = 0;
    for (int i = m->batch_rank - 1; i >= 0; i--) {
        *a += z % m->batch[i] * m->a_batch[i];
        *b += z % m->batch[i] * m->b_batch[i];
        z /= m->batch[i];
    }
}

static void store_row(const bl_exec *x, const bl_node *n, const roles *r, size_t row, size_t at,
                      size_t len, const int32_t *sum)
{
    bl_tensor *out = bl_result(x, n, 0);
    if (r->y_zero < 0) {
        memcpy((int32_t *)out->data + at, sum, len * sizeof *sum);
        return;
    }
    float  a_scale = (float)number_at(bl_arg(x, n, r->a_scale), row);
    float  y_scale = (float)number_at(bl_arg(x, n, r->y_scale), row);
    double zero = number_at(bl_arg(x, n, r->y_zero), row);
    for (size_t j = 0; j < len; j++) {
        float b_scale = (float)number_at(bl_arg(x, n, r->b_scale), j);
        requantize(out, at + j, sum[j], a_scale * b_scale / y_scale, zero);
    }
}

blind_code bl_op_qproduct_run(const bl_exec *x, const bl_node *n)
{
    const product_params *p = n->params;
    const bl_matmul      *m = &p->m;
    const bl_tensor      *a = bl_arg(x, n, p->in->a), *b = bl_arg(x, n, p->in->b);
    const bl_tensor      *a_zero = role_arg(x, n, p->in->a_zero),
                    *b_zero = role_arg(x, n, p->in->b_zero);
    int32_t *zero = x->scratch, *sum = zero + m->n;
    size_t   batches = bl_result(x, n, 0)->len ? bl_result(x, n, 0)->len / m->m / m->n : 0;
    for (size_t j = 0; j < m->n; j++)
        zero[j] = (int32_t)number_at(b_zero, j);
    for (size_t z = 0; z < batches; z++) {
        size_t at_a, at_b;
        batch_offsets(m, z, &at_a, &at_b);
        for (size_t i = 0; i < m->m; i++) {
            product(m, (const char *)a->data + at_a + i * m->a_row, a->dtype == BLIND_I8,
                    (int32_t)number_at(a_zero, i), (const char *)b->data + at_b,
                    b->dtype == BLIND_I8, zero, sum);
            store_row(x, n, p->in, i, (z * m->m + i) * m->n, m->n, sum);
        }
    }
    return BLIND_OK;
}

/* Convolutions.  ----------------------------------------------------------------------------- */

typedef struct {
    const roles *in;
    bl_window    window;
} conv_params;

blind_code bl_op_qconv_infer(bl_build *b, bl_node *n)
{
    const roles     *r = n->n_in > 4 ? &linear_roles : &integer_roles;
    const bl_tensor *x = bl_in(b, n, r->a), *w = bl_in(b, n, r->b);
    blind_dtype      type = r->y_zero < 0 ? BLIND_I32 : bl_in(b, n, r->y_zero)->dtype;
    const bl_tensor *bias = r->y_zero < 0 ? NULL : bl_in(b, n, 8);
    int64_t          dim[BL_ONNX_RANK], groups = bl_attr_int(n, "group", 1);
    conv_params     *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->in = r;
    if (!is_byte(x) || !is_byte(w) || bl_is_float(type) || (bias && bias->dtype != BLIND_I32))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of types %s and %s",
                          blind_dtype_name(x->dtype), blind_dtype_name(w->dtype));
    if (x->rank < 3 || w->rank != x->rank || groups < 1 || x->dim[1] % groups ||
        w->dim[0] % groups || w->dim[1] != x->dim[1] / groups)
        return bl_op_fail(b, n, BLIND_INPUT, "weights that do not fit the input");
    size_t channels = (size_t)w->dim[0];
    if ((bias && bias->len != channels) || !fits(role_in(b, n, r->b_scale), channels) ||
        !fits(role_in(b, n, r->b_zero), channels))
        return bl_op_fail(b, n, BLIND_INPUT, "what is not one number for each channel");
    BL_TRY(bl_window_of(b, n, w->dim + 2, &p->window, dim, NULL));
    p->window.channels_out = channels;
    p->window.groups = (size_t)groups;
    n->scratch = p->window.out[0] * p->window.out[1] * p->window.out[2] * sizeof(int32_t);
    dim[0] = x->dim[0];
    dim[1] = w->dim[0];
    return bl_set_out(b, n, 0, type, x->rank, dim);
}

/* Adds one tap of one input channel to a row of sums. */
static void add_tap(const bl_window *w, const void *x, bool is_signed, int32_t zero, size_t tap,
                    int32_t weight, int32_t *sum)
{
    ptrdiff_t from = (ptrdiff_t)(tap * w->dilation[2]) - (ptrdiff_t)w->pad[2];
    for (size_t o = 0; o < w->out[2]; o++) {
        ptrdiff_t at = from + (ptrdiff_t)(o * w->stride[2]);
        if (at >= 0 && (size_t)at < w->in[2])
            sum[o] = add(sum[o], weight * (byte_at(x, is_signed, (size_t)at) - zero));
    }
}

/* The sums of one output channel of one image: x its first input channel, weights its own. */
static void plane(const bl_window *w, const bl_tensor *in, size_t x, int32_t x_zero,
                  const bl_tensor *weights, size_t at, int32_t w_zero, int32_t *sum)
{
    size_t channels = w->channels_in / w->groups, pixels = w->in[0] * w->in[1] * w->in[2];
    memset(sum, 0, w->out[0] * w->out[1] * w->out[2] * sizeof *sum);
    for (size_t c = 0; c < channels; c++, x += pixels)
        for (size_t i = 0; i < w->kernel[0]; i++)
            for (size_t j = 0; j < w->kernel[1]; j++)
                for (size_t k = 0; k < w->kernel[2]; k++, at++) {
                    int32_t v = byte_at(weights->data, weights->dtype == BLIND_I8, at) - w_zero;
                    for (size_t o = 0; o < w->out[0] * w->out[1]; o++) {
                        size_t z = o / w->out[1] * w->stride[0] + i * w->dilation[0] - w->pad[0];
                        size_t y = o % w->out[1] * w->stride[1] + j * w->dilation[1] - w->pad[1];
                        if (z < w->in[0] && y < w->in[1]) /* negative ones wrapped around */
                            add_tap(w, (const char *)in->data + x + (z * w->in[1] + y) * w->in[2],
                                    in->dtype == BLIND_I8, x_zero, k, v, sum + o * w->out[2]);
                    }
                }
}

static void store_plane(const bl_exec *x, const bl_node *n, const roles *r, size_t channel,
                        size_t at, size_t len, const int32_t *sum)
{
    bl_tensor *out = bl_result(x, n, 0);
    if (r->y_zero < 0) {
        memcpy((int32_t *)out->data + at, sum, len * sizeof *sum);
        return;
    }
    const bl_tensor *bias = bl_arg(x, n, 8);
    int32_t          shift = bias ? ((const int32_t *)bias->data)[channel] : 0;
    float            multiplier = (float)number_at(bl_arg(x, n, r->a_scale), 0) *
                       (float)number_at(bl_arg(x, n, r->b_scale), channel) /
                       (float)number_at(bl_arg(x, n, r->y_scale), 0);
    double zero = number_at(bl_arg(x, n, r->y_zero), 0);
    for (size_t i = 0; i < len; i++)
        requantize(out, at + i, add(sum[i], shift), multiplier, zero);
}

blind_code bl_op_qconv_run(const bl_exec *x, const bl_node *n)
{
    const conv_params *p = n->params;
    const bl_window   *w = &p->window;
    const bl_tensor   *in = bl_arg(x, n, p->in->a), *weights = bl_arg(x, n, p->in->b);
    const bl_tensor   *x_zero = role_arg(x, n, p->in->a_zero),
                    *w_zero = role_arg(x, n, p->in->b_zero);
    size_t pixels = w->out[0] * w->out[1] * w->out[2];
    size_t image = w->channels_in * w->in[0] * w->in[1] * w->in[2];
    size_t each = w->channels_out ? weights->len / w->channels_out : 0;
    for (size_t z = 0; z < w->batch && pixels; z++)
        for (size_t c = 0; c < w->channels_out; c++) {
            size_t group = c / (w->channels_out / w->groups);
            plane(w, in, z * image + group * (image / w->groups), (int32_t)number_at(x_zero, 0),
                  weights, c * each, (int32_t)number_at(w_zero, c), x->scratch);
            store_plane(x, n, p->in, c, (z * w->channels_out + c) * pixels, pixels, x->scratch);
        }
    return BLIND_OK;
}
