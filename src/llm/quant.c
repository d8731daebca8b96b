/* The types of weights, one row each.  Source: ggml's documentation of its tensor types. */
#include "llm/quant.h"

/* clang-format off */
static const bl_quant_type types[] = {
    /* name      id  len size */
    { "F32",      0,   1,   4 },
    { "F16",      1,   1,   2 },
    { "Q4_0",     2,  32,  18 },
    { "Q4_1",     3,  32,  20 },
    { "Q5_0",     6,  32,  22 },
    { "Q5_1",     7,  32,  24 },
    { "Q8_0",     8,  32,  34 },
    { "Q2_K",    10, 256,  84 },
    { "Q3_K",    11, 256, 110 },
    { "Q4_K",    12, 256, 144 },
    { "Q5_K",    13, 256, 176 },
    { "Q6_K",    14, 256, 210 },
    { "IQ2_XXS", 16, 256,  66 },
    { "IQ2_XS",  17, 256,  74 },
    { "IQ3_XXS", 18, 256,  98 },
    { "IQ1_S",   19, 256,  50 },
    { "IQ4_NL",  20,  32,  18 },
    { "IQ3_S",   21, 256, 110 },
    { "IQ2_S",   22, 256,  82 },
    { "IQ4_XS",  23, 256, 136 },
    { "I8",      24,   1,   1 },
    { "I16",     25,   1,   2 },
    { "I32",     26,   1,   4 },
    { "I64",     27,   1,   8 },
    { "F64",     28,   1,   8 },
    { "IQ1_M",   29, 256,  56 },
    { "BF16",    30,   1,   2 },
    { "TQ1_0",   34, 256,  54 },
    { "TQ2_0",   35, 256,  66 },
    { "MXFP4",   39,  32,  17 },
};
/* clang-format on */

const bl_quant_type *bl_quant_type_of(uint32_t id)
{
    for (size_t i = 0; i < BL_LEN(types); i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const bl_quant_type *bl_quant_type_named(const char *name)
{
    for (size_t i = 0; i < BL_LEN(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}
