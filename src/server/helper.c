/* The helper port's documents: what people download to look at.  A client takes neither policy nor
 * trust from here; it has its own. */
#include "blind/policy.h"
#include "server/internal.h"

#include <stdlib.h>

blind_code bl_api_evidence(bl_exchange *e, blind_error *err)
{
    bl_buf bundle = BL_BUF_EMPTY;
    BL_TRY(bl_attester_certificate_evidence(e->server->attester, &bundle, err));
    bl_reply(e, 200, "application/cmw+cbor", &bundle,
             "Content-Disposition: attachment; filename=\"evidence.cbor\"\r\n");
    return BLIND_OK;
}

/* What this very program would write, for comparing with a policy made from one's own build. */
blind_code bl_api_policy(bl_exchange *e, blind_error *err)
{
    blind_policy_recipe recipe = { .tee = e->server->config->tee,
                                   .binary = "/proc/self/exe",
                                   .others = true };
    char               *text = NULL;
    bl_buf              body = BL_BUF_EMPTY;
    BL_TRY(blind_policy_create(&recipe, &text, err));
    bl_buf_add_str(&body,
                   "# As the server sees itself: this proves nothing.  Make your own from a "
                   "build you trust:\n#     blind policy create --tee sim --binary blind\n\n");
    bl_buf_add_str(&body, text);
    free(text);
    bl_reply(e, 200, "application/toml; charset=utf-8", &body,
             "Content-Disposition: attachment; filename=\"policy-as-claimed.toml\"\r\n");
    return BLIND_OK;
}

blind_code bl_api_csr(bl_exchange *e, blind_error *err)
{
    bl_buf pem = BL_BUF_EMPTY;
    BL_TRY(bl_identity_csr(e->server, &pem, err));
    bl_reply(e, 200, "application/pem-certificate-chain", &pem,
             "Content-Disposition: attachment; filename=\"blind.csr\"\r\n");
    return BLIND_OK;
}
