/* Attention: rows are multiplied into queries, keys and values, which then attend to each other and
 * to those of before. */
#include "onnx/ms/attend.h"

#include <math.h>
#include <stdlib.h>

enum { X, W, BIAS, MASK, PAST, SCORES, PAST_LEN };

typedef struct {
    bl_attend         p;
    size_t            rows, k, n; /* of the product */
    const bl_weights *weights;    /* or NULL: they are no constant */
    bl_matmul         m;
    size_t            product_at, rest_at; /* of the scratch */
} self_params;

/* Widths of queries, keys and values within a row of the product. */
static blind_code read_widths(bl_build *b, const bl_node *n, int64_t heads, self_params *s)
{
    bl_attention *a = &s->p.a;
    int64_t       widths[3];
    size_t        len = 0;
    int64_t       all = bl_in(b, n, W)->dim[1];
    BL_TRY(bl_attr_ints(b, n, "qkv_hidden_sizes", widths, 3, &len));
    if (len == 0)
        widths[0] = widths[1] = widths[2] = all / 3;
    if (heads < 1 || heads > INT32_MAX || (len != 0 && len != 3) || widths[0] < 1 ||
        widths[2] < 1 || widths[0] != widths[1] || widths[0] > all || widths[2] > all ||
        2 * widths[0] + widths[2] != all || widths[0] % heads || widths[2] % heads)
        return bl_op_fail(b, n, BLIND_INPUT, "weights of %lld columns for %lld heads",
                          (long long)all, (long long)heads);
    a->heads = s->p.kv_heads = (size_t)heads;
    a->head_size = (size_t)(widths[0] / heads);
    a->value_size = (size_t)(widths[2] / heads);
    return BLIND_OK;
}

/* [2, batch, heads, past, size]: keys, then values. */
static blind_code read_past(bl_build *b, const bl_node *n, self_params *s)
{
    const bl_tensor *t = bl_in(b, n, PAST);
    bl_attention    *a = &s->p.a;
    a->k_len = s->p.fresh = a->q_len;
    s->p.cached = t || bl_has_out(n, 1);
    if (s->p.cached && a->head_size != a->value_size)
        return bl_op_fail(b, n, BLIND_INPUT, "keys and values of two sizes in one past");
    if (t && (t->rank != 5 || t->dim[0] != 2 || (size_t)t->dim[1] != a->batch ||
              (size_t)t->dim[2] != a->heads || (size_t)t->dim[4] != a->head_size))
        return bl_op_fail(b, n, BLIND_INPUT, "keys and values of before that do not fit");
    if (t && !bl_add(a->k_len, (size_t)t->dim[3], &a->k_len))
        return bl_op_fail(b, n, BLIND_LIMIT, "too many keys");
    s->p.room = a->k_len;
    return BLIND_OK;
}

static blind_code read_product(bl_build *b, const bl_node *n, self_params *s)
{
    const bl_tensor *x = bl_in(b, n, X), *w = bl_in(b, n, W), *bias = bl_in(b, n, BIAS);
    if (!w || x->rank != 3 || w->rank != 2 || w->dim[0] != x->dim[2] ||
        (bias && (int64_t)bias->len != w->dim[1]))
        return bl_op_fail(b, n, BLIND_INPUT, "rows, weights and bias that do not fit");
    s->p.a.batch = (size_t)x->dim[0];
    s->p.a.q_len = (size_t)x->dim[1];
    s->rows = (size_t)x->dim[0] * (size_t)x->dim[1];
    s->k = (size_t)w->dim[0];
    s->n = (size_t)w->dim[1];
    return BLIND_OK;
}

blind_code bl_ms_self_attention_infer(bl_build *b, bl_node *n)
{
    self_params *s;
    BL_TRY(bl_ms_types(b, n, 1u << MASK));
    BL_TRY(bl_params(b, n, sizeof *s, &s));
    if (bl_has_in(n, PAST_LEN) || bl_attr_int(n, "do_rotary", 0) ||
        bl_attr_int(n, "past_present_share_buffer", 0))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a shared buffer, or rotated rows");
    BL_TRY(read_product(b, n, s));
    BL_TRY(read_widths(b, n, bl_attr_int(n, "num_heads", 0), s));
    BL_TRY(read_past(b, n, s));
    bl_attention *a = &s->p.a;
    a->scale = bl_attr_float(n, "scale", 0);
    if (a->scale == 0)
        a->scale = 1 / sqrtf((float)a->head_size);
    s->p.causal = bl_attr_int(n, "unidirectional", 0) != 0;
    s->p.hidden = bl_attr_float(n, "mask_filter_value", -10000);
    BL_TRY(bl_attend_bias(b, n, SCORES, &s->p));
    BL_TRY(bl_attend_padding(b, n, MASK, &s->p));
    if (bl_is_const(b, n, W) && bl_in(b, n, W)->len)
        n->raw = 1u << W;
    int64_t dim[3] = { (int64_t)a->batch, (int64_t)a->q_len, (int64_t)(a->heads * a->value_size) };
    int64_t present[5] = { 2, (int64_t)a->batch, (int64_t)a->heads, (int64_t)a->k_len,
                           (int64_t)a->head_size };
    BL_TRY(bl_set_out(b, n, 0, BLIND_F32, 3, dim));
    return bl_set_out(b, n, 1, BLIND_F32, 5, present);
}

static blind_code pack(bl_build *b, bl_node *n, self_params *s)
{
    const bl_tensor    *w = bl_in(b, n, W);
    bl_auto_free float *copy = NULL;
    const float        *data = w->data;
    bl_packed          *packed;
    s->weights = bl_store_find(b, n, 0);
    if (s->weights)
        return BLIND_OK;
    if ((uintptr_t)data % sizeof *data != 0) {
        copy = malloc(bl_tensor_size(w));
        if (!copy)
            return bl_op_fail(b, n, BLIND_MEMORY, "no memory to pack weights");
        data = memcpy(copy, w->data, bl_tensor_size(w));
    }
    bl_store_needed(b, w);
    bl_matrix from = { data, s->k, s->n, s->n, 1, NULL };
    BL_TRY(b->kernels->gemm_pack(&from, &packed, b->err));
    bl_store_unneeded(b, w);
    return bl_store_keep(b, n, 0, packed, NULL, 0, &s->weights);
}

blind_code bl_ms_self_attention_prepare(bl_build *b, bl_node *n)
{
    self_params *s = n->params;
    int          threads = bl_pool_threads(b->pool);
    size_t       cells, inner;
    s->m = (bl_matmul){ .m = s->rows,
                        .k = s->k,
                        .n = s->n,
                        .alpha = 1,
                        .a_row = s->k,
                        .a_col = 1,
                        .b_row = s->n,
                        .b_col = 1,
                        .out_row = s->n };
    if (n->raw)
        BL_TRY(pack(b, n, s));
    inner = s->weights ? b->kernels->gemm_scratch(s->weights->packed, s->rows, threads)
                       : b->kernels->matmul_scratch(&s->m, threads);
    if (!bl_mul(s->rows, s->n, &cells) || !bl_mul(cells, sizeof(float), &cells) ||
        cells > SIZE_MAX / 4)
        return bl_op_fail(b, n, BLIND_LIMIT, "rows of impossible size");
    s->rest_at = (cells + 63) & ~(size_t)63;
    BL_TRY(bl_attend_plan(b, n, s->rest_at, &s->p));
    n->scratch = BL_MAX(s->rest_at + inner, s->p.size);
    return BLIND_OK;
}

/* rows x weights + bias, at the start of the scratch. */
static const float *product(const bl_exec *x, const bl_node *n, const self_params *s)
{
    const bl_tensor *bias = bl_arg(x, n, BIAS);
    float           *to = x->scratch;
    void            *scratch = (char *)x->scratch + s->rest_at;
    bl_gemm          g = { .rows = s->rows,
                           .a = bl_arg(x, n, X)->data,
                           .a_stride = s->k,
                           .out = to,
                           .out_stride = s->n,
                           .epilogue = { .bias = bias ? bias->data : NULL },
                           .scratch = scratch };
    bl_matmul        m = s->m;
    if (s->weights) {
        g.b = s->weights->packed;
        x->kernels->gemm(&g, x->pool);
        return to;
    }
    m.a = bl_arg(x, n, X)->data;
    m.b = bl_arg(x, n, W)->data;
    m.out = to;
    m.scratch = scratch;
    x->kernels->matmul(&m, x->pool);
    for (size_t i = 0; bias && i < s->rows * s->n; i++)
        to[i] += ((const float *)bias->data)[i % s->n];
    return to;
}

blind_code bl_ms_self_attention_run(const bl_exec *x, const bl_node *n)
{
    const self_params  *s = n->params;
    const bl_attention *a = &s->p.a;
    const bl_tensor    *past = bl_arg(x, n, PAST), *mask = bl_arg(x, n, MASK);
    const bl_tensor    *bias = bl_arg(x, n, SCORES);
    bl_tensor          *present = bl_result(x, n, 1);
    size_t              wide = a->heads * a->head_size, before = a->k_len - s->p.fresh;
    size_t              half = a->batch * a->heads * before * a->head_size;
    bl_attend_run       r = { .bias = bias ? bias->data : NULL,
                              .padding = mask ? mask->data : NULL,
                              .out = bl_result(x, n, 0)->data,
                              .scratch = x->scratch };
    if (s->rows == 0)
        return BLIND_OK;
    const float *rows = product(x, n, s);
    r.q = bl_rows_beside(rows, a->q_len, s->n, a->head_size);
    r.k = bl_rows_beside(rows + wide, a->q_len, s->n, a->head_size);
    r.v = bl_rows_beside(rows + 2 * wide, a->q_len, s->n, a->value_size);
    if (past) {
        r.past_k = bl_rows_apart(past->data, a->heads, before, a->head_size);
        r.past_v = bl_rows_apart((const float *)past->data + half, a->heads, before, a->head_size);
    }
    if (present) {
        r.present_k = present->data;
        r.present_v = r.present_k + present->len / 2;
    }
    bl_attend_compute(x, &s->p, &r);
    return BLIND_OK;
}
