/* Fusion of integer products: the casts and scales that exporters write around them.
 *
 * Dynamic quantisation: MatMulInteger, Cast, Mul by the product of both scales.  What follows, bias,
 * residual and activation, joins as it does for products of floats (fuse.c). */
#include "onnx/fuse.h"
#include "onnx/integer.h"

/* Makes n an internal operator over these inputs, -1 where they are left out. */
static blind_code become(bl_build *b, bl_node *n, const char *type, int n_in, const int32_t *in)
{
    const bl_op *op = bl_op_find("blind", type, 1);
    int32_t     *copy = bl_arena_array(b->arena, (size_t)n_in + 2, sizeof *copy);
    if (!copy || !op)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    memcpy(copy, in, (size_t)n_in * sizeof *copy);
    n->op = op;
    n->type = op->name;
    n->domain = op->domain;
    n->in = copy;
    n->n_in = n_in;
    n->inplace = n->raw = 0;
    return op->infer(b, n);
}

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
    bool             each = row && t->len == columns && t->rank >= 1 &&
                (size_t)t->dim[t->rank - 1] == columns;
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
        const int32_t in[] = { product->in[0],       product->in[1], of_a, of_b,
                               input_of(product, 2), input_of(product, 3), -1, -1 };
        n->id = product->id; /* its packed weights */
        return become(b, n, "blind.IntegerProduct", (int)BL_LEN(in), in);
    }
    return BLIND_OK;
}

blind_code bl_fuse_integers(bl_build *b)
{
    for (size_t i = 0; i < b->graph->n_nodes; i++) {
        bl_node *n = &b->graph->nodes[i];
        if (!n->dead && !n->view && n->n_in == 2 && bl_is_type(n, "Mul") && n->out[0] >= 0 &&
            bl_out(b, n, 0)->dtype == BLIND_F32)
            BL_TRY(fuse_scaled(b, n));
    }
    return BLIND_OK;
}
