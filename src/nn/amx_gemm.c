/* Matrix products with packed weights on AMX tiles.
 *
 * The rows are cut into blocks.  Of each, the left factor is split once into shared memory, by all
 * threads; then chunks of panels are parts of a job, each computed in full by one thread in one
 * order, so that results do not depend on the number of threads.  Where more than one bf16 part is
 * wanted the weights stay fp32 panels, the same that AVX-512 reads: each slice of a panel is split
 * while the tiles multiply the one before it.  So they take four bytes, and few rows, which are
 * bound by memory, go to AVX-512. */
#include "nn/amx.h"

#include <stdatomic.h>
#include <stdlib.h>

#define FEW_ROWS   16                   /* up to here AVX-512 is as fast as memory */
#define ROW_BLOCK  256                  /* split rows stay in the second cache */
#define SPAN       ((size_t)1200 << 10) /* bytes of split rows that stay in the second cache */
#define MAX_PANELS 12                   /* of a chunk */

typedef struct {
    const bl_micro  *m;
    const bl_gemm   *g;
    const bl_packed *b;
    int              parts;
    size_t           block_rows, strips; /* of a block */
    size_t           k_block, k_blocks, panels, chunk, chunks;
    size_t           span; /* blocks of k whose split rows stay in the second cache */
    size_t           left_len, right_len; /* bf16 numbers of one strip or panel of k_block */
    size_t           left_size, worker_size;
    size_t           row, rows; /* the block under way */
    atomic_bool      unfit;     /* some number of it cannot be split */
} amx_job;

static size_t round_up(size_t len, size_t step)
{
    return bl_ceil(len, step) * step;
}

static bool packed_tiles(const amx_job *j)
{
    return j->b->layout == BL_LAYOUT_TILES;
}

static void plan(amx_job *j, const bl_micro *m, int parts, const bl_packed *b, size_t rows,
                 int threads)
{
    j->m = m;
    j->b = b;
    j->parts = parts;
    j->block_rows = round_up(bl_even(rows, ROW_BLOCK), BL_AMX_ROWS);
    j->strips = j->block_rows / BL_AMX_ROWS;
    j->k_block = round_up(bl_even(b->k, BL_AMX_K_BLOCK), BL_AMX_STEP);
    j->k_blocks = BL_MAX(bl_ceil(b->k, j->k_block), (size_t)1);
    j->span = SPAN / (j->block_rows * j->k_block * (size_t)parts * 2);
    j->span = BL_MIN(BL_MAX(j->span, (size_t)1), j->k_blocks);
    j->panels = bl_ceil(b->n, BL_AMX_COLS);
    /* Small parts even out threads that are held up; with several spans each part reads all rows
     * again. */
    j->chunk = bl_ceil(j->panels, (j->span < j->k_blocks ? 3u : 8u) * (size_t)threads);
    j->chunk = BL_MIN(j->chunk, (size_t)MAX_PANELS);
    j->chunk = BL_MAX(j->chunk, (size_t)1);
    j->chunks = bl_ceil(j->panels, j->chunk);
    j->left_len = j->right_len = bl_amx_len(j->k_block, parts);
    j->left_size = j->left_len * j->strips * j->k_blocks * sizeof(uint16_t);
    j->worker_size =
        (packed_tiles(j) ? 0 : 2 * j->right_len * sizeof(uint16_t)) +
        BL_AMX_SUMS * sizeof(float) * (2 + (j->span < j->k_blocks ? j->chunk : 1) * j->strips);
}

static bool on_tiles(const bl_packed *b, size_t rows)
{
    return b->layout == BL_LAYOUT_TILES || (rows > FEW_ROWS && b->splittable);
}

size_t bl_amx_gemm_scratch(const bl_micro *m, int parts, const bl_packed *b, size_t rows,
                           int threads)
{
    size_t  otherwise = b->layout == BL_LAYOUT_TILES ? 0 : bl_gemm_scratch(m, b, rows, threads);
    amx_job j;
    if (!on_tiles(b, rows))
        return otherwise;
    plan(&j, m, parts, b, rows, threads);
    return BL_MAX(otherwise, j.left_size + j.worker_size * (size_t)threads);
}

/* The left factor.  -------------------------------------------------------------------------- */

static uint16_t *left_of(const amx_job *j, size_t k_block, size_t strip)
{
    return (uint16_t *)j->g->scratch + (k_block * j->strips + strip) * j->left_len;
}

static void split_part(void *arg, size_t index, int worker)
{
    (void)worker;
    amx_job       *j = arg;
    const bl_gemm *g = j->g;
    size_t         strips = bl_ceil(j->rows, BL_AMX_ROWS);
    size_t         strip = index % strips, block = index / strips;
    size_t         row = strip * BL_AMX_ROWS, k0 = block * j->k_block;
    if (!bl_amx_split_left(left_of(j, block, strip), j->parts,
                           g->a + (j->row + row) * g->a_stride + k0, g->a_stride,
                           BL_MIN(j->rows - row, (size_t)BL_AMX_ROWS),
                           BL_MIN(j->b->k - k0, j->k_block)))
        atomic_store_explicit(&j->unfit, true, memory_order_relaxed);
}

/* The product.  ------------------------------------------------------------------------------ */

typedef struct {
    size_t    first, last; /* panels */
    uint16_t *right[2];    /* the slice that is multiplied, the one that is split */
    float    *tiles[2];    /* sums of one product */
    int       turn;        /* which of them is free */
    float    *sums;        /* of every strip and panel, where there are several blocks of k */
} part;

/* Slices of the part's panels in the order they are multiplied: the blocks of k in a span, panel
 * after panel, span after span. */
typedef struct {
    size_t panel, block;
} slice;

static bool next_slice(const amx_job *j, const part *p, slice *s)
{
    size_t begin = s->block / j->span * j->span;
    if (++s->block < BL_MIN(begin + j->span, j->k_blocks))
        return true;
    s->block = begin;
    if (++s->panel < p->last)
        return true;
    s->panel = p->first;
    s->block = begin + j->span;
    return s->block < j->k_blocks;
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

/* All strips with one slice.  The first block of k stores sums where those after it add: a product
 * goes to one of two tiles of sums, and is added, or finished, during the one after it. */
static void multiply_slice(const amx_job *j, part *p, const slice *s, const uint16_t *right,
                           bl_amx_ahead *ahead)
{
    size_t steps = bl_ceil(slice_k(j, s), BL_AMX_STEP);
    size_t places = BL_MAX(steps, (size_t)1) * bl_amx_places(j->parts);
    ahead->each_row = bl_ceil(BL_AMX_ROWS, places);
    for (size_t strip = 0; strip * BL_AMX_ROWS < j->rows; strip++) {
        size_t rows = BL_MIN(j->rows - strip * BL_AMX_ROWS, (size_t)BL_AMX_ROWS);
        size_t kept = j->span < j->k_blocks ? s->panel - p->first : 0;
        float *sums = p->sums + (kept * j->strips + strip) * BL_AMX_SUMS;
        float *here = p->tiles[p->turn];
        bool   direct = j->k_blocks > 1 && s->block == 0;
        bl_amx_tile(j->parts, direct ? sums : here, left_of(j, s->block, strip), right, rows, steps,
                    false, ahead);
        bl_amx_finish_sums(ahead);
        if (direct)
            continue;
        leave_strip(j, ahead, j->k_blocks > 1 ? sums : here, j->k_blocks > 1 ? here : NULL, strip,
                    s);
        p->turn = !p->turn;
    }
}

static void multiply_tiles(const amx_job *j, part *p)
{
    slice        s = { p->first, 0 };
    bl_amx_ahead ahead = { 0 };
    do
        multiply_slice(j, p, &s, slice_tiles(j, &s), &ahead);
    while (next_slice(j, p, &s));
    bl_amx_finish_sums(&ahead);
}

static void multiply_split(const amx_job *j, part *p)
{
    slice        s = { p->first, 0 }, next = s;
    size_t       strips = bl_ceil(j->rows, BL_AMX_ROWS);
    bool         more = next_slice(j, p, &next);
    bl_amx_ahead ahead = { 0 };
    bl_amx_split_panel(p->right[0], j->parts, slice_floats(j, &s), slice_k(j, &s));
    for (int at = 0;; at = !at) {
        slice far = next;
        bool  further = more && next_slice(j, p, &far);
        if (more)
            bl_amx_ahead_split(&ahead, p->right[!at], slice_floats(j, &next), slice_k(j, &next),
                               further ? slice_floats(j, &far) : NULL,
                               strips * bl_ceil(slice_k(j, &s), BL_AMX_STEP) *
                                   bl_amx_places(j->parts));
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
    const amx_job *j = arg;
    char          *scratch = (char *)j->g->scratch + j->left_size + (size_t)worker * j->worker_size;
    part p = { .first = index * j->chunk, .last = BL_MIN((index + 1) * j->chunk, j->panels) };
    p.tiles[0] = (float *)scratch;
    p.tiles[1] = p.tiles[0] + BL_AMX_SUMS;
    p.right[0] = (uint16_t *)(p.tiles[1] + BL_AMX_SUMS);
    p.right[1] = p.right[0] + (packed_tiles(j) ? 0 : j->right_len);
    p.sums = (float *)(p.right[1] + (packed_tiles(j) ? 0 : j->right_len));
    bl_amx_begin();
    if (packed_tiles(j))
        multiply_tiles(j, &p);
    else
        multiply_split(j, &p);
    bl_amx_end();
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

void bl_amx_gemm_run(const bl_micro *m, int parts, const bl_gemm *g, bl_pool *pool)
{
    if (g->rows == 0 || g->b->n == 0)
        return;
    if (!on_tiles(g->b, g->rows)) {
        bl_gemm_run(m, g, pool);
        return;
    }
    amx_job j = { .g = g };
    plan(&j, m, parts, g->b, g->rows, bl_pool_threads(pool));
    for (; j.row < g->rows; j.row += j.block_rows) {
        j.rows = BL_MIN(j.block_rows, g->rows - j.row);
        atomic_store_explicit(&j.unfit, false, memory_order_relaxed);
        bl_pool_run(pool, split_part, &j, bl_ceil(j.rows, BL_AMX_ROWS) * j.k_blocks);
        if (atomic_load_explicit(&j.unfit, memory_order_relaxed) && !packed_tiles(&j))
            run_otherwise(m, g, j.row, j.rows, pool);
        else
            bl_pool_run(pool, multiply_part, &j, j.chunks);
    }
}

/* Packing.  ---------------------------------------------------------------------------------- */

/* One bf16 part: tiles, half as large as floats. */
static blind_code pack_tiles(const bl_micro *m, const bl_matrix *b, bl_packed **out,
                             blind_error *err)
{
    size_t              len = bl_amx_len(b->k, 1), rows = bl_piece_rows(b);
    size_t              room = bl_piece_cols(b, BL_AMX_COLS) * rows * sizeof(float);
    bl_auto_free float *floats = aligned_alloc(64, room);
    bl_piece            p = { 0 };
    if (!floats)
        return blind_fail(err, BLIND_MEMORY, "nn.pack", "no memory to pack weights");
    BL_TRY(bl_packed_new(round_up(b->k, BL_AMX_STEP) / 2, b->n, 1, BL_AMX_COLS, BL_LAYOUT_TILES,
                         out, err));
    (*out)->k = b->k;
    while (bl_next_piece(b, BL_AMX_COLS, &p)) {
        uint16_t *to = (uint16_t *)(*out)->data + p.col / BL_AMX_COLS * len + p.row * BL_AMX_COLS;
        if (p.cols % BL_AMX_COLS != 0)
            memset(floats, 0, room);
        bl_pack_piece(m, floats, rows * BL_AMX_COLS, b, &p);
        for (size_t i = 0; i * BL_AMX_COLS < p.cols; i++)
            bl_amx_split_panel(to + i * len, 1, floats + i * rows * BL_AMX_COLS, p.rows);
    }
    return BLIND_OK;
}

blind_code bl_amx_gemm_pack(const bl_micro *m, int parts, const bl_matrix *b, bl_packed **out,
                            blind_error *err)
{
    return parts == 1 ? pack_tiles(m, b, out, err)
                      : bl_gemm_pack(m, b, bl_amx_splittable, out, err);
}
