/* PUT /v2/models/{m}: a model file, from the socket to the spool to the registry.
 *
 * The loop's thread collects a block and hands it to a worker that seals it and writes it; when the
 * next block is full before that is done, nothing more is read.  A body that no engine can mean is
 * refused after its first block.  When the body is whole the registry's thread copies the spool
 * into sealed memory, opens it and makes the name answer with it. */
#include "server/internal.h"
#include "server/spool.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 1024 * 1024 };

typedef struct {
    bl_chore     task;
    bl_exchange *exchange;
    bl_spool    *spool;
    bl_buf       block; /* being filled */
    bl_buf       out;   /* being written, while `writing` */
    bool         writing, whole;
    blind_code   code; /* of the last piece of work elsewhere */
    blind_error  error;
    bl_loaded    loaded;
    uint64_t     size;
} upload;

/* Strangers' digests are nobody's business: the log salts them. */
static bl_load load_of(const bl_exchange *e)
{
    return (bl_load){
        .name = e->params.model,
        .by = &e->principal,
        .replace = !e->head || bl_http_field_count(e->head, "if-none-match") == 0,
        .salted = !(e->principal.rights & BL_RIGHT_ADMIN),
    };
}

blind_code bl_api_upload_begin(bl_exchange *e, blind_error *err)
{
    bl_load load = load_of(e);
    BL_TRY(bl_registry_may_load(e->server->registry, &load, (size_t)e->head->length, err));
    upload *u = calloc(1, sizeof *u);
    if (!u)
        return blind_fail(err, BLIND_MEMORY, "server.upload", "out of memory");
    u->exchange = e;
    e->data = u;
    return bl_spool_new(e->server->config->state_dir, &u->spool, err);
}

void bl_api_upload_done(bl_exchange *e)
{
    upload *u = e->data;
    if (!u)
        return;
    bl_spool_free(u->spool);
    bl_buf_done(&u->block);
    bl_buf_done(&u->out);
    free(u);
}

/* ---- the registry's thread ---- */

static blind_code add_to_writer(void *arg, blind_span bytes, blind_error *err)
{
    return bl_model_writer_add(arg, bytes, err);
}

static blind_code fill(void *arg, bl_model_writer *writer, blind_error *err)
{
    upload *u = arg;
    return bl_spool_read(u->spool, add_to_writer, writer, err);
}

static void reply_loaded(bl_exchange *e)
{
    upload *u = e->data;
    char    sha256[65], salt[65] = "";
    bl_buf  body = BL_BUF_EMPTY;
    if (u->code != BLIND_OK) {
        bl_reply_error(e, &u->error);
        return;
    }
    bl_log(BL_LOG_INFO, "model.upload", BL_LOG_REQUEST(e->id),
           BL_LOG_NAME("model", e->params.model), BL_LOG_NAME("owner", e->principal.name),
           BL_LOG_SIZE("bytes", u->size));
    bl_hex_encode(bl_span(u->loaded.sha256, 32), sha256);
    bl_buf_printf(&body, "{\"name\":\"%s\",\"sha256\":\"%s\",\"size\":%llu", e->params.model,
                  sha256, (unsigned long long)u->size);
    if (u->loaded.salted) {
        bl_hex_encode(bl_span(u->loaded.salt, 32), salt);
        bl_buf_printf(&body, ",\"salt\":\"%s\"", salt);
    }
    bl_buf_printf(&body, ",\"log_length\":%llu,\"shared\":%s}",
                  (unsigned long long)u->loaded.last_change, u->loaded.shared ? "true" : "false");
    bl_reply(e, u->loaded.replaced ? 200 : 201, "application/json", &body, NULL);
}

static void loaded(void *arg, blind_code code, const bl_loaded *result, const blind_error *error)
{
    upload      *u = arg;
    bl_exchange *e = u->exchange;
    u->code = code;
    if (code == BLIND_OK)
        u->loaded = *result;
    else
        u->error = *error;
    bl_spool_free(u->spool); /* its disk and its key are not needed any more */
    u->spool = NULL;
    bl_exchange_post(e, reply_loaded);
    bl_exchange_release(e);
}

static blind_code start_loading(bl_exchange *e, blind_error *err)
{
    upload *u = e->data;
    u->size = bl_spool_size(u->spool);
    if (u->size == 0)
        return blind_fail(err, BLIND_INPUT, "server.upload", "Received no data");
    bl_load_task task = { .load = load_of(e), .fill = fill, .done = loaded, .arg = u };
    bl_exchange_retain(e);
    blind_code code = bl_registry_start(e->server->registry, &task, err);
    if (code != BLIND_OK)
        bl_exchange_release(e);
    return code;
}

/* ---- the worker and back ---- */

static void written(bl_exchange *e);

static void write_block(bl_chore *chore)
{
    upload      *u = (upload *)chore;
    bl_exchange *e = u->exchange;
    u->code = bl_spool_add(u->spool, bl_buf_span(&u->out), &u->error);
    bl_exchange_post(e, written);
    bl_exchange_release(e);
}

static void hand_over(bl_exchange *e)
{
    upload *u = e->data;
    bl_buf  empty = u->out;
    u->out = u->block;
    u->block = empty;
    bl_buf_clear(&u->block);
    u->writing = true;
    u->task.run = write_block;
    bl_exchange_retain(e);
    bl_worker_submit(e->server->worker, &u->task);
}

static void written(bl_exchange *e)
{
    upload     *u = e->data;
    blind_error err = { 0 };
    u->writing = false;
    if (!e->conn || e->replied)
        return;
    if (u->code != BLIND_OK) {
        bl_reply_error(e, &u->error);
        return;
    }
    if (u->block.size >= BLOCK || (u->whole && u->block.size > 0)) {
        hand_over(e);
    } else if (u->whole) { /* from here *u is the registry's thread's until it posts */
        if (start_loading(e, &err) != BLIND_OK)
            bl_reply_error(e, &err);
        return;
    }
    if (!u->whole)
        bl_exchange_go(e);
}

blind_code bl_api_upload_piece(bl_exchange *e, blind_span bytes, blind_error *err)
{
    upload *u = e->data;
    bl_buf_add(&u->block, bytes);
    BL_TRY(bl_buf_check(&u->block, "server.upload", err));
    if (u->block.size < BLOCK)
        return BLIND_OK;
    if (!u->writing && bl_spool_size(u->spool) == 0) {
        const bl_engine *engine;
        BL_TRY(bl_engine_find(bl_engines, bl_buf_span(&u->block), &engine, err));
    }
    if (u->writing)
        bl_exchange_pause(e);
    else
        hand_over(e);
    return BLIND_OK;
}

blind_code bl_api_upload(bl_exchange *e, blind_error *err)
{
    upload *u = e->data;
    u->whole = true;
    if (u->writing) /* what is left follows when that is done */
        return BLIND_OK;
    if (u->block.size == 0)
        return start_loading(e, err);
    hand_over(e);
    return BLIND_OK;
}
