/* Small convolutions, see conv_small.c. */
#ifndef BL_NN_CONV_SMALL_H
#define BL_NN_CONV_SMALL_H

#include "nn/micro.h"

/* Whether a convolution whose weights have BL_LAYOUT_COLUMNS runs here. */
bool   bl_small_suits(const bl_micro *m, const bl_window *w);
size_t bl_small_scratch(const bl_micro *m, const bl_window *w, int threads);
void   bl_small_run(const bl_micro *m, const bl_conv *c, bl_pool *pool);

#endif
