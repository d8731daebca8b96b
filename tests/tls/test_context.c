/* TLS 1.3 alone, nothing resumed, and the server is who the policy asks for. */
#include "tests/tls/tls_pair.h"
#include "tls/authenticator.h"

static test_identity host, leaf, other;
static char          host_pem[64], leaf_pem[64], other_pem[64];

static int setup(void **state)
{
    (void)state;
    test_identity_init(&host, "blindai-srv", NULL, true);
    test_identity_init(&leaf, NULL, &host, false);
    test_identity_init(&other, NULL, NULL, false);
    test_pem_file(host_pem, &host, false);
    test_pem_file(leaf_pem, &leaf, false);
    test_pem_file(other_pem, &other, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(host_pem), unlink(leaf_pem), unlink(other_pem);
    test_identity_done(&host), test_identity_done(&leaf), test_identity_done(&other);
    return 0;
}

/* Connects to a server with the certificate `leaf`, to the end of the client's checks. */
static blind_code connect_as(const bl_tls_client_options *options, blind_identity *identity)
{
    blind_error    err;
    bl_tls_client *client;
    blind_code     code = bl_tls_client_new(options, &client, &err);
    if (code != BLIND_OK)
        return code;
    bl_tls_server *server = test_tls_server(&leaf);
    test_pair      p;
    test_pair_open(&p);
    p.client = bl_tls_client_session(client, p.fds[0]);
    p.server = bl_tls_server_session(server);
    code = test_pair_shake(&p, &err);
    if (code == BLIND_OK)
        code = bl_tls_client_check(client, p.client, identity, &err);
    if (code == BLIND_OK)
        assert_int_equal(BLIND_OK, bl_tls_check_fresh(p.server, &err));
    test_pair_close(&p);
    bl_tls_server_free(server);
    bl_tls_client_free(client);
    return code;
}

TEST(the_policy_says_who_may_answer)
{
    const struct {
        const char       *name;
        blind_server_rule rule;
        const char       *ca, *pin, *server_name;
        blind_code        want;
        blind_identity    identity;
    } cases[] = {
        { "any", BLIND_SERVER_ANY, NULL, NULL, "x", BLIND_OK, BLIND_IDENTITY_UNKNOWN },
        { "the CA", BLIND_SERVER_CA, host_pem, NULL, "localhost", BLIND_OK, BLIND_IDENTITY_CA },
        { "the CA, by address", BLIND_SERVER_CA, host_pem, NULL, "127.0.0.1", BLIND_OK,
          BLIND_IDENTITY_CA },
        { "the CA, another name", BLIND_SERVER_CA, host_pem, NULL, "other", BLIND_TLS, 0 },
        { "the CA, another address", BLIND_SERVER_CA, host_pem, NULL, "127.0.0.2", BLIND_TLS, 0 },
        { "another CA", BLIND_SERVER_CA, other_pem, NULL, "localhost", BLIND_TLS, 0 },
        { "the system's CAs", BLIND_SERVER_CA, NULL, NULL, "localhost", BLIND_TLS, 0 },
        { "the leaf as its own CA", BLIND_SERVER_CA, leaf_pem, NULL, "localhost", BLIND_OK,
          BLIND_IDENTITY_CA },
        { "a CA file that is not there", BLIND_SERVER_CA, "/nowhere", NULL, "localhost", BLIND_IO,
          0 },
        { "the pin", BLIND_SERVER_PIN, NULL, leaf_pem, "x", BLIND_OK, BLIND_IDENTITY_PIN },
        { "another pin", BLIND_SERVER_PIN, NULL, other_pem, "localhost", BLIND_TLS, 0 },
        { "pin asked, none given", BLIND_SERVER_PIN, NULL, NULL, "localhost", BLIND_POLICY_OPEN,
          0 },
        { "a pin that is no certificate", BLIND_SERVER_PIN, NULL, "/dev/null", "x", BLIND_TLS, 0 },
        { "any, but a CA given", BLIND_SERVER_ANY, other_pem, NULL, "localhost", BLIND_TLS, 0 },
        { "any, but a pin given", BLIND_SERVER_ANY, NULL, other_pem, "localhost", BLIND_TLS, 0 },
        { "either, the pin", BLIND_SERVER_IDENTIFIED, NULL, leaf_pem, "x", BLIND_OK,
          BLIND_IDENTITY_PIN },
        { "either, the CA", BLIND_SERVER_IDENTIFIED, host_pem, NULL, "localhost", BLIND_OK,
          BLIND_IDENTITY_CA },
        { "either, nothing given", BLIND_SERVER_IDENTIFIED, NULL, NULL, "localhost", BLIND_TLS, 0 },
        { "unsaid", BLIND_SERVER_UNSET, host_pem, leaf_pem, "localhost", BLIND_POLICY_OPEN, 0 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_tls_client_options options = { cases[i].rule, cases[i].ca, cases[i].pin,
                                          cases[i].server_name };
        blind_identity        identity = BLIND_IDENTITY_UNKNOWN;
        CHECK_CODE(cases[i].want, connect_as(&options, &identity), cases[i].name);
        if (identity != cases[i].identity)
            fail_msg("%s: identity %d", cases[i].name, identity);
    }
}

static SSL_CTX *plain_server(int max_version)
{
    SSL_CTX       *c = SSL_CTX_new(TLS_server_method());
    const uint8_t *at = leaf.cert.data;
    X509          *x = d2i_X509(NULL, &at, (long)leaf.cert.size);
    CHECK(SSL_CTX_use_certificate(c, x) == 1);
    CHECK(SSL_CTX_use_PrivateKey(c, bl_key_native(leaf.key)) == 1);
    CHECK(SSL_CTX_set_max_proto_version(c, max_version) == 1);
    X509_free(x);
    return c;
}

TEST(a_server_of_tls_1_2_is_refused)
{
    bl_tls_client_options options = { .rule = BLIND_SERVER_ANY };
    bl_tls_client        *client;
    SSL_CTX              *server = plain_server(TLS1_2_VERSION);
    test_pair             p;
    assert_int_equal(BLIND_OK, bl_tls_client_new(&options, &client, NULL));
    test_pair_open(&p);
    p.client = bl_tls_client_session(client, p.fds[0]);
    p.server = SSL_new(server);
    SSL_set_accept_state(p.server);
    CHECK_CODE(BLIND_TLS, test_pair_shake(&p, NULL), "TLS 1.2");
    test_pair_close(&p);
    SSL_CTX_free(server);
    bl_tls_client_free(client);
}

TEST(a_pem_server_needs_a_certificate_and_its_key)
{
    bl_auto_buf cert = BL_BUF_EMPTY, key = BL_BUF_EMPTY, other_key = BL_BUF_EMPTY;
    assert_int_equal(BLIND_OK, bl_cert_to_pem(bl_buf_span(&leaf.cert), &cert, NULL));
    assert_int_equal(BLIND_OK, bl_cert_to_pem(bl_buf_span(&host.cert), &cert, NULL)); /* a chain */
    assert_int_equal(BLIND_OK, bl_key_private_pem(leaf.key, &key, NULL));
    assert_int_equal(BLIND_OK, bl_key_private_pem(other.key, &other_key, NULL));
    const struct {
        const char *name;
        blind_span  cert, key;
        blind_code  want;
    } cases[] = {
        { "both", bl_buf_span(&cert), bl_buf_span(&key), BLIND_OK },
        { "another key", bl_buf_span(&cert), bl_buf_span(&other_key), BLIND_TLS },
        { "no certificate", bl_buf_span(&key), bl_buf_span(&key), BLIND_TLS },
        { "no key", bl_buf_span(&cert), bl_buf_span(&cert), BLIND_TLS },
        { "nothing", { 0 }, { 0 }, BLIND_TLS },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_tls_server *server;
        CHECK_CODE(cases[i].want, bl_tls_server_new_pem(cases[i].cert, cases[i].key, &server, NULL),
                   cases[i].name);
        CHECK((server != NULL) == (cases[i].want == BLIND_OK));
        bl_tls_server_free(server);
    }
}

TEST(a_server_needs_a_certificate_of_its_key)
{
    bl_tls_server *server;
    blind_span     chain[] = { bl_buf_span(&leaf.cert), bl_buf_span(&host.cert) };
    blind_span     garbage = BL_LITERAL("no certificate");
    CHECK_CODE(BLIND_OK, bl_tls_server_new(leaf.key, chain, 2, &server, NULL), "a chain");
    bl_tls_server_free(server);
    CHECK_CODE(BLIND_TLS, bl_tls_server_new(other.key, chain, 1, &server, NULL), "another key");
    CHECK_CODE(BLIND_TLS, bl_tls_server_new(leaf.key, &garbage, 1, &server, NULL), "garbage");
    CHECK_CODE(BLIND_TLS, bl_tls_server_new(leaf.key, chain, 0, &server, NULL), "nothing");
}

TEST(an_unfinished_handshake_exports_and_attests_nothing)
{
    bl_tls_server *server = test_tls_server(&leaf);
    SSL           *ssl = bl_tls_server_session(server);
    CHECK_CODE(BLIND_TLS, bl_tls_check_fresh(ssl, NULL), "not begun");
    assert_int_equal(0, bl_exporter_of(ssl).hash_size);
    SSL_free(ssl);
    bl_tls_server_free(server);
}

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

/* A client of OpenSSL's that keeps every ticket, over `server`; the second time with the ticket. */
static void shake_keeping(SSL_CTX *client, SSL *server, test_pair *p)
{
    char   byte;
    size_t n;
    test_pair_open(p);
    p->client = SSL_new(client);
    SSL_set_fd(p->client, p->fds[0]);
    SSL_set_connect_state(p->client);
    if (kept)
        CHECK(SSL_set_session(p->client, kept) == 1);
    p->server = server;
    CHECK_CODE(BLIND_OK, test_pair_shake(p, NULL), "handshake");
    SSL_read_ex(p->client, &byte, 1, &n); /* takes in the ticket, if there is one */
}

static SSL_CTX *keeping_client(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(c, keep_session);
    return c;
}

TEST(a_resumed_session_is_refused_by_both)
{
    SSL_CTX  *client = keeping_client(), *server = plain_server(TLS1_3_VERSION);
    test_pair p;
    for (int i = 0; i < 2; i++) {
        SSL *ssl = SSL_new(server);
        SSL_set_accept_state(ssl);
        shake_keeping(client, ssl, &p);
        CHECK_CODE(i ? BLIND_TLS : BLIND_OK, bl_tls_check_fresh(p.client, NULL), "client");
        CHECK_CODE(i ? BLIND_TLS : BLIND_OK, bl_tls_check_fresh(p.server, NULL), "server");
        test_pair_close(&p);
    }
    SSL_SESSION_free(bl_take(kept));
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

TEST(our_server_gives_no_ticket)
{
    SSL_CTX       *client = keeping_client();
    bl_tls_server *server = test_tls_server(&leaf);
    test_pair      p;
    shake_keeping(client, bl_tls_server_session(server), &p);
    assert_null(kept);
    test_pair_close(&p);
    SSL_CTX_free(client);
    bl_tls_server_free(server);
}

TEST(a_cut_stream_is_told_from_a_closed_one)
{
    for (int proper = 0; proper < 2; proper++) {
        bl_tls_client_options options = { .rule = BLIND_SERVER_ANY };
        bl_tls_client        *client;
        bl_tls_server        *server = test_tls_server(&leaf);
        test_pair             p;
        char                  byte;
        size_t                n;
        int                   wants;
        assert_int_equal(BLIND_OK, bl_tls_client_new(&options, &client, NULL));
        test_pair_open(&p);
        p.client = bl_tls_client_session(client, p.fds[0]);
        p.server = bl_tls_server_session(server);
        CHECK_CODE(BLIND_OK, test_pair_shake(&p, NULL), "handshake");
        CHECK_CODE(BLIND_AGAIN, bl_tls_read(p.client, &byte, 1, &n, &wants, NULL), "silent");
        if (proper)
            SSL_shutdown(p.server);
        shutdown(p.fds[1], SHUT_RDWR);
        CHECK_CODE(proper ? BLIND_CLOSED : BLIND_NETWORK,
                   bl_tls_read(p.client, &byte, 1, &n, &wants, NULL), "ended");
        test_pair_close(&p);
        bl_tls_server_free(server);
        bl_tls_client_free(client);
    }
}

TEST(both_sides_export_the_same_and_each_session_something_else)
{
    uint8_t context[BL_CONTEXT_SIZE] = { 7 };
    uint8_t before[BL_EXPORTER_SIZE] = { 0 };
    for (int i = 0; i < 2; i++) {
        bl_tls_client_options options = { .rule = BLIND_SERVER_ANY };
        bl_tls_client        *client;
        bl_tls_server        *server = test_tls_server(&leaf);
        test_pair             p;
        assert_int_equal(BLIND_OK, bl_tls_client_new(&options, &client, NULL));
        test_pair_open(&p);
        p.client = bl_tls_client_session(client, p.fds[0]);
        p.server = bl_tls_server_session(server);
        CHECK_CODE(BLIND_OK, test_pair_shake(&p, NULL), "handshake");
        bl_exporter           of_client = bl_exporter_of(p.client);
        bl_exporter           of_server = bl_exporter_of(p.server);
        bl_authenticator_keys a, b;
        assert_int_equal(BLIND_OK, bl_authenticator_keys_derive(&of_client, context, &a, NULL));
        assert_int_equal(BLIND_OK, bl_authenticator_keys_derive(&of_server, context, &b, NULL));
        assert_memory_equal(&a, &b, sizeof a);
        CHECK(memcmp(before, a.exported, sizeof before) != 0);
        memcpy(before, a.exported, sizeof before);
        test_pair_close(&p);
        bl_tls_server_free(server);
        bl_tls_client_free(client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_policy_says_who_may_answer),
        RUN(a_server_of_tls_1_2_is_refused),
        RUN(a_pem_server_needs_a_certificate_and_its_key),
        RUN(a_server_needs_a_certificate_of_its_key),
        RUN(an_unfinished_handshake_exports_and_attests_nothing),
        RUN(a_resumed_session_is_refused_by_both),
        RUN(our_server_gives_no_ticket),
        RUN(a_cut_stream_is_told_from_a_closed_one),
        RUN(both_sides_export_the_same_and_each_session_something_else),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
