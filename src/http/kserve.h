/* The KServe V2 inference protocol over blind_tensor: JSON, and the binary tensor extension, for
 * servers and for clients.
 *
 * With the extension a body is JSON of `Inference-Header-Content-Length` bytes and then the tensors
 * that carry `binary_data_size`, in order, little-endian and row-major.  Without the header the
 * whole body is JSON.  FP16, BF16, FP8*, INT4, UINT4 and, as in every JSON, NaN and infinities
 * travel binary only. Source: Open Inference Protocol, inference_rest.md; Triton,
 * extension_binary_data.md.
 *
 * json_size   the header's value; BL_KSERVE_JSON where there is no such header
 * Errors      INPUT (says which tensor), LIMIT, UNSUPPORTED (the datatype), MEMORY */
#ifndef BL_HTTP_KSERVE_H
#define BL_HTTP_KSERVE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "blind/tensor.h"

#define BL_KSERVE_HEADER      "Inference-Header-Content-Length"
#define BL_KSERVE_BINARY_TYPE "application/octet-stream"
#define BL_KSERVE_JSON_TYPE   "application/json"
#define BL_KSERVE_JSON        (-1)

/* One output that the client asks for. */
typedef struct {
    const char *name;
    bool        binary;
} bl_kserve_wanted;

typedef struct {
    const char       *id; /* NULL: none */
    blind_tensor     *inputs;
    size_t            input_count;
    bl_kserve_wanted *outputs; /* count 0: all of them, binary as binary_output says */
    size_t            output_count;
    bool              binary_output;
} bl_kserve_request;

/* Tensors borrow from `body` where it is aligned for them, else from the arena. */
BLIND_MUST_USE blind_code bl_kserve_request_parse(blind_span body, int64_t json_size, bl_arena *a,
                                                  bl_kserve_request *out, blind_error *err);

/* A raw binary request (the header says 0): the whole body is the model's only input.
 *
 * input  as the model describes it; at most one axis is -1 and follows from the size */
BLIND_MUST_USE blind_code bl_kserve_request_raw(blind_span body, const blind_tensor *input,
                                                bl_arena *a, bl_kserve_request *out,
                                                blind_error *err);

/* Inputs go as request->inputs says, binary when `binary`.  *json_size is BL_KSERVE_JSON or what
 * the header must say.  Binary tensors begin at a multiple of 64 bytes where JSON ends. */
BLIND_MUST_USE blind_code bl_kserve_request_write(const bl_kserve_request *request, bool binary,
                                                  bl_buf *out, int64_t *json_size,
                                                  blind_error *err);

/* The same, all inputs binary, up to where they begin: their bytes follow in order, from where they
 * are. */
BLIND_MUST_USE blind_code bl_kserve_request_begin(const bl_kserve_request *request, bl_buf *out,
                                                  int64_t *json_size, blind_error *err);

typedef struct {
    const char   *model, *id;        /* NULL: none */
    double        inference_time_ms; /* negative: withheld */
    blind_tensor *outputs;
    size_t        output_count;
} bl_kserve_response;

/* request  which outputs go binary, and the id; NULL: none and JSON */
BLIND_MUST_USE blind_code bl_kserve_response_write(const bl_kserve_response *response,
                                                   const bl_kserve_request *request, bl_buf *out,
                                                   int64_t *json_size, blind_error *err);
BLIND_MUST_USE blind_code bl_kserve_response_parse(blind_span body, int64_t json_size, bl_arena *a,
                                                   bl_kserve_response *out, blind_error *err);

/* ---- what both of it need, and metadata too ---- */

bool bl_kserve_dtype(const char *name, blind_dtype *out); /* "FP32" */
/* Elements of a shape without unknown axes; INPUT for a negative axis, LIMIT past 2^63. */
BLIND_MUST_USE blind_code bl_kserve_elements(const blind_tensor *t, size_t *out, blind_error *err);
/* Whether t->size and, for STRING, the sizes inside agree with shape and type.  INPUT */
BLIND_MUST_USE blind_code bl_kserve_check_bytes(const blind_tensor *t, blind_error *err);

#endif
