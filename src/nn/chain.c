/* Three convolutions in a row of which only the last one's output is stored, as MobileNet and those
 * after it are made of: 1x1 to more channels (or none), one filter per channel, 1x1 to fewer.
 *
 * Channels stand in the lanes between them, so that nothing is turned but what comes in and out:
 *     ring      [panel of `width` channels][row modulo kernel][x][width]: rows of the first one's
 *               output, each made when the filters come to it and gone when they have passed
 *     middle    [pixel][channel]: rows of the filters' output, the left factor of the last product
 *     weights   [panel][k][width] of all three
 * Parts are rows of the output.  Where there are few of them for the threads, parts are panels
 * first, then panels of the last product: each thread reads weights of its own.  Every output is
 * summed in the same order however parts are cut. */
#include "nn/chain.h"

#include <math.h>

#define TILE_PIXELS 64  /* of the middle, about, between two products */
#define PART_ROWS   12  /* of output that a part has at least: its first rows are made twice */
#define LEAST_ROWS  4   /* of output for each thread, else parts are panels */
#define PANEL_PARTS 3   /* for each thread */
#define ALIAS       256 /* floats: rows such a multiple apart meet in the first cache */

typedef struct {
    const bl_micro  *m;
    const bl_chain  *c;
    const bl_window *first, *filter, *last;     /* first is NULL where there is none */
    size_t           channels, panels, row_len; /* of the middle; row_len: floats of one pixel */
    size_t           width, height;             /* of the first one's output */
    size_t           rows, tile_rows, part_rows, row_parts;
    bool             by_panels;
    size_t           ring_rows, turned_len, panel_parts, pixel_parts;
    size_t           ring_len, middle_len, worker_len; /* floats */
} job;

/* The memory of a worker. */
typedef struct {
    float *ring, *middle, *sums, *turned;
} desk;

static size_t whole_lines(size_t floats)
{
    return bl_ceil(floats, 16) * 16;
}

bool bl_chain_can(const bl_window *first, const bl_window *filter, const bl_window *last)
{
    const bl_window *one[] = { first, last };
    for (int i = 0; i < 2; i++)
        for (int axis = 0; axis < 3 && one[i]; axis++)
            if (one[i]->kernel[axis] != 1 || one[i]->stride[axis] != 1 || one[i]->pad[axis] != 0 ||
                one[i]->in[axis] != one[i]->out[axis] || one[i]->groups != 1)
                return false;
    bool fits = filter->groups == filter->channels_in && filter->groups == filter->channels_out &&
                filter->in[0] == 1 && filter->out[0] == 1 && filter->kernel[0] == 1 &&
                filter->kernel[1] <= BL_CHAIN_ROWS && filter->dilation[1] == 1 &&
                filter->dilation[2] == 1 && last->channels_in == filter->channels_out;
    return fits && (!first || first->channels_out == filter->channels_in);
}

static void split(job *j, int threads)
{
    size_t images = j->filter->batch;
    size_t wide = j->filter->out[2];
    j->tile_rows = BL_MIN(bl_ceil(TILE_PIXELS, BL_MAX(wide, (size_t)1)), j->rows);
    j->by_panels = images == 1 && (j->rows * wide <= TILE_PIXELS ||
                                   (threads > 1 && j->rows < LEAST_ROWS * (size_t)threads));
    j->part_rows = j->rows;
    if (threads > 1 && images < 2 * (size_t)threads) {
        size_t parts = BL_MAX(j->rows / PART_ROWS, (size_t)threads) / (size_t)threads;
        j->part_rows = bl_ceil(j->rows, parts * (size_t)threads);
    }
    if (j->by_panels)
        j->part_rows = j->tile_rows = j->rows;
    j->row_parts = bl_ceil(j->rows, j->part_rows);
}

static void plan(job *j, const bl_micro *m, const bl_chain *c, int threads)
{
    *j = (job){ .m = m, .c = c, .filter = &c->window[1], .last = &c->window[2] };
    j->first = c->w[0] ? &c->window[0] : NULL;
    j->channels = j->filter->channels_in;
    j->panels = bl_ceil(j->channels, m->width);
    j->row_len = whole_lines(j->panels * m->width);
    j->row_len += j->row_len % ALIAS == 0 ? 16 : 0;
    j->width = j->filter->in[2];
    j->height = j->filter->in[1];
    j->rows = j->filter->out[1];
    split(j, threads);
    j->ring_rows = j->by_panels ? j->height : j->filter->kernel[1];
    size_t panel = j->ring_rows * j->width * m->width;
    j->ring_len = whole_lines(panel * (j->by_panels ? 1 : j->panels));
    j->middle_len = j->tile_rows * j->filter->out[2] * j->row_len;
    j->turned_len = whole_lines(j->tile_rows * j->filter->out[2]);
    j->worker_len =
        j->ring_len + (j->by_panels ? 0 : j->middle_len) + BL_TILE_LEN + m->width * j->turned_len;
}

size_t bl_chain_scratch(const bl_micro *m, const bl_chain *c, int threads)
{
    job j;
    plan(&j, m, c, threads);
    size_t shared = j.by_panels ? j.middle_len : 0;
    return (shared + j.worker_len * (size_t)threads) * sizeof(float);
}

static desk desk_of(const job *j, int worker)
{
    float *scratch = j->c->scratch;
    float *own = scratch + (j->by_panels ? j->middle_len : 0) + j->worker_len * (size_t)worker;
    desk   d = { .ring = own, .middle = scratch };
    own += j->ring_len;
    if (!j->by_panels) {
        d.middle = own;
        own += j->middle_len;
    }
    d.sums = own;
    d.turned = own + BL_TILE_LEN;
    return d;
}

/* The first convolution.  --------------------------------------------------------------------- */

/* The index-th of `count` strips of pixels. */
static void expand_pixels(const job *j, const desk *d, size_t panel, const float *x, size_t pixels,
                          size_t index, size_t count, float *to)
{
    const bl_packed   *w = j->c->w[0];
    const bl_epilogue *e = &j->c->epilogue[0];
    size_t             width = j->m->width, plane = j->width * j->height;
    const float       *weights = w->data + panel * width * w->k;
    for (size_t k = 0; k < w->k; k += BL_K_BLOCK) {
        size_t       len = BL_MIN(w->k - k, (size_t)BL_K_BLOCK);
        const float *slice = weights + k * width, *ahead = slice + width * w->k;
        unsigned     ease = bl_tile_ease(index, count, len * width, slice, &ahead);
        j->m->tile(d->sums, pixels, len, x + k * plane, 1, plane, slice, ahead, ease + (k > 0));
    }
    bl_finish f = { .stride = width,
                    .col_bias = e->bias ? e->bias + panel * width : NULL,
                    .act = e->act,
                    .a = e->a,
                    .b = e->b };
    f.out = to;
    j->m->finish(&f, d->sums, width, pixels, BL_MIN(width, j->channels - panel * width));
}

/* Rows [y, y + rows) of one panel, into their places in the ring, which lie side by side. */
static void make_rows(const job *j, const desk *d, size_t image, size_t panel, size_t y,
                      size_t rows, float *to)
{
    size_t width = j->m->width, plane = j->width * j->height, pixels = rows * j->width;
    if (!j->first) {
        size_t       channels = BL_MIN(width, j->channels - panel * width);
        const float *x = j->c->x + (image * j->channels + panel * width) * plane + y * j->width;
        j->m->turn(to, width, x, plane, channels, pixels);
        return;
    }
    const float *x = j->c->x + image * j->first->channels_in * plane + y * j->width;
    size_t       strip = bl_even(pixels, j->m->rows);
    for (size_t at = 0; at < pixels; at += strip)
        expand_pixels(j, d, panel, x + at, BL_MIN(strip, pixels - at), at / strip,
                      bl_ceil(pixels, strip), to + at * width);
}

/* The filters.  ------------------------------------------------------------------------------ */

/* What is left of an activation that is a clamp. */
static bool clamp_of(const bl_epilogue *e, float *low, float *high)
{
    *low = e->act == BL_UNARY_CLIP ? e->a : e->act == BL_UNARY_RELU ? 0 : -INFINITY;
    *high = e->act == BL_UNARY_CLIP ? e->b : INFINITY;
    return e->act == BL_UNARY_NONE || e->act == BL_UNARY_RELU || e->act == BL_UNARY_CLIP;
}

/* Makes what the filters see of rows [top, bottom), counted with the pad above; `next` is the first
 * row that is not made yet.  Returns it as it is then. */
static size_t make_until(const job *j, const desk *d, size_t image, size_t panel, size_t top,
                         size_t bottom, size_t next, float *ring)
{
    size_t line = j->width * j->m->width, pad = j->filter->pad[1];
    size_t first = BL_MAX(next, top > pad ? top - pad : 0);
    size_t end = BL_MIN(bottom > pad ? bottom - pad : 0, j->height);
    while (first < end) {
        size_t slot = first % j->ring_rows, rows = BL_MIN(end - first, j->ring_rows - slot);
        make_rows(j, d, image, panel, first, rows, ring + slot * line);
        first += rows;
    }
    return BL_MAX(next, end);
}

/* Rows [begin, end) of the filters' output for one panel; `next` as above. */
static size_t filter_rows(const job *j, const desk *d, size_t image, size_t panel, size_t begin,
                          size_t end, size_t next, float *to)
{
    const bl_window   *w = j->filter;
    const bl_packed   *weights = j->c->w[1];
    const bl_epilogue *e = &j->c->epilogue[1];
    size_t             width = j->m->width, line = j->width * width;
    size_t             channels = BL_MIN(width, j->channels - panel * width);
    float        low, high, *ring = d->ring + (j->by_panels ? 0 : panel * j->ring_rows * line);
    const float *rows[BL_CHAIN_ROWS], *bias = e->bias ? e->bias + panel * width : NULL;
    bool         clamped = clamp_of(e, &low, &high);
    to += panel * width;
    for (size_t y = begin; y < end; y++, to += w->out[2] * j->row_len) {
        size_t top = y * w->stride[1];
        size_t bottom = j->by_panels ? j->height + w->pad[1] : top + w->kernel[1];
        next = make_until(j, d, image, panel, top, bottom, next, ring);
        for (size_t k = 0; k < w->kernel[1]; k++) {
            size_t row = top + k - w->pad[1]; /* above the image wraps to a large number */
            rows[k] = row < j->height ? ring + row % j->ring_rows * line : NULL;
        }
        j->m->depthwise_row(to, j->row_len, rows, w, weights->data + panel * width * weights->k,
                            bias, channels, low, high);
        bl_finish f = { .out = to, .stride = j->row_len, .act = e->act, .a = e->a, .b = e->b };
        if (!clamped)
            j->m->finish(&f, to, j->row_len, w->out[2], channels);
    }
    return next;
}

/* The last product.  ------------------------------------------------------------------------- */

/* `pixels` of the middle, the rows of the index-th of `count` tiles, for one panel: turned into
 * columns of `turned`. */
static void project_tile(const job *j, const desk *d, size_t panel, size_t pixels, size_t index,
                         size_t count, const float *middle, float *turned)
{
    const bl_packed *w = j->c->w[2];
    size_t           width = j->m->width, channel = panel * width;
    for (size_t k = 0; k < w->k; k += BL_K_BLOCK) {
        size_t       len = BL_MIN(w->k - k, (size_t)BL_K_BLOCK);
        const float *slice = w->data + channel * w->k + k * width, *ahead = slice + width * w->k;
        unsigned     ease = bl_tile_ease(index, count, len * width, slice, &ahead);
        j->m->tile(d->sums, pixels, len, middle + k, j->row_len, 1, slice, ahead, ease + (k > 0));
    }
    j->m->turn(turned, j->turned_len, d->sums, width, pixels, BL_MIN(width, w->n - channel));
}

/* `pixels` of the middle, of which the first is output pixel `pixel`, for one panel. */
static void project(const job *j, const desk *d, size_t image, size_t panel, size_t pixel,
                    size_t pixels, const float *middle)
{
    const bl_epilogue *e = &j->c->epilogue[2];
    size_t             channel = panel * j->m->width, plane = bl_window_out_size(j->last);
    size_t             n = j->c->w[2]->n, at = (image * n + channel) * plane + pixel;
    size_t             strip = bl_even(pixels, j->m->rows);
    for (size_t i = 0; i < pixels; i += strip)
        project_tile(j, d, panel, BL_MIN(strip, pixels - i), i / strip, bl_ceil(pixels, strip),
                     middle + i * j->row_len, d->turned + i);
    bl_finish f = { .out = j->c->out + at,
                    .add = e->add ? e->add + at : NULL,
                    .mul = e->mul ? e->mul + at : NULL,
                    .stride = plane,
                    .row_bias = e->bias ? e->bias + channel : NULL,
                    .act = e->act,
                    .a = e->a,
                    .b = e->b };
    j->m->finish(&f, d->turned, j->turned_len, BL_MIN(j->m->width, n - channel), pixels);
}

/* Parts.  ------------------------------------------------------------------------------------ */

static void rows_part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    desk       d = desk_of(j, worker);
    size_t     image = index / j->row_parts, first = index % j->row_parts * j->part_rows;
    size_t     last = BL_MIN(first + j->part_rows, j->rows), wide = j->filter->out[2], made = 0;
    for (size_t y = first; y < last; y += j->tile_rows) {
        size_t end = BL_MIN(y + j->tile_rows, last), next = made;
        for (size_t panel = 0; panel < j->panels; panel++)
            made = filter_rows(j, &d, image, panel, y, end, next, d.middle);
        for (size_t panel = 0; panel * j->m->width < j->c->w[2]->n; panel++)
            project(j, &d, image, panel, y * wide, (end - y) * wide, d.middle);
    }
}

/* Neighbouring panels, so that what is fetched ahead is for the same thread. */
static void panels_part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    desk       d = desk_of(j, worker);
    size_t     panel, end;
    bl_part(j->panels, j->panel_parts, index, 1, &panel, &end);
    for (; panel < end; panel++)
        (void)filter_rows(j, &d, 0, panel, 0, j->rows, 0, d.middle);
}

static void project_part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    desk       d = desk_of(j, worker);
    size_t     pixels = j->rows * j->filter->out[2], first, end;
    bl_part(pixels, j->pixel_parts, index % j->pixel_parts, j->m->rows, &first, &end);
    if (first < end)
        project(j, &d, 0, index / j->pixel_parts, first, end - first,
                d.middle + first * j->row_len);
}

void bl_chain_run(const bl_micro *m, const bl_chain *c, bl_pool *pool)
{
    job j;
    if (c->window[2].batch * c->window[2].channels_out * bl_window_out_size(&c->window[2]) == 0)
        return;
    plan(&j, m, c, bl_pool_threads(pool));
    if (!j.by_panels) {
        bl_pool_run(pool, rows_part, &j, j.filter->batch * j.row_parts);
        return;
    }
    size_t threads = (size_t)bl_pool_threads(pool), last = bl_ceil(c->w[2]->n, m->width);
    j.panel_parts = BL_MIN(j.panels, threads > 1 ? PANEL_PARTS * threads : 1);
    j.pixel_parts = last % threads && last < 4 * threads ? threads : 1;
    bl_pool_run(pool, panels_part, &j, j.panel_parts);
    bl_pool_run(pool, project_part, &j, last * j.pixel_parts);
}

blind_code bl_chain_pack(const bl_micro *m, const bl_window *w, const float *weights,
                         bl_packed **out, blind_error *err)
{
    size_t k = w->channels_in / w->groups * bl_window_kernel_size(w), n = w->channels_out;
    BL_TRY(bl_packed_new(k, n, 1, m->width, BL_LAYOUT_COLUMNS, out, err));
    for (size_t channel = 0; channel < n; channel += m->width)
        m->turn((*out)->data + channel * k, m->width, weights + channel * k, k,
                BL_MIN(m->width, n - channel), k);
    return BLIND_OK;
}
