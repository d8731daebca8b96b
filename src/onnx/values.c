/* Constants lie in the file as they are, so perhaps unaligned. */
#include "onnx/values.h"

blind_code bl_value_of(bl_build *b, const bl_node *n, int i, const void **out)
{
    const bl_tensor *t = bl_in(b, n, i);
    size_t           size = bl_tensor_size(t);
    BL_TRY(bl_need_value(b, n, i));
    *out = t->data;
    if (size == 0 || (uintptr_t)t->data % bl_element_align(t->dtype) == 0)
        return BLIND_OK;
    void *copy = bl_arena_alloc(b->arena, size);
    if (!copy)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for a constant");
    *out = memcpy(copy, t->data, size);
    return BLIND_OK;
}

blind_code bl_floats_of(bl_build *b, const bl_node *n, int i, const float **out)
{
    const void *data;
    if (bl_in(b, n, i)->dtype != BLIND_F32)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d has elements of type %s", i,
                          blind_dtype_name(bl_in(b, n, i)->dtype));
    BL_TRY(bl_value_of(b, n, i, &data));
    *out = data;
    return BLIND_OK;
}

blind_code bl_integer_of(bl_build *b, const bl_node *n, int i, int64_t *out)
{
    size_t  len;
    int64_t value;
    if (!bl_has_in(n, i))
        return BLIND_OK;
    BL_TRY(bl_const_ints(b, n, i, &value, 1, &len));
    if (len != 1)
        return bl_op_fail(b, n, BLIND_INPUT, "input %d is no integer", i);
    *out = value;
    return BLIND_OK;
}

blind_code bl_number_of(bl_build *b, const bl_node *n, int i, double *out)
{
    if (!bl_has_in(n, i))
        return BLIND_OK;
    BL_TRY(bl_need_value(b, n, i));
    if (!bl_const_number(b, n, i, out))
        return bl_op_fail(b, n, BLIND_INPUT, "input %d is no number", i);
    return BLIND_OK;
}
