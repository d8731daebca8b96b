/* Cuts a text into the pieces that byte-pair encoding must not join across: words, numbers, runs of
 * blanks, each family of models in its own way. */
#ifndef BL_LLM_PRETOKEN_H
#define BL_LLM_PRETOKEN_H

#include "base/base.h"

typedef struct bl_pretoken bl_pretoken;

/* What comes with a way of cutting, where a file does not say it. */
typedef struct {
    bool whole;   /* a piece that is a token is not built from others */
    bool add_bos; /* a text begins with the token for it */
} bl_pretoken_habits;

/* name    "tokenizer.ggml.pre" of the file; empty is "default"
 * Errors  UNSUPPORTED (a name that is not known), MEMORY */
BLIND_MUST_USE blind_code bl_pretoken_open(blind_span name, bl_pretoken **out,
                                           bl_pretoken_habits *habits, blind_error *err);
void                      bl_pretoken_close(bl_pretoken *p);

/* Calls `found` for each piece, front to back; together they are the text.
 *
 * text    valid UTF-8
 * Errors  MEMORY, LIMIT, and those of `found`
 * Any number of threads may call it at once. */
BLIND_MUST_USE blind_code bl_pretoken_split(const bl_pretoken *p, blind_span text,
                                            blind_code (*found)(void *arg, blind_span piece),
                                            void *arg, blind_error *err);

#endif
