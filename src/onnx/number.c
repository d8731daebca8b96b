/* Sources: IEEE 754-2019, section 3.4 (binary formats), 4.3.1 (ties to even); ONNX, "Float stored
 * in 8 bits" and "4 bit integer types". */
#include "onnx/number.h"

#include <math.h>

/* Floating-point formats of at most 16 bits: a sign, an exponent, a mantissa. */
typedef struct {
    int      mantissa, bias; /* bits of the one; what is added to the other */
    uint16_t sign, max;      /* the sign's bit; the code of the largest number */
    uint16_t over, nan;      /* codes of infinity, or of NaN where there is none; of NaN */
    bool     one_zero;       /* no negative zero: its code is NaN's */
} format;

static const format formats[BLIND_DTYPE_COUNT] = {
    [BLIND_F16] = { 10, 15, 0x8000, 0x7bff, 0x7c00, 0x7e00, false },
    [BLIND_BF16] = { 7, 127, 0x8000, 0x7f7f, 0x7f80, 0x7fc0, false },
    [BLIND_F8E4M3FN] = { 3, 7, 0x80, 0x7e, 0x7f, 0x7f, false },
    [BLIND_F8E4M3FNUZ] = { 3, 8, 0x80, 0x7f, 0x80, 0x80, true },
    [BLIND_F8E5M2] = { 2, 15, 0x80, 0x7b, 0x7c, 0x7f, false },
    [BLIND_F8E5M2FNUZ] = { 2, 16, 0x80, 0x7f, 0x80, 0x80, true },
};

bool bl_is_float(blind_dtype dtype)
{
    return dtype == BLIND_F32 || dtype == BLIND_F64 ||
           ((unsigned)dtype < BLIND_DTYPE_COUNT && formats[dtype].sign);
}

bool bl_is_narrow(blind_dtype dtype)
{
    return dtype == BLIND_F16 || dtype == BLIND_BF16;
}

bool bl_is_integer(blind_dtype dtype)
{
    return !bl_is_float(dtype) && dtype != BLIND_BOOL && dtype != BLIND_STRING;
}

bool bl_is_signed(blind_dtype dtype)
{
    return dtype == BLIND_I64 || dtype == BLIND_I32 || dtype == BLIND_I16 || dtype == BLIND_I8 ||
           dtype == BLIND_I4;
}

static double decode(const format *f, uint16_t code)
{
    bool   negative = code & f->sign;
    int    rest = code & (f->sign - 1), exponent = rest >> f->mantissa;
    int    fraction = rest & ((1 << f->mantissa) - 1);
    double value;
    if (f->one_zero ? code == f->nan : rest > f->max && rest != f->over)
        return (double)NAN;
    if (!f->one_zero && rest > f->max)
        value = f->over == f->nan ? (double)NAN : (double)INFINITY;
    else if (exponent)
        value = ldexp(fraction + (1 << f->mantissa), exponent - f->bias - f->mantissa);
    else
        value = ldexp(fraction, 1 - f->bias - f->mantissa);
    return negative ? -value : value;
}

static uint16_t encode(const format *f, double value, bool saturate)
{
    uint16_t sign = signbit(value) ? f->sign : 0;
    double   magnitude = fabs(value);
    int      exponent = 0;
    unsigned code = f->max + 1u;
    if (value != value)
        return f->nan == f->sign ? f->nan : (uint16_t)(sign | f->nan);
    if (magnitude < ldexp(1, 1 - f->bias)) { /* subnormal */
        code = (unsigned)nearbyint(ldexp(magnitude, f->bias + f->mantissa - 1));
    } else if (magnitude < 0x1p200) {
        (void)frexp(magnitude, &exponent); /* magnitude in 2^(exponent-1) .. 2^exponent */
        double units = nearbyint(ldexp(magnitude, f->mantissa + 1 - exponent));
        long   biased = exponent - 2 + f->bias; /* the leading bit adds the one that is missing */
        long   whole = (biased << f->mantissa) + (long)units;
        code = whole > f->max ? f->max + 1u : (unsigned)whole;
    }
    if (code > f->max && !saturate)
        return f->over == f->sign ? f->over : (uint16_t)(sign | f->over);
    code = code > f->max ? f->max : code;
    return code == 0 && f->one_zero ? 0 : (uint16_t)(sign | code);
}

/* One element.  ------------------------------------------------------------------------------ */

double bl_number_load(blind_dtype dtype, const void *at)
{
    uint16_t code = 0;
    float    f;
    double   d;
    size_t   size = blind_dtype_size(dtype);
    switch (dtype) {
    case BLIND_F32:
        memcpy(&f, at, sizeof f);
        return (double)f;
    case BLIND_F64:
        memcpy(&d, at, sizeof d);
        return d;
    case BLIND_STRING:
        return 0;
    default:
        break;
    }
    if (formats[dtype].sign) {
        memcpy(&code, at, size);
        return decode(&formats[dtype], code);
    }
    uint64_t bits = bl_integer_load(dtype, at);
    return bl_is_signed(dtype) ? (double)(int64_t)bits : (double)bits;
}

/* The nearest integer of the type: its lowest is -2^bits, or 0 for those without a sign. */
static uint64_t to_integer(blind_dtype dtype, double value)
{
    bool   four = dtype == BLIND_I4 || dtype == BLIND_U4, is_signed = bl_is_signed(dtype);
    int    bits = (four ? 4 : 8 * (int)blind_dtype_size(dtype)) - is_signed;
    double end = ldexp(1, bits);
    value = four ? nearbyint(value) : trunc(value);
    if (value != value)
        return 0;
    if (value >= end)
        return bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    if (value <= (is_signed ? -end : 0))
        return is_signed ? 0 - ((uint64_t)1 << bits) : 0;
    return value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
}

void bl_number_store(blind_dtype dtype, void *at, double value, bool saturate)
{
    float f = (float)value;
    switch (dtype) {
    case BLIND_F32:
        memcpy(at, &f, sizeof f);
        return;
    case BLIND_F64:
        memcpy(at, &value, sizeof value);
        return;
    case BLIND_STRING:
        return;
    case BLIND_BOOL:
        *(uint8_t *)at = value != 0;
        return;
    default:
        break;
    }
    if (formats[dtype].sign) {
        uint16_t code = encode(&formats[dtype], value, saturate && formats[dtype].sign == 0x80);
        memcpy(at, &code, blind_dtype_size(dtype));
    } else {
        bl_integer_store(dtype, at, to_integer(dtype, value));
    }
}

uint64_t bl_integer_load(blind_dtype dtype, const void *at)
{
    size_t   size = blind_dtype_size(dtype);
    unsigned bits = dtype == BLIND_I4 || dtype == BLIND_U4 ? 4 : 8 * (unsigned)size;
    uint64_t value = 0;
    memcpy(&value, at, size);
    if (bits < 64)
        value &= ((uint64_t)1 << bits) - 1;
    if (bits < 64 && bl_is_signed(dtype) && value >> (bits - 1))
        value |= ~(uint64_t)0 << bits;
    return value;
}

void bl_integer_store(blind_dtype dtype, void *at, uint64_t value)
{
    if (dtype == BLIND_BOOL)
        value = value != 0;
    if (dtype == BLIND_U4 || dtype == BLIND_I4)
        value = dtype == BLIND_I4 && value & 8 ? value | 0xf0 : value & 15;
    memcpy(at, &value, blind_dtype_size(dtype));
}

/* Rows.  They are written so that a compiler makes vectors of them. --------------------------- */

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static uint32_t code_at(const void *x, size_t i)
{
    uint16_t code;
    memcpy(&code, (const char *)x + 2 * i, sizeof code);
    return code;
}

void bl_widen_row(blind_dtype from, float *out, const void *x, size_t n)
{
    if (from == BLIND_BF16) {
        for (size_t i = 0; i < n; i++)
            out[i] = float_of(code_at(x, i) << 16);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t rest = code_at(x, i) & 0x7fff, sign = (code_at(x, i) & 0x8000) << 16;
        uint32_t bits = bits_of(float_of(rest << 13) * 0x1p112f); /* subnormal ones too: exact */
        out[i] = float_of(bits | sign | (rest >= 0x7c00 ? 0x7f800000u : 0));
    }
}

void bl_narrow_row(blind_dtype to, uint16_t *out, const float *x, size_t n)
{
    bool half = to == BLIND_F16;
    for (size_t i = 0; i < n && !half; i++) {
        uint32_t bits = bits_of(x[i]), nan = (bits & 0x7fffffff) > 0x7f800000;
        out[i] = (uint16_t)(nan ? (bits >> 16 | 0x40) : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    for (size_t i = 0; i < n && half; i++) {
        uint32_t bits = bits_of(x[i]), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
        uint32_t normal = (rest - (112u << 23) + 0xfff + (rest >> 13 & 1)) >> 13;
        uint32_t small = bits_of(float_of(rest) + 0.5f) - bits_of(0.5f); /* in units of 2^-24 */
        uint32_t code = rest < 0x38800000 ? small : normal;
        code = rest >= 0x477ff000 ? 0x7c00 : code; /* 65520 */
        code = rest > 0x7f800000 ? 0x7e00 : code;
        out[i] = (uint16_t)(sign | code);
    }
}
