/* Products with each type of weights, on each instruction set, against double sums over unpacked
 * rows; and that neither company nor threads change a bit. */
#include "base/base.h"
#include "llm/dequant.h"
#include "llm/product.h"
#include "tests/test.h"

#include <math.h>

/* One type: where halves stand in its block, and the error of a product in units of a random one's
 * size, sqrt(columns) |w| |x|: rounding of activations to 8 bits or to bf16 where weights are
 * quantised themselves, else what is left of fp32. */
static const struct {
    const char *name;
    int         halves[2]; /* -1: none */
    double      error;
} types[] = {
    { "F32", { -1, -1 }, 3e-6 },   { "F16", { -1, -1 }, 6e-6 },   { "BF16", { -1, -1 }, 6e-6 },
    { "Q8_0", { 0, -1 }, 6e-3 },   { "Q4_0", { 0, -1 }, 6e-3 },   { "Q4_1", { 0, 2 }, 6e-3 },
    { "Q5_0", { 0, -1 }, 6e-3 },   { "Q5_1", { 0, 2 }, 6e-3 },    { "Q2_K", { 80, 82 }, 6e-3 },
    { "Q3_K", { 108, -1 }, 6e-3 }, { "Q4_K", { 0, 2 }, 6e-3 },    { "Q5_K", { 0, 2 }, 6e-3 },
    { "Q6_K", { 208, -1 }, 6e-3 }, { "IQ4_NL", { 0, -1 }, 6e-3 }, { "IQ4_XS", { 0, -1 }, 6e-3 },
};

/* The kernels of an instruction set that runs here, unless they are those of the one before. */
static const bl_product_kernels *kernels_of(int isa)
{
    const bl_product_kernels *k = bl_product_kernels_for((bl_isa)isa);
    bool                      known = isa > 0 && k == bl_product_kernels_for((bl_isa)(isa - 1));
    return bl_isa_usable((bl_isa)isa) && !known ? k : NULL;
}

#define EACH_ISA(k)                                                                                \
    for (int isa_##k = 0; isa_##k < BL_ISA_COUNT; isa_##k++)                                       \
        for (const bl_product_kernels *k = kernels_of(isa_##k); k; k = NULL)

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static float number(uint32_t *state) /* in [-1, 1) */
{
    return (float)next(state) / 8388608.0f - 1.0f;
}

/* A half between 2^-7 and 2^-2, of either sign. */
static void put_half(uint8_t *to, uint32_t *state)
{
    uint32_t h = (next(state) & 0x83ffu) | (8 + next(state) % 5) << 10;
    to[0] = (uint8_t)h;
    to[1] = (uint8_t)(h >> 8);
}

/* Exactly as many bytes as there are, at an odd address: sanitizers see any step beyond them. */
typedef struct {
    bl_weights w;
    uint8_t   *memory;
    float     *values; /* [rows][columns] */
} matrix;

static void fill(size_t type, uint8_t *to, size_t blocks, uint32_t *state)
{
    const bl_quant_type *t = bl_quant_type_named(types[type].name);
    for (size_t i = 0; i < blocks; i++, to += t->size) {
        float    value = number(state);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        for (size_t byte = 0; byte < t->size; byte++)
            to[byte] = (uint8_t)(next(state) >> 7);
        for (int h = 0; h < 2; h++)
            if (types[type].halves[h] >= 0)
                put_half(to + types[type].halves[h], state);
        if (t->id == 0)
            memcpy(to, &value, sizeof value);
        if (t->id == 1)
            put_half(to, state);
        if (t->id == 30)
            memcpy(to, (uint8_t *)&bits + 2, 2);
    }
}

static matrix make_matrix(size_t type, size_t rows, size_t columns, uint32_t seed)
{
    matrix m = { .w = { bl_quant_type_named(types[type].name), NULL, rows, columns } };
    size_t size = rows * bl_weights_row_size(&m.w);
    m.memory = malloc(size + 1);
    m.values = malloc((rows * columns + 1) * sizeof(float));
    CHECK(m.memory && m.values);
    fill(type, m.memory + 1, rows * columns / m.w.type->len, &seed);
    m.w.data = m.memory + 1;
    bl_dequant(m.w.type, m.w.data, rows * columns, m.values);
    return m;
}

static void free_matrix(matrix *m)
{
    free(m->memory);
    free(m->values);
}

static float *make_floats(size_t len, uint32_t seed)
{
    float *x = malloc((len + 1) * sizeof *x);
    CHECK(x != NULL);
    for (size_t i = 0; i < len; i++)
        x[i] = number(&seed);
    return x;
}

/* Memory that holds NaN, should anything read what it did not write. */
static void *make_memory(size_t size)
{
    void *p = aligned_alloc(64, (size + 63) / 64 * 64 + 64);
    CHECK(p != NULL);
    memset(p, 0xff, (size + 63) / 64 * 64 + 64);
    return p;
}

/* `count` products that share x, in one job. */
static void multiply(const bl_product_kernels *k, const matrix *m, size_t count, const float *x,
                     size_t tokens, float *const *out, bl_pool *pool)
{
    unsigned   forms = 0;
    size_t     columns = m->w.columns;
    bl_product products[4];
    for (size_t i = 0; i < count; i++)
        forms |= bl_product_form(k, m[i].w.type);
    void *memory = make_memory(bl_product_input_size(k, forms, tokens, columns));
    void *scratch = make_memory(bl_product_scratch_size(k, tokens, columns, bl_pool_threads(pool)));
    bl_product_input in;
    bl_product_prepare(k, forms, x, columns, tokens, columns, memory, &in, pool);
    for (size_t i = 0; i < count; i++)
        products[i] = (bl_product){ .w = m[i].w, .in = &in, .out = out[i], .out_row = m[i].w.rows };
    bl_product_run(k, products, count, scratch, pool);
    free(memory);
    free(scratch);
}

static double norm(const float *x, size_t len)
{
    double sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static void check_one(const matrix *m, const float *x, size_t row, double error, float got,
                      const char *what)
{
    size_t       columns = m->w.columns;
    const float *w = m->values + row * columns;
    double       want = 0;
    for (size_t i = 0; i < columns; i++)
        want += (double)w[i] * (double)x[i];
    double most = 6 * error * norm(w, columns) * norm(x, columns) / sqrt((double)columns);
    if (!(fabs((double)got - want) <= most))
        fail_msg("%s, row %zu of %zu x %zu: %g, expected %g within %g", what, row, m->w.rows,
                 columns, (double)got, want, most);
}

static void check_size(const bl_product_kernels *k, size_t type, size_t rows, size_t columns,
                       size_t tokens)
{
    matrix m = make_matrix(type, rows, columns, (uint32_t)(rows + columns));
    float *x = make_floats(tokens * columns, (uint32_t)(7 * tokens + columns));
    float *out = make_floats(tokens * rows, 1);
    multiply(k, &m, 1, x, tokens, &out, NULL);
    for (size_t t = 0; t < tokens; t++)
        for (size_t row = 0; row < rows; row++)
            check_one(&m, x + t * columns, row, types[type].error, out[t * rows + row],
                      types[type].name);
    free(x);
    free(out);
    free_matrix(&m);
}

TEST(every_type_is_near_the_exact_sum)
{
    static const size_t sizes[][2] = { /* rows, tokens */
                                       { 1, 1 },  { 3, 2 },   { 15, 1 },  { 16, 4 },  { 17, 5 },
                                       { 32, 1 }, { 33, 16 }, { 48, 17 }, { 65, 33 }, { 70, 40 }
    };
    EACH_ISA(k)
    for (size_t type = 0; type < BL_LEN(types); type++) {
        size_t len = bl_quant_type_named(types[type].name)->len;
        for (size_t i = 0; i < BL_LEN(sizes); i++)
            check_size(k, type, sizes[i][0], len == 1 ? 1 + 31 * i : len * (1 + i), sizes[i][1]);
        check_size(k, type, 40, 2304, 3);
        check_size(k, type, 20, 4608, 5);
        check_size(k, type, 35, 2304, 67);
    }
}

TEST(company_changes_no_bit)
{
    enum { ROWS = 50, TOKENS = 64, COLUMNS = 512 };
    float *x = make_floats((size_t)TOKENS * COLUMNS, 5);
    float *all = make_floats((size_t)TOKENS * ROWS, 1), *some = make_floats(7 * ROWS, 2);
    EACH_ISA(k)
    for (size_t type = 0; type < BL_LEN(types); type++) {
        matrix m = make_matrix(type, ROWS, COLUMNS, 3);
        multiply(k, &m, 1, x, TOKENS, &all, NULL);
        for (size_t t = 0; t < TOKENS; t++) {
            size_t with = t % 7 + 1 < TOKENS - t ? t % 7 + 1 : TOKENS - t;
            multiply(k, &m, 1, x + t * COLUMNS, with, &some, NULL);
            CHECK(memcmp(some, all + t * ROWS, with * ROWS * sizeof *all) == 0);
        }
        free_matrix(&m);
    }
    free(x);
    free(all);
    free(some);
}

/* Three matrices in one job, one of them fast and one of another type, by 1 to 3 threads. */
TEST(threads_and_shared_jobs_change_no_bit)
{
    enum { TOKENS = 19, COLUMNS = 1024 };
    static const size_t rows[3] = { 300, 40, 101 };
    float              *x = make_floats((size_t)TOKENS * COLUMNS, 9);
    EACH_ISA(k)
    for (size_t type = 0; type < BL_LEN(types); type++)
        for (int threads = 1; threads <= 3; threads++) {
            matrix   m[3];
            float   *alone[3], *together[3];
            bl_pool *pool = NULL;
            CHECK(bl_pool_new(threads, &pool, NULL) == BLIND_OK);
            for (size_t i = 0; i < 3; i++) {
                m[i] = make_matrix((type + i / 2) % BL_LEN(types), rows[i], COLUMNS, (uint32_t)i);
                alone[i] = make_floats(TOKENS * rows[i], 1);
                together[i] = make_floats(TOKENS * rows[i], 2);
                multiply(k, &m[i], 1, x, TOKENS, &alone[i], NULL);
            }
            multiply(k, m, 3, x, TOKENS, together, pool);
            for (size_t i = 0; i < 3; i++) {
                CHECK(memcmp(alone[i], together[i], TOKENS * rows[i] * sizeof(float)) == 0);
                free_matrix(&m[i]);
                free(alone[i]);
                free(together[i]);
            }
            bl_pool_free(pool);
        }
    free(x);
}

/* Bias and sum, rows apart, part of a matrix. */
TEST(sums_go_where_they_belong)
{
    enum { ROWS = 37, TOKENS = 18, COLUMNS = 256, STRIDE = 50, FIRST = 5, PART = 21 };
    float *x = make_floats((size_t)TOKENS * COLUMNS, 5), *bias = make_floats(PART, 6);
    float *plain = make_floats((size_t)TOKENS * ROWS, 1);
    float *out = make_floats((size_t)TOKENS * STRIDE, 2), *old = make_floats(TOKENS * STRIDE, 2);
    EACH_ISA(k)
    for (size_t type = 0; type < BL_LEN(types); type++) {
        matrix m = make_matrix(type, ROWS, COLUMNS, 3);
        multiply(k, &m, 1, x, TOKENS, &plain, NULL);
        unsigned         form = bl_product_form(k, m.w.type);
        void            *memory = make_memory(bl_product_input_size(k, form, TOKENS, COLUMNS));
        void            *scratch = make_memory(bl_product_scratch_size(k, TOKENS, COLUMNS, 1));
        bl_product_input in;
        bl_product_prepare(k, form, x, COLUMNS, TOKENS, COLUMNS, memory, &in, NULL);
        bl_product p = { .w = bl_weights_rows(&m.w, FIRST, PART),
                         .in = &in,
                         .out = out,
                         .out_row = STRIDE,
                         .bias = bias,
                         .add = true };
        memcpy(out, old, sizeof *out * TOKENS * STRIDE);
        bl_product_run(k, &p, 1, scratch, NULL);
        for (size_t i = 0; i < (size_t)TOKENS * STRIDE; i++) {
            size_t t = i / STRIDE, row = i % STRIDE;
            float  want = old[i];
            if (row < PART)
                want += plain[t * ROWS + FIRST + row] + bias[row];
            CHECK(out[i] == want);
        }
        free(memory);
        free(scratch);
        free_matrix(&m);
    }
    free(x), free(bias), free(plain), free(out), free(old);
}

TEST(nothing_is_a_product_too)
{
    EACH_ISA(k)
    {
        matrix           m = make_matrix(3, 5, 64, 1);
        unsigned         form = bl_product_form(k, m.w.type);
        void            *memory = make_memory(bl_product_input_size(k, form, 1, 64));
        void            *scratch = make_memory(bl_product_scratch_size(k, 1, 64, 1));
        float            out[5] = { 1, 2, 3, 4, 5 };
        bl_product_input none;
        bl_product_prepare(k, form, out, 64, 0, 64, memory, &none, NULL);
        bl_product p = { .w = m.w, .in = &none, .out = out, .out_row = 5 };
        bl_product_run(k, &p, 1, scratch, NULL);
        bl_product_run(k, NULL, 0, scratch, NULL);
        for (int i = 0; i < 5; i++)
            CHECK(out[i] == (float)(i + 1));
        free(memory);
        free(scratch);
        free_matrix(&m);
    }
}

TEST(sizes_are_bounded)
{
    EACH_ISA(k)
    for (size_t type = 0; type < BL_LEN(types); type++) {
        const bl_quant_type *t = bl_quant_type_named(types[type].name);
        CHECK(bl_product_knows(t));
        CHECK(bl_product_input_size(k, bl_product_form(k, t), SIZE_MAX / 8, 64) == 0);
        CHECK(bl_product_input_size(k, bl_product_form(k, t), 64, SIZE_MAX - 1) == 0);
    }
    CHECK(!bl_product_knows(bl_quant_type_named("IQ1_S")));
}

TESTS(RUN(every_type_is_near_the_exact_sum), RUN(company_changes_no_bit),
      RUN(threads_and_shared_jobs_change_no_bit), RUN(sums_go_where_they_belong),
      RUN(nothing_is_a_product_too), RUN(sizes_are_bounded))
