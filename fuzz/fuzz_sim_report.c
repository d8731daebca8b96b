/* A report has one layout: what parses is written again as the same bytes. */
#include "attest/sim/sim.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_sim_report report;
    bl_auto_buf   again = BL_BUF_EMPTY;
    blind_span    raw = { data, size };
    if (bl_sim_report_parse(raw, &report, NULL) != BLIND_OK)
        return 0;
    bl_sim_report_write(&report, &again);
    bl_buf_add(&again, report.signature);
    if (!bl_buf_ok(&again) || !bl_span_equal(raw, bl_buf_span(&again)))
        abort();
    return 0;
}
