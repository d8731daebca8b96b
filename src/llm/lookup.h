/* Guesses at the next tokens by prompt lookup: what followed the last time that the same few tokens
 * were written.  Answers that quote their prompt (code, documents, tables) are guessed well, and
 * the model then checks many tokens in one step.
 *
 * Source: Saxena 2023, "Prompt lookup decoding". */
#ifndef BL_LLM_LOOKUP_H
#define BL_LLM_LOOKUP_H

#include "llm/tokens.h"

/* Writes the tokens that are likely to follow `ids` and returns their number, at most `max`. */
size_t bl_lookup(const int32_t *ids, size_t len, int32_t *out, size_t max);

#endif
