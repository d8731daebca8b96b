/* Calls of tools in what a model writes, found as the text comes.
 *
 *     Hermes, Qwen   <tool_call>{"name": ..., "arguments": {...}}</tool_call>, any number
 *     Mistral        [TOOL_CALLS] and a list of such, or NAME[ARGS]{...} one after another
 *     Llama 3        nothing but {"name": ..., "parameters": {...}}, several with ; between
 *
 * Which of them a model writes follows from its chat template.  What is no call after all is text.
 *
 * Source: the chat templates of the families. */
#ifndef BL_LLM_TOOL_CALLS_H
#define BL_LLM_TOOL_CALLS_H

#include "base/buf.h"

#include <jansson.h>

typedef enum { BL_CALLS_HERMES, BL_CALLS_MISTRAL, BL_CALLS_LLAMA } bl_calls_style;

bl_calls_style bl_calls_style_of(blind_span chat_template);
/* What stands in front of a call that a model is made to write, and the key of its arguments. */
const char *bl_calls_prefix(bl_calls_style style);
const char *bl_calls_arguments(bl_calls_style style);

typedef struct {
    bl_calls_style style;
    const json_t  *tools; /* borrowed: [{"function": {"name"}}], for what looks like any JSON */
    bool           one;   /* no more than one call: what follows it is dropped */
    /* Takes text, and calls; false ends the reading with MEMORY. */
    bool (*text)(void *arg, blind_span text);
    bool (*call)(void *arg, blind_span name, blind_span arguments);
    void *arg;

    bl_buf held; /* private from here: what may be the begin of a call, or is one */
    bool   inside, said;
    size_t lead; /* blanks in front of the begin mark, inside */
    size_t calls;
} bl_calls;

/* The next piece of the answer, whole characters.  Errors MEMORY */
BLIND_MUST_USE blind_code bl_calls_read(bl_calls *c, blind_span text, blind_error *err);
/* The answer is over: what was held is a call, or text.  Errors MEMORY */
BLIND_MUST_USE blind_code bl_calls_end(bl_calls *c, blind_error *err);
void                      bl_calls_done(bl_calls *c);
/* The answer begins inside a call, behind bl_calls_prefix(). */
void bl_calls_inside(bl_calls *c);

#endif
