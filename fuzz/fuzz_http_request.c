/* HTTP/1.1 requests in pieces. */
#include "fuzz/http_messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_http_messages(BL_HTTP_REQUEST, data, size);
    return 0;
}
