/* Recurrent layers, for every vector instruction set.
 *
 * A part of the work is one direction of some rows, all its steps: the weights of one direction
 * then stay in the second cache of one processor.  Where there are more threads than such parts and
 * the weights are many, every step is a job instead, whose parts are some units each.  All rows of
 * a tile are summed in the same order, so that neither cut changes a result. */
#include "nn/micro.h"
#include "nn/scalar.h"

#define STEP_WORK                                                                                  \
    ((size_t)256 * 1024) /* products of one step that are worth a job of their own                 \
                          */

/* Weights by panels of units; of BL_CELL_GRU the two gates first, then the candidate. */

static size_t first_gates(bl_cell cell)
{
    return cell == BL_CELL_GRU ? 2 : bl_cell_gates(cell);
}

static void pack_panel(float *to, const bl_cells *c, size_t gates, size_t hidden, size_t n,
                       const float *r)
{
    for (size_t k = 0; k < hidden; k++)
        for (size_t g = 0; g < gates; g++, to += c->lanes)
            for (size_t i = 0; i < n; i++)
                to[i] = r[(g * hidden + i) * hidden + k];
}

blind_code bl_recurrent_pack(const bl_cells *c, bl_cell cell, size_t hidden, const float *r,
                             bl_packed **out, blind_error *err)
{
    size_t gates = bl_cell_gates(cell), first = first_gates(cell), depth;
    *out = NULL;
    if (!bl_mul(hidden, gates, &depth))
        return blind_fail(err, BLIND_LIMIT, "nn.pack", "a layer of %zu units", hidden);
    BL_TRY(bl_packed_new(depth, hidden, 1, c->lanes, BL_LAYOUT_CELLS, out, err));
    for (size_t unit = 0; unit < hidden; unit += c->lanes) {
        size_t n = BL_MIN(c->lanes, hidden - unit);
        float *to = (*out)->data + unit * depth;
        pack_panel(to, c, first, hidden, n, r + unit * hidden);
        pack_panel(to + first * hidden * c->lanes, c, gates - first, hidden, n,
                   r + (first * hidden + unit) * hidden);
    }
    return BLIND_OK;
}

/* States.  ----------------------------------------------------------------------------------- */

/* Of one direction: h before and after even steps, c, and r . h: [4][rows][hidden].  Weights that
 * are not packed take plain C, which needs more. */
size_t bl_recurrent_scratch(const bl_recurrent *r, int threads)
{
    for (size_t d = 0; d < r->directions; d++)
        if (!r->direction[d].weights)
            return bl_scalar_recurrent_scratch(r, threads);
    return r->directions * 4 * r->rows * r->hidden * sizeof(float);
}

typedef struct {
    const bl_cells     *c;
    const bl_recurrent *r;
    size_t              panels, slices; /* slices of the rows, whole tiles of them */
    size_t              tile_rows;
    size_t              step; /* of a job of one step, and: */
    bool                second;
    size_t              cuts; /* of the panels */
} job;

static float *state(const bl_recurrent *r, size_t direction, size_t which, size_t row)
{
    return (float *)r->scratch + ((direction * 4 + which) * r->rows + row) * r->hidden;
}

enum { H_EVEN, H_ODD, C, RESET };

static size_t length(const bl_recurrent *r, size_t row)
{
    return r->lens ? (size_t)r->lens[row] : r->steps;
}

static void begin(const bl_recurrent *r, size_t d, size_t first, size_t last)
{
    const bl_direction *dir = &r->direction[d];
    size_t              size = r->hidden * sizeof(float);
    for (size_t row = first; row < last; row++) {
        memset(state(r, d, H_ODD, row), 0, size);
        if (dir->h0)
            memcpy(state(r, d, H_EVEN, row), dir->h0 + row * r->state_row, size);
        else
            memset(state(r, d, H_EVEN, row), 0, size);
        if (dir->c0)
            memcpy(state(r, d, C, row), dir->c0 + row * r->state_row, size);
        else
            memset(state(r, d, C, row), 0, size);
    }
}

static void end(const bl_recurrent *r, size_t d, size_t first, size_t last)
{
    const bl_direction *dir = &r->direction[d];
    size_t              size = r->hidden * sizeof(float);
    for (size_t row = first; row < last; row++) {
        size_t steps = length(r, row);
        if (steps == 0) {
            memset(state(r, d, H_EVEN, row), 0, size);
            memset(state(r, d, C, row), 0, size);
        }
        if (dir->h_out)
            memcpy(dir->h_out + row * r->state_row, state(r, d, steps % 2 ? H_ODD : H_EVEN, row),
                   size);
        if (dir->c_out)
            memcpy(dir->c_out + row * r->state_row, state(r, d, C, row), size);
        for (size_t step = steps; dir->y && step < r->steps; step++)
            memset(dir->y + step * r->y_step + row * r->y_row, 0, size);
    }
}

/* Steps.  ------------------------------------------------------------------------------------ */

static bl_cell_row row_at(const bl_recurrent *r, size_t d, size_t step, size_t row)
{
    const bl_direction *dir = &r->direction[d];
    size_t              steps = length(r, row), at = dir->reverse ? steps - 1 - step : step;
    return (bl_cell_row){ .r = r,
                          .d = dir,
                          .x = dir->x + at * r->x_step + row * r->x_row,
                          .h = state(r, d, step % 2 ? H_ODD : H_EVEN, row),
                          .h_out = state(r, d, step % 2 ? H_EVEN : H_ODD, row),
                          .c = state(r, d, C, row),
                          .reset = state(r, d, RESET, row),
                          .y = dir->y ? dir->y + at * r->y_step + row * r->y_row : NULL };
}

/* Units of panels [p, p_end) of rows [first, last), one step of one of its products. */
static void step_units(const job *j, size_t d, size_t step, bool second, size_t first, size_t last,
                       size_t p, size_t p_end)
{
    const bl_recurrent *r = j->r;
    size_t              lanes = j->c->lanes, all = bl_cell_gates(r->cell);
    size_t              gates = second ? 1 : first_gates(r->cell);
    size_t              from = second ? RESET : step % 2 ? H_ODD : H_EVEN;
    _Alignas(64) float  sums[BL_MAX_CELL_ROWS * 4 * BL_MAX_WIDTH];
    for (; p < p_end; p++) {
        const float *panel = r->direction[d].weights->data + p * lanes * r->hidden * all +
                             (second ? 2 * lanes * r->hidden : 0);
        size_t n = BL_MIN(lanes, r->hidden - p * lanes);
        for (size_t row = first; row < last; row += j->tile_rows) {
            size_t rows = BL_MIN(j->tile_rows, last - row);
            j->c->tile(sums, rows, gates, r->hidden, state(r, d, from, row), r->hidden, panel);
            for (size_t i = 0; i < rows; i++) {
                if (step >= length(r, row + i))
                    continue;
                bl_cell_row at = row_at(r, d, step, row + i);
                j->c->finish(&at, sums + i * gates * lanes, p * lanes, n, second);
            }
        }
    }
}

/* All steps of one direction of some rows. */
static void rows_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const job          *j = arg;
    const bl_recurrent *r = j->r;
    size_t              d = index % r->directions, first, last;
    bl_part(r->rows, j->slices, index / r->directions, j->tile_rows, &first, &last);
    begin(r, d, first, last);
    for (size_t step = 0; step < r->steps; step++) {
        step_units(j, d, step, false, first, last, 0, j->panels);
        if (r->cell == BL_CELL_GRU)
            step_units(j, d, step, true, first, last, 0, j->panels);
    }
    end(r, d, first, last);
}

/* Some units of all rows of one direction, one step. */
static void units_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t     first, last;
    bl_part(j->panels, j->cuts, index / j->r->directions, 1, &first, &last);
    step_units(j, index % j->r->directions, j->step, j->second, 0, j->r->rows, first, last);
}

static void run_by_step(job *j, bl_pool *pool)
{
    const bl_recurrent *r = j->r;
    for (size_t d = 0; d < r->directions; d++)
        begin(r, d, 0, r->rows);
    for (j->step = 0; j->step < r->steps; j->step++)
        for (int second = 0; second < (r->cell == BL_CELL_GRU ? 2 : 1); second++) {
            j->second = second;
            bl_pool_run(pool, units_part, j, j->cuts * r->directions);
        }
    for (size_t d = 0; d < r->directions; d++)
        end(r, d, 0, r->rows);
}

void bl_recurrent_run(const bl_cells *c, const bl_recurrent *r, bl_pool *pool)
{
    size_t threads = (size_t)bl_pool_threads(pool), dirs = r->directions;
    size_t work = bl_cell_gates(r->cell) * r->hidden * r->hidden * r->rows * dirs;
    for (size_t d = 0; d < dirs; d++)
        if (!r->direction[d].weights) {
            bl_scalar_recurrent(r, pool);
            return;
        }
    if (r->rows * r->hidden == 0)
        return;
    job j = { .c = c, .r = r, .panels = bl_ceil(r->hidden, c->lanes) };
    j.tile_rows = bl_even(r->rows, c->rows);
    j.slices = BL_MAX(BL_MIN(threads / dirs, bl_ceil(r->rows, j.tile_rows)), (size_t)1);
    j.cuts = BL_MIN(bl_ceil(threads, dirs), j.panels);
    if (j.slices * dirs < threads && j.cuts * dirs > j.slices * dirs &&
        work / threads >= STEP_WORK / 4)
        run_by_step(&j, pool);
    else
        bl_pool_run(pool, rows_part, &j, j.slices * dirs);
}
