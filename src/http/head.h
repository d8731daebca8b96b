/* The head of a message as one piece: start line and fields.  Private to http. */
#ifndef BL_HTTP_HEAD_H
#define BL_HTTP_HEAD_H

#include "http/message.h"

/* Parses a whole head that ends in an empty line and holds no bare CR or LF.  Field names become
 * lower case in place and everything in *out is borrowed from `bytes`.  Returns 0, or the HTTP
 * status of the refusal and in *what its reason. */
int bl_http_head_parse(uint8_t *bytes, size_t size, bl_http_kind kind, bool bodiless,
                       bl_http_head *out, const char **what);

#endif
