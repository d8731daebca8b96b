/* PE images and UKIs: whatever parses has a digest; what is not known says why. */
#include "measure/uki.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the boot, the rest is the image. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_uki_measurement m;
    if (size == 0)
        return 0;
    bl_secure_boot secure = (bl_secure_boot)(data[0] & 3);
    bl_uki_boot    boot = { .start = data[0] & 4 ? BL_UKI_FROM_LOADER : BL_UKI_FROM_DISK,
                            .secure_boot = secure,
                            .stub = data[0] & 8 ? 252 : 0,
                            .phases = data[0] & 16 ? "enter-initrd:" : NULL };
    if (secure == BL_SECURE_BOOT_ON)
        boot.authority = BL_LITERAL("authority");
    if (bl_uki_measure(bl_span(data + 1, size - 1), &boot, BL_SHA256, &m, NULL) != BLIND_OK)
        return m.known ? abort(), 0 : 0;
    for (unsigned pcr = 0; pcr < 24; pcr++)
        if (BL_UKI_PCRS >> pcr & 1 && !(m.known >> pcr & 1) && !m.why[pcr])
            abort();
    return 0;
}
