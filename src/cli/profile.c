/* Profiles: collected by the model's trace, printed as tables, written as a Chrome trace. */
#include "cli/profile.h"

#include "base/clock.h"
#include "base/file.h"

#include <jansson.h>
#include <stdlib.h>

static bool grow(bl_profile *p)
{
    size_t           capacity = p->capacity ? 2 * p->capacity : 256;
    bl_profile_node *grown = reallocarray(p->nodes, capacity, sizeof *grown);
    if (!grown)
        return false;
    p->nodes = grown;
    p->capacity = capacity;
    return true;
}

static void note(void *arg, const char *type, const char *name, uint64_t ns)
{
    bl_profile *p = arg;
    uint64_t    now = bl_clock_ns() - p->started_ns;
    if (p->len == p->capacity && !grow(p)) {
        p->lost++;
        return;
    }
    p->nodes[p->len++] = (bl_profile_node){
        .type = type, .name = name, .start_ns = now - BL_MIN(ns, now), .ns = ns
    };
}

void bl_profile_start(bl_profile *p, bl_onnx *model)
{
    p->started_ns = bl_clock_ns();
    bl_onnx_set_trace(model, note, p);
}

void bl_profile_stop(bl_onnx *model)
{
    bl_onnx_set_trace(model, NULL, NULL);
}

void bl_profile_done(bl_profile *p)
{
    free(p->nodes);
    *p = (bl_profile){ 0 };
}

/* Tables.  ----------------------------------------------------------------------------------- */

typedef struct {
    const char *type;
    uint64_t    ns;
    size_t      nodes;
} operator_sum;

static int by_time(const void *a, const void *b)
{
    uint64_t x = ((const operator_sum *)a)->ns, y = ((const operator_sum *)b)->ns;
    return x < y ? 1 : x > y ? -1 : 0;
}

static size_t sum_up(const bl_profile *p, operator_sum *sums)
{
    size_t len = 0;
    for (size_t i = 0; i < p->len; i++) {
        size_t at = 0;
        while (at < len && strcmp(sums[at].type, p->nodes[i].type) != 0)
            at++;
        if (at == len)
            sums[len++] = (operator_sum){ .type = p->nodes[i].type };
        sums[at].ns += p->nodes[i].ns;
        sums[at].nodes++;
    }
    qsort(sums, len, sizeof *sums, by_time);
    return len;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

void bl_profile_print(const bl_profile *p, FILE *to)
{
    bl_auto_free operator_sum *sums = calloc(p->len + 1, sizeof *sums);
    uint64_t                   total = 0;
    for (size_t i = 0; i < p->len; i++)
        total += p->nodes[i].ns;
    fprintf(to, "%12s %6s  %-28s %s\n", "us", "share", "operator", "node");
    for (size_t i = 0; i < p->len; i++)
        fprintf(to, "%12.1f %5.1f%%  %-28s %s\n", (double)p->nodes[i].ns / 1e3,
                percent(p->nodes[i].ns, total), p->nodes[i].type, p->nodes[i].name);
    size_t len = sums ? sum_up(p, sums) : 0;
    fprintf(to, "\n%12s %6s  %-28s %s\n", "us", "share", "operator", "nodes");
    for (size_t i = 0; i < len; i++)
        fprintf(to, "%12.1f %5.1f%%  %-28s %zu\n", (double)sums[i].ns / 1e3,
                percent(sums[i].ns, total), sums[i].type, sums[i].nodes);
    fprintf(to, "%12.1f %5.1f%%  %-28s %zu\n", (double)total / 1e3, 100.0, "all", p->len);
    if (p->lost)
        fprintf(to, "%zu nodes are missing: no memory to note them\n", p->lost);
}

/* The trace.  -------------------------------------------------------------------------------- */

static json_t *event_of(const bl_profile_node *n)
{
    return json_pack("{s:s,s:s,s:s,s:f,s:f,s:i,s:i,s:{s:s}}", "name", n->type, "cat", "node", "ph",
                     "X", "ts", (double)n->start_ns / 1e3, "dur", (double)n->ns / 1e3, "pid", 1,
                     "tid", 1, "args", "node", n->name);
}

blind_code bl_profile_write(const bl_profile *p, const char *path, blind_error *err)
{
    json_t *events = json_array();
    bool    whole = events != NULL;
    for (size_t i = 0; i < p->len && whole; i++)
        whole = json_array_append_new(events, event_of(&p->nodes[i])) == 0;
    json_t *trace = json_pack("{s:o,s:s}", "traceEvents", events, "displayTimeUnit", "ms");
    char *text = whole && trace ? json_dumps(trace, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(trace);
    if (!text)
        return blind_fail(err, BLIND_MEMORY, "profile.write",
                          "cannot write '%s': out of memory, or a name that is no UTF-8", path);
    blind_code code = bl_file_write_atomic(path, bl_span_str(text), 0644, err);
    free(text);
    return code;
}
