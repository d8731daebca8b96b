/* The row of SEV-SNP: what policies may say of it. */
#include "attest/snp/snp.h"

static const bl_register_row registers[] = {
    { "measurement", 48, 0 },       { "host_data", 32, 0 }, { "id_key_digest", 48, 0 },
    { "author_key_digest", 48, 0 }, { NULL, 0, 0 },
};

#define NUMBER(fact)                                                                               \
    {                                                                                              \
        .name = (fact), .kind = BL_FACT_NUMBER, .code = BLIND_ISOLATION                            \
    }
#define LEVEL(fact)                                                                                \
    {                                                                                              \
        .name = (fact), .kind = BL_FACT_NUMBER, .code = BLIND_TCB                                  \
    }
#define FLAG(fact)                                                                                 \
    {                                                                                              \
        .name = (fact), .kind = BL_FACT_FLAG, .code = BLIND_ISOLATION                              \
    }
#define BYTES(fact, many)                                                                          \
    {                                                                                              \
        .name = (fact), .kind = BL_FACT_BYTES, .size = (many)                                      \
    }

static const bl_fact_row facts[] = {
    NUMBER("version"),
    { .name = "guest_svn", .kind = BL_FACT_NUMBER, .code = BLIND_CODE },
    { .name = "vmpl", .kind = BL_FACT_NUMBER, .fallback = BL_AT_MOST, .code = BLIND_VMPL },
    NUMBER("policy"),
    NUMBER("abi_minor"),
    NUMBER("abi_major"),
    NUMBER("platform_info"),
    LEVEL("firmware_major"),
    LEVEL("firmware_minor"),
    LEVEL("firmware_build"),
    NUMBER("cpuid_family"),
    NUMBER("cpuid_model"),
    NUMBER("cpuid_stepping"),
    LEVEL("launch_mitigations"),
    LEVEL("current_mitigations"),
    LEVEL("tcb_fmc"),
    LEVEL("tcb_bootloader"),
    LEVEL("tcb_tee"),
    LEVEL("tcb_snp"),
    LEVEL("tcb_microcode"),
    FLAG("smt_allowed"),
    FLAG("migration_allowed"),
    FLAG("debug_allowed"),
    FLAG("single_socket"),
    FLAG("cxl_allowed"),
    FLAG("aes_256_xts_required"),
    FLAG("rapl_off_required"),
    FLAG("ciphertext_hiding_required"),
    FLAG("page_swap_off"),
    FLAG("smt"),
    FLAG("tsme"),
    FLAG("ecc"),
    FLAG("rapl_off"),
    FLAG("ciphertext_hiding"),
    FLAG("alias_check"),
    FLAG("tio"),
    FLAG("author_key"),
    BYTES("family_id", 16),
    BYTES("image_id", 16),
    BYTES("report_id", 32),
    BYTES("report_id_ma", 32),
    BYTES("chip_id", 64),
    BYTES("csp", 0),
    { .name = NULL },
};

const bl_tee bl_tee_snp = {
    .name = "snp",
    .report_data_size = 64,
    .registers = registers,
    .facts = facts,
    .tcb_statuses = bl_snp_tcb_statuses,
    .roots = &bl_snp_roots,
    .has_crl = true,
    .crl_if_given = true, /* neither hosts nor devices hand it out */
    .open = bl_snp_open,
    .collect = bl_snp_collect,
    .endorse = bl_snp_endorse,
    .close = bl_snp_close,
    .verify = bl_snp_verify,
};
