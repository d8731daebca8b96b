/* SIGSTRUCTs: whatever parses has its size, and its spans lie within it. */
#include "measure/sigstruct.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_sigstruct s;
    if (bl_sigstruct_parse(bl_span(data, size), &s, NULL) != BLIND_OK) {
        if (s.raw.data || s.modulus.data)
            abort();
        return 0;
    }
    if (size != BL_SIGSTRUCT_SIZE || s.attributes.data != data + 928 || s.modulus.size != 384)
        abort();
    (void)bl_sigstruct_may_debug(&s);
    return 0;
}
