/* A secret for the holder of somebody else's key: RSA-OAEP, or Diffie-Hellman with a key made for
 * the occasion; and AES in the feedback mode that TPMs use. */
#ifndef BL_WRAP_H
#define BL_WRAP_H

#include "crypto/hash.h"
#include "crypto/key.h"

/* Appends the message encrypted to an RSA key.
 *
 * hash   of OAEP and its mask
 * label  as OAEP hashes it; a NUL that belongs to it is part of it
 * Errors UNSUPPORTED (no RSA key), INPUT (the message is too long), MEMORY
 * Source: RFC 8017, section 7.1. */
BLIND_MUST_USE blind_code bl_wrap_oaep(const bl_key *key, bl_hash hash, blind_span label,
                                       blind_span message, bl_buf *out, blind_error *err);

#define BL_WRAP_COORDINATE 48 /* bytes of P-384's; P-256 uses the first 32 */

/* The shared point's x with an elliptic key, and the new key's point.  All are of `size` bytes, 32
 * or 48, big-endian. */
typedef struct {
    size_t  size;
    uint8_t shared[BL_WRAP_COORDINATE]; /* wipe it */
    uint8_t x[BL_WRAP_COORDINATE], y[BL_WRAP_COORDINATE];
} bl_wrap_ecdh;
/* Errors: UNSUPPORTED (no elliptic key), MEMORY.  Source: SEC 1, section 3.3.1. */
BLIND_MUST_USE blind_code bl_wrap_ecdh_with(const bl_key *peer, bl_wrap_ecdh *out,
                                            blind_error *err);

/* AES-CFB with 128-bit feedback and a zero IV, in place: for a key that is used once.
 *
 * key    16 or 32 bytes.  Source: NIST SP 800-38A, section 6.3. */
BLIND_MUST_USE blind_code bl_wrap_aes_cfb(blind_span key, uint8_t *data, size_t size,
                                          blind_error *err);

#endif
