/* Runs the cases that come with ONNX: what passes, what is unsupported, what fails.
 *
 *     conformance [--list] [--list-passes] [--expect FILE] [--only TEXT] [--plain] DIR
 *
 * DIR has a folder of cases for each kind (node, simple, ...), as the Python package `onnx` lays
 * them out.  Each case runs in a process of its own, so that a crash is a failed case.
 *
 *     --list         a line for each case: its name and what became of it
 *     --list-passes  the names of those that pass, for a file of --expect
 *     --expect FILE  exit status 1 when one that is listed there does not pass
 *     --only TEXT    cases whose name has TEXT in it
 *     --plain        nothing fused
 *
 * Exit status 77 when there is no DIR: ctest calls that skipped. */
#include "tests/onnx/protos.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 30, SECONDS_PER_CASE = 300, MAX_SETS = 16 };

typedef enum { PASS, UNSUPPORTED, FAIL, OUTCOMES } outcome;
static const char *const outcome_names[] = { "pass", "unsupported", "fail" };
static const char *const kinds[] = { "node", "simple", "pytorch-converted", "pytorch-operator",
                                     "light" };

static struct {
    bool        list, list_passes, plain;
    const char *expect, *only, *dir;
} options;

/* What a case's process tells; shared memory. */
typedef struct {
    outcome what;
    char    why[300];
} verdict;

/* One data set of a case.  ------------------------------------------------------------------- */

static blind_code read_values(const char *folder, const char *what, const case_type *types,
                              const char *const *names, size_t max, bl_arena *arena,
                              case_value *out, size_t *len, blind_error *err)
{
    for (*len = 0;; ++*len) {
        bl_auto_buf file = BL_BUF_EMPTY;
        char        path[4300];
        snprintf(path, sizeof path, "%s/%s_%zu.pb", folder, what, *len);
        if (access(path, F_OK) != 0)
            return BLIND_OK;
        if (*len == max)
            return blind_fail(err, BLIND_INPUT, "conformance", "more %ss than the model has", what);
        BL_TRY(bl_file_read(path, MAX_FILE, &file, err));
        blind_span copy = bl_span(bl_arena_copy(arena, bl_buf_span(&file)), file.size);
        BL_TRY(case_value_read(copy, &types[*len], arena, &out[*len], err));
        out[*len].tensor.name = names[*len];
    }
}

/* An optional with a value is that value. */
static const case_value *within(const case_value *v)
{
    return v->kind == CASE_OPTIONAL && v->len ? &v->items[0] : v;
}

static blind_code give(const case_value *in, const char *name, bl_arena *arena, bl_onnx_value *out,
                       blind_error *err)
{
    const case_value *v = within(in);
    *out = (bl_onnx_value){ .name = name, .kind = BL_ONNX_NOTHING };
    if (v->kind == CASE_MAP)
        return blind_fail(err, BLIND_UNSUPPORTED, "conformance", "input that is a map");
    if (v->kind == CASE_OPTIONAL)
        return BLIND_OK;
    blind_tensor *items = bl_arena_array(arena, v->len + 1, sizeof *items);
    if (!items)
        return blind_fail(err, BLIND_MEMORY, "conformance", "no memory for an input");
    out->kind = v->kind == CASE_TENSOR ? BL_ONNX_TENSOR : BL_ONNX_SEQUENCE;
    out->len = v->kind == CASE_TENSOR ? 1 : v->len;
    out->items = items;
    items[0] = v->tensor;
    for (size_t i = 0; v->kind == CASE_SEQUENCE && i < v->len; i++)
        items[i] = v->items[i].tensor;
    return BLIND_OK;
}

static bool same(const case_value *expected, const bl_onnx_value *got, char *why, size_t size)
{
    const case_value *want = within(expected);
    bl_onnx_kind      kind = want->kind == CASE_TENSOR     ? BL_ONNX_TENSOR
                             : want->kind == CASE_SEQUENCE ? BL_ONNX_SEQUENCE
                                                           : BL_ONNX_NOTHING;
    size_t            len = kind == BL_ONNX_TENSOR ? 1 : want->len;
    snprintf(why, size, "kind %d with %zu items, expected kind %d with %zu", (int)got->kind,
             got->len, (int)kind, len);
    if (got->kind != kind || got->len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!case_tensors_equal(kind == BL_ONNX_TENSOR ? &want->tensor : &want->items[i].tensor,
                                &got->items[i], why, size))
            return false;
    return true;
}

static blind_code compare(const case_value *want, const case_ports *ports, size_t len,
                          const bl_onnx_run *run, blind_error *err)
{
    for (size_t i = 0; i < len; i++) {
        const bl_onnx_value *got = bl_onnx_run_value(run, i);
        char                 why[200] = "there is none";
        if (want[i].kind == CASE_MAP)
            return blind_fail(err, BLIND_UNSUPPORTED, "conformance", "output that is a map");
        if (!got || !same(&want[i], got, why, sizeof why))
            return blind_fail(err, BLIND_INPUT, "conformance", "output '%s': %s",
                              ports->output_name[i], why);
    }
    return BLIND_OK;
}

static blind_code run_model(bl_onnx *model, const case_value *in, size_t n_in,
                            const case_value *want, size_t n_want, const case_ports *ports,
                            blind_error *err)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_onnx_value inputs[CASE_VALUES];
    bl_onnx_run  *run = NULL;
    for (size_t i = 0; i < n_in; i++)
        BL_TRY(give(&in[i], in[i].tensor.name, &arena, &inputs[i], err));
    BL_TRY(bl_onnx_run_start(model, inputs, n_in, &run, err));
    blind_code code = bl_onnx_run_step(run, 0, err);
    if (code == BLIND_OK)
        code = compare(want, ports, n_want, run, err);
    bl_onnx_run_free(run);
    return code;
}

static blind_code run_set(bl_onnx *model, const case_ports *ports, const char *folder,
                          blind_error *err)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    case_value    in[CASE_VALUES], want[CASE_VALUES];
    size_t        n_in, n_want;
    BL_TRY(read_values(folder, "input", ports->input, ports->input_name, ports->inputs, &arena, in,
                       &n_in, err));
    BL_TRY(read_values(folder, "output", ports->output, ports->output_name, ports->outputs, &arena,
                       want, &n_want, err));
    if (n_want == 0)
        return blind_fail(err, BLIND_INPUT, "conformance", "a data set that expects nothing");
    return run_model(model, in, n_in, want, n_want, ports, err);
}

/* A light model: its inputs are i / n for the i-th of n elements, its outputs lie beside it. */
static blind_code run_light(bl_onnx *model, const case_ports *ports, const char *stem,
                            blind_error *err)
{
    bl_auto_arena       arena = BL_ARENA_EMPTY;
    case_value          in[CASE_VALUES] = { 0 }, want[CASE_VALUES];
    size_t              n_in, n_want;
    char                what[4096];
    const char         *base = strrchr(stem, '/');
    const bl_onnx_port *declared = bl_onnx_inputs(model, &n_in);
    for (size_t i = 0; i < n_in && i < CASE_VALUES; i++) {
        blind_tensor *t = &in[i].tensor;
        size_t        n = 1;
        *t = (blind_tensor){ .name = declared[i].name, .rank = declared[i].rank };
        for (int d = 0; d < t->rank; d++)
            n *= (size_t)(t->shape[d] = declared[i].shape[d] < 0 ? 1 : declared[i].shape[d]);
        float *data = bl_arena_array(&arena, n, sizeof *data);
        if (!data)
            return blind_fail(err, BLIND_MEMORY, "conformance", "no memory for an input");
        for (size_t k = 0; k < n; k++)
            data[k] = (float)((double)k / (double)n);
        t->data = data;
        t->size = n * sizeof *data;
    }
    snprintf(what, sizeof what, "%s_output", base + 1);
    char folder[4200];
    snprintf(folder, sizeof folder, "%.*s", (int)(base - stem), stem);
    BL_TRY(read_values(folder, what, ports->output, ports->output_name, ports->outputs, &arena,
                       want, &n_want, err));
    return run_model(model, in, n_in, want, n_want, ports, err);
}

/* One case, in its own process.  ------------------------------------------------------------- */

static blind_code run_sets(bl_onnx *model, const case_ports *ports, const char *path, bool light,
                           blind_error *err)
{
    if (light) {
        char stem[4096];
        snprintf(stem, sizeof stem, "%.*s", (int)(strlen(path) - strlen(".onnx")), path);
        return run_light(model, ports, stem, err);
    }
    for (int set = 0; set < MAX_SETS; set++) {
        char folder[4200];
        snprintf(folder, sizeof folder, "%s/test_data_set_%d", path, set);
        if (access(folder, F_OK) == 0)
            BL_TRY(run_set(model, ports, folder, err));
        else if (set == 0)
            return blind_fail(err, BLIND_INPUT, "conformance", "no data set");
    }
    return BLIND_OK;
}

static blind_code run_case(const char *path, bool light, blind_error *err)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    bl_auto_mapping file = { 0 };
    bl_onnx_options how = { .isa = bl_isa_best(), .plain = options.plain };
    case_ports      ports;
    bl_onnx        *model = NULL;
    char            name[4200];
    snprintf(name, sizeof name, "%s%s", path, light ? "" : "/model.onnx");
    BL_TRY(bl_file_map(name, &file, err));
    BL_TRY(case_ports_read(file.bytes, &arena, &ports, err));
    BL_TRY(bl_onnx_open(file.bytes, &how, &model, err));
    blind_code code = run_sets(model, &ports, path, light, err);
    bl_onnx_close(model);
    return code;
}

static void judge(const char *path, bool light, verdict *v)
{
    *v = (verdict){ .what = FAIL };
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        blind_error err = { 0 };
        alarm(SECONDS_PER_CASE);
        blind_code code = run_case(path, light, &err);
        v->what = code == BLIND_OK ? PASS : code == BLIND_UNSUPPORTED ? UNSUPPORTED : FAIL;
        snprintf(v->why, sizeof v->why, "%s", code == BLIND_OK ? "" : err.message);
        exit(0); /* so that leaks are looked for */
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    v->what = FAIL;
    snprintf(v->why, sizeof v->why, "its process ended with status %#x", (unsigned)status);
}

/* All of them.  ------------------------------------------------------------------------------ */

typedef struct {
    char   **names; /* "node/test_abs", in order; those that pass are kept */
    size_t   len;
    size_t   counts[BL_LEN(kinds)][OUTCOMES];
    verdict *shared;
} tally;

static void one(tally *t, size_t kind, const char *name)
{
    bool        light = strcmp(kinds[kind], "light") == 0;
    const char *suffix = strrchr(name, '.');
    char        id[512], path[4096];
    if (name[0] == '.' || (light && (!suffix || strcmp(suffix, ".onnx") != 0)))
        return;
    snprintf(id, sizeof id, "%s/%.*s", kinds[kind],
             (int)(light ? (size_t)(suffix - name) : strlen(name)), name);
    if (options.only && !strstr(id, options.only))
        return;
    snprintf(path, sizeof path, "%s/%s/%s", options.dir, kinds[kind], name);
    judge(path, light, t->shared);
    t->counts[kind][t->shared->what]++;
    if (options.list)
        printf("%-12s %s%s%s\n", outcome_names[t->shared->what], id, *t->shared->why ? ": " : "",
               t->shared->why);
    if (options.list_passes && t->shared->what == PASS)
        printf("%s\n", id);
    if (t->shared->what == PASS) {
        char **more = realloc(t->names, (t->len + 1) * sizeof *more);
        if (!more)
            abort();
        t->names = more;
        t->names[t->len++] = strdup(id);
    }
}

static void run_kind(tally *t, size_t kind)
{
    struct dirent **entries = NULL;
    char            path[4096];
    snprintf(path, sizeof path, "%s/%s", options.dir, kinds[kind]);
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        one(t, kind, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void print_totals(const tally *t, FILE *to)
{
    for (size_t k = 0; k < BL_LEN(kinds); k++) {
        const size_t *c = t->counts[k];
        size_t        all = c[PASS] + c[UNSUPPORTED] + c[FAIL];
        if (all)
            fprintf(to, "%-18s %5zu pass %5zu unsupported %5zu fail of %5zu (%.1f %%)\n", kinds[k],
                    c[PASS], c[UNSUPPORTED], c[FAIL], all, 100 * (double)c[PASS] / (double)all);
    }
}

static bool passed(const tally *t, const char *name)
{
    for (size_t i = 0; i < t->len; i++)
        if (strcmp(t->names[i], name) == 0)
            return true;
    return false;
}

/* Says which of the listed did not pass; how many. */
static size_t check_expected(const tally *t)
{
    FILE  *f = fopen(options.expect, "r");
    char   line[512];
    size_t missing = 0, listed = 0;
    if (!f) {
        fprintf(stderr, "conformance: cannot open '%s'\n", options.expect);
        return 1;
    }
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (!*line || *line == '#' || (options.only && !strstr(line, options.only)))
            continue;
        listed++;
        if (!passed(t, line)) {
            fprintf(stderr, "passes no longer: %s\n", line);
            missing++;
        }
    }
    fclose(f);
    fprintf(stderr, "%zu of %zu listed pass; %zu pass in all\n", listed - missing, listed, t->len);
    return missing;
}

static bool read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--list") == 0)
            options.list = true;
        else if (strcmp(argv[i], "--list-passes") == 0)
            options.list_passes = true;
        else if (strcmp(argv[i], "--plain") == 0)
            options.plain = true;
        else if (strcmp(argv[i], "--expect") == 0 && more)
            options.expect = argv[++i];
        else if (strcmp(argv[i], "--only") == 0 && more)
            options.only = argv[++i];
        else if (argv[i][0] != '-' && !options.dir)
            options.dir = argv[i];
        else
            return false;
    }
    return options.dir != NULL;
}

int main(int argc, char **argv)
{
    tally t = { 0 };
    if (!read_options(argc, argv)) {
        fprintf(stderr, "usage: conformance [--list] [--list-passes] [--expect FILE] [--only TEXT] "
                        "[--plain] DIR\n");
        return 2;
    }
    if (access(options.dir, F_OK) != 0) {
        fprintf(stderr, "skipped: no '%s'\n", options.dir);
        return 77;
    }
    t.shared =
        mmap(NULL, sizeof *t.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t.shared == MAP_FAILED)
        return 1;
    for (size_t k = 0; k < BL_LEN(kinds); k++)
        run_kind(&t, k);
    print_totals(&t, options.list_passes ? stderr : stdout);
    size_t missing = options.expect ? check_expected(&t) : 0;
    for (size_t i = 0; i < t.len; i++)
        free(t.names[i]);
    free(t.names);
    return missing ? 1 : 0;
}
