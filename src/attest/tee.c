/* The table of TEEs. */
#include "attest/tee.h"

static const bl_tee *const tees[] = { &bl_tee_sim };

const bl_tee *bl_tee_find(blind_span name)
{
    for (size_t i = 0; i < BL_LEN(tees); i++)
        if (bl_span_equal(name, bl_span_str(tees[i]->name)))
            return tees[i];
    return NULL;
}

const bl_tee *bl_tee_at(size_t i)
{
    return i < BL_LEN(tees) ? tees[i] : NULL;
}
