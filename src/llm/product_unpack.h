/* Rows of weights as bf16, in the order in which tiles take them: for processors with AVX512_BF16.
 *
 * A step is 32 columns: one row of a tile.  Quantised weights become one bf16 number, which is what
 * they are worth: their own rounding is a hundred times coarser.  Of halves the rest that bf16
 * cannot hold is a second part. */
#ifndef BL_LLM_PRODUCT_UNPACK_H
#define BL_LLM_PRODUCT_UNPACK_H

#include "llm/quant.h"

/* Unpacks columns of one row.
 *
 * from     the row's first block of these
 * columns  of whole blocks; where blocks are single numbers, the last step is filled with zeros
 * to       aligned to 64; part p of step s goes to to[(s * parts + p) * step]
 * step     numbers from one to the next */
typedef void bl_unpack_row(const uint8_t *from, size_t columns, uint16_t *to, size_t step);

typedef struct {
    bl_unpack_row *row; /* NULL: none for the type */
    int            parts;
    bool           halves; /* columns of a step in the order of bl_unpack_halves */
} bl_unpack;

const bl_unpack *bl_unpack_of(const bl_quant_type *type);

/* Blocks of nibbles hold columns 0 to 15 in the low ones of 16 bytes and 16 to 31 in the high ones.
 * Unpacked by shifts alone, place i of a step holds column bl_unpack_halves[i]. */
extern const uint16_t bl_unpack_halves[32];

#endif
