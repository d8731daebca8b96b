/* Payloads of attestation documents: what is read is written again as a payload that is read the
 * same.  The first byte chooses between the payload and the device's response. */
#include "attest/nitro/nitro.h"
#include "attest/nitro/nsm.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const bl_nitro_document *a, const bl_nitro_document *b)
{
    bool equal = bl_span_equal(a->module_id, b->module_id) && a->timestamp_ms == b->timestamp_ms &&
                 bl_span_equal(a->certificate, b->certificate) &&
                 a->cabundle_len == b->cabundle_len &&
                 bl_span_equal(a->public_key, b->public_key) &&
                 bl_span_equal(a->user_data, b->user_data) && bl_span_equal(a->nonce, b->nonce);
    for (size_t i = 0; i < BL_NITRO_PCRS; i++)
        equal = equal && bl_span_equal(a->pcrs[i], b->pcrs[i]);
    for (size_t i = 0; equal && i < a->cabundle_len; i++)
        equal = bl_span_equal(a->cabundle[i], b->cabundle[i]);
    return equal;
}

static void check_document(blind_span in)
{
    bl_nitro_document document, again;
    bl_auto_buf       out = BL_BUF_EMPTY;
    if (bl_nitro_document_parse(in, &document, NULL) != BLIND_OK)
        return;
    bl_nitro_document_write(&document, &out);
    if (out.size <= BL_NITRO_MAX_PAYLOAD &&
        (bl_nitro_document_parse(bl_buf_span(&out), &again, NULL) != BLIND_OK ||
         !same(&document, &again)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_span document, in = { data + 1, size - 1 };
    if (size == 0)
        return 0;
    if (data[0] & 1)
        (void)!bl_nsm_response_parse(in, &document, NULL);
    else
        check_document(in);
    return 0;
}
