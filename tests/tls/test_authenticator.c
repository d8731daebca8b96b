/* Authenticators: written and read by ours, read from an independent script, and every rule broken.
 */
#include "tests/tls/fake_session.h"
#include "tls/authenticator.h"
#include "tls/transcript.h"

static uint8_t context_a[BL_CONTEXT_SIZE] = { 1, 2, 3 }, context_b[BL_CONTEXT_SIZE] = { 9 };
static bl_key *key, *other_key;
static bl_buf  cert, other_cert, spki, other_spki;
static const blind_span cmw = { (const uint8_t *)"evidence", 8 };

static bl_authenticator_keys keys_of(const char *secret, size_t hash_size, const uint8_t *context)
{
    test_session          session = { secret, NULL };
    bl_exporter           exporter = { test_fake_export, &session, hash_size };
    bl_authenticator_keys keys;
    assert_int_equal(BLIND_OK, bl_authenticator_keys_derive(&exporter, context, &keys, NULL));
    return keys;
}

static bl_buf request_of(const uint8_t *context)
{
    bl_buf b = BL_BUF_EMPTY;
    bl_authenticator_request_write(&b, context);
    CHECK(bl_buf_ok(&b));
    return b;
}

static bl_buf authenticator_of(const bl_authenticator_keys *keys, blind_span request,
                               const bl_key *with_key, blind_span with_cert)
{
    bl_buf out = BL_BUF_EMPTY;
    assert_int_equal(BLIND_OK,
                     bl_authenticator_write(request, keys, with_key, with_cert, cmw, &out, NULL));
    return out;
}

static blind_code verify(blind_span message, blind_span request, const bl_authenticator_keys *keys)
{
    blind_span found;
    blind_code code =
        bl_authenticator_verify(message, request, keys, bl_buf_span(&spki), &found, NULL);
    CHECK(code == BLIND_OK ? bl_span_equal(found, cmw) : found.data == NULL);
    return code;
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(BLIND_OK, bl_key_generate(&key, NULL));
    assert_int_equal(BLIND_OK, bl_key_generate(&other_key, NULL));
    test_make_cert(key, &cert, &spki);
    test_make_cert(other_key, &other_cert, &other_spki);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bl_buf *all[] = { &cert, &other_cert, &spki, &other_spki };
    for (size_t i = 0; i < BL_LEN(all); i++)
        bl_buf_done(all[i]);
    bl_key_free(key);
    bl_key_free(other_key);
    return 0;
}

/* ---- the whole ---- */

TEST(both_hashes_work)
{
    static const size_t sizes[] = { 32, 48 };
    for (size_t i = 0; i < BL_LEN(sizes); i++) {
        bl_authenticator_keys keys = keys_of("s", sizes[i], context_a);
        bl_auto_buf           request = request_of(context_a);
        bl_auto_buf a = authenticator_of(&keys, bl_buf_span(&request), key, bl_buf_span(&cert));
        CHECK_CODE(BLIND_OK, verify(bl_buf_span(&a), bl_buf_span(&request), &keys), "as written");
    }
}

TEST(every_prefix_and_one_more_byte_are_malformed)
{
    bl_authenticator_keys keys = keys_of("s", 32, context_a);
    bl_auto_buf           request = request_of(context_a);
    bl_auto_buf a = authenticator_of(&keys, bl_buf_span(&request), key, bl_buf_span(&cert));
    for (size_t n = 0; n < a.size; n++)
        CHECK_CODE(BLIND_FORMAT, verify(bl_span(a.data, n), bl_buf_span(&request), &keys),
                   "prefix");
    bl_buf_add_u8(&a, 0);
    CHECK_CODE(BLIND_FORMAT, verify(bl_buf_span(&a), bl_buf_span(&request), &keys), "longer");
}

TEST(every_flipped_byte_is_refused)
{
    bl_authenticator_keys keys = keys_of("s", 32, context_a);
    bl_auto_buf           request = request_of(context_a);
    bl_auto_buf a = authenticator_of(&keys, bl_buf_span(&request), key, bl_buf_span(&cert));
    for (size_t i = 0; i < a.size; i++) {
        a.data[i] ^= 0x10;
        blind_code code = verify(bl_buf_span(&a), bl_buf_span(&request), &keys);
        CHECK(code == BLIND_FORMAT || code == BLIND_BINDING);
        a.data[i] ^= 0x10;
    }
}

TEST(an_authenticator_of_another_session_context_or_key_is_unbound)
{
    static const struct {
        const char *name, *secret;
        uint8_t    *context; /* answered; context_a was asked */
        bool        other_key, other_cert;
        blind_code  want;
    } cases[] = {
        { "the one asked for", "s", context_a, false, false, BLIND_OK },
        { "relayed from another session", "t", context_a, false, false, BLIND_BINDING },
        { "replayed from another request", "s", context_b, false, false, BLIND_BINDING },
        { "another key and its certificate", "s", context_a, true, true, BLIND_BINDING },
        { "the certificate without its key", "s", context_a, true, false, BLIND_SIGNATURE },
    };
    bl_auto_buf           asked = request_of(context_a);
    bl_authenticator_keys ours = keys_of("s", 32, context_a);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_authenticator_keys keys = keys_of(cases[i].secret, 32, cases[i].context);
        bl_auto_buf           request = request_of(cases[i].context);
        bl_auto_buf           a =
            authenticator_of(&keys, bl_buf_span(&request), cases[i].other_key ? other_key : key,
                             bl_buf_span(cases[i].other_cert ? &other_cert : &cert));
        CHECK_CODE(cases[i].want, verify(bl_buf_span(&a), bl_buf_span(&asked), &ours),
                   cases[i].name);
    }
}

/* The context agrees but the rest of the request was not ours. */
TEST(a_changed_request_is_refused)
{
    bl_authenticator_keys keys = keys_of("s", 32, context_a);
    bl_auto_buf           request = request_of(context_a);
    bl_auto_buf a = authenticator_of(&keys, bl_buf_span(&request), key, bl_buf_span(&cert));
    request.data[request.size - 5] ^= 1;
    CHECK_CODE(BLIND_BINDING, verify(bl_buf_span(&a), bl_buf_span(&request), &keys), "changed");
}

TEST(another_exporter_label_gives_another_session)
{
    bl_authenticator_keys keys = keys_of("s", 32, context_a), wrong = keys;
    bl_auto_buf           request = request_of(context_a);
    test_session          session = { "s", NULL };
    test_fake_export(&session, "EXPORTER-client authenticator handshake context", (blind_span){ 0 },
                     wrong.handshake, 32);
    bl_auto_buf a = authenticator_of(&wrong, bl_buf_span(&request), key, bl_buf_span(&cert));
    CHECK_CODE(BLIND_BINDING, verify(bl_buf_span(&a), bl_buf_span(&request), &keys), "client's");
    test_fake_export(&session, "EXPORTER-client authenticator finished key", (blind_span){ 0 },
                     keys.finished_key, 32);
    bl_auto_buf b = authenticator_of(&keys, bl_buf_span(&request), key, bl_buf_span(&cert));
    keys = keys_of("s", 32, context_a);
    CHECK_CODE(BLIND_BINDING, verify(bl_buf_span(&b), bl_buf_span(&request), &keys), "reflected");
}

TEST(the_empty_authenticator_is_failure)
{
    bl_authenticator_keys keys = keys_of("s", 32, context_a);
    bl_auto_buf           request = request_of(context_a), empty = BL_BUF_EMPTY;
    uint8_t               hash[BL_MAX_HASH], mac[BL_MAX_HASH];
    assert_int_equal(BLIND_OK,
                     bl_transcript_hash(&keys, bl_buf_span(&request), (blind_span){ 0 }, hash));
    assert_int_equal(BLIND_OK, bl_transcript_mac(&keys, hash, mac));
    bl_buf_add_u8(&empty, 20);
    bl_buf_add_be(&empty, 32, 3);
    bl_buf_add(&empty, bl_span(mac, 32)); /* its Finished is right: it is refused all the same */
    CHECK_CODE(BLIND_EVIDENCE, verify(bl_buf_span(&empty), bl_buf_span(&request), &keys), "empty");
}

TEST(an_exporter_that_fails_is_refusal)
{
    static const char *const labels[] = { BL_LABEL_ATTESTATION, BL_LABEL_HANDSHAKE,
                                          BL_LABEL_FINISHED };
    bl_authenticator_keys    keys, zero = { 0 };
    for (size_t i = 0; i < BL_LEN(labels); i++) {
        test_session session = { "s", labels[i] };
        bl_exporter  exporter = { test_fake_export, &session, 32 };
        CHECK_CODE(BLIND_EVIDENCE, bl_authenticator_keys_derive(&exporter, context_a, &keys, NULL),
                   labels[i]);
        assert_memory_equal(&zero, &keys, sizeof keys);
    }
    test_session session = { "s", NULL };
    bl_exporter  none = { test_fake_export, &session, 0 };
    CHECK_CODE(BLIND_EVIDENCE, bl_authenticator_keys_derive(&none, context_a, &keys, NULL), "hash");
}

TEST(evidence_too_large_for_the_extension_is_refused)
{
    bl_authenticator_keys keys = keys_of("s", 32, context_a);
    bl_auto_buf           request = request_of(context_a), out = BL_BUF_EMPTY;
    static uint8_t        large[BL_MAX_CMW + 1] = { 1 };
    CHECK_CODE(BLIND_LIMIT,
               bl_authenticator_write(bl_buf_span(&request), &keys, key, bl_buf_span(&cert),
                                      bl_span(large, sizeof large), &out, NULL),
               "one more");
    CHECK_CODE(BLIND_OK,
               bl_authenticator_write(bl_buf_span(&request), &keys, key, bl_buf_span(&cert),
                                      bl_span(large, sizeof large - 1), &out, NULL),
               "as much as fits");
    blind_span found;
    CHECK_CODE(BLIND_OK,
               bl_authenticator_verify(bl_buf_span(&out), bl_buf_span(&request), &keys,
                                       bl_buf_span(&spki), &found, NULL),
               "read back");
    assert_int_equal(BL_MAX_CMW, found.size);
}

/* ---- requests ---- */

TEST(a_request_is_read_strictly)
{
    uint8_t     context[BL_CONTEXT_SIZE];
    bl_auto_buf r = request_of(context_a);
    CHECK_CODE(BLIND_OK, bl_authenticator_request_parse(bl_buf_span(&r), context, NULL), "ours");
    assert_memory_equal(context_a, context, sizeof context);
    for (size_t n = 0; n < r.size; n++)
        CHECK_CODE(BLIND_FORMAT, bl_authenticator_request_parse(bl_span(r.data, n), context, NULL),
                   "prefix");
    bl_buf_add_u8(&r, 0);
    CHECK_CODE(BLIND_FORMAT, bl_authenticator_request_parse(bl_buf_span(&r), context, NULL),
               "longer");
}

TEST(a_request_must_offer_what_the_answer_uses)
{
    static const struct {
        const char *name, *extensions; /* hex is not needed: bytes with their sizes */
        size_t      size;
        blind_code  want;
    } cases[] = {
#define E(s) s, sizeof(s) - 1
        { "both", E("\xff\xa9\0\0\0\x0d\0\4\0\2\4\3"), BLIND_OK },
        { "one unknown as well", E("\xff\xa9\0\0\0\x0d\0\4\0\2\4\3\0\1\0\1x"), BLIND_OK },
        { "no evidence offered", E("\0\x0d\0\4\0\2\4\3"), BLIND_UNSUPPORTED },
        { "evidence offered but not empty", E("\xff\xa9\0\1x\0\x0d\0\4\0\2\4\3"),
          BLIND_UNSUPPORTED },
        { "no algorithms", E("\xff\xa9\0\0"), BLIND_UNSUPPORTED },
        { "RSA alone", E("\xff\xa9\0\0\0\x0d\0\4\0\2\4\1"), BLIND_UNSUPPORTED },
        { "an odd list", E("\xff\xa9\0\0\0\x0d\0\5\0\3\4\3\4"), BLIND_UNSUPPORTED },
        { "twice", E("\xff\xa9\0\0\xff\xa9\0\0\0\x0d\0\4\0\2\4\3"), BLIND_FORMAT },
        { "cut inside", E("\xff\xa9\0\0\0\x0d\0\4\0\2\4"), BLIND_FORMAT },
#undef E
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf r = BL_BUF_EMPTY;
        uint8_t     context[BL_CONTEXT_SIZE];
        bl_buf_add_u8(&r, 17);
        bl_buf_add_be(&r, 1 + 32 + 2 + cases[i].size, 3);
        bl_buf_add_u8(&r, 32);
        bl_buf_add(&r, bl_span(context_a, 32));
        bl_buf_add_be(&r, cases[i].size, 2);
        bl_buf_add(&r, bl_span(cases[i].extensions, cases[i].size));
        CHECK_CODE(cases[i].want, bl_authenticator_request_parse(bl_buf_span(&r), context, NULL),
                   cases[i].name);
    }
}

TEST(a_context_is_used_once)
{
    bl_contexts used = { 0 };
    CHECK_CODE(BLIND_OK, bl_contexts_add(&used, context_a, NULL), "first");
    CHECK_CODE(BLIND_OK, bl_contexts_add(&used, context_b, NULL), "another");
    CHECK_CODE(BLIND_BINDING, bl_contexts_add(&used, context_a, NULL), "again");
    uint8_t counter[BL_CONTEXT_SIZE] = { 0xff };
    for (int i = 2; i < BL_MAX_CONTEXTS; i++) {
        counter[1] = (uint8_t)i;
        counter[2] = (uint8_t)(i >> 8);
        CHECK_CODE(BLIND_OK, bl_contexts_add(&used, counter, NULL), "up to the bound");
    }
    counter[0] = 0xfe;
    CHECK_CODE(BLIND_LIMIT, bl_contexts_add(&used, counter, NULL), "past the bound");
    bl_contexts_done(&used);
}

/* ---- messages of an independent script ---- */

static void read_row(const char *text, const char *name, bl_buf *out)
{
    const char *at = strstr(text, name);
    assert_non_null(at);
    unsigned byte;
    for (at += strlen(name) + 1; sscanf(at, "%2x", &byte) == 1 && *at != '\n'; at += 2)
        bl_buf_add_u8(out, (uint8_t)byte);
}

static void check_vector(const char *path, size_t hash_size)
{
    static char text[8192];
    FILE       *f = fopen(path, "rb");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    enum { CONTEXT, HANDSHAKE, FINISHED_KEY, REQUEST, SPKI, CMW, AUTHENTICATOR, ROWS };
    static const char *const names[] = { "context", "\nhandshake", "\nfinished_key", "\nrequest",
                                         "\nspki",  "\ncmw",       "\nauthenticator" };
    bl_buf                   rows[ROWS] = { 0 };
    for (size_t i = 0; i < ROWS; i++)
        read_row(text, names[i], &rows[i]);
    bl_authenticator_keys keys = { .hash_size = hash_size };
    memcpy(keys.context, rows[CONTEXT].data, BL_CONTEXT_SIZE);
    memcpy(keys.handshake, rows[HANDSHAKE].data, hash_size);
    memcpy(keys.finished_key, rows[FINISHED_KEY].data, hash_size);
    uint8_t    context[BL_CONTEXT_SIZE];
    blind_span found;
    CHECK_CODE(BLIND_OK, bl_authenticator_request_parse(bl_buf_span(&rows[REQUEST]), context, NULL),
               path);
    CHECK_CODE(BLIND_OK,
               bl_authenticator_verify(bl_buf_span(&rows[AUTHENTICATOR]),
                                       bl_buf_span(&rows[REQUEST]), &keys, bl_buf_span(&rows[SPKI]),
                                       &found, NULL),
               path);
    CHECK(bl_span_equal(found, bl_buf_span(&rows[CMW])));
    for (size_t i = 0; i < ROWS; i++)
        bl_buf_done(&rows[i]);
}

TEST(an_independent_implementation_agrees)
{
    check_vector("tests/vectors/authenticator/sha256.txt", 32);
    check_vector("tests/vectors/authenticator/sha384.txt", 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(both_hashes_work),
        RUN(every_prefix_and_one_more_byte_are_malformed),
        RUN(every_flipped_byte_is_refused),
        RUN(an_authenticator_of_another_session_context_or_key_is_unbound),
        RUN(a_changed_request_is_refused),
        RUN(another_exporter_label_gives_another_session),
        RUN(the_empty_authenticator_is_failure),
        RUN(an_exporter_that_fails_is_refusal),
        RUN(evidence_too_large_for_the_extension_is_refused),
        RUN(a_request_is_read_strictly),
        RUN(a_request_must_offer_what_the_answer_uses),
        RUN(a_context_is_used_once),
        RUN(an_independent_implementation_agrees),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
