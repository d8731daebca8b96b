/* Revocation: the root's list, when it is there, and what was known when this was built.
 * Source: AMD 57230, section 4.3 (https://kdsintf.amd.com/vcek/v1/{product}/crl). */
#include "attest/snp/snp.h"

#include <stdlib.h>

static const char STAGE[] = "snp.crl";

typedef struct {
    bl_cached cached;
    bl_crl   *crl;
} known_crl;

static void free_crl(void *object)
{
    known_crl *known = object;
    bl_crl_free(known->crl);
    free(known);
}

static const bl_cache_kind crl_kind = { free_crl };

static blind_code make_crl(blind_span list, const bl_snp_chain *chain, known_crl **out,
                           blind_error *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_cached_init(&(*out)->cached, &crl_kind);
    blind_code code = bl_crl_parse(list, &(*out)->crl, err);
    if (code == BLIND_OK)
        code = bl_crl_signed_by((*out)->crl, chain->root, err);
    if (code == BLIND_OK)
        return BLIND_OK;
    bl_cached_release(*out);
    *out = NULL;
    return code;
}

/* Parsed, and signed by the root of this chain. */
static blind_code get_crl(const bl_verify_input *in, blind_span list, const bl_snp_chain *chain,
                          known_crl **out, blind_error *err)
{
    uint8_t     key[32];
    bl_auto_buf root = BL_BUF_EMPTY;
    BL_TRY(bl_key_spki(chain->root, &root, err));
    const blind_span spans[] = { list, bl_buf_span(&root) };
    if (!bl_cache_key(spans, BL_LEN(spans), key))
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    *out = bl_cache_get(in->cache, &crl_kind, key);
    if (*out)
        return BLIND_OK;
    BL_TRY(make_crl(list, chain, out, err));
    bl_cache_put(in->cache, key, *out);
    return BLIND_OK;
}

blind_code bl_snp_crl_check(const bl_verify_input *in, blind_span list, const bl_snp_chain *chain,
                            blind_error *err)
{
    known_crl     *known = NULL;
    const bl_x509 *authority = chain->certs.certs[1];
    if (bl_snp_is_revoked(chain->product, bl_x509_serial(authority)))
        return blind_fail(err, BLIND_REVOKED, STAGE, "AMD revoked this ASK of %s",
                          chain->product->name);
    if (!list.size)
        return in->rules->crl_optional
                   ? BLIND_OK
                   : blind_fail(err, BLIND_CHAIN, STAGE, "no revocation list of the ARK");
    BL_TRY(get_crl(in, list, chain, &known, err));
    blind_code code = bl_crl_at(known->crl, in->now_s, err);
    if (code == BLIND_OK)
        code = bl_crl_clears(known->crl, authority, err);
    bl_cached_release(known);
    return code;
}
