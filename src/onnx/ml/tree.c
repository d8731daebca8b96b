/* TreeEnsemble, TreeEnsembleRegressor, TreeEnsembleClassifier.
 *
 * Eight walks go in step, so that the loads of one hide behind those of the others: eight rows
 * through one tree, their features turned side by side, or where rows are few one row through
 * eight trees.  A block of rows passes tree after tree, so that a tree is read from memory once per
 * block.  Sums are taken in the order of the trees whatever the threads: the same bits. */
#include "onnx/ml/tree.h"

#include <math.h>

enum { LANES = 8, BLOCK = 128 };

#define BLOCK_FLOATS ((size_t)1 << 14) /* of features turned at once */
#define FEW_TREES    ((size_t)1 << 10) /* walks of one row that are worth no second thread */

typedef enum {
    AVERAGE,
    SUM,
    LOWEST,
    HIGHEST
} aggregate; /* in the order of TreeEnsemble's numbers */

typedef struct {
    const bl_trees *trees;
    size_t          rows, columns, block; /* rows of a part */
    aggregate       how;
    bl_post         post;
    bool            classifier;
    bl_labels       labels;
    double         *base; /* or NULL */
    size_t          n_base;
    bool            nan_left, general;
    /* Scratch of a worker: scores, whether there are any (as much room), then features. */
    size_t scores_size, worker_size;
} tree_params;

/* Planning.  --------------------------------------------------------------------------------- */

static blind_code set_aggregate(bl_build *b, const bl_node *n, tree_params *p)
{
    static const char *const words[] = { "AVERAGE", "SUM", "MIN", "MAX" };
    const bl_attr           *a = bl_attr_find(n, "aggregate_function");
    p->how = SUM;
    if (!a || p->classifier)
        return BLIND_OK;
    for (int i = 0; i < (int)BL_LEN(words); i++)
        if ((a->type == BL_ATTR_INT && a->i == i) ||
            (a->type == BL_ATTR_STRING && strcmp(a->s, words[i]) == 0)) {
            p->how = (aggregate)i;
            return BLIND_OK;
        }
    return bl_op_fail(b, n, BLIND_INPUT, "aggregate_function");
}

static blind_code set_base(bl_build *b, const bl_node *n, tree_params *p)
{
    const bl_attr *a = bl_attr_find(n, "base_values"),
                  *t = bl_attr_find(n, "base_values_as_tensor");
    bool   tensor = t && t->type == BL_ATTR_TENSOR && t->t.len;
    size_t len = tensor ? t->t.len : a && a->floats ? a->len : 0;
    p->n_base = len;
    if (len == 0)
        return BLIND_OK;
    if (len != 1 && len != p->trees->n_targets)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu base values for %zu targets", len,
                          p->trees->n_targets);
    p->base = bl_arena_array(b->arena, len, sizeof *p->base);
    if (!p->base)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    for (size_t i = 0; i < len; i++)
        if (!tensor)
            p->base[i] = a->floats[i];
        else if (!bl_tensor_number(&t->t, i, &p->base[i]))
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "base values of that type");
    return BLIND_OK;
}

/* Trees do not depend on the shape of the input: they are built once for all plans. */
static blind_code find_trees(bl_build *b, bl_node *n, size_t targets, const bl_trees **out)
{
    bl_node *origin =
        !b->opening && (size_t)n->id < b->origin->n_nodes ? &b->origin->nodes[n->id] : NULL;
    bl_trees *made;
    if (origin && (origin->attrs != n->attrs || origin->op != n->op))
        origin = NULL;
    if (origin && origin->params) {
        *out = origin->params;
        return BLIND_OK;
    }
    BL_TRY(bl_trees_build(b, n, origin ? b->origin_arena : b->arena, targets, &made));
    if (origin)
        origin->params = made;
    *out = made;
    return BLIND_OK;
}

static blind_code count_targets(bl_build *b, const bl_node *n, tree_params *p, size_t *out)
{
    int64_t targets = bl_attr_int(n, "n_targets", 1);
    if (p->classifier) {
        BL_TRY(bl_labels_of(b, n, "classlabels_int64s", "classlabels_strings", &p->labels));
        targets = (int64_t)p->labels.len;
    }
    if (targets < 1 || targets > BL_MAX_TREE_TARGETS)
        return bl_op_fail(b, n, BLIND_INPUT, "%lld targets", (long long)targets);
    *out = (size_t)targets;
    return BLIND_OK;
}

static blind_code set_outs(bl_build *b, const bl_node *n, const tree_params *p, blind_dtype type)
{
    int64_t rows = (int64_t)p->rows, scores[2] = { rows, (int64_t)p->trees->n_targets };
    if (!p->classifier)
        return bl_set_out(b, n, 0, type, 2, scores);
    BL_TRY(bl_set_out(b, n, 0, bl_labels_type(&p->labels), 1, &rows));
    return bl_set_out(b, n, 1, BLIND_F32, 2, scores);
}

blind_code bl_ml_tree_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bool             placed = strcmp(n->type, "TreeEnsemble") == 0;
    size_t           targets = 1;
    tree_params     *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->classifier = strcmp(n->type, "TreeEnsembleClassifier") == 0;
    BL_TRY(bl_table_of(b, n, x, &p->rows, &p->columns));
    BL_TRY(bl_post_of(b, n, &p->post));
    BL_TRY(set_aggregate(b, n, p));
    BL_TRY(count_targets(b, n, p, &targets));
    BL_TRY(find_trees(b, n, targets, &p->trees));
    n->params = p;
    BL_TRY(set_base(b, n, p));
    if (p->trees->features > p->columns)
        return bl_op_fail(b, n, BLIND_INPUT, "rows of %zu features, the trees read %zu", p->columns,
                          p->trees->features);
    p->general = p->trees->general || p->trees->doubles || x->dtype != BLIND_F32;
    for (size_t i = 0; i < p->trees->n_nodes; i++)
        p->nan_left = p->nan_left || (p->trees->nodes[i].feature & 3) == 3;
    return set_outs(b, n, p, placed ? x->dtype : BLIND_F32);
}

blind_code bl_ml_tree_prepare(bl_build *b, bl_node *n)
{
    tree_params *p = n->params;
    size_t       threads = (size_t)bl_pool_threads(b->pool), features = p->trees->features;
    size_t       fit = BLOCK_FLOATS / BL_MAX(features, (size_t)1), scores, turned, leaves;
    p->block = BL_MIN(BL_MAX(fit / LANES * LANES, (size_t)LANES), (size_t)BLOCK);
    size_t share = (p->rows + threads - 1) / threads; /* no thread is to wait for one part */
    p->block = BL_MIN(p->block, BL_MAX((share + LANES - 1) / LANES * LANES, (size_t)LANES));
    if (!bl_mul(p->block * sizeof(double), p->trees->n_targets, &scores) ||
        !bl_mul(BL_MAX(p->block, (size_t)1) * sizeof(double), features + 1, &turned) ||
        !bl_mul(p->trees->n_trees, sizeof(uint32_t), &leaves) || !bl_add(scores, 64, &scores) ||
        !bl_add(turned, 64, &turned))
        return bl_op_fail(b, n, BLIND_LIMIT, "too many scores");
    p->scores_size = scores / 64 * 64 + 64;
    if (!bl_add(2 * p->scores_size, turned / 64 * 64 + 64, &p->worker_size) ||
        !bl_mul(p->worker_size, threads, &n->scratch) ||
        !bl_add(n->scratch, leaves / 64 * 64 + 64, &n->scratch))
        return bl_op_fail(b, n, BLIND_LIMIT, "too many scores");
    return BLIND_OK;
}

/* Walking.  ---------------------------------------------------------------------------------- */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* One comparison of each walk.  Lane l reads feature f at x[f * stride + l * beside]. */
ALWAYS_INLINE void step(const bl_tree_node *nodes, uint32_t *at, const float *x, size_t stride,
                        const size_t beside, const bool nan_left)
{
    for (size_t l = 0; l < LANES; l++) {
        const bl_tree_node *n = &nodes[at[l]];
        float               v = x[(n->feature >> 2) * stride + l * beside];
        uint32_t            right = !(v <= n->value);
        if (nan_left)
            right &= ~((uint32_t)(v != v) & n->feature >> 1);
        at[l] = n->left + (right & n->feature);
    }
}

ALWAYS_INLINE void walk_all(const bl_tree_node *nodes, uint32_t *at, const float *x, size_t stride,
                            const size_t beside, uint32_t depth, const bool nan_left)
{
    uint32_t going = 1;
    for (; depth >= 4 && going; depth -= 4) { /* most leaves lie far above the deepest one */
        step(nodes, at, x, stride, beside, nan_left);
        step(nodes, at, x, stride, beside, nan_left);
        step(nodes, at, x, stride, beside, nan_left);
        step(nodes, at, x, stride, beside, nan_left);
        going = 0;
        for (size_t l = 0; l < LANES; l++)
            going |= nodes[at[l]].feature & 1;
    }
    for (; depth > 0 && going; depth--)
        step(nodes, at, x, stride, beside, nan_left);
}

/* Eight rows through one tree; x holds their features side by side. */
static void walk_rows(const tree_params *p, size_t tree, const float *x, uint32_t at[LANES])
{
    const bl_trees *t = p->trees;
    for (size_t l = 0; l < LANES; l++)
        at[l] = t->roots[tree];
    if (p->nan_left)
        walk_all(t->nodes, at, x, LANES, 1, t->depths[tree], true);
    else
        walk_all(t->nodes, at, x, LANES, 1, t->depths[tree], false);
}

/* One row through eight trees or fewer. */
static void walk_trees(const tree_params *p, size_t tree, size_t n, const float *x,
                       uint32_t at[LANES])
{
    const bl_trees *t = p->trees;
    uint32_t        depth = 0;
    for (size_t l = 0; l < LANES; l++) {
        at[l] = t->roots[tree + BL_MIN(l, n - 1)];
        depth = BL_MAX(depth, t->depths[tree + BL_MIN(l, n - 1)]);
    }
    if (p->nan_left)
        walk_all(t->nodes, at, x, 1, 0, depth, true);
    else
        walk_all(t->nodes, at, x, 1, 0, depth, false);
}

static bool is_member(const bl_trees *t, const bl_tree_exact *e, double v)
{
    for (size_t i = e->members; i < e->members_end; i++)
        if (t->member[i] == v)
            return true;
    return false;
}

/* Any comparison, in double. */
static uint32_t walk_general(const bl_trees *t, size_t tree, const double *x)
{
    uint32_t at = t->roots[tree];
    for (;;) {
        const bl_tree_exact *e = &t->exact[at];
        const bl_tree_node  *n = &t->nodes[at];
        if (e->mode == BL_TREE_LEAF)
            return at;
        double v = x[n->feature >> 2];
        bool   left = e->mode == BL_TREE_LEQ  ? v <= e->value
                      : e->mode == BL_TREE_EQ ? v == e->value
                                              : is_member(t, e, v);
        left = left || (isnan(v) && (n->feature & 2));
        at = n->left + !left;
    }
}

/* Scores.  ----------------------------------------------------------------------------------- */

ALWAYS_INLINE float joined(aggregate how, float so_far, bool any, float weight)
{
    if (how == LOWEST)
        return !any || weight < so_far ? weight : so_far;
    if (how == HIGHEST)
        return !any || weight > so_far ? weight : so_far;
    return so_far + weight;
}

/* Adds the weights of leaf `at` to the scores of a row. */
ALWAYS_INLINE void add_leaf(const tree_params *p, uint32_t at, float *scores, uint8_t *has)
{
    const bl_trees     *t = p->trees;
    const bl_tree_node *leaf = &t->nodes[at];
    if (t->one_each) {
        scores[0] = joined(p->how, scores[0], has[0], leaf->value);
        has[0] = 1;
        return;
    }
    for (size_t i = t->weight_at[leaf->leaf]; i < t->weight_at[leaf->leaf + 1]; i++) {
        const bl_tree_weight *w = &t->weights[i];
        scores[w->target] = joined(p->how, scores[w->target], has[w->target], w->weight);
        has[w->target] = 1;
    }
}

static void add_exact(const tree_params *p, uint32_t at, double *scores, uint8_t *has)
{
    const bl_trees *t = p->trees;
    uint32_t        leaf = t->nodes[at].leaf;
    for (size_t i = t->weight_at[leaf]; i < t->weight_at[leaf + 1]; i++) {
        const bl_tree_weight *w = &t->weights[i];
        double               *s = &scores[w->target];
        bool                  first = !has[w->target];
        if (p->how == LOWEST || p->how == HIGHEST)
            *s = first || (p->how == LOWEST ? w->exact < *s : w->exact > *s) ? w->exact : *s;
        else
            *s += w->exact;
        has[w->target] = 1;
    }
}

/* Two classes.  The scores become one where only the first has any, and then two again; which label
 * wins hangs on whether the weights look like probabilities.  As ONNX Runtime decides it. */
static size_t finish_two(const tree_params *p, double *s, const uint8_t *has, float *out)
{
    bool alone = p->trees->classes_weighted <= 1, two = has[1] || p->n_base == 2, second = has[1];
    if (p->n_base == 2 && has[1]) {
        s[1] = p->base[1] + s[0];
        s[0] = -s[1];
    } else if (p->n_base) {
        s[0] += p->base[0];
        s[1] += p->n_base == 2 ? p->base[1] : 0;
    }
    double decides = two && second ? s[1] : s[0];
    bool   wins = decides > (alone && p->trees->all_positive ? 0.5 : 0);
    out[0] = (float)s[0];
    out[1] = (float)s[1];
    if (two) {
        bl_post_apply(p->post, out, 2);
    } else if (p->post == BL_POST_PROBIT) {
        bl_post_apply(p->post, out, 1);
        out[1] = 0;
    } else {
        bl_post_two(p->post, alone && p->trees->all_positive, out[0], out);
    }
    return wins;
}

static size_t finish_classes(const tree_params *p, double *s, uint8_t *has, float *out)
{
    size_t n = p->trees->n_targets, best = n;
    for (size_t i = 0; i < n && p->n_base == n; i++) {
        s[i] += p->base[i];
        has[i] = 1;
    }
    for (size_t i = 0; i < n; i++) {
        if (has[i] && (best == n || s[i] > s[best]))
            best = i;
        out[i] = (float)s[i];
    }
    bl_post_apply(p->post, out, n);
    return best == n ? 0 : best;
}

static void finish_targets(const tree_params *p, double *s, float *out)
{
    size_t n = p->trees->n_targets;
    for (size_t i = 0; i < n; i++) {
        if (p->how == AVERAGE)
            s[i] /= (double)p->trees->n_trees;
        out[i] = (float)(s[i] + (p->n_base == n ? p->base[i] : 0));
    }
    bl_post_apply(p->post, out, n);
}

/* From the scores of a row, in double, to the outputs; spare takes those that nobody asked for. */
static void finish_row(const bl_exec *x, const bl_node *n, double *s, uint8_t *has, size_t row,
                       float *spare)
{
    const tree_params *p = n->params;
    size_t             targets = p->trees->n_targets, label;
    bl_tensor         *y = bl_result(x, n, 0), *z = p->classifier ? bl_result(x, n, 1) : y;
    if (!p->classifier && y->dtype == BLIND_F64) { /* transforms are defined in float */
        double *out = (double *)y->data + row * targets;
        for (size_t i = 0; i < targets; i++)
            out[i] = (p->how == AVERAGE ? s[i] / (double)p->trees->n_trees : s[i]) +
                     (p->n_base == targets ? p->base[i] : 0);
        return;
    }
    float *out = z ? (float *)z->data + row * targets : spare;
    if (!p->classifier) {
        finish_targets(p, s, out);
        return;
    }
    label = targets == 2 ? finish_two(p, s, has, out) : finish_classes(p, s, has, out);
    bl_label_put(&p->labels, y, row, label);
}

/* Parts.  ------------------------------------------------------------------------------------ */

typedef struct {
    const bl_exec     *x;
    const bl_node     *n;
    const tree_params *p;
    size_t             row; /* of a job over trees */
    uint32_t          *leaves;
} job;

typedef struct {
    double  *exact;  /* [rows][targets] */
    float   *scores; /* the same place */
    uint8_t *has;
    float   *spare; /* [targets], behind `has` in its place */
    void    *features;
} room;

static room room_of(const job *j, int worker, size_t rows)
{
    char  *at = (char *)j->x->scratch + (size_t)worker * j->p->worker_size;
    size_t len = rows * j->p->trees->n_targets;
    memset(at, 0, len * sizeof(double));
    memset(at + j->p->scores_size, 0, len);
    return (room){ .exact = (double *)(void *)at,
                   .scores = (float *)(void *)at,
                   .has = (uint8_t *)at + j->p->scores_size,
                   .spare = (float *)(void *)(at + j->p->scores_size + (len + 3) / 4 * 4),
                   .features = at + 2 * j->p->scores_size };
}

/* Features of eight rows side by side; the last row stands for those that are not there. */
static void turn_rows(const tree_params *p, const float *x, size_t rows, float *to)
{
    for (size_t l = 0; l < LANES; l++) {
        const float *from = x + BL_MIN(l, rows - 1) * p->columns;
        for (size_t f = 0; f < p->trees->features; f++)
            to[f * LANES + l] = from[f];
    }
}

/* From the last: a double takes the place of two floats. */
static void widen(const float *from, double *to, size_t len)
{
    for (size_t i = len; i-- > 0;) {
        float v = from[i];
        to[i] = v;
    }
}

static void finish_rows(const job *j, room *m, size_t first, size_t rows)
{
    size_t targets = j->p->trees->n_targets;
    for (size_t r = 0; r < rows; r++)
        finish_row(j->x, j->n, m->exact + r * targets, m->has + r * targets, first + r, m->spare);
}

static void block_part(void *arg, size_t index, int worker)
{
    const job         *j = arg;
    const tree_params *p = j->p;
    size_t             first = index * p->block, rows = BL_MIN(p->block, p->rows - first);
    size_t             targets = p->trees->n_targets, group = p->trees->features * LANES;
    room               m = room_of(j, worker, rows);
    const float       *x = (const float *)bl_arg(j->x, j->n, 0)->data + first * p->columns;
    float             *turned = m.features;
    for (size_t r = 0; r < rows; r += LANES)
        turn_rows(p, x + r * p->columns, BL_MIN(rows - r, (size_t)LANES),
                  turned + r / LANES * group);
    for (size_t tree = 0; tree < p->trees->n_trees; tree++)
        for (size_t r = 0; r < rows; r += LANES) {
            uint32_t at[LANES];
            walk_rows(p, tree, turned + r / LANES * group, at);
            for (size_t l = 0; l < LANES && r + l < rows; l++)
                add_leaf(p, at[l], m.scores + (r + l) * targets, m.has + (r + l) * targets);
        }
    widen(m.scores, m.exact, rows * targets);
    finish_rows(j, &m, first, rows);
}

static void general_part(void *arg, size_t index, int worker)
{
    const job         *j = arg;
    const tree_params *p = j->p;
    size_t             first = index * p->block, rows = BL_MIN(p->block, p->rows - first);
    size_t             targets = p->trees->n_targets;
    room               m = room_of(j, worker, rows);
    for (size_t r = 0; r < rows; r++) {
        bl_table_doubles(bl_arg(j->x, j->n, 0), (first + r) * p->columns, p->trees->features,
                         m.features);
        for (size_t tree = 0; tree < p->trees->n_trees; tree++)
            add_exact(p, walk_general(p->trees, tree, m.features), m.exact + r * targets,
                      m.has + r * targets);
    }
    finish_rows(j, &m, first, rows);
}

static void trees_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const job         *j = arg;
    const tree_params *p = j->p;
    size_t             end = BL_MIN((index + 1) * FEW_TREES / 8, p->trees->n_trees);
    const float       *x = (const float *)bl_arg(j->x, j->n, 0)->data + j->row * p->columns;
    for (size_t tree = index * (FEW_TREES / 8); tree < end; tree += LANES) {
        uint32_t at[LANES];
        size_t   n = BL_MIN(end - tree, (size_t)LANES);
        walk_trees(p, tree, n, x, at);
        memcpy(j->leaves + tree, at, n * sizeof *at);
    }
}

/* Few rows: the leaves of all trees, then their sums in order. */
static void run_few(job *j)
{
    const tree_params *p = j->p;
    size_t             parts = (p->trees->n_trees + FEW_TREES / 8 - 1) / (FEW_TREES / 8);
    bl_pool           *pool = p->trees->n_trees >= FEW_TREES ? j->x->pool : NULL;
    for (j->row = 0; j->row < p->rows; j->row++) {
        room m = room_of(j, 0, 1);
        bl_pool_run(pool, trees_part, j, parts);
        for (size_t tree = 0; tree < p->trees->n_trees; tree++)
            add_leaf(p, j->leaves[tree], m.scores, m.has);
        widen(m.scores, m.exact, p->trees->n_targets);
        finish_rows(j, &m, j->row, 1);
    }
}

blind_code bl_ml_tree_run(const bl_exec *x, const bl_node *n)
{
    const tree_params *p = n->params;
    job                j = { .x = x, .n = n, .p = p };
    j.leaves = (uint32_t *)(void *)((char *)x->scratch +
                                    (size_t)bl_pool_threads(x->pool) * p->worker_size);
    if (p->rows < LANES / 2 && !p->general)
        run_few(&j);
    else
        bl_pool_run(x->pool, p->general ? general_part : block_part, &j,
                    (p->rows + p->block - 1) / p->block);
    return BLIND_OK;
}
