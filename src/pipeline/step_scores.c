/* Steps on what a model answers: scores, or an embedding, along the last axis. */
#include "base/npy.h"
#include "pipeline/step.h"

#include <math.h>
#include <stdlib.h>

/* [rows, width] F32; INPUT for a tensor without a last axis. */
static blind_code as_rows(bl_step_run *r, const char *op, size_t *rows, size_t *width)
{
    *rows = *width = 0;
    BL_TRY(bl_step_to_f32(r, op));
    if (r->t.rank < 1 || r->t.shape[r->t.rank - 1] < 1)
        return blind_fail(r->err, BLIND_INPUT, "pipeline.scores", "%s of a tensor without scores",
                          op);
    *width = (size_t)r->t.shape[r->t.rank - 1];
    *rows = bl_step_len(&r->t) / *width;
    return BLIND_OK;
}

static blind_code no_params(const bl_step_build *b, void **params)
{
    (void)b;
    *params = NULL;
    return BLIND_OK;
}

static blind_code softmax_run(const void *params, bl_step_run *r)
{
    blind_tensor out;
    size_t       rows, width;
    (void)params;
    BL_TRY(as_rows(r, "softmax", &rows, &width));
    BL_TRY(bl_step_tensor(r, BLIND_F32, r->t.rank, r->t.shape, &out));
    for (size_t i = 0; i < rows; i++) {
        const float *x = (const float *)r->t.data + i * width;
        float       *to = (float *)out.data + i * width;
        double       most = -INFINITY, sum = 0;
        for (size_t j = 0; j < width; j++)
            most = fmax(most, (double)x[j]);
        for (size_t j = 0; j < width; j++)
            sum += exp((double)x[j] - most);
        for (size_t j = 0; j < width; j++)
            to[j] = (float)(exp((double)x[j] - most) / sum);
    }
    r->t = out;
    return BLIND_OK;
}

static blind_code sigmoid_run(const void *params, bl_step_run *r)
{
    blind_tensor out;
    (void)params;
    BL_TRY(bl_step_to_f32(r, "sigmoid"));
    BL_TRY(bl_step_tensor(r, BLIND_F32, r->t.rank, r->t.shape, &out));
    size_t len = bl_step_len(&out);
    for (size_t i = 0; i < len; i++)
        ((float *)out.data)[i] = (float)(1 / (1 + exp(-(double)((const float *)r->t.data)[i])));
    r->t = out;
    return BLIND_OK;
}

/* A NaN is never the best; of equals the first is. */
static size_t best_of(const float *x, size_t len)
{
    size_t best = 0;
    for (size_t j = 1; j < len; j++)
        if (x[j] > x[best] || (isnan(x[best]) && !isnan(x[j])))
            best = j;
    return best;
}

/* argmax: the index of the best; -1 where it is below `at`, or no number.  ----------------------
 */

typedef struct {
    double at;
} argmax_params;

static blind_code argmax_prepare(const bl_step_build *b, void **params)
{
    argmax_params *p = NULL;
    if (bl_step_has(b, "at")) {
        BL_TRY(bl_step_params(b, sizeof *p, &p));
        BL_TRY(bl_step_number(b, "at", 0, &p->at));
    }
    *params = p; /* NULL: the best, however low */
    return BLIND_OK;
}

static blind_code argmax_run(const void *params, bl_step_run *r)
{
    const argmax_params *p = params;
    blind_tensor         out;
    size_t               rows, width;
    BL_TRY(as_rows(r, "argmax", &rows, &width));
    BL_TRY(bl_step_tensor(r, BLIND_I64, r->t.rank - 1, r->t.shape, &out));
    for (size_t i = 0; i < rows; i++) {
        const float *x = (const float *)r->t.data + i * width;
        size_t       best = best_of(x, width);
        ((int64_t *)out.data)[i] = !p || (double)x[best] >= p->at ? (int64_t)best : -1;
    }
    r->t = out;
    return BLIND_OK;
}

/* cosine: embeddings [..., width] to [..., people], the cosine of the angle to each row of a file
 * of enrolled ones, .npy [people, width].  An embedding of length 0 is like nobody: 0.  ----------
 */

#define MAX_PRODUCTS ((size_t)1 << 32) /* multiplications of one step: some seconds */

typedef struct {
    const float *row; /* each of length 1 */
    size_t       people, width;
} cosine_params;

static double length_of(const float *x, size_t width)
{
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += (double)x[j] * (double)x[j];
    return sqrt(sum);
}

static blind_code read_enrolled(const bl_step_build *b, blind_tensor *out)
{
    blind_span  file = { 0 };
    blind_error why = { 0 };
    BL_TRY(bl_step_file(b, "file", &file));
    if (bl_npy_read(file, b->arena, out, &why) != BLIND_OK)
        return bl_step_fail(b, "file", "%.120s", why.message);
    if (out->dtype != BLIND_F32 || out->rank != 2 || out->shape[0] < 1 || out->shape[1] < 1)
        return bl_step_fail(b, "file", "expected F32 [people, width]");
    return BLIND_OK;
}

static blind_code cosine_prepare(const bl_step_build *b, void **params)
{
    cosine_params *p;
    blind_tensor   enrolled;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(read_enrolled(b, &enrolled));
    p->people = (size_t)enrolled.shape[0];
    p->width = (size_t)enrolled.shape[1];
    p->row = enrolled.data;
    for (size_t i = 0; i < p->people; i++) {
        float *row = (float *)enrolled.data + i * p->width;
        double length = length_of(row, p->width);
        if (!isfinite(length) || length <= 0)
            return bl_step_fail(b, "file", "row %zu has no direction", i);
        for (size_t j = 0; j < p->width; j++)
            row[j] = (float)((double)row[j] / length);
    }
    *params = p;
    return BLIND_OK;
}

static float cosine_of(const float *x, const float *row, size_t width, double length)
{
    double dot = 0;
    for (size_t j = 0; j < width; j++)
        dot += (double)x[j] * (double)row[j];
    return length == 0 ? 0 : (float)(dot / length);
}

static blind_code cosine_run(const void *params, bl_step_run *r)
{
    const cosine_params *p = params;
    blind_tensor         out;
    size_t               rows, width, products;
    int64_t              shape[BLIND_MAX_RANK];
    BL_TRY(as_rows(r, "cosine", &rows, &width));
    if (width != p->width)
        return blind_fail(r->err, BLIND_INPUT, "pipeline.cosine",
                          "embeddings of %zu numbers, enrolled are %zu", width, p->width);
    if (!bl_mul(rows, p->people, &products) || !bl_mul(products, width, &products) ||
        products > MAX_PRODUCTS)
        return blind_fail(r->err, BLIND_LIMIT, "pipeline.cosine",
                          "%zu embeddings against %zu enrolled are too many", rows, p->people);
    memcpy(shape, r->t.shape, sizeof shape);
    shape[r->t.rank - 1] = (int64_t)p->people;
    BL_TRY(bl_step_tensor(r, BLIND_F32, r->t.rank, shape, &out));
    for (size_t i = 0; i < rows; i++) {
        const float *x = (const float *)r->t.data + i * width;
        double       length = length_of(x, width);
        for (size_t k = 0; k < p->people; k++)
            ((float *)out.data)[i * p->people + k] =
                cosine_of(x, p->row + k * width, width, length);
    }
    r->t = out;
    return BLIND_OK;
}

/* top_k, top_k_indices: the k best, the best first.  ------------------------------------------- */

typedef struct {
    int64_t k;
} top_params;

static blind_code top_prepare(const bl_step_build *b, void **params)
{
    top_params *p;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    *params = p;
    return bl_step_int(b, "k", 1, 1, 1 << 20, &p->k);
}

typedef struct {
    float  score;
    size_t index;
} ranked;

static int best_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    bool          x_less = x->score < y->score || (isnan(x->score) && !isnan(y->score));
    bool          y_less = y->score < x->score || (isnan(y->score) && !isnan(x->score));
    return x_less ? 1 : y_less ? -1 : x->index > y->index ? 1 : -1;
}

static blind_code top(const top_params *p, bl_step_run *r, bool indices)
{
    blind_tensor out;
    size_t       rows, width;
    BL_TRY(as_rows(r, "top_k", &rows, &width));
    size_t  k = BL_MIN((size_t)p->k, width);
    ranked *all = bl_arena_array(r->arena, width, sizeof *all);
    int64_t shape[BLIND_MAX_RANK];
    memcpy(shape, r->t.shape, sizeof shape);
    shape[r->t.rank - 1] = (int64_t)k;
    BL_TRY(bl_step_tensor(r, indices ? BLIND_I64 : BLIND_F32, r->t.rank, shape, &out));
    if (!all)
        return blind_fail(r->err, BLIND_LIMIT, "pipeline.memory", "no memory for top_k");
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < width; j++)
            all[j] = (ranked){ ((const float *)r->t.data)[i * width + j], j };
        qsort(all, width, sizeof *all, best_first);
        for (size_t j = 0; j < k; j++) {
            if (indices)
                ((int64_t *)out.data)[i * k + j] = (int64_t)all[j].index;
            else
                ((float *)out.data)[i * k + j] = all[j].score;
        }
    }
    r->t = out;
    return BLIND_OK;
}

static blind_code top_run(const void *params, bl_step_run *r)
{
    return top(params, r, false);
}

static blind_code top_indices_run(const void *params, bl_step_run *r)
{
    return top(params, r, true);
}

/* threshold: BOOL, whether each score is at least `at`.  ----------------------------------------
 */

typedef struct {
    double at;
} threshold_params;

static blind_code threshold_prepare(const bl_step_build *b, void **params)
{
    threshold_params *p;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    *params = p;
    return bl_step_number(b, "at", 0.5, &p->at);
}

static blind_code threshold_run(const void *params, bl_step_run *r)
{
    const threshold_params *p = params;
    blind_tensor            out;
    BL_TRY(bl_step_to_f32(r, "threshold"));
    BL_TRY(bl_step_tensor(r, BLIND_BOOL, r->t.rank, r->t.shape, &out));
    size_t len = bl_step_len(&out);
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out.data)[i] = (double)((const float *)r->t.data)[i] >= p->at;
    r->t = out;
    return BLIND_OK;
}

/* labels: each index becomes that line of a file, and -1 the text `otherwise`.  -----------------
 */

typedef struct {
    blind_span *line;
    size_t      len;
    blind_span  otherwise; /* NULL: -1 is an error as any other */
} lines_params;

static blind_code labels_prepare(const bl_step_build *b, void **params)
{
    lines_params *p;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_text(b, "otherwise", &p->otherwise));
    *params = p;
    return bl_step_lines(b, "file", &p->line, &p->len);
}

static const blind_span *label_of(const lines_params *p, int64_t index)
{
    if (index == -1 && p->otherwise.data)
        return &p->otherwise;
    return index >= 0 && (size_t)index < p->len ? &p->line[index] : NULL;
}

static blind_code labels_run(const void *params, bl_step_run *r)
{
    const lines_params *p = params;
    bl_step_strings     strings = { 0 };
    int64_t             shape[BLIND_MAX_RANK];
    BL_TRY(bl_step_want(r, "labels", BLIND_I64, -1));
    int    rank = r->t.rank;
    size_t len = bl_step_len(&r->t);
    memcpy(shape, r->t.shape, sizeof shape);
    for (size_t i = 0; i < len; i++) {
        int64_t           index = ((const int64_t *)r->t.data)[i];
        const blind_span *label = label_of(p, index);
        if (!label) {
            bl_buf_done(&strings.bytes);
            return blind_fail(r->err, BLIND_INPUT, "pipeline.labels",
                              "index %lld, and there are %zu labels", (long long)index, p->len);
        }
        bl_step_strings_add(&strings, *label);
    }
    return bl_step_strings_end(&strings, r, rank, shape);
}

/* ctc: the best symbol of each moment, repetitions once, blanks not at all.
 * Source: Graves et al. 2006, Connectionist Temporal Classification, best path decoding. --------
 */

typedef struct {
    lines_params vocabulary;
    int64_t      blank;
    blind_span   space; /* the symbol that is written as a space; empty: none */
} ctc_params;

static blind_code ctc_prepare(const bl_step_build *b, void **params)
{
    ctc_params *p;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_lines(b, "file", &p->vocabulary.line, &p->vocabulary.len));
    BL_TRY(bl_step_int(b, "blank", 0, 0, BL_MAX_VOCABULARY, &p->blank));
    BL_TRY(bl_step_text(b, "space", &p->space));
    *params = p;
    return BLIND_OK;
}

static void ctc_row(const ctc_params *p, const float *x, size_t moments, size_t width, bl_buf *out)
{
    size_t last = SIZE_MAX;
    for (size_t t = 0; t < moments; t++) {
        size_t best = best_of(x + t * width, width);
        if (best != last && best != (size_t)p->blank) {
            blind_span symbol = p->vocabulary.line[best];
            bl_buf_add(out,
                       p->space.size && bl_span_equal(symbol, p->space) ? BL_LITERAL(" ") : symbol);
        }
        last = best;
    }
}

static blind_code ctc_run(const void *params, bl_step_run *r)
{
    const ctc_params *p = params;
    bl_step_strings   strings = { 0 };
    size_t            rows, width;
    BL_TRY(as_rows(r, "ctc", &rows, &width));
    if (r->t.rank < 2 || r->t.rank > 3 || width != p->vocabulary.len)
        return blind_fail(r->err, BLIND_INPUT, "pipeline.ctc",
                          "ctc takes [batch, moments, %zu] or [moments, %zu]: one score for each "
                          "line of its file",
                          p->vocabulary.len, p->vocabulary.len);
    int64_t batch = r->t.rank == 3 ? r->t.shape[0] : 1;
    size_t  moments = batch ? rows / (size_t)batch : 0;
    for (int64_t i = 0; i < batch; i++) {
        bl_auto_buf text = { .secret = true };
        ctc_row(p, (const float *)r->t.data + (size_t)i * moments * width, moments, width, &text);
        bl_step_strings_add(&strings, bl_buf_span(&text));
        strings.bytes.failed |= text.failed;
    }
    return bl_step_strings_end(&strings, r, 1, &batch);
}

const bl_step_row bl_score_steps[] = {
    { "softmax", { NULL }, BLIND_F32, -1, BLIND_F32, no_params, softmax_run },
    { "sigmoid", { NULL }, BLIND_F32, -1, BLIND_F32, no_params, sigmoid_run },
    { "argmax", { "at" }, BLIND_F32, -1, BLIND_I64, argmax_prepare, argmax_run },
    { "cosine", { "file" }, BLIND_F32, -1, BLIND_F32, cosine_prepare, cosine_run },
    { "top_k", { "k" }, BLIND_F32, -1, BLIND_F32, top_prepare, top_run },
    { "top_k_indices", { "k" }, BLIND_F32, -1, BLIND_I64, top_prepare, top_indices_run },
    { "threshold", { "at" }, BLIND_F32, -1, BLIND_BOOL, threshold_prepare, threshold_run },
    { "labels", { "file", "otherwise" }, BLIND_I64, -1, BLIND_STRING, labels_prepare, labels_run },
    { "ctc", { "file", "blank", "space" }, BLIND_F32, -1, BLIND_STRING, ctc_prepare, ctc_run },
    { .name = NULL },
};
