/* GridSample and AffineGrid: an image looked at through a grid of points.
 * Source: ONNX operators, GridSample, AffineGrid. */
#include "onnx/element.h"
#include "onnx/families.h"

#include <math.h>

enum { SPATIAL = 3, TAPS = 64 }; /* axes, and elements that one point is made of: 4 per axis */

typedef enum { NEAREST, LINEAR, CUBIC } sample_mode;
typedef enum { ZEROS, BORDER, REFLECTION } padding;

typedef struct {
    sample_mode mode;
    padding     outside;
    bool        align;
    int         spatial;
    size_t      batch, channels, points, in_size;
    size_t      in[SPATIAL];
} sampling;

/* "linear" and "cubic" are "bilinear" and "bicubic" before opset 20. */
static blind_code read_modes(bl_build *b, const bl_node *n, sampling *p)
{
    const char *mode = bl_attr_str(n, "mode", n->opset < 20 ? "bilinear" : "linear");
    const char *outside = bl_attr_str(n, "padding_mode", "zeros");
    const char *name = n->opset < 20 && strncmp(mode, "bi", 2) == 0 ? mode + 2 : mode;
    bool        linear = strcmp(name, "linear") == 0, cubic = strcmp(name, "cubic") == 0;
    bool border = strcmp(outside, "border") == 0, reflect = strcmp(outside, "reflection") == 0;
    if ((!linear && !cubic && strcmp(name, "nearest") != 0) ||
        (!border && !reflect && strcmp(outside, "zeros") != 0))
        return bl_op_fail(b, n, BLIND_INPUT, "mode '%.20s' with padding '%.20s'", mode, outside);
    p->mode = linear ? LINEAR : cubic ? CUBIC : NEAREST;
    p->outside = border ? BORDER : reflect ? REFLECTION : ZEROS;
    p->align = bl_attr_int(n, "align_corners", 0) != 0;
    return BLIND_OK;
}

blind_code bl_op_grid_sample_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *grid = bl_in(b, n, 1);
    int64_t          dim[BL_ONNX_RANK];
    sampling        *p;
    BL_TRY(bl_need_real(b, n, 0));
    BL_TRY(bl_need_real(b, n, 1));
    if (x->rank < 3 || grid->rank != x->rank || grid->dim[x->rank - 1] != x->rank - 2 ||
        grid->dim[0] != x->dim[0])
        return bl_op_fail(b, n, BLIND_INPUT, "a grid that does not fit an input of %d axes",
                          x->rank);
    if (x->rank > 2 + SPATIAL)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "%d spatial axes", x->rank - 2);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(read_modes(b, n, p));
    p->spatial = x->rank - 2;
    p->batch = (size_t)x->dim[0];
    p->channels = (size_t)x->dim[1];
    p->points = bl_dims(grid, 1, grid->rank - 1);
    p->in_size = bl_dims(x, 2, x->rank);
    for (int i = 0; i < p->spatial; i++) {
        p->in[i] = (size_t)x->dim[2 + i];
        dim[2 + i] = grid->dim[1 + i];
    }
    dim[0] = x->dim[0];
    dim[1] = x->dim[1];
    BL_TRY(bl_set_out(b, n, 0, x->dtype, x->rank, dim));
    if (p->in_size == 0 && bl_out(b, n, 0)->len)
        return bl_op_fail(b, n, BLIND_INPUT, "an image without elements");
    return BLIND_OK;
}

/* x mirrored until it lies in [low, high]. */
static double reflect(double x, double low, double high)
{
    double span = high - low;
    if (span <= 0)
        return low;
    double at = fmod(fabs(x - low), 2 * span);
    return low + (at > span ? 2 * span - at : at);
}

/* A grid's number as a place along an axis of `size` elements, within reach of the padding. */
static double place_of(const sampling *p, double v, size_t size)
{
    double length = (double)size,
           x = p->align ? (v + 1) / 2 * (length - 1) : ((v + 1) * length - 1) / 2;
    double low = p->align ? 0 : -0.5, high = p->align ? length - 1 : length - 0.5;
    if (!(fabs(x) < 1e15)) /* NaN as well: far outside */
        x = x > 0 ? 1e15 : -1e15;
    if (p->mode == NEAREST)
        x = nearbyint(x);
    if ((x >= low && x <= high) || p->mode == CUBIC) /* a cubic's elements are padded each */
        return x;
    return p->outside == BORDER       ? BL_MIN(BL_MAX(x, 0), length - 1)
           : p->outside == REFLECTION ? reflect(x, low, high)
                                      : x;
}

/* The element that padding puts at a whole place; -1: zero. */
static int64_t element_at(const sampling *p, double at, size_t size)
{
    double length = (double)size;
    if (at >= 0 && at <= length - 1)
        return (int64_t)at;
    if (p->outside == ZEROS)
        return -1;
    if (p->outside == BORDER)
        return at < 0 ? 0 : (int64_t)size - 1;
    at = p->align ? reflect(at, 0, length - 1) : reflect(at, -0.5, length - 0.5);
    return (int64_t)BL_MIN(BL_MAX(nearbyint(at), 0), length - 1);
}

/* Keys' cubic with a = -0.75, as PyTorch has it. */
static double cubic_at(double t)
{
    const double a = -0.75;
    t = fabs(t);
    if (t < 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

/* The elements along one axis that make the place x, with their weights; returns how many. */
static int taps_along(const sampling *p, double x, size_t size, int64_t *at, double *weight)
{
    int    count = p->mode == NEAREST ? 1 : p->mode == LINEAR ? 2 : 4;
    double first = p->mode == CUBIC ? floor(x) - 1 : p->mode == LINEAR ? floor(x) : nearbyint(x);
    for (int i = 0; i < count; i++) {
        double distance = fabs(x - first - i);
        at[i] = element_at(p, first + i, size);
        weight[i] = p->mode == NEAREST  ? 1
                    : p->mode == LINEAR ? BL_MAX(1 - distance, 0)
                                        : cubic_at(distance);
    }
    return count;
}

typedef struct {
    size_t at[TAPS];
    double weight[TAPS];
    int    len;
} point_taps;

/* Offsets in a plane of the elements that make one point.  A grid names the last axis first. */
BL_INLINE void find_taps(const sampling *p, blind_dtype dtype, const void *grid, size_t point,
                         point_taps *out)
{
    int64_t at[SPATIAL][4];
    double  weight[SPATIAL][4];
    int     count[SPATIAL], all = 1;
    for (int d = 0; d < p->spatial; d++) {
        double v = bl_get(dtype, grid, (point + 1) * (size_t)p->spatial - 1 - (size_t)d);
        count[d] = taps_along(p, place_of(p, v, p->in[d]), p->in[d], at[d], weight[d]);
        all *= count[d];
    }
    out->len = 0;
    for (int i = 0; i < all; i++) {
        size_t offset = 0;
        size_t step = 1;
        double w = 1;
        bool   inside = true;
        int    rest = i;
        for (int d = p->spatial - 1; d >= 0; d--) {
            int k = rest % count[d];
            rest /= count[d];
            inside = inside && at[d][k] >= 0;
            offset += inside ? (size_t)at[d][k] * step : 0;
            w *= weight[d][k];
            step *= p->in[d];
        }
        if (!inside || w == 0)
            continue;
        out->at[out->len] = offset;
        out->weight[out->len++] = w;
    }
}

enum { POINTS = 256 }; /* of one part */

typedef struct {
    const sampling *p;
    blind_dtype     dtype;
    const char     *x, *grid;
    char           *out;
    size_t          parts; /* per image */
} sample_job;

BL_INLINE void sample_points(const sample_job *j, blind_dtype dtype, size_t image, size_t part)
{
    const sampling *p = j->p;
    size_t          end = BL_MIN((part + 1) * POINTS, p->points);
    for (size_t i = part * POINTS; i < end; i++) {
        point_taps taps;
        find_taps(p, dtype, j->grid, image * p->points + i, &taps);
        for (size_t c = 0; c < p->channels; c++) {
            size_t plane = image * p->channels + c;
            double sum = 0;
            for (int k = 0; k < taps.len; k++)
                sum += taps.weight[k] * bl_get(dtype, j->x, plane * p->in_size + taps.at[k]);
            bl_put(dtype, j->out, plane * p->points + i, sum);
        }
    }
}

static void sample_part(void *arg, size_t index, int worker)
{
    const sample_job *j = arg;
    (void)worker;
    if (j->dtype == BLIND_F32)
        sample_points(j, BLIND_F32, index / j->parts, index % j->parts);
    else
        sample_points(j, BLIND_F64, index / j->parts, index % j->parts);
}

blind_code bl_op_grid_sample_run(const bl_exec *x, const bl_node *n)
{
    const sampling  *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    sample_job       j = { .p = p,
                           .dtype = in->dtype,
                           .x = in->data,
                           .grid = bl_arg(x, n, 1)->data,
                           .out = out->data,
                           .parts = (p->points + POINTS - 1) / POINTS };
    if (out->len)
        bl_pool_run(x->pool, sample_part, &j, p->batch * j.parts);
    return BLIND_OK;
}

/* AffineGrid: a matrix applied to every place of an image, in numbers from -1 to 1.  ----------- */

blind_code bl_op_affine_grid_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *theta = bl_in(b, n, 0);
    int64_t          size[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len;
    BL_TRY(bl_need_real(b, n, 0));
    BL_TRY(bl_const_ints(b, n, 1, size, BL_ONNX_RANK, &len));
    int spatial = (int)len - 2;
    if (spatial < 2 || spatial > 3 || theta->rank != 3 || theta->dim[1] != spatial ||
        theta->dim[2] != spatial + 1 || theta->dim[0] != size[0])
        return bl_op_fail(b, n, BLIND_INPUT, "a matrix that does not fit an image of %zu axes",
                          len);
    dim[0] = size[0];
    for (int i = 0; i < spatial; i++)
        dim[1 + i] = size[2 + i];
    dim[1 + spatial] = spatial;
    return bl_set_out(b, n, 0, theta->dtype, spatial + 2, dim);
}

static double grid_number(bool align, size_t at, size_t size)
{
    if (align)
        return size > 1 ? -1 + 2.0 * (double)at / ((double)size - 1) : 0;
    return -1 + (2.0 * (double)at + 1) / (double)size;
}

blind_code bl_op_affine_grid_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *theta = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    bool             align = bl_attr_int(n, "align_corners", 0) != 0;
    size_t           spatial = (size_t)theta->dim[1], points = bl_dims(out, 1, out->rank - 1);
    for (size_t i = 0; points && i < out->len / spatial; i++) {
        double v[SPATIAL + 1] = { 0 }; /* the last axis first, then 1 */
        size_t rest = i % points, matrix = i / points * spatial * (spatial + 1);
        for (size_t d = 0; d < spatial; d++) {
            size_t size = (size_t)out->dim[spatial - d];
            v[d] = grid_number(align, rest % size, size);
            rest /= size;
        }
        v[spatial] = 1;
        for (size_t r = 0; r < spatial; r++) {
            double sum = 0;
            for (size_t c = 0; c <= spatial; c++)
                sum += v[c] * bl_get(theta->dtype, theta->data, matrix + r * (spatial + 1) + c);
            bl_put(out->dtype, out->data, i * spatial + r, sum);
        }
    }
    return BLIND_OK;
}
