/* Graphs for peer_ops.py, as a shared library: makes one, lends its inputs, runs it here and says
 * whether another implementation's outputs are near enough.
 *
 * One graph at a time, in this order: peer_make, peer_model and peer_value, then per input
 * peer_fill, peer_run, peer_check for each output. */
#include "fuzz/graph_maker.h"
#include "onnx/number.h"
#include "onnx/onnx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PEER __attribute__((visibility("default")))

/* What peer_ops.py calls. */
PEER int         peer_make(uint64_t seed, bool all);
PEER const void *peer_model(size_t *size);
PEER int         peer_value(int i, int64_t *out, void **data);
PEER const char *peer_nodes(void);
PEER void        peer_fill(uint64_t seed);
PEER int         peer_run(void);
PEER const char *peer_check(int i, int dtype, int rank, const int64_t *shape, void *data,
                            size_t size);
PEER const char *peer_error(void);
PEER void        peer_print(void);

static graph       g;
static bl_buf      model, whole;
static bool        all;
static blind_error err;

typedef struct {
    bl_onnx     *model;
    bl_onnx_run *run;
    blind_tensor seen[GRAPH_VALUES];
} side;

static side        ours, reference; /* as a server runs it; scalar code, node by node */
static graph_bound bounds[GRAPH_VALUES];
static bool        in_doubt; /* a node of the graph is known to differ */

/* Whether a float is none that the type has a number near to. */
static bool any_beyond(const blind_tensor *x, blind_dtype to)
{
    size_t element = blind_dtype_size(x->dtype);
    bool   integer = bl_is_integer(to);
    double top = ldexp(1, 8 * (int)blind_dtype_size(to) - bl_is_signed(to));
    double bottom = bl_is_signed(to) ? -top : 0;
    for (size_t i = 0; i < x->size / element; i++) {
        double v = bl_number_load(x->dtype, (const uint8_t *)x->data + i * element);
        if (!isfinite(v) || (integer && (v >= top || v < bottom)))
            return true;
    }
    return false;
}

static bool is_one_of(const char *type, const char *const *types)
{
    for (; *types; types++)
        if (strcmp(type, *types) == 0)
            return true;
    return false;
}

static bool has_attr(const graph_node *n, const char *name)
{
    for (int i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0)
            return true;
    return false;
}

/* Where ONNX Runtime 1.31 does otherwise than the specification, or where that leaves a choice.
 * fuzz/README.md tells why. */
static bool is_known(const graph_node *n)
{
    static const char *const skip_nan[] = { "MaxPool",
                                            "GlobalMaxPool",
                                            "ReduceMax",
                                            "ReduceMin",
                                            "Max",
                                            "Min",
                                            "TopK",
                                            "ArgMax",
                                            "ArgMin",
                                            "Unique",
                                            "DynamicQuantizeLinear",
                                            "Clip",
                                            "Hardmax",
                                            "ReduceLogSumExp",
                                            NULL };
    static const char *const halves[] = { "Clip", "Sign", "Max", "Min", "Shrink", NULL };
    static const char *const others[] = { "Cast", "Pow", "Mod", "Softplus", NULL };
    const blind_tensor      *x = n->n_in && n->in[0] >= 0 ? &reference.seen[n->in[0]] : NULL;
    const graph_value       *to = n->n_out ? &g.value[n->out[0]] : NULL;
    if (!x || !to)
        return false;
    if (strcmp(n->type, "Gather") == 0 && x->dtype == BLIND_STRING)
        return true;
    if (n->body) /* its values are not seen */
        return is_one_of(n->type, skip_nan) || is_one_of(n->type, halves) ||
               is_one_of(n->type, others);
    if (has_attr(n, "base_values") || has_attr(n, "delimiter"))
        return true;
    bool integer = bl_is_integer(x->dtype), wide = blind_dtype_size(x->dtype) == 8 && integer;
    for (int i = 0; i < n->n_in && is_one_of(n->type, skip_nan); i++)
        if (n->in[i] >= 0 && bl_is_float(g.value[n->in[i]].dtype) &&
            any_beyond(&reference.seen[n->in[i]], BLIND_F32))
            return true;
    if (strcmp(n->type, "Cast") == 0 && bl_is_float(x->dtype) && bl_is_integer(to->dtype))
        return any_beyond(x, to->dtype);
    if (integer && is_one_of(n->type, halves))
        return wide || strcmp(n->type, "Shrink") == 0;
    if (strncmp(n->type, "Reduce", 6) == 0 || strncmp(n->type, "Arg", 3) == 0)
        return integer || x->size == 0;
    if (strcmp(n->type, "Pow") == 0 || (strcmp(n->type, "Mod") == 0 && n->n_attrs))
        return integer;
    if (strcmp(n->type, "Resize") == 0)
        return true;
    return strcmp(n->type, "Softplus") == 0 && x->dtype != BLIND_F32;
}

static void end_run(side *s)
{
    bl_onnx_run_free(s->run);
    s->run = NULL;
}

static void close_side(side *s)
{
    end_run(s);
    bl_onnx_close(s->model);
    s->model = NULL;
}

static blind_code open_side(side *s, const bl_buf *file, bl_isa isa, bool plain)
{
    bl_onnx_options options = { .isa = isa, .plain = plain, .max_memory = 256u << 20 };
    close_side(s);
    return bl_onnx_open(bl_span(file->data, file->size), &options, &s->model, &err);
}

/* 0: ours takes it; the code else. */
int peer_make(uint64_t seed, bool every_value)
{
    all = every_value;
    close_side(&ours);
    close_side(&reference);
    uint64_t scattered = (seed + 1) * 0x9e3779b97f4a7c15u;
    graph_make(&g, (const uint8_t *)&scattered, sizeof scattered);
    graph_write(&g, all, &model);
    graph_write(&g, true, &whole);
    err = (blind_error){ .code = BLIND_OK };
    blind_code code = open_side(&reference, &whole, BL_ISA_SCALAR, true);
    return (int)(code == BLIND_OK ? open_side(&ours, &model, bl_isa_best(), false) : code);
}

const void *peer_model(size_t *size)
{
    *size = model.size;
    return model.data;
}

/* Input 1, output 2, neither 0; out: dtype, rank, bytes, dims; -1 past the last. */
int peer_value(int i, int64_t *out, void **data)
{
    if (i >= g.n_values)
        return -1;
    const graph_value *v = &g.value[i];
    *out++ = v->dtype;
    *out++ = v->rank;
    *out++ = (int64_t)v->size;
    for (int d = 0; d < v->rank; d++)
        *out++ = v->dim[d];
    *data = v->data;
    return v->origin == FROM_INPUT && v->read ? 1 : graph_is_output(&g, all, i) ? 2 : 0;
}

/* Types of its nodes, by blanks. */
const char *peer_nodes(void)
{
    static char text[4096];
    size_t      at = 0;
    for (int i = 0; i < g.n_nodes && at < sizeof text - 64; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s ", g.node[i].type);
    return text;
}

void peer_fill(uint64_t seed)
{
    graph_refill(&g, seed);
}

static blind_code run_side(side *s)
{
    blind_tensor        inputs[GRAPH_VALUES];
    size_t              n;
    const bl_onnx_port *ports = bl_onnx_inputs(s->model, &n);
    end_run(s);
    for (int i = 0; i < g.n_values; i++) {
        const graph_value *v = &g.value[i];
        s->seen[i] =
            (blind_tensor){ .dtype = v->dtype, .rank = BL_MAX(v->rank, 0), .size = SIZE_MAX };
        if (v->origin == FROM_NODE)
            continue;
        s->seen[i].data = v->data;
        s->seen[i].size = v->size;
        memcpy(s->seen[i].shape, v->dim, (size_t)v->rank * sizeof *v->dim);
    }
    for (size_t i = 0; i < n; i++) {
        inputs[i] = s->seen[atoi(ports[i].name + 1)];
        inputs[i].name = ports[i].name;
    }
    blind_code code = bl_onnx_run_new(s->model, inputs, n, &s->run, &err);
    if (code == BLIND_OK)
        code = bl_onnx_run_step(s->run, 0, &err);
    if (code != BLIND_OK)
        return code;
    ports = bl_onnx_outputs(s->model, &n);
    for (size_t i = 0; i < n; i++)
        if (bl_onnx_run_output(s->run, i))
            s->seen[atoi(ports[i].name + 1)] = *bl_onnx_run_output(s->run, i);
    return BLIND_OK;
}

int peer_run(void)
{
    graph_mode mode = { 0, true, true, true };
    blind_code code = run_side(&reference);
    if (code == BLIND_OK)
        code = run_side(&ours);
    if (code == BLIND_OK) {
        in_doubt = false;
        for (int i = 0; i < g.n_nodes; i++)
            in_doubt = (g.node[i].doubt = is_known(&g.node[i])) || in_doubt;
        graph_bounds(&g, reference.seen, &mode, bounds);
    }
    return (int)code;
}

/* NULL where it is near enough. */
const char *peer_check(int i, int dtype, int rank, const int64_t *shape, void *data, size_t size)
{
    static char  why[200];
    blind_tensor theirs = { .dtype = (blind_dtype)dtype, .rank = rank, .data = data, .size = size };
    memcpy(theirs.shape, shape, (size_t)rank * sizeof *shape);
    if (in_doubt && isinf(bounds[i].absolute))
        return NULL; /* not even of its shape */
    if (g.value[i].rank < 0 && size == 0 && ours.seen[i].size == 0)
        return NULL; /* nor of one that was never made: records of a loop without turns */
    bool differs = graph_differs(&ours.seen[i], &theirs, bounds[i], why, sizeof why);
    return differs ? why : NULL;
}

const char *peer_error(void)
{
    return err.message;
}

void peer_print(void)
{
    graph_print(&g);
    fflush(stdout);
}
