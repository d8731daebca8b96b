/* CBOR of others: every spelling of an item is read, nothing malformed is. */
#include "tests/test.h"

#include "base/cbor_any.h"
#include "base/limits.h"

#define IN(literal) ((bl_reader){ .rest = BL_LITERAL(literal) })

TEST(integers_in_any_length)
{
    static const struct {
        blind_span in;
        uint64_t   want;
    } rows[] = { { BL_LITERAL("\x05"), 5 },
                 { BL_LITERAL("\x18\x05"), 5 },
                 { BL_LITERAL("\x19\x00\x05"), 5 },
                 { BL_LITERAL("\x1a\x00\x00\x00\x05"), 5 },
                 { BL_LITERAL("\x1b\x00\x00\x00\x00\x00\x00\x00\x05"), 5 },
                 { BL_LITERAL("\x1b\xff\xff\xff\xff\xff\xff\xff\xff"), UINT64_MAX } };
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        bl_reader r = { .rest = rows[i].in };
        CHECK(bl_any_uint(&r) == rows[i].want && bl_reader_done(&r));
        for (size_t keep = 0; keep < rows[i].in.size; keep++) {
            bl_reader cut = { .rest = { rows[i].in.data, keep } };
            CHECK(bl_any_uint(&cut) == 0 && cut.failed);
        }
    }
    bl_reader negative = IN("\x38\x22"), big = { .rest = rows[5].in };
    CHECK(bl_any_int(&negative) == -35 && bl_reader_done(&negative));
    CHECK(bl_any_int(&big) == 0 && big.failed);
}

TEST(strings_are_whole_and_fit)
{
    bl_reader good = IN("\x59\x00\x02hi"), text = IN("\x62hi");
    CHECK(bl_span_equal(bl_any_bytes(&good), BL_LITERAL("hi")) && bl_reader_done(&good));
    CHECK(bl_span_equal(bl_any_text(&text), BL_LITERAL("hi")) && bl_reader_done(&text));
    static const blind_span bad[] = {
        BL_LITERAL("\x43hi"),                                 /* longer than the input */
        BL_LITERAL("\x5b\xff\xff\xff\xff\xff\xff\xff\xffhi"), /* much longer */
        BL_LITERAL("\x5f\x42hi\xff"),                         /* in pieces */
        BL_LITERAL("\x62hi"),                                 /* a text */
        BL_LITERAL("\x5chi"),
        BL_LITERAL("\x5dhi"),
        BL_LITERAL("\x5ehi"), /* reserved */
    };
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        bl_reader r = { .rest = bad[i] };
        CHECK(bl_any_bytes(&r).size == 0 && r.failed);
    }
    bl_reader overlong = IN("\x62\xc0\x80");
    CHECK(bl_any_text(&overlong).size == 0 && overlong.failed);
}

static uint64_t sum(blind_span in, bool *ok)
{
    bl_reader   r = { .rest = in };
    bl_any_list list = bl_any_array(&r);
    uint64_t    total = 0;
    while (bl_any_more(&r, &list))
        total += bl_any_uint(&r);
    *ok = bl_reader_done(&r);
    return total;
}

TEST(lists_end_by_count_or_by_break)
{
    bool ok;
    CHECK(sum(BL_LITERAL("\x83\x01\x02\x03"), &ok) == 6 && ok);
    CHECK(sum(BL_LITERAL("\x98\x03\x01\x02\x03"), &ok) == 6 && ok);
    CHECK(sum(BL_LITERAL("\x9f\x01\x02\x03\xff"), &ok) == 6 && ok);
    CHECK(sum(BL_LITERAL("\x80"), &ok) == 0 && ok);
    CHECK(sum(BL_LITERAL("\x9f\xff"), &ok) == 0 && ok);
    static const blind_span bad[] = {
        BL_LITERAL("\x84\x01\x02\x03"), BL_LITERAL("\x9f\x01\x02"),
        BL_LITERAL("\x83\x01\x02\xff"), BL_LITERAL("\x9f\x9f\xff\xff"),
        BL_LITERAL("\x82\x01\x02\x03"), BL_LITERAL("\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01")
    };
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        (void)sum(bad[i], &ok);
        CHECK(!ok);
    }
}

TEST(null_and_tags_are_taken_only_when_they_come)
{
    bl_reader r = IN("\xf6\xd2\x01");
    CHECK(!bl_any_tag(&r, 18) && bl_any_null(&r) && !bl_any_null(&r));
    CHECK(!bl_any_tag(&r, 17) && bl_any_tag(&r, 18));
    CHECK(bl_any_uint(&r) == 1 && bl_reader_done(&r));
    CHECK(!bl_any_null(&r) && !r.failed);
}

TEST(skipping_checks_all_that_is_skipped)
{
    static const blind_span good[] = {
        BL_LITERAL("\x00"),
        BL_LITERAL("\x20"),
        BL_LITERAL("\x41x"),
        BL_LITERAL("\x61x"),
        BL_LITERAL("\x82\x01\x02"),
        BL_LITERAL("\xa1\x01\x02"),
        BL_LITERAL("\xbf\x02\x01\x01\x02\xff"),
        BL_LITERAL("\xa1\x82\x01\x02\x03"), /* a list as a key */
        BL_LITERAL("\xc1\xc2\x41x"),        /* tags */
        BL_LITERAL("\xf4"),
        BL_LITERAL("\xf7"),
        BL_LITERAL("\xe0"),
        BL_LITERAL("\xf8\x20"),
        BL_LITERAL("\xf9\x3c\x00"),
        BL_LITERAL("\xfa\x3f\x80\x00\x00"),
        BL_LITERAL("\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"),
        BL_LITERAL("\x9f\xbf\xff\x9f\xff\xff"),
    };
    for (size_t i = 0; i < BL_LEN(good); i++) {
        bl_reader r = { .rest = good[i] };
        bl_any_skip(&r);
        CHECK(bl_reader_done(&r));
        for (size_t keep = 0; keep < good[i].size; keep++) {
            bl_reader cut = { .rest = { good[i].data, keep } };
            bl_any_skip(&cut);
            CHECK(cut.failed);
        }
    }
    static const blind_span bad[] = {
        BL_LITERAL("\xff"),
        BL_LITERAL("\xbf\x01\xff"),
        BL_LITERAL("\xf8\x1f"),
        BL_LITERAL("\xfc"),
        BL_LITERAL("\x1f"),
        BL_LITERAL("\x3f"),
        BL_LITERAL("\xdf\x01"),
        BL_LITERAL("\xa1\x01"),
        BL_LITERAL("\xbb\x80\x00\x00\x00\x00\x00\x00\x00\x01\x01"),
        BL_LITERAL("\xc1\xff"),
    };
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        bl_reader r = { .rest = bad[i] };
        bl_any_skip(&r);
        CHECK(r.failed);
    }
}

TEST(depth_is_bounded)
{
    for (size_t depth = BL_MAX_CBOR_DEPTH - 1; depth <= BL_MAX_CBOR_DEPTH + 1; depth++) {
        uint8_t bytes[2 * BL_MAX_CBOR_DEPTH + 4];
        memset(bytes, 0x81, depth);
        bytes[depth] = 0;
        bl_reader r = { .rest = { bytes, depth + 1 } };
        bl_any_skip(&r);
        CHECK(bl_reader_done(&r) == (depth <= BL_MAX_CBOR_DEPTH));
    }
}

TESTS(RUN(integers_in_any_length), RUN(strings_are_whole_and_fit),
      RUN(lists_end_by_count_or_by_break), RUN(null_and_tags_are_taken_only_when_they_come),
      RUN(skipping_checks_all_that_is_skipped), RUN(depth_is_bounded))
