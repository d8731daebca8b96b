/* Strings of .npy files: of one length each in the file, filled up with zeros, which are not
 * theirs. Source: numpy, "Data type objects", 'S' and 'U'. */
#include "base/npy.h"
#include "base/utf8.h"

static uint32_t code_at(const bl_npy *npy, const uint8_t *p)
{
    return npy->big_endian
               ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
               : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* One string as UTF-8 to `to`, which takes as many bytes as it has in the file; false where a
 * character is none. */
static bool put_wide(const bl_npy *npy, const uint8_t *from, uint8_t *to, size_t *size)
{
    size_t len = npy->each / 4;
    while (len > 0 && code_at(npy, from + 4 * (len - 1)) == 0)
        len--;
    *size = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t c = code_at(npy, from + 4 * i);
        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return false;
        *size += bl_utf8_put(c, to + *size);
    }
    return true;
}

static void put_bytes(const bl_npy *npy, const uint8_t *from, uint8_t *to, size_t *size)
{
    *size = npy->each;
    while (*size > 0 && from[*size - 1] == 0)
        --*size;
    if (*size)
        memcpy(to, from, *size);
}

blind_code bl_npy_text(const bl_npy *npy, blind_span elements, bl_arena *arena, blind_tensor *out,
                       blind_error *err)
{
    size_t   count = elements.size / npy->each, room, at = 0;
    uint8_t *data = NULL;
    *out = (blind_tensor){ 0 };
    if (bl_mul(count, 4, &room) && bl_add(room, elements.size, &room))
        data = bl_arena_alloc(arena, BL_MAX(room, (size_t)64));
    if (!data)
        return blind_fail(err, BLIND_MEMORY, "npy.read", "out of memory for %zu strings", count);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = elements.data + i * npy->each;
        size_t         size;
        if (!npy->wide_text)
            put_bytes(npy, from, data + at + 4, &size);
        else if (!put_wide(npy, from, data + at + 4, &size))
            return blind_fail(err, BLIND_INPUT, "npy.text", "string %zu is no Unicode", i);
        for (int k = 0; k < 4; k++)
            data[at + (size_t)k] = (uint8_t)(size >> 8 * k);
        at += 4 + size;
    }
    *out = (blind_tensor){ .dtype = BLIND_STRING, .rank = npy->rank, .data = data, .size = at };
    memcpy(out->shape, npy->shape, sizeof out->shape);
    return BLIND_OK;
}
