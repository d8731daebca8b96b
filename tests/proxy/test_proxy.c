/* The local proxy in front of peers that attest as they should or break a rule: what is forwarded
 * and how, what is refused and that nothing of it left, and how it ends. */
#include "base/limits.h"
#include "proxy/proxy.h"
#include "tests/channel/peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static blind_policy *policy;

typedef struct {
    test_peer     peer;
    blind_client *client;
    bl_proxy     *proxy;
    pthread_t     thread;
    atomic_int    notices;
} stage;

static void *run_proxy(void *arg)
{
    bl_proxy_run(arg);
    return NULL;
}

static void on_notice(void *arg, blind_code code, const char *line)
{
    (void)code, (void)line;
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void start_with(stage *s, bl_proxy_options options)
{
    blind_error          err = { .code = BLIND_OK };
    blind_client_options with = { .idle_max = 32, .request_ms = 20000 };
    test_peer_start(&s->peer);
    with.dial = test_dial_options(&s->peer, policy);
    with.token = options.has_token ? "token-of-the-proxy" : NULL;
    CHECK_CODE(BLIND_OK, blind_client_open(&with, &s->client, NULL, &err), err.message);
    options.client = s->client;
    options.listen = "127.0.0.1:0";
    options.notice = on_notice;
    options.notice_arg = &s->notices;
    CHECK_CODE(BLIND_OK, bl_proxy_open(&options, &s->proxy, &err), err.message);
    CHECK(pthread_create(&s->thread, NULL, run_proxy, s->proxy) == 0);
}

static void start(stage *s)
{
    start_with(s, (bl_proxy_options){ 0 });
}

static void stop(stage *s)
{
    bl_proxy_stop(s->proxy);
    pthread_join(s->thread, NULL);
    bl_proxy_close(s->proxy);
    blind_client_close(s->client);
    test_peer_stop(&s->peer);
}

/* A local client.  --------------------------------------------------------------------------- */

static int dial(const stage *s)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(bl_proxy_port(s->proxy)) };
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval     patience = { .tv_sec = 20 };
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void say(int fd, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        ssize_t put = send(fd, text, n, MSG_NOSIGNAL);
        if (put <= 0)
            return; /* refused early */
        text += put;
        n -= (size_t)put;
    }
}

typedef struct {
    int    status;
    bool   whole, closes, chunked;
    bl_buf body, head;
} reply;

static void reply_done(reply *r)
{
    bl_buf_done(&r->body);
    bl_buf_done(&r->head);
}
#define auto_reply __attribute__((cleanup(reply_done))) reply

/* Reads one answer; not whole when the connection ended inside it. */
static void hear(int fd, bool bodiless, reply *out)
{
    bl_http_parser parser;
    bl_http_event  event = BL_HTTP_MORE;
    blind_span     body;
    char           byte;
    *out = (reply){ 0 };
    bl_http_parser_init(&parser, BL_HTTP_RESPONSE, NULL);
    parser.bodiless = bodiless;
    for (bool more = true; event != BL_HTTP_END;) {
        size_t used;
        if (more && recv(fd, &byte, 1, 0) != 1)
            break;
        CHECK_CODE(BLIND_OK,
                   bl_http_parse(&parser, bl_span(&byte, more), &used, &event, &body, NULL),
                   "an answer");
        more = event == BL_HTTP_MORE;
        if (event == BL_HTTP_HEAD) {
            out->status = parser.head.status;
            out->closes = !parser.head.keep_alive;
            out->chunked = parser.head.chunked;
            for (size_t i = 0; i < parser.head.field_count; i++)
                bl_buf_printf(&out->head, "%.*s: %.*s\n", (int)parser.head.fields[i].name.size,
                              (const char *)parser.head.fields[i].name.data,
                              (int)parser.head.fields[i].value.size,
                              (const char *)parser.head.fields[i].value.data);
        } else if (event == BL_HTTP_BODY) {
            bl_buf_add(&out->body, body);
        }
    }
    out->whole = event == BL_HTTP_END;
    bl_http_parser_done(&parser);
    bl_buf_cstr(&out->body);
    bl_buf_cstr(&out->head);
}

static const char *body_of(reply *r)
{
    return r->body.data ? (const char *)r->body.data : "";
}

static bool ended(int fd)
{
    char          byte;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 10000) > 0 && recv(fd, &byte, 1, 0) <= 0;
}

static void ask(const stage *s, const char *request, reply *out)
{
    int fd = dial(s);
    say(fd, request);
    hear(fd, strncmp(request, "HEAD", 4) == 0, out);
    close(fd);
}

static bool seen(stage *s, const char *text)
{
    pthread_mutex_lock(&s->peer.lock);
    char *all = bl_buf_cstr(&s->peer.seen);
    bool  there = all && strstr(all, text);
    pthread_mutex_unlock(&s->peer.lock);
    return there;
}

static bool wait_for(atomic_int *value, int want)
{
    for (int i = 0; i < 2000 && atomic_load(value) < want; i++)
        usleep(5000);
    return atomic_load(value) >= want;
}

#define HOST "Host: 127.0.0.1:8080\r\n"

/* Forwarding.  ------------------------------------------------------------------------------- */

TEST(requests_of_one_connection_go_over_one_attested_connection)
{
    stage s = { 0 };
    start(&s);
    int fd = dial(&s);
    for (int i = 0; i < 5; i++) {
        auto_reply r;
        say(fd, "GET /v2?x=1 HTTP/1.1\r\n" HOST
                "X-Mine: yes\r\nX-Hop: no\r\nConnection: keep-alive, x-hop\r\nTE: trailers\r\n"
                "Authorization: Bearer of-the-client\r\nKeep-Alive: 5\r\n\r\n");
        hear(fd, false, &r);
        assert_int_equal(200, r.status);
        assert_string_equal("hello", body_of(&r));
        CHECK(!r.closes && !r.chunked);
    }
    close(fd);
    assert_int_equal(1, atomic_load(&s.peer.connections));
    assert_int_equal(1, atomic_load(&s.peer.attestations));
    CHECK(seen(&s, "GET /v2?x=1\n") && seen(&s, "x-mine: yes") && seen(&s, "Bearer of-the-client"));
    CHECK(!seen(&s, "x-hop") && !seen(&s, "\nte:") && !seen(&s, "keep-alive") && !seen(&s, "8080"));
    stop(&s);
}

/* The body as it came, and how many bytes. */
static bool echo(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head;
    test_send_answer(
        c, 200, "Alt-Svc: h3\r\nStrict-Transport-Security: max-age=1\r\nX-Theirs: 1\r\n", body);
    return true;
}

TEST(bodies_arrive_as_they_were_sent)
{
    stage s = { .peer.other = echo };
    start(&s);
    auto_reply a, b, c, d, e;
    ask(&s, "POST /v1/x HTTP/1.1\r\n" HOST "Content-Length: 7\r\n\r\nprivate", &a);
    assert_string_equal("private", body_of(&a));
    CHECK(strstr((char *)a.head.data, "x-theirs: 1"));
    CHECK(!strstr((char *)a.head.data, "alt-svc") && !strstr((char *)a.head.data, "transport"));
    ask(&s,
        "POST /v1/x HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        &b);
    assert_string_equal("abcdefg", body_of(&b));
    ask(&s, "POST /v1/x HTTP/1.1\r\n" HOST "\r\n", &c);
    assert_int_equal(200, c.status);
    CHECK(seen(&s, "content-length: 0"));
    ask(&s, "HEAD /v1/x HTTP/1.1\r\n" HOST "\r\n", &d);
    assert_int_equal(200, d.status);
    ask(&s, "POST /v1/x HTTP/1.0\r\nHost: [::1]\r\nContent-Length: 2\r\n\r\nhi", &e);
    assert_string_equal("hi", body_of(&e));
    CHECK(e.closes);
    /* Two at once on one connection, the second not read into the first. */
    auto_reply f, g;
    int        fd = dial(&s);
    say(fd, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nAPOST /b HTTP/1.1\r\n" HOST
            "Content-Length: 1\r\n\r\nB");
    hear(fd, false, &f);
    hear(fd, false, &g);
    close(fd);
    assert_string_equal("A", body_of(&f));
    assert_string_equal("B", body_of(&g));
    stop(&s);
}

TEST(a_client_that_waits_to_be_told_is_told_to_continue)
{
    stage s = { .peer.other = echo };
    start(&s);
    auto_reply go, r;
    int        fd = dial(&s);
    say(fd, "POST /v1/x HTTP/1.1\r\n" HOST "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    hear(fd, false, &go);
    assert_int_equal(100, go.status);
    say(fd, "body");
    hear(fd, false, &r);
    assert_string_equal("body", body_of(&r));
    CHECK(!seen(&s, "expect"));
    close(fd);
    stop(&s);
}

static bool count_body(test_conn *c, const bl_http_head *head, blind_span body)
{
    char text[32];
    (void)head;
    snprintf(text, sizeof text, "%zu", body.size);
    test_send_answer(c, 200, "", bl_span_str(text));
    return true;
}

/* More than the proxy holds: the rest is read while it is sent. */
TEST(large_bodies_are_passed_on_as_they_come)
{
    stage  s = { .peer.other = count_body };
    size_t size = BL_MAX_PROXY_HELD + 300000;
    start(&s);
    for (int chunked = 0; chunked < 2; chunked++) {
        auto_reply  r;
        bl_auto_buf all = BL_BUF_EMPTY;
        char        want[32];
        if (chunked)
            bl_buf_printf(&all,
                          "PUT /big HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
                          size);
        else
            bl_buf_printf(&all, "PUT /big HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", size);
        uint8_t *to = bl_buf_reserve(&all, size);
        CHECK(to != NULL);
        memset(to, 'x', size);
        all.size += size;
        if (chunked)
            bl_buf_add_str(&all, "\r\n0\r\n\r\n");
        ask(&s, bl_buf_cstr(&all), &r);
        snprintf(want, sizeof want, "%zu", size);
        assert_string_equal(want, body_of(&r));
    }
    stop(&s);
}

static atomic_int step_go;

/* Sends one event, and the next only when the first was seen. */
static bool events(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_text(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    if (!wait_for(&step_go, 1))
        return false;
    test_send_text(c, "9\r\ndata: 1\n\n\r\n");
    if (!wait_for(&step_go, 2))
        return false;
    test_send_text(c, "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
    return true;
}

static void read_until(int fd, const char *text)
{
    bl_auto_buf got = BL_BUF_EMPTY;
    char        byte;
    while (recv(fd, &byte, 1, 0) == 1) {
        bl_buf_add(&got, bl_span(&byte, 1));
        if (strstr(bl_buf_cstr(&got), text))
            return;
    }
    fail_msg("%s did not come", text);
}

TEST(events_are_not_held_back)
{
    stage s = { .peer.other = events };
    atomic_store(&step_go, 0);
    start(&s);
    int fd = dial(&s);
    say(fd, "POST /v1/chat/completions HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}");
    read_until(fd, "\r\n\r\n"); /* the head alone */
    atomic_store(&step_go, 1);
    read_until(fd, "data: 1\n\n");
    atomic_store(&step_go, 2);
    read_until(fd, "data: 2\n\n");
    read_until(fd, "0\r\n\r\n");
    close(fd);
    stop(&s);
}

TEST(the_verdict_can_be_asked_for)
{
    stage s = { 0 };
    start(&s);
    auto_reply r;
    ask(&s, "GET /.blind/verdict HTTP/1.1\r\n" HOST "\r\n", &r);
    assert_int_equal(200, r.status);
    CHECK(strstr(body_of(&r), "\"tee\""));
    assert_int_equal(0, atomic_load(&s.peer.requests));
    stop(&s);
}

/* Refusals.  --------------------------------------------------------------------------------- */

TEST(requests_of_web_pages_and_rebound_names_are_refused)
{
    static const struct {
        const char *head;
        int         status;
    } cases[] = {
        { "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200 },
        { "GET / HTTP/1.1\r\nHost: LOCALHOST:8080\r\n\r\n", 200 },
        { "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200 },
        { "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200 },
        { "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: none\r\n\r\n", 200 },
        { "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example:8080\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: :8080\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: \r\n\r\n", 403 },
        { "GET / HTTP/1.0\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: localhost:8080\r\nOrigin: http://localhost:8080\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403 },
        { "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-site\r\n\r\n", 403 },
        { "OPTIONS /v1/models HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a\r\n\r\n", 403 },
        { "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405 },
    };
    stage s = { 0 };
    int   forwarded = 0;
    start(&s);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        auto_reply r;
        ask(&s, cases[i].head, &r);
        if (r.status != cases[i].status)
            fail_msg("%s: %d", cases[i].head, r.status);
        forwarded += r.status == 200;
        CHECK(r.status == 200 || (r.closes && strstr(body_of(&r), "\"error\"")));
        CHECK(!strstr((char *)r.head.data, "access-control"));
    }
    assert_int_equal(forwarded, atomic_load(&s.peer.requests));
    stop(&s);
}

TEST(what_two_readers_could_understand_differently_is_refused)
{
    static const char *const cases[] = {
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n" HOST "\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        "GET / HTTP/1.1\n" HOST "\r\n",
        "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "Host: other\r\n\r\n",
        "GET http://elsewhere/ HTTP/1.1\r\n" HOST "\r\n",
        "CONNECT elsewhere:443 HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/2.0\r\n" HOST "\r\n",
        "\x16\x03\x01 TLS\r\n\r\n",
    };
    stage s = { 0 };
    start(&s);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        auto_reply r;
        int        fd = dial(&s);
        say(fd, cases[i]);
        hear(fd, false, &r);
        if (r.status < 400 || r.status > 505 || !r.closes)
            fail_msg("%s: %d", cases[i], r.status);
        CHECK(ended(fd));
        close(fd);
    }
    assert_int_equal(0, atomic_load(&s.peer.requests));
    /* A head without an end is bounded. */
    bl_auto_buf long_head = BL_BUF_EMPTY;
    bl_buf_add_str(&long_head, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 3000; i++)
        bl_buf_add_str(&long_head, "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    auto_reply r;
    ask(&s, bl_buf_cstr(&long_head), &r);
    assert_int_equal(431, r.status);
    stop(&s);
}

TEST(the_local_key_is_wanted_and_never_leaves)
{
    static const struct {
        const char *fields;
        int         status;
    } cases[] = {
        { "Authorization: Bearer local-key\r\n", 200 },
        { "authorization: bearer local-key\r\n", 200 },
        { "", 401 },
        { "Authorization: Bearer local-kez\r\n", 401 },
        { "Authorization: Bearer local-key2\r\n", 401 },
        { "Authorization: Bearer\r\n", 401 },
        { "Authorization: Basic local-key\r\n", 401 },
        { "Authorization: Bearer local-key\r\nAuthorization: Bearer local-key\r\n", 401 },
    };
    stage s = { 0 };
    start_with(&s, (bl_proxy_options){ .local_key = "local-key", .has_token = true });
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        auto_reply r;
        char       request[512];
        snprintf(request, sizeof request, "GET /v1/models HTTP/1.1\r\n" HOST "%s\r\n",
                 cases[i].fields);
        ask(&s, request, &r);
        if (r.status != cases[i].status && !(r.status == 400 && i == BL_LEN(cases) - 1))
            fail_msg("%s: %d", cases[i].fields, r.status);
    }
    assert_int_equal(2, atomic_load(&s.peer.requests));
    CHECK(!seen(&s, "local-ke") && seen(&s, "Bearer token-of-the-proxy"));
    stop(&s);
}

/* Servers that cannot prove it.  ------------------------------------------------------------- */

static bool hang_up(test_conn *c, const bl_http_head *head, blind_span body)
{
    test_hello(c, head, body);
    return false;
}

static bool no_enclave(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_answer(c, 404, "", BL_LITERAL("what?"));
    return true;
}

static bool nonsense(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_answer(c, 200, "Content-Type: " BL_AUTHENTICATOR_TYPE "\r\n", BL_LITERAL("nonsense"));
    return true;
}

/* Evidence of an attester that lies. */
static bool by_another(test_conn *c, const bl_http_head *head, blind_span body)
{
    bl_attester *own = c->peer->attester;
    c->peer->attester = c->peer->arg;
    bool done = test_attest_well(c, head, body);
    c->peer->attester = own;
    return done;
}

static bl_attester *liar(test_peer *p, unsigned lie)
{
    bl_attester        *made;
    blind_error         err = { .code = BLIND_OK };
    bl_attester_options options = { .tee = "sim",
                                    .key = p->identity.key,
                                    .certificate = bl_buf_span(&p->identity.cert),
                                    .log = &p->log,
                                    .tee_options.sim_lies = lie };
    CHECK_CODE(BLIND_OK, bl_attester_new(&options, &made, &err), err.message);
    return made;
}

TEST(a_server_that_proves_something_else_after_a_restart_gets_nothing)
{
    static const struct {
        const char  *name;
        test_answer *attest;
        unsigned     lie;
        const char  *says;
    } cases[] = {
        { "no enclave", no_enclave, 0, "attestation_error" },
        { "nonsense", nonsense, 0, "attestation_error" },
        { "other code", by_another, BL_SIM_LIE_MEASUREMENT, "attestation_error" },
        { "weaker isolation", by_another, BL_SIM_LIE_DEBUG, "attestation_error" },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        stage s = { .peer.other = hang_up };
        start(&s);
        auto_reply   good, bad, again;
        bl_attester *other = liar(&s.peer, cases[i].lie);
        ask(&s, "GET /v2 HTTP/1.1\r\n" HOST "\r\n", &good);
        assert_int_equal(200, good.status);
        usleep(50000); /* the end of the pooled connection arrives */
        s.peer.arg = other;
        s.peer.attest = cases[i].attest;
        ask(&s,
            "POST /v1/chat/completions HTTP/1.1\r\n" HOST
            "X-Canary: 1\r\nContent-Length: 6\r\n\r\ncanary",
            &bad);
        if (bad.status != 502 || !strstr(body_of(&bad), cases[i].says))
            fail_msg("%s: %d %s", cases[i].name, bad.status, body_of(&bad));
        CHECK(!seen(&s, "canary") && !seen(&s, "/v1/chat"));
        assert_int_equal(1, atomic_load(&s.peer.requests));
        CHECK(atomic_load(&s.notices) >= 1);
        s.peer.attest = NULL; /* it is itself again */
        ask(&s, "GET /v2 HTTP/1.1\r\n" HOST "\r\n", &again);
        assert_int_equal(200, again.status);
        stop(&s);
        bl_attester_free(other);
    }
}

static void *nothing(void *arg)
{
    return arg;
}

TEST(a_server_that_is_not_there_is_answered_for)
{
    stage s = { .peer.other = hang_up };
    start(&s);
    auto_reply good, bad;
    int        fd = dial(&s);
    say(fd, "GET /v2 HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, false, &good);
    shutdown(s.peer.listener, SHUT_RDWR);
    pthread_join(s.peer.thread, NULL);
    close(s.peer.listener);
    usleep(50000);
    say(fd, "POST /v1/x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
    hear(fd, false, &bad);
    assert_int_equal(502, bad.status);
    CHECK(strstr(body_of(&bad), "connection_error") && strstr(body_of(&bad), "NETWORK"));
    CHECK(!bad.closes); /* the local connection is as good as before */
    close(fd);
    s.peer.listener = socket(AF_INET, SOCK_STREAM, 0); /* for test_peer_stop() */
    CHECK(pthread_create(&s.peer.thread, NULL, nothing, NULL) == 0);
    bl_proxy_stop(s.proxy);
    pthread_join(s.thread, NULL);
    bl_proxy_close(s.proxy);
    blind_client_close(s.client);
    test_peer_stop(&s.peer);
}

static atomic_int asked;

static bool reattest_first(test_conn *c, const bl_http_head *head, blind_span body)
{
    if (atomic_fetch_add(&asked, 1) % 2 == 1)
        return echo(c, head, body);
    test_send_answer(c, 409, "Content-Type: application/json\r\n",
                     BL_LITERAL("{\"code\":\"reattest\"}"));
    return true;
}

TEST(a_server_that_wants_to_be_attested_again_is)
{
    stage s = { .peer.other = reattest_first };
    atomic_store(&asked, 0);
    start(&s);
    auto_reply r;
    ask(&s, "POST /v1/x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", &r);
    assert_int_equal(200, r.status);
    assert_string_equal("hi", body_of(&r));
    assert_int_equal(2, atomic_load(&s.peer.attestations));
    assert_int_equal(2, atomic_load(&s.peer.requests));
    stop(&s);
}

TEST(a_connection_that_ended_while_idle_is_replaced)
{
    stage s = { .peer.other = hang_up };
    start(&s);
    int fd = dial(&s);
    for (int i = 0; i < 3; i++) {
        auto_reply r;
        say(fd, "POST /v1/x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
        hear(fd, false, &r);
        assert_int_equal(200, r.status);
        usleep(50000);
    }
    close(fd);
    assert_int_equal(3, atomic_load(&s.peer.connections));
    assert_int_equal(3, atomic_load(&s.peer.attestations));
    stop(&s);
}

/* Ends.  ------------------------------------------------------------------------------------- */

static atomic_int left;

/* Answers nothing until the client is gone. */
static bool never(test_conn *c, const bl_http_head *head, blind_span body)
{
    char byte;
    (void)head, (void)body;
    atomic_fetch_add(&asked, 1);
    SSL_read(c->ssl, &byte, 1); /* the end */
    atomic_fetch_add(&left, 1);
    return false;
}

TEST(a_client_that_leaves_takes_its_request_with_it)
{
    stage s = { .peer.other = never };
    atomic_store(&asked, 0);
    atomic_store(&left, 0);
    start(&s);
    int fd = dial(&s);
    say(fd, "POST /v1/chat/completions HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}");
    CHECK(wait_for(&asked, 1));
    assert_int_equal(0, atomic_load(&left));
    close(fd);
    CHECK(wait_for(&left, 1)); /* the server is told */
    assert_int_equal(0, atomic_load(&s.notices));
    stop(&s);
}

static bool half(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)body;
    if (bl_span_equal(head->target, BL_LITERAL("/sized")))
        test_send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    else
        test_send_text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    return false;
}

TEST(half_an_answer_is_not_made_whole)
{
    stage s = { .peer.other = half };
    start(&s);
    auto_reply a, b;
    ask(&s, "GET /sized HTTP/1.1\r\n" HOST "\r\n", &a);
    CHECK(a.status == 200 && !a.whole);
    ask(&s, "GET /chunks HTTP/1.1\r\n" HOST "\r\n", &b);
    CHECK(b.status == 200 && !b.whole);
    stop(&s);
}

static bool much(test_conn *c, const bl_http_head *head, blind_span body)
{
    static uint8_t bytes[1 << 20];
    if (!bl_span_equal(head->target, BL_LITERAL("/much")))
        return test_hello(c, head, body);
    test_send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
    for (int i = 0; i < 64; i++)
        test_send(c, bl_span(bytes, sizeof bytes));
    return false;
}

TEST(a_client_that_reads_slowly_stalls_itself_alone_and_not_for_ever)
{
    stage s = { .peer.other = much };
    start_with(&s, (bl_proxy_options){ .stall_ms = 700 });
    auto_reply r;
    int        slow = dial(&s);
    say(slow, "GET /much HTTP/1.1\r\n" HOST "\r\n");
    usleep(200000);
    ask(&s, "GET /v2 HTTP/1.1\r\n" HOST "\r\n", &r);
    assert_int_equal(200, r.status);
    /* It is let go: what comes ends long before 64 MiB. */
    size_t got = 0;
    char   bytes[65536];
    usleep(1500000);
    for (ssize_t n; (n = recv(slow, bytes, sizeof bytes, 0)) > 0;)
        got += (size_t)n;
    CHECK(got < 64u << 20);
    close(slow);
    stop(&s);
}

static bool slowly(test_conn *c, const bl_http_head *head, blind_span body)
{
    atomic_fetch_add(&asked, 1);
    usleep(300000);
    return test_hello(c, head, body);
}

TEST(at_the_end_answers_under_way_are_given_and_idle_connections_closed)
{
    stage s = { .peer.other = slowly };
    atomic_store(&asked, 0);
    start(&s);
    auto_reply r, first;
    int        idle = dial(&s), busy = dial(&s);
    say(idle, "GET /v2 HTTP/1.1\r\n" HOST "\r\n");
    hear(idle, false, &first);
    say(busy, "GET /v2 HTTP/1.1\r\n" HOST "\r\n");
    CHECK(wait_for(&asked, 2));
    bl_proxy_stop(s.proxy);
    hear(busy, false, &r);
    assert_string_equal("hello", body_of(&r));
    CHECK(ended(idle) && ended(busy));
    close(idle);
    close(busy);
    stop(&s);
}

TEST(what_does_not_end_by_itself_is_ended)
{
    stage s = { .peer.other = never };
    atomic_store(&asked, 0);
    start_with(&s, (bl_proxy_options){ .drain_ms = 200 });
    int fd = dial(&s);
    say(fd, "GET /v2 HTTP/1.1\r\n" HOST "\r\n");
    CHECK(wait_for(&asked, 1));
    stop(&s); /* returns */
    CHECK(ended(fd));
    close(fd);
}

TEST(only_so_many_connections_are_taken)
{
    stage s = { 0 };
    int   fds[BL_MAX_PROXY_CONNECTIONS + 1];
    start(&s);
    for (size_t i = 0; i < BL_LEN(fds); i++)
        fds[i] = dial(&s);
    CHECK(ended(fds[BL_MAX_PROXY_CONNECTIONS]));
    auto_reply r;
    say(fds[3], "GET /v2 HTTP/1.1\r\n" HOST "\r\n");
    hear(fds[3], false, &r);
    assert_int_equal(200, r.status);
    for (size_t i = 0; i < BL_LEN(fds); i++)
        close(fds[i]);
    stop(&s);
}

TEST(where_it_listens_is_this_machine_unless_told)
{
    static const struct {
        const char *listen;
        bool        anywhere;
        blind_code  want;
    } cases[] = {
        { "127.0.0.1:0", false, BLIND_OK },
        { "localhost:0", false, BLIND_OK },
        { "127.0.0.2:0", false, BLIND_OK },
        { "0.0.0.0:0", false, BLIND_USAGE },
        { "0.0.0.0:0", true, BLIND_OK },
        { "[::]:0", false, BLIND_USAGE },
        { "name.example:0", true, BLIND_USAGE },
        { "127.0.0.1", false, BLIND_USAGE },
        { ":8080", false, BLIND_USAGE },
        { "127.0.0.1:x", false, BLIND_USAGE },
        { "127.0.0.1:123456", false, BLIND_USAGE },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_proxy        *p;
        bl_proxy_options options = { .listen = cases[i].listen, .anywhere = cases[i].anywhere };
        CHECK_CODE(cases[i].want, bl_proxy_open(&options, &p, NULL), cases[i].listen);
        CHECK((p != NULL) == (cases[i].want == BLIND_OK));
        bl_proxy_close(p);
    }
}

static int setup(void **state)
{
    (void)state;
    policy = test_policy();
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    blind_policy_free(policy);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(requests_of_one_connection_go_over_one_attested_connection),
        RUN(bodies_arrive_as_they_were_sent),
        RUN(a_client_that_waits_to_be_told_is_told_to_continue),
        RUN(large_bodies_are_passed_on_as_they_come),
        RUN(events_are_not_held_back),
        RUN(the_verdict_can_be_asked_for),
        RUN(requests_of_web_pages_and_rebound_names_are_refused),
        RUN(what_two_readers_could_understand_differently_is_refused),
        RUN(the_local_key_is_wanted_and_never_leaves),
        RUN(a_server_that_proves_something_else_after_a_restart_gets_nothing),
        RUN(a_server_that_is_not_there_is_answered_for),
        RUN(a_server_that_wants_to_be_attested_again_is),
        RUN(a_connection_that_ended_while_idle_is_replaced),
        RUN(a_client_that_leaves_takes_its_request_with_it),
        RUN(half_an_answer_is_not_made_whole),
        RUN(a_client_that_reads_slowly_stalls_itself_alone_and_not_for_ever),
        RUN(at_the_end_answers_under_way_are_given_and_idle_connections_closed),
        RUN(what_does_not_end_by_itself_is_ended),
        RUN(only_so_many_connections_are_taken),
        RUN(where_it_listens_is_this_machine_unless_told),
    };
    if (getenv("ONLY"))
        cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, setup, teardown);
}
