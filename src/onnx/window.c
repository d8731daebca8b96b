/* kernel_shape, strides, dilations, pads, auto_pad and ceil_mode.
 * Source: ONNX operators, Conv and MaxPool. */
#include "onnx/window.h"

typedef struct {
    int64_t stride[3], dilation[3], pads[6];
    size_t  spatial;
} attributes;

static blind_code read_attributes(bl_build *b, const bl_node *n, attributes *a)
{
    size_t len;
    for (int i = 0; i < 3; i++)
        a->stride[i] = a->dilation[i] = 1;
    BL_TRY(bl_attr_ints(b, n, "strides", a->stride, a->spatial, &len));
    BL_TRY(bl_attr_ints(b, n, "dilations", a->dilation, a->spatial, &len));
    BL_TRY(bl_attr_ints(b, n, "pads", a->pads, 2 * a->spatial, &len));
    if (len && len != 2 * a->spatial)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu pads for %zu axes", len, a->spatial);
    for (size_t i = 0; i < a->spatial; i++)
        if (a->stride[i] < 1 || a->dilation[i] < 1 || a->stride[i] > INT32_MAX ||
            a->dilation[i] > INT32_MAX)
            return bl_op_fail(b, n, BLIND_INPUT, "impossible strides or dilations");
    return BLIND_OK;
}

/* Pads of one axis under auto_pad SAME_*: the output has ceil(in / stride) elements. */
static void pad_same(int64_t in, int64_t extent, int64_t stride, bool upper, int64_t *before,
                     int64_t *after)
{
    int64_t out = (in + stride - 1) / stride;
    int64_t total = BL_MAX((out - 1) * stride + extent - in, 0);
    *before = upper ? total / 2 : (total + 1) / 2;
    *after = total - *before;
}

static blind_code set_axis(bl_build *b, const bl_node *n, const attributes *a, size_t i, int64_t in,
                           int64_t kernel, bl_window *w, int64_t *out, size_t *after)
{
    const char *mode = bl_attr_str(n, "auto_pad", "NOTSET");
    bool        ceil_mode = bl_attr_int(n, "ceil_mode", 0) != 0;
    int64_t     pad[2] = { a->pads[i], a->pads[i + a->spatial] };
    size_t      at = 3 - a->spatial + i;
    if (kernel < 1 || kernel > INT32_MAX || in > INT32_MAX)
        return bl_op_fail(b, n, BLIND_INPUT, "a window of %lld elements over %lld",
                          (long long)kernel, (long long)in);
    int64_t extent = (kernel - 1) * a->dilation[i] + 1;
    if (strcmp(mode, "VALID") == 0)
        pad[0] = pad[1] = 0;
    else if (strncmp(mode, "SAME_", 5) == 0)
        pad_same(in, extent, a->stride[i], mode[5] == 'U', &pad[0], &pad[1]);
    if (pad[0] < 0 || pad[1] < 0 || pad[0] > INT32_MAX || pad[1] > INT32_MAX)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "negative pads");
    w->in[at] = (size_t)in;
    w->kernel[at] = (size_t)kernel;
    w->stride[at] = (size_t)a->stride[i];
    w->dilation[at] = (size_t)a->dilation[i];
    w->pad[at] = (size_t)pad[0];
    w->out[at] = bl_window_out(w->in[at], w->kernel[at], w->stride[at], w->dilation[at], w->pad[at],
                               (size_t)pad[1], ceil_mode);
    *out = (int64_t)w->out[at];
    if (after)
        after[at] = (size_t)pad[1];
    if (*out == 0 && in > 0)
        return bl_op_fail(b, n, BLIND_INPUT, "a window of %lld elements over %lld",
                          (long long)extent, (long long)in);
    return BLIND_OK;
}

blind_code bl_window_of(bl_build *b, const bl_node *n, const int64_t *kernel, bl_window *out,
                        int64_t *dim, size_t *pad_after)
{
    const bl_tensor *x = bl_in(b, n, 0);
    attributes       a = { .spatial = (size_t)x->rank - 2 };
    if (x->rank < 3 || x->rank > 5)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "%d spatial axes", x->rank - 2);
    BL_TRY(read_attributes(b, n, &a));
    *out = (bl_window){ .batch = (size_t)x->dim[0],
                        .channels_in = (size_t)x->dim[1],
                        .channels_out = (size_t)x->dim[1],
                        .groups = 1 };
    for (size_t i = 0; i < 3; i++) {
        out->in[i] = out->out[i] = out->kernel[i] = out->stride[i] = out->dilation[i] = 1;
        if (pad_after)
            pad_after[i] = 0;
    }
    for (size_t i = 0; i < a.spatial; i++)
        BL_TRY(set_axis(b, n, &a, i, x->dim[2 + i], kernel[i], out, &dim[2 + i], pad_after));
    return BLIND_OK;
}
