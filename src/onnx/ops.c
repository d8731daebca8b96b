/* The table of operators: one row says what a model may ask for and which functions answer.
 *
 * `since` is the oldest opset the row is right for; attributes that later became inputs are told
 * apart inside infer.  Rows of one name stand with the newest first. */
#include "onnx/families.h"
#include "onnx/ml/ml.h"
#include "onnx/ms/ms.h"

#define ROW(name, since, min, max, out, family)                                                    \
    {                                                                                              \
        "", #name, since, min, max, out, bl_op_##family##_infer, NULL, bl_op_##family##_run, 0     \
    }
/* Takes elements of every type as they are; tells types apart by itself. */
#define MOVES(name, since, min, max, out, family)                                                  \
    {                                                                                              \
        "", #name, since, min, max, out, bl_op_##family##_infer, NULL, bl_op_##family##_run,       \
            BL_OP_MOVES                                                                            \
    }
#define TYPED(name, since, min, max, out, family)                                                  \
    {                                                                                              \
        "", #name, since, min, max, out, bl_op_##family##_infer, NULL, bl_op_##family##_run,       \
            BL_OP_TYPED                                                                            \
    }
#define HEAVY(name, since, min, max, out, family)                                                  \
    {                                                                                              \
        "", #name, since, min, max, out, bl_op_##family##_infer, bl_op_##family##_prepare,         \
            bl_op_##family##_run, 0                                                                \
    }
#define QUANTIZED(name, since, min, max, family)                                                   \
    {                                                                                              \
        "", #name, since, min, max, 1, bl_op_##family##_infer, bl_op_##family##_prepare,           \
            bl_op_##family##_run, BL_OP_TYPED                                                      \
    }
#define FOLDED(name, since, min, max, flags, family)                                               \
    {                                                                                              \
        "", #name, since, min, max, 1, bl_op_##family##_infer, NULL, NULL, flags                   \
    }
#define CONTROL(name, since, min, max, out)                                                        \
    {                                                                                              \
        "", #name, since, min, max, out, bl_op_control_infer, NULL, NULL,                          \
            BL_OP_CONTROL | BL_OP_TYPED                                                            \
    }
#define RANDOM(name, in, family)                                                                   \
    {                                                                                              \
        "", #name, 1, in, in, 1, bl_op_##family##_infer, NULL, bl_op_##family##_run,               \
            BL_OP_TYPED | BL_OP_NO_FOLD                                                            \
    }
#define UNARY(name, since)      ROW(name, since, 1, 1, 1, unary)
#define BINARY(name, since)     ROW(name, since, 2, 2, 1, arithmetic)
#define COMPARISON(name, since) ROW(name, since, 2, 2, 1, compare)
#define REDUCTION(name)         ROW(name, 1, 1, 2, 1, reduce)

enum { MANY = 1 << 16 };

static const bl_op rows[] = {
    BINARY(Add, 1),
    BINARY(Sub, 1),
    BINARY(Mul, 1),
    BINARY(Div, 1),
    BINARY(Mod, 10),
    ROW(Pow, 1, 2, 2, 1, pow),
    ROW(Sum, 1, 1, MANY, 1, variadic),
    ROW(Mean, 1, 1, MANY, 1, variadic),
    ROW(Max, 1, 1, MANY, 1, variadic),
    ROW(Min, 1, 1, MANY, 1, variadic),
    COMPARISON(Equal, 1),
    COMPARISON(Less, 1),
    COMPARISON(LessOrEqual, 12),
    COMPARISON(Greater, 1),
    COMPARISON(GreaterOrEqual, 12),
    ROW(And, 1, 2, 2, 1, logical),
    ROW(Or, 1, 2, 2, 1, logical),
    ROW(Xor, 1, 2, 2, 1, logical),
    ROW(Not, 1, 1, 1, 1, not ),
    MOVES(Where, 9, 3, 3, 1, where),

    ROW(BitwiseAnd, 18, 2, 2, 1, bitwise),
    ROW(BitwiseOr, 18, 2, 2, 1, bitwise),
    ROW(BitwiseXor, 18, 2, 2, 1, bitwise),
    ROW(BitShift, 11, 2, 2, 1, bitwise),
    ROW(BitwiseNot, 18, 1, 1, 1, bits),

    UNARY(Relu, 1),
    UNARY(LeakyRelu, 1),
    UNARY(Sigmoid, 1),
    UNARY(Tanh, 1),
    UNARY(HardSigmoid, 1),
    UNARY(HardSwish, 14),
    UNARY(Elu, 1),
    UNARY(Selu, 1),
    UNARY(Celu, 12),
    UNARY(ThresholdedRelu, 10),
    UNARY(Softplus, 1),
    UNARY(Softsign, 1),
    UNARY(Mish, 18),
    UNARY(Gelu, 20),
    UNARY(Shrink, 9),
    UNARY(Exp, 1),
    UNARY(Erf, 9),
    UNARY(Log, 1),
    UNARY(Sqrt, 1),
    UNARY(Reciprocal, 1),
    UNARY(Abs, 1),
    UNARY(Neg, 1),
    UNARY(Floor, 1),
    UNARY(Ceil, 1),
    UNARY(Round, 11),
    UNARY(Sign, 9),
    UNARY(Sin, 7),
    UNARY(Cos, 7),
    UNARY(Tan, 7),
    UNARY(Asin, 7),
    UNARY(Acos, 7),
    UNARY(Atan, 7),
    UNARY(Sinh, 9),
    UNARY(Cosh, 9),
    UNARY(Asinh, 9),
    UNARY(Acosh, 9),
    UNARY(Atanh, 9),
    ROW(Clip, 1, 1, 3, 1, clip),
    TYPED(Cast, 6, 1, 1, 1, cast),
    TYPED(CastLike, 15, 2, 2, 1, cast),
    ROW(PRelu, 1, 2, 2, 1, prelu),
    ROW(IsNaN, 9, 1, 1, 1, is_nan),
    ROW(IsInf, 10, 1, 1, 1, is_nan),

    MOVES(Reshape, 1, 1, 2, 1, reshape),
    MOVES(Flatten, 1, 1, 1, 1, flatten),
    MOVES(Squeeze, 1, 1, 2, 1, squeeze),
    MOVES(Unsqueeze, 1, 1, 2, 1, unsqueeze),
    MOVES(Identity, 1, 1, 1, 1, identity),
    ROW(Dropout, 1, 1, 3, 2, dropout),
    FOLDED(Shape, 1, 1, 1, BL_OP_SHAPE_ONLY, shape),
    FOLDED(Size, 1, 1, 1, BL_OP_SHAPE_ONLY, size),
    FOLDED(Constant, 1, 0, 0, 0, constant),
    ROW(ConstantOfShape, 9, 1, 1, 1, constant_of_shape),
    ROW(Range, 11, 3, 3, 1, range),

    MOVES(Transpose, 1, 1, 1, 1, transpose),
    MOVES(Slice, 1, 1, 5, 1, slice),
    MOVES(Expand, 8, 2, 2, 1, expand),
    MOVES(Concat, 4, 1, MANY, 1, concat),
    MOVES(Split, 1, 1, 2, MANY, split),
    MOVES(Tile, 6, 2, 2, 1, tile),
    MOVES(Pad, 2, 1, 4, 1, pad),
    MOVES(CenterCropPad, 18, 2, 2, 1, center_crop_pad),
    ROW(Col2Im, 18, 3, 3, 1, col2im),
    MOVES(DepthToSpace, 1, 1, 1, 1, depth_to_space),
    MOVES(SpaceToDepth, 1, 1, 1, 1, depth_to_space),
    MOVES(ReverseSequence, 10, 2, 2, 1, reverse_sequence),
    MOVES(NonZero, 9, 1, 1, 1, non_zero),
    MOVES(Compress, 9, 2, 2, 1, compress),
    ROW(Unique, 11, 1, 1, 4, unique),
    MOVES(Gather, 1, 2, 2, 1, gather),
    MOVES(GatherElements, 11, 2, 2, 1, gather_elements),
    MOVES(GatherND, 11, 2, 2, 1, gather_nd),
    ROW(ScatterND, 11, 3, 3, 1, scatter_nd),
    ROW(ScatterElements, 11, 3, 3, 1, scatter_elements),
    ROW(Scatter, 9, 3, 3, 1, scatter_elements),

    REDUCTION(ReduceSum),
    REDUCTION(ReduceMean),
    REDUCTION(ReduceMax),
    REDUCTION(ReduceMin),
    REDUCTION(ReduceProd),
    REDUCTION(ReduceSumSquare),
    REDUCTION(ReduceL1),
    REDUCTION(ReduceL2),
    REDUCTION(ReduceLogSum),
    REDUCTION(ReduceLogSumExp),
    ROW(ArgMax, 1, 1, 1, 1, arg),
    ROW(ArgMin, 1, 1, 1, 1, arg),
    ROW(Softmax, 1, 1, 1, 1, softmax),
    ROW(LogSoftmax, 1, 1, 1, 1, softmax),
    ROW(Hardmax, 1, 1, 1, 1, hardmax),
    ROW(MeanVarianceNormalization, 9, 1, 1, 1, mvn),
    ROW(CumSum, 11, 2, 2, 1, cumsum),

    ROW(TopK, 1, 1, 2, 2, top_k),
    MOVES(OneHot, 9, 3, 3, 1, one_hot),
    MOVES(Trilu, 14, 1, 2, 1, trilu),
    TYPED(EyeLike, 9, 1, 1, 1, eye_like),
    ROW(Det, 11, 1, 1, 1, det),
    ROW(AffineGrid, 20, 2, 2, 1, affine_grid),
    HEAVY(Einsum, 12, 1, MANY, 1, einsum),
    ROW(NegativeLogLikelihoodLoss, 12, 2, 3, 1, loss),
    ROW(SoftmaxCrossEntropyLoss, 12, 2, 3, 2, loss),

    RANDOM(RandomUniform, 0, random),
    RANDOM(RandomNormal, 0, random),
    RANDOM(RandomUniformLike, 1, random),
    RANDOM(RandomNormalLike, 1, random),
    RANDOM(Bernoulli, 1, bernoulli),
    RANDOM(Multinomial, 1, multinomial),

    TYPED(QuantizeLinear, 10, 2, 3, 1, quantize),
    TYPED(DequantizeLinear, 10, 2, 3, 1, dequantize),
    ROW(DynamicQuantizeLinear, 11, 1, 1, 3, dynamic_quantize),
    QUANTIZED(MatMulInteger, 10, 2, 4, qproduct),
    QUANTIZED(QLinearMatMul, 10, 8, 8, qproduct),
    QUANTIZED(ConvInteger, 10, 2, 4, qconv),
    QUANTIZED(QLinearConv, 10, 8, 9, qconv),

    ROW(StringNormalizer, 10, 1, 1, 1, normalizer),
    ROW(StringConcat, 20, 2, 2, 1, string_concat),
    ROW(StringSplit, 20, 1, 1, 2, string_split),
    ROW(RegexFullMatch, 20, 1, 1, 1, regex),
    ROW(TfIdfVectorizer, 9, 1, 1, 1, tfidf),

    ROW(BatchNormalization, 1, 5, 5, 5, batch_norm),
    ROW(LayerNormalization, 1, 2, 3, 3, layer_norm), /* ONNX Runtime writes it in any opset */
    ROW(InstanceNormalization, 1, 3, 3, 1, instance_norm),
    ROW(GroupNormalization, 18, 3, 3, 1, group_norm),
    ROW(LpNormalization, 1, 1, 1, 1, lp_norm),

    HEAVY(MatMul, 1, 2, 2, 1, matmul),
    HEAVY(Gemm, 1, 2, 3, 1, gemm),
    HEAVY(Conv, 1, 2, 3, 1, conv),
    HEAVY(ConvTranspose, 1, 2, 3, 1, conv_transpose),
    HEAVY(DeformConv, 19, 3, 5, 1, deform_conv),
    ROW(MaxPool, 1, 1, 1, 2, pooling),
    ROW(AveragePool, 1, 1, 1, 1, pooling),
    ROW(LpPool, 1, 1, 1, 1, pooling),
    ROW(GlobalLpPool, 1, 1, 1, 1, global_pool),
    ROW(MaxUnpool, 9, 2, 3, 1, max_unpool),
    ROW(LRN, 1, 1, 1, 1, lrn),
    ROW(GlobalAveragePool, 1, 1, 1, 1, global_pool),
    ROW(GlobalMaxPool, 1, 1, 1, 1, global_pool),

    ROW(Resize, 11, 1, 4, 1, resize),
    ROW(Resize, 10, 2, 2, 1, resize),
    ROW(Upsample, 7, 1, 2, 1, upsample),
    ROW(GridSample, 16, 2, 2, 1, grid_sample),
    ROW(RoiAlign, 10, 3, 3, 1, roi_align),
    ROW(MaxRoiPool, 1, 2, 2, 1, max_roi_pool),
    ROW(ImageDecoder, 20, 1, 1, 1, image),
    ROW(NonMaxSuppression, 10, 2, 5, 1, boxes),

    HEAVY(DFT, 17, 1, 3, 1, dft),
    HEAVY(STFT, 17, 2, 4, 1, stft),
    ROW(MelWeightMatrix, 17, 5, 5, 1, mel),
    ROW(HannWindow, 17, 1, 1, 1, window),
    ROW(HammingWindow, 17, 1, 1, 1, window),
    ROW(BlackmanWindow, 17, 1, 1, 1, window),
    CONTROL(If, 1, 1, 1, MANY),
    CONTROL(Loop, 1, 2, MANY, MANY),
    CONTROL(Scan, 8, 1, MANY, MANY),
    CONTROL(SequenceMap, 17, 1, MANY, MANY),
    CONTROL(SequenceEmpty, 11, 0, 0, 1),
    CONTROL(SequenceConstruct, 11, 1, MANY, 1),
    CONTROL(SequenceInsert, 11, 2, 3, 1),
    CONTROL(SequenceErase, 11, 1, 2, 1),
    CONTROL(SequenceAt, 11, 2, 2, 1),
    CONTROL(SequenceLength, 11, 1, 1, 1),
    CONTROL(SplitToSequence, 11, 1, 2, 1),
    CONTROL(ConcatFromSequence, 11, 1, 1, 1),
    CONTROL(Optional, 15, 0, 1, 1),
    CONTROL(OptionalHasElement, 15, 0, 1, 1),
    CONTROL(OptionalGetElement, 15, 1, 1, 1),

    /* Made by fusion alone: no model can name this domain. */
    { "blind", "blind.Gelu", 1, 1, 1, 1, bl_op_unary_infer, NULL, bl_op_unary_run, 0 },
    { "blind", "blind.GeluTanh", 1, 1, 1, 1, bl_op_unary_infer, NULL, bl_op_unary_run, 0 },
    { "blind", "blind.Silu", 1, 1, 1, 1, bl_op_unary_infer, NULL, bl_op_unary_run, 0 },
    { "blind", "blind.LayerNorm", 1, 2, 3, 1, bl_op_layer_norm_infer, NULL, bl_op_layer_norm_run,
      0 },
    { "blind", "blind.Attention", 1, 3, 4, 1, bl_op_attention_infer, bl_op_attention_prepare,
      bl_op_attention_run, 0 },
    { "blind", "blind.Gate", 1, 2, 2, 1, bl_op_gate_infer, NULL, bl_op_gate_run, 0 },
    { "blind", "blind.ByteMaxPool", 1, 1, 1, 1, bl_op_byte_max_infer, NULL, bl_op_byte_max_run,
      BL_OP_TYPED },
    { "blind", "blind.ByteMean", 1, 2, 3, 1, bl_op_byte_mean_infer, NULL, bl_op_byte_mean_run,
      BL_OP_TYPED },
    { "blind", "blind.IntegerConv", 1, 4, 14, 1, bl_op_qconv_infer, bl_op_qconv_prepare,
      bl_op_qconv_run, BL_OP_TYPED },
    { "blind", "blind.SmallProduct", 1, 5, 6, 1, bl_op_small_product_infer,
      bl_op_small_product_prepare, bl_op_matmul_run, 0 },
    { "blind", "blind.IntegerProduct", 1, 4, 10, 1, bl_op_qproduct_infer, bl_op_qproduct_prepare,
      bl_op_qproduct_run, BL_OP_TYPED },
};

static const size_t rows_len = BL_LEN(rows);

/* One table per domain, and one per family that keeps its own. */
static const struct {
    const bl_op  *rows;
    const size_t *len;
} tables[] = {
    { rows, &rows_len },
    { bl_rnn_rows, &bl_rnn_rows_len },
    { bl_ml_rows, &bl_ml_rows_len },
    { bl_ms_rows, &bl_ms_rows_len },
};

const bl_op *bl_op_find(const char *domain, const char *type, int64_t opset)
{
    const bl_op *row;
    for (size_t i = 0; (row = bl_op_at(i)); i++)
        if (strcmp(row->name, type) == 0 && strcmp(row->domain, domain) == 0 && opset >= row->since)
            return row;
    return NULL;
}

const bl_op *bl_op_at(size_t i)
{
    for (size_t t = 0; t < BL_LEN(tables); i -= *tables[t++].len)
        if (i < *tables[t].len)
            return &tables[t].rows[i];
    return NULL;
}
