/* Threads for what may block or take long but is no inference: disks, large JSON. */
#ifndef BL_WORKER_H
#define BL_WORKER_H

#include "base/base.h"

typedef struct bl_worker bl_worker;

/* In the caller's memory until it ran. */
typedef struct bl_chore {
    struct bl_chore *next;
    void (*run)(struct bl_chore *self);
} bl_chore;

BLIND_MUST_USE blind_code bl_worker_new(int threads, bl_worker **out, blind_error *err);
/* Runs what was submitted, ends the threads, frees. */
void bl_worker_free(bl_worker *worker);
void bl_worker_submit(bl_worker *worker, bl_chore *task);

#endif
