/* One plane of the output is one part of the work. */
#include "onnx/conv_plain.h"

typedef struct {
    const bl_window *w;
    blind_dtype      dtype;
    const void      *x, *weights, *bias;
    void            *out;
} job;

/* One output element: the sum over a window. */
BL_INLINE double sum_at(const job *j, blind_dtype dtype, size_t image, size_t o, const size_t *at)
{
    const bl_window *w = j->w;
    size_t channels = w->channels_in / w->groups, group = o / (w->channels_out / w->groups);
    size_t tap = o * channels * w->kernel[0] * w->kernel[1] * w->kernel[2];
    double sum = 0;
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < w->kernel[0]; i++)
            for (size_t k = 0; k < w->kernel[1]; k++)
                for (size_t l = 0; l < w->kernel[2]; l++, tap++) {
                    size_t z = at[0] * w->stride[0] + i * w->dilation[0] - w->pad[0];
                    size_t y = at[1] * w->stride[1] + k * w->dilation[1] - w->pad[1];
                    size_t v = at[2] * w->stride[2] + l * w->dilation[2] - w->pad[2];
                    if (z >= w->in[0] || y >= w->in[1] || v >= w->in[2])
                        continue; /* negative ones wrapped around */
                    size_t in = (image * w->channels_in + group * channels + c) * w->in[0];
                    sum += bl_get(dtype, j->x, ((in + z) * w->in[1] + y) * w->in[2] + v) *
                           bl_get(dtype, j->weights, tap);
                }
    return sum;
}

BL_INLINE void plane(const job *j, blind_dtype dtype, size_t index)
{
    const bl_window *w = j->w;
    size_t           o = index % w->channels_out, at[3];
    size_t           to = index * w->out[0] * w->out[1] * w->out[2];
    double           bias = j->bias ? bl_get(dtype, j->bias, o) : 0;
    for (at[0] = 0; at[0] < w->out[0]; at[0]++)
        for (at[1] = 0; at[1] < w->out[1]; at[1]++)
            for (at[2] = 0; at[2] < w->out[2]; at[2]++)
                bl_put(dtype, j->out, to++,
                       sum_at(j, dtype, index / w->channels_out, o, at) + bias);
}

static void part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    (void)worker;
    if (j->dtype == BLIND_F32)
        plane(j, BLIND_F32, index);
    else
        plane(j, BLIND_F64, index);
}

void bl_conv_plain(const bl_window *w, blind_dtype dtype, const void *x, const void *weights,
                   const void *bias, void *out, bl_pool *pool)
{
    job j = { w, dtype, x, weights, bias, out };
    bl_pool_run(pool, part, &j, w->batch * w->channels_out);
}
