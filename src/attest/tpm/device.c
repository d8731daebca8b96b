/* Opens a TPM: finds the endorsement key that its maker certified, makes the attestation key, reads
 * what goes beside quotes.
 *
 * The attestation key is a primary key of the endorsement hierarchy: its seed is the TPM's own and
 * the template is fixed, so every start makes the same key, and an enrolment lasts. */
#include "attest/tpm/device.h"

#include "attest/tpm/credential.h"
#include "attest/tpm/device_internal.h"
#include "base/file.h"
#include "base/limits.h"
#include "crypto/x509.h"

#include <stdlib.h>

static const char STAGE[] = "tpm.open";
static const char DEFAULT_TCTI[] = "device:/dev/tpmrm0";
static const char DEFAULT_LOG[] = "/sys/kernel/security/tpm0/binary_bios_measurements";

enum { MAX_NV = 8192, NV_CHUNK = 512, MAX_CHAIN = 65536 };

/* ---- NV memory ---- */

/* Appends the bytes of an NV index that anybody may read; NOT_FOUND when there is none. */
static blind_code read_nv(bl_tpm_device *d, TPM2_HANDLE index, bl_buf *out, blind_error *err)
{
    ESYS_TR          nv;
    TPM2B_NV_PUBLIC *area = NULL;
    if (d->tss->Esys_TR_FromTPMPublic(d->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      &nv) != TSS2_RC_SUCCESS)
        return blind_fail(err, BLIND_NOT_FOUND, STAGE, "no NV index 0x%08x", index);
    TSS2_RC rc = d->tss->Esys_NV_ReadPublic(d->esys, nv, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                            &area, NULL);
    size_t  size = rc == TSS2_RC_SUCCESS ? area->nvPublic.dataSize : 0;
    bool    owner = rc == TSS2_RC_SUCCESS && !(area->nvPublic.attributes & TPMA_NV_AUTHREAD);
    d->tss->Esys_Free(area);
    for (size_t at = 0; rc == TSS2_RC_SUCCESS && at < BL_MIN(size, (size_t)MAX_NV);) {
        TPM2B_MAX_NV_BUFFER *chunk = NULL;
        size_t               want = BL_MIN(size - at, (size_t)NV_CHUNK);
        rc = d->tss->Esys_NV_Read(d->esys, owner ? ESYS_TR_RH_OWNER : nv, nv, ESYS_TR_PASSWORD,
                                  ESYS_TR_NONE, ESYS_TR_NONE, (uint16_t)want, (uint16_t)at, &chunk);
        if (rc == TSS2_RC_SUCCESS)
            bl_buf_add(out, bl_span(chunk->buffer, chunk->size));
        d->tss->Esys_Free(chunk);
        at += want;
    }
    d->tss->Esys_TR_Close(d->esys, &nv);
    BL_TRY(bl_tss_check(rc, "read NV memory", err));
    return bl_buf_check(out, STAGE, err);
}

/* ---- keys ---- */

static blind_code keep_public(bl_tpm_device *d, const TPMT_PUBLIC *area, bl_buf *out,
                              blind_error *err)
{
    uint8_t bytes[sizeof *area];
    size_t  size = 0;
    bl_buf_clear(out);
    BL_TRY(bl_tss_check(d->tss->Tss2_MU_TPMT_PUBLIC_Marshal(area, bytes, sizeof bytes, &size),
                        "encode a public area", err));
    bl_buf_add(out, bl_span(bytes, size));
    return bl_buf_check(out, STAGE, err);
}

static blind_code create_primary(bl_tpm_device *d, const TPMT_PUBLIC *template, ESYS_TR *key,
                                 bl_buf *area, blind_error *err)
{
    static const TPM2B_SENSITIVE_CREATE no_secret;
    static const TPM2B_DATA             no_data;
    static const TPML_PCR_SELECTION     no_pcrs;
    TPM2B_PUBLIC                        in = { .publicArea = *template };
    TPM2B_PUBLIC                       *made = NULL;
    TSS2_RC    rc = d->tss->Esys_CreatePrimary(d->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD,
                                               ESYS_TR_NONE, ESYS_TR_NONE, &no_secret, &in, &no_data,
                                               &no_pcrs, key, &made, NULL, NULL, NULL);
    blind_code code = bl_tss_check(rc, "create a key", err);
    if (code == BLIND_OK)
        code = keep_public(d, &made->publicArea, area, err);
    d->tss->Esys_Free(made);
    return code;
}

/* The key at a persistent handle; NOT_FOUND when there is none. */
static blind_code find_persistent(bl_tpm_device *d, TPM2_HANDLE handle, ESYS_TR *key, bl_buf *area,
                                  blind_error *err)
{
    TPM2B_PUBLIC *found = NULL;
    if (d->tss->Esys_TR_FromTPMPublic(d->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      key) != TSS2_RC_SUCCESS)
        return blind_fail(err, BLIND_NOT_FOUND, STAGE, "no key at handle 0x%08x", handle);
    TSS2_RC    rc = d->tss->Esys_ReadPublic(d->esys, *key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                            &found, NULL, NULL);
    blind_code code = bl_tss_check(rc, "read a key", err);
    if (code == BLIND_OK)
        code = keep_public(d, &found->publicArea, area, err);
    d->tss->Esys_Free(found);
    return code;
}

/* ---- the endorsement key ---- */

/* PolicySecret of the endorsement hierarchy.  Source: TCG EK Credential Profile 2.5, annex B.3. */
#define POLICY_A                                                                                   \
    {                                                                                              \
        .size = 32, .buffer = {                                                                    \
            0x83,                                                                                  \
            0x71,                                                                                  \
            0x97,                                                                                  \
            0x67,                                                                                  \
            0x44,                                                                                  \
            0x84,                                                                                  \
            0xb3,                                                                                  \
            0xf8,                                                                                  \
            0x1a,                                                                                  \
            0x90,                                                                                  \
            0xcc,                                                                                  \
            0x8d,                                                                                  \
            0x46,                                                                                  \
            0xa5,                                                                                  \
            0xd7,                                                                                  \
            0x24,                                                                                  \
            0xfd,                                                                                  \
            0x52,                                                                                  \
            0xd7,                                                                                  \
            0x6e,                                                                                  \
            0x06,                                                                                  \
            0x52,                                                                                  \
            0x0b,                                                                                  \
            0x64,                                                                                  \
            0xf2,                                                                                  \
            0xa1,                                                                                  \
            0xda,                                                                                  \
            0x1b,                                                                                  \
            0x33,                                                                                  \
            0x14,                                                                                  \
            0x69,                                                                                  \
            0xaa                                                                                   \
        }                                                                                          \
    }
#define EK_ATTRIBUTES                                                                              \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |            \
     TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)
#define EK_CIPHER                                                                                  \
    {                                                                                              \
        .algorithm = TPM2_ALG_AES, .keyBits = { .aes = 128 }, .mode = {.aes = TPM2_ALG_CFB }       \
    }

/* certificate's NV index, usual persistent handle, template.  Source: the profile, sections 2.2.1
 * and B.3.3 (L-1), B.3.4 (L-2); TCG TPM v2.0 Provisioning Guidance, section 7.8. */
static const struct {
    TPM2_HANDLE certificate, handle;
    TPMT_PUBLIC template;
} endorsements[] = {
    { 0x01c0000a,
      0x81010002,
      { .type = TPM2_ALG_ECC,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = EK_ATTRIBUTES,
        .authPolicy = POLICY_A,
        .parameters.eccDetail = { .symmetric = EK_CIPHER,
                                  .scheme = { .scheme = TPM2_ALG_NULL },
                                  .curveID = TPM2_ECC_NIST_P256,
                                  .kdf = { .scheme = TPM2_ALG_NULL } },
        .unique.ecc = { .x = { .size = 32 }, .y = { .size = 32 } } } },
    { 0x01c00002,
      0x81010001,
      { .type = TPM2_ALG_RSA,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = EK_ATTRIBUTES,
        .authPolicy = POLICY_A,
        .parameters.rsaDetail = { .symmetric = EK_CIPHER,
                                  .scheme = { .scheme = TPM2_ALG_NULL },
                                  .keyBits = 2048 },
        .unique.rsa = { .size = 256 } } },
};

/* The certificate is of this key. */
static bool certifies(blind_span cert, blind_span area)
{
    bl_tpm_public key;
    uint8_t       spki[BL_TPM_SPKI];
    bl_auto_x509 *x = NULL;
    return bl_tpm_public_parse(area, &key, NULL) == BLIND_OK &&
           bl_x509_parse(bl_tpm_nv_trim(cert), &x, NULL) == BLIND_OK &&
           bl_span_equal(bl_x509_spki(x), bl_span(spki, bl_tpm_public_spki(&key, spki)));
}

/* The key that the certificate names: where it usually lies, else made again. */
static blind_code find_ek(bl_tpm_device *d, size_t i, blind_error *err)
{
    blind_code code = find_persistent(d, endorsements[i].handle, &d->ek, &d->ek_public, err);
    if (code == BLIND_OK && certifies(bl_buf_span(&d->ek_cert), bl_buf_span(&d->ek_public)))
        return BLIND_OK;
    BL_TRY(create_primary(d, &endorsements[i].template, &d->ek, &d->ek_public, err));
    d->flush_ek = true;
    if (certifies(bl_buf_span(&d->ek_cert), bl_buf_span(&d->ek_public)))
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE,
                      "the endorsement certificate in NV memory is of another key than the TPM's");
}

/* A TPM without a certificate can still be used with a pinned attestation key. */
static blind_code open_ek(bl_tpm_device *d, blind_error *err)
{
    for (size_t i = 0; i < BL_LEN(endorsements); i++) {
        bl_buf_clear(&d->ek_cert);
        blind_code code = read_nv(d, endorsements[i].certificate, &d->ek_cert, err);
        if (code == BLIND_OK)
            return find_ek(d, i, err);
        if (code != BLIND_NOT_FOUND)
            return code;
    }
    bl_buf_clear(&d->ek_cert);
    return BLIND_OK;
}

/* ---- the attestation key ---- */

static const TPMT_PUBLIC ak_template = {
    .type = TPM2_ALG_ECC,
    .nameAlg = TPM2_ALG_SHA256,
    .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                        TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                        TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT,
    .parameters.eccDetail = { .symmetric = { .algorithm = TPM2_ALG_NULL },
                              .scheme = { .scheme = TPM2_ALG_ECDSA,
                                          .details.ecdsa.hashAlg = TPM2_ALG_SHA256 },
                              .curveID = TPM2_ECC_NIST_P256,
                              .kdf = { .scheme = TPM2_ALG_NULL } },
};

/* Google's attestation keys: certificate and template in NV memory.  Source: go-tpm-tools, client.
 */
static const struct {
    TPM2_HANDLE certificate, template;
} google[] = { { 0x01c10002, 0x01c10003 }, { 0x01c10000, 0x01c10001 } };

static blind_code open_google_ak(bl_tpm_device *d, size_t i, blind_error *err)
{
    bl_auto_buf raw = BL_BUF_EMPTY;
    TPMT_PUBLIC template = { 0 };
    size_t at = 0;
    BL_TRY(read_nv(d, google[i].template, &raw, err));
    BL_TRY(read_nv(d, google[i].certificate, &d->ak_cert, err));
    BL_TRY(bl_tss_check(d->tss->Tss2_MU_TPMT_PUBLIC_Unmarshal(raw.data, raw.size, &at, &template),
                        "read a key's template", err));
    BL_TRY(create_primary(d, &template, &d->ak, &d->ak_public, err));
    d->flush_ak = true;
    return BLIND_OK;
}

static blind_code open_ak(bl_tpm_device *d, uint32_t handle, blind_error *err)
{
    if (handle)
        return find_persistent(d, handle, &d->ak, &d->ak_public, err);
    for (size_t i = 0; i < BL_LEN(google); i++) {
        bl_buf_clear(&d->ak_cert);
        blind_code code = open_google_ak(d, i, err);
        if (code != BLIND_NOT_FOUND)
            return code;
    }
    bl_buf_clear(&d->ak_cert);
    BL_TRY(create_primary(d, &ak_template, &d->ak, &d->ak_public, err));
    d->flush_ak = true;
    return BLIND_OK;
}

/* ---- the device ---- */

/* A log that is not there leaves the PCRs unexplained, which is no failure. */
static blind_code read_files(bl_tpm_device *d, const bl_tee_options *o, blind_error *err)
{
    const char *log = o->tpm_event_log ? o->tpm_event_log : DEFAULT_LOG;
    if (bl_file_read(log, BL_MAX_BOOT_LOG, &d->event_log, err) != BLIND_OK && o->tpm_event_log)
        return BLIND_IO;
    if (o->tpm_ek_chain)
        BL_TRY(bl_file_read(o->tpm_ek_chain, MAX_CHAIN, &d->ek_chain, err));
    return BLIND_OK;
}

static blind_code open_device(bl_tpm_device *d, const bl_tee_options *o, blind_error *err)
{
    const char *tcti = o->tpm_tcti ? o->tpm_tcti : DEFAULT_TCTI;
    BL_TRY(bl_tss_load(&d->tss, err));
    if (d->tss->Tss2_TctiLdr_Initialize(tcti, &d->tcti) != TSS2_RC_SUCCESS)
        return blind_fail(err, BLIND_IO, STAGE, "cannot open the TPM at '%.100s'", tcti);
    BL_TRY(bl_tss_check(d->tss->Esys_Initialize(&d->esys, d->tcti, NULL), "talk to the TPM", err));
    BL_TRY(open_ek(d, err));
    BL_TRY(open_ak(d, o->tpm_ak_handle, err));
    bl_tpm_public ak;
    BL_TRY(bl_tpm_public_parse(bl_buf_span(&d->ak_public), &ak, err));
    BL_TRY(bl_tpm_check_ak(&ak, err));
    return read_files(d, o, err);
}

blind_code bl_tpm_open(const bl_tee_options *options, void **device, blind_error *err)
{
    *device = NULL;
    bl_tpm_device *d = calloc(1, sizeof *d);
    if (!d)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    pthread_mutex_init(&d->lock, NULL);
    blind_code code = open_device(d, options, err);
    if (code == BLIND_OK)
        *device = d;
    else
        bl_tpm_close(d);
    return code;
}

void bl_tpm_close(void *device)
{
    bl_tpm_device *d = device;
    if (!d)
        return;
    if (d->flush_ak)
        (void)d->tss->Esys_FlushContext(d->esys, d->ak);
    if (d->flush_ek)
        (void)d->tss->Esys_FlushContext(d->esys, d->ek);
    if (d->esys)
        d->tss->Esys_Finalize(&d->esys);
    if (d->tcti)
        d->tss->Tss2_TctiLdr_Finalize(&d->tcti);
    bl_buf *all[] = { &d->ek_public, &d->ek_cert, &d->ek_chain,
                      &d->ak_public, &d->ak_cert, &d->event_log };
    for (size_t i = 0; i < BL_LEN(all); i++)
        bl_buf_done(all[i]);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
