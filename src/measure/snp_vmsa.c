/* VMSA: registers as a hypervisor leaves them before the first instruction.
 *
 * Source: AMD 24593 (APM volume 2), table B-4, for the offsets; the values are what KVM, EC2 and
 * GCE load, as measurements of their guests show. */
#include "measure/snp_vmsa.h"

typedef struct {
    uint16_t code, stack, task; /* attributes of CS, SS, TR */
    uint64_t pat, rdx;
    uint32_t mxcsr;
    uint16_t fcw;
} start;

static start start_of(const bl_snp_launch *launch, uint32_t eip)
{
    switch (launch->vmm) {
    case BL_VMM_EC2:
        return (
            start){ eip == BL_VMSA_RESET ? 0x9a : 0x9b, 0x92, 0x83, 0x7040600070406, 0x600, 0, 0 };
    case BL_VMM_GCE:
        return (start){ 0x9b, 0x93, 0x8b, 0x70106, 0x600, 0, 0 };
    default:
        return (start){ 0x9b, 0x93, 0x8b, 0x7040600070406, launch->vcpu_signature, 0x1f80, 0x37f };
    }
}

static void put(uint8_t *page, size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        page[at + i] = (uint8_t)(value >> 8 * i);
}

static void put_segment(uint8_t *page, size_t at, uint16_t selector, uint16_t attributes,
                        uint64_t base)
{
    put(page, at, selector, 2);
    put(page, at + 2, attributes, 2);
    put(page, at + 4, 0xffff, 4); /* limit */
    put(page, at + 8, base, 8);
}

void bl_snp_vmsa(const bl_snp_launch *launch, uint32_t eip, uint8_t out[BL_VMSA_SIZE])
{
    start s = start_of(launch, eip);
    memset(out, 0, BL_VMSA_SIZE);
    put_segment(out, 0x000, 0, 0x93, 0);                        /* ES */
    put_segment(out, 0x010, 0xf000, s.code, eip & 0xffff0000u); /* CS */
    put_segment(out, 0x020, 0, s.stack, 0);                     /* SS */
    put_segment(out, 0x030, 0, 0x93, 0);                        /* DS */
    put_segment(out, 0x040, 0, 0x93, 0);                        /* FS */
    put_segment(out, 0x050, 0, 0x93, 0);                        /* GS */
    put_segment(out, 0x060, 0, 0, 0);                           /* GDTR */
    put_segment(out, 0x070, 0, 0x82, 0);                        /* LDTR */
    put_segment(out, 0x080, 0, 0, 0);                           /* IDTR */
    put_segment(out, 0x090, 0, s.task, 0);                      /* TR */
    put(out, 0x0d0, 0x1000, 8);                                 /* EFER: SVME, as KVM sets it */
    put(out, 0x148, 0x40, 8);                                   /* CR4: MCE */
    put(out, 0x158, 0x10, 8);                                   /* CR0: ET */
    put(out, 0x160, 0x400, 8);                                  /* DR7 */
    put(out, 0x168, 0xffff0ff0, 8);                             /* DR6 */
    put(out, 0x170, 2, 8);                                      /* RFLAGS */
    put(out, 0x178, eip & 0xffff, 8);                           /* RIP */
    put(out, 0x268, s.pat, 8);                                  /* PAT */
    put(out, 0x310, s.rdx, 8);                                  /* RDX */
    put(out, 0x3b0, launch->guest_features, 8);                 /* SEV_FEATURES */
    put(out, 0x3e8, 1, 8);                                      /* XCR0 */
    put(out, 0x408, s.mxcsr, 4);                                /* MXCSR */
    put(out, 0x410, s.fcw, 2);                                  /* FCW */
}
