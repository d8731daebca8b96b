/* Convolutions of bytes: an image is copied once into rows of pixels with adjacent channels, pads
 * in place, and its product with the packed weights reads it there.
 *
 * Rows of the copy are sorted by their number modulo the stride, and pixels of a row fill a whole
 * number of strides: so the pixels under one place of the kernel are a constant step apart over the
 * whole image. */
#include "nn/bytes_micro.h"

typedef struct {
    bool   direct;   /* the image is read where it is */
    bool   merged;   /* a segment is a row of the kernel, else one place of it */
    size_t channels; /* bytes of a pixel */
    size_t wide;     /* pixels of a row */
    size_t high;     /* rows of one phase */
    size_t deep;     /* slices */
    size_t slice;    /* bytes of one */
    size_t segments, len;
    size_t image; /* bytes, with what may be read beyond it */
} geometry;

static bool is_depthwise(const bl_window *w)
{
    return w->groups > 1 && w->groups == w->channels_in && w->channels_out == w->groups;
}

/* Pixels from the first to the last that windows see along an axis. */
static size_t reach(const bl_window *w, int axis)
{
    return w->out[axis] ? (w->out[axis] - 1) * w->stride[axis] +
                              (w->kernel[axis] - 1) * w->dilation[axis] + 1
                        : 0;
}

static bool is_direct(const bl_bytes *k, const bl_window *w, bool last)
{
    bool one = last && w->groups == 1 && w->channels_in % k->step == 0 && w->out[0] == 1;
    for (int i = 0; i < 3; i++)
        one = one && w->kernel[i] == 1 && w->stride[i] == 1 && w->pad[i] == 0 &&
              w->out[i] == w->in[i];
    return one;
}

/* False when a size overflows. */
static bool set_geometry(const bl_bytes *k, const bl_window *w, bool last, geometry *g)
{
    size_t row, taps = w->kernel[0] * w->kernel[1];
    *g = (geometry){ .direct = is_direct(k, w, last) };
    g->merged = w->groups == 1 && w->dilation[2] == 1;
    g->channels = g->merged && w->channels_in == 3 ? 4 : w->channels_in;
    g->segments = g->merged ? taps : taps * w->kernel[2];
    g->len = g->merged ? g->channels * w->kernel[2] : w->channels_in / w->groups;
    g->wide = (reach(w, 2) + w->stride[2] - 1) / w->stride[2] * w->stride[2];
    g->high = (reach(w, 1) + w->stride[1] - 1) / w->stride[1];
    g->deep = reach(w, 0);
    size_t filled = bl_bytes_filled(k, g->len);
    return bl_mul(g->wide, g->channels, &row) && bl_mul(row, g->high, &g->slice) &&
           bl_mul(g->slice, w->stride[1], &g->slice) && bl_mul(g->slice, g->deep, &g->image) &&
           bl_add(g->image, filled + 128, &g->image);
}

/* Offsets of the segments, from the first pixel under the kernel. */
static void set_offsets(const bl_window *w, const geometry *g, size_t *offset)
{
    size_t row = g->wide * g->channels;
    for (size_t z = 0; z < w->kernel[0]; z++)
        for (size_t y = 0; y < w->kernel[1]; y++) {
            size_t down = y * w->dilation[1], phase = down % w->stride[1];
            size_t at =
                z * w->dilation[0] * g->slice + (phase * g->high + down / w->stride[1]) * row;
            for (size_t x = 0; x < (g->merged ? 1 : w->kernel[2]); x++)
                *offset++ = at + x * w->dilation[2] * g->channels;
        }
}

/* Packing.  ---------------------------------------------------------------------------------- */

/* [tap][channel] of numbers less their zero points. */
static blind_code pack_depthwise(const bl_window *w, const void *data, bool is_signed,
                                 const int32_t *zero, bl_packed **out, blind_error *err)
{
    size_t taps = bl_window_kernel_size(w);
    BL_TRY(bl_packed_new(taps, w->groups, 1, 1, BL_LAYOUT_BYTES, out, err));
    int32_t *to = (int32_t *)(void *)(*out)->data;
    for (size_t c = 0; c < w->groups; c++)
        for (size_t i = 0; i < taps; i++) {
            size_t  at = c * taps + i;
            int32_t v = is_signed ? ((const int8_t *)data)[at] : ((const uint8_t *)data)[at];
            to[i * w->groups + c] = (int32_t)((uint32_t)v - (uint32_t)(zero ? zero[c] : 0));
        }
    return BLIND_OK;
}

blind_code bl_bytes_conv_pack(const bl_bytes *k, const bl_window *w, const void *data,
                              bool is_signed, const int32_t *zero, bl_packed **out,
                              blind_error *err)
{
    geometry g;
    size_t   taps = bl_window_kernel_size(w), each = w->channels_in / w->groups;
    *out = NULL;
    if (is_depthwise(w))
        return pack_depthwise(w, data, is_signed, zero, out, err);
    if (!set_geometry(k, w, true, &g))
        return blind_fail(err, BLIND_LIMIT, "nn.pack", "an image of impossible size");
    bl_bytes_matrix m = { .data = data,
                          .is_signed = is_signed,
                          .zero = zero,
                          .groups = w->groups,
                          .n = w->channels_out / w->groups,
                          .segments = g.segments,
                          .run = g.merged ? w->kernel[2] : 1,
                          .channels = each,
                          .padded = g.merged ? g.channels : each,
                          .group = w->channels_out / w->groups * each * taps,
                          .column = each * taps,
                          .segment = g.merged ? w->kernel[2] : 1,
                          .tap = 1,
                          .channel = taps };
    return bl_bytes_pack(k, &m, out, err);
}

bool bl_bytes_conv_scratch(const bl_bytes *k, const bl_window *w, size_t *size)
{
    geometry g;
    size_t   offsets;
    *size = 0;
    return set_geometry(k, w, false, &g) && bl_mul(g.segments, sizeof(size_t), &offsets) &&
           bl_add(offsets, 64, &offsets) && bl_add(g.image, offsets, size);
}

/* The copy of an image.  --------------------------------------------------------------------- */

typedef struct {
    const bl_bytes_conv *c;
    const geometry      *g;
    const uint8_t       *x; /* of this image */
    uint8_t             *to;
} copy_job;

/* Pixels [0, n) of a row with channels a plane apart. */
static void gather_row(uint8_t *to, size_t pixel, const uint8_t *x, size_t plane, size_t channels,
                       size_t n)
{
    if (channels == 3 && pixel == 4) {
        for (size_t i = 0; i < n; i++) {
            uint32_t v = x[i] | (uint32_t)x[plane + i] << 8 | (uint32_t)x[2 * plane + i] << 16;
            memcpy(to + 4 * i, &v, sizeof v);
        }
        return;
    }
    for (size_t c = 0; c < channels; c += 16)
        for (size_t i = 0; i < n; i++)
            for (size_t j = c; j < BL_MIN(c + 16, channels); j++)
                to[i * pixel + j] = x[j * plane + i];
}

static void copy_pixels(const copy_job *j, size_t z, size_t y, uint8_t *to, size_t n)
{
    const bl_window *w = &j->c->window;
    size_t           pixel = j->g->channels, row = (z * w->in[1] + y) * w->in[2];
    if (!j->c->x_last)
        gather_row(to, pixel, j->x + row, bl_window_in_size(w), w->channels_in, n);
    else if (pixel == w->channels_in)
        memcpy(to, j->x + row * pixel, n * pixel);
    else
        for (size_t i = 0; i < n; i++) {
            memcpy(to + i * pixel, j->x + (row + i) * w->channels_in, w->channels_in);
            memset(to + i * pixel + w->channels_in, 0, pixel - w->channels_in);
        }
}

/* Pixels outside the image; what only fills pixels up stays zero, for sums of rows. */
static void pad(const copy_job *j, uint8_t *to, size_t n)
{
    size_t pixel = j->g->channels, channels = j->c->window.channels_in;
    memset(to, (uint8_t)j->c->x_zero, n * pixel);
    for (size_t i = 0; i < n && pixel > channels; i++)
        memset(to + i * pixel + channels, 0, pixel - channels);
}

/* One row: pads, pixels, pads.  The copy's rows are numbered in its order. */
static void copy_row(void *arg, size_t index, int worker)
{
    (void)worker;
    const copy_job  *j = arg;
    const bl_window *w = &j->c->window;
    size_t           rows = j->g->high * w->stride[1], pixel = j->g->channels;
    size_t           z = index / rows, phase = index % rows / j->g->high;
    size_t           y = index % j->g->high * w->stride[1] + phase;
    uint8_t         *to = j->to + index * j->g->wide * pixel;
    size_t           left = BL_MIN(w->pad[2], j->g->wide);
    if (w->kernel[1] == 1 && phase > 0) /* nothing looks there */
        return;
    if (z < w->pad[0] || z - w->pad[0] >= w->in[0] || y < w->pad[1] || y - w->pad[1] >= w->in[1]) {
        pad(j, to, j->g->wide);
        return;
    }
    size_t n = BL_MIN(w->in[2], j->g->wide - left);
    pad(j, to, left);
    copy_pixels(j, z - w->pad[0], y - w->pad[1], to + left * pixel, n);
    pad(j, to + (left + n) * pixel, j->g->wide - left - n);
}

static const uint8_t *copy_image(const bl_bytes_conv *c, const geometry *g, size_t z, uint8_t *to,
                                 bl_pool *pool)
{
    const bl_window *w = &c->window;
    const uint8_t   *x = (const uint8_t *)c->x + z * w->channels_in * bl_window_in_size(w);
    copy_job         j = { .c = c, .g = g, .x = x, .to = to };
    if (g->direct)
        return x;
    bl_pool_run(g->image < 32768 ? NULL : pool, copy_row, &j, g->deep * g->high * w->stride[1]);
    memset(to + g->slice * g->deep, 0, g->image - g->slice * g->deep);
    return to;
}

/* Depthwise.  -------------------------------------------------------------------------------- */

typedef struct {
    const bl_bytes      *k;
    const bl_bytes_conv *c;
    const geometry      *g;
    const uint8_t       *image;
    const size_t        *offset;
    size_t               z; /* image */
} depthwise_job;

#define CHANNELS 32

/* Sums of up to CHANNELS channels under one window. */
static void depthwise_sums(const depthwise_job *j, const uint8_t *at, size_t first, size_t n,
                           int32_t *sum)
{
    const int32_t *weights = (const int32_t *)(const void *)j->c->w->data + first;
    uint32_t       zero = (uint32_t)j->c->x_zero;
    memset(sum, 0, CHANNELS * sizeof *sum);
    for (size_t i = 0; i < j->g->segments; i++, weights += j->c->window.groups) {
        const uint8_t *u8 = at + j->offset[i];
        const int8_t  *i8 = (const int8_t *)u8;
        for (size_t c = 0; c < n; c++) {
            uint32_t x = j->c->x_signed ? (uint32_t)i8[c] : u8[c];
            sum[c] = (int32_t)((uint32_t)sum[c] + (x - zero) * (uint32_t)weights[c]);
        }
    }
}

static void depthwise_columns(const bl_bytes_finish *f, size_t first, size_t n, bl_bytes_columns *c)
{
    memset(c, 0, sizeof *c);
    c->has_shift = f->shift != NULL;
    for (size_t i = 0; i < n; i++) {
        c->first[i] = f->bias ? f->bias[first + i] : 0;
        c->scale[i] = f->times * (f->scale ? f->scale[f->one_scale ? 0 : first + i] : 1);
        c->shift[i] = f->shift ? f->shift[first + i] : 0;
    }
}

/* Stores one place of up to a panel's width of channels. */
static void depthwise_store(const depthwise_job *j, const bl_bytes_columns *columns,
                            const int32_t *sum, size_t place, size_t first, size_t n)
{
    const bl_bytes_conv   *c = j->c;
    const bl_bytes_finish *f = &c->finish;
    size_t  places = bl_window_out_size(&c->window), channels = c->window.channels_out;
    size_t  size = f->to == BL_BYTES_BYTES ? 1 : 4, of_add = f->to == BL_BYTES_FLOATS ? 4 : 1;
    size_t  at = c->out_last ? (j->z * places + place) * channels + first
                             : (j->z * channels + first) * places + place;
    size_t  step = c->out_last ? 1 : places;
    int32_t no_sum = 0;
    char    done[CHANNELS * 4], added[CHANNELS * 4];
    for (size_t i = 0; i < n && f->add; i++)
        memcpy(added + i * of_add, (const char *)f->add + (at + i * step) * of_add, of_add);
    j->k->store(f, columns, sum, j->k->width, &no_sum, 1, n, done, f->add ? added : NULL, n);
    for (size_t i = 0; i < n; i++)
        memcpy((char *)c->out + (at + i * step) * size, done + i * size, size);
}

/* One row of places. */
static void depthwise_row(void *arg, size_t index, int worker)
{
    (void)worker;
    const depthwise_job *j = arg;
    const bl_window     *w = &j->c->window;
    size_t               z = index / w->out[1], y = index % w->out[1], width = j->k->width;
    size_t               pixel = j->g->channels, row = j->g->wide * pixel;
    int32_t              sum[CHANNELS] __attribute__((aligned(64)));
    bl_bytes_columns     columns;
    for (size_t first = 0; first < w->groups; first += width) {
        size_t n = BL_MIN(width, w->groups - first);
        depthwise_columns(&j->c->finish, first, n, &columns);
        for (size_t x = 0; x < w->out[2]; x++) {
            const uint8_t *at = j->image + z * w->stride[0] * j->g->slice + y * row +
                                x * w->stride[2] * pixel + first;
            depthwise_sums(j, at, first, n, sum);
            depthwise_store(j, &columns, sum, index * w->out[2] + x, first, n);
        }
    }
}

/* All.  -------------------------------------------------------------------------------------- */

/* One slice of places of one image. */
static void multiply_slice(const bl_bytes *k, const bl_kernels *rest, const bl_bytes_conv *c,
                           const geometry *g, const uint8_t *image, const size_t *offset,
                           size_t batch, size_t z, bl_pool *pool)
{
    const bl_window *w = &c->window;
    size_t           places = bl_window_out_size(w), slice = w->out[1] * w->out[2];
    size_t           size = c->finish.to == BL_BYTES_BYTES ? 1 : 4;
    size_t           of_add = c->finish.to == BL_BYTES_FLOATS ? 4 : 1;
    size_t           at = c->out_last ? (batch * places + z * slice) * w->channels_out
                                      : batch * places * w->channels_out + z * slice;
    bl_bytes_product p = { .k = k,
                           .rest = rest,
                           .b = c->w,
                           .a = image + z * w->stride[0] * g->slice,
                           .a_row = w->stride[2] * g->channels,
                           .a_group = w->channels_in / w->groups,
                           .a_signed = c->x_signed,
                           .a_zero = c->x_zero,
                           .segments = { .count = g->segments, .len = g->len, .offset = offset },
                           .groups = w->groups,
                           .finish = c->finish,
                           .out = (char *)c->out + at * size,
                           .out_row = c->out_last ? w->channels_out : places,
                           .by_column = !c->out_last };
    p.segments.steps = bl_bytes_filled(k, g->len) / 4;
    p.products = bl_window_kernel_size(w) * (w->channels_in / w->groups);
    p.pitch = g->wide / w->stride[2];
    p.valid = w->out[2];
    p.rows = (w->out[1] - 1) * p.pitch + w->out[2];
    if (c->finish.add)
        p.finish.add = (const char *)c->finish.add + at * of_add;
    bl_bytes_multiply(&p, pool);
}

void bl_bytes_conv_run(const bl_bytes *k, const bl_kernels *rest, const bl_bytes_conv *c,
                       bl_pool *pool)
{
    const bl_window *w = &c->window;
    geometry         g;
    if (w->batch * w->channels_out * bl_window_out_size(w) == 0 ||
        !set_geometry(k, w, c->x_last && !is_depthwise(w), &g))
        return;
    size_t *offset = c->scratch;
    void   *copy = (char *)c->scratch + (g.segments * sizeof *offset + 63) / 64 * 64;
    set_offsets(w, &g, offset);
    for (size_t z = 0; z < w->batch; z++) {
        const uint8_t *image = copy_image(c, &g, z, copy, pool);
        if (is_depthwise(w)) {
            depthwise_job j = { .k = k, .c = c, .g = &g, .image = image, .offset = offset, .z = z };
            bl_pool_run(pool, depthwise_row, &j, w->out[0] * w->out[1]);
            continue;
        }
        for (size_t slice = 0; slice < w->out[0]; slice++)
            multiply_slice(k, rest, c, &g, image, offset, z, slice, pool);
    }
}
