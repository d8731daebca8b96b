/* SVMClassifier and SVMRegressor: kernels of the rows with the support vectors, then sums of them.
 *
 * The dot products of LINEAR, POLY and SIGMOID are one product with packed vectors; RBF is made of
 * them too, |a - b|^2 = |a|^2 + |b|^2 - 2 a b, but for the loss where both are close: plain loops.
 * Source: ONNX-ML 1.17; probabilities: Wu, Lin and Weng 2004, JMLR 5, second approach. */
#include "onnx/ml/ml.h"

#include <math.h>

typedef enum { LINEAR, POLY, RBF, SIGMOID } kernel;

typedef struct {
    kernel            kernel;
    float             gamma, coef0, degree;
    size_t            rows, features, vectors; /* vectors: 0 of a linear machine */
    size_t            outs;                    /* kernels of each row */
    const float      *matrix;                  /* [outs][features] */
    const float      *coefficients, *rho, *prob_a, *prob_b;
    const bl_weights *weights; /* of matrix, but for RBF */
    size_t            kernels_at, gemm_at;
    bl_post           post;
    bool              one_class;
    /* Of a classifier. */
    bl_labels      labels;
    const int64_t *per_class;
    size_t         classes, scores; /* scores of a row */
    bool           all_positive;
    size_t         work_at; /* of a row: pairs, votes, probabilities */
} svm_params;

/* Planning.  --------------------------------------------------------------------------------- */

static blind_code set_kernel(bl_build *b, const bl_node *n, svm_params *p)
{
    static const char *const names[] = { "LINEAR", "POLY", "RBF", "SIGMOID" };
    const char              *name = bl_attr_str(n, "kernel_type", "LINEAR");
    const float             *params;
    size_t                   len;
    BL_TRY(bl_ml_floats(b, n, "kernel_params", SIZE_MAX, &params, &len));
    if (params && len != 3)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu kernel parameters, expected 3", len);
    p->gamma = params ? params[0] : 0;
    p->coef0 = params ? params[1] : 0;
    p->degree = params ? params[2] : 0;
    for (int i = 0; i < (int)BL_LEN(names); i++)
        if (strcmp(names[i], name) == 0) {
            p->kernel = (kernel)i;
            return BLIND_OK;
        }
    return bl_op_fail(b, n, BLIND_INPUT, "kernel_type '%.40s'", name);
}

/* `vectors` support vectors, or for none the coefficients of `outs` rows. */
static blind_code set_matrix(bl_build *b, const bl_node *n, svm_params *p, size_t outs)
{
    size_t len, wanted, rho;
    BL_TRY(bl_ml_floats(b, n, "rho", SIZE_MAX, &p->rho, &rho));
    BL_TRY(bl_ml_floats(b, n, "coefficients", SIZE_MAX, &p->coefficients, &len));
    if (!p->rho || !p->coefficients)
        return bl_op_fail(b, n, BLIND_INPUT, "no rho, or no coefficients");
    p->matrix = p->coefficients;
    p->outs = p->vectors ? p->vectors : outs;
    if (p->vectors)
        BL_TRY(bl_ml_floats(b, n, "support_vectors", SIZE_MAX, &p->matrix, &len));
    else
        p->kernel = LINEAR;
    if (!bl_mul(p->outs, p->features, &wanted) || len != wanted || !p->matrix)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu numbers for %zu vectors of %zu features", len,
                          p->outs, p->features);
    return BLIND_OK;
}

blind_code bl_ml_svm_regressor_infer(bl_build *b, bl_node *n)
{
    svm_params *p;
    int64_t     vectors = bl_attr_int(n, "n_supports", 0), dim[2];
    size_t      len;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_table_of(b, n, bl_in(b, n, 0), &p->rows, &p->features));
    BL_TRY(set_kernel(b, n, p));
    BL_TRY(bl_post_of(b, n, &p->post));
    if (vectors < 0 || vectors > BL_MAX_TREE_NODES)
        return bl_op_fail(b, n, BLIND_INPUT, "%lld support vectors", (long long)vectors);
    p->vectors = (size_t)vectors;
    p->one_class = bl_attr_int(n, "one_class", 0) != 0;
    BL_TRY(set_matrix(b, n, p, 1));
    BL_TRY(bl_ml_floats(b, n, "coefficients", p->vectors ? p->vectors : p->features,
                        &p->coefficients, &len));
    dim[0] = (int64_t)p->rows;
    dim[1] = 1;
    return bl_set_out(b, n, 0, BLIND_F32, 2, dim);
}

/* Vectors of each class, and lists by pairs of classes. */
static blind_code set_classes(bl_build *b, const bl_node *n, svm_params *p)
{
    const bl_attr *per = bl_attr_find(n, "vectors_per_class");
    size_t         total = 0, len, pairs, a_len, b_len;
    BL_TRY(bl_labels_of(b, n, "classlabels_ints", "classlabels_strings", &p->labels));
    p->classes = p->labels.len;
    if (p->classes < 2 || p->classes > BL_MAX_SVM_CLASSES)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "%zu classes", p->classes);
    p->per_class = per && per->ints && per->len ? per->ints : NULL;
    for (size_t i = 0; p->per_class && i < per->len; i++)
        if (per->ints[i] < 0 || per->ints[i] > BL_MAX_TREE_NODES ||
            !bl_add(total, (size_t)per->ints[i], &total))
            return bl_op_fail(b, n, BLIND_INPUT, "vectors_per_class");
    p->vectors = total;
    BL_TRY(set_matrix(b, n, p, p->classes));
    BL_TRY(bl_ml_floats(b, n, "coefficients", SIZE_MAX, &p->coefficients, &len));
    for (size_t i = 0; i < len; i++)
        p->all_positive = (i == 0 || p->all_positive) && p->coefficients[i] >= 0;
    if (!p->vectors)
        return BLIND_OK;
    pairs = p->classes * (p->classes - 1) / 2;
    if (per->len != p->classes || len / (p->classes - 1) != p->vectors ||
        len % (p->classes - 1) != 0)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu coefficients of %zu vectors, %zu classes", len,
                          p->vectors, p->classes);
    BL_TRY(bl_ml_floats(b, n, "rho", pairs, &p->rho, &len));
    BL_TRY(bl_ml_floats(b, n, "prob_a", pairs, &p->prob_a, &a_len));
    BL_TRY(bl_ml_floats(b, n, "prob_b", pairs, &p->prob_b, &b_len));
    return a_len == b_len ? BLIND_OK : bl_op_fail(b, n, BLIND_INPUT, "prob_a without prob_b");
}

blind_code bl_ml_svm_classifier_infer(bl_build *b, bl_node *n)
{
    svm_params *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_table_of(b, n, bl_in(b, n, 0), &p->rows, &p->features));
    BL_TRY(set_kernel(b, n, p));
    BL_TRY(bl_post_of(b, n, &p->post));
    BL_TRY(set_classes(b, n, p));
    bool pairs = p->vectors && !p->prob_a && p->classes > 2;
    p->scores = pairs ? p->classes * (p->classes - 1) / 2 : p->classes;
    int64_t dim[2] = { (int64_t)p->rows, (int64_t)p->scores };
    BL_TRY(bl_set_out(b, n, 0, bl_labels_type(&p->labels), 1, dim));
    return bl_set_out(b, n, 1, BLIND_F32, 2, dim);
}

/* Floats of work on one row: its scores, those of pairs, votes, and two matrices and a vector of
 * probabilities. */
static size_t row_work(const svm_params *p)
{
    return p->scores + 4 * p->classes * p->classes + 4 * p->classes;
}

blind_code bl_ml_svm_prepare(bl_build *b, bl_node *n)
{
    svm_params *p = n->params;
    bl_packed  *packed;
    size_t      x, kernels;
    int         threads = bl_pool_threads(b->pool);
    if (p->rows == 0 || p->features == 0)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "a table of %zu rows, %zu features", p->rows,
                          p->features);
    p->weights = p->kernel == RBF ? NULL : bl_store_find(b, n, 0);
    if (!p->weights && p->kernel != RBF) {
        bl_matrix from = { p->matrix, p->features, p->outs, 1, p->features, NULL };
        BL_TRY(b->kernels->gemm_pack(&from, &packed, b->err));
        BL_TRY(bl_store_keep(b, n, 0, packed, NULL, 0, &p->weights));
    }
    if (!bl_mul(p->rows, p->features * sizeof(float), &x) || !bl_mul(p->rows, p->outs, &kernels) ||
        !bl_mul(kernels, sizeof(float), &kernels))
        return bl_op_fail(b, n, BLIND_LIMIT, "a table of impossible size");
    p->kernels_at = bl_in(b, n, 0)->dtype == BLIND_F32 ? 0 : (x + 63) / 64 * 64;
    p->work_at = p->kernels_at + (kernels + 63) / 64 * 64;
    p->gemm_at = p->work_at + (row_work(p) * sizeof(float) + 63) / 64 * 64;
    n->scratch = p->gemm_at +
                 (p->weights ? b->kernels->gemm_scratch(p->weights->packed, p->rows, threads) : 0);
    return BLIND_OK;
}

/* Kernels.  ---------------------------------------------------------------------------------- */

typedef struct {
    const svm_params *p;
    const float      *x;
    float            *out;
} rbf_job;

static void rbf_row(void *arg, size_t row, int worker)
{
    (void)worker;
    const rbf_job    *j = arg;
    const svm_params *p = j->p;
    const float      *x = j->x + row * p->features;
    for (size_t v = 0; v < p->outs; v++) {
        const float *s = p->matrix + v * p->features;
        float        sum = 0;
        for (size_t f = 0; f < p->features; f++)
            sum += (x[f] - s[f]) * (x[f] - s[f]);
        j->out[row * p->outs + v] = -p->gamma * sum;
    }
}

/* [rows][outs] kernels; a linear machine's with rho added. */
static const float *kernels_of(const bl_exec *x, const bl_node *n, const svm_params *p)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    char            *scratch = x->scratch;
    float           *out = (float *)(void *)(scratch + p->kernels_at);
    const float     *a = bl_table_floats(in, 0, in->len, x->scratch);
    size_t           len = p->rows * p->outs;
    if (p->kernel == RBF) {
        bl_pool_run(x->pool, rbf_row, &(rbf_job){ p, a, out }, p->rows);
        x->kernels->unary(BL_UNARY_EXP, out, out, len, 0, 0, x->pool);
        return out;
    }
    bl_gemm g = { .rows = p->rows,
                  .a = a,
                  .a_stride = p->features,
                  .b = p->weights->packed,
                  .out = out,
                  .out_stride = p->outs,
                  .scratch = scratch + p->gemm_at };
    g.epilogue = (bl_epilogue){ .act = BL_UNARY_AFFINE, .a = 1, .b = p->vectors ? 0 : p->rho[0] };
    if (p->kernel != LINEAR)
        g.epilogue = (bl_epilogue){ .act = BL_UNARY_AFFINE, .a = p->gamma, .b = p->coef0 };
    x->kernels->gemm(&g, x->pool);
    if (p->kernel == SIGMOID)
        x->kernels->unary(BL_UNARY_TANH, out, out, len, 0, 0, x->pool);
    for (size_t i = 0; p->kernel == POLY && i < len; i++)
        out[i] = powf(out[i], p->degree);
    return out;
}

blind_code bl_ml_svm_regressor_run(const bl_exec *x, const bl_node *n)
{
    const svm_params *p = n->params;
    const float      *k = kernels_of(x, n, p);
    float            *out = bl_result(x, n, 0)->data;
    for (size_t row = 0; row < p->rows; row++, k += p->outs) {
        double sum = p->vectors ? p->rho[0] : k[0];
        for (size_t i = 0; i < p->vectors; i++)
            sum += (double)p->coefficients[i] * k[i];
        out[row] = p->one_class ? (sum > 0 ? 1.0f : -1.0f) : (float)sum;
    }
    return BLIND_OK;
}

/* Classes.  ---------------------------------------------------------------------------------- */

/* What decides between classes i and j: the vectors of i under the coefficients against j, and the
 * other way round. */
static double decide(const svm_params *p, const float *k, size_t i, size_t j, size_t at_i,
                     size_t at_j)
{
    const float *against_j = p->coefficients + (j - 1) * p->vectors;
    const float *against_i = p->coefficients + i * p->vectors;
    double       sum = 0;
    for (size_t v = at_i; v < at_i + (size_t)p->per_class[i]; v++)
        sum += (double)against_j[v] * k[v];
    for (size_t v = at_j; v < at_j + (size_t)p->per_class[j]; v++)
        sum += (double)against_i[v] * k[v];
    return sum;
}

static void decide_pairs(const svm_params *p, const float *k, float *pairs, float *votes)
{
    size_t at_i = 0, pair = 0;
    memset(votes, 0, p->classes * sizeof *votes);
    for (size_t i = 0; i + 1 < p->classes; at_i += (size_t)p->per_class[i++]) {
        size_t at_j = at_i + (size_t)p->per_class[i];
        for (size_t j = i + 1; j < p->classes; at_j += (size_t)p->per_class[j++], pair++) {
            double sum = decide(p, k, i, j, at_i, at_j) + p->rho[pair];
            pairs[pair] = (float)sum;
            votes[sum > 0 ? i : j]++;
        }
    }
}

/* r[i][j]: how likely i is, of i and j. */
static void pair_probabilities(const svm_params *p, const float *pairs, float *r)
{
    size_t n = p->classes, pair = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++, pair++) {
            float v = 1 / (1 + expf(pairs[pair] * p->prob_a[pair] + p->prob_b[pair]));
            v = fminf(fmaxf(v, 1e-7f), 1 - 1e-7f);
            r[i * n + j] = v;
            r[j * n + i] = 1 - v;
        }
}

/* One step of each class towards the minimum of p Q p; Qp follows. */
static void improve(size_t n, const float *q, float *prob, float *qp, float pqp)
{
    for (size_t i = 0; i < n; i++) {
        float diff = (-qp[i] + pqp) / q[i * n + i];
        prob[i] += diff;
        pqp = (pqp + diff * (diff * q[i * n + i] + 2 * qp[i])) / (1 + diff) / (1 + diff);
        for (size_t j = 0; j < n; j++) {
            qp[j] = (qp[j] + diff * q[i * n + j]) / (1 + diff);
            prob[j] /= 1 + diff;
        }
    }
}

static void couple(size_t n, const float *r, float *q, float *qp, float *prob)
{
    for (size_t i = 0; i < n; i++) {
        prob[i] = 1 / (float)n;
        q[i * n + i] = 0;
        for (size_t j = 0; j < n; j++)
            if (j != i) {
                q[i * n + i] += r[j * n + i] * r[j * n + i];
                q[i * n + j] = -r[j * n + i] * r[i * n + j];
            }
    }
    for (int turn = 0; turn < 100; turn++) {
        float pqp = 0, worst = 0;
        for (size_t i = 0; i < n; i++) {
            qp[i] = 0;
            for (size_t j = 0; j < n; j++)
                qp[i] += q[i * n + j] * prob[j];
            pqp += prob[i] * qp[i];
        }
        for (size_t i = 0; i < n; i++)
            worst = fmaxf(worst, fabsf(qp[i] - pqp));
        if (worst < 0.005f / (float)n)
            return;
        improve(n, q, prob, qp, pqp);
    }
}

static size_t highest(const float *v, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = v[i] > v[best] ? i : best;
    return best;
}

/* Scores of one row into `out`; returns its class. */
static size_t classify(const svm_params *p, const float *k, float *work, float *out)
{
    size_t n = p->classes, pairs = n * (n - 1) / 2, best;
    float *decided = work, *votes = decided + pairs, *r = votes + n, *q = r + n * n,
          *qp = q + n * n;
    if (!p->vectors) {
        memcpy(out, k, n * sizeof *out);
        best = highest(out, n);
        if (n == 2 && out[best] > 0 && (!p->all_positive || out[best] >= 0.5f))
            best = 1;
        bl_post_apply(p->post, out, n);
        return best;
    }
    decide_pairs(p, k, decided, votes);
    best = highest(votes, n);
    if (p->prob_a) {
        pair_probabilities(p, decided, r);
        couple(n, r, q, qp, out);
    } else if (n == 2) {
        bool odds = p->post == BL_POST_NONE || p->post == BL_POST_LOGISTIC;
        bl_post_two(p->post, !odds, decided[0], out);
        return best;
    } else {
        memcpy(out, decided, pairs * sizeof *out);
    }
    bl_post_apply(p->post, out, p->scores);
    return best;
}

blind_code bl_ml_svm_classifier_run(const bl_exec *x, const bl_node *n)
{
    const svm_params *p = n->params;
    const float      *k = kernels_of(x, n, p);
    bl_tensor        *y = bl_result(x, n, 0), *z = bl_result(x, n, 1);
    float            *work = (float *)(void *)((char *)x->scratch + p->work_at);
    for (size_t row = 0; row < p->rows; row++) {
        float *scores = z ? (float *)z->data + row * p->scores : work;
        size_t best = classify(p, k + row * p->outs, work + p->scores, scores);
        bl_label_put(&p->labels, y, row, best);
    }
    return BLIND_OK;
}
