/* Evidence on request: sessions queue up, one thread answers all that wait with one quote.
 *
 * Waking that thread and being woken by it costs more than a quick TEE's quote, so one that was
 * quick the last time is asked by the loop itself. */
#include "base/clock.h"
#include "server/internal.h"

#include <stdlib.h>

enum { MAX_BATCH = 1024, QUICK_NS = 500000 };

/* One session waiting: the data of its exchange. */
typedef struct waiting {
    bl_attestation  attestation;
    bool            activates; /* waits for the answer to a challenge instead */
    bl_buf          secret;
    bl_exchange    *exchange;
    struct waiting *next;
    blind_code      code;
    blind_error     error;
} waiting;

struct bl_attest_queue {
    bl_server       *server;
    pthread_t        thread;
    pthread_mutex_t  lock;
    pthread_cond_t   filled;
    waiting         *first, **last;
    bool             started, stopping;
    _Atomic uint64_t quote_ns; /* that the last one took; starts as for ever */
};

/* ---- the thread ---- */

static size_t take_batch(bl_attest_queue *q, waiting *batch[MAX_BATCH])
{
    size_t n = 0;
    pthread_mutex_lock(&q->lock);
    while (!q->first && !q->stopping)
        pthread_cond_wait(&q->filled, &q->lock);
    while (q->first && n < MAX_BATCH) {
        batch[n++] = q->first;
        q->first = q->first->next;
    }
    if (!q->first)
        q->last = &q->first;
    pthread_mutex_unlock(&q->lock);
    return n;
}

static void on_answer(bl_exchange *e);

static blind_code quote(bl_attest_queue *q, bl_attestation **sessions, size_t n, blind_error *err)
{
    uint64_t   start = bl_clock_ns();
    blind_code code = bl_attester_answer(q->server->attester, sessions, n, err);
    atomic_store(&q->quote_ns, bl_clock_ns() - start);
    atomic_fetch_add(&q->server->counters.quotes, 1);
    return code;
}

static void on_secret(bl_exchange *e);

static void activate(bl_attest_queue *q, waiting *w)
{
    w->code = bl_attester_activate(q->server->attester, bl_buf_span(&w->exchange->body), &w->secret,
                                   &w->error);
}

/* All sessions of the batch, with one quote. */
static void attest(bl_attest_queue *q, waiting *const *batch, size_t n)
{
    bl_attestation *sessions[MAX_BATCH];
    blind_error     err = { 0 };
    size_t          m = 0;
    for (size_t i = 0; i < n; i++)
        if (!batch[i]->activates)
            sessions[m++] = &batch[i]->attestation;
    blind_code code = m ? quote(q, sessions, m, &err) : BLIND_OK;
    for (size_t i = 0; i < n; i++)
        if (!batch[i]->activates) {
            batch[i]->code = code;
            batch[i]->error = err;
        }
}

static void *run(void *arg)
{
    bl_attest_queue *q = arg;
    waiting         *batch[MAX_BATCH];
    for (size_t n = take_batch(q, batch); n > 0; n = take_batch(q, batch)) {
        attest(q, batch, n);
        for (size_t i = 0; i < n; i++) {
            bl_exchange *e = batch[i]->exchange;
            bool         activates = batch[i]->activates;
            if (activates)
                activate(q, batch[i]);
            bl_exchange_post(e, activates ? on_secret : on_answer);
            bl_exchange_release(e);
        }
    }
    return NULL;
}

blind_code bl_attest_queue_new(bl_server *server, bl_attest_queue **out, blind_error *err)
{
    *out = NULL;
    bl_attest_queue *q = calloc(1, sizeof *q);
    if (!q)
        return blind_fail(err, BLIND_MEMORY, "server.attest", "out of memory");
    q->server = server;
    q->last = &q->first;
    atomic_init(&q->quote_ns, UINT64_MAX);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->filled, NULL);
    q->started = pthread_create(&q->thread, NULL, run, q) == 0;
    if (!q->started) {
        bl_attest_queue_free(q);
        return blind_fail(err, BLIND_FAILED, "server.attest", "cannot start a thread");
    }
    *out = q;
    return BLIND_OK;
}

void bl_attest_queue_free(bl_attest_queue *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
    if (q->started)
        pthread_join(q->thread, NULL);
    pthread_cond_destroy(&q->filled);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void submit(bl_attest_queue *q, waiting *w)
{
    pthread_mutex_lock(&q->lock);
    w->next = NULL;
    *q->last = w;
    q->last = &w->next;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

bool bl_pending_take(bl_server *server, unsigned peer)
{
    if (atomic_fetch_add(&server->pending[peer], 1) < (uint16_t)server->config->max_pending)
        return true;
    atomic_fetch_sub(&server->pending[peer], 1);
    return false;
}

void bl_pending_give(bl_server *server, unsigned peer)
{
    atomic_fetch_sub(&server->pending[peer], 1);
}

/* ---- the route ---- */

blind_code bl_api_attest_begin(bl_exchange *e, blind_error *err)
{
    bl_conn            *c = e->conn;
    const bl_http_head *head = e->head;
    if (!c->attested && c->requests != 1) {
        c->close_after = true;
        return blind_fail(err, BLIND_DENIED, "server.fence",
                          "the request for evidence must be the first of its connection");
    }
    blind_span type = bl_http_media_type(bl_http_field_get(head, "content-type"));
    if (!bl_http_equal(type, BL_AUTHENTICATOR_REQUEST_TYPE))
        return blind_fail(err, BLIND_VERSION, "server.attest",
                          "unknown authenticator version or media type; supported: %s",
                          BL_AUTHENTICATOR_REQUEST_TYPE);
    if (!head->has_length || head->expect_continue)
        return blind_fail(err, BLIND_PROTOCOL, "server.attest.length",
                          "a request for evidence has a Content-Length and no expectation");
    if (head->length > BL_MAX_AUTHENTICATOR_REQUEST)
        return blind_fail(err, BLIND_LIMIT, "server.attest", "a request for evidence of %llu bytes",
                          (unsigned long long)head->length);
    if (!bl_pending_take(e->server, c->peer))
        return blind_fail(err, BLIND_BUSY, "server.attest",
                          "too many requests for evidence from this address");
    c->pending = true;
    return BLIND_OK;
}

blind_code bl_api_attest(bl_exchange *e, blind_error *err)
{
    bl_conn *c = e->conn;
    waiting *w = calloc(1, sizeof *w);
    if (!w)
        return blind_fail(err, BLIND_MEMORY, "server.attest", "out of memory");
    w->exchange = e;
    e->data = w;
    blind_code code = bl_attester_prepare(e->server->attester, c->ssl, &c->contexts,
                                          bl_buf_span(&e->body), &w->attestation, err);
    if (code != BLIND_OK) {
        c->close_after = true;
        if (err)
            err->code = code == BLIND_MEMORY ? code : BLIND_INPUT; /* not the client's verdict */
        return BLIND_INPUT;
    }
    bl_attest_queue *q = e->server->attest_queue;
    bool             behind = bl_wire_behind(c->wire); /* will be refused */
    if (!behind && atomic_load(&q->quote_ns) < QUICK_NS) {
        bl_attestation *one = &w->attestation;
        w->code = quote(q, &one, 1, &w->error);
        on_answer(e);
        return BLIND_OK;
    }
    bl_exchange_retain(e);
    submit(q, w);
    return BLIND_OK;
}

static void on_answer(bl_exchange *e)
{
    waiting *w = e->data;
    bl_conn *c = e->conn;
    if (!c || e->replied)
        return;
    if (w->code != BLIND_OK) {
        w->error.code = BLIND_FAILED;
        c->close_after = true;
        bl_reply_error(e, &w->error);
        return;
    }
    bl_conn_attested(c, w->attestation.log_len);
    atomic_fetch_add(&e->server->counters.attestations, 1);
    bl_reply(e, 200, BL_AUTHENTICATOR_TYPE, &w->attestation.response, NULL);
}

void bl_api_attest_done(bl_exchange *e)
{
    waiting *w = e->data;
    if (w) {
        bl_attestation_done(&w->attestation);
        bl_buf_done(&w->secret);
    }
    free(w);
}

/* ---- challenges to the endorsement key ---- */

blind_code bl_api_activate_begin(bl_exchange *e, blind_error *err)
{
    static const char   stage[] = "server.activate";
    const bl_http_head *head = e->head;
    if (!bl_http_equal(bl_http_media_type(bl_http_field_get(head, "content-type")),
                       BL_ACTIVATION_TYPE))
        return blind_fail(err, BLIND_VERSION, stage,
                          "unknown version or media type of a challenge; supported: %s",
                          BL_ACTIVATION_TYPE);
    if (e->conn->challenged)
        return blind_fail(err, BLIND_DENIED, stage, "one challenge a connection");
    e->conn->challenged = true;
    if (!head->has_length)
        return blind_fail(err, BLIND_PROTOCOL, "server.attest.length",
                          "a challenge has a Content-Length");
    if (head->length > BL_MAX_ACTIVATION)
        return blind_fail(err, BLIND_LIMIT, stage, "a challenge of %llu bytes",
                          (unsigned long long)head->length);
    return BLIND_OK;
}

/* As slow as the TPM, so the thread that quotes asks it. */
blind_code bl_api_activate(bl_exchange *e, blind_error *err)
{
    waiting *w = calloc(1, sizeof *w);
    if (!w)
        return blind_fail(err, BLIND_MEMORY, "server.activate", "out of memory");
    w->exchange = e;
    w->activates = true;
    w->secret.secret = true;
    e->data = w;
    bl_exchange_retain(e);
    submit(e->server->attest_queue, w);
    return BLIND_OK;
}

static void on_secret(bl_exchange *e)
{
    waiting *w = e->data;
    if (!e->conn || e->replied)
        return;
    if (w->code == BLIND_OK) {
        bl_reply(e, 200, BL_ACTIVATION_ANSWER_TYPE, &w->secret, NULL);
        return;
    }
    e->conn->close_after = true;
    w->error.code = w->code == BLIND_UNSUPPORTED ? BLIND_NOT_FOUND : BLIND_INPUT;
    bl_reply_error(e, &w->error);
}
