/* ONNX models: open once, run many times.
 *
 *     bl_onnx_open(file, &options, &model, err);
 *     bl_onnx_run_new(model, inputs, n, &run, err);
 *     while (bl_onnx_run_step(run, 10000000, err) == BLIND_AGAIN)
 *         ... something else for a moment ...
 *     bl_onnx_run_output(run, 0);
 *     bl_onnx_run_free(run);
 *
 * A model is parsed, checked and its weights packed when it is opened.  For each set of input
 * shapes a plan is made once (shapes, folded constants, fused nodes, memory) and kept, so that a
 * run allocates nothing while it computes.  Where shapes depend on values, or control flow decides
 * what runs, a run plans and allocates as it goes, within max_memory.  Several runs of one model
 * may be under way; a model and its runs belong to one thread at a time, like the pool they borrow.
 */
#ifndef BL_ONNX_H
#define BL_ONNX_H

#include "base/base.h"
#include "blind/tensor.h"
#include "nn/isa.h"
#include "nn/pool.h"

typedef struct bl_onnx     bl_onnx;
typedef struct bl_onnx_run bl_onnx_run;

/* Weights that a model keeps in files beside it. */
typedef struct {
    /* The bytes of the file that the model calls `location`, borrowed as long as the model.  The
     * name comes from the model: whoever opens it sees to it that it stays inside one folder. */
    blind_code (*open)(void *arg, const char *location, blind_span *out, blind_error *err);
    void *arg;
} bl_onnx_files;

typedef struct {
    bl_pool *pool; /* borrowed as long as the model; NULL: the caller's thread alone */
    /* Packs weights when a model is opened and planned for.  NULL where another thread may be using
     * the pool at that time: then the caller's thread does it alone. */
    bl_pool      *packing;
    bl_isa        isa; /* bl_isa_best() for the fastest */
    bl_precision  precision;
    bool          plain;      /* nothing fused: every node as its operator specifies it */
    size_t        max_memory; /* bytes for weights beside the file and for one run; 0: no bound */
    size_t        max_run; /* bytes for one run alone, with what it plans as it goes; 0: no bound */
    bl_onnx_files files;   /* open NULL: a model with weights in other files is refused */
    /* Called before the bytes of a weight in the file are copied in another order, whole or piece
     * by piece, so that a mapping may have their pages ready, and when the weight will not be read
     * again, so that it may drop them. They may be read again all the same.  Either may be NULL. */
    void (*needed)(void *arg, blind_span part);
    void (*unneeded)(void *arg, blind_span part);
    void *needed_arg; /* of both */
    /* Called while a model is opened for each node whose operator is not supported; NULL: the error
     * names the first. */
    void (*unsupported)(void *arg, const char *domain, const char *type, const char *name,
                        int64_t opset);
    void *unsupported_arg;
} bl_onnx_options;

/* An input or output as the model declares it.  A dimension of -1 is not fixed; its symbol is the
 * model's name for it, or NULL.
 *
 * A map NAME is two of them, NAME.keys [len] and NAME.values [len].  So is a sequence of maps,
 * which only ZipMap makes and whose maps all have the same keys: NAME.keys [len] and NAME.values
 * [maps, len]. */
typedef struct {
    const char *name;
    blind_dtype dtype;
    bool        sequence; /* of tensors of this type */
    bool        optional; /* may be left out, tensor or sequence */
    bool        map;      /* while a model is read: becomes two ports, see maps.h */
    blind_dtype key;      /* of the map */
    int         rank;     /* -1: not even the rank is declared */
    int64_t     shape[BLIND_MAX_RANK];
    const char *symbol[BLIND_MAX_RANK];
} bl_onnx_port;

/* An input or output of a run: a tensor, a sequence of tensors, or an optional that is left out. */
typedef enum { BL_ONNX_TENSOR, BL_ONNX_SEQUENCE, BL_ONNX_NOTHING } bl_onnx_kind;

typedef struct {
    const char         *name;
    bl_onnx_kind        kind;
    const blind_tensor *items; /* TENSOR: one; their names are not read */
    size_t              len;
    blind_dtype         dtype; /* of a sequence without items */
} bl_onnx_value;

/* Reads, checks and prepares a model.
 *
 * file    borrowed until bl_onnx_close(): weights are used where they lie
 * options NULL: one thread, the best instruction set
 * out     bl_onnx_close(); NULL on failure
 * Errors  INPUT for a file that is no valid model, UNSUPPORTED naming operator, node and opset,
 *         LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_onnx_open(blind_span file, const bl_onnx_options *options,
                                       bl_onnx **out, blind_error *err);
void                      bl_onnx_close(bl_onnx *model); /* after its runs; NULL is nothing */

const bl_onnx_port *bl_onnx_inputs(const bl_onnx *model, size_t *len);
const bl_onnx_port *bl_onnx_outputs(const bl_onnx *model, size_t *len);

/* Starts a run: finds or makes the plan for these shapes and the memory for it.
 *
 * inputs  each named input of the model once, in any order; data borrowed until bl_onnx_run_free()
 * out     bl_onnx_run_free(); NULL on failure
 * Errors  INPUT for a missing or unknown name, another type or an unacceptable shape; UNSUPPORTED,
 *         LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_onnx_run_new(bl_onnx *model, const blind_tensor *inputs, size_t len,
                                          bl_onnx_run **out, blind_error *err);

/* The same for models that take or give sequences or optionals, which bl_onnx_run_new() refuses as
 * UNSUPPORTED; an optional may be left out of the list. */
BLIND_MUST_USE blind_code bl_onnx_run_start(bl_onnx *model, const bl_onnx_value *inputs, size_t len,
                                            bl_onnx_run **out, blind_error *err);

/* From now on the steps of this run ask `stop` within nodes too, where the pool takes up the next
 * part of their work; stop NULL: no longer.  When it says yes, the run ends as CANCELLED. */
void bl_onnx_run_watch(bl_onnx_run *run, bl_stop *stop, void *arg);

/* Computes nodes until all are done or budget_ns have passed (0: no bound).  A node is interrupted
 * where bl_onnx_run_watch() says so, and not for the budget.
 *
 * Returns OK when the outputs are there, AGAIN when the time is up
 * Errors  INPUT for values that an operator cannot take, such as an index out of range; CANCELLED;
 *         the run is then over */
BLIND_MUST_USE blind_code bl_onnx_run_step(bl_onnx_run *run, uint64_t budget_ns, blind_error *err);

/* Output i in the order of bl_onnx_outputs(); valid after OK and until bl_onnx_run_free(). */
const bl_onnx_value *bl_onnx_run_value(const bl_onnx_run *run, size_t i);
/* The same where it is a tensor, else NULL. */
const blind_tensor *bl_onnx_run_output(const bl_onnx_run *run, size_t i);
void                bl_onnx_run_free(bl_onnx_run *run); /* NULL is nothing; at any time */

/* Bytes that a run has for itself now; one that plans as it goes may come to have more. */
size_t bl_onnx_run_size(const bl_onnx_run *run);

/* A run that ended leaves its memory, values and all, to the next of the same shapes.  Wipes up to
 * `most` bytes of what such runs left; true while there is more.  Closing wipes all of it. */
bool bl_onnx_wipe(bl_onnx *model, size_t most);

/* What a model costs, in bytes. */
typedef struct {
    size_t packed;    /* weights in kernel order          */
    size_t constants; /* folded or copied constants       */
    size_t run;       /* memory of the latest plan's runs */
    size_t nodes;     /* of the latest plan               */
    size_t plans;     /* all plans, and memory kept for their next runs */
} bl_onnx_cost;
bl_onnx_cost bl_onnx_cost_of(const bl_onnx *model);

/* Called after each node of a run with its time, for profiles; NULL switches it off.
 *     type  "Conv", "blind.LayerNorm";  name  the node's, or "" */
typedef void bl_onnx_trace(void *arg, const char *type, const char *name, uint64_t ns);
void         bl_onnx_set_trace(bl_onnx *model, bl_onnx_trace *trace, void *arg);

#endif
