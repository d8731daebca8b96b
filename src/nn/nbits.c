/* Packing of small numbers, and the choice between few rows and many; nbits.h says how they lie. */
#include "nn/nbits.h"

#include <math.h>

#define OPEN_SIZE ((size_t)16 << 20) /* of the panels that are floats at a time */
#define FEW_ROWS  32                 /* up to here numbers are read as they are */
#define GROUP     8                  /* of them */

/* The order of a panel.  ---------------------------------------------------------------------- */

static size_t per_word(size_t bits)
{
    return 32 / bits;
}

static const bl_nbits_head *head_of(const bl_packed *b)
{
    return (const bl_nbits_head *)(const void *)b->data;
}

static size_t panels_of(const bl_packed *b)
{
    return bl_ceil(b->n, b->width);
}

static size_t panel_len(const bl_packed *b)
{
    return b->group_stride / panels_of(b);
}

/* Rows of words of a panel. */
static size_t rows_of(const bl_nbits_matrix *b, bool zeros)
{
    size_t each = b->block / per_word(b->bits), blocks = bl_ceil(b->k, b->block);
    return 1 + blocks * (zeros ? 2 : 1) + b->k / b->block * each +
           bl_ceil(b->k % b->block, per_word(b->bits));
}

/* Where block `at` of a panel begins, in words. */
static size_t block_at(const bl_nbits_head *h, size_t width, size_t at)
{
    return (1 + at * (1 + h->zeros + h->block / per_word(h->bits))) * width;
}

static float signed_number(uint32_t word, size_t bits, size_t at)
{
    uint32_t half = 1u << (bits - 1), q = word >> (bits * at) & (2 * half - 1);
    return (float)(q ^ half) - (float)half;
}

float bl_nbits_at(const bl_packed *b, size_t i, size_t j)
{
    const bl_nbits_head *h = head_of(b);
    size_t               at = block_at(h, b->width, i / h->block), per = per_word(h->bits);
    const float         *block = b->data + j / b->width * panel_len(b) + at + j % b->width;
    uint32_t             word;
    memcpy(&word, block + (1 + h->zeros + i % h->block / per) * b->width, sizeof word);
    float q = signed_number(word, h->bits, i % per);
    return (q - (h->zeros ? block[b->width] : 0)) * block[0];
}

/* Packing.  ----------------------------------------------------------------------------------- */

typedef struct {
    const bl_nbits_matrix *b;
    bl_packed             *out;
    bl_nbits_head          head;
} packing;

static uint32_t load_word(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t gather_word(const bl_nbits_matrix *b, size_t row, size_t rows, size_t col)
{
    const uint8_t *q = b->q;
    uint32_t       word = 0;
    for (size_t i = 0; i < rows; i++) {
        size_t   at = (row + i) * b->row_stride + col * b->col_stride;
        uint32_t one = b->bits == 8 ? q[at]
                       : b->apart   ? q[at] & 15u
                                    : (uint32_t)q[at / 2] >> (at % 2 * 4) & 15u;
        word |= one << (b->bits * i);
    }
    return word;
}

/* Numbers [row, end) of a column, as words that lie `width` apart. */
static void pack_column(const bl_nbits_matrix *b, float *to, size_t width, size_t row, size_t end,
                        size_t col)
{
    const size_t   per = per_word(b->bits), first = row * b->row_stride + col * b->col_stride;
    const uint32_t half = b->is_signed ? 0u : b->bits == 4 ? 0x88888888u : 0x80808080u;
    const bool     whole = b->row_stride == 1 && !b->apart && first * b->bits % 8 == 0;
    const uint8_t *from = (const uint8_t *)b->q + first * b->bits / 8;
    for (; row < end; row += per, to += width, from += 4) {
        size_t   rows = BL_MIN(per, end - row);
        uint32_t word =
            (whole && rows == per ? load_word(from) : gather_word(b, row, rows, col)) ^ half;
        memcpy(to, &word, sizeof word);
    }
}

static void pack_block(const packing *p, float *to, size_t at, size_t col, size_t cols)
{
    const bl_nbits_matrix *b = p->b;
    size_t                 width = p->out->width, end = BL_MIN((at + 1) * b->block, b->k);
    float                  middle = b->is_signed ? 0 : b->bits == 4 ? 8 : 128;
    for (size_t j = 0; j < cols; j++) {
        size_t from = at * b->scale_row + (col + j) * b->scale_col;
        to[j] = b->scale[from];
        if (p->head.zeros)
            to[width + j] = b->zero[from] - middle;
        pack_column(b, to + (1 + p->head.zeros) * width + j, width, at * b->block, end, col + j);
    }
}

static void pack_panel(void *arg, size_t index, int worker)
{
    (void)worker;
    const packing *p = arg;
    size_t         width = p->out->width, col = index * width;
    float         *panel = p->out->data + index * panel_len(p->out);
    memset(panel, 0, width * sizeof *panel);
    memcpy(panel, &p->head, sizeof p->head);
    for (size_t at = 0; at < bl_ceil(p->b->k, p->b->block); at++)
        pack_block(p, panel + block_at(&p->head, width, at), at, col, BL_MIN(width, p->b->n - col));
}

/* Whether there are zero points other than the middle, and whether all elements are far from what
 * bf16 cannot hold. */
static void look(const bl_nbits_matrix *b, bool *zeros, bool *moderate)
{
    float middle = b->is_signed ? 0 : b->bits == 4 ? 8 : 128;
    *zeros = false;
    *moderate = true;
    for (size_t at = 0; at < bl_ceil(b->k, b->block); at++)
        for (size_t j = 0; j < b->n; j++) {
            size_t from = at * b->scale_row + j * b->scale_col;
            float  zero = b->zero ? b->zero[from] : middle;
            *zeros = *zeros || !(zero == middle);
            *moderate = *moderate && fabsf(b->scale[from]) * (256 + fabsf(zero)) < 1e38f;
        }
}

blind_code bl_nbits_pack(const bl_nbits_matrix *b, size_t width, bl_pool *pool, bl_packed **out,
                         blind_error *err)
{
    bool    zeros, moderate;
    packing p = { .b = b };
    look(b, &zeros, &moderate);
    BL_TRY(bl_packed_new(rows_of(b, zeros), b->n, 1, width, BL_LAYOUT_NBITS, out, err));
    (*out)->k = b->k;
    (*out)->splittable = moderate;
    p.out = *out;
    p.head = (bl_nbits_head){ (uint32_t)b->bits, (uint32_t)b->block, zeros };
    bl_pool_run(pool, pack_panel, &p, panels_of(*out));
    return BLIND_OK;
}

/* Products.  ---------------------------------------------------------------------------------- */

static size_t panels_at_once(const bl_packed *b)
{
    size_t panels = OPEN_SIZE / (b->k * b->width * sizeof(float));
    return BL_MIN(BL_MAX(panels, (size_t)1), panels_of(b));
}

/* The matrix of `panels` of them made floats at `data`. */
static bl_packed opened(const bl_packed *b, size_t first, size_t panels, float *data)
{
    bl_packed p = *b;
    p.layout = BL_LAYOUT_COLUMNS;
    p.n = BL_MIN(b->n - first * b->width, panels * b->width);
    p.group_stride = panels * b->width * b->k;
    p.size = p.group_stride * sizeof *data;
    p.data = data;
    return p;
}

static size_t opened_size(const bl_packed *b)
{
    return (panels_at_once(b) * b->width * b->k * sizeof(float) + 63) & ~(size_t)63;
}

size_t bl_nbits_scratch(const bl_micro *m, bl_nbits_gemm_scratch *gemm_scratch, const bl_packed *b,
                        size_t rows, int threads)
{
    (void)m;
    if (rows <= FEW_ROWS || b->n == 0)
        return bl_few_scratch(threads);
    size_t    at_once = panels_at_once(b), panels = panels_of(b);
    size_t    first = (panels - 1) / at_once * at_once;
    bl_packed whole = opened(b, 0, at_once, NULL), last = opened(b, first, panels - first, NULL);
    return opened_size(b) +
           BL_MAX(gemm_scratch(&whole, rows, threads), gemm_scratch(&last, rows, threads));
}

typedef struct {
    const bl_micro  *m;
    const bl_packed *b;
    size_t           first;
    float           *to;
} opening;

static void open_panel(void *arg, size_t index, int worker)
{
    (void)worker;
    const opening *o = arg;
    o->m->nbits_open(o->to + index * o->b->width * o->b->k, o->b->k,
                     o->b->data + (o->first + index) * panel_len(o->b));
}

/* The columns of some panels. */
static bl_gemm columns_of(const bl_gemm *g, const bl_packed *b, size_t col)
{
    bl_gemm part = *g;
    part.b = b;
    part.out += col;
    part.epilogue.bias += part.epilogue.bias ? col : 0;
    part.epilogue.add += part.epilogue.add ? col : 0;
    part.epilogue.mul += part.epilogue.mul ? col : 0;
    part.scratch = (char *)g->scratch + opened_size(g->b);
    return part;
}

static void run_few(const bl_micro *m, const bl_gemm *g, bl_pool *pool)
{
    bl_gemm group = *g;
    for (size_t row = 0; row < g->rows; row += group.rows) {
        size_t down = row * g->out_stride;
        group.rows = BL_MIN(g->rows - row, (size_t)GROUP);
        group.a = g->a + row * g->a_stride;
        group.out = g->out + down;
        group.epilogue.add = g->epilogue.add ? g->epilogue.add + down : NULL;
        group.epilogue.mul = g->epilogue.mul ? g->epilogue.mul + down : NULL;
        bl_few_run(m, m->nbits_few, panel_len(g->b) * sizeof(float), &group, pool);
    }
}

void bl_nbits_run(const bl_micro *m, bl_nbits_gemm *gemm, const bl_gemm *g, bl_pool *pool)
{
    const bl_packed *b = g->b;
    if (g->rows == 0 || b->n == 0)
        return;
    if (g->rows <= FEW_ROWS) {
        run_few(m, g, pool);
        return;
    }
    opening o = { m, b, 0, g->scratch };
    for (size_t panels; o.first < panels_of(b); o.first += panels) {
        panels = BL_MIN(panels_of(b) - o.first, panels_at_once(b));
        bl_packed some = opened(b, o.first, panels, o.to);
        bl_gemm   part = columns_of(g, &some, o.first * b->width);
        bl_pool_run(pool, open_panel, &o, panels);
        gemm(&part, pool);
    }
}
