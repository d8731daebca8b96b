/* OVMF firmware images: the table of GUIDs before the reset vector, and where it says that memory
 * must be set up for SEV-SNP and TDX guests.
 *
 * Source: EDK II, OvmfPkg/ResetVector (GUIDed structures, SEV metadata, TDX metadata); TDX Virtual
 * Firmware Design Guide 1.01, section 11. */
#ifndef BL_OVMF_H
#define BL_OVMF_H

#include "base/base.h"
#include "base/limits.h"

enum { BL_GUEST_PAGE = 4096 };

/* SEV metadata.  Numbers are the table's. */
typedef enum {
    BL_SEV_ZEROED = 1,
    BL_SEV_SECRETS = 2,
    BL_SEV_CPUID = 3,
    BL_SEV_SVSM_CALLING_AREA = 4,
    BL_SEV_KERNEL_HASHES = 0x10,
} bl_sev_kind;

typedef struct {
    uint32_t address, size; /* whole pages */
    uint32_t kind;          /* bl_sev_kind */
} bl_sev_section;

/* TDX metadata. */
enum { BL_TD_EXTEND = 1, BL_TD_AUGMENT = 2 }; /* of attributes */

typedef struct {
    uint32_t offset, data_size; /* of what it starts with in the image, which bl_tdx_mrtd() checks;
                                   the rest is zero */
    uint64_t address, size;     /* whole pages */
    uint32_t kind, attributes;
} bl_td_section;

typedef struct {
    blind_span     image;
    uint32_t       reset_eip;      /* where further processors start; 0: not said */
    uint32_t       hashes_address; /* of the table of kernel hashes; 0: none */
    bl_sev_section sev[BL_MAX_FIRMWARE_SECTIONS];
    size_t         sev_len; /* 0: no SEV metadata */
    bl_td_section  td[BL_MAX_FIRMWARE_SECTIONS];
    size_t         td_len; /* 0: no TDX metadata */
} bl_ovmf;

/* Everything in *out borrows from the image, which is whole pages and ends at 4 GiB in the guest.
 * Errors: INPUT (no OVMF, malformed), LIMIT.  *out is empty on failure. */
BLIND_MUST_USE blind_code bl_ovmf_parse(blind_span image, bl_ovmf *out, blind_error *err);

#endif
