/* Markdown for a terminal: the same attributes however a text is cut, and nothing that steers. */
#include "cli/markdown.h"
#include "tests/test.h"

/* Attributes as short marks: {} none, {1} strong, ... */
static char *shown(const char *text, size_t step, bool plain, bl_buf *out)
{
    bl_markdown m = { .plain = plain };
    for (size_t at = 0; at < strlen(text);) {
        size_t len = BL_MIN(step, strlen(text) - at);
        while (((unsigned char)text[at + len] & 0xc0u) == 0x80) /* whole characters */
            len++;
        bl_markdown_write(&m, bl_span(text + at, len), out);
        at += len;
    }
    bl_markdown_end(&m, out);
    char *all = bl_buf_cstr(out), *to = all;
    assert_non_null(all);
    for (const char *from = all; *from; from++) {
        if (strncmp(from, "\033[0", 3) == 0) {
            *to++ = '{';
            for (from += from[3] == ';' ? 4 : 3; *from != 'm'; from++)
                *to++ = *from;
            *to++ = '}';
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
    return all;
}

static void check(const char *text, const char *want)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        bl_auto_buf out = BL_BUF_EMPTY;
        char       *got = shown(text, step, false, &out);
        char        ends[512];
        snprintf(ends, sizeof ends, "%s{}", want);
        assert_string_equal(got, ends);
    }
}

TEST(marks_become_attributes)
{
    check("a **b** c", "a {1}b{} c");
    check("a *b* c", "a {3}b{} c");
    check("a `b*c*` d", "a {36}b*c*{} d");
    check("**a *b* c**", "{1}a {1;3}b{1} c{}");
    check("# Title\nx", "{1}# Title{}\nx");
    check("> said\nx", "{2}> said{}\nx");
    check("```c\na *b*\n```\nx", "{2;36}```c{36}\na *b*\n{2}```{}\nx");
}

TEST(what_is_no_mark_stays)
{
    check("2 * 3 * 4", "2 * 3 * 4");
    check("a_b_c", "a_b_c");
    check("* one\n* two", "{}* one\n{}* two");
    check("#hash\n####### x", "#hash\n####### x");
    check("***", "***");
    check("not **closed\nx", "not {1}closed{}\nx");
    check("a ``b`` c", "a ``b`` c");
}

TEST(nothing_steers_the_terminal)
{
    static const char text[] = "a\033[2Jb\rc\007d\x7f\xc2\x9b"
                               "31me\xe2\x80\xae"
                               "f\tg\n\xff";
    bl_auto_buf       out = BL_BUF_EMPTY;
    assert_string_equal(shown(text, sizeof text, true, &out), "a[2Jbcd31mef\tg\n\xef\xbf\xbd");
}

TESTS(RUN(marks_become_attributes), RUN(what_is_no_mark_stays), RUN(nothing_steers_the_terminal))
