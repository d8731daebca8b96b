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

/* Computes a node of constants, unless its outputs are too large to keep or that takes too long:
 * then it is left to the run, which can be cancelled. */
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
    double work = bl_node_work(b, n);
    if (total > BL_MAX_FOLDED - BL_MIN(b->folded, BL_MAX_FOLDED) ||
        b->work + work > (double)BL_MAX_FOLDED_WORK)
        return BLIND_OK;
    b->folded += total;
    b->work += work;
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

static bool inputs_there(const bl_build *b, const bl_node *n, bool *held)
{
    *held = false;
    for (int i = 0; i < n->n_in; i++) {
        const bl_value *v = n->in[i] < 0 ? NULL : &b->graph->values[n->in[i]];
        if (v && !v->shaped && !v->held)
            return false;
        *held = *held || (v && v->held);
    }
    return true;
}

/* What infer set before it came to the value it needs. */
static void forget_outputs(bl_build *b, const bl_node *n)
{
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0) {
            b->graph->values[n->out[i]].shaped = false;
            b->graph->values[n->out[i]].place = BL_PLACE_NONE;
        }
}

/* Constants stay integers until fusion has seen who reads them: products may take them as they are.
 */
static bool waits_for_fusion(const bl_build *b, const bl_node *n)
{
    return !b->plain && n->op->run == bl_op_dequantize_run && bl_out(b, n, 0)->len > 1;
}

static bool can_fold(const bl_node *n)
{
    return !n->dead && !(n->op->flags & BL_OP_SHAPE_ONLY) && n->op->run &&
           !(n->op->flags & BL_OP_NO_FOLD);
}

static blind_code infer_node(bl_build *b, size_t at)
{
    bl_node *n = &b->graph->nodes[at];
    bool     derived, held, constant = inputs_constant(b, n, &derived);
    bool     control = n->op->flags & BL_OP_CONTROL;
    if (b->opening)
        BL_TRY(bl_widen_constants(b, n));
    if (b->opening && (!constant || control))
        return BLIND_OK;
    if (!inputs_there(b, n, &held)) {
        n->wait = BL_WAIT_INPUT;
        return BLIND_OK;
    }
    for (int k = 0; k < n->op->min_in && !control; k++)
        if (!bl_has_in(n, k))
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is missing", k);
    blind_code code = held || control ? BL_LATER : bl_infer_widened(b, n, at);
    if (code == BL_LATER) {
        forget_outputs(b, n);
        n->wait = BL_WAIT_VALUE;
        return BLIND_OK;
    }
    if (code == BLIND_OK && !n->dead && n->op->run)
        code = bl_node_check_work(b, n);
    if (code == BLIND_OK && constant && can_fold(n) && !waits_for_fusion(b, n))
        code = fold_node(b, n, derived);
    return code == BLIND_OK ? bl_narrow_outputs(b, n, at) : code;
}

blind_code bl_plan_fold(bl_build *b)
{
    for (size_t i = 0; i < b->graph->n_nodes; i++)
        if (!b->graph->nodes[i].dead)
            BL_TRY(infer_node(b, i));
    return bl_insert_casts(b);
}

blind_code bl_plan_fold_rest(bl_build *b)
{
    bl_graph          *g = b->graph;
    bl_auto_free bool *fresh = calloc(g->n_values + 1, sizeof *fresh);
    if (!fresh)
        return blind_fail(b->err, BLIND_MEMORY, stage, "no memory for the plan");
    for (size_t i = 0; i < g->n_nodes; i++) {
        bl_node *n = &g->nodes[i];
        bool     derived, asked = false;
        if (n->dead || n->wait != BL_WAIT_NOT)
            continue;
        for (int k = 0; k < n->n_in; k++)
            asked = asked || (n->in[k] >= 0 && fresh[n->in[k]]);
        bool constant = inputs_constant(b, n, &derived) && can_fold(n);
        if (asked)
            BL_TRY(n->op->infer(b, n));
        if (constant && (asked || n->op->run == bl_op_dequantize_run))
            BL_TRY(fold_node(b, n, derived));
        for (int k = 0; k < n->n_out && n->dead; k++)
            if (n->out[k] >= 0)
                fresh[n->out[k]] = true;
    }
    return BLIND_OK;
}

/* The stages of a plan.  --------------------------------------------------------------------- */

/* The nodes that are left to this plan: all that are alive, or those after its parent's last. */
static size_t nodes_left(const bl_plan *plan, const bl_graph *from, bl_node *to)
{
    size_t len = 0;
    size_t max = plan->parent ? plan->parent->n_later : from->n_nodes;
    for (size_t i = 0; i < max; i++) {
        size_t at = plan->parent ? (size_t)plan->parent->later[i] : i;
        if (from->nodes[at].dead)
            continue;
        to[len] = from->nodes[at];
        to[len++].at = (int32_t)at;
    }
    return len;
}

static blind_code copy_graph(bl_plan *plan, const bl_graph *from, blind_error *err)
{
    bl_graph *g = &plan->graph;
    size_t    edges = 0, max = plan->parent ? plan->parent->n_later : from->n_nodes;
    *g = *from;
    g->cap_values = from->n_values;
    g->tensors = bl_arena_array(&plan->arena, from->n_values + 1, sizeof *g->tensors);
    g->values = bl_arena_array(&plan->arena, from->n_values + 1, sizeof *g->values);
    g->nodes = bl_arena_array(&plan->arena, max + 1, sizeof *g->nodes);
    if (!g->tensors || !g->values || !g->nodes)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for the plan");
    if (from->n_values) {
        memcpy(g->tensors, from->tensors, from->n_values * sizeof *g->tensors);
        memcpy(g->values, from->values, from->n_values * sizeof *g->values);
    }
    g->n_nodes = g->cap_nodes = nodes_left(plan, from, g->nodes);
    for (size_t v = 0; v < g->n_values; v++)
        g->values[v].producer = -1;
    for (size_t i = 0; i < g->n_nodes; i++)
        edges += (size_t)g->nodes[i].n_in + 2; /* fusion adds at most two */
    int32_t *in = bl_arena_array(&plan->arena, edges + 1, sizeof *in);
    if (!in)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for the plan");
    for (size_t i = 0; i < g->n_nodes; i++) {
        bl_node *n = &g->nodes[i];
        memcpy(in, n->in, (size_t)n->n_in * sizeof *in);
        n->in = in;
        in += n->n_in + 2;
        for (int k = 0; k < n->n_out; k++)
            if (n->out[k] >= 0)
                g->values[n->out[k]].producer = (int32_t)i;
    }
    return BLIND_OK;
}

static void place_given(bl_graph *g, int32_t v, const bl_tensor *t)
{
    if (g->values[v].constant) /* of the model, also in bodies that take it from around them */
        return;
    g->tensors[v] = *t;
    g->values[v].held = t->rank < 0;
    g->values[v].shaped = t->rank >= 0;
    g->values[v].place = BL_PLACE_INPUT;
}

/* What is there when the plan runs, in the parent's order: later ones see earlier ones' values. */
static void place_inputs(bl_plan *plan, const bl_plan_for *what)
{
    bl_graph *g = &plan->graph;
    for (size_t i = 0; plan->parent && i < plan->parent->n_kept; i++) {
        const bl_kept *kept = &plan->parent->kept[i];
        bl_value      *v = &g->values[kept->value];
        place_given(g, kept->value, &kept->t);
        v->held = kept->held;
        v->shaped = !kept->held;
        if (!kept->constant)
            continue;
        v->constant = v->derived = true;
        v->place = BL_PLACE_CONST;
    }
    for (size_t i = 0; i < what->len; i++)
        if (what->values[i] >= 0)
            place_given(g, what->values[i], &what->tensors[i]);
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

/* A plan that needs nobody after it, of the model's own graph. */
static bool is_whole(const bl_onnx *m, const bl_plan *plan)
{
    const bl_body *body = plan->body;
    if (body != &m->model.main || plan->parent)
        return false;
    for (size_t i = 0; i < plan->graph.n_nodes; i++)
        if (!plan->graph.nodes[i].dead && plan->graph.nodes[i].wait != BL_WAIT_NOT)
            return false;
    for (size_t i = 0; i < body->n_outputs; i++)
        if (!plan->graph.values[body->output_values[i]].shaped)
            return false;
    return true;
}

static blind_code check_size(bl_onnx *m, const bl_plan *plan, blind_error *err)
{
    size_t max = m->options.max_memory, total = plan->memory + m->packed + m->arena.used;
    if (max && total > max)
        return blind_fail(err, BLIND_LIMIT, stage, "needs %zu bytes, the limit is %zu", total, max);
    return BLIND_OK;
}

static blind_code make(bl_onnx *m, bl_plan *plan, const bl_plan_for *what, blind_error *err)
{
    const bl_body *body = plan->body;
    BL_TRY(copy_graph(plan, &body->graph, err));
    place_inputs(plan, what);
    bl_auto_build b = { .graph = &plan->graph,
                        .arena = &plan->arena,
                        .origin = (bl_graph *)(uintptr_t)&body->graph,
                        .origin_arena = &m->arena,
                        .store = body->store,
                        .kernels = m->kernels,
                        .pool = m->options.pool,
                        .packing = m->options.packing,
                        .plain = m->options.plain,
                        .err = err };
    BL_TRY(bl_plan_fold(&b));
    bl_drop_unread(&plan->graph);
    plan->whole = is_whole(m, plan);
    if (!plan->whole) {
        BL_TRY(bl_plan_fold_rest(&b)); /* what a later part reads has to be constant there */
        BL_TRY(bl_plan_split(&b, plan));
        bl_drop_unread(&plan->graph);
    }
    if (!m->options.plain) {
        BL_TRY(bl_plan_fuse(&b));
        bl_drop_unread(&plan->graph);
    }
    BL_TRY(prepare_nodes(&b));
    for (size_t i = 0; i < body->n_outputs; i++)
        BL_TRY(bl_align_value(&b, body->output_values[i]));
    bl_plan_place_kept(plan);
    BL_TRY(bl_plan_memory(plan, err));
    return check_size(m, plan, err);
}

static size_t key_size(const bl_plan_for *what)
{
    size_t len = 0;
    for (size_t i = 0; i < what->len; i++)
        len += 2 + (size_t)BL_MAX(what->tensors[i].rank, 0);
    return len;
}

/* Type, rank and dimensions of each. */
static void write_key(const bl_plan_for *what, int64_t *to)
{
    for (size_t i = 0; i < what->len; i++) {
        const bl_tensor *t = &what->tensors[i];
        *to++ = t->rank < 0 ? -1 : (int64_t)t->dtype;
        *to++ = t->rank;
        for (int d = 0; d < t->rank; d++)
            *to++ = t->dim[d];
    }
}

bool bl_plan_fits(const bl_plan *plan, const bl_plan_for *what)
{
    const int64_t *key = plan->key;
    if (plan->body != what->body || plan->parent != what->parent)
        return false;
    for (size_t i = 0; i < what->len; i++) {
        const bl_tensor *t = &what->tensors[i];
        if (*key++ != (t->rank < 0 ? -1 : (int64_t)t->dtype) || *key++ != t->rank)
            return false;
        for (int d = 0; d < t->rank; d++)
            if (*key++ != t->dim[d])
                return false;
    }
    return true;
}

static void free_one(bl_plan *plan)
{
    bl_run_destroy(plan->idle);
    for (bl_store_entry *e = plan->derived; e; e = e->next) {
        *plan->packed -= bl_packed_size(e->weights.packed);
        bl_packed_free(e->weights.packed);
    }
    bl_arena_done(&plan->arena);
    free(plan);
}

/* Frees a plan, and those before it that only it kept. */
static void free_chain(bl_plan *plan)
{
    while (plan) {
        bl_plan *parent = plan->parent;
        free_one(plan);
        plan = parent && --parent->runs == 0 && parent->evicted ? parent : NULL;
    }
}

void bl_plan_evict(bl_plan *plan)
{
    plan->evicted = true;
    if (plan->runs == 0)
        free_chain(plan);
}

void bl_plan_release(bl_plan *plan)
{
    if (--plan->runs == 0 && plan->evicted)
        free_chain(plan);
}

blind_code bl_plan_new(bl_onnx *model, const bl_plan_for *what, bl_plan **out, blind_error *err)
{
    bl_plan  *plan = calloc(1, sizeof *plan);
    bl_store *store = what->body->store;
    *out = NULL;
    if (!plan)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for the plan");
    plan->arena.max = what->max ? what->max : model->options.max_memory;
    plan->packed = &model->packed;
    plan->body = what->body;
    plan->parent = what->parent;
    if (plan->parent) {
        plan->parent->runs++;
        plan->depth = plan->parent->depth + 1;
    }
    plan->key_len = key_size(what);
    plan->key = bl_arena_array(&plan->arena, plan->key_len + 1, sizeof *plan->key);
    store->derived = NULL;
    blind_code code =
        plan->key ? BLIND_OK : blind_fail(err, BLIND_MEMORY, stage, "no memory for the plan");
    if (code == BLIND_OK) {
        write_key(what, plan->key);
        code = make(model, plan, what, err);
    }
    plan->derived = store->derived;
    store->derived = NULL;
    if (code != BLIND_OK) {
        bl_plan_evict(plan);
        return code;
    }
    *out = plan;
    return BLIND_OK;
}

size_t bl_plans_size(const bl_onnx *m)
{
    size_t size = 0;
    for (size_t i = 0; i < BL_PLANS; i++)
        size += m->plans[i] ? m->plans[i]->arena.used : 0;
    for (size_t i = 0; i < BL_SEGMENTS; i++)
        size += m->segments[i] ? m->segments[i]->arena.used : 0;
    return size;
}
