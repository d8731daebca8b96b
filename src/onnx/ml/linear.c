/* LinearClassifier and LinearRegressor: one product with packed coefficients, then labels.  Many
 * rows and few targets are multiplied the other way round, rows in the lanes: a panel of packed
 * coefficients would be mostly empty. */
#include "onnx/ml/ml.h"

enum { FEW_TARGETS = 8, MANY_ROWS = 32, BLOCK = 512 };

typedef struct {
    bool              classifier, two; /* one score becomes two */
    size_t            rows, features, targets;
    bl_post           post;
    bl_labels         labels;       /* of a classifier */
    const float      *bias;         /* or NULL */
    const float      *coefficients; /* [targets][features] */
    bool              across;       /* rows in the lanes */
    bool              blocks;       /* and so to the end */
    const bl_weights *weights;
    /* In the scratch: after the features as floats, scores, the same across, the product's. */
    size_t scores_at, across_at, gemm_at;
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
    size_t           len, wanted;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->classifier = strcmp(n->type, "LinearClassifier") == 0;
    BL_TRY(bl_table_of(b, n, x, &p->rows, &p->features));
    BL_TRY(bl_post_of(b, n, &p->post));
    BL_TRY(set_targets(b, n, p));
    BL_TRY(bl_ml_floats(b, n, "coefficients", SIZE_MAX, &p->coefficients, &len));
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
    bl_packed *packed;
    p->weights = bl_store_find(b, n, 0);
    if (p->weights)
        return BLIND_OK;
    bl_matrix from = { p->coefficients, p->features, p->targets, 1, p->features, NULL };
    BL_TRY(b->kernels->gemm_pack(&from, &packed, b->err));
    return bl_store_keep(b, n, 0, packed, NULL, 0, &p->weights);
}

/* Scores by target: [targets][rows]. */
static bl_matmul across_of(const linear_params *p)
{
    return (bl_matmul){ .m = p->targets,
                        .n = p->rows,
                        .k = p->features,
                        .alpha = 1,
                        .a = p->coefficients,
                        .a_row = p->features,
                        .a_col = 1,
                        .b_row = 1,
                        .b_col = p->features,
                        .out_row = p->rows };
}

blind_code bl_ml_linear_prepare(bl_build *b, bl_node *n)
{
    linear_params *p = n->params;
    size_t         x, scores, room;
    int            threads = bl_pool_threads(b->pool);
    if (p->rows == 0 || p->features == 0)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a table of %zu rows, %zu features", p->rows,
                          p->features);
    bool convert = bl_in(b, n, 0)->dtype != BLIND_F32;
    p->across = p->targets <= FEW_TARGETS && p->rows >= MANY_ROWS;
    p->blocks = p->across && p->post != BL_POST_PROBIT && p->post != BL_POST_SOFTMAX_ZERO &&
                (p->two ? p->post == BL_POST_LOGISTIC : p->targets > 1);
    bl_matmul m = across_of(p);
    if (!p->across)
        BL_TRY(pack(b, n, p));
    if (!bl_mul(p->rows, p->features * sizeof(float), &x) ||
        !bl_mul(p->rows, p->targets * sizeof(float), &scores) || !bl_add(scores, x, &room) ||
        room > SIZE_MAX / 4)
        return bl_op_fail(b, n, BLIND_LIMIT, "a table of impossible size");
    scores = (scores + 63) / 64 * 64;
    p->scores_at = convert ? (x + 63) / 64 * 64 : 0;
    p->across_at = p->scores_at + scores;
    p->gemm_at = p->across_at + (p->across ? scores : 0);
    n->scratch =
        p->gemm_at + (p->across ? b->kernels->matmul_scratch(&m, threads)
                                : b->kernels->gemm_scratch(p->weights->packed, p->rows, threads));
    return BLIND_OK;
}

/* Scores of all rows, by target and without what is added to them; `z` where there is one target.
 */
static float *multiply_across(const bl_exec *x, const linear_params *p, const float *in, float *z)
{
    char     *scratch = x->scratch;
    bl_matmul m = across_of(p);
    m.b = in;
    m.out = p->targets == 1 ? z : (float *)(void *)(scratch + p->across_at);
    m.scratch = scratch + p->gemm_at;
    x->kernels->matmul(&m, x->pool);
    return m.out;
}

/* Scores of all rows, row by row. */
static void multiply(const bl_exec *x, const linear_params *p, const float *in, float *z)
{
    if (!p->across) {
        bl_gemm g = { .rows = p->rows,
                      .a = in,
                      .a_stride = p->features,
                      .b = p->weights->packed,
                      .out = z,
                      .out_stride = p->targets,
                      .epilogue = { .bias = p->bias },
                      .scratch = (char *)x->scratch + p->gemm_at };
        x->kernels->gemm(&g, x->pool);
        return;
    }
    const float *scores = multiply_across(x, p, in, z);
    for (size_t t = 0; t < p->targets; t++) {
        float bias = p->bias ? p->bias[t] : 0;
        for (size_t row = 0; row < p->rows; row++)
            z[row * p->targets + t] = scores[t * p->rows + row] + bias;
    }
}

/* Many rows of few scores: what is done to them is done to a score of all rows of a block at once.
 */
typedef struct {
    const bl_exec       *x;
    const linear_params *p;
    float               *scores; /* [targets][rows] */
    bl_tensor           *y;      /* labels; or NULL */
    float               *z;      /* [rows][targets], or [rows][2] of two; or NULL */
} block_job;

/* Scores of a block by target; two of one. */
typedef struct {
    size_t   len, width;
    float   *s[FEW_TARGETS];
    float    pair[2][BLOCK], top[BLOCK];
    uint32_t best[BLOCK];
} block;

static void find_best(const linear_params *p, block *b)
{
    for (size_t i = 0; i < b->len; i++) {
        b->best[i] = p->two && b->s[0][i] > 0;
        b->top[i] = b->s[0][i];
    }
    for (size_t t = 1; t < p->targets; t++) {
        const float *restrict s = b->s[t];
        for (size_t i = 0; i < b->len; i++) {
            b->best[i] = s[i] > b->top[i] ? (uint32_t)t : b->best[i];
            b->top[i] = s[i] > b->top[i] ? s[i] : b->top[i];
        }
    }
}

static void transform_block(const bl_kernels *k, const linear_params *p, block *b)
{
    float *sum = b->pair[0];
    if (p->post == BL_POST_LOGISTIC)
        for (size_t t = 0; t < b->width; t++)
            k->unary(BL_UNARY_SIGMOID, b->s[t], b->s[t], b->len, 0, 0, NULL);
    if (p->post != BL_POST_SOFTMAX)
        return;
    memset(sum, 0, sizeof b->pair[0]);
    for (size_t t = 0; t < b->width; t++) {
        float *restrict s = b->s[t];
        for (size_t i = 0; i < b->len; i++)
            s[i] -= b->top[i];
        k->unary(BL_UNARY_EXP, s, s, b->len, 0, 0, NULL);
        for (size_t i = 0; i < b->len; i++)
            sum[i] += s[i];
    }
    for (size_t t = 0; t < b->width; t++) {
        float *restrict s = b->s[t];
        for (size_t i = 0; i < b->len; i++)
            s[i] /= sum[i];
    }
}

static void split_scores(block *b)
{
    for (size_t i = 0; i < b->len; i++) {
        b->pair[0][i] = -b->s[0][i];
        b->pair[1][i] = b->s[0][i];
    }
    b->s[0] = b->pair[0];
    b->s[1] = b->pair[1];
}

static void finish_block(void *arg, size_t index, int worker)
{
    (void)worker;
    const block_job     *j = arg;
    const linear_params *p = j->p;
    size_t               first = index * BLOCK;
    block b = { .len = BL_MIN(p->rows - first, (size_t)BLOCK), .width = p->two ? 2 : p->targets };
    for (size_t t = 0; t < p->targets; t++) {
        float bias = p->bias ? p->bias[t] : 0, *restrict s = j->scores + t * p->rows + first;
        b.s[t] = s;
        for (size_t i = 0; i < b.len; i++)
            s[i] += bias;
    }
    if (j->y) {
        find_best(p, &b);
        for (size_t i = 0; i < b.len; i++)
            bl_label_put(&p->labels, j->y, first + i, b.best[i]);
    } else if (p->post == BL_POST_SOFTMAX) {
        find_best(p, &b);
    }
    if (!j->z)
        return;
    if (p->two)
        split_scores(&b);
    transform_block(j->x->kernels, p, &b);
    for (size_t t = 0; t < b.width; t++) {
        const float *restrict s = b.s[t];
        float *restrict z = j->z + first * b.width + t;
        for (size_t i = 0; i < b.len; i++)
            z[i * b.width] = s[i];
    }
}

/* Labels, and into z both scores where one becomes two; before the transform of the others. */
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
        if (z && p->post != BL_POST_PROBIT)
            bl_post_two(p->post, p->post != BL_POST_LOGISTIC, s[0], z + 2 * row);
        else if (z)
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
    const float         *from = bl_table_floats(in, 0, in->len, x->scratch);
    if (p->blocks) {
        block_job j = { x, p, multiply_across(x, p, from, z), p->classifier ? y : NULL,
                        scores ? scores->data : NULL };
        bl_pool_run(x->pool, finish_block, &j, (p->rows + BLOCK - 1) / BLOCK);
        return BLIND_OK;
    }
    multiply(x, p, from, z);
    if (p->classifier)
        finish(p, z, y, p->two && scores ? scores->data : NULL);
    if (scores)
        transform(x, p, scores->data);
    return BLIND_OK;
}
