/* Opening a pipeline and running it: steps, the model, steps.  A plain model is one without steps,
 * and nothing is done to what goes in and out. */
#include "pipeline/pipeline.h"

#include "base/clock.h"
#include "pipeline/config.h"

#include <stdlib.h>

struct bl_pipeline {
    bl_arena           arena;
    bl_archive         files;
    bl_pipeline_config config;
    bl_onnx           *model;
    bool               plain; /* the file is the model alone */
    bl_onnx_port      *inputs, *outputs;
};

typedef enum { BEFORE, MODEL, AFTER, DONE } phase;

struct bl_pipeline_run {
    bl_pipeline   *pipeline;
    bl_arena       arena;
    bl_onnx_value *inputs; /* of the pipeline, in its order */
    bl_onnx_value *fed;    /* of the model */
    size_t         n_fed;
    bl_onnx_run   *run;
    bl_onnx_value *outputs;
    phase          phase;
    size_t         flow, step; /* next to do */
    bl_step_run    work;       /* the flow under way */
    blind_code     failed;
    bl_stop       *stop;
    void          *stop_arg;
};

bool bl_pipeline_is(blind_span file)
{
    return bl_archive_is(file);
}

/* Opening.  ---------------------------------------------------------------------------------- */

static const bl_onnx_port *find_port(const bl_onnx_port *ports, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(ports[i].name, name) == 0)
            return &ports[i];
    return NULL;
}

static size_t feeds_of(const bl_pipeline *p, const char *port)
{
    size_t feeds = 0;
    for (size_t i = 0; i < p->config.n_inputs; i++) {
        const bl_flow *f = &p->config.inputs[i];
        feeds += strcmp(f->port, port) == 0;
        for (size_t k = 0; k < f->more_len; k++)
            feeds += strcmp(f->more[k], port) == 0;
    }
    return feeds;
}

/* Every input of the model is fed once, and nothing else is fed. */
static blind_code check_feeds(const bl_pipeline *p, blind_error *err)
{
    size_t              len, fed = 0;
    const bl_onnx_port *ports = bl_onnx_inputs(p->model, &len);
    for (size_t i = 0; i < p->config.n_inputs; i++)
        fed += 1 + p->config.inputs[i].more_len;
    for (size_t i = 0; i < len; i++) {
        size_t feeds = feeds_of(p, ports[i].name);
        if (feeds != 1)
            return blind_fail(err, BLIND_INPUT, "pipeline.config",
                              "%zu inputs of the pipeline feed the model's input '%.80s'", feeds,
                              ports[i].name);
        fed--;
    }
    return fed == 0 ? BLIND_OK
                    : blind_fail(err, BLIND_INPUT, "pipeline.config",
                                 "the pipeline feeds %zu inputs that the model has not", fed);
}

static blind_code describe(bl_pipeline *p, blind_error *err)
{
    size_t              n_in, n_out;
    const bl_onnx_port *in = bl_onnx_inputs(p->model, &n_in);
    const bl_onnx_port *out = bl_onnx_outputs(p->model, &n_out);
    p->inputs = bl_arena_array(&p->arena, p->config.n_inputs + 1, sizeof *p->inputs);
    p->outputs = bl_arena_array(&p->arena, p->config.n_outputs + 1, sizeof *p->outputs);
    if (!p->inputs || !p->outputs)
        return blind_fail(err, BLIND_MEMORY, "pipeline.open", "no memory for a pipeline");
    for (size_t i = 0; i < p->config.n_inputs; i++) {
        const bl_flow *f = &p->config.inputs[i];
        p->inputs[i] = *find_port(in, n_in, f->port);
        if (f->n_steps)
            p->inputs[i] = (bl_onnx_port){ .dtype = f->steps[0].row->takes,
                                           .rank = f->steps[0].row->rank,
                                           .shape = { -1, -1, -1 } };
        p->inputs[i].name = f->name;
    }
    for (size_t i = 0; i < p->config.n_outputs; i++) {
        const bl_flow      *f = &p->config.outputs[i];
        const bl_onnx_port *port = find_port(out, n_out, f->port);
        if (!port)
            return blind_fail(err, BLIND_INPUT, "pipeline.config",
                              "the model has no output '%.80s'", f->port);
        p->outputs[i] = *port;
        if (f->n_steps)
            p->outputs[i] =
                (bl_onnx_port){ .dtype = f->steps[f->n_steps - 1].row->gives, .rank = -1 };
        p->outputs[i].name = f->name;
    }
    return BLIND_OK;
}

/* Without [[outputs]] the model's own go out as they are; inputs likewise. */
static blind_code pass_ports(bl_pipeline *p, const bl_onnx_port *ports, size_t len, bl_flow **flows,
                             size_t *n, blind_error *err)
{
    if (*n)
        return BLIND_OK;
    *flows = bl_arena_array(&p->arena, len + 1, sizeof **flows);
    if (!*flows)
        return blind_fail(err, BLIND_MEMORY, "pipeline.open", "no memory for a pipeline");
    for (*n = 0; *n < len; ++*n)
        (*flows)[*n] = (bl_flow){ .name = ports[*n].name, .port = ports[*n].name };
    return BLIND_OK;
}

static blind_code open_model(bl_pipeline *p, const bl_onnx_options *options, blind_error *err)
{
    const bl_member *m = bl_archive_find(&p->files, p->config.model);
    size_t           n_in, n_out;
    if (!m)
        return blind_fail(err, BLIND_INPUT, "pipeline.open", "there is no file '%.80s'",
                          p->config.model);
    BL_TRY(bl_onnx_open(m->bytes, options, &p->model, err));
    const bl_onnx_port *in = bl_onnx_inputs(p->model, &n_in);
    const bl_onnx_port *out = bl_onnx_outputs(p->model, &n_out);
    BL_TRY(pass_ports(p, in, n_in, &p->config.inputs, &p->config.n_inputs, err));
    return pass_ports(p, out, n_out, &p->config.outputs, &p->config.n_outputs, err);
}

static blind_code open_all(bl_pipeline *p, blind_span file, const bl_onnx_options *options,
                           blind_error *err)
{
    BL_TRY(bl_archive_read(file, &p->files, err));
    const bl_member *text = bl_archive_find(&p->files, "pipeline.toml");
    if (!text)
        return blind_fail(err, BLIND_INPUT, "pipeline.open", "there is no file 'pipeline.toml'");
    blind_code code = bl_pipeline_config_read(text->bytes, &p->files, &p->arena, &p->config, err);
    if (code != BLIND_OK)
        return blind_fail_in(err, code, "pipeline.toml");
    BL_TRY(open_model(p, options, err));
    BL_TRY(check_feeds(p, err));
    return describe(p, err);
}

blind_code bl_pipeline_open(blind_span file, const bl_onnx_options *options, bl_pipeline **out,
                            blind_error *err)
{
    bl_pipeline *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return blind_fail(err, BLIND_MEMORY, "pipeline.open", "no memory for a pipeline");
    p->plain = !bl_archive_is(file);
    blind_code code =
        p->plain ? bl_onnx_open(file, options, &p->model, err) : open_all(p, file, options, err);
    if (code != BLIND_OK) {
        bl_pipeline_close(p);
        return code;
    }
    *out = p;
    return BLIND_OK;
}

void bl_pipeline_close(bl_pipeline *p)
{
    if (!p)
        return;
    bl_onnx_close(p->model);
    bl_arena_done(&p->arena);
    free(p);
}

const bl_onnx_port *bl_pipeline_inputs(const bl_pipeline *p, size_t *len)
{
    if (p->plain)
        return bl_onnx_inputs(p->model, len);
    *len = p->config.n_inputs;
    return p->inputs;
}

const bl_onnx_port *bl_pipeline_outputs(const bl_pipeline *p, size_t *len)
{
    if (p->plain)
        return bl_onnx_outputs(p->model, len);
    *len = p->config.n_outputs;
    return p->outputs;
}

bl_onnx *bl_pipeline_model(const bl_pipeline *p)
{
    return p->model;
}

size_t bl_pipeline_run_cost(const bl_pipeline *p)
{
    return bl_onnx_cost_of(p->model).run + (p->plain ? 0 : BL_MAX_PIPELINE_RUN);
}

/* Starting a run.  --------------------------------------------------------------------------- */

static const blind_tensor *find_tensor(const blind_tensor *tensors, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (tensors[i].name && strcmp(tensors[i].name, name) == 0)
            return &tensors[i];
    return NULL;
}

static const bl_onnx_value *find_value(const bl_onnx_value *values, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (values[i].name && strcmp(values[i].name, name) == 0)
            return &values[i];
    return NULL;
}

/* The caller's list may end before the run does; the bytes of its tensors do not. */
static blind_code keep_value(bl_pipeline_run *run, const bl_onnx_value *from, bl_onnx_value *to,
                             blind_error *err)
{
    blind_tensor *items = bl_arena_array(&run->arena, from->len + 1, sizeof *items);
    *to = *from;
    to->items = items;
    if (!items)
        return blind_fail(err, BLIND_LIMIT, "pipeline.input", "no memory for input '%.80s'",
                          from->name);
    if (from->len)
        memcpy(items, from->items, from->len * sizeof *items);
    return BLIND_OK;
}

/* Flows without steps are checked by the model. */
static blind_code take_inputs(bl_pipeline_run *run, const bl_onnx_value *inputs, size_t len,
                              blind_error *err)
{
    const bl_pipeline *p = run->pipeline;
    size_t             taken = 0;
    for (size_t i = 0; i < p->config.n_inputs; i++) {
        const bl_onnx_port  *port = &p->inputs[i];
        const bl_onnx_value *given = find_value(inputs, len, port->name);
        bool                 steps = p->config.inputs[i].n_steps > 0;
        run->inputs[i] = (bl_onnx_value){ .name = port->name, .kind = BL_ONNX_NOTHING };
        if (!given && port->optional)
            continue;
        if (!given)
            return blind_fail(err, BLIND_INPUT, "pipeline.input", "input '%.80s' is missing",
                              port->name);
        if (steps && (given->kind != BL_ONNX_TENSOR || given->len != 1))
            return blind_fail(err, BLIND_INPUT, "pipeline.input", "input '%.80s' is no tensor",
                              port->name);
        if (steps && given->items->dtype != port->dtype)
            return blind_fail(err, BLIND_INPUT, "pipeline.input",
                              "input '%.80s' is %s, expected %s", port->name,
                              blind_dtype_name(given->items->dtype), blind_dtype_name(port->dtype));
        BL_TRY(keep_value(run, given, &run->inputs[i], err));
        taken++;
    }
    return len == taken ? BLIND_OK
                        : blind_fail(err, BLIND_INPUT, "pipeline.input", "%zu inputs, expected %zu",
                                     len, p->config.n_inputs);
}

static blind_code start(bl_pipeline_run *run, const bl_onnx_value *inputs, size_t len,
                        blind_error *err)
{
    const bl_pipeline_config *c = &run->pipeline->config;
    size_t                    n_fed;
    bl_onnx_inputs(run->pipeline->model, &n_fed);
    run->arena = (bl_arena){ .max = BL_MAX_PIPELINE_RUN, .secret = true };
    run->inputs = bl_arena_array(&run->arena, c->n_inputs + 1, sizeof *run->inputs);
    run->fed = bl_arena_array(&run->arena, n_fed + 1, sizeof *run->fed);
    run->outputs = bl_arena_array(&run->arena, c->n_outputs + 1, sizeof *run->outputs);
    return run->inputs && run->fed && run->outputs
               ? take_inputs(run, inputs, len, err)
               : blind_fail(err, BLIND_MEMORY, "pipeline.run", "no memory for a run");
}

blind_code bl_pipeline_run_start(bl_pipeline *p, const bl_onnx_value *inputs, size_t len,
                                 bl_pipeline_run **out, blind_error *err)
{
    bl_pipeline_run *run = calloc(1, sizeof *run);
    *out = NULL;
    if (!run)
        return blind_fail(err, BLIND_MEMORY, "pipeline.run", "no memory for a run");
    run->pipeline = p;
    run->phase = p->plain ? MODEL : BEFORE;
    blind_code code = p->plain ? bl_onnx_run_start(p->model, inputs, len, &run->run, err)
                               : start(run, inputs, len, err);
    if (code != BLIND_OK) {
        bl_pipeline_run_free(run);
        return code;
    }
    *out = run;
    return BLIND_OK;
}

/* Whoever gives tensors gets tensors. */
static blind_code tensors_alone(const bl_pipeline *p, blind_error *err)
{
    size_t              len;
    const bl_onnx_port *out = bl_pipeline_outputs(p, &len);
    for (size_t i = 0; i < len; i++)
        if (out[i].sequence || out[i].optional)
            return blind_fail(err, BLIND_UNSUPPORTED, "pipeline.output",
                              "output '%.80s' is %s, where tensors alone are taken and given",
                              out[i].name, out[i].sequence ? "a sequence" : "optional");
    return BLIND_OK;
}

blind_code bl_pipeline_run_new(bl_pipeline *p, const blind_tensor *inputs, size_t len,
                               bl_pipeline_run **out, blind_error *err)
{
    bl_auto_free bl_onnx_value *values = calloc(len + 1, sizeof *values);
    *out = NULL;
    if (!values)
        return blind_fail(err, BLIND_MEMORY, "pipeline.run", "no memory for a run");
    BL_TRY(tensors_alone(p, err));
    for (size_t i = 0; i < len; i++)
        values[i] = (bl_onnx_value){ .name = inputs[i].name, .items = &inputs[i], .len = 1 };
    return bl_pipeline_run_start(p, values, len, out, err);
}

void bl_pipeline_run_free(bl_pipeline_run *run)
{
    if (!run)
        return;
    bl_onnx_run_free(run->run);
    bl_arena_done(&run->arena);
    free(run);
}

/* Running.  ---------------------------------------------------------------------------------- */

/* A model that works on batches gets a batch of one, and ids of the width it wants. */
static blind_code fit_to_port(bl_pipeline_run *run, blind_tensor *t, const bl_onnx_port *port)
{
    if (port->rank == t->rank + 1 && (port->shape[0] == 1 || port->shape[0] < 0)) {
        memmove(t->shape + 1, t->shape, (size_t)t->rank * sizeof *t->shape);
        t->shape[0] = 1;
        t->rank++;
    }
    if (port->dtype == BLIND_I32 && t->dtype == BLIND_I64) {
        blind_tensor narrow;
        BL_TRY(bl_step_tensor(&run->work, BLIND_I32, t->rank, t->shape, &narrow));
        size_t len = bl_step_len(t);
        for (size_t i = 0; i < len; i++)
            ((int32_t *)narrow.data)[i] = (int32_t)((const int64_t *)t->data)[i];
        *t = narrow;
    }
    return BLIND_OK;
}

static blind_code feed(bl_pipeline_run *run, const char *port_name, const blind_tensor *t)
{
    size_t              len;
    const bl_onnx_port *ports = bl_onnx_inputs(run->pipeline->model, &len);
    const bl_onnx_port *port = find_port(ports, len, port_name);
    bl_onnx_value       one = { .name = port->name, .items = t, .len = 1 };
    bl_onnx_value      *to = &run->fed[run->n_fed++];
    BL_TRY(keep_value(run, &one, to, run->work.err));
    return fit_to_port(run, (blind_tensor *)(uintptr_t)to->items, port);
}

/* What the steps of an input made goes to the model. */
static blind_code feed_all(bl_pipeline_run *run, const bl_flow *f)
{
    bl_step_run *w = &run->work;
    if (!f->n_steps) { /* as it came: the model says whether it fits */
        bl_onnx_value *to = &run->fed[run->n_fed++];
        *to = run->inputs[run->flow];
        to->name = f->port;
        return BLIND_OK;
    }
    BL_TRY(feed(run, f->port, &w->t));
    for (size_t i = 0; i < f->more_len; i++) {
        const blind_tensor *t = find_tensor(w->more, w->more_len, f->more_name[i]);
        if (!t)
            return blind_fail(w->err, BLIND_INPUT, "pipeline.feeds", "no step gives '%.60s'",
                              f->more_name[i]);
        BL_TRY(feed(run, f->more[i], t));
    }
    return BLIND_OK;
}

/* One step of the flow under way; *last tells that it was the last. */
static blind_code advance(bl_pipeline_run *run, const bl_flow *f, const blind_tensor *start,
                          bool *last)
{
    if (run->step == 0 && f->n_steps) {
        run->work.t = *start;
        run->work.more_len = 0;
    }
    if (run->step < f->n_steps) {
        const bl_step *s = &f->steps[run->step++];
        BL_TRY(s->row->run(s->params, &run->work));
    }
    *last = run->step == f->n_steps;
    return BLIND_OK;
}

static blind_code before(bl_pipeline_run *run)
{
    const bl_pipeline_config *c = &run->pipeline->config;
    bool                      last;
    if (run->flow == c->n_inputs) {
        run->phase = MODEL;
        run->flow = 0;
        return bl_onnx_run_start(run->pipeline->model, run->fed, run->n_fed, &run->run,
                                 run->work.err);
    }
    const bl_flow *f = &c->inputs[run->flow];
    BL_TRY(advance(run, f, run->inputs[run->flow].items, &last));
    if (!last)
        return BLIND_OK;
    BL_TRY(feed_all(run, f));
    run->flow++;
    run->step = 0;
    return BLIND_OK;
}

static const bl_onnx_value *model_output(const bl_pipeline_run *run, const char *name)
{
    size_t              len;
    const bl_onnx_port *ports = bl_onnx_outputs(run->pipeline->model, &len);
    for (size_t i = 0; i < len; i++)
        if (strcmp(ports[i].name, name) == 0)
            return bl_onnx_run_value(run->run, i);
    return NULL;
}

/* What the steps of an output made; without steps what the model gave. */
static blind_code give(bl_pipeline_run *run, const bl_flow *f, const bl_onnx_value *from)
{
    bl_onnx_value *to = &run->outputs[run->flow];
    bl_onnx_value  one = { .name = f->name, .items = &run->work.t, .len = 1 };
    *to = *from;
    if (f->n_steps)
        BL_TRY(keep_value(run, &one, to, run->work.err));
    else if (from->kind == BL_ONNX_TENSOR)
        BL_TRY(keep_value(run, from, to, run->work.err));
    to->name = f->name;
    if (to->kind == BL_ONNX_TENSOR)
        ((blind_tensor *)(uintptr_t)to->items)->name = f->name;
    return BLIND_OK;
}

static blind_code after(bl_pipeline_run *run)
{
    const bl_pipeline_config *c = &run->pipeline->config;
    bool                      last;
    if (run->flow == c->n_outputs) {
        run->phase = DONE;
        return BLIND_OK;
    }
    const bl_flow       *f = &c->outputs[run->flow];
    const bl_onnx_value *from = model_output(run, f->port);
    if (f->n_steps && from->kind != BL_ONNX_TENSOR)
        return blind_fail(run->work.err, BLIND_INPUT, "pipeline.output",
                          "output '%.80s' is no tensor for its steps", f->port);
    BL_TRY(advance(run, f, from->items, &last));
    if (!last)
        return BLIND_OK;
    BL_TRY(give(run, f, from));
    run->flow++;
    run->step = 0;
    return BLIND_OK;
}

static blind_code one_step(bl_pipeline_run *run, uint64_t budget_ns, blind_error *err)
{
    blind_code code;
    switch (run->phase) {
    case BEFORE:
        return before(run);
    case MODEL:
        bl_onnx_run_watch(run->run, run->stop, run->stop_arg);
        code = bl_onnx_run_step(run->run, budget_ns, err);
        if (code == BLIND_OK)
            run->phase = run->pipeline->plain ? DONE : AFTER;
        return code;
    case AFTER:
        return after(run);
    case DONE:
        break;
    }
    return BLIND_OK;
}

void bl_pipeline_run_watch(bl_pipeline_run *run, bl_stop *stop, void *arg)
{
    run->stop = stop;
    run->stop_arg = arg;
}

blind_code bl_pipeline_run_step(bl_pipeline_run *run, uint64_t budget_ns, blind_error *err)
{
    uint64_t start = budget_ns ? bl_clock_ns() : 0;
    if (run->failed != BLIND_OK)
        return blind_fail(err, run->failed, "pipeline.run", "this run has failed before");
    run->work.arena = &run->arena;
    run->work.err = err;
    while (run->phase != DONE) {
        blind_code code = one_step(run, budget_ns, err);
        if (code == BLIND_AGAIN)
            return code;
        if (code != BLIND_OK)
            return run->failed = code;
        if (budget_ns && run->phase != DONE && bl_clock_ns() - start >= budget_ns)
            return BLIND_AGAIN;
    }
    return BLIND_OK;
}

const bl_onnx_value *bl_pipeline_run_value(const bl_pipeline_run *run, size_t i)
{
    if (run->pipeline->plain)
        return bl_onnx_run_value(run->run, i);
    return i < run->pipeline->config.n_outputs ? &run->outputs[i] : NULL;
}

const blind_tensor *bl_pipeline_run_output(const bl_pipeline_run *run, size_t i)
{
    const bl_onnx_value *v = bl_pipeline_run_value(run, i);
    return v && v->kind == BL_ONNX_TENSOR ? v->items : NULL;
}

size_t bl_pipeline_run_size(const bl_pipeline_run *run)
{
    return run->run ? bl_onnx_run_size(run->run) : 0;
}
