/* One connection: TLS, then requests one after another.
 *
 *     HANDSHAKE -> HEAD -> BODY <-> PAUSED -> WAIT -> SENDING -> HEAD        keep-alive
 *                    |       |               |           |-----> DISCARD -> HEAD
 *                    |       |               +-> STREAM -+         a reply in pieces
 *                    +-------+--- refused early ---------+-----> LINGER     then closed
 *
 * DISCARD reads over what is left of a small body so that the connection can go on; LINGER reads
 * over a large one for a moment so that the client sees the reply before the close. */
#ifndef BL_CONN_H
#define BL_CONN_H

#include "server/exchange.h"
#include "server/wire.h"
#include "tls/client_authenticator.h"

#include <event2/util.h>

struct event;
struct ssl_st;

typedef enum {
    BL_CONN_HANDSHAKE,
    BL_CONN_HEAD,
    BL_CONN_BODY,
    BL_CONN_PAUSED,
    BL_CONN_WAIT,
    BL_CONN_STREAM,
    BL_CONN_SENDING,
    BL_CONN_DISCARD,
    BL_CONN_LINGER,
} bl_conn_state;

struct bl_conn {
    bl_server     *server;
    bl_loop       *loop;
    bl_wire       *wire;
    struct ssl_st *ssl; /* the wire's; NULL on the metrics listener */
    struct event  *timer;
    bl_exchange   *exchange;
    bl_http_parser parser;
    bl_conn_state  state;
    unsigned       where; /* which listener */
    uint64_t       id;
    uint64_t       requests;
    unsigned       peer; /* slot in the tables of what one address may have waiting */
    bool           pending, unattested; /* counted there */
    bool           attested, close_after, body_unread, reading;
    bool           chunked;      /* pieces of the reply are chunks; else the close ends it */
    uint64_t       attested_len; /* of the runtime log, as this session attested it */
    bl_contexts    contexts;     /* of both sides' authenticators */
    bl_challenge   challenge;
    bool           challenged; /* an endorsement key was, which is slow: once is enough */
    bool           has_key;    /* the client proved one on this session */
    uint8_t        key_id[BL_KEY_ID_SIZE];
    uint64_t       body_began_ns;
    bl_conn       *next, **prev; /* all of this loop */
};

/* A socket that a listener accepted; runs on the loop's thread and owns fd. */
void bl_conn_accept(bl_server *server, bl_loop *loop, unsigned where, evutil_socket_t fd,
                    unsigned peer);
void bl_conn_free(bl_conn *c);
/* Closes what is idle; the rest closes after its reply. */
void bl_conn_drain(bl_conn *c);

/* The evidence is on its way: the fence opens, up to this length of the runtime log. */
void bl_conn_attested(bl_conn *c, uint64_t log_len);

/* For exchange.c: sends a reply's bytes, and goes on with the body. */
void bl_conn_send(bl_conn *c, bl_buf *head, bl_buf *body);
void bl_conn_go(bl_conn *c);
/* The same for a reply in pieces, each of which is left empty. */
void bl_conn_stream(bl_conn *c, bl_buf *head);
void bl_conn_piece(bl_conn *c, bl_buf *bytes);
bool bl_conn_full(const bl_conn *c);
void bl_conn_stream_end(bl_conn *c);

#endif
