/* Convolutions of 3x3 by Winograd's F(2x2, 3x3): four outputs from 16 products instead of 36.
 *
 * A patch is the 4x4 pixels that a square of 2x2 outputs sees.  Patches are transformed by sums and
 * differences into 16 numbers each, filters likewise; each of the 16 is a matrix product over the
 * channels; sums are transformed back.  Patches of a whole batch stand in a row, image by image; a
 * strip of them is transformed at once:
 *     patches  [16][panel][channel][width of a panel]
 *     weights  [group][unit of output channels][16][channel][unit], rows of the left factor
 * The transforms only add, and sums are over a ninth of the products of a plain sum: the error
 * against exact numbers is that of a plain fp32 product, within tests/nn's bounds.  Panels of
 * patches in which something is infinite or NaN are summed plainly, since infinities have no
 * differences. Source: Lavin and Gray 2015, arXiv:1509.09308, section 4.1. */
#include "nn/winograd.h"

#include <stdlib.h>

#define NUMBERS     16                /* of a transformed patch */
#define STRIP_BYTES ((size_t)5 << 18) /* of patches: what the second cache holds of them */
#define LEAST       16                /* channels in and out, for the transforms to be worth it */

/* Weights are 16/9 as large: fewer pixels than these wait for them. */
#define FEW_PIXELS 100
#define FEW_LANES  60                /* where channels are in the lanes, */
#define DEEP_LANES ((size_t)64 * 64) /* and so many: in times out */

/* What measures faster than six products of bf16 parts. */
#define DEEP        ((size_t)80 * 160) /* channels in times channels out */
#define MANY_PIXELS 300

typedef struct {
    const bl_micro *m;
    bl_conv         conv;                      /* with the strides filled in */
    size_t          channels_in, channels_out; /* of one group */
    size_t          down, across;              /* patches of an image */
    size_t          total;                     /* of the batch */
    size_t          panels, strips;            /* panels of one strip */
    size_t          unit, units, part_units, unit_parts;
    size_t          pixels;
    size_t          patches_len, lines_len, rows_len; /* floats, see desk_of */
    size_t          worker_size;
} job;

/* The memory of one worker. */
typedef struct {
    float  *patches; /* a strip, transformed */
    float  *rows;    /* [16][patches of a strip]: of one channel */
    float  *lines;   /* of the transform */
    float  *sums;    /* [16] tiles */
    float  *out;     /* [channel][2][2 * width]: a tile, transformed back */
    float  *marks;   /* [panel][width / 2]: NaN where a patch is not moderate */
    size_t *held;    /* which strip is transformed, from 1; 0: none */
} desk;

bool bl_winograd_can(const bl_micro *m, const bl_window *w)
{
    bool fits = w->in[0] == 1 && w->out[0] == 1 && w->kernel[0] == 1;
    for (int axis = 1; axis < 3; axis++)
        fits = fits && w->kernel[axis] == 3 && w->stride[axis] == 1 && w->dilation[axis] == 1;
    return fits && m->patches != NULL;
}

bool bl_winograd_suits(const bl_micro *m, const bl_window *w)
{
    size_t in = w->channels_in / w->groups, out = w->channels_out / w->groups, few = FEW_PIXELS;
    if (!bl_winograd_can(m, w) || in < LEAST || out < LEAST)
        return false;
    size_t total = w->batch * ((w->out[1] + 1) / 2) * ((w->out[2] + 1) / 2);
    double lanes = (double)(bl_ceil(total, m->width) * m->width);
    double pixels = (double)(w->batch * w->out[1] * w->out[2]);
    if (bl_winograd_lanes_suit(m, w)) {
        lanes = (double)total;
        few = in * out >= DEEP_LANES ? FEW_LANES : few;
    }
    /* Products, and what a transform costs beside them. */
    double here = lanes * (NUMBERS + 300 / (double)in + 300 / (double)out);
    return here < pixels * 9 * 0.9 && pixels >= (double)few;
}

bool bl_winograd_beats_tiles(const bl_micro *m, const bl_window *w)
{
    size_t in = w->channels_in / w->groups, out = w->channels_out / w->groups;
    return bl_winograd_suits(m, w) && in * out >= DEEP &&
           (w->batch * bl_window_out_size(w) >= MANY_PIXELS || bl_winograd_lanes_suit(m, w));
}

static size_t whole_lines(size_t floats)
{
    return bl_ceil(floats, 16) * 16;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): what is made of it is written */
static desk desk_of(const job *j, char *scratch)
{
    desk d = { .patches = (float *)scratch };
    d.rows = d.patches + j->patches_len;
    d.lines = d.rows + j->rows_len;
    d.sums = d.lines + j->lines_len;
    d.out = d.sums + NUMBERS * BL_TILE_LEN;
    d.marks = d.out + 4 * BL_TILE_LEN;
    d.held = (size_t *)(d.marks + whole_lines(j->panels * j->m->width));
    return d;
}

static void plan(job *j, const bl_micro *m, const bl_conv *c, size_t unit, int threads)
{
    const bl_window *w = &c->window;
    *j = (job){ .m = m, .conv = *c, .unit = unit };
    j->channels_in = w->channels_in / w->groups;
    j->channels_out = w->channels_out / w->groups;
    j->pixels = bl_window_out_size(w);
    if (!j->conv.x_batch_stride)
        j->conv.x_batch_stride = w->channels_in * bl_window_in_size(w);
    if (!j->conv.out_batch_stride)
        j->conv.out_batch_stride = w->channels_out * j->pixels;
    j->down = (w->out[1] + 1) / 2;
    j->across = (w->out[2] + 1) / 2;
    j->total = w->batch * j->down * j->across;
    size_t panels = bl_ceil(j->total, m->width), wanted = threads > 1 ? 4 * (size_t)threads : 1;
    size_t most = STRIP_BYTES / (NUMBERS * j->channels_in * m->width * sizeof(float));
    most = BL_MAX(most, (size_t)1);
    /* Where there are more weights than patches, each is better read once: units are dealt out. */
    if (j->channels_out < j->total)
        most = BL_MIN(most, BL_MAX(panels * w->groups / wanted, (size_t)2));
    j->panels = bl_even(panels, most);
    j->strips = bl_ceil(panels, j->panels);
    j->units = bl_ceil(j->channels_out, unit);
    j->part_units = j->units;
    if (w->groups * j->strips < (size_t)threads) { /* each part transforms the strip for itself */
        size_t parts = bl_ceil(2 * (size_t)threads, w->groups * j->strips);
        j->part_units = BL_MAX(j->units / BL_MIN(parts, j->units), (size_t)1);
    }
    j->unit_parts = bl_ceil(j->units, j->part_units);
    j->patches_len = NUMBERS * j->panels * j->channels_in * m->width;
    j->rows_len = whole_lines(NUMBERS * (j->panels + 1) * m->width);
    j->lines_len = 4 * whole_lines(2 * j->panels * m->width + 4 * m->width);
    size_t floats = j->patches_len + j->rows_len + j->lines_len + (NUMBERS + 4) * BL_TILE_LEN;
    floats += whole_lines(j->panels * m->width);
    j->worker_size = bl_apart((whole_lines(floats) + 16) * sizeof(float), threads);
}

size_t bl_winograd_scratch(const bl_micro *m, const bl_window *w, const bl_packed *packed,
                           int threads)
{
    job     alone, together; /* small convolutions run on one thread */
    bl_conv c = { .window = *w };
    if (w->batch * w->channels_out * bl_window_out_size(w) == 0)
        return 0;
    plan(&alone, m, &c, packed->width, 1);
    plan(&together, m, &c, packed->width, threads);
    return BL_MAX(alone.worker_size, together.worker_size * (size_t)threads);
}

/* Patches.  ---------------------------------------------------------------------------------- */

/* Neighbouring patches of one row of squares: lanes [lane, lane + len) of a strip. */
typedef struct {
    size_t image, y, x; /* of the first, in squares */
    size_t lane, len;
} run;

static run run_at(const job *j, size_t patch, size_t lane, size_t most)
{
    size_t x = patch % j->across;
    return (run){ .image = patch / j->across / j->down,
                  .y = patch / j->across % j->down,
                  .x = x,
                  .lane = lane,
                  .len = BL_MIN(j->across - x, most) };
}

static void transform_channel(const job *j, const desk *d, size_t first, size_t count,
                              const float *x, float *to)
{
    const bl_window *w = &j->conv.window;
    size_t           stride = (j->panels + 1) * j->m->width;
    for (size_t lane = 0; lane < count;) {
        run          r = run_at(j, first + lane, lane, count - lane);
        const float *image = x + r.image * j->conv.x_batch_stride, *rows[4];
        for (size_t i = 0; i < 4; i++) {
            size_t y = 2 * r.y + i - w->pad[1]; /* above the image wraps to a large number */
            rows[i] = y < w->in[1] ? image + y * w->in[2] : NULL;
        }
        j->m->patches(d->rows + lane, stride, rows, w->in[2],
                      (ptrdiff_t)(2 * r.x) - (ptrdiff_t)w->pad[2], r.len, d->lines,
                      j->lines_len / 4);
        lane += r.len;
    }
    j->m->spread(to, j->panels * j->channels_in * j->m->width, j->channels_in * j->m->width,
                 d->rows, stride, bl_ceil(count, j->m->width), d->marks);
}

static void transform(const job *j, const desk *d, size_t group, size_t strip)
{
    size_t first = strip * j->panels * j->m->width;
    size_t count = BL_MIN(j->total - first, j->panels * j->m->width);
    memset(d->rows, 0, j->rows_len * sizeof(float));
    memset(d->lines, 0, j->lines_len * sizeof(float));
    memset(d->marks, 0, j->panels * j->m->width * sizeof(float));
    for (size_t c = 0; c < j->channels_in; c++)
        transform_channel(j, d, first, count,
                          j->conv.x +
                              (group * j->channels_in + c) * bl_window_in_size(&j->conv.window),
                          d->patches + c * j->m->width);
}

/* Products.  --------------------------------------------------------------------------------- */

static void finish_panel(const job *j, const desk *d, size_t channel, size_t channels, size_t first)
{
    const bl_window   *w = &j->conv.window;
    const bl_epilogue *e = &j->conv.epilogue;
    size_t             width = j->m->width, count = BL_MIN(j->total - first, width);
    for (size_t lane = 0; lane < count;) {
        run r = run_at(j, first + lane, lane, count - lane);
        for (size_t i = 0; i < 2 && 2 * r.y + i < w->out[1]; i++) {
            size_t at = r.image * j->conv.out_batch_stride + channel * j->pixels +
                        (2 * r.y + i) * w->out[2] + 2 * r.x;
            bl_finish f = { .out = j->conv.out + at,
                            .add = e->add ? e->add + at : NULL,
                            .mul = e->mul ? e->mul + at : NULL,
                            .stride = j->pixels,
                            .row_bias = e->bias ? e->bias + channel : NULL,
                            .act = e->act,
                            .a = e->a,
                            .b = e->b };
            j->m->finish(&f, d->out + i * 2 * width + 2 * lane, 4 * width, channels,
                         BL_MIN(2 * r.len, w->out[2] - 2 * r.x));
        }
        lane += r.len;
    }
}

static bool is_marked(const job *j, const desk *d, size_t panel)
{
    float sum = 0;
    for (size_t i = 0; i < j->m->width / 2; i++)
        sum += d->marks[panel * (j->m->width / 2) + i];
    return sum != 0; /* NaN */
}

void bl_winograd_restore(float to[9], const float *numbers, size_t stride)
{
    float across[4][3];
    for (size_t i = 0; i < 4; i++) {
        const float *row = numbers + 4 * i * stride;
        across[i][0] = row[0];
        across[i][1] = row[stride] - row[2 * stride];
        across[i][2] = row[3 * stride];
    }
    for (size_t x = 0; x < 3; x++) {
        to[x] = across[0][x];
        to[3 + x] = across[1][x] - across[2][x];
        to[6 + x] = across[3][x];
    }
}

/* One output pixel of one channel, or what one input channel gives to it. */
static float plain_sum(const bl_window *w, const float *image, const float filter[9], size_t y,
                       size_t x)
{
    float sum = 0;
    for (size_t tap = 0; tap < 9; tap++) {
        size_t row = y + tap / 3 - w->pad[1], col = x + tap % 3 - w->pad[2];
        if (row < w->in[1] && col < w->in[2]) /* below zero wraps to a large number */
            sum += filter[tap] * image[row * w->in[2] + col];
    }
    return sum;
}

/* The same as multiply_panel(), from the pixels as they are. */
static void plain_panel(const job *j, const desk *d, size_t group, const float *weights,
                        size_t first, size_t channels)
{
    const bl_window *w = &j->conv.window;
    size_t           width = j->m->width, count = BL_MIN(j->total - first, width);
    memset(d->out, 0, channels * 4 * width * sizeof(float));
    for (size_t c = 0; c < j->channels_in; c++)
        for (size_t r = 0; r < channels; r++) {
            float filter[9];
            bl_winograd_restore(filter, weights + c * j->unit + r, j->channels_in * j->unit);
            for (size_t lane = 0; lane < count; lane++) {
                run          at = run_at(j, first + lane, lane, 1);
                const float *image = j->conv.x + at.image * j->conv.x_batch_stride +
                                     (group * j->channels_in + c) * bl_window_in_size(w);
                for (size_t i = 0; i < 4; i++)
                    d->out[r * 4 * width + i / 2 * 2 * width + 2 * lane + i % 2] +=
                        plain_sum(w, image, filter, 2 * at.y + i / 2, 2 * at.x + i % 2);
            }
        }
}

/* `next`: whether the next unit's weights are fetched meanwhile. */
static void multiply_panel(const job *j, const desk *d, const float *weights, size_t panel,
                           size_t channels, bool next)
{
    size_t k = j->channels_in, width = j->m->width;
    for (size_t i = 0; i < NUMBERS; i++) {
        const float *right = d->patches + (i * j->panels + panel) * k * width;
        for (size_t at = 0; at < k; at += BL_K_BLOCK) {
            const float *slice = right + at * width, *left = weights + (i * k + at) * j->unit;
            j->m->tile(d->sums + i * BL_TILE_LEN, channels, BL_MIN(k - at, (size_t)BL_K_BLOCK),
                       left, 1, j->unit, slice, next ? left + NUMBERS * k * j->unit : slice,
                       BL_TILE_EASE + (at > 0));
        }
    }
    j->m->squares(d->out, d->sums, BL_TILE_LEN, channels);
}

static void multiply_unit(const job *j, const desk *d, size_t group, size_t strip, size_t unit)
{
    const bl_packed *w = j->conv.w;
    size_t           channel = unit * j->unit, width = j->m->width;
    size_t           channels = BL_MIN(j->unit, j->channels_out - channel);
    const float *weights = w->data + group * w->group_stride + channel * NUMBERS * j->channels_in;
    for (size_t panel = 0; panel < j->panels; panel++) {
        size_t first = (strip * j->panels + panel) * width;
        if (first >= j->total)
            return;
        if (is_marked(j, d, panel))
            plain_panel(j, d, group, weights, first, channels);
        else
            multiply_panel(j, d, weights, panel, channels,
                           first + width >= j->total || panel + 1 == j->panels);
        finish_panel(j, d, group * j->channels_out + channel, channels, first);
    }
}

static void conv_part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    desk       d = desk_of(j, (char *)j->conv.scratch + (size_t)worker * j->worker_size);
    size_t     strip = index / j->unit_parts, first = index % j->unit_parts * j->part_units;
    size_t     group = strip / j->strips;
    if (*d.held != strip + 1)
        transform(j, &d, group, strip % j->strips);
    *d.held = strip + 1;
    for (size_t u = first; u < BL_MIN(first + j->part_units, j->units); u++)
        multiply_unit(j, &d, group, strip % j->strips, u);
}

void bl_winograd_run(const bl_micro *m, const bl_conv *c, bl_pool *pool)
{
    const bl_window *w = &c->window;
    job              j;
    if (w->batch * w->channels_out * bl_window_out_size(w) == 0)
        return;
    plan(&j, m, c, c->w->width, bl_pool_threads(pool));
    for (int worker = 0; worker < bl_pool_threads(pool); worker++)
        *desk_of(&j, (char *)c->scratch + (size_t)worker * j.worker_size).held = 0;
    bl_pool_run(pool, conv_part, &j, w->groups * j.strips * j.unit_parts);
}

/* Packing.  ---------------------------------------------------------------------------------- */

/* g[3] at `step` becomes four numbers. */
static void transform_line(double out[4], const double *g, size_t step)
{
    out[0] = g[0];
    out[1] = (g[0] + g[step] + g[2 * step]) / 2;
    out[2] = (g[0] - g[step] + g[2 * step]) / 2;
    out[3] = g[2 * step];
}

void bl_winograd_filter(float *to, size_t stride, const float *filter)
{
    double g[9], across[3][4], column[4];
    for (size_t i = 0; i < 9; i++)
        g[i] = (double)filter[i];
    for (size_t y = 0; y < 3; y++)
        transform_line(across[y], g + 3 * y, 1);
    for (size_t x = 0; x < 4; x++) {
        transform_line(column, &across[0][x], 4);
        for (size_t y = 0; y < 4; y++)
            to[(4 * y + x) * stride] = (float)column[y];
    }
}

blind_code bl_winograd_pack(const bl_micro *m, const bl_window *w, const float *weights,
                            bl_packed **out, blind_error *err)
{
    size_t in = w->channels_in / w->groups, n = w->channels_out / w->groups, k;
    size_t unit = bl_even(n, m->rows);
    *out = NULL;
    if (!bl_mul(in, NUMBERS, &k))
        return blind_fail(err, BLIND_LIMIT, "nn.pack", "weights are too large");
    BL_TRY(bl_packed_new(k, n, w->groups, unit, BL_LAYOUT_PATCHES, out, err));
    for (size_t group = 0; group < w->groups; group++)
        for (size_t o = 0; o < n; o++)
            for (size_t c = 0; c < in; c++)
                bl_winograd_filter((*out)->data + group * (*out)->group_stride +
                                       (o / unit * k + c) * unit + o % unit,
                                   in * unit, weights + ((group * n + o) * in + c) * 9);
    return BLIND_OK;
}
