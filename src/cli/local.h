/* A model file and its inputs on this machine, for the subcommands that need no server. */
#ifndef BL_CLI_LOCAL_H
#define BL_CLI_LOCAL_H

#include "base/arena.h"
#include "base/file.h"
#include "cli/external.h"
#include "cli/hash_along.h"
#include "cli/value_file.h"
#include "pipeline/pipeline.h"

typedef struct {
    bl_mapping     file;
    bl_buf         packed; /* the file, where it was made from a pipeline.toml */
    bl_hash_along  along;  /* the model tells it what it reads, also when it plans anew */
    uint8_t        sha256[32];
    bl_pool       *pool;
    bl_pipeline   *model; /* or a plain one */
    bl_arena       arena; /* of the inputs */
    bl_onnx_value *inputs;
    size_t         n_inputs;
    bl_external    external;    /* weights of the model in other files */
    uint64_t       deadline_ns; /* of one run; 0: none */
    double         load_ms;     /* map, SHA-256, parse, check, plan for these inputs, pack */
} bl_local;

/* Opens --model, a model, a packed pipeline or a pipeline.toml, with --threads, and reads every
 * --input NAME=FILE.  Operators that are not supported are told on stderr, a line each, unless
 * --json asks for one line in all.  bl_local_close() in any case. */
BLIND_MUST_USE blind_code bl_local_open(const bl_args *args, bl_local *out, blind_error *err);
void                      bl_local_close(bl_local *local);
#define bl_auto_local __attribute__((cleanup(bl_local_close))) bl_local

/* Runs to the end; *out is freed by the caller.  Errors: TIMEOUT after --deadline */
BLIND_MUST_USE blind_code bl_local_run(bl_local *local, bl_pipeline_run **out, blind_error *err);

/* clang-format off */
#define BL_OPTIONS_LOCAL                                                                           \
    { .name = "model", .kind = BL_FILE, .arg = "FILE", .required = true,                           \
      .help = "the ONNX model, a pipeline.toml, or a pipeline in its one file" },                  \
    BL_OPTIONS_TENSORS,                                                                            \
    { .name = "deadline", .kind = BL_INTEGER, .arg = "SECONDS", .min = 1, .max = 86400,            \
      .help = "end a run that takes longer" },                                                     \
    { .name = "max-memory", .kind = BL_INTEGER, .arg = "MIB", .min = 1, .max = 1 << 24,            \
      .help = "refuse to use more for weights beside the file and for a run" },                    \
    { .name = "threads", .kind = BL_INTEGER, .arg = "N", .min = 1, .max = 256, .fallback = "1",    \
      .help = "compute threads" },                                                                 \
    { .name = "precision", .kind = BL_CHOICE, .choices = "highest|high|medium", .arg = "P",        \
      .fallback = "highest",                                                                       \
      .help = "of matrix products where the processor has AMX: as fp32, about 4e-6, as bf16" }
/* clang-format on */

#endif
