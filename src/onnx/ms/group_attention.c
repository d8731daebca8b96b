/* GroupQueryAttention: causal attention whose heads of keys serve several heads of queries each,
 * with keys and values of before, rotary positions, a window, softcap and sinks. */
#include "onnx/ms/attend.h"

#include <math.h>

enum { Q, K, V, PAST_K, PAST_V, LENGTHS, TOTAL, COS, SIN, PLACES, SCORES, SINKS };

typedef struct {
    bl_attend p;
    bool      packed, first;
    size_t    wide;        /* of a row of queries */
    size_t    past;        /* rows of the buffers of before */
    size_t    turned;      /* numbers of a head that turn; 0: none */
    size_t    places;      /* rows of the tables of angles */
    bool      beside;      /* pairs lie side by side */
    size_t    turned_k_at; /* of the scratch: queries first, then keys */
} group_params;

/* Rows of queries alone, or of queries, keys and values. */
static blind_code read_rows(bl_build *b, const bl_node *n, group_params *g)
{
    const bl_tensor *q = bl_in(b, n, Q), *k = bl_in(b, n, K), *v = bl_in(b, n, V);
    int64_t heads = bl_attr_int(n, "num_heads", 0), shared = bl_attr_int(n, "kv_num_heads", 0);
    int64_t all = 0, size = 0;
    if (q->rank == 3 && heads >= 1 && heads <= INT32_MAX && shared >= 1 && shared <= heads &&
        heads % shared == 0) {
        g->packed = !k && !v;
        all = g->packed ? heads + 2 * shared : heads;
        size = q->dim[2] / all;
    }
    if (size < 1 || q->dim[2] % all || !k != !v)
        return bl_op_fail(b, n, BLIND_INPUT, "rows that are not of %lld and %lld heads",
                          (long long)heads, (long long)shared);
    for (int i = K; i <= V && !g->packed; i++)
        if (bl_in(b, n, i)->rank != 3 || bl_in(b, n, i)->dim[0] != q->dim[0] ||
            bl_in(b, n, i)->dim[1] != q->dim[1] || bl_in(b, n, i)->dim[2] != shared * size)
            return bl_op_fail(b, n, BLIND_INPUT, "keys or values that do not fit");
    bl_attention *a = &g->p.a;
    a->batch = (size_t)q->dim[0];
    a->q_len = g->p.fresh = (size_t)q->dim[1];
    a->heads = (size_t)heads;
    a->head_size = a->value_size = (size_t)size;
    g->p.kv_heads = (size_t)shared;
    g->wide = (size_t)q->dim[2];
    return BLIND_OK;
}

/* How many keys there are in all decides the shape of what is given back. */
static blind_code read_past(bl_build *b, const bl_node *n, group_params *g)
{
    const bl_tensor *k = bl_in(b, n, PAST_K), *v = bl_in(b, n, PAST_V), *l = bl_in(b, n, LENGTHS);
    bl_attention    *a = &g->p.a;
    int64_t          total;
    size_t           len;
    if (!k != !v || !l || l->dtype != BLIND_I32 || l->len != a->batch || !bl_has_in(n, TOTAL))
        return bl_op_fail(b, n, BLIND_INPUT, "lengths, or keys or values of before, are missing");
    for (int i = PAST_K; i <= PAST_V && k; i++) {
        const bl_tensor *t = bl_in(b, n, i);
        if (t->rank != 4 || (size_t)t->dim[0] != a->batch || (size_t)t->dim[1] != g->p.kv_heads ||
            t->dim[2] != k->dim[2] || (size_t)t->dim[3] != a->head_size)
            return bl_op_fail(b, n, BLIND_INPUT, "keys or values of before that do not fit");
    }
    BL_TRY(bl_const_ints(b, n, TOTAL, &total, 1, &len));
    g->past = k ? (size_t)k->dim[2] : 0;
    if (len != 1 || total < (int64_t)a->q_len || total > INT32_MAX ||
        (total > (int64_t)a->q_len && (size_t)total - a->q_len > g->past))
        return bl_op_fail(b, n, BLIND_INPUT, "%lld keys in all, of which %zu were before",
                          len == 1 ? (long long)total : -1, g->past);
    a->k_len = (size_t)total;
    g->first = a->k_len == a->q_len;
    g->p.room = BL_MAX(a->k_len, g->past);
    g->p.cached = g->p.measured = true;
    return BLIND_OK;
}

static blind_code read_rotary(bl_build *b, const bl_node *n, group_params *g)
{
    const bl_tensor *cos = bl_in(b, n, COS), *sin = bl_in(b, n, SIN), *at = bl_in(b, n, PLACES);
    if (!bl_attr_int(n, "do_rotary", 0))
        return BLIND_OK;
    if (!cos || !sin || cos->rank != 2 || sin->rank != 2 || cos->dim[0] != sin->dim[0] ||
        cos->dim[1] != sin->dim[1] || cos->dim[1] < 1 || 2 * (size_t)cos->dim[1] > g->p.a.head_size)
        return bl_op_fail(b, n, BLIND_INPUT, "tables of angles that do not fit");
    if (at && (at->dtype != BLIND_I64 || at->len != g->p.a.batch * g->p.a.q_len))
        return bl_op_fail(b, n, BLIND_INPUT, "positions that are not one for each row");
    g->turned = 2 * (size_t)cos->dim[1];
    g->places = (size_t)cos->dim[0];
    g->beside = bl_attr_int(n, "rotary_interleaved", 0) != 0;
    return BLIND_OK;
}

static blind_code read_rest(bl_build *b, const bl_node *n, group_params *g)
{
    bl_attend       *p = &g->p;
    const bl_tensor *sinks = bl_in(b, n, SINKS);
    int64_t          window = bl_attr_int(n, "local_window_size", -1);
    for (int i = SINKS + 1; i < n->n_in; i++)
        if (bl_has_in(n, i))
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d", i);
    if (bl_has_out(n, 3) || bl_attr_int(n, "sliding_window_cache", 0))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a cache of a window, or scores as output");
    if (sinks && sinks->len != p->a.heads)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu sinks of %zu heads", sinks->len, p->a.heads);
    if (window == 0 || window > INT32_MAX)
        return bl_op_fail(b, n, BLIND_INPUT, "a window of %lld", (long long)window);
    p->window = window > 0 ? (size_t)window : 0;
    p->causal = bl_attr_int(n, "causal", 1) != 0;
    p->softcap = bl_attr_float(n, "softcap", 0);
    p->sinks = sinks || bl_attr_int(n, "smooth_softmax", 0) > 0;
    p->a.scale = bl_attr_float(n, "scale", 0);
    if (p->a.scale == 0)
        p->a.scale = 1 / sqrtf((float)p->a.head_size);
    return bl_attend_bias(b, n, SCORES, p);
}

blind_code bl_ms_group_attention_infer(bl_build *b, bl_node *n)
{
    group_params *g;
    BL_TRY(bl_ms_types(b, n, 1u << LENGTHS | 1u << TOTAL | 1u << PLACES));
    BL_TRY(bl_params(b, n, sizeof *g, &g));
    BL_TRY(read_rows(b, n, g));
    BL_TRY(read_past(b, n, g));
    BL_TRY(read_rotary(b, n, g));
    BL_TRY(read_rest(b, n, g));
    const bl_attention *a = &g->p.a;
    int64_t dim[3] = { (int64_t)a->batch, (int64_t)a->q_len, (int64_t)(a->heads * a->head_size) };
    int64_t present[4] = { (int64_t)a->batch, (int64_t)g->p.kv_heads, (int64_t)g->p.room,
                           (int64_t)a->head_size };
    BL_TRY(bl_set_out(b, n, 0, BLIND_F32, 3, dim));
    BL_TRY(bl_set_out(b, n, 1, BLIND_F32, 4, present));
    return bl_set_out(b, n, 2, BLIND_F32, 4, present);
}

blind_code bl_ms_group_attention_prepare(bl_build *b, bl_node *n)
{
    group_params       *g = n->params;
    const bl_attention *a = &g->p.a;
    size_t              rows = a->batch * a->q_len, q = 0, k = 0;
    if (g->turned && (!bl_mul(rows, a->heads * a->head_size * sizeof(float), &q) ||
                      !bl_mul(rows, g->p.kv_heads * a->head_size * sizeof(float), &k) ||
                      q > SIZE_MAX / 4 || k > SIZE_MAX / 4))
        return bl_op_fail(b, n, BLIND_LIMIT, "rows of impossible size");
    g->turned_k_at = (q + 63) & ~(size_t)63;
    BL_TRY(bl_attend_plan(b, n, g->turned_k_at + k, &g->p));
    n->scratch = g->p.size;
    return BLIND_OK;
}

/* Rotary positions.  --------------------------------------------------------------------------- */

static void turn_head(const group_params *g, const float *x, const float *cos, const float *sin,
                      float *to)
{
    size_t half = g->turned / 2, step = g->beside ? 2 : 1, apart = g->beside ? 1 : half;
    for (size_t i = 0; i < half; i++) {
        float a = x[i * step], b = x[i * step + apart];
        to[i * step] = a * cos[i] - b * sin[i];
        to[i * step + apart] = b * cos[i] + a * sin[i];
    }
    memcpy(to + g->turned, x + g->turned, (g->p.a.head_size - g->turned) * sizeof *to);
}

/* The place of row i of batch b among all tokens. */
static int64_t place_of(const bl_exec *x, const bl_node *n, const group_params *g, size_t b,
                        size_t i)
{
    const bl_tensor *at = bl_arg(x, n, PLACES);
    const int32_t   *lengths = bl_arg(x, n, LENGTHS)->data;
    if (at)
        return ((const int64_t *)at->data)[b * g->p.a.q_len + i];
    return (int64_t)i + (g->first ? 0 : (int64_t)lengths[b] + 1 - (int64_t)g->p.a.q_len);
}

/* Every head of `rows`, turned, into the scratch at `at`. */
static blind_code turn(const bl_exec *x, const bl_node *n, const group_params *g, size_t heads,
                       size_t at, bl_rows *rows)
{
    const bl_attention *a = &g->p.a;
    const float        *cos = bl_arg(x, n, COS)->data, *sin = bl_arg(x, n, SIN)->data;
    float              *to = (float *)(void *)((char *)x->scratch + at), *first = to;
    for (size_t b = 0; b < a->batch; b++)
        for (size_t i = 0; i < a->q_len; i++) {
            int64_t place = place_of(x, n, g, b, i);
            if (place < 0 || (size_t)place >= g->places)
                return bl_run_fail(x, n, "position %lld of %zu", (long long)place, g->places);
            size_t angle = (size_t)place * (g->turned / 2);
            for (size_t h = 0; h < heads; h++, to += a->head_size)
                turn_head(g, rows->data + b * rows->batch + i * rows->row + h * rows->head,
                          cos + angle, sin + angle, to);
        }
    *rows = bl_rows_beside(first, a->q_len, heads * a->head_size, a->head_size);
    return BLIND_OK;
}

/* Lengths come with the run: how many keys of each batch are in use, less one. */
static blind_code check_lengths(const bl_exec *x, const bl_node *n, const group_params *g,
                                const int32_t *lengths)
{
    for (size_t b = 0; b < g->p.a.batch; b++) {
        int64_t used = (int64_t)lengths[b] + 1;
        int64_t before = used - (int64_t)g->p.a.q_len;
        if (used < 1 || used > (int64_t)g->p.a.k_len ||
            (!g->first && (before < 0 || before > (int64_t)g->past)))
            return bl_run_fail(x, n, "%lld of %zu keys are in use", (long long)used, g->p.a.k_len);
    }
    return BLIND_OK;
}

static void *data_of(const bl_tensor *t)
{
    return t ? t->data : NULL;
}

blind_code bl_ms_group_attention_run(const bl_exec *x, const bl_node *n)
{
    const group_params *g = n->params;
    const bl_attention *a = &g->p.a;
    const float        *q = bl_arg(x, n, Q)->data;
    size_t              size = a->head_size, shared = g->p.kv_heads * size;
    bl_attend_run       r = { .bias = data_of(bl_arg(x, n, SCORES)),
                              .lengths = bl_arg(x, n, LENGTHS)->data,
                              .first = g->first,
                              .sinks = data_of(bl_arg(x, n, SINKS)),
                              .present_k = data_of(bl_result(x, n, 1)),
                              .present_v = data_of(bl_result(x, n, 2)),
                              .out = bl_result(x, n, 0)->data,
                              .scratch = x->scratch };
    if (a->batch * a->q_len == 0)
        return BLIND_OK;
    BL_TRY(check_lengths(x, n, g, r.lengths));
    r.q = bl_rows_beside(q, a->q_len, g->wide, size);
    if (g->packed) {
        r.k = bl_rows_beside(q + a->heads * size, a->q_len, g->wide, size);
        r.v = bl_rows_beside(q + a->heads * size + shared, a->q_len, g->wide, size);
    } else {
        r.k = bl_rows_beside(bl_arg(x, n, K)->data, a->q_len, shared, size);
        r.v = bl_rows_beside(bl_arg(x, n, V)->data, a->q_len, shared, size);
    }
    if (g->turned) {
        BL_TRY(turn(x, n, g, a->heads, 0, &r.q));
        BL_TRY(turn(x, n, g, g->p.kv_heads, g->turned_k_at, &r.k));
    }
    r.past_k = bl_rows_apart(data_of(bl_arg(x, n, PAST_K)), g->p.kv_heads, g->past, size);
    r.past_v = bl_rows_apart(data_of(bl_arg(x, n, PAST_V)), g->p.kv_heads, g->past, size);
    bl_attend_compute(x, &g->p, &r);
    return BLIND_OK;
}
