/* What a trust domain will measure to.
 *
 * MRTD is computed as the TDX module does, from the firmware's metadata.  RTMR1 and RTMR2 follow
 * from the boot of a unified kernel image as the firmware maps PCRs onto them.  RTMR0 holds the
 * virtual machine's configuration (hand-off block, ACPI tables, boot variables) and RTMR3 what runs
 * later: neither can be known from the image.
 *
 * None of this was compared with a value that hardware signed: there was no firmware image of a
 * recorded quote to compare with.
 *
 * Source: Intel TDX Module 1.5 Base Architecture Specification, section 12.2 (MRTD), ABI
 * Specification, TDH.MEM.PAGE.ADD and TDH.MR.EXTEND; TDX Virtual Firmware Design Guide 1.01,
 * sections 8 and 11. */
#ifndef BL_TDX_H
#define BL_TDX_H

#include "measure/ovmf.h"
#include "measure/uki.h"

typedef enum {
    BL_TD_PAGE_BY_PAGE, /* each page is added and at once extended (KVM from Linux 6.16 on) */
    BL_TD_TWO_PASSES,   /* a section's pages are all added, then all extended (before that) */
} bl_td_order;

/* Errors: INPUT (firmware without TDX metadata), LIMIT, MEMORY.  out is zero on failure. */
BLIND_MUST_USE blind_code bl_tdx_mrtd(const bl_ovmf *ovmf, bl_td_order order, uint8_t out[48],
                                      blind_error *err);

/* RTMR1 and RTMR2 of a boot whose `uki` was measured in SHA-384, without a partitioned disk.
 * Errors: INPUT: a register that they are made of is unknown; MEMORY */
BLIND_MUST_USE blind_code bl_tdx_rtmrs(const bl_uki_measurement *uki, uint8_t rtmr1[48],
                                       uint8_t rtmr2[48], blind_error *err);

#endif
