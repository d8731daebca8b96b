/* The ONNX engine: one answer per request, computed node by node, with the steps of a pipeline
 * before and after where the file is one.
 *
 * Inputs are held against the model's declaration here, so that a client reads what was expected
 * and what was found; what depends on values is the model's own to refuse.  Outputs are copied out
 * of the run, which ends at once and belongs to the executor's thread, as the model does. */
#include "pipeline/pipeline.h"
#include "server/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ALIGN = 64, SHAPE_TEXT = 160 };

typedef struct {
    bl_pipeline   *pipeline;
    bl_description description;
    blind_tensor  *inputs, *outputs;
} model;

typedef struct {
    bl_pipeline_run *run;
    size_t           reserved; /* bytes of the request's budget */
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

/* Reserves what the run has come to have. */
static blind_code reserve(bl_request *request, turn *t, size_t size, blind_error *err)
{
    if (size <= t->reserved)
        return BLIND_OK;
    BL_TRY(bl_request_reserve(request, size - t->reserved, err));
    t->reserved = size;
    return BLIND_OK;
}

static blind_code submit(void *opaque, bl_job *job, blind_error *err)
{
    model        *m = opaque;
    blind_tensor *inputs = NULL;
    BL_TRY(take_inputs(m, job->request, &inputs, err));
    turn *t = bl_arena_alloc(bl_request_arena(job->request), sizeof *t);
    if (!t)
        return blind_fail(err, BLIND_MEMORY, "onnx.input", "no memory for a run");
    BL_TRY(bl_pipeline_run_new(m->pipeline, inputs, m->description.inputs_len, &t->run, err));
    blind_code code = reserve(job->request, t, bl_pipeline_run_cost(m->pipeline), err);
    if (code != BLIND_OK) {
        bl_pipeline_run_free(t->run);
        return code;
    }
    job->state = t;
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
static bool outputs_size(const model *m, const bl_pipeline_run *run, size_t *total)
{
    size_t len = m->description.outputs_len;
    *total = ALIGN;
    bool fits_in = add_aligned(total, len * sizeof(blind_tensor));
    for (size_t i = 0; fits_in && i < len; i++)
        fits_in = add_aligned(total, strlen(m->outputs[i].name) + 1) &&
                  add_aligned(total, bl_pipeline_run_output(run, i)->size);
    return fits_in;
}

static uint8_t *take_aligned(uint8_t **at, size_t size)
{
    uint8_t *taken = *at;
    *at += (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    return taken;
}

static blind_code put_outputs(const model *m, bl_job *job)
{
    const bl_pipeline_run *run = ((const turn *)job->state)->run;
    size_t                 size, len = m->description.outputs_len;
    bl_event *event = outputs_size(m, run, &size) ? bl_event_new(BL_EVENT_OUTPUTS, size) : NULL;
    if (!event)
        return blind_fail(&job->error, BLIND_MEMORY, "onnx.output", "no memory for the outputs");
    uint8_t *at = (uint8_t *)(event + 1);
    at += -(uintptr_t)at & (ALIGN - 1);
    event->outputs = (blind_tensor *)(void *)take_aligned(&at, len * sizeof(blind_tensor));
    event->outputs_len = len;
    for (size_t i = 0; i < len; i++) {
        blind_tensor *t = &event->outputs[i];
        size_t        name = strlen(m->outputs[i].name) + 1;
        *t = *bl_pipeline_run_output(run, i);
        const void *data = t->data;
        t->name = memcpy(take_aligned(&at, name), m->outputs[i].name, name);
        t->data = take_aligned(&at, t->size);
        if (t->size)
            memcpy(t->data, data, t->size);
    }
    bl_request_put(job->request, event);
    return BLIND_OK;
}

static void step(void *opaque, bl_job *const *jobs, size_t len, const bl_turn *how)
{
    bl_job *job = jobs[0];
    (void)len;
    turn *t = job->state;
    job->code = bl_pipeline_run_step(t->run, how->budget_ns, &job->error);
    if (job->code == BLIND_OK || job->code == BLIND_AGAIN) {
        blind_code code = reserve(job->request, t, bl_pipeline_run_size(t->run), &job->error);
        job->code = code == BLIND_OK ? job->code : code;
    }
    if (job->code == BLIND_OK)
        job->code = put_outputs(opaque, job);
}

static void cancel(void *opaque, bl_job *job)
{
    (void)opaque;
    bl_pipeline_run_free(((turn *)job->state)->run);
}

static bool wipe(void *opaque, size_t most)
{
    return bl_onnx_wipe(bl_pipeline_model(((model *)opaque)->pipeline), most);
}

const bl_engine bl_engine_onnx = {
    .name = "onnx",
    .batch = 1,
    .recognises = recognises,
    .open = open_model,
    .describe = describe,
    .submit = submit,
    .step = step,
    .cancel = cancel,
    .wipe = wipe,
    .close = close_model,
};
