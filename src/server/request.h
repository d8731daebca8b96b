/* One request to a model: what goes in, a bounded queue of what comes out, and how it ends early.
 *
 *     new ---- submit ----> queued ----> running ----> ended      (DONE or ERROR is the last event)
 *                              |            |            ^
 *                              +-- cancel, deadline, drain
 *
 * An event-loop thread makes the request, fills its inputs, hands it to the executor and takes
 * events out; the executor's thread puts them in.  Both hold a reference, so either may let go
 * first. */
#ifndef BL_REQUEST_H
#define BL_REQUEST_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "blind/tensor.h"
#include "server/principal.h"

#include <stdatomic.h>

/* Memory that requests reserve before they use it, so that a server says 503 and does not die.  */
typedef struct {
    size_t         max; /* bytes; 0: no bound */
    _Atomic size_t used;
    /* Called where `missing` bytes are too few, from any thread: true when it gave some back. */
    bool (*make_room)(void *arg, size_t missing);
    void *make_room_arg;
} bl_budget;

/* Errors: MEMORY */
BLIND_MUST_USE blind_code bl_budget_take(bl_budget *budget, size_t size, blind_error *err);
/* What is in use already: others make room for it where they can. */
void bl_budget_add(bl_budget *budget, size_t size);
void bl_budget_give(bl_budget *budget, size_t size);

typedef enum {
    BL_EVENT_OUTPUTS, /* tensors, all of the model's outputs at once; DONE comes right behind */
    BL_EVENT_TEXT,    /* a piece of text, and the token it came from */
    BL_EVENT_DONE,    /* last; timings */
    BL_EVENT_ERROR    /* last; error */
} bl_event_kind;

typedef struct bl_event bl_event;
struct bl_event {
    bl_event     *next;
    bl_event_kind kind;
    size_t        size;        /* bytes it counts for in the queue */
    blind_tensor *outputs;     /* OUTPUTS */
    size_t        outputs_len; /* OUTPUTS */
    blind_span    text;        /* TEXT: UTF-8; a character may be split between events */
    int32_t       token;       /* TEXT: -1 where the text is no single token */
    const void   *more;        /* TEXT: what the engine says beside it, or NULL */
    blind_error   error;       /* ERROR */
    uint64_t      wait_ns;     /* DONE: from submission to the first step */
    uint64_t      compute_ns;  /* DONE: inside steps */
    /* What the event borrows from, released with it. */
    void (*release)(void *owner);
    void *owner;
};

/* Wipes and frees an event taken out of a queue. */
void bl_event_free(bl_event *event);
/* A zeroed event with `extra` bytes behind it, at (event + 1); NULL when there is no memory. */
bl_event *bl_event_new(bl_event_kind kind, size_t extra);

typedef struct bl_model   bl_model;   /* server/registry.h */
typedef struct bl_request bl_request; /* opaque but for what follows */

typedef struct {
    uint64_t     id; /* for the log */
    bl_principal principal;
    bl_model    *model;        /* the request takes over the caller's reference; NULL in tests */
    uint64_t     deadline_ns;  /* on CLOCK_MONOTONIC; 0: none */
    bl_budget   *budget;       /* NULL: nothing is counted */
    size_t       queue_events; /* the output queue is full at this many events; 0: 64 */
    size_t       queue_bytes;  /* or this many bytes; 0: 1 MiB */
    /* Called when the queue stops being empty (OUTPUTS alone do not count), on the executor's
     * thread with the request's lock held: it may only pass the word on (write to an eventfd), not
     * call back into the request. After bl_request_abandon() returned it is not called again. */
    void (*wake)(void *arg);
    void *wake_arg;
    /* Called after `wake`, without the lock, so that whoever it wakes does not meet it: its
     * argument outlives the request.  NULL: not called. */
    void (*knock)(void *arg);
    void *knock_arg;
} bl_request_options;

/* The new request has one reference, the caller's.  On failure the model's reference stays with the
 * caller.  Errors: MEMORY */
BLIND_MUST_USE blind_code bl_request_new(const bl_request_options *options, bl_request **out,
                                         blind_error *err);
bl_request               *bl_request_retain(bl_request *request);
void                      bl_request_release(bl_request *request);

/* Before submission: where inputs are decoded.  _keep takes over the bytes that they borrow from.
 * Both are wiped when the last reference goes. */
bl_arena *bl_request_arena(bl_request *request);
void      bl_request_set_inputs(bl_request *request, const blind_tensor *inputs, size_t len);
void      bl_request_keep(bl_request *request, bl_buf *bytes);
/* What the engine's prepare() made of a body; ended by `done` with the request. */
void        bl_request_set_ask(bl_request *request, void *ask, void (*done)(void *ask));
const void *bl_request_ask(const bl_request *request);
/* The model of a request that was made without one; takes over the caller's reference. */
void bl_request_set_model(bl_request *request, bl_model *model);
/* Reserves `more` bytes of the budget until the request ends.  Errors: MEMORY */
BLIND_MUST_USE blind_code bl_request_reserve(bl_request *request, size_t more, blind_error *err);

/* The event loop's side.
 *
 * _next    the oldest event, or NULL; a full queue that falls to half lets the engine go on
 * _ended   the last event (DONE or ERROR) was taken out
 * _cancel  the engine is stopped at its next step and the last event is ERROR CANCELLED
 * _abandon the same, and nobody listens any more: wakes end, queued events are dropped; the caller
 *          still releases its reference */
bl_event *bl_request_next(bl_request *request);
bool      bl_request_ended(bl_request *request);
void      bl_request_cancel(bl_request *request);
void      bl_request_abandon(bl_request *request);

/* The engine's side, on the executor's thread.  An engine looks at _full() before it makes another
 * event and returns AGAIN when it is; a put is never refused for being one too many.
 *
 * _put            takes the event; it is freed at once where nobody listens
 * _put_text       Errors: MEMORY */
const blind_tensor       *bl_request_inputs(const bl_request *request, size_t *len);
const blind_tensor       *bl_request_input(const bl_request *request, const char *name);
bl_model                 *bl_request_model(const bl_request *request);
const bl_principal       *bl_request_principal(const bl_request *request);
uint64_t                  bl_request_id(const bl_request *request);
bool                      bl_request_full(bl_request *request);
bool                      bl_request_cancelled(const bl_request *request);
void                      bl_request_put(bl_request *request, bl_event *event);
BLIND_MUST_USE blind_code bl_request_put_text(bl_request *request, blind_span text, int32_t token,
                                              blind_error *err);

/* The executor's side: whom to tell that a full queue has room again or that the request was
 * cancelled.  notify is called with the request's lock held; NULL ends it. */
void     bl_request_attach(bl_request *request, void (*notify)(void *arg), void *arg);
uint64_t bl_request_deadline(const bl_request *request);

#endif
