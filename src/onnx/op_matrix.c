/* Matrices that are made or judged as a whole: Trilu, EyeLike, Det.  Sources: ONNX operators of
 * these names. */
#include "onnx/families.h"
#include "onnx/number.h"

#include <math.h>

/* Trilu: k shifts the diagonal, which stays.  ------------------------------------------------ */

blind_code bl_op_trilu_infer(bl_build *b, bl_node *n)
{
    if (bl_in(b, n, 0)->rank < 2)
        return bl_op_fail(b, n, BLIND_INPUT, "an input that is no matrix");
    if (bl_has_in(n, 1) && (bl_in(b, n, 1)->len != 1 || bl_in(b, n, 1)->dtype != BLIND_I64))
        return bl_op_fail(b, n, BLIND_INPUT, "k is no single number");
    return bl_set_same(b, n);
}

blind_code bl_op_trilu_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0), *shift = bl_arg(x, n, 1);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           size = bl_element_size(in->dtype);
    int64_t          rows = in->dim[in->rank - 2], columns = in->dim[in->rank - 1], k = 0;
    bool             upper = bl_attr_int(n, "upper", 1) != 0;
    if (shift)
        memcpy(&k, shift->data, sizeof k);
    k = BL_MAX(BL_MIN(k, columns), -rows); /* further changes nothing, and must not overflow */
    for (size_t line = 0; columns && line < in->len / (size_t)columns; line++) {
        int64_t i = (int64_t)(line % (size_t)rows), from = 0, to = columns;
        if (upper)
            from = BL_MAX(BL_MIN(i + k, columns), 0);
        else
            to = BL_MAX(BL_MIN(i + k + 1, columns), 0);
        char       *row = (char *)out->data + line * (size_t)columns * size;
        const char *was = (const char *)in->data + line * (size_t)columns * size;
        memset(row, 0, (size_t)columns * size);
        if (to > from)
            memcpy(row + (size_t)from * size, was + (size_t)from * size,
                   (size_t)(to - from) * size);
    }
    return BLIND_OK;
}

/* EyeLike.  ---------------------------------------------------------------------------------- */

blind_code bl_op_eye_like_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          asked = bl_attr_int(n, "dtype", bl_onnx_of_dtype(x->dtype));
    int              to = bl_dtype_of_onnx(asked);
    if (x->rank != 2)
        return bl_op_fail(b, n, BLIND_INPUT, "an input of %d axes, expected 2", x->rank);
    if (to < 0 || to == BLIND_STRING)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %lld", (long long)asked);
    return bl_set_out(b, n, 0, (blind_dtype)to, 2, x->dim);
}

blind_code bl_op_eye_like_run(const bl_exec *x, const bl_node *n)
{
    bl_tensor *out = bl_result(x, n, 0);
    int64_t    k = bl_attr_int(n, "k", 0);
    if (out->len)
        memset(out->data, 0, bl_tensor_size(out));
    for (int64_t i = 0; i < out->dim[0]; i++)
        if (k > -i - 1 && k < out->dim[1] - i)
            bl_tensor_set_number(out, (size_t)(i * out->dim[1] + i + k), 1);
    return BLIND_OK;
}

/* Det, by elimination with the largest pivot.  ------------------------------------------------ */

blind_code bl_op_det_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    if (x->rank < 2 || x->dim[x->rank - 1] != x->dim[x->rank - 2])
        return bl_op_fail(b, n, BLIND_INPUT, "an input that is no square matrix");
    if (x->dtype != BLIND_F32 && x->dtype != BLIND_F64)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    n->scratch = bl_dims(x, x->rank - 2, x->rank) * sizeof(double);
    return bl_set_out(b, n, 0, x->dtype, x->rank - 2, x->dim);
}

static double determinant(double *a, size_t n)
{
    double det = 1;
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        for (size_t j = 0; pivot != k && j < n; j++) {
            double keep = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = keep;
        }
        det *= pivot != k ? -a[k * n + k] : a[k * n + k];
        for (size_t i = k + 1; det != 0 && i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];
            for (size_t j = k; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return det;
}

blind_code bl_op_det_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           size = (size_t)in->dim[in->rank - 1];
    double          *a = x->scratch;
    for (size_t z = 0; z < out->len; z++) {
        for (size_t i = 0; i < size * size; i++)
            bl_tensor_number(in, z * size * size + i, &a[i]);
        bl_tensor_set_number(out, z, determinant(a, size));
    }
    return BLIND_OK;
}
