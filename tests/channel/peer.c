/* The server of the channel tests; blocking, a thread per connection. */
#include "tests/channel/peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>

static void ok(blind_code code, const blind_error *err)
{
    if (code != BLIND_OK)
        fail_msg("%s", err->message);
}

/* ---- answers ---- */

void test_send(test_conn *c, blind_span bytes)
{
    size_t put;
    for (; bytes.size; bytes.data += put, bytes.size -= put)
        if (SSL_write_ex(c->ssl, bytes.data, bytes.size, &put) != 1)
            return;
}

void test_send_text(test_conn *c, const char *text)
{
    test_send(c, bl_span_str(text));
}

void test_send_answer(test_conn *c, int status, const char *fields, blind_span body)
{
    bl_auto_buf out = BL_BUF_EMPTY;
    bl_buf_printf(&out, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n%s\r\n", status, "Answer",
                  body.size, fields);
    bl_buf_add(&out, body);
    test_send(c, bl_buf_span(&out));
}

bool test_evidence(test_conn *c, blind_span request, bl_buf *body)
{
    bl_attestation a, *one = &a;
    blind_error    err;
    if (bl_attester_prepare(c->peer->attester, c->ssl, &c->contexts, request, &a, &err))
        return false;
    bool done = bl_attester_answer(c->peer->attester, &one, 1, &err) == BLIND_OK;
    bl_buf_add(body, bl_buf_span(&a.response));
    bl_attestation_done(&a);
    return done;
}

bool test_attest_well(test_conn *c, const bl_http_head *head, blind_span request)
{
    bl_auto_buf body = BL_BUF_EMPTY;
    (void)head;
    if (!test_evidence(c, request, &body))
        test_send_answer(c, 400, "", (blind_span){ 0 });
    else
        test_send_answer(c, 200, "Content-Type: " BL_AUTHENTICATOR_TYPE "\r\n", bl_buf_span(&body));
    return true;
}

bool test_hello(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_answer(c, 200, "Content-Type: text/plain\r\n", BL_LITERAL("hello"));
    return true;
}

void test_send_challenge(test_conn *c)
{
    uint8_t     context[BL_CONTEXT_SIZE] = { 0xcc };
    bl_exporter exporter = bl_exporter_of(c->ssl);
    context[1] = (uint8_t)c->requests;
    assert_int_equal(BLIND_OK,
                     bl_challenge_make(&c->challenge, &exporter, &c->contexts, context, NULL));
    test_send_answer(c, 200, TEST_CHALLENGE, bl_buf_span(&c->challenge.request));
}

bool test_take_key(test_conn *c, const bl_http_head *head, blind_span body)
{
    if (!bl_span_equal(head->target, BL_LITERAL(BL_CLIENT_AUTHENTICATOR_PATH)))
        return test_hello(c, head, body);
    if (bl_span_equal(head->method, BL_LITERAL("GET")))
        test_send_challenge(c);
    else if (bl_challenge_answer(&c->challenge, body, c->key_id, NULL) == BLIND_OK)
        test_send_answer(c, 200, TEST_WELCOME, BL_LITERAL("{\"principal\":\"ann\"}"));
    else
        test_send_answer(c, 403, TEST_WELCOME, BL_LITERAL("{\"error\":\"not proved\"}"));
    return true;
}

/* ---- the server ---- */

static void note(test_peer *p, const bl_http_head *head)
{
    pthread_mutex_lock(&p->lock);
    bl_buf_printf(&p->seen, "%.*s %.*s\n", (int)head->method.size, (const char *)head->method.data,
                  (int)head->target.size, (const char *)head->target.data);
    for (size_t i = 0; i < head->field_count; i++)
        bl_buf_printf(&p->seen, "%.*s: %.*s\n", (int)head->fields[i].name.size,
                      (const char *)head->fields[i].name.data, (int)head->fields[i].value.size,
                      (const char *)head->fields[i].value.data);
    bl_buf_add_str(&p->seen, "\n");
    pthread_mutex_unlock(&p->lock);
}

static bool answer(test_conn *c, blind_span body)
{
    test_peer          *p = c->peer;
    const bl_http_head *head = &c->parser.head;
    bool                attest = bl_span_equal(head->target, BL_LITERAL(BL_AUTHENTICATOR_PATH));
    note(p, head);
    atomic_fetch_add(attest ? &p->attestations : &p->requests, 1);
    test_answer *with =
        attest ? (p->attest ? p->attest : test_attest_well) : (p->other ? p->other : test_hello);
    bool go_on = with(c, head, body);
    c->requests++;
    return go_on;
}

/* Reads requests until the client or an answer closes. */
static void serve(test_conn *c)
{
    static _Thread_local uint8_t bytes[65536];
    bl_auto_buf                  body = BL_BUF_EMPTY;
    size_t                       got;
    while (SSL_read_ex(c->ssl, bytes, sizeof bytes, &got) == 1) {
        atomic_fetch_add(&c->peer->application_bytes, (int)got);
        blind_span    input = bl_span(bytes, got), piece;
        bl_http_event event = BL_HTTP_HEAD;
        while (event != BL_HTTP_MORE) {
            size_t used;
            if (bl_http_parse(&c->parser, input, &used, &event, &piece, NULL))
                return;
            input = bl_span(input.data + used, input.size - used);
            if (event == BL_HTTP_BODY)
                bl_buf_add(&body, piece);
            bool other = event == BL_HTTP_HEAD && c->peer->early &&
                         !bl_span_equal(c->parser.head.target, BL_LITERAL(BL_AUTHENTICATOR_PATH));
            if (other && !c->peer->early(c, &c->parser.head, (blind_span){ 0 }))
                return;
            if (event == BL_HTTP_END) {
                if (!answer(c, bl_buf_span(&body)))
                    return;
                bl_buf_clear(&body);
                bl_http_parser_next(&c->parser);
            }
        }
    }
}

static void *run_conn(void *arg)
{
    test_conn *c = arg;
    if (c->peer->no_tls) {
        static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        (void)!write(c->fd, text, sizeof text - 1);
    } else if (SSL_accept(c->ssl) == 1) {
        serve(c);
        SSL_shutdown(c->ssl);
    }
    shutdown(c->fd, SHUT_WR);
    return NULL;
}

static void *run_listener(void *arg)
{
    test_peer *p = arg;
    sigset_t   pipe_signal; /* of this thread and those it starts: the client's must not need it */
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    for (int fd; (fd = accept(p->listener, NULL, NULL)) >= 0;) {
        int        yes = 1;
        test_conn *c = calloc(1, sizeof *c);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        c->peer = p;
        c->fd = fd;
        c->number = atomic_fetch_add(&p->connections, 1);
        c->ssl = bl_tls_server_session(p->tls);
        SSL_set_fd(c->ssl, fd);
        if (p->wants_certificate)
            SSL_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
        bl_http_parser_init(&c->parser, BL_HTTP_REQUEST, NULL);
        pthread_mutex_lock(&p->lock);
        p->conns[p->conn_count++] = c;
        pthread_mutex_unlock(&p->lock);
        pthread_create(&c->thread, NULL, run_conn, c);
    }
    return NULL;
}

static void listen_somewhere(test_peer *p)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof a;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(p->listener, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(listen(p->listener, 64) == 0);
    CHECK(getsockname(p->listener, (struct sockaddr *)&a, &size) == 0);
    p->port = ntohs(a.sin_port);
}

void test_peer_start(test_peer *p)
{
    blind_error err;
    test_identity_init(&p->identity, NULL, NULL, false);
    ok(bl_runtime_log_init(&p->log, &err), &err);
    bl_log_event event = { .type = BL_LOG_CONFIG };
    ok(bl_runtime_log_append(&p->log, &event, NULL, &err), &err);
    bl_attester_options options = { .tee = "sim",
                                    .key = p->identity.key,
                                    .certificate = bl_buf_span(&p->identity.cert),
                                    .log = &p->log,
                                    .tee_options.sim_lies = p->sim_lies };
    ok(bl_attester_new(&options, &p->attester, &err), &err);
    p->tls = test_tls_server(p->tls_key ? p->tls_key : &p->identity);
    pthread_mutex_init(&p->lock, NULL);
    listen_somewhere(p);
    pthread_create(&p->thread, NULL, run_listener, p);
}

void test_peer_stop(test_peer *p)
{
    shutdown(p->listener, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listener);
    for (int i = 0; i < p->conn_count; i++) {
        test_conn *c = p->conns[i];
        shutdown(c->fd, SHUT_RDWR);
        pthread_join(c->thread, NULL);
        SSL_free(c->ssl);
        close(c->fd);
        bl_http_parser_done(&c->parser);
        bl_contexts_done(&c->contexts);
        bl_challenge_done(&c->challenge);
        free(c);
    }
    bl_attester_free(p->attester);
    bl_runtime_log_done(&p->log);
    bl_tls_server_free(p->tls);
    test_identity_done(&p->identity);
    bl_buf_done(&p->seen);
    pthread_mutex_destroy(&p->lock);
}

/* ---- clients ---- */

blind_policy *test_policy(void)
{
    blind_policy_recipe recipe = { .tee = "sim", .binary = "/proc/self/exe", .server = "any" };
    bl_auto_free char  *text = NULL;
    blind_policy       *policy;
    blind_error         err;
    recipe.others = true;
    ok(blind_policy_create(&recipe, &text, &err), &err);
    ok(blind_policy_load_text(bl_span_str(text), &policy, &err), &err);
    return policy;
}

blind_dial_options test_dial_options(const test_peer *p, blind_policy *policy)
{
    return (blind_dial_options){ .host = "127.0.0.1",
                                 .port = p->port,
                                 .policy = policy,
                                 .simulation = true,
                                 .timeout_ms = 10000 };
}
