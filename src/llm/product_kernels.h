/* What an instruction set provides for product.c. */
#ifndef BL_LLM_PRODUCT_KERNELS_H
#define BL_LLM_PRODUCT_KERNELS_H

#include "llm/product.h"

struct bl_product_kernels {
    bl_isa isa;
    size_t strip; /* rows that are unpacked together: parts begin at multiples of it */
    size_t group; /* tokens that are prepared together: as much */

    unsigned (*form)(const bl_quant_type *type);

    /* Bytes of one group's forms; as in bl_product_input_size(), 0 when there are too many. */
    size_t (*input_size)(unsigned forms, size_t tokens, size_t columns);

    /* Prepares tokens first..first + count - 1 of in->tokens; first is a multiple of `group`. */
    void (*prepare)(const bl_product_input *in, void *to, const float *x, size_t x_row,
                    size_t first, size_t count);

    size_t (*scratch)(size_t tokens, size_t columns); /* bytes of one worker, a multiple of 64 */

    /* Rows first..first + count - 1 of one product, for all tokens. */
    void (*run)(const bl_product *p, size_t first, size_t count, void *scratch);
};

extern const bl_product_kernels bl_product_scalar;
#if defined(__x86_64__)
extern const bl_product_kernels bl_product_vnni;
extern const bl_product_kernels bl_product_amx;
#endif

/* One sum, where it belongs. */
static inline void bl_product_put(const bl_product *p, size_t token, size_t row, float sum)
{
    float *to = p->out + token * p->out_row + row;
    if (p->bias)
        sum += p->bias[row];
    *to = p->add ? *to + sum : sum;
}

#endif
