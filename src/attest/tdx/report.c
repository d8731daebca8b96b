/* Reports of trust domains, bytes to fields.  Source: Intel TDX DCAP Quote Generation Library,
 * appendix A.3 (TD Quote Body). */
#include "attest/tdx/tdx.h"
#include "base/reader.h"

blind_code bl_td_report_parse(blind_span raw, bl_td_report *out, blind_error *err)
{
    bl_reader r = { .rest = raw };
    *out = (bl_td_report){ .tee_tcb_svn = bl_read_bytes(&r, 16) }; /* 0x000 */
    out->mrseam = bl_read_bytes(&r, 48);                           /* 0x010 */
    out->mrsignerseam = bl_read_bytes(&r, 48);                     /* 0x040 */
    out->seam_attributes = bl_read_u64le(&r);                      /* 0x070 */
    out->td_attributes = bl_read_u64le(&r);                        /* 0x078 */
    out->xfam = bl_read_u64le(&r);                                 /* 0x080 */
    out->mrtd = bl_read_bytes(&r, 48);                             /* 0x088 */
    out->mrconfigid = bl_read_bytes(&r, 48);                       /* 0x0b8 */
    out->mrowner = bl_read_bytes(&r, 48);                          /* 0x0e8 */
    out->mrownerconfig = bl_read_bytes(&r, 48);                    /* 0x118 */
    for (size_t i = 0; i < BL_LEN(out->rtmr); i++)
        out->rtmr[i] = bl_read_bytes(&r, 48); /* 0x148 */
    out->report_data = bl_read_bytes(&r, 64); /* 0x208 */
    if (raw.size != BL_TD_REPORT_10_SIZE) {
        out->tee_tcb_svn_2 = bl_read_bytes(&r, 16); /* 0x248 */
        out->mrservicetd = bl_read_bytes(&r, 48);   /* 0x258 */
    }
    if (bl_reader_done(&r))
        return BLIND_OK;
    *out = (bl_td_report){ 0 };
    return blind_fail(err, BLIND_FORMAT, "tdx.report", "%zu bytes, expected %d or %d", raw.size,
                      BL_TD_REPORT_10_SIZE, BL_TD_REPORT_15_SIZE);
}
