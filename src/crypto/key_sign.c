/* Signatures, made and verified, in the encodings that certificates, TLS and reports use. */
#include "crypto/ossl.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/rsa.h>

BL_OSSL_DROP(ECDSA_SIG, ECDSA_SIG_free)
#define auto_ECDSA_SIG __attribute__((cleanup(drop_ECDSA_SIG))) ECDSA_SIG

/* group of an elliptic curve or NULL for RSA; digest; bytes of r and of s when they stand raw;
 * RSA padding. */
static const struct scheme {
    const char *group;
    const char *digest;
    size_t      raw;
    int         padding;
} schemes[] = {
    [BL_ECDSA_P256_SHA256] = { SN_X9_62_prime256v1, "SHA256", 0, 0 },
    [BL_ECDSA_P256_SHA256_RAW] = { SN_X9_62_prime256v1, "SHA256", 32, 0 },
    [BL_ECDSA_P384_SHA384] = { SN_secp384r1, "SHA384", 0, 0 },
    [BL_ECDSA_P384_SHA384_RAW] = { SN_secp384r1, "SHA384", 48, 0 },
    [BL_RSA_PSS_SHA256] = { NULL, "SHA256", 0, RSA_PKCS1_PSS_PADDING },
    [BL_RSA_PSS_SHA384] = { NULL, "SHA384", 0, RSA_PKCS1_PSS_PADDING },
    [BL_RSA_PKCS1_SHA256] = { NULL, "SHA256", 0, RSA_PKCS1_PADDING },
    [BL_RSA_PKCS1_SHA384] = { NULL, "SHA384", 0, RSA_PKCS1_PADDING },
    [BL_ECDSA_P256_SHA384] = { SN_X9_62_prime256v1, "SHA384", 0, 0 },
    [BL_ECDSA_P384_SHA256] = { SN_secp384r1, "SHA256", 0, 0 },
    [BL_RSA_PSS_SHA512] = { NULL, "SHA512", 0, RSA_PKCS1_PSS_PADDING },
    [BL_RSA_PKCS1_SHA512] = { NULL, "SHA512", 0, RSA_PKCS1_PADDING },
    [BL_RSA_PSS_SHA256_ANY_SALT] = { NULL, "SHA256", 0, RSA_PKCS1_PSS_PADDING },
    [BL_RSA_PSS_SHA384_ANY_SALT] = { NULL, "SHA384", 0, RSA_PKCS1_PSS_PADDING },
    [BL_RSA_PKCS1_SHA1] = { NULL, "SHA1", 0, RSA_PKCS1_PADDING },
};

static bool key_fits(const EVP_PKEY *pkey, const struct scheme *s)
{
    char group[32] = "";
    if (!s->group)
        return EVP_PKEY_is_a(pkey, "RSA");
    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
           strcmp(group, s->group) == 0;
}

bool bl_key_fits(const bl_key *key, bl_signature_scheme scheme)
{
    return key_fits(bl_key_native(key), &schemes[scheme]);
}

/* Signing, "any" is the longest; verifying, it is read from the signature. */
static int salt_of(const struct scheme *s)
{
    bool any =
        s == &schemes[BL_RSA_PSS_SHA256_ANY_SALT] || s == &schemes[BL_RSA_PSS_SHA384_ANY_SALT];
    return any ? RSA_PSS_SALTLEN_AUTO : RSA_PSS_SALTLEN_DIGEST;
}

static bool set_padding(EVP_PKEY_CTX *ctx, const struct scheme *s)
{
    if (!s->padding)
        return true;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, s->padding) == 1 &&
           (s->padding != RSA_PKCS1_PSS_PADDING ||
            EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt_of(s)) == 1);
}

static bool append_raw(blind_span der, size_t half, bl_buf *out)
{
    const uint8_t  *at = der.data;
    auto_ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der.size);
    uint8_t        *to = sig ? bl_buf_reserve(out, 2 * half) : NULL;
    if (!to || BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, (int)half) < 0 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + half, (int)half) < 0)
        return false;
    out->size += 2 * half;
    return true;
}

blind_code bl_key_sign(const bl_key *key, bl_signature_scheme scheme, blind_span message,
                       bl_buf *out, blind_error *err)
{
    const struct scheme *s = &schemes[scheme];
    EVP_PKEY            *pkey = bl_key_native(key);
    auto_EVP_MD_CTX     *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX        *pctx;
    uint8_t              sig[1024]; /* RSA of 8192 bits */
    size_t               size = sizeof sig;
    if (!key_fits(pkey, s))
        return blind_fail(err, BLIND_UNSUPPORTED, "key.sign", "a key of another kind");
    if (!ctx || EVP_DigestSignInit_ex(ctx, &pctx, s->digest, NULL, NULL, pkey, NULL) != 1 ||
        !set_padding(pctx, s) || EVP_DigestSign(ctx, sig, &size, message.data, message.size) != 1)
        return bl_ossl_fail(err, BLIND_FAILED, "key.sign", "cannot sign");
    if (size == 0 || size > sizeof sig) /* OpenSSL 3.0, starved, says it signed 2^32 - 1 bytes */
        return bl_ossl_fail(err, BLIND_MEMORY, "key.sign", "cannot encode the signature");
    if (s->raw) {
        if (!append_raw(bl_span(sig, size), s->raw, out))
            return bl_ossl_fail(err, BLIND_MEMORY, "key.sign", "cannot encode the signature");
    } else {
        bl_buf_add(out, bl_span(sig, size));
    }
    return bl_buf_check(out, "key.sign", err);
}

/* r || s as DER, which is what EVP verifies.  False when the size is wrong. */
static bool der_of_raw(blind_span raw, size_t half, bl_buf *der)
{
    if (raw.size != 2 * half)
        return false;
    auto_ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM         *r = BN_bin2bn(raw.data, (int)half, NULL);
    BIGNUM         *s = BN_bin2bn(raw.data + half, (int)half, NULL);
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return false;
    }
    return BL_OSSL_DER(i2d_ECDSA_SIG, sig, der);
}

blind_code bl_key_verify(const bl_key *key, bl_signature_scheme scheme, blind_span message,
                         blind_span signature, blind_error *err)
{
    const struct scheme *s = &schemes[scheme];
    EVP_PKEY            *pkey = bl_key_native(key);
    auto_EVP_MD_CTX     *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX        *pctx;
    bl_auto_buf          der = BL_BUF_EMPTY;
    if (!key_fits(pkey, s))
        return blind_fail(err, BLIND_SIGNATURE, "key.verify", "a key of another kind");
    if (s->raw) {
        if (!der_of_raw(signature, s->raw, &der))
            return bl_ossl_fail(err, bl_buf_ok(&der) ? BLIND_SIGNATURE : BLIND_MEMORY, "key.verify",
                                "malformed signature");
        signature = bl_buf_span(&der);
    }
    if (signature.size && ctx &&
        EVP_DigestVerifyInit_ex(ctx, &pctx, s->digest, NULL, NULL, pkey, NULL) == 1 &&
        set_padding(pctx, s) &&
        EVP_DigestVerify(ctx, signature.data, signature.size, message.data, message.size) == 1)
        return BLIND_OK;
    ERR_clear_error();
    return blind_fail(err, BLIND_SIGNATURE, "key.verify", "the signature is wrong");
}

blind_code bl_key_scheme(const bl_key *key, bl_signature_scheme *out, blind_error *err)
{
    static const bl_signature_scheme tls[] = { BL_ECDSA_P256_SHA256, BL_ECDSA_P384_SHA384,
                                               BL_RSA_PSS_SHA256 };
    for (size_t i = 0; i < BL_LEN(tls); i++)
        if (key_fits(bl_key_native(key), &schemes[tls[i]])) {
            *out = tls[i];
            return BLIND_OK;
        }
    return blind_fail(err, BLIND_UNSUPPORTED, "key.scheme", "a key that TLS 1.3 does not use");
}
