/* FusedConv and FusedGemm of com.microsoft, which ONNX Runtime writes into optimised models, become
 * the nodes that they were made of: Conv or Gemm, an Add, an activation.  Fusion joins them again
 * as it joins everybody's.  Source: ONNX Runtime, docs/ContribOperators.md. */
#include "onnx/parse.h"

enum { OPSET = 13, OLD_OPSET = 6 }; /* of the nodes made: Clip has its bounds as attributes there */

bool bl_fused_is(const bl_node *n)
{
    return strcmp(n->domain, "com.microsoft") == 0 &&
           (strcmp(n->type, "FusedConv") == 0 || strcmp(n->type, "FusedGemm") == 0);
}

static const bl_attr *find(const bl_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    return NULL;
}

/* Parameter i of the activation: of FusedConv in a list, of FusedGemm each by its name. */
static bool parameter(const bl_node *n, size_t i, float *out)
{
    static const char *const names[] = { "activation_alpha", "activation_beta" };
    const bl_attr           *list = find(n, "activation_params"), *one = find(n, names[i]);
    if (list && list->floats && i < list->len)
        *out = list->floats[i];
    else if (one && one->type == BL_ATTR_FLOAT)
        *out = one->f;
    else
        return false;
    return true;
}

/* A node of one output, which has no name and is the next one's first input. */
static blind_code append_inner(bl_scope *s, bl_node *n, int32_t *made)
{
    n->out = bl_arena_array(s->all->arena, 2, sizeof *n->out);
    *made = n->out ? bl_graph_value(s->graph, s->all->arena, "") : -1;
    if (*made < 0)
        return bl_parse_no_memory(s);
    n->out[0] = *made;
    n->n_out = 1;
    s->graph->values[*made].producer = (int32_t)s->graph->n_nodes;
    return bl_parse_append(s, (blind_span){ 0 }, n);
}

static blind_code activation_of(bl_scope *s, const bl_node *fused, const char *type, bl_node *out)
{
    static const char *const names[][2] = { { "alpha", "beta" }, { "min", "max" } };
    bl_attr                 *attrs = bl_arena_array(s->all->arena, 3, sizeof *attrs);
    bool                     clip = strcmp(type, "Clip") == 0;
    if (!attrs)
        return bl_parse_no_memory(s);
    *out = (bl_node){
        .type = type, .domain = "", .name = fused->name, .opset = OLD_OPSET, .attrs = attrs
    };
    for (size_t i = 0; i < 2; i++) {
        float value;
        if (parameter(fused, i, &value))
            attrs[out->n_attrs++] =
                (bl_attr){ .name = names[clip][i], .type = BL_ATTR_FLOAT, .f = value };
    }
    return BLIND_OK;
}

static blind_code edges_of(const bl_scope *s, bl_node *n, int32_t a, int32_t b)
{
    n->in = bl_arena_array(s->all->arena, 3, sizeof *n->in);
    if (!n->in)
        return bl_parse_no_memory(s);
    n->in[n->n_in++] = a;
    if (b >= 0)
        n->in[n->n_in++] = b;
    return BLIND_OK;
}

/* Conv or Gemm itself. */
static bl_node product_of(const bl_node *fused)
{
    bl_node n = *fused;
    n.type = fused->type + strlen("Fused");
    n.domain = "";
    n.opset = OPSET;
    n.n_in = BL_MIN(fused->n_in, 3);
    return n;
}

blind_code bl_fused_expand(bl_scope *s, const bl_node *fused, blind_span message)
{
    const bl_attr *a = find(fused, "activation");
    const char    *type = a && a->type == BL_ATTR_STRING ? a->s : "";
    bool           conv = strcmp(fused->type, "FusedConv") == 0;
    bool           adds = conv && fused->n_in == 4 && fused->in[3] >= 0;
    bl_node        n = product_of(fused);
    int32_t        made;
    if (fused->n_in < 2 || fused->n_in > 3 + conv)
        return blind_fail(s->all->err, BLIND_INPUT, "onnx.parse",
                          "node '%.60s' (%.40s) has %d inputs", fused->name, fused->type,
                          fused->n_in);
    if (adds) {
        BL_TRY(append_inner(s, &n, &made));
        n = (bl_node){ .type = "Add", .domain = "", .name = fused->name, .opset = OPSET };
        BL_TRY(edges_of(s, &n, made, fused->in[3]));
    }
    if (*type) {
        BL_TRY(append_inner(s, &n, &made));
        BL_TRY(activation_of(s, fused, type, &n));
        BL_TRY(edges_of(s, &n, made, -1));
    }
    n.out = fused->out;
    return bl_parse_append(s, message, &n);
}
