/* The one file that a pipeline travels in: an uncompressed tar, so that any tool makes and reads
 * it, its members lie aligned and are used where they lie, and its SHA-256 is the digest of
 * everything: steps, model, vocabulary, labels. */
#ifndef BL_ARCHIVE_H
#define BL_ARCHIVE_H

#include "base/buf.h"
#include "base/limits.h"

typedef struct {
    char       name[BL_MAX_ARCHIVE_NAME + 1];
    blind_span bytes; /* borrowed from the archive, at a multiple of 512 */
} bl_member;

typedef struct {
    bl_member members[BL_MAX_ARCHIVE_MEMBERS];
    size_t    len;
} bl_archive;

/* True for a file that begins with a tar header. */
bool bl_archive_is(blind_span file);

/* Reads a tar of regular files alone: names of [A-Za-z0-9._-] and '/', relative and without "..",
 * each once.
 * Errors  INPUT, LIMIT (members)
 * Source: POSIX.1-1990 ustar; GNU tar's headers without extensions are read too. */
BLIND_MUST_USE blind_code bl_archive_read(blind_span file, bl_archive *out, blind_error *err);

/* The member of that name, or NULL. */
const bl_member *bl_archive_find(const bl_archive *a, const char *name);

/* Appends a member; the same members in the same order give the same bytes.
 * Errors  USAGE (a name that cannot be one), MEMORY */
BLIND_MUST_USE blind_code bl_archive_add(bl_buf *out, const char *name, blind_span bytes,
                                         blind_error *err);
/* Appends the end. */
BLIND_MUST_USE blind_code bl_archive_end(bl_buf *out, blind_error *err);

#endif
