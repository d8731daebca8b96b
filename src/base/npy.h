/* NumPy's .npy files, versions 1 to 3: how programs hand tensors to `blind run`.
 * Source: numpy.lib.format, NEP 1. */
#ifndef BL_NPY_H
#define BL_NPY_H

#include "base/arena.h"
#include "base/buf.h"
#include "blind/tensor.h"

/* What the header says, and the elements as they lie in the file. */
typedef struct {
    blind_dtype dtype;
    bool        big_endian, fortran_order;
    bool        wide_text; /* strings of UCS-4, else of bytes */
    size_t      each;      /* bytes of an element in the file */
    int         rank;
    int64_t     shape[BLIND_MAX_RANK];
    blind_span  elements; /* borrowed */
} bl_npy;

/* Parses the header and holds the size of the file against it: neither short nor bytes left over.
 * Errors INPUT; UNSUPPORTED for dtypes that no tensor has (objects, complex, records). */
BLIND_MUST_USE blind_code bl_npy_parse(blind_span file, bl_npy *out, blind_error *err);

/* The same, made into a tensor in C order and little-endian, its memory (64-byte aligned) and shape
 * owned by the arena; name is NULL.  Strings, numpy's "<U5" and "|S5", become UTF-8 and bytes, each
 * with its size (u32) in front.  Errors also MEMORY. */
BLIND_MUST_USE blind_code bl_npy_read(blind_span file, bl_arena *arena, blind_tensor *out,
                                      blind_error *err);

/* npy_text.c: the strings of a file that was parsed, in the order of its shape. */
BLIND_MUST_USE blind_code bl_npy_text(const bl_npy *npy, blind_span elements, bl_arena *arena,
                                      blind_tensor *out, blind_error *err);

/* Appends the header that numpy itself would write: version 1, padded to 64 bytes.
 * Errors UNSUPPORTED for BF16 and STRING, INPUT for a bad shape, MEMORY. */
BLIND_MUST_USE blind_code bl_npy_put_header(const blind_tensor *tensor, bl_buf *out,
                                            blind_error *err);

/* Appends a whole file. */
BLIND_MUST_USE blind_code bl_npy_write(const blind_tensor *tensor, bl_buf *out, blind_error *err);

#endif
