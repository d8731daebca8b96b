/* Indices out of tensors.  Every one is checked before it is used. */
#ifndef BL_ONNX_INDICES_H
#define BL_ONNX_INDICES_H

#include "onnx/ops.h"

/* Fails with INPUT unless input i is I64 or I32. */
BLIND_MUST_USE blind_code bl_check_indices(bl_build *b, const bl_node *n, int i);

/* Element i of indices, negative from the end of `size`; false when it is out of range. */
static inline bool bl_index_at(const bl_tensor *t, size_t i, int64_t size, int64_t *out)
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

/* Elements before the slice that tuple i of `width` indices names, over the axes from `first` on;
 * false when it is out of range. */
bool bl_slice_at(const bl_tensor *t, const bl_tensor *indices, size_t i, int first, int width,
                 size_t *offset);

/* Walks indices that name one element of an axis each: GatherElements and ScatterElements.  Calls
 * `each` for every row of them along their last axis.
 *
 * base    offset in t of the row's first element, the indexed axis left out
 * from    the row's first index
 * Returns false as soon as `each` does. */
typedef bool bl_index_row(void *arg, size_t base, size_t from);
bool bl_walk_indices(const bl_tensor *t, const bl_tensor *indices, int axis, bl_index_row *each,
                     void *arg);

#endif
