/* configfs-tsm: an entry, its inputs, its report, and the races between.
 *
 * The kernel buffers what is written to inblob and applies it when the file is closed, where no
 * error can be returned: that the generation rose by one is the only sign that it was taken. */
#include "attest/tsm.h"

#include "base/file.h"
#include "base/limits.h"
#include "crypto/random.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char STAGE[] = "tsm";

enum { MAX_NAME = 32, MAX_TEXT = 64, CHUNK = 4096, NAMES_TRIED = 8 };

struct bl_tsm {
    const bl_tsm_fs *fs;
    char            *entry; /* its folder */
    unsigned         privlevel;
    bool             sets_privlevel;
    pthread_mutex_t  lock;
};

/* ---- the kernel ---- */

static int kernel_make(void *context, const char *path)
{
    (void)context;
    return mkdir(path, 0700) == 0 ? 0 : -errno;
}

static int kernel_remove(void *context, const char *path)
{
    (void)context;
    return rmdir(path) == 0 ? 0 : -errno;
}

static int kernel_open(void *context, const char *path, bool write)
{
    int fd = open(path, (write ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
    (void)context;
    return fd >= 0 ? fd : -errno;
}

static ssize_t kernel_read(void *context, int fd, void *out, size_t size)
{
    ssize_t n = read(fd, out, size);
    (void)context;
    return n >= 0 ? n : -errno;
}

static ssize_t kernel_write(void *context, int fd, const void *bytes, size_t size)
{
    ssize_t n = write(fd, bytes, size);
    (void)context;
    return n >= 0 ? n : -errno;
}

static int kernel_close(void *context, int fd)
{
    (void)context;
    return close(fd) == 0 ? 0 : -errno;
}

static void kernel_wait_ms(void *context, unsigned ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    (void)context;
    (void)nanosleep(&t, NULL);
}

const bl_tsm_fs bl_tsm_kernel = { .make = kernel_make,
                                  .remove = kernel_remove,
                                  .open = kernel_open,
                                  .read = kernel_read,
                                  .write = kernel_write,
                                  .close = kernel_close,
                                  .wait_ms = kernel_wait_ms };

/* ---- attributes ---- */

static bool path_of(const bl_tsm *tsm, const char *name, char *out, size_t size)
{
    int n = snprintf(out, size, "%s/%s", tsm->entry, name);
    return n > 0 && (size_t)n < size;
}

/* Reads to the end, in as many pieces as it comes: 0 or -errno. */
static int read_fd(const bl_tsm *tsm, int fd, bl_buf *out, size_t max)
{
    size_t start = out->size;
    for (;;) {
        uint8_t *to = bl_buf_reserve(out, CHUNK);
        if (!to)
            return -ENOMEM;
        ssize_t n = tsm->fs->read(tsm->fs->context, fd, to, CHUNK);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        out->size += (size_t)n;
        if (out->size - start > max)
            return -EFBIG;
    }
}

static int read_attribute(const bl_tsm *tsm, const char *name, bl_buf *out, size_t max)
{
    char   path[4096];
    size_t before = out->size;
    if (!path_of(tsm, name, path, sizeof path))
        return -ENAMETOOLONG;
    int fd = tsm->fs->open(tsm->fs->context, path, false);
    if (fd < 0)
        return fd;
    int result = read_fd(tsm, fd, out, max);
    (void)tsm->fs->close(tsm->fs->context, fd);
    if (result < 0)
        out->size = before;
    return result;
}

static int write_attribute(const bl_tsm *tsm, const char *name, blind_span bytes)
{
    char path[4096];
    if (!path_of(tsm, name, path, sizeof path))
        return -ENAMETOOLONG;
    int fd = tsm->fs->open(tsm->fs->context, path, true);
    if (fd < 0)
        return fd;
    ssize_t n = tsm->fs->write(tsm->fs->context, fd, bytes.data, bytes.size);
    int     closed = tsm->fs->close(tsm->fs->context, fd);
    return n < 0 ? (int)n : (size_t)n != bytes.size ? -EIO : closed;
}

/* A line of text without its end; false when there is none. */
static int read_text(const bl_tsm *tsm, const char *name, char out[MAX_TEXT])
{
    bl_auto_buf text = BL_BUF_EMPTY;
    int         result = read_attribute(tsm, name, &text, MAX_TEXT - 1);
    if (result < 0)
        return result;
    while (text.size && text.data[text.size - 1] == '\n')
        text.size--;
    if (text.size)
        memcpy(out, text.data, text.size);
    out[text.size] = 0;
    return 0;
}

static int read_number(const bl_tsm *tsm, const char *name, uint32_t *out)
{
    char text[MAX_TEXT], *end;
    int  result = read_text(tsm, name, text);
    if (result < 0)
        return result;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n > UINT32_MAX)
        return -EPROTO;
    *out = (uint32_t)n;
    return 0;
}

/* ---- errors ---- */

/* Worth another try: the firmware or another writer is at it. */
static bool is_passing(int error)
{
    return error == -EBUSY || error == -EAGAIN || error == -EINTR;
}

static blind_code fail_io(const bl_tsm *tsm, const char *doing, int error, blind_error *err)
{
    if (error == -ENOMEM)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    if (error == -EFBIG)
        return blind_fail(err, BLIND_LIMIT, STAGE, "%s %s: larger than the kernel hands out", doing,
                          tsm->entry);
    if (is_passing(error))
        return blind_fail(err, BLIND_BUSY, STAGE, "%s %s: busy after %d tries", doing, tsm->entry,
                          BL_TSM_RETRIES);
    return bl_errno_fail(err, STAGE, doing, tsm->entry, -error);
}

/* ---- the entry ---- */

static blind_code fail_make(const char *root, int error, blind_error *err)
{
    if (error == -ENOENT || error == -ENOTDIR || error == -ENXIO || error == -EROFS)
        return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "no guest of a TEE: '%s' %s", root,
                          error == -ENXIO ? "has no provider" : "is not there");
    return bl_errno_fail(err, STAGE, "make an entry in", root, -error);
}

/* A name that no process before or beside this one has: it may have left its own behind. */
static blind_code make_entry(bl_tsm *tsm, const char *root, blind_error *err)
{
    int result = -EEXIST;
    for (int i = 0; i < NAMES_TRIED && result == -EEXIST; i++) {
        uint64_t random;
        size_t   size = strlen(root) + MAX_NAME;
        BL_TRY(bl_random(&random, sizeof random, err));
        free(tsm->entry);
        tsm->entry = malloc(size);
        if (!tsm->entry)
            return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
        snprintf(tsm->entry, size, "%s/blind-%016llx", root, (unsigned long long)random);
        result = tsm->fs->make(tsm->fs->context, tsm->entry);
    }
    if (result == 0)
        return BLIND_OK;
    free(tsm->entry);
    tsm->entry = NULL;
    return fail_make(root, result, err);
}

static blind_code check_provider(const bl_tsm *tsm, const char *want, blind_error *err)
{
    char found[MAX_TEXT];
    int  result = read_text(tsm, "provider", found);
    if (result == -ENOENT)
        return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "'%s' is no entry of configfs-tsm",
                          tsm->entry);
    if (result < 0)
        return fail_io(tsm, "read the provider of", result, err);
    if (strcmp(found, want) == 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "reports here are made by '%s', not by '%s'",
                      found, want);
}

/* A guest behind a service module may only ask for its own level or a lesser one. */
static blind_code find_privlevel(bl_tsm *tsm, unsigned wanted, blind_error *err)
{
    uint32_t floor = 0;
    int      result = read_number(tsm, "privlevel_floor", &floor);
    if (result < 0 && result != -ENOENT)
        return fail_io(tsm, "read the privilege floor of", result, err);
    tsm->privlevel = BL_MAX(wanted, floor);
    tsm->sets_privlevel = tsm->privlevel > 0;
    return BLIND_OK;
}

blind_code bl_tsm_open(const bl_tsm_options *options, bl_tsm **out, blind_error *err)
{
    *out = NULL;
    bl_tsm *tsm = calloc(1, sizeof *tsm);
    if (!tsm)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    tsm->fs = options->fs ? options->fs : &bl_tsm_kernel;
    (void)pthread_mutex_init(&tsm->lock, NULL);
    blind_code code = make_entry(tsm, options->root ? options->root : BL_TSM_ROOT, err);
    if (code == BLIND_OK)
        code = check_provider(tsm, options->provider, err);
    if (code == BLIND_OK)
        code = find_privlevel(tsm, options->privlevel, err);
    if (code == BLIND_OK)
        *out = tsm;
    else
        bl_tsm_close(tsm);
    return code;
}

void bl_tsm_close(bl_tsm *tsm)
{
    if (!tsm)
        return;
    if (tsm->entry)
        (void)tsm->fs->remove(tsm->fs->context, tsm->entry);
    free(tsm->entry);
    (void)pthread_mutex_destroy(&tsm->lock);
    free(tsm);
}

/* ---- a report ---- */

/* Writes the inputs and tells the generation that holds them: -EAGAIN when somebody else wrote too,
 * or the kernel took none until a report has been read. */
static int write_inputs(const bl_tsm *tsm, blind_span data, uint32_t *generation)
{
    char     level[16];
    uint32_t before, writes = 1;
    int      result = read_number(tsm, "generation", &before);
    if (result == 0)
        result = write_attribute(tsm, "inblob", data);
    if (result == 0 && tsm->sets_privlevel) {
        int n = snprintf(level, sizeof level, "%u", tsm->privlevel);
        result = write_attribute(tsm, "privlevel", bl_span(level, (size_t)n));
        writes++;
    }
    if (result == 0)
        result = read_number(tsm, "generation", generation);
    if (result == 0 && *generation != before + writes)
        result = -EAGAIN;
    return result;
}

static int read_outputs(const bl_tsm *tsm, uint32_t generation, bl_buf *report, bl_buf *aux)
{
    uint32_t after;
    int      result = read_attribute(tsm, "outblob", report, BL_MAX_TSM_BLOB);
    if (result == 0 && aux)
        result = read_attribute(tsm, "auxblob", aux, BL_MAX_TSM_BLOB);
    if (result == -ENOENT && report->size)
        result = 0; /* this provider has none */
    if (result == 0)
        result = read_number(tsm, "generation", &after);
    return result == 0 && after != generation ? -EAGAIN : result;
}

static int try_report(const bl_tsm *tsm, blind_span data, bl_buf *report, bl_buf *aux)
{
    uint32_t    generation;
    bl_auto_buf unread = BL_BUF_EMPTY;
    int         result = write_inputs(tsm, data, &generation);
    if (result == 0)
        result = read_outputs(tsm, generation, report, aux);
    else if (is_passing(result))
        (void)read_attribute(tsm, "outblob", &unread, BL_MAX_TSM_BLOB); /* makes way for writes */
    return result;
}

static int retry_report(const bl_tsm *tsm, blind_span data, bl_buf *report, bl_buf *aux)
{
    size_t report_start = report->size, aux_start = aux ? aux->size : 0;
    int    result = -EAGAIN;
    for (unsigned i = 0; i < BL_TSM_RETRIES && is_passing(result); i++) {
        if (i)
            tsm->fs->wait_ms(tsm->fs->context, 1u << i);
        report->size = report_start;
        if (aux)
            aux->size = aux_start;
        result = try_report(tsm, data, report, aux);
    }
    if (result < 0) {
        report->size = report_start;
        if (aux)
            aux->size = aux_start;
    }
    return result;
}

blind_code bl_tsm_report(bl_tsm *tsm, blind_span data, bl_buf *report, bl_buf *aux,
                         blind_error *err)
{
    uint8_t padded[BL_TSM_DATA] = { 0 };
    if (data.size == 0 || data.size > sizeof padded)
        return blind_fail(err, BLIND_USAGE, STAGE, "%zu bytes of report data, at most %zu",
                          data.size, sizeof padded);
    memcpy(padded, data.data, data.size);
    (void)pthread_mutex_lock(&tsm->lock);
    int result = retry_report(tsm, bl_span(padded, sizeof padded), report, aux);
    (void)pthread_mutex_unlock(&tsm->lock);
    return result == 0 ? BLIND_OK : fail_io(tsm, "ask for a report in", result, err);
}
