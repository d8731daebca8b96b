/* The executor: one thread that steps the engines and owns the process's only compute pool.
 *
 * Principals share its time by deficit round robin: each in turn gets a slice by its priority, a
 * step that ran over is paid back in the next rounds, and one that has nothing to do saves nothing.
 * A request whose output queue is full is passed over until its reader took half of it.  Requests
 * of a model that takes them together wait for each other, as long as it says, and are answered by
 * one run; each pays for its rows. */
#ifndef BL_EXECUTOR_H
#define BL_EXECUTOR_H

#include "server/engine.h"
#include "server/request.h"

typedef struct bl_executor bl_executor;

typedef struct {
    int      threads;           /* of the pool, this one included; 0: one per core */
    size_t   max_requests;      /* queued and running, in all; 0: 1024 */
    size_t   max_per_principal; /* 0: 256 */
    size_t   memory;            /* bytes that requests may reserve; 0: half of the machine's */
    uint64_t slice_ns;          /* 0: 10 ms */
} bl_executor_options;

/* Errors: FAILED (threads), MEMORY */
BLIND_MUST_USE blind_code bl_executor_new(const bl_executor_options *options, bl_executor **out,
                                          blind_error *err);
/* Cancels what is left, ends the thread: from here it wakes nobody. */
void bl_executor_stop(bl_executor *executor);
/* Stops it first where that was not done. */
void bl_executor_free(bl_executor *executor);

bl_pool   *bl_executor_pool(bl_executor *executor);
bl_budget *bl_executor_budget(bl_executor *executor);

/* Queues a request that has a model; the executor takes a reference of its own.  From any thread.
 * Whatever goes wrong later comes as an ERROR event.
 * Errors: BUSY (one of the bounds; answer 429), CLOSED (draining; answer 503), MEMORY (503), AGAIN
 * (the model is away: bl_model_bring() first, elsewhere) */
BLIND_MUST_USE blind_code bl_executor_submit(bl_executor *executor, bl_request *request,
                                             blind_error *err);
/* The same for a model that no registry knows (tests). */
BLIND_MUST_USE blind_code bl_executor_submit_to(bl_executor *executor, bl_request *request,
                                                const bl_engine *engine, void *model,
                                                blind_error *err);

/* From now on submissions are refused with CLOSED; what is queued runs to its end. */
void bl_executor_drain(bl_executor *executor);
/* True when nothing is queued or running, waiting up to timeout_ms for it. */
bool bl_executor_idle(bl_executor *executor, int timeout_ms);

typedef struct {
    uint64_t submitted, done, failed, cancelled, expired, refused; /* since the start */
    uint64_t steps, compute_ns;
    uint64_t joined; /* requests that were answered by one run with others */
    size_t   queued; /* queued or running now */
    size_t   principals;
    size_t   memory_used, memory_max; /* bytes reserved */
} bl_executor_stats;
void bl_executor_stats_read(bl_executor *executor, bl_executor_stats *out);

#endif
