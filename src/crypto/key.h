/* Signature keys: our own are P-256; those we verify may also be P-384 or RSA. */
#ifndef BL_KEY_H
#define BL_KEY_H

#include "base/buf.h"

struct evp_pkey_st;

typedef struct bl_key bl_key;

/* How a signature is made over a message (hashed inside). */
typedef enum {
    BL_ECDSA_P256_SHA256,     /* DER, as in certificates and TLS */
    BL_ECDSA_P256_SHA256_RAW, /* r || s, 32 bytes each, big-endian, as in reports */
    BL_ECDSA_P384_SHA384,
    BL_ECDSA_P384_SHA384_RAW,
    BL_RSA_PSS_SHA256, /* MGF1 and salt of the same hash */
    BL_RSA_PSS_SHA384,
    BL_RSA_PKCS1_SHA256, /* certificates only; never in TLS 1.3 messages */
    BL_RSA_PKCS1_SHA384,
    /* Met in certificates of others. */
    BL_ECDSA_P256_SHA384,
    BL_ECDSA_P384_SHA256,
    BL_RSA_PSS_SHA512,
    BL_RSA_PKCS1_SHA512,
    /* Met in TPM quotes.  A TPM may salt as long as the key allows; SHA-1 only where a policy says
       so. */
    BL_RSA_PSS_SHA256_ANY_SALT,
    BL_RSA_PSS_SHA384_ANY_SALT,
    BL_RSA_PKCS1_SHA1,
} bl_signature_scheme;

BLIND_MUST_USE blind_code bl_key_generate(bl_key **out, blind_error *err);
/* PKCS#8 or SEC1 private key, DER or (…_pem) unencrypted PEM.  Errors: INPUT */
BLIND_MUST_USE blind_code bl_key_from_private_der(blind_span der, bl_key **out, blind_error *err);
BLIND_MUST_USE blind_code bl_key_from_private_pem(blind_span pem, bl_key **out, blind_error *err);
/* SubjectPublicKeyInfo, DER, of one of the kinds above and nothing behind it.  Errors: INPUT */
BLIND_MUST_USE blind_code bl_key_from_spki(blind_span der, bl_key **out, blind_error *err);
/* A P-256 private key from its scalar, 32 bytes big-endian, 0 < scalar < n. */
BLIND_MUST_USE blind_code bl_key_from_p256_scalar(const uint8_t scalar[32], bl_key **out,
                                                  blind_error *err);
bl_key                   *bl_key_share(bl_key *key); /* one more owner; each calls bl_key_free() */
void                      bl_key_free(bl_key *key);

BLIND_MUST_USE blind_code bl_key_spki(const bl_key *key, bl_buf *out, blind_error *err);
BLIND_MUST_USE blind_code bl_key_private_der(const bl_key *key, bl_buf *out, blind_error *err);
BLIND_MUST_USE blind_code bl_key_private_pem(const bl_key *key, bl_buf *out, blind_error *err);

/* Signs with a private key of the scheme's kind; appends the signature. */
BLIND_MUST_USE blind_code bl_key_sign(const bl_key *key, bl_signature_scheme scheme,
                                      blind_span message, bl_buf *out, blind_error *err);
/* OK when the signature is right; SIGNATURE when it is not or the key is of another kind.  Errors
 * also: MEMORY */
BLIND_MUST_USE blind_code bl_key_verify(const bl_key *key, bl_signature_scheme scheme,
                                        blind_span message, blind_span signature, blind_error *err);

/* Whether the key is of the scheme's kind. */
bool bl_key_fits(const bl_key *key, bl_signature_scheme scheme);
/* The scheme that TLS 1.3 would use with this key.  Errors: UNSUPPORTED */
BLIND_MUST_USE blind_code bl_key_scheme(const bl_key *key, bl_signature_scheme *out,
                                        blind_error *err);

/* OpenSSL's EVP_PKEY, borrowed; for src/tls. */
struct evp_pkey_st *bl_key_native(const bl_key *key);

void bl_key_drop(bl_key **key);
#define bl_auto_key __attribute__((cleanup(bl_key_drop)))

#endif
