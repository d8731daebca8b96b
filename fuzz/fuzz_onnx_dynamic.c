/* Models that plan as they run: bodies, functions, sequences, shapes that depend on values.  Loads
 * under tiny limits, with weights in another file there to be had, then runs on small whole numbers
 * for a few steps; what goes on after those is cancelled. */
#include "onnx/onnx.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUTS = 4, MOST_ELEMENTS = 1024, ITEMS = 3, STEPS = 8, STEP_NS = 2000000 };

static const uint8_t zeros[8 * MOST_ELEMENTS];
static uint8_t       ones[8 * MOST_ELEMENTS];

static blind_code another_file(void *arg, const char *location, blind_span *out, blind_error *err)
{
    (void)arg;
    *out = (blind_span){ zeros, sizeof zeros / 2 };
    return strcmp(location, "w.bin") == 0
               ? BLIND_OK
               : blind_fail(err, BLIND_NOT_FOUND, "fuzz", "no such file");
}

/* A tensor for the port, of ones where that is a number of the type; false when it is too large. */
static bool make_tensor(const bl_onnx_port *port, blind_tensor *out)
{
    size_t len = 1, element = blind_dtype_size(port->dtype);
    *out = (blind_tensor){ .name = port->name,
                           .dtype = port->dtype,
                           .rank = port->rank < 0 ? 1 : port->rank };
    for (int d = 0; d < out->rank; d++) {
        int64_t dim = port->rank < 0 || port->shape[d] < 0 ? 2 : port->shape[d];
        if (dim > MOST_ELEMENTS || (len *= (size_t)dim) > MOST_ELEMENTS)
            return false;
        out->shape[d] = dim;
    }
    for (size_t i = 0; i < sizeof ones; i++)
        ones[i] = i % 8 == 0; /* every integer type reads 1 or 0 */
    bool integers = port->dtype == BLIND_I64 || port->dtype == BLIND_BOOL;
    out->data = (void *)(uintptr_t)(integers ? ones : zeros); /* strings: all empty */
    out->size = len * (port->dtype == BLIND_STRING ? 4 : element);
    return true;
}

static void count(void *arg, const char *type, const char *name, uint64_t ns)
{
    *(size_t *)arg += strlen(type) + strlen(name) + (ns > 0);
}

static void list(void *arg, const char *domain, const char *type, const char *name, int64_t opset)
{
    *(size_t *)arg += strlen(domain) + strlen(type) + strlen(name) + (opset > 0);
}

static void run(bl_onnx *model)
{
    blind_tensor        tensors[MOST_INPUTS][ITEMS];
    bl_onnx_value       inputs[MOST_INPUTS];
    size_t              n;
    bl_onnx_run        *under_way;
    const bl_onnx_port *ports = bl_onnx_inputs(model, &n);
    if (n > MOST_INPUTS)
        return;
    for (size_t i = 0; i < n; i++) {
        size_t len = ports[i].sequence ? ITEMS : 1;
        for (size_t k = 0; k < len; k++)
            if (!make_tensor(&ports[i], &tensors[i][k]))
                return;
        inputs[i] = (bl_onnx_value){ .name = ports[i].name,
                                     .kind = ports[i].sequence ? BL_ONNX_SEQUENCE : BL_ONNX_TENSOR,
                                     .items = tensors[i],
                                     .len = len };
    }
    if (bl_onnx_run_start(model, inputs, n, &under_way, NULL) != BLIND_OK)
        return;
    blind_code code = BLIND_AGAIN;
    for (int i = 0; i < STEPS && code == BLIND_AGAIN; i++)
        code = bl_onnx_run_step(under_way, STEP_NS, NULL);
    bl_onnx_run_free(under_way);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          told = 0;
    bl_onnx_options options = { .isa = BL_ISA_SCALAR,
                                .max_memory = 512u << 10,
                                .files = { another_file, NULL },
                                .unsupported = list,
                                .unsupported_arg = &told };
    bl_onnx        *model;
    if (bl_onnx_open((blind_span){ data, size }, &options, &model, NULL) == BLIND_OK) {
        bl_onnx_set_trace(model, count, &told);
        for (int again = 0; again < 2; again++)
            run(model);
        (void)bl_onnx_outputs(model, &told);
        (void)bl_onnx_cost_of(model);
    }
    bl_onnx_close(model);
    return 0;
}
