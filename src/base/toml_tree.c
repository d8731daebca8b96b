/* What callers do with a parsed document: find keys, refuse values, read times. */
#include "base/clock.h"
#include "base/toml.h"

#include <stdarg.h>
#include <stdio.h>

const bl_toml *bl_toml_get(const bl_toml *table, const char *key)
{
    blind_span wanted = bl_span_str(key);
    if (table && table->type == BL_TOML_TABLE)
        for (const bl_toml *m = table->first; m; m = m->next)
            if (bl_span_equal(m->key, wanted))
                return m;
    return NULL;
}

const bl_toml *bl_toml_unknown(const bl_toml *table, const char *const *known, size_t len)
{
    if (!table || table->type != BL_TOML_TABLE)
        return NULL;
    for (const bl_toml *m = table->first; m; m = m->next) {
        size_t i = 0;
        while (i < len && !bl_span_equal(m->key, bl_span_str(known[i])))
            i++;
        if (i == len)
            return m;
    }
    return NULL;
}

const char *bl_toml_type_name(bl_toml_type type)
{
    static const char *const names[] = { "a string",
                                         "an integer",
                                         "a float",
                                         "a boolean",
                                         "a time with its offset",
                                         "a local time of a day",
                                         "a date",
                                         "a time",
                                         "an array",
                                         "a table" };
    return (unsigned)type < BL_LEN(names) ? names[type] : "a value";
}

blind_code bl_toml_fail(const bl_toml *at, blind_error *err, blind_code code, const char *stage,
                        const char *format, ...)
{
    char    what[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (!at)
        return blind_fail(err, code, stage, "%s", what);
    return blind_fail(err, code, stage, "line %u column %u: %s", (unsigned)at->line,
                      (unsigned)at->column, what);
}

blind_code bl_toml_want(const bl_toml *node, bl_toml_type type, blind_code code, const char *stage,
                        blind_error *err)
{
    if (!node)
        return blind_fail(err, code, stage, "nothing, expected %s", bl_toml_type_name(type));
    if (node->type == type)
        return BLIND_OK;
    return bl_toml_fail(node, err, code, stage, "%s, expected %s", bl_toml_type_name(node->type),
                        bl_toml_type_name(type));
}

int64_t bl_toml_seconds(const bl_toml *node)
{
    const bl_toml_time *t = &node->time;
    if (node->type != BL_TOML_DATETIME && node->type != BL_TOML_DATETIME_LOCAL &&
        node->type != BL_TOML_DATE_LOCAL)
        return 0;
    int64_t minutes = INT64_C(60) * t->hour + t->minute - t->offset_min;
    return bl_clock_days(t->year, t->month, t->day) * 86400 + 60 * minutes + t->second;
}
