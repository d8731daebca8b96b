/* LRN: each element divided by a power of the squares of its neighbours in other channels.
 * Source: ONNX operators, LRN; Krizhevsky et al. 2012, section 3.3. */
#include "onnx/element.h"
#include "onnx/families.h"

#include <math.h>

typedef struct {
    size_t channels, inner, before, after; /* neighbours to either side */
    double scale, beta, bias;
} response;

blind_code bl_op_lrn_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          size = bl_attr_int(n, "size", 0);
    response        *p;
    BL_TRY(bl_need_real(b, n, 0));
    if (x->rank < 2 || size < 1 || size > INT32_MAX)
        return bl_op_fail(b, n, BLIND_INPUT, "%lld neighbours in %d axes", (long long)size,
                          x->rank);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = (response){ .channels = (size_t)x->dim[1],
                     .inner = bl_dims(x, 2, x->rank),
                     .before = (size_t)(size - 1) / 2,
                     .after = (size_t)size / 2,
                     .scale = (double)bl_attr_float(n, "alpha", 1e-4f) / (double)size,
                     .beta = (double)bl_attr_float(n, "beta", 0.75f),
                     .bias = (double)bl_attr_float(n, "bias", 1) };
    return bl_set_same(b, n);
}

typedef struct {
    const response  *p;
    const bl_tensor *in;
    bl_tensor       *out;
} job;

/* One channel of one image.  The usual power is two square roots. */
BL_INLINE void plane(const job *j, blind_dtype dtype, size_t index)
{
    enum { RUN = 64 };
    const response *p = j->p;
    size_t          c = index % p->channels, image = index / p->channels;
    size_t          low = c - BL_MIN(c, p->before);
    size_t          high = BL_MIN(p->channels, c + p->after + 1);
    double          sum[RUN];
    for (size_t from = 0; from < p->inner; from += RUN) {
        size_t len = BL_MIN(p->inner - from, (size_t)RUN);
        memset(sum, 0, sizeof sum);
        for (size_t k = low; k < high; k++)
            for (size_t i = 0; i < len; i++) {
                double v =
                    bl_get(dtype, j->in->data, (image * p->channels + k) * p->inner + from + i);
                sum[i] += v * v;
            }
        for (size_t i = 0; i < len; i++) {
            size_t at = index * p->inner + from + i;
            double base = p->bias + p->scale * sum[i];
            double by = p->beta == 0.75 ? sqrt(base) * sqrt(sqrt(base)) : pow(base, p->beta);
            bl_put(dtype, j->out->data, at, bl_get(dtype, j->in->data, at) / by);
        }
    }
}

static void part(void *arg, size_t index, int worker)
{
    const job *j = arg;
    (void)worker;
    if (j->in->dtype == BLIND_F32)
        plane(j, BLIND_F32, index);
    else
        plane(j, BLIND_F64, index);
}

blind_code bl_op_lrn_run(const bl_exec *x, const bl_node *n)
{
    job j = { n->params, bl_arg(x, n, 0), bl_result(x, n, 0) };
    if (j.out->len)
        bl_pool_run(x->pool, part, &j, j.out->len / j.p->inner);
    return BLIND_OK;
}
