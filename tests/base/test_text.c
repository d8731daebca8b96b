/* Bytes as text: hex, base64, UTF-8. */
#include "base/base64.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "tests/test.h"

TEST(hex_goes_both_ways)
{
    uint8_t     bytes[4];
    char        text[9];
    bl_auto_buf b = BL_BUF_EMPTY;
    CHECK(bl_hex_decode(BL_LITERAL("00fFA9b0"), bytes, 4));
    assert_memory_equal("\x00\xff\xa9\xb0", bytes, 4);
    bl_hex_encode(bl_span(bytes, 4), text);
    assert_string_equal("00ffa9b0", text);
    bl_hex_add(&b, bl_span(bytes, 4));
    assert_string_equal("00ffa9b0", bl_buf_cstr(&b));
    CHECK(bl_hex_decode(BL_LITERAL(""), bytes, 0));
}

TEST(hex_refuses_all_else_and_leaves_zeros)
{
    static const char *const bad[] = { "",
                                       "0",
                                       "00",
                                       "00f",
                                       "00ff0",
                                       "00ff00",
                                       "0x00",
                                       " 00f",
                                       "00f ",
                                       "00 f",
                                       "00fg",
                                       "00fG",
                                       "00f/",
                                       "00f:",
                                       "00f@",
                                       ("0\x80"
                                        "ff"),
                                       "-0ff" };
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        uint8_t bytes[2] = { 1, 1 };
        if (bl_hex_decode(bl_span_str(bad[i]), bytes, 2))
            fail_msg("'%s' accepted", bad[i]);
        CHECK(bytes[0] == 0 && bytes[1] == 0);
    }
}

static const struct {
    const char *bytes, *std, *url;
} pairs[] = {
    /* Source: RFC 4648, section 10; the last by hand. */
    { "", "", "" },
    { "f", "Zg==", "Zg" },
    { "fo", "Zm8=", "Zm8" },
    { "foo", "Zm9v", "Zm9v" },
    { "foob", "Zm9vYg==", "Zm9vYg" },
    { "fooba", "Zm9vYmE=", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
    { "\xfb\xff\xbf", "+/+/", "-_-_" },
};

static void check_base64(const char *bytes, const char *text, bl_base64 form)
{
    bl_auto_buf encoded = BL_BUF_EMPTY, decoded = BL_BUF_EMPTY;
    bl_base64_add(&encoded, form, bl_span_str(bytes));
    assert_string_equal(text, bl_buf_cstr(&encoded));
    CHECK_CODE(BLIND_OK, bl_base64_decode(bl_span_str(text), form, &decoded, NULL), text);
    CHECK(bl_span_equal(bl_span_str(bytes), bl_buf_span(&decoded)));
}

TEST(base64_goes_both_ways)
{
    for (size_t i = 0; i < BL_LEN(pairs); i++) {
        check_base64(pairs[i].bytes, pairs[i].std, BL_BASE64_STD);
        check_base64(pairs[i].bytes, pairs[i].url, BL_BASE64_URL);
    }
}

static const struct {
    bl_base64   form;
    const char *text;
} bad_base64[] = {
    { BL_BASE64_STD, "Zg" },       { BL_BASE64_STD, "Zg=" },      { BL_BASE64_STD, "Zg===" },
    { BL_BASE64_STD, "Z===" },     { BL_BASE64_STD, "====" },     { BL_BASE64_STD, "=" },
    { BL_BASE64_STD, "Zh==" },     { BL_BASE64_STD, "Zm9=" },     { BL_BASE64_STD, "Zm9v\n" },
    { BL_BASE64_STD, " Zm9v" },    { BL_BASE64_STD, "Zm 9" },     { BL_BASE64_STD, "-_-_" },
    { BL_BASE64_STD, "Zg==Zm9v" }, { BL_BASE64_STD, "Zm9v====" }, { BL_BASE64_STD, "Zm9\x80" },
    { BL_BASE64_URL, "Zg==" },     { BL_BASE64_URL, "+/+/" },     { BL_BASE64_URL, "Z" },
    { BL_BASE64_URL, "Zh" },       { BL_BASE64_URL, "Zm9" },      { BL_BASE64_URL, "Zm9vY" },
};

TEST(base64_refuses_other_spellings)
{
    for (size_t i = 0; i < BL_LEN(bad_base64); i++) {
        bl_auto_buf out = BL_BUF_EMPTY;
        blind_error err;
        blind_span  text = bl_span_str(bad_base64[i].text);
        CHECK_CODE(BLIND_INPUT, bl_base64_decode(text, bad_base64[i].form, &out, &err),
                   bad_base64[i].text);
        assert_int_equal(0, out.size);
    }
}

TEST(base64_keeps_to_the_bound_of_the_buffer)
{
    bl_auto_buf out = { .max = 4 };
    CHECK_CODE(BLIND_LIMIT,
               bl_base64_decode(BL_LITERAL("Zm9vYmFyZm9vYmFy"), BL_BASE64_STD, &out, NULL), "max");
}

TEST(utf8_goes_both_ways_for_every_character)
{
    for (uint32_t c = 0; c <= 0x110000; c++) {
        uint8_t  bytes[4];
        uint32_t back = 1;
        size_t   n = bl_utf8_put(c, bytes);
        bool     none = c > 0x10ffff || (c >= 0xd800 && c < 0xe000);
        if ((n == 0) != none || (n && bl_utf8_next(bl_span(bytes, n), &back) != n) ||
            (n && back != c) || (n > 1 && bl_utf8_next(bl_span(bytes, n - 1), &back)))
            fail_msg("U+%04X", (unsigned)c);
    }
}

TEST(utf8_refuses_malformed_bytes)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xc3(",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
    };
    for (size_t i = 0; i < BL_LEN(bad); i++)
        if (bl_utf8_valid(bl_span_str(bad[i])))
            fail_msg("case %zu accepted", i);
    CHECK(bl_utf8_valid(BL_LITERAL("")) &&
          bl_utf8_valid(BL_LITERAL("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
}

TESTS(RUN(hex_goes_both_ways), RUN(hex_refuses_all_else_and_leaves_zeros),
      RUN(base64_goes_both_ways), RUN(base64_refuses_other_spellings),
      RUN(base64_keeps_to_the_bound_of_the_buffer), RUN(utf8_goes_both_ways_for_every_character),
      RUN(utf8_refuses_malformed_bytes))
