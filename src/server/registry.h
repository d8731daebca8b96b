/* Which names answer with which models.
 *
 * A bl_model is one name's model from one load to the next, immutable and counted: a request that
 * resolved it keeps it, whatever happens to the name.  Names with the same file share the engine's
 * instance.  Every change of a name is in the runtime log before the first request can see it.
 *
 * All functions may be called from any thread.  Loading parses and packs: call it from a thread
 * that may take seconds, or start it on the registry's own with bl_registry_start(). */
#ifndef BL_REGISTRY_H
#define BL_REGISTRY_H

#include "attest/runtime_log.h"
#include "server/counts.h"
#include "server/engine.h"
#include "server/model_file.h"
#include "server/principal.h"
#include "server/resident.h"

typedef struct bl_registry bl_registry;

typedef struct {
    const bl_engine *const *engines; /* NULL: bl_engines */
    bl_pool                *pool;    /* bl_executor_pool() */
    bl_precision            precision;
    bl_batching             batching; /* of models that are loaded without a word about it */
    size_t                  kv_memory, max_context, lookup; /* the same of language models */
    bl_kv_type              kv_type;
    bl_runtime_log         *log;               /* borrowed; NULL in tests of other things */
    size_t                  max_models;        /* names; 0: 64 */
    size_t                  max_bytes;         /* of all files together; 0: 64 GiB */
    size_t                  max_model_size;    /* of one file; 0: 16 GiB */
    size_t                  max_per_principal; /* names that one principal owns; 0: max_models */
    size_t                  max_loads; /* of one principal, over the life of the process; 0: 4096 */
    bool                    ignore_owners; /* BlindAI's disable_ownership_check */
    bl_residents_options    residents;     /* budget NULL: every model stays in memory */
} bl_registry_options;

/* Errors: MEMORY, FAILED (thread) */
BLIND_MUST_USE blind_code bl_registry_new(const bl_registry_options *options, bl_registry **out,
                                          blind_error *err);
/* Models that requests still hold live on until these end. */
void bl_registry_free(bl_registry *registry);

/* A name's model.  Fields are constant while a reference is held. */
struct bl_model {
    char             name[BL_MAX_MODEL_NAME + 1];
    char             owner[BL_MAX_PRINCIPAL_NAME + 1];
    uint8_t          sha256[32];
    size_t           size;        /* bytes of the file */
    int64_t          loaded_s;    /* seconds since 1970 */
    uint64_t         last_change; /* length of the runtime log with this model's load in it */
    bool             salted;      /* the log shows a salted digest */
    const bl_engine *engine;
    bl_description   description;

    unsigned        number; /* of the name, in /metrics: from 1 in the order of first loading */
    bl_model_counts counts; /* since this load */

    bl_instance *shared; /* what names with the same file share */
    _Atomic int  refs;
};

bl_model *bl_model_retain(bl_model *model);
void      bl_model_release(bl_model *model);
/* As of bl_instance_pin(), bl_instance_unpin() and bl_instance_bring(). */
bool                      bl_model_pin(bl_model *model);
void                      bl_model_unpin(bl_model *model);
BLIND_MUST_USE blind_code bl_model_bring(bl_model *model, blind_error *err);

typedef struct {
    const char         *name;    /* 1..BL_MAX_MODEL_NAME of [A-Za-z0-9._-], not starting with '.' */
    const bl_principal *by;      /* becomes the owner; rights are the caller's to check */
    bool                replace; /* a name in use is replaced if `by` owns it, else EXISTS */
    bool                salted;  /* logged as SHA-256(salt || digest): other tenants' uploads */
    bool                no_optim;    /* open without optimisation */
    const uint8_t      *sha256;      /* the digest that the file must have, or NULL */
    size_t              max_batch;   /* 0: as the registry's options say */
    uint64_t            max_wait_ns; /* with a max_batch */
} bl_load;

typedef struct {
    uint8_t  sha256[32];
    uint8_t  salt[32];    /* of a salted record: for the uploader, and nobody else */
    uint64_t last_change; /* length of the runtime log with this load in it */
    bool     salted;
    bool     replaced; /* the name answered with another model before */
    bool     shared;   /* the same file was loaded already */
} bl_loaded;

/* Opens the file and, if all went well, makes the name answer with it; until then, and if anything
 * fails, the name answers as before.  The caller keeps its reference to file.
 * Errors: INPUT (name, malformed file, another digest), UNSUPPORTED, EXISTS, DENIED (owned by
 * another), LIMIT (models, bytes, loads, log), MEMORY */
BLIND_MUST_USE blind_code bl_registry_load(bl_registry *registry, const bl_load *load,
                                           bl_model_file *file, bl_loaded *out, blind_error *err);
/* bl_model_file_open() and bl_registry_load(): `--model NAME=FILE`. */
BLIND_MUST_USE blind_code bl_registry_load_path(bl_registry *registry, const bl_load *load,
                                                const char *path, bl_loaded *out, blind_error *err);
/* What bl_registry_load() would refuse without a look at the file: asked before a body is read.
 * size  bytes announced, 0: unknown */
BLIND_MUST_USE blind_code bl_registry_may_load(bl_registry *registry, const bl_load *load,
                                               size_t size, blind_error *err);

/* The same on the registry's thread.  fill copies the model into the writer there; done is called
 * there with the outcome, once, also when the registry is freed first (CLOSED).  name and by are
 * copied; sha256 too.  On failure neither callback is called.
 * Errors: BUSY (too many loads waiting), MEMORY */
typedef struct {
    bl_load load;
    blind_code (*fill)(void *arg, bl_model_writer *writer, blind_error *err);
    void (*done)(void *arg, blind_code code, const bl_loaded *loaded, const blind_error *err);
    void *arg;
} bl_load_task;
BLIND_MUST_USE blind_code bl_registry_start(bl_registry *registry, const bl_load_task *task,
                                            blind_error *err);

/* The model that a name answers with; the caller releases it.
 * Errors: NOT_FOUND ("Model doesn't exist: 'x'"), also for one that is unloaded */
BLIND_MUST_USE blind_code bl_registry_resolve(bl_registry *registry, const char *name,
                                              bl_model **out, blind_error *err);
/* Length of the runtime log with the name's last load or unload in it, 0 for a name never used: a
 * session attested at a shorter log is answered 409 `reattest`. */
uint64_t bl_registry_last_change(bl_registry *registry, const char *name);
/* The same of all names that are a language model, or were. */
uint64_t bl_registry_last_language_change(bl_registry *registry);

/* Unload frees the engine's memory and keeps the sealed file; reload brings the very same bytes
 * back; remove forgets both.  Rights are the caller's to check, ownership is checked here.
 * A reloaded upload keeps its salt, which only its owner is told.
 * Errors: NOT_FOUND, DENIED, LIMIT (log), and those of loading */
BLIND_MUST_USE blind_code bl_registry_unload(bl_registry *registry, const char *name,
                                             const bl_principal *by, blind_error *err);
BLIND_MUST_USE blind_code bl_registry_reload(bl_registry *registry, const char *name,
                                             const bl_principal *by, bl_loaded *out,
                                             blind_error *err);
BLIND_MUST_USE blind_code bl_registry_remove(bl_registry *registry, const char *name,
                                             const bl_principal *by, blind_error *err);

/* One row of the index, in order of first loading. */
typedef struct {
    const char            *name, *owner;
    bool                   ready; /* false: unloaded */
    uint8_t                sha256[32];
    bool                   salted;
    bool                   language; /* is a language model, or was one when it was loaded */
    size_t                 size;
    int64_t                loaded_s;
    uint64_t               last_change;
    unsigned               number;
    const bl_model_counts *counts; /* NULL: unloaded */
} bl_model_row;
/* Calls row for each name under the registry's lock; false ends the walk. */
void bl_registry_each(bl_registry *registry, bool (*row)(void *arg, const bl_model_row *row),
                      void        *arg);

typedef struct {
    size_t             names, ready, instances, bytes;
    uint64_t           loads, failures;
    bl_residents_stats residents;
} bl_registry_stats;
void bl_registry_stats_read(bl_registry *registry, bl_registry_stats *out);

#endif
