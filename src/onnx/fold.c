/* A plain loop per tap: places along the last axis are runs of the image at the stride. */
#include "onnx/fold.h"

/* Places [*first, *end) whose element under this tap lies inside the image. */
static void places_inside(const bl_window *w, int axis, size_t tap, size_t *first, size_t *end)
{
    size_t shift = tap * w->dilation[axis], pad = w->pad[axis], step = w->stride[axis];
    size_t limit = w->in[axis] + pad; /* at * step + shift < limit */
    *first = shift >= pad ? 0 : (pad - shift + step - 1) / step;
    *end = shift >= limit ? 0 : BL_MIN((limit - shift - 1) / step + 1, w->out[axis]);
}

#define FOLD_ROW(name, type)                                                                       \
    static void name(type *out, const type *cols, size_t n, size_t step)                           \
    {                                                                                              \
        if (step == 1)                                                                             \
            for (size_t i = 0; i < n; i++)                                                         \
                out[i] += cols[i];                                                                 \
        else                                                                                       \
            for (size_t i = 0; i < n; i++)                                                         \
                out[i * step] += cols[i];                                                          \
    }
FOLD_ROW(row_f32, float)
FOLD_ROW(row_f64, double)

static void fold_tap(const bl_window *w, blind_dtype dtype, const void *cols, void *out,
                     const size_t *tap)
{
    size_t first[3], end[3];
    for (int i = 0; i < 3; i++)
        places_inside(w, i, tap[i], &first[i], &end[i]);
    if (first[2] >= end[2])
        return;
    for (size_t z = first[0]; z < end[0]; z++)
        for (size_t y = first[1]; y < end[1]; y++) {
            size_t iz = z * w->stride[0] + tap[0] * w->dilation[0] - w->pad[0];
            size_t iy = y * w->stride[1] + tap[1] * w->dilation[1] - w->pad[1];
            size_t ix = first[2] * w->stride[2] + tap[2] * w->dilation[2] - w->pad[2];
            size_t to = (iz * w->in[1] + iy) * w->in[2] + ix, n = end[2] - first[2];
            size_t from = (z * w->out[1] + y) * w->out[2] + first[2];
            if (dtype == BLIND_F32)
                row_f32((float *)out + to, (const float *)cols + from, n, w->stride[2]);
            else
                row_f64((double *)out + to, (const double *)cols + from, n, w->stride[2]);
        }
}

void bl_fold_plane(const bl_window *w, blind_dtype dtype, const void *cols, void *out)
{
    size_t      places = w->out[0] * w->out[1] * w->out[2] * blind_dtype_size(dtype), tap[3];
    const char *from = cols;
    for (tap[0] = 0; tap[0] < w->kernel[0]; tap[0]++)
        for (tap[1] = 0; tap[1] < w->kernel[1]; tap[1]++)
            for (tap[2] = 0; tap[2] < w->kernel[2]; tap[2]++, from += places)
                fold_tap(w, dtype, from, out, tap);
}
