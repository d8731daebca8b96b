/* Secrets for the holder of another's key, by OpenSSL. */
#include "crypto/wrap.h"

#include "crypto/ossl.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

static const char STAGE[] = "wrap";

BL_OSSL_DROP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

static const EVP_MD *md_of(bl_hash hash)
{
    return hash == BL_SHA384 ? EVP_sha384() : hash == BL_SHA512 ? EVP_sha512() : EVP_sha256();
}

/* OpenSSL takes the label over. */
static bool set_label(EVP_PKEY_CTX *ctx, blind_span label)
{
    void *copy = OPENSSL_memdup(label.data, label.size);
    if (copy && EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label.size) == 1)
        return true;
    OPENSSL_free(copy);
    return false;
}

blind_code bl_wrap_oaep(const bl_key *key, bl_hash hash, blind_span label, blind_span message,
                        bl_buf *out, blind_error *err)
{
    EVP_PKEY *pkey = bl_key_native(key);
    uint8_t   sealed[1024];
    size_t    size = sizeof sealed;
    if (!EVP_PKEY_is_a(pkey, "RSA") || label.size > INT_MAX)
        return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "not an RSA key");
    auto_EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (!ctx || EVP_PKEY_encrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md_of(hash)) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md_of(hash)) != 1 || !set_label(ctx, label) ||
        EVP_PKEY_encrypt(ctx, sealed, &size, message.data, message.size) != 1)
        return bl_ossl_fail(err, BLIND_INPUT, STAGE, "cannot encrypt");
    bl_buf_add(out, bl_span(sealed, size));
    return bl_buf_check(out, STAGE, err);
}

/* x || y of an uncompressed point. */
static bool read_point(EVP_PKEY *pkey, bl_wrap_ecdh *out)
{
    uint8_t point[1 + 2 * BL_WRAP_COORDINATE];
    size_t  size;
    if (EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                        &size) != 1 ||
        size != 1 + 2 * out->size || point[0] != POINT_CONVERSION_UNCOMPRESSED)
        return false;
    memcpy(out->x, point + 1, out->size);
    memcpy(out->y, point + 1 + out->size, out->size);
    return true;
}

static bool agree(EVP_PKEY *own, EVP_PKEY *peer, bl_wrap_ecdh *out)
{
    auto_EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    size_t             size = sizeof out->shared;
    return ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
           EVP_PKEY_derive(ctx, out->shared, &size) == 1 && size == out->size;
}

blind_code bl_wrap_ecdh_with(const bl_key *peer, bl_wrap_ecdh *out, blind_error *err)
{
    EVP_PKEY *pkey = bl_key_native(peer);
    char      group[32] = "";
    *out = (bl_wrap_ecdh){ 0 };
    if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) != 1)
        return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "not an elliptic key");
    auto_EVP_PKEY *own = EVP_EC_gen(group);
    out->size = (size_t)(EVP_PKEY_get_bits(pkey) + 7) / 8;
    if (own && out->size <= BL_WRAP_COORDINATE && read_point(own, out) && agree(own, pkey, out))
        return BLIND_OK;
    bl_wipe(out, sizeof *out);
    return bl_ossl_fail(err, BLIND_FAILED, STAGE, "cannot agree on a secret");
}

blind_code bl_wrap_aes_cfb(blind_span key, uint8_t *data, size_t size, blind_error *err)
{
    static const uint8_t iv[16];
    const EVP_CIPHER    *cipher = key.size == 32 ? EVP_aes_256_cfb128() : EVP_aes_128_cfb128();
    int                  wrote;
    __attribute__((cleanup(drop_EVP_CIPHER_CTX))) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if ((key.size == 16 || key.size == 32) && size <= INT_MAX && ctx &&
        EVP_EncryptInit_ex(ctx, cipher, NULL, key.data, iv) == 1 &&
        EVP_EncryptUpdate(ctx, data, &wrote, data, (int)size) == 1 && (size_t)wrote == size)
        return BLIND_OK;
    return bl_ossl_fail(err, BLIND_FAILED, STAGE, "cannot encrypt");
}
