/* Templates: operators that move, choose, count or order elements. */
#include "fuzz/graph_maker.h"

#include <stdlib.h>

/* A node that gives the elements of v in another shape. */
static bool moved(graph *g, graph_node *n, int v, int rank, const int64_t *dim)
{
    return n && graph_result(g, n, g->value[v].dtype, rank, dim) >= 0;
}

/* An axis of v, from the front or the back. */
static int64_t any_axis(graph *g, const graph_value *v, int *axis)
{
    *axis = (int)graph_roll(g, (unsigned)v->rank);
    return graph_chance(g, 3) ? *axis - v->rank : *axis;
}

/* Shapes.  ----------------------------------------------------------------------------------- */

static bool make_reshape(graph *g)
{
    int     v = graph_take(g, ANYTHING, 0, GRAPH_RANK, true), rank = 0, guess = -1;
    int64_t dim[GRAPH_RANK], list[GRAPH_RANK];
    if (v < 0)
        return false;
    size_t len = graph_len(&g->value[v]), rest = len;
    for (int want = (int)graph_roll(g, 4); rank < want; rank++) {
        static const int64_t parts[] = { 1, 2, 3, 4, 5, 8, 16 };
        int64_t              part = parts[graph_roll(g, BL_LEN(parts))];
        dim[rank] = rest && rest % (size_t)part == 0 ? part : 1;
        rest /= (size_t)dim[rank];
    }
    if (rank || rest != 1)
        dim[rank++] = (int64_t)rest;
    memcpy(list, dim, sizeof list);
    if (rank && len && graph_chance(g, 2))
        list[guess = (int)graph_roll(g, (unsigned)rank)] = -1;
    if (rank && g->value[v].rank && guess != 0 && list[0] == g->value[v].dim[0])
        list[0] = 0; /* as it is */
    else if (rank && list[0] == 0)
        return false;
    for (int i = 1; i < rank; i++)
        if (list[i] == 0)
            return false;
    int in[2] = { v, graph_list(g, list, rank) };
    return in[1] >= 0 && moved(g, graph_add(g, "Reshape", 2, in), v, rank, dim);
}

static bool make_flatten(graph *g)
{
    int v = graph_take(g, ANYTHING, 1, GRAPH_RANK, true);
    if (v < 0)
        return false;
    int         axis = (int)graph_roll(g, (unsigned)g->value[v].rank + 1);
    int64_t     dim[2] = { 1, 1 };
    graph_node *n = graph_add(g, "Flatten", 1, &v);
    if (!n)
        return false;
    for (int i = 0; i < g->value[v].rank; i++)
        dim[i >= axis] *= g->value[v].dim[i];
    graph_attr_int(n, "axis", axis);
    return moved(g, n, v, 2, dim);
}

static bool make_squeeze(graph *g)
{
    int     v = graph_take(g, ANYTHING, 0, GRAPH_RANK - 1, true), rank = 0;
    int64_t dim[GRAPH_RANK], axes[GRAPH_RANK];
    int     len = 0, in[2] = { v, -1 };
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    bool        grow = graph_chance(g, 2);
    int         at = (int)graph_roll(g, (unsigned)x.rank + 1);
    for (int i = 0; i <= x.rank; i++) {
        if (grow && i == at) {
            axes[len++] = rank;
            dim[rank++] = 1;
        }
        if (i == x.rank)
            break;
        if (!grow && x.dim[i] == 1)
            axes[len++] = graph_chance(g, 2) ? i : i - x.rank;
        else
            dim[rank++] = x.dim[i];
    }
    if (len == 0)
        return false;
    if (g->opset >= 13 && (in[1] = graph_list(g, axes, len)) < 0)
        return false;
    graph_node *n = graph_add(g, grow ? "Unsqueeze" : "Squeeze", g->opset >= 13 ? 2 : 1, in);
    if (n && g->opset < 13)
        graph_attr_list(n, "axes", axes, len);
    return moved(g, n, v, rank, dim);
}

static bool make_transpose(graph *g)
{
    int     v = graph_take(g, ANYTHING, 1, GRAPH_RANK, true), rank;
    int64_t perm[GRAPH_RANK], dim[GRAPH_RANK];
    if (v < 0)
        return false;
    rank = g->value[v].rank;
    bool reverse = graph_chance(g, 4);
    for (int i = 0; i < rank; i++)
        perm[i] = reverse ? rank - 1 - i : i;
    for (int i = rank - 1; i > 0 && !reverse; i--) {
        int     k = (int)graph_roll(g, (unsigned)i + 1);
        int64_t t = perm[i];
        perm[i] = perm[k];
        perm[k] = t;
    }
    for (int i = 0; i < rank; i++)
        dim[i] = g->value[v].dim[perm[i]];
    graph_node *n = graph_add(g, "Transpose", 1, &v);
    if (n && !(reverse && graph_chance(g, 2)))
        graph_attr_list(n, "perm", perm, rank);
    return moved(g, n, v, rank, dim);
}

static bool make_slice(graph *g)
{
    int     v = graph_take(g, ANYTHING, 1, GRAPH_RANK, true), in[5], len = 0;
    int64_t start[GRAPH_RANK], end[GRAPH_RANK], axes[GRAPH_RANK], step[GRAPH_RANK];
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    for (int i = 0; i < x.rank; i++) {
        if (graph_chance(g, 2))
            continue;
        int64_t d = x.dim[i], s = 1 + (int64_t)graph_roll(g, 3), from, to;
        bool    back = graph_chance(g, 4);
        from = d ? graph_between(g, 0, BL_MIN(d - 1, 255)) : 0;
        int64_t room = back ? from + 1 : d - from;
        int64_t count = room > 0 ? graph_between(g, 0, BL_MIN((room + s - 1) / s, 255)) : 0;
        to = back ? from - count * s : from + count * s;
        start[len] = from;
        end[len] = back                                      ? to < 0 ? INT64_MIN + 1 : to
                   : graph_chance(g, 8) && count * s >= room ? INT64_MAX
                                                             : to;
        if (!back && to > d)
            end[len] = graph_chance(g, 2) ? INT64_MAX : to;
        axes[len] = graph_chance(g, 3) ? i - x.rank : i;
        step[len++] = back ? -s : s;
        x.dim[i] = count;
    }
    if (len == 0)
        return false;
    in[0] = v;
    in[1] = graph_list(g, start, len);
    in[2] = graph_list(g, end, len);
    in[3] = graph_list(g, axes, len);
    in[4] = graph_list(g, step, len);
    return in[4] >= 0 && moved(g, graph_add(g, "Slice", 5, in), v, x.rank, x.dim);
}

static bool make_expand(graph *g)
{
    int     v = graph_take(g, ANYTHING, 0, 4, true), in[2];
    int64_t list[GRAPH_RANK], dim[GRAPH_RANK];
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    int         more = (int)graph_roll(g, 2), rank = x.rank + more;
    if (graph_len(&x) > 512)
        return false;
    for (int i = 0; i < rank; i++) {
        int64_t d = i < more ? 1 : x.dim[i - more];
        dim[i] = d == 1 && graph_chance(g, 2) ? (int64_t)graph_roll(g, 4) + 1 : d;
        list[i] = dim[i] == d && graph_chance(g, 3) ? 1 : dim[i];
    }
    in[0] = v;
    in[1] = graph_list(g, list, rank);
    return in[1] >= 0 && moved(g, graph_add(g, "Expand", 2, in), v, rank, dim);
}

static bool make_concat(graph *g)
{
    int v = graph_take(g, ANYTHING, 1, GRAPH_RANK, true), in[4] = { v }, len, axis;
    if (v < 0)
        return false;
    graph_value x = g->value[v], y = x;
    int64_t     said = any_axis(g, &x, &axis);
    len = 1 + (int)graph_roll(g, 4);
    for (int i = 1; i < len; i++) {
        y.dim[axis] = (int64_t)graph_roll(g, 4) + !graph_chance(g, 4);
        in[i] = graph_chance(g, 4) ? v : graph_leaf(g, x.dtype, x.rank, y.dim, graph_floats(g));
        if (in[i] < 0)
            return false;
        x.dim[axis] += g->value[in[i]].dim[axis];
    }
    graph_node *n = graph_add(g, "Concat", len, in);
    if (n)
        graph_attr_int(n, "axis", said);
    return moved(g, n, v, x.rank, x.dim);
}

static bool make_split(graph *g)
{
    int v = graph_take(g, ANYTHING, 1, GRAPH_RANK, true), in[2] = { v, -1 }, axis, len;
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    int64_t     said = any_axis(g, &x, &axis), list[NODE_OUT] = { 0 }, left = x.dim[axis];
    len = 1 + (int)graph_roll(g, 4);
    for (int i = 0; i < len; i++) {
        list[i] = i == len - 1 ? left : left ? graph_between(g, 0, BL_MIN(left, 200)) : 0;
        left -= list[i];
    }
    if (g->opset >= 13 && (in[1] = graph_list(g, list, len)) < 0)
        return false;
    graph_node *n = graph_add(g, "Split", g->opset >= 13 ? 2 : 1, in);
    if (!n)
        return false;
    graph_attr_int(n, "axis", said);
    if (g->opset < 13)
        graph_attr_list(n, "split", list, len);
    for (int i = 0; i < len; i++) {
        x.dim[axis] = list[i];
        if (!moved(g, n, v, x.rank, x.dim))
            return false;
    }
    return true;
}

static bool make_tile(graph *g)
{
    int     v = graph_take(g, ANYTHING, 1, GRAPH_RANK, true), in[2];
    int64_t list[GRAPH_RANK];
    if (v < 0 || graph_len(&g->value[v]) > 512)
        return false;
    graph_value x = g->value[v];
    for (int i = 0; i < x.rank; i++) {
        list[i] = graph_chance(g, 2) ? 1 : (int64_t)graph_roll(g, 4);
        x.dim[i] *= list[i];
    }
    in[0] = v;
    in[1] = graph_list(g, list, x.rank);
    return in[1] >= 0 && moved(g, graph_add(g, "Tile", 2, in), v, x.rank, x.dim);
}

static bool make_pad(graph *g)
{
    static const char *const modes[] = { "constant", "edge", "reflect", "wrap" };
    int                      v = graph_take(g, NUMBERS, 1, 4, true), in[3],
        mode = (int)graph_roll(g, g->opset < 19 ? 3 : 4);
    int64_t list[2 * GRAPH_RANK] = { 0 };
    if (v < 0 || graph_len(&g->value[v]) > 512 || graph_len(&g->value[v]) == 0)
        return false;
    graph_value x = g->value[v];
    for (int i = 0; i < x.rank; i++)
        for (int side = 0; side < 2; side++) {
            int64_t most = mode == 2 ? BL_MIN(x.dim[i] - 1, 3) : 3;
            int64_t pad = graph_chance(g, 2) || most < 0 ? 0 : graph_between(g, 0, most);
            if (mode == 0 && x.dim[i] > 2 && graph_chance(g, 6))
                pad = -1;
            list[side * x.rank + i] = pad;
        }
    for (int i = 0; i < x.rank; i++)
        x.dim[i] += list[i] + list[x.rank + i];
    in[0] = v;
    in[1] = graph_list(g, list, 2 * x.rank);
    in[2] = mode == 0 && graph_chance(g, 2) ? graph_number(g, x.dtype, 3) : -1;
    if (in[1] < 0)
        return false;
    graph_node *n = graph_add(g, "Pad", in[2] < 0 ? 2 : 3, in);
    if (n && (mode || graph_chance(g, 2)))
        graph_attr_text(n, "mode", modes[mode]);
    return moved(g, n, v, x.rank, x.dim);
}

static bool make_depth(graph *g)
{
    int64_t b = 1 + (int64_t)graph_roll(g, 3), dim[4], out[4];
    bool    deep = graph_chance(g, 2);
    for (int i = 0; i < 4; i++)
        dim[i] = 1 + (int64_t)graph_roll(g, 4);
    memcpy(out, dim, sizeof out);
    dim[1] *= deep ? b * b : 1;
    out[1] *= deep ? 1 : b * b;
    for (int i = 2; i < 4; i++) {
        dim[i] *= deep ? 1 : b;
        out[i] *= deep ? b : 1;
    }
    int         v = graph_leaf(g, BLIND_F32, 4, dim, graph_floats(g));
    graph_node *n = v < 0 ? NULL : graph_add(g, deep ? "DepthToSpace" : "SpaceToDepth", 1, &v);
    if (!n)
        return false;
    graph_attr_int(n, "blocksize", b);
    if (deep && graph_chance(g, 2))
        graph_attr_text(n, "mode", graph_chance(g, 2) ? "CRD" : "DCR");
    return moved(g, n, v, 4, out);
}

static bool make_trilu(graph *g)
{
    int v = graph_take(g, g->opset < 14 ? 0 : NUMBERS, 2, 4, true), in[2] = { v, -1 };
    if (v < 0 || g->opset < 14)
        return false;
    if (graph_chance(g, 2))
        in[1] = graph_number(g, BLIND_I64, (double)graph_between(g, -5, 5));
    graph_node *n = graph_add(g, "Trilu", in[1] < 0 ? 1 : 2, in);
    if (n && graph_chance(g, 2))
        graph_attr_int(n, "upper", 0);
    return n && graph_result_like(g, n, v) >= 0;
}

/* By index.  --------------------------------------------------------------------------------- */

/* Indices below d, some from the back; now and then one beyond. */
static int indices(graph *g, int rank, const int64_t *dim, int64_t d)
{
    bool        back = graph_chance(g, 2), beyond = graph_chance(g, 64);
    blind_dtype dtype = graph_chance(g, 3) ? BLIND_I32 : BLIND_I64;
    return graph_numbers(g, dtype, rank, dim, back ? -d : 0, d - 1 + beyond);
}

static bool make_gather(graph *g)
{
    int     v = graph_take(g, ANYTHING, 1, 4, true), axis, rank, in[2];
    int64_t dim[GRAPH_RANK], out[2 * GRAPH_RANK];
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    int64_t     said = any_axis(g, &x, &axis);
    if (x.dim[axis] == 0)
        return false;
    rank = (int)graph_roll(g, 3);
    for (int i = 0; i < rank; i++)
        dim[i] = (int64_t)graph_roll(g, 4) + 1;
    int k = 0;
    for (int i = 0; i < axis; i++)
        out[k++] = x.dim[i];
    for (int i = 0; i < rank; i++)
        out[k++] = dim[i];
    for (int i = axis + 1; i < x.rank; i++)
        out[k++] = x.dim[i];
    in[0] = v;
    in[1] = indices(g, rank, dim, x.dim[axis]);
    graph_node *n = in[1] < 0 ? NULL : graph_add(g, "Gather", 2, in);
    if (n)
        graph_attr_int(n, "axis", said);
    return moved(g, n, v, k, out);
}

static bool make_gather_elements(graph *g)
{
    int     v = graph_take(g, ANYTHING, 1, 4, true), axis, in[3];
    int64_t dim[GRAPH_RANK];
    bool    scatter = graph_chance(g, 2);
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    int64_t     said = any_axis(g, &x, &axis);
    if (x.dim[axis] == 0)
        return false;
    for (int i = 0; i < x.rank; i++)
        dim[i] = i == axis ? 1 + (int64_t)graph_roll(g, scatter ? (unsigned)BL_MIN(x.dim[i], 4) : 5)
                 : x.dim[i] ? graph_between(g, 1, BL_MIN(x.dim[i], 200))
                            : 0;
    in[0] = v;
    in[1] = indices(g, x.rank, dim, x.dim[axis]);
    in[2] = scatter ? graph_leaf(g, x.dtype, x.rank, dim, FILL_QUARTERS) : -1;
    if (in[1] < 0 || (scatter && in[2] < 0))
        return false;
    graph_node *n =
        graph_add(g, scatter ? "ScatterElements" : "GatherElements", scatter ? 3 : 2, in);
    if (!n)
        return false;
    graph_attr_int(n, "axis", said);
    if (scatter && g->opset >= 18 && REALS >> x.dtype & 1 && graph_chance(g, 2)) {
        static const char *const modes[] = { "add", "mul", "max", "min" };
        graph_attr_text(n, "reduction", modes[graph_roll(g, 4)]);
        n->rule = RULE_LOOSE;
    }
    return scatter ? graph_result_like(g, n, v) >= 0 : moved(g, n, v, x.rank, dim);
}

static bool make_gather_nd(graph *g)
{
    int     v = graph_take(g, ANYTHING, 1, 4, true), in[3], k;
    int64_t dim[GRAPH_RANK], out[GRAPH_RANK], least = 200;
    bool    scatter = graph_chance(g, 2);
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    k = 1 + (int)graph_roll(g, (unsigned)x.rank);
    dim[0] = 1 + (int64_t)graph_roll(g, 5);
    dim[1] = k;
    for (int i = 0; i < k; i++)
        least = BL_MIN(least, x.dim[i]);
    if (least == 0)
        return false;
    out[0] = dim[0];
    for (int i = k; i < x.rank; i++)
        out[i - k + 1] = x.dim[i];
    in[0] = v;
    in[1] = graph_numbers(g, BLIND_I64, 2, dim, graph_chance(g, 2) ? -least : 0, least - 1);
    in[2] = scatter ? graph_leaf(g, x.dtype, x.rank - k + 1, out, FILL_QUARTERS) : -1;
    if (in[1] < 0 || (scatter && in[2] < 0))
        return false;
    graph_node *n = graph_add(g, scatter ? "ScatterND" : "GatherND", scatter ? 3 : 2, in);
    if (!n)
        return false;
    if (scatter && g->opset >= 18 && REALS >> x.dtype & 1 && graph_chance(g, 2)) {
        graph_attr_text(n, "reduction", graph_chance(g, 2) ? "add" : "max");
        n->rule = RULE_LOOSE;
    }
    return scatter ? graph_result_like(g, n, v) >= 0 : moved(g, n, v, x.rank - k + 1, out);
}

static bool make_compress(graph *g)
{
    int     v = graph_take(g, NUMBERS, 1, 4, false), axis, in[2] = { v, -1 };
    int64_t dim[GRAPH_RANK];
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    int64_t     said = any_axis(g, &x, &axis);
    switch (graph_roll(g, 3)) {
    case 0:
        in[1] = graph_leaf(g, BLIND_BOOL, 1, &x.dim[axis], FILL_UNIT);
        if (in[1] < 0)
            return false;
        graph_node *n = graph_add(g, "Compress", 2, in);
        if (!n)
            return false;
        graph_attr_int(n, "axis", said);
        return graph_result(g, n, x.dtype, -1, NULL) >= 0;
    case 1:
        n = graph_add(g, "NonZero", 1, in);
        return n && graph_result(g, n, BLIND_I64, -1, NULL) >= 0;
    default:
        dim[0] = 1 + (int64_t)graph_roll(g, 12);
        in[0] = graph_leaf(g, graph_chance(g, 2) ? BLIND_F32 : BLIND_I64, 1, dim, FILL_QUARTERS);
        if (in[0] < 0)
            return false;
        n = graph_add(g, "Unique", 1, in);
        if (!n)
            return false;
        n->rule = RULE_JUMP;
        if (graph_chance(g, 2))
            graph_attr_int(n, "sorted", 0);
        if (graph_chance(g, 2))
            graph_attr_int(n, "axis", 0);
        for (int i = 0; i < 4; i++)
            if (graph_result(g, n, i ? BLIND_I64 : g->value[in[0]].dtype, -1, NULL) < 0)
                return false;
        return true;
    }
}

static bool make_one_hot(graph *g)
{
    int64_t dim[GRAPH_RANK], out[GRAPH_RANK], depth = 1 + (int64_t)graph_roll(g, 6);
    int     rank = graph_shape(g, 0, 3, dim), axis = (int)graph_roll(g, (unsigned)rank + 1), in[3];
    blind_dtype dtype = graph_chance(g, 2) ? BLIND_F32 : BLIND_I64;
    in[0] = graph_numbers(g, BLIND_I64, rank, dim, -depth - 1, depth);
    in[1] = graph_number(g, BLIND_I64, (double)depth);
    in[2] = graph_leaf(g, dtype, 1, &(int64_t){ 2 }, FILL_QUARTERS);
    graph_node *n = in[0] < 0 || in[1] < 0 || in[2] < 0 ? NULL : graph_add(g, "OneHot", 3, in);
    if (!n)
        return false;
    graph_attr_int(n, "axis", graph_chance(g, 2) ? axis : axis - rank - 1);
    for (int i = 0; i <= rank; i++)
        out[i] = i < axis ? dim[i] : i == axis ? depth : dim[i - 1];
    return graph_result(g, n, dtype, rank + 1, out) >= 0;
}

static bool make_range(graph *g)
{
    int in[3];
    if (graph_chance(g, 2)) {
        int64_t dim[GRAPH_RANK];
        int     rank = graph_shape(g, 0, 4, dim);
        in[0] = graph_list(g, dim, rank);
        graph_node *n = in[0] < 0 ? NULL : graph_add(g, "ConstantOfShape", 1, in);
        if (!n)
            return false;
        bool whole = graph_chance(g, 2);
        if (whole) {
            graph_attr *a = &n->attrs[n->n_attrs++];
            *a = (graph_attr){
                .name = "value", .kind = ATTR_TENSOR, .dtype = BLIND_I64, .len = 1, .ints = { 7 }
            };
        }
        return graph_result(g, n, whole ? BLIND_I64 : BLIND_F32, rank, dim) >= 0;
    }
    int64_t from = graph_between(g, -9, 9), len = (int64_t)graph_roll(g, 20),
            step = graph_between(g, 1, 3);
    bool        down = graph_chance(g, 3);
    blind_dtype dtype = graph_chance(g, 3) ? BLIND_F32 : graph_chance(g, 2) ? BLIND_I32 : BLIND_I64;
    in[0] = graph_number(g, dtype, (double)from);
    in[1] = graph_number(g, dtype, (double)(down ? from - len * step : from + len * step));
    in[2] = graph_number(g, dtype, (double)(down ? -step : step));
    graph_node *n = in[2] < 0 ? NULL : graph_add(g, "Range", 3, in);
    return n && graph_result(g, n, dtype, 1, &len) >= 0;
}

static bool make_shape(graph *g)
{
    int         v = graph_take(g, ANYTHING, 0, GRAPH_RANK, true);
    bool        size = graph_chance(g, 3);
    graph_node *n = v < 0 ? NULL : graph_add(g, size ? "Size" : "Shape", 1, &v);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    int64_t rank = g->value[v].rank;
    int     r = graph_result(g, n, BLIND_I64, size ? 0 : 1, &rank);
    if (r >= 0)
        g->value[r].rough = false;
    return r >= 0;
}

/* Order and counts along an axis.  ------------------------------------------------------------ */

static bool make_arg(graph *g)
{
    int v = graph_take(g, REALS | ANY_OF(I32) | ANY_OF(I64) | ANY_OF(U8) | ANY_OF(I8), 1, 4,
                       graph_chance(g, 8)),
        axis;
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    int64_t     said = any_axis(g, &x, &axis), dim[GRAPH_RANK];
    int         rank = 0;
    bool        keep = graph_chance(g, 2);
    if (x.dim[axis] == 0)
        return false;
    graph_node *n = graph_add(g, graph_chance(g, 2) ? "ArgMax" : "ArgMin", 1, &v);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    graph_attr_int(n, "axis", said);
    graph_attr_int(n, "keepdims", keep);
    if (g->opset >= 12 && graph_chance(g, 3))
        graph_attr_int(n, "select_last_index", 1);
    for (int i = 0; i < x.rank; i++)
        if (i != axis || keep)
            dim[rank++] = i == axis ? 1 : x.dim[i];
    return graph_result(g, n, BLIND_I64, rank, dim) >= 0;
}

static bool make_top_k(graph *g)
{
    int v = graph_take(g, ANY_OF(F32) | ANY_OF(F64) | ANY_OF(I64) | ANY_OF(I32), 1, 4,
                       graph_chance(g, 8)),
        axis, in[2];
    if (v < 0)
        return false;
    graph_value x = g->value[v];
    int64_t     said = any_axis(g, &x, &axis), k = graph_between(g, 0, BL_MIN(x.dim[axis], 200));
    in[0] = v;
    in[1] = graph_list(g, &k, 1);
    graph_node *n = in[1] < 0 ? NULL : graph_add(g, "TopK", 2, in);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    graph_attr_int(n, "axis", said);
    if (graph_chance(g, 2))
        graph_attr_int(n, "largest", 0);
    x.dim[axis] = k;
    return graph_result(g, n, x.dtype, x.rank, x.dim) >= 0 &&
           graph_result(g, n, BLIND_I64, x.rank, x.dim) >= 0;
}

static bool make_cum_sum(graph *g)
{
    int v = graph_take(g, ANY_OF(F32) | ANY_OF(F64) | ANY_OF(I64) | ANY_OF(I32), 1, 4, true), axis,
        in[2];
    if (v < 0)
        return false;
    int64_t said = any_axis(g, &g->value[v], &axis);
    in[0] = v;
    in[1] = graph_number(g, BLIND_I64, (double)said);
    graph_node *n = in[1] < 0 ? NULL : graph_add(g, "CumSum", 2, in);
    if (!n)
        return false;
    n->rule = REALS >> g->value[v].dtype & 1 ? RULE_SUM : RULE_JUMP;
    n->terms = (double)g->value[v].dim[axis];
    if (graph_chance(g, 2))
        graph_attr_int(n, "exclusive", 1);
    if (graph_chance(g, 2))
        graph_attr_int(n, "reverse", 1);
    return graph_result_like(g, n, v) >= 0;
}

static bool make_reverse(graph *g)
{
    int64_t dim[GRAPH_RANK];
    int     rank = graph_shape(g, 2, 4, dim), in[2];
    bool    batch_first = graph_chance(g, 2);
    if (dim[0] == 0 || dim[1] == 0)
        return false;
    in[0] = graph_leaf(g, graph_type(g, NUMBERS), rank, dim, graph_floats(g));
    in[1] = graph_numbers(g, BLIND_I64, 1, &dim[!batch_first], 1, dim[batch_first]);
    graph_node *n = in[0] < 0 || in[1] < 0 ? NULL : graph_add(g, "ReverseSequence", 2, in);
    if (!n)
        return false;
    graph_attr_int(n, "batch_axis", !batch_first);
    graph_attr_int(n, "time_axis", batch_first);
    return graph_result_like(g, n, in[0]) >= 0;
}

static bool make_eye(graph *g)
{
    int v = graph_take(g, ANY_OF(F32) | ANY_OF(F64) | ANY_OF(I64) | ANY_OF(I32), 2, 2, true);
    graph_node *n = v < 0 ? NULL : graph_add(g, "EyeLike", 1, &v);
    if (!n)
        return false;
    n->rule = RULE_JUMP;
    if (graph_chance(g, 2))
        graph_attr_int(n, "k", graph_between(g, -3, 3));
    return graph_result_like(g, n, v) >= 0;
}

const graph_family graph_moves[] = {
    { make_reshape, 3 },   { make_flatten, 1 },
    { make_squeeze, 2 },   { make_transpose, 4 },
    { make_slice, 3 },     { make_expand, 2 },
    { make_concat, 3 },    { make_split, 2 },
    { make_tile, 1 },      { make_pad, 2 },
    { make_depth, 1 },     { make_trilu, 1 },
    { make_gather, 3 },    { make_gather_elements, 2 },
    { make_gather_nd, 2 }, { make_compress, 1 },
    { make_one_hot, 1 },   { make_range, 1 },
    { make_shape, 1 },     { make_arg, 2 },
    { make_top_k, 2 },     { make_cum_sum, 1 },
    { make_reverse, 1 },   { make_eye, 1 },
};
const size_t graph_moves_len = BL_LEN(graph_moves);
