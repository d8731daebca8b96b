/* getaddrinfo() blocks and cannot be cancelled, so whoever finishes last, the thread or the caller,
 * frees what they share. */
#include "client/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct bl_resolve {
    char            *host;
    char             service[8];
    int              ready_fd; /* eventfd; -1 for a numeric address */
    atomic_int       owners;
    atomic_bool      done;
    int              failure; /* of getaddrinfo() */
    struct addrinfo *list;
};

static void release(bl_resolve *r)
{
    if (atomic_fetch_sub(&r->owners, 1) != 1)
        return;
    if (r->list)
        freeaddrinfo(r->list);
    bl_close_fd(&r->ready_fd);
    free(r->host);
    free(r);
}

static void look_up(bl_resolve *r, int flags)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };
    r->failure = getaddrinfo(r->host, r->service, &hints, &r->list);
}

static void *look_up_thread(void *arg)
{
    bl_resolve *r = arg;
    look_up(r, 0);
    atomic_store(&r->done, true);
    eventfd_write(r->ready_fd, 1);
    release(r);
    return NULL;
}

static bool start_thread(bl_resolve *r)
{
    pthread_attr_t attributes;
    pthread_t      thread;
    if (pthread_attr_init(&attributes))
        return false;
    r->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_store(&r->owners, 2);
    bool ok = r->ready_fd >= 0 &&
              pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
              pthread_create(&thread, &attributes, look_up_thread, r) == 0;
    if (!ok)
        atomic_store(&r->owners, 1);
    pthread_attr_destroy(&attributes);
    return ok;
}

blind_code bl_resolve_new(const char *host, uint16_t port, bl_resolve **out, blind_error *err)
{
    *out = NULL;
    bl_resolve *r = calloc(1, sizeof *r);
    if (!r)
        return blind_fail(err, BLIND_MEMORY, "client.resolve", "out of memory");
    r->ready_fd = -1;
    atomic_init(&r->owners, 1);
    atomic_init(&r->done, false);
    r->host = strdup(host);
    snprintf(r->service, sizeof r->service, "%u", port);
    bool ok = r->host != NULL;
    if (ok) {
        look_up(r, AI_NUMERICHOST);
        atomic_store(&r->done, r->failure != EAI_NONAME);
        ok = atomic_load(&r->done) || start_thread(r);
    }
    if (!ok) {
        release(r);
        return blind_fail(err, BLIND_MEMORY, "client.resolve", "cannot start looking up '%s'",
                          host);
    }
    *out = r;
    return BLIND_OK;
}

int bl_resolve_fd(const bl_resolve *r)
{
    return r->ready_fd;
}

blind_code bl_resolve_result(bl_resolve *r, const struct addrinfo **out, blind_error *err)
{
    *out = NULL;
    if (!atomic_load(&r->done))
        return BLIND_AGAIN;
    if (r->failure)
        return blind_fail(err, BLIND_NETWORK, "client.resolve", "cannot look up '%s': %s", r->host,
                          gai_strerror(r->failure));
    *out = r->list;
    return BLIND_OK;
}

void bl_resolve_free(bl_resolve *r)
{
    if (r)
        release(r);
}
