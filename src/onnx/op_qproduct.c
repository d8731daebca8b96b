/* Products of 8-bit integers: MatMulInteger, QLinearMatMul, MatMulIntegerToFloat,
 * DynamicQuantizeMatMul, QGemm, and what fusion makes of them.
 *
 * Sums are exact in 32 bits.  A constant matrix is packed once; others run plain loops, which say
 * what is meant.
 * Source: ONNX operators of these names; ONNX Runtime, docs/ContribOperators.md. */
#include "onnx/heavy.h"
#include "onnx/integer.h"
#include "onnx/number.h"

#include <math.h>
#include <stdlib.h>

static bool is_byte(const bl_tensor *t)
{
    return t->dtype == BLIND_U8 || t->dtype == BLIND_I8;
}

/* Sums wrap around, as those of the operators' type do. */
static int32_t add(int32_t sum, int32_t more)
{
    return (int32_t)((uint32_t)sum + (uint32_t)more);
}

double bl_number_or_0(const bl_tensor *t, size_t i)
{
    double v = 0;
    if (t)
        bl_tensor_number(t, t->len == 1 ? 0 : i, &v);
    return v;
}

static bool fits(const bl_tensor *t, size_t lines)
{
    return !t || t->len == 1 || t->len == lines;
}

/* Checking.  --------------------------------------------------------------------------------- */

static const struct {
    const char      *type;
    bl_integer_roles in;
} operators[] = {
    { "MatMulInteger", { 0, 1, -1, 2, -1, 3, -1, -1, -1, -1 } },
    { "QLinearMatMul", { 0, 3, 1, 2, 4, 5, 6, 7, -1, -1 } },
    { "MatMulIntegerToFloat", { 0, 1, 2, 4, 3, 5, -1, -1, 6, -1 } },
    { "DynamicQuantizeMatMul", { 0, 1, -1, -1, 2, 3, -1, -1, 4, -1 } },
    { "QGemm", { 0, 3, 1, 2, 4, 5, 7, 8, 6, -1 } },
    { "blind.IntegerProduct", { 0, 1, 2, 4, 3, 5, 8, 9, 6, 7 } },
};

static bl_integer_roles roles_of(const bl_node *n)
{
    bl_integer_roles r = operators[0].in;
    for (size_t i = 0; i < BL_LEN(operators); i++)
        if (strcmp(n->type, operators[i].type) == 0)
            r = operators[i].in;
    if (r.y_scale >= 0 && !bl_has_in(n, r.y_scale)) /* floats */
        r.y_scale = r.y_zero = -1;
    return r;
}

/* Its left factor is floats, which it quantises by their range. */
static bool is_dynamic(const bl_node *n)
{
    return strcmp(n->type, "DynamicQuantizeMatMul") == 0;
}

/* Takes a turned matrix, and integers as a bias. */
static bool is_gemm(const bl_node *n)
{
    return *n->domain == 'b' || strcmp(n->type, "QGemm") == 0;
}

static blind_dtype type_of(const bl_build *b, const bl_node *n, const bl_integer_roles *r)
{
    const bl_tensor *zero = bl_role_in(b, n, r->y_zero);
    return zero              ? zero->dtype
           : r->y_scale >= 0 ? BLIND_U8
           : r->b_scale >= 0 ? BLIND_F32
                             : BLIND_I32;
}

static blind_code check_types(bl_build *b, const bl_node *n, const bl_integer_roles *r)
{
    const bl_tensor *x = bl_in(b, n, r->a), *y = bl_in(b, n, r->b);
    const bl_tensor *x_zero = bl_role_in(b, n, r->a_zero), *y_zero = bl_role_in(b, n, r->b_zero);
    const bl_tensor *bias = bl_role_in(b, n, r->bias), *more = bl_role_in(b, n, r->add);
    const int        floats[] = { r->a_scale, r->b_scale, r->y_scale };
    bool             left = is_dynamic(n) ? x->dtype == BLIND_F32 : is_byte(x);
    if (!left || !is_byte(y) || (x_zero && x_zero->dtype != x->dtype) ||
        (y_zero && y_zero->dtype != y->dtype))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED,
                          "elements of types %s and %s, or zero points of others",
                          blind_dtype_name(x->dtype), blind_dtype_name(y->dtype));
    for (size_t i = 0; i < BL_LEN(floats); i++) {
        const bl_tensor *t = bl_role_in(b, n, floats[i]);
        if (t && !bl_is_float(t->dtype))
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d of type %s", floats[i],
                              blind_dtype_name(t->dtype));
    }
    bool whole = bias && bias->dtype == BLIND_I32 && is_gemm(n);
    if ((bias && !whole && bias->dtype != BLIND_F32) || (more && more->dtype != BLIND_F32))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a bias of another type");
    return BLIND_OK;
}

static blind_code check_shapes(bl_build *b, const bl_node *n, const bl_integer_params *p)
{
    const bl_integer_roles *r = &p->in;
    const int               row[] = { r->a_scale, r->a_zero, r->y_scale, r->y_zero };
    const int               column[] = { r->b_scale, r->b_zero };
    for (size_t i = 0; i < BL_LEN(row); i++)
        if (!fits(bl_role_in(b, n, row[i]), p->m.m))
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d is not one number a row", row[i]);
    for (size_t i = 0; i < BL_LEN(column); i++)
        if (!fits(bl_role_in(b, n, column[i]), p->m.n))
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d is not one number a column",
                              column[i]);
    const bl_tensor *bias = bl_role_in(b, n, r->bias);
    if (bias && bias->len != p->m.n)
        return bl_op_fail(b, n, BLIND_INPUT, "a bias that is not one number a column");
    return BLIND_OK;
}

/* Whether the input is left out or one number. */
static bool is_one(const bl_build *b, const bl_node *n, int i)
{
    const bl_tensor *t = bl_role_in(b, n, i);
    return !t || t->len == 1;
}

static bool is_packable(const bl_build *b, const bl_node *n, const bl_integer_roles *r)
{
    const bl_tensor *y = bl_in(b, n, r->b);
    bool             zeros = r->b_zero < 0 || !bl_has_in(n, r->b_zero) ||
                 (bl_is_const(b, n, r->b_zero) && !bl_is_derived(b, n, r->b_zero));
    return bl_is_const(b, n, r->b) && !bl_is_derived(b, n, r->b) && y->rank == 2 && y->len > 0 &&
           zeros && is_one(b, n, r->a_zero) && is_one(b, n, r->a_scale) &&
           is_one(b, n, r->y_scale) && is_one(b, n, r->y_zero);
}

/* Shapes and strides; a Gemm that became a product may have turned its matrix. */
static bool product_of(const bl_build *b, const bl_node *n, bl_integer_params *p, int64_t *dim,
                       int *rank)
{
    bl_tensor w = *bl_in(b, n, p->in.b);
    bool      turned = is_gemm(n) && bl_attr_int(n, "transB", 0) != 0 && w.rank == 2;
    if (turned) {
        w.dim[0] = bl_in(b, n, p->in.b)->dim[1];
        w.dim[1] = bl_in(b, n, p->in.b)->dim[0];
    }
    if (!bl_product_of(bl_in(b, n, p->in.a), &w, &p->m, dim, rank))
        return false;
    if (turned) {
        p->m.b_row = 1;
        p->m.b_col = p->m.k;
    }
    return true;
}

blind_code bl_op_qproduct_infer(bl_build *b, bl_node *n)
{
    int64_t            dim[BL_ONNX_RANK];
    int                rank;
    bl_integer_params *p;
    bl_integer_roles   r = roles_of(n);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->in = r;
    BL_TRY(check_types(b, n, &r));
    blind_dtype type = type_of(b, n, &r);
    if (r.y_scale >= 0 && type != BLIND_U8 && type != BLIND_I8)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "an output of type %s", blind_dtype_name(type));
    if (is_gemm(n) && bl_attr_int(n, "transA", 0))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a turned left factor");
    if (!product_of(b, n, p, dim, &rank))
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not multiply");
    BL_TRY(check_shapes(b, n, p));
    p->low = type == BLIND_I8 ? INT8_MIN : 0;
    p->high = type == BLIND_I8 ? INT8_MAX : UINT8_MAX;
    p->rows = p->m.m;
    for (int i = 0; i < p->m.batch_rank; i++)
        p->rows *= p->m.batch[i];
    p->bytes = is_packable(b, n, &r) ? bl_bytes_for(b->kernels->isa) : NULL;
    if (is_dynamic(n) && !p->bytes)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "weights that are no constant matrix");
    n->raw = p->bytes ? 1u << r.b : 0;
    if (!bl_mul(2 * sizeof(int32_t), p->m.n, &n->scratch))
        return bl_op_fail(b, n, BLIND_LIMIT, "%zu columns", p->m.n);
    BL_TRY(bl_set_out(b, n, 0, type, rank, dim));
    const bl_tensor *more = bl_role_in(b, n, r.add);
    return more && more->len != bl_out(b, n, 0)->len
               ? bl_op_fail(b, n, BLIND_INPUT, "an addend of another shape")
               : BLIND_OK;
}

/* Fusion.  ----------------------------------------------------------------------------------- */

static bl_integer_params *fused_params(const bl_node *n)
{
    bool               mine = n->op->run == bl_op_qproduct_run && *n->domain == 'b';
    bl_integer_params *p = mine ? n->params : NULL;
    return p && p->bytes ? p : NULL;
}

bl_epilogue *bl_integer_epilogue(const bl_node *n)
{
    bl_integer_params *p = fused_params(n);
    return p ? &p->epilogue : NULL;
}

bool bl_integer_add(bl_build *b, bl_node *n, int32_t other)
{
    bl_integer_params *p = fused_params(n);
    const bl_tensor   *t = &b->graph->tensors[other];
    if (!p || p->epilogue.act != BL_UNARY_NONE || t->dtype != BLIND_F32)
        return false;
    bool row = b->graph->values[other].constant && t->rank >= 1 && t->len == p->m.n &&
               (size_t)t->dim[t->rank - 1] == p->m.n;
    int at = row && n->in[p->in.bias] < 0 && n->in[p->in.add] < 0 ? p->in.bias : p->in.add;
    if (n->in[at] >= 0 || (at == p->in.add && t->len != bl_out(b, n, 0)->len))
        return false;
    n->in[at] = other; /* eight inputs are there, absent ones as well */
    b->graph->values[other].uses++;
    n->inplace |= at == p->in.add ? 1u << at : 0;
    return true;
}

/* Packing.  ---------------------------------------------------------------------------------- */

blind_code bl_integer_zeros(bl_build *b, const bl_node *n, int i, size_t len, int32_t **out)
{
    const bl_tensor *t = bl_role_in(b, n, i);
    *out = NULL;
    if (!t)
        return BLIND_OK;
    *out = calloc(len + 1, sizeof **out);
    if (!*out)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory to pack weights");
    for (size_t j = 0; j < len; j++)
        (*out)[j] = (int32_t)bl_number_or_0(t, j);
    return BLIND_OK;
}

static blind_code pack(bl_build *b, bl_node *n, bl_integer_params *p)
{
    const bl_tensor      *w = bl_in(b, n, p->in.b);
    bl_auto_free int32_t *zeros = NULL;
    bl_packed            *packed;
    p->weights = bl_store_find(b, n, BL_VARIANT_BYTES);
    if (p->weights)
        return BLIND_OK;
    BL_TRY(bl_integer_zeros(b, n, p->in.b_zero, p->m.n, &zeros));
    BL_TRY(bl_bytes_gemm_pack(p->bytes, w->data, w->dtype == BLIND_I8, zeros, p->m.k, p->m.n,
                              p->m.b_row, p->m.b_col, &packed, b->err));
    bl_store_unneeded(b, w);
    return bl_store_keep(b, n, BL_VARIANT_BYTES, packed, NULL, 0, &p->weights);
}

static size_t scales_size(const bl_integer_params *p)
{
    return (p->m.n * sizeof(float) + 64) / 64 * 64;
}

blind_code bl_op_qproduct_prepare(bl_build *b, bl_node *n)
{
    bl_integer_params *p = n->params;
    size_t             size;
    if (!p->bytes)
        return BLIND_OK;
    BL_TRY(pack(b, n, p));
    if (!bl_bytes_gemm_scratch(p->bytes, p->rows, p->m.k, p->m.n, &size) ||
        !bl_add(size, scales_size(p) + 64, &n->scratch) ||
        (is_dynamic(n) && !bl_add(n->scratch, bl_in(b, n, p->in.a)->len, &n->scratch)))
        return bl_op_fail(b, n, BLIND_LIMIT, "rows of impossible size");
    return BLIND_OK;
}

/* Running.  ---------------------------------------------------------------------------------- */

/* What is done to sums of column j in row i: a_scale * b_scale / y_scale, as far as they are. */
static float scale_of(const bl_exec *x, const bl_node *n, const bl_integer_roles *r, size_t i,
                      size_t j)
{
    float scale = (float)bl_number_or_0(bl_arg(x, n, r->a_scale), i) *
                  (float)bl_number_or_0(bl_arg(x, n, r->b_scale), j) *
                  (is_gemm(n) ? bl_attr_float(n, "alpha", 1) : 1);
    return r->y_scale < 0 ? scale : scale / (float)bl_number_or_0(bl_arg(x, n, r->y_scale), i);
}

/* The left factor as bytes. */
typedef struct {
    const void *data;
    bool        is_signed;
    float       scale;
    int32_t     zero;
} left_factor;

static left_factor left_of(const bl_exec *x, const bl_node *n, const bl_integer_params *p,
                           void *room)
{
    const bl_tensor *a = bl_arg(x, n, p->in.a);
    left_factor      left = { .data = a->data, .is_signed = a->dtype == BLIND_I8 };
    if (!is_dynamic(n)) {
        left.zero = (int32_t)bl_number_or_0(bl_role_arg(x, n, p->in.a_zero), 0);
        left.scale = (float)bl_number_or_0(bl_role_arg(x, n, p->in.a_scale), 0);
        left.scale *= is_gemm(n) ? bl_attr_float(n, "alpha", 1) : 1;
        return left;
    }
    bl_dynamic_grid(p->bytes, a->data, a->len, &left.scale, &left.zero, x->pool);
    bl_bytes_quantize(p->bytes, room, a->data, a->len, left.scale, left.zero, 0, UINT8_MAX,
                      x->pool);
    left.data = room;
    return left;
}

/* One scale per column; true when one does for all. */
static bool set_scales(const bl_exec *x, const bl_node *n, const bl_integer_params *p, float a,
                       float *scale)
{
    const bl_tensor *each = bl_arg(x, n, p->in.b_scale);
    float  y = p->in.y_scale < 0 ? 1 : (float)bl_number_or_0(bl_arg(x, n, p->in.y_scale), 0);
    size_t len = each->len == 1 ? 1 : p->m.n;
    for (size_t j = 0; j < len && each->dtype == BLIND_F32; j++)
        scale[j] = a * ((const float *)each->data)[j] / y;
    for (size_t j = 0; j < len && each->dtype != BLIND_F32; j++)
        scale[j] = a * (float)bl_number_or_0(each, j) / y;
    return len == 1;
}

static void set_finish(const bl_exec *x, const bl_node *n, const bl_integer_params *p, float a,
                       float *scale, bl_bytes_finish *f)
{
    const bl_integer_roles *r = &p->in;
    const bl_tensor        *bias = bl_role_arg(x, n, r->bias), *more = bl_role_arg(x, n, r->add);
    *f = (bl_bytes_finish){ .to = BL_BYTES_SUMS, .times = 1 };
    if (r->b_scale < 0)
        return;
    f->scale = scale;
    f->one_scale = set_scales(x, n, p, a, scale);
    f->to = r->y_scale < 0 ? BL_BYTES_FLOATS : BL_BYTES_BYTES;
    f->shift = bias && bias->dtype == BLIND_F32 ? bias->data : NULL;
    f->bias = bias && bias->dtype == BLIND_I32 ? bias->data : NULL;
    f->add = more ? more->data : NULL;
    f->act = p->epilogue.act;
    f->a = p->epilogue.a;
    f->b = p->epilogue.b;
    f->zero = (int32_t)bl_number_or_0(bl_role_arg(x, n, r->y_zero), 0);
    f->low = p->low;
    f->high = p->high;
}

static void run_packed(const bl_exec *x, const bl_node *n, const bl_integer_params *p)
{
    size_t        room = scales_size(p), size = 0;
    bool          fits = bl_bytes_gemm_scratch(p->bytes, p->rows, p->m.k, p->m.n, &size);
    char         *scratch = (char *)x->scratch + room;
    left_factor   left = left_of(x, n, p, scratch + (fits ? (size + 63) / 64 * 64 : 0));
    bl_bytes_gemm g = { .rows = p->rows,
                        .a = left.data,
                        .a_signed = left.is_signed,
                        .a_zero = left.zero,
                        .b = p->weights->packed,
                        .k = p->m.k,
                        .n = p->m.n,
                        .out = bl_result(x, n, 0)->data,
                        .scratch = scratch };
    set_finish(x, n, p, left.scale, x->scratch, &g.finish);
    bl_bytes_gemm_run(p->bytes, x->kernels, &g, x->pool);
}

static int32_t byte_at(const void *data, bool is_signed, size_t i)
{
    return is_signed ? ((const int8_t *)data)[i] : ((const uint8_t *)data)[i];
}

/* One row: sum[j] = sum over k of (a[k] - a_zero) * (b[k][j] - b_zero[j]). */
static void plain_row(const bl_matmul *m, const void *a, bool a_signed, int32_t a_zero,
                      const void *b, bool b_signed, const int32_t *b_zero, int32_t *sum)
{
    memset(sum, 0, m->n * sizeof *sum);
    for (size_t k = 0; k < m->k; k++) {
        int32_t v = byte_at(a, a_signed, k * m->a_col) - a_zero;
        for (size_t j = 0; j < m->n; j++)
            sum[j] =
                add(sum[j], v * (byte_at(b, b_signed, k * m->b_row + j * m->b_col) - b_zero[j]));
    }
}

/* Offsets of the z-th matrix of both operands. */
static void batch_offsets(const bl_matmul *m, size_t z, size_t *a, size_t *b)
{
    *a = *b = 0;
    for (int i = m->batch_rank - 1; i >= 0; i--) {
        *a += z % m->batch[i] * m->a_batch[i];
        *b += z % m->batch[i] * m->b_batch[i];
        z /= m->batch[i];
    }
}

static void store_row(const bl_exec *x, const bl_node *n, const bl_integer_params *p, size_t row,
                      size_t at, const int32_t *sum)
{
    const bl_integer_roles *r = &p->in;
    const bl_tensor        *bias = bl_role_arg(x, n, r->bias);
    bl_tensor              *out = bl_result(x, n, 0);
    double                  zero = bl_number_or_0(bl_role_arg(x, n, r->y_zero), row);
    for (size_t j = 0; j < p->m.n; j++) {
        if (r->b_scale < 0) {
            ((int32_t *)out->data)[at + j] = sum[j];
            continue;
        }
        bool  whole = bias && bias->dtype == BLIND_I32;
        float v = (float)(whole ? add(sum[j], (int32_t)bl_number_or_0(bias, j)) : sum[j]) *
                  scale_of(x, n, r, row, j);
        if (r->y_scale < 0)
            ((float *)out->data)[at + j] = v + (whole ? 0 : (float)bl_number_or_0(bias, j));
        else
            bl_tensor_set_number(out, at + j, nearbyint((double)v) + zero);
    }
}

static void run_plain(const bl_exec *x, const bl_node *n, const bl_integer_params *p)
{
    const bl_matmul *m = &p->m;
    const bl_tensor *a = bl_arg(x, n, p->in.a), *b = bl_arg(x, n, p->in.b);
    const bl_tensor *a_zero = bl_role_arg(x, n, p->in.a_zero);
    int32_t         *zero = x->scratch, *sum = zero + m->n;
    size_t           batches = bl_result(x, n, 0)->len ? bl_result(x, n, 0)->len / m->m / m->n : 0;
    for (size_t j = 0; j < m->n; j++)
        zero[j] = (int32_t)bl_number_or_0(bl_role_arg(x, n, p->in.b_zero), j);
    for (size_t z = 0; z < batches; z++) {
        size_t at_a, at_b;
        batch_offsets(m, z, &at_a, &at_b);
        for (size_t i = 0; i < m->m; i++) {
            plain_row(m, (const char *)a->data + at_a + i * m->a_row, a->dtype == BLIND_I8,
                      (int32_t)bl_number_or_0(a_zero, i), (const char *)b->data + at_b,
                      b->dtype == BLIND_I8, zero, sum);
            store_row(x, n, p, i, (z * m->m + i) * m->n, sum);
        }
    }
}

blind_code bl_op_qproduct_run(const bl_exec *x, const bl_node *n)
{
    const bl_integer_params *p = n->params;
    if (p->bytes && p->weights)
        run_packed(x, n, p);
    else
        run_plain(x, n, p);
    return BLIND_OK;
}
