/* The SHA-256 of a file that is being loaded.
 *
 * Where there is a second processor a thread hashes the file beside the caller.  Where there is
 * one, whoever is about to read a piece has the file hashed to its end, so that both find it in the
 * caches.  Pages of a mapping are made ready ahead and dropped behind. */
#ifndef BL_CLI_HASH_ALONG_H
#define BL_CLI_HASH_ALONG_H

#include "base/file.h"
#include "crypto/hash.h"

#include <pthread.h>

typedef struct {
    const bl_mapping *file;
    blind_span        bytes;
    bool              beside;
    pthread_t         thread;
    bl_hasher         hasher;
    size_t            hashed;               /* bytes */
    size_t            populated;            /* their pages, and those of what comes next */
    size_t            dropped;              /* pages before it */
    size_t            ready_from, ready_to; /* what was made ready for who reads */
} bl_hash_along;

/* bytes  of `file`, or of anything else; both are borrowed until the end */
void bl_hash_along_begin(bl_hash_along *h, const bl_mapping *file, blind_span bytes);
/* bl_onnx_options' needed and unneeded; arg is the bl_hash_along, also after its end.  Called by
 * one thread at a time. */
void bl_hash_along_needed(void *arg, blind_span part);
void bl_hash_along_unneeded(void *arg, blind_span part);
/* The rest of it.  After a begin, once. */
BLIND_MUST_USE blind_code bl_hash_along_end(bl_hash_along *h, uint8_t out[BL_SHA256_SIZE]);

#endif
