/* Certificates and revocation lists that come with evidence: read, chained to a pinned key, judged
 * at a time that is an argument.
 *
 * Parsing and signatures are decided by the bytes alone; bl_x509_at() and bl_crl_at() are the only
 * questions about time, so that a verified chain may be remembered.  Source: RFC 5280. */
#ifndef BL_X509_H
#define BL_X509_H

#include "crypto/key.h"

#define BL_MAX_CHAIN 10

typedef struct bl_x509 bl_x509;
typedef struct bl_crl  bl_crl;

/* One certificate, DER with nothing behind it.  Errors: INPUT, MEMORY */
BLIND_MUST_USE blind_code bl_x509_parse(blind_span der, bl_x509 **out, blind_error *err);
void                      bl_x509_free(bl_x509 *cert);
void                      bl_x509_drop(bl_x509 **cert);
#define bl_auto_x509 __attribute__((cleanup(bl_x509_drop))) bl_x509

/* Certificates in the order they came in: leaf first. */
typedef struct {
    bl_x509 *certs[BL_MAX_CHAIN];
    size_t   len;
} bl_chain;
#define BL_CHAIN_EMPTY ((bl_chain){ 0 })
void bl_chain_done(bl_chain *chain);
#define bl_auto_chain __attribute__((cleanup(bl_chain_done))) bl_chain

/* Appends all certificates of `list`: PEM (text and NUL bytes around the blocks are skipped), or
 * DER one after another.  At least one.  Errors: INPUT, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_chain_add(bl_chain *chain, blind_span list, blind_error *err);

/* The key: of a kind bl_key knows, or NULL.  Borrowed from the certificate, as are the spans. */
const bl_key *bl_x509_key(const bl_x509 *cert);
blind_span    bl_x509_spki(const bl_x509 *cert); /* DER */
blind_span    bl_x509_der(const bl_x509 *cert);
blind_span    bl_x509_serial(const bl_x509 *cert);  /* big-endian content octets of the INTEGER */
blind_span    bl_x509_subject(const bl_x509 *cert); /* DER Name */
blind_span    bl_x509_issuer(const bl_x509 *cert);
/* The only common name of the subject, into `out` (NUL-terminated); false without one, with several
 * or when it is longer. */
bool bl_x509_common_name(const bl_x509 *cert, char *out, size_t size);
/* Contents of an extension's OCTET STRING.  Errors: NOT_FOUND; INPUT when it is there twice. */
BLIND_MUST_USE blind_code bl_x509_extension(const bl_x509 *cert, const char *oid, blind_span *out,
                                            blind_error *err);
/* Validity, seconds since 1970, both ends inclusive. */
int64_t bl_x509_not_before(const bl_x509 *cert);
int64_t bl_x509_not_after(const bl_x509 *cert);
bool    bl_x509_is_ca(const bl_x509 *cert); /* basicConstraints says so, keyUsage does not forbid */
int     bl_x509_version(const bl_x509 *cert); /* 3 */
/* Whether it holds an extension marked critical that is not in `known` (OIDs, NULL-terminated) and
 * not one of basicConstraints, keyUsage, extendedKeyUsage, which this file handles. */
bool bl_x509_has_unknown_critical(const bl_x509 *cert, const char *const *known);

/* In force at `now_s` (<= 0 never).  Errors: CHAIN (not yet), STALE (no longer) */
BLIND_MUST_USE blind_code bl_x509_at(const bl_x509 *cert, int64_t now_s, blind_error *err);
BLIND_MUST_USE blind_code bl_chain_at(const bl_chain *chain, int64_t now_s, blind_error *err);

/* `cert` is signed by `issuer`: names fit, issuer may issue, and its signature is right under one
 * of the schemes of bl_key.h.  Errors: CHAIN */
BLIND_MUST_USE blind_code bl_x509_issued_by(const bl_x509 *cert, const bl_x509 *issuer,
                                            blind_error *err);
/* `cert` is signed by this very key. */
BLIND_MUST_USE blind_code bl_x509_signed_by(const bl_x509 *cert, const bl_key *key,
                                            blind_error *err);
/* Each certificate is issued by the next, within path lengths, and the last one's key is `root` or
 * the last one is signed by `root` (SubjectPublicKeyInfo DER: a pinned key).  No time is looked at.
 * Errors: CHAIN */
BLIND_MUST_USE blind_code bl_chain_verify(const bl_chain *chain, blind_span root, blind_error *err);

/* Revocation list, DER or PEM.  Errors: INPUT, MEMORY */
BLIND_MUST_USE blind_code bl_crl_parse(blind_span list, bl_crl **out, blind_error *err);
void                      bl_crl_free(bl_crl *crl);
void                      bl_crl_drop(bl_crl **crl);
#define bl_auto_crl __attribute__((cleanup(bl_crl_drop))) bl_crl
/* Issued by the holder of this certificate, whose keyUsage allows it.  Errors: CHAIN */
BLIND_MUST_USE blind_code bl_crl_issued_by(const bl_crl *crl, const bl_x509 *issuer,
                                           blind_error *err);
/* Signed by this very key, for where its holder's certificate is not there.  Errors: CHAIN */
BLIND_MUST_USE blind_code bl_crl_signed_by(const bl_crl *crl, const bl_key *key, blind_error *err);
/* thisUpdate <= now <= nextUpdate; one without nextUpdate is stale.  Errors: STALE */
BLIND_MUST_USE blind_code bl_crl_at(const bl_crl *crl, int64_t now_s, blind_error *err);
/* Whether it names the certificate, whose issuer must be the list's.  Errors: REVOKED, CHAIN */
BLIND_MUST_USE blind_code bl_crl_clears(const bl_crl *crl, const bl_x509 *cert, blind_error *err);
int64_t                   bl_crl_this_update(const bl_crl *crl);
int64_t                   bl_crl_next_update(const bl_crl *crl); /* INT64_MIN without */

#endif
