/* What a boot will extend, in its order: made from a build's files, folded into registers. */
#ifndef BL_BOOT_EVENTS_H
#define BL_BOOT_EVENTS_H

#include "base/base.h"
#include "crypto/hash.h"

#define BL_MAX_BOOT_STEPS 64

typedef struct {
    uint32_t    pcr;
    const char *what; /* for people: ".linux", "separator" */
    uint8_t     digest[BL_HASH_MAX];
} bl_boot_step;

typedef struct {
    bl_hash      bank;
    bl_boot_step steps[BL_MAX_BOOT_STEPS];
    size_t       len;
    blind_code   code; /* the first failure sticks: MEMORY, LIMIT */
} bl_boot_steps;

/* Adds an extension by a digest, or by the data that it is the digest of. */
void bl_boot_add_digest(bl_boot_steps *s, uint32_t pcr, const char *what, const uint8_t *digest);
void bl_boot_add(bl_boot_steps *s, uint32_t pcr, const char *what, blind_span data);

/* The value of the register that the PCRs of `mask` (bit p: PCR p) are extended into, from zeros.
 * Errors: MEMORY, LIMIT: the first failure of what was added */
BLIND_MUST_USE blind_code bl_boot_fold(const bl_boot_steps *s, uint32_t mask,
                                       uint8_t out[BL_HASH_MAX], blind_error *err);

#endif
