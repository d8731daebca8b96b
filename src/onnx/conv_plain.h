/* Convolution by its definition: for weights that are no constants, and for F64. */
#ifndef BL_ONNX_CONV_PLAIN_H
#define BL_ONNX_CONV_PLAIN_H

#include "onnx/element.h"

/* out[z][o] = bias[o] + sum over i, window of w[o][i][window] * x[z][i][...], zero padding; sums in
 * double.
 *
 * dtype  F32 or F64, of all
 * bias   one number per output channel; or NULL */
void bl_conv_plain(const bl_window *w, blind_dtype dtype, const void *x, const void *weights,
                   const void *bias, void *out, bl_pool *pool);

#endif
