/* Named byte strings that travel with evidence: certificates, collateral, logs, the pieces of
 * evidence that has several.  As CBOR they are one map of text to byte string; each name once.
 *
 * A list of certificates is one part: PEM, or DER one after another, leaf first. */
#ifndef BL_PARTS_H
#define BL_PARTS_H

#include "base/buf.h"

#define BL_MAX_PARTS 32

typedef struct {
    blind_span name, bytes;
} bl_part;

typedef struct {
    bl_part items[BL_MAX_PARTS];
    size_t  len;
} bl_parts;

/* Reads a map; empty input is an empty list.  Everything borrows from `cbor`.  Errors: FORMAT,
 * LIMIT */
BLIND_MUST_USE blind_code bl_parts_parse(blind_span cbor, bl_parts *out, blind_error *err);
/* Appends the map; nothing for an empty list.  Errors: MEMORY, INPUT (a name twice) */
BLIND_MUST_USE blind_code bl_parts_write(const bl_parts *parts, bl_buf *out, blind_error *err);
/* Adds or replaces; the strings are borrowed.  Errors: LIMIT */
BLIND_MUST_USE blind_code bl_parts_set(bl_parts *parts, blind_span name, blind_span bytes,
                                       blind_error *err);
/* Adds those of `more` whose names are not there yet.  Errors: LIMIT */
BLIND_MUST_USE blind_code bl_parts_add(bl_parts *parts, const bl_parts *more, blind_error *err);
/* Empty when there is no such part. */
blind_span bl_parts_get(const bl_parts *parts, const char *name);

#endif
