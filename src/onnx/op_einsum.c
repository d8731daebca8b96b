/* Einsum.  A product of two operands runs as a batched matmul over strides where its subscripts
 * allow; every other equation sums over all subscripts that the output does not have. Source: ONNX
 * operators, Einsum. */
#include "onnx/families.h"
#include "onnx/number.h"

#include <ctype.h>

enum {
    OPERANDS = 16,
    SUBSCRIPTS = 2 * 26 + BL_ONNX_RANK, /* letters, then the axes of an ellipsis */
    ELLIPSIS = 2 * 26,
};

/* Subscripts of one term, in the order of its axes. */
typedef struct {
    int rank;
    int at[BL_ONNX_RANK];
} term;

typedef struct {
    int       n_in;
    term      in[OPERANDS], out;
    size_t    size[SUBSCRIPTS]; /* elements; 0 with known[] false: not used */
    bool      known[SUBSCRIPTS];
    size_t    stride[OPERANDS][SUBSCRIPTS]; /* of an operand along a subscript, in elements */
    int       loop[SUBSCRIPTS];             /* the output's, then those summed over */
    int       n_out, n_loop;
    int64_t   dim[BL_ONNX_RANK];
    bool      matmul, swapped; /* m is right, operands 1 and 0 */
    bl_matmul m;
} einsum;

static int subscript_of(char c)
{
    return islower((unsigned char)c) ? c - 'a' : c - 'A' + 26;
}

/* Reads one term up to , or - or the end.  `dots` is how many axes an ellipsis stands for. */
static bool read_term(const char **text, int dots, term *out)
{
    out->rank = 0;
    for (; **text && **text != ',' && **text != '-'; ++*text) {
        if (**text == ' ')
            continue;
        bool ellipsis = strncmp(*text, "...", 3) == 0;
        int  n = ellipsis ? dots : 1;
        if ((!ellipsis && !isalpha((unsigned char)**text)) || n < 0 || out->rank + n > BL_ONNX_RANK)
            return false;
        for (int i = 0; i < n; i++)
            out->at[out->rank++] = ellipsis ? ELLIPSIS + i : subscript_of(**text);
        *text += ellipsis ? 2 : 0;
    }
    return true;
}

/* Axes that the ellipsis of a term takes, given the operand's rank; -1 when there is none. */
static int dots_of(const char *text, int rank)
{
    int  letters = 0;
    bool has = false;
    for (; *text && *text != ',' && *text != '-'; text++) {
        letters += isalpha((unsigned char)*text) != 0;
        has = has || *text == '.';
    }
    return has ? rank - letters : -1;
}

/* Sizes and strides of an operand; an ellipsis broadcasts. */
static bool add_operand(einsum *p, int k, const bl_tensor *x)
{
    size_t step = 1;
    if (p->in[k].rank != x->rank)
        return false;
    for (int i = x->rank - 1; i >= 0; i--) {
        int    s = p->in[k].at[i];
        size_t size = (size_t)x->dim[i];
        if (p->known[s] && size != p->size[s] && size != 1 && p->size[s] != 1)
            return false;
        p->size[s] = p->known[s] && size == 1 ? p->size[s] : size;
        p->known[s] = true;
        p->stride[k][s] += size == 1 ? 0 : step;
        step *= size;
    }
    return true;
}

/* Without "->" the output has the ellipsis, then the subscripts that occur once, by alphabet:
 * capitals first. */
static void implicit_output(einsum *p)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    p->out.rank = 0;
    for (int i = ELLIPSIS; i < SUBSCRIPTS; i++)
        if (p->known[i])
            p->out.at[p->out.rank++] = i;
    for (const char *c = letters; *c; c++) {
        int uses = 0;
        for (int k = 0; k < p->n_in; k++)
            for (int i = 0; i < p->in[k].rank; i++)
                uses += p->in[k].at[i] == subscript_of(*c);
        if (uses == 1 && p->out.rank < BL_ONNX_RANK)
            p->out.at[p->out.rank++] = subscript_of(*c);
    }
}

static blind_code parse(bl_build *b, const bl_node *n, einsum *p)
{
    const char *text = bl_attr_str(n, "equation", ""), *output = strstr(text, "->");
    int         dots = 0;
    p->n_in = n->n_in;
    for (int k = 0; k < n->n_in; k++, text += *text == ',') {
        const bl_tensor *x = bl_in(b, n, k);
        int              own = dots_of(text, x ? x->rank : 0);
        if (!x || own < -1 || !read_term(&text, own, &p->in[k]))
            return bl_op_fail(b, n, BLIND_INPUT, "an equation that does not fit input %d", k);
        dots = BL_MAX(dots, own);
        for (int i = 0; i < p->in[k].rank; i++) /* an ellipsis is aligned at its last axis */
            p->in[k].at[i] += p->in[k].at[i] >= ELLIPSIS ? BL_ONNX_RANK - own : 0;
        if (!add_operand(p, k, x))
            return bl_op_fail(b, n, BLIND_INPUT, "an equation that does not fit input %d", k);
    }
    if (!output) {
        implicit_output(p);
        return BLIND_OK;
    }
    output += 2;
    if (text != output - 2 || !read_term(&output, dots, &p->out) || *output)
        return bl_op_fail(b, n, BLIND_INPUT, "an equation of another number of inputs");
    for (int i = 0; i < p->out.rank; i++)
        p->out.at[i] += p->out.at[i] >= ELLIPSIS ? BL_ONNX_RANK - dots : 0;
    return BLIND_OK;
}

/* The loops: over the output's subscripts, each once, and the others. */
static bool set_loops(einsum *p)
{
    bool used[SUBSCRIPTS] = { false };
    for (int i = 0; i < p->out.rank; i++) {
        int s = p->out.at[i];
        if (!p->known[s] || used[s])
            return false;
        used[s] = true;
        p->loop[p->n_loop++] = s;
        p->dim[i] = (int64_t)p->size[s];
    }
    p->n_out = p->n_loop;
    for (int s = 0; s < SUBSCRIPTS; s++)
        if (p->known[s] && !used[s])
            p->loop[p->n_loop++] = s;
    return true;
}

/* As a matmul.  ------------------------------------------------------------------------------ */

/* The output's last subscript is n and only of b; one that is only of a is m, the one summed over
 * is k, all others are batches. */
static bool fill_matmul(einsum *p, int a, int b)
{
    bl_matmul    *m = &p->m;
    const size_t *sa = p->stride[a], *sb = p->stride[b];
    int           last = p->n_out ? p->loop[p->n_out - 1] : -1, row = -1;
    size_t        step = 1;
    if (p->n_loop != p->n_out + 1 || last < 0 || sa[last] || !sb[last])
        return false;
    for (int i = p->n_out - 2; i >= 0 && row < 0; i--)
        row = sa[p->loop[i]] && !sb[p->loop[i]] ? i : -1;
    int sum = p->loop[p->n_out];
    *m = (bl_matmul){ .alpha = 1, .m = 1, .n = p->size[last], .k = p->size[sum] };
    m->a_col = sa[sum];
    m->b_row = sb[sum];
    m->b_col = sb[last];
    m->out_row = m->n;
    for (int i = p->n_out - 1; i >= 0; step *= p->size[p->loop[i]], i--) {
        int s = p->loop[i];
        if (i == row) {
            m->m = p->size[s];
            m->a_row = sa[s];
            m->out_row = step;
        } else if (i < p->n_out - 1) {
            if (m->batch_rank == BL_MATMUL_BATCH)
                return false;
            m->batch[m->batch_rank] = p->size[s];
            m->a_batch[m->batch_rank] = sa[s];
            m->b_batch[m->batch_rank] = sb[s];
            m->out_batch[m->batch_rank++] = step;
        }
    }
    return true;
}

static bool set_matmul(const bl_build *b, const bl_node *n, einsum *p)
{
    if (p->n_in != 2 || bl_in(b, n, 0)->dtype != BLIND_F32)
        return false;
    for (int k = 0; k < 2; k++) /* no subscript twice: that is a diagonal */
        for (int i = 0; i < p->in[k].rank; i++)
            for (int j = 0; j < i; j++)
                if (p->in[k].at[i] == p->in[k].at[j])
                    return false;
    p->swapped = !fill_matmul(p, 0, 1);
    return !p->swapped || fill_matmul(p, 1, 0);
}

blind_code bl_op_einsum_infer(bl_build *b, bl_node *n)
{
    einsum     *p;
    blind_dtype type = bl_in(b, n, 0)->dtype;
    if (n->n_in > OPERANDS)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "%d operands", n->n_in);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    for (int k = 0; k < n->n_in; k++)
        if (!bl_has_in(n, k) || bl_in(b, n, k)->dtype != type)
            return bl_op_fail(b, n, BLIND_INPUT, "operands of several types");
    if (type == BLIND_STRING || type == BLIND_BOOL)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s", blind_dtype_name(type));
    BL_TRY(parse(b, n, p));
    if (!set_loops(p))
        return bl_op_fail(b, n, BLIND_INPUT, "an output of subscripts that no input has");
    BL_TRY(bl_set_out(b, n, 0, type, p->n_out, p->dim));
    p->matmul = set_matmul(b, n, p);
    return BLIND_OK;
}

double bl_einsum_work(const bl_build *b, const bl_node *n)
{
    const einsum *p = n->params;
    double        work = 1;
    (void)b;
    for (int i = 0; p && i < p->n_loop; i++)
        work *= (double)p->size[p->loop[i]];
    return work;
}

blind_code bl_op_einsum_prepare(bl_build *b, bl_node *n)
{
    einsum *p = n->params;
    if (p->matmul)
        n->scratch = b->kernels->matmul_scratch(&p->m, bl_pool_threads(b->pool));
    return BLIND_OK;
}

/* Steps a loop's counters from `first` to `last`; false after the last combination.  at[k] follows
 * in every operand. */
static bool step(const einsum *p, int first, int last, size_t *count, size_t *at)
{
    for (int i = last - 1; i >= first; i--) {
        int  s = p->loop[i];
        bool carry = ++count[i] == p->size[s];
        for (int k = 0; k < p->n_in; k++)
            at[k] += p->stride[k][s] - (carry ? p->stride[k][s] * p->size[s] : 0);
        if (!carry)
            return true;
        count[i] = 0;
    }
    return false;
}

blind_code bl_op_einsum_run(const bl_exec *x, const bl_node *n)
{
    const einsum *p = n->params;
    bl_tensor    *out = bl_result(x, n, 0);
    size_t        count[SUBSCRIPTS] = { 0 }, at[OPERANDS] = { 0 }, terms = 1;
    if (p->matmul && out->len) {
        bl_matmul m = p->m;
        m.a = bl_arg(x, n, p->swapped)->data;
        m.b = bl_arg(x, n, !p->swapped)->data;
        m.out = out->data;
        m.scratch = x->scratch;
        x->kernels->matmul(&m, x->pool);
        return BLIND_OK;
    }
    for (int i = p->n_out; i < p->n_loop; i++)
        terms *= p->size[p->loop[i]];
    for (size_t o = 0; o < out->len; o++) {
        double sum = 0;
        for (bool more = terms > 0; more; more = step(p, p->n_out, p->n_loop, count, at)) {
            double product = 1, v = 0;
            for (int k = 0; k < p->n_in; k++) {
                bl_tensor_number(bl_arg(x, n, k), at[k], &v);
                product *= v;
            }
            sum += product;
        }
        bl_tensor_set_number(out, o, sum);
        step(p, 0, p->n_out, count, at);
    }
    return BLIND_OK;
}
