/* A whole ONNX load: parse, check, infer, fold, fuse, pack and plan, under tiny limits; then one
 * run on zeros where the inputs are small. */
#include "onnx/onnx.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUTS = 4, MOST_ELEMENTS = 4096, MOST_STEPS = 10 };

static const int64_t zeros[MOST_ELEMENTS];

static void run_on_zeros(bl_onnx *model)
{
    blind_tensor        inputs[MOST_INPUTS];
    size_t              n;
    bl_onnx_run        *run;
    const bl_onnx_port *ports = bl_onnx_inputs(model, &n);
    if (n > MOST_INPUTS)
        return;
    for (size_t i = 0; i < n; i++) {
        size_t len = 1;
        inputs[i] = (blind_tensor){ .name = ports[i].name,
                                    .dtype = ports[i].dtype,
                                    .rank = ports[i].rank < 0 ? 1 : ports[i].rank,
                                    .data = (void *)(uintptr_t)zeros };
        for (int d = 0; d < inputs[i].rank; d++) {
            int64_t dim = ports[i].rank < 0 || ports[i].shape[d] < 0 ? 2 : ports[i].shape[d];
            if (dim > MOST_ELEMENTS || (len *= (size_t)dim) > MOST_ELEMENTS)
                return;
            inputs[i].shape[d] = dim;
        }
        inputs[i].size = len * blind_dtype_size(ports[i].dtype);
    }
    if (bl_onnx_run_new(model, inputs, n, &run, NULL) != BLIND_OK)
        return;
    blind_code code = BLIND_AGAIN;
    for (int i = 0; i < MOST_STEPS && code == BLIND_AGAIN; i++) /* a loop may have no end */
        code = bl_onnx_run_step(run, 10000000, NULL);
    bl_onnx_run_free(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_onnx_options options = { .isa = BL_ISA_SCALAR, .max_memory = 256u << 10 };
    bl_onnx        *model;
    if (bl_onnx_open((blind_span){ data, size }, &options, &model, NULL) == BLIND_OK)
        run_on_zeros(model);
    bl_onnx_close(model);
    return 0;
}
