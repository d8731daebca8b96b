/* One accepted socket on its loop: bytes in and bytes out, through TLS or not.
 *
 *     SHAKING --handshake finished--> OPEN --end of the stream, or a failure--> ENDED
 *
 * Bytes are read when they are asked for, in pieces as large as there are, either to where the
 * caller wants them or into a small window of the wire; nothing is held for a connection that is
 * idle.  Bytes out are written at once and queued as far as the socket does not take them.
 *
 * The events come from the loop and never from inside a call, so that a caller may do anything in
 * them, freeing the wire included. */
#ifndef BL_WIRE_H
#define BL_WIRE_H

#include "base/base.h"

struct event_base;
struct ssl_st;
typedef struct bl_wire bl_wire;

typedef struct {
    void (*open)(void *arg);     /* the handshake is finished; without TLS it does not come */
    void (*readable)(void *arg); /* there may be something to read */
    void (*sent)(void *arg);     /* all that was queued has left */
    void (*ended)(void *arg);    /* nothing more comes or goes */
} bl_wire_events;

/* Owns `fd` and `ssl` (accepting; NULL: no TLS) from here on; on failure, NULL, both stay the
 * caller's. */
bl_wire *bl_wire_new(struct event_base *base, int fd, struct ssl_st *ssl,
                     const bl_wire_events *events, void *arg);
/* Says goodbye where it can be heard; what is still queued is not sent. */
void bl_wire_free(bl_wire *wire);

/* Reads at most `size` bytes to `to`, as many as are there; 0: nothing now, or never again.  Only
 * while the window is empty. */
size_t bl_wire_read(bl_wire *wire, void *to, size_t size);

/* The window: what was read and not taken.  _fill reads more, and stops listening to a peer that
 * has filled it, until some of it is taken; false: nothing new. */
blind_span bl_wire_window(const bl_wire *wire);
bool       bl_wire_fill(bl_wire *wire);
void       bl_wire_take(bl_wire *wire, size_t n);
/* Whether there are bytes that the peer has sent already, as far as is known without asking the
 * system. */
bool bl_wire_behind(bl_wire *wire);
/* Another `readable` after the other connections of the loop had their turn. */
void bl_wire_again(bl_wire *wire);

/* Takes over `bytes` (from malloc, wiped and freed in any case) and sends them.  False: out of
 * memory. */
BLIND_MUST_USE bool bl_wire_send(bl_wire *wire, uint8_t *bytes, size_t size);
bool                bl_wire_sending(const bl_wire *wire);
size_t              bl_wire_queued(const bl_wire *wire); /* bytes that have not left */

#endif
