/* TDX's row of the table of TEEs. */
#include "attest/intel/row.h"
#include "attest/intel/verify.h"

static const bl_register_row registers[] = {
    { "mrtd", 48, 0 },         { "rtmr0", 48, 0 },         { "rtmr1", 48, 0 },
    { "rtmr2", 48, 0 },        { "rtmr3", 48, 0 },         { "mrconfigid", 48, 0 },
    { "mrowner", 48, 0 },      { "mrownerconfig", 48, 0 }, { "mrseam", 48, 0 },
    { "mrsignerseam", 48, 0 }, { "mrservicetd", 48, 0 },   { NULL, 0, 0 },
};

static const bl_fact_row facts[] = {
    BL_NUMBER("quote_version", BLIND_OK),
    BL_BYTES("tee_tcb_svn", 16, BLIND_OK),
    BL_BYTES("tee_tcb_svn_2", 16, BLIND_OK),
    BL_NUMBER("seam_attributes", BLIND_OK),
    BL_NUMBER("td_attributes", BLIND_OK),
    BL_NUMBER("xfam", BLIND_OK),
    BL_FLAG("sept_ve_disable", BLIND_ISOLATION),
    BL_FLAG("migratable", BLIND_ISOLATION),
    BL_FLAG("pks", BLIND_ISOLATION),
    BL_FLAG("key_locker", BLIND_ISOLATION),
    BL_FLAG("perfmon", BLIND_ISOLATION),
    BL_INTEL_PLATFORM_FACTS,
    BL_NO_MORE_FACTS,
};

/* The best first.  "NotSupported" is not among them: no policy can allow it. */
static const char *const tcb_statuses[] = {
    BL_INTEL_GOOD_STATUSES,
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
    BL_INTEL_BAD_STATUSES,
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
