/* The operators of the domain com.microsoft. */
#include "onnx/families.h"
#include "onnx/ms/ms.h"

#define ROW(name, min, max, out, family)                                                           \
    {                                                                                              \
        "com.microsoft", #name, 1, min, max, out, bl_ms_##family##_infer, NULL,                    \
            bl_ms_##family##_run, 0                                                                \
    }
#define HEAVY(name, min, max, out, family)                                                         \
    {                                                                                              \
        "com.microsoft", #name, 1, min, max, out, bl_ms_##family##_infer,                          \
            bl_ms_##family##_prepare, bl_ms_##family##_run, 0                                      \
    }

#define PRODUCT(name, min, max)                                                                    \
    {                                                                                              \
        "com.microsoft", #name, 1, min, max, 1, bl_op_qproduct_infer, bl_op_qproduct_prepare,      \
            bl_op_qproduct_run, BL_OP_TYPED                                                        \
    }

enum { MANY = 1 << 16 };

const bl_op bl_ms_rows[] = {
    ROW(Gelu, 1, 1, 1, gelu),
    ROW(FastGelu, 1, 2, 1, gelu),
    ROW(BiasGelu, 2, 2, 1, gelu),
    ROW(QuickGelu, 1, 1, 1, gelu),
    ROW(SkipLayerNormalization, 3, 5, 4, skip_norm),
    ROW(SkipSimplifiedLayerNormalization, 3, 4, 4, skip_norm),
    ROW(EmbedLayerNormalization, 1, 9, 3, embed_norm),
    ROW(RotaryEmbedding, 4, 4, 1, rotary),
    HEAVY(FusedMatMul, 2, 2, 1, matmul),
    HEAVY(MatMulNBits, 3, 6, 1, nbits),
    HEAVY(MultiHeadAttention, 1, 10, 4, attention),
    HEAVY(Attention, 2, 7, 2, self_attention),
    HEAVY(GroupQueryAttention, 1, 16, 4, group_attention),
    PRODUCT(DynamicQuantizeMatMul, 3, 5),
    PRODUCT(MatMulIntegerToFloat, 4, 7),
    PRODUCT(QGemm, 6, 9),
    ROW(QLinearAdd, 7, 8, 1, qbinary),
    ROW(QLinearMul, 7, 8, 1, qbinary),
    ROW(QLinearLeakyRelu, 4, 5, 1, qunary),
    ROW(QLinearSigmoid, 4, 5, 1, qunary),
    ROW(QLinearSoftmax, 5, 5, 1, qsoftmax),
    ROW(QLinearAveragePool, 4, 5, 1, qpool),
    ROW(QLinearGlobalAveragePool, 5, 5, 1, qmean),
    ROW(QLinearConcat, 5, MANY, 1, qconcat),
    /* ONNX Runtime keeps this one in the default domain. */
    { "", "SimplifiedLayerNormalization", 1, 2, 2, 1, bl_ms_skip_norm_infer, NULL,
      bl_ms_skip_norm_run, 0 },
};
const size_t bl_ms_rows_len = BL_LEN(bl_ms_rows);
