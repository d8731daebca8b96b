/* ValueInfoProto and TypeProto: what a graph takes and gives.  Source: onnx.proto3. */
#include "onnx/parse.h"

static const char stage[] = "onnx.parse";

static blind_code read_dim(const bl_scope *s, blind_span message, bl_onnx_port *port)
{
    bl_reader   r = { .rest = message };
    int64_t     size = -1;
    const char *symbol = NULL;
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 1)
            size = (int64_t)f.value;
        if (f.number == 2)
            BL_TRY(bl_parse_name(s, f.bytes, &symbol));
    }
    if (r.failed)
        return bl_parse_malformed(s, "dimension");
    if (port->rank == BL_ONNX_RANK)
        return blind_fail(s->all->err, BLIND_UNSUPPORTED, stage, "'%.80s' has more than %d axes",
                          port->name, BL_ONNX_RANK);
    port->symbol[port->rank] = symbol;
    port->shape[port->rank++] = size < 0 ? -1 : size;
    return BLIND_OK;
}

static blind_code read_shape(const bl_scope *s, blind_span message, bl_onnx_port *port)
{
    bl_reader r = { .rest = message };
    port->rank = 0;
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == 1)
            BL_TRY(read_dim(s, f.bytes, port));
    return r.failed ? bl_parse_malformed(s, "shape") : BLIND_OK;
}

static blind_code read_tensor_type(const bl_scope *s, blind_span message, bl_onnx_port *port)
{
    bl_reader r = { .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 1) {
            int dtype = bl_dtype_of_onnx((int64_t)f.value);
            if (dtype < 0)
                return blind_fail(s->all->err, BLIND_UNSUPPORTED, stage,
                                  "'%.80s' has elements of type %llu", port->name,
                                  (unsigned long long)f.value);
            port->dtype = (blind_dtype)dtype;
        }
        if (f.number == 2)
            BL_TRY(read_shape(s, f.bytes, port));
    }
    return r.failed ? bl_parse_malformed(s, "type") : BLIND_OK;
}

enum { T_TENSOR = 1, T_SEQUENCE = 4, T_MAP = 5, T_DENOTATION = 6, T_OPTIONAL = 9 };

/* The type of a map's keys; *inner is that of its values. */
static blind_code read_map(const bl_scope *s, blind_span message, bl_onnx_port *port,
                           blind_span *inner)
{
    bl_reader r = { .rest = message };
    int       key = -1;
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 1)
            key = bl_dtype_of_onnx((int64_t)f.value);
        if (f.number == 2)
            *inner = f.bytes;
    }
    if (r.failed)
        return bl_parse_malformed(s, "type");
    if (key != BLIND_I64 && key != BLIND_STRING)
        return blind_fail(s->all->err, BLIND_UNSUPPORTED, stage,
                          "'%.80s' is a map whose keys are neither text nor INT64", port->name);
    port->map = true;
    port->key = (blind_dtype)key;
    return BLIND_OK;
}

/* A tensor, a sequence of tensors, an optional of one of the two, a map to tensors or a sequence of
 * such maps. */
static blind_code read_type(const bl_scope *s, blind_span message, bl_onnx_port *port)
{
    bl_reader r = { .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);) {
        bool wraps = f.number == T_SEQUENCE || f.number == T_OPTIONAL || f.number == T_MAP;
        bool twice = port->map || (f.number != T_MAP && port->sequence) ||
                     (f.number != T_SEQUENCE && port->optional);
        blind_span inner = { 0 };
        if (f.number == T_TENSOR)
            BL_TRY(read_tensor_type(s, f.bytes, port));
        else if (f.wire == BL_WIRE_BYTES && f.number != T_DENOTATION && (!wraps || twice))
            return blind_fail(s->all->err, BLIND_UNSUPPORTED, stage,
                              "'%.80s' is neither tensor nor sequence of tensors", port->name);
        if (!wraps)
            continue;
        if (f.number == T_MAP) {
            BL_TRY(read_map(s, f.bytes, port, &inner));
            BL_TRY(read_type(s, inner, port));
            continue;
        }
        port->sequence = port->sequence || f.number == T_SEQUENCE;
        port->optional = port->optional || f.number == T_OPTIONAL;
        bl_reader of = { .rest = f.bytes };
        for (bl_field e; bl_wire_next(&of, &e);)
            inner = e.number == 1 ? e.bytes : inner;
        if (of.failed)
            return bl_parse_malformed(s, "type");
        BL_TRY(read_type(s, inner, port)); /* at most an optional of a sequence of a tensor */
    }
    return r.failed ? bl_parse_malformed(s, "input or output") : BLIND_OK;
}

blind_code bl_parse_port(bl_scope *s, blind_span message, bl_onnx_port *port)
{
    bl_reader r = { .rest = message };
    *port = (bl_onnx_port){ .name = "", .rank = -1 };
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == 1)
            BL_TRY(bl_parse_name(s, f.bytes, &port->name));
    r = (bl_reader){ .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == 2)
            BL_TRY(read_type(s, f.bytes, port));
    return r.failed ? bl_parse_malformed(s, "input or output") : BLIND_OK;
}
