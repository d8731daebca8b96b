/* Operators over bytes that only fusion makes: blind.ByteMaxPool, and blind.ByteMean, a
 * GlobalAveragePool of what bytes stand for.  Either takes its channels last where fusion says so.
 */
#include "onnx/integer.h"
#include "onnx/window.h"

static bool is_byte(const bl_tensor *t)
{
    return t->dtype == BLIND_U8 || t->dtype == BLIND_I8;
}

bl_byte_pool *bl_byte_pool_of(const bl_node *n)
{
    bool mine = n->op->run == bl_op_byte_max_run || n->op->run == bl_op_byte_mean_run;
    return mine ? n->params : NULL;
}

/* The greatest.  ----------------------------------------------------------------------------- */

blind_code bl_op_byte_max_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          kernel[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len;
    bl_byte_pool    *p;
    BL_TRY(bl_attr_ints(b, n, "kernel_shape", kernel, BL_ONNX_RANK, &len));
    if (!is_byte(x) || x->rank < 3 || len != (size_t)x->rank - 2)
        return bl_op_fail(b, n, BLIND_INPUT, "a kernel of %zu axes over %d", len, x->rank - 2);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_window_of(b, n, kernel, &p->window, dim, NULL));
    dim[0] = x->dim[0];
    dim[1] = x->dim[1];
    return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
}

typedef struct {
    const bl_byte_pool *p;
    const uint8_t      *x;
    uint8_t            *out;
    uint8_t             flip; /* makes signed bytes order as unsigned ones */
} max_job;

/* Taps [*first, *end) that lie inside, of the window at `at`. */
static void taps_inside(const bl_window *w, int axis, size_t at, size_t *first, size_t *end)
{
    *first = w->kernel[axis];
    *end = 0;
    for (size_t i = 0; i < w->kernel[axis]; i++)
        if (at * w->stride[axis] + i * w->dilation[axis] - w->pad[axis] < w->in[axis]) {
            *first = BL_MIN(*first, i);
            *end = i + 1;
        }
    *first = BL_MIN(*first, *end);
}

static void take_greater(uint8_t *to, const uint8_t *x, size_t n, uint8_t flip)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t v = x[i] ^ flip;
        to[i] = v > to[i] ? v : to[i];
    }
}

/* One row of places, channels last: the greatest of neighbouring pixels, channel by channel. */
static void max_last(const max_job *j, size_t image, size_t z, size_t y)
{
    const bl_window *w = &j->p->window;
    size_t           c = w->channels_in, t[3][2];
    size_t           row = ((image * w->out[0] + z) * w->out[1] + y) * w->out[2];
    taps_inside(w, 0, z, &t[0][0], &t[0][1]);
    taps_inside(w, 1, y, &t[1][0], &t[1][1]);
    for (size_t x = 0; x < w->out[2]; x++) {
        uint8_t *to = j->out + (row + x) * c;
        taps_inside(w, 2, x, &t[2][0], &t[2][1]);
        memset(to, 0, c);
        for (size_t i = t[0][0]; i < t[0][1]; i++)
            for (size_t k = t[1][0]; k < t[1][1]; k++)
                for (size_t l = t[2][0]; l < t[2][1]; l++) {
                    size_t at_z = z * w->stride[0] + i * w->dilation[0] - w->pad[0];
                    size_t at_y = y * w->stride[1] + k * w->dilation[1] - w->pad[1];
                    size_t at_x = x * w->stride[2] + l * w->dilation[2] - w->pad[2];
                    size_t at = ((image * w->in[0] + at_z) * w->in[1] + at_y) * w->in[2] + at_x;
                    take_greater(to, j->x + at * c, c, j->flip);
                }
        for (size_t i = 0; i < c && j->flip; i++)
            to[i] ^= j->flip;
    }
}

/* The same, a channel after the other. */
static void max_first(const max_job *j, size_t image, size_t z, size_t y)
{
    const bl_window *w = &j->p->window;
    size_t           t[3][2], plane = w->in[0] * w->in[1] * w->in[2];
    taps_inside(w, 0, z, &t[0][0], &t[0][1]);
    taps_inside(w, 1, y, &t[1][0], &t[1][1]);
    for (size_t c = 0; c < w->channels_in; c++)
        for (size_t x = 0; x < w->out[2]; x++) {
            const uint8_t *from = j->x + (image * w->channels_in + c) * plane;
            uint8_t        most = 0;
            taps_inside(w, 2, x, &t[2][0], &t[2][1]);
            for (size_t i = t[0][0]; i < t[0][1]; i++)
                for (size_t k = t[1][0]; k < t[1][1]; k++)
                    for (size_t l = t[2][0]; l < t[2][1]; l++) {
                        size_t at_z = z * w->stride[0] + i * w->dilation[0] - w->pad[0];
                        size_t at_y = y * w->stride[1] + k * w->dilation[1] - w->pad[1];
                        size_t at_x = x * w->stride[2] + l * w->dilation[2] - w->pad[2];
                        take_greater(&most, from + (at_z * w->in[1] + at_y) * w->in[2] + at_x, 1,
                                     j->flip);
                    }
            j->out[(((image * w->channels_in + c) * w->out[0] + z) * w->out[1] + y) * w->out[2] +
                   x] = most ^ j->flip;
        }
}

static void max_row(void *arg, size_t index, int worker)
{
    (void)worker;
    const max_job *j = arg;
    size_t         high = j->p->window.out[1], deep = j->p->window.out[0];
    (j->p->last ? max_last : max_first)(j, index / high / deep, index / high % deep, index % high);
}

blind_code bl_op_byte_max_run(const bl_exec *x, const bl_node *n)
{
    const bl_byte_pool *p = n->params;
    max_job             j = { .p = p, .x = bl_arg(x, n, 0)->data, .out = bl_result(x, n, 0)->data };
    j.flip = bl_arg(x, n, 0)->dtype == BLIND_I8 ? 0x80 : 0;
    if (bl_result(x, n, 0)->len > 0)
        bl_pool_run(x->pool, max_row, &j, p->window.batch * p->window.out[0] * p->window.out[1]);
    return BLIND_OK;
}

/* The mean.  --------------------------------------------------------------------------------- */

blind_code bl_op_byte_mean_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          dim[BL_ONNX_RANK];
    bl_byte_pool    *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (!is_byte(x) || x->rank < 3)
        return bl_op_fail(b, n, BLIND_INPUT, "an input of %d axes", x->rank);
    for (int i = 0; i < x->rank; i++)
        dim[i] = i < 2 ? x->dim[i] : 1;
    return bl_set_out(b, n, 0, BLIND_F32, x->rank, dim);
}

static int64_t sum_bytes(const uint8_t *x, uint8_t flip, size_t n, size_t step)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i * step] ^ flip;
    return sum - (flip ? 128 * (int64_t)n : 0);
}

blind_code bl_op_byte_mean_run(const bl_exec *x, const bl_node *n)
{
    const bl_byte_pool *p = n->params;
    const bl_tensor    *in = bl_arg(x, n, 0);
    size_t              channels = (size_t)in->dim[1], pixels = bl_dims(in, 2, in->rank);
    double  scale = bl_number_or_0(bl_arg(x, n, 1), 0), zero = bl_number_or_0(bl_arg(x, n, 2), 0);
    float  *out = bl_result(x, n, 0)->data;
    uint8_t flip = in->dtype == BLIND_I8 ? 0x80 : 0;
    for (size_t i = 0; i < bl_result(x, n, 0)->len; i++) {
        size_t         image = i / channels * channels * pixels, c = i % channels;
        const uint8_t *from = (const uint8_t *)in->data + image + (p->last ? c : c * pixels);
        double         sum = (double)sum_bytes(from, flip, pixels, p->last ? channels : 1);
        out[i] = (float)((sum / (double)pixels - zero) * scale);
    }
    return BLIND_OK;
}
