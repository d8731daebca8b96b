/* What report data says: which sessions, and which runtime log.
 *
 *     exporter = TLS-Exporter("Attestation", certificate_request_context, 32)
 *     binding  = SHA-256(SPKI DER of the authenticator's certificate || exporter)
 *     leaf     = SHA-256(0x00 || binding)
 *     node     = SHA-256(0x01 || left || right)
 *     value    = SHA-256(0x02 || "blind report v1" || u32 leaves || root || u64 log_len ||
 * log_head)
 *
 * Integers are big-endian.  A node without a neighbour moves up unchanged, so the tree has the
 * shape of RFC 9162 and a path's length follows from index and leaf count. */
#ifndef BL_BINDING_H
#define BL_BINDING_H

#include "base/base.h"
#include "base/limits.h"
#include "crypto/hash.h"

#define BL_MAX_MERKLE_LEAVES (1u << BL_MAX_MERKLE_PATH)

/* The length and head of a runtime log at one moment. */
typedef struct {
    uint64_t len;
    uint8_t  head[BL_SHA256_SIZE];
} bl_log_state;

BLIND_MUST_USE blind_code bl_binding(blind_span spki, const uint8_t exporter[32], uint8_t out[32]);
BLIND_MUST_USE blind_code bl_binding_leaf(const uint8_t binding[32], uint8_t out[32]);

/* Report data of sessions, and that of evidence bound to a key alone (label "blind cert v1", the
 * root's place taken by SHA-256(SPKI) and leaves by 0): neither passes for the other. */
BLIND_MUST_USE blind_code bl_report_value(uint32_t leaves, const uint8_t root[32],
                                          const bl_log_state *log, uint8_t out[32]);
BLIND_MUST_USE blind_code bl_cert_value(blind_span spki, const bl_log_state *log, uint8_t out[32]);
BLIND_MUST_USE blind_code bl_cert_value_of(const uint8_t spki_sha256[32], const bl_log_state *log,
                                           uint8_t out[32]);

/* All levels of one tree.  _done() is allowed on a zeroed struct. */
typedef struct {
    uint8_t (*nodes)[32]; /* leaves first, then each level up to the root */
    uint32_t leaves;
} bl_merkle;

/* leaves[len], 1 <= len <= BL_MAX_MERKLE_LEAVES.  Errors: LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_merkle_init(bl_merkle *m, const uint8_t (*leaves)[32], uint32_t len,
                                         blind_error *err);
const uint8_t            *bl_merkle_root(const bl_merkle *m);
/* Siblings from the leaf upwards; returns how many, bl_merkle_path_len(index, leaves). */
size_t bl_merkle_path(const bl_merkle *m, uint32_t index, uint8_t path[BL_MAX_MERKLE_PATH][32]);
void   bl_merkle_done(bl_merkle *m);

/* Siblings that lead from leaf `index` of `leaves` to the root; index < leaves. */
size_t bl_merkle_path_len(uint32_t index, uint32_t leaves);
/* The root that a leaf and its path lead to.  Errors: FORMAT, when index, leaves and path length
 * do not belong together. */
BLIND_MUST_USE blind_code bl_merkle_climb(const uint8_t leaf[32], uint32_t index, uint32_t leaves,
                                          blind_span path, uint8_t root[32], blind_error *err);

#endif
