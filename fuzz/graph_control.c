/* Templates: If, Loop and Scan.  What their bodies hold is made by other templates, which read
 * values around the body as they read those in it. */
#include "fuzz/graph_maker.h"

/* A value of the body that is being made, as an output: itself where a node of the body makes it.
 */
static int own(graph *g, int v)
{
    graph_node *n = v < 0 ? NULL : graph_add(g, "Identity", 1, &v);
    if (!n)
        return -1;
    n->rule = RULE_MOVE;
    return graph_result_like(g, n, v);
}

static bool is_alike(const graph_value *a, const graph_value *b)
{
    return a->rank == b->rank && !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim);
}

/* Some nodes, and what they make of v's type; of its shape where `same`.  v itself when they make
 * no such thing. */
static int make_answer(graph *g, int v, bool same)
{
    int from = g->n_values;
    for (unsigned want = 1 + graph_roll(g, 3); want > 0; want--)
        graph_body_add(g);
    for (int i = g->n_values - 1; i >= from; i--) {
        const graph_value *x = &g->value[i];
        if (x->origin == FROM_NODE && x->body == g->inside && x->dtype == g->value[v].dtype &&
            x->rank >= 0 && (!same || is_alike(x, &g->value[v])))
            return i;
    }
    return own(g, v);
}

/* An output of a node with bodies: it is rough where anything in them is. */
static int give(graph *g, graph_node *n, blind_dtype dtype, int rank, const int64_t *dim)
{
    int r = graph_result(g, n, dtype, rank, dim);
    for (int k = 0; r >= 0 && k < n->n_attrs; k++)
        for (int i = 0; n->attrs[k].kind == ATTR_BODY && i < g->n_values; i++)
            if (g->value[i].body == n->attrs[k].i && g->value[i].rough)
                g->value[r].rough = true;
    return r;
}

/* If.  --------------------------------------------------------------------------------------- */

static int make_branch(graph *g, int v)
{
    int body = graph_body_begin(g);
    if (!body)
        return 0;
    graph_body_output(g, make_answer(g, v, false));
    graph_body_end(g);
    return body;
}

static bool make_if(graph *g)
{
    int v = graph_take(g, ANYTHING, 0, 4, true);
    int condition = v < 0 ? -1 : graph_leaf(g, BLIND_BOOL, 0, NULL, FILL_UNIT);
    int yes = condition < 0 ? 0 : make_branch(g, v), no = yes ? make_branch(g, v) : 0;
    if (!no || g->full)
        return false;
    graph_node *n = graph_add(g, "If", 1, &condition);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    graph_attr_body(n, "then_branch", yes);
    graph_attr_body(n, "else_branch", no);
    graph_value a = g->value[g->body[yes].out[0]], b = g->value[g->body[no].out[0]];
    return give(g, n, a.dtype, is_alike(&a, &b) ? a.rank : -1, a.dim) >= 0;
}

/* Loop.  ------------------------------------------------------------------------------------- */

/* Whether it goes on: as it began, or while few turns were made. */
static int make_condition(graph *g, int turn, int before, bool counts)
{
    int         most = counts ? graph_number(g, BLIND_I64, (double)graph_roll(g, 4)) : -1;
    graph_node *n;
    if (!counts)
        return own(g, before);
    n = most < 0 ? NULL : graph_add(g, "Less", 2, (int[]){ turn, most });
    if (!n)
        return -1;
    n->rule = RULE_JUMP;
    return graph_result(g, n, BLIND_BOOL, 0, NULL);
}

/* What each turn gives beside, which the loop puts side by side. */
static int make_record(graph *g, int v)
{
    return graph_chance(g, 2) ? own(g, v) : make_answer(g, v, true);
}

static int make_turn(graph *g, int v, bool counts, bool records)
{
    graph_value like = g->value[v];
    int         body = graph_body_begin(g);
    if (!body)
        return 0;
    int turn = graph_body_input(g, BLIND_I64, 0, NULL);
    int before = graph_body_input(g, BLIND_BOOL, 0, NULL);
    int carried = graph_body_input(g, like.dtype, like.rank, like.dim);
    if (carried >= 0) {
        g->value[carried].rough = like.rough;
        int after = make_answer(g, carried, !graph_chance(g, 8));
        graph_body_output(g, make_condition(g, turn, before, counts));
        graph_body_output(g, after);
        if (records && after >= 0)
            graph_body_output(g, make_record(g, after));
    }
    graph_body_end(g);
    return body;
}

static bool make_loop(graph *g)
{
    int  v = graph_take(g, ANYTHING, 0, 3, true), in[3] = { -1, -1, v };
    bool counts = graph_chance(g, 2), records = graph_chance(g, 2);
    if (v < 0)
        return false;
    if (!counts || graph_chance(g, 2))
        in[0] = graph_number(g, BLIND_I64, (double)graph_roll(g, 5));
    if (graph_chance(g, 2))
        in[1] = graph_leaf(g, BLIND_BOOL, 0, NULL, FILL_UNIT);
    int body = make_turn(g, v, counts, records);
    if (!body || g->full)
        return false;
    graph_node *n = graph_add(g, "Loop", 3, in);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    graph_attr_body(n, "body", body);
    graph_value x = g->value[v];
    bool        stays = is_alike(&x, &g->value[g->body[body].out[1]]);
    return give(g, n, x.dtype, stays ? x.rank : -1, x.dim) >= 0 &&
           (!records || give(g, n, x.dtype, -1, NULL) >= 0);
}

/* Scan.  ------------------------------------------------------------------------------------- */

static bool make_scan(graph *g)
{
    int64_t     dim[GRAPH_RANK], rows[GRAPH_RANK + 1];
    blind_dtype dtype = graph_type(g, NUMBERS);
    int         rank = graph_shape(g, 0, 3, dim);
    rows[0] = 1 + (int64_t)graph_roll(g, 4);
    memcpy(rows + 1, dim, sizeof dim);
    int in[2] = { graph_leaf(g, dtype, rank, dim, graph_floats(g)),
                  graph_leaf(g, dtype, rank + 1, rows, graph_floats(g)) };
    int body = in[0] < 0 || in[1] < 0 ? 0 : graph_body_begin(g);
    if (!body)
        return false;
    int state = graph_body_input(g, dtype, rank, dim), row = graph_body_input(g, dtype, rank, dim);
    if (state >= 0 && row >= 0) {
        graph_body_output(g, make_answer(g, state, true));
        graph_body_output(g, make_answer(g, row, true));
    }
    graph_body_end(g);
    graph_node *n = g->full ? NULL : graph_add(g, "Scan", 2, in);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    graph_attr_body(n, "body", body);
    graph_attr_int(n, "num_scan_inputs", 1);
    if (graph_chance(g, 3))
        graph_attr_list(n, "scan_input_directions", (int64_t[]){ 1 }, 1);
    return give(g, n, dtype, rank, dim) >= 0 && give(g, n, dtype, rank + 1, rows) >= 0;
}

const graph_family graph_control[] = {
    { make_if, 2 },
    { make_loop, 2 },
    { make_scan, 1 },
};
const size_t graph_control_len = BL_LEN(graph_control);
