/* Collateral against the quote: revocation, currency, identities, TCB.
 * Source: Intel SGX DCAP Quote Verification Library, sections 4.1.2.4.5 to 4.1.2.4.17. */
#include "attest/intel/verify.h"

#define SOURCE_LIBRARY(section) "Intel SGX DCAP Quote Verification Library, " section

static const char STAGE[] = "intel.collateral";

/* ---- steps that collateral.c took ---- */

static blind_code step_code(const bl_intel_case *c, bl_collateral_step step, blind_error *err)
{
    *err = c->collateral->steps[step];
    return err->code == BLIND_NOT_FOUND ? BLIND_EVIDENCE : err->code;
}

static bool has(const bl_intel_case *c, bl_collateral_step step)
{
    return c->collateral->steps[step].code == BLIND_OK;
}

static blind_code at_window(const bl_intel_case *c, int64_t issue_s, int64_t next_s,
                            blind_error *err)
{
    int64_t now_s = c->in->now_s, age_s = c->in->rules->collateral_age_s;
    if (now_s <= 0)
        return blind_fail(err, BLIND_STALE, STAGE, "the time is unknown");
    if (now_s < issue_s)
        return blind_fail(err, BLIND_STALE, STAGE, "issued %lld s in the future",
                          (long long)(issue_s - now_s));
    if (now_s > next_s)
        return blind_fail(err, BLIND_STALE, STAGE, "nextUpdate passed %lld s ago",
                          (long long)(now_s - next_s));
    if (age_s > 0 && now_s - issue_s > age_s)
        return blind_fail(err, BLIND_STALE, STAGE, "issued %lld s ago, at most %lld",
                          (long long)(now_s - issue_s), (long long)age_s);
    return BLIND_OK;
}

static void judge_signing_chain(bl_intel_case *c)
{
    blind_error err;
    blind_code  code = step_code(c, BL_STEP_SIGNING_CHAIN, &err);
    if (code == BLIND_OK)
        code = bl_chain_at(&c->collateral->signing, c->in->now_s, &err);
    bl_find_step(c->out, c->in->arena, "TCB signing chain", code, &err,
                 "'Intel SGX TCB Signing' in force under Intel's SGX root key",
                 SOURCE_LIBRARY("4.1.2.2"));
}

/* ---- revocation ---- */

/* Whether a missing list is what the policy lets pass. */
static bool lets_pass(bl_intel_case *c, bl_collateral_step step, const char *name,
                      const char *expected)
{
    if (!c->in->rules->crl_optional || c->collateral->steps[step].code != BLIND_NOT_FOUND)
        return false;
    bl_find_beside(c->out, name, BLIND_UNKNOWN, BLIND_REVOKED, expected, "no revocation list",
                   "policy: crl = \"optional\"");
    return true;
}

static blind_code check_root_crl(const bl_intel_case *c, blind_error *err)
{
    const bl_crl *crl = c->collateral->root_crl;
    BL_TRY(step_code(c, BL_STEP_ROOT_CRL, err));
    BL_TRY(bl_crl_at(crl, c->in->now_s, err));
    BL_TRY(bl_crl_clears(crl, c->pck->chain.certs[1], err));
    if (!has(c, BL_STEP_SIGNING_CHAIN))
        return BLIND_OK; /* refused in its own step */
    return bl_crl_clears(crl, c->collateral->signing.certs[0], err);
}

static blind_code check_pck_crl(const bl_intel_case *c, blind_error *err)
{
    const bl_crl *crl = c->collateral->pck_crl;
    BL_TRY(step_code(c, BL_STEP_PCK_CRL, err));
    BL_TRY(bl_crl_at(crl, c->in->now_s, err));
    BL_TRY(at_window(c, bl_crl_this_update(crl), bl_crl_next_update(crl), err));
    return bl_crl_clears(crl, c->pck->chain.certs[0], err);
}

static void judge_revocation(bl_intel_case *c)
{
    static const char root[] = "a current list of Intel's root that names none of the authorities";
    static const char pck[] = "a current list of the PCK's authority that does not name the PCK";
    blind_error       err = { 0 };
    if (!lets_pass(c, BL_STEP_ROOT_CRL, "root CRL", root)) {
        blind_code code = check_root_crl(c, &err);
        bl_find_step(c->out, c->in->arena, "root CRL", code, &err, root,
                     SOURCE_LIBRARY("4.1.2.1, 4.1.2.3"));
    }
    if (!lets_pass(c, BL_STEP_PCK_CRL, "PCK CRL", pck)) {
        blind_code code = check_pck_crl(c, &err);
        bl_find_step(c->out, c->in->arena, "PCK CRL", code, &err, pck,
                     SOURCE_LIBRARY("4.1.2.4.6, 4.1.2.4.7"));
    }
}

/* ---- TCB info ---- */

static blind_code check_tcb_info(const bl_intel_case *c, blind_error *err)
{
    const bl_tcb_info *tcb = &c->collateral->tcb;
    const bl_pck      *pck = &c->pck->pck;
    BL_TRY(step_code(c, BL_STEP_TCB_INFO, err));
    BL_TRY(at_window(c, tcb->issue_s, tcb->next_s, err));
    if (tcb->tdx != (c->td != NULL))
        return blind_fail(err, BLIND_EVIDENCE, STAGE, "TCB info of %s", tcb->tdx ? "TDX" : "SGX");
    if (memcmp(tcb->fmspc, pck->fmspc, sizeof tcb->fmspc) != 0 ||
        memcmp(tcb->pce_id, pck->pce_id, sizeof tcb->pce_id) != 0)
        return blind_fail(err, BLIND_EVIDENCE, STAGE,
                          "TCB info of another family of platforms (FMSPC or PCEID)");
    return BLIND_OK;
}

static bool judge_tcb_info(bl_intel_case *c)
{
    blind_error err = { 0 };
    blind_code  code = check_tcb_info(c, &err);
    bl_find_step(c->out, c->in->arena, "TCB info", code, &err,
                 "current, signed by Intel, of this TEE and of the PCK's FMSPC and PCEID",
                 SOURCE_LIBRARY("4.1.2.4.9, 4.1.2.4.10"));
    return code == BLIND_OK;
}

/* ---- the quoting enclave ---- */

static bool masked_equal(const uint8_t *value, const uint8_t *mask, const uint8_t *wanted,
                         size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((value[i] & mask[i]) != wanted[i])
            return false;
    return true;
}

static blind_code check_qe_identity(const bl_intel_case *c, blind_error *err)
{
    const bl_qe_identity *qe = &c->collateral->qe;
    const bl_sgx_report  *report = &c->qe;
    const char           *differs = NULL;
    uint32_t              misc = report->misc_select;
    const uint8_t         bytes[] = { (uint8_t)misc, (uint8_t)(misc >> 8), (uint8_t)(misc >> 16),
                                      (uint8_t)(misc >> 24) };
    BL_TRY(step_code(c, BL_STEP_QE_IDENTITY, err));
    BL_TRY(at_window(c, qe->issue_s, qe->next_s, err));
    if (qe->tdx != (c->td != NULL))
        differs = "TEE";
    else if (!masked_equal(bytes, qe->misc_mask, qe->misc_select, 4))
        differs = "MISCSELECT";
    else if (!masked_equal(report->attributes.data, qe->attributes_mask, qe->attributes, 16))
        differs = "ATTRIBUTES";
    else if (!bl_span_equal(report->mrsigner, bl_span(qe->mrsigner, 32)))
        differs = "MRSIGNER";
    else if (report->isv_prod_id != qe->isv_prod_id)
        differs = "ISVPRODID";
    if (!differs)
        return BLIND_OK;
    return blind_fail(err, BLIND_EVIDENCE, STAGE, "another quoting enclave: its %s differs",
                      differs);
}

static bool judge_qe_identity(bl_intel_case *c)
{
    blind_error err = { 0 };
    blind_code  code = check_qe_identity(c, &err);
    bl_find_step(c->out, c->in->arena, "QE identity", code, &err,
                 "current, signed by Intel, and the quoting enclave that made the report",
                 SOURCE_LIBRARY("4.1.2.4.14, 4.1.2.4.15"));
    return code == BLIND_OK;
}

/* ---- the TDX module ---- */

static blind_code check_module(const bl_intel_case *c, blind_error *err)
{
    const bl_tcb_info   *info = &c->collateral->tcb;
    unsigned             major = c->td->tee_tcb_svn.data[1];
    const bl_tdx_module *module = major ? bl_tcb_module(info, major) : &info->module;
    if (!module)
        return blind_fail(err, BLIND_EVIDENCE, STAGE, "TCB info has no identity TDX_%02X", major);
    if (!bl_span_equal(c->td->mrsignerseam, bl_span(module->mrsigner, sizeof module->mrsigner)))
        return blind_fail(err, BLIND_EVIDENCE, STAGE, "another MRSIGNERSEAM");
    uint64_t found = c->td->seam_attributes, mask = 0, wanted = 0;
    for (size_t i = 8; i > 0; i--) {
        mask = mask << 8 | module->attributes_mask[i - 1];
        wanted = wanted << 8 | module->attributes[i - 1];
    }
    if (found == 0 && (found & mask) == wanted)
        return BLIND_OK;
    return blind_fail(err, BLIND_EVIDENCE, STAGE, "SEAMATTRIBUTES 0x%llx",
                      (unsigned long long)found);
}

static bool judge_module(bl_intel_case *c)
{
    blind_error err = { 0 };
    if (!c->td)
        return true;
    blind_code code = check_module(c, &err);
    bl_find_step(c->out, c->in->arena, "TDX module", code, &err,
                 "signer and attributes of the module that TCB info names",
                 SOURCE_LIBRARY("4.1.2.4.11"));
    return code == BLIND_OK;
}

/* ---- TCB ---- */

static void find_status(bl_intel_case *c, const char *name, bl_tcb_status status)
{
    bl_find_beside(c->out, name, status == BL_TCB_UP_TO_DATE ? BLIND_PROVEN : BLIND_REFUTED,
                   BLIND_TCB, "UpToDate", bl_tcb_status_name(status),
                   SOURCE_LIBRARY("4.1.2.4.15, 4.1.2.4.17"));
}

static void judge_tcb(bl_intel_case *c)
{
    const bl_tcb_info    *info = &c->collateral->tcb;
    const bl_qe_identity *qe = &c->collateral->qe;
    bl_claims            *out = c->out;
    bl_tcb_subject        subject = { .pck = &c->pck->pck, .qe_svn = c->qe.isv_svn };
    bl_tcb_standing       s;
    if (c->td) {
        subject.tee_tcb_svn = c->td->tee_tcb_svn;
        subject.tee_tcb_svn_2 = c->td->tee_tcb_svn_2;
    }
    bl_tcb_judge(info, qe, &subject, &s);
    find_status(c, "platform TCB", s.platform);
    find_status(c, "quoting enclave TCB", s.qe);
    if (s.has_module)
        find_status(c, "TDX module TCB", s.module);
    out->tcb_status = bl_tcb_status_name(s.status);
    out->tcb_current = s.status == BL_TCB_UP_TO_DATE ? BLIND_PROVEN : BLIND_REFUTED;
    out->tcb_found = bl_tcb_explain(info, qe, &subject, &s, c->in->arena);
    out->advisories = bl_tcb_advisories(&s, c->in->arena, &out->failed);
    out->failed |= !out->tcb_found;
    bl_claim_number(out, "tcb_eval", BL_MIN(info->evaluation, qe->evaluation));
}

void bl_intel_judge_collateral(bl_intel_case *c)
{
    c->collateral = bl_collateral_get(c->in, c->pck);
    if (!c->collateral) {
        c->out->failed = true;
        return;
    }
    judge_signing_chain(c);
    judge_revocation(c);
    bool good = judge_tcb_info(c);
    good &= judge_qe_identity(c);
    if (has(c, BL_STEP_TCB_INFO) && c->collateral->tcb.tdx == (c->td != NULL))
        good &= judge_module(c);
    if (good)
        judge_tcb(c);
}
