/* Strings and numbers of a schema. */
#include "llm/grammar/schema.h"

#include "llm/grammar/numbers.h"
#include "llm/grammar/pattern.h"

#include <math.h>
#include <stdio.h>

blind_code bl_schema_count(bl_schema *s, const bl_schema_item *i, const char *name,
                           uint32_t otherwise, uint32_t *out)
{
    const json_t *value = json_object_get(i->schema, name);
    double        number = value ? json_number_value(value) : 0;
    *out = otherwise;
    if (!value)
        return BLIND_OK;
    if (!json_is_number(value) || number < 0 || number != floor(number))
        return bl_schema_refuse(s, i, BLIND_INPUT, "a count that is no whole number");
    *out = number < (double)BL_LOOP_FOREVER ? (uint32_t)number : BL_LOOP_FOREVER - 1;
    return BLIND_OK;
}

/* Strings.  ---------------------------------------------------------------------------------- */

/* Formats are held to an expression, where possible narrower than the standard's: what it lets
 * through is valid for a strict reader, too. */
#define MONTH_DAY                                                                                  \
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|"                \
    "02-(0[1-9]|1[0-9]|2[0-8]))"
#define DATE     "[12][0-9]{3}-" MONTH_DAY
#define TIME     "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?"
#define ZONE     "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define BYTE     "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define LABEL    "[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?"
#define HOSTNAME LABEL "(\\." LABEL "){0,6}"
#define PATH     "[a-zA-Z0-9._~!$&'()*+,;=:@/-]{0,512}"
#define GROUP    "[0-9a-fA-F]{1,4}"

static const struct {
    const char *name, *pattern;
} formats[] = {
    { "date", "^" DATE "$" },
    { "time", "^" TIME ZONE "$" },
    { "date-time", "^" DATE "T" TIME ZONE "$" },
    { "duration", "^P([0-9]{1,6}W|([0-9]{1,6}D)(T[0-9]{1,6}H)?|T[0-9]{1,6}(H[0-9]{1,6}M|[HMS]))$" },
    { "uuid", "^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$" },
    { "ipv4", "^" BYTE "(\\." BYTE "){3}$" },
    { "ipv6", "^(" GROUP ":){7}" GROUP "$" },
    { "hostname", "^" HOSTNAME "$" },
    { "email", "^[a-zA-Z0-9_+-]+(\\.[a-zA-Z0-9_+-]+){0,4}@" LABEL "(\\." LABEL "){1,6}$" },
    { "uri",
      "^[a-z][a-z0-9+-]{1,14}://" HOSTNAME "(:[1-9][0-9]{0,3})?(/" PATH ")?(\\?" PATH ")?$" },
    { "byte", "^([a-zA-Z0-9+/]{4})*([a-zA-Z0-9+/][AQgw]==|[a-zA-Z0-9+/]{2}[AEIMQUYcgkosw048]=)?$" },
    { "password", "" },
};

static const char *format_named(const char *name)
{
    for (size_t k = 0; name && k < BL_LEN(formats); k++)
        if (strcmp(formats[k].name, name) == 0)
            return formats[k].pattern;
    return NULL;
}

static blind_code write_matching(bl_schema *s, const bl_schema_item *i, blind_span text,
                                 uint32_t min, uint32_t max)
{
    const bl_pattern *pattern;
    blind_code        code = bl_pattern_parse(text, &s->arena, &pattern, s->err);
    if (code != BLIND_OK)
        return blind_fail_in(s->err, code, "%s", i->path && *i->path ? i->path : "#");
    if (bl_pattern_shortest(pattern) < min ||
        (max != BL_LOOP_FOREVER && bl_pattern_longest(pattern) > max))
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED,
                                "minLength or maxLength beside a pattern or format that allows "
                                "other lengths is not supported");
    bl_write_text(&s->program, "\"");
    bl_write_pattern(&s->program, pattern, bl_write_json_characters);
    bl_write_text(&s->program, "\"");
    return BLIND_OK;
}

blind_code bl_schema_string(bl_schema *s, const bl_schema_item *i)
{
    const json_t *pattern = json_object_get(i->schema, "pattern");
    const json_t *format = json_object_get(i->schema, "format");
    uint32_t      min, max;
    BL_TRY(bl_schema_count(s, i, "minLength", 0, &min));
    BL_TRY(bl_schema_count(s, i, "maxLength", BL_LOOP_FOREVER, &max));
    if (min > max)
        return bl_write_fail(&s->program), BLIND_OK;
    if (pattern && !json_is_string(pattern))
        return bl_schema_refuse(s, i, BLIND_INPUT, "a pattern that is no text");
    if (pattern && format)
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED, "pattern and format together");
    if (pattern)
        return write_matching(
            s, i, bl_span(json_string_value(pattern), json_string_length(pattern)), min, max);
    const char *known = format_named(json_string_value(format));
    if (format && !known)
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED, "this format is not supported");
    if (known && *known)
        return write_matching(s, i, bl_span_str(known), min, max);
    bl_write_text(&s->program, "\"");
    uint32_t loop = bl_loop_begin(&s->program, min, max);
    bl_write_json(&s->program, BL_JSON_CHARACTER);
    bl_loop_end(&s->program, loop);
    bl_write_text(&s->program, "\"");
    return BLIND_OK;
}

/* Numbers.  ---------------------------------------------------------------------------------- */

/* The narrower one of a bound and its exclusive sister; sign 1 for the lower, -1 for the upper. */
static blind_code read_bound(bl_schema *s, const bl_schema_item *i, const char *name,
                             const char *exclusive, double sign, bl_bound *out)
{
    const json_t *closed = json_object_get(i->schema, name);
    const json_t *open = json_object_get(i->schema, exclusive);
    *out = (bl_bound){ .there = closed || open };
    if ((closed && !json_is_number(closed)) || (open && !json_is_number(open)))
        return bl_schema_refuse(s, i, BLIND_INPUT, "a bound that is no number");
    out->value = json_number_value(closed);
    if (open && (!closed || sign * json_number_value(open) >= sign * out->value)) {
        out->open = true;
        out->value = json_number_value(open);
    }
    return BLIND_OK;
}

static blind_code read_bounds(bl_schema *s, const bl_schema_item *i, bl_bound *low, bl_bound *high)
{
    BL_TRY(read_bound(s, i, "minimum", "exclusiveMinimum", 1, low));
    return read_bound(s, i, "maximum", "exclusiveMaximum", -1, high);
}

/* The first double past BL_MOST_INTEGER: those below it are integers that fit. */
static const double PAST_INTEGERS = 1e18;

static int64_t clamped(double value)
{
    if (value >= PAST_INTEGERS)
        return BL_MOST_INTEGER;
    return value <= -PAST_INTEGERS ? -BL_MOST_INTEGER : (int64_t)value;
}

/* The integers that lie within; none: low > high. */
static void integer_bounds(bl_bound low, bl_bound high, int64_t *from, int64_t *to)
{
    *from = -BL_MOST_INTEGER;
    *to = BL_MOST_INTEGER;
    if (low.there) {
        *from = clamped(ceil(low.value));
        *from += low.open && (double)*from == low.value && *from < BL_MOST_INTEGER;
    }
    if (high.there) {
        *to = clamped(floor(high.value));
        *to -= high.open && (double)*to == high.value && *to > -BL_MOST_INTEGER;
    }
    if ((low.there && low.value >= PAST_INTEGERS) || (high.there && high.value <= -PAST_INTEGERS)) {
        *from = 1;
        *to = 0;
    }
}

/* All multiples between two bounds, one by one. */
static blind_code write_multiples(bl_schema *s, const bl_schema_item *i, int64_t of, int64_t from,
                                  int64_t to)
{
    enum { MOST = 4096 };
    bl_choice c;
    char      text[24];
    int64_t   first = from / of - (from % of < 0), last = to / of - (to % of < 0);
    first += first * of < from;
    bl_choice_begin(&c);
    if (last - first >= MOST)
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED,
                                "multipleOf without bounds that leave at most 4096 multiples is "
                                "not supported");
    for (int64_t k = first; k <= last; k++) {
        snprintf(text, sizeof text, "%lld", (long long)(k * of));
        bl_choice_next(&s->program, &c);
        bl_write_text(&s->program, text);
    }
    bl_choice_end(&s->program, &c);
    return BLIND_OK;
}

static blind_code write_integers(bl_schema *s, const bl_schema_item *i, bl_bound low, bl_bound high)
{
    const json_t *multiple = json_object_get(i->schema, "multipleOf");
    double        of = multiple ? json_number_value(multiple) : 1;
    int64_t       from, to;
    integer_bounds(low, high, &from, &to);
    if (multiple && (!json_is_number(multiple) || of <= 0))
        return bl_schema_refuse(s, i, BLIND_INPUT, "multipleOf is no number above 0");
    if (of != floor(of) || of > 1e15)
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED, "multipleOf other than whole numbers");
    if (of != 1)
        return write_multiples(s, i, (int64_t)of, from, to);
    bl_write_integers(&s->program, from, to);
    return BLIND_OK;
}

/* Formats of OpenAPI that speak of numbers. */
static blind_code check_format(bl_schema *s, const bl_schema_item *i, bool *is32)
{
    static const char *const known[] = { "int32", "int64", "float", "double", "decimal" };
    const json_t            *format = json_object_get(i->schema, "format");
    const char              *name = json_string_value(format);
    *is32 = name && strcmp(name, "int32") == 0;
    for (size_t k = 0; name && k < BL_LEN(known); k++)
        if (strcmp(name, known[k]) == 0)
            return BLIND_OK;
    if (format && !format_named(name))
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED, "this format is not supported");
    return BLIND_OK;
}

blind_code bl_schema_integer(bl_schema *s, const bl_schema_item *i)
{
    bl_bound low, high;
    bool     is32;
    BL_TRY(read_bounds(s, i, &low, &high));
    BL_TRY(check_format(s, i, &is32));
    if (is32 && (!low.there || low.value < INT32_MIN))
        low = (bl_bound){ .there = true, .value = INT32_MIN };
    if (is32 && (!high.there || high.value > INT32_MAX))
        high = (bl_bound){ .there = true, .value = INT32_MAX };
    return write_integers(s, i, low, high);
}

blind_code bl_schema_number(bl_schema *s, const bl_schema_item *i)
{
    bl_bound low, high;
    bool     is32;
    BL_TRY(read_bounds(s, i, &low, &high));
    BL_TRY(check_format(s, i, &is32));
    if (json_object_get(i->schema, "multipleOf") || is32)
        return bl_schema_integer(s, i);
    if (!low.there && !high.there)
        return bl_write_json(&s->program, BL_JSON_NUMBER), BLIND_OK;
    if (!bl_write_numbers(&s->program, low, high))
        return bl_schema_refuse(s, i, BLIND_UNSUPPORTED,
                                "a bound of more than 15 digits or 10 decimals");
    return BLIND_OK;
}
