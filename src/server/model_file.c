/* Model bytes in a sealed memfd.  Source: memfd_create(2), fcntl(2) "File Sealing". */
#include "server/model_file.h"

#include "base/file.h"
#include "crypto/hash.h"
#include "server/hash_beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "model.memory", "no memory for the model");
}

blind_code bl_model_writer_init(bl_model_writer *w, size_t max, blind_error *err)
{
    *w = (bl_model_writer){ .fd = memfd_create("blind-model", MFD_CLOEXEC | MFD_ALLOW_SEALING),
                            .max = max };
    return w->fd < 0 ? no_memory(err) : BLIND_OK;
}

blind_code bl_model_writer_add(bl_model_writer *w, blind_span bytes, blind_error *err)
{
    if (bytes.size > w->max - w->size)
        return blind_fail(err, BLIND_LIMIT, "model.size", "the model is larger than %zu bytes",
                          w->max);
    while (bytes.size) {
        ssize_t n = write(w->fd, bytes.data, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return no_memory(err);
        w->size += (size_t)n;
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
    return BLIND_OK;
}

void bl_model_writer_done(bl_model_writer *w)
{
    bl_close_fd(&w->fd);
}

static blind_code seal(int fd, blind_error *err)
{
    int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (fcntl(fd, F_ADD_SEALS, seals) == 0)
        return BLIND_OK;
    return bl_errno_fail(err, "model.seal", "seal", "memfd:blind-model", errno);
}

static blind_code no_hash(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "model.hash", "no memory to hash the model");
}

/* sha256  of what was written, or NULL: it is taken of what lies there */
static blind_code map_and_hash(int fd, size_t size, const uint8_t *sha256, bl_model_file *file,
                               blind_error *err)
{
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return no_memory(err);
    file->bytes = bl_span(data, size);
    file->size = size;
    if (sha256) {
        memcpy(file->sha256, sha256, sizeof file->sha256);
        return BLIND_OK;
    }
    if (bl_sha256(file->bytes, file->sha256) == BLIND_OK)
        return BLIND_OK;
    munmap(data, size);
    return no_hash(err);
}

static blind_code seal_as(bl_model_writer *writer, const uint8_t *sha256, bl_model_file **out,
                          blind_error *err)
{
    *out = NULL;
    bl_auto_model_writer w = *writer;
    writer->fd = -1;
    if (w.size == 0)
        return blind_fail(err, BLIND_INPUT, "model.empty", "Received no data");
    bl_auto_free bl_model_file *file = calloc(1, sizeof *file);
    if (!file)
        return no_memory(err);
    BL_TRY(seal(w.fd, err));
    BL_TRY(map_and_hash(w.fd, w.size, sha256, file, err));
    file->fd = bl_take_fd(&w.fd);
    atomic_init(&file->refs, 1);
    *out = bl_take(file);
    return BLIND_OK;
}

blind_code bl_model_writer_seal(bl_model_writer *w, bl_model_file **out, blind_error *err)
{
    return seal_as(w, NULL, out, err);
}

bl_model_file *bl_model_file_retain(bl_model_file *file)
{
    atomic_fetch_add(&file->refs, 1);
    return file;
}

void bl_model_file_release(bl_model_file *file)
{
    if (!file || atomic_fetch_sub(&file->refs, 1) != 1)
        return;
    bl_model_bytes_free(file->bytes, file->fd);
    bl_spool_free(file->spool);
    free(file);
}

/* ---- away and back ---- */

void bl_model_bytes_free(blind_span bytes, int fd)
{
    if (bytes.size)
        munmap((void *)(uintptr_t)bytes.data, bytes.size);
    bl_close_fd(&fd);
}

blind_code bl_model_file_spool(bl_model_file *file, const char *dir, blind_error *err)
{
    bl_spool *spool;
    if (file->spool)
        return BLIND_OK;
    BL_TRY(bl_spool_new(dir, &spool, err));
    blind_code code = bl_spool_add(spool, file->bytes, err);
    if (code != BLIND_OK) {
        bl_spool_free(spool);
        return code;
    }
    file->spool = spool;
    return BLIND_OK;
}

void bl_model_file_detach(bl_model_file *file, blind_span *bytes, int *fd)
{
    *bytes = file->bytes;
    *fd = file->fd;
    file->bytes = (blind_span){ 0 };
    file->fd = -1;
}

static blind_code add_to_writer(void *arg, blind_span bytes, blind_error *err)
{
    return bl_model_writer_add(arg, bytes, err);
}

blind_code bl_model_file_attach(bl_model_file *file, blind_error *err)
{
    bl_auto_model_writer w = BL_MODEL_WRITER_EMPTY;
    bl_model_file       *same;
    if (file->bytes.size)
        return BLIND_OK;
    BL_TRY(bl_model_writer_init(&w, file->size, err));
    BL_TRY(bl_spool_read(file->spool, add_to_writer, &w, err));
    BL_TRY(bl_model_writer_seal(&w, &same, err));
    bool equal = same->size == file->size && memcmp(same->sha256, file->sha256, 32) == 0;
    if (equal)
        bl_model_file_detach(same, &file->bytes, &file->fd);
    bl_model_file_release(same);
    return equal ? BLIND_OK
                 : blind_fail(err, BLIND_IO, "model.spool", "the spool has another model");
}

/* ---- from a file ---- */

static blind_code open_file(const char *path, size_t max, int *fd, blind_error *err)
{
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st) != 0)
        return bl_errno_fail(err, "model.open", "open", path, errno);
    if (!S_ISREG(st.st_mode))
        return blind_fail(err, BLIND_IO, "model.open", "cannot open '%s': not a regular file",
                          path);
    if (st.st_size < 0 || (uint64_t)st.st_size > max)
        return blind_fail(err, BLIND_LIMIT, "model.size", "'%s' has %lld bytes, at most %zu", path,
                          (long long)st.st_size, max);
    return BLIND_OK;
}

/* What is hashed is this process's own copy, before it is written: the file may change meanwhile.
 */
static blind_code copy(int fd, const char *path, bl_model_writer *w, bl_hash_beside *h,
                       blind_error *err)
{
    for (;;) {
        uint8_t *room = bl_hash_beside_room(h);
        ssize_t  n = read(fd, room, BL_HASH_BESIDE_ROOM);
        if (n == 0)
            return BLIND_OK;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return bl_errno_fail(err, "model.read", "read", path, errno);
        bl_hash_beside_give(h, (size_t)n);
        BL_TRY(bl_model_writer_add(w, bl_span(room, (size_t)n), err));
    }
}

blind_code bl_model_file_open(const char *path, size_t max, bl_model_file **out, blind_error *err)
{
    *out = NULL;
    bl_auto_fd int       fd = -1;
    bl_auto_model_writer w = BL_MODEL_WRITER_EMPTY;
    bl_hash_beside       hash;
    uint8_t              sha256[BL_SHA256_SIZE];
    BL_TRY(open_file(path, max, &fd, err));
    BL_TRY(bl_model_writer_init(&w, max, err));
    BL_TRY(bl_hash_beside_begin(&hash, err));
    blind_code code = copy(fd, path, &w, &hash, err);
    if (bl_hash_beside_end(&hash, sha256) != BLIND_OK && code == BLIND_OK)
        code = no_hash(err);
    BL_TRY(code);
    return seal_as(&w, sha256, out, err);
}
