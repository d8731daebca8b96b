/* Functions, rows, reductions and copies: every instruction set against scalar C.  The bounds that
 * nn/kernels.h states are measured here, in units in the last place. */
#include "tests/nn/nn_test.h"

static const size_t lens[] = { 0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 1000 };

static const struct {
    bl_unary op;
    float    low, high, a, b; /* the arguments swept, and the parameters */
    float    ulp, absolute;   /* agree within one or the other */
} functions[] = {
    { BL_UNARY_NONE, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_RELU, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_CLIP, -9, 9, -1, 6, 0, 0 },
    { BL_UNARY_LEAKY_RELU, -9, 9, 0.1f, 0, 0, 0 },
    { BL_UNARY_SIGMOID, -87, 90, 0, 0, 4, 0 },
    { BL_UNARY_TANH, -12, 12, 0, 0, 4, 0 },
    { BL_UNARY_TANH, -1e-3f, 1e-3f, 0, 0, 4, 0 },
    { BL_UNARY_GELU_ERF, -12, 12, 0, 0, 4, 1e-6f },
    { BL_UNARY_GELU_TANH, -12, 12, 0, 0, 4, 1e-6f },
    { BL_UNARY_SILU, -60, 60, 1, 0, 4, 1e-6f },
    { BL_UNARY_HARD_SIGMOID, -9, 9, 0.2f, 0.5f, 1, 1e-7f },
    { BL_UNARY_HARD_SWISH, -9, 9, 0, 0, 4, 1e-6f },
    { BL_UNARY_ELU, -30, 9, 1.5f, 0, 4, 0 },
    { BL_UNARY_ELU, -1e-3f, 1e-3f, 1.5f, 0, 4, 0 },
    { BL_UNARY_SOFTPLUS, -80, 80, 0, 0, 4, 0 },
    { BL_UNARY_AFFINE, -9, 9, 3, -2, 1, 1e-6f },
    { BL_UNARY_EXP, -87, 89, 0, 0, 4, 0 },
    { BL_UNARY_EXP, -110, -87, 0, 0, 4, 3e-45f },
    { BL_UNARY_ERF, -5, 5, 0, 0, 4, 0 },
    { BL_UNARY_ERF, -1e-3f, 1e-3f, 0, 0, 4, 0 },
    { BL_UNARY_LOG, 1e-30f, 3, 0, 0, 4, 0 },
    { BL_UNARY_LOG, 0.9f, 1.1f, 0, 0, 4, 0 },
    { BL_UNARY_LOG, 0, 1e-38f, 0, 0, 4, 0 },
    { BL_UNARY_SQRT, -1, 90, 0, 0, 0, 0 },
    { BL_UNARY_RECIPROCAL, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_ABS, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_NEG, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_FLOOR, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_CEIL, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_ROUND, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_SIGN, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_SCALED_TANH, -9, 9, 1.5f, 0.7f, 4, 0 },
    { BL_UNARY_SOFTSIGN, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_THRESHOLDED_RELU, -9, 9, 0.5f, 0, 0, 0 },
    { BL_UNARY_SIN, -9, 9, 0, 0, 0, 0 },
    { BL_UNARY_COS, -9, 9, 0, 0, 0, 0 },
};

static float ulps(float want, float got)
{
    if (want == got || (isnan(want) && isnan(got)))
        return 0;
    if (isnan(want) || isnan(got) || isinf(want) || isinf(got))
        return INFINITY;
    float step = nextafterf(fabsf(want), INFINITY) - fabsf(want);
    return fabsf(want - got) / step;
}

TEST(functions_keep_their_bounds)
{
    const size_t len = 100003;
    float       *x = test_floats(len, 1), *want = test_floats(len, 2), *got = test_floats(len, 3);
    for (size_t f = 0; f < BL_LEN(functions); f++) {
        float low = functions[f].low, high = functions[f].high, worst = 0;
        for (size_t i = 0; i < len; i++)
            x[i] = low + (high - low) * (float)i / (float)(len - 1);
        test_scalar()->unary(functions[f].op, want, x, len, functions[f].a, functions[f].b, NULL);
        EACH_ISA(k)
        {
            k->unary(functions[f].op, got, x, len, functions[f].a, functions[f].b, NULL);
            for (size_t i = 0; i < len; i++) {
                float u = ulps(want[i], got[i]);
                if (fabsf(want[i] - got[i]) <= functions[f].absolute)
                    continue;
                worst = fmaxf(worst, u);
                if (!(u <= functions[f].ulp))
                    fail_msg("%s operator %d at %.9g: expected %.9g, found %.9g (%g ulp)",
                             bl_isa_name(k->isa), functions[f].op, (double)x[i], (double)want[i],
                             (double)got[i], (double)u);
            }
        }
        print_message("operator %2d on [%g, %g]: %.2f ulp\n", functions[f].op, (double)low,
                      (double)high, (double)worst);
    }
    free(x), free(want), free(got);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* Against double precision, in units in the last place of the exact result: what math.inc states.
 * Arguments from the smallest size on, `low` where the result would be subnormal. */
static const struct {
    const char *name;
    bl_unary    op;
    double (*exact)(double);
    float low, high, ulp;
} exact_functions[] = {
    { "exp", BL_UNARY_EXP, exp, -87, 88.7f, 1.1f },
    { "erf", BL_UNARY_ERF, erf, -6, 6, 2.5f },
    { "tanh", BL_UNARY_TANH, tanh, -20, 20, 1.5f },
    { "sigmoid", BL_UNARY_SIGMOID, sigmoid, -87, 90, 3.0f },
    { "log", BL_UNARY_LOG, log, 1.2e-38f, 3e38f, 1.0f },
};

/* Bits of the floats between 2^-24, or `low`, and `high`, so that each size counts alike. */
static void sweep(float *x, size_t len, float low, float high)
{
    uint32_t first, last, bits;
    float    least = low > 0 ? low : 0x1p-24f;
    memcpy(&first, &least, sizeof first);
    memcpy(&last, &high, sizeof last);
    for (size_t i = 0; i < len; i++) {
        bits = first + (uint32_t)((double)(last - first) * (double)i / (double)(len - 1));
        memcpy(&x[i], &bits, sizeof bits);
        if (low < 0 && i % 2 != 0)
            x[i] = -fminf(x[i], -low);
    }
}

TEST(functions_are_as_exact_as_stated)
{
    const size_t len = 1u << 22;
    float       *x = test_floats(len, 1), *got = test_floats(len, 2);
    for (size_t f = 0; f < BL_LEN(exact_functions); f++) {
        sweep(x, len, exact_functions[f].low, exact_functions[f].high);
        EACH_ISA(k)
        {
            double worst = 0;
            float  at = 0;
            k->unary(exact_functions[f].op, got, x, len, 0, 0, NULL);
            for (size_t i = 0; i < len; i++) {
                double want = exact_functions[f].exact((double)x[i]);
                float  size = fabsf((float)want);
                double step = (double)nextafterf(size, INFINITY) - (double)size;
                double off = fabs((double)got[i] - want) / step;
                if (!(off <= worst)) {
                    worst = off;
                    at = x[i];
                }
            }
            print_message("%s on %s: %.2f ulp at %.9g\n", exact_functions[f].name,
                          bl_isa_name(k->isa), worst, (double)at);
            CHECK(worst <= (double)exact_functions[f].ulp);
        }
    }
    free(x), free(got);
}

/* Zeros, infinities, NaN, the largest and the smallest: what scalar gives, where that is stated. */
TEST(functions_meet_special_numbers)
{
    static const float special[] = { 0.0f,     -0.0f,  INFINITY, -INFINITY, NAN,    3.4e38f,
                                     -3.4e38f, 1e-45f, -1e-45f,  1.2e-38f,  88.72f, 100 };
    for (size_t f = 0; f < BL_LEN(functions); f++)
        for (size_t i = 0; i < BL_LEN(special); i++) {
            float want, got;
            test_scalar()->unary(functions[f].op, &want, &special[i], 1, 0.5f, 1, NULL);
            EACH_ISA(k)
            {
                k->unary(functions[f].op, &got, &special[i], 1, 0.5f, 1, NULL);
                CHECK_NEAR(&want, &got, 1, 1e-6f, 1e-6f, "%s operator %d of %g",
                           bl_isa_name(k->isa), functions[f].op, (double)special[i]);
            }
        }
}

TEST(unary_and_gate_agree_at_every_length)
{
    for (size_t i = 0; i < BL_LEN(lens); i++) {
        float *a = test_floats(lens[i], 1), *b = test_floats(lens[i], 2);
        float *want = test_floats(lens[i], 3), *got = test_floats(lens[i], 4);
        EACH_ISA(k)
        {
            for (int op = 0; op < BL_UNARY_COUNT; op++) {
                if (op == BL_UNARY_LOG || op == BL_UNARY_SQRT)
                    continue;
                test_scalar()->unary((bl_unary)op, want, a, lens[i], 0.3f, 0.4f, NULL);
                k->unary((bl_unary)op, got, a, lens[i], 0.3f, 0.4f, NULL);
                CHECK_NEAR(want, got, lens[i], 1e-6f, 1e-6f, "%s %d", bl_isa_name(k->isa), op);
            }
            test_scalar()->gate(want, a, b, lens[i], NULL);
            k->gate(got, a, b, lens[i], NULL);
            CHECK_NEAR(want, got, lens[i], 1e-6f, 1e-6f, "%s gate", bl_isa_name(k->isa));
        }
        free(a), free(b), free(want), free(got);
    }
}

/* shape and the strides of both operands: dense, broadcast by scalar, row, column, general. */
static const struct {
    const char *name;
    int         rank;
    size_t      shape[4], a[4], b[4];
} patterns[] = {
    { "scalars", 0, { 0 }, { 0 }, { 0 } },
    { "same", 2, { 33, 40 }, { 40, 1 }, { 40, 1 } },
    { "scalar b", 2, { 33, 40 }, { 40, 1 }, { 0, 0 } },
    { "scalar a", 2, { 33, 40 }, { 0, 0 }, { 40, 1 } },
    { "row", 3, { 3, 11, 37 }, { 407, 37, 1 }, { 0, 0, 1 } },
    { "column", 3, { 3, 11, 37 }, { 407, 37, 1 }, { 11, 1, 0 } },
    { "channel", 3, { 3, 11, 37 }, { 0, 1, 0 }, { 407, 37, 1 } },
    { "outer", 2, { 19, 37 }, { 1, 0 }, { 0, 1 } },
    { "turned", 2, { 30, 33 }, { 33, 1 }, { 1, 30 } },
    { "both scalars", 2, { 5, 20 }, { 0, 0 }, { 0, 0 } },
    { "ones", 4, { 1, 20, 1, 17 }, { 0, 17, 0, 1 }, { 340, 17, 17, 1 } },
    { "empty", 2, { 0, 20 }, { 20, 1 }, { 20, 1 } },
    { "large", 2, { 300, 401 }, { 401, 1 }, { 0, 1 } },
    { "long", 1, { 100001 }, { 1 }, { 1 } },
};

TEST(binary_agrees_for_every_pattern)
{
    bl_pool *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(2, &pool, NULL), "pool");
    for (size_t p = 0; p < BL_LEN(patterns); p++) {
        size_t len = 1;
        for (int axis = 0; axis < patterns[p].rank; axis++)
            len *= patterns[p].shape[axis];
        float *a = test_floats(len + 1, 1), *b = test_floats(len + 1, 2);
        float *want = test_floats(len, 3), *got = test_floats(len, 4);
        a[0] = NAN;
        if (len > 5)
            b[5] = NAN;
        for (int op = 0; op < BL_BINARY_COUNT; op++) {
            bl_elementwise e = { .op = (bl_binary)op, .rank = patterns[p].rank, .a = a, .b = b };
            e.act = op == BL_BINARY_ADD ? BL_UNARY_RELU : BL_UNARY_NONE;
            memcpy(e.shape, patterns[p].shape, sizeof patterns[p].shape);
            memcpy(e.a_stride, patterns[p].a, sizeof patterns[p].a);
            memcpy(e.b_stride, patterns[p].b, sizeof patterns[p].b);
            e.out = want;
            test_scalar()->binary(&e, NULL);
            EACH_ISA(k)
            {
                e.out = got;
                k->binary(&e, pool);
                CHECK_NEAR(want, got, len, 1e-6f, 0, "%s %s op %d", bl_isa_name(k->isa),
                           patterns[p].name, op);
            }
        }
        free(a), free(b), free(want), free(got);
    }
    bl_pool_free(pool);
}

TEST(rows_agree_at_every_width)
{
    bl_pool *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(2, &pool, NULL), "pool");
    for (size_t i = 0; i < BL_LEN(lens); i++)
        for (size_t rows = 0; rows < 40; rows += 13) {
            size_t width = lens[i], len = rows * width;
            float *x = test_floats(len, 1), *gain = test_floats(width, 2),
                  *want = test_floats(len, 4);
            float *bias = test_floats(width, 3), *got = test_floats(len, 5);
            for (size_t j = 0; j < len; j++)
                x[j] = x[j] * 20 + 3;
            EACH_ISA(k)
            {
                for (int log = 0; log < 2; log++) {
                    test_scalar()->softmax(want, x, rows, width, log, NULL);
                    k->softmax(got, x, rows, width, log, pool);
                    CHECK_NEAR(want, got, len, 2e-6f, log ? 4e-6f : 1e-7f, "%s softmax %zu log %d",
                               bl_isa_name(k->isa), width, log);
                }
                for (int biased = 0; biased < 2; biased++) {
                    test_scalar()->layer_norm(want, x, gain, biased ? bias : NULL, rows, width,
                                              1e-5f, NULL);
                    k->layer_norm(got, x, gain, biased ? bias : NULL, rows, width, 1e-5f, pool);
                    CHECK_NEAR(want, got, len, 1e-5f, 2e-5f, "%s layer norm %zu",
                               bl_isa_name(k->isa), width);
                }
            }
            free(x), free(gain), free(bias), free(want), free(got);
        }
    bl_pool_free(pool);
}

TEST(inner_axes_agree)
{
    for (size_t i = 0; i < BL_LEN(lens); i++)
        for (size_t j = 0; j < 6; j++) {
            size_t outer = j, axis = lens[(i + j) % 10], inner = lens[i] % 100;
            size_t len = outer * axis * inner;
            float *x = test_floats(len, 1), *want = test_floats(len + 1, 2);
            float *scale = test_floats(axis, 5), *shift = test_floats(axis, 6);
            float *got = test_floats(len + 1, 3);
            EACH_ISA(k)
            {
                for (int log = 0; log < 2; log++) {
                    test_scalar()->softmax_axis(want, x, outer, axis, inner, log, NULL);
                    k->softmax_axis(got, x, outer, axis, inner, log, NULL);
                    CHECK_NEAR(want, got, len, 2e-6f, 1e-6f, "%s softmax", bl_isa_name(k->isa));
                }
                test_scalar()->scale_shift(want, x, scale, shift, outer, axis, inner,
                                           BL_UNARY_LEAKY_RELU, 0.1f, 0, NULL);
                k->scale_shift(got, x, scale, shift, outer, axis, inner, BL_UNARY_LEAKY_RELU, 0.1f,
                               0, NULL);
                CHECK_NEAR(want, got, len, 1e-6f, 1e-6f, "%s scale", bl_isa_name(k->isa));
            }
            free(x), free(want), free(got), free(scale), free(shift);
        }
}

TEST(reductions_agree)
{
    static const size_t axes[] = { 0, 1, 2, 15, 16, 17, 255, 256, 257, 5000 };
    static const size_t inners[] = { 1, 2, 16, 33 };
    for (size_t i = 0; i < BL_LEN(axes); i++)
        for (size_t j = 0; j < BL_LEN(inners); j++) {
            size_t outer = 3, inner = inners[j], axis = axes[i];
            float *x = test_floats(outer * axis * inner, 1);
            float *want = test_floats(outer * inner, 2), *got = test_floats(outer * inner, 3);
            for (int op = 0; op < BL_REDUCE_COUNT; op++)
                EACH_ISA(k)
                {
                    test_scalar()->reduce((bl_reduction)op, want, x, outer, axis, inner, NULL);
                    k->reduce((bl_reduction)op, got, x, outer, axis, inner, NULL);
                    CHECK_NEAR(want, got, outer * inner, 1e-5f, 1e-4f,
                               "%s op %d axis %zu inner %zu", bl_isa_name(k->isa), op, axis, inner);
                }
            free(x), free(want), free(got);
        }
}

static const struct {
    const char *name;
    int         rank;
    size_t      shape[4];
    ptrdiff_t   stride[4];
    ptrdiff_t   first; /* element of x where the view begins */
} views[] = {
    { "one", 0, { 0 }, { 0 }, 0 },
    { "dense", 3, { 4, 5, 6 }, { 30, 6, 1 }, 0 },
    { "turned", 2, { 37, 65 }, { 1, 37 }, 0 },
    { "heads", 4, { 2, 3, 20, 16 }, { 960, 16, 48, 1 }, 0 },
    { "keys", 4, { 2, 3, 16, 20 }, { 960, 16, 1, 48 }, 0 },
    { "slice", 2, { 10, 7 }, { 40, 2 }, 5 },
    { "repeat", 3, { 3, 10, 5 }, { 0, 1, 0 }, 0 },
    { "flip", 2, { 6, 20 }, { 20, -1 }, 19 },
    { "flip all", 1, { 100 }, { -1 }, 99 },
    { "empty", 3, { 4, 0, 5 }, { 1, 1, 1 }, 0 },
    { "large turned", 3, { 2, 200, 170 }, { 34000, 1, 200 }, 0 },
};

static void check_view(size_t v, size_t element_size, bl_pool *pool)
{
    size_t len = 1;
    for (int axis = 0; axis < views[v].rank; axis++)
        len *= views[v].shape[axis];
    uint8_t *x = (uint8_t *)test_floats(70000 * element_size / 4 + 4, 1);
    uint8_t *got = malloc(len * element_size + 1);
    bl_copy  c = { .element_size = element_size, .rank = views[v].rank };
    memcpy(c.shape, views[v].shape, sizeof views[v].shape);
    memcpy(c.stride, views[v].stride, sizeof views[v].stride);
    c.x = x + (size_t)views[v].first * element_size;
    c.out = got;
    test_scalar()->copy(&c, pool);
    for (size_t i = 0; i < len; i++) {
        ptrdiff_t at = views[v].first;
        size_t    rest = i;
        for (int axis = views[v].rank; axis-- > 0; rest /= views[v].shape[axis])
            at += (ptrdiff_t)(rest % views[v].shape[axis]) * views[v].stride[axis];
        if (memcmp(x + (size_t)at * element_size, got + i * element_size, element_size) != 0)
            fail_msg("%s, elements of %zu bytes: wrong at %zu", views[v].name, element_size, i);
    }
    free(x), free(got);
}

TEST(copy_moves_every_view)
{
    static const size_t sizes[] = { 1, 2, 3, 4, 8, 16 };
    bl_pool            *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(2, &pool, NULL), "pool");
    for (size_t v = 0; v < BL_LEN(views); v++)
        for (size_t s = 0; s < BL_LEN(sizes); s++)
            check_view(v, sizes[s], s % 2 ? pool : NULL);
    bl_pool_free(pool);
}

TEST(gather_takes_rows)
{
    static const int64_t indices[] = { 3, 0, 4, 4 };
    int16_t table[5][3] = { { 0, 1, 2 }, { 3, 4, 5 }, { 6, 7, 8 }, { 9, 10, 11 }, { 12, 13, 14 } };
    int16_t out[4][3];
    test_scalar()->gather_rows(out, table, sizeof table[0], indices, 4, NULL);
    for (size_t i = 0; i < 4; i++)
        assert_memory_equal(out[i], table[indices[i]], sizeof out[i]);
    test_scalar()->gather_rows(out, table, 0, indices, 4, NULL);
    test_scalar()->gather_rows(NULL, table, 6, NULL, 0, NULL);
}

TESTS(RUN(functions_keep_their_bounds), RUN(functions_are_as_exact_as_stated),
      RUN(functions_meet_special_numbers), RUN(unary_and_gate_agree_at_every_length),
      RUN(binary_agrees_for_every_pattern), RUN(rows_agree_at_every_width), RUN(inner_axes_agree),
      RUN(reductions_agree), RUN(copy_moves_every_view), RUN(gather_takes_rows))
