/* The folder of collateral. */
#include "collateral/store.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "crypto/hash.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char STAGE[] = "collateral.store";

#define NOTE_END ".json"
enum { MAX_NOTE = 1 << 20, MAX_DEPTH = 4, MAX_ENTRIES = 65536 };

void bl_item_done(bl_item *item)
{
    bl_buf_done(&item->body);
    bl_buf_done(&item->header);
}

/* ---- names ---- */

static bool name_ok(const char *name)
{
    bool   start = true; /* of a part between slashes */
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c == '/' ? start || i + 1 == n : !letter && (start || !strchr("._-", c)))
            return false;
        start = c == '/';
    }
    return n >= 1 && n < BL_MAX_STORE_NAME;
}

static blind_code path_of(const char *dir, const char *name, const char *end, char *out,
                          size_t size, blind_error *err)
{
    if (!name_ok(name))
        return blind_fail(err, BLIND_INPUT, STAGE, "no name for collateral: '%.80s'", name);
    int n = snprintf(out, size, "%s/%s%s", dir, name, end);
    if (n < 0 || (size_t)n >= size)
        return blind_fail(err, BLIND_INPUT, STAGE, "a path that is too long");
    return BLIND_OK;
}

static blind_code make_folders(const char *path, blind_error *err)
{
    char part[4096];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t n = (size_t)(slash - path);
        if (n >= sizeof part)
            return blind_fail(err, BLIND_INPUT, STAGE, "a path that is too long");
        memcpy(part, path, n);
        part[n] = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return bl_errno_fail(err, STAGE, "make folder", part, errno);
    }
    return BLIND_OK;
}

/* ---- reading ---- */

static blind_code copy_text(const json_t *note, const char *key, char *out, size_t size,
                            blind_error *err)
{
    const char *text;
    BL_TRY(bl_json_string(note, key, &text, err));
    size_t n = strlen(text);
    if (n >= size)
        return blind_fail(err, BLIND_INPUT, STAGE, "'%s' is too long", key);
    memcpy(out, text, n + 1);
    return BLIND_OK;
}

static blind_code read_note(blind_span text, bl_item *out, uint8_t sha256[32], blind_error *err)
{
    bl_auto_json *note = NULL;
    const char   *header, *digest;
    BL_TRY(bl_json_parse(text, MAX_NOTE, &note, err));
    BL_TRY(copy_text(note, "url", out->url, sizeof out->url, err));
    BL_TRY(copy_text(note, "etag", out->etag, sizeof out->etag, err));
    BL_TRY(bl_json_int(note, "fetched_at", 0, INT64_MAX, &out->fetched_at, err));
    BL_TRY(bl_json_string(note, "header", &header, err));
    BL_TRY(bl_json_string(note, "sha256", &digest, err));
    bl_buf_add_str(&out->header, header);
    if (!bl_hex_decode(bl_span_str(digest), sha256, 32))
        return blind_fail(err, BLIND_INPUT, STAGE, "no SHA-256");
    return bl_buf_check(&out->header, STAGE, err);
}

static blind_code read_item(const char *dir, const char *name, bl_item *out, blind_error *err)
{
    char        path[4096];
    bl_auto_buf note = BL_BUF_EMPTY;
    uint8_t     want[32], found[32];
    BL_TRY(path_of(dir, name, NOTE_END, path, sizeof path, err));
    BL_TRY(bl_file_read(path, MAX_NOTE, &note, err));
    BL_TRY(read_note(bl_buf_span(&note), out, want, err));
    BL_TRY(path_of(dir, name, "", path, sizeof path, err));
    BL_TRY(bl_file_read(path, BL_MAX_COLLATERAL, &out->body, err));
    if (bl_sha256(bl_buf_span(&out->body), found) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    if (memcmp(want, found, 32) == 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, STAGE, "its digest is another");
}

blind_code bl_store_read(const char *dir, const char *name, bl_item *out, blind_error *err)
{
    blind_error why;
    *out = BL_ITEM_EMPTY;
    if (!name_ok(name))
        return blind_fail(err, BLIND_INPUT, STAGE, "no name for collateral: '%.80s'", name);
    blind_code code = read_item(dir, name, out, &why);
    if (code == BLIND_OK)
        return code;
    bl_item_done(out);
    *out = BL_ITEM_EMPTY;
    if (code == BLIND_INPUT || code == BLIND_LIMIT || code == BLIND_NOT_FOUND)
        return blind_fail(err, BLIND_NOT_FOUND, STAGE, "no collateral '%s': %.160s", name,
                          why.message);
    return blind_fail(err, code, STAGE, "%s", why.message);
}

/* ---- writing ---- */

blind_code bl_store_write(const char *dir, const char *name, const bl_item *item, blind_error *err)
{
    char        path[4096], hex[65];
    uint8_t     digest[32];
    bl_auto_buf note = BL_BUF_EMPTY;
    if (bl_sha256(bl_buf_span(&item->body), digest) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    bl_auto_json *json =
        json_pack("{s:s,s:s,s:s%,s:I,s:s}", "url", item->url, "etag", item->etag, "header",
                  item->header.size ? (const char *)item->header.data : "", item->header.size,
                  "fetched_at", (json_int_t)item->fetched_at, "sha256", hex);
    if (!json)
        return blind_fail(err, BLIND_INPUT, STAGE, "an answer whose header is no text");
    BL_TRY(bl_json_write(json, &note, err));
    BL_TRY(path_of(dir, name, "", path, sizeof path, err));
    BL_TRY(make_folders(path, err));
    BL_TRY(bl_file_write_atomic(path, bl_buf_span(&item->body), 0644, err));
    BL_TRY(path_of(dir, name, NOTE_END, path, sizeof path, err));
    return bl_file_write_atomic(path, bl_buf_span(&note), 0644, err);
}

/* ---- listing ---- */

typedef struct {
    char **names;
    size_t len;
} name_list;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static blind_code collect(const char *dir, const char *below, int depth, name_list *list,
                          blind_error *err);

/* A note stands for its item; folders are walked. */
static blind_code collect_entry(const char *dir, const char *below, const struct dirent *e,
                                int depth, name_list *list, blind_error *err)
{
    char   name[BL_MAX_STORE_NAME], path[4096];
    size_t n = strlen(e->d_name), end = strlen(NOTE_END);
    if (e->d_name[0] == '.' ||
        snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", e->d_name) >=
            (int)sizeof name ||
        snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return BLIND_OK;
    struct stat about;
    if (lstat(path, &about) == 0 && S_ISDIR(about.st_mode))
        return collect(dir, name, depth + 1, list, err);
    if (n <= end || strcmp(e->d_name + n - end, NOTE_END) != 0)
        return BLIND_OK;
    name[strlen(name) - end] = 0;
    char **more = list->len < MAX_ENTRIES
                      ? realloc(list->names, (list->len + 1) * sizeof *list->names)
                      : NULL;
    if (!more)
        return blind_fail(err, BLIND_MEMORY, STAGE, "too much collateral to list");
    list->names = more;
    list->names[list->len] = strdup(name);
    if (!list->names[list->len])
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    list->len++;
    return BLIND_OK;
}

static blind_code collect(const char *dir, const char *below, int depth, name_list *list,
                          blind_error *err)
{
    char path[4096];
    if (depth > MAX_DEPTH ||
        snprintf(path, sizeof path, "%s%s%s", dir, *below ? "/" : "", below) >= (int)sizeof path)
        return BLIND_OK;
    DIR *d = opendir(path);
    if (!d)
        return bl_errno_fail(err, STAGE, "open folder", path, errno);
    blind_code           code = BLIND_OK;
    const struct dirent *e;
    while (code == BLIND_OK && (e = readdir(d)))
        code = collect_entry(dir, below, e, depth, list, err);
    closedir(d);
    return code;
}

blind_code bl_store_list(const char *dir,
                         blind_code (*each)(void *arg, const char *name, blind_error *err),
                         void *arg, blind_error *err)
{
    name_list  list = { 0 };
    blind_code code = collect(dir, "", 0, &list, err);
    if (list.len)
        qsort(list.names, list.len, sizeof *list.names, by_name);
    for (size_t i = 0; i < list.len; i++) {
        if (code == BLIND_OK)
            code = each(arg, list.names[i], err);
        free(list.names[i]);
    }
    free(list.names);
    return code;
}
