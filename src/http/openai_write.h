/* What a language model's answers, streams and errors look like in OpenAI's API: fields in, JSON
 * out.
 *
 * A stream is server-sent events: `data: {...}` and a blank line each, `data: [DONE]` behind the
 * last; those of a response have names.  Writers add to `out`; a failure sticks to it.
 *
 * Source: OpenAI API reference, "Chat completion object", "Chat completion chunk object",
 * "Streaming events"; WHATWG HTML, 9.2 "Server-sent events". */
#ifndef BL_HTTP_OPENAI_WRITE_H
#define BL_HTTP_OPENAI_WRITE_H

#include "base/buf.h"
#include "http/openai.h"

#define BL_OPENAI_STREAM_TYPE "text/event-stream; charset=utf-8"

typedef enum {
    BL_OPENAI_UNFINISHED,
    BL_OPENAI_STOP,
    BL_OPENAI_LENGTH,
    BL_OPENAI_TOOL_CALLS,
} bl_openai_finish;

/* What all parts of one reply have in common. */
typedef struct {
    bl_openai_kind kind;
    const char    *id;          /* random, without its prefix */
    const char    *model;       /* as the client named it */
    const char    *fingerprint; /* the model's SHA-256 in hex; NULL: not this client's to know */
    int64_t        created_s;
} bl_openai_reply;

typedef struct {
    size_t prompt, cached, completion; /* tokens; cached: of the prompt */
} bl_openai_usage;

typedef struct {
    blind_span text; /* bytes, perhaps no whole characters */
    float      logprob;
} bl_openai_token;

/* Logprobs of an answer, written as they come. */
typedef struct {
    bl_buf tokens;                /* of a chat: all of it */
    bl_buf logprobs, top, offset; /* a completion's lists */
    size_t at;                    /* bytes of text so far */
} bl_openai_logprobs;

#define BL_OPENAI_LOGPROBS_EMPTY                                                                   \
    ((bl_openai_logprobs){ .tokens = { .secret = true },                                           \
                           .logprobs = { .secret = true },                                         \
                           .top = { .secret = true },                                              \
                           .offset = { .secret = true } })

/* top  the likeliest tokens at that place */
void bl_openai_logprobs_add(bl_openai_logprobs *l, bl_openai_kind kind,
                            const bl_openai_token *token, const bl_openai_token *top, size_t len);
void bl_openai_logprobs_clear(bl_openai_logprobs *l); /* what was told; places go on */
void bl_openai_logprobs_done(bl_openai_logprobs *l);

/* A call of a tool that the model made. */
typedef struct {
    char   id[40];
    bl_buf name, arguments;
} bl_openai_call;

/* One answer as a whole. */
typedef struct {
    bl_buf             text;
    bl_openai_call    *calls;
    size_t             calls_len;
    bl_openai_logprobs logprobs;
    bl_openai_finish   finish;
} bl_openai_answer;

/* A call at the end of the answer's, or NULL without memory or room. */
bl_openai_call *bl_openai_answer_add_call(bl_openai_answer *a);
void            bl_openai_answer_done(bl_openai_answer *a);

/* A text as a JSON string; what is no UTF-8 becomes U+FFFD. */
void bl_openai_write_text(bl_buf *out, blind_span text);

/* ---- whole answers ---- */

/* A chat's or a completion's.
 *
 * logprobs  whether they were asked for */
void bl_openai_write_answers(bl_buf *out, const bl_openai_reply *reply,
                             const bl_openai_answer *answers, size_t len, bool logprobs,
                             const bl_openai_usage *usage);

/* Rows of `width` numbers. */
void bl_openai_write_embeddings(bl_buf *out, const bl_openai_reply *reply, const float *rows,
                                size_t len, size_t width, bool base64,
                                const bl_openai_usage *usage);

/* An error.  `code` stands at the top, too, where clients of other protocols look for it.
 *
 * param, code  NULL: none */
void bl_openai_write_error(bl_buf *out, int status, const char *message, const char *param,
                           const char *code);

/* sha256  in hex; NULL: not this client's to know */
void bl_openai_write_model(bl_buf *out, const char *name, const char *owner, int64_t created_s,
                           const char *sha256);

/* ---- streams of chats and completions ---- */

typedef struct {
    size_t                    choice;
    bool                      first; /* says the role */
    blind_span                text;
    const bl_openai_call     *call;     /* that begins and is whole, or NULL */
    size_t                    call_at;  /* its number */
    const bl_openai_logprobs *logprobs; /* of the tokens of `text`; NULL: none were asked for */
    bl_openai_finish          finish;
} bl_openai_delta;

void bl_openai_write_delta(bl_buf *out, const bl_openai_reply *reply, const bl_openai_delta *delta,
                           bool include_usage);
/* The last chunk of a stream whose client wants to know. */
void bl_openai_write_usage(bl_buf *out, const bl_openai_reply *reply, const bl_openai_usage *usage);
/* An error in the middle of a stream. */
void bl_openai_write_stream_error(bl_buf *out, int status, const char *message, const char *code);
void bl_openai_write_stream_end(bl_buf *out);

/* ---- responses ---- */

/* The whole object.  status  "in_progress", "completed", "incomplete", "failed" */
void bl_openai_write_response(bl_buf *out, const bl_openai_reply *reply,
                              const bl_openai_request *asked, const bl_openai_answer *answer,
                              const char *status, const bl_openai_usage *usage);

/* A response on its way: which of its items is open. */
typedef struct {
    uint64_t sequence;
    size_t   items;   /* finished */
    bool     message; /* a message is open */
    bool     texts;   /* a message was */
} bl_openai_events;

void bl_openai_events_begin(bl_buf *out, bl_openai_events *e, const bl_openai_reply *reply,
                            const bl_openai_request *asked);
void bl_openai_events_text(bl_buf *out, bl_openai_events *e, const bl_openai_reply *reply,
                           blind_span text);
/* answer  what was told so far, for the end of a message */
void bl_openai_events_call(bl_buf *out, bl_openai_events *e, const bl_openai_reply *reply,
                           const bl_openai_answer *answer, const bl_openai_call *call);
void bl_openai_events_end(bl_buf *out, bl_openai_events *e, const bl_openai_reply *reply,
                          const bl_openai_request *asked, const bl_openai_answer *answer,
                          const bl_openai_usage *usage);

#endif
