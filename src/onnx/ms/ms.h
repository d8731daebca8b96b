/* Operators of the domain com.microsoft that exporters and ONNX Runtime's optimizer write.
 * Source: ONNX Runtime, docs/ContribOperators.md, and its outputs. */
#ifndef BL_ONNX_MS_H
#define BL_ONNX_MS_H

#include "onnx/ops.h"

/* The table of the domain. */
extern const bl_op  bl_ms_rows[];
extern const size_t bl_ms_rows_len;

/* norm.c, gelu.c, matmul.c, rotary.c, attention.c, self_attention.c, group_attention.c */
bl_op_infer bl_ms_skip_norm_infer, bl_ms_embed_norm_infer, bl_ms_gelu_infer, bl_ms_matmul_infer,
    bl_ms_matmul_prepare, bl_ms_nbits_infer, bl_ms_nbits_prepare, bl_ms_rotary_infer,
    bl_ms_attention_infer, bl_ms_attention_prepare, bl_ms_self_attention_infer,
    bl_ms_self_attention_prepare, bl_ms_group_attention_infer, bl_ms_group_attention_prepare;
bl_op_run bl_ms_skip_norm_run, bl_ms_embed_norm_run, bl_ms_gelu_run, bl_ms_matmul_run,
    bl_ms_nbits_run, bl_ms_rotary_run, bl_ms_attention_run, bl_ms_self_attention_run,
    bl_ms_group_attention_run;

/* quantised.c */
bl_op_infer bl_ms_qbinary_infer, bl_ms_qunary_infer, bl_ms_qsoftmax_infer, bl_ms_qpool_infer,
    bl_ms_qmean_infer, bl_ms_qconcat_infer;
bl_op_run bl_ms_qbinary_run, bl_ms_qunary_run, bl_ms_qsoftmax_run, bl_ms_qpool_run, bl_ms_qmean_run,
    bl_ms_qconcat_run;

/* Every input that is there has elements of F32 (the others: I32 or I64, where `whole` has its
 * bit). Errors: UNSUPPORTED */
BLIND_MUST_USE blind_code bl_ms_types(bl_build *b, const bl_node *n, unsigned whole);

#endif
