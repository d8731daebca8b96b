/* Cast and CastLike: every type to every type.
 *
 * Integers keep their low bits when they are narrowed.  A float becomes the integer towards zero,
 * and the nearest one where it fits none.  Source: ONNX operators, Cast. */
#include "onnx/families.h"
#include "onnx/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_TEXT = 64 }; /* longest text of a number that is read or written */

blind_code bl_op_cast_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bool             like = strcmp(n->type, "CastLike") == 0;
    int to = like ? (int)bl_in(b, n, 1)->dtype : bl_dtype_of_onnx(bl_attr_int(n, "to", 0));
    if (to < 0)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a cast of %s to type %lld",
                          blind_dtype_name(x->dtype), (long long)bl_attr_int(n, "to", 0));
    if (to == (int)x->dtype)
        bl_set_view(b, n, 0, 0);
    return bl_set_out(b, n, 0, (blind_dtype)to, x->rank, x->dim);
}

/* Numbers as text.  -------------------------------------------------------------------------- */

/* The fewest significant digits that read back as the same number, as "d.ddde+xx"; how many digits.
 */
static int shortest(double value, bool single, char text[NUMBER_TEXT])
{
    int most = single ? 9 : 17, digits = 1;
    for (; digits <= most; digits++) {
        snprintf(text, NUMBER_TEXT, "%.*e", digits - 1, value);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)value : back == value)
            break;
    }
    return BL_MIN(digits, most);
}

/* As numpy prints a float: "0.039187793", "1.0", "1e-05", "inf". */
static void print_real(double value, bool single, char out[NUMBER_TEXT])
{
    char text[NUMBER_TEXT], digits[20] = "";
    if (value != value || value - value != 0) {
        snprintf(out, NUMBER_TEXT, "%s", value != value ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    int n = shortest(fabs(value), single, text);
    int power = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    digits[0] = text[0];
    for (int i = 1; i < n; i++)
        digits[i] = text[i + 1]; /* whatever the locale's point is */
    const char *sign = signbit(value) ? "-" : "";
    if (power < -4 || power >= 16)
        snprintf(out, NUMBER_TEXT, "%s%c%s%se%+03d", sign, digits[0], n > 1 ? "." : "", digits + 1,
                 power);
    else if (power < 0)
        snprintf(out, NUMBER_TEXT, "%s0.%.*s%s", sign, -power - 1, "0000", digits);
    else
        snprintf(out, NUMBER_TEXT, "%s%.*s%.*s.%s", sign, power + 1, digits,
                 BL_MAX(power + 1 - n, 0), "0000000000000000",
                 n > power + 1 ? digits + power + 1 : "0");
}

static blind_code to_string(const bl_exec *x, const bl_node *n, const bl_tensor *in, size_t i,
                            blind_span *out)
{
    char        text[NUMBER_TEXT], *room;
    const char *at = (const char *)in->data + i * blind_dtype_size(in->dtype);
    uint64_t    bits = bl_is_float(in->dtype) ? 0 : bl_integer_load(in->dtype, at);
    if (bl_is_float(in->dtype))
        print_real(bl_number_load(in->dtype, at), in->dtype != BLIND_F64, text);
    else if (in->dtype == BLIND_BOOL)
        snprintf(text, sizeof text, "%s", bits ? "True" : "False");
    else if (bl_is_signed(in->dtype))
        snprintf(text, sizeof text, "%lld", (long long)bits);
    else
        snprintf(text, sizeof text, "%llu", (unsigned long long)bits);
    blind_span written = bl_span_str(text);
    BL_TRY(bl_string_room(x, n, written.size, &room));
    memcpy(room, written.data, written.size);
    *out = bl_span(room, written.size);
    return BLIND_OK;
}

/* Decimal numbers, "NaN" and "INF" in any case; the decimal point is a point in every locale. */
static bool read_real(const char *text, double *out)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char    *end;
    if (!c)
        return false;
    *out = strtod_l(text, &end, c);
    freelocale(c);
    return *text && *end == '\0';
}

static blind_code of_string(const bl_exec *x, const bl_node *n, blind_span in, bl_tensor *out,
                            size_t i)
{
    char   text[NUMBER_TEXT] = "", *end;
    void  *at = (char *)out->data + i * blind_dtype_size(out->dtype);
    double value;
    if (in.size >= sizeof text)
        return bl_run_fail(x, n, "element %zu is no number", i);
    if (in.size)
        memcpy(text, in.data, in.size);
    long long whole = strtoll(text, &end, 10);
    if (bl_is_integer(out->dtype) && *text && *end == '\0') {
        bl_integer_store(out->dtype, at, (uint64_t)whole);
        return BLIND_OK;
    }
    if (!read_real(text, &value))
        return bl_run_fail(x, n, "element %zu is no number", i);
    bl_number_store(out->dtype, at, value, true);
    return BLIND_OK;
}

static blind_code cast_strings(const bl_exec *x, const bl_node *n, const bl_tensor *in,
                               bl_tensor *out)
{
    for (size_t i = 0; i < out->len; i++)
        BL_TRY(in->dtype == BLIND_STRING
                   ? of_string(x, n, ((const blind_span *)in->data)[i], out, i)
                   : to_string(x, n, in, i, &((blind_span *)out->data)[i]));
    return BLIND_OK;
}

/* Numbers.  ---------------------------------------------------------------------------------- */

#define TO_F32(dtype_name, type)                                                                   \
    case BLIND_##dtype_name:                                                                       \
        for (size_t i = 0; i < n; i++)                                                             \
            out[i] = (float)((const type *)in->data)[i];                                           \
        return true;

/* The casts that models make of large tensors. */
static bool to_f32(const bl_tensor *in, float *out)
{
    size_t n = in->len;
    switch (in->dtype) {
        TO_F32(I32, int32_t)
        TO_F32(I64, int64_t)
        TO_F32(I8, int8_t)
        TO_F32(U8, uint8_t)
        TO_F32(F64, double)
    case BLIND_BOOL:
        for (size_t i = 0; i < n; i++)
            out[i] = ((const uint8_t *)in->data)[i] ? 1 : 0;
        return true;
    case BLIND_F16:
    case BLIND_BF16:
        bl_widen_row(in->dtype, out, in->data, n);
        return true;
    default:
        return false;
    }
}

blind_code bl_op_cast_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           from = blind_dtype_size(in->dtype), to = blind_dtype_size(out->dtype);
    bool             real = bl_is_float(in->dtype) || bl_is_float(out->dtype);
    bool             saturate = bl_attr_int(n, "saturate", 1) != 0;
    const char      *a = in->data;
    char            *z = out->data;
    if (in->dtype == BLIND_STRING || out->dtype == BLIND_STRING)
        return cast_strings(x, n, in, out);
    if (out->dtype == BLIND_F32 && to_f32(in, out->data))
        return BLIND_OK;
    if (in->dtype == BLIND_F32 && bl_is_narrow(out->dtype)) {
        bl_narrow_row(out->dtype, out->data, in->data, out->len);
        return BLIND_OK;
    }
    for (size_t i = 0; i < out->len; i++)
        if (real)
            bl_number_store(out->dtype, z + i * to, bl_number_load(in->dtype, a + i * from),
                            saturate);
        else
            bl_integer_store(out->dtype, z + i * to, bl_integer_load(in->dtype, a + i * from));
    return BLIND_OK;
}
