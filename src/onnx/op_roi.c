/* RoiAlign and MaxRoiPool: rectangles of feature maps made equally large.
 * Source: ONNX operators, RoiAlign, MaxRoiPool; He et al. 2017, arXiv:1703.06870, section 3. */
#include "onnx/element.h"
#include "onnx/families.h"

#include <math.h>

typedef struct {
    size_t  height, width, channels, out_height, out_width;
    double  scale;
    bool    half_pixel, max;
    int64_t ratio; /* samples per bin and axis; 0: as many as the bin has elements */
} roi_params;

static blind_code read_size(bl_build *b, const bl_node *n, int64_t height, int64_t width,
                            roi_params *p)
{
    const bl_tensor *x = bl_in(b, n, 0), *rois = bl_in(b, n, 1);
    if (x->rank != 4 || rois->rank != 2 || height < 1 || width < 1 || height > INT32_MAX ||
        width > INT32_MAX)
        return bl_op_fail(b, n, BLIND_INPUT, "a map of %d axes, pooled to %lld x %lld", x->rank,
                          (long long)height, (long long)width);
    p->channels = (size_t)x->dim[1];
    p->height = (size_t)x->dim[2];
    p->width = (size_t)x->dim[3];
    p->out_height = (size_t)height;
    p->out_width = (size_t)width;
    p->scale = (double)bl_attr_float(n, "spatial_scale", 1);
    int64_t dim[4] = { rois->dim[0], x->dim[1], height, width };
    BL_TRY(bl_set_out(b, n, 0, x->dtype, 4, dim));
    if (bl_out(b, n, 0)->len && x->len == 0)
        return bl_op_fail(b, n, BLIND_INPUT, "a map without elements");
    return BLIND_OK;
}

blind_code bl_op_roi_align_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *rois = bl_in(b, n, 1), *batch = bl_in(b, n, 2);
    const char      *mode = bl_attr_str(n, "mode", "avg");
    const char      *how = bl_attr_str(n, "coordinate_transformation_mode",
                                  n->opset < 16 ? "output_half_pixel" : "half_pixel");
    roi_params      *p;
    BL_TRY(bl_need_real(b, n, 0));
    BL_TRY(bl_need_real(b, n, 1));
    if (rois->rank != 2 || rois->dim[1] != 4 || batch->dtype != BLIND_I64 ||
        batch->len != (size_t)rois->dim[0])
        return bl_op_fail(b, n, BLIND_INPUT, "rectangles that are not four numbers and an image");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->max = strcmp(mode, "max") == 0;
    p->half_pixel = strcmp(how, "half_pixel") == 0;
    p->ratio = bl_attr_int(n, "sampling_ratio", 0);
    if ((!p->max && strcmp(mode, "avg") != 0) || p->ratio < 0 || p->ratio > 1024)
        return bl_op_fail(b, n, BLIND_INPUT, "mode '%.20s' with %lld samples", mode,
                          (long long)p->ratio);
    return read_size(b, n, bl_attr_int(n, "output_height", 1), bl_attr_int(n, "output_width", 1),
                     p);
}

/* One rectangle in elements of the map.  */
typedef struct {
    size_t image;
    double top, left, bin_height, bin_width;
    size_t rows, columns; /* samples of a bin */
} rectangle;

static double number(const bl_tensor *t, size_t i)
{
    return bl_get(t->dtype, t->data, i);
}

static blind_code samples_of(const bl_exec *x, const bl_node *n, const roi_params *p, double bin,
                             size_t size, size_t *out)
{
    double wanted = p->ratio > 0 ? (double)p->ratio : ceil(bin);
    if (!(fabs(bin) < 1e9) || wanted > 4 * (double)size + 1024)
        return bl_run_fail(x, n, "a rectangle far larger than the map");
    *out = wanted > 0 ? (size_t)wanted : 0;
    return BLIND_OK;
}

static blind_code rectangle_at(const bl_exec *x, const bl_node *n, const roi_params *p, size_t i,
                               rectangle *r)
{
    const bl_tensor *map = bl_arg(x, n, 0), *rois = bl_arg(x, n, 1);
    int64_t          image = ((const int64_t *)bl_arg(x, n, 2)->data)[i];
    double           offset = p->half_pixel ? 0.5 : 0, v[4];
    if (image < 0 || image >= map->dim[0])
        return bl_run_fail(x, n, "a rectangle of image %lld of %lld", (long long)image,
                           (long long)map->dim[0]);
    for (size_t k = 0; k < 4; k++)
        v[k] = number(rois, i * 4 + k) * p->scale - offset;
    double height = v[3] - v[1], width = v[2] - v[0];
    if (!p->half_pixel) {
        height = BL_MAX(height, 1);
        width = BL_MAX(width, 1);
    }
    *r = (rectangle){ .image = (size_t)image,
                      .top = v[1],
                      .left = v[0],
                      .bin_height = height / (double)p->out_height,
                      .bin_width = width / (double)p->out_width };
    if (!(fabs(r->top) < 1e9 && fabs(r->left) < 1e9))
        return bl_run_fail(x, n, "a rectangle far outside the map");
    BL_TRY(samples_of(x, n, p, r->bin_height, p->height, &r->rows));
    return samples_of(x, n, p, r->bin_width, p->width, &r->columns);
}

/* Between which elements a place lies, and how far along; false when it is outside. */
static bool between(double at, size_t size, size_t *low, size_t *high, double *along)
{
    if (at < -1 || at > (double)size)
        return false;
    at = BL_MAX(at, 0);
    *low = BL_MIN((size_t)at, size - 1);
    *high = BL_MIN(*low + 1, size - 1);
    *along = *low == *high ? 0 : at - (double)*low;
    return true;
}

/* The four weighted neighbours of one sample; zeros outside. */
static void sample_at(const bl_tensor *map, const roi_params *p, size_t plane, double y, double x,
                      double v[4])
{
    size_t top, bottom, left, right, base = plane * p->height * p->width;
    double down, along;
    v[0] = v[1] = v[2] = v[3] = 0;
    if (!between(y, p->height, &top, &bottom, &down) ||
        !between(x, p->width, &left, &right, &along))
        return;
    v[0] = (1 - down) * (1 - along) * number(map, base + top * p->width + left);
    v[1] = (1 - down) * along * number(map, base + top * p->width + right);
    v[2] = down * (1 - along) * number(map, base + bottom * p->width + left);
    v[3] = down * along * number(map, base + bottom * p->width + right);
}

static double bin_value(const bl_tensor *map, const roi_params *p, const rectangle *r, size_t c,
                        size_t row, size_t column)
{
    double sum = 0, highest = -INFINITY, v[4];
    for (size_t i = 0; i < r->rows; i++)
        for (size_t k = 0; k < r->columns; k++) {
            double y = r->top + r->bin_height * ((double)row + ((double)i + 0.5) / (double)r->rows);
            double x =
                r->left + r->bin_width * ((double)column + ((double)k + 0.5) / (double)r->columns);
            sample_at(map, p, r->image * p->channels + c, y, x, v);
            sum += v[0] + v[1] + v[2] + v[3];
            highest = BL_MAX(highest, BL_MAX(BL_MAX(v[0], v[1]), BL_MAX(v[2], v[3])));
        }
    size_t count = BL_MAX(r->rows * r->columns, (size_t)1);
    if (p->max)
        return r->rows * r->columns > 0 ? highest : 0;
    return sum / (double)count;
}

typedef struct {
    const roi_params *p;
    const bl_tensor  *map;
    bl_tensor        *out;
    const rectangle  *r;
    size_t            roi;
} roi_job;

static void align_part(void *arg, size_t c, int worker)
{
    const roi_job    *j = arg;
    const roi_params *p = j->p;
    size_t            to = (j->roi * p->channels + c) * p->out_height * p->out_width;
    (void)worker;
    for (size_t row = 0; row < p->out_height; row++)
        for (size_t column = 0; column < p->out_width; column++)
            bl_put(j->out->dtype, j->out->data, to++, bin_value(j->map, p, j->r, c, row, column));
}

blind_code bl_op_roi_align_run(const bl_exec *x, const bl_node *n)
{
    const roi_params *p = n->params;
    bl_tensor        *out = bl_result(x, n, 0);
    rectangle         r;
    for (size_t i = 0; out->len && i < (size_t)out->dim[0]; i++) {
        BL_TRY(rectangle_at(x, n, p, i, &r));
        roi_job j = { p, bl_arg(x, n, 0), out, &r, i };
        bl_pool_run(x->pool, align_part, &j, p->channels);
    }
    return BLIND_OK;
}

/* MaxRoiPool.  ------------------------------------------------------------------------------- */

blind_code bl_op_max_roi_pool_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *rois = bl_in(b, n, 1);
    int64_t          shape[2];
    size_t           len;
    roi_params      *p;
    BL_TRY(bl_need_real(b, n, 0));
    BL_TRY(bl_need_real(b, n, 1));
    BL_TRY(bl_attr_ints(b, n, "pooled_shape", shape, 2, &len));
    if (len != 2 || rois->rank != 2 || rois->dim[1] != 5)
        return bl_op_fail(b, n, BLIND_INPUT, "rectangles that are not five numbers, or no shape");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    return read_size(b, n, shape[0], shape[1], p);
}

/* The elements [*first, *end) of bin i along an axis. */
static void bin_range(size_t i, double bin, double start, size_t size, size_t *first, size_t *end)
{
    double low = floor((double)i * bin) + start, high = ceil(((double)i + 1) * bin) + start;
    *first = (size_t)BL_MIN(BL_MAX(low, 0), (double)size);
    *end = (size_t)BL_MIN(BL_MAX(high, 0), (double)size);
}

blind_code bl_op_max_roi_pool_run(const bl_exec *x, const bl_node *n)
{
    const roi_params *p = n->params;
    const bl_tensor  *map = bl_arg(x, n, 0), *rois = bl_arg(x, n, 1);
    bl_tensor        *out = bl_result(x, n, 0);
    size_t            bins = p->out_height * p->out_width, y[2], u[2];
    for (size_t i = 0; i < out->len; i++) {
        size_t roi = i / bins / p->channels, c = i / bins % p->channels;
        double v[4], image = number(rois, roi * 5), highest = 0;
        if (!(image >= 0 && image < (double)map->dim[0]))
            return bl_run_fail(x, n, "a rectangle of an image that is not there");
        for (size_t k = 0; k < 4; k++) {
            v[k] = (double)roundf((float)number(rois, roi * 5 + 1 + k) * (float)p->scale);
            if (!(fabs(v[k]) < 1e9))
                return bl_run_fail(x, n, "a rectangle far outside the map");
        }
        bin_range(i % bins / p->out_width, BL_MAX(v[3] - v[1] + 1, 1) / (double)p->out_height, v[1],
                  p->height, &y[0], &y[1]);
        bin_range(i % p->out_width, BL_MAX(v[2] - v[0] + 1, 1) / (double)p->out_width, v[0],
                  p->width, &u[0], &u[1]);
        size_t base = ((size_t)image * p->channels + c) * p->height * p->width;
        bool   any = false;
        for (size_t row = y[0]; row < y[1]; row++)
            for (size_t column = u[0]; column < u[1]; column++) {
                double here = number(map, base + row * p->width + column);
                highest = !any || here > highest ? here : highest;
                any = true;
            }
        bl_put(out->dtype, out->data, i, highest);
    }
    return BLIND_OK;
}
