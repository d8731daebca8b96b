/* Matrix products and attention: every instruction set against scalar C, at sizes on either side of
 * each tile, panel, block and chunk, with every epilogue, with and without helpers. */
#include "tests/nn/nn_test.h"

#define TOLERANCE 2e-5f /* of sums of at most 1,000 products of numbers below 1: absolute */

static const size_t row_sizes[] = { 0, 1, 5, 6, 7, 8, 13, 14, 15, 28, 29, 127, 128, 129, 300 };
static const size_t col_sizes[] = { 0, 1, 15, 16, 17, 31, 32, 33, 64, 65, 300 };
static const size_t k_sizes[] = { 0, 1, 2, 63, 255, 256, 257, 513 };

/* What a precision may lose of numbers about 1. */
static float tolerance(bl_precision precision)
{
    return precision == BL_PRECISION_HIGHEST ? TOLERANCE
           : precision == BL_PRECISION_HIGH  ? 1e-4f
                                             : 2e-2f;
}

typedef struct {
    size_t      rows, k, n, pad; /* pad: added to the strides */
    bool        transposed, in_place;
    bl_epilogue epilogue;
} gemm_case;

static void run_gemm(const bl_kernels *kernels, const gemm_case *c, const float *a, const float *b,
                     float *out, bl_pool *pool)
{
    bl_packed *packed = NULL;
    bl_matrix  from = { b, c->k, c->n, c->transposed ? 1 : c->n, c->transposed ? c->k : 1, NULL };
    CHECK_CODE(BLIND_OK, kernels->gemm_pack(&from, &packed, NULL), "pack");
    void   *scratch = test_scratch(kernels->gemm_scratch(packed, c->rows, bl_pool_threads(pool)));
    bl_gemm g = { .rows = c->rows,
                  .a = a,
                  .a_stride = c->k + c->pad,
                  .b = packed,
                  .out = out,
                  .out_stride = c->n + c->pad,
                  .epilogue = c->epilogue,
                  .scratch = scratch };
    if (c->in_place)
        g.epilogue.add = out;
    kernels->gemm(&g, pool);
    free(scratch);
    bl_packed_free(packed);
}

static void check_gemm(const gemm_case *c, bl_pool *pool)
{
    size_t out_len = c->rows * (c->n + c->pad);
    float *a = test_floats(c->rows * (c->k + c->pad), 1), *b = test_floats(c->k * c->n, 2);
    float *want = test_floats(out_len, 3), *got = test_floats(out_len, 3);
    run_gemm(test_scalar(), c, a, b, want, NULL);
    EACH_KERNELS(kernels)
    {
        float loss =
            kernels->precision == BL_PRECISION_HIGHEST ? 0 : 4 * tolerance(kernels->precision);
        if (c->epilogue.act != BL_UNARY_NONE && loss > 0)
            continue;
        free(got);
        got = test_floats(out_len, 3);
        run_gemm(kernels, c, a, b, got, pool);
        CHECK_NEAR(want, got, out_len, 1e-5f, TOLERANCE + loss, "%s %s %zux%zux%zu act %d",
                   bl_isa_name(kernels->isa), bl_precision_name(kernels->precision), c->rows, c->k,
                   c->n, c->epilogue.act);
    }
    free(a), free(b), free(want), free(got);
}

TEST(gemm_agrees_at_every_size)
{
    bl_pool *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(3, &pool, NULL), "pool");
    for (size_t i = 0; i < BL_LEN(row_sizes); i++)
        for (size_t j = 0; j < BL_LEN(col_sizes); j++) {
            gemm_case c = { .rows = row_sizes[i], .n = col_sizes[j], .k = k_sizes[(i + j) % 8] };
            c.pad = (i + j) % 3;
            c.transposed = (i ^ j) & 1;
            check_gemm(&c, (i + j) % 2 ? pool : NULL);
        }
    for (size_t i = 0; i < BL_LEN(k_sizes); i++)
        check_gemm(&(gemm_case){ .rows = 9, .n = 33, .k = k_sizes[i] }, NULL);
    bl_pool_free(pool);
}

/* Each number of rows is a kernel of its own; panels are read in pairs, the last one maybe alone.
 */
TEST(gemm_of_few_rows_agrees)
{
    static const size_t cols[] = { 20, 64, 70, 100 };
    for (size_t rows = 1; rows <= 17; rows++)
        for (size_t i = 0; i < BL_LEN(k_sizes); i++)
            check_gemm(&(gemm_case){ .rows = rows, .k = k_sizes[i], .n = cols[(rows + i) % 4] },
                       NULL);
}

/* One row that picks row `row` of a packed matrix must give it back, whatever the precision. */
static void check_packed(const bl_kernels *kernels, const bl_packed *packed, const float *want,
                         size_t k, size_t n, size_t row)
{
    float *pick = calloc(k, sizeof *pick), *got = test_floats(n, 7);
    void  *scratch = test_scratch(kernels->gemm_scratch(packed, 1, 1));
    pick[row] = 1;
    kernels->gemm(&(bl_gemm){ .rows = 1,
                              .a = pick,
                              .a_stride = k,
                              .b = packed,
                              .out = got,
                              .out_stride = n,
                              .scratch = scratch },
                  NULL);
    CHECK_NEAR(want, got, n, 0, 0, "%s, precision %d, %zux%zu, row %zu", bl_isa_name(kernels->isa),
               (int)kernels->precision, k, n, row);
    free(pick), free(got), free(scratch);
}

/* Bytes that are there once they were asked for. */
typedef struct {
    const void *from;
    char       *to;
    size_t      size;
    bool        told;
} hidden;

static void reveal(void *arg, blind_span part)
{
    hidden *h = arg;
    size_t  at = (size_t)(part.data - (uint8_t *)h->to);
    assert_true(part.data >= (uint8_t *)h->to && at <= h->size && part.size <= h->size - at);
    memcpy(h->to + at, (const char *)h->from + at, part.size);
    h->told = true;
}

/* Weights of whole sizes of a piece and either side of them, at an odd address, in every order. */
TEST(weights_are_packed_from_any_address)
{
    static const struct {
        size_t k, n, row_stride, col_stride;
    } shapes[] = {
        { 1, 1, 1, 1 },        { 31, 33, 33, 1 },   { 32, 1024, 1024, 1 }, { 33, 1025, 1025, 1 },
        { 65, 1023, 1030, 1 }, { 127, 31, 1, 127 }, { 128, 32, 1, 128 },   { 129, 33, 1, 140 },
        { 257, 97, 1, 257 },   { 34, 40, 82, 2 },   { 33, 1061, 2, 68 },
    };
    for (size_t i = 0; i < BL_LEN(shapes); i++) {
        size_t k = shapes[i].k, n = shapes[i].n, rs = shapes[i].row_stride;
        size_t cs = shapes[i].col_stride, len = (k - 1) * rs + (n - 1) * cs + 1;
        float *x = test_floats(len, 5), *row = test_floats(n, 6);
        char  *odd = malloc(len * sizeof *x + 1);
        for (size_t at = 0; at < len; at++) /* bf16 holds them */
            x[at] = floorf(x[at] * 128);
        for (int p = 0; p < BL_PRECISION_COUNT; p++)
            for (int isa = BL_ISA_SCALAR; isa < BL_ISA_COUNT; isa++) {
                const bl_kernels *kernels = bl_kernels_for((bl_isa)isa, (bl_precision)p);
                bl_packed        *packed = NULL;
                if (!kernels)
                    continue;
                hidden     secret = { x, odd + 1, len * sizeof *x, isa == BL_ISA_SCALAR };
                bl_reading reading = { reveal, &secret };
                bl_matrix  from = { odd + 1, k, n, rs, cs, &reading };
                memset(odd, 0, len * sizeof *x + 1);
                if (isa == BL_ISA_SCALAR)
                    memcpy(odd + 1, x, len * sizeof *x);
                CHECK_CODE(BLIND_OK, kernels->gemm_pack(&from, &packed, NULL), "pack");
                assert_true(secret.told); /* but by the specification */
                for (size_t r = 0; r < k; r += r + 32 < k ? 31 : 1) {
                    for (size_t j = 0; j < n; j++)
                        row[j] = x[r * rs + j * cs];
                    check_packed(kernels, packed, row, k, n, r);
                }
                bl_packed_free(packed);
            }
        free(x), free(row), free(odd);
    }
}

TEST(gemm_applies_every_epilogue)
{
    float *extra = test_floats(40 * 70, 9);
    for (int act = 0; act < BL_UNARY_COUNT; act++) {
        if (act == BL_UNARY_LOG || act == BL_UNARY_SQRT || act == BL_UNARY_RECIPROCAL ||
            (act >= BL_UNARY_FLOOR && act <= BL_UNARY_SIGN))
            continue; /* jump or blow up near some sums; test_elements has them */
        for (int parts = 0; parts < 16; parts++) {
            gemm_case c = { .rows = 29, .k = 300, .n = 65, .pad = 3, .in_place = parts & 8 };
            c.epilogue = (bl_epilogue){ .bias = parts & 1 ? extra : NULL,
                                        .add = parts & 2 ? extra : NULL,
                                        .mul = parts & 4 ? extra : NULL,
                                        .act = (bl_unary)act,
                                        .a = 0.25f,
                                        .b = 0.75f };
            if (act == BL_UNARY_EXP)
                c.k = 5;
            check_gemm(&c, NULL);
        }
    }
    free(extra);
}

/* Strides of the two factors: as they are, one turned, the other, both, both apart. */
static const struct {
    const char *name;
    size_t      a_row, a_col, b_row, b_col; /* in units where 0 stands for the dense stride */
} layouts[] = {
    { "plain", 0, 1, 0, 1 },       { "a turned", 1, 0, 0, 1 }, { "b turned", 0, 1, 1, 0 },
    { "both turned", 1, 0, 1, 0 }, { "apart", 0, 2, 0, 2 },    { "b broadcast", 0, 1, 0, 3 },
};

typedef struct {
    size_t m, n, k, layout;
    float  alpha;
} matmul_case;

static void run_matmul(const bl_kernels *kernels, const matmul_case *c, const float *a,
                       const float *b, float *out, bl_pool *pool)
{
    size_t    a_col = layouts[c->layout].a_col, b_col = layouts[c->layout].b_col;
    bl_matmul m = {
        .m = c->m, .n = c->n, .k = c->k, .alpha = c->alpha, .a = a, .b = b, .out = out
    };
    m.a_row = a_col ? c->k * a_col : 1;
    m.a_col = a_col ? a_col : c->m;
    m.b_row = b_col ? c->n * b_col : 1;
    m.b_col = b_col ? b_col : c->k;
    m.out_row = c->n + 1;
    m.batch_rank = 2;
    m.batch[0] = 2;
    m.batch[1] = 3;
    m.a_batch[0] = 3 * c->m * c->k;
    m.a_batch[1] = c->m * c->k;
    m.b_batch[1] = c->n * c->k; /* axis 0 is broadcast */
    m.out_batch[0] = 3 * c->m * m.out_row;
    m.out_batch[1] = c->m * m.out_row;
    void *scratch = test_scratch(kernels->matmul_scratch(&m, bl_pool_threads(pool)));
    m.scratch = scratch;
    kernels->matmul(&m, pool);
    free(scratch);
}

static void check_matmul(const matmul_case *c, bl_pool *pool)
{
    size_t out_len = 6 * c->m * (c->n + 1);
    float *a = test_floats(8 * 3 * c->m * c->k + 8, 4),
          *b = test_floats(8 * 3 * c->n * c->k + 8, 5);
    float *want = test_floats(out_len, 6);
    run_matmul(test_scalar(), c, a, b, want, NULL);
    EACH_ISA(kernels)
    {
        float *got = test_floats(out_len, 6);
        run_matmul(kernels, c, a, b, got, pool);
        CHECK_NEAR(want, got, out_len, 1e-5f, TOLERANCE, "%s %zux%zux%zu %s",
                   bl_isa_name(kernels->isa), c->m, c->k, c->n, layouts[c->layout].name);
        free(got);
    }
    free(a), free(b), free(want);
}

TEST(matmul_agrees_for_every_layout)
{
    static const size_t sizes[] = { 0, 1, 13, 15, 31, 33, 130 };
    bl_pool            *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(2, &pool, NULL), "pool");
    for (size_t layout = 0; layout < BL_LEN(layouts); layout++)
        for (size_t i = 0; i < BL_LEN(sizes); i++)
            for (size_t j = 0; j < BL_LEN(sizes); j++) {
                matmul_case c = { sizes[i], sizes[j], sizes[(i + j + layout) % 7] * 2, layout,
                                  i % 2 ? 1 : 0.125f };
                check_matmul(&c, j % 2 ? pool : NULL);
            }
    bl_pool_free(pool);
}

static void run_attention(const bl_kernels *kernels, bl_attention a, float *out, bl_pool *pool)
{
    a.out = out;
    a.scratch = test_scratch(kernels->attention_scratch(&a, bl_pool_threads(pool)));
    kernels->attention(&a, pool);
    free(a.scratch);
}

/* [b, s, h, d] in, [b, s, h, d] out; the mask is absent, per key, per row and key, one for all
 * keys; a choice per row and key, its contrary. */
static void check_attention(size_t queries, size_t keys, size_t depth, size_t values, int masking,
                            bl_pool *pool)
{
    size_t   heads = 3, batch = 2, out_len = batch * queries * heads * values;
    float   *q = test_floats(batch * queries * heads * depth, 1);
    float   *k = test_floats(batch * keys * heads * depth, 2);
    float   *v = test_floats(batch * keys * heads * values, 3);
    float   *mask = test_floats(batch * queries * keys, 4), *want = test_floats(out_len, 5);
    uint8_t *choice = malloc(batch * queries * keys);
    CHECK(choice != NULL);
    for (size_t i = 0; i < batch * queries * keys; i++)
        choice[i] = (uint8_t)((i % 3 == 0 || i % keys == 0) == (masking == 4));
    for (size_t i = 0; i < batch * queries * keys; i += 3)
        mask[i] = i % keys ? -INFINITY : 0;
    bl_attention a = { .batch = batch,
                       .heads = heads,
                       .q_len = queries,
                       .k_len = keys,
                       .head_size = depth,
                       .value_size = values,
                       .scale = 0.3f };
    a.q = q, a.q_batch = queries * heads * depth, a.q_head = depth, a.q_row = heads * depth;
    a.k = k, a.k_batch = keys * heads * depth, a.k_head = depth, a.k_row = heads * depth;
    a.v = v, a.v_batch = keys * heads * values, a.v_head = values, a.v_row = heads * values;
    a.out_batch = queries * heads * values, a.out_head = values, a.out_row = heads * values;
    a.mask = masking && masking < 4 ? mask : NULL;
    a.choice = masking >= 4 ? choice : NULL;
    a.chosen = masking == 4;
    a.otherwise = -1e4f;
    a.mask_batch = keys, a.mask_row = masking == 1 ? 0 : keys, a.mask_col = masking == 3 ? 0 : 1;
    if (masking == 3)
        a.mask_row = 0;
    run_attention(test_scalar(), a, want, NULL);
    EACH_KERNELS(kernels)
    {
        float *got = test_floats(out_len, 6);
        run_attention(kernels, a, got, pool);
        CHECK_NEAR(want, got, out_len, 1e-5f, tolerance(kernels->precision),
                   "%s %s %zu queries %zu keys %zu deep mask %d", bl_isa_name(kernels->isa),
                   bl_precision_name(kernels->precision), queries, keys, depth, masking);
        free(got);
    }
    free(q), free(k), free(v), free(mask), free(choice), free(want);
}

TEST(attention_agrees)
{
    static const size_t lens[] = { 1, 2, 14, 15, 31, 33, 129, 225 };
    bl_pool            *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(2, &pool, NULL), "pool");
    for (size_t i = 0; i < BL_LEN(lens); i++)
        for (int masking = 0; masking < 6; masking++) {
            if (i < 6 || masking % 2 == 0)
                check_attention(lens[i], lens[i], 64, 64, masking, pool);
            check_attention(lens[i], lens[7 - i], 5 + 7 * i, 33, masking, NULL);
        }
    bl_pool_free(pool);
}

/* Queries, keys and values that cannot be split stay what they are, in their rows and heads. */
TEST(attention_keeps_what_cannot_be_split)
{
    static const float odd[] = { INFINITY, NAN, 3.4e38f };
    for (size_t i = 0; i < 9; i++) {
        size_t       len = 40, heads = 2, depth = 40, all = len * heads * depth;
        float       *x[3] = { test_floats(all, 1), test_floats(all, 2), test_floats(all, 3) };
        float       *want = test_floats(all, 4), *got = test_floats(all, 5);
        bl_attention a = { .batch = 1,
                           .heads = heads,
                           .q_len = len,
                           .k_len = len,
                           .head_size = depth,
                           .value_size = depth,
                           .scale = 0.1f,
                           .q = x[0],
                           .k = x[1],
                           .v = x[2] };
        a.q_head = a.k_head = a.v_head = a.out_head = depth;
        a.q_row = a.k_row = a.v_row = a.out_row = heads * depth;
        x[i % 3][5 * heads * depth + 7] = odd[i / 3];
        run_attention(test_scalar(), a, want, NULL);
        EACH_ISA(kernels)
        {
            run_attention(kernels, a, got, NULL);
            for (size_t at = 0; at < all; at++) /* of sums beyond the largest float, NaN or it */
                if (isfinite(want[at]) && fabsf(want[at]) < 1e30f)
                    CHECK_NEAR(want + at, got + at, 1, 1e-5f, TOLERANCE, "%s %g in %zu",
                               bl_isa_name(kernels->isa), (double)odd[i / 3], i % 3);
        }
        free(x[0]), free(x[1]), free(x[2]), free(want), free(got);
    }
}

TEST(attention_is_the_same_for_any_number_of_threads)
{
    size_t len = 200, heads = 3, depth = 64, all = len * heads * depth;
    float *x = test_floats(all, 1), *first = test_floats(all, 2), *again = test_floats(all, 3);
    bl_attention a = { .batch = 1,
                       .heads = heads,
                       .q_len = len,
                       .k_len = len,
                       .head_size = depth,
                       .value_size = depth,
                       .scale = 0.1f,
                       .q = x,
                       .k = x,
                       .v = x };
    a.q_head = a.k_head = a.v_head = a.out_head = depth;
    a.q_row = a.k_row = a.v_row = a.out_row = heads * depth;
    EACH_KERNELS(kernels)
    {
        run_attention(kernels, a, first, NULL);
        for (int threads = 2; threads < 6; threads++) {
            bl_pool *pool = NULL;
            CHECK_CODE(BLIND_OK, bl_pool_new(threads, &pool, NULL), "pool");
            run_attention(kernels, a, again, pool);
            assert_memory_equal(first, again, all * sizeof *first);
            bl_pool_free(pool);
        }
    }
    free(x), free(first), free(again);
}

/* `odd` is one number among those of a. */
static void check_threads(gemm_case c, float odd)
{
    float *a = test_floats(c.rows * c.k, 1), *b = test_floats(c.k * c.n, 2);
    a[c.rows * c.k / 2] = odd;
    EACH_KERNELS(kernels)
    {
        float *first = test_floats(c.rows * c.n, 3);
        run_gemm(kernels, &c, a, b, first, NULL);
        for (int threads = 2; threads < 6; threads++) {
            bl_pool *pool = NULL;
            float   *again = test_floats(c.rows * c.n, 3);
            CHECK_CODE(BLIND_OK, bl_pool_new(threads, &pool, NULL), "pool");
            run_gemm(kernels, &c, a, b, again, pool);
            assert_memory_equal(first, again, c.rows * c.n * sizeof *first);
            bl_pool_free(pool);
            free(again);
        }
        free(first);
    }
    free(a), free(b);
}

/* Results do not depend on the number of threads: to the bit.  Many columns: each thread splits the
 * rows for itself. */
TEST(gemm_is_the_same_for_any_number_of_threads)
{
    check_threads((gemm_case){ .rows = 150, .k = 600, .n = 200 }, 1);
    check_threads((gemm_case){ .rows = 40, .k = 850, .n = 700 }, 1);
    check_threads((gemm_case){ .rows = 40, .k = 70, .n = 700 }, INFINITY);
    check_threads((gemm_case){ .rows = 150, .k = 100, .n = 200 }, INFINITY);
    check_threads((gemm_case){ .rows = 7, .k = 600, .n = 700 }, 1);
}

/* Root mean square of the error against sums in double, over that of the sums. */
static double gemm_error(const bl_kernels *kernels, const gemm_case *c)
{
    float *a = test_floats(c->rows * c->k, 1), *b = test_floats(c->k * c->n, 2);
    float *got = test_floats(c->rows * c->n, 3);
    double wrong = 0, size = 0;
    run_gemm(kernels, c, a, b, got, NULL);
    for (size_t r = 0; r < c->rows; r++)
        for (size_t j = 0; j < c->n; j++) {
            double want = 0;
            for (size_t i = 0; i < c->k; i++)
                want += (double)a[r * c->k + i] * (double)b[i * c->n + j];
            double off = (double)got[r * c->n + j] - want;
            wrong += off * off;
            size += want * want;
        }
    free(a), free(b), free(got);
    return sqrt(wrong / size);
}

/* What each precision promises, on every instruction set. */
TEST(gemm_keeps_its_precision)
{
    static const gemm_case cases[] = {
        { .rows = 1, .k = 3072, .n = 96 },  { .rows = 8, .k = 768, .n = 96 },
        { .rows = 49, .k = 768, .n = 96 },  { .rows = 128, .k = 768, .n = 96 },
        { .rows = 40, .k = 3072, .n = 70 }, { .rows = 33, .k = 100, .n = 64 },
    };
    static const double most[] = {
        [BL_PRECISION_HIGHEST] = 4e-7, [BL_PRECISION_HIGH] = 8e-6, [BL_PRECISION_MEDIUM] = 4e-3
    };
    for (int isa = BL_ISA_SCALAR + 1; isa < BL_ISA_COUNT; isa++)
        for (int precision = 0; precision < BL_PRECISION_COUNT; precision++) {
            const bl_kernels *kernels = bl_kernels_for((bl_isa)isa, (bl_precision)precision);
            for (size_t i = 0; kernels && i < BL_LEN(cases); i++) {
                double error = gemm_error(kernels, &cases[i]);
                print_message("%-7s %-8s %3zux%4zux%2zu  %.2e\n", bl_isa_name((bl_isa)isa),
                              bl_precision_name((bl_precision)precision), cases[i].rows, cases[i].k,
                              cases[i].n, error);
                CHECK(error <= most[precision]);
            }
        }
}

/* Infinities, NaN and numbers near the largest stay what they are, in their rows alone. */
TEST(gemm_keeps_what_cannot_be_split)
{
    static const float odd[] = { INFINITY, -INFINITY, NAN, 3.4e38f, -3.4e38f, 1e-40f };
    for (size_t i = 0; i < BL_LEN(odd); i++)
        for (int side = 0; side < 2; side++) {
            gemm_case c = { .rows = 40, .k = 70, .n = 35 };
            float    *a = test_floats(c.rows * c.k, 1), *b = test_floats(c.k * c.n, 2);
            float    *want = test_floats(c.rows * c.n, 3), *got = test_floats(c.rows * c.n, 3);
            (side ? b : a)[side ? 7 * c.n + 3 : 5 * c.k + 7] = odd[i];
            run_gemm(test_scalar(), &c, a, b, want, NULL);
            EACH_ISA(kernels)
            {
                run_gemm(kernels, &c, a, b, got, NULL);
                CHECK_NEAR(want, got, c.rows * c.n, 1e-5f, TOLERANCE, "%s %g on side %d",
                           bl_isa_name(kernels->isa), (double)odd[i], side);
            }
            free(a), free(b), free(want), free(got);
        }
}

TESTS(RUN(gemm_agrees_at_every_size), RUN(gemm_of_few_rows_agrees),
      RUN(weights_are_packed_from_any_address), RUN(gemm_keeps_its_precision),
      RUN(gemm_keeps_what_cannot_be_split), RUN(gemm_applies_every_epilogue),
      RUN(matmul_agrees_for_every_layout), RUN(attention_agrees),
      RUN(attention_keeps_what_cannot_be_split),
      RUN(attention_is_the_same_for_any_number_of_threads),
      RUN(gemm_is_the_same_for_any_number_of_threads))
