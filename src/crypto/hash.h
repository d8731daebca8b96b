/* SHA-256, SHA-384, SHA-512 and HMAC.  Each may fail, for want of memory inside OpenSSL: the output
 * is then zero and must not be used. */
#ifndef BL_HASH_H
#define BL_HASH_H

#include "base/base.h"

#define BL_SHA256_SIZE 32
#define BL_SHA384_SIZE 48
#define BL_HASH_MAX    64 /* bytes of the largest digest below */

BLIND_MUST_USE blind_code bl_sha256(blind_span data, uint8_t out[BL_SHA256_SIZE]);
BLIND_MUST_USE blind_code bl_sha384(blind_span data, uint8_t out[BL_SHA384_SIZE]);
BLIND_MUST_USE blind_code bl_hmac_sha256(blind_span key, blind_span data,
                                         uint8_t out[BL_SHA256_SIZE]);
BLIND_MUST_USE blind_code bl_hmac_sha384(blind_span key, blind_span data,
                                         uint8_t out[BL_SHA384_SIZE]);

/* BL_BANK_SHA1 is there to replay the SHA-1 bank of old event logs and to match the digests listed
 * in them, and for nothing else: no MAC takes it, no signature scheme (crypto/key.h) but a quote's
 * that a policy allows. */
typedef enum { BL_SHA256, BL_SHA384, BL_SHA512, BL_BANK_SHA1, BL_HASH_COUNT } bl_hash;

/* 32, 48, 64 or 20. */
size_t bl_hash_size(bl_hash hash);
/* Hash or HMAC by value, for protocols that negotiate it; out holds bl_hash_size(hash) bytes.
 * bl_hmac_of: SHA-256 and SHA-384 only. */
BLIND_MUST_USE blind_code bl_hash_of(bl_hash hash, blind_span data, uint8_t *out);
BLIND_MUST_USE blind_code bl_hmac_of(bl_hash hash, blind_span key, blind_span data, uint8_t *out);

/* Hashes what arrives in pieces.  Failure sticks and is told by _final(). */
typedef struct {
    void   *state;
    bl_hash hash;
    bool    failed;
} bl_hasher;

#define BL_HASHER_EMPTY ((bl_hasher){ 0 })

void bl_hasher_init(bl_hasher *h, bl_hash hash);
void bl_hasher_update(bl_hasher *h, blind_span data);
/* Gives the digest of what was added since _init(); the hasher is done afterwards. */
BLIND_MUST_USE blind_code bl_hasher_final(bl_hasher *h, uint8_t *out);
void                      bl_hasher_done(bl_hasher *h);
#define bl_auto_hasher __attribute__((cleanup(bl_hasher_done))) bl_hasher

/* Hashes a file to its end.  size_out, which may be NULL, gets its size.  Errors: IO, MEMORY */
BLIND_MUST_USE blind_code bl_hash_file(bl_hash hash, const char *path, uint8_t *out,
                                       uint64_t *size_out, blind_error *err);

#endif
