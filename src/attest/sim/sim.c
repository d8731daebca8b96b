/* The simulated TEE's row, and its lies by name. */
#include "attest/sim/sim.h"

static const bl_register_row registers[] = { { "measurement", 48, 0 }, { NULL, 0, 0 } };

const bl_tee bl_tee_sim = {
    .name = "sim",
    .report_data_size = 64,
    .simulated = true,
    .registers = registers,
    .open = bl_sim_open,
    .collect = bl_sim_collect,
    .close = bl_sim_close,
    .verify = bl_sim_verify,
};

static const struct {
    const char *name;
    bl_sim_lie  lie;
} lies[] = {
    { "measurement", BL_SIM_LIE_MEASUREMENT },
    { "debug", BL_SIM_LIE_DEBUG },
    { "binding", BL_SIM_LIE_BINDING },
    { "signature", BL_SIM_LIE_SIGNATURE },
    { "log", BL_SIM_LIE_LOG },
};

static unsigned lie_of(blind_span name)
{
    for (size_t i = 0; i < BL_LEN(lies); i++)
        if (bl_span_equal(name, bl_span_str(lies[i].name)))
            return lies[i].lie;
    return 0;
}

blind_code bl_sim_lies_parse(const char *text, unsigned *out, blind_error *err)
{
    unsigned flags = 0;
    *out = 0;
    for (const char *at = text;; at++) {
        size_t   size = strcspn(at, ",");
        unsigned lie = lie_of(bl_span(at, size));
        if (!lie)
            return blind_fail(
                err, BLIND_USAGE, "sim.lies",
                "no lie '%.*s': there are measurement, debug, binding, signature, log",
                (int)BL_MIN(size, 40), at);
        flags |= lie;
        at += size;
        if (!*at)
            break;
    }
    *out = flags;
    return BLIND_OK;
}

void bl_sim_lie_log(unsigned sim_lies, bl_buf *log)
{
    if (sim_lies & BL_SIM_LIE_LOG && log->size)
        log->data[log->size - 1] ^= 1;
}
