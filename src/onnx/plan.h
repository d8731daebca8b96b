/* A plan: one graph made ready for one set of shapes.
 *
 * Made by: copying the graph, inferring every shape and folding what is constant, fusing, preparing
 * (packing) what is left, and giving each value its place in one run's memory.
 *
 * Where the shape of a value depends on values, the plan is a segment: it ends before the nodes
 * that need them.  Those run one by one (dynamic.c); then the next segment is planned for the
 * shapes that came of it.  So segments form a tree: the root by the shapes of the inputs, each
 * child by those of what its parent's last nodes made. */
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
    bl_arena              *arena; /* the model's */
    size_t                *total; /* bytes, of all stores of the model */
    bl_store_entry       **heads; /* per node id */
    size_t                 n_nodes;
    bl_store_entry        *derived; /* of the plan in the making */
    const bl_onnx_options *options; /* the model's */
    bl_reading             reading; /* told of weights before they are read */
};

/* What a segment leaves to those after it. */
typedef struct {
    int32_t   value;
    bool      constant; /* known when planned: t.data, of the plan */
    bool      held;     /* no tensor */
    bl_tensor t;
} bl_kept;

typedef struct bl_plan bl_plan;
struct bl_plan {
    bl_arena        arena;
    bl_graph        graph;  /* its nodes: those that run, in order */
    size_t          memory; /* bytes of one run, scratch included */
    size_t          scratch_at;
    bl_store_entry *derived; /* packed weights that only this plan uses */
    int64_t        *key;     /* shapes that it is for: see bl_plan_fits */
    size_t          key_len;
    uint64_t        used_at; /* for the cache */
    int             runs;    /* under way, and segments after it */
    bool            evicted; /* freed with its last run */
    bl_onnx_run    *idle;    /* memory of a finished run, kept for the next */
    size_t         *packed;  /* the model's count of bytes */

    const bl_body *body;
    bl_plan       *parent;
    bool           whole; /* the model from inputs to outputs: no segment */
    int32_t       *cut;   /* nodes of the body that run after it, one by one */
    int32_t       *made;  /* what they make */
    int32_t       *later; /* nodes that come after those */
    bl_kept       *kept;
    size_t         n_cut, n_made, n_later, n_kept;
    unsigned       depth; /* segments before it */
};

enum { BL_PLANS = 8, BL_SEGMENTS = 128 };

struct bl_onnx {
    bl_arena          arena;
    bl_model          model;
    bl_onnx_options   options;
    const bl_kernels *kernels;
    size_t            packed; /* bytes of packed weights */
    bl_store        **stores; /* of every graph */
    size_t            n_stores;
    size_t            n_unsupported;         /* nodes, counted while it is opened */
    bl_plan          *plans[BL_PLANS];       /* of the model's graph, for its inputs */
    bl_plan          *segments[BL_SEGMENTS]; /* after those, and of bodies */
    const bl_plan    *latest;
    uint64_t          clock; /* counts uses of plans */
    bl_onnx_trace    *trace;
    void             *trace_arg;
};

/* What a plan is for: these values have these types and shapes; rank -1: no tensor. */
typedef struct {
    const bl_body   *body;
    bl_plan         *parent; /* of a segment that is no first one; else NULL */
    const int32_t   *values;
    const bl_tensor *tensors;
    size_t           len;
    size_t           max; /* bytes it may have for itself; 0: as the options say */
} bl_plan_for;

BLIND_MUST_USE blind_code bl_plan_new(bl_onnx *model, const bl_plan_for *what, bl_plan **out,
                                      blind_error *err);
bool                      bl_plan_fits(const bl_plan *plan, const bl_plan_for *what);
/* Takes a plan out of the cache: freed now, or with the last that uses it. */
void bl_plan_evict(bl_plan *plan);
/* One user less. */
void bl_plan_release(bl_plan *plan);
/* Bytes that plans of this model have for themselves. */
size_t bl_plans_size(const bl_onnx *model);

/* Infers and folds every node that can be: the whole graph, or while opening what is constant. */
BLIND_MUST_USE blind_code bl_plan_fold(bl_build *b);

/* Folds what waited for fusion, and what is constant then; asks anew about what reads it. */
BLIND_MUST_USE blind_code bl_plan_fold_rest(bl_build *b);

/* work.c: operations of a node whose shapes are known; fails with LIMIT past the bound of one. */
double                    bl_node_work(const bl_build *b, const bl_node *n);
BLIND_MUST_USE blind_code bl_node_check_work(const bl_build *b, const bl_node *n);

/* fuse.c: joins nodes; shapes are known. */
BLIND_MUST_USE blind_code bl_plan_fuse(bl_build *b);

/* segment.c: parts what the plan runs from what waits; marks values that outlive it. */
BLIND_MUST_USE blind_code bl_plan_split(bl_build *b, bl_plan *plan);
/* Gives those that it computes a place of their own. */
void bl_plan_place_kept(bl_plan *plan);

/* memory.c: places values; sets memory and scratch_at. */
BLIND_MUST_USE blind_code bl_plan_memory(bl_plan *plan, blind_error *err);

/* run.c */
void bl_run_destroy(bl_onnx_run *run);

#endif
