/* Whether a model keeps rows apart: tried on made-up rows before any client's are joined.
 *
 * A row is run beside one other and then beside another: its answer must be the same to the bit.  A
 * model that normalises over its batch, or counts it, fails.  One that was made to deceive may wait
 * for a value that this does not try: for models of strangers it is no proof. */
#ifndef BL_ONNX_PROBE_H
#define BL_ONNX_PROBE_H

#include "onnx/onnx.h"

typedef enum {
    BL_PROBE_MIXED,   /* a row's answer depends on its neighbour */
    BL_PROBE_UNKNOWN, /* no shape or value tried here suits the model */
    BL_PROBE_APART,
} bl_probe;

/* options  as the model will have; the pool is not used
 * Errors: those of bl_onnx_open(), MEMORY */
BLIND_MUST_USE blind_code bl_onnx_probe(blind_span file, const bl_onnx_options *options,
                                        bl_probe *out, blind_error *err);

#endif
