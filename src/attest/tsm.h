/* Reports by the kernel's interface for guests of every TEE, configfs-tsm:
 *
 *     /sys/kernel/config/tsm/report/NAME/   made by mkdir, gone by rmdir
 *         inblob           write: at most 64 bytes that the report is to hold
 *         outblob          read: makes the report, or repeats the last one
 *         auxblob          read: what came with it (SEV-SNP: the host's certificate table)
 *         provider         "sev_guest", "tdx_guest"
 *         generation       a number that each write of an input raises
 *         privlevel        write: SEV-SNP's VMPL, at least privlevel_floor
 *
 * Since Linux 6.7.  Source: Documentation/ABI/testing/configfs-tsm-report. */
#ifndef BL_TSM_H
#define BL_TSM_H

#include "base/buf.h"

#include <sys/types.h>

#define BL_TSM_ROOT    "/sys/kernel/config/tsm/report"
#define BL_TSM_DATA    64
#define BL_TSM_RETRIES 10

/* What is asked of the file system; each returns what the system call does, or -errno. */
typedef struct bl_tsm_fs {
    int (*make)(void *context, const char *path);
    int (*remove)(void *context, const char *path);
    int (*open)(void *context, const char *path, bool write);
    ssize_t (*read)(void *context, int fd, void *out, size_t size);
    ssize_t (*write)(void *context, int fd, const void *bytes, size_t size);
    int (*close)(void *context, int fd);
    void (*wait_ms)(void *context, unsigned ms); /* before another try */
    void *context;
} bl_tsm_fs;
extern const bl_tsm_fs bl_tsm_kernel;

typedef struct {
    const bl_tsm_fs *fs;        /* NULL: bl_tsm_kernel */
    const char      *root;      /* NULL: BL_TSM_ROOT */
    const char      *provider;  /* "sev_guest"; another one is refused */
    unsigned         privlevel; /* at least; the kernel's floor is respected */
} bl_tsm_options;

/* One entry, which threads may share.  Strings are borrowed for as long as it lives. */
typedef struct bl_tsm bl_tsm;
/* Errors: UNSUPPORTED (no such interface, or another provider), DENIED, IO, MEMORY */
BLIND_MUST_USE blind_code bl_tsm_open(const bl_tsm_options *options, bl_tsm **out,
                                      blind_error *err);
void                      bl_tsm_close(bl_tsm *tsm);
/* Appends the report over `data` (at most BL_TSM_DATA bytes, padded with zeros) and what came with
 * it; `aux` may be NULL.  Somebody else's write to the entry meanwhile is seen and the report asked
 * for again.  Errors: USAGE, BUSY (again and again), LIMIT (larger than the kernel hands out), IO,
 * MEMORY */
BLIND_MUST_USE blind_code bl_tsm_report(bl_tsm *tsm, blind_span data, bl_buf *report, bl_buf *aux,
                                        blind_error *err);

#endif
