/* The runtime log beyond its process: what is on disk and in the register after each kind of end.
 */
#include "tests/test.h"

#include "attest/runtime_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A register as a TPM has one. */
typedef struct {
    uint8_t value[32];
    int     extends, fail_at; /* the extend that fails, from 1 */
} fake;

static blind_code fake_read(void *arg, uint8_t out[32], blind_error *err)
{
    (void)err;
    memcpy(out, ((fake *)arg)->value, 32);
    return BLIND_OK;
}

static blind_code fake_extend(void *arg, const uint8_t digest[32], blind_error *err)
{
    fake   *f = arg;
    uint8_t both[64];
    if (++f->extends == f->fail_at)
        return blind_fail(err, BLIND_IO, "fake", "no");
    memcpy(both, f->value, 32);
    memcpy(both + 32, digest, 32);
    return bl_sha256(bl_span(both, 64), f->value);
}

typedef struct {
    char           path[64];
    fake           f;
    bl_runtime_log log;
} bench;

static void set_up(bench *b)
{
    *b = (bench){ .path = "/tmp/blind-log-XXXXXX" };
    int fd = mkstemp(b->path);
    CHECK(fd >= 0);
    close(fd);
}

static blind_code open_log(bench *b)
{
    const bl_log_register reg = { fake_read, fake_extend, &b->f };
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&b->log, NULL), "init");
    return bl_runtime_log_keep(&b->log, b->path, &reg, NULL);
}

static blind_code add(bench *b, bl_log_type type, const char *name)
{
    bl_log_event e = { .type = type, .name = bl_span_str(name), .sha256 = { 9 } };
    return bl_runtime_log_append(&b->log, &e, NULL, NULL);
}

static off_t size_of(const bench *b)
{
    struct stat st;
    CHECK(stat(b->path, &st) == 0);
    return st.st_size;
}

/* The register holds the head, the file the bytes. */
static void check_whole(const bench *b)
{
    assert_memory_equal(b->f.value, b->log.state.head, 32);
    assert_int_equal(b->log.bytes.size, size_of(b));
}

static void tear_down(bench *b)
{
    unlink(b->path);
}

TEST(a_log_goes_on_after_a_restart)
{
    bench b;
    set_up(&b);
    CHECK_CODE(BLIND_OK, open_log(&b), "new");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_CONFIG, ""), "config");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_MODEL_LOAD, "a"), "load");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_MODEL_LOAD, "b"), "load");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_MODEL_UNLOAD, "a"), "unload");
    check_whole(&b);
    bl_runtime_log_done(&b.log);
    CHECK_CODE(BLIND_OK, open_log(&b), "again");
    assert_int_equal(5, b.log.state.len); /* b is loaded no more */
    check_whole(&b);
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_CONFIG, ""), "config");
    check_whole(&b);
    bl_runtime_log_done(&b.log);
    tear_down(&b);
}

TEST(what_was_said_before_comes_behind)
{
    bench                 b;
    bl_log_event          e = { .type = BL_LOG_CONFIG };
    const bl_log_register reg = { fake_read, fake_extend, &b.f };
    set_up(&b);
    for (int i = 1; i <= 3; i++) {
        CHECK_CODE(BLIND_OK, bl_runtime_log_init(&b.log, NULL), "init");
        CHECK_CODE(BLIND_OK, bl_runtime_log_append(&b.log, &e, NULL, NULL), "config");
        CHECK_CODE(BLIND_OK, bl_runtime_log_keep(&b.log, b.path, &reg, NULL), "keep");
        assert_int_equal(i, b.log.state.len);
        check_whole(&b);
        bl_runtime_log_done(&b.log);
    }
    tear_down(&b);
}

TEST(a_missing_last_extend_is_made_up_for)
{
    bench b;
    set_up(&b);
    b.f.fail_at = 3;
    CHECK_CODE(BLIND_OK, open_log(&b), "new");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_CONFIG, ""), "1");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_CONFIG, ""), "2");
    CHECK_CODE(BLIND_IO, add(&b, BL_LOG_CONFIG, ""), "3: on disk, not extended");
    CHECK_CODE(BLIND_IO, add(&b, BL_LOG_CONFIG, ""), "4: broken");
    assert_int_equal(2, b.log.state.len);
    bl_runtime_log_done(&b.log);
    CHECK_CODE(BLIND_OK, open_log(&b), "again");
    assert_int_equal(3, b.log.state.len);
    check_whole(&b);
    bl_runtime_log_done(&b.log);
    tear_down(&b);
}

TEST(half_a_record_is_cut_off)
{
    bench b;
    set_up(&b);
    CHECK_CODE(BLIND_OK, open_log(&b), "new");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_CONFIG, ""), "1");
    bl_runtime_log_done(&b.log);
    int fd = open(b.path, O_WRONLY | O_APPEND | O_CLOEXEC);
    CHECK(write(fd, "\x58\x40half", 6) == 6);
    close(fd);
    CHECK_CODE(BLIND_OK, open_log(&b), "again");
    assert_int_equal(1, b.log.state.len);
    check_whole(&b);
    bl_runtime_log_done(&b.log);
    tear_down(&b);
}

TEST(a_reboot_starts_a_new_log)
{
    bench b;
    set_up(&b);
    CHECK_CODE(BLIND_OK, open_log(&b), "new");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_MODEL_LOAD, "a"), "load");
    bl_runtime_log_done(&b.log);
    memset(b.f.value, 0, 32);
    CHECK_CODE(BLIND_OK, open_log(&b), "after the reboot");
    assert_int_equal(0, b.log.state.len);
    check_whole(&b);
    bl_runtime_log_done(&b.log);
    tear_down(&b);
}

TEST(a_foreign_extend_and_a_changed_file_are_refused)
{
    bench   b;
    uint8_t foreign[32] = { 1 };
    set_up(&b);
    CHECK_CODE(BLIND_OK, open_log(&b), "new");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_CONFIG, ""), "1");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_CONFIG, ""), "2");
    bl_runtime_log_done(&b.log);
    int fd = open(b.path, O_RDWR | O_CLOEXEC);
    CHECK(pwrite(fd, "\x00", 1, 20) == 1);
    close(fd);
    CHECK_CODE(BLIND_LOG, open_log(&b), "a changed file");
    CHECK_CODE(BLIND_IO, add(&b, BL_LOG_CONFIG, ""), "nothing goes on from there");
    bl_runtime_log_done(&b.log);
    CHECK(truncate(b.path, 0) == 0);
    CHECK_CODE(BLIND_LOG, open_log(&b), "an emptied file");
    bl_runtime_log_done(&b.log);
    memset(b.f.value, 0, 32);
    CHECK_CODE(BLIND_OK, open_log(&b), "after a reboot");
    CHECK_CODE(BLIND_OK, add(&b, BL_LOG_CONFIG, ""), "1");
    bl_runtime_log_done(&b.log);
    CHECK_CODE(BLIND_OK, fake_extend(&b.f, foreign, NULL), "somebody else");
    CHECK_CODE(BLIND_LOG, open_log(&b), "a foreign extend");
    bl_runtime_log_done(&b.log);
    tear_down(&b);
}

TEST(a_log_has_one_writer)
{
    bench          b;
    bl_runtime_log second;
    set_up(&b);
    const bl_log_register reg = { fake_read, fake_extend, &b.f };
    CHECK_CODE(BLIND_OK, open_log(&b), "first");
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&second, NULL), "init");
    CHECK_CODE(BLIND_BUSY, bl_runtime_log_keep(&second, b.path, &reg, NULL), "second");
    bl_runtime_log_done(&second);
    bl_runtime_log_reach(&b.log, NULL);
    CHECK_CODE(BLIND_IO, add(&b, BL_LOG_CONFIG, ""), "the register is out of reach");
    bl_runtime_log_done(&b.log);
    tear_down(&b);
}

TESTS(RUN(a_log_goes_on_after_a_restart), RUN(what_was_said_before_comes_behind),
      RUN(a_missing_last_extend_is_made_up_for), RUN(half_a_record_is_cut_off),
      RUN(a_reboot_starts_a_new_log), RUN(a_foreign_extend_and_a_changed_file_are_refused),
      RUN(a_log_has_one_writer))
