/* Values: containers, comparison, and how they are written. */
#include "llm/jinja/value.h"

#include "base/limits.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Containers.  ------------------------------------------------------------------------------- */

bl_jinja_value bl_jinja_new_list(bl_arena *arena)
{
    return (bl_jinja_value){ .kind = BL_JINJA_LIST,
                             .list = bl_arena_alloc(arena, sizeof(bl_jinja_list)) };
}

bl_jinja_value bl_jinja_new_dict(bl_arena *arena)
{
    return (bl_jinja_value){ .kind = BL_JINJA_DICT,
                             .dict = bl_arena_alloc(arena, sizeof(bl_jinja_dict)) };
}

/* Room for one more of `size` bytes; old memory stays in the arena. */
static bool grow(bl_arena *arena, void **items, size_t size, size_t len, size_t *capacity)
{
    if (len < *capacity)
        return true;
    size_t more = *capacity ? 2 * *capacity : 4;
    void  *moved = bl_arena_array(arena, more, size);
    if (!moved)
        return false;
    if (len)
        memcpy(moved, *items, len * size);
    *items = moved;
    *capacity = more;
    return true;
}

static unsigned depth_of(const bl_jinja_value *v)
{
    return v->kind == BL_JINJA_LIST                             ? v->list->depth + 1
           : v->kind == BL_JINJA_DICT && !v->dict->is_namespace ? v->dict->depth + 1
                                                                : 0;
}

bool bl_jinja_append(bl_arena *arena, bl_jinja_list *list, bl_jinja_value item)
{
    void *items = list->items;
    list->depth = BL_MAX(list->depth, depth_of(&item));
    if (list->depth > BL_MAX_JSON_DEPTH ||
        !grow(arena, &items, sizeof item, list->len, &list->capacity))
        return false;
    list->items = items;
    list->items[list->len++] = item;
    return true;
}

bool bl_jinja_put(bl_arena *arena, bl_jinja_dict *dict, bl_jinja_value key, bl_jinja_value value)
{
    if (!dict->is_namespace)
        dict->depth = BL_MAX(dict->depth, depth_of(&value));
    if (dict->depth > BL_MAX_JSON_DEPTH)
        return false;
    for (size_t i = 0; i < dict->len; i++)
        if (bl_jinja_equal(&dict->pairs[i].key, &key)) {
            dict->pairs[i].value = value;
            return true;
        }
    void *pairs = dict->pairs;
    if (dict->len >= BL_MAX_JINJA_KEYS ||
        !grow(arena, &pairs, sizeof *dict->pairs, dict->len, &dict->capacity))
        return false;
    dict->pairs = pairs;
    dict->pairs[dict->len++] = (bl_jinja_pair){ key, value };
    return true;
}

const bl_jinja_value *bl_jinja_get(const bl_jinja_dict *dict, bl_jinja_value key)
{
    for (size_t i = 0; i < dict->len; i++)
        if (bl_jinja_equal(&dict->pairs[i].key, &key))
            return &dict->pairs[i].value;
    return NULL;
}

const bl_jinja_value *bl_jinja_get_text(const bl_jinja_dict *dict, const char *key)
{
    return bl_jinja_get(dict, bl_jinja_text(bl_span_str(key)));
}

/* Comparison.  ------------------------------------------------------------------------------- */

bool bl_jinja_is_number(const bl_jinja_value *v)
{
    return v->kind == BL_JINJA_BOOL || v->kind == BL_JINJA_INT || v->kind == BL_JINJA_FLOAT;
}

double bl_jinja_number(const bl_jinja_value *v)
{
    return v->kind == BL_JINJA_FLOAT ? v->real
           : v->kind == BL_JINJA_INT ? (double)v->whole
                                     : (double)v->flag;
}

static int64_t whole_of(const bl_jinja_value *v)
{
    return v->kind == BL_JINJA_INT ? v->whole : v->flag;
}

static bool equal_lists(const bl_jinja_list *a, const bl_jinja_list *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (!bl_jinja_equal(&a->items[i], &b->items[i]))
            return false;
    return true;
}

static bool equal_dicts(const bl_jinja_dict *a, const bl_jinja_dict *b)
{
    if (a->len != b->len || a->is_namespace || b->is_namespace)
        return false;
    for (size_t i = 0; i < a->len; i++) {
        const bl_jinja_value *other = bl_jinja_get(b, a->pairs[i].key);
        if (!other || !bl_jinja_equal(&a->pairs[i].value, other))
            return false;
    }
    return true;
}

bool bl_jinja_equal(const bl_jinja_value *a, const bl_jinja_value *b)
{
    int order;
    if (bl_jinja_is_number(a) && bl_jinja_is_number(b))
        return bl_jinja_compare(a, b, &order) && order == 0;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case BL_JINJA_TEXT:
        return bl_span_equal(a->text, b->text);
    case BL_JINJA_LIST:
        return a->list == b->list || equal_lists(a->list, b->list);
    case BL_JINJA_DICT:
        return a->dict == b->dict || equal_dicts(a->dict, b->dict);
    case BL_JINJA_MACRO:
        return a->code == b->code;
    default:
        return true; /* none, undefined */
    }
}

bool bl_jinja_compare(const bl_jinja_value *a, const bl_jinja_value *b, int *out)
{
    if (a->kind == BL_JINJA_TEXT && b->kind == BL_JINJA_TEXT) {
        int order = memcmp(a->text.data ? a->text.data : (const uint8_t *)"",
                           b->text.data ? b->text.data : (const uint8_t *)"",
                           BL_MIN(a->text.size, b->text.size));
        *out = order ? (order > 0) - (order < 0)
                     : (a->text.size > b->text.size) - (a->text.size < b->text.size);
        return true;
    }
    if (!bl_jinja_is_number(a) || !bl_jinja_is_number(b))
        return false;
    if (a->kind == BL_JINJA_FLOAT || b->kind == BL_JINJA_FLOAT) {
        double x = bl_jinja_number(a), y = bl_jinja_number(b);
        *out = (x > y) - (x < y);
        return x == x && y == y;
    }
    *out = (whole_of(a) > whole_of(b)) - (whole_of(a) < whole_of(b));
    return true;
}

bool bl_jinja_true(const bl_jinja_value *v)
{
    switch (v->kind) {
    case BL_JINJA_UNDEFINED:
    case BL_JINJA_NONE:
        return false;
    case BL_JINJA_TEXT:
        return v->text.size > 0;
    case BL_JINJA_LIST:
        return v->list->len > 0;
    case BL_JINJA_DICT:
        return v->dict->len > 0 || v->dict->is_namespace;
    case BL_JINJA_MACRO:
        return true;
    default:
        return bl_jinja_number(v) != 0;
    }
}

const char *bl_jinja_kind_name(const bl_jinja_value *v)
{
    static const char *const names[] = {
        [BL_JINJA_UNDEFINED] = "undefined", [BL_JINJA_NONE] = "None",
        [BL_JINJA_BOOL] = "bool",           [BL_JINJA_INT] = "int",
        [BL_JINJA_FLOAT] = "float",         [BL_JINJA_TEXT] = "str",
        [BL_JINJA_LIST] = "list",           [BL_JINJA_DICT] = "dict",
        [BL_JINJA_MACRO] = "macro",
    };
    return names[v->kind];
}

/* Writing.  ---------------------------------------------------------------------------------- */

/* The shortest digits that read as the same number, as Python's repr. */
static void print_float(double x, bl_buf *out)
{
    char text[40];
    if (isnan(x) || isinf(x)) {
        bl_buf_add_str(out, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    double size = fabs(x);
    if (strchr(text, 'e') && size >= 1e-4 && size < 1e16) /* %g turns to powers earlier */
        snprintf(text, sizeof text, "%.0f", x);
    bl_buf_add_str(out, text);
    if (!strpbrk(text, ".en"))
        bl_buf_add_str(out, ".0");
}

static void repr_text(blind_span text, bl_buf *out)
{
    bool quote = memchr(text.data ? text.data : (const uint8_t *)"", '\'', text.size) &&
                 !memchr(text.data, '"', text.size);
    uint8_t mark = quote ? '"' : '\'';
    bl_buf_add_u8(out, mark);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '\n' || c == '\r' || c == '\t')
            bl_buf_add_str(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if (c == '\\' || c == mark)
            bl_buf_printf(out, "\\%c", c);
        else if (c < 32 || c == 127)
            bl_buf_printf(out, "\\x%02x", c);
        else
            bl_buf_add_u8(out, c);
    }
    bl_buf_add_u8(out, mark);
}

static void repr_items(const bl_jinja_value *v, bl_buf *out)
{
    bool list = v->kind == BL_JINJA_LIST;
    if (!list && v->dict->is_namespace) {
        bl_buf_add_str(out, "<Namespace>");
        return;
    }
    bl_buf_add_str(out, list ? "[" : "{");
    for (size_t i = 0; i < (list ? v->list->len : v->dict->len); i++) {
        if (i)
            bl_buf_add_str(out, ", ");
        if (!list) {
            bl_jinja_repr(&v->dict->pairs[i].key, out);
            bl_buf_add_str(out, ": ");
        }
        bl_jinja_repr(list ? &v->list->items[i] : &v->dict->pairs[i].value, out);
        if (!bl_buf_ok(out))
            return;
    }
    bl_buf_add_str(out, list ? "]" : "}");
}

void bl_jinja_repr(const bl_jinja_value *v, bl_buf *out)
{
    switch (v->kind) {
    case BL_JINJA_UNDEFINED:
        bl_buf_add_str(out, "Undefined");
        break;
    case BL_JINJA_NONE:
        bl_buf_add_str(out, "None");
        break;
    case BL_JINJA_BOOL:
        bl_buf_add_str(out, v->flag ? "True" : "False");
        break;
    case BL_JINJA_INT:
        bl_buf_printf(out, "%" PRId64, v->whole);
        break;
    case BL_JINJA_FLOAT:
        print_float(v->real, out);
        break;
    case BL_JINJA_TEXT:
        repr_text(v->text, out);
        break;
    case BL_JINJA_LIST:
    case BL_JINJA_DICT:
        repr_items(v, out);
        break;
    case BL_JINJA_MACRO:
        bl_buf_add_str(out, "<macro>");
        break;
    }
}

void bl_jinja_print(const bl_jinja_value *v, bl_buf *out)
{
    if (v->kind == BL_JINJA_TEXT)
        bl_buf_add(out, v->text);
    else if (v->kind != BL_JINJA_UNDEFINED)
        bl_jinja_repr(v, out);
}

static void json_text(blind_span text, bl_buf *out)
{
    static const char plain[] = "\"\\\b\f\n\r\t", escaped[] = "\"\\bfnrt";
    bl_buf_add_str(out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        uint8_t     c = text.data[i];
        const char *at = c ? strchr(plain, c) : NULL;
        if (at)
            bl_buf_printf(out, "\\%c", escaped[at - plain]);
        else if (c < 32)
            bl_buf_printf(out, "\\u%04x", c);
        else
            bl_buf_add_u8(out, c);
    }
    bl_buf_add_str(out, "\"");
}

static void json_line(int indent, int depth, bl_buf *out)
{
    bl_buf_add_str(out, "\n");
    for (int i = 0; i < indent * depth; i++)
        bl_buf_add_u8(out, ' ');
}

static bool json_at(const bl_jinja_value *v, int indent, int depth, bl_buf *out)
{
    bool   list = v->kind == BL_JINJA_LIST;
    size_t len = list ? v->list->len : v->kind == BL_JINJA_DICT ? v->dict->len : 0;
    switch (v->kind) {
    case BL_JINJA_NONE:
        bl_buf_add_str(out, "null");
        return true;
    case BL_JINJA_BOOL:
        bl_buf_add_str(out, v->flag ? "true" : "false");
        return true;
    case BL_JINJA_TEXT:
        json_text(v->text, out);
        return true;
    case BL_JINJA_INT:
    case BL_JINJA_FLOAT:
        bl_jinja_repr(v, out);
        return true;
    case BL_JINJA_LIST:
    case BL_JINJA_DICT:
        break;
    default:
        return false;
    }
    if (!list && v->dict->is_namespace)
        return false;
    bl_buf_add_str(out, list ? "[" : "{");
    for (size_t i = 0; i < len && bl_buf_ok(out); i++) {
        if (i)
            bl_buf_add_str(out, indent < 0 ? ", " : ",");
        if (indent >= 0)
            json_line(indent, depth + 1, out);
        if (!list) {
            bl_auto_buf key = BL_BUF_EMPTY;
            bl_jinja_print(&v->dict->pairs[i].key, &key);
            json_text(bl_buf_span(&key), out);
            bl_buf_add_str(out, ": ");
        }
        if (!json_at(list ? &v->list->items[i] : &v->dict->pairs[i].value, indent, depth + 1, out))
            return false;
    }
    if (len && indent >= 0)
        json_line(indent, depth, out);
    bl_buf_add_str(out, list ? "]" : "}");
    return true;
}

bool bl_jinja_json(const bl_jinja_value *v, int indent, bl_buf *out)
{
    return json_at(v, indent, 0, out);
}

/* From JSON.  -------------------------------------------------------------------------------- */

static bool copy_text(bl_arena *arena, const char *text, size_t size, bl_jinja_value *out)
{
    char *copy = bl_arena_copy(arena, bl_span(text, size));
    *out = bl_jinja_text(bl_span(copy, size));
    return copy != NULL;
}

static bool from_json(bl_arena *arena, const json_t *json, int depth, bl_jinja_value *out)
{
    size_t         i;
    const json_t  *item;
    const char    *key;
    bl_jinja_value one, name;
    *out = (bl_jinja_value){ .kind = BL_JINJA_NONE };
    if (depth > BL_MAX_JSON_DEPTH)
        return false;
    switch (json_typeof(json)) {
    case JSON_STRING:
        return copy_text(arena, json_string_value(json), json_string_length(json), out);
    case JSON_INTEGER:
        *out = bl_jinja_int(json_integer_value(json));
        return true;
    case JSON_REAL:
        *out = bl_jinja_float(json_real_value(json));
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = bl_jinja_bool(json_is_true(json));
        return true;
    case JSON_NULL:
        return true;
    case JSON_ARRAY:
        *out = bl_jinja_new_list(arena);
        if (!out->list)
            return false;
        json_array_foreach(json, i, item)
        {
            if (!from_json(arena, item, depth + 1, &one) || !bl_jinja_append(arena, out->list, one))
                return false;
        }
        return true;
    default:
        *out = bl_jinja_new_dict(arena);
        if (!out->dict)
            return false;
        json_object_foreach((json_t *)(uintptr_t)json, key, item)
        {
            if (!copy_text(arena, key, strlen(key), &name) ||
                !from_json(arena, item, depth + 1, &one) ||
                !bl_jinja_put(arena, out->dict, name, one))
                return false;
        }
        return true;
    }
}

bool bl_jinja_from_json(bl_arena *arena, const json_t *json, bl_jinja_value *out)
{
    return from_json(arena, json, 0, out);
}
