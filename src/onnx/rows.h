/* Plain element loops over broadcast inputs: what runs for every type that the kernel table, which
 * is f32 alone, does not cover. */
#ifndef BL_ONNX_ROWS_H
#define BL_ONNX_ROWS_H

#include "onnx/ops.h"

/* One run of n elements: out dense, a and b at steps of sa and sb elements (0 repeats). */
typedef void bl_row(void *out, const void *a, const void *b, size_t n, size_t sa, size_t sb);

#define BL_SIGNED(X)   X(I8, int8_t) X(I16, int16_t) X(I32, int32_t) X(I64, int64_t)
#define BL_UNSIGNED(X) X(U8, uint8_t) X(U16, uint16_t) X(U32, uint32_t) X(U64, uint64_t)
#define BL_FLOATS(X)   X(F32, float) X(F64, double)
#define BL_NUMBERS(X)  BL_SIGNED(X) BL_UNSIGNED(X) BL_FLOATS(X)

/* Calls row for every innermost run of the walk over inputs 0 and 1. */
void bl_walk_rows(const bl_walk *w, bl_row *row, void *out, size_t out_size, const void *a,
                  size_t a_size, const void *b, size_t b_size);

#endif
