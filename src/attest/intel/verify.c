/* From the root of trust to the quote's signature.
 * Source: Intel SGX DCAP Quote Verification Library, sections 4.1.2.4.4 to 4.1.2.4.16. */
#include "attest/intel/verify.h"

#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/key.h"

#define SOURCE_LIBRARY(section) "Intel SGX DCAP Quote Verification Library, " section

const char *bl_intel_text(bl_arena *arena, blind_span bytes)
{
    char *text = bl_arena_alloc(arena, 2 * bytes.size + 1);
    if (text)
        bl_hex_encode(bytes, text);
    return text;
}

blind_code bl_intel_open(bl_intel_case *c, uint32_t tee, blind_error *err)
{
    BL_TRY(bl_quote_parse(c->in->evidence, &c->quote, err));
    BL_TRY(bl_sgx_report_parse(c->quote.qe_report, &c->qe, err));
    if (c->quote.tee == tee)
        return BLIND_OK;
    return blind_fail(err, BLIND_FORMAT, "intel.quote", "a quote of %s, expected one of %s",
                      c->quote.tee == BL_QUOTE_SGX ? "SGX" : "TDX",
                      tee == BL_QUOTE_SGX ? "SGX" : "TDX");
}

void bl_intel_close(bl_intel_case *c)
{
    bl_cached_release(c->pck);
    bl_cached_release(c->collateral);
}

static void judge_vendor(bl_intel_case *c)
{
    bl_find(c->out, "quoting enclave's vendor", bl_quote_vendor_is_intel(&c->quote), BLIND_EVIDENCE,
            "939a7233f79c4ca9940a0db3957f0607 (Intel)",
            bl_intel_text(c->in->arena, c->quote.vendor),
            "Intel SGX ECDSA Quote Library API Reference, A.4 (quote header)");
}

static blind_code get_chain(bl_intel_case *c, blind_error *err)
{
    if (c->quote.certification_kind != BL_CERTIFICATION_CHAIN)
        return blind_fail(err, BLIND_CHAIN, "intel.quote", "certification data is: %s",
                          bl_certification_name(c->quote.certification_kind));
    BL_TRY(bl_pck_chain_get(c->in, c->quote.certification, &c->pck, err));
    return bl_chain_at(&c->pck->chain, c->in->now_s, err);
}

static void judge_chain(bl_intel_case *c)
{
    blind_error err = { 0 };
    blind_code  code = get_chain(c, &err);
    bl_find_step(c->out, c->in->arena, "PCK certificate chain", code, &err,
                 "a PCK certificate chain in force under Intel's SGX root key",
                 SOURCE_LIBRARY("4.1.2.1, 4.1.2.4.4"));
}

static void judge_qe_signature(bl_intel_case *c)
{
    static const char name[] = "quoting enclave's report";
    static const char expected[] = "signed by the PCK";
    static const char source[] = SOURCE_LIBRARY("4.1.2.4.12");
    if (!c->pck) {
        bl_find_beside(c->out, name, BLIND_UNKNOWN, BLIND_SIGNATURE, expected, "no PCK", source);
        return;
    }
    bool good = bl_key_verify(bl_x509_key(c->pck->chain.certs[0]), BL_ECDSA_P256_SHA256_RAW,
                              c->quote.qe_report, c->quote.qe_signature, NULL) == BLIND_OK;
    bl_find(c->out, name, good, BLIND_SIGNATURE, expected, good ? expected : "a wrong signature",
            source);
}

/* SHA-256(key || authentication data) and 32 zero bytes. */
static void judge_key_binding(bl_intel_case *c)
{
    uint8_t        want[64] = { 0 };
    bl_auto_hasher hasher = BL_HASHER_EMPTY;
    bl_hasher_init(&hasher, BL_SHA256);
    bl_hasher_update(&hasher, c->quote.key);
    bl_hasher_update(&hasher, c->quote.qe_auth);
    if (bl_hasher_final(&hasher, want) != BLIND_OK)
        c->out->failed = true;
    bl_find(c->out, "attestation key", bl_span_equal(bl_span(want, sizeof want), c->qe.report_data),
            BLIND_SIGNATURE, bl_intel_text(c->in->arena, bl_span(want, sizeof want)),
            bl_intel_text(c->in->arena, c->qe.report_data), SOURCE_LIBRARY("4.1.2.4.13"));
}

/* SubjectPublicKeyInfo of P-256 up to the coordinates. */
static const uint8_t SPKI_HEAD[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };

static void judge_signature(bl_intel_case *c)
{
    bl_auto_key bl_key *key = NULL;
    uint8_t             spki[sizeof SPKI_HEAD + 64];
    memcpy(spki, SPKI_HEAD, sizeof SPKI_HEAD);
    memcpy(spki + sizeof SPKI_HEAD, c->quote.key.data, 64);
    bool point = bl_key_from_spki(bl_span(spki, sizeof spki), &key, NULL) == BLIND_OK;
    bool good = point && bl_key_verify(key, BL_ECDSA_P256_SHA256_RAW, c->quote.signed_bytes,
                                       c->quote.signature, NULL) == BLIND_OK;
    bl_find(c->out, "quote", good, BLIND_SIGNATURE, "signed by the attestation key",
            good    ? "signed by the attestation key"
            : point ? "a wrong signature"
                    : "an attestation key that is no point of the curve",
            SOURCE_LIBRARY("4.1.2.4.16"));
}

/* What Intel certified of the platform. */
static void claim_platform(bl_intel_case *c)
{
    const bl_pck *pck = &c->pck->pck;
    bl_claims    *out = c->out;
    char         *copy = bl_arena_copy(c->in->arena, bl_span(pck, sizeof *pck));
    if (!copy) {
        out->failed = true;
        return;
    }
    const bl_pck *kept = (const bl_pck *)copy;
    out->hardware_id = bl_span(kept->ppid, sizeof kept->ppid);
    bl_claim_bytes(out, "fmspc", bl_span(kept->fmspc, sizeof kept->fmspc));
    bl_claim_number(out, "pce_svn", kept->pce_svn);
    bl_claim_number(out, "qe_isv_svn", c->qe.isv_svn);
    bl_claim_bytes(out, "tcb_components", bl_span(kept->components, sizeof kept->components));
    out->smt_off = kept->smt == BL_PCK_NO    ? BLIND_PROVEN
                   : kept->smt == BL_PCK_YES ? BLIND_REFUTED
                                             : BLIND_UNKNOWN;
}

/* Signers of Intel's quoting enclaves, as every QE identity since 2018 and every TD_QE identity
 * names them. */
static const uint8_t QE_SIGNER[32] = {
    0x8c, 0x4f, 0x57, 0x75, 0xd7, 0x96, 0x50, 0x3e, 0x96, 0x13, 0x7f, 0x77, 0xc6, 0x8a, 0x82, 0x9a,
    0x00, 0x56, 0xac, 0x8d, 0xed, 0x70, 0x14, 0x0b, 0x08, 0x1b, 0x09, 0x44, 0x90, 0xc5, 0x7b, 0xff,
};
static const uint8_t TD_QE_SIGNER[32] = {
    0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34, 0xa7, 0xfc, 0x43, 0xed, 0x03,
    0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba, 0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5,
};

/* Without collateral there is no identity to hold the quoting enclave against, and a PCK signs the
 * report of any enclave with the provisioning attribute, which a host can load: then the enclave
 * must be of Intel's known signer and product, and closed to debuggers. */
static void judge_known_qe(bl_intel_case *c)
{
    const uint8_t *signer = c->td ? TD_QE_SIGNER : QE_SIGNER;
    bool           known = bl_span_equal(c->qe.mrsigner, bl_span(signer, 32)) &&
                 c->qe.isv_prod_id == (c->td ? 2 : 1) && !(c->qe.flags & BL_SGX_FLAG_DEBUG);
    bl_find(c->out, "quoting enclave", known, BLIND_EVIDENCE,
            "Intel's, by its signer and product, not in debug mode",
            known ? "as expected" : bl_intel_text(c->in->arena, c->qe.mrsigner),
            SOURCE_LIBRARY("4.1.2.4.15, from the published identities"));
}

static void skip_collateral(bl_intel_case *c)
{
    judge_known_qe(c);
    bl_find_beside(c->out, "collateral", BLIND_UNKNOWN, BLIND_TCB, "collateral from Intel",
                   "none asked for: neither revocation nor the TCB was looked at",
                   "policy: collateral = \"none\"");
}

void bl_intel_steps(bl_intel_case *c)
{
    judge_vendor(c);
    judge_chain(c);
    judge_qe_signature(c);
    judge_key_binding(c);
    judge_signature(c);
    if (c->pck)
        claim_platform(c);
    if (c->in->rules->no_collateral)
        skip_collateral(c);
    else if (!c->pck)
        bl_find_beside(c->out, "collateral", BLIND_UNKNOWN, BLIND_CHAIN, "collateral from Intel",
                       "not looked at without a PCK certificate", SOURCE_LIBRARY("4.1.2.4"));
    else
        bl_intel_judge_collateral(c);
}
