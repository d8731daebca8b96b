/* Parts a graph where the shape of a value depends on values: what a plan runs, which nodes come
 * right after it, what is left for later, and which values have to outlive it. */
#include "onnx/plan.h"

#include <stdlib.h>

typedef struct {
    bl_build *b;
    bl_plan  *plan;
    bool     *there; /* per value: at the end of the segment, or once the cut nodes have run */
} splitter;

static bool all_there(const splitter *s, const bl_node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && !s->there[n->in[i]])
            return false;
    return true;
}

/* A node with bodies or sequences needs no plan: it runs as soon as it can. */
static void sort_node(splitter *s, const bl_node *n)
{
    bl_plan *p = s->plan;
    bool     next = n->wait == BL_WAIT_VALUE || ((n->op->flags & BL_OP_CONTROL) && all_there(s, n));
    if (!next) {
        p->later[p->n_later++] = n->at;
        return;
    }
    p->cut[p->n_cut++] = n->at;
    for (int k = 0; k < n->n_out; k++)
        if (n->out[k] >= 0) {
            p->made[p->n_made++] = n->out[k];
            s->there[n->out[k]] = true;
        }
}

/* A value that is there at the segment's end and not the model's. */
static bool is_kept(const bl_build *b, int32_t v)
{
    const bl_value *value = &b->graph->values[v];
    bool            of_model = (size_t)v < b->origin->n_values && b->origin->values[v].constant;
    return (value->shaped || value->held) && !of_model;
}

static void keep(splitter *s, bool *marked, int32_t v)
{
    bl_graph *g = s->b->graph;
    if (v < 0 || marked[v] || !is_kept(s->b, v))
        return;
    marked[v] = true;
    g->values[v].is_output = true; /* no fusion takes it away */
    s->plan->kept[s->plan->n_kept++] = (bl_kept){
        .value = v, .constant = g->values[v].constant, .held = g->values[v].held, .t = g->tensors[v]
    };
}

static bool make_lists(splitter *s)
{
    bl_plan  *p = s->plan;
    bl_graph *g = s->b->graph;
    size_t    waiting = 0, outs = 0;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead && g->nodes[i].wait != BL_WAIT_NOT) {
            waiting++;
            outs += (size_t)g->nodes[i].n_out;
        }
    p->cut = bl_arena_array(&p->arena, waiting + 1, sizeof *p->cut);
    p->later = bl_arena_array(&p->arena, waiting + 1, sizeof *p->later);
    p->made = bl_arena_array(&p->arena, outs + 1, sizeof *p->made);
    return p->cut && p->later && p->made;
}

/* What waiting nodes read and the body gives; counted first, then stored. */
static blind_code keep_values(splitter *s)
{
    const bl_body     *body = s->plan->body;
    bl_graph          *g = s->b->graph;
    bl_auto_free bool *marked = calloc(g->n_values + 1, sizeof *marked);
    size_t             max = body->n_outputs;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead && g->nodes[i].wait != BL_WAIT_NOT)
            max += (size_t)g->nodes[i].n_in;
    max = BL_MIN(max, g->n_values);
    s->plan->kept = bl_arena_array(&s->plan->arena, max + 1, sizeof *s->plan->kept);
    if (!marked || !s->plan->kept)
        return blind_fail(s->b->err, BLIND_MEMORY, "onnx.plan", "no memory for the plan");
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if (!g->nodes[i].dead && g->nodes[i].wait != BL_WAIT_NOT)
                keep(s, marked, g->nodes[i].in[k]);
    for (size_t i = 0; i < body->n_outputs; i++)
        keep(s, marked, body->output_values[i]);
    return BLIND_OK;
}

blind_code bl_plan_split(bl_build *b, bl_plan *plan)
{
    bl_graph          *g = b->graph;
    bl_auto_free bool *there = calloc(g->n_values + 1, sizeof *there);
    splitter           s = { .b = b, .plan = plan, .there = there };
    if (!there || !make_lists(&s))
        return blind_fail(b->err, BLIND_MEMORY, "onnx.plan", "no memory for the plan");
    BL_TRY(keep_values(&s));
    for (size_t v = 0; v < g->n_values; v++)
        there[v] = g->values[v].shaped || g->values[v].held;
    for (size_t i = 0; i < g->n_nodes; i++) {
        bl_node *n = &g->nodes[i];
        if (n->dead || n->wait == BL_WAIT_NOT)
            continue;
        sort_node(&s, n);
        n->dead = true;
    }
    return BLIND_OK;
}

void bl_plan_place_kept(bl_plan *plan)
{
    bl_graph *g = &plan->graph;
    for (size_t i = 0; i < plan->n_kept; i++) {
        int32_t v = plan->kept[i].value;
        while (g->values[v].place == BL_PLACE_VIEW)
            v = g->values[v].of;
        if (g->values[v].place == BL_PLACE_NONE && !plan->kept[i].held)
            g->values[v].place = BL_PLACE_CELL;
    }
}
