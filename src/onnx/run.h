/* A run, between its files: run.c (inputs, outputs, a model of one plan), dynamic.c (segments,
 * frames), control.c and its kin (nodes with bodies, sequences, optionals). */
#ifndef BL_ONNX_RUN_H
#define BL_ONNX_RUN_H

#include "onnx/object.h"
#include "onnx/plan.h"

typedef struct bl_frame   bl_frame;
typedef struct bl_control bl_control;

struct bl_onnx_run {
    bl_onnx      *model;
    bl_plan      *plan; /* the first one */
    bl_tensor    *tensors;
    uint8_t      *memory;
    blind_tensor *outputs;
    size_t     wiped;  /* bytes from the start of memory that hold no values, of a run that ended */
    void     **copies; /* of inputs that lay unaligned, and spans of strings; NULL else */
    size_t    *copy_sizes;
    bl_arena   strings;
    size_t     next; /* node to run */
    bool       answered;
    blind_code failed; /* a run that failed stays failed */
    bl_stop   *stop;   /* asked while nodes compute; NULL: nothing is */
    void      *stop_arg;

    /* Of a run that has no single plan. */
    bl_room        room;
    bl_frame      *top;     /* the innermost; NULL once all is done */
    bl_frame      *spare;   /* the latest that returned */
    bl_frame      *bottom;  /* the model's own, once all is done */
    bl_object    **results; /* per output of the model */
    const bl_node *did;     /* by the latest step; NULL where it was between nodes */
    bl_onnx_value *values;  /* the same in their public form, made when all is done */
    bl_arena       answers; /* what those point to */
};

/* A node with bodies that has begun: where it is. */
typedef struct {
    const bl_node    *node;
    const bl_control *control;
    const bl_body    *body;
    int64_t           at, trip;  /* turns done, and how many at most */
    int64_t           row, rows; /* Scan before opset 9: of the batch */
    bl_object       **state;     /* carried from turn to turn */
    bl_object       **made;      /* sequences, of what each turn adds */
    bool              batched;   /* Scan before opset 9 */
    bl_object       **final;     /* of such a one: sequences of states and outputs, an item a row */
    bl_object       **returned;  /* by the latest turn: outputs of its body */
    size_t            n_state, n_made, n_returned;
} bl_call;

/* Where a frame is:
 *
 *     PLAN -> NODES -> SINGLE -> PLAN ... -> DONE
 *                      |    ^
 *                      CALL-'   a body runs in a frame above
 */
typedef enum {
    BL_FRAME_PLAN,
    BL_FRAME_NODES,
    BL_FRAME_SINGLE,
    BL_FRAME_CALL,
    BL_FRAME_DONE
} bl_phase;

/* A graph being run. */
struct bl_frame {
    bl_frame      *caller;
    const bl_body *body;
    bl_phase       phase;
    bl_object    **cells;   /* per value: what is there */
    bl_graph       known;   /* the same for infer: everything constant */
    bl_plan       *plan;    /* the segment under way or over; NULL before the first */
    bl_tensor     *tensors; /* of the segment's values */
    size_t         n_tensors;
    uint8_t       *memory; /* of segments; grows */
    size_t         memory_size;
    size_t         next;    /* node of the segment, or of `singles` */
    const int32_t *singles; /* nodes that run one by one */
    size_t         n_singles;
    bool           to_the_end; /* after those nothing is left */
    int32_t       *uses;       /* per value: readers left among them; NULL else */
    size_t         size;       /* bytes counted for the frame itself */
    bl_call        call;
};

/* A node that infer and run cannot do.  begin sets every output, or calls a body; resume goes on
 * when the body has returned, and ends with every output set or calls again. */
struct bl_control {
    const char *name;
    blind_code (*begin)(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err);
    blind_code (*resume)(bl_onnx_run *run, bl_frame *f, blind_error *err);
};

/* dynamic.c */
BLIND_MUST_USE blind_code bl_dynamic_start(bl_onnx_run *run, bl_object *const *inputs,
                                           blind_error *err);
/* Bytes that the model and one run may have; 0: no bound. */
size_t bl_dynamic_max(const bl_onnx *m);
/* One node, or one step between nodes. */
BLIND_MUST_USE blind_code bl_dynamic_advance(bl_onnx_run *run, blind_error *err);
void                      bl_dynamic_done(bl_onnx_run *run);

/* For control.  ------------------------------------------------------------------------------ */

const bl_control *bl_control_find(const bl_node *n);

blind_code bl_control_fail(const bl_node *n, blind_error *err, blind_code code, const char *format,
                           ...) __attribute__((format(printf, 4, 5)));

/* Input i of a node, borrowed; NULL where it is left out.  Errors: LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_frame_input(bl_onnx_run *run, bl_frame *f, const bl_node *n, int i,
                                         bl_object **out, blind_error *err);
/* The same, which must be of that kind. */
BLIND_MUST_USE blind_code bl_frame_tensor(bl_onnx_run *run, bl_frame *f, const bl_node *n, int i,
                                          bl_object **out, blind_error *err);
BLIND_MUST_USE blind_code bl_frame_sequence(bl_onnx_run *run, bl_frame *f, const bl_node *n, int i,
                                            bl_object **out, blind_error *err);
/* The one integer of input i; `otherwise` where it is left out. */
BLIND_MUST_USE blind_code bl_frame_integer(bl_onnx_run *run, bl_frame *f, const bl_node *n, int i,
                                           int64_t otherwise, int64_t *out, blind_error *err);
/* Sets output i, taking over the reference; dropped where nobody asked for it. */
void bl_frame_set(bl_frame *f, int32_t v, bl_object *o);
void bl_frame_output(bl_frame *f, const bl_node *n, int i, bl_object *o);
/* True when nothing but this node reads input i and nothing else has the object. */
bool bl_frame_is_last(const bl_frame *f, const bl_node *n, int i, const bl_object *o);

/* A node.  Errors: its own; CANCELLED when run->stop said yes: what it gave is nothing to go on
 * with. */
BLIND_MUST_USE blind_code bl_run_node(const bl_onnx_run *run, const bl_exec *x, const bl_node *n);

/* Sets up f->call for a node that runs `body` in turns. */
BLIND_MUST_USE blind_code bl_call_start(bl_frame *f, const bl_node *n, const bl_control *control,
                                        const bl_body *body, size_t n_state, size_t n_made,
                                        blind_error *err);
/* Runs the body once; each of args is taken over, also on failure. */
BLIND_MUST_USE blind_code bl_call_body(bl_onnx_run *run, bl_frame *f, bl_object **args, size_t len,
                                       blind_error *err);
void                      bl_call_done(bl_frame *f);

/* An object that may outlive the frame: bytes and strings of plans are copied.  Takes over *o. */
BLIND_MUST_USE blind_code bl_object_settle(bl_onnx_run *run, bl_object **o, blind_error *err);
/* A copy with bytes of its own. */
BLIND_MUST_USE blind_code bl_object_copy(bl_onnx_run *run, const bl_object *o, bl_object **out,
                                         blind_error *err);

/* join.c: tensors taken apart and put together. */
BLIND_MUST_USE blind_code bl_tensor_slice(bl_onnx_run *run, bl_object *from, int axis, int64_t at,
                                          int64_t len, bool drop_axis, bl_object **out,
                                          blind_error *err);
/* Items side by side along `axis`, which is new or one of theirs.  Errors: INPUT when their types
 * or shapes do not fit. */
BLIND_MUST_USE blind_code bl_sequence_join(bl_onnx_run *run, const bl_node *n, const bl_object *s,
                                           int axis, bool new_axis, bool reverse, bl_object **out,
                                           blind_error *err);

#endif
