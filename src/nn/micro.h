/* What the drivers of products (gemm.c, conv.c, matmul.c, attention.c) ask of an instruction set.
 *
 * A tile is `rows` x `width` sums kept in registers: rows are read one float at a time and spread
 * over the lanes, columns come from a panel packed [k][width].  Sums go to a small dense buffer
 * and from there, through the epilogue, to the output: the multiplication loop stays the same for
 * all products. */
#ifndef BL_NN_MICRO_H
#define BL_NN_MICRO_H

#include "nn/internal.h"

#define BL_MAX_ROWS  14 /* of a tile, on any instruction set */
#define BL_MAX_WIDTH 32
#define BL_TILE_LEN  ((size_t)BL_MAX_ROWS * BL_MAX_WIDTH) /* sums of the largest tile */
#define BL_TILE_SIZE (BL_TILE_LEN * sizeof(float))
#define BL_LINE      16 /* floats of a cache line */

/* sums[r][j] (+)= sum over k of a[r * a_row + k * a_col] * panel[k * width + j]
 *
 * sums   [rows][width], aligned to 64; added to with BL_TILE_MORE, else set
 * rows   1..micro.rows
 * ahead  what is fetched into the second cache meanwhile, k * width floats of it: the panel that
 *        comes next, or `panel` itself
 * how    BL_TILE_MORE, and n * BL_TILE_EASE: of what is ahead only its 2^n-th part is fetched
 * a_col  1, or a_row is 1 */
enum { BL_TILE_MORE = 1, BL_TILE_EASE = 2 };
typedef void bl_tile(float *sums, size_t rows, size_t k, const float *a, size_t a_row, size_t a_col,
                     const float *panel, const float *ahead, unsigned how);

/* For the index-th of `count` tiles of the same panel: *ahead moves from what the tile after them
 * all is of to the piece that is fetched with this one, or to `panel` where there is none left;
 * returns the n of BL_TILE_EASE.  Fetched at once the panel would keep the first tile waiting. */
static inline unsigned bl_tile_ease(size_t index, size_t count, size_t len, const float *panel,
                                    const float **ahead)
{
    unsigned ease = 0;
    while (ease < 4 && (size_t)2 << ease <= count)
        ease++;
    *ahead = index >> ease == 0 ? *ahead + index * (len >> ease) : panel;
    return ease * BL_TILE_EASE;
}

#define BL_STREAMS  2 /* panels that are read side by side */
#define BL_FEW_SUMS ((size_t)2 * BL_STREAMS * BL_TILE_LEN)

/* sums[p][r][j] = sum over k of a[r * a_stride + k] * panel p's [k][j], for panels that come from
 * memory
 *
 * sums    [count][BL_TILE_LEN], rows `width` apart, aligned to 64; BL_FEW_SUMS floats are written
 * rows    1..micro.rows
 * panels  1..BL_STREAMS; what follows each in memory is fetched */
typedef void bl_few(float *sums, size_t rows, size_t k, const float *a, size_t a_stride,
                    const void *const *panels, size_t count);

/* Where finished sums go.  Row r, column j is element out[r * stride + j]. */
typedef struct {
    float       *out;
    const float *add, *mul; /* at the same offsets; or NULL */
    size_t       stride;
    const float *row_bias, *col_bias; /* at row 0, column 0; or NULL */
    bl_unary     act;
    float        a, b;
} bl_finish;

/* Applies an epilogue to `cols` columns of `rows` rows, which lie sums_stride apart. */
typedef void bl_finish_rows(const bl_finish *f, const float *sums, size_t sums_stride, size_t rows,
                            size_t cols);

/* Neighbouring pixels of one output row: lanes [lane, lane + len) of a panel. */
typedef struct {
    size_t lane, len;
    size_t z, y, x; /* of the first pixel */
    bool   absent;  /* lanes beyond the last pixel: zeros */
} bl_run;

/* panel[((c - begin) * taps + tap) * width + lane] = what the tap of channel c sees under the
 * lane's pixel, for channels [begin, end) of one image; x is its channel 0. */
typedef struct {
    const bl_window *window;
    const float     *x;
    size_t           width; /* of the panel: lanes in all */
    size_t           begin, end;
    const bl_run    *runs;
    size_t           run_count;
} bl_pixels;

/* The way of windows over an image with its pads: floats from one element to the next. */
typedef struct {
    size_t channels, kernel[2]; /* rows and columns of a window */
    size_t plane, line;         /* from channel to channel, from row to row */
    size_t down, right;         /* from tap to tap */
    size_t step;                /* from pixel to pixel of an output row */
} bl_walk;

/* to[k][width] of a panel of nbits.h */
typedef void bl_nbits_open(float *to, size_t k, const void *panel);

typedef struct {
    size_t          rows;  /* of a tile, at most */
    size_t          width; /* of a panel */
    bl_tile        *tile;
    bl_finish_rows *finish;
    bl_few         *few;
    bl_few         *nbits_few; /* with panels of nbits.h; up to BL_MAX_ROWS rows */
    bl_nbits_open  *nbits_open;
    /* sums[r][j] (+)= sum over channels and taps of what the window at x + r * step sees, times
     * panel[channel][tap][j]; rows 1..micro.rows. */
    void (*tile_walk)(float *sums, size_t rows, const float *x, const bl_walk *walk,
                      const float *panel, bool more);
    void (*pack_pixels)(float *panel, const bl_pixels *p);
    /* The same for windows of one tap, several panels at once: x is the first pixel of the first
     * channel, channels lie a plane apart and panels panel_stride. */
    void (*pack_flat)(float *panels, size_t panel_stride, size_t width, const float *x,
                      size_t plane, size_t channels, size_t pixels);
    /* One channel of one image: [out] windows under `weights`, then `finish`. */
    void (*depthwise)(const bl_window *w, const float *x, const float *weights, const bl_finish *f);
    /* One output row of channels in the lanes: out[x * out_stride + lane], clamped to [low, high].
     * rows      of the input, [x][width], as many as the filter has; NULL above and below it
     * weights   [tap][width]; bias: of the first `channels` lanes, or NULL */
    void (*depthwise_row)(float *out, size_t out_stride, const float *const *rows,
                          const bl_window *w, const float *weights, const float *bias,
                          size_t channels, float low, float high);
    bl_turn *turn;
    /* The transforms of winograd.c, documented in winograd.inc. */
    void (*patches)(float *to, size_t to_stride, const float *const rows[4], size_t width,
                    ptrdiff_t first, size_t count, float *lines, size_t line_stride);
    void (*spread)(float *to, size_t number_stride, size_t panel_stride, const float *rows,
                   size_t row_stride, size_t panels, float *marks);
    /* The same with channels in the lanes. */
    void (*lane_patch)(float *to, size_t number_stride, const float *x, size_t line, size_t pixel,
                       size_t channels);
    void (*lane_squares)(float *out, size_t line, size_t down, size_t across, const float *sums,
                         size_t stride);
    bool (*are_moderate)(const float *x, size_t len);
    void (*squares)(float *out, const float *sums, size_t stride, size_t rows);
} bl_micro;

/* Lines of an image that are wanted next: they are fetched into the second cache while tiles are
 * multiplied, a few with each, since they come from memory or from another processor's cache. */
typedef struct {
    const float *at;                           /* of the channel that is under way */
    size_t       plane, lines, line, channels; /* lines of a channel, the next one; channels left */
    size_t       each;
} bl_fetching;

static inline void bl_fetch_some(bl_fetching *f)
{
    for (size_t n = 0; n < f->each && f->channels > 0; n++) {
        __builtin_prefetch(f->at + f->line * BL_LINE, 0, 2);
        if (++f->line < f->lines)
            continue;
        f->line = 0;
        f->at += f->plane;
        f->channels--;
    }
}

/* Cuts `len` into the fewest pieces of at most `most`, as equal as can be; returns the longest. */
static inline size_t bl_even(size_t len, size_t most)
{
    size_t pieces = (len + most - 1) / most;
    return pieces ? (len + pieces - 1) / pieces : 1;
}

static inline size_t bl_ceil(size_t len, size_t step)
{
    return (len + step - 1) / step;
}

/* Bytes of one worker's scratch, so that it begins at the same place for most convolutions of a
 * model: where another worker wrote before, each line would have to come from that processor. */
static inline size_t bl_apart(size_t size, int threads)
{
    enum { SMALL_SIZE = 1 << 16, APART = 2 << 20, MANY_THREADS = 8 };
    bool small = size <= SMALL_SIZE || threads == 1 || threads > MANY_THREADS;
    return small ? size : bl_ceil(size, APART) * APART;
}

#define BL_K_BLOCK 384
/* products summed at once: a panel's slice stays in the first cache */

/* Rows and columns of it that are packed at once, from the first caches; zeros before the first. */
typedef struct {
    size_t row, rows, col, cols;
} bl_piece;

/* The piece after *p, in the order in which they lie; false after the last.  Pieces begin at a
 * panel and at a multiple of 32 rows.  b->reading is told of what comes. */
bool bl_next_piece(const bl_matrix *b, size_t width, bl_piece *p);
/* The most of any piece. */
size_t bl_piece_rows(const bl_matrix *b);
size_t bl_piece_cols(const bl_matrix *b, size_t width);
/* to[panel * panel_stride + row * width + column]; columns beyond the matrix stay as they are. */
void bl_pack_piece(const bl_micro *m, float *to, size_t panel_stride, const bl_matrix *b,
                   const bl_piece *p);

/* fits  NULL, or what all floats of a packed matrix must pass for it to be splittable */
typedef bool bl_fits(const float *x, size_t len);
blind_code   bl_gemm_pack(const bl_micro *m, const bl_matrix *b, bl_fits *fits, bl_packed **out,
                          blind_error *err);
size_t       bl_gemm_scratch(const bl_micro *m, const bl_packed *b, size_t rows, int threads);
void         bl_gemm_run(const bl_micro *m, const bl_gemm *g, bl_pool *pool);

/* Products of no more rows than `few` takes with panels of panel_size bytes each (few.c). */
size_t bl_few_scratch(int threads);
void bl_few_run(const bl_micro *m, bl_few *few, size_t panel_size, const bl_gemm *g, bl_pool *pool);

size_t bl_matmul_scratch(const bl_micro *m, const bl_matmul *p, int threads);
void   bl_matmul_run(const bl_micro *m, const bl_matmul *p, bl_pool *pool);

typedef void bl_softmax(float *out, const float *x, size_t rows, size_t width, bool log,
                        bl_pool *pool);
size_t       bl_attention_scratch(const bl_micro *m, const bl_attention *a, int threads);
void bl_attention_run(const bl_micro *m, const bl_attention *a, bl_softmax *softmax, bl_pool *pool);

#define BL_MAX_CELL_ROWS 6
/* Recurrent cells.  Panels hold the gates of `lanes` units side by side, [k][gates][lanes]. */
typedef struct {
    const bl_recurrent *r;
    const bl_direction *d;
    const float        *x;     /* input products of this row and step */
    const float        *h;     /* states before it */
    float              *h_out; /* and after it: another place */
    float              *c;     /* LSTM: replaced; GRU: z between the two products */
    float              *reset; /* GRU: r . h between the two products */
    float              *y;     /* or NULL */
} bl_cell_row;

typedef struct {
    size_t lanes, rows; /* of a tile: units, and rows at most */
    /* sums[row][gate][lane] = sum over k of a[row * a_stride + k] * panel[k][gate][lane] */
    void (*tile)(float *sums, size_t rows, size_t gates, size_t k, const float *a, size_t a_stride,
                 const float *panel);
    /* The gates of units [unit, unit + n) of one row, n <= lanes, from its [gate][lane] sums.
     * second: the product with r . h, of BL_CELL_GRU. */
    void (*finish)(const bl_cell_row *row, const float *sums, size_t unit, size_t n, bool second);
} bl_cells;
extern const bl_cells bl_cells_avx2, bl_cells_avx512;

blind_code bl_recurrent_pack(const bl_cells *c, bl_cell cell, size_t hidden, const float *r,
                             bl_packed **out, blind_error *err);
size_t     bl_recurrent_scratch(const bl_recurrent *r, int threads);
void       bl_recurrent_run(const bl_cells *c, const bl_recurrent *r, bl_pool *pool);

blind_code bl_conv_pack(const bl_micro *m, const bl_window *w, const float *weights,
                        bl_packed **out, blind_error *err);
size_t bl_conv_scratch(const bl_micro *m, const bl_window *w, const bl_packed *packed, int threads);
void   bl_conv_run(const bl_micro *m, const bl_conv *c, bl_pool *pool);

#endif
