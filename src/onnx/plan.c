/* Makes plans: infer and fold, fuse, drop, prepare, place. */
#include "onnx/fuse.h"
#include "onnx/widen.h"

#include <stdlib.h>

static const char stage[] = "onnx.plan";

/* Folding.  ---------------------------------------------------------------------------------- */

static bool inputs_constant(const bl_build *b, const bl_node *n, bool *derived)
{
    *derived = false;
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0)
            continue;
        if (!b->graph->values[n->in[i]].constant)
            return false;
        *derived = *derived || b->graph->values[n->in[i]].derived;
    }
    return true;
}

static bool inputs_shaped(const bl_build *b, const bl_node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && !b->graph->values[n->in[i]].shaped)
            return false;
    return true;
}

static void make_constant(bl_build *b, int32_t v, void *data, bool derived)
{
    b->graph->tensors[v].data = data;
    b->graph->values[v].constant = true;
    b->graph->values[v].derived = derived;
    b->graph->values[v].place = BL_PLACE_CONST;
}

/* Views of constants are constants. */
static void fold_view(bl_build *b, bl_node *n, bool derived)
{
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0)
            make_constant(b, n->out[i],
                          (char *)bl_in(b, n, 0)->data + b->graph->values[n->out[i]].offset,
                          derived);
    n->dead = true;
}

static blind_code run_now(bl_build *b, bl_node *n)
{
    bl_auto_free void *scratch = NULL;
    if (n->op->prepare)
        BL_TRY(n->op->prepare(b, n));
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && (i >= 32 || !(n->raw >> i & 1)))
            BL_TRY(bl_align_value(b, n->in[i]));
    if (n->scratch) {
        size_t size = (n->scratch + 63) & ~(size_t)63;
        scratch = aligned_alloc(64, size);
        if (!scratch)
            return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    }
    bl_exec x = { .tensors = b->graph->tensors,
                  .kernels = b->kernels,
                  .pool = NULL, /* a model may be opened while another one has the pool */
                  .scratch = scratch,
                  .strings = b->arena,
                  .err = b->err };
    return n->op->run(&x, n);
}

/* Computes a node of constants, unless its outputs are too large to keep. */
static blind_code fold_node(bl_build *b, bl_node *n, bool derived)
{
    size_t total = 0;
    if (n->view) {
        fold_view(b, n, derived);
        return BLIND_OK;
    }
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0)
            total += bl_tensor_size(bl_out(b, n, i));
    if (total > BL_MAX_FOLDED - BL_MIN(b->folded, BL_MAX_FOLDED))
        return BLIND_OK;
    b->folded += total;
    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0)
            continue;
        size_t size = bl_tensor_size(bl_out(b, n, i));
        void  *data = bl_arena_alloc(b->arena, size ? size : 1);
        if (!data)
            return bl_op_fail(b, n, BLIND_MEMORY, "no memory for a constant");
        b->graph->tensors[n->out[i]].data = data;
    }
    BL_TRY(run_now(b, n));
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0)
            make_constant(b, n->out[i], b->graph->tensors[n->out[i]].data, derived);
    n->dead = true;
    return BLIND_OK;
}

blind_code bl_plan_fold(bl_build *b)
{
    for (size_t i = 0; i < b->graph->n_nodes; i++) {
        bl_node *n = &b->graph->nodes[i];
        bool     derived, constant = !n->dead && inputs_constant(b, n, &derived);
        bool     shape_only = n->op->flags & BL_OP_SHAPE_ONLY;
        if (b->opening && !n->dead)
            BL_TRY(bl_widen_constants(b, n));
        if (n->dead || (b->opening && !constant) || !inputs_shaped(b, n))
            continue;
        for (int k = 0; k < n->op->min_in; k++)
            if (!bl_has_in(n, k))
                return bl_op_fail(b, n, BLIND_INPUT, "input %d is missing", k);
        blind_code code = bl_infer_widened(b, n, i);
        if (code == BL_LATER)
            return bl_op_fail(b, n, BLIND_UNSUPPORTED,
                              "input %d depends on values, not only on shapes", b->later);
        if (code != BLIND_OK)
            return code;
        if (constant && !n->dead && !shape_only && n->op->run && !(n->op->flags & BL_OP_NO_FOLD))
            BL_TRY(fold_node(b, n, derived));
        BL_TRY(bl_narrow_outputs(b, n, i));
    }
    return bl_insert_casts(b);
}

/* The stages of a plan.  --------------------------------------------------------------------- */

static blind_code copy_graph(bl_plan *plan, const bl_graph *from, blind_error *err)
{
    bl_graph *g = &plan->graph;
    size_t    edges = 0;
    *g = *from;
    for (size_t i = 0; i < from->n_nodes; i++)
        edges += (size_t)from->nodes[i].n_in + 2; /* fusion adds at most two */
    g->cap_values = from->n_values;
    g->tensors = bl_arena_array(&plan->arena, from->n_values + 1, sizeof *g->tensors);
    g->values = bl_arena_array(&plan->arena, from->n_values + 1, sizeof *g->values);
    g->nodes = bl_arena_array(&plan->arena, from->n_nodes + 1, sizeof *g->nodes);
    int32_t *in = bl_arena_array(&plan->arena, edges + 1, sizeof *in);
    if (!g->tensors || !g->values || !g->nodes || !in)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for the plan");
    if (from->n_values) {
        memcpy(g->tensors, from->tensors, from->n_values * sizeof *g->tensors);
        memcpy(g->values, from->values, from->n_values * sizeof *g->values);
    }
    if (from->n_nodes)
        memcpy(g->nodes, from->nodes, from->n_nodes * sizeof *g->nodes);
    for (size_t i = 0; i < g->n_nodes; i++) {
        memcpy(in, g->nodes[i].in, (size_t)g->nodes[i].n_in * sizeof *in);
        g->nodes[i].in = in;
        in += g->nodes[i].n_in + 2;
    }
    return BLIND_OK;
}

static void place_inputs(bl_onnx *m, bl_plan *plan, const bl_tensor *inputs)
{
    for (size_t i = 0; i < m->model.n_inputs; i++) {
        int32_t v = m->model.input_values[i];
        plan->graph.tensors[v] = inputs[i];
        plan->graph.values[v].shaped = true;
        plan->graph.values[v].place = BL_PLACE_INPUT;
    }
}

/* Counts readers and kills nodes without any, from the back. */
void bl_drop_unread(bl_graph *g)
{
    for (size_t v = 0; v < g->n_values; v++)
        g->values[v].uses = g->values[v].is_output;
    for (size_t i = g->n_nodes; i-- > 0;) {
        bl_node *n = &g->nodes[i];
        int32_t  readers = 0;
        for (int k = 0; k < n->n_out && !n->dead; k++)
            readers += n->out[k] >= 0 ? g->values[n->out[k]].uses : 0;
        n->dead = n->dead || readers == 0;
        for (int k = 0; k < n->n_in && !n->dead; k++)
            if (n->in[k] >= 0)
                g->values[n->in[k]].uses++;
    }
}

static blind_code prepare_nodes(bl_build *b)
{
    bl_graph *g = b->graph;
    size_t    live = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        bl_node *n = &g->nodes[i];
        if (n->dead || n->view)
            continue;
        if (n->op->prepare)
            BL_TRY(n->op->prepare(b, n));
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] >= 0 && (k >= 32 || !(n->raw >> k & 1)))
                BL_TRY(bl_align_value(b, n->in[k]));
        g->nodes[live++] = *n;
    }
    g->n_nodes = live;
    return BLIND_OK;
}

static blind_code check_outputs(const bl_onnx *m, const bl_plan *plan, blind_error *err)
{
    for (size_t i = 0; i < m->model.n_outputs; i++)
        if (!plan->graph.values[m->model.output_values[i]].shaped)
            return blind_fail(err, BLIND_UNSUPPORTED, stage,
                              "output '%.80s' has a shape that depends on values",
                              m->model.outputs[i].name);
    return BLIND_OK;
}

static blind_code make(bl_onnx *m, bl_plan *plan, const bl_tensor *inputs, blind_error *err)
{
    BL_TRY(copy_graph(plan, &m->model.graph, err));
    place_inputs(m, plan, inputs);
    bl_build b = { .graph = &plan->graph,
                   .arena = &plan->arena,
                   .origin = &m->model.graph,
                   .origin_arena = &m->arena,
                   .store = &m->store,
                   .kernels = m->kernels,
                   .pool = m->options.pool,
                   .plain = m->options.plain,
                   .err = err };
    BL_TRY(bl_plan_fold(&b));
    BL_TRY(check_outputs(m, plan, err));
    bl_drop_unread(&plan->graph);
    if (!m->options.plain) {
        BL_TRY(bl_plan_fuse(&b));
        bl_drop_unread(&plan->graph);
    }
    BL_TRY(prepare_nodes(&b));
    for (size_t i = 0; i < m->model.n_outputs; i++)
        BL_TRY(bl_align_value(&b, m->model.output_values[i]));
    BL_TRY(bl_plan_memory(plan, err));
    size_t max = m->options.max_memory, total = plan->memory + m->store.bytes + m->arena.used;
    if (max && total > max)
        return blind_fail(err, BLIND_LIMIT, stage, "needs %zu bytes, the limit is %zu", total, max);
    return BLIND_OK;
}

static blind_code make_key(const bl_onnx *m, bl_plan *plan, const bl_tensor *inputs,
                           blind_error *err)
{
    size_t len = 0;
    for (size_t i = 0; i < m->model.n_inputs; i++)
        len += 1 + (size_t)inputs[i].rank;
    plan->key = bl_arena_array(&plan->arena, len + 1, sizeof *plan->key);
    if (!plan->key)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for the plan");
    for (size_t i = 0; i < m->model.n_inputs; i++) {
        plan->key[plan->key_len++] = inputs[i].rank;
        for (int d = 0; d < inputs[i].rank; d++)
            plan->key[plan->key_len++] = inputs[i].dim[d];
    }
    return BLIND_OK;
}

blind_code bl_plan_new(bl_onnx *model, const bl_tensor *inputs, bl_plan **out, blind_error *err)
{
    bl_plan *plan = calloc(1, sizeof *plan);
    *out = NULL;
    if (!plan)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for the plan");
    plan->arena.max = model->options.max_memory;
    model->store.derived = NULL;
    blind_code code = make_key(model, plan, inputs, err);
    if (code == BLIND_OK)
        code = make(model, plan, inputs, err);
    plan->derived = model->store.derived;
    model->store.derived = NULL;
    if (code != BLIND_OK) {
        bl_plan_free(plan);
        return code;
    }
    *out = plan;
    return BLIND_OK;
}

void bl_plan_free(bl_plan *plan)
{
    if (!plan)
        return;
    bl_run_destroy(plan->idle);
    for (bl_store_entry *e = plan->derived; e; e = e->next)
        bl_packed_free(e->weights.packed);
    bl_arena_done(&plan->arena);
    free(plan);
}
