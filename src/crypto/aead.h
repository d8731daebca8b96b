/* AES-256-GCM in numbered chunks, for spools whose key never leaves the process.
 *
 * The nonce is 4 zero bytes and the counter, big-endian, so a key must be made for one stream and
 * each counter value used once.  The key belongs in memory that its owner wipes. */
#ifndef BL_AEAD_H
#define BL_AEAD_H

#include "base/base.h"

#define BL_AEAD_KEY_SIZE 32
#define BL_AEAD_TAG_SIZE 16

/* out  plain.size + BL_AEAD_TAG_SIZE bytes: ciphertext, then the tag; no overlap with plain */
BLIND_MUST_USE blind_code bl_aead_seal(const uint8_t key[BL_AEAD_KEY_SIZE], uint64_t counter,
                                       blind_span aad, blind_span plain, uint8_t *out,
                                       blind_error *err);
/* out  sealed.size - BL_AEAD_TAG_SIZE bytes, zero on failure.  Errors: INPUT when the chunk is not
 *      the one that was sealed under this key, counter and aad; MEMORY */
BLIND_MUST_USE blind_code bl_aead_open(const uint8_t key[BL_AEAD_KEY_SIZE], uint64_t counter,
                                       blind_span aad, blind_span sealed, uint8_t *out,
                                       blind_error *err);

#endif
