/* The table of TEEs. */
#include "attest/tee.h"

static const bl_tee *const tees[] = { &bl_tee_sim, &bl_tee_tpm,   &bl_tee_sgx,    &bl_tee_tdx,
                                      &bl_tee_snp, &bl_tee_nitro, &bl_tee_nvidia, NULL };

const bl_tee *bl_tee_find(blind_span name)
{
    for (const bl_tee *const *tee = tees; *tee; tee++)
        if (bl_span_equal(name, bl_span_str((*tee)->name)))
            return *tee;
    return NULL;
}

const bl_tee *bl_tee_at(size_t i)
{
    for (const bl_tee *const *tee = tees; *tee; tee++)
        if (i-- == 0)
            return *tee;
    return NULL;
}
