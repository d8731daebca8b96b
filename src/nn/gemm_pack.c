/* Packing of a matrix into panels, for every vector instruction set.
 *
 * Weights come from a file that is not in any cache, at any address, and go to memory that is new:
 * both are walked once and in pieces.  A piece of rows is read along the rows, and what is read two
 * rows later is fetched meanwhile; columns that lie in one run each are turned. */
#include "nn/micro.h"

enum {
    COPIED_ROWS = 32,  /* of a piece whose rows are runs; a multiple of BL_AMX_STEP, as the next */
    TURNED_ROWS = 128, /* of one whose columns are */
    COPIED_COLS = 1024
};

static bool is_turned(const bl_matrix *b)
{
    return b->row_stride == 1 && b->col_stride != 1;
}

size_t bl_piece_rows(const bl_matrix *b)
{
    return is_turned(b) ? TURNED_ROWS : COPIED_ROWS;
}

size_t bl_piece_cols(const bl_matrix *b, size_t width)
{
    return is_turned(b) ? width : COPIED_COLS;
}

static const char *at(const bl_matrix *b, size_t row, size_t col)
{
    return (const char *)b->data + (row * b->row_stride + col * b->col_stride) * sizeof(float);
}

/* One row: whole panels of a size that compilers copy in place. */
static void copy_panels(float *to, size_t panel_stride, size_t width, const char *from,
                        const char *later, size_t cols)
{
    for (; cols > 0; to += panel_stride) {
        size_t here = BL_MIN(width, cols), size = here * sizeof *to;
        for (size_t i = 0; i < size; i += 64)
            __builtin_prefetch(later + i);
        if (here == 32)
            memcpy(to, from, 32 * sizeof *to);
        else if (here == 16)
            memcpy(to, from, 16 * sizeof *to);
        else
            memcpy(to, from, size);
        from += size;
        later += size;
        cols -= here;
    }
}

/* Columns that are runs, of one panel. */
static void turn_panel(const bl_micro *m, float *to, const bl_matrix *b, const bl_piece *p)
{
    _Alignas(64) float room[BL_MAX_WIDTH * TURNED_ROWS];
    const char        *from = at(b, p->row, p->col);
    if ((uintptr_t)from % sizeof(float) == 0) {
        m->turn(to, m->width, (const float *)(const void *)from, b->col_stride, p->cols, p->rows);
        return;
    }
    for (size_t j = 0; j < p->cols; j++)
        memcpy(room + j * p->rows, at(b, p->row, p->col + j), p->rows * sizeof *room);
    m->turn(to, m->width, room, p->rows, p->cols, p->rows);
}

static void gather_panels(float *to, size_t panel_stride, size_t width, const bl_matrix *b,
                          const bl_piece *p)
{
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->cols; j++)
            memcpy(to + j / width * panel_stride + i * width + j % width,
                   at(b, p->row + i, p->col + j), sizeof *to);
}

void bl_pack_piece(const bl_micro *m, float *to, size_t panel_stride, const bl_matrix *b,
                   const bl_piece *p)
{
    if (is_turned(b))
        turn_panel(m, to, b, p);
    else if (b->col_stride == 1)
        for (size_t i = 0; i < p->rows; i++)
            copy_panels(to + i * m->width, panel_stride, m->width, at(b, p->row + i, p->col),
                        at(b, BL_MIN(p->row + i + 2, b->k - 1), p->col), p->cols);
    else
        gather_panels(to, panel_stride, m->width, b, p);
}

/* Bytes from the first of the piece to the last. */
static blind_span span_of(const bl_matrix *b, size_t row, size_t rows, size_t col, size_t cols)
{
    const char *from = at(b, row, col), *last = at(b, row + rows - 1, col + cols - 1);
    return bl_span(from, (size_t)(last - from) + sizeof(float));
}

/* At the first piece of a strip: of rows that are runs, or of columns. */
static void tell_strip(const bl_matrix *b, const bl_piece *p)
{
    blind_span all = is_turned(b)         ? span_of(b, 0, b->k, p->col, p->cols)
                     : b->col_stride == 1 ? span_of(b, p->row, p->rows, 0, b->n)
                                          : span_of(b, 0, b->k, 0, b->n);
    b->reading->next(b->reading->arg, all);
}

/* On along `at` of `len`, then along `across`. */
static bool go_on(size_t *at, size_t step, size_t len, size_t *across, size_t across_step)
{
    *at += step;
    if (step != 0 && *at < len)
        return false;
    *at = 0;
    *across += across_step;
    return true;
}

bool bl_next_piece(const bl_matrix *b, size_t width, bl_piece *p)
{
    bool strip = is_turned(b) ? go_on(&p->row, p->rows, b->k, &p->col, p->cols)
                              : go_on(&p->col, p->cols, b->n, &p->row, p->rows);
    p->rows = BL_MIN(b->k - p->row, bl_piece_rows(b));
    p->cols = BL_MIN(b->n - p->col, bl_piece_cols(b, width));
    if (p->rows == 0 || p->cols == 0)
        return false;
    if (b->reading && strip)
        tell_strip(b, p);
    return true;
}

blind_code bl_gemm_pack(const bl_micro *m, const bl_matrix *b, bl_fits *fits, bl_packed **out,
                        blind_error *err)
{
    BL_TRY(bl_packed_new(b->k, b->n, 1, m->width, BL_LAYOUT_COLUMNS, out, err));
    bool     good = true;
    bl_piece p = { 0 };
    while (bl_next_piece(b, m->width, &p)) {
        float *to = (*out)->data + p.col * b->k + p.row * m->width;
        bl_pack_piece(m, to, b->k * m->width, b, &p);
        for (size_t col = 0; fits && col < p.cols; col += m->width)
            good = fits(to + col * b->k, p.rows * m->width) && good;
    }
    (*out)->splittable = fits && good;
    return BLIND_OK;
}
