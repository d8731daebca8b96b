/* The client's authenticator: a challenge, its one answer, and every rule broken. */
#include "tests/tls/fake_session.h"
#include "tls/client_authenticator.h"
#include "tls/messages.h"
#include "tls/transcript.h"

static uint8_t context_a[BL_CONTEXT_SIZE] = { 1, 2, 3 }, context_b[BL_CONTEXT_SIZE] = { 9 };
static bl_key *key, *other_key;
static bl_buf  cert, other_cert, spki, other_spki;

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

/* One session with both its ends. */
typedef struct {
    test_session session;
    bl_exporter  exporter;
    bl_challenge challenge;      /* the server's */
    bl_contexts  server, client; /* used on this connection */
} conn;

static void conn_init(conn *c, const char *secret, size_t hash_size)
{
    *c = (conn){ .session = { secret, NULL } };
    c->exporter = (bl_exporter){ test_fake_export, &c->session, hash_size };
}

static void conn_done(conn *c)
{
    bl_challenge_done(&c->challenge);
    bl_contexts_done(&c->server);
    bl_contexts_done(&c->client);
}

static void challenge(conn *c, const uint8_t *context)
{
    assert_int_equal(BLIND_OK,
                     bl_challenge_make(&c->challenge, &c->exporter, &c->server, context, NULL));
}

static bl_buf respond(conn *c, const bl_key *with, blind_span with_cert)
{
    bl_buf out = BL_BUF_EMPTY;
    assert_int_equal(BLIND_OK,
                     bl_client_authenticator_write(bl_buf_span(&c->challenge.request), &c->exporter,
                                                   &c->client, with, with_cert, &out, NULL));
    return out;
}

static blind_code judge(conn *c, blind_span message)
{
    uint8_t    id[BL_KEY_ID_SIZE], want[BL_KEY_ID_SIZE], none[BL_KEY_ID_SIZE] = { 0 };
    blind_code code = bl_challenge_answer(&c->challenge, message, id, NULL);
    assert_int_equal(BLIND_OK, bl_key_id(bl_buf_span(&spki), want, NULL));
    assert_memory_equal(code == BLIND_OK ? want : none, id, sizeof id);
    assert_int_equal(0, c->challenge.request.size); /* spent */
    return code;
}

/* The same challenge again, as if the one before had not been answered. */
static void ask_anew(conn *c)
{
    bl_contexts_done(&c->server);
    bl_contexts_done(&c->client);
    challenge(c, context_a);
}

TEST(the_key_of_the_session_is_told)
{
    static const size_t sizes[] = { 32, 48 };
    for (size_t i = 0; i < BL_LEN(sizes); i++) {
        conn c;
        conn_init(&c, "s", sizes[i]);
        challenge(&c, context_a);
        bl_auto_buf a = respond(&c, key, bl_buf_span(&cert));
        CHECK_CODE(BLIND_OK, judge(&c, bl_buf_span(&a)), "as written");
        conn_done(&c);
    }
}

TEST(a_challenge_is_answered_once)
{
    conn c;
    conn_init(&c, "s", 32);
    CHECK_CODE(BLIND_BINDING, judge(&c, bl_buf_span(&cert)), "nothing was asked");
    challenge(&c, context_a);
    bl_auto_buf a = respond(&c, key, bl_buf_span(&cert));
    CHECK_CODE(BLIND_OK, judge(&c, bl_buf_span(&a)), "first");
    CHECK_CODE(BLIND_BINDING, judge(&c, bl_buf_span(&a)), "replayed, nothing asked");
    challenge(&c, context_b);
    CHECK_CODE(BLIND_BINDING, judge(&c, bl_buf_span(&a)), "replayed to the next challenge");
    ask_anew(&c);
    a.data[a.size - 1] ^= 1;
    CHECK_CODE(BLIND_BINDING, judge(&c, bl_buf_span(&a)), "wrong");
    a.data[a.size - 1] ^= 1;
    CHECK_CODE(BLIND_BINDING, judge(&c, bl_buf_span(&a)), "right, after a wrong one");
    conn_done(&c);
}

TEST(no_context_serves_twice_whoever_used_it)
{
    conn        c;
    bl_auto_buf out = BL_BUF_EMPTY;
    conn_init(&c, "s", 32);
    challenge(&c, context_a);
    bl_auto_buf asked = BL_BUF_EMPTY;
    bl_buf_add(&asked, bl_buf_span(&c.challenge.request));
    CHECK_CODE(BLIND_BINDING,
               bl_challenge_make(&c.challenge, &c.exporter, &c.server, context_a, NULL),
               "the server asks the same again");
    assert_int_equal(0, c.challenge.request.size);
    assert_int_equal(BLIND_OK, bl_contexts_add(&c.client, context_a, NULL)); /* its attestation's */
    CHECK_CODE(BLIND_BINDING,
               bl_client_authenticator_write(bl_buf_span(&asked), &c.exporter, &c.client, key,
                                             bl_buf_span(&cert), &out, NULL),
               "the client has seen it");
    assert_int_equal(0, out.size);
    conn_done(&c);
}

TEST(another_sessions_authenticator_is_unbound)
{
    conn c, d;
    conn_init(&c, "s", 32);
    conn_init(&d, "t", 32);
    challenge(&c, context_a);
    challenge(&d, context_a);
    bl_auto_buf a = respond(&d, key, bl_buf_span(&cert));
    CHECK_CODE(BLIND_BINDING, judge(&c, bl_buf_span(&a)), "relayed");
    conn_done(&c);
    conn_done(&d);
}

TEST(another_key_signs_for_nobody_else)
{
    conn c;
    conn_init(&c, "s", 32);
    challenge(&c, context_a);
    bl_auto_buf a = respond(&c, other_key, bl_buf_span(&cert));
    CHECK_CODE(BLIND_SIGNATURE, judge(&c, bl_buf_span(&a)), "a certificate without its key");
    ask_anew(&c);
    bl_auto_buf b = respond(&c, other_key, bl_buf_span(&other_cert));
    uint8_t     id[BL_KEY_ID_SIZE], want[BL_KEY_ID_SIZE];
    CHECK_CODE(BLIND_OK, bl_challenge_answer(&c.challenge, bl_buf_span(&b), id, NULL), "its own");
    assert_int_equal(BLIND_OK, bl_key_id(bl_buf_span(&other_spki), want, NULL));
    assert_memory_equal(want, id, sizeof id);
    conn_done(&c);
}

/* A server's authenticator of the same session, and one with the server's labels: neither side's
 * message passes for the other's. */
TEST(a_servers_authenticator_is_not_a_clients)
{
    conn                  c;
    bl_authenticator_keys keys;
    bl_auto_buf           request = BL_BUF_EMPTY, theirs = BL_BUF_EMPTY, bare = BL_BUF_EMPTY;
    conn_init(&c, "s", 32);
    challenge(&c, context_a);
    bl_authenticator_request_write(&request, context_a);
    assert_int_equal(BLIND_OK, bl_authenticator_keys_derive(&c.exporter, context_a, &keys, NULL));
    assert_int_equal(BLIND_OK,
                     bl_authenticator_write(bl_buf_span(&request), &keys, key, bl_buf_span(&cert),
                                            BL_LITERAL("evidence"), &theirs, NULL));
    CHECK_CODE(BLIND_FORMAT, judge(&c, bl_buf_span(&theirs)), "with evidence: not offered");
    ask_anew(&c);
    bl_auto_buf asked = BL_BUF_EMPTY;
    bl_buf_add(&asked, bl_buf_span(&c.challenge.request));
    assert_int_equal(BLIND_OK,
                     bl_messages_write(bl_buf_span(&asked), &keys, key, bl_buf_span(&cert),
                                       (blind_span){ 0 }, &bare, NULL));
    CHECK_CODE(BLIND_BINDING, judge(&c, bl_buf_span(&bare)), "with the server's exports");
    ask_anew(&c);
    bl_auto_buf ours = respond(&c, key, bl_buf_span(&cert));
    blind_span  cmw;
    CHECK_CODE(BLIND_FORMAT,
               bl_authenticator_verify(bl_buf_span(&ours), bl_buf_span(&request), &keys,
                                       bl_buf_span(&spki), &cmw, NULL),
               "and the other way");
    conn_done(&c);
}

TEST(each_label_counts)
{
    for (int i = 0; i < 2; i++) {
        conn c;
        conn_init(&c, "s", 32);
        challenge(&c, context_a);
        uint8_t *wrong = i ? c.challenge.keys.finished_key : c.challenge.keys.handshake;
        test_fake_export(&c.session, i ? BL_LABEL_FINISHED : BL_LABEL_HANDSHAKE, (blind_span){ 0 },
                         wrong, 32);
        bl_auto_buf a = respond(&c, key, bl_buf_span(&cert));
        CHECK_CODE(BLIND_BINDING, judge(&c, bl_buf_span(&a)), i ? "finished" : "handshake");
        conn_done(&c);
    }
}

TEST(the_empty_authenticator_is_refusal)
{
    conn        c;
    uint8_t     hash[BL_MAX_HASH], mac[BL_MAX_HASH];
    bl_auto_buf empty = BL_BUF_EMPTY;
    conn_init(&c, "s", 32);
    challenge(&c, context_a);
    assert_int_equal(BLIND_OK,
                     bl_transcript_hash(&c.challenge.keys, bl_buf_span(&c.challenge.request),
                                        (blind_span){ 0 }, hash));
    assert_int_equal(BLIND_OK, bl_transcript_mac(&c.challenge.keys, hash, mac));
    bl_buf_add_u8(&empty, BL_TLS_FINISHED);
    bl_buf_add_be(&empty, 32, 3);
    bl_buf_add(&empty, bl_span(mac, 32)); /* its Finished is right: it is refused all the same */
    CHECK_CODE(BLIND_DENIED, judge(&c, bl_buf_span(&empty)), "empty");
    conn_done(&c);
}

TEST(every_prefix_and_every_flipped_bit_is_refused)
{
    conn c;
    conn_init(&c, "s", 32);
    challenge(&c, context_a);
    bl_auto_buf a = respond(&c, key, bl_buf_span(&cert));
    for (size_t n = 0; n < a.size; n++) {
        ask_anew(&c);
        CHECK_CODE(BLIND_FORMAT, judge(&c, bl_span(a.data, n)), "prefix");
    }
    for (size_t i = 0; i < a.size; i++) {
        ask_anew(&c);
        a.data[i] ^= 0x10;
        blind_code code = judge(&c, bl_buf_span(&a));
        CHECK(code == BLIND_FORMAT || code == BLIND_BINDING);
        a.data[i] ^= 0x10;
    }
    ask_anew(&c);
    CHECK_CODE(BLIND_OK, judge(&c, bl_buf_span(&a)), "whole");
    bl_buf_add_u8(&a, 0);
    ask_anew(&c);
    CHECK_CODE(BLIND_FORMAT, judge(&c, bl_buf_span(&a)), "one more");
    conn_done(&c);
}

/* The Finished is right, so what stands behind it is looked at. */
TEST(a_malformed_certificate_is_refused)
{
    static const struct {
        const char *name;
        size_t      cut; /* of the certificate; 0: at its end, a byte more */
        blind_code  want;
    } cases[] = {
        { "a byte behind the certificate", 0, BLIND_FORMAT },
        { "half a certificate", 100, BLIND_FORMAT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        conn        c;
        bl_auto_buf bad = BL_BUF_EMPTY;
        conn_init(&c, "s", 32);
        challenge(&c, context_a);
        bl_buf_add(&bad, bl_span(cert.data, cases[i].cut ? cases[i].cut : cert.size));
        bl_buf_add_u8(&bad, 0);
        bl_auto_buf a = respond(&c, key, bl_buf_span(&bad));
        CHECK_CODE(cases[i].want, judge(&c, bl_buf_span(&a)), cases[i].name);
        conn_done(&c);
    }
}

TEST(an_exporter_that_fails_is_refusal)
{
    static const char *const labels[] = { BL_LABEL_CLIENT_HANDSHAKE, BL_LABEL_CLIENT_FINISHED };
    for (size_t i = 0; i < BL_LEN(labels); i++) {
        conn        c;
        bl_auto_buf asked = BL_BUF_EMPTY, out = BL_BUF_EMPTY;
        conn_init(&c, "s", 32);
        challenge(&c, context_a);
        bl_buf_add(&asked, bl_buf_span(&c.challenge.request));
        c.session.fails = labels[i];
        CHECK_CODE(BLIND_EVIDENCE,
                   bl_challenge_make(&c.challenge, &c.exporter, &c.server, context_b, NULL),
                   "server");
        assert_int_equal(0, c.challenge.request.size);
        CHECK_CODE(BLIND_EVIDENCE,
                   bl_client_authenticator_write(bl_buf_span(&asked), &c.exporter, &c.client, key,
                                                 bl_buf_span(&cert), &out, NULL),
                   "client");
        assert_int_equal(0, out.size);
        conn_done(&c);
    }
}

TEST(a_challenge_is_read_strictly)
{
    uint8_t     context[BL_CONTEXT_SIZE];
    bl_auto_buf r = BL_BUF_EMPTY, theirs = BL_BUF_EMPTY;
    bl_request_write(&bl_sender_client, &r, context_a);
    CHECK_CODE(BLIND_OK, bl_challenge_parse(bl_buf_span(&r), context, NULL), "ours");
    assert_memory_equal(context_a, context, sizeof context);
    for (size_t n = 0; n < r.size; n++)
        CHECK_CODE(BLIND_FORMAT, bl_challenge_parse(bl_span(r.data, n), context, NULL), "prefix");
    bl_buf_add_u8(&r, 0);
    CHECK_CODE(BLIND_FORMAT, bl_challenge_parse(bl_buf_span(&r), context, NULL), "longer");
    bl_authenticator_request_write(&theirs, context_a);
    CHECK_CODE(BLIND_FORMAT, bl_challenge_parse(bl_buf_span(&theirs), context, NULL),
               "a client's request, reflected");
    bl_buf_clear(&r);
    bl_request_write(&bl_sender_client, &r, context_a);
    r.data[r.size - 1] = 1; /* another algorithm */
    CHECK_CODE(BLIND_UNSUPPORTED, bl_challenge_parse(bl_buf_span(&r), context, NULL), "algorithm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_key_of_the_session_is_told),
        RUN(a_challenge_is_answered_once),
        RUN(no_context_serves_twice_whoever_used_it),
        RUN(another_sessions_authenticator_is_unbound),
        RUN(another_key_signs_for_nobody_else),
        RUN(a_servers_authenticator_is_not_a_clients),
        RUN(each_label_counts),
        RUN(the_empty_authenticator_is_refusal),
        RUN(every_prefix_and_every_flipped_bit_is_refused),
        RUN(a_malformed_certificate_is_refused),
        RUN(an_exporter_that_fails_is_refusal),
        RUN(a_challenge_is_read_strictly),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
