/* One local connection: requests one after another, each forwarded and answered.
 *
 *     HEAD --guard--> BODY, held up to a bound --> forwarded, answered as it comes --> HEAD
 *
 * A body within the bound can be sent again, on another connection or after a new attestation; of a
 * longer one the rest is read while it is forwarded. */
#include "client/ask.h"
#include "proxy/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { PIECE = 64 * 1024 };

/* Sockets.  ---------------------------------------------------------------------------------- */

bool bl_local_send(bl_local *l, blind_span bytes)
{
    while (bytes.size) {
        ssize_t n = send(l->fd, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            bytes = bl_span(bytes.data + n, bytes.size - (size_t)n);
            continue;
        }
        struct pollfd p = { .fd = l->fd, .events = POLLOUT };
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || errno != EAGAIN || poll(&p, 1, l->proxy->options.stall_ms) <= 0)
            return false;
    }
    return true;
}

/* Reads more of what the client sends; false when it has left, sends nothing for too long, or,
 * while it asks for nothing, when the proxy stops. */
static bool read_more(bl_local *l, bool idle)
{
    struct pollfd both[] = { { .fd = l->fd, .events = POLLIN },
                             { .fd = l->proxy->stop_read, .events = POLLIN } };
    if (l->at == l->in.size)
        l->in.size = l->at = 0;
    const bl_proxy_options *o = &l->proxy->options;
    int                     n = poll(both, idle ? 2 : 1, idle ? o->idle_ms : o->stall_ms);
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0 || !both[0].revents)
        return false;
    uint8_t *to = bl_buf_reserve(&l->in, PIECE);
    ssize_t  got = to ? recv(l->fd, to, PIECE, MSG_DONTWAIT) : 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return false;
    l->in.size += (size_t)got;
    return true;
}

/* The next event of the request; CLOSED when no more comes. */
static blind_code next_event(bl_local *l, bool idle, bl_http_event *event, blind_span *body,
                             blind_error *err)
{
    for (;;) {
        size_t used = 0;
        BL_TRY(bl_http_parse(&l->parser, bl_span(l->in.data + l->at, l->in.size - l->at), &used,
                             event, body, err));
        l->at += used;
        if (*event != BL_HTTP_MORE)
            return BLIND_OK;
        if (!read_more(l, idle && !bl_http_parser_busy(&l->parser)))
            return blind_fail(err, BLIND_CLOSED, "proxy.local", "the local client has left");
    }
}

/* Bodies.  ----------------------------------------------------------------------------------- */

typedef struct {
    bl_local  *l;
    bl_buf     held;  /* the body, or its beginning */
    size_t     given; /* of it, to body_read */
    blind_span rest;  /* of the last piece that was parsed */
} request_body;

/* The next piece behind what is held; empty at the end. */
static blind_code next_piece(request_body *b, blind_error *err)
{
    bl_http_event event = BL_HTTP_MORE;
    b->rest = (blind_span){ 0 };
    while (!b->l->ended && b->rest.size == 0) {
        blind_code code = next_event(b->l, false, &event, &b->rest, err);
        if (code == BLIND_CLOSED)
            b->l->broken = true;
        BL_TRY(code);
        b->l->ended = event == BL_HTTP_END;
        if (b->l->ended)
            b->rest = (blind_span){ 0 };
    }
    return BLIND_OK;
}

static blind_code hold(request_body *b, blind_error *err)
{
    while (!b->l->ended && b->held.size < BL_MAX_PROXY_HELD) {
        BL_TRY(next_piece(b, err));
        bl_buf_add(&b->held, b->rest);
        b->rest = (blind_span){ 0 };
    }
    return bl_buf_check(&b->held, "proxy.body", err);
}

static blind_code read_body(void *arg, void *to, size_t size, size_t *got, blind_error *err)
{
    request_body *b = arg;
    size_t        left = b->held.size - b->given;
    if (left) {
        *got = BL_MIN(left, size);
        memcpy(to, b->held.data + b->given, *got);
        b->given += *got;
        return BLIND_OK;
    }
    if (b->rest.size == 0)
        BL_TRY(next_piece(b, err));
    *got = BL_MIN(b->rest.size, size);
    if (*got)
        memcpy(to, b->rest.data, *got);
    b->rest = bl_span(b->rest.data + *got, b->rest.size - *got);
    return BLIND_OK;
}

/* Heads.  ------------------------------------------------------------------------------------ */

/* Source: RFC 9110, section 7.6.1; whatever Connection names goes, too. */
static bool is_forwarded(const bl_local *l, const char *text)
{
    static const char *const names[] = {
        "host",   "connection",    "keep-alive",        "proxy-connection", "proxy-authorization",
        "te",     "trailer",       "transfer-encoding", "content-length",   "upgrade",
        "expect", "http2-settings"
    };
    const bl_proxy_options *o = &l->proxy->options;
    for (size_t i = 0; i < BL_LEN(names); i++)
        if (strcmp(text, names[i]) == 0)
            return false;
    if (strncmp(text, "sec-fetch-", 10) == 0 ||
        bl_http_field_has(&l->parser.head, "connection", text))
        return false;
    return strcmp(text, "authorization") != 0 || (!o->local_key && !o->has_token);
}

static blind_code copy_headers(bl_local *l, bl_arena *arena, blind_request *r, blind_error *err)
{
    const bl_http_head *head = &l->parser.head;
    blind_header       *to = bl_arena_array(arena, head->field_count + 1, sizeof *to);
    for (size_t i = 0; to && i < head->field_count; i++) {
        char *name = bl_arena_copy(arena, head->fields[i].name);
        char *value = bl_arena_copy(arena, head->fields[i].value);
        if (!name || !value)
            return blind_fail(err, BLIND_MEMORY, "proxy.head", "out of memory");
        if (is_forwarded(l, name))
            to[r->header_count++] = (blind_header){ name, value };
    }
    r->headers = to;
    r->method = bl_arena_copy(arena, head->method);
    r->target = bl_arena_copy(arena, head->target);
    if (!to || !r->method || !r->target)
        return blind_fail(err, BLIND_MEMORY, "proxy.head", "out of memory");
    return BLIND_OK;
}

/* Inference computes and changes nothing: such a request may be sent twice. */
static bool may_be_repeated(const char *target)
{
    size_t      n = strcspn(target, "?");
    const char *infer = "/infer";
    size_t      m = strlen(infer);
    return strncmp(target, "/v1/", 4) == 0 || (n > m && memcmp(target + n - m, infer, m) == 0);
}

static void refuse(bl_local *l, int status, const char *why)
{
    l->closing = true; /* its body is not read */
    bl_answer_error(l, status, status == 401 ? "authentication_error" : "invalid_request_error",
                    status == 401 ? "invalid_api_key" : "refused", why);
}

/* Forwarding.  ------------------------------------------------------------------------------- */

static blind_code on_head(void *arg, int status, blind_error *err)
{
    bl_local *l = arg;
    (void)status;
    bl_answer_begin(l, bl_http_equal(l->parser.head.method, "HEAD"));
    const char *length = blind_response_header(l->answer, "content-length");
    /* A body that is sure to follow at once goes out with its head. */
    return length && strcmp(length, "0") != 0 ? BLIND_OK
                                              : bl_answer_body(l, (blind_span){ 0 }, err);
}

static blind_code on_body(void *arg, blind_span bytes, blind_error *err)
{
    return bl_answer_body(arg, bytes, err);
}

static void tell(const bl_local *l, blind_code code, const blind_error *err)
{
    const bl_proxy_options *o = &l->proxy->options;
    if (o->notice && code != BLIND_CANCELLED)
        o->notice(o->notice_arg, code, err->message);
}

static void forward(bl_local *l, blind_request *r, request_body *body)
{
    blind_error    err = { .code = BLIND_OK };
    blind_response answer = { 0 };
    l->answer = &answer;
    l->begun = l->chunked = false;
    r->on_head = on_head;
    r->on_body = on_body;
    r->on_arg = l;
    r->idempotent = may_be_repeated(r->target);
    if (l->ended) {
        r->body = bl_buf_span(&body->held);
    } else {
        r->body_read = read_body;
        r->body_arg = body;
        r->body_size = l->parser.head.has_length ? (int64_t)l->parser.head.length : -1;
    }
    blind_code code = bl_client_request_for(l->proxy->options.client, r, l->fd, &answer, &err);
    if (code == BLIND_OK)
        code = bl_answer_end(l, &err);
    blind_response_done(&answer);
    l->answer = NULL;
    if (code == BLIND_OK)
        return;
    tell(l, code, &err);
    l->closing |= !l->ended;
    if (code == BLIND_CANCELLED || l->begun || l->broken) /* cut off: half an answer is none */
        l->broken = true;
    else if (l->parser.refusal) /* the client's own fault */
        refuse(l, l->parser.refusal, err.message);
    else
        bl_answer_failure(l, code, &err);
}

/* The verdict under which requests go out now. */
static bool answer_here(bl_local *l)
{
    if (!bl_http_equal(l->parser.head.target, "/.blind/verdict") ||
        !bl_http_equal(l->parser.head.method, "GET"))
        return false;
    char *verdict = blind_client_verdict_json(l->proxy->options.client);
    bl_answer_json(l, 200, "", verdict ? bl_span_str(verdict) : BL_LITERAL("null"));
    free(verdict);
    return true;
}

/* Requests.  --------------------------------------------------------------------------------- */

static void take_request(bl_local *l)
{
    blind_error   err = { .code = BLIND_OK };
    bl_auto_arena arena = { .secret = true };
    request_body  body = { .l = l, .held = { .secret = true } };
    blind_request r = { 0 };
    const char   *why;
    int           status = bl_guard_check(&l->proxy->options, &l->parser.head, &why);
    l->closing |= !l->parser.head.keep_alive || atomic_load(&l->proxy->stopping);
    if (status) {
        refuse(l, status, why);
        return;
    }
    if (l->parser.head.expect_continue &&
        !bl_local_send(l, BL_LITERAL("HTTP/1.1 100 Continue\r\n\r\n"))) {
        l->broken = true;
        return;
    }
    blind_code code = copy_headers(l, &arena, &r, &err);
    if (code == BLIND_OK)
        code = hold(&body, &err);
    if (code != BLIND_OK && !l->broken)
        refuse(l, l->parser.refusal ? l->parser.refusal : 503, err.message);
    else if (code == BLIND_OK && !answer_here(l))
        forward(l, &r, &body);
    bl_buf_done(&body.held);
}

/* False when the connection is at its end. */
static bool serve_one(bl_local *l)
{
    blind_error   err = { .code = BLIND_OK };
    bl_http_event event;
    blind_span    body;
    blind_code    code = next_event(l, true, &event, &body, &err);
    if (code != BLIND_OK) {
        if (code != BLIND_CLOSED && l->parser.refusal)
            refuse(l, l->parser.refusal, err.message);
        return false;
    }
    l->ended = l->broken = false;
    take_request(l);
    if (l->broken || l->closing || !l->ended || atomic_load(&l->proxy->stopping))
        return false;
    bl_http_parser_next(&l->parser);
    return true;
}

void bl_local_serve(bl_local *l)
{
    bl_http_limits limits = { .body_max = BL_MAX_PROXY_BODY };
    bl_http_parser_init(&l->parser, BL_HTTP_REQUEST, &limits);
    l->in.secret = l->out.secret = true;
    while (serve_one(l))
        continue;
    bl_http_parser_done(&l->parser);
    bl_buf_done(&l->in);
    bl_buf_done(&l->out);
}
