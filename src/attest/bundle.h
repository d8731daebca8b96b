/* The evidence bundle: a CMW collection (CBOR) of what one answer proves with.
 *
 *     key             media type                                        indicator
 *     "evidence"      application/vnd.blind.TEE.v1 (the quote or report)  4 evidence
 *     "gpu"           application/vnd.blind.nvidia.v1, where there is one    4 evidence
 *     "binding"       application/vnd.blind.session.v1+cbor, or
 *                     application/vnd.blind.cert.v1+cbor                  4 evidence
 *     "log"           application/vnd.blind.log.v1+cbor-seq               4 evidence
 *     "endorsements"  application/vnd.blind.endorsements.v1+cbor          2 endorsements
 *
 * The TEE is named by the evidence's media type.  Evidence and binding travel inside the
 * authenticator, log, GPU and endorsements may travel beside it.  Source: RFC 9999, sections 3
 * and 4. */
#ifndef BL_BUNDLE_H
#define BL_BUNDLE_H

#include "attest/binding.h"
#include "base/buf.h"

typedef enum { BL_BOUND_TO_SESSION, BL_BOUND_TO_KEY } bl_bound_to;

/* What report data was computed from, as the attester states it; nothing here is believed before
 * the value computed from it equals the signed report data. */
typedef struct {
    bl_bound_to  to;
    uint32_t     leaves, index; /* sessions only */
    uint8_t      root[32];
    blind_span   path; /* whole hashes, from the leaf upwards */
    bl_log_state log;
} bl_bundle_binding;

typedef struct {
    blind_span        tee; /* "sim"; from the media type */
    blind_span        evidence;
    bl_bundle_binding binding;
    blind_span        log;          /* CBOR sequence of records; may be empty */
    blind_span        endorsements; /* may be empty */
    blind_span        gpu;          /* a GPU's report beside the TEE's; empty: no such record */
} bl_bundle;

typedef enum {
    BL_BUNDLE_WHOLE,
    BL_BUNDLE_INSIDE, /* evidence and binding: the authenticator's extension */
    BL_BUNDLE_BESIDE, /* log, GPU and endorsements */
} bl_bundle_part;

/* Appends the CMW of a whole bundle or of one part.  Errors: MEMORY, LIMIT */
BLIND_MUST_USE blind_code bl_bundle_write(const bl_bundle *bundle, bl_bundle_part part, bl_buf *out,
                                          blind_error *err);
/* Reads a whole bundle; everything in *out borrows from `cmw`.  Errors: FORMAT, LIMIT */
BLIND_MUST_USE blind_code bl_bundle_parse(blind_span cmw, bl_bundle *out, blind_error *err);
/* Makes one bundle of the part inside an authenticator and the part beside it (which may be empty
 * when `inside` is whole), as blind_appraise() takes it.  Errors: FORMAT, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_bundle_join(blind_span inside, blind_span beside, bl_buf *out,
                                         blind_error *err);

#endif
