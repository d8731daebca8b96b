/* What convolutions and products carry from planning to running, open to fusion. */
#ifndef BL_ONNX_HEAVY_H
#define BL_ONNX_HEAVY_H

#include "onnx/families.h"

typedef struct {
    bl_window         window;
    bl_epilogue       epilogue; /* act and its parameters; pointers are set by each run */
    int               add_in;   /* the input added before act, shaped as the output; -1: none */
    const bl_node    *norm;     /* BatchNormalization folded into the weights; or NULL */
    double            factor;   /* folded into them too; 0: none */
    const bl_weights *weights;  /* NULL: plain loops over weights that are no constants */
    const bl_node    *filter;   /* of a chain: the convolution of one filter per channel before */
    const bl_node    *first;    /* and the one before that, or NULL; input 0 is of the first one */
} bl_conv_params;

/* How an operand of a product is read: view axis i is axis perm[i] of a tensor of these dims. */
typedef struct {
    int     rank;
    int     perm[BL_ONNX_RANK];
    int64_t dim[BL_ONNX_RANK]; /* of the view */
} bl_operand_view;

typedef struct {
    bool              packed; /* b is constant: gemm; else matmul */
    bool              plain;  /* not f32: plain loops */
    bl_operand_view   view[2];
    bl_matmul         m; /* shapes, and strides where not packed */
    size_t            b_row, b_col;
    const bl_weights *weights;
    bl_epilogue       epilogue;
    int               bias_in, add_in; /* inputs of the epilogue; -1: none */
    float             beta;            /* Gemm: of a C that is neither bias nor add */
    int               c_in;
} bl_product_params;

/* blind.Attention, over inputs q, k, v and mask. */
typedef struct {
    bl_attention a;       /* shapes and strides; pointers are set by each run */
    int32_t      mask;    /* the value; -1: none */
    bool         chooses; /* it is a choice, not added */
} bl_attention_params;

/* Shapes and strides of a matrix product of x and y, whatever their types; `dim` and `rank` are the
 * output's.  False when they do not multiply. */
bool bl_product_of(const bl_tensor *x, const bl_tensor *y, bl_matmul *m, int64_t *dim, int *rank);

/* Inputs of blind.SmallProduct: x, a constant matrix of 4-bit or 8-bit integers, bias, addend,
 * scales, zero points; its params are bl_product_params. */
enum { BL_SMALL_SCALE = 4, BL_SMALL_ZERO, BL_SMALL_INPUTS };

/* Rows of x times those of all its batches. */
size_t bl_product_rows(const bl_product_params *p);

/* Reads input `side` of a MatMul (0 or 1) through a Transpose, which takes `dim` axes: the strides
 * change, no byte moves.  False when this product cannot. */
bool bl_matmul_through(bl_build *b, bl_node *n, int side, const bl_node *transpose);

/* Applies an activation to an f32 elementwise operator's output; false when it has one. */
bool bl_binary_activate(bl_node *n, bl_unary act, float a0, float a1);
/* Whether that was done. */
bool bl_binary_acts(const bl_node *n);

#endif
