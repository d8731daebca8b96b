/* What the tests of the executor and the registry share: requests that are waited for as an event
 * loop would, by an eventfd. */
#ifndef BL_TEST_ASKING_H
#define BL_TEST_ASKING_H

#include "server/executor.h"
#include "tests/engine/test_engines.h"
#include "tests/test.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    bl_request *request;
    int         wake_fd;
    /* What came out. */
    char       text[4096];
    size_t     text_size, tokens, outputs;
    float      y;
    bool       ended;
    blind_code code; /* OK after DONE */
    char       message[256];
    uint64_t   wait_ns, compute_ns, ended_ns, submitted_ns;
} asked;

static inline uint64_t test_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline bl_principal test_who(const char *name)
{
    bl_principal p = { .rights = BL_RIGHT_ALL & ~BL_RIGHT_ADMIN };
    snprintf(p.name, sizeof p.name, "%s", name);
    return p;
}

static inline void test_wake(void *arg)
{
    uint64_t one = 1;
    CHECK(write(*(int *)arg, &one, sizeof one) == sizeof one);
}

/* A request with one value for each input of both test engines. */
static inline void ask_new(asked *a, const char *who, bl_request_options options, int32_t tokens)
{
    *a = (asked){ .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    unsigned priority = options.principal.priority;
    options.principal = test_who(who);
    options.principal.priority = priority;
    options.wake = test_wake;
    options.wake_arg = &a->wake_fd;
    CHECK_CODE(BLIND_OK, bl_request_new(&options, &a->request, NULL), "request");
    bl_arena     *arena = bl_request_arena(a->request);
    blind_tensor *in = bl_arena_array(arena, 3, sizeof *in);
    in[0] = (blind_tensor){ .name = "prompt", .dtype = BLIND_STRING, .rank = 1, .shape = { 1 } };
    in[1] = (blind_tensor){ .name = "max_tokens", .dtype = BLIND_I32, .rank = 1, .shape = { 1 } };
    in[2] = (blind_tensor){ .name = "x", .dtype = BLIND_F32, .rank = 1, .shape = { 1 } };
    in[1].data = bl_arena_alloc(arena, 4);
    in[2].data = bl_arena_alloc(arena, 4);
    memcpy(in[1].data, &tokens, 4);
    in[1].size = in[2].size = 4;
    bl_request_set_inputs(a->request, in, 3);
    a->submitted_ns = test_now_ns();
}

static inline void ask_take(asked *a, bl_event *e)
{
    if (e->kind == BL_EVENT_TEXT) {
        CHECK(a->text_size + e->text.size < sizeof a->text);
        memcpy(a->text + a->text_size, e->text.data, e->text.size);
        a->text_size += e->text.size;
        a->tokens++;
    } else if (e->kind == BL_EVENT_OUTPUTS) {
        memcpy(&a->y, e->outputs[0].data, 4);
        a->outputs++;
    } else {
        a->ended = true;
        a->ended_ns = test_now_ns();
        a->code = e->error.code;
        a->wait_ns = e->wait_ns;
        a->compute_ns = e->compute_ns;
        snprintf(a->message, sizeof a->message, "%s", e->error.message);
    }
    bl_event_free(e);
}

/* Takes what is there now. */
static inline void ask_poll(asked *a)
{
    for (bl_event *e; (e = bl_request_next(a->request));)
        ask_take(a, e);
}

/* Waits for the last event, 30 s at most. */
static inline void ask_wait(asked *a)
{
    uint64_t end = test_now_ns() + 30u * 1000000000ull, count;
    for (ask_poll(a); !a->ended; ask_poll(a)) {
        struct pollfd p = { .fd = a->wake_fd, .events = POLLIN };
        CHECK(test_now_ns() < end);
        poll(&p, 1, 1000);
        if (read(a->wake_fd, &count, sizeof count) < 0)
            continue;
    }
}

static inline void ask_done(asked *a)
{
    bl_request_abandon(a->request);
    bl_request_release(a->request);
    close(a->wake_fd);
}

#endif
