/* Products for few tokens on AVX-512 with VNNI: weights are read once, front to back, and stay in
 * registers.
 *
 * Quantised weights are multiplied as bytes: activations are rounded to 8 bits in blocks of 64,
 * products of bytes and their sums are exact, and sums are scaled in fp32.  Activations are raised
 * by 128, since one factor has no sign; what that adds is taken off.  Weights that are floats are
 * multiplied as floats.  A sum has one order: by columns within sixteen lanes, then the lanes. */
#include "llm/product_kernels.h"

#include <immintrin.h>

#define PAIR   64   /* columns: two blocks */
#define AHEAD  2048 /* bytes ahead of what is multiplied that are fetched */
#define ROWS   16   /* that all tokens pass by together */
#define TOKENS 8    /* whose sums are in registers */

#define BYTES  1u
#define FLOATS 2u

static size_t pairs_of(size_t columns)
{
    return columns / PAIR + (columns % PAIR != 0);
}

static unsigned form(const bl_quant_type *type)
{
    return type->len == 1 ? FLOATS : BYTES;
}

static size_t input_size(unsigned forms, size_t tokens, size_t columns)
{
    size_t pairs, bytes = 0, floats = 0, size;
    if (!bl_mul(pairs_of(columns), tokens, &pairs) ||
        ((forms & BYTES) && !bl_mul(pairs, PAIR + 17 * sizeof(float), &bytes)) ||
        ((forms & FLOATS) && !bl_mul(pairs, PAIR * sizeof(float), &floats)) ||
        !bl_add(bytes, floats, &size))
        return 0;
    return size;
}

/* Eight tokens stand together, the last of them with fewer: of each 64 columns all of them.  First
 * come the bytes of all groups, then their sums, and so on. */
typedef struct {
    uint8_t *x;      /* [pairs][tokens][PAIR], raised by 128 */
    float   *sums;   /* [pairs][tokens][16]: of four bytes each, scaled */
    float   *floats; /* [pairs][tokens][PAIR] */
    float   *scales; /* [pairs][tokens]: what makes bytes floats again */
    size_t   len;    /* tokens: from a pair to the next */
} group;

static group group_of(const bl_product_input *in, size_t token)
{
    size_t   first = token / TOKENS * TOKENS, pairs = pairs_of(in->columns), at = first * pairs;
    size_t   all = in->forms & BYTES ? pairs * in->tokens : 0;
    uint8_t *x = (uint8_t *)in->data;
    float   *sums = (float *)(x + all * PAIR), *floats = sums + all * 16;
    float   *scales = floats + (in->forms & FLOATS ? pairs * in->tokens * PAIR : 0);
    return (group){ x + at * PAIR, sums + at * 16, floats + at * PAIR, scales + at,
                    BL_MIN(in->tokens - first, (size_t)TOKENS) };
}

/* Activations.  ------------------------------------------------------------------------------- */

static inline __mmask16 first_lanes(size_t n)
{
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1u);
}

/* Pair i of a group, counted over its tokens. */
static void round_pair(const group *g, size_t i, const __m512 x[4])
{
    __m512   most4 = _mm512_max_ps(_mm512_max_ps(_mm512_abs_ps(x[0]), _mm512_abs_ps(x[1])),
                                   _mm512_max_ps(_mm512_abs_ps(x[2]), _mm512_abs_ps(x[3])));
    float    most = _mm512_reduce_max_ps(most4), scale = most / 127;
    __m512   by = _mm512_set1_ps(most > 0 ? 127 / most : 0);
    uint8_t *to = g->x + i * PAIR;
    for (int k = 0; k < 4; k++)
        _mm_store_si128((__m128i *)to + k,
                        _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x[k], by))));
    __m512i all = _mm512_load_si512(to);
    __m512i sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), all);
    _mm512_store_ps(g->sums + i * 16,
                    _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(scale)));
    _mm512_store_si512(to, _mm512_xor_si512(all, _mm512_set1_epi8((char)128)));
    g->scales[i] = scale;
}

static void prepare(const bl_product_input *in, void *to, const float *x, size_t x_row,
                    size_t first, size_t count)
{
    size_t pairs = pairs_of(in->columns);
    (void)to; /* in->data */
    for (size_t t = first; t < first + count; t++)
        for (size_t i = 0; i < pairs; i++) {
            const float *from = x + t * x_row;
            group        g = group_of(in, t);
            size_t       to_pair = i * g.len + t % TOKENS;
            __m512       all[4];
            for (size_t k = 0; k < 4; k++) {
                size_t at = i * PAIR + 16 * k, left = in->columns - BL_MIN(at, in->columns);
                all[k] = _mm512_maskz_loadu_ps(first_lanes(left), from + (left ? at : 0));
                if (in->forms & FLOATS)
                    _mm512_store_ps(g.floats + to_pair * PAIR + 16 * k, all[k]);
            }
            if (in->forms & BYTES)
                round_pair(&g, to_pair, all);
        }
}

/* Weights.  ----------------------------------------------------------------------------------- */

typedef const uint8_t bytes;

/* 64 weights of one row: w[i] * scale[i / 4] + least[i / 4]. */
typedef struct {
    __m512i w;
    __m512  scale, least;
} weights;

static inline __m256i two_halves(bytes *a, bytes *b) /* eight times each */
{
    uint16_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi16((short)x)),
                                   _mm_set1_epi16((short)y), 1);
}

static inline __m512 scales_of(bytes *a, bytes *b)
{
    return _mm512_cvtph_ps(two_halves(a, b));
}

static inline __m512i raise(__m512i w, int by)
{
    return _mm512_add_epi8(w, _mm512_set1_epi8((char)by));
}

/* The nibbles of 16 bytes and of 16 more, as two blocks hold them. */
static inline __m512i nibbles(bytes *a, bytes *b)
{
    const __m512i shift = _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4);
    __m512i       x = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)a));
    x = _mm512_mask_broadcast_i32x4(x, 0xff00, _mm_loadu_si128((const __m128i *)b));
    return _mm512_and_si512(_mm512_srlv_epi64(x, shift), _mm512_set1_epi8(15));
}

/* 16 where a bit of two words of 32 is set. */
static inline __m512i fifth(bytes *a, bytes *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return _mm512_maskz_set1_epi8(x | (uint64_t)y << 32, 16);
}

static inline __m512i uneven(__m512i index) /* of IQ4 */
{
    const __m128i steps =
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(steps), index);
}

/* Two neighbouring blocks of 32; b may be a. */
static inline __attribute__((always_inline)) weights two_blocks(const uint32_t id, bytes *a,
                                                                bytes *b)
{
    weights out = { .scale = scales_of(a, b) };
    switch (id) {
    case 8: /* Q8_0 */
        out.w =
            _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(a + 2))),
                               _mm256_loadu_si256((const __m256i *)(b + 2)), 1);
        break;
    case 2: /* Q4_0 */
        out.w = raise(nibbles(a + 2, b + 2), -8);
        break;
    case 20: /* IQ4_NL */
        out.w = uneven(nibbles(a + 2, b + 2));
        break;
    case 3: /* Q4_1 */
        out.w = nibbles(a + 4, b + 4);
        out.least = scales_of(a + 2, b + 2);
        break;
    case 6: /* Q5_0 */
        out.w = raise(_mm512_or_si512(nibbles(a + 6, b + 6), fifth(a + 2, b + 2)), -16);
        break;
    default: /* Q5_1 */
        out.w = _mm512_or_si512(nibbles(a + 8, b + 8), fifth(a + 4, b + 4));
        out.least = scales_of(a + 2, b + 2);
    }
    return out;
}

static inline uint32_t u32(bytes *b)
{
    uint32_t x;
    memcpy(&x, b, sizeof x);
    return x;
}

static inline __m512 half(bytes *b)
{
    uint16_t h;
    memcpy(&h, b, sizeof h);
    return _mm512_cvtph_ps(_mm256_set1_epi16((short)h));
}

/* What a block of 256 says of its groups: 16 scales, or 8 scales and 8 least values. */
static inline __attribute__((always_inline)) __m512 group_scales(const uint32_t id, bytes *b,
                                                                 __m512 *least)
{
    const uint32_t low6 = 0x3f3f3f3f, low4 = 0x0f0f0f0f, low2 = 0x03030303;
    if (id == 12 || id == 13) { /* Q4_K, Q5_K */
        uint32_t x = u32(b + 4), y = u32(b + 8), z = u32(b + 12);
        __m128i  all =
            _mm_setr_epi32((int)(x & low6), (int)((z & low4) | (x >> 6 & low2) << 4),
                           (int)(y & low6), (int)((z >> 4 & low4) | (y >> 6 & low2) << 4));
        __m512 by = _mm512_mask_sub_ps(half(b), 0xff00, _mm512_setzero_ps(), half(b + 2));
        return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(all)), by);
    }
    if (id == 10) { /* Q2_K */
        __m512i all = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)b));
        __m512  m = _mm512_sub_ps(_mm512_setzero_ps(), half(b + 82));
        *least = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srli_epi32(all, 4)), m);
        all = _mm512_and_si512(all, _mm512_set1_epi32(15));
        return _mm512_mul_ps(_mm512_cvtepi32_ps(all), half(b + 80));
    }
    __m128i all;
    bytes  *d = b;
    if (id == 11) { /* Q3_K */
        uint32_t x = u32(b + 96), y = u32(b + 100), z = u32(b + 104);
        all = _mm_setr_epi32((int)((x & low4) | (z & low2) << 4),
                             (int)((y & low4) | (z >> 2 & low2) << 4),
                             (int)((x >> 4 & low4) | (z >> 4 & low2) << 4),
                             (int)((y >> 4 & low4) | (z >> 6 & low2) << 4));
        all = _mm_sub_epi8(all, _mm_set1_epi8(32));
        d = b + 108;
    } else if (id == 14) { /* Q6_K */
        all = _mm_loadu_si128((const __m128i *)(b + 192));
        d = b + 208;
    } else { /* IQ4_XS */
        uint64_t x = _pdep_u64(u32(b + 4), 0x0f0f0f0f0f0f0f0f) |
                     _pdep_u64(b[2] | (uint64_t)b[3] << 8, 0x3030303030303030);
        all = _mm_sub_epi8(_mm_set_epi64x(0, (long long)x), _mm_set1_epi8(32));
    }
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(all)), half(d));
}

static inline __m512i twice(bytes *b) /* 32 bytes */
{
    return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)b));
}

/* The lower half shifted by one number of bits, the upper by another. */
static inline __m512i shifted(__m512i x, int low, int high)
{
    return _mm512_srlv_epi16(
        x, _mm512_inserti64x4(_mm512_set1_epi16((short)low), _mm256_set1_epi16((short)high), 1));
}

static inline __m512i masked(__m512i x, int mask)
{
    return _mm512_and_si512(x, _mm512_set1_epi8((char)mask));
}

/* 64 numbers, the j-th of four times, of a block of 256. */
static inline __attribute__((always_inline)) __m512i quarter(const uint32_t id, bytes *b,
                                                             const int j)
{
    __m512i high;
    switch (id) {
    case 10: /* Q2_K */
        return masked(shifted(twice(b + 16 + 32 * (j / 2)), 4 * (j % 2), 4 * (j % 2) + 2), 3);
    case 11: /* Q3_K */
        high = masked(shifted(twice(b), 2 * j, 2 * j + 1), 1);
        return raise(
            _mm512_or_si512(
                masked(shifted(twice(b + 32 + 32 * (j / 2)), 4 * (j % 2), 4 * (j % 2) + 2), 3),
                _mm512_slli_epi16(high, 2)),
            -4);
    case 12: /* Q4_K */
        return masked(shifted(twice(b + 16 + 32 * j), 0, 4), 15);
    case 13: /* Q5_K */
        high = masked(shifted(twice(b + 16), 2 * j, 2 * j + 1), 1);
        return _mm512_or_si512(masked(shifted(twice(b + 48 + 32 * j), 0, 4), 15),
                               _mm512_slli_epi16(high, 4));
    case 14: /* Q6_K */
        high = masked(shifted(twice(b + 128 + 32 * (j / 2)), 4 * (j % 2), 4 * (j % 2) + 2), 3);
        return raise(
            _mm512_or_si512(
                masked(_mm512_srli_epi16(_mm512_loadu_si512(b + 64 * (j / 2)), j % 2 ? 4 : 0), 15),
                _mm512_slli_epi16(high, 4)),
            -32);
    default: /* IQ4_XS */
        return uneven(nibbles(b + 8 + 32 * j, b + 24 + 32 * j));
    }
}

/* The j-th quarter with the scales of its groups of 32 or 16. */
static inline __attribute__((always_inline)) weights block_quarter(const uint32_t id, bytes *b,
                                                                   const int j, __m512 scales,
                                                                   __m512 least)
{
    const __m512i two = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m512i four = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    weights       out = { .w = quarter(id, b, j) };
    if (id == 10 || id == 11 || id == 14) {
        __m512i at = _mm512_add_epi32(four, _mm512_set1_epi32(4 * j));
        out.scale = _mm512_permutexvar_ps(at, scales);
        out.least = _mm512_permutexvar_ps(at, least);
    } else {
        __m512i at = _mm512_add_epi32(two, _mm512_set1_epi32(2 * j));
        out.scale = _mm512_permutexvar_ps(at, scales);
        out.least = _mm512_permutexvar_ps(_mm512_add_epi32(at, _mm512_set1_epi32(8)), scales);
    }
    return out;
}

/* Sums.  -------------------------------------------------------------------------------------- */

typedef struct {
    __m512 sums[TOKENS], least[TOKENS];
} lanes;

static inline bool has_least(uint32_t id)
{
    return id == 3 || id == 7 || id == 10 || id == 12 || id == 13;
}

/* Neighbouring tokens' pairs, from the i-th of a group on. */
static inline __attribute__((always_inline)) void add_pair(lanes *l, const uint32_t id,
                                                           const weights *w, const group *g,
                                                           size_t i, const size_t tokens)
{
    const uint8_t *x = g->x + i * PAIR;
    const float   *scales = g->scales + i, *sums = g->sums + i * 16;
    __m512i        none = _mm512_setzero_si512();
    __m512i        added = _mm512_dpbusd_epi32(none, _mm512_set1_epi8((char)128), w->w);
    added = _mm512_sub_epi32(none, added);
    for (size_t t = 0; t < tokens; t++) {
        __m512i sum = _mm512_dpbusd_epi32(added, _mm512_load_si512(x + t * PAIR), w->w);
        __m512  scale = _mm512_mul_ps(w->scale, _mm512_set1_ps(scales[t]));
        l->sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, l->sums[t]);
        if (has_least(id))
            l->least[t] = _mm512_fmadd_ps(w->least, _mm512_load_ps(sums + t * 16), l->least[t]);
    }
}

static inline __attribute__((always_inline)) void fetch(bytes *from, size_t size)
{
    for (size_t i = 0; i < size; i += 64)
        _mm_prefetch((const char *)from + AHEAD + i, _MM_HINT_T0);
}

/* One row against some tokens, by bytes. */
static inline __attribute__((always_inline)) void byte_row(lanes *l, const uint32_t id, bytes *from,
                                                           size_t columns, const group *g,
                                                           size_t token, const size_t tokens)
{
    const size_t size = id == 2 || id == 20 ? 18 : id == 3 ? 20 : id == 6 ? 22 : id == 7 ? 24 : 34;
    for (size_t c = 0; c < columns; c += PAIR, from += 2 * size) {
        weights w = two_blocks(id, from, columns - c > 32 ? from + size : from);
        fetch(from, 2 * size);
        add_pair(l, id, &w, g, c / PAIR * g->len + token, tokens);
    }
}

static inline __attribute__((always_inline)) void block_row(lanes *l, const uint32_t id,
                                                            bytes *from, size_t columns,
                                                            const group *g, size_t token,
                                                            const size_t tokens)
{
    const size_t size = id == 10   ? 84
                        : id == 11 ? 110
                        : id == 12 ? 144
                        : id == 13 ? 176
                        : id == 14 ? 210
                                   : 136;
    for (size_t c = 0; c < columns; c += 256, from += size) {
        __m512 least = _mm512_setzero_ps(), all = group_scales(id, from, &least);
        fetch(from, size);
#define QUARTER(j)                                                                                 \
    do {                                                                                           \
        weights w = block_quarter(id, from, j, all, least);                                        \
        add_pair(l, id, &w, g, (c / PAIR + (j)) * g->len + token, tokens);                         \
    } while (0)
        QUARTER(0);
        QUARTER(1);
        QUARTER(2);
        QUARTER(3);
#undef QUARTER
    }
}

static inline __m512 load_floats(const uint32_t id, bytes *b, __mmask16 some)
{
    if (id == 0)
        return _mm512_maskz_loadu_ps(some, b);
    __m256i x = _mm256_maskz_loadu_epi16(some, b);
    if (id == 1)
        return _mm512_cvtph_ps(x);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

/* The same by floats; each token has sums of even and of odd sixteens. */
static inline __attribute__((always_inline)) void float_row(lanes *l, const uint32_t id,
                                                            bytes *from, size_t columns,
                                                            const group *g, size_t token,
                                                            const size_t tokens)
{
    const size_t size = id == 0 ? 4 : 2;
    for (size_t c = 0; c < columns; c += 32, from += 32 * size) {
        const float *x = g->floats + (c / PAIR * g->len + token) * PAIR + c % PAIR;
        size_t       left = columns - c;
        __m512       low = load_floats(id, from, first_lanes(left));
        __m512       high = left > 16 ? load_floats(id, from + 16 * size, first_lanes(left - 16))
                                      : _mm512_setzero_ps();
        fetch(from, 32 * size);
        for (size_t t = 0; t < tokens; t++) {
            l->sums[t] = _mm512_fmadd_ps(low, _mm512_load_ps(x + t * PAIR), l->sums[t]);
            l->least[t] = _mm512_fmadd_ps(high, _mm512_load_ps(x + t * PAIR + 16), l->least[t]);
        }
    }
}

static inline __attribute__((always_inline)) void one_row(const bl_product *p, const uint32_t id,
                                                          size_t row, const group *g, size_t token,
                                                          const size_t tokens)
{
    lanes  l;
    size_t columns = p->w.columns, at = token % TOKENS;
    bytes *from = p->w.data + row * bl_weights_row_size(&p->w);
    for (size_t t = 0; t < tokens; t++)
        l.sums[t] = l.least[t] = _mm512_setzero_ps();
    if (id == 0 || id == 1 || id == 30)
        float_row(&l, id, from, columns, g, at, tokens);
    else if (id == 2 || id == 3 || id == 6 || id == 7 || id == 8 || id == 20)
        byte_row(&l, id, from, columns, g, at, tokens);
    else
        block_row(&l, id, from, columns, g, at, tokens);
    for (size_t t = 0; t < tokens; t++)
        bl_product_put(p, token + t, row,
                       _mm512_reduce_add_ps(_mm512_add_ps(l.sums[t], l.least[t])));
}

/* Some rows against all tokens, as many at once as registers hold. */
static inline __attribute__((always_inline)) void rows_of(const bl_product *p, const uint32_t id,
                                                          size_t first, size_t count)
{
    for (size_t token = 0, more = p->in->tokens; more > 0;) {
        size_t now = more >= 8 ? 8 : more >= 4 ? 4 : more >= 2 ? 2 : 1;
        group  g = group_of(p->in, token);
        for (size_t row = first; row < first + count; row++)
            switch (now) {
            case 8:
                one_row(p, id, row, &g, token, 8);
                break;
            case 4:
                one_row(p, id, row, &g, token, 4);
                break;
            case 2:
                one_row(p, id, row, &g, token, 2);
                break;
            default:
                one_row(p, id, row, &g, token, 1);
            }
        token += now;
        more -= now;
    }
}

/* By the type's number in a file. */
#define EACH_TYPE(X)                                                                               \
    X(0) X(1) X(2) X(3) X(6) X(7) X(8) X(10) X(11) X(12) X(13) X(14) X(20) X(23) X(30)
#define ROWS_OF(id)                                                                                \
    static void rows_##id(const bl_product *p, size_t first, size_t count)                         \
    {                                                                                              \
        rows_of(p, id, first, count);                                                              \
    }
EACH_TYPE(ROWS_OF)

static void run(const bl_product *p, size_t first, size_t count, void *scratch)
{
    typedef void rows_kernel(const bl_product *p, size_t first, size_t count);
#define ROW(id) [id] = rows_##id,
    static rows_kernel *const all[] = { EACH_TYPE(ROW) };
    (void)scratch;
    for (size_t r = 0; r < count; r += ROWS)
        all[p->w.type->id](p, first + r, BL_MIN(count - r, (size_t)ROWS));
}

static size_t scratch_size(size_t tokens, size_t columns)
{
    (void)tokens;
    (void)columns;
    return 0;
}

const bl_product_kernels bl_product_vnni = { .isa = BL_ISA_AVX512,
                                             .strip = ROWS,
                                             .group = TOKENS,
                                             .form = form,
                                             .input_size = input_size,
                                             .prepare = prepare,
                                             .scratch = scratch_size,
                                             .run = run };
