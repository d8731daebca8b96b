/* Instruction sets and precisions: what a kernel table is made for. */
#ifndef BL_NN_ISA_H
#define BL_NN_ISA_H

#include "base/base.h"

/* Ordered: each includes those before it. */
#define BL_ISAS(X)                                                                                 \
    X(SCALAR, "scalar") /* plain C, the specification      */                                      \
    X(AVX2, "avx2")     /* AVX2 and FMA                    */                                      \
    X(AVX512, "avx512") /* AVX-512 F, BW, DQ and VL        */

#define X(name, text) BL_ISA_##name,
typedef enum { BL_ISAS(X) BL_ISA_COUNT } bl_isa;
#undef X

/* What a product may lose, in PyTorch's words.  Today every precision runs the HIGHEST kernels. */
typedef enum {
    BL_PRECISION_HIGHEST, /* as fp32                              */
    BL_PRECISION_HIGH,    /* three bf16 products, about 4e-6 rms  */
    BL_PRECISION_MEDIUM,  /* one bf16 product, about 2e-3 rms     */
    BL_PRECISION_COUNT,
} bl_precision;

const char *bl_isa_name(bl_isa isa); /* "avx512" */

/* Whether this processor and its operating system run `isa`. */
bool bl_isa_usable(bl_isa isa);

/* The fastest usable one.  The environment's BLIND_ISA (a name above) lowers it: a name that is
 * unknown or not usable counts as absent. */
bl_isa bl_isa_best(void);

#endif
