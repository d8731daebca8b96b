/* Eight floats: the words that the vector templates (tile.inc, math.inc, ...) are written in, for
 * AVX2 and FMA.  vec512.h has the same words for AVX-512. */
#ifndef BL_NN_VEC_H
#define BL_NN_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VL 8

typedef __m256 vf;
typedef __m256 vmask; /* all ones or all zeros per lane */

static inline vmask vmask_first(size_t n) /* n <= VL lanes */
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lanes));
}
static inline vmask vmask_range(size_t begin, size_t end) /* begin <= end <= VL */
{
    return _mm256_andnot_ps(vmask_first(begin), vmask_first(end));
}
static inline vf vf_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}
/* Lanes outside the mask read as zero and touch no memory. */
static inline vf vf_load_masked(const float *p, vmask m)
{
    return _mm256_maskload_ps(p, _mm256_castps_si256(m));
}
static inline void vf_store_masked(float *p, vmask m, vf x)
{
    _mm256_maskstore_ps(p, _mm256_castps_si256(m), x);
}
static inline vf vf_even(vf low, vf high) /* lanes 0, 2, 4, ... of the two side by side */
{
    __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0x88)); /* by halves */
    return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, 0xd8));
}
static inline vf vf_odd(vf low, vf high) /* lanes 1, 3, 5, ... */
{
    __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0xdd)); /* by halves */
    return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, 0xd8));
}
/* even[0], odd[0], even[1], odd[1], ...: two vectors. */
static inline void vf_store_zipped(float *p, vf even, vf odd)
{
    __m256 low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(low, high, 0x20));
    _mm256_storeu_ps(p + VL, _mm256_permute2f128_ps(low, high, 0x31));
}
static inline vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
static inline vf vf_fma(vf a, vf b, vf c) /* a * b + c */
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vf vf_fnma(vf a, vf b, vf c) /* c - a * b */
{
    return _mm256_fnmadd_ps(a, b, c);
}
/* When either is NaN: b. */
static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf vf_sqrt(vf x)
{
    return _mm256_sqrt_ps(x);
}
static inline vf vf_abs(vf x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
static inline vf vf_neg(vf x)
{
    return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f));
}
static inline vf vf_copysign(vf magnitude, vf sign)
{
    const __m256 bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign));
}
static inline vf vf_round(vf x) /* half to even */
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf vf_floor(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline vf vf_ceil(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
static inline vmask vf_less(vf a, vf b) /* false for NaN */
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline vmask vf_is_nan(vf x)
{
    return _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
}
static inline vf vf_select(vmask m, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, m);
}
static inline vf vf_power2(__m256i n) /* -126 <= n <= 127 */
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
/* x * 2^n for integral n in [-252, 254], in two steps so that subnormals come out right. */
static inline vf vf_scale2(vf x, vf n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    return vf_mul(vf_mul(x, vf_power2(half)), vf_power2(_mm256_sub_epi32(whole, half)));
}
/* x = m * 2^e with m in [0.5, 1), for finite positive x, subnormals included. */
static inline vf vf_frexp(vf x, vf *e)
{
    vmask         tiny = vf_less(x, vf_set(0x1p-126f));
    __m256i       bits = _mm256_castps_si256(vf_select(tiny, vf_mul(x, vf_set(0x1p24f)), x));
    const __m256i fraction = _mm256_set1_epi32(0x007fffff), half = _mm256_set1_epi32(0x3f000000);
    *e = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(126)));
    *e = vf_sub(*e, vf_select(tiny, vf_set(24), vf_set(0)));
    return _mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(bits, fraction), half));
}
static inline float vf_sum(vf x)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float vf_highest(vf x)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

/* Eight words of small numbers in two's complement, the first in the lowest bits. */
typedef int32_t vi __attribute__((vector_size(32)));

static inline vi vi_load(const void *p)
{
    return (vi)_mm256_loadu_si256(p);
}
/* Number `at` of each word. */
static inline vf vf_of_4_bits(vi words, size_t at)
{
    __m256i moved = _mm256_sll_epi32((__m256i)words, _mm_cvtsi32_si128(28 - 4 * (int)at));
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(moved, 28));
}
static inline vf vf_of_8_bits(vi words, size_t at)
{
    __m256i moved = _mm256_sll_epi32((__m256i)words, _mm_cvtsi32_si128(24 - 8 * (int)at));
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(moved, 24));
}

/* to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < cols, both at most VL. */
static inline void turn_block(float *to, size_t to_stride, const float *from, size_t from_stride,
                              size_t rows, size_t cols)
{
    __m256 x[8], y[8];
    for (size_t i = 0; i < 8; i++)
        x[i] = i < rows ? vf_load_masked(from + i * from_stride, vmask_first(cols)) : vf_set(0);
    for (size_t i = 0; i < 8; i += 2) { /* pairs of rows: 2 x 2 squares */
        y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
        y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
    for (size_t i = 0; i < 8; i += 4) /* 4 x 4 */
        for (size_t j = 0; j < 2; j++) {
            x[i + 2 * j] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0x44);
            x[i + 2 * j + 1] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0xee);
        }
    for (size_t j = 0; j < 4; j++) { /* 8 x 8 */
        y[j] = _mm256_permute2f128_ps(x[j], x[j + 4], 0x20);
        y[j + 4] = _mm256_permute2f128_ps(x[j], x[j + 4], 0x31);
    }
    for (size_t j = 0; j < cols; j++)
        vf_store_masked(to + j * to_stride, vmask_first(rows), y[j]);
}

#endif
