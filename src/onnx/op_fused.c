/* Operators that only fusion makes. */
#include "onnx/families.h"

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
