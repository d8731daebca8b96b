/* Convolutions by the lines of the image: rows of pixels are the left factor as they lie, so that
 * nothing is unfolded.  For windows that overlap too little for Winograd's transforms (a stride),
 * and for few channels, whose unfolding or transforms nothing repays.
 *
 * Neighbouring pixels of one output row are the rows of a tile, output channels its columns.  The
 * lines under a part of the output are copied once, with zeros around them, and read from there by
 * all the windows that meet them:
 *     lines     [channel][row][column]
 *     weights   [unit of `width` output channels][channel][ky][kx][width]
 *     sums      [tile of a group][rows][width]: of some output rows, between blocks of channels
 * A block of channels is what leaves its weights in the first cache while the tiles of a group
 * pass.  Finished tiles are turned into rows of the image. */
#include "nn/conv_lines.h"

#define FEW       4  /* input channels: always worth it */
#define SOME      32 /* input channels for which transforms are not */
#define LEAST_OUT 8
#define K_BLOCK   192               /* products summed at once */
#define GROUP     16                /* tiles, at most */
#define PARTS     4                 /* for each thread */
#define LINES_LEN ((size_t)1 << 17) /* floats of lines: what the second cache holds twice */

typedef struct {
    const bl_micro *m;
    bl_conv         conv; /* with the strides filled in */
    bl_walk         walk;
    size_t          taps, block;
    size_t          tile_rows, across, down; /* a group: tiles side by side, rows of them */
    size_t          part_rows, row_parts, part_cols, col_parts; /* of output */
    size_t          lines;                                      /* of a part */
    size_t          units, part_units, unit_parts;
    size_t          lines_len, sums_len, turned_stride, worker_len; /* floats */
} job;

/* Output rows [y, y + rows) by columns [x, x + cols) of one image. */
typedef struct {
    size_t image, y, rows, x, cols;
    float *lines, *sums, *turned;

    bl_fetching *next;
} part;

bool bl_lines_suits(const bl_micro *m, const bl_window *w)
{
    return w->groups == 1 && w->in[0] == 1 && w->out[0] == 1 && w->kernel[0] == 1 &&
           w->channels_in <= FEW && w->channels_out >= LEAST_OUT && w->kernel[2] >= 3 &&
           w->dilation[2] == 1 && w->stride[2] <= w->kernel[2] && w->out[2] >= m->rows;
}

static size_t whole_lines(size_t floats)
{
    return bl_ceil(floats, 16) * 16;
}

static size_t reach(const bl_window *w, int axis, size_t outputs)
{
    return (outputs - 1) * w->stride[axis] + (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}

bool bl_lines_better(const bl_micro *m, const bl_window *w)
{
    if (bl_lines_suits(m, w))
        return true;
    size_t rows = bl_even(w->out[2], m->rows),
           lanes = bl_ceil(w->channels_out, m->width) * m->width;
    if (w->groups != 1 || w->in[0] != 1 || w->out[0] != 1 || w->kernel[0] != 1 ||
        w->kernel[1] * w->kernel[2] < 2 || 4 * w->channels_out < 3 * lanes ||
        w->channels_in * reach(w, 1, 1) * reach(w, 2, BL_MIN(w->out[2], m->rows * GROUP)) >
            LINES_LEN)
        return false;
    if (w->channels_in <= SOME)
        return 2 * rows > m->rows;
    return (w->stride[1] > 1 || w->stride[2] > 1) && 7 * rows >= 6 * m->rows;
}

/* Rows and columns of a group, and of a part, of which there shall be enough. */
static void split(job *j, int threads)
{
    const bl_window *w = &j->conv.window;
    j->tile_rows = bl_even(w->out[2], j->m->rows);
    size_t tiles = bl_ceil(w->out[2], j->tile_rows);
    j->across = bl_even(tiles, GROUP);
    j->part_cols = j->across * j->tile_rows;
    j->col_parts = bl_ceil(w->out[2], j->part_cols);
    j->down = BL_MIN(BL_MAX(GROUP / j->across, (size_t)1), w->out[1]);
    size_t parts = threads > 1 ? PARTS * (size_t)threads : 1;
    size_t wanted = bl_ceil(parts, w->batch * j->col_parts);
    size_t line = w->channels_in * j->walk.line, most = j->down;
    while (most < w->out[1] && line * reach(w, 1, most + 1) <= LINES_LEN)
        most++;
    if (2 * w->channels_out <= 3 * bl_window_out_size(w)) /* else weights are better read once */
        most = BL_MIN(most, BL_MAX(w->out[1] / wanted, (size_t)1));
    j->part_rows = bl_even(w->out[1], most);
    j->down = BL_MIN(j->down, j->part_rows);
    j->row_parts = bl_ceil(w->out[1], j->part_rows);
    j->units = bl_ceil(w->channels_out, j->m->width);
    size_t units = bl_ceil(parts, w->batch * j->col_parts * j->row_parts);
    j->part_units = bl_ceil(j->units, BL_MIN(units, j->units)); /* each copies the lines */
    j->unit_parts = bl_ceil(j->units, j->part_units);
}

static void plan(job *j, const bl_micro *m, const bl_conv *c, int threads)
{
    const bl_window *w = &c->window;
    *j = (job){ .m = m, .conv = *c, .taps = bl_window_kernel_size(w) };
    if (!j->conv.x_batch_stride)
        j->conv.x_batch_stride = w->channels_in * bl_window_in_size(w);
    if (!j->conv.out_batch_stride)
        j->conv.out_batch_stride = w->channels_out * bl_window_out_size(w);
    j->block = bl_even(w->channels_in, BL_MAX(K_BLOCK / j->taps, (size_t)1));
    j->walk.line = reach(w, 2, BL_MIN(w->out[2], m->rows * GROUP));
    split(j, threads);
    j->lines = reach(w, 1, j->part_rows);
    j->walk = (bl_walk){ .kernel = { w->kernel[1], w->kernel[2] },
                         .line = reach(w, 2, BL_MIN(j->part_cols, w->out[2])),
                         .right = w->dilation[2],
                         .step = w->stride[2] };
    j->walk.down = w->dilation[1] * j->walk.line;
    j->walk.plane = j->lines * j->walk.line;
    if (j->walk.plane % 256 == 0) /* channels would fall onto each other in the first cache */
        j->walk.plane += 16;
    j->lines_len = whole_lines(w->channels_in * j->walk.plane);
    j->sums_len = j->across * j->down * BL_TILE_LEN;
    j->turned_stride = whole_lines(j->down * j->part_cols + m->width);
    j->worker_len = j->lines_len + j->sums_len + m->width * j->turned_stride;
    j->worker_len = bl_apart(j->worker_len * sizeof(float), threads) / sizeof(float);
}

size_t bl_lines_scratch(const bl_micro *m, const bl_window *w, int threads)
{
    job     alone, together; /* small convolutions run on one thread */
    bl_conv c = { .window = *w };
    if (w->batch * w->channels_out * bl_window_out_size(w) == 0)
        return 0;
    plan(&alone, m, &c, 1);
    plan(&together, m, &c, threads);
    return BL_MAX(alone.worker_len, together.worker_len * (size_t)threads) * sizeof(float);
}

/* One line of a part, which begins at a column that may lie left of x. */
static void copy_line(float *to, size_t len, const float *x, size_t width, ptrdiff_t column)
{
    size_t before = column < 0 ? BL_MIN((size_t)-column, len) : 0;
    size_t from = column < 0 ? 0 : (size_t)column;
    size_t inside = from < width ? BL_MIN(width - from, len - before) : 0;
    for (size_t i = 0; i < before; i++)
        to[i] = 0;
    memcpy(to + before, x + (inside ? from : 0), inside * sizeof *to);
    for (size_t i = before + inside; i < len; i++)
        to[i] = 0;
}

static void copy_lines(const job *j, const part *p)
{
    const bl_window *w = &j->conv.window;
    const float     *x = j->conv.x + p->image * j->conv.x_batch_stride;
    ptrdiff_t        column = (ptrdiff_t)(p->x * w->stride[2]) - (ptrdiff_t)w->pad[2];
    size_t           lines = reach(w, 1, p->rows), len = j->walk.line;
    for (size_t c = 0; c < w->channels_in; c++, x += w->in[1] * w->in[2])
        for (size_t i = 0; i < lines; i++) {
            size_t row = p->y * w->stride[1] + i - w->pad[1]; /* above the image wraps */
            float *to = p->lines + c * j->walk.plane + i * len;
            if (row < w->in[1])
                copy_line(to, len, x + row * w->in[2], w->in[2], column);
            else
                memset(to, 0, len * sizeof *to);
        }
}

/* The lines of the part below. */
static bl_fetching fetching_below(const job *j, const part *p)
{
    const bl_window *w = &j->conv.window;
    size_t           next = p->y + p->rows, rows = BL_MIN(j->part_rows, w->out[1] - next);
    size_t           first = next * w->stride[1] - BL_MIN(next * w->stride[1], w->pad[1]);
    size_t           tiles = p->rows * j->across * j->units * bl_ceil(w->channels_in, j->block),
           plane = w->in[1] * w->in[2];
    if (rows == 0 || j->unit_parts > 1 || j->col_parts > 1 || first >= w->in[1])
        return (bl_fetching){ 0 };
    size_t      lines = BL_MIN(reach(w, 1, rows), w->in[1] - first);
    bl_fetching f = { .at = j->conv.x + p->image * j->conv.x_batch_stride + first * w->in[2],
                      .plane = plane,
                      .lines = bl_ceil(lines * w->in[2], BL_LINE) + 1,
                      .channels = w->channels_in };
    f.each = bl_ceil(f.lines * f.channels, tiles);
    return f;
}

static void finish_group(const job *j, const part *p, size_t unit, size_t first, size_t rows)
{
    const bl_epilogue *e = &j->conv.epilogue;
    const bl_window   *w = &j->conv.window;
    size_t             channel = unit * j->m->width, plane = bl_window_out_size(w);
    size_t             channels = BL_MIN(w->channels_out - channel, j->m->width);
    size_t             at =
        p->image * j->conv.out_batch_stride + channel * plane + (p->y + first) * w->out[2] + p->x;
    bl_finish    f = { .out = j->conv.out + at,
                       .add = e->add ? e->add + at : NULL,
                       .mul = e->mul ? e->mul + at : NULL,
                       .stride = plane,
                       .row_bias = e->bias ? e->bias + channel : NULL,
                       .act = e->act,
                       .a = e->a,
                       .b = e->b };
    const float *sums = p->sums;
    for (size_t row = 0; row < rows; row++)
        for (size_t x = 0; x < p->cols; x += j->tile_rows, sums += BL_TILE_LEN)
            j->m->turn(p->turned + row * p->cols + x, j->turned_stride, sums, j->m->width,
                       BL_MIN(j->tile_rows, p->cols - x), channels);
    /* Rows of the image lie behind each other where a part has all of each. */
    j->m->finish(&f, p->turned, j->turned_stride, channels, rows * p->cols);
}

/* `rows` output rows from `first` on of one unit. */
static void run_group(const job *j, const part *p, size_t unit, size_t first, size_t rows)
{
    const bl_window *w = &j->conv.window;
    const float     *weights = j->conv.w->data + unit * j->m->width * j->conv.w->k;
    for (size_t c = 0; c < w->channels_in; c += j->block) {
        bl_walk walk = j->walk;
        float  *sums = p->sums;
        walk.channels = BL_MIN(j->block, w->channels_in - c);
        for (size_t row = 0; row < rows; row++)
            for (size_t x = 0; x < p->cols; x += j->tile_rows, sums += BL_TILE_LEN) {
                bl_fetch_some(p->next);
                j->m->tile_walk(sums, BL_MIN(j->tile_rows, p->cols - x),
                                p->lines + c * walk.plane +
                                    (first + row) * w->stride[1] * walk.line + x * w->stride[2],
                                &walk, weights, c > 0);
            }
        weights += walk.channels * j->taps * j->m->width;
    }
    finish_group(j, p, unit, first, rows);
}

static void lines_part(void *arg, size_t index, int worker)
{
    const job       *j = arg;
    const bl_window *w = &j->conv.window;
    size_t           unit_part = index % j->unit_parts, rest = index / j->unit_parts;
    size_t           y = rest / j->col_parts % j->row_parts * j->part_rows;
    size_t           x = rest % j->col_parts * j->part_cols;
    size_t           last_unit = BL_MIN((unit_part + 1) * j->part_units, j->units);
    part             p = { .image = rest / j->col_parts / j->row_parts,
                           .y = y,
                           .rows = BL_MIN(j->part_rows, w->out[1] - y),
                           .x = x,
                           .cols = BL_MIN(j->part_cols, w->out[2] - x) };
    p.lines = (float *)j->conv.scratch + j->worker_len * (size_t)worker;
    p.sums = p.lines + j->lines_len;
    p.turned = p.sums + j->sums_len;
    bl_fetching next = fetching_below(j, &p);
    p.next = &next;
    copy_lines(j, &p);
    for (size_t unit = unit_part * j->part_units; unit < last_unit; unit++)
        for (size_t row = 0; row < p.rows; row += j->down)
            run_group(j, &p, unit, row, BL_MIN(j->down, p.rows - row));
}

void bl_lines_run(const bl_micro *m, const bl_conv *c, bl_pool *pool)
{
    job j;
    plan(&j, m, c, bl_pool_threads(pool));
    bl_pool_run(pool, lines_part, &j, c->window.batch * j.row_parts * j.col_parts * j.unit_parts);
}

blind_code bl_lines_pack(const bl_micro *m, const bl_window *w, const float *weights,
                         bl_packed **out, blind_error *err)
{
    size_t k = w->channels_in * bl_window_kernel_size(w), n = w->channels_out;
    BL_TRY(bl_packed_new(k, n, 1, m->width, BL_LAYOUT_LINES, out, err));
    for (size_t channel = 0; channel < n; channel += m->width)
        m->turn((*out)->data + channel * k, m->width, weights + channel * k, k,
                BL_MIN(m->width, n - channel), k);
    return BLIND_OK;
}
