/* Operators that change or tell shapes.  Reshape and its kin are views: no byte moves. */
#include "onnx/families.h"

#include <math.h>

/* Views.  ------------------------------------------------------------------------------------ */

static blind_code view_as(bl_build *b, bl_node *n, int rank, const int64_t *dim)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bl_tensor        out = { .dtype = x->dtype };
    if (rank > BL_ONNX_RANK)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "more than %d axes", BL_ONNX_RANK);
    if (!bl_tensor_shape(&out, rank, dim) || out.len != x->len)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu elements do not fill the asked shape", x->len);
    bl_set_view(b, n, 0, 0);
    return bl_set_out(b, n, 0, x->dtype, rank, dim);
}

blind_code bl_op_identity_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bl_set_view(b, n, 0, 0);
    return bl_set_out(b, n, 0, x->dtype, x->rank, x->dim);
}

blind_code bl_op_identity_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    if (out->data != in->data && out->len)
        memmove(out->data, in->data, bl_tensor_size(out));
    return BLIND_OK;
}

blind_code bl_op_reshape_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          dim[BL_ONNX_RANK];
    size_t           rank, known = 1;
    int              open = -1;
    bool             keep_zero = bl_attr_int(n, "allowzero", 0) != 0;
    BL_TRY(bl_ints_of(b, n, "shape", 1, 5, dim, BL_ONNX_RANK, &rank));
    for (size_t i = 0; i < rank; i++) {
        if (dim[i] == 0 && !keep_zero) {
            if ((int)i >= x->rank)
                return bl_op_fail(b, n, BLIND_INPUT, "keeps axis %zu of %d", i, x->rank);
            dim[i] = x->dim[i];
        }
        if (dim[i] == -1 && open < 0)
            open = (int)i;
        else if (dim[i] < 0 || !bl_mul(known, (size_t)dim[i], &known))
            return bl_op_fail(b, n, BLIND_INPUT, "impossible shape");
    }
    if (open >= 0) {
        if (known == 0 || x->len % known != 0)
            return bl_op_fail(b, n, BLIND_INPUT, "%zu elements in rows of %zu", x->len, known);
        dim[open] = (int64_t)(x->len / known);
    }
    return view_as(b, n, (int)rank, dim);
}

blind_code bl_op_reshape_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_identity_run(x, n);
}

blind_code bl_op_flatten_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          axis = bl_attr_int(n, "axis", 1);
    if (axis < -x->rank || axis > x->rank)
        return bl_op_fail(b, n, BLIND_INPUT, "axis %lld of %d", (long long)axis, x->rank);
    int     at = (int)(axis < 0 ? axis + x->rank : axis);
    int64_t dim[2] = { (int64_t)bl_dims(x, 0, at), (int64_t)bl_dims(x, at, x->rank) };
    return view_as(b, n, 2, dim);
}

blind_code bl_op_flatten_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_identity_run(x, n);
}

blind_code bl_op_squeeze_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          axes[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len;
    bool             drop[BL_ONNX_RANK];
    int              rank = 0;
    BL_TRY(bl_ints_of(b, n, "axes", 1, 13, axes, BL_ONNX_RANK, &len));
    BL_TRY(bl_axes(b, n, axes, len, x->rank, drop));
    for (int i = 0; i < x->rank; i++) {
        bool one = x->dim[i] == 1;
        if (drop[i] && !one)
            return bl_op_fail(b, n, BLIND_INPUT, "axis %d has %lld elements, expected 1", i,
                              (long long)x->dim[i]);
        if (!(len ? drop[i] : one))
            dim[rank++] = x->dim[i];
    }
    return view_as(b, n, rank, dim);
}

blind_code bl_op_squeeze_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_identity_run(x, n);
}

blind_code bl_op_unsqueeze_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          axes[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len;
    bool             one[BL_ONNX_RANK];
    BL_TRY(bl_ints_of(b, n, "axes", 1, 13, axes, BL_ONNX_RANK, &len));
    int rank = x->rank + (int)len, from = 0;
    if (rank > BL_ONNX_RANK)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "more than %d axes", BL_ONNX_RANK);
    BL_TRY(bl_axes(b, n, axes, len, rank, one));
    for (int i = 0; i < rank; i++)
        dim[i] = one[i] ? 1 : x->dim[from++];
    return view_as(b, n, rank, dim);
}

blind_code bl_op_unsqueeze_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_identity_run(x, n);
}

/* Shapes as values.  ------------------------------------------------------------------------- */

/* Makes output 0 a constant of the plan with room for its data. */
static blind_code constant_out(bl_build *b, bl_node *n, bool derived)
{
    bl_tensor *t = bl_out(b, n, 0);
    bl_value  *v = &b->graph->values[n->out[0]];
    size_t     size = bl_tensor_size(t);
    if (size > BL_MAX_FOLDED - BL_MIN(b->folded, BL_MAX_FOLDED))
        return bl_op_fail(b, n, BLIND_LIMIT, "a constant of %zu bytes", size);
    b->folded += size;
    t->data = bl_arena_alloc(b->arena, size ? size : 1);
    if (!t->data)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    v->constant = true;
    v->derived = derived;
    v->place = BL_PLACE_CONST;
    n->dead = true;
    return BLIND_OK;
}

blind_code bl_op_shape_infer(bl_build *b, bl_node *n)
{
    const bl_tensor x = *bl_in(b, n, 0);
    int64_t         start = bl_attr_int(n, "start", 0), end = bl_attr_int(n, "end", x.rank);
    start = start < 0 ? start + x.rank : start;
    end = end < 0 ? end + x.rank : end;
    start = BL_MIN(BL_MAX(start, 0), x.rank);
    end = BL_MIN(BL_MAX(end, start), x.rank);
    int64_t len = end - start;
    BL_TRY(bl_set_out(b, n, 0, BLIND_I64, 1, &len));
    BL_TRY(constant_out(b, n, !bl_is_const(b, n, 0)));
    memcpy(bl_out(b, n, 0)->data, x.dim + start, (size_t)len * sizeof(int64_t));
    return BLIND_OK;
}

blind_code bl_op_size_infer(bl_build *b, bl_node *n)
{
    int64_t len = (int64_t)bl_in(b, n, 0)->len;
    BL_TRY(bl_set_out(b, n, 0, BLIND_I64, 0, NULL));
    BL_TRY(constant_out(b, n, !bl_is_const(b, n, 0)));
    memcpy(bl_out(b, n, 0)->data, &len, sizeof len);
    return BLIND_OK;
}

/* Constants.  -------------------------------------------------------------------------------- */

static blind_code constant_list(bl_build *b, bl_node *n, const bl_attr *a)
{
    int64_t     len = (int64_t)a->len;
    bool        list = a->type == BL_ATTR_INTS || a->type == BL_ATTR_FLOATS;
    bool        ints = a->type == BL_ATTR_INTS || a->type == BL_ATTR_INT;
    const void *data = !list  ? (ints ? (const void *)&a->i : (const void *)&a->f)
                       : ints ? (const void *)a->ints
                              : (const void *)a->floats;
    BL_TRY(bl_set_out(b, n, 0, ints ? BLIND_I64 : BLIND_F32, list ? 1 : 0, &len));
    BL_TRY(constant_out(b, n, false));
    if (bl_out(b, n, 0)->len)
        memcpy(bl_out(b, n, 0)->data, data, bl_tensor_size(bl_out(b, n, 0)));
    return BLIND_OK;
}

static blind_code constant_strings(bl_build *b, bl_node *n, const bl_attr *a)
{
    int64_t    len = (int64_t)a->len;
    blind_span one = bl_span_str(a->s);
    BL_TRY(bl_set_out(b, n, 0, BLIND_STRING, a->strings ? 1 : 0, &len));
    BL_TRY(constant_out(b, n, false));
    if (bl_out(b, n, 0)->len)
        memcpy(bl_out(b, n, 0)->data, a->strings ? a->strings : &one,
               bl_tensor_size(bl_out(b, n, 0)));
    return BLIND_OK;
}

blind_code bl_op_constant_infer(bl_build *b, bl_node *n)
{
    const bl_attr *a = bl_attr_find(n, "value");
    if (a && a->type == BL_ATTR_TENSOR && a->t.data) {
        BL_TRY(bl_set_out(b, n, 0, a->t.dtype, a->t.rank, a->t.dim));
        bl_value *v = &b->graph->values[n->out[0]];
        v->constant = true;
        v->place = BL_PLACE_CONST;
        bl_out(b, n, 0)->data = a->t.data;
        n->dead = true;
        return BLIND_OK;
    }
    static const char *const names[] = { "value_int", "value_ints", "value_float", "value_floats" };
    for (size_t i = 0; i < BL_LEN(names); i++)
        if ((a = bl_attr_find(n, names[i])))
            return constant_list(b, n, a);
    if ((a = bl_attr_find(n, "value_string")) || (a = bl_attr_find(n, "value_strings")))
        return constant_strings(b, n, a);
    return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a constant of another kind");
}

blind_code bl_op_constant_of_shape_infer(bl_build *b, bl_node *n)
{
    const bl_attr *a = bl_attr_find(n, "value");
    int64_t        dim[BL_ONNX_RANK];
    size_t         rank;
    BL_TRY(bl_const_ints(b, n, 0, dim, BL_ONNX_RANK, &rank));
    if (a && (a->type != BL_ATTR_TENSOR || a->t.len != 1 || !a->t.data))
        return bl_op_fail(b, n, BLIND_INPUT, "a value that is no single number");
    return bl_set_out(b, n, 0, a ? a->t.dtype : BLIND_F32, (int)rank, dim);
}

blind_code bl_op_constant_of_shape_run(const bl_exec *x, const bl_node *n)
{
    const bl_attr *a = bl_attr_find(n, "value");
    bl_tensor     *out = bl_result(x, n, 0);
    size_t         size = bl_element_size(out->dtype);
    for (size_t i = 0; i < out->len; i++) {
        if (a)
            memcpy((char *)out->data + i * size, a->t.data, size);
        else
            memset((char *)out->data + i * size, 0, size);
    }
    return BLIND_OK;
}

blind_code bl_op_range_infer(bl_build *b, bl_node *n)
{
    double v[3];
    for (int i = 0; i < 3; i++)
        BL_TRY(bl_need_value(b, n, i));
    for (int i = 0; i < 3; i++)
        if (!bl_const_number(b, n, i, &v[i]))
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is no number", i);
    double len = v[2] == 0 ? -1 : ceil((v[1] - v[0]) / v[2]);
    if (v[2] == 0 || !(len < (double)(1u << 30)))
        return bl_op_fail(b, n, BLIND_INPUT, "a range without end");
    int64_t dim = len > 0 ? (int64_t)len : 0;
    return bl_set_out(b, n, 0, bl_in(b, n, 0)->dtype, 1, &dim);
}

blind_code bl_op_range_run(const bl_exec *x, const bl_node *n)
{
    bl_tensor *out = bl_result(x, n, 0);
    double     start = 0, delta = 0;
    bl_tensor_number(bl_arg(x, n, 0), 0, &start);
    bl_tensor_number(bl_arg(x, n, 2), 0, &delta);
    for (size_t i = 0; i < out->len; i++)
        bl_tensor_set_number(out, i, start + (double)i * delta);
    return BLIND_OK;
}
