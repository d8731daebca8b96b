/* The harness: see its header. */
#include "tests/server/harness.h"

#include "blind/stream.h"

#include "crypto/random.h"
#include "tls/carriage.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static const bl_setting *setting(const char *flag)
{
    for (size_t i = 0; i < bl_setting_count; i++)
        if (strcmp(bl_settings[i].flag, flag) == 0)
            return &bl_settings[i];
    fail_msg("no setting %s", flag);
    return NULL;
}

static void set(bl_config *config, const char *flag, const char *value)
{
    blind_error err;
    if (bl_config_set(config, setting(flag), value, &err) != BLIND_OK)
        fail_msg("%s", err.message);
}

static void *run(void *arg)
{
    test_server *t = arg;
    CHECK_CODE(BLIND_OK, bl_server_run(t->server, NULL), "run");
    return NULL;
}

void test_server_start(test_server *t, const char *const *settings)
{
    blind_error err = { 0 };
    *t = (test_server){ 0 };
    snprintf(t->dir, sizeof t->dir, "/tmp/blind-server-XXXXXX");
    CHECK(mkdtemp(t->dir));
    CHECK(bl_config_init(&t->config, &err) == BLIND_OK);
    set(&t->config, "tee", "sim");
    set(&t->config, "listen", "127.0.0.1:0");
    set(&t->config, "helper-listen", "127.0.0.1:0");
    set(&t->config, "metrics-listen", "127.0.0.1:0");
    set(&t->config, "state-dir", t->dir);
    set(&t->config, "threads", "1");
    for (; settings && *settings; settings += 2)
        set(&t->config, settings[0], settings[1]);
    if (bl_config_check(&t->config, &err) != BLIND_OK ||
        bl_server_new(&t->config, &t->server, &err) != BLIND_OK)
        fail_msg("%s", err.message);
    CHECK(pthread_create(&t->thread, NULL, run, t) == 0);
    while (!atomic_load(&t->server->ready))
        poll(NULL, 0, 1);
}

uint64_t test_server_stop(test_server *t)
{
    char     command[128];
    uint64_t began = bl_clock_ns();
    bl_server_stop(t->server);
    pthread_join(t->thread, NULL);
    bl_server_free(t->server);
    bl_config_done(&t->config);
    snprintf(command, sizeof command, "rm -rf '%s'", t->dir);
    CHECK(system(command) == 0);
    return (bl_clock_ns() - began) / 1000000;
}

/* ---- peers ---- */

static bool wait_for(const test_peer *p, int wants, int timeout_ms)
{
    struct pollfd fd = { p->fd, 0, 0 };
    fd.events = (short)((wants & BLIND_WANTS_READ ? POLLIN : 0) |
                        (wants & BLIND_WANTS_WRITE ? POLLOUT : 0));
    return poll(&fd, 1, timeout_ms) > 0;
}

void test_peer_open(test_peer *p, uint16_t port)
{
    bl_tls_client_options options = { .rule = BLIND_SERVER_ANY };
    struct sockaddr_in    to = { .sin_family = AF_INET, .sin_port = htons(port) };
    blind_error           err = { 0 };
    int                   wants;
    *p = (test_peer){ 0 };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGPIPE, SIG_IGN);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(p->fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(bl_tls_client_new(&options, &p->client, &err) == BLIND_OK);
    evutil_make_socket_nonblocking(p->fd);
    p->ssl = bl_tls_client_session(p->client, p->fd);
    CHECK(p->ssl);
    blind_code code;
    while ((code = bl_tls_handshake(p->ssl, &wants, &err)) == BLIND_AGAIN)
        CHECK(wait_for(p, wants, 10000));
    if (code != BLIND_OK)
        fail_msg("handshake: %s", err.message);
}

void test_peer_close(test_peer *p)
{
    bl_tls_close(p->ssl);
    bl_tls_client_free(p->client);
    close(p->fd);
    bl_buf_done(&p->in);
}

bool test_peer_send(test_peer *p, blind_span bytes)
{
    while (bytes.size > 0) {
        size_t     put = 0;
        int        wants;
        blind_code code = bl_tls_write(p->ssl, bytes.data, bytes.size, &put, &wants, NULL);
        if (code != BLIND_OK && code != BLIND_AGAIN)
            return false;
        bytes = bl_span(bytes.data + put, bytes.size - put);
        if (code == BLIND_AGAIN)
            CHECK(wait_for(p, wants, 20000));
    }
    return true;
}

void test_peer_printf(test_peer *p, const char *format, ...)
{
    char    text[8192];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK(test_peer_send(p, bl_span(text, (size_t)n)));
}

/* False at the end of the stream. */
static bool receive(test_peer *p, int timeout_ms)
{
    uint8_t bytes[16384];
    size_t  got;
    int     wants;
    for (;;) {
        blind_code code = bl_tls_read(p->ssl, bytes, sizeof bytes, &got, &wants, NULL);
        if (code == BLIND_OK) {
            bl_buf_add(&p->in, bl_span(bytes, got));
            return true;
        }
        if (code != BLIND_AGAIN || !wait_for(p, wants, timeout_ms))
            return false;
    }
}

static void read_code(test_answer *out)
{
    json_t *root = json_loadb((const char *)out->body.data, out->body.size, 0, NULL);
    json_t *code = json_object_get(root, "code");
    if (json_is_string(code))
        snprintf(out->code, sizeof out->code, "%s", json_string_value(code));
    json_decref(root);
}

static void read_field(const bl_http_head *head, const char *name, char *out, size_t size)
{
    blind_span value = bl_http_field_get(head, name);
    if (value.size)
        snprintf(out, size, "%.*s", (int)value.size, (const char *)value.data);
}

static void read_head(const bl_http_head *head, test_answer *out)
{
    uint64_t n;
    out->status = head->status;
    out->closes = bl_http_field_has(head, "connection", "close");
    if (bl_http_number(bl_http_field_get(head, "inference-header-content-length"), &n))
        out->json_size = (int64_t)n;
    read_field(head, "content-type", out->type, sizeof out->type);
    read_field(head, "etag", out->tag, sizeof out->tag);
    read_field(head, "tcb-info-issuer-chain", out->chain, sizeof out->chain);
}

void test_peer_read(test_peer *p, test_answer *out)
{
    bl_http_parser parser;
    bl_http_event  event = BL_HTTP_MORE;
    *out = (test_answer){ .json_size = -1 };
    bl_http_parser_init(&parser, BL_HTTP_RESPONSE, NULL);
    while (event != BL_HTTP_END) {
        size_t     used;
        blind_span body;
        CHECK(bl_http_parse(&parser, bl_buf_span(&p->in), &used, &event, &body, NULL) == BLIND_OK);
        if (event == BL_HTTP_HEAD)
            read_head(&parser.head, out);
        if (event == BL_HTTP_BODY)
            bl_buf_add(&out->body, body);
        bl_buf_consume(&p->in, used);
        if (event == BL_HTTP_MORE && !receive(p, 30000)) {
            out->status = 0;
            break;
        }
    }
    bl_http_parser_done(&parser);
    if (getenv("TEST_TRACE"))
        print_message("%d %.*s\n", out->status, (int)BL_MIN(out->body.size, 200),
                      out->body.size ? (char *)out->body.data : "");
    if (out->body.size && out->body.data[0] == '{')
        read_code(out);
}

bool test_peer_closed(test_peer *p, int timeout_ms)
{
    uint64_t until = bl_clock_ns() + (uint64_t)timeout_ms * 1000000;
    while (bl_clock_ns() < until) {
        uint8_t    bytes[4096];
        size_t     got;
        int        wants;
        blind_code code = bl_tls_read(p->ssl, bytes, sizeof bytes, &got, &wants, NULL);
        if (code != BLIND_OK && code != BLIND_AGAIN)
            return true;
        if (code == BLIND_AGAIN)
            wait_for(p, wants, 20);
    }
    return false;
}

void test_attest_request(bl_buf *out)
{
    uint8_t     context[BL_CONTEXT_SIZE];
    bl_auto_buf message = BL_BUF_EMPTY;
    CHECK(bl_random(context, sizeof context, NULL) == BLIND_OK);
    bl_authenticator_request_write(&message, context);
    bl_http_write_request(out, "POST", BL_AUTHENTICATOR_PATH, "localhost");
    bl_http_write_field(out, "Content-Type", BL_AUTHENTICATOR_REQUEST_TYPE);
    bl_http_write_number(out, "Content-Length", message.size);
    bl_http_write_end(out);
    bl_buf_add(out, bl_buf_span(&message));
}

int test_peer_attest(test_peer *p)
{
    bl_auto_buf      request = BL_BUF_EMPTY;
    test_auto_answer answer = { 0 };
    test_attest_request(&request);
    if (!test_peer_send(p, bl_buf_span(&request)))
        return 0;
    test_peer_read(p, &answer);
    return answer.status;
}

void test_peer_ready(test_peer *p, const test_server *t)
{
    test_peer_open(p, bl_server_port(t->server, BL_ON_ATTESTED));
    CHECK(test_peer_attest(p) == 200);
}

void test_ask(test_peer *p, const char *line, const char *fields, blind_span body, test_answer *out)
{
    test_peer_printf(p, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n%s\r\n", line,
                     body.size, fields);
    test_peer_send(p, body);
    test_peer_read(p, out);
}

void test_answer_done(test_answer *a)
{
    bl_buf_done(&a->body);
}
