/* Matrix products with packed weights on AMX tiles.
 *
 * The rows are cut into blocks, and their products into spans.  Of each span, the left factor is
 * split into shared memory by all threads, or by each for itself: what another thread has split
 * comes from its caches, slowly.  Then panels are claimed by the threads, each computed in full by
 * one of them in one order, so that results do not depend on the number of threads.  A thread
 * claims its next panels while it multiplies, so that it never waits for the first numbers of a
 * panel.
 *
 * With three bf16 parts the weights stay fp32 panels, the same that AVX-512 reads: each slice of a
 * panel is split while the tiles multiply the one before it.  So they take four bytes, and few
 * rows, which are bound by memory, go to AVX-512.  Two parts or one take no more than that, and are
 * split when they are packed; few rows read them by AVX-512 too. */
#include "nn/amx.h"

#include <stdatomic.h>
#include <stdlib.h>

#define FEW_ROWS  32  /* up to here AVX-512, which takes weights as they come, is faster */
#define ROW_BLOCK 768 /* parts of rows that stay in the second cache */
#define SPAN      ((size_t)1200 << 10) /* bytes of split rows that stay in the second cache */

#define OWN_PANELS  4 /* of a thread, from which on it splits the left factor for itself */
#define PER_THREAD  8 /* claims that even out threads that are held up */
#define MOST_PANELS 4

typedef struct {
    const bl_micro  *m;
    const bl_gemm   *g;
    const bl_packed *b;
    int              parts;
    size_t           block_rows, strips; /* of a block */
    size_t           k_block, k_blocks, panels;
    size_t           chunk; /* panels claimed at once */
    size_t           span;  /* blocks of k whose split rows stay in the second cache */
    size_t           left_len, right_len; /* bf16 numbers of one strip or panel of k_block */
    size_t           left_size, shared_size, sums_size, worker_size; /* bytes */
    bool             own;        /* each thread splits the left factor for itself */
    size_t           row, rows;  /* the block of rows under way */
    size_t           begin, end; /* blocks of k of the span under way */
    atomic_size_t    claimed;    /* panels of it */
    atomic_bool      unfit;      /* some number of the rows cannot be split */
} amx_job;

static size_t round_up(size_t len, size_t step)
{
    return bl_ceil(len, step) * step;
}

static bool packed_tiles(const bl_packed *b)
{
    return b->layout == BL_LAYOUT_TILES;
}

static void plan(amx_job *j, const bl_micro *m, int parts, const bl_packed *b, size_t rows,
                 int threads)
{
    j->m = m;
    j->b = b;
    j->parts = parts;
    j->block_rows = round_up(bl_even(rows, ROW_BLOCK / (size_t)parts), BL_AMX_ROWS);
    j->strips = j->block_rows / BL_AMX_ROWS;
    j->k_block = round_up(bl_even(b->k, bl_amx_k_block(parts)), BL_AMX_STEP);
    j->k_blocks = BL_MAX(bl_ceil(b->k, j->k_block), (size_t)1);
    j->span = SPAN / (j->block_rows * j->k_block * (size_t)parts * 2);
    j->span = BL_MIN(BL_MAX(j->span, (size_t)1), j->k_blocks);
    j->span = bl_even(j->k_blocks, j->span);
    j->panels = bl_ceil(b->n, BL_AMX_COLS);
    j->chunk = BL_MIN(j->panels / (PER_THREAD * (size_t)threads), (size_t)MOST_PANELS);
    j->chunk = BL_MAX(j->chunk, (size_t)1);
    j->own = threads > 1 && j->panels / (size_t)threads >= OWN_PANELS;
    j->left_len = j->right_len = bl_amx_len(j->k_block, parts);
    j->left_size = j->left_len * j->strips * j->span * sizeof(uint16_t);
    j->sums_size = j->span < j->k_blocks ? j->panels * j->strips * BL_AMX_SUMS * sizeof(float) : 0;
    j->shared_size = j->own ? 0 : j->left_size;
    j->worker_size = (j->own ? j->left_size : 0) + (2 + j->strips) * BL_AMX_SUMS * sizeof(float);
    if (!packed_tiles(b))
        j->worker_size += 2 * j->right_len * sizeof(uint16_t);
}

/* One part has half the bytes to hide the products of a row behind. */
static size_t few_of_tiles(int parts)
{
    return parts == 1 ? BL_AMX_FEW_ROWS / 2 : BL_AMX_FEW_ROWS;
}

static bool on_tiles(const bl_packed *b, int parts, size_t rows)
{
    return packed_tiles(b) ? rows > few_of_tiles(parts) : rows > FEW_ROWS && b->splittable;
}

/* Of rows that cannot be split, with weights that are tiles. */
static size_t joined_size(const bl_packed *b)
{
    return packed_tiles(b) ? bl_ceil(b->k, BL_AMX_STEP) * BL_AMX_STEP * BL_AMX_COLS * sizeof(float)
                           : 0;
}

size_t bl_amx_gemm_scratch(const bl_micro *m, int parts, const bl_packed *b, size_t rows,
                           int threads)
{
    size_t  otherwise = packed_tiles(b) ? (joined_size(b) + BL_TILE_SIZE) * (size_t)threads
                                        : bl_gemm_scratch(m, b, rows, threads);
    amx_job j;
    if (!on_tiles(b, parts, rows))
        return packed_tiles(b) ? bl_few_scratch(threads) : otherwise;
    plan(&j, m, parts, b, rows, threads);
    return BL_MAX(otherwise, j.shared_size + j.sums_size + j.worker_size * (size_t)threads);
}

/* The left factor.  -------------------------------------------------------------------------- */

static uint16_t *left_of(const amx_job *j, uint16_t *left, size_t k_block, size_t strip)
{
    return left + ((k_block - j->begin) * j->strips + strip) * j->left_len;
}

/* One strip of one block of k of the span. */
static bool split_strip(const amx_job *j, uint16_t *left, size_t index)
{
    const bl_gemm *g = j->g;
    size_t         strips = bl_ceil(j->rows, BL_AMX_ROWS);
    size_t         strip = index % strips, block = j->begin + index / strips;
    size_t         row = strip * BL_AMX_ROWS, k0 = block * j->k_block;
    return bl_amx_split_left(
        left_of(j, left, block, strip), j->parts, g->a + (j->row + row) * g->a_stride + k0,
        g->a_stride, BL_MIN(j->rows - row, (size_t)BL_AMX_ROWS), BL_MIN(j->b->k - k0, j->k_block));
}

static size_t strips_of_span(const amx_job *j)
{
    return bl_ceil(j->rows, BL_AMX_ROWS) * (j->end - j->begin);
}

static void split_part(void *arg, size_t index, int worker)
{
    (void)worker;
    amx_job *j = arg;
    if (!split_strip(j, j->g->scratch, index))
        atomic_store_explicit(&j->unfit, true, memory_order_relaxed);
}

/* All of the span.  Every thread finds the same. */
static bool split_own(amx_job *j, uint16_t *left)
{
    bool fit = true;
    for (size_t i = 0; i < strips_of_span(j); i++)
        fit = split_strip(j, left, i) && fit;
    if (!fit)
        atomic_store_explicit(&j->unfit, true, memory_order_relaxed);
    return fit;
}

/* The product.  ------------------------------------------------------------------------------ */

typedef struct {
    uint16_t *left;
    uint16_t *right[2]; /* the slice that is multiplied, the one that is split */
    float    *tiles[2]; /* sums of one product */
    int       turn;     /* which of them is free */
    float    *sums;     /* of every strip, where there are several blocks of k but one span */
} part;

/* One block of k of a panel. */
typedef struct {
    size_t panel, last; /* of those claimed */
    size_t block;
} slice;

static bool claim(amx_job *j, slice *s)
{
    s->panel = atomic_fetch_add_explicit(&j->claimed, j->chunk, memory_order_relaxed);
    s->last = BL_MIN(s->panel + j->chunk, j->panels);
    s->block = j->begin;
    return s->panel < j->panels;
}

static bool next_slice(amx_job *j, slice *s)
{
    if (++s->block < j->end)
        return true;
    s->block = j->begin;
    return ++s->panel < s->last || claim(j, s);
}

static size_t slice_k(const amx_job *j, const slice *s)
{
    return BL_MIN(j->b->k - s->block * j->k_block, j->k_block);
}

static const float *slice_floats(const amx_job *j, const slice *s)
{
    return j->b->data + (s->panel * j->b->k + s->block * j->k_block) * BL_AMX_COLS;
}

/* Of a matrix packed as tiles: the steps of a panel follow each other. */
static const uint16_t *slice_tiles(const amx_job *j, const slice *s)
{
    return (const uint16_t *)j->b->data + s->panel * bl_amx_len(j->b->k, j->parts) +
           s->block * j->right_len;
}

/* Sums of one strip over several blocks of k. */
static float *sums_of(const amx_job *j, const part *p, const slice *s, size_t strip)
{
    float *all = (float *)((char *)j->g->scratch + j->shared_size);
    return j->sums_size > 0 ? all + (s->panel * j->strips + strip) * BL_AMX_SUMS
                            : p->sums + strip * BL_AMX_SUMS;
}

/* Leaves the sums of a strip, stored or to be added to `more`, to be finished during the next
 * product. */
static void leave_strip(const amx_job *j, bl_amx_ahead *ahead, float *sums, const float *more,
                        size_t strip, const slice *s)
{
    const bl_gemm *g = j->g;
    size_t         row = j->row + strip * BL_AMX_ROWS, col = s->panel * BL_AMX_COLS;
    size_t         at = row * g->out_stride + col;
    ahead->sums = sums;
    ahead->more = more;
    ahead->rows = BL_MIN(j->row + j->rows - row, (size_t)BL_AMX_ROWS);
    ahead->cols = BL_MIN(j->b->n - col, (size_t)BL_AMX_COLS);
    ahead->finish = s->block + 1 == j->k_blocks ? j->m->finish : NULL;
    ahead->f = (bl_finish){ .out = g->out + at,
                            .add = g->epilogue.add ? g->epilogue.add + at : NULL,
                            .mul = g->epilogue.mul ? g->epilogue.mul + at : NULL,
                            .stride = g->out_stride,
                            .col_bias = g->epilogue.bias ? g->epilogue.bias + col : NULL,
                            .act = g->epilogue.act,
                            .a = g->epilogue.a,
                            .b = g->epilogue.b };
}

static size_t places_of(const amx_job *j, const slice *s) /* in one product */
{
    return BL_MAX(bl_ceil(slice_k(j, s), BL_AMX_STEP), (size_t)1) * bl_amx_places(j->parts);
}

/* All strips with one slice.  The first block of k stores sums where those after it add: a product
 * goes to one of two tiles of sums, and is added, or finished, during the one after it. */
static void multiply_slice(const amx_job *j, part *p, const slice *s, const uint16_t *right,
                           bl_amx_ahead *ahead)
{
    size_t steps = bl_ceil(slice_k(j, s), BL_AMX_STEP);
    ahead->each_row = bl_ceil(BL_AMX_ROWS, places_of(j, s));
    for (size_t strip = 0; strip * BL_AMX_ROWS < j->rows; strip++) {
        size_t rows = BL_MIN(j->rows - strip * BL_AMX_ROWS, (size_t)BL_AMX_ROWS);
        float *sums = sums_of(j, p, s, strip);
        float *here = p->tiles[p->turn];
        bool   direct = j->k_blocks > 1 && s->block == 0;
        bl_amx_tile(j->parts, direct ? sums : here, left_of(j, p->left, s->block, strip), right,
                    rows, steps, false, ahead);
        bl_amx_finish_sums(ahead);
        if (direct)
            continue;
        leave_strip(j, ahead, j->k_blocks > 1 ? sums : here, j->k_blocks > 1 ? here : NULL, strip,
                    s);
        p->turn = !p->turn;
    }
}

static void multiply_tiles(amx_job *j, part *p)
{
    slice        s, next;
    size_t       strips = bl_ceil(j->rows, BL_AMX_ROWS);
    bl_amx_ahead ahead = { 0 };
    bool         more = claim(j, &s);
    while (more) {
        next = s;
        more = next_slice(j, &next);
        if (more)
            bl_amx_ahead_fetch(&ahead, slice_tiles(j, &next),
                               bl_amx_len(slice_k(j, &next), j->parts) * sizeof(uint16_t),
                               strips * places_of(j, &s));
        multiply_slice(j, p, &s, slice_tiles(j, &s), &ahead);
        s = next;
    }
    bl_amx_finish_sums(&ahead);
}

static void multiply_split(amx_job *j, part *p)
{
    slice        s, next;
    size_t       strips = bl_ceil(j->rows, BL_AMX_ROWS);
    bl_amx_ahead ahead = { 0 };
    if (!claim(j, &s))
        return;
    next = s;
    bool more = next_slice(j, &next);
    bl_amx_split_panel(p->right[0], j->parts, slice_floats(j, &s), slice_k(j, &s));
    for (int at = 0;; at = !at) {
        slice  far = next;
        bool   further = more && next_slice(j, &far);
        size_t places = strips * places_of(j, &s);
        if (more)
            bl_amx_ahead_split(&ahead, p->right[!at], slice_floats(j, &next), slice_k(j, &next),
                               places);
        if (further)
            bl_amx_ahead_fetch(&ahead, slice_floats(j, &far),
                               slice_k(j, &far) * BL_AMX_COLS * sizeof(float), places);
        multiply_slice(j, p, &s, p->right[at], &ahead);
        bl_amx_finish_ahead(&ahead, j->parts);
        if (!more)
            break;
        s = next;
        next = far;
        more = further;
    }
    bl_amx_finish_sums(&ahead);
}

static void multiply_part(void *arg, size_t index, int worker)
{
    (void)index;
    amx_job *j = arg;
    char    *scratch =
        (char *)j->g->scratch + j->shared_size + j->sums_size + (size_t)worker * j->worker_size;
    part p = { .left = j->own ? (uint16_t *)scratch : j->g->scratch };
    p.tiles[0] = (float *)(scratch + (j->own ? j->left_size : 0));
    if (atomic_load_explicit(&j->claimed, memory_order_relaxed) >= j->panels)
        return;
    if (j->own && !split_own(j, p.left))
        return;
    p.tiles[1] = p.tiles[0] + BL_AMX_SUMS;
    p.sums = p.tiles[1] + BL_AMX_SUMS;
    p.right[0] = (uint16_t *)(p.sums + j->strips * BL_AMX_SUMS);
    p.right[1] = p.right[0] + j->right_len;
    bl_amx_begin();
    if (packed_tiles(j->b))
        multiply_tiles(j, &p);
    else
        multiply_split(j, &p);
    bl_amx_end();
}

/* Otherwise.  -------------------------------------------------------------------------------- */

/* A panel of tiles made floats again, as near as its parts are. */
static void join_panel(const amx_job *j, float *to, size_t panel)
{
    const uint16_t *from = (const uint16_t *)j->b->data + panel * bl_amx_len(j->b->k, j->parts);
    for (size_t step = 0; step < bl_ceil(j->b->k, BL_AMX_STEP); step++)
        for (size_t i = 0; i < (size_t)BL_AMX_STEP * BL_AMX_COLS; i++) {
            size_t row = i / BL_AMX_COLS, col = i % BL_AMX_COLS;
            size_t at = col / 16 * 512 + row / 2 * 32 + col % 16 * 2 + row % 2;
            float  sum = 0;
            for (int i_part = 0; i_part < j->parts; i_part++) {
                uint32_t bits =
                    (uint32_t)from[(step * (size_t)j->parts + (size_t)i_part) * 1024 + at] << 16;
                float value;
                memcpy(&value, &bits, sizeof value);
                sum += value;
            }
            to[step * BL_AMX_STEP * BL_AMX_COLS + i] = sum;
        }
}

/* All rows of the block with one panel of tiles, on AVX-512. */
static void joined_part(void *arg, size_t panel, int worker)
{
    const amx_job *j = arg;
    const bl_gemm *g = j->g;
    size_t         each = joined_size(j->b) + BL_TILE_SIZE;
    float         *sums = (float *)((char *)g->scratch + (size_t)worker * each);
    float         *floats = sums + BL_TILE_LEN;
    bl_amx_ahead   done = { 0 };
    slice          s = { .panel = panel, .block = j->k_blocks - 1 };
    join_panel(j, floats, panel);
    for (size_t row = 0; row < j->rows; row++) {
        j->m->tile(sums, 1, j->b->k, g->a + (j->row + row) * g->a_stride, g->a_stride, 1, floats,
                   floats, false);
        leave_strip(j, &done, sums, NULL, 0, &s);
        size_t down = row * g->out_stride;
        done.f.out += down;
        if (done.f.add)
            done.f.add += down;
        if (done.f.mul)
            done.f.mul += down;
        j->m->finish(&done.f, sums, BL_AMX_COLS, 1, done.cols);
    }
}

/* Rows that cannot be split, or are too few. */
static void run_otherwise(const bl_micro *m, const bl_gemm *g, size_t row, size_t rows,
                          bl_pool *pool)
{
    bl_gemm few = *g;
    few.rows = rows;
    few.a += row * g->a_stride;
    few.out += row * g->out_stride;
    if (few.epilogue.add)
        few.epilogue.add += row * g->out_stride;
    if (few.epilogue.mul)
        few.epilogue.mul += row * g->out_stride;
    bl_gemm_run(m, &few, pool);
}

/* The spans of one block of rows.  False when a number cannot be split, and nothing is done. */
static bool run_block(amx_job *j, bl_pool *pool)
{
    for (j->begin = 0; j->begin < j->k_blocks; j->begin = j->end) {
        j->end = BL_MIN(j->begin + j->span, j->k_blocks);
        atomic_store_explicit(&j->claimed, 0, memory_order_relaxed);
        if (!j->own)
            bl_pool_run(pool, split_part, j, strips_of_span(j));
        if (!atomic_load_explicit(&j->unfit, memory_order_relaxed))
            bl_pool_run(pool, multiply_part, j, BL_MIN((size_t)bl_pool_threads(pool), j->panels));
        if (atomic_load_explicit(&j->unfit, memory_order_relaxed))
            return false;
    }
    return true;
}

void bl_amx_gemm_run(const bl_micro *m, int parts, const bl_gemm *g, bl_pool *pool)
{
    if (g->rows == 0 || g->b->n == 0)
        return;
    if (!on_tiles(g->b, parts, g->rows)) {
        if (packed_tiles(g->b))
            bl_few_run(m, parts == 1 ? bl_amx_few_one : bl_amx_few_two,
                       bl_amx_len(g->b->k, parts) * sizeof(uint16_t), g, pool);
        else
            bl_gemm_run(m, g, pool);
        return;
    }
    amx_job j = { .g = g };
    plan(&j, m, parts, g->b, g->rows, bl_pool_threads(pool));
    for (; j.row < g->rows; j.row += j.block_rows) {
        j.rows = BL_MIN(j.block_rows, g->rows - j.row);
        atomic_store_explicit(&j.unfit, false, memory_order_relaxed);
        if (run_block(&j, pool))
            continue;
        if (packed_tiles(g->b))
            bl_pool_run(pool, joined_part, &j, j.panels);
        else
            run_otherwise(m, g, j.row, j.rows, pool);
    }
}

/* Packing.  ---------------------------------------------------------------------------------- */

/* One bf16 part or two: tiles, no larger than floats.  False in *fit: some number has no parts. */
static blind_code pack_tiles(const bl_micro *m, int parts, const bl_matrix *b, bl_packed **out,
                             bool *fit, blind_error *err)
{
    size_t              len = bl_amx_len(b->k, parts), rows = bl_piece_rows(b);
    size_t              room = bl_piece_cols(b, BL_AMX_COLS) * rows * sizeof(float);
    bl_auto_free float *floats = aligned_alloc(64, room);
    bl_piece            p = { 0 };
    if (!floats)
        return blind_fail(err, BLIND_MEMORY, "nn.pack", "no memory to pack weights");
    BL_TRY(bl_packed_new(round_up(b->k, BL_AMX_STEP) * (size_t)parts / 2, b->n, 1, BL_AMX_COLS,
                         BL_LAYOUT_TILES, out, err));
    (*out)->k = b->k;
    while (*fit && bl_next_piece(b, BL_AMX_COLS, &p)) {
        uint16_t *to = (uint16_t *)(*out)->data + p.col / BL_AMX_COLS * len +
                       p.row * BL_AMX_COLS * (size_t)parts;
        if (p.cols % BL_AMX_COLS != 0)
            memset(floats, 0, room);
        bl_pack_piece(m, floats, rows * BL_AMX_COLS, b, &p);
        for (size_t i = 0; *fit && i * BL_AMX_COLS < p.cols; i++) {
            const float *panel = floats + i * rows * BL_AMX_COLS;
            *fit = parts == 1 || bl_amx_splittable(panel, p.rows * BL_AMX_COLS);
            bl_amx_split_panel(to + i * len, parts, panel, p.rows);
        }
    }
    return BLIND_OK;
}

blind_code bl_amx_gemm_pack(const bl_micro *m, int parts, const bl_matrix *b, bl_packed **out,
                            blind_error *err)
{
    bool fit = true;
    if (parts == 3)
        return bl_gemm_pack(m, b, bl_amx_splittable, out, err);
    BL_TRY(pack_tiles(m, parts, b, out, &fit, err));
    if (fit)
        return BLIND_OK;
    bl_packed_free(*out);
    return bl_gemm_pack(m, b, bl_amx_splittable, out, err);
}
