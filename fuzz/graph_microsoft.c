/* Templates: operators of com.microsoft. */
#include "fuzz/graph_maker.h"

#include <math.h>

static graph_node *add(graph *g, const char *type, int n_in, const int *in)
{
    graph_node *n = graph_add(g, type, n_in, in);
    if (n)
        n->domain = "com.microsoft";
    return n;
}

/* A leaf that every graph that is exported has as a weight. */
static int weight(graph *g, blind_dtype dtype, int rank, const int64_t *dim, graph_fill fill)
{
    int v = graph_leaf(g, dtype, rank, dim, fill);
    if (v >= 0)
        g->value[v].origin = FROM_WEIGHT;
    return v;
}

static void loose(graph_node *n, double own, double peer)
{
    n->rule = RULE_LOOSE;
    n->ulps = 64;
    n->own = own;
    n->peer = peer;
}

/* Elements and rows.  ------------------------------------------------------------------------- */

static bool make_gelu(graph *g)
{
    static const char *const types[] = { "Gelu", "QuickGelu", "FastGelu", "BiasGelu" };
    unsigned                 i = graph_roll(g, BL_LEN(types));
    int                      v = graph_take(g, REAL32, 1, 4, true), in[2] = { v, -1 };
    if (v < 0)
        return false;
    int64_t last = g->value[v].dim[g->value[v].rank - 1];
    if (i == 3 || (i == 2 && graph_chance(g, 2)))
        in[1] = graph_leaf(g, BLIND_F32, 1, &last, FILL_UNIT);
    graph_node *n = add(g, types[i], in[1] < 0 ? 1 : 2, in);
    if (!n || (i == 3 && in[1] < 0))
        return false;
    n->rule = RULE_SMOOTH;
    n->slope = i == 1 ? 2 : 1.2;
    n->ulps = 16;
    n->own = n->peer = 2e-6;
    return graph_result_like(g, n, v) >= 0;
}

static bool make_skip_norm(graph *g)
{
    int64_t dim[3] = { 1 + (int64_t)graph_roll(g, 2), 1 + (int64_t)graph_roll(g, 5),
                       graph_side(g) };
    bool    simple = graph_chance(g, 2);
    int     in[5] = { graph_leaf(g, BLIND_F32, 3, dim, FILL_UNIT),
                      graph_leaf(g, BLIND_F32, 3, dim, FILL_UNIT),
                      graph_leaf(g, BLIND_F32, 1, &dim[2], FILL_UNIT), -1, -1 };
    int     n_in = 3;
    while (in[n_in - 1] >= 0 && n_in < (simple ? 4 : 5) && graph_chance(g, 2))
        in[n_in++] = graph_leaf(g, BLIND_F32, 1, &dim[2], FILL_UNIT);
    graph_node *n =
        in[n_in - 1] < 0
            ? NULL
            : add(g, simple ? "SkipSimplifiedLayerNormalization" : "SkipLayerNormalization", n_in,
                  in);
    if (!n)
        return false;
    loose(n, 2e-5, 1e-4);
    graph_attr_float(n, "epsilon", 0.01f);
    return graph_result(g, n, BLIND_F32, 3, dim) >= 0;
}

/* Tables that rows are taken from: words, places, and which of two sentences. */
static bool make_embedding(graph *g)
{
    int64_t dim[3] = { 1 + (int64_t)graph_roll(g, 3), 1 + (int64_t)graph_roll(g, 5),
                       graph_side(g) };
    int64_t words[2] = { 1 + (int64_t)graph_roll(g, 9), dim[2] }, places[2] = { dim[1], dim[2] };
    bool    parts = graph_chance(g, 2);
    int     in[7] = { graph_numbers(g, BLIND_I32, 2, dim, 0, words[0] - 1),
                  parts ? graph_numbers(g, BLIND_I32, 2, dim, 0, 1) : -1,
                      weight(g, BLIND_F32, 2, words, FILL_UNIT),
                      weight(g, BLIND_F32, 2, places, FILL_UNIT),
                  parts ? weight(g, BLIND_F32, 2, (int64_t[]){ 2, dim[2] }, FILL_UNIT) : -1,
                      weight(g, BLIND_F32, 1, &dim[2], FILL_UNIT),
                      weight(g, BLIND_F32, 1, &dim[2], FILL_UNIT) };
    graph_node *n = g->full ? NULL : add(g, "EmbedLayerNormalization", 7, in);
    if (!n)
        return false;
    loose(n, 2e-5, 1e-4);
    graph_attr_float(n, "epsilon", 0.01f);
    return graph_result(g, n, BLIND_F32, 3, dim) >= 0 && graph_result(g, n, BLIND_I32, 1, dim) >= 0;
}

static bool make_rotary(graph *g)
{
    int64_t heads = 1 + (int64_t)graph_roll(g, 3), size = 2 + 2 * (int64_t)graph_roll(g, 8);
    int64_t b = 1 + (int64_t)graph_roll(g, 2), s = 1 + (int64_t)graph_roll(g, 5);
    int64_t angles[2] = { s + 3, size / 2 }, x[4] = { b, heads, s, size }, rows[2] = { b, s };
    bool    apart = graph_chance(g, 2), one = graph_chance(g, 2);
    if (!apart)
        memcpy(x, (int64_t[]){ b, s, heads * size }, 3 * sizeof *x);
    int         in[4] = { graph_leaf(g, BLIND_F32, apart ? 4 : 3, x, FILL_UNIT),
                  one ? graph_numbers(g, BLIND_I64, 1, (int64_t[]){ 1 }, 0, 3)
                              : graph_numbers(g, BLIND_I64, 2, rows, 0, s + 2),
                          weight(g, BLIND_F32, 2, angles, FILL_UNIT),
                          weight(g, BLIND_F32, 2, angles, FILL_UNIT) };
    graph_node *n = g->full ? NULL : add(g, "RotaryEmbedding", 4, in);
    if (!n)
        return false;
    loose(n, 1e-6, 1e-6);
    graph_attr_int(n, "interleaved", graph_chance(g, 2));
    if (!apart)
        graph_attr_int(n, "num_heads", heads);
    return graph_result(g, n, BLIND_F32, apart ? 4 : 3, x) >= 0;
}

/* Products.  --------------------------------------------------------------------------------- */

static bool make_fused_matmul(graph *g)
{
    int64_t m = graph_side(g), k = graph_side(g), c = graph_side(g),
            b = 1 + (int64_t)graph_roll(g, 2);
    bool ta = graph_chance(g, 2), tb = graph_chance(g, 2), batched = graph_chance(g, 3);
    if (m * k * c > 1 << 18)
        m = 17;
    int64_t     x[3] = { b, ta ? k : m, ta ? m : k }, y[3] = { b, tb ? c : k, tb ? k : c };
    int         skip = batched ? 0 : 1;
    int         in[2] = { graph_leaf(g, BLIND_F32, 3 - skip, x + skip, graph_floats(g)),
                          graph_leaf(g, BLIND_F32, 3 - skip, y + skip, graph_floats(g)) };
    graph_node *n = g->full ? NULL : add(g, "FusedMatMul", 2, in);
    if (!n)
        return false;
    n->rule = RULE_DOT;
    n->terms = (double)k;
    graph_attr_int(n, "transA", ta);
    graph_attr_int(n, "transB", tb);
    if (graph_chance(g, 2))
        graph_attr_float(n, "alpha", 0.125f);
    return graph_result(g, n, BLIND_F32, 3 - skip, (int64_t[]){ b, m, c } + skip) >= 0;
}

/* Weights of 4 or 8 bits, a scale and perhaps a zero for each block of a column. */
static bool make_few_bits(graph *g)
{
    int64_t     m = graph_side(g), k = graph_side(g), c = graph_side(g);
    int64_t     block = 16 << graph_roll(g, 2), blocks = (k + block - 1) / block;
    int64_t     bits = graph_chance(g, 4) ? 8 : 4, zeros = (blocks * bits + 7) / 8;
    bool        zero = graph_chance(g, 2);
    int         in[4] = { graph_leaf(g, BLIND_F32, 2, (int64_t[]){ m, k }, FILL_UNIT),
                          weight(g, BLIND_U8, 3, (int64_t[]){ c, blocks, block * bits / 8 }, FILL_BITS),
                          weight(g, BLIND_F32, 1, (int64_t[]){ c * blocks }, FILL_UNIT),
                  zero ? weight(g, BLIND_U8, 1, (int64_t[]){ c * zeros }, FILL_BITS) : -1 };
    graph_node *n = g->full ? NULL : add(g, "MatMulNBits", zero ? 4 : 3, in);
    if (!n)
        return false;
    n->rule = RULE_DOT; /* its bytes are larger than what they stand for */
    n->terms = (double)k;
    graph_attr_int(n, "K", k);
    graph_attr_int(n, "N", c);
    graph_attr_int(n, "bits", bits);
    graph_attr_int(n, "block_size", block);
    return graph_result(g, n, BLIND_F32, 2, (int64_t[]){ m, c }) >= 0;
}

/* Attention.  -------------------------------------------------------------------------------- */

/* Where all keys are hidden, scores are -10000 and a little, of which a float keeps 1e-3. */
static const double MASKED = 4e-3;

static bool make_heads(graph *g)
{
    int64_t b = 1 + (int64_t)graph_roll(g, 2), h = 1 + (int64_t)graph_roll(g, 3),
            d = 4 + 4 * (int64_t)graph_roll(g, 3), s = BL_MIN(graph_side(g), 33),
            t = BL_MIN(graph_side(g), 40), wide = h * d;
    int in[6] = { graph_leaf(g, BLIND_F32, 3, (int64_t[]){ b, s, wide }, FILL_UNIT),
                  graph_leaf(g, BLIND_F32, 3, (int64_t[]){ b, t, wide }, FILL_UNIT),
                  graph_leaf(g, BLIND_F32, 3, (int64_t[]){ b, t, wide }, FILL_UNIT),
                  -1,
                  -1,
                  -1 };
    int n_in = 3;
    if (graph_chance(g, 2)) {
        in[3] = graph_leaf(g, BLIND_F32, 1, (int64_t[]){ 3 * wide }, FILL_UNIT);
        n_in = 4;
    }
    if (graph_chance(g, 3)) {
        in[4] = graph_numbers(g, BLIND_I32, 2, (int64_t[]){ b, t }, 0, 1);
        n_in = 5;
    }
    if (graph_chance(g, 3)) {
        in[5] = graph_leaf(g, BLIND_F32, 4, (int64_t[]){ b, h, s, t }, FILL_UNIT);
        n_in = 6;
    }
    graph_node *n = g->full ? NULL : add(g, "MultiHeadAttention", n_in, in);
    if (!n)
        return false;
    loose(n, in[4] < 0 ? 2e-5 : MASKED, in[4] < 0 ? 1e-4 : MASKED);
    n->terms = (double)(d + t);
    graph_attr_int(n, "num_heads", h);
    if (s == t && graph_chance(g, 3))
        graph_attr_int(n, "unidirectional", 1);
    return graph_result(g, n, BLIND_F32, 3, (int64_t[]){ b, s, wide }) >= 0;
}

static bool make_self_attention(graph *g)
{
    int64_t b = 1 + (int64_t)graph_roll(g, 2), h = 1 + (int64_t)graph_roll(g, 3),
            d = 4 + 4 * (int64_t)graph_roll(g, 3), s = BL_MIN(graph_side(g), 33),
            width = BL_MIN(graph_side(g), 48), wide = h * d;
    int  in[4] = { graph_leaf(g, BLIND_F32, 3, (int64_t[]){ b, s, width }, FILL_UNIT),
                   weight(g, BLIND_F32, 2, (int64_t[]){ width, 3 * wide }, FILL_UNIT),
                   weight(g, BLIND_F32, 1, (int64_t[]){ 3 * wide }, FILL_UNIT), -1 };
    bool masked = graph_chance(g, 3);
    if (masked)
        in[3] = graph_numbers(g, BLIND_I32, 2, (int64_t[]){ b, s }, 0, 1);
    graph_node *n = g->full ? NULL : add(g, "Attention", masked ? 4 : 3, in);
    if (!n)
        return false;
    loose(n, masked ? MASKED : 1e-4, masked ? MASKED : 1e-4);
    n->terms = (double)(width + d + s);
    graph_attr_int(n, "num_heads", h);
    if (graph_chance(g, 3))
        graph_attr_int(n, "unidirectional", 1);
    return graph_result(g, n, BLIND_F32, 3, (int64_t[]){ b, s, wide }) >= 0;
}

/* A prompt, or one token after a past of which each row of the batch uses a part. */
static bool make_group_attention(graph *g)
{
    int64_t b = 1 + (int64_t)graph_roll(g, 2), kv = 1 + (int64_t)graph_roll(g, 2),
            h = kv * (1 + (int64_t)graph_roll(g, 3)), d = 16 * (1 + (int64_t)graph_roll(g, 2)),
            past = graph_chance(g, 2) ? 1 + (int64_t)graph_roll(g, 9) : 0,
            s = past ? 1 : 1 + (int64_t)graph_roll(g, 20), all = past + s;
    bool    turned = graph_chance(g, 2);
    int64_t cache[4] = { b, kv, past, d }, present[4] = { b, kv, all, d },
            angles[2] = { all + 2, d / 2 };
    int         in[9] = { graph_leaf(g, BLIND_F32, 3, (int64_t[]){ b, s, h * d }, FILL_UNIT),
                          graph_leaf(g, BLIND_F32, 3, (int64_t[]){ b, s, kv * d }, FILL_UNIT),
                          graph_leaf(g, BLIND_F32, 3, (int64_t[]){ b, s, kv * d }, FILL_UNIT),
                  past ? graph_leaf(g, BLIND_F32, 4, cache, FILL_UNIT) : -1,
                  past ? graph_leaf(g, BLIND_F32, 4, cache, FILL_UNIT) : -1,
                          graph_numbers(g, BLIND_I32, 1, &b, all - 1, all - 1),
                          graph_number(g, BLIND_I32, (double)all),
                  turned ? weight(g, BLIND_F32, 2, angles, FILL_UNIT) : -1,
                  turned ? weight(g, BLIND_F32, 2, angles, FILL_UNIT) : -1 };
    graph_node *n = g->full ? NULL : add(g, "GroupQueryAttention", turned ? 9 : 7, in);
    if (!n)
        return false;
    g->value[in[6]].origin = FROM_WEIGHT;
    loose(n, 2e-5, 1e-4);
    n->terms = (double)(d + all);
    graph_attr_int(n, "num_heads", h);
    graph_attr_int(n, "kv_num_heads", kv);
    if (turned) {
        graph_attr_int(n, "do_rotary", 1);
        graph_attr_int(n, "rotary_interleaved", graph_chance(g, 2));
    }
    if (graph_chance(g, 3))
        graph_attr_int(n, "local_window_size", 1 + (int64_t)graph_roll(g, 5));
    return graph_result(g, n, BLIND_F32, 3, (int64_t[]){ b, s, h * d }) >= 0 &&
           graph_result(g, n, BLIND_F32, 4, present) >= 0 &&
           graph_result(g, n, BLIND_F32, 4, present) >= 0;
}

/* Bytes.  ------------------------------------------------------------------------------------ */

/* A scale and a zero point. */
static bool scaled(graph *g, blind_dtype dtype, int in[2])
{
    in[0] = graph_number(g, BLIND_F32, 0.03125 * (1 + (double)graph_roll(g, 4)));
    in[1] = graph_number(g, dtype, (double)graph_roll(g, 9));
    if (in[1] < 0)
        return false;
    g->value[in[0]].origin = g->value[in[1]].origin = FROM_WEIGHT;
    return true;
}

static bool make_bytes(graph *g)
{
    static const char *const types[] = { "QLinearAdd", "QLinearMul", "QLinearSigmoid",
                                         "QLinearLeakyRelu", "QLinearGlobalAveragePool" };
    unsigned                 i = graph_roll(g, BL_LEN(types));
    blind_dtype              dtype = graph_chance(g, 2) ? BLIND_I8 : BLIND_U8;
    int64_t                  dim[GRAPH_RANK];
    int rank = graph_shape(g, i == 4 ? 4 : 1, 4, dim), in[8] = { 0 }, at = 3, y[2];
    in[0] = graph_leaf(g, dtype, rank, dim, FILL_BITS);
    if (in[0] < 0 || !scaled(g, dtype, in + 1) || graph_len(&g->value[in[0]]) == 0)
        return false;
    if (i < 2) {
        in[3] = graph_leaf(g, dtype, rank, dim, FILL_BITS);
        if (in[3] < 0 || !scaled(g, dtype, in + 4))
            return false;
        at = 6;
    }
    if (!scaled(g, dtype, y))
        return false;
    in[at] = y[0];
    in[at + 1] = y[1];
    graph_node *n = add(g, types[i], at + 2, in);
    if (!n)
        return false;
    n->rule = RULE_ROUND;
    n->own = 1; /* a half is rounded up or down, as the float before it came out */
    if (i == 3)
        graph_attr_float(n, "alpha", 0.25f);
    if (i == 4)
        dim[2] = dim[3] = 1;
    return graph_result(g, n, dtype, rank, dim) >= 0;
}

static bool make_to_float(graph *g)
{
    int64_t     m = graph_side(g), k = graph_side(g), c = graph_side(g);
    blind_dtype a = graph_chance(g, 2) ? BLIND_U8 : BLIND_I8,
                b = graph_chance(g, 2) ? BLIND_U8 : BLIND_I8;
    int in[6] = { graph_leaf(g, a, 2, (int64_t[]){ m, k }, FILL_BITS),
                  weight(g, b, 2, (int64_t[]){ k, c }, FILL_BITS) },
        x[2], y[2];
    if (in[0] < 0 || in[1] < 0 || !scaled(g, a, x) || !scaled(g, b, y))
        return false;
    memcpy(in + 2, (int[]){ x[0], y[0], x[1], y[1] }, 4 * sizeof *in);
    graph_node *n = add(g, "MatMulIntegerToFloat", 6, in);
    if (!n)
        return false;
    n->rule = RULE_LOOSE;
    n->peer = 1e-6;
    n->ulps = 4;
    return graph_result(g, n, BLIND_F32, 2, (int64_t[]){ m, c }) >= 0;
}

const graph_family graph_microsoft[] = {
    { make_gelu, 2 },   { make_skip_norm, 2 },      { make_embedding, 1 },
    { make_rotary, 1 }, { make_fused_matmul, 2 },   { make_few_bits, 2 },
    { make_heads, 2 },  { make_self_attention, 2 }, { make_group_attention, 2 },
    { make_bytes, 2 },  { make_to_float, 1 },
};
const size_t graph_microsoft_len = BL_LEN(graph_microsoft);
