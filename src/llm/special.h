/* Finds special tokens in a text: they are cut out before the rest is tokenized. */
#ifndef BL_LLM_SPECIAL_H
#define BL_LLM_SPECIAL_H

#include "llm/vocab.h"

typedef struct {
    int32_t  *sorted; /* tokens by their bytes; the rest is by index of this */
    uint32_t *place;  /* 0: cut out before all others, the longest */
    bool     *strips; /* blanks behind it go with it */
    size_t    len;
    bool      begins[256]; /* some token begins with this byte */
} bl_specials;

/* v, g borrowed.  Errors MEMORY */
BLIND_MUST_USE blind_code bl_specials_find(const bl_vocab *v, bl_gguf *g, bl_specials *out,
                                           blind_error *err);

/* A stretch of the text: one special token, or text between (id BL_NO_TOKEN). */
typedef blind_code bl_stretch_found(void *arg, int32_t id, blind_span text);

/* Calls `found` for each stretch, front to back.
 *
 * control  also tokens that are not the user's own: <s>, <|im_end|>
 * Errors   MEMORY, and those of `found` */
BLIND_MUST_USE blind_code bl_specials_cut(const bl_specials *s, const bl_vocab *v, blind_span text,
                                          bool control, bl_stretch_found *found, void *arg,
                                          blind_error *err);

#endif
