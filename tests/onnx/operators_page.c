/* Prints docs/onnx-operators.md from the table of operators; with the page as argument, exit status
 * 1 when it is not what would be printed.
 *
 *     operators_page > docs/onnx-operators.md */
#include "onnx/families.h"

#include <stdio.h>
#include <stdlib.h>

enum { OPSET_NEWEST = 22, MAX_ROWS = 1024, MAX_PAGE = 1 << 20 };

static const char every[] = "every type";
static const char numbers[] = "numbers";
static const char reals[] = "floats of 16 to 64 bits";
static const char floats[] = "floats of 16 and 32 bits";

/* What a family takes and how it computes, where that is not the rule below. */
static const struct {
    bl_op_infer *infer;
    const char  *types, *kernels;
} families[] = {
    { bl_op_arithmetic_infer, numbers, "F32 by instruction set" },
    { bl_op_variadic_infer, numbers, "F32 by instruction set" },
    { bl_op_pow_infer, numbers, "F32 by instruction set" },
    { bl_op_unary_infer, numbers, "F32 by instruction set" },
    { bl_op_clip_infer, numbers, "F32 by instruction set" },
    { bl_op_bitwise_infer, "integers", "plain" },
    { bl_op_bits_infer, "integers", "plain" },
    { bl_op_compare_infer, "numbers; Equal: BOOL, STRING", "plain" },
    { bl_op_logical_infer, "BOOL", "plain" },
    { bl_op_not_infer, "BOOL", "plain" },
    { bl_op_is_nan_infer, "floats", "plain" },
    { bl_op_prelu_infer, "floats of 16 to 64 bits, I32, I64", "plain" },
    { bl_op_cast_infer, every, "plain" },
    { bl_op_shape_infer, every, "none: folded" },
    { bl_op_size_infer, every, "none: folded" },
    { bl_op_constant_infer, every, "none: folded" },
    { bl_op_reshape_infer, every, "none: a view" },
    { bl_op_flatten_infer, every, "none: a view" },
    { bl_op_squeeze_infer, every, "none: a view" },
    { bl_op_unsqueeze_infer, every, "none: a view" },
    { bl_op_identity_infer, every, "none: a view" },
    { bl_op_reduce_infer, "numbers, BOOL", "F32 by instruction set" },
    { bl_op_arg_infer, "numbers, BOOL", "plain" },
    { bl_op_softmax_infer, reals, "F32 by instruction set" },
    { bl_op_hardmax_infer, reals, "plain" },
    { bl_op_mvn_infer, reals, "plain" },
    { bl_op_cumsum_infer, numbers, "plain" },
    { bl_op_batch_norm_infer, floats, "F32 by instruction set" },
    { bl_op_layer_norm_infer, floats, "F32 by instruction set" },
    { bl_op_matmul_infer, numbers, "F32 by instruction set" },
    { bl_op_gemm_infer, numbers, "F32 by instruction set" },
    { bl_op_conv_infer, floats, "F32 by instruction set" },
    { bl_op_pooling_infer, floats, "F32 by instruction set" },
    { bl_op_global_pool_infer, floats, "F32 by instruction set" },
    { bl_op_einsum_infer, numbers, "F32 products by instruction set" },
    { bl_op_quantize_infer, "floats, I32 to integers of 4 to 16 bits and F8", "plain" },
    { bl_op_dequantize_infer, "integers, F8 to floats of 16 and 32 bits", "plain" },
    { bl_op_dynamic_quantize_infer, "F32 to U8", "plain" },
    { bl_op_qproduct_infer, "U8, I8", "plain" },
    { bl_op_qconv_infer, "U8, I8", "plain" },
    { bl_op_loss_infer, reals, "plain" },
    { bl_op_top_k_infer, numbers, "plain" },
    { bl_op_eye_like_infer, "numbers, BOOL", "plain" },
    { bl_op_det_infer, reals, "plain" },
    { bl_op_affine_grid_infer, reals, "plain" },
    { bl_op_random_infer, "numbers, BOOL", "plain" },
    { bl_op_bernoulli_infer, "numbers, BOOL", "plain" },
    { bl_op_multinomial_infer, numbers, "plain" },
    { bl_op_dropout_infer, reals, "plain" },
    { bl_op_normalizer_infer, "STRING", "plain" },
    { bl_op_string_concat_infer, "STRING", "plain" },
    { bl_op_string_split_infer, "STRING", "plain" },
    { bl_op_regex_infer, "STRING", "plain" },
    { bl_op_tfidf_infer, "STRING, I32, I64", "plain" },
};

static int by_name(const void *a, const void *b)
{
    const bl_op *const *x = a, *const *y = b;
    int                 domain = strcmp((*x)->domain, (*y)->domain);
    int                 name = strcmp((*x)->name, (*y)->name);
    return domain ? domain : name ? name : (*x)->since - (*y)->since;
}

static void print_row(FILE *to, const bl_op *op, const bl_op *next)
{
    const char *types = op->flags & BL_OP_MOVES   ? every
                        : op->flags & BL_OP_TYPED ? "its own: see its specification"
                                                  : "F32; F16 and BF16 by it";
    const char *kernels = "plain";
    bool newer = next && strcmp(next->name, op->name) == 0 && strcmp(next->domain, op->domain) == 0;
    for (size_t i = 0; i < BL_LEN(families); i++)
        if (families[i].infer == op->infer) {
            types = families[i].types;
            kernels = families[i].kernels;
        }
    fprintf(to, "| %s | %s | ", op->name, *op->domain ? op->domain : "ai.onnx");
    if (*op->domain)
        fprintf(to, "from %d", op->since);
    else
        fprintf(to, "%d to %d", op->since, newer ? next->since - 1 : OPSET_NEWEST);
    fprintf(to, " | %s | %s |\n", types, kernels);
}

static void print_page(FILE *to)
{
    const bl_op *rows[MAX_ROWS];
    size_t       len = 0;
    for (size_t i = 0; bl_op_at(i) && len < MAX_ROWS; i++)
        if (strcmp(bl_op_at(i)->domain, "blind") != 0)
            rows[len++] = bl_op_at(i);
    qsort(rows, len, sizeof *rows, by_name);
    fprintf(
        to,
        "# Operators\n\n"
        "What `blind` runs of ONNX. This page is printed from the operator table by\n"
        "`build/test/tests/onnx/operators_page`; a test holds it to that. %zu rows.\n\n"
        "*Opsets*: those for which the row is right; an operator that a model's opset lacks is\n"
        "reported by name, node and opset before anything runs, with exit status 3.\n"
        "*Types*: of the elements. F16 and BF16 are computed in F32 wherever an operator does not\n"
        "move them as they are; numbers are the integers of 8 to 64 bits and the floats.\n"
        "*Kernels*: \"by instruction set\" has versions for AVX2, AVX-512 and some for AMX, "
        "chosen\n"
        "when the model is opened; \"plain\" is portable C.\n"
        "FusedConv and FusedGemm of com.microsoft are read as the nodes that they stand for.\n\n"
        "| operator | domain | opsets | types | kernels |\n"
        "|---|---|---|---|---|\n",
        len);
    for (size_t i = 0; i < len; i++)
        print_row(to, rows[i], i + 1 < len ? rows[i + 1] : NULL);
}

/* Whether the file holds these bytes and no more. */
static bool is_same(const char *path, const char *page, size_t size)
{
    FILE *f = fopen(path, "rb");
    char *found = malloc(MAX_PAGE);
    bool  same =
        f && found && fread(found, 1, MAX_PAGE, f) == size && memcmp(found, page, size) == 0;
    if (f)
        fclose(f);
    free(found);
    return same;
}

int main(int argc, char **argv)
{
    char  *page = NULL;
    size_t size = 0;
    FILE  *to = open_memstream(&page, &size);
    if (!to)
        return 1;
    print_page(to);
    fclose(to);
    bool same = argc < 2 || is_same(argv[1], page, size);
    if (argc < 2)
        fwrite(page, 1, size, stdout);
    if (!same)
        fprintf(stderr, "%s is not current: print it anew with %s > %s\n", argv[1], argv[0],
                argv[1]);
    free(page);
    return same ? 0 : 1;
}
