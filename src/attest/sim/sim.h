/* The simulated TEE: the report's fields, and the key that everybody knows.
 *
 *     0x00  8   magic "blindsim"
 *     0x08  4   version, 1
 *     0x0c  4   flags: bit 0 debug, all others zero
 *     0x10  48  measurement: SHA-384 of the executable file
 *     0x40  64  report data
 *     0x80  8   time, seconds since 1970
 *     0x88  64  signature: ECDSA P-256 with SHA-256, r || s, over bytes 0x00 to 0x87
 *
 * Integers are big-endian.  The private key is SHA-256 of BL_SIM_KEY_TEXT: it proves nothing, and
 * it is in no list of roots. */
#ifndef BL_SIM_H
#define BL_SIM_H

#include "attest/tee.h"
#include "base/buf.h"
#include "crypto/key.h"

#define BL_SIM_REPORT_SIZE 0xc8
#define BL_SIM_SIGNED_SIZE 0x88
#define BL_SIM_FLAG_DEBUG  1u
#define BL_SIM_KEY_TEXT                                                                            \
    "blind: the simulation key, which everybody knows and which proves nothing (v1)"

typedef struct {
    uint32_t   version, flags;
    blind_span measurement; /* 48 bytes */
    blind_span report_data; /* 64 bytes */
    uint64_t   time_s;
    blind_span signature; /* 64 bytes */
} bl_sim_report;

/* Spans borrow from `raw`.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_sim_report_parse(blind_span raw, bl_sim_report *out, blind_error *err);
/* Appends the bytes that are signed. */
void bl_sim_report_write(const bl_sim_report *report, bl_buf *out);

/* Both halves, for the attester; the public half alone, for the verifier. */
BLIND_MUST_USE blind_code bl_sim_private_key(bl_key **out, blind_error *err);
BLIND_MUST_USE blind_code bl_sim_public_key(bl_key **out, blind_error *err);

/* The functions of the row bl_tee_sim. */
blind_code bl_sim_open(const bl_tee_options *options, void **out, blind_error *err);
blind_code bl_sim_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err);
void       bl_sim_close(void *opened);
blind_code bl_sim_verify(const bl_verify_input *in, bl_claims *out, blind_error *err);

#endif
