/* Answers to local clients: the server's, framed anew, and the proxy's own refusals. */
#include "proxy/internal.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>

/* What is between two hops, or would bind this machine's name to the server's rules.
 * Source: RFC 9110, section 7.6.1. */
static bool is_dropped(const char *name)
{
    static const char *const names[] = { "connection",
                                         "keep-alive",
                                         "proxy-connection",
                                         "proxy-authenticate",
                                         "transfer-encoding",
                                         "content-length",
                                         "trailer",
                                         "upgrade",
                                         "te",
                                         "alt-svc",
                                         "strict-transport-security",
                                         "access-control-allow-origin",
                                         "access-control-allow-credentials" };
    for (size_t i = 0; i < BL_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void end_head(bl_local *l)
{
    if (l->closing)
        bl_http_write_field(&l->out, "Connection", "close");
    bl_http_write_end(&l->out);
    l->begun = true;
}

void bl_answer_json(bl_local *l, int status, const char *fields, blind_span body)
{
    bl_buf_clear(&l->out);
    bl_http_write_status(&l->out, status);
    bl_http_write_field(&l->out, "Content-Type", "application/json");
    bl_http_write_field(&l->out, "Cache-Control", "no-store");
    bl_http_write_number(&l->out, "Content-Length", body.size);
    bl_buf_add_str(&l->out, fields);
    end_head(l);
    bool head_only = bl_http_equal(l->parser.head.method, "HEAD");
    if (!head_only)
        bl_buf_add(&l->out, body);
    if (l->out.failed || !bl_local_send(l, bl_buf_span(&l->out)))
        l->broken = true;
    bl_buf_clear(&l->out);
}

void bl_answer_error(bl_local *l, int status, const char *type, const char *code,
                     const char *message)
{
    char   *text = NULL;
    json_t *root = json_pack("{s:{s:s, s:s, s:n, s:s}}", "error", "message", message, "type", type,
                             "param", "code", code);
    if (root)
        text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    bl_answer_json(l, status,
                   status == 401   ? "WWW-Authenticate: Bearer\r\n"
                   : status == 503 ? "Retry-After: 1\r\n"
                                   : "",
                   text ? bl_span_str(text) : BL_LITERAL("{}"));
    free(text);
}

/* Why nothing was forwarded, or why no answer came. */
void bl_answer_failure(bl_local *l, blind_code code, const blind_error *err)
{
    char        message[sizeof err->message + 96];
    const char *type = blind_code_exit(code) >= 10 ? "attestation_error" : "connection_error";
    int         status = 502;
    if (code == BLIND_REATTEST || code == BLIND_BUSY || code == BLIND_MEMORY)
        status = 503;
    else if (code == BLIND_LIMIT)
        status = 413;
    snprintf(message, sizeof message, "%s: %s%s", blind_code_text(code), err->message,
             blind_code_exit(code) >= 10 ? " (nothing was sent)" : "");
    bl_answer_error(l, status, type, blind_code_name(code), message);
}

/* The server's.  ----------------------------------------------------------------------------- */

void bl_answer_begin(bl_local *l, bool bodiless)
{
    const blind_response *a = l->answer;
    const char           *length = blind_response_header(a, "content-length");
    bl_buf_clear(&l->out);
    bl_http_write_status(&l->out, a->status);
    for (size_t i = 0; i < a->header_count; i++)
        if (!is_dropped(a->headers[i].name))
            bl_http_write_field(&l->out, a->headers[i].name, a->headers[i].value);
    bodiless = bodiless || a->status == 204 || a->status == 304;
    l->chunked = !length && !bodiless && l->parser.head.minor > 0;
    if (length)
        bl_http_write_field(&l->out, "Content-Length", length);
    else if (l->chunked)
        bl_http_write_field(&l->out, "Transfer-Encoding", "chunked");
    else if (!bodiless) /* HTTP/1.0 knows no chunks */
        l->closing = true;
    end_head(l);
}

static blind_code flush(bl_local *l, blind_error *err)
{
    bool sent = bl_buf_ok(&l->out) && bl_local_send(l, bl_buf_span(&l->out));
    bl_buf_clear(&l->out);
    if (sent)
        return BLIND_OK;
    l->broken = true;
    return blind_fail(err, BLIND_CANCELLED, "proxy.local", "the local client has left");
}

/* Whatever came goes out at once: events of a stream are not held back. */
blind_code bl_answer_body(bl_local *l, blind_span bytes, blind_error *err)
{
    if (l->chunked)
        bl_http_write_chunk(&l->out, bytes);
    else
        bl_buf_add(&l->out, bytes);
    return flush(l, err);
}

blind_code bl_answer_end(bl_local *l, blind_error *err)
{
    if (l->chunked)
        bl_http_write_last_chunk(&l->out);
    return l->out.size ? flush(l, err) : BLIND_OK;
}
