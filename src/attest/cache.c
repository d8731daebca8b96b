/* The cache: a small table searched in order; a process meets few chains and little collateral. */
#include "attest/cache.h"

#include "crypto/hash.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
    uint8_t    key[32];
    bl_cached *object;
    uint64_t   used; /* a count, not a time */
} slot;

struct blind_cache {
    pthread_mutex_t lock;
    slot           *slots;
    size_t          len, max;
    uint64_t        clock;
};

blind_cache *blind_cache_new(size_t max_entries)
{
    blind_cache *c = calloc(1, sizeof *c);
    slot        *slots = calloc(max_entries ? max_entries : 1, sizeof *slots);
    if (!c || !slots || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(slots);
        free(c);
        return NULL;
    }
    c->slots = slots;
    c->max = max_entries;
    return c;
}

void blind_cache_free(blind_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->len; i++)
        bl_cached_release(cache->slots[i].object);
    pthread_mutex_destroy(&cache->lock);
    free(cache->slots);
    free(cache);
}

void bl_cached_init(bl_cached *object, const bl_cache_kind *kind)
{
    object->kind = kind;
    atomic_init(&object->owners, 1);
}

void bl_cached_release(void *object)
{
    bl_cached *o = object;
    if (o && atomic_fetch_sub(&o->owners, 1) == 1)
        o->kind->free(o);
}

bool bl_cache_key(const blind_span *spans, size_t len, uint8_t out[32])
{
    bl_auto_hasher hasher = BL_HASHER_EMPTY;
    bl_hasher_init(&hasher, BL_SHA256);
    for (size_t i = 0; i < len; i++) {
        uint64_t size = spans[i].size;
        bl_hasher_update(&hasher, bl_span(&size, sizeof size));
        bl_hasher_update(&hasher, spans[i]);
    }
    return bl_hasher_final(&hasher, out) == BLIND_OK;
}

static slot *find(blind_cache *c, const bl_cache_kind *kind, const uint8_t key[32])
{
    for (size_t i = 0; i < c->len; i++)
        if (c->slots[i].object->kind == kind && memcmp(c->slots[i].key, key, 32) == 0)
            return &c->slots[i];
    return NULL;
}

void *bl_cache_get(blind_cache *cache, const bl_cache_kind *kind, const uint8_t key[32])
{
    if (!cache)
        return NULL;
    pthread_mutex_lock(&cache->lock);
    slot      *s = find(cache, kind, key);
    bl_cached *object = s ? s->object : NULL;
    if (s) {
        s->used = ++cache->clock;
        atomic_fetch_add(&object->owners, 1);
    }
    pthread_mutex_unlock(&cache->lock);
    return object;
}

/* A free slot, or that of the object that was not used for longest. */
static slot *make_room(blind_cache *c, bl_cached **dropped)
{
    if (c->len < c->max)
        return &c->slots[c->len++];
    slot *oldest = &c->slots[0];
    for (size_t i = 1; i < c->len; i++)
        if (c->slots[i].used < oldest->used)
            oldest = &c->slots[i];
    *dropped = oldest->object;
    return oldest;
}

void bl_cache_put(blind_cache *cache, const uint8_t key[32], void *object)
{
    bl_cached *o = object, *dropped = NULL;
    if (!cache || cache->max == 0)
        return;
    pthread_mutex_lock(&cache->lock);
    if (!find(cache, o->kind, key)) {
        slot *s = make_room(cache, &dropped);
        atomic_fetch_add(&o->owners, 1);
        memcpy(s->key, key, 32);
        s->object = o;
        s->used = ++cache->clock;
    }
    pthread_mutex_unlock(&cache->lock);
    bl_cached_release(dropped);
}
