/* blind.SmallProduct: a MatMul whose matrix comes from a DequantizeLinear with blocks.  The matrix
 * stays as small as it is (nn/nbits.h); what runs is MatMul. */
#include "onnx/heavy.h"
#include "onnx/number.h"

#include <stdlib.h>

enum { VARIANT = 8 }; /* of the packed weights: apart from those of a MatMul */

blind_code bl_op_small_product_infer(bl_build *b, bl_node *n)
{
    bl_product_params *p;
    int64_t            dim[BL_ONNX_RANK];
    int                rank;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (!bl_product_of(bl_in(b, n, 0), bl_in(b, n, 1), &p->m, dim, &rank))
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not multiply");
    p->packed = true;
    p->bias_in = p->add_in = p->c_in = -1;
    n->raw = 1u << 1 | 1u << BL_SMALL_SCALE | 1u << BL_SMALL_ZERO;
    return bl_set_out(b, n, 0, BLIND_F32, rank, dim);
}

/* A constant's numbers; NULL when there is no memory. */
static float *floats_of(const bl_tensor *t)
{
    float *all = calloc(t->len + 1, sizeof *all);
    double v;
    for (size_t i = 0; all && i < t->len; i++) {
        bl_tensor_number(t, i, &v);
        all[i] = (float)v;
    }
    return all;
}

static blind_code pack(bl_build *b, bl_node *n, bl_product_params *p)
{
    const bl_tensor    *q = bl_in(b, n, 1), *zero = bl_in(b, n, BL_SMALL_ZERO);
    bool                is_signed = q->dtype == BLIND_I4 || q->dtype == BLIND_I8;
    bl_auto_free float *scales = floats_of(bl_in(b, n, BL_SMALL_SCALE)), *zeros = NULL;
    bl_packed          *packed;
    if (zero)
        zeros = floats_of(zero);
    else if (!is_signed) /* 0, which is not the middle */
        zeros = calloc(bl_in(b, n, BL_SMALL_SCALE)->len + 1, sizeof *zeros);
    if (!scales || (!zeros && (zero || !is_signed)))
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory to pack weights");
    bl_nbits_matrix from = { .q = q->data,
                             .bits = q->dtype == BLIND_I4 || q->dtype == BLIND_U4 ? 4 : 8,
                             .is_signed = is_signed,
                             .apart = true,
                             .k = p->m.k,
                             .n = p->m.n,
                             .row_stride = p->m.n,
                             .col_stride = 1,
                             .block = (size_t)bl_attr_int(n, "block_size", 0),
                             .scale = scales,
                             .zero = zeros,
                             .scale_row = p->m.n,
                             .scale_col = 1 };
    bl_store_needed(b, q);
    BL_TRY(b->kernels->gemm_pack_nbits(&from, b->pool, &packed, b->err));
    bl_store_unneeded(b, q);
    return bl_store_keep(b, n, VARIANT, packed, NULL, 0, &p->weights);
}

blind_code bl_op_small_product_prepare(bl_build *b, bl_node *n)
{
    bl_product_params *p = n->params;
    p->weights = bl_store_find(b, n, VARIANT);
    if (!p->weights)
        BL_TRY(pack(b, n, p));
    n->scratch =
        b->kernels->gemm_scratch(p->weights->packed, bl_product_rows(p), bl_pool_threads(b->pool));
    return BLIND_OK;
}
