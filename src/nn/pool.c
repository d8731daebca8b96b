/* The compute pool: parts of a job are claimed from atomic tickets, one for each worker.
 *
 * Each worker has a range of the parts, and takes from the others' when it is through: so the same
 * parts of layer after layer fall to the same worker, in whose caches their data are.  A ticket
 * holds the job's number above the next unclaimed part of its range.  A worker that was descheduled
 * through the end of a job finds another number when it comes back, so it can claim nothing with
 * what it remembers, and nobody ever waits for a worker that holds no part. */
#include "nn/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS    2000 /* pauses before sleeping: some tens of microseconds */
#define MAX_PART 0x7fffffffu

typedef struct {
    bl_pool  *pool;
    pthread_t thread;
    int       worker;
    int       processor; /* that it is bound to; -1: none */
} helper;

typedef struct {
    _Alignas(64) _Atomic uint64_t ticket; /* job number << 32 | next part of the range */
} range;

struct bl_pool {
    int     threads; /* the caller included */
    int     left;    /* the processor that no helper is bound to; -1: they are free */
    helper *helpers; /* threads - 1 */
    range  *ranges;  /* one for each thread */

    bl_stop *asked; /* NULL: nothing is */
    void    *asked_arg;

    /* The job.  Atomic because late workers may read it while the next one is being set. */
    _Atomic(bl_task *) task;
    _Atomic(void *)    arg;
    atomic_size_t      base;  /* index of part 0 */
    atomic_uint        parts; /* of this job */

    _Alignas(64) atomic_uint finished; /* parts that have returned */
    _Alignas(64) atomic_uint job;      /* job number, what idle workers wait on */
    atomic_uint sleepers;              /* workers in the kernel, or on their way */
    atomic_bool caller_sleeps;
    atomic_bool leave_out; /* parts that have not begun */
    atomic_bool stop;
};

static void futex_wait(atomic_uint *word, unsigned expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Whether the next part is left out.  Worker 0 is the caller, who alone asks. */
static bool is_left_out(bl_pool *p, int worker)
{
    if (worker == 0 && p->asked && !atomic_load(&p->leave_out) && p->asked(p->asked_arg))
        atomic_store(&p->leave_out, true);
    return atomic_load(&p->leave_out);
}

/* Claims and does parts of one range; false when the job is over. */
static bool work_range(bl_pool *p, unsigned number, int at, int worker)
{
    _Atomic uint64_t *ticket = &p->ranges[at].ticket;
    uint64_t          seen = atomic_load(ticket), threads = (uint64_t)p->threads;
    for (;;) {
        unsigned parts = atomic_load(&p->parts);
        bl_task *task = atomic_load(&p->task);
        void    *arg = atomic_load(&p->arg);
        size_t   base = atomic_load(&p->base);
        uint64_t first = (uint64_t)parts * (unsigned)at / threads;
        uint64_t end = (uint64_t)parts * ((unsigned)at + 1) / threads;
        if (seen >> 32 != number)
            return false;
        if (first + (unsigned)seen >= end)
            return true;
        if (!atomic_compare_exchange_weak(ticket, &seen, seen + 1))
            continue;
        if (!is_left_out(p, worker))
            task(arg, base + first + (unsigned)seen, worker);
        if (atomic_fetch_add(&p->finished, 1) + 1 == parts && atomic_load(&p->caller_sleeps))
            futex_wake(&p->finished, 1);
        seen = atomic_load(ticket);
    }
}

/* Claims and does parts of the job `number` until none is left. */
static void work(bl_pool *p, unsigned number, int worker)
{
    for (int i = 0; i < p->threads; i++)
        if (!work_range(p, number, (worker + i) % p->threads, worker))
            return;
}

/* Returns the number of a job other than `last`. */
static unsigned next_job(bl_pool *p, unsigned last)
{
    for (int i = 0; i < SPINS; i++) {
        unsigned number = atomic_load(&p->job);
        if (number != last)
            return number;
        pause_briefly();
    }
    bl_wipe_stack(); /* kernels keep sums there */
    atomic_fetch_add(&p->sleepers, 1);
    unsigned number;
    while ((number = atomic_load(&p->job)) == last)
        futex_wait(&p->job, last);
    atomic_fetch_sub(&p->sleepers, 1);
    return number;
}

static void *helper_main(void *arg)
{
    helper  *h = arg;
    unsigned number = 0;
    for (;;) {
        number = next_job(h->pool, number);
        if (atomic_load(&h->pool->stop))
            return NULL;
        work(h->pool, number, h->worker);
    }
}

static void wait_finished(bl_pool *p, unsigned parts)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&p->finished) == parts)
            return;
        pause_briefly();
    }
    atomic_store(&p->caller_sleeps, true);
    unsigned finished;
    while ((finished = atomic_load(&p->finished)) != parts)
        futex_wait(&p->finished, finished);
    atomic_store(&p->caller_sleeps, false);
}

/* Publishes a job number and wakes up to `wanted` sleeping workers. */
static unsigned publish(bl_pool *p, unsigned wanted)
{
    unsigned number = atomic_load(&p->job) + 1;
    for (int i = 0; i < p->threads; i++)
        atomic_store(&p->ranges[i].ticket, (uint64_t)number << 32);
    atomic_store(&p->job, number);
    if (atomic_load(&p->sleepers) > 0)
        futex_wake(&p->job, wanted > INT_MAX ? INT_MAX : (int)wanted);
    return number;
}

static void run_parts(bl_pool *p, bl_task *task, void *arg, size_t base, unsigned parts)
{
    /* No ticket is valid while the job changes: the number after the last one claims nothing. */
    for (int i = 0; i < p->threads; i++)
        atomic_store(&p->ranges[i].ticket, (uint64_t)UINT32_MAX);
    atomic_store(&p->task, task);
    atomic_store(&p->arg, arg);
    atomic_store(&p->base, base);
    atomic_store(&p->parts, parts);
    atomic_store(&p->finished, 0);
    unsigned number = publish(p, parts - 1);
    work(p, number, 0);
    wait_finished(p, parts);
}

static bool bind(helper *h, int processor)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)processor, &one);
    if (pthread_setaffinity_np(h->thread, sizeof one, &one) != 0)
        return false;
    h->processor = processor;
    return true;
}

/* A pool as large as the machine gives each worker a processor of its own: otherwise a worker that
 * wakes is often put behind its caller and finds the job done.  The caller's thread is not ours to
 * bind: make_way() sees to it that no helper shares its processor. */
static void spread_out(bl_pool *p)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) != p->threads)
        return;
    int worker = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && worker < p->threads; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &allowed))
            continue;
        if (worker == 0)
            p->left = cpu;
        else if (!bind(&p->helpers[worker - 1], cpu))
            p->left = -1;
        worker++;
    }
}

/* A helper bound to the processor on which the caller runs now goes to the one that is left.  Where
 * other programs keep all processors busy, the system would leave the two together for long. */
static void make_way(bl_pool *p)
{
    int here = p->left < 0 ? -1 : sched_getcpu();
    if (here < 0 || here == p->left)
        return;
    for (int i = 0; i < p->threads - 1; i++)
        if (p->helpers[i].processor == here && bind(&p->helpers[i], p->left))
            p->left = here;
}

void bl_pool_run(bl_pool *p, bl_task *task, void *arg, size_t count)
{
    if (!p || p->threads == 1 || count <= 1) {
        for (size_t i = 0; i < count && !(p && is_left_out(p, 0)); i++)
            task(arg, i, 0);
        return;
    }
    make_way(p);
    for (size_t base = 0; base < count; base += MAX_PART)
        run_parts(p, task, arg, base, (unsigned)BL_MIN(count - base, (size_t)MAX_PART));
}

int bl_pool_threads(const bl_pool *p)
{
    return p ? p->threads : 1;
}

void bl_pool_watch(bl_pool *p, bl_stop *stop, void *arg)
{
    if (!p)
        return;
    p->asked = stop;
    p->asked_arg = arg;
    atomic_store(&p->leave_out, false);
}

bool bl_pool_stopped(const bl_pool *p)
{
    return p && atomic_load(&p->leave_out);
}

static void stop_helpers(bl_pool *p, int started)
{
    atomic_store(&p->stop, true);
    atomic_fetch_add(&p->job, 1);
    futex_wake(&p->job, INT_MAX);
    for (int i = 0; i < started; i++)
        pthread_join(p->helpers[i].thread, NULL);
}

static void release(bl_pool *p)
{
    free(p->helpers);
    free(p->ranges);
    free(p);
}

void bl_pool_free(bl_pool *p)
{
    if (!p)
        return;
    stop_helpers(p, p->threads - 1);
    release(p);
}

static bl_pool *pool_memory(int threads)
{
    size_t   size = (sizeof(bl_pool) + 63) / 64 * 64;
    bl_pool *p = aligned_alloc(64, size);
    if (!p)
        return NULL;
    memset(p, 0, size);
    p->threads = threads;
    p->left = -1;
    p->helpers = calloc((size_t)threads, sizeof *p->helpers);
    p->ranges = aligned_alloc(64, (size_t)threads * sizeof *p->ranges);
    if (p->helpers && p->ranges) {
        memset(p->ranges, 0, (size_t)threads * sizeof *p->ranges);
        return p;
    }
    release(p);
    return NULL;
}

blind_code bl_pool_new(int threads, bl_pool **out, blind_error *err)
{
    *out = NULL;
    if (threads < 1 || threads > BL_POOL_MAX_THREADS)
        return blind_fail(err, BLIND_USAGE, "nn.pool", "%d threads, expected 1 to %d", threads,
                          BL_POOL_MAX_THREADS);
    bl_pool *p = pool_memory(threads);
    if (!p)
        return blind_fail(err, BLIND_MEMORY, "nn.pool", "no memory for %d threads", threads);
    for (int i = 0; i < threads - 1; i++) {
        p->helpers[i] = (helper){ .pool = p, .worker = i + 1, .processor = -1 };
        if (pthread_create(&p->helpers[i].thread, NULL, helper_main, &p->helpers[i]) != 0) {
            stop_helpers(p, i);
            release(p);
            return blind_fail(err, BLIND_MEMORY, "nn.pool", "cannot start thread %d of %d", i + 2,
                              threads);
        }
    }
    spread_out(p);
    *out = p;
    return BLIND_OK;
}
