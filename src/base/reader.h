/* Reads borrowed bytes front to back.  Failure sticks: check once at the end. */
#ifndef BL_READER_H
#define BL_READER_H

#include "base/base.h"

typedef struct {
    blind_span rest;
    bool       failed;
} bl_reader;

static inline blind_span bl_read_bytes(bl_reader *r, size_t n)
{
    if (n > r->rest.size) /* compare sizes, never pointers */
        r->failed = true;
    if (r->failed || n == 0)
        return (blind_span){ 0 };
    blind_span taken = { r->rest.data, n };
    r->rest.data += n;
    r->rest.size -= n;
    return taken;
}

static inline void bl_skip(bl_reader *r, size_t n)
{
    (void)bl_read_bytes(r, n);
}

static inline uint64_t bl_read_be(bl_reader *r, size_t n)
{
    blind_span bytes = bl_read_bytes(r, n);
    uint64_t   value = 0;
    for (size_t i = 0; i < bytes.size; i++)
        value = value << 8 | bytes.data[i];
    return value;
}

static inline uint64_t bl_read_le(bl_reader *r, size_t n)
{
    blind_span bytes = bl_read_bytes(r, n);
    uint64_t   value = 0;
    for (size_t i = bytes.size; i > 0; i--)
        value = value << 8 | bytes.data[i - 1];
    return value;
}

static inline uint8_t bl_read_u8(bl_reader *r)
{
    return (uint8_t)bl_read_be(r, 1);
}
static inline uint16_t bl_read_u16be(bl_reader *r)
{
    return (uint16_t)bl_read_be(r, 2);
}
static inline uint32_t bl_read_u24be(bl_reader *r)
{
    return (uint32_t)bl_read_be(r, 3);
}
static inline uint32_t bl_read_u32be(bl_reader *r)
{
    return (uint32_t)bl_read_be(r, 4);
}
static inline uint64_t bl_read_u64be(bl_reader *r)
{
    return bl_read_be(r, 8);
}
static inline uint16_t bl_read_u16le(bl_reader *r)
{
    return (uint16_t)bl_read_le(r, 2);
}
static inline uint32_t bl_read_u32le(bl_reader *r)
{
    return (uint32_t)bl_read_le(r, 4);
}
static inline uint64_t bl_read_u64le(bl_reader *r)
{
    return bl_read_le(r, 8);
}

/* True when everything was read: neither short nor bytes left over. */
static inline bool bl_reader_done(const bl_reader *r)
{
    return !r->failed && r->rest.size == 0;
}

#endif
