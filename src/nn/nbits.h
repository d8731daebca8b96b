/* Products with weights of 4 or 8 bits that stay so.
 *
 * A panel is rows of `width` words of 32 bits: a bl_nbits_head, then for each block of k a row of
 * scales, a row of zero points where there are any, both floats, and the numbers, in two's
 * complement, each word the next eight or four of its column, the first in the lowest bits.  What
 * was not signed is stored less the middle of its range, as are its zero points.
 *
 * Few rows read panels as they lie.  Of more, as many panels as stay in the caches are made floats,
 * by all threads, and then multiplied as any others. */
#ifndef BL_NN_NBITS_H
#define BL_NN_NBITS_H

#include "nn/micro.h"

/* Says how a panel is read to those who know panels alone. */
typedef struct {
    uint32_t bits, block, zeros; /* zeros: 1 where there are zero points */
} bl_nbits_head;

typedef void   bl_nbits_gemm(const bl_gemm *g, bl_pool *pool);
typedef size_t bl_nbits_gemm_scratch(const bl_packed *b, size_t rows, int threads);

/* Errors  MEMORY, LIMIT */
BLIND_MUST_USE blind_code bl_nbits_pack(const bl_nbits_matrix *b, size_t width, bl_pool *pool,
                                        bl_packed **out, blind_error *err);
/* gemm, gemm_scratch  for panels of floats */
size_t bl_nbits_scratch(const bl_micro *m, bl_nbits_gemm_scratch *gemm_scratch, const bl_packed *b,
                        size_t rows, int threads);
void   bl_nbits_run(const bl_micro *m, bl_nbits_gemm *gemm, const bl_gemm *g, bl_pool *pool);

/* Element (i, j): the specification. */
float bl_nbits_at(const bl_packed *b, size_t i, size_t j);

#endif
