/* Open addressing; a text that needs too many probes refuses the whole table, so that a hostile
 * file costs no more than another. */
#include "llm/texts.h"

enum { MOST_PROBES = 512 };

static const uint64_t HASH_START = 0xcbf29ce484222325u; /* FNV-1a */

static uint64_t mix(uint64_t hash, blind_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ bytes.data[i]) * 0x100000001b3u;
    return hash;
}

/* FNV's low bits are its weakest. */
static size_t slot_of(const bl_texts *t, uint64_t hash)
{
    return (size_t)((hash ^ hash >> 29) * 0x9e3779b97f4a7c15u >> 20) & t->mask;
}

static bool put(bl_texts *t, int32_t index)
{
    blind_span text = t->texts[index];
    size_t     slot = slot_of(t, mix(HASH_START, text));
    for (int i = 0; i < MOST_PROBES; i++, slot = (slot + 1) & t->mask)
        if (t->slots[slot] < 0 || bl_span_equal(t->texts[t->slots[slot]], text)) {
            t->slots[slot] = index;
            return true;
        }
    return false;
}

blind_code bl_texts_index(const blind_span *texts, size_t len, bl_arena *arena, bl_texts *out,
                          blind_error *err)
{
    size_t slots = 16;
    while (slots < 2 * len)
        slots *= 2;
    *out = (bl_texts){ .texts = texts, .mask = slots - 1 };
    out->slots = bl_arena_array(arena, slots, sizeof *out->slots);
    if (!out->slots)
        return blind_fail(err, BLIND_MEMORY, "llm.texts", "out of memory");
    for (size_t i = 0; i < slots; i++)
        out->slots[i] = -1;
    for (size_t i = 0; i < len; i++)
        if (!put(out, (int32_t)i))
            return blind_fail(err, BLIND_LIMIT, "llm.texts", "texts that are made to collide");
    return BLIND_OK;
}

int32_t bl_texts_find(const bl_texts *t, blind_span text)
{
    size_t slot = slot_of(t, mix(HASH_START, text));
    for (int i = 0; i < MOST_PROBES && t->slots[slot] >= 0; i++, slot = (slot + 1) & t->mask)
        if (bl_span_equal(t->texts[t->slots[slot]], text))
            return t->slots[slot];
    return -1;
}

static bool is_pair(blind_span text, blind_span left, blind_span right)
{
    return text.size == left.size + 1 + right.size &&
           memcmp(text.data, left.data, left.size) == 0 && text.data[left.size] == ' ' &&
           memcmp(text.data + left.size + 1, right.data, right.size) == 0;
}

int32_t bl_texts_find_pair(const bl_texts *t, blind_span left, blind_span right)
{
    uint64_t hash = mix(mix(mix(HASH_START, left), BL_LITERAL(" ")), right);
    size_t   slot = slot_of(t, hash);
    for (int i = 0; i < MOST_PROBES && t->slots[slot] >= 0; i++, slot = (slot + 1) & t->mask)
        if (is_pair(t->texts[t->slots[slot]], left, right))
            return t->slots[slot];
    return -1;
}
