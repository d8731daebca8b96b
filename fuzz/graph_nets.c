/* Templates: products, convolutions, windows, reductions, normalisations and cells. */
#include "fuzz/graph_maker.h"

#include <math.h>

/* Products.  --------------------------------------------------------------------------------- */

/* What follows a product and may be taken into it: a bias, an activation, a residual. */
static bool make_epilogue(graph *g, int v, int64_t columns, int channel_rank)
{
    static const char *const acts[] = {
        "Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "Elu"
    };
    int64_t dim[3] = { columns, 1, 1 };
    if (v >= 0 && graph_chance(g, 3)) {
        int         c = graph_leaf(g, g->value[v].dtype, channel_rank, dim, FILL_UNIT);
        graph_node *n = c < 0 ? NULL : graph_add(g, "Add", 2, (int[]){ v, c });
        if (!n)
            return false;
        if (!graph_chance(g, 4))
            g->value[c].origin = FROM_WEIGHT;
        n->rule = RULE_ADD;
        v = graph_result_like(g, n, v);
    }
    if (v >= 0 && graph_chance(g, 4)) {
        int c = graph_leaf(g, g->value[v].dtype, g->value[v].rank, g->value[v].dim, FILL_UNIT);
        graph_node *n = c < 0 ? NULL : graph_add(g, "Add", 2, (int[]){ v, c });
        if (!n)
            return false;
        n->rule = RULE_ADD;
        v = graph_result_like(g, n, v);
    }
    if (v >= 0 && graph_chance(g, 3)) {
        unsigned    i = graph_roll(g, g->opset < 14 ? 4 : 6);
        graph_node *n = graph_add(g, acts[i], 1, &v);
        if (!n)
            return false;
        n->rule = RULE_SMOOTH;
        n->slope = i == 4 ? 2 : 1;
        n->ulps = 8;
        n->peer = 1e-6;
        v = graph_result_like(g, n, v);
    }
    return v >= 0;
}

static bool make_matmul(graph *g)
{
    int64_t a[4], b[4], out[4], m = graph_side(g), k = graph_side(g), c = graph_side(g);
    int     batch = graph_chance(g, 3) ? 1 + (int)graph_roll(g, 2) : 0, v, in[2];
    if (graph_chance(g, 40))
        *(int64_t *[]){ &m, &k, &c }[graph_roll(g, 3)] = 0;
    if (m * k * c > 1 << 19)
        m = 17;
    bool shared = !batch || graph_chance(g, 2);
    for (int i = 0; i < batch; i++) {
        out[i] = 1 + (int64_t)graph_roll(g, g->large ? 2 : 3);
        a[i] = shared || !graph_chance(g, 4) ? out[i] : 1;
        b[i] = a[i] == 1 || !graph_chance(g, 4) ? out[i] : 1;
    }
    a[batch] = out[batch] = m;
    a[batch + 1] = b[batch] = k;
    b[batch + 1] = out[batch + 1] = c;
    in[0] = graph_leaf(g, BLIND_F32, batch + 2, a, graph_floats(g));
    for (int i = g->n_values - 2; i >= 0 && !batch && !g->large; i--)
        if (g->value[i].dtype == BLIND_F32 && g->value[i].rank >= 2 && graph_chance(g, 2)) {
            /* the rows of something that is there */
            graph_value *x = &g->value[i];
            in[0] = i;
            k = b[0] = x->dim[x->rank - 1];
            in[1] = graph_leaf(g, BLIND_F32, 2, b, graph_floats(g));
            if (k > 64 || in[1] < 0)
                return false;
            graph_value y = *x;
            y.dim[y.rank - 1] = c;
            graph_node *n = graph_add(g, "MatMul", 2, in);
            if (!n)
                return false;
            n->rule = RULE_DOT;
            n->terms = (double)k;
            v = graph_result(g, n, BLIND_F32, y.rank, y.dim);
            return v >= 0 && make_epilogue(g, v, c, 1);
        }
    in[1] = graph_leaf(g, BLIND_F32, shared && batch ? 2 : batch + 2,
                       shared && batch ? b + batch : b, graph_floats(g));
    if (in[0] < 0 || in[1] < 0)
        return false;
    bool swapped = !batch && graph_chance(g, 4);
    if (swapped) { /* a transpose that the product may read through */
        int         t = graph_leaf(g, BLIND_F32, 2, (int64_t[]){ c, k }, graph_floats(g));
        graph_node *n = t < 0 ? NULL : graph_add(g, "Transpose", 1, &t);
        if (!n)
            return false;
        in[1] = graph_result(g, n, BLIND_F32, 2, b);
        if (in[1] < 0)
            return false;
    }
    graph_node *n = graph_add(g, "MatMul", 2, in);
    if (!n)
        return false;
    n->rule = RULE_DOT;
    n->terms = (double)k;
    v = graph_result(g, n, BLIND_F32, batch + 2, out);
    return v >= 0 && make_epilogue(g, v, c, 1);
}

static bool make_matmul_typed(graph *g)
{
    static const blind_dtype types[] = { BLIND_F64, BLIND_F16, BLIND_I32,
                                         BLIND_I64, BLIND_U32, BLIND_BF16 };
    blind_dtype              dtype = types[graph_roll(g, BL_LEN(types))];
    int64_t                  m = graph_side(g), k = graph_side(g), c = graph_side(g);
    bool                     vector = graph_chance(g, 4);
    int in[2] = { graph_leaf(g, dtype, vector ? 1 : 2, (int64_t[]){ vector ? k : m, k }, FILL_UNIT),
                  graph_leaf(g, dtype, 2, (int64_t[]){ k, c }, FILL_UNIT) };
    graph_node *n = in[0] < 0 || in[1] < 0 ? NULL : graph_add(g, "MatMul", 2, in);
    if (!n)
        return false;
    n->rule = REALS >> dtype & 1 ? RULE_DOT : RULE_JUMP;
    n->terms = (double)k;
    return graph_result(g, n, dtype, vector ? 1 : 2, (int64_t[]){ vector ? c : m, c }) >= 0;
}

static bool make_gemm(graph *g)
{
    int64_t m = graph_side(g), k = graph_side(g), c = graph_side(g);
    if (m * k * c > 1 << 19)
        m = 33;
    bool    ta = graph_chance(g, 3), tb = graph_chance(g, 2);
    int     kind = (int)graph_roll(g, 5);
    int64_t cs[5][2] = { { 0 }, { c }, { m, c }, { m, 1 }, { 1, c } };
    int     in[3];
    in[0] = graph_leaf(g, BLIND_F32, 2, (int64_t[]){ ta ? k : m, ta ? m : k }, graph_floats(g));
    in[1] = graph_leaf(g, BLIND_F32, 2, (int64_t[]){ tb ? c : k, tb ? k : c }, graph_floats(g));
    in[2] = kind ? graph_leaf(g, BLIND_F32, kind == 1 ? 1 : 2, cs[kind], FILL_UNIT) : -1;
    if (in[0] < 0 || in[1] < 0 || (kind && in[2] < 0))
        return false;
    graph_node *n = graph_add(g, "Gemm", kind ? 3 : 2, in);
    if (!n)
        return false;
    n->rule = RULE_DOT;
    n->terms = (double)k;
    if (ta)
        graph_attr_int(n, "transA", 1);
    if (tb)
        graph_attr_int(n, "transB", 1);
    if (graph_chance(g, 3)) {
        graph_attr_float(n, "alpha", 0.5f);
        graph_attr_float(n, "beta", graph_chance(g, 2) ? 2 : 0.25f);
        n->slope = 2;
    }
    int v = graph_result(g, n, BLIND_F32, 2, (int64_t[]){ m, c });
    return v >= 0 && make_epilogue(g, v, c, 1);
}

static bool make_attention(graph *g)
{
    int64_t b = 1 + (int64_t)graph_roll(g, 2), h = 1 + (int64_t)graph_roll(g, 3), s = graph_side(g),
            t = graph_side(g), d = g->large ? 32 : 4 + 4 * (int64_t)graph_roll(g, 3);
    s = BL_MIN(s, 49);
    t = BL_MIN(t, 65);
    int q = graph_leaf(g, BLIND_F32, 4, (int64_t[]){ b, h, s, d }, FILL_UNIT);
    int k = graph_leaf(g, BLIND_F32, 4, (int64_t[]){ b, h, d, t }, FILL_UNIT);
    int v = graph_leaf(g, BLIND_F32, 4, (int64_t[]){ b, h, t, d }, FILL_UNIT);
    int c = graph_number(g, BLIND_F32, 0.25);
    if (q < 0 || k < 0 || v < 0 || c < 0)
        return false;
    graph_node *n = graph_add(g, "MatMul", 2, (int[]){ q, k });
    if (!n)
        return false;
    n->rule = RULE_DOT;
    n->terms = (double)d;
    int x = graph_result(g, n, BLIND_F32, 4, (int64_t[]){ b, h, s, t });
    n = x < 0 ? NULL : graph_add(g, "Mul", 2, (int[]){ x, c });
    if (!n)
        return false;
    n->rule = RULE_MUL;
    x = graph_result_like(g, n, x);
    if (x >= 0 && graph_chance(g, 2)) {
        int mask = graph_leaf(g, BLIND_F32, 4, (int64_t[]){ b, 1, graph_chance(g, 2) ? s : 1, t },
                              FILL_UNIT);
        n = mask < 0 ? NULL : graph_add(g, "Add", 2, (int[]){ x, mask });
        if (!n)
            return false;
        n->rule = RULE_ADD;
        x = graph_result_like(g, n, x);
    }
    n = x < 0 ? NULL : graph_add(g, "Softmax", 1, &x);
    if (!n)
        return false;
    n->rule = RULE_SMOOTH;
    n->slope = 2;
    n->own = 1e-6;
    graph_attr_int(n, "axis", g->opset < 13 ? 3 : -1);
    x = graph_result_like(g, n, x);
    n = x < 0 ? NULL : graph_add(g, "MatMul", 2, (int[]){ x, v });
    if (!n)
        return false;
    n->rule = RULE_DOT;
    n->terms = (double)t;
    return graph_result(g, n, BLIND_F32, 4, (int64_t[]){ b, h, s, d }) >= 0;
}

static bool make_einsum(graph *g)
{
    static const struct {
        const char *equation, *a, *b, *out;
    } kinds[] = {
        { "ij,jk->ik", "ij", "jk", "ik" },
        { "bij,bjk->bik", "bij", "bjk", "bik" },
        { "ij->ji", "ij", "", "ji" },
        { "i,j->ij", "i", "j", "ij" },
        { "bhid,bhjd->bhij", "bhid", "bhjd", "bhij" },
        { "ij->", "ij", "", "" },
        { "ij,ij->i", "ij", "ij", "i" },
        { "abc,cd->abd", "abc", "cd", "abd" },
    };
    unsigned    i = graph_roll(g, BL_LEN(kinds));
    int64_t     sizes[26], dim[3][GRAPH_RANK];
    int         rank[3], in[2];
    double      terms = 1;
    const char *texts[3] = { kinds[i].a, kinds[i].b, kinds[i].out };
    for (int k = 0; k < 26; k++)
        sizes[k] = 1 + (int64_t)graph_roll(g, 8);
    for (int k = 0; k < 3; k++) {
        rank[k] = (int)strlen(texts[k]);
        for (int d = 0; d < rank[k]; d++) {
            dim[k][d] = sizes[texts[k][d] - 'a'];
            if (k == 0 && !strchr(texts[2], texts[k][d]))
                terms *= (double)dim[k][d];
        }
    }
    int n_in = *texts[1] ? 2 : 1;
    for (int k = 0; k < n_in; k++)
        if ((in[k] = graph_leaf(g, BLIND_F32, rank[k], dim[k], graph_floats(g))) < 0)
            return false;
    graph_node *n = g->opset < 12 ? NULL : graph_add(g, "Einsum", n_in, in);
    if (!n)
        return false;
    n->rule = n_in == 2 ? RULE_DOT : RULE_SUM;
    n->terms = terms;
    graph_attr_text(n, "equation", kinds[i].equation);
    return graph_result(g, n, BLIND_F32, rank[2], dim[2]) >= 0;
}

/* Windows.  ---------------------------------------------------------------------------------- */

typedef struct {
    int     rank; /* of the image */
    int64_t in[3], kernel[3], stride[3], dilation[3], pads[6], out[3];
} window;

/* A window that fits; false when it cannot. */
static bool make_window(graph *g, bool dilated, window *w)
{
    static const int64_t kernels[] = { 1, 2, 3, 3, 3, 5 };
    w->rank = graph_chance(g, 4) ? 1 : graph_chance(g, 8) ? 3 : 2;
    for (int i = 0; i < w->rank; i++) {
        int64_t side = w->rank == 3 ? 1 + (int64_t)graph_roll(g, 6) : graph_side(g);
        w->in[i] = BL_MIN(side, g->large ? 33 : 12);
        w->kernel[i] =
            i && !graph_chance(g, 4) ? w->kernel[0] : kernels[graph_roll(g, BL_LEN(kernels))];
        w->stride[i] = graph_chance(g, 3) ? 1 + (int64_t)graph_roll(g, 3) : 1;
        w->dilation[i] = dilated && graph_chance(g, 4) ? 2 : 1;
        for (int side_of = 0; side_of < 2; side_of++)
            w->pads[side_of * w->rank + i] = graph_chance(g, 2)   ? w->kernel[i] / 2
                                             : graph_chance(g, 4) ? BL_MIN(1, w->kernel[i] - 1)
                                                                  : 0;
        int64_t span = w->dilation[i] * (w->kernel[i] - 1) + 1;
        int64_t room = w->in[i] + w->pads[i] + w->pads[w->rank + i] - span;
        if (room < 0)
            return false;
        w->out[i] = room / w->stride[i] + 1;
    }
    return true;
}

static void window_attrs(graph_node *n, const window *w, bool dilated)
{
    graph_attr_list(n, "kernel_shape", w->kernel, w->rank);
    graph_attr_list(n, "strides", w->stride, w->rank);
    graph_attr_list(n, "pads", w->pads, 2 * w->rank);
    if (dilated)
        graph_attr_list(n, "dilations", w->dilation, w->rank);
}

static int conv(graph *g, int64_t *channels)
{
    window  w;
    int64_t groups = graph_chance(g, 4) ? 1 + (int64_t)graph_roll(g, 4) : 1, x[5], y[5], k[5];
    int64_t each = 1 + (int64_t)graph_roll(g, g->large ? 40 : 6),
            to = 1 + (int64_t)graph_roll(g, g->large ? 50 : 9);
    if (graph_chance(g, 5)) { /* depthwise */
        groups = 1 + (int64_t)graph_roll(g, g->large ? 40 : 20);
        each = to = 1;
    }
    if (!make_window(g, true, &w))
        return -1;
    x[0] = y[0] = 1 + (int64_t)graph_roll(g, 3);
    x[1] = groups * each;
    y[1] = k[0] = groups * to;
    k[1] = each;
    double terms = (double)each;
    for (int i = 0; i < w.rank; i++) {
        x[2 + i] = w.in[i];
        y[2 + i] = w.out[i];
        k[2 + i] = w.kernel[i];
        terms *= (double)w.kernel[i];
    }
    double work = terms * (double)(x[0] * y[1]);
    for (int i = 0; i < w.rank; i++)
        work *= (double)w.out[i];
    if (work > 1e6) /* the reference would take its time */
        return -1;
    int in[3] = {
        graph_leaf(g, BLIND_F32, w.rank + 2, x, graph_floats(g)),
        graph_leaf(g, BLIND_F32, w.rank + 2, k, graph_chance(g, 8) ? FILL_WIDE : FILL_UNIT), -1
    };
    if (in[0] < 0 || in[1] < 0)
        return -1;
    if (!graph_chance(g, 8))
        g->value[in[1]].origin = FROM_WEIGHT;
    if (graph_chance(g, 2))
        in[2] = graph_leaf(g, BLIND_F32, 1, &y[1], FILL_UNIT);
    graph_node *n = graph_add(g, "Conv", in[2] < 0 ? 2 : 3, in);
    if (!n)
        return -1;
    n->rule = RULE_DOT;
    n->terms = terms;
    window_attrs(n, &w, true);
    graph_attr_int(n, "group", groups);
    *channels = y[1];
    return graph_result(g, n, BLIND_F32, w.rank + 2, y);
}

static int batch_norm(graph *g, int v)
{
    int in[5] = { v, -1, -1, -1, -1 };
    for (int i = 1; i < 5; i++) {
        in[i] =
            graph_leaf(g, BLIND_F32, 1, &g->value[v].dim[1], i == 4 ? FILL_POSITIVE : FILL_UNIT);
        if (in[i] < 0)
            return -1;
        if (!graph_chance(g, 16))
            g->value[in[i]].origin = FROM_WEIGHT;
    }
    graph_node *n = graph_add(g, "BatchNormalization", 5, in);
    if (!n)
        return -1;
    n->rule = RULE_SMOOTH;
    n->slope = 4;
    n->ulps = 8;
    n->own = 1e-6;
    return graph_result_like(g, n, v);
}

static bool make_conv(graph *g)
{
    int64_t channels;
    int     v = conv(g, &channels);
    if (v >= 0 && graph_chance(g, 3))
        v = batch_norm(g, v);
    return v >= 0 &&
           make_epilogue(g, v, channels, g->value[v].rank - 1 > 3 ? 3 : g->value[v].rank - 1);
}

static bool make_conv_transpose(graph *g)
{
    window  w;
    int64_t x[5], k[5], y[5];
    if (!make_window(g, true, &w))
        return false;
    int64_t groups = graph_chance(g, 4) ? 2 : 1;
    x[0] = y[0] = 1 + (int64_t)graph_roll(g, 2);
    x[1] = k[0] = groups * (1 + (int64_t)graph_roll(g, 4));
    k[1] = 1 + (int64_t)graph_roll(g, 4);
    y[1] = k[1] * groups;
    double terms = (double)(x[1] / groups);
    for (int i = 0; i < w.rank; i++) {
        x[2 + i] = w.in[i];
        k[2 + i] = w.kernel[i];
        terms *= (double)w.kernel[i];
        y[2 + i] = (w.in[i] - 1) * w.stride[i] + w.dilation[i] * (w.kernel[i] - 1) + 1 - w.pads[i] -
                   w.pads[w.rank + i];
        if (y[2 + i] < 1)
            return false;
    }
    int         in[2] = { graph_leaf(g, BLIND_F32, w.rank + 2, x, graph_floats(g)),
                          graph_leaf(g, BLIND_F32, w.rank + 2, k, FILL_UNIT) };
    graph_node *n = in[0] < 0 || in[1] < 0 ? NULL : graph_add(g, "ConvTranspose", 2, in);
    if (!n)
        return false;
    n->rule = RULE_DOT;
    n->terms = terms;
    window_attrs(n, &w, true);
    graph_attr_int(n, "group", groups);
    return graph_result(g, n, BLIND_F32, w.rank + 2, y) >= 0;
}

static bool make_pool(graph *g)
{
    static const char *const types[] = { "MaxPool", "AveragePool", "LpPool" };
    unsigned                 i = graph_roll(g, BL_LEN(types));
    window                   w;
    int64_t                  x[5], y[5];
    double                   terms = 1;
    if (!make_window(g, i == 0, &w))
        return false;
    x[0] = y[0] = 1 + (int64_t)graph_roll(g, 2);
    x[1] = y[1] = 1 + (int64_t)graph_roll(g, 20);
    for (int d = 0; d < w.rank; d++) {
        x[2 + d] = w.in[d];
        y[2 + d] = w.out[d];
        terms *= (double)w.kernel[d];
        /* pads stay below the window */
        for (int s = 0; s < 2; s++)
            if (w.pads[s * w.rank + d] >= w.kernel[d])
                return false;
    }
    bool        bytes = i == 0 && graph_chance(g, 6) && g->opset >= 12;
    blind_dtype dtype = bytes                ? graph_chance(g, 2) ? BLIND_I8 : BLIND_U8
                        : graph_chance(g, 8) ? BLIND_F64
                                             : BLIND_F32;
    int         v = graph_leaf(g, dtype, w.rank + 2, x, graph_floats(g));
    graph_node *n = v < 0 ? NULL : graph_add(g, types[i], 1, &v);
    if (!n)
        return false;
    n->rule = i == 0 ? bytes ? RULE_JUMP : RULE_SMOOTH : i == 1 ? RULE_SUM : RULE_LOOSE;
    n->terms = terms;
    n->slope = i == 1 ? 1 / terms : 1;
    n->ulps = i ? 16 + terms : 0;
    n->peer = i == 2 ? 1e-5 : 0;
    window_attrs(n, &w, i == 0);
    if (i == 1 && graph_chance(g, 2))
        graph_attr_int(n, "count_include_pad", 1);
    if (i == 2)
        graph_attr_int(n, "p", 1 + (int64_t)graph_roll(g, 3));
    if (graph_result(g, n, dtype, w.rank + 2, y) < 0)
        return false;
    return i || !graph_chance(g, 4) || graph_result(g, n, BLIND_I64, w.rank + 2, y) >= 0;
}

static bool make_global_pool(graph *g)
{
    static const char *const types[] = { "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool" };
    unsigned                 i = graph_roll(g, BL_LEN(types));
    int                      v = graph_take(g, REAL32, 3, 4, true);
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    double      terms = 1;
    for (int d = 2; d < x.rank; d++) {
        terms *= (double)x.dim[d];
        x.dim[d] = 1;
    }
    if (terms == 0)
        return false;
    graph_node *n = graph_add(g, types[i], 1, &v);
    if (!n)
        return false;
    n->rule = i == 0 ? RULE_SUM : i == 1 ? RULE_SMOOTH : RULE_LOOSE;
    n->terms = terms;
    n->slope = i == 0 ? 1 / terms : 1;
    n->ulps = i == 2 ? 16 + terms : 0;
    return graph_result(g, n, x.dtype, x.rank, x.dim) >= 0;
}

/* Reductions and rows.  ----------------------------------------------------------------------- */

static bool make_reduce(graph *g)
{
    static const struct {
        const char *type;
        graph_rule  rule;
        int         axes_input;
    } kinds[] = {
        { "ReduceSum", RULE_SUM, 13 },      { "ReduceMean", RULE_SUM, 18 },
        { "ReduceMax", RULE_SMOOTH, 18 },   { "ReduceMin", RULE_SMOOTH, 18 },
        { "ReduceProd", RULE_LOOSE, 18 },   { "ReduceSumSquare", RULE_LOOSE, 18 },
        { "ReduceL1", RULE_SUM, 18 },       { "ReduceL2", RULE_LOOSE, 18 },
        { "ReduceLogSum", RULE_LOOSE, 18 }, { "ReduceLogSumExp", RULE_LOOSE, 18 },
    };
    unsigned i = graph_roll(g, BL_LEN(kinds));
    int      v = graph_take(
             g, i > 6 ? REAL32 | ANY_OF(F64) : REAL32 | ANY_OF(F64) | ANY_OF(I32) | ANY_OF(I64), 1, 5,
             kinds[i].rule != RULE_LOOSE || graph_chance(g, 8));
    int64_t axes[GRAPH_RANK], dim[GRAPH_RANK];
    int     len = 0, rank = 0, in[2] = { v, -1 };
    bool    keep = graph_chance(g, 2), all = graph_chance(g, 5);
    double  terms = 1;
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    for (int d = 0; d < x.rank; d++) {
        bool gone = all || graph_chance(g, 2);
        if (gone) {
            axes[len++] = graph_chance(g, 3) ? d - x.rank : d;
            terms *= (double)x.dim[d];
        }
        if (!gone || keep)
            dim[rank++] = gone ? 1 : x.dim[d];
    }
    if (len == 0 || graph_len(&x) == 0)
        return false;
    bool given = !all || graph_chance(g, 2);
    if (given && g->opset >= kinds[i].axes_input && (in[1] = graph_list(g, axes, len)) < 0)
        return false;
    graph_node *n = graph_add(g, kinds[i].type, in[1] < 0 ? 1 : 2, in);
    if (!n)
        return false;
    bool whole = INTEGERS >> x.dtype & 1;
    n->rule = whole ? RULE_JUMP : kinds[i].rule;
    n->terms = terms;
    n->slope = i == 1 ? 1 / terms : 1;
    n->ulps = n->rule == RULE_LOOSE ? 16 + terms : 0;
    n->own = i > 7 ? 1e-6 : 0;
    graph_attr_int(n, "keepdims", keep);
    if (given && g->opset < kinds[i].axes_input)
        graph_attr_list(n, "axes", axes, len);
    return graph_result(g, n, x.dtype, rank, dim) >= 0;
}

static bool make_softmax(graph *g)
{
    static const char *const types[] = { "Softmax", "LogSoftmax", "Hardmax" };
    unsigned                 i = graph_chance(g, 6) ? 2 : graph_roll(g, 2);
    int                      v = graph_take(g, REALS, 1, 4, i != 2);
    if (v < 0)
        return false;
    graph_node *n = graph_add(g, types[i], 1, &v);
    if (!n)
        return false;
    n->rule = i == 2 ? RULE_JUMP : RULE_SMOOTH;
    n->slope = 2;
    n->ulps = 8 + 0.01 * (double)graph_len(&g->value[v]);
    n->own = i == 1 ? 2e-6 : 1e-6;
    graph_attr_int(n, "axis", graph_between(g, -g->value[v].rank, g->value[v].rank - 1));
    return graph_result_like(g, n, v) >= 0;
}

static bool make_layer_norm(graph *g)
{
    int64_t dim[GRAPH_RANK];
    int     rank = graph_shape(g, 2, 4, dim), in[3] = { -1, -1, -1 };
    int64_t axis = graph_chance(g, 3) ? (int64_t)graph_roll(g, (unsigned)rank) : rank - 1;
    bool    root = graph_chance(g, 4);
    for (int i = 0; i < rank; i++)
        if (dim[i] == 0)
            return false;
    in[0] = graph_leaf(g, BLIND_F32, rank, dim, graph_chance(g, 8) ? FILL_HARD : FILL_UNIT);
    in[1] = graph_leaf(g, BLIND_F32, rank - (int)axis, dim + axis, FILL_UNIT);
    if (!root && graph_chance(g, 2))
        in[2] = graph_leaf(g, BLIND_F32, rank - (int)axis, dim + axis, FILL_UNIT);
    if (in[0] < 0 || in[1] < 0 || g->opset < 17)
        return false;
    graph_node *n = graph_add(g, root ? "SimplifiedLayerNormalization" : "LayerNormalization",
                              in[2] < 0 ? 2 : 3, in);
    if (!n)
        return false;
    n->rule = RULE_LOOSE;
    n->ulps = 64;
    n->own = 2e-5;
    n->peer = 1e-4;
    graph_attr_int(n, "axis", graph_chance(g, 2) ? axis : axis - rank);
    graph_attr_float(n, "epsilon", 0.01f);
    return graph_result_like(g, n, in[0]) >= 0;
}

static bool make_channel_norm(graph *g)
{
    int64_t  dim[GRAPH_RANK];
    int      rank = graph_shape(g, 3, 4, dim), in[5] = { 0 };
    unsigned kind = graph_roll(g, 5);
    for (int i = 0; i < rank; i++)
        if (dim[i] == 0)
            return false;
    in[0] = graph_leaf(g, BLIND_F32, rank, dim, FILL_UNIT);
    if (in[0] < 0)
        return false;
    if (kind == 0)
        return batch_norm(g, in[0]) >= 0;
    int64_t groups = dim[1] % 2 == 0 ? 2 : 1, each = g->opset < 21 ? groups : dim[1];
    for (int i = 1; i < 3 && kind < 3; i++)
        if ((in[i] = graph_leaf(g, BLIND_F32, 1, kind == 1 ? &dim[1] : &each, FILL_UNIT)) < 0)
            return false;
    if (kind == 2 && g->opset < 18)
        return false;
    graph_node *n = graph_add(g,
                              kind == 1   ? "InstanceNormalization"
                              : kind == 2 ? "GroupNormalization"
                              : kind == 3 ? "LRN"
                                          : "LpNormalization",
                              kind < 3 ? 3 : 1, in);
    if (!n)
        return false;
    n->rule = RULE_LOOSE;
    n->ulps = 64;
    n->own = 2e-5;
    n->peer = 2e-4;
    if (kind < 3)
        graph_attr_float(n, "epsilon", 0.01f);
    if (kind == 2)
        graph_attr_int(n, "num_groups", groups);
    if (kind == 3)
        graph_attr_int(n, "size", 1 + 2 * (int64_t)graph_roll(g, 3));
    if (kind == 4) {
        graph_attr_int(n, "p", 1 + (int64_t)graph_roll(g, 2));
        graph_attr_int(n, "axis", graph_between(g, -rank, rank - 1));
    }
    return graph_result_like(g, n, in[0]) >= 0;
}

/* Images.  ----------------------------------------------------------------------------------- */

static bool make_resize(graph *g)
{
    static const char *const modes[] = { "nearest", "linear", "cubic" };
    static const char *const coordinates[] = { "half_pixel", "asymmetric", "align_corners",
                                               "pytorch_half_pixel" };
    static const char *const nearest[] = { "round_prefer_floor", "floor", "ceil",
                                           "round_prefer_ceil" };
    int64_t                  dim[4], out[4];
    unsigned                 mode = graph_roll(g, 3);
    int                      in[4] = { -1, -1, -1, -1 };
    for (int i = 0; i < 4; i++) {
        dim[i] = out[i] = 1 + (int64_t)graph_roll(g, i < 2 ? 3 : 9);
        if (i >= 2)
            out[i] = 1 + (int64_t)graph_roll(g, 14);
    }
    in[0] = graph_leaf(g, BLIND_F32, 4, dim, FILL_UNIT);
    bool sizes = g->opset >= 11 && graph_chance(g, 2);
    if (sizes) {
        in[3] = graph_list(g, out, 4);
    } else {
        in[2] = graph_leaf(g, BLIND_F32, 1, &(int64_t){ 4 }, FILL_GIVEN);
        for (int i = 0; i < 4 && in[2] >= 0; i++) {
            static const float by[] = { 0.5f, 1, 1.5f, 2, 3, 0.75f, 1.25f, 2.5f };
            float              s = i < 2 ? 1 : by[graph_roll(g, BL_LEN(by))];
            ((float *)g->value[in[2]].data)[i] = s;
            out[i] = (int64_t)floorf((float)dim[i] * s);
            if (out[i] < 1)
                return false;
        }
        if (in[2] >= 0)
            g->value[in[2]].origin = FROM_WEIGHT;
    }
    if (in[0] < 0 || (in[2] < 0 && in[3] < 0))
        return false;
    if (g->opset < 13) {
        in[1] = graph_leaf(g, BLIND_F32, 1, &(int64_t){ 0 }, FILL_GIVEN);
        if (in[1] >= 0)
            g->value[in[1]].origin = FROM_WEIGHT;
        if (sizes) {
            in[2] = graph_leaf(g, BLIND_F32, 1, &(int64_t){ 0 }, FILL_GIVEN);
            if (in[2] >= 0)
                g->value[in[2]].origin = FROM_WEIGHT;
        }
    }
    graph_node *n = graph_add(g, "Resize", sizes ? 4 : 3, in);
    if (!n)
        return false;
    n->rule = mode ? RULE_SMOOTH : RULE_MOVE;
    n->slope = 3;
    n->ulps = 32;
    n->own = 2e-5;
    graph_attr_text(n, "mode", modes[mode]);
    graph_attr_text(n, "coordinate_transformation_mode",
                    coordinates[graph_roll(g, BL_LEN(coordinates))]);
    if (mode == 0)
        graph_attr_text(n, "nearest_mode", nearest[graph_roll(g, BL_LEN(nearest))]);
    if (mode == 2 && graph_chance(g, 2))
        graph_attr_int(n, "exclude_outside", 1);
    return graph_result(g, n, BLIND_F32, 4, out) >= 0;
}

static bool make_grid(graph *g)
{
    static const char *const old_modes[] = { "bilinear", "nearest", "bicubic" };
    static const char *const new_modes[] = { "linear", "nearest", "cubic" };
    static const char *const pads[] = { "zeros", "border", "reflection" };
    int64_t                  x[4], t[4];
    unsigned                 mode = graph_roll(g, 3);
    for (int i = 0; i < 4; i++)
        x[i] = 1 + (int64_t)graph_roll(g, 6);
    memcpy(t, (int64_t[]){ x[0], 1 + (int64_t)graph_roll(g, 5), 1 + (int64_t)graph_roll(g, 5), 2 },
           sizeof t);
    int         in[2] = { graph_leaf(g, BLIND_F32, 4, x, FILL_UNIT),
                          graph_leaf(g, BLIND_F32, 4, t, FILL_UNIT) };
    graph_node *n =
        in[0] < 0 || in[1] < 0 || g->opset < 16 ? NULL : graph_add(g, "GridSample", 2, in);
    if (!n)
        return false;
    n->rule = mode == 1 ? RULE_JUMP : RULE_LOOSE;
    n->peer = 1e-4;
    graph_attr_text(n, "mode", (g->opset < 20 ? old_modes : new_modes)[mode]);
    graph_attr_text(n, "padding_mode", pads[graph_roll(g, 3)]);
    graph_attr_int(n, "align_corners", graph_chance(g, 2));
    return graph_result(g, n, BLIND_F32, 4, (int64_t[]){ x[0], x[1], t[1], t[2] }) >= 0;
}

static bool make_boxes(graph *g)
{
    int64_t     boxes = 1 + (int64_t)graph_roll(g, 12), classes = 1 + (int64_t)graph_roll(g, 3);
    int         in[5] = { graph_leaf(g, BLIND_F32, 3, (int64_t[]){ 1, boxes, 4 }, FILL_QUARTERS),
                          graph_leaf(g, BLIND_F32, 3, (int64_t[]){ 1, classes, boxes }, FILL_POSITIVE),
                          graph_number(g, BLIND_I64, (double)graph_roll(g, 4)),
                          graph_number(g, BLIND_F32, 0.3), graph_number(g, BLIND_F32, 0.4) };
    graph_node *n = in[4] < 0 ? NULL : graph_add(g, "NonMaxSuppression", 5, in);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    return graph_result(g, n, BLIND_I64, -1, NULL) >= 0;
}

/* Quantized.  -------------------------------------------------------------------------------- */

static bool make_quantize(graph *g)
{
    int v = graph_take(g, REAL32, 1, 4, true), in[3];
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    blind_dtype dtype = graph_chance(g, 2) ? BLIND_I8 : BLIND_U8;
    bool        each = graph_chance(g, 3) && g->opset >= 13;
    int         axis = (int)graph_roll(g, (unsigned)x.rank);
    in[0] = v;
    in[1] = each ? graph_leaf(g, BLIND_F32, 1, &x.dim[axis], FILL_POSITIVE)
                 : graph_number(g, BLIND_F32, 0.03125);
    in[2] = each ? graph_numbers(g, dtype, 1, &x.dim[axis], 0, 9) : graph_number(g, dtype, 5);
    graph_node *n = in[1] < 0 || in[2] < 0 ? NULL : graph_add(g, "QuantizeLinear", 3, in);
    if (!n)
        return false;
    n->rule = RULE_ROUND;
    n->slope = 32;
    if (each)
        graph_attr_int(n, "axis", axis);
    v = graph_result(g, n, dtype, x.rank, x.dim);
    if (v < 0 || graph_chance(g, 3))
        return v >= 0;
    in[0] = v;
    n = graph_add(g, "DequantizeLinear", 3, in);
    if (!n)
        return false;
    n->rule = RULE_SMOOTH;
    n->slope = 2;
    if (each)
        graph_attr_int(n, "axis", axis);
    return graph_result(g, n, BLIND_F32, x.rank, x.dim) >= 0;
}

static bool make_dynamic_quantize(graph *g)
{
    int         v = graph_take(g, REAL32, 1, 4, graph_chance(g, 8));
    graph_node *n =
        v < 0 || graph_len(&g->value[v]) == 0 ? NULL : graph_add(g, "DynamicQuantizeLinear", 1, &v);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    return graph_result(g, n, BLIND_U8, g->value[v].rank, g->value[v].dim) >= 0 &&
           graph_result(g, n, BLIND_F32, 0, NULL) >= 0 &&
           graph_result(g, n, BLIND_U8, 0, NULL) >= 0;
}

static bool make_integer_product(graph *g)
{
    int64_t     m = graph_side(g), k = graph_side(g), c = graph_side(g);
    blind_dtype a = graph_chance(g, 2) ? BLIND_U8 : BLIND_I8,
                b = graph_chance(g, 2) ? BLIND_U8 : BLIND_I8;
    bool zero = graph_chance(g, 2), scaled = graph_chance(g, 2);
    int  x = graph_leaf(g, a, 2, (int64_t[]){ m, k }, FILL_BITS);
    int  y = graph_leaf(g, b, 2, (int64_t[]){ k, c }, FILL_BITS);
    int  zx = graph_number(g, a, 3), zy = graph_number(g, b, 2);
    if (x < 0 || y < 0 || zx < 0 || zy < 0)
        return false;
    graph_node *n;
    if (!scaled) {
        n = graph_add(g, "MatMulInteger", zero ? 4 : 2, (int[]){ x, y, zx, zy });
    } else {
        int s = graph_number(g, BLIND_F32, 0.03125), t = graph_number(g, BLIND_F32, 8);
        if (s < 0 || t < 0)
            return false;
        n = graph_add(g, "QLinearMatMul", 8, (int[]){ x, s, zx, y, s, zy, t, zx });
    }
    if (!n)
        return false;
    n->rule = RULE_ROUND;
    return graph_result(g, n, scaled ? a : BLIND_I32, 2, (int64_t[]){ m, c }) >= 0;
}

static bool make_integer_conv(graph *g)
{
    window  w;
    int64_t x[5], y[5], k[5];
    if (!make_window(g, true, &w) || w.rank == 3)
        return false;
    x[0] = y[0] = 1;
    x[1] = k[1] = 1 + (int64_t)graph_roll(g, 6);
    y[1] = k[0] = 1 + (int64_t)graph_roll(g, 6);
    for (int i = 0; i < w.rank; i++) {
        x[2 + i] = w.in[i];
        y[2 + i] = w.out[i];
        k[2 + i] = w.kernel[i];
    }
    blind_dtype b = graph_chance(g, 2) ? BLIND_U8 : BLIND_I8;
    bool        scaled = graph_chance(g, 2);
    int         in = graph_leaf(g, BLIND_U8, w.rank + 2, x, FILL_BITS),
        weights = graph_leaf(g, b, w.rank + 2, k, FILL_BITS);
    int zx = graph_number(g, BLIND_U8, 3), zw = graph_number(g, b, 0);
    if (in < 0 || weights < 0 || zx < 0 || zw < 0)
        return false;
    graph_node *n;
    if (!scaled) {
        n = graph_add(g, "ConvInteger", 3, (int[]){ in, weights, zx });
    } else {
        int s = graph_number(g, BLIND_F32, 0.03125), t = graph_number(g, BLIND_F32, 8);
        if (s < 0 || t < 0)
            return false;
        n = graph_add(g, "QLinearConv", 8, (int[]){ in, s, zx, weights, s, zw, t, zx });
    }
    if (!n)
        return false;
    n->rule = RULE_ROUND;
    window_attrs(n, &w, true);
    return graph_result(g, n, scaled ? BLIND_U8 : BLIND_I32, w.rank + 2, y) >= 0;
}

/* Cells.  ------------------------------------------------------------------------------------ */

static bool make_recurrent(graph *g)
{
    static const char *const types[] = { "RNN", "GRU", "LSTM" };
    static const char *const directions[] = { "forward", "reverse", "bidirectional" };
    static const int64_t     gates[] = { 1, 3, 4 };
    unsigned                 i = graph_roll(g, 3), way = graph_roll(g, 3);
    int64_t                  t = 1 + (int64_t)graph_roll(g, 5), b = 1 + (int64_t)graph_roll(g, 3),
            width = 1 + (int64_t)graph_roll(g, 9),
            hidden = g->large ? graph_side(g) : 1 + (int64_t)graph_roll(g, 20),
            d = way == 2 ? 2 : 1;
    int in[5] = { -1, -1, -1, -1, -1 };
    in[0] = graph_leaf(g, BLIND_F32, 3, (int64_t[]){ t, b, width }, FILL_UNIT);
    in[1] = graph_leaf(g, BLIND_F32, 3, (int64_t[]){ d, gates[i] * hidden, width }, FILL_UNIT);
    in[2] = graph_leaf(g, BLIND_F32, 3, (int64_t[]){ d, gates[i] * hidden, hidden }, FILL_UNIT);
    if (graph_chance(g, 2))
        in[3] = graph_leaf(g, BLIND_F32, 2, (int64_t[]){ d, 2 * gates[i] * hidden }, FILL_UNIT);
    if (graph_chance(g, 4))
        in[4] = graph_numbers(g, BLIND_I32, 1, &b, 1, t);
    if (in[0] < 0 || in[1] < 0 || in[2] < 0)
        return false;
    g->value[in[1]].origin = g->value[in[2]].origin = FROM_WEIGHT;
    graph_node *n = graph_add(g, types[i], in[4] >= 0 ? 5 : in[3] >= 0 ? 4 : 3, in);
    if (!n)
        return false;
    n->rule = RULE_LOOSE;
    n->terms = (double)(width + hidden); /* products in it */
    n->own = 4e-5;
    n->peer = 4e-5;
    graph_attr_int(n, "hidden_size", hidden);
    graph_attr_text(n, "direction", directions[way]);
    if (i == 1 && graph_chance(g, 2))
        graph_attr_int(n, "linear_before_reset", 1);
    for (int k = 0; k < (i == 2 ? 3 : 2); k++)
        if (graph_result(g, n, BLIND_F32, k ? 3 : 4,
                         k ? (int64_t[]){ d, b, hidden } : (int64_t[]){ t, d, b, hidden }) < 0)
            return false;
    return true;
}

const graph_family graph_nets[] = {
    { make_matmul, 6 },
    { make_matmul_typed, 1 },
    { make_gemm, 3 },
    { make_attention, 2 },
    { make_einsum, 1 },
    { make_conv, 6 },
    { make_pool, 3 },
    { make_conv_transpose, 1 },
    { make_global_pool, 1 },
    { make_reduce, 4 },
    { make_softmax, 2 },
    { make_layer_norm, 2 },
    { make_channel_norm, 2 },
    { make_resize, 2 },
    { make_grid, 1 },
    { make_boxes, 1 },
    { make_quantize, 2 },
    { make_dynamic_quantize, 1 },
    { make_integer_product, 1 },
    { make_integer_conv, 1 },
    { make_recurrent, 2 },
};
const size_t graph_nets_len = BL_LEN(graph_nets);
