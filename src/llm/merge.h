/* Joins neighbouring symbols of a text, the best pair first, until no pair may be joined: what
 * byte-pair encoding and SentencePiece have in common.
 *
 * Source: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1; with a heap instead of a search, so
 * that a text without blanks costs n log n. */
#ifndef BL_LLM_MERGE_H
#define BL_LLM_MERGE_H

#include "base/buf.h"

/* How good it is to join these neighbours: the least goes first, of equal ones the leftmost.
 * UINT32_MAX: they may not be joined. */
typedef uint32_t bl_pair_rank(const void *arg, blind_span left, blind_span right);

/* Scratch memory that calls share; starts as zero. */
typedef struct {
    bl_buf symbols, heap;
} bl_merge;

#define BL_MERGE_EMPTY ((bl_merge){ .symbols = { .secret = true }, .heap = { .secret = true } })

void bl_merge_done(bl_merge *m);

/* Calls `found` for each symbol that is left, front to back.
 *
 * text    UTF-8, at most 2 GiB; its characters are the first symbols (a malformed byte is one)
 * Errors  MEMORY, LIMIT, and those of `found` */
BLIND_MUST_USE blind_code bl_merge_run(bl_merge *m, blind_span text, bl_pair_rank *rank,
                                       const void *rank_arg,
                                       blind_code (*found)(void *arg, blind_span symbol), void *arg,
                                       blind_error *err);

#endif
