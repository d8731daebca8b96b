/* DFT, STFT, MelWeightMatrix and the windows.  Source: ONNX operators of these names. */
#include "onnx/families.h"
#include "onnx/fft.h"
#include "onnx/values.h"

#include <math.h>

typedef struct {
    bl_fft fft;
    bool   inverse;
    size_t bins;  /* that are given out of each transform */
    size_t width; /* 1: real input, 2: complex */
    size_t outer, size,
        inner;           /* DFT: elements before, along and behind the axis, pairs not counted */
    size_t step, frames; /* STFT */
} transform;

static double *scratch_of(const bl_exec *x, const transform *p, int worker)
{
    return (double *)x->scratch + (size_t)worker * 2 * p->fft.m;
}

blind_code bl_op_dft_prepare(bl_build *b, bl_node *n)
{
    const transform *p = n->params;
    if (!bl_mul(2 * p->fft.m * sizeof(double), (size_t)bl_pool_threads(b->pool), &n->scratch))
        return bl_op_fail(b, n, BLIND_LIMIT, "a transform of %zu points", p->fft.n);
    return BLIND_OK;
}

/* DFT.  -------------------------------------------------------------------------------------- */

static blind_code dft_axis(bl_build *b, const bl_node *n, int *axis)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          given = n->opset < 20 ? bl_attr_int(n, "axis", 1) : -2;
    if (n->opset >= 20)
        BL_TRY(bl_integer_of(b, n, 2, &given));
    BL_TRY(bl_need_real(b, n, 0));
    if (x->rank < 2 || (x->dim[x->rank - 1] != 1 && x->dim[x->rank - 1] != 2))
        return bl_op_fail(b, n, BLIND_INPUT, "an input that is neither real nor complex");
    BL_TRY(bl_axis(b, n, given, x->rank, axis));
    if (*axis == x->rank - 1)
        return bl_op_fail(b, n, BLIND_INPUT, "a transform along the parts of a number");
    return BLIND_OK;
}

blind_code bl_op_dft_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bool             onesided = bl_attr_int(n, "onesided", 0) != 0;
    int64_t          dim[BL_ONNX_RANK], length;
    int              axis;
    transform       *p;
    BL_TRY(dft_axis(b, n, &axis));
    length = x->dim[axis];
    BL_TRY(bl_integer_of(b, n, 1, &length));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_fft_init(b, n, length, &p->fft));
    p->inverse = bl_attr_int(n, "inverse", 0) != 0;
    p->width = (size_t)x->dim[x->rank - 1];
    if (onesided && (p->inverse || p->width == 2))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "one side of an inverse or complex transform");
    p->bins = onesided ? p->fft.n / 2 + 1 : p->fft.n;
    p->outer = bl_dims(x, 0, axis);
    p->size = (size_t)x->dim[axis];
    p->inner = bl_dims(x, axis + 1, x->rank - 1);
    memcpy(dim, x->dim, sizeof dim);
    dim[axis] = (int64_t)p->bins;
    dim[x->rank - 1] = 2;
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

typedef struct {
    const bl_exec   *x;
    const transform *p;
    const bl_tensor *in, *window;
    bl_tensor       *out;
} transform_job;

static void put_bins(const transform_job *j, const double *line, size_t at, size_t step)
{
    double scale = j->p->inverse ? 1 / (double)j->p->fft.n : 1;
    for (size_t k = 0; k < j->p->bins; k++)
        for (size_t c = 0; c < 2; c++)
            bl_put(j->out->dtype, j->out->data, (at + k * step) * 2 + c, line[2 * k + c] * scale);
}

static void dft_line(void *arg, size_t index, int worker)
{
    const transform_job *j = arg;
    const transform     *p = j->p;
    double              *line = scratch_of(j->x, p, worker);
    size_t               outer = index / p->inner, inner = index % p->inner;
    size_t               from = outer * p->size * p->inner + inner;
    for (size_t k = 0; k < p->fft.n; k++)
        for (size_t c = 0; c < 2; c++)
            line[2 * k + c] =
                k < p->size && c < p->width
                    ? bl_get(j->in->dtype, j->in->data, (from + k * p->inner) * p->width + c)
                    : 0;
    bl_fft_run(&p->fft, line, p->inverse);
    put_bins(j, line, outer * p->bins * p->inner + inner, p->inner);
}

blind_code bl_op_dft_run(const bl_exec *x, const bl_node *n)
{
    const transform *p = n->params;
    transform_job    j = { x, p, bl_arg(x, n, 0), NULL, bl_result(x, n, 0) };
    if (j.out->len)
        bl_pool_run(x->pool, dft_line, &j, p->outer * p->inner);
    return BLIND_OK;
}

/* STFT.  ------------------------------------------------------------------------------------- */

static blind_code stft_sizes(bl_build *b, const bl_node *n, transform *p, int64_t *frame)
{
    const bl_tensor *x = bl_in(b, n, 0), *window = bl_in(b, n, 2);
    int64_t          step = 0;
    *frame = window ? (int64_t)window->len : 0;
    BL_TRY(bl_need_real(b, n, 0));
    BL_TRY(bl_need_real(b, n, 2));
    BL_TRY(bl_integer_of(b, n, 1, &step));
    BL_TRY(bl_integer_of(b, n, 3, frame));
    if (x->rank < 2 || x->rank > 3 || (x->rank == 3 && x->dim[2] != 1 && x->dim[2] != 2))
        return bl_op_fail(b, n, BLIND_INPUT, "a signal of %d axes", x->rank);
    if (step < 1 || *frame < 1 || *frame > x->dim[1])
        return bl_op_fail(b, n, BLIND_INPUT, "frames of %lld at steps of %lld in %lld elements",
                          (long long)*frame, (long long)step, (long long)x->dim[1]);
    if (window && (window->rank != 1 || window->dim[0] != *frame))
        return bl_op_fail(b, n, BLIND_INPUT, "a window of %zu elements over %lld", window->len,
                          (long long)*frame);
    p->outer = (size_t)x->dim[0];
    p->size = (size_t)x->dim[1];
    p->step = (size_t)step;
    p->width = x->rank == 3 ? (size_t)x->dim[2] : 1;
    p->frames = (p->size - (size_t)*frame) / p->step + 1;
    return BLIND_OK;
}

blind_code bl_op_stft_infer(bl_build *b, bl_node *n)
{
    bool       onesided = bl_attr_int(n, "onesided", 1) != 0;
    int64_t    frame;
    transform *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(stft_sizes(b, n, p, &frame));
    BL_TRY(bl_fft_init(b, n, frame, &p->fft));
    if (onesided && p->width == 2)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "one side of a complex transform");
    p->bins = onesided ? p->fft.n / 2 + 1 : p->fft.n;
    int64_t dim[4] = { (int64_t)p->outer, (int64_t)p->frames, (int64_t)p->bins, 2 };
    return bl_set_out(b, n, 0, bl_in(b, n, 0)->dtype, 4, dim);
}

blind_code bl_op_stft_prepare(bl_build *b, bl_node *n)
{
    return bl_op_dft_prepare(b, n);
}

static void stft_frame(void *arg, size_t index, int worker)
{
    const transform_job *j = arg;
    const transform     *p = j->p;
    double              *line = scratch_of(j->x, p, worker);
    size_t               from = index / p->frames * p->size + index % p->frames * p->step;
    for (size_t k = 0; k < p->fft.n; k++) {
        double w = j->window ? bl_get(j->window->dtype, j->window->data, k) : 1;
        for (size_t c = 0; c < 2; c++)
            line[2 * k + c] =
                c < p->width ? w * bl_get(j->in->dtype, j->in->data, (from + k) * p->width + c) : 0;
    }
    bl_fft_run(&p->fft, line, false);
    put_bins(j, line, index * p->bins, 1);
}

blind_code bl_op_stft_run(const bl_exec *x, const bl_node *n)
{
    const transform *p = n->params;
    transform_job    j = { x, p, bl_arg(x, n, 0), bl_arg(x, n, 2), bl_result(x, n, 0) };
    if (j.out->len)
        bl_pool_run(x->pool, stft_frame, &j, p->outer * p->frames);
    return BLIND_OK;
}

/* MelWeightMatrix.  -------------------------------------------------------------------------- */

typedef struct {
    int64_t bins, length, rate;
    double  low, high; /* Hz */
} mel;

static blind_code output_type(bl_build *b, const bl_node *n, blind_dtype *out)
{
    int type = bl_dtype_of_onnx(bl_attr_int(n, "output_datatype", 1));
    if (type < 0 || type >= BLIND_BOOL)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of ONNX type %lld",
                          (long long)bl_attr_int(n, "output_datatype", 1));
    *out = (blind_dtype)type;
    return BLIND_OK;
}

blind_code bl_op_mel_infer(bl_build *b, bl_node *n)
{
    mel         v = { 0 }, *p;
    blind_dtype dtype = BLIND_F32;
    BL_TRY(output_type(b, n, &dtype));
    BL_TRY(bl_integer_of(b, n, 0, &v.bins));
    BL_TRY(bl_integer_of(b, n, 1, &v.length));
    BL_TRY(bl_integer_of(b, n, 2, &v.rate));
    BL_TRY(bl_number_of(b, n, 3, &v.low));
    BL_TRY(bl_number_of(b, n, 4, &v.high));
    if (v.bins < 1 || v.bins > INT32_MAX || v.length < 1 || v.length > INT32_MAX || v.rate < 1 ||
        !(v.low >= 0 && v.low <= v.high && v.high < 1e9))
        return bl_op_fail(b, n, BLIND_INPUT, "impossible bins or frequencies");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = v;
    int64_t dim[2] = { v.length / 2 + 1, v.bins };
    return bl_set_out(b, n, 0, dtype, 2, dim);
}

/* The transform's bin of edge i of the triangles. */
static int64_t mel_edge(const mel *p, int64_t i)
{
    double low = 2595 * log10(1 + p->low / 700), high = 2595 * log10(1 + p->high / 700);
    double at = low + (double)i * (high - low) / (double)(p->bins + 2);
    double hertz = 700 * (pow(10, at / 2595) - 1);
    return (int64_t)BL_MIN(floor((double)(p->length + 1) * hertz / (double)p->rate), 1e15);
}

blind_code bl_op_mel_run(const bl_exec *x, const bl_node *n)
{
    const mel *p = n->params;
    bl_tensor *out = bl_result(x, n, 0);
    memset(out->data, 0, bl_tensor_size(out));
    for (int64_t i = 0; i < p->bins; i++) {
        int64_t low = mel_edge(p, i), centre = mel_edge(p, i + 1), high = mel_edge(p, i + 2);
        for (int64_t k = low; k < BL_MIN(BL_MAX(high, centre + 1), out->dim[0]); k++) {
            double rising = low == centre ? 1 : (double)(k - low) / (double)(centre - low);
            double v = k < centre || high <= centre ? rising
                                                    : (double)(high - k) / (double)(high - centre);
            bl_put(out->dtype, out->data, (size_t)(k * p->bins + i), v);
        }
    }
    return BLIND_OK;
}

/* HannWindow, HammingWindow, BlackmanWindow: sums of cosines.  --------------------------------- */

blind_code bl_op_window_infer(bl_build *b, bl_node *n)
{
    int64_t     size = 0;
    blind_dtype dtype = BLIND_F32;
    BL_TRY(output_type(b, n, &dtype));
    BL_TRY(bl_integer_of(b, n, 0, &size));
    if (size < 0)
        return bl_op_fail(b, n, BLIND_INPUT, "a window of %lld elements", (long long)size);
    return bl_set_out(b, n, 0, dtype, 1, &size);
}

blind_code bl_op_window_run(const bl_exec *x, const bl_node *n)
{
    bl_tensor *out = bl_result(x, n, 0);
    double     a = 0.5, c = 0.5, d = 0, period = (double)out->len;
    if (n->type[1] == 'a' && n->type[2] == 'm') { /* Hamming */
        a = 25.0 / 46;
        c = 1 - a;
    } else if (n->type[0] == 'B') {
        a = 0.42;
        d = 0.08;
    }
    if (!bl_attr_int(n, "periodic", 1))
        period -= 1;
    for (size_t i = 0; i < out->len; i++) {
        double angle = period > 0 ? 2 * 3.14159265358979323846 * (double)i / period : 0;
        bl_put(out->dtype, out->data, i, a - c * cos(angle) + d * cos(2 * angle));
    }
    return BLIND_OK;
}
