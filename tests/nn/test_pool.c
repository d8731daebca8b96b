/* The pool: every part once, by one worker at a time, however jobs and threads meet. */
#include "nn/pool.h"

#include "tests/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define MAX_PARTS 1000

typedef struct {
    atomic_int  done[MAX_PARTS];
    atomic_bool busy[8];
    atomic_bool clash;
    int         threads;
} job;

static void mark(void *arg, size_t index, int worker)
{
    job *j = arg;
    if (worker < 0 || worker >= j->threads || atomic_exchange(&j->busy[worker], true))
        atomic_store(&j->clash, true);
    atomic_fetch_add(&j->done[index], 1);
    atomic_store(&j->busy[worker], false);
}

static void check_run(bl_pool *pool, size_t parts)
{
    job j = { .threads = bl_pool_threads(pool) };
    bl_pool_run(pool, mark, &j, parts);
    for (size_t i = 0; i < MAX_PARTS; i++)
        assert_int_equal(j.done[i], i < parts);
    CHECK(!j.clash);
}

static const size_t part_counts[] = { 0, 1, 2, 3, 7, 8, 9, MAX_PARTS };

TEST(pool_does_every_part_once)
{
    for (int threads = 1; threads <= 8; threads++) {
        bl_pool *pool = NULL;
        CHECK_CODE(BLIND_OK, bl_pool_new(threads, &pool, NULL), "new");
        assert_int_equal(bl_pool_threads(pool), threads);
        for (size_t i = 0; i < BL_LEN(part_counts); i++)
            check_run(pool, part_counts[i]);
        bl_pool_free(pool);
    }
}

TEST(pool_may_be_absent)
{
    for (size_t i = 0; i < BL_LEN(part_counts); i++)
        check_run(NULL, part_counts[i]);
    assert_int_equal(bl_pool_threads(NULL), 1);
    bl_pool_free(NULL);
}

TEST(pool_refuses_silly_numbers)
{
    static const int numbers[] = { -1, 0, BL_POOL_MAX_THREADS + 1 };
    for (size_t i = 0; i < BL_LEN(numbers); i++) {
        bl_pool    *pool = NULL;
        blind_error err;
        CHECK_CODE(BLIND_USAGE, bl_pool_new(numbers[i], &pool, &err), "threads");
        CHECK(pool == NULL);
    }
}

static void add(void *arg, size_t index, int worker)
{
    (void)worker;
    atomic_fetch_add((atomic_size_t *)arg, index + 1);
}

/* Jobs of a few parts one after another: late workers meet the next job, and the one after. */
TEST(pool_survives_many_small_jobs)
{
    bl_pool *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(4, &pool, NULL), "new");
    for (size_t round = 0; round < 20000; round++) {
        atomic_size_t sum = 0;
        size_t        parts = 2 + round % 5;
        bl_pool_run(pool, add, &sum, parts);
        assert_int_equal(sum, parts * (parts + 1) / 2);
    }
    bl_pool_free(pool);
}

/* Pauses longer than the workers spin. */
TEST(pool_wakes_sleepers)
{
    bl_pool *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(3, &pool, NULL), "new");
    for (int round = 0; round < 20; round++) {
        usleep(2000);
        check_run(pool, 64);
    }
    bl_pool_free(pool);
}

/* Says yes when it was asked so often. */
typedef struct {
    int       asked, most;
    pthread_t by;
} patience;

static bool is_over(void *arg)
{
    patience *p = arg;
    CHECK(pthread_equal(p->by, pthread_self()));
    return ++p->asked >= p->most;
}

static int parts_done(const job *j)
{
    int done = 0;
    for (size_t i = 0; i < MAX_PARTS; i++) {
        CHECK(j->done[i] <= 1);
        done += j->done[i];
    }
    return done;
}

/* A job that is stopped returns, the next one does nothing, and one that is not watched does all.
 */
TEST(pool_leaves_out_what_nobody_waits_for)
{
    for (int threads = 1; threads <= 8; threads++) {
        bl_pool *pool = NULL;
        job      j = { .threads = threads };
        patience p = { .most = 1, .by = pthread_self() };
        CHECK_CODE(BLIND_OK, bl_pool_new(threads, &pool, NULL), "new");
        bl_pool_watch(pool, is_over, &p);
        CHECK(!bl_pool_stopped(pool));
        bl_pool_run(pool, mark, &j, 1);
        CHECK(bl_pool_stopped(pool) && parts_done(&j) == 0);
        p = (patience){ .most = 3, .by = pthread_self() };
        bl_pool_watch(pool, is_over, &p);
        bl_pool_run(pool, mark, &j, 2); /* asked once or twice, or not at all */
        bl_pool_run(pool, mark, &j, 0);
        CHECK(!bl_pool_stopped(pool) && parts_done(&j) == 2);
        bl_pool_watch(pool, NULL, NULL);
        check_run(pool, MAX_PARTS);
        CHECK(!bl_pool_stopped(pool));
        bl_pool_free(pool);
    }
}

/* Parts that wait for the stop would never end if all were begun. */
typedef struct {
    bl_pool   *pool;
    atomic_int begun;
} slow_job;

static void until_stopped(void *arg, size_t index, int worker)
{
    slow_job *j = arg;
    (void)index;
    atomic_fetch_add(&j->begun, 1);
    while (worker != 0 && !bl_pool_stopped(j->pool))
        usleep(100);
}

TEST(pool_stops_all_workers)
{
    for (int threads = 2; threads <= 8; threads++) {
        slow_job j = { 0 };
        patience p = { .most = 10, .by = pthread_self() };
        CHECK_CODE(BLIND_OK, bl_pool_new(threads, &j.pool, NULL), "new");
        bl_pool_watch(j.pool, is_over, &p);
        bl_pool_run(j.pool, until_stopped, &j, MAX_PARTS);
        CHECK(bl_pool_stopped(j.pool) && p.asked == 10);
        CHECK(j.begun >= 9 && j.begun < 9 + threads); /* one more by each helper */
        bl_pool_free(j.pool);
    }
}

TESTS(RUN(pool_leaves_out_what_nobody_waits_for), RUN(pool_stops_all_workers),
      RUN(pool_does_every_part_once), RUN(pool_may_be_absent), RUN(pool_refuses_silly_numbers),
      RUN(pool_survives_many_small_jobs), RUN(pool_wakes_sleepers))
