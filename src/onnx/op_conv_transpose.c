/* ConvTranspose: a 1x1 convolution gives a column of taps for every place, and the columns are
 * added where their windows lie.  Weights that are no constants, and F64, run plain loops.
 * Source: ONNX operators, ConvTranspose. */
#include "onnx/families.h"
#include "onnx/fold.h"

#include <stdlib.h>

typedef struct {
    bl_window         window; /* of the convolution that this one undoes: `in` is the output */
    bl_window         columns;
    size_t            taps, cols_size; /* bytes of one image's columns, a multiple of 64 */
    const bl_weights *weights;         /* NULL: plain loops */
} transposed;

typedef struct {
    int64_t stride[3], dilation[3], pads[6], extra[3], shape[3];
    bool    shaped; /* output_shape is given */
    size_t  spatial;
} attributes;

static bool below(const int64_t *v, size_t n, int64_t low)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] < low || v[i] > INT32_MAX)
            return true;
    return false;
}

static blind_code read_attributes(bl_build *b, const bl_node *n, attributes *a)
{
    size_t len, s = a->spatial;
    for (int i = 0; i < 3; i++)
        a->stride[i] = a->dilation[i] = 1;
    BL_TRY(bl_attr_ints(b, n, "strides", a->stride, s, &len));
    BL_TRY(bl_attr_ints(b, n, "dilations", a->dilation, s, &len));
    BL_TRY(bl_attr_ints(b, n, "output_padding", a->extra, s, &len));
    BL_TRY(bl_attr_ints(b, n, "pads", a->pads, 2 * s, &len));
    if (len && len != 2 * s)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu pads for %zu axes", len, s);
    BL_TRY(bl_attr_ints(b, n, "output_shape", a->shape, s, &len));
    a->shaped = len != 0;
    if ((len && len != s) || below(a->stride, s, 1) || below(a->dilation, s, 1) ||
        below(a->extra, s, 0) || below(a->pads, 2 * s, 0) || below(a->shape, s, 0))
        return bl_op_fail(b, n, BLIND_INPUT, "impossible strides, dilations, pads or output");
    return BLIND_OK;
}

static blind_code set_axis(bl_build *b, const bl_node *n, const attributes *a, size_t i, int64_t in,
                           int64_t kernel, bl_window *w, int64_t *out)
{
    const char *mode = bl_attr_str(n, "auto_pad", "NOTSET");
    int64_t     pad[2] = { a->pads[i], a->pads[i + a->spatial] };
    int64_t     wanted = a->shape[i], full, extent;
    size_t      at = 3 - a->spatial + i;
    bool        same = strncmp(mode, "SAME_", 5) == 0, upper = strcmp(mode, "SAME_UPPER") == 0;
    if (in < 1 || kernel < 1 || in > INT32_MAX || kernel > INT32_MAX)
        return bl_op_fail(b, n, BLIND_INPUT, "a window of %lld elements over %lld",
                          (long long)kernel, (long long)in);
    extent = (kernel - 1) * a->dilation[i] + 1; /* each factor below 2^31: no overflow */
    if (__builtin_add_overflow((in - 1) * a->stride[i], extent + a->extra[i], &full))
        return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
    if (same && !a->shaped)
        wanted = in * a->stride[i];
    if (strcmp(mode, "VALID") == 0)
        pad[0] = pad[1] = 0;
    if (same || a->shaped) {
        int64_t total = BL_MAX(full - wanted, 0);
        pad[0] = upper ? total / 2 : total - total / 2;
        pad[1] = total - pad[0];
    } else {
        wanted = full - pad[0] - pad[1];
    }
    if (wanted < 0)
        return bl_op_fail(b, n, BLIND_INPUT, "pads larger than the output");
    w->in[at] = (size_t)wanted;
    w->out[at] = (size_t)in;
    w->kernel[at] = (size_t)kernel;
    w->stride[at] = (size_t)a->stride[i];
    w->dilation[at] = (size_t)a->dilation[i];
    w->pad[at] = (size_t)pad[0];
    *out = wanted;
    return BLIND_OK;
}

static blind_code check(bl_build *b, const bl_node *n, int64_t groups)
{
    const bl_tensor *x = bl_in(b, n, 0), *w = bl_in(b, n, 1);
    for (int i = 0; i < 3; i++)
        BL_TRY(bl_need_real(b, n, i));
    if (x->rank < 3 || w->rank != x->rank)
        return bl_op_fail(b, n, BLIND_INPUT, "an input of %d axes and weights of %d", x->rank,
                          w->rank);
    if (x->rank > 5)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "%d spatial axes", x->rank - 2);
    if (groups < 1 || x->dim[1] % groups != 0 || w->dim[0] != x->dim[1])
        return bl_op_fail(b, n, BLIND_INPUT, "weights of %lld channels for %lld in %lld groups",
                          (long long)w->dim[0], (long long)x->dim[1], (long long)groups);
    return BLIND_OK;
}

/* The 1x1 convolution that makes the columns. */
static blind_code set_columns(bl_build *b, const bl_node *n, transposed *p)
{
    const bl_window *w = &p->window;
    size_t           places = w->out[0] * w->out[1] * w->out[2], all;
    p->taps = w->kernel[0] * w->kernel[1] * w->kernel[2];
    if (!bl_mul(w->channels_in, p->taps, &all) || !bl_mul(all, places, &p->cols_size) ||
        !bl_mul(p->cols_size, sizeof(float), &p->cols_size) || p->cols_size > SIZE_MAX / 2)
        return bl_op_fail(b, n, BLIND_LIMIT, "columns of impossible size");
    p->cols_size = (p->cols_size + 63) & ~(size_t)63;
    p->columns = (bl_window){ .batch = 1,
                              .channels_in = w->channels_out,
                              .channels_out = all,
                              .groups = w->groups,
                              .in = { 1, 1, places },
                              .out = { 1, 1, places },
                              .kernel = { 1, 1, 1 },
                              .stride = { 1, 1, 1 },
                              .dilation = { 1, 1, 1 } };
    return BLIND_OK;
}

blind_code bl_op_conv_transpose_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *w = bl_in(b, n, 1);
    int64_t          groups = bl_attr_int(n, "group", 1), dim[BL_ONNX_RANK], channels;
    attributes       a = { .spatial = (size_t)x->rank - 2 };
    transposed      *p;
    BL_TRY(check(b, n, groups));
    BL_TRY(read_attributes(b, n, &a));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (__builtin_mul_overflow(w->dim[1], groups, &channels))
        return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
    if (bl_has_in(n, 2) && bl_in(b, n, 2)->len != (size_t)channels)
        return bl_op_fail(b, n, BLIND_INPUT, "a bias that is not one number per channel");
    p->window = (bl_window){ .batch = (size_t)x->dim[0],
                             .channels_in = (size_t)channels,
                             .channels_out = (size_t)x->dim[1],
                             .groups = (size_t)groups };
    for (size_t i = 0; i < 3; i++)
        p->window.in[i] = p->window.out[i] = p->window.kernel[i] = p->window.stride[i] =
            p->window.dilation[i] = 1;
    for (size_t i = 0; i < a.spatial; i++)
        BL_TRY(set_axis(b, n, &a, i, x->dim[2 + i], w->dim[2 + i], &p->window, &dim[2 + i]));
    BL_TRY(set_columns(b, n, p));
    n->raw = bl_is_const(b, n, 1) && x->dtype == BLIND_F32 ? 2 : 0;
    dim[0] = x->dim[0];
    dim[1] = channels;
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

/* [in][out per group][taps] to [group][out per group][taps][in per group]. */
static void turn_weights(const transposed *p, const char *from, float *to)
{
    size_t each = p->window.channels_in / p->window.groups * p->taps;
    size_t ins = p->window.channels_out / p->window.groups;
    for (size_t c = 0; c < p->window.channels_out; c++)
        for (size_t i = 0; i < each; i++)
            memcpy(&to[(c / ins * each + i) * ins + c % ins], from + (c * each + i) * sizeof(float),
                   sizeof(float));
}

blind_code bl_op_conv_transpose_prepare(bl_build *b, bl_node *n)
{
    transposed      *p = n->params;
    const bl_tensor *w = bl_in(b, n, 1);
    float           *turned = NULL;
    bl_packed       *packed;
    if (!bl_is_const(b, n, 1) || w->len == 0 || w->dtype != BLIND_F32)
        return BLIND_OK;
    p->weights = bl_store_find(b, n, 0);
    if (!p->weights) {
        turned = bl_stage(b, bl_tensor_size(w));
        if (!turned)
            return bl_op_fail(b, n, BLIND_MEMORY, "no memory to pack weights");
        bl_store_needed(b, w);
        turn_weights(p, w->data, turned);
        BL_TRY(b->kernels->conv_pack(&p->columns, turned, &packed, b->err));
        bl_store_unneeded(b, w);
        BL_TRY(bl_store_keep(b, n, 0, packed, NULL, 0, &p->weights));
    }
    n->scratch = p->cols_size + b->kernels->conv_scratch(&p->columns, p->weights->packed,
                                                         bl_pool_threads(b->pool));
    return BLIND_OK;
}

/* Running.  ---------------------------------------------------------------------------------- */

typedef struct {
    const transposed *p;
    blind_dtype       dtype;
    const char       *x, *w, *bias;
    char             *cols, *out;
} job;

static void start_plane(const job *j, size_t channel, size_t size, void *out)
{
    double value = j->bias ? bl_get(j->dtype, j->bias, channel) : 0;
    for (size_t i = 0; i < size; i++)
        bl_put(j->dtype, out, i, value);
}

static void fold_part(void *arg, size_t channel, int worker)
{
    const job       *j = arg;
    const bl_window *w = &j->p->window;
    size_t           size = w->in[0] * w->in[1] * w->in[2];
    size_t           cols = j->p->taps * w->out[0] * w->out[1] * w->out[2];
    float           *out = (float *)(void *)j->out + channel * size;
    (void)worker;
    start_plane(j, channel, size, out);
    bl_fold_plane(w, BLIND_F32, (const float *)(const void *)j->cols + channel * cols, out);
}

/* Adds one place's value to the elements under its window. */
BL_INLINE void spread(const job *j, blind_dtype dtype, const size_t *at, double v,
                      const void *weights, size_t first, void *out)
{
    const bl_window *w = &j->p->window;
    for (size_t i = 0; i < w->kernel[0]; i++)
        for (size_t k = 0; k < w->kernel[1]; k++)
            for (size_t l = 0; l < w->kernel[2]; l++, first++) {
                size_t z = at[0] * w->stride[0] + i * w->dilation[0] - w->pad[0];
                size_t y = at[1] * w->stride[1] + k * w->dilation[1] - w->pad[1];
                size_t u = at[2] * w->stride[2] + l * w->dilation[2] - w->pad[2];
                if (z >= w->in[0] || y >= w->in[1] || u >= w->in[2])
                    continue; /* negative ones wrapped around */
                size_t to = (z * w->in[1] + y) * w->in[2] + u;
                bl_put(dtype, out, to, bl_get(dtype, out, to) + v * bl_get(dtype, weights, first));
            }
}

BL_INLINE void plain_plane(const job *j, blind_dtype dtype, size_t index)
{
    const bl_window *w = &j->p->window;
    size_t           outs = w->channels_in / w->groups, ins = w->channels_out / w->groups;
    size_t           channel = index % w->channels_in, image = index / w->channels_in;
    size_t           size = w->in[0] * w->in[1] * w->in[2], at[3];
    void            *out = j->out + index * size * blind_dtype_size(dtype);
    start_plane(j, channel, size, out);
    for (size_t c = channel / outs * ins; c < (channel / outs + 1) * ins; c++) {
        size_t from = (image * w->channels_out + c) * w->out[0] * w->out[1] * w->out[2];
        size_t weights = (c * outs + channel % outs) * j->p->taps;
        for (at[0] = 0; at[0] < w->out[0]; at[0]++)
            for (at[1] = 0; at[1] < w->out[1]; at[1]++)
                for (at[2] = 0; at[2] < w->out[2]; at[2]++)
                    spread(j, dtype, at, bl_get(dtype, j->x, from++), j->w, weights, out);
    }
}

static void plain_part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    (void)worker;
    if (j->dtype == BLIND_F32)
        plain_plane(j, BLIND_F32, index);
    else
        plain_plane(j, BLIND_F64, index);
}

blind_code bl_op_conv_transpose_run(const bl_exec *x, const bl_node *n)
{
    const transposed *p = n->params;
    const bl_tensor  *in = bl_arg(x, n, 0), *bias = bl_arg(x, n, 2);
    bl_tensor        *out = bl_result(x, n, 0);
    job               j = { .p = p,
                            .dtype = in->dtype,
                            .x = in->data,
                            .w = bl_arg(x, n, 1)->data,
                            .bias = bias ? bias->data : NULL,
                            .cols = x->scratch,
                            .out = out->data };
    if (out->len == 0)
        return BLIND_OK;
    if (!p->weights) {
        bl_pool_run(x->pool, plain_part, &j, p->window.batch * p->window.channels_in);
        return BLIND_OK;
    }
    bl_conv c = { .window = p->columns,
                  .w = p->weights->packed,
                  .out = (float *)(void *)j.cols,
                  .scratch = j.cols + p->cols_size };
    for (size_t z = 0; z < p->window.batch; z++) {
        c.x = (const float *)in->data + z * (in->len / p->window.batch);
        j.out = (char *)((float *)out->data + z * (out->len / p->window.batch));
        x->kernels->conv(&c, x->pool);
        bl_pool_run(x->pool, fold_part, &j, p->window.channels_in);
    }
    return BLIND_OK;
}
