/* What the files of this folder share of OpenSSL: scope exits and its error queue. */
#ifndef BL_OSSL_H
#define BL_OSSL_H

#include "base/buf.h"
#include "crypto/key.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#define BL_OSSL_DROP(type, free_function)                                                          \
    static inline void drop_##type(type **p)                                                       \
    {                                                                                              \
        free_function(*p);                                                                         \
    }
BL_OSSL_DROP(X509, X509_free)
BL_OSSL_DROP(EVP_MD_CTX, EVP_MD_CTX_free)
BL_OSSL_DROP(EVP_PKEY, EVP_PKEY_free)
BL_OSSL_DROP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
BL_OSSL_DROP(BIO, BIO_free_all)
#define auto_X509         __attribute__((cleanup(drop_X509))) X509
#define auto_EVP_MD_CTX   __attribute__((cleanup(drop_EVP_MD_CTX))) EVP_MD_CTX
#define auto_EVP_PKEY     __attribute__((cleanup(drop_EVP_PKEY))) EVP_PKEY
#define auto_EVP_PKEY_CTX __attribute__((cleanup(drop_EVP_PKEY_CTX))) EVP_PKEY_CTX
#define auto_BIO          __attribute__((cleanup(drop_BIO))) BIO

/* Fails with `code` and OpenSSL's newest reason, and empties its error queue; when the reason is
 * want of memory the code is MEMORY. */
blind_code bl_ossl_fail(blind_error *err, blind_code code, const char *stage, const char *what);

/* Appends what an i2d function encodes. */
#define BL_OSSL_DER(i2d, object, out)                                                              \
    ({                                                                                             \
        int      der_size = i2d((object), NULL);                                                   \
        uint8_t *der_to = der_size > 0 ? bl_buf_reserve((out), (size_t)der_size) : NULL;           \
        if (der_to)                                                                                \
            (out)->size += (size_t)i2d((object), &der_to);                                         \
        der_to != NULL;                                                                            \
    })

/* Takes ownership of pkey, also on failure. */
blind_code bl_key_wrap(EVP_PKEY *pkey, bl_key **out, blind_error *err);
/* A certificate from DER with nothing behind it; NULL else. */
X509 *bl_x509_from_der(blind_span der);

#endif
