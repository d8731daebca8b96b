/* Tiles: splitting floats into bf16 parts, and their products.  See amx.h. */
#include "nn/amx.h"

#include <immintrin.h>

#define TILE 512 /* bf16 numbers of a tile */

/* Palette 1, all eight tiles 16 rows of 64 bytes.  Static and constant, since compilers may think
 * that ldtilecfg reads less than 64 bytes. */
static const struct {
    uint8_t  palette, start, zero[14];
    uint16_t row_size[16];
    uint8_t  rows[16];
} __attribute__((aligned(64))) config = { .palette = 1,
                                          .row_size = { 64, 64, 64, 64, 64, 64, 64, 64 },
                                          .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };

void bl_amx_begin(void)
{
    _tile_loadconfig(&config);
}

void bl_amx_end(void)
{
    _tile_release();
}

/* Splitting.  -------------------------------------------------------------------------------- */

#define LIMIT 0x1.fep127f /* the largest bf16 */

/* Lanes whose size bf16 cannot hold, NaN among them. */
static __mmask16 too_large(__m512 x)
{
    return _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(LIMIT), _CMP_NLE_UQ);
}

static __m512 widen(__m256i bf16)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

/* 32 products of one row: part p goes to to[p * 2 * TILE]. */
static void split_row(uint16_t *to, int parts, __m512 low, __m512 high)
{
    for (int p = 0;; p++) {
        __m512i bf16 = (__m512i)_mm512_cvtne2ps_pbh(high, low);
        _mm512_store_si512(to + (size_t)p * 2 * TILE, bf16);
        if (p + 1 == parts)
            return;
        low = _mm512_sub_ps(low, widen(_mm512_castsi512_si256(bf16)));
        high = _mm512_sub_ps(high, widen(_mm512_extracti64x4_epi64(bf16, 1)));
    }
}

static __mmask16 lanes(size_t n)
{
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1u);
}

bool bl_amx_split_left(uint16_t *to, int parts, const float *a, size_t a_row, size_t rows, size_t k)
{
    __mmask16 bad = 0;
    for (size_t i = 0; i < k; i += BL_AMX_STEP, to += (size_t)parts * 2 * TILE) {
        size_t    len = BL_MIN(k - i, (size_t)BL_AMX_STEP);
        __mmask16 first = lanes(len), second = len > 16 ? lanes(len - 16) : 0;
        for (size_t r = 0; r < BL_AMX_ROWS; r++) {
            __m512 low = _mm512_setzero_ps(), high = low;
            if (r < rows) {
                low = _mm512_maskz_loadu_ps(first, a + r * a_row + i);
                high = _mm512_maskz_loadu_ps(second, a + r * a_row + i + 16);
            }
            bad |= too_large(low) | too_large(high);
            split_row(to + r / 16 * TILE + r % 16 * 32, parts, low, high);
        }
    }
    return bad == 0;
}

bool bl_amx_splittable(const float *x, size_t len)
{
    __mmask16 bad = 0;
    for (size_t i = 0; i < len; i += 16)
        bad |= too_large(_mm512_maskz_loadu_ps(lanes(len - i), x + i));
    return bad == 0;
}

/* One vector of columns: rows 2i and 2i + 1 of a panel, interleaved as tiles want them.  The upper
 * parts are cut off, so that three parts are exact; the last of two or one is rounded. */
static inline __attribute__((always_inline)) void split_pair(uint16_t *to, const int parts,
                                                             __m512i u, __m512i v)
{
    const __m512i mask = _mm512_set1_epi32((int)0xffff0000), half = _mm512_set1_epi32(0x8000);
    for (int p = 0; p < parts; p++) {
        __m512i x = u, y = v;
        if (parts < 3) {
            x = _mm512_add_epi32(x, half);
            y = _mm512_add_epi32(y, half);
        }
        _mm512_store_si512(to + (size_t)p * 2 * TILE,
                           _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srli_epi32(x, 16), y));
        if (p + 1 == parts)
            return;
        x = _mm512_and_si512(x, mask);
        y = _mm512_and_si512(y, mask);
        u = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(u), _mm512_castsi512_ps(x)));
        v = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(v), _mm512_castsi512_ps(y)));
    }
}

/* The next pair of rows of the panel; beyond the last one zeros. */
static inline __attribute__((always_inline)) void next_pair(bl_amx_ahead *s, const int parts)
{
    __mmask16    one = s->k > 0 ? 0xffff : 0, two = s->k > 1 ? 0xffff : 0;
    const float *u = s->from, *v = u + (two ? BL_AMX_COLS : 0);
    split_pair(s->to, parts, _mm512_maskz_loadu_epi32(one, u), _mm512_maskz_loadu_epi32(two, v));
    split_pair(s->to + TILE, parts, _mm512_maskz_loadu_epi32(one, u + (one ? 16 : 0)),
               _mm512_maskz_loadu_epi32(two, v + (two ? 16 : 0)));
    size_t taken = BL_MIN(s->k, (size_t)2);
    s->from += taken * BL_AMX_COLS;
    s->k -= taken;
    s->pairs--;
    s->to += 32;
    if (s->pairs % 16 == 0) /* a tile is full: on to the next step's */
        s->to += (size_t)(2 * parts - 1) * TILE;
}

void bl_amx_ahead_fetch(bl_amx_ahead *s, const void *far, size_t size, size_t places)
{
    s->far = far;
    s->lines = bl_ceil(size, 64);
    s->each_line = bl_ceil(s->lines, BL_MAX(places, (size_t)1));
}

void bl_amx_ahead_split(bl_amx_ahead *s, uint16_t *to, const float *panel, size_t k, size_t places)
{
    s->from = panel;
    s->to = to;
    s->k = k;
    s->pairs = bl_ceil(k, BL_AMX_STEP) * (BL_AMX_STEP / 2);
    s->each = bl_ceil(s->pairs, BL_MAX(places, (size_t)1));
}

void bl_amx_finish_ahead(bl_amx_ahead *s, int parts)
{
    while (s->pairs > 0)
        switch (parts) {
        case 3:
            next_pair(s, 3);
            break;
        case 2:
            next_pair(s, 2);
            break;
        default:
            next_pair(s, 1);
        }
}

/* The next row of sums. */
static void next_row(bl_amx_ahead *s)
{
    if (s->more) {
        for (size_t i = 0; i < BL_AMX_COLS; i += 16)
            _mm512_storeu_ps(s->sums + i, _mm512_add_ps(_mm512_loadu_ps(s->sums + i),
                                                        _mm512_loadu_ps(s->more + i)));
        s->more += BL_AMX_COLS;
    }
    if (s->finish) {
        s->finish(&s->f, s->sums, BL_AMX_COLS, 1, s->cols);
        s->f.out += s->f.stride;
        s->f.add = s->f.add ? s->f.add + s->f.stride : NULL;
        s->f.mul = s->f.mul ? s->f.mul + s->f.stride : NULL;
        s->f.row_bias = s->f.row_bias ? s->f.row_bias + 1 : NULL;
    }
    s->sums += BL_AMX_COLS;
    s->rows--;
}

void bl_amx_finish_sums(bl_amx_ahead *s)
{
    while (s->rows > 0)
        next_row(s);
}

void bl_amx_split_panel(uint16_t *to, int parts, const float *panel, size_t k)
{
    bl_amx_ahead all = { 0 };
    bl_amx_ahead_split(&all, to, panel, k, 1);
    bl_amx_finish_ahead(&all, parts);
}

/* Products.  --------------------------------------------------------------------------------- */

/* Tiles 0..3 are sums: two of rows times two of columns.  4 and 5 are of the left factor, 6 and 7
 * of the right.  `two` is false where the strip has no more than 16 rows. */
#define LEFT(p)                                                                                    \
    do {                                                                                           \
        _tile_loadd(4, left + (size_t)(p)*2 * TILE, 64);                                           \
        if (two)                                                                                   \
            _tile_loadd(5, left + (size_t)(p)*2 * TILE + TILE, 64);                                \
    } while (0)
#define RIGHT(p)                                                                                   \
    do {                                                                                           \
        _tile_loadd(6, right + (size_t)(p)*2 * TILE, 64);                                          \
        _tile_loadd(7, right + (size_t)(p)*2 * TILE + TILE, 64);                                   \
    } while (0)
#define MULTIPLY                                                                                   \
    do {                                                                                           \
        _tile_dpbf16ps(0, 4, 6);                                                                   \
        _tile_dpbf16ps(1, 4, 7);                                                                   \
        if (two) {                                                                                 \
            _tile_dpbf16ps(2, 5, 6);                                                               \
            _tile_dpbf16ps(3, 5, 7);                                                               \
        }                                                                                          \
        for (size_t n = BL_MIN(each, s.pairs); n > 0; n--)                                         \
            next_pair(&s, parts);                                                                  \
        for (size_t n = BL_MIN(each_line, s.lines); n > 0; n--, s.lines--, s.far += 64)            \
            _mm_prefetch(s.far, _MM_HINT_T1);                                                      \
        for (size_t n = BL_MIN(each_row, s.rows); n > 0; n--)                                      \
            next_row(&s);                                                                          \
    } while (0)

/* Each pair of parts is loaded as seldom as can be. */
#define PRODUCTS_1                                                                                 \
    LEFT(0);                                                                                       \
    RIGHT(0);                                                                                      \
    MULTIPLY
#define PRODUCTS_2                                                                                 \
    LEFT(0);                                                                                       \
    RIGHT(1);                                                                                      \
    MULTIPLY;                                                                                      \
    RIGHT(0);                                                                                      \
    MULTIPLY;                                                                                      \
    LEFT(1);                                                                                       \
    MULTIPLY
#define PRODUCTS_3                                                                                 \
    LEFT(0);                                                                                       \
    RIGHT(2);                                                                                      \
    MULTIPLY;                                                                                      \
    RIGHT(1);                                                                                      \
    MULTIPLY;                                                                                      \
    RIGHT(0);                                                                                      \
    MULTIPLY;                                                                                      \
    LEFT(2);                                                                                       \
    MULTIPLY;                                                                                      \
    LEFT(1);                                                                                       \
    MULTIPLY;                                                                                      \
    RIGHT(1);                                                                                      \
    MULTIPLY

static void store_sums(float *sums, size_t rows, bool more)
{
    _Alignas(64) float here[BL_AMX_SUMS];
    float             *to = more ? here : sums;
    _tile_stored(0, to, BL_AMX_COLS * sizeof *to);
    _tile_stored(1, to + 16, BL_AMX_COLS * sizeof *to);
    if (rows > 16) {
        _tile_stored(2, to + (size_t)16 * BL_AMX_COLS, BL_AMX_COLS * sizeof *to);
        _tile_stored(3, to + (size_t)16 * BL_AMX_COLS + 16, BL_AMX_COLS * sizeof *to);
    }
    for (size_t i = 0; more && i < rows * BL_AMX_COLS; i += 16)
        _mm512_storeu_ps(sums + i,
                         _mm512_add_ps(_mm512_loadu_ps(sums + i), _mm512_load_ps(here + i)));
}

#define TILE_PRODUCTS(count, name, both)                                                           \
    static void name(float *sums, const uint16_t *left, const uint16_t *right, size_t rows,        \
                     size_t steps, bool more, bl_amx_ahead *ahead)                                 \
    {                                                                                              \
        const size_t parts = count;                                                                \
        const bool   two = both;                                                                   \
        bl_amx_ahead s = ahead ? *ahead : (bl_amx_ahead){ 0 };                                     \
        const size_t each = s.each, each_row = s.each_row, each_line = s.each_line;                \
        _tile_zero(0);                                                                             \
        _tile_zero(1);                                                                             \
        _tile_zero(2);                                                                             \
        _tile_zero(3);                                                                             \
        for (; steps > 0; steps--, left += parts * 2 * TILE, right += parts * 2 * TILE) {          \
            PRODUCTS_##count;                                                                      \
        }                                                                                          \
        store_sums(sums, rows, more);                                                              \
        if (ahead)                                                                                 \
            *ahead = s;                                                                            \
    }

TILE_PRODUCTS(1, one_tall, true)
TILE_PRODUCTS(1, one_low, false)
TILE_PRODUCTS(2, two_tall, true)
TILE_PRODUCTS(2, two_low, false)
TILE_PRODUCTS(3, three_tall, true)
TILE_PRODUCTS(3, three_low, false)

void bl_amx_tile(int parts, float *sums, const uint16_t *left, const uint16_t *right, size_t rows,
                 size_t steps, bool more, bl_amx_ahead *ahead)
{
    switch (parts) {
    case 3:
        (rows > 16 ? three_tall : three_low)(sums, left, right, rows, steps, more, ahead);
        break;
    case 2:
        (rows > 16 ? two_tall : two_low)(sums, left, right, rows, steps, more, ahead);
        break;
    default:
        (rows > 16 ? one_tall : one_low)(sums, left, right, rows, steps, more, ahead);
    }
}
