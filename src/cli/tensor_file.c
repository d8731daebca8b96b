/* Reads inputs and writes outputs of `blind run` and `blind infer`. */
#include "cli/tensor_file.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/npy.h"

enum { PATH_SIZE = 4096, MAX_FILE = 1 << 30 };

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "cli.tensor", "out of memory");
}

/* Reading.  ---------------------------------------------------------------------------------- */

static blind_code set_name(const char *name, bl_arena *arena, blind_tensor *out, blind_error *err)
{
    out->name = bl_arena_copy(arena, bl_span_str(name));
    return out->name ? BLIND_OK : no_memory(err);
}

blind_code bl_tensor_file_read(const char *path, const char *name, bl_arena *arena,
                               blind_tensor *out, blind_error *err)
{
    bl_auto_buf file = { .secret = true };
    BL_TRY(bl_file_read(path, MAX_FILE, &file, err));
    if (file.size >= 6 && memcmp(file.data, "\x93NUMPY", 6) == 0) {
        blind_code code = bl_npy_read(bl_buf_span(&file), arena, out, err);
        return code == BLIND_OK ? set_name(name, arena, out, err)
                                : blind_fail_in(err, code, "'%s'", path);
    }
    *out = (blind_tensor){ .dtype = BLIND_U8, .rank = 1, .shape = { (int64_t)file.size } };
    out->size = file.size;
    out->data = bl_arena_alloc(arena, file.size + 1);
    if (!out->data)
        return no_memory(err);
    if (file.size)
        memcpy(out->data, file.data, file.size);
    return set_name(name, arena, out, err);
}

static blind_code read_file(const char *given, bl_arena *arena, blind_tensor *out, blind_error *err)
{
    char        name[BL_MAX_TENSOR_NAME];
    const char *path;
    BL_TRY(bl_args_pair(given, name, sizeof name, &path, err));
    return bl_tensor_file_read(path, name, arena, out, err);
}

blind_code bl_tensor_text_read(const char *given, bl_arena *arena, blind_tensor *out,
                               blind_error *err)
{
    char        name[BL_MAX_TENSOR_NAME];
    const char *text;
    bl_auto_buf bytes = { .secret = true };
    BL_TRY(bl_args_pair(given, name, sizeof name, &text, err));
    bl_buf_add_le(&bytes, strlen(text), 4);
    bl_buf_add_str(&bytes, text);
    *out = (blind_tensor){ .dtype = BLIND_STRING, .rank = 1, .shape = { 1 }, .size = bytes.size };
    out->data = bl_arena_copy(arena, bl_buf_span(&bytes));
    return out->data && bl_buf_ok(&bytes) ? set_name(name, arena, out, err) : no_memory(err);
}

blind_code bl_tensor_files_read(const bl_args *args, bl_arena *arena, blind_tensor **out,
                                size_t *len, blind_error *err)
{
    const char *given;
    *len = 0;
    *out = bl_arena_array(arena, BL_MAX_TENSORS, sizeof **out);
    if (!*out)
        return no_memory(err);
    for (size_t i = 0; (given = bl_args_nth(args, "input", i)); i++)
        BL_TRY(*len < BL_MAX_TENSORS ? read_file(given, arena, &(*out)[(*len)++], err)
                                     : blind_fail(err, BLIND_LIMIT, "cli.tensor",
                                                  "more than %d inputs", BL_MAX_TENSORS));
    for (size_t i = 0; (given = bl_args_nth(args, "text", i)); i++)
        BL_TRY(*len < BL_MAX_TENSORS ? bl_tensor_text_read(given, arena, &(*out)[(*len)++], err)
                                     : blind_fail(err, BLIND_LIMIT, "cli.tensor",
                                                  "more than %d inputs", BL_MAX_TENSORS));
    return BLIND_OK;
}

/* Writing.  ---------------------------------------------------------------------------------- */

void bl_tensor_file_name(const char *name, char *out, size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-";
    size_t            i = 0;
    for (; name[i] && i + 1 < size; i++)
        out[i] = strchr(allowed, name[i]) ? name[i] : '_';
    out[i] = '\0';
}

static void add_line(bl_buf *out, blind_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '\\' || c == '\n')
            bl_buf_add_str(out, c == '\n' ? "\\n" : "\\\\");
        else
            bl_buf_add_u8(out, c);
    }
    bl_buf_add_str(out, "\n");
}

static blind_code write_lines(const blind_tensor *t, bl_buf *out, blind_error *err)
{
    blind_span rest = bl_span(t->data, t->size);
    while (rest.size) {
        size_t size = rest.size < 4 ? SIZE_MAX
                                    : (size_t)rest.data[0] | (size_t)rest.data[1] << 8 |
                                          (size_t)rest.data[2] << 16 | (size_t)rest.data[3] << 24;
        if (rest.size < 4 || size > rest.size - 4)
            return blind_fail(err, BLIND_PROTOCOL, "cli.tensor", "output '%.80s' holds no strings",
                              t->name);
        add_line(out, bl_span(rest.data + 4, size));
        rest = bl_span(rest.data + 4 + size, rest.size - 4 - size);
    }
    return bl_buf_check(out, "cli.tensor", err);
}

blind_code bl_tensor_file_write(const blind_tensor *t, const char *dir, char *path,
                                blind_error *err)
{
    char        name[200];
    bl_auto_buf bytes = { .secret = true };
    bool        strings = t->dtype == BLIND_STRING;
    bl_tensor_file_name(t->name && *t->name ? t->name : "output", name, sizeof name);
    if (snprintf(path, PATH_SIZE, "%s/%s.%s", dir, name, strings ? "txt" : "npy") >= PATH_SIZE)
        return blind_fail(err, BLIND_USAGE, "cli.tensor", "too long a path: '%.100s'", dir);
    blind_code code = strings ? write_lines(t, &bytes, err) : bl_npy_write(t, &bytes, err);
    if (code != BLIND_OK)
        return blind_fail_in(err, code, "output '%.80s'", name);
    return bl_file_write_atomic(path, bl_buf_span(&bytes), 0644, err);
}
