/* Opening: parse, find every operator, fold what is constant whatever the inputs, and make a first
 * plan so that faults show and weights are packed before anything runs. */
#include "onnx/plan.h"

#include <stdlib.h>

enum { OPSET_OLDEST = 1, OPSET_NEWEST = 22 };

static int64_t opset_of(const bl_model *m, const char *domain)
{
    for (size_t i = 0; i < m->n_opsets; i++)
        if (strcmp(m->opsets[i].domain, domain) == 0)
            return m->opsets[i].version;
    return 0;
}

static blind_code check_opset(const bl_model *m, blind_error *err)
{
    int64_t version = opset_of(m, "");
    if (m->graph.n_nodes && (version < OPSET_OLDEST || version > OPSET_NEWEST))
        return blind_fail(err, BLIND_UNSUPPORTED, "onnx.open", "opset %lld, expected %d to %d",
                          (long long)version, OPSET_OLDEST, OPSET_NEWEST);
    return BLIND_OK;
}

/* Every unsupported operator shows here, before anything runs. */
static blind_code find_operators(bl_model *m, blind_error *err)
{
    for (size_t i = 0; i < m->graph.n_nodes; i++) {
        bl_node *n = &m->graph.nodes[i];
        n->opset = opset_of(m, n->domain);
        n->op = strcmp(n->domain, "blind") == 0 ? NULL : bl_op_find(n->domain, n->type, n->opset);
        if (!n->op)
            return blind_fail(err, BLIND_UNSUPPORTED, "onnx.open",
                              "operator %.40s%s%.60s of node '%.60s', opset %lld, is not supported",
                              n->domain, *n->domain ? "." : "", n->type, n->name,
                              (long long)n->opset);
        if (n->n_in < n->op->min_in || n->n_in > n->op->max_in || n->n_out > n->op->max_out ||
            n->n_out < 1 || (n->out[0] < 0 && !(n->op->flags & BL_OP_OUTPUTS)))
            return blind_fail(err, BLIND_INPUT, "onnx.open",
                              "node '%.60s' (%.40s) has %d inputs and %d outputs", n->name, n->type,
                              n->n_in, n->n_out);
    }
    return BLIND_OK;
}

static blind_code fold_constants(bl_onnx *m, blind_error *err)
{
    bl_build b = { .graph = &m->model.graph,
                   .arena = &m->arena,
                   .origin = &m->model.graph,
                   .origin_arena = &m->arena,
                   .store = &m->store,
                   .kernels = m->kernels,
                   .pool = m->options.pool,
                   .plain = m->options.plain,
                   .opening = true,
                   .err = err };
    return bl_plan_fold(&b);
}

/* A plan for the declared shapes; a dimension that is not fixed is tried as 1 in front and 8
 * elsewhere.  A guess that does not fit says nothing about the model. */
static blind_code first_plan(bl_onnx *m, blind_error *err)
{
    bl_auto_free bl_tensor *inputs = calloc(m->model.n_inputs + 1, sizeof *inputs);
    bool                    guessed = false;
    blind_error             ignored = { .code = BLIND_OK };
    if (!inputs)
        return blind_fail(err, BLIND_MEMORY, "onnx.open", "no memory for the plan");
    for (size_t i = 0; i < m->model.n_inputs; i++) {
        const bl_onnx_port *port = &m->model.inputs[i];
        int64_t             dim[BL_ONNX_RANK];
        if (port->rank < 0)
            return BLIND_OK;
        for (int d = 0; d < port->rank; d++) {
            guessed = guessed || port->shape[d] < 0;
            dim[d] = port->shape[d] >= 0 ? port->shape[d] : d == 0 ? 1 : 8;
        }
        inputs[i].dtype = port->dtype;
        if (!bl_tensor_shape(&inputs[i], port->rank, dim))
            return blind_fail(err, BLIND_INPUT, "onnx.open", "input '%.80s' of impossible shape",
                              port->name);
    }
    blind_code code = bl_plan_new(m, inputs, &m->plans[0], &ignored);
    m->latest = m->plans[0];
    if (code == BLIND_OK || (guessed && code != BLIND_UNSUPPORTED && code != BLIND_MEMORY))
        return BLIND_OK;
    if (err)
        *err = ignored;
    return code;
}

static blind_code open_model(bl_onnx *m, blind_span file, blind_error *err)
{
    BL_TRY(bl_model_parse(file, &m->arena, &m->model, err));
    BL_TRY(check_opset(&m->model, err));
    BL_TRY(find_operators(&m->model, err));
    m->store.arena = &m->arena;
    m->store.n_nodes = m->model.graph.n_nodes;
    m->store.heads = bl_arena_array(&m->arena, m->store.n_nodes + 1, sizeof *m->store.heads);
    m->store.unneeded = m->options.unneeded;
    m->store.unneeded_arg = m->options.unneeded_arg;
    if (!m->store.heads)
        return blind_fail(err, BLIND_MEMORY, "onnx.open", "no memory for the model");
    BL_TRY(fold_constants(m, err));
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
    for (size_t i = 0; i < BL_LEN(m->plans); i++)
        bl_plan_free(m->plans[i]);
    for (size_t i = 0; m->store.heads && i < m->store.n_nodes; i++)
        for (bl_store_entry *e = m->store.heads[i]; e; e = e->next)
            bl_packed_free(e->weights.packed);
    for (bl_store_entry *e = m->store.derived; e; e = e->next)
        bl_packed_free(e->weights.packed);
    bl_arena_done(&m->arena);
    free(m);
}

const bl_onnx_port *bl_onnx_inputs(const bl_onnx *model, size_t *len)
{
    *len = model->model.n_inputs;
    return model->model.inputs;
}

const bl_onnx_port *bl_onnx_outputs(const bl_onnx *model, size_t *len)
{
    *len = model->model.n_outputs;
    return model->model.outputs;
}

bl_onnx_cost bl_onnx_cost_of(const bl_onnx *m)
{
    return (bl_onnx_cost){ .packed = m->store.bytes,
                           .constants = m->arena.used,
                           .run = m->latest ? m->latest->memory : 0,
                           .nodes = m->latest ? m->latest->graph.n_nodes : 0 };
}

void bl_onnx_set_trace(bl_onnx *model, bl_onnx_trace *trace, void *arg)
{
    model->trace = trace;
    model->trace_arg = arg;
}
