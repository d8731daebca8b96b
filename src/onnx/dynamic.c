/* Runs what no single plan can: segment after segment, between them single nodes whose shapes need
 * values, and frames for the bodies of If, Loop and Scan.
 *
 * Every call does one node or one step between nodes, so a run yields and is cancelled anywhere.
 * Nothing here recurses over a model: bodies are frames in a list. */
#include "onnx/families.h"
#include "onnx/number.h"
#include "onnx/run.h"

#include <stdlib.h>

static const char stage[] = "onnx.run";

/* Segments before a graph is run node by node: so many plans are kept at once by one frame. */
enum { MOST_SEGMENTS = 32 };

/* Frames.  ----------------------------------------------------------------------------------- */

static void frame_clear(bl_frame *f)
{
    for (size_t v = 0; f->cells && v < f->body->graph.n_values; v++) {
        bl_object_drop(f->cells[v]);
        f->cells[v] = NULL;
    }
    bl_call_done(f);
    if (f->plan)
        bl_plan_release(f->plan);
    f->plan = NULL;
    free(f->uses);
    f->uses = NULL;
    f->to_the_end = false;
}

static void frame_free(bl_onnx_run *run, bl_frame *f)
{
    if (!f)
        return;
    frame_clear(f);
    if (f->memory)
        bl_wipe(f->memory, f->memory_size);
    bl_room_give(&run->room, f->memory_size + f->size);
    free(f->memory);
    free(f->tensors);
    free(f->cells);
    free(f->known.tensors);
    free(f->known.values);
    free(f);
}

static blind_code frame_new(bl_onnx_run *run, const bl_body *body, bl_frame **out, blind_error *err)
{
    const bl_graph *g = &body->graph;
    size_t          n = g->n_values + 1;
    size_t size = sizeof **out + n * (sizeof(bl_object *) + sizeof(bl_tensor) + sizeof(bl_value));
    bl_frame *f = NULL;
    *out = NULL;
    BL_TRY(bl_room_take(&run->room, size, err));
    f = calloc(1, sizeof *f);
    if (f) {
        f->size = size;
        f->body = body;
        f->cells = calloc(n, sizeof *f->cells);
        f->known.tensors = calloc(n, sizeof *f->known.tensors);
        f->known.values = calloc(n, sizeof *f->known.values);
    }
    if (!f || !f->cells || !f->known.tensors || !f->known.values) {
        if (f)
            frame_free(run, f);
        else
            bl_room_give(&run->room, size);
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for a graph");
    }
    *out = f;
    return BLIND_OK;
}

/* Everything of the model is known; nothing else is. */
static void frame_reset(bl_frame *f)
{
    const bl_graph *g = &f->body->graph;
    frame_clear(f);
    f->known.n_values = f->known.cap_values = g->n_values;
    if (g->n_values) {
        memcpy(f->known.tensors, g->tensors, g->n_values * sizeof *g->tensors);
        memcpy(f->known.values, g->values, g->n_values * sizeof *g->values);
    }
    f->phase = BL_FRAME_PLAN;
    f->next = f->n_singles = 0;
}

void bl_frame_set(bl_frame *f, int32_t v, bl_object *o)
{
    bl_value *value = &f->known.values[v];
    bool      tensor = o->kind == BL_OBJECT_TENSOR;
    bl_object_drop(f->cells[v]);
    f->cells[v] = o;
    value->constant = value->derived = value->shaped = tensor;
    value->held = !tensor;
    value->place = BL_PLACE_CONST;
    if (tensor)
        f->known.tensors[v] = o->t;
}

static void frame_unset(bl_frame *f, int32_t v)
{
    bl_object_drop(f->cells[v]);
    f->cells[v] = NULL;
}

/* Plans.  ------------------------------------------------------------------------------------ */

/* The segment unused for longest that nobody uses, or BL_SEGMENTS. */
static size_t oldest_segment(const bl_onnx *m)
{
    size_t oldest = BL_SEGMENTS;
    for (size_t i = 0; i < BL_SEGMENTS; i++)
        if (m->segments[i] && m->segments[i]->runs == 0 &&
            (oldest == BL_SEGMENTS || m->segments[i]->used_at < m->segments[oldest]->used_at))
            oldest = i;
    return oldest;
}

static bool evict_one(bl_onnx *m)
{
    size_t i = oldest_segment(m);
    if (i == BL_SEGMENTS)
        return false;
    bl_plan *plan = m->segments[i];
    m->segments[i] = NULL;
    bl_plan_evict(plan);
    return true;
}

size_t bl_dynamic_max(const bl_onnx *m)
{
    size_t all = m->options.max_memory, with = m->packed + m->arena.used + m->options.max_run;
    if (!m->options.max_run)
        return all;
    return all ? BL_MIN(all, with) : with;
}

/* What all but the plan to come have. */
static size_t size_now(const bl_onnx_run *run)
{
    const bl_onnx *m = run->model;
    return m->packed + m->arena.used + run->room.used + run->strings.used + bl_plans_size(m);
}

/* Keeps a plan in the cache, or without a place for it until its frame is done with it. */
static void remember(bl_onnx *m, bl_plan *plan)
{
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < BL_SEGMENTS; i++)
            if (!m->segments[i]) {
                m->segments[i] = plan;
                return;
            }
        if (!evict_one(m))
            break;
    }
    plan->evicted = true; /* its frame holds it */
}

/* Finds or makes the plan of the next segment, with one use for the caller. */
static blind_code find_segment(bl_onnx_run *run, bl_plan_for *what, bl_plan **out, blind_error *err)
{
    bl_onnx *m = run->model;
    size_t   max = bl_dynamic_max(m);
    *out = NULL;
    for (size_t i = 0; i < BL_SEGMENTS && !*out; i++)
        if (m->segments[i] && bl_plan_fits(m->segments[i], what))
            *out = m->segments[i];
    if (!*out) {
        while (max && size_now(run) > max / 2 && evict_one(m))
            ;
        if (max && size_now(run) >= max)
            return blind_fail(err, BLIND_LIMIT, stage, "needs %zu bytes, the limit is %zu",
                              size_now(run), max);
        what->max = max ? max - size_now(run) : 0;
        BL_TRY(bl_plan_new(m, what, out, err));
        (*out)->runs++;
        remember(m, *out);
    } else {
        (*out)->runs++;
    }
    (*out)->used_at = ++m->clock;
    return BLIND_OK;
}

static blind_code describe(const bl_frame *f, bl_plan_for *what, bl_tensor **tensors,
                           blind_error *err)
{
    *what = (bl_plan_for){ .body = f->body,
                           .parent = f->plan,
                           .values = f->plan ? f->plan->made : f->body->entry,
                           .len = f->plan ? f->plan->n_made : f->body->n_entry };
    *tensors = calloc(what->len + 1, sizeof **tensors);
    what->tensors = *tensors;
    if (!*tensors)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for a plan");
    for (size_t i = 0; i < what->len; i++) {
        const bl_object *o = f->cells[what->values[i]];
        if (o && o->kind == BL_OBJECT_TENSOR)
            (*tensors)[i] = o->t;
        else if (!o && f->body->graph.values[what->values[i]].constant)
            (*tensors)[i] = f->body->graph.tensors[what->values[i]];
        else
            (*tensors)[i].rank = -1;
    }
    return BLIND_OK;
}

/* The rest of the graph, node by node. */
static blind_code run_singly(bl_frame *f, blind_error *err)
{
    const bl_graph *g = &f->body->graph;
    f->singles = f->plan->later;
    f->n_singles = f->plan->n_later;
    f->next = 0;
    f->to_the_end = true;
    f->phase = BL_FRAME_SINGLE;
    f->uses = calloc(g->n_values + 1, sizeof *f->uses);
    if (!f->uses)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for a graph");
    for (size_t i = 0; i < f->n_singles; i++)
        for (int k = 0; k < g->nodes[f->singles[i]].n_in; k++)
            if (g->nodes[f->singles[i]].in[k] >= 0)
                f->uses[g->nodes[f->singles[i]].in[k]]++;
    return BLIND_OK;
}

/* Segments.  --------------------------------------------------------------------------------- */

static blind_code room_for_segment(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    size_t want = f->plan->memory + 64, n = f->plan->graph.n_values + 1;
    if (want > f->memory_size) {
        if (f->memory)
            bl_wipe(f->memory, f->memory_size);
        free(f->memory);
        bl_room_give(&run->room, f->memory_size);
        f->memory = NULL;
        f->memory_size = 0;
        BL_TRY(bl_room_take(&run->room, want, err));
        f->memory_size = want;
        f->memory = aligned_alloc(64, want);
        if (!f->memory)
            return blind_fail(err, BLIND_MEMORY, stage, "no memory for a run of %zu bytes", want);
    }
    if (n > f->n_tensors) {
        free(f->tensors);
        f->n_tensors = 0;
        f->tensors = calloc(n, sizeof *f->tensors);
        if (!f->tensors)
            return blind_fail(err, BLIND_MEMORY, stage, "no memory for a graph");
        f->n_tensors = n;
    }
    return BLIND_OK;
}

static blind_code place_segment(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    const bl_graph *g = &f->plan->graph;
    if (g->n_values)
        memcpy(f->tensors, g->tensors, g->n_values * sizeof *f->tensors);
    for (size_t v = 0; v < g->n_values; v++) {
        bl_object *o = NULL;
        switch (g->values[v].place) {
        case BL_PLACE_ARENA:
            f->tensors[v].data = f->memory + g->values[v].offset;
            break;
        case BL_PLACE_CELL:
            BL_TRY(bl_object_tensor(&run->room, &g->tensors[v], &o, err));
            f->tensors[v].data = o->t.data;
            bl_frame_set(f, (int32_t)v, o);
            break;
        case BL_PLACE_INPUT:
            if (f->cells[v])
                f->tensors[v].data = f->cells[v]->t.data;
            break;
        default:
            break;
        }
    }
    for (size_t v = 0; v < g->n_values; v++)
        if (g->values[v].place == BL_PLACE_VIEW && f->tensors[g->values[v].of].data)
            f->tensors[v].data = (uint8_t *)f->tensors[g->values[v].of].data + g->values[v].offset;
    return BLIND_OK;
}

static blind_code next_segment(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    bl_auto_free bl_tensor *tensors = NULL;
    bl_plan_for             what;
    bl_plan                *plan;
    if (f->plan && f->plan->depth >= MOST_SEGMENTS)
        return run_singly(f, err);
    BL_TRY(describe(f, &what, &tensors, err));
    BL_TRY(find_segment(run, &what, &plan, err));
    if (f->plan)
        bl_plan_release(f->plan); /* the next one keeps it */
    f->plan = plan;
    BL_TRY(room_for_segment(run, f, err));
    BL_TRY(place_segment(run, f, err));
    f->phase = BL_FRAME_NODES;
    f->next = 0;
    return BLIND_OK;
}

/* What the segment leaves becomes cells; all other cells end with it. */
static blind_code keep_values(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    const bl_plan     *p = f->plan;
    const bl_graph    *g = &p->graph;
    bl_auto_free bool *wanted = calloc(f->body->graph.n_values + 1, sizeof *wanted);
    if (!wanted)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for a graph");
    for (size_t i = 0; i < p->n_kept; i++) {
        int32_t    v = p->kept[i].value;
        bl_object *o = NULL, *base = NULL;
        wanted[v] = true;
        if (f->cells[v])
            continue;
        bool view = g->values[v].place == BL_PLACE_VIEW;
        if (view)
            base = f->cells[g->values[v].of];
        BL_TRY(bl_object_over(&run->room, view ? &f->tensors[v] : &p->kept[i].t, base, &o, err));
        o->of_plan = o->of_plan || !base;
        bl_frame_set(f, v, o);
    }
    for (size_t v = 0; v < f->body->graph.n_values; v++)
        if (!wanted[v] && f->cells[v])
            frame_unset(f, (int32_t)v);
    return BLIND_OK;
}

static blind_code end_segment(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    BL_TRY(keep_values(run, f, err));
    f->singles = f->plan->cut;
    f->n_singles = f->plan->n_cut;
    f->next = 0;
    f->phase = BL_FRAME_SINGLE;
    return BLIND_OK;
}

/* Single nodes.  ----------------------------------------------------------------------------- */

/* A sequence or an empty optional, where a tensor was meant. */
static blind_code pass_on(bl_onnx_run *run, bl_frame *f, const bl_node *n, bl_object *o,
                          blind_error *err)
{
    (void)run;
    if (n->op->infer != bl_op_identity_infer)
        return bl_control_fail(n, err, BLIND_INPUT, "an input that is no tensor");
    bl_frame_output(f, n, 0, bl_object_keep(o));
    return BLIND_OK;
}

static blind_code make_outputs(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    for (int k = 0; k < n->n_out; k++) {
        bl_object *o, *base = n->in && n->n_in > 0 && n->in[0] >= 0 ? f->cells[n->in[0]] : NULL;
        int32_t    v = n->out[k];
        if (v < 0)
            continue;
        if (!f->known.values[v].shaped)
            return bl_control_fail(n, err, BLIND_UNSUPPORTED, "output %d is not made", k);
        bl_tensor t = f->known.tensors[v];
        bool      known = f->known.values[v].constant; /* made while its shape was asked for */
        if (n->view) {
            t.data = (uint8_t *)f->known.tensors[n->in[0]].data + f->known.values[v].offset;
            BL_TRY(bl_object_over(&run->room, &t, base, &o, err));
        } else {
            BL_TRY(bl_object_tensor(&run->room, &t, &o, err));
            if (known && t.len)
                memcpy(o->t.data, t.data, bl_tensor_size(&t));
        }
        bl_frame_set(f, v, o);
    }
    return BLIND_OK;
}

static blind_code compute(bl_onnx_run *run, bl_frame *f, bl_build *b, bl_node *n)
{
    bl_onnx           *m = run->model;
    bl_auto_free void *scratch = NULL;
    size_t             size;
    if (n->op->prepare)
        BL_TRY(n->op->prepare(b, n));
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && (i >= 32 || !(n->raw >> i & 1)))
            BL_TRY(bl_align_value(b, n->in[i]));
    if (!bl_add(n->scratch, 127, &size))
        return blind_fail(b->err, BLIND_LIMIT, stage, "more memory than there can be");
    size &= ~(size_t)63;
    BL_TRY(bl_room_take(&run->room, size, b->err));
    scratch = aligned_alloc(64, size);
    bl_exec    x = { .tensors = f->known.tensors,
                     .kernels = m->kernels,
                     .pool = m->options.pool,
                     .scratch = scratch,
                     .strings = &run->strings,
                     .err = b->err };
    blind_code code = scratch ? bl_run_node(run, &x, n)
                              : blind_fail(b->err, BLIND_MEMORY, stage, "no memory for a node");
    if (scratch)
        bl_wipe(scratch, size);
    bl_room_give(&run->room, size);
    return code;
}

static blind_code infer_and_run(bl_onnx_run *run, bl_frame *f, bl_build *b, bl_node *n)
{
    blind_code code = n->op->infer(b, n);
    if (code == BL_LATER)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d depends on what cannot be known",
                          b->later);
    if (code == BLIND_OK && !n->dead && n->op->run)
        code = bl_node_check_work(b, n);
    if (code != BLIND_OK)
        return code;
    BL_TRY(make_outputs(run, f, n, b->err));
    return n->view || n->dead || !n->op->run ? BLIND_OK : compute(run, f, b, n);
}

/* Operators that know F32 but not what they are given: folded like constants of a plan, which makes
 * F32 of it and back.  The graph has the node's own values alone. */
static blind_code run_widened(bl_onnx_run *run, bl_frame *f, bl_build *b, bl_node *n)
{
    bl_arena *arena = b->arena;
    size_t    len = (size_t)n->n_in + (size_t)n->n_out;
    bl_graph  g = { .cap_values = len, .nodes = n, .n_nodes = 1, .cap_nodes = 1 };
    int32_t  *edges = bl_arena_array(arena, len + 3, sizeof *edges);
    g.tensors = bl_arena_array(arena, len + 1, sizeof *g.tensors);
    g.values = bl_arena_array(arena, len + 1, sizeof *g.values);
    if (!edges || !g.tensors || !g.values)
        return bl_op_fail(b, n, BLIND_LIMIT, "no memory for a node");
    const int32_t *out = n->out;
    for (int i = 0; i < n->n_in; i++) {
        edges[i] = n->in[i] < 0 ? -1 : (int32_t)g.n_values;
        if (n->in[i] < 0)
            continue;
        g.tensors[g.n_values] = f->known.tensors[n->in[i]];
        g.values[g.n_values++] = (bl_value){
            .name = "", .constant = true, .derived = true, .shaped = true, .place = BL_PLACE_CONST
        };
    }
    for (int k = 0; k < n->n_out; k++) {
        edges[n->n_in + 2 + k] = n->out[k] < 0 ? -1 : (int32_t)g.n_values;
        if (n->out[k] >= 0)
            g.values[g.n_values++] = (bl_value){ .name = "", .is_output = true };
    }
    n->in = edges;
    n->out = edges + n->n_in + 2;
    b->graph = b->origin = &g;
    b->origin_arena = arena;
    BL_TRY(bl_plan_fold(b));
    for (int k = 0; k < n->n_out; k++) {
        bl_object *o;
        int32_t    v = edges[n->n_in + 2 + k];
        if (out[k] < 0)
            continue;
        if (!g.values[v].constant)
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of 16 bits");
        BL_TRY(bl_object_tensor(&run->room, &g.tensors[v], &o, b->err));
        if (g.tensors[v].len)
            memcpy(o->t.data, g.tensors[v].data, bl_tensor_size(&g.tensors[v]));
        bl_frame_set(f, out[k], o);
    }
    return BLIND_OK;
}

static bool needs_widening(const bl_frame *f, const bl_node *n)
{
    for (int i = 0; i < n->n_in && !(n->op->flags & (BL_OP_TYPED | BL_OP_MOVES)); i++)
        if (n->in[i] >= 0 && bl_is_narrow(f->known.tensors[n->in[i]].dtype))
            return true;
    return false;
}

/* infer and run with every input known. */
static blind_code run_alone(bl_onnx_run *run, bl_frame *f, const bl_node *node, blind_error *err)
{
    bl_onnx      *m = run->model;
    bl_node       n = *node;
    bl_auto_arena arena = { .secret = true };
    size_t        now = size_now(run), max = bl_dynamic_max(m);
    for (int i = 0; i < n.n_in; i++)
        if (n.in[i] >= 0 && f->cells[n.in[i]]) {
            if (f->cells[n.in[i]]->kind != BL_OBJECT_TENSOR)
                return pass_on(run, f, &n, f->cells[n.in[i]], err);
            f->known.tensors[n.in[i]] = f->cells[n.in[i]]->t;
        }
    for (int k = 0; k < n.n_out; k++)
        if (n.out[k] >= 0)
            f->known.values[n.out[k]].constant = f->known.values[n.out[k]].shaped = false;
    if (max && now >= max)
        return blind_fail(err, BLIND_LIMIT, stage, "needs %zu bytes, the limit is %zu", now, max);
    arena.max = max ? max - now : 0;
    bl_store     *store = f->body->store;
    bl_auto_build b = { .graph = &f->known,
                        .arena = &arena,
                        .origin = (bl_graph *)(uintptr_t)&f->body->graph,
                        .origin_arena = &m->arena,
                        .store = store,
                        .kernels = m->kernels,
                        .pool = m->options.pool,
                        .packing = m->options.packing,
                        .plain = true,
                        .err = err };
    blind_code    code =
        needs_widening(f, &n) ? run_widened(run, f, &b, &n) : infer_and_run(run, f, &b, &n);
    for (bl_store_entry *e = store->derived; e; e = e->next) {
        m->packed -= bl_packed_size(e->weights.packed);
        bl_packed_free(e->weights.packed);
    }
    store->derived = NULL;
    return code;
}

/* Values that no single node reads any more. */
static void drop_read(bl_frame *f, const bl_node *n)
{
    for (int i = 0; f->uses && i < n->n_in; i++)
        if (n->in[i] >= 0 && --f->uses[n->in[i]] == 0 && !f->body->graph.values[n->in[i]].is_output)
            frame_unset(f, n->in[i]);
}

static blind_code next_single(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    if (f->next == f->n_singles) {
        bool rest = !f->to_the_end && f->plan->n_later > 0;
        f->phase = rest ? BL_FRAME_PLAN : BL_FRAME_DONE;
        return BLIND_OK;
    }
    const bl_node    *n = &f->body->graph.nodes[f->singles[f->next++]];
    const bl_control *control = n->op->flags & BL_OP_CONTROL ? bl_control_find(n) : NULL;
    if (!control)
        BL_TRY(run_alone(run, f, n, err));
    else
        BL_TRY(control->begin(run, f, n, err));
    run->did = n;
    if (f->phase == BL_FRAME_SINGLE) {
        bl_call_done(f);
        drop_read(f, n);
    }
    return BLIND_OK;
}

static blind_code next_node(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    if (f->next == f->plan->graph.n_nodes)
        return end_segment(run, f, err);
    bl_exec        x = { .tensors = f->tensors,
                         .kernels = run->model->kernels,
                         .pool = run->model->options.pool,
                         .scratch = f->memory + f->plan->scratch_at,
                         .strings = &run->strings,
                         .err = err };
    const bl_node *n = &f->plan->graph.nodes[f->next++];
    run->did = n;
    return bl_run_node(run, &x, n);
}

/* Calls.  ------------------------------------------------------------------------------------ */

/* What is there when a body begins; arguments are inputs, the rest is taken from around it. */
static blind_code enter(bl_onnx_run *run, bl_frame *f, bl_frame *called, bl_object **args,
                        size_t len, blind_error *err)
{
    const bl_body *body = called->body;
    for (size_t i = 0; i < len; i++) {
        bl_frame_set(called, body->input_values[i], args[i]);
        args[i] = NULL;
    }
    for (size_t i = 0; i < body->n_captured; i++) {
        int32_t v = body->captured[i], from = body->taken[i];
        if (body->graph.values[v].constant)
            continue;
        if (!f->cells[from] && f->body->graph.values[from].constant) {
            bl_object *o;
            BL_TRY(bl_object_over(&run->room, &f->body->graph.tensors[from], NULL, &o, err));
            bl_frame_set(called, v, o);
        } else if (f->cells[from]) {
            bl_frame_set(called, v, bl_object_keep(f->cells[from]));
        } else {
            return blind_fail(err, BLIND_INPUT, stage, "value '%.80s' is not there",
                              body->graph.values[v].name);
        }
    }
    return BLIND_OK;
}

static blind_code call_body(bl_onnx_run *run, bl_frame *f, bl_object **args, size_t len,
                            blind_error *err)
{
    bl_frame *called = run->spare;
    if (len != f->call.body->n_inputs)
        return bl_control_fail(f->call.node, err, BLIND_INPUT,
                               "a body of %zu inputs, which gets %zu", f->call.body->n_inputs, len);
    run->spare = NULL;
    if (called && called->body != f->call.body) {
        frame_free(run, called);
        called = NULL;
    }
    if (!called)
        BL_TRY(frame_new(run, f->call.body, &called, err));
    frame_reset(called);
    called->caller = f;
    run->top = called;
    f->phase = BL_FRAME_CALL;
    return enter(run, f, called, args, len, err);
}

blind_code bl_call_body(bl_onnx_run *run, bl_frame *f, bl_object **args, size_t len,
                        blind_error *err)
{
    blind_code code = call_body(run, f, args, len, err);
    for (size_t i = 0; i < len; i++)
        bl_object_drop(args[i]);
    return code;
}

/* Output i of a frame that is done, for whoever called it. */
static blind_code result_of(bl_onnx_run *run, bl_frame *f, size_t i, bl_object **out,
                            blind_error *err)
{
    int32_t v = f->body->output_values[i];
    if (f->cells[v]) {
        *out = bl_object_keep(f->cells[v]);
        return BLIND_OK;
    }
    if (!f->body->graph.values[v].constant)
        return blind_fail(err, BLIND_INPUT, stage, "output '%.80s' is not there",
                          f->body->outputs[i].name);
    return bl_object_over(&run->room, &f->body->graph.tensors[v], NULL, out, err);
}

static blind_code give_results(bl_onnx_run *run, bl_frame *f, bl_object **to, blind_error *err)
{
    for (size_t i = 0; i < f->body->n_outputs; i++) {
        bl_object_drop(to[i]);
        to[i] = NULL;
        BL_TRY(result_of(run, f, i, &to[i], err));
        if (f->caller)
            BL_TRY(bl_object_settle(run, &to[i], err));
    }
    return BLIND_OK;
}

static blind_code leave(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    bl_frame *caller = f->caller;
    BL_TRY(give_results(run, f, caller ? caller->call.returned : run->results, err));
    if (!caller) {
        run->bottom = f; /* plans and cells stay until the run ends */
        run->top = NULL;
        return BLIND_OK;
    }
    run->top = caller;
    frame_clear(f);
    frame_free(run, run->spare);
    run->spare = f; /* most likely for the next turn */
    caller->phase = BL_FRAME_SINGLE;
    BL_TRY(caller->call.control->resume(run, caller, err));
    if (caller->phase == BL_FRAME_SINGLE) {
        drop_read(caller, caller->call.node);
        bl_call_done(caller);
    }
    return BLIND_OK;
}

/* The run.  ---------------------------------------------------------------------------------- */

blind_code bl_dynamic_start(bl_onnx_run *run, bl_object *const *inputs, blind_error *err)
{
    const bl_body *body = &run->model->model.main;
    bl_frame      *f;
    BL_TRY(frame_new(run, body, &f, err));
    run->top = f;
    frame_reset(f);
    for (size_t i = 0; i < body->n_inputs; i++)
        bl_frame_set(f, body->input_values[i], bl_object_keep(inputs[i]));
    f->plan = run->plan;
    f->plan->runs++;
    BL_TRY(room_for_segment(run, f, err));
    BL_TRY(place_segment(run, f, err));
    f->phase = BL_FRAME_NODES;
    return BLIND_OK;
}

blind_code bl_dynamic_advance(bl_onnx_run *run, blind_error *err)
{
    bl_frame *f = run->top;
    run->did = NULL;
    switch (f->phase) {
    case BL_FRAME_PLAN:
        return next_segment(run, f, err);
    case BL_FRAME_NODES:
        return next_node(run, f, err);
    case BL_FRAME_SINGLE:
        return next_single(run, f, err);
    default:
        return leave(run, f, err);
    }
}

void bl_dynamic_done(bl_onnx_run *run)
{
    for (bl_frame *f = run->top, *caller; f; f = caller) {
        caller = f->caller;
        frame_free(run, f);
    }
    frame_free(run, run->spare);
    frame_free(run, run->bottom);
    run->top = run->spare = run->bottom = NULL;
}
