/* Writes small language models of each family, with weights from a fixed sequence of numbers. */
#ifndef TEST_MAKE_MODEL_H
#define TEST_MAKE_MODEL_H

#include "tests/llm/make_gguf.h"

typedef struct {
    const char *family;
    uint32_t    layers, width, heads, kv_heads, head_width, inner, vocabulary, context;
    uint32_t    window, experts, experts_used;
    bool        biases, untied, frequencies;
    const char *scaling; /* of positions; NULL: none */
    float       cap;     /* of attention and of logits; 0: none */
    uint32_t    type;    /* of the matrices: F32, F16 or Q8_0 */
} model_made;

/* A model of the family as it is in the world, but for its size. */
model_made model_of(const char *family);
/* The families, ended by NULL. */
extern const char *const model_families[];

void model_write(const model_made *m, bl_buf *out);

#endif
