/* A model in memory: values, nodes and what they carry, all in one arena.
 *
 * A value is an index into `tensors` and `values`; -1 is an optional input or output left out.
 * Every value has exactly one origin: a graph input, an initializer, a node that stands before all
 * its readers, or in the body of an If, Loop or Scan a value of the graph around it. */
#ifndef BL_ONNX_GRAPH_H
#define BL_ONNX_GRAPH_H

#include "base/arena.h"
#include "base/limits.h"
#include "onnx/onnx.h"

#define BL_ONNX_RANK 8 /* of any tensor inside a model */

/* Dense and row-major.  data is NULL until it is known or placed. */
typedef struct {
    blind_dtype dtype;
    int         rank;
    int64_t     dim[BL_ONNX_RANK]; /* elements per axis */
    size_t      len;               /* elements */
    void       *data;              /* constants may lie unaligned in the file: see bl_value */
} bl_tensor;

/* Where the run's bytes of a value come from. */
typedef enum {
    BL_PLACE_NONE,  /* never stored                                 */
    BL_PLACE_CONST, /* known when planned: tensor.data               */
    BL_PLACE_INPUT, /* the caller's bytes                            */
    BL_PLACE_ARENA, /* at `offset` of the run's memory               */
    BL_PLACE_VIEW,  /* within the bytes of value `of`                */
    BL_PLACE_CELL,  /* of its own: it outlives the segment           */
} bl_place;

typedef struct {
    const char *name;
    bool        is_input, is_output; /* of the graph */
    bool        constant;            /* tensor.data holds it, whatever the inputs */
    bool        derived; /* constant, but only for these input shapes: never packed for all */
    bool        shaped;  /* dtype and shape are known */
    bool        held; /* there when the plan runs, but no tensor: a sequence, an empty optional */
    int32_t     producer; /* node, or -1 */
    int32_t     uses;     /* readers, graph outputs included */
    int32_t     wide;     /* 1 + the value that holds the same in F32, or 0: see widen.c */
    bl_place    place;
    int32_t     of;     /* VIEW: the value whose bytes these are; else -1 */
    size_t      offset; /* bytes: VIEW: from the start of that value; ARENA: of the run's memory */
} bl_value;

typedef enum {
    BL_ATTR_FLOAT = 1,
    BL_ATTR_INT = 2,
    BL_ATTR_STRING = 3,
    BL_ATTR_TENSOR = 4,
    BL_ATTR_GRAPH = 5,
    BL_ATTR_FLOATS = 6,
    BL_ATTR_INTS = 7,
    BL_ATTR_STRINGS = 8,
} bl_attr_type;

typedef struct bl_body bl_body;

typedef struct {
    const char *name;
    int         type; /* bl_attr_type, or another number of the format */
    float       f;
    int64_t     i;
    const char *s;
    bl_tensor   t;
    bl_body    *body;
    int64_t    *ints;
    float      *floats;
    blind_span *strings;
    size_t      len; /* of ints, floats or strings */
} bl_attr;

typedef struct bl_op bl_op;

/* Whether a plan runs a node. */
typedef enum {
    BL_WAIT_NOT,
    BL_WAIT_VALUE, /* it is next after the plan: its shapes need values, or it has bodies */
    BL_WAIT_INPUT, /* it reads what such a node makes */
} bl_wait;

typedef struct {
    const bl_op *op;
    const char  *type, *domain, *name; /* name "" where the model gives none */
    int64_t      opset;                /* version imported of its domain */
    int32_t     *in, *out;
    int          n_in, n_out;
    int         n_formal; /* inputs as written; behind them what its bodies take from around them */
    bl_attr    *attrs;
    size_t      n_attrs;
    int32_t     id;   /* index in its graph as parsed, also after fusion */
    int32_t     at;   /* index in the graph that its plan is a copy of */
    bool        dead; /* folded or fused into another */
    bl_wait     wait;
    bool        view;    /* every output is bytes of input 0: nothing to run */
    uint32_t    inplace; /* bit i: output 0 may take the place of input i, of equal size */
    uint32_t    raw;     /* bit i: constant input i may lie unaligned */
    blind_dtype narrow;  /* of outputs that infer made F32: see widen.c; else 0 */
    void       *params;  /* what the operator prepared */
    size_t      scratch; /* bytes it needs while running */
} bl_node;

typedef struct {
    const char *domain; /* "" is ai.onnx */
    int64_t     version;
} bl_opset;

typedef struct {
    bl_tensor *tensors;
    bl_value  *values;
    size_t     n_values, cap_values;
    bl_node   *nodes; /* in an order in which they can run */
    size_t     n_nodes, cap_nodes;
} bl_graph;

typedef struct bl_store bl_store;

/* A graph that runs: the model's own, or that of an attribute. */
struct bl_body {
    bl_graph      graph;
    bl_onnx_port *inputs, *outputs; /* the model's: without inputs that have an initializer */
    int32_t      *input_values, *output_values;
    size_t        n_inputs, n_outputs;
    int32_t      *captured; /* values that are taken from the graph around it */
    int32_t      *taken;    /* which they are there */
    size_t        n_captured, cap_captured;
    int32_t      *entry; /* what is there when it starts: inputs, then captured */
    size_t        n_entry;
    bl_store     *store; /* packed weights of its nodes */
};

typedef struct {
    blind_span  message;
    const char *domain, *name, *overload;
} bl_function;

typedef struct {
    bl_body      main;
    bl_opset    *opsets;
    size_t       n_opsets;
    bl_function *functions;
    size_t       n_functions;
} bl_model;

/* Parses a ModelProto into *out; everything lies in the arena or is borrowed from the file.  Calls
 * of the model's functions are replaced by their nodes. */
BLIND_MUST_USE blind_code bl_model_parse(blind_span file, bl_arena *arena,
                                         const bl_onnx_files *files, bl_model *out,
                                         blind_error *err);

/* Reads a TensorProto: dims, type, and data in place where it is raw or in another file; `files`
 * may be NULL. */
BLIND_MUST_USE blind_code bl_tensor_parse(blind_span message, bl_arena *arena,
                                          const bl_onnx_files *files, bl_tensor *out,
                                          const char **name, blind_error *err);

/* blind_dtype of an ONNX TensorProto.DataType; -1 for those we have not. */
int     bl_dtype_of_onnx(int64_t onnx_type);
int64_t bl_onnx_of_dtype(blind_dtype dtype);

/* Sets rank, dims and len; false when the size in bytes overflows. */
bool   bl_tensor_shape(bl_tensor *t, int rank, const int64_t *dim);
size_t bl_tensor_size(const bl_tensor *t); /* bytes */
size_t bl_element_size(blind_dtype dtype); /* bytes; a string is a blind_span */
size_t bl_element_align(blind_dtype dtype);

/* A new value with that name; -1 when out of memory. */
int32_t bl_graph_value(bl_graph *g, bl_arena *arena, const char *name);

#endif
