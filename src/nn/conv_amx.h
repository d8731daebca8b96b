/* Convolutions on AMX tiles, see conv_amx.c.  `m` is AVX-512's, for the epilogues. */
#ifndef BL_NN_CONV_AMX_H
#define BL_NN_CONV_AMX_H

#include "nn/amx.h"

/* Whether tiles can do such windows: those of one or two axes. */
bool bl_conv_amx_can(const bl_window *w);
/* Whether tiles are expected to be faster than AVX-512 for such windows. */
bool bl_conv_amx_suits(const bl_window *w, int parts);

blind_code bl_conv_amx_pack(int parts, const bl_window *w, const bl_filters *filters, bl_pool *pool,
                            bl_packed **out, blind_error *err);
size_t     bl_conv_amx_scratch(int parts, const bl_window *w, const bl_packed *packed, int threads);
void       bl_conv_amx_run(const bl_micro *m, int parts, const bl_conv *c, bl_pool *pool);

#endif
