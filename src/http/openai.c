/* The fields of OpenAI's bodies: one row each. */
#include "http/openai.h"

#include "http/openai_read.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define CHAT       BL_OPENAI_CHAT
#define COMPLETION BL_OPENAI_COMPLETION
#define EMBEDDINGS BL_OPENAI_EMBEDDINGS
#define RESPONSE   BL_OPENAI_RESPONSE
#define CHATS      (CHAT | RESPONSE)
#define OLDER      (CHAT | COMPLETION)
#define WRITING    (CHAT | COMPLETION | RESPONSE)
#define ALL        (WRITING | EMBEDDINGS)

#define MAX_TOKENS ((double)(1 << 24))

typedef blind_code (*reader)(bl_openai_request *r, const char *field, const json_t *value,
                             blind_error *err);

/* ---- what readers share ---- */

blind_code bl_openai_refuse(bl_openai_request *r, blind_code code, blind_error *err,
                            const char *field, const char *format, ...)
{
    char    text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(r->field, sizeof r->field, "%s", field);
    return blind_fail(err, code, "openai.field", "'%.90s' %s", field, text);
}

blind_code bl_openai_no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "openai", "out of memory");
}

static blind_code refuse(bl_openai_request *r, const char *field, const char *why, blind_error *err)
{
    return bl_openai_refuse(r, BLIND_INPUT, err, field, "%s", why);
}

blind_code bl_openai_text(bl_openai_request *r, const char *field, const json_t *value,
                          const char **out, blind_error *err)
{
    *out = json_string_value(value);
    return *out ? BLIND_OK : refuse(r, field, "is no string", err);
}

static bool is_nothing(const json_t *value)
{
    return json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0);
}

blind_code bl_openai_known(bl_openai_request *r, const char *field, const json_t *object,
                           const char *const *known, blind_error *err)
{
    const char *key;
    json_t     *value;
    if (!json_is_object(object))
        return refuse(r, field, "is no object", err);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool found = is_nothing(value);
        for (size_t i = 0; known[i] && !found; i++)
            found = strcmp(known[i], key) == 0;
        if (!found)
            return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field,
                                    "has a member that is not supported: '%.40s'", key);
    }
    return BLIND_OK;
}

/* ---- plain values ---- */

typedef enum { NUMBER, INTEGER, FLAG } value_type;

/* A value as it stands, at an offset of the request. */
typedef struct {
    const char *name;
    unsigned    kinds;
    value_type  type;
    size_t      at;
    double      min, max;
} plain;

#define AT(member) offsetof(bl_openai_request, member)

static const plain plains[] = {
    { "stream", WRITING, FLAG, AT(stream), 0, 0 },
    { "ignore_eos", OLDER, FLAG, AT(ignore_eos), 0, 0 },
    { "echo", COMPLETION, FLAG, AT(echo), 0, 0 },
    { "parallel_tool_calls", CHATS, FLAG, AT(parallel_tool_calls), 0, 0 },
    { "temperature", WRITING, NUMBER, AT(temperature), 0, 2 },
    { "top_p", WRITING, NUMBER, AT(top_p), 0, 1 },
    { "min_p", WRITING, NUMBER, AT(min_p), 0, 1 },
    { "typical_p", WRITING, NUMBER, AT(typical_p), 0, 1 },
    { "repetition_penalty", WRITING, NUMBER, AT(repetition_penalty), 0.01, 10 },
    { "presence_penalty", OLDER, NUMBER, AT(presence_penalty), -2, 2 },
    { "frequency_penalty", OLDER, NUMBER, AT(frequency_penalty), -2, 2 },
    { "top_k", WRITING, INTEGER, AT(top_k), -1, 1 << 24 },
    { "n", OLDER, INTEGER, AT(n), 1, BL_MAX_CHOICES },
    { "max_tokens", OLDER, INTEGER, AT(max_tokens), 0, MAX_TOKENS },
    { "max_completion_tokens", CHAT, INTEGER, AT(max_tokens), 1, MAX_TOKENS },
    { "max_output_tokens", RESPONSE, INTEGER, AT(max_tokens), 1, MAX_TOKENS },
};

static blind_code read_number(bl_openai_request *r, const plain *p, const json_t *value,
                              blind_error *err)
{
    double n = json_number_value(value);
    if (!json_is_number(value) || (p->type == INTEGER && !json_is_integer(value)))
        return refuse(r, p->name, p->type == INTEGER ? "is no whole number" : "is no number", err);
    if (!(n >= p->min && n <= p->max))
        return bl_openai_refuse(r, BLIND_INPUT, err, p->name, "is %g, expected %g to %g", n, p->min,
                                p->max);
    if (p->type == INTEGER)
        *(int64_t *)(void *)((char *)r + p->at) = json_integer_value(value);
    else
        *(double *)(void *)((char *)r + p->at) = n;
    return BLIND_OK;
}

static blind_code read_plain(bl_openai_request *r, const plain *p, const json_t *value,
                             blind_error *err)
{
    if (p->type != FLAG)
        return read_number(r, p, value, err);
    if (!json_is_boolean(value))
        return refuse(r, p->name, "is neither true nor false", err);
    *((bool *)r + p->at) = json_is_true(value);
    return BLIND_OK;
}

/* ---- fields that need more ---- */

static blind_code read_model(bl_openai_request *r, const char *field, const json_t *value,
                             blind_error *err)
{
    BL_TRY(bl_openai_text(r, field, value, &r->model, err));
    if (!*r->model || strlen(r->model) > BL_MAX_MODEL_NAME)
        return bl_openai_refuse(r, BLIND_NOT_FOUND, err, field, "names no model");
    return BLIND_OK;
}

/* Any 64 bits: clients send negative ones too. */
static blind_code read_seed(bl_openai_request *r, const char *field, const json_t *value,
                            blind_error *err)
{
    if (!json_is_integer(value))
        return refuse(r, field, "is no whole number", err);
    r->seed = json_integer_value(value);
    r->has_seed = true;
    return BLIND_OK;
}

static blind_code add_stop(bl_openai_request *r, const char *field, const json_t *value,
                           blind_error *err)
{
    size_t size = json_string_length(value);
    if (!json_is_string(value) || size == 0)
        return refuse(r, field, "holds something that is no text to stop at", err);
    if (size > BL_MAX_STOP_SIZE)
        return bl_openai_refuse(r, BLIND_LIMIT, err, field, "has a text of more than %d bytes",
                                BL_MAX_STOP_SIZE);
    r->stops[r->stops_len++] = bl_span(json_string_value(value), size);
    return BLIND_OK;
}

static blind_code read_stop(bl_openai_request *r, const char *field, const json_t *value,
                            blind_error *err)
{
    size_t  i, len = json_is_array(value) ? json_array_size(value) : 1;
    json_t *each;
    if (len > BL_MAX_STOPS)
        return bl_openai_refuse(r, BLIND_LIMIT, err, field, "has more than %d texts", BL_MAX_STOPS);
    r->stops = bl_arena_array(&r->arena, len + 1, sizeof *r->stops);
    if (!r->stops)
        return bl_openai_no_memory(err);
    if (!json_is_array(value))
        return add_stop(r, field, value, err);
    json_array_foreach((json_t *)(uintptr_t)value, i, each) BL_TRY(add_stop(r, field, each, err));
    return BLIND_OK;
}

/* The whole text as a token's number, or -1. */
static int32_t token_of(const char *text)
{
    int64_t n = 0;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || n > INT32_MAX / 10)
            return -1;
        n = n * 10 + (*c - '0');
    }
    return *text && n <= INT32_MAX ? (int32_t)n : -1;
}

static blind_code read_bias(bl_openai_request *r, const char *field, const json_t *value,
                            blind_error *err)
{
    const char *key;
    json_t     *each;
    size_t      len = json_object_size(value);
    if (!json_is_object(value))
        return refuse(r, field, "is no object", err);
    if (len > BL_MAX_LOGIT_BIAS)
        return bl_openai_refuse(r, BLIND_LIMIT, err, field, "has more than %d tokens",
                                BL_MAX_LOGIT_BIAS);
    r->bias = bl_arena_array(&r->arena, len + 1, sizeof *r->bias);
    if (!r->bias)
        return bl_openai_no_memory(err);
    json_object_foreach((json_t *)(uintptr_t)value, key, each)
    {
        bl_openai_bias b = { token_of(key), (float)json_number_value(each) };
        if (b.token < 0 || !json_is_number(each) || !(fabsf(b.bias) <= 100))
            return refuse(r, field, "does not give numbers of tokens a bias from -100 to 100", err);
        r->bias[r->bias_len++] = b;
    }
    return BLIND_OK;
}

/* A chat says yes or no and how many; a completion says how many. */
static blind_code read_logprobs(bl_openai_request *r, const char *field, const json_t *value,
                                blind_error *err)
{
    if (r->kind == CHAT) {
        if (!json_is_boolean(value))
            return refuse(r, field, "is neither true nor false", err);
        if (json_is_false(value))
            r->logprobs = -1;
        else if (r->logprobs < 0)
            r->logprobs = 0;
        return BLIND_OK;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > 5)
        return refuse(r, field, "is no whole number from 0 to 5", err);
    r->logprobs = json_integer_value(value);
    return BLIND_OK;
}

static blind_code read_top_logprobs(bl_openai_request *r, const char *field, const json_t *value,
                                    blind_error *err)
{
    int64_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > BL_MAX_LOGPROBS)
        return refuse(r, field, "is no whole number from 0 to 20", err);
    if (r->kind == RESPONSE && n > 0)
        return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field, "is not supported here");
    if (r->kind == CHAT && !json_is_true(json_object_get(r->root, "logprobs")) && n > 0)
        return refuse(r, field, "needs logprobs", err);
    if (json_is_true(json_object_get(r->root, "logprobs")))
        r->logprobs = n;
    return BLIND_OK;
}

static blind_code read_stream_options(bl_openai_request *r, const char *field, const json_t *value,
                                      blind_error *err)
{
    static const char *const known[] = { "include_usage", "include_obfuscation", NULL };
    BL_TRY(bl_openai_known(r, field, value, known, err));
    const json_t *usage = json_object_get(value, "include_usage");
    if (usage && !json_is_boolean(usage) && !json_is_null(usage))
        return refuse(r, "stream_options.include_usage", "is neither true nor false", err);
    if (json_is_true(json_object_get(value, "include_obfuscation")))
        return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, "stream_options.include_obfuscation",
                                "is not supported");
    r->include_usage = json_is_true(usage);
    if (!json_is_true(json_object_get(r->root, "stream")))
        return refuse(r, field, "is for streams", err);
    return BLIND_OK;
}

/* {"type": "json_schema", ...}: the schema lies one deeper in a chat than in a response. */
static blind_code read_format(bl_openai_request *r, const char *field, const json_t *value,
                              blind_error *err)
{
    static const char *const known[] = { "type",   "json_schema", "schema", "name",
                                         "strict", "description", NULL };
    const char              *type = json_string_value(json_object_get(value, "type"));
    BL_TRY(bl_openai_known(r, field, value, known, err));
    if (!type)
        return refuse(r, field, "has no type", err);
    if (strcmp(type, "text") == 0)
        return BLIND_OK;
    if (strcmp(type, "json_object") == 0) {
        r->format = BL_FORMAT_JSON;
        return BLIND_OK;
    }
    if (strcmp(type, "json_schema") != 0)
        return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field, "has an unknown type");
    const json_t *holder = r->kind == RESPONSE ? value : json_object_get(value, "json_schema");
    r->schema = json_object_get(holder, "schema");
    r->format = BL_FORMAT_SCHEMA;
    if (!json_is_object(r->schema) && !json_is_boolean(r->schema))
        return refuse(r, field, "has no schema", err);
    return BLIND_OK;
}

static blind_code read_text(bl_openai_request *r, const char *field, const json_t *value,
                            blind_error *err)
{
    static const char *const known[] = { "format", "verbosity", NULL };
    BL_TRY(bl_openai_known(r, field, value, known, err));
    const char *verbosity = json_string_value(json_object_get(value, "verbosity"));
    if (verbosity && strcmp(verbosity, "medium") != 0)
        return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, "text.verbosity", "is not supported");
    const json_t *format = json_object_get(value, "format");
    return format && !json_is_null(format) ? read_format(r, "text.format", format, err) : BLIND_OK;
}

static blind_code read_template_args(bl_openai_request *r, const char *field, const json_t *value,
                                     blind_error *err)
{
    if (!json_is_object(value))
        return refuse(r, field, "is no object", err);
    r->template_args = value;
    return BLIND_OK;
}

static blind_code read_encoding(bl_openai_request *r, const char *field, const json_t *value,
                                blind_error *err)
{
    const char *text = json_string_value(value);
    r->base64 = text && strcmp(text, "base64") == 0;
    if (!text || (!r->base64 && strcmp(text, "float") != 0))
        return refuse(r, field, "is neither float nor base64", err);
    return BLIND_OK;
}

/* ---- prompts ---- */

static blind_code read_ids(bl_openai_request *r, const char *field, const json_t *value,
                           bl_openai_prompt *out, blind_error *err)
{
    size_t   i, len = json_array_size(value);
    json_t  *each;
    int32_t *ids = bl_arena_array(&r->arena, len + 1, sizeof *ids);
    if (!ids)
        return bl_openai_no_memory(err);
    json_array_foreach((json_t *)(uintptr_t)value, i, each)
    {
        json_int_t id = json_integer_value(each);
        if (!json_is_integer(each) || id < 0 || id > INT32_MAX)
            return refuse(r, field, "holds something that is no token", err);
        ids[i] = (int32_t)id;
    }
    *out = (bl_openai_prompt){ .ids = ids, .len = len };
    return BLIND_OK;
}

static blind_code read_prompt(bl_openai_request *r, const char *field, const json_t *value,
                              blind_error *err)
{
    bl_openai_prompt *to = &r->prompts[r->prompts_len++];
    if (json_is_array(value) && json_array_size(value) > 0)
        return read_ids(r, field, value, to, err);
    if (!json_is_string(value))
        return refuse(r, field, "is neither text nor tokens", err);
    *to = (bl_openai_prompt){ .text = { (const uint8_t *)json_string_value(value),
                                        json_string_length(value) } };
    return BLIND_OK;
}

/* A text, tokens, or a list of either. */
static blind_code read_prompts(bl_openai_request *r, const char *field, const json_t *value,
                               blind_error *err)
{
    size_t  i, len = json_array_size(value);
    json_t *each;
    bool    one = !json_is_array(value) || json_is_integer(json_array_get(value, 0));
    if (!one && len == 0)
        return refuse(r, field, "is empty", err);
    if (!one && len > BL_MAX_PROMPTS)
        return bl_openai_refuse(r, BLIND_LIMIT, err, field, "has more than %d prompts",
                                BL_MAX_PROMPTS);
    r->prompts = bl_arena_array(&r->arena, one ? 1 : len, sizeof *r->prompts);
    if (!r->prompts)
        return bl_openai_no_memory(err);
    if (one)
        return read_prompt(r, field, value, err);
    json_array_foreach((json_t *)(uintptr_t)value, i, each)
        BL_TRY(read_prompt(r, field, each, err));
    return BLIND_OK;
}

/* ---- fields that mean nothing here ---- */

static blind_code ignore(bl_openai_request *r, const char *field, const json_t *value,
                         blind_error *err)
{
    (void)r;
    (void)field;
    (void)value;
    (void)err;
    return BLIND_OK;
}

static blind_code not_supported(bl_openai_request *r, const char *field, const json_t *value,
                                blind_error *err)
{
    if (is_nothing(value))
        return BLIND_OK;
    return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field, "is not supported");
}

static blind_code only_false(bl_openai_request *r, const char *field, const json_t *value,
                             blind_error *err)
{
    return json_is_false(value)
               ? BLIND_OK
               : bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field,
                                  strcmp(field, "store") == 0 ? "must be false: nothing is kept"
                                                              : "must be false");
}

static blind_code only_one(bl_openai_request *r, const char *field, const json_t *value,
                           blind_error *err)
{
    return json_is_integer(value) && json_integer_value(value) == 1
               ? BLIND_OK
               : bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field, "is not supported: use n");
}

static blind_code only_words(bl_openai_request *r, const char *field, const json_t *value,
                             blind_error *err)
{
    static const char *const words[] = { "auto", "default", "disabled", "medium" };
    const char              *text = json_string_value(value);
    for (size_t i = 0; text && i < BL_LEN(words); i++)
        if (strcmp(text, words[i]) == 0)
            return BLIND_OK;
    return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field, "has a value that is not supported");
}

static blind_code only_text(bl_openai_request *r, const char *field, const json_t *value,
                            blind_error *err)
{
    const char *text = json_string_value(json_array_get(value, 0));
    return json_array_size(value) == 1 && text && strcmp(text, "text") == 0
               ? BLIND_OK
               : bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field, "must be [\"text\"]");
}

/* ---- the table ---- */

static const struct {
    const char *name;
    unsigned    kinds;
    reader      read;
} fields[] = {
    { "model", ALL, read_model },
    { "messages", CHAT, bl_openai_read_messages },
    { "instructions", RESPONSE, bl_openai_read_instructions },
    { "input", RESPONSE, bl_openai_read_input },
    { "tools", CHATS, bl_openai_read_tools },
    { "tool_choice", CHATS, bl_openai_read_tool_choice },
    { "prompt", COMPLETION, read_prompts },
    { "input", EMBEDDINGS, read_prompts },
    { "encoding_format", EMBEDDINGS, read_encoding },
    { "stream_options", WRITING, read_stream_options },
    { "stop", OLDER, read_stop },
    { "seed", WRITING, read_seed },
    { "logit_bias", OLDER, read_bias },
    { "logprobs", OLDER, read_logprobs },
    { "top_logprobs", CHATS, read_top_logprobs },
    { "response_format", OLDER, read_format },
    { "text", RESPONSE, read_text },
    { "chat_template_kwargs", CHATS, read_template_args },
    { "user", ALL, ignore },
    { "safety_identifier", CHATS, ignore },
    { "prompt_cache_key", CHATS, ignore },
    { "metadata", CHATS, ignore },
    { "store", CHATS, only_false },
    { "background", RESPONSE, only_false },
    { "best_of", COMPLETION, only_one },
    { "service_tier", CHATS, only_words },
    { "truncation", RESPONSE, only_words },
    { "verbosity", CHAT, only_words },
    { "modalities", CHAT, only_text },
    { "suffix", COMPLETION, not_supported },
    { "dimensions", EMBEDDINGS, not_supported },
    { "audio", CHAT, not_supported },
    { "prediction", CHAT, not_supported },
    { "functions", CHAT, not_supported },
    { "function_call", CHAT, not_supported },
    { "reasoning_effort", CHAT, not_supported },
    { "web_search_options", CHAT, not_supported },
    { "prompt_cache_retention", CHATS, not_supported },
    { "reasoning", RESPONSE, not_supported },
    { "include", RESPONSE, not_supported },
    { "conversation", RESPONSE, not_supported },
    { "previous_response_id", RESPONSE, not_supported },
    { "max_tool_calls", RESPONSE, not_supported },
    { "prompt", RESPONSE, not_supported },
};

static blind_code read_field(bl_openai_request *r, const char *name, const json_t *value,
                             blind_error *err)
{
    if (json_is_null(value))
        return BLIND_OK;
    for (size_t i = 0; i < BL_LEN(plains); i++)
        if ((plains[i].kinds & r->kind) && strcmp(plains[i].name, name) == 0)
            return read_plain(r, &plains[i], value, err);
    for (size_t i = 0; i < BL_LEN(fields); i++)
        if ((fields[i].kinds & r->kind) && strcmp(fields[i].name, name) == 0)
            return fields[i].read(r, fields[i].name, value, err);
    snprintf(r->field, sizeof r->field, "%s", name);
    return blind_fail(err, BLIND_INPUT, "openai.unknown",
                      "Unrecognized request argument supplied: %.80s", name);
}

/* In the order of the table: instructions stand before the input, whatever the client wrote first.
 */
static blind_code read_fields(bl_openai_request *r, blind_error *err)
{
    static const char *const early[] = { "instructions", "input", "tools" };
    const char              *key;
    json_t                  *value;
    for (size_t i = 0; i < BL_LEN(early); i++)
        if ((value = json_object_get(r->root, early[i])))
            BL_TRY(read_field(r, early[i], value, err));
    json_object_foreach(r->root, key, value)
    {
        bool done = false;
        for (size_t i = 0; i < BL_LEN(early); i++)
            done |= strcmp(early[i], key) == 0;
        if (!done)
            BL_TRY(read_field(r, key, value, err));
    }
    return BLIND_OK;
}

/* ---- as a whole ---- */

static blind_code missing(bl_openai_request *r, const char *field, blind_error *err)
{
    snprintf(r->field, sizeof r->field, "%s", field);
    return blind_fail(err, BLIND_INPUT, "openai.missing", "you must provide the parameter '%s'",
                      field);
}

static blind_code check_tools(bl_openai_request *r, blind_error *err)
{
    if (!r->tools && r->tool_choice != BL_TOOLS_AUTO && r->tool_choice != BL_TOOLS_NONE)
        return refuse(r, "tool_choice", "is only allowed when tools are given", err);
    if (r->tool_choice == BL_TOOLS_NAMED && !bl_openai_tool_find(r, r->tool_name))
        return refuse(r, "tool_choice", "names a tool that was not given", err);
    if (r->format != BL_FORMAT_TEXT &&
        (r->tool_choice == BL_TOOLS_REQUIRED || r->tool_choice == BL_TOOLS_NAMED))
        return refuse(r, "tool_choice", "and a format exclude each other", err);
    return BLIND_OK;
}

static blind_code check(bl_openai_request *r, blind_error *err)
{
    bool chats = r->kind & CHATS;
    if (!r->model)
        return missing(r, "model", err);
    if (chats && !r->messages)
        return missing(r, r->kind == CHAT ? "messages" : "input", err);
    if (!chats && !r->prompts)
        return missing(r, r->kind == COMPLETION ? "prompt" : "input", err);
    if (r->kind == CHAT && r->max_tokens == 0)
        return refuse(r, "max_tokens", "is 0, expected at least 1", err);
    if (r->kind == COMPLETION && r->max_tokens == 0 && !r->echo)
        return refuse(r, "max_tokens", "is 0, which needs echo", err);
    if (r->echo && r->logprobs >= 0)
        return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, "echo",
                                "and logprobs together are not supported");
    if (!chats && r->prompts_len * (size_t)r->n > BL_MAX_ANSWERS)
        return bl_openai_refuse(r, BLIND_LIMIT, err, "n", "asks for more than %d answers in all",
                                BL_MAX_ANSWERS);
    return check_tools(r, err);
}

static blind_code read_body(bl_openai_request *r, blind_span body, blind_error *err)
{
    blind_code code = bl_json_parse(body, BL_MAX_JSON_SIZE, &r->root, err);
    if (code == BLIND_INPUT) /* its text may quote what came in */
        return blind_fail(err, BLIND_INPUT, "openai.json", "the body is not JSON");
    BL_TRY(code);
    if (!json_is_object(r->root))
        return blind_fail(err, BLIND_INPUT, "openai.json", "the body is no JSON object");
    BL_TRY(read_fields(r, err));
    return check(r, err);
}

blind_code bl_openai_request_read(bl_openai_kind kind, blind_span body, bl_openai_request *out,
                                  blind_error *err)
{
    *out = (bl_openai_request){ .kind = kind,
                                .parallel_tool_calls = true,
                                .temperature = 1,
                                .top_p = 1,
                                .typical_p = 1,
                                .repetition_penalty = 1,
                                .max_tokens = kind == COMPLETION ? 16 : -1,
                                .n = 1,
                                .logprobs = -1,
                                .arena = { .secret = true } };
    return read_body(out, body, err);
}

void bl_openai_request_done(bl_openai_request *r)
{
    json_decref(r->messages);
    json_decref(r->tools);
    json_decref(r->root);
    bl_arena_done(&r->arena);
    bl_wipe(r, sizeof *r);
}
