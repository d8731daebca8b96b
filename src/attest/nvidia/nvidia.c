/* The row of NVIDIA GPUs. */
#include "attest/nvidia/nvidia.h"

#define M(n)                                                                                       \
    {                                                                                              \
        "m" #n, 48, 0                                                                              \
    }
#define M8(a, b, c, d, e, f, g, h) M(a), M(b), M(c), M(d), M(e), M(f), M(g), M(h)

/* By the index of SPDM's blocks. */
static const bl_register_row registers[] = {
    M8(1, 2, 3, 4, 5, 6, 7, 8),
    M8(9, 10, 11, 12, 13, 14, 15, 16),
    M8(17, 18, 19, 20, 21, 22, 23, 24),
    M8(25, 26, 27, 28, 29, 30, 31, 32),
    M8(33, 34, 35, 36, 37, 38, 39, 40),
    M8(41, 42, 43, 44, 45, 46, 47, 48),
    M8(49, 50, 51, 52, 53, 54, 55, 56),
    M8(57, 58, 59, 60, 61, 62, 63, 64),
    { NULL, 0, 0 },
};

static const bl_fact_row facts[] = {
    { .name = "nonce", .kind = BL_FACT_BYTES, .size = 32, .code = BLIND_BINDING },
    { .name = "driver_branch", .kind = BL_FACT_NUMBER },
    { .name = "driver_version", .kind = BL_FACT_TEXT },
    { .name = "vbios_version", .kind = BL_FACT_TEXT },
    { .name = "chip_sku", .kind = BL_FACT_TEXT },
    { .name = "project", .kind = BL_FACT_TEXT },
    { .name = "project_sku", .kind = BL_FACT_TEXT },
    { .name = "board_id", .kind = BL_FACT_NUMBER },
    { .name = "fwid", .kind = BL_FACT_BYTES, .size = 48 },
    { .name = NULL },
};

const bl_tee bl_tee_nvidia = {
    .name = "nvidia",
    .report_data_size = 32,
    .registers = registers,
    .facts = facts,
    .roots = &bl_nvidia_roots,
    .silent_on_debug = true,
    .verify = bl_nvidia_verify,
};
