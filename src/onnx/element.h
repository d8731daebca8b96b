/* One element of any numeric type as a double.
 *
 * Loops over these are written once, as always_inline functions of a dtype: called with a constant
 * they become that type's loop, called with any other they read and write element by element.
 * Integers beyond 2^53 lose their low bits: operators that only move elements copy bytes. */
#ifndef BL_ONNX_ELEMENT_H
#define BL_ONNX_ELEMENT_H

#include "onnx/number.h"
#include "onnx/ops.h"

#define BL_INLINE static inline __attribute__((always_inline))

/* Element i of `data`, aligned for its type. */
BL_INLINE double bl_get(blind_dtype dtype, const void *data, size_t i)
{
    switch (dtype) {
    case BLIND_F32:
        return (double)((const float *)data)[i];
    case BLIND_F64:
        return ((const double *)data)[i];
    case BLIND_I64:
        return (double)((const int64_t *)data)[i];
    case BLIND_I32:
        return (double)((const int32_t *)data)[i];
    case BLIND_I16:
        return (double)((const int16_t *)data)[i];
    case BLIND_I8:
        return (double)((const int8_t *)data)[i];
    case BLIND_U64:
        return (double)((const uint64_t *)data)[i];
    case BLIND_U32:
        return (double)((const uint32_t *)data)[i];
    case BLIND_U16:
        return (double)((const uint16_t *)data)[i];
    case BLIND_U8:
    case BLIND_BOOL:
        return (double)((const uint8_t *)data)[i];
    default:
        return bl_number_load(dtype, (const char *)data + i * bl_element_size(dtype));
    }
}

/* Stores; an integer takes the value's nearest toward zero within its range, NaN is 0. */
BL_INLINE void bl_put(blind_dtype dtype, void *data, size_t i, double value)
{
    if (dtype == BLIND_F32) {
        ((float *)data)[i] = (float)value;
    } else if (dtype == BLIND_F64) {
        ((double *)data)[i] = value;
    } else {
        bl_tensor t = { .dtype = dtype, .data = data, .len = i + 1 };
        bl_tensor_set_number(&t, i, value);
    }
}

/* F32 and F64: what most operators compute in. */
static inline bool bl_is_real(blind_dtype dtype)
{
    return dtype == BLIND_F32 || dtype == BLIND_F64;
}

/* Fails with UNSUPPORTED unless input i is left out, F32 or F64, and as the first input. */
BLIND_MUST_USE blind_code bl_need_real(bl_build *b, const bl_node *n, int i);

#endif
