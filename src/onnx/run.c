/* Runs: the caller's inputs, one stretch of memory, and the nodes of a plan one after the other.
 * What has no single plan is run by dynamic.c over inputs and outputs made here. */
#include "onnx/run.h"
#include "base/pages.h"
#include "onnx/strings.h"

#include <stdlib.h>
#include <time.h>

/* At most `most` bytes more; how many it was. */
static size_t wipe_memory(bl_onnx_run *run, size_t most)
{
    size_t n = BL_MIN(most, run->plan->memory - run->wiped);
    bl_wipe(run->memory + run->wiped, n);
    run->wiped += n;
    return n;
}

/* Frames, objects and answers of a run without a single plan. */
static void end_dynamic(bl_onnx_run *run)
{
    const bl_body *m = &run->model->model.main;
    if (!run->results)
        return;
    bl_dynamic_done(run);
    for (size_t i = 0; i < m->n_outputs; i++)
        bl_object_drop(run->results[i]);
    free(run->results);
    run->results = NULL;
    bl_arena_done(&run->answers);
}

static void free_copies(bl_onnx_run *run)
{
    end_dynamic(run);
    const bl_body *m = &run->model->model.main;
    for (size_t i = 0; run->copies && i < m->n_inputs; i++) {
        if (run->copies[i])
            bl_wipe(run->copies[i], run->copy_sizes[i]);
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
    free(run->copy_sizes);
    free(run->values);
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

static const bl_onnx_value *find_input(const bl_onnx_value *inputs, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (inputs[i].name && strcmp(inputs[i].name, name) == 0)
            return &inputs[i];
    return NULL;
}

static blind_code check_tensor(const bl_onnx_port *port, const blind_tensor *given, bl_tensor *out,
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

/* *out of rank -1: no tensor. */
static blind_code check_input(const bl_onnx_port *port, const bl_onnx_value *given, bl_tensor *out,
                              blind_error *err)
{
    static const char *const kinds[] = { "a tensor", "a sequence", "nothing" };
    bl_onnx_kind             want = port->sequence ? BL_ONNX_SEQUENCE : BL_ONNX_TENSOR;
    *out = (bl_tensor){ .dtype = port->dtype, .rank = -1 };
    if (!given || (given->kind == BL_ONNX_NOTHING && port->optional))
        return given || port->optional ? BLIND_OK
                                       : blind_fail(err, BLIND_INPUT, "onnx.input",
                                                    "input '%.80s' is missing", port->name);
    if (given->kind != want || (want == BL_ONNX_TENSOR && given->len != 1))
        return blind_fail(err, BLIND_INPUT, "onnx.input", "input '%.80s' is %s, expected %s",
                          port->name, kinds[given->kind], kinds[want]);
    if (want == BL_ONNX_TENSOR)
        return check_tensor(port, given->items, out, err);
    for (size_t i = 0; i < given->len; i++) {
        bl_tensor item;
        BL_TRY(check_tensor(port, &given->items[i], &item, err));
    }
    return BLIND_OK;
}

static blind_code check_names(const bl_body *m, const bl_onnx_value *inputs, size_t len,
                              blind_error *err)
{
    for (size_t i = 0; i < len; i++) {
        bool known = false;
        for (size_t j = 0; j < m->n_inputs; j++)
            known = known || (inputs[i].name && strcmp(inputs[i].name, m->inputs[j].name) == 0);
        if (!known)
            return blind_fail(err, BLIND_INPUT, "onnx.input", "the model has no input '%.80s'",
                              inputs[i].name ? inputs[i].name : "");
    }
    return len <= m->n_inputs ? BLIND_OK
                              : blind_fail(err, BLIND_INPUT, "onnx.input",
                                           "%zu inputs, expected %zu", len, m->n_inputs);
}

static blind_code check_inputs(const bl_body *m, const bl_onnx_value *inputs, size_t len,
                               bl_tensor *out, blind_error *err)
{
    for (size_t i = 0; i < m->n_inputs; i++)
        BL_TRY(
            check_input(&m->inputs[i], find_input(inputs, len, m->inputs[i].name), &out[i], err));
    return len == m->n_inputs ? BLIND_OK : check_names(m, inputs, len, err);
}

/* Plans by shape.  --------------------------------------------------------------------------- */

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
    bl_plan_evict(out);
    return oldest;
}

static blind_code find_plan(bl_onnx *m, const bl_tensor *inputs, bl_plan **out, blind_error *err)
{
    const bl_body *body = &m->model.main;
    bl_plan_for    what = {
           .body = body, .values = body->entry, .tensors = inputs, .len = body->n_entry
    };
    *out = NULL;
    for (size_t i = 0; i < BL_LEN(m->plans) && !*out; i++)
        if (m->plans[i] && bl_plan_fits(m->plans[i], &what))
            *out = m->plans[i];
    if (!*out) {
        BL_TRY(bl_plan_new(m, &what, out, err));
        m->plans[slot_for(m)] = *out;
    }
    (*out)->used_at = ++m->clock;
    m->latest = *out;
    return BLIND_OK;
}

/* Starting.  --------------------------------------------------------------------------------- */

static blind_code run_new(bl_onnx *m, bl_plan *plan, bl_onnx_run **out, blind_error *err)
{
    const bl_body *body = &m->model.main;
    bl_onnx_run   *run = calloc(1, sizeof *run);
    *out = run;
    if (!run)
        return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for a run");
    run->model = m;
    run->plan = plan;
    run->outputs = calloc(body->n_outputs + 1, sizeof *run->outputs);
    run->values = calloc(body->n_outputs + 1, sizeof *run->values);
    run->copies = calloc(body->n_inputs + 1, sizeof *run->copies);
    run->copy_sizes = calloc(body->n_inputs + 1, sizeof *run->copy_sizes);
    return run->outputs && run->values && run->copies && run->copy_sizes
               ? BLIND_OK
               : blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for a run");
}

/* What a run of one plan has for itself. */
static blind_code run_alloc(bl_onnx_run *run, blind_error *err)
{
    const bl_plan  *plan = run->plan;
    const bl_graph *g = &plan->graph;
    run->tensors = calloc(g->n_values + 1, sizeof *run->tensors);
    run->memory = bl_pages_new(plan->memory + 64);
    if (!run->tensors || !run->memory)
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
static blind_code copy_input(bl_onnx_run *run, size_t i, const blind_tensor *given, size_t len,
                             blind_error *err)
{
    bool   strings = given->dtype == BLIND_STRING;
    size_t size = strings ? len * sizeof(blind_span) : given->size;
    run->copies[i] = malloc(size + 1);
    run->copy_sizes[i] = size;
    if (!run->copies[i])
        return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for an input");
    if (strings)
        return bl_strings_read(given, len, run->copies[i], err);
    memcpy(run->copies[i], given->data, size);
    return BLIND_OK;
}

static bool lies_well(const blind_tensor *t)
{
    return t->dtype != BLIND_STRING &&
           (t->size == 0 || (uintptr_t)t->data % bl_element_align(t->dtype) == 0);
}

static blind_code set_inputs(bl_onnx_run *run, const bl_tensor *inputs, const bl_onnx_value *given,
                             size_t len, blind_error *err)
{
    const bl_body *m = &run->model->model.main;
    for (size_t i = 0; i < m->n_inputs; i++) {
        const blind_tensor *from = find_input(given, len, m->inputs[i].name)->items;
        bl_tensor          *t = &run->tensors[m->input_values[i]];
        t->data = from->size ? from->data : run->memory; /* never NULL */
        if (lies_well(from))
            continue;
        BL_TRY(copy_input(run, i, from, inputs[i].len, err));
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
    const bl_body *m = &run->model->model.main;
    for (size_t i = 0; i < m->n_outputs; i++) {
        const bl_tensor *t = &run->tensors[m->output_values[i]];
        blind_tensor    *out = &run->outputs[i];
        *out = (blind_tensor){ .name = m->outputs[i].name,
                               .dtype = t->dtype,
                               .rank = t->rank,
                               .data = t->data,
                               .size = bl_tensor_size(t) };
        memcpy(out->shape, t->dim, (size_t)t->rank * sizeof *out->shape);
        run->values[i] = (bl_onnx_value){
            .name = m->outputs[i].name, .items = out, .len = 1, .dtype = t->dtype
        };
    }
}

static blind_code start_whole(bl_onnx_run *run, const bl_tensor *shapes,
                              const bl_onnx_value *inputs, size_t len, blind_error *err)
{
    if (!run->memory)
        BL_TRY(run_alloc(run, err));
    BL_TRY(set_inputs(run, shapes, inputs, len, err));
    set_views(run);
    set_outputs(run);
    return BLIND_OK;
}

/* One input as an object: lent by the caller, or copied where it cannot be used as it lies. */
static blind_code make_item(bl_onnx_run *run, const blind_tensor *given, bl_object **out,
                            blind_error *err)
{
    bl_tensor t = { .dtype = given->dtype, .data = given->data };
    (void)bl_tensor_shape(&t, given->rank, given->shape); /* it was checked */
    if (lies_well(given) && given->size)
        return bl_object_over(&run->room, &t, NULL, out, err);
    BL_TRY(bl_object_tensor(&run->room, &t, out, err));
    (*out)->settled = true;
    if (t.dtype != BLIND_STRING && given->size)
        memcpy((*out)->t.data, given->data, given->size);
    blind_code code =
        t.dtype != BLIND_STRING ? BLIND_OK : bl_strings_read(given, t.len, (*out)->t.data, err);
    if (code != BLIND_OK)
        bl_object_drop(*out);
    return code;
}

static blind_code make_object(bl_onnx_run *run, const bl_onnx_port *port,
                              const bl_onnx_value *given, bl_object **out, blind_error *err)
{
    if (!given || given->kind == BL_ONNX_NOTHING)
        return bl_object_nothing(&run->room, out, err);
    if (given->kind == BL_ONNX_TENSOR)
        return make_item(run, given->items, out, err);
    BL_TRY(bl_object_sequence(&run->room, port->dtype, out, err));
    for (size_t i = 0; i < given->len; i++) {
        bl_object *item;
        blind_code code = make_item(run, &given->items[i], &item, err);
        if (code == BLIND_OK) {
            code = bl_sequence_insert(*out, i, item, err);
            bl_object_drop(item);
        }
        if (code != BLIND_OK) {
            bl_object_drop(*out);
            return code;
        }
    }
    return BLIND_OK;
}

static blind_code start_dynamic(bl_onnx_run *run, const bl_onnx_value *inputs, size_t len,
                                blind_error *err)
{
    bl_onnx                 *m = run->model;
    const bl_body           *body = &m->model.main;
    size_t                   max = bl_dynamic_max(m), taken = m->packed + m->arena.used;
    bl_auto_free bl_object **objects = calloc(body->n_inputs + 1, sizeof(bl_object *));
    blind_code               code = BLIND_OK;
    run->results = calloc(body->n_outputs + 1, sizeof(bl_object *));
    if (!objects || !run->results)
        return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for a run");
    run->room.max = max ? max - BL_MIN(taken, max - 1) : 0;
    for (size_t i = 0; i < body->n_inputs && code == BLIND_OK; i++)
        code = make_object(run, &body->inputs[i], find_input(inputs, len, body->inputs[i].name),
                           &objects[i], err);
    if (code == BLIND_OK)
        code = bl_dynamic_start(run, objects, err);
    for (size_t i = 0; i < body->n_inputs; i++)
        bl_object_drop(objects[i]);
    return code;
}

blind_code bl_onnx_run_start(bl_onnx *m, const bl_onnx_value *inputs, size_t len, bl_onnx_run **out,
                             blind_error *err)
{
    bl_tensor               few[16], *shapes = few;
    bl_auto_free bl_tensor *many = NULL;
    bl_plan                *plan;
    *out = NULL;
    if (m->model.main.n_inputs > BL_LEN(few)) {
        shapes = many = calloc(m->model.main.n_inputs, sizeof *many);
        if (!many)
            return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for a run");
    }
    BL_TRY(check_inputs(&m->model.main, inputs, len, shapes, err));
    BL_TRY(find_plan(m, shapes, &plan, err));
    if (m->options.max_run && plan->memory > m->options.max_run)
        return blind_fail(err, BLIND_LIMIT, "onnx.run", "a run needs %zu bytes, the limit is %zu",
                          plan->memory, m->options.max_run);
    bl_onnx_run *run = plan->idle;
    blind_code   code = BLIND_OK;
    plan->idle = NULL;
    if (!run)
        code = run_new(m, plan, &run, err);
    if (code == BLIND_OK) {
        run->next = 0;
        run->answered = false;
        run->failed = BLIND_OK;
        run->stop = NULL;
        run->strings = (bl_arena){ .max = bl_dynamic_max(m), .secret = true };
        code = plan->whole ? start_whole(run, shapes, inputs, len, err)
                           : start_dynamic(run, inputs, len, err);
    }
    if (code != BLIND_OK) {
        bl_run_destroy(run);
        return code;
    }
    plan->runs++;
    *out = run;
    return BLIND_OK;
}

blind_code bl_onnx_run_new(bl_onnx *m, const blind_tensor *inputs, size_t len, bl_onnx_run **out,
                           blind_error *err)
{
    bl_onnx_value               few[16], *values = few;
    bl_auto_free bl_onnx_value *many = NULL;
    const bl_body              *body = &m->model.main;
    *out = NULL;
    for (size_t i = 0; i < body->n_outputs; i++)
        if (body->outputs[i].sequence || body->outputs[i].optional)
            return blind_fail(err, BLIND_UNSUPPORTED, "onnx.output",
                              "output '%.80s' is %s, where tensors alone are taken and given",
                              body->outputs[i].name,
                              body->outputs[i].sequence ? "a sequence" : "optional");
    if (len > BL_LEN(few)) {
        values = many = calloc(len, sizeof *many);
        if (!many)
            return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for a run");
    }
    for (size_t i = 0; i < len; i++)
        values[i] = (bl_onnx_value){ .name = inputs[i].name, .items = &inputs[i], .len = 1 };
    return bl_onnx_run_start(m, values, len, out, err);
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
    const bl_body *m = &run->model->model.main;
    for (size_t i = 0; i < m->n_outputs; i++)
        if (run->outputs[i].dtype == BLIND_STRING && run->failed == BLIND_OK)
            run->failed = bl_strings_write(&run->tensors[m->output_values[i]], &run->strings,
                                           &run->outputs[i], err);
    return run->failed;
}

/* Answers of a run without a single plan.  --------------------------------------------------- */

static blind_code answer_tensor(bl_onnx_run *run, const bl_object *o, const char *name,
                                blind_tensor *out, blind_error *err)
{
    *out = (blind_tensor){ .name = name,
                           .dtype = o->t.dtype,
                           .rank = o->t.rank,
                           .data = o->t.data,
                           .size = bl_tensor_size(&o->t) };
    memcpy(out->shape, o->t.dim, (size_t)o->t.rank * sizeof *out->shape);
    return o->t.dtype == BLIND_STRING ? bl_strings_write(&o->t, &run->strings, out, err) : BLIND_OK;
}

static blind_code answer(bl_onnx_run *run, size_t i, blind_error *err)
{
    const bl_object    *o = run->results[i];
    bl_onnx_value      *v = &run->values[i];
    const char         *name = run->model->model.main.outputs[i].name;
    const bl_onnx_port *port = &run->model->model.main.outputs[i];
    bool                fits = o->kind == BL_OBJECT_NOTHING ? port->optional
                                                            : port->sequence == (o->kind == BL_OBJECT_SEQUENCE);
    if (!fits)
        return blind_fail(err, BLIND_INPUT, "onnx.output", "output '%.80s' is not what is declared",
                          name);
    *v = (bl_onnx_value){ .name = name, .dtype = o->t.dtype };
    v->kind = o->kind == BL_OBJECT_TENSOR     ? BL_ONNX_TENSOR
              : o->kind == BL_OBJECT_SEQUENCE ? BL_ONNX_SEQUENCE
                                              : BL_ONNX_NOTHING;
    v->len = o->kind == BL_OBJECT_TENSOR ? 1 : o->len;
    blind_tensor *items = o->kind == BL_OBJECT_TENSOR
                              ? &run->outputs[i]
                              : bl_arena_array(&run->answers, v->len + 1, sizeof *items);
    v->items = items;
    if (!items)
        return blind_fail(err, BLIND_MEMORY, "onnx.run", "no memory for a sequence");
    for (size_t k = 0; k < v->len; k++)
        BL_TRY(answer_tensor(run, o->kind == BL_OBJECT_TENSOR ? o : o->items[k], name, &items[k],
                             err));
    return BLIND_OK;
}

static blind_code answers(bl_onnx_run *run, blind_error *err)
{
    for (size_t i = 0; i < run->model->model.main.n_outputs; i++)
        BL_TRY(answer(run, i, err));
    return BLIND_OK;
}

/* Steps.  ------------------------------------------------------------------------------------ */

void bl_onnx_run_watch(bl_onnx_run *run, bl_stop *stop, void *arg)
{
    run->stop = stop;
    run->stop_arg = arg;
}

blind_code bl_run_node(const bl_onnx_run *run, const bl_exec *x, const bl_node *n)
{
    bl_pool_watch(x->pool, run->stop, run->stop_arg);
    blind_code code = n->op->run(x, n);
    bool       stopped = bl_pool_stopped(x->pool);
    bl_pool_watch(x->pool, NULL, NULL);
    return stopped ? blind_fail(x->err, BLIND_CANCELLED, "onnx.run",
                                "stopped within node '%.50s' (%.30s)", n->name, n->type)
                   : code;
}

static blind_code advance(bl_onnx_run *run, const bl_exec *x)
{
    if (run->results)
        return bl_dynamic_advance(run, x->err);
    run->did = &run->plan->graph.nodes[run->next++];
    return bl_run_node(run, x, run->did);
}

static bool is_over(const bl_onnx_run *run)
{
    return run->results ? !run->top : run->next == run->plan->graph.n_nodes;
}

blind_code bl_onnx_run_step(bl_onnx_run *run, uint64_t budget_ns, blind_error *err)
{
    bl_onnx *m = run->model;
    bl_exec  x = { .tensors = run->tensors,
                   .kernels = m->kernels,
                   .pool = m->options.pool,
                   .scratch = run->memory ? run->memory + run->plan->scratch_at : NULL,
                   .strings = &run->strings,
                   .err = err };
    bool     timed = budget_ns || m->trace;
    uint64_t start = timed ? now_ns() : 0, before = start;
    if (run->failed != BLIND_OK)
        return blind_fail(err, run->failed, "onnx.run", "this run has failed before");
    if (run->answered)
        return BLIND_OK;
    while (!is_over(run)) {
        run->failed = advance(run, &x);
        if (run->failed != BLIND_OK)
            return run->failed;
        if (!timed)
            continue;
        uint64_t now = now_ns();
        if (m->trace && run->did)
            m->trace(m->trace_arg, run->did->type, run->did->name, now - before);
        before = now;
        if (budget_ns && now - start >= budget_ns && !is_over(run))
            return BLIND_AGAIN;
    }
    if (run->results)
        run->failed = answers(run, err);
    else
        run->failed = write_strings(run, err);
    run->answered = run->failed == BLIND_OK;
    return run->failed;
}

const bl_onnx_value *bl_onnx_run_value(const bl_onnx_run *run, size_t i)
{
    return i < run->model->model.main.n_outputs ? &run->values[i] : NULL;
}

const blind_tensor *bl_onnx_run_output(const bl_onnx_run *run, size_t i)
{
    const bl_onnx_value *v = bl_onnx_run_value(run, i);
    return v && v->kind == BL_ONNX_TENSOR ? v->items : NULL;
}

void bl_onnx_run_free(bl_onnx_run *run)
{
    if (!run)
        return;
    bl_plan *plan = run->plan;
    bool     whole = !run->results;
    free_copies(run);
    run->wiped = 0;
    if (whole && !plan->idle && !plan->evicted) {
        plan->idle = run;
        plan->runs--;
        return;
    }
    bl_run_destroy(run);
    bl_plan_release(plan);
}

size_t bl_onnx_run_size(const bl_onnx_run *run)
{
    return (run->results ? run->room.used : run->plan->memory) + run->strings.used;
}
