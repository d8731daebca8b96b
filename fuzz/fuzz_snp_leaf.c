/* Extensions of any certificate, as if a chain had already been verified: what is read lies inside
 * the certificate.  The first byte says which product and which kind of key. */
#include "attest/snp/snp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const bl_x509 *cert, blind_span field)
{
    blind_span der = bl_x509_der(cert);
    size_t     at = (size_t)(field.data - der.data);
    if (field.size && (at > der.size || field.size > der.size - at))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "SEV-Milan",      "SEV-Genoa",      "SEV-Turin",
                                         "SEV-VLEK-Milan", "SEV-VLEK-Genoa", "SEV-VLEK-Turin" };
    bl_snp_chain             chain = { .certs.len = 1 };
    blind_span               hwid, csp;
    blind_error              err;
    if (size == 0)
        return 0;
    chain.product = bl_snp_product_of(names[data[0] % BL_LEN(names)], &chain.vlek);
    if (bl_x509_parse(bl_span(data + 1, size - 1), &chain.certs.certs[0], NULL) != BLIND_OK)
        return 0;
    (void)!bl_snp_leaf_product(&chain, &err);
    (void)!bl_snp_leaf_tcb(&chain, 0xdb1d000000000004, &err);
    (void)!bl_snp_leaf_tcb(&chain, 0xdb0000001d000401, &err);
    (void)!bl_snp_leaf_identity(&chain, &hwid, &csp, &err);
    check(chain.certs.certs[0], hwid);
    check(chain.certs.certs[0], csp);
    bl_chain_done(&chain.certs);
    return 0;
}
