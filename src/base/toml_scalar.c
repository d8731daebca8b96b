/* Strings, numbers, booleans and dates of TOML. */
#include "base/toml_internal.h"
#include "base/utf8.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \uXXXX or \UXXXXXXXX; p->at is behind the letter. */
static blind_code unicode_escape(bl_toml_parser *p, int digits, char *to, size_t *used)
{
    uint32_t code = 0;
    for (int i = 0; i < digits; i++, p->at++) {
        int digit = p->at < p->end ? hex_digit(*p->at) : -1;
        if (digit < 0)
            return bl_toml_refuse(p, p->at, "expected a hexadecimal digit in the escape");
        code = code << 4 | (uint32_t)digit;
    }
    size_t n = bl_utf8_put(code, (uint8_t *)to + *used);
    if (n == 0)
        return bl_toml_refuse(p, p->at, "the escape is no Unicode character");
    *used += n;
    return BLIND_OK;
}

/* A backslash before the end of a line eats blanks and lines up to the next character. */
static bool line_continues(bl_toml_parser *p)
{
    const char *s = p->at;
    while (s < p->end && (*s == ' ' || *s == '\t'))
        s++;
    if (s == p->end || (*s != '\n' && !(*s == '\r' && p->end - s > 1 && s[1] == '\n')))
        return false;
    while (s < p->end && (*s == ' ' || *s == '\t' || *s == '\n' ||
                          (*s == '\r' && p->end - s > 1 && s[1] == '\n')))
        s++;
    p->at = s;
    return true;
}

static blind_code escape(bl_toml_parser *p, bool lines, char *to, size_t *used)
{
    static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
    p->at++; /* the backslash */
    if (lines && line_continues(p))
        return BLIND_OK;
    char        c = p->at < p->end ? *p->at++ : '\0';
    const char *name = c ? strchr(names, c) : NULL;
    if (name) {
        to[(*used)++] = values[name - names];
        return BLIND_OK;
    }
    if (c == 'u' || c == 'U')
        return unicode_escape(p, c == 'u' ? 4 : 8, to, used);
    return bl_toml_refuse(p, p->at, "unknown escape");
}

/* How many quotes stand at p->at, at most five. */
static int quotes_at(const bl_toml_parser *p, char quote)
{
    int n = 0;
    while (n < 5 && p->end - p->at > n && p->at[n] == quote)
        n++;
    return n;
}

/* Copies up to the closing quotes; `to` has room for the rest of the text. */
static blind_code string_body(bl_toml_parser *p, char quote, bool lines, char *to, size_t *used)
{
    for (;;) {
        if (p->at == p->end)
            return bl_toml_refuse(p, p->at, "the string has no end");
        char c = *p->at;
        if (c == quote) {
            int n = lines ? quotes_at(p, quote) : 1;
            if (!lines || n >= 3) {
                memset(to + *used, quote, lines ? (size_t)n - 3 : 0);
                *used += lines ? (size_t)n - 3 : 0;
                p->at += n;
                return BLIND_OK;
            }
            to[(*used)++] = c;
            p->at++;
        } else if (c == '\\' && quote == '"') {
            BL_TRY(escape(p, lines, to, used));
        } else if (lines && bl_toml_at_newline(p)) {
            p->at += c == '\r' ? 2 : 1;
            to[(*used)++] = '\n';
        } else if (bl_toml_is_control(c)) {
            return bl_toml_refuse(p, p->at, "control character in a string");
        } else {
            to[(*used)++] = c;
            p->at++;
        }
    }
}

/* Bytes up to the first place where the string can end, which its copy never exceeds, and room for
 * two quotes before the closing ones and a NUL. */
static size_t string_room(const bl_toml_parser *p, char quote, bool lines)
{
    const char *s = p->at;
    for (; s < p->end; s++) {
        bool closes = *s == quote && (!lines || (p->end - s > 2 && s[1] == quote && s[2] == quote));
        if (closes || (*s == '\n' && !lines))
            break;
        if (*s == '\\' && quote == '"' && p->end - s > 1)
            s++;
    }
    return (size_t)(s - p->at) + 3;
}

blind_code bl_toml_string(bl_toml_parser *p, bool lines, blind_span *out)
{
    char quote = *p->at;
    bool triple = lines && quotes_at(p, quote) >= 3;
    p->at += triple ? 3 : 1;
    if (triple && bl_toml_at_newline(p))
        p->at += *p->at == '\r' ? 2 : 1;
    size_t used = 0;
    char  *text = bl_arena_alloc(p->arena, string_room(p, quote, triple));
    if (!text)
        return blind_fail(p->err, BLIND_MEMORY, "toml", "out of memory");
    BL_TRY(string_body(p, quote, triple, text, &used));
    text[used] = '\0';
    *out = bl_span(text, used);
    return BLIND_OK;
}

/* ---- dates ---- */

static bool digits(const char **s, const char *end, int count, int *out)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*s)++) {
        if (*s == end || **s < '0' || **s > '9')
            return false;
        value = value * 10 + (**s - '0');
    }
    *out = value;
    return true;
}

static bool symbol(const char **s, const char *end, const char *any)
{
    if (*s == end || **s == '\0' || !strchr(any, **s))
        return false;
    (*s)++;
    return true;
}

static int days_of(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool             leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool read_date(const char **s, const char *end, bl_toml_time *d)
{
    return digits(s, end, 4, &d->year) && symbol(s, end, "-") && digits(s, end, 2, &d->month) &&
           symbol(s, end, "-") && digits(s, end, 2, &d->day) && d->month >= 1 && d->month <= 12 &&
           d->day >= 1 && d->day <= days_of(d->year, d->month);
}

static bool read_time(const char **s, const char *end, bl_toml_time *d)
{
    if (!digits(s, end, 2, &d->hour) || !symbol(s, end, ":") || !digits(s, end, 2, &d->minute) ||
        !symbol(s, end, ":") || !digits(s, end, 2, &d->second) || d->hour > 23 || d->minute > 59 ||
        d->second > 60)
        return false;
    if (!symbol(s, end, "."))
        return true;
    const char *start = *s;
    int32_t     unit = 100000000;
    for (; *s < end && **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
        d->nanosecond += (**s - '0') * unit;
    return *s > start;
}

static bool read_offset(const char **s, const char *end, bl_toml_time *d)
{
    if (symbol(s, end, "Zz"))
        return true;
    bool west = *s < end && **s == '-';
    int  hours = 0, minutes = 0;
    if (!symbol(s, end, "+-") || !digits(s, end, 2, &hours) || !symbol(s, end, ":") ||
        !digits(s, end, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    d->offset_min = (west ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

static bool looks_like(const bl_toml_parser *p, size_t count, char then)
{
    if ((size_t)(p->end - p->at) <= count || p->at[count] != then)
        return false;
    for (size_t i = 0; i < count; i++)
        if (p->at[i] < '0' || p->at[i] > '9')
            return false;
    return true;
}

/* A blank or a T between date and time; a blank before anything else ends a date. */
static bool time_follows(const char *s, const char *end)
{
    return end - s > 2 && (*s == 'T' || *s == 't' || *s == ' ') && s[1] >= '0' && s[1] <= '9';
}

static blind_code read_datetime(bl_toml_parser *p, bl_toml *out)
{
    bl_toml_time *t = &out->time;
    const char   *s = p->at;
    bool          date = !looks_like(p, 2, ':'), good = !date || read_date(&s, p->end, t);
    out->type = date ? BL_TOML_DATE_LOCAL : BL_TOML_TIME_LOCAL;
    if (good && (!date || time_follows(s, p->end))) {
        s += date;
        good = read_time(&s, p->end, t);
        out->type = date ? BL_TOML_DATETIME_LOCAL : BL_TOML_TIME_LOCAL;
        if (good && date && s < p->end && (*s == 'Z' || *s == 'z' || *s == '+' || *s == '-')) {
            out->type = BL_TOML_DATETIME;
            good = read_offset(&s, p->end, t);
        }
    }
    if (!good)
        return bl_toml_refuse(p, p->at, "malformed date or time");
    p->at = s;
    return BLIND_OK;
}

/* ---- numbers ---- */

static bool is_digit_of(char c, int base)
{
    int value = hex_digit(c);
    return value >= 0 && value < base;
}

/* Copies digits without their underscores, which must stand between digits. */
static bool copy_digits(const char **s, const char *end, int base, char *to, size_t room,
                        size_t *used)
{
    bool digit_before = false;
    for (; *s < end; (*s)++) {
        if (**s == '_') {
            if (!digit_before || *s + 1 == end || !is_digit_of((*s)[1], base))
                return false;
            digit_before = false;
        } else if (is_digit_of(**s, base)) {
            if (*used >= room)
                return false;
            to[(*used)++] = **s;
            digit_before = true;
        } else {
            break;
        }
    }
    return digit_before;
}

static blind_code based_integer(bl_toml_parser *p, int base, bl_toml *out)
{
    char        text[80];
    size_t      used = 0;
    const char *s = p->at + 2;
    if (!copy_digits(&s, p->end, base, text, sizeof text - 1, &used))
        return bl_toml_refuse(p, s, "malformed integer");
    text[used] = '\0';
    errno = 0;
    long long value = strtoll(text, NULL, base);
    if (errno)
        return bl_toml_refuse(p, p->at, "the integer does not fit 64 bits");
    out->type = BL_TOML_INTEGER;
    out->integer = value;
    p->at = s;
    return BLIND_OK;
}

static blind_code special_float(bl_toml_parser *p, const char *s, bool minus, bl_toml *out)
{
    double value = *s == 'i' ? (double)INFINITY : (double)NAN;
    out->type = BL_TOML_FLOAT;
    out->number = minus ? -value : value;
    p->at = s + 3;
    return BLIND_OK;
}

/* The decimal point is a point, whatever the program's locale says. */
static blind_code to_double(bl_toml_parser *p, const char *text, double *out)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return blind_fail(p->err, BLIND_MEMORY, "toml", "out of memory");
    *out = strtod_l(text, NULL, c);
    freelocale(c);
    return BLIND_OK;
}

/* The text of a decimal number without its underscores, and whether it has a fraction or exponent.
 */
static bool copy_decimal(const char **s, const char *end, char *text, size_t room, bool *real)
{
    size_t used = 0;
    *real = false;
    if (**s == '+' || **s == '-')
        text[used++] = *(*s)++;
    if (!copy_digits(s, end, 10, text, room, &used))
        return false;
    if (*s < end && **s == '.') {
        text[used++] = *(*s)++;
        *real = true;
        if (!copy_digits(s, end, 10, text, room, &used))
            return false;
    }
    if (*s < end && (**s == 'e' || **s == 'E')) {
        text[used++] = *(*s)++;
        *real = true;
        if (*s < end && (**s == '+' || **s == '-'))
            text[used++] = *(*s)++;
        if (!copy_digits(s, end, 10, text, room, &used))
            return false;
    }
    text[used] = '\0';
    return true;
}

static blind_code decimal(bl_toml_parser *p, bl_toml *out)
{
    enum { DIGITS = 512 };
    char        text[DIGITS + 8]; /* sign, point, exponent's letter and sign, NUL */
    const char *s = p->at;
    bool        sign = *s == '-' || *s == '+', minus = *s == '-', real;
    const char *first = s + sign;
    if (p->end - first >= 3 && (memcmp(first, "inf", 3) == 0 || memcmp(first, "nan", 3) == 0))
        return special_float(p, first, minus, out);
    if (p->end - first >= 2 && first[0] == '0' &&
        ((first[1] >= '0' && first[1] <= '9') || first[1] == '_'))
        return bl_toml_refuse(p, first, "leading zero");
    if (!copy_decimal(&s, p->end, text, DIGITS, &real))
        return bl_toml_refuse(p, s, "malformed value");
    if (real) {
        out->type = BL_TOML_FLOAT;
        BL_TRY(to_double(p, text, &out->number));
    } else {
        errno = 0;
        out->type = BL_TOML_INTEGER;
        out->integer = strtoll(text, NULL, 10);
        if (errno)
            return bl_toml_refuse(p, p->at, "the integer does not fit 64 bits");
    }
    p->at = s;
    return BLIND_OK;
}

static blind_code read_bool(bl_toml_parser *p, bl_toml *out)
{
    size_t left = (size_t)(p->end - p->at);
    bool   yes = left >= 4 && memcmp(p->at, "true", 4) == 0;
    if (!yes && (left < 5 || memcmp(p->at, "false", 5) != 0))
        return bl_toml_refuse(p, p->at, "expected a value");
    out->type = BL_TOML_BOOL;
    out->truth = yes;
    p->at += yes ? 4 : 5;
    return BLIND_OK;
}

blind_code bl_toml_scalar(bl_toml_parser *p, bl_toml *out)
{
    char c = *p->at, next = '\0';
    if (p->end - p->at > 1)
        next = p->at[1];
    if (c == '"' || c == '\'') {
        out->type = BL_TOML_STRING;
        return bl_toml_string(p, true, &out->string);
    }
    if (c == 't' || c == 'f')
        return read_bool(p, out);
    if (looks_like(p, 4, '-') || looks_like(p, 2, ':'))
        return read_datetime(p, out);
    if (c == '0' && (next == 'x' || next == 'o' || next == 'b'))
        return based_integer(p, next == 'x' ? 16 : next == 'o' ? 8 : 2, out);
    return decimal(p, out);
}
