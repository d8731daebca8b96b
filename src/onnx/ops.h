/* Operators: one row each in one table, one file per family.
 *
 * `infer` runs while a plan is made: it checks the node, sets type and shape of its outputs and
 * prepares params in the plan's arena.  `prepare` runs once fusion is over: it packs weights and
 * asks for scratch.  `run` computes: it allocates nothing, and fails only for values that it could
 * not see before, such as an index out of range. */
#ifndef BL_ONNX_OPS_H
#define BL_ONNX_OPS_H

#include "nn/kernels.h"
#include "onnx/graph.h"

typedef struct bl_insert bl_insert;

/* A plan in the making. */
typedef struct {
    bl_graph         *graph;
    bl_arena         *arena;  /* of the plan, or of the model while it is opened */
    bl_graph         *origin; /* the model's graph and arena: what is made there once serves all */
    bl_arena         *origin_arena;
    bl_store         *store; /* packed weights */
    const bl_kernels *kernels;
    bl_pool          *pool;    /* of runs: how many will share their work */
    bl_pool          *packing; /* idle now, or NULL */
    size_t            folded;  /* bytes of constants computed so far */
    double            work;    /* operations that took */
    bool              plain;   /* no fusion */
    bool              opening; /* input shapes are not known: only constants are folded */
    int               later;   /* the input that bl_need_value asked for in vain */
    bl_insert        *first_insert, *last_insert; /* casts that are still to be put in: widen.c */
    size_t            n_inserts;
    void             *stage; /* bl_stage() */
    size_t            stage_size;
    blind_error      *err;
} bl_build;

/* A run under way. */
typedef struct {
    bl_tensor        *tensors; /* of every value, data in place */
    const bl_kernels *kernels;
    bl_pool          *pool;
    void             *scratch;
    bl_arena         *strings; /* of the run: see bl_string_room */
    blind_error      *err;
} bl_exec;

typedef blind_code bl_op_infer(bl_build *b, bl_node *n);
typedef blind_code bl_op_run(const bl_exec *x, const bl_node *n);

enum {
    BL_OP_SHAPE_ONLY = 1, /* reads the shape of its input and not its values */
    BL_OP_NO_FOLD = 2,    /* never computed while planning */
    BL_OP_MOVES = 4,      /* takes elements of every type as they are */
    BL_OP_TYPED = 8,      /* tells types apart by itself: 16-bit floats are not made F32 for it */
    BL_OP_OUTPUTS = 256,  /* its first output may be left out, as others may */
    BL_OP_CONTROL = 16,   /* runs bodies, or handles values that are no tensors: control.h */
};

struct bl_op {
    const char  *domain, *name;
    int          since; /* the oldest opset this row is right for */
    int          min_in, max_in, max_out;
    bl_op_infer *infer, *prepare; /* prepare may be NULL */
    bl_op_run   *run;             /* NULL where infer folds or the output is a view */
    unsigned     flags;
};

/* The row for a node, or NULL. */
const bl_op *bl_op_find(const char *domain, const char *type, int64_t opset);
/* All rows in turn, from 0; NULL at the end. */
const bl_op *bl_op_at(size_t i);

/* For infer and prepare.  -------------------------------------------------------------------- */

/* Fails naming node, operator and opset. */
blind_code bl_op_fail(const bl_build *b, const bl_node *n, blind_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Input or output i, or NULL where it is left out. */
bl_tensor *bl_in(const bl_build *b, const bl_node *n, int i);
bl_tensor *bl_out(const bl_build *b, const bl_node *n, int i);
bool       bl_has_in(const bl_node *n, int i);
bool       bl_has_out(const bl_node *n, int i);
bool       bl_is_const(const bl_build *b, const bl_node *n, int i);
bool       bl_is_derived(const bl_build *b, const bl_node *n, int i);

/* Sets type and shape of an output; nothing where it is left out. */
BLIND_MUST_USE blind_code bl_set_out(bl_build *b, const bl_node *n, int i, blind_dtype dtype,
                                     int rank, const int64_t *dim);
/* Makes output i the bytes of input 0 from `offset` on; with all outputs so, nothing runs. */
void bl_set_view(bl_build *b, bl_node *n, int i, size_t offset);
/* As input 0. */
BLIND_MUST_USE blind_code bl_set_same(bl_build *b, const bl_node *n);

/* Zeroed memory of the plan; fails with MEMORY. */
BLIND_MUST_USE blind_code bl_params(bl_build *b, bl_node *n, size_t size, void *out);

const bl_attr *bl_attr_find(const bl_node *n, const char *name);
int64_t        bl_attr_int(const bl_node *n, const char *name, int64_t otherwise);
float          bl_attr_float(const bl_node *n, const char *name, float otherwise);
const char    *bl_attr_str(const bl_node *n, const char *name, const char *otherwise);
/* Copies at most `max` integers; *len is 0 where the attribute is absent. */
BLIND_MUST_USE blind_code bl_attr_ints(bl_build *b, const bl_node *n, const char *name,
                                       int64_t *out, size_t max, size_t *len);

/* What infer returns when the shape of an output depends on a value that is not known yet: the plan
 * is cut before this node, and its infer is asked again when the run has computed the value. */
#define BL_LATER BLIND_AGAIN
/* OK when the value of input i is known or the input is left out, else BL_LATER.  An operator whose
 * output takes its shape from data (NonZero, Unique) asks this first, then reads the data of the
 * input, which may lie unaligned, sets the shape, and fills the output in `run`. */
BLIND_MUST_USE blind_code bl_need_value(bl_build *b, const bl_node *n, int i);
/* The integers of a constant input of one axis or none; BL_LATER when it is not known yet. */
BLIND_MUST_USE blind_code bl_const_ints(bl_build *b, const bl_node *n, int i, int64_t *out,
                                        size_t max, size_t *len);
/* The single number of a constant input, of any numeric type. */
bool bl_const_number(const bl_build *b, const bl_node *n, int i, double *out);
bool bl_tensor_number(const bl_tensor *t, size_t index, double *out);
/* Stores a number in the tensor's type; what does not fit an integer is its nearest, NaN is 0. */
void bl_tensor_set_number(bl_tensor *t, size_t index, double value);
/* Attribute `name`, or from `opset` on the constant input i; *len is 0 where both are absent. */
BLIND_MUST_USE blind_code bl_ints_of(bl_build *b, const bl_node *n, const char *name, int i,
                                     int64_t opset, int64_t *out, size_t max, size_t *len);

/* axis in -rank..rank-1 made positive. */
BLIND_MUST_USE blind_code bl_axis(bl_build *b, const bl_node *n, int64_t axis, int rank, int *out);
/* The same for several, each once: mask[a] is set. */
BLIND_MUST_USE blind_code bl_axes(bl_build *b, const bl_node *n, const int64_t *axes, size_t len,
                                  int rank, bool mask[BL_ONNX_RANK]);
/* Sees to it that a constant's bytes are aligned for its type: copied where they are not. */
BLIND_MUST_USE blind_code bl_align_value(bl_build *b, int32_t value);

/* Products of dims [from, to). */
size_t bl_dims(const bl_tensor *t, int from, int to);

/* Broadcast shape of a and b (numpy's rule); false when they do not fit. */
bool bl_broadcast_shape(const bl_tensor *a, const bl_tensor *b, bl_tensor *out);

/* How one output is walked with up to three inputs, adjacent axes merged. */
typedef struct {
    int    rank;
    size_t shape[BL_ONNX_RANK];
    size_t stride[3][BL_ONNX_RANK];
} bl_walk;
void bl_walk_init(bl_walk *w, const bl_tensor *out, const bl_tensor *const *in, int n_in);

/* Packed weights, kept with the model per node, or with the plan where they are derived.  variant
 * tells fusions of one node apart. */
typedef struct {
    bl_packed *packed;
    float     *bias; /* folded beside it, or NULL */
} bl_weights;
/* Memory for weights on their way, aligned to 64 bytes, until the next call or the plan's end; NULL
 * when there is none. */
void *bl_stage(bl_build *b, size_t size);
void  bl_build_done(bl_build *b);
#define bl_auto_build __attribute__((cleanup(bl_build_done))) bl_build
const bl_weights         *bl_store_find(const bl_build *b, const bl_node *n, int variant);
BLIND_MUST_USE blind_code bl_store_keep(bl_build *b, const bl_node *n, int variant,
                                        bl_packed *packed, const float *bias, size_t bias_len,
                                        const bl_weights **out);
/* Who is told of weights that kernels read piece by piece, or NULL. */
const bl_reading *bl_store_reading(const bl_build *b);
/* Tells the owner of the file that a constant will be read whole now, or not again. */
void bl_store_needed(const bl_build *b, const bl_tensor *t);
void bl_store_unneeded(const bl_build *b, const bl_tensor *t);

/* For run.  ---------------------------------------------------------------------------------- */

static inline const bl_tensor *bl_arg(const bl_exec *x, const bl_node *n, int i)
{
    return i < n->n_in && n->in[i] >= 0 ? &x->tensors[n->in[i]] : NULL;
}

static inline bl_tensor *bl_result(const bl_exec *x, const bl_node *n, int i)
{
    return i < n->n_out && n->out[i] >= 0 ? &x->tensors[n->out[i]] : NULL;
}

/* Zeroed bytes for a string that this node makes: its output's element is a blind_span of them. The
 * elements of string inputs may be taken over as they are.  Errors: LIMIT */
BLIND_MUST_USE blind_code bl_string_room(const bl_exec *x, const bl_node *n, size_t size,
                                         char **out);

blind_code bl_run_fail(const bl_exec *x, const bl_node *n, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
