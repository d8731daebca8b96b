/* SGX quotes, fields to claims. */
#include "attest/intel/verify.h"

static void claim_report(const bl_quote *quote, const bl_sgx_report *r, bl_claims *out)
{
    bl_claim_measurement(out, "mrenclave", r->mrenclave);
    bl_claim_measurement(out, "mrsigner", r->mrsigner);
    bl_claim_number(out, "quote_version", quote->version);
    bl_claim_bytes(out, "cpu_svn", r->cpu_svn);
    bl_claim_number(out, "misc_select", r->misc_select);
    bl_claim_number(out, "attributes_flags", r->flags);
    bl_claim_number(out, "attributes_xfrm", r->xfrm);
    bl_claim_number(out, "isv_prod_id", r->isv_prod_id);
    bl_claim_number(out, "isv_svn", r->isv_svn);
    bl_claim_bytes(out, "isv_ext_prod_id", r->isv_ext_prod_id);
    bl_claim_bytes(out, "isv_family_id", r->isv_family_id);
    bl_claim_bytes(out, "config_id", r->config_id);
    bl_claim_number(out, "config_svn", r->config_svn);
    out->report_data = r->report_data;
    out->not_debuggable = r->flags & BL_SGX_FLAG_DEBUG ? BLIND_REFUTED : BLIND_PROVEN;
    out->memory_encrypted = BLIND_PROVEN;
    out->migration_off = BLIND_PROVEN; /* an enclave's pages never leave their processor */
}

blind_code bl_sgx_verify(const bl_verify_input *in, bl_claims *out, blind_error *err)
{
    bl_sgx_report report;
    bl_intel_case c = { .in = in, .out = out };
    out->tee = "sgx";
    BL_TRY(bl_intel_open(&c, BL_QUOTE_SGX, err));
    BL_TRY(bl_sgx_report_parse(c.quote.body, &report, err));
    claim_report(&c.quote, &report, out);
    bl_intel_steps(&c);
    bl_find(out, "enclave", (report.flags & BL_SGX_FLAG_INIT) != 0, BLIND_EVIDENCE,
            "initialised (ATTRIBUTES bit 0)",
            report.flags & BL_SGX_FLAG_INIT ? "initialised (ATTRIBUTES bit 0)" : "not initialised",
            "Intel SDM volume 3D, 34.7.1 (ATTRIBUTES)");
    bl_intel_close(&c);
    return bl_findings_code(out, err);
}
