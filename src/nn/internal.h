/* What the kernel files share: packed weights, the tables by instruction set, splitting of work. */
#ifndef BL_NN_INTERNAL_H
#define BL_NN_INTERNAL_H

#include "nn/kernels.h"

extern const bl_kernels bl_kernels_scalar;
#if defined(__x86_64__)
extern const bl_kernels bl_kernels_avx2;
extern const bl_kernels bl_kernels_avx512;
extern const bl_kernels bl_kernels_amx[BL_PRECISION_COUNT];
#endif

/* How the floats of a packed matrix are laid out; only the table that packed it knows. */
typedef enum {
    BL_LAYOUT_ROWS,        /* as given, dense                                                   */
    BL_LAYOUT_COLUMNS,     /* [group][panel of `width` columns][k][width]: columns in the lanes */
    BL_LAYOUT_BROADCAST,   /* the same bytes, read as rows of the left factor                   */
    BL_LAYOUT_DEPTHWISE,   /* [channel][kernel]                                                 */
    BL_LAYOUT_PATCHES,     /* of winograd.c                                                     */
    BL_LAYOUT_PATCH_LANES, /* of winograd_lanes.c */
    BL_LAYOUT_SQUARES,     /* COLUMNS, then those of transformed filters: of conv_small.c       */
    BL_LAYOUT_LINES,       /* as COLUMNS, of conv_lines.c                                       */
    BL_LAYOUT_TILES,       /* bf16, in the order of amx.h */
    BL_LAYOUT_CELLS,       /* [panel of `width` units][k][gate][width]                          */
    BL_LAYOUT_NBITS,       /* of nbits.h                                                        */
    BL_LAYOUT_BYTES,       /* of bytes_micro.h: lines of four products                          */
} bl_layout;

struct bl_packed {
    bl_layout layout;
    size_t    k, n;         /* of one group's matrix: n is what out channels or columns there are */
    size_t    groups;       /* 1 for a matrix */
    size_t    width;        /* columns per panel; the last is filled with zeros */
    size_t    group_stride; /* floats from group to group */
    size_t    size;         /* bytes of data */
    float    *data;         /* aligned to 64 bytes */
    bool      splittable;   /* AMX: every number is a sum of bf16 parts */
};

/* Memory for a packed matrix, its columns beyond the last cleared.  Errors MEMORY, LIMIT. */
BLIND_MUST_USE blind_code bl_packed_new(size_t k, size_t n, size_t groups, size_t width,
                                        bl_layout layout, bl_packed **out, blind_error *err);

/* Parts of about `grain` elements: cuts [0, len) into `parts` ranges that begin at multiples of
 * `step`. */
static inline size_t bl_parts(size_t len, size_t grain, size_t step)
{
    size_t parts = len / BL_MAX(grain, step);
    return BL_MAX(parts, (size_t)1);
}

static inline void bl_part(size_t len, size_t parts, size_t index, size_t step, size_t *begin,
                           size_t *end)
{
    size_t steps = (len + step - 1) / step;
    *begin = BL_MIN(steps * index / parts * step, len);
    *end = BL_MIN(steps * (index + 1) / parts * step, len);
}

/* Shared by every table: they move bytes. */
void bl_copy_view(const bl_copy *c, bl_pool *pool);
/* The same with what transposes floats: to[j * to_stride + i] = from[i * from_stride + j] for
 * i < rows, j < cols. */
typedef void bl_turn(float *to, size_t to_stride, const float *from, size_t from_stride,
                     size_t rows, size_t cols);
void         bl_copy_view_by(bl_turn *turn, const bl_copy *c, bl_pool *pool);
void         bl_gather_rows(void *out, const void *table, size_t row_size, const int64_t *indices,
                            size_t count, bl_pool *pool);

static inline size_t bl_window_in_size(const bl_window *w)
{
    return w->in[0] * w->in[1] * w->in[2];
}
static inline size_t bl_window_out_size(const bl_window *w)
{
    return w->out[0] * w->out[1] * w->out[2];
}
static inline size_t bl_window_kernel_size(const bl_window *w)
{
    return w->kernel[0] * w->kernel[1] * w->kernel[2];
}

#endif
