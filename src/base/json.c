/* jansson with bounds before it (depth, size) and clear errors behind it. */
#include "base/json.h"

#include "base/limits.h"

#include <inttypes.h>

void bl_json_done(json_t **value)
{
    json_decref(*value);
    *value = NULL;
}

/* Brackets outside strings, without regard to their kind: jansson then checks the grammar, but its
 * own bound on recursion is 2048. */
static bool depth_bounded(blind_span text)
{
    size_t depth = 0;
    bool   string = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (string) {
            i += c == '\\';
            string = c != '"';
        } else if (c == '"') {
            string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > BL_MAX_JSON_DEPTH)
                return false;
        } else if (depth && (c == ']' || c == '}')) {
            depth--;
        }
    }
    return true;
}

blind_code bl_json_parse(blind_span text, size_t max, json_t **out, blind_error *err)
{
    size_t       most = BL_MIN(max, (size_t)BL_MAX_JSON_SIZE);
    json_error_t why = { 0 };
    *out = NULL;
    if (text.size > most)
        return blind_fail(err, BLIND_LIMIT, "json", "%zu bytes, at most %zu", text.size, most);
    if (!depth_bounded(text))
        return blind_fail(err, BLIND_LIMIT, "json", "nested more than %d deep", BL_MAX_JSON_DEPTH);
    const char *bytes = text.size ? (const char *)text.data : "";
    *out = json_loadb(bytes, text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (*out)
        return BLIND_OK;
    if (json_error_code(&why) == json_error_out_of_memory || why.text[0] == '\0')
        return blind_fail(err, BLIND_MEMORY, "json", "out of memory");
    return blind_fail(err, BLIND_INPUT, "json", "line %d column %d: %s", why.line, why.column,
                      why.text);
}

static int add_piece(const char *bytes, size_t size, void *buf)
{
    bl_buf *b = buf;
    bl_buf_add(b, bl_span(bytes, size));
    return bl_buf_ok(b) ? 0 : -1;
}

blind_code bl_json_write(const json_t *value, bl_buf *out, blind_error *err)
{
    if (json_dump_callback(value, add_piece, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0 &&
        bl_buf_ok(out))
        return blind_fail(err, BLIND_MEMORY, "json", "out of memory");
    return bl_buf_check(out, "json", err);
}

/* ---- members ---- */

/* "a string", for messages. */
static const char *kind_of(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null",
    };
    return value ? names[json_typeof(value)] : "absent";
}

static blind_code refuse(const char *key, const json_t *found, const char *wanted, blind_error *err)
{
    return blind_fail(err, BLIND_INPUT, "json.member", "'%s' is %s, expected %s", key,
                      kind_of(found), wanted);
}

bool bl_json_has(const json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);
    return member && !json_is_null(member);
}

blind_code bl_json_string(const json_t *object, const char *key, const char **out, blind_error *err)
{
    const json_t *member = json_object_get(object, key);
    *out = json_string_value(member);
    if (!*out)
        return refuse(key, member, "a string", err);
    return BLIND_OK;
}

blind_code bl_json_int(const json_t *object, const char *key, int64_t min, int64_t max,
                       int64_t *out, blind_error *err)
{
    const json_t *member = json_object_get(object, key);
    int64_t       value = json_integer_value(member);
    *out = 0;
    if (!json_is_integer(member))
        return refuse(key, member, "an integer", err);
    if (value < min || value > max)
        return blind_fail(err, BLIND_INPUT, "json.member",
                          "'%s' is %" PRId64 ", expected %" PRId64 " to %" PRId64, key, value, min,
                          max);
    *out = value;
    return BLIND_OK;
}

blind_code bl_json_bool(const json_t *object, const char *key, bool *out, blind_error *err)
{
    const json_t *member = json_object_get(object, key);
    *out = json_is_true(member);
    return json_is_boolean(member) ? BLIND_OK : refuse(key, member, "true or false", err);
}

blind_code bl_json_array(const json_t *object, const char *key, json_t **out, blind_error *err)
{
    json_t *member = json_object_get(object, key);
    *out = json_is_array(member) ? member : NULL;
    return *out ? BLIND_OK : refuse(key, member, "an array", err);
}

blind_code bl_json_object(const json_t *object, const char *key, json_t **out, blind_error *err)
{
    json_t *member = json_object_get(object, key);
    *out = json_is_object(member) ? member : NULL;
    return *out ? BLIND_OK : refuse(key, member, "an object", err);
}
