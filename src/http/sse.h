/* Server-sent events, read as they come: what a streamed answer of a language model is made of.
 *
 * Only data counts: names, ids and comments are passed over.
 * Source: WHATWG, HTML, 9.2.6 "Interpreting an event stream". */
#ifndef BL_HTTP_SSE_H
#define BL_HTTP_SSE_H

#include "base/buf.h"

/* One event's data, its lines joined by line ends; borrowed for the call.  Any code but OK ends the
 * reading and is its answer. */
typedef blind_code bl_sse_take(void *arg, blind_span data, blind_error *err);

typedef struct {
    bl_buf       line, data; /* of the event under way */
    bool         cr;         /* a line feed that follows belongs to the line before */
    bool         has_data;
    size_t       max; /* bytes of one line, and of one event's data */
    bl_sse_take *take;
    void        *arg;
} bl_sse;

void bl_sse_init(bl_sse *s, size_t max, bl_sse_take *take, void *arg);
void bl_sse_done(bl_sse *s);

/* Takes the next bytes; an event that ends in them is handed over at once.
 * Errors LIMIT (a longer line or event), MEMORY, those of `take`; all are final */
BLIND_MUST_USE blind_code bl_sse_read(bl_sse *s, blind_span bytes, blind_error *err);

#endif
