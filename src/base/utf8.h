/* UTF-8, strictly: no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef BL_UTF8_H
#define BL_UTF8_H

#include "base/base.h"

/* Bytes that the code point at the start of `s` takes (1 to 4), or 0 when it is malformed. */
size_t bl_utf8_next(blind_span s, uint32_t *code_point);

bool bl_utf8_valid(blind_span s);

/* Writes a code point to out[4] and returns its bytes, or 0 when it is none (surrogate, too big).
 */
size_t bl_utf8_put(uint32_t code_point, uint8_t out[4]);

#endif
