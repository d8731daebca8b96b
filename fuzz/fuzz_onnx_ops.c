/* Operators against the reference: a small graph made of the bytes runs on scalar code, one thread,
 * node by node; then on every instruction set of this machine, every precision, one thread or two,
 * node by node and fused.  Each value must be as near as the kernels promise, to the bit where
 * nothing rounds, and what fails must fail everywhere alike.
 *
 * FUZZ_GRAPH=1 prints the graph and each difference instead of stopping at the first. */
#include "fuzz/graph_maker.h"
#include "onnx/onnx.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 64, STEP_NS = 100000000 };

typedef struct {
    const char  *name;
    bl_isa       isa;
    bl_precision precision;
    bool         plain;
    double       product; /* see graph_mode */
} setting;

static const setting settings[] = {
    { "scalar", BL_ISA_SCALAR, BL_PRECISION_HIGHEST, true, 0 },
    { "scalar, fused", BL_ISA_SCALAR, BL_PRECISION_HIGHEST, false, 0 },
    { "avx2", BL_ISA_AVX2, BL_PRECISION_HIGHEST, true, 0 },
    { "avx2, fused", BL_ISA_AVX2, BL_PRECISION_HIGHEST, false, 0 },
    { "avx512", BL_ISA_AVX512, BL_PRECISION_HIGHEST, true, 0 },
    { "avx512, fused", BL_ISA_AVX512, BL_PRECISION_HIGHEST, false, 0 },
    { "amx", BL_ISA_AMX, BL_PRECISION_HIGHEST, true, 0 },
    { "amx, fused", BL_ISA_AMX, BL_PRECISION_HIGHEST, false, 0 },
    { "amx high", BL_ISA_AMX, BL_PRECISION_HIGH, false, 4e-5 },
    { "amx medium", BL_ISA_AMX, BL_PRECISION_MEDIUM, false, 1e-2 },
};

typedef struct {
    bl_onnx     *model;
    bl_onnx_run *run;
    blind_code   code;
    blind_error  err;
    blind_tensor seen[GRAPH_VALUES]; /* leaves, and what the run gave */
} answer;

static graph    g;
static bl_buf   whole, leaves;
static bl_pool *pair;

static void lend_leaves(answer *a)
{
    for (int i = 0; i < g.n_values; i++) {
        const graph_value *v = &g.value[i];
        a->seen[i] =
            (blind_tensor){ .dtype = v->dtype, .rank = BL_MAX(v->rank, 0), .size = SIZE_MAX };
        if (v->origin == FROM_NODE)
            continue;
        a->seen[i].data = v->data;
        a->seen[i].size = v->size;
        memcpy(a->seen[i].shape, v->dim, (size_t)v->rank * sizeof *v->dim);
    }
}

static blind_code start(answer *a)
{
    blind_tensor        inputs[GRAPH_VALUES];
    size_t              n;
    const bl_onnx_port *ports = bl_onnx_inputs(a->model, &n);
    for (size_t i = 0; i < n; i++) {
        inputs[i] = a->seen[atoi(ports[i].name + 1)];
        inputs[i].name = ports[i].name;
    }
    return bl_onnx_run_new(a->model, inputs, n, &a->run, &a->err);
}

static void take_outputs(answer *a)
{
    size_t              n;
    const bl_onnx_port *ports = bl_onnx_outputs(a->model, &n);
    for (size_t i = 0; i < n; i++) {
        const blind_tensor *t = bl_onnx_run_output(a->run, i);
        if (t)
            a->seen[atoi(ports[i].name + 1)] = *t;
    }
}

static void answer_with(const setting *s, bl_pool *pool, answer *a)
{
    bl_onnx_options options = { .pool = pool,
                                .isa = s->isa,
                                .precision = s->precision,
                                .plain = s->plain,
                                .max_memory = 256u << 20 };
    const bl_buf   *file = s->plain ? &whole : &leaves;
    a->model = NULL;
    a->run = NULL;
    a->err = (blind_error){ .code = BLIND_OK };
    lend_leaves(a);
    a->code = bl_onnx_open(bl_span(file->data, file->size), &options, &a->model, &a->err);
    if (a->code == BLIND_OK)
        a->code = start(a);
    if (a->code != BLIND_OK)
        return;
    a->code = BLIND_AGAIN;
    for (int i = 0; i < STEPS && a->code == BLIND_AGAIN; i++)
        a->code = bl_onnx_run_step(a->run, STEP_NS, &a->err);
    if (a->code == BLIND_OK)
        take_outputs(a);
}

static void answer_done(answer *a)
{
    bl_onnx_run_free(a->run);
    bl_onnx_close(a->model);
}

static void found(const char *what, const setting *s, int threads, const char *why)
{
    static bool printed;
    if (!printed && !getenv("FUZZ_GRAPH"))
        graph_print(&g);
    printed = true;
    printf("%s, %d threads: %s: %s\n", s->name, threads, what, why);
    fflush(stdout);
    if (!getenv("FUZZ_GRAPH"))
        abort();
}

static void compare(const answer *want, const answer *got, const setting *s, int threads)
{
    graph_bound bounds[GRAPH_VALUES];
    graph_mode  mode = { s->product, !s->plain, s->isa != BL_ISA_SCALAR, false };
    char        why[200], what[16];
    if (!s->plain && want->code == BLIND_INPUT && got->code == BLIND_OK)
        return; /* what nobody reads was not run */
    if (want->code != got->code) {
        found("the code", s, threads, got->code == BLIND_OK ? want->err.message : got->err.message);
        return;
    }
    if (want->code != BLIND_OK)
        return;
    graph_bounds(&g, want->seen, &mode, bounds);
    for (int i = 0; i < g.n_values; i++) {
        if (!graph_is_output(&g, s->plain, i) ||
            !graph_differs(&want->seen[i], &got->seen[i], bounds[i], why, sizeof why))
            continue;
        snprintf(what, sizeof what, "v%d", i);
        found(what, s, threads, why);
    }
}

/* Equal to the bit, whatever the number of threads. */
static void compare_threads(const setting *s, const answer *one)
{
    static answer two;
    char          why[200];
    answer_with(s, pair, &two);
    if (one->code == BLIND_OK && two.code == BLIND_OK)
        for (int i = 0; i < g.n_values; i++)
            if (graph_is_output(&g, s->plain, i) &&
                graph_differs(&one->seen[i], &two.seen[i], (graph_bound){ 0, 0 }, why, sizeof why))
                found("one thread and two", s, 2, why);
    answer_done(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static answer reference, other;
    if (!pair && bl_pool_new(2, &pair, NULL) != BLIND_OK)
        abort();
    graph_make(&g, data, size);
    graph_write(&g, true, &whole);
    graph_write(&g, false, &leaves);
    if (getenv("FUZZ_GRAPH"))
        graph_print(&g);
    answer_with(&settings[0], NULL, &reference);
    if (getenv("FUZZ_GRAPH"))
        printf("%s %s\n", blind_code_name(reference.code), reference.err.message);
    for (size_t i = 1; i < BL_LEN(settings); i++) {
        if (!bl_isa_usable(settings[i].isa))
            continue;
        int threads = 1 + (int)(g.random >> i & 1); /* the other half of the runs */
        answer_with(&settings[i], threads == 1 ? NULL : pair, &other);
        compare(&reference, &other, &settings[i], threads);
        if (threads == 1 && (g.random >> 32 & 7) == 0)
            compare_threads(&settings[i], &other);
        answer_done(&other);
    }
    answer_done(&reference);
    return 0;
}
