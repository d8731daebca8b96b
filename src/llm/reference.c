/* All tokens go through a layer together; a row of weights is unpacked once for all of them. */
#include "llm/reference.h"

#include "base/limits.h"
#include "llm/dequant.h"
#include "llm/rope.h"

#include <math.h>
#include <stdlib.h>

/* Every array is [tokens][...], row-major. */
typedef struct {
    const bl_llm_model *m;
    const bl_llm_shape *s;
    size_t              tokens;
    double             *x, *normed, *q, *k, *v, *mixed, *out, *gate, *up, *scores;
    float              *row; /* of weights */
    bl_arena            arena;
} work;

/* Steps.  ------------------------------------------------------------------------------------ */

/* row `index` of matrix `matrix`, unpacked */
static const float *unpack(const work *w, const bl_gguf_tensor *t, size_t matrix, size_t index)
{
    size_t columns = (size_t)t->shape[0], rows = (size_t)t->shape[1];
    size_t size = columns / t->type->len * t->type->size;
    bl_dequant(t->type, t->bytes.data + (matrix * rows + index) * size, columns, w->row);
    return w->row;
}

static double dot(const float *a, const double *b, size_t len)
{
    double sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* out[t][first + r] = sum of t[r][c] in[t][c], + bias[r]; out rows are `stride` apart */
static void multiply(const work *w, const bl_gguf_tensor *t, size_t matrix,
                     const bl_gguf_tensor *bias, const double *in, size_t tokens, double *out)
{
    size_t columns = (size_t)t->shape[0], rows = (size_t)t->shape[1];
    for (size_t r = 0; r < rows; r++) {
        const float *row = unpack(w, t, matrix, r);
        for (size_t i = 0; i < tokens; i++)
            out[i * rows + r] = dot(row, in + i * columns, columns);
    }
    if (!bias)
        return;
    const float *add = unpack(w, bias, 0, 0);
    for (size_t i = 0; i < tokens * rows; i++)
        out[i] += (double)add[i % rows];
}

/* Rows of `width`, `count` of them, each by its root mean square; in may be out. */
static void normalise(const work *w, const bl_gguf_tensor *gain, const double *in, size_t count,
                      size_t width, double *out)
{
    const float *by = unpack(w, gain, 0, 0);
    for (size_t i = 0; i < count; i++, in += width, out += width) {
        double sum = 0;
        for (size_t k = 0; k < width; k++)
            sum += in[k] * in[k];
        double scale = 1 / sqrt(sum / (double)width + (double)w->s->epsilon);
        for (size_t k = 0; k < width; k++)
            out[k] = in[k] * scale * (double)by[k];
    }
}

static void softmax(double *x, size_t len)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < len; i++)
        most = fmax(most, x[i]);
    for (size_t i = 0; i < len; i++)
        sum += x[i] = exp(x[i] - most);
    for (size_t i = 0; i < len; i++)
        x[i] /= sum;
}

static double soft_cap(double x, float cap)
{
    return cap > 0 ? (double)cap * tanh(x / (double)cap) : x;
}

/* Positions.  -------------------------------------------------------------------------------- */

/* Rotates all heads of x [tokens][heads][head_width]. */
static void rotate(const work *w, bool local, size_t heads, double *x)
{
    bool   neox = w->m->family->neox;
    size_t half = w->s->rotated / 2, width = w->s->head_width;
    for (size_t pair = 0; pair < half; pair++) {
        double factor, turn = bl_rope_frequency(w->m, local, pair, &factor);
        size_t first = neox ? pair : 2 * pair, second = neox ? pair + half : 2 * pair + 1;
        for (size_t i = 0; i < w->tokens * heads; i++) {
            double angle =
                turn *
                (double)(i / heads); /* NOLINT(bugprone-integer-division): the token's place */
            double  c = cos(angle) * factor, s = sin(angle) * factor;
            double *at = x + i * width, a = at[first], b = at[second];
            at[first] = a * c - b * s;
            at[second] = a * s + b * c;
        }
    }
}

/* Attention.  -------------------------------------------------------------------------------- */

/* Mixes values for head `h` of token `t`. */
static void attend(const work *w, bool local, size_t t, size_t h)
{
    const bl_llm_shape *s = w->s;
    size_t              width = s->head_width, shared = h / (s->heads / s->kv_heads);
    size_t              first = local && t + 1 > s->window ? t + 1 - s->window : 0;
    const double       *q = w->q + (t * s->heads + h) * width;
    double             *out = w->mixed + (t * s->heads + h) * width;
    for (size_t i = first; i <= t; i++) {
        const double *k = w->k + (i * s->kv_heads + shared) * width;
        double        sum = 0;
        for (size_t c = 0; c < width; c++)
            sum += q[c] * k[c];
        w->scores[i] = soft_cap(sum * (double)s->query_scale, s->softcap_attention);
    }
    softmax(w->scores + first, t + 1 - first);
    memset(out, 0, width * sizeof *out);
    for (size_t i = first; i <= t; i++) {
        const double *v = w->v + (i * s->kv_heads + shared) * width;
        for (size_t c = 0; c < width; c++)
            out[c] += w->scores[i] * v[c];
    }
}

/* One matrix holds q, k and v, one behind the other. */
static void project_fused(const work *w, const bl_llm_layer *l)
{
    size_t q = w->s->heads * w->s->head_width, kv = w->s->kv_heads * w->s->head_width;
    size_t all = q + 2 * kv;
    multiply(w, l->qkv, 0, l->qkv_bias, w->normed, w->tokens, w->up);
    for (size_t t = 0; t < w->tokens; t++) {
        memcpy(w->q + t * q, w->up + t * all, q * sizeof *w->q);
        memcpy(w->k + t * kv, w->up + t * all + q, kv * sizeof *w->k);
        memcpy(w->v + t * kv, w->up + t * all + q + kv, kv * sizeof *w->v);
    }
}

static void project(const work *w, const bl_llm_layer *l)
{
    const bl_llm_shape *s = w->s;
    bool                wide = w->m->family->wide_norm;
    if (l->qkv) {
        project_fused(w, l);
    } else {
        multiply(w, l->q, 0, l->q_bias, w->normed, w->tokens, w->q);
        multiply(w, l->k, 0, l->k_bias, w->normed, w->tokens, w->k);
        multiply(w, l->v, 0, l->v_bias, w->normed, w->tokens, w->v);
    }
    size_t q_rows = wide ? 1 : s->heads, k_rows = wide ? 1 : s->kv_heads;
    if (l->q_norm)
        normalise(w, l->q_norm, w->q, w->tokens * q_rows, s->heads * s->head_width / q_rows, w->q);
    if (l->k_norm)
        normalise(w, l->k_norm, w->k, w->tokens * k_rows, s->kv_heads * s->head_width / k_rows,
                  w->k);
    rotate(w, l->local, s->heads, w->q);
    rotate(w, l->local, s->kv_heads, w->k);
}

/* x += what a layer computed, behind its norm where it has one. */
static void add_to_stream(const work *w, const bl_gguf_tensor *norm)
{
    if (norm)
        normalise(w, norm, w->out, w->tokens, w->s->width, w->out);
    for (size_t i = 0; i < w->tokens * w->s->width; i++)
        w->x[i] += w->out[i];
}

static void enter(const work *w, const bl_gguf_tensor *norm)
{
    if (norm)
        normalise(w, norm, w->x, w->tokens, w->s->width, w->normed);
    else
        memcpy(w->normed, w->x, w->tokens * w->s->width * sizeof *w->x);
}

static void attention(const work *w, const bl_llm_layer *l)
{
    enter(w, l->attn_norm);
    project(w, l);
    for (size_t t = 0; t < w->tokens; t++)
        for (size_t h = 0; h < w->s->heads; h++)
            attend(w, l->local, t, h);
    multiply(w, l->out, 0, l->out_bias, w->mixed, w->tokens, w->out);
    add_to_stream(w, l->post_attn_norm);
}

/* Feed-forward.  ----------------------------------------------------------------------------- */

static double activate(const work *w, double x)
{
    if (!w->m->family->gelu)
        return x / (1 + exp(-x));
    const double root = 0.7978845608028654; /* sqrt(2 / pi) */
    return 0.5 * x * (1 + tanh(root * (x + 0.044715 * x * x * x)));
}

/* gate = act(gate) * up, for `tokens` rows; fused: up holds gate and up side by side */
static void gate(const work *w, size_t tokens, bool fused)
{
    size_t inner = w->s->inner;
    for (size_t t = 0; t < tokens; t++)
        for (size_t i = 0; i < inner; i++) {
            const double *up = w->up + t * inner * (fused ? 2 : 1);
            double        g = fused ? up[i] : w->gate[t * inner + i];
            w->gate[t * inner + i] = activate(w, g) * (fused ? up[inner + i] : up[i]);
        }
}

/* The best of the scores; what was taken is below zero. */
static size_t best_of(const double *scores, size_t len)
{
    size_t best = 0;
    for (size_t i = 1; i < len; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

/* out of one token += what its experts say; `probabilities` and `sum` are scratch. */
static void experts_of(const work *w, const bl_llm_layer *l, size_t t, double *probabilities,
                       double *said)
{
    const bl_llm_shape *s = w->s;
    const double       *in = w->normed + t * s->width;
    double             *out = w->out + t * s->width, total = 0;
    size_t              used[BL_MAX_LLM_EXPERTS_USED];
    double              weight[BL_MAX_LLM_EXPERTS_USED];
    multiply(w, l->router, 0, NULL, in, 1, probabilities);
    softmax(probabilities, s->experts);
    for (size_t i = 0; i < s->experts_used; i++) {
        used[i] = best_of(probabilities, s->experts);
        weight[i] = probabilities[used[i]];
        probabilities[used[i]] = -1;
        total += weight[i];
    }
    memset(out, 0, s->width * sizeof *out);
    for (size_t i = 0; i < s->experts_used; i++) {
        multiply(w, l->gate_experts, used[i], NULL, in, 1, w->gate);
        multiply(w, l->up_experts, used[i], NULL, in, 1, w->up);
        gate(w, 1, false);
        multiply(w, l->down_experts, used[i], NULL, w->gate, 1, said);
        for (size_t c = 0; c < s->width; c++)
            out[c] += said[c] * weight[i] / total;
    }
}

static void feed_forward(const work *w, const bl_llm_layer *l)
{
    enter(w, l->ffn_norm);
    if (l->router) {
        for (size_t t = 0; t < w->tokens; t++)
            experts_of(w, l, t, w->q, w->mixed);
    } else {
        bool fused = w->m->family->fused;
        if (!fused)
            multiply(w, l->gate, 0, NULL, w->normed, w->tokens, w->gate);
        multiply(w, l->up, 0, NULL, w->normed, w->tokens, w->up);
        gate(w, w->tokens, fused);
        multiply(w, l->down, 0, NULL, w->gate, w->tokens, w->out);
    }
    add_to_stream(w, l->post_ffn_norm);
}

/* The whole.  -------------------------------------------------------------------------------- */

static void embed(const work *w, const int32_t *ids)
{
    double scale = w->m->family->big_tokens ? sqrt((double)w->s->width) : 1;
    for (size_t t = 0; t < w->tokens; t++) {
        const float *row = unpack(w, w->m->embedding, 0, (size_t)ids[t]);
        for (size_t i = 0; i < w->s->width; i++)
            w->x[t * w->s->width + i] = (double)row[i] * scale;
    }
}

/* The longest row of weights that is unpacked. */
static size_t longest_row(const bl_llm_shape *s)
{
    size_t all = (s->heads + 2 * s->kv_heads) * s->head_width;
    return BL_MAX(BL_MAX(all, s->width), s->inner);
}

static double *array(work *w, size_t width)
{
    size_t len;
    return bl_mul(w->tokens, width, &len) ? bl_arena_array(&w->arena, len, sizeof(double)) : NULL;
}

static bool allocate(work *w)
{
    const bl_llm_shape *s = w->s;
    size_t              q = s->heads * s->head_width, kv = s->kv_heads * s->head_width;
    w->x = array(w, s->width);
    w->normed = array(w, s->width);
    w->out = array(w, s->width);
    w->q = array(w, BL_MAX(q, s->experts));
    w->k = array(w, kv);
    w->v = array(w, kv);
    w->mixed = array(w, BL_MAX(q, s->width));
    w->gate = array(w, s->inner);
    w->up = array(w, BL_MAX(2 * s->inner, q + 2 * kv));
    w->scores = array(w, 1);
    w->row = bl_arena_array(&w->arena, longest_row(s), sizeof *w->row);
    return w->x && w->normed && w->out && w->q && w->k && w->v && w->mixed && w->gate && w->up &&
           w->scores && w->row;
}

static void run(const work *w, const int32_t *ids, float *out)
{
    embed(w, ids);
    for (size_t i = 0; i < w->s->layers; i++) {
        attention(w, &w->m->layers[i]);
        feed_forward(w, &w->m->layers[i]);
    }
    const double *last = w->x + (w->tokens - 1) * w->s->width;
    normalise(w, w->m->out_norm, last, 1, w->s->width, w->normed);
    for (size_t i = 0; i < w->s->vocabulary; i++)
        out[i] = (float)soft_cap(dot(unpack(w, w->m->out, 0, i), w->normed, w->s->width),
                                 w->s->softcap_logits);
}

blind_code bl_llm_reference(const bl_llm_model *m, const int32_t *ids, size_t len, float *out,
                            blind_error *err)
{
    work w = { .m = m, .s = &m->shape, .tokens = len, .arena = { .secret = true } };
    if (len == 0 || len > m->shape.context)
        return blind_fail(err, BLIND_INPUT, "llm.reference", "%zu tokens, expected 1 to %zu", len,
                          m->shape.context);
    for (size_t i = 0; i < len; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= m->shape.vocabulary)
            return blind_fail(err, BLIND_INPUT, "llm.reference",
                              "%d is no token: expected 0 to %zu", ids[i], m->shape.vocabulary - 1);
    bool allocated = allocate(&w);
    if (allocated)
        run(&w, ids, out);
    bl_arena_done(&w.arena);
    return allocated ? BLIND_OK : blind_fail(err, BLIND_MEMORY, "llm.reference", "out of memory");
}
