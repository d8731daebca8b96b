/* Convolutions of 3x3 by Winograd's products, see winograd.c. */
#ifndef BL_NN_WINOGRAD_H
#define BL_NN_WINOGRAD_H

#include "nn/micro.h"

bool bl_winograd_can(const bl_micro *m, const bl_window *w);
/* Whether it is expected to be faster than a plain product. */
bool bl_winograd_suits(const bl_micro *m, const bl_window *w);
/* Whether than six products on AMX tiles. */
bool bl_winograd_beats_tiles(const bl_micro *m, const bl_window *w);

blind_code bl_winograd_pack(const bl_micro *m, const bl_window *w, const float *weights,
                            bl_packed **out, blind_error *err);
size_t     bl_winograd_scratch(const bl_micro *m, const bl_window *w, const bl_packed *packed,
                               int threads);
void       bl_winograd_run(const bl_micro *m, const bl_conv *c, bl_pool *pool);

/* The 16 numbers of one filter, `stride` floats apart, and what the filter was. */
void bl_winograd_filter(float *to, size_t stride, const float *filter);
void bl_winograd_restore(float to[9], const float *numbers, size_t stride);

/* Of those that suit: whether channels go into the lanes, see winograd_lanes.c. */
bool       bl_winograd_lanes_suit(const bl_micro *m, const bl_window *w);
blind_code bl_winograd_lanes_pack(const bl_micro *m, const bl_window *w, const float *weights,
                                  bl_packed **out, blind_error *err);
size_t     bl_winograd_lanes_scratch(const bl_micro *m, const bl_window *w, int threads);
void       bl_winograd_lanes_run(const bl_micro *m, const bl_conv *c, bl_pool *pool);

#endif
