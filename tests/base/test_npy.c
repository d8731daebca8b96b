/* npy: files as numpy writes them, and the refusal of everything near them. */
#include "base/limits.h"
#include "base/npy.h"
#include "tests/test.h"

/* A version 1 file around a dictionary and elements. */
static void make(bl_buf *b, const char *dictionary, blind_span elements)
{
    bl_buf_add(b, BL_LITERAL("\x93NUMPY\x01\x00"));
    bl_buf_add_le(b, strlen(dictionary), 2);
    bl_buf_add_str(b, dictionary);
    bl_buf_add(b, elements);
}

static blind_code read_made(const char *dictionary, blind_span elements, bl_arena *arena,
                            blind_tensor *out, blind_error *err)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    make(&file, dictionary, elements);
    return bl_npy_read(bl_buf_span(&file), arena, out, err);
}

TEST(npy_writes_what_numpy_writes)
{
    float        values[6] = { 0, 1, 2, 3, 4, 5 };
    blind_tensor t = {
        .dtype = BLIND_F32, .rank = 2, .shape = { 2, 3 }, .data = values, .size = 24
    };
    bl_auto_buf file = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_OK, bl_npy_write(&t, &file, NULL), "write");
    assert_int_equal(128 + 24, file.size);
    blind_span start =
        BL_LITERAL("\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, "
                   "'shape': (2, 3), }  ");
    assert_memory_equal(start.data, file.data, start.size);
    assert_int_equal('\n', file.data[127]);
    assert_memory_equal(values, file.data + 128, 24);
}

static void check_round_trip(blind_dtype dtype, int rank, int64_t a, int64_t b)
{
    static uint8_t data[64];
    size_t         count = rank == 0 ? 1 : rank == 1 ? (size_t)a : (size_t)(a * b);
    blind_tensor   back,
        t = { .dtype = dtype, .rank = rank, .data = data, .size = count * blind_dtype_size(dtype) };
    bl_auto_buf   file = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    blind_error   err = { 0 };
    t.shape[0] = rank > 0 ? a : 0;
    t.shape[1] = rank > 1 ? b : 0;
    memset(data, 1, sizeof data);
    CHECK_CODE(BLIND_OK, bl_npy_write(&t, &file, &err), err.message);
    CHECK_CODE(BLIND_OK, bl_npy_read(bl_buf_span(&file), &arena, &back, &err), err.message);
    CHECK(back.dtype == dtype && back.rank == rank && back.size == t.size);
    CHECK(memcmp(back.shape, t.shape, sizeof t.shape) == 0);
    CHECK(memcmp(back.data, data, t.size) == 0 && (uintptr_t)back.data % 64 == 0);
}

TEST(npy_keeps_every_type_and_shape)
{
    for (int d = 0; d < BLIND_DTYPE_COUNT; d++) {
        if (!*blind_dtype_numpy((blind_dtype)d))
            continue;
        check_round_trip((blind_dtype)d, 0, 0, 0);
        check_round_trip((blind_dtype)d, 1, 0, 0);
        check_round_trip((blind_dtype)d, 1, 1, 0);
        check_round_trip((blind_dtype)d, 2, 2, 3);
        check_round_trip((blind_dtype)d, 2, 0, 7);
    }
}

TEST(npy_turns_columns_and_bytes_round)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    blind_tensor  t;
    CHECK_CODE(BLIND_OK,
               read_made("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n",
                         BL_LITERAL("\0\0\0\3\0\1\0\4\0\2\1\5"), &arena, &t, NULL),
               "columns");
    static const int16_t want[] = { 0, 1, 2, 3, 4, 0x105 };
    assert_memory_equal(want, t.data, sizeof want);
}

TEST(npy_takes_the_dictionary_in_any_order)
{
    static const char *const good[] = {
        "{'shape': (2,), 'fortran_order': False, 'descr': '|u1'}",
        "{\"descr\":\"|u1\",\"fortran_order\":True,\"shape\":(2,)}",
        "{'descr': '<u1', 'fortran_order': False, 'shape': (2L, 1L), }   \n",
        "{ 'descr' : '|u1' , 'fortran_order' : False , 'shape' : ( 1 , 2 ) , } \n",
    };
    for (size_t i = 0; i < BL_LEN(good); i++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        blind_tensor  t;
        blind_error   err = { 0 };
        CHECK_CODE(BLIND_OK, read_made(good[i], BL_LITERAL("ab"), &arena, &t, &err), err.message);
        assert_memory_equal("ab", t.data, 2);
    }
}

/* What strings of a file come to: each with its size in front. */
static void check_strings(const char *dictionary, blind_span elements, blind_span want)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    blind_tensor  t;
    blind_error   err = { 0 };
    CHECK_CODE(BLIND_OK, read_made(dictionary, elements, &arena, &t, &err), err.message);
    CHECK(t.dtype == BLIND_STRING && t.size == want.size);
    assert_memory_equal(want.data, t.data, want.size);
}

TEST(npy_reads_strings)
{
    check_strings("{'descr': '|S3', 'fortran_order': False, 'shape': (3,), }",
                  BL_LITERAL("ab\0\0\0\0a\0c"), BL_LITERAL("\2\0\0\0ab\0\0\0\0\3\0\0\0a\0c"));
    check_strings("{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }",
                  BL_LITERAL("\xe9\0\0\0\0\0\0\0\0\xf6\1\0z\0\0\0"),
                  BL_LITERAL("\2\0\0\0\xc3\xa9\5\0\0\0\xf0\x9f\x98\x80z"));
    check_strings("{'descr': '>U1', 'fortran_order': False, 'shape': (1, 1), }",
                  BL_LITERAL("\0\0\x20\xac"), BL_LITERAL("\3\0\0\0\xe2\x82\xac"));
    check_strings("{'descr': '|S1', 'fortran_order': True, 'shape': (2, 2), }", BL_LITERAL("acbd"),
                  BL_LITERAL("\1\0\0\0a\1\0\0\0b\1\0\0\0c\1\0\0\0d"));
    check_strings("{'descr': '<U4', 'fortran_order': False, 'shape': (0, 7), }", BL_LITERAL(""),
                  BL_LITERAL(""));
}

TEST(npy_refuses_what_is_no_unicode)
{
    static const char *const bad_text[] = { "\0\xd8\0\0", "\0\0\x11\0", "\xff\xff\xff\xff" };
    for (size_t i = 0; i < BL_LEN(bad_text); i++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        blind_tensor  t;
        CHECK_CODE(BLIND_INPUT,
                   read_made("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }",
                             bl_span(bad_text[i], 4), &arena, &t, NULL),
                   "text");
        CHECK(!t.data);
    }
}

#define DICT(descr, order, shape)                                                                  \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"

static const struct {
    const char *dictionary;
    blind_code  want;
} bad[] = {
    { "", BLIND_INPUT },
    { "{}", BLIND_INPUT },
    { "{'descr': '|u1', 'fortran_order': False}", BLIND_INPUT },
    { "{'descr': '|u1', 'shape': (2,)}", BLIND_INPUT },
    { "{'fortran_order': False, 'shape': (2,)}", BLIND_INPUT },
    { "{'shape': (2,), 'shape': (2,), 'descr': '|u1', 'fortran_order': False}", BLIND_INPUT },
    { "{'x': (2,), 'shape': (2,), 'descr': '|u1', 'fortran_order': False}", BLIND_INPUT },
    { DICT("'|u1'", "False", "(2,)") "x", BLIND_INPUT },
    { DICT("'|u1'", "0", "(2,)"), BLIND_INPUT },
    { DICT("'|u1'", "False", "(2)"), BLIND_INPUT },
    { DICT("'|u1'", "False", "2"), BLIND_INPUT },
    { DICT("'|u1'", "False", "[2]"), BLIND_INPUT },
    { DICT("'|u1'", "False", "(,)"), BLIND_INPUT },
    { DICT("'|u1'", "False", "(-2,)"), BLIND_INPUT },
    { DICT("'|u1'", "False", "(2.0,)"), BLIND_INPUT },
    { DICT("'|u1'", "False", "(3,)"), BLIND_INPUT },
    { DICT("'|u1'", "False", "(1,)"), BLIND_INPUT },
    { DICT("'|u1'", "False", "(0,)"), BLIND_INPUT },
    { DICT("'|u1'", "False", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2)"), BLIND_INPUT },
    { DICT("'<f8'", "False", "(999999999999999999, 999999999999999999)"), BLIND_INPUT },
    { DICT("'|u1'", "False", "(9999999999999999999,)"), BLIND_INPUT },
    { DICT("|u1", "False", "(2,)"), BLIND_INPUT },
    { DICT("'|u1\"", "False", "(2,)"), BLIND_INPUT },
    { DICT("[('a', '<i2')]", "False", "(1,)"), BLIND_INPUT },
    { DICT("'|b1'", "False", "(2,)"), BLIND_INPUT }, /* 'a' and 'b' are no booleans */
    { DICT("'<U2'", "False", "(2,)"), BLIND_INPUT },
    { DICT("'|S1'", "False", "(3,)"), BLIND_INPUT },
    { DICT("'|S0'", "False", "(2,)"), BLIND_UNSUPPORTED },
    { DICT("'<U0'", "False", "(999999999999999999,)"), BLIND_UNSUPPORTED },
    { DICT("'|U1'", "False", "(2,)"), BLIND_UNSUPPORTED },
    { DICT("'<U'", "False", "(2,)"), BLIND_UNSUPPORTED },
    { DICT("'|S-1'", "False", "(2,)"), BLIND_UNSUPPORTED },
    { DICT("'|S99999999'", "False", "(2,)"), BLIND_UNSUPPORTED },
    { DICT("'|S9999999'", "False", "(999999999999999999,)"), BLIND_INPUT },
    { DICT("'|O'", "False", "(2,)"), BLIND_UNSUPPORTED },
    { DICT("'<c8'", "False", "(2,)"), BLIND_UNSUPPORTED },
    { DICT("'<M8[ns]'", "False", "(2,)"), BLIND_UNSUPPORTED },
    { DICT("'<f16'", "False", "(2,)"), BLIND_UNSUPPORTED },
    { DICT("'=u2'", "False", "(1,)"), BLIND_UNSUPPORTED },
    { DICT("'|u2'", "False", "(1,)"), BLIND_UNSUPPORTED },
    { DICT("''", "False", "(2,)"), BLIND_UNSUPPORTED },
};

TEST(npy_refuses_other_dictionaries)
{
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        blind_tensor  t;
        CHECK_CODE(bad[i].want, read_made(bad[i].dictionary, BL_LITERAL("ab"), &arena, &t, NULL),
                   bad[i].dictionary);
        CHECK(t.data == NULL && t.rank == 0);
    }
}

TEST(npy_refuses_every_prefix_and_one_byte_more)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   file = BL_BUF_EMPTY;
    blind_tensor  t;
    make(&file, DICT("'<f4'", "False", "(1, 3)"), BL_LITERAL("0123456789ab"));
    for (size_t n = 0; n < file.size; n++)
        CHECK_CODE(BLIND_INPUT, bl_npy_read(bl_span(file.data, n), &arena, &t, NULL), "prefix");
    CHECK_CODE(BLIND_OK, bl_npy_read(bl_buf_span(&file), &arena, &t, NULL), "whole");
    bl_buf_add_u8(&file, 0);
    CHECK_CODE(BLIND_INPUT, bl_npy_read(bl_buf_span(&file), &arena, &t, NULL), "one byte more");
}

TEST(npy_knows_its_versions)
{
    static const struct {
        const char *head;
        blind_code  want;
    } heads[] = {
        { "\x93NUMPY\x02\x00", BLIND_OK },    { "\x93NUMPY\x03\x00", BLIND_OK },
        { "\x93NUMPY\x00\x00", BLIND_INPUT }, { "\x93NUMPY\x04\x00", BLIND_INPUT },
        { "\x93NUMPY\x02\x01", BLIND_INPUT }, { "\x92NUMPY\x02\x00", BLIND_INPUT },
    };
    static const char dictionary[] = DICT("'|u1'", "False", "(2,)");
    for (size_t i = 0; i < BL_LEN(heads); i++) {
        bl_auto_buf file = BL_BUF_EMPTY;
        bl_npy      npy;
        bl_buf_add(&file, bl_span(heads[i].head, 8));
        bl_buf_add_le(&file, sizeof dictionary - 1, 4);
        bl_buf_add_str(&file, dictionary);
        bl_buf_add_str(&file, "ab");
        CHECK_CODE(heads[i].want, bl_npy_parse(bl_buf_span(&file), &npy, NULL), "version");
    }
}

TEST(npy_refuses_a_header_over_the_limit)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    bl_npy      npy;
    bl_buf_add(&file, BL_LITERAL("\x93NUMPY\x02\x00"));
    bl_buf_add_le(&file, BL_MAX_NPY_HEADER + 1, 4);
    for (size_t i = 0; i < BL_MAX_NPY_HEADER + 1; i++)
        bl_buf_add_u8(&file, ' ');
    CHECK_CODE(BLIND_INPUT, bl_npy_parse(bl_buf_span(&file), &npy, NULL), "limit");
}

TEST(npy_does_not_write_what_numpy_cannot_read)
{
    uint8_t      data[4] = { 0 };
    bl_auto_buf  out = BL_BUF_EMPTY;
    blind_tensor t = { .dtype = BLIND_BF16, .rank = 1, .shape = { 2 }, .data = data, .size = 4 };
    CHECK_CODE(BLIND_UNSUPPORTED, bl_npy_write(&t, &out, NULL), "bf16");
    t.dtype = BLIND_STRING;
    CHECK_CODE(BLIND_UNSUPPORTED, bl_npy_write(&t, &out, NULL), "strings");
    t.dtype = BLIND_F32;
    CHECK_CODE(BLIND_INPUT, bl_npy_write(&t, &out, NULL), "size");
    t.shape[0] = -1;
    CHECK_CODE(BLIND_INPUT, bl_npy_write(&t, &out, NULL), "shape");
    t.rank = BLIND_MAX_RANK + 1;
    CHECK_CODE(BLIND_INPUT, bl_npy_write(&t, &out, NULL), "rank");
    assert_int_equal(0, out.size);
}

TEST(npy_memory_is_the_arenas)
{
    bl_auto_arena arena = { .max = 32 };
    blind_tensor  t;
    CHECK_CODE(BLIND_MEMORY,
               read_made(DICT("'|u1'", "False", "(2,)"), BL_LITERAL("ab"), &arena, &t, NULL),
               "arena");
}

TESTS(RUN(npy_writes_what_numpy_writes), RUN(npy_keeps_every_type_and_shape),
      RUN(npy_turns_columns_and_bytes_round), RUN(npy_takes_the_dictionary_in_any_order),
      RUN(npy_reads_strings), RUN(npy_refuses_what_is_no_unicode),
      RUN(npy_refuses_other_dictionaries), RUN(npy_refuses_every_prefix_and_one_byte_more),
      RUN(npy_knows_its_versions), RUN(npy_refuses_a_header_over_the_limit),
      RUN(npy_does_not_write_what_numpy_cannot_read), RUN(npy_memory_is_the_arenas))
