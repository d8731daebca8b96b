/* TOML: every recorded case, and cases of our own for a plain clone. */
#include "base/toml.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "tests/test.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>

/* ---- recorded cases: valid ones against their tagged JSON, invalid ones refused ---- */

static void time_text(const bl_toml *node, char *to, size_t room)
{
    const bl_toml_time *t = &node->time;
    int                 n = 0;
    if (node->type != BL_TOML_TIME_LOCAL)
        n += snprintf(to, room, "%04d-%02d-%02d", t->year, t->month, t->day);
    if (node->type == BL_TOML_DATE_LOCAL)
        return;
    n += snprintf(to + n, room - (size_t)n, "%s%02d:%02d:%02d", n ? "T" : "", t->hour, t->minute,
                  t->second);
    if (t->nanosecond)
        n += snprintf(to + n, room - (size_t)n, ".%09d", t->nanosecond);
    if (node->type == BL_TOML_DATETIME && t->offset_min == 0)
        snprintf(to + n, room - (size_t)n, "Z");
    else if (node->type == BL_TOML_DATETIME)
        snprintf(to + n, room - (size_t)n, "%c%02d:%02d", t->offset_min < 0 ? '-' : '+',
                 abs(t->offset_min) / 60, abs(t->offset_min) % 60);
}

/* Fractions have any number of digits: those recorded are padded to nine. */
static bool same_time(const bl_toml *node, const char *want)
{
    char text[96], padded[96];
    time_text(node, text, sizeof text);
    const char *dot = strchr(want, '.');
    if (!dot)
        return strcmp(text, want) == 0;
    int digits = (int)BL_MIN(strspn(dot + 1, "0123456789"), (size_t)9);
    snprintf(padded, sizeof padded, "%.*s.%.*s%.*s%s", (int)(dot - want), want, digits, dot + 1,
             9 - digits, "000000000", dot + 1 + digits);
    return strcmp(text, padded) == 0;
}

static bool same_float(double got, const char *want)
{
    if (strstr(want, "nan"))
        return isnan(got);
    if (strstr(want, "inf"))
        return isinf(got) && (signbit(got) != 0) == (*want == '-');
    double other = strtod(want, NULL);
    return memcmp(&got, &other, sizeof got) == 0;
}

/* jansson refuses NUL in keys, so U+E000 stands for it on both sides. */
static const char *visible(blind_span s)
{
    static char text[65536];
    size_t      n = 0;
    for (size_t i = 0; i < s.size && n < sizeof text - 4; i++) {
        if (s.data[i])
            text[n++] = (char)s.data[i];
        else
            n += (size_t)snprintf(text + n, 4, "\xee\x80\x80");
    }
    text[n] = '\0';
    return text;
}

static bool same_scalar(const bl_toml *node, const char *type, const char *want)
{
    static const char *const names[] = {
        "string",         "integer",    "float",      "bool", "datetime",
        "datetime-local", "date-local", "time-local", "",     ""
    };
    if (strcmp(type, names[node->type]) != 0)
        return false;
    switch (node->type) {
    case BL_TOML_STRING:
        return strcmp(visible(node->string), want) == 0;
    case BL_TOML_INTEGER:
        return node->integer == strtoll(want, NULL, 10);
    case BL_TOML_FLOAT:
        return same_float(node->number, want);
    case BL_TOML_BOOL:
        return node->truth == (strcmp(want, "true") == 0);
    default:
        return same_time(node, want);
    }
}

static bool same(const bl_toml *node, const json_t *want);

static bool same_members(const bl_toml *node, const json_t *want)
{
    size_t i = 0;
    for (const bl_toml *m = node->first; m; m = m->next) {
        const json_t *member = json_is_array(want) ? json_array_get(want, i++)
                                                   : json_object_get(want, visible(m->key));
        if (!member || !same(m, member))
            return false;
    }
    return true;
}

static bool same(const bl_toml *node, const json_t *want)
{
    const char *type = json_string_value(json_object_get(want, "type"));
    const char *value = json_string_value(json_object_get(want, "value"));
    if (json_is_object(want) && json_object_size(want) == 2 && type && value)
        return same_scalar(node, type, value);
    if (json_is_array(want))
        return node->type == BL_TOML_ARRAY && node->len == json_array_size(want) &&
               same_members(node, want);
    return node->type == BL_TOML_TABLE && node->len == json_object_size(want) &&
           same_members(node, want);
}

static json_t *tagged(const char *toml_path)
{
    bl_auto_buf  text = BL_BUF_EMPTY;
    json_error_t why;
    char         path[4096];
    snprintf(path, sizeof path, "%.*s.json", (int)strlen(toml_path) - 5, toml_path);
    CHECK_CODE(BLIND_OK, bl_file_read(path, 1 << 20, &text, NULL), path);
    char *s = bl_buf_cstr(&text);
    for (char *at = s; (at = strchr(at, '\\')); at += 2) /* an escape, or an escaped backslash */
        if (strncmp(at, "\\u0000", 6) == 0)
            memcpy(at, "\\ue000", 6);
    json_t *value = json_loads(s, 0, &why);
    if (!value)
        fail_msg("%s: %s", path, why.text);
    return value;
}

static void check_case(const char *path, bool valid)
{
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    bl_auto_buf    text = BL_BUF_EMPTY;
    blind_error    err = { 0 };
    const bl_toml *root;
    CHECK_CODE(BLIND_OK, bl_file_read(path, 1 << 20, &text, &err), path);
    blind_code code = bl_toml_parse(bl_buf_span(&text), &arena, &root, &err);
    if ((code == BLIND_OK) != valid)
        fail_msg("%s: %s", path, valid ? err.message : "accepted");
    if (!valid) {
        CHECK(code == BLIND_INPUT && strncmp(err.message, "line ", 5) == 0);
        return;
    }
    json_t *want = tagged(path);
    if (!same(root, want))
        fail_msg("%s: parsed to something else", path);
    json_decref(want);
}

static int walk(const char *folder, bool valid)
{
    int  seen = 0;
    DIR *d = opendir(folder);
    if (!d)
        fail_msg("cannot open %s", folder);
    for (struct dirent *e; (e = readdir(d));) {
        char        path[4096];
        struct stat st;
        size_t      n = strlen(e->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            seen += walk(path, valid);
        } else if (n > 5 && strcmp(e->d_name + n - 5, ".toml") == 0) {
            check_case(path, valid);
            seen++;
        }
    }
    closedir(d);
    return seen;
}

TEST(toml_gets_every_recorded_case_right)
{
    const char *vectors = test_vectors();
    if (!vectors)
        skip();
    char path[4096];
    snprintf(path, sizeof path, "%s/toml/valid", vectors);
    int valid = walk(path, true);
    snprintf(path, sizeof path, "%s/toml/invalid", vectors);
    int invalid = walk(path, false);
    print_message("%d valid and %d invalid cases\n", valid, invalid);
    CHECK(valid >= 200 && invalid >= 450);
}

/* ---- our own ---- */

static const char document[] =
    "name = 'x'\n\"quoted key\" = \"\"\"\n  two\n  lines\\\n     end\"\"\"\n"
    "n = 1_000\nx = -1.5e3\nyes = true\nwhen = 2026-11-21T10:00:00.25+01:30\n"
    "list = [1, [2, 3,], # inside\n  {k = 'v', d.e = 2}]\n"
    "[t.u]\nk = 1\n[[rows]]\nid = 1\n[[rows]]\nid = 2\n[rows.sub]\nz = 0b11\n";

static const char marked[] = "\xef\xbb\xbf# a comment\n"
                             "title = \"caf\\u00e9 \\U0001F600\" # behind\r\n"
                             "a.b.c = 0xf_f\r\nd = 07:32:00.5\ne = 1979-05-27\nf = +inf";

static void check_string(const bl_toml *node, const char *want)
{
    CHECK(node && node->type == BL_TOML_STRING);
    assert_string_equal(want, (const char *)node->string.data);
}

static const bl_toml *last_of(const bl_toml *array)
{
    const bl_toml *m = array->first;
    while (m->next)
        m = m->next;
    return m;
}

TEST(toml_reads_what_the_specification_shows)
{
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    blind_error    err;
    const bl_toml *root;
    CHECK_CODE(BLIND_OK, bl_toml_parse(bl_span_str(document), &arena, &root, &err), err.message);
    check_string(bl_toml_get(root, "name"), "x");
    check_string(bl_toml_get(root, "quoted key"), "  two\n  linesend");
    assert_int_equal(1000, bl_toml_get(root, "n")->integer);
    CHECK(bl_toml_get(root, "x")->number == -1500.0 && bl_toml_get(root, "yes")->truth);
    assert_int_equal(1795249800, bl_toml_seconds(bl_toml_get(root, "when")));
    assert_int_equal(250000000, bl_toml_get(root, "when")->time.nanosecond);
    const bl_toml *list = bl_toml_get(root, "list"), *rows = bl_toml_get(root, "rows");
    CHECK(list->len == 3 && rows->len == 2);
    assert_int_equal(2, bl_toml_get(bl_toml_get(last_of(list), "d"), "e")->integer);
    assert_int_equal(3, bl_toml_get(bl_toml_get(last_of(rows), "sub"), "z")->integer);
    assert_int_equal(12, bl_toml_get(bl_toml_get(root, "t"), "u")->line);
}

TEST(toml_reads_marks_escapes_and_times)
{
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    blind_error    err;
    const bl_toml *root;
    CHECK_CODE(BLIND_OK, bl_toml_parse(bl_span_str(marked), &arena, &root, &err), err.message);
    check_string(bl_toml_get(root, "title"), "caf\xc3\xa9 \xf0\x9f\x98\x80");
    const bl_toml *c = bl_toml_get(bl_toml_get(bl_toml_get(root, "a"), "b"), "c");
    CHECK(c && c->integer == 255 && c->line == 3 && c->column == 5);
    assert_int_equal(BL_TOML_TIME_LOCAL, bl_toml_get(root, "d")->type);
    assert_int_equal(BL_TOML_DATE_LOCAL, bl_toml_get(root, "e")->type);
    CHECK(isinf(bl_toml_get(root, "f")->number));
}

static const struct {
    const char *text, *where;
} bad[] = {
    { "a", "line 1 column 2" },
    { "a = ", "line 1 column 5" },
    { "a = 1\na = 2", "line 2 column 1" },
    { "a = 1 b = 2", "line 1 column 7" },
    { "[a]\n[a]", "line 2 column 2" },
    { "a = {b = 1}\n[a.c]", "line 2 column 2" },
    { "a = {b = 1}\na.c = 1", "line 2 column 1" },
    { "a = [1 2]", "line 1 column 8" },
    { "a = [1]\n[[a]]", "line 2 column 3" },
    { "[[a]]\n[a]", "line 2 column 2" },
    { "[a]\n[[a]]", "line 2 column 3" },
    { "[a.b.c]\n[a]\nb.c.d = 1", "line 3 column 3" },
    { "a = 'x\n'", "line 1 column 7" },
    { "a = \"\\q\"", "line 1 column 8" },
    { "a = \"\\u00g0\"", "line 1 column 10" },
    { "a = \"\\ud800\"", "line 1 column 12" },
    { "a = \"\"\"x", "line 1 column 9" },
    { "a = 01", "line 1 column 5" },
    { "a = 1__0", "line 1 column 6" },
    { "a = 1_", "line 1 column 6" },
    { "a = +0x1", "line 1 column 7" },
    { "a = 0x", "line 1 column 7" },
    { "a = 0x10000000000000000", "line 1 column 5" },
    { "a = 9223372036854775808", "line 1 column 5" },
    { "a = 2026-02-29", "line 1 column 5" },
    { "a = 2026-01-01T24:00:00", "line 1 column 5" },
    { "a = 2026-01-01T00:00:00+24:00", "line 1 column 5" },
    { "a = 07:32", "line 1 column 5" },
    { "a = 1.", "line 1 column 7" },
    { "a = 1e", "line 1 column 7" },
    { "a = {b = 1,}", "line 1 column 12" },
    { "a = {b = 1\n}", "line 1 column 11" },
    { "a = {b = 1", "line 1 column 11" },
    { "a = tru", "line 1 column 5" },
    { "\"\xff\" = 1", "line 1 column 2" },
    { "a = \"\x01\"", "line 1 column 6" },
    { "# \x7f", "line 1 column 3" },
    { "[]", "line 1 column 2" },
    { "[a", "line 1 column 3" },
    { "[[a]", "line 1 column 5" },
    { "= 1", "line 1 column 1" },
    { "\"\"\"a\"\"\" = 1", "line 1 column 3" },
    { "a = 1\r", "line 1 column 6" },
    { "\xc3\xa9 = 1", "line 1 column 1" },
    { "a = '\xc3\xa9' x", "line 1 column 9" },
};

TEST(toml_says_where_it_is_wrong)
{
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        bl_auto_arena  arena = BL_ARENA_EMPTY;
        blind_error    err = { 0 };
        const bl_toml *root;
        CHECK_CODE(BLIND_INPUT, bl_toml_parse(bl_span_str(bad[i].text), &arena, &root, &err),
                   bad[i].text);
        assert_null(root);
        size_t n = strlen(bad[i].where);
        if (strncmp(err.message, bad[i].where, n) != 0 || err.message[n] != ':')
            print_error("%s: %s, expected %s\n", bad[i].text, err.message, bad[i].where);
        CHECK(strncmp(err.message, bad[i].where, n) == 0 && err.message[n] == ':');
    }
}

TEST(toml_survives_every_prefix)
{
    const char *const texts[] = { marked, document };
    for (size_t t = 0; t < BL_LEN(texts); t++) {
        for (size_t n = 0; n <= strlen(texts[t]); n++) {
            bl_auto_arena      arena = BL_ARENA_EMPTY;
            const bl_toml     *root;
            bl_auto_free char *exact = malloc(n + 1); /* so that a read past the end is seen */
            CHECK(exact);
            memcpy(exact + 1, texts[t], n);
            blind_code code = bl_toml_parse(bl_span(exact + 1, n), &arena, &root, NULL);
            CHECK((code == BLIND_OK) == (root != NULL));
        }
    }
}

static blind_code parse_text(const bl_buf *text, blind_error *err)
{
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    const bl_toml *root;
    return bl_toml_parse(bl_buf_span(text), &arena, &root, err);
}

TEST(toml_is_bounded)
{
    bl_auto_buf    text = BL_BUF_EMPTY;
    bl_auto_arena  small = { .max = 1024 };
    const bl_toml *root;
    bl_buf_add_str(&text, "a = ");
    for (int i = 0; i < 100000; i++)
        bl_buf_add_u8(&text, '[');
    CHECK_CODE(BLIND_INPUT, parse_text(&text, NULL), "arrays");
    bl_buf_clear(&text);
    for (int i = 0; i <= BL_MAX_TOML_DEPTH; i++)
        bl_buf_add_str(&text, "a.");
    bl_buf_add_str(&text, "a = 1");
    CHECK_CODE(BLIND_INPUT, parse_text(&text, NULL), "dotted");
    bl_buf_clear(&text);
    bl_buf_add_str(&text, "a = [");
    for (int i = 0; i < BL_MAX_TOML_NODES; i++)
        bl_buf_add_str(&text, "1,");
    bl_buf_add_str(&text, "]");
    CHECK_CODE(BLIND_LIMIT, parse_text(&text, NULL), "nodes");
    while (text.size <= BL_MAX_TOML_SIZE)
        bl_buf_add_str(&text, "# more\n");
    CHECK_CODE(BLIND_LIMIT, parse_text(&text, NULL), "size");
    CHECK_CODE(BLIND_MEMORY, bl_toml_parse(bl_span_str(document), &small, &root, NULL), "memory");
}

/* The largest documents are read in linear time: many keys, many places. */
TEST(toml_stays_linear)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    blind_error err = { 0 };
    for (int i = 0; i < BL_MAX_TOML_NODES - 1; i++)
        bl_buf_printf(&text, "k%x = 0\n", (unsigned)i);
    CHECK_CODE(BLIND_OK, parse_text(&text, &err), err.message);
    bl_buf_add_str(&text, "k0 = 1\n");
    CHECK_CODE(BLIND_INPUT, parse_text(&text, &err), "twice");
    assert_string_equal("line 65536 column 1: the key is already defined", err.message);
}

TEST(toml_callers_can_point_and_refuse)
{
    static const char *const known[] = { "a", "b" };
    bl_auto_arena            arena = BL_ARENA_EMPTY;
    const bl_toml           *root;
    blind_error              err;
    CHECK_CODE(BLIND_OK, bl_toml_parse(BL_LITERAL("a = 1\n  c = 'x'"), &arena, &root, &err), "");
    const bl_toml *c = bl_toml_unknown(root, known, BL_LEN(known));
    CHECK(c && bl_span_equal(c->key, BL_LITERAL("c")));
    assert_null(bl_toml_unknown(bl_toml_get(root, "b"), known, 2));
    assert_null(bl_toml_unknown(c, known, 2));
    assert_null(bl_toml_get(c, "a"));
    CHECK_CODE(BLIND_POLICY, bl_toml_want(c, BL_TOML_INTEGER, BLIND_POLICY, "x", &err), "");
    assert_string_equal("line 2 column 3: a string, expected an integer", err.message);
    CHECK_CODE(BLIND_OK, bl_toml_want(c, BL_TOML_STRING, BLIND_POLICY, "x", &err), "");
    CHECK_CODE(BLIND_POLICY, bl_toml_want(NULL, BL_TOML_STRING, BLIND_POLICY, "x", &err), "");
    assert_string_equal("nothing, expected a string", err.message);
    CHECK_CODE(BLIND_INPUT, bl_toml_fail(NULL, &err, BLIND_INPUT, "x", "%d", 7), "");
    assert_string_equal("7", err.message);
    assert_string_equal("a value", bl_toml_type_name((bl_toml_type)99));
}

static const struct {
    const char *text;
    int64_t     want_s;
} times[] = {
    { "1970-01-01T00:00:00Z", 0 },
    { "1970-01-01", 0 },
    { "1969-12-31T23:59:59Z", -1 },
    { "2000-02-29T12:00:00+12:00", 951782400 },
    { "2026-11-21T10:00:00", 1795255200 },
    { "9999-12-31T23:59:59Z", 253402300799 },
    { "0000-01-01T00:00:00Z", -62167219200 },
    { "0000-02-29", -62162121600 },
    { "0000-03-01", -62162035200 },
    { "10:00:00", 0 },
    { "7", 0 },
};

TEST(toml_times_are_seconds)
{
    for (size_t i = 0; i < BL_LEN(times); i++) {
        bl_auto_arena  arena = BL_ARENA_EMPTY;
        const bl_toml *root;
        char           text[64];
        snprintf(text, sizeof text, "t = %s", times[i].text);
        CHECK_CODE(BLIND_OK, bl_toml_parse(bl_span_str(text), &arena, &root, NULL), text);
        if (bl_toml_seconds(root->first) != times[i].want_s)
            fail_msg("%s: %lld", text, (long long)bl_toml_seconds(root->first));
    }
}

TEST(toml_numbers_stay_within_their_text)
{
    static const char *const starts[] = { "a = 1.", "a = 0x", "a = 1e", "a = 1" };
    for (size_t k = 0; k < BL_LEN(starts); k++) {
        bl_auto_buf text = BL_BUF_EMPTY;
        bl_buf_add_str(&text, starts[k]);
        for (int i = 0; i < 2000; i++)
            bl_buf_add_u8(&text, '0');
        CHECK_CODE(BLIND_INPUT, parse_text(&text, NULL), "digits without end");
    }
}

TESTS(RUN(toml_gets_every_recorded_case_right), RUN(toml_reads_what_the_specification_shows),
      RUN(toml_reads_marks_escapes_and_times), RUN(toml_says_where_it_is_wrong),
      RUN(toml_survives_every_prefix), RUN(toml_is_bounded), RUN(toml_stays_linear),
      RUN(toml_callers_can_point_and_refuse), RUN(toml_times_are_seconds),
      RUN(toml_numbers_stay_within_their_text))
