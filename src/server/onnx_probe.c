/* Rows beside other rows: see the header. */
#include "server/onnx_probe.h"

#include "base/arena.h"
#include "server/onnx_rows.h"

#include <stdlib.h>

enum { ROWS = 2, RUNS = 3 };

typedef struct {
    bl_onnx            *model;
    const bl_onnx_port *inputs;
    size_t              inputs_len, outputs_len;
    int64_t             free_dim; /* for axes that are not fixed */
    bl_onnx_run        *runs[RUNS];
    bl_arena            arena;
} probe;

/* Numbers for row `seed`, the same each time: floats in [-1, 1), others 0 or 1. */
static void fill(blind_dtype dtype, uint8_t *to, size_t len, uint32_t seed)
{
    size_t size = blind_dtype_size(dtype);
    for (size_t i = 0; i < len; i++, to += size) {
        seed = seed * 1664525u + 1013904223u;
        float  f = (float)(int32_t)seed / 2147483648.0f;
        double d = (double)f;
        if (dtype == BLIND_F32)
            memcpy(to, &f, size);
        else if (dtype == BLIND_F64)
            memcpy(to, &d, size);
        else if (dtype == BLIND_F16)
            to[1] = (uint8_t)(0x38 | seed >> 31 << 7), to[0] = (uint8_t)(seed >> 16);
        else if (dtype == BLIND_BF16)
            to[1] = (uint8_t)(0x3f | seed >> 31 << 7), to[0] = (uint8_t)(seed >> 17 & 0x7f);
        else
            to[0] = (uint8_t)(seed >> 31); /* little-endian */
    }
}

static blind_code make_input(probe *p, const bl_onnx_port *port, const uint32_t seeds[ROWS],
                             blind_tensor *out, blind_error *err)
{
    size_t row = 1;
    *out = (blind_tensor){ .name = port->name, .dtype = port->dtype, .rank = port->rank };
    for (int i = 0; i < port->rank; i++) {
        out->shape[i] = i == 0 ? ROWS : port->shape[i] >= 0 ? port->shape[i] : p->free_dim;
        if (i > 0 && !bl_mul(row, (size_t)out->shape[i], &row))
            return blind_fail(err, BLIND_LIMIT, "onnx.probe", "an input too large to try");
    }
    out->data = bl_arena_array(&p->arena, row, ROWS * blind_dtype_size(port->dtype));
    if (!out->data)
        return blind_fail(err, BLIND_MEMORY, "onnx.probe", "no memory to try a model");
    out->size = row * ROWS * blind_dtype_size(port->dtype);
    for (size_t r = 0; r < ROWS; r++)
        fill(port->dtype, (uint8_t *)out->data + r * out->size / ROWS, row, seeds[r]);
    return BLIND_OK;
}

static blind_code run_on(probe *p, const uint32_t seeds[ROWS], bl_onnx_run **out, blind_error *err)
{
    blind_tensor *inputs = bl_arena_array(&p->arena, p->inputs_len + 1, sizeof *inputs);
    if (!inputs)
        return blind_fail(err, BLIND_MEMORY, "onnx.probe", "no memory to try a model");
    for (size_t i = 0; i < p->inputs_len; i++)
        BL_TRY(make_input(p, &p->inputs[i], seeds, &inputs[i], err));
    BL_TRY(bl_onnx_run_new(p->model, inputs, p->inputs_len, out, err));
    return bl_onnx_run_step(*out, 0, err);
}

/* Row r of every output is the same in both runs. */
static bool same_row(const probe *p, const bl_onnx_run *a, const bl_onnx_run *b, size_t r)
{
    for (size_t i = 0; i < p->outputs_len; i++) {
        const blind_tensor *one = bl_onnx_run_output(a, i), *other = bl_onnx_run_output(b, i);
        blind_tensor        x, y;
        if (!one || !other || bl_rows_slice(one, ROWS, r, 1, &x, NULL) != BLIND_OK ||
            bl_rows_slice(other, ROWS, r, 1, &y, NULL) != BLIND_OK || x.size != y.size ||
            memcmp(x.data, y.data, x.size) != 0)
            return false;
    }
    return true;
}

static blind_code try_rows(probe *p, bl_probe *out, blind_error *err)
{
    static const uint32_t seeds[RUNS][ROWS] = { { 1, 2 }, { 1, 3 }, { 4, 2 } };
    *out = BL_PROBE_UNKNOWN;
    for (size_t i = 0; i < RUNS; i++)
        BL_TRY(run_on(p, seeds[i], &p->runs[i], err));
    bool apart = same_row(p, p->runs[0], p->runs[1], 0) && same_row(p, p->runs[0], p->runs[2], 1);
    *out = apart ? BL_PROBE_APART : BL_PROBE_MIXED;
    return BLIND_OK;
}

static void end_runs(probe *p)
{
    for (size_t i = 0; i < RUNS; i++) {
        bl_onnx_run_free(p->runs[i]);
        p->runs[i] = NULL;
    }
    bl_arena_done(&p->arena);
}

blind_code bl_onnx_probe(blind_span file, const bl_onnx_options *options, bl_probe *out,
                         blind_error *err)
{
    static const int64_t dims[] = { 8, 32, 224 };
    bl_onnx_options      alone = *options;
    probe                p = { 0 };
    blind_code           code = BLIND_OK;
    *out = BL_PROBE_UNKNOWN;
    alone.pool = NULL; /* it is the executor's */
    BL_TRY(bl_onnx_open(file, &alone, &p.model, err));
    p.inputs = bl_onnx_inputs(p.model, &p.inputs_len);
    (void)bl_onnx_outputs(p.model, &p.outputs_len);
    for (size_t i = 0; i < BL_LEN(dims) && *out == BL_PROBE_UNKNOWN && code != BLIND_MEMORY; i++) {
        p.free_dim = dims[i];
        code = try_rows(&p, out, err);
        end_runs(&p);
    }
    bl_onnx_close(p.model);
    return code == BLIND_MEMORY ? code : BLIND_OK;
}
