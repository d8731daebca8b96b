/* Winograd's F(2x2, 3x3), see winograd.c, with channels in the lanes: for images of so few patches
 * that they would leave lanes idle.
 *
 *     image    [row][column][channel], with zeros around: what a block of patches sees
 *     patches  [16][patch][channel]
 *     numbers  [16][patch][width]: their products, of one panel of output channels
 *     weights  [panel][16][channel][width]
 *
 * A block is some rows of patches; a worker transforms one for all panels that it does.  A block in
 * which anything is near infinity is summed plainly, tap by tap. */
#include "nn/winograd.h"

#define NUMBERS     16
#define BLOCK_BYTES ((size_t)5 << 18) /* of patches: what the second cache holds of them */
#define PARTS       2                 /* for each thread */
#define FEW_PATCHES 200               /* of an image */

typedef struct {
    const bl_micro *m;
    bl_conv         conv;                /* with the strides filled in */
    size_t          down, across, lanes; /* patches of an image; floats of a pixel */
    size_t          rows, blocks;        /* of patches in a block */
    size_t          panels, part_panels, panel_parts;
    size_t          image_len, patches_len, numbers_len, sums_len, turned_stride, restored_len;
    size_t          worker_len; /* floats */
} job;

/* The memory of one worker. */
typedef struct {
    float  *image, *patches, *numbers, *sums, *turned, *restored;
    size_t *held;  /* which block is transformed, from 1; 0: none */
    size_t *plain; /* whether it is not: something is near infinity */
} desk;

/* Rows of patches [y, y + rows) of one image. */
typedef struct {
    size_t image, y, rows;
} block;

bool bl_winograd_lanes_suit(const bl_micro *m, const bl_window *w)
{
    size_t patches = bl_ceil(w->out[1], 2) * bl_ceil(w->out[2], 2);
    return w->groups == 1 && 4 * w->channels_out >= 3 * m->width && patches <= FEW_PATCHES &&
           (w->batch == 1 || patches >= m->width);
}

static size_t whole_lines(size_t floats)
{
    return bl_ceil(floats, 16) * 16;
}

/* As many parts for each thread as there can be of one length: other ones leave a thread idle. */
static size_t panels_of_part(const job *j, size_t blocks, size_t threads)
{
    size_t most = threads > 1 ? bl_ceil(PARTS * threads, blocks) : 1;
    for (size_t parts = most; parts > 1; parts--)
        if (j->panels % parts == 0 && parts * blocks % threads == 0)
            return j->panels / parts;
    return bl_ceil(j->panels, BL_MIN(most, j->panels));
}

static void plan(job *j, const bl_micro *m, const bl_conv *c, int threads)
{
    const bl_window *w = &c->window;
    *j = (job){ .m = m, .conv = *c };
    if (!j->conv.x_batch_stride)
        j->conv.x_batch_stride = w->channels_in * bl_window_in_size(w);
    if (!j->conv.out_batch_stride)
        j->conv.out_batch_stride = w->channels_out * bl_window_out_size(w);
    j->down = bl_ceil(w->out[1], 2);
    j->across = bl_ceil(w->out[2], 2);
    j->lanes = whole_lines(w->channels_in);
    if (j->lanes % 256 == 0) /* rows of a tile would fall onto each other in the first cache */
        j->lanes += 16;
    size_t row = NUMBERS * j->across * j->lanes * sizeof(float);
    j->rows = bl_even(j->down, BL_MAX(BLOCK_BYTES / row, (size_t)1));
    j->blocks = bl_ceil(j->down, j->rows);
    j->panels = j->part_panels = bl_ceil(w->channels_out, m->width);
    j->part_panels = panels_of_part(j, w->batch * j->blocks, (size_t)threads);
    j->panel_parts = bl_ceil(j->panels, j->part_panels);
    size_t patches = j->rows * j->across, pixels = 2 * j->rows * w->out[2];
    j->image_len = (2 * j->rows + 2) * (2 * j->across + 2) * j->lanes;
    j->patches_len = NUMBERS * patches * j->lanes;
    j->numbers_len = NUMBERS * patches * m->width;
    j->sums_len = (pixels + m->rows) * m->width;
    j->turned_stride = bl_ceil(pixels, BL_MAX_WIDTH) * BL_MAX_WIDTH;
    j->restored_len = w->channels_in * m->width;
    j->worker_len = whole_lines(j->image_len + j->patches_len + j->numbers_len + j->sums_len +
                                j->turned_stride * m->width + j->restored_len) +
                    16;
    j->worker_len = bl_apart(j->worker_len * sizeof(float), threads) / sizeof(float);
}

static desk desk_of(const job *j, int worker)
{
    desk d = { .image = (float *)j->conv.scratch + j->worker_len * (size_t)worker };
    d.patches = d.image + j->image_len;
    d.numbers = d.patches + j->patches_len;
    d.sums = d.numbers + j->numbers_len;
    d.turned = d.sums + j->sums_len;
    d.restored = d.turned + j->turned_stride * j->m->width;
    d.held = (size_t *)(void *)(d.image + j->worker_len - 16);
    d.plain = d.held + 1;
    return d;
}

size_t bl_winograd_lanes_scratch(const bl_micro *m, const bl_window *w, int threads)
{
    job     alone, together; /* small convolutions run on one thread */
    bl_conv c = { .window = *w };
    if (w->batch * w->channels_out * bl_window_out_size(w) == 0)
        return 0;
    plan(&alone, m, &c, 1);
    plan(&together, m, &c, threads);
    return BL_MAX(alone.worker_len, together.worker_len * (size_t)threads) * sizeof(float);
}

/* Patches.  ---------------------------------------------------------------------------------- */

/* What a block sees, the channels of each pixel side by side. */
static void turn_image(const job *j, const desk *d, const block *b)
{
    const bl_window *w = &j->conv.window;
    const float     *x = j->conv.x + b->image * j->conv.x_batch_stride;
    size_t           wide = 2 * j->across + 2, lines = 2 * b->rows + 2, line = wide * j->lanes;
    size_t           pad = BL_MIN(w->pad[2], wide), cols = BL_MIN(w->in[2], wide - pad);
    memset(d->image, 0, lines * line * sizeof(float));
    for (size_t i = 0; i < lines; i++) {
        size_t row = 2 * b->y + i - w->pad[1]; /* above the image wraps to a large number */
        if (row < w->in[1])
            j->m->turn(d->image + i * line + pad * j->lanes, j->lanes, x + row * w->in[2],
                       w->in[1] * w->in[2], w->channels_in, cols);
    }
    *d->plain = !j->m->are_moderate(d->image, lines * line);
}

static void transform(const job *j, const desk *d, const block *b)
{
    size_t count = b->rows * j->across, line = (2 * j->across + 2) * j->lanes;
    turn_image(j, d, b);
    for (size_t i = 0; i < count && !*d->plain; i++)
        j->m->lane_patch(d->patches + i * j->lanes, count * j->lanes,
                         d->image + i / j->across * 2 * line + i % j->across * 2 * j->lanes, line,
                         j->lanes, whole_lines(j->conv.window.channels_in));
}

/* Products.  --------------------------------------------------------------------------------- */

static void finish_panel(const job *j, const desk *d, const block *b, size_t panel)
{
    const bl_window   *w = &j->conv.window;
    const bl_epilogue *e = &j->conv.epilogue;
    size_t             width = j->m->width, channel = panel * width;
    size_t             channels = BL_MIN(w->channels_out - channel, width);
    size_t             pixels = BL_MIN(2 * b->rows, w->out[1] - 2 * b->y) * w->out[2];
    size_t             plane = bl_window_out_size(w);
    size_t    at = b->image * j->conv.out_batch_stride + channel * plane + 2 * b->y * w->out[2];
    bl_finish f = { .out = j->conv.out + at,
                    .add = e->add ? e->add + at : NULL,
                    .mul = e->mul ? e->mul + at : NULL,
                    .stride = plane,
                    .row_bias = e->bias ? e->bias + channel : NULL,
                    .act = e->act,
                    .a = e->a,
                    .b = e->b };
    j->m->turn(d->turned, j->turned_stride, d->sums, width, pixels, channels);
    j->m->finish(&f, d->turned, j->turned_stride, channels, pixels);
}

/* One of the 16 products of a panel; `ahead`: the weights that come next. */
static void multiply_number(const job *j, const desk *d, size_t count, size_t number,
                            const float *weights)
{
    size_t width = j->m->width, most = bl_even(count, j->m->rows), in = j->conv.window.channels_in;
    size_t tiles = bl_ceil(count, most);
    for (size_t k0 = 0; k0 < in; k0 += BL_K_BLOCK) {
        size_t       k = BL_MIN(in - k0, (size_t)BL_K_BLOCK);
        const float *slice = weights + k0 * width;
        for (size_t i = 0; i < tiles; i++) {
            const float *ahead = slice + k * width;
            size_t       at = number * count + i * most;
            unsigned     ease = bl_tile_ease(i, tiles, k * width, slice, &ahead);
            j->m->tile(d->numbers + at * width, BL_MIN(most, count - i * most), k,
                       d->patches + at * j->lanes + k0, j->lanes, 1, slice, ahead, ease + (k0 > 0));
        }
    }
}

static void panel_by_patches(const job *j, const desk *d, const block *b, const float *weights)
{
    const bl_window *w = &j->conv.window;
    size_t           width = j->m->width, count = b->rows * j->across;
    for (size_t i = 0; i < NUMBERS; i++)
        multiply_number(j, d, count, i, weights + i * w->channels_in * width);
    for (size_t i = 0; i < count; i++) {
        size_t y = i / j->across * 2, x = i % j->across * 2;
        j->m->lane_squares(d->sums + (y * w->out[2] + x) * width, w->out[2] * width,
                           w->out[1] - 2 * b->y - y, w->out[2] - x, d->numbers + i * width,
                           count * width);
    }
}

/* The same from the pixels as they are: the sum of nine products, one for each tap. */
static void panel_by_taps(const job *j, const desk *d, const block *b, const float *weights)
{
    const bl_window *w = &j->conv.window;
    size_t           width = j->m->width, in = w->channels_in, line = 2 * j->across + 2;
    size_t           rows = BL_MIN(2 * b->rows, w->out[1] - 2 * b->y);
    size_t           most = bl_even(w->out[2], j->m->rows);
    for (size_t tap = 0; tap < 9; tap++) {
        for (size_t i = 0; i < in * width; i++) {
            float filter[9];
            bl_winograd_restore(filter, weights + i, in * width);
            d->restored[i] = filter[tap];
        }
        for (size_t y = 0; y < rows; y++)
            for (size_t x = 0; x < w->out[2]; x += most)
                j->m->tile(d->sums + (y * w->out[2] + x) * width, BL_MIN(most, w->out[2] - x), in,
                           d->image + ((y + tap / 3) * line + x + tap % 3) * j->lanes, j->lanes, 1,
                           d->restored, d->restored, tap > 0 ? BL_TILE_MORE : 0);
    }
}

static void lanes_part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    desk       d = desk_of(j, worker);
    size_t     which = index / j->panel_parts, y = which % j->blocks * j->rows;
    size_t     first = index % j->panel_parts * j->part_panels;
    block      b = { .image = which / j->blocks, .y = y, .rows = BL_MIN(j->rows, j->down - y) };
    if (*d.held != which + 1)
        transform(j, &d, &b);
    *d.held = which + 1;
    for (size_t p = first; p < BL_MIN(first + j->part_panels, j->panels); p++) {
        const float *weights =
            j->conv.w->data + p * NUMBERS * j->conv.window.channels_in * j->m->width;
        (*d.plain ? panel_by_taps : panel_by_patches)(j, &d, &b, weights);
        finish_panel(j, &d, &b, p);
    }
}

void bl_winograd_lanes_run(const bl_micro *m, const bl_conv *c, bl_pool *pool)
{
    job j;
    plan(&j, m, c, bl_pool_threads(pool));
    for (int worker = 0; worker < bl_pool_threads(pool); worker++)
        *desk_of(&j, worker).held = 0;
    bl_pool_run(pool, lanes_part, &j, c->window.batch * j.blocks * j.panel_parts);
}

#define SOME 8 /* input channels, packed together */

/* The filters of `width` output channels, [tap][width], as 16 numbers each, `stride` apart: sums in
 * double precision, as bl_winograd_filter(). */
static void transform_filters(float *restrict to, size_t stride, const float *restrict taps,
                              size_t width)
{
    for (size_t l = 0; l < width; l++) {
        double r[4][3];
        for (size_t x = 0; x < 3; x++) {
            double a = (double)taps[x * width + l], b = (double)taps[(3 + x) * width + l];
            double c = (double)taps[(6 + x) * width + l];
            r[0][x] = a;
            r[1][x] = (a + b + c) / 2;
            r[2][x] = (a - b + c) / 2;
            r[3][x] = c;
        }
        for (size_t y = 0; y < 4; y++) {
            to[(4 * y) * stride + l] = (float)r[y][0];
            to[(4 * y + 1) * stride + l] = (float)((r[y][0] + r[y][1] + r[y][2]) / 2);
            to[(4 * y + 2) * stride + l] = (float)((r[y][0] - r[y][1] + r[y][2]) / 2);
            to[(4 * y + 3) * stride + l] = (float)r[y][2];
        }
    }
}

/* Input channels [c, c + count) of one panel.  Numbers of many channels lie at strides that fall
 * onto each other in the caches: they are brought there some channels at a time. */
static void pack_some(const bl_micro *m, float *to, const float *weights, size_t in, size_t c,
                      size_t count, size_t channels)
{
    float  taps[9 * BL_MAX_WIDTH] = { 0 }, numbers[NUMBERS * SOME * BL_MAX_WIDTH];
    size_t width = m->width;
    for (size_t i = 0; i < count; i++) {
        m->turn(taps, width, weights + (c + i) * 9, in * 9, channels, 9);
        transform_filters(numbers + i * width, SOME * width, taps, width);
    }
    for (size_t i = 0; i < NUMBERS; i++)
        memcpy(to + (i * in + c) * width, numbers + i * SOME * width,
               count * width * sizeof(float));
}

blind_code bl_winograd_lanes_pack(const bl_micro *m, const bl_window *w, const float *weights,
                                  bl_packed **out, blind_error *err)
{
    size_t in = w->channels_in, n = w->channels_out, width = m->width, k;
    *out = NULL;
    if (!bl_mul(in, NUMBERS, &k))
        return blind_fail(err, BLIND_LIMIT, "nn.pack", "weights are too large");
    BL_TRY(bl_packed_new(k, n, 1, width, BL_LAYOUT_PATCH_LANES, out, err));
    for (size_t o = 0; o < n; o += width)
        for (size_t c = 0; c < in; c += SOME)
            pack_some(m, (*out)->data + o * NUMBERS * in, weights + o * in * 9, in, c,
                      BL_MIN(in - c, (size_t)SOME), BL_MIN(width, n - o));
    return BLIND_OK;
}
