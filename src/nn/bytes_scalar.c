/* Products of bytes in plain C: the specification. */
#include "nn/bytes_micro.h"

#include <math.h>

enum { WIDTH = 16 };

static void tile(int32_t *sums, size_t rows, const uint8_t *a, size_t a_row, bool is_signed,
                 const bl_segments *s, const int8_t *panel, const char *ahead, const char *end)
{
    (void)ahead;
    (void)end;
    for (size_t r = 0; r < rows; r++) {
        const int8_t *b = panel;
        uint32_t      sum[WIDTH] = { 0 };
        for (size_t i = 0; i < s->count; i++)
            for (size_t k = 0; k < 4 * s->steps; k++) {
                uint8_t byte = a[r * a_row + s->offset[i] + k];
                int32_t x = is_signed ? (int8_t)byte : byte;
                for (size_t j = 0; j < WIDTH; j++)
                    sum[j] += (uint32_t)(x * b[k / 4 * 4 * WIDTH + 4 * j + k % 4]);
                if (k + 1 == 4 * s->steps)
                    b += s->steps * 4 * WIDTH;
            }
        for (size_t j = 0; j < WIDTH; j++)
            sums[r * WIDTH + j] = (int32_t)sum[j];
    }
}

/* round(x), ties to even, cut; NaN gives low. */
static int32_t cut(float x, int32_t zero, int32_t low, int32_t high)
{
    float least = (float)(low - zero), most = (float)(high - zero);
    x = x > least ? x : least;
    x = x < most ? x : most;
    return (int32_t)rintf(x) + zero;
}

static int32_t byte_at(const void *data, bool is_signed, size_t i)
{
    return is_signed ? ((const int8_t *)data)[i] : ((const uint8_t *)data)[i];
}

static void store_one(const bl_bytes_finish *f, const bl_bytes_columns *c, int32_t sum, size_t j,
                      void *out, const void *add, size_t at)
{
    if (f->to == BL_BYTES_SUMS) {
        ((int32_t *)out)[at] = sum;
        return;
    }
    float v = (float)sum * c->scale[j];
    v = c->has_shift ? v + c->shift[j] : v;
    if (f->to == BL_BYTES_FLOATS) {
        v = add ? v + ((const float *)add)[at] : v;
        ((float *)out)[at] = f->act == BL_UNARY_RELU && v < 0 ? 0 : v;
        return;
    }
    int32_t byte = cut(v, f->zero, f->low, f->high);
    if (add) {
        v = (float)(byte - f->zero) * f->mid_scale +
            (float)(byte_at(add, f->add_signed, at) - f->add_zero) * f->add_scale;
        byte = cut(v, f->end_zero, f->end_low, f->end_high);
    }
    ((uint8_t *)out)[at] = (uint8_t)byte;
}

static void store(const bl_bytes_finish *f, const bl_bytes_columns *c, const int32_t *sums,
                  size_t width, const int32_t *row_sum, size_t rows, size_t cols, void *out,
                  const void *add, size_t stride)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < cols; j++) {
            uint32_t sum = (uint32_t)sums[r * width + j] + (uint32_t)c->first[j];
            if (c->has_zero)
                sum -= (uint32_t)c->zero[j] * (uint32_t)row_sum[r];
            store_one(f, c, (int32_t)sum, j, out, add, r * stride + j);
        }
}

static void quantize(void *out, const float *x, size_t len, float scale, int32_t zero, int32_t low,
                     int32_t high)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = (uint8_t)cut(x[i] / scale, zero, low, high);
}

static void dequantize(float *out, const void *x, bool is_signed, size_t len, float scale,
                       int32_t zero)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (float)(byte_at(x, is_signed, i) - zero) * scale;
}

static void range(const float *x, size_t len, float *low, float *high)
{
    *low = *high = 0;
    for (size_t i = 0; i < len; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

const bl_bytes bl_bytes_scalar = { .name = "scalar",
                                   .isa = BL_ISA_SCALAR,
                                   .rows = 4,
                                   .width = WIDTH,
                                   .step = 4,
                                   .tile = tile,
                                   .store = store,
                                   .quantize = quantize,
                                   .dequantize = dequantize,
                                   .range = range };
