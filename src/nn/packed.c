/* Packed weights: their memory, and the choice of a kernel table. */
#include "base/pages.h"
#include "nn/internal.h"

#include <stdlib.h>

/* Columns beyond the last are zeros; the others are about to be written. */
static void clear_last_panels(bl_packed *p)
{
    size_t panel = p->width * p->k;
    for (size_t group = 0; group < p->groups && p->n % p->width != 0; group++)
        memset(p->data + (group + 1) * p->group_stride - panel, 0, panel * sizeof(float));
}

blind_code bl_packed_new(size_t k, size_t n, size_t groups, size_t width, bl_layout layout,
                         bl_packed **out, blind_error *err)
{
    *out = NULL;
    size_t columns, stride, floats, size;
    if (!bl_add(n, width - 1, &columns) || !bl_mul(columns / width * width, k, &stride) ||
        !bl_mul(stride, groups, &floats) || !bl_mul(floats, sizeof(float), &size))
        return blind_fail(err, BLIND_LIMIT, "nn.pack", "weights of %zu x %zu x %zu are too large",
                          groups, k, n);
    bl_packed *p = malloc(sizeof *p);
    float     *data = bl_pages_new(size);
    if (!p || !data) {
        free(p);
        free(data);
        return blind_fail(err, BLIND_MEMORY, "nn.pack", "no memory for %zu bytes of weights", size);
    }
    *p = (bl_packed){ layout, k, n, groups, width, stride, size, data, false };
    clear_last_panels(p);
    *out = p;
    return BLIND_OK;
}

size_t bl_packed_size(const bl_packed *packed)
{
    return packed->size;
}

size_t bl_packed_k(const bl_packed *packed)
{
    return packed->k;
}

size_t bl_packed_n(const bl_packed *packed)
{
    return packed->n;
}

void bl_packed_free(bl_packed *packed)
{
    if (!packed)
        return;
    free(packed->data);
    free(packed);
}

const bl_kernels *bl_kernels_for(bl_isa isa, bl_precision precision)
{
    if (!bl_isa_usable(isa) || (unsigned)precision >= BL_PRECISION_COUNT)
        return NULL;
    switch (isa) {
#if defined(__x86_64__)
    case BL_ISA_AMX:
        return &bl_kernels_amx[precision];
    case BL_ISA_AVX512: /* the HIGHEST kernels keep every promise */
        return &bl_kernels_avx512;
    case BL_ISA_AVX2:
        return &bl_kernels_avx2;
#endif
    default:
        return &bl_kernels_scalar;
    }
}

size_t bl_window_out(size_t in, size_t kernel, size_t stride, size_t dilation, size_t pad_before,
                     size_t pad_after, bool ceil_mode)
{
    size_t reach, padded;
    if (kernel == 0 || stride == 0 || !bl_mul(kernel - 1, dilation, &reach) ||
        !bl_add(in, pad_before, &padded) || !bl_add(padded, pad_after, &padded) || padded <= reach)
        return 0;
    size_t rest = padded - reach - 1;
    size_t out = rest / stride + 1;
    /* The last window of ceil_mode must begin inside the data or the pad before it. */
    if (ceil_mode && rest % stride != 0 && out * stride < in + pad_before)
        out++;
    return out;
}
