/* What products and convolutions take in: what they read without a copy, and what they do before
 * they store. */
#include "onnx/fuse.h"

#include "onnx/integer.h"
#include <math.h>

bool bl_is_type(const bl_node *n, const char *type)
{
    return strcmp(n->type, type) == 0 && !*n->domain;
}

bl_node *bl_maker(const bl_build *b, int32_t value)
{
    if (value < 0 || b->graph->values[value].constant || b->graph->values[value].producer < 0)
        return NULL;
    bl_node *n = &b->graph->nodes[b->graph->values[value].producer];
    return n->dead ? NULL : n;
}

bl_node *bl_sole_maker(const bl_build *b, int32_t value)
{
    bl_node *n = bl_maker(b, value);
    return n && n->n_out == 1 && b->graph->values[value].uses == 1 &&
                   !b->graph->values[value].is_output
               ? n
               : NULL;
}

bool bl_is_scaling(const bl_build *b, const bl_node *n, int32_t *x, double *factor)
{
    bool   mul = bl_is_type(n, "Mul");
    double k;
    if ((!mul && !bl_is_type(n, "Div")) || bl_binary_acts(n))
        return false;
    int side = bl_const_number(b, n, 1, &k) ? 0 : mul && bl_const_number(b, n, 0, &k) ? 1 : -1;
    if (side < 0 || bl_is_const(b, n, side) || k == 0 ||
        bl_out(b, n, 0)->len != bl_in(b, n, side)->len)
        return false;
    *x = n->in[side];
    *factor = mul ? k : 1 / k;
    return true;
}

/* Slot `at` becomes `from`, writing what slot `at` wrote. */
static void absorb(bl_build *b, size_t at, bl_node *from)
{
    bl_node *n = &b->graph->nodes[at];
    int32_t *out = n->out;
    from->dead = true;
    b->graph->values[from->out[0]].uses = 0;
    *n = *from;
    n->dead = false;
    n->out = out;
    b->graph->values[out[0]].producer = (int32_t)at;
}

static bl_conv_params *conv_of(const bl_build *b, const bl_node *n)
{
    bool conv = n && n->op->run == bl_op_conv_run && bl_is_const(b, n, 1);
    return conv && bl_in(b, n, 1)->len > 0 && bl_in(b, n, 1)->dtype == BLIND_F32 ? n->params : NULL;
}

/* A product whose epilogue can grow: packed, and without a C of another shape. */
static bl_product_params *packed_of(const bl_node *n)
{
    bool product = n && (n->op->run == bl_op_matmul_run || n->op->run == bl_op_gemm_run);
    bl_product_params *p = product ? n->params : NULL;
    return p && p->packed && p->c_in < 0 ? p : NULL;
}

/* Appends an input at position `at`, those before it absent where they are. */
static int append_in(bl_build *b, bl_node *n, int at, int32_t value)
{
    while (n->n_in < at)
        n->in[n->n_in++] = -1;
    n->in[at] = value;
    n->n_in = BL_MAX(n->n_in, at + 1);
    b->graph->values[value].uses++;
    return at;
}

/* BatchNormalization after a convolution.  --------------------------------------------------- */

static bool norm_is_constant(const bl_build *b, const bl_node *n)
{
    for (int i = 1; i < 5; i++)
        if (!bl_is_const(b, n, i) || bl_is_derived(b, n, i))
            return false;
    return true;
}

static blind_code fuse_norm(bl_build *b, size_t at)
{
    bl_node        *n = &b->graph->nodes[at], *maker = bl_sole_maker(b, n->in[0]);
    bl_conv_params *p = conv_of(b, maker);
    if (!p || p->norm || p->factor != 0 || p->epilogue.act != BL_UNARY_NONE || p->add_in >= 0 ||
        bl_attr_int(n, "training_mode", 0) || !norm_is_constant(b, n) ||
        bl_is_derived(b, maker, 1) || (bl_has_in(maker, 2) && !bl_is_const(b, maker, 2)))
        return BLIND_OK;
    bl_node *copy = bl_arena_alloc(b->arena, sizeof *copy);
    if (!copy)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    *copy = *n;
    p->norm = copy;
    absorb(b, at, maker);
    return BLIND_OK;
}

/* Activations.  ------------------------------------------------------------------------------ */

static bool fuse_activation(bl_build *b, size_t at)
{
    bl_node *n = &b->graph->nodes[at], *maker = bl_sole_maker(b, n->in[0]);
    bl_unary act;
    float    a0, a1;
    if (!maker || bl_out(b, n, 0)->dtype != BLIND_F32 || !bl_unary_of(b, n, &act, &a0, &a1))
        return false;
    bl_conv_params    *conv = conv_of(b, maker);
    bl_product_params *product = packed_of(maker);
    bl_epilogue       *e = conv      ? &conv->epilogue
                           : product ? &product->epilogue
                                     : bl_integer_epilogue(maker);
    if (e && e->act == BL_UNARY_NONE) {
        e->act = act;
        e->a = a0;
        e->b = a1;
    } else if (e || !bl_binary_activate(maker, act, a0, a1)) {
        return false;
    }
    absorb(b, at, maker);
    return true;
}

/* Additions.  -------------------------------------------------------------------------------- */

static bool is_column_bias(const bl_build *b, int32_t v, size_t columns)
{
    const bl_tensor *t = &b->graph->tensors[v];
    return b->graph->values[v].constant && t->rank >= 1 && t->len == columns &&
           (size_t)t->dim[t->rank - 1] == columns;
}

/* Adds value `other` to what `maker` makes; false when it cannot. */
static bool add_to(bl_build *b, bl_node *maker, int32_t other, size_t len)
{
    bl_conv_params    *conv = conv_of(b, maker);
    bl_product_params *p = packed_of(maker);
    bool               whole = b->graph->tensors[other].len == len;
    if (conv && conv->epilogue.act == BL_UNARY_NONE && conv->add_in < 0 && whole) {
        conv->add_in = append_in(b, maker, 3, other);
        maker->inplace |= 1u << 3;
        return true;
    }
    if (!p)
        return bl_integer_add(b, maker, other);
    if (p->epilogue.act != BL_UNARY_NONE)
        return false;
    if (p->bias_in < 0 && !bl_has_in(maker, 2) && is_column_bias(b, other, p->m.n)) {
        p->bias_in = append_in(b, maker, 2, other);
        return true;
    }
    if (p->add_in < 0 && whole && !b->graph->values[other].constant) {
        p->add_in = append_in(b, maker, 3, other);
        maker->inplace |= 1u << 3;
        return true;
    }
    return false;
}

static bool fuse_add(bl_build *b, size_t at)
{
    bl_node         *n = &b->graph->nodes[at];
    const bl_tensor *out = bl_out(b, n, 0);
    int32_t          makers[2] = { -1, -1 };
    if (out->dtype != BLIND_F32 || n->in[0] < 0 || n->in[1] < 0)
        return false;
    for (int i = 0; i < 2; i++)
        makers[i] = b->graph->values[n->in[i]].producer;
    int first = makers[1] > makers[0] ? 1 : 0; /* the later one: the other is there by then */
    for (int i = 0; i < 2; i++) {
        int      side = i ? 1 - first : first;
        bl_node *maker = bl_sole_maker(b, n->in[side]);
        if (!maker || bl_out(b, maker, 0)->len != out->len ||
            !add_to(b, maker, n->in[1 - side], out->len))
            continue;
        absorb(b, at, maker);
        return true;
    }
    return false;
}

/* What a product of two variable matrices reads.  ---------------------------------------------- */

static void read_instead(bl_build *b, bl_node *n, int side, int32_t value)
{
    b->graph->values[n->in[side]].uses--;
    b->graph->values[value].uses++;
    n->in[side] = value;
}

static void fuse_operands(bl_build *b, bl_node *n)
{
    bl_product_params *p = n->params;
    for (int side = 0; side < 2 && !p->packed && !p->plain; side++) {
        for (;;) {
            bl_node *maker = bl_maker(b, n->in[side]);
            double   factor;
            int32_t  x;
            if (!maker)
                break;
            if (bl_is_scaling(b, maker, &x, &factor) && bl_sole_maker(b, n->in[side])) {
                p->m.alpha *= (float)factor;
                read_instead(b, n, side, x);
            } else if (maker->op->run == bl_op_transpose_run &&
                       bl_matmul_through(b, n, side, maker)) {
                read_instead(b, n, side, maker->in[0]);
            } else {
                break;
            }
        }
    }
}

/* A scale after a convolution goes into its weights. */
static bool fuse_factor(bl_build *b, size_t at)
{
    double   factor;
    int32_t  x;
    bl_node *n = &b->graph->nodes[at];
    if (bl_out(b, n, 0)->dtype != BLIND_F32 || !bl_is_scaling(b, n, &x, &factor))
        return false;
    bl_node        *maker = bl_sole_maker(b, x);
    bl_conv_params *p = conv_of(b, maker);
    if (!p || p->factor != 0 || p->epilogue.act != BL_UNARY_NONE || p->add_in >= 0 ||
        !isfinite(factor) || bl_is_derived(b, maker, 1) ||
        (bl_has_in(maker, 2) && (!bl_is_const(b, maker, 2) || bl_is_derived(b, maker, 2))) ||
        bl_out(b, n, 0)->rank != bl_out(b, maker, 0)->rank)
        return false;
    p->factor = factor;
    absorb(b, at, maker);
    return true;
}

/* A scale after such a product. */
static bool fuse_scale(bl_build *b, size_t at)
{
    double   factor;
    int32_t  x;
    bl_node *n = &b->graph->nodes[at], *maker;
    if (!bl_is_scaling(b, n, &x, &factor))
        return false;
    maker = bl_sole_maker(b, x);
    if (!maker || maker->op->run != bl_op_matmul_run)
        return false;
    bl_product_params *p = maker->params;
    if (p->packed || p->plain || bl_out(b, n, 0)->rank != bl_out(b, maker, 0)->rank)
        return false;
    p->m.alpha *= (float)factor;
    absorb(b, at, maker);
    return true;
}

/* Attention writes what a Transpose would. */
static void fuse_turn(bl_build *b, size_t at)
{
    bl_node *n = &b->graph->nodes[at], *maker = bl_sole_maker(b, n->in[0]);
    if (bl_attention_turn(b, maker, n))
        absorb(b, at, maker);
}

/* Zero pads before a convolution.  ----------------------------------------------------------- */

static void fuse_pad(bl_build *b, bl_node *n)
{
    bl_conv_params *p = conv_of(b, n);
    bl_node        *pad = bl_maker(b, n->in[0]);
    double          value = 0;
    if (!p || !pad || !bl_is_type(pad, "Pad") ||
        strcmp(bl_attr_str(pad, "mode", "constant"), "constant") != 0)
        return;
    const bl_tensor *x = bl_in(b, pad, 0), *y = bl_out(b, pad, 0);
    int64_t          pads[2 * BL_ONNX_RANK];
    size_t           len, spatial = (size_t)x->rank - 2;
    if (pad->opset >= 11 && bl_has_in(pad, 2) && !bl_const_number(b, pad, 2, &value))
        return;
    if (pad->opset < 11)
        value = (double)bl_attr_float(pad, "value", 0);
    if (value != 0 || (pad->opset >= 18 && bl_has_in(pad, 3)) || x->dim[1] != y->dim[1] ||
        x->dim[0] != y->dim[0] ||
        bl_ints_of(b, pad, "pads", 1, 11, pads, BL_LEN(pads), &len) != BLIND_OK ||
        len != 2 * (size_t)x->rank)
        return;
    for (size_t i = 0; i < len; i++)
        if (pads[i] < 0 || (i % (size_t)x->rank < 2 && pads[i] != 0))
            return;
    for (size_t i = 0; i < spatial; i++) {
        p->window.in[3 - spatial + i] = (size_t)x->dim[2 + i];
        p->window.pad[3 - spatial + i] += (size_t)pads[2 + i];
    }
    read_instead(b, n, 0, pad->in[0]);
}

/* Convolutions in a row: 1x1, one filter per channel, 1x1.  ------------------------------------ */

/* The convolution that alone makes input 0 of n, if a chain can hold it before its last one. */
static bl_node *link_before(const bl_build *b, const bl_node *n)
{
    bl_node        *maker = bl_sole_maker(b, n->in[0]);
    bl_conv_params *p = conv_of(b, maker);
    bool            fits = p && !p->filter && p->add_in < 0 && !bl_is_derived(b, maker, 1) &&
                (!bl_has_in(maker, 2) || bl_is_const(b, maker, 2));
    return fits ? maker : NULL;
}

static blind_code fuse_chain(bl_build *b, bl_node *n)
{
    bl_conv_params *p = conv_of(b, n);
    bl_node        *filter = p && !p->filter ? link_before(b, n) : NULL, *first;
    if (!filter || bl_is_derived(b, n, 1) || (bl_has_in(n, 2) && !bl_is_const(b, n, 2)))
        return BLIND_OK;
    const bl_window *window = &((bl_conv_params *)filter->params)->window;
    if (!bl_chain_can(NULL, window, &p->window))
        return BLIND_OK;
    first = link_before(b, filter);
    if (first && !bl_chain_can(&((bl_conv_params *)first->params)->window, window, &p->window))
        first = NULL;
    bl_node *copies = bl_arena_array(b->arena, 2, sizeof *copies);
    if (!copies)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    copies[0] = *filter;
    p->filter = &copies[0];
    filter->dead = true;
    if (first) {
        copies[1] = *first;
        p->first = &copies[1];
        first->dead = true;
    }
    read_instead(b, n, 0, (first ? first : filter)->in[0]);
    if (p->add_in >= 0 && n->in[p->add_in] == n->in[0])
        n->inplace = 0; /* rows of it are still to be read when others are written */
    n->type = "blind.ConvChain";
    return BLIND_OK;
}

/* The passes.  ------------------------------------------------------------------------------- */

static blind_code fuse_node(bl_build *b, size_t at)
{
    bl_node *n = &b->graph->nodes[at];
    if (n->op->run == bl_op_matmul_run) {
        fuse_operands(b, n);
        return bl_fuse_attention(b, n);
    }
    if (n->op->run == bl_op_transpose_run)
        fuse_turn(b, at);
    if (n->op->run == bl_op_conv_run)
        fuse_pad(b, n);
    if (n->op->run == bl_op_batch_norm_run)
        return fuse_norm(b, at);
    if (bl_is_type(n, "Add"))
        (void)fuse_add(b, at);
    else if (bl_is_type(n, "Mul") || bl_is_type(n, "Div"))
        (void)(fuse_factor(b, at) || fuse_scale(b, at));
    else if (n->op->run == bl_op_unary_run || n->op->run == bl_op_clip_run)
        (void)fuse_activation(b, at);
    return BLIND_OK;
}

blind_code bl_plan_fuse(bl_build *b)
{
    BL_TRY(bl_fuse_patterns(b));
    bl_drop_unread(b->graph);
    BL_TRY(bl_fuse_integers(b));
    bl_drop_unread(b->graph);
    BL_TRY(bl_plan_fold_rest(b));
    bl_drop_unread(b->graph);
    for (size_t i = 0; i < b->graph->n_nodes; i++)
        if (!b->graph->nodes[i].dead && !b->graph->nodes[i].view)
            BL_TRY(fuse_node(b, i));
    for (size_t i = 0; i < b->graph->n_nodes && b->kernels->chain; i++)
        if (!b->graph->nodes[i].dead && b->graph->nodes[i].op->run == bl_op_conv_run)
            BL_TRY(fuse_chain(b, &b->graph->nodes[i]));
    return BLIND_OK;
}
