#include "base/der.h"
#include "tests/test.h"

static bl_reader reader(const char *bytes, size_t size)
{
    return (bl_reader){ .rest = bl_span(bytes, size) };
}
#define READER(literal) reader(literal, sizeof(literal) - 1)

TEST(elements_are_read_in_order)
{
    bl_reader r = READER("\x30\x07\x02\x01\x05\x04\x02\x61\x62");
    bl_reader in = bl_der_enter(&r, BL_DER_SEQUENCE);
    assert_int_equal(5, bl_der_read_uint(&in, BL_DER_INTEGER));
    CHECK(bl_span_equal(BL_LITERAL("ab"), bl_der_read(&in, BL_DER_OCTET_STRING)));
    CHECK(bl_reader_done(&in) && bl_reader_done(&r));
}

TEST(lengths_other_than_the_shortest_are_refused)
{
    static const struct {
        const char *bytes;
        size_t      size;
    } cases[] = {
        { "\x04\x81\x01\x61", 4 },             /* long form of 1 */
        { "\x04\x82\x00\x81\x61", 5 },         /* leading zero */
        { "\x04\x80\x61\x00\x00", 5 },         /* indefinite */
        { "\x04\x85\x01\x00\x00\x00\x00", 7 }, /* more than four bytes */
        { "\x04\x02\x61", 3 },                 /* cut short */
        { "\x04", 1 },
        { "\x1f\x01\x61", 3 }, /* long tag */
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_reader r = reader(cases[i].bytes, cases[i].size);
        bl_der    item;
        CHECK(!bl_der_next(&r, &item) && r.failed);
    }
}

TEST(integers_have_one_form)
{
    static const struct {
        const char *bytes;
        size_t      size;
        bool        good;
        uint64_t    value;
    } cases[] = {
        { "\x02\x01\x00", 3, true, 0 },
        { "\x02\x01\x7f", 3, true, 127 },
        { "\x02\x02\x00\x80", 4, true, 128 },
        { "\x02\x08\x7f\xff\xff\xff\xff\xff\xff\xff", 10, true, INT64_MAX },
        { "\x02\x00", 2, false, 0 },
        { "\x02\x01\x80", 3, false, 0 },     /* negative */
        { "\x02\x02\x00\x7f", 4, false, 0 }, /* prefixed */
        { "\x02\x0a\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12, false, 0 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_reader r = reader(cases[i].bytes, cases[i].size);
        uint64_t  value = bl_der_read_uint(&r, BL_DER_INTEGER);
        assert_int_equal(cases[i].good, !r.failed);
        assert_int_equal(cases[i].value, value);
    }
}

TEST(times_are_seconds_since_1970)
{
    bl_reader r = READER("\x17\x0d"
                         "700101000000Z"
                         "\x17\x0d"
                         "491231235959Z"
                         "\x18\x0f"
                         "20240229120000Z"
                         "\x17\x0d"
                         "500101000000Z");
    assert_int_equal(0, bl_der_read_time(&r));
    assert_int_equal(2524607999, bl_der_read_time(&r));
    assert_int_equal(1709208000, bl_der_read_time(&r));
    assert_int_equal(-631152000, bl_der_read_time(&r));
    CHECK(bl_reader_done(&r));
}

TEST(times_that_are_none_are_refused)
{
    static const char *const bad[] = { "230229000000Z", "231301000000Z", "230100000000Z",
                                       "230101240000Z", "230101006000Z", "230101000060Z",
                                       "230101000000+", "2301010000000", "23010100000xZ" };
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        char bytes[32] = "\x17\x0d";
        memcpy(bytes + 2, bad[i], 13);
        bl_reader r = reader(bytes, 15);
        (void)bl_der_read_time(&r);
        CHECK(r.failed);
    }
}

TEST(object_identifiers_are_encoded)
{
    uint8_t out[16];
    assert_int_equal(3, bl_der_oid("2.5.29.19", out, sizeof out));
    assert_memory_equal("\x55\x1d\x13", out, 3);
    assert_int_equal(9, bl_der_oid("1.2.840.113549.1.1.10", out, sizeof out));
    assert_memory_equal("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", out, 9);
    assert_int_equal(0, bl_der_oid("1", out, sizeof out));
    assert_int_equal(0, bl_der_oid("3.1", out, sizeof out));
    assert_int_equal(0, bl_der_oid("1.x", out, sizeof out));
    assert_int_equal(0, bl_der_oid("1.2.840.113549", out, 3));
}

TESTS(RUN(elements_are_read_in_order), RUN(lengths_other_than_the_shortest_are_refused),
      RUN(integers_have_one_form), RUN(times_are_seconds_since_1970),
      RUN(times_that_are_none_are_refused), RUN(object_identifiers_are_encoded))
