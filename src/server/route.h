/* The routes: one row says where a request is taken, what it needs, and who answers it. */
#ifndef BL_ROUTE_H
#define BL_ROUTE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/limits.h"

/* Which listeners have a route. */
enum { BL_ON_ATTESTED = 1, BL_ON_HELPER = 2, BL_ON_METRICS = 4 };

typedef struct bl_exchange bl_exchange;

typedef enum {
    BL_BODY_NONE,  /* any body is refused */
    BL_BODY_SMALL, /* control documents */
    BL_BODY_INPUT, /* tensors: --max-body */
    BL_BODY_MODEL, /* model files: --max-model-size */
} bl_body_kind;

typedef struct {
    const char *method;
    const char *pattern; /* {m} a model's name, {v} its version, {x} anything */
    unsigned    where;
    unsigned    right;    /* of bl_right, 0: none */
    bool        fenced;   /* needs an attested connection, where the listener is attested */
    bool        resolves; /* a model changed after the attestation: 409 `reattest`; where the path
                             names none, any language model that did */
    bl_body_kind body;
    /* After the head; what it refuses is answered before the body is read.  May be NULL. */
    blind_code (*begin)(bl_exchange *e, blind_error *err);
    /* Takes a piece of the body; NULL: it is collected in e->body. */
    blind_code (*piece)(bl_exchange *e, blind_span bytes, blind_error *err);
    /* The body is whole: replies now, or later from a posted call. */
    blind_code (*finish)(bl_exchange *e, blind_error *err);
    /* Frees e->data; the connection may be gone, and no one else holds the exchange. */
    void (*done)(bl_exchange *e);
    /* The client went before the reply: stop what was started.  May be NULL. */
    void (*gone)(bl_exchange *e);
} bl_route;

extern const bl_route bl_routes[];
extern const size_t   bl_route_count;

typedef struct {
    char model[BL_MAX_MODEL_NAME + 1];
    char version[16];
} bl_route_params;

/* Finds the row for method and path on a listener.
 * Errors: NOT_FOUND, UNSUPPORTED (the path has other methods), INPUT (broken escapes) */
BLIND_MUST_USE blind_code bl_route_find(unsigned where, blind_span method, blind_span path,
                                        const bl_route **out, bl_route_params *params,
                                        blind_error *err);
/* "GET, POST": the methods a path has, for Allow. */
void bl_route_methods(unsigned where, blind_span path, char *out, size_t size);

/* ---- handlers, one file per family ---- */

blind_code bl_api_attest_begin(bl_exchange *e, blind_error *err);
blind_code bl_api_attest(bl_exchange *e, blind_error *err);
void       bl_api_attest_done(bl_exchange *e);
blind_code bl_api_activate_begin(bl_exchange *e, blind_error *err);
blind_code bl_api_activate(bl_exchange *e, blind_error *err);

blind_code bl_api_challenge(bl_exchange *e, blind_error *err);
blind_code bl_api_client_begin(bl_exchange *e, blind_error *err);
blind_code bl_api_client(bl_exchange *e, blind_error *err);

blind_code bl_api_live(bl_exchange *e, blind_error *err);
blind_code bl_api_ready(bl_exchange *e, blind_error *err);
blind_code bl_api_server(bl_exchange *e, blind_error *err);
blind_code bl_api_model(bl_exchange *e, blind_error *err);
blind_code bl_api_model_ready(bl_exchange *e, blind_error *err);
blind_code bl_api_index(bl_exchange *e, blind_error *err);
blind_code bl_api_load(bl_exchange *e, blind_error *err);
blind_code bl_api_unload(bl_exchange *e, blind_error *err);
blind_code bl_api_delete(bl_exchange *e, blind_error *err);

blind_code bl_api_upload_begin(bl_exchange *e, blind_error *err);
blind_code bl_api_upload_piece(bl_exchange *e, blind_span bytes, blind_error *err);
blind_code bl_api_upload(bl_exchange *e, blind_error *err);
void       bl_api_upload_done(bl_exchange *e);

blind_code bl_api_infer_begin(bl_exchange *e, blind_error *err);
blind_code bl_api_infer(bl_exchange *e, blind_error *err);
void       bl_api_infer_done(bl_exchange *e);
void       bl_api_infer_gone(bl_exchange *e);

blind_code bl_api_openai_begin(bl_exchange *e, blind_error *err);
blind_code bl_api_openai(bl_exchange *e, blind_error *err);
void       bl_api_openai_done(bl_exchange *e);
void       bl_api_openai_gone(bl_exchange *e);
blind_code bl_api_openai_models(bl_exchange *e, blind_error *err);
blind_code bl_api_openai_model(bl_exchange *e, blind_error *err);
/* Whether this exchange's errors are written as OpenAI's are, and such an error, with its status.
 * field  of the body that is wrong, or NULL */
bool bl_openai_speaks(const bl_exchange *e);
int  bl_openai_error(const blind_error *error, const char *field, bl_buf *body);

blind_code bl_api_metrics(bl_exchange *e, blind_error *err);

blind_code bl_api_page(bl_exchange *e, blind_error *err);
blind_code bl_api_evidence(bl_exchange *e, blind_error *err);
blind_code bl_api_policy(bl_exchange *e, blind_error *err);
blind_code bl_api_csr(bl_exchange *e, blind_error *err);

blind_code bl_api_mirror(bl_exchange *e, blind_error *err);
void       bl_api_mirror_done(bl_exchange *e);

#endif
