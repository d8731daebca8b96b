/* pipeline.toml, read: which steps lie before and behind which input and output of the model. */
#ifndef BL_PIPELINE_CONFIG_H
#define BL_PIPELINE_CONFIG_H

#include "pipeline/step.h"

typedef struct {
    const bl_step_row *row;
    void              *params;
} bl_step;

/* One input or output of the pipeline. */
typedef struct {
    const char    *name;               /* what clients call it */
    const char    *port;               /* the model's input or output */
    const char    *more[BL_STEP_MORE]; /* the model's inputs that take what else steps give ... */
    const char    *more_name[BL_STEP_MORE]; /* ... under this name */
    size_t         more_len;
    const bl_step *steps;
    size_t         n_steps;
} bl_flow;

typedef struct {
    const char *model; /* its file */
    bl_flow    *inputs, *outputs;
    size_t      n_inputs, n_outputs;
} bl_pipeline_config;

/* Reads it with the files beside it.  Everything lies in the arena or is borrowed from the files.
 * Errors: INPUT with line and column; LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_pipeline_config_read(blind_span text, const bl_archive *files,
                                                  bl_arena *arena, bl_pipeline_config *out,
                                                  blind_error *err);

/* Calls file for the model and for each file that a step names, in order; the steps themselves are
 * not read.  Errors: INPUT, and what file returns */
BLIND_MUST_USE blind_code bl_pipeline_config_files(blind_span text,
                                                   blind_code (*file)(void *arg, const char *name,
                                                                      blind_error *err),
                                                   void *arg, blind_error *err);

#endif
