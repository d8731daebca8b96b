/* Templates: operators that work element by element, and the patterns of them that are fused. */
#include "fuzz/graph_maker.h"

#include <math.h>

/* One input.  -------------------------------------------------------------------------------- */

/* low, high: of the input, where it matters that most lie there; 0, 0: any. */
static const struct {
    const char *type;
    int         since;
    unsigned    types;
    graph_rule  rule;
    double      slope, ulps;
    const char *attr;
    float       from, to;
} unaries[] = {
    { "Relu", 1, NUMBERS & ~UNSIGNED, RULE_SMOOTH, 1, 0, NULL, 0, 0 },
    { "LeakyRelu", 1, REALS, RULE_SMOOTH, 2, 0, "alpha", -2, 2 },
    { "Sigmoid", 1, REALS, RULE_SMOOTH, 0.25, 8, NULL, 0, 0 },
    { "Tanh", 1, REALS, RULE_SMOOTH, 1, 8, NULL, 0, 0 },
    { "HardSigmoid", 1, REALS, RULE_SMOOTH, 1, 4, "alpha", 0, 1 },
    { "HardSwish", 14, REALS, RULE_SMOOTH, 2, 4, NULL, 0, 0 },
    { "Elu", 1, REALS, RULE_SMOOTH, 2, 8, "alpha", 0, 2 },
    { "Selu", 1, REALS, RULE_SMOOTH, 2, 8, NULL, 0, 0 },
    { "Celu", 12, REAL32, RULE_SMOOTH, 1, 8, "alpha", 0.5f, 2 },
    { "ThresholdedRelu", 10, REALS, RULE_JUMP, 1, 0, "alpha", 0, 1 },
    { "Softplus", 1, REALS, RULE_SMOOTH, 1, 8, NULL, 0, 0 },
    { "Softsign", 1, REALS, RULE_SMOOTH, 1, 4, NULL, 0, 0 },
    { "Mish", 18, REALS, RULE_SMOOTH, 1.2, 8, NULL, 0, 0 },
    { "Gelu", 20, REALS, RULE_SMOOTH, 1.2, 8, NULL, 0, 0 },
    { "Shrink", 9, NUMBERS, RULE_JUMP, 1, 0, "lambd", 0, 1 },
    { "Exp", 1, REALS, RULE_EXP, 1, 8, NULL, 0, 0 },
    { "Erf", 9, REALS, RULE_SMOOTH, 1.2, 8, NULL, 0, 0 },
    { "Log", 1, REALS, RULE_LOG, 1, 8, NULL, 0, 0 },
    { "Sqrt", 1, REALS, RULE_SQRT, 1, 2, NULL, 0, 0 },
    { "Reciprocal", 1, REALS, RULE_DIV, 1, 2, NULL, 0, 0 },
    { "Abs", 1, NUMBERS, RULE_SMOOTH, 1, 0, NULL, 0, 0 },
    { "Neg", 1, NUMBERS & ~UNSIGNED, RULE_SMOOTH, 1, 0, NULL, 0, 0 },
    { "Floor", 1, REALS, RULE_JUMP, 1, 0, NULL, 0, 0 },
    { "Ceil", 1, REALS, RULE_JUMP, 1, 0, NULL, 0, 0 },
    { "Round", 11, REALS, RULE_JUMP, 1, 0, NULL, 0, 0 },
    { "Sign", 9, NUMBERS, RULE_JUMP, 1, 0, NULL, 0, 0 },
    { "Sin", 7, REALS, RULE_SMOOTH, 1, 8, NULL, 0, 0 },
    { "Cos", 7, REALS, RULE_SMOOTH, 1, 8, NULL, 0, 0 },
    { "Tan", 7, REALS, RULE_LOOSE, 1, 8, NULL, 0, 0 },
    { "Asin", 7, REALS, RULE_LOOSE, 1, 8, NULL, 0, 0 },
    { "Acos", 7, REALS, RULE_LOOSE, 1, 8, NULL, 0, 0 },
    { "Atan", 7, REALS, RULE_SMOOTH, 1, 8, NULL, 0, 0 },
    { "Sinh", 9, REALS, RULE_EXP, 1, 8, NULL, 0, 0 },
    { "Cosh", 9, REALS, RULE_EXP, 1, 8, NULL, 0, 0 },
    { "Asinh", 9, REALS, RULE_SMOOTH, 1, 8, NULL, 0, 0 },
    { "Acosh", 9, REALS, RULE_LOOSE, 1, 8, NULL, 0, 0 },
    { "Atanh", 9, REALS, RULE_LOOSE, 1, 8, NULL, 0, 0 },
    { "Identity", 1, ANYTHING, RULE_MOVE, 1, 0, NULL, 0, 0 },
};

static bool make_unary(graph *g)
{
    unsigned i = graph_roll(g, BL_LEN(unaries));
    if (unaries[i].since > g->opset)
        return false;
    bool jumps = unaries[i].rule == RULE_JUMP || unaries[i].rule == RULE_LOOSE;
    int  v = graph_take(g, unaries[i].types, 0, GRAPH_RANK, !jumps || graph_chance(g, 8));
    if (v < 0)
        return false;
    graph_node *n = graph_add(g, unaries[i].type, 1, &v);
    if (!n)
        return false;
    n->rule = unaries[i].rule;
    n->slope = unaries[i].slope;
    n->ulps = unaries[i].ulps;
    n->own = strcmp(n->type, "Gelu") == 0 || strncmp(n->type, "Hard", 4) == 0 ? 1e-6 : 0;
    n->peer = n->ulps > 0 ? 1e-6 : 0;
    if (unaries[i].attr && graph_chance(g, 2))
        graph_attr_float(n, unaries[i].attr,
                         unaries[i].from +
                             (unaries[i].to - unaries[i].from) * (float)graph_roll(g, 9) / 8);
    if (strcmp(n->type, "Gelu") == 0 && graph_chance(g, 2))
        graph_attr_text(n, "approximate", "tanh");
    return graph_result_like(g, n, v) >= 0;
}

static bool make_test(graph *g)
{
    static const char *const types[] = { "IsNaN", "IsInf", "Not", "BitwiseNot" };
    static const unsigned    takes[] = { REALS, ANY_OF(F32) | ANY_OF(F64), ANY_OF(BOOL), INTEGERS };
    unsigned                 i = graph_roll(g, g->opset < 18 ? 3 : 4);
    int                      v = graph_take(g, takes[i], 0, GRAPH_RANK, false);
    graph_node              *n = v < 0 ? NULL : graph_add(g, types[i], 1, &v);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    if (i == 1 && graph_chance(g, 2))
        graph_attr_int(n, graph_chance(g, 2) ? "detect_negative" : "detect_positive", 0);
    return graph_result(g, n, i == 3 ? g->value[v].dtype : BLIND_BOOL, g->value[v].rank,
                        g->value[v].dim) >= 0;
}

static bool make_clip(graph *g)
{
    int v = graph_take(g, g->opset < 12 ? REALS : NUMBERS, 0, GRAPH_RANK, true),
        in[3] = { v, -1, -1 };
    if (v < 0)
        return false;
    blind_dtype dtype = g->value[v].dtype;
    int         low = (int)graph_roll(g, 3);
    if (!graph_chance(g, 4))
        in[1] = graph_number(g, dtype, low - (UNSIGNED >> dtype & 1 ? 0 : 2));
    if (!graph_chance(g, 4))
        in[2] = graph_number(g, dtype, low + (int)graph_roll(g, 3));
    graph_node *n = graph_add(g, "Clip", in[2] >= 0 ? 3 : in[1] >= 0 ? 2 : 1, in);
    if (!n)
        return false;
    n->rule = RULE_SMOOTH;
    return graph_result_like(g, n, v) >= 0;
}

static bool make_cast(graph *g)
{
    static const int onnx[] = { 1, 11, 6, 7, 12, 13, 2, 4, 3, 5, 9, 10, 16 };
    int              v = graph_take(g, EVERYTHING, 0, GRAPH_RANK, true);
    if (v < 0)
        return false;
    const blind_dtype from = g->value[v].dtype, to = (blind_dtype)graph_roll(g, BLIND_BF16 + 1);
    bool              real = REALS >> to & 1;
    if (g->value[v].rough && !real && !graph_chance(g, 8))
        return false;
    graph_node *n = graph_add(g, "Cast", 1, &v);
    if (!n)
        return false;
    n->rule = real ? RULE_SMOOTH : RULE_JUMP;
    graph_attr_int(n, "to", onnx[to]);
    (void)from;
    return graph_result(g, n, to, g->value[v].rank, g->value[v].dim) >= 0;
}

/* Two inputs.  ------------------------------------------------------------------------------- */

static const struct {
    const char *type;
    int         since;
    unsigned    types;
    graph_rule  rule;
    bool        truth;
} binaries[] = {
    { "Add", 7, NUMBERS, RULE_ADD, false },
    { "Add", 7, NUMBERS, RULE_ADD, false },
    { "Sub", 7, NUMBERS, RULE_ADD, false },
    { "Mul", 7, NUMBERS, RULE_MUL, false },
    { "Mul", 7, NUMBERS, RULE_MUL, false },
    { "Div", 7, NUMBERS, RULE_DIV, false },
    { "Pow", 12, REALS | ANY_OF(I32) | ANY_OF(I64), RULE_LOOSE, false },
    { "Mod", 13, INTEGERS, RULE_JUMP, false },
    { "Equal", 11, EVERYTHING, RULE_JUMP, true },
    { "Less", 9, NUMBERS, RULE_JUMP, true },
    { "Greater", 9, NUMBERS, RULE_JUMP, true },
    { "LessOrEqual", 12, NUMBERS, RULE_JUMP, true },
    { "GreaterOrEqual", 12, NUMBERS, RULE_JUMP, true },
    { "And", 7, ANY_OF(BOOL), RULE_JUMP, true },
    { "Or", 7, ANY_OF(BOOL), RULE_JUMP, true },
    { "Xor", 7, ANY_OF(BOOL), RULE_JUMP, true },
    { "BitwiseAnd", 18, INTEGERS, RULE_JUMP, false },
    { "BitwiseOr", 18, INTEGERS, RULE_JUMP, false },
    { "BitwiseXor", 18, INTEGERS, RULE_JUMP, false },
    { "BitShift", 11, UNSIGNED, RULE_JUMP, false },
    { "PRelu", 7, ANY_OF(F32) | ANY_OF(F64), RULE_MUL, false },
};

/* The broadcast shape of two that fit. */
static int broadcast(const graph_value *a, const graph_value *b, int64_t *dim)
{
    int rank = BL_MAX(a->rank, b->rank);
    for (int i = 0; i < rank; i++) {
        int64_t x = i < rank - a->rank ? 1 : a->dim[i - (rank - a->rank)];
        int64_t y = i < rank - b->rank ? 1 : b->dim[i - (rank - b->rank)];
        dim[i] = x == 1 ? y : x;
    }
    return rank;
}

static bool make_binary(graph *g)
{
    unsigned i = graph_roll(g, BL_LEN(binaries));
    bool     jumps = binaries[i].rule == RULE_JUMP || binaries[i].rule == RULE_LOOSE, slope = false;
    int64_t  dim[GRAPH_RANK];
    if (binaries[i].since > g->opset)
        return false;
    int a = graph_take(g, binaries[i].types, 0, GRAPH_RANK, !jumps || graph_chance(g, 8));
    if (a < 0)
        return false;
    bool whole = INTEGERS >> g->value[a].dtype & 1;
    int  b = whole && (binaries[i].rule == RULE_DIV || binaries[i].type[0] == 'M')
                 ? graph_numbers(g, g->value[a].dtype, 1, &(int64_t){ 1 }, 1, 100)
             : jumps && !graph_chance(g, 8) ? graph_leaf(g, g->value[a].dtype, g->value[a].rank,
                                                         g->value[a].dim, graph_floats(g))
                                            : graph_partner(g, a, true);
    if (b < 0)
        return false;
    slope = strcmp(binaries[i].type, "PRelu") == 0;
    bool        swap = !slope && !whole && graph_chance(g, 3);
    int         in[2] = { swap ? b : a, swap ? a : b };
    graph_node *n = graph_add(g, binaries[i].type, 2, in);
    if (!n)
        return false;
    n->rule = whole || binaries[i].truth ? RULE_JUMP : binaries[i].rule;
    n->ulps = strcmp(n->type, "Pow") == 0 ? 32 : 0;
    if (strcmp(n->type, "BitShift") == 0)
        graph_attr_text(n, "direction", graph_chance(g, 2) ? "LEFT" : "RIGHT");
    if (strcmp(n->type, "Mod") == 0 && graph_chance(g, 2))
        graph_attr_int(n, "fmod", 1);
    int rank = broadcast(&g->value[a], &g->value[b], dim);
    return graph_result(g, n, binaries[i].truth ? BLIND_BOOL : g->value[a].dtype, rank, dim) >= 0;
}

static bool make_variadic(graph *g)
{
    static const char *const types[] = { "Sum", "Max", "Min", "Mean" };
    unsigned                 i = graph_roll(g, BL_LEN(types));
    int64_t                  dim[GRAPH_RANK];
    int in[4] = { graph_take(g, i % 3 ? NUMBERS : REALS, 0, GRAPH_RANK, true), -1, -1, -1 };
    int n_in = 1 + (int)graph_roll(g, 4);
    if (in[0] < 0)
        return false;
    graph_value shape = g->value[in[0]];
    for (int k = 1; k < n_in; k++) {
        in[k] = graph_partner(g, in[0], true);
        if (in[k] < 0)
            return false;
        shape.rank = broadcast(&shape, &g->value[in[k]], dim);
        memcpy(shape.dim, dim, sizeof dim);
    }
    graph_node *n = graph_add(g, types[i], n_in, in);
    if (!n)
        return false;
    n->rule = i == 1 || i == 2 ? RULE_SMOOTH : RULE_ADD;
    n->ulps = i == 3 ? 4 : 0;
    return graph_result(g, n, shape.dtype, shape.rank, shape.dim) >= 0;
}

static bool make_where(graph *g)
{
    int     a = graph_take(g, EVERYTHING, 0, GRAPH_RANK, true), b, c;
    int64_t dim[GRAPH_RANK];
    if (a < 0 || (b = graph_partner(g, a, true)) < 0)
        return false;
    c = graph_leaf(g, BLIND_BOOL, g->value[a].rank, g->value[a].dim, FILL_UNIT);
    graph_node *n = c < 0 ? NULL : graph_add(g, "Where", 3, (int[]){ c, a, b });
    if (!n)
        return false;
    int rank = broadcast(&g->value[a], &g->value[b], dim);
    return graph_result(g, n, g->value[a].dtype, rank, dim) >= 0;
}

/* Patterns that fusion knows.  --------------------------------------------------------------- */

static int step(graph *g, const char *type, graph_rule rule, int a, int b)
{
    int64_t     dim[GRAPH_RANK];
    int         in[2] = { a, b };
    graph_node *n = a < 0 ? NULL : graph_add(g, type, b < 0 ? 1 : 2, in);
    if (!n)
        return -1;
    n->rule = rule;
    n->ulps = rule == RULE_SMOOTH || rule == RULE_SQRT ? 8 : 0;
    n->peer = rule == RULE_SMOOTH ? 1e-6 : 0;
    if (b < 0)
        return graph_result_like(g, n, a);
    int rank = broadcast(&g->value[a], &g->value[b], dim);
    return graph_result(g, n, g->value[a].dtype, rank, dim);
}

static int scaled(graph *g, const char *type, int v, double by)
{
    int c = v < 0 ? -1 : graph_number(g, g->value[v].dtype, by);
    if (c >= 0)
        g->value[c].origin = FROM_WEIGHT;
    return c < 0 ? -1
                 : step(g, type,
                        *type == 'D'   ? RULE_DIV
                        : *type == 'M' ? RULE_MUL
                                       : RULE_ADD,
                        v, c);
}

static bool make_gelu(graph *g)
{
    int v = graph_take(g, REAL32, 1, 4, true);
    int e = step(g, "Erf", RULE_SMOOTH, scaled(g, "Div", v, M_SQRT2), -1);
    int one = scaled(g, "Add", e, 1);
    if (one < 0)
        return false;
    int out = graph_chance(g, 2) ? step(g, "Mul", RULE_MUL, scaled(g, "Mul", v, 0.5), one)
                                 : scaled(g, "Mul", step(g, "Mul", RULE_MUL, v, one), 0.5);
    if (out >= 0)
        g->node[g->n_nodes - 1].own = 1e-6;
    return out >= 0;
}

static bool make_gate(graph *g)
{
    int a = graph_take(g, REAL32, 1, 4, true);
    int b = a < 0 || graph_chance(g, 2)
                ? a
                : graph_leaf(g, BLIND_F32, g->value[a].rank, g->value[a].dim, graph_floats(g));
    if (b < 0)
        return false;
    int left = graph_chance(g, 2) ? step(g, "Tanh", RULE_SMOOTH, a, -1) : a;
    int right = step(g, "Sigmoid", RULE_SMOOTH, b, -1);
    if (left < 0 || right < 0)
        return false;
    int out = step(g, "Mul", RULE_MUL, left, right);
    if (out >= 0)
        g->node[g->n_nodes - 1].own = 1e-6;
    return out >= 0;
}

/* The mean over the last axis, kept. */
static int mean(graph *g, int v)
{
    graph_node *n;
    int         axis = -1;
    if (v < 0)
        return -1;
    graph_value like = g->value[v];
    if (g->opset < 18) {
        n = graph_add(g, "ReduceMean", 1, &v);
        if (n)
            graph_attr_list(n, "axes", (int64_t[]){ -1 }, 1);
    } else {
        axis = graph_list(g, (int64_t[]){ -1 }, 1);
        if (axis < 0)
            return -1;
        g->value[axis].origin = FROM_WEIGHT;
        n = graph_add(g, "ReduceMean", 2, (int[]){ v, axis });
    }
    if (!n)
        return -1;
    n->rule = RULE_SMOOTH;
    n->ulps = 8;
    n->own = 1e-6;
    like.dim[like.rank - 1] = 1;
    return graph_result(g, n, like.dtype, like.rank, like.dim);
}

static bool make_layer_norm_chain(graph *g)
{
    int64_t dim[GRAPH_RANK];
    int     rank = graph_shape(g, 2, 4, dim);
    dim[rank - 1] = BL_MAX(dim[rank - 1], 2);
    int v = graph_leaf(g, BLIND_F32, rank, dim, FILL_UNIT);
    int less = step(g, "Sub", RULE_ADD, v, mean(g, v));
    if (less < 0)
        return false;
    int square =
        graph_chance(g, 2) ? scaled(g, "Pow", less, 2) : step(g, "Mul", RULE_MUL, less, less);
    int root = step(g, "Sqrt", RULE_SQRT, scaled(g, "Add", mean(g, square), 1e-2), -1);
    if (root < 0)
        return false;
    int out = step(g, "Div", RULE_DIV, less, root);
    for (int i = 0; i < 2 && out >= 0; i++) {
        int c = graph_leaf(g, BLIND_F32, 1, &dim[rank - 1], FILL_UNIT);
        if (c < 0)
            return false;
        g->value[c].origin = FROM_WEIGHT;
        out = step(g, i ? "Add" : "Mul", i ? RULE_ADD : RULE_MUL, out, c);
    }
    return out >= 0;
}

const graph_family graph_elements[] = {
    { make_unary, 8 },  { make_test, 1 },
    { make_clip, 2 },   { make_cast, 2 },
    { make_binary, 8 }, { make_variadic, 2 },
    { make_where, 1 },  { make_gelu, 1 },
    { make_gate, 1 },   { make_layer_norm_chain, 1 },
};
const size_t graph_elements_len = BL_LEN(graph_elements);
