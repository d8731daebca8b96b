/* The kernels for AVX-512: tiles of 14 rows and 32 columns.  With AMX products take its tiles, at
 * each precision, and everything else stays. */
#include "nn/attention_amx.h"
#include "nn/chain.h"
#include "nn/conv_amx.h"
#include "nn/conv_lines.h"
#include "nn/micro.h"
#include "nn/nbits.h"
#include "nn/scalar.h"
#include "nn/vec512.h"
#include "nn/winograd.h"

#define TILE_ROWS   14
#define NBITS_ROWS  8
#define TILE_ALL(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define CELLS       bl_cells_avx512
#define KERNELS     bl_kernels_avx512
#define KERNELS_ISA BL_ISA_AVX512

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

/* AMX.  -------------------------------------------------------------------------------------- */

#define AMX(name, PRECISION)                                                                       \
    static blind_code gemm_pack_##name(const bl_matrix *b, bl_packed **out, blind_error *err)      \
    {                                                                                              \
        return bl_amx_gemm_pack(&micro, bl_amx_parts(PRECISION), b, out, err);                     \
    }                                                                                              \
    static size_t gemm_scratch_##name(const bl_packed *b, size_t rows, int threads)                \
    {                                                                                              \
        if (b->layout == BL_LAYOUT_NBITS)                                                          \
            return bl_nbits_scratch(&micro, gemm_scratch_##name, b, rows, threads);                \
        return bl_amx_gemm_scratch(&micro, bl_amx_parts(PRECISION), b, rows, threads);             \
    }                                                                                              \
    static void gemm_##name(const bl_gemm *g, bl_pool *pool)                                       \
    {                                                                                              \
        if (g->b->layout == BL_LAYOUT_NBITS)                                                       \
            bl_nbits_run(&micro, gemm_##name, g, pool);                                            \
        else                                                                                       \
            bl_amx_gemm_run(&micro, bl_amx_parts(PRECISION), g, pool);                             \
    }                                                                                              \
    static size_t attention_scratch_##name(const bl_attention *a, int threads)                     \
    {                                                                                              \
        return bl_attention_amx_scratch(&micro, bl_amx_parts(PRECISION), a, threads);              \
    }                                                                                              \
    static void attention_##name(const bl_attention *a, bl_pool *pool)                             \
    {                                                                                              \
        bl_attention_amx_run(&micro, bl_amx_parts(PRECISION), a, softmax, pool);                   \
    }                                                                                              \
    static blind_code conv_pack_filters_##name(const bl_window *window, const bl_filters *w,       \
                                               bl_pool *pool, bl_packed **out, blind_error *err)   \
    {                                                                                              \
        bool patches =                                                                             \
            (PRECISION) == BL_PRECISION_HIGHEST && bl_winograd_beats_tiles(&micro, window);        \
        *out = NULL;                                                                               \
        if (patches || bl_lines_suits(&micro, window) ||                                           \
            !bl_conv_amx_suits(window, bl_amx_parts(PRECISION)))                                   \
            return BLIND_OK;                                                                       \
        BL_TRY(bl_conv_amx_pack(bl_amx_parts(PRECISION), window, w, pool, out, err));              \
        if ((*out)->splittable)                                                                    \
            return BLIND_OK;                                                                       \
        bl_packed_free(*out);                                                                      \
        *out = NULL;                                                                               \
        return BLIND_OK;                                                                           \
    }                                                                                              \
    static blind_code conv_pack_##name(const bl_window *window, const float *w, bl_packed **out,   \
                                       blind_error *err)                                           \
    {                                                                                              \
        bl_filters plain = { w, NULL, NULL };                                                      \
        BL_TRY(conv_pack_filters_##name(window, &plain, NULL, out, err));                          \
        return *out ? BLIND_OK : conv_pack(window, w, out, err);                                   \
    }                                                                                              \
    static size_t conv_scratch_##name(const bl_window *window, const bl_packed *w, int threads)    \
    {                                                                                              \
        return w->layout == BL_LAYOUT_TILES                                                        \
                   ? bl_conv_amx_scratch(bl_amx_parts(PRECISION), window, w, threads)              \
                   : conv_scratch(window, w, threads);                                             \
    }                                                                                              \
    static void conv_##name(const bl_conv *c, bl_pool *pool)                                       \
    {                                                                                              \
        if (c->w->layout == BL_LAYOUT_TILES)                                                       \
            bl_conv_amx_run(&micro, bl_amx_parts(PRECISION), c, pool);                             \
        else                                                                                       \
            conv(c, pool);                                                                         \
    }
AMX(highest, BL_PRECISION_HIGHEST)
AMX(high, BL_PRECISION_HIGH)
AMX(medium, BL_PRECISION_MEDIUM)
#undef AMX

#define AMX(name, PRECISION)                                                                       \
    [PRECISION] = { .isa = BL_ISA_AMX,                                                             \
                    .precision = PRECISION,                                                        \
                    .gemm_pack = gemm_pack_##name,                                                 \
                    .gemm_pack_nbits = gemm_pack_nbits,                                            \
                    .gemm_scratch = gemm_scratch_##name,                                           \
                    .gemm = gemm_##name,                                                           \
                    .matmul_scratch = matmul_scratch,                                              \
                    .matmul = matmul,                                                              \
                    .attention_scratch = attention_scratch_##name,                                 \
                    .attention = attention_##name,                                                 \
                    .conv_pack = conv_pack_##name,                                                 \
                    .conv_pack_filters = conv_pack_filters_##name,                                 \
                    .conv_scratch = conv_scratch_##name,                                           \
                    .conv = conv_##name,                                                           \
                    KERNELS_EXACT }
const bl_kernels bl_kernels_amx[BL_PRECISION_COUNT] = {
    AMX(highest, BL_PRECISION_HIGHEST),
    AMX(high, BL_PRECISION_HIGH),
    AMX(medium, BL_PRECISION_MEDIUM),
};
#undef AMX
