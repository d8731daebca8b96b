/* The log: whole lines, nothing a name holds can end a value or a line. */
#include "base/clock.h"
#include "base/log.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>

static int ends[2];

/* What was written since the last call. */
static const char *logged(void)
{
    static char text[65536];
    ssize_t     n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void start(bl_log_level level, bl_log_format format)
{
    if (!ends[0])
        CHECK(pipe2(ends, O_NONBLOCK) == 0);
    bl_log_open(level, format, ends[1]);
}

TEST(log_writes_lines_for_people)
{
    start(BL_LOG_INFO, BL_LOG_TEXT);
    errno = EAGAIN;
    bl_log(BL_LOG_INFO, "model.load", BL_LOG_REQUEST(7), BL_LOG_NAME("model", "digits"),
           BL_LOG_SIZE("bytes", 42), BL_LOG_INT("left", -1), BL_LOG_MS("ms", 1.5),
           BL_LOG_CODE(BLIND_OK));
    assert_int_equal(EAGAIN, errno);
    const char *line = logged();
    CHECK(strlen(line) > 25 && line[10] == 'T' && line[23] == 'Z');
    assert_string_equal(
        " info model.load request=7 model=digits bytes=42 left=-1 ms=1.500 code=OK\n", line + 24);
    bl_log(BL_LOG_ERROR, "server.stop");
    assert_string_equal(" error server.stop\n", logged() + 24);
}

TEST(log_keeps_to_its_level)
{
    start(BL_LOG_WARN, BL_LOG_TEXT);
    bl_log(BL_LOG_INFO, "x");
    bl_log(BL_LOG_DEBUG, "x");
    assert_string_equal("", logged());
    bl_log(BL_LOG_WARN, "x");
    CHECK(*logged());
    start(BL_LOG_OFF, BL_LOG_TEXT);
    bl_log(BL_LOG_ERROR, "x");
    CHECK(!bl_log_on(BL_LOG_OFF));
    assert_string_equal("", logged());
}

static const char *const names[] = {
    "",         "two words",    "a\nb", "a\"b\\",   "\x1b[31m", "caf\xc3\xa9",
    "\xff\xfe", "\xe2\x80\xa8", "\x7f", "\xc2\x9b",
};

TEST(log_escapes_what_strangers_name)
{
    for (size_t i = 0; i < BL_LEN(names); i++) {
        json_error_t why;
        start(BL_LOG_INFO, BL_LOG_JSON);
        bl_log(BL_LOG_INFO, "x", BL_LOG_NAME("name", names[i]), BL_LOG_MS("ms", (double)NAN));
        const char *line = logged();
        CHECK(strchr(line, '\n') == line + strlen(line) - 1);
        CHECK(!strpbrk(line, "\x1b\x7f") && !strstr(line, "\xe2\x80\xa8") &&
              !strstr(line, "\xc2\x9b"));
        json_t *object = json_loads(line, 0, &why);
        if (!object)
            fail_msg("%s in %s", why.text, line);
        CHECK(json_string_length(json_object_get(object, "name")) >= strlen(names[i]));
        json_decref(object);
        start(BL_LOG_INFO, BL_LOG_TEXT);
        bl_log(BL_LOG_INFO, "x", BL_LOG_NAME("name", names[i]));
        line = logged();
        CHECK(strchr(line, '\n') == line + strlen(line) - 1 && strstr(line, "name=\""));
    }
}

TEST(log_cuts_long_names)
{
    char long_name[4000];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    start(BL_LOG_INFO, BL_LOG_TEXT);
    bl_log(BL_LOG_INFO, "x", BL_LOG_NAME("name", long_name), BL_LOG_NAME("none", NULL));
    const char *line = logged();
    assert_int_equal(24 + strlen(" info x name=") + 128 + strlen("... none=\"\"\n"), strlen(line));
    memcpy(long_name + 126, "\xf0\x9f\x98\x80", 4); /* the cut falls inside a character */
    bl_log(BL_LOG_INFO, "x", BL_LOG_NAME("name", long_name));
    CHECK(strchr(logged(), '\n'));
}

static void *log_some(void *arg)
{
    for (int i = 0; i < 50; i++)
        bl_log(BL_LOG_INFO, "thread", BL_LOG_NAME("name", arg), BL_LOG_COUNT("i", i));
    return NULL;
}

TEST(log_lines_of_threads_stay_whole)
{
    pthread_t threads[4];
    int       lines = 0;
    start(BL_LOG_INFO, BL_LOG_TEXT);
    for (size_t i = 0; i < BL_LEN(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, log_some, (void *)(uintptr_t) "abc") == 0);
    for (size_t i = 0; i < BL_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    for (const char *s = logged(); *s; s = strchr(s, '\n') + 1, lines++)
        CHECK(strncmp(s + 24, " info thread name=abc i=", 24) == 0);
    assert_int_equal(200, lines);
}

TEST(log_levels_have_names)
{
    bl_log_level level = BL_LOG_OFF;
    CHECK(bl_log_level_parse("debug", &level) && level == BL_LOG_DEBUG);
    CHECK(!bl_log_level_parse("Debug", &level) && !bl_log_level_parse("", &level));
}

TEST(clocks_go_forward)
{
    uint64_t first = bl_clock_ns();
    CHECK(bl_clock_ns() >= first);
    CHECK(bl_clock_wall_s() > 1700000000 && bl_clock_wall_ms() / 1000 >= bl_clock_wall_s() - 1);
}

TESTS(RUN(log_writes_lines_for_people), RUN(log_keeps_to_its_level),
      RUN(log_escapes_what_strangers_name), RUN(log_cuts_long_names),
      RUN(log_lines_of_threads_stay_whole), RUN(log_levels_have_names), RUN(clocks_go_forward))
