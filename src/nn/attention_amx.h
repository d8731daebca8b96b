/* Attention on AMX tiles, see attention_amx.c.  `m` is AVX-512's, for few queries, for what cannot
 * be split, and for the epilogue. */
#ifndef BL_NN_ATTENTION_AMX_H
#define BL_NN_ATTENTION_AMX_H

#include "nn/amx.h"

size_t bl_attention_amx_scratch(const bl_micro *m, int parts, const bl_attention *a, int threads);
void bl_attention_amx_run(const bl_micro *m, int parts, const bl_attention *a, bl_softmax *softmax,
                          bl_pool *pool);

#endif
