/* Grammars that an answer is held to: any JSON, or the JSON that a schema describes.
 *
 * A grammar is a program over bytes, immutable once made; any number of threads may match with it.
 * What a schema asks for and cannot be held is refused when the grammar is made, with the keyword
 * that asks for it; a keyword is never passed over.  Where more than one text means the same value
 * (order of keys, escapes, blanks), the grammar allows some of them: whatever it lets through is
 * valid. */
#ifndef BL_LLM_GRAMMAR_H
#define BL_LLM_GRAMMAR_H

#include "base/base.h"

#include <jansson.h>

typedef struct bl_grammar bl_grammar;

/* Any JSON value, or any object.  Errors MEMORY */
BLIND_MUST_USE blind_code bl_grammar_json(bool object, bl_grammar **out, blind_error *err);

/* The values that a JSON schema (draft 2020-12) accepts; docs in grammar/schema.c.
 *
 * schema  borrowed for the call
 * Errors  INPUT (no schema, or one that no value satisfies), UNSUPPORTED (a keyword that cannot be
 *         held, named with where it stands), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_grammar_schema(const json_t *schema, bl_grammar **out,
                                            blind_error *err);

/* The texts that a regular expression (the subset of grammar/pattern.h) matches as a whole.
 * Errors INPUT, UNSUPPORTED, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_grammar_pattern(blind_span pattern, bl_grammar **out,
                                             blind_error *err);

void bl_grammar_free(bl_grammar *g);

#endif
