/* Tensors as the client and the programs exchange them: dense, row-major, little-endian. */
#ifndef BLIND_TENSOR_H
#define BLIND_TENSOR_H

#include "blind/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* value, name, bytes per element (0: varies), KServe V2 name, numpy descr.  The first eleven values
 * are BlindAI's ModelDatumType. */
#define BLIND_DTYPES(X)                                                                            \
    X(0, F32, 4, "FP32", "<f4")                                                                    \
    X(1, F64, 8, "FP64", "<f8")                                                                    \
    X(2, I32, 4, "INT32", "<i4")                                                                   \
    X(3, I64, 8, "INT64", "<i8")                                                                   \
    X(4, U32, 4, "UINT32", "<u4")                                                                  \
    X(5, U64, 8, "UINT64", "<u8")                                                                  \
    X(6, U8, 1, "UINT8", "|u1")                                                                    \
    X(7, U16, 2, "UINT16", "<u2")                                                                  \
    X(8, I8, 1, "INT8", "|i1")                                                                     \
    X(9, I16, 2, "INT16", "<i2")                                                                   \
    X(10, BOOL, 1, "BOOL", "|b1")                                                                  \
    X(11, F16, 2, "FP16", "<f2")                                                                   \
    X(12, BF16, 2, "BF16", "")                                                                     \
    X(13, STRING, 0, "BYTES", "")                                                                  \
    X(14, F8E4M3FN, 1, "FP8E4M3FN", "")                                                            \
    X(15, F8E4M3FNUZ, 1, "FP8E4M3FNUZ", "")                                                        \
    X(16, F8E5M2, 1, "FP8E5M2", "")                                                                \
    X(17, F8E5M2FNUZ, 1, "FP8E5M2FNUZ", "")                                                        \
    X(18, I4, 1, "INT4", "") /* one element a byte, sign-extended */                               \
    X(19, U4, 1, "UINT4", "")

#define X(value, name, size, kserve, numpy) BLIND_##name = value,
typedef enum { BLIND_DTYPES(X) BLIND_DTYPE_COUNT } blind_dtype;
#undef X

#define BLIND_MAX_RANK 16

typedef struct {
    const char *name; /* of the model's input or output */
    blind_dtype dtype;
    int         rank;
    int64_t     shape[BLIND_MAX_RANK]; /* elements per axis */
    void       *data;                  /* STRING: per element a u32 little-endian size and bytes */
    size_t      size;                  /* bytes */
} blind_tensor;

BLIND_API size_t      blind_dtype_size(blind_dtype dtype);   /* bytes per element; 0 for STRING */
BLIND_API const char *blind_dtype_kserve(blind_dtype dtype); /* "FP32" */
BLIND_API const char *blind_dtype_name(blind_dtype dtype);   /* "F32" */
BLIND_API const char *blind_dtype_numpy(blind_dtype dtype);  /* "<f4", "" where numpy has none */

#ifdef __cplusplus
}
#endif
#endif
