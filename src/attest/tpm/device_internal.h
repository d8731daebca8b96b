/* An open TPM.  Its lock is held for each command or run of commands. */
#ifndef BL_TPM_DEVICE_INTERNAL_H
#define BL_TPM_DEVICE_INTERNAL_H

#include "attest/tpm/tss.h"

#include <pthread.h>

typedef struct {
    const bl_tss      *tss;
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT      *esys;
    pthread_mutex_t    lock;
    ESYS_TR            ek, ak;
    bool               flush_ek, flush_ak; /* transient keys are ours to flush */
    bl_buf             ek_public, ek_cert, ek_chain, ak_public, ak_cert, event_log;
} bl_tpm_device;

#endif
