/* FeatureVectorizer, ArrayFeatureExtractor: columns put together and taken apart. */
#include "onnx/ml/ml.h"

/* FeatureVectorizer: the columns of all inputs, each cut or filled with zeros to its width. */

typedef struct {
    size_t  rows, width;
    size_t *widths; /* of each input */
} vectorizer_params;

blind_code bl_ml_feature_vectorizer_infer(bl_build *b, bl_node *n)
{
    const bl_attr     *a = bl_attr_find(n, "inputdimensions");
    vectorizer_params *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->widths = bl_arena_array(b->arena, (size_t)n->n_in + 1, sizeof *p->widths);
    if (!p->widths)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    if (a && a->len != (size_t)n->n_in)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu widths of %d inputs", a->len, n->n_in);
    for (int i = 0; i < n->n_in; i++) {
        size_t rows, columns;
        if (!bl_has_in(n, i))
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is missing", i);
        BL_TRY(bl_table_of(b, n, bl_in(b, n, i), &rows, &columns));
        if (i > 0 && rows != p->rows)
            return bl_op_fail(b, n, BLIND_INPUT, "inputs of %zu and %zu rows", p->rows, rows);
        p->rows = rows;
        p->widths[i] = columns;
        if (a && a->ints && (a->ints[i] < 0 || a->ints[i] > BL_MAX_TREE_FEATURE))
            return bl_op_fail(b, n, BLIND_INPUT, "a width of %lld", (long long)a->ints[i]);
        if (a && a->ints)
            p->widths[i] = (size_t)a->ints[i];
        p->width += p->widths[i];
    }
    int64_t dim[2] = { (int64_t)p->rows, (int64_t)p->width };
    return bl_set_out(b, n, 0, BLIND_F32, 2, dim);
}

static void put_columns(const bl_tensor *in, size_t row, size_t width, float *to)
{
    size_t       columns = (size_t)in->dim[in->rank - 1], n = BL_MIN(columns, width);
    const float *from = bl_table_floats(in, row * columns, n, to);
    if (n && from != to)
        memcpy(to, from, n * sizeof *to);
    memset(to + n, 0, (width - n) * sizeof *to);
}

blind_code bl_ml_feature_vectorizer_run(const bl_exec *x, const bl_node *n)
{
    const vectorizer_params *p = n->params;
    float                   *to = bl_result(x, n, 0)->data;
    for (size_t row = 0; row < p->rows; row++)
        for (int i = 0; i < n->n_in; to += p->widths[i++])
            put_columns(bl_arg(x, n, i), row, p->widths[i], to);
    return BLIND_OK;
}

/* ArrayFeatureExtractor: elements of the last axis, by number.  -------------------------------- */

typedef struct {
    size_t rows, columns, count;
} extractor_params;

blind_code bl_ml_array_feature_infer(bl_build *b, bl_node *n)
{
    const bl_tensor  *x = bl_in(b, n, 0), *y = bl_in(b, n, 1);
    int64_t           dim[BL_ONNX_RANK];
    extractor_params *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (x->rank < 1 || y->dtype != BLIND_I64 || y->len == 0)
        return bl_op_fail(b, n, BLIND_INPUT, "no axis to take from, or no numbers to take");
    p->columns = (size_t)x->dim[x->rank - 1];
    p->rows = bl_dims(x, 0, x->rank - 1);
    p->count = y->len;
    memcpy(dim, x->dim, (size_t)x->rank * sizeof *dim);
    dim[x->rank - 1] = (int64_t)y->len;
    if (x->rank > 1)
        return bl_set_out(b, n, 0, x->dtype, x->rank, dim);
    return bl_set_out(b, n, 0, x->dtype, 2, (int64_t[]){ 1, (int64_t)y->len });
}

blind_code bl_ml_array_feature_run(const bl_exec *x, const bl_node *n)
{
    const extractor_params *p = n->params;
    const bl_tensor        *in = bl_arg(x, n, 0);
    const int64_t          *which = bl_arg(x, n, 1)->data;
    bl_tensor              *out = bl_result(x, n, 0);
    size_t                  size = bl_element_size(in->dtype);
    for (size_t i = 0; i < p->count; i++)
        if (which[i] < 0 || (uint64_t)which[i] >= p->columns)
            return bl_run_fail(x, n, "number %lld of %zu", (long long)which[i], p->columns);
    for (size_t row = 0; row < p->rows; row++)
        for (size_t i = 0; i < p->count; i++)
            memcpy((char *)out->data + (row * p->count + i) * size,
                   (const char *)in->data + (row * p->columns + (size_t)which[i]) * size, size);
    return BLIND_OK;
}
