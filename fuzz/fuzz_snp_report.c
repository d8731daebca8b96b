/* A report that parses has every field inside it, and the values that the layout allows. */
#include "attest/snp/snp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(blind_span raw, blind_span field, size_t at, size_t size)
{
    if (field.data != raw.data + at || field.size != size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_snp_report r;
    blind_span    raw = { data, size };
    if (bl_snp_report_parse(raw, &r, NULL) != BLIND_OK) {
        if (r.version || r.measurement.data)
            abort();
        return 0;
    }
    if (size != BL_SNP_REPORT_SIZE || r.version < 2 || r.version > 5 || r.vmpl > 3 ||
        r.signer > 7 || r.has_cpuid != (r.version >= 3) || r.has_mitigations != (r.version >= 5))
        abort();
    check(raw, r.report_data, 0x050, 64);
    check(raw, r.measurement, 0x090, 48);
    check(raw, r.host_data, 0x0c0, 32);
    check(raw, r.author_key_digest, 0x110, 48);
    check(raw, r.chip_id, 0x1a0, 64);
    check(raw, r.r, 0x2a0, 48);
    check(raw, r.s, 0x2e8, 48);
    return 0;
}
