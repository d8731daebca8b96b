/* An odometer over the outer axes; the innermost axis is the row. */
#include "onnx/rows.h"

void bl_walk_rows(const bl_walk *w, bl_row *row, void *out, size_t out_size, const void *a,
                  size_t a_size, const void *b, size_t b_size)
{
    size_t index[BL_ONNX_RANK] = { 0 }, at[2] = { 0 }, rows = 1;
    int    last = w->rank - 1;
    size_t n = w->rank ? w->shape[last] : 1;
    for (int i = 0; i < last; i++)
        rows *= w->shape[i];
    char *to = out;
    for (size_t r = 0; r < rows; r++, to += n * out_size) {
        row(to, (const char *)a + at[0] * a_size, b ? (const char *)b + at[1] * b_size : NULL, n,
            w->rank ? w->stride[0][last] : 0, w->rank ? w->stride[1][last] : 0);
        for (int i = last - 1; i >= 0; i--) {
            at[0] += w->stride[0][i];
            at[1] += w->stride[1][i];
            if (++index[i] < w->shape[i])
                break;
            at[0] -= w->stride[0][i] * w->shape[i];
            at[1] -= w->stride[1][i] * w->shape[i];
            index[i] = 0;
        }
    }
}
