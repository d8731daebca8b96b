/* Products in plain C: the specification.  Sums are kept in double, so that the faster kernels are
 * tested against something better than themselves. */
#include "nn/nbits.h"
#include "nn/scalar.h"

#include <math.h>

#define LANES 16 /* columns summed at once */

/* Applies the epilogue of column `j` to `sum` for the element at `offset` of out. */
static float finish(const bl_epilogue *e, double sum, size_t bias_index, size_t offset)
{
    float value = (float)sum;
    if (e->bias)
        value += e->bias[bias_index];
    if (e->add)
        value += e->add[offset];
    value = bl_unary_scalar(e->act, value, e->a, e->b);
    return e->mul ? value * e->mul[offset] : value;
}

static blind_code gemm_pack(const bl_matrix *b, bl_packed **out, blind_error *err)
{
    BL_TRY(bl_packed_new(b->k, b->n, 1, 1, BL_LAYOUT_ROWS, out, err));
    for (size_t i = 0; i < b->k; i++)
        for (size_t j = 0; j < b->n; j++)
            memcpy(&(*out)->data[i * b->n + j],
                   (const char *)b->data + (i * b->row_stride + j * b->col_stride) * sizeof(float),
                   sizeof(float));
    return BLIND_OK;
}

static blind_code gemm_pack_nbits(const bl_nbits_matrix *b, bl_pool *pool, bl_packed **out,
                                  blind_error *err)
{
    return bl_nbits_pack(b, LANES, pool, out, err);
}

static size_t gemm_scratch(const bl_packed *b, size_t rows, int threads)
{
    (void)b, (void)rows, (void)threads;
    return 0;
}

static void gemm_row(void *arg, size_t m, int worker)
{
    (void)worker;
    const bl_gemm   *g = arg;
    const bl_packed *b = g->b;
    for (size_t j = 0; j < b->n; j += LANES) {
        double sum[LANES] = { 0 };
        size_t lanes = BL_MIN(b->n - j, (size_t)LANES);
        for (size_t i = 0; i < b->k; i++)
            for (size_t l = 0; l < lanes; l++)
                sum[l] += (double)g->a[m * g->a_stride + i] * (double)b->data[i * b->n + j + l];
        for (size_t l = 0; l < lanes; l++) {
            size_t offset = m * g->out_stride + j + l;
            g->out[offset] = finish(&g->epilogue, sum[l], j + l, offset);
        }
    }
}

/* Of small numbers, each made a float by itself. */
static void nbits_row(void *arg, size_t m, int worker)
{
    (void)worker;
    const bl_gemm *g = arg;
    for (size_t j = 0; j < g->b->n; j++) {
        double sum = 0;
        for (size_t i = 0; i < g->b->k; i++)
            sum += (double)g->a[m * g->a_stride + i] * (double)bl_nbits_at(g->b, i, j);
        size_t offset = m * g->out_stride + j;
        g->out[offset] = finish(&g->epilogue, sum, j, offset);
    }
}

static void gemm(const bl_gemm *g, bl_pool *pool)
{
    bl_pool_run(pool, g->b->layout == BL_LAYOUT_NBITS ? nbits_row : gemm_row, (void *)g, g->rows);
}

static size_t matmul_scratch(const bl_matmul *m, int threads)
{
    (void)m, (void)threads;
    return 0;
}

static void matmul_one(void *arg, size_t index, int worker)
{
    (void)worker;
    const bl_matmul *p = arg;
    const float     *a = p->a, *b = p->b;
    float           *out = p->out;
    for (int axis = p->batch_rank; axis-- > 0; index /= p->batch[axis]) {
        size_t at = index % p->batch[axis];
        a += at * p->a_batch[axis];
        b += at * p->b_batch[axis];
        out += at * p->out_batch[axis];
    }
    for (size_t m = 0; m < p->m; m++)
        for (size_t n = 0; n < p->n; n++) {
            double sum = 0;
            for (size_t k = 0; k < p->k; k++)
                sum +=
                    (double)a[m * p->a_row + k * p->a_col] * (double)b[k * p->b_row + n * p->b_col];
            out[m * p->out_row + n] = (float)(p->alpha * sum);
        }
}

static void matmul(const bl_matmul *m, bl_pool *pool)
{
    size_t count = 1;
    for (int axis = 0; axis < m->batch_rank; axis++)
        count *= m->batch[axis];
    bl_pool_run(pool, matmul_one, (void *)m, count);
}

static size_t attention_scratch(const bl_attention *a, int threads)
{
    return (a->k_len * sizeof(double) + 63) / 64 * 64 * (size_t)threads;
}

/* Scores of one query against every key; returns the largest. */
static double scores(const bl_attention *p, const float *q, const float *k, const float *mask,
                     const uint8_t *choice, double *score)
{
    double top = -INFINITY;
    for (size_t j = 0; j < p->k_len; j++) {
        double sum = 0;
        for (size_t d = 0; d < p->head_size; d++)
            sum += (double)q[d] * (double)k[j * p->k_row + d];
        score[j] = sum * p->scale + (mask ? mask[j * p->mask_col] : 0);
        if (choice && (choice[j * p->mask_col] != 0) != p->chosen)
            score[j] = p->otherwise;
        top = fmax(top, score[j]);
    }
    return top;
}

static void attend(const bl_attention *p, const float *v, double top, double *score, float *out)
{
    double total = 0;
    for (size_t j = 0; j < p->k_len; j++)
        total += score[j] = exp(score[j] - top);
    for (size_t d = 0; d < p->value_size; d++) {
        double sum = 0;
        for (size_t j = 0; j < p->k_len; j++)
            sum += score[j] * v[j * p->v_row + d];
        out[d] = (float)(sum / total);
    }
}

static void attention_row(void *arg, size_t index, int worker)
{
    const bl_attention *p = arg;
    size_t              row = index % p->q_len, head = index / p->q_len % p->heads;
    size_t              batch = index / p->q_len / p->heads;
    double *score = (double *)((char *)p->scratch + attention_scratch(p, 1) * (size_t)worker);
    size_t  masked = batch * p->mask_batch + head * p->mask_head + row * p->mask_row;
    double  top =
        scores(p, p->q + batch * p->q_batch + head * p->q_head + row * p->q_row,
               p->k + batch * p->k_batch + head * p->k_head, p->mask ? p->mask + masked : NULL,
               p->choice ? p->choice + masked : NULL, score);
    attend(p, p->v + batch * p->v_batch + head * p->v_head, top, score,
           p->out + batch * p->out_batch + head * p->out_head + row * p->out_row);
}

static void attention(const bl_attention *a, bl_pool *pool)
{
    bl_pool_run(pool, attention_row, (void *)a, a->batch * a->heads * a->q_len);
}

static blind_code conv_pack(const bl_window *w, const float *weights, bl_packed **out,
                            blind_error *err)
{
    size_t k = w->channels_in / w->groups * bl_window_kernel_size(w);
    BL_TRY(bl_packed_new(k, w->channels_out / w->groups, w->groups, 1, BL_LAYOUT_ROWS, out, err));
    if ((*out)->size)
        memcpy((*out)->data, weights, (*out)->size);
    return BLIND_OK;
}

static size_t conv_scratch(const bl_window *window, const bl_packed *w, int threads)
{
    (void)window, (void)w, (void)threads;
    return 0;
}

/* One axis of a window: which element of x tap `tap` reads at `at`; false for padding. */
static bool tap_at(const bl_window *w, int axis, size_t at, size_t tap, size_t *i)
{
    *i = at * w->stride[axis] + tap * w->dilation[axis] - w->pad[axis];
    return *i < w->in[axis]; /* below zero wraps to a large number */
}

static double conv_at(const bl_window *w, const float *weights, const float *x, const size_t at[3])
{
    double sum = 0;
    size_t i[3];
    for (size_t c = 0; c < w->channels_in / w->groups; c++, x += bl_window_in_size(w))
        for (size_t z = 0; z < w->kernel[0]; z++)
            for (size_t y = 0; y < w->kernel[1]; y++)
                for (size_t tap = 0; tap < w->kernel[2]; tap++, weights++)
                    if (tap_at(w, 0, at[0], z, &i[0]) && tap_at(w, 1, at[1], y, &i[1]) &&
                        tap_at(w, 2, at[2], tap, &i[2]))
                        sum += (double)*weights *
                               (double)x[(i[0] * w->in[1] + i[1]) * w->in[2] + i[2]];
    return sum;
}

static void conv_plane(void *arg, size_t index, int worker)
{
    (void)worker;
    const bl_conv   *c = arg;
    const bl_window *w = &c->window;
    size_t           channel = index % w->channels_out, batch = index / w->channels_out;
    size_t           out_size = bl_window_out_size(w), in_size = bl_window_in_size(w);
    size_t           x_stride = c->x_batch_stride ? c->x_batch_stride : w->channels_in * in_size;
    size_t out_stride = c->out_batch_stride ? c->out_batch_stride : w->channels_out * out_size;
    size_t group = channel / (w->channels_out / w->groups);
    const float *x = c->x + batch * x_stride + group * (w->channels_in / w->groups) * in_size;
    const float *weights = c->w->data + channel * c->w->k;
    size_t       offset = batch * out_stride + channel * out_size;
    size_t       at[3];
    for (at[0] = 0; at[0] < w->out[0]; at[0]++)
        for (at[1] = 0; at[1] < w->out[1]; at[1]++)
            for (at[2] = 0; at[2] < w->out[2]; at[2]++, offset++)
                c->out[offset] = finish(&c->epilogue, conv_at(w, weights, x, at), channel, offset);
}

static void conv(const bl_conv *c, bl_pool *pool)
{
    bl_pool_run(pool, conv_plane, (void *)c, c->window.batch * c->window.channels_out);
}

const bl_kernels bl_kernels_scalar = {
    .isa = BL_ISA_SCALAR,
    .precision = BL_PRECISION_HIGHEST,
    .gemm_pack = gemm_pack,
    .gemm_pack_nbits = gemm_pack_nbits,
    .gemm_scratch = gemm_scratch,
    .gemm = gemm,
    .matmul_scratch = matmul_scratch,
    .matmul = matmul,
    .attention_scratch = attention_scratch,
    .attention = attention,
    .conv_pack = conv_pack,
    .conv_scratch = conv_scratch,
    .conv = conv,
    .recurrent_pack = bl_scalar_recurrent_pack,
    .recurrent_scratch = bl_scalar_recurrent_scratch,
    .recurrent = bl_scalar_recurrent,
    .max_pool = bl_scalar_max_pool,
    .avg_pool = bl_scalar_avg_pool,
    .softmax = bl_scalar_softmax,
    .softmax_axis = bl_scalar_softmax_axis,
    .layer_norm = bl_scalar_layer_norm,
    .scale_shift = bl_scalar_scale_shift,
    .unary = bl_scalar_unary,
    .gate = bl_scalar_gate,
    .binary = bl_scalar_binary,
    .reduce = bl_scalar_reduce,
    .copy = bl_copy_view,
    .gather_rows = bl_gather_rows,
};
