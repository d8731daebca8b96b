/* AttributeProto.  Source: onnx.proto3. */
#include "onnx/parse.h"

enum {
    A_NAME = 1,
    A_FLOAT = 2,
    A_INT = 3,
    A_STRING = 4,
    A_TENSOR = 5,
    A_GRAPH = 6,
    A_FLOATS = 7,
    A_INTS = 8,
    A_STRINGS = 9,
    A_TYPE = 20,
    A_REFERENCE = 21,
};

static blind_code read_scalars(const bl_scope *s, blind_span message, uint32_t number, bl_attr *a)
{
    size_t    fixed = number == A_FLOATS ? 4 : 0, len = 0;
    bl_reader count = { .rest = message }, fill = count;
    for (bl_field f; bl_wire_next(&count, &f);)
        len += f.number == number ? bl_wire_scalars(&f, fixed) : 0;
    a->len = len;
    if (fixed)
        a->floats = bl_arena_array(s->all->arena, len + 1, sizeof(float));
    else
        a->ints = bl_arena_array(s->all->arena, len + 1, sizeof(int64_t));
    if (!a->floats && !a->ints)
        return bl_parse_no_memory(s);
    size_t at = 0;
    for (bl_field f; bl_wire_next(&fill, &f);) {
        bl_reader r = { .rest = f.bytes };
        size_t    n = f.number == number ? bl_wire_scalars(&f, fixed) : 0;
        for (size_t i = 0; i < n; i++, at++) {
            bool     packed = f.wire == BL_WIRE_BYTES;
            uint64_t v = !packed ? f.value : fixed ? bl_read_le(&r, 4) : bl_read_varint(&r);
            uint32_t bits = (uint32_t)v;
            if (fixed)
                memcpy(&a->floats[at], &bits, 4);
            else
                a->ints[at] = (int64_t)v;
        }
    }
    return BLIND_OK;
}

static blind_code read_strings(const bl_scope *s, blind_span message, bl_attr *a)
{
    bl_reader r = { .rest = message };
    size_t    n = bl_wire_count(message, A_STRINGS);
    a->strings = bl_arena_array(s->all->arena, n + 1, sizeof *a->strings);
    for (bl_field f; a->strings && bl_wire_next(&r, &f);)
        if (f.number == A_STRINGS)
            a->strings[a->len++] = f.bytes;
    return a->strings ? BLIND_OK : bl_parse_no_memory(s);
}

/* What a function's node takes from the call: the attribute of that name, under the node's own. */
static blind_code refer(const bl_scope *s, const char *to, bl_attr *a)
{
    const char *name = a->name;
    for (size_t i = 0; i < s->n_given; i++) {
        if (strcmp(s->given[i].name, to) != 0)
            continue;
        *a = s->given[i];
        a->name = name;
        return a->body && s->around /* what it captured are values of another graph */
                   ? blind_fail(s->all->err, BLIND_UNSUPPORTED, "onnx.parse",
                                "graph '%.80s' given to a function and used within a body", to)
                   : BLIND_OK;
    }
    *a = (bl_attr){ .name = "", .s = "" }; /* neither given nor by default: as if not written */
    return BLIND_OK;
}

static blind_code read_one(bl_scope *s, const bl_field *f, bl_attr *a)
{
    uint32_t bits = (uint32_t)f->value;
    switch (f->number) {
    case A_NAME:
        return bl_parse_name(s, f->bytes, &a->name);
    case A_FLOAT:
        memcpy(&a->f, &bits, 4);
        a->type = a->type ? a->type : BL_ATTR_FLOAT;
        break;
    case A_INT:
        a->i = (int64_t)f->value;
        a->type = a->type ? a->type : BL_ATTR_INT;
        break;
    case A_STRING:
        a->s = bl_arena_copy(s->all->arena, f->bytes);
        return a->s ? BLIND_OK : bl_parse_no_memory(s);
    case A_TENSOR:
        if (a->t.data)
            return bl_parse_malformed(s, "attribute: two tensors");
        return bl_tensor_parse(f->bytes, s->all->arena, s->all->files, &a->t, NULL, s->all->err);
    case A_GRAPH:
        if (a->body)
            return bl_parse_malformed(s, "attribute: two graphs");
        return bl_parse_body(s, f->bytes, &a->body);
    case A_TYPE:
        a->type = (int)(f->value & 0xff);
        break;
    default:
        break;
    }
    return BLIND_OK;
}

blind_code bl_parse_attr(bl_scope *s, blind_span message, bl_attr *a)
{
    bl_reader   r = { .rest = message };
    bool        has_ints = false, has_floats = false, has_tensor = false;
    const char *reference = NULL;
    a->name = a->s = "";
    for (bl_field f; bl_wire_next(&r, &f);) {
        has_ints = has_ints || f.number == A_INTS;
        has_floats = has_floats || f.number == A_FLOATS;
        has_tensor = has_tensor || f.number == A_TENSOR;
        if (f.number == A_REFERENCE && f.bytes.size)
            BL_TRY(bl_parse_name(s, f.bytes, &reference));
        BL_TRY(read_one(s, &f, a));
    }
    if (r.failed || (has_ints && has_floats))
        return bl_parse_malformed(s, "attribute");
    if (reference) {
        if (!s->in_function)
            return bl_parse_malformed(s, "attribute: a reference outside a function");
        return refer(s, reference, a);
    }
    if (a->type == BL_ATTR_TENSOR && !has_tensor)
        return bl_parse_malformed(s, "attribute: a tensor without one");
    if (a->type == BL_ATTR_GRAPH && !a->body)
        return bl_parse_malformed(s, "attribute: a graph without one");
    if (a->type == BL_ATTR_STRINGS)
        return read_strings(s, message, a);
    if (has_ints || a->type == BL_ATTR_INTS)
        return read_scalars(s, message, A_INTS, a);
    if (has_floats || a->type == BL_ATTR_FLOATS)
        return read_scalars(s, message, A_FLOATS, a);
    return BLIND_OK;
}
