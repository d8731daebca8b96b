/* Calls of tools in models' answers: by each family's marks, whole and byte by byte. */
#include "llm/tool_calls.h"
#include "tests/test.h"

#define HERMES  BL_CALLS_HERMES
#define MISTRAL BL_CALLS_MISTRAL
#define LLAMA   BL_CALLS_LLAMA

/* Text as it is, calls in square brackets. */
static const struct {
    const char    *name;
    bl_calls_style style;
    const char    *answer, *want;
} cases[] = {
    { "text", HERMES, "hello", "hello" },
    { "nothing", HERMES, "", "" },
    { "a call", HERMES, "<tool_call>\n{\"name\": \"w\", \"arguments\": {\"x\": 0.1}}\n</tool_call>",
      "[w {\"x\":0.1}]" },
    { "text and two calls", HERMES,
      "ok <tool_call>{\"name\":\"w\",\"arguments\":{}}</tool_call>\n"
      "<tool_call>{\"name\":\"v\"}</tool_call>\n",
      "ok [w {}][v {}]" },
    { "blanks in front of a call", HERMES, "\n\n<tool_call>{\"name\":\"w\"}</tool_call>",
      "[w {}]" },
    { "blanks in front of text", HERMES, "\n\nhi", "\n\nhi" },
    { "a call that is cut off", HERMES, "<tool_call>{\"name\":\"w\",\"arg",
      "<tool_call>{\"name\":\"w\",\"arg" },
    { "a call without its end mark", HERMES, "<tool_call>{\"name\":\"w\"}", "[w {}]" },
    { "no call inside", HERMES, "<tool_call>hi</tool_call>", "<tool_call>hi</tool_call>" },
    { "nearly a mark", HERMES, "a <tool_cal b <", "a <tool_cal b <" },
    { "a list", MISTRAL, "[TOOL_CALLS] [{\"name\":\"w\",\"arguments\":{\"a\":1}},{\"name\":\"v\"}]",
      "[w {\"a\":1}][v {}]" },
    { "named", MISTRAL, "hm [TOOL_CALLS]w[ARGS]{\"a\": \"b\"}", "hm [w {\"a\":\"b\"}]" },
    { "a list that goes wrong", MISTRAL, "[TOOL_CALLS] [1]", "[TOOL_CALLS] [1]" },
    { "nothing but a call", LLAMA, "\n{\"name\": \"w\", \"parameters\": {\"a\": null}}",
      "[w {\"a\":null}]" },
    { "two calls", LLAMA, "{\"name\":\"w\",\"parameters\":{}}; {\"name\":\"v\",\"parameters\":{}}",
      "[w {}][v {}]" },
    { "JSON that is no call", LLAMA, "{\"name\": \"Ann\", \"age\": 5}",
      "{\"name\": \"Ann\", \"age\": 5}" },
    { "text with a brace", LLAMA, "so {\"name\":\"w\"}", "so {\"name\":\"w\"}" },
    { "arguments as text", HERMES,
      "<tool_call>{\"name\":\"w\",\"arguments\":\"{\\\"a\\\":1}\"}</tool_call>", "[w {\"a\":1}]" },
};

static bool add_text(void *arg, blind_span text)
{
    bl_buf_add(arg, text);
    return bl_buf_ok(arg);
}

static bool add_call(void *arg, blind_span name, blind_span arguments)
{
    bl_buf_add_u8(arg, '[');
    bl_buf_add(arg, name);
    bl_buf_add_u8(arg, ' ');
    bl_buf_add(arg, arguments);
    bl_buf_add_u8(arg, ']');
    return bl_buf_ok(arg);
}

static bl_calls reader(bl_calls_style style, const json_t *tools, bl_buf *out)
{
    return (
        bl_calls){ .style = style, .tools = tools, .text = add_text, .call = add_call, .arg = out };
}

static json_t *make_tools(void)
{
    return json_pack("[{s:{s:s}},{s:{s:s}}]", "function", "name", "w", "function", "name", "v");
}

TEST(calls_are_found_however_the_text_is_cut)
{
    json_t *tools = make_tools();
    for (size_t i = 0; i < BL_LEN(cases); i++)
        for (size_t step = 1; step <= 64; step *= 4) {
            bl_auto_buf out = BL_BUF_EMPTY;
            bl_calls    c = reader(cases[i].style, tools, &out);
            blind_span  rest = bl_span_str(cases[i].answer);
            while (rest.size > 0) {
                size_t n = BL_MIN(step, rest.size);
                CHECK(bl_calls_read(&c, bl_span(rest.data, n), NULL) == BLIND_OK);
                rest = bl_span(rest.data + n, rest.size - n);
            }
            CHECK(bl_calls_end(&c, NULL) == BLIND_OK);
            bl_calls_done(&c);
            if (strcmp(bl_buf_cstr(&out), cases[i].want) != 0)
                fail_msg("%s by %zu: %s", cases[i].name, step, bl_buf_cstr(&out));
        }
    json_decref(tools);
}

TEST(text_leaves_as_soon_as_it_is_no_mark)
{
    bl_auto_buf out = BL_BUF_EMPTY;
    bl_calls    c = reader(HERMES, NULL, &out);
    CHECK(bl_calls_read(&c, BL_LITERAL("so <tool_"), NULL) == BLIND_OK && out.size == 3);
    CHECK(bl_calls_read(&c, BL_LITERAL("box"), NULL) == BLIND_OK && out.size == 12);
    bl_calls_done(&c);
}

TEST(one_call_is_one_call)
{
    bl_auto_buf out = BL_BUF_EMPTY;
    bl_calls    c = reader(HERMES, NULL, &out);
    c.one = true;
    CHECK(bl_calls_read(&c,
                        BL_LITERAL("<tool_call>{\"name\":\"w\"}</tool_call>so"
                                   "<tool_call>{\"name\":\"v\"}</tool_call>"),
                        NULL) == BLIND_OK);
    CHECK(bl_calls_end(&c, NULL) == BLIND_OK);
    assert_string_equal(bl_buf_cstr(&out), "[w {}]");
    bl_calls_done(&c);
}

TEST(a_call_that_was_begun_for_the_model)
{
    static const struct {
        bl_calls_style style;
        const char    *rest;
    } begun[] = { { HERMES, "{\"name\":\"w\",\"arguments\":{}}" },
                  { MISTRAL, "{\"name\":\"w\",\"arguments\":{}}" },
                  { LLAMA, "{\"name\":\"w\",\"parameters\":{}}" } };
    json_t *tools = make_tools();
    for (size_t i = 0; i < BL_LEN(begun); i++) {
        bl_auto_buf out = BL_BUF_EMPTY;
        bl_calls    c = reader(begun[i].style, tools, &out);
        bl_calls_inside(&c);
        CHECK(bl_calls_read(&c, bl_span_str(begun[i].rest), NULL) == BLIND_OK);
        CHECK(bl_calls_end(&c, NULL) == BLIND_OK);
        assert_string_equal(bl_buf_cstr(&out), "[w {}]");
        bl_calls_done(&c);
    }
    json_decref(tools);
}

TEST(templates_tell_the_style)
{
    CHECK(bl_calls_style_of(BL_LITERAL("... <tool_call> ...")) == HERMES);
    CHECK(bl_calls_style_of(BL_LITERAL("[TOOL_CALLS]")) == MISTRAL);
    CHECK(bl_calls_style_of(BL_LITERAL("x <|python_tag|>")) == LLAMA);
    CHECK(bl_calls_style_of((blind_span){ 0 }) == HERMES);
}

TESTS(RUN(calls_are_found_however_the_text_is_cut), RUN(text_leaves_as_soon_as_it_is_no_mark),
      RUN(one_call_is_one_call), RUN(a_call_that_was_begun_for_the_model),
      RUN(templates_tell_the_style))
