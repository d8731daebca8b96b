/* Operators of one input, element by element.  Most are one row: an operator, the kernel table's
 * function and where its two parameters come from. */
#include "onnx/families.h"
#include "onnx/number.h"
#include "onnx/rows.h"

#include <math.h>

typedef double plain(double x, double a, double b);

typedef struct {
    bl_unary op;
    float    a, b;
    plain   *plain; /* for doubles, integers, and where the kernel table has none */
} unary;

/* The plain functions, of an element x and the operator's two parameters. */
#define PLAIN(name, expression)                                                                    \
    static double name(double x, double a, double b)                                               \
    {                                                                                              \
        (void)a;                                                                                   \
        (void)b;                                                                                   \
        return expression;                                                                         \
    }
#define SAME(name) PLAIN(name##_of, name(x))
PLAIN(relu, x < 0 ? 0 : x)
PLAIN(leaky_relu, x < 0 ? a * x : x)
PLAIN(sigmoid, 1 / (1 + exp(-x)))
PLAIN(hard_sigmoid, fmin(fmax(a *x + b, 0), 1))
PLAIN(hard_swish, x *fmin(fmax(x / 6 + 0.5, 0), 1))
PLAIN(elu, x < 0 ? a * expm1(x) : x)
PLAIN(selu, x > 0 ? b * x : b * a * expm1(x))
PLAIN(celu, x > 0 ? x : a * expm1(x / a))
PLAIN(thresholded_relu, x > a ? x : 0)
PLAIN(softplus, x > 30 ? x : log1p(exp(x)))
PLAIN(softsign, x / (1 + fabs(x)))
PLAIN(mish, x *tanh(log1p(exp(x))))
PLAIN(gelu_erf, x / 2 * (1 + erf(x * sqrt(0.5))))
PLAIN(gelu_tanh, x / 2 * (1 + tanh(sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x))))
PLAIN(silu, x / (1 + exp(-a * x)))
PLAIN(shrink, x<-a ? x + b : x> a ? x - b : 0)
PLAIN(reciprocal, 1 / x)
PLAIN(negate, -x)
PLAIN(sign, x > 0 ? 1 : x < 0 ? -1 : x)
SAME(tanh)
SAME(exp)
SAME(erf)
SAME(log)
SAME(sqrt)
SAME(fabs)
SAME(floor)
SAME(ceil)
SAME(nearbyint)
SAME(sin)
SAME(cos)
SAME(tan)
SAME(asin)
SAME(acos)
SAME(atan)
SAME(sinh)
SAME(cosh)
SAME(asinh)
SAME(acosh)
SAME(atanh)

/* a and b: attribute name and default; a NULL name takes the default. */
static const struct {
    const char *type;
    bl_unary    op; /* BL_UNARY_COUNT: plain alone */
    const char *a_name;
    float       a;
    const char *b_name;
    float       b;
    plain      *plain;
} functions[] = {
    { "Relu", BL_UNARY_RELU, NULL, 0, NULL, 0, relu },
    { "LeakyRelu", BL_UNARY_LEAKY_RELU, "alpha", 0.01f, NULL, 0, leaky_relu },
    { "Sigmoid", BL_UNARY_SIGMOID, NULL, 0, NULL, 0, sigmoid },
    { "Tanh", BL_UNARY_TANH, NULL, 0, NULL, 0, tanh_of },
    { "HardSigmoid", BL_UNARY_HARD_SIGMOID, "alpha", 0.2f, "beta", 0.5f, hard_sigmoid },
    { "HardSwish", BL_UNARY_HARD_SWISH, NULL, 0, NULL, 0, hard_swish },
    { "Elu", BL_UNARY_ELU, "alpha", 1, NULL, 0, elu },
    { "Softplus", BL_UNARY_SOFTPLUS, NULL, 0, NULL, 0, softplus },
    { "Exp", BL_UNARY_EXP, NULL, 0, NULL, 0, exp_of },
    { "Erf", BL_UNARY_ERF, NULL, 0, NULL, 0, erf_of },
    { "Log", BL_UNARY_LOG, NULL, 0, NULL, 0, log_of },
    { "Sqrt", BL_UNARY_SQRT, NULL, 0, NULL, 0, sqrt_of },
    { "Reciprocal", BL_UNARY_RECIPROCAL, NULL, 0, NULL, 0, reciprocal },
    { "Abs", BL_UNARY_ABS, NULL, 0, NULL, 0, fabs_of },
    { "Neg", BL_UNARY_NEG, NULL, 0, NULL, 0, negate },
    { "Floor", BL_UNARY_FLOOR, NULL, 0, NULL, 0, floor_of },
    { "Ceil", BL_UNARY_CEIL, NULL, 0, NULL, 0, ceil_of },
    { "Round", BL_UNARY_ROUND, NULL, 0, NULL, 0, nearbyint_of },
    { "Sign", BL_UNARY_SIGN, NULL, 0, NULL, 0, sign },
    { "Sin", BL_UNARY_SIN, NULL, 0, NULL, 0, sin_of },
    { "Cos", BL_UNARY_COS, NULL, 0, NULL, 0, cos_of },
    { "Tan", BL_UNARY_COUNT, NULL, 0, NULL, 0, tan_of },
    { "Asin", BL_UNARY_COUNT, NULL, 0, NULL, 0, asin_of },
    { "Acos", BL_UNARY_COUNT, NULL, 0, NULL, 0, acos_of },
    { "Atan", BL_UNARY_COUNT, NULL, 0, NULL, 0, atan_of },
    { "Sinh", BL_UNARY_COUNT, NULL, 0, NULL, 0, sinh_of },
    { "Cosh", BL_UNARY_COUNT, NULL, 0, NULL, 0, cosh_of },
    { "Asinh", BL_UNARY_COUNT, NULL, 0, NULL, 0, asinh_of },
    { "Acosh", BL_UNARY_COUNT, NULL, 0, NULL, 0, acosh_of },
    { "Atanh", BL_UNARY_COUNT, NULL, 0, NULL, 0, atanh_of },
    { "Softsign", BL_UNARY_COUNT, NULL, 0, NULL, 0, softsign },
    { "Mish", BL_UNARY_COUNT, NULL, 0, NULL, 0, mish },
    { "Selu", BL_UNARY_COUNT, "alpha", 1.67326319217681884765625f, "gamma",
      1.05070102214813232421875f, selu },
    { "Celu", BL_UNARY_COUNT, "alpha", 1, NULL, 0, celu },
    { "ThresholdedRelu", BL_UNARY_COUNT, "alpha", 1, NULL, 0, thresholded_relu },
    { "Shrink", BL_UNARY_COUNT, "lambd", 0.5f, "bias", 0, shrink },
    { "Gelu", BL_UNARY_GELU_ERF, NULL, 0, NULL, 0, gelu_erf },
    { "blind.Gelu", BL_UNARY_GELU_ERF, NULL, 0, NULL, 0, gelu_erf },
    { "blind.GeluTanh", BL_UNARY_GELU_TANH, NULL, 0, NULL, 0, gelu_tanh },
    { "blind.Silu", BL_UNARY_SILU, NULL, 1, NULL, 0, silu },
};

static bool is_number(blind_dtype dtype)
{
    return bl_is_float(dtype) || bl_is_integer(dtype);
}

static blind_code look_up(const bl_node *n, unary *to, bool *found)
{
    *found = false;
    for (size_t i = 0; i < BL_LEN(functions); i++) {
        if (strcmp(functions[i].type, n->type) != 0)
            continue;
        to->op = functions[i].op;
        to->a = functions[i].a;
        to->b = functions[i].b;
        to->plain = functions[i].plain;
        if (functions[i].a_name)
            to->a = bl_attr_float(n, functions[i].a_name, to->a);
        if (functions[i].b_name)
            to->b = bl_attr_float(n, functions[i].b_name, to->b);
        if (strcmp(n->type, "Gelu") == 0 &&
            strcmp(bl_attr_str(n, "approximate", "none"), "tanh") == 0) {
            to->op = BL_UNARY_GELU_TANH;
            to->plain = gelu_tanh;
        }
        *found = true;
    }
    return BLIND_OK;
}

bool bl_unary_of(const bl_build *b, const bl_node *n, bl_unary *op, float *a0, float *a1)
{
    unary u = { 0 };
    bool  found;
    (void)look_up(n, &u, &found);
    if (strcmp(n->type, "Clip") == 0 && n->params && bl_in(b, n, 0)->dtype == BLIND_F32) {
        u = *(const unary *)n->params; /* known when its bounds are constant */
        found = u.op == BL_UNARY_CLIP;
    }
    *op = u.op;
    *a0 = u.a;
    *a1 = u.b;
    return found && u.op != BL_UNARY_COUNT;
}

blind_code bl_op_unary_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    unary           *p;
    bool             found;
    BL_TRY(bl_set_same(b, n));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(look_up(n, p, &found));
    n->inplace = 1;
    if (!found || !is_number(x->dtype))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    return BLIND_OK;
}

/* Integers that a double does not hold, and the lowest, which is its own negative: Neg and Abs wrap
 * around, as numpy's do; Sign and Relu only look. */
static bool run_integers(const bl_node *n, const bl_tensor *in, bl_tensor *out)
{
    bool   neg = strcmp(n->type, "Neg") == 0, abs = strcmp(n->type, "Abs") == 0;
    bool   sign = strcmp(n->type, "Sign") == 0, relu = strcmp(n->type, "Relu") == 0;
    size_t size = bl_element_size(in->dtype);
    if (!bl_is_integer(in->dtype) || !(neg || abs || sign || relu))
        return false;
    for (size_t i = 0; i < out->len; i++) {
        uint64_t v = bl_integer_load(in->dtype, (const char *)in->data + i * size);
        bool     below = bl_is_signed(in->dtype) && (int64_t)v < 0;
        if (sign)
            v = below ? UINT64_MAX : v != 0;
        else if (neg || (abs && below))
            v = 0 - v;
        else if (relu && below)
            v = 0;
        bl_integer_store(out->dtype, (char *)out->data + i * size, v);
    }
    return true;
}

blind_code bl_op_unary_run(const bl_exec *x, const bl_node *n)
{
    const unary     *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    if (in->dtype == BLIND_F32 && p->op != BL_UNARY_COUNT) {
        x->kernels->unary(p->op, out->data, in->data, out->len, p->a, p->b, x->pool);
        return BLIND_OK;
    }
    if (run_integers(n, in, out))
        return BLIND_OK;
    for (size_t i = 0; i < out->len; i++) {
        double v = 0;
        bl_tensor_number(in, i, &v);
        bl_tensor_set_number(out, i, p->plain(v, (double)p->a, (double)p->b));
    }
    return BLIND_OK;
}

/* Clip: bounds are attributes before opset 11, optional inputs since.  ------------------------ */

blind_code bl_op_clip_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    unary           *p;
    double           low = -INFINITY, high = INFINITY;
    BL_TRY(bl_set_same(b, n));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    n->inplace = 1;
    p->op = BL_UNARY_CLIP;
    if (!is_number(x->dtype))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    if (n->opset < 11) {
        low = (double)bl_attr_float(n, "min", -INFINITY);
        high = (double)bl_attr_float(n, "max", INFINITY);
    } else {
        for (int i = 1; i < 3; i++)
            if (bl_has_in(n, i) && (bl_in(b, n, i)->len != 1 || bl_in(b, n, i)->dtype != x->dtype))
                return bl_op_fail(b, n, BLIND_INPUT, "a bound that is no single %s",
                                  blind_dtype_name(x->dtype));
        if (bl_has_in(n, 1) && !bl_const_number(b, n, 1, &low))
            p->op = BL_UNARY_COUNT;
        if (bl_has_in(n, 2) && !bl_const_number(b, n, 2, &high))
            p->op = BL_UNARY_COUNT;
    }
    p->a = (float)low;
    p->b = (float)high;
    return BLIND_OK;
}

blind_code bl_op_clip_run(const bl_exec *x, const bl_node *n)
{
    const unary     *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0), *lower = n->opset < 11 ? NULL : bl_arg(x, n, 1),
                    *upper = n->opset < 11 ? NULL : bl_arg(x, n, 2);
    bl_tensor *out = bl_result(x, n, 0);
    double     low = (double)p->a, high = (double)p->b;
    if (lower)
        bl_tensor_number(lower, 0, &low);
    if (upper)
        bl_tensor_number(upper, 0, &high);
    if (in->dtype == BLIND_F32) {
        x->kernels->unary(BL_UNARY_CLIP, out->data, in->data, out->len, (float)low, (float)high,
                          x->pool);
        return BLIND_OK;
    }
    for (size_t i = 0; i < out->len; i++) {
        double v = 0;
        bl_tensor_number(in, i, &v);
        v = v < low ? low : v;
        if (v > high)
            bl_tensor_set_number(out, i, high);
        else if (v == low)
            bl_tensor_set_number(out, i, low);
        else /* unchanged, to the bit */
            memmove((char *)out->data + i * bl_element_size(out->dtype),
                    (const char *)in->data + i * bl_element_size(out->dtype),
                    bl_element_size(out->dtype));
    }
    return BLIND_OK;
}

/* BitwiseNot.  ------------------------------------------------------------------------------- */

blind_code bl_op_bits_infer(bl_build *b, bl_node *n)
{
    if (!bl_is_integer(bl_in(b, n, 0)->dtype))
        return bl_op_fail(b, n, BLIND_INPUT, "elements that are no integers");
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_op_bits_run(const bl_exec *x, const bl_node *n)
{
    const uint8_t *in = bl_arg(x, n, 0)->data;
    bl_tensor     *out = bl_result(x, n, 0);
    for (size_t i = 0; i < bl_tensor_size(out); i++)
        ((uint8_t *)out->data)[i] = (uint8_t)~in[i];
    return BLIND_OK;
}

/* Not, IsNaN, IsInf, PRelu.  ----------------------------------------------------------------- */

blind_code bl_op_not_infer(bl_build *b, bl_node *n)
{
    if (bl_in(b, n, 0)->dtype != BLIND_BOOL)
        return bl_op_fail(b, n, BLIND_INPUT, "elements that are no BOOL");
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_op_not_run(const bl_exec *x, const bl_node *n)
{
    const uint8_t *in = bl_arg(x, n, 0)->data;
    bl_tensor     *out = bl_result(x, n, 0);
    for (size_t i = 0; i < out->len; i++)
        ((uint8_t *)out->data)[i] = !in[i];
    return BLIND_OK;
}

blind_code bl_op_is_nan_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    if (!bl_is_float(x->dtype))
        return bl_op_fail(b, n, BLIND_INPUT, "elements of type %s", blind_dtype_name(x->dtype));
    return bl_set_out(b, n, 0, BLIND_BOOL, x->rank, x->dim);
}

blind_code bl_op_is_nan_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    bool             nan = strcmp(n->type, "IsNaN") == 0;
    bool             up = bl_attr_int(n, "detect_positive", 1) != 0;
    bool             down = bl_attr_int(n, "detect_negative", 1) != 0;
    for (size_t i = 0; i < out->len; i++) {
        double v = 0;
        bl_tensor_number(in, i, &v);
        ((uint8_t *)out->data)[i] =
            nan ? v != v : (up && v == INFINITY) || (down && v == -INFINITY);
    }
    return BLIND_OK;
}

#define PRELU(dtype, type)                                                                         \
    static void prelu_##dtype(void *out, const void *x, const void *slope, size_t n, size_t sx,    \
                              size_t ss)                                                           \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            type v = ((const type *)x)[i * sx], s = ((const type *)slope)[i * ss];                 \
            ((type *)out)[i] = v < 0 ? (type)(v * s) : v;                                          \
        }                                                                                          \
    }
PRELU(F32, float)
PRELU(F64, double)
PRELU(I32, int32_t)
PRELU(I64, int64_t)

static bl_row *const prelu_rows[BLIND_DTYPE_COUNT] = { [BLIND_F32] = prelu_F32,
                                                       [BLIND_F64] = prelu_F64,
                                                       [BLIND_I32] = prelu_I32,
                                                       [BLIND_I64] = prelu_I64 };

blind_code bl_op_prelu_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *slope = bl_in(b, n, 1);
    bl_tensor        out = { .dtype = bl_in(b, n, 0)->dtype }, channels = *slope;
    const bl_tensor *in[] = { x, slope };
    bl_walk         *w;
    if (n->opset < 7 && slope->rank == 1 && x->rank > 1) { /* one per channel */
        for (channels.rank = 1; channels.rank < x->rank - 1;)
            channels.dim[channels.rank++] = 1;
        in[1] = slope = &channels;
    }
    if (x->dtype != slope->dtype || !prelu_rows[x->dtype])
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of types %s and %s",
                          blind_dtype_name(x->dtype), blind_dtype_name(slope->dtype));
    if (!bl_broadcast_shape(x, slope, &out) || out.len != x->len)
        return bl_op_fail(b, n, BLIND_INPUT, "a slope that does not broadcast to the input");
    BL_TRY(bl_set_same(b, n));
    BL_TRY(bl_params(b, n, sizeof *w, &w));
    bl_walk_init(w, &out, in, 2);
    return BLIND_OK;
}

blind_code bl_op_prelu_run(const bl_exec *x, const bl_node *n)
{
    bl_tensor *out = bl_result(x, n, 0);
    size_t     size = blind_dtype_size(out->dtype);
    if (out->len)
        bl_walk_rows(n->params, prelu_rows[out->dtype], out->data, size, bl_arg(x, n, 0)->data,
                     size, bl_arg(x, n, 1)->data, size);
    return BLIND_OK;
}
