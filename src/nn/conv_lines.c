/* Convolutions of few channels, such as the first of a network: rows of pixels are the left factor
 * as they lie, so that nothing is unfolded.
 *
 * Neighbouring pixels of one output row are the rows of a tile, output channels its columns.  Each
 * row of each input channel is copied once, with zeros around it, and read from there by all the
 * windows that meet it:
 *     lines     [channel][row modulo the window's height][column]
 *     weights   [unit of `width` output channels][channel][ky][kx][width]
 * Finished tiles are turned into rows of the image. */
#include "nn/conv_lines.h"

#define FEW       4 /* input channels: with more, tiles of packed pixels are no slower */
#define LEAST_OUT 8
#define PARTS     4  /* for each thread */
#define CHUNK     20 /* tiles that are finished together */

typedef struct {
    const bl_micro *m;
    bl_conv         conv;              /* with the strides filled in */
    size_t          reach, count;      /* rows under a window; lines of one, over all channels */
    size_t          line_len, row_len; /* floats of an input line, of an output row */
    size_t          part_rows, row_parts;
    size_t          units, part_units, unit_parts, worker_len;
    size_t          chunk; /* pixels finished at once */
} job;

typedef struct {
    float        *lines, *nothing, *sums, *rows; /* rows: [channel of the unit][row_len] */
    const float **under;                         /* the lines under a window */
} desk;

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

static void plan(job *j, const bl_micro *m, const bl_conv *c, int threads)
{
    const bl_window *w = &c->window;
    *j = (job){ .m = m, .conv = *c };
    if (!j->conv.x_batch_stride)
        j->conv.x_batch_stride = w->channels_in * bl_window_in_size(w);
    if (!j->conv.out_batch_stride)
        j->conv.out_batch_stride = w->channels_out * bl_window_out_size(w);
    j->reach = (w->kernel[1] - 1) * w->dilation[1] + 1;
    j->count = w->channels_in * w->kernel[1];
    size_t pixels = bl_ceil(w->out[2], m->rows) * m->rows;
    j->line_len = whole_lines((pixels - 1) * w->stride[2] + w->kernel[2]);
    j->chunk = BL_MIN(pixels, CHUNK * m->rows);
    j->row_len = whole_lines(j->chunk + m->width);
    j->units = j->part_units = bl_ceil(w->channels_out, m->width);
    size_t parts = threads > 1 ? PARTS * (size_t)threads : 1;
    j->part_rows = bl_ceil(w->out[1], BL_MAX(BL_MIN(parts, w->out[1]), (size_t)1));
    j->row_parts = bl_ceil(w->out[1], j->part_rows);
    if (w->batch * j->row_parts < parts) /* each copies the lines for itself */
        j->part_units = bl_ceil(
            j->units, BL_MIN(bl_ceil(parts, BL_MAX(w->batch, (size_t)1) * j->row_parts), j->units));
    j->unit_parts = bl_ceil(j->units, j->part_units);
    size_t pointers = whole_lines(bl_ceil(j->count * sizeof(float *), sizeof(float)));
    j->worker_len = (w->channels_in * j->reach + 1) * j->line_len + BL_TILE_LEN +
                    m->width * j->row_len + pointers;
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

static desk desk_of(const job *j, int worker)
{
    desk d = { .lines = (float *)j->conv.scratch + j->worker_len * (size_t)worker };
    d.nothing = d.lines + j->conv.window.channels_in * j->reach * j->line_len;
    d.sums = d.nothing + j->line_len;
    d.rows = d.sums + BL_TILE_LEN;
    d.under = (const float **)(d.rows + j->m->width * j->row_len);
    return d;
}

/* Input row y of every channel, with the pads. */
static void copy_row(const job *j, const desk *d, size_t image, size_t y)
{
    const bl_window *w = &j->conv.window;
    size_t           pad = BL_MIN(w->pad[2], j->line_len);
    size_t           len = BL_MIN(w->in[2], j->line_len - pad);
    for (size_t c = 0; c < w->channels_in; c++) {
        const float *x =
            j->conv.x + image * j->conv.x_batch_stride + c * bl_window_in_size(w) + y * w->in[2];
        float *line = d->lines + (c * j->reach + y % j->reach) * j->line_len;
        memset(line, 0, pad * sizeof *line);
        memcpy(line + pad, x, len * sizeof *line);
        memset(line + pad + len, 0, (j->line_len - pad - len) * sizeof *line);
    }
}

/* The lines under the windows of output row y. */
static void find_lines(const job *j, const desk *d, size_t y)
{
    const bl_window *w = &j->conv.window;
    for (size_t i = 0; i < j->count; i++) {
        size_t c = i / w->kernel[1];
        size_t row = y * w->stride[1] + i % w->kernel[1] * w->dilation[1] - w->pad[1];
        d->under[i] = d->nothing; /* above the image wraps to a large number */
        if (row < w->in[1])
            d->under[i] = d->lines + (c * j->reach + row % j->reach) * j->line_len;
    }
}

/* Output pixels [x, x + pixels) of one row. */
static void conv_chunk(const job *j, const desk *d, size_t image, size_t y, size_t unit, size_t x,
                       size_t pixels)
{
    const bl_window   *w = &j->conv.window;
    const bl_epilogue *e = &j->conv.epilogue;
    size_t             width = j->m->width, channel = unit * width, plane = bl_window_out_size(w);
    size_t             channels = BL_MIN(w->channels_out - channel, width);
    const float       *weights = j->conv.w->data + channel * j->conv.w->k;
    for (size_t at = 0; at < pixels; at += j->m->rows) {
        j->m->tile_lines(d->sums, d->under, j->count, (x + at) * w->stride[2], w->stride[2],
                         w->kernel[2], weights);
        j->m->turn(d->rows + at, j->row_len, d->sums, width, j->m->rows, channels);
    }
    size_t    at = image * j->conv.out_batch_stride + channel * plane + y * w->out[2] + x;
    bl_finish f = { .out = j->conv.out + at,
                    .add = e->add ? e->add + at : NULL,
                    .mul = e->mul ? e->mul + at : NULL,
                    .stride = plane,
                    .row_bias = e->bias ? e->bias + channel : NULL,
                    .act = e->act,
                    .a = e->a,
                    .b = e->b };
    j->m->finish(&f, d->rows, j->row_len, channels, pixels);
}

static void lines_part(void *arg, size_t index, int worker)
{
    const job       *j = arg;
    const bl_window *w = &j->conv.window;
    desk             d = desk_of(j, worker);
    size_t           unit_part = index % j->unit_parts, rest = index / j->unit_parts;
    size_t           image = rest / j->row_parts, first = rest % j->row_parts * j->part_rows;
    size_t           last_unit = BL_MIN((unit_part + 1) * j->part_units, j->units);
    size_t           end = BL_MIN(first + j->part_rows, w->out[1]), next = 0;
    memset(d.nothing, 0, j->line_len * sizeof(float));
    for (size_t y = first; y < end; y++) {
        size_t top = y * w->stride[1], bottom = top + j->reach; /* with the pad above */
        for (; next < w->in[1] && next + w->pad[1] < bottom; next++)
            if (next + w->pad[1] >= top)
                copy_row(j, &d, image, next);
        find_lines(j, &d, y);
        for (size_t unit = unit_part * j->part_units; unit < last_unit; unit++)
            for (size_t x = 0; x < w->out[2]; x += j->chunk)
                conv_chunk(j, &d, image, y, unit, x, BL_MIN(w->out[2] - x, j->chunk));
    }
}

void bl_lines_run(const bl_micro *m, const bl_conv *c, bl_pool *pool)
{
    job j;
    plan(&j, m, c, bl_pool_threads(pool));
    bl_pool_run(pool, lines_part, &j, c->window.batch * j.row_parts * j.unit_parts);
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
