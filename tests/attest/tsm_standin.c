/* A stand-in for configfs-tsm. */
#include "tests/attest/tsm_standin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static standin_entry *find(tsm_standin *k, const char *path, size_t size)
{
    for (size_t i = 0; i < BL_LEN(k->entries); i++)
        if (strlen(k->entries[i].path) == size && strncmp(k->entries[i].path, path, size) == 0)
            return &k->entries[i];
    return NULL;
}

static int make(void *context, const char *path)
{
    tsm_standin *k = context;
    if (k->make_error)
        return k->make_error;
    if (!k->provider)
        return -ENXIO;
    if (strncmp(path, STANDIN_ROOT "/", sizeof STANDIN_ROOT) != 0)
        return -ENOENT;
    if (k->taken_names && k->taken_names--)
        return -EEXIST;
    standin_entry *e = find(k, "", 0);
    if (!e)
        return -ENOMEM;
    *e = (standin_entry){ .in_len = 0 };
    snprintf(e->path, sizeof e->path, "%s", path);
    k->made++;
    return 0;
}

static int remove_entry(void *context, const char *path)
{
    tsm_standin   *k = context;
    standin_entry *e = find(k, path, strlen(path));
    if (!e)
        return -ENOENT;
    bl_buf_done(&e->out);
    bl_buf_done(&e->aux);
    *e = (standin_entry){ .in_len = 0 };
    k->removed++;
    return 0;
}

/* Userspace that never reads its report may not write for ever. */
static int advance(tsm_standin *k, standin_entry *e)
{
    if (k->full) {
        k->full--;
        return -EBUSY;
    }
    e->written++;
    return 0;
}

static void somebody_else_writes(tsm_standin *k, standin_entry *e, unsigned *times)
{
    if (*times == 0)
        return;
    (*times)--;
    memset(e->in, 0xee, sizeof e->in);
    e->in_len = sizeof e->in;
    (void)advance(k, e);
}

static int regenerate(tsm_standin *k, standin_entry *e)
{
    if (e->in_len == 0)
        return -EINVAL;
    if (k->read_error)
        return k->read_error;
    if (k->busy) {
        k->busy--;
        return -EBUSY;
    }
    if (e->read == e->written && e->out.size)
        return 0;
    bl_buf_clear(&e->out);
    bl_buf_clear(&e->aux);
    e->read = e->written;
    k->reports++;
    return k->report(k->context, e->in, e->privlevel, &e->out, &e->aux);
}

static int fill_blob(tsm_standin *k, standin_file *f, bool aux)
{
    if (!aux)
        somebody_else_writes(k, f->entry, &k->races_before);
    int result = regenerate(k, f->entry);
    if (result < 0)
        return result;
    bl_buf_add(&f->bytes, bl_buf_span(aux ? &f->entry->aux : &f->entry->out));
    if (!bl_buf_ok(&f->bytes))
        return -ENOMEM;
    if (!aux)
        somebody_else_writes(k, f->entry, &k->races_after);
    return 0;
}

static bool is(const standin_file *f, const char *name)
{
    return strcmp(f->name, name) == 0;
}

/* What a file's first read finds. */
static int fill(tsm_standin *k, standin_file *f)
{
    if (is(f, "provider"))
        bl_buf_printf(&f->bytes, "%s\n", k->provider);
    else if (is(f, "generation"))
        bl_buf_printf(&f->bytes, "%u\n", f->entry->written);
    else if (is(f, "privlevel_floor"))
        bl_buf_printf(&f->bytes, "%d\n", k->floor);
    else
        return fill_blob(k, f, is(f, "auxblob"));
    return bl_buf_ok(&f->bytes) ? 0 : -ENOMEM;
}

static int check_access(const tsm_standin *k, const standin_file *f)
{
    static const char *const writable[] = { "inblob", "privlevel" };
    static const char *const readable[] = { "outblob", "auxblob", "provider", "generation",
                                            "privlevel_floor" };
    if ((k->floor < 0 && strncmp(f->name, "privlevel", 9) == 0) ||
        (!k->has_aux && is(f, "auxblob")))
        return -ENOENT;
    for (size_t i = 0; i < BL_LEN(writable); i++)
        if (is(f, writable[i]))
            return f->write ? 0 : -EACCES;
    for (size_t i = 0; i < BL_LEN(readable); i++)
        if (is(f, readable[i]))
            return f->write ? -EACCES : 0;
    return -ENOENT;
}

static int open_file(void *context, const char *path, bool write)
{
    tsm_standin *k = context;
    const char  *slash = strrchr(path, '/');
    size_t       fd = 0;
    while (fd < BL_LEN(k->files) && k->files[fd].open)
        fd++;
    if (fd == BL_LEN(k->files))
        return -EMFILE;
    standin_file *f = &k->files[fd];
    *f = (standin_file){ .write = write };
    f->entry = slash ? find(k, path, (size_t)(slash - path)) : NULL;
    if (!f->entry)
        return -ENOENT;
    snprintf(f->name, sizeof f->name, "%s", slash + 1);
    int result = check_access(k, f);
    if (result < 0)
        return result;
    f->open = true;
    k->open_files++;
    return (int)fd;
}

static ssize_t read_file(void *context, int fd, void *out, size_t size)
{
    tsm_standin  *k = context;
    standin_file *f = &k->files[fd];
    if (f->at == 0 && f->bytes.size == 0) {
        int result = fill(k, f);
        if (result < 0)
            return result;
    }
    size_t n = BL_MIN(BL_MIN(size, k->piece), f->bytes.size - f->at);
    if (n)
        memcpy(out, f->bytes.data + f->at, n);
    f->at += n;
    return (ssize_t)n;
}

static ssize_t write_privlevel(tsm_standin *k, standin_entry *e, const char *text, size_t size)
{
    char copy[16] = { 0 };
    memcpy(copy, text, BL_MIN(size, sizeof copy - 1));
    unsigned level = (unsigned)strtoul(copy, NULL, 10);
    if (level < (unsigned)k->floor || level > 3)
        return -EINVAL;
    int result = advance(k, e);
    if (result < 0)
        return result;
    e->privlevel = level;
    return (ssize_t)size;
}

static ssize_t write_file(void *context, int fd, const void *bytes, size_t size)
{
    tsm_standin  *k = context;
    standin_file *f = &k->files[fd];
    if (is(f, "privlevel"))
        return write_privlevel(k, f->entry, bytes, size);
    if (f->bytes.size + size > 64)
        return -EFBIG;
    bl_buf_add(&f->bytes, bl_span(bytes, size));
    return bl_buf_ok(&f->bytes) ? (ssize_t)size : -ENOMEM;
}

static int close_file(void *context, int fd)
{
    tsm_standin  *k = context;
    standin_file *f = &k->files[fd];
    if (f->write && is(f, "inblob") && f->bytes.size && advance(k, f->entry) == 0) {
        memset(f->entry->in, 0, sizeof f->entry->in);
        memcpy(f->entry->in, f->bytes.data, f->bytes.size);
        f->entry->in_len = f->bytes.size;
    }
    bl_buf_done(&f->bytes);
    f->open = false;
    k->open_files--;
    return 0;
}

static void wait_ms(void *context, unsigned ms)
{
    tsm_standin *k = context;
    k->waits += ms > 0;
}

void tsm_standin_init(tsm_standin *k, const char *provider)
{
    *k = (tsm_standin){ .provider = provider, .floor = -1, .piece = 7 };
    k->fs = (bl_tsm_fs){ .make = make,
                         .remove = remove_entry,
                         .open = open_file,
                         .read = read_file,
                         .write = write_file,
                         .close = close_file,
                         .wait_ms = wait_ms,
                         .context = k };
}

bool tsm_standin_done(tsm_standin *k)
{
    return k->made == k->removed && k->open_files == 0;
}
