/* The kernels for AVX-512: tiles of 14 rows and 32 columns. */
#include "nn/micro.h"
#include "nn/scalar.h"
#include "nn/vec512.h"

#define TILE_ROWS   14
#define TILE_ALL(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define KERNELS     bl_kernels_avx512
#define KERNELS_ISA BL_ISA_AVX512

/* Each builds on those before it. */
/* clang-format off */
#include "nn/tile.inc"
#include "nn/math.inc"
#include "nn/finish.inc"
#include "nn/pack.inc"
#include "nn/depthwise.inc"
#include "nn/pools.inc"
#include "nn/elements.inc"
#include "nn/rows.inc"
#include "nn/table.inc"
/* clang-format on */
