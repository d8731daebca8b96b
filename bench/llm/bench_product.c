/* Times products with each type of weights: how fast they are read for 1 and for 8 tokens, and how
 * many operations there are in a second for 512, beside what memory and processor can do.
 *
 *     bench_product [--isa avx512] [--threads 1,2] [--seconds 0.3] [--size MiB] [type]...
 *
 * Prints the best of many runs: neighbours on the machine only make runs slower.  Weights are
 * larger than caches; say --size 2000 where the third one is huge. */
#include "base/pages.h"
#include "llm/product.h"
#include "nn/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COLUMNS 2048
#define ROWS    4096 /* for many tokens */
#define MANY    512

static const char *const types[] = { "F32",  "F16",  "BF16", "Q8_0",   "Q4_0",
                                     "Q4_1", "Q5_0", "Q5_1", "Q2_K",   "Q3_K",
                                     "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS" };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *memory(size_t size)
{
    void *p = bl_pages_new((size + 127) / 64 * 64);
    if (!p)
        exit(1);
    return p;
}

typedef struct {
    const bl_product_kernels *k;
    bl_pool                  *pool;
    bl_product                product;
    bl_product_input          in;
    void                     *scratch;
} work;

static void run(work *w)
{
    bl_product_run(w->k, &w->product, 1, w->scratch, w->pool);
}

/* Seconds of one run. */
static double best(work *w, double seconds)
{
    double least = 1e9, end = now_s() + seconds;
    for (int runs = 0; runs < 3 || now_s() < end; runs++) {
        double begin = now_s();
        run(w);
        double took = now_s() - begin;
        least = took < least ? took : least;
    }
    return least;
}

static double measure(work *w, const bl_weights *weights, size_t tokens, double seconds)
{
    unsigned form = bl_product_form(w->k, weights->type);
    float   *x = memory(tokens * COLUMNS * sizeof *x);
    float   *out = memory(tokens * weights->rows * sizeof *out);
    void    *input = memory(bl_product_input_size(w->k, form, tokens, COLUMNS));
    w->scratch = memory(bl_product_scratch_size(w->k, tokens, COLUMNS, bl_pool_threads(w->pool)));
    for (size_t i = 0; i < tokens * COLUMNS; i++)
        x[i] = (float)(i * 7919 % 2003) / 1001.5f - 1.0f;
    bl_product_prepare(w->k, form, x, COLUMNS, tokens, COLUMNS, input, &w->in, w->pool);
    w->product = (bl_product){ .w = *weights, .in = &w->in, .out = out, .out_row = weights->rows };
    double took = best(w, seconds);
    free(x), free(out), free(input), free(w->scratch);
    return took;
}

/* Bytes of which neither halves nor floats are large or tiny. */
static void fill(uint8_t *to, size_t size)
{
    uint32_t state = 1;
    size_t   first = BL_MIN(size, (size_t)1 << 20);
    for (size_t i = 0; i < first; i++) {
        state = state * 1664525u + 1013904223u;
        to[i] = (uint8_t)(0x20 | (state >> 24 & 0x9f));
    }
    for (size_t i = first; i < size; i += first)
        memcpy(to + i, to, BL_MIN(first, size - i));
}

typedef struct {
    bl_pool       *pool;
    const uint8_t *from;
    size_t         size;
    uint64_t       sums[BL_POOL_MAX_THREADS];
} reading;

#define PIECE ((size_t)1 << 20)

static void read_piece(void *arg, size_t index, int worker)
{
    reading       *r = arg;
    const uint8_t *from = r->from + index * PIECE;
    uint64_t       sum[8] = { 0 };
    for (size_t i = 0; i < PIECE; i += 64) {
        __builtin_prefetch(from + i + 2048);
        for (size_t k = 0; k < 8; k++) {
            uint64_t x;
            memcpy(&x, from + i + 8 * k, sizeof x);
            sum[k] += x;
        }
    }
    for (size_t k = 0; k < 8; k++)
        r->sums[worker] += sum[k];
}

static double memory_gbs(const uint8_t *from, size_t size, bl_pool *pool)
{
    static reading r;
    double         least = 1e9;
    r = (reading){ .pool = pool, .from = from, .size = size };
    for (int i = 0; i < 8; i++) {
        double begin = now_s();
        bl_pool_run(pool, read_piece, &r, size / PIECE);
        double took = now_s() - begin;
        least = took < least ? took : least;
    }
    return (double)(size / PIECE * PIECE) / least * 1e-9;
}

typedef struct {
    bl_isa      isa;
    const char *threads, *const *types;
    int    count;
    size_t size;
    double seconds;
} options;

static options options_of(int argc, char **argv)
{
    options o = {
        .isa = bl_isa_best(), .threads = "1,2", .size = (size_t)512 << 20, .seconds = 0.3
    };
    int i = 1;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2)
        if (strcmp(argv[i], "--threads") == 0)
            o.threads = argv[i + 1];
        else if (strcmp(argv[i], "--seconds") == 0)
            o.seconds = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--size") == 0)
            o.size = (size_t)atol(argv[i + 1]) << 20;
        else if (strcmp(argv[i], "--isa") == 0)
            for (int isa = 0; isa < BL_ISA_COUNT; isa++)
                if (strcmp(argv[i + 1], bl_isa_name((bl_isa)isa)) == 0 &&
                    bl_isa_usable((bl_isa)isa))
                    o.isa = (bl_isa)isa;
    o.types = i < argc ? (const char *const *)argv + i : types;
    o.count = i < argc ? argc - i : (int)BL_LEN(types);
    return o;
}

static void measure_type(const options *o, work *w, const char *name, const uint8_t *data)
{
    const bl_quant_type *type = bl_quant_type_named(name);
    if (!type || !bl_product_knows(type))
        exit(2);
    bl_weights weights = { type, data, 0, COLUMNS };
    weights.rows = o->size / bl_weights_row_size(&weights);
    double size = (double)(weights.rows * bl_weights_row_size(&weights)) * 1e-9;
    double one = size / measure(w, &weights, 1, o->seconds);
    double eight = size / measure(w, &weights, 8, o->seconds);
    weights.rows = ROWS;
    double flop = 2e-9 * MANY * ROWS * (double)COLUMNS;
    printf("  %-7s %6.1f %8.1f %8.0f\n", name, one, eight,
           flop / measure(w, &weights, MANY, o->seconds));
}

int main(int argc, char **argv)
{
    options  o = options_of(argc, argv);
    uint8_t *data = memory(o.size);
    fill(data, o.size);
    for (const char *t = o.threads; *t; t += strcspn(t, ","), t += *t == ',') {
        work w = { .k = bl_product_kernels_for(o.isa) };
        if (bl_pool_new(atoi(t), &w.pool, NULL) != BLIND_OK)
            return 2;
        printf("%s, %d threads; memory is read at %.1f GB/s\n", bl_isa_name(o.isa), atoi(t),
               memory_gbs(data, o.size, w.pool));
        printf("  type    1: GB/s  8: GB/s  %d: GFLOP/s\n", MANY);
        for (int i = 0; i < o.count; i++)
            measure_type(&o, &w, o.types[i], data);
        bl_pool_free(w.pool);
    }
    free(data);
    return 0;
}
