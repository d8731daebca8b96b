/* Products of bytes on AVX-512 without VNNI, by way of 16 bits. */
#include "nn/bytes_micro.h"

#include <immintrin.h>

#define WIDE 1
#include "nn/bytes_vec.inc"

const bl_bytes bl_bytes_avx512 = {
    .name = "avx512", .isa = BL_ISA_AVX512, .rows = TILE_ROWS, .tile = tile, BYTES_TABLE
};
