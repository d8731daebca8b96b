/* Numbers of every element type, one at a time and in rows. */
#ifndef BL_ONNX_NUMBER_H
#define BL_ONNX_NUMBER_H

#include "onnx/graph.h"

/* Kinds of element types. */
bool bl_is_float(blind_dtype dtype);   /* F64, F32, F16, BF16, F8*: IEEE 754 or like it */
bool bl_is_narrow(blind_dtype dtype);  /* F16, BF16 */
bool bl_is_integer(blind_dtype dtype); /* of 4 to 64 bits; not BOOL */
bool bl_is_signed(blind_dtype dtype);  /* of the integers */

/* The number of an element; wider integers than a double takes lose their last bits. */
double bl_number_load(blind_dtype dtype, const void *at);

/* Stores the nearest number, ties to even; integers are cut towards zero (those of 4 bits are
 * rounded), what does not fit is the nearest that does, NaN is 0.
 *
 * saturate  F8*: what does not fit is the largest number; else infinity, or NaN where there is none
 */
void bl_number_store(blind_dtype dtype, void *at, double value, bool saturate);

/* 64 bits of an integer or BOOL, sign-extended; and back, cut to its low bits. */
uint64_t bl_integer_load(blind_dtype dtype, const void *at);
void     bl_integer_store(blind_dtype dtype, void *at, uint64_t value);

/* Rows of F16 or BF16 (at any address) to F32 and back, ties to even. */
void bl_widen_row(blind_dtype from, float *out, const void *x, size_t n);
void bl_narrow_row(blind_dtype to, uint16_t *out, const float *x, size_t n);

#endif
