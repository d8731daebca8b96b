/* Scaled dot-product attention, for every vector instruction set.
 *
 * One part is a block of queries of one head: scores against all keys, their softmax, and the sum
 * of values, in a block of scores that stays in the second cache. */
#include "nn/micro.h"

#define SCORES ((size_t)96 * 1024 / sizeof(float)) /* of a block, about */

typedef struct {
    const bl_micro     *m;
    const bl_attention *a;
    bl_softmax         *softmax;
    size_t              block, blocks; /* of queries */
    size_t              scores_size, panel_size, worker_size;
} attention_job;

static void plan(attention_job *j, const bl_micro *m, const bl_attention *a)
{
    size_t depth = BL_MAX(a->k_len, a->head_size);
    size_t most = SCORES / BL_MAX(a->k_len, (size_t)1) / m->rows * m->rows;
    *j = (attention_job){ .m = m, .a = a };
    j->block = bl_even(a->q_len, BL_MAX(BL_MIN(most, (size_t)128), m->rows));
    j->blocks = bl_ceil(a->q_len, j->block);
    j->scores_size = bl_ceil(j->block * a->k_len * sizeof(float), 64) * 64;
    j->panel_size = depth * m->width * sizeof(float);
    j->worker_size = j->scores_size + bl_ceil(j->panel_size, 64) * 64 + BL_TILE_SIZE;
}

size_t bl_attention_scratch(const bl_micro *m, const bl_attention *a, int threads)
{
    attention_job j;
    plan(&j, m, a);
    return j.worker_size * (size_t)threads;
}

typedef struct {
    size_t         rows; /* queries */
    const float   *q, *k, *v, *mask;
    const uint8_t *choice;
    float         *out, *scores, *panel, *sums;
} part;

/* left [rows, depth] times the packed panel, through `f` to its columns. */
static void multiply(const attention_job *j, const part *p, const float *left, size_t left_stride,
                     size_t depth, const bl_finish *to, size_t cols)
{
    size_t tile_rows = bl_even(p->rows, j->m->rows);
    for (size_t row = 0; row < p->rows; row += tile_rows) {
        size_t    rows = BL_MIN(tile_rows, p->rows - row);
        bl_finish f = *to;
        f.out += row * f.stride;
        j->m->tile(p->sums, rows, depth, left + row * left_stride, left_stride, 1, p->panel,
                   p->panel, false);
        j->m->finish(&f, p->sums, j->m->width, rows, cols);
    }
}

static void score(const attention_job *j, const part *p)
{
    const bl_attention *a = j->a;
    for (size_t key = 0; key < a->k_len; key += j->m->width) {
        size_t    keys = BL_MIN(j->m->width, a->k_len - key);
        bl_finish f = {
            .out = p->scores + key, .stride = a->k_len, .act = BL_UNARY_AFFINE, .a = a->scale
        };
        j->m->turn(p->panel, j->m->width, p->k + key * a->k_row, a->k_row, keys, a->head_size);
        multiply(j, p, p->q, a->q_row, a->head_size, &f, keys);
    }
}

static void add_mask(const attention_job *j, const part *p)
{
    const bl_attention *a = j->a;
    for (size_t row = 0; row < p->rows; row++) {
        float       *scores = p->scores + row * a->k_len;
        const float *mask = p->mask + row * a->mask_row;
        if (a->mask_col == 1)
            for (size_t i = 0; i < a->k_len; i++)
                scores[i] += mask[i];
        else
            for (size_t i = 0; i < a->k_len; i++)
                scores[i] += mask[i * a->mask_col];
    }
}

static void choose(const attention_job *j, const part *p)
{
    const bl_attention *a = j->a;
    for (size_t row = 0; row < p->rows; row++) {
        float         *scores = p->scores + row * a->k_len;
        const uint8_t *choice = p->choice + row * a->mask_row;
        for (size_t i = 0; i < a->k_len; i++)
            scores[i] = (choice[i * a->mask_col] != 0) == a->chosen ? scores[i] : a->otherwise;
    }
}

static void mix(const attention_job *j, const part *p)
{
    const bl_attention *a = j->a;
    size_t              width = j->m->width;
    for (size_t col = 0; col < a->value_size; col += width) {
        size_t    cols = BL_MIN(width, a->value_size - col);
        bl_finish f = { .out = p->out + col, .stride = a->out_row };
        for (size_t key = 0; key < a->k_len; key++)
            memcpy(p->panel + key * width, p->v + key * a->v_row + col, cols * sizeof(float));
        multiply(j, p, p->scores, a->k_len, a->k_len, &f, cols);
    }
}

static void attention_part(void *arg, size_t index, int worker)
{
    const attention_job *j = arg;
    const bl_attention  *a = j->a;
    size_t               block = index % j->blocks, head = index / j->blocks % a->heads;
    size_t               batch = index / j->blocks / a->heads, row = block * j->block;
    char                *scratch = (char *)a->scratch + (size_t)worker * j->worker_size;
    part                 p = { .rows = BL_MIN(j->block, a->q_len - row),
                               .q = a->q + batch * a->q_batch + head * a->q_head + row * a->q_row,
                               .k = a->k + batch * a->k_batch + head * a->k_head,
                               .v = a->v + batch * a->v_batch + head * a->v_head,
                               .out = a->out + batch * a->out_batch + head * a->out_head + row * a->out_row,
                               .scores = (float *)scratch,
                               .panel = (float *)(scratch + j->scores_size) };
    p.sums = (float *)((char *)p.panel + bl_ceil(j->panel_size, 64) * 64);
    size_t masked = batch * a->mask_batch + head * a->mask_head + row * a->mask_row;
    p.mask = a->mask ? a->mask + masked : NULL;
    p.choice = a->choice ? a->choice + masked : NULL;
    score(j, &p);
    if (a->mask)
        add_mask(j, &p);
    if (a->choice)
        choose(j, &p);
    j->softmax(p.scores, p.scores, p.rows, a->k_len, false, NULL);
    mix(j, &p);
}

void bl_attention_run(const bl_micro *m, const bl_attention *a, bl_softmax *softmax, bl_pool *pool)
{
    attention_job j;
    if (a->batch * a->heads * a->q_len == 0)
        return;
    plan(&j, m, a);
    j.softmax = softmax;
    bl_pool_run(pool, attention_part, &j, a->batch * a->heads * j.blocks);
}
