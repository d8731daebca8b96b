/* Whole files.  Messages name the path and what the system said. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

blind_code bl_errno_code(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return BLIND_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return BLIND_DENIED;
    case EEXIST:
        return BLIND_EXISTS;
    case ENOMEM:
        return BLIND_MEMORY;
    default:
        return BLIND_IO;
    }
}

blind_code bl_errno_fail(blind_error *err, const char *stage, const char *doing, const char *path,
                         int error)
{
    char  room[96];
    char *text = strerror_r(error, room, sizeof room); /* GNU: may not use the room */
    char  first = text[0] >= 'A' && text[0] <= 'Z' ? (char)(text[0] + 32) : text[0];
    return blind_fail(err, bl_errno_code(error), stage, "cannot %s '%s': %c%s", doing, path, first,
                      text[0] ? text + 1 : "");
}

static blind_code open_to_read(const char *path, int *fd, blind_error *err)
{
    do
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? bl_errno_fail(err, "file.open", "open", path, errno) : BLIND_OK;
}

/* ---- reading ---- */

/* One piece; *got is 0 at the end.  `most` is at least 1. */
static blind_code read_some(int fd, const char *path, size_t most, bl_buf *out, size_t *got,
                            blind_error *err)
{
    enum { PIECE = 64 * 1024 };
    size_t   want = BL_MIN(most, (size_t)PIECE);
    uint8_t *to = bl_buf_reserve(out, want);
    if (!to)
        return bl_buf_check(out, "file.read", err);
    ssize_t n;
    do
        n = read(fd, to, want);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return bl_errno_fail(err, "file.read", "read", path, errno);
    *got = (size_t)n;
    return BLIND_OK;
}

blind_code bl_file_read(const char *path, size_t max, bl_buf *out, blind_error *err)
{
    bl_auto_fd int fd = -1;
    size_t         total = 0, got = 0;
    BL_TRY(open_to_read(path, &fd, err));
    do {
        size_t most = max - total;
        BL_TRY(read_some(fd, path, most < SIZE_MAX ? most + 1 : most, out, &got, err));
        if (got > most)
            return blind_fail(err, BLIND_LIMIT, "file.read", "'%s' is larger than %zu bytes", path,
                              max);
        out->size += got;
        total += got;
    } while (got);
    return BLIND_OK;
}

/* ---- mapping ---- */

static blind_code map_open(int fd, const char *path, bl_mapping *out, blind_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return bl_errno_fail(err, "file.map", "examine", path, errno);
    if (!S_ISREG(st.st_mode))
        return blind_fail(err, BLIND_IO, "file.map", "cannot map '%s': not a regular file", path);
    if (st.st_size == 0)
        return BLIND_OK;
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return bl_errno_fail(err, "file.map", "map", path, errno);
    out->bytes = bl_span(data, (size_t)st.st_size);
    return BLIND_OK;
}

blind_code bl_file_map(const char *path, bl_mapping *out, blind_error *err)
{
    bl_auto_fd int fd = -1;
    *out = (bl_mapping){ 0 };
    BL_TRY(open_to_read(path, &fd, err));
    return map_open(fd, path, out, err);
}

/* Opens one name in a folder, which is closed; no link is followed. */
static blind_code open_part(int *fd, const char *part, bool last, const char *path,
                            blind_error *err)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? O_NONBLOCK : O_DIRECTORY);
    int next = openat(*fd, part, flags), error = errno;
    close(*fd);
    *fd = next;
    if (next >= 0)
        return BLIND_OK;
    return error == ELOOP ? blind_fail(err, BLIND_INPUT, "file.map",
                                       "'%s' is or goes through a symbolic link", path)
                          : bl_errno_fail(err, "file.map", "open", path, error);
}

blind_code bl_file_map_beneath(int folder, const char *path, bl_mapping *out, blind_error *err)
{
    bl_auto_fd int fd = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    const char    *at = path;
    *out = (bl_mapping){ 0 };
    if (fd < 0)
        return bl_errno_fail(err, "file.map", "open", path, errno);
    for (bool last = false; !last;) {
        char   part[256];
        size_t len = strcspn(at, "/");
        last = at[len] == '\0';
        if (len == 0 || len >= sizeof part || (len == 2 && memcmp(at, "..", 2) == 0))
            return blind_fail(err, BLIND_INPUT, "file.map", "'%s' is no path within a folder",
                              path);
        memcpy(part, at, len);
        part[len] = '\0';
        BL_TRY(open_part(&fd, part, last, path, err));
        at += len + !last;
    }
    return map_open(fd, path, out, err);
}

void bl_file_unmap(bl_mapping *m)
{
    if (m->bytes.size)
        munmap((void *)(uintptr_t)m->bytes.data, m->bytes.size);
    *m = (bl_mapping){ 0 };
}

/* Whole pages of a part of it: those that it touches, or those that lie within. */
static bool pages_of(const bl_mapping *m, blind_span part, bool within, void **out, size_t *size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)m->bytes.data;
    uintptr_t from = (uintptr_t)part.data, to = from + part.size;
    if (from < begin || part.size > m->bytes.size || from - begin > m->bytes.size - part.size)
        return false;
    from = (from + (within ? page - 1 : 0)) & ~(page - 1);
    to = (to + (within ? 0 : page - 1)) & ~(page - 1);
    *out = (void *)from;
    *size = to > from ? to - from : 0;
    return *size > 0;
}

void bl_file_ready(const bl_mapping *m, blind_span part)
{
    void  *from;
    size_t size;
    if (pages_of(m, part, false, &from, &size))
        (void)madvise(from, size, MADV_POPULATE_READ);
}

void bl_file_drop(const bl_mapping *m, blind_span part)
{
    void  *from;
    size_t size;
    if (pages_of(m, part, true, &from, &size))
        (void)madvise(from, size, MADV_DONTNEED);
}

/* ---- replacing ---- */

static blind_code write_all(int fd, const char *path, blind_span bytes, blind_error *err)
{
    while (bytes.size) {
        ssize_t n = write(fd, bytes.data, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return bl_errno_fail(err, "file.write", "write", path, errno);
        bytes = bl_span(bytes.data + n, bytes.size - (size_t)n);
    }
    return BLIND_OK;
}

/* Fills the temporary file and puts it in place. */
static blind_code fill_and_rename(int *fd, const char *temporary, const char *path,
                                  blind_span bytes, mode_t mode, blind_error *err)
{
    BL_TRY(write_all(*fd, path, bytes, err));
    if (fchmod(*fd, mode) != 0 || fsync(*fd) != 0)
        return bl_errno_fail(err, "file.write", "write", path, errno);
    if (close(bl_take_fd(fd)) != 0) /* some file systems report a full disk only here */
        return bl_errno_fail(err, "file.write", "write", path, errno);
    if (rename(temporary, path) != 0)
        return bl_errno_fail(err, "file.rename", "replace", path, errno);
    return BLIND_OK;
}

/* The new name is on disk once its folder is. */
static blind_code sync_folder(const char *path, blind_error *err)
{
    bl_auto_free char *folder = strdup(path);
    if (!folder)
        return blind_fail(err, BLIND_MEMORY, "file.sync", "out of memory");
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    bl_auto_fd int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) /* EINVAL: it cannot sync folders */
        return bl_errno_fail(err, "file.sync", "sync the folder of", path, errno);
    return BLIND_OK;
}

blind_code bl_file_write_atomic(const char *path, blind_span bytes, mode_t mode, blind_error *err)
{
    bl_auto_buf name = BL_BUF_EMPTY;
    bl_buf_printf(&name, "%s.XXXXXX", path);
    char *temporary = bl_buf_cstr(&name);
    if (!temporary)
        return bl_buf_check(&name, "file.write", err);
    bl_auto_fd int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return bl_errno_fail(err, "file.write", "write", path, errno);
    blind_code code = fill_and_rename(&fd, temporary, path, bytes, mode, err);
    if (code != BLIND_OK) {
        unlink(temporary);
        return code;
    }
    return sync_folder(path, err);
}
