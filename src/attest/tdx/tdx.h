/* TDX reports of trust domains, and the row of the table of TEEs.
 *
 * The report, 584 bytes (1.0) or 648 bytes (1.5), little-endian integers:
 *
 *     0x000  16  TEE_TCB_SVN: [0] version of the TDX module, [1] its major version, [2..] others
 *     0x010  48  MRSEAM: the TDX module
 *     0x040  48  MRSIGNERSEAM: who signed it; zero is Intel
 *     0x070  8   SEAMATTRIBUTES: zero
 *     0x078  8   TDATTRIBUTES: bits 0-7 debug, bit 28 SEPT_VE_DISABLE, bit 29 migratable, bit 30
 *                protection keys, bit 31 key locker, bit 63 performance monitoring
 *     0x080  8   XFAM: processor state that the domain may use
 *     0x088  48  MRTD: what was loaded before the domain started
 *     0x0b8  48  MRCONFIGID, 0x0e8 MROWNER, 0x118 MROWNERCONFIG: what the host stated of it
 *     0x148  48  RTMR0, 0x178 RTMR1, 0x1a8 RTMR2, 0x1d8 RTMR3: extended at run time
 *     0x208  64  REPORTDATA: the attester's bytes
 *     0x248  16  TEE_TCB_SVN_2: the TDX module now, after an update of the running one (1.5)
 *     0x258  48  MRSERVICETD: service domains that may migrate it (1.5)
 *
 * Source: Intel TDX DCAP Quote Generation Library, appendix A.3; Intel TDX Module ABI, TDREPORT. */
#ifndef BL_TDX_H
#define BL_TDX_H

#include "attest/intel/quote.h"
#include "attest/tee.h"

#define BL_TD_ATTRIBUTES_DEBUG     0xffu
#define BL_TD_ATTRIBUTE_SEPT_VE    (UINT64_C(1) << 28)
#define BL_TD_ATTRIBUTE_MIGRATABLE (UINT64_C(1) << 29)
#define BL_TD_ATTRIBUTE_PKS        (UINT64_C(1) << 30)
#define BL_TD_ATTRIBUTE_KL         (UINT64_C(1) << 31)
#define BL_TD_ATTRIBUTE_PERFMON    (UINT64_C(1) << 63)

typedef struct {
    blind_span tee_tcb_svn; /* 16 bytes */
    blind_span mrseam, mrsignerseam, mrtd, mrconfigid, mrowner, mrownerconfig, rtmr[4];
    uint64_t   seam_attributes, td_attributes, xfam;
    blind_span report_data;
    blind_span tee_tcb_svn_2, mrservicetd; /* empty in a report of version 1.0 */
} bl_td_report;

/* Spans borrow from `raw`.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_td_report_parse(blind_span raw, bl_td_report *out, blind_error *err);

/* Whether a boot's log (CCEL, or dstack's JSON) comes to the report's RTMRs: those that it extends,
 * one at least.  Errors: EVIDENCE, FORMAT, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_tdx_replay(const bl_td_report *td, blind_span log, bl_arena *arena,
                                        blind_error *err);

/* The functions of the row bl_tee_tdx. */
blind_code bl_tdx_open(const bl_tee_options *options, void **out, blind_error *err);
blind_code bl_tdx_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err);
blind_code bl_tdx_endorse(void *opened, bl_buf *endorsements, blind_error *err);
void       bl_tdx_close(void *opened);
blind_code bl_tdx_verify(const bl_verify_input *in, bl_claims *out, blind_error *err);

#endif
