/* Tensors taken apart along an axis and put together again. */
#include "onnx/control.h"

static size_t product(const bl_tensor *t, int from, int to)
{
    size_t n = 1;
    for (int i = from; i < to; i++)
        n *= (size_t)t->dim[i];
    return n;
}

blind_code bl_tensor_slice(bl_onnx_run *run, bl_object *from, int axis, int64_t at, int64_t len,
                           bool drop_axis, bl_object **out, blind_error *err)
{
    const bl_tensor *x = &from->t;
    bl_tensor        t = { .dtype = x->dtype };
    int64_t          dim[BL_ONNX_RANK];
    int              rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (i != axis || !drop_axis)
            dim[rank++] = i == axis ? len : x->dim[i];
    if (!bl_tensor_shape(&t, rank, dim))
        return blind_fail(err, BLIND_LIMIT, "onnx.run", "a part of impossible size");
    size_t outer = product(x, 0, axis), element = bl_element_size(x->dtype);
    size_t inner = product(x, axis + 1, x->rank) * element;
    size_t step = (size_t)x->dim[axis] * inner, part = (size_t)len * inner;
    if (outer == 1 && t.len) { /* the bytes lie together */
        t.data = (uint8_t *)x->data + (size_t)at * inner;
        return bl_object_over(&run->room, &t, from, out, err);
    }
    BL_TRY(bl_object_tensor(&run->room, &t, out, err));
    for (size_t i = 0; i < outer && part; i++)
        memcpy((uint8_t *)(*out)->t.data + i * part,
               (const uint8_t *)x->data + i * step + (size_t)at * inner, part);
    return BLIND_OK;
}

/* The shape of all items together; they may differ in an axis that they are joined along. */
static blind_code joined_shape(const bl_node *n, const bl_object *s, int axis, bool new_axis,
                               bl_tensor *out, blind_error *err)
{
    const bl_tensor *first = &s->items[0]->t;
    int              rank = first->rank + new_axis;
    int64_t          dim[BL_ONNX_RANK], total = 0;
    *out = (bl_tensor){ .dtype = first->dtype };
    if (rank > BL_ONNX_RANK || axis >= rank)
        return bl_control_fail(n, err, BLIND_INPUT, "axis %d of tensors of %d axes", axis, rank);
    for (size_t k = 0; k < s->len; k++) {
        const bl_tensor *t = &s->items[k]->t;
        bool             fits = t->dtype == first->dtype && t->rank == first->rank;
        for (int i = 0; fits && i < t->rank; i++)
            fits = t->dim[i] == first->dim[i] || (i == axis && !new_axis);
        if (!fits)
            return bl_control_fail(n, err, BLIND_INPUT, "item %zu has another shape or type", k);
        if (__builtin_add_overflow(total, new_axis ? 1 : t->dim[axis], &total))
            return bl_control_fail(n, err, BLIND_LIMIT, "an output of impossible size");
    }
    for (int i = 0, from = 0; i < rank; i++)
        dim[i] = i == axis ? total : first->dim[new_axis ? from : i], from += i != axis;
    if (!bl_tensor_shape(out, rank, dim))
        return bl_control_fail(n, err, BLIND_LIMIT, "an output of impossible size");
    return BLIND_OK;
}

blind_code bl_sequence_join(bl_onnx_run *run, const bl_node *n, const bl_object *s, int axis,
                            bool new_axis, bool reverse, bl_object **out, blind_error *err)
{
    bl_tensor t;
    if (s->len == 0)
        return bl_control_fail(n, err, BLIND_INPUT, "nothing to put together");
    BL_TRY(joined_shape(n, s, axis, new_axis, &t, err));
    BL_TRY(bl_object_tensor(&run->room, &t, out, err));
    const bl_tensor *y = &(*out)->t;
    size_t           outer = product(y, 0, axis), element = bl_element_size(t.dtype), at = 0;
    size_t inner = product(y, axis + 1, y->rank) * element, step = (size_t)y->dim[axis] * inner;
    for (size_t k = 0; k < s->len && y->len; k++) {
        const bl_tensor *x = &s->items[reverse ? s->len - 1 - k : k]->t;
        size_t           part = (new_axis ? 1 : (size_t)x->dim[axis]) * inner;
        for (size_t i = 0; i < outer && part; i++)
            memcpy((uint8_t *)y->data + i * step + at, (const uint8_t *)x->data + i * part, part);
        at += part;
    }
    return BLIND_OK;
}

/* No turns, so no items to stack: as many axes as the body declares, and one in front. */
blind_code bl_empty_stack(bl_onnx_run *run, const bl_onnx_port *port, bl_object **out,
                          blind_error *err)
{
    bl_tensor t = { .dtype = port->dtype };
    int64_t   dim[BL_ONNX_RANK] = { 0 };
    int       rank = BL_MIN(BL_MAX(port->rank, 0), BL_ONNX_RANK - 1);
    for (int i = 0; i < rank; i++)
        dim[1 + i] = BL_MAX(port->shape[i], 0);
    if (!bl_tensor_shape(&t, 1 + rank, dim))
        return blind_fail(err, BLIND_LIMIT, "onnx.run", "an output of impossible size");
    return bl_object_tensor(&run->room, &t, out, err);
}
