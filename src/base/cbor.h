/* CBOR in its core deterministic encoding: a bounded reader that never allocates, and a writer.
 *
 * The reader takes exactly what the writer makes: shortest arguments, definite lengths, map keys in
 * bytewise order and once each.  Floating point is not part of any format here and refused.  As
 * with every bl_reader, failure sticks and is asked for once at the end.
 *
 *     bl_cbor_map map = bl_cbor_read_map(&r);
 *     for (blind_span key; bl_cbor_next(&r, &map, &key);)
 *         if (bl_span_equal(key, BL_LITERAL("v")))
 *             version = bl_cbor_read_uint(&r);
 *         else
 *             bl_cbor_skip(&r);
 *     if (!bl_reader_done(&r)) ...
 *
 * Source: RFC 8949, sections 3 and 4.2.1. */
#ifndef BL_CBOR_H
#define BL_CBOR_H

#include "base/buf.h"
#include "base/reader.h"

typedef enum {
    BL_CBOR_UINT,
    BL_CBOR_NEGATIVE, /* -1 - value */
    BL_CBOR_BYTES,
    BL_CBOR_TEXT,
    BL_CBOR_ARRAY, /* of `value` items, which follow */
    BL_CBOR_MAP,   /* of `value` pairs, which follow */
    BL_CBOR_TAG,   /* `value`, then the item it tags */
    BL_CBOR_SIMPLE,
} bl_cbor_major;

enum { BL_CBOR_FALSE = 20, BL_CBOR_TRUE = 21, BL_CBOR_NULL = 22 };

typedef struct {
    bl_cbor_major major;
    uint64_t      value;  /* the argument */
    blind_span    string; /* of BYTES and TEXT, borrowed */
} bl_cbor_item;

/* A map or array being read: its items left, and the key before. */
typedef struct {
    uint64_t   left;
    blind_span last; /* the encoded key before */
} bl_cbor_map;

/* Reads one head, with the bytes of a string.  A count that the input cannot hold is refused, so
 * counts may size loops (not memory: an item is at least one byte).  False sets r->failed. */
bool bl_cbor_read(bl_reader *r, bl_cbor_item *out);

/* Each reads one item of its kind, or sets r->failed and returns 0, false or an empty span. */
uint64_t    bl_cbor_read_uint(bl_reader *r);
int64_t     bl_cbor_read_int(bl_reader *r);
blind_span  bl_cbor_read_bytes(bl_reader *r);
blind_span  bl_cbor_read_text(bl_reader *r); /* UTF-8 */
uint64_t    bl_cbor_read_tag(bl_reader *r);
bool        bl_cbor_read_bool(bl_reader *r);
void        bl_cbor_read_null(bl_reader *r);
size_t      bl_cbor_read_array(bl_reader *r); /* how many items follow */
bl_cbor_map bl_cbor_read_map(bl_reader *r);
/* The next text key; the caller then reads or skips the value.  False at the end, and on failure:
 * keys that are no text, not ascending, or twice. */
bool bl_cbor_next(bl_reader *r, bl_cbor_map *map, blind_span *key);
/* The same where keys are unsigned integers. */
bool bl_cbor_next_uint(bl_reader *r, bl_cbor_map *map, uint64_t *key);

/* The major type of the next item without reading it; false at the end or after a failure. */
bool bl_cbor_peek(const bl_reader *r, bl_cbor_major *out);
/* Skips one item with all it holds, at most BL_MAX_CBOR_DEPTH deep, checking all of it. */
void bl_cbor_skip(bl_reader *r);
/* The same, and returns its encoding. */
blind_span bl_cbor_read_raw(bl_reader *r);

/* The writer.  Keys go in by bl_cbor_put_* in ascending order of their encoding, that is shorter
 * ones first; bl_cbor_put_map promises how many pairs follow. */
void bl_cbor_put_uint(bl_buf *b, uint64_t value);
void bl_cbor_put_int(bl_buf *b, int64_t value);
void bl_cbor_put_bytes(bl_buf *b, blind_span bytes);
void bl_cbor_put_text(bl_buf *b, const char *text);
void bl_cbor_put_text_span(bl_buf *b, blind_span text);
void bl_cbor_put_array(bl_buf *b, uint64_t len);
void bl_cbor_put_map(bl_buf *b, uint64_t pairs);
void bl_cbor_put_tag(bl_buf *b, uint64_t tag);
void bl_cbor_put_bool(bl_buf *b, bool value);
void bl_cbor_put_null(bl_buf *b);

#endif
