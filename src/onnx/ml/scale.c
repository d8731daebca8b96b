/* Scaler, Normalizer, Imputer, Binarizer: one number in, one number out. */
#include "onnx/ml/ml.h"

#include <float.h>
#include <math.h>

enum { PART = 1 << 15 }; /* elements worth a thread */

/* Columns of the last axis, at least one. */
static size_t columns_of(const bl_tensor *x)
{
    return x->rank ? (size_t)BL_MAX(x->dim[x->rank - 1], (int64_t)1) : 1;
}

static blind_code need_number(bl_build *b, const bl_node *n)
{
    blind_dtype type = bl_in(b, n, 0)->dtype;
    return type == BLIND_F32 || type == BLIND_F64 || type == BLIND_I64 || type == BLIND_I32
               ? BLIND_OK
               : bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s", blind_dtype_name(type));
}

/* Scaler: (x - offset) * scale.  ------------------------------------------------------------- */

typedef struct {
    float *offset, *scale; /* [columns], or one number */
    size_t columns;        /* 1 where both are one number */
} scaler_params;

static blind_code spread(bl_build *b, const bl_node *n, const char *name, size_t columns,
                         float otherwise, float **out)
{
    const float *given;
    size_t       len;
    BL_TRY(bl_ml_floats(b, n, name, SIZE_MAX, &given, &len));
    if (len > 1 && len != columns)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu numbers in '%s', expected 1 or %zu", len, name,
                          columns);
    *out = bl_arena_array(b->arena, columns + 1, sizeof **out);
    if (!*out)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    for (size_t i = 0; i < columns; i++)
        (*out)[i] = len == 0 ? otherwise : given[len == 1 ? 0 : i];
    return BLIND_OK;
}

blind_code bl_ml_scaler_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    scaler_params   *p;
    BL_TRY(need_number(b, n));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->columns = columns_of(x);
    BL_TRY(spread(b, n, "offset", p->columns, 0, &p->offset));
    BL_TRY(spread(b, n, "scale", p->columns, 1, &p->scale));
    return bl_set_out(b, n, 0, BLIND_F32, x->rank, x->dim);
}

/* Rows of a table, a part at a time. */
typedef struct {
    const void      *params;
    const bl_tensor *in;
    float           *out;
    size_t           columns, each, len; /* elements of a part, and in all */
} table_job;

/* The elements of part `index` as floats: where they lie, or converted in their place. */
static const float *part_of(const table_job *j, size_t index, float **out, size_t *len)
{
    size_t first = index * j->each;
    *out = j->out + first;
    *len = BL_MIN(j->len - first, j->each);
    return bl_table_floats(j->in, first, *len, *out);
}

static void each_part(const bl_exec *x, const bl_node *n, size_t columns, bl_task *task)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    size_t           rows = PART / columns + 1;
    table_job        j = { .params = n->params,
                           .in = in,
                           .out = bl_result(x, n, 0)->data,
                           .columns = columns,
                           .each = rows * columns,
                           .len = in->len };
    bl_pool_run(x->pool, task, &j, (in->len + j.each - 1) / j.each);
}

static void scale_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const table_job     *j = arg;
    const scaler_params *p = j->params;
    const float *restrict offset = p->offset, *restrict scale = p->scale;
    size_t       len, columns = j->columns;
    float       *out;
    const float *from = part_of(j, index, &out, &len);
    for (size_t i = 0; i < len; i += columns)
        for (size_t c = 0; c < columns; c++)
            out[i + c] = (from[i + c] - offset[c]) * scale[c];
}

blind_code bl_ml_scaler_run(const bl_exec *x, const bl_node *n)
{
    const scaler_params *p = n->params;
    each_part(x, n, p->columns, scale_part);
    return BLIND_OK;
}

/* Normalizer: rows divided by a norm.  ------------------------------------------------------- */

typedef enum { NORM_MAX, NORM_L1, NORM_L2 } norm;

typedef struct {
    norm   norm;
    size_t columns;
} normalizer_params;

blind_code bl_ml_normalizer_infer(bl_build *b, bl_node *n)
{
    static const char *const names[] = { "MAX", "L1", "L2" };
    const bl_tensor         *x = bl_in(b, n, 0);
    const char              *name = bl_attr_str(n, "norm", "MAX");
    normalizer_params       *p;
    int                      which = -1;
    BL_TRY(need_number(b, n));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    for (int i = 0; i < (int)BL_LEN(names); i++)
        which = strcmp(names[i], name) == 0 ? i : which;
    if (which < 0)
        return bl_op_fail(b, n, BLIND_INPUT, "norm '%.40s'", name);
    p->norm = (norm)which;
    p->columns = columns_of(x);
    return bl_set_out(b, n, 0, BLIND_F32, x->rank, x->dim);
}

static float norm_of(norm which, const float *x, size_t len)
{
    float sum = which == NORM_MAX ? -FLT_MAX : 0;
    for (size_t i = 0; i < len; i++) {
        if (which == NORM_MAX)
            sum = x[i] > sum ? x[i] : sum;
        else
            sum += which == NORM_L1 ? fabsf(x[i]) : x[i] * x[i];
    }
    return which == NORM_L2 ? sqrtf(sum) : sum;
}

/* A norm of 0 leaves the row as it is. */
static void norm_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const table_job         *j = arg;
    const normalizer_params *p = j->params;
    size_t                   len, columns = j->columns;
    float                   *out;
    const float             *from = part_of(j, index, &out, &len);
    for (size_t i = 0; i < len; i += columns) {
        float by = norm_of(p->norm, from + i, columns);
        for (size_t c = 0; c < columns; c++)
            out[i + c] = by == 0 ? from[i + c] : from[i + c] / by;
    }
}

blind_code bl_ml_normalizer_run(const bl_exec *x, const bl_node *n)
{
    const normalizer_params *p = n->params;
    each_part(x, n, p->columns, norm_part);
    return BLIND_OK;
}

/* Imputer: a value that stands for a missing one is replaced.  -------------------------------- */

typedef struct {
    bool           whole;
    size_t         columns;
    double         replaced; /* NaN replaces NaN */
    int64_t        replaced_whole;
    const float   *floats; /* [columns] or [1] */
    const int64_t *ints;
    size_t         len;
} imputer_params;

blind_code bl_ml_imputer_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    const bl_attr   *floats = bl_attr_find(n, "imputed_value_floats");
    const bl_attr   *ints = bl_attr_find(n, "imputed_value_int64s");
    imputer_params  *p;
    BL_TRY(need_number(b, n));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->whole = x->dtype == BLIND_I64 || x->dtype == BLIND_I32;
    p->columns = columns_of(x);
    p->replaced = bl_attr_float(n, "replaced_value_float", 0);
    p->replaced_whole = bl_attr_int(n, "replaced_value_int64", 0);
    p->floats = floats && !p->whole ? floats->floats : NULL;
    p->ints = ints && p->whole ? ints->ints : NULL;
    p->len = p->floats ? floats->len : p->ints ? ints->len : 0;
    if (p->len == 0)
        return bl_op_fail(b, n, BLIND_INPUT, "no values to put in");
    if (p->len != p->columns)
        p->len = 1; /* as ONNX Runtime: the first stands for all */
    return bl_set_same(b, n);
}

#define IMPUTE(type, old, missing, values)                                                         \
    for (size_t i = 0; i < in->len; i++) {                                                         \
        type v = ((const type *)in->data)[i];                                                      \
        ((type *)out->data)[i] =                                                                   \
            v == (type)(old) || (missing) ? (type)(values)[p->len == 1 ? 0 : i % p->columns] : v;  \
    }                                                                                              \
    break

blind_code bl_ml_imputer_run(const bl_exec *x, const bl_node *n)
{
    const imputer_params *p = n->params;
    const bl_tensor      *in = bl_arg(x, n, 0);
    bl_tensor            *out = bl_result(x, n, 0);
    bool                  nan = isnan(p->replaced);
    switch (in->dtype) {
    case BLIND_F32:
        IMPUTE(float, p->replaced, nan &&isnan(v), p->floats);
    case BLIND_F64:
        IMPUTE(double, p->replaced, nan &&isnan(v), p->floats);
    case BLIND_I64:
        IMPUTE(int64_t, p->replaced_whole, false, p->ints);
    default:
        IMPUTE(int32_t, p->replaced_whole, false, p->ints);
    }
    return BLIND_OK;
}

/* Binarizer: 1 above the threshold, else 0.  -------------------------------------------------- */

typedef struct {
    double threshold;
} binarizer_params;

blind_code bl_ml_binarizer_infer(bl_build *b, bl_node *n)
{
    binarizer_params *p;
    BL_TRY(need_number(b, n));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->threshold = bl_attr_float(n, "threshold", 0);
    return bl_set_same(b, n);
}

blind_code bl_ml_binarizer_run(const bl_exec *x, const bl_node *n)
{
    const binarizer_params *p = n->params;
    const bl_tensor        *in = bl_arg(x, n, 0);
    bl_tensor              *out = bl_result(x, n, 0);
    for (size_t i = 0; i < in->len; i++) {
        double v = 0;
        bl_tensor_number(in, i, &v);
        bl_tensor_set_number(out, i, v > p->threshold);
    }
    return BLIND_OK;
}
