/* Small convolutions, see conv_small.c. */
#ifndef BL_NN_CONV_SMALL_H
#define BL_NN_CONV_SMALL_H

#include "nn/micro.h"

/* Whether a convolution whose weights have BL_LAYOUT_COLUMNS runs here. */
bool bl_small_suits(const bl_micro *m, const bl_window *w);
/* Whether it is better run by squares of 2x2 outputs, and weights for that. */
bool       bl_small_by_squares(const bl_micro *m, const bl_window *w, const float *weights);
blind_code bl_small_pack(const bl_micro *m, const bl_window *w, const float *weights,
                         bl_packed **out, blind_error *err);
size_t     bl_small_scratch(const bl_micro *m, const bl_window *w, const bl_packed *packed,
                            int threads);
void       bl_small_run(const bl_micro *m, const bl_conv *c, bl_pool *pool);

#endif
