/* ScatterElements, Scatter and ScatterND: updates put where indices say, in order; or added to,
 * multiplied with, compared to what is there.  Source: ONNX operators of these names. */
#include "onnx/families.h"
#include "onnx/indices.h"
#include "onnx/rows.h"

/* to[i] = to[i] op from[i]. */
typedef void combine(void *to, const void *from, size_t n);

#define COMBINE(name, type, expression)                                                            \
    static void name(void *to, const void *from, size_t n)                                         \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            type a = ((type *)to)[i], b = ((const type *)from)[i];                                 \
            ((type *)to)[i] = (type)(expression);                                                  \
        }                                                                                          \
    }
/* Integers wrap: computed without a sign, where overflow is defined.  NaN wins a comparison. */
#define WRAP_ALL(dtype, type)                                                                      \
    COMBINE(add_##dtype, type, (uint64_t)a + (uint64_t)b)                                          \
    COMBINE(mul_##dtype, type, (uint64_t)a *(uint64_t)b)                                           \
    COMBINE(min_##dtype, type, b < a ? b : a)                                                      \
    COMBINE(max_##dtype, type, b > a ? b : a)
#define FLOAT_ALL(dtype, type)                                                                     \
    COMBINE(add_##dtype, type, a + b)                                                              \
    COMBINE(mul_##dtype, type, a *b)                                                               \
    COMBINE(min_##dtype, type, b < a || b != b ? b : a)                                            \
    COMBINE(max_##dtype, type, b > a || b != b ? b : a)
BL_SIGNED(WRAP_ALL)
BL_UNSIGNED(WRAP_ALL)
BL_FLOATS(FLOAT_ALL)

typedef enum { PUT, ADD, MUL, MIN, MAX, REDUCTIONS } reduction;

#define ENTRY(dtype, type)                                                                         \
    [BLIND_##dtype] = { NULL, add_##dtype, mul_##dtype, min_##dtype, max_##dtype },
static combine *const combines[BLIND_DTYPE_COUNT][REDUCTIONS] = { BL_NUMBERS(ENTRY) };

typedef struct {
    combine *combine; /* NULL: put */
    int      axis;
} scatter;

static blind_code read_reduction(bl_build *b, const bl_node *n, scatter *p)
{
    static const char *const names[] = { "none", "add", "mul", "min", "max" };
    const char              *how = bl_attr_str(n, "reduction", "none");
    blind_dtype              dtype = bl_in(b, n, 0)->dtype;
    for (size_t i = 0; i < BL_LEN(names); i++) {
        if (strcmp(names[i], how) != 0)
            continue;
        p->combine = combines[dtype][i];
        if (i != PUT && !p->combine)
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                              blind_dtype_name(dtype));
        return BLIND_OK;
    }
    return bl_op_fail(b, n, BLIND_UNSUPPORTED, "reduction '%.20s'", how);
}

blind_code bl_op_scatter_elements_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1), *updates = bl_in(b, n, 2);
    scatter         *p;
    BL_TRY(bl_check_indices(b, n, 1));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(read_reduction(b, n, p));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x->rank, &p->axis));
    bool fits = at->rank == x->rank && updates->rank == x->rank && updates->dtype == x->dtype;
    for (int i = 0; fits && i < x->rank; i++)
        fits = at->dim[i] == updates->dim[i] && (i == p->axis || at->dim[i] <= x->dim[i]);
    if (!fits)
        return bl_op_fail(b, n, BLIND_INPUT, "indices, updates and data that do not fit");
    n->inplace = 1;
    return bl_set_same(b, n);
}

static void start_from_input(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    if (out->data != in->data && out->len)
        memcpy(out->data, in->data, bl_tensor_size(out));
}

typedef struct {
    const scatter   *p;
    const bl_tensor *indices, *updates;
    bl_tensor       *out;
} scatter_job;

static bool scatter_row(void *arg, size_t base, size_t from)
{
    const scatter_job *j = arg;
    int                axis = j->p->axis, last = j->indices->rank - 1;
    size_t             size = bl_element_size(j->out->dtype), to;
    size_t             step = bl_dims(j->out, axis + 1, j->out->rank);
    int64_t            at;
    for (size_t i = 0; i < (size_t)j->indices->dim[last]; i++) {
        if (!bl_index_at(j->indices, from + i, j->out->dim[axis], &at))
            return false;
        to = base + (size_t)at * step + (axis == last ? 0 : i);
        char       *element = (char *)j->out->data + to * size;
        const char *update = (const char *)j->updates->data + (from + i) * size;
        if (j->p->combine)
            j->p->combine(element, update, 1);
        else
            memcpy(element, update, size);
    }
    return true;
}

blind_code bl_op_scatter_elements_run(const bl_exec *x, const bl_node *n)
{
    scatter_job j = { n->params, bl_arg(x, n, 1), bl_arg(x, n, 2), bl_result(x, n, 0) };
    start_from_input(x, n);
    if (!bl_walk_indices(j.out, j.indices, j.p->axis, scatter_row, &j))
        return bl_run_fail(x, n, "an index outside an axis of %lld elements",
                           (long long)j.out->dim[j.p->axis]);
    return BLIND_OK;
}

/* ScatterND.  -------------------------------------------------------------------------------- */

blind_code bl_op_scatter_nd_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *at = bl_in(b, n, 1), *updates = bl_in(b, n, 2);
    scatter         *p;
    BL_TRY(bl_check_indices(b, n, 1));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(read_reduction(b, n, p));
    if (at->rank < 1 || at->dim[at->rank - 1] > x->rank || updates->dtype != x->dtype)
        return bl_op_fail(b, n, BLIND_INPUT, "tuples longer than the axes, or another type");
    int    width = (int)at->dim[at->rank - 1];
    size_t wanted;
    if (!bl_mul(bl_dims(at, 0, at->rank - 1), bl_dims(x, width, x->rank), &wanted) ||
        wanted != updates->len)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu updates for the indices", updates->len);
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_op_scatter_nd_run(const bl_exec *x, const bl_node *n)
{
    const scatter   *p = n->params;
    const bl_tensor *indices = bl_arg(x, n, 1), *updates = bl_arg(x, n, 2);
    bl_tensor       *out = bl_result(x, n, 0);
    int              width = (int)indices->dim[indices->rank - 1];
    size_t           element = bl_element_size(out->dtype), to;
    size_t           len = bl_dims(out, width, out->rank);
    start_from_input(x, n);
    for (size_t i = 0; len && i < updates->len / len; i++) {
        if (!bl_slice_at(out, indices, i, 0, width, &to))
            return bl_run_fail(x, n, "an index out of range");
        const char *update = (const char *)updates->data + i * len * element;
        if (p->combine)
            p->combine((char *)out->data + to * element, update, len);
        else
            memcpy((char *)out->data + to * element, update, len * element);
    }
    return BLIND_OK;
}
