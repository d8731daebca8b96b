/* From the report's signer up to AMD's pinned key: VCEK <- ASK <- ARK, or VLEK <- ASVK <- ARK.
 *
 * Signatures and names are decided by the bytes and remembered; time is judged by the caller. */
#include "attest/snp/snp.h"

#include <stdlib.h>

static const char STAGE[] = "snp.chain";

static void free_chain(void *object)
{
    bl_snp_chain *chain = object;
    bl_chain_done(&chain->certs);
    bl_key_free(chain->root);
    free(chain);
}

static const bl_cache_kind chain_kind = { free_chain };

/* ---- making one ---- */

static blind_code add_list(bl_chain *chain, blind_span list, size_t max, const char *what,
                           blind_error *err)
{
    size_t before = chain->len;
    if (bl_chain_add(chain, list, err) != BLIND_OK)
        return blind_fail_in(err, err ? err->code : BLIND_CHAIN, "%s", what);
    if (chain->len - before <= max)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "%s: %zu certificates, expected at most %zu", what,
                      chain->len - before, max);
}

/* Leaf, authority, root; AMD's service gives the last two as one list. */
static blind_code read_certs(const bl_snp_certs *in, bl_chain *out, blind_error *err)
{
    if (!in->vcek.size == !in->vlek.size)
        return blind_fail(err, BLIND_CHAIN, STAGE, "%s",
                          in->vcek.size ? "both a VCEK and a VLEK" : "neither a VCEK nor a VLEK");
    if (!in->ask.size)
        return blind_fail(err, BLIND_CHAIN, STAGE, "no certificate of the ASK or ASVK");
    BL_TRY(in->vcek.size ? add_list(out, in->vcek, 1, "VCEK", err)
                         : add_list(out, in->vlek, 1, "VLEK", err));
    BL_TRY(add_list(out, in->ask, in->ark.size ? 1 : 2, "ASK", err));
    return in->ark.size ? add_list(out, in->ark, 1, "ARK", err) : BLIND_OK;
}

static blind_code check_leaf_name(const bl_snp_chain *chain, blind_error *err)
{
    const char *want = chain->vlek ? "SEV-VLEK" : "SEV-VCEK";
    char        name[80];
    if (bl_x509_common_name(chain->certs.certs[0], name, sizeof name) && strcmp(name, want) == 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "the report's signer is not named %s", want);
}

/* The authority's name says which line and which kind of key; the signatures make it true. */
static blind_code check_names(bl_snp_chain *chain, bool vlek_given, blind_error *err)
{
    char name[80] = "?";
    (void)bl_x509_common_name(chain->certs.certs[1], name, sizeof name);
    chain->product = bl_snp_product_of(name, &chain->vlek);
    if (!chain->product)
        return blind_fail(err, BLIND_CHAIN, STAGE, "'%s' is no ASK or ASVK that is known", name);
    if (chain->vlek != vlek_given)
        return blind_fail(err, BLIND_CHAIN, STAGE, "'%s' issues no %s", name,
                          vlek_given ? "VLEK" : "VCEK");
    return check_leaf_name(chain, err);
}

static blind_span root_of(const bl_roots *roots, const char *name)
{
    for (size_t i = 0; roots && i < roots->len; i++)
        if (strcmp(roots->items[i].name, name) == 0)
            return roots->items[i].spki;
    return (blind_span){ 0 };
}

/* AMD's certificates hold no critical extensions but the usual ones, and are version 3. */
static blind_code check_forms(const bl_chain *certs, blind_error *err)
{
    static const char *const none[] = { NULL };
    for (size_t i = 0; i < certs->len; i++)
        if (bl_x509_version(certs->certs[i]) != 3 ||
            bl_x509_has_unknown_critical(certs->certs[i], none))
            return blind_fail(err, BLIND_CHAIN, STAGE,
                              "a certificate with a critical extension that is unknown");
    return BLIND_OK;
}

static blind_code make_chain(const bl_verify_input *in, const bl_snp_certs *certs,
                             bl_snp_chain *chain, blind_error *err)
{
    BL_TRY(read_certs(certs, &chain->certs, err));
    BL_TRY(check_names(chain, certs->vlek.size > 0, err));
    blind_span root = root_of(in->roots, chain->product->root);
    if (!root.size)
        return blind_fail(err, BLIND_CHAIN, STAGE, "no pinned key of %s", chain->product->root);
    BL_TRY(bl_key_from_spki(root, &chain->root, err));
    BL_TRY(check_forms(&chain->certs, err));
    if (!bl_x509_is_ca(chain->certs.certs[1]))
        return blind_fail(err, BLIND_CHAIN, STAGE, "the ASK or ASVK may not issue certificates");
    return bl_chain_verify(&chain->certs, root, err);
}

/* ---- remembering it ---- */

static bool key_of(const bl_verify_input *in, const bl_snp_certs *certs, uint8_t out[32])
{
    blind_span spans[16] = { certs->ark, certs->ask, certs->vcek, certs->vlek };
    size_t     len = 4;
    for (size_t i = 0; in->roots && i < in->roots->len; i++) {
        if (len == BL_LEN(spans))
            return false;
        spans[len++] = in->roots->items[i].spki;
    }
    return bl_cache_key(spans, len, out);
}

blind_code bl_snp_chain_get(const bl_verify_input *in, const bl_snp_certs *certs,
                            bl_snp_chain **out, blind_error *err)
{
    uint8_t key[32];
    *out = NULL;
    if (!key_of(in, certs, key))
        return blind_fail(err, BLIND_MEMORY, STAGE, "no memory for the roots");
    *out = bl_cache_get(in->cache, &chain_kind, key);
    if (*out)
        return BLIND_OK;
    bl_snp_chain *chain = calloc(1, sizeof *chain);
    if (!chain)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_cached_init(&chain->cached, &chain_kind);
    blind_code code = make_chain(in, certs, chain, err);
    if (code != BLIND_OK) {
        bl_cached_release(chain);
        return code;
    }
    bl_cache_put(in->cache, key, chain);
    *out = chain;
    return BLIND_OK;
}
