/* Products of split numbers on AMX tiles: what gemm, matmul and convolutions are driven by.
 *
 * A float is the sum of up to three bf16 parts, x = x0 + x1 + x2, each eight bits of it.  Products
 * of parts whose numbers add up to less than `parts` are kept: one product (2e-3 rms, as bf16),
 * three (4e-6) or six (2e-7, as a blocked fp32 sum), all summed in fp32 by the tiles.
 *
 * Both factors are split ahead into tile order, in steps of 32 products: of a strip of 32 rows of
 * the left factor and of a panel of 32 columns of the right one, part by part, two tiles of 1 KiB.
 * Numbers that bf16 cannot hold (infinities, NaN, above 3.38e38) do not survive being split: the
 * splitting functions say so, and the caller takes another kernel.  Parts below 1.2e-38 are zero.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18;
 * Henry et al. 2019, arXiv:1904.06376 (sums of bf16 products at fp32 accuracy). */
#ifndef BL_NN_AMX_H
#define BL_NN_AMX_H

#include "nn/micro.h"

#define BL_AMX_ROWS 32 /* of a strip */
#define BL_AMX_COLS 32 /* of a panel: the width of AVX-512's panels */
#define BL_AMX_STEP 32 /* products that two tiles take at once */
#define BL_AMX_SUMS ((size_t)BL_AMX_ROWS * BL_AMX_COLS)

/* bf16 numbers of one strip or panel of k products. */
static inline size_t bl_amx_len(size_t k, int parts)
{
    return bl_ceil(k, BL_AMX_STEP) * (size_t)parts * BL_AMX_STEP * 32;
}

static inline int bl_amx_parts(bl_precision precision)
{
    return precision == BL_PRECISION_HIGHEST ? 3 : precision == BL_PRECISION_HIGH ? 2 : 1;
}

/* Products summed at once: longer sums lose more to rounding, where it can be seen. */
static inline size_t bl_amx_k_block(int parts)
{
    (void)parts;
    return 768;
}

/* Every thread brackets its tile products with these; between them no other code may use tiles. */
void bl_amx_begin(void);
void bl_amx_end(void);

/* Splits rows 0..rows-1 (at most 32; those beyond are zeros) of a left factor into
 * to[step][part][2][16 rows][32 products], aligned to 64.
 * False when some number cannot be split. */
bool bl_amx_split_left(uint16_t *to, int parts, const float *a, size_t a_row, size_t rows,
                       size_t k);

/* Splits a panel [k][32] into to[step][part][2][16 pairs of products][16 columns][2].  What the
 * panel holds must be finite: bl_amx_splittable(). */
void bl_amx_split_panel(uint16_t *to, int parts, const float *panel, size_t k);
bool bl_amx_splittable(const float *x, size_t len);

/* What is done while tiles are multiplied, a little at a time, since the vector units are idle
 * then: a panel that comes next is split, what comes after it is fetched, and the sums of the
 * product before go through its epilogue. */
typedef struct {
    /* The panel. */
    const float *from; /* [k][32], the next pair of rows */
    uint16_t    *to;
    size_t       k;     /* products left */
    size_t       pairs; /* the same with the zeros that fill the last step */
    size_t       each;  /* pairs that are split at one place of the loop */

    /* What is fetched into the second cache. */
    const char *far;
    size_t      lines;     /* of 64 bytes, left */
    size_t      each_line; /* at one place of the loop */

    /* The sums. */
    float          *sums;       /* [rows left][32] */
    const float    *more;       /* as many that are added first; or NULL */
    bl_finish_rows *finish;     /* NULL: sums keep the result */
    bl_finish       f;          /* of the next row */
    size_t          rows, cols; /* left; in each */
    size_t          each_row;   /* rows at one place of the loop */
} bl_amx_ahead;

/* places  where to split that will come: steps of bl_amx_tile times bl_amx_places(parts) */
void bl_amx_ahead_split(bl_amx_ahead *ahead, uint16_t *to, const float *panel, size_t k,
                        size_t places);
void bl_amx_ahead_fetch(bl_amx_ahead *ahead, const void *far, size_t size, size_t places);
/* Does what is left: of the panel, of the sums. */
void bl_amx_finish_ahead(bl_amx_ahead *ahead, int parts);
void bl_amx_finish_sums(bl_amx_ahead *ahead);

static inline size_t bl_amx_places(int parts) /* in one step */
{
    return (size_t)parts * ((size_t)parts + 1) / 2;
}

/* sums[32][32] (+)= left strip * right panel, over `steps` steps.
 *
 * sums    aligned to 64
 * rows    of the strip that count; what becomes of the sums of others is not said
 * more    added to sums, else set
 * ahead   NULL, or what is done meanwhile, as far as it goes */
void bl_amx_tile(int parts, float *sums, const uint16_t *left, const uint16_t *right, size_t rows,
                 size_t steps, bool more, bl_amx_ahead *ahead);

/* Products with packed weights: m is AVX-512's, for few rows and for what cannot be split. */
blind_code bl_amx_gemm_pack(const bl_micro *m, int parts, const bl_matrix *b, bl_packed **out,
                            blind_error *err);
size_t     bl_amx_gemm_scratch(const bl_micro *m, int parts, const bl_packed *b, size_t rows,
                               int threads);
void       bl_amx_gemm_run(const bl_micro *m, int parts, const bl_gemm *g, bl_pool *pool);

/* bl_few of up to this many rows, with panels of one bf16 part or two (amx_few.c). */
#define BL_AMX_FEW_ROWS 4
bl_few bl_amx_few_one, bl_amx_few_two;

#endif
