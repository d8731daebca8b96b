/* TPMT_PUBLIC: what parses has a key of a known size, a name, and an answer to what it is for. */
#include "attest/tpm/tpm.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_span    raw = { data, size };
    bl_tpm_public key, again;
    uint8_t       spki[BL_TPM_SPKI], name[BL_TPM_NAME];
    size_t        name_size;
    if (bl_tpm_public_parse(raw, &key, NULL) != BLIND_OK)
        return 0;
    size_t n = bl_tpm_public_spki(&key, spki);
    if (n == 0 || n > sizeof spki || key.raw.size > size)
        abort();
    if (bl_tpm_public_parse(key.raw, &again, NULL) != BLIND_OK ||
        again.attributes != key.attributes || !bl_span_equal(again.x, key.x))
        abort();
    blind_code ak = bl_tpm_check_ak(&key, NULL), ek = bl_tpm_check_ek(&key, NULL);
    if (ak == BLIND_OK && ek == BLIND_OK)
        abort(); /* no key is both */
    if (bl_tpm_public_name(&key, name, &name_size, NULL) == BLIND_OK &&
        (name_size < 34 || name_size > sizeof name))
        abort();
    return 0;
}
