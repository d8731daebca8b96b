/* GPU reports: what is read lies inside the input, and the signature covers all before it. */
#include "attest/nvidia/nvidia.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_nvidia_report report;
    volatile uint8_t sum = 0;
    if (bl_nvidia_report_parse(bl_span(data, size), &report, NULL) != BLIND_OK)
        return 0;
    if (report.signed_bytes.size + report.signature.size != size || report.nonce.size != 32)
        abort();
    const blind_span spans[] = { report.driver_version, report.chip_sku,    report.project,
                                 report.project_sku,    report.vbios,       report.board_id,
                                 report.fwid,           report.device_nonce };
    for (size_t i = 0; i < BL_LEN(spans); i++)
        for (size_t k = 0; k < spans[i].size; k++)
            sum = (uint8_t)(sum + spans[i].data[k]);
    return 0;
}
