/* TfIdfVectorizer: how often each n-gram of a pool occurs, skips allowed.
 * Source: ONNX operators, TfIdfVectorizer (opset 9). */
#include "onnx/families.h"

#include <math.h>

typedef enum { TF, IDF, TFIDF } weighting;

typedef struct {
    int64_t        min, max, skips; /* lengths of n-grams; elements left out between two of one */
    weighting      mode;
    const int64_t *counts, *indexes; /* where the n-grams of each length start; where each counts */
    const float   *weights;          /* or NULL: 1 */
    size_t         n_counts, n_grams, width;
    const bl_attr *pool;
} tfidf;

static const int64_t *ints(const bl_node *n, const char *name, size_t *len)
{
    const bl_attr *a = bl_attr_find(n, name);
    *len = a && a->ints ? a->len : 0;
    return a ? a->ints : NULL;
}

/* Elements of the pool that n-grams of length `gram` (from 1) take: [*from, *to). */
static bool pool_of(const tfidf *p, int64_t gram, size_t *from, size_t *to)
{
    if (gram < 1 || (size_t)gram > p->n_counts)
        return false;
    *from = (size_t)p->counts[gram - 1];
    *to = (size_t)gram < p->n_counts ? (size_t)p->counts[gram] : p->pool->len;
    return true;
}

static blind_code check_pool(bl_build *b, const bl_node *n, tfidf *p)
{
    size_t grams = 0, weights = 0;
    for (size_t g = 0; g < p->n_counts; g++) {
        int64_t from = p->counts[g],
                to = g + 1 < p->n_counts ? p->counts[g + 1] : (int64_t)p->pool->len;
        if (from < 0 || to < from || to > (int64_t)p->pool->len || (size_t)(to - from) % (g + 1))
            return bl_op_fail(b, n, BLIND_INPUT, "n-grams that do not fit their pool");
        grams += (size_t)(to - from) / (g + 1);
    }
    const bl_attr *w = bl_attr_find(n, "weights");
    p->weights = w ? w->floats : NULL;
    weights = p->weights ? w->len : p->n_grams;
    if (grams != p->n_grams || weights != p->n_grams)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu n-grams, %zu indices, %zu weights", grams,
                          p->n_grams, weights);
    for (size_t i = 0; i < p->n_grams; i++) {
        if (p->indexes[i] < 0 || p->indexes[i] > INT32_MAX)
            return bl_op_fail(b, n, BLIND_INPUT, "an impossible index of an n-gram");
        p->width = BL_MAX(p->width, (size_t)p->indexes[i] + 1);
    }
    return BLIND_OK;
}

blind_code bl_op_tfidf_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    const char      *mode = bl_attr_str(n, "mode", "TF");
    bool             text = x->dtype == BLIND_STRING;
    tfidf           *p;
    int64_t          dim[2];
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->pool = bl_attr_find(n, text ? "pool_strings" : "pool_int64s");
    p->min = bl_attr_int(n, "min_gram_length", 1);
    p->max = bl_attr_int(n, "max_gram_length", 1);
    p->skips = bl_attr_int(n, "max_skip_count", 0);
    p->mode = strcmp(mode, "IDF") == 0 ? IDF : strcmp(mode, "TFIDF") == 0 ? TFIDF : TF;
    p->counts = ints(n, "ngram_counts", &p->n_counts);
    p->indexes = ints(n, "ngram_indexes", &p->n_grams);
    if (!p->pool || (text ? !p->pool->strings : !p->pool->ints) || !p->counts || !p->indexes ||
        (!text && x->dtype != BLIND_I32 && x->dtype != BLIND_I64))
        return bl_op_fail(b, n, BLIND_INPUT, "no pool of n-grams for %s",
                          blind_dtype_name(x->dtype));
    if (x->rank < 1 || x->rank > 2 || p->min < 1 || p->max < p->min || p->skips < 0)
        return bl_op_fail(b, n, BLIND_INPUT, "an input of %d axes or impossible lengths", x->rank);
    BL_TRY(check_pool(b, n, p));
    dim[0] = x->dim[0];
    dim[x->rank - 1] = (int64_t)p->width;
    return bl_set_out(b, n, 0, BLIND_F32, x->rank, dim);
}

static bool same(const tfidf *p, size_t pool, const bl_tensor *x, size_t i)
{
    if (x->dtype == BLIND_STRING)
        return bl_span_equal(p->pool->strings[pool], ((const blind_span *)x->data)[i]);
    int64_t v =
        x->dtype == BLIND_I64 ? ((const int64_t *)x->data)[i] : ((const int32_t *)x->data)[i];
    return p->pool->ints[pool] == v;
}

/* Counts the n-gram of elements at, at + step, ... of x. */
static void count(const tfidf *p, size_t gram, const bl_tensor *x, size_t at, size_t step,
                  float *out)
{
    size_t from, to, first = 0;
    if (!pool_of(p, (int64_t)gram, &from, &to))
        return;
    for (size_t g = 1; g < gram; g++) /* n-grams that are shorter */
        first += (size_t)(p->counts[g] - p->counts[g - 1]) / g;
    for (size_t g = 0; from < to; from += gram, g++) {
        size_t k = 0;
        while (k < gram && same(p, from + k, x, at + k * step))
            k++;
        if (k < gram)
            continue;
        float  w = p->weights ? p->weights[first + g] : 1;
        float *o = &out[p->indexes[first + g]];
        *o = p->mode == IDF ? w : *o + (p->mode == TFIDF ? w : 1);
    }
}

blind_code bl_op_tfidf_run(const bl_exec *x, const bl_node *n)
{
    const tfidf     *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    size_t           len = (size_t)in->dim[in->rank - 1];
    if (out->len)
        memset(out->data, 0, bl_tensor_size(out));
    for (size_t row = 0; len && row < in->len / len; row++)
        for (size_t gram = (size_t)p->min; gram <= BL_MIN(BL_MIN((size_t)p->max, p->n_counts), len);
             gram++)
            for (size_t step = 1; step <= (gram == 1 ? 1 : BL_MIN((size_t)p->skips + 1, len));
                 step++)
                for (size_t i = 0; i + (gram - 1) * step < len; i++)
                    count(p, gram, in, row * len + i, step, (float *)out->data + row * p->width);
    return BLIND_OK;
}
