/* COSE_Sign1: what is signed is verified, and nothing unsigned may be said. */
#include "tests/test.h"

#include "base/cbor_any.h"
#include "crypto/cose.h"

#define PAYLOAD BL_LITERAL("payload")

/* A message of a fresh key; `header` is the protected header's bytes. */
static void sign(const bl_key *key, blind_span header, bl_buf *signature)
{
    bl_auto_buf tbs = BL_BUF_EMPTY;
    bl_cose_to_be_signed(header, PAYLOAD, &tbs);
    CHECK_CODE(BLIND_OK,
               bl_key_sign(key, BL_ECDSA_P256_SHA256_RAW, bl_buf_span(&tbs), signature, NULL),
               "sign");
}

static void write(blind_span header, blind_span unprotected, blind_span signature, bl_buf *out)
{
    bl_buf_clear(out);
    bl_cbor_put_array(out, 4);
    bl_cbor_put_bytes(out, header);
    bl_buf_add(out, unprotected);
    bl_cbor_put_bytes(out, PAYLOAD);
    bl_cbor_put_bytes(out, signature);
}

#define HEADER BL_LITERAL("\xa1\x01\x26") /* {1: -7} */
#define EMPTY  BL_LITERAL("\xa0")

TEST(what_was_signed_verifies_and_no_flip_does)
{
    bl_auto_key bl_key *key = NULL, *other = NULL;
    bl_auto_buf         signature = BL_BUF_EMPTY, raw = BL_BUF_EMPTY;
    bl_cose_sign1       message;
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_key_generate(&other, NULL), "key");
    sign(key, HEADER, &signature);
    write(HEADER, EMPTY, bl_buf_span(&signature), &raw);
    CHECK_CODE(BLIND_OK, bl_cose_sign1_parse(bl_buf_span(&raw), &message, NULL), "parse");
    assert_int_equal(BL_COSE_ES256, message.alg);
    CHECK(bl_span_equal(message.payload, PAYLOAD));
    CHECK_CODE(BLIND_OK, bl_cose_sign1_verify(&message, BL_COSE_ES256, key, NULL), "verify");
    CHECK_CODE(BLIND_SIGNATURE, bl_cose_sign1_verify(&message, BL_COSE_ES384, key, NULL), "alg");
    CHECK_CODE(BLIND_SIGNATURE, bl_cose_sign1_verify(&message, BL_COSE_ES256, other, NULL), "key");
    CHECK_CODE(BLIND_SIGNATURE, bl_cose_sign1_verify(&message, BL_COSE_ES256, NULL, NULL), "none");
    for (size_t bit = 0; bit < 8 * raw.size; bit++) {
        raw.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(bl_cose_sign1_parse(bl_buf_span(&raw), &message, NULL) != BLIND_OK ||
              bl_cose_sign1_verify(&message, BL_COSE_ES256, key, NULL) != BLIND_OK);
        raw.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t keep = 0; keep < raw.size; keep++)
        CHECK_CODE(BLIND_FORMAT, bl_cose_sign1_parse(bl_span(raw.data, keep), &message, NULL),
                   "a prefix");
    bl_buf_add_u8(&raw, 0);
    CHECK_CODE(BLIND_FORMAT, bl_cose_sign1_parse(bl_buf_span(&raw), &message, NULL), "more");
}

TEST(headers_are_read_as_they_are_meant)
{
    static const struct {
        const char *name;
        blind_span  header, unprotected;
        blind_code  want;
    } rows[] = {
        { "alg", HEADER, EMPTY, BLIND_OK },
        { "alg and kid", BL_LITERAL("\xa2\x01\x26\x04\x41k"), EMPTY, BLIND_OK },
        { "a text label", BL_LITERAL("\xa2\x61x\x81\x01\x01\x26"), EMPTY, BLIND_OK },
        { "an open map", BL_LITERAL("\xbf\x01\x26\xff"), EMPTY, BLIND_OK },
        { "an open unprotected map", HEADER, BL_LITERAL("\xbf\xff"), BLIND_OK },
        { "no header", { 0 }, EMPTY, BLIND_FORMAT },
        { "no alg", BL_LITERAL("\xa0"), EMPTY, BLIND_FORMAT },
        { "alg twice", BL_LITERAL("\xa2\x01\x26\x01\x26"), EMPTY, BLIND_FORMAT },
        { "alg as text",
          BL_LITERAL("\xa1\x01\x65"
                     "ES256"),
          EMPTY, BLIND_FORMAT },
        { "crit", BL_LITERAL("\xa2\x01\x26\x02\x81\x01"), EMPTY, BLIND_FORMAT },
        { "bytes behind", BL_LITERAL("\xa1\x01\x26\x00"), EMPTY, BLIND_FORMAT },
        { "no map", BL_LITERAL("\x01"), EMPTY, BLIND_FORMAT },
        { "an unprotected header", HEADER, BL_LITERAL("\xa1\x01\x26"), BLIND_FORMAT },
        { "null instead of it", HEADER, BL_LITERAL("\xf6"), BLIND_FORMAT },
    };
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        bl_auto_buf   raw = BL_BUF_EMPTY;
        bl_cose_sign1 message;
        write(rows[i].header, rows[i].unprotected, BL_LITERAL("s"), &raw);
        CHECK_CODE(rows[i].want, bl_cose_sign1_parse(bl_buf_span(&raw), &message, NULL),
                   rows[i].name);
    }
}

TEST(a_message_has_four_members)
{
    static const blind_span bad[] = {
        BL_LITERAL("\x83\x43\xa1\x01\x26\xa0\x41p"),
        BL_LITERAL("\x85\x43\xa1\x01\x26\xa0\x41p\x41s\x41t"),
        BL_LITERAL("\x84\x43\xa1\x01\x26\xa0\xf6\x41s"), /* detached */
        BL_LITERAL("\xd2\xd2\x84\x43\xa1\x01\x26\xa0\x41p\x41s"),
        BL_LITERAL("\xd8\x62\x84\x43\xa1\x01\x26\xa0\x41p\x41s"), /* tag 98: COSE_Sign */
        BL_LITERAL("\x9f\x43\xa1\x01\x26\xa0\x41p\x41s"),
    };
    static const blind_span good[] = {
        BL_LITERAL("\x84\x43\xa1\x01\x26\xa0\x41p\x41s"),
        BL_LITERAL("\xd2\x84\x43\xa1\x01\x26\xa0\x41p\x41s"),
        BL_LITERAL("\x9f\x43\xa1\x01\x26\xa0\x41p\x41s\xff"),
    };
    bl_cose_sign1 message;
    for (size_t i = 0; i < BL_LEN(bad); i++)
        CHECK_CODE(BLIND_FORMAT, bl_cose_sign1_parse(bad[i], &message, NULL), "bad");
    for (size_t i = 0; i < BL_LEN(good); i++)
        CHECK_CODE(BLIND_OK, bl_cose_sign1_parse(good[i], &message, NULL), "good");
}

TESTS(RUN(what_was_signed_verifies_and_no_flip_does), RUN(headers_are_read_as_they_are_meant),
      RUN(a_message_has_four_members))
