/* What /metrics tells of one model: numbers alone.  The executor's thread counts, others read. */
#ifndef BL_COUNTS_H
#define BL_COUNTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { BL_BATCH_BOUNDS = 7, BL_WAIT_BOUNDS = 6 };

/* Upper bounds: rows of a run; nanoseconds from submission to the first step. */
static const uint64_t bl_batch_bounds[BL_BATCH_BOUNDS] = { 1, 2, 4, 8, 16, 32, 64 };
static const uint64_t bl_wait_bounds[BL_WAIT_BOUNDS] = { 100000,    1000000,    10000000,
                                                         100000000, 1000000000, 10000000000 };

typedef struct {
    _Atomic uint64_t buckets[8]; /* one more than bounds: the rest; each counts its own */
    _Atomic uint64_t sum;
} bl_histogram;

typedef struct {
    _Atomic int64_t queued; /* and running */
    bl_histogram    batch, wait;
} bl_model_counts;

static inline void bl_histogram_add(bl_histogram *h, const uint64_t *bounds, size_t len,
                                    uint64_t value)
{
    size_t i = 0;
    while (i < len && value > bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
}

#endif
