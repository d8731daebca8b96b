/* The PCK certificate's extension: what parses is complete, what does not leaves nothing. */
#include "attest/intel/pck.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bl_pck empty;
    bl_pck              pck;
    if (bl_pck_parse((blind_span){ data, size }, &pck, NULL) != BLIND_OK) {
        if (memcmp(&pck, &empty, sizeof pck) != 0)
            abort();
        return 0;
    }
    if (pck.sgx_type > 2 || size < 300) /* 18 versions and five other fields take more */
        abort();
    return 0;
}
