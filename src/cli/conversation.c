/* Source: the OpenAI API reference, "Create chat completion" and its stream's chunks. */
#include "cli/conversation.h"

#include "base/json.h"
#include "base/limits.h"
#include "http/sse.h"

#include <stdio.h>

enum { MAX_SAID = 64 * 1024 /* of an error */, MAX_CHUNK = 1 << 20, MAX_ANSWER = 64 << 20 };

static const char stage[] = "chat";

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, stage, "out of memory");
}

/* ---- the server's models ---- */

static blind_code list_models(blind_client *client, json_t **out, blind_error *err)
{
    blind_request  ask = { .method = "GET", .target = "/v1/models" };
    blind_response answer;
    BL_TRY(blind_client_request(client, &ask, &answer, err));
    blind_code code = BLIND_OK;
    if (answer.status != 200)
        code = blind_fail(err, BLIND_SERVER, stage, "the server lists no language models: HTTP %d",
                          answer.status);
    if (code == BLIND_OK)
        code = bl_json_parse(bl_span(answer.body, answer.body_size), BL_MAX_JSON_SIZE, out, err);
    blind_response_done(&answer);
    return code;
}

blind_code bl_conversation_models(blind_client *client, bl_buf *out, blind_error *err)
{
    bl_auto_json *root = NULL;
    json_t       *rows, *row;
    size_t        i;
    BL_TRY(list_models(client, &root, err));
    BL_TRY(bl_json_array(root, "data", &rows, err));
    json_array_foreach(rows, i, row)
    {
        const char *id;
        BL_TRY(bl_json_string(row, "id", &id, err));
        bl_buf_printf(out, "%s\n", id);
    }
    return bl_buf_check(out, stage, err);
}

static blind_code choose_model(bl_conversation *c, const char *model, blind_error *err)
{
    bl_auto_buf names = BL_BUF_EMPTY;
    if (model) {
        if (snprintf(c->model, sizeof c->model, "%s", model) >= (int)sizeof c->model)
            return blind_fail(err, BLIND_USAGE, stage, "no model has a name that long");
        return BLIND_OK;
    }
    BL_TRY(bl_conversation_models(c->client, &names, err));
    char  *text = bl_buf_cstr(&names);
    size_t first = text ? strcspn(text, "\n") : 0;
    if (!text)
        return no_memory(err);
    if (first == 0)
        return blind_fail(err, BLIND_NOT_FOUND, stage, "the server has no language model");
    if (text[first + 1]) {
        for (char *at = text; (at = strchr(at, '\n')) && at[1];)
            *at = ',';
        text[strcspn(text, "\n")] = 0;
        return blind_fail(err, BLIND_USAGE, stage, "--model is needed: the server has %.300s",
                          text);
    }
    snprintf(c->model, sizeof c->model, "%.*s", (int)first, text);
    return BLIND_OK;
}

blind_code bl_conversation_begin(bl_conversation *c, blind_client *client, const char *model,
                                 blind_error *err)
{
    *c = (bl_conversation){ .client = client,
                            .messages = json_array(),
                            .settings = json_object(),
                            .answer = { .secret = true, .max = MAX_ANSWER } };
    if (!c->messages || !c->settings)
        return no_memory(err);
    return choose_model(c, model, err);
}

void bl_conversation_done(bl_conversation *c)
{
    json_decref(c->messages);
    json_decref(c->settings);
    bl_buf_done(&c->answer);
}

/* ---- what was said ---- */

static const char *role_of(const json_t *messages, size_t i)
{
    const char *role = json_string_value(json_object_get(json_array_get(messages, i), "role"));
    return role ? role : "";
}

static bool has_system(const bl_conversation *c)
{
    return strcmp(role_of(c->messages, 0), "system") == 0;
}

static json_t *message(const char *role, blind_span text)
{
    return json_pack("{s:s, s:s%}", "role", role, "content",
                     text.data ? (const char *)text.data : "", text.size);
}

static blind_code add(bl_conversation *c, const char *role, blind_span text, blind_error *err)
{
    json_t *made = message(role, text);
    if (!made)
        return blind_fail(err, BLIND_INPUT, stage, "a text that is not UTF-8");
    return json_array_append_new(c->messages, made) == 0 ? BLIND_OK : no_memory(err);
}

/* Everything from message `len` on is forgotten. */
static void cut(bl_conversation *c, size_t len)
{
    while (json_array_size(c->messages) > len)
        json_array_remove(c->messages, json_array_size(c->messages) - 1);
}

void bl_conversation_reset(bl_conversation *c)
{
    cut(c, has_system(c) ? 1 : 0);
}

blind_code bl_conversation_system(bl_conversation *c, const char *text, blind_error *err)
{
    if (has_system(c))
        json_array_remove(c->messages, 0);
    if (!*text)
        return BLIND_OK;
    json_t *made = message("system", bl_span_str(text));
    if (!made)
        return blind_fail(err, BLIND_INPUT, stage, "a text that is not UTF-8");
    return json_array_insert_new(c->messages, 0, made) == 0 ? BLIND_OK : no_memory(err);
}

bool bl_conversation_undo(bl_conversation *c, bl_buf *question)
{
    size_t i = json_array_size(c->messages);
    while (i > 0 && strcmp(role_of(c->messages, i - 1), "user") != 0)
        i--;
    if (i == 0)
        return false;
    json_t *text = json_object_get(json_array_get(c->messages, i - 1), "content");
    if (question)
        bl_buf_add(question, bl_span(json_string_value(text), json_string_length(text)));
    cut(c, i - 1);
    return true;
}

/* ---- a turn ---- */

typedef struct {
    bl_conversation *c;
    bl_sse           events;
    int              status;
    bl_buf           said; /* instead of a stream */
} turn;

static blind_code take_error(const json_t *root, blind_error *err)
{
    const json_t *error = json_object_get(root, "error");
    const char   *text = json_string_value(json_object_get(error, "message"));
    if (!text)
        text = json_string_value(error);
    return blind_fail(err, BLIND_SERVER, stage, "the server: %.300s",
                      text ? text : "no reason given");
}

static void take_usage(bl_conversation *c, const json_t *usage)
{
    if (!json_is_object(usage))
        return;
    c->prompt_tokens = json_integer_value(json_object_get(usage, "prompt_tokens"));
    c->answer_tokens = json_integer_value(json_object_get(usage, "completion_tokens"));
}

static void take_choice(bl_conversation *c, const json_t *choice)
{
    json_t     *text = json_object_get(json_object_get(choice, "delta"), "content");
    const char *ended = json_string_value(json_object_get(choice, "finish_reason"));
    if (ended)
        snprintf(c->ended, sizeof c->ended, "%s", ended);
    if (!json_is_string(text))
        return;
    blind_span piece = bl_span(json_string_value(text), json_string_length(text));
    bl_buf_add(&c->answer, piece);
    if (c->show)
        c->show(c->show_arg, piece);
}

static blind_code take_event(void *arg, blind_span data, blind_error *err)
{
    turn         *t = arg;
    bl_auto_json *root = NULL;
    if (bl_span_equal(data, BL_LITERAL("[DONE]")))
        return BLIND_OK;
    BL_TRY(bl_json_parse(data, MAX_CHUNK, &root, err));
    if (json_object_get(root, "error"))
        return take_error(root, err);
    take_usage(t->c, json_object_get(root, "usage"));
    take_choice(t->c, json_array_get(json_object_get(root, "choices"), 0));
    return bl_buf_check(&t->c->answer, stage, err);
}

static blind_code on_head(void *arg, int status, blind_error *err)
{
    turn *t = arg;
    (void)err;
    t->status = status;
    return BLIND_OK;
}

static blind_code on_body(void *arg, blind_span bytes, blind_error *err)
{
    turn *t = arg;
    if (t->c->cancel && *t->c->cancel)
        return blind_fail(err, BLIND_CANCELLED, stage, "cancelled");
    if (t->status == 200)
        return bl_sse_read(&t->events, bytes, err);
    bl_buf_add(&t->said, bytes);
    return bl_buf_check(&t->said, stage, err);
}

static blind_code write_request(const bl_conversation *c, bl_buf *out, blind_error *err)
{
    bl_auto_json *root = json_pack("{s:s, s:O, s:b, s:{s:b}}", "model", c->model, "messages",
                                   c->messages, "stream", 1, "stream_options", "include_usage", 1);
    if (!root || json_object_update(root, c->settings) != 0)
        return no_memory(err);
    return bl_json_write(root, out, err);
}

static blind_code refused(const turn *t, blind_error *err)
{
    bl_auto_json *root = NULL;
    blind_error   ignored;
    if (bl_json_parse(bl_buf_span(&t->said), MAX_SAID, &root, &ignored) == BLIND_OK)
        return take_error(root, err);
    return blind_fail(err, BLIND_SERVER, stage, "the server answered %d", t->status);
}

static blind_code converse(bl_conversation *c, turn *t, blind_error *err)
{
    static const blind_header headers[] = { { "Content-Type", "application/json" },
                                            { "Accept", "text/event-stream" } };
    bl_auto_buf               body = { .secret = true };
    blind_response            answer;
    BL_TRY(write_request(c, &body, err));
    blind_request ask = { .method = "POST",
                          .target = "/v1/chat/completions",
                          .headers = headers,
                          .header_count = BL_LEN(headers),
                          .body = bl_buf_span(&body),
                          .idempotent = true, /* answering twice costs time, and nothing else */
                          .on_head = on_head,
                          .on_body = on_body,
                          .on_arg = t,
                          .cancel = c->cancel };
    BL_TRY(blind_client_request(c->client, &ask, &answer, err));
    blind_response_done(&answer);
    return t->status == 200 ? BLIND_OK : refused(t, err);
}

blind_code bl_conversation_ask(bl_conversation *c, blind_span question, blind_error *err)
{
    size_t before = json_array_size(c->messages);
    turn   t = { .c = c, .said = { .max = MAX_SAID } };
    bl_buf_clear(&c->answer);
    c->ended[0] = 0;
    c->prompt_tokens = c->answer_tokens = 0;
    BL_TRY(add(c, "user", question, err));
    bl_sse_init(&t.events, MAX_CHUNK, take_event, &t);
    blind_code code = converse(c, &t, err);
    bl_sse_done(&t.events);
    bl_buf_done(&t.said);
    if (code == BLIND_OK || (code == BLIND_CANCELLED && c->answer.size)) {
        blind_error late;
        blind_code  kept = add(c, "assistant", bl_buf_span(&c->answer), &late);
        if (kept == BLIND_OK)
            return code;
        if (code == BLIND_OK) {
            *err = late;
            code = kept;
        }
    }
    cut(c, before);
    return code;
}
