/* Tree ensembles: from lists of attributes to nodes that can be walked.
 *
 * TreeEnsembleRegressor and -Classifier name nodes by tree and number, TreeEnsemble (opset 5) by
 * position, its leaves apart.  Both become one list of raw nodes, whose trees are then laid out
 * breadth first.  Source: ONNX-ML 1.17, operators TreeEnsemble*. */
#include "onnx/ml/tree.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

typedef struct {
    bl_tree_mode mode;
    double       value;
    uint32_t     feature;
    bool         nan_true; /* a missing value takes the true branch */
    size_t       yes, no;  /* raw nodes */
    size_t       members, members_end;
    size_t       weights; /* before the first one; those of the next follow */
} raw_node;

typedef struct {
    bl_build       *b;
    const bl_node  *n;
    bl_arena       *arena;
    bl_trees       *out;
    raw_node       *raw;            /* [n_raw + 1] */
    size_t          n_raw, n_inner; /* raw nodes; those before which none is a leaf of opset 5 */
    bl_tree_weight *weights;        /* by raw node */
    size_t         *raw_roots;
} builder;

static blind_code no_memory(const builder *t)
{
    return bl_op_fail(t->b, t->n, BLIND_MEMORY, "no memory for the trees");
}

/* Attributes.  ------------------------------------------------------------------------------- */

/* A list of whole numbers of that length; *out is NULL where an optional one is absent. */
static blind_code ints_of(const builder *t, const char *name, size_t len, bool needed,
                          const int64_t **out)
{
    const bl_attr *a = bl_attr_find(t->n, name);
    bool           there = a && a->ints && (a->len || len == 0);
    *out = there ? a->ints : NULL;
    if ((!there && needed && len) || (there && a->len != len))
        return bl_op_fail(t->b, t->n, BLIND_INPUT, "%zu numbers in '%s', expected %zu",
                          there ? a->len : 0, name, len);
    return BLIND_OK;
}

/* Real numbers of attribute `name`, a list of floats or a tensor, or of `name`_as_tensor. */
typedef struct {
    const float *floats;
    bl_tensor    tensor;
    size_t       len;
    bool         doubles;
} reals;

static blind_code reals_of(const builder *t, const char *name, const char *as_tensor, reals *out)
{
    const bl_attr *a = bl_attr_find(t->n, name), *v = bl_attr_find(t->n, as_tensor);
    *out = (reals){ 0 };
    if (v && v->type == BL_ATTR_TENSOR && v->t.len) {
        *out = (reals){ .tensor = v->t, .len = v->t.len, .doubles = v->t.dtype == BLIND_F64 };
        if (v->t.dtype != BLIND_F32 && v->t.dtype != BLIND_F64)
            return bl_op_fail(t->b, t->n, BLIND_UNSUPPORTED, "'%s' of type %s", as_tensor,
                              blind_dtype_name(v->t.dtype));
    } else if (a && a->floats) {
        *out = (reals){ .floats = a->floats, .len = a->len };
    }
    return BLIND_OK;
}

static double real_at(const reals *r, size_t i)
{
    double v = 0;
    if (r->floats)
        return r->floats[i];
    bl_tensor_number(&r->tensor, i, &v);
    return v;
}

static blind_code need_len(const builder *t, const char *name, size_t len, size_t wanted)
{
    return len == wanted ? BLIND_OK
                         : bl_op_fail(t->b, t->n, BLIND_INPUT, "%zu numbers in '%s', expected %zu",
                                      len, name, wanted);
}

static blind_code set_feature(const builder *t, raw_node *r, int64_t feature)
{
    if (feature < 0 || feature > BL_MAX_TREE_FEATURE)
        return bl_op_fail(t->b, t->n, BLIND_INPUT, "feature %lld", (long long)feature);
    r->feature = (uint32_t)feature;
    return BLIND_OK;
}

static blind_code make_raw(builder *t, size_t n)
{
    if (n == 0 || n > BL_MAX_TREE_NODES)
        return bl_op_fail(t->b, t->n, n ? BLIND_LIMIT : BLIND_INPUT, "%zu nodes", n);
    t->n_raw = n;
    t->raw = calloc(n + 1, sizeof *t->raw);
    t->raw_roots = calloc(n + 1, sizeof *t->raw_roots);
    return t->raw && t->raw_roots ? BLIND_OK : no_memory(t);
}

/* Nodes named by tree and number.  ----------------------------------------------------------- */

typedef struct {
    const int64_t *trees, *nodes;
    uint32_t      *slots; /* 1 + index of the node; 0 is free */
    size_t         mask;
} index_of;

static size_t slot_for(const index_of *x, int64_t tree, int64_t node)
{
    uint64_t hash = (uint64_t)tree * 0x9e3779b97f4a7c15u ^ (uint64_t)node * 0xc2b2ae3d27d4eb4fu;
    size_t   slot = (size_t)(hash ^ hash >> 29) & x->mask;
    while (x->slots[slot] &&
           (x->trees[x->slots[slot] - 1] != tree || x->nodes[x->slots[slot] - 1] != node))
        slot = (slot + 1) & x->mask;
    return slot;
}

static blind_code index_nodes(const builder *t, index_of *x)
{
    size_t slots = 16;
    while (slots < 2 * t->n_raw)
        slots *= 2;
    x->mask = slots - 1;
    x->slots = calloc(slots, sizeof *x->slots);
    if (!x->slots)
        return no_memory(t);
    for (size_t i = 0; i < t->n_raw; i++) {
        size_t slot = slot_for(x, x->trees[i], x->nodes[i]);
        if (x->slots[slot])
            return bl_op_fail(t->b, t->n, BLIND_INPUT, "node %lld of tree %lld twice",
                              (long long)x->nodes[i], (long long)x->trees[i]);
        x->slots[slot] = (uint32_t)i + 1;
    }
    return BLIND_OK;
}

static blind_code find_node(const builder *t, const index_of *x, int64_t tree, int64_t node,
                            size_t *out)
{
    uint32_t found = x->slots[slot_for(x, tree, node)];
    *out = found ? found - 1 : 0;
    return found ? BLIND_OK
                 : bl_op_fail(t->b, t->n, BLIND_INPUT, "no node %lld in tree %lld", (long long)node,
                              (long long)tree);
}

static blind_code mode_of(const builder *t, blind_span word, bl_tree_mode *out)
{
    static const struct {
        const char  *word;
        bl_tree_mode mode;
    } modes[] = {
        { "BRANCH_LEQ", BL_TREE_LEQ }, { "BRANCH_LT", BL_TREE_LT }, { "BRANCH_GTE", BL_TREE_GTE },
        { "BRANCH_GT", BL_TREE_GT },   { "BRANCH_EQ", BL_TREE_EQ }, { "BRANCH_NEQ", BL_TREE_NEQ },
        { "LEAF", BL_TREE_LEAF },
    };
    for (size_t i = 0; i < BL_LEN(modes); i++)
        if (bl_span_equal(word, bl_span_str(modes[i].word))) {
            *out = modes[i].mode;
            return BLIND_OK;
        }
    return bl_op_fail(t->b, t->n, BLIND_INPUT, "node mode '%.*s'",
                      (int)BL_MIN(word.size, (size_t)40), (const char *)word.data);
}

typedef struct {
    const char *trees, *nodes, *ids, *weights, *weights_tensor;
} weight_names;

static const weight_names of_targets = { "target_treeids", "target_nodeids", "target_ids",
                                         "target_weights", "target_weights_as_tensor" };
static const weight_names of_classes = { "class_treeids", "class_nodeids", "class_ids",
                                         "class_weights", "class_weights_as_tensor" };

static blind_code set_weight(const builder *t, bl_tree_weight *w, int64_t target, double value)
{
    if (target < 0 || (uint64_t)target >= t->out->n_targets)
        return bl_op_fail(t->b, t->n, BLIND_INPUT, "target %lld of %zu", (long long)target,
                          t->out->n_targets);
    *w = (bl_tree_weight){ (uint32_t)target, (float)value, value };
    return BLIND_OK;
}

/* Weights in order of their nodes: counted, then dealt. */
static blind_code read_weights(builder *t, const index_of *x, const weight_names *names)
{
    reals          values;
    const int64_t *trees, *nodes, *ids;
    BL_TRY(reals_of(t, names->weights, names->weights_tensor, &values));
    BL_TRY(ints_of(t, names->trees, values.len, true, &trees));
    BL_TRY(ints_of(t, names->nodes, values.len, true, &nodes));
    BL_TRY(ints_of(t, names->ids, values.len, true, &ids));
    bl_auto_free size_t *at = calloc(values.len + 1, sizeof *at);
    bl_auto_free size_t *next = calloc(t->n_raw + 1, sizeof *next);
    t->weights = calloc(values.len + 1, sizeof *t->weights);
    if (!at || !next || !t->weights)
        return no_memory(t);
    for (size_t i = 0; i < values.len; i++) {
        BL_TRY(find_node(t, x, trees[i], nodes[i], &at[i]));
        t->raw[at[i] + 1].weights++;
    }
    for (size_t i = 0; i < t->n_raw; i++) {
        t->raw[i + 1].weights += t->raw[i].weights;
        next[i] = t->raw[i].weights;
    }
    for (size_t i = 0; i < values.len; i++)
        BL_TRY(set_weight(t, &t->weights[next[at[i]]++], ids[i], real_at(&values, i)));
    t->out->doubles = t->out->doubles || values.doubles;
    return BLIND_OK;
}

static blind_code read_named_nodes(builder *t, const index_of *x, const bl_attr *modes)
{
    const int64_t *yes, *no, *features, *missing;
    reals          values;
    BL_TRY(ints_of(t, "nodes_truenodeids", t->n_raw, true, &yes));
    BL_TRY(ints_of(t, "nodes_falsenodeids", t->n_raw, true, &no));
    BL_TRY(ints_of(t, "nodes_featureids", t->n_raw, true, &features));
    BL_TRY(ints_of(t, "nodes_missing_value_tracks_true", t->n_raw, false, &missing));
    BL_TRY(reals_of(t, "nodes_values", "nodes_values_as_tensor", &values));
    BL_TRY(need_len(t, "nodes_values", values.len, t->n_raw));
    t->out->doubles = values.doubles;
    for (size_t i = 0; i < t->n_raw; i++) {
        raw_node *r = &t->raw[i];
        BL_TRY(mode_of(t, modes->strings[i], &r->mode));
        r->value = real_at(&values, i);
        r->nan_true = missing && missing[i] != 0;
        if (r->mode == BL_TREE_LEAF)
            continue;
        BL_TRY(set_feature(t, r, features[i]));
        BL_TRY(find_node(t, x, x->trees[i], yes[i], &r->yes));
        BL_TRY(find_node(t, x, x->trees[i], no[i], &r->no));
    }
    return BLIND_OK;
}

static blind_code read_named(builder *t)
{
    const bl_attr *modes = bl_attr_find(t->n, "nodes_modes");
    bool           classes = strcmp(t->n->type, "TreeEnsembleClassifier") == 0;
    index_of       x = { 0 };
    BL_TRY(make_raw(t, modes && modes->strings ? modes->len : 0));
    t->n_inner = t->n_raw;
    BL_TRY(ints_of(t, "nodes_treeids", t->n_raw, true, &x.trees));
    BL_TRY(ints_of(t, "nodes_nodeids", t->n_raw, true, &x.nodes));
    blind_code code = index_nodes(t, &x);
    if (code == BLIND_OK)
        code = read_named_nodes(t, &x, modes);
    if (code == BLIND_OK)
        code = read_weights(t, &x, classes ? &of_classes : &of_targets);
    free(x.slots);
    BL_TRY(code);
    for (size_t i = 0; i < t->n_raw; i++) /* the first node of a tree is its root */
        if (i == 0 || x.trees[i] != x.trees[i - 1])
            t->raw_roots[t->out->n_trees++] = i;
    return BLIND_OK;
}

/* Nodes by position.  ------------------------------------------------------------------------ */

/* Sets of a MEMBER node: numbers up to a NaN, in the order of such nodes. */
static blind_code read_members(builder *t)
{
    reals  values;
    size_t at = 0;
    BL_TRY(reals_of(t, "", "membership_values", &values));
    t->out->member = bl_arena_array(t->arena, values.len + 1, sizeof *t->out->member);
    if (!t->out->member)
        return no_memory(t);
    for (size_t i = 0; i < values.len; i++)
        t->out->member[i] = real_at(&values, i);
    for (size_t i = 0; i < t->n_inner; i++) {
        raw_node *r = &t->raw[i];
        if (r->mode != BL_TREE_MEMBER)
            continue;
        if (at >= values.len)
            return bl_op_fail(t->b, t->n, BLIND_INPUT, "fewer sets than nodes of mode MEMBER");
        r->members = at;
        while (at < values.len && !isnan(t->out->member[at]))
            at++;
        r->members_end = at++;
    }
    return BLIND_OK;
}

static blind_code child_of(const builder *t, int64_t index, bool leaf, size_t *out)
{
    size_t most = leaf ? t->n_raw - t->n_inner : t->n_inner;
    if (index < 0 || (uint64_t)index >= most)
        return bl_op_fail(t->b, t->n, BLIND_INPUT, "child %lld of %zu", (long long)index, most);
    *out = (size_t)index + (leaf ? t->n_inner : 0);
    return BLIND_OK;
}

static blind_code read_placed_nodes(builder *t, const bl_tensor *modes)
{
    const int64_t *yes, *no, *yes_leaf, *no_leaf, *features, *missing;
    size_t         n = t->n_inner;
    reals          values;
    BL_TRY(ints_of(t, "nodes_truenodeids", n, true, &yes));
    BL_TRY(ints_of(t, "nodes_falsenodeids", n, true, &no));
    BL_TRY(ints_of(t, "nodes_trueleafs", n, true, &yes_leaf));
    BL_TRY(ints_of(t, "nodes_falseleafs", n, true, &no_leaf));
    BL_TRY(ints_of(t, "nodes_featureids", n, true, &features));
    BL_TRY(ints_of(t, "nodes_missing_value_tracks_true", n, false, &missing));
    BL_TRY(reals_of(t, "", "nodes_splits", &values));
    BL_TRY(need_len(t, "nodes_splits", values.len, n));
    t->out->doubles = values.doubles;
    for (size_t i = 0; i < n; i++) {
        raw_node *r = &t->raw[i];
        uint8_t   mode = ((const uint8_t *)modes->data)[i];
        if (mode > BL_TREE_MEMBER)
            return bl_op_fail(t->b, t->n, BLIND_INPUT, "node mode %u", mode);
        r->mode = (bl_tree_mode)mode;
        r->value = real_at(&values, i);
        r->nan_true = missing && missing[i] != 0;
        BL_TRY(set_feature(t, r, features[i]));
        BL_TRY(child_of(t, yes[i], yes_leaf[i] != 0, &r->yes));
        BL_TRY(child_of(t, no[i], no_leaf[i] != 0, &r->no));
    }
    return read_members(t);
}

static blind_code read_placed(builder *t)
{
    const bl_attr *modes = bl_attr_find(t->n, "nodes_modes"), *roots;
    const int64_t *targets;
    reals          weights;
    size_t         n = modes && modes->type == BL_ATTR_TENSOR ? modes->t.len : 0, root = 0;
    BL_TRY(reals_of(t, "", "leaf_weights", &weights));
    BL_TRY(ints_of(t, "leaf_targetids", weights.len, true, &targets));
    BL_TRY(make_raw(t, n + weights.len));
    t->n_inner = n;
    if (n && modes->t.dtype != BLIND_U8)
        return bl_op_fail(t->b, t->n, BLIND_INPUT, "node modes that are no bytes");
    if (n)
        BL_TRY(read_placed_nodes(t, &modes->t));
    t->out->doubles = t->out->doubles || weights.doubles;
    t->weights = calloc(weights.len + 1, sizeof *t->weights);
    if (!t->weights)
        return no_memory(t);
    for (size_t i = 0; i < weights.len; i++) {
        t->raw[n + i].mode = BL_TREE_LEAF;
        t->raw[n + i].weights = i;
        BL_TRY(set_weight(t, &t->weights[i], targets[i], real_at(&weights, i)));
    }
    t->raw[n + weights.len].weights = weights.len;
    roots = bl_attr_find(t->n, "tree_roots");
    if (!roots || !roots->ints || roots->len == 0 || roots->len > t->n_raw)
        return bl_op_fail(t->b, t->n, BLIND_INPUT, "no roots, or more than nodes");
    for (size_t i = 0; i < roots->len; i++) {
        BL_TRY(child_of(t, roots->ints[i], false, &root));
        t->raw_roots[t->out->n_trees++] = root;
    }
    return BLIND_OK;
}

/* Layout.  ----------------------------------------------------------------------------------- */

/* The number just below v: x < v is x <= below(v). */
static double below(double v, bool doubles)
{
    if (v == -INFINITY) /* nothing is */
        return NAN;
    return doubles ? nextafter(v, -INFINITY) : (double)nextafterf((float)v, -INFINITY);
}

typedef struct {
    size_t   *raw; /* of every node laid out, which is the queue too */
    uint32_t *depth;
    bool     *seen; /* raw nodes */
    size_t    count, leaves, weights;
} layout;

/* Children in the order that makes the comparison x <= value. */
static void set_branch(bl_trees *out, const raw_node *r, size_t at, size_t left, bool *swapped)
{
    bool         turned = r->mode == BL_TREE_GTE || r->mode == BL_TREE_GT || r->mode == BL_TREE_NEQ;
    bool         strict = r->mode == BL_TREE_LT || r->mode == BL_TREE_GTE;
    bool         nan_true = r->nan_true || r->mode == BL_TREE_NEQ; /* NaN is unlike any number */
    bool         nan_left = turned ? !nan_true : nan_true;
    double       value = strict ? below(r->value, out->doubles) : r->value;
    bl_tree_mode mode = r->mode == BL_TREE_MEMBER                         ? BL_TREE_MEMBER
                        : r->mode == BL_TREE_EQ || r->mode == BL_TREE_NEQ ? BL_TREE_EQ
                                                                          : BL_TREE_LEQ;
    out->general = out->general || mode != BL_TREE_LEQ;
    out->nodes[at] = (bl_tree_node){ (float)value, r->feature << 2 | (nan_left ? 2u : 0) | 1u,
                                     (uint32_t)left, 0 };
    out->exact[at] = (bl_tree_exact){ mode, value, r->members, r->members_end };
    out->features = BL_MAX(out->features, (size_t)r->feature + 1);
    *swapped = turned;
}

static void set_leaf(builder *t, layout *l, size_t at, size_t raw)
{
    bl_trees *out = t->out;
    size_t    first = t->raw[raw].weights, end = t->raw[raw + 1].weights;
    out->one_each = out->one_each && end - first == 1 && t->weights[first].target == 0;
    out->nodes[at] = (bl_tree_node){ end > first ? t->weights[first].weight : 0, 0, (uint32_t)at,
                                     (uint32_t)l->leaves };
    out->exact[at] = (bl_tree_exact){ .mode = BL_TREE_LEAF };
    out->weight_at[l->leaves++] = l->weights;
    for (size_t i = first; i < end; i++)
        out->weights[l->weights++] = t->weights[i];
    out->weight_at[l->leaves] = l->weights;
}

static blind_code enqueue(builder *t, layout *l, size_t raw, uint32_t depth)
{
    if (l->seen[raw] && raw < t->n_inner)
        return bl_op_fail(t->b, t->n, BLIND_INPUT, "a node with two parents, or its own ancestor");
    l->seen[raw] = true;
    l->raw[l->count] = raw;
    l->depth[l->count++] = depth;
    return BLIND_OK;
}

static blind_code lay_tree(builder *t, layout *l, size_t tree)
{
    bl_trees *out = t->out;
    out->roots[tree] = (uint32_t)l->count;
    size_t at = l->count;
    BL_TRY(enqueue(t, l, t->raw_roots[tree], 0));
    for (; at < l->count; at++) {
        const raw_node *r = &t->raw[l->raw[at]];
        bool            swapped;
        out->depths[tree] = BL_MAX(out->depths[tree], l->depth[at]);
        if (r->mode == BL_TREE_LEAF) {
            set_leaf(t, l, at, l->raw[at]);
            continue;
        }
        set_branch(out, r, at, l->count, &swapped);
        BL_TRY(enqueue(t, l, swapped ? r->no : r->yes, l->depth[at] + 1));
        BL_TRY(enqueue(t, l, swapped ? r->yes : r->no, l->depth[at] + 1));
    }
    return BLIND_OK;
}

/* Weights of leaves: a leaf of opset 5 may be the child of several nodes, and has one weight. */
static size_t most_weights(const builder *t, size_t most_nodes)
{
    size_t named = t->raw[t->n_raw].weights;
    return t->n_inner == t->n_raw ? named : most_nodes;
}

static blind_code lay_out(builder *t)
{
    bl_trees *out = t->out;
    size_t    most = 2 * t->n_inner + out->n_trees;
    layout    l = { 0 };
    out->nodes = bl_arena_array(t->arena, most + 1, sizeof *out->nodes);
    out->exact = bl_arena_array(t->arena, most + 1, sizeof *out->exact);
    out->roots = bl_arena_array(t->arena, out->n_trees + 1, sizeof *out->roots);
    out->depths = bl_arena_array(t->arena, out->n_trees + 1, sizeof *out->depths);
    out->weight_at = bl_arena_array(t->arena, most + 2, sizeof *out->weight_at);
    out->weights = bl_arena_array(t->arena, most_weights(t, most) + 1, sizeof *out->weights);
    l.raw = calloc(most + 2, sizeof *l.raw);
    l.depth = calloc(most + 2, sizeof *l.depth);
    l.seen = calloc(t->n_raw + 1, sizeof *l.seen);
    bool there = out->nodes && out->exact && out->roots && out->depths && out->weight_at &&
                 out->weights && l.raw && l.depth && l.seen;
    blind_code code = there ? BLIND_OK : no_memory(t);
    out->one_each = true;
    for (size_t i = 0; code == BLIND_OK && i < out->n_trees; i++)
        code = lay_tree(t, &l, i);
    free(l.raw);
    free(l.depth);
    free(l.seen);
    out->n_nodes = l.count;
    out->n_leaves = l.leaves;
    return code;
}

static void describe(bl_trees *out)
{
    bool   any = false;
    size_t first = 0;
    out->all_positive = true;
    for (size_t i = 0; i < out->weight_at[out->n_leaves]; i++) {
        const bl_tree_weight *w = &out->weights[i];
        out->all_positive = out->all_positive && w->exact >= 0;
        if (!any)
            first = w->target;
        out->classes_weighted = !any ? 1 : w->target != first ? 2 : out->classes_weighted;
        any = true;
    }
}

blind_code bl_trees_build(bl_build *b, const bl_node *n, bl_arena *arena, size_t n_targets,
                          bl_trees **out)
{
    bl_trees *made = bl_arena_alloc(arena, sizeof *made);
    builder   t = { .b = b, .n = n, .arena = arena, .out = made };
    *out = NULL;
    if (!made)
        return no_memory(&t);
    made->n_targets = n_targets;
    blind_code code = strcmp(n->type, "TreeEnsemble") == 0 ? read_placed(&t) : read_named(&t);
    if (code == BLIND_OK)
        code = lay_out(&t);
    free(t.raw);
    free(t.raw_roots);
    free(t.weights);
    BL_TRY(code);
    describe(made);
    *out = made;
    return BLIND_OK;
}
