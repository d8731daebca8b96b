/* Which instruction sets this processor runs. */
#include "nn/isa.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const names[] = {
#define X(name, text) text,
    BL_ISAS(X)
#undef X
};

const char *bl_isa_name(bl_isa isa)
{
    return (unsigned)isa < BL_ISA_COUNT ? names[isa] : "unknown";
}

static const char *const precisions[] = {
#define X(name, text) text,
    BL_PRECISIONS(X)
#undef X
};

const char *bl_precision_name(bl_precision precision)
{
    return (unsigned)precision < BL_PRECISION_COUNT ? precisions[precision] : "unknown";
}

bool bl_precision_from_name(const char *name, bl_precision *out)
{
    for (unsigned i = 0; i < BL_PRECISION_COUNT; i++)
        if (strcmp(name, precisions[i]) == 0) {
            *out = (bl_precision)i;
            return true;
        }
    return false;
}

#if defined(__x86_64__)
/* AMX tiles, bf16 products on them, and bf16 conversions in AVX-512.
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, leaf 7. */
static bool has_amx_bf16(void)
{
    unsigned a, b, c, d, tiles = 1u << 22 | 1u << 24, conversions = 1u << 5;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & tiles) != tiles)
        return false;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & conversions) != 0;
}

/* Tiles are given to a process that asks, and then to all its threads; a system that does not know
 * them, or forbids to ask, refuses.
 * Source: Linux, Documentation/arch/x86/xstate.rst. */
static bool tiles_granted(void)
{
    const int ask = 0x1023 /* ARCH_REQ_XCOMP_PERM */, tile_data = 18;
    return syscall(SYS_arch_prctl, ask, tile_data) == 0;
}
#endif

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
    case BL_ISA_AMX:
        return bl_isa_usable(BL_ISA_AVX512) && has_amx_bf16() && tiles_granted();
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
