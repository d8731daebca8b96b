/* Recurrent layers: every instruction set against scalar C; the same bits on any number of threads.
 */
#include "tests/nn/nn_test.h"

#include <stdlib.h>

typedef struct {
    bl_cell  cell;
    size_t   steps, rows, hidden, directions;
    bool     lens, peephole, bias, states, input_forget;
    float    clip;
    bl_unary act[3];
} shape;

#define USUAL                                                                                      \
    {                                                                                              \
        BL_UNARY_SIGMOID, BL_UNARY_TANH, BL_UNARY_TANH                                             \
    }
#define ODD                                                                                        \
    {                                                                                              \
        BL_UNARY_HARD_SIGMOID, BL_UNARY_SOFTSIGN, BL_UNARY_SCALED_TANH                             \
    }

static const shape shapes[] = {
    { BL_CELL_LSTM, 3, 1, 16, 1, false, false, false, false, false, 0, USUAL },
    { BL_CELL_LSTM, 4, 2, 1, 2, true, true, false, true, false, 0, USUAL },
    { BL_CELL_LSTM, 5, 7, 33, 2, true, true, false, true, true, 0.3f, USUAL },
    { BL_CELL_LSTM, 2, 13, 47, 1, false, true, false, true, false, 0, ODD },
    { BL_CELL_LSTM, 0, 3, 8, 1, false, false, false, true, false, 0, USUAL },
    { BL_CELL_LSTM, 3, 0, 8, 2, false, false, false, true, false, 0, USUAL },
    { BL_CELL_GRU, 3, 1, 15, 1, false, false, false, true, false, 0, USUAL },
    { BL_CELL_GRU, 5, 8, 32, 2, true, false, false, true, false, 0.2f, USUAL },
    { BL_CELL_GRU, 2, 13, 50, 2, false, false, false, false, false, 0, ODD },
    { BL_CELL_GRU_AFTER, 3, 1, 17, 1, false, false, true, true, false, 0, USUAL },
    { BL_CELL_GRU_AFTER, 5, 5, 31, 2, true, false, true, true, false, 0, USUAL },
    { BL_CELL_GRU_AFTER, 2, 14, 64, 1, false, false, false, false, false, 0.5f, ODD },
    { BL_CELL_RNN, 6, 1, 7, 1, false, false, false, true, false, 0, { BL_UNARY_TANH } },
    { BL_CELL_RNN, 4, 9, 40, 2, true, false, false, true, false, 0, { BL_UNARY_RELU } },
    /* many weights, few rows: a job per step where there are threads */
    { BL_CELL_LSTM, 3, 1, 300, 1, false, true, false, true, false, 0, USUAL },
    { BL_CELL_GRU, 3, 2, 300, 1, true, false, false, true, false, 0, USUAL },
};

typedef struct {
    bl_recurrent r;
    float       *x, *weights, *bias, *peephole, *h0, *c0, *y, *h, *c;
    int32_t     *lens;
    size_t       y_len, state_len;
} layer;

static layer make(const shape *s)
{
    size_t gates = bl_cell_gates(s->cell), d = s->directions, width = d * gates * s->hidden;
    layer l = { .y_len = s->steps * d * s->rows * s->hidden, .state_len = d * s->rows * s->hidden };
    l.x = test_floats(s->steps * s->rows * width, 1);
    l.weights = test_floats(width * s->hidden, 2);
    for (size_t i = 0; i < width * s->hidden; i++)
        l.weights[i] /= sqrtf((float)s->hidden);
    l.bias = test_floats(d * s->hidden, 3);
    l.peephole = test_floats(d * 3 * s->hidden, 4);
    l.h0 = test_floats(l.state_len, 5);
    l.c0 = test_floats(l.state_len, 6);
    l.y = test_floats(l.y_len, 7);
    l.h = test_floats(l.state_len, 8);
    l.c = test_floats(l.state_len, 9);
    l.lens = calloc(s->rows + 1, sizeof *l.lens);
    for (size_t i = 0; i < s->rows; i++)
        l.lens[i] = (int32_t)((i * 3 + 1) % (s->steps + 1));
    l.r = (bl_recurrent){ .cell = s->cell,
                          .steps = s->steps,
                          .rows = s->rows,
                          .hidden = s->hidden,
                          .lens = s->lens ? l.lens : NULL,
                          .x_step = s->rows * width,
                          .x_row = width,
                          .y_step = d * s->rows * s->hidden,
                          .y_row = s->hidden,
                          .state_row = s->hidden,
                          .clip = s->clip,
                          .input_forget = s->input_forget,
                          .directions = d };
    for (size_t i = 0; i < d; i++) {
        size_t at = i * s->rows * s->hidden;
        l.r.direction[i] =
            (bl_direction){ .reverse = i == 1,
                            .x = l.x + i * gates * s->hidden,
                            .h_bias = s->bias ? l.bias + i * s->hidden : NULL,
                            .peephole = s->peephole ? l.peephole + i * 3 * s->hidden : NULL,
                            .h0 = s->states ? l.h0 + at : NULL,
                            .c0 = s->states ? l.c0 + at : NULL,
                            .y = l.y + at,
                            .h_out = l.h + at,
                            .c_out = s->cell == BL_CELL_LSTM ? l.c + at : NULL };
        for (size_t k = 0; k < 3; k++)
            l.r.direction[i].act[k] = (bl_activation){ s->act[k], 0.6f, 0.4f };
    }
    return l;
}

static void run(const bl_kernels *k, layer *l, bool packed, bl_pool *pool)
{
    bl_packed *weights[2] = { NULL, NULL };
    size_t     each = bl_cell_gates(l->r.cell) * l->r.hidden * l->r.hidden;
    for (size_t d = 0; d < l->r.directions; d++) {
        if (packed)
            CHECK_CODE(
                BLIND_OK,
                k->recurrent_pack(l->r.cell, l->r.hidden, l->weights + d * each, &weights[d], NULL),
                "pack");
        l->r.direction[d].weights = weights[d];
        l->r.direction[d].plain = packed ? NULL : l->weights + d * each;
    }
    l->r.scratch = test_scratch(k->recurrent_scratch(&l->r, bl_pool_threads(pool)));
    k->recurrent(&l->r, pool);
    free(l->r.scratch);
    bl_packed_free(weights[0]);
    bl_packed_free(weights[1]);
}

static void done(layer *l)
{
    free(l->x), free(l->weights), free(l->bias), free(l->peephole), free(l->h0), free(l->c0);
    free(l->y), free(l->h), free(l->c), free(l->lens);
}

TEST(recurrent_layers_agree_with_scalar)
{
    bl_pool *pools[3] = { NULL };
    CHECK_CODE(BLIND_OK, bl_pool_new(2, &pools[1], NULL), "pool");
    CHECK_CODE(BLIND_OK, bl_pool_new(5, &pools[2], NULL), "pool");
    for (size_t i = 0; i < BL_LEN(shapes); i++) {
        layer want = make(&shapes[i]);
        run(test_scalar(), &want, true, NULL);
        EACH_ISA(k)
        {
            layer first = make(&shapes[i]);
            run(k, &first, true, NULL);
            CHECK_NEAR(want.y, first.y, want.y_len, 1e-5f, 1e-5f, "%s y of %zu",
                       bl_isa_name(k->isa), i);
            CHECK_NEAR(want.h, first.h, want.state_len, 1e-5f, 1e-5f, "%s h of %zu",
                       bl_isa_name(k->isa), i);
            CHECK_NEAR(want.c, first.c, want.state_len, 1e-5f, 1e-5f, "%s c of %zu",
                       bl_isa_name(k->isa), i);
            for (size_t p = 1; p < BL_LEN(pools); p++) {
                layer again = make(&shapes[i]);
                run(k, &again, true, pools[p]);
                CHECK(want.y_len == 0 || memcmp(first.y, again.y, want.y_len * 4) == 0);
                CHECK(want.state_len == 0 || memcmp(first.h, again.h, want.state_len * 4) == 0);
                done(&again);
            }
            done(&first);
            layer plain = make(&shapes[i]);
            run(k, &plain, false, pools[1]);
            CHECK(want.y_len == 0 || memcmp(want.y, plain.y, want.y_len * 4) == 0);
            done(&plain);
        }
        done(&want);
    }
    bl_pool_free(pools[1]);
    bl_pool_free(pools[2]);
}

TEST(a_layer_of_impossible_size_is_refused)
{
    float one = 0;
    EACH_ISA(k)
    {
        bl_packed *packed;
        CHECK_CODE(BLIND_LIMIT, k->recurrent_pack(BL_CELL_LSTM, SIZE_MAX / 2, &one, &packed, NULL),
                   "hidden");
        CHECK(!packed);
    }
}

TESTS(RUN(recurrent_layers_agree_with_scalar), RUN(a_layer_of_impossible_size_is_refused))
