/* Authenticator requests as a server reads them. */
#include "tls/authenticator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t     context[BL_CONTEXT_SIZE];
    bl_auto_buf again = BL_BUF_EMPTY;
    if (bl_authenticator_request_parse(bl_span(data, size), context, NULL) != BLIND_OK)
        return 0;
    bl_authenticator_request_write(&again, context); /* what we would have sent is read as well */
    if (bl_authenticator_request_parse(bl_buf_span(&again), context, NULL) != BLIND_OK)
        __builtin_trap();
    return 0;
}
