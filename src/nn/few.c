/* Products of few rows with packed weights: all rows fit one tile, and memory is what counts.
 *
 * Memory is read faster from two places at once, so each part of the job reads a panel of the first
 * half and one of the second.  The panels of the part after it follow those in memory. */
#include "nn/micro.h"

#define MAX_PANELS 4     /* of a part */
#define SMALL      30000 /* products not worth a second thread */

typedef struct {
    const bl_micro *m;
    const bl_gemm  *g;
    bl_few         *few;
    size_t          panel_size; /* bytes */
    size_t          panels, parts;
} few_job;

size_t bl_few_scratch(int threads)
{
    return (size_t)threads * BL_FEW_SUMS * sizeof(float);
}

static void finish_panel(const few_job *j, const float *sums, size_t panel)
{
    const bl_gemm *g = j->g;
    size_t         col = panel * j->m->width;
    bl_finish      f = { .out = g->out + col,
                         .add = g->epilogue.add ? g->epilogue.add + col : NULL,
                         .mul = g->epilogue.mul ? g->epilogue.mul + col : NULL,
                         .stride = g->out_stride,
                         .col_bias = g->epilogue.bias ? g->epilogue.bias + col : NULL,
                         .act = g->epilogue.act,
                         .a = g->epilogue.a,
                         .b = g->epilogue.b };
    j->m->finish(&f, sums, j->m->width, g->rows, BL_MIN(g->b->n - col, j->m->width));
}

static void few_part(void *arg, size_t index, int worker)
{
    const few_job *j = arg;
    float         *sums = (float *)j->g->scratch + (size_t)worker * BL_FEW_SUMS;
    const void    *panels[BL_STREAMS] = { 0 };
    size_t         count = 0;
    for (size_t panel = index; panel < j->panels; panel += j->parts)
        panels[count++] = (const char *)j->g->b->data + panel * j->panel_size;
    j->few(sums, j->g->rows, j->g->b->k, j->g->a, j->g->a_stride, panels, count);
    for (size_t s = 0; s < count; s++)
        finish_panel(j, sums + s * BL_TILE_LEN, index + s * j->parts);
}

void bl_few_run(const bl_micro *m, bl_few *few, size_t panel_size, const bl_gemm *g, bl_pool *pool)
{
    if (g->rows * g->b->n * g->b->k < SMALL)
        pool = NULL;
    few_job j = { m, g, few, panel_size, bl_ceil(g->b->n, m->width), 0 };
    j.parts = bl_ceil(j.panels, BL_STREAMS);
    bl_pool_run(pool, few_part, &j, j.parts);
}
