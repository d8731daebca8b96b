/* A conversation with a language model on a verified server: what was said, and one more turn. */
#ifndef BL_CLI_CONVERSATION_H
#define BL_CLI_CONVERSATION_H

#include "base/buf.h"
#include "blind/client.h"

#include <jansson.h>

typedef struct {
    blind_client *client; /* borrowed */
    char          model[129];
    json_t       *messages; /* [{"role", "content"}] */
    json_t       *settings; /* "temperature", "max_tokens", ...: members of every request */
    /* Takes pieces of the answer as they come. */
    void (*show)(void *arg, blind_span text);
    void               *show_arg;
    const volatile int *cancel; /* not 0: the turn ends */

    /* Of the last turn. */
    bl_buf  answer;
    char    ended[32]; /* "stop", "length", ... */
    int64_t prompt_tokens, answer_tokens;
} bl_conversation;

/* model   NULL: the only language model that the server has
 * Errors  those of the client; NOT_FOUND, INPUT (there are several: they are named), MEMORY */
BLIND_MUST_USE blind_code bl_conversation_begin(bl_conversation *c, blind_client *client,
                                                const char *model, blind_error *err);
void                      bl_conversation_done(bl_conversation *c);

/* Names of the server's language models, one to a line. */
BLIND_MUST_USE blind_code bl_conversation_models(blind_client *client, bl_buf *out,
                                                 blind_error *err);

/* Forgets what was said but for the system's message. */
void bl_conversation_reset(bl_conversation *c);
/* text  "" takes the message away */
BLIND_MUST_USE blind_code bl_conversation_system(bl_conversation *c, const char *text,
                                                 blind_error *err);
/* Takes the last question and what answered it away; false when there is none.  `question`
 * receives it, NULL: not wanted. */
bool bl_conversation_undo(bl_conversation *c, bl_buf *question);

/* Asks and shows the answer, which becomes part of the conversation; a question that failed does
 * not.  Of a turn that was cancelled the part that came is kept.
 * Errors: CANCELLED, SERVER (with what the server said), those of the client */
BLIND_MUST_USE blind_code bl_conversation_ask(bl_conversation *c, blind_span question,
                                              blind_error *err);

#endif
