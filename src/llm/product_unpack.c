/* Numbers of up to five bits choose from a table of bf16 values that are already multiplied by
 * their block's scale: making it costs less than multiplying each of them. */
#include "llm/product_unpack.h"

#include <immintrin.h>

#define STEP 32 /* columns */

const uint16_t bl_unpack_halves[32] = { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                                        1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 };

typedef const uint8_t bytes;

static inline __m512 ramp(float first) /* first, first + 1, ... */
{
    const __m512 up = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_add_ps(up, _mm512_set1_ps(first));
}

/* A half, in every lane. */
static inline __m512 half(bytes *b)
{
    uint16_t h;
    memcpy(&h, b, sizeof h);
    return _mm512_cvtph_ps(_mm256_set1_epi16((short)h));
}

static inline __m512i round_pair(__m512 low, __m512 high) /* 32 bf16 */
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static inline void put(uint16_t *to, __m512i x)
{
    _mm512_store_si512(to, x);
}

/* Chooses 32 numbers of a table by the low five bits of each word. */
static inline void choose(uint16_t *to, __m512i table, __m512i index)
{
    put(to, _mm512_permutexvar_epi16(index, table));
}

static inline __m512i words(bytes *b) /* 32 bytes, widened */
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)b));
}

static inline __m512i shift_right(__m512i x, size_t bits)
{
    return _mm512_srlv_epi16(x, _mm512_set1_epi16((short)bits));
}

/* (a & mask) | (b & ~mask) */
static inline __m512i merge(__m512i mask, __m512i a, __m512i b)
{
    return _mm512_ternarylogic_epi32(mask, a, b, 0xca);
}

/* (a & mask) | b */
static inline __m512i masked_or(__m512i a, __m512i mask, __m512i b)
{
    return _mm512_ternarylogic_epi32(a, mask, b, 0xea);
}

/* Numbers of their own.  --------------------------------------------------------------------- */

static inline __mmask32 first_lanes(size_t n)
{
    return n >= 32 ? 0xffffffffu : (1u << n) - 1u;
}

static void bf16(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    for (size_t i = 0; i < columns; i += STEP, to += step)
        put(to, _mm512_maskz_loadu_epi16(first_lanes(columns - i), from + 2 * i));
}

static inline __m512 widened(__m256i bf16)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

/* 32 numbers as two parts. */
static inline void put_two(uint16_t *to, size_t step, __m512 low, __m512 high)
{
    __m512i first = round_pair(low, high);
    low = _mm512_sub_ps(low, widened(_mm512_castsi512_si256(first)));
    high = _mm512_sub_ps(high, widened(_mm512_extracti64x4_epi64(first, 1)));
    put(to, first);
    put(to + step, round_pair(low, high));
}

static void f32(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    for (size_t i = 0; i < columns; i += STEP, to += 2 * step) {
        __mmask32 lanes = first_lanes(columns - i);
        bytes    *high = from + 4 * (columns - i > 16 ? i + 16 : i);
        put_two(to, step, _mm512_maskz_loadu_ps((__mmask16)lanes, from + 4 * i),
                _mm512_maskz_loadu_ps((__mmask16)(lanes >> 16), high));
    }
}

/* Exact: eleven bits. */
static void f16(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    for (size_t i = 0; i < columns; i += STEP, to += 2 * step) {
        __m512i x = _mm512_maskz_loadu_epi16(first_lanes(columns - i), from + 2 * i);
        put_two(to, step, _mm512_cvtph_ps(_mm512_castsi512_si256(x)),
                _mm512_cvtph_ps(_mm512_extracti64x4_epi64(x, 1)));
    }
}

/* Blocks of 32.  ----------------------------------------------------------------------------- */

static inline __m512 signed_floats(bytes *b) /* 16 */
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)b)));
}

static void q8_0(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    for (size_t i = 0; i < columns; i += STEP, from += 34, to += step) {
        __m512 d = half(from);
        put(to, round_pair(_mm512_mul_ps(signed_floats(from + 2), d),
                           _mm512_mul_ps(signed_floats(from + 18), d)));
    }
}

/* The 32 nibbles of 16 bytes, each in the low bits of a word, in the order of bl_unpack_halves. */
static inline __m512i nibbles(bytes *b)
{
    const __m512i shifts =
        _mm512_setr_epi64(0, 0, 0x0004000400040004, 0x0004000400040004, 0x0008000800080008,
                          0x0008000800080008, 0x000c000c000c000c, 0x000c000c000c000c);
    return _mm512_srlv_epi16(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)b)), shifts);
}

/* Two blocks of nibbles share a table: the upper half is the second one's. */
static inline void choose_two(uint16_t *to, size_t step, __m512 first, __m512 second, bytes *a,
                              bytes *b)
{
    const __m512i mask = _mm512_set1_epi16(15), upper = _mm512_set1_epi16(16);
    __m512i       table = round_pair(first, second);
    choose(to, table, _mm512_and_si512(nibbles(a), mask));
    choose(to + step, table, masked_or(nibbles(b), mask, upper));
}

/* values of the sixteen nibbles, times the half at the block's begin (+ the half behind it) */
static inline __attribute__((always_inline)) void nibble_blocks(bytes *from, size_t columns,
                                                                uint16_t *to, size_t step,
                                                                __m512 values, const bool least)
{
    const size_t size = least ? 20 : 18, at = size - 16;
    for (size_t blocks = columns / STEP; blocks > 0;) {
        bytes *second = from + (blocks > 1 ? size : 0); /* or the last one twice */
        __m512 a = half(from), b = half(second);
        if (least) {
            a = _mm512_fmadd_ps(values, a, half(from + 2));
            b = _mm512_fmadd_ps(values, b, half(second + 2));
        } else {
            a = _mm512_mul_ps(values, a);
            b = _mm512_mul_ps(values, b);
        }
        if (blocks > 1) {
            choose_two(to, step, a, b, from + at, second + at);
        } else {
            choose_two(to, 0, a, b, from + at, second + at);
        }
        blocks -= BL_MIN(blocks, (size_t)2);
        from += 2 * size;
        to += 2 * step;
    }
}

static void q4_0(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    nibble_blocks(from, columns, to, step, ramp(-8), false);
}

static void q4_1(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    nibble_blocks(from, columns, to, step, ramp(0), true);
}

static inline __m512 uneven_steps(void)
{
    return _mm512_setr_ps(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
}

static void iq4_nl(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    nibble_blocks(from, columns, to, step, uneven_steps(), false);
}

/* The fifth bits, in the order of bl_unpack_halves. */
static inline __mmask32 fifth_bits(bytes *b)
{
    uint32_t bits;
    memcpy(&bits, b, sizeof bits);
    return _pext_u32(bits, 0x55555555) | _pext_u32(bits, 0xaaaaaaaa) << 16;
}

static inline void choose_fifth(uint16_t *to, __m512i table, bytes *b, __mmask32 high)
{
    choose(to, table,
           masked_or(nibbles(b), _mm512_set1_epi16(15), _mm512_maskz_set1_epi16(high, 16)));
}

static void q5_0(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    for (size_t i = 0; i < columns; i += STEP, from += 22, to += step) {
        __m512 d = half(from);
        choose_fifth(to, round_pair(_mm512_mul_ps(ramp(-16), d), _mm512_mul_ps(ramp(0), d)),
                     from + 6, fifth_bits(from + 2));
    }
}

static void q5_1(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    for (size_t i = 0; i < columns; i += STEP, from += 24, to += step) {
        __m512 d = half(from), m = half(from + 2);
        choose_fifth(to,
                     round_pair(_mm512_fmadd_ps(ramp(0), d, m), _mm512_fmadd_ps(ramp(16), d, m)),
                     from + 8, fifth_bits(from + 4));
    }
}

/* Blocks of 256.  ---------------------------------------------------------------------------- */

static inline uint32_t u32(bytes *b)
{
    uint32_t x;
    memcpy(&x, b, sizeof x);
    return x;
}

/* d times eight scales, then minus m times eight least values: of Q4_K and Q5_K. */
static inline void scales_45(bytes *b, float out[16])
{
    const uint32_t low6 = 0x3f3f3f3f, low4 = 0x0f0f0f0f, low2 = 0x03030303;
    uint32_t       x = u32(b + 4), y = u32(b + 8), z = u32(b + 12);
    __m128i        all = _mm_setr_epi32((int)(x & low6), (int)((z & low4) | (x >> 6 & low2) << 4),
                                        (int)(y & low6), (int)((z >> 4 & low4) | (y >> 6 & low2) << 4));
    __m512         by = _mm512_mask_sub_ps(half(b), 0xff00, _mm512_setzero_ps(), half(b + 2));
    _mm512_store_ps(out, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(all)), by));
}

static inline __m512 line(__m512 values, float by, float plus)
{
    return _mm512_fmadd_ps(values, _mm512_set1_ps(by), _mm512_set1_ps(plus));
}

static void q4_k(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    const __m512i mask = _mm512_set1_epi16(15), upper = _mm512_set1_epi16(16);
    const __m512  values = ramp(0);
    for (size_t i = 0; i < columns; i += 256, from += 144) {
        _Alignas(64) float s[16];
        scales_45(from, s);
        for (size_t g = 0; g < 8; g += 2, to += 2 * step) {
            __m512i x = words(from + 16 + 16 * g);
            __m512i table =
                round_pair(line(values, s[g + 1], s[g + 9]), line(values, s[g], s[g + 8]));
            choose(to, table, masked_or(x, mask, upper));
            choose(to + step, table, _mm512_srli_epi16(x, 4));
        }
    }
}

static inline __m512i table_5(const float *s, size_t g)
{
    return round_pair(line(ramp(0), s[g], s[g + 8]), line(ramp(16), s[g], s[g + 8]));
}

static void q5_k(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    const __m512i mask = _mm512_set1_epi16(15);
    for (size_t i = 0; i < columns; i += 256, from += 176) {
        _Alignas(64) float s[16];
        __m512i            high = words(from + 16);
        scales_45(from, s);
        high = _mm512_slli_epi16(high, 4); /* bit g at bit 4 when shifted right by g */
        for (size_t g = 0; g < 8; g += 2, to += 2 * step) {
            __m512i x = words(from + 48 + 16 * g), y = _mm512_srli_epi16(x, 4);
            choose(to, table_5(s, g), merge(mask, x, shift_right(high, g)));
            choose(to + step, table_5(s, g + 1), merge(mask, y, shift_right(high, g + 1)));
        }
    }
}

/* The 16 scales, times d. */
static inline __m512 signed_scales(__m128i scales, bytes *d)
{
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales)), half(d));
}

static void q6_k(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    const __m512i low = _mm512_set1_epi8(15), high = _mm512_set1_epi8(0x30);
    const __m512i left = _mm512_setr_epi64(
        0x0004000400040004, 0x0004000400040004, 0x0004000400040004, 0x0004000400040004,
        0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0x0002000200020002);
    const __m512i right = _mm512_setr_epi64(0, 0, 0, 0, 0x0002000200020002, 0x0002000200020002,
                                            0x0002000200020002, 0x0002000200020002);
    for (size_t i = 0; i < columns; i += 256, from += 210) {
        _Alignas(64) float  s[16];
        _Alignas(64) int8_t q[256];
        _mm512_store_ps(s,
                        signed_scales(_mm_loadu_si128((const __m128i *)(from + 192)), from + 208));
        for (size_t n = 0; n < 2; n++) {
            __m512i l = _mm512_loadu_si512(from + 64 * n);
            __m512i h =
                _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(from + 128 + 32 * n)));
            __m512i first = _mm512_and_si512(_mm512_sllv_epi16(h, left), high);
            __m512i second = _mm512_and_si512(_mm512_srlv_epi16(h, right), high);
            first = masked_or(l, low, first);
            second = masked_or(_mm512_srli_epi16(l, 4), low, second);
            _mm512_store_si512(q + 128 * n, _mm512_sub_epi8(first, _mm512_set1_epi8(32)));
            _mm512_store_si512(q + 128 * n + 64, _mm512_sub_epi8(second, _mm512_set1_epi8(32)));
        }
        for (size_t g = 0; g < 16; g += 2, to += step)
            put(to,
                round_pair(_mm512_mul_ps(signed_floats((bytes *)q + 16 * g), _mm512_set1_ps(s[g])),
                           _mm512_mul_ps(signed_floats((bytes *)q + 16 * g + 16),
                                         _mm512_set1_ps(s[g + 1]))));
    }
}

/* Tables for four groups of 16 numbers of 3 bits. */
static void q3_k(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    const __m512  values = _mm512_setr_ps(-4, -3, -2, -1, 0, 1, 2, 3, -4, -3, -2, -1, 0, 1, 2, 3);
    const __m512i mask2 = _mm512_set1_epi16(3), mask1 = _mm512_set1_epi16(4);
    const __m512i pair = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m512i second = _mm512_setr_epi64(0, 0, 0, 0, 0x0008000800080008, 0x0008000800080008,
                                             0x0008000800080008, 0x0008000800080008);
    const __m512i upper = _mm512_or_si512(second, _mm512_set1_epi16(16));
    for (size_t i = 0; i < columns; i += 256, from += 110) {
        const uint32_t low4 = 0x0f0f0f0f, low2 = 0x03030303;
        uint32_t       x = u32(from + 96), y = u32(from + 100), z = u32(from + 104);
        __m128i        all = _mm_setr_epi32((int)((x & low4) | (z & low2) << 4),
                                            (int)((y & low4) | (z >> 2 & low2) << 4),
                                            (int)((x >> 4 & low4) | (z >> 4 & low2) << 4),
                                            (int)((y >> 4 & low4) | (z >> 6 & low2) << 4));
        __m512         s = signed_scales(_mm_sub_epi8(all, _mm_set1_epi8(32)), from + 108);
        __m512i high = _mm512_slli_epi16(words(from), 2); /* bit g at bit 2 when shifted by g */
        for (size_t g = 0; g < 8; g += 2, to += 2 * step) {
            __m512i two = _mm512_set1_epi32((int)(2 * g));
            __m512  a = _mm512_permutexvar_ps(_mm512_add_epi32(pair, two), s);
            __m512  b = _mm512_permutexvar_ps(
                 _mm512_add_epi32(pair, _mm512_add_epi32(two, _mm512_set1_epi32(2))), s);
            __m512i table = round_pair(_mm512_mul_ps(values, a), _mm512_mul_ps(values, b));
            __m512i q = shift_right(words(from + 32 + 32 * (g / 4)), 2 * (g % 4));
            __m512i h = shift_right(high, g);
            choose(to, table, masked_or(q, mask2, masked_or(h, mask1, second)));
            q = _mm512_srli_epi16(q, 2);
            h = _mm512_srli_epi16(h, 1);
            choose(to + step, table, masked_or(q, mask2, masked_or(h, mask1, upper)));
        }
    }
}

/* A table for eight groups of 16 numbers of 2 bits. */
static void q2_k(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    const __m512  values = _mm512_setr_ps(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
    const __m512i four = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i mask = _mm512_set1_epi16(3);
    const __m512i second = _mm512_setr_epi64(0, 0, 0, 0, 0x0004000400040004, 0x0004000400040004,
                                             0x0004000400040004, 0x0004000400040004);
    for (size_t i = 0; i < columns; i += 256, from += 84) {
        __m512i all = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
        __m512  s = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_and_si512(all, _mm512_set1_epi32(15))),
                                  half(from + 80));
        __m512  m = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srli_epi32(all, 4)), half(from + 82));
        for (size_t n = 0; n < 2; n++) {
            __m512i a = _mm512_add_epi32(four, _mm512_set1_epi32((int)(8 * n)));
            __m512i b = _mm512_add_epi32(a, _mm512_set1_epi32(4));
            __m512i table = round_pair(
                _mm512_fmsub_ps(values, _mm512_permutexvar_ps(a, s), _mm512_permutexvar_ps(a, m)),
                _mm512_fmsub_ps(values, _mm512_permutexvar_ps(b, s), _mm512_permutexvar_ps(b, m)));
            __m512i q = words(from + 16 + 32 * n);
            for (int g = 0; g < 4; g++, to += step, q = _mm512_srli_epi16(q, 2))
                choose(
                    to, table,
                    masked_or(q, mask, _mm512_or_si512(second, _mm512_set1_epi16((short)(8 * g)))));
        }
    }
}

static void iq4_xs(bytes *from, size_t columns, uint16_t *to, size_t step)
{
    for (size_t i = 0; i < columns; i += 256, from += 136) {
        _Alignas(64) float s[16];
        uint32_t           low = u32(from + 4), high = (uint32_t)(from[2] | from[3] << 8);
        uint64_t all = _pdep_u64(low, 0x0f0f0f0f0f0f0f0f) | _pdep_u64(high, 0x3030303030303030);
        _mm512_store_ps(
            s, signed_scales(_mm_sub_epi8(_mm_set_epi64x(0, (long long)all), _mm_set1_epi8(32)),
                             from));
        for (size_t g = 0; g < 8; g += 2, to += 2 * step)
            choose_two(to, step, _mm512_mul_ps(uneven_steps(), _mm512_set1_ps(s[g])),
                       _mm512_mul_ps(uneven_steps(), _mm512_set1_ps(s[g + 1])), from + 8 + 16 * g,
                       from + 24 + 16 * g);
    }
}

/* By the type's number in a file. */
static const bl_unpack unpacks[] = {
    [0] = { f32, 2, false },    [1] = { f16, 2, false },    [2] = { q4_0, 1, true },
    [3] = { q4_1, 1, true },    [6] = { q5_0, 1, true },    [7] = { q5_1, 1, true },
    [8] = { q8_0, 1, false },   [10] = { q2_k, 1, false },  [11] = { q3_k, 1, false },
    [12] = { q4_k, 1, false },  [13] = { q5_k, 1, false },  [14] = { q6_k, 1, false },
    [20] = { iq4_nl, 1, true }, [23] = { iq4_xs, 1, true }, [30] = { bf16, 1, false },
};

const bl_unpack *bl_unpack_of(const bl_quant_type *type)
{
    static const bl_unpack none = { 0 };
    return type->id < BL_LEN(unpacks) ? &unpacks[type->id] : &none;
}
