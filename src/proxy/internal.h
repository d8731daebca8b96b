/* What the files of src/proxy share. */
#ifndef BL_PROXY_INTERNAL_H
#define BL_PROXY_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "http/message.h"
#include "proxy/proxy.h"

#include <pthread.h>
#include <stdatomic.h>

/* A local connection and its thread. */
typedef struct bl_local {
    bl_proxy      *proxy;
    int            fd;
    bl_http_parser parser;
    bl_buf         in;      /* bytes that were read */
    size_t         at;      /* of them, used */
    bool           ended;   /* the request's body is read to its end */
    bool           closing; /* no other request on this connection */
    /* The answer on its way. */
    bool                  begun; /* its head is written or held in `out` */
    bool                  chunked, broken;
    const blind_response *answer;
    bl_buf                out;
    struct bl_local      *next, **prev;
} bl_local;

struct bl_proxy {
    bl_proxy_options options;
    int              listener, stop_read, stop_write;
    uint16_t         port;
    atomic_bool      stopping;
    pthread_mutex_t  lock; /* of what follows */
    pthread_cond_t   gone; /* a connection went */
    bl_local        *locals;
    size_t           n_locals;
};

/* local.c: serves a connection to its end. */
void bl_local_serve(bl_local *l);
/* Sends all of it, waiting; false when the client is gone or reads nothing for too long. */
bool bl_local_send(bl_local *l, blind_span bytes);

/* guard.c: whether a request may be forwarded.  0, or the status to refuse with and *why. */
int bl_guard_check(const bl_proxy_options *options, const bl_http_head *head, const char **why);

/* answer.c: what the proxy says itself, in OpenAI's form, and heads of the server's answers. */
void bl_answer_error(bl_local *l, int status, const char *type, const char *code,
                     const char *message);
void bl_answer_failure(bl_local *l, blind_code code, const blind_error *err);
void bl_answer_json(bl_local *l, int status, const char *fields, blind_span body);
/* The head of the server's answer, into l->out. */
void       bl_answer_begin(bl_local *l, bool bodiless);
blind_code bl_answer_body(bl_local *l, blind_span bytes, blind_error *err);
blind_code bl_answer_end(bl_local *l, blind_error *err);

#endif
