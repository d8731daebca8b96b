/* SimplifiedLayerNormalization, SkipLayerNormalization, SkipSimplifiedLayerNormalization and
 * EmbedLayerNormalization: what is added, then normalised, row by row. */
#include "onnx/ms/ms.h"

#include <math.h>

blind_code bl_ms_types(bl_build *b, const bl_node *n, unsigned whole)
{
    for (int i = 0; i < n->n_in; i++) {
        if (!bl_has_in(n, i))
            continue;
        blind_dtype type = bl_in(b, n, i)->dtype;
        bool        fits =
            i < 32 && whole >> i & 1 ? type == BLIND_I32 || type == BLIND_I64 : type == BLIND_F32;
        if (!fits)
            return bl_op_fail(b, n, BLIND_UNSUPPORTED, "input %d has elements of type %s", i,
                              blind_dtype_name(type));
    }
    return BLIND_OK;
}

/* out[r] = norm(x[r]) * gain + bias; the root mean square alone where `simple`. */
static void normalize(const bl_exec *e, bool simple, float *out, const float *x, const float *gain,
                      const float *bias, size_t rows, size_t width, float eps)
{
    if (!simple) {
        e->kernels->layer_norm(out, x, gain, bias, rows, width, eps, e->pool);
        return;
    }
    for (size_t r = 0; r < rows; r++, x += width, out += width) {
        double sum = 0;
        for (size_t i = 0; i < width; i++)
            sum += (double)x[i] * x[i];
        float factor = (float)(1 / sqrt(sum / (double)width + (double)eps));
        for (size_t i = 0; i < width; i++)
            out[i] = x[i] * factor * gain[i];
    }
}

/* (x, skip, gain, bias, addend) and (x, skip, gain, addend); without a skip (x, gain).  -------- */

typedef struct {
    bool   simple;
    int    gain, bias, addend; /* inputs; -1: there is none */
    bool   skips;
    size_t rows, width, skip_len;
    float  eps;
} skip_params;

static blind_code need_row(bl_build *b, const bl_node *n, int i, size_t width)
{
    return i < 0 || !bl_has_in(n, i) || bl_in(b, n, i)->len == width
               ? BLIND_OK
               : bl_op_fail(b, n, BLIND_INPUT, "input %d is not one number per column", i);
}

blind_code bl_ms_skip_norm_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *skip;
    skip_params     *p;
    BL_TRY(bl_ms_types(b, n, 0));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->skips = strncmp(n->type, "Skip", 4) == 0;
    p->simple = strstr(n->type, "Simplified") != NULL;
    p->gain = p->skips ? 2 : 1;
    p->bias = p->skips && !p->simple ? 3 : -1;
    p->addend = !p->skips ? -1 : p->simple ? 3 : 4;
    p->eps = bl_attr_float(n, "epsilon", p->skips ? 1e-12f : 1e-5f);
    if (x->rank < 1 || (!p->skips && bl_attr_int(n, "axis", -1) != -1 &&
                        bl_attr_int(n, "axis", -1) != x->rank - 1))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "an axis that is not the last");
    p->width = (size_t)x->dim[x->rank - 1];
    p->rows = bl_dims(x, 0, x->rank - 1);
    BL_TRY(need_row(b, n, p->gain, p->width));
    BL_TRY(need_row(b, n, p->bias, p->width));
    BL_TRY(need_row(b, n, p->addend, p->width));
    skip = p->skips ? bl_in(b, n, 1) : x;
    p->skip_len = skip->len;
    if (x->len && (p->skip_len == 0 || x->len % p->skip_len || p->skip_len % p->width))
        return bl_op_fail(b, n, BLIND_INPUT, "a skip of another shape");
    BL_TRY(bl_set_same(b, n));
    return bl_set_out(b, n, 3, BLIND_F32, x->rank, x->dim);
}

blind_code bl_ms_skip_norm_run(const bl_exec *x, const bl_node *n)
{
    const skip_params *p = n->params;
    bl_tensor         *y = bl_result(x, n, 0), *sum = bl_result(x, n, 3);
    const bl_tensor   *bias = bl_arg(x, n, p->bias < 0 ? 99 : p->bias);
    const bl_tensor   *addend = bl_arg(x, n, p->addend < 0 ? 99 : p->addend);
    const float       *in = bl_arg(x, n, 0)->data, *gain = bl_arg(x, n, p->gain)->data;
    if (p->skips) {
        const float *skip = bl_arg(x, n, 1)->data;
        float       *to = sum ? sum->data : y->data;
        for (size_t i = 0; i < y->len; i++)
            to[i] = in[i] + skip[i % p->skip_len] +
                    (addend ? ((const float *)addend->data)[i % p->width] : 0);
        in = to;
    }
    normalize(x, p->simple, y->data, in, gain, bias ? bias->data : NULL, p->rows, p->width, p->eps);
    return BLIND_OK;
}

/* EmbedLayerNormalization: three embeddings, their sum normalised.  ---------------------------- */

enum { IDS, SEGMENTS, WORDS, PLACES, KINDS, GAIN, BIAS, MASK, PLACE_IDS };

typedef struct {
    size_t batch, length, width;
    float  eps;
} embed_params;

static blind_code need_table(bl_build *b, const bl_node *n, int i, size_t width)
{
    const bl_tensor *t = bl_in(b, n, i);
    return !t || (t->rank == 2 && (size_t)t->dim[1] == width)
               ? BLIND_OK
               : bl_op_fail(b, n, BLIND_INPUT, "input %d is no table of %zu columns", i, width);
}

blind_code bl_ms_embed_norm_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *ids = bl_in(b, n, IDS), *words = bl_in(b, n, WORDS);
    embed_params    *p;
    BL_TRY(bl_ms_types(b, n, 1u << IDS | 1u << SEGMENTS | 1u << MASK | 1u << PLACE_IDS));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (!words || !bl_has_in(n, PLACES) || !bl_has_in(n, GAIN) || !bl_has_in(n, BIAS))
        return bl_op_fail(b, n, BLIND_INPUT, "a table, gain or bias is missing");
    if (ids->rank != 2 || words->rank != 2 || (bl_has_in(n, SEGMENTS) != bl_has_in(n, KINDS)))
        return bl_op_fail(b, n, BLIND_INPUT, "ids of %d axes, words of %d", ids->rank, words->rank);
    p->batch = (size_t)ids->dim[0];
    p->length = (size_t)ids->dim[1];
    p->width = (size_t)words->dim[1];
    p->eps = bl_attr_float(n, "epsilon", 1e-12f);
    for (int i = WORDS; i <= KINDS; i++)
        BL_TRY(need_table(b, n, i, p->width));
    BL_TRY(need_row(b, n, GAIN, p->width));
    BL_TRY(need_row(b, n, BIAS, p->width));
    for (int i = SEGMENTS; i <= PLACE_IDS; i++)
        if ((i == SEGMENTS || i == MASK) && bl_has_in(n, i) && bl_in(b, n, i)->len != ids->len)
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is not of the ids' shape", i);
    if (bl_has_in(n, PLACE_IDS) && bl_in(b, n, PLACE_IDS)->len != ids->len &&
        bl_in(b, n, PLACE_IDS)->len != p->length)
        return bl_op_fail(b, n, BLIND_INPUT, "positions of another shape");
    int64_t dim[3] = { ids->dim[0], ids->dim[1], words->dim[1] };
    BL_TRY(bl_set_out(b, n, 0, BLIND_F32, 3, dim));
    BL_TRY(bl_set_out(b, n, 1, BLIND_I32, 1, dim));
    return bl_set_out(b, n, 2, BLIND_F32, 3, dim);
}

static int64_t whole_at(const bl_tensor *t, size_t i)
{
    return t->dtype == BLIND_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
}

/* Row `id` of a table is added to `to`. */
static blind_code add_row(const bl_exec *x, const bl_node *n, int table, int64_t id, size_t width,
                          float *to)
{
    const bl_tensor *t = bl_arg(x, n, table);
    if (id < 0 || id >= t->dim[0])
        return bl_run_fail(x, n, "row %lld of %lld", (long long)id, (long long)t->dim[0]);
    for (size_t i = 0; i < width; i++)
        to[i] += ((const float *)t->data)[(size_t)id * width + i];
    return BLIND_OK;
}

/* How many ones each row of the mask begins with; without a mask 0. */
static void count_mask(const bl_exec *x, const bl_node *n, const embed_params *p)
{
    bl_tensor       *out = bl_result(x, n, 1);
    const bl_tensor *mask = bl_arg(x, n, MASK);
    for (size_t r = 0; out && r < p->batch; r++) {
        int32_t count = 0;
        for (size_t i = 0; mask && i < p->length; i++)
            count += whole_at(mask, r * p->length + i) == 1;
        ((int32_t *)out->data)[r] = count;
    }
}

blind_code bl_ms_embed_norm_run(const bl_exec *x, const bl_node *n)
{
    const embed_params *p = n->params;
    const bl_tensor    *ids = bl_arg(x, n, IDS), *segments = bl_arg(x, n, SEGMENTS);
    const bl_tensor    *places = bl_arg(x, n, PLACE_IDS), *bias = bl_arg(x, n, BIAS);
    bl_tensor          *sum = bl_result(x, n, 2), *y = bl_result(x, n, 0);
    float              *to = sum ? sum->data : y->data;
    if (y->len)
        memset(to, 0, y->len * sizeof *to);
    for (size_t i = 0; i < ids->len; i++) {
        float  *row = to + i * p->width;
        int64_t place = places ? whole_at(places, i % places->len) : (int64_t)(i % p->length);
        BL_TRY(add_row(x, n, WORDS, whole_at(ids, i), p->width, row));
        BL_TRY(add_row(x, n, PLACES, place, p->width, row));
        if (segments)
            BL_TRY(add_row(x, n, KINDS, whole_at(segments, i), p->width, row));
    }
    normalize(x, false, y->data, to, bl_arg(x, n, GAIN)->data, bias ? bias->data : NULL, ids->len,
              p->width, p->eps);
    count_mask(x, n, p);
    return BLIND_OK;
}
