/* The digest of a file, read in pieces. */
#include "crypto/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static ssize_t read_some(int fd, void *to, size_t size)
{
    ssize_t n;
    do
        n = read(fd, to, size);
    while (n < 0 && errno == EINTR);
    return n;
}

blind_code bl_hash_file(bl_hash hash, const char *path, uint8_t *out, uint64_t *size_out,
                        blind_error *err)
{
    bl_auto_hasher h = BL_HASHER_EMPTY;
    bl_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t        chunk[65536];
    uint64_t       size = 0;
    ssize_t        n = -1;
    memset(out, 0, bl_hash_size(hash));
    bl_hasher_init(&h, hash);
    while (fd >= 0 && (n = read_some(fd, chunk, sizeof chunk)) > 0) {
        bl_hasher_update(&h, bl_span(chunk, (size_t)n));
        size += (uint64_t)n;
    }
    if (n < 0)
        return blind_fail(err, BLIND_IO, "hash.file", "cannot read '%s': %s", path,
                          strerror(errno));
    if (bl_hasher_final(&h, out) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, "hash.file", "out of memory");
    if (size_out)
        *size_out = size;
    return BLIND_OK;
}
