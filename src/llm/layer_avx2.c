/* The layers' steps for AVX2, FMA and F16C. */
#include "nn/ops.h"
#include "nn/vec256.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#include "nn/math.inc"

ALWAYS_INLINE vf vf_load_half(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
ALWAYS_INLINE void vf_store_half(uint16_t *p, vf x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
ALWAYS_INLINE vf vf_load_bytes(const int8_t *p)
{
    __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
ALWAYS_INLINE vf vf_from_double(double x)
{
    return _mm256_castpd_ps(_mm256_set1_pd(x));
}

#include "llm/layer.inc"

LAYER_TABLE(bl_layer_avx2, BL_ISA_AVX2, attend, attend_scratch, MOST_TOKENS);
