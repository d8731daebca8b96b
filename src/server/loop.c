/* A libevent base, its thread, and an eventfd that wakes it for what others posted. */
#include "server/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct bl_loop {
    struct event_base *base;
    struct event      *wake;
    int                fd;
    pthread_t          thread;
    pthread_mutex_t    lock;
    bl_posted         *first, **last;
    bool               started, stopping;
};

static bl_posted *take_all(bl_loop *loop, bool *stopping)
{
    pthread_mutex_lock(&loop->lock);
    bl_posted *first = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    *stopping = loop->stopping;
    pthread_mutex_unlock(&loop->lock);
    return first;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    bl_loop *loop = arg;
    uint64_t count;
    bool     stopping;
    (void)what;
    (void)!read(fd, &count, sizeof count);
    for (bl_posted *p = take_all(loop, &stopping), *next; p; p = next) {
        pthread_mutex_lock(&loop->lock);
        next = p->next;
        p->queued = false;
        pthread_mutex_unlock(&loop->lock);
        p->run(p);
    }
    if (stopping)
        event_base_loopbreak(loop->base);
}

static void *run(void *arg)
{
    bl_loop *loop = arg;
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

blind_code bl_loop_new(bl_loop **out, blind_error *err)
{
    *out = NULL;
    bl_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return blind_fail(err, BLIND_MEMORY, "server.loop", "out of memory");
    loop->last = &loop->first;
    loop->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->base = event_base_new();
    pthread_mutex_init(&loop->lock, NULL);
    if (loop->base && loop->fd >= 0)
        loop->wake = event_new(loop->base, loop->fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (!loop->wake || event_add(loop->wake, NULL) != 0 ||
        pthread_create(&loop->thread, NULL, run, loop) != 0) {
        bl_loop_free(loop);
        return blind_fail(err, BLIND_FAILED, "server.loop", "cannot start an event loop");
    }
    loop->started = true;
    *out = loop;
    return BLIND_OK;
}

void bl_loop_wake(bl_loop *loop)
{
    uint64_t one = 1;
    (void)!write(loop->fd, &one, sizeof one);
}

void bl_loop_free(bl_loop *loop)
{
    if (!loop)
        return;
    if (loop->started) {
        pthread_mutex_lock(&loop->lock);
        loop->stopping = true;
        pthread_mutex_unlock(&loop->lock);
        bl_loop_wake(loop);
        pthread_join(loop->thread, NULL);
    }
    if (loop->wake)
        event_free(loop->wake);
    if (loop->base)
        event_base_free(loop->base);
    bl_close_fd(&loop->fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

struct event_base *bl_loop_base(bl_loop *loop)
{
    return loop->base;
}

bool bl_loop_queue(bl_loop *loop, bl_posted *posted)
{
    pthread_mutex_lock(&loop->lock);
    bool add = !posted->queued;
    if (add) {
        posted->queued = true;
        posted->next = NULL;
        *loop->last = posted;
        loop->last = &posted->next;
    }
    pthread_mutex_unlock(&loop->lock);
    return add;
}

bool bl_loop_post(bl_loop *loop, bl_posted *posted)
{
    bool added = bl_loop_queue(loop, posted);
    if (added)
        bl_loop_wake(loop);
    return added;
}
