/* Signatures verify under their key, scheme and message, and under nothing else. */
#include "tests/test.h"

#include "crypto/key.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static const char message_text[] = "what was signed";
#define MESSAGE BL_LITERAL(message_text)

static bl_key *generate(void)
{
    bl_key *key;
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "generate");
    return key;
}

TEST(own_signatures_verify_in_both_encodings)
{
    bl_auto_key bl_key       *key = generate();
    const bl_signature_scheme schemes[] = { BL_ECDSA_P256_SHA256, BL_ECDSA_P256_SHA256_RAW };
    for (size_t i = 0; i < BL_LEN(schemes); i++) {
        bl_auto_buf sig = BL_BUF_EMPTY;
        CHECK_CODE(BLIND_OK, bl_key_sign(key, schemes[i], MESSAGE, &sig, NULL), "sign");
        CHECK_CODE(BLIND_OK, bl_key_verify(key, schemes[i], MESSAGE, bl_buf_span(&sig), NULL),
                   "verify");
        CHECK_CODE(BLIND_SIGNATURE,
                   bl_key_verify(key, schemes[1 - i], MESSAGE, bl_buf_span(&sig), NULL),
                   "the other encoding");
        CHECK_CODE(
            BLIND_SIGNATURE,
            bl_key_verify(key, schemes[i], BL_LITERAL("what was signeD"), bl_buf_span(&sig), NULL),
            "another message");
        bl_auto_key bl_key *other = generate();
        CHECK_CODE(BLIND_SIGNATURE,
                   bl_key_verify(other, schemes[i], MESSAGE, bl_buf_span(&sig), NULL),
                   "another key");
        for (size_t keep = 0; keep < sig.size; keep++)
            CHECK_CODE(BLIND_SIGNATURE,
                       bl_key_verify(key, schemes[i], MESSAGE, bl_span(sig.data, keep), NULL),
                       "a prefix");
        bl_buf_add_u8(&sig, 0);
        CHECK_CODE(BLIND_SIGNATURE,
                   bl_key_verify(key, schemes[i], MESSAGE, bl_buf_span(&sig), NULL),
                   "one byte more");
    }
}

TEST(no_flipped_bit_of_a_signature_verifies)
{
    bl_auto_key bl_key *key = generate();
    bl_auto_buf         sig = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_OK, bl_key_sign(key, BL_ECDSA_P256_SHA256_RAW, MESSAGE, &sig, NULL), "sign");
    assert_int_equal(64, sig.size);
    for (size_t bit = 0; bit < 8 * sig.size; bit++) {
        sig.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK_CODE(BLIND_SIGNATURE,
                   bl_key_verify(key, BL_ECDSA_P256_SHA256_RAW, MESSAGE, bl_buf_span(&sig), NULL),
                   "a flipped bit");
        sig.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    uint8_t zeros[64] = { 0 };
    CHECK_CODE(BLIND_SIGNATURE,
               bl_key_verify(key, BL_ECDSA_P256_SHA256_RAW, MESSAGE, bl_span(zeros, 64), NULL),
               "r and s of zero");
}

/* EVP_PKEY_Q_keygen() gives keys of the kinds that we only verify with. */
static bl_key *native(EVP_PKEY *pkey)
{
    bl_key  *key;
    uint8_t *to = NULL;
    int      size = i2d_PrivateKey(pkey, &to);
    CHECK_CODE(BLIND_OK, bl_key_from_private_der(bl_span(to, (size_t)size), &key, NULL), "DER");
    OPENSSL_free(to);
    EVP_PKEY_free(pkey);
    return key;
}

TEST(the_kinds_that_verifiers_meet)
{
    bl_auto_key bl_key *p384 = native(EVP_EC_gen("P-384"));
    bl_auto_key bl_key *rsa = native(EVP_RSA_gen(2048));
    const struct {
        const bl_key       *key;
        bl_signature_scheme scheme;
    } cases[] = { { p384, BL_ECDSA_P384_SHA384 }, { p384, BL_ECDSA_P384_SHA384_RAW },
                  { rsa, BL_RSA_PSS_SHA256 },     { rsa, BL_RSA_PSS_SHA384 },
                  { rsa, BL_RSA_PKCS1_SHA256 },   { rsa, BL_RSA_PKCS1_SHA384 } };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf sig = BL_BUF_EMPTY;
        CHECK_CODE(BLIND_OK, bl_key_sign(cases[i].key, cases[i].scheme, MESSAGE, &sig, NULL),
                   "sign");
        for (size_t k = 0; k < BL_LEN(cases); k++)
            CHECK_CODE(
                k == i ? BLIND_OK : BLIND_SIGNATURE,
                bl_key_verify(cases[k].key, cases[k].scheme, MESSAGE, bl_buf_span(&sig), NULL),
                "one scheme's signature under each");
    }
    bl_auto_buf sig = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_UNSUPPORTED, bl_key_sign(rsa, BL_ECDSA_P256_SHA256, MESSAGE, &sig, NULL),
               "an RSA key asked for ECDSA");
}

TEST(keys_of_other_kinds_are_refused)
{
    EVP_PKEY *kinds[3] = { EVP_EC_gen("P-521"), EVP_RSA_gen(1024),
                           EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };
    for (size_t i = 0; i < 3; i++) {
        uint8_t *der = NULL;
        bl_key  *key;
        int      size = i2d_PUBKEY(kinds[i], &der);
        CHECK_CODE(BLIND_INPUT, bl_key_from_spki(bl_span(der, (size_t)size), &key, NULL), "SPKI");
        CHECK(key == NULL);
        OPENSSL_free(der);
        EVP_PKEY_free(kinds[i]);
    }
}

TEST(a_key_survives_its_encodings)
{
    bl_auto_key bl_key *key = generate();
    bl_auto_buf der = BL_BUF_EMPTY, pem = BL_BUF_EMPTY, spki = BL_BUF_EMPTY, again = BL_BUF_EMPTY;
    bl_auto_key bl_key *from_der = NULL, *from_pem = NULL, *public = NULL;
    CHECK_CODE(BLIND_OK, bl_key_private_der(key, &der, NULL), "to DER");
    CHECK_CODE(BLIND_OK, bl_key_private_pem(key, &pem, NULL), "to PEM");
    CHECK_CODE(BLIND_OK, bl_key_spki(key, &spki, NULL), "to SPKI");
    CHECK(der.secret && pem.secret);
    CHECK_CODE(BLIND_OK, bl_key_from_private_der(bl_buf_span(&der), &from_der, NULL), "DER");
    CHECK_CODE(BLIND_OK, bl_key_from_private_pem(bl_buf_span(&pem), &from_pem, NULL), "PEM");
    CHECK_CODE(BLIND_OK, bl_key_from_spki(bl_buf_span(&spki), &public, NULL), "SPKI");
    CHECK_CODE(BLIND_OK, bl_key_spki(from_pem, &again, NULL), "SPKI again");
    CHECK(bl_span_equal(bl_buf_span(&spki), bl_buf_span(&again)));
    bl_buf_clear(&again);
    CHECK_CODE(BLIND_INPUT, bl_key_private_der(public, &again, NULL), "no private half");
    for (size_t keep = 0; keep < spki.size; keep++) {
        bl_key *none;
        CHECK_CODE(BLIND_INPUT, bl_key_from_spki(bl_span(spki.data, keep), &none, NULL), "prefix");
    }
    bl_key *none;
    bl_buf_add_u8(&spki, 0);
    CHECK_CODE(BLIND_INPUT, bl_key_from_spki(bl_buf_span(&spki), &none, NULL), "one byte more");
}

/* A flipped coordinate leaves the curve; a flipped head is another kind of key, or none, or a point
 * of the hybrid form. */
TEST(points_off_the_curve_are_refused)
{
    bl_auto_key bl_key *key = generate();
    bl_auto_buf         spki = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_OK, bl_key_spki(key, &spki, NULL), "spki");
    for (size_t bit = 0; bit < 8 * spki.size; bit++) {
        bl_key *none;
        spki.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bl_key_from_spki(bl_buf_span(&spki), &none, NULL) != BLIND_INPUT)
            fail_msg("byte %zu bit %zu", bit / 8, bit % 8);
        spki.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(spki.data + spki.size - 64, 0, 64);
    bl_key *none;
    CHECK_CODE(BLIND_INPUT, bl_key_from_spki(bl_buf_span(&spki), &none, NULL), "0, 0");
}

TEST(scalars_outside_the_group_are_refused)
{
    static const uint8_t order[32] = { 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                       0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
    uint8_t              scalar[32] = { 0 };
    bl_key              *key;
    CHECK_CODE(BLIND_INPUT, bl_key_from_p256_scalar(scalar, &key, NULL), "zero");
    CHECK_CODE(BLIND_INPUT, bl_key_from_p256_scalar(order, &key, NULL), "the order");
    memcpy(scalar, order, 32);
    scalar[31]--;
    CHECK_CODE(BLIND_OK, bl_key_from_p256_scalar(scalar, &key, NULL), "the largest");
    bl_key_free(key);
}

TESTS(RUN(own_signatures_verify_in_both_encodings), RUN(no_flipped_bit_of_a_signature_verifies),
      RUN(the_kinds_that_verifiers_meet), RUN(keys_of_other_kinds_are_refused),
      RUN(a_key_survives_its_encodings), RUN(points_off_the_curve_are_refused),
      RUN(scalars_outside_the_group_are_refused))
