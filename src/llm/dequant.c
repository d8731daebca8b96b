/* One function per type, a block at a time. */
#include "llm/dequant.h"

typedef void dequant_block(const uint8_t *b, float *out);

static uint16_t u16(const uint8_t *b)
{
    return (uint16_t)(b[0] | b[1] << 8);
}

/* IEEE 754 half precision, exactly. */
static float half(const uint8_t *b)
{
    uint32_t h = u16(b), sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    uint32_t bits;
    float    value;
    if (exponent == 0) { /* zero or subnormal */
        value = (float)mantissa * 0x1p-24F;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float bfloat(const uint8_t *b)
{
    uint32_t bits = (uint32_t)u16(b) << 16;
    float    value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Numbers of their own.  --------------------------------------------------------------------- */

static void f32(const uint8_t *b, float *out)
{
    memcpy(out, b, sizeof *out);
}

static void f16(const uint8_t *b, float *out)
{
    *out = half(b);
}

static void bf16(const uint8_t *b, float *out)
{
    *out = bfloat(b);
}

/* Blocks of 32: a scale, and perhaps a least value.  ------------------------------------------ */

static void q8_0(const uint8_t *b, float *out)
{
    float d = half(b);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(int8_t)b[2 + i];
}

/* The low halves of bytes are elements 0 to 15, the high ones 16 to 31. */
static void q4_0(const uint8_t *b, float *out)
{
    float d = half(b);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((b[2 + i] & 15) - 8);
        out[16 + i] = d * (float)((b[2 + i] >> 4) - 8);
    }
}

static void q4_1(const uint8_t *b, float *out)
{
    float d = half(b), m = half(b + 2);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)(b[4 + i] & 15) + m;
        out[16 + i] = d * (float)(b[4 + i] >> 4) + m;
    }
}

static uint32_t u32(const uint8_t *b)
{
    return u16(b) | (uint32_t)u16(b + 2) << 16;
}

/* The fifth bits stand together, one per element. */
static void q5_0(const uint8_t *b, float *out)
{
    float    d = half(b);
    uint32_t high = u32(b + 2);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((int)((b[6 + i] & 15) | (high >> i & 1) << 4) - 16);
        out[16 + i] = d * (float)((int)((b[6 + i] >> 4) | (high >> (16 + i) & 1) << 4) - 16);
    }
}

static void q5_1(const uint8_t *b, float *out)
{
    float    d = half(b), m = half(b + 2);
    uint32_t high = u32(b + 4);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((b[8 + i] & 15) | (high >> i & 1) << 4) + m;
        out[16 + i] = d * (float)((b[8 + i] >> 4) | (high >> (16 + i) & 1) << 4) + m;
    }
}

/* Blocks of 256 in groups, whose scales are themselves numbers of a few bits.  ----------------- */

/* 16 groups of 16; a byte holds a group's scale (low) and least value (high). */
static void q2_k(const uint8_t *b, float *out)
{
    const uint8_t *scales = b, *q = b + 16;
    float          d = half(b + 80), m = half(b + 82);
    for (int i = 0; i < 256; i++) {
        int   group = i / 16;
        int   byte = i / 128 * 32 + i % 32, shift = 2 * (i % 128 / 32);
        float scale = d * (float)(scales[group] & 15), least = m * (float)(scales[group] >> 4);
        out[i] = scale * (float)(q[byte] >> shift & 3) - least;
    }
}

/* 16 scales of 6 bits: the low four in bytes 0 to 7, the high two in bytes 8 to 11. */
static int q3_scale(const uint8_t *s, int group)
{
    int low = group < 8 ? s[group] & 15 : s[group - 8] >> 4;
    int high = s[8 + group % 4] >> (2 * (group / 4)) & 3;
    return (low | high << 4) - 32;
}

static void q3_k(const uint8_t *b, float *out)
{
    const uint8_t *high = b, *q = b + 32, *scales = b + 96;
    float          d = half(b + 108);
    for (int i = 0; i < 256; i++) {
        int byte = i / 128 * 32 + i % 32, shift = 2 * (i % 128 / 32);
        int value = (q[byte] >> shift & 3) - (high[i % 32] >> (i / 32) & 1 ? 0 : 4);
        out[i] = d * (float)q3_scale(scales, i / 16) * (float)value;
    }
}

/* 8 scales and 8 least values of 6 bits in 12 bytes. */
static void q45_scale(const uint8_t *s, int group, int *scale, int *least)
{
    if (group < 4) {
        *scale = s[group] & 63;
        *least = s[group + 4] & 63;
    } else {
        *scale = (s[group + 4] & 15) | s[group - 4] >> 6 << 4;
        *least = s[group + 4] >> 4 | s[group] >> 6 << 4;
    }
}

static void q45_k(const uint8_t *b, const uint8_t *q, const uint8_t *high, float *out)
{
    float d = half(b), m = half(b + 2);
    for (int group = 0; group < 8; group++) {
        int scale, least;
        q45_scale(b + 4, group, &scale, &least);
        float by = d * (float)scale, less = m * (float)least;
        for (int i = 0; i < 32; i++) {
            int value = q[group / 2 * 32 + i] >> (group % 2 * 4) & 15;
            if (high)
                value |= (high[i] >> group & 1) << 4;
            out[group * 32 + i] = by * (float)value - less;
        }
    }
}

static void q4_k(const uint8_t *b, float *out)
{
    q45_k(b, b + 16, NULL, out);
}

static void q5_k(const uint8_t *b, float *out)
{
    q45_k(b, b + 48, b + 16, out);
}

static void q6_k(const uint8_t *b, float *out)
{
    const uint8_t *low = b, *high = b + 128, *scales = b + 192;
    float          d = half(b + 208);
    for (int i = 0; i < 256; i++) {
        int half_of = i / 128, quarter = i % 128 / 32, lane = i % 32;
        int l = low[half_of * 64 + quarter % 2 * 32 + lane] >> (quarter / 2 * 4) & 15;
        int h = high[half_of * 32 + lane] >> (2 * quarter) & 3;
        out[i] = d * (float)(int8_t)scales[i / 16] * (float)((l | h << 4) - 32);
    }
}

/* Four bits that choose from uneven steps.  ---------------------------------------------------- */

static const int8_t steps[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113 };

static void iq4_nl(const uint8_t *b, float *out)
{
    float d = half(b);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)steps[b[2 + i] & 15];
        out[16 + i] = d * (float)steps[b[2 + i] >> 4];
    }
}

/* 8 groups of 32 with scales of 6 bits. */
static void iq4_xs(const uint8_t *b, float *out)
{
    float    d = half(b);
    uint32_t high = u16(b + 2);
    for (int group = 0; group < 8; group++) {
        int scale = (b[4 + group / 2] >> (group % 2 * 4) & 15) | (int)(high >> (2 * group) & 3)
                                                                     << 4;
        float by = d * (float)(scale - 32);
        for (int i = 0; i < 16; i++) {
            uint8_t byte = b[8 + group * 16 + i];
            out[group * 32 + i] = by * (float)steps[byte & 15];
            out[group * 32 + 16 + i] = by * (float)steps[byte >> 4];
        }
    }
}

/* By the type's number in a file. */
/* clang-format off */
static dequant_block *const blocks[] = {
    [0] = f32,   [1] = f16,   [2] = q4_0,  [3] = q4_1,  [6] = q5_0,    [7] = q5_1,    [8] = q8_0,  [10] = q2_k,
    [11] = q3_k, [12] = q4_k, [13] = q5_k, [14] = q6_k, [20] = iq4_nl, [23] = iq4_xs, [30] = bf16,
};
/* clang-format on */

static dequant_block *find(const bl_quant_type *type)
{
    return type->id < BL_LEN(blocks) ? blocks[type->id] : NULL;
}

bool bl_dequant_knows(const bl_quant_type *type)
{
    return find(type) != NULL;
}

void bl_dequant(const bl_quant_type *type, const uint8_t *from, size_t len, float *out)
{
    dequant_block *block = find(type);
    for (size_t i = 0; block && i < len; i += type->len, from += type->size)
        block(from, out + i);
}
