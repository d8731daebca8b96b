/* Operators on bytes that stand for floats: QLinearAdd, QLinearMul, QLinearSigmoid,
 * QLinearLeakyRelu, QLinearAveragePool, QLinearGlobalAveragePool, QLinearSoftmax, QLinearConcat.
 *
 * Each opens its bytes into floats, computes as the operator on floats does, and quantises what
 * comes of it: within one step of ONNX Runtime, which for some keeps to integers.
 * Source: ONNX Runtime, docs/ContribOperators.md. */
#include "nn/bytes.h"
#include "onnx/integer.h"
#include "onnx/ms/ms.h"
#include "onnx/window.h"

typedef struct {
    const bl_bytes *bytes;
    size_t          room[2]; /* floats before the second operand, and before the result */
    int             y;       /* the input that is the result's scale; its zero point follows */
    bl_walk         walk;    /* of Add and Mul */
    bl_pooling      pooling;
    size_t          outer, axis, inner; /* of Softmax, GlobalAveragePool and Concat */
} params;

/* Bytes at input i, then their scale and zero point. */
static blind_code check_bytes(bl_build *b, const bl_node *n, int i)
{
    const bl_tensor *x = bl_in(b, n, i), *scale = bl_in(b, n, i + 1), *zero = bl_in(b, n, i + 2);
    if (!x || !scale)
        return bl_op_fail(b, n, BLIND_INPUT, "bytes or their scale are missing at input %d", i);
    if (x->dtype != BLIND_U8 && x->dtype != BLIND_I8)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    if (scale->dtype != BLIND_F32 || scale->len != 1 ||
        (zero && (zero->dtype != x->dtype || zero->len != 1)))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED,
                          "a scale or zero point of another type, or several");
    return BLIND_OK;
}

/* The type of the result, whose scale is input i. */
static blind_code result_type(bl_build *b, const bl_node *n, int i, blind_dtype otherwise,
                              blind_dtype *out)
{
    const bl_tensor *scale = bl_in(b, n, i), *zero = bl_in(b, n, i + 1);
    *out = zero ? zero->dtype : otherwise;
    if (!scale || scale->dtype != BLIND_F32 || scale->len != 1 || (zero && zero->len != 1) ||
        (*out != BLIND_U8 && *out != BLIND_I8))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a result's scale or zero point");
    return BLIND_OK;
}

/* Room for floats of both operands and the result. */
static blind_code set_room(bl_build *b, bl_node *n, params *p, size_t first, size_t second,
                           size_t result)
{
    size_t total;
    p->bytes = bl_bytes_for(b->kernels->isa);
    p->room[0] = (first + 15) / 16 * 16;
    p->room[1] = p->room[0] + (second + 15) / 16 * 16;
    if (!bl_add(p->room[1], result, &total) || !bl_mul(total, sizeof(float), &n->scratch))
        return bl_op_fail(b, n, BLIND_LIMIT, "tensors of impossible size");
    return BLIND_OK;
}

static const float *open_bytes(const bl_exec *x, const bl_node *n, const params *p, int i,
                               float *to)
{
    const bl_tensor *t = bl_arg(x, n, i);
    bl_bytes_dequantize(p->bytes, to, t->data, t->dtype == BLIND_I8, t->len,
                        (float)bl_number_or_0(bl_arg(x, n, i + 1), 0),
                        (int32_t)bl_number_or_0(bl_arg(x, n, i + 2), 0), x->pool);
    return to;
}

/* Quantises `len` floats into the result's bytes from `at` on. */
static void close_bytes(const bl_exec *x, const bl_node *n, const params *p, const float *from,
                        size_t at, size_t len)
{
    bl_tensor *out = bl_result(x, n, 0);
    bool       low = out->dtype == BLIND_I8;
    bl_bytes_quantize(p->bytes, (char *)out->data + at, from, len,
                      (float)bl_number_or_0(bl_arg(x, n, p->y), 0),
                      (int32_t)bl_number_or_0(bl_arg(x, n, p->y + 1), 0), low ? INT8_MIN : 0,
                      low ? INT8_MAX : UINT8_MAX, x->pool);
}

/* Add and Mul.  ------------------------------------------------------------------------------ */

blind_code bl_ms_qbinary_infer(bl_build *b, bl_node *n)
{
    bl_tensor   joined = { .dtype = BLIND_U8 };
    blind_dtype type;
    params     *p;
    BL_TRY(check_bytes(b, n, 0));
    BL_TRY(check_bytes(b, n, 3));
    const bl_tensor *const in[] = { bl_in(b, n, 0), bl_in(b, n, 3) };
    BL_TRY(result_type(b, n, 6, in[0]->dtype, &type));
    if (!bl_broadcast_shape(in[0], in[1], &joined))
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not fit");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->y = 6;
    BL_TRY(bl_set_out(b, n, 0, type, joined.rank, joined.dim));
    bl_walk_init(&p->walk, bl_out(b, n, 0), in, 2);
    return set_room(b, n, p, in[0]->len, in[1]->len, bl_out(b, n, 0)->len);
}

blind_code bl_ms_qbinary_run(const bl_exec *x, const bl_node *n)
{
    const params  *p = n->params;
    float         *to = (float *)x->scratch + p->room[1];
    bl_elementwise e = { .op = strcmp(n->type, "QLinearMul") == 0 ? BL_BINARY_MUL : BL_BINARY_ADD,
                         .rank = p->walk.rank,
                         .out = to };
    for (int i = 0; i < p->walk.rank; i++) {
        e.shape[i] = p->walk.shape[i];
        e.a_stride[i] = p->walk.stride[0][i];
        e.b_stride[i] = p->walk.stride[1][i];
    }
    if (bl_result(x, n, 0)->len == 0)
        return BLIND_OK;
    e.a = open_bytes(x, n, p, 0, x->scratch);
    e.b = open_bytes(x, n, p, 3, (float *)x->scratch + p->room[0]);
    x->kernels->binary(&e, x->pool);
    close_bytes(x, n, p, to, 0, bl_result(x, n, 0)->len);
    return BLIND_OK;
}

/* Of one input.  ----------------------------------------------------------------------------- */

static blind_code infer_one(bl_build *b, bl_node *n, params **p, blind_dtype *type)
{
    BL_TRY(check_bytes(b, n, 0));
    BL_TRY(result_type(b, n, 3, bl_in(b, n, 0)->dtype, type));
    BL_TRY(bl_params(b, n, sizeof **p, p));
    (*p)->y = 3;
    return BLIND_OK;
}

blind_code bl_ms_qunary_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    blind_dtype      type;
    params          *p;
    BL_TRY(infer_one(b, n, &p, &type));
    BL_TRY(bl_set_out(b, n, 0, type, x->rank, x->dim));
    return set_room(b, n, p, x->len, 0, 0);
}

blind_code bl_ms_qunary_run(const bl_exec *x, const bl_node *n)
{
    const params *p = n->params;
    bool          leaky = strcmp(n->type, "QLinearLeakyRelu") == 0;
    size_t        len = bl_result(x, n, 0)->len;
    float        *data = x->scratch;
    open_bytes(x, n, p, 0, data);
    x->kernels->unary(leaky ? BL_UNARY_LEAKY_RELU : BL_UNARY_SIGMOID, data, data, len,
                      bl_attr_float(n, "alpha", 0.01f), 0, x->pool);
    close_bytes(x, n, p, data, 0, len);
    return BLIND_OK;
}

/* Softmax along one axis, or before opset 13 over all from it on. */
blind_code bl_ms_qsoftmax_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    blind_dtype      type;
    params          *p;
    int              axis;
    bool             flat = bl_attr_int(n, "opset", 13) < 13;
    BL_TRY(infer_one(b, n, &p, &type));
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", flat ? 1 : -1), x->rank, &axis));
    p->outer = bl_dims(x, 0, axis);
    p->axis = flat ? bl_dims(x, axis, x->rank) : (size_t)x->dim[axis];
    p->inner = flat ? 1 : bl_dims(x, axis + 1, x->rank);
    BL_TRY(bl_set_out(b, n, 0, type, x->rank, x->dim));
    return set_room(b, n, p, x->len, 0, 0);
}

blind_code bl_ms_qsoftmax_run(const bl_exec *x, const bl_node *n)
{
    const params *p = n->params;
    float        *data = x->scratch;
    if (bl_result(x, n, 0)->len == 0)
        return BLIND_OK;
    open_bytes(x, n, p, 0, data);
    if (p->inner == 1)
        x->kernels->softmax(data, data, p->outer, p->axis, false, x->pool);
    else
        x->kernels->softmax_axis(data, data, p->outer, p->axis, p->inner, false, x->pool);
    close_bytes(x, n, p, data, 0, bl_result(x, n, 0)->len);
    return BLIND_OK;
}

/* Pools.  ------------------------------------------------------------------------------------ */

blind_code bl_ms_qpool_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          kernel[BL_ONNX_RANK], dim[BL_ONNX_RANK];
    blind_dtype      type;
    size_t           len;
    params          *p;
    BL_TRY(infer_one(b, n, &p, &type));
    BL_TRY(bl_attr_ints(b, n, "kernel_shape", kernel, BL_ONNX_RANK, &len));
    if (bl_attr_int(n, "channels_last", 0))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "channels last");
    if (x->rank < 3 || len != (size_t)x->rank - 2)
        return bl_op_fail(b, n, BLIND_INPUT, "a kernel of %zu axes over %d", len, x->rank - 2);
    BL_TRY(bl_window_of(b, n, kernel, &p->pooling.window, dim, p->pooling.pad_after));
    p->pooling.count_pad = bl_attr_int(n, "count_include_pad", 0) != 0;
    dim[0] = x->dim[0];
    dim[1] = x->dim[1];
    BL_TRY(bl_set_out(b, n, 0, type, x->rank, dim));
    return set_room(b, n, p, x->len, 0, bl_out(b, n, 0)->len);
}

blind_code bl_ms_qpool_run(const bl_exec *x, const bl_node *n)
{
    const params *p = n->params;
    float        *to = (float *)x->scratch + p->room[1];
    bl_pooling    pooling = p->pooling;
    if (bl_result(x, n, 0)->len == 0)
        return BLIND_OK;
    pooling.x = open_bytes(x, n, p, 0, x->scratch);
    pooling.out = to;
    x->kernels->avg_pool(&pooling, x->pool);
    close_bytes(x, n, p, to, 0, bl_result(x, n, 0)->len);
    return BLIND_OK;
}

blind_code bl_ms_qmean_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          dim[BL_ONNX_RANK];
    bool             last = bl_attr_int(n, "channels_last", 0) != 0;
    blind_dtype      type;
    params          *p;
    BL_TRY(infer_one(b, n, &p, &type));
    if (x->rank < 3)
        return bl_op_fail(b, n, BLIND_INPUT, "an input of %d axes", x->rank);
    for (int i = 0; i < x->rank; i++)
        dim[i] = i == 0 || i == (last ? x->rank - 1 : 1) ? x->dim[i] : 1;
    p->outer = last ? (size_t)x->dim[0] : bl_dims(x, 0, 2);
    p->axis = last ? bl_dims(x, 1, x->rank - 1) : bl_dims(x, 2, x->rank);
    p->inner = last ? (size_t)x->dim[x->rank - 1] : 1;
    BL_TRY(bl_set_out(b, n, 0, type, x->rank, dim));
    return set_room(b, n, p, x->len, 0, bl_out(b, n, 0)->len);
}

blind_code bl_ms_qmean_run(const bl_exec *x, const bl_node *n)
{
    const params *p = n->params;
    float        *to = (float *)x->scratch + p->room[1];
    open_bytes(x, n, p, 0, x->scratch);
    x->kernels->reduce(BL_REDUCE_MEAN, to, x->scratch, p->outer, p->axis, p->inner, x->pool);
    close_bytes(x, n, p, to, 0, bl_result(x, n, 0)->len);
    return BLIND_OK;
}

/* Concat.  ----------------------------------------------------------------------------------- */

blind_code bl_ms_qconcat_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *first = bl_in(b, n, 2);
    int64_t          dim[BL_ONNX_RANK];
    blind_dtype      type;
    params          *p;
    int              axis;
    size_t           most = 0;
    BL_TRY(result_type(b, n, 0, BLIND_U8, &type));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (!first || (n->n_in - 2) % 3 != 0)
        return bl_op_fail(b, n, BLIND_INPUT, "%d inputs", n->n_in);
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), first->rank, &axis));
    memcpy(dim, first->dim, sizeof dim);
    dim[axis] = 0;
    for (int i = 2; i < n->n_in; i += 3) {
        BL_TRY(check_bytes(b, n, i));
        const bl_tensor *t = bl_in(b, n, i);
        bool             fits = t->rank == first->rank;
        for (int d = 0; fits && d < t->rank; d++)
            fits = d == axis || t->dim[d] == first->dim[d];
        if (!fits || t->dim[axis] > INT64_MAX - dim[axis])
            return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not fit");
        dim[axis] += t->dim[axis];
        most = BL_MAX(most, t->len);
    }
    p->outer = bl_dims(first, 0, axis);
    BL_TRY(bl_set_out(b, n, 0, type, first->rank, dim));
    return set_room(b, n, p, most, 0, 0);
}

blind_code bl_ms_qconcat_run(const bl_exec *x, const bl_node *n)
{
    const params *p = n->params;
    size_t        at = 0, row = p->outer ? bl_result(x, n, 0)->len / p->outer : 0;
    for (int i = 2; i < n->n_in; i += 3) {
        size_t len = p->outer ? bl_arg(x, n, i)->len / p->outer : 0;
        open_bytes(x, n, p, i, x->scratch);
        for (size_t o = 0; o < p->outer; o++)
            close_bytes(x, n, p, (float *)x->scratch + o * len, o * row + at, len);
        at += len;
    }
    return BLIND_OK;
}
