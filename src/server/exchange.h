/* One request and its reply, as handlers see them.
 *
 * An exchange belongs to its loop's thread.  Work elsewhere holds a reference and comes back by
 * bl_exchange_post(); the connection may have gone meanwhile, and then e->conn is NULL and replies
 * go nowhere. */
#ifndef BL_EXCHANGE_H
#define BL_EXCHANGE_H

#include "base/buf.h"
#include "http/message.h"
#include "server/loop.h"
#include "server/principal.h"
#include "server/route.h"

#include <stdatomic.h>

typedef struct bl_conn   bl_conn;
typedef struct bl_server bl_server;

struct bl_exchange {
    bl_conn            *conn;
    bl_server          *server;
    bl_loop            *loop;
    const bl_route     *route; /* NULL: none was found */
    const bl_http_head *head;  /* until the reply, while the connection lives */
    uint64_t            id;    /* in logs and in X-Request-Id */
    uint64_t            attested_len;
    bl_route_params     params;
    bl_principal        principal;
    bl_buf              body;
    void               *data; /* the handler's */
    int                 status;
    bool                replied, head_only;
    bool                streams; /* between bl_reply_begin() and bl_reply_end() */
    uint64_t            started_ns, body_in, body_out;

    void (*room)(bl_exchange *e); /* private from here */
    bl_posted                         posted;
    _Atomic(void (*)(bl_exchange *e)) resume;
    _Atomic int                       refs;
};

bl_exchange *bl_exchange_retain(bl_exchange *e);
void         bl_exchange_release(bl_exchange *e);

/* From any thread: runs `resume` on the loop's thread.  One at a time: a second post with the same
 * function before the first ran is the same post.  The reference it needs is taken inside. */
void bl_exchange_post(bl_exchange *e, void (*resume)(bl_exchange *e));
/* The same, but the loop is woken by the caller: bl_loop_wake(). */
void bl_exchange_queue(bl_exchange *e, void (*resume)(bl_exchange *e));

/* Replies; `body` is taken over and left empty.  type NULL: no body.
 * fields  "Name: value\r\n" lines more, or NULL */
void bl_reply(bl_exchange *e, int status, const char *type, bl_buf *body, const char *fields);
/* A reply in pieces, whose length nobody knows beforehand.  Each piece leaves at once; while too
 * much waits for the client, bl_reply_full() is true, and the caller makes no more until `room` is
 * called.  A client that goes is told by the route's `gone`, as before a reply.
 *
 * _piece  `bytes` is taken over and left empty; one that failed cuts the reply off
 * _end    the last; until then the exchange is not over */
void bl_reply_begin(bl_exchange *e, int status, const char *type, const char *fields,
                    void (*room)(bl_exchange *e));
void bl_reply_piece(bl_exchange *e, bl_buf *bytes);
bool bl_reply_full(const bl_exchange *e);
void bl_reply_end(bl_exchange *e);
void bl_reply_text(bl_exchange *e, int status, const char *type, const char *text);
/* The reply that an error has: status by its code, {"error": message, "code": NAME}. */
void        bl_reply_error(bl_exchange *e, const blind_error *error);
int         bl_status_of(const blind_error *error);
const char *bl_error_name(blind_code code); /* in bodies: "reattest", "INPUT" */

/* Stops reading this body until bl_exchange_go(). */
void bl_exchange_pause(bl_exchange *e);
void bl_exchange_go(bl_exchange *e);

#endif
