/* What a model file says of itself, also where it asks for what is not supported. */
#ifndef BL_ONNX_INSPECT_H
#define BL_ONNX_INSPECT_H

#include "base/arena.h"
#include "onnx/onnx.h"

/* One operator of a model, in all its graphs. */
typedef struct {
    const char *domain; /* "" is ai.onnx */
    const char *type;
    int64_t     opset; /* version imported of its domain */
    size_t      nodes;
    bool        supported;
} bl_onnx_operator;

typedef struct {
    const char *domain;
    int64_t     version;
} bl_onnx_import;

typedef struct {
    bl_arena            arena;
    bl_onnx_import     *imports;
    size_t              n_imports;
    const bl_onnx_port *inputs, *outputs;
    size_t              n_inputs, n_outputs;
    bl_onnx_operator   *operators; /* those most used first */
    size_t              n_operators;
    size_t              nodes;          /* functions in place of their calls, bodies included */
    size_t              tensors;        /* that the file holds: weights and other constants */
    size_t              parameters;     /* their elements */
    size_t              parameter_size; /* bytes */
} bl_onnx_summary;

/* Reads a model without preparing it.
 *
 * file   borrowed until bl_onnx_summary_done()
 * files  where weights in other files are; NULL: such a model is refused
 * Errors INPUT for a file that is no valid model, LIMIT, MEMORY; *out is empty then */
BLIND_MUST_USE blind_code bl_onnx_inspect(blind_span file, const bl_onnx_files *files,
                                          bl_onnx_summary *out, blind_error *err);
void                      bl_onnx_summary_done(bl_onnx_summary *summary);

#endif
