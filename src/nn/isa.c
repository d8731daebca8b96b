/* Which instruction sets this processor runs. */
#include "nn/isa.h"

#include <stdlib.h>

static const char *const names[] = {
#define X(name, text) text,
    BL_ISAS(X)
#undef X
};

const char *bl_isa_name(bl_isa isa)
{
    return (unsigned)isa < BL_ISA_COUNT ? names[isa] : "unknown";
}

/* The compiler's builtins also ask the operating system for the registers' state (XGETBV). */
bool bl_isa_usable(bl_isa isa)
{
    switch (isa) {
    case BL_ISA_SCALAR:
        return true;
#if defined(__x86_64__)
    case BL_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case BL_ISA_AVX512:
        return bl_isa_usable(BL_ISA_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#endif
    default:
        return false;
    }
}

bl_isa bl_isa_best(void)
{
    const char *asked = getenv("BLIND_ISA");
    bl_isa      best = BL_ISA_SCALAR;
    for (int i = 0; i < BL_ISA_COUNT; i++) {
        bl_isa isa = (bl_isa)i;
        if (!bl_isa_usable(isa))
            continue;
        best = isa;
        if (asked && strcmp(asked, names[i]) == 0)
            break;
    }
    return best;
}
