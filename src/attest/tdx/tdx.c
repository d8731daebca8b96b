/* TDX's row of the table of TEEs. */
#include "attest/intel/verify.h"

static const bl_register_row registers[] = {
    { "mrtd", 48, 0 },         { "rtmr0", 48, 0 },         { "rtmr1", 48, 0 },
    { "rtmr2", 48, 0 },        { "rtmr3", 48, 0 },         { "mrconfigid", 48, 0 },
    { "mrowner", 48, 0 },      { "mrownerconfig", 48, 0 }, { "mrseam", 48, 0 },
    { "mrsignerseam", 48, 0 }, { "mrservicetd", 48, 0 },   { NULL, 0, 0 },
};

#define NUMBER(name)                                                                               \
    {                                                                                              \
        name, BL_FACT_NUMBER, 0, BL_FREE, 0, BLIND_OK                                              \
    }
#define FLAG(name)                                                                                 \
    {                                                                                              \
        name, BL_FACT_FLAG, 0, BL_FREE, 0, BLIND_ISOLATION                                         \
    }
#define BYTES(name, size)                                                                          \
    {                                                                                              \
        name, BL_FACT_BYTES, size, BL_FREE, 0, BLIND_OK                                            \
    }
#define TCB(name)                                                                                  \
    {                                                                                              \
        name, BL_FACT_NUMBER, 0, BL_FREE, 0, BLIND_TCB                                             \
    }

static const bl_fact_row facts[] = {
    NUMBER("quote_version"),
    BYTES("tee_tcb_svn", 16),
    BYTES("tee_tcb_svn_2", 16),
    NUMBER("seam_attributes"),
    NUMBER("td_attributes"),
    NUMBER("xfam"),
    FLAG("sept_ve_disable"),
    FLAG("migratable"),
    FLAG("pks"),
    FLAG("key_locker"),
    FLAG("perfmon"),
    BYTES("fmspc", 6),
    BYTES("tcb_components", 16),
    TCB("pce_svn"),
    TCB("qe_isv_svn"),
    TCB("tcb_eval"),
    { NULL, BL_FACT_NUMBER, 0, BL_FREE, 0, BLIND_OK },
};

/* The best first.  "NotSupported" is not among them: no policy can allow it. */
static const char *const tcb_statuses[] = {
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
    NULL,
};

const bl_tee bl_tee_tdx = {
    .name = "tdx",
    .report_data_size = 64,
    .registers = registers,
    .facts = facts,
    .tcb_statuses = tcb_statuses,
    .roots = &bl_intel_roots,
    .has_collateral = true,
    .has_crl = true,
    .open = bl_tdx_open,
    .collect = bl_tdx_collect,
    .endorse = bl_tdx_endorse,
    .close = bl_tdx_close,
    .verify = bl_tdx_verify,
};
