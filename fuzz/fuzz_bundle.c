/* A bundle has one spelling: what parses is written again as the same bytes.  The parts of it join.
 */
#include "attest/bundle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(blind_span raw, const bl_bundle *bundle)
{
    bl_auto_buf whole = BL_BUF_EMPTY, inside = BL_BUF_EMPTY, beside = BL_BUF_EMPTY;
    bl_auto_buf joined = BL_BUF_EMPTY;
    if (bl_bundle_write(bundle, BL_BUNDLE_WHOLE, &whole, NULL) != BLIND_OK ||
        bl_bundle_write(bundle, BL_BUNDLE_INSIDE, &inside, NULL) != BLIND_OK ||
        bl_bundle_write(bundle, BL_BUNDLE_BESIDE, &beside, NULL) != BLIND_OK ||
        bl_bundle_join(bl_buf_span(&inside), bl_buf_span(&beside), &joined, NULL) != BLIND_OK)
        abort();
    if (!bl_span_equal(raw, bl_buf_span(&whole)) || !bl_span_equal(raw, bl_buf_span(&joined)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_bundle  bundle;
    blind_span raw = { data, size };
    if (bl_bundle_parse(raw, &bundle, NULL) == BLIND_OK)
        check_same(raw, &bundle);
    return 0;
}
