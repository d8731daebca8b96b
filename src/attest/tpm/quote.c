/* The steps that every quote takes: its signature, its algorithms, the PCR values behind its
 * digest. */
#include "attest/tpm/internal.h"

#include <stdio.h>

/* Source: TPM 2.0 part 2, section 11.2.1 (schemes).  PSS: the TPM salts as long as the key allows,
 * or as the digest: part 1, annex B.7. */
static const struct {
    uint16_t            scheme, hash;
    bl_signature_scheme with;
} schemes[] = {
    { BL_TPM_RSASSA, BL_TPM_SHA256, BL_RSA_PKCS1_SHA256 },
    { BL_TPM_RSASSA, BL_TPM_SHA384, BL_RSA_PKCS1_SHA384 },
    { BL_TPM_RSASSA, BL_TPM_SHA512, BL_RSA_PKCS1_SHA512 },
    { BL_TPM_RSASSA, BL_TPM_SHA1, BL_RSA_PKCS1_SHA1 },
    { BL_TPM_RSAPSS, BL_TPM_SHA256, BL_RSA_PSS_SHA256_ANY_SALT },
    { BL_TPM_RSAPSS, BL_TPM_SHA384, BL_RSA_PSS_SHA384_ANY_SALT },
    { BL_TPM_ECDSA, BL_TPM_SHA256, BL_ECDSA_P256_SHA256_RAW },
    { BL_TPM_ECDSA, BL_TPM_SHA384, BL_ECDSA_P384_SHA384_RAW },
};

/* r || s, each as long as the curve's field. */
static bool join_ecdsa(const bl_tpm_signature *signature, size_t half, uint8_t out[96])
{
    blind_span numbers[] = { signature->r, signature->s };
    memset(out, 0, 96);
    for (size_t i = 0; i < 2; i++) {
        if (numbers[i].size == 0 || numbers[i].size > half)
            return false;
        memcpy(out + (i + 1) * half - numbers[i].size, numbers[i].data, numbers[i].size);
    }
    return true;
}

blind_code bl_tpm_signature_verify(const bl_tpm_signature *signature, const bl_key *key,
                                   blind_span message, blind_error *err)
{
    uint8_t raw[96];
    for (size_t i = 0; i < BL_LEN(schemes); i++) {
        if (schemes[i].scheme != signature->scheme || schemes[i].hash != signature->hash)
            continue;
        blind_span bytes = signature->rsa;
        if (signature->scheme == BL_TPM_ECDSA) {
            size_t half = signature->hash == BL_TPM_SHA384 ? 48 : 32;
            if (!join_ecdsa(signature, half, raw))
                return blind_fail(err, BLIND_SIGNATURE, "tpm.signature", "malformed signature");
            bytes = bl_span(raw, 2 * half);
        }
        return bl_key_verify(key, schemes[i].with, message, bytes, err);
    }
    return blind_fail(err, BLIND_SIGNATURE, "tpm.signature",
                      "a signature of scheme %04x and hash %04x", signature->scheme,
                      signature->hash);
}

void bl_tpm_claim_quote(const bl_tpm_session *s, bl_claims *out)
{
    const bl_tpm_quote *q = &s->quote;
    out->report_data = q->extra_data;
    bl_claim_number(out, "clock_ms", q->clock_ms);
    bl_claim_flag(out, "clock_safe", q->safe);
    bl_claim_number(out, "reset_count", q->reset_count);
    bl_claim_number(out, "restart_count", q->restart_count);
    bl_claim_number(out, "firmware_version", q->firmware_version);
    /* Whoever runs the machine holds the TPM, its bus and the memory; a quote says nothing of it.
     */
    out->trusts_host = out->trusts_hypervisor = out->trusts_firmware = true;
}

static bool same_scheme(const bl_tpm_session *s)
{
    return s->ak.type == 0 || s->ak.scheme == BL_TPM_NULL ||
           (s->ak.scheme == s->signature.scheme && s->ak.hash == s->signature.hash);
}

static void judge_signature(const bl_tpm_session *s, bl_claims *out)
{
    static const char source[] = "TPM 2.0 part 3, section 18.4 (TPM2_Quote)";
    blind_error       why = { 0 };
    blind_code        code = bl_tpm_signature_verify(&s->signature, s->key, s->raw, &why);
    if (code == BLIND_OK && !same_scheme(s))
        code = blind_fail(&why, BLIND_SIGNATURE, "tpm.signature",
                          "a scheme other than the attestation key's own");
    (void)bl_find_step(out, s->in->arena, "quote", code, &why,
                       "TPM2_Quote's structure, signed by the attestation key", source);
}

/* A quote signed over SHA-1 could be another quote.  Values of a SHA-1 bank are read and shown, but
 * no reference set can name them: registers have 32 or 48 bytes. */
static void judge_algorithms(const bl_tpm_session *s, bl_claims *out)
{
    bool weak = s->signature.hash == BL_TPM_SHA1;
    bl_find(out, "hashes", !weak || s->in->rules->allow_sha1, BLIND_EVIDENCE,
            s->in->rules->allow_sha1 ? "any, as the policy says" : "signed over SHA-256 or longer",
            bl_arena_printf(s->in->arena, "signed over %s, %s bank",
                            bl_tpm_hash_name(s->signature.hash),
                            s->quote.bank ? bl_tpm_hash_name(s->quote.bank) : "no"),
            "policy: allow_sha1");
}

/* The quote's digest is over the values in ascending order, by the hash of its signature.
 * Source: TPM 2.0 part 1, section 17.5; part 3, section 18.4. */
static blind_code digest_of(const bl_tpm_session *s, uint8_t out[BL_HASH_MAX], size_t *size)
{
    uint8_t all[BL_TPM_PCRS * BL_HASH_MAX];
    size_t  used = 0;
    bl_hash hash;
    *size = 0;
    if (!bl_tpm_hash(s->signature.hash, &hash))
        return BLIND_SIGNATURE;
    for (unsigned i = 0; i < BL_TPM_PCRS; i++)
        if (s->quote.selection >> i & 1) {
            memcpy(all + used, s->pcrs.values[i], s->pcrs.size);
            used += s->pcrs.size;
        }
    *size = bl_hash_size(hash);
    return bl_hash_of(hash, bl_span(all, used), out);
}

static blind_code check_pcrs(const bl_tpm_session *s, blind_error *err)
{
    uint8_t digest[BL_HASH_MAX];
    size_t  size;
    if (s->pcrs.bank != s->quote.bank)
        return blind_fail(err, BLIND_EVIDENCE, "tpm.pcrs", "values of the %s bank, quoted is %s",
                          bl_tpm_hash_name(s->pcrs.bank), bl_tpm_hash_name(s->quote.bank));
    if (s->pcrs.listed != s->quote.selection)
        return blind_fail(err, BLIND_EVIDENCE, "tpm.pcrs", "PCRs %06x listed, quoted are %06x",
                          s->pcrs.listed, s->quote.selection);
    BL_TRY(digest_of(s, digest, &size));
    if (bl_span_equal(s->quote.pcr_digest, bl_span(digest, size)))
        return BLIND_OK;
    return blind_fail(err, BLIND_EVIDENCE, "tpm.pcrs", "values of another digest");
}

static const char *const register_names[BL_TPM_MEANING] = {
    "pcr0", "pcr1", "pcr2",  "pcr3",  "pcr4",  "pcr5",  "pcr6",  "pcr7",
    "pcr8", "pcr9", "pcr10", "pcr11", "pcr12", "pcr13", "pcr14", "pcr15",
};

static void claim_pcrs(const bl_tpm_session *s, bl_claims *out)
{
    for (unsigned i = 0; i < BL_TPM_MEANING; i++)
        if (s->pcrs.listed >> i & 1) {
            char *copy = bl_arena_copy(s->in->arena, bl_span(s->pcrs.values[i], s->pcrs.size));
            out->failed |= !copy;
            if (copy)
                bl_claim_measurement(out, register_names[i], bl_span(copy, s->pcrs.size));
        }
}

/* Values that do not give the digest are nobody's: they are not claimed at all. */
static void judge_pcrs(const bl_tpm_session *s, bl_claims *out)
{
    static const char source[] = "TPM 2.0 part 1, section 17.5; part 2, section 10.12.1";
    static const char expected[] = "values that give the quote's PCR digest";
    blind_error       why = { 0 };
    if (!s->has_pcrs) {
        bl_find_beside(out, "pcrs", BLIND_UNKNOWN, BLIND_MEASUREMENT, expected, "no values",
                       source);
        return;
    }
    if (bl_find_step(out, s->in->arena, "pcrs", check_pcrs(s, &why), &why, expected, source) ==
        BLIND_OK)
        claim_pcrs(s, out);
}

void bl_tpm_judge_quote(const bl_tpm_session *s, bl_claims *out)
{
    judge_signature(s, out);
    judge_algorithms(s, out);
    judge_pcrs(s, out);
}
