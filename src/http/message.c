/* The parser's states: where in a message the next byte stands.
 *
 *     HEAD -> LENGTH -> ENDED                 Content-Length
 *          -> CHUNK_SIZE <-> CHUNK_DATA       chunked; EXTENSION up to the end of the line
 *             CHUNK_SIZE -> TRAILERS -> ENDED
 *          -> UNTIL_CLOSE                     responses only
 *          -> ENDED                           no body
 */
#include "http/message.h"

#include "http/head.h"

enum {
    HEAD,
    BEGIN,
    LENGTH,
    CHUNK_SIZE,
    EXTENSION,
    CHUNK_DATA,
    CHUNK_END,
    TRAILERS,
    UNTIL_CLOSE,
    ENDED,
    BROKEN
};

enum { MAX_EXTENSION = 256, MAX_TRAILERS = 4096, MAX_SIZE_DIGITS = 15 };

void bl_http_parser_init(bl_http_parser *p, bl_http_kind kind, const bl_http_limits *limits)
{
    *p = (bl_http_parser){ .kind = kind, .bytes.secret = true }; /* fields carry tokens */
    if (limits)
        p->limits = *limits;
    if (p->limits.head_max == 0)
        p->limits.head_max = BL_MAX_HEAD_SIZE;
}

void bl_http_parser_next(bl_http_parser *p)
{
    bl_buf bytes = p->bytes;
    bl_buf_clear(&bytes);
    bl_http_limits limits = p->limits;
    bl_http_kind   kind = p->kind;
    *p = (bl_http_parser){ .kind = kind, .limits = limits, .bytes = bytes };
}

void bl_http_parser_done(bl_http_parser *p)
{
    bl_buf_done(&p->bytes);
    p->state = BROKEN;
}

bool bl_http_parser_busy(const bl_http_parser *p)
{
    return p->state == HEAD ? p->bytes.size > 0 : p->state != ENDED && p->state != BROKEN;
}

uint64_t bl_http_parser_left(const bl_http_parser *p)
{
    return p->state == LENGTH ? p->left : 0;
}

static blind_code refuse(bl_http_parser *p, int status, const char *what, blind_error *err)
{
    p->state = BROKEN;
    p->refusal = status;
    blind_code code =
        status == 413 || status == 414 || status == 431 ? BLIND_LIMIT : BLIND_PROTOCOL;
    return blind_fail(err, code, "http.message", "%s", what);
}

/* Copies bytes up to and including the empty line; a bare CR or LF ends it early. */
static blind_code take_head(bl_http_parser *p, blind_span input, size_t *used, blind_error *err)
{
    size_t n = 0;
    bool   whole = false;
    while (n < input.size && !whole) {
        uint8_t c = input.data[n++];
        if (c != '\n' && p->cr)
            return refuse(p, 400, "a CR without LF in the head", err);
        if (c == '\n' && !p->cr)
            return refuse(p, 400, "an LF without CR in the head", err);
        if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
            return refuse(p, 400, "a control character in the head", err);
        if (c == '\n') {
            whole = p->blank;
            p->blank = true;
        } else if (c != '\r') {
            p->blank = false;
        }
        p->cr = c == '\r';
    }
    if (n > p->limits.head_max - BL_MIN(p->bytes.size, p->limits.head_max))
        return refuse(p, 431, "the head is larger than the limit", err);
    bl_buf_add(&p->bytes, bl_span(input.data, n));
    *used = n;
    if (!bl_buf_ok(&p->bytes)) {
        p->state = BROKEN;
        p->refusal = 503;
        return bl_buf_check(&p->bytes, "http.message", err);
    }
    if (whole)
        p->state = BEGIN;
    return BLIND_OK;
}

/* What kind of body follows the head. */
static void begin_body(bl_http_parser *p)
{
    const bl_http_head *h = &p->head;
    p->line = 0;
    p->digits = 0;
    p->left = 0;
    if (h->chunked) {
        p->state = CHUNK_SIZE;
    } else if (h->has_length && h->length > 0) {
        p->state = LENGTH;
        p->left = h->length;
    } else {
        p->state = h->until_close ? UNTIL_CLOSE : ENDED;
    }
}

static blind_code parse_head(bl_http_parser *p, blind_error *err)
{
    const char *what = NULL;
    int         status =
        bl_http_head_parse(p->bytes.data, p->bytes.size, p->kind, p->bodiless, &p->head, &what);
    if (status != 0)
        return refuse(p, status, what, err);
    if (p->limits.body_max > 0 && p->head.has_length && p->head.length > p->limits.body_max)
        return refuse(p, 413, "the body is larger than the limit", err);
    begin_body(p);
    return BLIND_OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of "1f;name=value CRLF". */
static blind_code chunk_line(bl_http_parser *p, uint8_t c, blind_error *err)
{
    int digit = p->state == CHUNK_SIZE && !p->cr ? hex_digit(c) : -1;
    if (digit >= 0) {
        if (++p->digits > MAX_SIZE_DIGITS)
            return refuse(p, 400, "a chunk size with too many digits", err);
        p->left = p->left << 4 | (uint64_t)digit;
        return BLIND_OK;
    }
    if (p->digits == 0)
        return refuse(p, 400, "a chunk without a size", err);
    if (p->cr) {
        if (c != '\n')
            return refuse(p, 400, "a CR without LF in a chunk line", err);
        p->cr = false;
        p->digits = 0;
        p->line = 0;
        p->blank = true;
        p->state = p->left ? CHUNK_DATA : TRAILERS;
        return BLIND_OK;
    }
    if (c == '\r') {
        p->cr = true;
        return BLIND_OK;
    }
    if (p->state == CHUNK_SIZE && c != ';')
        return refuse(p, 400, "a chunk size with a byte that is no digit", err);
    if ((c < 0x20 && c != '\t') || c == 0x7f)
        return refuse(p, 400, "a control character in a chunk extension", err);
    p->state = EXTENSION;
    if (++p->line > MAX_EXTENSION)
        return refuse(p, 400, "a chunk extension larger than the limit", err);
    return BLIND_OK;
}

static blind_code chunk_end(bl_http_parser *p, uint8_t c, blind_error *err)
{
    if (c != (p->cr ? '\n' : '\r'))
        return refuse(p, 400, "a chunk longer than its size", err);
    if (p->cr)
        p->state = CHUNK_SIZE;
    p->cr = !p->cr;
    return BLIND_OK;
}

/* Trailers are read over: nothing here uses them. */
static blind_code trailer(bl_http_parser *p, uint8_t c, blind_error *err)
{
    if (++p->line > MAX_TRAILERS)
        return refuse(p, 431, "trailers larger than the limit", err);
    if (p->cr != (c == '\n'))
        return refuse(p, 400, "a bare CR or LF in the trailers", err);
    if (c == '\n') {
        p->cr = false;
        if (p->blank)
            p->state = ENDED;
        p->blank = true;
    } else if (c == '\r') {
        p->cr = true;
    } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
        return refuse(p, 400, "a control character in the trailers", err);
    } else {
        p->blank = false;
    }
    return BLIND_OK;
}

/* Hands out what there is of the body, as far as this length or chunk goes. */
static blind_code take_body(bl_http_parser *p, blind_span input, size_t *used, blind_span *body,
                            blind_error *err)
{
    size_t n = input.size;
    if (p->state != UNTIL_CLOSE && n > p->left)
        n = (size_t)p->left;
    if (p->limits.body_max > 0 && n > p->limits.body_max - p->body)
        return refuse(p, 413, "the body is larger than the limit", err);
    p->body += n;
    *body = bl_span(input.data, n);
    *used = n;
    if (p->state == UNTIL_CLOSE)
        return BLIND_OK;
    p->left -= n;
    if (p->left == 0 && p->state == LENGTH)
        p->state = ENDED;
    else if (p->left == 0)
        p->state = CHUNK_END;
    return BLIND_OK;
}

static blind_code frame_byte(bl_http_parser *p, uint8_t c, blind_error *err)
{
    if (p->state == CHUNK_END)
        return chunk_end(p, c, err);
    return p->state == TRAILERS ? trailer(p, c, err) : chunk_line(p, c, err);
}

blind_code bl_http_parse(bl_http_parser *p, blind_span input, size_t *used, bl_http_event *event,
                         blind_span *body, blind_error *err)
{
    *used = 0;
    *event = BL_HTTP_MORE;
    *body = (blind_span){ 0 };
    if (p->state == BROKEN)
        return blind_fail(err, BLIND_PROTOCOL, "http.message", "nothing can follow an error");
    if (p->state == HEAD) {
        BL_TRY(take_head(p, input, used, err));
        if (p->state != BEGIN)
            return BLIND_OK;
        *event = BL_HTTP_HEAD;
        return parse_head(p, err);
    }
    while (p->state != ENDED && *used < input.size) {
        blind_span rest = bl_span(input.data + *used, input.size - *used);
        size_t     n = 1;
        if (p->state == LENGTH || p->state == CHUNK_DATA || p->state == UNTIL_CLOSE) {
            *event = BL_HTTP_BODY;
            BL_TRY(take_body(p, rest, &n, body, err));
            *used += n;
            return BLIND_OK;
        }
        BL_TRY(frame_byte(p, rest.data[0], err));
        *used += n;
    }
    if (p->state == ENDED)
        *event = BL_HTTP_END;
    return BLIND_OK;
}

blind_code bl_http_parse_eof(bl_http_parser *p, blind_error *err)
{
    if (p->state == UNTIL_CLOSE)
        p->state = ENDED;
    if (p->state == ENDED || (p->state == HEAD && p->bytes.size == 0))
        return BLIND_OK;
    p->state = BROKEN;
    return blind_fail(err, BLIND_PROTOCOL, "http.message", "the peer closed within a message");
}
