/* Writers of messages, and the names of statuses. */
#include "http/message.h"

#include <inttypes.h>

static const struct {
    int         status;
    const char *reason;
} reasons[] = {
    { 100, "Continue" },
    { 200, "OK" },
    { 201, "Created" },
    { 204, "No Content" },
    { 304, "Not Modified" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 411, "Length Required" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 417, "Expectation Failed" },
    { 422, "Unprocessable Content" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
};

const char *bl_http_reason(int status)
{
    for (size_t i = 0; i < BL_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

/* Adds text that must not hold control characters, nor blanks where `blanks` is false. */
static void add_clean(bl_buf *out, const char *text, bool blanks)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || (!blanks && *c == ' '))
            out->failed = true;
    if (!blanks && !*text)
        out->failed = true;
    bl_buf_add_str(out, text);
}

void bl_http_write_request(bl_buf *out, const char *method, const char *target, const char *host)
{
    add_clean(out, method, false);
    bl_buf_add_u8(out, ' ');
    add_clean(out, target, false);
    bl_buf_add_str(out, " HTTP/1.1\r\n");
    bl_http_write_field(out, "Host", host);
}

void bl_http_write_status(bl_buf *out, int status)
{
    bl_buf_printf(out, "HTTP/1.1 %d %s\r\n", status, bl_http_reason(status));
}

void bl_http_write_field(bl_buf *out, const char *name, const char *value)
{
    if (strchr(name, ':'))
        out->failed = true;
    add_clean(out, name, false);
    bl_buf_add_str(out, ": ");
    add_clean(out, value, true);
    bl_buf_add_str(out, "\r\n");
}

void bl_http_write_number(bl_buf *out, const char *name, uint64_t value)
{
    bl_buf_printf(out, "%s: %" PRIu64 "\r\n", name, value);
}

void bl_http_write_end(bl_buf *out)
{
    bl_buf_add_str(out, "\r\n");
}

void bl_http_write_chunk(bl_buf *out, blind_span bytes)
{
    if (bytes.size == 0) /* would end the body */
        return;
    bl_buf_printf(out, "%zx\r\n", bytes.size);
    bl_buf_add(out, bytes);
    bl_buf_add_str(out, "\r\n");
}

void bl_http_write_last_chunk(bl_buf *out)
{
    bl_buf_add_str(out, "0\r\n\r\n");
}

/* ---- targets ---- */

void bl_http_target_split(blind_span target, blind_span *path, blind_span *query)
{
    const uint8_t *mark = target.size ? memchr(target.data, '?', target.size) : NULL;
    size_t         n = mark ? (size_t)(mark - target.data) : target.size;
    *path = bl_span(target.data, n);
    *query = mark ? bl_span(mark + 1, target.size - n - 1) : (blind_span){ 0 };
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool bl_http_path_next(blind_span *path, char *segment, size_t size, bool *bad)
{
    *bad = false;
    segment[0] = 0;
    if (path->size == 0 || path->data[0] != '/')
        return false;
    size_t i = 1, n = 0;
    while (i < path->size && path->data[i] != '/') {
        uint8_t c = path->data[i++];
        if (c == '%') {
            int high = i < path->size ? hex(path->data[i]) : -1;
            int low = i + 1 < path->size ? hex(path->data[i + 1]) : -1;
            *bad = *bad || high < 0 || low < 0 || (high | low) == 0;
            c = (uint8_t)(*bad ? 0 : high << 4 | low);
            i = BL_MIN(i + 2, path->size);
        }
        *bad = *bad || n + 1 >= size;
        if (*bad)
            return false;
        segment[n++] = (char)c;
    }
    segment[n] = 0;
    *path = bl_span(path->data + i, path->size - i);
    return true;
}
