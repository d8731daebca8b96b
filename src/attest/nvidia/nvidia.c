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
    BL_BYTES("nonce", 32, BLIND_BINDING),
    BL_NUMBER("driver_branch", BLIND_OK),
    BL_TEXT("driver_version"),
    BL_TEXT("vbios_version"),
    BL_TEXT("chip_sku"),
    BL_TEXT("project"),
    BL_TEXT("project_sku"),
    BL_NUMBER("board_id", BLIND_OK),
    BL_BYTES("fwid", 48, BLIND_OK),
    BL_NO_MORE_FACTS,
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
