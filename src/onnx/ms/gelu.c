/* Gelu, FastGelu, BiasGelu, QuickGelu: one function of an element, a bias before it. */
#include "onnx/ms/ms.h"

typedef struct {
    bl_unary op;
    float    a;
} gelu_params;

blind_code bl_ms_gelu_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *bias = bl_in(b, n, 1);
    gelu_params     *p;
    BL_TRY(bl_ms_types(b, n, 0));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->op = strcmp(n->type, "FastGelu") == 0    ? BL_UNARY_GELU_TANH
            : strcmp(n->type, "QuickGelu") == 0 ? BL_UNARY_SILU
                                                : BL_UNARY_GELU_ERF;
    p->a = bl_attr_float(n, "alpha", 1.702f);
    if (bias && (x->rank < 1 || (int64_t)bias->len != x->dim[x->rank - 1]))
        return bl_op_fail(b, n, BLIND_INPUT, "a bias that is not one number per column");
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_ms_gelu_run(const bl_exec *x, const bl_node *n)
{
    const gelu_params *p = n->params;
    const bl_tensor   *in = bl_arg(x, n, 0), *bias = bl_arg(x, n, 1);
    bl_tensor         *out = bl_result(x, n, 0);
    if (out->len == 0)
        return BLIND_OK;
    if (!bias) {
        x->kernels->unary(p->op, out->data, in->data, out->len, p->a, 0, x->pool);
        return BLIND_OK;
    }
    bl_elementwise e = { .op = BL_BINARY_ADD,
                         .rank = 2,
                         .shape = { out->len / bias->len, bias->len },
                         .a = in->data,
                         .a_stride = { bias->len, 1 },
                         .b = bias->data,
                         .b_stride = { 0, 1 },
                         .out = out->data,
                         .act = p->op,
                         .act_a = p->a };
    x->kernels->binary(&e, x->pool);
    return BLIND_OK;
}
