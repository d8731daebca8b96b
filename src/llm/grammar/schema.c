/* JSON schemas as grammars.
 *
 * Each schema within the schema becomes a rule, so that references, also to themselves, are calls.
 * Held are
 *
 *     type (one or a list), nullable, enum, const, $ref within the schema ($defs, definitions, #),
 *     anyOf, oneOf of alternatives that cannot both hold, allOf of one
 *     properties (in their order), required, additionalProperties, minProperties, maxProperties
 *     items, prefixItems, minItems, maxItems
 *     minLength, maxLength, pattern (see pattern.h), format (the table below)
 *     minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf
 *
 * Annotations (title, description, default, examples, ...) say nothing about values.  Any other
 * keyword is refused.  Where additionalProperties is not given, properties beside those that are
 * declared are allowed by the standard and not written.
 *
 * Source: JSON Schema draft 2020-12, Core (draft-bhutton-json-schema-01) sections 8 and 10,
 * Validation (draft-bhutton-json-schema-validation-01) sections 6 and 7. */
#include "llm/grammar/schema.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Errors.  ----------------------------------------------------------------------------------- */

static const char *where(const bl_schema_item *i)
{
    return i->path && *i->path ? i->path : "#";
}

blind_code bl_schema_refuse(bl_schema *s, const bl_schema_item *i, blind_code code,
                            const char *what)
{
    return blind_fail(s->err, code, "llm.schema", "%s: %s", where(i), what);
}

/* Rules.  ------------------------------------------------------------------------------------ */

static bl_schema_item *items_of(const bl_schema *s)
{
    return (bl_schema_item *)(void *)s->items.data;
}

static uint32_t known_rule(bl_schema *s, const json_t *schema, size_t *slot)
{
    size_t at = ((uintptr_t)schema >> 4) * 0x9e3779b97f4a7c15u >> 20 & (BL_SCHEMA_SLOTS - 1);
    for (; s->slots[at].schema; at = (at + 1) & (BL_SCHEMA_SLOTS - 1))
        if (s->slots[at].schema == schema)
            return s->slots[at].rule;
    *slot = at;
    return 0;
}

static uint32_t add_item(bl_schema *s, bl_schema_item item)
{
    if (s->items.size / sizeof item >= BL_MAX_SCHEMA_NODES) {
        s->full = true;
        return 0;
    }
    item.rule = bl_rule_new(&s->program);
    bl_buf_add(&s->items, bl_span(&item, sizeof item));
    return item.rule;
}

uint32_t bl_schema_rule(bl_schema *s, const bl_schema_item *from, const json_t *schema,
                        const char *keyword, const char *name)
{
    size_t   slot = 0;
    uint32_t rule = known_rule(s, schema, &slot);
    if (rule)
        return rule;
    char *path = bl_arena_printf(&s->arena, "%.120s%s%s%s%.60s", where(from), *keyword ? "/" : "",
                                 keyword, name ? "/" : "", name ? name : "");
    rule = add_item(s, (bl_schema_item){ .schema = schema, .path = path });
    if (rule) {
        s->slots[slot].schema = schema;
        s->slots[slot].rule = rule;
    }
    return rule;
}

uint32_t bl_schema_extra_rule(bl_schema *s, const bl_schema_item *of)
{
    return add_item(s, (bl_schema_item){ .schema = of->schema, .path = of->path, .extra = true });
}

/* Keywords.  --------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    unsigned    types; /* the kinds of value that it speaks of; 0: an annotation */
} keyword;

enum { WHOLE = BL_TYPE_ALL + 1 }; /* applies to any value */

static const keyword keywords[] = {
    { "$schema", 0 },
    { "$id", 0 },
    { "$comment", 0 },
    { "$defs", 0 },
    { "definitions", 0 },
    { "title", 0 },
    { "description", 0 },
    { "default", 0 },
    { "examples", 0 },
    { "example", 0 },
    { "deprecated", 0 },
    { "readOnly", 0 },
    { "writeOnly", 0 },
    { "contentEncoding", 0 },
    { "contentMediaType", 0 },
    { "discriminator", 0 },
    { "strict", 0 },
    { "$ref", WHOLE },
    { "type", WHOLE },
    { "nullable", WHOLE },
    { "enum", WHOLE },
    { "const", WHOLE },
    { "anyOf", WHOLE },
    { "oneOf", WHOLE },
    { "allOf", WHOLE },
    { "properties", BL_TYPE_OBJECT },
    { "required", BL_TYPE_OBJECT },
    { "additionalProperties", BL_TYPE_OBJECT },
    { "minProperties", BL_TYPE_OBJECT },
    { "maxProperties", BL_TYPE_OBJECT },
    { "items", BL_TYPE_ARRAY },
    { "prefixItems", BL_TYPE_ARRAY },
    { "minItems", BL_TYPE_ARRAY },
    { "maxItems", BL_TYPE_ARRAY },
    { "uniqueItems", BL_TYPE_ARRAY },
    { "minLength", BL_TYPE_STRING },
    { "maxLength", BL_TYPE_STRING },
    { "pattern", BL_TYPE_STRING },
    { "format", BL_TYPE_STRING },
    { "minimum", BL_TYPE_NUMBER },
    { "maximum", BL_TYPE_NUMBER },
    { "exclusiveMinimum", BL_TYPE_NUMBER },
    { "exclusiveMaximum", BL_TYPE_NUMBER },
    { "multipleOf", BL_TYPE_NUMBER },
};

static const keyword *find_keyword(const char *name)
{
    for (size_t i = 0; i < BL_LEN(keywords); i++)
        if (strcmp(keywords[i].name, name) == 0)
            return &keywords[i];
    return NULL;
}

/* Of which kinds of value the keywords speak; those that apply to any are counted. */
static blind_code read_keywords(bl_schema *s, const bl_schema_item *i, unsigned *types,
                                unsigned *whole)
{
    const char *name;
    json_t     *value;
    char        what[128];
    *types = *whole = 0;
    json_object_foreach((json_t *)(uintptr_t)i->schema, name, value)
    {
        const keyword *k = find_keyword(name);
        if (!k) {
            snprintf(what, sizeof what, "the keyword \"%.80s\" is not supported", name);
            return bl_schema_refuse(s, i, BLIND_UNSUPPORTED, what);
        }
        if (k->types == WHOLE)
            ++*whole;
        else
            *types |= k->types;
    }
    return BLIND_OK;
}

/* Refuses what would have to hold together with the keyword `alone`, beside `nullable`. */
static blind_code check_alone(bl_schema *s, const bl_schema_item *i, const char *alone)
{
    const char *name;
    json_t     *value;
    char        what[160];
    json_object_foreach((json_t *)(uintptr_t)i->schema, name, value)
    {
        const keyword *k = find_keyword(name);
        if (k && k->types && strcmp(name, alone) != 0 && strcmp(name, "nullable") != 0) {
            snprintf(what, sizeof what, "\"%s\" beside \"%.80s\" is not supported", alone, name);
            return bl_schema_refuse(s, i, BLIND_UNSUPPORTED, what);
        }
    }
    return BLIND_OK;
}

/* Types.  ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    unsigned    type;
} type_names[] = {
    { "null", BL_TYPE_NULL },       { "boolean", BL_TYPE_BOOLEAN },
    { "integer", BL_TYPE_INTEGER }, { "number", BL_TYPE_NUMBER | BL_TYPE_INTEGER },
    { "string", BL_TYPE_STRING },   { "array", BL_TYPE_ARRAY },
    { "object", BL_TYPE_OBJECT },
};

static unsigned type_named(const json_t *name)
{
    for (size_t i = 0; json_is_string(name) && i < BL_LEN(type_names); i++)
        if (strcmp(json_string_value(name), type_names[i].name) == 0)
            return type_names[i].type;
    return 0;
}

unsigned bl_schema_type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
        return BL_TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return BL_TYPE_BOOLEAN;
    case JSON_INTEGER:
        return BL_TYPE_INTEGER;
    case JSON_REAL:
        return json_real_value(value) == floor(json_real_value(value)) ? BL_TYPE_INTEGER
                                                                       : BL_TYPE_NUMBER;
    case JSON_STRING:
        return BL_TYPE_STRING;
    case JSON_ARRAY:
        return BL_TYPE_ARRAY;
    default:
        return BL_TYPE_OBJECT;
    }
}

unsigned bl_schema_types(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    unsigned      types = type ? 0 : BL_TYPE_ALL;
    if (json_is_array(type))
        for (size_t i = 0; i < json_array_size(type); i++) {
            unsigned one = type_named(json_array_get(type, i));
            if (!one)
                return 0;
            types |= one;
        }
    else if (type)
        types = type_named(type);
    if (types && json_is_true(json_object_get(schema, "nullable")))
        types |= BL_TYPE_NULL;
    return types;
}

/* References.  ------------------------------------------------------------------------------- */

/* "%7E" and the like, then ~1 and ~0, of one part of a pointer.  Source: RFC 6901, sections 4, 6.
 */
static bool unescape(const char *from, size_t n, char *to, size_t room)
{
    size_t out = 0;
    for (size_t i = 0; i < n; i++, out++) {
        char c = from[i];
        if (out + 1 >= room)
            return false;
        if (c == '%' && i + 2 < n) {
            char hex[3] = { from[i + 1], from[i + 2] }, *end;
            c = (char)strtoul(hex, &end, 16);
            if (*end)
                return false;
            i += 2;
        } else if (c == '~' && i + 1 < n) {
            c = from[++i] == '1' ? '/' : '~';
        }
        to[out] = c;
    }
    to[out] = 0;
    return true;
}

const json_t *bl_schema_follow(const json_t *root, const json_t *ref)
{
    const char *path = json_string_value(ref);
    if (!path || path[0] != '#' || (path[1] && path[1] != '/'))
        return NULL;
    for (path++; root && *path == '/';) {
        char   part[512];
        size_t n = strcspn(++path, "/");
        if (!unescape(path, n, part, sizeof part))
            return NULL;
        root = json_is_array(root) ? json_array_get(root, strtoul(part, NULL, 10))
                                   : json_object_get(root, part);
        path += n;
    }
    return root;
}

static blind_code write_reference(bl_schema *s, const bl_schema_item *i, const json_t *ref)
{
    BL_TRY(check_alone(s, i, "$ref"));
    const json_t *target = bl_schema_follow(s->root, ref);
    if (!target)
        return bl_schema_refuse(s, i, json_is_string(ref) ? BLIND_UNSUPPORTED : BLIND_INPUT,
                                "a $ref to nothing within this schema");
    const char *name = json_string_value(ref);
    bl_write_call(&s->program, bl_schema_rule(s, &(bl_schema_item){ .path = "" }, target,
                                              name[1] ? name + 2 : "", NULL));
    return BLIND_OK;
}

/* Literals.  --------------------------------------------------------------------------------- */

static blind_code write_literal(bl_schema *s, const json_t *value)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    char        number[40];
    if (json_is_real(value)) {
        int precision = 15;
        do
            snprintf(number, sizeof number, "%.*g", precision, json_real_value(value));
        while (strtod(number, NULL) != json_real_value(value) && ++precision <= 17);
        bl_buf_add_str(&text, number);
    } else {
        BL_TRY(bl_json_write(value, &text, s->err));
    }
    bl_write_bytes(&s->program, bl_buf_span(&text));
    return bl_buf_check(&text, "llm.schema", s->err);
}

static blind_code write_literals(bl_schema *s, const bl_schema_item *i, const json_t *values,
                                 unsigned types)
{
    bl_choice c;
    bl_choice_begin(&c);
    for (size_t k = 0; k < json_array_size(values); k++) {
        const json_t *value = json_array_get(values, k);
        if (!(types & bl_schema_type_of(value)))
            continue;
        bl_choice_next(&s->program, &c);
        BL_TRY(write_literal(s, value));
    }
    bl_choice_end(&s->program, &c);
    (void)i;
    return BLIND_OK;
}

/* Beside enum and const only a type may stand. */
static blind_code write_enum(bl_schema *s, const bl_schema_item *i, unsigned types)
{
    const json_t *values = json_object_get(i->schema, "enum");
    const json_t *value = json_object_get(i->schema, "const");
    const char   *name;
    json_t       *other;
    json_object_foreach((json_t *)(uintptr_t)i->schema, name, other)
    {
        const keyword *k = find_keyword(name);
        bool fits = !strcmp(name, "enum") || !strcmp(name, "const") || !strcmp(name, "type") ||
                    !strcmp(name, "nullable");
        if (k && k->types && !fits)
            return bl_schema_refuse(s, i, BLIND_UNSUPPORTED,
                                    "enum or const beside other keywords is not supported");
    }
    if (values && (!json_is_array(values) || json_array_size(values) == 0))
        return bl_schema_refuse(s, i, BLIND_INPUT, "enum is no list of values");
    if (!value)
        return write_literals(s, i, values, types);
    bool listed = !values;
    for (size_t k = 0; k < json_array_size(values); k++)
        listed |= json_equal(value, json_array_get(values, k)) != 0;
    if (!listed || !(types & bl_schema_type_of(value)))
        bl_write_fail(&s->program);
    else
        BL_TRY(write_literal(s, value));
    return BLIND_OK;
}

/* Alternatives.  ----------------------------------------------------------------------------- */

static blind_code write_alternatives(bl_schema *s, const bl_schema_item *i, const char *name)
{
    const json_t *list = json_object_get(i->schema, name);
    bl_choice     c;
    char          number[24];
    BL_TRY(check_alone(s, i, name));
    if (!json_is_array(list) || json_array_size(list) == 0)
        return bl_schema_refuse(s, i, BLIND_INPUT, "alternatives that are no list");
    size_t n = json_array_size(list);
    if (strcmp(name, "allOf") == 0 && n > 1)
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED, "allOf of several is not supported");
    for (size_t a = 0; strcmp(name, "oneOf") == 0 && a < n; a++)
        for (size_t b = 0; b < a; b++)
            if (!bl_schema_disjoint(s, json_array_get(list, a), json_array_get(list, b)))
                return bl_schema_refuse(s, i, BLIND_UNSUPPORTED,
                                        "oneOf of alternatives that might both hold is not "
                                        "supported: anyOf would do");
    bl_choice_begin(&c);
    for (size_t k = 0; k < n; k++) {
        snprintf(number, sizeof number, "%zu", k);
        bl_choice_next(&s->program, &c);
        bl_write_call(&s->program, bl_schema_rule(s, i, json_array_get(list, k), name, number));
    }
    if (json_is_true(json_object_get(i->schema, "nullable"))) {
        bl_choice_next(&s->program, &c);
        bl_write_text(&s->program, "null");
    }
    bl_choice_end(&s->program, &c);
    return BLIND_OK;
}

/* One schema.  ------------------------------------------------------------------------------- */

static blind_code write_types(bl_schema *s, const bl_schema_item *i, unsigned types)
{
    static const struct {
        unsigned type;
        blind_code (*write)(bl_schema *s, const bl_schema_item *i);
    } writers[] = {
        { BL_TYPE_OBJECT, bl_schema_object },   { BL_TYPE_ARRAY, bl_schema_array },
        { BL_TYPE_STRING, bl_schema_string },   { BL_TYPE_NUMBER, bl_schema_number },
        { BL_TYPE_INTEGER, bl_schema_integer },
    };
    bl_program *p = &s->program;
    bl_choice   c;
    if (types & BL_TYPE_NUMBER)
        types &= ~(unsigned)BL_TYPE_INTEGER; /* numbers are integers, too */
    bl_choice_begin(&c);
    for (size_t k = 0; k < BL_LEN(writers); k++)
        if (types & writers[k].type) {
            bl_choice_next(p, &c);
            BL_TRY(writers[k].write(s, i));
        }
    if (types & BL_TYPE_BOOLEAN) {
        bl_choice_next(p, &c);
        bl_write_text(p, "true");
        bl_choice_next(p, &c);
        bl_write_text(p, "false");
    }
    if (types & BL_TYPE_NULL) {
        bl_choice_next(p, &c);
        bl_write_text(p, "null");
    }
    bl_choice_end(p, &c);
    return BLIND_OK;
}

static blind_code write_schema(bl_schema *s, const bl_schema_item *i)
{
    static const char *const alternatives[] = { "anyOf", "oneOf", "allOf" };
    const json_t            *schema = i->schema;
    unsigned                 spoken, whole;
    if (json_is_true(schema))
        return bl_write_json(&s->program, BL_JSON_VALUE), BLIND_OK;
    if (json_is_false(schema))
        return bl_write_fail(&s->program), BLIND_OK;
    if (!json_is_object(schema))
        return bl_schema_refuse(s, i, BLIND_INPUT, "a schema is an object or a truth value");
    BL_TRY(read_keywords(s, i, &spoken, &whole));
    if (json_object_get(schema, "$ref"))
        return write_reference(s, i, json_object_get(schema, "$ref"));
    for (size_t k = 0; k < BL_LEN(alternatives); k++)
        if (json_object_get(schema, alternatives[k]))
            return write_alternatives(s, i, alternatives[k]);
    unsigned types = bl_schema_types(schema);
    if (!types)
        return bl_schema_refuse(s, i, BLIND_INPUT, "an unknown type");
    if (json_object_get(schema, "enum") || json_object_get(schema, "const"))
        return write_enum(s, i, types);
    if (json_object_get(schema, "type"))
        return write_types(s, i, types);
    if (!spoken) /* says nothing at all */
        return bl_write_json(&s->program, BL_JSON_VALUE), BLIND_OK;
    /* Without a type, values of the kinds that the keywords speak of; others are allowed, too, and
     * not written. */
    if (json_is_true(json_object_get(schema, "nullable")))
        spoken |= BL_TYPE_NULL;
    return write_types(s, i, spoken);
}

static blind_code write_all(bl_schema *s)
{
    bl_program    *p = &s->program;
    bl_schema_item none = { .path = "" };
    bl_rule_begin(p, 0);
    bl_write_json(p, BL_JSON_BLANK);
    bl_write_call(p, bl_schema_rule(s, &none, s->root, "", NULL));
    bl_rule_end(p);
    for (size_t n = 0; n < s->items.size / sizeof none && !s->full; n++) {
        bl_schema_item item = items_of(s)[n]; /* the list may move */
        bl_rule_begin(p, item.rule);
        BL_TRY(item.extra ? bl_schema_extra_member(s, &item) : write_schema(s, &item));
        bl_rule_end(p);
    }
    if (s->full)
        return blind_fail(s->err, BLIND_LIMIT, "llm.schema", "more than %d schemas in one",
                          BL_MAX_SCHEMA_NODES);
    BL_TRY(bl_buf_check(&s->items, "llm.schema", s->err));
    bl_write_json_rules(p);
    return BLIND_OK;
}

blind_code bl_grammar_schema(const json_t *schema, bl_grammar **out, blind_error *err)
{
    *out = NULL;
    bl_schema s = { .root = schema, .err = err };
    s.slots = calloc(BL_SCHEMA_SLOTS, sizeof *s.slots);
    if (!s.slots)
        return blind_fail(err, BLIND_MEMORY, "llm.schema", "out of memory");
    bl_program_init(&s.program);
    blind_code code = write_all(&s);
    if (code == BLIND_OK)
        code = bl_program_finish(&s.program, out, err);
    bl_program_done(&s.program);
    bl_buf_done(&s.items);
    bl_arena_done(&s.arena);
    free(s.slots);
    return code;
}
