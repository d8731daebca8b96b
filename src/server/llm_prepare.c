/* From fields to tokens: templates rendered, texts tokenized, numbers held against the model. */
#include "crypto/random.h"
#include "server/llm.h"

#include <stdlib.h>

enum {
    USUAL_TOKENS = 4096
};                 /* of an answer whose client says nothing: pages are reserved for it */
#define LEAST 1e-6 /* of probabilities that may be 0 in OpenAI's API */

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "llm.prepare", "out of memory");
}

/* ---- prompts ---- */

static blind_code check_ids(const bl_llm_parts *parts, const bl_openai_prompt *p, blind_error *err)
{
    size_t len = bl_tokenizer_vocab(parts->tokenizer)->len;
    for (size_t i = 0; i < p->len; i++)
        if ((size_t)p->ids[i] >= len)
            return blind_fail(err, BLIND_INPUT, "llm.prompt", "%d is no token of this model",
                              p->ids[i]);
    return BLIND_OK;
}

/* A prompt of nothing is a text that begins, where the model has a token for that. */
static blind_code check_length(const bl_llm_parts *parts, bl_tokens *prompt, blind_error *err)
{
    int32_t bos = bl_tokenizer_vocab(parts->tokenizer)->bos;
    if (bl_tokens_len(prompt) == 0 && bos != BL_NO_TOKEN)
        bl_tokens_add(prompt, bos);
    if (bl_tokens_len(prompt) == 0)
        return blind_fail(err, BLIND_INPUT, "llm.prompt", "the prompt is empty");
    if (bl_tokens_len(prompt) > parts->context)
        return blind_fail(err, BLIND_LIMIT, "llm.context",
                          "the prompt has %zu tokens, there is room for %zu", bl_tokens_len(prompt),
                          parts->context);
    return bl_buf_check(&prompt->bytes, "llm.prompt", err);
}

static blind_code take_prompt(const bl_llm_parts *parts, const bl_openai_request *asked, size_t i,
                              bl_llm_ask *ask, blind_error *err)
{
    const bl_openai_prompt *p = &asked->prompts[i];
    bl_tokenize_options     how = { .add_special = true,
                                    .parse_special = asked->kind == BL_OPENAI_COMPLETION };
    if (p->ids) {
        BL_TRY(check_ids(parts, p, err));
        bl_buf_add(&ask->prompts[i].bytes, bl_span(p->ids, p->len * sizeof *p->ids));
    } else {
        BL_TRY(bl_tokenize(parts->tokenizer, p->text, how, &ask->prompts[i], err));
    }
    return check_length(parts, &ask->prompts[i], err);
}

/* The texts of prompts, for those that want them back. */
static blind_code take_echoes(const bl_llm_parts *parts, const bl_openai_request *asked,
                              bl_llm_ask *ask, blind_error *err)
{
    ask->echoes = bl_arena_array(&ask->arena, ask->prompts_len, sizeof *ask->echoes);
    for (size_t i = 0; ask->echoes && i < ask->prompts_len; i++) {
        bl_auto_buf text = { .secret = true };
        bl_tokens  *prompt = &ask->prompts[i];
        if (asked->prompts[i].ids)
            bl_detokenize(parts->tokenizer, bl_tokens_ids(prompt), bl_tokens_len(prompt), false,
                          &text);
        else
            bl_buf_add(&text, asked->prompts[i].text);
        char *copy = bl_buf_ok(&text) ? bl_arena_copy(&ask->arena, bl_buf_span(&text)) : NULL;
        if (!copy)
            return no_memory(err);
        ask->echoes[i] = bl_span(copy, text.size);
    }
    return ask->echoes ? BLIND_OK : no_memory(err);
}

/* ---- chats ---- */

static int set_token(json_t *given, const char *key, const bl_vocab *v, int32_t id)
{
    blind_span text = id == BL_NO_TOKEN ? (blind_span){ 0 } : v->text[id];
    return json_object_set_new(given, key,
                               json_stringn(text.size ? (const char *)text.data : "", text.size));
}

/* What the template is given: the client's arguments first, which replace nothing of ours. */
static json_t *make_given(const bl_llm_parts *parts, const bl_openai_request *asked)
{
    const bl_vocab *v = bl_tokenizer_vocab(parts->tokenizer);
    bool            tools = asked->tools && asked->tool_choice != BL_TOOLS_NONE;
    json_t         *given =
        asked->template_args ? json_copy((json_t *)(uintptr_t)asked->template_args) : json_object();
    int failed = json_object_set(given, "messages", asked->messages) |
                 json_object_set_new(given, "add_generation_prompt", json_true()) |
                 set_token(given, "bos_token", v, v->bos) |
                 set_token(given, "eos_token", v, v->eos);
    if (tools)
        failed |= json_object_set(given, "tools", asked->tools);
    if (!failed)
        return given;
    json_decref(given);
    return NULL;
}

static blind_code take_chat(const bl_llm_parts *parts, const bl_openai_request *asked,
                            int64_t now_s, bl_llm_ask *ask, blind_error *err)
{
    bl_auto_buf         text = { .secret = true };
    bl_tokenize_options how = { .parse_special = true }; /* the template writes BOS itself */
    if (!parts->chat)
        return blind_fail(err, BLIND_UNSUPPORTED, "llm.chat",
                          "this model has no chat template: ask it for a completion");
    bl_auto_json *given = make_given(parts, asked);
    if (!given)
        return no_memory(err);
    BL_TRY(bl_template_render(parts->chat, given, now_s, &text, err));
    if (ask->in_call)
        bl_buf_add_str(&text, bl_calls_prefix(parts->calls));
    BL_TRY(bl_buf_check(&text, "llm.chat", err));
    BL_TRY(bl_tokenize(parts->tokenizer, bl_buf_span(&text), how, &ask->prompts[0], err));
    return check_length(parts, &ask->prompts[0], err);
}

/* ---- numbers ---- */

static blind_code take_bias(const bl_llm_parts *parts, const bl_openai_request *asked,
                            bl_llm_ask *ask, blind_error *err)
{
    size_t         len = bl_tokenizer_vocab(parts->tokenizer)->len;
    bl_logit_bias *bias = bl_arena_array(&ask->arena, asked->bias_len + 1, sizeof *bias);
    if (!bias)
        return no_memory(err);
    for (size_t i = 0; i < asked->bias_len; i++) {
        bias[i] = (bl_logit_bias){ asked->bias[i].token, asked->bias[i].bias };
        if ((size_t)bias[i].id >= len)
            return blind_fail(err, BLIND_INPUT, "llm.bias", "'logit_bias': %d is no token",
                              bias[i].id);
    }
    ask->options.sampling.bias = bias;
    ask->options.sampling.n_bias = asked->bias_len;
    return BLIND_OK;
}

static blind_code take_stops(const bl_openai_request *asked, bl_llm_ask *ask, blind_error *err)
{
    blind_span *stops = bl_arena_array(&ask->arena, asked->stops_len + 1, sizeof *stops);
    for (size_t i = 0; stops && i < asked->stops_len; i++) {
        char *copy = bl_arena_copy(&ask->arena, asked->stops[i]);
        if (!copy)
            return no_memory(err);
        stops[i] = bl_span(copy, asked->stops[i].size);
    }
    ask->options.stops = stops;
    ask->options.n_stops = asked->stops_len;
    return stops ? BLIND_OK : no_memory(err);
}

static blind_code take_sampling(const bl_openai_request *asked, bl_sampling *s, blind_error *err)
{
    *s = (bl_sampling){ .temperature = asked->temperature,
                        .top_k = asked->top_k > 0 ? (size_t)asked->top_k : 0,
                        .top_p = BL_MAX(asked->top_p, LEAST),
                        .min_p = asked->min_p,
                        .typical_p = BL_MAX(asked->typical_p, LEAST),
                        .repetition_penalty = asked->repetition_penalty,
                        .frequency_penalty = asked->frequency_penalty,
                        .presence_penalty = asked->presence_penalty,
                        .seed = (uint64_t)asked->seed };
    return asked->has_seed ? BLIND_OK : bl_random(&s->seed, sizeof s->seed, err);
}

/* How many tokens may follow the longest of the prompts. */
static blind_code take_length(const bl_llm_parts *parts, const bl_openai_request *asked,
                              bl_llm_ask *ask, blind_error *err)
{
    size_t longest = 0;
    for (size_t i = 0; i < ask->prompts_len; i++)
        longest = BL_MAX(longest, bl_tokens_len(&ask->prompts[i]));
    size_t room = parts->context - longest;
    if (asked->max_tokens >= 0 && (uint64_t)asked->max_tokens > room)
        return blind_fail(err, BLIND_LIMIT, "llm.context",
                          "the prompt has %zu tokens and the answer may have %lld, there is room "
                          "for %zu together",
                          longest, (long long)asked->max_tokens, parts->context);
    if (room == 0)
        return blind_fail(err, BLIND_LIMIT, "llm.context",
                          "the prompt has %zu tokens and leaves no room for an answer", longest);
    ask->options.max_tokens =
        asked->max_tokens >= 0 ? (size_t)asked->max_tokens : BL_MIN(room, (size_t)USUAL_TOKENS);
    return BLIND_OK;
}

static blind_code take_options(const bl_llm_parts *parts, const bl_openai_request *asked,
                               bl_llm_ask *ask, blind_error *err)
{
    ask->options = BL_GENERATION_PLAIN;
    ask->options.wants_logprobs = asked->logprobs >= 0;
    ask->options.logprobs = asked->logprobs > 0 ? (size_t)asked->logprobs : 0;
    ask->options.lookup = parts->lookup;
    ask->options.ignore_end = asked->ignore_eos;
    ask->options.special = ask->has_tools; /* some families mark calls by such tokens */
    BL_TRY(take_sampling(asked, &ask->options.sampling, err));
    BL_TRY(take_bias(parts, asked, ask, err));
    BL_TRY(take_stops(asked, ask, err));
    return take_length(parts, asked, ask, err);
}

/* ---- what an answer must look like ---- */

/* {"name": NAME, "arguments": {...}}, as the family writes a call.  References in the parameters
 * are from the root of the whole schema, so what they name moves there. */
static json_t *call_schema(const json_t *tool, const char *arguments, json_t *definitions[2])
{
    static const char *const kinds[] = { "$defs", "definitions" };
    const json_t            *given = bl_openai_tool_schema(tool);
    json_t *parameters = json_object_size(given) > 0 ? json_copy((json_t *)(uintptr_t)given)
                                                     : json_pack("{s:s}", "type", "object");
    for (size_t i = 0; i < BL_LEN(kinds); i++) {
        json_t *held = json_object_get(parameters, kinds[i]);
        if (held && json_object_update_missing(definitions[i], held) != 0)
            return NULL;
        json_object_del(parameters, kinds[i]);
    }
    return json_pack("{s:s,s:{s:{s:s},s:o},s:[s,s],s:b}", "type", "object", "properties", "name",
                     "const", bl_openai_tool_name(tool), arguments, parameters, "required", "name",
                     arguments, "additionalProperties", 0);
}

/* Any of the tools that may be called. */
static json_t *calls_schema(const bl_llm_parts *parts, const bl_openai_request *asked)
{
    size_t      i;
    json_t     *tool, *any = json_array(), *definitions[2] = { json_object(), json_object() };
    const char *name = asked->tool_choice == BL_TOOLS_NAMED ? asked->tool_name : NULL;
    bool        failed = false;
    json_array_foreach(asked->tools, i,
                       tool) if (!name || strcmp(name, bl_openai_tool_name(tool)) == 0) failed |=
        json_array_append_new(
            any, call_schema(tool, bl_calls_arguments(parts->calls), definitions)) != 0;
    json_t *schema = json_pack("{s:o,s:o,s:o}", "anyOf", any, "$defs", definitions[0],
                               "definitions", definitions[1]);
    if (!failed)
        return schema;
    json_decref(schema);
    return NULL;
}

static blind_code get_tree(bl_llm_parts *parts, const bl_token_tree **out, blind_error *err)
{
    pthread_mutex_lock(&parts->lock);
    blind_code code =
        parts->tree ? BLIND_OK : bl_token_tree_new(parts->tokenizer, &parts->tree, err);
    *out = parts->tree;
    pthread_mutex_unlock(&parts->lock);
    return code;
}

static blind_code take_grammar(bl_llm_parts *parts, const bl_openai_request *asked, bl_llm_ask *ask,
                               blind_error *err)
{
    bl_auto_json *calls = NULL;
    blind_code    code = BLIND_OK;
    if (ask->in_call) {
        calls = calls_schema(parts, asked);
        code = calls ? bl_grammar_schema(calls, &ask->grammar, err) : no_memory(err);
    } else if (asked->format == BL_FORMAT_JSON) {
        code = bl_grammar_json(true, &ask->grammar, err);
    } else if (asked->format == BL_FORMAT_SCHEMA) {
        code = bl_grammar_schema(asked->schema, &ask->grammar, err);
    }
    ask->options.grammar = ask->grammar;
    return code == BLIND_OK && ask->grammar ? get_tree(parts, &ask->options.tree, err) : code;
}

/* ---- as a whole ---- */

static blind_code fill(bl_llm_parts *parts, const bl_openai_request *asked, int64_t now_s,
                       bl_llm_ask *ask, blind_error *err)
{
    bool chat = asked->messages != NULL;
    bool tools = asked->tools && asked->tool_choice != BL_TOOLS_NONE;
    ask->kind = asked->kind;
    ask->n = (size_t)asked->n;
    ask->calls = parts->calls;
    ask->has_tools = tools;
    ask->in_call = tools && asked->tool_choice != BL_TOOLS_AUTO;
    ask->pooling = asked->kind == BL_OPENAI_EMBEDDINGS ? parts->pooling : BL_POOLING_NONE;
    ask->prompts_len = chat ? 1 : asked->prompts_len;
    ask->prompts = bl_arena_array(&ask->arena, ask->prompts_len, sizeof *ask->prompts);
    if (!ask->prompts)
        return no_memory(err);
    for (size_t i = 0; i < ask->prompts_len; i++)
        ask->prompts[i] = BL_TOKENS_EMPTY;
    if (chat)
        BL_TRY(take_chat(parts, asked, now_s, ask, err));
    for (size_t i = 0; !chat && i < ask->prompts_len; i++)
        BL_TRY(take_prompt(parts, asked, i, ask, err));
    if (asked->kind == BL_OPENAI_EMBEDDINGS)
        return BLIND_OK;
    if (asked->echo)
        BL_TRY(take_echoes(parts, asked, ask, err));
    BL_TRY(take_options(parts, asked, ask, err));
    return take_grammar(parts, asked, ask, err);
}

blind_code bl_llm_prepare(bl_llm_parts *parts, const bl_openai_request *asked, int64_t now_s,
                          bl_llm_ask **out, blind_error *err)
{
    *out = NULL;
    bl_llm_ask *ask = calloc(1, sizeof *ask);
    if (!ask)
        return no_memory(err);
    ask->arena.secret = true;
    blind_code code = fill(parts, asked, now_s, ask, err);
    if (code == BLIND_OK)
        *out = ask;
    else
        bl_llm_ask_done(ask);
    bl_wipe_stack();
    return code;
}

void bl_llm_ask_done(void *opaque)
{
    bl_llm_ask *ask = opaque;
    for (size_t i = 0; ask->prompts && i < ask->prompts_len; i++)
        bl_tokens_done(&ask->prompts[i]);
    bl_grammar_free(ask->grammar);
    bl_arena_done(&ask->arena);
    free(ask);
}

/* ---- pieces ---- */

void bl_llm_piece_done(bl_llm_piece *piece)
{
    bl_buf_done(&piece->text);
    bl_openai_logprobs_done(&piece->logprobs);
    *piece = (bl_llm_piece){ 0 };
}

static void release(void *owner)
{
    bl_llm_piece_done(owner);
    free(owner);
}

blind_code bl_llm_put(bl_request *request, bl_llm_piece *piece, blind_error *err)
{
    bl_llm_piece *kept = calloc(1, sizeof *kept);
    bl_event     *event = kept ? bl_event_new(BL_EVENT_TEXT, 0) : NULL;
    if (!event || !bl_buf_ok(&piece->text)) {
        free(kept);
        bl_event_free(event);
        bl_llm_piece_done(piece);
        return blind_fail(err, BLIND_MEMORY, "llm.piece", "no memory for an answer");
    }
    *kept = *piece;
    *piece = (bl_llm_piece){ 0 };
    event->text = bl_buf_span(&kept->text);
    event->more = event->owner = kept;
    event->release = release;
    bl_request_put(request, event);
    return BLIND_OK;
}
