#include "server/hash_beside.h"

#include <stdlib.h>

static uint8_t *room(const bl_hash_beside *h, size_t i)
{
    return h->rooms + i % BL_HASH_BESIDE_ROOMS * BL_HASH_BESIDE_ROOM;
}

static void hash_room(bl_hash_beside *h, size_t i)
{
    bl_hasher_update(&h->hasher, bl_span(room(h, i), h->sizes[i % BL_HASH_BESIDE_ROOMS]));
}

/* True when there is a room to hash, false at the end. */
static bool wait_for_room(bl_hash_beside *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->hashed == h->given && !h->ended)
        pthread_cond_wait(&h->moved, &h->lock);
    bool more = h->hashed < h->given;
    pthread_mutex_unlock(&h->lock);
    return more;
}

static void *hash_all(void *arg)
{
    bl_hash_beside *h = arg;
    while (wait_for_room(h)) {
        hash_room(h, h->hashed); /* nobody else changes it */
        pthread_mutex_lock(&h->lock);
        h->hashed++;
        pthread_cond_signal(&h->moved);
        pthread_mutex_unlock(&h->lock);
    }
    return NULL;
}

blind_code bl_hash_beside_begin(bl_hash_beside *h, blind_error *err)
{
    *h = (bl_hash_beside){ .rooms = malloc((size_t)BL_HASH_BESIDE_ROOMS * BL_HASH_BESIDE_ROOM) };
    if (!h->rooms)
        return blind_fail(err, BLIND_MEMORY, "hash.beside", "out of memory");
    bl_hasher_init(&h->hasher, BL_SHA256);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->moved, NULL);
    h->beside = pthread_create(&h->thread, NULL, hash_all, h) == 0;
    return BLIND_OK;
}

uint8_t *bl_hash_beside_room(bl_hash_beside *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->given - h->hashed == BL_HASH_BESIDE_ROOMS)
        pthread_cond_wait(&h->moved, &h->lock);
    pthread_mutex_unlock(&h->lock);
    return room(h, h->given);
}

void bl_hash_beside_give(bl_hash_beside *h, size_t size)
{
    pthread_mutex_lock(&h->lock);
    h->sizes[h->given++ % BL_HASH_BESIDE_ROOMS] = size;
    if (!h->beside)
        hash_room(h, h->hashed++);
    pthread_cond_signal(&h->moved);
    pthread_mutex_unlock(&h->lock);
}

blind_code bl_hash_beside_end(bl_hash_beside *h, uint8_t out[BL_SHA256_SIZE])
{
    pthread_mutex_lock(&h->lock);
    h->ended = true;
    pthread_cond_signal(&h->moved);
    pthread_mutex_unlock(&h->lock);
    if (h->beside)
        (void)pthread_join(h->thread, NULL);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->moved);
    free(h->rooms);
    return bl_hasher_final(&h->hasher, out);
}
