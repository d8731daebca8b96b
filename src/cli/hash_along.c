#include "cli/hash_along.h"

#include <sched.h>

enum {
    BLOCK = 2 << 20, /* made ready and dropped at once */
    STEP = 64 << 10, /* hashed at once: twice a first cache, a small part of the second */
};

static bool many_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) > 1;
}

static blind_span part_of(const bl_hash_along *h, size_t from, size_t to)
{
    return bl_span(h->bytes.data + from, to - from);
}

static void hash_to(bl_hash_along *h, size_t end)
{
    size_t rest = end % STEP ? STEP - end % STEP : 0;
    end += BL_MIN(rest, h->bytes.size - end);
    while (h->hashed < end) {
        if (h->hashed == h->populated) {
            h->populated += BL_MIN((size_t)BLOCK, h->bytes.size - h->populated);
            bl_file_ready(h->file, part_of(h, h->hashed, h->populated));
        }
        size_t to = BL_MIN(end, h->populated);
        bl_hasher_update(&h->hasher, part_of(h, h->hashed, to));
        h->hashed = to;
    }
}

static void drop_to(bl_hash_along *h, size_t end)
{
    if (end <= h->dropped || (end - h->dropped < BLOCK && end < h->bytes.size))
        return;
    bl_file_drop(h->file, part_of(h, h->dropped, end));
    h->dropped = end;
}

static void *hash_beside(void *arg)
{
    bl_hash_along *h = arg;
    while (h->hashed < h->bytes.size) {
        hash_to(h, BL_MIN(h->hashed + BLOCK, h->bytes.size));
        drop_to(h, h->hashed);
    }
    return NULL;
}

void bl_hash_along_begin(bl_hash_along *h, const bl_mapping *file, blind_span bytes)
{
    *h = (bl_hash_along){ .file = file, .bytes = bytes };
    bl_hasher_init(&h->hasher, BL_SHA256);
    h->beside = many_processors() && pthread_create(&h->thread, NULL, hash_beside, h) == 0;
}

/* Nothing is known of who reads what is no part of the bytes. */
static bool offset_of(const bl_hash_along *h, blind_span part, size_t *out)
{
    uintptr_t from = (uintptr_t)part.data, begin = (uintptr_t)h->bytes.data;
    *out = from - begin;
    return from >= begin && *out <= h->bytes.size && part.size <= h->bytes.size - *out;
}

/* The pages of the part, and with them of the block that begins there. */
static void make_ready(bl_hash_along *h, size_t from, size_t to)
{
    if (from >= h->ready_from && to <= h->ready_to)
        return;
    h->ready_from = from;
    h->ready_to = BL_MAX(to, from + BL_MIN((size_t)BLOCK, h->bytes.size - from));
    bl_file_ready(h->file, part_of(h, h->ready_from, h->ready_to));
}

void bl_hash_along_needed(void *arg, blind_span part)
{
    bl_hash_along *h = arg;
    size_t         at;
    if (!offset_of(h, part, &at))
        return;
    if (h->beside || at < h->dropped) {
        make_ready(h, at, at + part.size);
        return;
    }
    hash_to(h, at + part.size);
    drop_to(h, at);
}

void bl_hash_along_unneeded(void *arg, blind_span part)
{
    const bl_hash_along *h = arg;
    bl_file_drop(h->file, part);
}

blind_code bl_hash_along_end(bl_hash_along *h, uint8_t out[BL_SHA256_SIZE])
{
    if (h->beside)
        (void)pthread_join(h->thread, NULL);
    else
        (void)hash_beside(h);
    return bl_hasher_final(&h->hasher, out);
}
