/* Files: read with a bound, mapped, replaced in one step. */
#include "base/file.h"
#include "tests/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/blind-test-file.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static const char *at(const char *name)
{
    static char path[384];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int entries(void)
{
    int  n = 0;
    DIR *d = opendir(folder);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n - 2;
}

static int tear_down(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlink(at(e->d_name));
    if (d)
        closedir(d);
    return rmdir(folder);
}

/* A path that comes from a stranger's file opens nothing but files below the folder. */
TEST(file_is_mapped_beneath_a_folder_alone)
{
    static const struct {
        const char *path;
        blind_code  want;
    } cases[] = {
        { "a", BLIND_OK },
        { "./a", BLIND_OK },
        { "none", BLIND_NOT_FOUND },
        { "a/b", BLIND_NOT_FOUND },
        { "", BLIND_INPUT },
        { "/etc/passwd", BLIND_INPUT },
        { "../a", BLIND_INPUT },
        { "./../a", BLIND_INPUT },
        { "a/", BLIND_NOT_FOUND },
        { "link", BLIND_INPUT },
        { "outside/passwd", BLIND_NOT_FOUND },
        { ".", BLIND_IO },
    };
    CHECK_CODE(BLIND_OK, bl_file_write_atomic(at("a"), BL_LITERAL("within"), 0600, NULL), "write");
    assert_int_equal(0, symlink("a", at("link")));
    assert_int_equal(0, symlink("/etc", at("outside")));
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_mapping m = { 0 };
        CHECK_CODE(cases[i].want, bl_file_map_beneath(fd, cases[i].path, &m, NULL), cases[i].path);
        assert_int_equal(cases[i].want == BLIND_OK ? 6 : 0, m.bytes.size);
    }
    close(fd);
}

TEST(file_written_is_file_read)
{
    bl_auto_buf out = BL_BUF_EMPTY;
    blind_error err;
    struct stat st;
    CHECK_CODE(BLIND_OK, bl_file_write_atomic(at("a"), BL_LITERAL("one"), 0640, &err), "write");
    CHECK_CODE(BLIND_OK, bl_file_write_atomic(at("a"), BL_LITERAL("two and"), 0600, &err), "again");
    CHECK_CODE(BLIND_OK, bl_file_read(at("a"), 7, &out, &err), "read");
    assert_string_equal("two and", bl_buf_cstr(&out));
    assert_int_equal(0, stat(at("a"), &st));
    assert_int_equal(0600, st.st_mode & 0777);
    assert_int_equal(1, entries());
}

TEST(file_read_stops_at_its_bound)
{
    bl_auto_buf out = BL_BUF_EMPTY;
    blind_error err;
    CHECK_CODE(BLIND_OK, bl_file_write_atomic(at("a"), BL_LITERAL("12345678"), 0600, &err),
               "write");
    CHECK_CODE(BLIND_LIMIT, bl_file_read(at("a"), 7, &out, &err), "one byte too many");
    CHECK_CODE(BLIND_LIMIT, bl_file_read(at("a"), 0, &out, &err), "nothing allowed");
    CHECK_CODE(BLIND_LIMIT, bl_file_read("/dev/zero", 100000, &out, &err), "endless");
    bl_buf_clear(&out);
    CHECK_CODE(BLIND_OK, bl_file_read("/dev/null", 0, &out, &err), "empty");
    CHECK_CODE(BLIND_OK, bl_file_read("/proc/self/stat", SIZE_MAX, &out, &err), "size unknown");
    CHECK(out.size > 0);
}

TEST(file_errors_name_the_path)
{
    bl_auto_buf     out = BL_BUF_EMPTY;
    bl_auto_mapping m = { 0 };
    blind_error     err;
    char            want[512];
    CHECK_CODE(BLIND_NOT_FOUND, bl_file_read(at("none"), 1, &out, &err), "absent");
    snprintf(want, sizeof want, "cannot open '%s': no such file or directory", at("none"));
    assert_string_equal(want, err.message);
    assert_string_equal("file.open", err.stage);
    CHECK_CODE(BLIND_NOT_FOUND, bl_file_map(at("none"), &m, &err), "absent");
    CHECK_CODE(BLIND_IO, bl_file_map("/dev/null", &m, &err), "device");
    CHECK_CODE(BLIND_IO, bl_file_read(folder, 1, &out, &err), "folder");
    CHECK_CODE(BLIND_NOT_FOUND, bl_file_write_atomic(at("x/y"), BL_LITERAL("a"), 0600, &err), "x");
    CHECK_CODE(BLIND_IO, bl_file_write_atomic(folder, BL_LITERAL("a"), 0600, &err), "a folder");
}

TEST(file_mapping_shows_the_file)
{
    bl_mapping m;
    CHECK_CODE(BLIND_OK, bl_file_write_atomic(at("m"), BL_LITERAL("mapped"), 0600, NULL), "write");
    CHECK_CODE(BLIND_OK, bl_file_map(at("m"), &m, NULL), "map");
    CHECK(bl_span_equal(m.bytes, BL_LITERAL("mapped")));
    bl_file_unmap(&m);
    assert_null(m.bytes.data);
    CHECK_CODE(BLIND_OK, bl_file_write_atomic(at("m"), BL_LITERAL(""), 0600, NULL), "write");
    CHECK_CODE(BLIND_OK, bl_file_map(at("m"), &m, NULL), "empty");
    assert_int_equal(0, m.bytes.size);
    bl_file_unmap(&m);
}

TEST(file_failed_replacement_leaves_the_old_one)
{
    blind_error err;
    int         before = entries();
    CHECK(mkdir(at("d"), 0700) == 0);
    CHECK_CODE(BLIND_IO, bl_file_write_atomic(at("d"), BL_LITERAL("a"), 0600, &err), "a folder");
    assert_int_equal(before + 1, entries());
    CHECK(rmdir(at("d")) == 0);
}

TEST(file_full_disk_is_said)
{
    blind_error err;
    CHECK_CODE(BLIND_IO, bl_errno_fail(&err, "file.write", "write", "m.onnx", ENOSPC), "errno");
    assert_string_equal("cannot write 'm.onnx': no space left on device", err.message);
}

TEST(file_errno_has_codes)
{
    static const struct {
        int        error;
        blind_code want;
    } rows[] = {
        { ENOENT, BLIND_NOT_FOUND }, { ENOTDIR, BLIND_NOT_FOUND }, { EACCES, BLIND_DENIED },
        { EPERM, BLIND_DENIED },     { EROFS, BLIND_DENIED },      { EEXIST, BLIND_EXISTS },
        { ENOMEM, BLIND_MEMORY },    { ENOSPC, BLIND_IO },         { EIO, BLIND_IO }
    };
    for (size_t i = 0; i < BL_LEN(rows); i++)
        CHECK_CODE(rows[i].want, bl_errno_code(rows[i].error), strerror(rows[i].error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(file_written_is_file_read),
        RUN(file_read_stops_at_its_bound),
        RUN(file_errors_name_the_path),
        RUN(file_mapping_shows_the_file),
        RUN(file_failed_replacement_leaves_the_old_one),
        RUN(file_full_disk_is_said),
        RUN(file_errno_has_codes),
        RUN(file_is_mapped_beneath_a_folder_alone),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
