/* What the kernel tests share: numbers, comparison against scalar C, the tables that run here. */
#ifndef BL_NN_TEST_H
#define BL_NN_TEST_H

#include "nn/kernels.h"

#include "tests/test.h"

#include <math.h>

/* The fast tables of this processor: all but scalar, which is what they are held against. */
#define EACH_ISA(k)                                                                                \
    for (int isa_##k = BL_ISA_SCALAR + 1; isa_##k < BL_ISA_COUNT; isa_##k++)                       \
        for (const bl_kernels *k = bl_kernels_for((bl_isa)isa_##k, BL_PRECISION_HIGHEST); k;       \
             k = NULL)

/* The same, at every precision. */
#define EACH_KERNELS(k)                                                                            \
    for (int at_##k = BL_PRECISION_COUNT; at_##k < BL_ISA_COUNT * BL_PRECISION_COUNT; at_##k++)    \
        for (const bl_kernels *k = bl_kernels_for((bl_isa)(at_##k / BL_PRECISION_COUNT),           \
                                                  (bl_precision)(at_##k % BL_PRECISION_COUNT));    \
             k; k = NULL)

static inline const bl_kernels *test_scalar(void)
{
    return bl_kernels_for(BL_ISA_SCALAR, BL_PRECISION_HIGHEST);
}

static inline uint32_t test_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Exactly `len` floats in [-1, 1), so that the sanitizer sees any step beyond them. */
static inline float *test_floats(size_t len, uint32_t seed)
{
    float *x = malloc(len * sizeof *x + (len == 0));
    CHECK(x != NULL);
    for (size_t i = 0; i < len; i++)
        x[i] = (float)test_random(&seed) / 8388608.0f - 1.0f;
    return x;
}

static inline void *test_scratch(size_t size)
{
    void *p = aligned_alloc(64, (size + 63) / 64 * 64 + 64);
    CHECK(p != NULL);
    memset(p, 0xff,
           (size + 63) / 64 * 64 + 64); /* NaN, should anything read what it did not write */
    return p;
}

static inline bool test_near(float want, float got, float relative, float absolute)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got))
        return want == got;
    return fabsf(want - got) <= absolute + relative * fabsf(want);
}

#define CHECK_NEAR(want, got, len, relative, absolute, ...)                                        \
    do {                                                                                           \
        for (size_t near_i = 0; near_i < (len); near_i++)                                          \
            if (!test_near((want)[near_i], (got)[near_i], relative, absolute)) {                   \
                print_message(__VA_ARGS__);                                                        \
                fail_msg(" [%zu]: expected %.9g, found %.9g", near_i, (double)(want)[near_i],      \
                         (double)(got)[near_i]);                                                   \
            }                                                                                      \
    } while (0)

#endif
