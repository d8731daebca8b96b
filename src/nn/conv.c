/* Convolutions as products, without ever writing the unfolded input to memory.
 *
 * Two ways to lay the product over the lanes, chosen when weights are packed:
 *   pixels in the lanes    weights are spread, [tile of channels][k][rows]; pixels are packed by
 * the panel as they are needed: large images channels in the lanes  weights are panels,
 * [panel][k][width]; pixels are packed by the tile and the finished tile is turned: small images,
 * whose rows would leave lanes idle k counts input channels and taps, taps innermost; it is cut
 * between channels. */
#include "nn/conv_lines.h"
#include "nn/conv_small.h"
#include "nn/winograd.h"

#define MAX_PANELS       4     /* of pixels, or tiles of them, in one part */
#define MAX_TILES        16    /* of pixels in one part, where channels are in the lanes */
#define MAX_CHANNELS     256   /* of output in one part, where sums are kept between blocks of k */
#define K_BLOCK          256   /* products summed at once */
#define MAX_SUMS         100   /* tiles of them that are kept between blocks of k */
#define SMALL            30000 /* products not worth a second thread */
#define DEPTHWISE_PIXELS 4096  /* worth a part */
#define FEW_PIXELS       400   /* of an image: channels go into the lanes */
#define FEW_UNITS        6     /* of a thread: they do not repay packing pixels that lie in rows */
#define HELD_SIZE        ((size_t)1 << 20) /* of packed pixels that are kept in the second cache */
#define UNIT_PARTS       4                 /* of each thread that keeps them */
#define MANY_UNITS       8                 /* of a thread: they repay keeping them */

typedef struct {
    const bl_micro *m;
    const bl_conv  *c;
    bl_conv         conv;                            /* with the strides filled in */
    size_t          taps, channels_in, channels_out; /* of one group */
    size_t          pixels;
    size_t          strip, strips; /* pixels of one panel or tile, and how many there are */
    size_t          part_strips, pixel_parts;
    size_t          unit, units; /* channels of one tile or panel, and how many there are */
    size_t          part_units, channel_parts;
    size_t          block;      /* input channels packed at once */
    bool            flat;       /* one tap that meets every pixel */
    bool            as_it_lies; /* so that pixels need no packing */
    bool            held;       /* all channels of a part at once, for all units one by one */
    bool            once;       /* no sums are kept: a tile is finished as soon as it is summed */
    size_t          tiles;      /* whose sums are kept */
    size_t          turned_len; /* floats: the pixels of a part */
    size_t          packed_size, sums_size, worker_size; /* bytes */
} conv_job;

static bool is_depthwise(const bl_window *w)
{
    return w->groups > 1 && w->groups == w->channels_in && w->groups == w->channels_out;
}

/* A window of one tap and stride 1 without pads sees the image as one long row. */
static bool is_flat(const bl_window *w)
{
    for (int axis = 0; axis < 3; axis++)
        if (w->kernel[axis] != 1 || w->stride[axis] != 1 || w->pad[axis] != 0 ||
            w->in[axis] != w->out[axis])
            return false;
    return true;
}

static size_t held_size(const conv_job *j)
{
    return bl_ceil(j->channels_in * j->taps * j->strip * sizeof(float), 64) * 64 + 64;
}

/* Channels in the lanes.  A panel of weights serves all strips of a part while the first cache has
 * it.  Where weights are more than pixels each is read by one thread, which packs all pixels. */
static void split_columns(conv_job *j, int threads)
{
    size_t images = j->conv.window.batch * j->conv.window.groups;
    size_t wanted = images < (size_t)threads ? bl_ceil((size_t)threads, images) : 1;
    size_t each = j->units, parts = 1; /* each: units that a thread does */
    if (2 * j->channels_out > 3 * j->pixels && j->units >= wanted) {
        each = bl_ceil(j->units, wanted);
        parts = wanted > 1 ? UNIT_PARTS : 1;
        wanted = 1;
    }
    j->part_strips = bl_even(j->strips, BL_MIN(bl_ceil(j->strips, wanted), (size_t)MAX_TILES));
    j->as_it_lies = j->flat && each <= FEW_UNITS;
    j->held = j->as_it_lies || (each >= MANY_UNITS && j->part_strips * held_size(j) <= HELD_SIZE);
    while (parts > 1 && (!j->held || each % parts != 0)) /* uneven ones leave a thread idle */
        parts--;
    j->part_units = each / parts;
    if (!j->once && !j->held)
        j->part_units = bl_even(j->part_units, BL_MAX(MAX_SUMS / j->part_strips, (size_t)1));
    j->pixel_parts = bl_ceil(j->strips, j->part_strips);
    j->channel_parts = bl_ceil(j->units, j->part_units);
}

static void split(conv_job *j, const bl_packed *packed, int threads)
{
    const bl_micro *m = j->m;
    bool            spread = packed->layout == BL_LAYOUT_BROADCAST;
    j->strip = spread ? m->width : bl_even(j->pixels, m->rows);
    j->strips = bl_ceil(j->pixels, j->strip);
    j->unit = packed->width;
    j->units = bl_ceil(j->channels_out, j->unit);
    if (!spread) {
        split_columns(j, threads);
        return;
    }
    size_t images = j->conv.window.batch * j->conv.window.groups, wanted = 4 * (size_t)threads;
    j->part_units = j->units;
    if (!j->once)
        j->part_units = bl_even(j->units, BL_MAX(MAX_CHANNELS / j->unit, (size_t)1));
    j->channel_parts = bl_ceil(j->units, j->part_units);
    size_t most = j->strips * j->channel_parts * images / wanted;
    j->part_strips = bl_even(j->strips, BL_MAX(BL_MIN(most, (size_t)MAX_PANELS), (size_t)1));
    j->pixel_parts = bl_ceil(j->strips, j->part_strips);
    if (images * j->pixel_parts * j->channel_parts < wanted && threads > 1) {
        size_t parts = bl_ceil(wanted, images * j->pixel_parts);
        j->part_units = BL_MAX(j->units / BL_MIN(parts, j->units), (size_t)1);
        j->channel_parts = bl_ceil(j->units, j->part_units);
    }
}

static void plan(conv_job *j, const bl_micro *m, const bl_conv *c, const bl_packed *packed,
                 int threads)
{
    const bl_window *w = &c->window;
    *j = (conv_job){ .m = m, .c = c, .conv = *c };
    j->taps = bl_window_kernel_size(w);
    j->channels_in = w->channels_in / w->groups;
    j->channels_out = w->channels_out / w->groups;
    j->pixels = bl_window_out_size(w);
    if (!j->conv.x_batch_stride)
        j->conv.x_batch_stride = w->channels_in * bl_window_in_size(w);
    if (!j->conv.out_batch_stride)
        j->conv.out_batch_stride = w->channels_out * j->pixels;
    if (packed->layout == BL_LAYOUT_DEPTHWISE || w->batch * w->channels_out * j->pixels == 0)
        return;
    j->block = bl_even(j->channels_in, BL_MAX(K_BLOCK / j->taps, (size_t)1));
    j->once = j->block >= j->channels_in;
    j->flat = is_flat(w);
    split(j, packed, threads);
    size_t strip = bl_ceil(j->block * j->taps * j->strip * sizeof(float), 64) * 64 + 64;
    j->packed_size = j->as_it_lies ? 0 : j->part_strips * (j->held ? held_size(j) : strip);
    j->tiles = j->once ? 1 : j->part_strips * (j->held ? 1 : j->part_units);
    j->sums_size = j->tiles * BL_TILE_SIZE + 64;
    j->turned_len = bl_ceil(j->part_strips * j->strip, BL_MAX_WIDTH) * BL_MAX_WIDTH;
    if (packed->layout != BL_LAYOUT_BROADCAST)
        j->sums_size += j->unit * j->turned_len * sizeof(float);
    j->worker_size = bl_apart(j->packed_size + j->sums_size, threads);
}

static bool is_small(const bl_micro *m, const bl_window *w, const bl_packed *packed)
{
    return (packed->layout == BL_LAYOUT_SQUARES || packed->layout == BL_LAYOUT_COLUMNS) &&
           bl_small_suits(m, w);
}

size_t bl_conv_scratch(const bl_micro *m, const bl_window *w, const bl_packed *packed, int threads)
{
    conv_job alone, together; /* small convolutions run on one thread */
    bl_conv  c = { .window = *w, .w = packed };
    if (packed->layout == BL_LAYOUT_PATCHES)
        return bl_winograd_scratch(m, w, packed, threads);
    if (packed->layout == BL_LAYOUT_PATCH_LANES)
        return bl_winograd_lanes_scratch(m, w, threads);
    if (packed->layout == BL_LAYOUT_LINES)
        return bl_lines_scratch(m, w, threads);
    if (is_small(m, w, packed))
        return bl_small_scratch(m, w, packed, threads);
    plan(&alone, m, &c, packed, 1);
    plan(&together, m, &c, packed, threads);
    return BL_MAX(alone.worker_size, together.worker_size * (size_t)threads);
}

/* The pixels [first, first + strip) as runs of output rows; returns how many. */
static size_t runs_of(const conv_job *j, size_t first, bl_run runs[BL_MAX_WIDTH + 1])
{
    const size_t *out = j->conv.window.out;
    size_t        count = 0, lane = 0;
    while (lane < j->strip) {
        size_t at = first + lane;
        bl_run run = { .lane = lane, .len = j->strip - lane, .absent = at >= j->pixels };
        if (!run.absent) {
            run.x = at % out[2];
            run.y = at / out[2] % out[1];
            run.z = at / out[2] / out[1];
            run.len = BL_MIN(run.len, out[2] - run.x);
        }
        lane += run.len;
        runs[count++] = run;
    }
    return count;
}

typedef struct {
    bl_fetching *next;
    size_t       image, group;
    size_t       first_strip, last_strip, first_unit, last_unit;
    float       *packed, *sums, *turned;
} part;

/* Which pixels a worker has packed, from 1; 0: none. */
static size_t *held_by(const conv_job *j, int worker)
{
    return (size_t *)((char *)j->conv.scratch + (size_t)(worker + 1) * j->worker_size - 64);
}

/* Applies the epilogue to sums [channel][pixel] of a unit, from pixel `pixel` on. */
static void finish_unit(const conv_job *j, const part *p, size_t unit, size_t pixel, size_t pixels,
                        const float *sums, size_t stride)
{
    const bl_epilogue *e = &j->conv.epilogue;
    size_t             channel = p->group * j->channels_out + unit * j->unit;
    size_t             at = p->image * j->conv.out_batch_stride + channel * j->pixels + pixel;
    bl_finish          f = { .out = j->conv.out + at,
                             .add = e->add ? e->add + at : NULL,
                             .mul = e->mul ? e->mul + at : NULL,
                             .stride = j->pixels,
                             .row_bias = e->bias ? e->bias + channel : NULL,
                             .act = e->act,
                             .a = e->a,
                             .b = e->b };
    j->m->finish(&f, sums, stride, BL_MIN(j->unit, j->channels_out - unit * j->unit), pixels);
}

/* What of a part's panels is multiplied after k rows of this one: more of it, or the next panel's,
 * or more of the first one's. */
static const float *weights_after(const conv_job *j, const part *p, size_t unit, size_t k0,
                                  size_t k)
{
    const bl_packed *w = j->c->w;
    const float     *group = w->data + p->group * w->group_stride;
    if (j->held)
        return group + unit * j->unit * w->k + (k0 + k) * j->unit;
    if (unit + 1 < p->last_unit)
        return group + (unit + 1) * j->unit * w->k + k0 * j->unit;
    return group + p->first_unit * j->unit * w->k + (k0 + k) * j->unit;
}

/* What follows channels [.., end) of a part whose windows see one pixel each: more channels of its
 * pixels, or the pixels of the part after it. */
static bl_fetching fetching_after(const conv_job *j, const part *p, size_t end)
{
    size_t first = p->first_strip * j->strip, strips = p->last_strip - p->first_strip;
    size_t pixels = BL_MIN(strips * j->strip, j->pixels - first);
    size_t tiles = strips * (p->last_unit - p->first_unit);
    if (!j->flat)
        return (bl_fetching){ 0 };
    if (end == j->channels_in) {
        end = 0;
        first += pixels;
        pixels = BL_MIN(pixels, j->pixels - first);
        if (p->last_unit < j->units || pixels == 0)
            return (bl_fetching){ 0 };
    }
    bl_fetching f = { .plane = bl_window_in_size(&j->conv.window),
                      .lines = bl_ceil(pixels, BL_LINE) + 1,
                      .channels = BL_MIN(j->block, j->channels_in - end) };
    f.at = j->conv.x + p->image * j->conv.x_batch_stride +
           (p->group * j->channels_in + end) * f.plane + first;
    f.each = bl_ceil(f.lines * f.channels, tiles);
    return f;
}

/* One tile of sums: strip `strip` by unit `unit`, k products from k0 on. */
static void multiply_part(const conv_job *j, const part *p, size_t strip, size_t unit, size_t k0,
                          size_t k)
{
    const bl_packed *w = j->c->w;
    size_t           s = strip - p->first_strip, u = unit - p->first_unit;
    size_t           strips = p->last_strip - p->first_strip;
    float           *sums = p->sums + (j->once ? 0 : j->held ? s : u * strips + s) * BL_TILE_LEN;
    size_t           step = j->strip;
    const float     *weights =
        w->data + p->group * w->group_stride + unit * j->unit * w->k + k0 * j->unit;
    const float *pixels = p->packed + s * (j->packed_size / j->part_strips / sizeof(float)) +
                          (j->held ? k0 * j->strip : 0);
    if (j->as_it_lies) {
        step = bl_window_in_size(&j->conv.window);
        pixels = j->conv.x + p->image * j->conv.x_batch_stride +
                 (p->group * j->channels_in + k0) * step + strip * j->strip;
    }
    bl_fetch_some(p->next);
    if (w->layout == BL_LAYOUT_BROADCAST)
        j->m->tile(sums, BL_MIN(j->unit, j->channels_out - unit * j->unit), k, weights, 1, j->unit,
                   pixels, pixels, k0 > 0);
    else {
        const float *ahead = weights_after(j, p, unit, k0, k);
        unsigned     ease = bl_tile_ease(s, strips, k * j->unit, weights, &ahead);
        j->m->tile(sums, BL_MIN(j->strip, j->pixels - strip * j->strip), k, pixels, 1, step,
                   weights, ahead, ease + (k0 > 0));
    }
    if (k0 + k < w->k)
        return;
    size_t pixel = strip * j->strip, count = BL_MIN(j->strip, j->pixels - pixel);
    if (w->layout == BL_LAYOUT_BROADCAST)
        finish_unit(j, p, unit, pixel, count, sums, j->m->width);
    else
        j->m->turn(p->turned + s * j->strip, j->turned_len, sums, j->m->width, count,
                   BL_MIN(j->unit, j->channels_out - unit * j->unit));
}

/* One unit of sums, over all strips of the part. */
static void multiply_unit(const conv_job *j, const part *p, size_t unit, size_t k0, size_t k)
{
    size_t first = p->first_strip * j->strip;
    for (size_t s = p->first_strip; s < p->last_strip; s++)
        multiply_part(j, p, s, unit, k0, k);
    if (k0 + k == j->c->w->k && j->c->w->layout != BL_LAYOUT_BROADCAST)
        finish_unit(j, p, unit, first, BL_MIN(p->last_strip * j->strip, j->pixels) - first,
                    p->turned, j->turned_len);
}

/* The strips of a part where the window is one tap that meets every pixel. */
static void pack_strips_flat(const conv_job *j, const part *p, size_t begin, size_t end)
{
    size_t       plane = bl_window_in_size(&j->conv.window), first = p->first_strip * j->strip;
    size_t       pixels = BL_MIN(p->last_strip * j->strip, j->pixels) - first;
    const float *x = j->conv.x + p->image * j->conv.x_batch_stride +
                     (p->group * j->channels_in + begin) * plane + first;
    j->m->pack_flat(p->packed, j->packed_size / j->part_strips / sizeof(float), j->strip, x, plane,
                    end - begin, pixels);
}

static void pack_strip(const conv_job *j, const part *p, size_t strip, size_t begin, size_t end)
{
    bl_run           runs[BL_MAX_WIDTH + 1];
    const bl_window *w = &j->conv.window;
    bl_pixels        pixels = { .window = w,
                                .x = j->conv.x + p->image * j->conv.x_batch_stride +
                                     p->group * j->channels_in * bl_window_in_size(w),
                                .width = j->strip,
                                .begin = begin,
                                .end = end,
                                .runs = runs,
                                .run_count = runs_of(j, strip * j->strip, runs) };
    j->m->pack_pixels(p->packed + (strip - p->first_strip) *
                                      (j->packed_size / j->part_strips / sizeof(float)),
                      &pixels);
}

static void pack(const conv_job *j, const part *p, size_t begin, size_t end)
{
    if (j->flat)
        pack_strips_flat(j, p, begin, end);
    for (size_t s = p->first_strip; s < p->last_strip && !j->flat; s++)
        pack_strip(j, p, s, begin, end);
}

/* Packs all channels of a part, unless the worker has them. */
static void hold(const conv_job *j, const part *p, size_t *held, size_t which)
{
    if (*held != which && !j->as_it_lies)
        pack(j, p, 0, j->channels_in);
    *held = which;
}

static void conv_part(void *arg, size_t index, int worker)
{
    const conv_job *j = arg;
    size_t          channel_part = index % j->channel_parts, rest = index / j->channel_parts;
    size_t          pixel_part = rest % j->pixel_parts, image = rest / j->pixel_parts;
    char           *scratch = (char *)j->conv.scratch + (size_t)worker * j->worker_size;
    float          *sums = (float *)(scratch + j->packed_size);
    part            p = { .image = image / j->conv.window.groups,
                          .group = image % j->conv.window.groups,
                          .first_strip = pixel_part * j->part_strips,
                          .last_strip = BL_MIN((pixel_part + 1) * j->part_strips, j->strips),
                          .first_unit = channel_part * j->part_units,
                          .last_unit = BL_MIN((channel_part + 1) * j->part_units, j->units),
                          .packed = (float *)scratch,
                          .sums = sums,
                          .turned = sums + j->tiles * BL_TILE_LEN };
    if (j->held) {
        bl_fetching none = { 0 };
        p.next = &none;
        hold(j, &p, held_by(j, worker), rest + 1);
        for (size_t u = p.first_unit; u < p.last_unit; u++)
            for (size_t c = 0; c < j->channels_in; c += j->block)
                multiply_unit(j, &p, u, c * j->taps,
                              BL_MIN(j->block, j->channels_in - c) * j->taps);
        return;
    }
    size_t begin = 0;
    do {
        size_t end = BL_MIN(begin + j->block, j->channels_in);
        pack(j, &p, begin, end);
        bl_fetching next = fetching_after(j, &p, end);
        p.next = &next;
        for (size_t u = p.first_unit; u < p.last_unit; u++)
            multiply_unit(j, &p, u, begin * j->taps, (end - begin) * j->taps);
        begin = end;
    } while (begin < j->channels_in);
}

static void depthwise_channel(const conv_job *j, size_t index)
{
    const bl_window   *w = &j->conv.window;
    const bl_epilogue *e = &j->conv.epilogue;
    size_t             channel = index % w->channels_out, image = index / w->channels_out;
    size_t             at = image * j->conv.out_batch_stride + channel * j->pixels;
    bl_finish          f = { .out = j->conv.out + at,
                             .add = e->add ? e->add + at : NULL,
                             .mul = e->mul ? e->mul + at : NULL,
                             .stride = w->out[2],
                             .row_bias = e->bias ? e->bias + channel : NULL,
                             .act = e->act,
                             .a = e->a,
                             .b = e->b };
    const float *x = j->conv.x + image * j->conv.x_batch_stride + channel * bl_window_in_size(w);
    j->m->depthwise(w, x, j->c->w->data + channel * j->taps, &f);
}

static void depthwise_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const conv_job *j = arg;
    size_t          count = j->conv.window.batch * j->conv.window.channels_out, first, last;
    bl_part(count, j->pixel_parts, index, 1, &first, &last);
    for (size_t channel = first; channel < last; channel++)
        depthwise_channel(j, channel);
}

void bl_conv_run(const bl_micro *m, const bl_conv *c, bl_pool *pool)
{
    const bl_window *w = &c->window;
    size_t           outputs = w->batch * w->channels_out * bl_window_out_size(w);
    if (outputs == 0)
        return;
    if (is_small(m, w, c->w)) {
        bl_small_run(m, c, pool);
        return;
    }
    if (outputs * c->w->k < SMALL)
        pool = NULL;
    if (c->w->layout == BL_LAYOUT_PATCHES) {
        bl_winograd_run(m, c, pool);
        return;
    }
    if (c->w->layout == BL_LAYOUT_PATCH_LANES) {
        bl_winograd_lanes_run(m, c, pool);
        return;
    }
    if (c->w->layout == BL_LAYOUT_LINES) {
        bl_lines_run(m, c, pool);
        return;
    }
    conv_job j;
    plan(&j, m, c, c->w, bl_pool_threads(pool));
    if (c->w->layout == BL_LAYOUT_DEPTHWISE) {
        j.pixel_parts = bl_parts(w->batch * w->channels_out, DEPTHWISE_PIXELS / j.pixels + 1, 1);
        bl_pool_run(pool, depthwise_part, &j, j.pixel_parts);
        return;
    }
    for (int worker = 0; worker < bl_pool_threads(pool); worker++)
        *held_by(&j, worker) = 0;
    bl_pool_run(pool, conv_part, &j, w->batch * w->groups * j.pixel_parts * j.channel_parts);
}

/* Output channels [unit * width, ...) of one group as [k][width]. */
static void pack_unit(const bl_micro *m, bl_packed *p, size_t group, size_t unit,
                      const float *weights)
{
    size_t channel = unit * p->width, channels = BL_MIN(p->width, p->n - channel);
    m->turn(p->data + group * p->group_stride + channel * p->k, p->width,
            weights + (group * p->n + channel) * p->k, p->k, channels, p->k);
}

static blind_code pack_depthwise(const bl_window *w, const float *weights, bl_packed **out,
                                 blind_error *err)
{
    BL_TRY(bl_packed_new(bl_window_kernel_size(w), 1, w->groups, 1, BL_LAYOUT_DEPTHWISE, out, err));
    if ((*out)->size)
        memcpy((*out)->data, weights, (*out)->size);
    return BLIND_OK;
}

#define LARGE 1e5f

/* Whether products with the sums and differences of weights stay far below infinity. */
static bool are_moderate(const float *weights, size_t len)
{
    bool moderate = true;
    for (size_t i = 0; i < len; i++)
        moderate &= weights[i] > -LARGE && weights[i] < LARGE;
    return moderate;
}

blind_code bl_conv_pack(const bl_micro *m, const bl_window *w, const float *weights,
                        bl_packed **out, blind_error *err)
{
    size_t k = w->channels_in / w->groups * bl_window_kernel_size(w);
    size_t n = w->channels_out / w->groups;
    if (is_depthwise(w))
        return pack_depthwise(w, weights, out, err);
    if (bl_winograd_suits(m, w) && are_moderate(weights, w->channels_out * k))
        return bl_winograd_lanes_suit(m, w) ? bl_winograd_lanes_pack(m, w, weights, out, err)
                                            : bl_winograd_pack(m, w, weights, out, err);
    if (bl_lines_better(m, w))
        return bl_lines_pack(m, w, weights, out, err);
    if (bl_small_by_squares(m, w, weights))
        return bl_small_pack(m, w, weights, out, err);
    bool lanes = bl_window_out_size(w) <= FEW_PIXELS && n >= m->width && k >= 64;
    lanes = lanes || (bl_small_suits(m, w) && 2 * n >= m->width);
    size_t width = lanes ? m->width : bl_even(n, m->rows);
    BL_TRY(bl_packed_new(k, n, w->groups, width, lanes ? BL_LAYOUT_COLUMNS : BL_LAYOUT_BROADCAST,
                         out, err));
    for (size_t group = 0; group < w->groups; group++)
        for (size_t unit = 0; unit * width < n; unit++)
            pack_unit(m, *out, group, unit, weights);
    return BLIND_OK;
}
