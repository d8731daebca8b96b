/* How far two runs of one graph may be apart.
 *
 * An error of every value is carried from node to node, in the largest norm of the tensor: what its
 * inputs may be off, times how much the operator makes of that, plus what the operator's kernels
 * promise (nn/kernels.h).  Where nothing rounds, nothing may differ.  What an operator that jumps
 * (Floor, ArgMax, a comparison) makes of an input that may be off says nothing, nor does what comes
 * near the end of its type, where one order of a sum overflows and another does not. */
#include "fuzz/graph_maker.h"

#include "onnx/number.h"

#include <math.h>
#include <stdio.h>

/* What is known of a value that was seen. */
typedef struct {
    double most, least; /* of finite magnitudes */
    bool   known, infinite, denormal;
} extent;

static extent extent_of(const blind_tensor *t)
{
    extent e = { 0, INFINITY, t->data || t->size == 0, false, false };
    size_t element = blind_dtype_size(t->dtype);
    if (t->dtype == BLIND_STRING)
        return (extent){ .known = e.known };
    if (!e.known || element == 0)
        return (extent){ 0 };
    for (size_t i = 0; i < t->size / element; i++) {
        double x = fabs(bl_number_load(t->dtype, (const uint8_t *)t->data + i * element));
        e.infinite = e.infinite || !isfinite(x);
        e.denormal = e.denormal || (x > 0 && x < 1.2e-38);
        if (!isfinite(x))
            continue;
        e.most = x > e.most ? x : e.most;
        e.least = x < e.least ? x : e.least;
    }
    return e;
}

/* Half the distance of numbers around 1; 0 of integers. */
static double unit_of(blind_dtype dtype)
{
    return dtype == BLIND_F32    ? 0x1p-24
           : dtype == BLIND_F64  ? 0x1p-53
           : dtype == BLIND_F16  ? 0x1p-11
           : dtype == BLIND_BF16 ? 0x1p-8
                                 : 0;
}

static double limit_of(blind_dtype dtype)
{
    return dtype == BLIND_F64    ? 1.7e308
           : dtype == BLIND_F16  ? 65504
           : dtype == BLIND_BF16 ? 3.3e38
                                 : 3.4e38;
}

/* One node. */
typedef struct {
    const graph_node *n;
    const graph_mode *mode;
    double            error[NODE_IN]; /* of each input, absolute */
    extent            in[NODE_IN];
    double            worst, all; /* the largest of them, their sum */
    bool              joined;     /* arithmetic may round otherwise */
    bool              moves;      /* kernels are not those that were seen */
} context;

/* Relative to the sum of magnitudes, of a sum of `terms`.  See nn/kernels.h, gemm. */
static double sum_error(const context *c, double unit)
{
    double wide = unit / 0x1p-24;
    return 2 * fmin(2e-7 * wide * sqrt(fmax(c->n->terms, 1)), wide > 0.5 ? 1e-5 * wide : 1) +
           8 * unit;
}

static graph_bound smooth(const context *c, double carried, double unit)
{
    const graph_node *n = c->n;
    graph_bound       b = { carried, 0 };
    if (c->moves && unit > 0) {
        b.relative = n->ulps * unit;
        b.absolute += n->own;
    }
    if (c->joined)
        b.relative += 4 * unit;
    if (carried > 0)
        b.relative += 2 * unit;
    return b;
}

static graph_bound divide(const context *c, double most, double unit)
{
    int    by = c->n->n_in - 1;
    double over = by ? c->error[0] : 0, under = c->error[by];
    double least = c->in[by].least - under;
    if (under > 0 && least <= 0)
        return (graph_bound){ INFINITY, 0 };
    double carried = over > 0 || under > 0 ? (over + most * under) / least : 0;
    return smooth(c, carried, unit);
}

static graph_bound dot(const context *c, double unit)
{
    const graph_node *n = c->n;
    double            a = c->in[0].most, b = n->n_in > 1 ? c->in[1].most : n->held;
    double            third = n->n_in > 2 ? c->error[2] : 0;
    double carried = n->terms * (c->error[0] * (b + c->error[1]) + c->error[1] * a) + third;
    double sum = n->terms * a * b;
    if ((c->in[0].infinite && c->in[1].denormal) || (c->in[0].denormal && c->in[1].infinite))
        return (graph_bound){ INFINITY, 0 }; /* infinity times what may count as zero */
    if (c->mode->product > 1e-3 && fmax(a, b) > 3.39e38)
        return (graph_bound){ INFINITY, 0 }; /* infinite as a bf16 */
    if (c->moves || c->joined) {
        carried += sum * fmax(c->mode->product, sum_error(c, unit));
        carried += n->terms * 1.2e-38 * (a + b); /* denormal factors may count as zero */
        carried += n->n_in > 2 ? 4 * unit * c->in[2].most : 0;
    }
    if (n->slope * sum > limit_of(unit < 0x1p-50 ? BLIND_F64 : BLIND_F32) / 8)
        carried = INFINITY;
    return (graph_bound){ n->slope * carried, carried > 0 ? 4 * unit : 0 };
}

static graph_bound by_rule(const context *c, extent out, double unit)
{
    const graph_node *n = c->n;
    bool              exact = c->worst == 0;
    graph_bound       nothing = { 0, 0 }, anything = { INFINITY, 0 };
    double            most = 0;
    for (int i = 0; i < n->n_in; i++)
        most += c->in[i].most;
    switch (n->rule) {
    case RULE_MOVE:
        return (graph_bound){ c->worst, 0 };
    case RULE_JUMP:
        return exact ? nothing : anything;
    case RULE_SMOOTH:
        return smooth(c, n->slope * c->worst, unit);
    case RULE_ADD:
        return smooth(c, c->all + (c->joined ? 4 * unit * most : 0), unit);
    case RULE_MUL: {
        double carried = c->error[0] * (c->in[1].most + c->error[1]) + c->error[1] * c->in[0].most;
        return smooth(c, carried + (strcmp(n->type, "PRelu") == 0 ? c->error[0] : 0), unit);
    }
    case RULE_DIV:
        return divide(c, out.most, unit);
    case RULE_EXP:
        return c->worst > 1 ? anything : smooth(c, (out.most + 1) * expm1(c->worst), unit);
    case RULE_LOG:
        if (!exact && c->in[0].least <= c->worst)
            return anything;
        return smooth(c, exact ? 0 : c->worst / (c->in[0].least - c->worst), unit);
    case RULE_SQRT:
        if (!exact && c->in[0].least <= c->worst)
            return anything;
        return smooth(c, exact ? 0 : c->worst / sqrt(c->in[0].least - c->worst), unit);
    case RULE_SUM: {
        double sum = n->slope * n->terms * c->in[0].most;
        double own = c->moves || c->joined ? sum * sum_error(c, unit) : 0;
        if (n->terms * c->in[0].most > 4e37 && unit > 0x1p-50)
            return anything;
        return smooth(c, n->slope * n->terms * c->worst + own, unit);
    }
    case RULE_DOT:
        return dot(c, unit);
    case RULE_ROUND:
        return exact ? (graph_bound){ c->mode->peer           ? 1
                                      : c->moves || c->joined ? n->own
                                                              : 0,
                                      0 }
                     : (graph_bound){ 1 + n->slope * c->worst, 0 };
    case RULE_LOOSE:
        if (!exact || most > 1e18 ||
            (strstr(n->type, "Prod") && (n->terms * log(most) > 60 || c->in[0].infinite)))
            return c->moves || c->joined || !exact ? anything : nothing;
        if (strcmp(n->type, "ReduceLogSum") == 0) /* of a sum that may be near zero */
            return smooth(c, c->moves ? n->terms * most * 1e-6 * exp(out.most) : 0, unit);
        return smooth(c, n->terms > 1 && c->moves ? 2 * n->terms * c->mode->product : 0, unit);
    }
    return anything;
}

static graph_bound bound_of(const context *c, const graph_value *v, const blind_tensor *t)
{
    extent      out = extent_of(t);
    double      unit = unit_of(v->dtype);
    graph_bound b;
    if (!out.known || c->n->doubt)
        return (graph_bound){ INFINITY, 0 };
    b = by_rule(c, out, unit);
    if (c->mode->peer && unit > 0 && c->n->rule != RULE_MOVE && c->n->rule != RULE_JUMP)
        b.absolute += c->n->peer * fmax(out.most, 1);
    bool rounds = b.absolute > 0 || b.relative > 0;
    if (rounds && unit > 0 && c->n->rule != RULE_MOVE && out.most > limit_of(v->dtype) / 8)
        b.absolute = INFINITY;
    if (!(b.absolute >= 0))
        b.absolute = INFINITY;
    return b;
}

/* What gives the same on every way of computing it. */
static bool is_exact(const graph_node *n, bool joined)
{
    bool once = n->ulps == 0 && n->own == 0 && n->peer == 0; /* rounded once, as IEEE 754 has it */
    return n->rule == RULE_MOVE || n->rule == RULE_JUMP || (n->rule == RULE_SMOOTH && once) ||
           (!joined && once && (n->rule == RULE_ADD || n->rule == RULE_MUL));
}

/* A node in a body, whose values nobody saw: 0, or nothing is known. */
static graph_bound hidden_bound(const context *c)
{
    bool exact = is_exact(c->n, c->joined) && c->worst == 0 && !c->n->doubt;
    return (graph_bound){ exact ? 0 : INFINITY, 0 };
}

/* What a node's bodies may be off; they come before it. */
static double bodies_error(const graph *g, const graph_node *n, const graph_bound *of)
{
    double worst = 0;
    for (int k = 0; k < n->n_attrs; k++)
        for (int i = 0; n->attrs[k].kind == ATTR_BODY && i < g->n_values; i++)
            if (g->value[i].body == n->attrs[k].i)
                worst = fmax(worst, of[i].absolute);
    return worst;
}

void graph_bounds(const graph *g, const blind_tensor *seen, const graph_mode *mode,
                  graph_bound *out)
{
    for (int i = 0; i < g->n_values; i++)
        out[i] = (graph_bound){ 0, 0 };
    for (int i = 0; i < g->n_nodes; i++) {
        const graph_node *n = &g->node[i];
        context           c = { .n = n,
                                .mode = mode,
                                .joined = mode->fused || mode->peer,
                                .moves = mode->other || mode->peer };
        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k] < 0)
                continue;
            graph_bound b = out[n->in[k]];
            c.in[k] = extent_of(&seen[n->in[k]]);
            c.error[k] =
                c.in[k].known || n->body ? b.absolute + b.relative * c.in[k].most : INFINITY;
            c.worst = fmax(c.worst, c.error[k]);
            c.all += c.error[k];
        }
        c.worst = fmax(c.worst, bodies_error(g, n, out));
        for (int k = 0; k < n->n_out; k++)
            out[n->out[k]] =
                n->body ? hidden_bound(&c) : bound_of(&c, &g->value[n->out[k]], &seen[n->out[k]]);
    }
}

/* Comparing.  -------------------------------------------------------------------------------- */

static bool same_number(blind_dtype dtype, double want, double got, graph_bound b)
{
    double limit = limit_of(dtype), huge = limit * (1 - 1e-4);
    if (want == got || (isnan(want) && isnan(got)))
        return true;
    if (isnan(want) || isnan(got))
        return false;
    if (b.relative > 0 && fabs(want) >= huge && fabs(got) >= huge)
        return (want > 0) == (got > 0);
    double smallest = b.relative > 0 || b.absolute > 0 ? 1.2e-38 : 0; /* denormals may be lost */
    return fabs(want - got) <= b.absolute + b.relative * fabs(want) + smallest;
}

bool graph_differs(const blind_tensor *want, const blind_tensor *got, graph_bound bound, char *why,
                   size_t size)
{
    bool same = want->dtype == got->dtype && want->rank == got->rank;
    for (int i = 0; same && i < want->rank; i++)
        same = want->shape[i] == got->shape[i];
    if (!same) {
        snprintf(why, size, "type or shape: %s of %d axes, not %s of %d",
                 blind_dtype_name(got->dtype), got->rank, blind_dtype_name(want->dtype),
                 want->rank);
        return true;
    }
    if (want->dtype == BLIND_STRING && isfinite(bound.absolute)) {
        same = want->size == got->size && !memcmp(want->data, got->data, want->size);
        snprintf(why, size, "other strings");
        return !same;
    }
    size_t element = blind_dtype_size(want->dtype), len = element ? want->size / element : 0;
    if (isinf(bound.absolute) || want->size == 0 || !memcmp(want->data, got->data, want->size))
        return false;
    for (size_t i = 0; i < len; i++) {
        const uint8_t *w = (const uint8_t *)want->data + i * element,
                      *g = (const uint8_t *)got->data + i * element;
        double a = bl_number_load(want->dtype, w), b = bl_number_load(want->dtype, g);
        if (!memcmp(w, g, element))
            continue;
        if ((bound.absolute == 0 && bl_is_integer(want->dtype)) ||
            !same_number(want->dtype, a, b, bound)) {
            snprintf(why, size, "element %zu of %zu is %.9g, not %.9g; bound %.3g + %.3g", i, len,
                     b, a, bound.absolute, bound.relative);
            return true;
        }
    }
    return false;
}
