/* MultiHeadAttention: queries, keys and values as rows, keys and values of before as they were
 * given back. */
#include "onnx/ms/attend.h"

#include <math.h>

enum { Q, K, V, BIAS, PADDING, SCORES, PAST_K, PAST_V, PAST_LEN, BEAMS };

typedef struct {
    bl_attend p;
    bool      apart;            /* keys and values come as [batch, heads, length, size] */
    size_t    q_at, k_at, v_at; /* of the scratch, where a bias is added */
} mha_params;

/* Keys and values; their number in a->k_len. */
static blind_code read_keys(bl_build *b, const bl_node *n, int64_t heads, mha_params *m)
{
    const bl_tensor *q = bl_in(b, n, Q), *k = bl_in(b, n, K), *v = bl_in(b, n, V);
    bl_attention    *a = &m->p.a;
    if (!k || !v || q->rank != 3 || k->rank != v->rank || (k->rank != 3 && k->rank != 4))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "queries, keys and values in one");
    if (heads < 1 || heads > INT32_MAX || q->dim[2] % heads || q->dim[2] < heads)
        return bl_op_fail(b, n, BLIND_INPUT, "rows of %lld numbers for %lld heads",
                          (long long)q->dim[2], (long long)heads);
    m->apart = k->rank == 4;
    int64_t wide = m->apart ? k->dim[3] * k->dim[1] : k->dim[2];
    int64_t values = m->apart ? v->dim[3] * v->dim[1] : v->dim[2];
    int     length = m->apart ? 2 : 1;
    if (wide != q->dim[2] || values % heads || k->dim[0] != q->dim[0] || v->dim[0] != q->dim[0] ||
        v->dim[length] != k->dim[length] ||
        (m->apart && (k->dim[1] != heads || v->dim[1] != heads)))
        return bl_op_fail(b, n, BLIND_INPUT, "queries, keys and values that do not fit");
    a->batch = (size_t)q->dim[0];
    a->heads = m->p.kv_heads = (size_t)heads;
    a->q_len = (size_t)q->dim[1];
    a->k_len = m->p.fresh = (size_t)k->dim[length];
    a->head_size = (size_t)(q->dim[2] / heads);
    a->value_size = (size_t)(values / heads);
    return BLIND_OK;
}

/* [batch, heads, past, size] of both. */
static blind_code read_past(bl_build *b, const bl_node *n, mha_params *m)
{
    const bl_tensor *k = bl_in(b, n, PAST_K), *v = bl_in(b, n, PAST_V);
    bl_attention    *a = &m->p.a;
    if (!k != !v)
        return bl_op_fail(b, n, BLIND_INPUT, "keys of before without values");
    if (k && (k->rank != 4 || v->rank != 4 || (size_t)k->dim[0] != a->batch ||
              (size_t)v->dim[0] != a->batch || (size_t)k->dim[1] != a->heads ||
              (size_t)v->dim[1] != a->heads || k->dim[2] != v->dim[2] ||
              (size_t)k->dim[3] != a->head_size || (size_t)v->dim[3] != a->value_size))
        return bl_op_fail(b, n, BLIND_INPUT, "keys and values of before that do not fit");
    if (k && !bl_add(a->k_len, (size_t)k->dim[2], &a->k_len))
        return bl_op_fail(b, n, BLIND_LIMIT, "too many keys");
    m->p.cached = k || bl_has_out(n, 1) || bl_has_out(n, 2);
    m->p.room = a->k_len;
    return BLIND_OK;
}

static blind_code set_outputs(bl_build *b, const bl_node *n, const mha_params *m)
{
    const bl_attention *a = &m->p.a;
    int64_t dim[3] = { (int64_t)a->batch, (int64_t)a->q_len, (int64_t)(a->heads * a->value_size) };
    int64_t past[4] = { (int64_t)a->batch, (int64_t)a->heads, (int64_t)a->k_len,
                        (int64_t)a->head_size };
    BL_TRY(bl_set_out(b, n, 0, BLIND_F32, 3, dim));
    BL_TRY(bl_set_out(b, n, 1, BLIND_F32, 4, past));
    past[3] = (int64_t)a->value_size;
    return bl_set_out(b, n, 2, BLIND_F32, 4, past);
}

blind_code bl_ms_attention_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *bias = bl_in(b, n, BIAS);
    mha_params      *m;
    BL_TRY(bl_ms_types(b, n, 1u << PADDING));
    BL_TRY(bl_params(b, n, sizeof *m, &m));
    if (bl_has_in(n, PAST_LEN) || bl_has_in(n, BEAMS) || bl_has_out(n, 3))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a shared buffer, beams, or scores as output");
    BL_TRY(read_keys(b, n, bl_attr_int(n, "num_heads", 0), m));
    BL_TRY(read_past(b, n, m));
    bl_attention *a = &m->p.a;
    if (bias && bias->len != 2 * a->heads * a->head_size + a->heads * a->value_size)
        return bl_op_fail(b, n, BLIND_INPUT, "a bias of %zu numbers", bias->len);
    if (bias && m->apart)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a bias to keys that were there before");
    a->scale = bl_attr_float(n, "scale", 0);
    if (a->scale == 0)
        a->scale = 1 / sqrtf((float)a->head_size);
    m->p.causal = bl_attr_int(n, "unidirectional", 0) != 0;
    m->p.hidden = bl_attr_float(n, "mask_filter_value", -10000);
    BL_TRY(bl_attend_bias(b, n, SCORES, &m->p));
    BL_TRY(bl_attend_padding(b, n, PADDING, &m->p));
    return set_outputs(b, n, m);
}

static size_t room_for(const bl_tensor *t)
{
    return (t->len * sizeof(float) + 63) / 64 * 64;
}

blind_code bl_ms_attention_prepare(bl_build *b, bl_node *n)
{
    mha_params *m = n->params;
    bool        bias = bl_has_in(n, BIAS);
    m->k_at = bias ? room_for(bl_in(b, n, Q)) : 0;
    m->v_at = m->k_at + (bias ? room_for(bl_in(b, n, K)) : 0);
    BL_TRY(bl_attend_plan(b, n, m->v_at + (bias ? room_for(bl_in(b, n, V)) : 0), &m->p));
    n->scratch = m->p.size;
    return BLIND_OK;
}

/* A factor with its part of the bias, in the scratch. */
static const float *biased(const bl_exec *x, const bl_tensor *t, const float *bias, size_t at)
{
    float         *to = (float *)(void *)((char *)x->scratch + at);
    size_t         width = (size_t)t->dim[t->rank - 1];
    bl_elementwise e = { .op = BL_BINARY_ADD,
                         .rank = 2,
                         .shape = { width ? t->len / width : 0, width },
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

static bl_rows rows_of(const mha_params *m, const float *data, size_t size)
{
    return m->apart ? bl_rows_apart(data, m->p.a.heads, m->p.fresh, size)
                    : bl_rows_beside(data, m->p.fresh, m->p.a.heads * size, size);
}

static const void *data_of(const bl_tensor *t)
{
    return t ? t->data : NULL;
}

blind_code bl_ms_attention_run(const bl_exec *x, const bl_node *n)
{
    const mha_params   *m = n->params;
    const bl_attention *a = &m->p.a;
    const bl_tensor    *q = bl_arg(x, n, Q), *k = bl_arg(x, n, K), *v = bl_arg(x, n, V);
    const bl_tensor    *past_k = bl_arg(x, n, PAST_K), *past_v = bl_arg(x, n, PAST_V);
    bl_tensor          *to_k = bl_result(x, n, 1), *to_v = bl_result(x, n, 2);
    const float        *bias = data_of(bl_arg(x, n, BIAS));
    size_t              past = a->k_len - m->p.fresh;
    bl_attend_run       r = { .bias = data_of(bl_arg(x, n, SCORES)),
                              .padding = data_of(bl_arg(x, n, PADDING)),
                              .present_k = to_k ? to_k->data : NULL,
                              .present_v = to_v ? to_v->data : NULL,
                              .out = bl_result(x, n, 0)->data,
                              .scratch = x->scratch };
    r.q = bl_rows_beside(biased(x, q, bias, m->q_at), a->q_len, a->heads * a->head_size,
                         a->head_size);
    r.k = rows_of(m, biased(x, k, bias ? bias + q->dim[2] : NULL, m->k_at), a->head_size);
    r.v = rows_of(m, biased(x, v, bias ? bias + 2 * q->dim[2] : NULL, m->v_at), a->value_size);
    r.past_k = bl_rows_apart(data_of(past_k), a->heads, past, a->head_size);
    r.past_v = bl_rows_apart(data_of(past_v), a->heads, past, a->value_size);
    bl_attend_compute(x, &m->p, &r);
    return BLIND_OK;
}
