/* Base64, strictly: one text for each run of bytes and the other way round.
 * Source: RFC 4648, sections 3.5, 4 and 5. */
#ifndef BL_BASE64_H
#define BL_BASE64_H

#include "base/buf.h"

typedef enum {
    BL_BASE64_STD, /* + and /, padded   */
    BL_BASE64_URL, /* - and _, unpadded */
} bl_base64;

void bl_base64_add(bl_buf *b, bl_base64 form, blind_span bytes);

/* Appends what `text` stands for.  Refused: another alphabet, blanks, padding too much or missing,
 * unused bits that are not zero.  Errors INPUT, LIMIT, MEMORY; the buffer is then as before. */
BLIND_MUST_USE blind_code bl_base64_decode(blind_span text, bl_base64 form, bl_buf *out,
                                           blind_error *err);

#endif
