/* The parser of HTTP/1.1 messages: what it takes, and what it must refuse. */
#include "http/message.h"
#include "tests/test.h"

#define HOST "Host: h\r\n"

typedef struct {
    blind_code code;
    int        refusal, heads, ends;
    bool       keep_alive;
    size_t     left; /* bytes not taken */
    char       body[256];
    size_t     body_size;
} outcome;

/* Feeds `text` in pieces of `step` bytes until the first message ends. */
static outcome feed(bl_http_kind kind, blind_span text, size_t step, const bl_http_limits *limits)
{
    bl_http_parser p;
    outcome        o = { 0 };
    bl_http_parser_init(&p, kind, limits);
    size_t at = 0;
    bool   more = false;
    while (o.code == BLIND_OK && o.ends == 0 && (at < text.size || !more)) {
        bl_http_event event;
        blind_span    body;
        size_t        used;
        blind_span    piece = { text.data + at, BL_MIN(step, text.size - at) };
        o.code = bl_http_parse(&p, piece, &used, &event, &body, NULL);
        if (o.code != BLIND_OK)
            break;
        at += used;
        more = event == BL_HTTP_MORE;
        o.heads += event == BL_HTTP_HEAD;
        o.ends += event == BL_HTTP_END;
        if (event == BL_HTTP_HEAD)
            o.keep_alive = p.head.keep_alive;
        if (event == BL_HTTP_BODY && o.body_size + body.size < sizeof o.body) {
            memcpy(o.body + o.body_size, body.data, body.size);
            o.body_size += body.size;
        }
    }
    o.refusal = p.refusal;
    o.left = text.size - at;
    bl_http_parser_done(&p);
    return o;
}

static const struct {
    const char *name, *text, *body;
    size_t      left;
    bool        close;
} good_requests[] = {
    { "no body", "GET / HTTP/1.1\r\n" HOST "\r\n", "", 0, false },
    { "body", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", "abc", 0, false },
    { "length 0", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "", 0, false },
    { "chunked",
      "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
      "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
      "abc0123456789", 0, false },
    { "chunk extension and trailer",
      "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
      "3;x=\"y\"\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n",
      "abc", 0, false },
    { "pipelined bytes are left", "GET / HTTP/1.1\r\n" HOST "\r\nGET", "", 3, false },
    { "version 1.0 closes", "GET / HTTP/1.0\r\n\r\n", "", 0, true },
    { "version 1.0 kept", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "", 0, false },
    { "close in a list", "GET / HTTP/1.1\r\n" HOST "Connection: x , close\r\n\r\n", "", 0, true },
    { "blanks around a value", "GET / HTTP/1.1\r\nHost:\t h \t\r\n\r\n", "", 0, false },
};

TEST(requests_are_the_same_in_any_pieces)
{
    for (size_t i = 0; i < BL_LEN(good_requests); i++) {
        blind_span text = bl_span_str(good_requests[i].text);
        for (size_t step = 1; step <= text.size; step++) {
            outcome o = feed(BL_HTTP_REQUEST, text, step, NULL);
            CHECK_CODE(BLIND_OK, o.code, good_requests[i].name);
            CHECK(o.heads == 1 && o.ends == 1);
            CHECK(o.left == good_requests[i].left);
            CHECK(o.keep_alive == !good_requests[i].close);
            CHECK(o.body_size == strlen(good_requests[i].body));
            CHECK(memcmp(o.body, good_requests[i].body, o.body_size) == 0);
        }
    }
}

TEST(no_prefix_of_a_request_is_a_request)
{
    for (size_t i = 0; i < BL_LEN(good_requests); i++) {
        blind_span text = bl_span_str(good_requests[i].text);
        for (size_t n = 0; n < text.size - good_requests[i].left; n++) {
            outcome o = feed(BL_HTTP_REQUEST, bl_span(text.data, n), 7, NULL);
            CHECK_CODE(BLIND_OK, o.code, good_requests[i].name);
            CHECK(o.ends == 0);
        }
    }
}

#define POST "POST / HTTP/1.1\r\n" HOST
static const struct {
    const char *name, *text;
    int         status;
} bad_requests[] = {
    { "length and coding", POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
    { "coding and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400 },
    { "two lengths", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400 },
    { "a list of lengths", POST "Content-Length: 3, 3\r\n\r\n", 400 },
    { "a signed length", POST "Content-Length: +3\r\n\r\n", 400 },
    { "a negative length", POST "Content-Length: -3\r\n\r\n", 400 },
    { "a hexadecimal length", POST "Content-Length: 0x3\r\n\r\n", 400 },
    { "an empty length", POST "Content-Length:\r\n\r\n", 400 },
    { "a length past 64 bits", POST "Content-Length: 18446744073709551616\r\n\r\n", 400 },
    { "two codings", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
    { "gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
    { "chunked, identity", POST "Transfer-Encoding: chunked, identity\r\n\r\n", 501 },
    { "xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", 501 },
    { "vertical tab in a coding", POST "Transfer-Encoding: \vchunked\r\n\r\n", 400 },
    { "coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
    { "blank before the colon", POST "Content-Length : 3\r\n\r\n", 400 },
    { "folded line", POST "X: a\r\n b\r\n\r\n", 400 },
    { "folded first line", "POST / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", 400 },
    { "bare LF", "GET / HTTP/1.1\n" HOST "\r\n", 400 },
    { "bare LF at the end", "GET / HTTP/1.1\r\n" HOST "\n", 400 },
    { "bare CR", "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400 },
    { "CR CR LF", "GET / HTTP/1.1\r\r\n" HOST "\r\n", 400 },
    { "no field name", POST ": x\r\n\r\n", 400 },
    { "no colon", POST "X\r\n\r\n", 400 },
    { "bracket in a name", POST "X[: y\r\n\r\n", 400 },
    { "control in a value", POST "X: a\001b\r\n\r\n", 400 },
    { "no Host", "GET / HTTP/1.1\r\n\r\n", 400 },
    { "two Hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
    { "another expectation", POST "Expect: 200-ok\r\n\r\n", 417 },
    { "version 2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
    { "version 1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505 },
    { "no version", "GET /\r\n" HOST "\r\n", 400 },
    { "lower-case version", "GET / http/1.1\r\n" HOST "\r\n", 400 },
    { "two blanks", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "trailing blank", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400 },
    { "absolute form", "GET http://h/ HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "fragment", "GET /#a HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "byte above ASCII", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "empty line first", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "a TLS record", "\x16\x03\x01\x02\x01\x01\xfc", 400 },
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
    { "chunk without a size", CHUNKED "\r\nabc", 400 },
    { "chunk size with a sign", CHUNKED "+3\r\nabc\r\n", 400 },
    { "chunk size 0x3", CHUNKED "0x3\r\nabc\r\n", 400 },
    { "chunk size with a blank", CHUNKED "3 \r\nabc\r\n", 400 },
    { "chunk size of 64 bits", CHUNKED "ffffffffffffffff\r\n", 400 },
    { "chunk longer than its size", CHUNKED "3\r\nabcd\r\n", 400 },
    { "chunk line ends in LF", CHUNKED "3\nabc\r\n", 400 },
    { "chunk ends in LF", CHUNKED "3\r\nabc\n", 400 },
    { "LF in a chunk extension", CHUNKED "3;a\nb\r\nabc\r\n", 400 },
    { "bare LF in the trailers", CHUNKED "0\r\nA: b\n\r\n", 400 },
};

TEST(requests_that_two_readers_could_read_differently_are_refused)
{
    for (size_t i = 0; i < BL_LEN(bad_requests); i++) {
        blind_span text = bl_span_str(bad_requests[i].text);
        for (size_t step = 1; step <= text.size; step += text.size - 1) {
            outcome o = feed(BL_HTTP_REQUEST, text, step, NULL);
            CHECK_CODE(BLIND_PROTOCOL, o.code, bad_requests[i].name);
            if (o.refusal != bad_requests[i].status)
                fail_msg("%s: expected %d, found %d", bad_requests[i].name, bad_requests[i].status,
                         o.refusal);
        }
    }
}

TEST(a_nul_is_refused_everywhere)
{
    static const char text[] = "GET /a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n";
    for (size_t i = 0; i < sizeof text - 3; i++) {
        char damaged[sizeof text];
        memcpy(damaged, text, sizeof text);
        damaged[i] = 0;
        outcome o = feed(BL_HTTP_REQUEST, bl_span(damaged, sizeof text - 1), 100, NULL);
        CHECK(o.code == BLIND_PROTOCOL);
    }
}

TEST(limits_hold)
{
    bl_http_limits limits = { .head_max = 64, .body_max = 4 };
    char           text[4096];
    int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "X: %0*d\r\n\r\n", 32, 0);
    CHECK(n == 64);
    CHECK_CODE(BLIND_OK, feed(BL_HTTP_REQUEST, bl_span_str(text), 5, &limits).code, "64 bytes");
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "X: %0*d\r\n\r\n", 33, 0);
    outcome o = feed(BL_HTTP_REQUEST, bl_span_str(text), 5, &limits);
    CHECK(o.code == BLIND_LIMIT && o.refusal == 431);
    o = feed(BL_HTTP_REQUEST, bl_span_str(POST "Content-Length: 5\r\n\r\n"), 9, &limits);
    CHECK(o.code == BLIND_LIMIT && o.refusal == 413);
    o = feed(BL_HTTP_REQUEST, bl_span_str(POST "Content-Length: 4\r\n\r\nabcd"), 9, &limits);
    CHECK(o.code == BLIND_OK && o.ends == 1);
    limits.head_max = 0;
    o = feed(BL_HTTP_REQUEST, bl_span_str(CHUNKED "3\r\nabc\r\n2\r\nde\r\n"), 99, &limits);
    CHECK(o.code == BLIND_LIMIT && o.refusal == 413);
    bl_buf many = BL_BUF_EMPTY;
    bl_buf_add_str(&many, POST);
    for (int i = 0; i < BL_MAX_HEADERS; i++)
        bl_buf_add_str(&many, "X: y\r\n");
    bl_buf_add_str(&many, "\r\n");
    o = feed(BL_HTTP_REQUEST, bl_buf_span(&many), many.size, NULL);
    CHECK(o.code == BLIND_LIMIT && o.refusal == 431);
    bl_buf_clear(&many);
    bl_buf_printf(&many, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", BL_MAX_TARGET_SIZE, 0);
    o = feed(BL_HTTP_REQUEST, bl_buf_span(&many), many.size, NULL);
    CHECK(o.code == BLIND_LIMIT && o.refusal == 414);
    bl_buf_done(&many);
}

TEST(responses_end_where_they_should)
{
    static const struct {
        const char *name, *text;
        int         ends;
        size_t      body;
    } cases[] = {
        { "length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", 1, 2 },
        { "no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 1, 0 },
        { "chunked", "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 1,
          1 },
        { "204", "HTTP/1.1 204 No Content\r\n\r\n", 1, 0 },
        { "100", "HTTP/1.1 100 Continue\r\n\r\n", 1, 0 },
        { "until close", "HTTP/1.1 200 OK\r\n\r\nabc", 0, 3 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        outcome o = feed(BL_HTTP_RESPONSE, bl_span_str(cases[i].text), 2, NULL);
        CHECK_CODE(BLIND_OK, o.code, cases[i].name);
        CHECK(o.heads == 1 && o.ends == cases[i].ends && o.body_size == cases[i].body);
    }
    static const char *const bad[] = { "HTTP/1.1 99 x\r\n\r\n",     "HTTP/1.1 0200 x\r\n\r\n",
                                       "HTTP/1.1 2x0 x\r\n\r\n",    "HTTP/1.1200 x\r\n\r\n",
                                       "ICY 200 OK\r\n\r\n",        "HTTP/1.1\r\n\r\n",
                                       "HTTP/1.1 200 a\001\r\n\r\n" };
    for (size_t i = 0; i < BL_LEN(bad); i++)
        CHECK_CODE(BLIND_PROTOCOL, feed(BL_HTTP_RESPONSE, bl_span_str(bad[i]), 99, NULL).code,
                   bad[i]);
}

TEST(a_close_within_a_message_is_an_error)
{
    static const struct {
        const char *text;
        blind_code  want;
    } cases[] = {
        { "", BLIND_OK },
        { "HTTP/1.1 200 OK\r\n\r\nabc", BLIND_OK },
        { "H", BLIND_PROTOCOL },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", BLIND_PROTOCOL },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", BLIND_PROTOCOL },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_http_parser p;
        bl_http_parser_init(&p, BL_HTTP_RESPONSE, NULL);
        blind_span    rest = bl_span_str(cases[i].text), body;
        bl_http_event event = BL_HTTP_MORE;
        do {
            size_t used;
            CHECK(bl_http_parse(&p, rest, &used, &event, &body, NULL) == BLIND_OK);
            rest = bl_span(rest.data + used, rest.size - used);
        } while (event != BL_HTTP_MORE);
        CHECK_CODE(cases[i].want, bl_http_parse_eof(&p, NULL), cases[i].text);
        bl_http_parser_done(&p);
    }
}

TEST(writers_never_break_a_message)
{
    bl_buf out = BL_BUF_EMPTY;
    bl_http_write_request(&out, "POST", "/v2", "h:1");
    bl_http_write_field(&out, "X", "a b");
    bl_http_write_field(&out, "Transfer-Encoding", "chunked");
    bl_http_write_end(&out);
    bl_http_write_chunk(&out, BL_LITERAL("0123456789abcdef"));
    bl_http_write_chunk(&out, BL_LITERAL(""));
    bl_http_write_last_chunk(&out);
    outcome o = feed(BL_HTTP_REQUEST, bl_buf_span(&out), 3, NULL);
    CHECK(o.code == BLIND_OK && o.ends == 1 && o.body_size == 16 && o.left == 0);
    static const char *const bad[] = { "a\r\nb", "a\nb", "a\rb" };
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        bl_buf one = BL_BUF_EMPTY;
        bl_http_write_field(&one, "X", bad[i]);
        CHECK(!bl_buf_ok(&one));
        bl_buf_done(&one);
        bl_http_write_request(&one, "GET", bad[i], "h");
        CHECK(!bl_buf_ok(&one));
        bl_buf_done(&one);
    }
    bl_buf_done(&out);
}

TEST(paths_fall_apart_into_segments)
{
    blind_span path, query;
    bool       bad;
    char       s[8];
    bl_http_target_split(BL_LITERAL("/v2/a%20b//c?x=1/2"), &path, &query);
    CHECK(bl_span_equal(query, BL_LITERAL("x=1/2")));
    CHECK(bl_http_path_next(&path, s, sizeof s, &bad) && strcmp(s, "v2") == 0);
    CHECK(bl_http_path_next(&path, s, sizeof s, &bad) && strcmp(s, "a b") == 0);
    CHECK(bl_http_path_next(&path, s, sizeof s, &bad) && strcmp(s, "") == 0);
    CHECK(bl_http_path_next(&path, s, sizeof s, &bad) && strcmp(s, "c") == 0);
    CHECK(!bl_http_path_next(&path, s, sizeof s, &bad) && !bad);
    static const char *const broken[] = { "/%", "/%4", "/%zz", "/%00", "/12345678" };
    for (size_t i = 0; i < BL_LEN(broken); i++) {
        path = bl_span_str(broken[i]);
        CHECK(!bl_http_path_next(&path, s, sizeof s, &bad) && bad);
    }
}

TESTS(RUN(requests_are_the_same_in_any_pieces), RUN(no_prefix_of_a_request_is_a_request),
      RUN(requests_that_two_readers_could_read_differently_are_refused),
      RUN(a_nul_is_refused_everywhere), RUN(limits_hold), RUN(responses_end_where_they_should),
      RUN(a_close_within_a_message_is_an_error), RUN(writers_never_break_a_message),
      RUN(paths_fall_apart_into_segments))
