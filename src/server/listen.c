/* Listening sockets: bound when the server is made, so that what is wrong is told at once; accepted
 * on the first loop and dealt to all. */
#include "base/socket.h"
#include "server/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS = 3, BACKLOG = 1024, PAUSE_MS = 200 };

typedef struct {
    bl_server    *server;
    unsigned      where;
    int           fd;
    uint16_t      port;
    struct event *readable, *pause;
} listener;

struct bl_listeners {
    listener   each[LISTENERS];
    bl_posted  start, stop;
    bl_server *server;
    unsigned   stop_where;
};

/* One accepted socket on its way to its loop. */
typedef struct {
    bl_posted  posted;
    bl_server *server;
    bl_loop   *loop;
    unsigned   where, peer;
    int        fd;
} arrival;

static void arrive(bl_posted *posted)
{
    arrival *a = (arrival *)posted;
    bl_conn_accept(a->server, a->loop, a->where, a->fd, a->peer);
    free(a);
}

/* Peers share slots by a keyed hash (FNV-1a): a table that cannot grow. */
static unsigned peer_slot(const bl_server *server, const struct sockaddr_storage *from)
{
    const uint8_t *bytes = NULL;
    size_t         size = 0;
    uint64_t       h = 0xcbf29ce484222325u;
    if (from->ss_family == AF_INET) {
        bytes = (const uint8_t *)&((const struct sockaddr_in *)(const void *)from)->sin_addr;
        size = 4;
    } else if (from->ss_family == AF_INET6) { /* the network: a host owns all of its low half */
        bytes = (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
        size = 8;
    }
    for (size_t i = 0; i < sizeof server->peer_seed; i++)
        h = (h ^ server->peer_seed[i]) * 0x100000001b3u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * 0x100000001b3u;
    return (unsigned)(h >> 32) % BL_PEER_SLOTS;
}

static void deal(listener *l, int fd, const struct sockaddr_storage *from)
{
    bl_server *s = l->server;
    unsigned   peer = peer_slot(s, from);
    bool       crowd =
        l->where == BL_ON_ATTESTED && atomic_load(&s->unattested[peer]) >= s->config->max_pending;
    if (crowd || atomic_load(&s->counters.open) >= s->config->max_connections) {
        atomic_fetch_add(&s->counters.refused, 1);
        close(fd);
        return;
    }
    bl_socket_hurry(fd, (const struct sockaddr *)from);
    unsigned i = atomic_fetch_add(&s->next_loop, 1) % (unsigned)s->loop_count;
    if (i == 0) { /* this is its thread */
        bl_conn_accept(s, s->loops[0].loop, l->where, fd, peer);
        return;
    }
    arrival *a = malloc(sizeof *a);
    if (!a) {
        close(fd);
        return;
    }
    *a = (arrival){ { .run = arrive }, s, s->loops[i].loop, l->where, peer, fd };
    bl_loop_post(a->loop, &a->posted);
}

/* Out of descriptors: look away for a moment instead of spinning. */
static void on_pause(evutil_socket_t fd, short what, void *arg)
{
    listener *l = arg;
    (void)fd;
    (void)what;
    event_add(l->readable, NULL);
}

static void on_readable(evutil_socket_t listening, short what, void *arg)
{
    listener *l = arg;
    (void)what;
    for (;;) {
        struct sockaddr_storage from = { 0 };
        socklen_t               size = sizeof from;
        int fd = accept4(listening, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            deal(l, fd, &from);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            struct timeval tv = { .tv_usec = PAUSE_MS * 1000L };
            event_del(l->readable);
            event_add(l->pause, &tv);
        }
        return;
    }
}

static blind_code say(const char *address, int error, blind_error *err)
{
    const char *why = strerror(error);
    if (error == EADDRINUSE)
        why = "the port is in use by another program";
    else if (error == EACCES)
        why = "no permission (ports below 1024 need CAP_NET_BIND_SERVICE)";
    else if (error == EADDRNOTAVAIL)
        why = "this machine has no such address";
    return blind_fail(err, BLIND_IO, "server.listen", "cannot listen on '%s': %s", address, why);
}

/* "host:port", "[v6]:port", ":port". */
static blind_code split(const char *address, char *host, size_t size, char port[8],
                        blind_error *err)
{
    const char *colon = strrchr(address, ':');
    const char *from = address;
    size_t      n = colon ? (size_t)(colon - address) : 0;
    if (n >= 2 && from[0] == '[' && from[n - 1] == ']') {
        from++;
        n -= 2;
    } else if (n > 0 && memchr(from, ':', n)) {
        colon = NULL;
    }
    if (!colon || n >= size || !colon[1] || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return blind_fail(err, BLIND_USAGE, "server.listen", "'%s': expected HOST:PORT", address);
    memcpy(host, from, n);
    host[n] = 0;
    snprintf(port, 8, "%s", colon + 1);
    return BLIND_OK;
}

static int bind_one(const struct addrinfo *to)
{
    int on = 1;
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, to->ai_addr, to->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static blind_code open_one(listener *l, const char *address, blind_error *err)
{
    char            host[256], port[8];
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    BL_TRY(split(address, host, sizeof host, port, err));
    int failed = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (failed)
        return blind_fail(err, BLIND_IO, "server.listen", "cannot listen on '%s': %s", address,
                          gai_strerror(failed));
    l->fd = bind_one(found);
    int error = errno;
    freeaddrinfo(found);
    if (l->fd < 0)
        return say(address, error, err);
    struct sockaddr_storage bound = { 0 };
    socklen_t               size = sizeof bound;
    getsockname(l->fd, (struct sockaddr *)&bound, &size);
    l->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    return BLIND_OK;
}

/* On the first loop, whose base the events belong to. */
static void start(bl_posted *posted)
{
    struct bl_listeners *all =
        (struct bl_listeners *)((char *)posted - offsetof(struct bl_listeners, start));
    struct event_base *base = bl_loop_base(all->server->loops[0].loop);
    for (int i = 0; i < LISTENERS; i++) {
        listener *l = &all->each[i];
        if (l->fd < 0)
            continue;
        l->readable = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
        l->pause = event_new(base, -1, 0, on_pause, l);
        if (l->readable && l->pause)
            event_add(l->readable, NULL);
    }
}

static void close_one(listener *l)
{
    if (l->readable)
        event_free(l->readable);
    if (l->pause)
        event_free(l->pause);
    l->readable = l->pause = NULL;
    bl_close_fd(&l->fd);
}

static void stop(bl_posted *posted)
{
    struct bl_listeners *all =
        (struct bl_listeners *)((char *)posted - offsetof(struct bl_listeners, stop));
    for (int i = 0; i < LISTENERS; i++)
        if (all->stop_where & all->each[i].where)
            close_one(&all->each[i]);
}

blind_code bl_listeners_open(bl_server *server, blind_error *err)
{
    const bl_config *config = server->config;
    const char *addresses[] = { config->listen, config->helper_listen, config->metrics_listen };
    struct bl_listeners *all = calloc(1, sizeof *all);
    if (!all)
        return blind_fail(err, BLIND_MEMORY, "server.listen", "out of memory");
    server->listeners = all;
    all->server = server;
    all->start.run = start;
    all->stop.run = stop;
    for (int i = 0; i < LISTENERS; i++)
        all->each[i] = (listener){ .server = server, .where = 1u << i, .fd = -1 };
    for (int i = 0; i < LISTENERS; i++)
        if (addresses[i] && addresses[i][0])
            BL_TRY(open_one(&all->each[i], addresses[i], err));
    return BLIND_OK;
}

void bl_listeners_start(bl_server *server)
{
    bl_loop_post(server->loops[0].loop, &server->listeners->start);
}

void bl_listeners_close(bl_server *server, unsigned where)
{
    server->listeners->stop_where = where;
    bl_loop_post(server->loops[0].loop, &server->listeners->stop);
}

void bl_listeners_free(bl_server *server)
{
    struct bl_listeners *all = server->listeners;
    for (int i = 0; all && i < LISTENERS; i++)
        close_one(&all->each[i]);
    free(all);
    server->listeners = NULL;
}

uint16_t bl_listeners_port(const bl_server *server, unsigned where)
{
    for (int i = 0; server->listeners && i < LISTENERS; i++)
        if (server->listeners->each[i].where == where)
            return server->listeners->each[i].port;
    return 0;
}
