/* One HTTP request and its answer over one stream. */
#ifndef BL_CLIENT_ASK_H
#define BL_CLIENT_ASK_H

#include "base/arena.h"
#include "blind/client.h"
#include "client/internal.h"

typedef struct {
    const blind_request *request;
    const blind_span    *parts; /* of the body, behind request->body; borrowed */
    size_t               part_count;
    const char          *authority, *token;
    int                  idle_ms; /* without a byte either way; < 0: no limit */
    size_t               answer_max;
    const int           *gone_fd; /* NULL, or a socket whose peer's leaving ends it: CANCELLED */
    blind_response      *out;
    /* Afterwards: what the caller may do next. */
    bool answered;   /* a byte of an answer came */
    bool body_begun; /* the body callback was called: rewind it before another try */
    bool reusable;   /* the stream can carry another request */
    bool reattest;   /* the answer was 409 `reattest`; *out is empty */
} bl_ask;

/* blind_client_request() with a body in several places: request->body, then `parts`. */
BLIND_MUST_USE blind_code bl_client_request_parts(blind_client        *client,
                                                  const blind_request *request,
                                                  const blind_span *parts, size_t part_count,
                                                  blind_response *out, blind_error *err);

/* blind_client_request() for someone at the other end of `fd`, a connected socket: when they leave
 * the request ends, CANCELLED, and its connection with it. */
BLIND_MUST_USE blind_code bl_client_request_for(blind_client *client, const blind_request *request,
                                                int fd, blind_response *out, blind_error *err);

BLIND_MUST_USE blind_code bl_ask_run(bl_ask *ask, blind_stream *stream, blind_error *err);

/* Whether the caller gave a header of this name, in lower case. */
bool bl_ask_has_header(const blind_request *request, const char *name);

/* Remembers the salt of an own upload for the verdicts to come. */
BLIND_MUST_USE blind_code bl_client_add_salt(blind_client *client, const uint8_t salt[32],
                                             blind_error *err);

/* The memory behind a blind_response. */
typedef struct {
    bl_arena arena;
    bl_buf   body;
} bl_response_memory;

#endif
