/* tpm2-tss, opened when a device is: libblind links none of it, so a relying party needs none.
 *
 * Functions have the names and types of the Enhanced System API; their sources are its headers. */
#ifndef BL_TPM_TSS_H
#define BL_TPM_TSS_H

#include "attest/tpm/tpm.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

/* library, function */
#define BL_TSS_FUNCTIONS(X)                                                                        \
    X(TCTI, Tss2_TctiLdr_Initialize)                                                               \
    X(TCTI, Tss2_TctiLdr_Finalize)                                                                 \
    X(MU, Tss2_MU_TPMT_PUBLIC_Marshal)                                                             \
    X(MU, Tss2_MU_TPMT_PUBLIC_Unmarshal)                                                           \
    X(MU, Tss2_MU_TPMT_SIGNATURE_Marshal)                                                          \
    X(ESYS, Esys_Initialize)                                                                       \
    X(ESYS, Esys_Finalize)                                                                         \
    X(ESYS, Esys_Free)                                                                             \
    X(ESYS, Esys_TR_FromTPMPublic)                                                                 \
    X(ESYS, Esys_TR_Close)                                                                         \
    X(ESYS, Esys_ReadPublic)                                                                       \
    X(ESYS, Esys_CreatePrimary)                                                                    \
    X(ESYS, Esys_FlushContext)                                                                     \
    X(ESYS, Esys_Quote)                                                                            \
    X(ESYS, Esys_PCR_Read)                                                                         \
    X(ESYS, Esys_PCR_Extend)                                                                       \
    X(ESYS, Esys_NV_ReadPublic)                                                                    \
    X(ESYS, Esys_NV_Read)                                                                          \
    X(ESYS, Esys_StartAuthSession)                                                                 \
    X(ESYS, Esys_PolicySecret)                                                                     \
    X(ESYS, Esys_ActivateCredential)

typedef struct {
#define X(library, function) __typeof__(&function) function;
    BL_TSS_FUNCTIONS(X)
#undef X
} bl_tss;

/* The functions, loaded once and for good.  Errors: UNSUPPORTED, naming what is missing. */
BLIND_MUST_USE blind_code bl_tss_load(const bl_tss **out, blind_error *err);
/* IO: "cannot quote: TPM error 0x..."; OK when rc is. */
blind_code bl_tss_check(TSS2_RC rc, const char *what, blind_error *err);

#endif
