/* Where each value of a run lies: one stretch of memory, walked in the order of the nodes.
 *
 * A value is placed when its node is reached, in the smallest hole that takes it, and its place is
 * free again after its last reader.  A node may write its output over an input that dies there. */
#include "onnx/plan.h"

#include <stdlib.h>

typedef struct {
    size_t at, size;
} hole;

typedef struct {
    bl_plan *plan;
    hole    *holes; /* by address, never touching one another */
    size_t   n_holes;
    size_t   end;  /* bytes in use at most */
    int32_t *last; /* per value: the last node that reads its bytes; INT32_MAX for outputs */
} planner;

static size_t rounded(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

/* The value whose bytes these are: views were resolved to their roots. */
static int32_t root_of(const bl_graph *g, int32_t v)
{
    return g->values[v].place == BL_PLACE_VIEW ? g->values[v].of : v;
}

static void take_from(planner *p, size_t i, size_t size)
{
    p->holes[i].at += size;
    p->holes[i].size -= size;
    if (p->holes[i].size == 0) {
        memmove(&p->holes[i], &p->holes[i + 1], (p->n_holes - i - 1) * sizeof *p->holes);
        p->n_holes--;
    }
}

static size_t take(planner *p, size_t size)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < p->n_holes; i++)
        if (p->holes[i].size >= size &&
            (best == SIZE_MAX || p->holes[i].size < p->holes[best].size))
            best = i;
    if (best != SIZE_MAX) {
        size_t at = p->holes[best].at;
        take_from(p, best, size);
        return at;
    }
    size_t at = p->end; /* a hole at the very end grows */
    if (p->n_holes && p->holes[p->n_holes - 1].at + p->holes[p->n_holes - 1].size == p->end)
        at = p->holes[--p->n_holes].at;
    p->end = at + size;
    return at;
}

static void give(planner *p, size_t at, size_t size)
{
    size_t i = p->n_holes;
    while (i > 0 && p->holes[i - 1].at > at)
        i--;
    memmove(&p->holes[i + 1], &p->holes[i], (p->n_holes - i) * sizeof *p->holes);
    p->holes[i] = (hole){ at, size };
    p->n_holes++;
    if (i + 1 < p->n_holes && at + size == p->holes[i + 1].at) {
        p->holes[i].size += p->holes[i + 1].size;
        memmove(&p->holes[i + 1], &p->holes[i + 2], (p->n_holes - i - 2) * sizeof *p->holes);
        p->n_holes--;
    }
    if (i > 0 && p->holes[i - 1].at + p->holes[i - 1].size == at) {
        p->holes[i - 1].size += p->holes[i].size;
        memmove(&p->holes[i], &p->holes[i + 1], (p->n_holes - i - 1) * sizeof *p->holes);
        p->n_holes--;
    }
}

static void find_last_readers(planner *p)
{
    const bl_graph *g = &p->plan->graph;
    for (size_t v = 0; v < g->n_values; v++)
        p->last[v] = -1;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if (g->nodes[i].in[k] >= 0)
                p->last[root_of(g, g->nodes[i].in[k])] = (int32_t)i;
    for (size_t v = 0; v < g->n_values; v++)
        if (g->values[v].is_output)
            p->last[root_of(g, (int32_t)v)] = INT32_MAX;
}

/* An input whose place output 0 of node i may take, or -1. */
static int32_t dying_input(const planner *p, const bl_node *n, int32_t i)
{
    const bl_graph *g = &p->plan->graph;
    size_t          size = bl_tensor_size(&g->tensors[n->out[0]]);
    for (int k = 0; k < n->n_in && k < 32; k++) {
        if (!(n->inplace >> k & 1) || n->in[k] < 0)
            continue;
        int32_t root = root_of(g, n->in[k]);
        bool    alone = true;
        for (int j = 0; j < n->n_in; j++)
            alone = alone && (n->in[j] < 0 || n->in[j] == n->in[k] || root_of(g, n->in[j]) != root);
        if (alone && g->values[root].place == BL_PLACE_ARENA && p->last[root] == i &&
            bl_tensor_size(&g->tensors[root]) == size &&
            bl_tensor_size(&g->tensors[n->in[k]]) == size)
            return root;
    }
    return -1;
}

static bool in_arena(const bl_graph *g, int32_t v)
{
    return v >= 0 && g->values[v].place == BL_PLACE_NONE;
}

static void place_node(planner *p, int32_t i)
{
    bl_graph *g = &p->plan->graph;
    bl_node  *n = &g->nodes[i];
    int32_t   reused = -1;
    if (n->n_out > 0 && in_arena(g, n->out[0]))
        reused = dying_input(p, n, i);
    for (int k = 0; k < n->n_out; k++) {
        if (!in_arena(g, n->out[k]))
            continue;
        bl_value *v = &g->values[n->out[k]];
        size_t    size = rounded(bl_tensor_size(&g->tensors[n->out[k]]));
        v->place = BL_PLACE_ARENA;
        v->offset = k == 0 && reused >= 0 ? g->values[reused].offset : take(p, size);
    }
    for (int k = 0; k < n->n_in; k++) { /* each root once: clear its last reader */
        int32_t root = n->in[k] < 0 ? -1 : root_of(g, n->in[k]);
        if (root < 0 || p->last[root] != i || g->values[root].place != BL_PLACE_ARENA)
            continue;
        p->last[root] = -1;
        if (root != reused)
            give(p, g->values[root].offset, rounded(bl_tensor_size(&g->tensors[root])));
    }
    for (int k = 0; k < n->n_out; k++) /* outputs nobody reads */
        if (n->out[k] >= 0 && g->values[n->out[k]].place == BL_PLACE_ARENA &&
            p->last[n->out[k]] < 0)
            give(p, g->values[n->out[k]].offset, rounded(bl_tensor_size(&g->tensors[n->out[k]])));
}

static void resolve_views(bl_graph *g)
{
    for (size_t v = 0; v < g->n_values; v++) { /* a view's value stands after what it views */
        bl_value *value = &g->values[v];
        if (value->place != BL_PLACE_VIEW)
            continue;
        const bl_value *of = &g->values[value->of];
        if (of->place == BL_PLACE_VIEW) {
            value->offset += of->offset;
            value->of = of->of;
        }
    }
}

blind_code bl_plan_memory(bl_plan *plan, blind_error *err)
{
    bl_graph             *g = &plan->graph;
    bl_auto_free hole    *holes = calloc(g->n_values + 2, sizeof *holes);
    bl_auto_free int32_t *last = calloc(g->n_values + 1, sizeof *last);
    planner               p = { .plan = plan, .holes = holes, .last = last };
    size_t                scratch = 0, total = 0;
    if (!holes || !last)
        return blind_fail(err, BLIND_MEMORY, "onnx.plan", "no memory for the plan");
    for (size_t i = 0; i < g->n_nodes; i++) {
        scratch = BL_MAX(scratch, g->nodes[i].scratch);
        for (int k = 0; k < g->nodes[i].n_out; k++)
            if (g->nodes[i].out[k] >= 0 &&
                !bl_add(total, rounded(bl_tensor_size(&g->tensors[g->nodes[i].out[k]])), &total))
                return blind_fail(err, BLIND_LIMIT, "onnx.plan", "more memory than there can be");
    }
    resolve_views(g);
    find_last_readers(&p);
    for (size_t i = 0; i < g->n_nodes; i++)
        place_node(&p, (int32_t)i);
    plan->scratch_at = p.end;
    if (!bl_add(p.end, rounded(scratch), &plan->memory))
        return blind_fail(err, BLIND_LIMIT, "onnx.plan", "more memory than there can be");
    return BLIND_OK;
}
