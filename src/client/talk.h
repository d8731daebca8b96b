/* One request of the library's own on a stream, and its whole answer, a step at a time.
 *
 * The caller writes the request into `out` and judges the answer's head; the body is collected in
 * `in`.  Not a byte may come behind it, for nothing else was asked. */
#ifndef BL_CLIENT_TALK_H
#define BL_CLIENT_TALK_H

#include "base/buf.h"
#include "http/message.h"

struct blind_stream;

/* Judges a head before the body is taken. */
typedef blind_code bl_talk_check(const bl_http_head *head, blind_error *err);

typedef struct {
    bl_buf         out;
    size_t         sent;
    bl_http_parser parser;
    bl_buf         in;
    bool           whole;
    bl_talk_check *check;
} bl_talk;

/* answer_max  bytes of the answer's body */
void bl_talk_init(bl_talk *t, size_t answer_max, bl_talk_check *check);
void bl_talk_done(bl_talk *t);
/* The request: method, path, the type of its body (NULL: none), what answer is taken. */
void bl_talk_ask(bl_talk *t, const char *method, const char *path, const char *authority,
                 const char *type, const char *accept, blind_span body);
/* AGAIN: poll for what the stream wants.  CLOSED: the server closed instead of answering.
 * Errors: NETWORK, TLS, PROTOCOL (bytes behind the answer too), LIMIT, MEMORY, what `check` says */
BLIND_MUST_USE blind_code bl_talk_step(struct blind_stream *s, bl_talk *t, blind_error *err);

/* An answer with this status whose small body may say why; to be taken, and told. */
bool bl_talk_is_refusal(const bl_http_head *head, int status);
/* One printable line of what the server said in it. */
enum { BL_TALK_LINE = 160 };
void bl_talk_said(bl_talk *t, const char *otherwise, char line[BL_TALK_LINE]);

/* The one form in which an answer counts: this media type once, a Content-Length, no coding, on a
 * connection that stays.  Fails with `code`, naming `what`. */
BLIND_MUST_USE blind_code bl_talk_check_form(const bl_http_head *head, const char *type,
                                             const char *what, blind_code code, blind_error *err);

#endif
