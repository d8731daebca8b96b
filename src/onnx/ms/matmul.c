/* FusedMatMul: a product whose factors may be turned, times a number.  MatMulNBits: a product with
 * weights of 4 or 8 bits, which stay so. */
#include "onnx/ms/ms.h"

#include <stdlib.h>

/* FusedMatMul.  ------------------------------------------------------------------------------ */

typedef struct {
    bl_matmul m;
} matmul_params;

/* Axes of a factor as the product sees it: all of batch, then rows and columns; strides in
 * elements. */
typedef struct {
    int    rank;
    size_t dim[BL_ONNX_RANK], stride[BL_ONNX_RANK];
} factor;

static factor factor_of(const bl_tensor *t, bool turned)
{
    factor f = { .rank = t->rank };
    size_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        f.dim[i] = (size_t)t->dim[i];
        f.stride[i] = step;
        step *= f.dim[i];
    }
    int last = t->rank - 1;
    if (turned) {
        size_t dim = f.dim[last], stride = f.stride[last];
        f.dim[last] = f.dim[last - 1];
        f.stride[last] = f.stride[last - 1];
        f.dim[last - 1] = dim;
        f.stride[last - 1] = stride;
    }
    return f;
}

/* Batch axes, broadcast; false where they do not fit. */
static bool set_batch(bl_matmul *m, const factor *a, const factor *b, int64_t *dim)
{
    int rank = BL_MAX(a->rank, b->rank) - 2;
    m->batch_rank = rank;
    for (int i = 0; i < rank; i++) {
        int    ia = i - (rank + 2 - a->rank), ib = i - (rank + 2 - b->rank);
        size_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da != db && da != 1 && db != 1)
            return false;
        m->batch[i] = da == 1 ? db : da;
        m->a_batch[i] = da == 1 ? 0 : a->stride[ia];
        m->b_batch[i] = db == 1 ? 0 : b->stride[ib];
        dim[i] = (int64_t)m->batch[i];
    }
    return true;
}

blind_code bl_ms_matmul_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *y = bl_in(b, n, 1);
    matmul_params   *p;
    int64_t          dim[BL_ONNX_RANK];
    BL_TRY(bl_ms_types(b, n, 0));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (x->rank < 2 || y->rank < 2 || bl_attr_int(n, "transBatchA", 0) ||
        bl_attr_int(n, "transBatchB", 0))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "factors of %d and %d axes, or turned batches",
                          x->rank, y->rank);
    factor     fa = factor_of(x, bl_attr_int(n, "transA", 0) != 0);
    factor     fb = factor_of(y, bl_attr_int(n, "transB", 0) != 0);
    int        la = fa.rank - 1, lb = fb.rank - 1, rank = BL_MAX(fa.rank, fb.rank);
    bl_matmul *m = &p->m;
    if (!set_batch(m, &fa, &fb, dim) || fa.dim[la] != fb.dim[lb - 1])
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not multiply");
    m->m = fa.dim[la - 1];
    m->k = fa.dim[la];
    m->n = fb.dim[lb];
    m->alpha = bl_attr_float(n, "alpha", 1);
    m->a_row = fa.stride[la - 1];
    m->a_col = fa.stride[la];
    m->b_row = fb.stride[lb - 1];
    m->b_col = fb.stride[lb];
    m->out_row = m->n;
    size_t step = m->m * m->n;
    for (int i = m->batch_rank - 1; i >= 0; i--) {
        m->out_batch[i] = step;
        step *= m->batch[i];
    }
    dim[rank - 2] = (int64_t)m->m;
    dim[rank - 1] = (int64_t)m->n;
    return bl_set_out(b, n, 0, BLIND_F32, rank, dim);
}

blind_code bl_ms_matmul_prepare(bl_build *b, bl_node *n)
{
    const matmul_params *p = n->params;
    n->scratch = b->kernels->matmul_scratch(&p->m, bl_pool_threads(b->pool));
    return BLIND_OK;
}

blind_code bl_ms_matmul_run(const bl_exec *x, const bl_node *n)
{
    const matmul_params *p = n->params;
    bl_tensor           *out = bl_result(x, n, 0);
    bl_matmul            m = p->m;
    if (out->len == 0)
        return BLIND_OK;
    m.a = bl_arg(x, n, 0)->data;
    m.b = bl_arg(x, n, 1)->data;
    m.out = out->data;
    m.scratch = x->scratch;
    x->kernels->matmul(&m, x->pool);
    return BLIND_OK;
}

/* MatMulNBits.  ------------------------------------------------------------------------------ */

enum { A, B, SCALES, ZEROS, GROUPS, BIAS };

typedef struct {
    size_t            rows, k, n, bits, block, blocks;
    const bl_weights *weights;
} nbits_params;

static blind_code need_const(bl_build *b, const bl_node *n, int i, size_t len)
{
    const bl_tensor *t = bl_in(b, n, i);
    if (!t)
        return BLIND_OK;
    if (!bl_is_const(b, n, i))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d that is no constant", i);
    return t->len == len ? BLIND_OK
                         : bl_op_fail(b, n, BLIND_INPUT, "%zu numbers in input %d, expected %zu",
                                      t->len, i, len);
}

static blind_code check_nbits(bl_build *b, const bl_node *n, nbits_params *p)
{
    size_t per = p->blocks * p->block * p->bits / 8, zeros = (p->blocks * p->bits + 7) / 8, len;
    if (!bl_mul(p->n, per, &len))
        return bl_op_fail(b, n, BLIND_LIMIT, "weights of impossible size");
    BL_TRY(need_const(b, n, B, len));
    BL_TRY(need_const(b, n, SCALES, p->n * p->blocks));
    BL_TRY(need_const(b, n, GROUPS, p->k));
    if (bl_in(b, n, B)->dtype != BLIND_U8 || bl_in(b, n, SCALES)->dtype != BLIND_F32 ||
        bl_in(b, n, A)->dtype != BLIND_F32)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "weights, scales or rows of another type");
    if (bl_has_in(n, GROUPS) && bl_in(b, n, GROUPS)->dtype != BLIND_I32)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "groups of another type");
    const bl_tensor *z = bl_in(b, n, ZEROS), *bias = bl_in(b, n, BIAS);
    if (z && z->dtype != BLIND_U8 && z->dtype != BLIND_F32)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "zero points of another type");
    BL_TRY(need_const(b, n, ZEROS, z && z->dtype == BLIND_U8 ? p->n * zeros : p->n * p->blocks));
    if (bias && (bias->dtype != BLIND_F32 || bias->len != p->n))
        return bl_op_fail(b, n, BLIND_INPUT, "a bias that is not one number per column");
    for (size_t i = 0; bl_has_in(n, GROUPS) && i < p->k; i++) {
        int32_t group;
        memcpy(&group, (const char *)bl_in(b, n, GROUPS)->data + 4 * i, 4);
        if (group < 0 || (size_t)group >= p->blocks)
            return bl_op_fail(b, n, BLIND_INPUT, "group %d of %zu", group, p->blocks);
    }
    return BLIND_OK;
}

blind_code bl_ms_nbits_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          k = bl_attr_int(n, "K", 0), cols = bl_attr_int(n, "N", 0);
    int64_t          bits = bl_attr_int(n, "bits", 4), block = bl_attr_int(n, "block_size", 32);
    int64_t          dim[BL_ONNX_RANK];
    nbits_params    *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (bits != 4 && bits != 8)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "weights of %lld bits", (long long)bits);
    if (k < 1 || cols < 1 || k > INT32_MAX || cols > INT32_MAX || block < 16 || block > 4096 ||
        (block & (block - 1)) || x->rank < 1 || x->dim[x->rank - 1] != k)
        return bl_op_fail(b, n, BLIND_INPUT, "%lld x %lld weights in blocks of %lld", (long long)k,
                          (long long)cols, (long long)block);
    p->k = (size_t)k;
    p->n = (size_t)cols;
    p->bits = (size_t)bits;
    p->block = (size_t)block;
    p->blocks = (p->k + p->block - 1) / p->block;
    p->rows = bl_dims(x, 0, x->rank - 1);
    BL_TRY(check_nbits(b, n, p));
    memcpy(dim, x->dim, (size_t)x->rank * sizeof *dim);
    dim[x->rank - 1] = cols;
    n->raw = 1u << B | 1u << SCALES | 1u << ZEROS | 1u << GROUPS;
    return bl_set_out(b, n, 0, BLIND_F32, x->rank, dim);
}

static float float_at(const bl_tensor *t, size_t i)
{
    float v;
    memcpy(&v, (const char *)t->data + 4 * i, 4);
    return v;
}

/* Number i of a row of packed ones, the low bits first. */
static unsigned bits_at(const uint8_t *row, size_t bits, size_t i)
{
    return bits == 8 ? row[i] : (unsigned)row[i / 2] >> (4 * (i & 1)) & 15u;
}

static float zero_of(const bl_build *b, const bl_node *n, const nbits_params *p, size_t col,
                     size_t group)
{
    const bl_tensor *z = bl_in(b, n, ZEROS);
    size_t           row = (p->blocks * p->bits + 7) / 8;
    if (!z)
        return p->bits == 4 ? 8 : 128;
    if (z->dtype == BLIND_F32)
        return float_at(z, col * p->blocks + group);
    return (float)bits_at((const uint8_t *)z->data + col * row, p->bits, group);
}

static void open_column(const bl_build *b, const bl_node *n, const nbits_params *p, size_t col,
                        float *to)
{
    const bl_tensor *groups = bl_in(b, n, GROUPS), *scales = bl_in(b, n, SCALES);
    const uint8_t   *row =
        (const uint8_t *)bl_in(b, n, B)->data + col * (p->blocks * p->block * p->bits / 8);
    for (size_t i = 0; i < p->k; i++) {
        int32_t group = (int32_t)(i / p->block);
        if (groups)
            memcpy(&group, (const char *)groups->data + 4 * i, 4);
        float scale = float_at(scales, col * p->blocks + (size_t)group);
        to[i] = ((float)bits_at(row, p->bits, i) - zero_of(b, n, p, col, (size_t)group)) * scale;
    }
}

/* Numbers whose groups are in no order become floats. */
static blind_code pack_opened(bl_build *b, const bl_node *n, const nbits_params *p, bl_packed **out)
{
    size_t              len;
    bl_auto_free float *open = NULL;
    if (!bl_mul(p->n, p->k, &len) || !(open = calloc(len, sizeof *open)))
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory to open weights");
    for (size_t col = 0; col < p->n; col++)
        open_column(b, n, p, col, open + col * p->k);
    bl_matrix from = { open, p->k, p->n, 1, p->k, NULL };
    return b->kernels->gemm_pack(&from, out, b->err);
}

/* The others stay as they are. */
static blind_code pack_small(bl_build *b, const bl_node *n, const nbits_params *p, bl_packed **out)
{
    size_t              len = p->n * p->blocks; /* there are so many scales */
    bl_auto_free float *scales = calloc(len, sizeof *scales), *zeros = calloc(len, sizeof *zeros);
    if (!scales || !zeros)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory to pack weights");
    for (size_t i = 0; i < len; i++) {
        scales[i] = float_at(bl_in(b, n, SCALES), i);
        zeros[i] = zero_of(b, n, p, i / p->blocks, i % p->blocks);
    }
    bl_nbits_matrix from = { .q = bl_in(b, n, B)->data,
                             .bits = p->bits,
                             .k = p->k,
                             .n = p->n,
                             .row_stride = 1,
                             .col_stride = p->blocks * p->block,
                             .block = p->block,
                             .scale = scales,
                             .zero = zeros,
                             .scale_row = 1,
                             .scale_col = p->blocks };
    bl_store_needed(b, bl_in(b, n, B));
    return b->kernels->gemm_pack_nbits(&from, b->pool, out, b->err);
}

blind_code bl_ms_nbits_prepare(bl_build *b, bl_node *n)
{
    nbits_params *p = n->params;
    bl_packed    *packed;
    p->weights = bl_store_find(b, n, 0);
    if (!p->weights) {
        BL_TRY((bl_has_in(n, GROUPS) ? pack_opened : pack_small)(b, n, p, &packed));
        bl_store_unneeded(b, bl_in(b, n, B));
        BL_TRY(bl_store_keep(b, n, 0, packed, NULL, 0, &p->weights));
    }
    n->scratch = b->kernels->gemm_scratch(p->weights->packed, p->rows, bl_pool_threads(b->pool));
    return BLIND_OK;
}

blind_code bl_ms_nbits_run(const bl_exec *x, const bl_node *n)
{
    const nbits_params *p = n->params;
    const bl_tensor    *bias = bl_arg(x, n, BIAS);
    bl_gemm             g = { .rows = p->rows,
                              .a = bl_arg(x, n, A)->data,
                              .a_stride = p->k,
                              .b = p->weights->packed,
                              .out = bl_result(x, n, 0)->data,
                              .out_stride = p->n,
                              .epilogue = { .bias = bias ? bias->data : NULL },
                              .scratch = x->scratch };
    x->kernels->gemm(&g, x->pool);
    return BLIND_OK;
}
