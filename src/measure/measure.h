/* What a build will measure to, computed from its files alone. */
#ifndef BL_MEASURE_H
#define BL_MEASURE_H

#include "base/base.h"

/* sim: SHA-384 of the executable file.  size_out may be NULL.  Errors: IO, MEMORY */
BLIND_MUST_USE blind_code bl_measure_sim(const char *path, uint8_t out[48], uint64_t *size_out,
                                         blind_error *err);
/* SHA-256 of a file, as model digests are. */
BLIND_MUST_USE blind_code bl_measure_sha256(const char *path, uint8_t out[32], uint64_t *size_out,
                                            blind_error *err);

#endif
