/* Conv.  Constant weights are packed once, with the BatchNormalization that follows folded in;
 * others run plain loops. */
#include "onnx/conv_plain.h"
#include "onnx/heavy.h"
#include "onnx/window.h"

#include <math.h>
#include <stdlib.h>

blind_code bl_op_conv_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *w = bl_in(b, n, 1);
    int64_t          dim[BL_ONNX_RANK];
    bl_conv_params  *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    for (int i = 0; i < 3; i++)
        BL_TRY(bl_need_real(b, n, i));
    if (x->rank < 3 || w->rank != x->rank)
        return bl_op_fail(b, n, BLIND_INPUT, "an input of %d axes and weights of %d", x->rank,
                          w->rank);
    int64_t groups = bl_attr_int(n, "group", 1);
    if (groups < 1 || x->dim[1] % groups != 0 || w->dim[0] % groups != 0 ||
        w->dim[1] != x->dim[1] / groups)
        return bl_op_fail(
            b, n, BLIND_INPUT, "weights [%lld, %lld] for %lld channels in %lld groups",
            (long long)w->dim[0], (long long)w->dim[1], (long long)x->dim[1], (long long)groups);
    if (bl_has_in(n, 2) && bl_in(b, n, 2)->len != (size_t)w->dim[0])
        return bl_op_fail(b, n, BLIND_INPUT, "a bias that is not one number per channel");
    BL_TRY(bl_window_of(b, n, w->dim + 2, &p->window, dim, NULL));
    p->window.channels_out = (size_t)w->dim[0];
    p->window.groups = (size_t)groups;
    p->add_in = -1;
    n->raw = bl_is_const(b, n, 1) && x->dtype == BLIND_F32 ? 2 : 0;
    dim[0] = x->dim[0];
    dim[1] = w->dim[0];
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

/* Packing.  ---------------------------------------------------------------------------------- */

static float number(const bl_build *b, const bl_node *n, int i, size_t at)
{
    float v;
    memcpy(&v, (const char *)bl_in(b, n, i)->data + 4 * at, 4);
    return v;
}

/* What each output channel's weights are multiplied by, and the bias that goes with them. */
static void fold(const bl_build *b, const bl_node *n, const bl_conv_params *p, double *gain,
                 float *bias)
{
    const bl_node *norm = p->norm;
    double         factor = p->factor != 0 ? p->factor : 1;
    double         eps = norm ? (double)bl_attr_float(norm, "epsilon", 1e-5f) : 0;
    for (size_t c = 0; c < p->window.channels_out; c++) {
        double shift = bl_has_in(n, 2) ? (double)number(b, n, 2, c) : 0;
        gain[c] = factor;
        if (norm) {
            gain[c] *= (double)number(b, norm, 1, c) / sqrt((double)number(b, norm, 4, c) + eps);
            shift -= (double)number(b, norm, 3, c);
        }
        shift *= gain[c];
        if (norm)
            shift += (double)number(b, norm, 2, c) * factor;
        bias[c] = (float)shift;
    }
}

/* The weights as floats that may be read where they lie. */
static blind_code open_weights(bl_build *b, const bl_node *n, const double *gain, size_t channels,
                               const float **out)
{
    const bl_tensor *w = bl_in(b, n, 1);
    *out = w->data;
    bl_store_needed(b, w);
    if (!gain && (uintptr_t)w->data % sizeof(float) == 0)
        return BLIND_OK;
    float *copy = bl_stage(b, bl_tensor_size(w));
    if (!copy)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory to pack weights");
    memcpy(copy, w->data, bl_tensor_size(w));
    for (size_t i = 0; gain && i < w->len; i++)
        copy[i] = (float)((double)copy[i] * gain[i / (w->len / channels)]);
    *out = copy;
    return BLIND_OK;
}

static blind_code pack_weights(bl_build *b, const bl_node *n, const bl_conv_params *p, bool chain,
                               const double *gain, bl_packed **out)
{
    const bl_tensor  *w = bl_in(b, n, 1);
    const bl_kernels *k = b->kernels;
    bl_filters        filters = { w->data, gain, bl_store_reading(b) };
    const float      *data;
    *out = NULL;
    if (!chain && k->conv_pack_filters)
        BL_TRY(k->conv_pack_filters(&p->window, &filters, b->packing, out, b->err));
    if (*out)
        return BLIND_OK;
    BL_TRY(open_weights(b, n, gain, p->window.channels_out, &data));
    return (chain ? k->chain_pack : k->conv_pack)(&p->window, data, out, b->err);
}

static blind_code pack(bl_build *b, const bl_node *n, bl_conv_params *p, bool chain)
{
    bl_auto_free double *gain = NULL;
    bl_auto_free float  *bias = NULL;
    bl_packed           *packed;
    size_t               channels = p->window.channels_out;
    bool                 folded = p->norm || p->factor != 0;
    int                  variant = (p->norm ? 1 : 0) + (chain ? 2 : 0) + (p->factor != 0 ? 4 : 0);
    p->weights = bl_store_find(b, n, variant);
    if (p->weights)
        return BLIND_OK;
    if (folded) {
        gain = calloc(channels + 1, sizeof *gain);
        bias = calloc(channels + 1, sizeof *bias);
        if (!gain || !bias)
            return bl_op_fail(b, n, BLIND_MEMORY, "no memory to pack weights");
        fold(b, n, p, gain, bias);
    }
    BL_TRY(pack_weights(b, n, p, chain, gain, &packed));
    bl_store_unneeded(b, bl_in(b, n, 1));
    return bl_store_keep(b, n, variant, packed, bias, channels, &p->weights);
}

/* Chains.  ----------------------------------------------------------------------------------- */

static const float *bias_of(const bl_tensor *tensors, const bl_node *n)
{
    const bl_conv_params *p = n->params;
    if (p->weights->bias)
        return p->weights->bias;
    return bl_has_in(n, 2) ? tensors[n->in[2]].data : NULL;
}

/* What all runs of a chain have in common. */
static bl_chain chain_of(const bl_tensor *tensors, const bl_node *n)
{
    const bl_conv_params *last = n->params;
    const bl_node        *nodes[] = { last->first, last->filter, n };
    bl_chain              c = { 0 };
    for (int i = 0; i < 3; i++) {
        const bl_conv_params *p = nodes[i] ? nodes[i]->params : NULL;
        if (!p)
            continue;
        c.window[i] = p->window;
        c.epilogue[i] = p->epilogue;
        c.epilogue[i].bias = bias_of(tensors, nodes[i]);
        c.w[i] = p->weights->packed;
    }
    return c;
}

static blind_code prepare_chain(bl_build *b, bl_node *n)
{
    bl_conv_params *last = n->params;
    const bl_node  *nodes[] = { last->first, last->filter, n };
    for (int i = 0; i < 3; i++) {
        if (!nodes[i])
            continue;
        BL_TRY(pack(b, nodes[i], nodes[i]->params, true));
        if (bl_has_in(nodes[i], 2))
            BL_TRY(bl_align_value(b, nodes[i]->in[2]));
    }
    bl_chain c = chain_of(b->graph->tensors, n);
    n->scratch = b->kernels->chain_scratch(&c, bl_pool_threads(b->pool));
    return BLIND_OK;
}

static void run_chain(const bl_exec *x, const bl_node *n)
{
    const bl_conv_params *p = n->params;
    bl_chain              c = chain_of(x->tensors, n);
    c.x = bl_arg(x, n, 0)->data;
    c.out = bl_result(x, n, 0)->data;
    c.scratch = x->scratch;
    if (p->add_in >= 0)
        c.epilogue[2].add = bl_arg(x, n, p->add_in)->data;
    x->kernels->chain(&c, x->pool);
}

blind_code bl_op_conv_prepare(bl_build *b, bl_node *n)
{
    bl_conv_params *p = n->params;
    if (p->filter)
        return prepare_chain(b, n);
    if (!bl_is_const(b, n, 1) || bl_in(b, n, 1)->len == 0 || bl_in(b, n, 1)->dtype != BLIND_F32)
        return BLIND_OK;
    BL_TRY(pack(b, n, p, false));
    n->scratch = b->kernels->conv_scratch(&p->window, p->weights->packed, bl_pool_threads(b->pool));
    return BLIND_OK;
}

/* Running.  ---------------------------------------------------------------------------------- */

blind_code bl_op_conv_run(const bl_exec *x, const bl_node *n)
{
    const bl_conv_params *p = n->params;
    const bl_tensor      *bias = bl_arg(x, n, 2);
    bl_tensor            *out = bl_result(x, n, 0);
    if (out->len == 0)
        return BLIND_OK;
    if (p->filter) {
        run_chain(x, n);
        return BLIND_OK;
    }
    if (!p->weights) {
        bl_conv_plain(&p->window, out->dtype, bl_arg(x, n, 0)->data, bl_arg(x, n, 1)->data,
                      bias ? bias->data : NULL, out->data, x->pool);
        return BLIND_OK;
    }
    bl_conv c = { .window = p->window,
                  .x = bl_arg(x, n, 0)->data,
                  .w = p->weights->packed,
                  .out = out->data,
                  .epilogue = p->epilogue,
                  .scratch = x->scratch };
    c.epilogue.bias = p->weights->bias ? p->weights->bias : bias ? bias->data : NULL;
    if (p->add_in >= 0)
        c.epilogue.add = bl_arg(x, n, p->add_in)->data;
    x->kernels->conv(&c, x->pool);
    return BLIND_OK;
}
