/* A TPM of software for tests: keys, quotes and certificates in the forms that TPMs give, and in
 * wrong forms too, which none would give.  Aborts where it cannot make what it is asked for. */
#ifndef FAKE_TPM_H
#define FAKE_TPM_H

#include "attest/tpm/tpm.h"
#include "tests/attest/make_cert.h"

#define FAKE_NOW 1750000000

typedef struct {
    EVP_PKEY *ak, *ca, *root;
    uint16_t  scheme, hash; /* of the AK */
    uint32_t  attributes;   /* of the AK */
    /* The next quote. */
    uint16_t    bank;
    uint32_t    selection;
    uint16_t    type;
    uint32_t    magic;
    bl_tpm_pcrs pcrs;
    const char *key_usage;    /* of the AK's certificate */
    const char *manufacturer; /* "id:53544D20"; NULL: no attributes */
    bool        ca_leaf;      /* the AK's certificate claims to be an authority's */
} fake_tpm;

/* An ECDSA P-256 AK (or RSA of 2048 bits), PCRs 0 to 15 of SHA-256. */
void fake_tpm_init(fake_tpm *t, bool rsa);
void fake_tpm_done(fake_tpm *t);

typedef struct {
    bl_buf quote, signature, ak_public, ak_cert, ak_chain, pcrs, root_spki;
} fake_evidence;
void fake_evidence_done(fake_evidence *e);
/* Everything over `nonce`. */
void fake_tpm_quote(const fake_tpm *t, blind_span nonce, fake_evidence *out);
void fake_tpm_public(const fake_tpm *t, bl_buf *out); /* TPMT_PUBLIC of the AK */
/* subjectAltName of an EK certificate, contents. */
void fake_tpm_names(const char *manufacturer, const char *model, bl_buf *out);

#endif
