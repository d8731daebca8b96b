/* Operators that pick and place by index.  Every index is checked before it is used. */
#include "onnx/families.h"
#include "onnx/indices.h"

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
    BL_TRY(bl_check_indices(b, n, 1));
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
        if (!bl_index_at(indices, i, rows, &at))
            return out_of_range(x, n, rows);
        for (size_t o = 0; o < outer && size; o++)
            memcpy((char *)out->data + (o * indices->len + i) * size,
                   (const char *)in->data + (o * (size_t)rows + (size_t)at) * size, size);
    }
    return BLIND_OK;
}

/* GatherElements: one index per element.  ------------------------------------------------------ */

blind_code bl_op_gather_elements_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1);
    int              axis, *p;
    BL_TRY(bl_check_indices(b, n, 1));
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

typedef struct {
    const bl_tensor *in, *indices;
    bl_tensor       *out;
    int              axis;
} gather_job;

static bool gather_row(void *arg, size_t base, size_t from)
{
    const gather_job *j = arg;
    int               last = j->indices->rank - 1;
    size_t            size = bl_element_size(j->in->dtype), source;
    size_t            step = bl_dims(j->in, j->axis + 1, j->in->rank);
    int64_t           at;
    for (size_t i = 0; i < (size_t)j->indices->dim[last]; i++) {
        if (!bl_index_at(j->indices, from + i, j->in->dim[j->axis], &at))
            return false;
        source = base + (size_t)at * step + (j->axis == last ? 0 : i);
        memcpy((char *)j->out->data + (from + i) * size, (const char *)j->in->data + source * size,
               size);
    }
    return true;
}

blind_code bl_op_gather_elements_run(const bl_exec *x, const bl_node *n)
{
    gather_job j = { bl_arg(x, n, 0), bl_arg(x, n, 1), bl_result(x, n, 0),
                     *(const int *)n->params };
    if (!bl_walk_indices(j.in, j.indices, j.axis, gather_row, &j))
        return out_of_range(x, n, j.in->dim[j.axis]);
    return BLIND_OK;
}

/* GatherND: tuples of indices.  ---------------------------------------------------------------- */

blind_code bl_op_gather_nd_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1);
    int64_t          batch = bl_attr_int(n, "batch_dims", 0), dim[2 * BL_ONNX_RANK];
    int              rank = 0, *p;
    BL_TRY(bl_check_indices(b, n, 1));
    if (at->rank < 1 || batch < 0 || batch >= at->rank || batch > x->rank ||
        at->dim[at->rank - 1] > x->rank - batch)
        return bl_op_fail(b, n, BLIND_INPUT, "tuples longer than the axes");
    for (int i = 0; i < at->rank - 1; i++) {
        if (i < batch && at->dim[i] != x->dim[i])
            return bl_op_fail(b, n, BLIND_INPUT, "indices of another batch");
        dim[rank++] = at->dim[i];
    }
    for (int i = (int)(batch + at->dim[at->rank - 1]); i < x->rank; i++)
        dim[rank++] = x->dim[i];
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = (int)batch;
    return bl_set_out(b, n, 0, x->dtype, rank, dim);
}

blind_code bl_op_gather_nd_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0), *indices = bl_arg(x, n, 1);
    bl_tensor       *out = bl_result(x, n, 0);
    int              batch = *(const int *)n->params, width = (int)indices->dim[indices->rank - 1];
    size_t           element = bl_element_size(in->dtype), from;
    size_t           size = bl_dims(in, batch + width, in->rank) * element;
    size_t           tuples = bl_dims(indices, batch, indices->rank - 1); /* of one of the batch */
    size_t           each = bl_dims(in, batch, in->rank);
    for (size_t i = 0; out->len && i < bl_dims(indices, 0, indices->rank - 1); i++) {
        if (!bl_slice_at(in, indices, i, batch, width, &from))
            return bl_run_fail(x, n, "an index out of range");
        from += i / tuples * each;
        memcpy((char *)out->data + i * size, (const char *)in->data + from * element, size);
    }
    return BLIND_OK;
}
