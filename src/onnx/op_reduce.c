/* Reductions, ArgMax, Softmax and CumSum along axes.
 *
 * Axes to reduce are brought together by seeing the tensor as [outer, axis, inner] where they are
 * adjacent (they nearly always are); other masks run the plain loop. */
#include "onnx/families.h"
#include "onnx/number.h"

#include <math.h>

static const struct {
    const char  *type;
    bl_reduction op;
    bool         log, root, exp; /* what is done to each sum, and to each element */
    int          axes_input;     /* the opset since which axes are an input */
} reductions[] = {
    { "ReduceSum", BL_REDUCE_SUM, false, false, false, 13 },
    { "ReduceMean", BL_REDUCE_MEAN, false, false, false, 18 },
    { "ReduceMax", BL_REDUCE_MAX, false, false, false, 18 },
    { "ReduceMin", BL_REDUCE_MIN, false, false, false, 18 },
    { "ReduceProd", BL_REDUCE_PROD, false, false, false, 18 },
    { "ReduceSumSquare", BL_REDUCE_SUM_SQUARE, false, false, false, 18 },
    { "ReduceL1", BL_REDUCE_SUM_ABS, false, false, false, 18 },
    { "ReduceL2", BL_REDUCE_SUM_SQUARE, false, true, false, 18 },
    { "ReduceLogSum", BL_REDUCE_SUM, true, false, false, 18 },
    { "ReduceLogSumExp", BL_REDUCE_SUM, true, false, true, 18 },
};

typedef struct {
    size_t row; /* of `reductions` */
    size_t outer, axis, inner;
    bool   adjacent;
    bool   mask[BL_ONNX_RANK];
} reduction;

static void find_runs(reduction *p, const bl_tensor *x)
{
    int first = -1, last = -1;
    p->outer = p->axis = p->inner = 1;
    p->adjacent = true;
    for (int i = 0; i < x->rank; i++) {
        if (!p->mask[i] || x->dim[i] == 1)
            continue;
        first = first < 0 ? i : first;
        last = i;
    }
    for (int i = 0; i < x->rank; i++) {
        size_t size = (size_t)x->dim[i];
        if (first < 0 || i < first)
            p->outer *= size;
        else if (i > last)
            p->inner *= size;
        else if (p->mask[i] || size == 1)
            p->axis *= size;
        else
            p->adjacent = false;
    }
}

blind_code bl_op_reduce_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          axes[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    size_t           len, row = 0;
    bool             keep = bl_attr_int(n, "keepdims", 1) != 0;
    int              rank = 0;
    reduction       *p;
    while (row + 1 < BL_LEN(reductions) && strcmp(reductions[row].type, n->type) != 0)
        row++;
    BL_TRY(bl_ints_of(b, n, "axes", 1, reductions[row].axes_input, axes, BL_ONNX_RANK, &len));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_axes(b, n, axes, len, x->rank, p->mask));
    bool nothing = len == 0 && bl_attr_int(n, "noop_with_empty_axes", 0);
    for (int i = 0; len == 0 && !nothing && i < x->rank; i++)
        p->mask[i] = true;
    for (int i = 0; i < x->rank; i++)
        if (!p->mask[i] || keep)
            dim[rank++] = p->mask[i] ? 1 : x->dim[i];
    p->row = row;
    find_runs(p, x);
    if (nothing)
        bl_set_view(b, n, 0, 0);
    if (x->dtype == BLIND_STRING)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    return bl_set_out(b, n, 0, x->dtype, rank, dim);
}

/* Start, and one step, of a reduction in double. */
static double start_of(bl_reduction op)
{
    return op == BL_REDUCE_PROD  ? 1
           : op == BL_REDUCE_MAX ? -INFINITY
           : op == BL_REDUCE_MIN ? INFINITY
                                 : 0;
}

static double step(bl_reduction op, double sum, double v)
{
    switch (op) {
    case BL_REDUCE_MAX:
        return v > sum || v != v ? v : sum;
    case BL_REDUCE_MIN:
        return v < sum || v != v ? v : sum;
    case BL_REDUCE_PROD:
        return sum * v;
    case BL_REDUCE_SUM_SQUARE:
        return sum + v * v;
    case BL_REDUCE_SUM_ABS:
        return sum + fabs(v);
    default:
        return sum + v;
    }
}

/* Offset of the i-th combination of the axes whose mask is `want`. */
static size_t offset_of(const bl_tensor *x, const bool *mask, bool want, size_t i)
{
    size_t stride = 1, offset = 0;
    for (int d = x->rank - 1; d >= 0; d--) {
        size_t size = (size_t)x->dim[d];
        if (mask[d] == want) {
            offset += i % size * stride;
            i /= size;
        }
        stride *= size;
    }
    return offset;
}

/* Integers stay integers, since those of 64 bits fit no double.  `is_signed`: they are ordered so.
 */
static uint64_t integer_step(bl_reduction op, uint64_t sum, uint64_t v, bool is_signed)
{
    const uint64_t sign = is_signed ? (uint64_t)1 << 63 : 0;
    switch (op) {
    case BL_REDUCE_MAX:
        return (v ^ sign) > (sum ^ sign) ? v : sum;
    case BL_REDUCE_MIN:
        return (v ^ sign) < (sum ^ sign) ? v : sum;
    case BL_REDUCE_PROD:
        return sum * v;
    case BL_REDUCE_SUM_SQUARE:
        return sum + v * v;
    case BL_REDUCE_SUM_ABS:
        return sum + (v & sign ? 0 - v : v);
    default:
        return sum + v;
    }
}

static void reduce_integers(const reduction *p, const bl_tensor *in, bl_tensor *out, size_t o)
{
    bl_reduction op = reductions[p->row].op;
    size_t       base = offset_of(in, p->mask, false, o), size = blind_dtype_size(in->dtype);
    bool         extreme = op == BL_REDUCE_MAX || op == BL_REDUCE_MIN;
    uint64_t     whole = op == BL_REDUCE_PROD;
    for (size_t i = 0; i < in->len / out->len; i++) {
        size_t   at = base + offset_of(in, p->mask, true, i);
        uint64_t v = bl_integer_load(in->dtype, (const char *)in->data + at * size);
        whole = i == 0 && extreme ? v : integer_step(op, whole, v, bl_is_signed(in->dtype));
    }
    bl_integer_store(out->dtype, (char *)out->data + o * size, whole);
}

static double largest(const reduction *p, const bl_tensor *in, size_t base, size_t count)
{
    double most = -(double)INFINITY, v = 0;
    for (size_t i = 0; i < count; i++) {
        bl_tensor_number(in, base + offset_of(in, p->mask, true, i), &v);
        most = v > most ? v : most;
    }
    return most - most == 0 ? most : 0;
}

static double reduce_one(const reduction *p, const bl_tensor *in, size_t base, size_t count)
{
    bl_reduction op = reductions[p->row].op;
    bool         exponents = reductions[p->row].exp;
    double       sum = start_of(op), v = 0, most = exponents ? largest(p, in, base, count) : 0;
    for (size_t i = 0; i < count; i++) {
        bl_tensor_number(in, base + offset_of(in, p->mask, true, i), &v);
        sum = step(op, sum, exponents ? exp(v - most) : v);
    }
    sum = op == BL_REDUCE_MEAN ? sum / (double)count : sum;
    sum = reductions[p->row].root ? sqrt(sum) : sum;
    return reductions[p->row].log ? log(sum) + most : sum;
}

static void reduce_plain(const reduction *p, const bl_tensor *in, bl_tensor *out)
{
    bool integer = bl_is_integer(in->dtype) && in->len && !reductions[p->row].log &&
                   !reductions[p->row].root && reductions[p->row].op != BL_REDUCE_MEAN;
    for (size_t o = 0; o < out->len; o++)
        if (integer)
            reduce_integers(p, in, out, o);
        else
            bl_tensor_set_number(
                out, o, reduce_one(p, in, offset_of(in, p->mask, false, o), in->len / out->len));
}

blind_code bl_op_reduce_run(const bl_exec *x, const bl_node *n)
{
    const reduction *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    if (in->dtype != BLIND_F32 || !p->adjacent || reductions[p->row].exp || in->len == 0) {
        reduce_plain(p, in, out);
        return BLIND_OK;
    }
    x->kernels->reduce(reductions[p->row].op, out->data, in->data, p->outer, p->axis, p->inner,
                       x->pool);
    if (reductions[p->row].root)
        x->kernels->unary(BL_UNARY_SQRT, out->data, out->data, out->len, 0, 0, x->pool);
    if (reductions[p->row].log)
        x->kernels->unary(BL_UNARY_LOG, out->data, out->data, out->len, 0, 0, x->pool);
    return BLIND_OK;
}

/* ArgMax and ArgMin.  ------------------------------------------------------------------------ */

blind_code bl_op_arg_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          dim[BL_ONNX_RANK];
    int              axis, rank = 0, *p;
    bool             keep = bl_attr_int(n, "keepdims", 1) != 0;
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x->rank, &axis));
    if (x->dtype == BLIND_STRING)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    for (int i = 0; i < x->rank; i++)
        if (i != axis || keep)
            dim[rank++] = i == axis ? 1 : x->dim[i];
    if (x->dim[axis] == 0)
        return bl_op_fail(b, n, BLIND_INPUT, "nothing to choose from");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = axis;
    return bl_set_out(b, n, 0, BLIND_I64, rank, dim);
}

blind_code bl_op_arg_run(const bl_exec *x, const bl_node *n)
{
    int              axis = *(const int *)n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    int64_t         *out = bl_result(x, n, 0)->data;
    size_t           inner = bl_dims(in, axis + 1, in->rank), size = (size_t)in->dim[axis];
    bool             least = strcmp(n->type, "ArgMin") == 0;
    bool             latest = bl_attr_int(n, "select_last_index", 0) != 0;
    for (size_t i = 0; i < bl_result(x, n, 0)->len; i++) {
        size_t base = i / inner * size * inner + i % inner;
        double best = 0, v = 0;
        for (size_t j = 0; j < size; j++) {
            bl_tensor_number(in, base + j * inner, &v);
            if (j == 0 || (least ? v < best : v > best) || (latest && v == best)) {
                best = v;
                out[i] = (int64_t)j;
            }
        }
    }
    return BLIND_OK;
}

/* Softmax and LogSoftmax: before opset 13 over all axes from `axis` on.  ------------------------
 */

typedef struct {
    size_t outer, width, inner;
    bool   log;
} softmax;

blind_code bl_op_softmax_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int              axis;
    softmax         *p;
    if (x->dtype != BLIND_F32 && x->dtype != BLIND_F64)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", n->opset < 13 ? 1 : -1), x->rank, &axis));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->outer = bl_dims(x, 0, axis);
    p->width = n->opset < 13 ? bl_dims(x, axis, x->rank) : (size_t)x->dim[axis];
    p->inner = n->opset < 13 ? 1 : bl_dims(x, axis + 1, x->rank);
    p->log = strcmp(n->type, "LogSoftmax") == 0;
    n->inplace = 1;
    return bl_set_same(b, n);
}

static double element(const bl_tensor *t, size_t i)
{
    double v = 0;
    bl_tensor_number(t, i, &v);
    return v;
}

/* One line of elements `step` apart, in doubles. */
static void softmax_line(const softmax *p, const bl_tensor *in, bl_tensor *out, size_t base)
{
    double most = -(double)INFINITY, sum = 0;
    for (size_t i = 0; i < p->width; i++)
        most = fmax(most, element(in, base + i * p->inner));
    for (size_t i = 0; i < p->width; i++)
        sum += exp(element(in, base + i * p->inner) - most);
    for (size_t i = 0; i < p->width; i++) {
        double v = element(in, base + i * p->inner) - most;
        bl_tensor_set_number(out, base + i * p->inner, p->log ? v - log(sum) : exp(v) / sum);
    }
}

blind_code bl_op_softmax_run(const bl_exec *x, const bl_node *n)
{
    const softmax *p = n->params;
    bl_tensor     *out = bl_result(x, n, 0);
    if (out->len == 0)
        return BLIND_OK;
    if (out->dtype != BLIND_F32)
        for (size_t l = 0; l < p->outer * p->inner; l++)
            softmax_line(p, bl_arg(x, n, 0), out,
                         l / p->inner * p->width * p->inner + l % p->inner);
    else if (p->inner == 1)
        x->kernels->softmax(out->data, bl_arg(x, n, 0)->data, p->outer, p->width, p->log, x->pool);
    else
        x->kernels->softmax_axis(out->data, bl_arg(x, n, 0)->data, p->outer, p->width, p->inner,
                                 p->log, x->pool);
    return BLIND_OK;
}

/* Hardmax: 1 at the first largest of a line.  ---------------------------------------------------
 */

blind_code bl_op_hardmax_infer(bl_build *b, bl_node *n)
{
    BL_TRY(bl_op_softmax_infer(b, n));
    n->inplace = 0;
    return BLIND_OK;
}

blind_code bl_op_hardmax_run(const bl_exec *x, const bl_node *n)
{
    const softmax   *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    if (out->len)
        memset(out->data, 0, bl_tensor_size(out));
    for (size_t l = 0; out->len && l < p->outer * p->inner; l++) {
        size_t base = l / p->inner * p->width * p->inner + l % p->inner, best = 0;
        for (size_t i = 1; i < p->width; i++)
            if (element(in, base + i * p->inner) > element(in, base + best * p->inner))
                best = i;
        bl_tensor_set_number(out, base + best * p->inner, 1);
    }
    return BLIND_OK;
}

/* MeanVarianceNormalization over `axes`.  ------------------------------------------------------ */

blind_code bl_op_mvn_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          axes[BL_ONNX_RANK] = { 0, 2, 3 };
    size_t           len;
    reduction       *p;
    if (x->dtype != BLIND_F32 && x->dtype != BLIND_F64)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    BL_TRY(bl_attr_ints(b, n, "axes", axes, BL_ONNX_RANK, &len));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_axes(b, n, axes, len ? len : 3, x->rank, p->mask));
    n->inplace = 1;
    return bl_set_same(b, n);
}

blind_code bl_op_mvn_run(const bl_exec *x, const bl_node *n)
{
    const reduction *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           groups = 1;
    for (int i = 0; i < in->rank; i++)
        groups *= p->mask[i] ? 1 : (size_t)in->dim[i];
    size_t count = groups ? in->len / groups : 0;
    for (size_t g = 0; count && g < groups; g++) {
        size_t base = offset_of(in, p->mask, false, g);
        double mean = 0, square = 0;
        for (size_t i = 0; i < count; i++)
            mean += element(in, base + offset_of(in, p->mask, true, i)) / (double)count;
        for (size_t i = 0; i < count; i++) {
            double v = element(in, base + offset_of(in, p->mask, true, i)) - mean;
            square += v * v / (double)count;
        }
        for (size_t i = 0; i < count; i++) {
            size_t at = base + offset_of(in, p->mask, true, i);
            bl_tensor_set_number(out, at, (element(in, at) - mean) / (sqrt(square) + 1e-9));
        }
    }
    return BLIND_OK;
}

/* CumSum.  ----------------------------------------------------------------------------------- */

blind_code bl_op_cumsum_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    double           axis;
    int             *p;
    BL_TRY(bl_need_value(b, n, 1));
    if (!bl_const_number(b, n, 1, &axis) || x->dtype == BLIND_STRING)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "an axis that is no number, or %s",
                          blind_dtype_name(x->dtype));
    if (!(fabs(axis) <= BL_ONNX_RANK))
        return bl_op_fail(b, n, BLIND_INPUT, "axis %g of %d", axis, x->rank);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_axis(b, n, (int64_t)axis, x->rank, p));
    return bl_set_same(b, n);
}

blind_code bl_op_cumsum_run(const bl_exec *x, const bl_node *n)
{
    int              axis = *(const int *)n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           inner = bl_dims(in, axis + 1, in->rank), size = (size_t)in->dim[axis];
    bool             exclusive = bl_attr_int(n, "exclusive", 0) != 0;
    bool             reverse = bl_attr_int(n, "reverse", 0) != 0;
    bool             integer = bl_is_integer(in->dtype);
    size_t           element = bl_element_size(in->dtype);
    for (size_t i = 0; size && i < in->len / size; i++) {
        size_t   base = i / inner * size * inner + i % inner;
        double   sum = 0, v = 0;
        uint64_t whole = 0; /* integers of 64 bits fit no double; they wrap around */
        for (size_t j = 0; j < size; j++) {
            size_t   at = base + (reverse ? size - 1 - j : j) * inner;
            char    *to = (char *)out->data + at * element;
            uint64_t w = integer ? bl_integer_load(in->dtype, (char *)in->data + at * element) : 0;
            if (integer) {
                bl_integer_store(out->dtype, to, exclusive ? whole : whole + w);
            } else {
                bl_tensor_number(in, at, &v);
                bl_tensor_set_number(out, at, exclusive ? sum : sum + v);
            }
            sum += v;
            whole += w;
        }
    }
    return BLIND_OK;
}
