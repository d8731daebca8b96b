/* The launch digest of an SEV-SNP guest: what its report will say as `measurement`.
 *
 * It covers the firmware, the pages that the firmware's metadata lists, the first registers of
 * every virtual processor and, where the firmware has room for them, digests of kernel, initrd and
 * command line.  With other firmware it says nothing of what runs after the firmware.
 *
 * Source: AMD 56860 (SEV-SNP firmware ABI) 1.58, section 8.17 (SNP_LAUNCH_UPDATE, PAGE_INFO); AMD
 * 24593 (APM volume 2), table B-4 (VMSA); what each hypervisor loads: virtee/sev-snp-measure. */
#ifndef BL_SNP_LAUNCH_H
#define BL_SNP_LAUNCH_H

#include "measure/ovmf.h"

typedef enum { BL_VMM_QEMU, BL_VMM_EC2, BL_VMM_GCE } bl_vmm;

typedef struct {
    bl_vmm     vmm;
    uint32_t   vcpus;          /* 1 to BL_MAX_VCPUS */
    uint32_t   vcpu_signature; /* CPUID 1 EAX of the processor that QEMU shows; others: unused */
    uint64_t   guest_features; /* SEV_FEATURES of the VMSA: bit 0 SNP, bit 5 debug swap */
    bool       with_kernel;    /* kernel, initrd and command line are measured */
    blind_span kernel, initrd; /* an empty initrd: none */
    blind_span command_line;   /* without its NUL */
    const uint8_t *firmware_digest; /* 48 bytes: the digest after the firmware's own pages, in place
                                       of hashing them; NULL: hash */
} bl_snp_launch;

/* Errors: INPUT (no such firmware, or it has no room for a kernel's digests), USAGE (no processors,
 * too many), LIMIT, MEMORY.  out is zero on failure. */
BLIND_MUST_USE blind_code bl_snp_measure(const bl_ovmf *ovmf, const bl_snp_launch *launch,
                                         uint8_t out[48], blind_error *err);

/* CPUID signature of QEMU's model ("EPYC-Milan"); 0: unknown. */
uint32_t bl_snp_vcpu_signature(const char *model);
/* The i-th model's name, NULL past the last. */
const char *bl_snp_vcpu_model(size_t i);

#endif
