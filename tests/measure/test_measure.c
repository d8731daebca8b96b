/* Files measure to the digests that other tools compute. */
#include "tests/test.h"

#include "measure/measure.h"

#include <unistd.h>

static char path[] = "/tmp/blind-measure-XXXXXX";

static void write_file(const void *bytes, size_t size, int times)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < times; i++)
        assert_int_equal(size, fwrite(bytes, 1, size, f));
    fclose(f);
}

static void check_hex(const char *want, const uint8_t *got, size_t size)
{
    char text[97];
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", got[i]);
    assert_string_equal(want, text);
}

/* FIPS 180-4 examples, and what sha384sum says of nothing. */
TEST(files_measure_as_published)
{
    uint8_t  sim[48], sha256[32];
    uint64_t size;
    write_file("abc", 3, 1);
    CHECK_CODE(BLIND_OK, bl_measure_sim(path, sim, &size, NULL), "abc");
    assert_int_equal(3, size);
    check_hex("cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
              "8086072ba1e7cc2358baeca134c825a7",
              sim, 48);
    CHECK_CODE(BLIND_OK, bl_measure_sha256(path, sha256, NULL, NULL), "abc");
    check_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256, 32);
    write_file("", 1, 0);
    CHECK_CODE(BLIND_OK, bl_measure_sim(path, sim, &size, NULL), "nothing");
    assert_int_equal(0, size);
    check_hex("38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
              "274edebfe76f65fbd51ad2f14898b95b",
              sim, 48);
}

/* FIPS 180-2, appendix C.3: a million times "a", more than one piece of reading. */
TEST(large_files_measure_in_pieces)
{
    uint8_t  sha256[32];
    uint64_t size;
    write_file("aaaaaaaaaa", 10, 100000);
    CHECK_CODE(BLIND_OK, bl_measure_sha256(path, sha256, &size, NULL), "a million");
    assert_int_equal(1000000, size);
    check_hex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", sha256, 32);
}

TEST(what_is_no_file_is_named)
{
    static const uint8_t zeros[48];
    uint8_t              out[48] = { 1 };
    blind_error          err;
    CHECK_CODE(BLIND_IO, bl_measure_sim("/nonexistent", out, NULL, &err), "no file");
    assert_memory_equal(zeros, out, 48);
    CHECK(strstr(err.message, "'/nonexistent'"));
    CHECK_CODE(BLIND_IO, bl_measure_sim("/", out, NULL, &err), "a folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = { RUN(files_measure_as_published),
                                        RUN(large_files_measure_in_pieces),
                                        RUN(what_is_no_file_is_named) };
    int                     fd = mkstemp(path);
    if (fd < 0)
        return 77;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
