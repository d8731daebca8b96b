/* Before the verdict: one hostile answer for each rule, and the name of its refusal. */
#include "attest/binding.h"
#include "tests/channel/hostile.h"
#include "tls/transcript.h"

#include <arpa/inet.h>
#include <stdlib.h>

static blind_code dial_peer(test_peer *p)
{
    test_peer_start(p);
    blind_dial_options options = test_dial_options(p, policy);
    blind_code         code = test_dial(&options, NULL, NULL);
    test_peer_stop(p);
    return code;
}

/* ---- what HTTP says ---- */

#define TYPE "Content-Type: " BL_AUTHENTICATOR_TYPE "\r\n"

typedef struct {
    const char *name;
    const char *before;  /* sent in front of the answer */
    const char *line;    /* the status line's rest; NULL: "HTTP/1.1 200 OK" */
    const char *fields;  /* beside the length */
    const char *behind;  /* sent behind it */
    int         length;  /* 0: right; < 0: none; else said in place of the right one */
    bool        chunked; /* and framed as one chunk */
    blind_code  want;
} http_case;

static const http_case http_cases[] = {
    { .name = "as it should be", .fields = TYPE, .want = BLIND_OK },
    { .name = "not found",
      .line = "HTTP/1.1 404 Not Found",
      .fields = TYPE,
      .want = BLIND_EVIDENCE },
    { .name = "redirect",
      .line = "HTTP/1.1 307 Temporary Redirect",
      .fields = TYPE "Location: /.well-known/blind/authenticator\r\n",
      .want = BLIND_EVIDENCE },
    { .name = "created", .line = "HTTP/1.1 201 Created", .fields = TYPE, .want = BLIND_EVIDENCE },
    { .name = "an interim answer first",
      .before = "HTTP/1.1 100 Continue\r\n\r\n",
      .fields = TYPE,
      .want = BLIND_EVIDENCE },
    { .name = "early hints first",
      .before = "HTTP/1.1 103 Early Hints\r\n\r\n",
      .fields = TYPE,
      .want = BLIND_EVIDENCE },
    { .name = "no media type", .fields = "", .want = BLIND_EVIDENCE },
    { .name = "another version's media type",
      .fields = "Content-Type: application/vnd.blind.authenticator.v2+cbor\r\n",
      .want = BLIND_EVIDENCE },
    { .name = "a parameter behind the media type",
      .fields = "Content-Type: " BL_AUTHENTICATOR_TYPE "; q=1\r\n",
      .want = BLIND_EVIDENCE },
    { .name = "two media types", .fields = TYPE TYPE, .want = BLIND_EVIDENCE },
    { .name = "a content coding",
      .fields = TYPE "Content-Encoding: gzip\r\n",
      .want = BLIND_EVIDENCE },
    { .name = "the identity coding",
      .fields = TYPE "Content-Encoding: identity\r\n",
      .want = BLIND_OK },
    { .name = "a connection that closes",
      .fields = TYPE "Connection: close\r\n",
      .want = BLIND_EVIDENCE },
    { .name = "HTTP/1.0", .line = "HTTP/1.0 200 OK", .fields = TYPE, .want = BLIND_EVIDENCE },
    { .name = "no length", .fields = TYPE, .length = -1, .want = BLIND_EVIDENCE },
    { .name = "chunked",
      .fields = TYPE "Transfer-Encoding: chunked\r\n",
      .length = -1,
      .chunked = true,
      .want = BLIND_EVIDENCE },
    { .name = "two lengths", .fields = TYPE "Content-Length: 1\r\n", .want = BLIND_EVIDENCE },
    { .name = "a gigabyte", .fields = TYPE, .length = 1 << 30, .want = BLIND_EVIDENCE },
    { .name = "a length short of the body", .fields = TYPE, .length = 40, .want = BLIND_EVIDENCE },
    { .name = "a length past the body", .fields = TYPE, .length = 60000, .want = BLIND_EVIDENCE },
    { .name = "bytes behind the answer",
      .fields = TYPE,
      .behind = "HTTP/1.1 200 OK\r\n\r\n",
      .want = BLIND_EVIDENCE },
    { .name = "not HTTP", .line = "220 smtp ready", .fields = TYPE, .want = BLIND_EVIDENCE },
    { .name = "another version of ours",
      .line = "HTTP/1.1 415 Unsupported Media Type",
      .fields = "",
      .want = BLIND_VERSION },
    { .name = "too many", .line = "HTTP/1.1 429 Too Many", .fields = "", .want = BLIND_BUSY },
    { .name = "overloaded", .line = "HTTP/1.1 503 Busy", .fields = "", .want = BLIND_BUSY },
};

static bool answer_http_case(test_conn *c, const bl_http_head *head, blind_span request)
{
    (void)head;
    const http_case *t = c->peer->arg;
    bl_auto_buf      body = BL_BUF_EMPTY, out = BL_BUF_EMPTY;
    CHECK(test_evidence(c, request, &body));
    bl_buf_printf(&out, "%s%s\r\n%s", t->before ? t->before : "",
                  t->line ? t->line : "HTTP/1.1 200 OK", t->fields);
    if (t->length >= 0)
        bl_buf_printf(&out, "Content-Length: %zu\r\n", t->length ? (size_t)t->length : body.size);
    bl_buf_add_str(&out, "\r\n");
    if (t->chunked)
        bl_buf_printf(&out, "%zx\r\n", body.size);
    bl_buf_add(&out, bl_buf_span(&body));
    bl_buf_add_str(&out, t->chunked ? "\r\n0\r\n\r\n" : "");
    bl_buf_add_str(&out, t->behind ? t->behind : "");
    test_send(c, bl_buf_span(&out));
    return t->length == 0; /* a wrong length ends with the connection */
}

TEST(only_the_one_answer_counts)
{
    for (size_t i = 0; i < BL_LEN(http_cases); i++) {
        test_peer p = { .attest = answer_http_case, .arg = (void *)&http_cases[i] };
        CHECK_CODE(http_cases[i].want, dial_peer(&p), http_cases[i].name);
        assert_int_equal(1, atomic_load(&p.attestations)); /* nothing is followed or repeated */
        assert_int_equal(0, atomic_load(&p.requests));
    }
}

/* ---- what the body says ---- */

static bool answer_with(test_conn *c, blind_span body)
{
    test_send_answer(c, 200, TYPE, body);
    return true;
}

static bool answer_reflected(test_conn *c, const bl_http_head *head, blind_span request)
{
    bl_auto_buf body = BL_BUF_EMPTY;
    (void)head;
    assert_int_equal(BLIND_OK, bl_carriage_write(request, (blind_span){ 0 }, &body, NULL));
    return answer_with(c, bl_buf_span(&body));
}

static bool answer_garbage(test_conn *c, const bl_http_head *head, blind_span request)
{
    (void)head;
    return answer_with(c, request);
}

static bool answer_version(test_conn *c, const bl_http_head *head, blind_span request)
{
    (void)head, (void)request;
    test_send_answer(c, 415, "", BL_LITERAL("{\"error\": \"supported:\\n version 2\"}"));
    return true;
}

TEST(a_server_of_another_version_says_which)
{
    test_peer p = { .attest = answer_version };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    blind_stream      *s;
    blind_error        err;
    CHECK_CODE(BLIND_VERSION, blind_stream_open(&options, &s, NULL, &err), "version 2");
    assert_non_null(strstr(err.message, "supported:  version 2"));
    test_peer_stop(&p);
}

static bool answer_empty_body(test_conn *c, const bl_http_head *head, blind_span request)
{
    (void)head, (void)request;
    return answer_with(c, (blind_span){ 0 });
}

/* A refusal with a right Finished. */
static bool answer_empty_authenticator(test_conn *c, const bl_http_head *head, blind_span request)
{
    bl_auto_buf           body = BL_BUF_EMPTY, empty = BL_BUF_EMPTY;
    uint8_t               context[BL_CONTEXT_SIZE], hash[BL_MAX_HASH], mac[BL_MAX_HASH];
    bl_authenticator_keys keys;
    bl_exporter           exporter = bl_exporter_of(c->ssl);
    (void)head;
    assert_int_equal(BLIND_OK, bl_authenticator_request_parse(request, context, NULL));
    assert_int_equal(BLIND_OK, bl_authenticator_keys_derive(&exporter, context, &keys, NULL));
    assert_int_equal(BLIND_OK, bl_transcript_hash(&keys, request, (blind_span){ 0 }, hash));
    assert_int_equal(BLIND_OK, bl_transcript_mac(&keys, hash, mac));
    bl_buf_add_u8(&empty, 20);
    bl_buf_add_be(&empty, keys.hash_size, 3);
    bl_buf_add(&empty, bl_span(mac, keys.hash_size));
    assert_int_equal(BLIND_OK,
                     bl_carriage_write(bl_buf_span(&empty), (blind_span){ 0 }, &body, NULL));
    return answer_with(c, bl_buf_span(&body));
}

/* Another label for one of the exports, told apart by `arg`. */
static bool relabelled(void *arg, const char *label, blind_span context, uint8_t *out, size_t size)
{
    test_conn *c = arg;
    if (strcmp(label, c->peer->arg) == 0)
        label = "EXPORTER-another label";
    return SSL_export_keying_material(c->ssl, out, size, label, strlen(label), context.data,
                                      context.size, 1) == 1;
}

static bool answer_relabelled(test_conn *c, const bl_http_head *head, blind_span request)
{
    bl_attestation a, *one = &a;
    bl_exporter    exporter = { relabelled, c, bl_exporter_of(c->ssl).hash_size };
    (void)head;
    assert_int_equal(
        BLIND_OK, bl_attester_prepare(c->peer->attester, c->ssl, &c->contexts, request, &a, NULL));
    uint8_t context[BL_CONTEXT_SIZE];
    memcpy(context, a.keys.context, sizeof context);
    assert_int_equal(BLIND_OK, bl_authenticator_keys_derive(&exporter, context, &a.keys, NULL));
    assert_int_equal(BLIND_OK,
                     bl_binding(bl_buf_span(&c->peer->identity.spki), a.keys.exported, a.binding));
    assert_int_equal(BLIND_OK, bl_attester_answer(c->peer->attester, &one, 1, NULL));
    bool go_on = answer_with(c, bl_buf_span(&a.response));
    bl_attestation_done(&a);
    return go_on;
}

/* Another session's answer out of the same quote. */
static bool answer_neighbour(test_conn *c, const bl_http_head *head, blind_span request)
{
    bl_attestation a, b, *both[] = { &a, &b };
    bl_contexts    fresh = { 0 };
    (void)head;
    assert_int_equal(
        BLIND_OK, bl_attester_prepare(c->peer->attester, c->ssl, &c->contexts, request, &a, NULL));
    assert_int_equal(BLIND_OK,
                     bl_attester_prepare(c->peer->attester, c->ssl, &fresh, request, &b, NULL));
    b.binding[0] ^= 1; /* as if of another session */
    assert_int_equal(BLIND_OK, bl_attester_answer(c->peer->attester, both, 2, NULL));
    bool go_on = answer_with(c, bl_buf_span(c->peer->arg ? &b.response : &a.response));
    bl_attestation_done(&a);
    bl_attestation_done(&b);
    bl_contexts_done(&fresh);
    return go_on;
}

TEST(only_an_authenticator_of_this_session_counts)
{
    static const struct {
        const char  *name;
        test_answer *attest;
        const char  *arg;
        blind_code   want;
    } cases[] = {
        { "the connection closes", test_silent_end, NULL, BLIND_EVIDENCE },
        { "the request, reflected", answer_reflected, NULL, BLIND_FORMAT },
        { "the request as the body", answer_garbage, NULL, BLIND_FORMAT },
        { "no body", answer_empty_body, NULL, BLIND_FORMAT },
        { "the empty authenticator", answer_empty_authenticator, NULL, BLIND_EVIDENCE },
        { "another label for the binding", answer_relabelled, BL_LABEL_ATTESTATION, BLIND_BINDING },
        { "another label for the context", answer_relabelled, BL_LABEL_HANDSHAKE, BLIND_BINDING },
        { "another label for Finished", answer_relabelled, BL_LABEL_FINISHED, BLIND_BINDING },
        { "one of two under one quote", answer_neighbour, NULL, BLIND_OK },
        { "the neighbour's place in the tree", answer_neighbour, "b", BLIND_BINDING },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_peer p = { .attest = cases[i].attest, .arg = (void *)cases[i].arg };
        CHECK_CODE(cases[i].want, dial_peer(&p), cases[i].name);
    }
}

/* ---- what the simulated TEE says ---- */

TEST(each_lie_has_its_refusal)
{
    static const struct {
        const char *name;
        unsigned    lie;
        blind_code  want;
    } cases[] = {
        { "no lie", 0, BLIND_OK },
        { "measurement", BL_SIM_LIE_MEASUREMENT, BLIND_MEASUREMENT },
        { "debug", BL_SIM_LIE_DEBUG, BLIND_DEBUG },
        { "binding", BL_SIM_LIE_BINDING, BLIND_BINDING },
        { "signature", BL_SIM_LIE_SIGNATURE, BLIND_SIGNATURE },
        { "log", BL_SIM_LIE_LOG, BLIND_LOG },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_peer p = { .sim_lies = cases[i].lie };
        CHECK_CODE(cases[i].want, dial_peer(&p), cases[i].name);
    }
}

TEST(simulation_and_debug_must_be_allowed_by_the_caller)
{
    test_peer p = { .sim_lies = BL_SIM_LIE_DEBUG };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    options.debug_mode = true;
    CHECK_CODE(BLIND_OK, test_dial(&options, NULL, NULL), "both allowed");
    options.simulation = false;
    CHECK_CODE(BLIND_SIMULATION, test_dial(&options, NULL, NULL), "no simulation");
    options.simulation = true;
    options.debug_mode = false;
    CHECK_CODE(BLIND_DEBUG, test_dial(&options, NULL, NULL), "no debug");
    test_peer_stop(&p);
}

/* ---- who stands between ---- */

/* A dial's first exchange through the attacker's own TLS session with the genuine server. */
static bool answer_relayed(test_conn *c, const bl_http_head *head, blind_span request)
{
    const test_peer      *genuine = c->peer->arg;
    bl_tls_client_options tls = { .rule = BLIND_SERVER_ANY };
    bl_tls_client        *client;
    struct sockaddr_in    to = { .sin_family = AF_INET,
                                 .sin_port = htons(genuine->port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    static char           bytes[65536];
    bl_auto_buf           out = BL_BUF_EMPTY;
    size_t                n, all = 0;
    int                   fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)head;
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    assert_int_equal(BLIND_OK, bl_tls_client_new(&tls, &client, NULL));
    SSL *ssl = bl_tls_client_session(client, fd);
    CHECK(SSL_connect(ssl) == 1);
    bl_buf_printf(&out, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                  BL_AUTHENTICATOR_PATH, request.size);
    bl_buf_add(&out, request);
    CHECK(SSL_write_ex(ssl, out.data, out.size, &n) == 1);
    while (all < 500 && SSL_read_ex(ssl, bytes + all, sizeof bytes - all, &n) == 1)
        all += n;
    test_send(c, bl_span(bytes, all)); /* one record: the whole answer */
    SSL_free(ssl);
    close(fd);
    bl_tls_client_free(client);
    return true;
}

TEST(evidence_relayed_from_the_genuine_server_is_unbound)
{
    test_peer genuine = { 0 };
    test_peer_start(&genuine);
    test_peer other_key = { .attest = answer_relayed, .arg = &genuine };
    CHECK_CODE(BLIND_BINDING, dial_peer(&other_key), "another TLS key");
    test_peer same_key = { .attest = answer_relayed,
                           .arg = &genuine,
                           .tls_key = &genuine.identity }; /* the key was stolen */
    CHECK_CODE(BLIND_BINDING, dial_peer(&same_key), "the same TLS key, another session");
    assert_int_equal(2, atomic_load(&genuine.attestations));
    test_peer_stop(&genuine);
}

TEST(evidence_of_another_key_is_unbound)
{
    test_identity other;
    test_identity_init(&other, NULL, NULL, false);
    test_peer p = { .tls_key = &other };
    CHECK_CODE(BLIND_BINDING, dial_peer(&p), "TLS ends elsewhere");
    test_identity_done(&other);
}

/* The first connection's answer again on all later ones. */
static bool answer_replayed(test_conn *c, const bl_http_head *head, blind_span request)
{
    bl_buf *kept = c->peer->arg;
    (void)head;
    if (!kept->size)
        CHECK(test_evidence(c, request, kept));
    return answer_with(c, bl_buf_span(kept));
}

TEST(a_replayed_answer_is_unbound)
{
    bl_auto_buf kept = BL_BUF_EMPTY;
    test_peer   p = { .attest = answer_replayed, .arg = &kept };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    blind_stream      *s;
    CHECK_CODE(BLIND_OK, test_dial(&options, NULL, &s), "its own session");
    CHECK_CODE(BLIND_BINDING, test_dial(&options, NULL, NULL), "another session");
    CHECK_CODE(BLIND_BINDING, test_reattest(s), "the same session, another request");
    size_t n;
    CHECK_CODE(BLIND_CLOSED, blind_stream_write(s, "x", 1, &n, NULL), "the stream has ended");
    CHECK_CODE(BLIND_CLOSED, blind_stream_read(s, &n, 1, &n, NULL), "the stream has ended");
    blind_stream_close(s);
    test_peer_stop(&p);
}

/* ---- time, randomness, exporter ---- */

static bool answer_late(test_conn *c, const bl_http_head *head, blind_span request)
{
    usleep(400 * 1000);
    return test_attest_well(c, head, request);
}

static bool answer_in_drops(test_conn *c, const bl_http_head *head, blind_span request)
{
    bl_auto_buf body = BL_BUF_EMPTY;
    (void)head;
    CHECK(test_evidence(c, request, &body));
    char text[200];
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n" TYPE "Content-Length: %zu\r\n\r\n",
             body.size);
    test_send_text(c, text);
    for (size_t i = 0; i < body.size && i < 40; i++) {
        usleep(20 * 1000); /* never silent for long */
        test_send(c, bl_span(body.data + i, 1));
    }
    return true;
}

TEST(an_answer_after_the_deadline_is_refused)
{
    test_answer *const late[] = { answer_late, answer_in_drops };
    for (size_t i = 0; i < BL_LEN(late); i++) {
        test_peer p = { .attest = late[i] };
        test_peer_start(&p);
        blind_dial_options options = test_dial_options(&p, policy);
        options.timeout_ms = 200;
        CHECK_CODE(BLIND_TIMEOUT, test_dial(&options, NULL, NULL), i ? "in drops" : "at once");
        test_peer_stop(&p);
    }
}

/* Asked for right before the appraisal: from here on it is too late. */
static int64_t slow_wall_s(void)
{
    test_skew_ms = 11000;
    return bl_client_hooks_real.wall_s();
}

TEST(the_clock_runs_from_request_to_verdict)
{
    bl_client_hooks hooks = bl_client_hooks_real;
    hooks.now_ms = test_skewed_now_ms;
    hooks.wall_s = slow_wall_s;
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    CHECK_CODE(BLIND_TIMEOUT, test_dial(&options, &hooks, NULL), "11 s of 10");
    test_skew_ms = 0;
    test_peer_stop(&p);
}

static bl_exporter no_exporter(SSL *ssl)
{
    (void)ssl;
    return (bl_exporter){ .export_key = NULL, .hash_size = 0 };
}

static bool fails(void *arg, const char *label, blind_span context, uint8_t *out, size_t size)
{
    (void)arg, (void)label, (void)context;
    memset(out, 0, size); /* zeros would make a fine binding, were they believed */
    return false;
}

static bl_exporter failing_exporter(SSL *ssl)
{
    return (bl_exporter){ fails, ssl, 32 };
}

TEST(without_an_exporter_nothing_is_sent)
{
    bl_exporter (*const broken[])(SSL *) = { no_exporter, failing_exporter };
    for (size_t i = 0; i < BL_LEN(broken); i++) {
        bl_client_hooks hooks = bl_client_hooks_real;
        hooks.exporter = broken[i];
        test_peer p = { 0 };
        test_peer_start(&p);
        blind_dial_options options = test_dial_options(&p, policy);
        CHECK_CODE(BLIND_EVIDENCE, test_dial(&options, &hooks, NULL), "refused");
        assert_int_equal(0, atomic_load(&p.application_bytes));
        test_peer_stop(&p);
    }
}

static blind_code same_random(void *out, size_t size, blind_error *err)
{
    (void)err;
    memset(out, 7, size);
    return BLIND_OK;
}

TEST(a_context_is_never_used_twice_on_a_connection)
{
    bl_client_hooks hooks = bl_client_hooks_real;
    hooks.random = same_random;
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    blind_stream      *s;
    CHECK_CODE(BLIND_OK, test_dial(&options, &hooks, &s), "first");
    CHECK_CODE(BLIND_BINDING, blind_stream_reattest(s, NULL), "again");
    assert_int_equal(1, atomic_load(&p.attestations));
    blind_stream_close(s);
    test_peer_stop(&p);
}

static blind_code no_random(void *out, size_t size, blind_error *err)
{
    memset(out, 0, size);
    return blind_fail(err, BLIND_FAILED, "test", "no randomness");
}

TEST(without_randomness_nothing_is_sent)
{
    bl_client_hooks hooks = bl_client_hooks_real;
    hooks.random = no_random;
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    CHECK_CODE(BLIND_FAILED, test_dial(&options, &hooks, NULL), "refused");
    assert_int_equal(0, atomic_load(&p.application_bytes));
    test_peer_stop(&p);
}

/* The server's attester holds the same rule for clients that break it. */
static bool answer_twice(test_conn *c, const bl_http_head *head, blind_span request)
{
    bl_attestation a;
    test_attest_well(c, head, request);
    CHECK_CODE(BLIND_BINDING,
               bl_attester_prepare(c->peer->attester, c->ssl, &c->contexts, request, &a, NULL),
               "the server refuses a context used before");
    atomic_fetch_add(&c->peer->requests, 100);
    return true;
}

TEST(the_server_refuses_a_context_used_before)
{
    test_peer p = { .attest = answer_twice };
    CHECK_CODE(BLIND_OK, dial_peer(&p), "first");
    assert_int_equal(100, atomic_load(&p.requests));
}

/* ---- before there is a session ---- */

TEST(a_server_without_tls_is_refused)
{
    test_peer p = { .no_tls = true };
    CHECK_CODE(BLIND_TLS, dial_peer(&p), "plain HTTP");
}

TEST(nobody_there_is_a_network_failure)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    test_peer_stop(&p);
    CHECK_CODE(BLIND_NETWORK, test_dial(&options, NULL, NULL), "refused connection");
    options.host = "no-such-host.invalid";
    CHECK_CODE(BLIND_NETWORK, test_dial(&options, NULL, NULL), "unknown name");
    options.host = "bad host";
    CHECK_CODE(BLIND_USAGE, test_dial(&options, NULL, NULL), "no name at all");
}

TEST(a_name_is_looked_up)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    options.host = "localhost";
    CHECK_CODE(BLIND_OK, test_dial(&options, NULL, NULL), "localhost");
    test_peer_stop(&p);
}

TEST(the_first_request_tells_nothing_about_the_client)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    blind_stream      *s;
    char               want[300];
    CHECK_CODE(BLIND_OK, test_dial(&options, NULL, &s), "dial");
    snprintf(want, sizeof want,
             "POST %s\nhost: 127.0.0.1:%u\ncontent-type: %s\naccept: %s\ncontent-length: ",
             BL_AUTHENTICATOR_PATH, p.port, BL_AUTHENTICATOR_REQUEST_TYPE, BL_AUTHENTICATOR_TYPE);
    CHECK(p.seen.size > strlen(want) && memcmp(p.seen.data, want, strlen(want)) == 0);
    blind_stream_close(s);
    test_peer_stop(&p);
}

static bool look_for_certificate(test_conn *c, const bl_http_head *head, blind_span request)
{
    if (SSL_get0_peer_certificate(c->ssl))
        atomic_fetch_add(&c->peer->requests, 1);
    return test_attest_well(c, head, request);
}

TEST(a_server_that_asks_for_a_certificate_gets_none)
{
    test_peer p = { .attest = look_for_certificate, .wants_certificate = true };
    CHECK_CODE(BLIND_OK, dial_peer(&p), "asked in the handshake");
    assert_int_equal(0, atomic_load(&p.requests));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(only_the_one_answer_counts),
        RUN(a_server_of_another_version_says_which),
        RUN(only_an_authenticator_of_this_session_counts),
        RUN(each_lie_has_its_refusal),
        RUN(simulation_and_debug_must_be_allowed_by_the_caller),
        RUN(evidence_relayed_from_the_genuine_server_is_unbound),
        RUN(evidence_of_another_key_is_unbound),
        RUN(a_replayed_answer_is_unbound),
        RUN(an_answer_after_the_deadline_is_refused),
        RUN(the_clock_runs_from_request_to_verdict),
        RUN(without_an_exporter_nothing_is_sent),
        RUN(a_context_is_never_used_twice_on_a_connection),
        RUN(without_randomness_nothing_is_sent),
        RUN(the_server_refuses_a_context_used_before),
        RUN(a_server_without_tls_is_refused),
        RUN(nobody_there_is_a_network_failure),
        RUN(a_name_is_looked_up),
        RUN(a_server_that_asks_for_a_certificate_gets_none),
        RUN(the_first_request_tells_nothing_about_the_client),
    };
    return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
