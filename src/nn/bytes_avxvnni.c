/* Products of bytes on AVX2 with AVX-VNNI. */
#include "nn/bytes_micro.h"

#include <immintrin.h>

#define WIDE                   0
#define DOT_OF_FOUR(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
#include "nn/bytes_vec.inc"

const bl_bytes bl_bytes_avxvnni = {
    .name = "avxvnni", .isa = BL_ISA_AVX2, .rows = TILE_ROWS, .tile = tile, BYTES_TABLE
};
