/* The bytes of a model in memory that nobody can change: a sealed memfd, mapped for reading.
 *
 * Inside a TEE the host owns the disk, and pages read again after hashing prove nothing (CHANNEL,
 * "Host-owned things").  So a file is read once, into this process's own memory; what came is
 * hashed and copied to the memfd, which is sealed, and which is what the engine maps. */
#ifndef BL_MODEL_FILE_H
#define BL_MODEL_FILE_H

#include "base/base.h"
#include "server/spool.h"

typedef struct bl_model_file bl_model_file;

struct bl_model_file {
    blind_span  bytes; /* of the sealed copy; none while the file is away */
    size_t      size;
    uint8_t     sha256[32];
    int         fd;
    bl_spool   *spool; /* an encrypted copy; NULL: the bytes stay in memory */
    size_t      users; /* server/resident.h's */
    _Atomic int refs;
};

/* Copies the file.  Errors: IO, NOT_FOUND, DENIED, LIMIT (past max bytes), MEMORY, INPUT (empty) */
BLIND_MUST_USE blind_code bl_model_file_open(const char *path, size_t max, bl_model_file **out,
                                             blind_error *err);
bl_model_file            *bl_model_file_retain(bl_model_file *file);
void                      bl_model_file_release(bl_model_file *file);

/* A file that may be away: its bytes are in an encrypted spool, and come back as they were.  The
 * caller sees to it that nobody borrows them meanwhile (server/resident.h).
 *
 * _spool   makes the copy, once.  Errors: IO, DENIED, MEMORY
 * _detach  takes the bytes out of the file, for bl_model_bytes_free()
 * _attach  brings them back where they are away.
 *          Errors: IO (changed on disk, another digest), MEMORY */
BLIND_MUST_USE blind_code bl_model_file_spool(bl_model_file *file, const char *dir,
                                              blind_error *err);
void                      bl_model_file_detach(bl_model_file *file, blind_span *bytes, int *fd);
BLIND_MUST_USE blind_code bl_model_file_attach(bl_model_file *file, blind_error *err);
void                      bl_model_bytes_free(blind_span bytes, int fd);

/* Or fill it piece by piece (from an encrypted spool, say). */
typedef struct {
    int    fd;
    size_t size, max;
} bl_model_writer;

#define BL_MODEL_WRITER_EMPTY ((bl_model_writer){ .fd = -1 })

/* max  bytes it may grow to.  Errors: MEMORY, LIMIT */
BLIND_MUST_USE blind_code bl_model_writer_init(bl_model_writer *writer, size_t max,
                                               blind_error *err);
BLIND_MUST_USE blind_code bl_model_writer_add(bl_model_writer *writer, blind_span bytes,
                                              blind_error *err);
/* Seals, maps and hashes; the writer is done, whatever the outcome.  Errors: INPUT (empty), MEMORY
 */
BLIND_MUST_USE blind_code bl_model_writer_seal(bl_model_writer *writer, bl_model_file **out,
                                               blind_error *err);
void                      bl_model_writer_done(bl_model_writer *writer);
#define bl_auto_model_writer __attribute__((cleanup(bl_model_writer_done))) bl_model_writer

#endif
