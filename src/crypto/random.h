/* Random bytes fit for keys and nonces. */
#ifndef BL_RANDOM_H
#define BL_RANDOM_H

#include "base/base.h"

/* Errors: FAILED, when the system has no randomness to give; `out` is then zero. */
BLIND_MUST_USE blind_code bl_random(void *out, size_t size, blind_error *err);

#endif
