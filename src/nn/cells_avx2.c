/* Cells of recurrent layers for AVX2 and FMA: tiles of 3 rows and 8 units. */
#include "nn/vec256.h"

#define CELL_ROWS   3
#define CELL_ALL(X) X(1) X(2) X(3)
#define CELLS       bl_cells_avx2

#include "nn/cells.inc"
