/* Methods of texts and dicts, as Python has them. */
#include "llm/jinja/texts.h"
#include "base/utf8.h"
#include "llm/jinja/eval.h"

#include <utf8proc.h>

static const bl_jinja_value undefined = { .kind = BL_JINJA_UNDEFINED };

typedef bl_jinja_value method(bl_jinja_run *r, const bl_jinja_value *v,
                              const bl_jinja_arguments *a);

/* Argument `i` as a text; false (and a failure): it is none. */
static bool text_argument(bl_jinja_run *r, const bl_jinja_arguments *a, size_t i, blind_span *out)
{
    const bl_jinja_value *v = bl_jinja_argument(a, i, NULL);
    if (!v || v->kind != BL_JINJA_TEXT) {
        (void)bl_jinja_fail(r, BLIND_INPUT, "argument %zu should be a text", i + 1);
        return false;
    }
    *out = v->text;
    return true;
}

/* Case.  ------------------------------------------------------------------------------------- */

/* A character for a character: a sharp s becomes a capital one, where Python writes two. */
static bl_jinja_value map_case(bl_jinja_run *r, blind_span text,
                               uint32_t (*map)(uint32_t c, bool first_of_word))
{
    bl_auto_buf out = { .secret = true };
    bool        first = true;
    for (size_t at = 0, size; at < text.size; at += size) {
        uint32_t c;
        uint8_t  utf8[4];
        size = BL_MAX(bl_utf8_next(bl_span(text.data + at, text.size - at), &c), 1u);
        bl_buf_add(&out, bl_span(utf8, bl_utf8_put(map(c, first), utf8)));
        utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
        first = !(kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO);
    }
    return bl_jinja_take(r, &out);
}

static uint32_t to_upper(uint32_t c, bool first)
{
    (void)first;
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
}
static uint32_t to_lower(uint32_t c, bool first)
{
    (void)first;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}
static uint32_t to_title(uint32_t c, bool first)
{
    return first ? (uint32_t)utf8proc_totitle((utf8proc_int32_t)c) : to_lower(c, first);
}

bl_jinja_value bl_jinja_upper(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    (void)a;
    return map_case(r, v->text, to_upper);
}

bl_jinja_value bl_jinja_lower(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    (void)a;
    return map_case(r, v->text, to_lower);
}

bl_jinja_value bl_jinja_title(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    (void)a;
    return map_case(r, v->text, to_title);
}

bl_jinja_value bl_jinja_capitalize(bl_jinja_run *r, const bl_jinja_value *v,
                                   const bl_jinja_arguments *a)
{
    bl_jinja_value lower = bl_jinja_lower(r, v, a), head, tail;
    uint32_t       c;
    size_t         size = lower.kind == BL_JINJA_TEXT ? bl_utf8_next(lower.text, &c) : 0;
    if (size == 0)
        return lower;
    head = bl_jinja_text(bl_span(lower.text.data, size));
    head = map_case(r, head.text, to_title);
    tail = bl_jinja_text(bl_span(lower.text.data + size, lower.text.size - size));
    return bl_jinja_operate(r, BL_LITERAL("~"), &head, &tail);
}

/* Ends.  ------------------------------------------------------------------------------------- */

static bool is_blank(uint32_t c)
{
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
    return (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
           kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL ||
           kind == UTF8PROC_CATEGORY_ZP;
}

/* Whether a character goes: one of `set`, or a blank where there is no set. */
static bool goes(const blind_span *set, blind_span character, uint32_t c)
{
    if (!set)
        return is_blank(c);
    return set->size && memmem(set->data, set->size, character.data, character.size);
}

static blind_span strip(blind_span text, const blind_span *set, bool left, bool right)
{
    uint32_t c;
    size_t   size;
    while (left && (size = bl_utf8_next(text, &c)) && goes(set, bl_span(text.data, size), c))
        text = bl_span(text.data + size, text.size - size);
    while (right && text.size) {
        size_t at = text.size - 1;
        while (at > 0 && (text.data[at] & 0xc0) == 0x80)
            at--;
        blind_span last = bl_span(text.data + at, text.size - at);
        if (!bl_utf8_next(last, &c) || !goes(set, last, c))
            break;
        text.size = at;
    }
    return text;
}

static bl_jinja_value strip_method(bl_jinja_run *r, const bl_jinja_value *v,
                                   const bl_jinja_arguments *a, bool left, bool right)
{
    blind_span            set;
    const bl_jinja_value *given = bl_jinja_argument(a, 0, "chars");
    if (!given || given->kind == BL_JINJA_NONE)
        return bl_jinja_text(strip(v->text, NULL, left, right));
    if (given->kind != BL_JINJA_TEXT)
        return bl_jinja_fail(r, BLIND_INPUT, "characters to strip should be a text");
    set = given->text;
    return bl_jinja_text(strip(v->text, &set, left, right));
}

bl_jinja_value bl_jinja_strip(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    return strip_method(r, v, a, true, true);
}
static bl_jinja_value lstrip(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    return strip_method(r, v, a, true, false);
}
static bl_jinja_value rstrip(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    return strip_method(r, v, a, false, true);
}

static bool begins(blind_span text, blind_span with, bool at_end)
{
    if (with.size > text.size)
        return false;
    const uint8_t *from = text.data + (at_end ? text.size - with.size : 0);
    return with.size == 0 || memcmp(from, with.data, with.size) == 0;
}

/* One text, or any of a list. */
static bl_jinja_value begins_method(bl_jinja_run *r, const bl_jinja_value *v,
                                    const bl_jinja_arguments *a, bool at_end)
{
    blind_span with;
    if (a->len == 1 && a->items[0].kind == BL_JINJA_LIST) {
        for (size_t i = 0; i < a->items[0].list->len; i++) {
            const bl_jinja_value *one = &a->items[0].list->items[i];
            if (one->kind == BL_JINJA_TEXT && begins(v->text, one->text, at_end))
                return bl_jinja_bool(true);
        }
        return bl_jinja_bool(false);
    }
    return text_argument(r, a, 0, &with) ? bl_jinja_bool(begins(v->text, with, at_end)) : undefined;
}

static bl_jinja_value startswith(bl_jinja_run *r, const bl_jinja_value *v,
                                 const bl_jinja_arguments *a)
{
    return begins_method(r, v, a, false);
}
static bl_jinja_value endswith(bl_jinja_run *r, const bl_jinja_value *v,
                               const bl_jinja_arguments *a)
{
    return begins_method(r, v, a, true);
}

/* Parts.  ------------------------------------------------------------------------------------ */

bl_jinja_value bl_jinja_replace(bl_jinja_run *r, const bl_jinja_value *v,
                                const bl_jinja_arguments *a)
{
    blind_span            from, to, rest = v->text;
    bl_auto_buf           out = { .secret = true };
    const bl_jinja_value *count = bl_jinja_argument(a, 2, "count");
    int64_t               left = count && count->kind == BL_JINJA_INT ? count->whole : INT64_MAX;
    if (!text_argument(r, a, 0, &from) || !text_argument(r, a, 1, &to))
        return undefined;
    if (from.size == 0)
        return bl_jinja_fail(r, BLIND_UNSUPPORTED, "nothing cannot be replaced");
    while (left != 0 && rest.size) {
        const uint8_t *found = memmem(rest.data, rest.size, from.data, from.size);
        if (!found)
            break;
        bl_buf_add(&out, bl_span(rest.data, (size_t)(found - rest.data)));
        bl_buf_add(&out, to);
        found += from.size;
        rest = bl_span(found, rest.size - (size_t)(found - rest.data));
        left--;
    }
    bl_buf_add(&out, rest);
    return bl_jinja_take(r, &out);
}

static bool add_text(bl_jinja_run *r, bl_jinja_list *list, blind_span text)
{
    if (bl_jinja_append(r->arena, list, bl_jinja_text(text)))
        return true;
    (void)bl_jinja_fail(r, BLIND_LIMIT, "too long a list");
    return false;
}

/* At runs of blanks; none at the ends. */
static bl_jinja_value split_blanks(bl_jinja_run *r, blind_span rest, int64_t most)
{
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    if (!out.list)
        return bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
    for (rest = strip(rest, NULL, true, false); rest.size; rest = strip(rest, NULL, true, false)) {
        size_t   size = 0, n;
        uint32_t c;
        while (most != 0 && size < rest.size &&
               (n = bl_utf8_next(bl_span(rest.data + size, rest.size - size), &c)) && !is_blank(c))
            size += n;
        if (most == 0) {
            rest = strip(rest, NULL, false, true);
            size = rest.size;
        }
        if (!add_text(r, out.list, bl_span(rest.data, size)))
            return undefined;
        rest = bl_span(rest.data + size, rest.size - size);
        most -= most > 0;
    }
    return out;
}

static bl_jinja_value split(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    const bl_jinja_value *at = bl_jinja_argument(a, 0, "sep");
    const bl_jinja_value *count = bl_jinja_argument(a, 1, "maxsplit");
    int64_t               most = count && count->kind == BL_JINJA_INT ? count->whole : -1;
    blind_span            rest = v->text;
    if (!at || at->kind == BL_JINJA_NONE)
        return split_blanks(r, rest, most);
    if (at->kind != BL_JINJA_TEXT || at->text.size == 0)
        return bl_jinja_fail(r, BLIND_INPUT, "split takes a text that is not empty");
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    while (out.list) {
        const uint8_t *found = most != 0 && rest.size
                                   ? memmem(rest.data, rest.size, at->text.data, at->text.size)
                                   : NULL;
        size_t         size = found ? (size_t)(found - rest.data) : rest.size;
        if (!add_text(r, out.list, bl_span(rest.data, size)))
            return undefined;
        if (!found)
            return out;
        size += at->text.size;
        rest = bl_span(rest.data + size, rest.size - size);
        most -= most > 0;
    }
    return bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
}

static bl_jinja_value splitlines(bl_jinja_run *r, const bl_jinja_value *v,
                                 const bl_jinja_arguments *a)
{
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    blind_span     rest = v->text;
    (void)a;
    while (out.list && rest.size) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        size_t         size = end ? (size_t)(end - rest.data) : rest.size;
        size_t         line = size && end && rest.data[size - 1] == '\r' ? size - 1 : size;
        if (!add_text(r, out.list, bl_span(rest.data, line)))
            return undefined;
        size += end != NULL;
        rest = bl_span(rest.data + size, rest.size - size);
    }
    return out.list ? out : bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
}

/* The character, counted from 0, where a text begins; -1: nowhere. */
static bl_jinja_value find(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    blind_span what;
    if (!text_argument(r, a, 0, &what))
        return undefined;
    const uint8_t *found =
        v->text.size ? memmem(v->text.data, v->text.size, what.data, what.size) : NULL;
    int64_t at = 0;
    if (!found)
        return bl_jinja_int(what.size ? -1 : 0);
    for (const uint8_t *c = v->text.data; c < found; c++)
        at += (*c & 0xc0) != 0x80;
    return bl_jinja_int(at);
}

static bl_jinja_value join_method(bl_jinja_run *r, const bl_jinja_value *v,
                                  const bl_jinja_arguments *a)
{
    bl_jinja_list items;
    bl_auto_buf   out = { .secret = true };
    if (a->len != 1 || !bl_jinja_iterate(r, &a->items[0], &items))
        return bl_jinja_fail(r, BLIND_INPUT, "join takes a list");
    for (size_t i = 0; i < items.len; i++) {
        if (i)
            bl_buf_add(&out, v->text);
        bl_jinja_print(&items.items[i], &out);
    }
    return bl_jinja_take(r, &out);
}

/* Dicts.  ------------------------------------------------------------------------------------ */

bl_jinja_value bl_jinja_items(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    (void)a;
    for (size_t i = 0; out.list && i < v->dict->len; i++) {
        bl_jinja_value pair = bl_jinja_new_list(r->arena);
        if (!pair.list || !bl_jinja_append(r->arena, pair.list, v->dict->pairs[i].key) ||
            !bl_jinja_append(r->arena, pair.list, v->dict->pairs[i].value) ||
            !bl_jinja_append(r->arena, out.list, pair))
            return bl_jinja_fail(r, BLIND_LIMIT, "too large a dict");
    }
    return out.list ? out : bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
}

static bl_jinja_value sides(bl_jinja_run *r, const bl_jinja_value *v, bool keys)
{
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    for (size_t i = 0; out.list && i < v->dict->len; i++)
        if (!bl_jinja_append(r->arena, out.list,
                             keys ? v->dict->pairs[i].key : v->dict->pairs[i].value))
            return bl_jinja_fail(r, BLIND_LIMIT, "too large a dict");
    return out.list ? out : bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
}

static bl_jinja_value keys(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    (void)a;
    return sides(r, v, true);
}
static bl_jinja_value values(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    (void)a;
    return sides(r, v, false);
}

static bl_jinja_value get(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    if (a->len < 1)
        return bl_jinja_fail(r, BLIND_INPUT, "get takes a key");
    const bl_jinja_value *found = bl_jinja_get(v->dict, a->items[0]);
    const bl_jinja_value *other = bl_jinja_argument(a, 1, "default");
    return found ? *found : other ? *other : (bl_jinja_value){ .kind = BL_JINJA_NONE };
}

/* clang-format off */
static const struct {
    const char   *name;
    bl_jinja_kind of;
    method       *call;
} methods[] = {
    { "strip", BL_JINJA_TEXT, bl_jinja_strip },   { "lstrip", BL_JINJA_TEXT, lstrip },
    { "rstrip", BL_JINJA_TEXT, rstrip },          { "upper", BL_JINJA_TEXT, bl_jinja_upper },
    { "lower", BL_JINJA_TEXT, bl_jinja_lower },   { "title", BL_JINJA_TEXT, bl_jinja_title },
    { "capitalize", BL_JINJA_TEXT, bl_jinja_capitalize },
    { "startswith", BL_JINJA_TEXT, startswith },  { "endswith", BL_JINJA_TEXT, endswith },
    { "replace", BL_JINJA_TEXT, bl_jinja_replace }, { "split", BL_JINJA_TEXT, split },
    { "splitlines", BL_JINJA_TEXT, splitlines },  { "find", BL_JINJA_TEXT, find },
    { "join", BL_JINJA_TEXT, join_method },       { "items", BL_JINJA_DICT, bl_jinja_items },
    { "keys", BL_JINJA_DICT, keys },              { "values", BL_JINJA_DICT, values },
    { "get", BL_JINJA_DICT, get },
};
/* clang-format on */

bl_jinja_value bl_jinja_method(bl_jinja_run *r, const bl_jinja_value *v, blind_span name,
                               const bl_jinja_arguments *a)
{
    for (size_t i = 0; i < BL_LEN(methods); i++)
        if (methods[i].of == v->kind && bl_span_equal(name, bl_span_str(methods[i].name)))
            return methods[i].call(r, v, a);
    return bl_jinja_fail(r, BLIND_INPUT, "%s has no method '%.*s'", bl_jinja_kind_name(v),
                         (int)BL_MIN(name.size, 40), (const char *)name.data);
}
