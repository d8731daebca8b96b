/* Certificates say what they were made from, and chains verify as OpenSSL sees them. */
#include "tests/test.h"

#include "crypto/cert.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <time.h>

static const char *const names[] = { "blindai-srv", "localhost", "127.0.0.1", "::1" };

static bl_cert_options options(void)
{
    int64_t now = (int64_t)time(NULL);
    return (bl_cert_options){ .common_name = "blind test",
                              .names = names,
                              .names_len = BL_LEN(names),
                              .not_before_s = now - 60,
                              .not_after_s = now + 3600,
                              .cmw = BL_LITERAL("\xa1"
                                                "evidence") };
}

static X509 *parse(const bl_buf *der)
{
    const uint8_t *at = der->data;
    X509          *x = d2i_X509(NULL, &at, (long)der->size);
    assert_non_null(x);
    return x;
}

TEST(a_self_signed_certificate_carries_names_key_and_evidence)
{
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         cert = BL_BUF_EMPTY, spki = BL_BUF_EMPTY, want = BL_BUF_EMPTY;
    bl_auto_buf         cmw = BL_BUF_EMPTY;
    bl_cert_options     o = options();
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_cert_make(key, NULL, (blind_span){ 0 }, &o, &cert, NULL), "make");
    CHECK_CODE(BLIND_OK, bl_cert_spki(bl_buf_span(&cert), &spki, NULL), "spki");
    CHECK_CODE(BLIND_OK, bl_key_spki(key, &want, NULL), "key spki");
    CHECK(bl_span_equal(bl_buf_span(&spki), bl_buf_span(&want)));
    CHECK_CODE(BLIND_OK, bl_cert_cmw(bl_buf_span(&cert), &cmw, NULL), "cmw");
    CHECK(bl_span_equal(bl_buf_span(&cmw), o.cmw));
    X509 *x = parse(&cert);
    assert_int_equal(1, X509_verify(x, (EVP_PKEY *)bl_key_native(key)));
    assert_int_equal(1, X509_check_host(x, "blindai-srv", 0, 0, NULL));
    assert_int_equal(1, X509_check_ip_asc(x, "127.0.0.1", 0));
    assert_int_equal(1, X509_check_ip_asc(x, "::1", 0));
    assert_int_equal(0, X509_check_host(x, "example.org", 0, 0, NULL));
    X509_free(x);
}

TEST(a_name_with_a_comma_is_one_name)
{
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         cert = BL_BUF_EMPTY;
    const char *const   odd[] = { "a.example,DNS:evil.example" };
    bl_cert_options     o = options();
    o.names = odd;
    o.names_len = 1;
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_cert_make(key, NULL, (blind_span){ 0 }, &o, &cert, NULL), "make");
    X509 *x = parse(&cert);
    assert_int_equal(0, X509_check_host(x, "evil.example", 0, 0, NULL));
    X509_free(x);
}

static int chain_verifies(X509 *leaf, X509 *root)
{
    X509_STORE     *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, root);
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    int ok = X509_verify_cert(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    return ok;
}

TEST(an_issued_certificate_chains_to_its_issuer_only)
{
    bl_auto_key bl_key *ca_key = NULL, *key = NULL, *other = NULL;
    bl_auto_buf         ca = BL_BUF_EMPTY, cert = BL_BUF_EMPTY, self = BL_BUF_EMPTY;
    bl_cert_options     o = options(), ca_options = options();
    ca_options.ca = true;
    ca_options.common_name = "operator";
    CHECK_CODE(BLIND_OK, bl_key_generate(&ca_key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_key_generate(&other, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_cert_make(ca_key, NULL, (blind_span){ 0 }, &ca_options, &ca, NULL),
               "CA");
    CHECK_CODE(BLIND_OK, bl_cert_make(key, ca_key, bl_buf_span(&ca), &o, &cert, NULL), "issued");
    CHECK_CODE(BLIND_OK, bl_cert_make(key, NULL, (blind_span){ 0 }, &o, &self, NULL), "self");
    X509 *x = parse(&cert), *root = parse(&ca), *alone = parse(&self);
    assert_int_equal(1, chain_verifies(x, root));
    const ASN1_OCTET_STRING *issued_by = X509_get0_authority_key_id(x);
    CHECK(issued_by && ASN1_OCTET_STRING_cmp(issued_by, X509_get0_subject_key_id(root)) == 0);
    assert_int_equal(0, chain_verifies(alone, root));
    X509_free(x);
    X509_free(root);
    X509_free(alone);
    bl_auto_buf none = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_INPUT, bl_cert_make(key, other, bl_buf_span(&ca), &o, &none, NULL),
               "a key that is not the issuer's");
    CHECK_CODE(BLIND_INPUT, bl_cert_make(key, ca_key, (blind_span){ 0 }, &o, &none, NULL),
               "no issuer");
    assert_int_equal(0, none.size);
}

TEST(a_certificate_without_evidence_says_so)
{
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         cert = BL_BUF_EMPTY, out = BL_BUF_EMPTY;
    bl_cert_options     o = options();
    o.cmw = (blind_span){ 0 };
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_cert_make(key, NULL, (blind_span){ 0 }, &o, &cert, NULL), "make");
    CHECK_CODE(BLIND_NOT_FOUND, bl_cert_cmw(bl_buf_span(&cert), &out, NULL), "none");
    for (size_t keep = 0; keep < cert.size; keep++)
        CHECK_CODE(BLIND_INPUT, bl_cert_spki(bl_span(cert.data, keep), &out, NULL), "a prefix");
    bl_buf_add_u8(&cert, 0);
    CHECK_CODE(BLIND_INPUT, bl_cert_spki(bl_buf_span(&cert), &out, NULL), "one byte more");
}

TEST(pem_gives_back_the_chain)
{
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         cert = BL_BUF_EMPTY, pem = BL_BUF_EMPTY, back = BL_BUF_EMPTY;
    bl_auto_buf         request = BL_BUF_EMPTY, text = BL_BUF_EMPTY;
    bl_cert_options     o = options();
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_cert_make(key, NULL, (blind_span){ 0 }, &o, &cert, NULL), "make");
    CHECK_CODE(BLIND_OK, bl_cert_to_pem(bl_buf_span(&cert), &pem, NULL), "PEM");
    CHECK_CODE(BLIND_OK, bl_cert_to_pem(bl_buf_span(&cert), &pem, NULL), "PEM twice");
    CHECK_CODE(BLIND_OK, bl_cert_from_pem(bl_buf_span(&pem), 1, &back, NULL), "the second");
    CHECK(bl_span_equal(bl_buf_span(&cert), bl_buf_span(&back)));
    CHECK_CODE(BLIND_NOT_FOUND, bl_cert_from_pem(bl_buf_span(&pem), 2, &back, NULL), "a third");
    CHECK_CODE(BLIND_OK, bl_cert_request(key, &o, &request, NULL), "request");
    CHECK_CODE(BLIND_OK, bl_cert_request_to_pem(bl_buf_span(&request), &text, NULL), "PEM");
    CHECK(strstr(bl_buf_cstr(&text), "BEGIN CERTIFICATE REQUEST"));
}

TESTS(RUN(a_self_signed_certificate_carries_names_key_and_evidence),
      RUN(a_name_with_a_comma_is_one_name), RUN(an_issued_certificate_chains_to_its_issuer_only),
      RUN(a_certificate_without_evidence_says_so), RUN(pem_gives_back_the_chain))
