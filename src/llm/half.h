/* Half precision in plain C. */
#ifndef BL_LLM_HALF_H
#define BL_LLM_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define BL_HALF_MAX 65504.0F

static inline float bl_half_to_float(uint16_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, mantissa = h & 1023, bits;
    float    value;
    if (exponent == 0) { /* zero or subnormal */
        value = (float)mantissa * 0x1p-24F;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rounded to the nearest, half to even; x is finite and at most BL_HALF_MAX. */
static inline uint16_t bl_half_from_float(float x)
{
    uint32_t bits, sign;
    memcpy(&bits, &x, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits < 0x38800000u) /* subnormal: a whole number of 2^-24 */
        return (uint16_t)(sign | (uint32_t)lrintf(fabsf(x) * 0x1p24F));
    bits += 0xfffu + (bits >> 13 & 1);
    return (uint16_t)(sign | (bits - 0x38000000u) >> 13);
}

#endif
