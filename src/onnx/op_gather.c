/* Operators that pick and place by index.  Every index is checked before it is used. */
#include "onnx/families.h"

/* An index of I64 or I32, negative from the end; false when it is out of range. */
static bool index_at(const bl_tensor *t, size_t i, int64_t size, int64_t *out)
{
    int32_t narrow;
    int64_t at;
    if (t->dtype == BLIND_I64) {
        memcpy(&at, (const char *)t->data + i * 8, 8);
    } else {
        memcpy(&narrow, (const char *)t->data + i * 4, 4);
        at = narrow;
    }
    if (at < -size || at >= size)
        return false;
    *out = at < 0 ? at + size : at;
    return true;
}

static blind_code check_indices(bl_build *b, const bl_node *n, int i)
{
    const bl_tensor *t = bl_in(b, n, i);
    if (t->dtype != BLIND_I64 && t->dtype != BLIND_I32)
        return bl_op_fail(b, n, BLIND_INPUT, "indices of type %s", blind_dtype_name(t->dtype));
    return BLIND_OK;
}

static blind_code out_of_range(const bl_exec *x, const bl_node *n, int64_t size)
{
    return bl_run_fail(x, n, "an index outside an axis of %lld elements", (long long)size);
}

/* Gather: whole slices along one axis.  ------------------------------------------------------ */

blind_code bl_op_gather_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1);
    int64_t          dim[2 * BL_ONNX_RANK];
    int              axis, rank = 0, *p;
    BL_TRY(check_indices(b, n, 1));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x->rank, &axis));
    for (int i = 0; i < axis; i++)
        dim[rank++] = x->dim[i];
    for (int i = 0; i < at->rank; i++)
        dim[rank++] = at->dim[i];
    for (int i = axis + 1; i < x->rank; i++)
        dim[rank++] = x->dim[i];
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = axis;
    n->raw = 1;
    return bl_set_out(b, n, 0, x->dtype, rank, dim);
}

blind_code bl_op_gather_run(const bl_exec *x, const bl_node *n)
{
    int              axis = *(const int *)n->params;
    const bl_tensor *in = bl_arg(x, n, 0), *indices = bl_arg(x, n, 1);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           outer = bl_dims(in, 0, axis);
    size_t           size = bl_dims(in, axis + 1, in->rank) * bl_element_size(in->dtype);
    int64_t          rows = in->dim[axis], at;
    for (size_t i = 0; i < indices->len; i++) {
        if (!index_at(indices, i, rows, &at))
            return out_of_range(x, n, rows);
        for (size_t o = 0; o < outer && size; o++)
            memcpy((char *)out->data + (o * indices->len + i) * size,
                   (const char *)in->data + (o * (size_t)rows + (size_t)at) * size, size);
    }
    return BLIND_OK;
}

/* GatherElements and ScatterElements: one index per element.  ---------------------------------- */

blind_code bl_op_gather_elements_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1);
    int              axis, *p;
    BL_TRY(check_indices(b, n, 1));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x->rank, &axis));
    if (at->rank != x->rank)
        return bl_op_fail(b, n, BLIND_INPUT, "indices of %d axes for %d", at->rank, x->rank);
    for (int i = 0; i < x->rank; i++)
        if (i != axis && at->dim[i] > x->dim[i])
            return bl_op_fail(b, n, BLIND_INPUT, "more indices than elements in axis %d", i);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = axis;
    return bl_set_out(b, n, 0, x->dtype, at->rank, at->dim);
}

/* Offset in `t` of the element at index i of the indices, but for `at` along axis. */
static size_t element_at(const bl_tensor *t, const bl_tensor *indices, size_t i, int axis,
                         int64_t at)
{
    size_t step = 1, offset = 0;
    for (int d = t->rank - 1; d >= 0; d--) {
        size_t here = i % (size_t)indices->dim[d];
        i /= (size_t)indices->dim[d];
        offset += (d == axis ? (size_t)at : here) * step;
        step *= (size_t)t->dim[d];
    }
    return offset;
}

blind_code bl_op_gather_elements_run(const bl_exec *x, const bl_node *n)
{
    int              axis = *(const int *)n->params;
    const bl_tensor *in = bl_arg(x, n, 0), *indices = bl_arg(x, n, 1);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           size = bl_element_size(in->dtype);
    int64_t          at;
    for (size_t i = 0; i < indices->len; i++) {
        if (!index_at(indices, i, in->dim[axis], &at))
            return out_of_range(x, n, in->dim[axis]);
        memcpy((char *)out->data + i * size,
               (const char *)in->data + element_at(in, indices, i, axis, at) * size, size);
    }
    return BLIND_OK;
}

static blind_code no_reduction(bl_build *b, const bl_node *n)
{
    const char *how = bl_attr_str(n, "reduction", "none");
    if (strcmp(how, "none") != 0)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "reduction '%.20s'", how);
    return BLIND_OK;
}

blind_code bl_op_scatter_elements_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1), *updates = bl_in(b, n, 2);
    int              axis, *p;
    BL_TRY(check_indices(b, n, 1));
    BL_TRY(no_reduction(b, n));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x->rank, &axis));
    bool fits = at->rank == x->rank && updates->rank == x->rank && updates->dtype == x->dtype;
    for (int i = 0; fits && i < x->rank; i++)
        fits = at->dim[i] == updates->dim[i] && (i == axis || at->dim[i] <= x->dim[i]);
    if (!fits)
        return bl_op_fail(b, n, BLIND_INPUT, "indices, updates and data that do not fit");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = axis;
    n->inplace = 1;
    return bl_set_same(b, n);
}

static void start_from_input(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    if (out->data != in->data && out->len)
        memcpy(out->data, in->data, bl_tensor_size(out));
}

blind_code bl_op_scatter_elements_run(const bl_exec *x, const bl_node *n)
{
    int              axis = *(const int *)n->params;
    const bl_tensor *indices = bl_arg(x, n, 1), *updates = bl_arg(x, n, 2);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           size = bl_element_size(out->dtype);
    int64_t          at;
    start_from_input(x, n);
    for (size_t i = 0; i < indices->len; i++) {
        if (!index_at(indices, i, out->dim[axis], &at))
            return out_of_range(x, n, out->dim[axis]);
        memcpy((char *)out->data + element_at(out, indices, i, axis, at) * size,
               (const char *)updates->data + i * size, size);
    }
    return BLIND_OK;
}

/* GatherND and ScatterND: tuples of indices.  -------------------------------------------------- */

blind_code bl_op_gather_nd_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1);
    int64_t          batch = bl_attr_int(n, "batch_dims", 0), dim[2 * BL_ONNX_RANK];
    int              rank = 0;
    BL_TRY(check_indices(b, n, 1));
    if (batch != 0)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "batch_dims");
    if (at->rank < 1 || at->dim[at->rank - 1] > x->rank)
        return bl_op_fail(b, n, BLIND_INPUT, "tuples longer than the axes");
    for (int i = 0; i < at->rank - 1; i++)
        dim[rank++] = at->dim[i];
    for (int i = (int)at->dim[at->rank - 1]; i < x->rank; i++)
        dim[rank++] = x->dim[i];
    return bl_set_out(b, n, 0, x->dtype, rank, dim);
}

/* Elements before the slice that tuple i names; false when it is out of range. */
static bool slice_at(const bl_tensor *t, const bl_tensor *indices, size_t i, int width,
                     size_t *offset)
{
    *offset = 0;
    for (int d = 0; d < width; d++) {
        int64_t at;
        if (!index_at(indices, i * (size_t)width + (size_t)d, t->dim[d], &at))
            return false;
        *offset += (size_t)at * bl_dims(t, d + 1, t->rank);
    }
    return true;
}

blind_code bl_op_gather_nd_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0), *indices = bl_arg(x, n, 1);
    bl_tensor       *out = bl_result(x, n, 0);
    int              width = (int)indices->dim[indices->rank - 1];
    size_t           element = bl_element_size(in->dtype), from;
    size_t           size = bl_dims(in, width, in->rank) * element;
    for (size_t i = 0; size && i < out->len * element / size; i++) {
        if (!slice_at(in, indices, i, width, &from))
            return bl_run_fail(x, n, "an index out of range");
        memcpy((char *)out->data + i * size, (const char *)in->data + from * element, size);
    }
    return BLIND_OK;
}

blind_code bl_op_scatter_nd_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1), *updates = bl_in(b, n, 2);
    BL_TRY(check_indices(b, n, 1));
    BL_TRY(no_reduction(b, n));
    if (at->rank < 1 || at->dim[at->rank - 1] > x->rank || updates->dtype != x->dtype)
        return bl_op_fail(b, n, BLIND_INPUT, "tuples longer than the axes, or another type");
    int    width = (int)at->dim[at->rank - 1];
    size_t wanted;
    if (!bl_mul(bl_dims(at, 0, at->rank - 1), bl_dims(x, width, x->rank), &wanted) ||
        wanted != updates->len)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu updates for the indices", updates->len);
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_op_scatter_nd_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *indices = bl_arg(x, n, 1), *updates = bl_arg(x, n, 2);
    bl_tensor       *out = bl_result(x, n, 0);
    int              width = (int)indices->dim[indices->rank - 1];
    size_t           element = bl_element_size(out->dtype), to;
    size_t           size = bl_dims(out, width, out->rank) * element;
    start_from_input(x, n);
    for (size_t i = 0; size && i < updates->len * element / size; i++) {
        if (!slice_at(out, indices, i, width, &to))
            return bl_run_fail(x, n, "an index out of range");
        memcpy((char *)out->data + to * element, (const char *)updates->data + i * size, size);
    }
    return BLIND_OK;
}
