/* Keys, certificates, revocation lists and signatures for synthetic evidence, by OpenSSL directly:
 * the vendors' forms, and the wrong forms too, which bl_cert_make() would not make.
 *
 * Nothing here fails politely: a test that cannot make its own input aborts. */
#ifndef MAKE_CERT_H
#define MAKE_CERT_H

#include "attest/tee.h"
#include "base/buf.h"

#include <openssl/evp.h>

typedef enum { MAKE_P256, MAKE_P384, MAKE_RSA2048, MAKE_RSA4096 } make_key_kind;

/* The caller frees it: EVP_PKEY_free(). */
EVP_PKEY *make_key(make_key_kind kind);
/* Appends SubjectPublicKeyInfo, DER. */
void make_spki(EVP_PKEY *key, bl_buf *out);
/* Appends the coordinates x || y of an elliptic key, 32 or 48 bytes each, big-endian. */
void make_point(EVP_PKEY *key, bl_buf *out);

/* How `key` signs.  Its kind and the digest say the rest. */
typedef enum {
    MAKE_DER, /* ECDSA as a SEQUENCE, RSA PKCS #1 v1.5: as in certificates */
    MAKE_RAW, /* ECDSA as r || s, big-endian, as in reports */
    MAKE_PSS, /* RSA-PSS, MGF1 and salt of the same hash */
} make_form;
/* Appends a signature over `message`.  `digest` is "SHA256", "SHA384", ... */
void make_signature(EVP_PKEY *key, make_form form, const char *digest, blind_span message,
                    bl_buf *out);

typedef struct {
    const char *oid;
    blind_span  value; /* contents of the OCTET STRING */
    bool        critical;
} make_extension;

typedef struct {
    EVP_PKEY             *key;          /* the key certified */
    EVP_PKEY             *issuer_key;   /* NULL: its own */
    const char           *common_name;  /* of the subject */
    const char           *issuer_name;  /* NULL: the subject's; common names are the whole names */
    const char           *organisation; /* NULL: none; in subject and issuer */
    int64_t               not_before_s, not_after_s; /* since 1970 */
    uint64_t              serial;                    /* 0 is legal */
    bool                  ca;             /* basicConstraints and keyUsage keyCertSign, cRLSign */
    bool                  no_constraints; /* without either, as AMD's leaves are */
    const char           *path_len;       /* "0"; NULL: none */
    const char           *key_usage;      /* OpenSSL's text; NULL: by `ca` */
    make_form             form;           /* MAKE_DER or MAKE_PSS */
    const char           *digest;         /* NULL: "SHA256" with P-256, else "SHA384" */
    const make_extension *extensions;
    size_t                extensions_len;
} make_cert_options;
/* Appends a certificate, DER. */
void make_cert(const make_cert_options *options, bl_buf *out);

/* The usual options: an authority that certifies itself, and what it or another issues.  All of
 * them may be changed before make_cert(). */
make_cert_options make_root_options(EVP_PKEY *key, int64_t not_before_s, int64_t not_after_s);
make_cert_options make_issued_options(EVP_PKEY *key, const char *name,
                                      const make_cert_options *issuer, int64_t not_before_s,
                                      int64_t not_after_s);
/* `root` as the only one that is trusted; `spki` and `anchor` must outlive `roots`. */
void make_trusted(EVP_PKEY *root, bl_buf *spki, bl_root *anchor, bl_roots *roots);

typedef struct {
    EVP_PKEY       *issuer_key;
    const char     *issuer_name;
    const char     *organisation;
    int64_t         this_update_s, next_update_s; /* next 0: none */
    const uint64_t *serials;                      /* of revoked certificates */
    size_t          serials_len;
    make_form       form;
    const char     *digest;
} make_crl_options;
/* Appends a revocation list, DER. */
void make_crl(const make_crl_options *options, bl_buf *out);

/* Appends PEM of `der`; type is "CERTIFICATE" or "X509 CRL". */
void make_pem(const char *type, blind_span der, bl_buf *out);

#endif
