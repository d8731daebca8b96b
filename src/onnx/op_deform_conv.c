/* DeformConv: a convolution whose taps are moved by offsets, read between elements.
 * Source: ONNX operators, DeformConv; Zhu et al. 2018, arXiv:1811.11168. */
#include "onnx/element.h"
#include "onnx/families.h"
#include "onnx/window.h"

#include <math.h>

typedef struct {
    bl_window window;
    size_t    offset_groups, taps;
} deformed;

static blind_code check(bl_build *b, const bl_node *n, int64_t groups, int64_t offset_groups)
{
    const bl_tensor *x = bl_in(b, n, 0), *w = bl_in(b, n, 1);
    for (int i = 0; i < 5; i++)
        BL_TRY(bl_need_real(b, n, i));
    if (x->rank != 4 || w->rank != 4)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "an input of %d axes", x->rank);
    if (groups < 1 || x->dim[1] % groups != 0 || w->dim[0] % groups != 0 ||
        w->dim[1] != x->dim[1] / groups || offset_groups < 1 || x->dim[1] % offset_groups != 0)
        return bl_op_fail(b, n, BLIND_INPUT, "%lld channels in %lld groups and %lld of offsets",
                          (long long)x->dim[1], (long long)groups, (long long)offset_groups);
    if (bl_has_in(n, 3) && bl_in(b, n, 3)->len != (size_t)w->dim[0])
        return bl_op_fail(b, n, BLIND_INPUT, "a bias that is not one number per channel");
    return BLIND_OK;
}

static bool has_shape(const bl_tensor *t, int64_t batch, size_t channels, const int64_t *dim)
{
    return t->rank == 4 && t->dim[0] == batch && (size_t)t->dim[1] == channels &&
           t->dim[2] == dim[2] && t->dim[3] == dim[3];
}

blind_code bl_op_deform_conv_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *w = bl_in(b, n, 1);
    int64_t          groups = bl_attr_int(n, "group", 1), dim[BL_ONNX_RANK];
    int64_t          offset_groups = bl_attr_int(n, "offset_group", 1);
    deformed        *p;
    size_t           moved;
    BL_TRY(check(b, n, groups, offset_groups));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_window_of(b, n, w->dim + 2, &p->window, dim, NULL));
    p->window.channels_out = (size_t)w->dim[0];
    p->window.groups = (size_t)groups;
    p->offset_groups = (size_t)offset_groups;
    p->taps = p->window.kernel[1] * p->window.kernel[2];
    dim[0] = x->dim[0];
    dim[1] = w->dim[0];
    if (!bl_mul(p->offset_groups, p->taps, &moved) || moved > SIZE_MAX / 2 ||
        !has_shape(bl_in(b, n, 2), x->dim[0], 2 * moved, dim) ||
        (bl_has_in(n, 4) && !has_shape(bl_in(b, n, 4), x->dim[0], moved, dim)))
        return bl_op_fail(b, n, BLIND_INPUT, "offsets or a mask that do not fit");
    return bl_set_out(b, n, 0, x->dtype, 4, dim);
}

blind_code bl_op_deform_conv_prepare(bl_build *b, bl_node *n)
{
    const deformed *p = n->params;
    size_t          column;
    if (!bl_mul(p->window.channels_in, p->taps, &column) ||
        !bl_mul(column, sizeof(double) * (size_t)bl_pool_threads(b->pool), &n->scratch))
        return bl_op_fail(b, n, BLIND_LIMIT, "a window of impossible size");
    return BLIND_OK;
}

typedef struct {
    const deformed  *p;
    const bl_tensor *x, *w, *offset, *bias, *mask;
    bl_tensor       *out;
    double          *scratch;
} job;

static double number(const bl_tensor *t, size_t i)
{
    return bl_get(t->dtype, t->data, i);
}

/* The plane at a place between its elements; zero outside. */
static double read_between(const job *j, size_t plane, double y, double x)
{
    double height = (double)j->p->window.in[1], width = (double)j->p->window.in[2], sum = 0;
    if (!(y > -1 && y < height && x > -1 && x < width)) /* NaN too */
        return 0;
    double top = floor(y), left = floor(x);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            double row = top + i, column = left + k;
            if (row < 0 || row >= height || column < 0 || column >= width)
                continue;
            double weight = (i ? y - top : 1 - (y - top)) * (k ? x - left : 1 - (x - left));
            size_t at = (plane * j->p->window.in[1] + (size_t)row) * j->p->window.in[2];
            sum += weight * number(j->x, at + (size_t)column);
        }
    return sum;
}

/* What all channels' windows see at one place: [channels][taps]. */
static void read_column(const job *j, size_t image, size_t row, size_t column, double *out)
{
    const bl_window *w = &j->p->window;
    size_t           taps = j->p->taps, each = w->channels_in / j->p->offset_groups;
    for (size_t c = 0; c < w->channels_in; c++)
        for (size_t tap = 0; tap < taps; tap++) {
            size_t moved = (image * j->p->offset_groups + c / each) * taps + tap;
            size_t y = (2 * moved * w->out[1] + row) * w->out[2] + column;
            size_t x = ((2 * moved + 1) * w->out[1] + row) * w->out[2] + column;
            size_t down = row * w->stride[1] + tap / w->kernel[2] * w->dilation[1];
            size_t along = column * w->stride[2] + tap % w->kernel[2] * w->dilation[2];
            double v = read_between(j, image * w->channels_in + c,
                                    (double)down - (double)w->pad[1] + number(j->offset, y),
                                    (double)along - (double)w->pad[2] + number(j->offset, x));
            if (j->mask)
                v *= number(j->mask, (moved * w->out[1] + row) * w->out[2] + column);
            out[c * taps + tap] = v;
        }
}

BL_INLINE double dot(blind_dtype dtype, const double *column, const void *weights, size_t at,
                     size_t len)
{
    double sum[4] = { 0 };
    size_t i = 0;
    for (; i + 4 <= len; i += 4)
        for (size_t k = 0; k < 4; k++)
            sum[k] += column[i + k] * bl_get(dtype, weights, at + i + k);
    for (; i < len; i++)
        sum[0] += column[i] * bl_get(dtype, weights, at + i);
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static void row_part(void *arg, size_t index, int worker)
{
    const job       *j = arg;
    const bl_window *w = &j->p->window;
    size_t           image = index / w->out[1], row = index % w->out[1];
    size_t           len = w->channels_in / w->groups * j->p->taps;
    size_t           each = w->channels_out / w->groups;
    double          *column = j->scratch + (size_t)worker * w->channels_in * j->p->taps;
    for (size_t at = 0; at < w->out[2]; at++) {
        read_column(j, image, row, at, column);
        for (size_t o = 0; o < w->channels_out; o++) {
            const double *part = column + o / each * len;
            double sum = j->w->dtype == BLIND_F32 ? dot(BLIND_F32, part, j->w->data, o * len, len)
                                                  : dot(BLIND_F64, part, j->w->data, o * len, len);
            sum += j->bias ? number(j->bias, o) : 0;
            bl_put(j->out->dtype, j->out->data,
                   ((image * w->channels_out + o) * w->out[1] + row) * w->out[2] + at, sum);
        }
    }
}

blind_code bl_op_deform_conv_run(const bl_exec *x, const bl_node *n)
{
    job j = { n->params,       bl_arg(x, n, 0), bl_arg(x, n, 1),    bl_arg(x, n, 2),
              bl_arg(x, n, 3), bl_arg(x, n, 4), bl_result(x, n, 0), x->scratch };
    if (j.out->len)
        bl_pool_run(x->pool, row_part, &j, j.p->window.batch * j.p->window.out[1]);
    return BLIND_OK;
}
