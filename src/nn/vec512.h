/* Sixteen floats: the words that the vector templates (tile.inc, math.inc, ...) are written in, for
 * AVX-512.  vec256.h has the same words for AVX2. */
#ifndef BL_NN_VEC_H
#define BL_NN_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VL 16

typedef __m512    vf;
typedef __mmask16 vmask;

static inline vmask vmask_first(size_t n) /* n <= VL lanes */
{
    return (vmask)((1u << n) - 1u);
}
static inline vmask vmask_range(size_t begin, size_t end) /* begin <= end <= VL */
{
    return (vmask)(vmask_first(end) & ~vmask_first(begin));
}
static inline vf vf_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}
/* Lanes outside the mask read as zero and touch no memory. */
static inline vf vf_load_masked(const float *p, vmask m)
{
    return _mm512_maskz_loadu_ps(m, p);
}
static inline void vf_store_masked(float *p, vmask m, vf x)
{
    _mm512_mask_storeu_ps(p, m, x);
}
static inline vf vf_even(vf low, vf high) /* lanes 0, 2, 4, ... of the two side by side */
{
    const __m512i lanes =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(low, lanes, high);
}
static inline vf vf_odd(vf low, vf high) /* lanes 1, 3, 5, ... */
{
    const __m512i lanes =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(low, lanes, high);
}
/* even[0], odd[0], even[1], odd[1], ...: two vectors. */
static inline void vf_store_zipped(float *p, vf even, vf odd)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    _mm512_storeu_ps(p, _mm512_permutex2var_ps(even, low, odd));
    _mm512_storeu_ps(p + VL, _mm512_permutex2var_ps(even, high, odd));
}
static inline vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
static inline vf vf_fma(vf a, vf b, vf c) /* a * b + c */
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf vf_fnma(vf a, vf b, vf c) /* c - a * b */
{
    return _mm512_fnmadd_ps(a, b, c);
}
/* When either is NaN: b. */
static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf vf_sqrt(vf x)
{
    return _mm512_sqrt_ps(x);
}
static inline vf vf_abs(vf x)
{
    return _mm512_abs_ps(x);
}
static inline vf vf_neg(vf x)
{
    return _mm512_xor_ps(x, _mm512_set1_ps(-0.0f));
}
static inline vf vf_copysign(vf magnitude, vf sign)
{
    const __m512 bit = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(bit, magnitude), _mm512_and_ps(bit, sign));
}
static inline vf vf_round(vf x) /* half to even */
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf vf_floor(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline vf vf_ceil(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
static inline vmask vf_less(vf a, vf b) /* false for NaN */
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline vmask vf_is_nan(vf x)
{
    return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
}
static inline vf vf_select(vmask m, vf yes, vf no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}
/* x * 2^n for integral n of any size, rounding into the subnormal range. */
static inline vf vf_scale2(vf x, vf n)
{
    return _mm512_scalef_ps(x, n);
}
/* x = m * 2^e with m in [0.5, 1), for finite positive x, subnormals included. */
static inline vf vf_frexp(vf x, vf *e)
{
    *e = _mm512_add_ps(_mm512_getexp_ps(x), _mm512_set1_ps(1));
    return _mm512_getmant_ps(x, _MM_MANT_NORM_p5_1, _MM_MANT_SIGN_zero);
}
static inline float vf_sum(vf x)
{
    return _mm512_reduce_add_ps(x);
}
static inline float vf_highest(vf x)
{
    return _mm512_reduce_max_ps(x);
}

/* Sixteen words of small numbers in two's complement, the first in the lowest bits. */
typedef int32_t vi __attribute__((vector_size(64)));

static inline vi vi_load(const void *p)
{
    return (vi)_mm512_loadu_si512(p);
}
/* Number `at` of each word. */
static inline vf vf_of_4_bits(vi words, size_t at)
{
    const __m512 values = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
    return _mm512_permutexvar_ps((__m512i)(words >> (4 * (int)at)), values); /* by the low bits */
}
static inline vf vf_of_8_bits(vi words, size_t at)
{
    __m512i moved = _mm512_sll_epi32((__m512i)words, _mm_cvtsi32_si128(24 - 8 * (int)at));
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(moved, 24));
}

/* to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < cols, both at most VL. */
static inline void turn_block(float *to, size_t to_stride, const float *from, size_t from_stride,
                              size_t rows, size_t cols)
{
    __m512 x[16], y[16];
    for (size_t i = 0; i < 16; i++)
        x[i] = i < rows ? vf_load_masked(from + i * from_stride, vmask_first(cols)) : vf_set(0);
    for (size_t i = 0; i < 16; i += 2) { /* pairs of rows: 2 x 2 squares */
        y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
    for (size_t i = 0; i < 16; i += 4) /* 4 x 4 */
        for (size_t j = 0; j < 2; j++) {
            x[i + 2 * j] = _mm512_shuffle_ps(y[i + j], y[i + j + 2], 0x44);
            x[i + 2 * j + 1] = _mm512_shuffle_ps(y[i + j], y[i + j + 2], 0xee);
        }
    for (size_t i = 0; i < 16; i += 8) /* 8 x 8: quarters 0 and 2, then 1 and 3 */
        for (size_t j = 0; j < 4; j++) {
            y[i + j] = _mm512_shuffle_f32x4(x[i + j], x[i + j + 4], 0x88);
            y[i + j + 4] = _mm512_shuffle_f32x4(x[i + j], x[i + j + 4], 0xdd);
        }
    for (size_t j = 0; j < 8; j++) {
        x[j] = _mm512_shuffle_f32x4(y[j], y[j + 8], 0x88);
        x[j + 8] = _mm512_shuffle_f32x4(y[j], y[j + 8], 0xdd);
    }
    for (size_t j = 0; j < cols; j++)
        vf_store_masked(to + j * to_stride, vmask_first(rows), x[j]);
}

#endif
