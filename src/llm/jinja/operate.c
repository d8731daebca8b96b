/* Operators of two sides, and functions that a template finds without being given them. */
#include "base/limits.h"
#include "llm/jinja/eval.h"

#include <math.h>
#include <time.h>

static const bl_jinja_value undefined = { .kind = BL_JINJA_UNDEFINED };

/* Operators.  -------------------------------------------------------------------------------- */

static bool is_whole(const bl_jinja_value *v)
{
    return v->kind == BL_JINJA_INT || v->kind == BL_JINJA_BOOL;
}

static int64_t whole_of(const bl_jinja_value *v)
{
    return v->kind == BL_JINJA_INT ? v->whole : v->flag;
}

static bl_jinja_value divide_by_zero(bl_jinja_run *r)
{
    return bl_jinja_fail(r, BLIND_INPUT, "division by zero");
}

/* Rounds down, as Python does; the remainder has the divisor's sign. */
static bl_jinja_value divide_whole(bl_jinja_run *r, int64_t a, int64_t b, bool remainder)
{
    if (b == 0)
        return divide_by_zero(r);
    if (b == -1) /* INT64_MIN / -1 does not fit */
        return remainder        ? bl_jinja_int(0)
               : a == INT64_MIN ? bl_jinja_fail(r, BLIND_LIMIT, "too large a number")
                                : bl_jinja_int(-a);
    int64_t quotient = a / b, rest = a % b;
    if (rest && (rest < 0) != (b < 0)) {
        quotient--;
        rest += b;
    }
    return bl_jinja_int(remainder ? rest : quotient);
}

static bl_jinja_value raise_whole(bl_jinja_run *r, int64_t base, int64_t exponent)
{
    int64_t out = 1;
    if (exponent < 0)
        return bl_jinja_float(pow((double)base, (double)exponent));
    if (base == 0 || base == 1)
        return bl_jinja_int(exponent ? base : 1);
    for (; exponent > 0; exponent--)
        if (__builtin_mul_overflow(out, base, &out))
            return bl_jinja_fail(r, BLIND_LIMIT, "too large a number");
    return bl_jinja_int(out);
}

static bl_jinja_value operate_whole(bl_jinja_run *r, blind_span sign, int64_t a, int64_t b)
{
    int64_t out = 0;
    bool    overflow;
    if (sign.size == 2)
        return sign.data[0] == '/' ? divide_whole(r, a, b, false) : raise_whole(r, a, b);
    switch (sign.data[0]) {
    case '%':
        return divide_whole(r, a, b, true);
    case '/':
        return b ? bl_jinja_float((double)a / (double)b) : divide_by_zero(r);
    case '+':
        overflow = __builtin_add_overflow(a, b, &out);
        break;
    case '-':
        overflow = __builtin_sub_overflow(a, b, &out);
        break;
    default:
        overflow = __builtin_mul_overflow(a, b, &out);
    }
    return overflow ? bl_jinja_fail(r, BLIND_LIMIT, "too large a number") : bl_jinja_int(out);
}

static bl_jinja_value operate_real(bl_jinja_run *r, blind_span sign, double a, double b)
{
    if (b == 0 && (sign.data[0] == '/' || sign.data[0] == '%'))
        return divide_by_zero(r);
    if (sign.size == 2)
        return bl_jinja_float(sign.data[0] == '/' ? floor(a / b) : pow(a, b));
    switch (sign.data[0]) {
    case '%':
        return bl_jinja_float(a - floor(a / b) * b);
    case '/':
        return bl_jinja_float(a / b);
    case '+':
        return bl_jinja_float(a + b);
    case '-':
        return bl_jinja_float(a - b);
    default:
        return bl_jinja_float(a * b);
    }
}

static bl_jinja_value join(bl_jinja_run *r, const bl_jinja_value *a, const bl_jinja_value *b)
{
    bl_auto_buf both = { .secret = true };
    bl_jinja_print(a, &both);
    bl_jinja_print(b, &both);
    return bl_jinja_take(r, &both);
}

static bl_jinja_value join_lists(bl_jinja_run *r, const bl_jinja_list *a, const bl_jinja_list *b)
{
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    for (size_t i = 0; i < a->len + b->len; i++)
        if (!out.list ||
            !bl_jinja_append(r->arena, out.list, i < a->len ? a->items[i] : b->items[i - a->len]))
            return bl_jinja_fail(r, BLIND_LIMIT, "too large a list");
    return out.list ? out : bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
}

/* "-" * 3 */
static bl_jinja_value repeat(bl_jinja_run *r, blind_span text, int64_t times)
{
    bl_auto_buf out = { .max = BL_MAX_PROMPT_SIZE };
    for (int64_t i = 0; i < times && text.size && bl_buf_ok(&out); i++)
        bl_buf_add(&out, text);
    return bl_jinja_take(r, &out);
}

bool bl_jinja_contains(bl_jinja_run *r, const bl_jinja_value *b, const bl_jinja_value *a)
{
    bl_jinja_list items;
    if (b->kind == BL_JINJA_TEXT) {
        if (a->kind == BL_JINJA_TEXT)
            return a->text.size == 0 ||
                   (b->text.size && memmem(b->text.data, b->text.size, a->text.data, a->text.size));
        (void)bl_jinja_fail(r, BLIND_INPUT, "a %s is not looked for in a text",
                            bl_jinja_kind_name(a));
        return false;
    }
    if (b->kind == BL_JINJA_DICT)
        return bl_jinja_get(b->dict, *a) != NULL;
    if (!bl_jinja_iterate(r, b, &items))
        return false;
    r->steps += items.len / 16;
    for (size_t i = 0; i < items.len; i++)
        if (bl_jinja_equal(&items.items[i], a))
            return true;
    return false;
}

/* Comparisons, whose signs are not those of arithmetic; false: it is none. */
static bool compare(bl_jinja_run *r, blind_span sign, const bl_jinja_value *a,
                    const bl_jinja_value *b, bl_jinja_value *out)
{
    int  order;
    bool equal = sign.size == 2 && sign.data[1] == '=';
    if (equal && (sign.data[0] == '=' || sign.data[0] == '!'))
        *out = bl_jinja_bool(bl_jinja_equal(a, b) == (sign.data[0] == '='));
    else if (sign.data[0] == 'i' || sign.data[0] == 'n')
        *out = bl_jinja_bool(bl_jinja_contains(r, b, a) == (sign.data[0] == 'i'));
    else if (sign.data[0] != '<' && sign.data[0] != '>')
        return false;
    else if (!bl_jinja_compare(a, b, &order))
        *out = bl_jinja_fail(r, BLIND_INPUT, "%s and %s have no order", bl_jinja_kind_name(a),
                             bl_jinja_kind_name(b));
    else
        *out = bl_jinja_bool((order == 0 && equal) || order == (sign.data[0] == '<' ? -1 : 1));
    return true;
}

bl_jinja_value bl_jinja_operate(bl_jinja_run *r, blind_span sign, const bl_jinja_value *a,
                                const bl_jinja_value *b)
{
    bl_jinja_value out;
    bool           plus = sign.data[0] == '+', times = sign.data[0] == '*' && sign.size == 1;
    if (compare(r, sign, a, b, &out))
        return out;
    if (sign.data[0] == '~')
        return join(r, a, b);
    if (is_whole(a) && is_whole(b))
        return operate_whole(r, sign, whole_of(a), whole_of(b));
    if (bl_jinja_is_number(a) && bl_jinja_is_number(b))
        return operate_real(r, sign, bl_jinja_number(a), bl_jinja_number(b));
    if (plus && a->kind == BL_JINJA_TEXT && b->kind == BL_JINJA_TEXT)
        return join(r, a, b);
    if (plus && a->kind == BL_JINJA_LIST && b->kind == BL_JINJA_LIST)
        return join_lists(r, a->list, b->list);
    if (times && a->kind == BL_JINJA_TEXT && is_whole(b))
        return repeat(r, a->text, whole_of(b));
    if (times && b->kind == BL_JINJA_TEXT && is_whole(a))
        return repeat(r, b->text, whole_of(a));
    return bl_jinja_fail(r, BLIND_INPUT, "'%.*s' does not go with %s and %s", (int)sign.size,
                         (const char *)sign.data, bl_jinja_kind_name(a), bl_jinja_kind_name(b));
}

/* Functions.  -------------------------------------------------------------------------------- */

static bl_jinja_value range(bl_jinja_run *r, const bl_jinja_arguments *a)
{
    int64_t        part[3] = { 0, 0, 1 };
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    if (a->len < 1 || a->len > 3)
        return bl_jinja_fail(r, BLIND_INPUT, "range takes one to three numbers");
    for (size_t i = 0; i < a->len; i++) {
        if (!is_whole(&a->items[i]))
            return bl_jinja_fail(r, BLIND_INPUT, "range takes whole numbers");
        part[a->len == 1 ? 1 : i] = whole_of(&a->items[i]);
    }
    if (part[2] == 0 || part[2] > INT32_MAX || part[2] < -INT32_MAX)
        return bl_jinja_fail(r, BLIND_INPUT, "range in steps of %lld", (long long)part[2]);
    for (int64_t i = part[0]; part[2] > 0 ? i < part[1] : i > part[1];) {
        if (!out.list || ++r->steps > BL_MAX_TEMPLATE_STEPS ||
            !bl_jinja_append(r->arena, out.list, bl_jinja_int(i)))
            return bl_jinja_fail(r, BLIND_LIMIT, "too long a range");
        if (__builtin_add_overflow(i, part[2], &i))
            break;
    }
    return out.list ? out : bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
}

static bl_jinja_value make_dict(bl_jinja_run *r, const bl_jinja_arguments *a)
{
    (void)r;
    return (bl_jinja_value){ .kind = BL_JINJA_DICT, .dict = a->named };
}

static bl_jinja_value make_namespace(bl_jinja_run *r, const bl_jinja_arguments *a)
{
    bl_jinja_value out = make_dict(r, a);
    out.dict->is_namespace = true;
    for (size_t i = 0; a->len && a->items[0].kind == BL_JINJA_DICT && i < a->items[0].dict->len;
         i++)
        if (!bl_jinja_put(r->arena, out.dict, a->items[0].dict->pairs[i].key,
                          a->items[0].dict->pairs[i].value))
            return bl_jinja_fail(r, BLIND_LIMIT, "too large a namespace");
    return out;
}

static bl_jinja_value raise_exception(bl_jinja_run *r, const bl_jinja_arguments *a)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    if (a->len)
        bl_jinja_print(&a->items[0], &text);
    return bl_jinja_fail(r, BLIND_INPUT, "%.*s", (int)BL_MIN(text.size, 120),
                         text.size ? (const char *)text.data : "");
}

static bl_jinja_value strftime_now(bl_jinja_run *r, const bl_jinja_arguments *a)
{
    char        format[64], out[256];
    time_t      now = (time_t)r->now_s;
    struct tm   parts;
    bl_auto_buf text = BL_BUF_EMPTY;
    if (a->len != 1 || a->items[0].kind != BL_JINJA_TEXT ||
        a->items[0].text.size >= sizeof format || !gmtime_r(&now, &parts))
        return bl_jinja_fail(r, BLIND_INPUT, "strftime_now takes a format");
    if (a->items[0].text.size)
        memcpy(format, a->items[0].text.data, a->items[0].text.size);
    format[a->items[0].text.size] = '\0';
    size_t size = strftime(out, sizeof out, format, &parts);
    bl_buf_add(&text, bl_span(out, size));
    return bl_jinja_take(r, &text);
}

bool bl_jinja_function(bl_jinja_run *r, blind_span name, const bl_jinja_arguments *a,
                       bl_jinja_value *out)
{
    static const struct {
        const char *name;
        bl_jinja_value (*call)(bl_jinja_run *r, const bl_jinja_arguments *a);
    } all[] = {
        { "range", range },
        { "dict", make_dict },
        { "namespace", make_namespace },
        { "raise_exception", raise_exception },
        { "strftime_now", strftime_now },
    };
    *out = undefined;
    for (size_t i = 0; i < BL_LEN(all); i++)
        if (bl_span_equal(name, bl_span_str(all[i].name))) {
            *out = all[i].call(r, a);
            return true;
        }
    return false;
}
