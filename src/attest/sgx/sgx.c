/* SGX's row of the table of TEEs. */
#include "attest/intel/row.h"
#include "attest/intel/verify.h"

static const bl_register_row registers[] = {
    { "mrenclave", 32, 0 },
    { "mrsigner", 32, 0 },
    { NULL, 0, 0 },
};

static const bl_fact_row facts[] = {
    BL_NUMBER("quote_version", BLIND_OK),
    BL_BYTES("cpu_svn", 16, BLIND_OK),
    BL_NUMBER("misc_select", BLIND_OK),
    BL_NUMBER("attributes_flags", BLIND_OK),
    BL_NUMBER("attributes_xfrm", BLIND_OK),
    BL_NUMBER("isv_prod_id", BLIND_OK),
    BL_NUMBER("isv_svn", BLIND_OK),
    BL_BYTES("isv_ext_prod_id", 16, BLIND_OK),
    BL_BYTES("isv_family_id", 16, BLIND_OK),
    BL_BYTES("config_id", 64, BLIND_OK),
    BL_NUMBER("config_svn", BLIND_OK),
    BL_INTEL_PLATFORM_FACTS,
    BL_NO_MORE_FACTS,
};

/* The best first.  "NotSupported" is not among them: no policy can allow it. */
static const char *const tcb_statuses[] = {
    BL_INTEL_GOOD_STATUSES,
    BL_INTEL_BAD_STATUSES,
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
