/* Products in plain C: rows are unpacked to floats.  The meaning of the others, and the kernels of
 * processors that have none of their own. */
#include "llm/dequant.h"
#include "llm/product_kernels.h"

#define LANES 16 /* sums that are added up at the end: column c goes to c % LANES */

static unsigned form(const bl_quant_type *type)
{
    (void)type;
    return 1; /* floats as they are, dense */
}

static size_t input_size(unsigned forms, size_t tokens, size_t columns)
{
    size_t len, size;
    (void)forms;
    return bl_mul(tokens, columns, &len) && bl_mul(len, sizeof(float), &size) ? size : 0;
}

static void prepare(const bl_product_input *in, void *to, const float *x, size_t x_row,
                    size_t first, size_t count)
{
    for (size_t t = first; t < first + count; t++)
        memcpy((float *)to + t * in->columns, x + t * x_row, in->columns * sizeof *x);
}

static size_t scratch_size(size_t tokens, size_t columns)
{
    (void)tokens;
    return (columns * sizeof(float) + 63) / 64 * 64;
}

static float dot(const float *a, const float *b, size_t len)
{
    float  sums[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= len; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += a[i + lane] * b[i + lane];
    for (size_t lane = 0; i < len; i++, lane++)
        sums[lane] += a[i] * b[i];
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            sums[lane] += sums[lane + half];
    return sums[0];
}

static void run(const bl_product *p, size_t first, size_t count, void *scratch)
{
    size_t       columns = p->w.columns, size = bl_weights_row_size(&p->w);
    const float *x = p->in->data;
    for (size_t row = first; row < first + count; row++) {
        bl_dequant(p->w.type, p->w.data + row * size, columns, scratch);
        for (size_t t = 0; t < p->in->tokens; t++)
            bl_product_put(p, t, row, dot(scratch, x + t * columns, columns));
    }
}

const bl_product_kernels bl_product_scalar = { .isa = BL_ISA_SCALAR,
                                               .strip = 1,
                                               .group = 1,
                                               .form = form,
                                               .input_size = input_size,
                                               .prepare = prepare,
                                               .scratch = scratch_size,
                                               .run = run };
