/* Packs a folder's pipeline into its one file. */
#include "base/file.h"
#include "pipeline/config.h"
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    bl_buf     *out;
    const char *folder; /* "", or a path that ends with '/' */
    bl_archive *names;  /* of what is packed; without bytes */
} packing;

/* The name was measured, or is ours. */
static void keep_name(bl_archive *names, const char *name)
{
    bl_member *m = &names->members[names->len++];
    snprintf(m->name, sizeof m->name, "%s", name);
}

static blind_code add_file(void *arg, const char *name, blind_error *err)
{
    packing        *p = arg;
    char            path[4096];
    bl_auto_mapping file = { 0 };
    if (bl_archive_find(p->names, name))
        return BLIND_OK;
    if (p->names->len == BL_MAX_ARCHIVE_MEMBERS || strlen(name) > BL_MAX_ARCHIVE_NAME)
        return blind_fail(err, BLIND_LIMIT, "pipeline.pack", "more than %d files, or a long name",
                          BL_MAX_ARCHIVE_MEMBERS);
    if (snprintf(path, sizeof path, "%s%s", p->folder, name) >= (int)sizeof path)
        return blind_fail(err, BLIND_USAGE, "pipeline.pack", "path too long: '%.100s'", path);
    keep_name(p->names, name);
    BL_TRY(bl_file_map(path, &file, err));
    return bl_archive_add(p->out, name, file.bytes, err);
}

blind_code bl_pipeline_pack(const char *path, bl_buf *out, blind_error *err)
{
    bl_auto_free bl_archive *names = calloc(1, sizeof *names);
    bl_auto_free char       *folder = strdup(path);
    bl_auto_buf              text = BL_BUF_EMPTY;
    if (!names || !folder)
        return blind_fail(err, BLIND_MEMORY, "pipeline.pack", "out of memory");
    char *slash = strrchr(folder, '/');
    folder[slash ? slash - folder + 1 : 0] = '\0';
    packing p = { .out = out, .folder = folder, .names = names };
    BL_TRY(bl_file_read(path, BL_MAX_TOML_SIZE, &text, err));
    BL_TRY(bl_archive_add(out, "pipeline.toml", bl_buf_span(&text), err));
    keep_name(names, "pipeline.toml");
    blind_code code = bl_pipeline_config_files(bl_buf_span(&text), add_file, &p, err);
    if (code != BLIND_OK)
        return blind_fail_in(err, code, "'%s'", path);
    return bl_archive_end(out, err);
}
