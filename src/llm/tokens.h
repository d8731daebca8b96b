/* A growing list of tokens, wiped at its end: it is what a prompt says. */
#ifndef BL_LLM_TOKENS_H
#define BL_LLM_TOKENS_H

#include "base/buf.h"

typedef struct {
    bl_buf bytes; /* int32_t each; secret */
} bl_tokens;

#define BL_TOKENS_EMPTY ((bl_tokens){ .bytes = { .secret = true } })

static inline size_t bl_tokens_len(const bl_tokens *t)
{
    return t->bytes.size / sizeof(int32_t);
}
static inline const int32_t *bl_tokens_ids(const bl_tokens *t)
{
    return (const int32_t *)(const void *)t->bytes.data;
}
static inline void bl_tokens_add(bl_tokens *t, int32_t id)
{
    bl_buf_add(&t->bytes, bl_span(&id, sizeof id));
}
static inline void bl_tokens_done(bl_tokens *t)
{
    bl_buf_done(&t->bytes);
}
#define bl_auto_tokens __attribute__((cleanup(bl_tokens_done))) bl_tokens

#endif
