/* Normalisations.  BatchNormalization beside a convolution is folded into it by fusion; alone it is
 * a scale and a shift per channel, made when planned. */
#include "onnx/families.h"

#include <math.h>

static blind_code need_f32(bl_build *b, const bl_node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (bl_has_in(n, i) && bl_in(b, n, i)->dtype != BLIND_F32)
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                              blind_dtype_name(bl_in(b, n, i)->dtype));
    return BLIND_OK;
}

/* BatchNormalization.  ----------------------------------------------------------------------- */

typedef struct {
    size_t batch, channels, inner;
    float *scale, *shift; /* NULL: computed while running, from inputs that are no constants */
    float  eps;
} batch_norm;

static float element(const bl_tensor *t, size_t i)
{
    float v;
    memcpy(&v, (const char *)t->data + 4 * i, 4);
    return v;
}

blind_code bl_op_batch_norm_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    batch_norm      *p;
    BL_TRY(need_f32(b, n));
    if (x->rank < 2)
        return bl_op_fail(b, n, BLIND_INPUT, "an input without channels");
    for (int i = 1; i < 5; i++)
        if (!bl_has_in(n, i) || bl_in(b, n, i)->len != (size_t)x->dim[1])
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is not one number per channel", i);
    if (bl_attr_int(n, "training_mode", 0) && (bl_has_out(n, 1) || n->opset >= 14))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "training mode");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->batch = (size_t)x->dim[0];
    p->channels = (size_t)x->dim[1];
    p->inner = bl_dims(x, 2, x->rank);
    p->eps = bl_attr_float(n, "epsilon", 1e-5f);
    p->scale = bl_arena_array(b->arena, p->channels + 1, sizeof(float));
    p->shift = bl_arena_array(b->arena, p->channels + 1, sizeof(float));
    if (!p->scale || !p->shift)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    n->inplace = 1;
    n->raw = 0x1e;
    return bl_set_same(b, n);
}

blind_code bl_op_batch_norm_run(const bl_exec *x, const bl_node *n)
{
    const batch_norm *p = n->params;
    bl_tensor        *out = bl_result(x, n, 0);
    for (size_t c = 0; c < p->channels; c++) {
        double gain = (double)element(bl_arg(x, n, 1), c) /
                      sqrt((double)element(bl_arg(x, n, 4), c) + (double)p->eps);
        p->scale[c] = (float)gain;
        p->shift[c] = (float)((double)element(bl_arg(x, n, 2), c) -
                              (double)element(bl_arg(x, n, 3), c) * gain);
    }
    x->kernels->scale_shift(out->data, bl_arg(x, n, 0)->data, p->scale, p->shift, p->batch,
                            p->channels, p->inner, BL_UNARY_NONE, 0, 0, x->pool);
    return BLIND_OK;
}

/* LayerNormalization, also what fusion makes of its ten small nodes.  -------------------------- */

typedef struct {
    size_t rows, width;
    float  eps;
} layer_norm;

blind_code bl_op_layer_norm_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    layer_norm      *p;
    int              axis;
    BL_TRY(need_f32(b, n));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", -1), x->rank, &axis));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->rows = bl_dims(x, 0, axis);
    p->width = bl_dims(x, axis, x->rank);
    p->eps = bl_attr_float(n, "epsilon", 1e-5f);
    if (bl_in(b, n, 1)->len != p->width || (bl_has_in(n, 2) && bl_in(b, n, 2)->len != p->width))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a scale or bias that is broadcast");
    if (bl_has_out(n, 1) || bl_has_out(n, 2))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "mean or deviation as output");
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_op_layer_norm_run(const bl_exec *x, const bl_node *n)
{
    const layer_norm *p = n->params;
    const bl_tensor  *bias = bl_arg(x, n, 2);
    bl_tensor        *out = bl_result(x, n, 0);
    if (out->len)
        x->kernels->layer_norm(out->data, bl_arg(x, n, 0)->data, bl_arg(x, n, 1)->data,
                               bias ? bias->data : NULL, p->rows, p->width, p->eps, x->pool);
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
    BL_TRY(need_f32(b, n));
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
    const float      *x, *scale, *bias;
    float            *out;
} group_task;

static void normalise_group(void *arg, size_t index, int worker)
{
    const group_task *t = arg;
    const group_norm *p = t->p;
    size_t            channels = p->channels / p->groups, len = channels * p->inner;
    size_t            group = index % p->groups;
    const float      *x = t->x + index * len;
    float            *out = t->out + index * len;
    double            mean = 0, variance = 0;
    (void)worker;
    for (size_t i = 0; i < len; i++)
        mean += (double)x[i];
    mean /= (double)len;
    for (size_t i = 0; i < len; i++)
        variance += ((double)x[i] - mean) * ((double)x[i] - mean);
    double inverse = 1 / sqrt(variance / (double)len + (double)p->eps);
    for (size_t c = 0; c < channels; c++) {
        size_t at = p->per_group ? group : group * channels + c;
        float  scale = (float)((double)t->scale[at] * inverse);
        float  shift = (float)((double)t->bias[at] - mean * inverse * (double)t->scale[at]);
        for (size_t i = c * p->inner; i < (c + 1) * p->inner; i++)
            out[i] = x[i] * scale + shift;
    }
}

blind_code bl_op_group_norm_run(const bl_exec *x, const bl_node *n)
{
    const group_norm *p = n->params;
    group_task        t = { .p = p,
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
    int *p;
    BL_TRY(need_f32(b, n));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", -1), bl_in(b, n, 0)->rank, p));
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_op_lp_norm_run(const bl_exec *x, const bl_node *n)
{
    int              axis = *(const int *)n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    const float     *from = in->data;
    float           *to = bl_result(x, n, 0)->data;
    size_t           inner = bl_dims(in, axis + 1, in->rank), size = (size_t)in->dim[axis];
    bool             absolute = bl_attr_int(n, "p", 2) == 1;
    for (size_t i = 0; size && i < in->len / size; i++) {
        size_t base = i / inner * size * inner + i % inner;
        double sum = 0;
        for (size_t j = 0; j < size; j++) {
            double v = (double)from[base + j * inner];
            sum += absolute ? fabs(v) : v * v;
        }
        double norm = absolute ? sum : sqrt(sum);
        for (size_t j = 0; j < size; j++)
            to[base + j * inner] = norm == 0 ? 0 : (float)((double)from[base + j * inner] / norm);
    }
    return BLIND_OK;
}
