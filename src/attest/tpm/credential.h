/* Credential activation: a challenge that only the TPM holding both keys can answer, and the record
 * of its answer.
 *
 * An endorsement key (EK) is certified by the TPM's maker but signs nothing.  The challenge is a
 * secret encrypted to the EK and tied to the name of an attestation key: the TPM gives the secret
 * back only when an object of this name is loaded in it.
 *
 *     credential = TPM2B_ID_OBJECT, then TPM2B_ENCRYPTED_SECRET
 *
 * Source: TPM 2.0 Library 1.59, part 1, section 24 (credential protection), 11.4.10 (KDFa, KDFe),
 * annexes B.10.4 and C.6.4. */
#ifndef BL_TPM_CREDENTIAL_H
#define BL_TPM_CREDENTIAL_H

#include "attest/tpm/tpm.h"

#define BL_TPM_SECRET 32 /* bytes of the secret that comes back */

/* Appends the challenge for `secret` to `out`.
 *
 * ek       of a template (bl_tpm_check_ek())
 * ak_name  bl_tpm_public_name() of the attestation key
 * Errors   UNSUPPORTED, INPUT, FAILED (no randomness), MEMORY */
BLIND_MUST_USE blind_code bl_tpm_make_credential(const bl_tpm_public *ek, blind_span ak_name,
                                                 blind_span secret, bl_buf *out, blind_error *err);
/* The two structures of a challenge, with their sizes in front.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_tpm_credential_parse(blind_span credential, blind_span *id_object,
                                                  blind_span *encrypted_secret, blind_error *err);

/* KDFa: `bits` / 8 bytes from a key.  Parts of for tests. */
BLIND_MUST_USE blind_code bl_tpm_kdfa(bl_hash hash, blind_span key, const char *label, blind_span u,
                                      blind_span v, uint8_t *out, size_t bits);

/* An enrolment: what a client knows after an activation, kept by it and given to the verifier.  It
 * comes from nobody else; evidence that carries one is not looked at for it.
 *
 *     record     map of parts: ak_name, ek_public, ek_cert, ek_chain, time (u64, seconds since
 * 1970)
 */
typedef struct {
    blind_span ak_name, ek_public, ek_cert, ek_chain;
    int64_t    time_s;
} bl_tpm_enrolment;
BLIND_MUST_USE blind_code bl_tpm_enrolment_parse(blind_span record, bl_tpm_enrolment *out,
                                                 blind_error *err);
BLIND_MUST_USE blind_code bl_tpm_enrolment_write(const bl_tpm_enrolment *enrolment, bl_buf *out,
                                                 blind_error *err);
/* The EK is of a template and its certificate chains to an anchor.  Errors: EVIDENCE, CHAIN, STALE,
 * FORMAT, MEMORY
 *
 * anchors  its roots, rules, time and cache; certificate and chain are the enrolment's */
BLIND_MUST_USE blind_code bl_tpm_check_endorsement(const bl_tpm_enrolment  *enrolment,
                                                   const bl_tpm_cert_input *anchors,
                                                   bl_tpm_public *ek, bl_tpm_cert *cert,
                                                   blind_error *err);

#endif
