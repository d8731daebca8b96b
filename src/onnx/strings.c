/* Strings as elements of tensors.
 *
 * Outside a string is a u32 little-endian size and its bytes, one after another.  Inside it is a
 * blind_span: copying elements copies spans, and the bytes stay where they were made: in the file,
 * in the caller's input, in the arena of the plan, or in the run's arena until the run ends. */
#include "onnx/strings.h"

#include "base/reader.h"

blind_code bl_strings_read(const blind_tensor *given, size_t len, blind_span *out, blind_error *err)
{
    bl_reader r = { .rest = bl_span(given->data, given->size) };
    for (size_t i = 0; i < len && !r.failed; i++) {
        uint32_t size = bl_read_u32le(&r);
        out[i] = bl_read_bytes(&r, size);
    }
    return bl_reader_done(&r)
               ? BLIND_OK
               : blind_fail(err, BLIND_INPUT, "onnx.input",
                            "input '%.80s' is no list of %zu strings", given->name, len);
}

blind_code bl_strings_write(const bl_tensor *t, bl_arena *arena, blind_tensor *out,
                            blind_error *err)
{
    const blind_span *from = t->data;
    size_t            size = 0;
    for (size_t i = 0; i < t->len; i++)
        if (from[i].size > UINT32_MAX || !bl_add(size, 4 + from[i].size, &size))
            return blind_fail(err, BLIND_LIMIT, "onnx.output", "too long a string");
    uint8_t *to = bl_arena_alloc(arena, size + 1);
    if (!to)
        return blind_fail(err, BLIND_LIMIT, "onnx.output", "no memory for %zu bytes of strings",
                          size);
    out->data = to;
    out->size = size;
    for (size_t i = 0; i < t->len; i++) {
        for (int k = 0; k < 4; k++)
            *to++ = (uint8_t)(from[i].size >> (8 * k));
        if (from[i].size)
            memcpy(to, from[i].data, from[i].size);
        to += from[i].size;
    }
    return BLIND_OK;
}

blind_code bl_string_room(const bl_exec *x, const bl_node *n, size_t size, char **out)
{
    *out = bl_arena_alloc(x->strings, size ? size : 1);
    return *out ? BLIND_OK
                : blind_fail(x->err, BLIND_LIMIT, "onnx.run",
                             "node '%.50s' (%.30s): no memory for a string of %zu bytes", n->name,
                             n->type, size);
}
