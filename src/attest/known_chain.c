/* Chains that are verified once.  Source: RFC 5280, section 6.1. */
#include "attest/known_chain.h"

#include <stdlib.h>

static const char STAGE[] = "attest.chain";

static void free_chain(void *object)
{
    bl_known_chain *known = object;
    bl_chain_done(&known->chain);
    free(known);
}

static const bl_cache_kind kind = { .free = free_chain };

void bl_known_chain_drop(bl_known_chain **chain)
{
    bl_cached_release(*chain);
    *chain = NULL;
}

/* Which roots were asked for belongs to what was verified. */
static bool key_of(const blind_span *lists, size_t len, const bl_roots *roots, uint8_t out[32])
{
    blind_span spans[1 + 2 * BL_MAX_CHAIN];
    uint64_t   first_list = 1 + roots->len; /* a root never passes for a certificate */
    size_t     n = 0;
    if (len > BL_MAX_CHAIN || roots->len > BL_MAX_CHAIN)
        return false;
    spans[n++] = bl_span(&first_list, sizeof first_list);
    for (size_t i = 0; i < roots->len; i++)
        spans[n++] = roots->items[i].spki;
    for (size_t i = 0; i < len; i++)
        spans[n++] = lists[i];
    return bl_cache_key(spans, n, out);
}

static blind_code read_lists(bl_chain *chain, const blind_span *lists, size_t len, blind_error *err)
{
    for (size_t i = 0; i < len; i++) {
        blind_code code = bl_chain_add(chain, lists[i], err);
        if (code != BLIND_OK)
            return code == BLIND_MEMORY ? code : blind_fail_in(err, BLIND_CHAIN, "chain");
    }
    return chain->len ? BLIND_OK : blind_fail(err, BLIND_CHAIN, STAGE, "no certificate");
}

/* To one of the roots, the leaf no authority, and nothing critical that nobody looked at. */
static blind_code verify(const bl_chain *chain, const bl_roots *roots, blind_error *err)
{
    blind_code code = blind_fail(err, BLIND_CHAIN, STAGE, "no pinned key to end in");
    if (bl_x509_is_ca(chain->certs[0]))
        return blind_fail(err, BLIND_CHAIN, STAGE, "the leaf is an authority's certificate");
    for (size_t i = 0; i < chain->len; i++)
        if (bl_x509_has_unknown_critical(chain->certs[i], NULL))
            return blind_fail(err, BLIND_CHAIN, STAGE,
                              "a certificate with a critical extension that is not known");
    for (size_t i = 0; i < roots->len && code != BLIND_OK; i++)
        code = bl_chain_verify(chain, roots->items[i].spki, err);
    return code;
}

blind_code bl_known_chain_get(blind_cache *cache, const blind_span *lists, size_t len,
                              const bl_roots *roots, bl_known_chain **out, blind_error *err)
{
    uint8_t key[32];
    bool    keyed = cache && key_of(lists, len, roots, key);
    *out = keyed ? bl_cache_get(cache, &kind, key) : NULL;
    if (*out)
        return BLIND_OK;
    bl_known_chain *known = calloc(1, sizeof *known);
    if (!known)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_cached_init(&known->cached, &kind);
    blind_code code = read_lists(&known->chain, lists, len, err);
    if (code != BLIND_OK) {
        bl_cached_release(known);
        return code;
    }
    *out = known;
    BL_TRY(verify(&known->chain, roots, err));
    if (keyed)
        bl_cache_put(cache, key, known);
    return BLIND_OK;
}
