/* A folder of fetched files: each beside a note of where it came from.
 *
 *     snp/Milan/cert_chain.pem          the answer's body
 *     snp/Milan/cert_chain.pem.json     {"url", "etag", "header", "fetched_at", "sha256"}
 *
 * Both are replaced whole.  A body whose digest is not the note's, as after a crash between the
 * two, is no item. */
#ifndef BL_STORE_H
#define BL_STORE_H

#include "base/buf.h"

#define BL_MAX_STORE_NAME 256
#define BL_MAX_COLLATERAL (8u << 20) /* bytes of one item */

typedef struct {
    bl_buf  body;
    bl_buf  header;    /* of the answer, as its plan asked for; may be empty */
    char    etag[256]; /* "" without */
    char    url[1024];
    int64_t fetched_at; /* seconds since 1970 */
} bl_item;

#define BL_ITEM_EMPTY ((bl_item){ 0 })
void bl_item_done(bl_item *item);
#define bl_auto_item __attribute__((cleanup(bl_item_done))) bl_item

/* name    relative, of letters, digits and "._-/", no part of it beginning with a dot
 * Errors  NOT_FOUND: no such item, or a damaged one; INPUT (name), IO, MEMORY */
BLIND_MUST_USE blind_code bl_store_read(const char *dir, const char *name, bl_item *out,
                                        blind_error *err);
/* Replaces the item; makes the folders it needs. */
BLIND_MUST_USE blind_code bl_store_write(const char *dir, const char *name, const bl_item *item,
                                         blind_error *err);
/* Calls `each` with the name of every item, in order; stops at its first error. */
BLIND_MUST_USE blind_code bl_store_list(const char *dir,
                                        blind_code (*each)(void *arg, const char *name,
                                                           blind_error *err),
                                        void *arg, blind_error *err);

#endif
