/* The heads of deterministic CBOR that bundles and logs are made of: each item has one spelling. */
#ifndef BL_WIRE_H
#define BL_WIRE_H

#include "base/buf.h"
#include "base/reader.h"

typedef enum {
    WIRE_UINT = 0,
    WIRE_BYTES = 2,
    WIRE_TEXT = 3,
    WIRE_ARRAY = 4,
    WIRE_MAP = 5
} wire_major;

static inline void wire_put(bl_buf *out, wire_major major, uint64_t value)
{
    uint8_t top = (uint8_t)(major << 5);
    size_t  wide = value < 24            ? 0
                   : value <= UINT8_MAX  ? 1
                   : value <= UINT16_MAX ? 2
                   : value <= UINT32_MAX ? 4
                                         : 8;
    bl_buf_add_u8(out, (uint8_t)(top | (wide == 0   ? value
                                        : wide == 1 ? 24
                                        : wide == 2 ? 25
                                        : wide == 4 ? 26
                                                    : 27)));
    bl_buf_add_be(out, value, wide);
}

static inline void wire_put_bytes(bl_buf *out, blind_span bytes)
{
    wire_put(out, WIRE_BYTES, bytes.size);
    bl_buf_add(out, bytes);
}

static inline void wire_put_text(bl_buf *out, const char *text)
{
    wire_put(out, WIRE_TEXT, strlen(text));
    bl_buf_add_str(out, text);
}

/* The argument of a head of this type in its shortest spelling; fails the reader else.
 * Source: RFC 8949, sections 3 and 4.2.1. */
static inline uint64_t wire_get(bl_reader *r, wire_major major)
{
    uint8_t  first = bl_read_u8(r), low = first & 31;
    size_t   wide = low < 24 ? 0 : low < 28 ? (size_t)1 << (low - 24) : 9;
    uint64_t value = wide == 0 ? low : wide <= 8 ? bl_read_be(r, wide) : 0;
    uint64_t least = wide == 0   ? 0
                     : wide == 1 ? 24
                     : wide == 2 ? 256
                     : wide == 4 ? 65536
                                 : UINT64_C(1) << 32;
    if (first >> 5 != major || wide > 8 || value < least)
        r->failed = true;
    return r->failed ? 0 : value;
}

static inline blind_span wire_get_string(bl_reader *r, wire_major major)
{
    uint64_t size = wire_get(r, major);
    if (size > r->rest.size)
        r->failed = true;
    return r->failed ? (blind_span){ 0 } : bl_read_bytes(r, (size_t)size);
}

static inline bool wire_text_is(bl_reader *r, const char *want)
{
    bool same = bl_span_equal(wire_get_string(r, WIRE_TEXT), bl_span_str(want));
    return same && !r->failed;
}

/* A byte string of exactly `size`. */
static inline void wire_get_fixed(bl_reader *r, uint8_t *out, size_t size)
{
    blind_span bytes = wire_get_string(r, WIRE_BYTES);
    if (bytes.size != size)
        r->failed = true;
    else
        memcpy(out, bytes.data, size);
}

#endif
