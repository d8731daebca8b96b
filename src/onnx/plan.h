/* A plan: one model made ready for one set of input shapes.
 *
 * Made by: copying the model's graph, inferring every shape and folding what is constant, fusing,
 * preparing (packing) what is left, and giving each value its place in one run's memory. */
#ifndef BL_ONNX_PLAN_H
#define BL_ONNX_PLAN_H

#include "onnx/ops.h"

/* Packed weights of a model, by node. */
typedef struct bl_store_entry bl_store_entry;
struct bl_store_entry {
    bl_store_entry *next;
    int             variant;
    bool            derived; /* of one plan, which frees it */
    bl_weights      weights;
};

struct bl_store {
    bl_arena        *arena; /* the model's */
    bl_store_entry **heads; /* per node id */
    size_t           n_nodes;
    bl_store_entry  *derived; /* of the plan in the making */
    size_t           bytes;
    void (*unneeded)(void *arg, blind_span part);
    void *unneeded_arg;
};

typedef struct bl_plan bl_plan;
struct bl_plan {
    bl_arena        arena;
    bl_graph        graph;  /* its nodes: those that run, in order */
    size_t          memory; /* bytes of one run, scratch included */
    size_t          scratch_at;
    bl_store_entry *derived; /* packed weights that only this plan uses */
    int64_t        *key;     /* input dims in the model's order, each after its rank */
    size_t          key_len;
    uint64_t        used_at; /* for the cache */
    int             runs;    /* under way */
    bool            evicted; /* freed with its last run */
    bl_onnx_run    *idle;    /* memory of a finished run, kept for the next */
};

struct bl_onnx {
    bl_arena          arena;
    bl_model          model;
    bl_onnx_options   options;
    const bl_kernels *kernels;
    bl_store          store;
    bl_plan          *plans[8];
    const bl_plan    *latest;
    uint64_t          clock; /* counts uses of plans */
    bl_onnx_trace    *trace;
    void             *trace_arg;
};

/* shapes: per input of the model, as bl_tensor; types are checked by the caller. */
BLIND_MUST_USE blind_code bl_plan_new(bl_onnx *model, const bl_tensor *inputs, bl_plan **out,
                                      blind_error *err);
void                      bl_plan_free(bl_plan *plan);

/* Infers and folds every node that can be: the whole graph, or while opening what is constant. */
BLIND_MUST_USE blind_code bl_plan_fold(bl_build *b);

/* fuse.c: joins nodes; shapes are known. */
BLIND_MUST_USE blind_code bl_plan_fuse(bl_build *b);

/* memory.c: places values; sets memory and scratch_at. */
BLIND_MUST_USE blind_code bl_plan_memory(bl_plan *plan, blind_error *err);

/* run.c */
void bl_run_destroy(bl_onnx_run *run);

#endif
