/* KServe V2 but for inference: health, metadata, the repository. */
#include "blind/version.h"
#include "server/internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* Replies with a document and releases it; a NULL is the lack of memory. */
static blind_code reply_json(bl_exchange *e, json_t *root, blind_error *err)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return blind_fail(err, BLIND_MEMORY, "server.json", "out of memory");
    bl_reply_text(e, 200, "application/json", text);
    free(text);
    return BLIND_OK;
}

blind_code bl_api_live(bl_exchange *e, blind_error *err)
{
    return reply_json(e, json_pack("{s:b}", "live", 1), err);
}

blind_code bl_api_ready(bl_exchange *e, blind_error *err)
{
    if (atomic_load(&e->server->draining) || !atomic_load(&e->server->ready))
        return blind_fail(err, BLIND_CLOSED, "server.ready", "not ready");
    return reply_json(e, json_pack("{s:b}", "ready", 1), err);
}

blind_code bl_api_server(bl_exchange *e, blind_error *err)
{
    return reply_json(e,
                      json_pack("{s:s,s:s,s:[s,s]}", "name", "blind", "version", blind_version(),
                                "extensions", "binary_tensor_data", "model_repository"),
                      err);
}

static json_t *tensors_json(const blind_tensor *tensors, size_t len)
{
    json_t *array = json_array();
    for (size_t i = 0; i < len; i++) {
        json_t *shape = json_array();
        for (int k = 0; k < tensors[i].rank; k++)
            json_array_append_new(shape, json_integer(tensors[i].shape[k]));
        json_array_append_new(array,
                              json_pack("{s:s,s:s,s:o}", "name", tensors[i].name, "datatype",
                                        blind_dtype_kserve(tensors[i].dtype), "shape", shape));
    }
    return array;
}

blind_code bl_api_model(bl_exchange *e, blind_error *err)
{
    bl_model *m;
    char      sha256[65];
    BL_TRY(bl_registry_resolve(e->server->registry, e->params.model, &m, err));
    const bl_description *d = &m->description;
    json_t               *root =
        json_pack("{s:s,s:[s],s:s,s:o,s:o}", "name", m->name, "versions", "1", "platform",
                  d->platform, "inputs", tensors_json(d->inputs, d->inputs_len), "outputs",
                  tensors_json(d->outputs, d->outputs_len));
    json_t *parameters =
        json_pack("{s:I}", "max_batch", (json_int_t)BL_MAX(d->batching.max_rows, 1));
    /* A digest that the log salts is its uploader's to know. */
    if (!m->salted || strcmp(m->owner, e->principal.name) == 0) {
        bl_hex_encode(bl_span(m->sha256, 32), sha256);
        json_object_set_new(parameters, "sha256", json_string(sha256));
    }
    json_object_set_new(root, "parameters", parameters);
    bl_model_release(m);
    return reply_json(e, root, err);
}

blind_code bl_api_model_ready(bl_exchange *e, blind_error *err)
{
    bl_model *m;
    BL_TRY(bl_registry_resolve(e->server->registry, e->params.model, &m, err));
    bl_model_release(m);
    return reply_json(e, json_pack("{s:s,s:b}", "name", e->params.model, "ready", 1), err);
}

typedef struct {
    json_t             *array;
    const bl_principal *who;
    bool                ready_only;
} listing;

static bool add_row(void *arg, const bl_model_row *row)
{
    listing *l = arg;
    char     sha256[65];
    if (l->ready_only && !row->ready)
        return true;
    json_t *object =
        json_pack("{s:s,s:s,s:s,s:s}", "name", row->name, "version", "1", "state",
                  row->ready ? "READY" : "UNAVAILABLE", "reason", row->ready ? "" : "unloaded");
    if (object && (!row->salted || strcmp(row->owner, l->who->name) == 0)) {
        bl_hex_encode(bl_span(row->sha256, 32), sha256);
        json_object_set_new(object, "sha256", json_string(sha256));
        json_object_set_new(object, "size", json_integer((json_int_t)row->size));
    }
    return json_array_append_new(l->array, object) == 0;
}

/* Source: Triton, extension_model_repository.md, "index". */
blind_code bl_api_index(bl_exchange *e, blind_error *err)
{
    listing l = { .who = &e->principal };
    if (e->body.size > 0) {
        json_t *root =
            json_loadb((const char *)e->body.data, e->body.size, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(root)) {
            json_decref(root);
            return blind_fail(err, BLIND_INPUT, "server.json", "the body is no JSON object");
        }
        l.ready_only = json_is_true(json_object_get(root, "ready"));
        json_decref(root);
    }
    l.array = json_array();
    if (l.array)
        bl_registry_each(e->server->registry, add_row, &l);
    return reply_json(e, l.array, err);
}

/* Loading parses and packs, so it runs on a worker; the exchange's data is where it meets. */
typedef struct {
    bl_chore     task;
    bl_exchange *exchange;
    blind_code   code;
    blind_error  error;
    blind_code (*work)(bl_exchange *e, blind_error *err);
} errand;

static void errand_back(bl_exchange *e)
{
    errand *errand_of = e->data;
    if (errand_of->code != BLIND_OK)
        bl_reply_error(e, &errand_of->error);
    else
        bl_reply_text(e, 200, "application/json", "{}");
    e->data = NULL;
    free(errand_of);
}

static void errand_run(bl_chore *task)
{
    errand      *self = (errand *)task;
    bl_exchange *e = self->exchange;
    self->code = self->work(e, &self->error);
    bl_exchange_post(e, errand_back);
    bl_exchange_release(e);
}

static blind_code send_errand(bl_exchange *e, blind_code (*work)(bl_exchange *, blind_error *),
                              blind_error *err)
{
    errand *new = calloc(1, sizeof *new);
    if (!new)
        return blind_fail(err, BLIND_MEMORY, "server.worker", "out of memory");
    *new = (errand){ .task.run = errand_run, .exchange = bl_exchange_retain(e), .work = work };
    e->data = new;
    bl_worker_submit(e->server->worker, &new->task);
    return BLIND_OK;
}

static blind_code do_load(bl_exchange *e, blind_error *err)
{
    bl_loaded loaded;
    return bl_registry_reload(e->server->registry, e->params.model, &e->principal, &loaded, err);
}

static blind_code do_unload(bl_exchange *e, blind_error *err)
{
    return bl_registry_unload(e->server->registry, e->params.model, &e->principal, err);
}

static blind_code do_delete(bl_exchange *e, blind_error *err)
{
    return bl_registry_remove(e->server->registry, e->params.model, &e->principal, err);
}

blind_code bl_api_load(bl_exchange *e, blind_error *err)
{
    return send_errand(e, do_load, err);
}

blind_code bl_api_unload(bl_exchange *e, blind_error *err)
{
    return send_errand(e, do_unload, err);
}

blind_code bl_api_delete(bl_exchange *e, blind_error *err)
{
    return send_errand(e, do_delete, err);
}
