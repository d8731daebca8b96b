/* Tile, Pad and CenterCropPad: every output element looks up its input element. */
#include "onnx/element.h"
#include "onnx/families.h"

typedef enum { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;

typedef struct {
    int64_t  before[BL_ONNX_RANK]; /* of pads; may be negative: cut */
    pad_mode mode;
} lookup;

blind_code bl_op_tile_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          times[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len;
    lookup          *p;
    BL_TRY(bl_const_ints(b, n, 1, times, BL_ONNX_RANK, &len));
    if (len != (size_t)x->rank)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu repeats for %d axes", len, x->rank);
    for (int i = 0; i < x->rank; i++)
        if (times[i] < 0 || __builtin_mul_overflow(x->dim[i], times[i], &dim[i]))
            return bl_op_fail(b, n, BLIND_INPUT, "impossible repeats");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->mode = PAD_WRAP;
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

/* The input index for an output index, or -1 outside. */
static int64_t source_of(int64_t i, int64_t size, int64_t before, pad_mode mode)
{
    int64_t at = i - before;
    if (at >= 0 && at < size)
        return at;
    switch (mode) {
    case PAD_EDGE:
        return at < 0 ? 0 : size - 1;
    case PAD_WRAP:
        return ((at % size) + size) % size;
    case PAD_REFLECT: {
        int64_t period = size > 1 ? 2 * (size - 1) : 1;
        at = ((at % period) + period) % period;
        return at < size ? at : period - at;
    }
    default:
        return -1;
    }
}

/* Fills the axes from `axis` on; `from` is NULL in a region that is all outside. */
static void fill(const lookup *p, const bl_tensor *in, const bl_tensor *out, int axis,
                 const char *from, char *to, const char *value, size_t element)
{
    int64_t size = in->dim[axis], count = out->dim[axis];
    bool    last = axis == in->rank - 1;
    size_t  in_step = element * bl_dims(in, axis + 1, in->rank);
    size_t  out_step = element * bl_dims(out, axis + 1, out->rank);
    for (int64_t i = 0; i < count;) {
        int64_t at = from ? source_of(i, size, p->before[axis], p->mode) : -1;
        if (last && at >= 0 && i - p->before[axis] == at) { /* a run inside */
            int64_t run = BL_MIN(size - at, count - i);
            memcpy(to + (size_t)i * element, from + (size_t)at * element, (size_t)run * element);
            i += run;
            continue;
        }
        if (last)
            memcpy(to + (size_t)i * element, at < 0 ? value : from + (size_t)at * element, element);
        else
            fill(p, in, out, axis + 1, at < 0 ? NULL : from + (size_t)at * in_step,
                 to + (size_t)i * out_step, value, element);
        i++;
    }
}

static blind_code look_up(const bl_exec *x, const bl_node *n, const char *value)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    if (out->len && out->rank == 0)
        memcpy(out->data, in->data, bl_tensor_size(out));
    else if (out->len)
        fill(n->params, in, out, 0, in->len ? in->data : NULL, out->data, value,
             bl_element_size(out->dtype));
    return BLIND_OK;
}

blind_code bl_op_tile_run(const bl_exec *x, const bl_node *n)
{
    return look_up(x, n, NULL);
}

/* What stands outside when nothing else is asked for: zero, an empty string. */
static const char no_element[sizeof(blind_span)];

static blind_code pad_mode_of(bl_build *b, const bl_node *n, pad_mode *out)
{
    static const char *const names[] = { "constant", "reflect", "edge", "wrap" };
    const char              *mode = bl_attr_str(n, "mode", "constant");
    for (size_t i = 0; i < BL_LEN(names); i++)
        if (strcmp(names[i], mode) == 0) {
            *out = (pad_mode)i;
            return BLIND_OK;
        }
    return bl_op_fail(b, n, BLIND_UNSUPPORTED, "mode '%.20s'", mode);
}

blind_code bl_op_pad_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          pads[2 * BL_ONNX_RANK], axes[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len, n_axes = 0;
    bool             mask[BL_ONNX_RANK];
    lookup          *p;
    BL_TRY(bl_ints_of(b, n, "pads", 1, 11, pads, BL_LEN(pads), &len));
    if (n->opset >= 18)
        BL_TRY(bl_const_ints(b, n, 3, axes, BL_ONNX_RANK, &n_axes));
    for (int i = 0; n_axes == 0 && i < x->rank; i++)
        axes[i] = i;
    n_axes = n_axes ? n_axes : (size_t)x->rank;
    if (len != 2 * n_axes)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu pads for %zu axes", len, n_axes);
    BL_TRY(bl_axes(b, n, axes, n_axes, x->rank, mask));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(pad_mode_of(b, n, &p->mode));
    memcpy(dim, x->dim, sizeof dim);
    bool nothing = true;
    for (size_t i = 0; i < n_axes; i++) {
        int axis = (int)(axes[i] < 0 ? axes[i] + x->rank : axes[i]);
        p->before[axis] = pads[i];
        nothing = nothing && pads[i] == 0 && pads[i + n_axes] == 0;
        if (__builtin_add_overflow(dim[axis], pads[i], &dim[axis]) ||
            __builtin_add_overflow(dim[axis], pads[i + n_axes], &dim[axis]) || dim[axis] < 0 ||
            pads[i] < -x->dim[axis] || pads[i] > INT64_MAX / 2)
            return bl_op_fail(b, n, BLIND_INPUT, "impossible pads");
        if (p->mode != PAD_CONSTANT && x->dim[axis] == 0 && dim[axis] > 0)
            return bl_op_fail(b, n, BLIND_INPUT, "nothing to repeat in axis %d", axis);
    }
    if (nothing)
        bl_set_view(b, n, 0, 0);
    const bl_tensor *value = n->opset >= 11 ? bl_in(b, n, 2) : NULL;
    if (value && (value->dtype != x->dtype || value->len != 1))
        return bl_op_fail(b, n, BLIND_INPUT, "a value that is no single %s",
                          blind_dtype_name(x->dtype));
    if (n->opset < 11 && !bl_is_real(x->dtype))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

blind_code bl_op_pad_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *given = n->opset >= 11 ? bl_arg(x, n, 2) : NULL;
    double           wide = 0;
    if (n->opset < 11)
        bl_put(bl_result(x, n, 0)->dtype, &wide, 0, (double)bl_attr_float(n, "value", 0));
    return look_up(x, n, given ? given->data : n->opset < 11 ? (const char *)&wide : no_element);
}

/* CenterCropPad: the middle of each axis, cut or between zeros.  ------------------------------- */

blind_code bl_op_center_crop_pad_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          shape[BL_ONNX_RANK], axes[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len, n_axes;
    bool             mask[BL_ONNX_RANK];
    lookup          *p;
    BL_TRY(bl_const_ints(b, n, 1, shape, BL_ONNX_RANK, &len));
    BL_TRY(bl_attr_ints(b, n, "axes", axes, BL_ONNX_RANK, &n_axes));
    for (int i = 0; n_axes == 0 && i < x->rank; i++)
        axes[i] = i;
    n_axes = n_axes ? n_axes : (size_t)x->rank;
    if (len != n_axes)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu sizes for %zu axes", len, n_axes);
    BL_TRY(bl_axes(b, n, axes, n_axes, x->rank, mask));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    memcpy(dim, x->dim, sizeof dim);
    for (size_t i = 0; i < n_axes; i++) {
        int axis = (int)(axes[i] < 0 ? axes[i] + x->rank : axes[i]);
        if (shape[i] < 0)
            return bl_op_fail(b, n, BLIND_INPUT, "a size of %lld", (long long)shape[i]);
        bool cut = shape[i] < dim[axis];
        p->before[axis] = cut ? -((dim[axis] - shape[i]) / 2) : (shape[i] - dim[axis]) / 2;
        dim[axis] = shape[i];
    }
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

blind_code bl_op_center_crop_pad_run(const bl_exec *x, const bl_node *n)
{
    return look_up(x, n, no_element);
}
