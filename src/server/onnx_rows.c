/* Joined inputs and sliced outputs: see the header. */
#include "server/onnx_rows.h"

size_t bl_rows_of(const blind_tensor *t)
{
    size_t size = blind_dtype_size(t->dtype);
    if (size == 0 || t->rank < 1 || t->rank > BLIND_MAX_RANK || t->shape[0] < 1)
        return 0;
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] < 1 || !bl_mul(size, (size_t)t->shape[i], &size))
            return 0;
    return size == t->size ? (size_t)t->shape[0] : 0;
}

bool bl_rows_agree(const blind_tensor *a, const blind_tensor *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank)
        return false;
    for (int i = 1; i < a->rank; i++)
        if (a->shape[i] != b->shape[i])
            return false;
    return true;
}

blind_code bl_rows_join(const blind_tensor *const *parts, size_t len, size_t planned,
                        bl_arena *arena, blind_tensor *out, blind_error *err)
{
    size_t row = parts[0]->size / (size_t)parts[0]->shape[0], at = 0;
    *out = *parts[0];
    out->shape[0] = (int64_t)planned;
    out->data = bl_arena_array(arena, planned, row); /* zeroed */
    if (!out->data)
        return blind_fail(err, BLIND_MEMORY, "onnx.batch", "no memory for %zu rows", planned);
    out->size = planned * row;
    for (size_t i = 0; i < len; i++) {
        if (parts[i]->size > out->size - at) /* never: they were counted */
            return blind_fail(err, BLIND_FAILED, "onnx.batch", "more rows than were counted");
        memcpy((uint8_t *)out->data + at, parts[i]->data, parts[i]->size);
        at += parts[i]->size;
    }
    return BLIND_OK;
}

blind_code bl_rows_slice(const blind_tensor *t, size_t planned, size_t first, size_t rows,
                         blind_tensor *out, blind_error *err)
{
    if (bl_rows_of(t) != planned || first > planned || rows > planned - first)
        return blind_fail(err, BLIND_INPUT, "onnx.batch",
                          "output '%.80s' has not a row for each of its %zu inputs", t->name,
                          planned);
    size_t row = t->size / planned;
    *out = *t;
    out->shape[0] = (int64_t)rows;
    out->size = rows * row;
    out->data = (uint8_t *)t->data + first * row;
    return BLIND_OK;
}
