/* The SHA-256 of bytes on their way from one place to another, taken by a thread beside the one
 * that moves them: both go at the speed of the slower.
 *
 *     bl_hash_beside_begin(&h, err);
 *     while (to = bl_hash_beside_room(&h), n = read(fd, to, BL_HASH_BESIDE_ROOM)) {
 *         ... `to` is read, and not changed any more ...
 *         bl_hash_beside_give(&h, n);
 *     }
 *     bl_hash_beside_end(&h, sha256);
 */
#ifndef BL_HASH_BESIDE_H
#define BL_HASH_BESIDE_H

#include "base/base.h"
#include "crypto/hash.h"

#include <pthread.h>

enum { BL_HASH_BESIDE_ROOM = 256 << 10, BL_HASH_BESIDE_ROOMS = 4 };

typedef struct {
    uint8_t        *rooms; /* [BL_HASH_BESIDE_ROOMS][BL_HASH_BESIDE_ROOM] */
    size_t          sizes[BL_HASH_BESIDE_ROOMS];
    size_t          given, hashed; /* rooms, ever */
    bool            ended, beside;
    bl_hasher       hasher;
    pthread_t       thread;
    pthread_mutex_t lock;
    pthread_cond_t  moved;
} bl_hash_beside;

/* Where no thread can be had the caller's does the work, in _give().  Errors MEMORY */
BLIND_MUST_USE blind_code bl_hash_beside_begin(bl_hash_beside *h, blind_error *err);
/* BL_HASH_BESIDE_ROOM bytes to be filled. */
uint8_t *bl_hash_beside_room(bl_hash_beside *h);
/* The first `size` > 0 bytes of the room are what comes next. */
void bl_hash_beside_give(bl_hash_beside *h, size_t size);
/* After a begin that succeeded, once. */
BLIND_MUST_USE blind_code bl_hash_beside_end(bl_hash_beside *h, uint8_t out[BL_SHA256_SIZE]);

#endif
