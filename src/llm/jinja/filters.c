/* Filters and tests, a row each. */
#include "base/limits.h"
#include "base/utf8.h"
#include "llm/jinja/eval.h"
#include "llm/jinja/texts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const bl_jinja_value undefined = { .kind = BL_JINJA_UNDEFINED };

typedef bl_jinja_value filter(bl_jinja_run *r, const bl_jinja_value *v,
                              const bl_jinja_arguments *a);

/* Single values.  ---------------------------------------------------------------------------- */

static bl_jinja_value length(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    bl_jinja_list items;
    (void)a;
    if (v->kind == BL_JINJA_DICT)
        return bl_jinja_int((int64_t)v->dict->len);
    return bl_jinja_iterate(r, v, &items) ? bl_jinja_int((int64_t)items.len) : undefined;
}

static bl_jinja_value otherwise(bl_jinja_run *r, const bl_jinja_value *v,
                                const bl_jinja_arguments *a)
{
    const bl_jinja_value *other = bl_jinja_argument(a, 0, "default_value");
    const bl_jinja_value *falsy = bl_jinja_argument(a, 1, "boolean");
    bool                  use =
        v->kind == BL_JINJA_UNDEFINED || (falsy && bl_jinja_true(falsy) && !bl_jinja_true(v));
    (void)r;
    return !use ? *v : other ? *other : bl_jinja_text(BL_LITERAL(""));
}

static bl_jinja_value to_json(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    bl_auto_buf           out = { .secret = true };
    const bl_jinja_value *indent = bl_jinja_argument(a, 0, "indent");
    int64_t               spaces = indent && indent->kind == BL_JINJA_INT ? indent->whole : -1;
    if (!bl_jinja_json(v, (int)BL_MAX(BL_MIN(spaces, 16), -1), &out))
        return bl_jinja_fail(r, BLIND_INPUT, "a %s is nothing of JSON", bl_jinja_kind_name(v));
    return bl_jinja_take(r, &out);
}

static bl_jinja_value to_text(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    bl_auto_buf out = { .secret = true };
    (void)a;
    bl_jinja_print(v, &out);
    return bl_jinja_take(r, &out);
}

/* The number a text begins with; false: none. */
static bool read_number(blind_span text, double *out)
{
    char  digits[64] = "";
    char *end;
    if (text.size == 0 || text.size >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.size);
    *out = strtod(digits, &end);
    return *end == '\0';
}

static bl_jinja_value to_int(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    const bl_jinja_value *other = bl_jinja_argument(a, 0, "default");
    double                number = 0;
    bool                  good =
        bl_jinja_is_number(v) || (v->kind == BL_JINJA_TEXT && read_number(v->text, &number));
    (void)r;
    if (v->kind == BL_JINJA_INT)
        return *v;
    if (bl_jinja_is_number(v))
        number = bl_jinja_number(v);
    if (!good || !(fabs(number) < 9.2e18))
        return other ? *other : bl_jinja_int(0);
    return bl_jinja_int((int64_t)number);
}

static bl_jinja_value to_float(bl_jinja_run *r, const bl_jinja_value *v,
                               const bl_jinja_arguments *a)
{
    const bl_jinja_value *other = bl_jinja_argument(a, 0, "default");
    double                number;
    (void)r;
    if (bl_jinja_is_number(v))
        return bl_jinja_float(bl_jinja_number(v));
    if (v->kind == BL_JINJA_TEXT && read_number(v->text, &number))
        return bl_jinja_float(number);
    return other ? *other : bl_jinja_float(0);
}

static bl_jinja_value absolute(bl_jinja_run *r, const bl_jinja_value *v,
                               const bl_jinja_arguments *a)
{
    bl_jinja_value zero = bl_jinja_int(0);
    (void)a;
    if (v->kind == BL_JINJA_FLOAT)
        return bl_jinja_float(fabs(v->real));
    if (v->kind == BL_JINJA_INT && v->whole < 0)
        return bl_jinja_operate(r, BL_LITERAL("-"), &zero, v);
    return *v;
}

static bl_jinja_value rounded(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    const bl_jinja_value *digits = bl_jinja_argument(a, 0, "precision");
    double                by = pow(10, digits ? bl_jinja_number(digits) : 0);
    if (!bl_jinja_is_number(v))
        return bl_jinja_fail(r, BLIND_INPUT, "a %s cannot be rounded", bl_jinja_kind_name(v));
    return bl_jinja_float(nearbyint(bl_jinja_number(v) * by) / by);
}

static bl_jinja_value safe(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    (void)r;
    (void)a;
    return *v;
}

/* Lines but the first are indented; the first too when asked, empty ones not. */
static bl_jinja_value indented(bl_jinja_run *r, const bl_jinja_value *v,
                               const bl_jinja_arguments *a)
{
    const bl_jinja_value *width = bl_jinja_argument(a, 0, "width");
    const bl_jinja_value *first = bl_jinja_argument(a, 1, "first");
    int64_t               spaces = width && width->kind == BL_JINJA_INT ? width->whole : 4;
    bl_auto_buf           text = { .secret = true }, out = { .secret = true };
    bl_jinja_print(v, &text);
    for (size_t i = 0; i < text.size; i++) {
        bool begin = i == 0 ? first && bl_jinja_true(first) : text.data[i - 1] == '\n';
        for (int64_t k = 0; begin && text.data[i] != '\n' && k < BL_MIN(spaces, 256); k++)
            bl_buf_add_u8(&out, ' ');
        bl_buf_add_u8(&out, text.data[i]);
    }
    return bl_jinja_take(r, &out);
}

/* Lists.  ------------------------------------------------------------------------------------ */

static bl_jinja_value first(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    bl_jinja_list items;
    (void)a;
    return bl_jinja_iterate(r, v, &items) && items.len ? items.items[0] : undefined;
}

static bl_jinja_value last(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    bl_jinja_list items;
    (void)a;
    return bl_jinja_iterate(r, v, &items) && items.len ? items.items[items.len - 1] : undefined;
}

/* A new list of some of the items of v: `kept` says which, and may replace them. */
static bl_jinja_value build(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a,
                            bool (*kept)(bl_jinja_run *r, const bl_jinja_arguments *a,
                                         bl_jinja_value *item))
{
    bl_jinja_list  items;
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    if (!bl_jinja_iterate(r, v, &items))
        return undefined;
    for (size_t i = 0; i < items.len && r->code == BLIND_OK; i++) {
        bl_jinja_value item = items.items[i];
        r->steps++;
        if (kept(r, a, &item) && (!out.list || !bl_jinja_append(r->arena, out.list, item)))
            return bl_jinja_fail(r, BLIND_LIMIT, "too large a list");
    }
    return out.list ? out : bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
}

static bool keep(bl_jinja_run *r, const bl_jinja_arguments *a, bl_jinja_value *item)
{
    (void)r;
    (void)a;
    (void)item;
    return true;
}

static bl_jinja_value to_list(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    return build(r, v, a, keep);
}

static bl_jinja_value reversed(bl_jinja_run *r, const bl_jinja_value *v,
                               const bl_jinja_arguments *a)
{
    bl_jinja_value out = to_list(r, v, a);
    bl_auto_buf    text = { .secret = true };
    for (size_t i = 0; out.kind == BL_JINJA_LIST && i < out.list->len / 2; i++) {
        bl_jinja_value *x = &out.list->items[i], *y = &out.list->items[out.list->len - 1 - i],
                       z = *x;
        *x = *y;
        *y = z;
    }
    if (v->kind != BL_JINJA_TEXT || out.kind != BL_JINJA_LIST)
        return out;
    for (size_t i = 0; i < out.list->len; i++)
        bl_buf_add(&text, out.list->items[i].text);
    return bl_jinja_take(r, &text);
}

/* item.a.b for "a.b" */
static bl_jinja_value member(bl_jinja_run *r, const bl_jinja_value *item, blind_span path)
{
    bl_jinja_value at = *item;
    while (path.size && at.kind == BL_JINJA_DICT) {
        const uint8_t        *dot = memchr(path.data, '.', path.size);
        size_t                size = dot ? (size_t)(dot - path.data) : path.size;
        const bl_jinja_value *found =
            bl_jinja_get(at.dict, bl_jinja_text(bl_span(path.data, size)));
        at = found ? *found : undefined;
        size += dot != NULL;
        path = bl_span(path.data + size, path.size - size);
    }
    (void)r;
    return path.size ? undefined : at;
}

/* The rest of the arguments behind the first `n`. */
static bl_jinja_arguments behind(const bl_jinja_arguments *a, size_t n)
{
    n = BL_MIN(n, a->len);
    return (bl_jinja_arguments){ a->items + n, a->len - n, a->named };
}

/* Whether an item passes the test that argument `at` names; without one, whether it is true. */
static bool passes(bl_jinja_run *r, const bl_jinja_arguments *a, size_t at,
                   const bl_jinja_value *item)
{
    if (at >= a->len)
        return bl_jinja_true(item);
    bl_jinja_arguments rest = behind(a, at + 1);
    if (a->items[at].kind != BL_JINJA_TEXT) {
        (void)bl_jinja_fail(r, BLIND_INPUT, "the name of a test should be a text");
        return false;
    }
    bl_jinja_value said = bl_jinja_test(r, a->items[at].text, item, &rest);
    return bl_jinja_true(&said);
}

static bool is_selected(bl_jinja_run *r, const bl_jinja_arguments *a, bl_jinja_value *item)
{
    return passes(r, a, 0, item);
}
static bool is_rejected(bl_jinja_run *r, const bl_jinja_arguments *a, bl_jinja_value *item)
{
    return !passes(r, a, 0, item);
}
static bool has_attribute(bl_jinja_run *r, const bl_jinja_arguments *a, bl_jinja_value *item)
{
    if (a->len < 1 || a->items[0].kind != BL_JINJA_TEXT) {
        (void)bl_jinja_fail(r, BLIND_INPUT, "the name of an attribute should be a text");
        return false;
    }
    bl_jinja_value of = member(r, item, a->items[0].text);
    return passes(r, a, 1, &of);
}
static bool lacks_attribute(bl_jinja_run *r, const bl_jinja_arguments *a, bl_jinja_value *item)
{
    return !has_attribute(r, a, item);
}

static bl_jinja_value selected(bl_jinja_run *r, const bl_jinja_value *v,
                               const bl_jinja_arguments *a)
{
    return build(r, v, a, is_selected);
}
static bl_jinja_value reject(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    return build(r, v, a, is_rejected);
}
static bl_jinja_value selectattr(bl_jinja_run *r, const bl_jinja_value *v,
                                 const bl_jinja_arguments *a)
{
    return build(r, v, a, has_attribute);
}
static bl_jinja_value rejectattr(bl_jinja_run *r, const bl_jinja_value *v,
                                 const bl_jinja_arguments *a)
{
    return build(r, v, a, lacks_attribute);
}

/* An attribute of each item, or a filter on each. */
static bool replace_by_map(bl_jinja_run *r, const bl_jinja_arguments *a, bl_jinja_value *item)
{
    const bl_jinja_value *attribute = bl_jinja_get_text(a->named, "attribute");
    const bl_jinja_value *other = bl_jinja_get_text(a->named, "default");
    bl_jinja_arguments    rest = behind(a, 1);
    if (attribute && attribute->kind == BL_JINJA_TEXT) {
        *item = member(r, item, attribute->text);
        if (item->kind == BL_JINJA_UNDEFINED && other)
            *item = *other;
    } else if (a->len && a->items[0].kind == BL_JINJA_TEXT) {
        *item = bl_jinja_filter(r, a->items[0].text, item, &rest);
    } else {
        (void)bl_jinja_fail(r, BLIND_INPUT, "map takes a filter or attribute=");
    }
    return true;
}

static bl_jinja_value map(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    return build(r, v, a, replace_by_map);
}

static bl_jinja_value join(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    const bl_jinja_value *between = bl_jinja_argument(a, 0, "d");
    const bl_jinja_value *attribute = bl_jinja_argument(a, 1, "attribute");
    bl_jinja_list         items;
    bl_auto_buf           out = { .secret = true };
    if (!bl_jinja_iterate(r, v, &items))
        return undefined;
    for (size_t i = 0; i < items.len; i++) {
        bl_jinja_value item = attribute && attribute->kind == BL_JINJA_TEXT
                                  ? member(r, &items.items[i], attribute->text)
                                  : items.items[i];
        if (i && between)
            bl_jinja_print(between, &out);
        bl_jinja_print(&item, &out);
    }
    return bl_jinja_take(r, &out);
}

static bl_jinja_value unique(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    bl_jinja_value all = to_list(r, v, a), out = bl_jinja_new_list(r->arena);
    for (size_t i = 0; all.kind == BL_JINJA_LIST && out.list && i < all.list->len; i++) {
        bool known = false;
        r->steps += out.list->len;
        for (size_t k = 0; k < out.list->len && !known; k++)
            known = bl_jinja_equal(&out.list->items[k], &all.list->items[i]);
        if (r->steps > BL_MAX_TEMPLATE_STEPS ||
            (!known && !bl_jinja_append(r->arena, out.list, all.list->items[i])))
            return bl_jinja_fail(r, BLIND_LIMIT, "too large a list");
    }
    return all.kind == BL_JINJA_LIST && out.list ? out : undefined;
}

/* Sorting.  ---------------------------------------------------------------------------------- */

typedef struct {
    bl_jinja_run *r;
    blind_span    attribute; /* empty: the item itself */
    bool          folded;    /* case does not count */
    bool          backward;
    int64_t       side; /* of pairs: 0 or 1, else -1 */
} order;

static bl_jinja_value key_of(const order *o, const bl_jinja_value *item)
{
    bl_jinja_arguments none = { 0 };
    bl_jinja_value     key = *item;
    if (o->side >= 0)
        key = item->list->items[o->side];
    else if (o->attribute.size)
        key = member(o->r, item, o->attribute);
    return key.kind == BL_JINJA_TEXT && o->folded ? bl_jinja_lower(o->r, &key, &none) : key;
}

static bool goes_before(const order *o, const bl_jinja_value *a, const bl_jinja_value *b)
{
    int            sign = 0;
    bl_jinja_value x = key_of(o, a), y = key_of(o, b);
    if (!bl_jinja_compare(&x, &y, &sign))
        (void)bl_jinja_fail(o->r, BLIND_INPUT, "%s and %s have no order", bl_jinja_kind_name(&x),
                            bl_jinja_kind_name(&y));
    return o->backward ? sign > 0 : sign < 0;
}

/* By merging: stable. */
/* NOLINTNEXTLINE(misc-no-recursion): by halves */
static void merge_sort(const order *o, bl_jinja_value *items, bl_jinja_value *room, size_t len)
{
    size_t half = len / 2, i = 0, k = half;
    if (len < 2 || o->r->code != BLIND_OK)
        return;
    merge_sort(o, items, room, half);
    merge_sort(o, items + half, room, len - half);
    for (size_t at = 0; at < len; at++) {
        bool right = i == half || (k < len && goes_before(o, &items[k], &items[i]));
        room[at] = right ? items[k++] : items[i++];
    }
    memcpy(items, room, len * sizeof *items);
}

static bl_jinja_value sort_by(order *o, bl_jinja_value list)
{
    if (list.kind != BL_JINJA_LIST)
        return undefined;
    bl_jinja_value *room = bl_arena_array(o->r->arena, list.list->len + 1, sizeof *room);
    if (!room)
        return bl_jinja_fail(o->r, BLIND_LIMIT, "out of memory");
    merge_sort(o, list.list->items, room, list.list->len);
    return list;
}

static bl_jinja_value sorted(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_arguments *a)
{
    const bl_jinja_value *backward = bl_jinja_argument(a, 0, "reverse");
    const bl_jinja_value *exact = bl_jinja_argument(a, 1, "case_sensitive");
    const bl_jinja_value *attribute = bl_jinja_argument(a, 2, "attribute");
    order                 o = {
                        r, { 0 }, !exact || !bl_jinja_true(exact), backward && bl_jinja_true(backward), -1
    };
    if (attribute && attribute->kind == BL_JINJA_TEXT)
        o.attribute = attribute->text;
    return sort_by(&o, to_list(r, v, a));
}

static bl_jinja_value dictsort(bl_jinja_run *r, const bl_jinja_value *v,
                               const bl_jinja_arguments *a)
{
    const bl_jinja_value *exact = bl_jinja_argument(a, 0, "case_sensitive");
    const bl_jinja_value *by = bl_jinja_argument(a, 1, "by");
    const bl_jinja_value *backward = bl_jinja_argument(a, 2, "reverse");
    bool  values = by && by->kind == BL_JINJA_TEXT && bl_span_equal(by->text, BL_LITERAL("value"));
    order o = {
        r, { 0 }, !exact || !bl_jinja_true(exact), backward && bl_jinja_true(backward), values
    };
    if (v->kind != BL_JINJA_DICT)
        return bl_jinja_fail(r, BLIND_INPUT, "dictsort takes a dict");
    return sort_by(&o, bl_jinja_items(r, v, a));
}

/* clang-format off */
static const struct {
    const char *name;
    filter     *call;
    bool        texts; /* takes a text: what is none is written as one first */
    bool        dicts; /* takes a dict */
} filters[] = {
    { "trim", bl_jinja_strip, true, false },     { "upper", bl_jinja_upper, true, false },
    { "lower", bl_jinja_lower, true, false },    { "title", bl_jinja_title, true, false },
    { "capitalize", bl_jinja_capitalize, true, false }, { "replace", bl_jinja_replace, true, false },
    { "items", bl_jinja_items, false, true },    { "dictsort", dictsort, false, true },
    { "length", length, false, false },          { "count", length, false, false },
    { "default", otherwise, false, false },      { "d", otherwise, false, false },
    { "tojson", to_json, false, false },         { "string", to_text, false, false },
    { "int", to_int, false, false },             { "float", to_float, false, false },
    { "abs", absolute, false, false },           { "round", rounded, false, false },
    { "safe", safe, false, false },              { "indent", indented, false, false },
    { "first", first, false, false },            { "last", last, false, false },
    { "list", to_list, false, false },           { "reverse", reversed, false, false },
    { "select", selected, false, false },          { "reject", reject, false, false },
    { "selectattr", selectattr, false, false },  { "rejectattr", rejectattr, false, false },
    { "map", map, false, false },                { "join", join, false, false },
    { "unique", unique, false, false },          { "sort", sorted, false, false },
};
/* clang-format on */

bl_jinja_value bl_jinja_filter(bl_jinja_run *r, blind_span name, const bl_jinja_value *v,
                               const bl_jinja_arguments *a)
{
    static const bl_jinja_arguments none = { 0 };
    for (size_t i = 0; i < BL_LEN(filters); i++) {
        if (!bl_span_equal(name, bl_span_str(filters[i].name)))
            continue;
        if (filters[i].dicts && v->kind != BL_JINJA_DICT)
            return bl_jinja_fail(r, BLIND_INPUT, "'%s' takes a dict, not a %s", filters[i].name,
                                 bl_jinja_kind_name(v));
        bl_jinja_value text = *v;
        if (filters[i].texts && v->kind != BL_JINJA_TEXT)
            text = to_text(r, v, &none);
        return r->code == BLIND_OK ? filters[i].call(r, &text, a) : undefined;
    }
    return bl_jinja_fail(r, BLIND_UNSUPPORTED, "the filter '%.*s' is not supported",
                         (int)BL_MIN(name.size, 40), (const char *)name.data);
}

/* Tests.  ------------------------------------------------------------------------------------ */

static bool is_kind(const bl_jinja_value *v, blind_span name, bool *out)
{
    static const struct {
        const char *name;
        unsigned    kinds; /* bits */
    } all[] = {
        { "defined", ~(1u << BL_JINJA_UNDEFINED) },
        { "undefined", 1u << BL_JINJA_UNDEFINED },
        { "none", 1u << BL_JINJA_NONE },
        { "string", 1u << BL_JINJA_TEXT },
        { "mapping", 1u << BL_JINJA_DICT },
        { "boolean", 1u << BL_JINJA_BOOL },
        { "integer", 1u << BL_JINJA_INT },
        { "float", 1u << BL_JINJA_FLOAT },
        { "number", 1u << BL_JINJA_BOOL | 1u << BL_JINJA_INT | 1u << BL_JINJA_FLOAT },
        { "callable", 1u << BL_JINJA_MACRO },
        { "iterable", 1u << BL_JINJA_UNDEFINED | 1u << BL_JINJA_TEXT | 1u << BL_JINJA_LIST |
                          1u << BL_JINJA_DICT },
        { "sequence", 1u << BL_JINJA_UNDEFINED | 1u << BL_JINJA_TEXT | 1u << BL_JINJA_LIST |
                          1u << BL_JINJA_DICT },
    };
    for (size_t i = 0; i < BL_LEN(all); i++)
        if (bl_span_equal(name, bl_span_str(all[i].name))) {
            *out = all[i].kinds >> v->kind & 1;
            return true;
        }
    return false;
}

/* Tests that are operators: "x is eq 3". */
static const char *sign_of(blind_span name)
{
    static const char *const all[][2] = {
        { "eq", "==" },         { "equalto", "==" }, { "==", "==" }, { "ne", "!=" },
        { "lt", "<" },          { "lessthan", "<" }, { "le", "<=" }, { "gt", ">" },
        { "greaterthan", ">" }, { "ge", ">=" },      { "in", "in" },
    };
    for (size_t i = 0; i < BL_LEN(all); i++)
        if (bl_span_equal(name, bl_span_str(all[i][0])))
            return all[i][1];
    return NULL;
}

/* Tests of whole numbers: rest of a division. */
static bl_jinja_value test_number(bl_jinja_run *r, blind_span name, const bl_jinja_value *v,
                                  const bl_jinja_arguments *a)
{
    bl_jinja_value two = bl_jinja_int(2), zero = bl_jinja_int(0);
    bool           by = bl_span_equal(name, BL_LITERAL("divisibleby"));
    bool           odd = bl_span_equal(name, BL_LITERAL("odd"));
    if (!by && !odd && !bl_span_equal(name, BL_LITERAL("even")))
        return bl_jinja_fail(r, BLIND_UNSUPPORTED, "the test '%.*s' is not supported",
                             (int)BL_MIN(name.size, 40), (const char *)name.data);
    if (by && a->len != 1)
        return bl_jinja_fail(r, BLIND_INPUT, "divisibleby takes a number");
    bl_jinja_value rest = bl_jinja_operate(r, BL_LITERAL("%"), v, by ? &a->items[0] : &two);
    return bl_jinja_bool(bl_jinja_equal(&rest, &zero) != odd);
}

bl_jinja_value bl_jinja_test(bl_jinja_run *r, blind_span name, const bl_jinja_value *v,
                             const bl_jinja_arguments *a)
{
    bool        said;
    const char *sign = sign_of(name);
    if (is_kind(v, name, &said))
        return bl_jinja_bool(said);
    if (bl_span_equal(name, BL_LITERAL("true")) || bl_span_equal(name, BL_LITERAL("false")))
        return bl_jinja_bool(v->kind == BL_JINJA_BOOL && v->flag == (name.data[0] == 't'));
    if (!sign)
        return test_number(r, name, v, a);
    if (a->len != 1)
        return bl_jinja_fail(r, BLIND_INPUT, "the test '%.*s' takes a value", (int)name.size,
                             (const char *)name.data);
    return bl_jinja_operate(r, bl_span_str(sign), v, &a->items[0]);
}
