/* ModelProto, GraphProto and NodeProto: values are numbered, names resolved, single assignment
 * checked.  Source: onnx.proto3. */
#include "onnx/parse.h"

#include "onnx/branch.h"
#include "onnx/maps.h"

static const char stage[] = "onnx.parse";

blind_code bl_parse_no_memory(const bl_scope *s)
{
    return blind_fail(s->all->err, BLIND_MEMORY, stage, "no memory for the graph");
}

blind_code bl_parse_malformed(const bl_scope *s, const char *what)
{
    return blind_fail(s->all->err, BLIND_INPUT, stage, "malformed %s", what);
}

blind_code bl_parse_name(const bl_scope *s, blind_span bytes, const char **out)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] < 0x20 || bytes.data[i] == 0x7f)
            return bl_parse_malformed(s, "name: a control character");
    *out = bl_arena_copy(s->all->arena, bytes);
    return *out ? BLIND_OK : bl_parse_no_memory(s);
}

int32_t bl_graph_value(bl_graph *g, bl_arena *arena, const char *name)
{
    if (g->n_values == g->cap_values) {
        size_t     cap = g->cap_values ? 2 * g->cap_values : 64;
        bl_tensor *tensors = bl_arena_array(arena, cap, sizeof *tensors);
        bl_value  *values = bl_arena_array(arena, cap, sizeof *values);
        if (!tensors || !values || cap > INT32_MAX)
            return -1;
        if (g->n_values) {
            memcpy(tensors, g->tensors, g->n_values * sizeof *tensors);
            memcpy(values, g->values, g->n_values * sizeof *values);
        }
        g->tensors = tensors;
        g->values = values;
        g->cap_values = cap;
    }
    g->values[g->n_values] = (bl_value){ .name = name, .producer = -1, .of = -1 };
    return (int32_t)g->n_values++;
}

static blind_code define(bl_scope *s, const char *name, int32_t *out)
{
    *out = bl_graph_value(s->graph, s->all->arena, name);
    if (*out < 0)
        return bl_parse_no_memory(s);
    if (bl_names_put(&s->names, name, *out))
        return BLIND_OK;
    return bl_names_get(&s->names, name) == -1
               ? bl_parse_no_memory(s)
               : blind_fail(s->all->err, BLIND_INPUT, stage, "value '%.80s' is made twice", name);
}

/* Doubles an array of the arena; NULL when out of memory. */
static void *grown(bl_arena *arena, const void *from, size_t len, size_t cap, size_t size)
{
    void *to = bl_arena_array(arena, cap, size);
    if (to && len)
        memcpy(to, from, len * size);
    return to;
}

/* Names.  ------------------------------------------------------------------------------------ */

/* A value of the graph around a body becomes one of the body's; -1 when out of memory. */
static int32_t capture(bl_scope *s, const char *name, int32_t around)
{
    bl_body  *body = s->body;
    bl_arena *arena = s->all->arena;
    int32_t   value;
    if (body->n_captured == body->cap_captured) {
        size_t cap = body->cap_captured ? 2 * body->cap_captured : 8;
        body->captured = grown(arena, body->captured, body->n_captured, cap, sizeof value);
        body->taken = grown(arena, body->taken, body->n_captured, cap, sizeof value);
        body->cap_captured = cap;
    }
    if (!body->captured || !body->taken || define(s, name, &value) != BLIND_OK)
        return -1;
    body->captured[body->n_captured] = value;
    body->taken[body->n_captured++] = around;
    return value;
}

int32_t bl_scope_find(bl_scope *s, const char *name)
{
    int32_t value = bl_names_get(&s->names, name);
    if (value != -1 || !s->around)
        return value;
    int32_t around = bl_scope_find(s->around, name);
    return around < 0 ? around : capture(s, name, around);
}

/* Nodes.  ------------------------------------------------------------------------------------ */

static blind_code read_node_input(bl_scope *s, bl_node *n, blind_span bytes)
{
    const char *name;
    int32_t     value = -1;
    BL_TRY(bl_parse_name(s, bytes, &name));
    if (*name) {
        value = bl_scope_find(s, name);
        if (value == -1)
            return blind_fail(s->all->err, BLIND_INPUT, stage,
                              "node '%.60s' (%.40s) reads '%.60s', which nothing before it makes",
                              n->name, n->type, name);
    }
    n->in[n->n_in++] = value < 0 ? -1 : value;
    return BLIND_OK;
}

static blind_code read_node_output(bl_scope *s, bl_node *n, blind_span bytes)
{
    const char *name;
    int32_t     value = -1;
    BL_TRY(bl_parse_name(s, bytes, &name));
    if (*name) {
        BL_TRY(define(s, name, &value));
        s->graph->values[value].producer = n->id;
    }
    n->out[n->n_out++] = value;
    return BLIND_OK;
}

static blind_code read_node_names(const bl_scope *s, blind_span message, bl_node *n,
                                  const char **overload)
{
    bl_reader r = { .rest = message };
    n->type = n->domain = n->name = *overload = "";
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 3)
            BL_TRY(bl_parse_name(s, f.bytes, &n->name));
        if (f.number == 4)
            BL_TRY(bl_parse_name(s, f.bytes, &n->type));
        if (f.number == 7)
            BL_TRY(bl_parse_name(s, f.bytes, &n->domain));
        if (f.number == 8)
            BL_TRY(bl_parse_name(s, f.bytes, overload));
    }
    if (strcmp(n->domain, "ai.onnx") == 0)
        n->domain = "";
    return r.failed ? bl_parse_malformed(s, "node") : BLIND_OK;
}

static int64_t opset_of(const bl_scope *s, const char *domain)
{
    for (size_t i = 0; i < s->n_opsets; i++)
        if (strcmp(s->opsets[i].domain, domain) == 0)
            return s->opsets[i].version;
    return 0;
}

/* What the bodies of a node take from around it are inputs of the node. */
static blind_code add_captured(bl_scope *s, bl_node *n)
{
    size_t extra = 0;
    for (size_t i = 0; i < n->n_attrs; i++)
        extra += n->attrs[i].body ? n->attrs[i].body->n_captured : 0;
    n->n_formal = n->n_in;
    if (extra == 0)
        return BLIND_OK;
    if (extra > BL_MAX_NODE_EDGES)
        return blind_fail(s->all->err, BLIND_LIMIT, stage, "node '%.80s' has more than %u edges",
                          n->name, BL_MAX_NODE_EDGES);
    n->in = grown(s->all->arena, n->in, (size_t)n->n_in, (size_t)n->n_in + extra, sizeof *n->in);
    if (!n->in)
        return bl_parse_no_memory(s);
    for (size_t i = 0; i < n->n_attrs; i++) {
        const bl_body *body = n->attrs[i].body;
        for (size_t k = 0; body && k < body->n_captured; k++)
            n->in[n->n_in++] = body->taken[k];
    }
    return BLIND_OK;
}

/* Inputs, then attributes, then outputs: neither a node nor its bodies read what it makes. */
static blind_code read_node_parts(bl_scope *s, blind_span message, bl_node *n)
{
    size_t n_in = bl_wire_count(message, 1), n_out = bl_wire_count(message, 2);
    size_t n_attrs = bl_wire_count(message, 5);
    if (n_in > BL_MAX_NODE_EDGES || n_out > BL_MAX_NODE_EDGES || n_attrs > BL_MAX_NODE_EDGES)
        return blind_fail(s->all->err, BLIND_LIMIT, stage, "node '%.80s' has more than %u edges",
                          n->name, BL_MAX_NODE_EDGES);
    n->in = bl_arena_array(s->all->arena, n_in + 1, sizeof *n->in);
    n->out = bl_arena_array(s->all->arena, n_out + 1, sizeof *n->out);
    n->attrs = bl_arena_array(s->all->arena, n_attrs + 1, sizeof *n->attrs);
    if (!n->in || !n->out || !n->attrs)
        return bl_parse_no_memory(s);
    bl_reader r = { .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == 1)
            BL_TRY(read_node_input(s, n, f.bytes));
    r = (bl_reader){ .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number != 5)
            continue;
        blind_code code = bl_parse_attr(s, f.bytes, &n->attrs[n->n_attrs++]);
        if (code != BLIND_OK) /* the innermost is named */
            return s->all->err && strncmp(s->all->err->message, "node '", 6) == 0
                       ? code
                       : blind_fail_in(s->all->err, code, "node '%.60s' (%.40s)", n->name, n->type);
    }
    return BLIND_OK;
}

blind_code bl_parse_append(bl_scope *s, blind_span message, bl_node *n)
{
    bl_graph *g = s->graph;
    bl_reader r = { .rest = message };
    BL_TRY(add_captured(s, n));
    if (g->n_nodes == g->cap_nodes) {
        size_t cap = g->cap_nodes ? 2 * g->cap_nodes : 16;
        if (cap > (size_t)2 * BL_MAX_GRAPH_NODES)
            return blind_fail(s->all->err, BLIND_LIMIT, stage, "more than %u nodes",
                              BL_MAX_GRAPH_NODES);
        g->nodes = grown(s->all->arena, g->nodes, g->n_nodes, cap, sizeof *g->nodes);
        g->cap_nodes = cap;
    }
    if (!g->nodes)
        return bl_parse_no_memory(s);
    n->id = (int32_t)g->n_nodes;
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == 2)
            BL_TRY(read_node_output(s, n, f.bytes));
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0)
            g->values[n->in[i]].uses++;
    g->nodes[g->n_nodes++] = *n;
    return BLIND_OK;
}

blind_code bl_parse_node(bl_scope *s, blind_span message)
{
    bl_node     n = { 0 };
    const char *overload;
    BL_TRY(read_node_names(s, message, &n, &overload));
    if (++s->all->expanded > BL_MAX_GRAPH_NODES)
        return blind_fail(s->all->err, BLIND_LIMIT, stage, "more than %u nodes",
                          BL_MAX_GRAPH_NODES);
    BL_TRY(read_node_parts(s, message, &n));
    n.opset = opset_of(s, n.domain);
    const bl_function *f = bl_function_find(s->all->model, n.domain, n.type, overload);
    if (f)
        return bl_function_expand(s, f, &n, message);
    return bl_fused_is(&n) ? bl_fused_expand(s, &n, message) : bl_parse_append(s, message, &n);
}

/* Inputs, outputs, initializers.  ------------------------------------------------------------ */

static blind_code read_input(bl_scope *s, blind_span message)
{
    bl_body *b = s->body;
    BL_TRY(bl_parse_port(s, message, &b->inputs[b->n_inputs]));
    bl_onnx_port *port = &b->inputs[b->n_inputs];
    int32_t       value = bl_names_get(&s->names, port->name);
    if (value >= 0 && s->graph->values[value].constant && !s->around)
        return BLIND_OK; /* an initializer that could be overridden: it is not */
    BL_TRY(define(s, port->name, &value));
    s->graph->values[value].is_input = true;
    b->input_values[b->n_inputs++] = value;
    return BLIND_OK;
}

static blind_code read_output(bl_scope *s, blind_span message)
{
    bl_body *b = s->body;
    BL_TRY(bl_parse_port(s, message, &b->outputs[b->n_outputs]));
    int32_t value = bl_scope_find(s, b->outputs[b->n_outputs].name);
    if (value < 0)
        return blind_fail(s->all->err, BLIND_INPUT, stage, "output '%.80s' is made by nothing",
                          b->outputs[b->n_outputs].name);
    s->graph->values[value].is_output = true;
    s->graph->values[value].uses++;
    b->output_values[b->n_outputs++] = value;
    return BLIND_OK;
}

static blind_code read_initializer(bl_scope *s, blind_span message)
{
    bl_tensor   t;
    const char *name;
    int32_t     value;
    BL_TRY(bl_tensor_parse(message, s->all->arena, s->all->files, &t, &name, s->all->err));
    BL_TRY(bl_parse_name(s, bl_span_str(name), &name));
    BL_TRY(define(s, name, &value));
    s->graph->tensors[value] = t;
    s->graph->values[value].constant = s->graph->values[value].shaped = true;
    s->graph->values[value].place = BL_PLACE_CONST;
    return BLIND_OK;
}

/* Graphs.  ----------------------------------------------------------------------------------- */

enum { G_NODE = 1, G_INITIALIZER = 5, G_INPUT = 11, G_OUTPUT = 12, G_SPARSE = 15 };

static blind_code read_part(bl_scope *s, const bl_field *f, uint32_t wanted)
{
    if (f->number != wanted)
        return BLIND_OK;
    switch (wanted) {
    case G_INITIALIZER:
        return read_initializer(s, f->bytes);
    case G_INPUT:
        return read_input(s, f->bytes);
    case G_OUTPUT:
        return read_output(s, f->bytes);
    case G_SPARSE:
        return blind_fail(s->all->err, BLIND_UNSUPPORTED, stage, "sparse initializers");
    default:
        return bl_parse_node(s, f->bytes);
    }
}

static blind_code make_tables(bl_scope *s, blind_span message)
{
    bl_body  *b = s->body;
    bl_arena *arena = s->all->arena;
    bl_reader r = { .rest = message };
    size_t    n_in = bl_wire_count(message, G_INPUT), n_out = bl_wire_count(message, G_OUTPUT);
    size_t    names = n_in + bl_wire_count(message, G_INITIALIZER);
    for (bl_field f; bl_wire_next(&r, &f);)
        names += f.number == G_NODE ? bl_wire_count(f.bytes, 2) : 0;
    if (r.failed)
        return bl_parse_malformed(s, "graph");
    b->graph.cap_nodes = bl_wire_count(message, G_NODE) + 1;
    if (b->graph.cap_nodes > BL_MAX_GRAPH_NODES)
        return blind_fail(s->all->err, BLIND_LIMIT, stage, "%zu nodes, the limit is %u",
                          b->graph.cap_nodes - 1, BL_MAX_GRAPH_NODES);
    b->inputs = bl_arena_array(arena, n_in + 1, sizeof *b->inputs);
    b->outputs = bl_arena_array(arena, n_out + 1, sizeof *b->outputs);
    b->input_values = bl_arena_array(arena, n_in + 1, sizeof *b->input_values);
    b->output_values = bl_arena_array(arena, n_out + 1, sizeof *b->output_values);
    b->graph.nodes = bl_arena_array(arena, b->graph.cap_nodes, sizeof *b->graph.nodes);
    if (!b->inputs || !b->outputs || !b->input_values || !b->output_values || !b->graph.nodes)
        return bl_parse_no_memory(s);
    return bl_names_init(&s->names, arena, names) ? BLIND_OK : bl_parse_no_memory(s);
}

static blind_code read_graph(bl_scope *s, blind_span message)
{
    static const uint32_t order[] = { G_SPARSE, G_INITIALIZER, G_INPUT, G_NODE, G_OUTPUT };
    BL_TRY(make_tables(s, message));
    for (size_t i = 0; i < BL_LEN(order); i++) {
        bl_reader r = { .rest = message };
        for (bl_field f; bl_wire_next(&r, &f);)
            BL_TRY(read_part(s, &f, order[i]));
    }
    return BLIND_OK;
}

blind_code bl_parse_body(bl_scope *around, blind_span message, bl_body **out)
{
    bl_body *body = bl_arena_alloc(around->all->arena, sizeof *body);
    if (!body)
        return bl_parse_no_memory(around);
    bl_scope s = { .all = around->all,
                   .body = body,
                   .graph = &body->graph,
                   .around = around,
                   .opsets = around->opsets,
                   .n_opsets = around->n_opsets,
                   .given = around->given,
                   .n_given = around->n_given,
                   .in_function = around->in_function,
                   .depth = around->depth + 1 };
    if (s.depth > BL_MAX_GRAPH_DEPTH)
        return blind_fail(s.all->err, BLIND_LIMIT, stage, "graphs within graphs, more than %u deep",
                          BL_MAX_GRAPH_DEPTH);
    *out = body;
    return read_graph(&s, message);
}

/* The model.  -------------------------------------------------------------------------------- */

blind_code bl_parse_opset(const bl_scope *s, blind_span message, bl_opset *o)
{
    bl_reader r = { .rest = message };
    o->domain = "";
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 1)
            BL_TRY(bl_parse_name(s, f.bytes, &o->domain));
        if (f.number == 2)
            o->version = (int64_t)f.value;
    }
    if (strcmp(o->domain, "ai.onnx") == 0)
        o->domain = "";
    return r.failed ? bl_parse_malformed(s, "opset import") : BLIND_OK;
}

enum { M_GRAPH = 7, M_OPSET = 8, M_FUNCTION = 25 };

static blind_code read_around_graph(bl_scope *s, blind_span file)
{
    bl_model *m = s->all->model;
    size_t    functions = bl_wire_count(file, M_FUNCTION);
    bl_reader r = { .rest = file };
    if (functions > BL_MAX_FUNCTIONS)
        return blind_fail(s->all->err, BLIND_LIMIT, stage, "%zu functions, the limit is %u",
                          functions, BL_MAX_FUNCTIONS);
    m->opsets = bl_arena_array(s->all->arena, bl_wire_count(file, M_OPSET) + 1, sizeof *m->opsets);
    m->functions = bl_arena_array(s->all->arena, functions + 1, sizeof *m->functions);
    if (!m->opsets || !m->functions)
        return bl_parse_no_memory(s);
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == M_OPSET)
            BL_TRY(bl_parse_opset(s, f.bytes, &m->opsets[m->n_opsets++]));
        if (f.number == M_FUNCTION)
            BL_TRY(bl_function_read(s, f.bytes, &m->functions[m->n_functions++]));
    }
    return BLIND_OK;
}

blind_code bl_model_parse(blind_span file, bl_arena *arena, const bl_onnx_files *files,
                          bl_model *out, blind_error *err)
{
    bl_parsing all = { .arena = arena, .files = files, .model = out, .err = err };
    bl_scope   s = { .all = &all, .body = &out->main, .graph = &out->main.graph };
    bl_reader  r = { .rest = file };
    blind_span graph = { 0 };
    size_t     graphs = 0;
    *out = (bl_model){ 0 };
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == M_GRAPH) {
            graph = f.bytes;
            graphs++;
        }
    if (r.failed || graphs != 1)
        return blind_fail(err, BLIND_INPUT, stage, "no ONNX model: %s",
                          r.failed ? "malformed protobuf" : "not one graph in it");
    BL_TRY(read_around_graph(&s, file));
    s.opsets = out->opsets;
    s.n_opsets = out->n_opsets;
    BL_TRY(read_graph(&s, graph));
    BL_TRY(bl_branches_inline(out, arena, err));
    return bl_maps_split(out, arena, err);
}
