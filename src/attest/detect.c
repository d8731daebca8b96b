/* `--tee auto`: which TEE this machine is. */
#include "attest/tee.h"

/* Whoever protects memory comes first: a confidential machine may have a TPM beside it. */
static const bl_tee *const candidates[] = { &bl_tee_snp, &bl_tee_tdx, &bl_tee_sgx, &bl_tee_nitro,
                                            &bl_tee_tpm };

const bl_tee *bl_tee_detect(const bl_tee_options *options, bl_buf *why)
{
    for (size_t i = 0; i < BL_LEN(candidates); i++) {
        const bl_tee *tee = candidates[i];
        blind_error   err = { .message = "this build cannot run inside it" };
        void         *device = NULL;
        bool          found = tee->open && tee->open(options, &device, &err) == BLIND_OK;
        bl_buf_printf(why, "%s%s: %s", i ? "; " : "", tee->name, found ? "found" : err.message);
        if (!found)
            continue;
        if (tee->close)
            tee->close(device);
        return tee;
    }
    return NULL;
}
