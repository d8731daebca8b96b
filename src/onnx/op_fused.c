/* Operators that only fusion makes. */
#include "onnx/heavy.h"

/* blind.Gate: tanh(a) * sigmoid(b).  --------------------------------------------------------- */

blind_code bl_op_gate_infer(bl_build *b, bl_node *n)
{
    n->inplace = 3;
    return bl_set_same(b, n);
}

blind_code bl_op_gate_run(const bl_exec *x, const bl_node *n)
{
    bl_tensor *out = bl_result(x, n, 0);
    x->kernels->gate(out->data, bl_arg(x, n, 0)->data, bl_arg(x, n, 1)->data, out->len, x->pool);
    return BLIND_OK;
}

/* blind.Attention, made by fuse_attention.c with its shapes known.  ---------------------------- */

blind_code bl_op_attention_infer(bl_build *b, bl_node *n)
{
    return n->params ? BLIND_OK : bl_op_fail(b, n, BLIND_UNSUPPORTED, "not made by fusion");
}

blind_code bl_op_attention_prepare(bl_build *b, bl_node *n)
{
    const bl_attention_params *p = n->params;
    n->scratch = b->kernels->attention_scratch(&p->a, bl_pool_threads(b->pool));
    return BLIND_OK;
}

blind_code bl_op_attention_run(const bl_exec *x, const bl_node *n)
{
    const bl_attention_params *p = n->params;
    const bl_tensor           *mask = bl_arg(x, n, 3);
    bl_attention               a = p->a;
    a.q = bl_arg(x, n, 0)->data;
    a.k = bl_arg(x, n, 1)->data;
    a.v = bl_arg(x, n, 2)->data;
    a.mask = mask && !p->chooses ? mask->data : NULL;
    a.choice = mask && p->chooses ? mask->data : NULL;
    a.out = bl_result(x, n, 0)->data;
    a.scratch = x->scratch;
    x->kernels->attention(&a, x->pool);
    return BLIND_OK;
}
