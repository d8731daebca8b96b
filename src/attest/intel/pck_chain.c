/* PCK certificate chains, read, verified and remembered.
 * Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3; Intel SGX DCAP
 * Quote Verification Library, sections 4.1.2.1 and 4.1.2.4.4. */
#include "attest/intel/collateral.h"

#include <stdlib.h>

#define CHAIN_LENGTH 3 /* PCK, its authority, root */

static const char STAGE[] = "intel.pck_chain";

static void free_chain(void *object)
{
    bl_pck_chain *p = object;
    bl_chain_done(&p->chain);
    free(p);
}

static const bl_cache_kind kind = { free_chain };

static blind_code verify_to(const bl_chain *chain, const bl_roots *roots, blind_error *err)
{
    blind_span last = bl_x509_spki(chain->certs[chain->len - 1]);
    for (size_t i = 0; i < roots->len; i++)
        if (bl_span_equal(roots->items[i].spki, last))
            return bl_chain_verify(chain, roots->items[i].spki, err);
    return blind_fail(err, BLIND_CHAIN, STAGE, "the chain ends in another key than Intel's root");
}

static blind_code check_leaf(const bl_x509 *leaf, blind_error *err)
{
    char name[80];
    if (!bl_x509_common_name(leaf, name, sizeof name) || !strstr(name, "SGX PCK Certificate"))
        return blind_fail(err, BLIND_CHAIN, STAGE,
                          "the leaf's common name is not 'Intel SGX PCK Certificate'");
    if (bl_x509_is_ca(leaf))
        return blind_fail(err, BLIND_CHAIN, STAGE, "the leaf is an authority");
    return BLIND_OK;
}

static blind_code read_extension(const bl_x509 *leaf, bl_pck *out, blind_error *err)
{
    blind_span extension;
    if (bl_x509_extension(leaf, BL_PCK_EXTENSION, &extension, err) != BLIND_OK ||
        bl_pck_parse(extension, out, err) != BLIND_OK)
        return blind_fail_in(err, BLIND_CHAIN, "PCK certificate");
    return BLIND_OK;
}

static blind_code read_chain(bl_pck_chain *p, blind_span list, const bl_roots *roots,
                             blind_error *err)
{
    blind_code code = bl_chain_add(&p->chain, list, err);
    if (code != BLIND_OK)
        return code == BLIND_MEMORY ? code : blind_fail_in(err, BLIND_CHAIN, "PCK chain");
    if (p->chain.len != CHAIN_LENGTH)
        return blind_fail(err, BLIND_CHAIN, STAGE, "%zu certificates, expected %d", p->chain.len,
                          CHAIN_LENGTH);
    for (size_t i = 0; i < CHAIN_LENGTH; i++)
        if (bl_x509_has_unknown_critical(p->chain.certs[i], NULL))
            return blind_fail(err, BLIND_CHAIN, STAGE,
                              "certificate %zu has a critical extension that is unknown", i);
    BL_TRY(verify_to(&p->chain, roots, err));
    BL_TRY(check_leaf(p->chain.certs[0], err));
    return read_extension(p->chain.certs[0], &p->pck, err);
}

blind_code bl_pck_chain_get(const bl_verify_input *in, blind_span list, bl_pck_chain **out,
                            blind_error *err)
{
    blind_span of[] = { in->roots->len ? in->roots->items[0].spki : (blind_span){ 0 }, list };
    uint8_t    key[32];
    bool       keyed = in->cache && in->roots->len == 1 && bl_cache_key(of, BL_LEN(of), key);
    *out = keyed ? bl_cache_get(in->cache, &kind, key) : NULL;
    if (*out)
        return BLIND_OK;
    bl_pck_chain *p = calloc(1, sizeof *p);
    if (!p)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_cached_init(&p->cached, &kind);
    blind_code code = read_chain(p, list, in->roots, err);
    if (code != BLIND_OK) {
        bl_cached_release(p);
        return code;
    }
    if (keyed)
        bl_cache_put(in->cache, key, p);
    *out = p;
    return BLIND_OK;
}
