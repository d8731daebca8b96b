/* The helper port's documents: what people download to look at.  A client takes neither policy nor
 * trust from here; it has its own. */
#include "server/internal.h"

blind_code bl_api_evidence(bl_exchange *e, blind_error *err)
{
    bl_buf bundle = BL_BUF_EMPTY;
    BL_TRY(bl_attester_certificate_evidence(e->server->attester, &bundle, err));
    bl_reply(e, 200, "application/cmw+cbor", &bundle,
             "Content-Disposition: attachment; filename=\"evidence.cbor\"\r\n");
    return BLIND_OK;
}

blind_code bl_api_policy(bl_exchange *e, blind_error *err)
{
    (void)e;
    return blind_fail(err, BLIND_NOT_FOUND, "server.policy",
                      "make the policy from your own build: blind policy create");
}

blind_code bl_api_csr(bl_exchange *e, blind_error *err)
{
    bl_buf pem = BL_BUF_EMPTY;
    BL_TRY(bl_identity_csr(e->server, &pem, err));
    bl_reply(e, 200, "application/pem-certificate-chain", &pem,
             "Content-Disposition: attachment; filename=\"blind.csr\"\r\n");
    return BLIND_OK;
}
