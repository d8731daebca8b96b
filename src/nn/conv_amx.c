/* Convolutions on AMX tiles: pixels are split where they lie, nothing is unfolded.
 *
 * Output channels are the rows of a tile, 16 neighbouring pixels its columns, so that sums come out
 * as images are stored.  The images of a batch lie one after the other on a line, row by row, with
 * as many zeros between rows and between images as windows reach over: then each tap sees 16
 * neighbouring outputs as 16 neighbours on that line, at a fixed distance for each tap.
 *
 *     line      position (image * rows + y) * pitch + x; a strip of it is converted at once
 *     phase     with stride s, s lines per axis that hold every s-th row or column
 *     spread    where there are few channels, the taps of an axis become channels of their own
 *     strip     [phase][block of 32 channels][part][16 pairs of channels][len positions][2]
 *     weights   [group][unit of 32 outputs][step], as bl_amx_split_left: a step is one tap of one
 *               block
 *
 * Pixels that bf16 cannot hold (infinities, NaN, above 3.38e38) do not survive being split: tiles
 * of outputs whose windows come near one are summed plainly, from the pixels as they are. */
#include "nn/conv_amx.h"

#include <immintrin.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TILE        512               /* bf16 numbers of a tile */
#define LANES       16                /* positions of a tile */
#define UNIT        BL_AMX_ROWS       /* output channels of two tiles */
#define STRIP_BYTES ((size_t)1 << 19) /* of pixels, split: what the second cache holds of them */
#define LEAST_PAIRS 8                 /* of tiles: of a strip, for more than one to a thread */
#define PLACES      4                 /* in the weights that are fetched at once */
#define SUM_STEPS   24                /* summed at once: longer sums lose more to rounding */
#define MAX_LINE    ((size_t)1 << 32) /* positions of an image and what is around it */
#define MAX_STRIDE  16
#define BYTE_CYCLES 0.13 /* for a byte of the weights to come from memory */
#define LONG_KERNEL 32
#define PACK_CYCLES 2      /* for AVX-512 to pack a pixel of one tap of a long kernel */
#define SMALL       200000 /* products not worth a second thread */

enum { PAIR = 2 * LANES, FETCHED = 64 * PLACES }; /* positions of two tiles; bytes of a fetch */

typedef struct {
    bl_conv conv; /* with the strides filled in; a flat one has a single row */
    int     parts;
    size_t  channels_in, channels_out; /* of one group */
    size_t  spread[2], taps[2];        /* along y and x: taps that became channels, and the rest */
    size_t  channels, blocks;          /* with those, of one group; blocks of 32 */
    size_t  phases[2];
    size_t  steps;
    size_t  pitch, rows; /* of the line: positions of a row, rows of an image */
    size_t  total;       /* positions up to the last output */
    size_t  reach;       /* of the last tap */
    size_t  strip, strips, units, part_units, unit_parts;
    size_t  len; /* positions of a converted strip: an odd multiple of a cache line */
    size_t  pixels;
    size_t  strip_size, worker_size; /* bytes */
} job;

/* What one worker has beside its strip. */
typedef struct {
    size_t held; /* which strip is converted, from 1; 0: none */
    bool   odd;  /* it holds what cannot be split: marks say where */
    _Alignas(64) float sums[BL_AMX_SUMS];
} desk;

static size_t products_of(int parts)
{
    return (size_t)parts * ((size_t)parts + 1) / 2;
}

static size_t phases_of(size_t taps, size_t stride, size_t dilation)
{
    return taps == 1 ? 1 : dilation == 1 ? BL_MIN(taps, stride) : stride;
}

/* Spreads the first `axes` axes, x before y; returns about the cycles of one position. */
static double spread_axes(job *j, const bl_window *w, int axes)
{
    j->channels = j->channels_in;
    for (int a = 0; a < 2; a++) {
        bool spread = a == 1 ? axes >= 1 : axes >= 2;
        j->spread[a] = spread ? w->kernel[a + 1] : 1;
        j->taps[a] = spread ? 1 : w->kernel[a + 1];
        j->phases[a] = phases_of(j->taps[a], w->stride[a + 1], w->dilation[a + 1]);
        j->channels *= j->spread[a];
    }
    j->blocks = bl_ceil(j->channels, BL_AMX_STEP);
    j->steps = j->blocks * j->taps[0] * j->taps[1];
    double tiles = (double)(j->steps * j->units * products_of(j->parts)) * 2.5;
    return tiles + (double)(j->channels * j->phases[0] * j->phases[1]) * 0.2 * (1 + j->parts) +
           (double)j->channels_out * 0.1;
}

/* What follows from the weights alone. */
static double plan_steps(job *j, const bl_window *w, int parts)
{
    *j = (job){ .parts = parts };
    j->channels_in = w->channels_in / w->groups;
    j->channels_out = w->channels_out / w->groups;
    j->units = bl_ceil(j->channels_out, UNIT);
    int    best = 0;
    double least = spread_axes(j, w, 0);
    for (int axes = 1; axes <= 2; axes++) {
        double cost = spread_axes(j, w, axes);
        if (cost < least) {
            least = cost;
            best = axes;
        }
    }
    return spread_axes(j, w, best);
}

bool bl_conv_amx_can(const bl_window *w)
{
    size_t line = 1, reach;
    if (w->in[0] != 1 || w->kernel[0] != 1 || w->out[0] != 1)
        return false;
    for (int axis = 1; axis < 3; axis++) /* what is laid on a line can be counted */
        if (w->stride[axis] > MAX_STRIDE || !bl_add(w->in[axis], w->out[axis], &reach) ||
            !bl_add(reach, w->pad[axis], &reach) || !bl_mul(line, reach, &line))
            return false;
    return line <= MAX_LINE;
}

bool bl_conv_amx_suits(const bl_window *w, int parts)
{
    job j;
    if (!bl_conv_amx_can(w) || w->channels_out == w->groups)
        return false;
    /* Cycles of one position, positions, and cycles for the weights to come from memory. */
    size_t products = w->channels_in / w->groups * bl_window_kernel_size(w); /* of one output */
    double weights = (double)products * (double)w->channels_out;
    double pixels = (double)(w->batch * bl_window_out_size(w));
    double tiles = plan_steps(&j, w, parts) * (double)w->groups, vector = weights / 27;
    if (bl_window_kernel_size(w) >= LONG_KERNEL) /* few channels at a time have so many taps */
        vector += (double)(w->channels_in * bl_window_kernel_size(w)) * PACK_CYCLES;
    double tiles_memory = weights * 2 * parts * BYTE_CYCLES, memory = weights * 4 * BYTE_CYCLES;
    double positions = (double)bl_ceil((size_t)pixels, LANES) * LANES;
    if ((double)w->channels_out > pixels * (double)w->groups) /* each thread converts all pixels */
        tiles += (double)(j.channels * j.phases[0] * j.phases[1]) * 0.2 * (1 + parts);
    return weights * pixels >= SMALL &&
           tiles * positions + tiles_memory < BL_MAX(vector * pixels, memory);
}

/* The line.  --------------------------------------------------------------------------------- */

/* Elements from row to row (or from image to image) along axis `a`: beyond them lie only zeros, on
 * the right of one row and on the left of the next. */
static size_t pitch_of(const job *j, const bl_window *w, int a)
{
    size_t step = w->stride[a + 1], pitch = w->out[a + 1];
    if (j->taps[a] == 1)
        return pitch;
    for (size_t tap = 0; tap < j->taps[a]; tap++) {
        size_t at = tap * w->dilation[a + 1], phase = at % step;
        size_t inside = w->in[a + 1] + w->pad[a + 1];
        size_t zeros = w->pad[a + 1] > phase ? bl_ceil(w->pad[a + 1] - phase, step) : 0;
        size_t right = inside > phase ? bl_ceil(inside - phase, step) : 0;
        size_t end = w->out[a + 1] + at / step;
        pitch = BL_MAX(pitch, BL_MAX(right, end > zeros ? end - zeros : 0));
    }
    return pitch;
}

/* A window of one tap that meets every pixel sees one long row. */
static void flatten(bl_window *w)
{
    for (int axis = 1; axis < 3; axis++)
        if (w->kernel[axis] != 1 || w->stride[axis] != 1 || w->pad[axis] != 0 ||
            w->in[axis] != w->out[axis])
            return;
    w->in[2] = w->out[2] = w->in[1] * w->in[2];
    w->in[1] = w->out[1] = 1;
}

/* Positions of one strip: what the second cache holds, and as many strips for each thread.  Each
 * border between strips is a cache line of every channel that two threads write: small images have
 * few. */
static size_t strip_of(const job *j, size_t each, size_t threads)
{
    /* Where there are more weights than pixels, each is better read once: units are dealt out. */
    bool heavy = j->steps * j->units * UNIT > j->blocks * j->total;
    /* Weights beyond the second cache come from far away for each strip. */
    size_t weights = j->steps * j->units * (size_t)j->parts * 2 * TILE * sizeof(uint16_t);
    size_t bytes = STRIP_BYTES * (heavy ? 3 : weights > 2 * STRIP_BYTES ? 2 : 1);
    size_t pairs = bl_ceil(j->total, PAIR), most = bytes / each;
    most = BL_MAX((most > 2 * j->reach ? most - j->reach : j->reach) / PAIR, (size_t)1);
    size_t strips = bl_ceil(pairs, most);
    if (threads > 1 && !heavy) {
        size_t least = BL_MAX(bl_ceil(j->reach, PAIR), (size_t)LEAST_PAIRS);
        size_t each_has = BL_MIN(BL_MAX(pairs / (least * threads), (size_t)1), (size_t)4);
        if (pairs >= threads * 2 && j->conv.window.groups < threads * 4)
            strips = BL_MAX(strips, threads * each_has);
        strips = BL_MIN(bl_ceil(strips, threads) * threads, pairs);
    }
    return bl_ceil(pairs, BL_MAX(strips, (size_t)1)) * PAIR;
}

static void split(job *j, int threads)
{
    size_t groups = j->conv.window.groups;
    size_t each = j->phases[0] * j->phases[1] * j->blocks * BL_AMX_STEP * 2 * (size_t)j->parts;
    j->strip = strip_of(j, each, (size_t)threads);
    j->strips = bl_ceil(j->total, j->strip);
    j->len = bl_ceil(j->strip + j->reach, LANES);
    j->len = (j->len + 1 - j->len % 2) * LANES;
    j->part_units = j->units;
    if (groups * j->strips < (size_t)threads) { /* each part converts the strip for itself */
        size_t parts = bl_ceil((size_t)threads, groups * j->strips);
        parts *= j->units >= 4 * parts ? 2 : 1;
        j->part_units = bl_ceil(j->units, BL_MIN(parts, j->units));
    }
    j->unit_parts = bl_ceil(j->units, j->part_units);
    j->strip_size = each * j->len;
    size_t floats = j->strip / PAIR * BL_AMX_SUMS + 2 * j->len;
    size_t size = j->strip_size + sizeof(desk) + floats * sizeof(float) + j->steps * sizeof(size_t);
    size += j->len / LANES;
    j->worker_size = bl_ceil(size, 64) * 64;
}

static void plan(job *j, int parts, const bl_conv *c, int threads)
{
    bl_window *w = &j->conv.window;
    plan_steps(j, &c->window, parts);
    j->conv = *c;
    if (!j->conv.x_batch_stride)
        j->conv.x_batch_stride = w->channels_in * bl_window_in_size(w);
    if (!j->conv.out_batch_stride)
        j->conv.out_batch_stride = w->channels_out * bl_window_out_size(w);
    flatten(w);
    j->pixels = bl_window_out_size(w);
    j->rows = pitch_of(j, w, 0);
    j->pitch = pitch_of(j, w, 1);
    j->total = ((w->batch - 1) * j->rows + w->out[1] - 1) * j->pitch + w->out[2];
    j->reach = (j->taps[0] - 1) * w->dilation[1] / w->stride[1] * j->pitch +
               (j->taps[1] - 1) * w->dilation[2] / w->stride[2];
    split(j, threads);
}

size_t bl_conv_amx_scratch(int parts, const bl_window *w, const bl_packed *packed, int threads)
{
    job     alone, together; /* small convolutions run on one thread */
    bl_conv c = { .window = *w, .w = packed };
    if (w->batch * w->channels_out * bl_window_out_size(w) == 0)
        return 0;
    if (!bl_conv_amx_can(w))
        return SIZE_MAX / 4; /* which nobody has */
    plan(&alone, parts, &c, 1);
    plan(&together, parts, &c, threads);
    return BL_MAX(alone.worker_size, together.worker_size * (size_t)threads);
}

/* Weights.  ---------------------------------------------------------------------------------- */

/* What of the weights comes next is fetched into the second cache meanwhile, from several places at
 * once: memory is read faster so. */
typedef struct {
    const char *at;
    size_t      apart; /* bytes between the places */
    size_t      lines; /* of each place, with each step */
} fetching;

static inline __attribute__((always_inline)) void fetch_some(fetching *f)
{
    for (size_t i = 0; i < f->lines; i++, f->at += 64)
        for (size_t place = 0; place < PLACES; place++)
            _mm_prefetch(f->at + place * f->apart, _MM_HINT_T1);
}

/* Converting a strip.  ------------------------------------------------------------------------ */

static __mmask16 lanes(size_t n)
{
    return (__mmask16)(n >= LANES ? 0xffff : (1u << n) - 1u);
}

static void clear(float *to, size_t len)
{
    for (size_t i = 0; i < len; i += LANES)
        _mm512_mask_storeu_ps(to + i, lanes(len - i), _mm512_setzero_ps());
}

/* Every step-th of the floats from x on. */
static void take(float *to, const float *x, size_t len, size_t step)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    size_t i = 0;
    if (step == 1) {
        for (; i < len; i += LANES)
            _mm512_mask_storeu_ps(to + i, lanes(len - i),
                                  _mm512_maskz_loadu_ps(lanes(len - i), x + i));
        return;
    }
    for (; step == 2 && i + LANES < len; i += LANES)
        _mm512_storeu_ps(to + i, _mm512_permutex2var_ps(_mm512_loadu_ps(x + 2 * i), even,
                                                        _mm512_loadu_ps(x + 2 * i + LANES)));
    for (; i < len; i++)
        to[i] = x[i * step];
}

/* One line of one channel: its positions [first, first + len). */
typedef struct {
    const float *x; /* of the channel's first image */
    size_t       shift[2];
} channel_line;

static void fetch_row(const job *j, const float *x, size_t shift, size_t col, size_t len, float *to)
{
    const bl_window *w = &j->conv.window;
    size_t           step = w->stride[2], pad = w->pad[2], inside = w->in[2] + pad;
    size_t           low = pad > shift ? bl_ceil(pad - shift, step) : 0;
    size_t           high = inside > shift ? bl_ceil(inside - shift, step) : 0;
    size_t           begin = BL_MIN(BL_MAX(low, col), col + len);
    size_t           end = BL_MAX(BL_MIN(high, col + len), begin);
    clear(to, begin - col);
    if (end > begin)
        take(to + (begin - col), x + (begin * step + shift - pad), end - begin, step);
    clear(to + (end - col), col + len - end);
}

static void fetch(const job *j, const channel_line *l, size_t first, float *to)
{
    const bl_window *w = &j->conv.window;
    size_t           row = first / j->pitch, col = first % j->pitch, len;
    for (size_t at = 0; at < j->len; at += len, row++, col = 0) {
        size_t image = row / j->rows;
        size_t y = row % j->rows * w->stride[1] + l->shift[0] - w->pad[1]; /* below 0: large */
        len = BL_MIN(j->pitch - col, j->len - at);
        if (image < w->batch && y < w->in[1])
            fetch_row(j, l->x + image * j->conv.x_batch_stride + y * w->in[2], l->shift[1], col,
                      len, to + at);
        else
            clear(to + at, len);
    }
}

/* Two channels, interleaved as tiles want pairs.  Upper parts are cut off, so that three of them
 * are exact; the last of two or one is rounded.  What lies `ahead` is fetched meanwhile.  Returns
 * twice the largest bits of each lane, signs apart: see is_odd(). */
static __m512i split_pair(uint32_t *to, size_t part_stride, int parts, const float *u,
                          const float *v, size_t len, size_t ahead)
{
    __m512i       largest = _mm512_setzero_si512();
    const __m512i mask = _mm512_set1_epi32((int)0xffff0000);
    const __m512i half = _mm512_set1_epi32(parts < 3 ? 0x8000 : 0);
    for (size_t i = 0; i < len; i += LANES) {
        __m512i x = _mm512_loadu_si512(u + i), y = _mm512_loadu_si512(v + i);
        _mm_prefetch((const char *)(u + i + ahead), _MM_HINT_T0);
        _mm_prefetch((const char *)(v + i + ahead), _MM_HINT_T0);
        largest = _mm512_max_epu32(largest, _mm512_add_epi32(x, x));
        largest = _mm512_max_epu32(largest, _mm512_add_epi32(y, y));
        for (int p = 0; p < parts; p++) {
            __m512i a = _mm512_add_epi32(x, half), b = _mm512_add_epi32(y, half);
            _mm512_store_si512(to + (size_t)p * part_stride + i,
                               _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srli_epi32(a, 16), b));
            x = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(x),
                                                  _mm512_castsi512_ps(_mm512_and_si512(a, mask))));
            y = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(y),
                                                  _mm512_castsi512_ps(_mm512_and_si512(b, mask))));
        }
    }
    return largest;
}

/* Whether a lane is larger than the largest bf16, infinite or NaN. */
static bool is_odd(__m512i twice)
{
    return _mm512_cmpgt_epu32_mask(twice, _mm512_set1_epi32((int)(2 * 0x7f7f0000u))) != 0;
}

typedef struct {
    size_t    group, strip;
    size_t    first_unit, last_unit;
    uint32_t *pixels; /* the converted strip */
    desk     *desk;
    float    *sums;    /* of the strip, by tiles two wide */
    float    *lines;   /* two of `len` */
    size_t   *offsets; /* of the steps in the strip */
    uint8_t  *marks;   /* of LANES positions each: what cannot be split is among them */
} part;

static const uint16_t *weights_of(const job *j, const part *p, size_t unit, size_t step)
{
    const bl_packed *packed = j->conv.w;
    return (const uint16_t *)(packed->data + p->group * packed->group_stride) +
           (unit * j->steps + step) * (size_t)j->parts * 2 * TILE;
}

/* The positions of virtual channel v in the phase, as floats: in place where they lie so. */
static const float *line_of(const job *j, const part *p, size_t v, size_t phase, float *to)
{
    const bl_window *w = &j->conv.window;
    size_t           taps = j->spread[0] * j->spread[1], tap = v % taps;
    size_t           first = p->strip * j->strip;
    if (v >= j->channels) {
        clear(to, j->len);
        return to;
    }
    channel_line l = { .x = j->conv.x +
                            (p->group * j->channels_in + v / taps) * bl_window_in_size(w),
                       .shift = { phase / j->phases[1] + tap / j->spread[1] * w->dilation[1],
                                  phase % j->phases[1] + tap % j->spread[1] * w->dilation[2] } };
    if (w->in[1] == 1 && w->in[2] == j->pitch && w->stride[2] == 1 && taps == 1 && w->pad[2] == 0 &&
        first + j->len <= j->pitch)
        return l.x + first;
    fetch(j, &l, first, to);
    return to;
}

/* Marks what cannot be split, whatever its channel and phase. */
static void mark_odd(const job *j, const part *p)
{
    memset(p->marks, 0, j->len / LANES);
    for (size_t phase = 0; phase < j->phases[0] * j->phases[1]; phase++)
        for (size_t v = 0; v < j->channels; v++) {
            const float *line = line_of(j, p, v, phase, p->lines);
            for (size_t i = 0; i < j->len; i += LANES) {
                __m512i x = _mm512_loadu_si512(line + i);
                p->marks[i / LANES] |= is_odd(_mm512_add_epi32(x, x));
            }
        }
}

/* Bytes of the weights that are multiplied first: they are fetched while pixels are converted. */
static size_t first_weights(const job *j)
{
    return bl_even(j->steps, SUM_STEPS) * (size_t)j->parts * 2 * TILE * sizeof(uint16_t);
}

static void convert(const job *j, const part *p)
{
    size_t    part_stride = LANES * j->len;
    uint32_t *to = p->pixels;
    __m512i   largest = _mm512_setzero_si512();
    size_t    places = j->phases[0] * j->phases[1] * j->blocks * BL_AMX_STEP / 2;
    size_t    size = first_weights(j);
    fetching  next = { .at = (const char *)weights_of(j, p, p->first_unit, 0),
                       .apart = size / PLACES,
                       .lines = bl_ceil(size / FETCHED, places) };
    for (size_t phase = 0; phase < j->phases[0] * j->phases[1]; phase++)
        for (size_t block = 0; block < j->blocks; block++) {
            for (size_t pair = 0; pair < BL_AMX_STEP / 2; pair++) {
                size_t       v = block * BL_AMX_STEP + 2 * pair;
                const float *one = line_of(j, p, v, phase, p->lines);
                const float *two = line_of(j, p, v + 1, phase, p->lines + j->len);
                __m512i      top =
                    split_pair(to + pair * j->len, part_stride, j->parts, one, two, j->len,
                               one == p->lines ? 0 : 2 * bl_window_in_size(&j->conv.window));
                largest = _mm512_max_epu32(largest, top);
                fetch_some(&next);
            }
            to += (size_t)j->parts * part_stride;
        }
    p->desk->odd = is_odd(largest);
    if (p->desk->odd)
        mark_odd(j, p);
}

static void find_offsets(const job *j, size_t *offsets)
{
    const bl_window *w = &j->conv.window;
    for (size_t block = 0; block < j->blocks; block++)
        for (size_t y = 0; y < j->taps[0]; y++)
            for (size_t x = 0; x < j->taps[1]; x++) {
                size_t down = y * w->dilation[1], right = x * w->dilation[2];
                size_t phase = down % w->stride[1] * j->phases[1] + right % w->stride[2];
                *offsets++ = (phase * j->blocks + block) * (size_t)j->parts * LANES * j->len +
                             down / w->stride[1] * j->pitch + right / w->stride[2];
            }
}

/* Products.  --------------------------------------------------------------------------------- */

/* Tiles 0..3 are sums: two of channels times two of positions.  4 and 5 are of the weights, 6 and 7
 * of the pixels.  `tall` and `wide`: whether there is a second one of each. */
#define LEFT(p)                                                                                    \
    do {                                                                                           \
        _tile_loadd(4, left + (size_t)(p)*2 * TILE, 64);                                           \
        if (tall)                                                                                  \
            _tile_loadd(5, left + (size_t)(p)*2 * TILE + TILE, 64);                                \
    } while (0)
#define RIGHT(p)                                                                                   \
    do {                                                                                           \
        _tile_loadd(6, right + (p)*part_stride, stride);                                           \
        if (wide)                                                                                  \
            _tile_loadd(7, right + (p)*part_stride + LANES, stride);                               \
    } while (0)
#define MULTIPLY                                                                                   \
    do {                                                                                           \
        _tile_dpbf16ps(0, 4, 6);                                                                   \
        if (wide)                                                                                  \
            _tile_dpbf16ps(1, 4, 7);                                                               \
        if (tall)                                                                                  \
            _tile_dpbf16ps(2, 5, 6);                                                               \
        if (tall && wide)                                                                          \
            _tile_dpbf16ps(3, 5, 7);                                                               \
    } while (0)

/* Pixels are loaded as seldom as can be: most of their rows cross a cache line. */
#define PRODUCTS_1                                                                                 \
    RIGHT(0);                                                                                      \
    LEFT(0);                                                                                       \
    MULTIPLY
#define PRODUCTS_2                                                                                 \
    RIGHT(0);                                                                                      \
    LEFT(1);                                                                                       \
    MULTIPLY;                                                                                      \
    LEFT(0);                                                                                       \
    MULTIPLY;                                                                                      \
    RIGHT(1);                                                                                      \
    MULTIPLY
#define PRODUCTS_3                                                                                 \
    RIGHT(0);                                                                                      \
    LEFT(2);                                                                                       \
    MULTIPLY;                                                                                      \
    LEFT(1);                                                                                       \
    MULTIPLY;                                                                                      \
    LEFT(0);                                                                                       \
    MULTIPLY;                                                                                      \
    RIGHT(2);                                                                                      \
    MULTIPLY;                                                                                      \
    RIGHT(1);                                                                                      \
    MULTIPLY;                                                                                      \
    LEFT(1);                                                                                       \
    MULTIPLY

static void store_sums(float *sums, bool more)
{
    _Alignas(64) float here[BL_AMX_SUMS];
    float             *to = more ? here : sums;
    _tile_stored(0, to, BL_AMX_COLS * sizeof *to);
    _tile_stored(1, to + LANES, BL_AMX_COLS * sizeof *to);
    _tile_stored(2, to + BL_AMX_SUMS / 2, BL_AMX_COLS * sizeof *to);
    _tile_stored(3, to + BL_AMX_SUMS / 2 + LANES, BL_AMX_COLS * sizeof *to);
    for (size_t i = 0; more && i < BL_AMX_SUMS; i += LANES)
        _mm512_store_ps(sums + i,
                        _mm512_add_ps(_mm512_load_ps(sums + i), _mm512_load_ps(here + i)));
}

/* sums[32 channels][32 positions] (+)= some steps of one unit over a strip. */
typedef void products(float *sums, const uint16_t *left, const uint32_t *pixels,
                      const size_t *offsets, size_t steps, size_t len, bool more, fetching *next);

#define TILE_PRODUCTS(count, name, both_rows, both_columns)                                        \
    static void name(float *sums, const uint16_t *left, const uint32_t *pixels,                    \
                     const size_t *offsets, size_t steps, size_t len, bool more, fetching *next)   \
    {                                                                                              \
        const bool   tall = both_rows, wide = both_columns;                                        \
        const size_t stride = len * sizeof *pixels, part_stride = LANES * len;                     \
        fetching     f = *next;                                                                    \
        _tile_zero(0);                                                                             \
        _tile_zero(1);                                                                             \
        _tile_zero(2);                                                                             \
        _tile_zero(3);                                                                             \
        for (size_t i = 0; i < steps; i++, left += (size_t)(count)*2 * TILE) {                     \
            const uint32_t *right = pixels + offsets[i];                                           \
            fetch_some(&f);                                                                        \
            PRODUCTS_##count;                                                                      \
        }                                                                                          \
        store_sums(sums, more);                                                                    \
        next->at = f.at;                                                                           \
        (void)part_stride;                                                                         \
    }
#define EACH_SIZE(count)                                                                           \
    TILE_PRODUCTS(count, products_##count##_low_narrow, false, false)                              \
    TILE_PRODUCTS(count, products_##count##_low_wide, false, true)                                 \
    TILE_PRODUCTS(count, products_##count##_tall_narrow, true, false)                              \
    TILE_PRODUCTS(count, products_##count##_tall_wide, true, true)
EACH_SIZE(1)
EACH_SIZE(2)
EACH_SIZE(3)

/* [parts - 1][tall][wide] */
#define NAMES(count)                                                                               \
    {                                                                                              \
        { products_##count##_low_narrow, products_##count##_low_wide },                            \
        {                                                                                          \
            products_##count##_tall_narrow, products_##count##_tall_wide                           \
        }                                                                                          \
    }
static products *const multiply[3][2][2] = { NAMES(1), NAMES(2), NAMES(3) };

/* Plain sums.  ------------------------------------------------------------------------------- */

/* The weights of one step as they were: to[channel of the block][output]. */
static void join_weights(float *to, const uint16_t *left, int parts)
{
    for (size_t r = 0; r < UNIT; r++)
        for (size_t i = 0; i < BL_AMX_STEP; i++) {
            float sum = 0;
            for (size_t p = (size_t)parts; p-- > 0;) {
                uint32_t bits = (uint32_t)left[p * 2 * TILE + r / 16 * TILE + r % 16 * 32 + i];
                float    x;
                bits <<= 16;
                memcpy(&x, &bits, sizeof x);
                sum += x;
            }
            to[i * UNIT + r] = sum;
        }
}

/* What one tap of virtual channel v sees from a position; NULL: nothing, or there is no output. */
static const float *pixel_at(const job *j, size_t group, size_t v, size_t y, size_t x,
                             size_t position)
{
    const bl_window *w = &j->conv.window;
    size_t           row = position / j->pitch, col = position % j->pitch, image = row / j->rows;
    size_t           taps = j->spread[0] * j->spread[1], tap = v % taps;
    size_t           down = (y + tap / j->spread[1]) * w->dilation[1];
    size_t           right = (x + tap % j->spread[1]) * w->dilation[2];
    row %= j->rows;
    if (image >= w->batch || row >= w->out[1] || col >= w->out[2])
        return NULL;
    down += row * w->stride[1] - w->pad[1]; /* above the image wraps to a large number */
    right += col * w->stride[2] - w->pad[2];
    if (down >= w->in[1] || right >= w->in[2])
        return NULL;
    return j->conv.x + image * j->conv.x_batch_stride +
           (group * j->channels_in + v / taps) * bl_window_in_size(w) + down * w->in[2] + right;
}

/* sums[32 channels][32 positions] of one unit from position `at` on, without tiles. */
static void plain_sums(const job *j, const part *p, const uint16_t *left, size_t at, float *sums)
{
    _Alignas(64) float weights[BL_AMX_STEP * UNIT], wide[2 * LANES * UNIT] = { 0 };
    size_t             taps = j->taps[0] * j->taps[1];
    for (size_t step = 0; step < j->steps; step++) {
        size_t y = step % taps / j->taps[1], x = step % taps % j->taps[1];
        join_weights(weights, left + step * (size_t)j->parts * 2 * TILE, j->parts);
        for (size_t i = 0; i < BL_AMX_STEP; i++) {
            size_t v = step / taps * BL_AMX_STEP + i;
            for (size_t lane = 0; lane < PAIR && v < j->channels; lane++) {
                const float *pixel = pixel_at(j, p->group, v, y, x, at + lane);
                for (size_t r = 0; r < UNIT && pixel; r++)
                    wide[lane * UNIT + r] += *pixel * weights[i * UNIT + r];
            }
        }
    }
    for (size_t r = 0; r < UNIT; r++)
        for (size_t lane = 0; lane < PAIR; lane++)
            sums[r * BL_AMX_COLS + lane] = wide[lane * UNIT + r];
}

/* Whether a window of the 32 outputs from position `at` of the strip on comes near a mark. */
static bool near_mark(const job *j, const part *p, size_t at)
{
    size_t last = BL_MIN((at + PAIR + j->reach - 1) / LANES, j->len / LANES - 1);
    for (size_t i = at / LANES; i <= last; i++)
        if (p->marks[i])
            return true;
    return false;
}

/* Tiles that came to nothing, once more. */
static void mend_sums(const job *j, const part *p, const uint16_t *left, size_t positions)
{
    for (size_t at = 0; at < positions; at += PAIR)
        if (near_mark(j, p, at))
            plain_sums(j, p, left, p->strip * j->strip + at, p->sums + at / PAIR * BL_AMX_SUMS);
}

/* Running.  ---------------------------------------------------------------------------------- */

/* Stores what lies on the line at [first, first + len): row by row, without what is between. */
static void finish_tile(const bl_micro *m, const job *j, size_t channel, size_t channels,
                        size_t first, size_t len, const float *sums)
{
    const bl_window   *w = &j->conv.window;
    const bl_epilogue *e = &j->conv.epilogue;
    size_t             row = first / j->pitch, col = first % j->pitch, count;
    for (size_t at = 0; at < len; at += count, row++, col = 0) {
        size_t image = row / j->rows, y = row % j->rows;
        count = BL_MIN(j->pitch - col, len - at);
        if (image >= w->batch || y >= w->out[1] || col >= w->out[2])
            continue;
        size_t    to = image * j->conv.out_batch_stride + channel * j->pixels + y * w->out[2] + col;
        bl_finish f = { .out = j->conv.out + to,
                        .add = e->add ? e->add + to : NULL,
                        .mul = e->mul ? e->mul + to : NULL,
                        .stride = j->pixels,
                        .row_bias = e->bias ? e->bias + channel : NULL,
                        .act = e->act,
                        .a = e->a,
                        .b = e->b };
        m->finish(&f, sums + at, BL_AMX_COLS, channels, BL_MIN(count, w->out[2] - col));
    }
}

typedef struct {
    const job      *j;
    const bl_micro *m;
} work;

/* Some steps of one unit, over all of the strip. */
static void multiply_steps(const job *j, const part *p, size_t unit, size_t first, size_t steps,
                           size_t positions)
{
    const uint16_t *left = weights_of(j, p, unit, first);
    size_t          step_len = (size_t)j->parts * 2 * TILE;
    size_t          channels = BL_MIN(j->channels_out - unit * UNIT, (size_t)UNIT);
    size_t          size = steps * step_len * sizeof *left; /* bytes; as much comes next */
    fetching        next = { .at = (const char *)left + size, .apart = size / PLACES };
    if (first + steps < j->steps || unit + 1 < p->last_unit)
        next.lines = bl_ceil(size / FETCHED, bl_ceil(positions, PAIR) * steps);
    for (size_t at = 0; at < positions; at += PAIR)
        multiply[j->parts - 1][channels > 16][positions - at > LANES](
            p->sums + at / PAIR * BL_AMX_SUMS, left, p->pixels + at, p->offsets + first, steps,
            j->len, first > 0, &next);
}

static void multiply_unit(const work *k, const part *p, size_t unit)
{
    const job *j = k->j;
    size_t     begin = p->strip * j->strip, end = BL_MIN(begin + j->strip, j->total);
    size_t     channel = unit * UNIT, channels = BL_MIN(j->channels_out - channel, (size_t)UNIT);
    size_t     block = bl_even(j->steps, SUM_STEPS);
    for (size_t first = 0; first < j->steps; first += block)
        multiply_steps(j, p, unit, first, BL_MIN(block, j->steps - first), end - begin);
    if (p->desk->odd)
        mend_sums(j, p, weights_of(j, p, unit, 0), end - begin);
    for (size_t at = begin; at < end; at += PAIR)
        finish_tile(k->m, j, p->group * j->channels_out + channel, channels, at,
                    BL_MIN(end - at, (size_t)PAIR), p->sums + (at - begin) / PAIR * BL_AMX_SUMS);
}

static void conv_part(void *arg, size_t index, int worker)
{
    const work *k = arg;
    const job  *j = k->j;
    char       *scratch = (char *)j->conv.scratch + (size_t)worker * j->worker_size;
    size_t      strip = index / j->unit_parts, first = index % j->unit_parts * j->part_units;
    part        p = { .group = strip / j->strips,
                      .strip = strip % j->strips,
                      .first_unit = first,
                      .last_unit = BL_MIN(first + j->part_units, j->units),
                      .pixels = (uint32_t *)scratch,
                      .desk = (desk *)(scratch + j->strip_size) };
    p.sums = (float *)(p.desk + 1);
    p.lines = p.sums + j->strip / PAIR * BL_AMX_SUMS;
    p.offsets = (size_t *)(p.lines + 2 * j->len);
    p.marks = (uint8_t *)(p.offsets + j->steps);
    if (p.desk->held != strip + 1) {
        convert(j, &p);
        find_offsets(j, p.offsets);
        p.desk->held = strip + 1;
    }
    bl_amx_begin();
    for (size_t unit = p.first_unit; unit < p.last_unit; unit++)
        multiply_unit(k, &p, unit);
    bl_amx_end();
}

void bl_conv_amx_run(const bl_micro *m, int parts, const bl_conv *c, bl_pool *pool)
{
    const bl_window *w = &c->window;
    size_t           outputs = w->batch * w->channels_out * bl_window_out_size(w);
    if (outputs == 0)
        return;
    if (outputs * (w->channels_in / w->groups) * bl_window_kernel_size(w) < SMALL)
        pool = NULL;
    job  j;
    work k = { &j, m };
    plan(&j, parts, c, bl_pool_threads(pool));
    for (int worker = 0; worker < bl_pool_threads(pool); worker++)
        ((desk *)((char *)c->scratch + (size_t)worker * j.worker_size + j.strip_size))->held = 0;
    bl_pool_run(pool, conv_part, &k, w->groups * j.strips * j.unit_parts);
}

/* Packing.  ---------------------------------------------------------------------------------- */

/* One tap of the channels of a block, where steps hold no other taps. */
static void order_channels(const float *weights, size_t kernel, size_t channels, float *row)
{
    const __m512i step = _mm512_mullo_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32((int)kernel)); /* below 2^31, as 16 kernels are no larger than weights */
    for (size_t i = 0; i < BL_AMX_STEP; i += 16) {
        __mmask16 some = channels > i ? lanes(channels - i) : 0;
        _mm512_storeu_ps(row + i, _mm512_mask_i32gather_ps(_mm512_setzero_ps(), some, step,
                                                           weights + i * kernel, 4));
    }
}

/* rows[r][step][channel of its block] for one output channel. */
static void order_row(const job *j, const bl_window *w, const float *weights, float *row)
{
    size_t taps = j->spread[0] * j->spread[1], kernel = w->kernel[1] * w->kernel[2];
    for (size_t block = 0; block < j->blocks; block++)
        for (size_t y = 0; y < j->taps[0]; y++)
            for (size_t x = 0; x < j->taps[1]; x++, row += BL_AMX_STEP) {
                size_t first = block * BL_AMX_STEP;
                if (taps == 1) {
                    order_channels(weights + first * kernel + y * w->kernel[2] + x, kernel,
                                   BL_MIN(j->channels - first, (size_t)BL_AMX_STEP), row);
                    continue;
                }
                for (size_t i = 0; i < BL_AMX_STEP; i++) {
                    size_t v = block * BL_AMX_STEP + i, tap = v % taps;
                    size_t at = (y + tap / j->spread[1]) * w->kernel[2] + x + tap % j->spread[1];
                    row[i] = v < j->channels ? weights[v / taps * kernel + at] : 0;
                }
            }
}

/* The k weights of a channel, which may lie at any address, times a gain. */
static void take_channel(float *to, const char *from, size_t k, double gain)
{
    const __m512d by = _mm512_set1_pd(gain);
    for (size_t i = 0; i < k; i += 8) {
        __mmask8 some = (__mmask8)(k - i < 8 ? (1u << (k - i)) - 1 : 0xff);
        __m256   x = _mm256_maskz_loadu_ps(some, from + i * sizeof *to);
        _mm256_mask_storeu_ps(to + i, some, _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_cvtps_pd(x), by)));
    }
}

typedef struct {
    const job        *j;
    const bl_window  *w;
    const bl_filters *filters;
    size_t            k;     /* weights of an output channel */
    size_t            len;   /* of one in the order of steps */
    size_t            room;  /* floats of a worker: a channel's weights, then a unit's in order */
    float            *rooms; /* of all workers */
    bl_packed        *out;
    atomic_bool       unfit; /* some number has no parts */
} packing;

static void tell(const packing *p, size_t channel, size_t count)
{
    const bl_reading *r = p->filters->reading;
    size_t            each = p->k * sizeof(float);
    if (r)
        r->next(r->arg, bl_span((const char *)p->filters->w + channel * each, count * each));
}

/* The channels of one unit of one group. */
static void pack_unit(void *arg, size_t index, int worker)
{
    packing    *p = arg;
    const job  *j = p->j;
    size_t      group = index / j->units, unit = index % j->units, first = unit * UNIT;
    size_t      channel = group * j->channels_out + first, parts = (size_t)j->parts;
    size_t      count = BL_MIN(j->channels_out - first, (size_t)UNIT);
    const char *from = (const char *)p->filters->w + channel * p->k * sizeof(float);
    float      *taken = p->rooms + (size_t)worker * p->room, *rows = taken + p->k;
    uint16_t   *to = (uint16_t *)(p->out->data + group * p->out->group_stride) +
                   unit * j->steps * parts * 2 * TILE;
    for (size_t r = 0; r < count; r++, from += p->k * sizeof(float)) {
        take_channel(taken, from, p->k, p->filters->gain ? p->filters->gain[channel + r] : 1);
        order_row(j, p->w, taken, rows + r * p->len);
    }
    if (!bl_amx_split_left(to, j->parts, rows, p->len, count, p->len))
        atomic_store_explicit(&p->unfit, true, memory_order_relaxed);
}

/* One thread is told of what it reads unit by unit, several of all at once. */
static void pack_units(packing *p, bl_pool *pool)
{
    const job *j = p->j;
    size_t     units = j->units * p->w->groups;
    if (bl_pool_threads(pool) > 1) {
        tell(p, 0, p->w->channels_out);
        bl_pool_run(pool, pack_unit, p, units);
        return;
    }
    for (size_t i = 0; i < units; i++) {
        size_t first = i % j->units * UNIT;
        tell(p, i / j->units * j->channels_out + first,
             BL_MIN(j->channels_out - first, (size_t)UNIT));
        pack_unit(p, i, 0);
    }
}

blind_code bl_conv_amx_pack(int parts, const bl_window *w, const bl_filters *filters, bl_pool *pool,
                            bl_packed **out, blind_error *err)
{
    job     j;
    packing p = { .j = &j, .w = w, .filters = filters };
    size_t  tiles;
    plan_steps(&j, w, parts);
    *out = NULL;
    p.k = w->channels_in / w->groups * bl_window_kernel_size(w);
    p.len = j.steps * BL_AMX_STEP;
    if (!bl_mul(p.len, (size_t)parts, &tiles) || !bl_mul(p.len, UNIT, &p.room) ||
        !bl_add(p.room, p.k, &p.room))
        return blind_fail(err, BLIND_LIMIT, "nn.pack", "weights are too large");
    bl_auto_free float *rooms = calloc((size_t)bl_pool_threads(pool), p.room * sizeof *rooms);
    if (!rooms)
        return blind_fail(err, BLIND_MEMORY, "nn.pack", "no memory to pack weights");
    BL_TRY(bl_packed_new(tiles / 2, j.channels_out, w->groups, UNIT, BL_LAYOUT_TILES, &p.out, err));
    p.rooms = rooms;
    pack_units(&p, pool);
    p.out->splittable = !atomic_load_explicit(&p.unfit, memory_order_relaxed);
    *out = p.out;
    return BLIND_OK;
}
