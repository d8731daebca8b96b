/* Values of ONNX's test cases: TensorProto, SequenceProto and OptionalProto files, read and
 * compared. */
#ifndef BL_TEST_ONNX_PROTOS_H
#define BL_TEST_ONNX_PROTOS_H

#include "onnx/graph.h"

typedef enum { CASE_TENSOR, CASE_SEQUENCE, CASE_OPTIONAL, CASE_MAP } case_kind;

/* TypeProto, as far as it tells how a file is read. */
typedef struct case_type case_type;
struct case_type {
    case_kind  kind;
    uint64_t   element; /* of a tensor, in ONNX's numbers */
    case_type *of;      /* SEQUENCE, OPTIONAL: of what; NULL else */
};

/* A tensor, or the items of a sequence, or of an optional, which has one or none. */
typedef struct case_value case_value;
struct case_value {
    case_kind    kind;
    blind_tensor tensor;
    case_value  *items;
    size_t       len;
};

enum { CASE_VALUES = 64 }; /* inputs or outputs of one case */

/* What the graph of a model declares, in its order; inputs that have an initializer are left out.
 */
typedef struct {
    case_type   input[CASE_VALUES], output[CASE_VALUES];
    const char *input_name[CASE_VALUES], *output_name[CASE_VALUES];
    size_t      inputs, outputs;
} case_ports;

BLIND_MUST_USE blind_code case_ports_read(blind_span model, bl_arena *arena, case_ports *out,
                                          blind_error *err);

/* Reads the message that `type` says the file holds. */
BLIND_MUST_USE blind_code case_value_read(blind_span message, const case_type *type,
                                          bl_arena *arena, case_value *out, blind_error *err);

/* True when got is within rtol 1e-3 and atol 1e-5 of want, equal where it is no floating-point
 * number; else `why` says what differs. */
bool case_tensors_equal(const blind_tensor *want, const blind_tensor *got, char *why, size_t size);

#endif
