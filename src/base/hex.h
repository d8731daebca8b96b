/* Bytes as hexadecimal digits. */
#ifndef BL_HEX_H
#define BL_HEX_H

#include "base/buf.h"

/* Writes 2 * bytes.size lower-case digits and a NUL to `out`. */
void bl_hex_encode(blind_span bytes, char *out);
void bl_hex_add(bl_buf *b, blind_span bytes);

/* Reads exactly `size` bytes from exactly 2 * size digits of either case: no "0x", no blanks.
 * False leaves `out` zeroed. */
bool bl_hex_decode(blind_span text, uint8_t *out, size_t size);

#endif
