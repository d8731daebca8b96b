/* Enclave images: whatever parses measures; an image without signature section has no PCR8. */
#include "measure/eif.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The CRC is put right first: it keeps accidents out, not people. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[48];
    static uint8_t       image[4096];
    bl_eif               eif;
    bl_eif_measurement   m;
    if (size < BL_EIF_HEADER || size > sizeof image)
        return 0;
    memcpy(image, data, size);
    uint32_t crc = bl_eif_crc32(bl_span(image, size));
    for (int i = 0; i < 4; i++)
        image[BL_EIF_CRC_AT + i] = (uint8_t)(crc >> (24 - 8 * i));
    if (bl_eif_parse(bl_span(image, size), &eif, NULL) != BLIND_OK) {
        if (eif.ramdisks_len || eif.kernel.data)
            abort();
        return 0;
    }
    if (bl_eif_measure(&eif, &m, NULL) == BLIND_OK && m.is_signed == !memcmp(m.pcr8, zeros, 48))
        abort();
    return 0;
}
