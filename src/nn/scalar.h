/* The scalar kernels that the other tables fall back to for what they do no better. */
#ifndef BL_NN_SCALAR_H
#define BL_NN_SCALAR_H

#include "nn/kernels.h"

/* One element of an operator, by libm: the specification. */
float bl_unary_scalar(bl_unary op, float x, float a, float b);
float bl_binary_scalar(bl_binary op, float a, float b);

void bl_scalar_max_pool(const bl_pooling *p, bl_pool *pool);
void bl_scalar_avg_pool(const bl_pooling *p, bl_pool *pool);
void bl_scalar_softmax(float *out, const float *x, size_t rows, size_t width, bool log,
                       bl_pool *pool);
void bl_scalar_softmax_axis(float *out, const float *x, size_t outer, size_t width, size_t inner,
                            bool log, bl_pool *pool);
void bl_scalar_layer_norm(float *out, const float *x, const float *gain, const float *bias,
                          size_t rows, size_t width, float eps, bl_pool *pool);
void bl_scalar_scale_shift(float *out, const float *x, const float *scale, const float *shift,
                           size_t batch, size_t channels, size_t inner, bl_unary act, float act_a,
                           float act_b, bl_pool *pool);
void bl_scalar_unary(bl_unary op, float *out, const float *x, size_t len, float a, float b,
                     bl_pool *pool);
void bl_scalar_gate(float *out, const float *a, const float *b, size_t len, bl_pool *pool);
void bl_scalar_binary(const bl_elementwise *e, bl_pool *pool);
void bl_scalar_reduce(bl_reduction op, float *out, const float *x, size_t outer, size_t axis,
                      size_t inner, bl_pool *pool);

blind_code bl_scalar_recurrent_pack(bl_cell cell, size_t hidden, const float *r, bl_packed **out,
                                    blind_error *err);
size_t     bl_scalar_recurrent_scratch(const bl_recurrent *r, int threads);
void       bl_scalar_recurrent(const bl_recurrent *r, bl_pool *pool);

#endif
