/* What a forward pass needs of a model, and all its memory. */
#include "llm/forward_internal.h"

#include "base/pages.h"
#include "llm/dequant.h"
#include "llm/rope.h"

#include <math.h>
#include <stdlib.h>

#define MOST_QUERIES 256 /* heads of tokens that attention takes at once */

/* Weights.  ---------------------------------------------------------------------------------- */

static bl_weights weights_of(const bl_gguf_tensor *t)
{
    if (!t)
        return (bl_weights){ .type = NULL };
    size_t rows = (size_t)(t->shape[1] * t->shape[2]);
    return (bl_weights){ t->type, t->bytes.data, rows, (size_t)t->shape[0] };
}

typedef struct {
    bl_llm_forward *f;
    bool            failed; /* for want of memory */
    char           *base;   /* of the memory of passes; NULL while its size is counted */
    size_t          used;
} making;

/* A vector as floats, `skip` elements on; NULL where there is none. */
static const float *vector_of(making *m, const bl_gguf_tensor *t, size_t skip)
{
    float *out = t ? bl_arena_array(&m->f->arena, (size_t)t->shape[0], sizeof *out) : NULL;
    if (!out) {
        m->failed |= t != NULL;
        return NULL;
    }
    bl_dequant(t->type, t->bytes.data, (size_t)t->shape[0], out);
    return out + skip;
}

static void read_attention(making *m, const bl_llm_layer *from, bl_forward_layer *l)
{
    const bl_llm_shape *s = m->f->s;
    size_t              q = s->heads * s->head_width, kv = s->kv_heads * s->head_width;
    l->q = weights_of(from->q);
    l->k = weights_of(from->k);
    l->v = weights_of(from->v);
    l->q_bias = vector_of(m, from->q_bias, 0);
    l->k_bias = vector_of(m, from->k_bias, 0);
    l->v_bias = vector_of(m, from->v_bias, 0);
    if (from->qkv) {
        bl_weights all = weights_of(from->qkv);
        l->q = bl_weights_rows(&all, 0, q);
        l->k = bl_weights_rows(&all, q, kv);
        l->v = bl_weights_rows(&all, q + kv, kv);
        l->q_bias = vector_of(m, from->qkv_bias, 0);
        l->k_bias = vector_of(m, from->qkv_bias, q);
        l->v_bias = vector_of(m, from->qkv_bias, q + kv);
    }
    l->attn_norm = vector_of(m, from->attn_norm, 0);
    l->q_norm = vector_of(m, from->q_norm, 0);
    l->k_norm = vector_of(m, from->k_norm, 0);
    l->out = weights_of(from->out);
    l->out_bias = vector_of(m, from->out_bias, 0);
    l->post_attn_norm = vector_of(m, from->post_attn_norm, 0);
}

static void read_feed_forward(making *m, const bl_llm_layer *from, bl_forward_layer *l)
{
    size_t inner = m->f->s->inner;
    l->ffn_norm = vector_of(m, from->ffn_norm, 0);
    l->post_ffn_norm = vector_of(m, from->post_ffn_norm, 0);
    l->gate = weights_of(from->gate);
    l->up = weights_of(from->up);
    l->down = weights_of(from->down);
    if (m->f->m->family->fused && from->up) {
        bl_weights both = l->up;
        l->gate = bl_weights_rows(&both, 0, inner);
        l->up = bl_weights_rows(&both, inner, inner);
    }
    l->router = weights_of(from->router);
    l->gate_experts = weights_of(from->gate_experts);
    l->up_experts = weights_of(from->up_experts);
    l->down_experts = weights_of(from->down_experts);
}

static void read_weights(making *m)
{
    bl_llm_forward     *f = m->f;
    const bl_llm_model *from = f->m;
    f->embedding = weights_of(from->embedding);
    f->head = weights_of(from->out);
    f->out_norm = vector_of(m, from->out_norm, 0);
    f->token_scale = from->family->big_tokens ? sqrtf((float)f->s->width) : 1;
    f->layers = bl_arena_array(&f->arena, f->s->layers, sizeof *f->layers);
    m->failed |= !f->layers;
    for (size_t i = 0; i < f->s->layers && f->layers; i++) {
        read_attention(m, &from->layers[i], &f->layers[i]);
        read_feed_forward(m, &from->layers[i], &f->layers[i]);
        f->layers[i].local = from->layers[i].local;
    }
}

/* Positions of layers with a window turn by their own, where there are any. */
static void read_turns(making *m)
{
    bl_llm_forward *f = m->f;
    size_t          half = f->s->rotated / 2;
    for (int local = 0; local < (f->s->window ? 2 : 1); local++) {
        double factor = 1;
        f->turns_by[local] = bl_arena_array(&f->arena, half, sizeof(double));
        m->failed |= !f->turns_by[local];
        for (size_t i = 0; i < half && f->turns_by[local]; i++)
            f->turns_by[local][i] = bl_rope_frequency(f->m, local, i, &factor);
        f->turn_factor[local] = (float)factor;
    }
}

/* Memory.  ----------------------------------------------------------------------------------- */

static void *bytes(making *m, size_t size)
{
    size_t at = m->used;
    m->failed |= !bl_add(at, 63, &m->used) || !bl_add(m->used, size, &m->used);
    m->used = m->used / 64 * 64;
    return m->base ? m->base + at : NULL;
}

static void *array(making *m, size_t width, size_t size)
{
    size_t len, all = 0;
    m->failed |= !bl_mul(m->f->max_rows, width, &len) || !bl_mul(len, size, &all);
    return bytes(m, all);
}

static unsigned forms_of(const bl_product_kernels *k, const bl_weights *const *w, size_t len)
{
    unsigned forms = 0;
    for (size_t i = 0; i < len; i++)
        if (w[i]->type)
            forms |= bl_product_form(k, w[i]->type);
    return forms;
}

/* What one input takes; counts as failed where memory could not hold it. */
static size_t size_for(making *m, const bl_weights *const *w, size_t len, size_t columns)
{
    const bl_product_kernels *const kernels[] = { m->f->products, m->f->decoding };
    size_t                          most = 0;
    for (size_t i = 0; i < BL_LEN(kernels); i++) {
        unsigned forms = forms_of(kernels[i], w, len);
        size_t   size = bl_product_input_size(kernels[i], forms, m->f->max_rows, columns);
        m->failed |= forms && size == 0;
        most = BL_MAX(most, size);
    }
    return most;
}

/* The largest input that any product takes. */
static size_t input_size(making *m)
{
    const bl_llm_shape     *s = m->f->s;
    const bl_weights *const head[] = { &m->f->head };
    size_t                  most = size_for(m, head, 1, s->width);
    for (size_t i = 0; i < s->layers; i++) {
        const bl_forward_layer *l = &m->f->layers[i];
        const bl_weights *const from_states[] = {
            &l->q, &l->k, &l->v, &l->gate, &l->up, &l->router, &l->gate_experts, &l->up_experts
        };
        const bl_weights *const from_heads[] = { &l->out };
        const bl_weights *const from_inner[] = { &l->down, &l->down_experts };
        most = BL_MAX(most, size_for(m, from_states, BL_LEN(from_states), s->width));
        most = BL_MAX(most, size_for(m, from_heads, 1, s->heads * s->head_width));
        most = BL_MAX(most, size_for(m, from_inner, 2, s->inner));
    }
    return most;
}

static void allocate_experts(making *m)
{
    bl_llm_forward *f = m->f;
    f->routes = array(m, f->s->experts, sizeof *f->routes);
    f->chosen = array(m, f->s->experts_used, sizeof *f->chosen);
    f->shares = array(m, f->s->experts_used, sizeof *f->shares);
    f->gathered = array(m, f->s->width, sizeof *f->gathered);
    f->members = array(m, 1, sizeof *f->members);
}

static void allocate(making *m)
{
    bl_llm_forward     *f = m->f;
    const bl_llm_shape *s = f->s;
    size_t              q = s->heads * s->head_width, kv = s->kv_heads * s->head_width;
    f->x = array(m, s->width, sizeof *f->x);
    f->normed = array(m, s->width, sizeof *f->normed);
    f->out = array(m, s->width, sizeof *f->out);
    f->q = array(m, q, sizeof *f->q);
    f->mixed = array(m, q, sizeof *f->mixed);
    f->key = array(m, kv, sizeof *f->key);
    f->value = array(m, kv, sizeof *f->value);
    f->gate = array(m, s->inner, sizeof *f->gate);
    f->up = array(m, s->inner, sizeof *f->up);
    f->turns[0] = f->turns[1] = array(m, s->rotated, sizeof *f->turns[0]);
    if (s->window)
        f->turns[1] = array(m, s->rotated, sizeof *f->turns[1]);
    f->tiles = array(m, 1, sizeof *f->tiles);
    f->logits = bytes(m, s->vocabulary * BL_FORWARD_LOGITS * sizeof *f->logits);
    f->prepared = bytes(m, input_size(m));
    size_t columns = BL_MAX(BL_MAX(q, s->width), s->inner);
    f->scratch =
        bytes(m, BL_MAX(bl_product_scratch_size(f->products, f->max_rows, columns, f->threads),
                        bl_product_scratch_size(f->decoding, f->max_rows, columns, f->threads)));
    f->attention_size = f->k->attend_scratch(&f->layout, s->heads / s->kv_heads, f->tile);
    f->attention_size = (f->attention_size + 63) / 64 * 64;
    f->attention = bytes(m, f->attention_size * (size_t)f->threads);
    if (s->experts)
        allocate_experts(m);
}

/* Whether there are products for every matrix. */
static blind_code check_types(const bl_llm_forward *f, blind_error *err)
{
    for (size_t i = 0; i < f->s->layers; i++) {
        const bl_forward_layer *l = &f->layers[i];
        const bl_weights *const all[] = {
            &f->head,       &l->q,           &l->k,    &l->v,      &l->out,
            &l->gate,       &l->up,          &l->down, &l->router, &l->gate_experts,
            &l->up_experts, &l->down_experts
        };
        for (size_t k = 0; k < BL_LEN(all); k++)
            if (all[k]->type && !bl_product_knows(all[k]->type))
                return blind_fail(err, BLIND_UNSUPPORTED, "llm.forward",
                                  "there are no products with weights of type %s",
                                  all[k]->type->name);
    }
    return BLIND_OK;
}

/* Counts what passes take, and takes it. */
static blind_code take_memory(making *m, blind_error *err)
{
    bl_llm_forward *f = m->f;
    f->tile = BL_MIN(f->k->tokens, BL_MAX(MOST_QUERIES * f->s->kv_heads / f->s->heads, (size_t)1));
    allocate(m);
    if (m->failed || m->used > BL_MAX_LLM_PASS)
        return blind_fail(err, BLIND_LIMIT, "llm.forward",
                          "%zu tokens at once of this model take too much memory", f->max_rows);
    f->memory = bl_pages_new(m->used);
    if (!f->memory)
        return blind_fail(err, BLIND_MEMORY, "llm.forward", "out of memory for %zu bytes", m->used);
    f->memory_size = m->used;
    m->base = f->memory;
    m->used = 0;
    allocate(m);
    return BLIND_OK;
}

static blind_code make(bl_llm_forward *f, blind_error *err)
{
    making m = { .f = f };
    read_weights(&m);
    read_turns(&m);
    if (m.failed)
        return blind_fail(err, BLIND_MEMORY, "llm.forward", "out of memory");
    BL_TRY(check_types(f, err));
    return take_memory(&m, err);
}

blind_code bl_llm_forward_new(const bl_llm_model *m, const bl_kv_layout *layout, bl_isa isa,
                              size_t rows, int threads, bl_llm_forward **out, blind_error *err)
{
    *out = NULL;
    bl_llm_forward *f = calloc(1, sizeof *f);
    if (!f)
        return blind_fail(err, BLIND_MEMORY, "llm.forward", "out of memory");
    *f = (bl_llm_forward){
        .m = m,
        .s = &m->shape,
        .layout = *layout,
        .k = bl_layer_kernels_for(isa),
        .products = bl_product_kernels_for(isa),
        .decoding = bl_product_decode_kernels_for(isa),
        .max_rows = rows,
        .threads = threads,
    };
    blind_code code = make(f, err);
    if (code == BLIND_OK)
        *out = f;
    else
        bl_llm_forward_free(f);
    return code;
}

void bl_llm_forward_free(bl_llm_forward *f)
{
    if (!f)
        return;
    if (f->memory)
        bl_wipe(f->memory, f->memory_size);
    free(f->memory);
    bl_arena_done(&f->arena);
    free(f);
}

size_t bl_llm_forward_size(const bl_llm_forward *f)
{
    return f->memory_size + f->arena.used;
}
