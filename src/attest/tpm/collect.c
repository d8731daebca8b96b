/* What an open TPM is asked to do: quote, answer a challenge, extend. */
#include "attest/tpm/credential.h"
#include "attest/tpm/device.h"
#include "attest/tpm/device_internal.h"

static const char STAGE[] = "tpm.collect";

enum { TRIES = 4, RUNTIME_PCR = 15 };

static const TPML_PCR_SELECTION quoted = {
    .count = 1,
    .pcrSelections = { { .hash = TPM2_ALG_SHA256,
                         .sizeofSelect = 3,
                         .pcrSelect = { 0xff, 0xff, 0x00 } } },
};

/* ---- PCR values ---- */

static bool take_values(const TPML_PCR_SELECTION *which, const TPML_DIGEST *values,
                        bl_tpm_pcrs *out)
{
    size_t next = 0;
    if (which->count != 1)
        return false;
    for (unsigned i = 0; i < 8u * which->pcrSelections[0].sizeofSelect && i < BL_TPM_PCRS; i++) {
        if (!(which->pcrSelections[0].pcrSelect[i / 8] >> i % 8 & 1))
            continue;
        if (next >= values->count || values->digests[next].size != out->size)
            return false;
        memcpy(out->values[i], values->digests[next++].buffer, out->size);
        out->listed |= 1u << i;
    }
    return next > 0;
}

/* The TPM answers as many values at a time as it likes. */
static blind_code read_pcrs(bl_tpm_device *d, uint32_t wanted, bl_tpm_pcrs *out, blind_error *err)
{
    *out = (bl_tpm_pcrs){ .bank = BL_TPM_SHA256, .size = 32 };
    while (out->listed != wanted) {
        TPML_PCR_SELECTION ask = quoted, *which = NULL;
        TPML_DIGEST       *values = NULL;
        uint32_t           before = out->listed;
        for (unsigned i = 0; i < 3; i++)
            ask.pcrSelections[0].pcrSelect[i] = (uint8_t)((wanted & ~before) >> 8 * i);
        TSS2_RC rc = d->tss->Esys_PCR_Read(d->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ask,
                                           NULL, &which, &values);
        bool    taken = rc == TSS2_RC_SUCCESS && take_values(which, values, out);
        d->tss->Esys_Free(which);
        d->tss->Esys_Free(values);
        BL_TRY(bl_tss_check(rc, "read PCRs", err));
        if (!taken || out->listed == before)
            return blind_fail(err, BLIND_IO, STAGE, "the TPM has no SHA-256 bank");
    }
    return BLIND_OK;
}

/* ---- quotes ---- */

static blind_code add_quote(bl_tpm_device *d, blind_span report_data, bl_buf *quote,
                            bl_buf *signature, blind_error *err)
{
    static const TPMT_SIG_SCHEME own = { .scheme = TPM2_ALG_NULL };
    TPM2B_DATA                   nonce = { .size = (uint16_t)report_data.size };
    TPM2B_ATTEST                *attest = NULL;
    TPMT_SIGNATURE              *signed_by = NULL;
    uint8_t                      bytes[sizeof *signed_by];
    size_t                       size = 0;
    memcpy(nonce.buffer, report_data.data, report_data.size);
    TSS2_RC rc = d->tss->Esys_Quote(d->esys, d->ak, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                    &nonce, &own, &quoted, &attest, &signed_by);
    if (rc == TSS2_RC_SUCCESS)
        rc = d->tss->Tss2_MU_TPMT_SIGNATURE_Marshal(signed_by, bytes, sizeof bytes, &size);
    if (rc == TSS2_RC_SUCCESS) {
        bl_buf_add(quote, bl_span(attest->attestationData, attest->size));
        bl_buf_add(signature, bl_span(bytes, size));
    }
    d->tss->Esys_Free(attest);
    d->tss->Esys_Free(signed_by);
    return bl_tss_check(rc, "quote", err);
}

/* A PCR that was extended between quote and reading would make evidence that nobody accepts. */
static bool belong_together(const bl_buf *quote, const bl_tpm_pcrs *pcrs)
{
    bl_tpm_quote parsed;
    bl_auto_buf  all = BL_BUF_EMPTY;
    uint8_t      digest[32];
    for (unsigned i = 0; i < BL_TPM_MEANING; i++)
        bl_buf_add(&all, bl_span(pcrs->values[i], 32));
    return bl_buf_ok(&all) && bl_tpm_quote_parse(bl_buf_span(quote), &parsed, NULL) == BLIND_OK &&
           bl_sha256(bl_buf_span(&all), digest) == BLIND_OK &&
           (parsed.pcr_digest.size != 32 || memcmp(parsed.pcr_digest.data, digest, 32) == 0);
}

static blind_code collect(bl_tpm_device *d, blind_span report_data, bl_buf *quote,
                          bl_buf *signature, bl_tpm_pcrs *pcrs, blind_error *err)
{
    for (size_t i = 0; i < TRIES; i++) {
        bl_buf_clear(quote);
        bl_buf_clear(signature);
        BL_TRY(add_quote(d, report_data, quote, signature, err));
        BL_TRY(read_pcrs(d, 0xffff, pcrs, err));
        if (belong_together(quote, pcrs))
            return BLIND_OK;
    }
    return blind_fail(err, BLIND_BUSY, STAGE, "PCRs change faster than they can be quoted");
}

typedef struct {
    const char *name;
    blind_span  bytes;
} named;

static blind_code add_parts(const named *rows, size_t n, bl_buf *out, blind_error *err)
{
    bl_parts parts = { 0 };
    for (size_t i = 0; i < n; i++)
        if (rows[i].bytes.size)
            BL_TRY(bl_parts_set(&parts, bl_span_str(rows[i].name), rows[i].bytes, err));
    return bl_parts_write(&parts, out, err);
}

blind_code bl_tpm_collect(void *device, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err)
{
    bl_tpm_device *d = device;
    bl_auto_buf    quote = BL_BUF_EMPTY, signature = BL_BUF_EMPTY, text = BL_BUF_EMPTY;
    bl_tpm_pcrs    pcrs;
    (void)now_s; /* a TPM has a clock of its own, which nobody sets */
    if (report_data.size == 0 || report_data.size > 64)
        return blind_fail(err, BLIND_USAGE, STAGE, "%zu bytes of report data, at most 64",
                          report_data.size);
    pthread_mutex_lock(&d->lock);
    blind_code code = collect(d, report_data, &quote, &signature, &pcrs, err);
    pthread_mutex_unlock(&d->lock);
    BL_TRY(code);
    BL_TRY(bl_tpm_pcrs_write(&pcrs, &text, err));
    const named rows[] = { { "quote", bl_buf_span(&quote) },
                           { "signature", bl_buf_span(&signature) },
                           { "pcrs", bl_buf_span(&text) } };
    return add_parts(rows, BL_LEN(rows), evidence, err);
}

blind_code bl_tpm_endorse(void *device, bl_buf *out, blind_error *err)
{
    const bl_tpm_device *d = device;
    const named          rows[] = {
                 { "ak_public", bl_buf_span(&d->ak_public) }, { "ak_cert", bl_buf_span(&d->ak_cert) },
                 { "ek_public", bl_buf_span(&d->ek_public) }, { "ek_cert", bl_buf_span(&d->ek_cert) },
                 { "ek_chain", bl_buf_span(&d->ek_chain) },   { "event_log", bl_buf_span(&d->event_log) },
    };
    return add_parts(rows, BL_LEN(rows), out, err);
}

/* ---- challenges ---- */

/* The EK's use is guarded by a policy: whoever may use the endorsement hierarchy.
 * Source: TCG EK Credential Profile 2.5, annex B.3. */
static TSS2_RC start_policy(bl_tpm_device *d, ESYS_TR *session)
{
    static const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
    TSS2_RC rc = d->tss->Esys_StartAuthSession(d->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                               ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_POLICY,
                                               &none, TPM2_ALG_SHA256, session);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = d->tss->Esys_PolicySecret(d->esys, ESYS_TR_RH_ENDORSEMENT, *session, ESYS_TR_PASSWORD,
                                   ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0, NULL, NULL);
    if (rc != TSS2_RC_SUCCESS)
        (void)d->tss->Esys_FlushContext(d->esys, *session);
    return rc;
}

static TSS2_RC activate(bl_tpm_device *d, const TPM2B_ID_OBJECT *object,
                        const TPM2B_ENCRYPTED_SECRET *encrypted, bl_buf *out)
{
    ESYS_TR       session;
    TPM2B_DIGEST *secret = NULL;
    TSS2_RC       rc = start_policy(d, &session);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = d->tss->Esys_ActivateCredential(d->esys, d->ak, d->ek, ESYS_TR_PASSWORD, session,
                                         ESYS_TR_NONE, object, encrypted, &secret);
    if (rc == TSS2_RC_SUCCESS)
        bl_buf_add(out, bl_span(secret->buffer, secret->size));
    (void)d->tss->Esys_FlushContext(d->esys, session);
    d->tss->Esys_Free(secret);
    return rc;
}

blind_code bl_tpm_activate(void *device, blind_span credential, bl_buf *secret, blind_error *err)
{
    bl_tpm_device         *d = device;
    blind_span             object, encrypted;
    TPM2B_ID_OBJECT        in_object = { 0 };
    TPM2B_ENCRYPTED_SECRET in_encrypted = { 0 };
    BL_TRY(bl_tpm_credential_parse(credential, &object, &encrypted, err));
    if (!d->ek_cert.size)
        return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "the TPM has no endorsement certificate");
    in_object.size = (uint16_t)(object.size - 2);
    memcpy(in_object.credential, object.data + 2, object.size - 2);
    in_encrypted.size = (uint16_t)(encrypted.size - 2);
    memcpy(in_encrypted.secret, encrypted.data + 2, encrypted.size - 2);
    pthread_mutex_lock(&d->lock);
    TSS2_RC rc = activate(d, &in_object, &in_encrypted, secret);
    pthread_mutex_unlock(&d->lock);
    BL_TRY(bl_tss_check(rc, "answer the challenge", err));
    return bl_buf_check(secret, STAGE, err);
}

/* ---- the runtime log's register ---- */

blind_code bl_tpm_extend(void *device, const uint8_t digest[32], blind_error *err)
{
    bl_tpm_device     *d = device;
    TPML_DIGEST_VALUES values = { .count = 1, .digests = { { .hashAlg = TPM2_ALG_SHA256 } } };
    memcpy(values.digests[0].digest.sha256, digest, 32);
    pthread_mutex_lock(&d->lock);
    TSS2_RC rc = d->tss->Esys_PCR_Extend(d->esys, ESYS_TR_PCR0 + RUNTIME_PCR, ESYS_TR_PASSWORD,
                                         ESYS_TR_NONE, ESYS_TR_NONE, &values);
    pthread_mutex_unlock(&d->lock);
    return bl_tss_check(rc, "extend PCR 15", err);
}

blind_code bl_tpm_extended(void *device, uint8_t out[32], blind_error *err)
{
    bl_tpm_device *d = device;
    bl_tpm_pcrs    pcrs;
    pthread_mutex_lock(&d->lock);
    blind_code code = read_pcrs(d, 1u << RUNTIME_PCR, &pcrs, err);
    pthread_mutex_unlock(&d->lock);
    memcpy(out, pcrs.values[RUNTIME_PCR], 32);
    return code;
}
