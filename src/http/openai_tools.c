/* Tools: what a client offers, which of them the model has to take, and calls that it made before.
 */
#include "http/openai_read.h"

#include <ctype.h>
#include <stdio.h>

static blind_code refuse(bl_openai_request *r, const char *field, const char *why, blind_error *err)
{
    return bl_openai_refuse(r, BLIND_INPUT, err, field, "%s", why);
}

static const char *string_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const char *bl_openai_tool_name(const json_t *tool)
{
    return string_of(json_object_get(tool, "function"), "name");
}

const json_t *bl_openai_tool_schema(const json_t *tool)
{
    return json_object_get(json_object_get(tool, "function"), "parameters");
}

const json_t *bl_openai_tool_find(const bl_openai_request *r, const char *name)
{
    size_t  i;
    json_t *tool;
    json_array_foreach(r->tools, i,
                       tool) if (strcmp(bl_openai_tool_name(tool), name) == 0) return tool;
    return NULL;
}

static bool is_name(const char *name)
{
    size_t size = 0;
    for (; name && name[size]; size++)
        if (!isalnum((unsigned char)name[size]) && name[size] != '_' && name[size] != '-' &&
            name[size] != '.')
            return false;
    return size >= 1 && size <= BL_MAX_TOOL_NAME;
}

/* {"name", "description", "parameters", "strict"}: all of it is for the template. */
static blind_code check_function(bl_openai_request *r, const char *field, const json_t *function,
                                 blind_error *err)
{
    static const char *const known[] = {
        "type", "name", "description", "parameters", "strict", NULL
    };
    BL_TRY(bl_openai_known(r, field, function, known, err));
    const char   *name = string_of(function, "name");
    const json_t *parameters = json_object_get(function, "parameters");
    if (!is_name(name))
        return refuse(r, field, "has no name of 1 to 64 of [A-Za-z0-9_.-]", err);
    if (parameters && !json_is_object(parameters) && !json_is_null(parameters))
        return refuse(r, field, "has parameters that are no schema", err);
    if (bl_openai_tool_find(r, name))
        return refuse(r, field, "has a name that another tool has", err);
    return BLIND_OK;
}

/* As a chat writes it, with the function in an object of its own. */
static blind_code add_tool(bl_openai_request *r, const char *field, const json_t *tool,
                           blind_error *err)
{
    static const char *const known[] = { "type", "function", NULL };
    const char              *type = string_of(tool, "type");
    bool                     flat = r->kind == BL_OPENAI_RESPONSE;
    if (!type || strcmp(type, "function") != 0)
        return bl_openai_refuse(r, BLIND_UNSUPPORTED, err, field, "is no tool of type function");
    if (!flat)
        BL_TRY(bl_openai_known(r, field, tool, known, err));
    const json_t *given = flat ? tool : json_object_get(tool, "function");
    BL_TRY(check_function(r, field, given, err));
    json_t *function = json_copy((json_t *)(uintptr_t)given);
    if (flat)
        json_object_del(function, "type");
    json_t *made = json_pack("{s:s,s:o}", "type", "function", "function", function);
    if (!made || json_array_append_new(r->tools, made) != 0)
        return bl_openai_no_memory(err);
    return BLIND_OK;
}

blind_code bl_openai_read_tools(bl_openai_request *r, const char *field, const json_t *value,
                                blind_error *err)
{
    size_t  i;
    json_t *each;
    if (!json_is_array(value))
        return refuse(r, field, "is no list", err);
    if (json_array_size(value) == 0)
        return BLIND_OK;
    if (json_array_size(value) > BL_MAX_TOOLS)
        return bl_openai_refuse(r, BLIND_LIMIT, err, field, "has more than %d tools", BL_MAX_TOOLS);
    r->tools = json_array();
    if (!r->tools)
        return bl_openai_no_memory(err);
    json_array_foreach((json_t *)(uintptr_t)value, i, each)
    {
        char name[40];
        snprintf(name, sizeof name, "%s[%zu]", field, i);
        BL_TRY(add_tool(r, name, each, err));
    }
    return BLIND_OK;
}

blind_code bl_openai_read_tool_choice(bl_openai_request *r, const char *field, const json_t *value,
                                      blind_error *err)
{
    static const char *const words[] = {
        [BL_TOOLS_AUTO] = "auto", [BL_TOOLS_NONE] = "none", [BL_TOOLS_REQUIRED] = "required"
    };
    const char *word = json_string_value(value), *type = string_of(value, "type");
    for (size_t i = 0; word && i < BL_LEN(words); i++)
        if (strcmp(word, words[i]) == 0) {
            r->tool_choice = (bl_openai_choice)i;
            return BLIND_OK;
        }
    const json_t *function =
        r->kind == BL_OPENAI_RESPONSE ? value : json_object_get(value, "function");
    r->tool_name = string_of(function, "name");
    if (!type || strcmp(type, "function") != 0 || !r->tool_name)
        return refuse(r, field, "is neither auto, none, required nor a function's name", err);
    r->tool_choice = BL_TOOLS_NAMED;
    return BLIND_OK;
}

/* ---- calls that were made ---- */

blind_code bl_openai_add_call(bl_openai_request *r, const char *field, const char *id,
                              const json_t *function, json_t *calls, blind_error *err)
{
    const char   *name = string_of(function, "name");
    const json_t *text = json_object_get(function, "arguments");
    json_t       *arguments = NULL;
    if (!is_name(name))
        return refuse(r, field, "has a call without a function's name", err);
    if (!json_is_string(text))
        return refuse(r, field, "has a call whose arguments are no text", err);
    blind_span bytes = bl_span(json_string_value(text), json_string_length(text));
    if (bytes.size == 0)
        arguments = json_object();
    else if (bl_json_parse(bytes, BL_MAX_JSON_SIZE, &arguments, NULL) != BLIND_OK)
        return refuse(r, field, "has a call whose arguments are not JSON", err);
    json_t *call = json_pack("{s:s,s:s,s:{s:s,s:o}}", "id", id, "type", "function", "function",
                             "name", name, "arguments", arguments);
    if (!call || json_array_append_new(calls, call) != 0)
        return bl_openai_no_memory(err);
    return BLIND_OK;
}

blind_code bl_openai_read_calls(bl_openai_request *r, const char *field, const json_t *value,
                                json_t *message, blind_error *err)
{
    size_t  i;
    json_t *each, *calls = json_array();
    if (json_object_set_new(message, "tool_calls", calls) != 0)
        return bl_openai_no_memory(err);
    if (json_array_size(value) > BL_MAX_TOOLS)
        return bl_openai_refuse(r, BLIND_LIMIT, err, field, "has more than %d calls", BL_MAX_TOOLS);
    json_array_foreach((json_t *)(uintptr_t)value, i, each)
    {
        const char *id = string_of(each, "id"), *type = string_of(each, "type");
        if (!id || (type && strcmp(type, "function") != 0))
            return refuse(r, field, "has a call that has no id or is of no function", err);
        BL_TRY(bl_openai_add_call(r, field, id, json_object_get(each, "function"), calls, err));
    }
    return BLIND_OK;
}
