/* Chunks of 64 KiB: chunk i is sealed with counter i and lies at i * (64 KiB + tag). */
#include "server/spool.h"

#include "crypto/aead.h"
#include "crypto/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, SEALED = CHUNK + BL_AEAD_TAG_SIZE };

struct bl_spool {
    int      fd;
    uint64_t size;   /* plain bytes added */
    uint64_t chunks; /* written */
    size_t   fill;   /* of plain */
    char    *dir;
    uint8_t  key[BL_AEAD_KEY_SIZE];
    uint8_t  plain[CHUNK], sealed[SEALED];
};

static blind_code io_failed(const bl_spool *s, const char *what, blind_error *err)
{
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return blind_fail(err, BLIND_IO, "server.spool.space", "no space left in '%s'", s->dir);
    return blind_fail(err, BLIND_IO, "server.spool", "cannot %s the spool in '%s': %s", what,
                      s->dir, strerror(errno));
}

/* A file without a name; where the file system has none, one whose name is gone at once. */
static int open_unlinked(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/.spool-XXXXXX", dir) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

blind_code bl_spool_new(const char *dir, bl_spool **out, blind_error *err)
{
    *out = NULL;
    bl_spool *s = calloc(1, sizeof *s);
    char     *copy = strdup(dir);
    if (!s || !copy) {
        free(s);
        free(copy);
        return blind_fail(err, BLIND_MEMORY, "server.spool", "out of memory");
    }
    s->dir = copy;
    s->fd = open_unlinked(dir);
    blind_code code = s->fd < 0 ? io_failed(s, "make", err) : BLIND_OK;
    if (code == BLIND_OK)
        code = bl_random(s->key, sizeof s->key, err);
    if (code != BLIND_OK)
        bl_spool_free(s);
    else
        *out = s;
    return code;
}

void bl_spool_free(bl_spool *s)
{
    if (!s)
        return;
    bl_close_fd(&s->fd);
    free(s->dir);
    bl_wipe(s->key, sizeof s->key);
    bl_wipe(s->plain, sizeof s->plain);
    free(s);
}

uint64_t bl_spool_size(const bl_spool *s)
{
    return s->size;
}

static blind_code write_chunk(bl_spool *s, blind_error *err)
{
    size_t n = s->fill + BL_AEAD_TAG_SIZE;
    off_t  at = (off_t)(s->chunks * SEALED);
    BL_TRY(bl_aead_seal(s->key, s->chunks, (blind_span){ 0 }, bl_span(s->plain, s->fill), s->sealed,
                        err));
    for (size_t done = 0; done < n;) {
        ssize_t put = pwrite(s->fd, s->sealed + done, n - done, at + (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return io_failed(s, "write", err);
        done += (size_t)put;
    }
    s->chunks++;
    s->fill = 0;
    return BLIND_OK;
}

blind_code bl_spool_add(bl_spool *s, blind_span bytes, blind_error *err)
{
    while (bytes.size > 0) {
        size_t n = BL_MIN(bytes.size, CHUNK - s->fill);
        memcpy(s->plain + s->fill, bytes.data, n);
        s->fill += n;
        s->size += n;
        bytes = bl_span(bytes.data + n, bytes.size - n);
        if (s->fill == CHUNK)
            BL_TRY(write_chunk(s, err));
    }
    return BLIND_OK;
}

static blind_code read_chunk(bl_spool *s, uint64_t i, blind_error *err)
{
    for (size_t done = 0; done < SEALED;) {
        ssize_t got = pread(s->fd, s->sealed + done, SEALED - done, (off_t)(i * SEALED + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return blind_fail(err, BLIND_IO, "server.spool", "the spool was cut off");
        done += (size_t)got;
    }
    uint8_t open[CHUNK];
    if (bl_aead_open(s->key, i, (blind_span){ 0 }, bl_span(s->sealed, SEALED), open, err) !=
        BLIND_OK)
        return blind_fail(err, BLIND_IO, "server.spool", "the spool was changed on disk");
    memcpy(s->sealed, open, CHUNK);
    bl_wipe(open, sizeof open);
    return BLIND_OK;
}

/* The last, partial chunk never goes to disk. */
blind_code bl_spool_read(bl_spool *s,
                         blind_code (*take)(void *arg, blind_span bytes, blind_error *err),
                         void *arg, blind_error *err)
{
    blind_code code = BLIND_OK;
    for (uint64_t i = 0; i < s->chunks && code == BLIND_OK; i++) {
        code = read_chunk(s, i, err);
        if (code == BLIND_OK)
            code = take(arg, bl_span(s->sealed, CHUNK), err);
    }
    bl_wipe(s->sealed, sizeof s->sealed);
    if (code == BLIND_OK && s->fill > 0)
        code = take(arg, bl_span(s->plain, s->fill), err);
    return code;
}
