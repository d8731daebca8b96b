/* Normalisations.  BatchNormalization beside a convolution is folded into it by fusion; alone it is
 * a scale and a shift per channel.  F32 runs the kernel table where that has the form; F64 and what
 * is rarer run plain loops. */
#include "onnx/element.h"
#include "onnx/families.h"

#include <math.h>

static blind_code need_reals(bl_build *b, const bl_node *n)
{
    for (int i = 0; i < n->n_in; i++)
        BL_TRY(bl_need_real(b, n, i));
    return BLIND_OK;
}

/* BatchNormalization.  ----------------------------------------------------------------------- */

typedef struct {
    size_t batch, channels, inner;
    float *scale, *shift; /* of F32 */
    float  eps, momentum;
    bool   training; /* mean and variance are the input's own */
} batch_norm;

/* Any number, at any address. */
static double element(const bl_tensor *t, size_t i)
{
    double v = 0;
    bl_tensor_number(t, i, &v);
    return v;
}

/* Outputs 1 and 2 of training: the running mean and variance, moved towards the input's. */
static blind_code running_outputs(bl_build *b, const bl_node *n)
{
    for (int i = 1; i < 3; i++) {
        const bl_tensor *t = bl_in(b, n, i + 2);
        BL_TRY(bl_set_out(b, n, i, t->dtype, t->rank, t->dim));
    }
    for (int i = 3; i < 5; i++)
        if (bl_has_out(n, i))
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "saved statistics as output");
    return BLIND_OK;
}

blind_code bl_op_batch_norm_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    batch_norm      *p;
    BL_TRY(need_reals(b, n));
    if (x->rank < 2)
        return bl_op_fail(b, n, BLIND_INPUT, "an input without channels");
    for (int i = 1; i < 5; i++)
        if (!bl_has_in(n, i) || bl_in(b, n, i)->len != (size_t)x->dim[1])
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is not one number per channel", i);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->batch = (size_t)x->dim[0];
    p->channels = (size_t)x->dim[1];
    p->inner = bl_dims(x, 2, x->rank);
    p->eps = bl_attr_float(n, "epsilon", 1e-5f);
    p->momentum = bl_attr_float(n, "momentum", 0.9f);
    p->training = n->opset >= 14 ? bl_attr_int(n, "training_mode", 0) != 0 : bl_has_out(n, 1);
    if ((n->opset < 14 && p->training) || bl_attr_int(n, "spatial", 1) == 0)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "statistics as output, or of each element");
    p->scale = bl_arena_array(b->arena, p->channels + 1, sizeof(float));
    p->shift = bl_arena_array(b->arena, p->channels + 1, sizeof(float));
    if (!p->scale || !p->shift)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    BL_TRY(running_outputs(b, n));
    n->inplace = p->training ? 0 : 1;
    n->raw = 0x1e;
    return bl_set_same(b, n);
}

/* Mean and variance of a channel of the input. */
static void channel_moments(const batch_norm *p, const bl_tensor *x, size_t c, double *mean,
                            double *variance)
{
    double sum = 0, squares = 0, count = (double)(p->batch * p->inner);
    for (size_t z = 0; z < p->batch; z++)
        for (size_t i = 0; i < p->inner; i++)
            sum += bl_get(x->dtype, x->data, (z * p->channels + c) * p->inner + i);
    *mean = sum / count;
    for (size_t z = 0; z < p->batch; z++)
        for (size_t i = 0; i < p->inner; i++) {
            double v = bl_get(x->dtype, x->data, (z * p->channels + c) * p->inner + i) - *mean;
            squares += v * v;
        }
    *variance = squares / count;
}

static void put_running(const batch_norm *p, const bl_tensor *before, bl_tensor *after, size_t c,
                        double now)
{
    double momentum = (double)p->momentum;
    if (after)
        bl_put(after->dtype, after->data, c, element(before, c) * momentum + now * (1 - momentum));
}

/* y = x * gain + shift over one channel, in any type. */
static void scale_channel(const batch_norm *p, const bl_tensor *x, bl_tensor *out, size_t c,
                          double gain, double shift)
{
    for (size_t z = 0; z < p->batch; z++)
        for (size_t i = 0; i < p->inner; i++) {
            size_t at = (z * p->channels + c) * p->inner + i;
            bl_put(out->dtype, out->data, at, bl_get(x->dtype, x->data, at) * gain + shift);
        }
}

blind_code bl_op_batch_norm_run(const bl_exec *x, const bl_node *n)
{
    const batch_norm *p = n->params;
    const bl_tensor  *in = bl_arg(x, n, 0);
    bl_tensor        *out = bl_result(x, n, 0);
    for (size_t c = 0; c < p->channels; c++) {
        double mean = element(bl_arg(x, n, 3), c), variance = element(bl_arg(x, n, 4), c);
        if (p->training) {
            channel_moments(p, in, c, &mean, &variance);
            put_running(p, bl_arg(x, n, 3), bl_result(x, n, 1), c, mean);
            put_running(p, bl_arg(x, n, 4), bl_result(x, n, 2), c, variance);
        }
        double gain = element(bl_arg(x, n, 1), c) / sqrt(variance + (double)p->eps);
        double shift = element(bl_arg(x, n, 2), c) - mean * gain;
        p->scale[c] = (float)gain;
        p->shift[c] = (float)shift;
        if (out->dtype != BLIND_F32)
            scale_channel(p, in, out, c, gain, shift);
    }
    if (out->dtype == BLIND_F32)
        x->kernels->scale_shift(out->data, in->data, p->scale, p->shift, p->batch, p->channels,
                                p->inner, BL_UNARY_NONE, 0, 0, x->pool);
    return BLIND_OK;
}

/* LayerNormalization, also what fusion makes of its ten small nodes.  -------------------------- */

typedef struct {
    size_t  rows, width;
    float   eps;
    bool    plain;
    bl_walk walk; /* over scale and bias, as broadcast to the input */
} layer_norm;

/* Whether t, input i, broadcasts to x without changing its shape. */
static bool broadcasts_to(const bl_tensor *t, const bl_tensor *x)
{
    bl_tensor both = { .dtype = x->dtype };
    return bl_broadcast_shape(x, t, &both) && both.rank == x->rank && both.len == x->len;
}

blind_code bl_op_layer_norm_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *scale = bl_in(b, n, 1), *bias = bl_in(b, n, 2);
    int64_t          dim[BL_ONNX_RANK];
    layer_norm      *p;
    int              axis;
    BL_TRY(need_reals(b, n));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", -1), x->rank, &axis));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->rows = bl_dims(x, 0, axis);
    p->width = bl_dims(x, axis, x->rank);
    p->eps = bl_attr_float(n, "epsilon", 1e-5f);
    bool whole = scale->len == p->width && (!bias || bias->len == p->width);
    p->plain = x->dtype != BLIND_F32 || !whole || bl_has_out(n, 1) || bl_has_out(n, 2);
    if (p->plain) {
        if (!broadcasts_to(scale, x) || (bias && !broadcasts_to(bias, x)))
            return bl_op_fail(b, n, BLIND_INPUT, "a scale or bias that does not broadcast");
        bl_walk_init(&p->walk, x, (const bl_tensor *[]){ scale, bias ? bias : scale }, 2);
    }
    for (int i = 0; i < x->rank; i++)
        dim[i] = i < axis ? x->dim[i] : 1;
    BL_TRY(bl_set_out(b, n, 1, x->dtype, x->rank, dim));
    BL_TRY(bl_set_out(b, n, 2, x->dtype, x->rank, dim));
    n->inplace = 1;
    return bl_set_same(b, n);
}

static void layer_norm_row(const layer_norm *p, const bl_tensor *x, bl_tensor *out, size_t row,
                           bl_tensor *means, bl_tensor *inverses)
{
    double mean = 0, variance = 0;
    size_t from = row * p->width;
    for (size_t i = from; i < from + p->width; i++)
        mean += bl_get(x->dtype, x->data, i);
    mean /= (double)p->width;
    for (size_t i = from; i < from + p->width; i++) {
        double v = bl_get(x->dtype, x->data, i) - mean;
        variance += v * v;
    }
    double inverse = 1 / sqrt(variance / (double)p->width + (double)p->eps);
    for (size_t i = from; i < from + p->width; i++)
        bl_put(out->dtype, out->data, i, (bl_get(x->dtype, x->data, i) - mean) * inverse);
    if (means)
        bl_put(means->dtype, means->data, row, mean);
    if (inverses)
        bl_put(inverses->dtype, inverses->data, row, inverse);
}

/* out = out * scale + bias, both as the walk broadcasts them. */
static void scale_and_shift(const bl_walk *w, bl_tensor *out, const bl_tensor *scale,
                            const bl_tensor *bias)
{
    size_t index[BL_ONNX_RANK] = { 0 }, at[2] = { 0 };
    for (size_t i = 0; i < out->len; i++) {
        double v = bl_get(out->dtype, out->data, i) * bl_get(scale->dtype, scale->data, at[0]);
        bl_put(out->dtype, out->data, i, v + (bias ? bl_get(bias->dtype, bias->data, at[1]) : 0));
        for (int d = w->rank - 1; d >= 0; d--) {
            for (int k = 0; k < 2; k++)
                at[k] += w->stride[k][d];
            if (++index[d] < w->shape[d])
                break;
            for (int k = 0; k < 2; k++)
                at[k] -= w->stride[k][d] * w->shape[d];
            index[d] = 0;
        }
    }
}

blind_code bl_op_layer_norm_run(const bl_exec *x, const bl_node *n)
{
    const layer_norm *p = n->params;
    const bl_tensor  *scale = bl_arg(x, n, 1), *bias = bl_arg(x, n, 2), *in = bl_arg(x, n, 0);
    bl_tensor        *out = bl_result(x, n, 0);
    if (out->len == 0)
        return BLIND_OK;
    if (!p->plain) {
        x->kernels->layer_norm(out->data, in->data, scale->data, bias ? bias->data : NULL, p->rows,
                               p->width, p->eps, x->pool);
        return BLIND_OK;
    }
    for (size_t row = 0; row < p->rows; row++)
        layer_norm_row(p, in, out, row, bl_result(x, n, 1), bl_result(x, n, 2));
    scale_and_shift(&p->walk, out, scale, bias);
    return BLIND_OK;
}

/* InstanceNormalization and GroupNormalization: rows of a channel or of a group of them.  -------
 */

typedef struct {
    size_t batch, channels, groups, inner;
    float  eps;
    bool   per_group; /* scale and bias: GroupNormalization of opset 18 */
} group_norm;

static blind_code infer_groups(bl_build *b, bl_node *n, int64_t groups, bool per_group)
{
    const bl_tensor *x = bl_in(b, n, 0);
    group_norm      *p;
    BL_TRY(need_reals(b, n));
    if (x->rank < 2 || groups < 1 || x->dim[1] % groups != 0)
        return bl_op_fail(b, n, BLIND_INPUT, "%lld groups of channels", (long long)groups);
    size_t wanted = (size_t)(per_group ? groups : x->dim[1]);
    if (bl_in(b, n, 1)->len != wanted || bl_in(b, n, 2)->len != wanted)
        return bl_op_fail(b, n, BLIND_INPUT, "scale and bias are not %zu numbers", wanted);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = (group_norm){ .batch = (size_t)x->dim[0],
                       .channels = (size_t)x->dim[1],
                       .groups = (size_t)groups,
                       .inner = bl_dims(x, 2, x->rank),
                       .eps = bl_attr_float(n, "epsilon", 1e-5f),
                       .per_group = per_group };
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_op_instance_norm_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    return infer_groups(b, n, x->rank < 2 ? 0 : x->dim[1], false);
}

blind_code bl_op_group_norm_infer(bl_build *b, bl_node *n)
{
    return infer_groups(b, n, bl_attr_int(n, "num_groups", 0), n->opset < 21);
}

typedef struct {
    const group_norm *p;
    blind_dtype       dtype;
    const void       *x, *scale, *bias;
    void             *out;
} group_task;

#define SUMS 8 /* side by side: one alone would wait for each addition */

/* The sum of x[i] - mean or of its squares over `len` elements. */
BL_INLINE double moment(blind_dtype dtype, const void *x, size_t from, size_t len, double mean,
                        bool squared)
{
    double sum[SUMS] = { 0 }, total = 0;
    size_t i = 0;
    for (; i + SUMS <= len; i += SUMS)
        for (size_t k = 0; k < SUMS; k++) {
            double v = bl_get(dtype, x, from + i + k) - mean;
            sum[k] += squared ? v * v : v;
        }
    for (; i < len; i++) {
        double v = bl_get(dtype, x, from + i) - mean;
        total += squared ? v * v : v;
    }
    for (size_t k = 0; k < SUMS; k++)
        total += sum[k];
    return total;
}

BL_INLINE void normalise(const group_task *t, blind_dtype dtype, size_t index)
{
    const group_norm *p = t->p;
    size_t            channels = p->channels / p->groups, len = channels * p->inner;
    size_t            group = index % p->groups, from = index * len;
    double            mean = moment(dtype, t->x, from, len, 0, false) / (double)len;
    double            variance = moment(dtype, t->x, from, len, mean, true);
    double            inverse = 1 / sqrt(variance / (double)len + (double)p->eps);
    for (size_t c = 0; c < channels; c++) {
        size_t at = p->per_group ? group : group * channels + c;
        double scale = bl_get(dtype, t->scale, at) * inverse;
        double shift = bl_get(dtype, t->bias, at) - mean * scale;
        for (size_t i = from + c * p->inner; i < from + (c + 1) * p->inner; i++)
            bl_put(dtype, t->out, i, bl_get(dtype, t->x, i) * scale + shift);
    }
}

static void normalise_group(void *arg, size_t index, int worker)
{
    const group_task *t = arg;
    (void)worker;
    if (t->dtype == BLIND_F32)
        normalise(t, BLIND_F32, index);
    else
        normalise(t, BLIND_F64, index);
}

blind_code bl_op_group_norm_run(const bl_exec *x, const bl_node *n)
{
    const group_norm *p = n->params;
    group_task        t = { .p = p,
                            .dtype = bl_arg(x, n, 0)->dtype,
                            .x = bl_arg(x, n, 0)->data,
                            .scale = bl_arg(x, n, 1)->data,
                            .bias = bl_arg(x, n, 2)->data,
                            .out = bl_result(x, n, 0)->data };
    if (bl_result(x, n, 0)->len)
        bl_pool_run(x->pool, normalise_group, &t, p->batch * p->groups);
    return BLIND_OK;
}

blind_code bl_op_instance_norm_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_group_norm_run(x, n);
}

/* LpNormalization.  -------------------------------------------------------------------------- */

blind_code bl_op_lp_norm_infer(bl_build *b, bl_node *n)
{
    int    *p;
    int64_t order = bl_attr_int(n, "p", 2);
    BL_TRY(need_reals(b, n));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (order != 1 && order != 2)
        return bl_op_fail(b, n, BLIND_INPUT, "a norm of order %lld", (long long)order);
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", -1), bl_in(b, n, 0)->rank, p));
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_op_lp_norm_run(const bl_exec *x, const bl_node *n)
{
    int              axis = *(const int *)n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           inner = bl_dims(in, axis + 1, in->rank), size = (size_t)in->dim[axis];
    bool             absolute = bl_attr_int(n, "p", 2) == 1;
    for (size_t i = 0; size && i < in->len / size; i++) {
        size_t base = i / inner * size * inner + i % inner;
        double sum = 0;
        for (size_t j = 0; j < size; j++) {
            double v = bl_get(in->dtype, in->data, base + j * inner);
            sum += absolute ? fabs(v) : v * v;
        }
        double norm = absolute ? sum : sqrt(sum);
        for (size_t j = 0; j < size; j++) {
            double v = bl_get(in->dtype, in->data, base + j * inner);
            bl_put(out->dtype, out->data, base + j * inner, norm == 0 ? 0 : v / norm);
        }
    }
    return BLIND_OK;
}
