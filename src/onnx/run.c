/* Runs: the caller's inputs, one stretch of memory, and the nodes of a plan one after the other. */
#include "onnx/plan.h"
#include "onnx/strings.h"

#include <stdlib.h>
#include <time.h>

struct bl_onnx_run {
    bl_onnx      *model;
    bl_plan      *plan;
    bl_tensor    *tensors;
    uint8_t      *memory;
    blind_tensor *outputs;
    size_t     wiped;  /* bytes from the start of memory that hold no values, of a run that ended */
    void     **copies; /* of inputs that lay unaligned, and spans of strings; NULL else */
    bl_arena   strings;
    size_t     next;   /* node to run */
    blind_code failed; /* a run that failed stays failed */
};

/* At most `most` bytes more; how many it was. */
static size_t wipe_memory(bl_onnx_run *run, size_t most)
{
    size_t n = BL_MIN(most, run->plan->memory - run->wiped);
    bl_wipe(run->memory + run->wiped, n);
    run->wiped += n;
    return n;
}

static void free_copies(bl_onnx_run *run)
{
    const bl_model *m = &run->model->model;
    for (size_t i = 0; run->copies && i < m->n_inputs; i++) {
        if (run->copies[i])
            bl_wipe(run->copies[i], bl_tensor_size(&run->tensors[m->input_values[i]]));
        free(run->copies[i]);
        run->copies[i] = NULL;
    }
    bl_arena_done(&run->strings);
}

void bl_run_destroy(bl_onnx_run *run)
{
    if (!run)
        return;
    free_copies(run);
    free(run->copies);
    if (run->memory)
        wipe_memory(run, SIZE_MAX);
    free(run->tensors);
    free(run->memory);
    free(run->outputs);
    free(run);
}

/* What is left of a run.  -------------------------------------------------------------------- */

bool bl_onnx_wipe(bl_onnx *m, size_t most)
{
    for (size_t i = 0; i < BL_LEN(m->plans); i++) {
        bl_onnx_run *run = m->plans[i] ? m->plans[i]->idle : NULL;
        if (run)
            most -= wipe_memory(run, most);
        if (run && run->wiped < run->plan->memory)
            return true;
    }
    return false;
}

/* Inputs.  ----------------------------------------------------------------------------------- */

static const blind_tensor *find_input(const blind_tensor *inputs, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (inputs[i].name && strcmp(inputs[i].name, name) == 0)
            return &inputs[i];
    return NULL;
}

static blind_code check_input(const bl_onnx_port *port, const blind_tensor *given, bl_tensor *out,
                              blind_error *err)
{
    *out = (bl_tensor){ .dtype = given->dtype, .data = given->data };
    if (given->dtype != port->dtype)
        return blind_fail(err, BLIND_INPUT, "onnx.input", "input '%.80s' is %s, expected %s",
                          port->name, blind_dtype_name(given->dtype),
                          blind_dtype_name(port->dtype));
    if (given->rank < 0 || given->rank > BL_ONNX_RANK ||
        (port->rank >= 0 && given->rank != port->rank))
        return blind_fail(err, BLIND_INPUT, "onnx.input", "input '%.80s' has %d axes, expected %d",
                          port->name, given->rank, port->rank);
    for (int i = 0; i < given->rank && port->rank >= 0; i++)
        if (port->shape[i] >= 0 && port->shape[i] != given->shape[i])
            return blind_fail(err, BLIND_INPUT, "onnx.input",
                              "input '%.80s' has %lld elements in axis %d, expected %lld",
                              port->name, (long long)given->shape[i], i, (long long)port->shape[i]);
    if (!bl_tensor_shape(out, given->rank, given->shape) ||
        (given->dtype == BLIND_STRING ? given->size / 4 < out->len
                                      : given->size != bl_tensor_size(out)))
        return blind_fail(err, BLIND_INPUT, "onnx.input",
                          "input '%.80s' has %zu bytes, which its shape does not take", port->name,
                          given->size);
    return BLIND_OK;
}

static blind_code check_inputs(const bl_onnx *m, const blind_tensor *inputs, size_t len,
                               bl_tensor *out, blind_error *err)
{
    for (size_t i = 0; i < m->model.n_inputs; i++) {
        const bl_onnx_port *port = &m->model.inputs[i];
        const blind_tensor *given = find_input(inputs, len, port->name);
        if (!given)
            return blind_fail(err, BLIND_INPUT, "onnx.input", "input '%.80s' is missing",
                              port->name);
        BL_TRY(check_input(port, given, &out[i], err));
    }
    if (len != m->model.n_inputs)
        for (size_t i = 0; i < len; i++) {
            bool known = false;
            for (size_t j = 0; j < m->model.n_inputs; j++)
                known = known ||
                        (inputs[i].name && strcmp(inputs[i].name, m->model.inputs[j].name) == 0);
            if (!known)
                return blind_fail(err, BLIND_INPUT, "onnx.input", "the model has no input '%.80s'",
                                  inputs[i].name ? inputs[i].name : "");
        }
    return len == m->model.n_inputs
               ? BLIND_OK
               : blind_fail(err, BLIND_INPUT, "onnx.input", "%zu inputs, expected %zu", len,
                            m->model.n_inputs);
}

/* Plans by shape.  --------------------------------------------------------------------------- */

static bool plan_fits(const bl_onnx *m, const bl_plan *plan, const bl_tensor *inputs)
{
    size_t at = 0;
    for (size_t i = 0; i < m->model.n_inputs; i++) {
        if (plan->key[at++] != inputs[i].rank)
            return false;
        for (int d = 0; d < inputs[i].rank; d++)
            if (plan->key[at++] != inputs[i].dim[d])
                return false;
    }
    return true;
}

/* The slot for a new plan: a free one, or that of the plan unused for longest. */
static size_t slot_for(bl_onnx *m)
{
    size_t oldest = 0;
    for (size_t i = 0; i < BL_LEN(m->plans); i++) {
        if (!m->plans[i])
            return i;
        if (m->plans[i]->used_at < m->plans[oldest]->used_at)
            oldest = i;
    }
    bl_plan *out = m->plans[oldest];
    m->plans[oldest] = NULL;
    if (m->latest == out)
        m->latest = NULL;
    out->evicted = true;
    if (out->runs == 0)
        bl_plan_free(out);
    return oldest;
}

static blind_code find_plan(bl_onnx *m, const bl_tensor *inputs, bl_plan **out, blind_error *err)
{
    for (size_t i = 0; i < BL_LEN(m->plans); i++)
        if (m->plans[i] && plan_fits(m, m->plans[i], inputs)) {
            *out = m->plans[i];
            (*out)->used_at = ++m->clock;
            m->latest = *out;
            return BLIND_OK;
        }
    BL_TRY(bl_plan_new(m, inputs, out, err));
    (*out)->used_at = ++m->clock;
    m->plans[slot_for(m)] = *out;
    m->latest = *out;
    return BLIND_OK;
}

/* Starting.  --------------------------------------------------------------------------------- */

static blind_code run_alloc(bl_onnx *m, bl_plan *plan, bl_onnx_run **out, blind_error *err)
{
    const bl_graph *g = &plan->graph;
    bl_onnx_run    *run = calloc(1, sizeof *run);
    *out = run;
    if (!run)
        return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for a run");
    run->model = m;
    run->plan = plan;
    run->tensors = calloc(g->n_values + 1, sizeof *run->tensors);
    run->outputs = calloc(m->model.n_outputs + 1, sizeof *run->outputs);
    run->copies = calloc(m->model.n_inputs + 1, sizeof *run->copies);
    run->memory = aligned_alloc(64, plan->memory + 64);
    if (!run->tensors || !run->outputs || !run->copies || !run->memory)
        return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for a run of %zu bytes",
                          plan->memory);
    if (g->n_values)
        memcpy(run->tensors, g->tensors, g->n_values * sizeof *run->tensors);
    for (size_t v = 0; v < g->n_values; v++)
        if (g->values[v].place == BL_PLACE_ARENA)
            run->tensors[v].data = run->memory + g->values[v].offset;
    return BLIND_OK;
}

/* An input that cannot be used where it lies. */
static blind_code copy_input(bl_onnx_run *run, size_t i, const bl_tensor *input,
                             const blind_tensor *given, blind_error *err)
{
    size_t size = bl_tensor_size(input);
    run->copies[i] = malloc(size + 1);
    if (!run->copies[i])
        return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for an input");
    if (input->dtype == BLIND_STRING)
        return bl_strings_read(given, input->len, run->copies[i], err);
    memcpy(run->copies[i], input->data, size);
    return BLIND_OK;
}

static blind_code set_inputs(bl_onnx_run *run, const bl_tensor *inputs, const blind_tensor *given,
                             size_t len, blind_error *err)
{
    const bl_model *m = &run->model->model;
    for (size_t i = 0; i < m->n_inputs; i++) {
        bl_tensor *t = &run->tensors[m->input_values[i]];
        size_t     size = bl_tensor_size(&inputs[i]);
        t->data = size ? inputs[i].data : run->memory; /* never NULL */
        if (t->dtype != BLIND_STRING &&
            (size == 0 || (uintptr_t)t->data % bl_element_align(t->dtype) == 0))
            continue;
        BL_TRY(copy_input(run, i, &inputs[i], find_input(given, len, m->inputs[i].name), err));
        t->data = run->copies[i];
    }
    return BLIND_OK;
}

/* Views point into the bytes of their roots, which have their places now. */
static void set_views(bl_onnx_run *run)
{
    const bl_graph *g = &run->plan->graph;
    for (size_t v = 0; v < g->n_values; v++)
        if (g->values[v].place == BL_PLACE_VIEW && run->tensors[g->values[v].of].data)
            run->tensors[v].data =
                (uint8_t *)run->tensors[g->values[v].of].data + g->values[v].offset;
}

static void set_outputs(bl_onnx_run *run)
{
    const bl_model *m = &run->model->model;
    for (size_t i = 0; i < m->n_outputs; i++) {
        const bl_tensor *t = &run->tensors[m->output_values[i]];
        blind_tensor    *out = &run->outputs[i];
        *out = (blind_tensor){ .name = m->outputs[i].name,
                               .dtype = t->dtype,
                               .rank = t->rank,
                               .data = t->data,
                               .size = bl_tensor_size(t) };
        memcpy(out->shape, t->dim, (size_t)t->rank * sizeof *out->shape);
    }
}

blind_code bl_onnx_run_new(bl_onnx *m, const blind_tensor *inputs, size_t len, bl_onnx_run **out,
                           blind_error *err)
{
    bl_tensor               few[16], *shapes = few;
    bl_auto_free bl_tensor *many = NULL;
    bl_plan                *plan;
    *out = NULL;
    if (m->model.n_inputs > BL_LEN(few)) {
        shapes = many = calloc(m->model.n_inputs, sizeof *many);
        if (!many)
            return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for a run");
    }
    BL_TRY(check_inputs(m, inputs, len, shapes, err));
    BL_TRY(find_plan(m, shapes, &plan, err));
    bl_onnx_run *run = plan->idle;
    blind_code   code = BLIND_OK;
    plan->idle = NULL;
    if (!run)
        code = run_alloc(m, plan, &run, err);
    if (code == BLIND_OK)
        code = set_inputs(run, shapes, inputs, len, err);
    if (code != BLIND_OK) {
        bl_run_destroy(run);
        return code;
    }
    set_views(run);
    set_outputs(run);
    run->next = 0;
    run->failed = BLIND_OK;
    run->strings = (bl_arena){ .max = m->options.max_memory, .secret = true };
    plan->runs++;
    *out = run;
    return BLIND_OK;
}

/* Running.  ---------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Outputs of strings in the form they leave in. */
static blind_code write_strings(bl_onnx_run *run, blind_error *err)
{
    const bl_model *m = &run->model->model;
    for (size_t i = 0; i < m->n_outputs; i++)
        if (run->outputs[i].dtype == BLIND_STRING && run->failed == BLIND_OK)
            run->failed = bl_strings_write(&run->tensors[m->output_values[i]], &run->strings,
                                           &run->outputs[i], err);
    return run->failed;
}

blind_code bl_onnx_run_step(bl_onnx_run *run, uint64_t budget_ns, blind_error *err)
{
    bl_onnx  *m = run->model;
    bl_graph *g = &run->plan->graph;
    bl_exec   x = { .tensors = run->tensors,
                    .kernels = m->kernels,
                    .pool = m->options.pool,
                    .scratch = run->memory + run->plan->scratch_at,
                    .strings = &run->strings,
                    .err = err };
    bool      timed = budget_ns || m->trace;
    uint64_t  start = timed ? now_ns() : 0, before = start;
    if (run->failed != BLIND_OK)
        return blind_fail(err, run->failed, "onnx.run", "this run has failed before");
    while (run->next < g->n_nodes) {
        const bl_node *n = &g->nodes[run->next++];
        blind_code     code = n->op->run(&x, n);
        if (code != BLIND_OK) {
            run->failed = code;
            return code;
        }
        if (!timed)
            continue;
        uint64_t now = now_ns();
        if (m->trace)
            m->trace(m->trace_arg, n->type, n->name, now - before);
        before = now;
        if (budget_ns && now - start >= budget_ns && run->next < g->n_nodes)
            return BLIND_AGAIN;
    }
    return write_strings(run, err);
}

const blind_tensor *bl_onnx_run_output(const bl_onnx_run *run, size_t i)
{
    return i < run->model->model.n_outputs ? &run->outputs[i] : NULL;
}

void bl_onnx_run_free(bl_onnx_run *run)
{
    if (!run)
        return;
    bl_plan *plan = run->plan;
    free_copies(run);
    run->wiped = 0;
    plan->runs--;
    if (!plan->idle && !plan->evicted) {
        plan->idle = run;
        return;
    }
    bl_run_destroy(run);
    if (plan->evicted && plan->runs == 0)
        bl_plan_free(plan);
}
