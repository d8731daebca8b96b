/* Reads inputs and writes outputs of `blind run`. */
#include "cli/value_file.h"

#include "base/file.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

static blind_code item_path(const char *dir, size_t i, const char *kind, char path[PATH_SIZE],
                            blind_error *err)
{
    return snprintf(path, PATH_SIZE, "%s/%zu.%s", dir, i, kind) < PATH_SIZE
               ? BLIND_OK
               : blind_fail(err, BLIND_USAGE, "cli.tensor", "too long a path: '%.100s'", dir);
}

/* Reading.  ---------------------------------------------------------------------------------- */

static blind_code count_files(const char *dir, size_t *out, blind_error *err)
{
    DIR *d = opendir(dir);
    *out = 0;
    if (!d)
        return bl_errno_fail(err, "cli.tensor", "open", dir, errno);
    for (const struct dirent *e; (e = readdir(d));)
        *out += e->d_name[0] != '.';
    closedir(d);
    return *out <= BL_MAX_SEQUENCE
               ? BLIND_OK
               : blind_fail(err, BLIND_LIMIT, "cli.tensor", "'%.100s' holds more than %u files",
                            dir, BL_MAX_SEQUENCE);
}

static blind_code read_folder(const char *dir, const char *name, bl_arena *arena,
                              bl_onnx_value *out, blind_error *err)
{
    char   path[PATH_SIZE];
    size_t n;
    BL_TRY(count_files(dir, &n, err));
    blind_tensor *items = bl_arena_array(arena, n + 1, sizeof *items);
    const char   *kept = bl_arena_copy(arena, bl_span_str(name));
    if (!items || !kept)
        return blind_fail(err, BLIND_MEMORY, "cli.tensor", "out of memory");
    for (size_t i = 0; i < n; i++) {
        BL_TRY(item_path(dir, i, "npy", path, err));
        if (access(path, F_OK) != 0)
            return blind_fail(err, BLIND_INPUT, "cli.tensor",
                              "'%.100s' holds %zu files, but no %zu.npy", dir, n, i);
        BL_TRY(bl_tensor_file_read(path, name, arena, &items[i], err));
    }
    *out = (bl_onnx_value){ .name = kept, .kind = BL_ONNX_SEQUENCE, .items = items, .len = n };
    return BLIND_OK;
}

static blind_code read_tensor(const char *given, bool text, bl_arena *arena, bl_onnx_value *out,
                              blind_error *err)
{
    char          name[BL_MAX_TENSOR_NAME];
    const char   *path;
    struct stat   is;
    blind_tensor *t = bl_arena_alloc(arena, sizeof *t);
    if (!t)
        return blind_fail(err, BLIND_MEMORY, "cli.tensor", "out of memory");
    if (text) {
        BL_TRY(bl_tensor_text_read(given, arena, t, err));
    } else {
        BL_TRY(bl_args_pair(given, name, sizeof name, &path, err));
        if (stat(path, &is) == 0 && S_ISDIR(is.st_mode))
            return read_folder(path, name, arena, out, err);
        BL_TRY(bl_tensor_file_read(path, name, arena, t, err));
    }
    *out = (bl_onnx_value){ .name = t->name, .items = t, .len = 1 };
    return BLIND_OK;
}

blind_code bl_value_files_read(const bl_args *args, bl_arena *arena, bl_onnx_value **out,
                               size_t *len, blind_error *err)
{
    static const char *const names[] = { "input", "text" };
    const char              *given;
    *len = 0;
    *out = bl_arena_array(arena, BL_MAX_TENSORS, sizeof **out);
    if (!*out)
        return blind_fail(err, BLIND_MEMORY, "cli.tensor", "out of memory");
    for (int text = 0; text < 2; text++)
        for (size_t i = 0; (given = bl_args_nth(args, names[text], i)); i++)
            BL_TRY(*len < BL_MAX_TENSORS
                       ? read_tensor(given, text != 0, arena, &(*out)[(*len)++], err)
                       : blind_fail(err, BLIND_LIMIT, "cli.tensor", "more than %d inputs",
                                    BL_MAX_TENSORS));
    return BLIND_OK;
}

/* Writing.  ---------------------------------------------------------------------------------- */

/* Items that an earlier, longer sequence left. */
static blind_code remove_from(const char *dir, size_t i, blind_error *err)
{
    static const char *const kinds[] = { "npy", "txt" };
    char                     path[PATH_SIZE];
    for (bool found = true; found; i++) {
        found = false;
        for (size_t k = 0; k < BL_LEN(kinds); k++) {
            BL_TRY(item_path(dir, i, kinds[k], path, err));
            found = unlink(path) == 0 || found;
        }
    }
    return BLIND_OK;
}

static blind_code write_sequence(const bl_onnx_value *v, const char *dir, blind_error *err)
{
    char path[PATH_SIZE], name[32];
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return bl_errno_fail(err, "cli.tensor", "make", dir, errno);
    BL_TRY(remove_from(dir, 0, err));
    for (size_t i = 0; i < v->len; i++) {
        blind_tensor t = v->items[i];
        snprintf(name, sizeof name, "%zu", i);
        t.name = name;
        BL_TRY(bl_tensor_file_write(&t, dir, path, err));
    }
    return remove_from(dir, v->len, err);
}

blind_code bl_value_file_write(const bl_onnx_value *v, const char *dir, char *path,
                               blind_error *err)
{
    char name[200];
    path[0] = '\0';
    if (v->kind == BL_ONNX_NOTHING)
        return BLIND_OK;
    if (v->kind == BL_ONNX_TENSOR)
        return bl_tensor_file_write(v->items, dir, path, err);
    bl_tensor_file_name(v->name && *v->name ? v->name : "output", name, sizeof name);
    if (snprintf(path, PATH_SIZE, "%s/%s", dir, name) >= PATH_SIZE)
        return blind_fail(err, BLIND_USAGE, "cli.tensor", "too long a path: '%.100s'", dir);
    return write_sequence(v, path, err);
}
