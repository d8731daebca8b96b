/* Products with weights of 4 and 8 bits: plain C against the definition, and every instruction set
 * and precision against the product of the same weights as floats. */
#include "tests/nn/nn_test.h"

typedef struct {
    size_t      rows, k, n, bits, block;
    bool        is_signed, zeros, by_rows; /* by_rows: numbers of a row are beside each other */
    bl_epilogue epilogue;
} nbits_case;

typedef struct {
    uint8_t *q;
    float   *scale, *zero, *floats; /* floats: [k][n] */
} weights;

static unsigned number_at(const uint8_t *q, size_t bits, size_t at)
{
    return bits == 8 ? q[at] : (unsigned)q[at / 2] >> (4 * (at % 2)) & 15u;
}

/* Exactly as many bytes as there are numbers, so that the sanitizer sees any step beyond them. */
static bl_nbits_matrix make_weights(const nbits_case *c, weights *w)
{
    size_t   blocks = (c->k + c->block - 1) / c->block, rows = blocks * c->block;
    size_t   size = (rows * c->n * c->bits + 7) / 8;
    uint32_t state = (uint32_t)(c->k + c->n);
    w->q = malloc(size + (size == 0));
    w->scale = test_floats(blocks * c->n, 5);
    w->zero = test_floats(blocks * c->n, 6);
    w->floats = malloc((c->k * c->n + 1) * sizeof *w->floats);
    for (size_t i = 0; i < size; i++)
        w->q[i] = (uint8_t)test_random(&state);
    bl_nbits_matrix m = { .q = w->q,
                          .bits = c->bits,
                          .is_signed = c->is_signed,
                          .k = c->k,
                          .n = c->n,
                          .row_stride = c->by_rows ? c->n : 1,
                          .col_stride = c->by_rows ? 1 : rows,
                          .block = c->block,
                          .scale = w->scale,
                          .zero = c->zeros ? w->zero : NULL,
                          .scale_row = c->by_rows ? c->n : 1,
                          .scale_col = c->by_rows ? 1 : blocks };
    float           half = c->bits == 4 ? 8 : 128;
    for (size_t i = 0; i < blocks * c->n; i++) {
        w->scale[i] /= half;
        w->zero[i] = floorf(w->zero[i] * half) + (c->is_signed ? 0 : half);
    }
    for (size_t i = 0; i < c->k; i++)
        for (size_t j = 0; j < c->n; j++) {
            size_t   at = i / c->block * m.scale_row + j * m.scale_col;
            unsigned q = number_at(w->q, c->bits, i * m.row_stride + j * m.col_stride);
            float    value = c->is_signed && (float)q >= half ? (float)q - 2 * half : (float)q;
            float    zero = c->zeros ? w->zero[at] : c->is_signed ? 0 : half;
            w->floats[i * c->n + j] = (value - zero) * w->scale[at];
        }
    return m;
}

static void run(const bl_kernels *kernels, const nbits_case *c, const bl_packed *packed,
                const float *a, float *out, bl_pool *pool)
{
    void *scratch = test_scratch(kernels->gemm_scratch(packed, c->rows, bl_pool_threads(pool)));
    kernels->gemm(&(bl_gemm){ .rows = c->rows,
                              .a = a,
                              .a_stride = c->k + 3,
                              .b = packed,
                              .out = out,
                              .out_stride = c->n + 1,
                              .epilogue = c->epilogue,
                              .scratch = scratch },
                  pool);
    free(scratch);
}

static void check(const nbits_case *c, bl_pool *pool)
{
    weights         w;
    bl_nbits_matrix small = make_weights(c, &w);
    bl_matrix       floats = { w.floats, c->k, c->n, c->n, 1, NULL };
    size_t          len = c->rows * (c->n + 1);
    float          *a = test_floats(c->rows * (c->k + 3), 1), *want = test_floats(len, 3);
    bl_packed      *packed;
    CHECK_CODE(BLIND_OK, test_scalar()->gemm_pack(&floats, &packed, NULL), "floats");
    run(test_scalar(), c, packed, a, want, NULL);
    bl_packed_free(packed);
    for (int at = 0; at < BL_ISA_COUNT * BL_PRECISION_COUNT; at++) {
        const bl_kernels *kernels = bl_kernels_for((bl_isa)(at / BL_PRECISION_COUNT),
                                                   (bl_precision)(at % BL_PRECISION_COUNT));
        if (!kernels || (kernels->isa == BL_ISA_SCALAR && c->rows * c->k * c->n > 2000000))
            continue;
        float *got = test_floats(len, 3);
        CHECK_CODE(BLIND_OK, kernels->gemm_pack_nbits(&small, pool, &packed, NULL), "pack");
        assert_int_equal(bl_packed_k(packed), c->k);
        assert_int_equal(bl_packed_n(packed), c->n);
        run(kernels, c, packed, a, got, pool);
        /* Of sums of at most 1,100 products of numbers below 1, or 2 with zero points. */
        float loss = kernels->precision == BL_PRECISION_HIGHEST ? 4e-5f
                     : kernels->precision == BL_PRECISION_HIGH  ? 8e-4f
                                                                : 0.2f;
        CHECK_NEAR(want, got, len, 1e-5f, loss, "%s %s %zux%zux%zu, %zu bits, blocks of %zu",
                   bl_isa_name(kernels->isa), bl_precision_name(kernels->precision), c->rows, c->k,
                   c->n, c->bits, c->block);
        bl_packed_free(packed);
        free(got);
    }
    free(w.q), free(w.scale), free(w.zero), free(w.floats), free(a), free(want);
}

TEST(nbits_agree_at_every_size)
{
    static const size_t rows[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 14, 15, 16, 17, 40 };
    static const size_t cols[] = { 0, 1, 15, 16, 17, 31, 32, 33, 64, 65, 100 };
    static const size_t ks[] = { 1, 7, 8, 16, 31, 32, 33, 63, 64, 100, 129, 300 };
    static const size_t blocks[] = { 8, 16, 32, 64, 128, 4096 };
    bl_pool            *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(3, &pool, NULL), "pool");
    size_t turn = 0;
    for (size_t i = 0; i < BL_LEN(rows); i++)
        for (size_t j = 0; j < BL_LEN(cols); j++, turn++) {
            nbits_case c = { .rows = rows[i], .n = cols[j], .k = ks[turn % BL_LEN(ks)] };
            c.block = blocks[(i + j) % BL_LEN(blocks)];
            c.bits = (i ^ j) & 1 ? 8 : 4;
            c.is_signed = turn % 3 == 0;
            c.zeros = turn % 5 < 2;
            c.by_rows = turn % 7 < 3;
            check(&c, turn % 2 ? pool : NULL);
        }
    bl_pool_free(pool);
}

/* More panels than are made floats at a time, with all that an epilogue does. */
TEST(nbits_of_many_rows_agree)
{
    bl_pool   *pool = NULL;
    nbits_case c = { .rows = 33, .k = 1100, .n = 2100, .bits = 4, .block = 32, .zeros = true };
    float     *bias = test_floats(c.n, 8), *more = test_floats(c.rows * (c.n + 1), 9);
    CHECK_CODE(BLIND_OK, bl_pool_new(2, &pool, NULL), "pool");
    c.epilogue = (bl_epilogue){ .bias = bias, .add = more };
    check(&c, pool);
    check(&c, NULL);
    bl_pool_free(pool);
    free(bias), free(more);
}

TEST(nbits_take_little_memory)
{
    nbits_case      c = { .rows = 1, .k = 1024, .n = 64, .bits = 4, .block = 32 };
    weights         w;
    bl_nbits_matrix small = make_weights(&c, &w);
    for (int isa = 0; isa < BL_ISA_COUNT; isa++) {
        const bl_kernels *kernels = bl_kernels_for((bl_isa)isa, BL_PRECISION_HIGHEST);
        bl_packed        *packed;
        if (!kernels)
            continue;
        CHECK_CODE(BLIND_OK, kernels->gemm_pack_nbits(&small, NULL, &packed, NULL), "pack");
        assert_true(bl_packed_size(packed) < c.k * c.n * 6 / 8); /* 5 bits, and a head */
        bl_packed_free(packed);
    }
    free(w.q), free(w.scale), free(w.zero), free(w.floats);
}

/* Scales that bf16 cannot hold go another way than tiles. */
TEST(nbits_of_extreme_scales_agree)
{
    for (size_t rows = 1; rows <= 20; rows += 19) {
        nbits_case      c = { .rows = rows, .k = 64, .n = 40, .bits = 4, .block = 16 };
        weights         w;
        bl_nbits_matrix small = make_weights(&c, &w);
        float          *a = test_floats(c.rows * (c.k + 3), 1);
        for (size_t i = 0; i < 4 * c.n; i++)
            w.scale[i] = i % 8 == 5 ? INFINITY : 3e37f;
        for (int at = 0; at < BL_ISA_COUNT * BL_PRECISION_COUNT; at++) {
            const bl_kernels *kernels = bl_kernels_for((bl_isa)(at / BL_PRECISION_COUNT),
                                                       (bl_precision)(at % BL_PRECISION_COUNT));
            bl_packed        *packed;
            if (!kernels)
                continue;
            float *got = test_floats(c.rows * (c.n + 1), 3);
            CHECK_CODE(BLIND_OK, kernels->gemm_pack_nbits(&small, NULL, &packed, NULL), "pack");
            run(kernels, &c, packed, a, got, NULL);
            for (size_t r = 0; r < rows; r++)
                for (size_t j = 0; j < c.n; j++)
                    assert_true(j % 2 == 1 ? !isfinite(got[r * (c.n + 1) + j]) : true);
            bl_packed_free(packed);
            free(got);
        }
        free(w.q), free(w.scale), free(w.zero), free(w.floats), free(a);
    }
}

TESTS(RUN(nbits_agree_at_every_size), RUN(nbits_of_many_rows_agree), RUN(nbits_take_little_memory),
      RUN(nbits_of_extreme_scales_agree))
