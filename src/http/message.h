/* HTTP/1.1 messages: one incremental, bounded parser for requests and responses, and writers.
 *
 * Pure: bytes in, events out, no socket.  What two readers could understand differently is refused
 * and never repaired: bare CR or LF, obs-fold, blanks before the colon, Content-Length beside
 * Transfer-Encoding or twice, codings other than one `chunked`.  Source: RFC 9112.
 *
 *     bl_http_parser_init(&parser, BL_HTTP_REQUEST, NULL);
 *     do {
 *         BL_TRY(bl_http_parse(&parser, input, &used, &event, &body, err));
 *         input = rest after `used`;
 *         HEAD: look at parser.head;  BODY: take `body`;  END: bl_http_parser_next(&parser);
 *     } while (event != BL_HTTP_MORE);    a message without a body ends without more input
 */
#ifndef BL_HTTP_MESSAGE_H
#define BL_HTTP_MESSAGE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/limits.h"

typedef enum { BL_HTTP_REQUEST, BL_HTTP_RESPONSE } bl_http_kind;

typedef struct {
    blind_span name; /* in lower case */
    blind_span value;
} bl_http_field;

typedef struct {
    blind_span    method, target; /* of a request; the target in origin form, or "*" */
    int           status;         /* of a response */
    int           minor;          /* HTTP/1.minor */
    bl_http_field fields[BL_MAX_HEADERS];
    size_t        field_count;
    bool          keep_alive;
    bool          chunked, has_length, until_close; /* none: no body */
    uint64_t      length;                           /* with has_length */
    bool          expect_continue;
} bl_http_head;

typedef struct {
    size_t   head_max; /* bytes; 0: BL_MAX_HEAD_SIZE */
    uint64_t body_max; /* bytes after decoding; 0: no bound */
} bl_http_limits;

typedef enum {
    BL_HTTP_MORE, /* everything was taken, nothing is complete */
    BL_HTTP_HEAD, /* parser.head is complete, and stays until _next() or _done() */
    BL_HTTP_BODY, /* some of the body, borrowed from the input */
    BL_HTTP_END,  /* the message is complete; what follows was not touched */
} bl_http_event;

typedef struct {
    bl_http_kind   kind;
    bl_http_limits limits;
    bl_http_head   head;
    bool           bodiless; /* set by the client before a response to HEAD */
    int            refusal;  /* after an error in a request: the HTTP status that says so */
    int            state;    /* private from here */
    bl_buf         bytes;    /* of the head */
    uint64_t       left;     /* of the body or of this chunk */
    uint64_t       body;     /* bytes of it so far */
    size_t         line;     /* bytes of this chunk line or of the trailers so far */
    int            digits;
    bool           cr, blank;
} bl_http_parser;

void bl_http_parser_init(bl_http_parser *p, bl_http_kind kind, const bl_http_limits *limits);
void bl_http_parser_next(bl_http_parser *p); /* the same for the next message */
void bl_http_parser_done(bl_http_parser *p);

/* Takes bytes until the next event.
 *
 * used   bytes taken from the front of `input`
 * body   with BL_HTTP_BODY: not empty, inside `input`
 * Errors PROTOCOL (malformed or ambiguous), LIMIT (head or body too large), MEMORY; all are final,
 *        and .refusal is 400, 413, 414, 417, 431, 501 or 505. */
BLIND_MUST_USE blind_code bl_http_parse(bl_http_parser *p, blind_span input, size_t *used,
                                        bl_http_event *event, blind_span *body, blind_error *err);

/* The peer closed: OK when a message was complete or none had begun. */
BLIND_MUST_USE blind_code bl_http_parse_eof(bl_http_parser *p, blind_error *err);

/* True while a message is under way: a timeout then is the peer's fault. */
bool bl_http_parser_busy(const bl_http_parser *p);

/* Bytes still to come of a body with a Content-Length; 0 for any other. */
uint64_t bl_http_parser_left(const bl_http_parser *p);

/* The first field of that name (lower case) or {0}, and how many there are. */
blind_span bl_http_field_get(const bl_http_head *head, const char *name);
size_t     bl_http_field_count(const bl_http_head *head, const char *name);
/* Whether a comma-separated field holds `token`, case ignored. */
bool bl_http_field_has(const bl_http_head *head, const char *name, const char *token);
/* A field as an unsigned number: digits only, no overflow. */
bool bl_http_number(blind_span text, uint64_t *out);
bool bl_http_equal(blind_span text, const char *word); /* case ignored */
/* The media type in front of any parameters, blanks cut off. */
blind_span bl_http_media_type(blind_span content_type);

/* ---- writers ----
 *
 * Each adds to `out`.  A name, value or target that would break the message fails the buffer. */
void bl_http_write_request(bl_buf *out, const char *method, const char *target, const char *host);
void bl_http_write_status(bl_buf *out, int status);
void bl_http_write_field(bl_buf *out, const char *name, const char *value);
void bl_http_write_number(bl_buf *out, const char *name, uint64_t value);
void bl_http_write_end(bl_buf *out);                     /* of the head */
void bl_http_write_chunk(bl_buf *out, blind_span bytes); /* nothing for no bytes */
void bl_http_write_last_chunk(bl_buf *out);
const char *bl_http_reason(int status); /* "Not Found" */

/* ---- targets ---- */

/* Splits "/a/b?q" into path and query (without the mark; {0} where there is none). */
void bl_http_target_split(blind_span target, blind_span *path, blind_span *query);
/* Takes the next segment off a path: "/a%20b/c" gives "a b" and leaves "/c".  False at the end, and
 * with *bad set for a broken escape, an escaped NUL or a segment that does not fit. */
bool bl_http_path_next(blind_span *path, char *segment, size_t size, bool *bad);

#endif
