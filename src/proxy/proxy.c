/* The listener, a thread for each connection, and their end. */
#include "base/socket.h"
#include "proxy/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 128, STACK = 1 << 20, PAUSE_MS = 50, LINGER_MS = 200 };

/* Listening.  -------------------------------------------------------------------------------- */

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static blind_code split(const char *address, char *host, size_t size, char port[8],
                        blind_error *err)
{
    const char *colon = strrchr(address, ':');
    size_t      n = colon ? (size_t)(colon - address) : 0;
    bool        bracket = n >= 2 && address[0] == '[' && address[n - 1] == ']';
    if (bracket)
        n -= 2;
    if (!colon || n == 0 || n >= size || !colon[1] || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return blind_fail(err, BLIND_USAGE, "proxy.listen", "'%.100s': expected ADDRESS:PORT",
                          address);
    memcpy(host, address + bracket, n);
    host[n] = 0;
    snprintf(port, 8, "%s", colon + 1);
    return BLIND_OK;
}

static blind_code bind_to(bl_proxy *p, const struct addrinfo *to, blind_error *err)
{
    int on = 1;
    if (!p->options.anywhere && !is_loopback(to->ai_addr))
        return blind_fail(err, BLIND_USAGE, "proxy.listen",
                          "'%.100s' is not of this machine alone: --anywhere allows it, and "
                          "--local-key keeps others out",
                          p->options.listen);
    p->listener = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->listener >= 0)
        (void)!setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (p->listener < 0 || bind(p->listener, to->ai_addr, to->ai_addrlen) != 0 ||
        listen(p->listener, BACKLOG) != 0)
        return blind_fail(err, BLIND_IO, "proxy.listen", "cannot listen on '%.100s': %s",
                          p->options.listen, strerror(errno));
    struct sockaddr_storage bound = { 0 };
    socklen_t               size = sizeof bound;
    getsockname(p->listener, (struct sockaddr *)&bound, &size);
    p->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    return BLIND_OK;
}

static blind_code open_listener(bl_proxy *p, blind_error *err)
{
    char             host[128], port[8];
    struct addrinfo *found = NULL;
    struct addrinfo  hints = { .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST,
                               .ai_socktype = SOCK_STREAM };
    BL_TRY(split(p->options.listen, host, sizeof host, port, err));
    int failed =
        getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &hints, &found);
    if (failed)
        return blind_fail(err, BLIND_USAGE, "proxy.listen", "'%.100s': expected ADDRESS:PORT",
                          p->options.listen);
    blind_code code = bind_to(p, found, err);
    freeaddrinfo(found);
    return code;
}

static blind_code open_pipe(bl_proxy *p, blind_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return blind_fail(err, BLIND_IO, "proxy.open", "cannot make a pipe: %s", strerror(errno));
    p->stop_read = ends[0];
    p->stop_write = ends[1];
    return BLIND_OK;
}

static int otherwise(int given, int usual)
{
    return given ? given : usual;
}

blind_code bl_proxy_open(const bl_proxy_options *options, bl_proxy **out, blind_error *err)
{
    *out = NULL;
    bl_proxy *p = calloc(1, sizeof *p);
    if (!p)
        return blind_fail(err, BLIND_MEMORY, "proxy.open", "out of memory");
    p->options = *options;
    p->options.idle_ms = otherwise(options->idle_ms, 120000);
    p->options.stall_ms = otherwise(options->stall_ms, 60000);
    p->options.drain_ms = otherwise(options->drain_ms, 30000);
    p->listener = p->stop_read = p->stop_write = -1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&p->gone, &clock);
    pthread_condattr_destroy(&clock);
    blind_code code = open_pipe(p, err);
    if (code == BLIND_OK)
        code = open_listener(p, err);
    if (code != BLIND_OK) {
        bl_proxy_close(p);
        return code;
    }
    *out = p;
    return BLIND_OK;
}

uint16_t bl_proxy_port(const bl_proxy *p)
{
    return p->port;
}

void bl_proxy_stop(bl_proxy *p)
{
    char byte = 0;
    atomic_store(&p->stopping, true);
    (void)!write(p->stop_write, &byte, 1);
}

void bl_proxy_close(bl_proxy *p)
{
    if (!p)
        return;
    bl_close_fd(&p->listener);
    bl_close_fd(&p->stop_read);
    bl_close_fd(&p->stop_write);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->gone);
    free(p);
}

/* Connections.  ------------------------------------------------------------------------------ */

static void add(bl_local *l)
{
    bl_proxy *p = l->proxy;
    pthread_mutex_lock(&p->lock);
    l->next = p->locals;
    l->prev = &p->locals;
    if (l->next)
        l->next->prev = &l->next;
    p->locals = l;
    p->n_locals++;
    pthread_mutex_unlock(&p->lock);
}

/* The proxy may go as soon as the last connection has. */
static void take_away(bl_local *l)
{
    bl_proxy *p = l->proxy;
    pthread_mutex_lock(&p->lock);
    *l->prev = l->next;
    if (l->next)
        l->next->prev = l->prev;
    p->n_locals--;
    bl_close_fd(&l->fd);
    free(l);
    pthread_cond_broadcast(&p->gone);
    pthread_mutex_unlock(&p->lock);
}

/* What a client still sends is read for a moment, so that it sees the answer before the end. */
static void linger(int fd)
{
    char          bytes[4096];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 64 && poll(&p, 1, LINGER_MS) > 0; i++)
        if (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
            break;
}

static void *serve(void *arg)
{
    bl_local *l = arg;
    bl_local_serve(l);
    if (!l->broken)
        linger(l->fd);
    bl_wipe_stack();
    take_away(l);
    return NULL;
}

static bool has_room(bl_proxy *p)
{
    pthread_mutex_lock(&p->lock);
    bool room = p->n_locals < BL_MAX_PROXY_CONNECTIONS;
    pthread_mutex_unlock(&p->lock);
    return room;
}

static bool start_thread(bl_local *l)
{
    pthread_attr_t attr;
    pthread_t      thread;
    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    int failed = pthread_create(&thread, &attr, serve, l);
    pthread_attr_destroy(&attr);
    return failed == 0;
}

static void take(bl_proxy *p, int fd, const struct sockaddr *from)
{
    bl_local *l = has_room(p) ? calloc(1, sizeof *l) : NULL;
    if (!l) {
        close(fd);
        return;
    }
    bl_socket_hurry(fd, from);
    l->proxy = p;
    l->fd = fd;
    add(l);
    if (!start_thread(l))
        take_away(l);
}

/* Ends what is left: a connection whose socket is shut down finds its client gone. */
static void drain(bl_proxy *p)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += p->options.drain_ms / 1000;
    until.tv_nsec += p->options.drain_ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&p->lock);
    while (p->n_locals && pthread_cond_timedwait(&p->gone, &p->lock, &until) != ETIMEDOUT)
        continue;
    for (bl_local *l = p->locals; l; l = l->next)
        shutdown(l->fd, SHUT_RDWR);
    while (p->n_locals)
        pthread_cond_wait(&p->gone, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void bl_proxy_run(bl_proxy *p)
{
    struct pollfd both[] = { { .fd = p->listener, .events = POLLIN },
                             { .fd = p->stop_read, .events = POLLIN } };
    while (!atomic_load(&p->stopping)) {
        if (poll(both, 2, -1) < 0 || !both[0].revents)
            continue;
        struct sockaddr_storage from = { 0 };
        socklen_t               size = sizeof from;
        int                     fd =
            accept4(p->listener, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            take(p, fd, (const struct sockaddr *)&from);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            poll(&both[1], 1, PAUSE_MS); /* look away for a moment instead of spinning */
    }
    bl_close_fd(&p->listener);
    drain(p);
}
