/* Times each product kernel on the shapes of the models, beside the measured peak of one core.
 *
 *     bench_kernels [--isa avx512] [--precision high] [--threads 1,2] [--seconds 0.3] [word in the
 * shape's name]
 *
 * Prints the best of many runs: neighbours on the machine only make runs slower. */
#include "nn/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static float *numbers(size_t len)
{
    float *x = aligned_alloc(64, (len * sizeof *x + 127) / 64 * 64);
    if (!x)
        exit(1);
    for (size_t i = 0; i < len; i++)
        x[i] = (float)(i * 7919 % 2003) / 1001.5f - 1.0f;
    return x;
}

typedef struct {
    const bl_kernels *kernels;
    bl_pool          *pool;
    bl_gemm           gemm;
    bl_conv           conv;
    bl_attention      attention;
} work;

/* Independent multiplications that stay in registers and the first cache: what a core can do. */
static void run_peak(work *w)
{
    w->kernels->gemm(&w->gemm, NULL);
}

static void run_gemm(work *w)
{
    w->kernels->gemm(&w->gemm, w->pool);
}

static void run_conv(work *w)
{
    w->kernels->conv(&w->conv, w->pool);
}

static void run_attention(work *w)
{
    w->kernels->attention(&w->attention, w->pool);
}

static double best_s(void (*run)(work *), work *w, double seconds)
{
    double best = 1e9, end = now_s() + seconds;
    int    runs = 0;
    do {
        double begin = now_s();
        run(w);
        double took = now_s() - begin;
        best = took < best ? took : best;
        runs++;
    } while (now_s() < end || runs < 3);
    return best;
}

typedef enum { GEMM, CONV, ATTENTION } kind;

/* GEMM: rows, k, n.  CONV: see below.  ATTENTION: batch, len, heads, depth. */
static const struct {
    const char *name;
    kind        kind;
    size_t v[10]; /* CONV: batch, in, out, groups, height, width, kernel, stride, dilation, 1-D */
} shapes[] = {
    { "gemm bert 8 qkv", GEMM, { 8, 768, 768 } },
    { "gemm bert 8 up", GEMM, { 8, 768, 3072 } },
    { "gemm bert 8 down", GEMM, { 8, 3072, 768 } },
    { "gemm bert 32 up", GEMM, { 32, 768, 3072 } },
    { "gemm bert 128 qkv", GEMM, { 128, 768, 768 } },
    { "gemm bert 128 up", GEMM, { 128, 768, 3072 } },
    { "gemm bert 128 down", GEMM, { 128, 3072, 768 } },
    { "gemm bert 384 up", GEMM, { 384, 768, 3072 } },
    { "gemm bert 1024 qkv", GEMM, { 1024, 768, 768 } },
    { "gemm bert 1024 up", GEMM, { 1024, 768, 3072 } },
    { "gemm bert 1024 down", GEMM, { 1024, 3072, 768 } },
    { "gemm one row 1000", GEMM, { 1, 2048, 1000 } },
    { "gemm square 1024", GEMM, { 1024, 1024, 1024 } },
    { "attention 1x8", ATTENTION, { 1, 8, 12, 64 } },
    { "attention 1x128", ATTENTION, { 1, 128, 12, 64 } },
    { "attention 1x384", ATTENTION, { 1, 384, 12, 64 } },
    { "attention 8x128", ATTENTION, { 8, 128, 12, 64 } },
    { "conv stem 3x3/2", CONV, { 1, 3, 32, 1, 224, 224, 3, 2, 1, 0 } },
    { "conv stem 6x6/2", CONV, { 1, 3, 32, 1, 640, 640, 6, 2, 1, 0 } },
    { "conv stem signal", CONV, { 1, 1, 512, 1, 1, 16000, 10, 5, 1, 1 } },
    { "conv stem 7x7/2", CONV, { 1, 3, 64, 1, 224, 224, 7, 2, 1, 0 } },
    { "conv 3x3 64 56", CONV, { 1, 64, 64, 1, 56, 56, 3, 1, 1, 0 } },
    { "conv 3x3 128 28", CONV, { 1, 128, 128, 1, 28, 28, 3, 1, 1, 0 } },
    { "conv 3x3 256 14", CONV, { 1, 256, 256, 1, 14, 14, 3, 1, 1, 0 } },
    { "conv 3x3 512 7", CONV, { 1, 512, 512, 1, 7, 7, 3, 1, 1, 0 } },
    { "conv 3x3/2 128 56", CONV, { 1, 64, 128, 1, 56, 56, 3, 2, 1, 0 } },
    { "conv 3x3/2 64 320", CONV, { 1, 32, 64, 1, 320, 320, 3, 2, 1, 0 } },
    { "conv 3x3/2 128 160", CONV, { 1, 64, 128, 1, 160, 160, 3, 2, 1, 0 } },
    { "conv 3x3/2 512 40", CONV, { 1, 256, 512, 1, 40, 40, 3, 2, 1, 0 } },
    { "conv 3x3/2 512 14", CONV, { 1, 512, 512, 1, 14, 14, 3, 2, 1, 0 } },
    { "conv 3x3 192 17", CONV, { 1, 192, 192, 1, 17, 17, 3, 1, 1, 0 } },
    { "conv 3x3 32 17", CONV, { 1, 32, 32, 1, 17, 17, 3, 1, 1, 0 } },
    { "conv 3x3 192 36", CONV, { 1, 80, 192, 1, 38, 38, 3, 1, 1, 0 } },
    { "conv 3x3 64 80", CONV, { 1, 64, 64, 1, 80, 80, 3, 1, 1, 0 } },
    { "conv 3x3 128 40", CONV, { 1, 128, 128, 1, 40, 40, 3, 1, 1, 0 } },
    { "conv 3x3 64 77", CONV, { 1, 32, 64, 1, 77, 77, 3, 1, 1, 0 } },
    { "conv 1x7 128 8", CONV, { 1, 128, 128, 1, 8, 8, 7, 1, 1, 1 } },
    { "conv 3x3/2 384 17", CONV, { 1, 256, 384, 1, 17, 17, 3, 2, 1, 0 } },
    { "conv 3x3 256 8", CONV, { 1, 256, 256, 1, 8, 8, 3, 1, 1, 0 } },
    { "conv 3x3 256 20", CONV, { 1, 256, 256, 1, 20, 20, 3, 1, 1, 0 } },
    { "conv 3x3 32 160", CONV, { 1, 32, 32, 1, 160, 160, 3, 1, 1, 0 } },
    { "conv 1x1 64 32 160", CONV, { 1, 64, 32, 1, 160, 160, 1, 1, 1, 0 } },
    { "conv 1x1 64 64 160", CONV, { 1, 64, 64, 1, 160, 160, 1, 1, 1, 0 } },
    { "conv 1x1 128 64 80", CONV, { 1, 128, 64, 1, 80, 80, 1, 1, 1, 0 } },
    { "conv 1x1 128 128 80", CONV, { 1, 128, 128, 1, 80, 80, 1, 1, 1, 0 } },
    { "conv 1x1 128 128 40", CONV, { 1, 128, 128, 1, 40, 40, 1, 1, 1, 0 } },
    { "conv 1x1 256 256 40", CONV, { 1, 256, 256, 1, 40, 40, 1, 1, 1, 0 } },
    { "conv 1x1 512 256 20", CONV, { 1, 512, 256, 1, 20, 20, 1, 1, 1, 0 } },
    { "conv 1x1 256 32 17", CONV, { 1, 256, 32, 1, 17, 17, 1, 1, 1, 0 } },
    { "conv 1x1 896 128 8", CONV, { 1, 896, 128, 1, 8, 8, 1, 1, 1, 0 } },
    { "conv 1x1 64 256 56", CONV, { 1, 64, 256, 1, 56, 56, 1, 1, 1, 0 } },
    { "conv 1x1 256 64 56", CONV, { 1, 256, 64, 1, 56, 56, 1, 1, 1, 0 } },
    { "conv 1x1 1024 256 14", CONV, { 1, 1024, 256, 1, 14, 14, 1, 1, 1, 0 } },
    { "conv 1x1 256 1024 14", CONV, { 1, 256, 1024, 1, 14, 14, 1, 1, 1, 0 } },
    { "conv 1x1 512 2048 7", CONV, { 1, 512, 2048, 1, 7, 7, 1, 1, 1, 0 } },
    { "conv 1x1/2 1024 2048 14", CONV, { 1, 1024, 2048, 1, 14, 14, 1, 2, 1, 0 } },
    { "conv 3x3 256 14 batch 8", CONV, { 8, 256, 256, 1, 14, 14, 3, 1, 1, 0 } },
    { "conv 3x3 512 7 batch 8", CONV, { 8, 512, 512, 1, 7, 7, 3, 1, 1, 0 } },
    { "conv 1x1 16 96 112", CONV, { 1, 16, 96, 1, 112, 112, 1, 1, 1, 0 } },
    { "conv 1x1 96 24 56", CONV, { 1, 96, 24, 1, 56, 56, 1, 1, 1, 0 } },
    { "conv 1x1 144 24 56", CONV, { 1, 144, 24, 1, 56, 56, 1, 1, 1, 0 } },
    { "conv 1x1 384 64 14", CONV, { 1, 384, 64, 1, 14, 14, 1, 1, 1, 0 } },
    { "conv 1x1 320 1280 7", CONV, { 1, 320, 1280, 1, 7, 7, 1, 1, 1, 0 } },
    { "conv depthwise 32 112", CONV, { 1, 32, 32, 32, 112, 112, 3, 1, 1, 0 } },
    { "conv depthwise/2 96 112", CONV, { 1, 96, 96, 96, 112, 112, 3, 2, 1, 0 } },
    { "conv depthwise 384 14", CONV, { 1, 384, 384, 384, 14, 14, 3, 1, 1, 0 } },
    { "conv depthwise 960 7", CONV, { 1, 960, 960, 960, 7, 7, 3, 1, 1, 0 } },
    { "conv wavenet dilated", CONV, { 1, 64, 64, 1, 1, 16000, 2, 1, 64, 1 } },
    { "conv wavenet 1x1", CONV, { 1, 64, 64, 1, 1, 16000, 1, 1, 1, 1 } },
    { "conv digits", CONV, { 1, 8, 16, 1, 14, 14, 3, 1, 1, 0 } },
};

static void prepare_gemm(work *w, const size_t v[10], int threads)
{
    float     *b = numbers(v[1] * v[2]);
    bl_packed *packed = NULL;
    bl_matrix  from = { b, v[1], v[2], v[2], 1, NULL };
    if (w->kernels->gemm_pack(&from, &packed, NULL) != BLIND_OK)
        exit(1);
    free(b);
    w->gemm = (bl_gemm){ .rows = v[0],
                         .a = numbers(v[0] * v[1]),
                         .a_stride = v[1],
                         .b = packed,
                         .out = numbers(v[0] * v[2]),
                         .out_stride = v[2] };
    w->gemm.epilogue.bias = numbers(v[2]);
    w->gemm.scratch = numbers(w->kernels->gemm_scratch(packed, v[0], threads) / 4 + 16);
}

static bl_window window_of(const size_t v[10])
{
    size_t    pad = v[9] ? v[8] * (v[6] - 1) : v[6] / 2, tall = v[9] ? 1 : v[6];
    bl_window w = { .batch = v[0],
                    .channels_in = v[1],
                    .channels_out = v[2],
                    .groups = v[3],
                    .in = { 1, v[4], v[5] },
                    .kernel = { 1, tall, v[6] },
                    .stride = { 1, v[9] ? 1 : v[7], v[7] },
                    .dilation = { 1, 1, v[8] },
                    .pad = { 0, v[9] ? 0 : pad, pad } };
    for (int axis = 0; axis < 3; axis++)
        w.out[axis] = bl_window_out(w.in[axis], w.kernel[axis], w.stride[axis], w.dilation[axis],
                                    w.pad[axis], v[9] ? 0 : w.pad[axis], false);
    return w;
}

static double prepare_conv(work *w, const size_t v[10], int threads)
{
    bl_window  window = window_of(v);
    size_t     pixels = window.out[1] * window.out[2], taps = window.kernel[1] * window.kernel[2];
    size_t     k = v[1] / v[3] * taps;
    bl_packed *packed = NULL;
    float     *weights = numbers(v[2] * k);
    if (w->kernels->conv_pack(&window, weights, &packed, NULL) != BLIND_OK)
        exit(1);
    free(weights);
    w->conv = (bl_conv){ .window = window,
                         .x = numbers(v[0] * v[1] * v[4] * v[5]),
                         .w = packed,
                         .out = numbers(v[0] * v[2] * pixels) };
    w->conv.epilogue = (bl_epilogue){ .bias = numbers(v[2]), .act = BL_UNARY_RELU };
    w->conv.scratch = numbers(w->kernels->conv_scratch(&window, packed, threads) / 4 + 16);
    return 2e-9 * (double)(v[0] * v[2] * pixels) * (double)k;
}

static void prepare_attention(work *w, const size_t v[10], int threads)
{
    size_t        width = v[2] * v[3], len = v[0] * v[1] * width;
    bl_attention *a = &w->attention;
    *a = (bl_attention){ .batch = v[0],
                         .heads = v[2],
                         .q_len = v[1],
                         .k_len = v[1],
                         .head_size = v[3],
                         .value_size = v[3],
                         .scale = 0.125f,
                         .q = numbers(len),
                         .k = numbers(len),
                         .v = numbers(len),
                         .out = numbers(len),
                         .mask = numbers(v[0] * v[1]),
                         .mask_col = 1,
                         .mask_batch = v[1] };
    a->q_batch = a->k_batch = a->v_batch = a->out_batch = v[1] * width;
    a->q_row = a->k_row = a->v_row = a->out_row = width;
    a->q_head = a->k_head = a->v_head = a->out_head = v[3];
    a->scratch = numbers(w->kernels->attention_scratch(a, threads) / 4 + 16);
}

static void release(work *w)
{
    free((void *)w->gemm.a), free(w->gemm.out), free((void *)w->gemm.epilogue.bias);
    free(w->gemm.scratch), bl_packed_free((bl_packed *)w->gemm.b);
    free((void *)w->conv.x), free(w->conv.out), free((void *)w->conv.epilogue.bias);
    free(w->conv.scratch), bl_packed_free((bl_packed *)w->conv.w);
    free((void *)w->attention.q), free((void *)w->attention.k), free((void *)w->attention.v);
    free(w->attention.out), free((void *)w->attention.mask), free(w->attention.scratch);
    *w = (work){ .kernels = w->kernels, .pool = w->pool };
}

static double measure(work *w, size_t shape, int threads, double seconds, double *gflop)
{
    const size_t *v = shapes[shape].v;
    void (*run)(work *) = run_gemm;
    if (shapes[shape].kind == GEMM) {
        prepare_gemm(w, v, threads);
        *gflop = 2e-9 * (double)(v[0] * v[1]) * (double)v[2];
    } else if (shapes[shape].kind == CONV) {
        *gflop = prepare_conv(w, v, threads);
        run = run_conv;
    } else {
        prepare_attention(w, v, threads);
        *gflop = 4e-9 * (double)(v[0] * v[1] * v[1]) * (double)(v[2] * v[3]);
        run = run_attention;
    }
    double took = best_s(run, w, seconds);
    release(w);
    return took;
}

static double peak_gflops(const bl_kernels *kernels)
{
    work w = { .kernels = kernels };
    prepare_gemm(&w, (const size_t[10]){ 140, 240, 32 }, 1);
    double took = best_s(run_peak, &w, 0.2);
    release(&w);
    return 2e-9 * 140 * 240 * 32 / took;
}

typedef struct {
    bl_isa       isa;
    bl_precision precision;
    const char  *threads, *word;
    double       seconds;
} options;

static options options_of(int argc, char **argv)
{
    options o = { .isa = bl_isa_best(), .threads = "1,2", .word = "", .seconds = 0.3 };
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--threads") == 0)
            o.threads = argv[++i];
        else if (more && strcmp(argv[i], "--seconds") == 0)
            o.seconds = atof(argv[++i]);
        else if (more && strcmp(argv[i], "--precision") == 0) {
            if (!bl_precision_from_name(argv[++i], &o.precision))
                exit(2);
        } else if (more && strcmp(argv[i], "--isa") == 0) {
            i++;
            for (int isa = 0; isa < BL_ISA_COUNT; isa++)
                if (strcmp(argv[i], bl_isa_name((bl_isa)isa)) == 0 && bl_isa_usable((bl_isa)isa))
                    o.isa = (bl_isa)isa;
        } else
            o.word = argv[i];
    }
    return o;
}

int main(int argc, char **argv)
{
    options           o = options_of(argc, argv);
    const bl_kernels *kernels = bl_kernels_for(o.isa, o.precision);
    double            peak = peak_gflops(kernels);
    printf("%s, a small product in the first cache: %.0f GFLOP/s on one core\n", bl_isa_name(o.isa),
           peak);
    for (const char *t = o.threads; *t; t += strcspn(t, ","), t += *t == ',') {
        int      threads = atoi(t);
        bl_pool *pool = NULL;
        if (bl_pool_new(threads, &pool, NULL) != BLIND_OK)
            return 1;
        for (size_t i = 0; i < BL_LEN(shapes); i++) {
            work   w = { .kernels = kernels, .pool = pool };
            double gflop;
            if (!strstr(shapes[i].name, o.word))
                continue;
            double took = measure(&w, i, threads, o.seconds, &gflop);
            printf("%d threads  %-26s %9.1f us %7.1f GFLOP/s %4.0f %% of peak\n", threads,
                   shapes[i].name, took * 1e6, gflop / took, 100 * gflop / took / peak / threads);
        }
        bl_pool_free(pool);
    }
    return 0;
}
