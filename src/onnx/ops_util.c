/* What every operator's checks are made of. */
#include "onnx/element.h"

#include <stdarg.h>
#include <stdio.h>

static const char stage[] = "onnx.plan";

blind_code bl_op_fail(const bl_build *b, const bl_node *n, blind_code code, const char *format, ...)
{
    char    text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return blind_fail(b->err, code, stage, "node '%.50s' (%.30s, opset %lld): %s", n->name, n->type,
                      (long long)n->opset, text);
}

blind_code bl_run_fail(const bl_exec *x, const bl_node *n, const char *format, ...)
{
    char    text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return blind_fail(x->err, BLIND_INPUT, "onnx.run", "node '%.50s' (%.30s): %s", n->name, n->type,
                      text);
}

blind_code bl_need_real(bl_build *b, const bl_node *n, int i)
{
    const bl_tensor *x = bl_in(b, n, 0), *t = bl_in(b, n, i);
    if (!t || (bl_is_real(t->dtype) && t->dtype == x->dtype))
        return BLIND_OK;
    return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d has elements of type %s", i,
                      blind_dtype_name(t->dtype));
}

bool bl_has_in(const bl_node *n, int i)
{
    return i < n->n_in && n->in[i] >= 0;
}

bool bl_has_out(const bl_node *n, int i)
{
    return i < n->n_out && n->out[i] >= 0;
}

bl_tensor *bl_in(const bl_build *b, const bl_node *n, int i)
{
    return bl_has_in(n, i) ? &b->graph->tensors[n->in[i]] : NULL;
}

bl_tensor *bl_out(const bl_build *b, const bl_node *n, int i)
{
    return bl_has_out(n, i) ? &b->graph->tensors[n->out[i]] : NULL;
}

bool bl_is_const(const bl_build *b, const bl_node *n, int i)
{
    return bl_has_in(n, i) && b->graph->values[n->in[i]].constant;
}

bool bl_is_derived(const bl_build *b, const bl_node *n, int i)
{
    return bl_has_in(n, i) && b->graph->values[n->in[i]].derived;
}

blind_code bl_set_out(bl_build *b, const bl_node *n, int i, blind_dtype dtype, int rank,
                      const int64_t *dim)
{
    bl_tensor *t = bl_out(b, n, i);
    if (!t)
        return BLIND_OK;
    if (rank > BL_ONNX_RANK)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "more than %d axes", BL_ONNX_RANK);
    bl_tensor made = { .dtype = dtype };
    if (!bl_tensor_shape(&made, rank, dim))
        return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
    *t = made;
    b->graph->values[n->out[i]].shaped = true;
    return BLIND_OK;
}

void bl_set_view(bl_build *b, bl_node *n, int i, size_t offset)
{
    if (!bl_has_out(n, i))
        return;
    bl_value *v = &b->graph->values[n->out[i]];
    v->place = BL_PLACE_VIEW;
    v->of = n->in[0];
    v->offset = offset;
    n->view = true;
}

blind_code bl_align_value(bl_build *b, int32_t v)
{
    bl_tensor *t = &b->graph->tensors[v];
    bl_tensor  from = *t;
    size_t     size = bl_tensor_size(t);
    bool       shared = (size_t)v < b->origin->n_values && b->origin->values[v].constant;
    if (!b->graph->values[v].constant || size == 0 ||
        (uintptr_t)t->data % bl_element_align(t->dtype) == 0)
        return BLIND_OK;
    void *copy = bl_arena_alloc(shared ? b->origin_arena : b->arena, size);
    if (!copy)
        return blind_fail(b->err, BLIND_MEMORY, stage, "no memory for a constant");
    bl_store_needed(b, &from);
    t->data = memcpy(copy, from.data, size);
    if (shared)
        b->origin->tensors[v].data = copy;
    bl_store_unneeded(b, &from);
    return BLIND_OK;
}

blind_code bl_set_same(bl_build *b, const bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    return bl_set_out(b, n, 0, x->dtype, x->rank, x->dim);
}

blind_code bl_params(bl_build *b, bl_node *n, size_t size, void *out)
{
    void *params = bl_arena_alloc(b->arena, size);
    if (!params)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    n->params = params;
    memcpy(out, &params, sizeof params);
    return BLIND_OK;
}

const bl_attr *bl_attr_find(const bl_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    return NULL;
}

int64_t bl_attr_int(const bl_node *n, const char *name, int64_t otherwise)
{
    const bl_attr *a = bl_attr_find(n, name);
    return a && a->type == BL_ATTR_INT ? a->i : otherwise;
}

float bl_attr_float(const bl_node *n, const char *name, float otherwise)
{
    const bl_attr *a = bl_attr_find(n, name);
    return a && a->type == BL_ATTR_FLOAT ? a->f : otherwise;
}

const char *bl_attr_str(const bl_node *n, const char *name, const char *otherwise)
{
    const bl_attr *a = bl_attr_find(n, name);
    return a && a->type == BL_ATTR_STRING ? a->s : otherwise;
}

blind_code bl_attr_ints(bl_build *b, const bl_node *n, const char *name, int64_t *out, size_t max,
                        size_t *len)
{
    const bl_attr *a = bl_attr_find(n, name);
    *len = 0;
    if (!a || !a->ints)
        return BLIND_OK;
    if (a->len > max)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu numbers in '%s', expected at most %zu", a->len,
                          name, max);
    memcpy(out, a->ints, a->len * sizeof *out);
    *len = a->len;
    return BLIND_OK;
}

blind_code bl_need_value(bl_build *b, const bl_node *n, int i)
{
    if (!bl_has_in(n, i) || bl_is_const(b, n, i))
        return BLIND_OK;
    b->later = i;
    return BL_LATER;
}

blind_code bl_const_ints(bl_build *b, const bl_node *n, int i, int64_t *out, size_t max,
                         size_t *len)
{
    const bl_tensor *t = bl_in(b, n, i);
    *len = 0;
    if (!t)
        return BLIND_OK;
    BL_TRY(bl_need_value(b, n, i));
    if (t->rank > 1 || t->len > max || (t->dtype != BLIND_I64 && t->dtype != BLIND_I32))
        return bl_op_fail(b, n, BLIND_INPUT, "input %d is no list of at most %zu integers", i, max);
    for (size_t j = 0; j < t->len; j++) {
        int32_t narrow;
        if (t->dtype == BLIND_I64) {
            memcpy(&out[j], (const char *)t->data + j * 8, 8);
        } else {
            memcpy(&narrow, (const char *)t->data + j * 4, 4);
            out[j] = narrow;
        }
    }
    *len = t->len;
    return BLIND_OK;
}

blind_code bl_ints_of(bl_build *b, const bl_node *n, const char *name, int i, int64_t opset,
                      int64_t *out, size_t max, size_t *len)
{
    if (n->opset >= opset && bl_has_in(n, i))
        return bl_const_ints(b, n, i, out, max, len);
    return bl_attr_ints(b, n, name, out, max, len);
}

bool bl_tensor_number(const bl_tensor *t, size_t index, double *out)
{
    if (index >= t->len || !t->data || t->dtype == BLIND_STRING)
        return false;
    *out = bl_number_load(t->dtype, (const char *)t->data + index * blind_dtype_size(t->dtype));
    return true;
}

void bl_tensor_set_number(bl_tensor *t, size_t index, double value)
{
    bl_number_store(t->dtype, (char *)t->data + index * blind_dtype_size(t->dtype), value, true);
}

bool bl_const_number(const bl_build *b, const bl_node *n, int i, double *out)
{
    const bl_tensor *t = bl_in(b, n, i);
    return bl_is_const(b, n, i) && t->len == 1 && bl_tensor_number(t, 0, out);
}

blind_code bl_axis(bl_build *b, const bl_node *n, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank)
        return bl_op_fail(b, n, BLIND_INPUT, "axis %lld of a tensor of %d axes", (long long)axis,
                          rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return BLIND_OK;
}

blind_code bl_axes(bl_build *b, const bl_node *n, const int64_t *axes, size_t len, int rank,
                   bool mask[BL_ONNX_RANK])
{
    memset(mask, 0, BL_ONNX_RANK * sizeof *mask);
    for (size_t i = 0; i < len; i++) {
        int axis = 0;
        BL_TRY(bl_axis(b, n, axes[i], rank, &axis));
        if (mask[axis])
            return bl_op_fail(b, n, BLIND_INPUT, "axis %d twice", axis);
        mask[axis] = true;
    }
    return BLIND_OK;
}

size_t bl_dims(const bl_tensor *t, int from, int to)
{
    size_t product = 1;
    for (int i = from; i < to; i++)
        product *= (size_t)t->dim[i];
    return product;
}

bool bl_broadcast_shape(const bl_tensor *a, const bl_tensor *b, bl_tensor *out)
{
    int     rank = BL_MAX(a->rank, b->rank);
    int64_t dim[BL_ONNX_RANK];
    for (int i = 0; i < rank; i++) {
        int     ia = i - (rank - a->rank), ib = i - (rank - b->rank);
        int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da != db && da != 1 && db != 1)
            return false;
        dim[i] = da == 1 ? db : da;
    }
    return bl_tensor_shape(out, rank, dim);
}

/* Strides of x as broadcast to `out`, in elements. */
static void strides_of(const bl_tensor *x, const bl_tensor *out, size_t *stride)
{
    size_t step = 1;
    for (int i = out->rank - 1; i >= 0; i--) {
        int at = i - (out->rank - x->rank);
        stride[i] = at < 0 || x->dim[at] == 1 ? 0 : step;
        step *= at < 0 ? 1 : (size_t)x->dim[at];
    }
}

void bl_walk_init(bl_walk *w, const bl_tensor *out, const bl_tensor *const *in, int n_in)
{
    size_t stride[3][BL_ONNX_RANK];
    for (int k = 0; k < n_in; k++)
        strides_of(in[k], out, stride[k]);
    *w = (bl_walk){ 0 };
    for (int i = 0; i < out->rank; i++) {
        size_t size = (size_t)out->dim[i];
        bool   joins = w->rank > 0;
        if (size == 1)
            continue;
        for (int k = 0; k < n_in; k++)
            joins = joins && w->stride[k][w->rank - 1] == stride[k][i] * size;
        int at = joins ? w->rank - 1 : w->rank++;
        w->shape[at] = joins ? w->shape[at] * size : size;
        for (int k = 0; k < n_in; k++)
            w->stride[k][at] = stride[k][i];
    }
}
