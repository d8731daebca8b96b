/* An If whose condition the model itself says becomes the nodes of the branch that is taken: what
 * is around it can then be planned as one, and the other branch need not even be supported. */
#include "onnx/branch.h"

static const char stage[] = "onnx.parse";

/* A graph and those around it. */
typedef struct level level;
struct level {
    const level *around;
    bl_body     *body;
};

typedef struct {
    bl_arena    *arena;
    size_t       nodes; /* of branches taken in so far, in all graphs */
    blind_error *err;
} inlining;

static blind_code no_memory(const inlining *s)
{
    return blind_fail(s->err, BLIND_MEMORY, stage, "no memory for the graph");
}

static bool is_default(const bl_node *n, const char *type)
{
    return *n->domain == '\0' && strcmp(n->type, type) == 0;
}

/* The tensor of a value that is an initializer or made by a Constant, here or around; or NULL. */
static const bl_tensor *constant_of(const level *l, int32_t v)
{
    const bl_graph *g = &l->body->graph;
    for (size_t i = 0; i < l->body->n_captured; i++)
        if (l->body->captured[i] == v)
            return l->around ? constant_of(l->around, l->body->taken[i]) : NULL;
    if (g->values[v].constant)
        return &g->tensors[v];
    const bl_node *n = g->values[v].producer < 0 ? NULL : &g->nodes[g->values[v].producer];
    for (size_t i = 0; n && is_default(n, "Constant") && i < n->n_attrs; i++)
        if (n->attrs[i].type == BL_ATTR_TENSOR && strcmp(n->attrs[i].name, "value") == 0)
            return &n->attrs[i].t;
    return NULL;
}

/* The branch that an If always takes, or NULL. */
static const bl_body *branch_of(const level *l, const bl_node *n)
{
    if (!is_default(n, "If") || n->n_in < 1 || n->in[0] < 0)
        return NULL;
    const bl_tensor *t = constant_of(l, n->in[0]);
    if (!t || t->dtype != BLIND_BOOL || t->len != 1 || !t->data)
        return NULL;
    const char *name = *(const uint8_t *)t->data ? "then_branch" : "else_branch";
    for (size_t i = 0; i < n->n_attrs; i++) {
        const bl_body *b = n->attrs[i].body;
        if (b && strcmp(n->attrs[i].name, name) == 0)
            return b->n_inputs == 0 && b->n_outputs >= (size_t)n->n_out ? b : NULL;
    }
    return NULL;
}

/* Values.  ----------------------------------------------------------------------------------- */

/* What the values of a branch are in the graph that takes it in. */
static blind_code map_values(const inlining *s, bl_graph *g, const bl_body *branch,
                             const bl_node *n, int32_t **out)
{
    const bl_graph *from = &branch->graph;
    int32_t        *map = bl_arena_array(s->arena, from->n_values + 1, sizeof *map);
    *out = map;
    if (!map)
        return no_memory(s);
    for (size_t v = 0; v < from->n_values; v++)
        map[v] = -1;
    for (size_t i = 0; i < branch->n_captured; i++)
        map[branch->captured[i]] = branch->taken[i];
    for (int i = 0; i < n->n_out; i++) { /* what makes an output makes it here */
        int32_t v = branch->output_values[i];
        if (n->out[i] >= 0 && map[v] < 0 && !from->values[v].constant)
            map[v] = n->out[i];
    }
    for (size_t v = 0; v < from->n_values; v++) {
        if (map[v] >= 0)
            continue;
        map[v] = bl_graph_value(g, s->arena, from->values[v].name);
        if (map[v] < 0)
            return no_memory(s);
        g->tensors[map[v]] = from->tensors[v];
        g->values[map[v]].constant = from->values[v].constant;
        g->values[map[v]].shaped = from->values[v].shaped;
        g->values[map[v]].place = from->values[v].place;
    }
    return BLIND_OK;
}

static blind_code map_edges(const inlining *s, const int32_t *map, int32_t **edges, int len)
{
    int32_t *to = bl_arena_array(s->arena, (size_t)len + 1, sizeof *to);
    if (!to)
        return no_memory(s);
    for (int i = 0; i < len; i++)
        to[i] = (*edges)[i] < 0 ? -1 : map[(*edges)[i]];
    *edges = to;
    return BLIND_OK;
}

/* The bodies of a node that moves take their values from where it goes.  Others may have the same
 * bodies, so it gets its own. */
static blind_code move_bodies(const inlining *s, const int32_t *map, bl_node *n)
{
    bl_attr *attrs = bl_arena_array(s->arena, n->n_attrs + 1, sizeof *attrs);
    if (!attrs)
        return no_memory(s);
    if (n->n_attrs)
        memcpy(attrs, n->attrs, n->n_attrs * sizeof *attrs);
    for (size_t i = 0; i < n->n_attrs; i++) {
        const bl_body *old = attrs[i].body;
        if (!old)
            continue;
        bl_body *own = bl_arena_alloc(s->arena, sizeof *own);
        if (!own)
            return no_memory(s);
        *own = *old;
        BL_TRY(map_edges(s, map, &own->taken, (int)own->n_captured));
        attrs[i].body = own;
    }
    n->attrs = attrs;
    return BLIND_OK;
}

/* Nodes.  ------------------------------------------------------------------------------------ */

static blind_code append(const inlining *s, bl_graph *g, const bl_node *n)
{
    if (g->n_nodes == g->cap_nodes)
        return blind_fail(s->err, BLIND_LIMIT, stage, "more than %u nodes", BL_MAX_GRAPH_NODES);
    g->nodes[g->n_nodes] = *n;
    g->nodes[g->n_nodes].id = (int32_t)g->n_nodes;
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0)
            g->values[n->out[i]].producer = (int32_t)g->n_nodes;
    g->n_nodes++;
    return BLIND_OK;
}

/* Output i of the If where no node of the branch makes it. */
static blind_code append_copy(const inlining *s, bl_graph *g, const bl_node *n, int i, int32_t from)
{
    bl_node copy = { .type = "Identity", .domain = "", .name = n->name, .opset = 13 };
    copy.in = bl_arena_array(s->arena, 2, sizeof *copy.in);
    copy.out = bl_arena_array(s->arena, 2, sizeof *copy.out);
    if (!copy.in || !copy.out)
        return no_memory(s);
    copy.n_in = copy.n_formal = copy.n_out = 1;
    copy.in[0] = from;
    copy.out[0] = n->out[i];
    return append(s, g, &copy);
}

static blind_code take_in(inlining *s, bl_graph *g, const bl_body *branch, const bl_node *n)
{
    int32_t *map;
    s->nodes += branch->graph.n_nodes;
    if (s->nodes > BL_MAX_GRAPH_NODES)
        return blind_fail(s->err, BLIND_LIMIT, stage, "more than %u nodes", BL_MAX_GRAPH_NODES);
    BL_TRY(map_values(s, g, branch, n, &map));
    for (size_t i = 0; i < branch->graph.n_nodes; i++) {
        bl_node moved = branch->graph.nodes[i];
        BL_TRY(map_edges(s, map, &moved.in, moved.n_in));
        BL_TRY(map_edges(s, map, &moved.out, moved.n_out));
        BL_TRY(move_bodies(s, map, &moved));
        BL_TRY(append(s, g, &moved));
    }
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0 && map[branch->output_values[i]] != n->out[i])
            BL_TRY(append_copy(s, g, n, i, map[branch->output_values[i]]));
    return BLIND_OK;
}

/* Nodes that there will be; 0: no If is known to take one branch. */
static size_t count_nodes(const level *l)
{
    const bl_graph *g = &l->body->graph;
    size_t          count = g->n_nodes;
    bool            any = false;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bl_body *branch = branch_of(l, &g->nodes[i]);
        any = any || branch;
        if (branch && !bl_add(count, branch->graph.n_nodes + (size_t)g->nodes[i].n_out, &count))
            return SIZE_MAX;
    }
    return any ? count : 0;
}

static void count_uses(const bl_body *body)
{
    const bl_graph *g = &body->graph;
    for (size_t v = 0; v < g->n_values; v++)
        g->values[v].uses = 0;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if (g->nodes[i].in[k] >= 0)
                g->values[g->nodes[i].in[k]].uses++;
    for (size_t i = 0; i < body->n_outputs; i++)
        g->values[body->output_values[i]].uses++;
}

/* One pass; *again: branches were taken in, and there may be more within them. */
static blind_code pass(inlining *s, level *l, bool *again)
{
    bl_graph *g = &l->body->graph, old = *g;
    size_t    count = count_nodes(l);
    *again = count > 0;
    if (!*again)
        return BLIND_OK;
    if (count > BL_MAX_GRAPH_NODES)
        return blind_fail(s->err, BLIND_LIMIT, stage, "more than %u nodes", BL_MAX_GRAPH_NODES);
    const bl_body **branches = bl_arena_array(s->arena, old.n_nodes + 1, sizeof(bl_body *));
    bl_node        *nodes = bl_arena_array(s->arena, count + 1, sizeof *nodes);
    if (!branches || !nodes)
        return no_memory(s);
    for (size_t i = 0; i < old.n_nodes; i++)
        branches[i] = branch_of(l, &old.nodes[i]);
    g->nodes = nodes;
    g->n_nodes = 0;
    g->cap_nodes = count;
    for (size_t i = 0; i < old.n_nodes; i++)
        BL_TRY(branches[i] ? take_in(s, g, branches[i], &old.nodes[i])
                           : append(s, g, &old.nodes[i]));
    count_uses(l->body);
    return BLIND_OK;
}

static blind_code inline_graph(inlining *s, level *l)
{
    bool again = true;
    for (unsigned depth = 0; again && depth <= BL_MAX_GRAPH_DEPTH; depth++)
        BL_TRY(pass(s, l, &again));
    bl_graph *g = &l->body->graph;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (size_t k = 0; k < g->nodes[i].n_attrs; k++)
            if (g->nodes[i].attrs[k].body)
                BL_TRY(inline_graph(s, &(level){ .around = l, .body = g->nodes[i].attrs[k].body }));
    return BLIND_OK;
}

blind_code bl_branches_inline(bl_model *m, bl_arena *arena, blind_error *err)
{
    inlining s = { .arena = arena, .err = err };
    return inline_graph(&s, &(level){ .body = &m->main });
}
