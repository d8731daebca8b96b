/* Quotes of the enclave this runs in, by Gramine's files:
 *
 *     /dev/attestation/attestation_type    read: "none", "epid" or "dcap"
 *     /dev/attestation/user_report_data    write: the 64 bytes that the next quote is to hold
 *     /dev/attestation/quote               read: makes the quote when it is opened
 *
 * The files belong to the process: a lock keeps its threads apart.  A quote is handed on only when
 * it holds the very report data that was asked for. Source: Gramine, Documentation/attestation.rst,
 * "Low-level /dev/attestation interface". */
#include "attest/sgx/sgx.h"
#include "attest/tsm.h"
#include "base/file.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define GRAMINE_ROOT "/dev/attestation"

static const char STAGE[] = "sgx.collect";

enum { MAX_QUOTE = 64 << 10, CHUNK = 4096, DATA = 64, MAX_PATH_SIZE = 4096 };

typedef struct {
    const bl_tsm_fs *fs;
    const char      *root; /* borrowed */
    pthread_mutex_t  lock;
} device;

/* ---- files ---- */

static int open_file(const device *d, const char *name, bool write)
{
    char path[MAX_PATH_SIZE];
    int  n = snprintf(path, sizeof path, "%s/%s", d->root, name);
    return n > 0 && (size_t)n < sizeof path ? d->fs->open(d->fs->context, path, write)
                                            : -ENAMETOOLONG;
}

/* Reads to the end, in as many pieces as it comes: 0 or -errno. */
static int read_file(const device *d, const char *name, bl_buf *out, size_t max)
{
    int fd = open_file(d, name, false), result = fd;
    while (result >= 0) {
        uint8_t *to = bl_buf_reserve(out, CHUNK);
        ssize_t  n = to ? d->fs->read(d->fs->context, fd, to, CHUNK) : -ENOMEM;
        if (n == -EINTR)
            continue;
        result = (int)BL_MIN(n, (ssize_t)0);
        if (n <= 0)
            break;
        out->size += (size_t)n;
        result = out->size > max ? -EFBIG : 0;
    }
    if (fd >= 0)
        (void)d->fs->close(d->fs->context, fd);
    return result;
}

/* All at once: Gramine takes a value as one write, when the file is closed at the latest. */
static int write_file(const device *d, const char *name, blind_span bytes)
{
    int fd = open_file(d, name, true);
    if (fd < 0)
        return fd;
    ssize_t n = d->fs->write(d->fs->context, fd, bytes.data, bytes.size);
    int     closed = d->fs->close(d->fs->context, fd);
    return n < 0 ? (int)n : (size_t)n != bytes.size ? -EIO : closed;
}

static blind_code fail_io(const char *doing, const char *name, int error, blind_error *err)
{
    if (error == -ENOMEM)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    return bl_errno_fail(err, STAGE, doing, name, -error);
}

/* ---- the device ---- */

void bl_sgx_close(void *opened)
{
    device *d = opened;
    if (!d)
        return;
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}

static blind_code check_type(const device *d, blind_error *err)
{
    bl_auto_buf type = BL_BUF_EMPTY;
    int         result = read_file(d, "attestation_type", &type, 64);
    if (result == -ENOENT || result == -ENOTDIR)
        return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "no enclave of Gramine: '%s' is not there",
                          d->root);
    if (result < 0)
        return fail_io("read", "attestation_type", result, err);
    while (type.size && type.data[type.size - 1] <= ' ')
        type.size--;
    if (bl_span_equal(bl_buf_span(&type), BL_LITERAL("dcap")))
        return BLIND_OK;
    return blind_fail(err, BLIND_UNSUPPORTED, STAGE,
                      "Gramine attests by '%.*s': the manifest must say sgx.remote_attestation = "
                      "\"dcap\"",
                      (int)BL_MIN(type.size, 32), type.data ? (const char *)type.data : "");
}

blind_code bl_sgx_open(const bl_tee_options *options, void **out, blind_error *err)
{
    *out = NULL;
    device *d = calloc(1, sizeof *d);
    if (!d)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    d->fs = options->gramine_fs ? options->gramine_fs : &bl_tsm_kernel;
    d->root = options->gramine_root ? options->gramine_root : GRAMINE_ROOT;
    (void)pthread_mutex_init(&d->lock, NULL);
    blind_code code = check_type(d, err);
    if (code == BLIND_OK)
        *out = d;
    else
        bl_sgx_close(d);
    return code;
}

/* ---- a quote ---- */

static blind_code ask(device *d, const uint8_t field[DATA], bl_buf *quote, blind_error *err)
{
    int result = write_file(d, "user_report_data", bl_span(field, DATA));
    if (result < 0)
        return fail_io("write", "user_report_data", result, err);
    result = read_file(d, "quote", quote, MAX_QUOTE);
    return result < 0 ? fail_io("read", "quote", result, err) : BLIND_OK;
}

static blind_code check_quote(blind_span raw, const uint8_t field[DATA], blind_error *err)
{
    bl_quote      quote;
    bl_sgx_report report;
    BL_TRY(bl_quote_parse(raw, &quote, err));
    if (quote.tee != BL_QUOTE_SGX)
        return blind_fail(err, BLIND_IO, STAGE, "the quote is not one of SGX");
    BL_TRY(bl_sgx_report_parse(quote.body, &report, err));
    if (bl_span_equal(report.report_data, bl_span(field, DATA)))
        return BLIND_OK;
    return blind_fail(err, BLIND_IO, STAGE, "the quote holds other report data than was asked for");
}

blind_code bl_sgx_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err)
{
    device     *d = opened;
    bl_auto_buf quote = BL_BUF_EMPTY;
    uint8_t     field[DATA] = { 0 };
    (void)now_s;
    if (report_data.size == 0 || report_data.size > DATA)
        return blind_fail(err, BLIND_USAGE, STAGE, "%zu bytes of report data, at most %d",
                          report_data.size, DATA);
    memcpy(field, report_data.data, report_data.size);
    (void)pthread_mutex_lock(&d->lock);
    blind_code code = ask(d, field, &quote, err);
    (void)pthread_mutex_unlock(&d->lock);
    BL_TRY(code);
    BL_TRY(check_quote(bl_buf_span(&quote), field, err));
    bl_buf_add(evidence, bl_buf_span(&quote));
    return bl_buf_check(evidence, STAGE, err);
}
