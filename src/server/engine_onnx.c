/* The ONNX engine: one answer per request, computed node by node, with the steps of a pipeline
 * before and after where the file is one.
 *
 * Requests of one model may be joined: their rows lie behind each other in one run, and each gets
 * its own rows of the outputs.  A joined run that fails says nothing about which request is to
 * blame, so each of them is then run alone.
 *
 * Inputs are held against the model's declaration here, so that a client reads what was expected
 * and what was found; what depends on values is the model's own to refuse.  Outputs are copied out
 * of the run, which ends at once and belongs to the executor's thread, as the model does. */
#include "pipeline/pipeline.h"
#include "server/company.h"
#include "server/engine.h"
#include "server/onnx_probe.h"
#include "server/onnx_rows.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ALIGN = 64, SHAPE_TEXT = 160, MAX_JOINED_INPUTS = 16 };

typedef struct {
    bl_pipeline   *pipeline;
    bl_description description;
    blind_tensor  *inputs, *outputs;
    _Atomic bool   apart; /* it turned out that rows cannot be joined */
} model;

/* One run for several requests. */
typedef struct {
    bl_pipeline_run *run; /* NULL: it failed, and each goes on alone */
    bl_arena         arena;
    bl_job          *jobs[BL_MAX_BATCH]; /* NULL: gone */
    size_t           len, left, planned, reserved;
} joint;

/* One request: waits, then runs alone or as a part of a joint. */
typedef struct {
    const blind_tensor *inputs;
    size_t              rows, first; /* its rows in the joint */
    joint              *joint;
    bl_pipeline_run    *run;      /* its own */
    bool                apart;    /* it was in a joint that failed */
    size_t              reserved; /* bytes of the request's budget */
} turn;

/* A ModelProto starts with one of its first fields: ir_version (varint 1), or in files of other
 * writers producer_name and friends (2..8, length-delimited).  Source: onnx.proto3, ModelProto. */
static bool recognises(blind_span file)
{
    if (bl_pipeline_is(file))
        return true;
    if (file.size < 2)
        return false;
    uint8_t tag = file.data[0];
    return tag == 0x08 || tag == 0x12 || tag == 0x1a || tag == 0x22 || tag == 0x28 || tag == 0x32 ||
           tag == 0x3a || tag == 0x42;
}

/* ---- opening ---- */

static blind_tensor *copy_ports(const bl_onnx_port *ports, size_t len)
{
    blind_tensor *tensors = calloc(len ? len : 1, sizeof *tensors);
    for (size_t i = 0; tensors && i < len; i++) {
        tensors[i] =
            (blind_tensor){ .name = ports[i].name, .dtype = ports[i].dtype, .rank = ports[i].rank };
        memcpy(tensors[i].shape, ports[i].shape, sizeof tensors[i].shape);
    }
    return tensors;
}

static void close_model(void *opaque)
{
    model *m = opaque;
    free(m->inputs);
    free(m->outputs);
    bl_pipeline_close(m->pipeline);
    free(m);
}

static bool describe_ports(model *m)
{
    size_t              inputs, outputs;
    const bl_onnx_port *in = bl_pipeline_inputs(m->pipeline, &inputs);
    const bl_onnx_port *out = bl_pipeline_outputs(m->pipeline, &outputs);
    m->inputs = copy_ports(in, inputs);
    m->outputs = copy_ports(out, outputs);
    m->description = (bl_description){ .platform = "onnx_onnxv1",
                                       .inputs = m->inputs,
                                       .inputs_len = inputs,
                                       .outputs = m->outputs,
                                       .outputs_len = outputs };
    return m->inputs && m->outputs;
}

/* The protocols that this server speaks have names for tensors alone. */
static blind_code check_ports(const bl_pipeline *p, blind_error *err)
{
    for (int side = 0; side < 2; side++) {
        size_t              len;
        const bl_onnx_port *ports =
            side ? bl_pipeline_outputs(p, &len) : bl_pipeline_inputs(p, &len);
        for (size_t i = 0; i < len; i++)
            if (ports[i].sequence || ports[i].optional)
                return blind_fail(err, BLIND_UNSUPPORTED, "onnx.open",
                                  "%s '%.80s' is %s: a server takes and gives tensors",
                                  side ? "output" : "input", ports[i].name,
                                  ports[i].sequence ? "a sequence" : "optional");
    }
    return BLIND_OK;
}

/* ---- what may be joined ---- */

/* A first axis of any length with the same name everywhere: a model that says so gives a row for a
 * row.  The name of an output may be missing. */
static bool has_rows(const bl_onnx_port *port, bool output, const char **symbol)
{
    if (port->rank < 1 || port->shape[0] >= 0 || port->dtype == BLIND_STRING)
        return false;
    if (!*symbol)
        *symbol = port->symbol[0] ? port->symbol[0] : "";
    return port->symbol[0] ? strcmp(*symbol, port->symbol[0]) == 0 : output || !**symbol;
}

static bool can_join(const model *m)
{
    const char *symbol = NULL;
    for (int side = 0; side < 2; side++) {
        size_t              len;
        const bl_onnx_port *ports =
            side ? bl_pipeline_outputs(m->pipeline, &len) : bl_pipeline_inputs(m->pipeline, &len);
        if (len == 0 || len > MAX_JOINED_INPUTS)
            return false;
        for (size_t i = 0; i < len; i++)
            if (!has_rows(&ports[i], side == 1, &symbol))
                return false;
    }
    return true;
}

static blind_code refuse_batching(const bl_engine_options *options, const char *why,
                                  blind_error *err)
{
    if (!options->must_batch)
        return BLIND_OK;
    return blind_fail(err, BLIND_UNSUPPORTED, "onnx.batch", "max_batch %zu: %s",
                      options->batching.max_rows, why);
}

/* Rows are joined where the operator asked for it and the model lets it be seen how.  What could
 * not be tried is the operator's word, given for this very model. */
static blind_code set_batching(model *m, blind_span file, const bl_engine_options *options,
                               const bl_onnx_options *onnx, blind_error *err)
{
    bl_probe found;
    m->description.batching = (bl_batching){ .max_rows = 1 };
    if (options->batching.max_rows <= 1)
        return BLIND_OK;
    if (bl_pipeline_is(file) || !can_join(m))
        return refuse_batching(options,
                               "the model's inputs and outputs do not share a first axis of any "
                               "length",
                               err);
    BL_TRY(bl_onnx_probe(file, onnx, &found, err));
    if (found == BL_PROBE_MIXED)
        return refuse_batching(options, "the model's answer to a row depends on other rows", err);
    if (found == BL_PROBE_UNKNOWN && !options->must_batch)
        return BLIND_OK;
    m->description.batching = options->batching;
    m->description.batching.max_rows = BL_MIN(options->batching.max_rows, (size_t)BL_MAX_BATCH);
    return BLIND_OK;
}

/* ---- opening the rest ---- */

/* What one run may take: half of this machine's memory, as the executor grants all together. */
static size_t most_of_a_run(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (size_t)pages / 2 * (size_t)page : 0;
}

static blind_code open_model(blind_span file, const bl_engine_options *options, void **out,
                             blind_error *err)
{
    bl_onnx_options onnx = { .pool = options->pool,
                             .isa = bl_isa_best(),
                             .precision = options->precision,
                             .plain = !options->optimize,
                             .max_memory = options->max_memory,
                             .max_run = most_of_a_run() };
    model          *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        return blind_fail(err, BLIND_MEMORY, "onnx.open", "no memory for a model");
    blind_code code = bl_pipeline_open(file, &onnx, &m->pipeline, err);
    if (code == BLIND_OK)
        code = check_ports(m->pipeline, err);
    if (code == BLIND_OK && !describe_ports(m))
        code = blind_fail(err, BLIND_MEMORY, "onnx.open", "no memory for a model");
    if (code == BLIND_OK)
        code = set_batching(m, file, options, &onnx, err);
    if (code != BLIND_OK) {
        close_model(m);
        return code;
    }
    *out = m;
    return BLIND_OK;
}

static void describe(const void *opaque, bl_description *out)
{
    *out = ((const model *)opaque)->description;
}

/* ---- inputs ---- */

/* "FP32 [-1,3,224,224]" */
static const char *write_type(const blind_tensor *t, char text[SHAPE_TEXT])
{
    int at = snprintf(text, SHAPE_TEXT, "%s [", blind_dtype_kserve(t->dtype));
    for (int i = 0; i < t->rank && at < SHAPE_TEXT - 1; i++)
        at += snprintf(text + at, (size_t)(SHAPE_TEXT - at), i ? ",%lld" : "%lld",
                       (long long)t->shape[i]);
    if (at < SHAPE_TEXT - 1)
        snprintf(text + at, (size_t)(SHAPE_TEXT - at), t->rank < 0 ? "...]" : "]");
    return text;
}

static bool fits(const blind_tensor *want, const blind_tensor *got)
{
    if (want->dtype != got->dtype)
        return false;
    if (want->rank < 0)
        return true;
    if (want->rank != got->rank)
        return false;
    for (int i = 0; i < want->rank; i++)
        if (want->shape[i] >= 0 && want->shape[i] != got->shape[i])
            return false;
    return true;
}

static bool has_its_size(const blind_tensor *t)
{
    size_t size = blind_dtype_size(t->dtype);
    if (t->rank < 0 || t->rank > BLIND_MAX_RANK)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] < 0 || !bl_mul(size, (size_t)t->shape[i], &size))
            return false;
    return t->dtype == BLIND_STRING || size == t->size;
}

static blind_code check_input(const blind_tensor *want, const blind_tensor *got, blind_error *err)
{
    char expected[SHAPE_TEXT], found[SHAPE_TEXT];
    if (!has_its_size(got))
        return blind_fail(err, BLIND_INPUT, "onnx.input", "input '%s': %zu bytes are not %s",
                          want->name, got->size, write_type(got, found));
    if (!fits(want, got))
        return blind_fail(err, BLIND_INPUT, "onnx.input",
                          "input '%s': expected %.100s, found %.100s", want->name,
                          write_type(want, expected), write_type(got, found));
    return BLIND_OK;
}

/* The input of that name, or the one at that place where inputs come without names. */
static const blind_tensor *find_input(const blind_tensor *given, size_t len, const char *name,
                                      size_t place)
{
    for (size_t i = 0; i < len; i++)
        if (given[i].name && strcmp(given[i].name, name) == 0)
            return &given[i];
    if (place < len && (!given[place].name || !given[place].name[0]))
        return &given[place];
    return NULL;
}

/* The inputs in the model's order under the model's names. */
static blind_code take_inputs(const model *m, bl_request *request, blind_tensor **out,
                              blind_error *err)
{
    size_t              given_len, want_len = m->description.inputs_len;
    const blind_tensor *given = bl_request_inputs(request, &given_len);
    blind_tensor *taken = bl_arena_array(bl_request_arena(request), want_len + 1, sizeof *taken);
    if (!taken)
        return blind_fail(err, BLIND_MEMORY, "onnx.input", "no memory for inputs");
    for (size_t i = 0; i < want_len; i++) {
        const blind_tensor *want = &m->inputs[i];
        const blind_tensor *got = find_input(given, given_len, want->name, i);
        char                expected[SHAPE_TEXT];
        if (!got)
            return blind_fail(err, BLIND_INPUT, "onnx.input", "input '%s' is missing: expected %s",
                              want->name, write_type(want, expected));
        BL_TRY(check_input(want, got, err));
        taken[i] = *got;
        taken[i].name = want->name;
    }
    if (given_len != want_len)
        return blind_fail(err, BLIND_INPUT, "onnx.input", "expected %zu inputs, found %zu",
                          want_len, given_len);
    *out = taken;
    return BLIND_OK;
}

/* Every input as the model wants it, or NULL. */
static const blind_tensor *joinable(const model *m, const bl_request *request, size_t i)
{
    size_t              len;
    const blind_tensor *given = bl_request_inputs(request, &len);
    const blind_tensor *t = find_input(given, len, m->inputs[i].name, i);
    return len == m->description.inputs_len && t && fits(&m->inputs[i], t) ? t : NULL;
}

/* What the engine would refuse runs alone, and is refused. */
static size_t count_rows(const void *opaque, const bl_request *request)
{
    const model *m = opaque;
    size_t       rows = 0;
    if (atomic_load(&m->apart))
        return 0;
    for (size_t i = 0; i < m->description.inputs_len; i++) {
        const blind_tensor *t = joinable(m, request, i);
        size_t              n = t ? bl_rows_of(t) : 0;
        if (n == 0 || (i > 0 && n != rows))
            return 0;
        rows = n;
    }
    return rows;
}

static bool joins(const void *opaque, const bl_request *a, const bl_request *b)
{
    const model *m = opaque;
    for (size_t i = 0; i < m->description.inputs_len; i++) {
        const blind_tensor *one = joinable(m, a, i), *other = joinable(m, b, i);
        if (!one || !other || !bl_rows_agree(one, other))
            return false;
    }
    return true;
}

static blind_code submit(void *opaque, bl_job *job, blind_error *err)
{
    model        *m = opaque;
    blind_tensor *inputs = NULL;
    BL_TRY(take_inputs(m, job->request, &inputs, err));
    turn *t = bl_arena_alloc(bl_request_arena(job->request), sizeof *t);
    if (!t)
        return blind_fail(err, BLIND_MEMORY, "onnx.input", "no memory for a run");
    t->inputs = inputs;
    t->rows = count_rows(m, job->request);
    job->state = t;
    return BLIND_OK;
}

/* Reserves what the run has come to have. */
static blind_code reserve(bl_request *request, turn *t, size_t size, blind_error *err)
{
    if (size <= t->reserved)
        return BLIND_OK;
    BL_TRY(bl_request_reserve(request, size - t->reserved, err));
    t->reserved = size;
    return BLIND_OK;
}

/* ---- outputs ---- */

static bool add_aligned(size_t *total, size_t size)
{
    size_t rounded;
    return bl_add(size, ALIGN - 1, &rounded) &&
           bl_add(*total, rounded & ~(size_t)(ALIGN - 1), total);
}

/* Bytes behind the event: tensors, then each name and its data on their own lines. */
static bool outputs_size(const blind_tensor *outputs, size_t len, size_t *total)
{
    *total = ALIGN;
    bool fits_in = add_aligned(total, len * sizeof(blind_tensor));
    for (size_t i = 0; fits_in && i < len; i++)
        fits_in =
            add_aligned(total, strlen(outputs[i].name) + 1) && add_aligned(total, outputs[i].size);
    return fits_in;
}

static uint8_t *take_aligned(uint8_t **at, size_t size)
{
    uint8_t *taken = *at;
    *at += (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    return taken;
}

static blind_code put_outputs(bl_job *job, const blind_tensor *outputs, size_t len)
{
    size_t    size;
    bl_event *event =
        outputs_size(outputs, len, &size) ? bl_event_new(BL_EVENT_OUTPUTS, size) : NULL;
    if (!event)
        return blind_fail(&job->error, BLIND_MEMORY, "onnx.output", "no memory for the outputs");
    uint8_t *at = (uint8_t *)(event + 1);
    at += -(uintptr_t)at & (ALIGN - 1);
    event->outputs = (blind_tensor *)(void *)take_aligned(&at, len * sizeof(blind_tensor));
    event->outputs_len = len;
    for (size_t i = 0; i < len; i++) {
        blind_tensor *t = &event->outputs[i];
        size_t        name = strlen(outputs[i].name) + 1;
        *t = outputs[i];
        t->name = memcpy(take_aligned(&at, name), outputs[i].name, name);
        t->data = take_aligned(&at, t->size);
        if (t->size)
            memcpy(t->data, outputs[i].data, t->size);
    }
    bl_request_put(job->request, event);
    return BLIND_OK;
}

/* Rows first..first+rows-1 of what a run of `planned` gave; all of it where planned is 0. */
static blind_code put_rows(const model *m, bl_job *job, const bl_pipeline_run *run, size_t planned)
{
    const turn                *t = job->state;
    size_t                     len = m->description.outputs_len;
    bl_auto_free blind_tensor *outputs = calloc(len ? len : 1, sizeof *outputs);
    if (!outputs)
        return blind_fail(&job->error, BLIND_MEMORY, "onnx.output", "no memory for the outputs");
    for (size_t i = 0; i < len; i++) {
        outputs[i] = *bl_pipeline_run_output(run, i);
        if (planned)
            BL_TRY(bl_rows_slice(bl_pipeline_run_output(run, i), planned, t->first, t->rows,
                                 &outputs[i], &job->error));
        outputs[i].name = m->outputs[i].name;
    }
    return put_outputs(job, outputs, len);
}

/* ---- one alone ---- */

static blind_code start_alone(const model *m, bl_job *job)
{
    turn *t = job->state;
    BL_TRY(bl_pipeline_run_new(m->pipeline, t->inputs, m->description.inputs_len, &t->run,
                               &job->error));
    return reserve(job->request, t, bl_pipeline_run_cost(m->pipeline), &job->error);
}

static blind_code advance_alone(const model *m, bl_job *job, const bl_turn *how)
{
    turn *t = job->state;
    if (!t->run)
        BL_TRY(start_alone(m, job));
    bl_pipeline_run_watch(t->run, how->over, how->over_arg);
    blind_code code = bl_pipeline_run_step(t->run, how->budget_ns, &job->error);
    if (code == BLIND_CANCELLED) /* the executor says why */
        return BLIND_AGAIN;
    if (code == BLIND_OK || code == BLIND_AGAIN)
        BL_TRY(reserve(job->request, t, bl_pipeline_run_size(t->run), &job->error));
    return code == BLIND_OK ? put_rows(m, job, t->run, 0) : code;
}

/* ---- several as one ---- */

/* Its memory is wiped as that of every run. */
static void end_run(joint *j)
{
    bl_pipeline_run_free(j->run);
    bl_arena_done(&j->arena);
    j->run = NULL;
}

/* One less, at the end or before it: its rows are computed to the end and given to nobody. */
static void leave(joint *j, const bl_job *job)
{
    for (size_t i = 0; i < j->len; i++)
        if (j->jobs[i] == job)
            j->jobs[i] = NULL;
    if (--j->left > 0)
        return;
    end_run(j);
    free(j);
}

/* From here each of them runs alone. */
static void part(joint *j)
{
    end_run(j);
    for (size_t i = 0; i < j->len; i++)
        if (j->jobs[i])
            ((turn *)j->jobs[i]->state)->apart = true;
}

/* Each reserves its part. */
static blind_code reserve_joint(joint *j, size_t size, blind_error *err)
{
    if (size <= j->reserved)
        return BLIND_OK;
    size_t each = (size - j->reserved) / j->left + 1;
    for (size_t i = 0; i < j->len; i++)
        if (j->jobs[i])
            BL_TRY(bl_request_reserve(j->jobs[i]->request, each, err));
    j->reserved = size;
    return BLIND_OK;
}

static blind_code join_inputs(const model *m, joint *j, blind_tensor **out, blind_error *err)
{
    size_t        len = m->description.inputs_len;
    blind_tensor *inputs = bl_arena_array(&j->arena, len, sizeof *inputs);
    if (!inputs)
        return blind_fail(err, BLIND_MEMORY, "onnx.batch", "no memory for a run");
    for (size_t i = 0; i < len; i++) {
        const blind_tensor *parts[BL_MAX_BATCH];
        for (size_t k = 0; k < j->len; k++)
            parts[k] = &((turn *)j->jobs[k]->state)->inputs[i];
        BL_TRY(bl_rows_join(parts, j->len, j->planned, &j->arena, &inputs[i], err));
    }
    *out = inputs;
    return BLIND_OK;
}

static blind_code start_joint(const model *m, joint *j, blind_error *err)
{
    blind_tensor *inputs = NULL;
    BL_TRY(join_inputs(m, j, &inputs, err));
    BL_TRY(bl_pipeline_run_new(m->pipeline, inputs, m->description.inputs_len, &j->run, err));
    return reserve_joint(j, j->arena.used + bl_pipeline_run_cost(m->pipeline), err);
}

/* A size that cannot be planned cannot be the next time either. */
static void join(model *m, bl_job *const *jobs, size_t len)
{
    blind_error err = { 0 };
    size_t      rows = 0;
    joint      *j = calloc(1, sizeof *j);
    for (size_t i = 0; !j && i < len; i++)
        ((turn *)jobs[i]->state)->apart = true;
    if (!j)
        return;
    j->arena.secret = true;
    for (size_t i = 0; i < len && i < BL_MAX_BATCH; i++) {
        turn *t = jobs[i]->state;
        t->joint = j;
        t->first = rows;
        rows += t->rows;
        j->jobs[j->len++] = jobs[i];
    }
    j->left = j->len;
    j->planned = bl_batch_planned(rows, m->description.batching.max_rows);
    blind_code code = start_joint(m, j, &err);
    if (code == BLIND_OK)
        return;
    if (code != BLIND_MEMORY)
        atomic_store(&m->apart, true);
    part(j);
}

static void answer_all(model *m, joint *j)
{
    bool rows = true;
    for (size_t i = 0; i < j->len && rows; i++) {
        bl_job *job = j->jobs[i];
        if (!job)
            continue;
        job->code = put_rows(m, job, j->run, j->planned);
        rows = job->code != BLIND_INPUT;
        if (!rows) /* the same for all: nobody got anything */
            *job = (bl_job){ .request = job->request, .state = job->state, .code = BLIND_AGAIN };
    }
    if (rows)
        return;
    atomic_store(&m->apart, true);
    part(j);
}

static void advance_joint(model *m, joint *j, const bl_turn *how)
{
    blind_error err = { 0 };
    bl_pipeline_run_watch(j->run, how->over, how->over_arg);
    blind_code code = bl_pipeline_run_step(j->run, how->budget_ns, &err);
    if (code == BLIND_OK || code == BLIND_AGAIN) {
        blind_code room = reserve_joint(j, j->arena.used + bl_pipeline_run_size(j->run), &err);
        code = room == BLIND_OK ? code : room;
    }
    if (code == BLIND_OK)
        answer_all(m, j);
    else if (code != BLIND_AGAIN)
        part(j);
}

static void step(void *opaque, bl_job *const *jobs, size_t len, const bl_turn *how)
{
    model *m = opaque;
    turn  *t = jobs[0]->state;
    if (len > 1 && !t->joint && !t->run && !t->apart)
        join(m, jobs, len);
    for (size_t i = 0; i < len; i++)
        jobs[i]->code = BLIND_AGAIN;
    if (t->joint && t->joint->run)
        advance_joint(m, t->joint, how);
    else
        jobs[0]->code = advance_alone(m, jobs[0], how);
}

static void cancel(void *opaque, bl_job *job)
{
    turn *t = job->state;
    (void)opaque;
    bl_pipeline_run_free(t->run);
    if (t->joint)
        leave(t->joint, job);
}

static bool wipe(void *opaque, size_t most)
{
    return bl_onnx_wipe(bl_pipeline_model(((model *)opaque)->pipeline), most);
}

static size_t size(const void *opaque)
{
    bl_onnx_cost cost = bl_onnx_cost_of(bl_pipeline_model(((const model *)opaque)->pipeline));
    return cost.packed + cost.constants + cost.plans;
}

const bl_engine bl_engine_onnx = {
    .name = "onnx",
    .batch = 1,
    .recognises = recognises,
    .open = open_model,
    .describe = describe,
    .rows = count_rows,
    .joins = joins,
    .submit = submit,
    .step = step,
    .cancel = cancel,
    .wipe = wipe,
    .size = size,
    .close = close_model,
};
