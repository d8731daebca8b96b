/* MultiHeadAttention without a past, as optimised encoders have it. */
#include "onnx/ms/ms.h"

#include <math.h>

enum { Q, K, V, BIAS, PADDING, SCORES };

typedef struct {
    bl_attention a;
    size_t       q_at, k_at, v_at, attention_at; /* of the scratch, where a bias is added */
} attention_params;

/* Rows [batch, length, heads * size]: strides of a factor. */
static void set_rows(size_t *batch, size_t *head, size_t *row, size_t length, size_t heads,
                     size_t size)
{
    *batch = length * heads * size;
    *head = size;
    *row = heads * size;
}

static blind_code set_scores(bl_build *b, const bl_node *n, bl_attention *a)
{
    const bl_tensor *m = bl_in(b, n, SCORES);
    if (!m)
        return BLIND_OK;
    if (m->rank != 4 || (m->dim[0] != 1 && (size_t)m->dim[0] != a->batch) ||
        (m->dim[1] != 1 && (size_t)m->dim[1] != a->heads) || (size_t)m->dim[2] != a->q_len ||
        (size_t)m->dim[3] != a->k_len)
        return bl_op_fail(b, n, BLIND_INPUT, "scores to add of another shape");
    size_t plane = a->q_len * a->k_len;
    a->mask_col = 1;
    a->mask_row = a->k_len;
    a->mask_head = m->dim[1] == 1 ? 0 : plane;
    a->mask_batch = m->dim[0] == 1 ? 0 : plane * (size_t)m->dim[1];
    return BLIND_OK;
}

blind_code bl_ms_attention_infer(bl_build *b, bl_node *n)
{
    const bl_tensor  *q = bl_in(b, n, Q), *k = bl_in(b, n, K), *v = bl_in(b, n, V);
    const bl_tensor  *bias = bl_in(b, n, BIAS);
    int64_t           heads = bl_attr_int(n, "num_heads", 0);
    attention_params *p;
    BL_TRY(bl_ms_types(b, n, 0));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    for (int i = PADDING; i < n->n_in; i++)
        if (i != SCORES && bl_has_in(n, i))
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d: padding or a past", i);
    if (bl_has_out(n, 1) || bl_attr_int(n, "unidirectional", 0))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a past, or one direction alone");
    if (!k || !v || q->rank != 3 || k->rank != 3 || v->rank != 3 || heads < 1 ||
        q->dim[2] % heads || k->dim[2] != q->dim[2] || v->dim[2] % heads ||
        k->dim[0] != q->dim[0] || v->dim[0] != q->dim[0] || v->dim[1] != k->dim[1])
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "queries, keys and values that do not fit");
    if (bias && (int64_t)bias->len != q->dim[2] + k->dim[2] + v->dim[2])
        return bl_op_fail(b, n, BLIND_INPUT, "a bias of %zu numbers", bias->len);
    bl_attention *a = &p->a;
    a->batch = (size_t)q->dim[0];
    a->heads = (size_t)heads;
    a->q_len = (size_t)q->dim[1];
    a->k_len = (size_t)k->dim[1];
    a->head_size = (size_t)(q->dim[2] / heads);
    a->value_size = (size_t)(v->dim[2] / heads);
    a->scale = bl_attr_float(n, "scale", 0);
    if (a->scale == 0)
        a->scale = 1 / sqrtf((float)a->head_size);
    set_rows(&a->q_batch, &a->q_head, &a->q_row, a->q_len, a->heads, a->head_size);
    set_rows(&a->k_batch, &a->k_head, &a->k_row, a->k_len, a->heads, a->head_size);
    set_rows(&a->v_batch, &a->v_head, &a->v_row, a->k_len, a->heads, a->value_size);
    set_rows(&a->out_batch, &a->out_head, &a->out_row, a->q_len, a->heads, a->value_size);
    BL_TRY(set_scores(b, n, a));
    return bl_set_out(b, n, 0, BLIND_F32, 3, (int64_t[]){ q->dim[0], q->dim[1], v->dim[2] });
}

static size_t room_for(const bl_tensor *t)
{
    return (t->len * sizeof(float) + 63) / 64 * 64;
}

blind_code bl_ms_attention_prepare(bl_build *b, bl_node *n)
{
    attention_params *p = n->params;
    bool              bias = bl_has_in(n, BIAS);
    p->k_at = bias ? room_for(bl_in(b, n, Q)) : 0;
    p->v_at = p->k_at + (bias ? room_for(bl_in(b, n, K)) : 0);
    p->attention_at = p->v_at + (bias ? room_for(bl_in(b, n, V)) : 0);
    n->scratch = p->attention_at + b->kernels->attention_scratch(&p->a, bl_pool_threads(b->pool));
    return BLIND_OK;
}

/* A factor with its part of the bias, in the scratch. */
static const float *biased(const bl_exec *x, const bl_tensor *t, const float *bias, size_t at)
{
    float         *to = (float *)(void *)((char *)x->scratch + at);
    size_t         width = (size_t)t->dim[2];
    bl_elementwise e = { .op = BL_BINARY_ADD,
                         .rank = 2,
                         .shape = { t->len / width, width },
                         .a = t->data,
                         .a_stride = { width, 1 },
                         .b = bias,
                         .b_stride = { 0, 1 },
                         .out = to };
    if (!bias)
        return t->data;
    x->kernels->binary(&e, x->pool);
    return to;
}

blind_code bl_ms_attention_run(const bl_exec *x, const bl_node *n)
{
    const attention_params *p = n->params;
    const bl_tensor        *q = bl_arg(x, n, Q), *k = bl_arg(x, n, K), *v = bl_arg(x, n, V);
    const bl_tensor        *bias = bl_arg(x, n, BIAS), *scores = bl_arg(x, n, SCORES);
    const float            *row = bias ? bias->data : NULL;
    bl_attention            a = p->a;
    if (bl_result(x, n, 0)->len == 0 || k->len == 0)
        return BLIND_OK;
    a.q = biased(x, q, row, p->q_at);
    a.k = biased(x, k, row ? row + q->dim[2] : NULL, p->k_at);
    a.v = biased(x, v, row ? row + q->dim[2] + k->dim[2] : NULL, p->v_at);
    a.mask = scores ? scores->data : NULL;
    a.out = bl_result(x, n, 0)->data;
    a.scratch = (char *)x->scratch + p->attention_at;
    x->kernels->attention(&a, x->pool);
    return BLIND_OK;
}
