/* What the two halves of OpenAI's API share: the way in (api_openai.c) and the way out
 * (openai_answer.c).  Private to server. */
#ifndef BL_SERVER_API_OPENAI_H
#define BL_SERVER_API_OPENAI_H

#include "server/internal.h"
#include "server/llm.h"

typedef struct {
    bl_chore          task;
    bl_exchange      *exchange;
    bl_model         *model; /* the request holds its own reference */
    bl_request       *request;
    bl_openai_request asked;
    bool              pinned; /* the model, until the request is submitted */
    _Atomic int       due;    /* what a worker has finished, for on_turn() */
    blind_code        code;
    blind_error       error;

    bl_openai_reply   reply;
    char              id[33], fingerprint[65];
    bl_openai_answer *answers; /* [len] */
    bl_calls         *calls;   /* [len], readers of answers with tools; NULL: none */
    size_t            len;
    bl_openai_usage   usage;
    bl_openai_events  events; /* of a response that streams */
    bl_openai_delta   delta;  /* of the piece that is being told */
    bool              began;  /* the stream */
    bl_buf            out;
    bl_event         *outputs; /* of embeddings */
} bl_asking;

/* The request is on its way: makes the answers.  Errors: MEMORY */
BLIND_MUST_USE blind_code bl_openai_answers_begin(bl_asking *a, blind_error *err);
void                      bl_openai_answers_done(bl_asking *a);
/* Takes events as far as the client takes them, and sends what they say. */
void bl_openai_answers_go_on(bl_exchange *e);

#endif
