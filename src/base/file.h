/* Whole files: read with a bound, mapped, or replaced in one step. */
#ifndef BL_FILE_H
#define BL_FILE_H

#include "base/buf.h"

#include <sys/types.h>

/* Appends a file of at most `max` bytes; "-" is not special, FIFOs and devices are read to their
 * end.  Errors NOT_FOUND, DENIED, IO, LIMIT, MEMORY, each naming the path. */
BLIND_MUST_USE blind_code bl_file_read(const char *path, size_t max, bl_buf *out, blind_error *err);

/* A regular file mapped read-only and private.  Whoever can write the file can still change or cut
 * what is seen (SIGBUS): map only what nobody else writes. */
typedef struct {
    blind_span bytes;
} bl_mapping;

BLIND_MUST_USE blind_code bl_file_map(const char *path, bl_mapping *out, blind_error *err);
/* The same for a file beneath an open folder, whatever the path says: it may name neither ".." nor
 * "/" in front, and nothing on the way, the file included, may be a symbolic link.  Errors also
 * INPUT for such a path. */
BLIND_MUST_USE blind_code bl_file_map_beneath(int folder, const char *path, bl_mapping *out,
                                              blind_error *err);
void                      bl_file_unmap(bl_mapping *m);
/* Hints for a part of it, which may lie elsewhere: then they do nothing.  Ready maps its pages at
 * once, before it is read from end to end; drop forgets them: reading them again is slower. */
void bl_file_ready(const bl_mapping *m, blind_span part);
void bl_file_drop(const bl_mapping *m, blind_span part);
#define bl_auto_mapping __attribute__((cleanup(bl_file_unmap))) bl_mapping

/* Replaces `path` by a file of these bytes: a temporary file beside it, synced, renamed, and the
 * folder synced.  A reader sees the old file or the new one, also after a power cut; on failure the
 * old one stays and the temporary one goes.  Errors NOT_FOUND, DENIED, IO (no space, ...). */
BLIND_MUST_USE blind_code bl_file_write_atomic(const char *path, blind_span bytes, mode_t mode,
                                               blind_error *err);

/* The code for an errno: NOT_FOUND, DENIED, EXISTS, MEMORY, else IO. */
blind_code bl_errno_code(int error);
/* Fails with that code: "cannot open 'a': permission denied". */
blind_code bl_errno_fail(blind_error *err, const char *stage, const char *doing, const char *path,
                         int error);

#endif
