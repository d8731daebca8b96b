/* 16-bit floats for operators that compute in F32: see widen.c. */
#ifndef BL_ONNX_WIDEN_H
#define BL_ONNX_WIDEN_H

#include "onnx/ops.h"

/* n->op->infer(b, n), its narrow inputs replaced by wide ones and its wide outputs by narrow ones
 * where the operator does not take them itself.  n stands at position `at`. */
BLIND_MUST_USE blind_code bl_infer_widened(bl_build *b, bl_node *n, size_t at);

/* Once n was folded or not: makes its outputs narrow again. */
BLIND_MUST_USE blind_code bl_narrow_outputs(bl_build *b, bl_node *n, size_t at);

/* Wide copies of a node's narrow constants, made once for all plans while the model is opened. */
BLIND_MUST_USE blind_code bl_widen_constants(bl_build *b, const bl_node *n);

/* Puts the casts that were made where they belong, among the nodes. */
BLIND_MUST_USE blind_code bl_insert_casts(bl_build *b);

#endif
