/* Cells of recurrent layers for AVX-512: tiles of 6 rows and 16 units. */
#include "nn/vec512.h"

#define CELL_ROWS   6
#define CELL_ALL(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define CELLS       bl_cells_avx512

#include "nn/cells.inc"
