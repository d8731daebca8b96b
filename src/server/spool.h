/* Where an upload waits: an unlinked file, sealed in chunks under a key that never leaves memory
 * and lives as long as this one upload.  A process that dies leaves nothing behind. */
#ifndef BL_SPOOL_H
#define BL_SPOOL_H

#include "base/base.h"

typedef struct bl_spool bl_spool;

/* dir   on whose disk
 * Errors: IO, DENIED, MEMORY, FAILED (randomness) */
BLIND_MUST_USE blind_code bl_spool_new(const char *dir, bl_spool **out, blind_error *err);
void                      bl_spool_free(bl_spool *spool);
/* Errors: IO ("no space left in ..."), MEMORY */
BLIND_MUST_USE blind_code bl_spool_add(bl_spool *spool, blind_span bytes, blind_error *err);
uint64_t                  bl_spool_size(const bl_spool *spool);
/* Hands the bytes to `take` piece by piece, front to back, after the last _add().
 * Errors: IO (also when the file was changed), and those of take */
BLIND_MUST_USE blind_code bl_spool_read(bl_spool *spool,
                                        blind_code (*take)(void *arg, blind_span bytes,
                                                           blind_error *err),
                                        void *arg, blind_error *err);

#endif
