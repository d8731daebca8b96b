/* Sums of few rows with panels of bf16 parts, by AVX-512: tiles spend as much on one row as on
 * sixteen, and ask memory for fewer lines at a time.  The parts of a weight are added up, which is
 * exact, and multiply the rows as they are, so that the error is that of the weights alone. */
#include "nn/amx.h"

#include "nn/vec512.h"

#define STEP      ((size_t)BL_AMX_STEP)
#define GROUP     (4 * STEP) /* products summed before they are added to the sums, as in few.inc */
#define TILE      ((size_t)512) /* bf16 numbers: 16 pairs of products, 16 columns */
#define PAIR      ((size_t)32)
#define NEAR      ((size_t)8) /* pairs ahead that are fetched */
#define UNROLL    _Pragma("GCC unroll 16")
#define EACH_ROWS X(1) X(2) X(3) X(4)
_Static_assert(BL_AMX_FEW_ROWS == 4, "rows of the kernels below");

/* Two products' weights of 16 columns. */
static inline __attribute__((always_inline)) void join_pair(const size_t    parts,
                                                            const uint16_t *from, size_t ahead,
                                                            vf *even, vf *odd)
{
    const __m512i high = _mm512_set1_epi32((int)0xffff0000);
    *even = *odd = vf_set(0);
    UNROLL for (size_t p = 0; p < parts; p++)
    {
        __m512i both = _mm512_load_si512(from + p * 2 * TILE);
        _mm_prefetch((const char *)(from + p * 2 * TILE + ahead), _MM_HINT_T0);
        vf first = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
        vf second = _mm512_castsi512_ps(_mm512_and_si512(both, high));
        *even = p == 0 ? first : vf_add(*even, first);
        *odd = p == 0 ? second : vf_add(*odd, second);
    }
}

/* k <= STEP products of one panel. */
static inline __attribute__((always_inline)) void few_step(const size_t parts, const size_t rows,
                                                           float *sums, size_t k, const float *a,
                                                           size_t stride, const uint16_t *panel,
                                                           bool more)
{
    vf s[BL_AMX_FEW_ROWS][2];
    UNROLL for (size_t r = 0; r < rows; r++) s[r][0] = s[r][1] = vf_set(0);
    for (size_t i = 0; i < k; i += 2, a += 2, panel += PAIR) {
        /* The pair eight further on, which may be in the next step. */
        size_t ahead = i < 2 * NEAR ? NEAR * PAIR : (parts * 2 - 1) * TILE + NEAR * PAIR;
        size_t next = i + 1 < k; /* beyond the last product weights are zero: any number will do */
        vf     even[2], odd[2];
        UNROLL for (size_t half = 0; half < 2; half++)
            join_pair(parts, panel + half * TILE, ahead, &even[half], &odd[half]);
        UNROLL for (size_t r = 0; r < rows; r++)
        {
            vf x = vf_set(a[r * stride]), y = vf_set(next ? a[r * stride + 1] : 0);
            s[r][0] = vf_fma(y, odd[0], vf_fma(x, even[0], s[r][0]));
            s[r][1] = vf_fma(y, odd[1], vf_fma(x, even[1], s[r][1]));
        }
    }
    UNROLL for (size_t i = 0; i < 2 * rows; i++)
    {
        float *to = sums + i * VL;
        vf_store(to, more ? vf_add(vf_load(to), s[i / 2][i % 2]) : s[i / 2][i % 2]);
    }
}

static inline __attribute__((always_inline)) void few_rows(const size_t parts, const size_t rows,
                                                           float *sums, size_t k, const float *a,
                                                           size_t stride, const void *const *panels,
                                                           size_t count)
{
    float *groups = sums + BL_STREAMS * BL_TILE_LEN;
    for (size_t i = 0; i == 0 || i < k; i += STEP) {
        size_t n = BL_MIN(k - i, STEP);
        bool   last = i + STEP >= k || (i + STEP) % GROUP == 0;
        for (size_t p = 0; p < count; p++) {
            const uint16_t *panel = (const uint16_t *)panels[p] + i * BL_AMX_COLS * parts;
            float          *group = groups + p * BL_TILE_LEN, *sum = sums + p * BL_TILE_LEN;
            few_step(parts, rows, group, n, a + i, stride, panel, i % GROUP != 0);
            for (size_t at = 0; last && at < rows * BL_AMX_COLS; at += VL) {
                vf x = vf_load(group + at);
                vf_store(sum + at, i >= GROUP ? vf_add(vf_load(sum + at), x) : x);
            }
        }
    }
}

#define X(n)                                                                                       \
    static void one_##n(float *sums, size_t k, const float *a, size_t stride,                      \
                        const void *const *panels, size_t count)                                   \
    {                                                                                              \
        few_rows(1, n, sums, k, a, stride, panels, count);                                         \
    }                                                                                              \
    static void two_##n(float *sums, size_t k, const float *a, size_t stride,                      \
                        const void *const *panels, size_t count)                                   \
    {                                                                                              \
        few_rows(2, n, sums, k, a, stride, panels, count);                                         \
    }
EACH_ROWS
#undef X

typedef void kernel(float *sums, size_t k, const float *a, size_t stride, const void *const *panels,
                    size_t count);

void bl_amx_few_one(float *sums, size_t rows, size_t k, const float *a, size_t stride,
                    const void *const *panels, size_t count)
{
#define X(n) [n] = one_##n,
    static kernel *const of[] = { EACH_ROWS };
#undef X
    of[rows](sums, k, a, stride, panels, count);
}

void bl_amx_few_two(float *sums, size_t rows, size_t k, const float *a, size_t stride,
                    const void *const *panels, size_t count)
{
#define X(n) [n] = two_##n,
    static kernel *const of[] = { EACH_ROWS };
#undef X
    of[rows](sums, k, a, stride, panels, count);
}
