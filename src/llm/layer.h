/* What layers compute beside matrix products, on one instruction set.
 *
 * Every function is for one token, or a few, and leaves the rest to its caller: what it writes for
 * a token has the same bits whatever tokens are beside it.  Scalar C is the specification. */
#ifndef BL_LLM_LAYER_H
#define BL_LLM_LAYER_H

#include "llm/kv.h"
#include "nn/isa.h"

/* Attention of neighbouring tokens of one sequence, of the heads that share one head of keys. */
typedef struct {
    const bl_kv_layout *layout;
    uint8_t *const     *pages;    /* of the sequence, in order */
    size_t              at;       /* in each, the keys of this layer's head: bl_kv_at() */
    size_t              position; /* of the first token */
    size_t              tokens;
    size_t              window; /* positions that a token sees, itself included; 0: all */
    const float        *q;      /* [tokens][heads][head_width], rows q_row apart */
    float              *out;    /* the same */
    size_t              q_row, out_row, heads;
    float               scale, cap; /* of q k; cap 0: none */
    void               *scratch;    /* attend_scratch() bytes, aligned to 64 */
} bl_attend;

typedef struct {
    bl_isa isa;

    /* out[i] = gain[i] * x[i] / sqrt(mean(x^2) + eps); out may be x.
     * Source: Zhang and Sennrich 2019, arXiv:1910.07467, eq. 4. */
    void (*norm)(float *out, const float *x, const float *gain, size_t width, float eps);
    /* x[i] += y[i] */
    void (*add)(float *x, const float *y, size_t len);
    /* x[i] += y[i] * by */
    void (*add_scaled)(float *x, const float *y, float by, size_t len);
    /* gate[i] = act(gate[i]) * up[i]: SiLU, or GELU by tanh. */
    void (*activate)(float *gate, const float *up, size_t len, bool gelu);
    /* Turns pairs of x by turns [2][half], cosines then sines: elements i and i + half (neox), or
     * 2 i and 2 i + 1. */
    void (*rotate)(float *x, const float *turns, size_t half, bool neox);
    /* x[i] = cap * tanh(x[i] / cap) */
    void (*soft_cap)(float *x, size_t len, float cap);

    /* Writes a position's key and value [head_width] into the part of its page.  Numbers that the
     * type cannot hold become the nearest that it can. */
    void (*store)(const bl_kv_layout *layout, uint8_t *keys, size_t in_page, const float *key,
                  const float *value);
    /* out = softmax(scale * q k) v over what each token sees, a page of keys at a time and by
     * absolute position.  Prompts and decoding have each their own; all tokens up to the last have
     * been stored.
     * Source: Milakov and Gimelshein 2018, arXiv:1805.02867 (the softmax of a stream). */
    void (*attend_prompt)(const bl_attend *a);
    void (*attend_decode)(const bl_attend *a);
    size_t (*attend_scratch)(const bl_kv_layout *layout, size_t heads, size_t tokens); /* bytes */
    size_t tokens; /* that attention takes at once, at most */
} bl_layer_kernels;

/* The kernels of `isa`, or the best of those before it that this processor runs. */
const bl_layer_kernels *bl_layer_kernels_for(bl_isa isa);

extern const bl_layer_kernels bl_layer_scalar;
#if defined(__x86_64__)
extern const bl_layer_kernels bl_layer_avx2, bl_layer_avx512, bl_layer_amx;
#endif

/* bl_layer_scalar's store(). */
void bl_layer_store(const bl_kv_layout *layout, uint8_t *keys, size_t in_page, const float *key,
                    const float *value);

#endif
