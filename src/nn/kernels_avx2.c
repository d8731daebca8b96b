/* The kernels for AVX2 and FMA: tiles of 6 rows and 16 columns. */
#include "nn/chain.h"
#include "nn/micro.h"
#include "nn/nbits.h"
#include "nn/scalar.h"
#include "nn/vec256.h"

#define TILE_ROWS   6
#define NBITS_ROWS  4
#define TILE_ALL(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define CELLS       bl_cells_avx2
#define KERNELS     bl_kernels_avx2
#define KERNELS_ISA BL_ISA_AVX2

/* Each builds on those before it. */
/* clang-format off */
#include "nn/tile.inc"
#include "nn/few.inc"
#include "nn/nbits.inc"
#include "nn/math.inc"
#include "nn/finish.inc"
#include "nn/pack.inc"
#include "nn/depthwise.inc"
#include "nn/pools.inc"
#include "nn/winograd.inc"
#include "nn/elements.inc"
#include "nn/rows.inc"
#include "nn/table.inc"
/* clang-format on */
