/* A certificate chain from a leaf up to a vendor's pinned key, read and verified once and
 * remembered by its bytes.  When it is in force is judged anew each time. */
#ifndef BL_KNOWN_CHAIN_H
#define BL_KNOWN_CHAIN_H

#include "attest/cache.h"
#include "attest/tee.h"
#include "crypto/x509.h"

typedef struct {
    bl_cached cached;
    bl_chain  chain; /* leaf first */
} bl_known_chain;

/* Reads the lists, leaf first, and verifies the chain.
 *
 * lists    each DER certificates one after another, or PEM
 * roots    vendor keys; the chain ends in one of them
 * out      released by bl_cached_release(); after CHAIN the chain as it was read, which proves
 *          nothing, or NULL when it cannot be read
 * Errors   CHAIN, MEMORY */
BLIND_MUST_USE blind_code bl_known_chain_get(blind_cache *cache, const blind_span *lists,
                                             size_t len, const bl_roots *roots,
                                             bl_known_chain **out, blind_error *err);

void bl_known_chain_drop(bl_known_chain **chain);
#define bl_auto_known_chain __attribute__((cleanup(bl_known_chain_drop))) bl_known_chain

#endif
