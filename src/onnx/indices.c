/* An odometer over all axes of the indices but the last. */
#include "onnx/indices.h"

blind_code bl_check_indices(bl_build *b, const bl_node *n, int i)
{
    const bl_tensor *t = bl_in(b, n, i);
    if (t->dtype != BLIND_I64 && t->dtype != BLIND_I32)
        return bl_op_fail(b, n, BLIND_INPUT, "indices of type %s", blind_dtype_name(t->dtype));
    return BLIND_OK;
}

bool bl_slice_at(const bl_tensor *t, const bl_tensor *indices, size_t i, int first, int width,
                 size_t *offset)
{
    *offset = 0;
    for (int d = 0; d < width; d++) {
        int64_t at;
        if (!bl_index_at(indices, i * (size_t)width + (size_t)d, t->dim[first + d], &at))
            return false;
        *offset += (size_t)at * bl_dims(t, first + d + 1, t->rank);
    }
    return true;
}

bool bl_walk_indices(const bl_tensor *t, const bl_tensor *indices, int axis, bl_index_row *each,
                     void *arg)
{
    size_t index[BL_ONNX_RANK] = { 0 }, stride[BL_ONNX_RANK], base = 0;
    int    last = indices->rank - 1;
    size_t width = last >= 0 ? (size_t)indices->dim[last] : 1;
    for (int d = 0; d <= last; d++)
        stride[d] = d == axis ? 0 : bl_dims(t, d + 1, t->rank);
    for (size_t from = 0; from < indices->len; from += width) {
        if (!each(arg, base, from))
            return false;
        for (int d = last - 1; d >= 0; d--) {
            base += stride[d];
            if (++index[d] < (size_t)indices->dim[d])
                break;
            base -= stride[d] * index[d];
            index[d] = 0;
        }
    }
    return true;
}
