/* OVMF images: whatever parses stays in its bounds and measures, as a guest of SNP and as a TD. */
#include "measure/snp.h"
#include "measure/tdx.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Large memory takes long to hash and shows nothing new. */
static bool is_small(const bl_ovmf *o)
{
    uint64_t total = 0;
    for (size_t i = 0; i < o->sev_len; i++)
        total += o->sev[i].size;
    for (size_t i = 0; i < o->td_len; i++)
        total += o->td[i].size;
    return total <= 64u * BL_GUEST_PAGE;
}

static void measure(const bl_ovmf *o, uint8_t choice)
{
    bl_snp_launch launch = { .vmm = (bl_vmm)(choice % 3),
                             .vcpus = 1 + (choice & 1),
                             .vcpu_signature = 0xa00f11,
                             .guest_features = 1,
                             .with_kernel = choice & 2,
                             .kernel = BL_LITERAL("kernel") };
    uint8_t       digest[48];
    (void)!bl_snp_measure(o, &launch, digest, NULL);
    (void)!bl_tdx_mrtd(o, choice & 4 ? BL_TD_TWO_PASSES : BL_TD_PAGE_BY_PAGE, digest, NULL);
}

/* The first byte chooses the launch.  The rest is the end of one page, so that small inputs do. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t image[BL_GUEST_PAGE];
    bl_ovmf        o;
    if (size == 0 || size - 1 > sizeof image)
        return 0;
    memset(image, 0, sizeof image);
    memcpy(image + sizeof image - (size - 1), data + 1, size - 1);
    if (bl_ovmf_parse(bl_span(image, sizeof image), &o, NULL) != BLIND_OK) {
        if (o.sev_len || o.td_len || o.image.data)
            abort();
        return 0;
    }
    if (is_small(&o))
        measure(&o, data[0]);
    return 0;
}
