/* Collateral that goes with this server's evidence, from the store that `blind collateral fetch`
 * keeps fresh. */
#ifndef BL_STAPLE_H
#define BL_STAPLE_H

#include "base/buf.h"

typedef struct bl_staple bl_staple;

/* dir and tee are copied.  Errors: MEMORY */
BLIND_MUST_USE blind_code bl_staple_new(const char *dir, const char *tee, bl_staple **out,
                                        blind_error *err);
void                      bl_staple_free(bl_staple *staple);

/* Appends the parts that verifying `evidence` takes, as bl_parts_write() does.  The store is read
 * again after a minute, so that fresh files need no restart.  Thread-safe.  Errors: NOT_FOUND,
 * UNSUPPORTED (nothing is fetched for this TEE), and those of reading */
blind_code bl_staple_parts(void *staple, blind_span evidence, bl_buf *parts, blind_error *err);

#endif
