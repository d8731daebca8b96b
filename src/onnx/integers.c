/* Fusion of integer products: the casts and scales that exporters write around them.
 *
 * Quantise and dequantise: floats between a DequantizeLinear and a QuantizeLinear are never made;
 * what would have been done to them is done to bytes, within one step of the grid.  An image
 * between such operators has its channels last.
 *
 * Dynamic quantisation: MatMulInteger, Cast, Mul by the product of both scales.  What follows,
 * bias, residual and activation, joins as it does for products of floats (fuse.c). */
#include "onnx/fuse.h"
#include "onnx/integer.h"

#include <math.h>
#include <stdlib.h>

static int32_t input_of(const bl_node *n, int i)
{
    return i < n->n_in ? n->in[i] : -1;
}

/* Dynamic quantisation.  --------------------------------------------------------------------- */

static bool is_packed_product(const bl_node *n)
{
    const bl_integer_params *p = n && bl_is_type(n, "MatMulInteger") ? n->params : NULL;
    return p && p->bytes;
}

/* The product under a Cast to floats that is n's operand `side`; or NULL. */
static const bl_node *product_under(const bl_build *b, const bl_node *n, int side)
{
    const bl_node *cast = bl_sole_maker(b, n->in[side]);
    if (!cast || !bl_is_type(cast, "Cast") || bl_out(b, cast, 0)->dtype != BLIND_F32)
        return NULL;
    const bl_node *product = bl_sole_maker(b, cast->in[0]);
    return is_packed_product(product) ? product : NULL;
}

/* Whether v is one number, or (`row`) a constant of one per column as well. */
static bool is_scale(const bl_build *b, int32_t v, size_t columns, bool row)
{
    const bl_tensor *t = &b->graph->tensors[v];
    bool each = row && t->len == columns && t->rank >= 1 && (size_t)t->dim[t->rank - 1] == columns;
    return t->dtype == BLIND_F32 && (t->len == 1 || each);
}

/* The two scales that make v. */
static bool scales_of(const bl_build *b, int32_t v, size_t columns, int32_t *of_a, int32_t *of_b)
{
    const bl_node *mul = bl_sole_maker(b, v);
    if (!mul || !bl_is_type(mul, "Mul"))
        return false;
    for (int side = 0; side < 2; side++) {
        *of_a = mul->in[side];
        *of_b = mul->in[1 - side];
        if (is_scale(b, *of_a, columns, false) && is_scale(b, *of_b, columns, true) &&
            b->graph->values[*of_b].constant)
            return true;
    }
    return false;
}

static blind_code fuse_scaled(bl_build *b, bl_node *n)
{
    for (int side = 0; side < 2; side++) {
        const bl_node *product = product_under(b, n, side);
        int32_t        of_a, of_b;
        if (!product)
            continue;
        const bl_integer_params *p = product->params;
        if (!scales_of(b, n->in[1 - side], p->m.n, &of_a, &of_b) ||
            bl_out(b, n, 0)->len != bl_out(b, product, 0)->len ||
            bl_out(b, n, 0)->rank != bl_out(b, product, 0)->rank)
            continue;
        const int32_t in[] = { product->in[0],       product->in[1],       of_a, of_b,
                               input_of(product, 2), input_of(product, 3), -1,   -1 };
        n->id = product->id; /* its packed weights */
        return bl_become(b, n, "blind.IntegerProduct", (int)BL_LEN(in), in);
    }
    return BLIND_OK;
}

/* Quantise and dequantise.  ------------------------------------------------------------------- */

/* Bytes and the single scale and zero point by which they stand for floats. */
typedef struct {
    int32_t x, scale, zero; /* zero may be left out */
} bytes_of;

/* A positive constant. */
static bool is_good_scale(const bl_build *b, int32_t v, size_t len)
{
    const bl_tensor *t = v < 0 ? NULL : &b->graph->tensors[v];
    if (!t || !b->graph->values[v].constant || b->graph->values[v].derived ||
        t->dtype != BLIND_F32 || (t->len != 1 && t->len != len))
        return false;
    for (size_t i = 0; i < t->len; i++) {
        double scale = 0;
        bl_tensor_number(t, i, &scale);
        if (!(scale > 0 && scale < (double)INFINITY))
            return false;
    }
    return true;
}

static bool is_good_zero(const bl_build *b, int32_t v, blind_dtype dtype)
{
    return v < 0 || (b->graph->values[v].constant && !b->graph->values[v].derived &&
                     b->graph->tensors[v].dtype == dtype);
}

static bool is_byte_type(blind_dtype dtype)
{
    return dtype == BLIND_U8 || dtype == BLIND_I8;
}

/* Scale and zero point of a QuantizeLinear or DequantizeLinear whose bytes have this type: `len` of
 * them or one. */
static bool grid_of(const bl_build *b, const bl_node *n, blind_dtype dtype, size_t len, bytes_of *q)
{
    *q = (bytes_of){ n->in[0], n->in[1], input_of(n, 2) };
    return is_byte_type(dtype) && !bl_attr_int(n, "block_size", 0) &&
           is_good_scale(b, q->scale, len) && is_good_zero(b, q->zero, dtype);
}

/* Whether v is floats made of bytes with a single scale. */
static bool is_dequantized(const bl_build *b, int32_t v, bytes_of *q)
{
    const bl_node *n = bl_maker(b, v);
    return n && bl_is_type(n, "DequantizeLinear") && bl_out(b, n, 0)->dtype == BLIND_F32 &&
           grid_of(b, n, bl_in(b, n, 0)->dtype, 1, q);
}

/* The same for constant weights with one scale or one along `axis`. */
static bool is_weights(const bl_build *b, int32_t v, int axis, bytes_of *q)
{
    const bl_node *n = bl_maker(b, v);
    if (!n || !bl_is_type(n, "DequantizeLinear") || !bl_is_const(b, n, 0) ||
        bl_is_derived(b, n, 0) || bl_out(b, n, 0)->dtype != BLIND_F32)
        return false;
    const bl_tensor *w = bl_in(b, n, 0);
    int64_t          along = bl_attr_int(n, "axis", 1);
    along += along < 0 ? w->rank : 0;
    return w->rank > axis && grid_of(b, n, w->dtype, (size_t)w->dim[axis], q) &&
           (b->graph->tensors[q->scale].len == 1 || along == axis);
}

static double number(const bl_build *b, int32_t v, size_t i)
{
    return v < 0 ? 0 : bl_number_or_0(&b->graph->tensors[v], i);
}

/* A bias of `len` integers on the grid of the sums: each stands for itself times both scales. */
static bool is_whole_bias(const bl_build *b, int32_t v, size_t len, const bytes_of *x,
                          const bytes_of *w, int32_t *out)
{
    const bl_node *n = bl_maker(b, v);
    if (!n || !bl_is_type(n, "DequantizeLinear") || !bl_is_const(b, n, 0) ||
        bl_is_derived(b, n, 0) || bl_in(b, n, 0)->dtype != BLIND_I32 ||
        bl_in(b, n, 0)->len != len || !is_good_scale(b, n->in[1], len))
        return false;
    int32_t zero = input_of(n, 2);
    if (zero >= 0 && !b->graph->values[zero].constant)
        return false;
    for (size_t i = 0; i < len; i++) {
        double want = number(b, x->scale, 0) * number(b, w->scale, i);
        if (fabs(number(b, n->in[1], i) - want) > 1e-4 * want || number(b, zero, i) != 0)
            return false;
    }
    *out = n->in[0];
    return true;
}

/* What a QuantizeLinear cuts its input to, once activations before it are taken in. */
typedef struct {
    bytes_of grid;
    int32_t  low, high;
    bl_node *maker; /* of the floats before activations: it may vanish */
} ending;

static int32_t byte_of(const bl_build *b, const bytes_of *q, double v, int32_t low, int32_t high)
{
    v = nearbyint(v / number(b, q->scale, 0)) + number(b, q->zero, 0);
    return v > low ? v < high ? (int32_t)v : high : low;
}

static bool find_ending(const bl_build *b, const bl_node *n, ending *e)
{
    blind_dtype type = bl_out(b, n, 0)->dtype;
    bl_unary    act;
    float       a0, a1;
    if (!bl_is_type(n, "QuantizeLinear") || !grid_of(b, n, type, 1, &e->grid) ||
        (e->grid.zero < 0 && type != BLIND_U8))
        return false;
    e->low = type == BLIND_I8 ? INT8_MIN : 0;
    e->high = type == BLIND_I8 ? INT8_MAX : UINT8_MAX;
    e->maker = bl_sole_maker(b, n->in[0]);
    if (!e->maker || !bl_unary_of(b, e->maker, &act, &a0, &a1))
        return e->maker != NULL;
    if (act != BL_UNARY_RELU && !(act == BL_UNARY_CLIP && a0 <= a1))
        return false;
    int32_t low = e->low, high = e->high;
    e->low = byte_of(b, &e->grid, act == BL_UNARY_RELU ? 0 : (double)a0, low, high);
    e->high = act == BL_UNARY_RELU ? high : byte_of(b, &e->grid, (double)a1, low, high);
    e->maker = bl_sole_maker(b, e->maker->in[0]);
    return e->maker != NULL;
}

/* n takes over the attributes of the node whose work it does, and its packed weights. */
static void take_attributes(bl_node *n, const bl_node *from)
{
    n->attrs = from->attrs;
    n->n_attrs = from->n_attrs;
    n->opset = from->opset;
    n->id = from->id;
}

/* Convolutions.  e: NULL where floats come out. */
static blind_code fuse_conv(bl_build *b, bl_node *n, const bl_node *conv, const ending *e,
                            bool *done)
{
    bytes_of x, w;
    int32_t  bias = input_of(conv, 2);
    if (!is_dequantized(b, conv->in[0], &x) || !is_weights(b, conv->in[1], 0, &w))
        return BLIND_OK;
    size_t channels = (size_t)b->graph->tensors[w.x].dim[0];
    if (bias >= 0 && !is_whole_bias(b, bias, channels, &x, &w, &bias) &&
        !(b->graph->values[bias].constant && !b->graph->values[bias].derived &&
          b->graph->tensors[bias].dtype == BLIND_F32))
        return BLIND_OK;
    int32_t in[BL_QCONV_INPUTS] = { x.x, x.scale, x.zero, w.x, w.scale, w.zero, -1, -1, bias };
    for (int i = BL_QCONV_ADD; i < BL_QCONV_INPUTS; i++)
        in[i] = -1;
    if (e) {
        in[6] = e->grid.scale;
        in[7] = e->grid.zero;
    }
    take_attributes(n, conv);
    BL_TRY(bl_become(b, n, "blind.IntegerConv", BL_QCONV_INPUTS, in));
    bl_integer_conv *p = n->params;
    if (e) {
        p->low = e->low;
        p->high = e->high;
    }
    *done = true;
    return BLIND_OK;
}

/* A residual: bytes of a convolution that nobody else reads, plus other bytes. */
static blind_code fuse_residual(bl_build *b, bl_node *n, const bl_node *add, const ending *e,
                                bool *done)
{
    for (int side = 0; side < 2 && !*done; side++) {
        bytes_of mine, other;
        if (!bl_sole_maker(b, add->in[side]) || !is_dequantized(b, add->in[side], &mine) ||
            !is_dequantized(b, add->in[1 - side], &other))
            continue;
        const bl_node         *conv = bl_sole_maker(b, mine.x);
        const bl_integer_conv *was = conv ? bl_integer_conv_of(conv) : NULL;
        if (!was || input_of(conv, BL_QCONV_ADD) >= 0 || other.x == mine.x ||
            bl_out(b, conv, 0)->len != bl_out(b, n, 0)->len ||
            b->graph->tensors[other.x].len != bl_out(b, n, 0)->len)
            continue;
        int32_t in[BL_QCONV_INPUTS];
        int32_t low = was->low, high = was->high;
        memcpy(in, conv->in, sizeof in);
        in[BL_QCONV_ADD] = other.x;
        in[BL_QCONV_ADD_SCALE] = other.scale;
        in[BL_QCONV_ADD_ZERO] = other.zero;
        in[BL_QCONV_END_SCALE] = e->grid.scale;
        in[BL_QCONV_END_ZERO] = e->grid.zero;
        take_attributes(n, conv);
        BL_TRY(bl_become(b, n, "blind.IntegerConv", BL_QCONV_INPUTS, in));
        bl_integer_conv *p = n->params;
        p->mid_low = low;
        p->mid_high = high;
        p->low = e->low;
        p->high = e->high;
        *done = true;
    }
    return BLIND_OK;
}

/* MatMul and Gemm of constant weights; their bias may be a C or an Add behind them. */
static blind_code fuse_product(bl_build *b, bl_node *n, const bl_node *product, int32_t bias,
                               const ending *e)
{
    bytes_of x, w;
    bool     gemm = bl_is_type(product, "Gemm"), turned = bl_attr_int(product, "transB", 0) != 0;
    if (gemm && (bl_attr_int(product, "transA", 0) || bl_attr_float(product, "alpha", 1) != 1 ||
                 bl_attr_float(product, "beta", 1) != 1))
        return BLIND_OK;
    if (!is_dequantized(b, product->in[0], &x) ||
        !is_weights(b, product->in[1], gemm && turned ? 0 : 1, &w))
        return BLIND_OK;
    const bl_tensor *matrix = &b->graph->tensors[w.x];
    size_t           columns = (size_t)matrix->dim[gemm && turned ? 0 : 1];
    bias = bias < 0 && gemm ? input_of(product, 2) : bias;
    if (matrix->rank != 2 || (bias >= 0 && !is_whole_bias(b, bias, columns, &x, &w, &bias)))
        return BLIND_OK;
    const int32_t in[] = { x.x,
                           w.x,
                           x.scale,
                           w.scale,
                           x.zero,
                           w.zero,
                           bias,
                           -1,
                           e ? e->grid.scale : -1,
                           e ? e->grid.zero : -1 };
    take_attributes(n, product);
    BL_TRY(bl_become(b, n, "blind.IntegerProduct", (int)BL_LEN(in), in));
    bl_integer_params *p = n->params;
    if (e) {
        p->low = e->low;
        p->high = e->high;
    }
    return BLIND_OK;
}

/* A matrix of small integers whose scales stand for blocks of its rows: it stays as it is. */
static blind_code fuse_blocks(bl_build *b, bl_node *n, bool *done)
{
    const bl_node *w = bl_maker(b, n->in[1]);
    if (!w || !bl_is_type(w, "DequantizeLinear") || bl_out(b, w, 0)->dtype != BLIND_F32 ||
        bl_out(b, n, 0)->dtype != BLIND_F32 || bl_in(b, n, 0)->rank < 2)
        return BLIND_OK;
    const bl_tensor *q = bl_in(b, w, 0);
    int64_t          block = bl_attr_int(w, "block_size", 0), axis = bl_attr_int(w, "axis", 1);
    bool known = q->rank == 2 && q->len > 0 && block > 0 && block % 8 == 0 && block <= INT32_MAX &&
                 (axis == 0 || axis == -2);
    bool small = is_byte_type(q->dtype) || q->dtype == BLIND_I4 || q->dtype == BLIND_U4;
    for (int i = 0; i < w->n_in; i++)
        known = known && (w->in[i] < 0 || (bl_is_const(b, w, i) && !bl_is_derived(b, w, i)));
    if (!known || !small || bl_in(b, w, 1)->dtype != BLIND_F32)
        return BLIND_OK;
    const int32_t in[BL_SMALL_INPUTS] = { n->in[0], w->in[0], -1, -1, w->in[1], input_of(w, 2) };
    n->attrs = w->attrs;
    n->n_attrs = w->n_attrs;
    *done = true;
    return bl_become(b, n, "blind.SmallProduct", BL_SMALL_INPUTS, in);
}

static bool is_product(const bl_node *n)
{
    return bl_is_type(n, "MatMul") || bl_is_type(n, "Gemm");
}

/* An Add of a bias behind a product. */
static blind_code fuse_biased(bl_build *b, bl_node *n, const bl_node *add, const ending *e)
{
    for (int side = 0; side < 2; side++) {
        const bl_node *product = bl_sole_maker(b, add->in[side]);
        if (product && is_product(product) && bl_maker(b, add->in[1 - side]) &&
            bl_out(b, product, 0)->len == bl_out(b, add, 0)->len)
            return fuse_product(b, n, product, add->in[1 - side], e);
    }
    return BLIND_OK;
}

static void swap_work(bl_node *x, bl_node *y)
{
    bl_node  was = *x;
    int32_t *x_out = x->out, *y_out = y->out;
    *x = *y;
    *y = was;
    x->out = x_out;
    y->out = y_out;
}

/* The greatest of numbers, quantised, is the greatest of quantised numbers. */
static blind_code swap_pool(bl_build *b, size_t *at, bl_node *pool, bool *done)
{
    bl_graph *g = b->graph;
    bl_node  *n = &g->nodes[*at];
    size_t    before = (size_t)(pool - g->nodes);
    if (bl_has_out(pool, 1) || pool->n_out < 1)
        return BLIND_OK;
    int32_t out = pool->out[0], first = pool->in[0];
    swap_work(n, pool);
    pool->in[0] = first;
    pool->n_out = n->n_out = 1;
    BL_TRY(pool->op->infer(b, pool));
    const int32_t in[] = { out };
    *at = before; /* where the QuantizeLinear is now */
    *done = true;
    return bl_become(b, n, "blind.ByteMaxPool", 1, in);
}

static blind_code fuse_quantized(bl_build *b, size_t at)
{
    bl_node *n = &b->graph->nodes[at];
    ending   e;
    bool     moved = true, done = false;
    for (; moved; n = &b->graph->nodes[at]) { /* before pools, as far as they go */
        moved = false;
        if (!find_ending(b, n, &e))
            return BLIND_OK;
        if (bl_is_type(e.maker, "MaxPool") && e.maker == bl_sole_maker(b, n->in[0]))
            BL_TRY(swap_pool(b, &at, e.maker, &moved));
    }
    if (bl_is_type(e.maker, "Conv"))
        return fuse_conv(b, n, e.maker, &e, &done);
    if (is_product(e.maker))
        return fuse_product(b, n, e.maker, -1, &e);
    if (!bl_is_type(e.maker, "Add"))
        return BLIND_OK;
    BL_TRY(fuse_residual(b, n, e.maker, &e, &done));
    return done ? BLIND_OK : fuse_biased(b, n, e.maker, &e);
}

/* Two QuantizeLinear of one value by one grid are one. */
static bool same_grid(const bl_build *b, const bl_node *x, const bl_node *y)
{
    bytes_of    p, q;
    blind_dtype type = bl_out(b, x, 0)->dtype;
    return bl_is_type(y, "QuantizeLinear") && y->in[0] == x->in[0] &&
           bl_out(b, y, 0)->dtype == type && grid_of(b, x, type, 1, &p) &&
           grid_of(b, y, type, 1, &q) && number(b, p.scale, 0) == number(b, q.scale, 0) &&
           number(b, p.zero, 0) == number(b, q.zero, 0);
}

/* Two nodes that quantise one value alike. */
static bool same_work(const bl_build *b, const bl_node *x, const bl_node *y)
{
    if (x->n_out != y->n_out)
        return false;
    for (int i = 0; i < y->n_out; i++)
        if (y->out[i] >= 0 && (x->out[i] < 0 || b->graph->values[y->out[i]].is_output))
            return false;
    if (bl_is_type(x, "DynamicQuantizeLinear"))
        return bl_is_type(y, "DynamicQuantizeLinear") && x->in[0] == y->in[0];
    return same_grid(b, x, y);
}

/* Nodes that quantise, by the value they read. */
typedef struct {
    int32_t *first;   /* per value: the last such node so far, or -1 */
    int32_t *before;  /* per node: the one before it, or -1 */
    int32_t *instead; /* per value: what is read in its place */
} quantizers;

#define MAX_GRIDS 8 /* of one value that are compared */

/* A node of the same work as an earlier one vanishes: its readers read what that one makes. */
static void join_quantized(bl_build *b, const quantizers *q, int32_t at)
{
    bl_node *n = &b->graph->nodes[at];
    int32_t  earlier = q->first[n->in[0]];
    q->before[at] = earlier;
    q->first[n->in[0]] = at;
    for (int tries = 0; earlier >= 0 && tries < MAX_GRIDS; earlier = q->before[earlier], tries++) {
        const bl_node *same = &b->graph->nodes[earlier];
        if (same->dead || !same_work(b, same, n))
            continue;
        for (int o = 0; o < n->n_out; o++)
            if (n->out[o] >= 0)
                q->instead[n->out[o]] = same->out[o];
        n->dead = true;
        return;
    }
}

/* In the order of the nodes: what a node reads in place of something was made before. */
static blind_code join_all(bl_build *b)
{
    bl_graph             *g = b->graph;
    bl_auto_free int32_t *first = calloc(g->n_values + 1, sizeof *first);
    bl_auto_free int32_t *before = calloc(g->n_nodes + 1, sizeof *before);
    bl_auto_free int32_t *instead = calloc(g->n_values + 1, sizeof *instead);
    const quantizers      q = { first, before, instead };
    if (!first || !before || !instead)
        return blind_fail(b->err, BLIND_MEMORY, "onnx.plan", "no memory for the plan");
    for (size_t v = 0; v < g->n_values; v++) {
        first[v] = -1;
        instead[v] = (int32_t)v;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        bl_node *n = &g->nodes[i];
        if (n->dead)
            continue;
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] >= 0)
                n->in[k] = instead[n->in[k]];
        if (bl_is_type(n, "QuantizeLinear") || bl_is_type(n, "DynamicQuantizeLinear"))
            join_quantized(b, &q, (int32_t)i);
    }
    return BLIND_OK;
}

/* A mean over bytes. */
static blind_code fuse_mean(bl_build *b, bl_node *n)
{
    bytes_of x;
    if (!is_dequantized(b, n->in[0], &x))
        return BLIND_OK;
    const int32_t in[] = { x.x, x.scale, x.zero };
    return bl_become(b, n, "blind.ByteMean", 3, in);
}

/* Channels last.  ---------------------------------------------------------------------------- */

/* Whether a reader of value v takes it in either order. */
static bool takes_last(const bl_node *n, int i)
{
    if (bl_integer_conv_of(n))
        return i == 0 || i == BL_QCONV_ADD;
    return bl_byte_pool_of(n) && i == 0;
}

static bool makes_last(const bl_node *n)
{
    return bl_integer_conv_of(n) || n->op->run == bl_op_byte_max_run;
}

/* What a node reads in the order in which it writes, and the two are of one order. */
static void even_out(const bl_node *n, bool *last)
{
    int with = n->op->run == bl_op_byte_max_run ? 0 : BL_QCONV_ADD;
    if (n->dead || !makes_last(n) || input_of(n, with) < 0)
        return;
    bool *in = &last[n->in[with]], *out = &last[n->out[0]];
    *in = *out = *in && *out;
}

static void set_orders(const bl_graph *g, const bool *last)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bl_node   *n = &g->nodes[i];
        bl_integer_conv *conv = n->dead ? NULL : bl_integer_conv_of(n);
        bl_byte_pool    *pool = n->dead ? NULL : bl_byte_pool_of(n);
        if (conv) {
            conv->x_last = last[n->in[0]];
            conv->out_last = last[n->out[0]];
        }
        if (pool)
            pool->last = last[n->in[0]];
    }
}

/* Values between operators that take their channels last have them so. */
static blind_code choose_orders(bl_build *b)
{
    const bl_graph    *g = b->graph;
    bl_auto_free bool *last = calloc(g->n_values + 1, sizeof *last);
    if (!last)
        return blind_fail(b->err, BLIND_MEMORY, "onnx.plan", "no memory for the plan");
    for (size_t i = 0; i < g->n_nodes; i++) {
        const bl_node *n = &g->nodes[i];
        if (!n->dead && makes_last(n))
            last[n->out[0]] = !g->values[n->out[0]].is_output;
    }
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if (!g->nodes[i].dead && g->nodes[i].in[k] >= 0 && !takes_last(&g->nodes[i], k))
                last[g->nodes[i].in[k]] = false;
    for (size_t i = g->n_nodes; i-- > 0;) /* each writes one value and reads one: trees */
        even_out(&g->nodes[i], last);
    for (size_t i = 0; i < g->n_nodes; i++)
        even_out(&g->nodes[i], last);
    set_orders(g, last);
    return BLIND_OK;
}

/* The passes.  ------------------------------------------------------------------------------- */

static blind_code fuse_node(bl_build *b, size_t at)
{
    bl_node *n = &b->graph->nodes[at];
    if (n->n_in == 2 && bl_is_type(n, "Mul") && bl_out(b, n, 0)->dtype == BLIND_F32)
        return fuse_scaled(b, n);
    if (bl_is_type(n, "QuantizeLinear"))
        return fuse_quantized(b, at);
    if (bl_is_type(n, "GlobalAveragePool"))
        return fuse_mean(b, n);
    return BLIND_OK;
}

/* What is left without bytes to come. */
static blind_code fuse_open(bl_build *b, bl_node *n)
{
    bool done = false;
    if (bl_is_type(n, "Conv"))
        return fuse_conv(b, n, n, NULL, &done);
    if (bl_is_type(n, "MatMul"))
        BL_TRY(fuse_blocks(b, n, &done));
    return !done && is_product(n) ? fuse_product(b, n, n, -1, NULL) : BLIND_OK;
}

blind_code bl_fuse_integers(bl_build *b)
{
    bl_graph *g = b->graph;
    BL_TRY(join_all(b));
    bl_drop_unread(g);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead && !g->nodes[i].view && g->nodes[i].n_out > 0 &&
            g->nodes[i].out[0] >= 0)
            BL_TRY(fuse_node(b, i));
    bl_drop_unread(g);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead && !g->nodes[i].view && g->nodes[i].n_out > 0 &&
            g->nodes[i].out[0] >= 0)
            BL_TRY(fuse_open(b, &g->nodes[i]));
    bl_drop_unread(g);
    return choose_orders(b);
}
