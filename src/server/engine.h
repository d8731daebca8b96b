/* One engine: how a kind of model file is opened and asked.  Instances are const rows of one table;
 * callers know this struct and nothing more.
 *
 * The executor owns the process's only compute pool and its one thread makes every call of submit,
 * step, cancel and wipe; an engine borrows the pool for the call.  open, describe and close may
 * come from other threads, open and close without a pool. */
#ifndef BL_ENGINE_H
#define BL_ENGINE_H

#include "base/base.h"
#include "blind/tensor.h"
#include "nn/isa.h"
#include "nn/pool.h"
#include "server/request.h"

/* What `blind serve` says of a model: KServe V2 metadata.  Borrowed from the model. */
typedef struct {
    const char         *platform; /* "onnx_onnxv1" */
    const blind_tensor *inputs;   /* without data; an axis of -1 takes any length,
 a rank of -1 any shape */
    size_t              inputs_len;
    const blind_tensor *outputs;
    size_t              outputs_len;
} bl_description;

typedef struct {
    bl_pool     *pool; /* borrowed for as long as the model lives; used inside step alone */
    bl_precision precision;
    bool         optimize; /* BlindAI's `optimize`, not `no_optim` */
} bl_engine_options;

/* One submitted request as the engine sees it. */
typedef struct {
    bl_request *request; /* borrowed */
    void       *state;   /* the engine's own, made by submit, ended by cancel */
    blind_code  code;    /* set by step: AGAIN, OK when its last output was put, or the failure */
    blind_error error;   /* of a failure */
} bl_job;

typedef struct {
    bl_pool *pool;
    uint64_t budget_ns; /* yield after this long where the work allows */
} bl_turn;

typedef struct {
    const char *name; /* "onnx" */
    /* Requests that one step may advance together: 1 for ONNX, more for an engine that batches. */
    size_t batch;
    /* Requests of one principal take turns step by step (a stream), or each runs to its end before
     * the next starts (a single answer; shorter waits on average, less memory). */
    bool streams;
    /* True when the file is of this engine's kind, from its first bytes. */
    bool (*recognises)(blind_span file);
    /* file is borrowed until close and does not change.
     * Errors: INPUT (malformed), UNSUPPORTED (names what), LIMIT, MEMORY */
    blind_code (*open)(blind_span file, const bl_engine_options *options, void **model,
                       blind_error *err);
    void (*describe)(const void *model, bl_description *out);
    /* Checks the inputs against the model and makes job->state.
     * Errors: INPUT (name, dtype or shape: expected and found), MEMORY */
    blind_code (*submit)(void *model, bl_job *job, blind_error *err);
    /* Advances jobs[0..len-1], len <= batch, all of this model; sets each job's code. */
    void (*step)(void *model, bl_job *const *jobs, size_t len, const bl_turn *turn);
    /* Ends a job, finished or not: frees job->state. */
    void (*cancel)(void *model, bl_job *job);
    /* Wipes up to `most` bytes that ended jobs left in memory kept for the next; true while there
     * is more.  NULL where nothing stays. */
    bool (*wipe)(void *model, size_t most);
    void (*close)(void *model);
} bl_engine;

/* The table of this program, NULL at its end, and the first row that recognises a file. */
extern const bl_engine *const bl_engines[];
extern const bl_engine        bl_engine_onnx;
/* Errors: INPUT */
BLIND_MUST_USE blind_code bl_engine_find(const bl_engine *const *engines, blind_span file,
                                         const bl_engine **out, blind_error *err);

#endif
