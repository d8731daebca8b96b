/* The protobuf wire format: fields front to back over borrowed bytes, nothing copied.
 *
 *     bl_reader r = { .rest = message };
 *     for (bl_field f; bl_wire_next(&r, &f);)
 *         switch (f.number) { ... }
 *     if (r.failed) ...
 *
 * Source: Protocol Buffers, "Encoding". */
#ifndef BL_ONNX_WIRE_H
#define BL_ONNX_WIRE_H

#include "base/reader.h"

typedef enum { BL_WIRE_VARINT = 0, BL_WIRE_I64 = 1, BL_WIRE_BYTES = 2, BL_WIRE_I32 = 5 } bl_wire;

typedef struct {
    uint32_t   number; /* 1.. */
    bl_wire    wire;
    uint64_t   value; /* VARINT, I64, I32 (zero-extended) */
    blind_span bytes; /* BYTES */
} bl_field;

uint64_t bl_read_varint(bl_reader *r);

/* The next field; false at the end and on malformed bytes, when r->failed is set.  Groups, which
 * proto3 does not have, are malformed. */
bool bl_wire_next(bl_reader *r, bl_field *out);

/* How many fields of that number the message has; *r is not moved. */
size_t bl_wire_count(blind_span message, uint32_t number);

/* How many scalars the repeated field holds, packed or not: every field of that number is given.
 * fixed_size is 4 or 8, or 0 for varints. */
size_t bl_wire_scalars(const bl_field *f, size_t fixed_size);

#endif
