/* A first-in first-out list and a few threads that take from it. */
#include "server/worker.h"

#include <pthread.h>
#include <stdlib.h>

enum { MAX_THREADS = 8 };

struct bl_worker {
    pthread_mutex_t lock;
    pthread_cond_t  filled;
    bl_chore       *first, **last;
    bool            stopping;
    pthread_t       threads[MAX_THREADS];
    int             count;
};

static bl_chore *take(bl_worker *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stopping)
        pthread_cond_wait(&w->filled, &w->lock);
    bl_chore *task = w->first;
    if (task) {
        w->first = task->next;
        if (!w->first)
            w->last = &w->first;
    }
    pthread_mutex_unlock(&w->lock);
    return task;
}

static void *run(void *arg)
{
    for (bl_chore *task = take(arg); task; task = take(arg)) {
        task->run(task);
        bl_wipe_stack();
    }
    return NULL;
}

blind_code bl_worker_new(int threads, bl_worker **out, blind_error *err)
{
    *out = NULL;
    bl_worker *w = calloc(1, sizeof *w);
    if (!w)
        return blind_fail(err, BLIND_MEMORY, "server.worker", "out of memory");
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->filled, NULL);
    while (w->count < BL_MIN(threads, MAX_THREADS)) {
        if (pthread_create(&w->threads[w->count], NULL, run, w) != 0) {
            bl_worker_free(w);
            return blind_fail(err, BLIND_FAILED, "server.worker", "cannot start a thread");
        }
        w->count++;
    }
    *out = w;
    return BLIND_OK;
}

void bl_worker_free(bl_worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->filled);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->count; i++)
        pthread_join(w->threads[i], NULL);
    pthread_cond_destroy(&w->filled);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void bl_worker_submit(bl_worker *w, bl_chore *task)
{
    pthread_mutex_lock(&w->lock);
    task->next = NULL;
    *w->last = task;
    w->last = &task->next;
    pthread_cond_signal(&w->filled);
    pthread_mutex_unlock(&w->lock);
}
