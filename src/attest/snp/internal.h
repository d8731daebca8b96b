/* What the files of this folder share beside snp.h. */
#ifndef BL_SNP_INTERNAL_H
#define BL_SNP_INTERNAL_H

#include "attest/snp/snp.h"

/* Fields to claims, as they were read; the caller's findings say whether they count. */
void bl_snp_claim(const bl_snp_report *report, bl_claims *out);
/* The reported TCB, whose layout the chain's product decides. */
void bl_snp_claim_tcb(const bl_snp_product *product, const bl_snp_report *report, bl_claims *out);

#endif
