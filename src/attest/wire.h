/* Two things that bundles and logs ask of CBOR beside what base gives. */
#ifndef BL_WIRE_H
#define BL_WIRE_H

#include "base/cbor.h"

/* Reads a text; whether it is this one. */
static inline bool wire_text_is(bl_reader *r, const char *want)
{
    return bl_span_equal(bl_cbor_read_text(r), bl_span_str(want)) && !r->failed;
}

/* Reads a byte string of exactly `size`. */
static inline void wire_get_fixed(bl_reader *r, uint8_t *out, size_t size)
{
    blind_span bytes = bl_cbor_read_bytes(r);
    if (bytes.size != size)
        r->failed = true;
    else
        memcpy(out, bytes.data, size);
}

#endif
