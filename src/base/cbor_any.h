/* CBOR as others write it: a bounded reader that never allocates.
 *
 * Documents of our own have one spelling (base/cbor.h).  Those of others need not: this reader also
 * takes longer arguments than needed, map keys in any order, arrays and maps that end with a break,
 * and skips floating point and other simple values.  Strings in pieces are refused: none of the
 * formats read here uses them.  Whether a key came twice is for the caller to see.
 *
 *     bl_any_list map = bl_any_map(&r);
 *     while (bl_any_more(&r, &map)) {
 *         blind_span key = bl_any_text(&r);
 *         ...one value...
 *     }
 *     if (!bl_reader_done(&r)) ...
 *
 * Source: RFC 8949, sections 3 and 3.2.1. */
#ifndef BL_CBOR_ANY_H
#define BL_CBOR_ANY_H

#include "base/cbor.h"

/* An array or map being read. */
typedef struct {
    uint64_t left; /* items, or pairs of a map; of one without `open` */
    bool     open; /* ends with a break */
} bl_any_list;

/* Each reads one item of its kind, or sets r->failed and returns 0 or an empty span. */
uint64_t   bl_any_uint(bl_reader *r);
int64_t    bl_any_int(bl_reader *r);
blind_span bl_any_bytes(bl_reader *r);
blind_span bl_any_text(bl_reader *r); /* UTF-8 */
/* Takes null, or this tag, when it comes next; else reads nothing and is false. */
bool bl_any_null(bl_reader *r);
bool bl_any_tag(bl_reader *r, uint64_t tag);

bl_any_list bl_any_array(bl_reader *r);
bl_any_list bl_any_map(bl_reader *r);
/* Whether another item or pair follows, to be read or skipped; false at the end, whose break is
 * taken, and after a failure. */
bool bl_any_more(bl_reader *r, bl_any_list *list);
/* Skips one item with all it holds, at most BL_MAX_CBOR_DEPTH deep. */
void bl_any_skip(bl_reader *r);

#endif
