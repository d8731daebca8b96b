/* Attention of prompts on AMX tiles.
 *
 * The rows are the heads of some neighbouring tokens that share a head of keys.  Page after page,
 * its keys and values are split into two bf16 parts each, which hold a half exactly, in the order
 * in which they lie: tiles take that as it is.  Then of 32 rows at a time: scores, their
 * exponentials, split as well, and what they take of the values, added to sums that stay floats.
 * Of the products of parts all but the smallest are kept: about 16 bits of each number count.
 *
 * A row's numbers never meet another's, and positions that it does not see weigh exactly nothing,
 * so its result does not depend on the rows beside it.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18. */
#include "llm/attend_amx.h"

#include "nn/amx.h"
#include "nn/vec512.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#include "nn/math.inc"

#define ROWS  32 /* that are multiplied together: two tiles of them */
#define TILE  16
#define STEP  32       /* products that a tile takes at once */
#define NEVER (-1e30F) /* below every score */
#define LEAST (-64.0F) /* below the largest score: subnormal exponentials would take microcode */
#define PAGE  BL_KV_PAGE

typedef struct {
    const bl_attend *a;
    size_t           width, rows;  /* rows: a multiple of ROWS */
    size_t          *from, *end;   /* [rows] positions that it sees; end 0: no row */
    float           *most, *total; /* [rows] of scores so far; of their exponentials */
    uint16_t        *q[2];         /* parts: [rows][width] */
    uint16_t        *keys[2];      /* [width / 2][PAGE][2] */
    uint16_t        *values[2];    /* [PAGE / 2][width][2] */
    uint16_t        *weights[2];   /* [ROWS][PAGE] */
    float           *scores;       /* [ROWS][PAGE] */
    float           *sums;         /* [rows][width] */
} job;

/* Splitting.  -------------------------------------------------------------------------------- */

/* Two bf16 parts of 32 numbers: the first bits, and the rest. */
ALWAYS_INLINE void split(vf low, vf high, uint16_t *first, uint16_t *rest)
{
    const __m512i top = _mm512_set1_epi32((int)0xffff0000u);
    vf            a = _mm512_castsi512_ps(_mm512_and_epi32(_mm512_castps_si512(low), top));
    vf            b = _mm512_castsi512_ps(_mm512_and_epi32(_mm512_castps_si512(high), top));
    __m512bh      ab = _mm512_cvtne2ps_pbh(b, a);
    __m512bh      more = _mm512_cvtne2ps_pbh(vf_sub(high, b), vf_sub(low, a));
    _mm512_storeu_si512(first, (__m512i)ab);
    _mm512_storeu_si512(rest, (__m512i)more);
}

ALWAYS_INLINE vf halves(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static void split_halves(const uint8_t *from, size_t len, uint16_t *const *to)
{
    for (size_t i = 0; i < len; i += 2 * VL)
        split(halves(from + 2 * i), halves(from + 2 * i + 2 * VL), to[0] + i, to[1] + i);
}

ALWAYS_INLINE vf bytes(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

/* 16 numbers, each twice. */
ALWAYS_INLINE void doubled(vf x, vf *low, vf *high)
{
    const __m512i first = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const __m512i second =
        _mm512_setr_epi32(8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15);
    *low = _mm512_permutexvar_ps(first, x);
    *high = _mm512_permutexvar_ps(second, x);
}

/* Bytes times their scales: one for each pair of a position's elements. */
static void split_byte_keys(const bl_kv_layout *l, const uint8_t *keys, uint16_t *const *to)
{
    for (size_t pair = 0; pair < l->width / 2; pair++)
        for (size_t p = 0; p < PAGE; p += VL) {
            size_t at = (pair * PAGE + p) * 2, group = pair * 2 / BL_KV_GROUP;
            vf     low, high;
            doubled(halves(keys + l->scales + (group * PAGE + p) * 2), &low, &high);
            split(vf_mul(bytes(keys + at), low), vf_mul(bytes(keys + at + VL), high), to[0] + at,
                  to[1] + at);
        }
}

/* Here neighbours are of two positions. */
static void split_byte_values(const bl_kv_layout *l, const uint8_t *values, uint16_t *const *to)
{
    for (size_t pair = 0; pair < PAGE / 2; pair++)
        for (size_t i = 0; i < l->width; i += VL) {
            size_t  at = (pair * l->width + i) * 2;
            int32_t two;
            memcpy(&two, values + l->scales + (i / BL_KV_GROUP * PAGE + 2 * pair) * 2, sizeof two);
            vf scale = _mm512_cvtph_ps(_mm256_set1_epi32(two));
            split(vf_mul(bytes(values + at), scale), vf_mul(bytes(values + at + VL), scale),
                  to[0] + at, to[1] + at);
        }
}

static void split_page(const job *j, const uint8_t *keys)
{
    const bl_kv_layout *l = j->a->layout;
    if (l->type == BL_KV_Q8_0) {
        split_byte_keys(l, keys, j->keys);
        split_byte_values(l, keys + l->part, j->values);
        return;
    }
    split_halves(keys, l->width * PAGE, j->keys);
    split_halves(keys + l->part, l->width * PAGE, j->values);
}

/* Rows.  ------------------------------------------------------------------------------------- */

static void split_query(const job *j, size_t row, const float *q)
{
    size_t head = j->a->layout->head_width;
    vf     scale = vf_set(j->a->scale);
    for (size_t i = 0; i < j->width; i += 2 * VL) {
        vmask low = vmask_first(head > i ? BL_MIN(head - i, (size_t)VL) : 0);
        vmask high = vmask_first(head > i + VL ? BL_MIN(head - i - VL, (size_t)VL) : 0);
        split(vf_mul(vf_load_masked(q + i, low), scale),
              vf_mul(vf_load_masked(q + i + VL, high), scale), j->q[0] + row * j->width + i,
              j->q[1] + row * j->width + i);
    }
}

static void set_rows(const job *j)
{
    const bl_attend *a = j->a;
    size_t           row = 0, head = a->layout->head_width;
    for (size_t t = 0; t < a->tokens; t++)
        for (size_t h = 0; h < a->heads; h++, row++) {
            size_t end = a->position + t + 1;
            j->from[row] = a->window && end > a->window ? end - a->window : 0;
            j->end[row] = end;
            split_query(j, row, a->q + t * a->q_row + h * head);
        }
    for (; row < j->rows; row++) {
        j->from[row] = j->end[row] = 0;
        memset(j->q[0] + row * j->width, 0, j->width * sizeof *j->q[0]);
        memset(j->q[1] + row * j->width, 0, j->width * sizeof *j->q[1]);
    }
    for (row = 0; row < j->rows; row++) {
        j->most[row] = NEVER;
        j->total[row] = 0;
    }
    memset(j->sums, 0, j->rows * j->width * sizeof *j->sums);
}

/* Tiles.  ------------------------------------------------------------------------------------ */

/* Sums 0 to 3 += the left parts in 4 and 5 times the right ones in 6 and 7. */
#define MULTIPLY()                                                                                 \
    do {                                                                                           \
        _tile_dpbf16ps(0, 4, 6);                                                                   \
        _tile_dpbf16ps(1, 4, 7);                                                                   \
        _tile_dpbf16ps(2, 5, 6);                                                                   \
        _tile_dpbf16ps(3, 5, 7);                                                                   \
    } while (0)

/* ROWS rows and two tiles of columns: the products of parts but the smallest, from small to large.
 * left   [ROWS][...], lines `left_row` numbers apart
 * right  [pairs][columns][2], lines `right_row` numbers apart */
ALWAYS_INLINE void multiply(uint16_t *const *left, size_t left_at, size_t left_row,
                            uint16_t *const *right, size_t right_at, size_t right_row, size_t steps)
{
    size_t below = TILE * left_row;
    for (size_t s = 0; s < steps; s++, left_at += STEP, right_at += STEP / 2 * right_row) {
        _tile_loadd(4, left[0] + left_at, left_row * 2);
        _tile_loadd(5, left[0] + left_at + below, left_row * 2);
        _tile_loadd(6, right[1] + right_at, right_row * 2);
        _tile_loadd(7, right[1] + right_at + 2 * TILE, right_row * 2);
        MULTIPLY();
        _tile_loadd(6, right[0] + right_at, right_row * 2);
        _tile_loadd(7, right[0] + right_at + 2 * TILE, right_row * 2);
        MULTIPLY();
        _tile_loadd(4, left[1] + left_at, left_row * 2);
        _tile_loadd(5, left[1] + left_at + below, left_row * 2);
        MULTIPLY();
    }
}

#define FOR_SUMS(OPERATION, to, stride)                                                            \
    do {                                                                                           \
        OPERATION(0, (to), (stride) * sizeof(float));                                              \
        OPERATION(1, (to) + TILE, (stride) * sizeof(float));                                       \
        OPERATION(2, (to) + TILE * (stride), (stride) * sizeof(float));                            \
        OPERATION(3, (to) + TILE * (stride) + TILE, (stride) * sizeof(float));                     \
    } while (0)

/* Scores of ROWS rows with positions before `end` of the page, in twos of tiles. */
static void score(const job *j, size_t row, size_t end)
{
    for (size_t at = 0; at < end; at += 2 * TILE) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        multiply(j->q, row * j->width, j->width, j->keys, at * 2, PAGE * 2, j->width / STEP);
        FOR_SUMS(_tile_stored, j->scores + at, PAGE);
    }
}

/* Adds what ROWS rows take of the values. */
static void mix(const job *j, size_t row, size_t end)
{
    for (size_t at = 0; at < j->width; at += 2 * TILE) {
        float *sums = j->sums + row * j->width + at;
        FOR_SUMS(_tile_loadd, sums, j->width);
        multiply(j->weights, 0, PAGE, j->values, at * 2, j->width * 2, (end + STEP - 1) / STEP);
        FOR_SUMS(_tile_stored, sums, j->width);
    }
}

/* The stream.  ------------------------------------------------------------------------------- */

/* The positions of the page that a row sees: first..end - 1. */
typedef struct {
    size_t first, end;
} span;

static span seen_of(const job *j, size_t row, size_t base)
{
    size_t first = BL_MAX(j->from[row], base) - base, end = BL_MAX(j->end[row], base) - base;
    end = BL_MIN(end, (size_t)PAGE);
    return (span){ BL_MIN(first, end), end };
}

ALWAYS_INLINE vmask lanes_of(span seen, size_t at)
{
    return vmask_range(BL_MIN(BL_MAX(seen.first, at) - at, (size_t)VL),
                       BL_MIN(BL_MAX(seen.end, at) - at, (size_t)VL));
}

/* Caps scores and hides those that the row does not see; returns the largest. */
ALWAYS_INLINE float hide(const job *j, float *scores, span seen)
{
    const vf low = vf_set(-__builtin_inff());
    vf       most = low;
    if (seen.first == 0 && seen.end == PAGE && j->a->cap <= 0) {
        for (size_t k = 0; k < PAGE; k += VL)
            most = vf_max(most, vf_load(scores + k));
        return vf_highest(most);
    }
    for (size_t k = 0; k < PAGE; k += VL) {
        vmask some = lanes_of(seen, k);
        vf    x = vf_load_masked(scores + k, some);
        if (j->a->cap > 0)
            x = vf_mul(vf_tanh(vf_mul(x, vf_set(1 / j->a->cap))), vf_set(j->a->cap));
        x = vf_select(some, x, low);
        vf_store(scores + k, x);
        most = vf_max(most, x);
    }
    return vf_highest(most);
}

/* What is hidden weighs nothing. */
ALWAYS_INLINE vf weight_of(vf score, vf top)
{
    vf x = vf_exp(vf_max(vf_sub(score, top), vf_set(LEAST)));
    return vf_select(vf_less(score, vf_set(-0x1p100f)), vf_set(0), x);
}

/* A row's scores become weights, two parts each; returns their sum. */
ALWAYS_INLINE float weigh(const job *j, size_t in_tile, float most)
{
    const float *scores = j->scores + in_tile * PAGE;
    uint16_t    *first = j->weights[0] + in_tile * PAGE, *rest = j->weights[1] + in_tile * PAGE;
    vf           total = vf_set(0), top = vf_set(most);
    for (size_t k = 0; k < PAGE; k += 2 * VL) {
        vf low = vf_load(scores + k), high = vf_load(scores + k + VL);
        vf a = weight_of(low, top), b = weight_of(high, top);
        split(a, b, first + k, rest + k);
        total = vf_add(total, vf_add(a, b));
    }
    return vf_sum(total);
}

static void fade(const job *j, size_t row, float by)
{
    float *sums = j->sums + row * j->width;
    for (size_t i = 0; i < j->width && by != 1; i += VL)
        vf_store(sums + i, vf_mul(vf_load(sums + i), vf_set(by)));
}

/* Weights of ROWS rows, and their streams moved on. */
static void weigh_all(const job *j, size_t row, size_t base)
{
    _Alignas(64) float most[ROWS], by[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        most[i] = hide(j, j->scores + i * PAGE, seen_of(j, row + i, base));
    for (size_t i = 0; i < ROWS; i += VL) {
        vf before = vf_load(j->most + row + i), now = vf_max(before, vf_load(most + i));
        vf faded = vf_exp(vf_sub(before, now));
        vf_store(j->most + row + i, now);
        vf_store(j->total + row + i, vf_mul(vf_load(j->total + row + i), faded));
        vf_store(by + i, faded);
    }
    for (size_t i = 0; i < ROWS; i++)
        j->total[row + i] += weigh(j, i, j->most[row + i]);
    for (size_t i = 0; i < ROWS; i++)
        fade(j, row + i, by[i]);
}

/* The positions of the page before which ROWS rows see anything, 0 for none. */
static size_t reach_of(const job *j, size_t row, size_t base)
{
    size_t from = SIZE_MAX, end = 0;
    for (size_t i = row; i < row + ROWS; i++)
        if (j->end[i] > 0) {
            from = BL_MIN(from, j->from[i]);
            end = BL_MAX(end, j->end[i]);
        }
    return end <= base || from >= base + PAGE ? 0 : BL_MIN(end - base, (size_t)PAGE);
}

static void walk_page(const job *j, size_t page)
{
    split_page(j, j->a->pages[page] + j->a->at);
    for (size_t row = 0; row < j->rows; row += ROWS) {
        size_t end = reach_of(j, row, page * PAGE);
        if (end == 0)
            continue;
        score(j, row, end);
        weigh_all(j, row, page * PAGE);
        mix(j, row, end);
    }
}

static void finish(const job *j)
{
    const bl_attend *a = j->a;
    size_t           row = 0, head = a->layout->head_width;
    for (size_t t = 0; t < a->tokens; t++)
        for (size_t h = 0; h < a->heads; h++, row++) {
            const float *sums = j->sums + row * j->width;
            float       *out = a->out + t * a->out_row + h * head;
            vf           by = vf_set(1 / j->total[row]);
            for (size_t i = 0; i < head; i += VL) {
                vmask m = vmask_first(BL_MIN(head - i, (size_t)VL));
                vf_store_masked(out + i, m, vf_mul(vf_load(sums + i), by));
            }
        }
}

/* Memory and calls.  ------------------------------------------------------------------------- */

static size_t rows_of(size_t tokens, size_t heads)
{
    return (tokens * heads + ROWS - 1) / ROWS * ROWS;
}

/* Sizes are multiples of 64 bytes. */
static void *take(char **at, size_t size)
{
    void *taken = *at;
    *at += size;
    return taken;
}

static void lay_out(job *j, char *at)
{
    const size_t page = j->width * PAGE, number = sizeof(uint16_t), real = sizeof(float);
    for (int part = 0; part < 2; part++) {
        j->q[part] = take(&at, j->rows * j->width * number);
        j->keys[part] = take(&at, page * number);
        j->values[part] = take(&at, page * number);
        j->weights[part] = take(&at, ROWS * PAGE * number);
    }
    j->scores = take(&at, ROWS * PAGE * real);
    j->sums = take(&at, j->rows * j->width * real);
    j->most = take(&at, j->rows * real);
    j->total = take(&at, j->rows * real);
    j->from = take(&at, j->rows * sizeof *j->from);
    j->end = take(&at, j->rows * sizeof *j->end);
}

size_t bl_attend_amx_scratch(const bl_kv_layout *l, size_t heads, size_t tokens)
{
    size_t rows = rows_of(tokens, heads);
    size_t numbers = 2 * rows * l->width + 4 * l->width * PAGE + 2 * ROWS * PAGE;
    size_t floats = ROWS * PAGE + rows * (l->width + 2);
    return numbers * sizeof(uint16_t) + floats * sizeof(float) + rows * 2 * sizeof(size_t);
}

void bl_attend_amx(const bl_attend *a)
{
    job j = { .a = a, .width = a->layout->width, .rows = rows_of(a->tokens, a->heads) };
    if (a->layout->type == BL_KV_F32) {
        bl_layer_avx512.attend_prompt(a);
        return;
    }
    lay_out(&j, a->scratch);
    set_rows(&j);
    bl_amx_begin();
    for (size_t page = j.from[0] / PAGE; page * PAGE < a->position + a->tokens; page++)
        walk_page(&j, page);
    bl_amx_end();
    finish(&j);
}
