/* A number is compared with a bound digit by digit: as long as its digits are those of the bound it
 * is tight, afterwards it is free. */
#include "llm/grammar/numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_DIGITS = 18, DECIMALS = BL_NUMBER_DECIMALS + 2, EXACT_DIGITS = 15 };

/* Whole numbers go to here where nothing bounds them. */
static const double FARTHEST = 1e12;

static void digits(bl_program *p, uint32_t min, uint32_t max)
{
    uint32_t loop = bl_loop_begin(p, min, max);
    bl_write_range(p, '0', '9');
    bl_loop_end(p, loop);
}

/* Integers.  --------------------------------------------------------------------------------- */

/* n digits, not below those of `low` where it is given, not above those of `high`. */
static void same_length(bl_program *p, const char *low, const char *high, uint32_t n)
{
    if (n == 0)
        return;
    if (!low && !high) {
        digits(p, n, n);
        return;
    }
    char from = low ? *low : '0', to = high ? *high : '9';
    if (low && high && from == to) {
        bl_write_bytes(p, bl_span(low, 1));
        same_length(p, low + 1, high + 1, n - 1);
        return;
    }
    bl_choice c;
    bl_choice_begin(&c);
    if (low) {
        bl_choice_next(p, &c);
        bl_write_bytes(p, bl_span(low, 1));
        same_length(p, low + 1, NULL, n - 1);
        from++;
    }
    if (high) {
        bl_choice_next(p, &c);
        bl_write_bytes(p, bl_span(high, 1));
        same_length(p, NULL, high + 1, n - 1);
        to--;
    }
    if (from <= to) {
        bl_choice_next(p, &c);
        bl_write_range(p, (uint8_t)from, (uint8_t)to);
        same_length(p, NULL, NULL, n - 1);
    }
    bl_choice_end(p, &c);
}

static void naturals(bl_program *p, uint64_t low, uint64_t high)
{
    bl_choice c;
    uint64_t  first = 0, last = 9;
    bl_choice_begin(&c);
    for (uint32_t n = 1; n <= MOST_DIGITS; n++) {
        char     from_text[24], to_text[24];
        uint64_t from = BL_MAX(low, first), to = BL_MIN(high, last);
        first = last + 1;
        last = last * 10 + 9;
        if (from > to)
            continue;
        snprintf(from_text, sizeof from_text, "%llu", (unsigned long long)from);
        snprintf(to_text, sizeof to_text, "%llu", (unsigned long long)to);
        bl_choice_next(p, &c);
        same_length(p, from_text, to_text, n);
    }
    bl_choice_end(p, &c);
}

void bl_write_integers(bl_program *p, int64_t low, int64_t high)
{
    bl_choice c;
    bl_choice_begin(&c);
    if (high >= 0 && low <= high) {
        bl_choice_next(p, &c);
        naturals(p, (uint64_t)BL_MAX(low, 0), (uint64_t)high);
    }
    if (low < 0 && low <= high) {
        bl_choice_next(p, &c);
        bl_write_text(p, "-");
        naturals(p, high < 0 ? (uint64_t)-high : 1, (uint64_t)-low);
    }
    bl_choice_end(p, &c);
}

/* Decimal numbers.  -------------------------------------------------------------------------- */

/* Not below zero; decimals are filled with zeros. */
typedef struct {
    bool     open;
    uint64_t whole;
    char     decimals[DECIMALS + 1];
} decimal;

/* Which bounds the digits so far are equal to, and these. */
typedef struct {
    const decimal *low, *high; /* NULL: free of it */
    size_t         n;          /* decimals at most: with the digits of the bounds' whole parts 15,
                                  or a double would not tell them from a bound that is open */
} tightness;

static bool read_decimal(double value, bool open, decimal *out)
{
    char text[64];
    *out = (decimal){ .open = open };
    if (!(value >= 0 && value < FARTHEST))
        return false;
    for (int places = 0; places <= BL_NUMBER_DECIMALS; places++) {
        snprintf(text, sizeof text, "%.*f", places, value);
        if (strtod(text, NULL) == value)
            break;
        if (places == BL_NUMBER_DECIMALS)
            return false;
    }
    char *point = strchr(text, '.');
    if (strlen(text) > EXACT_DIGITS + 1)
        return false;
    memset(out->decimals, '0', DECIMALS);
    if (point)
        memcpy(out->decimals, point + 1, strlen(point + 1));
    out->whole = strtoull(text, NULL, 10);
    return true;
}

static bool all_zero(const char *decimals)
{
    return strspn(decimals, "0") == strlen(decimals);
}

/* Whether the number may end here, as if zeros followed. */
static bool may_stop(tightness t, size_t at)
{
    if (t.low && (!all_zero(t.low->decimals + at) || t.low->open))
        return false;
    return !t.high || !all_zero(t.high->decimals + at) || !t.high->open;
}

static void more_decimals(bl_program *p, tightness t, size_t at);

/* One decimal from..to, and what follows. */
static void one_decimal(bl_program *p, bl_choice *c, char from, char to, tightness t, size_t at)
{
    if (from > to)
        return;
    bl_choice_next(p, c);
    bl_write_range(p, (uint8_t)from, (uint8_t)to);
    if (!t.low && !t.high) {
        digits(p, 0, (uint32_t)(t.n - 1 - at));
        return;
    }
    bl_choice rest;
    bl_choice_begin(&rest);
    if (may_stop(t, at + 1))
        bl_choice_next(p, &rest);
    if (at + 1 < t.n) {
        bl_choice_next(p, &rest);
        more_decimals(p, t, at + 1);
    }
    bl_choice_end(p, &rest);
}

static void more_decimals(bl_program *p, tightness t, size_t at)
{
    bl_choice c;
    char      from = t.low ? t.low->decimals[at] : '0', to = t.high ? t.high->decimals[at] : '9';
    bl_choice_begin(&c);
    if (t.low && t.high && from == to) {
        one_decimal(p, &c, from, to, t, at);
    } else if (from < to || (from == to && (!t.low || !t.high))) {
        if (t.low)
            one_decimal(p, &c, from, from, (tightness){ t.low, NULL, t.n }, at);
        if (t.high)
            one_decimal(p, &c, to, to, (tightness){ NULL, t.high, t.n }, at);
        one_decimal(p, &c, (char)(from + (t.low != NULL)), (char)(to - (t.high != NULL)),
                    (tightness){ NULL, NULL, t.n }, at);
    }
    bl_choice_end(p, &c);
}

/* Nothing, or a point and decimals. */
static void fraction(bl_program *p, tightness t)
{
    bl_choice c;
    bl_choice_begin(&c);
    if (may_stop(t, 0))
        bl_choice_next(p, &c);
    bl_choice_next(p, &c);
    bl_write_text(p, ".");
    if (t.low || t.high)
        more_decimals(p, t, 0);
    else
        digits(p, 1, (uint32_t)t.n);
    bl_choice_end(p, &c);
}

static size_t decimals_left(uint64_t whole)
{
    char   text[24];
    size_t used = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)whole);
    return BL_MIN((size_t)DECIMALS, EXACT_DIGITS - BL_MIN(used, (size_t)EXACT_DIGITS - 1));
}

/* high: NULL where there is no bound */
static void not_negative(bl_program *p, const decimal *low, const decimal *high)
{
    bl_choice c;
    uint64_t  top = high ? high->whole : (uint64_t)FARTHEST;
    size_t    n = decimals_left(high ? BL_MAX(low->whole, top) : low->whole);
    bl_choice_begin(&c);
    if (low->whole == top) {
        bl_choice_next(p, &c);
        naturals(p, top, top);
        fraction(p, (tightness){ low, high, n });
    } else if (low->whole < top) {
        bl_choice_next(p, &c);
        naturals(p, low->whole, low->whole);
        fraction(p, (tightness){ low, NULL, n });
        bl_choice_next(p, &c);
        naturals(p, low->whole + 1, top - 1);
        fraction(p, (tightness){ NULL, NULL, n });
        bl_choice_next(p, &c);
        naturals(p, top, top);
        fraction(p, (tightness){ NULL, high, n });
    }
    bl_choice_end(p, &c);
}

bool bl_write_numbers(bl_program *p, bl_bound low, bl_bound high)
{
    static const decimal zero = { .decimals = "000000000000" };
    decimal              open_zero = zero, from = zero, to = zero;
    bl_choice            c;
    open_zero.open = true;
    bl_choice_begin(&c);
    if (!high.there || high.value >= 0) {
        if ((low.there && low.value >= 0 && !read_decimal(low.value, low.open, &from)) ||
            (high.there && !read_decimal(high.value, high.open, &to)))
            return false;
        bl_choice_next(p, &c);
        not_negative(p, &from, high.there ? &to : NULL);
    }
    if (!low.there || low.value < 0) {
        bool below = high.there && high.value < 0;
        from = open_zero;
        if ((below && !read_decimal(-high.value, high.open, &from)) ||
            (low.there && !read_decimal(-low.value, low.open, &to)))
            return false;
        bl_choice_next(p, &c);
        bl_write_text(p, "-");
        not_negative(p, &from, low.there ? &to : NULL);
    }
    bl_choice_end(p, &c);
    return true;
}
