/* Requests: inputs in an arena, a bounded queue of events, two owners. */
#include "server/request.h"

#include "server/registry.h"

#include <pthread.h>
#include <stdlib.h>

enum { QUEUE_EVENTS = 64, QUEUE_BYTES = 1 << 20 };

struct bl_request {
    bl_request_options  options;
    _Atomic int         refs;
    _Atomic bool        cancelled;
    _Atomic bool        full; /* from the bound down to half of it: see bl_request_full() */
    bl_arena            arena;
    const blind_tensor *inputs;
    size_t              inputs_len;
    bl_buf              kept;     /* what inputs borrow from */
    size_t              reserved; /* bytes of options.budget */
    void               *ask;
    void (*ask_done)(void *ask);

    pthread_mutex_t lock; /* of what follows, and of options.wake */
    bl_event       *first, **last;
    size_t          events, bytes;
    bool            told; /* the listener was woken since the queue was empty */
    bool            abandoned;
    bool            ended; /* the last event was taken out */
    void (*notify)(void *arg);
    void *notify_arg;
};

/* Whether somebody gave back something of what is missing. */
static bool make_room(bl_budget *budget, size_t used, size_t size)
{
    size_t sum;
    return budget->make_room && size <= budget->max && bl_add(used, size, &sum) &&
           budget->make_room(budget->make_room_arg, sum - budget->max);
}

blind_code bl_budget_take(bl_budget *budget, size_t size, blind_error *err)
{
    if (!budget || size == 0)
        return BLIND_OK;
    size_t used = atomic_load(&budget->used), sum;
    for (;;) {
        if (!bl_add(used, size, &sum) || (budget->max && sum > budget->max)) {
            if (!make_room(budget, used, size))
                return blind_fail(err, BLIND_MEMORY, "request.memory",
                                  "%zu bytes asked for, %zu of %zu are in use", size, used,
                                  budget->max);
            used = atomic_load(&budget->used);
        } else if (atomic_compare_exchange_weak(&budget->used, &used, sum)) {
            return BLIND_OK;
        }
    }
}

void bl_budget_add(bl_budget *budget, size_t size)
{
    size_t used = atomic_fetch_add(&budget->used, size) + size;
    while (budget->max && used > budget->max && make_room(budget, used, 0))
        used = atomic_load(&budget->used);
}

void bl_budget_give(bl_budget *budget, size_t size)
{
    if (budget)
        atomic_fetch_sub(&budget->used, size);
}

bl_event *bl_event_new(bl_event_kind kind, size_t extra)
{
    size_t size;
    if (!bl_add(sizeof(bl_event), extra, &size))
        return NULL;
    bl_event *event = calloc(1, size);
    if (event) {
        event->kind = kind;
        event->size = size;
        event->token = -1;
    }
    return event;
}

void bl_event_free(bl_event *event)
{
    if (!event)
        return;
    if (event->release)
        event->release(event->owner);
    bl_wipe(event, event->size); /* what a model says is the client's secret */
    free(event);
}

blind_code bl_request_new(const bl_request_options *options, bl_request **out, blind_error *err)
{
    *out = NULL;
    bl_request *r = calloc(1, sizeof *r);
    if (!r)
        return blind_fail(err, BLIND_MEMORY, "request.new", "no memory for a request");
    r->options = *options;
    r->arena.secret = true;
    if (!r->options.queue_events)
        r->options.queue_events = QUEUE_EVENTS;
    if (!r->options.queue_bytes)
        r->options.queue_bytes = QUEUE_BYTES;
    r->last = &r->first;
    atomic_init(&r->refs, 1);
    pthread_mutex_init(&r->lock, NULL);
    *out = r;
    return BLIND_OK;
}

bl_request *bl_request_retain(bl_request *r)
{
    atomic_fetch_add(&r->refs, 1);
    return r;
}

static void drop_events(bl_request *r)
{
    for (bl_event *e = r->first, *next; e; e = next) {
        next = e->next;
        bl_event_free(e);
    }
    r->first = NULL;
    r->last = &r->first;
    r->events = r->bytes = 0;
    r->told = false;
    atomic_store(&r->full, false);
}

void bl_request_release(bl_request *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    drop_events(r);
    if (r->ask)
        r->ask_done(r->ask);
    bl_arena_done(&r->arena);
    bl_buf_done(&r->kept);
    bl_budget_give(r->options.budget, r->reserved);
    bl_model_release(r->options.model);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

bl_arena *bl_request_arena(bl_request *r)
{
    return &r->arena;
}

void bl_request_set_inputs(bl_request *r, const blind_tensor *inputs, size_t len)
{
    r->inputs = inputs;
    r->inputs_len = len;
}

void bl_request_keep(bl_request *r, bl_buf *bytes)
{
    bl_buf_done(&r->kept);
    r->kept = *bytes;
    r->kept.secret = true;
    *bytes = BL_BUF_EMPTY;
}

void bl_request_set_ask(bl_request *r, void *ask, void (*done)(void *ask))
{
    r->ask = ask;
    r->ask_done = done;
}

const void *bl_request_ask(const bl_request *r)
{
    return r->ask;
}

void bl_request_set_model(bl_request *r, bl_model *model)
{
    r->options.model = model;
}

blind_code bl_request_reserve(bl_request *r, size_t more, blind_error *err)
{
    BL_TRY(bl_budget_take(r->options.budget, more, err));
    r->reserved += more;
    return BLIND_OK;
}

/* Tells the executor to look again.  With the lock held. */
static void notify(bl_request *r)
{
    if (r->notify)
        r->notify(r->notify_arg);
}

bl_event *bl_request_next(bl_request *r)
{
    pthread_mutex_lock(&r->lock);
    bl_event *e = r->first;
    if (e) {
        r->first = e->next;
        if (!r->first) {
            r->last = &r->first;
            r->told = false;
        }
        e->next = NULL;
        r->events--;
        r->bytes -= e->size;
        r->ended |= e->kind == BL_EVENT_DONE || e->kind == BL_EVENT_ERROR;
        if (atomic_load(&r->full) && r->events <= r->options.queue_events / 2 &&
            r->bytes <= r->options.queue_bytes / 2) {
            atomic_store(&r->full, false);
            notify(r);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return e;
}

bool bl_request_ended(bl_request *r)
{
    pthread_mutex_lock(&r->lock);
    bool ended = r->ended;
    pthread_mutex_unlock(&r->lock);
    return ended;
}

void bl_request_cancel(bl_request *r)
{
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->cancelled, true);
    notify(r);
    pthread_mutex_unlock(&r->lock);
}

void bl_request_abandon(bl_request *r)
{
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->cancelled, true);
    r->abandoned = true;
    r->options.wake = NULL;
    drop_events(r);
    notify(r);
    pthread_mutex_unlock(&r->lock);
}

const blind_tensor *bl_request_inputs(const bl_request *r, size_t *len)
{
    *len = r->inputs_len;
    return r->inputs;
}

const blind_tensor *bl_request_input(const bl_request *r, const char *name)
{
    for (size_t i = 0; i < r->inputs_len; i++)
        if (r->inputs[i].name && strcmp(r->inputs[i].name, name) == 0)
            return &r->inputs[i];
    return NULL;
}

bl_model *bl_request_model(const bl_request *r)
{
    return r->options.model;
}

const bl_principal *bl_request_principal(const bl_request *r)
{
    return &r->options.principal;
}

uint64_t bl_request_id(const bl_request *r)
{
    return r->options.id;
}

uint64_t bl_request_deadline(const bl_request *r)
{
    return r->options.deadline_ns;
}

bool bl_request_full(bl_request *r)
{
    return atomic_load(&r->full);
}

bool bl_request_cancelled(const bl_request *r)
{
    return atomic_load(&r->cancelled);
}

void bl_request_put(bl_request *r, bl_event *event)
{
    pthread_mutex_lock(&r->lock);
    bool dropped = r->abandoned, tell = false;
    void (*knock)(void *arg) = r->options.knock;
    void *knock_arg = r->options.knock_arg;
    if (!dropped) {
        *r->last = event;
        r->last = &event->next;
        r->events++;
        r->bytes += event->size;
        if (r->events >= r->options.queue_events || r->bytes >= r->options.queue_bytes)
            atomic_store(&r->full, true);
        tell = !r->told && event->kind != BL_EVENT_OUTPUTS; /* the end follows them at once */
        r->told |= tell;
        if (tell && r->options.wake)
            r->options.wake(r->options.wake_arg);
    }
    pthread_mutex_unlock(&r->lock);
    if (tell && knock)
        knock(knock_arg);
    if (dropped)
        bl_event_free(event);
}

blind_code bl_request_put_text(bl_request *r, blind_span text, int32_t token, blind_error *err)
{
    bl_event *event = bl_event_new(BL_EVENT_TEXT, text.size);
    if (!event)
        return blind_fail(err, BLIND_MEMORY, "request.text", "no memory for an answer");
    if (text.size)
        memcpy(event + 1, text.data, text.size);
    event->text = bl_span(event + 1, text.size);
    event->token = token;
    bl_request_put(r, event);
    return BLIND_OK;
}

void bl_request_attach(bl_request *r, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&r->lock);
    r->notify = fn;
    r->notify_arg = arg;
    pthread_mutex_unlock(&r->lock);
}
