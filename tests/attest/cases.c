/* Recorded cases: the index, and the files it names. */
#include "tests/attest/cases.h"

#include "base/file.h"
#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_FILE (64u << 20)

static void must(bool good, const char *what, const char *where)
{
    if (good)
        return;
    fprintf(stderr, "recorded vectors: %s: %s\n", where, what);
    abort();
}

bool cases_open(case_list *list)
{
    char         path[4096];
    json_error_t error;
    const char  *dir = getenv("BLIND_VECTORS");
    *list = (case_list){ .dir = dir };
    snprintf(path, sizeof path, "%s/index.json", dir ? dir : "");
    FILE *f = dir && *dir ? fopen(path, "rb") : NULL;
    if (!f) {
        printf("skipped: no recorded vectors\n");
        return false;
    }
    list->index = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
    fclose(f);
    must(json_is_array(list->index), error.text, path);
    return true;
}

void cases_close(case_list *list)
{
    json_decref(list->index);
    *list = (case_list){ 0 };
}

/* "2025-06-21T10:56:11Z" -> seconds since 1970; null -> 0 */
static int64_t seconds_of(const json_t *value, const char *where)
{
    struct tm   tm = { 0 };
    const char *text = json_string_value(value);
    if (!text)
        return 0;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    must(end && !*end, text, where);
    return (int64_t)timegm(&tm);
}

static void add_file(const case_list *list, const json_t *name, bl_buf *out)
{
    char        path[4096];
    blind_error err = { 0 };
    const char *file = json_string_value(name);
    must(file, "a file's name is a string", list->dir);
    snprintf(path, sizeof path, "%s/%s", list->dir, file);
    must(bl_file_read(path, MAX_FILE, out, &err) == BLIND_OK, err.message, path);
}

/* One file or a list of files, in memory of exactly its size. */
static blind_span load(const case_list *list, const json_t *names)
{
    bl_auto_buf bytes = BL_BUF_EMPTY;
    if (json_is_array(names))
        for (size_t i = 0; i < json_array_size(names); i++)
            add_file(list, json_array_get(names, i), &bytes);
    else
        add_file(list, names, &bytes);
    uint8_t *exact = malloc(bytes.size ? bytes.size : 1);
    must(exact, "out of memory", list->dir);
    if (bytes.size)
        memcpy(exact, bytes.data, bytes.size);
    return bl_span(exact, bytes.size);
}

static void open_case(const case_list *list, json_t *json, recorded *out)
{
    const char *name;
    json_t     *files = json_object_get(json, "files"), *value;
    *out = (recorded){ .json = json,
                       .id = case_text(json, "id"),
                       .tee = case_text(json, "tee"),
                       .kind = case_text(json, "kind"),
                       .reason = case_text(json, "reason") };
    const char *expect = case_text(json, "expect");
    must(out->id && out->tee && expect && json_is_object(files), "a case without id", list->dir);
    must(!strcmp(expect, "ok") || !strcmp(expect, "reject"), expect, out->id);
    out->accept = strcmp(expect, "ok") == 0;
    out->now_s = seconds_of(json_object_get(json, "verify_at"), out->id);
    json_object_foreach(files, name, value)
    {
        blind_span bytes = load(list, value);
        must(out->parts_len < CASE_MAX_FILES, "too many files", out->id);
        if (strcmp(name, "evidence") == 0)
            out->evidence = bytes;
        else if (strcmp(name, "root") == 0)
            free((void *)(uintptr_t)bytes.data); /* anchors are the verifier's own */
        else
            out->parts[out->parts_len++] = (blind_part){ name, bytes };
    }
}

bool cases_next(case_list *list, const char *tee, recorded *out)
{
    while (list->next < json_array_size(list->index)) {
        json_t     *json = json_array_get(list->index, list->next++);
        const char *its = case_text(json, "tee");
        if (!tee || (its && strcmp(its, tee) == 0)) {
            open_case(list, json, out);
            return true;
        }
    }
    return false;
}

void cases_find(case_list *list, const char *id, recorded *out)
{
    for (size_t i = 0; i < json_array_size(list->index); i++) {
        json_t     *json = json_array_get(list->index, i);
        const char *its = case_text(json, "id");
        if (its && strcmp(its, id) == 0) {
            open_case(list, json, out);
            return;
        }
    }
    must(false, "no such case", id);
}

void case_done(recorded *c)
{
    free((void *)(uintptr_t)c->evidence.data);
    for (size_t i = 0; i < c->parts_len; i++)
        free((void *)(uintptr_t)c->parts[i].bytes.data);
    *c = (recorded){ 0 };
}

blind_span case_file(const recorded *c, const char *name)
{
    for (size_t i = 0; i < c->parts_len; i++)
        if (strcmp(c->parts[i].name, name) == 0)
            return c->parts[i].bytes;
    return (blind_span){ 0 };
}

json_t *case_object(const recorded *c, const char *name)
{
    return json_object_get(c->json, name);
}

const char *case_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

bool case_hex_is(const json_t *object, const char *name, blind_span bytes)
{
    uint8_t     want[1024];
    const char *text = case_text(object, name);
    return text && bytes.size <= sizeof want &&
           bl_hex_decode(bl_span_str(text), want, bytes.size) &&
           bl_span_equal(bl_span(want, bytes.size), bytes);
}
