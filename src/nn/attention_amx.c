/* Scaled dot-product attention on AMX tiles, at each precision.
 *
 * One part is some strips of 32 queries of one head.  Its keys and values are split once, as right
 * factors; then of each strip: scores against all keys, 32 at a time, their exponentials, which are
 * split as a left factor where they stand, and the sum of values, divided by the sum of
 * exponentials last.  Each strip is computed alike whatever part it is in, so that results do not
 * depend on the number of threads. */
#include "nn/attention_amx.h"

#include "nn/vec512.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#include "nn/math.inc"

#define FEW_QUERIES 16   /* up to here AVX-512 is faster */
#define MOST_KEYS   4096 /* beyond, what is split no longer stays in any cache */
#define PER_THREAD  8    /* parts that even out threads that are held up */

typedef struct {
    const bl_micro     *m;
    const bl_attention *a;
    bl_softmax         *softmax;
    int                 parts;
    size_t              strips, each, blocks;     /* of queries; of a part; parts of a head */
    size_t              panels, value_panels;     /* of 32 keys, of 32 columns of values */
    size_t              keys_len, values_len;     /* bf16 numbers of one panel */
    size_t              queries_len, weights_len; /* of a strip */
    size_t              scores_len;               /* floats of a strip, or of what is to be split */
    size_t              split_size, worker_size;  /* bytes: all of these; with what AVX-512 wants */
} amx_job;

typedef struct {
    const float   *q, *k, *v, *mask; /* of the head */
    const uint8_t *choice;
    float         *out;
    uint16_t      *keys, *values, *queries, *weights;
    float         *scores, *sums;
    void          *scratch;
} part;

static bool on_tiles(const bl_attention *a)
{
    return a->q_len > FEW_QUERIES && a->k_len > 0 && a->k_len <= MOST_KEYS && a->head_size > 0;
}

/* What one strip asks of AVX-512, when it cannot be split. */
static bl_attention strip_alone(const amx_job *j, const part *p, size_t row)
{
    bl_attention a = *j->a;
    a.batch = a.heads = 1;
    a.q_len = BL_MIN(a.q_len - row, (size_t)BL_AMX_ROWS);
    if (p) {
        a.q = p->q + row * a.q_row;
        a.k = p->k;
        a.v = p->v;
        a.mask = p->mask ? p->mask + row * a.mask_row : NULL;
        a.choice = p->choice ? p->choice + row * a.mask_row : NULL;
        a.out = p->out + row * a.out_row;
        a.scratch = p->scratch;
    }
    return a;
}

static void plan(amx_job *j, const bl_micro *m, int parts, const bl_attention *a, int threads)
{
    *j = (amx_job){ .m = m, .a = a, .parts = parts };
    j->strips = bl_ceil(a->q_len, BL_AMX_ROWS);
    j->blocks = bl_ceil((size_t)threads * PER_THREAD, BL_MAX(a->batch * a->heads, (size_t)1));
    j->blocks = threads == 1 ? 1 : BL_MIN(j->blocks, bl_ceil(j->strips, 2));
    j->each = bl_ceil(j->strips, j->blocks);
    j->blocks = bl_ceil(j->strips, j->each);
    j->panels = bl_ceil(a->k_len, BL_AMX_COLS);
    j->value_panels = bl_ceil(a->value_size, BL_AMX_COLS);
    j->keys_len = j->queries_len = bl_amx_len(a->head_size, parts);
    j->values_len = j->weights_len = bl_amx_len(a->k_len, parts);
    j->scores_len = BL_MAX(j->panels * BL_AMX_COLS, a->head_size) * BL_AMX_COLS;
    bl_attention alone = strip_alone(j, NULL, 0);
    size_t       split =
        j->panels * j->keys_len + j->value_panels * j->values_len + j->queries_len + j->weights_len;
    j->split_size = split * sizeof(uint16_t) + (j->scores_len + BL_AMX_SUMS) * sizeof(float);
    j->worker_size = j->split_size + bl_ceil(bl_attention_scratch(m, &alone, 1), 64) * 64;
}

size_t bl_attention_amx_scratch(const bl_micro *m, int parts, const bl_attention *a, int threads)
{
    amx_job j;
    if (!on_tiles(a))
        return bl_attention_scratch(m, a, threads);
    plan(&j, m, parts, a, threads);
    return j.worker_size * (size_t)threads;
}

/* The right factors.  False when some number cannot be split.  ------------------------------- */

static bool split_keys(const amx_job *j, const part *p)
{
    const bl_attention *a = j->a;
    size_t              len = a->head_size * BL_AMX_COLS;
    for (size_t panel = 0; panel < j->panels; panel++) {
        size_t key = panel * BL_AMX_COLS, keys = BL_MIN(a->k_len - key, (size_t)BL_AMX_COLS);
        if (keys < BL_AMX_COLS)
            memset(p->scores, 0, len * sizeof(float));
        j->m->turn(p->scores, BL_AMX_COLS, p->k + key * a->k_row, a->k_row, keys, a->head_size);
        if (!bl_amx_splittable(p->scores, len))
            return false;
        bl_amx_split_panel(p->keys + panel * j->keys_len, j->parts, p->scores, a->head_size);
    }
    return true;
}

static bool split_values(const amx_job *j, const part *p)
{
    const bl_attention *a = j->a;
    for (size_t panel = 0; panel < j->value_panels; panel++) {
        size_t col = panel * BL_AMX_COLS, cols = BL_MIN(a->value_size - col, (size_t)BL_AMX_COLS);
        vmask  low = vmask_first(BL_MIN(cols, (size_t)VL));
        vmask  high = vmask_first(cols > VL ? cols - VL : 0);
        for (size_t key = 0; key < a->k_len; key++) {
            const float *from = p->v + key * a->v_row + col;
            float       *to = p->scores + key * BL_AMX_COLS;
            vf_store(to, vf_load_masked(from, low));
            vf_store(to + VL, high ? vf_load_masked(from + VL, high) : vf_set(0));
        }
        if (!bl_amx_splittable(p->scores, a->k_len * BL_AMX_COLS))
            return false;
        bl_amx_split_panel(p->values + panel * j->values_len, j->parts, p->scores, a->k_len);
    }
    return true;
}

/* One strip.  -------------------------------------------------------------------------------- */

/* A line of masks as neighbours: where they are, or in `line`. */
static const float *mask_line(const bl_attention *a, const float *mask, size_t keys, float *line)
{
    if (a->mask_col == 1)
        return mask;
    for (size_t i = 0; i < keys; i++)
        line[i] = mask[i * a->mask_col];
    return line;
}

/* Lanes of at most 16 keys whose scores stay. */
static vmask chosen(const bl_attention *a, const uint8_t *choice, size_t keys)
{
    __m128i bytes = _mm_set1_epi8((char)*choice);
    if (a->mask_col == 1)
        bytes = _mm_maskz_loadu_epi8(vmask_first(keys), choice);
    for (size_t i = 0; i < keys && a->mask_col > 1; i++)
        bytes = _mm_mask_set1_epi8(bytes, (vmask)(1u << i), (char)choice[i * a->mask_col]);
    vmask stay = _mm_test_epi8_mask(bytes, bytes);
    return a->chosen ? stay : (vmask)~stay;
}

/* Scales and masks one row of a panel, whose first key is `key`; returns its largest scores. */
static vf adjust_row(const amx_job *j, const part *p, float *scores, size_t row, size_t key)
{
    const bl_attention *a = j->a;
    size_t              keys = BL_MIN(a->k_len - key, (size_t)BL_AMX_COLS);
    const vf            low = vf_set(-__builtin_inff()), scale = vf_set(a->scale);
    float               line[BL_AMX_COLS];
    const float        *mask = NULL;
    vf                  top = low;
    if (p->mask)
        mask = mask_line(a, p->mask + row * a->mask_row + key * a->mask_col, keys, line);
    for (size_t i = 0; i < BL_AMX_COLS; i += VL) {
        size_t len = keys > i ? BL_MIN(keys - i, (size_t)VL) : 0;
        vmask  some = vmask_first(len);
        vf     x = vf_mul(vf_load(scores + i), scale);
        if (mask)
            x = vf_add(x, vf_load_masked(mask + i, some));
        if (p->choice && len > 0)
            x = vf_select(chosen(a, p->choice + row * a->mask_row + (key + i) * a->mask_col, len),
                          x, vf_set(a->otherwise));
        x = vf_select(some, x, low);
        vf_store(scores + i, x);
        top = vf_max(top, x);
    }
    return top;
}

/* Scores of a strip, panel after panel, and the largest of each row. */
static void score(const amx_job *j, const part *p, size_t row, size_t rows, float *top)
{
    size_t steps = bl_ceil(j->a->head_size, BL_AMX_STEP);
    vf     most[BL_AMX_ROWS];
    for (size_t r = 0; r < rows; r++)
        most[r] = vf_set(-__builtin_inff());
    for (size_t panel = 0; panel < j->panels; panel++) {
        float *scores = p->scores + panel * BL_AMX_SUMS;
        bl_amx_tile(j->parts, scores, p->queries, p->keys + panel * j->keys_len, rows, steps, false,
                    NULL);
        for (size_t r = 0; r < rows; r++)
            most[r] = vf_max(
                most[r], adjust_row(j, p, scores + r * BL_AMX_COLS, row + r, panel * BL_AMX_COLS));
    }
    for (size_t r = 0; r < rows; r++)
        top[r] = vf_highest(most[r]);
}

/* Exponentials of scores less the largest of their row, split; what each row is divided by. */
static void weigh(const amx_job *j, const part *p, size_t rows, const float *top, float *factor)
{
    vf total[BL_AMX_ROWS];
    for (size_t r = 0; r < rows; r++)
        total[r] = vf_set(0);
    for (size_t panel = 0; panel < j->panels; panel++) {
        float *scores = p->scores + panel * BL_AMX_SUMS;
        for (size_t r = 0; r < rows; r++) {
            float *at = scores + r * BL_AMX_COLS;
            vf     low = vf_exp_or_zero(vf_sub(vf_load(at), vf_set(top[r])));
            vf     high = vf_exp_or_zero(vf_sub(vf_load(at + VL), vf_set(top[r])));
            vf_store(at, low);
            vf_store(at + VL, high);
            total[r] = vf_add(total[r], vf_add(low, high));
        }
        (void)bl_amx_split_left(p->weights + panel * bl_amx_len(BL_AMX_STEP, j->parts), j->parts,
                                scores, BL_AMX_COLS, rows, BL_AMX_STEP);
    }
    for (size_t r = 0; r < rows; r++)
        factor[r] = 1 / vf_sum(total[r]);
}

static void mix(const amx_job *j, const part *p, size_t row, size_t rows, const float *factor)
{
    const bl_attention *a = j->a;
    size_t              step_len = bl_amx_len(BL_AMX_STEP, j->parts);
    size_t              block = bl_amx_k_block(j->parts) / BL_AMX_STEP;
    for (size_t panel = 0; panel < j->value_panels; panel++) {
        size_t    col = panel * BL_AMX_COLS;
        bl_finish f = { .out = p->out + row * a->out_row + col,
                        .stride = a->out_row,
                        .act = BL_UNARY_AFFINE };
        for (size_t step = 0; step < j->panels; step += block)
            bl_amx_tile(j->parts, p->sums, p->weights + step * step_len,
                        p->values + panel * j->values_len + step * step_len, rows,
                        BL_MIN(block, j->panels - step), step > 0, NULL);
        for (size_t r = 0; r < rows; r++, f.out += f.stride) {
            f.a = factor[r];
            j->m->finish(&f, p->sums + r * BL_AMX_COLS, BL_AMX_COLS, 1,
                         BL_MIN(a->value_size - col, (size_t)BL_AMX_COLS));
        }
    }
}

static void attend(const amx_job *j, const part *p, size_t row, bool fit)
{
    const bl_attention *a = j->a;
    size_t              rows = BL_MIN(a->q_len - row, (size_t)BL_AMX_ROWS);
    float               top[BL_AMX_ROWS], factor[BL_AMX_ROWS];
    fit = fit && bl_amx_split_left(p->queries, j->parts, p->q + row * a->q_row, a->q_row, rows,
                                   a->head_size);
    if (!fit) {
        bl_attention alone = strip_alone(j, p, row);
        bl_attention_run(j->m, &alone, j->softmax, NULL);
        return;
    }
    score(j, p, row, rows, top);
    weigh(j, p, rows, top, factor);
    mix(j, p, row, rows, factor);
}

static void attention_part(void *arg, size_t index, int worker)
{
    const amx_job      *j = arg;
    const bl_attention *a = j->a;
    size_t              head = index / j->blocks % a->heads, batch = index / j->blocks / a->heads;
    size_t first = index % j->blocks * j->each, last = BL_MIN(first + j->each, j->strips);
    size_t masked = batch * a->mask_batch + head * a->mask_head;
    char  *scratch = (char *)a->scratch + (size_t)worker * j->worker_size;
    part   p = { .q = a->q + batch * a->q_batch + head * a->q_head,
                 .k = a->k + batch * a->k_batch + head * a->k_head,
                 .v = a->v + batch * a->v_batch + head * a->v_head,
                 .mask = a->mask ? a->mask + masked : NULL,
                 .choice = a->choice ? a->choice + masked : NULL,
                 .out = a->out + batch * a->out_batch + head * a->out_head,
                 .keys = (uint16_t *)scratch,
                 .scratch = scratch + j->split_size };
    p.values = p.keys + j->panels * j->keys_len;
    p.queries = p.values + j->value_panels * j->values_len;
    p.weights = p.queries + j->queries_len;
    p.scores = (float *)(p.weights + j->weights_len);
    p.sums = p.scores + j->scores_len;
    bl_amx_begin();
    bool fit = split_keys(j, &p) && split_values(j, &p);
    for (size_t strip = first; strip < last; strip++)
        attend(j, &p, strip * BL_AMX_ROWS, fit);
    bl_amx_end();
}

void bl_attention_amx_run(const bl_micro *m, int parts, const bl_attention *a, bl_softmax *softmax,
                          bl_pool *pool)
{
    amx_job j;
    if (a->batch * a->heads * a->q_len == 0)
        return;
    if (!on_tiles(a)) {
        bl_attention_run(m, a, softmax, pool);
        return;
    }
    plan(&j, m, parts, a, bl_pool_threads(pool));
    j.softmax = softmax;
    bl_pool_run(pool, attention_part, &j, a->batch * a->heads * j.blocks);
}
