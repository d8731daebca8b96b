/* Replies, references, and the way back to the loop. */
#include "server/exchange.h"

#include "server/conn.h"
#include "server/internal.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEAD_SIZE = 512 }; /* of a reply, usually */

bl_exchange *bl_exchange_retain(bl_exchange *e)
{
    atomic_fetch_add(&e->refs, 1);
    return e;
}

void bl_exchange_release(bl_exchange *e)
{
    if (atomic_fetch_sub(&e->refs, 1) != 1)
        return;
    if (e->route && e->route->done)
        e->route->done(e);
    bl_buf_done(&e->body);
    free(e);
    bl_wipe_stack();
}

static void run_posted(bl_posted *posted)
{
    bl_exchange *e = (bl_exchange *)((char *)posted - offsetof(bl_exchange, posted));
    void (*resume)(bl_exchange *) = atomic_load(&e->resume);
    resume(e);
    bl_exchange_release(e);
}

void bl_exchange_queue(bl_exchange *e, void (*resume)(bl_exchange *e))
{
    bl_exchange_retain(e);
    atomic_store(&e->resume, resume);
    e->posted.run = run_posted;
    if (!bl_loop_queue(e->loop, &e->posted))
        bl_exchange_release(e);
}

void bl_exchange_post(bl_exchange *e, void (*resume)(bl_exchange *e))
{
    bl_loop *loop = e->loop; /* e may be gone before it is woken */
    bl_exchange_queue(e, resume);
    bl_loop_wake(loop);
}

/* ---- replies ---- */

static const struct {
    blind_code  code;
    int         status;
    const char *name; /* in the body, where it is not the code's */
} statuses[] = {
    { BLIND_INPUT, 400, NULL },          { BLIND_FORMAT, 400, NULL },
    { BLIND_PROTOCOL, 400, NULL },       { BLIND_BINDING, 400, NULL },
    { BLIND_USAGE, 400, NULL },          { BLIND_DENIED, 403, NULL },
    { BLIND_NOT_FOUND, 404, NULL },      { BLIND_EXISTS, 409, NULL },
    { BLIND_REATTEST, 409, "reattest" }, { BLIND_LIMIT, 413, NULL },
    { BLIND_VERSION, 415, NULL },        { BLIND_UNSUPPORTED, 422, NULL },
    { BLIND_EVIDENCE, 428, "attest" },   { BLIND_BUSY, 429, NULL },
    { BLIND_MEMORY, 503, NULL },         { BLIND_CLOSED, 503, NULL },
    { BLIND_CANCELLED, 503, NULL },      { BLIND_TIMEOUT, 504, NULL },
};

/* Stages that say more than their code. */
static const struct {
    const char *stage;
    int         status;
} stages[] = {
    { "server.route.method", 405 }, { "server.token", 401 },         { "server.spool.space", 507 },
    { "server.fence", 403 },        { "server.attest.length", 411 }, { "server.slow", 408 },
    { "server.drain", 503 },
};

int bl_status_of(const blind_error *error)
{
    for (size_t i = 0; i < BL_LEN(stages); i++)
        if (error->stage && strcmp(error->stage, stages[i].stage) == 0)
            return stages[i].status;
    for (size_t i = 0; i < BL_LEN(statuses); i++)
        if (statuses[i].code == error->code)
            return statuses[i].status;
    return 500;
}

const char *bl_error_name(blind_code code)
{
    for (size_t i = 0; i < BL_LEN(statuses); i++)
        if (statuses[i].code == code && statuses[i].name)
            return statuses[i].name;
    return blind_code_name(code);
}

/* A JSON string; what is no printable ASCII becomes '?': messages are ours and in English. */
static void add_json_text(bl_buf *out, const char *text)
{
    bl_buf_add_u8(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            bl_buf_add_u8(out, '\\');
        bl_buf_add_u8(out, *c >= 0x20 && *c < 0x7f ? (uint8_t)*c : '?');
    }
    bl_buf_add_u8(out, '"');
}

void bl_reply_error(bl_exchange *e, const blind_error *error)
{
    bl_buf body = BL_BUF_EMPTY;
    char   fields[256] = "";
    int    status = bl_status_of(error);
    if (bl_openai_speaks(e)) {
        status = bl_openai_error(error, NULL, &body);
    } else {
        bl_buf_add_str(&body, "{\"error\":");
        add_json_text(&body, error->message[0] ? error->message : blind_code_text(error->code));
        bl_buf_printf(&body, ",\"code\":\"%s\"}", bl_error_name(error->code));
    }
    if (status == 401)
        snprintf(fields, sizeof fields, "WWW-Authenticate: Bearer\r\n");
    if (status == 415)
        snprintf(fields, sizeof fields, "Accept: %s\r\n",
                 strcmp(error->stage, "server.client") == 0 ? BL_CLIENT_AUTHENTICATOR_TYPE
                                                            : BL_AUTHENTICATOR_REQUEST_TYPE);
    if (status == 405 && e->conn) {
        blind_span path, query;
        char       methods[200];
        bl_http_target_split(e->head->target, &path, &query);
        bl_route_methods(e->conn->where, path, methods, sizeof methods);
        snprintf(fields, sizeof fields, "Allow: %s\r\n", methods);
    }
    bl_reply(e, status, "application/json", &body, fields);
}

void bl_reply_text(bl_exchange *e, int status, const char *type, const char *text)
{
    bl_buf body = BL_BUF_EMPTY;
    bl_buf_add_str(&body, text);
    bl_reply(e, status, type, &body, NULL);
}

static void count(bl_exchange *e)
{
    bl_counters *n = &e->server->counters;
    atomic_fetch_add(&n->requests[BL_MIN(e->status / 100, BL_CLASSES - 1)], 1);
    atomic_fetch_add(&n->bytes_in, e->body_in);
    atomic_fetch_add(&n->bytes_out, e->body_out);
}

/* The route's pattern and not the path: names of models are said where they matter. */
static void log_reply(const bl_exchange *e)
{
    const char *route = e->route && e->route->pattern ? e->route->pattern : "-";
    const char *method = e->route && e->route->method ? e->route->method : "-";
    bl_log(e->status >= 500 ? BL_LOG_WARN : BL_LOG_INFO, "request", BL_LOG_REQUEST(e->id),
           BL_LOG_NAME("method", method), BL_LOG_NAME("route", route),
           BL_LOG_INT("status", e->status), BL_LOG_SIZE("bytes_in", e->body_in),
           BL_LOG_SIZE("bytes_out", e->body_out),
           BL_LOG_MS("ms", (double)(bl_clock_ns() - e->started_ns) / 1e6));
}

/* The head but for its end.  length < 0: told by the body itself, or there is none */
static void write_head(bl_exchange *e, bl_buf *head, const char *type, int64_t length,
                       const char *fields)
{
    bl_buf_reserve(head, HEAD_SIZE);
    bl_http_write_status(head, e->status);
    bl_buf_add_str(head, "Server: blind\r\n");
    if (!fields || !strstr(fields, "Cache-Control: "))
        bl_buf_add_str(head, "Cache-Control: no-store\r\n");
    if (type)
        bl_http_write_field(head, "Content-Type", type);
    if (length >= 0)
        bl_http_write_number(head, "Content-Length", (uint64_t)length);
    bl_http_write_number(head, "X-Request-Id", e->id);
    if (e->status == 429 || e->status == 503)
        bl_http_write_number(head, "Retry-After", 1);
    if (fields)
        bl_buf_add_str(head, fields);
}

void bl_reply(bl_exchange *e, int status, const char *type, bl_buf *body, const char *fields)
{
    bl_buf head = { .secret = true }; /* small bodies go with it */
    if (e->replied || !e->conn) {
        bl_buf_done(body);
        return;
    }
    if (!bl_buf_ok(body)) { /* out of memory while it was written */
        bl_buf_done(body);
        bl_buf_add_str(body, "{\"error\":\"out of memory\",\"code\":\"MEMORY\"}");
        status = 503;
        type = "application/json";
        fields = NULL;
    }
    e->replied = true;
    e->status = status;
    e->body_out = body->size;
    /* With 304 the length would be that of the answer that is not sent. */
    write_head(e, &head, type, status != 304 ? (int64_t)body->size : -1, fields);
    if (e->head_only)
        bl_buf_clear(body);
    count(e);
    log_reply(e);
    bl_conn_send(e->conn, &head, body);
}

/* ---- replies in pieces ---- */

void bl_reply_begin(bl_exchange *e, int status, const char *type, const char *fields,
                    void (*room)(bl_exchange *e))
{
    bl_buf head = BL_BUF_EMPTY;
    if (e->replied || !e->conn)
        return;
    e->replied = e->streams = true;
    e->status = status;
    e->room = room;
    write_head(e, &head, type, -1, fields);
    bl_conn_stream(e->conn, &head);
}

void bl_reply_piece(bl_exchange *e, bl_buf *bytes)
{
    if (e->streams && e->conn) {
        e->body_out += bytes->size;
        bl_conn_piece(e->conn, bytes);
    }
    bl_buf_done(bytes);
}

bool bl_reply_full(const bl_exchange *e)
{
    return e->streams && e->conn && bl_conn_full(e->conn);
}

void bl_reply_end(bl_exchange *e)
{
    if (!e->streams)
        return;
    e->streams = false;
    count(e);
    log_reply(e);
    if (e->conn)
        bl_conn_stream_end(e->conn);
}

void bl_exchange_pause(bl_exchange *e)
{
    if (e->conn && e->conn->state == BL_CONN_BODY)
        e->conn->state = BL_CONN_PAUSED;
}

void bl_exchange_go(bl_exchange *e)
{
    if (e->conn && e->conn->state == BL_CONN_PAUSED) {
        e->conn->state = BL_CONN_BODY;
        bl_conn_go(e->conn);
    }
}
