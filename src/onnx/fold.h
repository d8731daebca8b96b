/* Columns back into an image: what ConvTranspose and Col2Im have in common. */
#ifndef BL_ONNX_FOLD_H
#define BL_ONNX_FOLD_H

#include "onnx/element.h"

/* Adds columns of one plane to the elements that their windows cover:
 *     out[at * stride + tap * dilation - pad] += cols[tap][at]
 * where `in` of the window is the image and `out` the places of the window; what falls outside the
 * image is dropped.
 *
 * dtype  F32 or F64, of both
 * cols   [taps][places]
 * out    [image] */
void bl_fold_plane(const bl_window *w, blind_dtype dtype, const void *cols, void *out);

#endif
