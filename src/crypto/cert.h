/* X.509 certificates of the TEE key: made, requested, read. */
#ifndef BL_CERT_H
#define BL_CERT_H

#include "base/buf.h"
#include "crypto/key.h"

typedef struct {
    const char        *common_name; /* NULL: "blind" */
    const char *const *names;       /* subjectAltName: host names and IP addresses as text */
    size_t             names_len;
    int64_t            not_before_s, not_after_s; /* seconds since 1970 */
    blind_span         cmw;    /* contents of id-pe-cmw (CBOR); empty: no such extension */
    bool               ca;     /* may issue: the operator's own certificate */
    bool               client; /* of a client, not of a server */
} bl_cert_options;

/* Makes a certificate for `subject`'s public key.
 *
 * subject      the key certified
 * issuer_key   who signs; NULL: self-signed by `subject`
 * issuer_cert  DER of the issuer's certificate, whose subject becomes the issuer; empty with NULL.
 *              With a key that is not the certificate's: INPUT
 * out          DER is appended
 * Source: RFC 5280; id-pe-cmw 1.3.6.1.5.5.7.1.35, RFC 9999. */
BLIND_MUST_USE blind_code bl_cert_make(const bl_key *subject, const bl_key *issuer_key,
                                       blind_span issuer_cert, const bl_cert_options *options,
                                       bl_buf *out, blind_error *err);
/* PKCS#10 request, DER.  Source: RFC 2986. */
BLIND_MUST_USE blind_code bl_cert_request(const bl_key *subject, const bl_cert_options *options,
                                          bl_buf *out, blind_error *err);

/* Parts of a certificate (DER, nothing behind it), appended to out.  Errors: INPUT; bl_cert_cmw:
 * NOT_FOUND without the extension, FORMAT when there are two or it is no OCTET STRING. */
BLIND_MUST_USE blind_code bl_cert_spki(blind_span cert, bl_buf *out, blind_error *err);
BLIND_MUST_USE blind_code bl_cert_cmw(blind_span cert, bl_buf *out, blind_error *err);
BLIND_MUST_USE blind_code bl_cert_sha256(blind_span cert, uint8_t out[32], blind_error *err);

/* PEM of DER and back: the certificates of a file one after another, leaf first, NOT_FOUND when
 * there is no such certificate. */
BLIND_MUST_USE blind_code bl_cert_to_pem(blind_span cert, bl_buf *out, blind_error *err);
BLIND_MUST_USE blind_code bl_cert_request_to_pem(blind_span request, bl_buf *out, blind_error *err);
BLIND_MUST_USE blind_code bl_cert_from_pem(blind_span pem, size_t index, bl_buf *out,
                                           blind_error *err);

#endif
