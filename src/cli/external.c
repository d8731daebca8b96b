/* Each file is mapped once and stays as long as the model. */
#include "cli/external.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

blind_code bl_external_open(const char *model, bl_external *e, blind_error *err)
{
    const char *slash = strrchr(model, '/');
    int         len = slash ? (int)(slash - model) + 1 : 0;
    *e = (bl_external){ .folder = -1 };
    if ((size_t)snprintf(e->path, sizeof e->path, "%.*s", len ? len : 1, len ? model : ".") >=
        sizeof e->path)
        return blind_fail(err, BLIND_USAGE, "run.weights", "too long a path: '%.100s'", model);
    return BLIND_OK;
}

static blind_code map(bl_external *e, const char *location, blind_error *err)
{
    if (e->len == BL_EXTERNAL_FILES)
        return blind_fail(err, BLIND_LIMIT, "run.weights", "weights in more than %d files",
                          BL_EXTERNAL_FILES);
    if (e->folder < 0)
        e->folder = open(e->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (e->folder < 0)
        return bl_errno_fail(err, "run.weights", "open", e->path, errno);
    BL_TRY(bl_file_map_beneath(e->folder, location, &e->files[e->len], err));
    e->names[e->len] = strdup(location);
    if (!e->names[e->len]) {
        bl_file_unmap(&e->files[e->len]);
        return blind_fail(err, BLIND_MEMORY, "run.weights", "out of memory");
    }
    e->len++;
    return BLIND_OK;
}

blind_code bl_external_file(void *arg, const char *location, blind_span *out, blind_error *err)
{
    bl_external *e = arg;
    for (size_t i = 0; i < e->len; i++)
        if (strcmp(e->names[i], location) == 0) {
            *out = e->files[i].bytes;
            return BLIND_OK;
        }
    BL_TRY(map(e, location, err));
    *out = e->files[e->len - 1].bytes;
    return BLIND_OK;
}

void bl_external_close(bl_external *e)
{
    for (size_t i = 0; i < e->len; i++) {
        free(e->names[i]);
        bl_file_unmap(&e->files[i]);
    }
    if (e->folder >= 0 && e->path[0])
        close(e->folder);
    e->len = 0;
    e->folder = -1;
}
