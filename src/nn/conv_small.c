/* Convolutions of small images: there unfolding takes as long as the products.
 *
 * An image is copied once, with zeros around it.  Neighbouring pixels of one output row are the
 * rows of a tile, read from that copy as they lie; output channels are its columns:
 *
 *     padded   [channel][row][column]
 *     sums     [pixel][width], of all the image and one panel of output channels
 *     weights  [panel][channel][ky][kx][width], as of products with channels in the lanes
 *
 * The sums are turned and finished together. */
#include "nn/conv_small.h"

#define MOST_PRODUCTS 5e5   /* of an image: beyond, wider tiles repay their packing */
#define MOST_PADDED   32768 /* floats of the copy */
#define MOST_PIXELS   1024  /* of output */
#define SHARED        3e5   /* products that are worth a second thread */

typedef struct {
    const bl_micro *m;
    bl_conv         conv; /* with the strides filled in */
    bl_walk         walk;
    size_t          lines, pixels, panels;
    size_t          padded_len, sums_len, turned_stride, worker_len; /* floats */
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

static void plan(job *j, const bl_micro *m, const bl_conv *c)
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
}

size_t bl_small_scratch(const bl_micro *m, const bl_window *w, int threads)
{
    job     j;
    bl_conv c = { .window = *w };
    plan(&j, m, &c);
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
                            weights);
    finish_image(j, image, panel, sums, sums + j->sums_len);
}

static void small_part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    float     *padded = (float *)j->conv.scratch + j->worker_len * (size_t)worker;
    pad_image(j, index / j->panels, padded);
    run_panel(j, index / j->panels, index % j->panels, padded);
}

void bl_small_run(const bl_micro *m, const bl_conv *c, bl_pool *pool)
{
    const bl_window *w = &c->window;
    job              j;
    plan(&j, m, c);
    double products = (double)(w->batch * w->channels_out * j.pixels) * (double)c->w->k;
    if (products >= SHARED && w->batch * j.panels > 1 && bl_pool_threads(pool) > 1) {
        bl_pool_run(pool, small_part, &j, w->batch * j.panels);
        return;
    }
    for (size_t image = 0; image < w->batch; image++) {
        pad_image(&j, image, j.conv.scratch);
        for (size_t panel = 0; panel < j.panels; panel++)
            run_panel(&j, image, panel, j.conv.scratch);
    }
}
