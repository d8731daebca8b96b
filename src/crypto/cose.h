/* COSE_Sign1: one signature over a payload, as AWS Nitro and others make it.
 *
 * Read strictly where nothing is signed: the unprotected header must be empty, so that no byte of a
 * message is free but how its lengths are spelled.  Source: RFC 9052, sections 2, 3, 4.2 and 4.4;
 * RFC 9053, section 2.1. */
#ifndef BL_COSE_H
#define BL_COSE_H

#include "crypto/key.h"

enum { BL_COSE_TAG_SIGN1 = 18 };
enum { BL_COSE_ES256 = -7, BL_COSE_ES384 = -35 };

typedef struct {
    blind_span protected_header; /* the encoded map, as signed */
    blind_span payload;
    blind_span signature; /* r || s */
    int64_t    alg;       /* from the protected header */
} bl_cose_sign1;

/* Reads a message, tagged or not, with nothing behind it; spans borrow from `raw`.  Refused: an
 * unprotected header, a detached payload, critical headers, an algorithm that is missing or there
 * twice.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_cose_sign1_parse(blind_span raw, bl_cose_sign1 *out, blind_error *err);
/* Whether `key` signed it with `alg`, which must be the message's own.  Errors: SIGNATURE, MEMORY
 */
BLIND_MUST_USE blind_code bl_cose_sign1_verify(const bl_cose_sign1 *message, int64_t alg,
                                               const bl_key *key, blind_error *err);
/* Appends what is signed: Sig_structure without external data. */
void bl_cose_to_be_signed(blind_span protected_header, blind_span payload, bl_buf *out);

#endif
