/* Products of bytes: every instruction set against plain loops, bit for bit, at sizes on either
 * side of each tile, step and panel, with every ending, with and without helpers. */
#include "tests/nn/nn_test.h"

#include "nn/bytes.h"

#define EACH_SET(k)                                                                                \
    for (size_t at_##k = 0; bl_bytes_at(at_##k); at_##k++)                                         \
        for (const bl_bytes *k = bl_bytes_at(at_##k); k; k = NULL)

/* Exactly `len` bytes of any value, the extremes often. */
static uint8_t *random_bytes(size_t len, uint32_t seed)
{
    static const uint8_t extremes[] = { 0, 127, 128, 255 };
    uint8_t             *x = malloc(len + (len == 0));
    CHECK(x != NULL);
    for (size_t i = 0; i < len; i++) {
        uint32_t v = test_random(&seed);
        x[i] = v & 256 ? extremes[v & 3] : (uint8_t)v;
    }
    return x;
}

static int32_t number(const void *x, bool is_signed, size_t i)
{
    return is_signed ? ((const int8_t *)x)[i] : ((const uint8_t *)x)[i];
}

static int32_t cut(float v, int32_t zero, int32_t low, int32_t high)
{
    if (!(v > (float)(low - zero)))
        return low;
    return v < (float)(high - zero) ? (int32_t)rintf(v) + zero : high;
}

/* What a sum becomes, by the words of bytes.h. */
static void finish(const bl_bytes_finish *f, uint32_t sum, size_t column, void *out, size_t at)
{
    sum += f->bias ? (uint32_t)f->bias[column] : 0;
    float v =
        (float)(int32_t)sum * (f->times * (f->scale ? f->scale[f->one_scale ? 0 : column] : 1.0f));
    v += f->shift ? f->shift[column] : 0.0f;
    if (f->to == BL_BYTES_SUMS) {
        ((uint32_t *)out)[at] = sum;
    } else if (f->to == BL_BYTES_FLOATS) {
        v += f->add ? ((const float *)f->add)[at] : 0.0f;
        ((float *)out)[at] = f->act == BL_UNARY_RELU && v < 0 ? 0 : v;
    } else {
        int32_t byte = cut(v, f->zero, f->low, f->high);
        if (f->add) {
            v = (float)(byte - f->zero) * f->mid_scale +
                (float)(number(f->add, f->add_signed, at) - f->add_zero) * f->add_scale;
            byte = cut(v, f->end_zero, f->end_low, f->end_high);
        }
        ((uint8_t *)out)[at] = (uint8_t)byte;
    }
}

/* The endings that are tried. */
typedef struct {
    int32_t bias[400];
    float   scale[400], shift[400], floats[70000];
    uint8_t bytes[70000];
} extras;

static extras *make_extras(void)
{
    extras  *e = malloc(sizeof *e);
    uint32_t seed = 5;
    CHECK(e != NULL);
    for (size_t i = 0; i < 400; i++) {
        e->bias[i] = (int32_t)test_random(&seed) % 100000 - 50000;
        e->scale[i] = (float)(test_random(&seed) % 1000 + 1) * 2e-7f;
        e->shift[i] = (float)(test_random(&seed) % 100);
    }
    for (size_t i = 0; i < 70000; i++) {
        e->floats[i] = (float)(test_random(&seed) % 1000) - 500;
        e->bytes[i] = (uint8_t)test_random(&seed);
    }
    return e;
}

enum { ENDINGS = 10 };
static bl_bytes_finish ending(const extras *e, int which)
{
    bl_bytes_finish f = { .times = 1 };
    if (which >= 2) {
        f = (bl_bytes_finish){ .to = BL_BYTES_FLOATS, .times = 0.5f, .scale = e->scale };
        f.one_scale = which == 2;
        f.shift = which >= 4 ? e->shift : NULL;
        f.add = which == 5 ? e->floats : NULL;
        f.act = which == 4 ? BL_UNARY_RELU : BL_UNARY_NONE;
    }
    if (which >= 6) {
        f.to = BL_BYTES_BYTES;
        f.low = which == 7 ? -128 : which == 8 ? 120 : 0;
        f.high = which == 7 ? 127 : 255;
        f.zero = which == 7 ? -3 : 120;
        f.add = which == 9 ? e->bytes : NULL;
        f.add_signed = true;
        f.add_zero = -7;
        f.mid_scale = 0.7f;
        f.add_scale = 0.3f;
        f.end_zero = 10;
        f.end_low = 10;
        f.end_high = 255;
    }
    f.bias = which & 1 ? e->bias : NULL;
    return f;
}

typedef struct {
    size_t  rows, k, n;
    bool    a_signed, b_signed, turned, zeros;
    int32_t a_zero;
    int     ending;
} gemm_case;

static void plain_gemm(const gemm_case *c, const bl_bytes_finish *f, const uint8_t *a,
                       const uint8_t *b, const int32_t *zero, void *out)
{
    for (size_t i = 0; i < c->rows; i++)
        for (size_t j = 0; j < c->n; j++) {
            uint32_t sum = 0;
            for (size_t k = 0; k < c->k; k++) {
                int32_t x = number(a, c->a_signed, i * c->k + k) - c->a_zero;
                int32_t y = number(b, c->b_signed, c->turned ? j * c->k + k : k * c->n + j) -
                            (c->zeros ? zero[j] : 0);
                sum += (uint32_t)(x * y);
            }
            finish(f, sum, j, out, i * c->n + j);
        }
}

static void run_gemm(const bl_bytes *k, const gemm_case *c, const bl_bytes_finish *f,
                     const uint8_t *a, const uint8_t *b, const int32_t *zero, void *out,
                     bl_pool *pool)
{
    bl_packed *packed = NULL;
    size_t     size = 0;
    CHECK_CODE(BLIND_OK,
               bl_bytes_gemm_pack(k, b, c->b_signed, c->zeros ? zero : NULL, c->k, c->n,
                                  c->turned ? 1 : c->n, c->turned ? c->k : 1, &packed, NULL),
               "pack");
    CHECK(bl_bytes_gemm_scratch(k, c->rows, c->k, c->n, &size));
    void         *scratch = test_scratch(size);
    bl_bytes_gemm g = { .rows = c->rows,
                        .a = a,
                        .a_signed = c->a_signed,
                        .a_zero = c->a_zero,
                        .b = packed,
                        .k = c->k,
                        .n = c->n,
                        .out = out,
                        .finish = *f,
                        .scratch = scratch };
    bl_bytes_gemm_run(k, test_scalar(), &g, pool);
    free(scratch);
    bl_packed_free(packed);
}

static void check_gemm(const gemm_case *c, const extras *e, bl_pool *pool)
{
    size_t          len = c->rows * c->n * 4;
    uint8_t        *a = random_bytes(c->rows * c->k, 1), *b = random_bytes(c->k * c->n, 2);
    uint8_t        *want = random_bytes(len, 3), *got = random_bytes(len, 3);
    int32_t        *zero = malloc((c->n + 1) * sizeof *zero);
    bl_bytes_finish f = ending(e, c->ending);
    CHECK(zero != NULL);
    for (size_t j = 0; j < c->n; j++)
        zero[j] = (int32_t)(j * 37 % 256) - (c->b_signed ? 128 : 0);
    plain_gemm(c, &f, a, b, zero, want);
    EACH_SET(k)
    {
        free(got);
        got = random_bytes(len, 3);
        run_gemm(k, c, &f, a, b, zero, got, pool);
        if (memcmp(want, got, len) != 0)
            fail_msg("%s %zux%zux%zu signed %d %d turned %d zeros %d ending %d", bl_bytes_name(k),
                     c->rows, c->k, c->n, c->a_signed, c->b_signed, c->turned, c->zeros, c->ending);
    }
    free(a), free(b), free(want), free(got), free(zero);
}

TEST(matrices_agree_at_every_size)
{
    static const size_t rows[] = { 0, 1, 4, 5, 8, 9, 16, 17, 32, 33, 130 };
    static const size_t cols[] = { 0, 1, 15, 16, 17, 31, 32, 33, 65, 300 };
    static const size_t k[] = { 1, 3, 4, 5, 63, 64, 65, 0, 200, 256 };
    extras             *e = make_extras();
    bl_pool            *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(3, &pool, NULL), "pool");
    for (size_t i = 0; i < BL_LEN(rows); i++)
        for (size_t j = 0; j < BL_LEN(cols); j++) {
            gemm_case c = { .rows = rows[i], .n = cols[j], .k = k[(i + j) % BL_LEN(k)] };
            c.a_signed = i & 1;
            c.b_signed = j & 1;
            c.turned = (i ^ j) & 2;
            c.zeros = (i + j) % 3 == 0;
            c.a_zero = c.a_signed ? -100 : 200;
            c.ending = (int)((i * 3 + j) % ENDINGS);
            check_gemm(&c, e, (i + j) % 2 ? pool : NULL);
        }
    bl_pool_free(pool);
    free(e);
}

TEST(matrices_agree_with_every_ending)
{
    extras *e = make_extras();
    for (int which = 0; which < ENDINGS; which++)
        for (int kind = 0; kind < 8; kind++) {
            gemm_case c = { .rows = 41, .k = 150, .n = 75, .ending = which };
            c.a_signed = kind & 1;
            c.b_signed = kind & 2;
            c.zeros = kind & 4;
            c.a_zero = kind;
            check_gemm(&c, e, NULL);
        }
    free(e);
}

/* Sums that do not fit 32 bits wrap around on every instruction set alike. */
TEST(sums_wrap_around)
{
    extras *e = make_extras();
    check_gemm(&(gemm_case){ .rows = 2, .k = 70000, .n = 3, .b_signed = false }, e, NULL);
    free(e);
}

/* Convolutions.  ----------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    bl_window   w;
    size_t      after; /* pads behind each axis that is padded */
} conv_case;

#define IMAGE(n, ci, co, g, h, wide, kh, kw, s, d, p)                                              \
    {                                                                                              \
        .batch = n, .channels_in = ci, .channels_out = co, .groups = g, .in = { 1, h, wide },      \
        .kernel = { 1, kh, kw }, .stride = { 1, s, s }, .dilation = { 1, d, d }, .pad = {          \
            0,                                                                                     \
            p,                                                                                     \
            p                                                                                      \
        }                                                                                          \
    }

static const conv_case convs[] = {
    { "one place", IMAGE(2, 64, 40, 1, 5, 7, 1, 1, 1, 1, 0), 0 },
    { "one place, strided", IMAGE(1, 20, 17, 1, 8, 9, 1, 1, 2, 1, 0), 0 },
    { "three by three", IMAGE(2, 16, 33, 1, 9, 11, 3, 3, 1, 1, 1), 1 },
    { "strided", IMAGE(1, 64, 32, 1, 14, 14, 3, 3, 2, 1, 1), 1 },
    { "strided by three", IMAGE(1, 5, 6, 1, 13, 17, 4, 2, 3, 1, 1), 0 },
    { "a stem", IMAGE(1, 3, 64, 1, 30, 34, 7, 7, 2, 1, 3), 3 },
    { "dilated", IMAGE(1, 7, 9, 1, 12, 12, 3, 3, 1, 2, 2), 2 },
    { "dilated and strided", IMAGE(1, 6, 8, 1, 15, 16, 3, 3, 2, 3, 3), 3 },
    { "groups", IMAGE(2, 12, 18, 3, 6, 6, 3, 3, 1, 1, 1), 1 },
    { "groups of a step", IMAGE(1, 128, 64, 2, 5, 5, 3, 3, 1, 1, 1), 1 },
    { "depthwise", IMAGE(2, 37, 37, 37, 8, 9, 3, 3, 1, 1, 1), 1 },
    { "depthwise, strided", IMAGE(1, 64, 64, 64, 9, 9, 5, 5, 2, 1, 2), 2 },
    { "wide pads", IMAGE(1, 4, 5, 1, 3, 3, 5, 5, 1, 1, 4), 4 },
    { "larger than the image", IMAGE(1, 4, 5, 1, 2, 2, 5, 5, 1, 1, 2), 2 },
    { "one pixel", IMAGE(1, 70, 100, 1, 1, 1, 1, 1, 1, 1, 0), 0 },
    { "a volume",
      { .batch = 1,
        .channels_in = 3,
        .channels_out = 5,
        .groups = 1,
        .in = { 4, 5, 6 },
        .kernel = { 2, 3, 3 },
        .stride = { 2, 1, 2 },
        .dilation = { 1, 1, 1 },
        .pad = { 1, 0, 1 } },
      1 },
};

/* Element (image, channel, place) in either order. */
static size_t element(const bl_window *w, const size_t *size, size_t channels, bool last, size_t n,
                      size_t c, size_t place)
{
    (void)w;
    size_t places = size[0] * size[1] * size[2];
    return last ? (n * places + place) * channels + c : (n * channels + c) * places + place;
}

static uint32_t plain_sum(const bl_bytes_conv *c, const uint8_t *w, bool w_signed,
                          const int32_t *zero, size_t n, size_t channel, const size_t *at)
{
    const bl_window *v = &c->window;
    size_t           each = v->channels_in / v->groups, i = 0;
    size_t           group = channel / (v->channels_out / v->groups), taps[3];
    uint32_t         sum = 0;
    for (size_t ic = 0; ic < each; ic++)
        for (taps[0] = 0; taps[0] < v->kernel[0]; taps[0]++)
            for (taps[1] = 0; taps[1] < v->kernel[1]; taps[1]++)
                for (taps[2] = 0; taps[2] < v->kernel[2]; taps[2]++, i++) {
                    size_t p[3];
                    bool   inside = true;
                    for (int d = 0; d < 3; d++) {
                        p[d] = at[d] * v->stride[d] + taps[d] * v->dilation[d] - v->pad[d];
                        inside = inside && p[d] < v->in[d];
                    }
                    size_t  place = (p[0] * v->in[1] + p[1]) * v->in[2] + p[2];
                    size_t  t = v->kernel[0] * v->kernel[1] * v->kernel[2];
                    int32_t y = number(w, w_signed, channel * each * t + i) - zero[channel];
                    if (inside)
                        sum += (uint32_t)(y * (number(c->x, c->x_signed,
                                                      element(v, v->in, v->channels_in, c->x_last,
                                                              n, group * each + ic, place)) -
                                               c->x_zero));
                }
    return sum;
}

static void plain_conv(const bl_bytes_conv *c, const uint8_t *w, bool w_signed, const int32_t *zero,
                       void *out)
{
    const bl_window *v = &c->window;
    size_t           at[3];
    for (size_t n = 0; n < v->batch; n++)
        for (size_t channel = 0; channel < v->channels_out; channel++)
            for (at[0] = 0; at[0] < v->out[0]; at[0]++)
                for (at[1] = 0; at[1] < v->out[1]; at[1]++)
                    for (at[2] = 0; at[2] < v->out[2]; at[2]++) {
                        size_t place = (at[0] * v->out[1] + at[1]) * v->out[2] + at[2];
                        finish(&c->finish, plain_sum(c, w, w_signed, zero, n, channel, at), channel,
                               out,
                               element(v, v->out, v->channels_out, c->out_last, n, channel, place));
                    }
}

static void run_conv(const bl_bytes *k, bl_bytes_conv *c, const uint8_t *w, bool w_signed,
                     const int32_t *zero, bl_pool *pool)
{
    bl_packed *packed = NULL;
    size_t     size = 0;
    CHECK_CODE(BLIND_OK, bl_bytes_conv_pack(k, &c->window, w, w_signed, zero, &packed, NULL),
               "pack");
    CHECK(bl_bytes_conv_scratch(k, &c->window, &size));
    c->w = packed;
    c->scratch = test_scratch(size);
    bl_bytes_conv_run(k, test_scalar(), c, pool);
    free(c->scratch);
    bl_packed_free(packed);
}

static void check_conv(const conv_case *v, const extras *e, int kind, bl_pool *pool)
{
    bl_bytes_conv c = { .window = v->w };
    bl_window    *w = &c.window;
    size_t        in = w->batch * w->channels_in, out = w->batch * w->channels_out * 4;
    size_t        weights = w->channels_out * w->channels_in / w->groups;
    int32_t       zero[128];
    for (int d = 0; d < 3; d++) {
        w->out[d] = bl_window_out(w->in[d], w->kernel[d], w->stride[d], w->dilation[d], w->pad[d],
                                  w->pad[d] ? v->after : 0, false);
        CHECK(w->out[d] > 0);
        in *= w->in[d];
        out *= w->out[d];
        weights *= w->kernel[d];
    }
    bool w_signed = kind & 1;
    for (size_t j = 0; j < w->channels_out; j++)
        zero[j] = kind & 2 ? (int32_t)(j * 7 % 120) : w_signed ? 0 : 128;
    c.x_signed = kind & 4;
    c.x_last = kind & 8;
    c.out_last = kind & 16;
    c.x_zero = c.x_signed ? -5 : 99;
    c.finish = ending(e, (kind * 7 + kind / 3) % ENDINGS);
    uint8_t *x = random_bytes(in, 7), *b = random_bytes(weights, 8);
    uint8_t *want = random_bytes(out, 9), *got = random_bytes(out, 9);
    c.x = x;
    plain_conv(&c, b, w_signed, zero, want);
    EACH_SET(k)
    {
        free(got);
        got = random_bytes(out, 9);
        c.out = got;
        run_conv(k, &c, b, w_signed, zero, pool);
        if (memcmp(want, got, out) != 0)
            fail_msg("%s on %s, kind %d", v->name, bl_bytes_name(k), kind);
    }
    free(x), free(b), free(want), free(got);
}

TEST(convolutions_agree)
{
    extras  *e = make_extras();
    bl_pool *pool = NULL;
    CHECK_CODE(BLIND_OK, bl_pool_new(3, &pool, NULL), "pool");
    for (size_t i = 0; i < BL_LEN(convs); i++)
        for (int kind = (int)i % 3; kind < 32; kind += 3)
            check_conv(&convs[i], e, kind, kind & 1 ? pool : NULL);
    bl_pool_free(pool);
    free(e);
}

/* Floats.  ----------------------------------------------------------------------------------- */

TEST(floats_become_bytes_and_back)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 15, 16, 17, 1000, 70001 };
    for (size_t i = 0; i < BL_LEN(sizes); i++) {
        size_t   len = sizes[i];
        float   *x = test_floats(len, 4), *want = test_floats(len, 5), *got = test_floats(len, 5);
        uint8_t *bytes = random_bytes(len, 1), *more = random_bytes(len, 1);
        float    low, high, least, most;
        for (size_t j = 0; j + 3 < len; j += 5) /* halves, what is too large, no number */
            x[j] = j % 3 ? (float)(j % 64) * 0.005f : j % 2 ? 1e30f : NAN;
        for (int sign = 0; sign < 2; sign++) {
            int32_t at = sign ? -128 : 0;
            bl_bytes_quantize(bl_bytes_at(0), bytes, x, len, 0.01f, at + 100, at, at + 255, NULL);
            bl_bytes_dequantize(bl_bytes_at(0), want, bytes, sign, len, 0.3f, at + 9, NULL);
            bl_bytes_range(bl_bytes_at(0), x, len, &low, &high, NULL);
            EACH_SET(k)
            {
                bl_bytes_quantize(k, more, x, len, 0.01f, at + 100, at, at + 255, NULL);
                CHECK(memcmp(bytes, more, len) == 0);
                bl_bytes_dequantize(k, got, more, sign, len, 0.3f, at + 9, NULL);
                CHECK(memcmp(want, got, len * sizeof *got) == 0);
                bl_bytes_range(k, x, len, &least, &most, NULL);
                CHECK(least == low && most == high);
            }
        }
        free(x), free(want), free(got), free(bytes), free(more);
    }
}

TESTS(RUN(matrices_agree_at_every_size), RUN(matrices_agree_with_every_ending),
      RUN(sums_wrap_around), RUN(convolutions_agree), RUN(floats_become_bytes_and_back))
