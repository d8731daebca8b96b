/* Conversations: OpenAI's messages, and items of a response's input, as chat templates take them.
 *
 * Contents become texts, `developer` becomes `system`, which is what templates call it, and calls
 * of tools stand in the assistant's message with their arguments as objects. */
#include "http/openai_read.h"

#include <stdio.h>

static blind_code refuse(bl_openai_request *r, const char *field, const char *why, blind_error *err)
{
    return bl_openai_refuse(r, BLIND_INPUT, err, field, "%s", why);
}

static const char *string_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- contents ---- */

/* A part's text, where the part is one: "text", or as a response names it. */
static blind_code add_part(bl_openai_request *r, const char *field, const json_t *part, bl_buf *out,
                           blind_error *err)
{
    const char   *type = string_of(part, "type");
    const json_t *text = json_object_get(part, "text");
    if (!json_is_object(part) || !type)
        return refuse(r, field, "has a part without a type", err);
    if (strcmp(type, "text") != 0 && strcmp(type, "input_text") != 0 &&
        strcmp(type, "output_text") != 0)
        return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field,
                                "has a part of type '%.32s': this model reads text", type);
    if (!json_is_string(text))
        return refuse(r, field, "has a part without a text", err);
    bl_buf_add(out, bl_span(json_string_value(text), json_string_length(text)));
    return BLIND_OK;
}

/* Sets message.content to a text. */
static blind_code set_content(bl_openai_request *r, const char *field, const json_t *content,
                              json_t *message, blind_error *err)
{
    bl_auto_buf text = { .secret = true };
    size_t      i;
    json_t     *part;
    if (json_is_string(content))
        return json_object_set(message, "content", (json_t *)(uintptr_t)content) == 0
                   ? BLIND_OK
                   : bl_openai_no_memory(err);
    if (!json_is_array(content))
        return refuse(r, field, "is neither text nor a list of parts", err);
    json_array_foreach((json_t *)(uintptr_t)content, i, part)
        BL_TRY(add_part(r, field, part, &text, err));
    const char *bytes = text.size ? (const char *)text.data : "";
    if (!bl_buf_ok(&text) ||
        json_object_set_new(message, "content", json_stringn(bytes, text.size)) != 0)
        return bl_openai_no_memory(err);
    return BLIND_OK;
}

/* ---- messages ---- */

static blind_code set_role(bl_openai_request *r, const char *field, const json_t *from, json_t *to,
                           blind_error *err)
{
    static const char *const roles[][2] = { { "system", "system" },
                                            { "developer", "system" },
                                            { "user", "user" },
                                            { "assistant", "assistant" },
                                            { "tool", "tool" } };
    const char              *role = string_of(from, "role");
    for (size_t i = 0; role && i < BL_LEN(roles); i++)
        if (strcmp(role, roles[i][0]) == 0)
            return json_object_set_new(to, "role", json_string(roles[i][1])) == 0
                       ? BLIND_OK
                       : bl_openai_no_memory(err);
    return refuse(r, field, role ? "has an unknown role" : "has no role", err);
}

static blind_code copy_text(bl_openai_request *r, const char *field, const json_t *from,
                            const char *key, json_t *to, blind_error *err)
{
    json_t *value = json_object_get(from, key);
    if (!value || json_is_null(value))
        return BLIND_OK;
    if (!json_is_string(value))
        return bl_openai_refuse(r, BLIND_INPUT, err, field, "has a %s that is no text", key);
    return json_object_set(to, key, value) == 0 ? BLIND_OK : bl_openai_no_memory(err);
}

static blind_code fill_message(bl_openai_request *r, const char *field, const json_t *from,
                               json_t *to, blind_error *err)
{
    static const char *const known[] = { "role",         "content",
                                         "name",         "tool_calls",
                                         "tool_call_id", "reasoning_content",
                                         "refusal",      NULL };
    BL_TRY(bl_openai_known(r, field, from, known, err));
    BL_TRY(set_role(r, field, from, to, err));
    const json_t *content = json_object_get(from, "content");
    const json_t *calls = json_object_get(from, "tool_calls");
    bool          assistant = strcmp(string_of(to, "role"), "assistant") == 0;
    bool          has_calls = json_array_size(calls) > 0;
    if (json_is_string(json_object_get(from, "refusal")))
        return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field, "has a refusal");
    if (has_calls && !assistant)
        return refuse(r, field, "has calls of tools, which are an assistant's", err);
    if (calls && !json_is_null(calls) && !json_is_array(calls))
        return refuse(r, field, "has calls of tools that are no list", err);
    if (strcmp(string_of(to, "role"), "tool") == 0 && !string_of(from, "tool_call_id"))
        return refuse(r, field, "has no tool_call_id", err);
    if (content && !json_is_null(content))
        BL_TRY(set_content(r, field, content, to, err));
    else if (!assistant)
        return refuse(r, field, "has no content", err);
    else if (json_object_set_new(to, "content", json_string("")) != 0)
        return bl_openai_no_memory(err);
    BL_TRY(copy_text(r, field, from, "name", to, err));
    BL_TRY(copy_text(r, field, from, "tool_call_id", to, err));
    BL_TRY(copy_text(r, field, from, "reasoning_content", to, err));
    return has_calls ? bl_openai_read_calls(r, field, calls, to, err) : BLIND_OK;
}

/* A new object at the end of the messages. */
static json_t *add_message(bl_openai_request *r)
{
    if (!r->messages)
        r->messages = json_array();
    json_t *message = json_object();
    return json_array_append_new(r->messages, message) == 0 ? message : NULL;
}

static blind_code check_count(bl_openai_request *r, const char *field, const json_t *value,
                              blind_error *err)
{
    if (!json_is_array(value))
        return refuse(r, field, "is no list", err);
    if (json_array_size(value) == 0)
        return refuse(r, field, "is empty", err);
    if (json_array_size(value) > BL_MAX_MESSAGES)
        return bl_openai_refuse(r, BLIND_LIMIT, err, field, "has more than %d messages",
                                BL_MAX_MESSAGES);
    return BLIND_OK;
}

blind_code bl_openai_read_messages(bl_openai_request *r, const char *field, const json_t *value,
                                   blind_error *err)
{
    size_t  i;
    json_t *each;
    BL_TRY(check_count(r, field, value, err));
    json_array_foreach((json_t *)(uintptr_t)value, i, each)
    {
        char    name[40];
        json_t *message = add_message(r);
        snprintf(name, sizeof name, "%s[%zu]", field, i);
        if (!message)
            return bl_openai_no_memory(err);
        BL_TRY(fill_message(r, name, each, message, err));
    }
    return BLIND_OK;
}

/* ---- items of a response's input ---- */

static blind_code add_text(bl_openai_request *r, const char *role, const json_t *text,
                           blind_error *err)
{
    json_t *message = add_message(r);
    if (!message || json_object_set_new(message, "role", json_string(role)) != 0 ||
        json_object_set(message, "content", (json_t *)(uintptr_t)text) != 0)
        return bl_openai_no_memory(err);
    return BLIND_OK;
}

blind_code bl_openai_read_instructions(bl_openai_request *r, const char *field, const json_t *value,
                                       blind_error *err)
{
    if (!json_is_string(value))
        return refuse(r, field, "is no text", err);
    return add_text(r, "system", value, err);
}

/* The list of calls that the last message has, when it is an assistant's; made where it is none. */
static json_t *calls_of_last(bl_openai_request *r)
{
    json_t *last = json_array_get(r->messages, json_array_size(r->messages) - 1);
    if (!last || !string_of(last, "role") || strcmp(string_of(last, "role"), "assistant") != 0) {
        last = add_message(r);
        if (!last || json_object_set_new(last, "role", json_string("assistant")) != 0 ||
            json_object_set_new(last, "content", json_string("")) != 0)
            return NULL;
    }
    if (!json_object_get(last, "tool_calls"))
        json_object_set_new(last, "tool_calls", json_array());
    return json_object_get(last, "tool_calls");
}

static blind_code add_call(bl_openai_request *r, const char *field, const json_t *item,
                           blind_error *err)
{
    static const char *const known[] = { "type",      "id",     "call_id", "name",
                                         "arguments", "status", NULL };
    BL_TRY(bl_openai_known(r, field, item, known, err));
    const char *id = string_of(item, "call_id");
    if (!id)
        return refuse(r, field, "has no call_id", err);
    json_t *calls = calls_of_last(r);
    if (!calls)
        return bl_openai_no_memory(err);
    return bl_openai_add_call(r, field, id, item, calls, err);
}

static blind_code add_output(bl_openai_request *r, const char *field, const json_t *item,
                             blind_error *err)
{
    static const char *const known[] = { "type", "id", "call_id", "output", "status", NULL };
    BL_TRY(bl_openai_known(r, field, item, known, err));
    json_t *id = json_object_get(item, "call_id");
    if (!json_is_string(id))
        return refuse(r, field, "has no call_id", err);
    json_t *message = add_message(r);
    if (!message || json_object_set_new(message, "role", json_string("tool")) != 0 ||
        json_object_set(message, "tool_call_id", id) != 0)
        return bl_openai_no_memory(err);
    return set_content(r, field, json_object_get(item, "output"), message, err);
}

static blind_code add_input_message(bl_openai_request *r, const char *field, const json_t *item,
                                    blind_error *err)
{
    static const char *const known[] = { "type", "id", "role", "content", "status", NULL };
    BL_TRY(bl_openai_known(r, field, item, known, err));
    json_t *message = add_message(r);
    if (!message)
        return bl_openai_no_memory(err);
    BL_TRY(set_role(r, field, item, message, err));
    return set_content(r, field, json_object_get(item, "content"), message, err);
}

static blind_code read_item(bl_openai_request *r, const char *field, const json_t *item,
                            blind_error *err)
{
    const char *type = string_of(item, "type");
    if (!type || strcmp(type, "message") == 0)
        return add_input_message(r, field, item, err);
    if (strcmp(type, "function_call") == 0)
        return add_call(r, field, item, err);
    if (strcmp(type, "function_call_output") == 0)
        return add_output(r, field, item, err);
    return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field, "has type '%.32s'", type);
}

blind_code bl_openai_read_input(bl_openai_request *r, const char *field, const json_t *value,
                                blind_error *err)
{
    size_t  i;
    json_t *each;
    if (json_is_string(value))
        return add_text(r, "user", value, err);
    BL_TRY(check_count(r, field, value, err));
    json_array_foreach((json_t *)(uintptr_t)value, i, each)
    {
        char name[40];
        snprintf(name, sizeof name, "%s[%zu]", field, i);
        BL_TRY(read_item(r, name, each, err));
    }
    return BLIND_OK;
}
