/* Instruction sets and precisions: what a kernel table is made for. */
#ifndef BL_NN_ISA_H
#define BL_NN_ISA_H

#include "base/base.h"

/* Ordered: each includes those before it. */
#define BL_ISAS(X)                                                                                 \
    X(SCALAR, "scalar") /* plain C, the specification      */                                      \
    X(AVX2, "avx2")     /* AVX2 and FMA                    */                                      \
    X(AVX512, "avx512") /* AVX-512 F, BW, DQ and VL        */                                      \
    X(AMX, "amx")       /* those, AVX512_BF16, AMX bf16    */

#define X(name, text) BL_ISA_##name,
typedef enum { BL_ISAS(X) BL_ISA_COUNT } bl_isa;
#undef X

/* What a product may lose, in PyTorch's words.  Where there is no AMX every precision is HIGHEST.
 */
#define BL_PRECISIONS(X)                                                                           \
    X(HIGHEST, "highest") /* as fp32: on AMX six bf16 products      */                             \
    X(HIGH, "high")       /* three bf16 products, about 4e-6 rms    */                             \
    X(MEDIUM, "medium")   /* one bf16 product, about 2e-3 rms       */

#define X(name, text) BL_PRECISION_##name,
typedef enum { BL_PRECISIONS(X) BL_PRECISION_COUNT } bl_precision;
#undef X

const char *bl_precision_name(bl_precision precision);                   /* "highest" */
bool        bl_precision_from_name(const char *name, bl_precision *out); /* false: unknown */

const char *bl_isa_name(bl_isa isa); /* "avx512" */

/* Whether this processor and its operating system run `isa`. */
bool bl_isa_usable(bl_isa isa);

/* The fastest usable one.  The environment's BLIND_ISA (a name above) lowers it: a name that is
 * unknown or not usable counts as absent. */
bl_isa bl_isa_best(void);

#endif
