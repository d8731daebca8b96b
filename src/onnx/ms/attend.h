/* What Attention, MultiHeadAttention and GroupQueryAttention share: keys and values of before and
 * of now, what of them a query may see, and the product itself. */
#ifndef BL_ONNX_MS_ATTEND_H
#define BL_ONNX_MS_ATTEND_H

#include "onnx/ms/ms.h"

/* Rows of one factor: [batch, heads, rows, size] in any order, its last axis adjacent. */
typedef struct {
    const float *data;
    size_t       batch, head, row; /* strides */
} bl_rows;

/* Set while planning. */
typedef struct {
    bl_attention a;        /* heads: of queries; k_len: all keys, those of before too */
    size_t       kv_heads; /* each serves heads / kv_heads heads of queries */
    size_t       fresh;    /* keys that are new */
    bool         cached;   /* keys and values are put together, in an output or in the scratch */
    size_t       room;     /* keys of a head there, at least a.k_len */
    bool         causal;   /* a query sees no key after its own */
    size_t       window;   /* and only so many up to its own; 0: all */
    float        hidden;   /* added to the scores of keys that are padding */
    float        softcap;  /* scores become softcap * tanh(score / softcap); 0: as they are */
    bool         sinks;    /* something is added to the sum under each softmax */
    bool         slow;     /* the kernel knows no softcap and no sinks */
    bool         measured; /* lengths tell how many keys each batch has */
    bool         masks;    /* a mask is made; else the bias is it */
    size_t       bias_batches, bias_heads; /* of the bias: 1, or all; 0: there is none */
    size_t       mask_batches, mask_heads;
    size_t       padding_axes; /* of the tensor that tells padding; 0: there is none */
    size_t       padding_parts;
    size_t       k_at, v_at, mask_at, attention_at, size; /* of the scratch */
} bl_attend;

/* Of one run. */
typedef struct {
    bl_rows        q, k, v; /* k, v: the new ones */
    bl_rows        past_k, past_v;
    float         *present_k, *present_v; /* [batch, kv_heads, room, size]; NULL: the scratch */
    const float   *bias;                  /* [bias_batches, bias_heads, q_len, k_len] */
    const int32_t *padding;               /* see bl_attend_padding */
    const int32_t *lengths;               /* per batch: keys in use less one; NULL: all */
    bool           first;                 /* with lengths: nothing was before */
    const float   *sinks;                 /* per head of queries; NULL: exp(0) */
    float         *out;                   /* [batch, q_len, heads, value_size] */
    char          *scratch;
} bl_attend_run;

/* Input i, added to the scores: [batch or 1, heads or 1, q_len, k_len].  Errors: INPUT */
BLIND_MUST_USE blind_code bl_attend_bias(bl_build *b, const bl_node *n, int i, bl_attend *p);
/* Input i, of I32, tells padding: [batch], ends; [2 * batch], ends and starts; [batch, k_len] or
 * [batch, q_len, k_len], zero for padding.  Errors: INPUT, UNSUPPORTED */
BLIND_MUST_USE blind_code bl_attend_padding(bl_build *b, const bl_node *n, int i, bl_attend *p);
/* Lays out the scratch from `before` on.  Errors: LIMIT */
BLIND_MUST_USE blind_code bl_attend_plan(bl_build *b, const bl_node *n, size_t before,
                                         bl_attend *p);
/* Shapes were checked; lengths lie in 0..k_len - 1. */
void bl_attend_compute(const bl_exec *x, const bl_attend *p, const bl_attend_run *r);

/* Rows [batch, length, heads * size] and [batch, heads, length, size]. */
bl_rows bl_rows_beside(const float *data, size_t length, size_t width, size_t size);
bl_rows bl_rows_apart(const float *data, size_t heads, size_t length, size_t size);

#endif
