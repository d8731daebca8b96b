/* Which opened models are in memory.
 *
 *           open                  least recently used, and room is needed
 *     file ------> in memory ----------------------------------------> away
 *                    ^  pinned while requests use it                      |
 *                    +---------- the very same bytes, when asked ---------+
 *
 * With a budget each model's file and what its engine makes of it are charged.  One that is away
 * has its file in an encrypted spool; its name goes on answering, and nothing about it is said in
 * the runtime log: what clients verified, that this name answers with that digest, stays true,
 * since bytes with another digest never come back.
 *
 * All functions may be called from any thread. */
#ifndef BL_RESIDENT_H
#define BL_RESIDENT_H

#include "base/arena.h"
#include "base/limits.h"
#include "server/engine.h"
#include "server/model_file.h"

typedef struct bl_residents bl_residents;
typedef struct bl_instance  bl_instance;

typedef struct {
    bl_budget  *budget;    /* outlives every model; NULL: nothing is charged, nothing is put away */
    const char *spool_dir; /* with a budget: where files are when they are away */
} bl_residents_options;

/* Becomes the one who makes room in the budget.  Errors: MEMORY */
BLIND_MUST_USE blind_code bl_residents_new(const bl_residents_options *options, bl_residents **out,
                                           blind_error *err);
/* Instances live on until they are released. */
void bl_residents_free(bl_residents *residents);

typedef struct {
    size_t   in, away, charged;           /* charged: bytes */
    uint64_t put_away, returns, failures; /* failures: to come back */
} bl_residents_stats;
void bl_residents_stats_read(bl_residents *residents, bl_residents_stats *out);

/* A model's file, opened by an engine.  What is written here never changes. */
struct bl_instance {
    bl_model_file    *file;
    const bl_engine  *engine;
    bl_engine_options options;
    bl_description    description; /* its own copy */

    bl_residents *home; /* private from here */
    bl_instance  *next;
    char          name[BL_MAX_MODEL_NAME + 1]; /* for the log: the first it was loaded under */
    bl_arena      arena;
    _Atomic int   refs;
    void         *model;     /* NULL: away */
    size_t        pins;      /* of home's lock, as what follows */
    size_t        charged;   /* for what the engine has */
    size_t        had;       /* the most of that when it was put away */
    bool          uses_file; /* one of those that file->users counts */
    uint64_t      used_at;
};

/* Opens a file with the first of the engines that recognises it; the instance has one reference and
 * no pin.
 * Errors: those of the engine; MEMORY when there is no room; IO (the spool) */
BLIND_MUST_USE blind_code bl_instance_open(bl_residents *home, const char *name,
                                           bl_model_file *file, const bl_engine *const *engines,
                                           const bl_engine_options *options, bl_instance **out,
                                           blind_error *err);
bl_instance              *bl_instance_retain(bl_instance *i);
void                      bl_instance_release(bl_instance *i);

/* Keeps the model where it is; false when it is away.  Then `model` may be used until _unpin(). */
bool  bl_instance_pin(bl_instance *i);
void  bl_instance_unpin(bl_instance *i);
void *bl_instance_model(bl_instance *i); /* of one that is pinned */
/* Pins it, after it came back where it was away: takes as long as loading.
 * Waits up to a second for models in use.
 * Errors: MEMORY (no room), IO (the spool), and those of opening */
BLIND_MUST_USE blind_code bl_instance_bring(bl_instance *i, blind_error *err);
/* Charges what a pinned model has come to have; on the thread that uses it. */
void bl_instance_measure(bl_instance *i);

#endif
