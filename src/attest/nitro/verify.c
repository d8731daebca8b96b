/* Attestation documents, fields to claims.
 *
 * Everything is inside the document: the certificates, the signature and the clock.  Source: AWS,
 * attestation_process.md, section 3. */
#include "attest/known_chain.h"
#include "attest/nitro/nitro.h"
#include "crypto/cose.h"

#define DOC "AWS, attestation_process.md, section "

static const char *const pcr_names[BL_NITRO_PCRS] = {
    "pcr0",  "pcr1",  "pcr2",  "pcr3",  "pcr4",  "pcr5",  "pcr6",  "pcr7",
    "pcr8",  "pcr9",  "pcr10", "pcr11", "pcr12", "pcr13", "pcr14", "pcr15",
    "pcr16", "pcr17", "pcr18", "pcr19", "pcr20", "pcr21", "pcr22", "pcr23",
    "pcr24", "pcr25", "pcr26", "pcr27", "pcr28", "pcr29", "pcr30", "pcr31",
};

/* ---- claims ---- */

static bool is_zero(blind_span bytes)
{
    uint8_t any = 0;
    for (size_t i = 0; i < bytes.size; i++)
        any |= bytes.data[i];
    return any == 0;
}

/* An enclave in debug mode has zeros in PCR0, PCR1 and PCR2; one that has a value in each is not.
 * Source: AWS Nitro Enclaves User Guide, "Cryptographic attestation", "PCRs". */
static blind_state not_debuggable(const bl_nitro_document *d)
{
    size_t zero = 0, held = 0;
    for (size_t i = 0; i < 3; i++) {
        held += d->pcrs[i].size > 0;
        zero += d->pcrs[i].size > 0 && is_zero(d->pcrs[i]);
    }
    if (held < 3)
        return BLIND_UNKNOWN;
    return zero == 3 ? BLIND_REFUTED : zero == 0 ? BLIND_PROVEN : BLIND_UNKNOWN;
}

static void claim_bytes(bl_claims *out, const char *name, blind_span bytes)
{
    if (bytes.size)
        bl_claim_bytes(out, name, bytes);
}

/* The hypervisor keeps the parent instance and its operators out; AWS runs the hypervisor.  Whether
 * memory is encrypted, the document does not say. */
static void claims_of(const bl_nitro_document *d, bl_claims *out)
{
    for (size_t i = 0; i < BL_NITRO_PCRS; i++)
        if (d->pcrs[i].size)
            bl_claim_measurement(out, pcr_names[i], d->pcrs[i]);
    bl_claim_text(out, "module_id", d->module_id);
    claim_bytes(out, "nonce", d->nonce);
    claim_bytes(out, "user_data", d->user_data);
    claim_bytes(out, "public_key", d->public_key);
    out->report_data = d->user_data;
    out->time_s = (int64_t)(d->timestamp_ms / 1000);
    out->not_debuggable = not_debuggable(d);
    out->trusts_hypervisor = true;
    out->trusts_firmware = true;
}

/* ---- steps ---- */

/* Leaf first, as chains are read; the bundle has the root first. */
static blind_code get_chain(const bl_verify_input *in, const bl_nitro_document *d,
                            bl_known_chain **out, blind_error *err)
{
    blind_span lists[BL_NITRO_MAX_BUNDLE + 1] = { d->certificate };
    for (size_t i = 0; i < d->cabundle_len; i++)
        lists[d->cabundle_len - i] = d->cabundle[i];
    BL_TRY(bl_known_chain_get(in->cache, lists, d->cabundle_len + 1, in->roots, out, err));
    if ((*out)->chain.len == d->cabundle_len + 1)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, "nitro.chain", "several certificates in one field");
}

/* The certificates were in force when the document was made, which was not after now. */
static blind_code check_time(const bl_verify_input *in, const bl_chain *chain, int64_t made_s,
                             blind_error *err)
{
    if (in->now_s <= 0)
        return blind_fail(err, BLIND_STALE, "nitro.time", "the time is unknown");
    if (made_s > in->now_s + BL_NITRO_SKEW_S)
        return blind_fail(err, BLIND_STALE, "nitro.time", "a document from %lld s in the future",
                          (long long)(made_s - in->now_s));
    return bl_chain_at(chain, made_s, err);
}

static blind_code judge_chain(const bl_verify_input *in, const bl_nitro_document *d,
                              const bl_cose_sign1 *cose, bl_claims *out)
{
    blind_error          err = { 0 };
    bl_auto_known_chain *known = NULL;
    blind_code           code = get_chain(in, d, &known, &err);
    if (code == BLIND_MEMORY)
        return code;
    bl_find_step(out, in->arena, "chain", code, &err, "a chain to AWS Nitro Enclaves' root key",
                 DOC "3.2.3");
    if (!known)
        return BLIND_OK;
    code = bl_chain_at(&known->chain, in->now_s, &err);
    bl_find_step(out, in->arena, "validity", code, &err, "certificates that are in force now",
                 DOC "3.2.3.1");
    code = check_time(in, &known->chain, out->time_s, &err);
    bl_find_step(out, in->arena, "timestamp", code, &err,
                 "made while its certificates were in force, and not in the future", DOC "3.2.2");
    code = bl_cose_sign1_verify(cose, BL_COSE_ES384, bl_x509_key(known->chain.certs[0]), &err);
    bl_find_step(out, in->arena, "signature", code, &err,
                 "ES384 by the key of the document's certificate",
                 DOC "3.1; RFC 9052, section 4.4");
    return code == BLIND_MEMORY ? code : BLIND_OK;
}

blind_code bl_nitro_verify(const bl_verify_input *in, bl_claims *out, blind_error *err)
{
    bl_cose_sign1     cose;
    bl_nitro_document document;
    *out = (bl_claims){ .tee = "nitro" };
    BL_TRY(bl_cose_sign1_parse(in->evidence, &cose, err));
    BL_TRY(bl_nitro_document_parse(cose.payload, &document, err));
    claims_of(&document, out);
    if (judge_chain(in, &document, &cose, out) == BLIND_MEMORY)
        return blind_fail(err, BLIND_MEMORY, "nitro", "out of memory");
    return bl_findings_code(out, err);
}
