/* Operators whose output is as long as their data says: NonZero, Compress, Unique.  What stays is
 * found when the shape is inferred; running copies it.  Source: ONNX operators of these names. */
#include "onnx/families.h"
#include "onnx/values.h"

#include <stdlib.h>

/* NonZero.  ---------------------------------------------------------------------------------- */

static bool is_zero(const bl_tensor *t, const char *data, size_t i)
{
    size_t size = bl_element_size(t->dtype);
    if (bl_is_real(t->dtype)) /* -0.0 is zero */
        return bl_get(t->dtype, data, i) == 0;
    for (size_t k = 0; k < size; k++)
        if (data[i * size + k] != 0)
            return (t->dtype == BLIND_F16 || t->dtype == BLIND_BF16) && k == 1 &&
                   (uint8_t)data[i * size + k] == 0x80;
    return true;
}

blind_code bl_op_non_zero_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    const void      *data;
    int64_t          count = 0;
    if (x->dtype == BLIND_STRING)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "strings");
    BL_TRY(bl_value_of(b, n, 0, &data));
    for (size_t i = 0; i < x->len; i++)
        count += !is_zero(x, data, i);
    int64_t dim[2] = { x->rank, count };
    return bl_set_out(b, n, 0, BLIND_I64, 2, dim);
}

blind_code bl_op_non_zero_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    int64_t         *to = out->data;
    size_t           count = (size_t)out->dim[1], at = 0;
    for (size_t i = 0; i < in->len && at < count; i++) {
        if (is_zero(in, in->data, i))
            continue;
        size_t rest = i;
        for (int d = in->rank - 1; d >= 0; d--) {
            to[(size_t)d * count + at] = (int64_t)(rest % (size_t)in->dim[d]);
            rest /= (size_t)in->dim[d];
        }
        at++;
    }
    return BLIND_OK;
}

/* Compress: the slices along an axis, or elements, whose condition holds.  --------------------- */

typedef struct {
    size_t  outer, size, inner; /* inner in bytes */
    size_t *keep;
    size_t  len;
} compress;

blind_code bl_op_compress_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *condition = bl_in(b, n, 1);
    bool             flat = !bl_attr_find(n, "axis");
    int64_t          dim[BL_ONNX_RANK];
    int              axis = 0;
    compress        *p;
    BL_TRY(bl_need_value(b, n, 1));
    if (condition->dtype != BLIND_BOOL || condition->rank != 1)
        return bl_op_fail(b, n, BLIND_INPUT, "a condition that is no list of BOOL");
    if (!flat)
        BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x->rank, &axis));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->outer = flat ? 1 : bl_dims(x, 0, axis);
    p->size = flat ? x->len : (size_t)x->dim[axis];
    p->inner = (flat ? 1 : bl_dims(x, axis + 1, x->rank)) * bl_element_size(x->dtype);
    if (condition->len > p->size)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu conditions for %zu elements", condition->len,
                          p->size);
    p->keep = bl_arena_array(b->arena, condition->len + 1, sizeof *p->keep);
    if (!p->keep)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    for (size_t i = 0; i < condition->len; i++)
        if (((const uint8_t *)condition->data)[i])
            p->keep[p->len++] = i;
    memcpy(dim, x->dim, sizeof dim);
    dim[axis] = (int64_t)p->len;
    return bl_set_out(b, n, 0, x->dtype, flat ? 1 : x->rank, dim);
}

blind_code bl_op_compress_run(const bl_exec *x, const bl_node *n)
{
    const compress *p = n->params;
    const char     *in = bl_arg(x, n, 0)->data;
    char           *out = bl_result(x, n, 0)->data;
    for (size_t o = 0; o < p->outer && p->inner; o++)
        for (size_t i = 0; i < p->len; i++, out += p->inner)
            memcpy(out, in + (o * p->size + p->keep[i]) * p->inner, p->inner);
    return BLIND_OK;
}

/* Unique: slices along an axis, or elements, each once.  --------------------------------------- */

typedef struct {
    size_t  outer, size, inner; /* elements */
    size_t *order;              /* all slices, equal ones together, the first of each before */
    size_t *group;              /* per slice: the output it became */
    size_t *first, *count;      /* per output */
    size_t  len;
} unique;

typedef struct {
    const unique    *p;
    const bl_tensor *t;
    const char      *data;
} slices;

static int compare_elements(const slices *s, size_t i, size_t k)
{
    size_t      size = bl_element_size(s->t->dtype);
    const char *a = s->data + i * size, *b = s->data + k * size;
    if (s->t->dtype == BLIND_STRING) {
        const blind_span *p = (const blind_span *)(const void *)a, *q = (const void *)b;
        int               order = memcmp(p->size ? p->data : (const uint8_t *)"",
                           q->size ? q->data : (const uint8_t *)"", BL_MIN(p->size, q->size));
        return order ? order : (p->size > q->size) - (p->size < q->size);
    }
    if (s->t->dtype == BLIND_I64)
        return (*(const int64_t *)(const void *)a > *(const int64_t *)(const void *)b) -
               (*(const int64_t *)(const void *)a < *(const int64_t *)(const void *)b);
    if (s->t->dtype == BLIND_U64)
        return (*(const uint64_t *)(const void *)a > *(const uint64_t *)(const void *)b) -
               (*(const uint64_t *)(const void *)a < *(const uint64_t *)(const void *)b);
    double p = bl_get(s->t->dtype, s->data, i), q = bl_get(s->t->dtype, s->data, k);
    if (p != p || q != q) /* NaN after all numbers, one equal to another */
        return (p != p) - (q != q);
    return (p > q) - (p < q);
}

static int compare_slices(const slices *s, size_t a, size_t b)
{
    const unique *p = s->p;
    for (size_t o = 0; o < p->outer; o++)
        for (size_t i = 0; i < p->inner; i++) {
            int order = compare_elements(s, (o * p->size + a) * p->inner + i,
                                         (o * p->size + b) * p->inner + i);
            if (order)
                return order;
        }
    return 0;
}

/* Sorts order[0, len) by merging; equal slices keep their order.  `spare` has room for len. */
static void sort_slices(const slices *s, size_t *order, size_t *spare, size_t len)
{
    for (size_t width = 1; width < len; width *= 2) {
        for (size_t from = 0; from < len; from += 2 * width) {
            size_t a = from, middle = BL_MIN(from + width, len);
            size_t c = middle, end = BL_MIN(from + 2 * width, len);
            for (size_t to = from; to < end; to++) {
                bool left = a < middle && (c >= end || compare_slices(s, order[a], order[c]) <= 0);
                spare[to] = left ? order[a++] : order[c++];
            }
        }
        memcpy(order, spare, len * sizeof *order);
    }
}

static blind_code unique_params(bl_build *b, bl_node *n, unique **out)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bool             flat = !bl_attr_find(n, "axis");
    int              axis = 0;
    unique          *p;
    if (x->dtype == BLIND_F16 || x->dtype == BLIND_BF16)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    if (!flat)
        BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x->rank, &axis));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->outer = flat ? 1 : bl_dims(x, 0, axis);
    p->size = flat ? x->len : (size_t)x->dim[axis];
    p->inner = flat ? 1 : bl_dims(x, axis + 1, x->rank);
    size_t **lists[] = { &p->order, &p->group, &p->first, &p->count };
    for (size_t i = 0; i < BL_LEN(lists); i++) {
        *lists[i] = bl_arena_array(b->arena, p->size + 1, sizeof(size_t));
        if (!*lists[i])
            return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    }
    *out = p;
    return BLIND_OK;
}

/* Numbers the groups by where each begins, for sorted = 0. */
static void number_by_first(unique *p, size_t *spare)
{
    size_t len = 0;
    for (size_t i = 0; i < p->size; i++) /* spare: new number per old group, one more */
        spare[i] = 0;
    for (size_t i = 0; i < p->size; i++) {
        size_t old = p->group[i];
        if (spare[old] == 0)
            spare[old] = ++len;
        p->group[i] = spare[old] - 1;
    }
    for (size_t i = 0; i < len; i++)
        p->count[i] = 0;
    for (size_t i = 0; i < p->size; i++)
        if (p->count[p->group[i]]++ == 0)
            p->first[p->group[i]] = i;
}

blind_code bl_op_unique_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bool             flat = !bl_attr_find(n, "axis");
    int64_t          dim[BL_ONNX_RANK], len, size;
    int              axis = 0;
    unique          *p = NULL;
    const void      *data;
    BL_TRY(bl_value_of(b, n, 0, &data));
    BL_TRY(unique_params(b, n, &p));
    size_t *spare = bl_arena_array(b->arena, p->size + 1, sizeof *spare);
    if (!spare)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    slices s = { p, x, data };
    for (size_t i = 0; i < p->size; i++)
        p->order[i] = i;
    sort_slices(&s, p->order, spare, p->size);
    for (size_t i = 0; i < p->size; i++) {
        if (i == 0 || compare_slices(&s, p->order[i - 1], p->order[i]) != 0)
            p->first[p->len++] = p->order[i];
        p->group[p->order[i]] = p->len - 1;
        p->count[p->len - 1]++;
    }
    if (bl_attr_int(n, "sorted", 1) == 0)
        number_by_first(p, spare);
    if (!flat)
        BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x->rank, &axis));
    memcpy(dim, x->dim, sizeof dim);
    len = dim[axis] = (int64_t)p->len;
    size = (int64_t)p->size;
    blind_dtype dtype = x->dtype;
    int         rank = flat ? 1 : x->rank;
    BL_TRY(bl_set_out(b, n, 1, BLIND_I64, 1, &len));
    BL_TRY(bl_set_out(b, n, 2, BLIND_I64, 1, &size));
    BL_TRY(bl_set_out(b, n, 3, BLIND_I64, 1, &len));
    return bl_set_out(b, n, 0, dtype, rank, dim);
}

static void put_indices(bl_tensor *out, const size_t *from)
{
    for (size_t i = 0; out && i < out->len; i++)
        ((int64_t *)out->data)[i] = (int64_t)from[i];
}

blind_code bl_op_unique_run(const bl_exec *x, const bl_node *n)
{
    const unique    *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           size = p->inner * bl_element_size(in->dtype);
    char            *to = out ? out->data : NULL;
    for (size_t o = 0; out && size && o < p->outer; o++)
        for (size_t i = 0; i < p->len; i++, to += size)
            memcpy(to, (const char *)in->data + (o * p->size + p->first[i]) * size, size);
    put_indices(bl_result(x, n, 1), p->first);
    put_indices(bl_result(x, n, 2), p->group);
    put_indices(bl_result(x, n, 3), p->count);
    return BLIND_OK;
}
