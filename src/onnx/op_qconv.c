/* Convolutions of 8-bit integers: ConvInteger, QLinearConv.  Constant weights are packed once;
 * others run plain loops, which say what is meant. Source: ONNX operators of these names. */
#include "onnx/integer.h"
#include "onnx/number.h"
#include "onnx/window.h"

#include <math.h>
#include <stdlib.h>

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

static bool fits(const bl_tensor *t, size_t lines)
{
    return !t || t->len == 1 || t->len == lines;
}

/* Convolutions.  ----------------------------------------------------------------------------- */

/* Checking.  --------------------------------------------------------------------------------- */

static const bl_integer_roles integer_roles = { 0, 1, -1, 2, -1, 3, -1, -1, -1, -1 };
static const bl_integer_roles linear_roles = { 0, 3, 1, 2, 4, 5, 6, 7, 8, -1 };

static bool is_fused(const bl_node *n)
{
    return strcmp(n->domain, "blind") == 0;
}

/* Sums, or bytes as the zero point is; fusion's without one are floats. */
static blind_dtype type_of(const bl_build *b, const bl_node *n, const bl_integer_roles *r)
{
    if (r->y_scale < 0)
        return BLIND_I32;
    if (is_fused(n) && !bl_has_in(n, r->y_scale))
        return BLIND_F32;
    const bl_tensor *end = bl_in(b, n, BL_QCONV_END_ZERO), *zero = bl_in(b, n, r->y_zero);
    return end ? end->dtype : zero ? zero->dtype : BLIND_U8;
}

static blind_code check_types(bl_build *b, const bl_node *n, const bl_integer_conv *p,
                              blind_dtype type)
{
    const bl_integer_roles *r = &p->in;
    const bl_tensor        *x = bl_in(b, n, r->a), *w = bl_in(b, n, r->b);
    const bl_tensor        *zero = bl_role_in(b, n, r->a_zero), *bias = bl_role_in(b, n, r->bias);
    bool                    good = is_byte(x) && is_byte(w) && (!zero || zero->dtype == x->dtype);
    if (bias && bias->dtype != BLIND_I32)
        good = good && is_fused(n) && bias->dtype == BLIND_F32;
    if (r->y_scale >= 0 && type != BLIND_F32)
        good = good && (type == BLIND_U8 || type == BLIND_I8);
    for (int i = 0; i < 3; i++) {
        const int        scales[] = { r->a_scale, r->b_scale, r->y_scale };
        const bl_tensor *scale = bl_role_in(b, n, scales[i]);
        good = good && (!scale || bl_is_float(scale->dtype));
    }
    return good ? BLIND_OK
                : bl_op_fail(b, n, BLIND_UNSUPPORTED,
                             "elements of types %s and %s, or others beside them",
                             blind_dtype_name(x->dtype), blind_dtype_name(w->dtype));
}

static bool is_one(const bl_build *b, const bl_node *n, int i)
{
    const bl_tensor *t = bl_role_in(b, n, i);
    return !t || t->len == 1;
}

static blind_code check_shapes(bl_build *b, const bl_node *n, const bl_integer_roles *r,
                               int64_t groups)
{
    const bl_tensor *x = bl_in(b, n, r->a), *w = bl_in(b, n, r->b);
    if (x->rank < 3 || w->rank != x->rank || groups < 1 || x->dim[1] % groups ||
        w->dim[0] % groups || w->dim[1] != x->dim[1] / groups)
        return bl_op_fail(b, n, BLIND_INPUT, "weights that do not fit the input");
    size_t           channels = (size_t)w->dim[0];
    const bl_tensor *bias = bl_role_in(b, n, r->bias);
    if ((bias && bias->len != channels) || !fits(bl_role_in(b, n, r->b_scale), channels) ||
        !fits(bl_role_in(b, n, r->b_zero), channels))
        return bl_op_fail(b, n, BLIND_INPUT, "what is not one number for each channel");
    if (!is_one(b, n, r->a_scale) || !is_one(b, n, r->a_zero) || !is_one(b, n, r->y_scale) ||
        !is_one(b, n, r->y_zero))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "what is not one number for the image");
    return BLIND_OK;
}

/* Whether an input is left out, or a constant of the model. */
static bool is_given(const bl_build *b, const bl_node *n, int i)
{
    return i < 0 || !bl_has_in(n, i) || (bl_is_const(b, n, i) && !bl_is_derived(b, n, i));
}

static bool is_packable(const bl_build *b, const bl_node *n, const bl_integer_roles *r)
{
    const int given[] = { r->b, r->b_zero, r->a_scale, r->b_scale, r->y_scale, r->y_zero, r->bias };
    bool      all = bl_in(b, n, r->b)->len > 0;
    for (size_t i = 0; i < BL_LEN(given); i++)
        all = all && is_given(b, n, given[i]);
    return all;
}

blind_code bl_op_qconv_infer(bl_build *b, bl_node *n)
{
    int64_t          dim[BL_ONNX_RANK], groups = bl_attr_int(n, "group", 1);
    bl_integer_conv *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->in = n->n_in > 4 ? linear_roles : integer_roles;
    const bl_tensor *x = bl_in(b, n, p->in.a), *w = bl_in(b, n, p->in.b), *zero;
    blind_dtype      type = type_of(b, n, &p->in);
    BL_TRY(check_types(b, n, p, type));
    BL_TRY(check_shapes(b, n, &p->in, groups));
    BL_TRY(bl_window_of(b, n, w->dim + 2, &p->window, dim, NULL));
    p->window.channels_out = (size_t)w->dim[0];
    p->window.groups = (size_t)groups;
    p->low = type == BLIND_I8 ? INT8_MIN : 0;
    p->high = type == BLIND_I8 ? INT8_MAX : UINT8_MAX;
    zero = bl_role_in(b, n, p->in.y_zero);
    p->mid_low = zero && zero->dtype == BLIND_I8 ? INT8_MIN : 0;
    p->mid_high = zero && zero->dtype == BLIND_I8 ? INT8_MAX : UINT8_MAX;
    p->bytes = is_packable(b, n, &p->in) ? bl_bytes_for(b->kernels->isa) : NULL;
    n->raw = p->bytes ? 1u << p->in.b : 0;
    n->scratch = p->window.out[0] * p->window.out[1] * p->window.out[2] * sizeof(int32_t);
    dim[0] = x->dim[0];
    dim[1] = w->dim[0];
    return bl_set_out(b, n, 0, type, x->rank, dim);
}

bl_integer_conv *bl_integer_conv_of(const bl_node *n)
{
    bl_integer_conv *p = n->op->run == bl_op_qconv_run && is_fused(n) ? n->params : NULL;
    return p && p->bytes ? p : NULL;
}

/* Packing.  ---------------------------------------------------------------------------------- */

static float number_in(const bl_build *b, const bl_node *n, int i)
{
    return (float)bl_number_or_0(bl_role_in(b, n, i), 0);
}

/* Scales of every channel, and the bias. */
static blind_code set_channels(bl_build *b, const bl_node *n, bl_integer_conv *p)
{
    const bl_integer_roles *r = &p->in;
    size_t                  channels = p->window.channels_out;
    const bl_tensor        *bias = bl_role_in(b, n, r->bias);
    float                  *scale = bl_arena_array(b->arena, channels + 1, sizeof *scale);
    float                  *shift = bl_arena_array(b->arena, channels + 1, sizeof *shift);
    int32_t                *whole = bl_arena_array(b->arena, channels + 1, sizeof *whole);
    float                   y_scale = bl_has_in(n, r->y_scale) ? number_in(b, n, r->y_scale) : 1;
    if (!scale || !shift || !whole)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    for (size_t c = 0; c < channels; c++) {
        float of_w = (float)bl_number_or_0(bl_role_in(b, n, r->b_scale), c);
        scale[c] = number_in(b, n, r->a_scale) * of_w / y_scale;
        if (bias && bias->dtype == BLIND_F32)
            shift[c] = (float)bl_number_or_0(bias, c) / y_scale;
        else if (bias)
            whole[c] = (int32_t)bl_number_or_0(bias, c);
    }
    p->finish.scale = scale;
    p->finish.bias = bias && bias->dtype == BLIND_I32 ? whole : NULL;
    p->finish.shift = bias && bias->dtype == BLIND_F32 ? shift : NULL;
    return BLIND_OK;
}

/* What sums become. */
static blind_code set_finish(bl_build *b, const bl_node *n, bl_integer_conv *p)
{
    bl_bytes_finish *f = &p->finish;
    float            act_a = f->a, act_b = f->b;
    bl_unary         act = f->act;
    *f = (bl_bytes_finish){ .to = BL_BYTES_SUMS, .times = 1, .act = act, .a = act_a, .b = act_b };
    if (p->in.y_scale < 0)
        return BLIND_OK;
    BL_TRY(set_channels(b, n, p));
    f->to = bl_out(b, n, 0)->dtype == BLIND_F32 ? BL_BYTES_FLOATS : BL_BYTES_BYTES;
    if (f->to == BL_BYTES_FLOATS)
        return BLIND_OK;
    f->zero = (int32_t)number_in(b, n, p->in.y_zero);
    f->low = p->low;
    f->high = p->high;
    if (!is_fused(n) || !bl_has_in(n, BL_QCONV_ADD))
        return BLIND_OK;
    float end = number_in(b, n, BL_QCONV_END_SCALE);
    f->end_low = p->low;
    f->end_high = p->high;
    f->low = p->mid_low;
    f->high = p->mid_high;
    f->end_zero = (int32_t)number_in(b, n, BL_QCONV_END_ZERO);
    f->add_signed = bl_in(b, n, BL_QCONV_ADD)->dtype == BLIND_I8;
    f->add_zero = (int32_t)number_in(b, n, BL_QCONV_ADD_ZERO);
    f->add_scale = number_in(b, n, BL_QCONV_ADD_SCALE) / end;
    f->mid_scale = number_in(b, n, p->in.y_scale) / end;
    return BLIND_OK;
}

static blind_code pack(bl_build *b, bl_node *n, bl_integer_conv *p)
{
    const bl_tensor      *w = bl_in(b, n, p->in.b);
    bl_auto_free int32_t *zeros = NULL;
    bl_packed            *packed;
    p->weights = bl_store_find(b, n, BL_VARIANT_BYTES);
    if (p->weights)
        return BLIND_OK;
    BL_TRY(bl_integer_zeros(b, n, p->in.b_zero, p->window.channels_out, &zeros));
    BL_TRY(bl_bytes_conv_pack(p->bytes, &p->window, w->data, w->dtype == BLIND_I8, zeros, &packed,
                              b->err));
    bl_store_unneeded(b, w);
    return bl_store_keep(b, n, BL_VARIANT_BYTES, packed, NULL, 0, &p->weights);
}

blind_code bl_op_qconv_prepare(bl_build *b, bl_node *n)
{
    bl_integer_conv *p = n->params;
    if (!p->bytes)
        return BLIND_OK;
    if (!bl_bytes_conv_scratch(p->bytes, &p->window, &n->scratch))
        return bl_op_fail(b, n, BLIND_LIMIT, "an image of impossible size");
    BL_TRY(set_finish(b, n, p));
    return pack(b, n, p);
}

/* Running.  ---------------------------------------------------------------------------------- */

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

static void store_plane(const bl_exec *x, const bl_node *n, const bl_integer_roles *r,
                        size_t channel, size_t at, size_t len, const int32_t *sum)
{
    bl_tensor *out = bl_result(x, n, 0);
    if (r->y_scale < 0) {
        memcpy((int32_t *)out->data + at, sum, len * sizeof *sum);
        return;
    }
    const bl_tensor *bias = bl_arg(x, n, r->bias);
    int32_t          shift = bias ? (int32_t)bl_number_or_0(bias, channel) : 0;
    float            scale = (float)bl_number_or_0(bl_arg(x, n, r->a_scale), 0) *
                  (float)bl_number_or_0(bl_arg(x, n, r->b_scale), channel) /
                  (float)bl_number_or_0(bl_arg(x, n, r->y_scale), 0);
    double zero = bl_number_or_0(bl_arg(x, n, r->y_zero), 0);
    for (size_t i = 0; i < len; i++)
        bl_tensor_set_number(out, at + i,
                             nearbyint((double)((float)add(sum[i], shift) * scale)) + zero);
}

static void run_plain(const bl_exec *x, const bl_node *n, const bl_integer_conv *p)
{
    const bl_window *w = &p->window;
    const bl_tensor *in = bl_arg(x, n, p->in.a), *weights = bl_arg(x, n, p->in.b);
    const bl_tensor *w_zero = bl_role_arg(x, n, p->in.b_zero);
    int32_t          zero = (int32_t)bl_number_or_0(bl_role_arg(x, n, p->in.a_zero), 0);
    size_t           pixels = w->out[0] * w->out[1] * w->out[2];
    size_t           image = w->channels_in * w->in[0] * w->in[1] * w->in[2];
    size_t           each = w->channels_out ? weights->len / w->channels_out : 0;
    for (size_t z = 0; z < w->batch && pixels; z++)
        for (size_t c = 0; c < w->channels_out; c++) {
            size_t group = c / (w->channels_out / w->groups);
            plane(w, in, z * image + group * (image / w->groups), zero, weights, c * each,
                  (int32_t)bl_number_or_0(w_zero, c), x->scratch);
            store_plane(x, n, &p->in, c, (z * w->channels_out + c) * pixels, pixels, x->scratch);
        }
}

blind_code bl_op_qconv_run(const bl_exec *x, const bl_node *n)
{
    const bl_integer_conv *p = n->params;
    const bl_tensor       *in = bl_arg(x, n, p->in.a);
    if (!p->bytes || !p->weights) {
        run_plain(x, n, p);
        return BLIND_OK;
    }
    bl_bytes_conv c = { .window = p->window,
                        .x = in->data,
                        .x_signed = in->dtype == BLIND_I8,
                        .x_last = p->x_last,
                        .out_last = p->out_last,
                        .x_zero = (int32_t)bl_number_or_0(bl_role_arg(x, n, p->in.a_zero), 0),
                        .w = p->weights->packed,
                        .out = bl_result(x, n, 0)->data,
                        .finish = p->finish,
                        .scratch = x->scratch };
    if (is_fused(n) && bl_arg(x, n, BL_QCONV_ADD))
        c.finish.add = bl_arg(x, n, BL_QCONV_ADD)->data;
    bl_bytes_conv_run(p->bytes, x->kernels, &c, x->pool);
    return BLIND_OK;
}
