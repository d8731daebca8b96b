/* Models that ask for too much: each bound in turn, with the number that breaks it in the model and
 * again as an input, which only the run knows.  Each is refused in the end with one clear error,
 * within little memory and without a node that nobody can stop. */
#include "tests/test.h"

#include "fuzz/graph_maker.h"
#include "onnx/onnx.h"

#include <math.h>
#include <stdlib.h>

enum { MEMORY = 64 << 20 };

static graph g;

/* Building.  --------------------------------------------------------------------------------- */

static void begin(int opset)
{
    graph_make(&g, (const uint8_t *)"hostile", 7); /* choices of its own; emptied at once */
    g.n_values = g.n_nodes = 0;
    g.used = 0;
    g.full = false;
    g.opset = opset;
}

static int floats(int rank, const int64_t *dim)
{
    int v = graph_leaf(&g, BLIND_F32, rank, dim, FILL_UNIT);
    CHECK(v >= 0);
    g.value[v].origin = FROM_INPUT;
    g.value[v].free = false;
    return v;
}

/* Numbers that are in the model, or come as an input of declared shape. */
static bool as_input;

static int list(const int64_t *numbers, int len)
{
    int v = graph_list(&g, numbers, len);
    CHECK(v >= 0);
    g.value[v].origin = as_input ? FROM_INPUT : FROM_WEIGHT;
    g.value[v].free = false;
    return v;
}

static int number(blind_dtype dtype, double x)
{
    int v = graph_number(&g, dtype, x);
    CHECK(v >= 0);
    g.value[v].origin = as_input ? FROM_INPUT : FROM_WEIGHT;
    g.value[v].free = false;
    return v;
}

static graph_node *node(const char *type, int n_in, const int *in)
{
    graph_node *n = graph_add(&g, type, n_in, in);
    CHECK(n);
    return n;
}

static int result(graph_node *n, blind_dtype dtype)
{
    int v = graph_result(&g, n, dtype, -1, NULL);
    CHECK(v >= 0);
    return v;
}

#define DIMS(...)                                                                                  \
    (int)BL_LEN(((int64_t[]){ __VA_ARGS__ })), (int64_t[])                                         \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define IN(...)                                                                                    \
    (int)BL_LEN(((int[]){ __VA_ARGS__ })), (int[])                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define LIST(...) list((int64_t[]){ __VA_ARGS__ }, (int)BL_LEN(((int64_t[]){ __VA_ARGS__ })))

/* A tensor of zeros of that shape, which the model makes. */
static int zeros(int rank, const int64_t *dim, blind_dtype dtype)
{
    bool was = as_input;
    as_input = false;
    graph_node *n = node("ConstantOfShape", 1, (int[]){ list(dim, rank) });
    as_input = was;
    n->attrs[n->n_attrs++] = (graph_attr){
        .name = "value", .kind = ATTR_TENSOR, .dtype = dtype, .len = 1, .ints = { 0 }
    };
    return result(n, dtype);
}

/* The models.  ------------------------------------------------------------------------------- */

static const int64_t HUGE = (int64_t)1 << 40;

static void constant_of_shape(void)
{
    result(node("ConstantOfShape", IN(LIST(HUGE, HUGE))), BLIND_F32);
}
static void constant_of_shape_large(void)
{
    result(node("ConstantOfShape", IN(LIST(1 << 20, 1 << 10))), BLIND_F32);
}
static void constant_of_negative_shape(void)
{
    result(node("ConstantOfShape", IN(LIST(2, -1))), BLIND_F32);
}
static void expand(void)
{
    result(node("Expand", IN(floats(DIMS(1)), LIST(HUGE, HUGE))), BLIND_F32);
}
static void expand_large(void)
{
    result(node("Expand", IN(floats(DIMS(1)), LIST(1 << 14, 1 << 14))), BLIND_F32);
}
static void expand_negative(void)
{
    result(node("Expand", IN(floats(DIMS(1)), LIST(-5))), BLIND_F32);
}
static void expand_too_many_axes(void)
{
    result(node("Expand", IN(floats(DIMS(1)), LIST(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1))),
           BLIND_F32);
}
static void tile(void)
{
    result(node("Tile", IN(floats(DIMS(3)), LIST(INT64_MAX))), BLIND_F32);
}
static void tile_large(void)
{
    result(node("Tile", IN(floats(DIMS(4)), LIST(1 << 28))), BLIND_F32);
}
static void tile_negative(void)
{
    result(node("Tile", IN(floats(DIMS(4)), LIST(-2))), BLIND_F32);
}
static void reshape(void)
{
    result(node("Reshape", IN(floats(DIMS(4)), LIST(HUGE, HUGE, 0))), BLIND_F32);
}
static void reshape_two_guesses(void)
{
    result(node("Reshape", IN(floats(DIMS(4)), LIST(-1, -1))), BLIND_F32);
}
static void reshape_negative(void)
{
    result(node("Reshape", IN(floats(DIMS(4)), LIST(-2, -2))), BLIND_F32);
}
static void unsqueeze_far(void)
{
    result(node("Unsqueeze", IN(floats(DIMS(4)), LIST(INT64_MIN))), BLIND_F32);
}
static void squeeze_far(void)
{
    result(node("Squeeze", IN(floats(DIMS(4, 1)), LIST(INT64_MAX))), BLIND_F32);
}
static void slice_no_step(void)
{
    result(node("Slice", IN(floats(DIMS(4)), LIST(0), LIST(4), LIST(0), LIST(0))), BLIND_F32);
}
static void slice_far_axis(void)
{
    result(node("Slice", IN(floats(DIMS(4)), LIST(0), LIST(4), LIST(HUGE))), BLIND_F32);
}
static void slice_axis_twice(void)
{
    result(node("Slice", IN(floats(DIMS(4)), LIST(0, 0), LIST(4, 4), LIST(0, -1))), BLIND_F32);
}
static void slice_unequal(void)
{
    result(node("Slice", IN(floats(DIMS(4)), LIST(0), LIST(4, 4))), BLIND_F32);
}
static void pad(void)
{
    result(node("Pad", IN(floats(DIMS(4)), LIST(INT64_MAX, INT64_MAX))), BLIND_F32);
}
static void pad_large(void)
{
    result(node("Pad", IN(floats(DIMS(4)), LIST(0, HUGE))), BLIND_F32);
}
static void pad_cuts(void)
{
    result(node("Pad", IN(floats(DIMS(4)), LIST(-9, 0))), BLIND_F32);
}
static void range_endless(void)
{
    result(node("Range", IN(number(BLIND_I64, 0), number(BLIND_I64, 9e18), number(BLIND_I64, 1))),
           BLIND_I64);
}
static void range_no_step(void)
{
    result(node("Range", IN(number(BLIND_F32, 0), number(BLIND_F32, 9), number(BLIND_F32, 0))),
           BLIND_F32);
}
static void range_tiny_step(void)
{
    result(node("Range", IN(number(BLIND_F32, 0), number(BLIND_F32, 1), number(BLIND_F32, 1e-38))),
           BLIND_F32);
}
static void range_nan(void)
{
    result(node("Range",
                IN(number(BLIND_F32, 0), number(BLIND_F32, (double)NAN), number(BLIND_F32, 1))),
           BLIND_F32);
}
static void one_hot_depth(void)
{
    result(node("OneHot", IN(LIST(1), number(BLIND_I64, 9e18), LIST(0, 1))), BLIND_I64);
}
static void one_hot_negative(void)
{
    result(node("OneHot", IN(LIST(1), number(BLIND_I64, -4), LIST(0, 1))), BLIND_I64);
}
static void top_k(void)
{
    graph_node *n = node("TopK", IN(floats(DIMS(4)), LIST(HUGE)));
    result(n, BLIND_F32);
    result(n, BLIND_I64);
}
static void top_k_negative(void)
{
    graph_node *n = node("TopK", IN(floats(DIMS(4)), LIST(-1)));
    result(n, BLIND_F32);
    result(n, BLIND_I64);
}
static void gather(void)
{
    result(node("Gather", IN(floats(DIMS(4)), LIST(INT64_MIN))), BLIND_F32);
}
static void gather_beyond(void)
{
    result(node("Gather", IN(floats(DIMS(4)), LIST(4))), BLIND_F32);
}
static void gather_elements(void)
{
    result(node("GatherElements", IN(floats(DIMS(4)), LIST(INT64_MAX))), BLIND_F32);
}
static void gather_nd(void)
{
    result(node("GatherND", IN(floats(DIMS(4)), LIST(-5))), BLIND_F32);
}
static void scatter_elements(void)
{
    result(node("ScatterElements", IN(floats(DIMS(4)), LIST(-5), floats(DIMS(1)))), BLIND_F32);
}
static void scatter_nd(void)
{
    result(node("ScatterND", IN(floats(DIMS(4)), LIST(HUGE), floats(0, NULL))), BLIND_F32);
}
static void split_negative(void)
{
    graph_node *n = node("Split", IN(floats(DIMS(4)), LIST(6, -2)));
    result(n, BLIND_F32);
    result(n, BLIND_F32);
}
static void split_overflow(void)
{
    graph_node *n = node("Split", IN(floats(DIMS(4)), LIST(INT64_MAX, INT64_MAX)));
    result(n, BLIND_F32);
    result(n, BLIND_F32);
}
static void cum_sum_axis(void)
{
    result(node("CumSum", IN(floats(DIMS(4)), number(BLIND_I64, 9e18))), BLIND_F32);
}
static void reduce_axis(void)
{
    result(node("ReduceSum", IN(floats(DIMS(4)), LIST(INT64_MIN))), BLIND_F32);
}
static void trilu_far(void)
{
    result(node("Trilu", IN(floats(DIMS(2, 2)), number(BLIND_I64, -9e18))), BLIND_F32);
}
static void resize_sizes(void)
{
    result(node("Resize", IN(floats(DIMS(1, 1, 2, 2)), -1, -1, LIST(1, 1, HUGE, HUGE))), BLIND_F32);
}
static void resize_negative(void)
{
    result(node("Resize", IN(floats(DIMS(1, 1, 2, 2)), -1, -1, LIST(1, 1, -2, 2))), BLIND_F32);
}
static void center_crop(void)
{
    graph_node *n = node("CenterCropPad", IN(floats(DIMS(2, 2)), LIST(HUGE, HUGE)));
    result(n, BLIND_F32);
}
static void col2im(void)
{
    result(node("Col2Im", IN(floats(DIMS(1, 4, 4)), LIST(INT64_MAX, 2), LIST(2, 2))), BLIND_F32);
}
static void random_large(void)
{
    graph_node *n = node("RandomNormal", 0, NULL);
    graph_attr_list(n, "shape", (int64_t[]){ 1 << 20, 1 << 12 }, 2);
    result(n, BLIND_F32);
}
static void random_overflow(void)
{
    graph_node *n = node("RandomUniform", 0, NULL);
    graph_attr_list(n, "shape", (int64_t[]){ HUGE, HUGE }, 2);
    result(n, BLIND_F32);
}
static void random_negative(void)
{
    graph_node *n = node("RandomUniform", 0, NULL);
    graph_attr_list(n, "shape", (int64_t[]){ 4, -1 }, 2);
    result(n, BLIND_F32);
}
static void window_long(void)
{
    result(node("HannWindow", IN(number(BLIND_I64, 1e15))), BLIND_F32);
}
static void dft_long(void)
{
    result(node("DFT", IN(floats(DIMS(1, 4, 1)), number(BLIND_I64, 1e15))), BLIND_F32);
}
static void mel_large(void)
{
    result(node("MelWeightMatrix",
                IN(number(BLIND_I64, 1e9), number(BLIND_I64, 1e9), number(BLIND_I64, 16000),
                   number(BLIND_F32, 0), number(BLIND_F32, 8000))),
           BLIND_F32);
}

/* Small in memory, without end in time. */
static void einsum_outer(void)
{
    graph_node *n = node("Einsum", IN(floats(DIMS(4096)), floats(DIMS(4096)), floats(DIMS(4096)),
                                      floats(DIMS(4096)), floats(DIMS(4096))));
    graph_attr_text(n, "equation", "i,j,k,l,m->");
    result(n, BLIND_F32);
}
static void einsum_overflow(void)
{
    int         v = floats(DIMS(4096));
    graph_node *n = node("Einsum", IN(v, v, v, v, v, v, v, v));
    graph_attr_text(n, "equation", "a,b,c,d,e,f,g,h->");
    result(n, BLIND_F32);
}
static void matmul_of_doubles(void)
{
    int a = zeros(DIMS(1 << 20, 2), BLIND_F64), b = zeros(DIMS(2, 1 << 20), BLIND_F64);
    result(node("MatMul", IN(b, a)), BLIND_F64);
    int t = result(node("MatMul", IN(a, b)), BLIND_F64);
    result(node("ReduceSum", IN(t)), BLIND_F64);
}
static void einsum_of_integers(void)
{
    int         v = zeros(DIMS(1 << 10, 1 << 10), BLIND_I64);
    graph_node *n = node("Einsum", IN(v, v, v));
    graph_attr_text(n, "equation", "ij,kl,mn->");
    result(n, BLIND_I64);
}
static void pool_of_everything(void)
{
    int         x = zeros(DIMS(1, 1, 1 << 11, 1 << 11), BLIND_F32);
    graph_node *n = node("LpPool", IN(x));
    graph_attr_list(n, "kernel_shape", (int64_t[]){ 2001, 2001 }, 2);
    graph_attr_list(n, "pads", (int64_t[]){ 1000, 1000, 1000, 1000 }, 4);
    result(n, BLIND_F32);
}
static void conv_of_everything(void)
{
    int         x = zeros(DIMS(1, 1, 1 << 11, 1 << 11), BLIND_F32);
    int         w = zeros(DIMS(1, 1, 1025, 1025), BLIND_F32);
    graph_node *n = node("Conv", IN(x, w));
    graph_attr_list(n, "pads", (int64_t[]){ 512, 512, 512, 512 }, 4);
    result(n, BLIND_F32);
}
static void neighbours(void)
{
    graph_node *n = node("LRN", IN(zeros(DIMS(1, 1 << 20, 1, 1), BLIND_F32)));
    graph_attr_int(n, "size", INT32_MAX);
    result(n, BLIND_F32);
}
static void conv_transpose(void)
{
    int x = zeros(DIMS(1, 1, 1 << 10, 1 << 11), BLIND_F32);
    int w = zeros(DIMS(1, 1, 1 << 10, 1 << 10), BLIND_F32);
    result(node("ConvTranspose", IN(x, w)), BLIND_F32);
}

/* Attributes beyond all. */
static void transpose_far(void)
{
    graph_node *n = node("Transpose", IN(floats(DIMS(2, 2))));
    graph_attr_list(n, "perm", (int64_t[]){ 0, HUGE }, 2);
    result(n, BLIND_F32);
}
static void concat_far(void)
{
    graph_node *n = node("Concat", IN(floats(DIMS(2)), floats(DIMS(2))));
    graph_attr_int(n, "axis", INT64_MIN);
    result(n, BLIND_F32);
}
static void softmax_far(void)
{
    graph_node *n = node("Softmax", IN(floats(DIMS(2))));
    graph_attr_int(n, "axis", INT64_MAX);
    result(n, BLIND_F32);
}
static void flatten_far(void)
{
    graph_node *n = node("Flatten", IN(floats(DIMS(2))));
    graph_attr_int(n, "axis", HUGE);
    result(n, BLIND_F32);
}
static void conv_groups(void)
{
    graph_node *n = node("Conv", IN(floats(DIMS(1, 2, 4)), floats(DIMS(2, 1, 2))));
    graph_attr_int(n, "group", 0);
    result(n, BLIND_F32);
}
static void conv_strides(void)
{
    graph_node *n = node("Conv", IN(floats(DIMS(1, 2, 4)), floats(DIMS(2, 2, 2))));
    graph_attr_list(n, "strides", (int64_t[]){ INT64_MIN }, 1);
    result(n, BLIND_F32);
}
static void conv_pads(void)
{
    graph_node *n = node("Conv", IN(floats(DIMS(1, 2, 4)), floats(DIMS(2, 2, 2))));
    graph_attr_list(n, "pads", (int64_t[]){ INT64_MAX, INT64_MAX }, 2);
    result(n, BLIND_F32);
}
static void conv_dilations(void)
{
    graph_node *n = node("Conv", IN(floats(DIMS(1, 2, 4)), floats(DIMS(2, 2, 2))));
    graph_attr_list(n, "dilations", (int64_t[]){ HUGE }, 1);
    result(n, BLIND_F32);
}
static void eye_far(void)
{
    graph_node *n = node("EyeLike", IN(floats(DIMS(2, 2))));
    graph_attr_int(n, "k", INT64_MIN);
    result(n, BLIND_F32);
}

static const struct {
    const char *name;
    void (*build)(void);
    blind_code  want;
    const char *says;
} models[] = {
    { "ConstantOfShape that overflows", constant_of_shape, BLIND_LIMIT, "" },
    { "ConstantOfShape of 4 GiB", constant_of_shape_large, BLIND_LIMIT, "" },
    { "ConstantOfShape of a negative axis", constant_of_negative_shape, BLIND_LIMIT, "" },
    { "Expand that overflows", expand, BLIND_INPUT, "" },
    { "Expand to 1 GiB", expand_large, BLIND_LIMIT, "the limit is" },
    { "Expand to a negative axis", expand_negative, BLIND_INPUT, "" },
    { "Expand to twelve axes", expand_too_many_axes, BLIND_INPUT, "" },
    { "Tile that overflows", tile, BLIND_INPUT, "" },
    { "Tile to 4 GiB", tile_large, BLIND_LIMIT, "the limit is" },
    { "Tile a negative number of times", tile_negative, BLIND_INPUT, "" },
    { "Reshape that overflows", reshape, BLIND_INPUT, "" },
    { "Reshape with two guesses", reshape_two_guesses, BLIND_INPUT, "" },
    { "Reshape to negative axes", reshape_negative, BLIND_INPUT, "" },
    { "Unsqueeze at an axis far away", unsqueeze_far, BLIND_INPUT, "axis" },
    { "Squeeze at an axis far away", squeeze_far, BLIND_INPUT, "axis" },
    { "Slice without a step", slice_no_step, BLIND_INPUT, "" },
    { "Slice along an axis far away", slice_far_axis, BLIND_INPUT, "axis" },
    { "Slice along an axis twice", slice_axis_twice, BLIND_INPUT, "" },
    { "Slice of unequal lists", slice_unequal, BLIND_INPUT, "unequal" },
    { "Pad that overflows", pad, BLIND_INPUT, "" },
    { "Pad to 4 TiB", pad_large, BLIND_LIMIT, "" },
    { "Pad that cuts too much", pad_cuts, BLIND_INPUT, "" },
    { "Range without end", range_endless, BLIND_INPUT, "" },
    { "Range of steps of nothing", range_no_step, BLIND_INPUT, "" },
    { "Range of tiny steps", range_tiny_step, BLIND_INPUT, "" },
    { "Range to no number", range_nan, BLIND_INPUT, "" },
    { "OneHot of endless depth", one_hot_depth, BLIND_INPUT, "" },
    { "OneHot of negative depth", one_hot_negative, BLIND_INPUT, "" },
    { "TopK of more than there are", top_k, BLIND_INPUT, "" },
    { "TopK of less than none", top_k_negative, BLIND_INPUT, "" },
    { "Gather far below zero", gather, BLIND_INPUT, "index" },
    { "Gather one beyond", gather_beyond, BLIND_INPUT, "index" },
    { "GatherElements far beyond", gather_elements, BLIND_INPUT, "index" },
    { "GatherND one below", gather_nd, BLIND_INPUT, "" },
    { "ScatterElements one below", scatter_elements, BLIND_INPUT, "index" },
    { "ScatterND far beyond", scatter_nd, BLIND_INPUT, "" },
    { "Split into a negative part", split_negative, BLIND_INPUT, "" },
    { "Split whose sum overflows", split_overflow, BLIND_INPUT, "" },
    { "CumSum along an axis far away", cum_sum_axis, BLIND_INPUT, "axis" },
    { "ReduceSum along an axis far away", reduce_axis, BLIND_INPUT, "axis" },
    { "Trilu of a diagonal far away", trilu_far, BLIND_OK, "" },
    { "Resize that overflows", resize_sizes, BLIND_INPUT, "" },
    { "Resize to a negative size", resize_negative, BLIND_INPUT, "" },
    { "CenterCropPad that overflows", center_crop, BLIND_LIMIT, "" },
    { "Col2Im of an endless image", col2im, BLIND_INPUT, "" },
    { "RandomNormal of 16 GiB", random_large, BLIND_LIMIT, "" },
    { "RandomUniform that overflows", random_overflow, BLIND_LIMIT, "" },
    { "RandomUniform of a negative axis", random_negative, BLIND_LIMIT, "" },
    { "HannWindow of a petabyte", window_long, BLIND_LIMIT, "" },
    { "DFT of a petabyte", dft_long, BLIND_LIMIT, "" },
    { "MelWeightMatrix of 10^18 numbers", mel_large, BLIND_LIMIT, "" },
    { "Einsum over 2^60 products", einsum_outer, BLIND_LIMIT, "operations" },
    { "Einsum over 2^96 products", einsum_overflow, BLIND_LIMIT, "operations" },
    { "MatMul of doubles that takes hours", matmul_of_doubles, BLIND_LIMIT, "" },
    { "Einsum of integers that takes hours", einsum_of_integers, BLIND_LIMIT, "operations" },
    { "LpPool of windows as large as the image", pool_of_everything, BLIND_LIMIT, "operations" },
    { "Conv of filters as large as the image", conv_of_everything, BLIND_LIMIT, "" },
    { "LRN over all channels", neighbours, BLIND_LIMIT, "operations" },
    { "ConvTranspose of filters as large as the image", conv_transpose, BLIND_LIMIT, "" },
    { "Transpose of an axis far away", transpose_far, BLIND_INPUT, "axis" },
    { "Concat along an axis far away", concat_far, BLIND_INPUT, "axis" },
    { "Softmax along an axis far away", softmax_far, BLIND_INPUT, "axis" },
    { "Flatten at an axis far away", flatten_far, BLIND_INPUT, "axis" },
    { "Conv in no groups", conv_groups, BLIND_INPUT, "groups" },
    { "Conv of negative strides", conv_strides, BLIND_INPUT, "" },
    { "Conv of endless pads", conv_pads, BLIND_UNSUPPORTED, "pads" },
    { "Conv of endless dilations", conv_dilations, BLIND_INPUT, "" },
    { "EyeLike of a diagonal far away", eye_far, BLIND_OK, "" },
};

/* Running.  ---------------------------------------------------------------------------------- */

static blind_code attempt(bl_isa isa, blind_error *err)
{
    bl_auto_buf     file = BL_BUF_EMPTY;
    bl_onnx_options options = { .isa = isa, .max_memory = MEMORY };
    blind_tensor    inputs[GRAPH_VALUES];
    bl_onnx        *model;
    bl_onnx_run    *run = NULL;
    size_t          n;
    graph_write(&g, false, &file);
    *err = (blind_error){ .code = BLIND_OK };
    blind_code code = bl_onnx_open(bl_span(file.data, file.size), &options, &model, err);
    if (code != BLIND_OK)
        return code;
    const bl_onnx_port *ports = bl_onnx_inputs(model, &n);
    for (size_t i = 0; i < n; i++) {
        const graph_value *v = &g.value[atoi(ports[i].name + 1)];
        inputs[i] = (blind_tensor){ .name = ports[i].name,
                                    .dtype = v->dtype,
                                    .rank = v->rank,
                                    .data = v->data,
                                    .size = v->size };
        memcpy(inputs[i].shape, v->dim, (size_t)v->rank * sizeof *v->dim);
    }
    code = bl_onnx_run_new(model, inputs, n, &run, err);
    if (code == BLIND_OK)
        code = bl_onnx_run_step(run, 0, err);
    bl_onnx_run_free(run);
    bl_onnx_close(model);
    return code;
}

TEST(models_that_ask_for_too_much)
{
    for (size_t i = 0; i < BL_LEN(models); i++)
        for (int given = 0; given < 2; given++) {
            blind_error err;
            blind_code  want = models[i].want;
            as_input = given != 0;
            begin(18);
            models[i].build();
            blind_code got = attempt(bl_isa_best(), &err);
            bool       memory = want == BLIND_LIMIT && got == BLIND_MEMORY; /* an arena's end */
            if (got != want && !memory)
                fail_msg("%s%s: %s, %s", models[i].name, given ? ", as an input" : "",
                         blind_code_name(got), err.message);
            if (!given && !strstr(err.message, models[i].says))
                fail_msg("%s: '%s' says nothing of '%s'", models[i].name, err.message,
                         models[i].says);
        }
}

/* A constant that takes long is left to the run, where what comes after it can be stopped. */
TEST(a_long_product_is_not_computed_while_opening)
{
    bl_auto_buf     file = BL_BUF_EMPTY;
    bl_onnx_options options = { .isa = bl_isa_best(), .max_memory = 512u << 20 };
    bl_onnx        *model;
    bl_onnx_run    *run;
    begin(18);
    as_input = false;
    int v =
        zeros(DIMS(2100, 2100), BLIND_F32); /* 9.3 G multiply-adds: more than folding may take */
    result(node("MatMul", IN(v, v)), BLIND_F32);
    graph_write(&g, false, &file);
    CHECK_CODE(BLIND_OK, bl_onnx_open(bl_span(file.data, file.size), &options, &model, NULL),
               "open");
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, NULL, 0, &run, NULL), "run");
    CHECK(bl_onnx_cost_of(model).nodes == 1);
    bl_onnx_run_free(run); /* cancelled */
    bl_onnx_close(model);
}

static bool third_time(void *asked)
{
    return ++*(int *)asked == 3;
}

/* Nor is it computed to its end when nobody waits for it; the model serves the next. */
TEST(a_long_product_is_stopped)
{
    bl_auto_buf     file = BL_BUF_EMPTY;
    bl_onnx_options options = { .isa = bl_isa_best(), .max_memory = 512u << 20 };
    bl_onnx        *model;
    bl_onnx_run    *run;
    blind_error     err;
    int             asked = 0;
    CHECK_CODE(BLIND_OK, bl_pool_new(2, &options.pool, NULL), "pool");
    begin(18);
    as_input = false;
    int v = zeros(DIMS(2100, 2100), BLIND_F32);
    result(node("MatMul", IN(v, v)), BLIND_F32);
    graph_write(&g, false, &file);
    CHECK_CODE(BLIND_OK, bl_onnx_open(bl_span(file.data, file.size), &options, &model, NULL),
               "open");
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, NULL, 0, &run, NULL), "run");
    bl_onnx_run_watch(run, third_time, &asked);
    CHECK_CODE(BLIND_CANCELLED, bl_onnx_run_step(run, 0, &err), "stopped");
    CHECK(strstr(err.message, "MatMul") && asked == 3);
    CHECK_CODE(BLIND_CANCELLED, bl_onnx_run_step(run, 0, NULL), "for good");
    bl_onnx_run_free(run);
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, NULL, 0, &run, NULL), "another run");
    CHECK_CODE(BLIND_OK, bl_onnx_run_step(run, 0, &err), err.message);
    CHECK(*(float *)bl_onnx_run_output(run, 0)->data == 0 && asked == 3);
    bl_onnx_run_free(run);
    bl_onnx_close(model);
    bl_pool_free(options.pool);
}

/* Rows without columns have a bias without numbers. */
TEST(gelu_of_nothing_is_nothing)
{
    blind_error err;
    begin(18);
    as_input = true;
    graph_node *n = node("FastGelu", IN(floats(DIMS(2, 0)), floats(DIMS(0))));
    n->domain = "com.microsoft";
    result(n, BLIND_F32);
    CHECK_CODE(BLIND_OK, attempt(bl_isa_best(), &err), err.message);
}

/* A missing value is unlike the number that a tree compares it with, whatever else is said of it.
 */
TEST(missing_values_differ)
{
    static const int64_t words[] = { GRAPH_WORDS + 6, GRAPH_WORDS, GRAPH_WORDS }; /* BRANCH_NEQ */
    bl_auto_buf          file = BL_BUF_EMPTY;
    bl_onnx             *model;
    bl_onnx_run         *run;
    float                nan = NAN;
    begin(18);
    graph_node *n = node("TreeEnsembleRegressor", 1, (int[]){ floats(DIMS(1, 1)) });
    n->domain = "ai.onnx.ml";
    graph_attr_list(n, "nodes_treeids", (int64_t[]){ 0, 0, 0 }, 3);
    graph_attr_list(n, "nodes_nodeids", (int64_t[]){ 0, 1, 2 }, 3);
    graph_attr_list(n, "nodes_featureids", (int64_t[]){ 0, 0, 0 }, 3);
    graph_attr_list(n, "nodes_truenodeids", (int64_t[]){ 1, 0, 0 }, 3);
    graph_attr_list(n, "nodes_falsenodeids", (int64_t[]){ 2, 0, 0 }, 3);
    graph_attr_words(n, "nodes_modes", words, 3);
    graph_attr_floats(n, "nodes_values", (float[]){ 1, 0, 0 }, 3);
    graph_attr_list(n, "target_treeids", (int64_t[]){ 0, 0 }, 2);
    graph_attr_list(n, "target_nodeids", (int64_t[]){ 1, 2 }, 2);
    graph_attr_list(n, "target_ids", (int64_t[]){ 0, 0 }, 2);
    graph_attr_floats(n, "target_weights", (float[]){ 5, 7 }, 2);
    result(n, BLIND_F32);
    graph_write(&g, false, &file);
    CHECK_CODE(BLIND_OK, bl_onnx_open(bl_span(file.data, file.size), NULL, &model, NULL), "open");
    blind_tensor input = { "v0", BLIND_F32, 2, { 1, 1 }, &nan, sizeof nan };
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, &input, 1, &run, NULL), "run");
    CHECK_CODE(BLIND_OK, bl_onnx_run_step(run, 0, NULL), "step");
    CHECK(*(float *)bl_onnx_run_output(run, 0)->data == 5);
    bl_onnx_run_free(run);
    bl_onnx_close(model);
}

/* Integers that no double holds. */
TEST(integers_are_exact)
{
    static const int64_t a[] = { INT64_MAX, 3, ((int64_t)1 << 53) + 1, INT64_MIN };
    static const int64_t product[] = { INT64_MIN + 6 };
    static const int64_t sums[] = { INT64_MAX, INT64_MIN + 2,
                                    INT64_MIN + 2 + ((int64_t)1 << 53) + 1,
                                    ((int64_t)1 << 53) + 3 };
    static const int64_t absolute[] = { INT64_MAX, 3, ((int64_t)1 << 53) + 1, INT64_MIN };
    static const struct {
        const char    *type;
        const int64_t *want;
        size_t         len;
    } cases[] = { { "MatMul", product, 1 }, { "CumSum", sums, 4 }, { "Abs", absolute, 4 } };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf     file = BL_BUF_EMPTY;
        bl_onnx_options options = { .isa = BL_ISA_SCALAR };
        bl_onnx        *model;
        bl_onnx_run    *run;
        begin(18);
        as_input = true;
        int x = i == 0 ? list(a, 2) : list(a, 4); /* MAX * 3 + 3 * 3 */
        int y = i == 0 ? LIST(3, 3) : number(BLIND_I64, 0);
        result(node(cases[i].type, i == 2 ? 1 : 2, (int[]){ x, y }), BLIND_I64);
        graph_write(&g, false, &file);
        CHECK_CODE(BLIND_OK, bl_onnx_open(bl_span(file.data, file.size), &options, &model, NULL),
                   cases[i].type);
        blind_tensor inputs[2] = {
            { "v0", BLIND_I64, 1, { i ? 4 : 2 }, g.value[x].data, i ? 32 : 16 },
            { "v1", BLIND_I64, i == 0, { 2 }, g.value[y].data, i ? 8 : 16 },
        };
        CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, inputs, i == 2 ? 1 : 2, &run, NULL), "run");
        CHECK_CODE(BLIND_OK, bl_onnx_run_step(run, 0, NULL), "step");
        assert_memory_equal(bl_onnx_run_output(run, 0)->data, cases[i].want,
                            cases[i].len * sizeof(int64_t));
        bl_onnx_run_free(run);
        bl_onnx_close(model);
    }
}

TESTS(RUN(models_that_ask_for_too_much), RUN(a_long_product_is_not_computed_while_opening),
      RUN(a_long_product_is_stopped), RUN(gelu_of_nothing_is_nothing), RUN(missing_values_differ),
      RUN(integers_are_exact))
