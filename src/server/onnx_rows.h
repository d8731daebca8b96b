/* Tensors put together along their first axis, and taken apart again.  Pure: bytes in, bytes out.
 *
 * What is put together is planned for a size that may be larger: the rows behind the last request's
 * are zeros, which are nobody's data. */
#ifndef BL_ONNX_ROWS_H
#define BL_ONNX_ROWS_H

#include "base/arena.h"
#include "base/base.h"
#include "blind/tensor.h"

/* Rows of a tensor that has some and whose bytes are as many for each; else 0. */
size_t bl_rows_of(const blind_tensor *t);
/* True when two agree in everything but their rows. */
bool bl_rows_agree(const blind_tensor *a, const blind_tensor *b);
/* parts  of one input, of requests that agree, in the order of their rows
 * out    of `planned` rows, not fewer than all parts have; data in the arena
 * Errors: MEMORY */
BLIND_MUST_USE blind_code bl_rows_join(const blind_tensor *const *parts, size_t len, size_t planned,
                                       bl_arena *arena, blind_tensor *out, blind_error *err);
/* Rows first..first+rows-1 of an output, borrowed.
 * Errors: INPUT when it has not `planned` rows: the model answers something else than rows */
BLIND_MUST_USE blind_code bl_rows_slice(const blind_tensor *t, size_t planned, size_t first,
                                        size_t rows, blind_tensor *out, blind_error *err);

#endif
