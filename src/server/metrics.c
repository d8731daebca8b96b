/* GET /metrics: numbers about the whole, no names and no sizes of models.
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
    metric(out, "inferences_queued", "gauge", "Inferences queued or running.", (double)x->queued);
    metric(out, "compute_seconds_total", "counter", "Time inside engines.",
           (double)x->compute_ns / 1e9);
    metric(out, "models_ready", "gauge", "Model names that answer.", (double)r->ready);
    metric(out, "model_loads_total", "counter", "Loads that worked.", (double)r->loads);
    metric(out, "model_load_failures_total", "counter", "Loads that failed.", (double)r->failures);
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
    metric(&out, "ready", "gauge", "1 when requests are taken.",
           atomic_load(&s->ready) && !atomic_load(&s->draining));
    metric(&out, "uptime_seconds", "gauge", "Since the start.",
           (double)(bl_clock_wall_s() - s->started_s));
    bl_reply(e, 200, "text/plain; version=0.0.4; charset=utf-8", &out, NULL);
    return BLIND_OK;
}
