/* MaxPool, AveragePool and their global forms. */
#include "onnx/families.h"
#include "onnx/window.h"

typedef struct {
    bl_pooling pooling;
    bool       average;
} pool;

static blind_code need_f32(bl_build *b, const bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    if (x->dtype != BLIND_F32)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    if (x->rank < 3)
        return bl_op_fail(b, n, BLIND_INPUT, "an input of %d axes", x->rank);
    return BLIND_OK;
}

blind_code bl_op_pooling_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          kernel[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len;
    pool            *p;
    BL_TRY(need_f32(b, n));
    BL_TRY(bl_attr_ints(b, n, "kernel_shape", kernel, BL_ONNX_RANK, &len));
    if (len != (size_t)x->rank - 2)
        return bl_op_fail(b, n, BLIND_INPUT, "a kernel of %zu axes over %d", len, x->rank - 2);
    if (bl_has_out(n, 1) || bl_attr_int(n, "storage_order", 0))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "indices as output");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_window_of(b, n, kernel, &p->pooling.window, dim, p->pooling.pad_after));
    p->average = strcmp(n->type, "AveragePool") == 0;
    p->pooling.count_pad = bl_attr_int(n, "count_include_pad", 0) != 0;
    dim[0] = x->dim[0];
    dim[1] = x->dim[1];
    return bl_set_out(b, n, 0, BLIND_F32, x->rank, dim);
}

blind_code bl_op_pooling_run(const bl_exec *x, const bl_node *n)
{
    const pool *p = n->params;
    bl_pooling  pooling = p->pooling;
    if (bl_result(x, n, 0)->len == 0)
        return BLIND_OK;
    pooling.x = bl_arg(x, n, 0)->data;
    pooling.out = bl_result(x, n, 0)->data;
    if (p->average)
        x->kernels->avg_pool(&pooling, x->pool);
    else
        x->kernels->max_pool(&pooling, x->pool);
    return BLIND_OK;
}

blind_code bl_op_global_pool_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          dim[BL_ONNX_RANK];
    BL_TRY(need_f32(b, n));
    for (int i = 0; i < x->rank; i++)
        dim[i] = i < 2 ? x->dim[i] : 1;
    return bl_set_out(b, n, 0, BLIND_F32, x->rank, dim);
}

blind_code bl_op_global_pool_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    bl_reduction     op = strcmp(n->type, "GlobalMaxPool") == 0 ? BL_REDUCE_MAX : BL_REDUCE_MEAN;
    if (out->len)
        x->kernels->reduce(op, out->data, in->data, out->len, bl_dims(in, 2, in->rank), 1, x->pool);
    return BLIND_OK;
}
