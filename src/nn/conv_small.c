/* Convolutions of small images: there unfolding takes as long as the products.
 *
 * An image is copied once, with zeros around it.  Neighbouring pixels of one output row are the
 * rows of a tile, read from that copy as they lie; output channels are its columns:
 *
 *     padded   [channel][row][column]
 *     sums     [pixel][width], of all the image and one panel of output channels
 *     weights  [panel][channel][ky][kx][width], as of products with channels in the lanes
 *
 * The sums are turned and finished together.
 *
 * Filters of 3x3 over many channels go by Winograd's F(2x2, 3x3), see winograd.c, with the channels
 * in the lanes: patches are few here and would leave lanes idle.
 *
 *     turned   [row][column][channel], with zeros around
 *     patches  [16][patch][channel]
 *     numbers  [16][patch][width]: their products, of one panel
 *
 * An image in which anything is near infinity goes the plain way. */
#include "nn/conv_small.h"
#include "nn/winograd.h"

#define MOST_PRODUCTS 5e5   /* of an image: beyond, wider tiles repay their packing */
#define MOST_PADDED   32768 /* floats of the copy */
#define NUMBERS       16    /* of a transformed patch */
#define LEAST         16    /* channels in and out, for the transforms to be worth it */
#define LARGE         1e5f  /* of a weight */
#define MOST_PIXELS   1024  /* of output */
#define SHARED        3e5   /* products that are worth a second thread */

typedef struct {
    const bl_micro *m;
    bl_conv         conv; /* with the strides filled in */
    bl_walk         walk;
    size_t          lines, pixels, panels;
    size_t          padded_len, sums_len, turned_stride, worker_len; /* floats */
    bool            by_squares;
    size_t          down, across, lanes; /* squares of an image; channels of a pixel */
    size_t          image_len, patches_len, numbers_len;
} job;

/* What windows reach over along an axis, with the pads. */
static double reach(const bl_window *w, int axis)
{
    return ((double)w->out[axis] - 1) * (double)w->stride[axis] +
           ((double)w->kernel[axis] - 1) * (double)w->dilation[axis] + 1;
}

bool bl_small_suits(const bl_micro *m, const bl_window *w)
{
    if (w->groups != 1 || w->in[0] != 1 || w->out[0] != 1 || w->kernel[0] != 1 ||
        w->channels_out == 0 || w->channels_in == 0 || bl_window_out_size(w) == 0 ||
        bl_window_kernel_size(w) <= 1)
        return false;
    double pixels = (double)w->out[1] * (double)w->out[2], in = (double)w->channels_in;
    double taps = (double)w->kernel[1] * (double)w->kernel[2];
    return 2 * bl_even(w->out[2], m->rows) >= m->rows && pixels <= MOST_PIXELS &&
           pixels * in * taps * (double)w->channels_out <= MOST_PRODUCTS &&
           in * reach(w, 1) * reach(w, 2) <= MOST_PADDED;
}

static size_t whole_lines(size_t floats)
{
    return bl_ceil(floats, 16) * 16;
}

static void plan_squares(job *j)
{
    const bl_window *w = &j->conv.window;
    j->down = bl_ceil(w->out[1], 2);
    j->across = bl_ceil(w->out[2], 2);
    j->lanes = bl_ceil(w->channels_in, 16) * 16;
    j->image_len = (2 * j->down + 2) * (2 * j->across + 2) * j->lanes;
    j->patches_len = NUMBERS * j->down * j->across * j->lanes;
    j->numbers_len = NUMBERS * j->down * j->across * j->m->width;
    j->worker_len += j->image_len + j->patches_len + whole_lines(j->numbers_len);
}

static void plan(job *j, const bl_micro *m, const bl_conv *c, bool by_squares)
{
    const bl_window *w = &c->window;
    *j = (job){ .m = m, .conv = *c, .pixels = bl_window_out_size(w) };
    if (!j->conv.x_batch_stride)
        j->conv.x_batch_stride = w->channels_in * bl_window_in_size(w);
    if (!j->conv.out_batch_stride)
        j->conv.out_batch_stride = w->channels_out * j->pixels;
    j->lines = (size_t)reach(w, 1);
    j->walk = (bl_walk){ .channels = w->channels_in,
                         .kernel = { w->kernel[1], w->kernel[2] },
                         .line = (size_t)reach(w, 2),
                         .right = w->dilation[2],
                         .step = w->stride[2] };
    j->walk.down = w->dilation[1] * j->walk.line;
    j->walk.plane = j->lines * j->walk.line;
    j->panels = bl_ceil(w->channels_out, m->width);
    j->padded_len = whole_lines(w->channels_in * j->walk.plane);
    j->sums_len = whole_lines(j->pixels * m->width);
    j->turned_stride = bl_ceil(j->pixels, BL_MAX_WIDTH) * BL_MAX_WIDTH;
    j->worker_len = j->padded_len + j->sums_len + m->width * j->turned_stride;
    j->by_squares = by_squares;
    if (by_squares)
        plan_squares(j);
}

size_t bl_small_scratch(const bl_micro *m, const bl_window *w, const bl_packed *packed, int threads)
{
    job     j;
    bl_conv c = { .window = *w };
    plan(&j, m, &c, packed->layout == BL_LAYOUT_SQUARES);
    return j.worker_len * (size_t)threads * sizeof(float);
}

static void pad_image(const job *j, size_t image, float *to)
{
    const bl_window *w = &j->conv.window;
    const float     *x = j->conv.x + image * j->conv.x_batch_stride;
    size_t           pad = BL_MIN(w->pad[2], j->walk.line);
    size_t           len = BL_MIN(w->in[2], j->walk.line - pad);
    memset(to, 0, j->padded_len * sizeof *to);
    for (size_t c = 0; c < w->channels_in; c++, x += w->in[1] * w->in[2], to += j->walk.plane)
        for (size_t y = 0; y < w->in[1] && y + w->pad[1] < j->lines; y++) {
            const float *from = x + y * w->in[2];
            float       *line = to + (y + w->pad[1]) * j->walk.line + pad;
            for (size_t i = 0; i < len; i++)
                line[i] = from[i];
        }
}

static void finish_image(const job *j, size_t image, size_t panel, float *sums, float *turned)
{
    const bl_epilogue *e = &j->conv.epilogue;
    size_t             width = j->m->width, channel = panel * width;
    size_t             channels = BL_MIN(j->conv.window.channels_out - channel, width);
    size_t             at = image * j->conv.out_batch_stride + channel * j->pixels;
    bl_finish          f = { .out = j->conv.out + at,
                             .add = e->add ? e->add + at : NULL,
                             .mul = e->mul ? e->mul + at : NULL,
                             .stride = j->pixels,
                             .row_bias = e->bias ? e->bias + channel : NULL,
                             .act = e->act,
                             .a = e->a,
                             .b = e->b };
    j->m->turn(turned, j->turned_stride, sums, width, j->pixels, channels);
    j->m->finish(&f, turned, j->turned_stride, channels, j->pixels);
}

/* One panel of output channels of one image. */
static void run_panel(const job *j, size_t image, size_t panel, float *padded)
{
    const bl_window *w = &j->conv.window;
    size_t           width = j->m->width, most = bl_even(w->out[2], j->m->rows);
    float           *sums = padded + j->padded_len;
    const float     *weights = j->conv.w->data + panel * width * j->conv.w->k;
    for (size_t y = 0; y < w->out[1]; y++)
        for (size_t x = 0; x < w->out[2]; x += most)
            j->m->tile_walk(sums + (y * w->out[2] + x) * width, BL_MIN(most, w->out[2] - x),
                            padded + y * w->stride[1] * j->walk.line + x * w->stride[2], &j->walk,
                            weights, false);
    finish_image(j, image, panel, sums, sums + j->sums_len);
}

/* By squares.  ------------------------------------------------------------------------------- */

static float *image_of(const job *j, float *padded)
{
    return padded + j->padded_len + j->sums_len + j->m->width * j->turned_stride;
}

/* False, and nothing is done, where something is near infinity. */
static bool turn_image(const job *j, size_t image, float *to)
{
    const bl_window *w = &j->conv.window;
    const float     *x = j->conv.x + image * j->conv.x_batch_stride;
    size_t           wide = 2 * j->across + 2, pad = BL_MIN(w->pad[2], wide);
    size_t           plane = w->in[1] * w->in[2], cols = BL_MIN(w->in[2], wide - pad);
    memset(to, 0, j->image_len * sizeof *to);
    for (size_t y = 0; y < w->in[1] && y + w->pad[1] < 2 * j->down + 2; y++)
        j->m->turn(to + ((y + w->pad[1]) * wide + pad) * j->lanes, j->lanes, x + y * w->in[2],
                   plane, w->channels_in, cols);
    return j->m->are_moderate(to, j->image_len);
}

static bool make_patches(const job *j, size_t image, float *padded)
{
    float *turned = image_of(j, padded), *to = turned + j->image_len;
    size_t count = j->down * j->across, line = (2 * j->across + 2) * j->lanes;
    if (!turn_image(j, image, turned))
        return false;
    for (size_t i = 0; i < count; i++)
        j->m->lane_patch(to + i * j->lanes, count * j->lanes,
                         turned + i / j->across * 2 * line + i % j->across * 2 * j->lanes, line,
                         j->lanes, j->lanes);
    return true;
}

static void panel_by_squares(const job *j, size_t image, size_t panel, float *padded)
{
    const bl_window *w = &j->conv.window;
    size_t           width = j->m->width, count = j->down * j->across;
    size_t           most = bl_even(count, j->m->rows), in = w->channels_in;
    float           *sums = padded + j->padded_len, *patches = image_of(j, padded) + j->image_len;
    float           *numbers = patches + j->patches_len;
    const float     *weights = j->conv.w->data + (j->panels * 9 + panel * NUMBERS) * in * width;
    for (size_t i = 0; i < NUMBERS; i++)
        for (size_t at = 0; at < count; at += most)
            j->m->tile(numbers + (i * count + at) * width, BL_MIN(most, count - at), in,
                       patches + (i * count + at) * j->lanes, j->lanes, 1, weights + i * in * width,
                       weights + i * in * width, 0);
    for (size_t i = 0; i < count; i++) {
        size_t y = i / j->across * 2, x = i % j->across * 2;
        j->m->lane_squares(sums + (y * w->out[2] + x) * width, w->out[2] * width, w->out[1] - y,
                           w->out[2] - x, numbers + i * width, count * width);
    }
    finish_image(j, image, panel, sums, sums + j->sums_len);
}

static void run_panels(const job *j, size_t image, size_t first, size_t last, float *padded)
{
    bool by_squares = j->by_squares && make_patches(j, image, padded);
    if (!by_squares)
        pad_image(j, image, padded);
    for (size_t panel = first; panel < last; panel++)
        (by_squares ? panel_by_squares : run_panel)(j, image, panel, padded);
}

bool bl_small_by_squares(const bl_micro *m, const bl_window *w, const float *weights)
{
    size_t len = w->channels_out * w->channels_in * bl_window_kernel_size(w);
    bool   moderate = bl_small_suits(m, w) && bl_winograd_can(m, w) && w->channels_in >= LEAST &&
                    w->channels_out >= LEAST && w->out[1] > 1;
    for (size_t i = 0; moderate && i < len; i++)
        moderate = weights[i] > -LARGE && weights[i] < LARGE;
    return moderate;
}

/* The 16 numbers of one filter: G g G^T, G = { 1, 0, 0 }, { h, h, h }, { h, -h, h }, { 0, 0, 1 }
 * with h a half. */
static void transform_filter(const float *g, float *to, size_t stride)
{
    double rows[4][3];
    for (size_t x = 0; x < 3; x++) {
        double a = (double)g[x], b = (double)g[3 + x], c = (double)g[6 + x];
        rows[0][x] = a;
        rows[1][x] = (a + b + c) / 2;
        rows[2][x] = (a - b + c) / 2;
        rows[3][x] = c;
    }
    for (size_t y = 0; y < 4; y++) {
        double a = rows[y][0], b = rows[y][1], c = rows[y][2];
        to[(4 * y) * stride] = (float)a;
        to[(4 * y + 1) * stride] = (float)((a + b + c) / 2);
        to[(4 * y + 2) * stride] = (float)((a - b + c) / 2);
        to[(4 * y + 3) * stride] = (float)c;
    }
}

/* Larger images read them as COLUMNS: [panel][channel][tap][width], then
 * [panel][16][channel][width]. */
blind_code bl_small_pack(const bl_micro *m, const bl_window *w, const float *weights,
                         bl_packed **out, blind_error *err)
{
    size_t in = w->channels_in, n = w->channels_out, k = in * 9, width = m->width;
    BL_TRY(bl_packed_new(in * (9 + NUMBERS), n, 1, width, BL_LAYOUT_SQUARES, out, err));
    (*out)->k = k;
    float *numbers = (*out)->data + bl_ceil(n, width) * width * k;
    memset((*out)->data, 0, (*out)->size);
    for (size_t channel = 0; channel < n; channel += width)
        m->turn((*out)->data + channel * k, width, weights + channel * k, k,
                BL_MIN(width, n - channel), k);
    for (size_t channel = 0; channel < n; channel++)
        for (size_t c = 0; c < in; c++)
            transform_filter(weights + channel * k + c * 9,
                             numbers + (channel / width * NUMBERS * in + c) * width +
                                 channel % width,
                             in * width);
    return BLIND_OK;
}

/* Running.  ---------------------------------------------------------------------------------- */

static void small_part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    float     *padded = (float *)j->conv.scratch + j->worker_len * (size_t)worker;
    run_panels(j, index / j->panels, index % j->panels, index % j->panels + 1, padded);
}

void bl_small_run(const bl_micro *m, const bl_conv *c, bl_pool *pool)
{
    const bl_window *w = &c->window;
    job              j;
    plan(&j, m, c, c->w->layout == BL_LAYOUT_SQUARES);
    double products = (double)(w->batch * w->channels_out * j.pixels) *
                      (double)(w->channels_in * bl_window_kernel_size(w));
    if (products >= SHARED && w->batch * j.panels > 1 && bl_pool_threads(pool) > 1) {
        bl_pool_run(pool, small_part, &j, w->batch * j.panels);
        return;
    }
    for (size_t image = 0; image < w->batch; image++)
        run_panels(&j, image, 0, j.panels, c->scratch);
}
