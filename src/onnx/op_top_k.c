/* TopK and OneHot.  Sources: ONNX operators TopK (opset 1, 10, 11) and OneHot (9, 11). */
#include "onnx/families.h"
#include "onnx/number.h"

/* TopK.  ------------------------------------------------------------------------------------- */

/* An element as what it is sorted by: larger keys first, then smaller indices. */
typedef struct {
    uint64_t key;
    size_t   index;
} ranked;

typedef struct {
    size_t outer, axis, inner, k;
    bool   smallest;
} top_k;

blind_code bl_op_top_k_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          k = bl_attr_int(n, "k", 0), dim[BL_ONNX_RANK];
    size_t           len;
    int              axis;
    top_k           *p;
    if (n->opset >= 10)
        BL_TRY(bl_const_ints(b, n, 1, &k, 1, &len));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", -1), x->rank, &axis));
    if (k < 0 || k > x->dim[axis])
        return bl_op_fail(b, n, BLIND_INPUT, "the first %lld of %lld", (long long)k,
                          (long long)x->dim[axis]);
    if (x->dtype == BLIND_STRING)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "an order of strings");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = (top_k){ .outer = bl_dims(x, 0, axis),
                  .axis = (size_t)x->dim[axis],
                  .inner = bl_dims(x, axis + 1, x->rank),
                  .k = (size_t)k,
                  .smallest = !bl_attr_int(n, "largest", 1) };
    n->scratch = p->k * sizeof(ranked);
    for (int i = 0; i < x->rank; i++)
        dim[i] = i == axis ? k : x->dim[i];
    BL_TRY(bl_set_out(b, n, 0, x->dtype, x->rank, dim));
    return bl_set_out(b, n, 1, BLIND_I64, x->rank, dim);
}

/* Keys order as numbers do, with -0 as 0 and NaN above all. */
static uint64_t key_of(const bl_tensor *t, size_t i)
{
    const char    *at = (const char *)t->data + i * blind_dtype_size(t->dtype);
    const uint64_t sign = (uint64_t)1 << 63;
    uint64_t       bits;
    if (!bl_is_float(t->dtype))
        return bl_integer_load(t->dtype, at) ^ (bl_is_signed(t->dtype) ? sign : 0);
    double v = bl_number_load(t->dtype, at) + 0.0;
    if (v != v)
        return UINT64_MAX;
    memcpy(&bits, &v, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

static bool is_before(ranked a, ranked b)
{
    return a.key != b.key ? a.key > b.key : a.index < b.index;
}

/* Puts `item` into a heap of n whose root, the last in rank, is free. */
static void sift(ranked *heap, size_t n, ranked item)
{
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && is_before(heap[child], heap[child + 1]))
            child++;
        if (!is_before(item, heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

/* Puts `item` at the end of a heap of n. */
static void push(ranked *heap, size_t n, ranked item)
{
    for (; n > 0 && is_before(heap[(n - 1) / 2], item); n = (n - 1) / 2)
        heap[n] = heap[(n - 1) / 2];
    heap[n] = item;
}

/* The first k of a line, in rank. */
static void select_line(const top_k *p, const bl_tensor *in, size_t from, ranked *heap)
{
    for (size_t a = 0; a < p->axis; a++) {
        uint64_t key = key_of(in, from + a * p->inner);
        ranked   item = { p->smallest ? ~key : key, a };
        if (a < p->k)
            push(heap, a, item);
        else if (is_before(item, heap[0]))
            sift(heap, p->k, item);
    }
    for (size_t left = p->k; left-- > 1;) { /* the last in rank goes to the end */
        ranked last = heap[left];
        heap[left] = heap[0];
        sift(heap, left, last);
    }
}

blind_code bl_op_top_k_run(const bl_exec *x, const bl_node *n)
{
    const top_k     *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *values = bl_result(x, n, 0), *indices = bl_result(x, n, 1);
    size_t           size = blind_dtype_size(in->dtype);
    ranked          *line = x->scratch;
    for (size_t l = 0; l < p->outer * p->inner && p->k; l++) {
        size_t from = l / p->inner * p->axis * p->inner + l % p->inner;
        size_t to = l / p->inner * p->k * p->inner + l % p->inner;
        select_line(p, in, from, line);
        for (size_t i = 0; i < p->k; i++) {
            memcpy((char *)values->data + (to + i * p->inner) * size,
                   (const char *)in->data + (from + line[i].index * p->inner) * size, size);
            if (indices)
                ((int64_t *)indices->data)[to + i * p->inner] = (int64_t)line[i].index;
        }
    }
    return BLIND_OK;
}

/* OneHot.  ----------------------------------------------------------------------------------- */

blind_code bl_op_one_hot_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *values = bl_in(b, n, 2);
    int64_t          dim[BL_ONNX_RANK + 1];
    double           depth = 0;
    int              axis, *p;
    BL_TRY(bl_need_value(b, n, 1));
    if (!bl_const_number(b, n, 1, &depth) || depth < 0 || depth > 1e15)
        return bl_op_fail(b, n, BLIND_INPUT, "a depth that is no single number");
    if (values->len != 2 || x->dtype == BLIND_STRING || x->rank == BL_ONNX_RANK)
        return bl_op_fail(b, n, BLIND_INPUT, "values that are not two, or indices of %s",
                          blind_dtype_name(x->dtype));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", -1), x->rank + 1, &axis));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = axis;
    for (int i = 0; i <= x->rank; i++)
        dim[i] = i == axis ? (int64_t)depth : x->dim[i < axis ? i : i - 1];
    return bl_set_out(b, n, 0, values->dtype, x->rank + 1, dim);
}

blind_code bl_op_one_hot_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0), *values = bl_arg(x, n, 2);
    bl_tensor       *out = bl_result(x, n, 0);
    int              axis = *(const int *)n->params;
    size_t           size = bl_element_size(out->dtype), depth = (size_t)out->dim[axis];
    size_t           inner = bl_dims(out, axis + 1, out->rank);
    for (size_t i = 0; i < out->len; i++)
        memcpy((char *)out->data + i * size, values->data, size);
    for (size_t i = 0; i < in->len; i++) {
        double v = 0;
        bl_tensor_number(in, i, &v);
        v = v < 0 ? v + (double)depth : v;
        if (!(v >= 0 && v < (double)depth))
            continue;
        size_t at = (i / inner * depth + (size_t)v) * inner + i % inner;
        memcpy((char *)out->data + at * size, (const char *)values->data + size, size);
    }
    return BLIND_OK;
}
