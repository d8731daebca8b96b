/* 16-bit floats.  Few kernels know F16 and BF16; every operator knows F32.  So while a plan is made
 * a value of 16 bits gets a twin in F32 that holds the same: an operator reads the twins and writes
 * a twin, and the value itself is a cast of it, which vanishes when nobody reads it.  A chain of
 * operators thus computes in F32 from end to end and is fused like any other; only where 16 bits
 * come in and leave something is converted.
 *
 * Operators that move elements and do not look at them (BL_OP_MOVES) take narrow values as they
 * are, unless there is a twin already.  Those that know types by themselves (BL_OP_TYPED) are left
 * alone. */
#include "onnx/widen.h"

#include "onnx/number.h"

/* A cast that is to stand before the node at `at`. */
struct bl_insert {
    bl_insert *next;
    size_t     at;
    bl_node    node;
};

static int32_t twin_of(const bl_build *b, int32_t v)
{
    return b->graph->values[v].wide - 1;
}

static bool is_narrow(const bl_build *b, int32_t v)
{
    return v >= 0 && b->graph->values[v].shaped && bl_is_narrow(b->graph->tensors[v].dtype);
}

static blind_code new_value(bl_build *b, const bl_node *n, int32_t like, int32_t *out)
{
    *out = bl_graph_value(b->graph, b->arena, b->graph->values[like].name);
    return *out < 0 ? bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan") : BLIND_OK;
}

/* Casts.  ------------------------------------------------------------------------------------ */

static blind_code insert_cast(bl_build *b, const bl_node *n, size_t at, int32_t from, int32_t to,
                              blind_dtype dtype)
{
    bl_insert *i = bl_arena_alloc(b->arena, sizeof *i);
    int32_t   *edges = bl_arena_array(b->arena, 4, sizeof *edges); /* in, room for fusion, out */
    bl_attr   *attr = bl_arena_alloc(b->arena, sizeof *attr);
    if (!i || !edges || !attr)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    edges[0] = from;
    edges[3] = to;
    *attr = (bl_attr){ .name = "to", .type = BL_ATTR_INT, .i = bl_onnx_of_dtype(dtype) };
    i->at = at;
    i->node = (bl_node){ .op = bl_op_find("", "Cast", 13),
                         .type = "Cast",
                         .domain = "",
                         .name = n->name,
                         .opset = 13,
                         .in = edges,
                         .out = edges + 3,
                         .n_in = 1,
                         .n_out = 1,
                         .attrs = attr,
                         .n_attrs = 1,
                         .id = INT32_MAX };
    if (b->last_insert)
        b->last_insert->next = i;
    else
        b->first_insert = i;
    b->last_insert = i;
    b->n_inserts++;
    return i->node.op->infer(b, &i->node);
}

/* Both directions for constants: no node is left to run. */
static blind_code convert_constant(bl_build *b, const bl_node *n, int32_t from, int32_t to,
                                   blind_dtype dtype)
{
    bl_tensor x = b->graph->tensors[from], out = x;
    bl_value *v = &b->graph->values[to];
    out.dtype = dtype;
    out.data = bl_arena_array(b->arena, x.len + 1, blind_dtype_size(dtype));
    if (!out.data)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for a constant");
    bl_store_needed(b, &x);
    if (dtype == BLIND_F32)
        bl_widen_row(x.dtype, out.data, x.data, x.len);
    else
        bl_narrow_row(dtype, out.data, x.data, x.len);
    bl_store_unneeded(b, &x);
    b->graph->tensors[to] = out;
    v->shaped = v->constant = true;
    v->derived = b->graph->values[from].derived;
    v->place = BL_PLACE_CONST;
    return BLIND_OK;
}

/* Inputs.  ----------------------------------------------------------------------------------- */

static blind_code make_twin(bl_build *b, const bl_node *n, size_t at, int32_t v, int32_t *out)
{
    *out = twin_of(b, v);
    if (*out >= 0)
        return BLIND_OK;
    BL_TRY(new_value(b, n, v, out));
    if (b->graph->values[v].constant)
        BL_TRY(convert_constant(b, n, v, *out, BLIND_F32));
    else
        BL_TRY(insert_cast(b, n, at, v, *out, BLIND_F32));
    b->graph->values[v].wide = *out + 1;
    return BLIND_OK;
}

blind_code bl_widen_constants(bl_build *b, const bl_node *n)
{
    int32_t twin;
    for (int i = 0; i < n->n_in && !(n->op->flags & (BL_OP_TYPED | BL_OP_MOVES)); i++)
        if (is_narrow(b, n->in[i]) && b->graph->values[n->in[i]].constant)
            BL_TRY(make_twin(b, n, 0, n->in[i], &twin));
    return BLIND_OK;
}

/* The type to which outputs are made narrow again; F32 when nothing is to be done.  It is that of
 * the first input where that one is a float, else that of the first narrow one. */
static blind_dtype narrow_type(const bl_build *b, const bl_node *n)
{
    bool        twins = false;
    blind_dtype type = BLIND_F32;
    if (n->op->flags & BL_OP_TYPED)
        return type;
    for (int i = 0; i < n->n_in; i++) {
        if (!is_narrow(b, n->in[i]))
            continue;
        twins = twins || twin_of(b, n->in[i]) >= 0;
        type = type == BLIND_F32 ? b->graph->tensors[n->in[i]].dtype : type;
    }
    return n->op->flags & BL_OP_MOVES && !twins ? BLIND_F32 : type;
}

/* Swaps inputs for twins and outputs for new values. */
static blind_code swap_edges(bl_build *b, bl_node *n, size_t at)
{
    int32_t *in = bl_arena_array(b->arena, (size_t)n->n_in + 2, sizeof *in);
    int32_t *out = bl_arena_array(b->arena, 2 * (size_t)n->n_out + 1, sizeof *out);
    if (!in || !out)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    for (int i = 0; i < n->n_in; i++) {
        in[i] = n->in[i];
        if (is_narrow(b, in[i]))
            BL_TRY(make_twin(b, n, at, in[i], &in[i]));
    }
    for (int i = 0; i < n->n_out; i++) {
        out[i] = out[n->n_out + i] = n->out[i];
        if (n->out[i] >= 0)
            BL_TRY(new_value(b, n, n->out[i], &out[i]));
    }
    n->in = in;
    n->out = out;
    return BLIND_OK;
}

/* An output that is no F32 takes its own value back. */
static void restore_output(bl_build *b, bl_node *n, int i)
{
    int32_t   mine = n->out[n->n_out + i];
    bl_value *to = &b->graph->values[mine], was = *to;
    *to = b->graph->values[n->out[i]];
    to->name = was.name;
    to->is_output = was.is_output;
    to->producer = was.producer;
    b->graph->tensors[mine] = b->graph->tensors[n->out[i]];
    n->out[i] = mine;
}

/* Statistics that stay F32 whatever the type of the elements. */
static bool stays_wide(const bl_node *n, int i)
{
    return i > 0 && strstr(n->type, "LayerNormalization") != NULL;
}

blind_code bl_infer_widened(bl_build *b, bl_node *n, size_t at)
{
    blind_dtype type = narrow_type(b, n);
    bl_node     was = *n;
    if (type == BLIND_F32)
        return n->op->infer(b, n);
    blind_code code = swap_edges(b, n, at);
    if (code == BLIND_OK)
        code = n->op->infer(b, n);
    if (code != BLIND_OK) {
        n->in = was.in;
        n->out = was.out;
        return code;
    }
    n->narrow = type;
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0 && (bl_out(b, n, i)->dtype != BLIND_F32 || stays_wide(n, i)))
            restore_output(b, n, i);
    return BLIND_OK;
}

blind_code bl_narrow_outputs(bl_build *b, bl_node *n, size_t at)
{
    for (int i = 0; i < n->n_out && n->narrow; i++) {
        int32_t wide = n->out[i], mine = n->out[n->n_out + i];
        if (wide < 0 || wide == mine)
            continue;
        b->graph->values[mine].wide = wide + 1;
        if (b->graph->values[wide].constant)
            BL_TRY(convert_constant(b, n, wide, mine, n->narrow));
        else
            BL_TRY(insert_cast(b, n, at + 1, wide, mine, n->narrow));
    }
    n->narrow = (blind_dtype)0;
    return BLIND_OK;
}

/* Putting in.  ------------------------------------------------------------------------------- */

static void number_producers(bl_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_out; k++)
            if (g->nodes[i].out[k] >= 0)
                g->values[g->nodes[i].out[k]].producer = (int32_t)i;
}

blind_code bl_insert_casts(bl_build *b)
{
    bl_graph *g = b->graph;
    size_t    len = 0;
    if (!b->first_insert)
        return BLIND_OK;
    bl_node *nodes = bl_arena_array(b->arena, g->n_nodes + b->n_inserts + 1, sizeof *nodes);
    if (!nodes)
        return blind_fail(b->err, BLIND_MEMORY, "onnx.plan", "no memory for the plan");
    bl_insert *next = b->first_insert;
    for (size_t i = 0; i <= g->n_nodes; i++) {
        for (; next && next->at == i; next = next->next)
            nodes[len++] = next->node;
        if (i < g->n_nodes)
            nodes[len++] = g->nodes[i];
    }
    g->nodes = nodes;
    g->n_nodes = len;
    number_producers(g);
    b->first_insert = b->last_insert = NULL;
    b->n_inserts = 0;
    return BLIND_OK;
}
