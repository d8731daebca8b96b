/* How much work a node is.  A node is never interrupted, so one alone must not take for ever: what
 * is more than linear in its inputs and outputs is estimated here, and refused past a bound. */
#include "onnx/families.h"
#include "onnx/plan.h"

static double len_of(const bl_build *b, const bl_node *n, int i)
{
    return bl_has_in(n, i) ? (double)bl_in(b, n, i)->len : 0;
}

/* Dimension d of input i, from the back where d is negative; 1 where there is none. */
static double dim_of(const bl_build *b, const bl_node *n, int i, int d)
{
    const bl_tensor *t = bl_has_in(n, i) ? bl_in(b, n, i) : NULL;
    int              at = t && d < 0 ? d + t->rank : d;
    return t && at >= 0 && at < t->rank ? (double)t->dim[at] : 1;
}

static double out_len(const bl_build *b, const bl_node *n)
{
    return bl_has_out(n, 0) ? (double)bl_out(b, n, 0)->len : 0;
}

/* The axis that a product sums over. */
static double product_work(const bl_build *b, const bl_node *n)
{
    bool turned = bl_attr_int(n, "transA", 0) != 0;
    return out_len(b, n) * dim_of(b, n, 0, turned ? -2 : -1);
}

static double weights_of(const char *type)
{
    return strcmp(type, "QLinearConv") == 0 ? 3 : 1;
}

/* Each output element reads one filter. */
static double conv_work(const bl_build *b, const bl_node *n)
{
    int    w = (int)weights_of(n->type);
    double filters = dim_of(b, n, w, 0);
    return filters > 0 ? out_len(b, n) * len_of(b, n, w) / filters : 0;
}

/* Each input element writes one filter. */
static double conv_transpose_work(const bl_build *b, const bl_node *n)
{
    double filters = dim_of(b, n, 1, 0);
    return filters > 0 ? len_of(b, n, 0) * len_of(b, n, 1) / filters : 0;
}

/* The part of a window that can lie inside. */
static double pool_work(const bl_build *b, const bl_node *n)
{
    int64_t     kernel[BL_ONNX_RANK] = { 0 };
    size_t      len = 0;
    double      work = out_len(b, n);
    bl_build    quiet = *b;
    blind_error ignored;
    quiet.err = &ignored;
    if (bl_attr_ints(&quiet, n, "kernel_shape", kernel, BL_ONNX_RANK, &len) != BLIND_OK)
        return work;
    for (size_t i = 0; i < len; i++)
        work *= BL_MIN((double)kernel[i], dim_of(b, n, 0, 2 + (int)i));
    return work;
}

static double neighbours_work(const bl_build *b, const bl_node *n)
{
    return out_len(b, n) * BL_MIN((double)bl_attr_int(n, "size", 1), dim_of(b, n, 0, 1));
}

static double determinant_work(const bl_build *b, const bl_node *n)
{
    return len_of(b, n, 0) * dim_of(b, n, 0, -1);
}

static double cell_work(const bl_build *b, const bl_node *n)
{
    return dim_of(b, n, 0, 0) * dim_of(b, n, 0, 1) * (len_of(b, n, 1) + len_of(b, n, 2));
}

static double packed_work(const bl_build *b, const bl_node *n)
{
    return out_len(b, n) * (double)bl_attr_int(n, "K", 1);
}

/* Every query meets every key, twice. */
static double attention_work(const bl_build *b, const bl_node *n)
{
    return 2 * len_of(b, n, 0) * BL_MAX(dim_of(b, n, 0, 1), dim_of(b, n, 1, 1));
}

/* Every row meets every number that the attributes hold. */
static double learned_work(const bl_build *b, const bl_node *n)
{
    double most = 0;
    for (size_t i = 0; i < n->n_attrs; i++)
        most = BL_MAX(most, (double)n->attrs[i].len);
    return dim_of(b, n, 0, 0) * most;
}

static const struct {
    const char *type;
    double (*work)(const bl_build *b, const bl_node *n);
    bool plain; /* no kernels, whatever the type */
} rows[] = {
    { "MatMul", product_work, false },
    { "Gemm", product_work, false },
    { "FusedMatMul", product_work, false },
    { "MatMulInteger", product_work, false },
    { "QLinearMatMul", product_work, false },
    { "MatMulNBits", packed_work, false },
    { "Einsum", bl_einsum_work, false },
    { "Conv", conv_work, false },
    { "ConvInteger", conv_work, false },
    { "QLinearConv", conv_work, false },
    { "DeformConv", conv_work, true },
    { "ConvTranspose", conv_transpose_work, false },
    { "MaxPool", pool_work, false },
    { "AveragePool", pool_work, false },
    { "LpPool", pool_work, true },
    { "LRN", neighbours_work, true },
    { "Det", determinant_work, true },
    { "RNN", cell_work, false },
    { "GRU", cell_work, false },
    { "LSTM", cell_work, false },
    { "MultiHeadAttention", attention_work, false },
    { "Attention", attention_work, false },
    { "TfIdfVectorizer", learned_work, true },
    { "SVMClassifier", learned_work, true },
    { "SVMRegressor", learned_work, true },
};

double bl_node_work(const bl_build *b, const bl_node *n)
{
    double work = 0;
    for (int i = 0; i < n->n_in; i++)
        work += len_of(b, n, i);
    for (int i = 0; i < n->n_out; i++)
        work += bl_has_out(n, i) ? (double)bl_out(b, n, i)->len : 0;
    for (size_t i = 0; i < BL_LEN(rows); i++)
        if (strcmp(rows[i].type, n->type) == 0)
            return work + rows[i].work(b, n);
    return work;
}

static bool is_slow(const bl_build *b, const bl_node *n)
{
    blind_dtype of = bl_has_in(n, 0) ? bl_in(b, n, 0)->dtype : BLIND_F32;
    bool        kernels = of == BLIND_F32 || of == BLIND_U8 || of == BLIND_I8;
    for (size_t i = 0; i < BL_LEN(rows); i++)
        if (strcmp(rows[i].type, n->type) == 0 && rows[i].plain)
            return true;
    if (strcmp(n->type, "Conv") == 0 && !bl_is_const(b, n, 1))
        return true;
    return b->kernels->isa == BL_ISA_SCALAR || !kernels;
}

blind_code bl_node_check_work(const bl_build *b, const bl_node *n)
{
    double work = bl_node_work(b, n);
    double most = is_slow(b, n) ? (double)BL_MAX_SLOW_WORK : (double)BL_MAX_NODE_WORK;
    return work <= most
               ? BLIND_OK
               : bl_op_fail(b, n, BLIND_LIMIT, "%.0f operations, the limit is %.0f", work, most);
}
