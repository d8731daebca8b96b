/* Open addressing over FNV-1a, at most half full.  The table is bounded by the file that names the
 * values, so a file made to collide costs its own load only. */
#include "onnx/names.h"

bool bl_names_init(bl_names *n, bl_arena *arena, size_t max)
{
    size_t slots = 16;
    while (slots < 2 * max)
        slots *= 2;
    n->keys = bl_arena_array(arena, slots, sizeof *n->keys);
    n->values = bl_arena_array(arena, slots, sizeof *n->values);
    n->mask = slots - 1;
    n->used = 0;
    n->arena = arena;
    return n->keys && n->values;
}

/* The slot of the name, or the free one where it would go. */
static size_t slot_of(const bl_names *n, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = name; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
    size_t slot = (hash ^ hash >> 32) & n->mask;
    while (n->keys[slot] && strcmp(n->keys[slot], name) != 0)
        slot = (slot + 1) & n->mask;
    return slot;
}

int32_t bl_names_get(const bl_names *n, const char *name)
{
    size_t slot = slot_of(n, name);
    return n->keys[slot] ? n->values[slot] : -1;
}

static bool grow(bl_names *n)
{
    bl_names larger;
    if (!bl_names_init(&larger, n->arena, n->mask + 1))
        return false;
    for (size_t i = 0; i <= n->mask; i++)
        if (n->keys[i])
            bl_names_put(&larger, n->keys[i], n->values[i]);
    *n = larger;
    return true;
}

bool bl_names_put(bl_names *n, const char *name, int32_t value)
{
    if (2 * n->used > n->mask && !grow(n))
        return false;
    size_t slot = slot_of(n, name);
    if (n->keys[slot])
        return false;
    n->keys[slot] = name;
    n->values[slot] = value;
    n->used++;
    return true;
}
