/* Varints and fields.  Every length is held against the bytes that are left. */
#include "onnx/wire.h"

uint64_t bl_read_varint(bl_reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = bl_read_u8(r);
        if (r->failed || (shift == 63 && byte > 1)) {
            r->failed = true;
            return 0;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    r->failed = true; /* more than ten bytes */
    return 0;
}

static bool read_payload(bl_reader *r, bl_field *f)
{
    switch (f->wire) {
    case BL_WIRE_VARINT:
        f->value = bl_read_varint(r);
        break;
    case BL_WIRE_I64:
        f->value = bl_read_le(r, 8);
        break;
    case BL_WIRE_I32:
        f->value = bl_read_le(r, 4);
        break;
    case BL_WIRE_BYTES: {
        uint64_t size = bl_read_varint(r);
        f->bytes = bl_read_bytes(r, size);
        break;
    }
    default:
        r->failed = true;
    }
    return !r->failed;
}

bool bl_wire_next(bl_reader *r, bl_field *out)
{
    *out = (bl_field){ 0 };
    if (r->failed || r->rest.size == 0)
        return false;
    uint64_t tag = bl_read_varint(r);
    if (r->failed || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        r->failed = true;
        return false;
    }
    out->number = (uint32_t)(tag >> 3);
    out->wire = (bl_wire)(tag & 7);
    return read_payload(r, out);
}

size_t bl_wire_count(blind_span message, uint32_t number)
{
    bl_reader r = { .rest = message };
    size_t    count = 0;
    for (bl_field f; bl_wire_next(&r, &f);)
        count += f.number == number;
    return count;
}

size_t bl_wire_scalars(const bl_field *f, size_t fixed_size)
{
    if (f->wire != BL_WIRE_BYTES)
        return 1;
    if (fixed_size)
        return f->bytes.size / fixed_size;
    size_t count = 0;
    for (size_t i = 0; i < f->bytes.size; i++)
        count += !(f->bytes.data[i] & 0x80); /* one last byte per varint */
    return count;
}
