/* Opening: parse, find every operator, fold what is constant whatever the inputs, and make a first
 * plan so that faults show and weights are packed before anything runs. */
#include "onnx/plan.h"

#include <stdlib.h>

enum { OPSET_OLDEST = 1, OPSET_NEWEST = 22 };

static blind_code check_opset(const bl_model *m, blind_error *err)
{
    int64_t version = 0;
    for (size_t i = 0; i < m->n_opsets; i++)
        if (!*m->opsets[i].domain)
            version = m->opsets[i].version;
    bool used = version != 0; /* a model of another domain alone need not say */
    for (size_t i = 0; i < m->main.graph.n_nodes; i++)
        used = used || !*m->main.graph.nodes[i].domain;
    if (used && m->main.graph.n_nodes && (version < OPSET_OLDEST || version > OPSET_NEWEST))
        return blind_fail(err, BLIND_UNSUPPORTED, "onnx.open", "opset %lld, expected %d to %d",
                          (long long)version, OPSET_OLDEST, OPSET_NEWEST);
    return BLIND_OK;
}

/* The first one is the error; all are told. */
static blind_code tell_unsupported(bl_onnx *m, const bl_node *n, blind_error *err)
{
    if (m->options.unsupported)
        m->options.unsupported(m->options.unsupported_arg, n->domain, n->type, n->name, n->opset);
    if (m->n_unsupported++ == 0)
        (void)blind_fail(err, BLIND_UNSUPPORTED, "onnx.open",
                         "operator %.40s%s%.60s of node '%.60s', opset %lld, is not supported",
                         n->domain, *n->domain ? "." : "", n->type, n->name, (long long)n->opset);
    return BLIND_OK;
}

static blind_code find_operator(bl_onnx *m, bl_node *n, blind_error *err)
{
    bool known = strcmp(n->domain, "blind") != 0 && (*n->domain || n->opset <= OPSET_NEWEST);
    n->op = known ? bl_op_find(n->domain, n->type, n->opset) : NULL;
    if (!n->op)
        return tell_unsupported(m, n, err);
    if (n->n_formal < n->op->min_in || n->n_formal > n->op->max_in || n->n_out > n->op->max_out ||
        n->n_out < 1 || (n->out[0] < 0 && !(n->op->flags & (BL_OP_CONTROL | BL_OP_OUTPUTS))))
        return blind_fail(err, BLIND_INPUT, "onnx.open",
                          "node '%.60s' (%.40s) has %d inputs and %d outputs", n->name, n->type,
                          n->n_formal, n->n_out);
    return BLIND_OK;
}

typedef blind_code body_step(bl_onnx *m, bl_body *body, blind_error *err);

/* Calls a function for a graph and all within it, the outer first.  Depth is bounded where they are
 * parsed. */
static blind_code each_body(bl_onnx *m, bl_body *body, body_step *step, blind_error *err)
{
    BL_TRY(step(m, body, err));
    for (size_t i = 0; i < body->graph.n_nodes; i++)
        for (size_t k = 0; k < body->graph.nodes[i].n_attrs; k++)
            if (body->graph.nodes[i].attrs[k].body)
                BL_TRY(each_body(m, body->graph.nodes[i].attrs[k].body, step, err));
    return BLIND_OK;
}

/* Every unsupported operator shows here, before anything runs. */
static blind_code find_operators(bl_onnx *m, bl_body *body, blind_error *err)
{
    for (size_t i = 0; i < body->graph.n_nodes; i++)
        BL_TRY(find_operator(m, &body->graph.nodes[i], err));
    return BLIND_OK;
}

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "onnx.open", "no memory for the model");
}

static blind_code make_store(bl_onnx *m, bl_body *body, blind_error *err)
{
    bl_store *s = bl_arena_alloc(&m->arena, sizeof *s);
    if (!s)
        return no_memory(err);
    *s = (bl_store){ .arena = &m->arena,
                     .total = &m->packed,
                     .n_nodes = body->graph.n_nodes,
                     .options = &m->options,
                     .reading = { m->options.needed, m->options.needed_arg } };
    s->heads = bl_arena_array(&m->arena, s->n_nodes + 1, sizeof *s->heads);
    body->n_entry = body->n_inputs + body->n_captured;
    body->entry = bl_arena_array(&m->arena, body->n_entry + 1, sizeof *body->entry);
    if (!s->heads || !body->entry)
        return no_memory(err);
    if (body->n_inputs)
        memcpy(body->entry, body->input_values, body->n_inputs * sizeof *body->entry);
    if (body->n_captured)
        memcpy(body->entry + body->n_inputs, body->captured,
               body->n_captured * sizeof *body->entry);
    body->store = s;
    m->stores[m->n_stores++] = s;
    return BLIND_OK;
}

static blind_code count_body(bl_onnx *m, bl_body *body, blind_error *err)
{
    (void)body;
    (void)err;
    m->n_stores++;
    return BLIND_OK;
}

/* Packed weights of every graph, in a list: they outlive failures to open. */
static blind_code make_stores(bl_onnx *m, blind_error *err)
{
    BL_TRY(each_body(m, &m->model.main, count_body, err));
    m->stores = bl_arena_array(&m->arena, m->n_stores + 1, sizeof(bl_store *));
    m->n_stores = 0;
    return m->stores ? each_body(m, &m->model.main, make_store, err) : no_memory(err);
}

/* Constants around a body are constants in it. */
static void give_constants(bl_body *body, const bl_graph *around)
{
    for (size_t i = 0; i < body->n_captured; i++) {
        bl_value       *to = &body->graph.values[body->captured[i]];
        const bl_value *from = &around->values[body->taken[i]];
        if (!from->constant)
            continue;
        body->graph.tensors[body->captured[i]] = around->tensors[body->taken[i]];
        to->constant = to->shaped = true;
        to->place = BL_PLACE_CONST;
    }
}

static blind_code fold_constants(bl_onnx *m, bl_body *body, blind_error *err)
{
    bl_auto_build b = { .graph = &body->graph,
                        .arena = &m->arena,
                        .origin = &body->graph,
                        .origin_arena = &m->arena,
                        .store = body->store,
                        .kernels = m->kernels,
                        .pool = m->options.pool,
                        .packing = m->options.packing,
                        .plain = m->options.plain,
                        .opening = true,
                        .err = err };
    BL_TRY(bl_plan_fold(&b));
    for (size_t i = 0; i < body->graph.n_nodes; i++)
        for (size_t k = 0; k < body->graph.nodes[i].n_attrs; k++)
            if (body->graph.nodes[i].attrs[k].body)
                give_constants(body->graph.nodes[i].attrs[k].body, &body->graph);
    return BLIND_OK;
}

/* A plan for the declared shapes; a dimension that is not fixed is tried as 1 in front and 8
 * elsewhere.  A guess that does not fit says nothing about the model. */
static blind_code guess_inputs(const bl_body *body, bl_tensor *out, bool *any, bool *guessed,
                               blind_error *err)
{
    *any = true;
    for (size_t i = 0; i < body->n_inputs; i++) {
        const bl_onnx_port *port = &body->inputs[i];
        int64_t             dim[BL_ONNX_RANK];
        if (port->rank < 0 || port->sequence || port->optional)
            *any = false;
        for (int d = 0; d < port->rank; d++) {
            *guessed = *guessed || port->shape[d] < 0;
            dim[d] = port->shape[d] >= 0 ? port->shape[d] : d == 0 ? 1 : 8;
        }
        out[i].dtype = port->dtype;
        if (!bl_tensor_shape(&out[i], BL_MAX(port->rank, 0), dim))
            return blind_fail(err, BLIND_INPUT, "onnx.open", "input '%.80s' of impossible shape",
                              port->name);
    }
    return BLIND_OK;
}

static blind_code first_plan(bl_onnx *m, blind_error *err)
{
    const bl_body          *body = &m->model.main;
    bl_auto_free bl_tensor *inputs = calloc(body->n_inputs + 1, sizeof *inputs);
    bool                    any, guessed = false;
    blind_error             ignored = { .code = BLIND_OK };
    bl_plan_for             what = {
                    .body = body, .values = body->entry, .tensors = inputs, .len = body->n_entry
    };
    if (!inputs)
        return blind_fail(err, BLIND_MEMORY, "onnx.open", "no memory for the plan");
    BL_TRY(guess_inputs(body, inputs, &any, &guessed, err));
    if (!any)
        return BLIND_OK;
    blind_code code = bl_plan_new(m, &what, &m->plans[0], &ignored);
    m->latest = m->plans[0];
    if (code == BLIND_OK || (guessed && code != BLIND_UNSUPPORTED && code != BLIND_MEMORY))
        return BLIND_OK;
    if (err)
        *err = ignored;
    return code;
}

static blind_code open_model(bl_onnx *m, blind_span file, blind_error *err)
{
    BL_TRY(bl_model_parse(file, &m->arena, &m->options.files, &m->model, err));
    BL_TRY(check_opset(&m->model, err));
    BL_TRY(each_body(m, &m->model.main, find_operators, err));
    if (m->n_unsupported > 1 && err)
        return blind_fail_in(err, BLIND_UNSUPPORTED, "%zu nodes that are not supported, the first",
                             m->n_unsupported);
    if (m->n_unsupported)
        return BLIND_UNSUPPORTED;
    BL_TRY(make_stores(m, err));
    BL_TRY(each_body(m, &m->model.main, fold_constants, err));
    return first_plan(m, err);
}

blind_code bl_onnx_open(blind_span file, const bl_onnx_options *options, bl_onnx **out,
                        blind_error *err)
{
    bl_onnx *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        return blind_fail(err, BLIND_MEMORY, "onnx.open", "no memory for the model");
    m->options = options ? *options : (bl_onnx_options){ .isa = bl_isa_best() };
    m->arena.max = m->options.max_memory;
    m->kernels = bl_kernels_for(m->options.isa, m->options.precision);
    blind_code code = m->kernels
                          ? open_model(m, file, err)
                          : blind_fail(err, BLIND_UNSUPPORTED, "onnx.open",
                                       "this processor has no %s", bl_isa_name(m->options.isa));
    if (code != BLIND_OK) {
        bl_onnx_close(m);
        return code;
    }
    *out = m;
    return BLIND_OK;
}

void bl_onnx_close(bl_onnx *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < BL_SEGMENTS; i++)
        if (m->segments[i])
            bl_plan_evict(m->segments[i]);
    for (size_t i = 0; i < BL_PLANS; i++)
        if (m->plans[i])
            bl_plan_evict(m->plans[i]);
    for (size_t k = 0; k < m->n_stores; k++) {
        for (size_t i = 0; i < m->stores[k]->n_nodes; i++)
            for (bl_store_entry *e = m->stores[k]->heads[i]; e; e = e->next)
                bl_packed_free(e->weights.packed);
        for (bl_store_entry *e = m->stores[k]->derived; e; e = e->next)
            bl_packed_free(e->weights.packed);
    }
    bl_arena_done(&m->arena);
    free(m);
}

const bl_onnx_port *bl_onnx_inputs(const bl_onnx *model, size_t *len)
{
    *len = model->model.main.n_inputs;
    return model->model.main.inputs;
}

const bl_onnx_port *bl_onnx_outputs(const bl_onnx *model, size_t *len)
{
    *len = model->model.main.n_outputs;
    return model->model.main.outputs;
}

bl_onnx_cost bl_onnx_cost_of(const bl_onnx *m)
{
    size_t plans = bl_plans_size(m);
    for (size_t i = 0; i < BL_PLANS; i++)
        plans += m->plans[i] && m->plans[i]->idle ? m->plans[i]->memory : 0;
    return (bl_onnx_cost){ .plans = plans,
                           .packed = m->packed,
                           .constants = m->arena.used,
                           .run = m->latest ? m->latest->memory : 0,
                           .nodes = m->latest ? m->latest->graph.n_nodes : 0 };
}

void bl_onnx_set_trace(bl_onnx *model, bl_onnx_trace *trace, void *arg)
{
    model->trace = trace;
    model->trace_arg = arg;
}
