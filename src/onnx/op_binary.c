/* Operators of two and more broadcast inputs.  f32 arithmetic is the kernel table's; every other
 * type runs plain loops.  Integers wrap around; a division by zero fails the run. */
#include "onnx/heavy.h"
#include "onnx/number.h"
#include "onnx/rows.h"

#include <math.h>

typedef struct {
    bl_elementwise e;   /* f32 arithmetic */
    bl_walk        w;   /* everything else */
    bl_row        *row; /* NULL: e */
    bool           divides;
} binary;

/* Row functions.  ---------------------------------------------------------------------------- */

/* Plain loops stay plain: a hundred vector versions would cost more to compile than they give. */
#ifdef __clang__
#define PLAIN_LOOP _Pragma("clang loop vectorize(disable) interleave(disable) unroll(disable)")
#else
#define PLAIN_LOOP
#endif

#define ROW(name, type, result, expression)                                                        \
    static void name(void *out, const void *va, const void *vb, size_t n, size_t sa, size_t sb)    \
    {                                                                                              \
        const type *pa = va, *pb = vb;                                                             \
        result     *to = out;                                                                      \
        PLAIN_LOOP                                                                                 \
        for (size_t i = 0; i < n; i++) {                                                           \
            type a = pa[i * sa], b = pb[i * sb];                                                   \
            to[i] = (result)(expression);                                                          \
        }                                                                                          \
    }

#define WIDE(x) ((uint64_t)(x))
#define INTEGERS(dtype, type)                                                                      \
    ROW(add_##dtype, type, type, WIDE(a) + WIDE(b))                                                \
    ROW(sub_##dtype, type, type, WIDE(a) - WIDE(b))                                                \
    ROW(mul_##dtype, type, type, WIDE(a) * WIDE(b))                                                \
    ROW(max_##dtype, type, type, a > b ? a : b)                                                    \
    ROW(min_##dtype, type, type, a < b ? a : b)                                                    \
    ROW(bit_and_##dtype, type, type, a &b)                                                         \
    ROW(bit_or_##dtype, type, type, a | b)                                                         \
    ROW(bit_xor_##dtype, type, type, a ^ b)
/* The one quotient that does not fit is that of the lowest number by -1. */
#define SIGNED(dtype, type)                                                                        \
    INTEGERS(dtype, type)                                                                          \
    ROW(div_##dtype, type, type, b == -1 ? (type)(0 - WIDE(a)) : a / b)                            \
    ROW(mod_##dtype, type, type,                                                                   \
        b == -1 ? 0 : (type)((a % b != 0 && (a < 0) != (b < 0)) ? a % b + b : a % b))              \
    ROW(fmod_##dtype, type, type, b == -1 ? 0 : a % b)
#define UNSIGNED(dtype, type)                                                                      \
    INTEGERS(dtype, type)                                                                          \
    ROW(div_##dtype, type, type, a / b)                                                            \
    ROW(mod_##dtype, type, type, a % b)                                                            \
    ROW(fmod_##dtype, type, type, a % b)                                                           \
    ROW(left_##dtype, type, type, b < 8 * sizeof(type) ? WIDE(a) << b : 0)                         \
    ROW(right_##dtype, type, type, b < 8 * sizeof(type) ? WIDE(a) >> b : 0)
#define REALS(dtype, type)                                                                         \
    ROW(add_##dtype, type, type, a + b)                                                            \
    ROW(sub_##dtype, type, type, a - b)                                                            \
    ROW(mul_##dtype, type, type, a *b)                                                             \
    ROW(div_##dtype, type, type, a / b)                                                            \
    ROW(max_##dtype, type, type, a > b || a != a ? a : b)                                          \
    ROW(min_##dtype, type, type, a < b || a != a ? a : b)                                          \
    ROW(fmod_##dtype, type, type, fmod((double)a, (double)b))
#define COMPARISONS(dtype, type)                                                                   \
    ROW(equal_##dtype, type, uint8_t, a == b)                                                      \
    ROW(less_##dtype, type, uint8_t, a < b)                                                        \
    ROW(less_equal_##dtype, type, uint8_t, a <= b)                                                 \
    ROW(greater_##dtype, type, uint8_t, a > b)                                                     \
    ROW(greater_equal_##dtype, type, uint8_t, a >= b)

BL_SIGNED(SIGNED)
BL_UNSIGNED(UNSIGNED)
BL_FLOATS(REALS)
BL_NUMBERS(COMPARISONS)
ROW(and_BOOL, uint8_t, uint8_t, a &&b)
ROW(or_BOOL, uint8_t, uint8_t, a || b)
ROW(xor_BOOL, uint8_t, uint8_t, !a != !b)
ROW(same_BOOL, uint8_t, uint8_t, !a == !b)
ROW(same_STRING, blind_span, uint8_t, bl_span_equal(a, b))

#define AT(dtype, name) [BLIND_##dtype] = name##_##dtype,
#define ALL(name)                                                                                  \
    AT(I8, name)                                                                                   \
    AT(I16, name) AT(I32, name) AT(I64, name) AT(U8, name) AT(U16, name) AT(U32, name) AT(U64, name)
#define ALL_UNSIGNED(name) AT(U8, name) AT(U16, name) AT(U32, name) AT(U64, name)
#define WITH_FLOATS(name)  ALL(name) AT(F32, name) AT(F64, name)

/* `kernel` is NONE (BL_BINARY_COUNT) where the kernel table has no such operation. */
static const struct {
    const char *type;
    bl_binary   kernel;
    bl_row     *rows[BLIND_DTYPE_COUNT];
} operations[] = {
    { "Add", BL_BINARY_ADD, { WITH_FLOATS(add) } },
    { "Sub", BL_BINARY_SUB, { WITH_FLOATS(sub) } },
    { "Mul", BL_BINARY_MUL, { WITH_FLOATS(mul) } },
    { "Div", BL_BINARY_DIV, { WITH_FLOATS(div) } },
    { "Sum", BL_BINARY_ADD, { WITH_FLOATS(add) } },
    { "Mean", BL_BINARY_ADD, { WITH_FLOATS(add) } },
    { "Max", BL_BINARY_MAX, { WITH_FLOATS(max) } },
    { "Min", BL_BINARY_MIN, { WITH_FLOATS(min) } },
    { "Mod", BL_BINARY_COUNT, { ALL(mod) } },
    { "fmod", BL_BINARY_COUNT, { WITH_FLOATS(fmod) } },
    { "BitwiseAnd", BL_BINARY_COUNT, { ALL(bit_and) } },
    { "BitwiseOr", BL_BINARY_COUNT, { ALL(bit_or) } },
    { "BitwiseXor", BL_BINARY_COUNT, { ALL(bit_xor) } },
    { "LEFT", BL_BINARY_COUNT, { ALL_UNSIGNED(left) } },
    { "RIGHT", BL_BINARY_COUNT, { ALL_UNSIGNED(right) } },
    { "Equal", BL_BINARY_COUNT, { WITH_FLOATS(equal) AT(BOOL, same) AT(STRING, same) } },
    { "Less", BL_BINARY_COUNT, { WITH_FLOATS(less) } },
    { "LessOrEqual", BL_BINARY_COUNT, { WITH_FLOATS(less_equal) } },
    { "Greater", BL_BINARY_COUNT, { WITH_FLOATS(greater) } },
    { "GreaterOrEqual", BL_BINARY_COUNT, { WITH_FLOATS(greater_equal) } },
    { "And", BL_BINARY_COUNT, { AT(BOOL, and) } },
    { "Or", BL_BINARY_COUNT, { AT(BOOL, or) } },
    { "Xor", BL_BINARY_COUNT, { AT(BOOL, xor) } },
};

/* Preparing.  -------------------------------------------------------------------------------- */

static void fill_elementwise(bl_elementwise *e, const bl_walk *w)
{
    e->rank = w->rank;
    memcpy(e->shape, w->shape, sizeof e->shape);
    memcpy(e->a_stride, w->stride[0], sizeof e->a_stride);
    memcpy(e->b_stride, w->stride[1], sizeof e->b_stride);
}

/* Chooses kernel or rows for an operation on these inputs. */
static blind_code choose(bl_build *b, const bl_node *n, const char *operation, const bl_tensor *x,
                         const bl_tensor *y, const bl_tensor *out, binary *to)
{
    const bl_tensor *in[] = { x, y };
    bl_walk_init(&to->w, out, in, 2);
    if (x->dtype != y->dtype)
        return bl_op_fail(b, n, BLIND_INPUT, "inputs of types %s and %s",
                          blind_dtype_name(x->dtype), blind_dtype_name(y->dtype));
    for (size_t i = 0; i < BL_LEN(operations); i++) {
        if (strcmp(operations[i].type, operation) != 0)
            continue;
        to->e.op = operations[i].kernel;
        to->row = operations[i].rows[x->dtype];
        to->divides = x->dtype != BLIND_F32 && x->dtype != BLIND_F64 &&
                      (strcmp(operation, "Div") == 0 || strstr(operation, "od"));
        if (x->dtype == BLIND_F32 && operations[i].kernel != BL_BINARY_COUNT)
            to->row = NULL;
        else if (!to->row)
            break;
        fill_elementwise(&to->e, &to->w);
        return BLIND_OK;
    }
    return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s", blind_dtype_name(x->dtype));
}

/* Before opset 7 the second input's axes stand at `axis` of the first: ones follow them. */
static blind_code place_at_axis(bl_build *b, const bl_node *n, const bl_tensor *x, bl_tensor *y)
{
    int axis;
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 0), x->rank, &axis));
    if (axis + y->rank > x->rank)
        return bl_op_fail(b, n, BLIND_INPUT, "%d axes at axis %d of %d", y->rank, axis, x->rank);
    while (y->rank < x->rank - axis)
        y->dim[y->rank++] = 1;
    return BLIND_OK;
}

static blind_code infer_binary(bl_build *b, bl_node *n, const char *operation, bool truth)
{
    const bl_tensor *x = bl_in(b, n, 0), *y = bl_in(b, n, 1);
    bl_tensor        out = { .dtype = truth ? BLIND_BOOL : x->dtype }, placed = *y;
    binary          *p;
    if (n->opset < 7 && bl_attr_find(n, "axis")) {
        BL_TRY(place_at_axis(b, n, x, &placed));
        y = &placed;
    }
    if (!bl_broadcast_shape(x, y, &out))
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not broadcast");
    BL_TRY(bl_set_out(b, n, 0, out.dtype, out.rank, out.dim));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    n->inplace = truth ? 0 : 3;
    return choose(b, n, operation, x, y, &out, p);
}

static bool has_zero(const bl_tensor *t)
{
    size_t size = bl_element_size(t->dtype);
    for (size_t i = 0; i < t->len; i++) {
        const char *at = (const char *)t->data + i * size;
        bool        zero = true;
        for (size_t j = 0; j < size; j++)
            zero = zero && !at[j];
        if (zero)
            return true;
    }
    return false;
}

static blind_code compute(const bl_exec *x, const bl_node *n, const binary *p, const bl_tensor *a,
                          const bl_tensor *b, bl_tensor *out)
{
    if (out->len == 0)
        return BLIND_OK;
    if (p->divides && has_zero(b))
        return bl_run_fail(x, n, "division by zero");
    if (p->row) {
        size_t size = bl_element_size(a->dtype);
        bl_walk_rows(&p->w, p->row, out->data, bl_element_size(out->dtype), a->data, size, b->data,
                     size);
        return BLIND_OK;
    }
    bl_elementwise e = p->e;
    e.a = a->data;
    e.b = b->data;
    e.out = out->data;
    x->kernels->binary(&e, x->pool);
    return BLIND_OK;
}

blind_code bl_op_arithmetic_infer(bl_build *b, bl_node *n)
{
    bool fmod_asked = strcmp(n->type, "Mod") == 0 && bl_attr_int(n, "fmod", 0);
    return infer_binary(b, n, fmod_asked ? "fmod" : n->type, false);
}

blind_code bl_op_arithmetic_run(const bl_exec *x, const bl_node *n)
{
    return compute(x, n, n->params, bl_arg(x, n, 0), bl_arg(x, n, 1), bl_result(x, n, 0));
}

blind_code bl_op_bitwise_infer(bl_build *b, bl_node *n)
{
    bool shift = strcmp(n->type, "BitShift") == 0;
    return infer_binary(b, n, shift ? bl_attr_str(n, "direction", "") : n->type, false);
}

blind_code bl_op_bitwise_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_arithmetic_run(x, n);
}

bool bl_binary_activate(bl_node *n, bl_unary act, float a0, float a1)
{
    binary *p = n->params;
    if (n->op->run != bl_op_arithmetic_run || p->row || p->e.act != BL_UNARY_NONE)
        return false;
    p->e.act = act;
    p->e.act_a = a0;
    p->e.act_b = a1;
    return true;
}

bool bl_binary_acts(const bl_node *n)
{
    const binary *p = n->params;
    return n->op->run == bl_op_arithmetic_run && p && p->e.act != BL_UNARY_NONE;
}

blind_code bl_op_compare_infer(bl_build *b, bl_node *n)
{
    return infer_binary(b, n, n->type, true);
}

blind_code bl_op_compare_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_arithmetic_run(x, n);
}

blind_code bl_op_logical_infer(bl_build *b, bl_node *n)
{
    return infer_binary(b, n, n->type, true);
}

blind_code bl_op_logical_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_arithmetic_run(x, n);
}

/* Sum, Mean, Max, Min of any number of inputs: out = in0 op in1, then out = out op in_i.  --------
 */

blind_code bl_op_variadic_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *first = bl_in(b, n, 0);
    bl_tensor        out = *first;
    binary          *p;
    for (int i = 0; i < n->n_in; i++) {
        bl_tensor joined = { .dtype = first->dtype };
        if (!bl_has_in(n, i))
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is missing", i);
        if (!bl_broadcast_shape(&out, bl_in(b, n, i), &joined))
            return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not broadcast");
        out = joined;
    }
    BL_TRY(bl_set_out(b, n, 0, out.dtype, out.rank, out.dim));
    BL_TRY(bl_params(b, n, (size_t)n->n_in * sizeof *p, &p));
    n->inplace = n->n_in == 2 ? 3 : 0;
    for (int i = 1; i < n->n_in; i++)
        BL_TRY(choose(b, n, n->type, i == 1 ? first : &out, bl_in(b, n, i), &out, &p[i - 1]));
    return BLIND_OK;
}

blind_code bl_op_variadic_run(const bl_exec *x, const bl_node *n)
{
    const binary *p = n->params;
    bl_tensor    *out = bl_result(x, n, 0);
    if (n->n_in == 1)
        memcpy(out->data, bl_arg(x, n, 0)->data, bl_tensor_size(out));
    for (int i = 1; i < n->n_in; i++)
        BL_TRY(compute(x, n, &p[i - 1], i == 1 ? bl_arg(x, n, 0) : out, bl_arg(x, n, i), out));
    bool   mean = strcmp(n->type, "Mean") == 0;
    double sum = 0;
    for (size_t i = 0; mean && out->dtype != BLIND_F32 && bl_tensor_number(out, i, &sum); i++)
        bl_tensor_set_number(out, i, sum / n->n_in);
    if (mean && out->dtype == BLIND_F32)
        x->kernels->unary(BL_UNARY_AFFINE, out->data, out->data, out->len, 1.0f / (float)n->n_in, 0,
                          x->pool);
    return BLIND_OK;
}

/* Where.  ------------------------------------------------------------------------------------ */

typedef struct {
    bl_walk w;
    size_t  size;
} where;

blind_code bl_op_where_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *in[] = { bl_in(b, n, 0), bl_in(b, n, 1), bl_in(b, n, 2) };
    bl_tensor        xy = { .dtype = in[1]->dtype }, out = { .dtype = in[1]->dtype };
    where           *p;
    if (in[0]->dtype != BLIND_BOOL || in[1]->dtype != in[2]->dtype)
        return bl_op_fail(b, n, BLIND_INPUT, "a condition that is no BOOL, or two types");
    if (!bl_broadcast_shape(in[1], in[2], &xy) || !bl_broadcast_shape(in[0], &xy, &out))
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not broadcast");
    BL_TRY(bl_set_out(b, n, 0, out.dtype, out.rank, out.dim));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    bl_walk_init(&p->w, &out, in, 3);
    p->size = bl_element_size(out.dtype);
    return BLIND_OK;
}

static void where_row(char *to, const uint8_t *c, const char *a, const char *b, size_t n,
                      const size_t *step, size_t size)
{
    if (size == 4) { /* the common one */
        for (size_t i = 0; i < n; i++)
            memcpy(to + 4 * i, c[i * step[0]] ? a + i * step[1] * 4 : b + i * step[2] * 4, 4);
        return;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(to + size * i, c[i * step[0]] ? a + i * step[1] * size : b + i * step[2] * size,
               size);
}

blind_code bl_op_where_run(const bl_exec *x, const bl_node *n)
{
    const where   *p = n->params;
    const bl_walk *w = &p->w;
    bl_tensor     *out = bl_result(x, n, 0);
    const uint8_t *c = bl_arg(x, n, 0)->data;
    const char    *a = bl_arg(x, n, 1)->data, *b = bl_arg(x, n, 2)->data;
    size_t         index[BL_ONNX_RANK] = { 0 }, at[3] = { 0 }, step[3] = { 0 };
    int            last = w->rank - 1;
    size_t         width = w->rank ? w->shape[last] : 1;
    for (int k = 0; k < 3 && w->rank; k++)
        step[k] = w->stride[k][last];
    for (size_t done = 0; done < out->len; done += width) {
        where_row((char *)out->data + done * p->size, c + at[0], a + at[1] * p->size,
                  b + at[2] * p->size, width, step, p->size);
        for (int i = last - 1; i >= 0; i--) {
            bool carry = ++index[i] == w->shape[i];
            for (int k = 0; k < 3; k++)
                at[k] += w->stride[k][i] - (carry ? w->stride[k][i] * w->shape[i] : 0);
            if (!carry)
                break;
            index[i] = 0;
        }
    }
    return BLIND_OK;
}

/* Pow, whose exponent may have another type than its base.  ---------------------------------- */

typedef struct {
    bl_elementwise e;
    bl_walk        w;
    bool           square; /* the exponent is the constant 2 */
} power;

static bool is_real(blind_dtype dtype)
{
    return dtype == BLIND_F32 || dtype == BLIND_F64;
}

static bool is_number(blind_dtype dtype)
{
    return bl_is_float(dtype) || bl_is_integer(dtype);
}

blind_code bl_op_pow_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *y = bl_in(b, n, 1), *in[] = { x, y };
    bl_tensor        out = { .dtype = x->dtype };
    double           exponent;
    power           *p;
    if (!bl_broadcast_shape(x, y, &out))
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not broadcast");
    if (!is_number(x->dtype) || !is_number(y->dtype))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s to the power of %s",
                          blind_dtype_name(x->dtype), blind_dtype_name(y->dtype));
    BL_TRY(bl_set_out(b, n, 0, out.dtype, out.rank, out.dim));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    bl_walk_init(&p->w, &out, in, 2);
    fill_elementwise(&p->e, &p->w);
    p->square = is_real(x->dtype) && bl_const_number(b, n, 1, &exponent) && exponent == 2 &&
                out.len == x->len;
    p->e.op = p->square ? BL_BINARY_MUL : BL_BINARY_POW;
    if (p->square)
        memcpy(p->e.b_stride, p->e.a_stride, sizeof p->e.b_stride);
    n->inplace = x->dtype == BLIND_F32 && y->dtype == BLIND_F32;
    return BLIND_OK;
}

blind_code bl_op_pow_run(const bl_exec *x, const bl_node *n)
{
    const power     *p = n->params;
    const bl_walk   *w = &p->w;
    const bl_tensor *base = bl_arg(x, n, 0), *exponent = bl_arg(x, n, 1);
    bl_tensor       *out = bl_result(x, n, 0);
    bl_elementwise   e = p->e;
    if (base->dtype == BLIND_F32 && (p->square || exponent->dtype == BLIND_F32)) {
        e.a = base->data;
        e.b = p->square ? base->data : exponent->data;
        e.out = out->data;
        x->kernels->binary(&e, x->pool);
        return BLIND_OK;
    }
    size_t index[BL_ONNX_RANK] = { 0 }, at[2] = { 0 };
    for (size_t i = 0; i < out->len; i++) {
        double v = 0, k = 0;
        bl_tensor_number(base, at[0], &v);
        bl_tensor_number(exponent, at[1], &k);
        bl_tensor_set_number(out, i, pow(v, k));
        for (int d = w->rank - 1; d >= 0; d--) {
            bool carry = ++index[d] == w->shape[d];
            for (int j = 0; j < 2; j++)
                at[j] += w->stride[j][d] - (carry ? w->stride[j][d] * w->shape[d] : 0);
            if (!carry)
                break;
            index[d] = 0;
        }
    }
    return BLIND_OK;
}
