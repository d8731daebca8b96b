/* Digests by OpenSSL's EVP. */
#include "crypto/hash.h"

#include "crypto/ossl.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <stdatomic.h>

/* Looked up once each: EVP_sha256() and its like search the providers, under a lock, at every
 * digest, which takes longer than hashing an event of a boot log. */
static _Atomic(EVP_MD *) fetched[BL_HASH_COUNT];

/* NULL when OpenSSL has no such digest or no memory, and EVP then fails; the next call asks again.
 */
static const EVP_MD *md_of(bl_hash hash)
{
    static const char *const names[BL_HASH_COUNT] = { "SHA256", "SHA384", "SHA512", "SHA1" };
    bl_hash                  known = hash < BL_HASH_COUNT ? hash : BL_SHA256;
    EVP_MD                  *md = atomic_load(&fetched[known]), *other = NULL;
    if (md)
        return md;
    md = EVP_MD_fetch(NULL, names[known], NULL);
    if (!md || atomic_compare_exchange_strong(&fetched[known], &other, md))
        return md;
    EVP_MD_free(md); /* another thread was first */
    return other;
}

size_t bl_hash_size(bl_hash hash)
{
    static const uint8_t sizes[BL_HASH_COUNT] = { 32, 48, 64, 20 };
    return hash < BL_HASH_COUNT ? sizes[hash] : sizes[BL_SHA256];
}

/* OpenSSL fails here only for want of memory. */
static blind_code spoilt(bl_hash hash, uint8_t *out)
{
    ERR_clear_error();
    memset(out, 0, bl_hash_size(hash));
    return BLIND_MEMORY;
}

blind_code bl_hash_of(bl_hash hash, blind_span data, uint8_t *out)
{
    unsigned size;
    if (EVP_Digest(data.size ? data.data : (const uint8_t *)"", data.size, out, &size, md_of(hash),
                   NULL) == 1)
        return BLIND_OK;
    return spoilt(hash, out);
}

blind_code bl_sha256(blind_span data, uint8_t out[BL_SHA256_SIZE])
{
    return bl_hash_of(BL_SHA256, data, out);
}

blind_code bl_sha384(blind_span data, uint8_t out[BL_SHA384_SIZE])
{
    return bl_hash_of(BL_SHA384, data, out);
}

blind_code bl_hmac_of(bl_hash hash, blind_span key, blind_span data, uint8_t *out)
{
    unsigned size;
    assert(hash == BL_SHA256 || hash == BL_SHA384);
    if (key.size <= INT32_MAX &&
        HMAC(md_of(hash), key.size ? key.data : (const uint8_t *)"", (int)key.size,
             data.size ? data.data : (const uint8_t *)"", data.size, out, &size))
        return BLIND_OK;
    return spoilt(hash, out);
}

blind_code bl_hmac_sha256(blind_span key, blind_span data, uint8_t out[BL_SHA256_SIZE])
{
    return bl_hmac_of(BL_SHA256, key, data, out);
}

blind_code bl_hmac_sha384(blind_span key, blind_span data, uint8_t out[BL_SHA384_SIZE])
{
    return bl_hmac_of(BL_SHA384, key, data, out);
}

void bl_hasher_init(bl_hasher *h, bl_hash hash)
{
    *h = (bl_hasher){ .state = EVP_MD_CTX_new(), .hash = hash };
    h->failed = !h->state || EVP_DigestInit_ex(h->state, md_of(hash), NULL) != 1;
}

/* Much at once comes from memory: its next lines are fetched while those before are hashed, which
 * processors do not do across pages (1.1 GB/s of SHA-256 without, 1.5 with). */
void bl_hasher_update(bl_hasher *h, blind_span data)
{
    enum { STEP = 1024, AHEAD = 2 * STEP, LINE = 64 };
    for (; !h->failed && data.size > (size_t)AHEAD + STEP;
         data = bl_span(data.data + STEP, data.size - STEP)) {
        for (size_t i = 0; i < STEP; i += LINE)
            __builtin_prefetch(data.data + AHEAD + i);
        h->failed = EVP_DigestUpdate(h->state, data.data, STEP) != 1;
    }
    if (!h->failed && data.size)
        h->failed = EVP_DigestUpdate(h->state, data.data, data.size) != 1;
}

blind_code bl_hasher_final(bl_hasher *h, uint8_t *out)
{
    bool    failed = h->failed || !h->state || EVP_DigestFinal_ex(h->state, out, NULL) != 1;
    bl_hash hash = h->hash;
    bl_hasher_done(h);
    return failed ? spoilt(hash, out) : BLIND_OK;
}

void bl_hasher_done(bl_hasher *h)
{
    EVP_MD_CTX_free(h->state);
    *h = BL_HASHER_EMPTY;
}
