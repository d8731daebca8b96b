/* Batched matrix products of two activations, for every vector instruction set: the right factor is
 * packed a slice at a time as it is needed. */
#include "nn/micro.h"

#define ROW_BLOCK  128
#define MAX_PANELS 8
#define SMALL      30000

typedef struct {
    const bl_micro  *m;
    const bl_matmul *p;
    size_t           count; /* of matrices */
    size_t           panels, chunk_panels, chunks;
    size_t           block_rows, blocks, tile_rows, tiles;
    size_t           k_block;
    size_t           packed_size, left_size, worker_size; /* bytes */
} matmul_job;

static void plan(matmul_job *j, const bl_micro *m, const bl_matmul *p, int threads)
{
    *j = (matmul_job){ .m = m, .p = p, .count = 1 };
    for (int axis = 0; axis < p->batch_rank; axis++)
        j->count *= p->batch[axis];
    j->panels = bl_ceil(p->n, m->width);
    j->block_rows = bl_even(p->m, ROW_BLOCK);
    j->blocks = bl_ceil(p->m, j->block_rows);
    j->tile_rows = bl_even(j->block_rows, m->rows);
    j->tiles = bl_ceil(j->block_rows, j->tile_rows);
    size_t most = j->panels * j->blocks * j->count / (4 * (size_t)threads);
    j->chunk_panels = bl_even(j->panels, BL_MAX(BL_MIN(most, (size_t)MAX_PANELS), (size_t)1));
    j->chunks = bl_ceil(j->panels, j->chunk_panels);
    j->k_block = bl_even(p->k, BL_K_BLOCK);
    j->packed_size = j->chunk_panels * j->k_block * m->width * sizeof(float);
    /* A left factor whose rows and columns both lie apart is gathered first. */
    j->left_size = p->a_row != 1 && p->a_col != 1 ? BL_MAX_ROWS * j->k_block * sizeof(float) : 0;
    j->left_size = bl_ceil(j->left_size, 64) * 64;
    j->worker_size =
        bl_ceil(j->packed_size, 64) * 64 + j->left_size + j->chunk_panels * j->tiles * BL_TILE_SIZE;
}

size_t bl_matmul_scratch(const bl_micro *m, const bl_matmul *p, int threads)
{
    matmul_job alone, together;
    plan(&alone, m, p, 1);
    plan(&together, m, p, threads);
    return BL_MAX(alone.worker_size, together.worker_size * (size_t)threads);
}

static void pack_panel(const matmul_job *j, float *to, const float *b, size_t col, size_t k)
{
    const bl_matmul *p = j->p;
    size_t           width = j->m->width, cols = BL_MIN(width, p->n - col);
    b += col * p->b_col;
    if (p->b_row == 1 && p->b_col != 1) {
        j->m->turn(to, width, b, p->b_col, cols, k);
        return;
    }
    for (size_t i = 0; i < k; i++, to += width, b += p->b_row)
        if (p->b_col == 1)
            memcpy(to, b, cols * sizeof *to);
        else
            for (size_t c = 0; c < cols; c++)
                to[c] = b[c * p->b_col];
}

typedef struct {
    const float *a, *b;
    float       *out;
    size_t       first_row, last_row, first_panel, last_panel;
    float       *packed, *left, *sums;
} part;

static void finish_tile(const matmul_job *j, const part *p, const float *sums, size_t row,
                        size_t rows, size_t col)
{
    bl_finish f = { .out = p->out + row * j->p->out_row + col,
                    .stride = j->p->out_row,
                    .act = j->p->alpha == 1 ? BL_UNARY_NONE : BL_UNARY_AFFINE,
                    .a = j->p->alpha };
    j->m->finish(&f, sums, j->m->width, rows, BL_MIN(j->p->n - col, j->m->width));
}

/* k products from k0 on of one tile of rows with every packed panel. */
static void multiply_rows(const matmul_job *j, const part *p, size_t row, size_t k0, size_t k)
{
    const bl_matmul *q = j->p;
    size_t           rows = BL_MIN(j->tile_rows, p->last_row - row);
    size_t           tile = (row - p->first_row) / j->tile_rows;
    const float     *a = p->a + row * q->a_row + k0 * q->a_col;
    size_t           a_row = q->a_row, a_col = q->a_col;
    if (a_row != 1 && a_col != 1) {
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < k; i++)
                p->left[r * j->k_block + i] = a[r * a_row + i * a_col];
        a = p->left;
        a_row = j->k_block;
        a_col = 1;
    }
    for (size_t panel = p->first_panel; panel < p->last_panel; panel++) {
        size_t       at = panel - p->first_panel;
        float       *sums = p->sums + (at * j->tiles + tile) * BL_TILE_LEN;
        const float *columns = p->packed + at * j->k_block * j->m->width;
        j->m->tile(sums, rows, k, a, a_row, a_col, columns, columns, k0 > 0);
        if (k0 + k == q->k)
            finish_tile(j, p, sums, row, rows, panel * j->m->width);
    }
}

static void multiply_part(const matmul_job *j, const part *p)
{
    size_t k0 = 0;
    do {
        size_t k = BL_MIN(j->k_block, j->p->k - k0);
        for (size_t panel = p->first_panel; panel < p->last_panel; panel++)
            pack_panel(j, p->packed + (panel - p->first_panel) * j->k_block * j->m->width,
                       p->b + k0 * j->p->b_row, panel * j->m->width, k);
        for (size_t row = p->first_row; row < p->last_row; row += j->tile_rows)
            multiply_rows(j, p, row, k0, k);
        k0 += j->k_block;
    } while (k0 < j->p->k);
}

static void matmul_part(void *arg, size_t index, int worker)
{
    const matmul_job *j = arg;
    const bl_matmul  *q = j->p;
    char             *scratch = (char *)q->scratch + (size_t)worker * j->worker_size;
    size_t            chunk = index % j->chunks, block = index / j->chunks % j->blocks;
    size_t            matrix = index / j->chunks / j->blocks;
    part              p = { .a = q->a,
                            .b = q->b,
                            .out = q->out,
                            .first_row = block * j->block_rows,
                            .last_row = BL_MIN((block + 1) * j->block_rows, q->m),
                            .first_panel = chunk * j->chunk_panels,
                            .last_panel = BL_MIN((chunk + 1) * j->chunk_panels, j->panels),
                            .packed = (float *)scratch };
    p.left = (float *)(scratch + bl_ceil(j->packed_size, 64) * 64);
    p.sums = (float *)((char *)p.left + j->left_size);
    for (int axis = q->batch_rank; axis-- > 0; matrix /= q->batch[axis]) {
        size_t at = matrix % q->batch[axis];
        p.a += at * q->a_batch[axis];
        p.b += at * q->b_batch[axis];
        p.out += at * q->out_batch[axis];
    }
    multiply_part(j, &p);
}

void bl_matmul_run(const bl_micro *m, const bl_matmul *p, bl_pool *pool)
{
    matmul_job j;
    plan(&j, m, p, 1);
    if (j.count * p->m * p->n == 0)
        return;
    if (j.count * p->m * p->n * p->k < SMALL)
        pool = NULL;
    plan(&j, m, p, bl_pool_threads(pool));
    bl_pool_run(pool, matmul_part, &j, j.count * j.blocks * j.chunks);
}
