/* A language model in a GGUF file: what its layers are made of and where their weights lie.
 *
 * Decoder-only transformers with rotary positions and gated feed-forward layers.  What sets
 * families apart is a row of the table in model.c; what sets sizes apart is in the file. */
#ifndef BL_LLM_MODEL_H
#define BL_LLM_MODEL_H

#include "llm/gguf.h"

/* What a family does differently. */
typedef struct {
    const char *name;        /* "general.architecture" */
    bool        neox;        /* rotates element i with i + width/2, not with its neighbour */
    bool        gelu;        /* tanh-GELU in the gate, not SiLU */
    bool        big_tokens;  /* embeddings are multiplied by sqrt(width) */
    bool        fused;       /* one matrix for q, k, v, and one for gate and up */
    bool        wide_norm;   /* q and k are normalised across all heads */
    bool        post_only;   /* norms stand behind attention and feed-forward, none in front */
    unsigned    local_every; /* 0: all layers see the window or none; n: all but each n-th do */
    unsigned    global_at;   /* which of n sees everything */
    bool        local_theta; /* layers with a window rotate with base 10000 and no scaling */
} bl_llm_family;

typedef enum { BL_ROPE_PLAIN, BL_ROPE_LINEAR, BL_ROPE_YARN } bl_rope_scaling;

/* Numbers of the model; widths are in elements. */
typedef struct {
    size_t          layers, width, vocabulary, context;
    size_t          heads, kv_heads, head_width, rotated; /* of head_width */
    size_t          inner;                 /* of a feed-forward layer, or of one expert */
    size_t          experts, experts_used; /* 0: none */
    size_t          window;                /* positions that a layer with a window sees; 0: all */
    float           epsilon;               /* of norms */
    float           theta;                 /* base of the rotation */
    bl_rope_scaling scaling;
    float           scale; /* context is this much longer than trained */
    size_t          trained_context;
    float           attention_factor;                  /* of YaRN and long factors */
    float           softcap_attention, softcap_logits; /* 0: none */
    float           query_scale;                       /* of q k */
    bool            renormalise;                       /* weights of the experts used add up to 1 */
} bl_llm_shape;

/* NULL where a family has no such tensor.  Matrices are [rows][columns], rows times the input. */
typedef struct {
    const bl_gguf_tensor *attn_norm, *q, *k, *v, *qkv, *q_bias, *k_bias, *v_bias, *qkv_bias;
    const bl_gguf_tensor *q_norm, *k_norm, *out, *out_bias, *post_attn_norm;
    const bl_gguf_tensor *ffn_norm, *gate, *up, *down, *post_ffn_norm;
    const bl_gguf_tensor *router, *gate_experts, *up_experts, *down_experts;
    bool                  local; /* sees the window only */
} bl_llm_layer;

typedef struct {
    const bl_llm_family  *family;
    bl_llm_shape          shape;
    const bl_gguf_tensor *embedding, *out_norm, *out; /* out may be the embedding */
    const bl_gguf_tensor *frequencies;                /* divide the rotation's, or NULL */
    bl_llm_layer         *layers;
    bl_arena              arena;
} bl_llm_model;

/* g       borrowed until bl_llm_model_done(), and so is its file
 * Errors  UNSUPPORTED (another architecture, types of weights without a kernel), INPUT (tensors
 * that are missing or of other shapes than the numbers say), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_llm_model_open(bl_gguf *g, bl_llm_model *out, blind_error *err);
void                      bl_llm_model_done(bl_llm_model *m);

#endif
