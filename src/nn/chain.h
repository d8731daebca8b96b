/* Convolutions in a row, see chain.c. */
#ifndef BL_NN_CHAIN_H
#define BL_NN_CHAIN_H

#include "nn/micro.h"

size_t     bl_chain_scratch(const bl_micro *m, const bl_chain *c, int threads);
void       bl_chain_run(const bl_micro *m, const bl_chain *c, bl_pool *pool);
blind_code bl_chain_pack(const bl_micro *m, const bl_window *w, const float *weights,
                         bl_packed **out, blind_error *err);

#endif
