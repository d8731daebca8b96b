/* A stand-in for the kernel's configfs-tsm, for tests alone, after its ABI document and source:
 * inputs raise the generation, inblob is applied when its file is closed (and what is wrong with it
 * is told to nobody), outblob makes a report or repeats the last one, reads come in pieces.
 * Source: Linux, Documentation/ABI/testing/configfs-tsm-report; drivers/virt/coco/tsm.c;
 * fs/configfs/file.c. */
#ifndef TSM_STANDIN_H
#define TSM_STANDIN_H

#include "attest/tsm.h"

#define STANDIN_ROOT "/config/tsm/report"

typedef struct {
    char     path[160]; /* "": free */
    uint8_t  in[64];
    size_t   in_len;
    unsigned privlevel;
    uint32_t written, read; /* generations */
    bl_buf   out, aux;
} standin_entry;

typedef struct {
    standin_entry *entry;
    char           name[32];
    bool           write, open;
    bl_buf         bytes; /* to come, or written so far */
    size_t         at;
} standin_file;

typedef struct tsm_standin {
    bl_tsm_fs   fs;       /* what to give to bl_tsm_open() */
    const char *provider; /* NULL: none is registered */
    int         floor;    /* -1: no such attribute */
    bool        has_aux;
    size_t      piece; /* bytes of one read */

    /* Makes a report: 0 or -errno. */
    int (*report)(void *context, const uint8_t data[64], unsigned privlevel, bl_buf *out,
                  bl_buf *aux);
    void *context;

    /* What goes wrong, and how often. */
    unsigned busy;         /* reads of outblob that fail with EBUSY */
    unsigned full;         /* writes that the kernel takes no more of: EBUSY, told to nobody */
    unsigned races_before; /* somebody else's write between ours and the report */
    unsigned races_after;  /* ... between report and generation */
    int      read_error;   /* of outblob, always */
    unsigned taken_names;  /* mkdir says EEXIST so often */
    int      make_error;

    unsigned      reports, waits, made, removed, open_files;
    standin_entry entries[2];
    standin_file  files[8];
} tsm_standin;

void tsm_standin_init(tsm_standin *k, const char *provider);
/* True when everything that was made was removed and closed. */
bool tsm_standin_done(tsm_standin *k);

#endif
