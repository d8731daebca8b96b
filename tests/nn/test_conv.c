/* Convolutions and pools: every instruction set against scalar C. */
#include "tests/nn/nn_test.h"
#if defined(__x86_64__)
#include "nn/conv_amx.h"
#endif

#define TOLERANCE 3e-5f /* of sums of at most 3,000 products of numbers below 1: absolute */

typedef struct {
    const char *name;
    bl_window   w; /* out is computed */
    size_t      after[3];
} shape;

#define IMAGE(h, wide)                                                                             \
    {                                                                                              \
        1, h, wide                                                                                 \
    }
#define ONES                                                                                       \
    {                                                                                              \
        1, 1, 1                                                                                    \
    }
#define SQUARE(n)                                                                                  \
    {                                                                                              \
        1, n, n                                                                                    \
    }
#define AROUND(n)                                                                                  \
    {                                                                                              \
        0, n, n                                                                                    \
    }

/* batch, channels in and out, groups, in, out, kernel, stride, dilation, pad before; pad after */
static const shape shapes[] = {
    { "one pixel", { 1, 1, 1, 1, IMAGE(1, 1), ONES, ONES, ONES, ONES, AROUND(0) }, AROUND(0) },
    { "no image", { 0, 3, 4, 1, IMAGE(4, 4), ONES, ONES, ONES, ONES, AROUND(0) }, AROUND(0) },
    { "1x1 wide", { 2, 20, 40, 1, IMAGE(28, 28), ONES, ONES, ONES, ONES, AROUND(0) }, AROUND(0) },
    { "1x1 deep", { 1, 300, 70, 1, IMAGE(7, 7), ONES, ONES, ONES, ONES, AROUND(0) }, AROUND(0) },
    { "1x1 stride 2",
      { 1, 65, 33, 1, IMAGE(57, 57), ONES, ONES, SQUARE(2), ONES, AROUND(0) },
      AROUND(0) },
    { "3x3 56", { 1, 8, 64, 1, IMAGE(56, 56), ONES, SQUARE(3), ONES, ONES, AROUND(1) }, AROUND(1) },
    { "3x3 14",
      { 2, 33, 70, 1, IMAGE(14, 14), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "3x3 7", { 1, 64, 96, 1, IMAGE(7, 7), ONES, SQUARE(3), ONES, ONES, AROUND(1) }, AROUND(1) },
    { "3x3 stride 2",
      { 1, 16, 35, 1, IMAGE(57, 56), ONES, SQUARE(3), SQUARE(2), ONES, AROUND(1) },
      AROUND(1) },
    { "3x3 stride 2 asymmetric",
      { 1, 16, 35, 1, IMAGE(29, 29), ONES, SQUARE(3), SQUARE(2), ONES, AROUND(0) },
      AROUND(1) },
    { "3x3 dilated",
      { 1, 5, 20, 1, IMAGE(40, 37), ONES, SQUARE(3), ONES, SQUARE(3), AROUND(3) },
      AROUND(3) },
    { "7x7 stride 2",
      { 1, 3, 64, 1, IMAGE(65, 67), ONES, SQUARE(7), SQUARE(2), ONES, AROUND(3) },
      AROUND(3) },
    { "stride 3",
      { 1, 4, 9, 1, IMAGE(31, 50), ONES, SQUARE(5), SQUARE(3), ONES, AROUND(2) },
      AROUND(1) },
    { "narrow", { 1, 4, 40, 1, IMAGE(50, 3), ONES, SQUARE(3), ONES, ONES, AROUND(1) }, AROUND(1) },
    { "pads beyond the kernel",
      { 1, 4, 15, 1, IMAGE(3, 4), ONES, SQUARE(3), ONES, ONES, AROUND(5) },
      AROUND(6) },
    { "one channel out",
      { 1, 30, 1, 1, IMAGE(30, 30), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "groups",
      { 2, 24, 36, 3, IMAGE(19, 20), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "groups small",
      { 1, 96, 192, 2, IMAGE(9, 9), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "multiplier",
      { 1, 6, 18, 6, IMAGE(20, 20), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "depthwise 3x3",
      { 2, 5, 5, 5, IMAGE(30, 33), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "depthwise 3x3 stride 2",
      { 1, 5, 5, 5, IMAGE(57, 64), ONES, SQUARE(3), SQUARE(2), ONES, AROUND(1) },
      AROUND(1) },
    { "depthwise 5x5",
      { 1, 4, 4, 4, IMAGE(14, 15), ONES, SQUARE(5), ONES, ONES, AROUND(2) },
      AROUND(2) },
    { "depthwise 5x5 stride 2",
      { 1, 4, 4, 4, IMAGE(15, 18), ONES, SQUARE(5), SQUARE(2), ONES, AROUND(2) },
      AROUND(2) },
    { "depthwise 7x7",
      { 1, 3, 3, 3, IMAGE(20, 21), ONES, SQUARE(7), ONES, ONES, AROUND(3) },
      AROUND(3) },
    { "depthwise dilated",
      { 1, 3, 3, 3, IMAGE(20, 41), ONES, SQUARE(3), ONES, SQUARE(4), AROUND(4) },
      AROUND(4) },
    { "depthwise stride 3",
      { 1, 3, 3, 3, IMAGE(20, 41), ONES, SQUARE(3), SQUARE(3), ONES, AROUND(1) },
      AROUND(1) },
    { "depthwise tiny",
      { 1, 3, 3, 3, IMAGE(1, 2), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "depthwise 3-d",
      { 1, 3, 3, 3, { 4, 5, 6 }, ONES, { 3, 3, 3 }, ONES, ONES, { 1, 1, 1 } },
      { 1, 1, 1 } },
    { "signal dilated",
      { 1, 64, 128, 1, { 1, 1, 1000 }, ONES, { 1, 1, 2 }, ONES, { 1, 1, 64 }, { 0, 0, 64 } },
      { 0, 0, 0 } },
    { "signal strided",
      { 1, 7, 20, 1, { 1, 1, 333 }, ONES, { 1, 1, 10 }, { 1, 1, 5 }, ONES, AROUND(0) },
      AROUND(0) },
    { "long kernel",
      { 1, 2, 20, 1, { 1, 1, 700 }, ONES, { 1, 1, 300 }, ONES, ONES, { 0, 0, 150 } },
      { 0, 0, 149 } },
    { "3-d",
      { 1, 5, 20, 1, { 5, 8, 9 }, ONES, { 3, 3, 3 }, { 2, 1, 2 }, ONES, { 1, 1, 1 } },
      { 1, 1, 1 } },
    { "3x3 128 28",
      { 1, 50, 128, 1, IMAGE(28, 27), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "3x3 without pads",
      { 1, 70, 66, 1, IMAGE(31, 33), ONES, SQUARE(3), ONES, ONES, AROUND(0) },
      AROUND(0) },
    { "3x3 wide pads",
      { 2, 64, 64, 1, IMAGE(22, 22), ONES, SQUARE(3), ONES, ONES, AROUND(2) },
      AROUND(2) },
    { "3x3 asymmetric",
      { 1, 64, 72, 1, IMAGE(40, 40), ONES, SQUARE(3), ONES, ONES, AROUND(0) },
      AROUND(1) },
    { "3x3 batch",
      { 5, 70, 64, 1, IMAGE(7, 7), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "3x3 stride 2 batch",
      { 3, 40, 48, 1, IMAGE(20, 21), ONES, SQUARE(3), SQUARE(2), ONES, AROUND(1) },
      AROUND(1) },
    { "2x4 stride 2",
      { 2, 40, 33, 1, IMAGE(20, 21), ONES, { 1, 2, 4 }, { 1, 2, 2 }, ONES, { 0, 0, 1 } },
      { 0, 1, 2 } },
    { "groups wide",
      { 2, 128, 160, 2, IMAGE(12, 13), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "3x3 dilated stride 2",
      { 2, 40, 64, 1, IMAGE(21, 22), ONES, SQUARE(3), SQUARE(2), SQUARE(3), AROUND(3) },
      AROUND(3) },
    { "1x1 padded", { 2, 40, 64, 1, IMAGE(9, 10), ONES, ONES, ONES, ONES, AROUND(1) }, AROUND(2) },
    { "patches",
      { 1, 3, 64, 1, IMAGE(64, 48), ONES, SQUARE(16), SQUARE(16), ONES, AROUND(0) },
      AROUND(0) },
    { "by lines, some channels at a time",
      { 2, 45, 56, 1, IMAGE(57, 55), ONES, SQUARE(3), SQUARE(2), ONES, AROUND(1) },
      AROUND(1) },
    { "by lines, a long signal",
      { 1, 40, 32, 1, { 1, 1, 1100 }, ONES, { 1, 1, 3 }, { 1, 1, 2 }, ONES, { 0, 0, 2 } },
      { 0, 0, 1 } },
    { "patches in two blocks, channels in the lanes",
      { 1, 160, 40, 1, IMAGE(23, 24), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "pixels packed once for many channels",
      { 1, 20, 520, 1, IMAGE(9, 9), ONES, SQUARE(3), SQUARE(2), ONES, AROUND(1) },
      AROUND(1) },
    { "1x1 packed",
      { 2, 300, 224, 1, IMAGE(13, 15), ONES, ONES, ONES, ONES, AROUND(0) },
      AROUND(0) },
    { "small", { 1, 16, 32, 1, IMAGE(8, 8), ONES, SQUARE(3), ONES, ONES, AROUND(1) }, AROUND(1) },
    { "small by odd squares",
      { 2, 20, 37, 1, IMAGE(9, 11), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "small by squares without pads",
      { 1, 17, 33, 1, IMAGE(7, 16), ONES, SQUARE(3), ONES, ONES, AROUND(0) },
      AROUND(0) },
    { "small by squares, one row, wide pads",
      { 3, 16, 17, 1, IMAGE(2, 9), ONES, SQUARE(3), ONES, ONES, AROUND(2) },
      { 0, 0, 1 } },
    { "small, one channel in",
      { 3, 1, 16, 1, IMAGE(8, 8), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "small and odd",
      { 2, 5, 37, 1, IMAGE(9, 11), ONES, { 1, 3, 2 }, ONES, ONES, { 0, 1, 0 } },
      { 0, 0, 1 } },
    { "small stride 2",
      { 2, 7, 33, 1, IMAGE(17, 15), ONES, SQUARE(3), SQUARE(2), ONES, AROUND(1) },
      AROUND(1) },
    { "small stride 3, spread",
      { 4, 6, 70, 1, IMAGE(20, 25), ONES, { 1, 2, 3 }, { 1, 2, 3 }, { 1, 3, 2 }, { 0, 2, 1 } },
      { 0, 0, 4 } },
    { "small, pads beyond the kernel",
      { 1, 3, 20, 1, IMAGE(3, 4), ONES, SQUARE(3), ONES, ONES, AROUND(4) },
      AROUND(5) },
    { "small, rows of 22",
      { 1, 3, 40, 1, IMAGE(5, 23), ONES, { 1, 5, 2 }, ONES, ONES, AROUND(0) },
      AROUND(0) },
    { "halves 2x2",
      { 2, 3, 3, 3, IMAGE(9, 70), ONES, SQUARE(2), SQUARE(2), ONES, AROUND(0) },
      AROUND(0) },
    { "halves 2x2 of 8",
      { 1, 5, 5, 5, IMAGE(8, 8), ONES, SQUARE(2), SQUARE(2), ONES, AROUND(0) },
      AROUND(0) },
    { "many channels",
      { 1, 20, 600, 1, IMAGE(21, 21), ONES, ONES, ONES, ONES, AROUND(0) },
      AROUND(0) },
};

static bl_window filled(const shape *s, bool ceil_mode)
{
    bl_window w = s->w;
    for (int axis = 0; axis < 3; axis++)
        w.out[axis] = bl_window_out(w.in[axis], w.kernel[axis], w.stride[axis], w.dilation[axis],
                                    w.pad[axis], s->after[axis], ceil_mode);
    return w;
}

static size_t product(const size_t v[3])
{
    return v[0] * v[1] * v[2];
}

static void run_conv(const bl_kernels *kernels, bl_conv c, const float *weights, float *out,
                     bl_pool *pool)
{
    bl_packed *packed = NULL;
    CHECK_CODE(BLIND_OK, kernels->conv_pack(&c.window, weights, &packed, NULL), "pack");
    c.w = packed;
    c.out = out;
    c.scratch = test_scratch(kernels->conv_scratch(&c.window, packed, bl_pool_threads(pool)));
    kernels->conv(&c, pool);
    free(c.scratch);
    bl_packed_free(packed);
}

#if defined(__x86_64__)
typedef struct {
    const char *from;
    char       *to;
} hidden;

static void reveal(void *arg, blind_span part)
{
    hidden *h = arg;
    memcpy((void *)(uintptr_t)part.data, h->from + (part.data - (uint8_t *)h->to), part.size);
}

/* Tiles, also where a kernel table would not choose them, of filters with gains at an odd address
 * that are there once they were asked for. */
static blind_code tiles_pack(int parts, const bl_window *w, const float *weights, bl_packed **out,
                             blind_error *err)
{
    size_t     k = w->channels_in / w->groups * product(w->kernel), len = w->channels_out * k;
    double    *gain = calloc(w->channels_out + 1, sizeof *gain);
    float     *less = calloc(len + 1, sizeof *less);
    char      *odd = calloc(len + 1, sizeof *less);
    bl_pool   *pool = NULL;
    hidden     secret = { (const char *)less, odd + 1 };
    bl_reading reading = { reveal, &secret };
    bl_filters filters = { odd + 1, gain, &reading };
    for (size_t i = 0; i < len; i++) {
        gain[i / k] = i / k % 2 ? 4 : 0.5;
        less[i] = weights[i] / (float)gain[i / k];
    }
    if (parts == 2)
        CHECK_CODE(BLIND_OK, bl_pool_new(3, &pool, NULL), "pool");
    blind_code code = bl_conv_amx_pack(parts, w, &filters, pool, out, err);
    bl_pool_free(pool);
    free(gain), free(less), free(odd);
    return code;
}
static blind_code tiles_pack_3(const bl_window *w, const float *weights, bl_packed **out,
                               blind_error *err)
{
    return tiles_pack(3, w, weights, out, err);
}
static blind_code tiles_pack_2(const bl_window *w, const float *weights, bl_packed **out,
                               blind_error *err)
{
    return tiles_pack(2, w, weights, out, err);
}
static blind_code tiles_pack_1(const bl_window *w, const float *weights, bl_packed **out,
                               blind_error *err)
{
    return tiles_pack(1, w, weights, out, err);
}

static void check_tiles(const bl_conv *c, const char *name, const float *weights, const float *want,
                        size_t len, bl_pool *pool)
{
    static const struct {
        blind_code (*pack)(const bl_window *w, const float *weights, bl_packed **out,
                           blind_error *err);
        bl_precision precision;
        float        relative, absolute; /* of sums of at most 3,000 products */
    } each[] = {
        { tiles_pack_3, BL_PRECISION_HIGHEST, 1e-5f, TOLERANCE },
        { tiles_pack_2, BL_PRECISION_HIGH, 1e-4f, 5e-4f },
        { tiles_pack_1, BL_PRECISION_MEDIUM, 2e-2f, 0.3f },
    };
    for (size_t i = 0; i < BL_LEN(each) && bl_conv_amx_can(&c->window); i++) {
        const bl_kernels *table = bl_kernels_for(BL_ISA_AMX, each[i].precision);
        if (!table)
            return;
        bl_kernels tiles = *table;
        float     *got = test_floats(len, 6);
        tiles.conv_pack = each[i].pack;
        run_conv(&tiles, *c, weights, got, pool);
        CHECK_NEAR(want, got, len, each[i].relative, each[i].absolute, "%s in %d parts", name,
                   3 - (int)i);
        free(got);
    }
}
#endif

static void check_conv(const shape *s, const bl_epilogue *epilogue, bool extra, bl_pool *pool)
{
    bl_window w = filled(s, false);
    size_t    out_len = w.batch * w.channels_out * product(w.out);
    size_t    taps = w.channels_in / w.groups * product(w.kernel);
    float    *x = test_floats(w.batch * w.channels_in * product(w.in), 1);
    float  *weights = test_floats(w.channels_out * taps, 2), *bias = test_floats(w.channels_out, 3);
    float  *add = test_floats(out_len, 4), *want = test_floats(out_len, 5);
    bl_conv c = { .window = w, .x = x, .epilogue = *epilogue };
    if (extra) {
        c.epilogue.bias = bias;
        c.epilogue.add = c.epilogue.mul = add;
    }
    run_conv(test_scalar(), c, weights, want, NULL);
    EACH_ISA(kernels)
    {
        float *got = test_floats(out_len, 6);
        run_conv(kernels, c, weights, got, pool);
        CHECK_NEAR(want, got, out_len, 1e-5f, TOLERANCE, "%s %s act %d", bl_isa_name(kernels->isa),
                   s->name, epilogue->act);
        free(got);
    }
#if defined(__x86_64__)
    check_tiles(&c, s->name, weights, want, out_len, pool);
#endif
    free(x), free(weights), free(bias), free(add), free(want);
}

TEST(conv_agrees_for_every_shape)
{
    bl_pool *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(3, &pool, NULL), "pool");
    for (size_t i = 0; i < BL_LEN(shapes); i++)
        for (int helpers = 0; helpers < 2; helpers++) {
            check_conv(&shapes[i], &(bl_epilogue){ 0 }, false, helpers ? pool : NULL);
            check_conv(&shapes[i], &(bl_epilogue){ .act = BL_UNARY_RELU }, true,
                       helpers ? pool : NULL);
        }
    bl_pool_free(pool);
}

/* Infinities, NaN and numbers near the largest stay what they are, and reach only the windows that
 * meet them; on tiles, by Winograd's products, and with strides, groups and spread taps. */
static const shape odd_shapes[] = {
    { "3x3", { 2, 64, 64, 1, IMAGE(30, 22), ONES, SQUARE(3), ONES, ONES, AROUND(1) }, AROUND(1) },
    { "3x3 stride 2",
      { 2, 34, 36, 1, IMAGE(13, 17), ONES, SQUARE(3), SQUARE(2), ONES, AROUND(1) },
      AROUND(1) },
    { "1x1", { 1, 40, 34, 1, IMAGE(12, 13), ONES, ONES, ONES, ONES, AROUND(0) }, AROUND(0) },
    { "7x7",
      { 1, 3, 34, 1, IMAGE(23, 31), ONES, SQUARE(7), SQUARE(2), ONES, AROUND(3) },
      AROUND(3) },
    { "few patches",
      { 2, 70, 40, 1, IMAGE(14, 13), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "by lines",
      { 1, 40, 64, 1, IMAGE(29, 56), ONES, SQUARE(3), SQUARE(2), ONES, AROUND(1) },
      AROUND(1) },
    { "groups",
      { 1, 40, 40, 2, IMAGE(12, 13), ONES, SQUARE(3), ONES, ONES, AROUND(1) },
      AROUND(1) },
    { "small", { 2, 16, 32, 1, IMAGE(8, 8), ONES, SQUARE(3), ONES, ONES, AROUND(1) }, AROUND(1) },
    { "small without pads",
      { 1, 3, 20, 1, IMAGE(9, 16), ONES, { 1, 2, 3 }, { 1, 2, 2 }, ONES, AROUND(0) },
      AROUND(0) },
    { "signal",
      { 1, 34, 40, 1, { 1, 1, 300 }, ONES, { 1, 1, 3 }, ONES, { 1, 1, 16 }, { 0, 0, 32 } },
      AROUND(0) },
};

static void check_odd(const shape *s, float odd, bool in_weights, bl_pool *pool)
{
    bl_window w = filled(s, false);
    size_t    out_len = w.batch * w.channels_out * product(w.out);
    size_t    taps = w.channels_in / w.groups * product(w.kernel);
    size_t    x_len = w.batch * w.channels_in * product(w.in);
    float    *x = test_floats(x_len, 1), *weights = test_floats(w.channels_out * taps, 2);
    float    *want = test_floats(out_len, 5), *got = test_floats(out_len, 6);
    bl_conv   c = { .window = w, .x = x };
    if (in_weights)
        weights[taps + taps / 3] = odd;
    else
        x[x_len / 2 + w.in[2] / 3] = odd;
    run_conv(test_scalar(), c, weights, want, NULL);
    EACH_ISA(kernels)
    {
        run_conv(kernels, c, weights, got, pool);
        CHECK_NEAR(want, got, out_len, 1e-5f, TOLERANCE, "%s %s %g", bl_isa_name(kernels->isa),
                   s->name, (double)odd);
    }
#if defined(__x86_64__)
    if (!in_weights)
        check_tiles(&c, s->name, weights, want, out_len, pool);
#endif
    free(x), free(weights), free(want), free(got);
}

TEST(conv_keeps_what_is_not_finite)
{
    static const float odd[] = { INFINITY, -INFINITY, NAN, 3.4e38f };
    bl_pool           *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(2, &pool, NULL), "pool");
    for (size_t i = 0; i < BL_LEN(odd_shapes); i++)
        for (size_t k = 0; k < BL_LEN(odd); k++)
            for (int in_weights = 0; in_weights < 2; in_weights++)
                if (!in_weights || isfinite(odd[k]) || odd_shapes[i].w.pad[2] == 0) /* 0 * inf */
                    check_odd(&odd_shapes[i], odd[k], in_weights, k % 2 ? pool : NULL);
    bl_pool_free(pool);
}

/* The layout chosen for one image size runs another. */
static void check_other_size(size_t channels)
{
    size_t    sizes[] = { 8, 40 };
    bl_window w[2];
    for (int i = 0; i < 2; i++) {
        shape s = { "",
                    { 1, channels, channels, 1, IMAGE(sizes[i], sizes[i]), ONES, SQUARE(3), ONES,
                      ONES, AROUND(1) },
                    AROUND(1) };
        w[i] = filled(&s, false);
    }
    float *weights = test_floats(channels * channels * 9, 1), *x = test_floats(channels * 1600, 2);
    float *want = test_floats(channels * 1600, 3);
    for (int i = 0; i < 2; i++) {
        bl_conv c = { .window = w[i], .x = x };
        run_conv(test_scalar(), c, weights, want, NULL);
        EACH_ISA(kernels)
        {
            bl_packed *packed = NULL;
            float     *got = test_floats(channels * 1600, 3);
            CHECK_CODE(BLIND_OK, kernels->conv_pack(&w[1 - i], weights, &packed, NULL), "pack");
            c.w = packed;
            c.out = got;
            c.scratch = test_scratch(kernels->conv_scratch(&c.window, packed, 1));
            kernels->conv(&c, NULL);
            CHECK_NEAR(want, got, channels * 1600, 1e-5f, TOLERANCE, "%s",
                       bl_isa_name(kernels->isa));
            free(c.scratch);
            free(got);
            bl_packed_free(packed);
        }
    }
    free(weights), free(x), free(want);
}

TEST(conv_runs_sizes_it_was_not_packed_for)
{
    static const size_t channels[] = { 4, 16, 24, 64 };
    for (size_t i = 0; i < BL_LEN(channels); i++)
        check_other_size(channels[i]);
}

TEST(pools_agree)
{
    for (size_t i = 0; i < BL_LEN(shapes); i++)
        for (int mode = 0; mode < 4; mode++) {
            bl_window w = filled(&shapes[i], mode & 2);
            w.channels_out = w.channels_in;
            size_t     out_len = w.batch * w.channels_in * product(w.out);
            float     *x = test_floats(w.batch * w.channels_in * product(w.in), 1);
            float     *want = test_floats(out_len, 2);
            bl_pooling p = { .window = w, .x = x, .out = want, .count_pad = mode & 1 };
            memcpy(p.pad_after, shapes[i].after, sizeof p.pad_after);
            for (int average = 0; average < 2; average++) {
                const bl_kernels *s = test_scalar();
                p.out = want;
                (average ? s->avg_pool : s->max_pool)(&p, NULL);
                EACH_ISA(kernels)
                {
                    p.out = test_floats(out_len, 3);
                    (average ? kernels->avg_pool : kernels->max_pool)(&p, NULL);
                    CHECK_NEAR(want, p.out, out_len, 1e-6f, 1e-6f, "%s %s average %d mode %d",
                               bl_isa_name(kernels->isa), shapes[i].name, average, mode);
                    free(p.out);
                }
            }
            free(x), free(want);
        }
}

/* NaN wins wherever in a window it stands; infinities are numbers. */
TEST(max_pool_keeps_nan)
{
    static const float odd[] = { INFINITY, -INFINITY, NAN };
    bl_window w = { 1, 3, 3, 1, IMAGE(7, 37), IMAGE(3, 18), SQUARE(2), SQUARE(2), ONES, AROUND(0) };
    size_t    len = 3 * product(w.in), out_len = 3 * product(w.out);
    float    *want = test_floats(out_len, 2), *got = test_floats(out_len, 3);
    bl_pooling p = { .window = w };
    for (size_t k = 0; k < BL_LEN(odd); k++)
        for (size_t at = 0; at < len; at += 5) {
            float *x = test_floats(len, 1);
            x[at] = odd[k];
            p.x = x, p.out = want;
            test_scalar()->max_pool(&p, NULL);
            EACH_ISA(kernels)
            {
                p.out = got;
                kernels->max_pool(&p, NULL);
                CHECK_NEAR(want, got, out_len, 0, 0, "%s %g at %zu", bl_isa_name(kernels->isa),
                           (double)odd[k], at);
            }
            free(x);
        }
    free(want), free(got);
}

static const struct {
    size_t in, kernel, stride, dilation, before, after;
    bool   ceil_mode;
    size_t want;
} outs[] = {
    { 224, 7, 2, 1, 3, 3, false, 112 }, { 112, 3, 2, 1, 1, 1, false, 56 },
    { 7, 3, 2, 1, 0, 0, true, 3 },      { 8, 3, 2, 1, 0, 0, true, 4 },
    { 8, 3, 2, 1, 0, 0, false, 3 },     { 2, 3, 1, 1, 0, 0, false, 0 },
    { 0, 1, 1, 1, 0, 0, false, 0 },     { 5, 2, 1, 4, 0, 0, false, 1 },
    { 3, 1, 3, 1, 0, 0, true, 1 },      { SIZE_MAX, 2, 1, 1, 1, 1, false, 0 },
};

TEST(window_out_counts_windows)
{
    for (size_t i = 0; i < BL_LEN(outs); i++)
        assert_int_equal(outs[i].want,
                         bl_window_out(outs[i].in, outs[i].kernel, outs[i].stride, outs[i].dilation,
                                       outs[i].before, outs[i].after, outs[i].ceil_mode));
}

TESTS(RUN(conv_agrees_for_every_shape), RUN(conv_keeps_what_is_not_finite),
      RUN(conv_runs_sizes_it_was_not_packed_for), RUN(pools_agree), RUN(max_pool_keeps_nan),
      RUN(window_out_counts_windows))
