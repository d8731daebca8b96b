/* What a request asks of a language model, and what it is told: between the API of OpenAI and the
 * engine.
 *
 *     body --bl_openai_request_read--> fields --bl_llm_prepare--> bl_llm_ask --engine-->
 * bl_llm_piece
 *
 * An ask is made on a worker, for tokenizing takes time, and never changes afterwards; a request
 * holds it.  An answer is told in pieces, each of one of the request's answers: answer i is the
 * i % n-th of prompt i / n. */
#ifndef BL_SERVER_LLM_H
#define BL_SERVER_LLM_H

#include "http/openai_write.h"
#include "llm/engine.h"
#include "llm/generation.h"
#include "llm/grammar.h"
#include "llm/template.h"
#include "llm/tool_calls.h"
#include "server/request.h"

#include <pthread.h>

/* A model's parts that any thread may use while the model is in use. */
typedef struct {
    bl_gguf         gguf;
    bl_tokenizer   *tokenizer;
    bl_template    *chat; /* NULL: the file has none */
    bl_calls_style  calls;
    bl_pooling_kind pooling; /* of embeddings */
    size_t          context; /* tokens of a prompt and its answer that there is room for */
    size_t          lookup;  /* tokens guessed ahead */
    pthread_mutex_t lock;    /* of the tree, which the first to need it makes */
    bl_token_tree  *tree;
} bl_llm_parts;

typedef struct {
    bl_openai_kind        kind;
    bl_tokens            *prompts; /* [prompts_len] */
    blind_span           *echoes;  /* [prompts_len], texts in front of the answers; NULL: none */
    size_t                prompts_len, n;
    bl_generation_options options; /* the seed is that of the first answer */
    bl_grammar           *grammar; /* of options; NULL: none */
    bl_pooling_kind       pooling;
    bl_calls_style        calls;
    bool                  has_tools; /* calls of them are looked for */
    bool                  in_call;   /* the prompt begins one */
    bl_arena              arena;
} bl_llm_ask;

/* Errors  INPUT (a template that refuses, tokens that are none), LIMIT ("llm.context": too long),
 * UNSUPPORTED, MEMORY */
BLIND_MUST_USE blind_code bl_llm_prepare(bl_llm_parts *parts, const bl_openai_request *asked,
                                         int64_t now_s, bl_llm_ask **out, blind_error *err);
void                      bl_llm_ask_done(void *ask);

/* Behind a TEXT event, as event->more. */
typedef struct {
    size_t             answer;
    bl_buf             text;
    bl_openai_logprobs logprobs; /* of the tokens of the text, where they were asked for */
    bl_openai_finish   finish;
    bl_openai_usage    usage; /* with a finish */
} bl_llm_piece;

/* Puts a piece, which is taken over and left empty.  Errors MEMORY */
BLIND_MUST_USE blind_code bl_llm_put(bl_request *request, bl_llm_piece *piece, blind_error *err);
void                      bl_llm_piece_done(bl_llm_piece *piece);

#endif
