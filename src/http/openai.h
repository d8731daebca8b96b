/* What a body of OpenAI's API asks of a language model: JSON in, fields out, no socket.
 *
 * Every field is either honoured or refused by its name; one that OpenAI does not know is refused
 * as it does.  A null is as good as a field that is not there.  Beside OpenAI's fields the sampling
 * fields of other servers are taken: top_k, min_p, typical_p, repetition_penalty,
 * ignore_eos, chat_template_kwargs.
 *
 * Source: OpenAI API reference, "Create chat completion", "Create completion", "Create embeddings"
 * and "Create a model response". */
#ifndef BL_HTTP_OPENAI_H
#define BL_HTTP_OPENAI_H

#include "base/arena.h"
#include "base/json.h"
#include "base/limits.h"

typedef enum {
    BL_OPENAI_CHAT = 1,
    BL_OPENAI_COMPLETION = 2,
    BL_OPENAI_EMBEDDINGS = 4,
    BL_OPENAI_RESPONSE = 8,
} bl_openai_kind;

typedef enum { BL_FORMAT_TEXT, BL_FORMAT_JSON, BL_FORMAT_SCHEMA } bl_openai_format;
typedef enum { BL_TOOLS_AUTO, BL_TOOLS_NONE, BL_TOOLS_REQUIRED, BL_TOOLS_NAMED } bl_openai_choice;

/* A text, or the tokens of one. */
typedef struct {
    blind_span     text;
    const int32_t *ids; /* NULL: a text */
    size_t         len;
} bl_openai_prompt;

typedef struct {
    int32_t token;
    float   bias;
} bl_openai_bias;

typedef struct {
    bl_openai_kind kind;
    const char    *model;

    /* Chats.  As templates take them: contents are texts, tool calls have their arguments as
     * objects. */
    json_t          *messages;
    json_t          *tools;         /* [{"type": "function", "function": {...}}], or NULL */
    const json_t    *template_args; /* an object, or NULL */
    bl_openai_choice tool_choice;
    const char      *tool_name; /* of BL_TOOLS_NAMED */
    bool             parallel_tool_calls;

    /* Completions and embeddings. */
    bl_openai_prompt *prompts;
    size_t            prompts_len;
    bool              echo;
    bool              base64; /* embeddings as text */

    bool stream, include_usage;
    bool ignore_eos; /* tokens that end an answer do not */

    double  temperature, top_p, min_p, typical_p;
    double  repetition_penalty, presence_penalty, frequency_penalty;
    int64_t top_k;      /* 0: all */
    int64_t max_tokens; /* -1: as many as there is room for */
    int64_t n;
    int64_t seed;
    bool    has_seed;
    int64_t logprobs; /* the likeliest tokens told beside the one taken; -1: none is told */

    bl_openai_bias *bias;
    size_t          bias_len;
    blind_span     *stops;
    size_t          stops_len;

    bl_openai_format format;
    const json_t    *schema; /* of BL_FORMAT_SCHEMA */

    char     field[96]; /* which was refused, "" where it is none alone */
    json_t  *root;      /* private: what the rest borrows from */
    bl_arena arena;
} bl_openai_request;

/* Reads a body.  *out is bl_openai_request_done()'s in any case; after a failure out->field names
 * what is wrong.
 * Errors  INPUT, UNSUPPORTED (OpenAI has it, and we do not), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_openai_request_read(bl_openai_kind kind, blind_span body,
                                                 bl_openai_request *out, blind_error *err);
void                      bl_openai_request_done(bl_openai_request *r);

/* The "parameters" of a tool, a schema, or NULL where it takes none. */
const json_t *bl_openai_tool_schema(const json_t *tool);
const char   *bl_openai_tool_name(const json_t *tool);
/* The tool of that name, or NULL. */
const json_t *bl_openai_tool_find(const bl_openai_request *r, const char *name);

#endif
