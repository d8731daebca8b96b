/* AES-256-GCM.  Source: NIST SP 800-38D; 96-bit nonces, 128-bit tags. */
#include "crypto/aead.h"

#include "crypto/ossl.h"

#include <limits.h>
#include <openssl/err.h>

BL_OSSL_DROP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

static void nonce_of(uint64_t counter, uint8_t nonce[12])
{
    memset(nonce, 0, 4);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(counter >> (56 - 8 * i));
}

/* Both directions up to the tag: `encrypt` is 1 or 0, as OpenSSL wants it. */
static bool cipher(EVP_CIPHER_CTX *ctx, int encrypt, const uint8_t *key, uint64_t counter,
                   blind_span aad, blind_span in, uint8_t *out)
{
    uint8_t nonce[12];
    int     n;
    nonce_of(counter, nonce);
    return aad.size <= INT_MAX && in.size <= INT_MAX &&
           EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) == 1 &&
           (aad.size == 0 || EVP_CipherUpdate(ctx, NULL, &n, aad.data, (int)aad.size) == 1) &&
           (in.size == 0 || EVP_CipherUpdate(ctx, out, &n, in.data, (int)in.size) == 1);
}

blind_code bl_aead_seal(const uint8_t key[BL_AEAD_KEY_SIZE], uint64_t counter, blind_span aad,
                        blind_span plain, uint8_t *out, blind_error *err)
{
    __attribute__((cleanup(drop_EVP_CIPHER_CTX))) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int                                                           n;
    uint8_t                                                       none[BL_AEAD_TAG_SIZE];
    if (ctx && cipher(ctx, 1, key, counter, aad, plain, out) &&
        EVP_CipherFinal_ex(ctx, none, &n) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, BL_AEAD_TAG_SIZE, out + plain.size) == 1)
        return BLIND_OK;
    memset(out, 0, plain.size + BL_AEAD_TAG_SIZE);
    return bl_ossl_fail(err, BLIND_FAILED, "aead.seal", "cannot encrypt a chunk");
}

blind_code bl_aead_open(const uint8_t key[BL_AEAD_KEY_SIZE], uint64_t counter, blind_span aad,
                        blind_span sealed, uint8_t *out, blind_error *err)
{
    if (sealed.size < BL_AEAD_TAG_SIZE)
        return blind_fail(err, BLIND_INPUT, "aead.open", "%zu bytes, shorter than the tag",
                          sealed.size);
    __attribute__((cleanup(drop_EVP_CIPHER_CTX))) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    blind_span in = { sealed.data, sealed.size - BL_AEAD_TAG_SIZE };
    uint8_t    tag[BL_AEAD_TAG_SIZE], none[BL_AEAD_TAG_SIZE];
    int        n;
    memcpy(tag, sealed.data + in.size, sizeof tag);
    if (ctx && cipher(ctx, 0, key, counter, aad, in, out) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) == 1 &&
        EVP_CipherFinal_ex(ctx, none, &n) == 1)
        return BLIND_OK;
    bl_wipe(out, in.size);
    return bl_ossl_fail(err, BLIND_INPUT, "aead.open", "a chunk is not the one that was sealed");
}
