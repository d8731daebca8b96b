/* Strings at the edges of a run: the public form and the one inside.  See strings.c. */
#ifndef BL_ONNX_STRINGS_H
#define BL_ONNX_STRINGS_H

#include "onnx/ops.h"

/* The len strings of an input, as spans into it.  Errors: INPUT when it holds more, fewer, or bytes
 * that are none. */
BLIND_MUST_USE blind_code bl_strings_read(const blind_tensor *given, size_t len, blind_span *out,
                                          blind_error *err);

/* Sets data and size of *out to the public form, in the arena.  Errors: LIMIT */
BLIND_MUST_USE blind_code bl_strings_write(const bl_tensor *t, bl_arena *arena, blind_tensor *out,
                                           blind_error *err);

#endif
