/* Attention: softmax(scale * q k^T + mask) v, spelled as two products of variable matrices with a
 * softmax between, becomes one node, which reads q, k and v in place and never stores the scores.
 * The transpose that brings heads beside each other again becomes strides of its output. */
#include "onnx/fuse.h"

static bl_product_params *product_of(const bl_node *n)
{
    bl_product_params *p = n && n->op->run == bl_op_matmul_run ? n->params : NULL;
    bool plain = !p || p->packed || p->plain || p->c_in >= 0 || p->epilogue.act != BL_UNARY_NONE;
    return plain || p->m.batch_rank > 2 ? NULL : p;
}

/* Whether the left factor lies as the product before it stored it. */
static bool is_dense_left(const bl_matmul *m)
{
    size_t step = m->m * m->k;
    if ((m->a_col != 1 && m->k > 1) || (m->a_row != m->k && m->m > 1))
        return false;
    for (int i = m->batch_rank - 1; i >= 0; step *= m->batch[i--])
        if (m->batch[i] > 1 && m->a_batch[i] != step)
            return false;
    return true;
}

static bool is_last_softmax(const bl_build *b, const bl_node *n)
{
    if (!n || !bl_is_type(n, "Softmax") || bl_out(b, n, 0)->dtype != BLIND_F32)
        return false;
    int     rank = bl_out(b, n, 0)->rank;
    int64_t axis = bl_attr_int(n, "axis", n->opset < 13 ? 1 : -1);
    return axis == -1 || axis == rank - 1;
}

/* Strides of a mask over scores of that shape. */
static bool set_mask(const bl_tensor *mask, const bl_tensor *scores, bl_attention *a)
{
    size_t stride[4] = { 0 }, step = 1;
    if (mask->rank > scores->rank || scores->rank > 4)
        return false;
    for (int i = 1; i <= mask->rank; i++) {
        int64_t dim = mask->dim[mask->rank - i];
        if (dim != 1 && dim != scores->dim[scores->rank - i])
            return false;
        stride[4 - i] = dim == 1 ? 0 : step;
        step *= (size_t)dim;
    }
    a->mask_batch = stride[0];
    a->mask_head = stride[1];
    a->mask_row = stride[2];
    a->mask_col = stride[3];
    return true;
}

/* What a choice is made by, before it was made as large as the scores. */
static int32_t choice_source(const bl_build *b, int32_t v)
{
    for (;;) {
        const bl_node *n = bl_maker(b, v);
        bool           same = n && bl_is_type(n, "Cast") && bl_in(b, n, 0)->dtype == BLIND_BOOL;
        if (!same && !(n && bl_is_type(n, "Expand")))
            return v;
        v = n->in[0];
    }
}

/* Where(choice, scores, number) or Where(choice, number, scores): *v becomes the scores. */
static bool match_choice(const bl_build *b, const bl_node *n, int32_t *v, bl_attention_params *p)
{
    double number;
    if (!bl_is_type(n, "Where") || bl_in(b, n, 0)->dtype != BLIND_BOOL)
        return false;
    int side = bl_const_number(b, n, 2, &number) ? 1 : bl_const_number(b, n, 1, &number) ? 2 : 0;
    if (side == 0 || bl_in(b, n, side)->len != bl_out(b, n, 0)->len)
        return false;
    p->a.chosen = side == 1;
    p->a.otherwise = (float)number;
    p->mask = choice_source(b, n->in[0]);
    p->chooses = true;
    *v = n->in[side];
    return set_mask(&b->graph->tensors[p->mask], bl_out(b, n, 0), &p->a);
}

/* scores + mask: *v becomes the scores. */
static bool match_mask(const bl_build *b, const bl_node *n, int32_t *v, bl_attention_params *p)
{
    if (!bl_is_type(n, "Add") || n->n_in != 2)
        return false;
    for (int side = 0; side < 2; side++) {
        const bl_node *maker = bl_sole_maker(b, n->in[side]);
        if (!product_of(maker) || bl_out(b, maker, 0)->len != bl_out(b, n, 0)->len)
            continue;
        p->mask = n->in[1 - side];
        *v = n->in[side];
        return set_mask(&b->graph->tensors[p->mask], bl_out(b, n, 0), &p->a);
    }
    return false;
}

/* Batch and head strides of an operand; a single batch axis is heads. */
static void set_batch(const bl_matmul *m, const size_t *stride, size_t *batch, size_t *head)
{
    *batch = m->batch_rank == 2 ? stride[0] : 0;
    *head = m->batch_rank > 0 ? stride[m->batch_rank - 1] : 0;
}

static bool set_attention(const bl_matmul *s, const bl_matmul *o, bl_attention *a)
{
    if (s->batch_rank != o->batch_rank || s->m != o->m || s->n != o->k || o->alpha != 1 ||
        !is_dense_left(o) || (s->k > 1 && (s->a_col != 1 || s->b_row != 1)) ||
        (o->n > 1 && o->b_col != 1))
        return false;
    for (int i = 0; i < s->batch_rank; i++)
        if (s->batch[i] != o->batch[i])
            return false;
    a->batch = s->batch_rank == 2 ? s->batch[0] : 1;
    a->heads = s->batch_rank > 0 ? s->batch[s->batch_rank - 1] : 1;
    a->q_len = s->m;
    a->k_len = s->n;
    a->head_size = s->k;
    a->value_size = o->n;
    a->scale = s->alpha;
    a->q_row = s->a_row;
    a->k_row = s->b_col;
    a->v_row = o->b_row;
    a->out_row = o->n;
    a->out_head = o->m * o->n;
    a->out_batch = a->heads * a->out_head;
    set_batch(s, s->a_batch, &a->q_batch, &a->q_head);
    set_batch(s, s->b_batch, &a->k_batch, &a->k_head);
    set_batch(o, o->b_batch, &a->v_batch, &a->v_head);
    return true;
}

blind_code bl_fuse_attention(bl_build *b, bl_node *n)
{
    bl_attention_params found = { .mask = -1 }, *p;
    bl_product_params  *mix = product_of(n), *score;
    bl_node            *softmax = mix ? bl_sole_maker(b, n->in[0]) : NULL, *masking, *scores;
    if (!is_last_softmax(b, softmax))
        return BLIND_OK;
    int32_t v = softmax->in[0];
    masking = bl_sole_maker(b, v);
    if (masking && (match_choice(b, masking, &v, &found) || match_mask(b, masking, &v, &found)))
        scores = bl_sole_maker(b, v);
    else if (found.mask >= 0)
        return BLIND_OK;
    else
        scores = masking, masking = NULL;
    score = product_of(scores);
    if (!score || !set_attention(&score->m, &mix->m, &found.a))
        return BLIND_OK;
    int32_t *in = bl_arena_array(b->arena, 4, sizeof *in);
    if (!in)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    *p = found;
    in[0] = scores->in[0];
    in[1] = scores->in[1];
    in[2] = n->in[1];
    in[3] = found.mask;
    scores->dead = softmax->dead = true;
    if (masking) {
        masking->dead = true;
        b->graph->values[found.mask].uses++;
    }
    n->op = bl_op_find("blind", "blind.Attention", 1);
    n->type = n->op->name;
    n->domain = n->op->domain;
    n->in = in;
    n->n_in = 4;
    n->inplace = n->raw = 0;
    return BLIND_OK;
}

bool bl_attention_turn(const bl_build *b, bl_node *n, const bl_node *transpose)
{
    bl_attention_params *p = n && n->op->run == bl_op_attention_run ? n->params : NULL;
    const bl_attr       *perm = bl_attr_find(transpose, "perm");
    const bl_tensor     *x = bl_in(b, transpose, 0);
    if (!p || !perm || !perm->ints || x->rank < 3 || x->rank > 4 || p->a.out_row != p->a.value_size)
        return false;
    for (int i = 0, first = x->rank - 3; i < x->rank; i++) {
        int from = i == first ? first + 1 : i == first + 1 ? first : i;
        if (perm->ints[i] != from)
            return false;
    }
    p->a.out_row = p->a.heads * p->a.value_size;
    p->a.out_head = p->a.value_size;
    return true;
}
