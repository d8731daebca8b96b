/* The protobuf wire format: every field, every scalar of it, nested while bytes look like a
 * message.
 */
#include "onnx/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(blind_span message, int depth)
{
    bl_reader r = { .rest = message };
    size_t    fields = 0;
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 0 || f.bytes.size > message.size)
            __builtin_trap();
        fields++;
        for (size_t fixed = 0; fixed <= 8; fixed += 4) {
            size_t    n = bl_wire_scalars(&f, fixed);
            bl_reader scalars = { .rest = f.bytes };
            if (f.wire != BL_WIRE_BYTES && n != 1)
                __builtin_trap();
            for (size_t i = 0; i < n && f.wire == BL_WIRE_BYTES && !scalars.failed; i++)
                (void)(fixed ? bl_read_le(&scalars, fixed) : bl_read_varint(&scalars));
        }
        if (f.wire == BL_WIRE_BYTES && depth > 0)
            walk(f.bytes, depth - 1);
    }
    if (bl_wire_count(message, 1) > fields)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk((blind_span){ data, size }, 6);
    return 0;
}
