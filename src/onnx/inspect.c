/* Summaries of model files. */
#include "onnx/inspect.h"

#include "onnx/ops.h"

#include <stdlib.h>

static bl_onnx_operator *find(bl_onnx_summary *s, const bl_node *n)
{
    for (size_t i = 0; i < s->n_operators; i++)
        if (strcmp(s->operators[i].type, n->type) == 0 &&
            strcmp(s->operators[i].domain, n->domain) == 0)
            return &s->operators[i];
    return NULL;
}

/* There are at most as many operators as nodes. */
static size_t count_nodes(const bl_body *body)
{
    size_t nodes = body->graph.n_nodes;
    for (size_t i = 0; i < body->graph.n_nodes; i++)
        for (size_t k = 0; k < body->graph.nodes[i].n_attrs; k++)
            if (body->graph.nodes[i].attrs[k].body)
                nodes += count_nodes(body->graph.nodes[i].attrs[k].body);
    return nodes;
}

static void count_tensors(bl_onnx_summary *s, const bl_graph *g)
{
    for (size_t v = 0; v < g->n_values; v++) {
        if (!g->values[v].constant)
            continue;
        s->tensors++;
        s->parameters += g->tensors[v].len;
        s->parameter_size += bl_tensor_size(&g->tensors[v]);
    }
}

static void count_node(bl_onnx_summary *s, const bl_node *n)
{
    bl_onnx_operator *op = find(s, n);
    if (!op) {
        op = &s->operators[s->n_operators++];
        *op = (bl_onnx_operator){ .domain = n->domain, .type = n->type, .opset = n->opset };
        op->supported = strcmp(n->domain, "blind") != 0 && bl_op_find(n->domain, n->type, n->opset);
    }
    op->nodes++;
}

static void count_body(bl_onnx_summary *s, const bl_body *body)
{
    count_tensors(s, &body->graph);
    for (size_t i = 0; i < body->graph.n_nodes; i++) {
        const bl_node *n = &body->graph.nodes[i];
        count_node(s, n);
        for (size_t k = 0; k < n->n_attrs; k++)
            if (n->attrs[k].body)
                count_body(s, n->attrs[k].body);
    }
}

static int most_used(const void *a, const void *b)
{
    const bl_onnx_operator *x = a, *y = b;
    if (x->nodes != y->nodes)
        return x->nodes < y->nodes ? 1 : -1;
    int order = strcmp(x->type, y->type);
    return order ? order : strcmp(x->domain, y->domain);
}

static blind_code summarise(const bl_model *m, bl_onnx_summary *s, blind_error *err)
{
    s->nodes = count_nodes(&m->main);
    s->operators = bl_arena_array(&s->arena, s->nodes + 1, sizeof *s->operators);
    s->imports = bl_arena_array(&s->arena, m->n_opsets + 1, sizeof *s->imports);
    if (!s->operators || !s->imports)
        return blind_fail(err, BLIND_MEMORY, "onnx.inspect", "no memory for a summary");
    for (size_t i = 0; i < m->n_opsets; i++)
        s->imports[s->n_imports++] =
            (bl_onnx_import){ .domain = m->opsets[i].domain, .version = m->opsets[i].version };
    s->inputs = m->main.inputs;
    s->n_inputs = m->main.n_inputs;
    s->outputs = m->main.outputs;
    s->n_outputs = m->main.n_outputs;
    count_body(s, &m->main);
    qsort(s->operators, s->n_operators, sizeof *s->operators, most_used);
    return BLIND_OK;
}

blind_code bl_onnx_inspect(blind_span file, const bl_onnx_files *files, bl_onnx_summary *out,
                           blind_error *err)
{
    bl_model   model = { 0 };
    blind_code code;
    *out = (bl_onnx_summary){ 0 };
    code = bl_model_parse(file, &out->arena, files, &model, err);
    if (code == BLIND_OK)
        code = summarise(&model, out, err);
    if (code != BLIND_OK)
        bl_onnx_summary_done(out);
    return code;
}

void bl_onnx_summary_done(bl_onnx_summary *s)
{
    bl_arena_done(&s->arena);
    *s = (bl_onnx_summary){ 0 };
}
