/* The functions of every family of operators, for the table and for fusion. */
#ifndef BL_ONNX_FAMILIES_H
#define BL_ONNX_FAMILIES_H

#include "onnx/ops.h"

/* clang-format off */
#define BL_OP_FUNCTIONS(X)                                                                         \
    /* op_binary.c */                                                                              \
    X(arithmetic) X(bitwise) X(compare) X(logical) X(variadic) X(where) X(pow)                     \
    /* op_unary.c */                                                                               \
    X(unary) X(clip) X(bits) X(not) X(prelu) X(is_nan)                                             \
    /* op_cast.c */                                                                                \
    X(cast)                                                                                        \
    /* op_shape.c */                                                                               \
    X(reshape) X(flatten) X(squeeze) X(unsqueeze) X(identity) X(constant_of_shape)                 \
    X(range)                                                                                       \
    /* op_move.c */                                                                                \
    X(transpose) X(slice) X(expand) X(concat) X(split)                                             \
    /* op_pad.c, op_fold.c */                                                                      \
    X(tile) X(pad) X(center_crop_pad) X(col2im) X(depth_to_space) X(reverse_sequence)              \
    /* op_select.c, op_boxes.c */                                                                  \
    X(non_zero) X(compress) X(unique) X(boxes)                                                     \
    /* op_resize.c, op_grid.c, op_roi.c */                                                         \
    X(resize) X(upsample) X(grid_sample) X(affine_grid) X(roi_align) X(max_roi_pool)               \
    /* op_image.c, op_signal.c */                                                                  \
    X(image) X(dft) X(stft) X(mel) X(window)                                                       \
    /* op_conv_transpose.c, op_deform_conv.c, op_lrn.c, op_pool.c */                               \
    X(conv_transpose) X(deform_conv) X(lrn) X(max_unpool)                                          \
    /* op_gather.c, op_scatter.c */                                                                \
    X(gather) X(gather_elements) X(gather_nd) X(scatter_nd) X(scatter_elements)                    \
    /* op_reduce.c */                                                                              \
    X(reduce) X(arg) X(softmax) X(hardmax) X(cumsum) X(mvn)                                        \
    /* op_norm.c */                                                                                \
    X(batch_norm) X(layer_norm) X(instance_norm) X(group_norm) X(lp_norm)                          \
    /* op_matmul.c, op_conv.c, op_pool.c */                                                        \
    X(matmul) X(gemm) X(conv) X(pooling) X(global_pool)                                            \
    /* op_quant.c, op_qproduct.c */                                                                \
    X(quantize) X(dequantize) X(dynamic_quantize) X(qproduct) X(qconv)                             \
    /* op_loss.c, op_matrix.c, op_top_k.c, op_einsum.c */                                          \
    X(loss) X(trilu) X(eye_like) X(det) X(top_k) X(one_hot) X(einsum)                              \
    /* op_random.c */                                                                              \
    X(random) X(bernoulli) X(multinomial) X(dropout)                                               \
    /* op_text.c, op_tfidf.c */                                                                    \
    X(normalizer) X(string_concat) X(string_split) X(regex) X(tfidf)                               \
    /* op_fused.c, op_bytes.c */                                                                   \
    X(gate) X(attention) X(byte_max) X(byte_mean)
/* clang-format on */

#define X(name)                                                                                    \
    bl_op_infer bl_op_##name##_infer;                                                              \
    bl_op_run   bl_op_##name##_run;
BL_OP_FUNCTIONS(X)
#undef X

bl_op_infer bl_op_shape_infer, bl_op_size_infer, bl_op_constant_infer; /* folded when inferred */
bl_op_infer bl_op_dft_prepare, bl_op_stft_prepare, bl_op_conv_transpose_prepare;
bl_op_infer bl_op_deform_conv_prepare, bl_op_attention_prepare;
bl_op_infer bl_op_qproduct_prepare, bl_op_qconv_prepare;            /* integer.h */
bl_op_infer bl_op_small_product_infer, bl_op_small_product_prepare; /* heavy.h */
bl_op_infer bl_op_control_infer;                                    /* see control.h */
bl_op_infer bl_op_matmul_prepare, bl_op_gemm_prepare, bl_op_conv_prepare, bl_op_einsum_prepare;

/* Multiply-adds of an Einsum whose shapes are known. */
double bl_einsum_work(const bl_build *b, const bl_node *n);

/* op_rnn.c: RNN, GRU, LSTM. */
extern const bl_op  bl_rnn_rows[];
extern const size_t bl_rnn_rows_len;

/* The unary of a node whose output is act(x) alone, with its parameters; false for others. */
bool bl_unary_of(const bl_build *b, const bl_node *n, bl_unary *op, float *a0, float *a1);

#endif
