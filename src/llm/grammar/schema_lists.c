/* Objects and arrays of a schema, and whether two schemas can both hold. */
#include "base/json.h"
#include "llm/grammar/schema.h"

#include <stdio.h>
#include <stdlib.h>

/* Objects.  ---------------------------------------------------------------------------------- */

enum { LAST_CODE_POINT = 0x10ffff, MOST_CHILDREN = 256, LONGEST_NAME = 256 };

/* What an object declares, in the order in which it is written. */
typedef struct {
    const json_t *declared, *required, *extra; /* extra: additionalProperties */
    uint32_t      n, needed, min, max;         /* names; of them required; minProperties, ... */
    uint32_t      least, most;                 /* members that are not declared */
} object;

static bool is_required(const object *o, const char *name)
{
    for (size_t i = 0; i < json_array_size(o->required); i++) {
        const char *one = json_string_value(json_array_get(o->required, i));
        if (one && strcmp(one, name) == 0)
            return true;
    }
    return false;
}

/* Required names that are not declared, each once; NULL at the end. */
static const char *undeclared(const object *o, size_t i, bool *again)
{
    const char *name = json_string_value(json_array_get(o->required, i));
    *again = name && json_object_get(o->declared, name);
    for (size_t k = 0; name && k < i; k++) {
        const char *before = json_string_value(json_array_get(o->required, k));
        *again |= before && strcmp(before, name) == 0;
    }
    return name;
}

static blind_code count_names(bl_schema *s, const bl_schema_item *i, object *o)
{
    const char *name;
    json_t     *value;
    bool        again;
    json_object_foreach((json_t *)(uintptr_t)o->declared, name, value)
    {
        o->n++;
        o->needed += is_required(o, name);
    }
    for (size_t k = 0; k < json_array_size(o->required); k++) {
        if (!undeclared(o, k, &again))
            return bl_schema_refuse(s, i, BLIND_INPUT, "required is no list of names");
        o->n += !again;
        o->needed += !again;
    }
    return BLIND_OK;
}

/* How many members beside those with names: what minProperties and maxProperties leave. */
static blind_code count_extras(bl_schema *s, const bl_schema_item *i, object *o)
{
    bool allowed = o->extra ? !json_is_false(o->extra) : !o->declared;
    o->least = 0;
    o->most = allowed ? BL_LOOP_FOREVER : 0;
    if (o->min > o->needed) {
        o->least = o->min - o->n;
        if (o->needed != o->n || o->least > 1 || o->min < o->n) /* members might have one name */
            return bl_schema_refuse(s, i, BLIND_UNSUPPORTED,
                                    "minProperties above the number of required properties is "
                                    "not supported");
    }
    if (o->max != BL_LOOP_FOREVER) {
        if (o->max < o->n && o->max >= o->needed)
            return bl_schema_refuse(s, i, BLIND_UNSUPPORTED,
                                    "maxProperties below the number of properties is not "
                                    "supported");
        o->most = o->max < o->n ? 0 : BL_MIN(o->most, o->max - o->n);
    }
    return BLIND_OK;
}

static blind_code read_object(bl_schema *s, const bl_schema_item *i, object *o)
{
    *o = (object){ .declared = json_object_get(i->schema, "properties"),
                   .required = json_object_get(i->schema, "required"),
                   .extra = json_object_get(i->schema, "additionalProperties") };
    if ((o->declared && !json_is_object(o->declared)) ||
        (o->required && !json_is_array(o->required)))
        return bl_schema_refuse(s, i, BLIND_INPUT, "properties or required of a wrong type");
    BL_TRY(bl_schema_count(s, i, "minProperties", 0, &o->min));
    BL_TRY(bl_schema_count(s, i, "maxProperties", BL_LOOP_FOREVER, &o->max));
    BL_TRY(count_names(s, i, o));
    return count_extras(s, i, o);
}

static blind_code write_key(bl_schema *s, const char *name)
{
    bl_auto_buf   text = BL_BUF_EMPTY;
    bl_auto_json *value = json_string(name);
    if (!value)
        return blind_fail(s->err, BLIND_MEMORY, "llm.schema", "out of memory");
    BL_TRY(bl_json_write(value, &text, s->err));
    bl_write_bytes(&s->program, bl_buf_span(&text));
    bl_write_text(&s->program, ":");
    bl_write_json(&s->program, BL_JSON_BLANK);
    return BLIND_OK;
}

/* Two ways run beside each other: a member has been written before (then a comma stands in front)
 * or none has.  Behind a member both are the first way. */
typedef struct {
    uint32_t none; /* the place to patch from where no member has been written, or BL_NOWHERE */
} members;

static blind_code write_declared(bl_schema *s, members *m, const char *name, bool required,
                                 uint32_t rule)
{
    bl_program *p = &s->program;
    uint32_t    skip = required ? BL_NOWHERE : bl_write_split(p);
    bl_write_json_comma(p);
    uint32_t to_key = bl_write_jump(p);
    uint32_t before = m->none;
    if (before != BL_NOWHERE) {
        bl_program_patch(p, before, bl_program_here(p));
        m->none = required ? BL_NOWHERE : bl_write_split(p);
    }
    bl_program_patch(p, to_key, bl_program_here(p));
    BL_TRY(write_key(s, name));
    bl_write_call(p, rule);
    if (skip != BL_NOWHERE)
        bl_program_patch(p, skip, bl_program_here(p));
    return BLIND_OK;
}

/* Members that are not declared, then the bracket; for both ways. */
static void write_rest(bl_schema *s, const bl_schema_item *i, const object *o, members *m)
{
    bl_program *p = &s->program;
    uint32_t    rule = o->most ? bl_schema_extra_rule(s, i) : 0, empty = BL_NOWHERE;
    uint32_t    end = BL_NOWHERE;
    if (o->most) {
        uint32_t loop = bl_loop_begin(p, o->least, o->most);
        bl_write_json_comma(p);
        bl_write_call(p, rule);
        bl_loop_end(p, loop);
    }
    if (m->none != BL_NOWHERE) {
        end = bl_write_jump(p);
        bl_program_patch(p, m->none, bl_program_here(p));
        empty = bl_write_jump(p);
        if (o->most) {
            if (o->least == 0) { /* may stay empty */
                bl_program_patch(p, empty, bl_program_here(p));
                empty = bl_write_split(p);
            } else {
                bl_program_patch(p, empty, bl_program_here(p));
                empty = BL_NOWHERE;
            }
            bl_write_call(p, rule);
            uint32_t loop = bl_loop_begin(p, o->least ? o->least - 1 : 0,
                                          o->most == BL_LOOP_FOREVER ? o->most : o->most - 1);
            bl_write_json_comma(p);
            bl_write_call(p, rule);
            bl_loop_end(p, loop);
        }
        bl_program_patch(p, end, bl_program_here(p));
    }
    bl_write_json(p, BL_JSON_BLANK);
    if (empty != BL_NOWHERE)
        bl_program_patch(p, empty, bl_program_here(p)); /* one blank was there already */
    bl_write_text(p, "}");
}

/* The schema of a name that is required and not declared. */
static const json_t *schema_of_extra(const object *o)
{
    static json_t *anything;
    if (!anything)
        anything = json_true();
    return o->extra ? o->extra : anything;
}

blind_code bl_schema_object(bl_schema *s, const bl_schema_item *i)
{
    object      o;
    const char *name;
    json_t     *value;
    bool        again;
    BL_TRY(read_object(s, i, &o));
    if (o.needed > o.max || o.least > o.most)
        return bl_write_fail(&s->program), BLIND_OK;
    if (!o.n && !o.extra && !o.least && o.most == BL_LOOP_FOREVER)
        return bl_write_json(&s->program, BL_JSON_OBJECT), BLIND_OK;
    bl_write_json_open(&s->program, '{');
    members m = { .none = bl_write_jump(&s->program) };
    json_object_foreach((json_t *)(uintptr_t)o.declared, name, value) BL_TRY(write_declared(
        s, &m, name, is_required(&o, name), bl_schema_rule(s, i, value, "properties", name)));
    for (size_t k = 0; k < json_array_size(o.required); k++) {
        name = undeclared(&o, k, &again);
        if (!again)
            BL_TRY(write_declared(
                s, &m, name, true,
                bl_schema_rule(s, i, schema_of_extra(&o), "additionalProperties", NULL)));
    }
    write_rest(s, i, &o, &m);
    return BLIND_OK;
}

/* Names that are not declared.  -------------------------------------------------------------- */

static int by_name(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* A character that is none of those that go on with a declared name, then anything. */
static void write_otherwise(bl_program *p, bl_choice *c, const bl_byte_set *taken)
{
    static const bl_code_range wide = { 0x80, LAST_CODE_POINT };
    bl_byte_set                free = { { 0 } };
    bool                       any_wide = true;
    bl_choice                  first;
    for (unsigned b = 0x20; b < 0x80; b++)
        if (b != '"' && b != '\\' && !bl_byte_set_has(taken, (uint8_t)b))
            bl_byte_set_add(&free, (uint8_t)b, (uint8_t)b);
    for (unsigned b = 0x80; b < 0x100; b++)
        any_wide = any_wide && !bl_byte_set_has(taken, (uint8_t)b);
    bl_choice_next(p, c);
    bl_choice_begin(&first);
    bl_choice_next(p, &first);
    bl_write_set(p, free);
    if (any_wide) {
        bl_choice_next(p, &first);
        bl_write_utf8(p, &wide, 1);
    }
    bl_choice_end(p, &first);
    uint32_t loop = bl_loop_begin(p, 0, BL_LOOP_FOREVER);
    bl_write_json(p, BL_JSON_PLAIN);
    bl_loop_end(p, loop);
    bl_write_text(p, "\"");
}

/* The rest of a name that has begun with the first n bytes that these declared names, in order,
 * share: any name but they.  Only characters that need no escape are written, so that two names are
 * equal only if their texts are. */
static void write_other_name(bl_program *p, const char *const *names, size_t count, size_t n)
{
    bl_byte_set taken = { { 0 } };
    bl_choice   c;
    bool        whole = false;
    for (size_t k = 0; k < count; k++) {
        whole |= names[k][n] == 0;
        if (names[k][n])
            bl_byte_set_add(&taken, (uint8_t)names[k][n], (uint8_t)names[k][n]);
    }
    bl_choice_begin(&c);
    if (!whole) {
        bl_choice_next(p, &c);
        bl_write_text(p, "\"");
    }
    write_otherwise(p, &c, &taken);
    for (size_t k = 0, end; k < count; k = end) {
        uint8_t b = (uint8_t)names[k][n];
        for (end = k + 1; end < count && (uint8_t)names[end][n] == b;)
            end++;
        if (b < 0x20 || b >= 0x80 || b == '"' || b == '\\')
            continue;
        bl_choice_next(p, &c);
        bl_write_range(p, b, b);
        write_other_name(p, names + k, end - k, n + 1);
    }
    bl_choice_end(p, &c);
}

static blind_code check_names(bl_schema *s, const bl_schema_item *i, const object *o,
                              const char **names, size_t *count)
{
    const char *name;
    json_t     *value;
    bool        again;
    *count = 0;
    if (o->n > MOST_CHILDREN)
        return bl_schema_refuse(s, i, BLIND_LIMIT,
                                "more than 256 properties beside additionalProperties");
    json_object_foreach((json_t *)(uintptr_t)o->declared, name, value) names[(*count)++] = name;
    for (size_t k = 0; k < json_array_size(o->required); k++) {
        name = undeclared(o, k, &again);
        if (!again)
            names[(*count)++] = name;
    }
    for (size_t k = 0; k < *count; k++)
        if (strlen(names[k]) > LONGEST_NAME)
            return bl_schema_refuse(s, i, BLIND_LIMIT,
                                    "a name of more than 256 bytes beside additionalProperties");
    if (*count)
        qsort(names, *count, sizeof *names, by_name);
    return BLIND_OK;
}

blind_code bl_schema_extra_member(bl_schema *s, const bl_schema_item *i)
{
    object      o;
    const char *names[MOST_CHILDREN];
    size_t      count;
    bl_program *p = &s->program;
    BL_TRY(read_object(s, i, &o));
    BL_TRY(check_names(s, i, &o, names, &count));
    bl_write_text(p, "\"");
    write_other_name(p, names, count, 0);
    bl_write_text(p, ":");
    bl_write_json(p, BL_JSON_BLANK);
    if (!o.extra || json_is_true(o.extra))
        bl_write_json(p, BL_JSON_VALUE);
    else
        bl_write_call(p, bl_schema_rule(s, i, o.extra, "additionalProperties", NULL));
    return BLIND_OK;
}

/* Arrays.  ----------------------------------------------------------------------------------- */

typedef struct {
    const json_t *first, *items; /* prefixItems, items */
    uint32_t      n, min, max;   /* of first; elements */
} array;

static blind_code read_array(bl_schema *s, const bl_schema_item *i, array *a)
{
    *a = (array){ .first = json_object_get(i->schema, "prefixItems"),
                  .items = json_object_get(i->schema, "items") };
    BL_TRY(bl_schema_count(s, i, "minItems", 0, &a->min));
    BL_TRY(bl_schema_count(s, i, "maxItems", BL_LOOP_FOREVER, &a->max));
    if ((a->first && !json_is_array(a->first)) || json_is_array(a->items))
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED,
                                "items is one schema, and prefixItems a list of schemas");
    const json_t *unique = json_object_get(i->schema, "uniqueItems");
    if (unique && !json_is_false(unique) && a->max > 1)
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED, "uniqueItems is not supported");
    a->n = (uint32_t)json_array_size(a->first);
    if (json_is_false(a->items))
        a->max = BL_MIN(a->max, a->n);
    return BLIND_OK;
}

static void write_item(bl_schema *s, const bl_schema_item *i, const array *a)
{
    if (a->items)
        bl_write_call(&s->program, bl_schema_rule(s, i, a->items, "items", NULL));
    else
        bl_write_json(&s->program, BL_JSON_VALUE);
}

/* A list that may end behind an element goes on or jumps to the bracket. */
static void may_end(bl_program *p, bl_buf *ends)
{
    uint32_t at = bl_write_split(p);
    bl_buf_add(ends, bl_span(&at, sizeof at));
}

static void write_elements(bl_schema *s, const bl_schema_item *i, const array *a, bl_buf *ends)
{
    bl_program *p = &s->program;
    uint32_t    listed = BL_MIN(a->n, a->max);
    for (uint32_t k = 0; k < listed; k++) {
        char number[16];
        snprintf(number, sizeof number, "%u", k);
        if (k && k >= a->min)
            may_end(p, ends);
        if (k)
            bl_write_json_comma(p);
        bl_write_call(p, bl_schema_rule(s, i, json_array_get(a->first, k), "prefixItems", number));
    }
    if (listed == a->max)
        return;
    uint32_t done = BL_MAX(listed, 1u);
    if (listed == 0)
        write_item(s, i, a);
    uint32_t loop = bl_loop_begin(p, a->min > done ? a->min - done : 0,
                                  a->max == BL_LOOP_FOREVER ? a->max : a->max - done);
    bl_write_json_comma(p);
    write_item(s, i, a);
    bl_loop_end(p, loop);
}

blind_code bl_schema_array(bl_schema *s, const bl_schema_item *i)
{
    array       a;
    bl_program *p = &s->program;
    bl_auto_buf ends = BL_BUF_EMPTY;
    BL_TRY(read_array(s, i, &a));
    if (a.min > a.max)
        return bl_write_fail(p), BLIND_OK;
    bl_write_json_open(p, '[');
    uint32_t empty = BL_NOWHERE;
    if (a.min == 0 && a.max > 0)
        empty = bl_write_split(p);
    if (a.max > 0) {
        write_elements(s, i, &a, &ends);
        for (size_t k = 0; k < ends.size / sizeof empty; k++) {
            uint32_t at;
            memcpy(&at, ends.data + k * sizeof at, sizeof at);
            bl_program_patch(p, at, bl_program_here(p));
        }
        bl_write_json(p, BL_JSON_BLANK);
    }
    if (empty != BL_NOWHERE)
        bl_program_patch(p, empty, bl_program_here(p));
    bl_write_text(p, "]");
    return bl_buf_check(&ends, "llm.schema", s->err);
}

/* Both.  ------------------------------------------------------------------------------------- */

enum { DEEPEST = 8 };

static const json_t *resolved(const bl_schema *s, const json_t *schema)
{
    for (int i = 0; i < DEEPEST && json_object_get(schema, "$ref"); i++)
        schema = bl_schema_follow(s->root, json_object_get(schema, "$ref"));
    return schema;
}

/* The values that enum or const lists; 0 when it lists none. */
static size_t listed(const json_t *schema, const json_t **first, size_t at)
{
    const json_t *values = json_object_get(schema, "enum");
    const json_t *value = json_object_get(schema, "const");
    *first = value ? value : json_array_get(values, at);
    return value ? 1 : json_array_size(values);
}

/* The kinds of value that may satisfy it; all where that is not plain. */
static unsigned kinds(const json_t *schema)
{
    const json_t *value;
    unsigned      found = 0, types = bl_schema_types(schema);
    size_t        n = listed(schema, &value, 0);
    for (size_t i = 0; i < n; i++) {
        listed(schema, &value, i);
        found |= bl_schema_type_of(value);
    }
    if (types & BL_TYPE_NUMBER)
        types |= BL_TYPE_INTEGER;
    return n ? found & types : types ? types : BL_TYPE_ALL;
}

static bool lists_disjoint(const json_t *a, const json_t *b)
{
    const json_t *x, *y;
    size_t        n = listed(a, &x, 0), m = listed(b, &y, 0);
    if (n == 0 || m == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++) {
            listed(a, &x, i);
            listed(b, &y, k);
            if (json_equal(x, y) || (json_is_number(x) && json_is_number(y) &&
                                     json_number_value(x) == json_number_value(y)))
                return false;
        }
    return true;
}

static bool disjoint(const bl_schema *s, const json_t *a, const json_t *b, int depth);

/* A member that `a` requires and that `b` forbids or wants otherwise. */
static bool members_disjoint(const bl_schema *s, const json_t *a, const json_t *b, int depth)
{
    const json_t *required = json_object_get(a, "required");
    const json_t *mine = json_object_get(a, "properties"),
                 *others = json_object_get(b, "properties");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char   *name = json_string_value(json_array_get(required, i));
        const json_t *here = name ? json_object_get(mine, name) : NULL;
        const json_t *there = name ? json_object_get(others, name) : NULL;
        if (name && !there && json_is_false(json_object_get(b, "additionalProperties")))
            return true;
        if (here && there && disjoint(s, here, there, depth + 1))
            return true;
    }
    return false;
}

static bool disjoint(const bl_schema *s, const json_t *a, const json_t *b, int depth)
{
    a = resolved(s, a);
    b = resolved(s, b);
    if (depth > DEEPEST || !json_is_object(a) || !json_is_object(b))
        return json_is_false(a) || json_is_false(b);
    unsigned both = kinds(a) & kinds(b);
    if (both == 0 || lists_disjoint(a, b))
        return true;
    return both == BL_TYPE_OBJECT &&
           (members_disjoint(s, a, b, depth) || members_disjoint(s, b, a, depth));
}

bool bl_schema_disjoint(const bl_schema *s, const json_t *a, const json_t *b)
{
    return disjoint(s, a, b, 0);
}
