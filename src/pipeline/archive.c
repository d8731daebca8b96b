/* Reads and writes the tar that holds a pipeline. */
#include "pipeline/archive.h"

#include "base/reader.h"

#include <stdio.h>

enum {
    BLOCK = 512,
    /* A header's fields: where they start and how long they are. */
    NAME = 0,
    NAME_SIZE = 100,
    MODE = 100,
    MODE_SIZE = 8,
    OWNER = 108, /* user and group, 8 bytes each */
    OWNER_SIZE = 16,
    SIZE = 124,
    SIZE_SIZE = 12,
    TIME = 136,
    TIME_SIZE = 12,
    SUM = 148,
    SUM_SIZE = 8,
    TYPE = 156,
    MAGIC = 257,
    PREFIX = 345,
    PREFIX_SIZE = 155,
};

bool bl_archive_is(blind_span file)
{
    return file.size >= BLOCK && memcmp(file.data + MAGIC, "ustar", 5) == 0;
}

static bool zeroes(blind_span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.data[i])
            return false;
    return true;
}

/* Octal digits, with spaces before and a space or NUL behind them. */
static bool read_octal(blind_span field, uint64_t *out)
{
    size_t i = 0;
    *out = 0;
    while (i < field.size && field.data[i] == ' ')
        i++;
    size_t first = i;
    for (; i < field.size && field.data[i] >= '0' && field.data[i] <= '7'; i++)
        *out = *out << 3 | (uint64_t)(field.data[i] - '0'); /* 12 digits at most: no overflow */
    return i > first && (i == field.size || field.data[i] == ' ' || field.data[i] == '\0');
}

/* The sum of a header's bytes, its own field taken as spaces. */
static uint64_t sum_of(const uint8_t *header)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= SUM && i < SUM + SUM_SIZE ? ' ' : header[i];
    return sum;
}

static bool name_allowed(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-/";
    size_t            size = strlen(name);
    return size > 0 && name[0] != '/' && name[size - 1] != '/' && strspn(name, allowed) == size &&
           !strstr(name, "..");
}

/* "./name", as `tar c .` writes it, is "name". */
static bool read_name(const uint8_t *header, char out[BL_MAX_ARCHIVE_NAME + 1])
{
    const char *name = (const char *)header + NAME;
    size_t      size = strnlen(name, NAME_SIZE), skip = size > 2 && !memcmp(name, "./", 2) ? 2 : 0;
    if (header[PREFIX] && memcmp(header + MAGIC, "ustar\0", 6) == 0)
        return false;
    memcpy(out, name + skip, size - skip);
    out[size - skip] = '\0';
    return name_allowed(out);
}

static blind_code read_member(bl_reader *r, const uint8_t *header, bl_archive *out,
                              blind_error *err)
{
    bl_member *m = &out->members[out->len];
    uint64_t   sum, size;
    if (memcmp(header + MAGIC, "ustar", 5) != 0 ||
        !read_octal(bl_span(header + SUM, SUM_SIZE), &sum) || sum != sum_of(header))
        return blind_fail(err, BLIND_INPUT, "archive.read", "member %zu has no header of a tar",
                          out->len);
    if (header[TYPE] != '0' && header[TYPE] != '\0')
        return blind_fail(err, BLIND_INPUT, "archive.read", "member %zu is no plain file",
                          out->len);
    if (!read_name(header, m->name))
        return blind_fail(err, BLIND_INPUT, "archive.read",
                          "member %zu has a name that is refused: expected a relative path of "
                          "letters, digits, '.', '_', '-' and '/'",
                          out->len);
    if (bl_archive_find(out, m->name))
        return blind_fail(err, BLIND_INPUT, "archive.read", "two members are called '%s'", m->name);
    if (!read_octal(bl_span(header + SIZE, SIZE_SIZE), &size) || size > r->rest.size)
        return blind_fail(err, BLIND_INPUT, "archive.read", "'%s' is longer than the file",
                          m->name);
    m->bytes = bl_read_bytes(r, (size_t)size);
    bl_skip(r, -(size_t)size & (BLOCK - 1));
    if (r->failed)
        return blind_fail(err, BLIND_INPUT, "archive.read", "the tar is cut short");
    out->len++;
    return BLIND_OK;
}

blind_code bl_archive_read(blind_span file, bl_archive *out, blind_error *err)
{
    bl_reader r = { .rest = file };
    out->len = 0;
    while (r.rest.size >= BLOCK) {
        blind_span header = bl_read_bytes(&r, BLOCK);
        if (zeroes(header))
            break;
        if (out->len == BL_MAX_ARCHIVE_MEMBERS)
            return blind_fail(err, BLIND_LIMIT, "archive.read", "more than %d members",
                              BL_MAX_ARCHIVE_MEMBERS);
        BL_TRY(read_member(&r, header.data, out, err));
    }
    if (out->len == 0 || !zeroes(r.rest))
        return blind_fail(err, BLIND_INPUT, "archive.read",
                          out->len ? "bytes behind the end of the tar" : "an empty tar");
    return BLIND_OK;
}

const bl_member *bl_archive_find(const bl_archive *a, const char *name)
{
    for (size_t i = 0; i < a->len; i++)
        if (strcmp(a->members[i].name, name) == 0)
            return &a->members[i];
    return NULL;
}

/* Writing.  ---------------------------------------------------------------------------------- */

static void write_octal(uint8_t *field, size_t size, uint64_t value)
{
    field[size - 1] = '\0';
    for (size_t i = size - 1; i-- > 0; value >>= 3)
        field[i] = (uint8_t)('0' + (value & 7));
}

static void pad(bl_buf *out, size_t size)
{
    uint8_t *zero = bl_buf_reserve(out, size);
    if (!zero)
        return;
    memset(zero, 0, size);
    out->size += size;
}

blind_code bl_archive_add(bl_buf *out, const char *name, blind_span bytes, blind_error *err)
{
    static const uint8_t magic[8] = { 'u', 's', 't', 'a', 'r', 0, '0', '0' }; /* and the version */
    uint8_t              header[BLOCK] = { 0 };
    blind_span           text = bl_span_str(name);
    if (text.size >= NAME_SIZE || !name_allowed(name) ||
        (uint64_t)bytes.size >> (3 * (SIZE_SIZE - 1)))
        return blind_fail(err, BLIND_USAGE, "archive.add", "'%.100s' cannot be packed", name);
    memcpy(header + NAME, text.data, text.size);
    write_octal(header + MODE, MODE_SIZE, 0644);
    write_octal(header + OWNER, OWNER_SIZE / 2, 0);
    write_octal(header + OWNER + OWNER_SIZE / 2, OWNER_SIZE / 2, 0);
    write_octal(header + SIZE, SIZE_SIZE, bytes.size);
    write_octal(header + TIME, TIME_SIZE, 0);
    header[TYPE] = '0';
    memcpy(header + MAGIC, magic, sizeof magic);
    write_octal(header + SUM, SUM_SIZE - 1, sum_of(header));
    header[SUM + SUM_SIZE - 1] = ' ';
    bl_buf_add(out, bl_span(header, BLOCK));
    bl_buf_add(out, bytes);
    pad(out, -bytes.size & (BLOCK - 1));
    return bl_buf_check(out, "archive.add", err);
}

blind_code bl_archive_end(bl_buf *out, blind_error *err)
{
    pad(out, (size_t)2 * BLOCK);
    return bl_buf_check(out, "archive.end", err);
}
