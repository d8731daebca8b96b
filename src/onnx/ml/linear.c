/* LinearClassifier and LinearRegressor: one product with packed coefficients, then labels. */
#include "onnx/ml/ml.h"

typedef struct {
    bool              classifier, two; /* one score becomes two */
    size_t            rows, features, targets;
    bl_post           post;
    bl_labels         labels; /* of a classifier */
    const float      *bias;   /* or NULL */
    const bl_weights *weights;
    size_t            scores_at, gemm_at; /* in the scratch: after the features as floats */
} linear_params;

static blind_code set_classes(bl_build *b, const bl_node *n, linear_params *p)
{
    static const int64_t sign[2] = { 0, 1 };
    bool given = bl_attr_find(n, "classlabels_ints") || bl_attr_find(n, "classlabels_strings");
    if (given)
        BL_TRY(bl_labels_of(b, n, "classlabels_ints", "classlabels_strings", &p->labels));
    p->two = p->targets == 1 && p->labels.len == 2;
    if (p->targets == 1 && p->labels.len != 2)
        p->labels = (bl_labels){ .numbers = sign, .len = 2 };
    if (p->targets > 1 && p->labels.len < p->targets)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu labels of %zu classes", p->labels.len,
                          p->targets);
    return BLIND_OK;
}

static blind_code set_targets(bl_build *b, const bl_node *n, linear_params *p)
{
    size_t  biases;
    int64_t targets = bl_attr_int(n, "targets", 1);
    BL_TRY(bl_ml_floats(b, n, "intercepts", SIZE_MAX, &p->bias, &biases));
    if (p->classifier) /* as many as there are intercepts; without any, as labels */
        targets = (int64_t)biases;
    if (targets < 1 || targets > BL_MAX_TREE_TARGETS)
        return bl_op_fail(b, n, BLIND_INPUT, "%lld targets", (long long)targets);
    p->targets = (size_t)targets;
    if (p->bias && biases != p->targets)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu intercepts of %zu targets", biases, p->targets);
    return p->classifier ? set_classes(b, n, p) : BLIND_OK;
}

blind_code bl_ml_linear_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    linear_params   *p;
    const float     *coefficients;
    size_t           len, wanted;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->classifier = strcmp(n->type, "LinearClassifier") == 0;
    BL_TRY(bl_table_of(b, n, x, &p->rows, &p->features));
    BL_TRY(bl_post_of(b, n, &p->post));
    BL_TRY(set_targets(b, n, p));
    BL_TRY(bl_ml_floats(b, n, "coefficients", SIZE_MAX, &coefficients, &len));
    if (!bl_mul(p->targets, p->features, &wanted) || len != wanted)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu coefficients for %zu targets of %zu features",
                          len, p->targets, p->features);
    int64_t dim[2] = { (int64_t)p->rows, p->two ? 2 : (int64_t)p->targets };
    if (!p->classifier)
        return bl_set_out(b, n, 0, BLIND_F32, 2, dim);
    BL_TRY(bl_set_out(b, n, 0, bl_labels_type(&p->labels), 1, dim));
    return bl_set_out(b, n, 1, BLIND_F32, 2, dim);
}

static blind_code pack(bl_build *b, bl_node *n, linear_params *p)
{
    bl_packed   *packed;
    const float *w;
    p->weights = bl_store_find(b, n, 0);
    if (p->weights)
        return BLIND_OK;
    BL_TRY(bl_ml_floats(b, n, "coefficients", SIZE_MAX, &w, NULL));
    BL_TRY(b->kernels->gemm_pack(w, p->features, p->targets, 1, p->features, &packed, b->err));
    return bl_store_keep(b, n, 0, packed, NULL, 0, &p->weights);
}

blind_code bl_ml_linear_prepare(bl_build *b, bl_node *n)
{
    linear_params *p = n->params;
    size_t         x, scores;
    if (p->rows == 0 || p->features == 0)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a table of %zu rows, %zu features", p->rows,
                          p->features);
    BL_TRY(pack(b, n, p));
    bool convert = bl_in(b, n, 0)->dtype != BLIND_F32;
    if (!bl_mul(p->rows, p->features * sizeof(float), &x) ||
        !bl_mul(p->rows, p->targets * sizeof(float), &scores))
        return bl_op_fail(b, n, BLIND_LIMIT, "a table of impossible size");
    p->scores_at = convert ? (x + 63) / 64 * 64 : 0;
    p->gemm_at = p->scores_at + (scores + 63) / 64 * 64;
    n->scratch = p->gemm_at +
                 b->kernels->gemm_scratch(p->weights->packed, p->rows, bl_pool_threads(b->pool));
    return BLIND_OK;
}

/* Labels and second scores, before the transform of the others. */
static void finish(const linear_params *p, float *scores, bl_tensor *y, float *z)
{
    for (size_t row = 0; row < p->rows; row++) {
        float *s = scores + row * p->targets;
        size_t best = 0;
        for (size_t i = 1; i < p->targets; i++)
            best = s[i] > s[best] ? i : best;
        if (p->targets == 1)
            best = s[0] > 0;
        if (y)
            bl_label_put(&p->labels, y, row, best);
        if (p->two && p->post != BL_POST_PROBIT)
            bl_post_two(p->post, p->post != BL_POST_LOGISTIC, s[0], z + 2 * row);
        else if (p->two)
            z[2 * row] = z[2 * row + 1] = s[0];
    }
}

static void transform(const bl_exec *x, const linear_params *p, float *z)
{
    size_t width = p->two ? 2 : p->targets;
    if (width > 1 && !p->two && p->post == BL_POST_LOGISTIC)
        x->kernels->unary(BL_UNARY_SIGMOID, z, z, p->rows * width, 0, 0, x->pool);
    else if (width > 4 && p->post == BL_POST_SOFTMAX)
        x->kernels->softmax(z, z, p->rows, width, false, x->pool);
    else if (p->post != BL_POST_NONE && (!p->two || p->post == BL_POST_PROBIT))
        for (size_t row = 0; row < p->rows; row++)
            bl_post_apply(p->post, z + row * width, width);
}

blind_code bl_ml_linear_run(const bl_exec *x, const bl_node *n)
{
    const linear_params *p = n->params;
    const bl_tensor     *in = bl_arg(x, n, 0);
    bl_tensor           *y = bl_result(x, n, 0), *scores = p->classifier ? bl_result(x, n, 1) : y;
    char                *scratch = x->scratch;
    float               *apart = (float *)(void *)(scratch + p->scores_at);
    float               *z = scores && !p->two ? scores->data : apart;
    bl_gemm              g = { .rows = p->rows,
                               .a = bl_table_floats(in, 0, in->len, x->scratch),
                               .a_stride = p->features,
                               .b = p->weights->packed,
                               .out = z,
                               .out_stride = p->targets,
                               .epilogue = { .bias = p->bias },
                               .scratch = scratch + p->gemm_at };
    x->kernels->gemm(&g, x->pool);
    if (p->classifier) {
        static float none[2];
        if (p->two && !scores)
            return BLIND_OK;
        finish(p, z, y, p->two ? scores->data : none);
    }
    if (scores)
        transform(x, p, scores->data);
    return BLIND_OK;
}
