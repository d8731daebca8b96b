/* A verdict as an EAT Attestation Result: a JWT that other relying parties read.
 *
 * Pure but for the randomness of its signature.  Source: draft-ietf-rats-ear, sections 3 and 4;
 * draft-ietf-rats-ar4si, section 2.3; docs/formats/ear.md. */
#ifndef BL_EAR_H
#define BL_EAR_H

#include "crypto/key.h"
#include "policy/result.h"

/* AR4SI's trustworthiness claims: id, name in JSON. */
#define BL_EAR_CLAIMS(X)                                                                           \
    X(INSTANCE, "instance-identity")                                                               \
    X(CONFIGURATION, "configuration")                                                              \
    X(EXECUTABLES, "executables")                                                                  \
    X(FILES, "file-system")                                                                        \
    X(HARDWARE, "hardware")                                                                        \
    X(RUNTIME, "runtime-opaque")                                                                   \
    X(STORAGE, "storage-opaque")                                                                   \
    X(SOURCED, "sourced-data")
#define X(id, name) BL_EAR_##id,
typedef enum { BL_EAR_CLAIMS(X) BL_EAR_COUNT } bl_ear_claim;
#undef X

/* The vector of a verdict; 0 is "no claim". */
void bl_ear_vector(const blind_result *result, int8_t out[BL_EAR_COUNT]);
/* "affirming", "warning", "contraindicated": the worst of the vector, and never better than the
 * verdict. */
const char *bl_ear_status(const blind_result *result, const int8_t vector[BL_EAR_COUNT]);
/* Appends the claims as JSON, on one line.  Errors: USAGE (no time), MEMORY */
BLIND_MUST_USE blind_code bl_ear_claims(const blind_result *result, int64_t issued_s, bl_buf *out,
                                        blind_error *err);
/* Appends the JWT, signed by a P-256 key (ES256).  Errors: USAGE, INPUT (another key), MEMORY */
BLIND_MUST_USE blind_code bl_ear_write(const blind_result *result, const bl_key *key,
                                       int64_t issued_s, bl_buf *out, blind_error *err);

#endif
