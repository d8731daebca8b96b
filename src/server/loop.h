/* One event-loop thread: it owns sockets and never computes.  Other threads reach it by posting. */
#ifndef BL_LOOP_H
#define BL_LOOP_H

#include "base/base.h"

struct event_base;
typedef struct bl_loop bl_loop;

/* Work that runs once on the loop's thread, in the caller's memory until it ran. */
typedef struct bl_posted {
    struct bl_posted *next;
    bool              queued;
    void (*run)(struct bl_posted *self);
} bl_posted;

/* Starts the thread.  Errors: FAILED, MEMORY */
BLIND_MUST_USE blind_code bl_loop_new(bl_loop **out, blind_error *err);
/* Ends the thread after what was posted so far, then frees. */
void               bl_loop_free(bl_loop *loop);
struct event_base *bl_loop_base(bl_loop *loop);
/* From any thread; false: it is queued already, and runs once. */
bool bl_loop_post(bl_loop *loop, bl_posted *posted);
/* The two halves of it, for a caller that holds a lock which the work wants: the thread that is
 * woken often takes the processor at once. */
bool bl_loop_queue(bl_loop *loop, bl_posted *posted);
void bl_loop_wake(bl_loop *loop);

#endif
