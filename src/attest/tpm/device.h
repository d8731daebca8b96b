/* The attester's TPM: its keys, what certifies them, and what it is asked to do. */
#ifndef BL_TPM_DEVICE_H
#define BL_TPM_DEVICE_H

#include "attest/tpm/tpm.h"

blind_code bl_tpm_open(const bl_tee_options *options, void **device, blind_error *err);
void       bl_tpm_close(void *device);
/* Appends { quote, signature, pcrs }: a quote over PCR 0 to 15 of the SHA-256 bank. */
blind_code bl_tpm_collect(void *device, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err);
/* Appends { ak_public, ek_public, ek_cert, ek_chain, ak_cert, event_log }, those that there are. */
blind_code bl_tpm_endorse(void *device, bl_buf *parts, blind_error *err);
/* Appends the secret of a challenge (attest/tpm/credential.h).  Errors: FORMAT, IO */
blind_code bl_tpm_activate(void *device, blind_span credential, bl_buf *secret, blind_error *err);
/* Extends a digest into PCR 15; reads it.  Errors: IO */
blind_code bl_tpm_extend(void *device, const uint8_t digest[32], blind_error *err);
blind_code bl_tpm_extended(void *device, uint8_t out[32], blind_error *err);

#endif
