/* Blocks in a list, the newest first; a request larger than a block gets one of its own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct bl_arena_block {
    bl_arena_block *next;
    size_t          size, used; /* bytes behind the header */
};

enum { HEADER = 64, BLOCK = 64 * 1024 - HEADER, ALIGNMENT = 64 };

void bl_arena_done(bl_arena *a)
{
    for (bl_arena_block *b = a->first, *next; b; b = next) {
        next = b->next;
        if (a->secret)
            bl_wipe((uint8_t *)b + HEADER, b->used);
        free(b);
    }
    *a = BL_ARENA_EMPTY;
}

static bl_arena_block *block_new(size_t size)
{
    size_t total, rounded;
    if (!bl_add(size, HEADER + ALIGNMENT - 1, &total))
        return NULL;
    rounded = total & ~(size_t)(ALIGNMENT - 1);
    bl_arena_block *b = aligned_alloc(ALIGNMENT, rounded);
    if (b)
        *b = (bl_arena_block){ .size = rounded - HEADER };
    return b;
}

void *bl_arena_alloc(bl_arena *a, size_t size)
{
    size_t align = size >= ALIGNMENT ? ALIGNMENT : 16, total;
    if (!bl_add(a->used, size, &total) || (a->max && total > a->max))
        return NULL;
    bl_arena_block *b = a->first;
    size_t          at = b ? (b->used + align - 1) & ~(align - 1) : 0;
    if (!b || at > b->size || size > b->size - at) {
        b = block_new(size > BLOCK ? size : BLOCK);
        if (!b)
            return NULL;
        at = 0;
        if (a->first && size > BLOCK) { /* keep filling the block in hand */
            b->next = a->first->next;
            a->first->next = b;
        } else {
            b->next = a->first;
            a->first = b;
        }
    }
    b->used = at + size;
    a->used = total;
    return memset((uint8_t *)b + HEADER + at, 0, size);
}

void *bl_arena_array(bl_arena *a, size_t count, size_t size)
{
    size_t total;
    return bl_mul(count, size, &total) ? bl_arena_alloc(a, total) : NULL;
}

char *bl_arena_copy(bl_arena *a, blind_span bytes)
{
    size_t size;
    char  *copy = bl_add(bytes.size, 1, &size) ? bl_arena_alloc(a, size) : NULL;
    if (copy && bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

char *bl_arena_printf(bl_arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int   n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : bl_arena_alloc(a, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
