/* The attributes that convolutions and pools share. */
#ifndef BL_ONNX_WINDOW_H
#define BL_ONNX_WINDOW_H

#include "onnx/ops.h"

/* Fills batch, channels, spatial sizes, strides, dilations and pads of a window over input 0, and
 * the output's spatial dims at dim[2..].
 *
 * kernel     elements per spatial axis, input 0's rank - 2 of them
 * pad_after  per axis as in bl_window; or NULL */
BLIND_MUST_USE blind_code bl_window_of(bl_build *b, const bl_node *n, const int64_t *kernel,
                                       bl_window *out, int64_t *dim, size_t *pad_after);

#endif
