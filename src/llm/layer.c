/* The layers' steps in plain C: the specification of each, and what other processors run. */
#include "llm/layer.h"

#include "llm/half.h"

#include <math.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Rows.  ------------------------------------------------------------------------------------- */

static void norm(float *out, const float *x, const float *gain, size_t width, float eps)
{
    double sum = 0;
    for (size_t i = 0; i < width; i++)
        sum += (double)x[i] * (double)x[i];
    float scale = (float)(1 / sqrt(sum / (double)width + (double)eps));
    for (size_t i = 0; i < width; i++)
        out[i] = x[i] * scale * gain[i];
}

static void add(float *x, const float *y, size_t len)
{
    for (size_t i = 0; i < len; i++)
        x[i] += y[i];
}

static void add_scaled(float *x, const float *y, float by, size_t len)
{
    for (size_t i = 0; i < len; i++)
        x[i] += y[i] * by;
}

static float gelu_of(float x)
{
    const float root = 0.79788456F; /* sqrt(2 / pi) */
    return 0.5F * x * (1 + tanhf(root * (x + 0.044715F * x * x * x)));
}

static void activate(float *gate, const float *up, size_t len, bool gelu)
{
    for (size_t i = 0; i < len; i++)
        gate[i] = (gelu ? gelu_of(gate[i]) : gate[i] / (1 + expf(-gate[i]))) * up[i];
}

static void rotate(float *x, const float *turns, size_t half, bool neox)
{
    for (size_t i = 0; i < half; i++) {
        float *a = x + (neox ? i : 2 * i), *b = neox ? a + half : a + 1;
        float  from_a = *a, from_b = *b, c = turns[i], s = turns[half + i];
        *a = from_a * c - from_b * s;
        *b = from_a * s + from_b * c;
    }
}

static void soft_cap(float *x, size_t len, float cap)
{
    for (size_t i = 0; i < len; i++)
        x[i] = cap * tanhf(x[i] / cap);
}

/* Keys and values.  -------------------------------------------------------------------------- */

/* Where element i of a position's key or value lies among the numbers of its part. */
static size_t key_at(size_t in_page, size_t i)
{
    return (i / 2 * BL_KV_PAGE + in_page) * 2 + i % 2;
}

static size_t value_at(const bl_kv_layout *l, size_t in_page, size_t i)
{
    return (in_page / 2 * l->width + i) * 2 + in_page % 2;
}

static float bounded(float x, float most) /* NaN becomes -most */
{
    return x > -most ? fminf(x, most) : -most;
}

static void put(const bl_kv_layout *l, uint8_t *part, size_t at, float x)
{
    uint16_t h;
    if (l->type == BL_KV_F32) {
        x = bounded(x, 1e30F);
        memcpy(part + at * sizeof x, &x, sizeof x);
    } else {
        h = bl_half_from_float(bounded(x, BL_HALF_MAX));
        memcpy(part + at * sizeof h, &h, sizeof h);
    }
}

static size_t scale_at(const bl_kv_layout *l, size_t in_page, size_t i)
{
    return l->scales + (i / BL_KV_GROUP * BL_KV_PAGE + in_page) * sizeof(uint16_t);
}

/* A group of numbers as bytes times a scale; returns what numbers are divided by. */
static float put_scale(const bl_kv_layout *l, uint8_t *part, size_t in_page, size_t i,
                       const float *x, size_t len)
{
    float most = 0;
    for (size_t k = 0; k < len; k++)
        most = fmaxf(most, fabsf(bounded(x[k], BL_HALF_MAX * 127)));
    uint16_t scale = bl_half_from_float(most / 127);
    memcpy(part + scale_at(l, in_page, i), &scale, sizeof scale);
    float by = bl_half_to_float(scale);
    return by > 0 ? 1 / by : 0;
}

static uint8_t byte_of(float x, float inverse)
{
    return (uint8_t)(int8_t)lrintf(bounded(bounded(x, BL_HALF_MAX * 127) * inverse, 127));
}

static void store_bytes(const bl_kv_layout *l, uint8_t *keys, size_t in_page, const float *key,
                        const float *value)
{
    for (size_t i = 0; i < l->head_width; i += BL_KV_GROUP) {
        size_t len = BL_MIN(l->head_width - i, (size_t)BL_KV_GROUP);
        float  k = put_scale(l, keys, in_page, i, key + i, len);
        float  v = put_scale(l, keys + l->part, in_page, i, value + i, len);
        for (size_t j = i; j < i + len; j++) {
            keys[key_at(in_page, j)] = byte_of(key[j], k);
            keys[l->part + value_at(l, in_page, j)] = byte_of(value[j], v);
        }
    }
}

void bl_layer_store(const bl_kv_layout *l, uint8_t *keys, size_t in_page, const float *key,
                    const float *value)
{
    if (l->type == BL_KV_Q8_0) {
        store_bytes(l, keys, in_page, key, value);
        return;
    }
    for (size_t i = 0; i < l->head_width; i++) {
        put(l, keys, key_at(in_page, i), key[i]);
        put(l, keys + l->part, value_at(l, in_page, i), value[i]);
    }
}

static float get(const bl_kv_layout *l, const uint8_t *part, size_t at, size_t in_page, size_t i)
{
    float    x;
    uint16_t h;
    switch (l->type) {
    case BL_KV_F32:
        memcpy(&x, part + at * sizeof x, sizeof x);
        return x;
    case BL_KV_Q8_0:
        memcpy(&h, part + scale_at(l, in_page, i), sizeof h);
        return (float)(int8_t)part[at] * bl_half_to_float(h);
    default:
        memcpy(&h, part + at * sizeof h, sizeof h);
        return bl_half_to_float(h);
    }
}

/* Attention.  -------------------------------------------------------------------------------- */

typedef struct {
    float most, sum; /* of the scores so far; of their exponentials */
} stream;

/* Scores of positions first..end-1 of a page; returns the largest. */
static float score(const bl_attend *a, const uint8_t *keys, const float *q, size_t first,
                   size_t end, float *scores)
{
    float most = -INFINITY;
    for (size_t p = first; p < end; p++) {
        float sum = 0;
        for (size_t i = 0; i < a->layout->head_width; i++)
            sum += q[i] * get(a->layout, keys, key_at(p, i), p, i);
        sum *= a->scale;
        scores[p] = a->cap > 0 ? a->cap * tanhf(sum / a->cap) : sum;
        most = fmaxf(most, scores[p]);
    }
    return most;
}

static void mix_page(const bl_attend *a, const uint8_t *keys, const float *q, size_t first,
                     size_t end, stream *s, float *out)
{
    const bl_kv_layout *l = a->layout;
    float               scores[BL_KV_PAGE];
    float most = fmaxf(s->most, score(a, keys, q, first, end, scores)), fade = expf(s->most - most);
    s->most = most;
    s->sum *= fade;
    for (size_t i = 0; i < l->head_width; i++)
        out[i] *= fade;
    for (size_t p = first; p < end; p++) {
        float weight = expf(scores[p] - most);
        s->sum += weight;
        for (size_t i = 0; i < l->head_width; i++)
            out[i] += weight * get(l, keys + l->part, value_at(l, p, i), p, i);
    }
}

static void attend_one(const bl_attend *a, size_t position, const float *q, float *out)
{
    size_t from = a->window && position + 1 > a->window ? position + 1 - a->window : 0;
    stream s = { -1e30F, 0 };
    memset(out, 0, a->layout->head_width * sizeof *out);
    for (size_t page = from / BL_KV_PAGE; page <= position / BL_KV_PAGE; page++) {
        size_t base = page * BL_KV_PAGE, first = BL_MAX(from, base) - base;
        size_t end = BL_MIN(position + 1 - base, (size_t)BL_KV_PAGE);
        mix_page(a, a->pages[page] + a->at, q, first, end, &s, out);
    }
    for (size_t i = 0; i < a->layout->head_width; i++)
        out[i] /= s.sum;
}

static void attend(const bl_attend *a)
{
    size_t width = a->layout->head_width;
    for (size_t t = 0; t < a->tokens; t++)
        for (size_t h = 0; h < a->heads; h++)
            attend_one(a, a->position + t, a->q + t * a->q_row + h * width,
                       a->out + t * a->out_row + h * width);
}

static size_t attend_scratch(const bl_kv_layout *l, size_t heads, size_t tokens)
{
    (void)l;
    (void)heads;
    (void)tokens;
    return 0;
}

const bl_layer_kernels bl_layer_scalar = {
    .isa = BL_ISA_SCALAR,
    .norm = norm,
    .add = add,
    .add_scaled = add_scaled,
    .activate = activate,
    .rotate = rotate,
    .soft_cap = soft_cap,
    .store = bl_layer_store,
    .attend_prompt = attend,
    .attend_decode = attend,
    .attend_scratch = attend_scratch,
    .tokens = 16,
};

#if defined(__x86_64__)
/* Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, leaf 1. */
static bool converts_halves(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1) != 0;
}
#endif

const bl_layer_kernels *bl_layer_kernels_for(bl_isa isa)
{
#if defined(__x86_64__)
    if (isa == BL_ISA_AMX && bl_isa_usable(BL_ISA_AMX))
        return &bl_layer_amx;
    if (isa >= BL_ISA_AVX512 && bl_isa_usable(BL_ISA_AVX512))
        return &bl_layer_avx512;
    if (isa >= BL_ISA_AVX2 && bl_isa_usable(BL_ISA_AVX2) && converts_halves())
        return &bl_layer_avx2;
#endif
    (void)isa;
    return &bl_layer_scalar;
}
