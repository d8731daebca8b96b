/* CBOR: one spelling for each item, in both directions. */
#include "base/cbor.h"
#include "base/limits.h"
#include "tests/test.h"

#define B(literal) BL_LITERAL(literal)

/* ---- whole items ---- */

static const struct {
    const char *name;
    blind_span  bytes;
    bool        good;
} items[] = {
    { "zero", B("\x00"), true },
    { "23", B("\x17"), true },
    { "24", B("\x18\x18"), true },
    { "2^64 - 1", B("\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), true },
    { "-1", B("\x20"), true },
    { "bytes", B("\x44\x01\x02\x03\x04"), true },
    { "text", B("\x62\xc3\xbc"), true },
    { "an empty array", B("\x80"), true },
    { "arrays inside", B("\x83\x01\x82\x02\x03\x82\x04\x05"), true },
    { "a map", B("\xa2\x61\x61\x01\x61\x62\x02"), true },
    { "a tag", B("\xc1\x1a\x51\x4b\x67\xb0"), true },
    { "false, true, null", B("\x83\xf4\xf5\xf6"), true },
    { "nothing", B(""), false },
    { "23 in two bytes", B("\x18\x17"), false },
    { "255 in three bytes", B("\x19\x00\xff"), false },
    { "65535 in five bytes", B("\x1a\x00\x00\xff\xff"), false },
    { "2^32 - 1 in nine bytes", B("\x1b\x00\x00\x00\x00\xff\xff\xff\xff"), false },
    { "reserved argument 28", B("\x1c"), false },
    { "reserved argument 30", B("\x5e"), false },
    { "indefinite bytes", B("\x5f\x41\x00\xff"), false },
    { "an indefinite array", B("\x9f\x01\xff"), false },
    { "an indefinite map", B("\xbf\xff"), false },
    { "a bare break", B("\xff"), false },
    { "a half float", B("\xf9\x3c\x00"), false },
    { "a float", B("\xfa\x47\xc3\x50\x00"), false },
    { "a double", B("\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a"), false },
    { "undefined", B("\xf7"), false },
    { "an unassigned simple value", B("\xe0"), false },
    { "a simple value in two bytes", B("\xf8\xff"), false },
    { "text that is no UTF-8", B("\x62\xff\xff"), false },
    { "text with a surrogate", B("\x63\xed\xa0\x80"), false },
    { "more bytes promised than there are", B("\x45\x01\x02\x03\x04"), false },
    { "2^63 bytes promised", B("\x5b\x80\x00\x00\x00\x00\x00\x00\x00"), false },
    { "2^64 - 1 items promised", B("\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00"), false },
    { "2^63 pairs promised", B("\xbb\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00"), false },
    { "a map without its last value", B("\xa1\x61\x61"), false },
    { "keys that descend", B("\xa2\x61\x62\x01\x61\x61\x02"), false },
    { "a longer key first", B("\xa2\x62\x61\x61\x01\x61\x62\x02"), false },
    { "a key twice", B("\xa2\x61\x61\x01\x61\x61\x02"), false },
    { "an array as a key", B("\xa1\x80\x01"), false },
    { "a tag without an item", B("\xc1"), false },
    { "one byte more", B("\x00\x00"), false },
};

TEST(cbor_takes_one_spelling_of_each_item)
{
    for (size_t i = 0; i < BL_LEN(items); i++) {
        bl_reader  r = { .rest = items[i].bytes };
        blind_span raw = bl_cbor_read_raw(&r);
        if (bl_reader_done(&r) != items[i].good)
            fail_msg("%s: %s", items[i].name, items[i].good ? "refused" : "accepted");
        CHECK(!items[i].good || bl_span_equal(raw, items[i].bytes));
    }
}

static bool skips(blind_span bytes)
{
    bl_reader r = { .rest = bytes };
    bl_cbor_skip(&r);
    return bl_reader_done(&r);
}

TEST(cbor_refuses_every_prefix_and_one_byte_more)
{
    blind_span good =
        B("\xa3\x61\x61\x44\x01\x02\x03\x04\x61\x62\x83\x19\x03\xe8\x20\xf6\x62\x61\x61"
          "\xc1\x62\xc3\xbc");
    uint8_t longer[64];
    for (size_t n = 0; n < good.size; n++)
        CHECK(!skips(bl_span(good.data, n)));
    CHECK(skips(good));
    memcpy(longer, good.data, good.size);
    longer[good.size] = 0;
    CHECK(!skips(bl_span(longer, good.size + 1)));
}

TEST(cbor_is_bounded_in_depth)
{
    uint8_t nested[BL_MAX_CBOR_DEPTH + 2];
    memset(nested, 0x81, sizeof nested);
    nested[BL_MAX_CBOR_DEPTH] = 0;
    CHECK(skips(bl_span(nested, BL_MAX_CBOR_DEPTH + 1)));
    nested[BL_MAX_CBOR_DEPTH] = 0x81;
    nested[BL_MAX_CBOR_DEPTH + 1] = 0;
    CHECK(!skips(bl_span(nested, BL_MAX_CBOR_DEPTH + 2)));
    memset(nested, 0xc1, sizeof nested - 1);
    CHECK(!skips(bl_span(nested, sizeof nested)));
}

/* ---- getters ---- */

TEST(cbor_getters_refuse_other_types)
{
    static const uint8_t one_of_each[] = { 0x00, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xf4, 0xf6 };
    for (size_t i = 0; i < sizeof one_of_each; i++) {
        bl_reader r[8];
        for (size_t k = 0; k < BL_LEN(r); k++)
            r[k] = (bl_reader){ .rest = { one_of_each + i, 1 } };
        (void)bl_cbor_read_uint(&r[0]);
        (void)bl_cbor_read_int(&r[1]);
        (void)bl_cbor_read_bytes(&r[2]);
        (void)bl_cbor_read_text(&r[3]);
        (void)bl_cbor_read_array(&r[4]);
        (void)bl_cbor_read_map(&r[5]);
        (void)bl_cbor_read_bool(&r[6]);
        bl_cbor_read_null(&r[7]);
        for (size_t k = 0; k < BL_LEN(r); k++)
            assert_int_equal(k == i || (k == 1 && i == 0), !r[k].failed);
    }
}

TEST(cbor_integers_stay_within_64_bits)
{
    bl_reader r = { .rest = B("\x3b\x7f\xff\xff\xff\xff\xff\xff\xff") };
    CHECK(bl_cbor_read_int(&r) == INT64_MIN && bl_reader_done(&r));
    r = (bl_reader){ .rest = B("\x3b\x80\x00\x00\x00\x00\x00\x00\x00") };
    CHECK(bl_cbor_read_int(&r) == 0 && r.failed);
    r = (bl_reader){ .rest = B("\x1b\x80\x00\x00\x00\x00\x00\x00\x00") };
    CHECK(bl_cbor_read_int(&r) == 0 && r.failed);
}

TEST(cbor_failure_sticks)
{
    bl_reader     r = { .rest = B("\x40\x00\x00") };
    bl_cbor_major major;
    bl_cbor_map   map;
    blind_span    key;
    CHECK(bl_cbor_peek(&r, &major) && major == BL_CBOR_BYTES);
    assert_int_equal(0, bl_cbor_read_uint(&r));
    assert_int_equal(0, bl_cbor_read_uint(&r));
    assert_int_equal(0, bl_cbor_read_tag(&r));
    map = bl_cbor_read_map(&r);
    CHECK(!bl_cbor_next(&r, &map, &key) && !bl_cbor_peek(&r, &major));
    CHECK(bl_cbor_read_raw(&r).size == 0 && r.failed);
}

TEST(cbor_maps_are_walked_by_key)
{
    bl_reader   r = { .rest = B("\xa2\x61v\x01\x64name\x65model") };
    bl_cbor_map map = bl_cbor_read_map(&r);
    uint64_t    version = 0;
    blind_span  name = { 0 };
    for (blind_span key; bl_cbor_next(&r, &map, &key);)
        if (bl_span_equal(key, B("v")))
            version = bl_cbor_read_uint(&r);
        else if (bl_span_equal(key, B("name")))
            name = bl_cbor_read_text(&r);
        else
            bl_cbor_skip(&r);
    CHECK(bl_reader_done(&r) && version == 1 && bl_span_equal(name, B("model")));
}

static bool walks(blind_span bytes, bool numbers)
{
    bl_reader   r = { .rest = bytes };
    bl_cbor_map map = bl_cbor_read_map(&r);
    blind_span  key;
    uint64_t    number;
    while (numbers ? bl_cbor_next_uint(&r, &map, &number) : bl_cbor_next(&r, &map, &key))
        bl_cbor_skip(&r);
    return bl_reader_done(&r);
}

TEST(cbor_maps_refuse_keys_out_of_order)
{
    CHECK(walks(B("\xa2\x01\x00\x18\x18\x00"), true));
    CHECK(!walks(B("\xa2\x18\x18\x00\x01\x00"), true));
    CHECK(!walks(B("\xa2\x01\x00\x01\x00"), true));
    CHECK(!walks(B("\xa2\x01\x00\x01\x00"), false));
    CHECK(!walks(B("\xa2\x61\x62\x00\x61\x61\x00"), false));
    CHECK(!walks(B("\xa2\x61\x62\x00\x61\x62\x00"), false));
    CHECK(!walks(B("\xa1\x61\x62\x00\x00"), false));
}

/* ---- the writer ---- */

TEST(cbor_writes_what_the_specification_shows)
{
    /* Source: RFC 8949, appendix A. */
    bl_auto_buf b = BL_BUF_EMPTY;
    bl_cbor_put_uint(&b, 1000000);
    bl_cbor_put_uint(&b, UINT64_MAX);
    bl_cbor_put_int(&b, -1000);
    bl_cbor_put_int(&b, INT64_MIN);
    bl_cbor_put_int(&b, 24);
    bl_cbor_put_bytes(&b, B("\1\2\3\4"));
    bl_cbor_put_text(&b, "IETF");
    bl_cbor_put_array(&b, 25);
    bl_cbor_put_map(&b, 2);
    bl_cbor_put_tag(&b, 32);
    bl_cbor_put_bool(&b, true);
    bl_cbor_put_bool(&b, false);
    bl_cbor_put_null(&b);
    blind_span want = B("\x1a\x00\x0f\x42\x40"
                        "\x1b\xff\xff\xff\xff\xff\xff\xff\xff"
                        "\x39\x03\xe7"
                        "\x3b\x7f\xff\xff\xff\xff\xff\xff\xff"
                        "\x18\x18"
                        "\x44\x01\x02\x03\x04"
                        "\x64IETF"
                        "\x98\x19\xa2\xd8\x20\xf5\xf4\xf6");
    CHECK(bl_span_equal(want, bl_buf_span(&b)));
}

TESTS(RUN(cbor_takes_one_spelling_of_each_item), RUN(cbor_refuses_every_prefix_and_one_byte_more),
      RUN(cbor_is_bounded_in_depth), RUN(cbor_getters_refuse_other_types),
      RUN(cbor_integers_stay_within_64_bits), RUN(cbor_failure_sticks),
      RUN(cbor_maps_are_walked_by_key), RUN(cbor_maps_refuse_keys_out_of_order),
      RUN(cbor_writes_what_the_specification_shows))
