/* Holds an answer to a grammar, token by token.
 *
 *     bl_matcher_new(grammar, tree, &m, err);
 *     loop: bl_matcher_mask(m, &mask, err);   a token is chosen among those of the mask
 *           bl_matcher_take(m, token, err);
 *
 * The grammar is made deterministic as far as the answer and the masks walk through it; states and
 * masks are kept, in bounded memory, and found again.  Not for two threads at once. */
#ifndef BL_LLM_MATCHER_H
#define BL_LLM_MATCHER_H

#include "llm/grammar.h"
#include "llm/token_tree.h"

typedef struct bl_matcher bl_matcher;

/* g, tree  borrowed until bl_matcher_free()
 * Errors   MEMORY, LIMIT */
BLIND_MUST_USE blind_code bl_matcher_new(const bl_grammar *g, const bl_token_tree *tree,
                                         bl_matcher **out, blind_error *err);
void                      bl_matcher_free(bl_matcher *m);

/* *mask [(vocabulary + 31) / 32] as bl_sampler_pick() wants it, borrowed until the next call: the
 * tokens after which the answer can still be completed, and the ends of an answer where it is
 * complete.
 * Errors  LIMIT (a grammar that is too ambiguous here), MEMORY */
BLIND_MUST_USE blind_code bl_matcher_mask(bl_matcher *m, const uint32_t **mask, blind_error *err);

/* Goes on past the text of a token, or past bytes.
 * Errors  INPUT (the grammar does not go on so; nothing has changed), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_matcher_take(bl_matcher *m, int32_t id, blind_error *err);
BLIND_MUST_USE blind_code bl_matcher_take_bytes(bl_matcher *m, blind_span text, blind_error *err);

/* Whether the answer may end here, and whether it must. */
bool bl_matcher_complete(const bl_matcher *m);
bool bl_matcher_ended(const bl_matcher *m);

#endif
