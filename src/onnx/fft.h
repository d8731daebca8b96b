/* Discrete Fourier transforms of any length, in double.
 *
 * Powers of two: radix 2 in place.  Other lengths as a convolution of such a length.
 * Source: Cooley and Tukey 1965; Bluestein 1970. */
#ifndef BL_ONNX_FFT_H
#define BL_ONNX_FFT_H

#include "onnx/ops.h"

typedef struct {
    size_t  n;      /* points */
    size_t  m;      /* a power of two: n itself, or at least 2n - 1 */
    double *turn;   /* [m / 2][2] exp(-2 pi i k / m) */
    double *chirp;  /* [n][2] exp(-pi i k^2 / n); NULL where n == m */
    double *filter; /* [m][2] the transform of the chirp's conjugate */
} bl_fft;

/* Tables in the plan's arena.  Errors  INPUT (0), LIMIT (more than BL_MAX_DFT), MEMORY */
BLIND_MUST_USE blind_code bl_fft_init(bl_build *b, const bl_node *n, int64_t points, bl_fft *out);

/* x: [m][2], the first n given; they become the transform, or the unscaled inverse. */
void bl_fft_run(const bl_fft *f, double *x, bool inverse);

#endif
