/* Operators of one input, element by element.  Most are one row: an operator, the kernel table's
 * function and where its two parameters come from. */
#include "onnx/families.h"
#include "onnx/number.h"
#include "onnx/rows.h"

#include <math.h>

typedef struct {
    bl_unary op;
    float    a, b;
    double (*plain)(double); /* where the kernel table has none, or for doubles */
} unary;

static double softsign(double x)
{
    return x / (1 + fabs(x));
}

static double mish(double x)
{
    return x * tanh(log1p(exp(x)));
}

static double selu_at(double x, double alpha, double gamma)
{
    return x > 0 ? gamma * x : gamma * alpha * expm1(x);
}

static double relu(double x)
{
    return x < 0 ? 0 : x;
}

static double sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

static double negate(double x)
{
    return -x;
}

static double reciprocal(double x)
{
    return 1 / x;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return x > 30 ? x : log1p(exp(x));
}

static double celu_unused(double x)
{
    return x;
}

/* a and b: attribute name and default; a NULL name takes the default. */
static const struct {
    const char *type;
    bl_unary    op; /* BL_UNARY_COUNT: plain alone */
    const char *a_name;
    float       a;
    const char *b_name;
    float       b;
    double (*plain)(double);
} functions[] = {
    { "Relu", BL_UNARY_RELU, NULL, 0, NULL, 0, relu },
    { "LeakyRelu", BL_UNARY_LEAKY_RELU, "alpha", 0.01f, NULL, 0, NULL },
    { "Sigmoid", BL_UNARY_SIGMOID, NULL, 0, NULL, 0, sigmoid },
    { "Tanh", BL_UNARY_TANH, NULL, 0, NULL, 0, tanh },
    { "HardSigmoid", BL_UNARY_HARD_SIGMOID, "alpha", 0.2f, "beta", 0.5f, NULL },
    { "HardSwish", BL_UNARY_HARD_SWISH, NULL, 0, NULL, 0, NULL },
    { "Elu", BL_UNARY_ELU, "alpha", 1, NULL, 0, NULL },
    { "Softplus", BL_UNARY_SOFTPLUS, NULL, 0, NULL, 0, softplus },
    { "Exp", BL_UNARY_EXP, NULL, 0, NULL, 0, exp },
    { "Erf", BL_UNARY_ERF, NULL, 0, NULL, 0, erf },
    { "Log", BL_UNARY_LOG, NULL, 0, NULL, 0, log },
    { "Sqrt", BL_UNARY_SQRT, NULL, 0, NULL, 0, sqrt },
    { "Reciprocal", BL_UNARY_RECIPROCAL, NULL, 0, NULL, 0, reciprocal },
    { "Abs", BL_UNARY_ABS, NULL, 0, NULL, 0, fabs },
    { "Neg", BL_UNARY_NEG, NULL, 0, NULL, 0, negate },
    { "Floor", BL_UNARY_FLOOR, NULL, 0, NULL, 0, floor },
    { "Ceil", BL_UNARY_CEIL, NULL, 0, NULL, 0, ceil },
    { "Round", BL_UNARY_ROUND, NULL, 0, NULL, 0, nearbyint },
    { "Sign", BL_UNARY_SIGN, NULL, 0, NULL, 0, sign },
    { "Sin", BL_UNARY_SIN, NULL, 0, NULL, 0, sin },
    { "Cos", BL_UNARY_COS, NULL, 0, NULL, 0, cos },
    { "Tan", BL_UNARY_COUNT, NULL, 0, NULL, 0, tan },
    { "Asin", BL_UNARY_COUNT, NULL, 0, NULL, 0, asin },
    { "Acos", BL_UNARY_COUNT, NULL, 0, NULL, 0, acos },
    { "Atan", BL_UNARY_COUNT, NULL, 0, NULL, 0, atan },
    { "Sinh", BL_UNARY_COUNT, NULL, 0, NULL, 0, sinh },
    { "Cosh", BL_UNARY_COUNT, NULL, 0, NULL, 0, cosh },
    { "Asinh", BL_UNARY_COUNT, NULL, 0, NULL, 0, asinh },
    { "Acosh", BL_UNARY_COUNT, NULL, 0, NULL, 0, acosh },
    { "Atanh", BL_UNARY_COUNT, NULL, 0, NULL, 0, atanh },
    { "Softsign", BL_UNARY_COUNT, NULL, 0, NULL, 0, softsign },
    { "Mish", BL_UNARY_COUNT, NULL, 0, NULL, 0, mish },
    { "Selu", BL_UNARY_COUNT, "alpha", 1.67326319217681884765625f, "gamma",
      1.05070102214813232421875f, NULL },
    { "Celu", BL_UNARY_COUNT, "alpha", 1, NULL, 0, celu_unused },
    { "ThresholdedRelu", BL_UNARY_COUNT, "alpha", 1, NULL, 0, NULL },
    { "Gelu", BL_UNARY_GELU_ERF, NULL, 0, NULL, 0, NULL },
    { "blind.Gelu", BL_UNARY_GELU_ERF, NULL, 0, NULL, 0, NULL },
    { "blind.GeluTanh", BL_UNARY_GELU_TANH, NULL, 0, NULL, 0, NULL },
    { "blind.Silu", BL_UNARY_SILU, NULL, 1, NULL, 0, NULL },
};

/* The few with parameters that the kernel table does not know. */
static double with_parameters(const char *type, double x, double a, double b)
{
    switch (type[0]) {
    case 'S': /* Selu */
        return selu_at(x, a, b);
    case 'C': /* Celu */
        return x > 0 ? x : a * expm1(x / a);
    default: /* ThresholdedRelu */
        return x > a ? x : 0;
    }
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
        to->plain = functions[i].plain == celu_unused ? NULL : functions[i].plain;
        if (functions[i].a_name)
            to->a = bl_attr_float(n, functions[i].a_name, to->a);
        if (functions[i].b_name)
            to->b = bl_attr_float(n, functions[i].b_name, to->b);
        if (strcmp(n->type, "Gelu") == 0 &&
            strcmp(bl_attr_str(n, "approximate", "none"), "tanh") == 0)
            to->op = BL_UNARY_GELU_TANH;
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
    if (!found || (x->dtype != BLIND_F32 && (!p->plain || x->dtype >= BLIND_BOOL)))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    return BLIND_OK;
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
    if (in->dtype == BLIND_I64) { /* wider than a double: the two that occur */
        bool negative = strcmp(n->type, "Neg") == 0;
        for (size_t i = 0; i < out->len && (negative || strcmp(n->type, "Abs") == 0); i++) {
            int64_t v = ((const int64_t *)in->data)[i];
            ((int64_t *)out->data)[i] = negative || v < 0 ? (int64_t)(0 - (uint64_t)v) : v;
        }
        if (negative || strcmp(n->type, "Abs") == 0)
            return BLIND_OK;
    }
    for (size_t i = 0; i < out->len; i++) {
        double v = 0;
        bl_tensor_number(in, i, &v);
        bl_tensor_set_number(out, i,
                             p->plain ? p->plain(v)
                                      : with_parameters(n->type, v, (double)p->a, (double)p->b));
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
    if (x->dtype >= BLIND_BOOL)
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

blind_code bl_op_prelu_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *slope = bl_in(b, n, 1);
    bl_tensor        out = { .dtype = BLIND_F32 }, channels = *slope;
    const bl_tensor *in[] = { x, slope };
    bl_walk         *w;
    if (n->opset < 7 && slope->rank == 1 && x->rank > 1) { /* one per channel */
        for (channels.rank = 1; channels.rank < x->rank - 1;)
            channels.dim[channels.rank++] = 1;
        in[1] = slope = &channels;
    }
    if (x->dtype != BLIND_F32 || slope->dtype != BLIND_F32)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    if (!bl_broadcast_shape(x, slope, &out) || out.len != x->len)
        return bl_op_fail(b, n, BLIND_INPUT, "a slope that does not broadcast to the input");
    BL_TRY(bl_set_same(b, n));
    BL_TRY(bl_params(b, n, sizeof *w, &w));
    bl_walk_init(w, &out, in, 2);
    return BLIND_OK;
}

static void prelu_row(void *out, const void *x, const void *slope, size_t n, size_t sx, size_t ss)
{
    for (size_t i = 0; i < n; i++) {
        float v = ((const float *)x)[i * sx];
        ((float *)out)[i] = v < 0 ? v * ((const float *)slope)[i * ss] : v;
    }
}

blind_code bl_op_prelu_run(const bl_exec *x, const bl_node *n)
{
    bl_tensor *out = bl_result(x, n, 0);
    if (out->len)
        bl_walk_rows(n->params, prelu_row, out->data, 4, bl_arg(x, n, 0)->data, 4,
                     bl_arg(x, n, 1)->data, 4);
    return BLIND_OK;
}
