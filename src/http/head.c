/* Start line, fields, and what they say about the body. */
#include "http/head.h"

static bool is_token(uint8_t c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool all_token(blind_span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (!is_token(s.data[i]))
            return false;
    return s.size > 0;
}

static int fail(int status, const char **what, const char *reason)
{
    *what = reason;
    return status;
}

/* Takes the bytes before the next CRLF. */
static blind_span take_line(blind_span *rest)
{
    const uint8_t *end = memchr(rest->data, '\r', rest->size);
    size_t         n = end ? (size_t)(end - rest->data) : rest->size;
    blind_span     line = { rest->data, n };
    n = BL_MIN(n + 2, rest->size);
    *rest = bl_span(rest->data + n, rest->size - n);
    return line;
}

/* Takes the bytes before the next `mark`; false when there is none. */
static bool take_until(blind_span *rest, uint8_t mark, blind_span *out)
{
    const uint8_t *at = rest->size ? memchr(rest->data, mark, rest->size) : NULL;
    if (!at)
        return false;
    size_t n = (size_t)(at - rest->data);
    *out = bl_span(rest->data, n);
    *rest = bl_span(rest->data + n + 1, rest->size - n - 1);
    return true;
}

/* "HTTP/1.0" or "HTTP/1.1". */
static int parse_version(blind_span v, int *minor, const char **what)
{
    if (v.size != 8 || memcmp(v.data, "HTTP/", 5) != 0 || v.data[6] != '.')
        return fail(400, what, "a start line without an HTTP version");
    if (v.data[5] != '1' || (v.data[7] != '0' && v.data[7] != '1'))
        return fail(505, what, "an HTTP version other than 1.0 and 1.1");
    *minor = v.data[7] - '0';
    return 0;
}

static bool good_target(blind_span target)
{
    if (target.size == 1 && target.data[0] == '*')
        return true;
    for (size_t i = 0; i < target.size; i++)
        if (target.data[i] <= 0x20 || target.data[i] >= 0x7f || target.data[i] == '#')
            return false;
    return target.size > 0 && target.data[0] == '/';
}

/* Source: RFC 9112, section 3.  One space each, origin form only. */
static int parse_request_line(blind_span line, bl_http_head *out, const char **what)
{
    if (!take_until(&line, ' ', &out->method) || !take_until(&line, ' ', &out->target))
        return fail(400, what, "a request line without method, target and version");
    if (!all_token(out->method) || out->method.size > 32)
        return fail(400, what, "a method that is no token");
    if (out->target.size > BL_MAX_TARGET_SIZE)
        return fail(414, what, "a request target larger than the limit");
    if (!good_target(out->target))
        return fail(400, what, "a request target that is not in origin form");
    return parse_version(line, &out->minor, what);
}

/* Source: RFC 9112, section 4. */
static int parse_status_line(blind_span line, bl_http_head *out, const char **what)
{
    blind_span version;
    if (!take_until(&line, ' ', &version))
        return fail(400, what, "a status line without a status");
    int status = parse_version(version, &out->minor, what);
    if (status)
        return status;
    if (line.size < 3 || (line.size > 3 && line.data[3] != ' '))
        return fail(400, what, "a status that is not three digits");
    for (int i = 0; i < 3; i++) {
        if (line.data[i] < '0' || line.data[i] > '9')
            return fail(400, what, "a status that is not three digits");
        out->status = out->status * 10 + (line.data[i] - '0');
    }
    for (size_t i = 3; i < line.size; i++)
        if ((line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7f)
            return fail(400, what, "a control character in a reason phrase");
    return out->status >= 100 ? 0 : fail(400, what, "a status below 100");
}

static blind_span trim(blind_span s)
{
    while (s.size && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = bl_span(s.data + 1, s.size - 1);
    while (s.size && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

/* Source: RFC 9112, section 5; folded lines are refused. */
static int parse_field(blind_span line, uint8_t *bytes, bl_http_head *out, const char **what)
{
    bl_http_field field;
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return fail(400, what, "a folded field line");
    if (!take_until(&line, ':', &field.name) || !all_token(field.name))
        return fail(400, what, "a field name that is no token");
    for (size_t i = 0; i < line.size; i++)
        if ((line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7f)
            return fail(400, what, "a control character in a field");
    if (out->field_count == BL_MAX_HEADERS)
        return fail(431, what, "more fields than the limit");
    uint8_t *name = bytes + (field.name.data - bytes);
    for (size_t i = 0; i < field.name.size; i++)
        if (name[i] >= 'A' && name[i] <= 'Z')
            name[i] |= 0x20;
    field.value = trim(line);
    out->fields[out->field_count++] = field;
    return 0;
}

/* Source: RFC 9112, sections 6.1 and 6.3; stricter: what may be refused is. */
static int parse_framing(bl_http_head *out, const char **what)
{
    size_t codings = bl_http_field_count(out, "transfer-encoding");
    size_t lengths = bl_http_field_count(out, "content-length");
    if (codings && lengths)
        return fail(400, what, "Content-Length beside Transfer-Encoding");
    if (lengths > 1)
        return fail(400, what, "more than one Content-Length");
    if (codings > 1 || (codings && out->minor == 0))
        return fail(400, what, "a Transfer-Encoding that cannot be");
    if (codings && !bl_http_equal(bl_http_field_get(out, "transfer-encoding"), "chunked"))
        return fail(501, what, "a transfer coding other than chunked");
    if (lengths && !bl_http_number(bl_http_field_get(out, "content-length"), &out->length))
        return fail(400, what, "a Content-Length that is no number");
    out->chunked = codings > 0;
    out->has_length = lengths > 0;
    return 0;
}

/* Source: RFC 9112, sections 3.2 and 9.3; RFC 9110, section 10.1.1. */
static int finish_request(bl_http_head *out, const char **what)
{
    size_t hosts = bl_http_field_count(out, "host");
    if (hosts > 1 || (hosts == 0 && out->minor == 1))
        return fail(400, what, "not exactly one Host");
    size_t expects = bl_http_field_count(out, "expect");
    if (expects && !bl_http_equal(bl_http_field_get(out, "expect"), "100-continue"))
        return fail(417, what, "an expectation other than 100-continue");
    out->expect_continue = expects > 0 && out->minor == 1;
    return 0;
}

/* Source: RFC 9112, section 6.3, for responses. */
static void finish_response(bl_http_head *out, bool bodiless)
{
    if (bodiless || out->status < 200 || out->status == 204 || out->status == 304) {
        out->chunked = out->has_length = false;
        out->length = 0;
    } else {
        out->until_close = !out->chunked && !out->has_length;
    }
    if (out->until_close)
        out->keep_alive = false;
}

int bl_http_head_parse(uint8_t *bytes, size_t size, bl_http_kind kind, bool bodiless,
                       bl_http_head *out, const char **what)
{
    *out = (bl_http_head){ 0 };
    blind_span rest = { bytes, size };
    blind_span line = take_line(&rest);
    int        status = kind == BL_HTTP_REQUEST ? parse_request_line(line, out, what)
                                                : parse_status_line(line, out, what);
    while (status == 0 && (line = take_line(&rest)).size > 0)
        status = parse_field(line, bytes, out, what);
    if (status == 0)
        status = parse_framing(out, what);
    if (status != 0)
        return status;
    out->keep_alive = !bl_http_field_has(out, "connection", "close") &&
                      (out->minor == 1 || bl_http_field_has(out, "connection", "keep-alive"));
    if (kind == BL_HTTP_REQUEST)
        return finish_request(out, what);
    finish_response(out, bodiless);
    return 0;
}

size_t bl_http_field_count(const bl_http_head *head, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < head->field_count; i++)
        n += bl_span_equal(head->fields[i].name, bl_span_str(name));
    return n;
}

blind_span bl_http_field_get(const bl_http_head *head, const char *name)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (bl_span_equal(head->fields[i].name, bl_span_str(name)))
            return head->fields[i].value;
    return (blind_span){ 0 };
}

bool bl_http_equal(blind_span text, const char *word)
{
    size_t n = strlen(word);
    if (text.size != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t a = text.data[i], b = (uint8_t)word[i];
        a = a >= 'A' && a <= 'Z' ? a | 0x20 : a;
        b = b >= 'A' && b <= 'Z' ? b | 0x20 : b;
        if (a != b)
            return false;
    }
    return true;
}

bool bl_http_field_has(const bl_http_head *head, const char *name, const char *token)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (!bl_span_equal(head->fields[i].name, bl_span_str(name)))
            continue;
        blind_span rest = head->fields[i].value, part;
        while (take_until(&rest, ',', &part))
            if (bl_http_equal(trim(part), token))
                return true;
        if (bl_http_equal(trim(rest), token))
            return true;
    }
    return false;
}

bool bl_http_number(blind_span text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(text.data[i] - '0'), out))
            return false;
    return text.size > 0;
}

blind_span bl_http_media_type(blind_span content_type)
{
    blind_span type, rest = content_type;
    return trim(take_until(&rest, ';', &type) ? type : content_type);
}
