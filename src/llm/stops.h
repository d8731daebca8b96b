/* Text on its way out of a generation: whole characters, and nothing of a stop text.
 *
 * Bytes go in as tokens write them.  What may yet become a stop text or the rest of a character is
 * held back; what is no UTF-8 comes out as U+FFFD. */
#ifndef BL_LLM_STOPS_H
#define BL_LLM_STOPS_H

#include "base/buf.h"
#include "base/limits.h"

typedef struct {
    bl_buf     held;
    bl_buf     texts; /* the stop texts, one after the other */
    blind_span stops[BL_MAX_STOPS];
    size_t     n_stops;
    uint64_t   passed; /* bytes that went in and need not be held any more */
    bool       stopped;
} bl_stops;

/* stops   [n], copied; none of them empty
 * Errors  INPUT (an empty one), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_stops_init(bl_stops *s, const blind_span *stops, size_t n,
                                        blind_error *err);
void                      bl_stops_done(bl_stops *s);

/* Appends to `out` what may go out after these bytes.  True when a stop text is complete: it and
 * what follows is dropped.  Of several that end in these bytes the one that begins first counts. */
bool bl_stops_add(bl_stops *s, blind_span bytes, bl_buf *out);
/* Appends what is still held: no more bytes will come. */
void bl_stops_finish(bl_stops *s, bl_buf *out);

#endif
