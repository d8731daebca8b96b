/* Convolutions by the lines of the image, see conv_lines.c. */
#ifndef BL_NN_CONV_LINES_H
#define BL_NN_CONV_LINES_H

#include "nn/micro.h"

/* For few channels, on every instruction set. */
bool bl_lines_suits(const bl_micro *m, const bl_window *w);
/* The same, and where that measures faster than other ways of the vectors. */
bool       bl_lines_better(const bl_micro *m, const bl_window *w);
blind_code bl_lines_pack(const bl_micro *m, const bl_window *w, const float *weights,
                         bl_packed **out, blind_error *err);
size_t     bl_lines_scratch(const bl_micro *m, const bl_window *w, int threads);
void       bl_lines_run(const bl_micro *m, const bl_conv *c, bl_pool *pool);

#endif
