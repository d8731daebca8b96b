/* Attention over keys of before and of now; see attend.h. */
#include "onnx/ms/attend.h"

#include <float.h>
#include <math.h>

bl_rows bl_rows_beside(const float *data, size_t length, size_t width, size_t size)
{
    return (bl_rows){ .data = data, .batch = length * width, .head = size, .row = width };
}

bl_rows bl_rows_apart(const float *data, size_t heads, size_t length, size_t size)
{
    return (bl_rows){
        .data = data, .batch = heads * length * size, .head = length * size, .row = size
    };
}

/* Planning.  --------------------------------------------------------------------------------- */

blind_code bl_attend_bias(bl_build *b, const bl_node *n, int i, bl_attend *p)
{
    const bl_tensor *t = bl_in(b, n, i);
    if (!t)
        return BLIND_OK;
    if (t->rank != 4 || (t->dim[0] != 1 && (size_t)t->dim[0] != p->a.batch) ||
        (t->dim[1] != 1 && (size_t)t->dim[1] != p->a.heads) || (size_t)t->dim[2] != p->a.q_len ||
        (size_t)t->dim[3] != p->a.k_len)
        return bl_op_fail(b, n, BLIND_INPUT, "scores to add of another shape");
    p->bias_batches = (size_t)t->dim[0];
    p->bias_heads = (size_t)t->dim[1];
    return BLIND_OK;
}

blind_code bl_attend_padding(bl_build *b, const bl_node *n, int i, bl_attend *p)
{
    const bl_tensor *t = bl_in(b, n, i);
    size_t           batch = p->a.batch;
    if (!t)
        return BLIND_OK;
    if (t->dtype != BLIND_I32)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a mask of type %s", blind_dtype_name(t->dtype));
    bool lists = t->rank == 1 && (t->len == batch || t->len == 2 * batch);
    bool keys = t->rank == 2 && (size_t)t->dim[0] == batch && (size_t)t->dim[1] == p->a.k_len;
    bool pairs = t->rank == 3 && (size_t)t->dim[0] == batch && (size_t)t->dim[1] == p->a.q_len &&
                 (size_t)t->dim[2] == p->a.k_len;
    if (!lists && !keys && !pairs)
        return bl_op_fail(b, n, BLIND_INPUT, "a mask of %d axes, %zu elements", t->rank, t->len);
    p->padding_axes = (size_t)t->rank;
    p->padding_parts = lists && batch ? t->len / batch : 1;
    return BLIND_OK;
}

/* `count` more floats of the scratch; *at is where they begin. */
static bool take(size_t *size, size_t count, size_t *at)
{
    size_t bytes;
    *at = *size;
    if (!bl_mul(count, sizeof(float), &bytes) || !bl_add(*size, bytes, size) ||
        *size > SIZE_MAX / 2)
        return false;
    *size = (*size + 63) & ~(size_t)63;
    return true;
}

/* A mask as large as it must be. */
static bool plan_mask(bl_attend *p, size_t *size)
{
    const bl_attention *a = &p->a;
    size_t              plane, planes;
    p->masks = p->padding_axes > 0 || p->measured || (p->causal && a->q_len > 1) || p->window > 0;
    if (!p->masks)
        return true;
    p->mask_batches =
        p->padding_axes || p->measured ? a->batch : BL_MAX(p->bias_batches, (size_t)1);
    p->mask_heads = BL_MAX(p->bias_heads, (size_t)1);
    return bl_mul(a->q_len, a->k_len, &plane) && bl_mul(p->mask_batches, p->mask_heads, &planes) &&
           bl_mul(plane, planes, &plane) && take(size, plane, &p->mask_at);
}

blind_code bl_attend_plan(bl_build *b, const bl_node *n, size_t before, bl_attend *p)
{
    bl_attention *a = &p->a;
    size_t        size = (before + 63) & ~(size_t)63, rows, keys, values;
    bool          grouped = p->kv_heads != a->heads;
    p->slow = p->softcap != 0 || p->sinks;
    if (!bl_mul(a->batch, p->kv_heads, &rows) || !bl_mul(rows, p->room, &rows) ||
        !bl_mul(rows, a->head_size, &keys) || !bl_mul(rows, a->value_size, &values) ||
        !plan_mask(p, &size) || (p->cached && !take(&size, keys, &p->k_at)) ||
        (p->cached && !take(&size, values, &p->v_at)))
        return bl_op_fail(b, n, BLIND_LIMIT, "keys and values of impossible size");
    p->attention_at = size;
    if (p->slow) {
        size_t scores;
        if (!bl_mul((size_t)bl_pool_threads(b->pool), a->k_len + 1, &scores) ||
            !take(&size, scores, &p->attention_at))
            return bl_op_fail(b, n, BLIND_LIMIT, "scores of impossible size");
        p->size = size;
        return BLIND_OK;
    }
    bl_attention one = *a; /* grouped: a call for each batch, its heads by those of keys */
    if (grouped) {
        one.batch = p->kv_heads;
        one.heads = a->heads / p->kv_heads;
    }
    p->size = size + b->kernels->attention_scratch(&one, bl_pool_threads(b->pool));
    return BLIND_OK;
}

/* Keys and values put together.  --------------------------------------------------------------- */

static size_t past_of(const bl_attend *p, const bl_attend_run *r, size_t batch)
{
    if (!r->lengths)
        return p->a.k_len - p->fresh;
    return r->first ? 0 : (size_t)r->lengths[batch] + 1 - p->fresh;
}

static void copy_rows(float *to, const float *from, size_t rows, size_t stride, size_t size)
{
    for (size_t i = 0; i < rows; i++)
        memcpy(to + i * size, from + i * stride, size * sizeof *to);
}

/* [batch, kv_heads, room, size]: those of before, the new ones, zeros. */
static void join(const bl_attend *p, const bl_attend_run *r, const bl_rows *past,
                 const bl_rows *fresh, size_t size, float *to)
{
    for (size_t b = 0; b < p->a.batch; b++)
        for (size_t h = 0; h < p->kv_heads; h++, to += p->room * size) {
            size_t before = past_of(p, r, b), used = before + p->fresh;
            if (before)
                copy_rows(to, past->data + b * past->batch + h * past->head, before, past->row,
                          size);
            copy_rows(to + before * size, fresh->data + b * fresh->batch + h * fresh->head,
                      p->fresh, fresh->row, size);
            memset(to + used * size, 0, (p->room - used) * size * sizeof *to);
        }
}

/* The mask.  ----------------------------------------------------------------------------------- */

/* Whether key j of batch b is padding to query i. */
static bool is_padding(const bl_attend *p, const bl_attend_run *r, size_t b, size_t i, size_t j)
{
    switch (p->padding_axes) {
    case 0:
        return false;
    case 1:
        return (int64_t)j >= r->padding[b] ||
               (p->padding_parts == 2 && (int64_t)j < r->padding[p->a.batch + b]);
    case 2:
        return r->padding[b * p->a.k_len + j] <= 0;
    default:
        return r->padding[(b * p->a.q_len + i) * p->a.k_len + j] <= 0;
    }
}

/* Keys [from, to) that query i of batch b may see. */
static void range_of(const bl_attend *p, const bl_attend_run *r, size_t b, size_t i, size_t *from,
                     size_t *to)
{
    size_t own = past_of(p, r, b) + i + 1;
    size_t all = r->lengths ? (size_t)r->lengths[b] + 1 : p->a.k_len;
    *to = p->causal ? BL_MIN(own, all) : all;
    *from = p->window && own > p->window ? BL_MIN(own - p->window, all) : 0;
}

static void mask_row(const bl_attend *p, const bl_attend_run *r, size_t b, size_t h, size_t i,
                     float *to)
{
    size_t       from, end, plane = p->a.q_len * p->a.k_len;
    size_t       bias_b = p->bias_batches > 1 ? b : 0, bias_h = p->bias_heads > 1 ? h : 0;
    const float *bias =
        r->bias ? r->bias + (bias_b * p->bias_heads + bias_h) * plane + i * p->a.k_len : NULL;
    range_of(p, r, b, i, &from, &end);
    for (size_t j = 0; j < p->a.k_len; j++) {
        to[j] = j < from || j >= end ? -FLT_MAX : bias ? bias[j] : 0;
        if (p->padding_axes && j >= from && j < end && is_padding(p, r, b, i, j))
            to[j] += p->hidden;
    }
}

static void make_mask(const bl_attend *p, const bl_attend_run *r, float *mask)
{
    for (size_t b = 0; b < p->mask_batches; b++)
        for (size_t h = 0; h < p->mask_heads; h++)
            for (size_t i = 0; i < p->a.q_len; i++, mask += p->a.k_len)
                mask_row(p, r, b, h, i, mask);
}

/* Whether one query after keys that are all in use needs no mask. */
static bool sees_all(const bl_attend *p, const bl_attend_run *r)
{
    if (p->a.q_len > 1 || p->window || p->bias_batches || p->padding_axes)
        return false;
    for (size_t b = 0; r->lengths && b < p->a.batch; b++)
        if ((size_t)r->lengths[b] + 1 != p->a.k_len)
            return false;
    return true;
}

/* The mask made, or the bias as it is; strides in a. */
static void set_mask(const bl_attend *p, const bl_attend_run *r, bl_attention *a)
{
    size_t plane = a->q_len * a->k_len;
    size_t batches = p->masks ? p->mask_batches : p->bias_batches;
    size_t heads = p->masks ? p->mask_heads : p->bias_heads;
    if (sees_all(p, r))
        return;
    if (p->masks)
        make_mask(p, r, (float *)(void *)(r->scratch + p->mask_at));
    a->mask = p->masks ? (const float *)(const void *)(r->scratch + p->mask_at) : r->bias;
    a->mask_col = 1;
    a->mask_row = a->k_len;
    a->mask_head = heads > 1 ? plane : 0;
    a->mask_batch = batches > 1 ? plane * heads : 0;
}

/* Softcap and sinks, head by head.  ------------------------------------------------------------ */

typedef struct {
    const bl_attend     *p;
    const bl_attend_run *r;
    const bl_attention  *a;
} slow_job;

static void slow_row(const slow_job *j, size_t b, size_t h, size_t i, float *scores)
{
    const bl_attention *a = j->a;
    size_t              kv = h / (a->heads / j->p->kv_heads);
    const float        *q = a->q + b * a->q_batch + h * a->q_head + i * a->q_row;
    const float        *k = a->k + b * a->k_batch + kv * a->k_head;
    const float        *v = a->v + b * a->v_batch + kv * a->v_head;
    const float        *mask =
        a->mask ? a->mask + b * a->mask_batch + h * a->mask_head + i * a->mask_row : NULL;
    float *out = a->out + b * a->out_batch + h * a->out_head + i * a->out_row;
    float  sink = j->r->sinks ? j->r->sinks[h] : 0, top = j->p->sinks ? sink : -FLT_MAX, sum;
    for (size_t c = 0; c < a->k_len; c++) {
        double dot = 0;
        for (size_t d = 0; d < a->head_size; d++)
            dot += (double)q[d] * (double)k[c * a->k_row + d];
        float score = (float)dot * a->scale;
        if (j->p->softcap != 0)
            score = j->p->softcap * tanhf(score / j->p->softcap);
        scores[c] = mask ? score + mask[c] : score;
        top = BL_MAX(top, scores[c]);
    }
    sum = j->p->sinks ? expf(sink - top) : 0;
    for (size_t c = 0; c < a->k_len; c++)
        sum += scores[c] = expf(scores[c] - top);
    for (size_t d = 0; d < a->value_size; d++) {
        double mean = 0;
        for (size_t c = 0; c < a->k_len; c++)
            mean += (double)scores[c] * (double)v[c * a->v_row + d];
        out[d] = (float)(mean / (double)sum);
    }
}

static void slow_part(void *arg, size_t index, int worker)
{
    const slow_job *j = arg;
    size_t          b = index / j->a->heads, h = index % j->a->heads;
    float          *scores = (float *)j->a->scratch + (size_t)worker * (j->a->k_len + 1);
    for (size_t i = 0; i < j->a->q_len; i++)
        slow_row(j, b, h, i, scores);
}

/* All of it.  ---------------------------------------------------------------------------------- */

static void set_rows(const bl_rows *rows, const float **data, size_t *batch, size_t *head,
                     size_t *row)
{
    *data = rows->data;
    *batch = rows->batch;
    *head = rows->head;
    *row = rows->row;
}

/* A call for each batch: its heads of keys are the batches of the kernel. */
static void run_grouped(const bl_exec *x, const bl_attend *p, const bl_attention *all)
{
    size_t group = all->heads / p->kv_heads;
    for (size_t b = 0; b < all->batch; b++) {
        bl_attention a = *all;
        a.batch = p->kv_heads;
        a.heads = group;
        a.q += b * all->q_batch;
        a.k += b * all->k_batch;
        a.v += b * all->v_batch;
        a.out += b * all->out_batch;
        a.mask = all->mask ? all->mask + b * all->mask_batch : NULL;
        a.q_batch = group * all->q_head;
        a.out_batch = group * all->out_head;
        a.mask_batch = group * all->mask_head;
        a.k_batch = all->k_head;
        a.v_batch = all->v_head;
        a.k_head = a.v_head = 0;
        x->kernels->attention(&a, x->pool);
    }
}

void bl_attend_compute(const bl_exec *x, const bl_attend *p, const bl_attend_run *r)
{
    bl_attention a = p->a;
    bl_rows      k = r->k, v = r->v, out;
    if (p->cached) {
        float *to_k = r->present_k ? r->present_k : (float *)(void *)(r->scratch + p->k_at);
        float *to_v = r->present_v ? r->present_v : (float *)(void *)(r->scratch + p->v_at);
        join(p, r, &r->past_k, &r->k, a.head_size, to_k);
        join(p, r, &r->past_v, &r->v, a.value_size, to_v);
        k = bl_rows_apart(to_k, p->kv_heads, p->room, a.head_size);
        v = bl_rows_apart(to_v, p->kv_heads, p->room, a.value_size);
    }
    if (a.batch * a.heads * a.q_len * a.value_size == 0)
        return;
    out = bl_rows_beside(r->out, a.q_len, a.heads * a.value_size, a.value_size);
    set_rows(&r->q, &a.q, &a.q_batch, &a.q_head, &a.q_row);
    set_rows(&k, &a.k, &a.k_batch, &a.k_head, &a.k_row);
    set_rows(&v, &a.v, &a.v_batch, &a.v_head, &a.v_row);
    a.out = r->out;
    a.out_batch = out.batch;
    a.out_head = out.head;
    a.out_row = out.row;
    if (a.k_len == 0) {
        memset(r->out, 0, a.batch * a.out_batch * sizeof *r->out);
        return;
    }
    set_mask(p, r, &a);
    a.scratch = r->scratch + p->attention_at;
    if (p->slow)
        bl_pool_run(x->pool, slow_part, &(slow_job){ p, r, &a }, a.batch * a.heads);
    else if (p->kv_heads != a.heads)
        run_grouped(x, p, &a);
    else
        x->kernels->attention(&a, x->pool);
}
