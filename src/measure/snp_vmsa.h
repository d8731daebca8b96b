/* The page that holds a virtual processor's first registers. */
#ifndef BL_SNP_VMSA_H
#define BL_SNP_VMSA_H

#include "measure/snp.h"

enum { BL_VMSA_SIZE = 4096 };
#define BL_VMSA_RESET 0xfffffff0u /* where the first processor starts */

void bl_snp_vmsa(const bl_snp_launch *launch, uint32_t eip, uint8_t out[BL_VMSA_SIZE]);

#endif
