/* Rows, planes and windows in plain C: the specification. */
#include "nn/internal.h"
#include "nn/scalar.h"

#include <math.h>

/* `step` is the distance between neighbours of the axis. */
static void softmax_line(float *out, const float *x, size_t width, size_t step, bool log_of)
{
    double top = -INFINITY, total = 0;
    for (size_t i = 0; i < width; i++)
        top = fmax(top, x[i * step]);
    for (size_t i = 0; i < width; i++)
        total += exp(x[i * step] - top);
    for (size_t i = 0; i < width; i++)
        out[i * step] =
            (float)(log_of ? x[i * step] - top - log(total) : exp(x[i * step] - top) / total);
}

void bl_scalar_softmax_axis(float *out, const float *x, size_t outer, size_t width, size_t inner,
                            bool log, bl_pool *pool)
{
    (void)pool;
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++)
            softmax_line(out + o * width * inner + i, x + o * width * inner + i, width, inner, log);
}

void bl_scalar_softmax(float *out, const float *x, size_t rows, size_t width, bool log,
                       bl_pool *pool)
{
    bl_scalar_softmax_axis(out, x, rows, width, 1, log, pool);
}

void bl_scalar_layer_norm(float *out, const float *x, const float *gain, const float *bias,
                          size_t rows, size_t width, float eps, bl_pool *pool)
{
    (void)pool;
    for (size_t r = 0; r < rows; r++, x += width, out += width) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < width; i++)
            mean += x[i];
        mean /= (double)width;
        for (size_t i = 0; i < width; i++)
            square += (x[i] - mean) * (x[i] - mean);
        double factor = 1 / sqrt(square / (double)width + eps);
        for (size_t i = 0; i < width; i++)
            out[i] = (float)((x[i] - mean) * factor * gain[i] + (bias ? bias[i] : 0));
    }
}

void bl_scalar_scale_shift(float *out, const float *x, const float *scale, const float *shift,
                           size_t batch, size_t channels, size_t inner, bl_unary act, float act_a,
                           float act_b, bl_pool *pool)
{
    (void)pool;
    for (size_t plane = 0; plane < batch * channels; plane++)
        for (size_t i = 0; i < inner; i++) {
            size_t c = plane % channels, at = plane * inner + i;
            out[at] = bl_unary_scalar(act, x[at] * scale[c] + shift[c], act_a, act_b);
        }
}

void bl_scalar_reduce(bl_reduction op, float *out, const float *x, size_t outer, size_t axis,
                      size_t inner, bl_pool *pool)
{
    (void)pool;
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++) {
            double sum = op == BL_REDUCE_PROD ? 1 : 0;
            float  top = op == BL_REDUCE_MAX ? -INFINITY : INFINITY;
            for (size_t j = 0; j < axis; j++) {
                float v = x[(o * axis + j) * inner + i];
                if (op == BL_REDUCE_MAX || op == BL_REDUCE_MIN)
                    top = bl_binary_scalar(op == BL_REDUCE_MAX ? BL_BINARY_MAX : BL_BINARY_MIN, top,
                                           v);
                else if (op == BL_REDUCE_PROD)
                    sum *= v;
                else if (op == BL_REDUCE_SUM_SQUARE)
                    sum += (double)v * v;
                else
                    sum += op == BL_REDUCE_SUM_ABS ? fabsf(v) : v;
            }
            if (op == BL_REDUCE_MEAN)
                sum /= (double)axis;
            bool extreme = op == BL_REDUCE_MAX || op == BL_REDUCE_MIN;
            out[o * inner + i] = extreme ? top : (float)sum;
        }
}

/* The range of taps of one axis that fall inside x. */
static void taps(const bl_window *w, int axis, size_t at, size_t *begin, size_t *end)
{
    size_t first = at * w->stride[axis], pad = w->pad[axis], step = w->dilation[axis];
    *begin = first >= pad ? 0 : (pad - first + step - 1) / step;
    size_t limit = w->in[axis] + pad;
    *end = first >= limit ? 0 : BL_MIN(w->kernel[axis], (limit - first + step - 1) / step);
    *begin = BL_MIN(*begin, *end);
}

/* The taps of one axis inside x and its pads. */
static size_t taps_padded(const bl_pooling *p, int axis, size_t at)
{
    const bl_window *w = &p->window;
    size_t           limit = w->in[axis] + w->pad[axis] + p->pad_after[axis];
    size_t           first = at * w->stride[axis], step = w->dilation[axis];
    return first >= limit ? 0 : BL_MIN(w->kernel[axis], (limit - first + step - 1) / step);
}

static float pool_at(const bl_pooling *p, const float *x, const size_t at[3], bool average)
{
    const bl_window *w = &p->window;
    size_t           begin[3], end[3], count = 1;
    float            top = -INFINITY;
    double           sum = 0;
    for (int axis = 0; axis < 3; axis++) {
        taps(w, axis, at[axis], &begin[axis], &end[axis]);
        count *= p->count_pad ? taps_padded(p, axis, at[axis]) : end[axis] - begin[axis];
    }
    for (size_t a = begin[0]; a < end[0]; a++)
        for (size_t b = begin[1]; b < end[1]; b++)
            for (size_t c = begin[2]; c < end[2]; c++) {
                size_t i = at[0] * w->stride[0] + a * w->dilation[0] - w->pad[0];
                size_t j = at[1] * w->stride[1] + b * w->dilation[1] - w->pad[1];
                size_t k = at[2] * w->stride[2] + c * w->dilation[2] - w->pad[2];
                float  v = x[(i * w->in[1] + j) * w->in[2] + k];
                sum += v;
                top = bl_binary_scalar(BL_BINARY_MAX, top, v);
            }
    return average ? (float)(sum / (double)count) : top;
}

typedef struct {
    const bl_pooling *p;
    bool              average;
} pool_job;

static void pool_plane(void *arg, size_t plane, int worker)
{
    (void)worker;
    const pool_job  *job = arg;
    const bl_window *w = &job->p->window;
    const float     *x = job->p->x + plane * bl_window_in_size(w);
    float           *out = job->p->out + plane * bl_window_out_size(w);
    size_t           at[3];
    for (at[0] = 0; at[0] < w->out[0]; at[0]++)
        for (at[1] = 0; at[1] < w->out[1]; at[1]++)
            for (at[2] = 0; at[2] < w->out[2]; at[2]++)
                *out++ = pool_at(job->p, x, at, job->average);
}

void bl_scalar_max_pool(const bl_pooling *p, bl_pool *pool)
{
    pool_job job = { p, false };
    bl_pool_run(pool, pool_plane, &job, p->window.batch * p->window.channels_out);
}

void bl_scalar_avg_pool(const bl_pooling *p, bl_pool *pool)
{
    pool_job job = { p, true };
    bl_pool_run(pool, pool_plane, &job, p->window.batch * p->window.channels_out);
}
