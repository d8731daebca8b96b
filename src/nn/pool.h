/* The compute pool: the threads of a process that do arithmetic.
 *
 * One caller at a time; the caller is worker 0 and takes part.  Workers spin for some microseconds
 * after a job, since the next layer follows at once, then sleep in the kernel. */
#ifndef BL_NN_POOL_H
#define BL_NN_POOL_H

#include "base/base.h"

#define BL_POOL_MAX_THREADS 256

typedef struct bl_pool bl_pool;

/* One part of a job.  index  0..count-1, each exactly once
 *                     worker 0..threads-1, at most one part at a time: names a slice of scratch */
typedef void bl_task(void *arg, size_t index, int worker);

/* threads  1..BL_POOL_MAX_THREADS, the caller included: 1 starts none
 * out      owned by the caller, bl_pool_free()
 * Errors   USAGE for another number, MEMORY */
BLIND_MUST_USE blind_code bl_pool_new(int threads, bl_pool **out, blind_error *err);

/* Stops and joins the threads.  No job may be running.  NULL is nothing. */
void bl_pool_free(bl_pool *pool);

/* Calls task(arg, i, worker) for every i < count and returns when all have returned; what they
 * wrote is visible to the caller.  Each worker has a range of neighbouring parts, which it does in
 * order of index, and then helps with the others'.  pool may
 * be NULL: the caller does everything.  Tasks must not call bl_pool_run on the same pool. */
void bl_pool_run(bl_pool *pool, bl_task *task, void *arg, size_t count);

int bl_pool_threads(const bl_pool *pool); /* NULL: 1 */

/* Whether what is left of a job shall not be done: a deadline has passed, or nobody waits any more.
 */
typedef bool bl_stop(void *arg);

/* From now on `stop` is asked between parts, on the caller's thread.  Once it says yes no part is
 * begun, of this job or another, until the pool is watched anew: jobs return as they always do, and
 * what the parts left out should have written is whatever was there.  stop NULL: nothing is asked.
 * Never while a job runs; pool NULL is nothing. */
void bl_pool_watch(bl_pool *pool, bl_stop *stop, void *arg);
/* Whether parts were left out since then. */
bool bl_pool_stopped(const bl_pool *pool);

#endif
