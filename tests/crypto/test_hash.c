/* Digests against published vectors, sealed chunks against every kind of damage. */
#include "tests/test.h"

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/random.h"

static void check_hex(const char *want, const uint8_t *got, size_t size)
{
    char text[129];
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", got[i]);
    assert_string_equal(want, text);
}

/* FIPS 180-4 examples, as NIST publishes them. */
TEST(digests_of_abc)
{
    uint8_t out[48];
    CHECK_CODE(BLIND_OK, bl_sha256(BL_LITERAL("abc"), out), "SHA-256");
    check_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", out, 32);
    CHECK_CODE(BLIND_OK, bl_sha384(BL_LITERAL("abc"), out), "SHA-384");
    check_hex("cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
              "8086072ba1e7cc2358baeca134c825a7",
              out, 48);
    CHECK_CODE(BLIND_OK, bl_sha256((blind_span){ 0 }, out), "nothing");
    check_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", out, 32);
}

/* The same, by value; SHA-1 exists for the banks of old logs alone. */
TEST(digests_of_abc_by_value)
{
    static const struct {
        bl_hash     hash;
        size_t      size;
        const char *want;
    } cases[] = {
        { BL_SHA512, 64,
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
        { BL_BANK_SHA1, 20, "a9993e364706816aba3e25717850c26c9cd0d89d" },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_hasher h = BL_HASHER_EMPTY;
        uint8_t        out[BL_HASH_MAX];
        assert_int_equal(cases[i].size, bl_hash_size(cases[i].hash));
        CHECK_CODE(BLIND_OK, bl_hash_of(cases[i].hash, BL_LITERAL("abc"), out), "whole");
        check_hex(cases[i].want, out, cases[i].size);
        bl_hasher_init(&h, cases[i].hash);
        bl_hasher_update(&h, BL_LITERAL("a"));
        bl_hasher_update(&h, BL_LITERAL("bc"));
        CHECK_CODE(BLIND_OK, bl_hasher_final(&h, out), "pieces");
        check_hex(cases[i].want, out, cases[i].size);
    }
}

/* RFC 4231, test case 2. */
TEST(hmac_of_jefe)
{
    uint8_t out[48];
    CHECK_CODE(BLIND_OK,
               bl_hmac_sha256(BL_LITERAL("Jefe"), BL_LITERAL("what do ya want for nothing?"), out),
               "HMAC-SHA-256");
    check_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", out, 32);
    CHECK_CODE(BLIND_OK,
               bl_hmac_sha384(BL_LITERAL("Jefe"), BL_LITERAL("what do ya want for nothing?"), out),
               "HMAC-SHA-384");
    check_hex("af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
              "8e2240ca5e69e2c78b3239ecfab21649",
              out, 48);
}

TEST(pieces_hash_as_the_whole)
{
    uint8_t        whole[32], pieces[32];
    bl_auto_hasher h = BL_HASHER_EMPTY;
    CHECK_CODE(BLIND_OK, bl_sha256(BL_LITERAL("abcdef"), whole), "whole");
    bl_hasher_init(&h, BL_SHA256);
    bl_hasher_update(&h, BL_LITERAL("abc"));
    bl_hasher_update(&h, (blind_span){ 0 });
    bl_hasher_update(&h, BL_LITERAL("def"));
    CHECK_CODE(BLIND_OK, bl_hasher_final(&h, pieces), "pieces");
    assert_memory_equal(whole, pieces, 32);
    CHECK_CODE(BLIND_MEMORY, bl_hasher_final(&h, pieces), "a hasher that is done");
}

static const uint8_t key[32] = { 1, 2, 3 }, other_key[32] = { 1, 2, 4 };

TEST(a_sealed_chunk_opens_again)
{
    uint8_t    sealed[11 + BL_AEAD_TAG_SIZE], plain[11];
    blind_span text = BL_LITERAL("hello spool");
    CHECK_CODE(BLIND_OK, bl_aead_seal(key, 7, BL_LITERAL("m"), text, sealed, NULL), "seal");
    CHECK_CODE(BLIND_OK,
               bl_aead_open(key, 7, BL_LITERAL("m"), bl_span(sealed, sizeof sealed), plain, NULL),
               "open");
    assert_memory_equal(text.data, plain, 11);
    CHECK(memcmp(sealed, text.data, 11) != 0);
}

TEST(a_damaged_chunk_stays_shut)
{
    uint8_t    sealed[11 + BL_AEAD_TAG_SIZE], plain[11];
    blind_span all = bl_span(sealed, sizeof sealed);
    CHECK_CODE(BLIND_OK,
               bl_aead_seal(key, 7, BL_LITERAL("m"), BL_LITERAL("hello spool"), sealed, NULL),
               "seal");
    CHECK_CODE(BLIND_INPUT, bl_aead_open(key, 8, BL_LITERAL("m"), all, plain, NULL), "counter");
    CHECK_CODE(BLIND_INPUT, bl_aead_open(other_key, 7, BL_LITERAL("m"), all, plain, NULL), "key");
    CHECK_CODE(BLIND_INPUT, bl_aead_open(key, 7, BL_LITERAL("n"), all, plain, NULL), "aad");
    for (size_t keep = 0; keep < sizeof sealed; keep++)
        CHECK_CODE(BLIND_INPUT,
                   bl_aead_open(key, 7, BL_LITERAL("m"), bl_span(sealed, keep), plain, NULL),
                   "a prefix");
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK_CODE(BLIND_INPUT, bl_aead_open(key, 7, BL_LITERAL("m"), all, plain, NULL), "a bit");
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

TEST(an_empty_chunk_is_authenticated_too)
{
    uint8_t sealed[BL_AEAD_TAG_SIZE], none;
    CHECK_CODE(BLIND_OK, bl_aead_seal(key, 0, (blind_span){ 0 }, (blind_span){ 0 }, sealed, NULL),
               "seal");
    CHECK_CODE(BLIND_OK,
               bl_aead_open(key, 0, (blind_span){ 0 }, bl_span(sealed, sizeof sealed), &none, NULL),
               "open");
    sealed[0] ^= 1;
    CHECK_CODE(BLIND_INPUT,
               bl_aead_open(key, 0, (blind_span){ 0 }, bl_span(sealed, sizeof sealed), &none, NULL),
               "damaged");
}

TEST(random_bytes_differ)
{
    uint8_t a[32] = { 0 }, b[32] = { 0 };
    CHECK_CODE(BLIND_OK, bl_random(a, sizeof a, NULL), "a");
    CHECK_CODE(BLIND_OK, bl_random(b, sizeof b, NULL), "b");
    CHECK(memcmp(a, b, sizeof a) != 0);
}

TESTS(RUN(digests_of_abc), RUN(digests_of_abc_by_value), RUN(hmac_of_jefe),
      RUN(pieces_hash_as_the_whole), RUN(a_sealed_chunk_opens_again),
      RUN(a_damaged_chunk_stays_shut), RUN(an_empty_chunk_is_authenticated_too),
      RUN(random_bytes_differ))
