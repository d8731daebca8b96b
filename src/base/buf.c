/* Growth by doubling, bounded; a secret buffer never leaves a copy behind. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bl_buf_done(bl_buf *b)
{
    if (b->secret)
        bl_wipe(b->data, b->capacity);
    free(b->data);
    *b = BL_BUF_EMPTY;
}

void bl_buf_clear(bl_buf *b)
{
    if (b->secret)
        bl_wipe(b->data, b->size);
    b->size = 0;
}

/* The first time to what was asked, if that is more than a little: later by doubling. */
static bool grow(bl_buf *b, size_t wanted)
{
    size_t capacity = b->capacity ? b->capacity : BL_MAX(wanted, (size_t)64);
    while (capacity < wanted)
        if (!bl_mul(capacity, 2, &capacity))
            return false;
    uint8_t *data;
    if (b->secret) {
        data = malloc(capacity);
        if (data && b->data)
            memcpy(data, b->data, b->size);
        if (data) {
            bl_wipe(b->data, b->capacity);
            free(b->data);
        }
    } else {
        data = realloc(b->data, capacity);
    }
    if (!data)
        return false;
    b->data = data;
    b->capacity = capacity;
    return true;
}

uint8_t *bl_buf_reserve(bl_buf *b, size_t more)
{
    size_t wanted = 0;
    bool   fits = !b->failed && bl_add(b->size, more, &wanted);
    if (fits && b->max && wanted > b->max) {
        b->full = true;
        fits = false;
    }
    if (!fits || ((wanted > b->capacity || !b->data) && !grow(b, wanted))) {
        b->failed = true;
        return NULL;
    }
    return b->data + b->size;
}

void bl_buf_add(bl_buf *b, blind_span bytes)
{
    if (bytes.size == 0)
        return;
    uint8_t *to = bl_buf_reserve(b, bytes.size);
    if (!to)
        return;
    memcpy(to, bytes.data, bytes.size);
    b->size += bytes.size;
}

void bl_buf_add_str(bl_buf *b, const char *s)
{
    bl_buf_add(b, bl_span_str(s));
}

void bl_buf_add_be(bl_buf *b, uint64_t value, size_t bytes)
{
    uint8_t out[8];
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    bl_buf_add(b, bl_span(out, bytes));
}

void bl_buf_add_le(bl_buf *b, uint64_t value, size_t bytes)
{
    uint8_t out[8];
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
    bl_buf_add(b, bl_span(out, bytes));
}

void bl_buf_add_u8(bl_buf *b, uint8_t value)
{
    bl_buf_add(b, bl_span(&value, 1));
}

void bl_buf_printf(bl_buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t room = b->capacity - b->size; /* what fits is printed once */
    int    n = vsnprintf(room ? (char *)b->data + b->size : NULL, room, format, args);
    va_end(args);
    uint8_t *to = n < 0 ? NULL : bl_buf_reserve(b, (size_t)n + 1);
    if (!to)
        b->failed = true;
    else if ((size_t)n >= room)
        vsnprintf((char *)to, (size_t)n + 1, format, again);
    if (to)
        b->size += (size_t)n;
    va_end(again);
}

void bl_buf_consume(bl_buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->size - n);
    b->size -= n;
    if (b->secret)
        bl_wipe(b->data + b->size, n);
}

char *bl_buf_cstr(bl_buf *b)
{
    uint8_t *end = bl_buf_reserve(b, 1);
    if (!end)
        return NULL;
    *end = 0;
    return (char *)b->data;
}

blind_code bl_buf_check(const bl_buf *b, const char *stage, blind_error *err)
{
    if (!b->failed)
        return BLIND_OK;
    if (b->full)
        return blind_fail(err, BLIND_LIMIT, stage, "more than the limit of %zu bytes", b->max);
    return blind_fail(err, BLIND_MEMORY, stage, "out of memory at %zu bytes", b->size);
}
