/* MaxPool, AveragePool, LpPool and their global forms.  F32 without indices runs the kernel table;
 * the rest are plain loops over the same windows.  Source: ONNX operators, MaxPool, LpPool. */
#include "onnx/element.h"
#include "onnx/families.h"
#include "onnx/window.h"

#include <math.h>

typedef enum { POOL_MAX, POOL_AVERAGE, POOL_LP } pool_kind;

typedef struct {
    bl_pooling pooling;
    pool_kind  kind;
    double     p; /* of LpPool */
    bool       plain, columns_first;
} pool;

static blind_code check_input(bl_build *b, const bl_node *n, bool bytes)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bool             small = x->dtype == BLIND_I8 || x->dtype == BLIND_U8;
    if (!bl_is_real(x->dtype) && !(bytes && small))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    if (x->rank < 3)
        return bl_op_fail(b, n, BLIND_INPUT, "an input of %d axes", x->rank);
    return BLIND_OK;
}

/* p of LpPool and GlobalLpPool; a number before opset 2 of both, never below 1 in effect. */
static blind_code norm_order(bl_build *b, const bl_node *n, double *out)
{
    int64_t p = bl_attr_int(n, "p", 2);
    if (p < 1)
        return bl_op_fail(b, n, BLIND_INPUT, "a norm of order %lld", (long long)p);
    *out = (double)p;
    return BLIND_OK;
}

blind_code bl_op_pooling_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          kernel[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len;
    pool            *p;
    bool             max = strcmp(n->type, "MaxPool") == 0;
    BL_TRY(check_input(b, n, max));
    BL_TRY(bl_attr_ints(b, n, "kernel_shape", kernel, BL_ONNX_RANK, &len));
    if (len != (size_t)x->rank - 2)
        return bl_op_fail(b, n, BLIND_INPUT, "a kernel of %zu axes over %d", len, x->rank - 2);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_window_of(b, n, kernel, &p->pooling.window, dim, p->pooling.pad_after));
    p->kind = max ? POOL_MAX : strcmp(n->type, "AveragePool") == 0 ? POOL_AVERAGE : POOL_LP;
    p->pooling.count_pad = bl_attr_int(n, "count_include_pad", 0) != 0;
    p->columns_first = bl_attr_int(n, "storage_order", 0) != 0;
    p->plain = x->dtype != BLIND_F32 || p->kind == POOL_LP || bl_has_out(n, 1);
    BL_TRY(norm_order(b, n, &p->p));
    dim[0] = x->dim[0];
    dim[1] = x->dim[1];
    BL_TRY(bl_set_out(b, n, 1, BLIND_I64, x->rank, dim));
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

/* Plain windows.  ---------------------------------------------------------------------------- */

typedef struct {
    const pool *p;
    blind_dtype dtype;
    const void *x;
    void       *out;
    int64_t    *indices; /* or NULL */
} pool_task;

/* The part of a window along one axis that lies inside: taps [*first, *end) from element *from. */
typedef struct {
    size_t first, end;
} taps;

static taps taps_inside(const bl_window *w, int axis, size_t at)
{
    size_t start = at * w->stride[axis], step = w->dilation[axis], pad = w->pad[axis];
    size_t first = start >= pad ? 0 : (pad - start + step - 1) / step;
    size_t limit = w->in[axis] + pad; /* start + tap * step < limit */
    size_t end = start >= limit ? 0 : (limit - start + step - 1) / step;
    end = BL_MIN(end, w->kernel[axis]);
    return (taps){ BL_MIN(first, end), end };
}

/* Taps inside x and its pads. */
static size_t taps_padded(const bl_pooling *p, int axis, size_t at)
{
    const bl_window *w = &p->window;
    size_t           start = at * w->stride[axis];
    size_t           limit = w->in[axis] + w->pad[axis] + p->pad_after[axis];
    size_t           end = start >= limit ? 0 : (limit - start - 1) / w->dilation[axis] + 1;
    return BL_MIN(end, w->kernel[axis]);
}

typedef struct {
    double  value;
    int64_t at; /* of a maximum: its element in the plane */
} found;

BL_INLINE void take(const pool *p, double v, size_t at, found *f)
{
    switch (p->kind) {
    case POOL_MAX:
        if (f->at < 0 || v > f->value || (v != v && f->value == f->value))
            *f = (found){ v, (int64_t)at };
        break;
    case POOL_AVERAGE:
        f->value += v;
        break;
    default:
        f->value += p->p == 2 ? v * v : p->p == 1 ? fabs(v) : pow(fabs(v), p->p);
    }
}

BL_INLINE found over_window(const pool *p, blind_dtype dtype, const void *x, size_t base,
                            const size_t *at)
{
    const bl_window *w = &p->pooling.window;
    found            f = { 0, -1 };
    taps             t[3];
    for (int i = 0; i < 3; i++)
        t[i] = taps_inside(w, i, at[i]);
    for (size_t i = t[0].first; i < t[0].end; i++)
        for (size_t j = t[1].first; j < t[1].end; j++)
            for (size_t k = t[2].first; k < t[2].end; k++) {
                size_t z = at[0] * w->stride[0] + i * w->dilation[0] - w->pad[0];
                size_t y = at[1] * w->stride[1] + j * w->dilation[1] - w->pad[1];
                size_t v = at[2] * w->stride[2] + k * w->dilation[2] - w->pad[2];
                size_t here = (z * w->in[1] + y) * w->in[2] + v;
                take(p, bl_get(dtype, x, base + here), here, &f);
            }
    if (p->kind == POOL_LP)
        f.value = p->p == 2 ? sqrt(f.value) : p->p == 1 ? f.value : pow(f.value, 1 / p->p);
    if (p->kind == POOL_AVERAGE) {
        size_t count = 1;
        for (int i = 0; i < 3; i++)
            count *=
                p->pooling.count_pad ? taps_padded(&p->pooling, i, at[i]) : t[i].end - t[i].first;
        f.value /= (double)count;
    }
    return f;
}

/* The element of the whole tensor that a maximum came from; -1 where a window had none. */
static int64_t index_of(const pool *p, size_t plane, int64_t at)
{
    const bl_window *w = &p->pooling.window;
    size_t           size = w->in[0] * w->in[1] * w->in[2], here = (size_t)at;
    if (at < 0)
        return -1;
    if (p->columns_first) {
        size_t v = here % w->in[2], y = here / w->in[2] % w->in[1], z = here / w->in[2] / w->in[1];
        here = w->in[0] > 1 ? z + (y + v * w->in[1]) * w->in[0] : y + v * w->in[1];
    }
    return (int64_t)(plane * size + here);
}

BL_INLINE void pool_plane(const pool_task *t, blind_dtype dtype, size_t plane)
{
    const bl_window *w = &t->p->pooling.window;
    size_t           base = plane * w->in[0] * w->in[1] * w->in[2], at[3];
    size_t           to = plane * w->out[0] * w->out[1] * w->out[2];
    for (at[0] = 0; at[0] < w->out[0]; at[0]++)
        for (at[1] = 0; at[1] < w->out[1]; at[1]++)
            for (at[2] = 0; at[2] < w->out[2]; at[2]++, to++) {
                found f = over_window(t->p, dtype, t->x, base, at);
                bool  none = t->p->kind == POOL_MAX && f.at < 0;
                bl_put(dtype, t->out, to, none ? -INFINITY : f.value);
                if (t->indices)
                    t->indices[to] = index_of(t->p, plane, f.at);
            }
}

static void pool_part(void *arg, size_t plane, int worker)
{
    const pool_task *t = arg;
    (void)worker;
    if (t->dtype == BLIND_F32)
        pool_plane(t, BLIND_F32, plane);
    else if (t->dtype == BLIND_I8)
        pool_plane(t, BLIND_I8, plane);
    else
        pool_plane(t, t->dtype, plane);
}

blind_code bl_op_pooling_run(const bl_exec *x, const bl_node *n)
{
    const pool      *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0), *indices = bl_result(x, n, 1);
    bl_pooling       pooling = p->pooling;
    if (!out)
        return bl_run_fail(x, n, "no output but the indices");
    if (out->len == 0)
        return BLIND_OK;
    pooling.x = in->data;
    pooling.out = out->data;
    if (p->plain) {
        pool_task t = { p, in->dtype, in->data, out->data, indices ? indices->data : NULL };
        bl_pool_run(x->pool, pool_part, &t, pooling.window.batch * pooling.window.channels_in);
    } else if (p->kind == POOL_AVERAGE) {
        x->kernels->avg_pool(&pooling, x->pool);
    } else {
        x->kernels->max_pool(&pooling, x->pool);
    }
    return BLIND_OK;
}

/* Global forms: one window as large as the plane.  --------------------------------------------- */

blind_code bl_op_global_pool_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          dim[BL_ONNX_RANK];
    pool            *p;
    BL_TRY(check_input(b, n, false));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(norm_order(b, n, &p->p));
    p->kind = strcmp(n->type, "GlobalMaxPool") == 0  ? POOL_MAX
              : strcmp(n->type, "GlobalLpPool") == 0 ? POOL_LP
                                                     : POOL_AVERAGE;
    p->plain = x->dtype != BLIND_F32 || p->kind == POOL_LP;
    size_t inner = bl_dims(x, 2, x->rank);
    p->pooling.window = (bl_window){ .in = { 1, 1, inner },
                                     .out = { 1, 1, 1 },
                                     .kernel = { 1, 1, inner },
                                     .stride = { 1, 1, 1 },
                                     .dilation = { 1, 1, 1 } };
    for (int i = 0; i < x->rank; i++)
        dim[i] = i < 2 ? x->dim[i] : 1;
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

blind_code bl_op_global_pool_run(const bl_exec *x, const bl_node *n)
{
    const pool      *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    bl_reduction     op = p->kind == POOL_MAX ? BL_REDUCE_MAX : BL_REDUCE_MEAN;
    pool_task        t = { p, in->dtype, in->data, out->data, NULL };
    if (out->len && p->plain)
        bl_pool_run(x->pool, pool_part, &t, out->len);
    else if (out->len)
        x->kernels->reduce(op, out->data, in->data, out->len, bl_dims(in, 2, in->rank), 1, x->pool);
    return BLIND_OK;
}

/* MaxUnpool: each element goes to where its maximum was.  Indices count in the tensor that was
 * pooled, whose size follows from the windows; an asked shape holds that one in its first corner.
 * Source: ONNX operators, MaxUnpool, and its node cases. ----------------------------------------
 */

typedef struct {
    bl_tensor pooled; /* shape alone */
} unpool;

static blind_code unpooled_axis(bl_build *b, const bl_node *n, int64_t kernel, int64_t stride,
                                int64_t before, int64_t after, int64_t *dim)
{
    int64_t size;
    if (stride < 1 || kernel < 1 || before < 0 || after < 0 ||
        __builtin_mul_overflow(*dim - 1, stride, &size) ||
        __builtin_add_overflow(size, kernel, &size) ||
        __builtin_sub_overflow(size, before, &size) || __builtin_sub_overflow(size, after, &size) ||
        size < 0)
        return bl_op_fail(b, n, BLIND_INPUT, "impossible windows");
    *dim = *dim ? size : 0;
    return BLIND_OK;
}

blind_code bl_op_max_unpool_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1);
    int64_t          kernel[BL_ONNX_RANK], stride[BL_ONNX_RANK], pads[2 * BL_ONNX_RANK] = { 0 };
    int64_t          dim[BL_ONNX_RANK];
    size_t           len, spatial, n_stride;
    unpool          *p;
    BL_TRY(check_input(b, n, true));
    spatial = (size_t)x->rank - 2;
    BL_TRY(bl_attr_ints(b, n, "kernel_shape", kernel, BL_ONNX_RANK, &len));
    BL_TRY(bl_attr_ints(b, n, "strides", stride, BL_ONNX_RANK, &n_stride));
    if (len != spatial || (n_stride && n_stride != spatial))
        return bl_op_fail(b, n, BLIND_INPUT, "a kernel of %zu axes over %zu", len, spatial);
    BL_TRY(bl_attr_ints(b, n, "pads", pads, 2 * spatial, &len));
    if (at->dtype != BLIND_I64 || at->len != x->len || (len && len != 2 * spatial))
        return bl_op_fail(b, n, BLIND_INPUT, "indices or pads that do not fit");
    memcpy(dim, x->dim, sizeof dim);
    for (size_t i = 0; i < spatial; i++)
        BL_TRY(unpooled_axis(b, n, kernel[i], n_stride ? stride[i] : 1, pads[i], pads[i + spatial],
                             &dim[2 + i]));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->pooled.dtype = x->dtype;
    if (!bl_tensor_shape(&p->pooled, x->rank, dim))
        return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
    if (bl_has_in(n, 2)) {
        BL_TRY(bl_const_ints(b, n, 2, dim, BL_ONNX_RANK, &len));
        for (int i = 0; i < x->rank; i++)
            if (len != (size_t)x->rank || dim[i] < p->pooled.dim[i])
                return bl_op_fail(b, n, BLIND_INPUT, "an output shape that is too small");
    }
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

/* Where element `at` of `from` lies in `to`, which is as large or larger along each axis. */
static size_t corner_offset(const bl_tensor *from, const bl_tensor *to, size_t at)
{
    size_t step = 1, offset = 0;
    for (int d = from->rank - 1; d >= 0; d--) {
        offset += at % (size_t)from->dim[d] * step;
        at /= (size_t)from->dim[d];
        step *= (size_t)to->dim[d];
    }
    return offset;
}

blind_code bl_op_max_unpool_run(const bl_exec *x, const bl_node *n)
{
    const unpool    *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0), *indices = bl_arg(x, n, 1);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           size = blind_dtype_size(in->dtype);
    const int64_t   *at = indices->data;
    if (out->len)
        memset(out->data, 0, bl_tensor_size(out));
    for (size_t i = 0; i < in->len; i++) {
        if (at[i] < 0 || (uint64_t)at[i] >= p->pooled.len)
            return bl_run_fail(x, n, "an index outside of %zu elements", p->pooled.len);
        memcpy((char *)out->data + corner_offset(&p->pooled, out, (size_t)at[i]) * size,
               (const char *)in->data + i * size, size);
    }
    return BLIND_OK;
}
