/* Products of bytes on AVX2, by way of 16 bits. */
#include "nn/bytes_micro.h"

#include <immintrin.h>

#define WIDE 0
#include "nn/bytes_vec.inc"

const bl_bytes bl_bytes_avx2 = {
    .name = "avx2", .isa = BL_ISA_AVX2, .rows = TILE_ROWS, .tile = tile, BYTES_TABLE
};
