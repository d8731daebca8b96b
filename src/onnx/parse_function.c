/* FunctionProto: a node that calls a function of the model is replaced by the function's nodes.
 *
 * Each call has names of its own over the graph of the call, so nothing is renamed: a formal input
 * is another name for the value that is given, a formal output another name for the one asked for.
 * Source: onnx.proto3, FunctionProto. */
#include "onnx/parse.h"

static const char stage[] = "onnx.parse";

enum {
    F_NAME = 1,
    F_INPUT = 4,
    F_OUTPUT = 5,
    F_NODE = 7,
    F_OPSET = 9,
    F_DOMAIN = 10,
    F_DEFAULT = 11,
    F_OVERLOAD = 13,
    N_OUTPUT = 2,
};

blind_code bl_function_read(const bl_scope *s, blind_span message, bl_function *out)
{
    bl_reader r = { .rest = message };
    *out = (bl_function){ .message = message, .domain = "", .name = "", .overload = "" };
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == F_NAME)
            BL_TRY(bl_parse_name(s, f.bytes, &out->name));
        if (f.number == F_DOMAIN)
            BL_TRY(bl_parse_name(s, f.bytes, &out->domain));
        if (f.number == F_OVERLOAD)
            BL_TRY(bl_parse_name(s, f.bytes, &out->overload));
    }
    if (strcmp(out->domain, "ai.onnx") == 0)
        out->domain = "";
    return r.failed ? bl_parse_malformed(s, "function") : BLIND_OK;
}

const bl_function *bl_function_find(const bl_model *m, const char *domain, const char *name,
                                    const char *overload)
{
    for (size_t i = 0; i < m->n_functions; i++)
        if (strcmp(m->functions[i].name, name) == 0 &&
            strcmp(m->functions[i].domain, domain) == 0 &&
            strcmp(m->functions[i].overload, overload) == 0)
            return &m->functions[i];
    return NULL;
}

static bool has_attr(const bl_attr *attrs, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(attrs[i].name, name) == 0)
            return true;
    return false;
}

/* The call's attributes, and the function's defaults for those it does not give. */
static blind_code collect_attrs(bl_scope *s, blind_span function, const bl_node *call)
{
    bl_reader r = { .rest = function };
    size_t    max = call->n_attrs + bl_wire_count(function, F_DEFAULT);
    if (max > BL_MAX_NODE_EDGES)
        return blind_fail(s->all->err, BLIND_LIMIT, stage, "%zu attributes of a function", max);
    bl_attr *attrs = bl_arena_array(s->all->arena, max + 1, sizeof *attrs);
    if (!attrs)
        return bl_parse_no_memory(s);
    if (call->n_attrs)
        memcpy(attrs, call->attrs, call->n_attrs * sizeof *attrs);
    s->given = attrs;
    s->n_given = call->n_attrs;
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number != F_DEFAULT)
            continue;
        BL_TRY(bl_parse_attr(s, f.bytes, &attrs[s->n_given]));
        if (!has_attr(attrs, call->n_attrs, attrs[s->n_given].name))
            s->n_given++;
    }
    return BLIND_OK;
}

static blind_code name_inputs(bl_scope *s, blind_span function, const bl_node *call)
{
    bl_reader r = { .rest = function };
    int       i = 0;
    for (bl_field f; bl_wire_next(&r, &f);) {
        const char *name;
        if (f.number != F_INPUT)
            continue;
        BL_TRY(bl_parse_name(s, f.bytes, &name));
        int32_t value = i < call->n_in && call->in[i] >= 0 ? call->in[i] : BL_SCOPE_ABSENT;
        if (!bl_names_put(&s->names, name, value))
            return bl_parse_malformed(s, "function: an input twice");
        i++;
    }
    return i >= call->n_in ? BLIND_OK : bl_parse_malformed(s, "call: more inputs than formal ones");
}

/* Output k of the call is another name for formal output k. */
static blind_code name_outputs(bl_scope *around, bl_scope *s, blind_span function, blind_span call)
{
    bl_reader formal = { .rest = function }, asked = { .rest = call };
    for (bl_field a; bl_wire_next(&asked, &a);) {
        const char *inner = NULL, *outer;
        if (a.number != N_OUTPUT)
            continue;
        for (bl_field f; !inner && bl_wire_next(&formal, &f);)
            if (f.number == F_OUTPUT)
                BL_TRY(bl_parse_name(s, f.bytes, &inner));
        BL_TRY(bl_parse_name(s, a.bytes, &outer));
        if (!*outer)
            continue;
        int32_t value = inner ? bl_scope_find(s, inner) : -1;
        if (value < 0)
            return blind_fail(s->all->err, BLIND_INPUT, stage,
                              "output '%.80s' of a function is made by nothing in it", outer);
        if (!bl_names_put(&around->names, outer, value))
            return blind_fail(s->all->err, BLIND_INPUT, stage, "value '%.80s' is made twice",
                              outer);
    }
    return BLIND_OK;
}

static blind_code read_opsets(bl_scope *s, blind_span function)
{
    bl_reader r = { .rest = function };
    size_t    n = bl_wire_count(function, F_OPSET), at = 0;
    bl_opset *opsets = bl_arena_array(s->all->arena, n + 1, sizeof *opsets);
    if (!opsets)
        return bl_parse_no_memory(s);
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == F_OPSET)
            BL_TRY(bl_parse_opset(s, f.bytes, &opsets[at++]));
    if (n) { /* else those of the call */
        s->opsets = opsets;
        s->n_opsets = n;
    }
    return BLIND_OK;
}

blind_code bl_function_expand(bl_scope *around, const bl_function *f, const bl_node *call,
                              blind_span message)
{
    bl_scope  s = { .all = around->all,
                    .body = around->body,
                    .graph = around->graph,
                    .opsets = around->opsets,
                    .n_opsets = around->n_opsets,
                    .in_function = true,
                    .depth = around->depth + 1 };
    bl_reader r = { .rest = f->message };
    if (s.depth > BL_MAX_GRAPH_DEPTH)
        return blind_fail(s.all->err, BLIND_LIMIT, stage,
                          "function '%.80s' is called %u deep, or calls itself", f->name,
                          BL_MAX_GRAPH_DEPTH);
    if (!bl_names_init(&s.names, s.all->arena, 8))
        return bl_parse_no_memory(&s);
    BL_TRY(collect_attrs(&s, f->message, call));
    BL_TRY(name_inputs(&s, f->message, call));
    BL_TRY(read_opsets(&s, f->message));
    for (bl_field n; bl_wire_next(&r, &n);)
        if (n.number == F_NODE)
            BL_TRY(bl_parse_node(&s, n.bytes));
    return name_outputs(around, &s, f->message, message);
}
