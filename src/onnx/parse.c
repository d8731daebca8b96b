/* ModelProto and GraphProto: values are numbered, names resolved, single assignment checked.
 * Source: onnx.proto3. */
#include "onnx/graph.h"
#include "onnx/names.h"
#include "onnx/wire.h"

static const char stage[] = "onnx.parse";

typedef struct {
    bl_arena    *arena;
    bl_model    *model;
    bl_graph    *graph;
    bl_names     names;
    blind_error *err;
} parser;

static blind_code no_memory(parser *p)
{
    return blind_fail(p->err, BLIND_MEMORY, stage, "no memory for the graph");
}

static blind_code malformed(parser *p, const char *what)
{
    return blind_fail(p->err, BLIND_INPUT, stage, "malformed %s", what);
}

/* A name: text in one line, so that messages and file names made of it stay harmless. */
static blind_code read_name(parser *p, blind_span bytes, const char **out)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] < 0x20 || bytes.data[i] == 0x7f)
            return malformed(p, "name: a control character");
    *out = bl_arena_copy(p->arena, bytes);
    return *out ? BLIND_OK : no_memory(p);
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

static blind_code define(parser *p, const char *name, int32_t *out)
{
    *out = bl_graph_value(p->graph, p->arena, name);
    if (*out < 0)
        return no_memory(p);
    if (!bl_names_put(&p->names, name, *out))
        return blind_fail(p->err, BLIND_INPUT, stage, "value '%.80s' is made twice", name);
    return BLIND_OK;
}

/* Attributes.  ------------------------------------------------------------------------------- */

static blind_code read_scalars(parser *p, blind_span message, uint32_t number, bl_attr *a)
{
    size_t    fixed = number == 7 ? 4 : 0, len = 0;
    bl_reader count = { .rest = message }, fill = count;
    for (bl_field f; bl_wire_next(&count, &f);)
        len += f.number == number ? bl_wire_scalars(&f, fixed) : 0;
    a->len = len;
    if (fixed)
        a->floats = bl_arena_array(p->arena, len + 1, sizeof(float));
    else
        a->ints = bl_arena_array(p->arena, len + 1, sizeof(int64_t));
    if (!a->floats && !a->ints)
        return no_memory(p);
    size_t at = 0;
    for (bl_field f; bl_wire_next(&fill, &f);) {
        bl_reader r = { .rest = f.bytes };
        size_t    n = f.number == number ? bl_wire_scalars(&f, fixed) : 0;
        for (size_t i = 0; i < n; i++, at++) {
            bool     packed = f.wire == BL_WIRE_BYTES;
            uint64_t v = !packed ? f.value : fixed ? bl_read_le(&r, 4) : bl_read_varint(&r);
            uint32_t bits = (uint32_t)v;
            if (fixed)
                memcpy(&a->floats[at], &bits, 4);
            else
                a->ints[at] = (int64_t)v;
        }
    }
    return BLIND_OK;
}

static blind_code read_strings(parser *p, blind_span message, bl_attr *a)
{
    bl_reader r = { .rest = message };
    a->strings = bl_arena_array(p->arena, bl_wire_count(message, 9) + 1, sizeof *a->strings);
    for (bl_field f; a->strings && bl_wire_next(&r, &f);)
        if (f.number == 9)
            a->strings[a->len++] = f.bytes;
    return a->strings ? BLIND_OK : no_memory(p);
}

static blind_code read_attr(parser *p, blind_span message, bl_attr *a)
{
    bl_reader r = { .rest = message };
    bool      has_ints = false, has_floats = false, has_tensor = false;
    a->name = a->s = "";
    for (bl_field f; bl_wire_next(&r, &f);) {
        uint32_t bits = (uint32_t)f.value;
        switch (f.number) {
        case 1:
            BL_TRY(read_name(p, f.bytes, &a->name));
            break;
        case 2:
            memcpy(&a->f, &bits, 4);
            a->type = a->type ? a->type : BL_ATTR_FLOAT;
            break;
        case 3:
            a->i = (int64_t)f.value;
            a->type = a->type ? a->type : BL_ATTR_INT;
            break;
        case 4:
            a->s = bl_arena_copy(p->arena, f.bytes);
            if (!a->s)
                return no_memory(p);
            break;
        case 5:
            if (has_tensor)
                return malformed(p, "attribute: two tensors");
            has_tensor = true;
            BL_TRY(bl_tensor_parse(f.bytes, p->arena, &a->t, NULL, p->err));
            break;
        case 7:
            has_floats = true;
            break;
        case 8:
            has_ints = true;
            break;
        case 20:
            a->type = (int)(f.value & 0xff);
            break;
        default:
            break;
        }
    }
    if (r.failed || (has_ints && has_floats))
        return malformed(p, "attribute");
    if (a->type == BL_ATTR_TENSOR && !has_tensor)
        return malformed(p, "attribute: a tensor without one");
    if (a->type == BL_ATTR_STRINGS)
        return read_strings(p, message, a);
    if (has_ints || a->type == BL_ATTR_INTS)
        return read_scalars(p, message, 8, a);
    if (has_floats || a->type == BL_ATTR_FLOATS)
        return read_scalars(p, message, 7, a);
    return BLIND_OK;
}

/* Nodes.  ------------------------------------------------------------------------------------ */

static blind_code read_node_input(parser *p, bl_node *n, blind_span bytes)
{
    const char *name;
    int32_t     value = -1;
    BL_TRY(read_name(p, bytes, &name));
    if (*name) {
        value = bl_names_get(&p->names, name);
        if (value < 0)
            return blind_fail(p->err, BLIND_INPUT, stage,
                              "node '%.60s' (%.40s) reads '%.60s', which nothing before it makes",
                              n->name, n->type, name);
        p->graph->values[value].uses++;
    }
    n->in[n->n_in++] = value;
    return BLIND_OK;
}

static blind_code read_node_output(parser *p, bl_node *n, blind_span bytes)
{
    const char *name;
    int32_t     value = -1;
    BL_TRY(read_name(p, bytes, &name));
    if (*name) {
        BL_TRY(define(p, name, &value));
        p->graph->values[value].producer = n->id;
    }
    n->out[n->n_out++] = value;
    return BLIND_OK;
}

static blind_code read_node_names(parser *p, blind_span message, bl_node *n)
{
    bl_reader r = { .rest = message };
    n->type = n->domain = n->name = "";
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 3)
            BL_TRY(read_name(p, f.bytes, &n->name));
        if (f.number == 4)
            BL_TRY(read_name(p, f.bytes, &n->type));
        if (f.number == 7)
            BL_TRY(read_name(p, f.bytes, &n->domain));
    }
    if (strcmp(n->domain, "ai.onnx") == 0)
        n->domain = "";
    return r.failed ? malformed(p, "node") : BLIND_OK;
}

static blind_code read_node(parser *p, blind_span message, bl_node *n)
{
    size_t n_in = bl_wire_count(message, 1), n_out = bl_wire_count(message, 2);
    size_t n_attrs = bl_wire_count(message, 5);
    BL_TRY(read_node_names(p, message, n));
    if (n_in > BL_MAX_NODE_EDGES || n_out > BL_MAX_NODE_EDGES || n_attrs > BL_MAX_NODE_EDGES)
        return blind_fail(p->err, BLIND_LIMIT, stage, "node '%.80s' has more than %u edges",
                          n->name, BL_MAX_NODE_EDGES);
    n->in = bl_arena_array(p->arena, n_in + 1, sizeof *n->in);
    n->out = bl_arena_array(p->arena, n_out + 1, sizeof *n->out);
    n->attrs = bl_arena_array(p->arena, n_attrs + 1, sizeof *n->attrs);
    if (!n->in || !n->out || !n->attrs)
        return no_memory(p);
    bl_reader r = { .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);) /* inputs first: a node does not read itself */
        if (f.number == 1)
            BL_TRY(read_node_input(p, n, f.bytes));
    r = (bl_reader){ .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 2)
            BL_TRY(read_node_output(p, n, f.bytes));
        if (f.number == 5) {
            blind_code code = read_attr(p, f.bytes, &n->attrs[n->n_attrs++]);
            if (code != BLIND_OK)
                return blind_fail_in(p->err, code, "node '%.60s' (%.40s)", n->name, n->type);
        }
    }
    return BLIND_OK;
}

/* Inputs and outputs.  ----------------------------------------------------------------------- */

static blind_code read_dim(parser *p, blind_span message, bl_onnx_port *port)
{
    bl_reader   r = { .rest = message };
    int64_t     size = -1;
    const char *symbol = NULL;
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 1)
            size = (int64_t)f.value;
        if (f.number == 2)
            BL_TRY(read_name(p, f.bytes, &symbol));
    }
    if (r.failed)
        return malformed(p, "dimension");
    if (port->rank == BL_ONNX_RANK)
        return blind_fail(p->err, BLIND_UNSUPPORTED, stage, "'%.80s' has more than %d axes",
                          port->name, BL_ONNX_RANK);
    port->symbol[port->rank] = symbol;
    port->shape[port->rank++] = size < 0 ? -1 : size;
    return BLIND_OK;
}

static blind_code read_tensor_type(parser *p, blind_span message, bl_onnx_port *port)
{
    bl_reader r = { .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 1) {
            int dtype = bl_dtype_of_onnx((int64_t)f.value);
            if (dtype < 0)
                return blind_fail(p->err, BLIND_UNSUPPORTED, stage,
                                  "'%.80s' has elements of type %llu", port->name,
                                  (unsigned long long)f.value);
            port->dtype = (blind_dtype)dtype;
        }
        if (f.number == 2) {
            bl_reader dims = { .rest = f.bytes };
            port->rank = 0;
            for (bl_field d; bl_wire_next(&dims, &d);)
                if (d.number == 1)
                    BL_TRY(read_dim(p, d.bytes, port));
            r.failed = r.failed || dims.failed;
        }
    }
    return r.failed ? malformed(p, "type") : BLIND_OK;
}

static blind_code read_port(parser *p, blind_span message, bl_onnx_port *port)
{
    bl_reader r = { .rest = message };
    *port = (bl_onnx_port){ .name = "", .rank = -1 };
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == 1)
            BL_TRY(read_name(p, f.bytes, &port->name));
    r = (bl_reader){ .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number != 2)
            continue;
        bl_reader type = { .rest = f.bytes };
        for (bl_field t; bl_wire_next(&type, &t);) {
            if (t.number == 1)
                BL_TRY(read_tensor_type(p, t.bytes, port));
            else if (t.wire == BL_WIRE_BYTES && t.number != 6)
                return blind_fail(p->err, BLIND_UNSUPPORTED, stage, "'%.80s' is no tensor",
                                  port->name);
        }
        r.failed = r.failed || type.failed;
    }
    return r.failed ? malformed(p, "input or output") : BLIND_OK;
}

static blind_code read_input(parser *p, blind_span message)
{
    bl_model *m = p->model;
    BL_TRY(read_port(p, message, &m->inputs[m->n_inputs]));
    bl_onnx_port *port = &m->inputs[m->n_inputs];
    int32_t       value = bl_names_get(&p->names, port->name);
    if (value >= 0 && p->graph->values[value].constant)
        return BLIND_OK; /* an initializer that could be overridden: it is not */
    BL_TRY(define(p, port->name, &value));
    p->graph->values[value].is_input = true;
    m->input_values[m->n_inputs++] = value;
    return BLIND_OK;
}

static blind_code read_output(parser *p, blind_span message)
{
    bl_model *m = p->model;
    BL_TRY(read_port(p, message, &m->outputs[m->n_outputs]));
    int32_t value = bl_names_get(&p->names, m->outputs[m->n_outputs].name);
    if (value < 0)
        return blind_fail(p->err, BLIND_INPUT, stage, "output '%.80s' is made by nothing",
                          m->outputs[m->n_outputs].name);
    p->graph->values[value].is_output = true;
    p->graph->values[value].uses++;
    m->output_values[m->n_outputs++] = value;
    return BLIND_OK;
}

/* Graph and model.  -------------------------------------------------------------------------- */

static blind_code read_initializer(parser *p, blind_span message)
{
    bl_tensor   t;
    const char *name;
    int32_t     value;
    BL_TRY(bl_tensor_parse(message, p->arena, &t, &name, p->err));
    BL_TRY(read_name(p, bl_span_str(name), &name));
    BL_TRY(define(p, name, &value));
    p->graph->tensors[value] = t;
    p->graph->values[value].constant = p->graph->values[value].shaped = true;
    p->graph->values[value].place = BL_PLACE_CONST;
    return BLIND_OK;
}

enum { G_NODE = 1, G_INITIALIZER = 5, G_INPUT = 11, G_OUTPUT = 12, G_SPARSE = 15 };

static blind_code read_part(parser *p, const bl_field *f, uint32_t wanted)
{
    if (f->number != wanted)
        return BLIND_OK;
    switch (wanted) {
    case G_INITIALIZER:
        return read_initializer(p, f->bytes);
    case G_INPUT:
        return read_input(p, f->bytes);
    case G_OUTPUT:
        return read_output(p, f->bytes);
    case G_SPARSE:
        return blind_fail(p->err, BLIND_UNSUPPORTED, stage, "sparse initializers");
    default: {
        bl_node *n = &p->graph->nodes[p->graph->n_nodes];
        n->id = (int32_t)p->graph->n_nodes++;
        return read_node(p, f->bytes, n);
    }
    }
}

static blind_code make_tables(parser *p, blind_span message)
{
    bl_model *m = p->model;
    size_t    n_in = bl_wire_count(message, G_INPUT), n_out = bl_wire_count(message, G_OUTPUT);
    size_t    n_nodes = bl_wire_count(message, G_NODE), names;
    names = n_in + bl_wire_count(message, G_INITIALIZER);
    bl_reader r = { .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);)
        names += f.number == G_NODE ? bl_wire_count(f.bytes, 2) : 0;
    if (r.failed)
        return malformed(p, "graph");
    if (n_nodes > BL_MAX_GRAPH_NODES)
        return blind_fail(p->err, BLIND_LIMIT, stage, "%zu nodes, the limit is %u", n_nodes,
                          BL_MAX_GRAPH_NODES);
    m->inputs = bl_arena_array(p->arena, n_in + 1, sizeof *m->inputs);
    m->outputs = bl_arena_array(p->arena, n_out + 1, sizeof *m->outputs);
    m->input_values = bl_arena_array(p->arena, n_in + 1, sizeof *m->input_values);
    m->output_values = bl_arena_array(p->arena, n_out + 1, sizeof *m->output_values);
    p->graph->nodes = bl_arena_array(p->arena, n_nodes + 1, sizeof *p->graph->nodes);
    if (!m->inputs || !m->outputs || !m->input_values || !m->output_values || !p->graph->nodes)
        return no_memory(p);
    return bl_names_init(&p->names, p->arena, names) ? BLIND_OK : no_memory(p);
}

static blind_code read_graph(parser *p, blind_span message)
{
    static const uint32_t order[] = { G_SPARSE, G_INITIALIZER, G_INPUT, G_NODE, G_OUTPUT };
    BL_TRY(make_tables(p, message));
    for (size_t i = 0; i < BL_LEN(order); i++) {
        bl_reader r = { .rest = message };
        for (bl_field f; bl_wire_next(&r, &f);)
            BL_TRY(read_part(p, &f, order[i]));
    }
    return BLIND_OK;
}

static blind_code read_opset(parser *p, blind_span message)
{
    bl_reader r = { .rest = message };
    bl_opset *o = &p->model->opsets[p->model->n_opsets++];
    o->domain = "";
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 1)
            BL_TRY(read_name(p, f.bytes, &o->domain));
        if (f.number == 2)
            o->version = (int64_t)f.value;
    }
    if (strcmp(o->domain, "ai.onnx") == 0)
        o->domain = "";
    return r.failed ? malformed(p, "opset import") : BLIND_OK;
}

enum { M_GRAPH = 7, M_OPSET = 8 };

blind_code bl_model_parse(blind_span file, bl_arena *arena, bl_model *out, blind_error *err)
{
    parser     p = { .arena = arena, .model = out, .graph = &out->graph, .err = err };
    bl_reader  r = { .rest = file };
    blind_span graph = { 0 };
    *out = (bl_model){ 0 };
    out->opsets = bl_arena_array(arena, bl_wire_count(file, M_OPSET) + 1, sizeof *out->opsets);
    if (!out->opsets)
        return no_memory(&p);
    size_t graphs = 0;
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == M_OPSET)
            BL_TRY(read_opset(&p, f.bytes));
        if (f.number == M_GRAPH) {
            graph = f.bytes;
            graphs++;
        }
    }
    if (r.failed || graphs != 1)
        return blind_fail(err, BLIND_INPUT, stage, "no ONNX model: %s",
                          r.failed ? "malformed protobuf" : "not one graph in it");
    return read_graph(&p, graph);
}
