/* Numbers and tensors of each family, as the world's files have them. */
#include "tests/llm/make_model.h"

#include "llm/half.h"

#include <stdio.h>
#include <stdlib.h>

enum { F32 = 0, F16 = 1, Q8_0 = 8 };

const char *const model_families[] = { "llama",  "mixtral", "qwen2", "qwen3", "qwen3moe", "gemma",
                                       "gemma2", "gemma3",  "phi3",  "olmo2", NULL };

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

model_made model_of(const char *family)
{
    model_made m = { .family = family,
                     .layers = 3,
                     .width = 64,
                     .heads = 4,
                     .kv_heads = 2,
                     .head_width = 16,
                     .inner = 96,
                     .vocabulary = 50,
                     .context = 512 };
    m.untied = is(family, "llama");
    m.biases = is(family, "qwen2");
    m.frequencies = is(family, "llama");
    if (is(family, "mixtral") || is(family, "qwen3moe")) {
        m.experts = 6;
        m.experts_used = 2;
    }
    if (is(family, "gemma2") || is(family, "gemma3") || is(family, "phi3"))
        m.window = 24;
    if (is(family, "gemma3"))
        m.layers = 7;
    if (is(family, "gemma2"))
        m.cap = 5;
    if (is(family, "qwen3"))
        m.scaling = "yarn";
    if (is(family, "gemma3"))
        m.scaling = "linear";
    return m;
}

typedef struct {
    const model_made *m;
    gguf_made         g;
    uint64_t          state;
} making;

/* About normal, of deviation 1. */
static float next(making *k)
{
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        k->state = k->state * 6364136223846793005u + 1442695040888963407u;
        sum += (float)(k->state >> 40) * 0x1p-24F - 0.5F;
    }
    return sum * 1.7320508F;
}

static void put_f32(uint8_t *to, const float *x, size_t len)
{
    memcpy(to, x, len * sizeof *x);
}

static void put_f16(uint8_t *to, const float *x, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint16_t h = bl_half_from_float(x[i]);
        memcpy(to + 2 * i, &h, sizeof h);
    }
}

/* Blocks of 32, with steps of one 32nd: enough of the numbers' range. */
static void put_q8_0(uint8_t *to, const float *x, size_t len)
{
    uint16_t most = bl_half_from_float(fabsf(x[0]));
    for (size_t i = 0; i < len; i++) {
        if (i % 32 == 0) {
            float top = 0;
            for (size_t k = i; k < i + 32; k++)
                top = fmaxf(top, fabsf(x[k]));
            most = bl_half_from_float(top / 127);
            memcpy(to + i / 32 * 34, &most, sizeof most);
        }
        float q = x[i] / bl_half_to_float(most);
        to[i / 32 * 34 + 2 + i % 32] = (uint8_t)(int8_t)lrintf(fmaxf(-127, fminf(127, q)));
    }
}

static void fill(making *k, const char *name, uint32_t type, const uint64_t *shape, int rank,
                 float mean, float deviation)
{
    size_t at = k->g.weights.size, len = 1;
    gguf_tensor(&k->g, name, type, shape, rank);
    for (int i = 0; i < rank; i++)
        len *= (size_t)shape[i];
    float *x = calloc(len, sizeof *x);
    for (size_t i = 0; x && i < len; i++)
        x[i] = mean + deviation * next(k);
    if (x && type == F32)
        put_f32(k->g.weights.data + at, x, len);
    else if (x && type == F16)
        put_f16(k->g.weights.data + at, x, len);
    else if (x)
        put_q8_0(k->g.weights.data + at, x, len);
    free(x);
}

static void matrix(making *k, const char *name, uint64_t columns, uint64_t rows)
{
    fill(k, name, k->m->type, (const uint64_t[]){ columns, rows }, 2, 0,
         1.2F / sqrtf((float)columns));
}

static void vector(making *k, const char *name, uint64_t len, float mean)
{
    fill(k, name, F32, &len, 1, mean, 0.1F);
}

static const char *of_layer(char *to, size_t size, uint32_t layer, const char *name)
{
    snprintf(to, size, "blk.%u.%s", layer, name);
    return to;
}

static void make_attention(making *k, uint32_t layer)
{
    const model_made *m = k->m;
    char              n[64];
    uint64_t          q = m->heads * m->head_width, kv = m->kv_heads * m->head_width;
    bool              wide = is(m->family, "olmo2"), gemma3 = is(m->family, "gemma3");
    if (!wide)
        vector(k, of_layer(n, sizeof n, layer, "attn_norm.weight"), m->width, 1);
    if (is(m->family, "phi3")) {
        matrix(k, of_layer(n, sizeof n, layer, "attn_qkv.weight"), m->width, q + 2 * kv);
    } else {
        matrix(k, of_layer(n, sizeof n, layer, "attn_q.weight"), m->width, q);
        matrix(k, of_layer(n, sizeof n, layer, "attn_k.weight"), m->width, kv);
        matrix(k, of_layer(n, sizeof n, layer, "attn_v.weight"), m->width, kv);
    }
    if (m->biases) {
        vector(k, of_layer(n, sizeof n, layer, "attn_q.bias"), q, 0);
        vector(k, of_layer(n, sizeof n, layer, "attn_k.bias"), kv, 0);
        vector(k, of_layer(n, sizeof n, layer, "attn_v.bias"), kv, 0);
    }
    if (wide || gemma3 || strncmp(m->family, "qwen3", 5) == 0) {
        vector(k, of_layer(n, sizeof n, layer, "attn_q_norm.weight"), wide ? q : m->head_width, 1);
        vector(k, of_layer(n, sizeof n, layer, "attn_k_norm.weight"), wide ? kv : m->head_width, 1);
    }
    matrix(k, of_layer(n, sizeof n, layer, "attn_output.weight"), q, m->width);
    if (wide || gemma3 || is(m->family, "gemma2"))
        vector(k, of_layer(n, sizeof n, layer, "post_attention_norm.weight"), m->width, 1);
}

static void expert_matrices(making *k, const char *name, uint64_t columns, uint64_t rows)
{
    fill(k, name, k->m->type, (const uint64_t[]){ columns, rows, k->m->experts }, 3, 0,
         1.2F / sqrtf((float)columns));
}

static void make_feed_forward(making *k, uint32_t layer)
{
    const model_made *m = k->m;
    char              n[64];
    bool              fused = is(m->family, "phi3"), wide = is(m->family, "olmo2");
    if (!wide)
        vector(k, of_layer(n, sizeof n, layer, "ffn_norm.weight"), m->width, 1);
    if (m->experts) {
        fill(k, of_layer(n, sizeof n, layer, "ffn_gate_inp.weight"), F32,
             (const uint64_t[]){ m->width, m->experts }, 2, 0, 0.3F);
        expert_matrices(k, of_layer(n, sizeof n, layer, "ffn_gate_exps.weight"), m->width,
                        m->inner);
        expert_matrices(k, of_layer(n, sizeof n, layer, "ffn_up_exps.weight"), m->width, m->inner);
        expert_matrices(k, of_layer(n, sizeof n, layer, "ffn_down_exps.weight"), m->inner,
                        m->width);
    } else {
        if (!fused)
            matrix(k, of_layer(n, sizeof n, layer, "ffn_gate.weight"), m->width, m->inner);
        matrix(k, of_layer(n, sizeof n, layer, "ffn_up.weight"), m->width,
               fused ? 2 * m->inner : m->inner);
        matrix(k, of_layer(n, sizeof n, layer, "ffn_down.weight"), m->inner, m->width);
    }
    if (wide || is(m->family, "gemma3") || is(m->family, "gemma2"))
        vector(k, of_layer(n, sizeof n, layer, "post_ffw_norm.weight"), m->width, 1);
}

static const char *architecture(const model_made *m)
{
    return is(m->family, "mixtral") ? "llama" : m->family;
}

static void number(making *k, const char *name, uint32_t value)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", architecture(k->m), name);
    if (value)
        gguf_u32(&k->g, key, value);
}

static void real(making *k, const char *name, float value)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", architecture(k->m), name);
    if (value != 0)
        gguf_f32(&k->g, key, value);
}

static void make_numbers(making *k)
{
    const model_made *m = k->m;
    gguf_text(&k->g, "general.architecture", architecture(m));
    number(k, "block_count", m->layers);
    number(k, "embedding_length", m->width);
    number(k, "context_length", m->context);
    number(k, "attention.head_count", m->heads);
    number(k, "attention.head_count_kv", m->kv_heads);
    number(k, "attention.key_length", m->head_width);
    number(k, "attention.value_length", m->head_width);
    number(k, "feed_forward_length", m->inner);
    number(k, "attention.sliding_window", m->window);
    number(k, "expert_count", m->experts);
    number(k, "expert_used_count", m->experts_used);
    real(k, "attn_logit_softcapping", m->cap);
    real(k, "final_logit_softcapping", m->cap);
    if (m->scaling) {
        char key[96];
        snprintf(key, sizeof key, "%s.rope.scaling.type", architecture(m));
        gguf_text(&k->g, key, m->scaling);
        real(k, "rope.scaling.factor", 4);
        number(k, "rope.scaling.original_context_length", 128);
    }
}

void model_write(const model_made *m, bl_buf *out)
{
    making k = { .m = m, .g = GGUF_MADE, .state = 20 };
    make_numbers(&k);
    fill(&k, "token_embd.weight", m->type, (const uint64_t[]){ m->width, m->vocabulary }, 2, 0,
         0.5F);
    vector(&k, "output_norm.weight", m->width, 1);
    if (m->untied)
        matrix(&k, "output.weight", m->width, m->vocabulary);
    if (m->frequencies)
        vector(&k, "rope_freqs.weight", m->head_width / 2, 2);
    for (uint32_t i = 0; i < m->layers; i++) {
        make_attention(&k, i);
        make_feed_forward(&k, i);
    }
    gguf_write(&k.g, out);
    gguf_done(&k.g);
}
