/* The states of a connection, driven by its wire on its loop's thread. */
#include "server/conn.h"

#include "server/internal.h"

#include <event2/event.h>
#include <stdlib.h>

enum {
    TURN = 1024 * 1024,        /* bytes read before others have their turn */
    DISCARD_MAX = 1024 * 1024, /* of a refused body, read over to keep the connection */
    LINGER_S = 2,
    JOIN = 8 * 1024,   /* a body up to this goes into one buffer with its head */
    MIN_RATE = 512,    /* bytes a second of a body, after its first body_s */
    AHEAD = 64 * 1024, /* of a reply in pieces: what may wait for the client */
};

static void arm(bl_conn *c, int64_t seconds)
{
    struct timeval tv = { .tv_sec = seconds };
    event_add(c->timer, &tv);
}

static bl_server_loop *home(bl_conn *c)
{
    for (int i = 0; i < c->server->loop_count; i++)
        if (c->server->loops[i].loop == c->loop)
            return &c->server->loops[i];
    return NULL;
}

/* ---- beginning and end ---- */

static void end_exchange(bl_conn *c)
{
    bl_exchange *e = c->exchange;
    if (!e)
        return;
    if (c->pending)
        bl_pending_give(c->server, c->peer);
    c->pending = false;
    c->exchange = NULL;
    e->conn = NULL;
    e->head = NULL;
    if ((!e->replied || e->streams) && e->route && e->route->gone)
        e->route->gone(e);
    bl_reply_end(e); /* cut off: it is counted and logged */
    bl_exchange_release(e);
}

void bl_conn_attested(bl_conn *c, uint64_t log_len)
{
    if (c->unattested)
        atomic_fetch_sub(&c->server->unattested[c->peer], 1);
    c->unattested = false;
    c->attested = true;
    c->attested_len = log_len;
}

void bl_conn_free(bl_conn *c)
{
    end_exchange(c);
    if (c->unattested)
        atomic_fetch_sub(&c->server->unattested[c->peer], 1);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    event_free(c->timer);
    bl_wire_free(c->wire);
    bl_http_parser_done(&c->parser);
    bl_contexts_done(&c->contexts);
    bl_challenge_done(&c->challenge);
    atomic_fetch_sub(&c->server->counters.open, 1);
    if (c->where == BL_ON_ATTESTED)
        atomic_fetch_sub(&c->server->counters.open_attested, 1);
    free(c);
}

void bl_conn_drain(bl_conn *c)
{
    bool idle = c->state == BL_CONN_HEAD && !bl_http_parser_busy(&c->parser);
    if (c->state == BL_CONN_HANDSHAKE || idle)
        bl_conn_free(c);
    else
        c->close_after = true;
}

/* ---- replies ---- */

/* What is left of a refused body: small enough to read over? */
static bool can_discard(const bl_conn *c)
{
    const bl_http_head *head = &c->parser.head;
    if (head->expect_continue || head->chunked)
        return false;
    return !head->has_length || head->length - c->parser.body <= DISCARD_MAX;
}

static bool send_buf(bl_conn *c, bl_buf *buf)
{
    size_t size;
    if (!bl_buf_ok(buf)) {
        bl_buf_done(buf);
        return false;
    }
    uint8_t *bytes = bl_buf_take(buf, &size);
    return bl_wire_send(c->wire, bytes, size);
}

void bl_conn_send(bl_conn *c, bl_buf *head, bl_buf *body)
{
    bool unread = c->state != BL_CONN_WAIT;
    bool close = c->close_after || !c->parser.head.keep_alive ||
                 atomic_load(&c->server->draining) || (unread && !can_discard(c));
    c->close_after = close;
    c->body_unread = unread;
    if (close)
        bl_buf_add_str(head, "Connection: close\r\n");
    bl_http_write_end(head);
    if (body->size <= JOIN) { /* one record, one packet */
        bl_buf_add(head, bl_buf_span(body));
        bl_buf_clear(body);
    }
    bool sent = send_buf(c, head) && send_buf(c, body);
    bl_buf_done(body);
    c->state = BL_CONN_SENDING;
    if (!sent) /* nothing can be said: the timer closes */
        arm(c, 0);
    else
        arm(c, c->server->config->send_s);
}

/* ---- replies in pieces ---- */

static void cut_off(bl_conn *c)
{
    c->close_after = true;
    c->body_unread = false;
    c->state = BL_CONN_SENDING;
    arm(c, 0);
}

/* A handler streams once it has the whole body.  HTTP/1.0 knows no chunks. */
void bl_conn_stream(bl_conn *c, bl_buf *head)
{
    c->chunked = c->parser.head.minor >= 1;
    c->body_unread = false;
    c->close_after = c->close_after || !c->chunked || !c->parser.head.keep_alive ||
                     atomic_load(&c->server->draining);
    if (c->chunked)
        bl_http_write_field(head, "Transfer-Encoding", "chunked");
    if (c->close_after)
        bl_buf_add_str(head, "Connection: close\r\n");
    bl_http_write_end(head);
    c->state = BL_CONN_STREAM;
    arm(c, c->server->config->send_s);
    if (!send_buf(c, head))
        cut_off(c);
}

/* The client has send_s for what waits, as for a whole answer; with nothing waiting, it has time.
 */
void bl_conn_piece(bl_conn *c, bl_buf *bytes)
{
    bl_buf chunk = { .secret = true };
    if (c->state != BL_CONN_STREAM || bytes->size == 0)
        return;
    bool idle = !bl_wire_sending(c->wire);
    if (c->chunked && bl_buf_ok(bytes)) {
        bl_buf_reserve(&chunk, bytes->size + 32);
        bl_http_write_chunk(&chunk, bl_buf_span(bytes));
    }
    if (idle)
        arm(c, c->server->config->send_s);
    if (!send_buf(c, c->chunked && bl_buf_ok(bytes) ? &chunk : bytes))
        cut_off(c);
}

bool bl_conn_full(const bl_conn *c)
{
    return bl_wire_queued(c->wire) >= AHEAD;
}

void bl_conn_stream_end(bl_conn *c)
{
    bl_buf last = BL_BUF_EMPTY;
    if (c->state != BL_CONN_STREAM)
        return;
    c->state = BL_CONN_SENDING;
    arm(c, c->server->config->send_s);
    if (!c->chunked) { /* the close says it, which comes when all has left */
        if (!bl_wire_sending(c->wire))
            cut_off(c);
        return;
    }
    bl_http_write_last_chunk(&last);
    if (!send_buf(c, &last))
        cut_off(c);
}

/* Something of the reply has left. */
static void stream_on(bl_conn *c)
{
    if (!bl_wire_sending(c->wire))
        event_del(c->timer);
    if (c->exchange->room)
        c->exchange->room(c->exchange);
}

static void next_request(bl_conn *c)
{
    end_exchange(c);
    bl_http_parser_next(&c->parser);
    c->parser.limits.body_max = 0; /* until the next route is known */
    c->state = BL_CONN_HEAD;
    arm(c, c->server->config->idle_s);
}

/* The reply has left. */
static void on_sent(void *arg)
{
    bl_conn *c = arg;
    if (c->state == BL_CONN_STREAM)
        stream_on(c);
    if (c->state != BL_CONN_SENDING || bl_wire_sending(c->wire))
        return;
    if (c->close_after && !c->body_unread) {
        bl_conn_free(c);
        return;
    }
    if (c->close_after) {
        c->state = BL_CONN_LINGER;
        end_exchange(c);
        arm(c, LINGER_S);
    } else if (c->body_unread) {
        c->state = BL_CONN_DISCARD;
        arm(c, c->server->config->body_s);
    } else {
        next_request(c);
    }
    bl_conn_go(c);
}

/* ---- requests ---- */

/* The parser refused: nothing after this can be understood. */
static void refuse_message(bl_conn *c, const blind_error *err)
{
    bl_buf head = BL_BUF_EMPTY, body = BL_BUF_EMPTY;
    int    status = c->parser.refusal ? c->parser.refusal : 400;
    c->close_after = true;
    if (c->exchange && c->exchange->replied) {
        c->state = BL_CONN_LINGER; /* the timer closes */
        arm(c, 0);
        return;
    }
    end_exchange(c);
    bl_buf_printf(&body, "{\"error\":\"%s\",\"code\":\"%s\"}", err->message,
                  blind_code_name(err->code));
    bl_http_write_status(&head, status);
    bl_buf_add_str(&head, "Server: blind\r\nContent-Type: application/json\r\n");
    bl_http_write_number(&head, "Content-Length", body.size);
    c->state = BL_CONN_BODY;
    atomic_fetch_add(&c->server->counters.requests[4], 1);
    bl_conn_send(c, &head, &body);
}

/* Before the body is read: the body that names a language model is told to no other that came since
 * either. */
static blind_code check_changes(bl_conn *c, const bl_exchange *e, blind_error *err)
{
    bl_registry *registry = c->server->registry;
    bool         named = e->params.model[0] != 0;
    uint64_t     last = named ? bl_registry_last_change(registry, e->params.model)
                              : bl_registry_last_language_change(registry);
    if (last <= c->attested_len)
        return BLIND_OK;
    if (!named)
        return blind_fail(err, BLIND_REATTEST, "server.reattest",
                          "a language model changed after this session was attested");
    return blind_fail(err, BLIND_REATTEST, "server.reattest",
                      "model '%s' changed after this session was attested", e->params.model);
}

/* The fence: what a connection without a verdict, or with an old one, may not ask. */
static blind_code check_fence(bl_conn *c, bl_exchange *e, blind_error *err)
{
    const bl_route *route = e->route;
    if (c->where != BL_ON_ATTESTED || !route->fenced)
        return BLIND_OK;
    if (!c->attested) {
        atomic_fetch_add(&c->server->counters.fenced, 1);
        return blind_fail(err, BLIND_EVIDENCE, "server.attest",
                          "attest first: POST %s as the first request of a connection",
                          BL_AUTHENTICATOR_PATH);
    }
    return route->resolves ? check_changes(c, e, err) : BLIND_OK;
}

/* A request's token says who asks; without one the connection's key does, as long as it is known.
 */
static blind_code find_principal(bl_conn *c, bl_exchange *e, blind_error *err)
{
    blind_span value = bl_http_field_get(e->head, "authorization");
    blind_span token = { 0 };
    if (bl_http_field_count(e->head, "authorization") > 1)
        return blind_fail(err, BLIND_DENIED, "server.token", "more than one Authorization");
    if (value.size > 7 && bl_http_equal(bl_span(value.data, 7), "bearer "))
        token = bl_span(value.data + 7, value.size - 7);
    else if (value.size > 0)
        return blind_fail(err, BLIND_DENIED, "server.token", "expected a bearer token");
    if (token.size == 0 && c->has_key)
        return bl_principals_find_key(c->server->principals, c->key_id, &e->principal, err);
    blind_code code = bl_principals_find(c->server->principals, token, c->id, &e->principal, err);
    if (code == BLIND_DENIED && err)
        err->stage = "server.token";
    return code;
}

static blind_code check_body(bl_conn *c, const bl_route *route, blind_error *err)
{
    const bl_http_head *head = &c->parser.head;
    const bl_config    *config = c->server->config;
    const uint64_t      max[] = { [BL_BODY_NONE] = 1,
                                  [BL_BODY_SMALL] = UINT64_C(64) * 1024,
                                  [BL_BODY_INPUT] = (uint64_t)config->max_body,
                                  [BL_BODY_MODEL] = (uint64_t)config->max_model_size };
    c->parser.limits.body_max = max[route->body];
    if (route->body == BL_BODY_NONE && (head->chunked || head->length > 0))
        return blind_fail(err, BLIND_INPUT, "server.body", "this request takes no body");
    if (head->has_length && head->length > max[route->body])
        return blind_fail(err, BLIND_LIMIT, "server.body",
                          route->body == BL_BODY_MODEL
                              ? "Model is too big: %llu bytes, at most %llu"
                              : "Input too big: %llu bytes, at most %llu",
                          (unsigned long long)head->length, (unsigned long long)max[route->body]);
    return BLIND_OK;
}

/* All that can be said before the body is read. */
static blind_code admit(bl_conn *c, bl_exchange *e, blind_error *err)
{
    blind_span path, query;
    bl_http_target_split(e->head->target, &path, &query);
    blind_code code = bl_route_find(c->where, e->head->method, path, &e->route, &e->params, err);
    if (code != BLIND_OK && c->where == BL_ON_ATTESTED && !c->attested) {
        static const bl_route nowhere = { .fenced = true };
        e->route = &nowhere; /* which paths there are is told after the attestation */
    } else {
        BL_TRY(code);
    }
    BL_TRY(check_fence(c, e, err));
    if (atomic_load(&c->server->draining) && e->route->where == BL_ON_ATTESTED)
        return blind_fail(err, BLIND_CLOSED, "server.drain", "the server is shutting down");
    BL_TRY(check_body(c, e->route, err));
    if (e->params.version[0] && strcmp(e->params.version, "1") != 0)
        return blind_fail(err, BLIND_NOT_FOUND, "server.version", "models have one version, \"1\"");
    if (c->where == BL_ON_ATTESTED && e->route->fenced) {
        BL_TRY(find_principal(c, e, err));
        if (e->route->right)
            BL_TRY(bl_principals_may(c->server->principals, &e->principal,
                                     (bl_right)e->route->right, err));
    }
    return e->route->begin ? e->route->begin(e, err) : BLIND_OK;
}

static bl_exchange *new_exchange(bl_conn *c)
{
    bl_exchange *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->conn = c;
    e->server = c->server;
    e->loop = c->loop;
    e->head = &c->parser.head;
    e->id = atomic_fetch_add(&c->server->next_id, 1) + 1;
    e->attested_len = c->attested_len;
    e->head_only = bl_span_equal(e->head->method, BL_LITERAL("HEAD"));
    e->started_ns = bl_clock_ns();
    e->body.secret = true;
    atomic_init(&e->refs, 1);
    return e;
}

static void on_head(bl_conn *c)
{
    blind_error err = { 0 };
    c->requests++;
    c->state = BL_CONN_BODY;
    c->body_began_ns = bl_clock_ns();
    c->exchange = new_exchange(c);
    if (!c->exchange) {
        c->parser.refusal = 503;
        (void)blind_fail(&err, BLIND_MEMORY, "server", "out of memory");
        refuse_message(c, &err);
        return;
    }
    if (admit(c, c->exchange, &err) != BLIND_OK) {
        bl_reply_error(c->exchange, &err);
        return;
    }
    if (c->state == BL_CONN_BODY && c->parser.head.expect_continue) {
        bl_buf go_on = BL_BUF_EMPTY;
        bl_buf_add_str(&go_on, "HTTP/1.1 100 Continue\r\n\r\n");
        (void)send_buf(c, &go_on); /* unsaid, the peer sends after a while all the same */
        c->parser.head.expect_continue = false; /* from here the body comes for sure */
    }
    arm(c, c->server->config->body_s);
}

/* Slow on purpose, or on a line too bad to hold memory for. */
static bool too_slow(const bl_conn *c)
{
    uint64_t seconds = (bl_clock_ns() - c->body_began_ns) / 1000000000u;
    return seconds > (uint64_t)c->server->config->body_s && c->parser.body < seconds * MIN_RATE;
}

static blind_code take_piece(bl_conn *c, blind_span bytes, blind_error *err)
{
    bl_exchange *e = c->exchange;
    if (too_slow(c))
        return blind_fail(err, BLIND_TIMEOUT, "server.slow", "the body comes too slowly");
    e->body_in += bytes.size;
    if (e->route->piece)
        return e->route->piece(e, bytes, err);
    if (e->body.data && bytes.data == e->body.data + e->body.size) /* read to its place */
        e->body.size += bytes.size;
    else
        bl_buf_add(&e->body, bytes);
    return bl_buf_check(&e->body, "server.body", err);
}

static void on_body(bl_conn *c, blind_span bytes)
{
    blind_error err = { 0 };
    if (c->state != BL_CONN_BODY)
        return;
    arm(c, c->server->config->body_s);
    if (take_piece(c, bytes, &err) != BLIND_OK)
        bl_reply_error(c->exchange, &err);
}

static void on_end(bl_conn *c)
{
    blind_error  err = { 0 };
    bl_exchange *e = c->exchange;
    if (c->state == BL_CONN_DISCARD) {
        next_request(c);
        return;
    }
    c->state = BL_CONN_WAIT;
    event_del(c->timer);
    if (e->route->finish(e, &err) != BLIND_OK)
        bl_reply_error(e, &err);
}

static bool takes(const bl_conn *c)
{
    return c->state == BL_CONN_HEAD || c->state == BL_CONN_BODY || c->state == BL_CONN_DISCARD;
}

/* Nothing may come behind an authenticator's request before its answer (CHANNEL, "Carriage"). */
static void check_pipelining(bl_conn *c)
{
    blind_error err = { 0 };
    if (c->state != BL_CONN_WAIT || c->exchange->replied ||
        c->exchange->route->finish != bl_api_attest || !bl_wire_behind(c->wire))
        return;
    c->close_after = true;
    (void)blind_fail(&err, BLIND_DENIED, "server.fence",
                     "bytes behind the request for evidence, before its answer");
    bl_reply_error(c->exchange, &err);
}

/* Whether the body has a place of its own, with room for all that is still to come. */
static bool has_place(const bl_conn *c)
{
    const bl_exchange *e = c->exchange;
    uint64_t           left = bl_http_parser_left(&c->parser);
    return c->state == BL_CONN_BODY && left > 0 && !e->route->piece &&
           left <= e->body.capacity - e->body.size && bl_wire_window(c->wire).size == 0;
}

static blind_span read_to_its_place(bl_conn *c)
{
    bl_buf  *body = &c->exchange->body;
    uint8_t *to = body->data + body->size;
    size_t   most = (size_t)BL_MIN(bl_http_parser_left(&c->parser), (uint64_t)TURN);
    return bl_span(to, bl_wire_read(c->wire, to, most));
}

/* One event of the parser; false when there is nothing more to do now. */
static bool step(bl_conn *c, size_t *turn)
{
    bool          in_place = has_place(c);
    blind_span    bytes = in_place ? read_to_its_place(c) : bl_wire_window(c->wire), body;
    size_t        used;
    bl_http_event event;
    blind_error   err = { 0 };
    bool          was_busy = bl_http_parser_busy(&c->parser);
    if (bl_http_parse(&c->parser, bytes, &used, &event, &body, &err) != BLIND_OK) {
        refuse_message(c, &err);
        return false;
    }
    if (c->state == BL_CONN_HEAD && !was_busy && bytes.size > 0)
        arm(c, c->server->config->head_s);
    if (event == BL_HTTP_HEAD)
        on_head(c);
    else if (event == BL_HTTP_BODY)
        on_body(c, body);
    else if (event == BL_HTTP_END)
        on_end(c);
    if (!in_place)
        bl_wire_take(c->wire, used);
    *turn += used;
    if (event != BL_HTTP_MORE || bl_wire_window(c->wire).size > 0)
        return true;
    return !in_place && bl_wire_fill(c->wire);
}

void bl_conn_go(bl_conn *c)
{
    size_t turn = 0;
    if (c->reading) /* a handler goes on by itself: the loop below sees it */
        return;
    c->reading = true;
    while (takes(c) && turn < TURN && step(c, &turn))
        ;
    c->reading = false;
    if (takes(c) && turn >= TURN)
        bl_wire_again(c->wire);
    check_pipelining(c);
    if (c->state == BL_CONN_LINGER)
        bl_wire_take(c->wire, bl_wire_window(c->wire).size);
}

/* Out of turn, bytes wait in the window, and a peer that leaves is noticed. */
static void on_readable(void *arg)
{
    bl_conn *c = arg;
    if (!takes(c))
        bl_wire_fill(c->wire);
    bl_conn_go(c);
}

/* ---- events ---- */

static void on_open(void *arg)
{
    bl_conn *c = arg;
    c->state = BL_CONN_HEAD;
    arm(c, c->server->config->head_s);
    bl_conn_go(c); /* the request may have come with the end of the handshake */
}

static void on_ended(void *arg)
{
    bl_conn_free(arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    bl_conn    *c = arg;
    blind_error err = { 0 };
    (void)fd;
    (void)what;
    bool head = c->state == BL_CONN_HEAD && bl_http_parser_busy(&c->parser);
    if (!head && c->state != BL_CONN_BODY) {
        bl_conn_free(c);
        return;
    }
    (void)blind_fail(&err, BLIND_TIMEOUT, "server.slow", "the request did not come in time");
    c->close_after = true;
    if (c->exchange) {
        bl_reply_error(c->exchange, &err);
    } else {
        c->parser.refusal = 408;
        refuse_message(c, &err);
    }
}

static bool open_wire(bl_conn *c, evutil_socket_t fd)
{
    static const bl_wire_events events = { on_open, on_readable, on_sent, on_ended };
    bl_server                  *s = c->server;
    if (c->where != BL_ON_METRICS) {
        pthread_rwlock_rdlock(&s->tls_lock);
        c->ssl = bl_tls_server_session(c->where == BL_ON_ATTESTED ? s->tls : s->helper_tls);
        pthread_rwlock_unlock(&s->tls_lock);
        if (!c->ssl)
            return false;
    }
    c->wire = bl_wire_new(bl_loop_base(c->loop), fd, c->ssl, &events, c);
    if (!c->wire)
        bl_tls_close(c->ssl);
    return c->wire != NULL;
}

void bl_conn_accept(bl_server *server, bl_loop *loop, unsigned where, evutil_socket_t fd,
                    unsigned peer)
{
    bl_conn *c = atomic_load(&server->closing) ? NULL : calloc(1, sizeof *c);
    if (!c) {
        evutil_closesocket(fd);
        return;
    }
    *c = (bl_conn){ .server = server, .loop = loop, .where = where, .peer = peer };
    c->id = atomic_fetch_add(&server->next_id, 1) + 1;
    c->timer = event_new(bl_loop_base(loop), -1, 0, on_timer, c);
    if (!c->timer || !open_wire(c, fd)) {
        if (c->timer)
            event_free(c->timer);
        evutil_closesocket(fd);
        free(c);
        return;
    }
    c->unattested = where == BL_ON_ATTESTED;
    if (c->unattested)
        atomic_fetch_add(&server->unattested[peer], 1);
    bl_http_parser_init(&c->parser, BL_HTTP_REQUEST, NULL);
    bl_server_loop *at = home(c);
    c->next = at->conns;
    c->prev = &at->conns;
    if (c->next)
        c->next->prev = &c->next;
    at->conns = c;
    atomic_fetch_add(&server->counters.open, 1);
    if (where == BL_ON_ATTESTED)
        atomic_fetch_add(&server->counters.open_attested, 1);
    atomic_fetch_add(&server->counters.connections, 1);
    c->state = c->ssl ? BL_CONN_HANDSHAKE : BL_CONN_HEAD;
    arm(c, server->config->handshake_s);
}
