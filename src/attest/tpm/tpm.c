/* The TPM's row. */
#include "attest/tpm/tpm.h"

#include "attest/tpm/device.h"

static const bl_register_row registers[] = {
    { "pcr0", 32, 48 },  { "pcr1", 32, 48 },  { "pcr2", 32, 48 },  { "pcr3", 32, 48 },
    { "pcr4", 32, 48 },  { "pcr5", 32, 48 },  { "pcr6", 32, 48 },  { "pcr7", 32, 48 },
    { "pcr8", 32, 48 },  { "pcr9", 32, 48 },  { "pcr10", 32, 48 }, { "pcr11", 32, 48 },
    { "pcr12", 32, 48 }, { "pcr13", 32, 48 }, { "pcr14", 32, 48 }, { "pcr15", 32, 48 },
    { NULL, 0, 0 },
};

static const bl_fact_row facts[] = {
    BL_NUMBER("clock_ms", BLIND_OK),
    BL_FLAG("clock_safe", BLIND_OK),
    BL_NUMBER("reset_count", BLIND_OK),
    BL_NUMBER("restart_count", BLIND_OK),
    BL_NUMBER("firmware_version", BLIND_OK),
    BL_FLAG("discrete", BLIND_OK),
    BL_FLAG("firmware", BLIND_OK),
    BL_FLAG("virtual", BLIND_OK),
    BL_NO_MORE_FACTS,
};

const bl_tee bl_tee_tpm = {
    .name = "tpm",
    .report_data_size = 64,
    .registers = registers,
    .facts = facts,
    .roots = &bl_tpm_roots,
    .has_crl = true, /* of the hardware behind an HCL report */
    .crl_if_given = true,
    .has_pins = true,
    .has_sha1 = true,
    .silent_on_debug = true,
    .runtime_register = "pcr15",
#ifdef BLIND_TSS
    .open = bl_tpm_open,
    .collect = bl_tpm_collect,
    .endorse = bl_tpm_endorse,
    .activate = bl_tpm_activate,
    .extend = bl_tpm_extend,
    .extended = bl_tpm_extended,
    .close = bl_tpm_close,
#endif
    .verify = bl_tpm_verify,
};
