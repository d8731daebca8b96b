/* Certificates and revocation lists of others: a chain made here, and every way it may be wrong. */
#include "crypto/cert.h"
#include "crypto/x509.h"
#include "tests/test.h"

enum { FROM = 1000000, TO = 2000000 };

/* root -> middle -> leaf, all P-256. */
typedef struct {
    bl_key *keys[3]; /* leaf first */
    bl_buf  certs[3];
} family;

static void make(family *f, size_t at, bool ca, const char *name)
{
    size_t          by = at == 2 ? 2 : at + 1;
    bl_cert_options options = {
        .common_name = name, .not_before_s = FROM, .not_after_s = TO, .ca = ca
    };
    CHECK_CODE(BLIND_OK,
               bl_cert_make(f->keys[at], f->keys[by],
                            by == at ? (blind_span){ 0 } : bl_buf_span(&f->certs[by]), &options,
                            &f->certs[at], NULL),
               name);
}

static void family_init(family *f, bool middle_is_ca)
{
    *f = (family){ 0 };
    for (size_t i = 0; i < 3; i++)
        CHECK_CODE(BLIND_OK, bl_key_generate(&f->keys[i], NULL), "key");
    bl_cert_options options = {
        .common_name = "root", .not_before_s = FROM, .not_after_s = TO, .ca = true
    };
    CHECK_CODE(BLIND_OK,
               bl_cert_make(f->keys[2], NULL, (blind_span){ 0 }, &options, &f->certs[2], NULL),
               "root");
    make(f, 1, middle_is_ca, "middle");
    make(f, 0, false, "leaf");
}

static void family_done(family *f)
{
    for (size_t i = 0; i < 3; i++) {
        bl_key_free(f->keys[i]);
        bl_buf_done(&f->certs[i]);
    }
}

static blind_code chain_of(const family *f, size_t len, bl_chain *chain)
{
    bl_auto_buf list = BL_BUF_EMPTY;
    for (size_t i = 0; i < len; i++)
        bl_buf_add(&list, bl_buf_span(&f->certs[i]));
    return bl_chain_add(chain, bl_buf_span(&list), NULL);
}

static void root_key(const family *f, bl_buf *spki)
{
    CHECK_CODE(BLIND_OK, bl_key_spki(f->keys[2], spki, NULL), "spki");
}

TEST(a_chain_ends_in_the_pinned_key)
{
    family        f;
    bl_auto_chain chain = BL_CHAIN_EMPTY, short_chain = BL_CHAIN_EMPTY;
    bl_auto_buf   root = BL_BUF_EMPTY, other = BL_BUF_EMPTY;
    family_init(&f, true);
    root_key(&f, &root);
    CHECK_CODE(BLIND_OK, bl_key_spki(f.keys[0], &other, NULL), "spki");
    CHECK_CODE(BLIND_OK, chain_of(&f, 3, &chain), "parse");
    CHECK_CODE(BLIND_OK, bl_chain_verify(&chain, bl_buf_span(&root), NULL), "with the root");
    CHECK_CODE(BLIND_OK, chain_of(&f, 2, &short_chain), "parse");
    CHECK_CODE(BLIND_OK, bl_chain_verify(&short_chain, bl_buf_span(&root), NULL), "without");
    CHECK_CODE(BLIND_CHAIN, bl_chain_verify(&chain, bl_buf_span(&other), NULL), "another key");
    CHECK_CODE(BLIND_CHAIN, bl_chain_verify(&chain, (blind_span){ 0 }, NULL), "no key");
    family_done(&f);
}

TEST(order_and_authority_matter)
{
    family        f, g;
    bl_auto_chain wrong = BL_CHAIN_EMPTY, no_ca = BL_CHAIN_EMPTY, none = BL_CHAIN_EMPTY;
    bl_auto_buf   root = BL_BUF_EMPTY, other = BL_BUF_EMPTY;
    family_init(&f, true);
    family_init(&g, false);
    root_key(&f, &root);
    root_key(&g, &other);
    CHECK_CODE(BLIND_OK, bl_chain_add(&wrong, bl_buf_span(&f.certs[0]), NULL), "leaf");
    CHECK_CODE(BLIND_OK, bl_chain_add(&wrong, bl_buf_span(&f.certs[2]), NULL), "root");
    CHECK_CODE(BLIND_CHAIN, bl_chain_verify(&wrong, bl_buf_span(&root), NULL), "one left out");
    CHECK_CODE(BLIND_OK, chain_of(&g, 3, &no_ca), "parse");
    CHECK_CODE(BLIND_CHAIN, bl_chain_verify(&no_ca, bl_buf_span(&other), NULL),
               "a middle that may not issue");
    CHECK_CODE(BLIND_CHAIN, bl_chain_verify(&none, bl_buf_span(&root), NULL), "empty");
    family_done(&f);
    family_done(&g);
}

TEST(no_bit_of_a_chain_is_free)
{
    family      f;
    bl_auto_buf root = BL_BUF_EMPTY;
    family_init(&f, true);
    root_key(&f, &root);
    for (size_t at = 0; at < 3; at++)
        for (size_t bit = 0; bit < 8 * f.certs[at].size; bit++) {
            bl_auto_chain chain = BL_CHAIN_EMPTY;
            f.certs[at].data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (chain_of(&f, 3, &chain) == BLIND_OK)
                CHECK_CODE(BLIND_CHAIN, bl_chain_verify(&chain, bl_buf_span(&root), NULL), "flip");
            f.certs[at].data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    family_done(&f);
}

TEST(every_prefix_is_refused)
{
    family f;
    family_init(&f, true);
    for (size_t size = 0; size < f.certs[0].size; size++) {
        bl_x509 *cert;
        CHECK_CODE(BLIND_INPUT, bl_x509_parse(bl_span(f.certs[0].data, size), &cert, NULL), "cut");
        assert_null(cert);
    }
    family_done(&f);
}

TEST(time_is_an_argument)
{
    family        f;
    bl_auto_x509 *cert = NULL;
    family_init(&f, true);
    CHECK_CODE(BLIND_OK, bl_x509_parse(bl_buf_span(&f.certs[0]), &cert, NULL), "parse");
    CHECK_CODE(BLIND_CHAIN, bl_x509_at(cert, FROM - 1, NULL), "before");
    CHECK_CODE(BLIND_OK, bl_x509_at(cert, FROM, NULL), "first");
    CHECK_CODE(BLIND_OK, bl_x509_at(cert, TO, NULL), "last");
    CHECK_CODE(BLIND_STALE, bl_x509_at(cert, TO + 1, NULL), "after");
    CHECK_CODE(BLIND_STALE, bl_x509_at(cert, 0, NULL), "unknown");
    family_done(&f);
}

TEST(fields_are_read)
{
    family        f;
    bl_auto_x509 *cert = NULL;
    bl_auto_buf   spki = BL_BUF_EMPTY, pem = BL_BUF_EMPTY;
    bl_auto_chain chain = BL_CHAIN_EMPTY;
    char          name[16], small[4];
    blind_span    value;
    family_init(&f, true);
    CHECK_CODE(BLIND_OK, bl_x509_parse(bl_buf_span(&f.certs[1]), &cert, NULL), "parse");
    CHECK_CODE(BLIND_OK, bl_key_spki(f.keys[1], &spki, NULL), "spki");
    CHECK(bl_span_equal(bl_buf_span(&spki), bl_x509_spki(cert)));
    CHECK(bl_x509_common_name(cert, name, sizeof name));
    assert_string_equal("middle", name);
    CHECK(!bl_x509_common_name(cert, small, sizeof small));
    assert_int_equal(3, bl_x509_version(cert));
    CHECK(bl_x509_is_ca(cert) && bl_x509_key(cert));
    CHECK_CODE(BLIND_OK, bl_x509_extension(cert, "2.5.29.19", &value, NULL), "basicConstraints");
    CHECK_CODE(BLIND_NOT_FOUND, bl_x509_extension(cert, "1.2.3", &value, NULL), "no such");
    CHECK(!bl_x509_has_unknown_critical(cert, NULL));
    CHECK_CODE(BLIND_OK, bl_cert_to_pem(bl_buf_span(&f.certs[0]), &pem, NULL), "pem");
    CHECK_CODE(BLIND_OK, bl_cert_to_pem(bl_buf_span(&f.certs[1]), &pem, NULL), "pem");
    CHECK_CODE(BLIND_OK, bl_chain_add(&chain, bl_buf_span(&pem), NULL), "PEM list");
    assert_int_equal(2, chain.len);
    CHECK_CODE(BLIND_INPUT, bl_chain_add(&chain, BL_LITERAL("nothing"), NULL), "no certificate");
    family_done(&f);
}

TESTS(RUN(a_chain_ends_in_the_pinned_key), RUN(order_and_authority_matter),
      RUN(no_bit_of_a_chain_is_free), RUN(every_prefix_is_refused), RUN(time_is_an_argument),
      RUN(fields_are_read))
