/* TDX quotes, fields to claims; and the boot's event log against RTMR0 to RTMR3. */
#include "attest/intel/verify.h"
#include "attest/event_log.h"

static void claim_registers(const bl_td_report *r, bl_claims *out)
{
    bl_claim_measurement(out, "mrtd", r->mrtd);
    bl_claim_measurement(out, "rtmr0", r->rtmr[0]);
    bl_claim_measurement(out, "rtmr1", r->rtmr[1]);
    bl_claim_measurement(out, "rtmr2", r->rtmr[2]);
    bl_claim_measurement(out, "rtmr3", r->rtmr[3]);
    bl_claim_measurement(out, "mrconfigid", r->mrconfigid);
    bl_claim_measurement(out, "mrowner", r->mrowner);
    bl_claim_measurement(out, "mrownerconfig", r->mrownerconfig);
    bl_claim_measurement(out, "mrseam", r->mrseam);
    bl_claim_measurement(out, "mrsignerseam", r->mrsignerseam);
    if (r->mrservicetd.size)
        bl_claim_measurement(out, "mrservicetd", r->mrservicetd);
}

static void claim_report(const bl_quote *quote, const bl_td_report *r, bl_claims *out)
{
    uint64_t attributes = r->td_attributes;
    bool     migratable = attributes & BL_TD_ATTRIBUTE_MIGRATABLE;
    claim_registers(r, out);
    bl_claim_number(out, "quote_version", quote->version);
    bl_claim_bytes(out, "tee_tcb_svn", r->tee_tcb_svn);
    if (r->tee_tcb_svn_2.size)
        bl_claim_bytes(out, "tee_tcb_svn_2", r->tee_tcb_svn_2);
    bl_claim_number(out, "seam_attributes", r->seam_attributes);
    bl_claim_number(out, "td_attributes", attributes);
    bl_claim_number(out, "xfam", r->xfam);
    bl_claim_flag(out, "sept_ve_disable", attributes & BL_TD_ATTRIBUTE_SEPT_VE);
    bl_claim_flag(out, "migratable", migratable);
    bl_claim_flag(out, "pks", attributes & BL_TD_ATTRIBUTE_PKS);
    bl_claim_flag(out, "key_locker", attributes & BL_TD_ATTRIBUTE_KL);
    bl_claim_flag(out, "perfmon", attributes & BL_TD_ATTRIBUTE_PERFMON);
    out->report_data = r->report_data;
    out->not_debuggable = attributes & BL_TD_ATTRIBUTES_DEBUG ? BLIND_REFUTED : BLIND_PROVEN;
    out->memory_encrypted = BLIND_PROVEN;
    out->migration_off = migratable ? BLIND_REFUTED : BLIND_PROVEN;
}

/* ---- the boot's log ---- */

/* Registers that the log extends must come to what the quote says; RTMR i is the log's i + 1.
 * Others it says nothing about. */
blind_code bl_tdx_replay(const bl_td_report *td, blind_span raw, bl_arena *arena, blind_error *err)
{
    bl_event_log log;
    uint32_t     touched = 0;
    uint8_t      regs[BL_REGISTERS][BL_HASH_MAX];
    BL_TRY(raw.data[0] == '[' ? bl_event_log_parse_json(raw, arena, &log, err)
                              : bl_event_log_parse(raw, BL_LOG_OF_TD, arena, &log, err));
    BL_TRY(bl_event_log_replay(&log, BL_SHA384, regs, &touched, err));
    if ((touched & 0x1e) == 0)
        return blind_fail(err, BLIND_EVIDENCE, "tdx.log", "the log extends no RTMR");
    for (unsigned i = 0; i < BL_LEN(td->rtmr); i++)
        if (touched & 1u << (i + 1) && !bl_span_equal(bl_span(regs[i + 1], 48), td->rtmr[i]))
            return blind_fail(err, BLIND_EVIDENCE, "tdx.log",
                              "the log's events do not come to the quote's RTMR%u", i);
    return BLIND_OK;
}

static void judge_log(bl_intel_case *c)
{
    blind_span  raw = bl_parts_get(c->in->parts, "event_log");
    blind_error err = { 0 };
    if (raw.size == 0)
        return;
    blind_code code = bl_tdx_replay(c->td, raw, c->in->arena, &err);
    if (code == BLIND_LIMIT)
        code = BLIND_FORMAT;
    bl_find_step(c->out, c->in->arena, "boot event log", code, &err,
                 "events that come to the RTMRs of the quote",
                 "UEFI 2.10, 38.4.1 (CC event log); Intel TDX Virtual Firmware Design Guide, 8");
}

blind_code bl_tdx_verify(const bl_verify_input *in, bl_claims *out, blind_error *err)
{
    bl_td_report  report;
    bl_intel_case c = { .in = in, .out = out, .td = &report };
    out->tee = "tdx";
    BL_TRY(bl_intel_open(&c, BL_QUOTE_TDX, err));
    BL_TRY(bl_td_report_parse(c.quote.body, &report, err));
    claim_report(&c.quote, &report, out);
    bl_intel_steps(&c);
    judge_log(&c);
    bl_intel_close(&c);
    return bl_findings_code(out, err);
}
