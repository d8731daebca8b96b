/* POST /v2/models/{m}/infer: bytes to tensors, tensors to the executor, outputs to bytes. */
#include "http/kserve.h"
#include "server/internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOTHING, DECODED, ENCODED, BROUGHT };
enum { JSON_COST = 20 };          /* bytes in memory for one of text, at most */
enum { INLINE_JSON = 64 * 1024 }; /* more than this is parsed and written by a worker */

typedef struct {
    bl_chore          task;
    bl_exchange      *exchange;
    bl_model         *model; /* for the description; the request holds its own reference */
    bl_request       *request;
    bl_kserve_request asked;
    int64_t           json_size;
    _Atomic int       due; /* what a worker has finished, for on_turn() */
    blind_code        code;
    blind_error       error;
    bl_event         *outputs;
    uint64_t          compute_ns;
    bl_buf            reply;
    int64_t           reply_json_size;
} inference;

static blind_code read_json_size(bl_exchange *e, inference *f, blind_error *err)
{
    uint64_t   n;
    blind_span value = bl_http_field_get(e->head, "inference-header-content-length");
    f->json_size = BL_KSERVE_JSON;
    if (bl_http_field_count(e->head, "inference-header-content-length") == 0)
        return BLIND_OK;
    if (bl_http_field_count(e->head, "inference-header-content-length") > 1 ||
        !bl_http_number(value, &n) || n > INT64_MAX)
        return blind_fail(err, BLIND_INPUT, "server.infer", BL_KSERVE_HEADER " is no size");
    f->json_size = (int64_t)n;
    return BLIND_OK;
}

static void on_turn(bl_exchange *e);

static void wake(void *arg)
{
    bl_exchange_queue(arg, on_turn);
}

static void knock(void *loop)
{
    bl_loop_wake(loop);
}

static blind_code make_request(bl_exchange *e, inference *f, blind_error *err)
{
    const bl_config   *config = e->server->config;
    bl_request_options options = {
        .id = e->id,
        .principal = e->principal,
        .model = bl_model_retain(f->model),
        .deadline_ns =
            config->request_s ? e->started_ns + (uint64_t)config->request_s * 1000000000u : 0,
        .budget = bl_executor_budget(e->server->executor),
        .wake = wake,
        .wake_arg = e,
        .knock = knock,
        .knock_arg = e->loop,
    };
    blind_code code = bl_request_new(&options, &f->request, err);
    if (code != BLIND_OK)
        bl_model_release(f->model);
    return code;
}

/* Room for the body, and for the tree that its JSON becomes while it is parsed. */
static blind_code reserve(bl_exchange *e, inference *f, blind_error *err)
{
    uint64_t length = e->head->length;
    uint64_t json = f->json_size < 0 ? length : BL_MIN((uint64_t)f->json_size, length);
    if (json > BL_MAX_JSON_SIZE)
        return blind_fail(err, BLIND_LIMIT, "server.infer",
                          "%llu bytes of JSON, expected at most %u: send binary data",
                          (unsigned long long)json, BL_MAX_JSON_SIZE);
    return bl_request_reserve(f->request, (size_t)(length + json * JSON_COST), err);
}

/* Everything that can be refused is refused here, before the body is read; room for the body is
 * reserved before it is asked for. */
blind_code bl_api_infer_begin(bl_exchange *e, blind_error *err)
{
    inference *f = calloc(1, sizeof *f);
    if (!f)
        return blind_fail(err, BLIND_MEMORY, "server.infer", "out of memory");
    e->data = f;
    f->exchange = e;
    f->reply.secret = true;
    BL_TRY(read_json_size(e, f, err));
    BL_TRY(bl_registry_resolve(e->server->registry, e->params.model, &f->model, err));
    BL_TRY(make_request(e, f, err));
    if (!e->head->has_length)
        return blind_fail(err, BLIND_PROTOCOL, "server.attest.length",
                          "an inference needs a Content-Length");
    BL_TRY(reserve(e, f, err));
    if (e->head->length > 0 && !bl_buf_reserve(&e->body, (size_t)e->head->length))
        return blind_fail(err, BLIND_MEMORY, "server.infer", "no memory for %llu bytes of input",
                          (unsigned long long)e->head->length);
    return BLIND_OK;
}

void bl_api_infer_done(bl_exchange *e)
{
    inference *f = e->data;
    if (!f)
        return;
    if (f->outputs)
        bl_event_free(f->outputs);
    if (f->request)
        bl_request_release(f->request);
    if (f->model)
        bl_model_release(f->model);
    bl_buf_done(&f->reply);
    free(f);
}

void bl_api_infer_gone(bl_exchange *e)
{
    inference *f = e->data;
    if (f && f->request)
        bl_request_abandon(f->request);
}

static void send_away(inference *f, bl_worker *worker, void (*run)(bl_chore *))
{
    f->task.run = run;
    bl_exchange_retain(f->exchange);
    bl_worker_submit(worker, &f->task);
}

/* ---- in ---- */

static blind_code decode(bl_exchange *e, inference *f, blind_error *err)
{
    bl_arena             *arena = bl_request_arena(f->request);
    const bl_description *d = &f->model->description;
    blind_span            body = bl_buf_span(&e->body);
    if (f->json_size != 0)
        return bl_kserve_request_parse(body, f->json_size, arena, &f->asked, err);
    if (d->inputs_len != 1)
        return blind_fail(err, BLIND_INPUT, "server.infer",
                          "a raw binary request goes to a model of one input, this has %zu",
                          d->inputs_len);
    return bl_kserve_request_raw(body, &d->inputs[0], arena, &f->asked, err);
}

/* A tensor without a name is the input of its place. */
static void name_inputs(inference *f)
{
    const bl_description *d = &f->model->description;
    for (size_t i = 0; i < f->asked.input_count && i < d->inputs_len; i++)
        if (!f->asked.inputs[i].name[0])
            f->asked.inputs[i].name = d->inputs[i].name;
}

static blind_code check_outputs(const inference *f, blind_error *err)
{
    const bl_description *d = &f->model->description;
    for (size_t i = 0; i < f->asked.output_count; i++) {
        bool known = false;
        for (size_t k = 0; k < d->outputs_len && !known; k++)
            known = strcmp(f->asked.outputs[i].name, d->outputs[k].name) == 0;
        if (!known)
            return blind_fail(err, BLIND_INPUT, "server.infer", "the model has no output '%s'",
                              f->asked.outputs[i].name);
    }
    return BLIND_OK;
}

static void run_bring(bl_chore *task)
{
    inference   *f = (inference *)task;
    bl_exchange *e = f->exchange;
    f->code = bl_model_bring(f->model, &f->error);
    atomic_store(&f->due, BROUGHT);
    bl_exchange_post(e, on_turn);
    bl_exchange_release(e);
}

/* A model that was put away comes back first, which takes as long as loading it. */
static blind_code hand_to_executor(bl_exchange *e, inference *f, blind_error *err)
{
    blind_code code = bl_executor_submit(e->server->executor, f->request, err);
    if (code != BLIND_AGAIN)
        return code;
    send_away(f, e->server->fetcher, run_bring);
    return BLIND_OK;
}

/* Pinned, whatever became of the client meanwhile. */
static void on_brought(bl_exchange *e)
{
    inference *f = e->data;
    bool       pinned = f->code == BLIND_OK;
    if (pinned && e->conn)
        f->code = bl_executor_submit(e->server->executor, f->request, &f->error);
    if (pinned)
        bl_model_unpin(f->model);
    if (f->code != BLIND_OK)
        bl_reply_error(e, &f->error);
}

static blind_code submit(bl_exchange *e, inference *f, blind_error *err)
{
    name_inputs(f);
    BL_TRY(check_outputs(f, err));
    bl_request_set_inputs(f->request, f->asked.inputs, f->asked.input_count);
    bl_request_keep(f->request, &e->body);
    return hand_to_executor(e, f, err);
}

static void on_decoded(bl_exchange *e)
{
    inference *f = e->data;
    if (!e->conn)
        return;
    if (f->code == BLIND_OK)
        f->code = submit(e, f, &f->error);
    if (f->code != BLIND_OK)
        bl_reply_error(e, &f->error);
}

static void run_decode(bl_chore *task)
{
    inference   *f = (inference *)task;
    bl_exchange *e = f->exchange;
    f->code = decode(e, f, &f->error);
    atomic_store(&f->due, DECODED);
    bl_exchange_post(e, on_turn);
    bl_exchange_release(e);
}

blind_code bl_api_infer(bl_exchange *e, blind_error *err)
{
    inference *f = e->data;
    size_t     json = f->json_size < 0 ? e->body.size : (size_t)f->json_size;
    if (json > INLINE_JSON) {
        send_away(f, e->server->worker, run_decode);
        return BLIND_OK;
    }
    BL_TRY(decode(e, f, err));
    return submit(e, f, err);
}

/* ---- out ---- */

/* The outputs that were asked for, in the order asked; all of them when none was named. */
static blind_code select_outputs(inference *f, bl_arena *arena, bl_kserve_response *r,
                                 blind_error *err)
{
    r->outputs = f->outputs->outputs;
    r->output_count = f->outputs->outputs_len;
    if (f->asked.output_count == 0)
        return BLIND_OK;
    blind_tensor *chosen = bl_arena_array(arena, f->asked.output_count, sizeof *chosen);
    if (!chosen)
        return blind_fail(err, BLIND_MEMORY, "server.infer", "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < f->asked.output_count; i++)
        for (size_t k = 0; k < r->output_count; k++)
            if (strcmp(f->asked.outputs[i].name, r->outputs[k].name) == 0) {
                chosen[n++] = r->outputs[k];
                break;
            }
    r->outputs = chosen;
    r->output_count = n;
    return BLIND_OK;
}

static blind_code encode(bl_exchange *e, inference *f, blind_error *err)
{
    bl_auto_arena      arena = BL_ARENA_EMPTY;
    bl_kserve_response r = { .model = e->params.model, .inference_time_ms = -1 };
    if (e->server->config->send_inference_time)
        r.inference_time_ms = (double)f->compute_ns / 1e6;
    BL_TRY(select_outputs(f, &arena, &r, err));
    return bl_kserve_response_write(&r, &f->asked, &f->reply, &f->reply_json_size, err);
}

static void send_reply(bl_exchange *e)
{
    inference *f = e->data;
    char       fields[96] = "";
    if (f->code != BLIND_OK) {
        bl_reply_error(e, &f->error);
        return;
    }
    bool binary = f->reply_json_size != BL_KSERVE_JSON;
    if (binary)
        snprintf(fields, sizeof fields, BL_KSERVE_HEADER ": %lld\r\n",
                 (long long)f->reply_json_size);
    bl_reply(e, 200, binary ? BL_KSERVE_BINARY_TYPE : BL_KSERVE_JSON_TYPE, &f->reply, fields);
}

static void run_encode(bl_chore *task)
{
    inference   *f = (inference *)task;
    bl_exchange *e = f->exchange;
    f->code = encode(e, f, &f->error);
    atomic_store(&f->due, ENCODED);
    bl_exchange_post(e, on_turn);
    bl_exchange_release(e);
}

/* Bytes of output that would be written as JSON text. */
static size_t json_bytes(const inference *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->outputs->outputs_len; i++)
        n += f->outputs->outputs[i].size;
    return f->asked.binary_output && f->asked.output_count == 0 ? 0 : n;
}

static void finish(bl_exchange *e, inference *f)
{
    if (!f->outputs) {
        (void)blind_fail(&f->error, BLIND_FAILED, "server.infer", "the model gave no output");
        bl_reply_error(e, &f->error);
        return;
    }
    if (json_bytes(f) > INLINE_JSON) {
        send_away(f, e->server->worker, run_encode);
        return;
    }
    f->code = encode(e, f, &f->error);
    send_reply(e);
}

static void on_events(bl_exchange *e)
{
    inference *f = e->data;
    if (!e->conn || e->replied)
        return;
    for (bl_event *event = bl_request_next(f->request); event;
         event = bl_request_next(f->request)) {
        if (event->kind == BL_EVENT_OUTPUTS) {
            if (f->outputs)
                bl_event_free(f->outputs);
            f->outputs = event;
            continue;
        }
        if (event->kind == BL_EVENT_ERROR)
            bl_reply_error(e, &event->error);
        else if (event->kind == BL_EVENT_DONE)
            f->compute_ns = event->compute_ns;
        bool done = event->kind == BL_EVENT_DONE;
        bl_event_free(event);
        if (done)
            finish(e, f);
    }
}

/* One way back for all: posts of a worker and of the executor may fall together. */
static void on_turn(bl_exchange *e)
{
    inference *f = e->data;
    int        due = atomic_exchange(&f->due, NOTHING);
    if (due == DECODED)
        on_decoded(e);
    else if (due == BROUGHT)
        on_brought(e);
    else if (due == ENCODED)
        send_reply(e);
    else
        on_events(e);
}
