/* OpenSSL's allocations fail one after another: an error each time, never a crash, never an
 * accepted signature that is wrong.  Leaks inside OpenSSL on such paths are its own, so they are
 * not counted here. */
#include "tests/test.h"

#include "crypto/aead.h"
#include "crypto/cert.h"
#include "crypto/hash.h"

#include <openssl/crypto.h>

static long countdown = -1; /* allocations until the one that fails; negative: none does */
static bool happened;

static bool fails(void)
{
    if (countdown < 0 || countdown-- > 0)
        return false;
    happened = true;
    return true;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : malloc(size);
}

static void *resize(void *p, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : realloc(p, size);
}

static void release(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

/* Before OpenSSL's first allocation. */
__attribute__((constructor)) static void take_over(void)
{
    CRYPTO_set_mem_functions(allocate, resize, release);
}

/* Runs `work` with the 1st, 2nd, ... allocation failing until none fails any more; far in, where
 * OpenSSL repeats itself, every seventh. */
static void starve(blind_code (*work)(void *), void *arg)
{
    blind_code code;
    CHECK_CODE(BLIND_OK, work(arg), "fed"); /* what is made once is made now */
    for (long n = 0; n < 100000; n += n < 300 ? 1 : 7) {
        happened = false;
        countdown = n;
        code = work(arg);
        countdown = -1;
        if (!happened) {
            CHECK_CODE(BLIND_OK, code, "fed again");
            return;
        }
    }
    fail_msg("no end");
}

static blind_code hash(void *arg)
{
    uint8_t out[48];
    (void)arg;
    BL_TRY(bl_sha384(BL_LITERAL("x"), out));
    BL_TRY(bl_hmac_sha256(BL_LITERAL("k"), BL_LITERAL("x"), out));
    bl_auto_hasher h = BL_HASHER_EMPTY;
    bl_hasher_init(&h, BL_SHA256);
    bl_hasher_update(&h, BL_LITERAL("x"));
    return bl_hasher_final(&h, out);
}

static blind_code seal(void *arg)
{
    static const uint8_t key[32];
    uint8_t              sealed[3 + BL_AEAD_TAG_SIZE], plain[3];
    (void)arg;
    BL_TRY(bl_aead_seal(key, 1, (blind_span){ 0 }, BL_LITERAL("abc"), sealed, NULL));
    return bl_aead_open(key, 1, (blind_span){ 0 }, bl_span(sealed, sizeof sealed), plain, NULL);
}

static blind_code certify(void *arg)
{
    bl_auto_buf     cert = BL_BUF_EMPTY, spki = BL_BUF_EMPTY, cmw = BL_BUF_EMPTY;
    bl_cert_options options = { .not_after_s = 4000000000, .cmw = BL_LITERAL("evidence") };
    BL_TRY(bl_cert_make(arg, NULL, (blind_span){ 0 }, &options, &cert, NULL));
    BL_TRY(bl_cert_spki(bl_buf_span(&cert), &spki, NULL));
    return bl_cert_cmw(bl_buf_span(&cert), &cmw, NULL);
}

static blind_code sign(void *arg)
{
    bl_auto_buf sig = BL_BUF_EMPTY, der = BL_BUF_EMPTY;
    BL_TRY(bl_key_sign(arg, BL_ECDSA_P256_SHA256, BL_LITERAL("x"), &der, NULL));
    BL_TRY(bl_key_verify(arg, BL_ECDSA_P256_SHA256, BL_LITERAL("x"), bl_buf_span(&der), NULL));
    BL_TRY(bl_key_sign(arg, BL_ECDSA_P256_SHA256_RAW, BL_LITERAL("x"), &sig, NULL));
    BL_TRY(bl_key_verify(arg, BL_ECDSA_P256_SHA256_RAW, BL_LITERAL("x"), bl_buf_span(&sig), NULL));
    sig.data[63] ^= 1;
    CHECK(bl_key_verify(arg, BL_ECDSA_P256_SHA256_RAW, BL_LITERAL("x"), bl_buf_span(&sig), NULL) !=
          BLIND_OK);
    return BLIND_OK;
}

TEST(hashes_starve_well)
{
    starve(hash, NULL);
}

TEST(sealing_starves_well)
{
    starve(seal, NULL);
}

TEST(signatures_and_certificates_starve_well)
{
    bl_auto_key bl_key *key = NULL;
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    starve(sign, key);
    starve(certify, key);
}

TESTS(RUN(hashes_starve_well), RUN(sealing_starves_well),
      RUN(signatures_and_certificates_starve_well))
