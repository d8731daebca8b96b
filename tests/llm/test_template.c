/* Chat templates: what Jinja2 made of them (tests/llm/make_templates.py), and what is bounded. */
#include "base/limits.h"
#include "llm/template.h"
#include "tests/test.h"

static void check_case(size_t i, const json_t *c)
{
    const json_t *text = json_object_get(c, "template"), *want = json_object_get(c, "prompt");
    bl_template  *t;
    blind_error   err = { .code = BLIND_OK };
    bl_auto_buf   got = BL_BUF_EMPTY;
    blind_code    code =
        bl_template_open(bl_span(json_string_value(text), json_string_length(text)), &t, &err);
    if (code == BLIND_OK)
        code = bl_template_render(t, json_object_get(c, "given"), 0, &got, &err);
    if (want && code != BLIND_OK)
        fail_msg("case %zu: %s: %.200s", i, err.message, json_string_value(text));
    if (!want && code == BLIND_OK)
        fail_msg("case %zu should fail: %.200s", i, json_string_value(text));
    if (want && !bl_span_equal(bl_buf_span(&got),
                               bl_span(json_string_value(want), json_string_length(want))))
        fail_msg("case %zu: %.200s\ngot:  %s\nwant: %s", i, json_string_value(text),
                 bl_buf_cstr(&got), json_string_value(want));
    if (!want)
        CHECK(got.size == 0);
    bl_template_close(t);
}

TEST(templates_make_the_recorded_prompts)
{
    json_error_t  error;
    size_t        i;
    const json_t *c;
    json_t       *cases = json_load_file("tests/vectors/llm/templates.json", 0, &error);
    assert_non_null(cases);
    json_array_foreach(cases, i, c)
    {
        check_case(i, c);
    }
    CHECK(i > 50);
    json_decref(cases);
}

static void expect_code(blind_code want, const char *text, const char *name)
{
    bl_template *t;
    bl_auto_buf  got = BL_BUF_EMPTY;
    json_t      *given = json_object();
    blind_code   code = bl_template_open(bl_span_str(text), &t, NULL);
    if (code == BLIND_OK)
        code = bl_template_render(t, given, 0, &got, NULL);
    CHECK_CODE(want, code, name);
    CHECK(want == BLIND_OK || got.size == 0);
    bl_template_close(t);
    json_decref(given);
}

TEST(hostile_templates_end)
{
    expect_code(BLIND_LIMIT,
                "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}"
                "{% endfor %}{% endfor %}{% endfor %}",
                "loops in loops");
    expect_code(BLIND_LIMIT, "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "a macro that calls itself");
    expect_code(
        BLIND_LIMIT,
        "{% macro m() %}{% if 1 %}{% if 1 %}{% if 1 %}{% if 1 %}{% if 1 %}{% if 1 %}{% if 1 %}{% "
        "if 1 %}"
        "{% if 1 %}{% if 1 %}{% if 1 %}{% if 1 %}{% if 1 %}{% if 1 %}{% if 1 %}{% if 1 %}"
        "{{ ((((((((m())))))))) ~ 1 ~ 2 ~ 3 ~ 4 ~ 5 ~ 6 ~ 7 ~ 8 ~ 9 }}"
        "{% endif %}{% endif %}{% endif %}{% endif %}{% endif %}{% endif %}{% endif %}{% endif %}"
        "{% endif %}{% endif %}{% endif %}{% endif %}{% endif %}{% endif %}{% endif %}{% endif %}"
        "{% endmacro %}{{ m() }}",
        "deep macros that call each other");
    expect_code(BLIND_LIMIT, "{{ range(999999999999)|list }}", "a long range");
    expect_code(BLIND_LIMIT,
                "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}"
                "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
                "a text that doubles");
    expect_code(BLIND_LIMIT,
                "{% set ns = namespace(x=[]) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}"
                "{% endfor %}{{ ns.x }}",
                "a deep list");
    expect_code(BLIND_OK,
                "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x|length }}{{ ns }}",
                "a namespace in itself");
    expect_code(BLIND_LIMIT, "{{ 'x' * 999999999 }}", "a long text");
    expect_code(BLIND_LIMIT, "{{ 9223372036854775807 + 1 }}", "a large sum");
    expect_code(BLIND_LIMIT, "{{ 99999999999999999999 }}", "a large number");
    expect_code(BLIND_UNSUPPORTED, "{% include 'x' %}", "another file");
    expect_code(BLIND_INPUT, "{{ ''.__class__() }}", "the inside of Python");
    expect_code(BLIND_OK, "{{ strftime_now('%Y') }}", "the year");
    expect_code(BLIND_INPUT, "\xff", "no UTF-8");
}

TEST(depth_is_bounded)
{
    static const char *const pairs[][2] = {
        { "(", ")" }, { "[", "]" }, { "-", "" }, { "not ", "" }, { "{1:", "}" }
    };
    for (size_t i = 0; i < BL_LEN(pairs); i++) {
        bl_auto_buf text = BL_BUF_EMPTY;
        bl_buf_add_str(&text, "{{ ");
        for (int k = 0; k < 9999; k++)
            bl_buf_add_str(&text, pairs[i][0]);
        bl_buf_add_str(&text, "1");
        for (int k = 0; k < 9999; k++)
            bl_buf_add_str(&text, pairs[i][1]);
        bl_buf_add_str(&text, " }}");
        expect_code(BLIND_LIMIT, bl_buf_cstr(&text), pairs[i][0]);
    }
    bl_auto_buf text = BL_BUF_EMPTY;
    for (int k = 0; k < 9999; k++)
        bl_buf_add_str(&text, "{% if 1 %}");
    expect_code(BLIND_LIMIT, bl_buf_cstr(&text), "blocks");
    bl_buf_clear(&text);
    bl_buf_add_str(&text, "{{ 1");
    for (int k = 0; k < 9999; k++)
        bl_buf_add_str(&text, "+1");
    bl_buf_add_str(&text, " }}");
    expect_code(BLIND_LIMIT, bl_buf_cstr(&text), "a long sum");
}

TESTS(RUN(templates_make_the_recorded_prompts), RUN(hostile_templates_end), RUN(depth_is_bounded))
