/* A socket, the events that watch it, and the two directions of its bytes. */
#include "server/wire.h"

#include "base/buf.h"
#include "base/clock.h"
#include "blind/stream.h"
#include "tls/context.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    RECORD = 16 * 1024,     /* what one read of TLS gives at most */
    WINDOW_MAX = 64 * 1024, /* bytes that may wait unread in memory */
    TURN = 1024 * 1024,     /* written before others have their turn */
    HELD = 2 * RECORD,      /* of a body: while more is to come than this, a record follows */
    LARGE = 64 * 1024,      /* a peer that owes so much is about to send more, */
    WAIT_NS = 50000,        /* and is waited for so long before the loop turns away from it, */
    WAITS = 4,              /* until it did not come so often */
};

/* Bytes on their way out. */
typedef struct piece {
    struct piece *next;
    uint8_t      *bytes;
    size_t        size, sent;
} piece;

struct bl_wire {
    const bl_wire_events *events;
    void                 *arg;
    int                   fd;
    struct ssl_st        *ssl;
    struct event         *readable, *writable, *soon;
    bool                  shaking, ended;
    bool                  listening;           /* for `readable` */
    bool                  sent_due, again_due; /* what `soon` is to tell */
    bool                  held;                /* bl_tls_hold() */
    bool                  large;               /* body under way */
    int                   waits;               /* that it may still cost in vain */
    bool                  read_waits_to_write, write_waits_to_read;
    bl_buf                window;
    size_t                taken; /* of the window */
    piece                *first, **last;
    size_t                queued; /* bytes of all pieces */
};

/* ---- one step of the socket ---- */

static blind_code plain_result(ssize_t n, size_t *done, int *wants, int wanted)
{
    if (n > 0)
        *done = (size_t)n;
    if (n > 0)
        return BLIND_OK;
    bool again = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    *wants = again ? wanted : 0;
    return again ? BLIND_AGAIN : BLIND_CLOSED;
}

static blind_code read_once(bl_wire *w, void *to, size_t size, size_t *got, int *wants)
{
    *got = 0;
    if (w->ssl)
        return bl_tls_read(w->ssl, to, size, got, wants, NULL);
    return plain_result(recv(w->fd, to, size, 0), got, wants, BLIND_WANTS_READ);
}

static blind_code write_once(bl_wire *w, const void *from, size_t size, size_t *put, int *wants)
{
    *put = 0;
    if (w->ssl)
        return bl_tls_write(w->ssl, from, size, put, wants, NULL);
    return plain_result(send(w->fd, from, size, MSG_NOSIGNAL), put, wants, BLIND_WANTS_WRITE);
}

/* ---- what is due ---- */

/* By a timer of no time: the loop looks at its other sockets first. */
static void soon(bl_wire *w)
{
    static const struct timeval now = { 0 };
    event_add(w->soon, &now);
}

static void end(bl_wire *w)
{
    w->ended = true;
    event_del(w->readable);
    event_del(w->writable);
    soon(w);
}

/* One thing at a time, for each may free the wire. */
static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    bl_wire *w = arg;
    (void)fd;
    (void)what;
    if ((w->sent_due && w->again_due) || ((w->sent_due || w->again_due) && w->ended))
        soon(w);
    if (w->sent_due) {
        w->sent_due = false;
        w->events->sent(w->arg);
    } else if (w->again_due) {
        w->again_due = false;
        w->events->readable(w->arg);
    } else if (w->ended) {
        w->events->ended(w->arg);
    }
}

/* ---- in ---- */

static void listen_again(bl_wire *w)
{
    if (!w->listening && !w->ended)
        w->listening = event_add(w->readable, NULL) == 0;
}

static void stop_listening(bl_wire *w)
{
    if (w->listening)
        event_del(w->readable);
    w->listening = false;
}

static void hold(bl_wire *w, bool on)
{
    if (w->ssl && w->held != on)
        bl_tls_hold(w->ssl, on);
    w->held = on;
}

/* One record of TLS at most.
 *
 * more  whether the peer owes more than this read can give */
static size_t read_some(bl_wire *w, void *to, size_t size, bool more)
{
    size_t got;
    int    wants = 0;
    if (w->ended || w->shaking)
        return 0;
    hold(w, more);
    blind_code code = read_once(w, to, size, &got, &wants);
    w->read_waits_to_write = code == BLIND_AGAIN && wants == BLIND_WANTS_WRITE;
    if (w->read_waits_to_write) /* a new key is being answered */
        event_add(w->writable, NULL);
    else if (code != BLIND_OK && code != BLIND_AGAIN)
        end(w);
    return got;
}

/* As read_some(), giving the peer some microseconds to send more. */
static size_t wait_briefly(bl_wire *w, void *to, size_t size)
{
    uint64_t until = bl_clock_ns() + WAIT_NS;
    size_t   got;
    do
        got = read_some(w, to, size, size > HELD);
    while (got == 0 && !w->ended && bl_clock_ns() < until);
    w->waits -= got == 0;
    return got;
}

/* Being woken for each of the next few records would cost both sides more than waiting for them. */
size_t bl_wire_read(bl_wire *w, void *to, size_t size)
{
    size_t all = 0;
    if (size >= LARGE && !w->large) {
        w->large = true;
        w->waits = WAITS;
    }
    for (size_t got = 1; got > 0 && all < size; all += got) {
        uint8_t *at = (uint8_t *)to + all;
        size_t   left = size - all;
        got = read_some(w, at, left, left > HELD);
        if (got == 0 && w->large && w->waits > 0)
            got = wait_briefly(w, at, left);
    }
    return all;
}

blind_span bl_wire_window(const bl_wire *w)
{
    return bl_span(w->window.data + w->taken, w->window.size - w->taken);
}

bool bl_wire_fill(bl_wire *w)
{
    if (w->window.size >= WINDOW_MAX) {
        stop_listening(w);
        return false;
    }
    uint8_t *to = bl_buf_reserve(&w->window, RECORD);
    if (!to) {
        end(w);
        return false;
    }
    w->large = false; /* a head, that is to say another request */
    size_t got = read_some(w, to, RECORD, false);
    w->window.size += got;
    if (w->window.size == 0)
        bl_wire_take(w, 0);
    return got > 0;
}

void bl_wire_take(bl_wire *w, size_t n)
{
    w->taken += n;
    if (w->taken < w->window.size)
        return;
    bl_buf_done(&w->window);
    w->window.secret = true;
    w->taken = 0;
    listen_again(w);
}

bool bl_wire_behind(bl_wire *w)
{
    if (w->taken == w->window.size && w->ssl && bl_tls_pending(w->ssl))
        bl_wire_fill(w);
    return w->taken < w->window.size;
}

void bl_wire_again(bl_wire *w)
{
    w->again_due = true;
    soon(w);
}

/* ---- out ---- */

static void free_bytes(uint8_t *bytes, size_t size)
{
    bl_wipe(bytes, size);
    free(bytes);
}

static void drop_first(bl_wire *w)
{
    piece *p = w->first;
    w->first = p->next;
    if (!w->first)
        w->last = &w->first;
    free_bytes(p->bytes, p->size);
    free(p);
}

/* Writes until nothing is queued, the socket is full, or others should have their turn. */
static void flush(bl_wire *w)
{
    size_t     turn = 0;
    blind_code code = BLIND_OK;
    int        wants = BLIND_WANTS_WRITE;
    while (w->first && !w->ended && code == BLIND_OK && turn < TURN) {
        piece *p = w->first;
        size_t put;
        code = write_once(w, p->bytes + p->sent, p->size - p->sent, &put, &wants);
        p->sent += put;
        w->queued -= put;
        turn += put;
        if (p->sent == p->size)
            drop_first(w);
    }
    w->write_waits_to_read = code == BLIND_AGAIN && wants == BLIND_WANTS_READ;
    if (code != BLIND_OK && code != BLIND_AGAIN)
        end(w);
    else if (w->first && !w->write_waits_to_read)
        event_add(w->writable, NULL);
    if (w->first || w->ended)
        return;
    w->sent_due = true;
    soon(w);
}

bool bl_wire_send(bl_wire *w, uint8_t *bytes, size_t size)
{
    piece *p = size ? malloc(sizeof *p) : NULL;
    if (!p) {
        free_bytes(bytes, size);
        return size == 0;
    }
    *p = (piece){ .bytes = bytes, .size = size };
    *w->last = p;
    w->last = &p->next;
    w->queued += size;
    if (w->first == p)
        flush(w);
    return true;
}

bool bl_wire_sending(const bl_wire *w)
{
    return w->first != NULL;
}

size_t bl_wire_queued(const bl_wire *w)
{
    return w->queued;
}

/* ---- events ---- */

static void shake(bl_wire *w)
{
    int        wants;
    blind_code code = bl_tls_handshake(w->ssl, &wants, NULL);
    if (code == BLIND_AGAIN && wants == BLIND_WANTS_WRITE)
        event_add(w->writable, NULL);
    if (code == BLIND_AGAIN)
        return;
    w->shaking = false;
    if (code == BLIND_OK)
        w->events->open(w->arg);
    else
        end(w);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    bl_wire *w = arg;
    (void)fd;
    (void)what;
    if (w->shaking) {
        shake(w);
        return;
    }
    if (w->write_waits_to_read)
        flush(w);
    w->events->readable(w->arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    bl_wire *w = arg;
    (void)fd;
    (void)what;
    if (w->shaking) {
        shake(w);
        return;
    }
    if (w->first)
        flush(w);
    if (w->read_waits_to_write)
        w->events->readable(w->arg);
}

/* ---- life ---- */

static bool make_events(bl_wire *w, struct event_base *base)
{
    w->readable = event_new(base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
    w->writable = event_new(base, w->fd, EV_WRITE, on_writable, w);
    w->soon = event_new(base, -1, 0, on_soon, w);
    if (!w->readable || !w->writable || !w->soon)
        return false;
    listen_again(w);
    return w->listening;
}

static void free_memory(bl_wire *w)
{
    struct event *const all[] = { w->readable, w->writable, w->soon };
    for (size_t i = 0; i < BL_LEN(all); i++)
        if (all[i])
            event_free(all[i]);
    while (w->first)
        drop_first(w);
    bl_buf_done(&w->window);
    free(w);
}

bl_wire *bl_wire_new(struct event_base *base, int fd, struct ssl_st *ssl,
                     const bl_wire_events *events, void *arg)
{
    bl_wire *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (bl_wire){ .events = events,
                    .arg = arg,
                    .fd = fd,
                    .ssl = ssl,
                    .shaking = ssl != NULL,
                    .window = { .secret = true } };
    w->last = &w->first;
    if ((!ssl || bl_tls_set_socket(ssl, fd)) && make_events(w, base))
        return w;
    free_memory(w);
    return NULL;
}

void bl_wire_free(bl_wire *w)
{
    if (!w)
        return;
    int fd = w->fd;
    bl_tls_close(w->ssl);
    free_memory(w);
    bl_close_fd(&fd);
}
