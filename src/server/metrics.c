/* GET /metrics: numbers about the whole and about each model, which has a number there: no names
 * and no sizes of models.
 * Source: Prometheus text exposition format 0.0.4. */
#include "server/internal.h"

#include <inttypes.h>

static void metric(bl_buf *out, const char *name, const char *type, const char *help, double value)
{
    bl_buf_printf(out, "# HELP blind_%s %s\n# TYPE blind_%s %s\nblind_%s %.17g\n", name, help, name,
                  type, name, value);
}

static void connections(bl_buf *out, bl_counters *n)
{
    metric(out, "connections_total", "counter", "Connections accepted.",
           (double)atomic_load(&n->connections));
    metric(out, "connections_refused_total", "counter", "Connections closed at the limit.",
           (double)atomic_load(&n->refused));
    metric(out, "connections_open", "gauge", "Connections open now.",
           (double)atomic_load(&n->open));
    metric(out, "attestations_total", "counter", "Sessions given evidence.",
           (double)atomic_load(&n->attestations));
    metric(out, "quotes_total", "counter", "Quotes made; one answers all sessions that wait.",
           (double)atomic_load(&n->quotes));
    metric(out, "fenced_total", "counter", "Requests refused before evidence.",
           (double)atomic_load(&n->fenced));
    metric(out, "request_body_bytes_total", "counter", "Bytes of request bodies.",
           (double)atomic_load(&n->bytes_in));
    metric(out, "response_body_bytes_total", "counter", "Bytes of response bodies.",
           (double)atomic_load(&n->bytes_out));
    bl_buf_add_str(out, "# HELP blind_requests_total Requests answered, by class of status.\n"
                        "# TYPE blind_requests_total counter\n");
    for (int i = 2; i < BL_CLASSES; i++)
        bl_buf_printf(out, "blind_requests_total{class=\"%dxx\"} %" PRIu64 "\n", i,
                      (uint64_t)atomic_load(&n->requests[i]));
}

static void work(bl_buf *out, const bl_executor_stats *x, const bl_registry_stats *r)
{
    metric(out, "inferences_total", "counter", "Inferences done.", (double)x->done);
    metric(out, "inferences_failed_total", "counter", "Inferences failed.", (double)x->failed);
    metric(out, "inferences_cancelled_total", "counter", "Inferences cancelled.",
           (double)x->cancelled);
    metric(out, "inferences_expired_total", "counter", "Inferences past their deadline.",
           (double)x->expired);
    metric(out, "inferences_refused_total", "counter", "Inferences refused for want of room.",
           (double)x->refused);
    metric(out, "inferences_joined_total", "counter", "Inferences answered by one run with others.",
           (double)x->joined);
    metric(out, "inferences_queued", "gauge", "Inferences queued or running.", (double)x->queued);
    metric(out, "compute_seconds_total", "counter", "Time inside engines.",
           (double)x->compute_ns / 1e9);
    metric(out, "models_ready", "gauge", "Model names that answer.", (double)r->ready);
    metric(out, "model_loads_total", "counter", "Loads that worked.", (double)r->loads);
    metric(out, "model_load_failures_total", "counter", "Loads that failed.", (double)r->failures);
}

static void memory(bl_buf *out, const bl_executor_stats *x, const bl_residents_stats *r)
{
    metric(out, "memory_reserved_bytes", "gauge",
           "Memory of inferences, and with --max-memory of models.", (double)x->memory_used);
    metric(out, "memory_max_bytes", "gauge", "What it is held to.", (double)x->memory_max);
    metric(out, "models_in_memory", "gauge", "Opened models in memory.", (double)r->in);
    metric(out, "models_away", "gauge", "Opened models put away.", (double)r->away);
    metric(out, "models_put_away_total", "counter", "Models put away to make room.",
           (double)r->put_away);
    metric(out, "models_returned_total", "counter", "Models that came back.", (double)r->returns);
    metric(out, "models_return_failures_total", "counter", "Models that could not come back.",
           (double)r->failures);
}

/* ---- each model ---- */

static bool add_queued(void *arg, const bl_model_row *row)
{
    if (row->counts)
        bl_buf_printf(arg, "blind_model_queued{model=\"%u\"} %" PRId64 "\n", row->number,
                      atomic_load(&row->counts->queued));
    return true;
}

static void add_histogram(bl_buf *out, const char *name, unsigned number, const bl_histogram *h,
                          const uint64_t *bounds, size_t len, double unit)
{
    uint64_t count = 0;
    for (size_t i = 0; i < len; i++) {
        count += atomic_load(&h->buckets[i]);
        bl_buf_printf(out, "blind_%s_bucket{model=\"%u\",le=\"%g\"} %" PRIu64 "\n", name, number,
                      (double)bounds[i] * unit, count);
    }
    count += atomic_load(&h->buckets[len]);
    bl_buf_printf(out,
                  "blind_%s_bucket{model=\"%u\",le=\"+Inf\"} %" PRIu64 "\n"
                  "blind_%s_sum{model=\"%u\"} %.17g\nblind_%s_count{model=\"%u\"} %" PRIu64 "\n",
                  name, number, count, name, number, (double)atomic_load(&h->sum) * unit, name,
                  number, count);
}

static bool add_batch(void *arg, const bl_model_row *row)
{
    if (row->counts)
        add_histogram(arg, "model_batch_rows", row->number, &row->counts->batch, bl_batch_bounds,
                      BL_BATCH_BOUNDS, 1);
    return true;
}

static bool add_wait(void *arg, const bl_model_row *row)
{
    if (row->counts)
        add_histogram(arg, "model_queue_wait_seconds", row->number, &row->counts->wait,
                      bl_wait_bounds, BL_WAIT_BOUNDS, 1e-9);
    return true;
}

static void models(bl_buf *out, bl_registry *r)
{
    static const struct {
        const char *name, *type, *help;
        bool (*add)(void *arg, const bl_model_row *row);
    } each[] = {
        { "model_queued", "gauge", "Inferences queued or running, by number of the model.",
          add_queued },
        { "model_batch_rows", "histogram", "Rows that one run answered.", add_batch },
        { "model_queue_wait_seconds", "histogram", "From submission to the first step.", add_wait },
    };
    for (size_t i = 0; i < BL_LEN(each); i++) {
        bl_buf_printf(out, "# HELP blind_%s %s\n# TYPE blind_%s %s\n", each[i].name, each[i].help,
                      each[i].name, each[i].type);
        bl_registry_each(r, each[i].add, out);
    }
}

blind_code bl_api_metrics(bl_exchange *e, blind_error *err)
{
    bl_server        *s = e->server;
    bl_buf            out = BL_BUF_EMPTY;
    bl_executor_stats x;
    bl_registry_stats r;
    (void)err;
    bl_executor_stats_read(s->executor, &x);
    bl_registry_stats_read(s->registry, &r);
    connections(&out, &s->counters);
    work(&out, &x, &r);
    memory(&out, &x, &r.residents);
    models(&out, s->registry);
    metric(&out, "ready", "gauge", "1 when requests are taken.",
           atomic_load(&s->ready) && !atomic_load(&s->draining));
    metric(&out, "uptime_seconds", "gauge", "Since the start.",
           (double)(bl_clock_wall_s() - s->started_s));
    bl_reply(e, 200, "text/plain; version=0.0.4; charset=utf-8", &out, NULL);
    return BLIND_OK;
}
