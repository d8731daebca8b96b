/* Fusion: nodes of a plan joined into fewer that do more per pass over memory.
 *
 * patterns.c  ten small nodes that spell one operator (LayerNorm, GELU, ...)
 * fuse.c      what a product or convolution does before it stores: bias, residual, activation;
 *             and what it can read without a copy: transposes, scales, pads
 * fuse_attention.c  two products with a softmax between
 *
 * A fused node takes the place of the last node it replaces, so that all it reads stands before. */
#ifndef BL_ONNX_FUSE_H
#define BL_ONNX_FUSE_H

#include "onnx/heavy.h"
#include "onnx/plan.h"

/* The living node that makes a value; NULL for inputs, constants and absent values. */
bl_node *bl_maker(const bl_build *b, int32_t value);
/* The same, when the value has one reader and is no output: the node may vanish. */
bl_node *bl_sole_maker(const bl_build *b, int32_t value);

bool bl_is_type(const bl_node *n, const char *type);

/* n is x * k or x / k with a constant number: the other operand and the factor. */
bool bl_is_scaling(const bl_build *b, const bl_node *n, int32_t *x, double *factor);

/* Makes n the internal operator `type` over these inputs, -1 where they are left out.
 * Errors MEMORY, and those of the operator's inference */
BLIND_MUST_USE blind_code bl_become(bl_build *b, bl_node *n, const char *type, int n_in,
                                    const int32_t *in);

/* Counts readers and kills nodes without any. */
void bl_drop_unread(bl_graph *g);

BLIND_MUST_USE blind_code bl_fuse_patterns(bl_build *b);
/* integers.c: products of integers and the scales around them. */
BLIND_MUST_USE blind_code bl_fuse_integers(bl_build *b);

/* Makes the product n the last of an attention, where it is; its operands have been read through.
 */
BLIND_MUST_USE blind_code bl_fuse_attention(bl_build *b, bl_node *n);
/* Writes what n makes in the order of a Transpose that reads it; false when it cannot. */
bool bl_attention_turn(const bl_build *b, bl_node *n, const bl_node *transpose);

#endif
