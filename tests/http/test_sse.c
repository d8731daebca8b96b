/* Server-sent events: what is an event, wherever the bytes are cut. */
#include "http/sse.h"
#include "tests/test.h"

typedef struct {
    bl_buf all;  /* each event in brackets */
    size_t left; /* fail when so many were taken */
} seen;

static blind_code take(void *arg, blind_span data, blind_error *err)
{
    seen *s = arg;
    bl_buf_add_str(&s->all, "[");
    bl_buf_add(&s->all, data);
    bl_buf_add_str(&s->all, "]");
    if (s->left && --s->left == 0)
        return blind_fail(err, BLIND_CANCELLED, "test", "enough");
    return BLIND_OK;
}

static void check(const char *stream, const char *want)
{
    for (size_t step = 1; step <= strlen(stream); step++) {
        seen        s = { .all = BL_BUF_EMPTY };
        bl_sse      reader;
        blind_error err;
        bl_sse_init(&reader, 100, take, &s);
        for (size_t at = 0; at < strlen(stream); at += step)
            assert_int_equal(BLIND_OK,
                             bl_sse_read(&reader,
                                         bl_span(stream + at, BL_MIN(step, strlen(stream) - at)),
                                         &err));
        assert_string_equal(bl_buf_cstr(&s.all), want);
        bl_sse_done(&reader);
        bl_buf_done(&s.all);
    }
}

TEST(data_is_what_an_event_is)
{
    check("data: a\n\n", "[a]");
    check("data:a\r\n\r\ndata: b\r\rdata:  c\n\n", "[a][b][ c]");
    check("data: a\ndata: b\n\n", "[a\nb]");
    check("data\n\n", "[]");
    check("data:\n\n", "[]");
    check(": comment\nevent: x\nid: 1\ndata: a\nretry: 5\n\n\n\n", "[a]");
    check("database: a\nDATA: b\n\n", "");
    check("data: not ended\n", "");
}

TEST(lines_and_events_are_bounded)
{
    char        line[128];
    blind_error err;
    bl_sse      reader;
    seen        s = { .all = BL_BUF_EMPTY };
    memset(line, 'x', sizeof line);
    bl_sse_init(&reader, 100, take, &s);
    assert_int_equal(BLIND_LIMIT, bl_sse_read(&reader, bl_span(line, sizeof line), &err));
    bl_sse_done(&reader);
    bl_sse_init(&reader, 100, take, &s);
    blind_code code = BLIND_OK;
    for (int i = 0; i < 4 && code == BLIND_OK; i++)
        code = bl_sse_read(&reader, BL_LITERAL("data: 0123456789012345678901234567890123456789\n"),
                           &err);
    assert_int_equal(BLIND_LIMIT, code);
    bl_sse_done(&reader);
    bl_buf_done(&s.all);
}

TEST(the_taker_may_end_it)
{
    blind_error err;
    bl_sse      reader;
    seen        s = { .left = 2 };
    bl_sse_init(&reader, 100, take, &s);
    assert_int_equal(BLIND_CANCELLED,
                     bl_sse_read(&reader, BL_LITERAL("data: a\n\ndata: b\n\ndata: c\n\n"), &err));
    assert_string_equal(bl_buf_cstr(&s.all), "[a][b]");
    bl_sse_done(&reader);
    bl_buf_done(&s.all);
}

TESTS(RUN(data_is_what_an_event_is), RUN(lines_and_events_are_bounded), RUN(the_taker_may_end_it))
