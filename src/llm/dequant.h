/* Rows of quantised weights as numbers: the meaning of each type, against which kernels are tested.
 */
#ifndef BL_LLM_DEQUANT_H
#define BL_LLM_DEQUANT_H

#include "llm/quant.h"

/* True when bl_dequant() knows the type. */
bool bl_dequant_knows(const bl_quant_type *type);

/* out[i] = the value of element i.
 *
 * from  whole blocks, of any alignment
 * len   elements, a multiple of the type's block
 * Exact but for the products of scales, which are rounded to float.
 * Source: ggml's documentation of its tensor types. */
void bl_dequant(const bl_quant_type *type, const uint8_t *from, size_t len, float *out);

#endif
