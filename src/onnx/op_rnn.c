/* RNN, GRU and LSTM: the inputs of all steps and directions are one product, then the recurrent
 * kernel goes step by step (nn/recurrent.h). */
#include "onnx/families.h"

#include <math.h>
#include <stdlib.h>

enum { X, W, R, B, LENS, H0, C0, P };

typedef struct {
    bl_recurrent      r;
    size_t            inputs; /* features of one step */
    size_t            gates;  /* of one direction, times hidden: rows of its W */
    size_t            x_at;   /* bytes of scratch before the products, the bias, the kernel's own */
    size_t            bias_at, state_at;
    const bl_weights *weights; /* W of both directions; NULL: it is no constant */
    const bl_weights *recurrent[2];
    bool              batch_first;
} rnn_params;

/* Activations.  ------------------------------------------------------------------------------ */

/* name, operator, and the parameters where the model gives none. */
static const struct {
    const char *name;
    bl_unary    op;
    float       a, b;
    bool        has_a, has_b;
} functions[] = {
    { "Sigmoid", BL_UNARY_SIGMOID, 0, 0, false, false },
    { "Tanh", BL_UNARY_TANH, 0, 0, false, false },
    { "Relu", BL_UNARY_RELU, 0, 0, false, false },
    { "Affine", BL_UNARY_AFFINE, 1, 0, true, true },
    { "LeakyRelu", BL_UNARY_LEAKY_RELU, 0.01f, 0, true, false },
    { "ThresholdedRelu", BL_UNARY_THRESHOLDED_RELU, 1, 0, true, false },
    { "ScaledTanh", BL_UNARY_SCALED_TANH, 1, 1, true, true },
    { "HardSigmoid", BL_UNARY_HARD_SIGMOID, 0.2f, 0.5f, true, true },
    { "Elu", BL_UNARY_ELU, 1, 0, true, false },
    { "Softsign", BL_UNARY_SOFTSIGN, 0, 0, false, false },
    { "Softplus", BL_UNARY_SOFTPLUS, 0, 0, false, false },
};

/* Letters of either case: ONNX Runtime takes both. */
static bool same_word(const char *a, blind_span b)
{
    size_t i = 0;
    while (a[i] && i < b.size && (a[i] | 0x20) == (b.data[i] | 0x20))
        i++;
    return !a[i] && i == b.size;
}

/* Parameters are dealt in order to the functions that have them. */
typedef struct {
    const bl_attr *alpha, *beta;
    size_t         alphas, betas; /* taken */
} parameters;

static float take(const bl_attr *list, size_t *taken, float otherwise)
{
    return list && list->floats && *taken < list->len ? list->floats[(*taken)++] : otherwise;
}

static blind_code set_function(bl_build *b, const bl_node *n, blind_span name, parameters *given,
                               bl_activation *out)
{
    for (size_t i = 0; i < BL_LEN(functions); i++) {
        if (!same_word(functions[i].name, name))
            continue;
        *out = (bl_activation){ functions[i].op, functions[i].a, functions[i].b };
        if (functions[i].has_a)
            out->a = take(given->alpha, &given->alphas, out->a);
        if (functions[i].has_b)
            out->b = take(given->beta, &given->betas, out->b);
        return BLIND_OK;
    }
    return bl_op_fail(b, n, BLIND_UNSUPPORTED, "activation '%.*s'",
                      (int)BL_MIN(name.size, (size_t)40), (const char *)name.data);
}

static blind_code set_functions(bl_build *b, const bl_node *n, bl_recurrent *r)
{
    static const char *const usual[] = { "Sigmoid", "Tanh", "Tanh" };
    const bl_attr           *list = bl_attr_find(n, "activations");
    parameters given = { bl_attr_find(n, "activation_alpha"), bl_attr_find(n, "activation_beta"), 0,
                         0 };
    size_t     each = r->cell == BL_CELL_LSTM ? 3 : r->cell == BL_CELL_RNN ? 1 : 2;
    bool       listed = list && list->strings && list->len > 0;
    if (listed && list->len != each * r->directions)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu activations, expected %zu", list->len,
                          each * r->directions);
    for (size_t d = 0; d < r->directions; d++)
        for (size_t i = 0; i < each; i++) {
            const char *otherwise = usual[r->cell == BL_CELL_RNN ? 1 : i];
            blind_span  name = listed ? list->strings[d * each + i] : bl_span_str(otherwise);
            BL_TRY(set_function(b, n, name, &given, &r->direction[d].act[i]));
        }
    return BLIND_OK;
}

/* Shapes.  ----------------------------------------------------------------------------------- */

static blind_code set_direction(bl_build *b, const bl_node *n, bl_recurrent *r)
{
    const char *name = bl_attr_str(n, "direction", "forward");
    r->directions = strcmp(name, "bidirectional") == 0 ? 2 : 1;
    if (r->directions == 1 && strcmp(name, "forward") != 0 && strcmp(name, "reverse") != 0)
        return bl_op_fail(b, n, BLIND_INPUT, "direction '%.40s'", name);
    r->direction[0].reverse = strcmp(name, "reverse") == 0;
    r->direction[1].reverse = true;
    return BLIND_OK;
}

static bl_cell cell_of(const bl_node *n)
{
    if (strcmp(n->type, "LSTM") == 0)
        return BL_CELL_LSTM;
    if (strcmp(n->type, "RNN") == 0)
        return BL_CELL_RNN;
    return bl_attr_int(n, "linear_before_reset", 0) ? BL_CELL_GRU_AFTER : BL_CELL_GRU;
}

/* Input i is left out, or f32 (seq lens: i32) of these axes. */
static blind_code check_shape(bl_build *b, const bl_node *n, int i, int rank, const size_t *dim)
{
    const bl_tensor *t = bl_in(b, n, i);
    bool             fits = t && t->rank == rank;
    if (!t)
        return BLIND_OK;
    if (t->dtype != (i == LENS ? BLIND_I32 : BLIND_F32))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d has elements of type %s", i,
                          blind_dtype_name(t->dtype));
    for (int d = 0; fits && d < rank; d++)
        fits = (size_t)t->dim[d] == dim[d];
    return fits ? BLIND_OK
                : bl_op_fail(b, n, BLIND_INPUT, "input %d is not of the shape that X and R ask", i);
}

static blind_code check_shapes(bl_build *b, const bl_node *n, const rnn_params *p)
{
    const bl_recurrent *r = &p->r;
    size_t              two;
    if (!bl_mul(p->gates, 2, &two))
        return bl_op_fail(b, n, BLIND_LIMIT, "a layer of impossible size");
    size_t first = p->batch_first ? r->rows : r->directions;
    size_t second = p->batch_first ? r->directions : r->rows;
    BL_TRY(check_shape(b, n, W, 3, (size_t[]){ r->directions, p->gates, p->inputs }));
    BL_TRY(check_shape(b, n, R, 3, (size_t[]){ r->directions, p->gates, r->hidden }));
    BL_TRY(check_shape(b, n, B, 2, (size_t[]){ r->directions, two }));
    BL_TRY(check_shape(b, n, LENS, 1, (size_t[]){ r->rows }));
    BL_TRY(check_shape(b, n, H0, 3, (size_t[]){ first, second, r->hidden }));
    BL_TRY(check_shape(b, n, C0, 3, (size_t[]){ first, second, r->hidden }));
    return check_shape(b, n, P, 2, (size_t[]){ r->directions, 3 * r->hidden });
}

/* Strides of Y, of the products and of states. */
static void set_strides(rnn_params *p)
{
    bl_recurrent *r = &p->r;
    size_t        width = r->directions * p->gates, states = r->directions * r->hidden;
    r->x_step = p->batch_first ? width : r->rows * width;
    r->x_row = p->batch_first ? r->steps * width : width;
    r->y_step = p->batch_first ? states : r->rows * states;
    r->y_row = p->batch_first ? r->steps * states : r->hidden;
    r->state_row = p->batch_first ? states : r->hidden;
}

static blind_code set_outs(bl_build *b, const bl_node *n, const rnn_params *p)
{
    int64_t steps = (int64_t)p->r.steps, rows = (int64_t)p->r.rows;
    int64_t dirs = (int64_t)p->r.directions, hidden = (int64_t)p->r.hidden;
    int64_t first[4] = { steps, dirs, rows, hidden }, batch[4] = { rows, steps, dirs, hidden };
    int64_t state[3] = { dirs, rows, hidden }, batch_state[3] = { rows, dirs, hidden };
    BL_TRY(bl_set_out(b, n, 0, BLIND_F32, 4, p->batch_first ? batch : first));
    for (int i = 1; i < 3; i++)
        BL_TRY(bl_set_out(b, n, i, BLIND_F32, 3, p->batch_first ? batch_state : state));
    return BLIND_OK;
}

static blind_code rnn_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, X), *w = bl_in(b, n, W), *r = bl_in(b, n, R);
    rnn_params      *p;
    if (x->rank != 3 || w->rank != 3 || r->rank != 3 || x->dtype != BLIND_F32)
        return bl_op_fail(b, n, x->dtype == BLIND_F32 ? BLIND_INPUT : BLIND_UNSUPPORTED,
                          "%s with %d axes, weights with %d and %d", blind_dtype_name(x->dtype),
                          x->rank, w->rank, r->rank);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->batch_first = n->opset >= 14 && bl_attr_int(n, "layout", 0) != 0;
    p->r.cell = cell_of(n);
    p->r.steps = (size_t)x->dim[p->batch_first];
    p->r.rows = (size_t)x->dim[!p->batch_first];
    p->inputs = (size_t)x->dim[2];
    p->gates = (size_t)w->dim[1];
    p->r.hidden = (size_t)r->dim[2];
    p->r.clip = bl_attr_float(n, "clip", 0);
    p->r.input_forget = p->r.cell == BL_CELL_LSTM && bl_attr_int(n, "input_forget", 0) != 0;
    BL_TRY(set_direction(b, n, &p->r));
    if (p->gates != bl_cell_gates(p->r.cell) * p->r.hidden ||
        bl_attr_int(n, "hidden_size", (int64_t)p->r.hidden) != (int64_t)p->r.hidden)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu gates of %zu units", p->gates, p->r.hidden);
    BL_TRY(check_shapes(b, n, p));
    BL_TRY(set_functions(b, n, &p->r));
    set_strides(p);
    n->raw = 1u << W | 1u << R;
    return set_outs(b, n, p);
}

/* Weights.  ---------------------------------------------------------------------------------- */

/* The constant's floats, aligned: its own or a copy on the stage. */
static blind_code aligned(bl_build *b, const bl_node *n, int i, const float **out)
{
    const bl_tensor *t = bl_in(b, n, i);
    *out = t->data;
    if ((uintptr_t)t->data % sizeof(float) == 0)
        return BLIND_OK;
    *out = bl_stage(b, bl_tensor_size(t));
    if (!*out)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory to pack weights");
    memcpy((void *)(uintptr_t)*out, t->data, bl_tensor_size(t));
    return BLIND_OK;
}

static blind_code pack_inputs(bl_build *b, bl_node *n, rnn_params *p)
{
    bl_packed *packed;
    p->weights = bl_store_find(b, n, 0);
    if (p->weights)
        return BLIND_OK;
    bl_matrix from = { bl_in(b, n, W)->data, p->inputs, p->r.directions * p->gates, 1, p->inputs,
                       bl_store_reading(b) };
    BL_TRY(b->kernels->gemm_pack(&from, &packed, b->err));
    bl_store_unneeded(b, bl_in(b, n, W));
    return bl_store_keep(b, n, 0, packed, NULL, 0, &p->weights);
}

static blind_code pack_recurrent(bl_build *b, bl_node *n, rnn_params *p, size_t d)
{
    const float *r;
    bl_packed   *packed;
    p->recurrent[d] = bl_store_find(b, n, 1 + (int)d);
    if (!p->recurrent[d]) {
        bl_store_needed(b, bl_in(b, n, R));
        BL_TRY(aligned(b, n, R, &r));
        BL_TRY(b->kernels->recurrent_pack(p->r.cell, p->r.hidden, r + d * p->gates * p->r.hidden,
                                          &packed, b->err));
        BL_TRY(bl_store_keep(b, n, 1 + (int)d, packed, NULL, 0, &p->recurrent[d]));
    }
    p->r.direction[d].weights = p->recurrent[d]->packed;
    if (d + 1 == p->r.directions)
        bl_store_unneeded(b, bl_in(b, n, R));
    return BLIND_OK;
}

/* What the store keeps is asked for by input 1 alone, so R is packed only where both are alike. */
static blind_code pack(bl_build *b, bl_node *n, rnn_params *p)
{
    bool w = bl_is_const(b, n, W) && bl_in(b, n, W)->len > 0;
    bool r = w && bl_is_const(b, n, R) && bl_in(b, n, R)->len > 0 &&
             bl_is_derived(b, n, W) == bl_is_derived(b, n, R);
    n->raw = (w ? 1u << W : 0) | (r ? 1u << R : 0);
    if (w)
        BL_TRY(pack_inputs(b, n, p));
    for (size_t d = 0; r && d < p->r.directions; d++)
        BL_TRY(pack_recurrent(b, n, p, d));
    return BLIND_OK;
}

/* [steps * rows][inputs] times W turned, where W is no constant. */
static bl_matmul product_of(const rnn_params *p)
{
    size_t width = p->r.directions * p->gates;
    return (bl_matmul){ .m = p->r.steps * p->r.rows,
                        .n = width,
                        .k = p->inputs,
                        .alpha = 1,
                        .a_row = p->inputs,
                        .a_col = 1,
                        .b_row = 1,
                        .b_col = p->inputs,
                        .out_row = width };
}

/* Appends `count` floats to the scratch; their place is *at. */
static bool reserve(size_t *total, size_t count, size_t *at)
{
    size_t size;
    *at = *total;
    return bl_mul(count, sizeof(float), &size) && bl_add(size, 63, &size) &&
           bl_add(*total, size / 64 * 64, total);
}

static blind_code rnn_prepare(bl_build *b, bl_node *n)
{
    rnn_params *p = n->params;
    int         threads = bl_pool_threads(b->pool);
    size_t      rows, width = p->r.directions * p->gates, len, total = 0, states;
    bl_matmul   product = product_of(p);
    BL_TRY(pack(b, n, p));
    size_t multiply = p->weights ? b->kernels->gemm_scratch(p->weights->packed, product.m, threads)
                                 : b->kernels->matmul_scratch(&product, threads);
    size_t step = b->kernels->recurrent_scratch(&p->r, threads);
    if (!bl_mul(p->r.steps, p->r.rows, &rows) || !bl_mul(rows, width, &len) ||
        !bl_mul(p->r.rows, 8 * width, &states) || !reserve(&total, len, &p->x_at) ||
        !reserve(&total, 2 * width, &p->bias_at) ||
        !reserve(&total, BL_MAX(multiply, step) / sizeof(float) + 1, &p->state_at))
        return bl_op_fail(b, n, BLIND_LIMIT, "a layer of impossible size");
    n->scratch = total;
    return BLIND_OK;
}

/* Running.  ---------------------------------------------------------------------------------- */

/* The gates' biases: W's and R's, but for the candidate of GRU_AFTER, whose R's the kernel adds. */
static void add_biases(const rnn_params *p, const float *bias, float *out)
{
    size_t late = p->r.cell == BL_CELL_GRU_AFTER ? 2 * p->r.hidden : p->gates;
    for (size_t d = 0; d < p->r.directions; d++)
        for (size_t i = 0; i < p->gates; i++) {
            const float *both = bias + d * 2 * p->gates;
            out[d * p->gates + i] = both[i] + (i < late ? both[p->gates + i] : 0);
        }
}

static void multiply(const bl_exec *x, const bl_node *n, const rnn_params *p, float *out,
                     const float *bias, void *scratch)
{
    bl_matmul m = product_of(p);
    if (p->weights) {
        bl_gemm g = { .rows = m.m,
                      .a = bl_arg(x, n, X)->data,
                      .a_stride = p->inputs,
                      .b = p->weights->packed,
                      .out = out,
                      .out_stride = m.n,
                      .epilogue = { .bias = bias },
                      .scratch = scratch };
        x->kernels->gemm(&g, x->pool);
        return;
    }
    m.a = bl_arg(x, n, X)->data;
    m.b = bl_arg(x, n, W)->data;
    m.out = out;
    m.scratch = scratch;
    x->kernels->matmul(&m, x->pool);
    for (size_t i = 0; bias && i < m.m * m.n; i++)
        out[i] += bias[i % m.n];
}

/* Element `at` of input i, or NULL. */
static const float *input_at(const bl_exec *x, const bl_node *n, int i, size_t at)
{
    const bl_tensor *t = bl_arg(x, n, i);
    return t ? (const float *)t->data + at : NULL;
}

static float *output_at(const bl_exec *x, const bl_node *n, int i, size_t at)
{
    bl_tensor *t = bl_result(x, n, i);
    return t ? (float *)t->data + at : NULL;
}

static void place_direction(const bl_exec *x, const bl_node *n, const rnn_params *p, size_t d,
                            const float *products, bl_direction *out)
{
    size_t hidden = p->r.hidden, state = d * hidden * (p->batch_first ? 1 : p->r.rows);
    bool   after = p->r.cell == BL_CELL_GRU_AFTER;
    out->plain = input_at(x, n, R, d * p->gates * hidden);
    out->x = products + d * p->gates;
    out->h_bias = after ? input_at(x, n, B, d * 2 * p->gates + p->gates + 2 * hidden) : NULL;
    out->peephole = p->r.cell == BL_CELL_LSTM ? input_at(x, n, P, d * 3 * hidden) : NULL;
    out->h0 = input_at(x, n, H0, state);
    out->c0 = p->r.cell == BL_CELL_LSTM ? input_at(x, n, C0, state) : NULL;
    out->y = output_at(x, n, 0, state);
    out->h_out = output_at(x, n, 1, state);
    out->c_out = output_at(x, n, 2, state);
}

static blind_code check_lens(const bl_exec *x, const bl_node *n, bl_recurrent *r)
{
    const bl_tensor *lens = bl_arg(x, n, LENS);
    r->lens = lens ? lens->data : NULL;
    for (size_t i = 0; lens && i < r->rows; i++)
        if (r->lens[i] < 0 || (size_t)r->lens[i] > r->steps)
            return bl_run_fail(x, n, "a sequence of %d steps of %zu", r->lens[i], r->steps);
    return BLIND_OK;
}

static blind_code rnn_run(const bl_exec *x, const bl_node *n)
{
    const rnn_params *p = n->params;
    char             *scratch = x->scratch;
    float            *products = (float *)(scratch + p->x_at);
    float            *bias = (float *)(scratch + p->bias_at);
    bl_recurrent      r = p->r;
    BL_TRY(check_lens(x, n, &r));
    if (r.rows * r.hidden == 0)
        return BLIND_OK;
    if (bl_arg(x, n, B))
        add_biases(p, bl_arg(x, n, B)->data, bias);
    if (r.steps)
        multiply(x, n, p, products, bl_arg(x, n, B) ? bias : NULL, scratch + p->state_at);
    for (size_t d = 0; d < r.directions; d++)
        place_direction(x, n, p, d, products, &r.direction[d]);
    r.scratch = scratch + p->state_at;
    x->kernels->recurrent(&r, x->pool);
    return BLIND_OK;
}

/* Its first output is often left out: PyTorch's encoders read the last states alone. */
#define ROW(name, max, out)                                                                        \
    {                                                                                              \
        "", #name, 7, 3, max, out, rnn_infer, rnn_prepare, rnn_run, BL_OP_OUTPUTS                  \
    }

const bl_op  bl_rnn_rows[] = { ROW(RNN, 6, 2), ROW(GRU, 6, 2), ROW(LSTM, 8, 3) };
const size_t bl_rnn_rows_len = BL_LEN(bl_rnn_rows);
