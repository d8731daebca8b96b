/* Moving elements without looking at them: regular views and rows of a table. */
#include "nn/internal.h"

#define GRAIN ((size_t)1 << 15) /* bytes worth a part of their own */
#define BLOCK 16                /* side of the square a transpose moves at once */

/* A view after axes of length 1 are dropped and adjacent ones merged: the last two axes are copied
 * by a kernel, the outer ones counted. */
typedef struct {
    size_t         element_size;
    int            outer_rank;
    size_t         outer[BL_MAX_RANK];
    ptrdiff_t      outer_stride[BL_MAX_RANK]; /* bytes */
    size_t         rows, cols;
    ptrdiff_t      row_stride, col_stride; /* bytes */
    const uint8_t *x;
    uint8_t       *out;
    size_t         planes, strips; /* a plane's rows are cut into strips */
    bl_turn       *turn;           /* or NULL */
} view;

#define COPY_STRIDED(type)                                                                         \
    static void copy_##type(const view *v, uint8_t *out, const uint8_t *x, size_t first,           \
                            size_t last)                                                           \
    {                                                                                              \
        for (size_t r = first; r < last; r += BLOCK)                                               \
            for (size_t c = 0; c < v->cols; c += BLOCK)                                            \
                for (size_t i = r; i < BL_MIN(r + BLOCK, last); i++)                               \
                    for (size_t j = c; j < BL_MIN(c + BLOCK, v->cols); j++) {                      \
                        const uint8_t *from =                                                      \
                            x + (ptrdiff_t)i * v->row_stride + (ptrdiff_t)j * v->col_stride;       \
                        memcpy(out + (i * v->cols + j) * sizeof(type), from, sizeof(type));        \
                    }                                                                              \
    }

COPY_STRIDED(uint8_t)
COPY_STRIDED(uint16_t)
COPY_STRIDED(uint32_t)
COPY_STRIDED(uint64_t)

static void copy_any(const view *v, uint8_t *out, const uint8_t *x, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++)
        for (size_t j = 0; j < v->cols; j++)
            memcpy(out + (i * v->cols + j) * v->element_size,
                   x + (ptrdiff_t)i * v->row_stride + (ptrdiff_t)j * v->col_stride,
                   v->element_size);
}

static void copy_rows(const view *v, uint8_t *out, const uint8_t *x, size_t first, size_t last)
{
    size_t size = v->cols * v->element_size;
    for (size_t i = first; i < last; i++)
        memcpy(out + i * size, x + (ptrdiff_t)i * v->row_stride, size);
}

/* Rows that lie side by side: a transpose of floats, or of what is as large. */
static bool is_turned(const view *v)
{
    return v->turn && v->element_size == sizeof(float) && v->row_stride == sizeof(float) &&
           v->col_stride > 0 && v->rows > 1;
}

static void copy_turned(const view *v, uint8_t *out, const uint8_t *x, size_t first, size_t last)
{
    v->turn((float *)(void *)out + first * v->cols, v->cols, (const float *)(const void *)x + first,
            (size_t)v->col_stride / sizeof(float), v->cols, last - first);
}

static void copy_plane(const view *v, uint8_t *out, const uint8_t *x, size_t first, size_t last)
{
    if (is_turned(v)) {
        copy_turned(v, out, x, first, last);
        return;
    }
    if (v->col_stride == (ptrdiff_t)v->element_size) {
        copy_rows(v, out, x, first, last);
        return;
    }
    switch (v->element_size) {
    case 1:
        copy_uint8_t(v, out, x, first, last);
        break;
    case 2:
        copy_uint16_t(v, out, x, first, last);
        break;
    case 4:
        copy_uint32_t(v, out, x, first, last);
        break;
    case 8:
        copy_uint64_t(v, out, x, first, last);
        break;
    default:
        copy_any(v, out, x, first, last);
    }
}

static void copy_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const view    *v = arg;
    size_t         plane = index / v->strips, rest = plane, first, last;
    const uint8_t *x = v->x;
    for (int axis = v->outer_rank; axis-- > 0; rest /= v->outer[axis])
        x += (ptrdiff_t)(rest % v->outer[axis]) * v->outer_stride[axis];
    bl_part(v->rows, v->strips, index % v->strips, BLOCK, &first, &last);
    copy_plane(v, v->out + plane * v->rows * v->cols * v->element_size, x, first, last);
}

/* Drops axes of length 1 and merges those that lie one after another in both tensors.  Returns the
 * elements of out. */
static size_t simplify(const bl_copy *c, int *rank, size_t shape[], ptrdiff_t stride[])
{
    size_t len = 1;
    *rank = 0;
    for (int axis = 0; axis < c->rank; axis++) {
        len *= c->shape[axis];
        if (c->shape[axis] == 1)
            continue;
        int last = *rank - 1;
        if (*rank > 0 && stride[last] == c->stride[axis] * (ptrdiff_t)c->shape[axis]) {
            shape[last] *= c->shape[axis];
            stride[last] = c->stride[axis];
            continue;
        }
        shape[*rank] = c->shape[axis];
        stride[(*rank)++] = c->stride[axis];
    }
    return len;
}

void bl_copy_view_by(bl_turn *turn, const bl_copy *c, bl_pool *pool)
{
    size_t    shape[BL_MAX_RANK];
    ptrdiff_t stride[BL_MAX_RANK];
    int       rank;
    size_t    len = simplify(c, &rank, shape, stride);
    if (len == 0)
        return;
    ptrdiff_t size = (ptrdiff_t)c->element_size;
    view      v = { .element_size = c->element_size,
                    .rows = 1,
                    .cols = 1,
                    .col_stride = size,
                    .x = c->x,
                    .out = c->out,
                    .planes = 1,
                    .turn = turn };
    if (rank >= 1) {
        v.cols = shape[rank - 1];
        v.col_stride = stride[rank - 1] * size;
    }
    if (rank >= 2) {
        v.rows = shape[rank - 2];
        v.row_stride = stride[rank - 2] * size;
    }
    for (int axis = 0; axis < rank - 2; axis++) {
        v.outer[v.outer_rank] = shape[axis];
        v.outer_stride[v.outer_rank++] = stride[axis] * size;
        v.planes *= shape[axis];
    }
    v.strips = bl_parts(v.rows, GRAIN / BL_MAX(v.cols * c->element_size, (size_t)1) + 1, BLOCK);
    bl_pool *helpers = len * c->element_size < 2 * GRAIN ? NULL : pool;
    bl_pool_run(helpers, copy_part, &v, v.planes * v.strips);
}

void bl_copy_view(const bl_copy *c, bl_pool *pool)
{
    bl_copy_view_by(NULL, c, pool);
}

typedef struct {
    uint8_t       *out;
    const uint8_t *table;
    size_t         row_size, count, parts;
    const int64_t *indices;
} gather;

static void gather_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const gather *g = arg;
    size_t        first, last;
    bl_part(g->count, g->parts, index, 1, &first, &last);
    for (size_t i = first; i < last; i++)
        memcpy(g->out + i * g->row_size, g->table + (size_t)g->indices[i] * g->row_size,
               g->row_size);
}

void bl_gather_rows(void *out, const void *table, size_t row_size, const int64_t *indices,
                    size_t count, bl_pool *pool)
{
    if (row_size == 0)
        return;
    gather g = { out, table, row_size, count, 1, indices };
    g.parts = bl_parts(count, GRAIN / row_size + 1, 1);
    bl_pool_run(pool, gather_part, &g, g.parts);
}
