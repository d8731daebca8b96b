/* COSE_Sign1: what is read is written again as a message that is read the same. */
#include "base/cbor_any.h"
#include "crypto/cose.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_cose_sign1 message, again;
    bl_auto_buf   out = BL_BUF_EMPTY;
    if (bl_cose_sign1_parse(bl_span(data, size), &message, NULL) != BLIND_OK)
        return 0;
    bl_cbor_put_array(&out, 4);
    bl_cbor_put_bytes(&out, message.protected_header);
    bl_cbor_put_map(&out, 0);
    bl_cbor_put_bytes(&out, message.payload);
    bl_cbor_put_bytes(&out, message.signature);
    if (!bl_buf_ok(&out) || out.size > size + 32 ||
        bl_cose_sign1_parse(bl_buf_span(&out), &again, NULL) != BLIND_OK ||
        again.alg != message.alg || !bl_span_equal(again.payload, message.payload) ||
        !bl_span_equal(again.signature, message.signature))
        abort();
    return 0;
}
