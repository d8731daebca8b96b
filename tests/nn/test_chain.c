/* Convolutions in a row: every instruction set against scalar convolutions one after the other. */
#include "tests/nn/nn_test.h"

#define TOLERANCE 3e-5f

typedef struct {
    const char *name;
    size_t      batch, in, middle, out; /* channels; in 0: no first convolution */
    size_t      high, wide, tall, taps; /* of the image, of the filter */
    size_t      stride, pad, pad_after;
} chain_case;

static const chain_case cases[] = {
    { "one pixel", 1, 3, 5, 2, 1, 1, 1, 1, 1, 0, 0 },
    { "no image", 0, 3, 5, 2, 4, 4, 3, 3, 1, 1, 1 },
    { "56", 1, 24, 144, 24, 56, 56, 3, 3, 1, 1, 1 },
    { "stride 2", 1, 16, 96, 24, 57, 44, 3, 3, 2, 1, 1 },
    { "asymmetric", 2, 8, 33, 17, 30, 29, 3, 3, 2, 0, 1 },
    { "14", 1, 64, 70, 64, 14, 14, 3, 3, 1, 1, 1 },
    { "7", 1, 40, 100, 36, 7, 7, 3, 3, 1, 1, 1 },
    { "7 stride 2", 1, 12, 65, 40, 14, 14, 3, 3, 2, 1, 1 },
    { "5x5", 1, 12, 40, 20, 28, 28, 5, 5, 1, 2, 2 },
    { "5x5 stride 2", 3, 12, 40, 20, 13, 15, 5, 5, 2, 2, 2 },
    { "2x3", 1, 12, 34, 20, 13, 15, 2, 3, 1, 1, 1 },
    { "stride beyond the filter", 1, 6, 34, 9, 20, 21, 3, 3, 4, 1, 0 },
    { "7x7", 1, 6, 20, 40, 12, 12, 7, 7, 1, 3, 3 },
    { "no first", 1, 0, 32, 16, 60, 61, 3, 3, 1, 1, 1 },
    { "no first, small", 2, 0, 50, 70, 6, 5, 3, 3, 1, 1, 1 },
    { "one column", 1, 5, 40, 16, 40, 1, 3, 3, 1, 1, 1 },
    { "wide pads", 1, 5, 40, 16, 3, 4, 3, 3, 1, 4, 5 },
    { "deep", 1, 400, 40, 10, 5, 9, 3, 3, 1, 1, 1 },
    { "deep middle", 1, 10, 1024, 40, 4, 4, 3, 3, 1, 1, 1 },
};

static const bl_epilogue acts[] = {
    { .act = BL_UNARY_NONE },
    { .act = BL_UNARY_RELU },
    { .act = BL_UNARY_CLIP, .a = -0.25f, .b = 0.5f },
    { .act = BL_UNARY_HARD_SWISH },
    { .act = BL_UNARY_SILU, .a = 1 },
};

static size_t out_len(const bl_window *w)
{
    return w->batch * w->channels_out * w->out[1] * w->out[2];
}

static bl_window window_of(const chain_case *c, int stage)
{
    size_t    high = bl_window_out(c->high, c->tall, c->stride, 1, c->pad, c->pad_after, false);
    size_t    wide = bl_window_out(c->wide, c->taps, c->stride, 1, c->pad, c->pad_after, false);
    bl_window w = { .batch = c->batch,
                    .channels_in = stage == 0 ? c->in : c->middle,
                    .channels_out = stage == 2 ? c->out : c->middle,
                    .groups = stage == 1 ? c->middle : 1,
                    .in = { 1, c->high, c->wide },
                    .out = { 1, c->high, c->wide },
                    .kernel = { 1, 1, 1 },
                    .stride = { 1, 1, 1 },
                    .dilation = { 1, 1, 1 } };
    if (stage >= 1) {
        w.out[1] = high;
        w.out[2] = wide;
    }
    if (stage == 2) {
        w.in[1] = high;
        w.in[2] = wide;
    }
    if (stage == 1) {
        w.kernel[1] = c->tall;
        w.kernel[2] = c->taps;
        w.stride[1] = w.stride[2] = c->stride;
        w.pad[1] = w.pad[2] = c->pad;
    }
    return w;
}

/* One convolution by scalar C. */
static void plain(const bl_window *w, const bl_epilogue *e, const float *x, const float *weights,
                  float *out)
{
    const bl_kernels *scalar = test_scalar();
    bl_packed        *packed;
    bl_conv           c = { .window = *w, .x = x, .out = out, .epilogue = *e };
    CHECK_CODE(BLIND_OK, scalar->conv_pack(w, weights, &packed, NULL), "pack");
    c.w = packed;
    scalar->conv(&c, NULL);
    bl_packed_free(packed);
}

static void run_chain(const bl_kernels *kernels, bl_chain c, float *const weights[3], float *out,
                      bl_pool *pool)
{
    bl_packed *packed[3] = { NULL, NULL, NULL };
    for (int i = 0; i < 3; i++) {
        if (weights[i])
            CHECK_CODE(BLIND_OK, kernels->chain_pack(&c.window[i], weights[i], &packed[i], NULL),
                       "pack");
        c.w[i] = packed[i];
    }
    c.out = out;
    c.scratch = test_scratch(kernels->chain_scratch(&c, bl_pool_threads(pool)));
    kernels->chain(&c, pool);
    free(c.scratch);
    for (int i = 0; i < 3; i++)
        bl_packed_free(packed[i]);
}

static void check_chain(const chain_case *c, const bl_epilogue *act, bl_pool *pool)
{
    bl_chain chain = { 0 };
    float   *weights[3] = { NULL }, *bias[3], *made[4];
    for (int i = 0; i < 3; i++) {
        bl_window *w = &chain.window[i];
        *w = window_of(c, i);
        size_t each = w->channels_in / w->groups * w->kernel[1] * w->kernel[2];
        if (i > 0 || c->in)
            weights[i] = test_floats(w->channels_out * each, 10 + (uint32_t)i);
        bias[i] = test_floats(w->channels_out, 20 + (uint32_t)i);
        made[i + 1] = test_floats(out_len(w), 3);
        chain.epilogue[i] = *act;
        chain.epilogue[i].bias = i == 1 && act->act == BL_UNARY_RELU ? NULL : bias[i];
    }
    const bl_window *w = chain.window, *first = c->in ? &w[0] : NULL;
    size_t           x_len = c->batch * (c->in ? c->in : c->middle) * c->high * c->wide;
    float           *add = test_floats(out_len(&w[2]), 5);
    made[0] = test_floats(x_len, 1);
    chain.x = made[0];
    chain.epilogue[2].add = add;
    assert_true(bl_chain_can(first, &w[1], &w[2]));
    if (first)
        plain(&w[0], &chain.epilogue[0], made[0], weights[0], made[1]);
    plain(&w[1], &chain.epilogue[1], first ? made[1] : made[0], weights[1], made[2]);
    plain(&w[2], &chain.epilogue[2], made[2], weights[2], made[3]);
    EACH_ISA(kernels)
    {
        float *got = test_floats(out_len(&w[2]), 6), *alone = test_floats(out_len(&w[2]), 7);
        run_chain(kernels, chain, weights, got, pool);
        run_chain(kernels, chain, weights, alone, NULL);
        CHECK_NEAR(made[3], got, out_len(&w[2]), 5e-5f, TOLERANCE * 10, "%s %s act %d",
                   bl_isa_name(kernels->isa), c->name, act->act);
        assert_memory_equal(got, alone, out_len(&w[2]) * sizeof *got);
        free(got), free(alone);
    }
    for (int i = 0; i < 3; i++)
        free(weights[i]), free(bias[i]);
    for (int i = 0; i < 4; i++)
        free(made[i]);
    free(add);
}

TEST(chain_agrees_for_every_shape)
{
    for (int threads = 2; threads <= 3; threads++) {
        bl_pool *pool = NULL;
        CHECK_CODE(BLIND_OK, bl_pool_new(threads, &pool, NULL), "pool");
        for (size_t i = 0; i < BL_LEN(cases); i++)
            check_chain(&cases[i], &acts[(i + (size_t)threads) % BL_LEN(acts)], pool);
        bl_pool_free(pool);
    }
}

TEST(chain_refuses_what_is_none)
{
    for (int i = 0; i < 6; i++) {
        bl_window w[3];
        for (int stage = 0; stage < 3; stage++)
            w[stage] = window_of(&cases[5], stage);
        assert_true(bl_chain_can(&w[0], &w[1], &w[2]));
        switch (i) {
        case 0:
            w[0].stride[1] = 2;
            break;
        case 1:
            w[2].pad[2] = 1;
            break;
        case 2:
            w[1].groups = 1;
            break;
        case 3:
            w[1].kernel[1] = BL_CHAIN_ROWS + 1;
            break;
        case 4:
            w[1].dilation[2] = 2;
            break;
        default:
            w[2].groups = 2;
        }
        assert_false(bl_chain_can(&w[0], &w[1], &w[2]));
    }
}

TESTS(RUN(chain_agrees_for_every_shape), RUN(chain_refuses_what_is_none))
