/* SGX's row of the table of TEEs. */
#include "attest/intel/verify.h"

static const bl_register_row registers[] = {
    { "mrenclave", 32, 0 },
    { "mrsigner", 32, 0 },
    { NULL, 0, 0 },
};

#define NUMBER(name)                                                                               \
    {                                                                                              \
        name, BL_FACT_NUMBER, 0, BL_FREE, 0, BLIND_OK                                              \
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
    BYTES("cpu_svn", 16),
    NUMBER("misc_select"),
    NUMBER("attributes_flags"),
    NUMBER("attributes_xfrm"),
    NUMBER("isv_prod_id"),
    NUMBER("isv_svn"),
    BYTES("isv_ext_prod_id", 16),
    BYTES("isv_family_id", 16),
    BYTES("config_id", 64),
    NUMBER("config_svn"),
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
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
    NULL,
};

const bl_tee bl_tee_sgx = {
    .name = "sgx",
    .report_data_size = 64,
    .registers = registers,
    .facts = facts,
    .tcb_statuses = tcb_statuses,
    .roots = &bl_intel_roots,
    .has_collateral = true,
    .has_crl = true,
    .open = bl_sgx_open,
    .collect = bl_sgx_collect,
    .close = bl_sgx_close,
    .verify = bl_sgx_verify,
};
