/* The runtime log beyond its process: a file, and a register that only a reboot resets.
 *
 *     append     bytes on disk, fsync, extend, and only then the record counts
 *     start      register zero                the machine was started anew: so is the log
 *                register = head of the file  goes on
 *                register = head before the   the process ended between fsync and extend: extends,
 *                last record                  goes on
 *                anything else                somebody else extended it, or changed the file:
 * refuses
 *
 * Source: CHANNEL, "TPM". */
#include "attest/log_record.h"
#include "attest/runtime_log.h"
#include "attest/wire.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

static const char STAGE[] = "log.keep";

static blind_code broken(bl_runtime_log *log, blind_error *err, const char *what)
{
    log->broken = true;
    return blind_fail(err, BLIND_IO, STAGE, "cannot keep the runtime log: %s: %s", what,
                      strerror(errno));
}

static bool write_all(int fd, blind_span bytes, off_t at)
{
    while (bytes.size) {
        ssize_t n = pwrite(fd, bytes.data, bytes.size, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = bl_span(bytes.data + n, bytes.size - (size_t)n);
        at += n;
    }
    return true;
}

static blind_code extend(bl_runtime_log *log, blind_span record, blind_error *err)
{
    uint8_t digest[32];
    if (!log->reg.arg)
        return blind_fail(err, BLIND_IO, STAGE, "the log's register cannot be reached");
    if (bl_sha256(record, digest) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    return log->reg.extend(log->reg.arg, digest, err);
}

blind_code bl_runtime_log_store(bl_runtime_log *log, size_t before, blind_span record,
                                blind_error *err)
{
    if (log->broken)
        return blind_fail(err, BLIND_IO, STAGE,
                          "the runtime log is broken since an earlier failure");
    if (!log->kept)
        return BLIND_OK;
    blind_span added = bl_span(log->bytes.data + before, log->bytes.size - before);
    if (!write_all(log->fd, added, (off_t)before) || fsync(log->fd) != 0)
        return broken(log, err, "write");
    blind_code code = extend(log, record, err);
    log->broken = code != BLIND_OK;
    return code;
}

void bl_runtime_log_reach(bl_runtime_log *log, const bl_log_register *reg)
{
    pthread_mutex_lock(&log->lock);
    log->reg = reg ? *reg : (bl_log_register){ 0 };
    pthread_mutex_unlock(&log->lock);
}

/* ---- the start ---- */

/* A file as far as its records are whole: what comes behind was never extended, nor on disk. */
typedef struct {
    bl_buf       bytes;
    bl_log_state before, state; /* without and with the last record */
    blind_span   last;
} kept;

static blind_code read_kept(int fd, kept *out, blind_error *err)
{
    uint8_t *to = bl_buf_reserve(&out->bytes, BL_MAX_LOG_SIZE + 1);
    ssize_t  n = to ? pread(fd, to, BL_MAX_LOG_SIZE + 1, 0) : -1;
    if (!to)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    if (n < 0 || n > (ssize_t)BL_MAX_LOG_SIZE)
        return blind_fail(err, BLIND_IO, STAGE, "cannot read the runtime log");
    bl_reader r = { .rest = bl_span(to, (size_t)n) };
    while (r.rest.size) {
        bl_reader  next = r;
        blind_span record = bl_cbor_read_bytes(&next);
        if (next.failed)
            break;
        r = next;
        out->before = out->state;
        out->last = record;
        if (bl_log_extend(&out->state, record) != BLIND_OK)
            return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    }
    out->bytes.size = (size_t)n - r.rest.size;
    return BLIND_OK;
}

/* What the log holds becomes what was kept. */
static blind_code take_over(bl_runtime_log *log, const kept *k, blind_error *err)
{
    bl_buf_clear(&log->bytes);
    bl_buf_add(&log->bytes, bl_buf_span(&k->bytes));
    log->state = k->state;
    if (ftruncate(log->fd, (off_t)k->bytes.size) != 0)
        return broken(log, err, "truncate");
    return bl_buf_check(&log->bytes, STAGE, err);
}

static blind_code go_on(bl_runtime_log *log, kept *k, blind_error *err)
{
    static const uint8_t zero[32];
    uint8_t              value[32];
    BL_TRY(log->reg.read(log->reg.arg, value, err));
    if (memcmp(value, zero, 32) == 0) { /* nothing was extended since the machine started */
        k->bytes.size = 0;
        k->state = (bl_log_state){ 0 };
        return take_over(log, k, err);
    }
    bool missing = k->last.data && memcmp(value, k->before.head, 32) == 0;
    if (!missing && memcmp(value, k->state.head, 32) != 0)
        return blind_fail(
            err, BLIND_LOG, STAGE,
            "the log's register was extended by somebody else, or the log was changed");
    BL_TRY(take_over(log, k, err));
    return missing ? extend(log, k->last, err) : BLIND_OK;
}

/* Models of the process before are loaded no more. */
static blind_code add_unloads(bl_runtime_log *log, blind_error *err)
{
    bl_auto_arena       arena = BL_ARENA_EMPTY;
    bl_auto_buf         copy = BL_BUF_EMPTY;
    bl_log_replay       replay;
    const bl_log_model *models;
    size_t              len;
    bl_buf_add(&copy, bl_buf_span(&log->bytes));
    BL_TRY(bl_buf_check(&copy, STAGE, err));
    BL_TRY(bl_runtime_log_replay(bl_buf_span(&copy), &arena, &replay, err));
    BL_TRY(bl_log_models(&replay, &arena, &models, &len, err));
    for (size_t i = 0; i < len; i++) {
        bl_log_event gone = { .type = BL_LOG_MODEL_UNLOAD, .name = models[i].name };
        bl_auto_buf  record = { .max = BL_MAX_LOG_RECORD };
        bl_log_put_record(&gone, &record);
        BL_TRY(bl_buf_check(&record, STAGE, err));
        BL_TRY(bl_runtime_log_add(log, bl_buf_span(&record), err));
    }
    return BLIND_OK;
}

static blind_code add_again(bl_runtime_log *log, blind_span records, blind_error *err)
{
    bl_reader r = { .rest = records };
    while (r.rest.size && !r.failed) {
        blind_span record = bl_cbor_read_bytes(&r);
        if (!r.failed)
            BL_TRY(bl_runtime_log_add(log, record, err));
    }
    return BLIND_OK;
}

static blind_code keep(bl_runtime_log *log, const char *path, blind_error *err)
{
    kept        k = { 0 };
    bl_auto_buf own = BL_BUF_EMPTY;
    log->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    log->kept = log->fd >= 0;
    if (!log->kept)
        return blind_fail(err, BLIND_IO, STAGE, "cannot open '%.160s': %s", path, strerror(errno));
    if (flock(log->fd, LOCK_EX | LOCK_NB) != 0)
        return blind_fail(err, BLIND_BUSY, STAGE, "another process keeps '%.160s'", path);
    bl_buf_add(&own, bl_buf_span(&log->bytes));
    blind_code code = bl_buf_check(&own, STAGE, err);
    if (code == BLIND_OK)
        code = read_kept(log->fd, &k, err);
    if (code == BLIND_OK)
        code = go_on(log, &k, err);
    bl_buf_done(&k.bytes);
    if (code == BLIND_OK)
        code = add_unloads(log, err);
    return code == BLIND_OK ? add_again(log, bl_buf_span(&own), err) : code;
}

blind_code bl_runtime_log_keep(bl_runtime_log *log, const char *path, const bl_log_register *reg,
                               blind_error *err)
{
    pthread_mutex_lock(&log->quoting);
    pthread_mutex_lock(&log->lock);
    log->reg = *reg;
    blind_code code = keep(log, path, err);
    log->broken |= code != BLIND_OK;
    pthread_mutex_unlock(&log->lock);
    pthread_mutex_unlock(&log->quoting);
    return code;
}
