/* Steps on pictures: [height, width, channels] until a transpose makes them what the model wants.
 */
#include "onnx/image.h"
#include "pipeline/step.h"

#include <math.h>

enum { CHANNELS = 4, MAX_SIDE = BL_MAX_IMAGE_SIDE };

/* decode_image: the bytes of a PNG or JPEG file to U8 [height, width, channels].  ------------- */

typedef struct {
    size_t channels;
} decode_params;

static blind_code decode_prepare(const bl_step_build *b, void **params)
{
    static const char *const colors[] = { "rgb", "grey" };
    decode_params           *p;
    int                      color;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_choice(b, "color", colors, BL_LEN(colors), &color));
    p->channels = color == 0 ? 3 : 1;
    *params = p;
    return BLIND_OK;
}

static blind_code decode_run(const void *params, bl_step_run *r)
{
    const decode_params *p = params;
    bl_image             image;
    BL_TRY(bl_step_want(r, "decode_image", BLIND_U8, 1));
    BL_TRY(bl_image_decode(bl_span(r->t.data, r->t.size), p->channels, &image, r->err));
    int64_t    shape[] = { (int64_t)image.height, (int64_t)image.width, (int64_t)image.channels };
    blind_code code = bl_step_tensor(r, BLIND_U8, 3, shape, &r->t);
    if (code == BLIND_OK)
        memcpy(r->t.data, image.samples, r->t.size);
    bl_image_done(&image);
    return code;
}

/* resize.  ----------------------------------------------------------------------------------- */

typedef struct {
    int64_t height, width; /* 0: by `shorter` or `longer` */
    int64_t shorter, longer;
    int     method;
} resize_params;

enum { LINEAR, NEAREST };

static blind_code resize_prepare(const bl_step_build *b, void **params)
{
    static const char *const methods[] = { "linear", "nearest" };
    resize_params           *p;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_choice(b, "method", methods, BL_LEN(methods), &p->method));
    BL_TRY(bl_step_int(b, "height", 0, 1, MAX_SIDE, &p->height));
    BL_TRY(bl_step_int(b, "width", 0, 1, MAX_SIDE, &p->width));
    BL_TRY(bl_step_int(b, "shorter", 0, 1, MAX_SIDE, &p->shorter));
    BL_TRY(bl_step_int(b, "longer", 0, 1, MAX_SIDE, &p->longer));
    int ways = (p->height && p->width) + (p->shorter > 0) + (p->longer > 0);
    if (ways != 1 || !p->height != !p->width)
        return bl_step_fail(b, NULL, "resize takes height and width, or shorter, or longer");
    *params = p;
    return BLIND_OK;
}

/* Which inputs make one output along an axis, and how much of each. */
typedef struct {
    size_t first, len;
    float *weight;
} taps;

/* A triangle as wide as one output's share of the input: when shrinking every input counts, as
 * Pillow does and unlike two-point interpolation.  Centres of samples lie at halves. */
static void taps_of(size_t out, size_t in_len, size_t out_len, float *weight, taps *to)
{
    double scale = (double)in_len / (double)out_len, support = scale > 1 ? scale : 1;
    double centre = ((double)out + 0.5) * scale, sum = 0;
    double from = fmax(0, floor(centre - support + 0.5));
    double until = fmin((double)in_len, floor(centre + support + 0.5));
    *to = (taps){ .first = (size_t)from, .len = (size_t)(until - from), .weight = weight };
    for (size_t i = 0; i < to->len; i++) {
        double w = fmax(0, 1 - fabs((from + (double)i + 0.5 - centre) / support));
        weight[i] = (float)w;
        sum += w;
    }
    for (size_t i = 0; i < to->len; i++)
        weight[i] = (float)(weight[i] / sum);
}

static void taps_nearest(size_t out, size_t in_len, size_t out_len, float *weight, taps *to)
{
    double at = floor(((double)out + 0.5) * (double)in_len / (double)out_len);
    weight[0] = 1;
    *to = (taps){ .first = (size_t)fmin(at, (double)in_len - 1), .len = 1, .weight = weight };
}

static blind_code taps_for_axis(bl_step_run *r, int method, size_t in_len, size_t out_len,
                                taps **out)
{
    size_t most = (size_t)(2 * ceil((double)in_len / (double)out_len)) + 3;
    float *weights = bl_arena_array(r->arena, out_len * most, sizeof *weights);
    *out = bl_arena_array(r->arena, out_len, sizeof **out);
    if (!weights || !*out)
        return blind_fail(r->err, BLIND_LIMIT, "pipeline.memory", "no memory to resize");
    for (size_t i = 0; i < out_len; i++)
        (method == NEAREST ? taps_nearest : taps_of)(i, in_len, out_len, weights + i * most,
                                                     &(*out)[i]);
    return BLIND_OK;
}

/* out[o][i] = the weighted sum over j of in[o][j][i], o < outer, i < inner. */
static void resample(float *out, const float *in, size_t outer, size_t in_len, size_t out_len,
                     size_t inner, const taps *t)
{
    for (size_t o = 0; o < outer; o++)
        for (size_t k = 0; k < out_len; k++) {
            float *to = out + (o * out_len + k) * inner;
            memset(to, 0, inner * sizeof *to);
            for (size_t j = 0; j < t[k].len; j++) {
                const float *from = in + (o * in_len + t[k].first + j) * inner;
                for (size_t i = 0; i < inner; i++)
                    to[i] += t[k].weight[j] * from[i];
            }
        }
}

static void size_for(const resize_params *p, int64_t height, int64_t width, int64_t *to_height,
                     int64_t *to_width)
{
    int64_t side = p->shorter ? p->shorter : p->longer;
    bool    by_height = p->shorter ? height <= width : height >= width;
    *to_height = p->height ? p->height : by_height ? side : BL_MAX(1, height * side / width);
    *to_width = p->width ? p->width : by_height ? BL_MAX(1, width * side / height) : side;
}

/* Every row resampled: a large picture of bytes becomes floats a row at a time. */
static blind_code resample_rows(bl_step_run *r, const blind_tensor *in, blind_tensor *out,
                                const taps *across)
{
    size_t rows = (size_t)in->shape[0], width = (size_t)in->shape[1], c = (size_t)in->shape[2];
    size_t new_width = (size_t)out->shape[1];
    float *row = bl_arena_array(r->arena, width * c, sizeof *row);
    if (!row)
        return blind_fail(r->err, BLIND_LIMIT, "pipeline.memory", "no memory to resize");
    for (size_t y = 0; y < rows; y++) {
        const float *from = (const float *)in->data + y * width * c;
        if (in->dtype == BLIND_U8) {
            const uint8_t *bytes = (const uint8_t *)in->data + y * width * c;
            for (size_t i = 0; i < width * c; i++)
                row[i] = bytes[i];
            from = row;
        }
        resample((float *)out->data + y * new_width * c, from, 1, width, new_width, c, across);
    }
    return BLIND_OK;
}

static blind_code resize_run(const void *params, bl_step_run *r)
{
    const resize_params *p = params;
    blind_tensor         rows, out;
    taps                *across, *down;
    int64_t              h, w, c = r->t.rank == 3 ? r->t.shape[2] : 0, new_h, new_w;
    if (r->t.dtype != BLIND_U8)
        BL_TRY(bl_step_to_f32(r, "resize"));
    BL_TRY(bl_step_want(r, "resize", r->t.dtype, 3));
    h = r->t.shape[0];
    w = r->t.shape[1];
    if (h < 1 || w < 1 || h > MAX_SIDE || w > MAX_SIDE || c < 1 || c > CHANNELS)
        return blind_fail(r->err, BLIND_INPUT, "pipeline.resize", "a picture of %lld x %lld",
                          (long long)w, (long long)h);
    size_for(p, h, w, &new_h, &new_w);
    if (new_h > MAX_SIDE || new_w > MAX_SIDE)
        return blind_fail(r->err, BLIND_LIMIT, "pipeline.resize", "a picture of %lld x %lld",
                          (long long)new_w, (long long)new_h);
    BL_TRY(bl_step_tensor(r, BLIND_F32, 3, (int64_t[]){ h, new_w, c }, &rows));
    BL_TRY(bl_step_tensor(r, BLIND_F32, 3, (int64_t[]){ new_h, new_w, c }, &out));
    BL_TRY(taps_for_axis(r, p->method, (size_t)w, (size_t)new_w, &across));
    BL_TRY(taps_for_axis(r, p->method, (size_t)h, (size_t)new_h, &down));
    BL_TRY(resample_rows(r, &r->t, &rows, across));
    resample(out.data, rows.data, 1, (size_t)h, (size_t)new_h, (size_t)(new_w * c), down);
    r->t = out;
    return BLIND_OK;
}

/* crop, pad: the middle of the picture, or the picture in the middle.  ------------------------ */

typedef struct {
    int64_t height, width;
    double  value;
} frame_params;

static blind_code frame_prepare(const bl_step_build *b, void **params)
{
    frame_params *p;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_int(b, "height", 0, 1, MAX_SIDE, &p->height));
    BL_TRY(bl_step_int(b, "width", 0, 1, MAX_SIDE, &p->width));
    BL_TRY(bl_step_number(b, "value", 0, &p->value));
    if (!p->height || !p->width)
        return bl_step_fail(b, NULL, "expected height and width");
    *params = p;
    return BLIND_OK;
}

/* Copies the rectangle that both pictures share when their middles meet. */
static void copy_middle(blind_tensor *out, const blind_tensor *in)
{
    int64_t h = BL_MIN(out->shape[0], in->shape[0]), w = BL_MIN(out->shape[1], in->shape[1]);
    int64_t c = in->shape[2];
    int64_t out_y = (out->shape[0] - h) / 2, out_x = (out->shape[1] - w) / 2;
    int64_t in_y = (in->shape[0] - h) / 2, in_x = (in->shape[1] - w) / 2;
    for (int64_t y = 0; y < h; y++)
        memcpy((float *)out->data + ((out_y + y) * out->shape[1] + out_x) * c,
               (const float *)in->data + ((in_y + y) * in->shape[1] + in_x) * c,
               (size_t)(w * c) * sizeof(float));
}

static blind_code frame_run(const frame_params *p, bl_step_run *r, const char *op, bool smaller)
{
    blind_tensor out;
    BL_TRY(bl_step_to_f32(r, op));
    BL_TRY(bl_step_want(r, op, BLIND_F32, 3));
    int64_t h = r->t.shape[0], w = r->t.shape[1];
    if (smaller ? h < p->height || w < p->width : h > p->height || w > p->width)
        return blind_fail(r->err, BLIND_INPUT, "pipeline.frame",
                          "%s to %lld x %lld of a picture of %lld x %lld", op, (long long)p->width,
                          (long long)p->height, (long long)w, (long long)h);
    BL_TRY(
        bl_step_tensor(r, BLIND_F32, 3, (int64_t[]){ p->height, p->width, r->t.shape[2] }, &out));
    size_t len = bl_step_len(&out);
    for (size_t i = 0; i < len && !smaller; i++)
        ((float *)out.data)[i] = (float)p->value;
    copy_middle(&out, &r->t);
    r->t = out;
    return BLIND_OK;
}

static blind_code crop_run(const void *params, bl_step_run *r)
{
    return frame_run(params, r, "crop", true);
}

static blind_code pad_run(const void *params, bl_step_run *r)
{
    return frame_run(params, r, "pad", false);
}

/* normalise: (x * scale - mean[c]) / std[c] along the last axis.  ----------------------------- */

typedef struct {
    size_t channels;
    double scale, mean[CHANNELS], std[CHANNELS];
} normalise_params;

static blind_code normalise_prepare(const bl_step_build *b, void **params)
{
    normalise_params *p;
    size_t            means, stds;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_number(b, "scale", 1, &p->scale));
    BL_TRY(bl_step_numbers(b, "mean", p->mean, CHANNELS, &means));
    BL_TRY(bl_step_numbers(b, "std", p->std, CHANNELS, &stds));
    p->channels = BL_MAX(means, stds);
    if (p->channels == 0)
        p->channels = 1;
    if ((means && means != p->channels) || (stds && stds != p->channels))
        return bl_step_fail(b, NULL, "mean and std have not the same number of channels");
    for (size_t i = 0; i < p->channels; i++) {
        if (!stds)
            p->std[i] = 1;
        if (p->std[i] == 0)
            return bl_step_fail(b, "std", "expected no zero");
    }
    *params = p;
    return BLIND_OK;
}

static blind_code normalise_run(const void *params, bl_step_run *r)
{
    const normalise_params *p = params;
    blind_tensor            out;
    BL_TRY(bl_step_to_f32(r, "normalise"));
    size_t len = bl_step_len(&r->t), n = p->channels;
    if (n > 1 && (r->t.rank < 1 || (size_t)r->t.shape[r->t.rank - 1] != n))
        return blind_fail(r->err, BLIND_INPUT, "pipeline.normalise",
                          "normalise with %zu channels, found %lld in the last axis", n,
                          r->t.rank ? (long long)r->t.shape[r->t.rank - 1] : 1);
    BL_TRY(bl_step_tensor(r, BLIND_F32, r->t.rank, r->t.shape, &out));
    for (size_t i = 0; i < len; i++)
        ((float *)out.data)[i] =
            (float)((((const float *)r->t.data)[i] * p->scale - p->mean[i % n]) / p->std[i % n]);
    r->t = out;
    return BLIND_OK;
}

/* transpose of three axes.  ------------------------------------------------------------------ */

typedef struct {
    int axis[3];
} transpose_params;

static blind_code transpose_prepare(const bl_step_build *b, void **params)
{
    transpose_params *p;
    double            axes[3];
    size_t            len;
    unsigned          seen = 0;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_numbers(b, "axes", axes, 3, &len));
    for (size_t i = 0; i < len; i++)
        if (axes[i] == 0 || axes[i] == 1 || axes[i] == 2)
            seen |= 1u << (p->axis[i] = (int)axes[i]);
    if (seen != 7)
        return bl_step_fail(b, "axes", "expected each of 0, 1 and 2 once");
    *params = p;
    return BLIND_OK;
}

static blind_code transpose_run(const void *params, bl_step_run *r)
{
    const transpose_params *p = params;
    blind_tensor            out;
    BL_TRY(bl_step_to_f32(r, "transpose"));
    BL_TRY(bl_step_want(r, "transpose", BLIND_F32, 3));
    const int64_t *in = r->t.shape;
    int64_t        step[] = { in[1] * in[2], in[2], 1 };
    int64_t        shape[] = { in[p->axis[0]], in[p->axis[1]], in[p->axis[2]] };
    BL_TRY(bl_step_tensor(r, BLIND_F32, 3, shape, &out));
    float *to = out.data;
    for (int64_t i = 0; i < shape[0]; i++)
        for (int64_t j = 0; j < shape[1]; j++)
            for (int64_t k = 0; k < shape[2]; k++)
                *to++ =
                    ((const float *)r->t
                         .data)[i * step[p->axis[0]] + j * step[p->axis[1]] + k * step[p->axis[2]]];
    r->t = out;
    return BLIND_OK;
}

const bl_step_row bl_image_steps[] = {
    { "decode_image", { "color" }, BLIND_U8, 1, BLIND_U8, decode_prepare, decode_run },
    { "resize",
      { "height", "width", "shorter", "longer", "method" },
      BLIND_F32,
      3,
      BLIND_F32,
      resize_prepare,
      resize_run },
    { "crop", { "height", "width" }, BLIND_F32, 3, BLIND_F32, frame_prepare, crop_run },
    { "pad", { "height", "width", "value" }, BLIND_F32, 3, BLIND_F32, frame_prepare, pad_run },
    { "normalise",
      { "scale", "mean", "std" },
      BLIND_F32,
      -1,
      BLIND_F32,
      normalise_prepare,
      normalise_run },
    { "transpose", { "axes" }, BLIND_F32, 3, BLIND_F32, transpose_prepare, transpose_run },
    { .name = NULL },
};
