/* OpenAI's API, the way in: bodies to fields and tokens on a worker, then to the executor.
 *
 *     begin --body--> read, resolve, prepare (worker) --> submit --> events (openai_answer.c)
 *                           \-- the model is away: bring it back (fetcher) --/ */
#include "server/api_openai.h"

#include "crypto/random.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOTHING, PREPARED };
enum { JSON_COST = 20 }; /* bytes in memory for one of text, at most */

/* ---- errors ---- */

bool bl_openai_speaks(const bl_exchange *e)
{
    return e->head && e->head->target.size >= 4 && memcmp(e->head->target.data, "/v1/", 4) == 0;
}

/* Stages that have names in OpenAI's API. */
static const struct {
    const char *stage, *code;
    int         status; /* 0: as everywhere */
} names[] = {
    { "registry.resolve", "model_not_found", 404 },
    { "openai.model", "model_not_found", 404 },
    { "openai.unknown", "unknown_parameter", 400 },
    { "openai.missing", "missing_required_parameter", 400 },
    { "openai.field", "invalid_value", 400 },
    { "llm.context", "context_length_exceeded", 400 },
    { "llm.schema", "invalid_json_schema", 400 },
    { "executor.busy", "rate_limit_exceeded", 429 },
    { "server.token", "invalid_api_key", 401 },
};

static int status_of(const blind_error *error, const char **code)
{
    int status = bl_status_of(error);
    *code = bl_error_name(error->code);
    for (size_t i = 0; i < BL_LEN(names); i++)
        if (error->stage && strcmp(error->stage, names[i].stage) == 0) {
            *code = names[i].code;
            status = names[i].status;
        }
    bool body = error->stage && strncmp(error->stage, "server.", 7) == 0;
    if (error->code == BLIND_UNSUPPORTED && status == 422)
        status = 400;
    if (error->code == BLIND_UNSUPPORTED && strcmp(*code, "invalid_json_schema") != 0)
        *code = "unsupported_parameter";
    return error->code == BLIND_LIMIT && !body ? 400 : status;
}

int bl_openai_error(const blind_error *error, const char *field, bl_buf *body)
{
    const char *code;
    int         status = status_of(error, &code);
    bl_openai_write_error(body, status,
                          error->message[0] ? error->message : blind_code_text(error->code), field,
                          code);
    return status;
}

static void reply_error(bl_exchange *e, bl_asking *a)
{
    bl_buf      body = { .secret = true };
    const char *field = a->asked.field;
    if (a->error.stage && strcmp(a->error.stage, "registry.resolve") == 0)
        field = "model";
    int status = bl_openai_error(&a->error, field, &body);
    bl_reply(e, status, "application/json", &body, NULL);
}

/* ---- beginning ---- */

static bl_openai_kind kind_of(const bl_route *route)
{
    static const struct {
        const char    *pattern;
        bl_openai_kind kind;
    } kinds[] = { { "/v1/chat/completions", BL_OPENAI_CHAT },
                  { "/v1/completions", BL_OPENAI_COMPLETION },
                  { "/v1/embeddings", BL_OPENAI_EMBEDDINGS },
                  { "/v1/responses", BL_OPENAI_RESPONSE } };
    for (size_t i = 0; i < BL_LEN(kinds); i++)
        if (strcmp(route->pattern, kinds[i].pattern) == 0)
            return kinds[i].kind;
    return BL_OPENAI_CHAT;
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

static blind_code make_request(bl_exchange *e, bl_asking *a, blind_error *err)
{
    const bl_config   *config = e->server->config;
    bl_request_options options = {
        .id = e->id,
        .principal = e->principal,
        .deadline_ns =
            config->request_s ? e->started_ns + (uint64_t)config->request_s * 1000000000u : 0,
        .budget = bl_executor_budget(e->server->executor),
        .wake = wake,
        .wake_arg = e,
        .knock = knock,
        .knock_arg = e->loop,
    };
    return bl_request_new(&options, &a->request, err);
}

static blind_code make_id(bl_asking *a, blind_error *err)
{
    uint8_t bytes[16];
    BL_TRY(bl_random(bytes, sizeof bytes, err));
    bl_hex_encode(bl_span(bytes, sizeof bytes), a->id);
    a->reply.id = a->id;
    a->reply.created_s = bl_clock_wall_s();
    return BLIND_OK;
}

blind_code bl_api_openai_begin(bl_exchange *e, blind_error *err)
{
    bl_asking *a = calloc(1, sizeof *a);
    if (!a)
        return blind_fail(err, BLIND_MEMORY, "server.openai", "out of memory");
    e->data = a;
    a->exchange = e;
    a->out.secret = true;
    a->reply.kind = kind_of(e->route);
    BL_TRY(make_id(a, err));
    BL_TRY(make_request(e, a, err));
    uint64_t length = e->head->length;
    if (!e->head->has_length)
        return blind_fail(err, BLIND_PROTOCOL, "server.attest.length",
                          "this request needs a Content-Length");
    if (length > BL_MAX_JSON_SIZE)
        return blind_fail(err, BLIND_LIMIT, "server.openai", "%llu bytes of JSON, at most %u",
                          (unsigned long long)length, BL_MAX_JSON_SIZE);
    BL_TRY(bl_request_reserve(a->request, (size_t)length * (JSON_COST + 1), err));
    if (length > 0 && !bl_buf_reserve(&e->body, (size_t)length))
        return blind_fail(err, BLIND_MEMORY, "server.openai", "no memory for %llu bytes",
                          (unsigned long long)length);
    return BLIND_OK;
}

void bl_api_openai_done(bl_exchange *e)
{
    bl_asking *a = e->data;
    if (!a)
        return;
    bl_openai_answers_done(a);
    bl_openai_request_done(&a->asked);
    if (a->outputs)
        bl_event_free(a->outputs);
    bl_request_release(a->request);
    if (a->model)
        bl_model_release(a->model);
    bl_buf_done(&a->out);
    bl_wipe(a, sizeof *a);
    free(a);
}

void bl_api_openai_gone(bl_exchange *e)
{
    bl_asking *a = e->data;
    if (a && a->request)
        bl_request_abandon(a->request);
}

/* ---- on workers ---- */

static void send_away(bl_asking *a, bl_worker *worker, void (*run)(bl_chore *))
{
    a->task.run = run;
    bl_exchange_retain(a->exchange);
    bl_worker_submit(worker, &a->task);
}

static void come_back(bl_exchange *e, bl_asking *a)
{
    atomic_store(&a->due, PREPARED);
    bl_exchange_post(e, on_turn);
    bl_exchange_release(e);
}

/* With the model pinned. */
static blind_code prepare(bl_asking *a, blind_error *err)
{
    void *instance = bl_instance_model(a->model->shared);
    return a->model->engine->prepare(instance, &a->asked, a->request, err);
}

static void run_bring(bl_chore *task)
{
    bl_asking *a = (bl_asking *)task;
    a->code = bl_model_bring(a->model, &a->error);
    a->pinned = a->code == BLIND_OK;
    if (a->pinned)
        a->code = prepare(a, &a->error);
    come_back(a->exchange, a);
}

/* A digest that the log salts is its uploader's to know. */
static void name_model(bl_exchange *e, bl_asking *a)
{
    const bl_model *m = a->model;
    a->reply.model = a->asked.model;
    if (m->salted && strcmp(m->owner, e->principal.name) != 0)
        return;
    bl_hex_encode(bl_span(m->sha256, sizeof m->sha256), a->fingerprint);
    a->reply.fingerprint = a->fingerprint;
}

static blind_code understand(bl_exchange *e, bl_asking *a, blind_error *err)
{
    BL_TRY(bl_openai_request_read(a->reply.kind, bl_buf_span(&e->body), &a->asked, err));
    bl_buf_done(&e->body);
    e->body.secret = true;
    BL_TRY(bl_registry_resolve(e->server->registry, a->asked.model, &a->model, err));
    if (!a->model->engine->prepare) {
        snprintf(a->asked.field, sizeof a->asked.field, "model");
        return blind_fail(err, BLIND_NOT_FOUND, "openai.model",
                          "model '%.100s' is no language model", a->asked.model);
    }
    bl_request_set_model(a->request, bl_model_retain(a->model));
    name_model(e, a);
    return BLIND_OK;
}

/* A model that was put away comes back first, which takes as long as loading it. */
static void run_prepare(bl_chore *task)
{
    bl_asking   *a = (bl_asking *)task;
    bl_exchange *e = a->exchange;
    a->code = understand(e, a, &a->error);
    a->pinned = a->code == BLIND_OK && bl_model_pin(a->model);
    if (a->code == BLIND_OK && !a->pinned) {
        send_away(a, e->server->fetcher, run_bring);
        bl_exchange_release(e);
        return;
    }
    if (a->pinned)
        a->code = prepare(a, &a->error);
    bl_wipe_stack();
    come_back(e, a);
}

blind_code bl_api_openai(bl_exchange *e, blind_error *err)
{
    (void)err;
    send_away(e->data, e->server->worker, run_prepare);
    return BLIND_OK;
}

/* ---- back on the loop ---- */

static void on_prepared(bl_exchange *e, bl_asking *a)
{
    if (a->code == BLIND_OK && e->conn)
        a->code = bl_openai_answers_begin(a, &a->error);
    if (a->code == BLIND_OK && e->conn)
        a->code = bl_executor_submit(e->server->executor, a->request, &a->error);
    if (a->pinned)
        bl_model_unpin(a->model);
    a->pinned = false;
    if (a->code != BLIND_OK)
        reply_error(e, a);
}

/* One way back for all: posts of a worker and of the executor may fall together. */
static void on_turn(bl_exchange *e)
{
    bl_asking *a = e->data;
    if (atomic_exchange(&a->due, NOTHING) == PREPARED)
        on_prepared(e, a);
    else
        bl_openai_answers_go_on(e);
}

/* ---- models ---- */

typedef struct {
    bl_buf              out;
    const bl_principal *who;
    bool                more;
} listing;

static void add_model(bl_buf *out, const char *name, const uint8_t digest[32], bool secret,
                      int64_t loaded_s)
{
    char sha256[65];
    bl_hex_encode(bl_span(digest, 32), sha256);
    bl_openai_write_model(out, name, "blind", loaded_s, secret ? NULL : sha256);
}

static bool add_row(void *arg, const bl_model_row *row)
{
    listing *l = arg;
    if (!row->ready || !row->language)
        return true;
    if (l->more)
        bl_buf_add_u8(&l->out, ',');
    l->more = true;
    add_model(&l->out, row->name, row->sha256, row->salted && strcmp(row->owner, l->who->name) != 0,
              row->loaded_s);
    return true;
}

blind_code bl_api_openai_models(bl_exchange *e, blind_error *err)
{
    listing l = { .who = &e->principal };
    (void)err;
    bl_buf_add_str(&l.out, "{\"object\":\"list\",\"data\":[");
    bl_registry_each(e->server->registry, add_row, &l);
    bl_buf_add_str(&l.out, "]}");
    bl_reply(e, 200, "application/json", &l.out, NULL);
    return BLIND_OK;
}

blind_code bl_api_openai_model(bl_exchange *e, blind_error *err)
{
    bl_model *m;
    bl_buf    out = BL_BUF_EMPTY;
    BL_TRY(bl_registry_resolve(e->server->registry, e->params.model, &m, err));
    bool language = m->engine->prepare != NULL;
    if (language)
        add_model(&out, m->name, m->sha256, m->salted && strcmp(m->owner, e->principal.name) != 0,
                  m->loaded_s);
    bl_model_release(m);
    if (!language)
        return blind_fail(err, BLIND_NOT_FOUND, "openai.model",
                          "model '%.100s' is no language model", e->params.model);
    bl_reply(e, 200, "application/json", &out, NULL);
    return BLIND_OK;
}
