/* The client's key: shown after the verdict, on every connection, to a server that asks as it
 * should; one hostile answer for each rule. */
#include "tests/channel/hostile.h"
#include "tls/client_authenticator.h"
#include "tls/messages.h"

#include <openssl/pem.h>
#include <stdlib.h>

static bl_buf  key_pem;
static bl_key *key;
static uint8_t key_id[BL_KEY_ID_SIZE];

static int setup(void **state)
{
    bl_auto_buf spki = BL_BUF_EMPTY;
    test_policy_setup(state);
    assert_int_equal(BLIND_OK, bl_key_generate(&key, NULL));
    assert_int_equal(BLIND_OK, bl_key_private_pem(key, &key_pem, NULL));
    assert_int_equal(BLIND_OK, bl_key_spki(key, &spki, NULL));
    assert_int_equal(BLIND_OK, bl_key_id(bl_buf_span(&spki), key_id, NULL));
    return 0;
}

static int teardown(void **state)
{
    bl_key_free(key);
    bl_buf_done(&key_pem);
    return test_policy_teardown(state);
}

static blind_dial_options options_with_key(const test_peer *p)
{
    blind_dial_options options = test_dial_options(p, policy);
    options.client_key = bl_buf_span(&key_pem);
    return options;
}

static bool is_get(const bl_http_head *head)
{
    return bl_span_equal(head->method, BL_LITERAL("GET"));
}

/* ---- a server that takes keys ---- */

TEST(a_key_is_proved_once_on_each_connection)
{
    test_peer p = { .other = test_take_key };
    test_peer_start(&p);
    blind_client_options options = { .dial = options_with_key(&p) };
    blind_client        *a, *b;
    blind_request        r = { .method = "GET", .target = "/" };
    blind_response       answer;
    CHECK_CODE(BLIND_OK, blind_client_open(&options, &a, NULL, NULL), "first");
    CHECK_CODE(BLIND_OK, blind_client_open(&options, &b, NULL, NULL), "second");
    CHECK_CODE(BLIND_OK, blind_client_reattest(a, NULL), "a new verdict needs no new proof");
    CHECK_CODE(BLIND_OK, blind_client_request(a, &r, &answer, NULL), "request");
    assert_int_equal(200, answer.status);
    blind_response_done(&answer);
    assert_int_equal(2, atomic_load(&p.connections));
    assert_int_equal(3, atomic_load(&p.attestations));
    assert_int_equal(2 * 2 + 1, atomic_load(&p.requests));
    blind_client_close(a);
    blind_client_close(b);
    for (int i = 0; i < 2; i++)
        assert_memory_equal(key_id, p.conns[i]->key_id, sizeof key_id);
    /* The proof came behind the evidence. */
    const char *seen = bl_buf_cstr(&p.seen), *evidence = strstr(seen, BL_AUTHENTICATOR_PATH);
    CHECK(evidence && strstr(seen, BL_CLIENT_AUTHENTICATOR_PATH) > evidence);
    test_peer_stop(&p);
}

TEST(without_a_key_nothing_is_proved)
{
    test_peer p = { .other = test_take_key };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    CHECK_CODE(BLIND_OK, test_dial(&options, NULL, NULL), "dial");
    assert_int_equal(0, atomic_load(&p.requests));
    test_peer_stop(&p);
}

/* Whoever has no verdict learns of no key. */
TEST(before_the_verdict_no_key_is_shown)
{
    test_peer p = { .other = test_take_key, .sim_lies = BL_SIM_LIE_MEASUREMENT };
    test_peer_start(&p);
    blind_dial_options options = options_with_key(&p);
    CHECK_CODE(BLIND_MEASUREMENT, test_dial(&options, NULL, NULL), "another measurement");
    assert_int_equal(0, atomic_load(&p.requests));
    test_peer_stop(&p);
}

TEST(a_pooled_connection_that_ended_is_replaced_by_one_with_the_key)
{
    test_peer p = { .other = test_take_key };
    test_peer_start(&p);
    blind_client_options options = { .dial = options_with_key(&p) };
    blind_client        *c;
    blind_request        r = { .method = "GET", .target = "/" };
    blind_response       answer;
    CHECK_CODE(BLIND_OK, blind_client_open(&options, &c, NULL, NULL), "open");
    shutdown(p.conns[0]->fd, SHUT_RDWR);
    CHECK_CODE(BLIND_OK, blind_client_request(c, &r, &answer, NULL), "request");
    blind_response_done(&answer);
    assert_int_equal(2, atomic_load(&p.connections));
    assert_int_equal(2 * 2 + 1, atomic_load(&p.requests));
    blind_client_close(c);
    test_peer_stop(&p);
}

/* ---- servers that do not ask as they should ---- */

static bool ask_with_attestations_context(test_conn *c, const bl_http_head *head, blind_span body)
{
    bl_auto_buf request = BL_BUF_EMPTY;
    (void)head, (void)body;
    bl_request_write(&bl_sender_client, &request, c->contexts.used[0]);
    test_send_answer(c, 200, TEST_CHALLENGE, bl_buf_span(&request));
    return true;
}

/* The client's own kind of request. */
static bool ask_reflected(test_conn *c, const bl_http_head *head, blind_span body)
{
    uint8_t     context[BL_CONTEXT_SIZE] = { 5 };
    bl_auto_buf request = BL_BUF_EMPTY;
    (void)head, (void)body;
    bl_authenticator_request_write(&request, context);
    test_send_answer(c, 200, TEST_CHALLENGE, bl_buf_span(&request));
    return true;
}

static bool ask_shortly(test_conn *c, const bl_http_head *head, blind_span body)
{
    uint8_t     context[BL_CONTEXT_SIZE] = { 5 };
    bl_auto_buf request = BL_BUF_EMPTY;
    (void)head, (void)body;
    bl_request_write(&bl_sender_client, &request, context);
    test_send_answer(c, 200, TEST_CHALLENGE, bl_span(request.data, request.size - 1));
    return true;
}

static bool never_answer(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)c, (void)head, (void)body;
    return true;
}

/* `arg`: a test_again, in place of the challenge. */
static bool say(test_conn *c, const bl_http_head *head, blind_span body)
{
    const test_again *again = c->peer->arg;
    (void)head, (void)body;
    test_send_answer(c, again->status, again->fields, bl_span_str(again->body));
    return true;
}

/* The same, in place of the welcome. */
static bool say_then(test_conn *c, const bl_http_head *head, blind_span body)
{
    if (!is_get(head))
        return say(c, head, body);
    test_send_challenge(c);
    return true;
}

static bool end_then(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)body;
    if (is_get(head))
        test_send_challenge(c);
    return is_get(head);
}

static bool say_more(test_conn *c, const bl_http_head *head, blind_span body)
{
    if (!is_get(head)) {
        test_send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" TEST_WELCOME "\r\n{}more");
        return true;
    }
    return say_then(c, head, body);
}

TEST(only_a_server_that_asks_as_it_should_gets_an_answer)
{
    static const struct {
        const char  *name;
        test_answer *other;
        test_again   again;
        blind_code   want;
        int          requests; /* 2: the key was proved */
    } cases[] = {
        { "as it should be", test_take_key, { 0 }, BLIND_OK, 2 },
        { "the attestation's context", ask_with_attestations_context, { 0 }, BLIND_PROTOCOL, 1 },
        { "a ClientCertificateRequest", ask_reflected, { 0 }, BLIND_PROTOCOL, 1 },
        { "a byte short", ask_shortly, { 0 }, BLIND_PROTOCOL, 1 },
        { "an end", test_silent_end, { 0 }, BLIND_DENIED, 1 },
        { "silence", never_answer, { 0 }, BLIND_TIMEOUT, 1 },
        { "an empty challenge", say, { 200, TEST_CHALLENGE, "" }, BLIND_PROTOCOL, 1 },
        { "another media type",
          say,
          { 200, "Content-Type: text/plain\r\n", "x" },
          BLIND_PROTOCOL,
          1 },
        { "a closing one",
          say,
          { 200, TEST_CHALLENGE "Connection: close\r\n", "x" },
          BLIND_PROTOCOL,
          1 },
        { "no such route", say, { 404, TEST_WELCOME, "{}" }, BLIND_NOT_FOUND, 1 },
        { "no such method", say, { 405, TEST_WELCOME, "{}" }, BLIND_NOT_FOUND, 1 },
        { "busy", say, { 503, TEST_WELCOME, "{}" }, BLIND_BUSY, 1 },
        { "a redirect", say, { 307, "Location: /\r\n", "" }, BLIND_SERVER, 1 },
        { "not attested, it says", say, { 428, TEST_WELCOME, "{}" }, BLIND_SERVER, 1 },
        { "unknown key",
          say_then,
          { 403, TEST_WELCOME, "{\"error\":\"nobody\"}" },
          BLIND_DENIED,
          2 },
        { "unknown key, no word", say_then, { 401, "", "" }, BLIND_DENIED, 2 },
        { "created", say_then, { 201, TEST_WELCOME, "{}" }, BLIND_SERVER, 2 },
        { "an end for a welcome", end_then, { 0 }, BLIND_DENIED, 2 },
        { "bytes behind the welcome", say_more, { 0 }, BLIND_PROTOCOL, 2 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_peer p = { .other = cases[i].other, .arg = (void *)&cases[i].again };
        test_peer_start(&p);
        blind_dial_options options = options_with_key(&p);
        if (cases[i].want == BLIND_TIMEOUT)
            options.timeout_ms = 300;
        CHECK_CODE(cases[i].want, test_dial(&options, NULL, NULL), cases[i].name);
        if (atomic_load(&p.requests) != cases[i].requests)
            fail_msg("%s: %d requests", cases[i].name, atomic_load(&p.requests));
        test_peer_stop(&p);
    }
}

TEST(what_the_server_says_of_a_key_is_told)
{
    test_again nobody = { 403, TEST_WELCOME, "{\"error\":\"unknown\\nclient key\"}" };
    test_peer  p = { .other = say_then, .arg = &nobody };
    test_peer_start(&p);
    blind_dial_options options = options_with_key(&p);
    blind_stream      *s;
    blind_error        err;
    CHECK_CODE(BLIND_DENIED, blind_stream_open(&options, &s, NULL, &err), "refused");
    assert_non_null(strstr(err.message, "unknown client key"));
    test_peer_stop(&p);
}

static int exports;

static bool counted(void *arg, const char *label, blind_span context, uint8_t *out, size_t size)
{
    bl_exporter real = bl_exporter_of(arg);
    return ++exports <= 3 && real.export_key(real.arg, label, context, out, size);
}

/* Of an attestation's three exports none fails, of the key's each does. */
static bl_exporter exporter_for_evidence_alone(SSL *ssl)
{
    return (bl_exporter){ counted, ssl, bl_exporter_of(ssl).hash_size };
}

TEST(without_an_exporter_no_key_is_proved)
{
    bl_client_hooks hooks = bl_client_hooks_real;
    test_peer       p = { .other = test_take_key };
    hooks.exporter = exporter_for_evidence_alone;
    test_peer_start(&p);
    blind_dial_options options = options_with_key(&p);
    CHECK_CODE(BLIND_PROTOCOL, test_dial(&options, &hooks, NULL), "refused");
    assert_int_equal(1, atomic_load(&p.requests));
    test_peer_stop(&p);
}

/* ---- keys ---- */

static void add_other_pem(bl_buf *out, const char *group)
{
    EVP_PKEY *pkey = EVP_EC_gen(group);
    BIO      *bio = BIO_new(BIO_s_mem());
    char     *text;
    CHECK(pkey && bio && PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1);
    long size = BIO_get_mem_data(bio, &text);
    bl_buf_add(out, bl_span(text, (size_t)size));
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

static void add_certificate(bl_buf *out, const bl_key *of)
{
    bl_cert_options options = { .not_after_s = 4000000000 };
    bl_auto_buf     der = BL_BUF_EMPTY;
    assert_int_equal(BLIND_OK, bl_cert_make(of, NULL, (blind_span){ 0 }, &options, &der, NULL));
    assert_int_equal(BLIND_OK, bl_cert_to_pem(bl_buf_span(&der), out, NULL));
}

TEST(a_client_key_is_one_on_p256_with_no_other_certificate)
{
    bl_auto_buf p384 = BL_BUF_EMPTY, with = BL_BUF_EMPTY, before = BL_BUF_EMPTY;
    bl_auto_buf other = BL_BUF_EMPTY, alone = BL_BUF_EMPTY;
    bl_key     *second;
    assert_int_equal(BLIND_OK, bl_key_generate(&second, NULL));
    add_other_pem(&p384, "P-384");
    bl_buf_add(&with, bl_buf_span(&key_pem));
    add_certificate(&with, key);
    add_certificate(&before, key);
    bl_buf_add(&before, bl_buf_span(&key_pem));
    bl_buf_add(&other, bl_buf_span(&key_pem));
    add_certificate(&other, second);
    add_certificate(&alone, key);
    const struct {
        const char *name, *file;
        blind_span  pem;
        blind_code  want;
    } cases[] = {
        { "a key", NULL, bl_buf_span(&key_pem), BLIND_OK },
        { "a key and its certificate", NULL, bl_buf_span(&with), BLIND_OK },
        { "a certificate and its key", NULL, bl_buf_span(&before), BLIND_OK },
        { "another key's certificate", NULL, bl_buf_span(&other), BLIND_INPUT },
        { "a certificate alone", NULL, bl_buf_span(&alone), BLIND_INPUT },
        { "a key on P-384", NULL, bl_buf_span(&p384), BLIND_INPUT },
        { "no PEM", NULL, BL_LITERAL("key"), BLIND_INPUT },
        { "an empty file", "/dev/null", { 0 }, BLIND_INPUT },
        { "no file", "/nowhere/key", { 0 }, BLIND_NOT_FOUND },
        { "two keys", "/dev/null", bl_buf_span(&key_pem), BLIND_USAGE },
    };
    test_peer p = { .other = test_take_key };
    test_peer_start(&p);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_dial_options options = test_dial_options(&p, policy);
        options.client_key = cases[i].pem;
        options.client_key_file = cases[i].file;
        CHECK_CODE(cases[i].want, test_dial(&options, NULL, NULL), cases[i].name);
    }
    test_peer_stop(&p);
    bl_key_free(second);
}

TEST(a_key_comes_from_its_file)
{
    char          path[64];
    test_identity id = { .key = key };
    test_peer     p = { .other = test_take_key };
    test_pem_file(path, &id, true);
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    options.client_key_file = path;
    CHECK_CODE(BLIND_OK, test_dial(&options, NULL, NULL), "dial");
    assert_int_equal(2, atomic_load(&p.requests));
    test_peer_stop(&p);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_key_is_proved_once_on_each_connection),
        RUN(without_a_key_nothing_is_proved),
        RUN(before_the_verdict_no_key_is_shown),
        RUN(a_pooled_connection_that_ended_is_replaced_by_one_with_the_key),
        RUN(only_a_server_that_asks_as_it_should_gets_an_answer),
        RUN(what_the_server_says_of_a_key_is_told),
        RUN(without_an_exporter_no_key_is_proved),
        RUN(a_client_key_is_one_on_p256_with_no_other_certificate),
        RUN(a_key_comes_from_its_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
