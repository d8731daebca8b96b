/* From the files of a build to the registers that a policy's reference set names, for every TEE. */
#ifndef BL_BUILD_H
#define BL_BUILD_H

#include "base/arena.h"
#include "blind/policy.h"

#define BL_MAX_BUILT 16

/* One register.  A size of 0: the build does not tell its value, and `why` not. */
typedef struct {
    const char *name;
    uint8_t     value[48];
    size_t      size;
    const char *why;
} bl_built;

/* A field that goes with them: at least this, or exactly. */
typedef struct {
    const char *name;
    uint64_t    value;
    bool        minimum;
} bl_built_fact;

typedef struct {
    const char   *what; /* "launch digest of 4 processors" */
    bl_built      registers[BL_MAX_BUILT];
    size_t        registers_len;
    bl_built_fact facts[4];
    size_t        facts_len;
    const char   *notes[4]; /* what its reader must know, one sentence each */
    size_t        notes_len;
} bl_build_result;

/* tee    "sim", "tpm", "snp", "tdx", "nitro" or "sgx"
 * out    texts lie in the arena or are static
 * Errors USAGE (no such TEE; something missing, or given without meaning), INPUT, NOT_FOUND,
 * DENIED, IO, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_build_measure(const char *tee, const blind_build *build,
                                           bl_arena *arena, bl_build_result *out, blind_error *err);

/* The TEE whose file this looks like, by its first and last bytes: "tpm" (a PE image), "nitro",
 * "sgx", else "sim"; NULL for firmware, which snp and tdx measure differently. */
const char *bl_build_guess(blind_span file);

#endif
