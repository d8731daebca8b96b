/* JSON: bounds before the parser, clear words behind it. */
#include "base/json.h"
#include "base/limits.h"
#include "tests/test.h"

static const char document[] =
    "{\"s\":\"x\",\"i\":7,\"b\":true,\"a\":[1,2.5],\"o\":{\"k\":null},\"n\":null}";

TEST(json_goes_both_ways)
{
    bl_auto_json *value = NULL;
    bl_auto_buf   out = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_OK, bl_json_parse(bl_span_str(document), 1000, &value, NULL), "parse");
    CHECK_CODE(BLIND_OK, bl_json_write(value, &out, NULL), "write");
    assert_string_equal(document, bl_buf_cstr(&out));
    bl_auto_buf small = { .max = 8 };
    CHECK_CODE(BLIND_LIMIT, bl_json_write(value, &small, NULL), "bounded");
}

static const char *const bad[] = {
    "",
    " ",
    "{",
    "}",
    "[1,]",
    "{\"a\":1,}",
    "{\"a\":1,\"a\":2}",
    "1 2",
    "nul",
    "\"a",
    "'a'",
    "[01]",
    "[1.]",
    "[+1]",
    "[NaN]",
    "\"\n\"",
    "\"\\x\"",
    "\"\\u0000\"",
    "\"\xff\"",
    "[1e999]",
    "// c\n1",
    "[99999999999999999999]",
    "\"\\ud800\"",
};

TEST(json_refuses_and_says_where)
{
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        json_t     *value;
        blind_error err = { 0 };
        CHECK_CODE(BLIND_INPUT, bl_json_parse(bl_span_str(bad[i]), 1000, &value, &err), bad[i]);
        assert_null(value);
        CHECK(strncmp(err.message, "line ", 5) == 0);
    }
}

TEST(json_refuses_every_prefix_and_one_byte_more)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    json_t     *value;
    bl_buf_add_str(&text, document);
    for (size_t n = 0; n < text.size; n++)
        CHECK_CODE(BLIND_INPUT, bl_json_parse(bl_span(text.data, n), 1000, &value, NULL), "prefix");
    bl_buf_add_str(&text, "x");
    CHECK_CODE(BLIND_INPUT, bl_json_parse(bl_buf_span(&text), 1000, &value, NULL), "more");
}

TEST(json_is_bounded_in_size_and_depth)
{
    char    nested[2 * BL_MAX_JSON_DEPTH + 2];
    json_t *value;
    memset(nested, '[', sizeof nested);
    memset(nested + BL_MAX_JSON_DEPTH, ']', BL_MAX_JSON_DEPTH);
    CHECK_CODE(BLIND_OK, bl_json_parse(bl_span(nested, 2 * BL_MAX_JSON_DEPTH), 1000, &value, NULL),
               "deep");
    bl_json_done(&value);
    memset(nested, '[', BL_MAX_JSON_DEPTH + 1);
    memset(nested + BL_MAX_JSON_DEPTH + 1, ']', BL_MAX_JSON_DEPTH + 1);
    CHECK_CODE(BLIND_LIMIT, bl_json_parse(bl_span(nested, sizeof nested), 1000, &value, NULL),
               "deeper");
    CHECK_CODE(BLIND_LIMIT, bl_json_parse(BL_LITERAL("1234"), 3, &value, NULL), "size");
    CHECK_CODE(BLIND_OK, bl_json_parse(BL_LITERAL("\"[[[[\\\"[[\""), 100, &value, NULL), "string");
    bl_json_done(&value);
}

TEST(json_members_are_what_was_asked)
{
    bl_auto_json *value = NULL;
    const char   *s;
    int64_t       i;
    bool          b;
    json_t       *inner;
    CHECK_CODE(BLIND_OK, bl_json_parse(bl_span_str(document), 1000, &value, NULL), "parse");
    CHECK_CODE(BLIND_OK, bl_json_string(value, "s", &s, NULL), "s");
    assert_string_equal("x", s);
    CHECK_CODE(BLIND_OK, bl_json_int(value, "i", 7, 7, &i, NULL), "i");
    CHECK_CODE(BLIND_OK, bl_json_bool(value, "b", &b, NULL), "b");
    CHECK_CODE(BLIND_OK, bl_json_array(value, "a", &inner, NULL), "a");
    CHECK_CODE(BLIND_OK, bl_json_object(value, "o", &inner, NULL), "o");
    CHECK(i == 7 && b && bl_json_has(value, "s"));
    CHECK(!bl_json_has(value, "n") && !bl_json_has(value, "none") && !bl_json_has(NULL, "s"));
}

TEST(json_members_of_another_type_are_named)
{
    static const char *const keys[] = { "s", "i", "b", "a", "o", "n", "none" };
    bl_auto_json            *value = NULL;
    CHECK_CODE(BLIND_OK, bl_json_parse(bl_span_str(document), 1000, &value, NULL), "parse");
    for (size_t k = 0; k < BL_LEN(keys); k++) {
        const char *s;
        int64_t     i;
        bool        b;
        json_t     *inner;
        blind_code  want[5];
        for (size_t g = 0; g < 5; g++)
            want[g] = g == k ? BLIND_OK : BLIND_INPUT;
        CHECK_CODE(want[0], bl_json_string(value, keys[k], &s, NULL), keys[k]);
        CHECK_CODE(want[1], bl_json_int(value, keys[k], INT64_MIN, INT64_MAX, &i, NULL), keys[k]);
        CHECK_CODE(want[2], bl_json_bool(value, keys[k], &b, NULL), keys[k]);
        CHECK_CODE(want[3], bl_json_array(value, keys[k], &inner, NULL), keys[k]);
        CHECK_CODE(want[4], bl_json_object(value, keys[k], &inner, NULL), keys[k]);
    }
    blind_error err;
    int64_t     i;
    CHECK_CODE(BLIND_INPUT, bl_json_int(value, "i", 8, 9, &i, &err), "range");
    assert_string_equal("'i' is 7, expected 8 to 9", err.message);
    CHECK_CODE(BLIND_INPUT, bl_json_int(value, "s", 8, 9, &i, &err), "type");
    assert_string_equal("'s' is a string, expected an integer", err.message);
}

TESTS(RUN(json_goes_both_ways), RUN(json_refuses_and_says_where),
      RUN(json_refuses_every_prefix_and_one_byte_more), RUN(json_is_bounded_in_size_and_depth),
      RUN(json_members_are_what_was_asked), RUN(json_members_of_another_type_are_named))
