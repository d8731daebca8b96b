/* What the drivers of products of bytes (bytes.c, bytes_conv.c) ask of an instruction set.
 *
 * The left factor is read where it lies, four adjacent bytes at a time; the right one comes from
 * panels of `width` columns, packed [4 products][width][4] after two lines of `width` numbers: the
 * sums of the columns less k times their zero points, and these.  A signed left factor is read with
 * 128 added where the instruction set `flips`; packed bytes are always signed. */
#ifndef BL_NN_BYTES_MICRO_H
#define BL_NN_BYTES_MICRO_H

#include "nn/bytes.h"
#include "nn/internal.h"

#define BL_BYTES_WIDTH 32                                       /* of a panel, at most */
#define BL_BYTES_ROWS  32                                       /* of a tile, at most */
#define BL_BYTES_HEAD  2                                        /* lines before a panel */
#define BL_BYTES_TILE  ((size_t)BL_BYTES_ROWS * BL_BYTES_WIDTH) /* sums */

/* Where the products of one sum lie in the left factor: `count` segments of `len` bytes, each
 * filled up with `steps` * 4 packed ones, of which those beyond len are zeros. */
typedef struct {
    size_t        count, len, steps;
    const size_t *offset; /* per segment, from the row's beginning */
} bl_segments;

/* Columns of one panel, ready for finishing. */
typedef struct {
    int32_t first[BL_BYTES_WIDTH]; /* added to sums */
    int32_t zero[BL_BYTES_WIDTH];  /* times the row's sum, taken off */
    float   scale[BL_BYTES_WIDTH], shift[BL_BYTES_WIDTH];
    bool    has_zero, has_shift;
} bl_bytes_columns;

/* sums[r][j] = sum over the segments of a[r] * panel[j], r < rows, j < width of the set.
 *
 * sums   [rows][width], aligned to 64
 * ahead  what is fetched into the second cache meanwhile, up to `end` */
typedef void bl_bytes_tile(int32_t *sums, size_t rows, const uint8_t *a, size_t a_row,
                           bool is_signed, const bl_segments *s, const int8_t *panel,
                           const char *ahead, const char *end);

/* Stores `rows` rows of `cols` sums.
 *
 * row_sum     per row, read where columns have zero points
 * out, add    of row 0, column 0; rows lie `stride` elements apart */
typedef void bl_bytes_store(const bl_bytes_finish *f, const bl_bytes_columns *c,
                            const int32_t *sums, size_t width, const int32_t *row_sum, size_t rows,
                            size_t cols, void *out, const void *add, size_t stride);

struct bl_bytes {
    const char     *name;
    bl_isa          isa;
    size_t          rows, width, step; /* step: bytes to which segments are filled up */
    bool            flips;
    bl_bytes_tile  *tile;
    bl_bytes_store *store;
    void (*begin)(void); /* on each thread around tiles; or NULL */
    void (*end)(void);
    void (*quantize)(void *out, const float *x, size_t len, float scale, int32_t zero, int32_t low,
                     int32_t high);
    void (*dequantize)(float *out, const void *x, bool is_signed, size_t len, float scale,
                       int32_t zero);
    void (*range)(const float *x, size_t len, float *low, float *high);
};

extern const bl_bytes bl_bytes_scalar;
#if defined(__x86_64__)
extern const bl_bytes bl_bytes_avx2, bl_bytes_avxvnni, bl_bytes_avx512, bl_bytes_vnni, bl_bytes_amx;
#endif

/* A matrix of bytes as it is given: product (segment s, byte i) of column j of group g is
 * data[g * group + j * column + s * segment + i / padded * tap + i % padded * channel], none where
 * i % padded >= channels. */
typedef struct {
    const void    *data;
    bool           is_signed;
    const int32_t *zero; /* per column of all groups; or NULL */
    size_t         groups, n;
    size_t         segments, run, channels, padded; /* bytes of a segment: run * padded */
    size_t         group, column, segment, tap, channel;
} bl_bytes_matrix;

BLIND_MUST_USE blind_code bl_bytes_pack(const bl_bytes *k, const bl_bytes_matrix *m,
                                        bl_packed **out, blind_error *err);

/* A product under way.  Rows r with r % pitch < valid count; the others are dropped. */
typedef struct {
    const bl_bytes   *k;
    const bl_kernels *rest;
    const bl_packed  *b;
    const uint8_t    *a;
    size_t            a_row, a_group; /* bytes from row to row, from group to group */
    bool              a_signed;
    int32_t           a_zero;
    bl_segments       segments;
    size_t            products; /* of one sum */
    size_t            rows, pitch, valid;
    size_t            groups;
    bl_bytes_finish   finish;
    char             *out;
    size_t            out_row;   /* elements from row to row */
    bool              by_column; /* columns lie out_row apart instead, rows side by side */
    /* Set by the driver. */
    size_t block_rows, blocks, chunk_panels, chunks, panels, threads;
} bl_bytes_product;

void bl_bytes_multiply(bl_bytes_product *p, bl_pool *pool);

/* Bytes of one panel, its head included. */
static inline size_t bl_bytes_panel_size(const bl_packed *b)
{
    return b->k * b->width * 4;
}

static inline size_t bl_bytes_filled(const bl_bytes *k, size_t len)
{
    return (len + k->step - 1) / k->step * k->step;
}

#endif
