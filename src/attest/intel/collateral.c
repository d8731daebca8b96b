/* Collateral, read, verified and remembered.
 * Source: Intel SGX DCAP Quote Verification Library, sections 4.1.2.2 to 4.1.2.4 (chains,
 * revocation lists, TCB info, identities). */
#include "attest/intel/collateral.h"

#include "attest/intel/signed_json.h"

#include <stdlib.h>

static const char STAGE[] = "intel.collateral";

static void free_collateral(void *object)
{
    bl_collateral *c = object;
    bl_chain_done(&c->signing);
    bl_crl_free(c->pck_crl);
    bl_crl_free(c->root_crl);
    bl_arena_done(&c->arena);
    free(c);
}

static const bl_cache_kind kind = { free_collateral };

static blind_code missing(const char *part, blind_error *err)
{
    return blind_fail(err, BLIND_NOT_FOUND, STAGE, "'%s' is missing", part);
}

/* Failures to read certificates and lists are failures of the chain. */
static blind_code as_chain(blind_code code, const char *part, blind_error *err)
{
    if (code == BLIND_OK || code == BLIND_MEMORY)
        return code;
    return blind_fail_in(err, BLIND_CHAIN, "%s", part);
}

/* { authority, root } under the root that the PCK chain was verified to.  Certificates of that very
 * chain were verified already. */
static blind_code verify_pair(const bl_chain *pair, const bl_pck_chain *pck, blind_error *err)
{
    const bl_x509 *root = pck->chain.certs[pck->chain.len - 1];
    if (pair->len != 2 || !bl_span_equal(bl_x509_spki(pair->certs[1]), bl_x509_spki(root)))
        return blind_fail(err, BLIND_CHAIN, STAGE,
                          "expected two certificates, the second of Intel's root key");
    for (size_t i = 0; i < pair->len; i++)
        if (bl_x509_has_unknown_critical(pair->certs[i], NULL))
            return blind_fail(err, BLIND_CHAIN, STAGE, "a critical extension that is unknown");
    if (!bl_span_equal(bl_x509_der(pair->certs[1]), bl_x509_der(root)))
        return bl_chain_verify(pair, bl_x509_spki(root), err);
    if (bl_span_equal(bl_x509_der(pair->certs[0]), bl_x509_der(pck->chain.certs[1])))
        return BLIND_OK;
    return bl_x509_issued_by(pair->certs[0], pair->certs[1], err);
}

static blind_code read_signing_chain(bl_collateral *c, const bl_parts *parts,
                                     const bl_pck_chain *pck, blind_error *err)
{
    blind_span list = bl_parts_get(parts, "tcb_signing_chain");
    char       name[80];
    if (list.size == 0)
        return missing("tcb_signing_chain", err);
    blind_code code = bl_chain_add(&c->signing, list, err);
    if (code == BLIND_OK)
        code = verify_pair(&c->signing, pck, err);
    if (code == BLIND_OK &&
        (!bl_x509_common_name(c->signing.certs[0], name, sizeof name) ||
         !strstr(name, "SGX TCB Signing") || bl_x509_is_ca(c->signing.certs[0])))
        code = blind_fail(err, BLIND_CHAIN, STAGE,
                          "the first certificate is not 'Intel SGX TCB Signing'");
    return as_chain(code, "tcb_signing_chain", err);
}

static blind_code read_crl(const bl_parts *parts, const char *part, const bl_x509 *issuer,
                           bl_crl **out, blind_error *err)
{
    blind_span list = bl_parts_get(parts, part);
    if (list.size == 0)
        return missing(part, err);
    blind_code code = bl_crl_parse(list, out, err);
    if (code == BLIND_OK)
        code = bl_crl_issued_by(*out, issuer, err);
    return as_chain(code, part, err);
}

/* The list must be by the PCK's own authority, whose certificate the quote has; a chain that comes
 * with the list must be good all the same. */
static blind_code read_pck_crl(bl_collateral *c, const bl_parts *parts, const bl_pck_chain *pck,
                               blind_error *err)
{
    bl_auto_chain chain = BL_CHAIN_EMPTY;
    blind_span    list = bl_parts_get(parts, "pck_crl_issuer_chain");
    blind_code    code = BLIND_OK;
    if (list.size)
        code = bl_chain_add(&chain, list, err);
    if (list.size && code == BLIND_OK)
        code = verify_pair(&chain, pck, err);
    BL_TRY(as_chain(code, "pck_crl_issuer_chain", err));
    return read_crl(parts, "pck_crl", pck->chain.certs[1], &c->pck_crl, err);
}

/* Finds the signed bytes of a part and verifies them by the TCB signing certificate. */
static blind_code read_signed(const bl_collateral *c, const bl_parts *parts, const char *part,
                              const char *object, blind_span *body, blind_error *err)
{
    bl_signed_json found;
    blind_span     text = bl_parts_get(parts, part);
    if (text.size == 0)
        return missing(part, err);
    if (bl_signed_json_find(text, object, &found, err) != BLIND_OK)
        return blind_fail_in(err, BLIND_FORMAT, "%s", part);
    *body = found.body;
    if (c->steps[BL_STEP_SIGNING_CHAIN].code != BLIND_OK)
        return blind_fail(err, BLIND_CHAIN, STAGE, "%s: not verified without a signing chain",
                          part);
    if (bl_key_verify(bl_x509_key(c->signing.certs[0]), BL_ECDSA_P256_SHA256_RAW, found.body,
                      bl_span(found.signature, sizeof found.signature), NULL) == BLIND_OK)
        return BLIND_OK;
    return blind_fail(err, BLIND_SIGNATURE, STAGE, "%s: its signature is wrong", part);
}

static blind_code read_tcb_info(bl_collateral *c, const bl_parts *parts, blind_error *err)
{
    blind_span body;
    BL_TRY(read_signed(c, parts, "tcb_info", "tcbInfo", &body, err));
    return bl_tcb_info_parse(body, &c->arena, &c->tcb, err);
}

static blind_code read_qe_identity(bl_collateral *c, const bl_parts *parts, blind_error *err)
{
    blind_span body;
    BL_TRY(read_signed(c, parts, "qe_identity", "enclaveIdentity", &body, err));
    return bl_qe_identity_parse(body, &c->arena, &c->qe, err);
}

static bool read_all(bl_collateral *c, const bl_parts *parts, const bl_pck_chain *pck)
{
    blind_error *steps = c->steps;
    bool         all = true;
    steps[BL_STEP_SIGNING_CHAIN].code =
        read_signing_chain(c, parts, pck, &steps[BL_STEP_SIGNING_CHAIN]);
    steps[BL_STEP_ROOT_CRL].code =
        read_crl(parts, "root_ca_crl", pck->chain.certs[2], &c->root_crl, &steps[BL_STEP_ROOT_CRL]);
    steps[BL_STEP_PCK_CRL].code = read_pck_crl(c, parts, pck, &steps[BL_STEP_PCK_CRL]);
    steps[BL_STEP_TCB_INFO].code = read_tcb_info(c, parts, &steps[BL_STEP_TCB_INFO]);
    steps[BL_STEP_QE_IDENTITY].code = read_qe_identity(c, parts, &steps[BL_STEP_QE_IDENTITY]);
    for (size_t i = 0; i < BL_COLLATERAL_STEPS; i++)
        all &= steps[i].code == BLIND_OK;
    return all;
}

/* The quote's own certificates are part of the key: they decide who may have signed a list. */
static bool key_of(const bl_parts *parts, const bl_pck_chain *pck, uint8_t key[32])
{
    const blind_span of[] = {
        bl_x509_der(pck->chain.certs[1]),
        bl_x509_der(pck->chain.certs[2]),
        bl_parts_get(parts, "tcb_info"),
        bl_parts_get(parts, "qe_identity"),
        bl_parts_get(parts, "tcb_signing_chain"),
        bl_parts_get(parts, "pck_crl"),
        bl_parts_get(parts, "pck_crl_issuer_chain"),
        bl_parts_get(parts, "root_ca_crl"),
    };
    return bl_cache_key(of, BL_LEN(of), key);
}

bl_collateral *bl_collateral_get(const bl_verify_input *in, const bl_pck_chain *pck)
{
    uint8_t        key[32];
    bool           keyed = in->cache && key_of(in->parts, pck, key);
    bl_collateral *c = keyed ? bl_cache_get(in->cache, &kind, key) : NULL;
    if (c)
        return c;
    c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    bl_cached_init(&c->cached, &kind);
    if (read_all(c, in->parts, pck) && keyed)
        bl_cache_put(in->cache, key, c);
    return c;
}
