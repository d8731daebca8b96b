/* Azure's HCL report: hardware report and runtime claims lie inside it, and nothing behind them but
 * zeros. */
#include "attest/tpm/tpm.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_hcl_report hcl;
    if (bl_hcl_parse((blind_span){ data, size }, &hcl, NULL) != BLIND_OK)
        return 0;
    if (hcl.hardware.data != data + 32 || hcl.hardware.size != BL_HCL_HARDWARE ||
        hcl.claims.data != data + 0x4d4 || hcl.claims.size > size - 0x4d4 || !hcl.claims.size)
        abort();
    return 0;
}
