/* One engine: how a kind of model file is opened and asked.  Instances are const rows of one table;
 * callers know this struct and nothing more.
 *
 * The executor owns the process's only compute pool and its one thread makes every call of submit,
 * step, cancel and wipe; an engine borrows the pool for the call.  open, describe, size and close
 * may come from other threads while the model is not in use, open and close without a pool. */
#ifndef BL_ENGINE_H
#define BL_ENGINE_H

#include "base/base.h"
#include "blind/tensor.h"
#include "http/openai.h"
#include "llm/kv.h"
#include "nn/isa.h"
#include "nn/pool.h"
#include "server/request.h"

/* What one run of a model may answer together. */
typedef struct {
    size_t   max_rows; /* along the first axis; 0 or 1: one request at a time */
    uint64_t wait_ns;  /* how long a request may wait for others */
    bool     own;      /* of one principal alone */
} bl_batching;

/* What `blind serve` says of a model: KServe V2 metadata.  Borrowed from the model. */
typedef struct {
    const char         *platform; /* "onnx_onnxv1" */
    const blind_tensor *inputs;   /* without data; an axis of -1 takes any length,
 a rank of -1 any shape */
    size_t              inputs_len;
    const blind_tensor *outputs;
    size_t              outputs_len;
    bl_batching         batching; /* what the model takes of what was asked for */
} bl_description;

typedef struct {
    bl_pool     *pool; /* borrowed for as long as the model lives; used inside step alone */
    bl_precision precision;
    bool         optimize;   /* BlindAI's `optimize`, not `no_optim` */
    bl_batching  batching;   /* asked for; an engine that cannot, or a model, runs alone */
    bool         must_batch; /* refuse the model instead: UNSUPPORTED */
    size_t       max_memory; /* bytes beside the file, with one run; 0: no bound */
    size_t       kv_memory;  /* bytes for keys and values of a language model; 0: its own choice */
    bl_kv_type   kv_type;
    size_t       max_context; /* tokens of a prompt and its answer; 0: the model's */
    size_t       lookup;      /* tokens guessed ahead from what was said before */
} bl_engine_options;

/* One submitted request as the engine sees it. */
typedef struct {
    bl_request *request; /* borrowed */
    void       *state;   /* the engine's own, made by submit, ended by cancel */
    blind_code  code;    /* set by step: AGAIN, OK when its last output was put, BUSY when it can go
                            on only after another request of the model has ended, or the failure */
    blind_error error;   /* of a failure */
} bl_job;

typedef struct {
    bl_pool *pool;
    uint64_t budget_ns; /* yield after this long where the work allows */
    /* Whether nobody waits for any of these jobs any more (cancelled, or late).  A step may ask at
     * any time, and where that is so return early: the codes stay AGAIN and no step follows. */
    bl_stop *over;
    void    *over_arg;
} bl_turn;

typedef struct {
    const char *name; /* "onnx" */
    /* Requests that one step may advance together, chosen anew for each step: 1 for ONNX, more for
     * an engine of streams. */
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
    /* Requests that one run answers together from its begin to its end; NULL where there are none.
     * The rows that a request brings, 0 when it has to run alone; and whether two that bring some
     * agree in everything else.  From any thread: they look at shapes, and not at values. */
    size_t (*rows)(const void *model, const bl_request *request);
    bool (*joins)(const void *model, const bl_request *a, const bl_request *b);
    /* Reads what a body of OpenAI's API asks of a model in use and gives the request its ask; from
     * any thread.  NULL: the engine answers none.
     * Errors: INPUT, LIMIT (a prompt too long), UNSUPPORTED, MEMORY */
    blind_code (*prepare)(void *model, const bl_openai_request *asked, bl_request *request,
                          blind_error *err);
    /* Checks the inputs against the model and makes job->state.
     * Errors: INPUT (name, dtype or shape: expected and found), MEMORY */
    blind_code (*submit)(void *model, bl_job *job, blind_error *err);
    /* Advances jobs[0..len-1], all of this model; sets each job's code.  Of jobs that are joined
     * each step has all that are left. */
    void (*step)(void *model, bl_job *const *jobs, size_t len, const bl_turn *turn);
    /* Ends a job, finished or not: frees job->state. */
    void (*cancel)(void *model, bl_job *job);
    /* Wipes up to `most` bytes that ended jobs left in memory kept for the next; true while there
     * is more.  NULL where nothing stays. */
    bool (*wipe)(void *model, size_t most);
    /* Bytes that the model has beside its file, with what it keeps for runs to come; NULL where
     * that is nothing. */
    size_t (*size)(const void *model);
    void (*close)(void *model);
} bl_engine;

/* The table of this program, NULL at its end, and the first row that recognises a file. */
extern const bl_engine *const bl_engines[];
extern const bl_engine        bl_engine_onnx, bl_engine_llm;
/* Errors: INPUT */
BLIND_MUST_USE blind_code bl_engine_find(const bl_engine *const *engines, blind_span file,
                                         const bl_engine **out, blind_error *err);

#endif
