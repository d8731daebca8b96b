#include "tests/llm/validate.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/base.h"
#include "tests/test.h"

#include <math.h>
#include <pcre2.h>

bool matches(const char *pattern, const char *text)
{
    int         error;
    PCRE2_SIZE  at;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX, &error, &at, NULL);
    CHECK(code != NULL);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    int               found = pcre2_match(code, (PCRE2_SPTR)text, strlen(text), 0, 0, data, NULL);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return found >= 0;
}

static bool is_type(const char *name, const json_t *v)
{
    double number = json_number_value(v);
    if (strcmp(name, "integer") == 0)
        return json_is_number(v) && number == floor(number);
    return (strcmp(name, "null") == 0 && json_is_null(v)) ||
           (strcmp(name, "boolean") == 0 && json_is_boolean(v)) ||
           (strcmp(name, "number") == 0 && json_is_number(v)) ||
           (strcmp(name, "string") == 0 && json_is_string(v)) ||
           (strcmp(name, "array") == 0 && json_is_array(v)) ||
           (strcmp(name, "object") == 0 && json_is_object(v));
}

static bool has_type(const json_t *type, const json_t *v)
{
    if (json_is_string(type))
        return is_type(json_string_value(type), v);
    for (size_t i = 0; i < json_array_size(type); i++)
        if (is_type(json_string_value(json_array_get(type, i)), v))
            return true;
    return false;
}

static bool same(const json_t *a, const json_t *b)
{
    return json_equal(a, b) ||
           (json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b));
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Leap seconds and 29 February are left out by what is generated: a strict subset is checked. */
static bool has_format(const char *format, const char *text)
{
    static const struct {
        const char *name, *pattern;
    } all[] = {
        { "date", "^\\d{4}-\\d\\d-\\d\\d$" },
        { "time", "^\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$" },
        { "date-time",
          "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$" },
        { "duration", "^P(?=.)(\\d+W|(\\d+D)?(T(?=.)(\\d+H)?(\\d+M)?(\\d+S)?)?)$" },
        { "uuid", "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" },
        { "ipv4", "^(\\d{1,3}\\.){3}\\d{1,3}$" },
        { "ipv6", "^([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}$" },
        { "hostname", "^[a-zA-Z0-9-]+(\\.[a-zA-Z0-9-]+)*$" },
        { "email", "^[^@\\s.][^@\\s]*@[^@\\s]+\\.[^@\\s]+$" },
        { "uri", "^[a-z][a-z0-9+.-]*://[^\\s]+$" },
        { "byte", "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$" },
        { "password", "" },
    };
    int year, month, day, hour, a, b, c, d;
    for (size_t i = 0; i < BL_LEN(all); i++)
        if (strcmp(all[i].name, format) == 0 && !matches(all[i].pattern, text))
            return false;
    if (strncmp(format, "date", 4) == 0) {
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        if (sscanf(text, "%d-%d-%d", &year, &month, &day) != 3 || month < 1 || month > 12 ||
            day < 1 || day > days[month - 1])
            return false;
        text += strcspn(text, "T");
        text += *text == 'T';
    }
    if (strcmp(format, "time") == 0 || strcmp(format, "date-time") == 0)
        return sscanf(text, "%d:%d:%d", &hour, &a, &b) == 3 && hour < 24 && a < 60 && b < 60;
    if (strcmp(format, "ipv4") == 0)
        return sscanf(text, "%d.%d.%d.%d", &a, &b, &c, &d) == 4 && a < 256 && b < 256 && c < 256 &&
               d < 256;
    return true;
}

static const char *check_string(const json_t *s, const char *text)
{
    const json_t *k;
    double        n = (double)characters(text);
    if ((k = json_object_get(s, "minLength")) && n < json_number_value(k))
        return "minLength";
    if ((k = json_object_get(s, "maxLength")) && n > json_number_value(k))
        return "maxLength";
    if ((k = json_object_get(s, "pattern")) && !matches(json_string_value(k), text))
        return "pattern";
    if ((k = json_object_get(s, "format")) && !has_format(json_string_value(k), text))
        return "format";
    return NULL;
}

static const char *check_number(const json_t *s, double n)
{
    const json_t *k;
    if ((k = json_object_get(s, "minimum")) && n < json_number_value(k))
        return "minimum";
    if ((k = json_object_get(s, "maximum")) && n > json_number_value(k))
        return "maximum";
    if ((k = json_object_get(s, "exclusiveMinimum")) && n <= json_number_value(k))
        return "exclusiveMinimum";
    if ((k = json_object_get(s, "exclusiveMaximum")) && n >= json_number_value(k))
        return "exclusiveMaximum";
    if ((k = json_object_get(s, "multipleOf")) && fmod(n, json_number_value(k)) != 0)
        return "multipleOf";
    k = json_object_get(s, "format");
    if (k && strcmp(json_string_value(k), "int32") == 0 && (n < INT32_MIN || n > INT32_MAX))
        return "int32";
    return NULL;
}

static const char *check_array(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *k, *first = json_object_get(s, "prefixItems"),
                     *items = json_object_get(s, "items");
    double n = (double)json_array_size(v);
    if ((k = json_object_get(s, "minItems")) && n < json_number_value(k))
        return "minItems";
    if ((k = json_object_get(s, "maxItems")) && n > json_number_value(k))
        return "maxItems";
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *of = i < json_array_size(first) ? json_array_get(first, i) : items;
        const char   *wrong = of ? validate(root, of, json_array_get(v, i)) : NULL;
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const char *check_object(const json_t *root, const json_t *s, json_t *v)
{
    const json_t *k, *declared = json_object_get(s, "properties");
    const json_t *extra = json_object_get(s, "additionalProperties");
    const char   *name;
    json_t       *member;
    double        n = (double)json_object_size(v);
    if ((k = json_object_get(s, "minProperties")) && n < json_number_value(k))
        return "minProperties";
    if ((k = json_object_get(s, "maxProperties")) && n > json_number_value(k))
        return "maxProperties";
    k = json_object_get(s, "required");
    for (size_t i = 0; i < json_array_size(k); i++)
        if (!json_object_get(v, json_string_value(json_array_get(k, i))))
            return "required";
    json_object_foreach(v, name, member)
    {
        const json_t *of = json_object_get(declared, name);
        const char   *wrong = NULL;
        if (of || extra)
            wrong = validate(root, of ? of : extra, member);
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const json_t *follow(const json_t *root, const char *ref)
{
    char part[256];
    CHECK(*ref == '#');
    for (ref++; *ref == '/' && root;) {
        size_t n = strcspn(++ref, "/");
        snprintf(part, sizeof part, "%.*s", (int)n, ref);
        for (char *c; (c = strstr(part, "~1"));) {
            *c = '/';
            memmove(c + 1, c + 2, strlen(c + 2) + 1);
        }
        root = json_is_array(root) ? json_array_get(root, (size_t)atoi(part))
                                   : json_object_get(root, part);
        ref += n;
    }
    CHECK(root != NULL);
    return root;
}

static const char *check_some(const json_t *root, const json_t *s, const json_t *v)
{
    static const char *const names[] = { "anyOf", "oneOf", "allOf" };
    for (size_t i = 0; i < BL_LEN(names); i++) {
        const json_t *list = json_object_get(s, names[i]);
        size_t        n = json_array_size(list), good = 0;
        for (size_t k = 0; k < n; k++)
            good += validate(root, json_array_get(list, k), v) == NULL;
        if (list && (i == 0 ? good == 0 : i == 1 ? good != 1 : good != n))
            return names[i];
    }
    return NULL;
}

const char *validate(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *k;
    const char   *wrong = NULL;
    if (json_is_boolean(s))
        return json_is_true(s) ? NULL : "false";
    if (json_is_true(json_object_get(s, "nullable")) && json_is_null(v))
        return NULL;
    if ((k = json_object_get(s, "$ref")) &&
        (wrong = validate(root, follow(root, json_string_value(k)), v)))
        return wrong;
    if ((k = json_object_get(s, "type")) && !has_type(k, v))
        return "type";
    if ((k = json_object_get(s, "const")) && !same(k, v))
        return "const";
    if ((k = json_object_get(s, "enum"))) {
        bool listed = false;
        for (size_t i = 0; i < json_array_size(k); i++)
            listed |= same(json_array_get(k, i), v);
        if (!listed)
            return "enum";
    }
    wrong = check_some(root, s, v);
    if (!wrong && json_is_string(v))
        wrong = check_string(s, json_string_value(v));
    if (!wrong && json_is_number(v))
        wrong = check_number(s, json_number_value(v));
    if (!wrong && json_is_array(v))
        wrong = check_array(root, s, v);
    if (!wrong && json_is_object(v))
        wrong = check_object(root, s, (json_t *)(uintptr_t)v);
    return wrong;
}
