/* Regular expressions: the part of ECMA-262 that describes regular languages.
 *
 * Literals, ., classes with ranges and \d \w \s \D \W \S, escapes, groups, |, the quantifiers
 * * + ? {n} {n,} {n,m} (lazy ones mean the same), and ^ and $ at the ends of an alternative.
 * Lookaround, back references, \b, \p{..} and flags are refused.
 *
 * Source: ECMA-262, 15th edition, section 22.2.1 (the grammar), with the u flag. */
#ifndef BL_LLM_GRAMMAR_PATTERN_H
#define BL_LLM_GRAMMAR_PATTERN_H

#include "base/arena.h"
#include "llm/grammar/json.h"

typedef struct bl_pattern bl_pattern;

/* out     in the arena
 * Errors  INPUT, UNSUPPORTED (with where it stands), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_pattern_parse(blind_span text, bl_arena *arena, const bl_pattern **out,
                                           blind_error *err);

/* Code points that a text that matches has; UINT32_MAX: any number. */
uint32_t bl_pattern_shortest(const bl_pattern *pattern);
uint32_t bl_pattern_longest(const bl_pattern *pattern);

typedef void bl_write_characters(bl_program *p, const bl_code_range *ranges, size_t n);

/* Writes what the expression matches somewhere, each code point by `write`: the whole text, with
 * what stands before and behind it unless it is anchored. */
void bl_write_pattern(bl_program *p, const bl_pattern *pattern, bl_write_characters *write);

#endif
