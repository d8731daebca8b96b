/* QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear: per tensor, per axis and per block,
 * over every type.  Source: ONNX operators of these names, opset 10 to 21. */
#include "onnx/integer.h"
#include "onnx/number.h"

#include <math.h>

/* Which scale an element has: element (o, a, i) of [outer, axis, inner] has that of
 * (o, a / block, i) in [outer, blocks, inner] when there are blocks, that of a, or the only one. */
typedef struct {
    size_t          outer, axis, inner;
    size_t          block;    /* 0: no blocks */
    bool            per_axis; /* or per tensor */
    bool            saturate;
    const bl_bytes *bytes;
} scaling;

static size_t scale_at(const scaling *p, size_t o, size_t a, size_t i)
{
    if (p->block)
        return (o * ((p->axis + p->block - 1) / p->block) + a / p->block) * p->inner + i;
    return p->per_axis ? a : 0;
}

static blind_code check_blocks(bl_build *b, const bl_node *n, int axis, scaling *p)
{
    const bl_tensor *x = bl_in(b, n, 0), *scale = bl_in(b, n, 1);
    int64_t          block = bl_attr_int(n, "block_size", 0);
    bool             good = block > 0 && scale->rank == x->rank;
    for (int i = 0; good && i < x->rank; i++)
        good = scale->dim[i] == (i == axis ? (x->dim[i] + block - 1) / block : x->dim[i]);
    p->block = (size_t)block;
    return good ? BLIND_OK : bl_op_fail(b, n, BLIND_INPUT, "scales that fit no blocks");
}

static blind_code infer_scaling(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *scale = bl_in(b, n, 1), *zero = bl_in(b, n, 2);
    scaling         *p;
    int              axis = 0;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->saturate = bl_attr_int(n, "saturate", 1) != 0;
    p->outer = p->inner = 1;
    p->axis = x->len;
    p->bytes = bl_bytes_for(b->kernels->isa);
    if (!bl_is_float(scale->dtype) || (zero && zero->len != scale->len))
        return bl_op_fail(b, n, BLIND_INPUT, "a scale that is no float, or another zero point");
    if (scale->len == 1 && scale->rank <= 1)
        return BLIND_OK;
    BL_TRY(bl_axis(b, n, bl_attr_int(n, "axis", 1), x->rank, &axis));
    p->outer = bl_dims(x, 0, axis);
    p->axis = (size_t)x->dim[axis];
    p->inner = bl_dims(x, axis + 1, x->rank);
    if (bl_attr_int(n, "block_size", 0))
        return check_blocks(b, n, axis, p);
    p->per_axis = true;
    return scale->rank == 1 && scale->len == p->axis
               ? BLIND_OK
               : bl_op_fail(b, n, BLIND_INPUT, "%zu scales for %zu elements", scale->len, p->axis);
}

/* Numbers of inputs that may be left out. */
static double number_or(const bl_tensor *t, size_t i, double otherwise)
{
    double v = otherwise;
    if (t)
        bl_tensor_number(t, i, &v);
    return v;
}

/* QuantizeLinear.  --------------------------------------------------------------------------- */

blind_code bl_op_quantize_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *zero = bl_in(b, n, 2);
    int64_t          asked = bl_attr_int(n, "output_dtype", 0);
    int              to = zero ? (int)zero->dtype : asked ? bl_dtype_of_onnx(asked) : (int)BLIND_U8;
    BL_TRY(infer_scaling(b, n));
    bool goes = to >= 0 && to != BLIND_F32 && to != BLIND_F64 && to != BLIND_BOOL &&
                to != BLIND_STRING && (bl_is_float(x->dtype) || x->dtype == BLIND_I32);
    if (!goes)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "%s made type %lld", blind_dtype_name(x->dtype),
                          (long long)asked);
    return bl_set_out(b, n, 0, (blind_dtype)to, x->rank, x->dim);
}

/* Runs of elements that share a scale, where they lie side by side. */
typedef struct {
    size_t len, count, scales;
} scale_runs;

static scale_runs runs_of(const scaling *p, size_t len)
{
    return p->per_axis ? (scale_runs){ p->inner, p->outer * p->axis, BL_MAX(p->axis, (size_t)1) }
                       : (scale_runs){ len, 1, 1 };
}

static bool quantize_fast(const bl_exec *x, const bl_node *n)
{
    const scaling   *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0), *scale = bl_arg(x, n, 1), *zero = bl_arg(x, n, 2);
    bl_tensor       *out = bl_result(x, n, 0);
    bool             u8 = out->dtype == BLIND_U8;
    if (in->dtype != BLIND_F32 || p->block || (!u8 && out->dtype != BLIND_I8))
        return false;
    scale_runs runs = runs_of(p, in->len);
    for (size_t r = 0; r < runs.count; r++) {
        size_t at = r % runs.scales;
        bl_bytes_quantize(p->bytes, (char *)out->data + r * runs.len,
                          (const float *)in->data + r * runs.len, runs.len,
                          (float)number_or(scale, at, 1), (int32_t)number_or(zero, at, 0),
                          u8 ? 0 : INT8_MIN, u8 ? UINT8_MAX : INT8_MAX, x->pool);
    }
    return true;
}

static void quantize_one(const scaling *p, const bl_tensor *in, size_t at, double scale,
                         double zero, bl_tensor *out)
{
    double v = 0;
    bl_tensor_number(in, at, &v);
    v = (double)((float)v / (float)scale);
    if (!bl_is_float(out->dtype))
        v = nearbyint(v) + zero;
    bl_number_store(out->dtype, (char *)out->data + at * blind_dtype_size(out->dtype), v,
                    p->saturate);
}

static void dequantize_one(const bl_tensor *in, size_t at, double scale, double zero,
                           bl_tensor *out)
{
    double v = 0;
    bl_tensor_number(in, at, &v);
    bl_tensor_set_number(out, at, (v - zero) * scale);
}

/* Every element with its scale and zero point. */
static void scale_all(const bl_exec *x, const bl_node *n, bool quantize)
{
    const scaling   *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0), *scale = bl_arg(x, n, 1), *zero = bl_arg(x, n, 2);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           at = 0;
    for (size_t o = 0; o < p->outer; o++)
        for (size_t a = 0; a < p->axis; a++)
            for (size_t i = 0; i < p->inner; i++, at++) {
                size_t k = scale_at(p, o, a, i);
                double s = number_or(scale, k, 1), z = number_or(zero, k, 0);
                if (quantize)
                    quantize_one(p, in, at, s, z, out);
                else
                    dequantize_one(in, at, s, z, out);
            }
}

blind_code bl_op_quantize_run(const bl_exec *x, const bl_node *n)
{
    if (!quantize_fast(x, n))
        scale_all(x, n, true);
    return BLIND_OK;
}

/* DequantizeLinear.  ------------------------------------------------------------------------- */

blind_code bl_op_dequantize_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *zero = bl_in(b, n, 2);
    BL_TRY(infer_scaling(b, n));
    if (x->dtype == BLIND_STRING || x->dtype == BLIND_BOOL || (zero && zero->dtype != x->dtype))
        return bl_op_fail(b, n, BLIND_INPUT, "elements of type %s", blind_dtype_name(x->dtype));
    return bl_set_out(b, n, 0, bl_in(b, n, 1)->dtype, x->rank, x->dim);
}

static bool dequantize_fast(const bl_exec *x, const bl_node *n)
{
    const scaling   *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0), *scale = bl_arg(x, n, 1), *zero = bl_arg(x, n, 2);
    bl_tensor       *out = bl_result(x, n, 0);
    bool             u8 = in->dtype == BLIND_U8;
    if (out->dtype != BLIND_F32 || p->block || (!u8 && in->dtype != BLIND_I8))
        return false;
    scale_runs runs = runs_of(p, in->len);
    for (size_t r = 0; r < runs.count; r++) {
        size_t at = r % runs.scales;
        bl_bytes_dequantize(
            p->bytes, (float *)out->data + r * runs.len, (const char *)in->data + r * runs.len, !u8,
            runs.len, (float)number_or(scale, at, 1), (int32_t)number_or(zero, at, 0), x->pool);
    }
    return true;
}

blind_code bl_op_dequantize_run(const bl_exec *x, const bl_node *n)
{
    if (!dequantize_fast(x, n))
        scale_all(x, n, false);
    return BLIND_OK;
}

/* DynamicQuantizeLinear: the scale takes in all elements and 0.  ------------------------------- */

blind_code bl_op_dynamic_quantize_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    scaling         *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->bytes = bl_bytes_for(b->kernels->isa);
    if (x->dtype != BLIND_F32)
        return bl_op_fail(b, n, BLIND_INPUT, "elements of type %s", blind_dtype_name(x->dtype));
    BL_TRY(bl_set_out(b, n, 0, BLIND_U8, x->rank, x->dim));
    BL_TRY(bl_set_out(b, n, 1, BLIND_F32, 0, NULL));
    return bl_set_out(b, n, 2, BLIND_U8, 0, NULL);
}

void bl_dynamic_grid(const bl_bytes *k, const float *x, size_t len, float *scale, int32_t *zero,
                     bl_pool *pool)
{
    float low, high;
    bl_bytes_range(k, x, len, &low, &high, pool);
    *scale = high > low ? (high - low) / 255.0f : 1;
    float at = rintf(-low / *scale);
    *zero = (int32_t)(at > 255 ? 255 : at > 0 ? at : 0); /* NaN: infinities both sides */
}

blind_code bl_op_dynamic_quantize_run(const bl_exec *x, const bl_node *n)
{
    const scaling   *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0), *scale_out = bl_result(x, n, 1),
              *zero_out = bl_result(x, n, 2);
    float   scale;
    int32_t zero;
    bl_dynamic_grid(p->bytes, in->data, in->len, &scale, &zero, x->pool);
    if (out)
        bl_bytes_quantize(p->bytes, out->data, in->data, in->len, scale, zero, 0, UINT8_MAX,
                          x->pool);
    if (scale_out)
        memcpy(scale_out->data, &scale, sizeof scale);
    if (zero_out)
        *(uint8_t *)zero_out->data = (uint8_t)zero;
    return BLIND_OK;
}
