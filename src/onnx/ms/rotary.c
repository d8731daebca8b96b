/* RotaryEmbedding: pairs of each head turned by the angles of their position. */
#include "onnx/ms/ms.h"

enum { X, PLACES, COS, SIN };

typedef struct {
    size_t batch, length, heads, size, turned; /* numbers of a head, and how many of them turn */
    size_t batch_stride, row_stride, head_stride;
    bool   beside; /* pairs lie side by side, else half a head apart */
} rotary_params;

blind_code bl_ms_rotary_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, X), *cos = bl_in(b, n, COS), *at = bl_in(b, n, PLACES);
    int64_t          heads = bl_attr_int(n, "num_heads", 0),
            dims = bl_attr_int(n, "rotary_embedding_dim", 0);
    rotary_params *p;
    BL_TRY(bl_ms_types(b, n, 1u << PLACES));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if ((x->rank != 3 && x->rank != 4) || cos->rank != 2 || bl_in(b, n, SIN)->rank != 2 ||
        cos->dim[1] < 1 || cos->dim[0] != bl_in(b, n, SIN)->dim[0] ||
        cos->dim[1] != bl_in(b, n, SIN)->dim[1] || dims < 0)
        return bl_op_fail(b, n, BLIND_INPUT, "rows of %d axes, angles of %d", x->rank, cos->rank);
    p->beside = bl_attr_int(n, "interleaved", 0) != 0;
    p->batch = (size_t)x->dim[0];
    p->length = (size_t)x->dim[x->rank == 3 ? 1 : 2];
    size_t wide = (size_t)x->dim[x->rank - 1];
    p->turned = 2 * (size_t)cos->dim[1];
    p->size = x->rank == 4 ? wide : dims && heads > 0 ? wide / (size_t)heads : p->turned;
    if (p->size == 0 || wide % p->size || p->turned > p->size ||
        (dims && (size_t)dims != p->turned))
        return bl_op_fail(b, n, BLIND_INPUT, "%zu angles of heads of %zu", p->turned / 2, p->size);
    p->heads = x->rank == 4 ? (size_t)x->dim[1] : wide / p->size;
    p->row_stride = x->rank == 4 ? p->size : wide;
    p->head_stride = x->rank == 4 ? p->length * p->size : p->size;
    p->batch_stride = p->heads * p->length * p->size;
    if (at->len != 1 && at->len != p->batch * p->length)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu positions", at->len);
    return bl_set_same(b, n);
}

static void turn(const rotary_params *p, const float *x, const float *cos, const float *sin,
                 float *out)
{
    size_t half = p->turned / 2, step = p->beside ? 2 : 1, apart = p->beside ? 1 : half;
    for (size_t i = 0; i < half; i++) {
        float a = x[i * step], b = x[i * step + apart];
        out[i * step] = a * cos[i] - b * sin[i];
        out[i * step + apart] = b * cos[i] + a * sin[i];
    }
    for (size_t i = p->turned; i < p->size; i++)
        out[i] = x[i];
}

static int64_t place_of(const bl_tensor *t, size_t row, size_t step)
{
    size_t  i = t->len == 1 ? 0 : row;
    int64_t at =
        t->dtype == BLIND_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
    return t->len == 1 && at >= 0 && at <= INT32_MAX ? at + (int64_t)step : at;
}

blind_code bl_ms_rotary_run(const bl_exec *x, const bl_node *n)
{
    const rotary_params *p = n->params;
    const bl_tensor     *cos = bl_arg(x, n, COS), *sin = bl_arg(x, n, SIN);
    const float         *in = bl_arg(x, n, X)->data;
    float               *out = bl_result(x, n, 0)->data;
    size_t               half = p->turned / 2;
    for (size_t row = 0; row < p->batch * p->length; row++) {
        int64_t at = place_of(bl_arg(x, n, PLACES), row, row % p->length);
        size_t  from = row / p->length * p->batch_stride + row % p->length * p->row_stride;
        if (at < 0 || at >= cos->dim[0])
            return bl_run_fail(x, n, "position %lld of %lld", (long long)at,
                               (long long)cos->dim[0]);
        for (size_t h = 0; h < p->heads; h++, from += p->head_stride)
            turn(p, in + from, (const float *)cos->data + (size_t)at * half,
                 (const float *)sin->data + (size_t)at * half, out + from);
    }
    return BLIND_OK;
}
