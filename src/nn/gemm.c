/* Matrix products with packed weights, for every vector instruction set.
 *
 * The output is cut into blocks of rows and chunks of panels; each is one part of a job, computed
 * in full by one thread in one order, so that results do not depend on the number of threads.
 * Inside, k is cut so that a panel's slice stays in the first cache while all rows of the block
 * pass by, and so that no sum is long: rounding grows with its length.
 *
 * Where all rows fit one tile, memory is what counts: few.c. */
#include "nn/micro.h"

#define ROW_BLOCK  128
#define MAX_PANELS 8 /* of a chunk */
#define K_BLOCK    192
#define SMALL      30000 /* products not worth a second thread */

typedef struct {
    const bl_micro *m;
    const bl_gemm  *g;
    size_t          panels;
    size_t          block_rows, blocks;   /* of rows */
    size_t          chunk_panels, chunks; /* of panels */
    size_t          tile_rows, tiles;     /* of a block */
    size_t          k_block;
    size_t          sums_size; /* bytes per worker */
} gemm_job;

static void plan(gemm_job *j, const bl_micro *m, const bl_packed *b, size_t rows, int threads)
{
    j->m = m;
    j->panels = bl_ceil(b->n, m->width);
    j->block_rows = bl_even(rows, ROW_BLOCK);
    j->blocks = bl_ceil(rows, j->block_rows);
    j->tile_rows = bl_even(j->block_rows, m->rows);
    j->tiles = bl_ceil(j->block_rows, j->tile_rows);
    size_t wanted = j->panels * j->blocks / (4 * (size_t)threads);
    j->chunk_panels = BL_MAX(BL_MIN(wanted, (size_t)MAX_PANELS), (size_t)1);
    j->chunks = bl_ceil(j->panels, j->chunk_panels);
    j->k_block = bl_even(b->k, K_BLOCK);
    j->sums_size = j->tiles * j->chunk_panels * BL_TILE_SIZE;
}

size_t bl_gemm_scratch(const bl_micro *m, const bl_packed *b, size_t rows, int threads)
{
    gemm_job alone, together; /* small products run on one thread */
    if (rows <= m->rows)
        return bl_few_scratch(threads);
    plan(&alone, m, b, rows, 1);
    plan(&together, m, b, rows, threads);
    return BL_MAX(alone.sums_size, together.sums_size * (size_t)threads);
}

/* Products from k0 on of one panel; the panel after it where k0 is past its end. */
static const float *slice(const gemm_job *j, size_t panel, size_t k0)
{
    return j->g->b->data + (panel * j->g->b->k + BL_MIN(k0, j->g->b->k)) * j->m->width;
}

static void finish_tile(const gemm_job *j, const float *sums, size_t row, size_t rows, size_t panel)
{
    const bl_gemm *g = j->g;
    size_t         col = panel * j->m->width, at = row * g->out_stride + col;
    bl_finish      f = { .out = g->out + at,
                         .add = g->epilogue.add ? g->epilogue.add + at : NULL,
                         .mul = g->epilogue.mul ? g->epilogue.mul + at : NULL,
                         .stride = g->out_stride,
                         .col_bias = g->epilogue.bias ? g->epilogue.bias + col : NULL,
                         .act = g->epilogue.act,
                         .a = g->epilogue.a,
                         .b = g->epilogue.b };
    j->m->finish(&f, sums, j->m->width, rows, BL_MIN(g->b->n - col, j->m->width));
}

/* All tiles of one block of rows against k products of one panel, from product `k0` on; `ahead` is
 * where the next slice of a panel begins. */
static void block_by_panel(const gemm_job *j, float *sums, size_t block, size_t panel, size_t k0,
                           const float *ahead)
{
    const bl_packed *b = j->g->b;
    size_t           k = BL_MIN(j->k_block, b->k - k0), begin = block * j->block_rows;
    size_t           end = BL_MIN(begin + j->block_rows, j->g->rows);
    const float     *columns = slice(j, panel, k0);
    for (size_t row = begin; row < end; row += j->tile_rows) {
        size_t rows = BL_MIN(j->tile_rows, end - row);
        j->m->tile(sums, rows, k, j->g->a + row * j->g->a_stride + k0, j->g->a_stride, 1, columns,
                   row == begin ? ahead : columns, k0 > 0);
        if (k0 + k == b->k)
            finish_tile(j, sums, row, rows, panel);
        sums += BL_TILE_LEN;
    }
}

static void gemm_part(void *arg, size_t index, int worker)
{
    const gemm_job *j = arg;
    size_t          block = index / j->chunks, first = index % j->chunks * j->chunk_panels;
    size_t          last = BL_MIN(first + j->chunk_panels, j->panels);
    float          *sums = (float *)((char *)j->g->scratch + (size_t)worker * j->sums_size);
    size_t          k0 = 0;
    do {
        for (size_t panel = first; panel < last; panel++) {
            bool         more = panel + 1 < last;
            const float *ahead = slice(j, more ? panel + 1 : first, more ? k0 : k0 + j->k_block);
            block_by_panel(j, sums + (panel - first) * j->tiles * BL_TILE_LEN, block, panel, k0,
                           ahead);
        }
        k0 += j->k_block;
    } while (k0 < j->g->b->k);
}

void bl_gemm_run(const bl_micro *m, const bl_gemm *g, bl_pool *pool)
{
    if (g->rows == 0 || g->b->n == 0)
        return;
    if (g->rows <= m->rows) {
        bl_few_run(m, m->few, g->b->k * m->width * sizeof(float), g, pool);
        return;
    }
    if (g->rows * g->b->n * g->b->k < SMALL)
        pool = NULL;
    gemm_job j = { .g = g };
    plan(&j, m, g->b, g->rows, bl_pool_threads(pool));
    bl_pool_run(pool, gemm_part, &j, j.blocks * j.chunks);
}
