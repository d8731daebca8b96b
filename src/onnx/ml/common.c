/* Scores, labels and tables: what classifiers and regressors have in common.
 * Source: ONNX-ML 1.17, post_transform of its operators. */
#include "onnx/ml/ml.h"

#include "onnx/rows.h"

#include <float.h>
#include <math.h>

static const struct {
    const char *name;
    bl_post     post;
} posts[] = {
    { "NONE", BL_POST_NONE },         { "SOFTMAX", BL_POST_SOFTMAX },
    { "LOGISTIC", BL_POST_LOGISTIC }, { "SOFTMAX_ZERO", BL_POST_SOFTMAX_ZERO },
    { "PROBIT", BL_POST_PROBIT },
};

blind_code bl_post_of(bl_build *b, const bl_node *n, bl_post *out)
{
    const bl_attr *a = bl_attr_find(n, "post_transform");
    if (a && a->type == BL_ATTR_INT && a->i >= 0 && a->i < (int64_t)BL_LEN(posts)) {
        *out = (bl_post)a->i;
        return BLIND_OK;
    }
    const char *name = bl_attr_str(n, "post_transform", "NONE");
    for (size_t i = 0; i < BL_LEN(posts); i++)
        if ((!a || a->type == BL_ATTR_STRING) && strcmp(posts[i].name, name) == 0) {
            *out = posts[i].post;
            return BLIND_OK;
        }
    return bl_op_fail(b, n, BLIND_INPUT, "post_transform '%.40s'", name);
}

static float logistic(float x)
{
    float v = 1 / (1 + expf(-fabsf(x)));
    return x < 0 ? 1 - v : v;
}

/* sqrt(2) erfinv(2 x - 1), by Winitzki's formula with a = 0.147, as ONNX Runtime computes it. */
static float probit(float x)
{
    float y = 2 * x - 1, l = logf((1 - y) * (1 + y));
    float v = 2 / ((float)M_PI * 0.147f) + 0.5f * l;
    float r = sqrtf(-v + sqrtf(v * v - 1 / 0.147f * l));
    return (float)M_SQRT2 * (y < 0 ? -r : r);
}

/* Scores of zero stay out of SOFTMAX_ZERO. */
static void softmax(float *scores, size_t len, bool skip_zero)
{
    float top = -FLT_MAX, sum = 0;
    for (size_t i = 0; i < len; i++)
        top = scores[i] > top ? scores[i] : top;
    for (size_t i = 0; i < len; i++) {
        bool zero = skip_zero && fabsf(scores[i]) <= 1e-7f;
        scores[i] = zero ? scores[i] * expf(-top) : expf(scores[i] - top);
        sum += zero ? 0 : scores[i];
    }
    for (size_t i = 0; i < len; i++)
        scores[i] /= sum;
}

void bl_post_apply(bl_post post, float *scores, size_t len)
{
    if (post == BL_POST_NONE || (len < 2 && post != BL_POST_PROBIT))
        return;
    if (post == BL_POST_SOFTMAX || post == BL_POST_SOFTMAX_ZERO) {
        softmax(scores, len, post == BL_POST_SOFTMAX_ZERO);
        return;
    }
    for (size_t i = 0; i < len; i++)
        scores[i] = post == BL_POST_PROBIT ? probit(scores[i]) : logistic(scores[i]);
}

void bl_post_two(bl_post post, bool sum_to_one, float score, float out[2])
{
    out[1] = score;
    out[0] = sum_to_one ? 1 - score : -score;
    if (post == BL_POST_LOGISTIC && !sum_to_one) {
        out[0] = logistic(-score);
        out[1] = logistic(score);
    }
}

blind_code bl_labels_of(bl_build *b, const bl_node *n, const char *numbers, const char *text,
                        bl_labels *out)
{
    const bl_attr *i = bl_attr_find(n, numbers), *s = bl_attr_find(n, text);
    bool           has_i = i && i->ints && i->len, has_s = s && s->strings && s->len;
    *out = (bl_labels){ 0 };
    if (has_i == has_s)
        return bl_op_fail(b, n, BLIND_INPUT, "expected one of %s and %s", numbers, text);
    *out = has_i ? (bl_labels){ .numbers = i->ints, .len = i->len }
                 : (bl_labels){ .text = s->strings, .len = s->len };
    return BLIND_OK;
}

blind_dtype bl_labels_type(const bl_labels *l)
{
    return l->text ? BLIND_STRING : BLIND_I64;
}

void bl_label_put(const bl_labels *l, bl_tensor *out, size_t i, size_t which)
{
    if (l->text)
        ((blind_span *)out->data)[i] = l->text[which];
    else
        ((int64_t *)out->data)[i] = l->numbers[which];
}

blind_code bl_table_of(bl_build *b, const bl_node *n, const bl_tensor *x, size_t *rows,
                       size_t *columns)
{
    if (x->dtype != BLIND_F32 && x->dtype != BLIND_F64 && x->dtype != BLIND_I64 &&
        x->dtype != BLIND_I32)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    if (x->rank < 1 || x->rank > 2)
        return bl_op_fail(b, n, BLIND_INPUT, "a table of %d axes", x->rank);
    *rows = x->rank == 1 ? 1 : (size_t)x->dim[0];
    *columns = (size_t)x->dim[x->rank - 1];
    return BLIND_OK;
}

#define EACH(X) X(F64, double) X(I64, int64_t) X(I32, int32_t)

const float *bl_table_floats(const bl_tensor *x, size_t from, size_t len, float *room)
{
    switch (x->dtype) {
#define X(name, type)                                                                              \
    case BLIND_##name:                                                                             \
        for (size_t i = 0; i < len; i++)                                                           \
            room[i] = (float)((const type *)x->data)[from + i];                                    \
        return room;
        EACH(X)
#undef X
    default:
        return (const float *)x->data + from;
    }
}

void bl_table_doubles(const bl_tensor *x, size_t from, size_t len, double *out)
{
    switch (x->dtype) {
#define X(name, type)                                                                              \
    case BLIND_##name:                                                                             \
        for (size_t i = 0; i < len; i++)                                                           \
            out[i] = (double)((const type *)x->data)[from + i];                                    \
        break;
        EACH(X)
        X(F32, float)
#undef X
    default:
        break;
    }
}

blind_code bl_ml_floats(bl_build *b, const bl_node *n, const char *name, size_t len,
                        const float **out, size_t *found)
{
    const bl_attr *a = bl_attr_find(n, name);
    bool           there = a && a->floats && a->len;
    *out = there ? a->floats : NULL;
    if (found)
        *found = there ? a->len : 0;
    if (there && len != SIZE_MAX && a->len != len)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu numbers in '%s', expected %zu", a->len, name,
                          len);
    return BLIND_OK;
}
