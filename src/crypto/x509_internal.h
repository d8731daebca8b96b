/* A certificate's and a revocation list's fields, for the files that read and judge them. */
#ifndef BL_X509_INTERNAL_H
#define BL_X509_INTERNAL_H

#include "base/reader.h"
#include "crypto/x509.h"

/* What X.509 signs is framed alike: { tbs, algorithm, signature }.  Spans borrow from the DER. */
typedef struct {
    blind_span tbs, algorithm; /* with their heads */
    blind_span signature;
} bl_signed;
bool bl_signed_read(blind_span der, bl_signed *out);

struct bl_x509 {
    bl_buf     der; /* a copy; every span below borrows from it */
    blind_span tbs, algorithm, signature;
    blind_span serial, issuer, subject, spki;
    blind_span extensions; /* contents of the list */
    int64_t    not_before, not_after;
    bl_key    *key;               /* NULL: of a kind we do not know */
    int        version, path_len; /* path_len -1: no bound */
    bool       has_basic, ca, has_key_usage, signs_certs, signs_crls;
};

struct bl_crl {
    bl_buf     der;
    blind_span tbs, algorithm, signature;
    blind_span issuer;
    blind_span entries; /* contents of the list; may be empty */
    int64_t    this_update, next_update;
};

typedef struct {
    blind_span oid, value;
    bool       critical;
} bl_extension;
/* The next of a list's contents; false at the end, and on failure. */
bool bl_x509_next_extension(bl_reader *list, bl_extension *out);

/* Decodes the next PEM block of `kind` into `der`, replacing what it held; `text` moves past it.
 * Errors: NOT_FOUND, INPUT, MEMORY */
BLIND_MUST_USE blind_code bl_pem_next(blind_span *text, const char *kind, bl_buf *der,
                                      blind_error *err);
/* Verifies what an AlgorithmIdentifier says.  Errors: CHAIN */
BLIND_MUST_USE blind_code bl_signed_verify(blind_span tbs, blind_span algorithm,
                                           blind_span signature, const bl_key *key,
                                           blind_error *err);
/* Whether this is, byte for byte, a vendor's root of which it is known that its key signed it. */
bool bl_self_signed_is_known(blind_span der);
enum { BL_SELF_SIGNED_COUNT = 11 };

#endif
