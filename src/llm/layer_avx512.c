/* The layers' steps for AVX-512.  With AMX attention of prompts takes its tiles. */
#include "llm/attend_amx.h"
#include "nn/ops.h"
#include "nn/vec512.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#include "nn/math.inc"

ALWAYS_INLINE vf vf_load_half(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
ALWAYS_INLINE void vf_store_half(uint16_t *p, vf x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
ALWAYS_INLINE vf vf_load_bytes(const int8_t *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}
ALWAYS_INLINE vf vf_from_double(double x)
{
    return _mm512_castpd_ps(_mm512_set1_pd(x));
}

#include "llm/layer.inc"

LAYER_TABLE(bl_layer_avx512, BL_ISA_AVX512, attend, attend_scratch, MOST_TOKENS);

static size_t amx_scratch(const bl_kv_layout *l, size_t heads, size_t tokens)
{
    return BL_MAX(attend_scratch(l, heads, tokens), bl_attend_amx_scratch(l, heads, tokens));
}

LAYER_TABLE(bl_layer_amx, BL_ISA_AMX, bl_attend_amx, amx_scratch, BL_ATTEND_AMX_TOKENS);
