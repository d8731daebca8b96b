/* What a unified kernel image will measure to in a TPM's registers.
 *
 * The rules for PCR 4, 7, 9, 11, 12 and 13 were compared with booted machines for systemd-stub 252
 * (Linux 6.1, OVMF 2022.11) and 257 (Linux 6.12, OVMF 2025.02), Secure Boot off and on; a register
 * is left unknown wherever they were not, and says why.  PCR 0, 1, 2, 3, 5, 6, 10 depend on
 * firmware, devices and disks: they cannot be known from the image.
 *
 * Source: UAPI.5 Unified Kernel Image; systemd, TPM2 PCR measurements; TCG PC Client Platform
 * Firmware Profile 1.06, section 3.3.4. */
#ifndef BL_UKI_H
#define BL_UKI_H

#include "measure/boot_events.h"
#include "measure/pe.h"

/* The registers that a policy pins together: without 9, 12 and 13 the host could change the
 * kernel's command line and nothing pinned would show it. */
#define BL_UKI_PCRS (1u << 4 | 1u << 7 | 1u << 9 | 1u << 11 | 1u << 12 | 1u << 13)

typedef enum {
    BL_UKI_FROM_DISK,   /* firmware loads it from a file system */
    BL_UKI_FROM_LOADER, /* the virtual machine monitor hands it over (QEMU -kernel) */
} bl_uki_start;

/* What firmware says in the variable SecureBoot. */
typedef enum {
    BL_SECURE_BOOT_UNSAID, /* PCR 7 stays unknown */
    BL_SECURE_BOOT_OFF,    /* one byte, 0 */
    BL_SECURE_BOOT_EMPTY,  /* off, and the variable is not there (OVMF from 2023 on) */
    BL_SECURE_BOOT_ON,
} bl_secure_boot;

typedef struct {
    bl_uki_start   start;
    unsigned       stub; /* version of systemd-stub; 0: what the image says of itself */
    bl_secure_boot secure_boot;
    blind_span     pk, kek, db, dbx; /* contents of these variables; empty where not set */
    blind_span     authority; /* with ON: the entry of db (owner's GUID and certificate) that the
                                 image's signature leads to */
    const char *phases; /* "enter-initrd:leave-initrd", as systemd-pcrphase extends PCR 11 with;
                           NULL or "": none */
} bl_uki_boot;

typedef struct {
    unsigned      stub;
    uint32_t      known; /* bit p: pcrs[p] is what the boot will end in */
    uint8_t       pcrs[24][BL_HASH_MAX];
    const char   *why[24]; /* of those of BL_UKI_PCRS that are unknown; NULL else */
    bl_boot_steps steps;   /* what the known ones are made of */
} bl_uki_measurement;

/* uki   the whole file; borrowed for the call
 * bank  BL_SHA256 or BL_SHA384
 * Errors: INPUT (no UKI, or one that this cannot predict), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_uki_measure(blind_span uki, const bl_uki_boot *boot, bl_hash bank,
                                         bl_uki_measurement *out, blind_error *err);

#endif
