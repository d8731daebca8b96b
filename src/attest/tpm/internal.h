/* What the steps of a TPM's verification share. */
#ifndef BL_TPM_INTERNAL_H
#define BL_TPM_INTERNAL_H

#include "attest/tpm/tpm.h"

/* Evidence and parts, read.  Nothing here is believed before a step has proven it. */
typedef struct {
    const bl_verify_input *in;
    bl_parts               parts; /* beside the evidence and inside it, each name once */
    blind_span             raw;   /* TPMS_ATTEST: the bytes signed */
    bl_tpm_quote           quote;
    bl_tpm_signature       signature;
    bl_tpm_public          ak; /* type 0: its public area is not known */
    uint8_t                spki_bytes[BL_TPM_SPKI];
    blind_span             spki; /* of the AK */
    uint8_t                spki_sha256[32];
    bl_key                *key;
    bool                   has_pcrs;
    bl_tpm_pcrs            pcrs;
} bl_tpm_session;

void bl_tpm_session_done(bl_tpm_session *s);
#define bl_auto_tpm_session __attribute__((cleanup(bl_tpm_session_done))) bl_tpm_session

/* Reads the evidence.  Errors: FORMAT, MEMORY */
BLIND_MUST_USE blind_code bl_tpm_session_read(const bl_verify_input *in, bl_tpm_session *out,
                                              blind_error *err);
/* Fields that are claims by themselves: report data, clock, firmware. */
void bl_tpm_claim_quote(const bl_tpm_session *s, bl_claims *out);
/* The steps that every quote takes, whoever vouches for its key: signature, algorithms, PCRs. */
void bl_tpm_judge_quote(const bl_tpm_session *s, bl_claims *out);
/* Azure's confidential machines: the hardware's report vouches for the attestation key, and for the
 * memory that it signs about.  Adds the findings, and the inner TEE's claims where they are proven.
 *
 * vouched  somebody else vouches for the key: what the hardware says may then stay unknown */
void bl_tpm_judge_hcl(const bl_tpm_session *s, bool vouched, bl_claims *out);
/* Replays the boot's event log against the PCRs, which were proven; says of each what is in it. */
void bl_tpm_judge_event_log(const bl_tpm_session *s, bl_claims *out);

#endif
