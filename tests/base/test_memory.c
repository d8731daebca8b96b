/* Buffers and arenas keep their bounds. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/reader.h"
#include "tests/test.h"

TEST(buf_stops_at_its_bound_and_stays_failed)
{
    bl_auto_buf b = { .max = 8 };
    bl_buf_add_str(&b, "12345678");
    CHECK(bl_buf_ok(&b));
    bl_buf_add_u8(&b, 9);
    CHECK(!bl_buf_ok(&b));
    assert_int_equal(8, b.size);
    assert_null(bl_buf_reserve(&b, 0));
}

TEST(buf_writes_numbers_in_both_orders)
{
    bl_auto_buf b = BL_BUF_EMPTY;
    bl_buf_add_be(&b, 0x010203, 3);
    bl_buf_add_le(&b, 0x0405, 2);
    bl_buf_printf(&b, "%d", 42);
    assert_memory_equal("\1\2\3\5\4"
                        "42",
                        b.data, 7);
    bl_buf_consume(&b, 5);
    assert_string_equal("42", bl_buf_cstr(&b));
}

TEST(reader_failure_sticks)
{
    bl_reader r = { .rest = BL_LITERAL("\1\2\3") };
    assert_int_equal(0x0102, bl_read_u16be(&r));
    assert_int_equal(0, bl_read_u32le(&r));
    assert_int_equal(0, bl_read_u8(&r));
    CHECK(!bl_reader_done(&r));
}

TEST(arena_aligns_zeroes_and_stops_at_its_bound)
{
    bl_auto_arena a = { .max = 300000 };
    uint8_t      *small = bl_arena_alloc(&a, 3), *large = bl_arena_alloc(&a, 200000);
    assert_non_null(small);
    assert_non_null(large);
    assert_int_equal(0, (uintptr_t)small % 16);
    assert_int_equal(0, (uintptr_t)large % 64);
    assert_int_equal(0, large[199999]);
    assert_null(bl_arena_alloc(&a, 200000));
    assert_null(bl_arena_array(&a, SIZE_MAX / 2, 3));
    assert_string_equal("a1", bl_arena_printf(&a, "a%d", 1));
}

TESTS(RUN(buf_stops_at_its_bound_and_stays_failed), RUN(buf_writes_numbers_in_both_orders),
      RUN(reader_failure_sticks), RUN(arena_aligns_zeroes_and_stops_at_its_bound))
