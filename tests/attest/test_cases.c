/* The helpers themselves: recorded cases have their files, made certificates are certificates. */
#include "tests/test.h"

#include "crypto/cert.h"
#include "tests/attest/cases.h"
#include "tests/attest/make_cert.h"

TEST(every_recorded_case_opens)
{
    case_list list;
    recorded  c;
    size_t    count = 0;
    if (!cases_open(&list))
        return;
    for (; cases_next(&list, NULL, &c); count++) {
        CHECK(c.evidence.data && c.reason);
        case_done(&c);
    }
    CHECK(count >= 100);
    cases_find(&list, "snp-virtee-milan-v2", &c);
    CHECK(c.accept && c.now_s == 1683141823 && c.parts_len == 3);
    CHECK(case_file(&c, "vcek").size > 1000 && case_file(&c, "vlek").size == 0);
    CHECK(case_hex_is(case_object(&c, "measurements"), "measurement",
                      bl_span(c.evidence.data + 0x90, 48)));
    case_done(&c);
    cases_close(&list);
}

TEST(certificates_of_every_kind_are_made)
{
    for (make_key_kind kind = MAKE_P256; kind <= MAKE_RSA2048; kind++) {
        bl_auto_buf       cert = BL_BUF_EMPTY, spki = BL_BUF_EMPTY, found = BL_BUF_EMPTY;
        EVP_PKEY         *key = make_key(kind);
        make_cert_options options = { .key = key,
                                      .common_name = "a name",
                                      .not_before_s = 1,
                                      .not_after_s = 2000000000,
                                      .ca = true,
                                      .form = kind == MAKE_RSA2048 ? MAKE_PSS : MAKE_DER };
        make_cert(&options, &cert);
        make_spki(key, &spki);
        CHECK_CODE(BLIND_OK, bl_cert_spki(bl_buf_span(&cert), &found, NULL), "spki");
        CHECK(bl_span_equal(bl_buf_span(&spki), bl_buf_span(&found)));
        EVP_PKEY_free(key);
    }
}

TEST(raw_signatures_are_right)
{
    bl_auto_buf spki = BL_BUF_EMPTY, signature = BL_BUF_EMPTY, point = BL_BUF_EMPTY;
    EVP_PKEY   *key = make_key(MAKE_P384);
    bl_auto_key bl_key *public = NULL;
    make_spki(key, &spki);
    make_point(key, &point);
    assert_int_equal(96, point.size);
    make_signature(key, MAKE_RAW, "SHA384", BL_LITERAL("message"), &signature);
    CHECK_CODE(BLIND_OK, bl_key_from_spki(bl_buf_span(&spki), &public, NULL), "key");
    CHECK_CODE(BLIND_OK,
               bl_key_verify(public, BL_ECDSA_P384_SHA384_RAW, BL_LITERAL("message"),
                             bl_buf_span(&signature), NULL),
               "signature");
    EVP_PKEY_free(key);
}

TESTS(RUN(every_recorded_case_opens), RUN(certificates_of_every_kind_are_made),
      RUN(raw_signatures_are_right))
