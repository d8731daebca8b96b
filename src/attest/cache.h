/* What verification may remember between calls: parsed and verified certificates, revocation lists
 * and collateral, by the digest of the very bytes they were made from.
 *
 * An object holds what those bytes alone decide, such as "this chain ends in this root"; whatever
 * time or a policy decides is judged anew.  Thread-safe; bounded, the least recently used object
 * goes first. */
#ifndef BL_CACHE_H
#define BL_CACHE_H

#include "base/base.h"
#include "blind/appraise.h"

#include <stdatomic.h>

/* One const instance per kind of object; its address is part of the key. */
typedef struct {
    void (*free)(void *object);
} bl_cache_kind;

/* The first member of every object.  Objects never change once they were put. */
typedef struct {
    const bl_cache_kind *kind;
    atomic_uint          owners;
} bl_cached;

/* A new object has one owner, who releases it; the last one's release frees it. */
void bl_cached_init(bl_cached *object, const bl_cache_kind *kind);
void bl_cached_release(void *object); /* NULL is legal */

/* Digest of what an object is made from: each span with its length.  False: no memory. */
BLIND_MUST_USE bool bl_cache_key(const blind_span *spans, size_t len, uint8_t out[32]);
/* The object with one more owner, or NULL: unknown, or no cache. */
void *bl_cache_get(blind_cache *cache, const bl_cache_kind *kind, const uint8_t key[32]);
/* The cache, if there is one, becomes one more owner. */
void bl_cache_put(blind_cache *cache, const uint8_t key[32], void *object);

#endif
