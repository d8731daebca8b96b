/* Splits values that are maps into two: see maps.h. */
#include "onnx/maps.h"

#include <stdio.h>

static const char stage[] = "onnx.parse";

typedef struct {
    bl_body     *body;
    bl_arena    *arena;
    int32_t     *keys; /* per value: that of its keys, or -1 where it is no map */
    size_t       n_values, n_maps;
    blind_error *err;
} splitting;

static blind_code no_memory(const splitting *s)
{
    return blind_fail(s->err, BLIND_MEMORY, stage, "no memory for the graph");
}

static bool is_domain(const bl_node *n, const char *type)
{
    return strcmp(n->domain, "ai.onnx.ml") == 0 && strcmp(n->type, type) == 0;
}

static bool takes_map(const bl_node *n)
{
    return is_domain(n, "DictVectorizer") || is_domain(n, "CastMap");
}

static blind_code part_name(const splitting *s, const char *name, const char *part,
                            const char **out)
{
    char text[1100];
    int  len = snprintf(text, sizeof text, "%s.%s", name, part);
    if (len < 0 || (size_t)len >= sizeof text)
        return blind_fail(s->err, BLIND_LIMIT, stage, "too long a name: '%.80s'", name);
    *out = bl_arena_copy(s->arena, bl_span_str(text));
    return *out ? BLIND_OK : no_memory(s);
}

/* Value v is a map: gives it one more value for its keys. */
static blind_code split_value(splitting *s, int32_t v)
{
    bl_graph   *g = &s->body->graph;
    const char *keys;
    if (s->keys[v] >= 0)
        return BLIND_OK;
    if (++s->n_maps > BL_MAX_MAPS)
        return blind_fail(s->err, BLIND_LIMIT, stage, "more than %u maps", BL_MAX_MAPS);
    BL_TRY(part_name(s, g->values[v].name, "keys", &keys));
    BL_TRY(part_name(s, g->values[v].name, "values", &g->values[v].name));
    s->keys[v] = bl_graph_value(g, s->arena, keys);
    if (s->keys[v] < 0)
        return no_memory(s);
    g->values[s->keys[v]].producer = g->values[v].producer;
    return BLIND_OK;
}

/* Edge 0 of `len`, which is a map, becomes two. */
static blind_code widen(const splitting *s, int32_t **edges, int *len, int32_t keys)
{
    int32_t *to = bl_arena_array(s->arena, (size_t)*len + 2, sizeof *to);
    if (!to)
        return no_memory(s);
    to[0] = keys;
    memcpy(to + 1, *edges, (size_t)*len * sizeof *to);
    *edges = to;
    ++*len;
    return BLIND_OK;
}

static blind_code split_node(splitting *s, bl_node *n)
{
    bl_graph *g = &s->body->graph;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && s->keys[n->in[i]] >= 0 && (i > 0 || !takes_map(n)))
            return blind_fail(s->err, BLIND_UNSUPPORTED, stage, "node '%.60s' (%.40s) reads a map",
                              n->name, n->type);
    if (is_domain(n, "ZipMap") && n->n_out == 1 && n->out[0] >= 0) {
        BL_TRY(split_value(s, n->out[0]));
        return widen(s, &n->out, &n->n_out, s->keys[n->out[0]]);
    }
    if (!takes_map(n) || n->n_in < 1 || n->in[0] < 0 || s->keys[n->in[0]] < 0)
        return BLIND_OK;
    g->values[s->keys[n->in[0]]].uses++;
    n->n_formal++;
    return widen(s, &n->in, &n->n_in, s->keys[n->in[0]]);
}

/* A port that is a map becomes two of `rank` axes for its values. */
static void split_port(const bl_onnx_port *port, const char *keys, const char *values, int rank,
                       bl_onnx_port *out)
{
    out[0] = (bl_onnx_port){ .name = keys, .dtype = port->key, .rank = 1, .shape = { -1 } };
    out[1] =
        (bl_onnx_port){ .name = values, .dtype = port->dtype, .rank = rank, .shape = { -1, -1 } };
}

/* The ports of one side with their values; those that are maps take two places. */
static blind_code split_ports(const splitting *s, bl_onnx_port **ports, int32_t **values,
                              size_t *len, bool inputs)
{
    bl_graph     *g = &s->body->graph;
    bl_onnx_port *to = bl_arena_array(s->arena, 2 * *len + 1, sizeof *to);
    int32_t      *places = bl_arena_array(s->arena, 2 * *len + 1, sizeof *places);
    size_t        n = 0;
    if (!to || !places)
        return no_memory(s);
    for (size_t i = 0; i < *len; i++) {
        int32_t v = (*values)[i], keys = s->keys[v];
        if (keys >= 0) {
            split_port(&(*ports)[i], g->values[keys].name, g->values[v].name, inputs ? 1 : 2,
                       &to[n]);
            g->values[keys].is_input = inputs;
            g->values[keys].is_output = !inputs;
            g->values[keys].uses += !inputs;
            places[n++] = keys;
        } else {
            to[n] = (*ports)[i];
        }
        places[n++] = v;
    }
    *ports = to;
    *values = places;
    *len = n;
    return BLIND_OK;
}

/* What a model says of an output that is a map, against what makes it. */
static blind_code check_output(const splitting *s, bl_onnx_port *port, int32_t v)
{
    bool map = s->keys[v] >= 0;
    if (map && s->body->graph.values[v].is_input)
        return blind_fail(s->err, BLIND_UNSUPPORTED, stage, "output '%.80s' is an input",
                          port->name);
    if (port->map && !map)
        return blind_fail(s->err, BLIND_INPUT, stage, "output '%.80s' is no map, as it is declared",
                          port->name);
    if (!map)
        return BLIND_OK;
    const bl_node *n = &s->body->graph.nodes[s->body->graph.values[v].producer];
    port->dtype = BLIND_F32;
    port->key = BLIND_I64; /* whatever is declared: the labels say it */
    for (size_t a = 0; a < n->n_attrs; a++)
        if (n->attrs[a].strings && n->attrs[a].len)
            port->key = BLIND_STRING;
    return BLIND_OK;
}

static blind_code check_input(const splitting *s, const bl_onnx_port *port)
{
    return port->map && (port->sequence || port->optional)
               ? blind_fail(s->err, BLIND_UNSUPPORTED, stage, "input '%.80s' is %s of maps",
                            port->name, port->sequence ? "a sequence" : "an optional")
               : BLIND_OK;
}

/* The two names may be those of other ports. */
static blind_code check_names(const splitting *s, const bl_onnx_port *ports, size_t len)
{
    for (size_t v = 0; v < s->n_values; v++)
        for (size_t i = 0, seen = 0; s->keys[v] >= 0 && i < len; i++) {
            seen += strcmp(ports[i].name, s->body->graph.values[v].name) == 0;
            seen += strcmp(ports[i].name, s->body->graph.values[s->keys[v]].name) == 0;
            if (seen > 2)
                return blind_fail(s->err, BLIND_UNSUPPORTED, stage,
                                  "'%.80s' is there twice once maps are split", ports[i].name);
        }
    return BLIND_OK;
}

static bool has_maps(const bl_body *b)
{
    for (size_t i = 0; i < b->n_inputs; i++)
        if (b->inputs[i].map)
            return true;
    for (size_t i = 0; i < b->n_outputs; i++)
        if (b->outputs[i].map)
            return true;
    for (size_t i = 0; i < b->graph.n_nodes; i++)
        if (is_domain(&b->graph.nodes[i], "ZipMap"))
            return true;
    return false;
}

blind_code bl_maps_split(bl_model *m, bl_arena *arena, blind_error *err)
{
    bl_body  *b = &m->main;
    splitting s = { .body = b, .arena = arena, .n_values = b->graph.n_values, .err = err };
    if (!has_maps(b))
        return BLIND_OK;
    s.keys = bl_arena_array(arena, 2 * s.n_values + 1, sizeof *s.keys); /* each may get one more */
    if (!s.keys)
        return no_memory(&s);
    for (size_t v = 0; v < 2 * s.n_values; v++)
        s.keys[v] = -1;
    for (size_t i = 0; i < b->n_inputs; i++) {
        BL_TRY(check_input(&s, &b->inputs[i]));
        if (b->inputs[i].map)
            BL_TRY(split_value(&s, b->input_values[i]));
    }
    for (size_t i = 0; i < b->graph.n_nodes; i++)
        BL_TRY(split_node(&s, &b->graph.nodes[i]));
    for (size_t i = 0; i < b->n_outputs; i++)
        BL_TRY(check_output(&s, &b->outputs[i], b->output_values[i]));
    BL_TRY(split_ports(&s, &b->inputs, &b->input_values, &b->n_inputs, true));
    BL_TRY(split_ports(&s, &b->outputs, &b->output_values, &b->n_outputs, false));
    BL_TRY(check_names(&s, b->inputs, b->n_inputs));
    return check_names(&s, b->outputs, b->n_outputs);
}
