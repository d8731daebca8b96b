/* Elementwise operators in plain C and libm: the specification. */
#include "nn/internal.h"
#include "nn/scalar.h"

#include <math.h>

static float clip(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x; /* NaN stays */
}

static float sigmoid(float x)
{
    return (float)(1 / (1 + exp(-(double)x)));
}

static float gelu_tanh(double x)
{
    return (float)(x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))));
}

float bl_unary_scalar(bl_unary op, float x, float a, float b)
{
    switch (op) {
    case BL_UNARY_RELU:
        return x < 0 ? 0 : x;
    case BL_UNARY_CLIP:
        return clip(x, a, b);
    case BL_UNARY_LEAKY_RELU:
        return x < 0 ? a * x : x;
    case BL_UNARY_SIGMOID:
        return sigmoid(x);
    case BL_UNARY_TANH:
        return tanhf(x);
    case BL_UNARY_GELU_ERF:
        return (float)((double)x / 2 * (1 + erf((double)x * M_SQRT1_2)));
    case BL_UNARY_GELU_TANH:
        return gelu_tanh(x);
    case BL_UNARY_SILU:
        return (float)(x / (1 + exp(-(double)a * x)));
    case BL_UNARY_HARD_SIGMOID:
        return clip(a * x + b, 0, 1);
    case BL_UNARY_HARD_SWISH:
        return x * clip(x / 6 + 0.5f, 0, 1);
    case BL_UNARY_ELU:
        return x < 0 ? a * expm1f(x) : x;
    case BL_UNARY_SOFTPLUS:
        return isnan(x) ? x : (float)(fmax(x, 0) + log1p(exp(-fabs((double)x))));
    case BL_UNARY_AFFINE:
        return a * x + b;
    case BL_UNARY_EXP:
        return expf(x);
    case BL_UNARY_ERF:
        return erff(x);
    case BL_UNARY_LOG:
        return logf(x);
    case BL_UNARY_SQRT:
        return sqrtf(x);
    case BL_UNARY_RECIPROCAL:
        return 1 / x;
    case BL_UNARY_ABS:
        return fabsf(x);
    case BL_UNARY_NEG:
        return -x;
    case BL_UNARY_FLOOR:
        return floorf(x);
    case BL_UNARY_CEIL:
        return ceilf(x);
    case BL_UNARY_ROUND:
        return nearbyintf(x);
    case BL_UNARY_SIGN:
        return x > 0 ? 1 : x < 0 ? -1 : x;
    case BL_UNARY_SCALED_TANH:
        return a * tanhf(b * x);
    case BL_UNARY_SOFTSIGN:
        return x / (1 + fabsf(x));
    case BL_UNARY_THRESHOLDED_RELU:
        return x > a || isnan(x) ? x : 0;
    case BL_UNARY_SIN:
        return sinf(x);
    case BL_UNARY_COS:
        return cosf(x);
    default:
        return x;
    }
}

float bl_binary_scalar(bl_binary op, float a, float b)
{
    switch (op) {
    case BL_BINARY_ADD:
        return a + b;
    case BL_BINARY_SUB:
        return a - b;
    case BL_BINARY_MUL:
        return a * b;
    case BL_BINARY_DIV:
        return a / b;
    case BL_BINARY_MAX:
        return a > b || isnan(a) ? a : b;
    case BL_BINARY_MIN:
        return a < b || isnan(a) ? a : b;
    default:
        return powf(a, b);
    }
}

void bl_scalar_unary(bl_unary op, float *out, const float *x, size_t len, float a, float b,
                     bl_pool *pool)
{
    (void)pool;
    for (size_t i = 0; i < len; i++)
        out[i] = bl_unary_scalar(op, x[i], a, b);
}

void bl_scalar_gate(float *out, const float *a, const float *b, size_t len, bl_pool *pool)
{
    (void)pool;
    for (size_t i = 0; i < len; i++)
        out[i] = tanhf(a[i]) * sigmoid(b[i]);
}

void bl_scalar_binary(const bl_elementwise *e, bl_pool *pool)
{
    (void)pool;
    size_t len = 1;
    for (int axis = 0; axis < e->rank; axis++)
        len *= e->shape[axis];
    for (size_t i = 0; i < len; i++) {
        size_t a = 0, b = 0, rest = i;
        for (int axis = e->rank; axis-- > 0; rest /= e->shape[axis]) {
            a += rest % e->shape[axis] * e->a_stride[axis];
            b += rest % e->shape[axis] * e->b_stride[axis];
        }
        e->out[i] =
            bl_unary_scalar(e->act, bl_binary_scalar(e->op, e->a[a], e->b[b]), e->act_a, e->act_b);
    }
}
