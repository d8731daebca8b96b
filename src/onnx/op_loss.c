/* NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss, over [batch, classes, inner].
 * Source: ONNX operators of these names, opset 12 and 13. */
#include "onnx/families.h"

#include <math.h>

typedef struct {
    size_t  batch, classes, inner;
    bool    softmax;   /* the input are scores, not log-probabilities */
    bool    sum, mean; /* else a loss for each target */
    bool    ignores;
    int64_t ignored; /* the class that does not count */
} loss;

blind_code bl_op_loss_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *target = bl_in(b, n, 1), *weight = bl_in(b, n, 2);
    const char      *reduction = bl_attr_str(n, "reduction", "mean");
    loss            *p;
    bool             fits = x->rank >= 2 && target->rank == x->rank - 1;
    for (int i = 0; fits && i < target->rank; i++)
        fits = target->dim[i] == x->dim[i == 0 ? 0 : i + 1];
    if (!fits || (weight && weight->len != (size_t)x->dim[1]))
        return bl_op_fail(b, n, BLIND_INPUT, "targets or weights that do not fit the input");
    if ((x->dtype != BLIND_F32 && x->dtype != BLIND_F64) ||
        (target->dtype != BLIND_I64 && target->dtype != BLIND_I32))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of types %s and %s",
                          blind_dtype_name(x->dtype), blind_dtype_name(target->dtype));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = (loss){ .batch = (size_t)x->dim[0],
                 .classes = (size_t)x->dim[1],
                 .inner = bl_dims(x, 2, x->rank),
                 .softmax = strcmp(n->type, "SoftmaxCrossEntropyLoss") == 0,
                 .sum = strcmp(reduction, "sum") == 0,
                 .mean = strcmp(reduction, "mean") == 0,
                 .ignores = bl_attr_find(n, "ignore_index") != NULL,
                 .ignored = bl_attr_int(n, "ignore_index", 0) };
    BL_TRY(bl_set_out(b, n, 1, x->dtype, x->rank, x->dim));
    return bl_set_out(b, n, 0, x->dtype, p->sum || p->mean ? 0 : target->rank, target->dim);
}

static double number(const bl_tensor *t, size_t i)
{
    double v = 0;
    bl_tensor_number(t, i, &v);
    return v;
}

/* log(sum over classes of exp(x)) at one place; 0 where the input are log-probabilities. */
static double log_sum(const loss *p, const bl_tensor *x, size_t base)
{
    double most = -(double)INFINITY, sum = 0;
    if (!p->softmax)
        return 0;
    for (size_t c = 0; c < p->classes; c++)
        most = fmax(most, number(x, base + c * p->inner));
    for (size_t c = 0; c < p->classes; c++)
        sum += exp(number(x, base + c * p->inner) - most);
    return most + log(sum);
}

blind_code bl_op_loss_run(const bl_exec *x, const bl_node *n)
{
    const loss      *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0), *target = bl_arg(x, n, 1), *weight = bl_arg(x, n, 2);
    bl_tensor       *out = bl_result(x, n, 0), *logs = bl_result(x, n, 1);
    double           sum = 0, weights = 0;
    for (size_t i = 0; i < p->batch * p->inner; i++) {
        size_t base = i / p->inner * p->classes * p->inner + i % p->inner;
        int64_t class = (int64_t)number(target, i);
        bool   counts = !(p->ignores && class == p->ignored);
        double shift = log_sum(p, in, base);
        for (size_t c = 0; logs && c < p->classes; c++)
            bl_tensor_set_number(logs, base + c * p->inner,
                                 number(in, base + c * p->inner) - shift);
        if (counts && (class < 0 || (uint64_t) class >= p->classes))
            return bl_run_fail(x, n, "target %lld of %zu classes", (long long)class, p->classes);
        double w = counts ? weight ? number(weight, (size_t) class) : 1 : 0;
        double v = counts ? -w * (number(in, base + (size_t) class * p->inner) - shift) : 0;
        sum += v;
        weights += w;
        if (!p->sum && !p->mean)
            bl_tensor_set_number(out, i, v);
    }
    if (p->sum || p->mean)
        bl_tensor_set_number(out, 0, p->mean ? sum / weights : sum);
    return BLIND_OK;
}
