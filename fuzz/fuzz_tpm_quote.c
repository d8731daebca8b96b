/* TPMS_ATTEST and TPMT_SIGNATURE: what parses is whole, inside the input and within its bounds; one
 * byte less does not parse. */
#include "attest/tpm/tpm.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void inside(blind_span part, blind_span whole)
{
    must(part.size <= whole.size &&
         (!part.size ||
          (part.data >= whole.data && part.data + part.size <= whole.data + whole.size)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_span       raw = { data, size };
    bl_tpm_quote     quote;
    bl_tpm_signature signature;
    if (bl_tpm_quote_parse(raw, &quote, NULL) == BLIND_OK) {
        inside(quote.extra_data, raw);
        inside(quote.pcr_digest, raw);
        must(quote.extra_data.size <= 66 && quote.pcr_digest.size <= 64 &&
             quote.selection >> BL_TPM_PCRS == 0 && (!quote.selection || size >= 45));
        must(bl_tpm_quote_parse(bl_span(data, size - 1), &quote, NULL) != BLIND_OK);
        must(!quote.extra_data.size && !quote.selection);
    }
    if (bl_tpm_signature_parse(raw, &signature, NULL) == BLIND_OK) {
        inside(signature.rsa, raw);
        inside(signature.r, raw);
        must(signature.r.size <= 66 && signature.s.size <= 66 && signature.rsa.size <= 1024);
        must(bl_tpm_signature_parse(bl_span(data, size - 1), &signature, NULL) != BLIND_OK);
    }
    blind_span der = bl_tpm_nv_trim(raw);
    inside(der, raw);
    must(bl_tpm_nv_trim(der).size == der.size);
    return 0;
}
