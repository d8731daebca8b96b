/* The report's fields as claims: registers, facts and propositions, as they were read. */
#include "attest/snp/internal.h"

static void claim_registers(const bl_snp_report *r, bl_claims *out)
{
    bl_claim_measurement(out, "measurement", r->measurement);
    bl_claim_measurement(out, "host_data", r->host_data);
    bl_claim_measurement(out, "id_key_digest", r->id_key_digest);
    bl_claim_measurement(out, "author_key_digest", r->author_key_digest);
}

static void claim_numbers(const bl_snp_report *r, bl_claims *out)
{
    bl_claim_number(out, "version", r->version);
    bl_claim_number(out, "guest_svn", r->guest_svn);
    bl_claim_number(out, "vmpl", r->vmpl);
    bl_claim_number(out, "policy", r->policy);
    bl_claim_number(out, "abi_minor", r->policy & 0xff);
    bl_claim_number(out, "abi_major", r->policy >> 8 & 0xff);
    bl_claim_number(out, "platform_info", r->platform_info);
    bl_claim_number(out, "firmware_major", r->major);
    bl_claim_number(out, "firmware_minor", r->minor);
    bl_claim_number(out, "firmware_build", r->build);
    if (r->has_cpuid) {
        bl_claim_number(out, "cpuid_family", r->family);
        bl_claim_number(out, "cpuid_model", r->model);
        bl_claim_number(out, "cpuid_stepping", r->stepping);
    }
    if (r->has_mitigations) {
        bl_claim_number(out, "launch_mitigations", r->launch_mitigations);
        bl_claim_number(out, "current_mitigations", r->current_mitigations);
    }
}

static void claim_flags(const bl_snp_report *r, bl_claims *out)
{
    static const struct {
        const char *name;
        uint64_t    bit;
        bool        platform; /* of the platform's info, else of the guest's policy */
    } flags[] = {
        { "smt_allowed", BL_SNP_POLICY_SMT, false },
        { "migration_allowed", BL_SNP_POLICY_MIGRATE, false },
        { "debug_allowed", BL_SNP_POLICY_DEBUG, false },
        { "single_socket", BL_SNP_POLICY_SINGLE_SOCKET, false },
        { "cxl_allowed", BL_SNP_POLICY_CXL, false },
        { "aes_256_xts_required", BL_SNP_POLICY_AES_256_XTS, false },
        { "rapl_off_required", BL_SNP_POLICY_RAPL_OFF, false },
        { "ciphertext_hiding_required", BL_SNP_POLICY_CIPHERTEXT, false },
        { "page_swap_off", BL_SNP_POLICY_PAGE_SWAP_OFF, false },
        { "smt", BL_SNP_PLATFORM_SMT, true },
        { "tsme", BL_SNP_PLATFORM_TSME, true },
        { "ecc", BL_SNP_PLATFORM_ECC, true },
        { "rapl_off", BL_SNP_PLATFORM_RAPL_OFF, true },
        { "ciphertext_hiding", BL_SNP_PLATFORM_CIPHERTEXT, true },
        { "alias_check", BL_SNP_PLATFORM_ALIAS_CHECK, true },
        { "tio", BL_SNP_PLATFORM_TIO, true },
    };
    for (size_t i = 0; i < BL_LEN(flags); i++)
        bl_claim_flag(out, flags[i].name,
                      (flags[i].platform ? r->platform_info : r->policy) & flags[i].bit);
    bl_claim_flag(out, "author_key", r->author_key);
}

static void claim_bytes(const bl_snp_report *r, bl_claims *out)
{
    bl_claim_bytes(out, "family_id", r->family_id);
    bl_claim_bytes(out, "image_id", r->image_id);
    bl_claim_bytes(out, "report_id", r->report_id);
    bl_claim_bytes(out, "report_id_ma", r->report_id_ma);
}

/* The guest's policy binds every platform it may run on; the platform's info says how this one
 * runs, and a guest that may migrate may come to run on another. */
static blind_state smt_off(const bl_snp_report *r)
{
    if (!(r->policy & BL_SNP_POLICY_SMT))
        return BLIND_PROVEN;
    if (r->platform_info & BL_SNP_PLATFORM_SMT)
        return BLIND_REFUTED;
    return r->policy & BL_SNP_POLICY_MIGRATE ? BLIND_UNKNOWN : BLIND_PROVEN;
}

void bl_snp_claim(const bl_snp_report *r, bl_claims *out)
{
    bool debug = r->policy & BL_SNP_POLICY_DEBUG;
    out->report_data = r->report_data;
    out->not_debuggable = debug ? BLIND_REFUTED : BLIND_PROVEN;
    out->memory_encrypted =
        debug ? BLIND_REFUTED : BLIND_PROVEN; /* the host may ask for it plain */
    out->smt_off = smt_off(r);
    out->migration_off = r->policy & BL_SNP_POLICY_MIGRATE ? BLIND_REFUTED : BLIND_PROVEN;
    out->trusts_firmware = true; /* AMD's secure processor measures, encrypts and signs */
    claim_registers(r, out);
    claim_numbers(r, out);
    claim_flags(r, out);
    claim_bytes(r, out);
}

void bl_snp_claim_tcb(const bl_snp_product *product, const bl_snp_report *r, bl_claims *out)
{
    static const char *const names[] = {
        [BL_SNP_FMC] = "tcb_fmc", [BL_SNP_BOOTLOADER] = "tcb_bootloader", [BL_SNP_TEE] = "tcb_tee",
        [BL_SNP_SNP] = "tcb_snp", [BL_SNP_MICROCODE] = "tcb_microcode",
    };
    bl_snp_tcb tcb = bl_snp_tcb_of(product, r->reported_tcb);
    for (size_t i = 0; i < BL_LEN(names); i++)
        if (i != BL_SNP_FMC || product->fmc)
            bl_claim_number(out, names[i], tcb.level[i]);
}
