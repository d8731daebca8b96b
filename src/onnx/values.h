/* Values of inputs that infer may read: constants, or what bl_need_value has made known. */
#ifndef BL_ONNX_VALUES_H
#define BL_ONNX_VALUES_H

#include "onnx/element.h"

/* The value of input i, aligned: in place, or copied to the plan.  BL_LATER when it is not known
 * yet, MEMORY. */
BLIND_MUST_USE blind_code bl_value_of(bl_build *b, const bl_node *n, int i, const void **out);
/* The same of an F32 input. */
BLIND_MUST_USE blind_code bl_floats_of(bl_build *b, const bl_node *n, int i, const float **out);
/* The single integer of input i; *out keeps its value where the input is left out. */
BLIND_MUST_USE blind_code bl_integer_of(bl_build *b, const bl_node *n, int i, int64_t *out);
/* The single number of input i, of any numeric type, likewise. */
BLIND_MUST_USE blind_code bl_number_of(bl_build *b, const bl_node *n, int i, double *out);

#endif
