/* Sends while it can and listens all the while: a server may refuse before it has read the body, or
 * answer while it reads. */
#include "client/ask.h"

#include <jansson.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/*     SENDING --all sent--> LISTENING --answer whole--> DONE
 *        |                      ^
 *        +--refused, answered---+   the rest of the body is not sent, the stream not used again */
typedef struct {
    bl_ask             *ask;
    blind_stream       *stream;
    bl_http_parser      parser;
    bl_buf              out;       /* bytes made and not yet sent */
    size_t              out_sent;  /* of them */
    blind_span          direct;    /* the rest of a large part of the body, sent from where it is */
    size_t              part;      /* of the body in memory, the next: 0 is request->body */
    int64_t             body_left; /* of a body from a callback; < 0: until it ends */
    bool                body_done; /* everything was made */
    bool                ended;     /* the answer is whole */
    int                 interim;   /* 1xx answers so far */
    bl_response_memory *memory;
} asking;

enum {
    HEAD_SIZE = 1024,               /* of a request with a small body, usually */
    RESERVE_MAX = 16 * 1024 * 1024, /* of an answer, on the server's word */
};
enum { PIECE = 64 * 1024, JOIN = 16 * 1024, MAX_INTERIM = 16, MAX_REATTEST_BODY = 4096 };

/* ---- sending ---- */

static bool reserved(const char *name)
{
    static const char *const ours[] = { "host",       "content-length", "transfer-encoding",
                                        "connection", "expect",         "upgrade" };
    for (size_t i = 0; i < BL_LEN(ours); i++)
        if (bl_http_equal(bl_span_str(name), ours[i]))
            return true;
    return false;
}

bool bl_ask_has_header(const blind_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (bl_http_equal(bl_span_str(r->headers[i].name), name))
            return true;
    return false;
}

static blind_code body_size(const bl_ask *ask, uint64_t *out, blind_error *err)
{
    size_t sum = ask->request->body.size;
    bool   fits = true;
    for (size_t i = 0; i < ask->part_count; i++)
        fits = fits && bl_add(sum, ask->parts[i].size, &sum);
    *out = sum;
    return fits ? BLIND_OK
                : blind_fail(err, BLIND_LIMIT, "client.request", "the body is too large");
}

/* The next parts of a body in memory: small ones into one write with what is there, a large one
 * sent from where it is. */
static void take_parts(asking *a)
{
    const bl_ask *ask = a->ask;
    for (; a->part <= ask->part_count && a->direct.size == 0; a->part++) {
        blind_span part = a->part ? ask->parts[a->part - 1] : ask->request->body;
        if (part.size <= JOIN - BL_MIN(a->out.size, JOIN))
            bl_buf_add(&a->out, part);
        else
            a->direct = part;
    }
    a->body_done = a->part > ask->part_count;
}

static blind_code make_head(asking *a, blind_error *err)
{
    const blind_request *r = a->ask->request;
    uint64_t             size;
    BL_TRY(body_size(a->ask, &size, err));
    bl_buf_reserve(&a->out, HEAD_SIZE);
    bl_http_write_request(&a->out, r->method, r->target, a->ask->authority);
    for (size_t i = 0; i < r->header_count; i++) {
        if (reserved(r->headers[i].name))
            return blind_fail(err, BLIND_USAGE, "client.request",
                              "header '%.40s' is not the caller's", r->headers[i].name);
        bl_http_write_field(&a->out, r->headers[i].name, r->headers[i].value);
    }
    if (a->ask->token && !bl_ask_has_header(r, "authorization")) {
        bl_auto_buf value = { .secret = true };
        bl_buf_printf(&value, "Bearer %s", a->ask->token);
        if (bl_buf_cstr(&value))
            bl_http_write_field(&a->out, "Authorization", bl_buf_cstr(&value));
    }
    if (r->body_read && r->body_size < 0)
        bl_http_write_field(&a->out, "Transfer-Encoding", "chunked");
    else if (r->body_read)
        bl_http_write_number(&a->out, "Content-Length", (uint64_t)r->body_size);
    else if (size || strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0)
        bl_http_write_number(&a->out, "Content-Length", size);
    bl_http_write_end(&a->out);
    if (!bl_buf_ok(&a->out))
        return blind_fail(err, BLIND_USAGE, "client.request", "unusable method, target or header");
    if (!r->body_read)
        take_parts(a);
    return bl_buf_check(&a->out, "client.request", err);
}

/* The next piece of a body from a callback, framed. */
static blind_code make_piece(asking *a, blind_error *err)
{
    const blind_request *r = a->ask->request;
    uint8_t              piece[PIECE];
    size_t               got = 0, want = sizeof piece;
    if (a->body_left >= 0)
        want = (size_t)BL_MIN((uint64_t)a->body_left, sizeof piece);
    a->ask->body_begun = true;
    if (want)
        BL_TRY(r->body_read(r->body_arg, piece, want, &got, err));
    if (got > want || (want && got == 0 && a->body_left > 0))
        return blind_fail(err, BLIND_INPUT, "client.body", "the body ended before its size");
    if (a->body_left >= 0) {
        bl_buf_add(&a->out, bl_span(piece, got));
        a->body_left -= (int64_t)got;
        a->body_done = a->body_left == 0;
    } else if (got) {
        bl_http_write_chunk(&a->out, bl_span(piece, got));
    } else {
        bl_http_write_last_chunk(&a->out);
        a->body_done = true;
    }
    bl_wipe(piece, got);
    return bl_buf_check(&a->out, "client.body", err);
}

static blind_code make_more(asking *a, blind_error *err)
{
    if (a->ask->request->body_read)
        return make_piece(a, err);
    take_parts(a);
    return bl_buf_check(&a->out, "client.body", err);
}

static bool all_sent(const asking *a)
{
    return a->body_done && a->out_sent == a->out.size && a->direct.size == 0;
}

/* Sends until the socket is full (AGAIN) or nothing is left (OK). */
static blind_code send_some(asking *a, blind_error *err)
{
    while (!all_sent(a)) {
        size_t put;
        if (a->out_sent < a->out.size) {
            BL_TRY(blind_stream_write(a->stream, a->out.data + a->out_sent,
                                      a->out.size - a->out_sent, &put, err));
            a->out_sent += put;
        } else if (a->direct.size) {
            BL_TRY(blind_stream_write(a->stream, a->direct.data, a->direct.size, &put, err));
            a->direct = bl_span(a->direct.data + put, a->direct.size - put);
        } else {
            bl_buf_clear(&a->out);
            a->out_sent = 0;
            BL_TRY(make_more(a, err));
        }
    }
    return BLIND_OK;
}

/* ---- listening ---- */

static blind_code keep_head(asking *a, blind_error *err)
{
    const bl_http_head *head = &a->parser.head;
    blind_response     *out = a->ask->out;
    bl_arena           *arena = &a->memory->arena;
    out->status = head->status;
    out->headers = bl_arena_array(arena, head->field_count + 1, sizeof *out->headers);
    if (!out->headers)
        return blind_fail(err, BLIND_MEMORY, "client.answer", "out of memory");
    for (size_t i = 0; i < head->field_count; i++) {
        blind_header h = { bl_arena_copy(arena, head->fields[i].name),
                           bl_arena_copy(arena, head->fields[i].value) };
        if (!h.name || !h.value)
            return blind_fail(err, BLIND_MEMORY, "client.answer", "out of memory");
        out->headers[out->header_count++] = h;
    }
    return BLIND_OK;
}

/* A 409 may be the server's wish to be attested again: its body is judged, not handed out. */
static bool may_be_reattest(const asking *a)
{
    const bl_http_head *head = &a->parser.head;
    return head->status == 409 && head->has_length && head->length <= MAX_REATTEST_BODY;
}

static bool streamed(const asking *a)
{
    return a->ask->request->on_body && !may_be_reattest(a);
}

static blind_code on_head(asking *a, blind_error *err)
{
    const blind_request *r = a->ask->request;
    int                  status = a->parser.head.status;
    if (status >= 100 && status < 200) {
        if (status == 101 || ++a->interim > MAX_INTERIM)
            return blind_fail(err, BLIND_PROTOCOL, "client.answer", "unexpected HTTP %d", status);
        return BLIND_OK;
    }
    BL_TRY(keep_head(a, err));
    if (a->parser.head.has_length && !streamed(a)) /* a guess: what comes is counted later */
        bl_buf_reserve(&a->memory->body,
                       (size_t)BL_MIN(a->parser.head.length, (uint64_t)RESERVE_MAX) + 1);
    if (r->on_head && !may_be_reattest(a))
        BL_TRY(r->on_head(r->on_arg, status, err));
    return BLIND_OK;
}

static blind_code on_body(asking *a, blind_span bytes, blind_error *err)
{
    const blind_request *r = a->ask->request;
    if (streamed(a))
        return r->on_body(r->on_arg, bytes, err);
    if (bytes.size > a->ask->answer_max - a->memory->body.size)
        return blind_fail(err, BLIND_LIMIT, "client.answer", "an answer of more than %zu bytes",
                          a->ask->answer_max);
    bl_buf_add(&a->memory->body, bytes);
    return bl_buf_check(&a->memory->body, "client.answer", err);
}

static bool says_reattest(blind_span body)
{
    json_t     *root = json_loadb((const char *)body.data, body.size, JSON_REJECT_DUPLICATES, NULL);
    const char *code = json_string_value(json_object_get(root, "code"));
    bool        yes = code && strcmp(code, "reattest") == 0;
    json_decref(root);
    return yes;
}

static blind_code on_end(asking *a, blind_error *err)
{
    int status = a->parser.head.status;
    if (status >= 100 && status < 200) {
        bl_http_parser_next(&a->parser);
        return BLIND_OK;
    }
    a->ended = true;
    a->ask->reattest = may_be_reattest(a) && says_reattest(bl_buf_span(&a->memory->body));
    if (may_be_reattest(a) && !a->ask->reattest && a->ask->request->on_body) {
        const blind_request *r = a->ask->request;
        if (r->on_head)
            BL_TRY(r->on_head(r->on_arg, status, err));
        BL_TRY(r->on_body(r->on_arg, bl_buf_span(&a->memory->body), err));
        bl_buf_clear(&a->memory->body);
    }
    return BLIND_OK;
}

static blind_code take(asking *a, blind_span input, blind_error *err)
{
    bl_http_event event = BL_HTTP_HEAD;
    while ((input.size || event != BL_HTTP_MORE) && !a->ended) { /* an end may need no more bytes */
        size_t     used;
        blind_span body;
        BL_TRY(bl_http_parse(&a->parser, input, &used, &event, &body, err));
        input = bl_span(input.data + used, input.size - used);
        if (event == BL_HTTP_HEAD)
            BL_TRY(on_head(a, err));
        else if (event == BL_HTTP_BODY)
            BL_TRY(on_body(a, body, err));
        else if (event == BL_HTTP_END)
            BL_TRY(on_end(a, err));
    }
    if (input.size)
        return blind_fail(err, BLIND_PROTOCOL, "client.answer", "%zu bytes behind the answer",
                          input.size);
    return BLIND_OK;
}

/* A proper end of the stream ends an answer without a size. */
static blind_code closed(asking *a, blind_error *err)
{
    if (!a->ask->answered || !a->parser.head.until_close)
        return blind_fail(err, BLIND_NETWORK, "client.answer",
                          a->ask->answered ? "the server closed the stream inside its answer"
                                           : "the server closed the stream without an answer");
    BL_TRY(bl_http_parse_eof(&a->parser, err));
    return on_end(a, err);
}

/* Reads until nothing is there (AGAIN) or the answer is whole (OK). */
static blind_code receive_some(asking *a, blind_error *err)
{
    uint8_t bytes[PIECE];
    while (!a->ended) {
        size_t     got;
        blind_code code = blind_stream_read(a->stream, bytes, sizeof bytes, &got, err);
        if (code == BLIND_CLOSED)
            return closed(a, err);
        BL_TRY(code);
        a->ask->answered = true;
        code = take(a, bl_span(bytes, got), err);
        bl_wipe(bytes, got);
        BL_TRY(code);
    }
    return BLIND_OK;
}

/* ---- both ---- */

/* A peer that refuses a body early may close at once: what it said counts more than that the rest
 * could not be sent. */
static blind_code send_failed(asking *a, blind_code code, blind_error *err)
{
    blind_error said;
    if (code != BLIND_NETWORK && code != BLIND_CLOSED)
        return code;
    a->stream->broken = false; /* for reading what is already here */
    blind_code got = receive_some(a, &said);
    a->stream->broken = true;
    if (got == BLIND_OK)
        return BLIND_OK;
    if (got != BLIND_AGAIN && a->ask->answered && err)
        *err = said;
    return got != BLIND_AGAIN && a->ask->answered ? got : code;
}

/* Waits for the stream, or until who asked has left. */
static blind_code wait_for(asking *a, int wants, blind_error *err)
{
    const int *gone = a->ask->gone_fd;
    if (!gone)
        return bl_client_poll(a->stream->fd, wants, a->ask->idle_ms, err);
    struct pollfd both[] = { { .fd = a->stream->fd,
                               .events = (short)((wants & BLIND_WANTS_READ ? POLLIN : 0) |
                                                 (wants & BLIND_WANTS_WRITE ? POLLOUT : 0)) },
                             { .fd = *gone, .events = POLLRDHUP } };
    int           n = poll(both, 2, a->ask->idle_ms);
    if (n == 0)
        return blind_fail(err, BLIND_TIMEOUT, "client.wait", "nothing within %d ms",
                          a->ask->idle_ms);
    if (n < 0 && errno != EINTR)
        return blind_fail(err, BLIND_NETWORK, "client.wait", "cannot wait: %s", strerror(errno));
    if (n > 0 && both[1].revents)
        return blind_fail(err, BLIND_CANCELLED, "client.cancel", "who asked has left");
    return BLIND_OK;
}

static blind_code converse(asking *a, blind_error *err)
{
    while (!a->ended) {
        bool sends = !all_sent(a) && a->ask->out->status < 300;
        int  wants = 0;
        if (sends) {
            blind_code sent = send_some(a, err);
            if (sent != BLIND_OK && sent != BLIND_AGAIN)
                return send_failed(a, sent, err);
            wants = sent == BLIND_AGAIN ? a->stream->wants : 0;
        }
        blind_code heard = receive_some(a, err);
        if (heard != BLIND_AGAIN)
            return heard;
        if (a->ask->out->status >= 300)
            wants = 0; /* refused: what is left of the body stays unsent */
        BL_TRY(wait_for(a, wants | a->stream->wants, err));
        if (a->ask->request->cancel && *a->ask->request->cancel)
            return blind_fail(err, BLIND_CANCELLED, "client.cancel", "cancelled");
    }
    return BLIND_OK;
}

static void finish(asking *a, blind_code code)
{
    bl_ask *ask = a->ask;
    ask->reusable = code == BLIND_OK && all_sent(a) && a->parser.head.keep_alive &&
                    !a->parser.head.until_close && !a->stream->broken;
    if (code == BLIND_OK && !ask->reattest) {
        bl_buf_cstr(&a->memory->body); /* a NUL behind it */
        ask->out->body = a->memory->body.data;
        ask->out->body_size = a->memory->body.size;
        ask->out->memory = a->memory;
        return;
    }
    *ask->out = (blind_response){ .memory = a->memory };
    blind_response_done(ask->out);
}

blind_code bl_ask_run(bl_ask *ask, blind_stream *stream, blind_error *err)
{
    *ask->out = (blind_response){ 0 };
    ask->answered = ask->body_begun = ask->reusable = ask->reattest = false;
    asking a = { .ask = ask, .stream = stream, .body_left = ask->request->body_size };
    a.out.secret = true;
    a.memory = calloc(1, sizeof *a.memory);
    if (!a.memory)
        return blind_fail(err, BLIND_MEMORY, "client.request", "out of memory");
    bl_http_limits limits = { .body_max = 0 };
    bl_http_parser_init(&a.parser, BL_HTTP_RESPONSE, &limits);
    a.parser.bodiless = strcmp(ask->request->method, "HEAD") == 0;
    blind_code code = make_head(&a, err);
    if (code == BLIND_OK)
        code = converse(&a, err);
    finish(&a, code);
    bl_http_parser_done(&a.parser);
    bl_buf_done(&a.out);
    return code;
}

const char *blind_response_header(const blind_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (bl_http_equal(bl_span_str(response->headers[i].name), name))
            return response->headers[i].value;
    return NULL;
}

void blind_response_done(blind_response *response)
{
    bl_response_memory *memory = response->memory;
    if (memory) {
        bl_arena_done(&memory->arena);
        bl_buf_done(&memory->body);
        free(memory);
    }
    *response = (blind_response){ 0 };
}
