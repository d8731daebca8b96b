/* What the files of this folder share beside snp.h. */
#ifndef BL_SNP_INTERNAL_H
#define BL_SNP_INTERNAL_H

#include "attest/snp/snp.h"

/* Fields to claims, as they were read; the caller's findings say whether they count. */
void bl_snp_claim(const bl_snp_report *report, bl_claims *out);
/* The reported TCB, whose layout the chain's product decides. */
void bl_snp_claim_tcb(const bl_snp_product *product, const bl_snp_report *report, bl_claims *out);

#define BL_SEV_GUEST "/dev/sev-guest"

/* The device of kernels before 6.7.  `call` is ioctl() that returns 0 or errno. */
typedef struct bl_sev_guest {
    int (*call)(void *context, unsigned long request, void *argument);
    void (*wait_ms)(void *context, unsigned ms);
    void    *context;
    unsigned vmpl;
    bool     plain; /* it knows no extended report */
} bl_sev_guest;
/* Appends the report; *certs becomes the host's table, or empty.  Errors: BUSY, IO, DENIED, MEMORY
 */
BLIND_MUST_USE blind_code bl_sev_guest_report(bl_sev_guest *dev, const uint8_t data[64],
                                              bl_buf *report, bl_buf *certs, blind_error *err);

#endif
