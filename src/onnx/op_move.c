/* Operators that copy elements to other places: regular views, which the copy kernel makes
 * dense, and runs of bytes. */
#include "onnx/families.h"

/* One strided copy.  ------------------------------------------------------------------------- */

static void copy_view(const bl_exec *x, const bl_copy *view, const void *from, void *to)
{
    bl_copy c = *view;
    c.x = from;
    c.out = to;
    x->kernels->copy(&c, x->pool);
}

static void dense_strides(const bl_tensor *t, ptrdiff_t *stride)
{
    ptrdiff_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= (ptrdiff_t)t->dim[i];
    }
}

static void start_view(bl_copy *c, const bl_tensor *out)
{
    c->element_size = bl_element_size(out->dtype);
    c->rank = out->rank;
    for (int i = 0; i < out->rank; i++)
        c->shape[i] = (size_t)out->dim[i];
}

/* Whether the view's elements already lie in their order. */
static bool is_dense(const bl_copy *c)
{
    ptrdiff_t step = 1;
    for (int i = c->rank - 1; i >= 0; i--) {
        if (c->shape[i] != 1 && c->stride[i] != step)
            return false;
        step *= (ptrdiff_t)c->shape[i];
    }
    return true;
}

/* Transpose.  -------------------------------------------------------------------------------- */

blind_code bl_op_transpose_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          perm[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len;
    bool             seen[BL_ONNX_RANK];
    ptrdiff_t        stride[BL_ONNX_RANK];
    bl_copy         *p;
    BL_TRY(bl_attr_ints(b, n, "perm", perm, BL_ONNX_RANK, &len));
    for (int i = 0; len == 0 && i < x->rank; i++)
        perm[i] = x->rank - 1 - i;
    if (len && len != (size_t)x->rank)
        return bl_op_fail(b, n, BLIND_INPUT, "a permutation of %zu axes for %d", len, x->rank);
    BL_TRY(bl_axes(b, n, perm, (size_t)x->rank, x->rank, seen));
    for (int i = 0; i < x->rank; i++) {
        perm[i] += perm[i] < 0 ? x->rank : 0;
        dim[i] = x->dim[perm[i]];
    }
    BL_TRY(bl_set_out(b, n, 0, x->dtype, x->rank, dim));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    start_view(p, bl_out(b, n, 0));
    dense_strides(x, stride);
    int64_t last = -1;
    bool    moves = false; /* axes of one element do not count */
    for (int i = 0; i < x->rank; i++) {
        p->stride[i] = stride[perm[i]];
        if (dim[i] != 1) {
            moves = moves || perm[i] < last;
            last = perm[i];
        }
    }
    if (!moves)
        bl_set_view(b, n, 0, 0);
    return BLIND_OK;
}

blind_code bl_op_transpose_run(const bl_exec *x, const bl_node *n)
{
    if (bl_result(x, n, 0)->len)
        copy_view(x, n->params, bl_arg(x, n, 0)->data, bl_result(x, n, 0)->data);
    return BLIND_OK;
}

/* Slice.  Source: ONNX operators, Slice: bounds are clamped to the axis. ------------------------
 */

typedef struct {
    bl_copy   view;
    ptrdiff_t from; /* bytes to the first element */
} slice;

static blind_code slice_axis(bl_build *b, const bl_node *n, int64_t size, int64_t start,
                             int64_t end, int64_t step, int64_t *first, int64_t *count)
{
    if (step == 0 || step == INT64_MIN)
        return bl_op_fail(b, n, BLIND_INPUT, "a step of %lld", (long long)step);
    start = start < 0 ? start + size : start;
    end = end < 0 && end >= -size ? end + size : end < -size ? -1 : end;
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    start = BL_MIN(BL_MAX(start, step > 0 ? 0 : low), high);
    end = BL_MIN(BL_MAX(end, low), high);
    int64_t span = step > 0 ? end - start : start - end, pace = step > 0 ? step : -step;
    *count = span <= 0 || start < 0 ? 0 : (span - 1) / pace + 1;
    *first = *count ? start : 0;
    return BLIND_OK;
}

blind_code bl_op_slice_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          start[BL_ONNX_RANK], end[BL_ONNX_RANK], axes[BL_ONNX_RANK], step[BL_ONNX_RANK];
    int64_t          dim[BL_ONNX_RANK], first = 0;
    ptrdiff_t        stride[BL_ONNX_RANK];
    size_t           len, n_end, n_axes, n_step;
    bool             mask[BL_ONNX_RANK];
    slice           *p;
    BL_TRY(bl_ints_of(b, n, "starts", 1, 10, start, BL_ONNX_RANK, &len));
    BL_TRY(bl_ints_of(b, n, "ends", 2, 10, end, BL_ONNX_RANK, &n_end));
    BL_TRY(bl_ints_of(b, n, "axes", 3, 10, axes, BL_ONNX_RANK, &n_axes));
    BL_TRY(bl_ints_of(b, n, "-", 4, 10, step, BL_ONNX_RANK, &n_step));
    for (size_t i = 0; n_axes == 0 && i < len; i++)
        axes[i] = (int64_t)i;
    if (n_end != len || (n_axes && n_axes != len) || (n_step && n_step != len))
        return bl_op_fail(b, n, BLIND_INPUT, "starts, ends, axes and steps of unequal length");
    BL_TRY(bl_axes(b, n, axes, len, x->rank, mask));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    dense_strides(x, stride);
    memcpy(dim, x->dim, sizeof dim);
    for (size_t i = 0; i < len; i++) {
        int     axis = (int)(axes[i] < 0 ? axes[i] + x->rank : axes[i]);
        int64_t pace = n_step ? step[i] : 1;
        BL_TRY(slice_axis(b, n, x->dim[axis], start[i], end[i], pace, &first, &dim[axis]));
        p->from += stride[axis] * (ptrdiff_t)first * (ptrdiff_t)bl_element_size(x->dtype);
        stride[axis] = dim[axis] > 1 ? stride[axis] * (ptrdiff_t)pace : stride[axis];
    }
    BL_TRY(bl_set_out(b, n, 0, x->dtype, x->rank, dim));
    start_view(&p->view, bl_out(b, n, 0));
    memcpy(p->view.stride, stride, sizeof p->view.stride);
    if (is_dense(&p->view))
        bl_set_view(b, n, 0, (size_t)p->from);
    return BLIND_OK;
}

blind_code bl_op_slice_run(const bl_exec *x, const bl_node *n)
{
    const slice *p = n->params;
    if (bl_result(x, n, 0)->len)
        copy_view(x, &p->view, (const char *)bl_arg(x, n, 0)->data + p->from,
                  bl_result(x, n, 0)->data);
    return BLIND_OK;
}

/* Expand.  ----------------------------------------------------------------------------------- */

blind_code bl_op_expand_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *in[] = { x };
    int64_t          dim[BL_ONNX_RANK];
    size_t           rank;
    bl_tensor        wanted = { .dtype = x->dtype }, out = wanted;
    bl_walk          w;
    bl_copy         *p;
    BL_TRY(bl_const_ints(b, n, 1, dim, BL_ONNX_RANK, &rank));
    if (!bl_tensor_shape(&wanted, (int)rank, dim) || !bl_broadcast_shape(x, &wanted, &out))
        return bl_op_fail(b, n, BLIND_INPUT, "a shape that does not broadcast");
    BL_TRY(bl_set_out(b, n, 0, out.dtype, out.rank, out.dim));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (out.len == x->len)
        bl_set_view(b, n, 0, 0);
    bl_walk_init(&w, &out, in, 1);
    p->element_size = bl_element_size(out.dtype);
    p->rank = w.rank;
    for (int i = 0; i < w.rank; i++) {
        p->shape[i] = w.shape[i];
        p->stride[i] = (ptrdiff_t)w.stride[0][i];
    }
    return BLIND_OK;
}

blind_code bl_op_expand_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_transpose_run(x, n);
}

/* Concat and Split: runs of bytes.  ---------------------------------------------------------- */

blind_code bl_op_concat_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          dim[BL_ONNX_RANK], total = 0;
    int              axis, *p;
    if (!x)
        return bl_op_fail(b, n, BLIND_INPUT, "nothing to join");
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 1), x->rank, &axis));
    for (int i = 0; i < n->n_in; i++) {
        const bl_tensor *t = bl_in(b, n, i);
        if (!t || t->dtype != x->dtype || t->rank != x->rank)
            return bl_op_fail(b, n, BLIND_INPUT, "input %d of another type or rank", i);
        for (int d = 0; d < x->rank; d++)
            if (d != axis && t->dim[d] != x->dim[d])
                return bl_op_fail(b, n, BLIND_INPUT, "input %d differs in axis %d", i, d);
        if (__builtin_add_overflow(total, t->dim[axis], &total))
            return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
    }
    memcpy(dim, x->dim, sizeof dim);
    dim[axis] = total;
    if (n->n_in == 1)
        bl_set_view(b, n, 0, 0);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = axis;
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

#define COPY_PART ((size_t)32 << 10) /* bytes worth a part of their own */

/* `count` runs of `size` bytes. */
typedef struct {
    char       *to;
    const char *from;
    size_t      to_step, from_step, size, count;
} runs;

static void copy_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const runs *r = arg;
    size_t      at = index * COPY_PART, end = BL_MIN(at + COPY_PART, r->size * r->count);
    while (at < end) {
        size_t run = at / r->size, skip = at % r->size, len = BL_MIN(r->size - skip, end - at);
        memcpy(r->to + run * r->to_step + skip, r->from + run * r->from_step + skip, len);
        at += len;
    }
}

static void copy_runs(char *to, size_t to_step, const char *from, size_t from_step, size_t size,
                      size_t count, bl_pool *pool)
{
    runs r = { NULL, from, to_step, from_step, size, count };
    r.to = to;
    bl_pool_run(pool, copy_part, &r, (size * count + COPY_PART - 1) / COPY_PART);
}

blind_code bl_op_concat_run(const bl_exec *x, const bl_node *n)
{
    int        axis = *(const int *)n->params;
    bl_tensor *out = bl_result(x, n, 0);
    size_t     outer = bl_dims(out, 0, axis), element = bl_element_size(out->dtype);
    size_t     step = bl_dims(out, axis, out->rank) * element, at = 0;
    for (int i = 0; i < n->n_in; i++) {
        const bl_tensor *t = bl_arg(x, n, i);
        size_t           size = bl_dims(t, axis, t->rank) * element;
        if (out->len)
            copy_runs((char *)out->data + at, step, t->data, size, size, outer, x->pool);
        at += size;
    }
    return BLIND_OK;
}

static blind_code split_sizes(bl_build *b, const bl_node *n, int64_t size, int64_t *sizes)
{
    size_t len, parts = (size_t)n->n_out;
    BL_TRY(bl_ints_of(b, n, "split", 1, 13, sizes, parts, &len));
    int64_t wanted = bl_attr_int(n, "num_outputs", n->n_out);
    if (wanted != n->n_out)
        return bl_op_fail(b, n, BLIND_INPUT, "%lld parts for %d outputs", (long long)wanted,
                          n->n_out);
    if (len == 0) {
        int64_t each = (size + (int64_t)parts - 1) / (int64_t)parts;
        for (size_t i = 0; i < parts; i++)
            sizes[i] = BL_MAX(BL_MIN(each, size - (int64_t)i * each), 0);
        return BLIND_OK;
    }
    int64_t total = 0;
    for (size_t i = 0; i < len; i++)
        if (sizes[i] < 0 || __builtin_add_overflow(total, sizes[i], &total))
            return bl_op_fail(b, n, BLIND_INPUT, "parts of impossible size");
    if (len != parts || total != size)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu parts of %lld elements in all, expected %lld",
                          len, (long long)total, (long long)size);
    return BLIND_OK;
}

blind_code bl_op_split_infer(bl_build *b, bl_node *n)
{
    const bl_tensor x = *bl_in(b, n, 0);
    int64_t         dim[BL_ONNX_RANK], *sizes;
    int             axis, *p;
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x.rank, &axis));
    BL_TRY(bl_params(b, n, (size_t)n->n_out * sizeof *sizes, &sizes));
    BL_TRY(split_sizes(b, n, x.dim[axis], sizes));
    memcpy(dim, x.dim, sizeof dim);
    size_t inner = bl_dims(&x, axis + 1, x.rank) * bl_element_size(x.dtype), at = 0;
    for (int i = 0; i < n->n_out; i++) {
        dim[axis] = sizes[i];
        BL_TRY(bl_set_out(b, n, i, x.dtype, x.rank, dim));
        if (bl_dims(&x, 0, axis) == 1)
            bl_set_view(b, n, i, at);
        at += (size_t)sizes[i] * inner;
    }
    BL_TRY(bl_params(b, n, sizeof(int) + (size_t)n->n_out * sizeof(int64_t), &p));
    *p = axis;
    return BLIND_OK;
}

blind_code bl_op_split_run(const bl_exec *x, const bl_node *n)
{
    int              axis = *(const int *)n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    size_t           outer = bl_dims(in, 0, axis), element = bl_element_size(in->dtype);
    size_t           step = bl_dims(in, axis, in->rank) * element, at = 0;
    for (int i = 0; i < n->n_out; i++) {
        bl_tensor *t = bl_result(x, n, i);
        if (!t)
            return BLIND_OK;
        size_t size = bl_dims(t, axis, t->rank) * element;
        if (t->len)
            copy_runs(t->data, size, (const char *)in->data + at, step, size, outer, x->pool);
        at += size;
    }
    return BLIND_OK;
}
