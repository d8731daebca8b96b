/* Templates: operators of ai.onnx.ml.  What decides (trees, classes) works on quarters, whose sums
 * are exact in every order and at every precision. */
#include "fuzz/graph_maker.h"

#include <math.h>

static graph_node *add(graph *g, const char *type, int n_in, const int *in)
{
    graph_node *n = graph_add(g, type, n_in, in);
    if (n) {
        n->domain = "ai.onnx.ml";
        n->rule = RULE_JUMP;
    }
    return n;
}

/* A table of rows and at least one column. */
static int table(graph *g, unsigned mask, graph_fill fill, int64_t dim[2])
{
    dim[0] = 1 + (int64_t)graph_roll(g, g->large ? 70 : 5);
    dim[1] = 1 + (int64_t)graph_roll(g, g->large ? 33 : 6);
    return graph_leaf(g, graph_type(g, mask), 2, dim, fill);
}

static float quarter(graph *g)
{
    return 0.25f * (float)graph_between(g, -8, 8);
}

static void quarters(graph *g, graph_node *n, const char *name, int64_t len)
{
    float list[ATTR_INTS];
    len = BL_MIN(len, (int64_t)ATTR_INTS);
    for (int64_t i = 0; i < len; i++)
        list[i] = quarter(g);
    graph_attr_floats(n, name, list, (int)len);
}

/* Numbers of a column.  ---------------------------------------------------------------------- */

static bool make_scaled(graph *g)
{
    static const char *const types[] = { "Scaler", "Normalizer", "Imputer", "Binarizer" };
    static const char *const norms[] = { "MAX", "L1", "L2" };
    unsigned                 i = graph_roll(g, BL_LEN(types));
    int64_t                  dim[2];
    int         v = table(g, i == 0 ? REAL32 | ANY_OF(I64) : REAL32, graph_floats(g), dim);
    graph_node *n = v < 0 ? NULL : add(g, types[i], 1, &v);
    if (!n)
        return false;
    switch (i) {
    case 0:
        n->rule = RULE_LOOSE;
        n->peer = 1e-6;
        dim[0] = graph_chance(g, 2) ? 1 : dim[1]; /* numbers of each list */
        quarters(g, n, "offset", dim[0]);
        quarters(g, n, "scale", dim[0]);
        dim[0] = g->value[v].dim[0];
        break;
    case 1:
        n->rule = RULE_LOOSE;
        n->peer = 1e-5;
        graph_attr_text(n, "norm", norms[graph_roll(g, 3)]);
        break;
    case 2:
        quarters(g, n, "imputed_value_floats", graph_chance(g, 2) ? 1 : dim[1]);
        graph_attr_float(n, "replaced_value_float", graph_chance(g, 2) ? (float)NAN : 0.5f);
        break;
    default:
        graph_attr_float(n, "threshold", quarter(g));
    }
    return graph_result(g, n, BLIND_F32, 2, dim) >= 0;
}

static bool make_columns(graph *g)
{
    int64_t dim[2], widths[3], all = 0;
    int     in[3], len = 1 + (int)graph_roll(g, 3);
    dim[0] = 1 + (int64_t)graph_roll(g, 4);
    for (int i = 0; i < len; i++) {
        all += dim[1] = widths[i] = 1 + (int64_t)graph_roll(g, 4);
        in[i] = graph_leaf(g, BLIND_F32, 2, dim, graph_floats(g));
        if (in[i] < 0)
            return false;
    }
    graph_node *n = add(g, "FeatureVectorizer", len, in);
    if (!n)
        return false;
    graph_attr_list(n, "inputdimensions", widths, len);
    dim[1] = all;
    return graph_result(g, n, BLIND_F32, 2, dim) >= 0;
}

static bool make_chosen(graph *g)
{
    int64_t dim[2], len = 1 + (int64_t)graph_roll(g, 4);
    int     v = table(g, REAL32 | ANY_OF(I64) | ANY_OF(F64) | ANY_OF(STRING), graph_floats(g), dim);
    int     at = v < 0 ? -1 : graph_numbers(g, BLIND_I64, 1, &len, 0, dim[1] - 1);
    graph_node *n = at < 0 ? NULL : add(g, "ArrayFeatureExtractor", 2, (int[]){ v, at });
    dim[1] = len;
    return n && graph_result(g, n, g->value[v].dtype, 2, dim) >= 0;
}

/* Categories.  ------------------------------------------------------------------------------- */

static bool make_labels(graph *g)
{
    int64_t numbers[6], names[6];
    float   floats[6];
    bool    from_text = graph_chance(g, 2), mapper = graph_chance(g, 4),
         to_floats = graph_chance(g, 2);
    int     len = 1 + (int)graph_roll(g, 6), rank = 1 + (int)graph_roll(g, 2);
    int64_t dim[2] = { 1 + (int64_t)graph_roll(g, 4), 1 + (int64_t)graph_roll(g, 4) };
    for (int i = 0; i < len; i++) {
        numbers[i] = i - 1;
        names[i] = 2 * i;
        floats[i] = quarter(g);
    }
    int         v = from_text ? graph_leaf(g, BLIND_STRING, rank, dim, FILL_WORDS)
                              : graph_numbers(g, BLIND_I64, rank, dim, -2, 6);
    graph_node *n = v < 0 ? NULL : add(g, mapper ? "CategoryMapper" : "LabelEncoder", 1, &v);
    if (!n)
        return false;
    if (mapper) {
        graph_attr_list(n, "cats_int64s", numbers, len);
        graph_attr_words(n, "cats_strings", names, len);
    } else {
        if (from_text)
            graph_attr_words(n, "keys_strings", names, len);
        else
            graph_attr_list(n, "keys_int64s", numbers, len);
        if (to_floats)
            graph_attr_floats(n, "values_floats", floats, len);
        else if (from_text)
            graph_attr_list(n, "values_int64s", numbers, len);
        else
            graph_attr_words(n, "values_strings", names, len);
    }
    if (graph_chance(g, 2))
        graph_attr_int(n, "default_int64", 77);
    return graph_result(g, n,
                        to_floats && !mapper ? BLIND_F32
                        : from_text          ? BLIND_I64
                                             : BLIND_STRING,
                        rank, dim) >= 0;
}

static bool make_one_hot(graph *g)
{
    int64_t list[6], dim[3] = { 1 + (int64_t)graph_roll(g, 4), 1 + (int64_t)graph_roll(g, 3), 0 };
    bool    text = graph_chance(g, 2);
    int     len = 1 + (int)graph_roll(g, 6), rank = 1 + (int)graph_roll(g, 2);
    for (int i = 0; i < len; i++)
        list[i] = 2 * i;
    int         v = text ? graph_leaf(g, BLIND_STRING, rank, dim, FILL_WORDS)
                         : graph_numbers(g, BLIND_I64, rank, dim, 0, 12);
    graph_node *n = v < 0 ? NULL : add(g, "OneHotEncoder", 1, &v);
    if (!n)
        return false;
    if (text)
        graph_attr_words(n, "cats_strings", list, len);
    else
        graph_attr_list(n, "cats_int64s", list, len);
    if (graph_chance(g, 8))
        graph_attr_int(n, "zeros", 0);
    dim[rank] = len;
    return graph_result(g, n, BLIND_F32, rank + 1, dim) >= 0;
}

/* Linear models and support vectors.  ---------------------------------------------------------- */

/* `name` of a list of numbers. */
static void class_labels(graph_node *n, const char *name, int64_t classes, bool text)
{
    int64_t list[ATTR_INTS];
    for (int64_t i = 0; i < classes; i++)
        list[i] = classes == 2 ? i : 3 * i + 1; /* ONNX Runtime gives 0 or 1 for either of two */
    if (text)
        graph_attr_words(n, "classlabels_strings", list, (int)classes);
    else
        graph_attr_list(n, name, list, (int)classes);
}

static bool make_linear(graph *g)
{
    static const char *const posts[] = { "NONE", "SOFTMAX", "LOGISTIC" };
    int64_t                  dim[2], outs = 1 + (int64_t)graph_roll(g, 3);
    bool                     classes = graph_chance(g, 2), text = graph_chance(g, 2);
    unsigned                 post = graph_chance(g, 2) ? 0 : graph_roll(g, 3);
    int                      v = table(g, REAL32, FILL_QUARTERS, dim);
    if (v < 0 || dim[1] * outs > ATTR_INTS)
        return false;
    outs += classes; /* at least two */
    if (dim[1] * outs > ATTR_INTS)
        return false;
    graph_node *n = add(g, classes ? "LinearClassifier" : "LinearRegressor", 1, &v);
    if (!n)
        return false;
    n->rule = post ? RULE_LOOSE : RULE_JUMP;
    n->ulps = 64;
    n->own = n->peer = 1e-6;
    quarters(g, n, "coefficients", dim[1] * outs);
    if (classes || graph_chance(g, 2))
        quarters(g, n, "intercepts", outs);
    graph_attr_text(n, "post_transform", posts[post]);
    if (classes)
        class_labels(n, "classlabels_ints", outs, text);
    else
        graph_attr_int(n, "targets", outs);
    if (classes && graph_result(g, n, text ? BLIND_STRING : BLIND_I64, 1, dim) < 0)
        return false;
    dim[1] = outs;
    return graph_result(g, n, BLIND_F32, 2, dim) >= 0;
}

static bool make_vectors(graph *g)
{
    static const char *const kernels[] = { "LINEAR", "POLY", "RBF", "SIGMOID" };
    int64_t                  dim[2], vectors = graph_roll(g, 5);
    int                      v = table(g, REAL32, FILL_QUARTERS, dim);
    unsigned                 kernel = vectors ? graph_roll(g, 4) : 0;
    if (v < 0 || vectors * dim[1] > ATTR_INTS || dim[1] > ATTR_INTS)
        return false;
    graph_node *n = add(g, "SVMRegressor", 1, &v);
    if (!n)
        return false;
    n->rule = kernel ? RULE_LOOSE : RULE_JUMP;
    n->ulps = 64;
    n->own = n->peer = kernel == 1 ? 1e-2 : 1e-4;
    graph_attr_text(n, "kernel_type", kernels[kernel]);
    graph_attr_floats(n, "kernel_params", (float[]){ 0.25f, 0.5f, 2 }, 3);
    graph_attr_int(n, "n_supports", vectors);
    quarters(g, n, "coefficients", vectors ? vectors : dim[1]);
    quarters(g, n, "rho", 1);
    if (vectors)
        quarters(g, n, "support_vectors", vectors * dim[1]);
    dim[1] = 1;
    return graph_result(g, n, BLIND_F32, 2, dim) >= 0;
}

/* Trees.  ------------------------------------------------------------------------------------ */

/* Nodes as the operators list them; weights of leaves beside. */
typedef struct {
    int64_t tree[ATTR_INTS], id[ATTR_INTS], feature[ATTR_INTS], yes[ATTR_INTS], no[ATTR_INTS];
    int64_t missing[ATTR_INTS];
    float   value[ATTR_INTS], weight[ATTR_INTS];
    int64_t weight_tree[ATTR_INTS], weight_id[ATTR_INTS], weight_to[ATTR_INTS];
    bool    leaf[ATTR_INTS];
    int     len, weights;
} forest;

/* A node and those below it; its number within the tree. */
static int64_t grow(graph *g, forest *f, int64_t tree, int64_t *next, int depth,
                    const int64_t shape[2])
{
    int     i = f->len++;
    int64_t id = (*next)++;
    f->tree[i] = tree;
    f->id[i] = id;
    f->feature[i] = (int64_t)graph_roll(g, (unsigned)shape[0]);
    f->value[i] = quarter(g);
    f->missing[i] = graph_chance(g, 2);
    f->yes[i] = f->no[i] = 0;
    f->leaf[i] = depth == 0 || graph_chance(g, 4);
    if (f->leaf[i]) {
        f->weight_tree[f->weights] = tree;
        f->weight_id[f->weights] = id;
        f->weight_to[f->weights] = (int64_t)graph_roll(g, (unsigned)shape[1]);
        f->weight[f->weights++] = quarter(g);
        return id;
    }
    f->yes[i] = grow(g, f, tree, next, depth - 1, shape);
    f->no[i] = grow(g, f, tree, next, depth - 1, shape);
    return id;
}

static void tree_attrs(graph *g, graph_node *n, const forest *f, bool classes)
{
    int64_t modes[ATTR_INTS], branch = GRAPH_WORDS + 1;
    if (graph_chance(g, 2))
        branch += (int64_t)graph_roll(g, GRAPH_MODES - 1);
    for (int i = 0; i < f->len; i++)
        modes[i] = f->leaf[i] ? GRAPH_WORDS : branch;
    graph_attr_list(n, "nodes_treeids", f->tree, f->len);
    graph_attr_list(n, "nodes_nodeids", f->id, f->len);
    graph_attr_list(n, "nodes_featureids", f->feature, f->len);
    graph_attr_list(n, "nodes_truenodeids", f->yes, f->len);
    graph_attr_list(n, "nodes_falsenodeids", f->no, f->len);
    graph_attr_list(n, "nodes_missing_value_tracks_true", f->missing, f->len);
    graph_attr_floats(n, "nodes_values", f->value, f->len);
    graph_attr_words(n, "nodes_modes", modes, f->len);
    graph_attr_list(n, classes ? "class_treeids" : "target_treeids", f->weight_tree, f->weights);
    graph_attr_list(n, classes ? "class_nodeids" : "target_nodeids", f->weight_id, f->weights);
    graph_attr_list(n, classes ? "class_ids" : "target_ids", f->weight_to, f->weights);
    graph_attr_floats(n, classes ? "class_weights" : "target_weights", f->weight, f->weights);
}

static bool make_trees(graph *g)
{
    static const char *const joins[] = { "SUM", "AVERAGE", "MIN", "MAX" };
    static forest            f;
    int64_t                  dim[2], shape[2], outs = 1 + (int64_t)graph_roll(g, 3);
    bool                     classes = graph_chance(g, 2), text = graph_chance(g, 2);
    unsigned                 trees = 1 + graph_roll(g, 3);
    int v = table(g, REAL32 | ANY_OF(F64), graph_chance(g, 4) ? FILL_HARD : FILL_QUARTERS, dim);
    if (v < 0)
        return false;
    outs += classes;
    shape[0] = dim[1];
    shape[1] = outs;
    f.len = f.weights = 0;
    for (unsigned t = 0; t < trees; t++) {
        int64_t next = 0;
        (void)grow(g, &f, t, &next, 3, shape);
    }
    graph_node *n = add(g, classes ? "TreeEnsembleClassifier" : "TreeEnsembleRegressor", 1, &v);
    if (!n)
        return false;
    tree_attrs(g, n, &f, classes);
    if (classes) {
        class_labels(n, "classlabels_int64s", outs, text);
    } else {
        unsigned join = graph_roll(g, BL_LEN(joins));
        n->rule = join == 1 ? RULE_LOOSE : RULE_JUMP; /* a third is no binary fraction */
        n->peer = 1e-6;
        graph_attr_int(n, "n_targets", outs);
        graph_attr_text(n, "aggregate_function", joins[join]);
    }
    if (graph_chance(g, 2))
        quarters(g, n, "base_values", outs);
    if (classes && graph_result(g, n, text ? BLIND_STRING : BLIND_I64, 1, dim) < 0)
        return false;
    dim[1] = outs;
    return graph_result(g, n, BLIND_F32, 2, dim) >= 0;
}

const graph_family graph_learned[] = {
    { make_scaled, 3 },  { make_columns, 1 }, { make_chosen, 1 },  { make_labels, 2 },
    { make_one_hot, 1 }, { make_linear, 2 },  { make_vectors, 1 }, { make_trees, 3 },
};
const size_t graph_learned_len = BL_LEN(graph_learned);
