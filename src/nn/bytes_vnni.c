/* Products of bytes on AVX-512 VNNI, and on AMX tiles, whose few rows and whose sums are left to
 * it. */
#include "nn/bytes_micro.h"

#include <immintrin.h>

#define WIDE                   1
#define DOT_OF_FOUR(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#include "nn/bytes_vec.inc"

const bl_bytes bl_bytes_vnni = {
    .name = "vnni", .isa = BL_ISA_AVX512, .rows = TILE_ROWS, .tile = tile, BYTES_TABLE
};

/* Tiles.  ------------------------------------------------------------------------------------ */

/* Palette 1: sums in tiles 0 to 3, 16 rows each of two strips, which are tiles 4 and 5; columns in
 * 6 and 7. */
typedef struct {
    uint8_t  palette, start, zero[14];
    uint16_t row_size[16];
    uint8_t  rows[16];
} __attribute__((aligned(64))) tile_shape;

static const tile_shape whole = { .palette = 1,
                                  .row_size = { 64, 64, 64, 64, 64, 64, 64, 64 },
                                  .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };

static void begin(void)
{
    _tile_loadconfig(&whole);
}
static void end(void)
{
    _tile_release();
}

/* Strips of fewer rows: what lies beyond is not read. */
static void shape_rows(size_t rows)
{
    tile_shape shape = whole;
    uint8_t    first = (uint8_t)BL_MIN(rows, (size_t)16), second = (uint8_t)(rows - first);
    shape.rows[0] = shape.rows[1] = shape.rows[4] = first;
    shape.rows[2] = shape.rows[3] = shape.rows[5] = second ? second : 16;
    __asm__ volatile("" : : "r"(&shape) : "memory"); /* all of it is read */
    _tile_loadconfig(&shape);
}

/* One step: 64 products of two strips, or of the first alone. */
#define STEP(DOT, at, two)                                                                         \
    do {                                                                                           \
        _tile_loadd(6, panel, 128);                                                                \
        _tile_loadd(4, at, a_row);                                                                 \
        DOT(0, 4, 6);                                                                              \
        _tile_loadd(7, panel + 64, 128);                                                           \
        DOT(1, 4, 7);                                                                              \
        if (two) {                                                                                 \
            _tile_loadd(5, (at) + 16 * a_row, a_row);                                              \
            DOT(2, 5, 6);                                                                          \
            DOT(3, 5, 7);                                                                          \
        }                                                                                          \
    } while (0)

#define STEPS(DOT, two)                                                                            \
    for (size_t seg = 0; seg < s->count; seg++)                                                    \
        for (size_t k = 0; k < s->steps; k += 16, panel += 2048) {                                 \
            STEP(DOT, a + s->offset[seg] + 4 * k, two);                                            \
            for (size_t i = 0; i < lines && ahead < end; i++, ahead += 64)                         \
                _mm_prefetch(ahead, _MM_HINT_T1);                                                  \
        }

static void multiply_tiles(int32_t *sums, size_t rows, const uint8_t *a, size_t a_row,
                           bool is_signed, const bl_segments *s, const int8_t *panel,
                           const char *ahead, const char *end)
{
    size_t steps = s->count * s->steps / 16;
    size_t lines = ahead < end ? (size_t)(end - ahead) / 64 / BL_MAX(steps, (size_t)1) + 1 : 0;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (rows > 16 && is_signed)
        STEPS(_tile_dpbssd, true)
    else if (rows > 16)
        STEPS(_tile_dpbusd, true)
    else if (is_signed)
        STEPS(_tile_dpbssd, false)
    else
        STEPS(_tile_dpbusd, false)
    _tile_stored(0, sums, 128);
    _tile_stored(1, sums + 16, 128);
    if (rows > 16) {
        _tile_stored(2, sums + 512, 128);
        _tile_stored(3, sums + 528, 128);
    }
}

static void tiles(int32_t *sums, size_t rows, const uint8_t *a, size_t a_row, bool is_signed,
                  const bl_segments *s, const int8_t *panel, const char *ahead, const char *end)
{
    if (rows == BL_BYTES_ROWS) {
        multiply_tiles(sums, rows, a, a_row, is_signed, s, panel, ahead, end);
        return;
    }
    shape_rows(rows);
    multiply_tiles(sums, rows, a, a_row, is_signed, s, panel, ahead, end);
    begin();
}

const bl_bytes bl_bytes_amx = { .name = "amx",
                                .isa = BL_ISA_AMX,
                                .rows = BL_BYTES_ROWS,
                                .tile = tiles,
                                .begin = begin,
                                .end = end,
                                .width = (size_t)2 * VL,
                                .step = 64,
                                .store = store,
                                .quantize = quantize,
                                .dequantize = dequantize,
                                .range = range };
