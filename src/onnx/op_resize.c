/* Resize and Upsample.  Each axis becomes a table when planned: which input elements make an output
 * element, with what weights.  Nearest copies elements of any type in one pass; the other modes are
 * separable and go axis by axis.  Source: ONNX operators, Resize; coordinates are computed in f32
 * and pieces at the borders chosen as ONNX Runtime does. */
#include "onnx/element.h"
#include "onnx/families.h"

#include <math.h>

enum { ROWS = 64 }; /* of one part */

typedef enum { NEAREST, LINEAR, CUBIC } resize_mode;

typedef enum {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    CROP, /* tf_crop_and_resize */
} transform;

typedef enum { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL, OLD } rounding;

/* Output element o of an axis is the sum of weight[o * width + i] * x[index[o * width + i]]. */
typedef struct {
    size_t    in, out, width;
    uint32_t *index;
    float    *weight;
    uint8_t  *outside; /* per output element: it lies beyond the input; or NULL */
    bool      same;    /* nothing to do */
} axis_table;

typedef struct {
    resize_mode mode;
    axis_table  axis[BL_ONNX_RANK];
    int         order[BL_ONNX_RANK]; /* in which the axes are resized */
    float       fill;                /* of elements outside */
    size_t      buffer;              /* bytes of one of two intermediates, a multiple of 64 */
} resize;

/* What the attributes and inputs ask for.  */
typedef struct {
    resize_mode mode;
    transform   how;
    rounding    round;
    bool        exclude_outside, antialias;
    float       cubic_a;
    float       scale[BL_ONNX_RANK], start[BL_ONNX_RANK], end[BL_ONNX_RANK]; /* per axis */
    int64_t     dim[BL_ONNX_RANK];
    float       length[BL_ONNX_RANK]; /* of the output before it was rounded down */
} request;

/* Reading.  ---------------------------------------------------------------------------------- */

static blind_code pick(bl_build *b, const bl_node *n, const char *attribute, const char *otherwise,
                       const char *const *names, size_t len, int *out)
{
    const char *given = bl_attr_str(n, attribute, otherwise);
    for (size_t i = 0; i < len; i++)
        if (strcmp(names[i], given) == 0) {
            *out = (int)i;
            return BLIND_OK;
        }
    return bl_op_fail(b, n, BLIND_UNSUPPORTED, "%s '%.30s'", attribute, given);
}

static blind_code read_modes(bl_build *b, const bl_node *n, bool old, request *r)
{
    static const char *const modes[] = { "nearest", "linear", "cubic" };
    static const char *const hows[] = { "half_pixel",         "half_pixel_symmetric",
                                        "pytorch_half_pixel", "align_corners",
                                        "asymmetric",         "tf_crop_and_resize" };
    static const char *const rounds[] = { "round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil" };
    int                      mode = 0, how = 0, round = 0;
    BL_TRY(pick(b, n, "mode", "nearest", modes, BL_LEN(modes), &mode));
    BL_TRY(pick(b, n, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel", hows,
                BL_LEN(hows), &how));
    BL_TRY(pick(b, n, "nearest_mode", "round_prefer_floor", rounds, BL_LEN(rounds), &round));
    *r = (request){ .mode = (resize_mode)mode,
                    .how = (transform)how,
                    .round = old ? OLD : (rounding)round,
                    .exclude_outside = bl_attr_int(n, "exclude_outside", 0) != 0,
                    .antialias = bl_attr_int(n, "antialias", 0) != 0,
                    .cubic_a = bl_attr_float(n, "cubic_coeff_a", -0.75f) };
    return BLIND_OK;
}

/* The axes that scales, sizes and roi speak of. */
static blind_code read_axes(bl_build *b, const bl_node *n, int *axes, size_t *len)
{
    int     rank = bl_in(b, n, 0)->rank;
    int64_t given[BL_ONNX_RANK];
    bool    mask[BL_ONNX_RANK];
    BL_TRY(bl_attr_ints(b, n, "axes", given, BL_ONNX_RANK, len));
    BL_TRY(bl_axes(b, n, given, *len, rank, mask));
    for (size_t i = 0; i < *len; i++)
        axes[i] = (int)(given[i] < 0 ? given[i] + rank : given[i]);
    for (int i = 0; *len == 0 && i < rank; i++)
        axes[i] = i;
    *len = *len ? *len : (size_t)rank;
    return BLIND_OK;
}

/* The numbers of input i: `len` of them, constant. */
static blind_code const_floats(bl_build *b, const bl_node *n, int i, float *out, size_t len)
{
    const bl_tensor *t = bl_in(b, n, i);
    double           v = 0;
    BL_TRY(bl_need_value(b, n, i));
    if (t->len != len)
        return bl_op_fail(b, n, BLIND_INPUT, "input %d has %zu numbers, expected %zu", i, t->len,
                          len);
    for (size_t j = 0; j < len; j++) {
        if (!bl_tensor_number(t, j, &v) || !(fabs(v) < 1e9))
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is no list of plain numbers", i);
        out[j] = (float)v;
    }
    return BLIND_OK;
}

static blind_code use_scales(bl_build *b, const bl_node *n, const float *scales, const int *axes,
                             size_t len, request *r)
{
    for (size_t i = 0; i < len; i++) {
        float size = scales[i] * (float)r->dim[axes[i]];
        if (!(scales[i] > 0) || !(size < (float)INT32_MAX))
            return bl_op_fail(b, n, BLIND_INPUT, "a scale of %g", (double)scales[i]);
        r->scale[axes[i]] = scales[i];
        r->dim[axes[i]] = (int64_t)floorf(size);
        r->length[axes[i]] = size;
    }
    return BLIND_OK;
}

static blind_code use_sizes(bl_build *b, const bl_node *n, int64_t *sizes, const int *axes,
                            size_t len, request *r)
{
    const char *policy = bl_attr_str(n, "keep_aspect_ratio_policy", "stretch");
    bool        keep = strcmp(policy, "stretch") != 0;
    bool        larger = strcmp(policy, "not_smaller") == 0;
    float       common = 0;
    for (size_t i = 0; i < len; i++) {
        int64_t in = r->dim[axes[i]];
        if (sizes[i] < 0 || sizes[i] > INT32_MAX || (in == 0 && sizes[i] > 0))
            return bl_op_fail(b, n, BLIND_INPUT, "%lld elements made of %lld", (long long)sizes[i],
                              (long long)in);
        float scale = in ? (float)sizes[i] / (float)in : 1;
        common = i == 0 || (larger ? scale > common : scale < common) ? scale : common;
        r->scale[axes[i]] = scale;
    }
    for (size_t i = 0; i < len; i++) {
        if (keep) {
            float size = floorf(common * (float)r->dim[axes[i]] + 0.5f);
            if (!(size < (float)INT32_MAX))
                return bl_op_fail(b, n, BLIND_INPUT, "an output of impossible size");
            sizes[i] = (int64_t)size;
            r->scale[axes[i]] = common;
        }
        r->dim[axes[i]] = sizes[i];
        r->length[axes[i]] = (float)sizes[i];
    }
    return BLIND_OK;
}

static blind_code read_roi(bl_build *b, const bl_node *n, int i, const int *axes, size_t len,
                           request *r)
{
    float roi[2 * BL_ONNX_RANK];
    for (int d = 0; d < BL_ONNX_RANK; d++) {
        r->start[d] = 0;
        r->end[d] = 1;
    }
    if (r->how != CROP)
        return BLIND_OK;
    BL_TRY(const_floats(b, n, i, roi, 2 * len));
    for (size_t k = 0; k < len; k++) {
        r->start[axes[k]] = roi[k];
        r->end[axes[k]] = roi[k + len];
    }
    return BLIND_OK;
}

/* Tables.  ----------------------------------------------------------------------------------- */

/* Where output element o of an axis lies in the input.  Corners are aligned to the output's length
 * before it is rounded down, as the specification's cases have it (resize_downsample_scales_linear_
 * align_corners); ONNX Runtime rounds first, which is another thing where scales make fractions. */
static float coordinate(const request *r, int d, size_t in, size_t out, size_t o)
{
    float x = (float)o, scale = r->scale[d], length = (float)in, resized = r->length[d];
    switch (r->how) {
    case HALF_PIXEL:
        return (x + 0.5f) / scale - 0.5f;
    case HALF_PIXEL_SYMMETRIC: {
        float adjust = (float)out / (scale * length), offset = length / 2 * (1 - adjust);
        return offset + (x + 0.5f) / scale - 0.5f;
    }
    case PYTORCH_HALF_PIXEL:
        return out > 1 ? (x + 0.5f) / scale - 0.5f : 0;
    case ALIGN_CORNERS:
        return out > 1 ? x * (length - 1) / (resized - 1) : 0;
    case CROP:
        if (out > 1)
            return r->start[d] * (length - 1) +
                   x * (r->end[d] - r->start[d]) * (length - 1) / (resized - 1);
        return 0.5f * (r->start[d] + r->end[d]) * (length - 1);
    default:
        return x / scale;
    }
}

static float round_coordinate(rounding how, float x, float scale)
{
    switch (how) {
    case PREFER_FLOOR:
        return ceilf(x - 0.5f);
    case PREFER_CEIL:
        return floorf(x + 0.5f);
    case CEIL:
        return ceilf(x);
    case OLD: /* before nearest_mode */
        return scale < 1 ? ceilf(x) : floorf(x);
    default:
        return floorf(x);
    }
}

static uint32_t clamp_index(float x, size_t in)
{
    return x <= 0 ? 0 : x >= (float)(in - 1) ? (uint32_t)(in - 1) : (uint32_t)x;
}

/* Linear: a triangle; cubic: Keys 1981, with parameter a.  t is the distance in input elements. */
static double filter_at(const request *r, double t)
{
    double a = (double)r->cubic_a;
    t = fabs(t);
    if (r->mode == LINEAR)
        return t < 1 ? 1 - t : 0;
    if (t < 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

/* How far an axis's filter reaches to either side, in input elements. */
static double reach_of(const request *r, int d)
{
    double reach = r->mode == CUBIC ? 2 : 1;
    return r->antialias && r->scale[d] < 1 ? reach / (double)r->scale[d] : reach;
}

/* Taps of one output element at x.  Those outside repeat the border, or are left out. */
static void fill_taps(const request *r, int d, axis_table *t, size_t o, float x)
{
    double    squeeze = r->antialias ? (double)BL_MIN(r->scale[d], 1.0f) : 1, sum = 0;
    double    first = floor((double)x - reach_of(r, d)) + 1, last = (double)t->in - 1;
    uint32_t *index = t->index + o * t->width;
    float    *weight = t->weight + o * t->width;
    for (size_t i = 0; i < t->width; i++) {
        double at = first + (double)i, w = filter_at(r, (at - (double)x) * squeeze);
        bool   leave = r->exclude_outside && (at < 0 || at > last);
        index[i] = (uint32_t)BL_MIN(BL_MAX(at, 0), last);
        weight[i] = leave ? 0 : (float)w;
        sum += leave ? 0 : w;
    }
    if (sum == 0) { /* nothing within reach: the nearest */
        memset(weight, 0, t->width * sizeof *weight);
        index[0] = clamp_index(x, t->in);
        weight[0] = 1;
        return;
    }
    for (size_t i = 0; i < t->width; i++)
        weight[i] = (float)((double)weight[i] / sum);
}

static blind_code make_table(bl_build *b, const bl_node *n, const request *r, int d, axis_table *t)
{
    size_t width = 1, cells;
    if (r->mode != NEAREST)
        width = 2 * (size_t)ceil(reach_of(r, d)); /* at most 4 t->in + 4: t->out is at least 1 */
    t->width = width;
    if (!bl_mul(t->out, width, &cells) || t->in > INT32_MAX)
        return bl_op_fail(b, n, BLIND_LIMIT, "an axis of impossible size");
    t->index = bl_arena_array(b->arena, cells + 1, sizeof *t->index);
    t->weight = bl_arena_array(b->arena, cells + 1, sizeof *t->weight);
    t->outside = r->how == CROP ? bl_arena_array(b->arena, t->out + 1, 1) : NULL;
    if (!t->index || !t->weight || (r->how == CROP && !t->outside))
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    t->same = t->in == t->out && !t->outside;
    for (size_t o = 0; o < t->out; o++) {
        float x = coordinate(r, d, t->in, t->out, o);
        if (t->outside)
            t->outside[o] = !(x >= 0 && x <= (float)(t->in - 1));
        if (r->mode == NEAREST) {
            t->index[o] = clamp_index(round_coordinate(r->round, x, r->scale[d]), t->in);
            t->weight[o] = 1;
        } else {
            fill_taps(r, d, t, o, x);
        }
        const float *w = t->weight + o * width;
        for (size_t i = 0; i < width && t->same; i++)
            t->same = w[i] == (float)(t->index[o * width + i] == o) || w[i] == 0;
    }
    return BLIND_OK;
}

/* Axes one after the other: those that shrink first, from the outermost, whose rows are longest;
 * then those that grow, from the innermost. */
static void choose_order(resize *p, int rank)
{
    int len = 0;
    for (int d = 0; d < rank; d++)
        if (p->axis[d].out < p->axis[d].in)
            p->order[len++] = d;
    for (int d = rank - 1; d >= 0; d--)
        if (p->axis[d].out >= p->axis[d].in)
            p->order[len++] = d;
}

/* The largest tensor between two axes. */
static blind_code set_buffers(bl_build *b, bl_node *n, const bl_tensor *x, resize *p)
{
    size_t largest = x->len, len = x->len;
    size_t element = x->dtype == BLIND_F32 ? sizeof(float) : sizeof(double);
    if (p->mode == NEAREST || bl_out(b, n, 0)->len == 0)
        return BLIND_OK;
    choose_order(p, x->rank);
    for (int i = 0; i < x->rank; i++) {
        int d = p->order[i];
        if (!bl_mul(len / p->axis[d].in, p->axis[d].out, &len))
            return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
        largest = BL_MAX(largest, len);
    }
    if (!bl_mul(largest, element, &p->buffer) || p->buffer > SIZE_MAX / 4)
        return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
    p->buffer = (p->buffer + 63) & ~(size_t)63;
    n->scratch = 2 * p->buffer;
    return BLIND_OK;
}

static blind_code finish(bl_build *b, bl_node *n, const request *r)
{
    const bl_tensor *x = bl_in(b, n, 0);
    resize          *p;
    bool             same = true;
    if ((r->mode != NEAREST || r->how == CROP) && x->dtype >= BLIND_BOOL)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of type %s",
                          blind_dtype_name(x->dtype));
    BL_TRY(bl_set_out(b, n, 0, x->dtype, x->rank, r->dim));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->mode = r->mode;
    p->fill = bl_attr_float(n, "extrapolation_value", 0);
    for (int d = 0; d < x->rank && bl_out(b, n, 0)->len; d++) {
        axis_table *t = &p->axis[d];
        t->in = (size_t)x->dim[d];
        t->out = (size_t)r->dim[d];
        BL_TRY(make_table(b, n, r, d, t));
        same = same && t->same;
    }
    if (same && bl_out(b, n, 0)->len == x->len)
        bl_set_view(b, n, 0, 0);
    return set_buffers(b, n, x, p);
}

blind_code bl_op_resize_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bool             old = n->opset < 11;
    int              scales_in = old ? 1 : 2, axes[BL_ONNX_RANK];
    size_t           len, n_sizes = 0;
    float            scales[BL_ONNX_RANK];
    int64_t          sizes[BL_ONNX_RANK];
    request          r;
    BL_TRY(read_modes(b, n, old, &r));
    BL_TRY(read_axes(b, n, axes, &len));
    memcpy(r.dim, x->dim, sizeof r.dim);
    for (int d = 0; d < x->rank; d++) {
        r.scale[d] = 1;
        r.length[d] = (float)x->dim[d];
    }
    BL_TRY(read_roi(b, n, 1, axes, len, &r));
    if (!old && bl_has_in(n, 3))
        BL_TRY(bl_const_ints(b, n, 3, sizes, BL_ONNX_RANK, &n_sizes));
    if (n_sizes) {
        if (n_sizes != len)
            return bl_op_fail(b, n, BLIND_INPUT, "%zu sizes for %zu axes", n_sizes, len);
        BL_TRY(use_sizes(b, n, sizes, axes, len, &r));
    } else {
        if (!bl_has_in(n, scales_in))
            return bl_op_fail(b, n, BLIND_INPUT, "neither scales nor sizes");
        BL_TRY(const_floats(b, n, scales_in, scales, len));
        BL_TRY(use_scales(b, n, scales, axes, len, &r));
    }
    return finish(b, n, &r);
}

blind_code bl_op_upsample_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    const bl_attr   *a = bl_attr_find(n, "scales");
    float            scales[BL_ONNX_RANK];
    int              axes[BL_ONNX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    size_t           len = (size_t)x->rank;
    request          r;
    BL_TRY(read_modes(b, n, true, &r));
    memcpy(r.dim, x->dim, sizeof r.dim);
    if (n->opset >= 9) {
        if (!bl_has_in(n, 1))
            return bl_op_fail(b, n, BLIND_INPUT, "no scales");
        BL_TRY(const_floats(b, n, 1, scales, len));
    } else {
        if (!a || !a->floats || a->len != len)
            return bl_op_fail(b, n, BLIND_INPUT, "no scale for each of %zu axes", len);
        memcpy(scales, a->floats, len * sizeof *scales);
    }
    BL_TRY(use_scales(b, n, scales, axes, len, &r));
    return finish(b, n, &r);
}

/* Running: nearest.  ------------------------------------------------------------------------- */

typedef struct {
    const resize *p;
    const char   *in;
    char         *out;
    size_t        element;
    int           rank;
} nearest_job;

#define PICK_ROW(type)                                                                             \
    for (size_t i = 0; i < t->out; i++)                                                            \
        ((type *)(void *)to)[i] = ((const type *)(const void *)from)[t->index[i]];

static void pick_row(const axis_table *t, size_t element, const char *from, char *to)
{
    switch (element) {
    case 1:
        PICK_ROW(uint8_t)
        break;
    case 2:
        PICK_ROW(uint16_t)
        break;
    case 4:
        PICK_ROW(uint32_t)
        break;
    case 8:
        PICK_ROW(uint64_t)
        break;
    default:
        for (size_t i = 0; i < t->out; i++)
            memcpy(to + i * element, from + t->index[i] * element, element);
    }
}

/* Output rows of all leading axes: row `index` of the output. */
static void nearest_part(void *arg, size_t index, int worker)
{
    const nearest_job *j = arg;
    const axis_table  *last = &j->p->axis[j->rank - 1];
    size_t             rows = 1, before = SIZE_MAX;
    (void)worker;
    for (int d = 0; d < j->rank - 1; d++)
        rows *= j->p->axis[d].out;
    for (size_t row = index * ROWS; row < BL_MIN((index + 1) * ROWS, rows); row++) {
        size_t at = 0, step = 1, rest = row, size = last->out * j->element;
        for (int d = j->rank - 2; d >= 0; d--) {
            const axis_table *t = &j->p->axis[d];
            at += t->index[rest % t->out] * step;
            rest /= t->out;
            step *= t->in;
        }
        if (at == before)
            memcpy(j->out + row * size, j->out + (row - 1) * size, size);
        else
            pick_row(last, j->element, j->in + at * last->in * j->element, j->out + row * size);
        before = at;
    }
}

static void run_nearest(const bl_exec *x, const resize *p, const bl_tensor *in, bl_tensor *out)
{
    nearest_job j = { p, in->data, out->data, bl_element_size(in->dtype), in->rank };
    size_t      rows = out->len / (size_t)out->dim[out->rank - 1];
    bl_pool_run(x->pool, nearest_part, &j, (rows + ROWS - 1) / ROWS);
}

/* Running: weighted sums along one axis.  ------------------------------------------------------ */

typedef struct {
    const axis_table *t;
    const void       *in;
    void             *out;
    size_t            inner, parts; /* parts: of the output rows of one slice */
    bool              wide;         /* double */
} axis_job;

/* Rows of `inner` elements: one output row as a weighted sum of input rows. */
#define AXIS_ROW(name, type)                                                                       \
    static void name(const axis_table *t, size_t o, const type *in, type *out, size_t inner)       \
    {                                                                                              \
        const uint32_t *index = t->index + o * t->width;                                           \
        const float    *weight = t->weight + o * t->width;                                         \
        for (size_t i = 0; i < inner; i++)                                                         \
            out[i] = 0;                                                                            \
        for (size_t k = 0; k < t->width; k++) {                                                    \
            const type *row = in + index[k] * inner;                                               \
            type        w = (type)weight[k];                                                       \
            for (size_t i = 0; i < inner && w != 0; i++)                                           \
                out[i] += w * row[i];                                                              \
        }                                                                                          \
    }                                                                                              \
    static void name##_last(const axis_table *t, const type *in, type *out)                        \
    {                                                                                              \
        for (size_t o = 0; o < t->out; o++) {                                                      \
            const uint32_t *index = t->index + o * t->width;                                       \
            const float    *weight = t->weight + o * t->width;                                     \
            type            sum = 0;                                                               \
            for (size_t k = 0; k < t->width; k++)                                                  \
                sum += weight[k] != 0 ? (type)weight[k] * in[index[k]] : 0;                        \
            out[o] = sum;                                                                          \
        }                                                                                          \
    }
AXIS_ROW(axis_row, float)
AXIS_ROW(axis_row_wide, double)

static void axis_part(void *arg, size_t index, int worker)
{
    const axis_job   *j = arg;
    const axis_table *t = j->t;
    size_t            slice = index / j->parts, first = index % j->parts * ROWS;
    size_t            in = slice * t->in * j->inner, out = slice * t->out * j->inner;
    (void)worker;
    if (j->inner == 1 && j->wide)
        axis_row_wide_last(t, (const double *)j->in + in, (double *)j->out + out);
    else if (j->inner == 1)
        axis_row_last(t, (const float *)j->in + in, (float *)j->out + out);
    for (size_t o = first; j->inner > 1 && o < BL_MIN(first + ROWS, t->out); o++) {
        if (j->wide)
            axis_row_wide(t, o, (const double *)j->in + in, (double *)j->out + out + o * j->inner,
                          j->inner);
        else
            axis_row(t, o, (const float *)j->in + in, (float *)j->out + out + o * j->inner,
                     j->inner);
    }
}

/* Elements outside the input, where a crop asks for them. */
static void fill_outside(const resize *p, bl_tensor *out)
{
    for (int d = 0; d < out->rank; d++) {
        const axis_table *t = &p->axis[d];
        size_t            inner = bl_dims(out, d + 1, out->rank);
        for (size_t i = 0; t->outside && i < out->len; i++)
            if (t->outside[i / inner % t->out])
                bl_put(out->dtype, out->data, i, (double)p->fill);
    }
}

/* Goes over the axes in their order, from buffer to buffer. */
static void run_axes(const bl_exec *x, const resize *p, const bl_tensor *in, bl_tensor *out)
{
    bool        wide = in->dtype != BLIND_F32, exact = in->dtype == BLIND_F64 || !wide;
    bl_tensor   t_now = *in; /* what has come of it */
    int         left = 0;
    char       *buffers[2] = { x->scratch, (char *)x->scratch + p->buffer };
    const void *from = in->data;
    for (int d = 0; d < in->rank; d++)
        left += !p->axis[d].same;
    if (!exact) {
        for (size_t i = 0; i < in->len; i++)
            ((double *)(void *)buffers[0])[i] = bl_get(in->dtype, in->data, i);
        from = buffers[0];
    }
    for (int i = 0; i < in->rank; i++) {
        int               d = p->order[i];
        const axis_table *t = &p->axis[d];
        size_t            outer = bl_dims(&t_now, 0, d), inner = bl_dims(&t_now, d + 1, in->rank);
        if (!t->same) {
            void    *to = --left == 0 && exact ? out->data
                          : from == buffers[0] ? buffers[1]
                                               : buffers[0];
            axis_job j = { t, from, to, inner, 1, wide };
            j.parts = inner > 1 ? (t->out + ROWS - 1) / ROWS : 1;
            bl_pool_run(x->pool, axis_part, &j, outer * j.parts);
            from = to;
        }
        t_now.dim[d] = (int64_t)t->out;
    }
    for (size_t i = 0; !exact && i < out->len; i++)
        bl_put(out->dtype, out->data, i, ((const double *)from)[i]);
}

blind_code bl_op_resize_run(const bl_exec *x, const bl_node *n)
{
    const resize    *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    if (out->len == 0)
        return BLIND_OK;
    if (out->rank == 0)
        memcpy(out->data, in->data, bl_tensor_size(out));
    else if (p->mode == NEAREST)
        run_nearest(x, p, in, out);
    else
        run_axes(x, p, in, out);
    fill_outside(p, out);
    return BLIND_OK;
}

blind_code bl_op_upsample_run(const bl_exec *x, const bl_node *n)
{
    return bl_op_resize_run(x, n);
}
