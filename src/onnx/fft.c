/* Butterflies over twiddles of a table; Bluestein's chirp for what is no power of two. */
#include "onnx/fft.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static void swap_bits(double *x, size_t m)
{
    for (size_t i = 1, k = 0; i < m; i++) {
        size_t bit = m >> 1;
        for (; k & bit; bit >>= 1)
            k ^= bit;
        k ^= bit;
        for (size_t c = 0; i < k && c < 2; c++) {
            double keep = x[2 * i + c];
            x[2 * i + c] = x[2 * k + c];
            x[2 * k + c] = keep;
        }
    }
}

static void radix2(const double *turn, double *x, size_t m)
{
    swap_bits(x, m);
    for (size_t half = 1; half < m; half *= 2) {
        size_t step = m / (2 * half);
        for (size_t from = 0; from < m; from += 2 * half)
            for (size_t i = 0; i < half; i++) {
                double *a = x + 2 * (from + i), *b = a + 2 * half;
                double  c = turn[2 * i * step], s = turn[2 * i * step + 1];
                double  re = b[0] * c - b[1] * s, im = b[0] * s + b[1] * c;
                b[0] = a[0] - re;
                b[1] = a[1] - im;
                a[0] += re;
                a[1] += im;
            }
    }
}

/* x *= y, or the conjugate of y. */
static void multiply(double *x, const double *y, bool conjugate)
{
    double im_y = conjugate ? -y[1] : y[1], re = x[0] * y[0] - x[1] * im_y;
    x[1] = x[0] * im_y + x[1] * y[0];
    x[0] = re;
}

static void conjugate(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[2 * i + 1] = -x[2 * i + 1];
}

static void bluestein(const bl_fft *f, double *x)
{
    for (size_t i = 0; i < f->n; i++)
        multiply(x + 2 * i, f->chirp + 2 * i, false);
    memset(x + 2 * f->n, 0, 2 * (f->m - f->n) * sizeof *x);
    radix2(f->turn, x, f->m);
    for (size_t i = 0; i < f->m; i++)
        multiply(x + 2 * i, f->filter + 2 * i, false);
    conjugate(x, f->m); /* the inverse, but for the conjugate of what comes out */
    radix2(f->turn, x, f->m);
    conjugate(x, f->n);
    for (size_t i = 0; i < f->n; i++) {
        multiply(x + 2 * i, f->chirp + 2 * i, false);
        x[2 * i] /= (double)f->m;
        x[2 * i + 1] /= (double)f->m;
    }
}

void bl_fft_run(const bl_fft *f, double *x, bool inverse)
{
    if (inverse)
        conjugate(x, f->n);
    if (f->chirp)
        bluestein(f, x);
    else
        radix2(f->turn, x, f->m);
    if (inverse)
        conjugate(x, f->n);
}

static void fill_chirp(bl_fft *f)
{
    for (size_t k = 0; k < f->n; k++) { /* k^2 modulo 2n: the angle keeps its digits */
        double angle = -pi * (double)((uint64_t)k * k % (2 * f->n)) / (double)f->n;
        f->chirp[2 * k] = cos(angle);
        f->chirp[2 * k + 1] = sin(angle);
        f->filter[2 * k] = f->chirp[2 * k];
        f->filter[2 * k + 1] = -f->chirp[2 * k + 1];
        if (k > 0)
            memcpy(f->filter + 2 * (f->m - k), f->filter + 2 * k, 2 * sizeof(double));
    }
    radix2(f->turn, f->filter, f->m);
}

blind_code bl_fft_init(bl_build *b, const bl_node *n, int64_t points, bl_fft *out)
{
    if (points < 1)
        return bl_op_fail(b, n, BLIND_INPUT, "a transform of %lld points", (long long)points);
    if (points > BL_MAX_DFT)
        return bl_op_fail(b, n, BLIND_LIMIT, "a transform of %lld points", (long long)points);
    size_t len = (size_t)points, m = 1;
    bool   power = (len & (len - 1)) == 0;
    while (m < (power ? len : 2 * len - 1))
        m *= 2;
    *out = (bl_fft){ .n = len, .m = m };
    out->turn = bl_arena_array(b->arena, m + 1, sizeof(double));
    if (!power) {
        out->chirp = bl_arena_array(b->arena, 2 * len, sizeof(double));
        out->filter = bl_arena_array(b->arena, 2 * m, sizeof(double));
    }
    if (!out->turn || (!power && (!out->chirp || !out->filter)))
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    for (size_t k = 0; k < m / 2; k++) {
        out->turn[2 * k] = cos(-2 * pi * (double)k / (double)m);
        out->turn[2 * k + 1] = sin(-2 * pi * (double)k / (double)m);
    }
    if (!power)
        fill_chirp(out);
    return BLIND_OK;
}
