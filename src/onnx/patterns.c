/* Patterns: small nodes that spell one operator, as exporters write them below the opset that has
 * it.  Each match starts at the last node; the others die when nobody reads them any more. */
#include "onnx/fuse.h"

#include <math.h>

static bool near(double x, double wanted)
{
    return fabs(x - wanted) < 1e-4 * fabs(wanted);
}

blind_code bl_become(bl_build *b, bl_node *n, const char *type, int n_in, const int32_t *in)
{
    const bl_op *op = bl_op_find("blind", type, 1);
    int32_t     *copy = bl_arena_array(b->arena, (size_t)n_in + 2, sizeof *copy);
    if (!copy || !op)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    memcpy(copy, in, (size_t)n_in * sizeof *copy);
    n->op = op;
    n->type = op->name;
    n->domain = op->domain;
    n->in = copy;
    n->n_in = n_in;
    n->inplace = n->raw = 0;
    return op->infer(b, n);
}

/* Of a commutative node: the operand that is not `v`, or -1. */
static int32_t other_operand(const bl_node *n, int32_t v)
{
    return n->in[0] == v ? n->in[1] : n->in[1] == v ? n->in[0] : -1;
}

/* GELU: x * 0.5 * (1 + erf(x / sqrt(2))), or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)).  -------
 */

/* The operand of a sole `type` of `v` and the number one; -1 where it is none. */
static int32_t one_more_than(const bl_build *b, int32_t v, const char *type)
{
    const bl_node *add = bl_sole_maker(b, v), *inner;
    double         one = 0;
    if (!add || !bl_is_type(add, "Add"))
        return -1;
    int side = bl_const_number(b, add, 1, &one) ? 0 : bl_const_number(b, add, 0, &one) ? 1 : -1;
    inner = side < 0 || one != 1 ? NULL : bl_sole_maker(b, add->in[side]);
    return inner && bl_is_type(inner, type) ? inner->in[0] : -1;
}

/* Whether v is the number `factor` times something; *of is found. */
static bool is_times(const bl_build *b, int32_t v, double factor, int32_t *of)
{
    const bl_node *n = bl_sole_maker(b, v);
    double         found;
    return n && bl_is_scaling(b, n, of, &found) && near(found, factor);
}

/* Whether v is x^3; *x is found. */
static bool is_cube(const bl_build *b, int32_t v, int32_t *x)
{
    const bl_node *n = bl_sole_maker(b, v), *square;
    double         three = 0;
    if (!n)
        return false;
    *x = n->in[0];
    if (bl_is_type(n, "Pow"))
        return bl_const_number(b, n, 1, &three) && three == 3;
    for (int side = 0; side < 2 && bl_is_type(n, "Mul"); side++) {
        square = bl_sole_maker(b, n->in[side]);
        *x = n->in[1 - side];
        if (square && bl_is_type(square, "Mul") && square->in[0] == *x && square->in[1] == *x)
            return true;
    }
    return false;
}

/* Whether v is x + 0.044715 x^3; *x is found. */
static bool is_bent(const bl_build *b, int32_t v, int32_t *x)
{
    const bl_node *add = bl_sole_maker(b, v);
    int32_t        cube;
    for (int side = 0; add && bl_is_type(add, "Add") && side < 2; side++)
        if (is_times(b, add->in[side], 0.044715, &cube) && is_cube(b, cube, x) &&
            add->in[1 - side] == *x)
            return true;
    return false;
}

/* Whether v is 1 + erf(...) or 1 + tanh(...) of a GELU; *x is found. */
static bool is_gelu_gate(const bl_build *b, int32_t v, int32_t *x, const char **type)
{
    int32_t inner = one_more_than(b, v, "Erf"), bent;
    *type = "blind.Gelu";
    if (inner >= 0)
        return is_times(b, inner, 0.70710678, x);
    *type = "blind.GeluTanh";
    inner = one_more_than(b, v, "Tanh");
    return inner >= 0 && is_times(b, inner, 0.79788456, &bent) && is_bent(b, bent, x);
}

/* *type is the operator that n ends. */
static bool match_gelu(const bl_build *b, const bl_node *n, int32_t *x, const char **type)
{
    double  factor;
    int32_t inner;
    if (!bl_is_type(n, "Mul"))
        return false;
    if (bl_is_scaling(b, n, &inner, &factor)) { /* (x * gate) * 0.5 */
        const bl_node *m = bl_sole_maker(b, inner);
        if (factor != 0.5 || !m || !bl_is_type(m, "Mul"))
            return false;
        return (is_gelu_gate(b, m->in[1], x, type) && m->in[0] == *x) ||
               (is_gelu_gate(b, m->in[0], x, type) && m->in[1] == *x);
    }
    for (int side = 0; side < 2; side++) { /* (x * 0.5) * gate, x * (gate * 0.5) */
        if (is_times(b, n->in[side], 0.5, &inner) && is_gelu_gate(b, n->in[1 - side], x, type) &&
            *x == inner)
            return true;
        if (is_times(b, n->in[side], 0.5, &inner) && is_gelu_gate(b, inner, x, type) &&
            *x == n->in[1 - side])
            return true;
    }
    return false;
}

/* LayerNorm: (x - mean) / sqrt(mean((x - mean)^2) + eps) * gain + bias.  ------------------------
 */

static bool is_last_axis_mean(const bl_build *b, const bl_node *n)
{
    const bl_tensor *x, *mean;
    if (!n || !bl_is_type(n, "ReduceMean"))
        return false;
    x = bl_in(b, n, 0);
    mean = bl_out(b, n, 0);
    bool same = x->rank == mean->rank && x->rank > 0 && mean->dim[x->rank - 1] == 1;
    for (int i = 0; same && i < x->rank - 1; i++)
        same = x->dim[i] == mean->dim[i];
    return same;
}

/* Whether v is x - mean(x) over the last axis; *x is found. */
static bool is_centred(const bl_build *b, int32_t v, int32_t *x)
{
    const bl_node *sub = bl_maker(b, v), *mean;
    if (!sub || !bl_is_type(sub, "Sub"))
        return false;
    mean = bl_maker(b, sub->in[1]);
    *x = sub->in[0];
    return is_last_axis_mean(b, mean) && mean->in[0] == *x;
}

/* Whether v is the standard deviation of x, with eps. */
static bool is_deviation(const bl_build *b, int32_t v, int32_t x, double *eps)
{
    const bl_node *root = bl_sole_maker(b, v), *add, *mean, *square;
    int32_t        of;
    double         two;
    if (!root || !bl_is_type(root, "Sqrt"))
        return false;
    add = bl_sole_maker(b, root->in[0]);
    if (!add || !bl_is_type(add, "Add"))
        return false;
    int side = bl_const_number(b, add, 1, eps) ? 0 : bl_const_number(b, add, 0, eps) ? 1 : -1;
    mean = side < 0 ? NULL : bl_sole_maker(b, add->in[side]);
    if (!is_last_axis_mean(b, mean))
        return false;
    square = bl_sole_maker(b, mean->in[0]);
    if (!square)
        return false;
    bool squares = (bl_is_type(square, "Pow") && bl_const_number(b, square, 1, &two) && two == 2) ||
                   (bl_is_type(square, "Mul") && square->in[0] == square->in[1]);
    return squares && is_centred(b, square->in[0], &of) && of == x;
}

/* A constant of `width` numbers in its last axis. */
static bool is_row(const bl_build *b, int32_t v, int64_t width)
{
    const bl_tensor *t = v < 0 ? NULL : &b->graph->tensors[v];
    return t && b->graph->values[v].constant && t->dtype == BLIND_F32 && t->rank >= 1 &&
           t->len == (size_t)width && t->dim[t->rank - 1] == width;
}

typedef struct {
    int32_t in[3]; /* x, gain, bias */
    double  eps;
} norm_match;

static bool match_layer_norm(const bl_build *b, const bl_node *n, norm_match *out)
{
    const bl_tensor *y = bl_out(b, n, 0);
    if (!bl_is_type(n, "Add") || y->rank < 1 || y->dtype != BLIND_F32)
        return false;
    int64_t width = y->dim[y->rank - 1];
    int     bias = is_row(b, n->in[1], width) ? 1 : 0;
    if (!is_row(b, n->in[bias], width))
        return false;
    const bl_node *mul = bl_sole_maker(b, n->in[1 - bias]);
    if (!mul || !bl_is_type(mul, "Mul"))
        return false;
    int            gain = is_row(b, mul->in[1], width) ? 1 : 0;
    const bl_node *div = bl_sole_maker(b, mul->in[1 - gain]);
    if (!is_row(b, mul->in[gain], width) || !div || !bl_is_type(div, "Div"))
        return false;
    out->in[1] = mul->in[gain];
    out->in[2] = n->in[bias];
    return is_centred(b, div->in[0], &out->in[0]) &&
           is_deviation(b, div->in[1], out->in[0], &out->eps);
}

static blind_code make_layer_norm(bl_build *b, bl_node *n, norm_match *m)
{
    bl_attr *attrs = bl_arena_array(b->arena, 1, sizeof *attrs);
    if (!attrs)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    attrs[0] = (bl_attr){ .name = "epsilon", .type = BL_ATTR_FLOAT, .f = (float)m->eps, .s = "" };
    n->attrs = attrs;
    n->n_attrs = 1;
    return bl_become(b, n, "blind.LayerNorm", 3, m->in);
}

/* SiLU: x * sigmoid(x); the gate of a WaveNet: tanh(a) * sigmoid(b).  -------------------------- */

static bool same_shape(const bl_build *b, int32_t v, int32_t w)
{
    const bl_tensor *x = &b->graph->tensors[v], *y = &b->graph->tensors[w];
    return x->rank == y->rank && memcmp(x->dim, y->dim, (size_t)x->rank * sizeof *x->dim) == 0;
}

static blind_code try_sigmoid(bl_build *b, bl_node *n)
{
    for (int side = 0; side < 2; side++) {
        const bl_node *s = bl_sole_maker(b, n->in[side]);
        const bl_node *t = bl_sole_maker(b, n->in[1 - side]);
        if (!s || !bl_is_type(s, "Sigmoid"))
            continue;
        int32_t in[2] = { s->in[0], -1 };
        if (other_operand(n, n->in[side]) == s->in[0])
            return bl_become(b, n, "blind.Silu", 1, in);
        if (t && bl_is_type(t, "Tanh") && same_shape(b, t->in[0], s->in[0])) {
            in[0] = t->in[0];
            in[1] = s->in[0];
            return bl_become(b, n, "blind.Gate", 2, in);
        }
    }
    return BLIND_OK;
}

blind_code bl_fuse_patterns(bl_build *b)
{
    for (size_t i = 0; i < b->graph->n_nodes; i++) {
        bl_node    *n = &b->graph->nodes[i];
        int32_t     x;
        norm_match  norm;
        const char *gelu;
        if (n->dead || n->view || n->out[0] < 0 || bl_out(b, n, 0)->dtype != BLIND_F32)
            continue;
        if (match_gelu(b, n, &x, &gelu))
            BL_TRY(bl_become(b, n, gelu, 1, &x));
        else if (match_layer_norm(b, n, &norm))
            BL_TRY(make_layer_norm(b, n, &norm));
        else if (bl_is_type(n, "Mul"))
            BL_TRY(try_sigmoid(b, n));
    }
    return BLIND_OK;
}
