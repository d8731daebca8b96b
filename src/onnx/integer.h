/* What products and convolutions of 8-bit integers carry from planning to running, open to fusion.
 *
 * Many operators are one: they differ in which of their inputs holds what. */
#ifndef BL_ONNX_INTEGER_H
#define BL_ONNX_INTEGER_H

#include "nn/bytes.h"
#include "onnx/families.h"

/* Which inputs hold what; -1: none.  With y_scale the output is bytes, with a_scale alone floats,
 * without either the sums. */
typedef struct {
    int a, b, a_scale, a_zero, b_scale, b_zero, y_scale, y_zero;
    int bias; /* per column: floats, or integers that are added to sums */
    int add;  /* floats of the output's shape */
} bl_integer_roles;

typedef struct {
    bl_integer_roles  in;
    bl_matmul         m; /* shapes and strides */
    size_t            rows;
    const bl_bytes   *bytes;     /* how; NULL: plain loops over a matrix that is no constant */
    const bl_weights *weights;   /* once prepared */
    bl_epilogue       epilogue;  /* of floats: act and its parameters */
    int32_t           low, high; /* of bytes */
} bl_integer_params;

/* A convolution.  Its output is sums, floats or bytes as of products; bytes may be added, which are
 * then quantised once more: inputs `add` to `end_zero`. */
enum {
    BL_QCONV_ADD = 9,
    BL_QCONV_ADD_SCALE,
    BL_QCONV_ADD_ZERO,
    BL_QCONV_END_SCALE,
    BL_QCONV_END_ZERO,
    BL_QCONV_INPUTS
};

typedef struct {
    bl_integer_roles  in;
    bl_window         window;
    const bl_bytes   *bytes;   /* NULL: plain loops over weights or scales that are no constants */
    const bl_weights *weights; /* once prepared */
    bl_bytes_finish   finish;  /* but for add */
    int32_t           low, high;         /* of the bytes that leave, within their type's */
    int32_t           mid_low, mid_high; /* before bytes are added */
    bool              x_last, out_last; /* channels last: fusion's choice, where all readers know */
} bl_integer_conv;

/* The node as such a convolution, made by fusion, of packed weights; or NULL. */
bl_integer_conv *bl_integer_conv_of(const bl_node *n);

/* Pools of bytes. */
typedef struct {
    bl_window window;
    bool      last; /* channels, of input and output: fusion's choice */
} bl_byte_pool;

bl_byte_pool *bl_byte_pool_of(const bl_node *n); /* NULL: another node */

/* Packed integers of a node, beside its packed floats. */
#define BL_VARIANT_BYTES 2

/* The node's epilogue where it is such a product of packed weights with floats to come; or NULL. */
bl_epilogue *bl_integer_epilogue(const bl_node *n);
/* Adds value `other` to what such a product makes; false when it cannot. */
bool bl_integer_add(bl_build *b, bl_node *n, int32_t other);

/* Scale and zero point by which bytes take in all of x and 0, as DynamicQuantizeLinear has them. */
void bl_dynamic_grid(const bl_bytes *k, const float *x, size_t len, float *scale, int32_t *zero,
                     bl_pool *pool);

/* A number of a tensor of one number or of one per row or column; 0 where it is left out. */
double bl_number_or_0(const bl_tensor *t, size_t i);

/* Inputs by role. */
static inline const bl_tensor *bl_role_in(const bl_build *b, const bl_node *n, int i)
{
    return i < 0 ? NULL : bl_in(b, n, i);
}
static inline const bl_tensor *bl_role_arg(const bl_exec *x, const bl_node *n, int i)
{
    return i < 0 ? NULL : bl_arg(x, n, i);
}

/* Integers of a constant, `len` of them or one for all, for packing: bl_auto_free; *out stays NULL
 * where the input is left out. */
BLIND_MUST_USE blind_code bl_integer_zeros(bl_build *b, const bl_node *n, int i, size_t len,
                                           int32_t **out);

#endif
