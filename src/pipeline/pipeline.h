/* Pipelines: steps before and after a model, run where the model runs.
 *
 * A pipeline is a tar (archive.h) of pipeline.toml, the model and the files that its steps name;
 * docs/formats/pipeline.md says what stands in it.  To its callers it is a model with other inputs
 * and outputs:
 *
 *     bl_pipeline_open(file, &options, &p, err);
 *     bl_pipeline_run_new(p, inputs, n, &run, err);
 *     while (bl_pipeline_run_step(run, 10000000, err) == BLIND_AGAIN) ...
 *     bl_pipeline_run_output(run, 0);
 *     bl_pipeline_run_free(run);
 *
 * The rules of onnx/onnx.h hold here too: which thread, what is borrowed, what an error means. */
#ifndef BL_PIPELINE_H
#define BL_PIPELINE_H

#include "base/buf.h"
#include "onnx/onnx.h"

typedef struct bl_pipeline     bl_pipeline;
typedef struct bl_pipeline_run bl_pipeline_run;

/* True for the bytes of a pipeline with steps. */
bool bl_pipeline_is(blind_span file);

/* Opens a pipeline or, as one without steps, a plain model.
 * Errors: INPUT (line and column of pipeline.toml), and those of bl_onnx_open(). */
BLIND_MUST_USE blind_code bl_pipeline_open(blind_span file, const bl_onnx_options *options,
                                           bl_pipeline **out, blind_error *err);
void                      bl_pipeline_close(bl_pipeline *p); /* after its runs; NULL is nothing */

/* What clients send and get: without steps as the model declares it, with steps UINT8 [-1] or what
 * the first takes. */
const bl_onnx_port *bl_pipeline_inputs(const bl_pipeline *p, size_t *len);
const bl_onnx_port *bl_pipeline_outputs(const bl_pipeline *p, size_t *len);
bl_onnx            *bl_pipeline_model(const bl_pipeline *p);    /* for its costs and traces */
size_t              bl_pipeline_run_cost(const bl_pipeline *p); /* bytes that a run may take */

/* inputs: data borrowed until bl_pipeline_run_free().  A model that gives sequences or optionals is
 * refused as UNSUPPORTED. */
BLIND_MUST_USE blind_code bl_pipeline_run_new(bl_pipeline *p, const blind_tensor *inputs,
                                              size_t len, bl_pipeline_run **out, blind_error *err);
/* The same for sequences and optionals, which an input or output without steps may be. */
BLIND_MUST_USE blind_code bl_pipeline_run_start(bl_pipeline *p, const bl_onnx_value *inputs,
                                                size_t len, bl_pipeline_run **out,
                                                blind_error *err);
/* As bl_onnx_run_watch() of the model's part; a step of the pipeline is never interrupted. */
void                      bl_pipeline_run_watch(bl_pipeline_run *run, bl_stop *stop, void *arg);
BLIND_MUST_USE blind_code bl_pipeline_run_step(bl_pipeline_run *run, uint64_t budget_ns,
                                               blind_error *err);
/* Output i; run_output() where it is a tensor, else NULL. */
const bl_onnx_value *bl_pipeline_run_value(const bl_pipeline_run *run, size_t i);
const blind_tensor  *bl_pipeline_run_output(const bl_pipeline_run *run, size_t i);
void                 bl_pipeline_run_free(bl_pipeline_run *run);
/* Bytes that the model's part of a run has now: more than it began with where it plans as it goes.
 */
size_t bl_pipeline_run_size(const bl_pipeline_run *run);

/* Packs pipeline.toml, its model and every file that its steps name, all from the folder in which
 * it lies, into *out.  The same files give the same bytes.
 * Errors: INPUT (line and column), NOT_FOUND, DENIED, IO, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_pipeline_pack(const char *path, bl_buf *out, blind_error *err);

#endif
