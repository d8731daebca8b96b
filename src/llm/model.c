/* Reads numbers and tensors of a model, and holds each tensor's shape against the numbers. */
#include "llm/model.h"

#include "base/limits.h"
#include "llm/dequant.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* clang-format off */
static const bl_llm_family families[] = {
    { .name = "llama" },
    { .name = "qwen2", .neox = true },
    { .name = "qwen3", .neox = true },
    { .name = "qwen3moe", .neox = true },
    { .name = "gemma", .neox = true, .gelu = true, .big_tokens = true },
    { .name = "gemma2", .neox = true, .gelu = true, .big_tokens = true, .local_every = 2, .global_at = 1 },
    { .name = "gemma3", .neox = true, .gelu = true, .big_tokens = true, .local_every = 6, .global_at = 5,
      .local_theta = true },
    { .name = "phi3", .neox = true, .fused = true },
    { .name = "olmo2", .neox = true, .wide_norm = true, .post_only = true },
};
/* clang-format on */

/* Numbers.  ---------------------------------------------------------------------------------- */

typedef struct {
    bl_gguf      *g;
    bl_llm_model *m;
    char          key[128];
    blind_error  *err;
} reading;

static const char *key_of(reading *r, const char *name)
{
    snprintf(r->key, sizeof r->key, "%s.%s", r->m->family->name, name);
    return r->key;
}

static blind_code read_size(reading *r, const char *name, uint64_t fallback, uint64_t least,
                            uint64_t most, size_t *out)
{
    uint64_t value = bl_gguf_uint(r->g, key_of(r, name), fallback);
    if (value < least || value > most)
        return blind_fail(r->err, BLIND_INPUT, "llm.model", "%s is %llu, expected %llu to %llu",
                          r->key, (unsigned long long)value, (unsigned long long)least,
                          (unsigned long long)most);
    *out = (size_t)value;
    return BLIND_OK;
}

static blind_code read_number(reading *r, const char *name, double fallback, float *out)
{
    double value = bl_gguf_number(r->g, key_of(r, name), fallback);
    if (!isfinite(value) || value < 0 || value > 1e12)
        return blind_fail(r->err, BLIND_INPUT, "llm.model", "%s is %g", r->key, value);
    *out = (float)value;
    return BLIND_OK;
}

static blind_code read_widths(reading *r)
{
    bl_llm_shape *s = &r->m->shape;
    size_t        ignored;
    BL_TRY(read_size(r, "block_count", 0, 1, BL_MAX_LLM_LAYERS, &s->layers));
    BL_TRY(read_size(r, "embedding_length", 0, 1, BL_MAX_LLM_WIDTH, &s->width));
    BL_TRY(read_size(r, "context_length", 0, 1, BL_MAX_LLM_CONTEXT, &s->context));
    BL_TRY(read_size(r, "attention.head_count", 0, 1, BL_MAX_LLM_HEADS, &s->heads));
    BL_TRY(read_size(r, "attention.head_count_kv", s->heads, 1, s->heads, &s->kv_heads));
    BL_TRY(read_size(r, "attention.key_length", s->width / s->heads, 2, BL_MAX_LLM_HEAD,
                     &s->head_width));
    BL_TRY(read_size(r, "attention.value_length", s->head_width, s->head_width, s->head_width,
                     &ignored));
    BL_TRY(read_size(r, "rope.dimension_count", s->head_width, 2, s->head_width, &s->rotated));
    BL_TRY(read_size(r, "feed_forward_length", 0, 0, BL_MAX_LLM_INNER, &s->inner));
    BL_TRY(read_size(r, "attention.sliding_window", 0, 0, UINT32_MAX, &s->window));
    BL_TRY(read_size(r, "expert_count", 0, 0, BL_MAX_LLM_EXPERTS, &s->experts));
    BL_TRY(read_size(r, "expert_used_count", BL_MIN(s->experts, 2), s->experts ? 1 : 0,
                     BL_MIN(s->experts, (size_t)BL_MAX_LLM_EXPERTS_USED), &s->experts_used));
    if (s->experts)
        BL_TRY(
            read_size(r, "expert_feed_forward_length", s->inner, 1, BL_MAX_LLM_INNER, &s->inner));
    if (s->heads % s->kv_heads || s->head_width % 2 || s->rotated % 2 || s->inner == 0)
        return blind_fail(r->err, BLIND_INPUT, "llm.model",
                          "%zu heads, %zu for keys, of %zu (%zu rotated), %zu inside: these do not "
                          "go together",
                          s->heads, s->kv_heads, s->head_width, s->rotated, s->inner);
    return BLIND_OK;
}

static blind_code read_scaling(reading *r)
{
    bl_llm_shape *s = &r->m->shape;
    blind_span    type = bl_gguf_text(r->g, key_of(r, "rope.scaling.type"));
    BL_TRY(read_number(r, "rope.freq_base", 10000, &s->theta));
    BL_TRY(read_number(r, "rope.scaling.factor", 1, &s->scale));
    BL_TRY(read_size(r, "rope.scaling.original_context_length", s->context, 1, BL_MAX_LLM_CONTEXT,
                     &s->trained_context));
    BL_TRY(read_number(r, "rope.scaling.attn_factor", 1, &s->attention_factor));
    if (type.size == 0 || bl_span_equal(type, BL_LITERAL("none")) ||
        bl_span_equal(type, BL_LITERAL("longrope")) || s->scale == 0.0F)
        s->scaling = BL_ROPE_PLAIN;
    else if (bl_span_equal(type, BL_LITERAL("linear")))
        s->scaling = BL_ROPE_LINEAR;
    else if (bl_span_equal(type, BL_LITERAL("yarn")))
        s->scaling = BL_ROPE_YARN;
    else
        return blind_fail(r->err, BLIND_UNSUPPORTED, "llm.model",
                          "positions are scaled by '%.*s', which is not supported",
                          (int)BL_MIN(type.size, 40), (const char *)type.data);
    return BLIND_OK;
}

/* The 27B models of two generations scale queries by another width, which their files do not say.
 */
static bool is_largest_gemma(const bl_llm_model *m)
{
    return (strcmp(m->family->name, "gemma2") == 0 && m->shape.layers == 46) ||
           (strcmp(m->family->name, "gemma3") == 0 && m->shape.layers == 62);
}

static blind_code read_numbers(reading *r)
{
    bl_llm_shape *s = &r->m->shape;
    BL_TRY(read_widths(r));
    BL_TRY(read_scaling(r));
    BL_TRY(read_number(r, "attention.layer_norm_rms_epsilon", 1e-5, &s->epsilon));
    BL_TRY(read_number(r, "attn_logit_softcapping", 0, &s->softcap_attention));
    BL_TRY(read_number(r, "final_logit_softcapping", 0, &s->softcap_logits));
    s->query_scale =
        1.0F / sqrtf((float)(is_largest_gemma(r->m) ? s->width / s->heads : s->head_width));
    s->renormalise = true;
    return BLIND_OK;
}

/* Tensors.  ---------------------------------------------------------------------------------- */

static blind_code check_shape(const reading *r, const bl_gguf_tensor *t, const char *name,
                              size_t columns, size_t rows, size_t matrices)
{
    if (t->shape[0] != columns || t->shape[1] != rows || t->shape[2] != matrices ||
        t->shape[3] != 1)
        return blind_fail(r->err, BLIND_INPUT, "llm.model",
                          "'%s' is %llu x %llu x %llu, expected %zu x %zu x %zu", name,
                          (unsigned long long)t->shape[0], (unsigned long long)t->shape[1],
                          (unsigned long long)t->shape[2], columns, rows, matrices);
    if (!bl_dequant_knows(t->type))
        return blind_fail(r->err, BLIND_UNSUPPORTED, "llm.model",
                          "'%s' is of type %s, which is not supported", name, t->type->name);
    return BLIND_OK;
}

/* A tensor of columns x rows x matrices, NULL where the file has none. */
static blind_code find(const reading *r, const char *name, size_t columns, size_t rows,
                       size_t matrices, const bl_gguf_tensor **out)
{
    *out = bl_gguf_tensor_of(r->g, name);
    return *out ? check_shape(r, *out, name, columns, rows, matrices) : BLIND_OK;
}

static blind_code need(const reading *r, const char *name, size_t columns, size_t rows,
                       size_t matrices, const bl_gguf_tensor **out)
{
    BL_TRY(find(r, name, columns, rows, matrices, out));
    return *out ? BLIND_OK
                : blind_fail(r->err, BLIND_INPUT, "llm.model", "there is no tensor '%s'", name);
}

typedef struct {
    const char            *name; /* "blk.N.NAME" */
    size_t                 columns, rows, matrices;
    bool                   needed;
    const bl_gguf_tensor **out;
} part;

static blind_code read_parts(reading *r, size_t layer, const part *parts, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const part *p = &parts[i];
        snprintf(r->key, sizeof r->key, "blk.%zu.%s", layer, p->name);
        BL_TRY(p->needed ? need(r, r->key, p->columns, p->rows, p->matrices, p->out)
                         : find(r, r->key, p->columns, p->rows, p->matrices, p->out));
    }
    return BLIND_OK;
}

static blind_code read_attention(reading *r, size_t layer, bl_llm_layer *l)
{
    const bl_llm_shape  *s = &r->m->shape;
    const bl_llm_family *f = r->m->family;
    size_t               q = s->heads * s->head_width, kv = s->kv_heads * s->head_width;
    size_t               q_norm = f->wide_norm ? q : s->head_width;
    size_t               k_norm = f->wide_norm ? kv : s->head_width;
    const part           parts[] = {
                  { "attn_norm.weight", s->width, 1, 1, !f->post_only, &l->attn_norm },
                  { "attn_qkv.weight", s->width, q + 2 * kv, 1, f->fused, &l->qkv },
                  { "attn_qkv.bias", q + 2 * kv, 1, 1, false, &l->qkv_bias },
                  { "attn_q.weight", s->width, q, 1, !f->fused, &l->q },
                  { "attn_k.weight", s->width, kv, 1, !f->fused, &l->k },
                  { "attn_v.weight", s->width, kv, 1, !f->fused, &l->v },
                  { "attn_q.bias", q, 1, 1, false, &l->q_bias },
                  { "attn_k.bias", kv, 1, 1, false, &l->k_bias },
                  { "attn_v.bias", kv, 1, 1, false, &l->v_bias },
                  { "attn_q_norm.weight", q_norm, 1, 1, f->wide_norm, &l->q_norm },
                  { "attn_k_norm.weight", k_norm, 1, 1, f->wide_norm, &l->k_norm },
                  { "attn_output.weight", q, s->width, 1, true, &l->out },
                  { "attn_output.bias", s->width, 1, 1, false, &l->out_bias },
                  { "post_attention_norm.weight", s->width, 1, 1, f->post_only, &l->post_attn_norm },
    };
    return read_parts(r, layer, parts, BL_LEN(parts));
}

static blind_code read_feed_forward(reading *r, size_t layer, bl_llm_layer *l)
{
    const bl_llm_shape  *s = &r->m->shape;
    const bl_llm_family *f = r->m->family;
    bool                 experts = s->experts > 0;
    const part           parts[] = {
                  { "ffn_norm.weight", s->width, 1, 1, !f->post_only, &l->ffn_norm },
                  { "ffn_gate.weight", s->width, s->inner, 1, !f->fused && !experts, &l->gate },
                  { "ffn_up.weight", s->width, f->fused ? 2 * s->inner : s->inner, 1, !experts, &l->up },
                  { "ffn_down.weight", s->inner, s->width, 1, !experts, &l->down },
                  { "ffn_gate_inp.weight", s->width, s->experts, 1, experts, &l->router },
                  { "ffn_gate_exps.weight", s->width, s->inner, s->experts, experts, &l->gate_experts },
                  { "ffn_up_exps.weight", s->width, s->inner, s->experts, experts, &l->up_experts },
                  { "ffn_down_exps.weight", s->inner, s->width, s->experts, experts, &l->down_experts },
                  { "post_ffw_norm.weight", s->width, 1, 1, f->post_only, &l->post_ffn_norm },
    };
    return read_parts(r, layer, parts, BL_LEN(parts));
}

static bool is_local(const bl_llm_model *m, size_t layer)
{
    const bl_llm_family *f = m->family;
    return m->shape.window > 0 && (!f->local_every || layer % f->local_every != f->global_at);
}

static blind_code read_layers(reading *r)
{
    bl_llm_model *m = r->m;
    m->layers = bl_arena_array(&m->arena, m->shape.layers, sizeof *m->layers);
    if (!m->layers)
        return blind_fail(r->err, BLIND_MEMORY, "llm.model", "out of memory");
    for (size_t i = 0; i < m->shape.layers; i++) {
        BL_TRY(read_attention(r, i, &m->layers[i]));
        BL_TRY(read_feed_forward(r, i, &m->layers[i]));
        m->layers[i].local = is_local(m, i);
    }
    return BLIND_OK;
}

static blind_code read_ends(reading *r)
{
    bl_llm_model *m = r->m;
    m->embedding = bl_gguf_tensor_of(r->g, "token_embd.weight");
    m->shape.vocabulary = m->embedding ? (size_t)m->embedding->shape[1] : 0;
    if (m->shape.vocabulary > BL_MAX_VOCABULARY)
        return blind_fail(r->err, BLIND_LIMIT, "llm.model", "%zu tokens", m->shape.vocabulary);
    size_t width = m->shape.width, tokens = m->shape.vocabulary;
    BL_TRY(need(r, "token_embd.weight", width, tokens, 1, &m->embedding));
    BL_TRY(need(r, "output_norm.weight", width, 1, 1, &m->out_norm));
    BL_TRY(find(r, "output.weight", width, tokens, 1, &m->out));
    if (!m->out)
        m->out = m->embedding;
    BL_TRY(find(r, "rope_freqs.weight", m->shape.rotated / 2, 1, 1, &m->frequencies));
    if (!m->frequencies) /* for contexts as long as trained */
        BL_TRY(find(r, "rope_factors_short.weight", m->shape.rotated / 2, 1, 1, &m->frequencies));
    return BLIND_OK;
}

static blind_code read_all(bl_gguf *g, bl_llm_model *m, blind_error *err)
{
    reading    r = { .g = g, .m = m, .err = err };
    blind_span name = bl_gguf_text(g, "general.architecture");
    for (size_t i = 0; i < BL_LEN(families); i++)
        if (bl_span_equal(name, bl_span_str(families[i].name)))
            m->family = &families[i];
    if (!m->family)
        return blind_fail(err, BLIND_UNSUPPORTED, "llm.model",
                          "models of architecture '%.*s' are not supported",
                          (int)BL_MIN(name.size, 40), (const char *)name.data);
    BL_TRY(read_numbers(&r));
    BL_TRY(read_ends(&r));
    return read_layers(&r);
}

blind_code bl_llm_model_open(bl_gguf *g, bl_llm_model *out, blind_error *err)
{
    *out = (bl_llm_model){ .family = NULL };
    blind_code code = read_all(g, out, err);
    if (code != BLIND_OK)
        bl_llm_model_done(out);
    return code;
}

void bl_llm_model_done(bl_llm_model *m)
{
    bl_arena_done(&m->arena);
    *m = (bl_llm_model){ .family = NULL };
}
