/* MatMul and Gemm.  A constant matrix is packed once and runs as gemm with its epilogue; two
 * variable operands run as a batched matmul over strides. */
#include "onnx/heavy.h"
#include "onnx/number.h"

#include <stdlib.h>

/* An operand: its axes and strides, in elements. */
typedef struct {
    int     rank;
    int64_t dim[BL_ONNX_RANK];
    size_t  stride[BL_ONNX_RANK];
} view;

static bl_operand_view plain_view(const bl_tensor *t)
{
    bl_operand_view v = { .rank = t->rank };
    for (int i = 0; i < t->rank; i++) {
        v.perm[i] = i;
        v.dim[i] = t->dim[i];
    }
    return v;
}

/* Axes and strides of a view. */
static view strided(const bl_operand_view *from)
{
    view    v = { .rank = from->rank };
    int64_t dim[BL_ONNX_RANK];
    size_t  stride[BL_ONNX_RANK], step = 1;
    for (int i = 0; i < from->rank; i++)
        dim[from->perm[i]] = from->dim[i];
    for (int i = from->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= (size_t)dim[i];
    }
    for (int i = 0; i < from->rank; i++) {
        v.dim[i] = from->dim[i];
        v.stride[i] = stride[from->perm[i]];
    }
    return v;
}

/* Fills the batch axes and strides of m; the last two axes of both are set by the caller. */
static bool set_batch(bl_matmul *m, const view *a, const view *b, int64_t *dim, int *rank)
{
    int na = BL_MAX(a->rank - 2, 0), nb = BL_MAX(b->rank - 2, 0);
    *rank = BL_MAX(na, nb);
    m->batch_rank = *rank;
    for (int i = 0; i < *rank; i++) {
        int     ia = i - (*rank - na), ib = i - (*rank - nb);
        int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da != db && da != 1 && db != 1)
            return false;
        dim[i] = da == 1 ? db : da;
        m->batch[i] = (size_t)dim[i];
        m->a_batch[i] = da == 1 ? 0 : a->stride[ia];
        m->b_batch[i] = db == 1 ? 0 : b->stride[ib];
    }
    return true;
}

/* Shapes and strides of a product of two views; dim and rank are the output's. */
static bool set_product(bl_matmul *m, const view *a, const view *b, int64_t *dim, int *rank)
{
    if (a->rank < 1 || b->rank < 1 || !set_batch(m, a, b, dim, rank))
        return false;
    int la = a->rank - 1, lb = b->rank - 1;
    m->k = (size_t)a->dim[la];
    m->a_col = a->stride[la];
    m->m = la ? (size_t)a->dim[la - 1] : 1;
    m->a_row = la ? a->stride[la - 1] : 0;
    m->n = lb ? (size_t)b->dim[lb] : 1;
    m->b_col = lb ? b->stride[lb] : 0;
    m->b_row = lb ? b->stride[lb - 1] : b->stride[0];
    if (m->k != (size_t)(lb ? b->dim[lb - 1] : b->dim[0]))
        return false;
    m->out_row = m->n;
    size_t step = m->m * m->n;
    for (int i = *rank - 1; i >= 0; i--) {
        m->out_batch[i] = step;
        step *= (size_t)dim[i];
    }
    if (la)
        dim[(*rank)++] = (int64_t)m->m;
    if (lb)
        dim[(*rank)++] = (int64_t)m->n;
    return true;
}

bool bl_product_of(const bl_tensor *x, const bl_tensor *y, bl_matmul *m, int64_t *dim, int *rank)
{
    bl_operand_view of_x = plain_view(x), of_y = plain_view(y);
    view            vx = strided(&of_x), vy = strided(&of_y);
    *m = (bl_matmul){ .alpha = 1 };
    return set_product(m, &vx, &vy, dim, rank);
}

static blind_code check_types(bl_build *b, const bl_node *n, bl_product_params *p)
{
    const bl_tensor *x = bl_in(b, n, 0), *y = bl_in(b, n, 1);
    if (x->dtype != y->dtype)
        return bl_op_fail(b, n, BLIND_INPUT, "inputs of types %s and %s",
                          blind_dtype_name(x->dtype), blind_dtype_name(y->dtype));
    p->plain = x->dtype != BLIND_F32;
    if (x->dtype >= BLIND_BOOL)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    p->m.alpha = 1;
    p->bias_in = p->add_in = p->c_in = -1;
    return BLIND_OK;
}

blind_code bl_op_matmul_infer(bl_build *b, bl_node *n)
{
    const bl_tensor   *x = bl_in(b, n, 0), *y = bl_in(b, n, 1);
    int64_t            dim[BL_ONNX_RANK];
    int                rank;
    bl_product_params *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(check_types(b, n, p));
    p->view[0] = plain_view(x);
    p->view[1] = plain_view(y);
    view vx = strided(&p->view[0]), vy = strided(&p->view[1]);
    if (!set_product(&p->m, &vx, &vy, dim, &rank))
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not multiply");
    p->b_row = p->m.b_row;
    p->b_col = p->m.b_col;
    p->packed = !p->plain && bl_is_const(b, n, 1) && y->rank == 2 && y->len > 0 && x->rank >= 1;
    n->raw = p->packed ? 2 : 0;
    return bl_set_out(b, n, 0, x->dtype, rank, dim);
}

bool bl_matmul_through(bl_build *b, bl_node *n, int side, const bl_node *transpose)
{
    bl_product_params *p = n->params;
    const bl_tensor   *x = bl_in(b, transpose, 0);
    const bl_attr     *a = bl_attr_find(transpose, "perm");
    bl_operand_view    moved = p->view[side];
    int64_t            dim[BL_ONNX_RANK];
    int                rank;
    if (p->packed || p->plain || p->c_in >= 0 || moved.rank != x->rank)
        return false;
    for (int i = 0; i < x->rank; i++) {
        int axis = p->view[side].perm[i];
        moved.perm[i] = a && a->ints ? (int)a->ints[axis] : x->rank - 1 - axis;
        moved.perm[i] += moved.perm[i] < 0 ? x->rank : 0;
    }
    p->view[side] = moved;
    view va = strided(&p->view[0]), vb = strided(&p->view[1]);
    return set_product(&p->m, &va, &vb, dim, &rank);
}

/* Gemm.  ------------------------------------------------------------------------------------- */

static blind_code place_c(bl_build *b, bl_node *n, bl_product_params *p)
{
    const bl_tensor *c = bl_in(b, n, 2), *out = bl_out(b, n, 0);
    bl_tensor        joined = { .dtype = BLIND_F32 };
    if (!c || p->beta == 0)
        return BLIND_OK;
    if (c->dtype != out->dtype || !bl_broadcast_shape(c, out, &joined) || joined.len != out->len ||
        c->rank > 2)
        return bl_op_fail(b, n, BLIND_INPUT, "an addend that does not fit");
    bool row = c->len == p->m.n && (c->rank == 0 || c->dim[c->rank - 1] == (int64_t)p->m.n);
    if (p->packed && p->beta == 1 && row)
        p->bias_in = 2;
    else if (p->packed && p->beta == 1 && c->len == out->len)
        p->add_in = 2;
    else
        p->c_in = 2;
    return BLIND_OK;
}

blind_code bl_op_gemm_infer(bl_build *b, bl_node *n)
{
    const bl_tensor   *x = bl_in(b, n, 0), *y = bl_in(b, n, 1);
    bool               ta = bl_attr_int(n, "transA", 0) != 0, tb = bl_attr_int(n, "transB", 0) != 0;
    bl_product_params *p;
    if (x->rank != 2 || y->rank != 2)
        return bl_op_fail(b, n, BLIND_INPUT, "matrices of %d and %d axes", x->rank, y->rank);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(check_types(b, n, p));
    p->m.m = (size_t)x->dim[ta];
    p->m.k = (size_t)x->dim[!ta];
    p->m.n = (size_t)y->dim[!tb];
    if (y->dim[tb] != x->dim[!ta])
        return bl_op_fail(b, n, BLIND_INPUT, "%lld columns times %lld rows", (long long)x->dim[!ta],
                          (long long)y->dim[tb]);
    p->m.a_row = ta ? 1 : p->m.k;
    p->m.a_col = ta ? p->m.m : 1;
    p->m.b_row = p->b_row = tb ? 1 : p->m.n;
    p->m.b_col = p->b_col = tb ? p->m.k : 1;
    p->m.out_row = p->m.n;
    p->m.alpha = bl_attr_float(n, "alpha", 1);
    p->beta = bl_attr_float(n, "beta", 1);
    p->packed = !p->plain && !ta && p->m.alpha == 1 && bl_is_const(b, n, 1) && y->len > 0;
    n->raw = p->packed ? 2 : 0;
    int64_t dim[2] = { (int64_t)p->m.m, (int64_t)p->m.n };
    BL_TRY(bl_set_out(b, n, 0, x->dtype, 2, dim));
    return place_c(b, n, p);
}

/* Packing.  ---------------------------------------------------------------------------------- */

static blind_code pack(bl_build *b, bl_node *n, bl_product_params *p)
{
    const bl_tensor *w = bl_in(b, n, 1);
    bl_packed       *packed;
    p->weights = bl_store_find(b, n, 0);
    if (p->weights)
        return BLIND_OK;
    bl_matrix from = { w->data, p->m.k, p->m.n, p->b_row, p->b_col, bl_store_reading(b) };
    BL_TRY(b->kernels->gemm_pack(&from, &packed, b->err));
    bl_store_unneeded(b, w);
    return bl_store_keep(b, n, 0, packed, NULL, 0, &p->weights);
}

size_t bl_product_rows(const bl_product_params *p)
{
    size_t rows = p->m.m;
    for (int i = 0; i < p->m.batch_rank; i++)
        rows *= p->m.batch[i];
    return rows;
}

blind_code bl_op_matmul_prepare(bl_build *b, bl_node *n)
{
    bl_product_params *p = n->params;
    int                threads = bl_pool_threads(b->pool);
    if (p->plain)
        return BLIND_OK;
    if (!p->packed) {
        n->scratch = b->kernels->matmul_scratch(&p->m, threads);
        return BLIND_OK;
    }
    BL_TRY(pack(b, n, p));
    n->scratch = b->kernels->gemm_scratch(p->weights->packed, bl_product_rows(p), threads);
    return BLIND_OK;
}

blind_code bl_op_gemm_prepare(bl_build *b, bl_node *n)
{
    return bl_op_matmul_prepare(b, n);
}

/* Running.  ---------------------------------------------------------------------------------- */

static void multiply_plain(const bl_matmul *m, const bl_tensor *a, const bl_tensor *b,
                           bl_tensor *out, size_t z)
{
    size_t at_a = 0, at_b = 0, at_out = 0;
    for (int i = m->batch_rank - 1; i >= 0; i--) {
        size_t here = z % m->batch[i];
        z /= m->batch[i];
        at_a += here * m->a_batch[i];
        at_b += here * m->b_batch[i];
        at_out += here * m->out_batch[i];
    }
    bool   integer = a->dtype != BLIND_F64;
    size_t size = bl_element_size(out->dtype);
    for (size_t r = 0; r < m->m; r++)
        for (size_t c = 0; c < m->n; c++) {
            double   sum = 0;
            uint64_t whole = 0; /* wraps around, as sums of integers do */
            for (size_t i = 0; i < m->k; i++) {
                const char *u = (const char *)a->data + (at_a + r * m->a_row + i * m->a_col) * size;
                const char *v = (const char *)b->data + (at_b + i * m->b_row + c * m->b_col) * size;
                if (integer)
                    whole += bl_integer_load(a->dtype, u) * bl_integer_load(b->dtype, v);
                else
                    sum += bl_number_load(a->dtype, u) * bl_number_load(b->dtype, v);
            }
            size_t at = at_out + r * m->out_row + c;
            if (integer && m->alpha == 1)
                bl_integer_store(out->dtype, (char *)out->data + at * size, whole);
            else
                bl_tensor_set_number(out, at,
                                     (integer ? (double)(int64_t)whole : sum) * (double)m->alpha);
        }
}

static void run_packed(const bl_exec *x, const bl_node *n, const bl_product_params *p,
                       bl_tensor *out)
{
    bl_gemm g = { .rows = bl_product_rows(p),
                  .a = bl_arg(x, n, 0)->data,
                  .a_stride = p->m.k,
                  .b = p->weights->packed,
                  .out = out->data,
                  .out_stride = p->m.n,
                  .epilogue = p->epilogue,
                  .scratch = x->scratch };
    if (p->bias_in >= 0)
        g.epilogue.bias = bl_arg(x, n, p->bias_in)->data;
    if (p->add_in >= 0)
        g.epilogue.add = bl_arg(x, n, p->add_in)->data;
    x->kernels->gemm(&g, x->pool);
}

/* out += beta * c, c broadcast over the matrix. */
static void add_c(const bl_product_params *p, const bl_tensor *c, bl_tensor *out)
{
    size_t last = c->rank ? (size_t)c->dim[c->rank - 1] : 1;
    size_t first = c->rank == 2 ? (size_t)c->dim[0] : 1;
    for (size_t r = 0; r < p->m.m; r++)
        for (size_t i = 0; i < p->m.n; i++) {
            size_t at = (first == 1 ? 0 : r * last) + (last == 1 ? 0 : i);
            double u = 0, v = 0;
            bl_tensor_number(out, r * p->m.n + i, &u);
            bl_tensor_number(c, at, &v);
            bl_tensor_set_number(out, r * p->m.n + i, u + (double)p->beta * v);
        }
}

blind_code bl_op_matmul_run(const bl_exec *x, const bl_node *n)
{
    const bl_product_params *p = n->params;
    bl_tensor               *out = bl_result(x, n, 0);
    bl_matmul                m = p->m;
    size_t                   batches = 1;
    if (out->len == 0)
        return BLIND_OK;
    if (p->packed) {
        run_packed(x, n, p, out);
    } else if (p->plain) {
        for (int i = 0; i < m.batch_rank; i++)
            batches *= m.batch[i];
        for (size_t z = 0; z < batches; z++)
            multiply_plain(&m, bl_arg(x, n, 0), bl_arg(x, n, 1), out, z);
    } else {
        m.a = bl_arg(x, n, 0)->data;
        m.b = bl_arg(x, n, 1)->data;
        m.out = out->data;
        m.scratch = x->scratch;
        x->kernels->matmul(&m, x->pool);
    }
    if (p->c_in >= 0)
        add_c(p, bl_arg(x, n, p->c_in), out);
    if (!p->packed && p->epilogue.act != BL_UNARY_NONE)
        x->kernels->unary(p->epilogue.act, out->data, out->data, out->len, p->epilogue.a,
                          p->epilogue.b, x->pool);
    return BLIND_OK;
}

blind_code bl_op_gemm_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_matmul_run(x, n);
}
