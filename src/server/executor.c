/* The executor: deficit round robin over principals, one thread, one pool.
 *
 *     shares   a ring of principals that have requests; each has a list of entries and a deficit
 *     entry    one submitted request and the engine's job for it
 *     company  entries that one run may answer together (company.h)
 *     litter   a model in whose memory ended requests left values, to be wiped
 *
 * Only the executor's thread removes entries, so it may use one without the lock while it steps. */
#include "server/executor.h"

#include "base/clock.h"
#include "nn/pool.h"
#include "server/company.h"
#include "server/registry.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define NS_PER_S 1000000000u

enum {
    MAX_REQUESTS = 1024,
    MAX_PER_PRINCIPAL = 256,
    MAX_BATCH = BL_MAX_BATCH,
    SLICE_MS = 10,
    MAX_LITTER = 16,
    WIPE_SIZE = 256 * 1024, /* at a time: what a request that comes meanwhile waits for */
    WIPE_AFTER_MS = 1000,   /* while there is always something else to do */
    WIPE_PAUSE_MS = 2,      /* without: the answer leaves first, and often brings a request */
};

typedef struct share share;

typedef struct entry {
    struct entry    *next;
    share           *share;
    bl_job           job;
    const bl_engine *engine;
    void            *instance;
    bool             opened;  /* the engine has a job for it */
    bool             blocked; /* until another request of the model ends */
    bl_event        *last;    /* made beforehand: the end is told even when memory is exhausted */
    bl_member        member;  /* of a company */
    bl_model        *pinned;  /* NULL in tests */
    uint64_t         submitted_ns, started_ns, compute_ns;
} entry;

struct share {
    share       *next; /* in the ring */
    bl_principal principal;
    entry       *entries; /* in the order of submission; streams rotate */
    size_t       len;
    size_t       places;     /* in the run that is being put together */
    int64_t      deficit_ns; /* what it may still use of this round; negative: ran over */
};

typedef struct {
    const bl_engine *engine;
    void            *instance;
    bl_model        *model; /* held meanwhile; NULL in tests */
    uint64_t         since_ns;
} litter;

struct bl_executor {
    bl_executor_options options;
    bl_pool            *pool;
    bl_budget           budget;
    pthread_t           thread;
    litter              litter[MAX_LITTER]; /* of its thread alone, the oldest first */
    size_t              litter_len;
    uint64_t            stepped_ns; /* when the last step ended; its thread's, too */

    pthread_mutex_t   lock; /* of what follows */
    pthread_cond_t    work; /* something to look at: a submission, room, a cancel, stop */
    pthread_cond_t    idle;
    share            *turn; /* the ring: whose turn it is */
    bl_company       *companies;
    bool              fresh;   /* that share got its slice of this round */
    bool              changed; /* a request was cancelled or has room again */
    bool              draining, stop;
    bl_executor_stats stats;
};

/* ---- the ring ---- */

static share *share_find(bl_executor *x, const bl_principal *who)
{
    share *s = x->turn;
    if (s)
        do {
            if (bl_principal_same(&s->principal, who))
                return s;
            s = s->next;
        } while (s != x->turn);
    return NULL;
}

/* A newcomer goes to the end of the ring: right before the share whose turn it is. */
static share *share_add(bl_executor *x, const bl_principal *who)
{
    share *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->principal = *who;
    if (!x->turn) {
        x->turn = s->next = s;
        x->fresh = false;
    } else {
        share *last = x->turn;
        while (last->next != x->turn)
            last = last->next;
        s->next = x->turn;
        last->next = s;
    }
    x->stats.principals++;
    return s;
}

static void share_remove(bl_executor *x, share *s)
{
    share *before = s;
    while (before->next != s)
        before = before->next;
    before->next = s->next;
    if (x->turn == s) {
        x->turn = s->next == s ? NULL : s->next;
        x->fresh = false;
    }
    x->stats.principals--;
    free(s);
}

static void pass_turn(bl_executor *x)
{
    x->turn = x->turn->next;
    x->fresh = false;
}

static void entry_append(share *s, entry *e)
{
    entry **at = &s->entries;
    while (*at)
        at = &(*at)->next;
    *at = e;
    e->next = NULL;
}

static void entry_unlink(entry *e)
{
    entry **at = &e->share->entries;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
}

static void entry_free(entry *e)
{
    bl_event_free(e->last);
    if (e->pinned)
        bl_model_unpin(e->pinned);
    bl_request_release(e->job.request);
    free(e);
}

/* ---- submission ---- */

/* With the request's lock held, so it may not call back into the request. */
static void on_request_changed(void *arg)
{
    bl_executor *x = arg;
    pthread_mutex_lock(&x->lock);
    x->changed = true;
    pthread_cond_signal(&x->work);
    pthread_mutex_unlock(&x->lock);
}

static blind_code admit(bl_executor *x, entry *e, const bl_principal *who, blind_error *err)
{
    if (x->draining || x->stop)
        return blind_fail(err, BLIND_CLOSED, "executor.closed", "the server is shutting down");
    if (x->stats.queued >= x->options.max_requests)
        return blind_fail(err, BLIND_BUSY, "executor.busy", "%zu requests are waiting, the bound",
                          x->stats.queued);
    share *s = share_find(x, who);
    if (s && s->len >= x->options.max_per_principal)
        return blind_fail(err, BLIND_BUSY, "executor.busy",
                          "%zu requests of '%s' are waiting, its bound", s->len, who->name);
    if (!s && !(s = share_add(x, who)))
        return blind_fail(err, BLIND_MEMORY, "executor.submit", "no memory for a request");
    e->member.share = s;
    e->member.places = &s->places;
    if (!bl_company_join(&x->companies, &e->member)) {
        if (!s->entries && s->deficit_ns >= 0)
            share_remove(x, s);
        return blind_fail(err, BLIND_MEMORY, "executor.submit", "no memory for a request");
    }
    e->share = s;
    s->principal.priority = who->priority; /* the tokens may have been read again */
    entry_append(s, e);
    s->len++;
    x->stats.queued++;
    if (e->pinned)
        atomic_fetch_add(&e->pinned->counts.queued, 1);
    return BLIND_OK;
}

static entry *entry_new(bl_request *request, const bl_engine *engine, void *instance)
{
    entry    *e = calloc(1, sizeof *e);
    bl_event *last = bl_event_new(BL_EVENT_DONE, 0);
    if (!e || !last) {
        free(e);
        bl_event_free(last);
        return NULL;
    }
    e->engine = engine;
    e->instance = instance;
    e->last = last;
    e->job.request = bl_request_retain(request);
    e->submitted_ns = bl_clock_ns();
    bl_member_init(&e->member, engine, instance, request);
    e->member.submitted_ns = e->submitted_ns;
    return e;
}

/* Takes over the pin of `pinned` when it succeeds. */
static blind_code submit(bl_executor *x, bl_request *request, const bl_engine *engine,
                         void *instance, bl_model *pinned, blind_error *err)
{
    entry *e = entry_new(request, engine, instance);
    if (!e)
        return blind_fail(err, BLIND_MEMORY, "executor.submit", "no memory for a request");
    bl_request_attach(request, on_request_changed, x);
    e->pinned = pinned;
    pthread_mutex_lock(&x->lock);
    blind_code code = admit(x, e, bl_request_principal(request), err);
    ++*(code == BLIND_OK ? &x->stats.submitted : &x->stats.refused);
    pthread_mutex_unlock(&x->lock);
    if (code == BLIND_OK) {
        pthread_cond_signal(&x->work); /* not under the lock, which is the first thing it wants */
    } else {
        bl_request_attach(request, NULL, NULL);
        e->pinned = NULL;
        entry_free(e);
    }
    return code;
}

blind_code bl_executor_submit_to(bl_executor *x, bl_request *request, const bl_engine *engine,
                                 void *instance, blind_error *err)
{
    return submit(x, request, engine, instance, NULL, err);
}

blind_code bl_executor_submit(bl_executor *x, bl_request *request, blind_error *err)
{
    bl_model *model = bl_request_model(request);
    if (!bl_model_pin(model))
        return blind_fail(err, BLIND_AGAIN, "executor.away", "model '%s' is away", model->name);
    blind_code code =
        submit(x, request, model->engine, bl_instance_model(model->shared), model, err);
    if (code != BLIND_OK)
        bl_model_unpin(model);
    return code;
}

/* ---- wiping ---- */

/* True while there is more of it.  A model that was put away since was wiped as it went. */
static bool wipe_some(const litter *l, size_t most)
{
    if (!l->model)
        return l->engine->wipe(l->instance, most);
    if (!bl_model_pin(l->model))
        return false;
    bool more =
        bl_instance_model(l->model->shared) == l->instance && l->engine->wipe(l->instance, most);
    bl_model_unpin(l->model);
    return more;
}

/* What the oldest litter holds, up to `most` bytes of it. */
static void wipe(bl_executor *x, size_t most)
{
    litter oldest = x->litter[0];
    if (wipe_some(&oldest, most))
        return;
    bl_wipe_stack();
    x->litter_len--;
    memmove(x->litter, x->litter + 1, x->litter_len * sizeof *x->litter);
    bl_model_release(oldest.model);
}

static void note_litter(bl_executor *x, const entry *e)
{
    if (!e->engine->wipe)
        return;
    for (size_t i = 0; i < x->litter_len; i++)
        if (x->litter[i].instance == e->instance)
            return;
    if (x->litter_len == MAX_LITTER)
        wipe(x, SIZE_MAX);
    x->litter[x->litter_len++] = (litter){ .engine = e->engine,
                                           .instance = e->instance,
                                           .model = e->pinned ? bl_model_retain(e->pinned) : NULL,
                                           .since_ns = bl_clock_ns() };
}

/* When the oldest litter should be wiped; 0: there is none. */
static uint64_t wipe_due_ns(const bl_executor *x, bool busy)
{
    const uint64_t ms = 1000000;
    if (x->litter_len == 0)
        return 0;
    return busy ? x->litter[0].since_ns + WIPE_AFTER_MS * ms : x->stepped_ns + WIPE_PAUSE_MS * ms;
}

/* Wipes a little when there is nothing else to do, or when it has waited long enough.  Called and
 * left with the lock held; true when it was let go, so that much may have changed. */
static bool tidy(bl_executor *x, bool busy)
{
    uint64_t due = wipe_due_ns(x, busy);
    if (due == 0 || bl_clock_ns() < due)
        return false;
    pthread_mutex_unlock(&x->lock);
    wipe(x, WIPE_SIZE);
    pthread_mutex_lock(&x->lock);
    return true;
}

/* ---- the end of a request ---- */

static uint64_t *outcome(bl_executor *x, blind_code code)
{
    switch (code) {
    case BLIND_OK:
        return &x->stats.done;
    case BLIND_CANCELLED:
    case BLIND_CLOSED:
        return &x->stats.cancelled;
    case BLIND_TIMEOUT:
        return &x->stats.expired;
    default:
        return &x->stats.failed;
    }
}

static void put_last_event(entry *e)
{
    bl_event *event = bl_take(e->last);
    event->kind = e->job.code == BLIND_OK ? BL_EVENT_DONE : BL_EVENT_ERROR;
    event->error = e->job.error;
    event->wait_ns = e->started_ns ? e->started_ns - e->submitted_ns : 0;
    event->compute_ns = e->compute_ns;
    bl_request_put(e->job.request, event);
}

/* What the one that ends had may be what others of its model wait for. */
static void unblock(const bl_executor *x, const entry *ended)
{
    share *s = x->turn;
    if (s)
        do {
            for (entry *e = s->entries; e; e = e->next)
                e->blocked = e->blocked && e->instance != ended->instance;
            s = s->next;
        } while (s != x->turn);
}

/* Ends one entry; called and left with the lock held, which it lets go in between. */
static void finish(bl_executor *x, entry *e)
{
    entry_unlink(e);
    bl_company_leave(&x->companies, &e->member);
    e->share->len--;
    x->stats.queued--;
    if (e->pinned)
        atomic_fetch_sub(&e->pinned->counts.queued, 1);
    ++*outcome(x, e->job.code);
    if (!e->share->entries && e->share->deficit_ns >= 0)
        share_remove(x, e->share);
    pthread_mutex_unlock(&x->lock);
    bl_request_attach(e->job.request, NULL, NULL);
    put_last_event(e); /* the answer need not wait for the rest */
    if (e->opened) {
        e->engine->cancel(e->instance, &e->job);
        note_litter(x, e);
        if (e->pinned)
            bl_instance_measure(e->pinned->shared);
    }
    pthread_mutex_lock(&x->lock);
    unblock(x, e);
    pthread_mutex_unlock(&x->lock);
    entry_free(e);
    pthread_mutex_lock(&x->lock);
    if (x->stats.queued == 0)
        pthread_cond_broadcast(&x->idle);
}

static bool must_end(const bl_executor *x, entry *e, uint64_t now)
{
    uint64_t deadline = bl_request_deadline(e->job.request);
    if (x->stop)
        e->job.code = blind_fail(&e->job.error, BLIND_CLOSED, "executor.closed",
                                 "the server is shutting down");
    else if (bl_request_cancelled(e->job.request))
        e->job.code = blind_fail(&e->job.error, BLIND_CANCELLED, "executor.cancel", "cancelled");
    else if (deadline && now >= deadline)
        e->job.code = blind_fail(&e->job.error, BLIND_TIMEOUT, "executor.deadline",
                                 "the request's time is over after %llu ms",
                                 (unsigned long long)((now - e->submitted_ns) / 1000000));
    else
        return false;
    return true;
}

static entry *find_ending(bl_executor *x, uint64_t now, uint64_t *earliest_ns)
{
    *earliest_ns = 0;
    share *s = x->turn;
    if (s)
        do {
            for (entry *e = s->entries; e; e = e->next) {
                if (must_end(x, e, now))
                    return e;
                uint64_t d = bl_request_deadline(e->job.request);
                if (d && (!*earliest_ns || d < *earliest_ns))
                    *earliest_ns = d;
            }
            s = s->next;
        } while (s != x->turn);
    return NULL;
}

/* Ends all that were cancelled or are late; gives the next deadline, 0 for none. */
static uint64_t reap(bl_executor *x)
{
    uint64_t earliest;
    entry   *e;
    x->changed = false;
    while ((e = find_ending(x, bl_clock_ns(), &earliest)))
        finish(x, e);
    return earliest;
}

/* ---- choosing ---- */

static entry *runnable(const share *s, uint64_t now)
{
    for (entry *e = s->entries; e; e = e->next)
        if (!e->blocked && !bl_request_full(e->job.request) && !bl_company_holds(&e->member, now))
            return e;
    return NULL;
}

static bool any_runnable(const bl_executor *x, uint64_t now)
{
    share *s = x->turn;
    if (s)
        do {
            if (runnable(s, now))
                return true;
            s = s->next;
        } while (s != x->turn);
    return false;
}

/* Shares that kept a debt after their last request: forgiven once nobody else waits for it. */
static void drop_empty(bl_executor *x)
{
    share *s = x->turn;
    for (size_t i = x->stats.principals; i > 0; i--) {
        share *next = s->next;
        if (!s->entries)
            share_remove(x, s);
        s = next;
    }
}

/* By priority, so that none starves: a tenth of the usual slice at least. */
static uint64_t slice_of(const bl_executor *x, const share *s)
{
    unsigned priority = s->principal.priority ? s->principal.priority : BL_PRIORITY_USUAL;
    return x->options.slice_ns * priority / BL_PRIORITY_USUAL;
}

/* The request whose turn it is, or NULL when none can go on. */
static entry *choose(bl_executor *x)
{
    uint64_t now = bl_clock_ns();
    if (!any_runnable(x, now)) {
        drop_empty(x);
        return NULL;
    }
    for (;;) {
        share *s = x->turn;
        entry *e = runnable(s, now);
        if (!x->fresh) {
            x->fresh = true;
            s->deficit_ns += (int64_t)slice_of(x, s);
        }
        if (e && s->deficit_ns > 0)
            return e;
        s->deficit_ns = BL_MIN(s->deficit_ns, 0); /* saves nothing */
        pass_turn(x);
        if (!s->entries && s->deficit_ns == 0)
            share_remove(x, s);
    }
}

static size_t count_rows(entry *const *batch, size_t len)
{
    size_t rows = 0;
    for (size_t i = 0; i < len; i++)
        rows += BL_MAX(batch[i]->member.rows, 1);
    return rows;
}

static entry *entry_of(bl_member *m)
{
    return (entry *)(void *)((char *)m - offsetof(entry, member));
}

/* Those that the same run answers. */
static size_t gather_mates(bl_executor *x, entry *first, entry **batch)
{
    size_t     len = 0;
    bl_member *m = &first->member;
    bool       begins = m->company != NULL;
    bl_company_take(&x->companies, m);
    do {
        batch[len++] = entry_of(m);
        m = m->mate;
    } while (m != &first->member);
    if (begins && len > 1)
        x->stats.joined += len;
    if (first->pinned && !first->opened)
        bl_histogram_add(&first->pinned->counts.batch, bl_batch_bounds, BL_BATCH_BOUNDS,
                         count_rows(batch, len));
    return len;
}

/* Others of the same model that an engine may advance in the same step, in the order of the ring.
 */
static size_t gather(bl_executor *x, entry *first, entry **batch)
{
    size_t len = 0, max = BL_MIN(first->engine->batch, (size_t)MAX_BATCH);
    if (max <= 1)
        return gather_mates(x, first, batch);
    batch[len++] = first;
    share *s = first->share;
    do {
        for (entry *e = s->entries; e && len < max; e = e->next)
            if (e != first && !e->blocked && e->instance == first->instance &&
                !bl_request_full(e->job.request))
                batch[len++] = e;
        s = s->next;
    } while (len < max && s != first->share);
    return len;
}

/* ---- stepping ---- */

/* Makes the engine's jobs; leaves those that it refused out of `jobs`. */
static size_t open_jobs(entry **batch, size_t len, uint64_t now, bl_job **jobs)
{
    size_t opened = 0;
    for (size_t i = 0; i < len; i++) {
        entry *e = batch[i];
        e->job.code = BLIND_AGAIN;
        if (!e->opened) {
            e->started_ns = now;
            if (e->pinned)
                bl_histogram_add(&e->pinned->counts.wait, bl_wait_bounds, BL_WAIT_BOUNDS,
                                 now - e->submitted_ns);
            blind_code code = e->engine->submit(e->instance, &e->job, &e->job.error);
            e->opened = code == BLIND_OK;
            if (!e->opened) {
                e->job.code = code;
                continue;
            }
        }
        jobs[opened++] = &e->job;
    }
    return opened;
}

/* Each pays for its rows. */
static void charge(entry **batch, size_t len, uint64_t took)
{
    size_t rows = count_rows(batch, len);
    for (size_t i = 0; i < len; i++) {
        uint64_t ns = took * BL_MAX(batch[i]->member.rows, 1) / rows + 1;
        batch[i]->compute_ns += ns;
        batch[i]->share->deficit_ns -= (int64_t)ns;
    }
}

static void rotate(entry *e)
{
    if (e->engine->streams) {
        entry_unlink(e);
        entry_append(e->share, e);
    }
}

/* The jobs of a step. */
typedef struct {
    bl_job *const *jobs;
    size_t         len;
} crew;

/* What must_end() will say of each of them, but for the end of the server. */
static bool is_over(void *arg)
{
    const crew *c = arg;
    uint64_t    now = bl_clock_ns();
    for (size_t i = 0; i < c->len; i++) {
        uint64_t deadline = bl_request_deadline(c->jobs[i]->request);
        if (!bl_request_cancelled(c->jobs[i]->request) && (!deadline || now < deadline))
            return false;
    }
    return true;
}

/* One step of the request chosen and those that go with it.  Lock held, let go while computing. */
static void step(bl_executor *x, entry *first)
{
    entry   *batch[MAX_BATCH];
    bl_job  *jobs[MAX_BATCH];
    size_t   len = gather(x, first, batch);
    uint64_t left = (uint64_t)first->share->deficit_ns;
    bl_turn  turn = { .pool = x->pool, .budget_ns = BL_MIN(left, x->options.slice_ns) };
    pthread_mutex_unlock(&x->lock);
    uint64_t begin = bl_clock_ns();
    crew     all = { jobs, open_jobs(batch, len, begin, jobs) };
    turn.over = is_over;
    turn.over_arg = &all;
    if (all.len)
        first->engine->step(first->instance, jobs, all.len, &turn);
    uint64_t took = bl_clock_ns() - begin;
    x->stepped_ns = begin + took;
    pthread_mutex_lock(&x->lock);
    x->stats.steps++;
    x->stats.compute_ns += took;
    charge(batch, len, took);
    for (size_t i = 0; i < len; i++)
        batch[i]->blocked = batch[i]->opened && batch[i]->job.code == BLIND_BUSY;
    for (size_t i = 0; i < len; i++) {
        blind_code code = batch[i]->job.code;
        if (code == BLIND_AGAIN || (code == BLIND_BUSY && batch[i]->opened))
            rotate(batch[i]);
        else
            finish(x, batch[i]);
    }
}

static void wait_for_work(bl_executor *x, uint64_t until_ns)
{
    uint64_t due[] = { wipe_due_ns(x, false), bl_company_due_ns(x->companies, bl_clock_ns()) };
    if (x->changed || x->stop || (due[1] == 0 && x->companies))
        return;
    for (size_t i = 0; i < BL_LEN(due); i++)
        if (due[i] && (!until_ns || due[i] < until_ns))
            until_ns = due[i];
    if (!until_ns) {
        pthread_cond_wait(&x->work, &x->lock);
        return;
    }
    struct timespec until = { (time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S) };
    pthread_cond_timedwait(&x->work, &x->lock, &until);
}

static void *run(void *arg)
{
    bl_executor *x = arg;
    uint64_t     deadline = 0;
    pthread_mutex_lock(&x->lock);
    while (!x->stop || x->stats.queued) {
        deadline = reap(x);
        entry *e = choose(x);
        bool   tidied = tidy(x, e != NULL);
        if (e)
            step(x, e);
        else if (!x->stop && !tidied)
            wait_for_work(x, deadline);
    }
    drop_empty(x);
    pthread_mutex_unlock(&x->lock);
    while (x->litter_len)
        wipe(x, SIZE_MAX);
    return NULL;
}

/* ---- life ---- */

static void set_defaults(bl_executor_options *o)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (o->threads <= 0)
        o->threads = (int)BL_MIN(BL_MAX(cores, 1), BL_POOL_MAX_THREADS);
    if (!o->max_requests)
        o->max_requests = MAX_REQUESTS;
    if (!o->max_per_principal)
        o->max_per_principal = MAX_PER_PRINCIPAL;
    if (!o->memory && pages > 0 && page > 0)
        o->memory = (size_t)pages / 2 * (size_t)page;
    if (!o->slice_ns)
        o->slice_ns = SLICE_MS * (uint64_t)1000000;
}

static void init_locks(bl_executor *x)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->work, &monotonic);
    pthread_cond_init(&x->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void destroy(bl_executor *x)
{
    bl_pool_free(x->pool);
    pthread_cond_destroy(&x->idle);
    pthread_cond_destroy(&x->work);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

blind_code bl_executor_new(const bl_executor_options *options, bl_executor **out, blind_error *err)
{
    *out = NULL;
    bl_executor *x = calloc(1, sizeof *x);
    if (!x)
        return blind_fail(err, BLIND_MEMORY, "executor.new", "no memory for the executor");
    x->options = *options;
    set_defaults(&x->options);
    x->budget.max = x->options.memory;
    init_locks(x);
    blind_code code = bl_pool_new(x->options.threads, &x->pool, err);
    if (code == BLIND_OK && pthread_create(&x->thread, NULL, run, x) != 0)
        code = blind_fail(err, BLIND_FAILED, "executor.new", "cannot start a thread");
    if (code != BLIND_OK) {
        destroy(x);
        return code;
    }
    *out = x;
    return BLIND_OK;
}

void bl_executor_stop(bl_executor *x)
{
    pthread_mutex_lock(&x->lock);
    bool stopped = x->stop;
    x->stop = true;
    pthread_cond_signal(&x->work);
    pthread_mutex_unlock(&x->lock);
    if (!stopped)
        pthread_join(x->thread, NULL);
}

void bl_executor_free(bl_executor *x)
{
    if (!x)
        return;
    bl_executor_stop(x);
    destroy(x);
}

bl_pool *bl_executor_pool(bl_executor *x)
{
    return x->pool;
}

bl_budget *bl_executor_budget(bl_executor *x)
{
    return &x->budget;
}

void bl_executor_drain(bl_executor *x)
{
    pthread_mutex_lock(&x->lock);
    x->draining = true;
    pthread_mutex_unlock(&x->lock);
}

bool bl_executor_idle(bl_executor *x, int timeout_ms)
{
    uint64_t        end = bl_clock_ns() + (uint64_t)BL_MAX(timeout_ms, 0) * 1000000;
    struct timespec until = { (time_t)(end / NS_PER_S), (long)(end % NS_PER_S) };
    pthread_mutex_lock(&x->lock);
    while (x->stats.queued && pthread_cond_timedwait(&x->idle, &x->lock, &until) != ETIMEDOUT)
        ;
    bool idle = x->stats.queued == 0;
    pthread_mutex_unlock(&x->lock);
    return idle;
}

void bl_executor_stats_read(bl_executor *x, bl_executor_stats *out)
{
    pthread_mutex_lock(&x->lock);
    *out = x->stats;
    pthread_mutex_unlock(&x->lock);
    out->memory_used = atomic_load(&x->budget.used);
    out->memory_max = x->budget.max;
}
