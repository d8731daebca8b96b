/* Finds the number of a text among many: a hash table that borrows the texts. */
#ifndef BL_LLM_TEXTS_H
#define BL_LLM_TEXTS_H

#include "base/arena.h"

typedef struct {
    const blind_span *texts;
    int32_t          *slots; /* -1: empty */
    size_t            mask;  /* slots - 1 */
} bl_texts;

/* All `len` texts; of equal ones the last is found.
 * Errors LIMIT (texts made to collide), MEMORY */
BLIND_MUST_USE blind_code bl_texts_index(const blind_span *texts, size_t len, bl_arena *arena,
                                         bl_texts *out, blind_error *err);

/* Its index, or -1. */
int32_t bl_texts_find(const bl_texts *t, blind_span text);
/* The index of the text that is `left`, a blank and `right`, or -1. */
int32_t bl_texts_find_pair(const bl_texts *t, blind_span left, blind_span right);

#endif
